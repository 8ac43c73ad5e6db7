/* SPDX-License-Identifier: MIT */
/*
 * session_table: who has a session, and who goes when there are too many.
 *
 * Each session is an allocation of its own and is linked four times: in its slot (the index on the
 * wire is random high bits over the slot number, so that finding it is one array access and an
 * index of a dropped session finds nothing), in a hash by peer key, in its class, and in a
 * hash by prefix.
 *
 * Classes in order of eviction: handshakes that others began, idle sessions, sessions of
 * routing-table peers, our own handshakes; within a class the one unused for longest. Forged
 * initiations therefore evict each other before they cost a real peer its session, and never keep
 * us from asking: a node whose table is full still reaches whom it has no session with. A prefix
 * over its share loses a session of its own, never another's. Invariants: every session but exempt
 * ones is charged to a prefix; n is the number of occupied slots. Everything is O(1) except adding
 * and moving one, which count the sessions of its prefix: O(its share), little beside a handshake.
 *
 * One timer serves all. It is set for the earliest expiry and not moved when a session is used: it
 * then fires early, finds nothing and is set again. Who matters is known to the routing table
 * alone: a new session asks, and the table tells of changes.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium/utils.h>

#include "core/base/keyed_hash.h"
#include "core/session/session_internal.h"

enum { SLOTS_MIN = 8, SLOT_BITS_MAX = 24 };

static void on_timer(struct kith_timer *timer, uint64_t now);

uint64_t session_hash(const struct kith_sessions *s, const void *bytes, size_t size) {
    return kith_keyed_hash(s->hash_key, bytes, size);
}

void session_table_init(struct kith_sessions *s) {
    if (s->config.sessions_max > 1u << SLOT_BITS_MAX) {
        s->config.sessions_max = 1u << SLOT_BITS_MAX;
    }
    while (s->slot_bits < SLOT_BITS_MAX && 1u << s->slot_bits < s->config.sessions_max) {
        s->slot_bits++;
    }
    kith_hash_init(&s->by_key);
    kith_hash_init(&s->by_prefix);
    for (unsigned i = 0; i < SESSION_CLASSES; i++) {
        kith_list_init(&s->classes[i]);
    }
}

void session_handshake_free(struct session *session) {
    struct session_handshake *handshake = session->handshake;

    if (handshake == NULL) {
        return;
    }
    while (handshake->queue != NULL) {
        struct session_message *message = handshake->queue;
        handshake->queue = message->next;
        sodium_memzero(message->bytes, message->size);
        free(message);
    }
    sodium_memzero(handshake, sizeof(*handshake) + handshake->request_size);
    free(handshake);
    session->handshake = NULL;
}

static enum session_class class_of(const struct session *session) {
    if (session->state != SESSION_ESTABLISHED) {
        return session->state == SESSION_INITIATED ? SESSION_CLASS_OWN : SESSION_CLASS_PENDING;
    }
    return session->pinned ? SESSION_CLASS_PINNED : SESSION_CLASS_IDLE;
}

static uint64_t lifetime_of(enum session_class class) {
    bool established = class == SESSION_CLASS_IDLE || class == SESSION_CLASS_PINNED;

    return (established ? KITH_SESSION_IDLE_S : KITH_SESSION_HANDSHAKE_S) * KITH_NS_PER_S;
}

static struct session *oldest_of(const struct kith_sessions *s, enum session_class class) {
    struct kith_list *first = kith_list_first(&s->classes[class]);

    return first == NULL ? NULL : kith_container_of(first, struct session, by_class);
}

static uint64_t prefix_hash(const struct kith_sessions *s, const struct kith_endpoint *endpoint) {
    struct kith_prefix prefix;

    kith_endpoint_prefix(endpoint, &prefix);
    return session_hash(s, prefix.bytes, sizeof(prefix.bytes));
}

/* `node` or the first behind it that is charged to the prefix of the endpoint. */
static struct session *same_prefix(struct kith_hash_node *node,
                                   const struct kith_endpoint *endpoint) {
    for (; node != NULL; node = kith_hash_next(node)) {
        struct session *session = kith_container_of(node, struct session, by_prefix);
        if (kith_endpoint_same_prefix(&session->endpoint, endpoint)) {
            return session;
        }
    }
    return NULL;
}

