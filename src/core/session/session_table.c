/* SPDX-License-Identifier: MIT */
/*
 * session_table: who has a session, and who goes when there are too many.
 *
 * Each session is an allocation of its own and is linked four times: in its slot (the index on the
 * wire is random high bits over the slot number, so that finding it is one array access and an
 * index of a dropped session finds nothing, or one that its messages do not authenticate for), in
 * chains by peer key, in its class, and in chains by prefix: all by the number of its slot. The
 * lowest free slot is taken first, so that after a rush the upper ones empty and are given back.
 *
 * Classes in order of eviction: handshakes that others began, idle sessions, sessions of
 * routing-table peers, our own handshakes; within a class the one unused for longest. Forged
 * initiations therefore evict each other before they cost a real peer its session, and never keep
 * us from asking: a node whose table is full still reaches whom it has no session with. A prefix
 * over its share loses a session of its own, never another's. Invariants: every session but exempt
 * ones is charged to a prefix; n is the number of occupied slots. Everything is O(1) except adding
 * and moving one, which count the sessions of its prefix: O(its share), and look for a free slot:
 * both little beside a handshake.
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
#include "util/list.h"

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
    for (unsigned i = 0; i < SESSION_CLASSES; i++) {
        s->classes[i] = (struct session_class_list){SESSION_NONE, SESSION_NONE};
    }
}

void session_handshake_free(struct session_handshake *handshake) {
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

static struct session *in_slot(const struct kith_sessions *s, uint32_t slot) {
    return slot == SESSION_NONE ? NULL : s->slots[slot];
}

struct session *session_in_use(const struct kith_sessions *s, uint32_t slot) {
    while (slot < s->used_to && s->slots[slot] == NULL) {
        slot++;
    }
    return slot < s->used_to ? s->slots[slot] : NULL;
}

/* ---- classes ---- */

static struct session *oldest_of(const struct kith_sessions *s, enum session_class class) {
    return in_slot(s, s->classes[class].oldest);
}

static void class_append(struct kith_sessions *s, struct session *session) {
    struct session_class_list *list = &s->classes[class_of(session)];
    uint32_t slot = session_slot(s, session);

    session->older = list->newest;
    session->newer = SESSION_NONE;
    if (list->newest == SESSION_NONE) {
        list->oldest = slot;
    } else {
        s->slots[list->newest]->newer = slot;
    }
    list->newest = slot;
}

/* Out of the class it is in, which may be another than it now belongs to. */
static void class_remove(struct kith_sessions *s, const struct session *session) {
    uint32_t slot = session_slot(s, session);

    if (session->older != SESSION_NONE) {
        s->slots[session->older]->newer = session->newer;
    }
    if (session->newer != SESSION_NONE) {
        s->slots[session->newer]->older = session->older;
    }
    for (unsigned i = 0; i < SESSION_CLASSES; i++) {
        if (s->classes[i].oldest == slot) {
            s->classes[i].oldest = session->newer;
        }
        if (s->classes[i].newest == slot) {
            s->classes[i].newest = session->older;
        }
    }
}

/* ---- chains ---- */

static uint32_t *link_of_key(const void *owner, uint32_t slot) {
    const struct kith_sessions *s = owner;

    return &s->slots[slot]->next_of_key;
}

static uint64_t hash_of_key(const void *owner, uint32_t slot) {
    const struct kith_sessions *s = owner;
    const struct kith_key *key = &s->slots[slot]->key;

    return session_hash(s, key->bytes, sizeof(key->bytes));
}

static const struct kith_chains_access by_key = {link_of_key, hash_of_key};

static uint64_t prefix_hash(const struct kith_sessions *s, const struct kith_endpoint *endpoint) {
    struct kith_prefix prefix;

    kith_endpoint_prefix(endpoint, &prefix);
    return session_hash(s, prefix.bytes, sizeof(prefix.bytes));
}

static uint32_t *link_of_prefix(const void *owner, uint32_t slot) {
    const struct kith_sessions *s = owner;

    return &s->slots[slot]->next_of_prefix;
}

static uint64_t hash_of_prefix(const void *owner, uint32_t slot) {
    const struct kith_sessions *s = owner;

    return prefix_hash(s, &s->slots[slot]->endpoint);
}

static const struct kith_chains_access by_prefix = {link_of_prefix, hash_of_prefix};