struct session *session_first_at(const struct kith_sessions *s,
                                 const struct kith_endpoint *endpoint) {
    return same_prefix(kith_hash_first(&s->by_prefix, prefix_hash(s, endpoint)), endpoint);
}

struct session *session_next_at(const struct session *session) {
    return same_prefix(kith_hash_next(&session->by_prefix), &session->endpoint);
}

/* Charges the prefix of its endpoint. Fails for the first one of all at most. */
static int prefix_join(struct kith_sessions *s, struct session *session) {
    if (kith_endpoint_exempt(&session->endpoint)) {
        return 0;
    }
    int r =
        kith_hash_insert(&s->by_prefix, &session->by_prefix, prefix_hash(s, &session->endpoint));
    session->charged = r == 0;
    return r;
}

static void prefix_leave(struct kith_sessions *s, struct session *session) {
    if (session->charged) {
        kith_hash_remove(&s->by_prefix, &session->by_prefix);
        session->charged = false;
    }
}

void session_remove(struct kith_sessions *s, struct session *session) {
    uint32_t slot = session_index(session) & ((1u << s->slot_bits) - 1);

    session_handshake_free(session);
    kith_hash_remove(&s->by_key, &session->by_key);
    kith_list_remove(&session->by_class);
    prefix_leave(s, session);
    s->slots[slot].session = NULL;
    s->slots[slot].next_free = s->first_free;
    s->first_free = slot + 1;
    s->n--;
    session_window_free(session);
    sodium_memzero(session, sizeof(*session));
    free(session);
}

void session_table_deinit(struct kith_sessions *s) {
    for (uint32_t i = 0; i < s->n_slots; i++) {
        if (s->slots[i].session != NULL) {
            session_remove(s, s->slots[i].session);
        }
    }
    kith_hash_deinit(&s->by_key);
    kith_hash_deinit(&s->by_prefix);
    free(s->slots);
    kith_timer_stop(s->config.timers, &s->timer);
}

static void evict(struct kith_sessions *s, struct session *session) {
    s->config.stats->sessions_evicted++;
    session_remove(s, session);
}

/* Whether `a` goes before `b` when their prefix is over its share: pending before idle, then who
 * was unused for longest. */
static bool goes_before(const struct session *a, const struct session *b) {
    if (class_of(a) != class_of(b)) {
        return class_of(a) < class_of(b);
    }
    return a->used != b->used ? a->used < b->used : a->ref >> 32 < b->ref >> 32;
}

/* Routing-table peers and handshakes of our own stay. */
static int make_room_in_prefix(struct kith_sessions *s, const struct kith_endpoint *endpoint) {
    struct session *victim = NULL;
    uint32_t n = 0;

    if (kith_endpoint_exempt(endpoint)) {
        return 0;
    }
    for (struct session *i = session_first_at(s, endpoint); i != NULL; i = session_next_at(i)) {
        n++;
        if (class_of(i) <= SESSION_CLASS_IDLE && (victim == NULL || goes_before(i, victim))) {
            victim = i;
        }
    }
    if (n < s->config.sessions_per_prefix) {
        return 0;
    }
    if (victim == NULL) {
        return KITH_EFULL;
    }
    evict(s, victim);
    return 0;
}

static int make_room(struct kith_sessions *s) {
    for (unsigned class = 0; s->n >= s->config.sessions_max && class < SESSION_CLASSES; class ++) {
        struct session *victim = oldest_of(s, (enum session_class) class);
        if (victim != NULL) {
            evict(s, victim);
        }
    }
    return s->n < s->config.sessions_max ? 0 : KITH_EFULL;
}

static int slots_grow(struct kith_sessions *s) {
    uint32_t n = s->n_slots == 0 ? SLOTS_MIN : s->n_slots + s->n_slots / 2;
    struct session_slot *slots;

    n = n > 1u << s->slot_bits ? 1u << s->slot_bits : n;
    slots = realloc(s->slots, n * sizeof(*slots));
    if (slots == NULL) {
        return KITH_ENOMEM;
    }
    s->slots = slots;
    for (uint32_t i = n; i-- > s->n_slots;) {
        s->slots[i] = (struct session_slot){.next_free = s->first_free};
        s->first_free = i + 1;
    }
    s->n_slots = n;
    return 0;
}

/* Random above the slot number, and never what it was last. */
static uint32_t new_index(struct kith_sessions *s, uint32_t slot) {
    uint32_t random;
    uint32_t index;

    kith_random_secure(s->config.random, &random, sizeof(random));
    index = (uint32_t)((uint64_t)random << s->slot_bits) | slot;
    if (index == s->slots[slot].index) {
        index ^= 1u << s->slot_bits;
    }
    s->slots[slot].index = index;
    return index;
}

static int timer_ensure(struct kith_sessions *s, enum session_class class, uint64_t now) {
    uint64_t deadline = now + lifetime_of(class);

    if (kith_timer_is_set(&s->timer) && s->timer.deadline <= deadline) {
        return 0;
    }
    return kith_timer_set(s->config.timers, &s->timer, on_timer, deadline);
}

static int session_link(struct kith_sessions *s, struct session *session) {
    uint32_t slot;
    int r;

    if (s->first_free == 0) {
        r = slots_grow(s);
        if (r < 0) {
            return r;
        }
    }
    r = kith_hash_insert(&s->by_key, &session->by_key,
                         session_hash(s, session->key.bytes, sizeof(session->key.bytes)));
    if (r < 0) {
        return r;
    }
    r = prefix_join(s, session);
    if (r < 0) {
        kith_hash_remove(&s->by_key, &session->by_key);
        return r;
    }
    slot = s->first_free - 1;
    s->first_free = s->slots[slot].next_free;
    s->slots[slot].session = session;
    s->serial += s->serial == UINT32_MAX ? 2 : 1;
    session->ref = (uint64_t)s->serial << 32 | new_index(s, slot);
    s->n++;
    kith_list_append(&s->classes[class_of(session)], &session->by_class);
    return 0;
}

static struct session *session_new(struct kith_sessions *s, const struct kith_key *key,
                                   const struct kith_endpoint *endpoint, enum session_state state,
                                   uint64_t now) {
    struct session *session = calloc(1, sizeof(*session));

    if (session != NULL) {
        session->key = *key;
        session->endpoint = *endpoint;
        session->state = (uint8_t)state;
        session->received.recent = UINT64_MAX;
        session->made = now;
        session->used = now;
        session->pinned =
            s->config.is_pinned != NULL && s->config.is_pinned(s->config.context, key);
    }
    return session;
}

int session_add(struct kith_sessions *s, const struct kith_key *key,
                const struct kith_endpoint *endpoint, enum session_state state, uint64_t now,
                struct session **ret, bool *ret_share) {
    int r = make_room_in_prefix(s, endpoint);

    *ret_share = r < 0;
    if (r == 0) {
        r = make_room(s);
    }
    if (r == 0) {
        r = timer_ensure(s, SESSION_CLASS_PENDING, now);
    }
    if (r < 0) {
        return r;
    }
    struct session *session = session_new(s, key, endpoint, state, now);
    r = session == NULL ? KITH_ENOMEM : session_link(s, session);
    if (r < 0) {
        free(session);
        return r;
    }
    *ret = session;
    return 0;
}

struct session *session_by_index(const struct kith_sessions *s, uint32_t index) {
    uint32_t slot = index & ((1u << s->slot_bits) - 1);