/* The one in this slot, or the first behind it that is charged to the prefix of the endpoint. */
static struct session *same_prefix(const struct kith_sessions *s, uint32_t slot,
                                   const struct kith_endpoint *endpoint) {
    struct session *session = in_slot(s, slot);

    while (session != NULL && !kith_endpoint_same_prefix(&session->endpoint, endpoint)) {
        session = in_slot(s, session->next_of_prefix);
    }
    return session;
}

struct session *session_first_at(const struct kith_sessions *s,
                                 const struct kith_endpoint *endpoint) {
    return same_prefix(s, kith_chains_first(&s->by_prefix, prefix_hash(s, endpoint)), endpoint);
}

struct session *session_next_at(const struct kith_sessions *s, const struct session *session) {
    return same_prefix(s, session->next_of_prefix, &session->endpoint);
}

/* Charges the prefix of its endpoint. Fails for the first one of all at most. */
static int prefix_join(struct kith_sessions *s, struct session *session) {
    if (kith_endpoint_exempt(&session->endpoint)) {
        return 0;
    }
    int r = kith_chains_insert(&s->by_prefix, &by_prefix, s, session_slot(s, session));
    session->charged = r == 0;
    return r;
}

static void prefix_leave(struct kith_sessions *s, struct session *session) {
    if (session->charged) {
        kith_chains_remove(&s->by_prefix, &by_prefix, s, session_slot(s, session));
        session->charged = false;
    }
}

/* ---- slots ---- */

static int slots_resize(struct kith_sessions *s, uint32_t n) {
    struct session **slots = realloc(s->slots, n * sizeof(struct session *));

    if (slots == NULL) {
        return KITH_ENOMEM;
    }
    for (uint32_t i = s->n_slots; i < n; i++) {
        slots[i] = NULL;
    }
    s->slots = slots;
    s->n_slots = n;
    return 0;
}

/* The lowest free one. -> KITH_ENOMEM */
static int slot_find(struct kith_sessions *s, uint32_t *ret) {
    while (s->free_from < s->n_slots && s->slots[s->free_from] != NULL) {
        s->free_from++;
    }
    if (s->free_from == s->n_slots) {
        uint32_t n = s->n_slots == 0 ? SLOTS_MIN : s->n_slots + s->n_slots / 4;
        int r = slots_resize(s, n < 1u << s->slot_bits ? n : 1u << s->slot_bits);
        if (r < 0) {
            return r;
        }
    }
    *ret = s->free_from;
    return 0;
}

static void slot_take(struct kith_sessions *s, uint32_t slot, struct session *session) {
    s->slots[slot] = session;
    s->free_from = slot + 1;
    s->used_to = slot + 1 > s->used_to ? slot + 1 : s->used_to;
}

/* An upper third that is free is given back, but for some room: it was a quarter that came. */
static void slot_leave(struct kith_sessions *s, uint32_t slot) {
    s->slots[slot] = NULL;
    s->free_from = slot < s->free_from ? slot : s->free_from;
    while (s->used_to > 0 && s->slots[s->used_to - 1] == NULL) {
        s->used_to--;
    }
    if (s->n_slots > SLOTS_MIN && s->used_to < s->n_slots - s->n_slots / 3) {
        uint32_t n = s->used_to + s->used_to / 8;
        int r = slots_resize(s, n < SLOTS_MIN ? SLOTS_MIN : n);
        (void)r; /* it stays as it is */
    }
}

void session_remove(struct kith_sessions *s, struct session *session) {
    uint32_t slot = session_slot(s, session);

    session_handshake_free(session_handshake(session));
    kith_chains_remove(&s->by_key, &by_key, s, slot);
    class_remove(s, session);
    prefix_leave(s, session);
    slot_leave(s, slot);
    s->n--;
    session_window_free(session);
    sodium_memzero(session, sizeof(*session));
    free(session);
}

void session_table_deinit(struct kith_sessions *s) {
    while (s->used_to > 0) {
        session_remove(s, s->slots[s->used_to - 1]);
    }
    kith_chains_deinit(&s->by_key);
    kith_chains_deinit(&s->by_prefix);
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
    return a->used != b->used ? (int32_t)(a->used - b->used) < 0 : a->ref >> 32 < b->ref >> 32;
}

/* Routing-table peers and handshakes of our own stay. */
static int make_room_in_prefix(struct kith_sessions *s, const struct kith_endpoint *endpoint) {
    struct session *victim = NULL;
    uint32_t n = 0;

    if (kith_endpoint_exempt(endpoint)) {
        return 0;
    }
    for (struct session *i = session_first_at(s, endpoint); i != NULL; i = session_next_at(s, i)) {
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

/* Random above the slot number. */
static uint32_t new_index(struct kith_sessions *s, uint32_t slot) {
    return (uint32_t)((uint64_t)kith_random_secure_u32(s->config.random) << s->slot_bits) | slot;
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
    int r = slot_find(s, &slot);

    if (r < 0) {
        return r;
    }
    s->serial += s->serial == UINT32_MAX ? 2 : 1;
    session->ref = (uint64_t)s->serial << 32 | new_index(s, slot);
    slot_take(s, slot, session);
    r = kith_chains_insert(&s->by_key, &by_key, s, slot);
    if (r == 0) {
        r = prefix_join(s, session);
        if (r < 0) {
            kith_chains_remove(&s->by_key, &by_key, s, slot);
        }
    }
    if (r < 0) {
        slot_leave(s, slot);
        return r;
    }
    s->n++;
    class_append(s, session);
    return 0;
}

static struct session *session_new(struct kith_sessions *s, const struct kith_key *key,
                                   const struct kith_endpoint *endpoint, enum session_state state,
                                   uint64_t now) {
    struct session *session = calloc(1, sizeof(*session));

    if (session != NULL) {
        session->key = *key;
        session->endpoint = *endpoint;
        session->state = state;
        session->received.recent = UINT64_MAX;
        session->since = now;
        session->used = session_ticks(now);
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
    struct session *session = slot < s->n_slots ? s->slots[slot] : NULL;

    return session != NULL && session_index(session) == index ? session : NULL;
}

struct session *session_by_ref(const struct kith_sessions *s, kith_session_ref ref) {
    struct session *session = session_by_index(s, (uint32_t)ref);

    return session != NULL && session->ref == ref ? session : NULL;
}

/* The one in this slot, or the first behind it that has this key. */
static struct session *same_key(const struct kith_sessions *s, uint32_t slot,
                                const struct kith_key *key) {
    struct session *session = in_slot(s, slot);

    while (session != NULL && memcmp(session->key.bytes, key->bytes, sizeof(key->bytes)) != 0) {
        session = in_slot(s, session->next_of_key);
    }
    return session;
}

struct session *session_first_of(const struct kith_sessions *s, const struct kith_key *key) {
    uint64_t hash = session_hash(s, key->bytes, sizeof(key->bytes));

    return same_key(s, kith_chains_first(&s->by_key, hash), key);
}

struct session *session_next_of(const struct kith_sessions *s, const struct session *session) {
    return same_key(s, session->next_of_key, &session->key);
}

void session_touch(struct kith_sessions *s, struct session *session, uint64_t now) {
    session->used = session_ticks(now);
    class_remove(s, session);
    class_append(s, session);
}

void session_limit(struct kith_sessions *s, const struct session *newest) {
    struct session *oldest = NULL;
    unsigned n = 1;

    for (struct session *i = session_first_of(s, &newest->key); i != NULL;
         i = session_next_of(s, i)) {
        if (i == newest || i->state != newest->state) {
            continue;
        }
        n++;
        if (oldest == NULL || i->since < oldest->since ||
            (i->since == oldest->since && i->ref >> 32 < oldest->ref >> 32)) {
            oldest = i;
        }
    }
    if (n > SESSION_PER_PEER_MAX) {
        session_remove(s, oldest);
    }
}

void session_establish(struct kith_sessions *s, struct session *session, uint64_t now) {
    session->state = SESSION_ESTABLISHED;
    session->since = now;
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

    session_who_forget(s, now);
    for (unsigned i = 0; i < SESSION_CLASSES; i++) {
        enum session_class class = (enum session_class)i;
        uint32_t lifetime = session_ticks(lifetime_of(class));
        struct session *session = oldest_of(s, class);
        while (session != NULL && session_ticks(now) - session->used >= lifetime) {
            session_remove(s, session);
            session = oldest_of(s, class);
        }
        if (session != NULL) {
            uint64_t left = lifetime - (session_ticks(now) - session->used);
            uint64_t due = ((now >> SESSION_TICK_BITS) + left) << SESSION_TICK_BITS;
            deadline = due < deadline ? due : deadline;
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
    for (struct session *i = session_first_of(s, key); i != NULL; i = session_next_of(s, i)) {
        i->pinned = pinned;
        class_remove(s, i);
        class_append(s, i);
    }
}