    if (slot >= s->n_slots || s->slots[slot].session == NULL || s->slots[slot].index != index) {
        return NULL;
    }
    return s->slots[slot].session;
}

struct session *session_by_ref(const struct kith_sessions *s, kith_session_ref ref) {
    struct session *session = session_by_index(s, (uint32_t)ref);

    return session != NULL && session->ref == ref ? session : NULL;
}

static struct session *same_key(struct kith_hash_node *node, const struct kith_key *key) {
    for (; node != NULL; node = kith_hash_next(node)) {
        struct session *session = kith_container_of(node, struct session, by_key);
        if (memcmp(session->key.bytes, key->bytes, sizeof(key->bytes)) == 0) {
            return session;
        }
    }
    return NULL;
}

struct session *session_first_of(const struct kith_sessions *s, const struct kith_key *key) {
    uint64_t hash = session_hash(s, key->bytes, sizeof(key->bytes));

    return same_key(kith_hash_first(&s->by_key, hash), key);
}

struct session *session_next_of(const struct session *session) {
    return same_key(kith_hash_next(&session->by_key), &session->key);
}

void session_touch(struct kith_sessions *s, struct session *session, uint64_t now) {
    session->used = now;
    kith_list_remove(&session->by_class);
    kith_list_append(&s->classes[class_of(session)], &session->by_class);
}

void session_limit(struct kith_sessions *s, const struct session *newest) {
    struct session *oldest = NULL;
    unsigned n = 1;

    for (struct session *i = session_first_of(s, &newest->key); i != NULL; i = session_next_of(i)) {
        if (i == newest || i->state != newest->state) {
            continue;
        }
        n++;
        if (oldest == NULL || i->established < oldest->established ||
            (i->established == oldest->established && i->ref >> 32 < oldest->ref >> 32)) {
            oldest = i;
        }
    }
    if (n > SESSION_PER_PEER_MAX) {
        session_remove(s, oldest);
    }
}

void session_establish(struct kith_sessions *s, struct session *session, uint64_t now) {
    session->state = SESSION_ESTABLISHED;
    session->established = now;
    session_touch(s, session, now);
    session_limit(s, session);
}

bool session_relocate(struct kith_sessions *s, struct session *session,
                      const struct kith_endpoint *to) {
    if (session->charged && kith_endpoint_same_prefix(&session->endpoint, to)) {
        session->endpoint = *to;
        return true;
    }
    if (make_room_in_prefix(s, to) < 0) {
        return false;
    }
    struct kith_endpoint before = session->endpoint;
    prefix_leave(s, session);
    session->endpoint = *to;
    if (prefix_join(s, session) < 0) {
        session->endpoint = before; /* an exempt one: nothing was charged */
        return false;
    }
    return true;
}

static void on_timer(struct kith_timer *timer, uint64_t now) {
    struct kith_sessions *s = kith_container_of(timer, struct kith_sessions, timer);
    uint64_t deadline = KITH_NEVER;

    for (unsigned i = 0; i < SESSION_CLASSES; i++) {
        enum session_class class = (enum session_class)i;
        struct session *session = oldest_of(s, class);
        while (session != NULL && session->used + lifetime_of(class) <= now) {
            session_remove(s, session);
            session = oldest_of(s, class);
        }
        if (session != NULL && session->used + lifetime_of(class) < deadline) {
            deadline = session->used + lifetime_of(class);
        }
    }
    if (deadline != KITH_NEVER) {
        /* It has just left the heap, so there is room for it. */
        int r = kith_timer_set(s->config.timers, timer, on_timer, deadline);
        (void)r;
    }
}

/* Changing class counts as use: lists stay in order of use without a search. */
void kith_sessions_pin(struct kith_sessions *s, const struct kith_key *key, bool pinned) {
    for (struct session *i = session_first_of(s, key); i != NULL; i = session_next_of(i)) {
        i->pinned = pinned;
        kith_list_remove(&i->by_class);
        kith_list_append(&s->classes[class_of(i)], &i->by_class);
    }
}
