/* SPDX-License-Identifier: MIT */
/*
 * book_learn: what comes in: hints, answers, failures, moves, roles.
 *
 * A hint costs its sender nothing, so it changes nothing that is known: it may only take a free
 * slot, or that of an entry that is terrible or banned. An answer is proof of key and address: it
 * makes room where a hint could not, and settles which key is at an endpoint. A verified peer
 * record is proof of the key's will only: it moves the key's own entries, under the group of the
 * address they had, so one address gives one entry however often its owner moves it.
 */
#include <stdlib.h>

#include "core/book/book_internal.h"

enum {
    PENALTY_S = 2 * 3600,         /* on what others claim to have seen (Bitcoin) */
    FUTURE_S = 10 * 60,           /* clocks differ; more than this is made up */
    FUTURE_AGE_S = 5 * 24 * 3600, /* what such a stamp counts for (Bitcoin) */
    SEEN_STEP_S = 3600,           /* a fresher claim is not worth a write before */
    ANSWER_PART = 8,              /* of the way to 1 */
    TIMEOUT_PART = 16,            /* of the way to 0 */
    ATTEMPTS_MAX = UINT16_MAX,
};

struct kith_contact kith_book_canonical(const struct kith_contact *contact) {
    struct kith_contact c;

    memset(&c, 0, sizeof(c));
    c.has_key = contact->has_key;
    if (contact->has_key) {
        c.key = contact->key;
    }
    c.endpoint.family = contact->endpoint.family;
    c.endpoint.port = contact->endpoint.port;
    memcpy(c.endpoint.ip, contact->endpoint.ip, contact->endpoint.family == 4 ? 4 : 16);
    if (kith_endpoint_scope(&contact->endpoint) == KITH_SCOPE_LINK_LOCAL &&
        contact->endpoint.family == 6) {
        c.endpoint.scope = contact->endpoint.scope;
    }
    return c;
}

static bool is_own(const struct kith_book *book, const struct kith_contact *contact) {
    if (contact->has_key && kith_key_equal(&contact->key, &book->config.own_key)) {
        return true;
    }
    for (uint32_t i = 0; i < book->n_own; i++) {
        if (kith_endpoint_equal(&book->own[i], &contact->endpoint)) {
            return true;
        }
    }
    return false;
}

int kith_book_admissible(const struct kith_book *book, const struct kith_contact *contact,
                         uint64_t wall_us) {
    if (!kith_endpoint_usable(&contact->endpoint)) {
        return KITH_BOOK_REFUSED_ADDRESS;
    }
    if (is_own(book, contact)) {
        return KITH_BOOK_REFUSED_OWN;
    }
    if (kith_book_banned(book, contact->has_key ? &contact->key : NULL, &contact->endpoint,
                         wall_us)) {
        return KITH_BOOK_REFUSED_BANNED;
    }
    return 0;
}

bool kith_book_item_banned(const struct kith_book *book, const struct kith_book_item *item,
                           uint64_t wall_us) {
    const struct kith_contact *c = &item->e.contact;

    return kith_book_banned(book, c->has_key ? &c->key : NULL, &c->endpoint, wall_us);
}

uint8_t kith_book_roles_of(const struct kith_book *book, const struct kith_contact *contact) {
    for (uint32_t i = 0; contact->has_key && i < book->n_key_roles; i++) {
        if (kith_key_equal(&book->key_roles[i].key, &contact->key)) {
            return book->key_roles[i].roles;
        }
    }
    return 0;
}

/* ---- room ---- */

/* Which of two goes first: the one that never answered, or did so longer ago. Pinned: never. */
static struct kith_book_item *worse(struct kith_book_item *a, struct kith_book_item *b) {
    if (b->state == KITH_BOOK_PINNED) {
        return a;
    }
    if (a == NULL || b->e.success_s < a->e.success_s ||
        (b->e.success_s == a->e.success_s && b->e.seen_s < a->e.seen_s)) {
        return b;
    }
    return a;
}

static bool room_from(struct kith_book *book, struct kith_book_item *worst, bool answered,
                      uint64_t wall_us) {
    if (worst == NULL || (!answered && !kith_book_yields(book, worst, false, wall_us))) {
        return false;
    }
    kith_book_item_remove(book, worst);
    book->counts.displaced++;
    return true;
}

int kith_book_make_room(struct kith_book *book, const struct kith_contact *contact, bool answered,
                        uint64_t wall_us) {
    struct kith_book_item *worst = NULL;
    struct kith_book_item *i;
    unsigned n = 0;

    for (i = kith_book_at(book, &contact->endpoint, NULL); i != NULL;
         i = kith_book_at(book, &contact->endpoint, i), n++) {
        worst = worse(worst, i);
    }
    if (n >= KITH_BOOK_PER_ENDPOINT && !room_from(book, worst, answered, wall_us)) {
        return KITH_BOOK_REFUSED_SHARE;
    }
    worst = NULL;
    n = 0;
    i = contact->has_key ? kith_book_of(book, &contact->key, NULL) : NULL;
    for (; i != NULL; i = kith_book_of(book, &contact->key, i), n++) {
        worst = worse(worst, i);
    }
    if (n >= KITH_BOOK_PER_KEY && !room_from(book, worst, answered, wall_us)) {
        return KITH_BOOK_REFUSED_SHARE;
    }
    return 0;
}

/* ---- roles ---- */

static int pin(struct kith_book *book, struct kith_book_item *item) {
    if (book->shelves[KITH_BOOK_PINNED].n_members >= KITH_BOOK_PINNED_MAX) {
        return KITH_EFULL;
    }
    return kith_book_place(book, item, KITH_BOOK_PINNED);
}

/* Where an entry without a role belongs. -> 0, KITH_BOOK_REFUSED_TAKEN, KITH_ENOMEM */
static int unpin(struct kith_book *book, struct kith_book_item *item, uint64_t wall_us) {
    if (item->e.success_s != 0 && kith_book_holder(book, item, KITH_BOOK_TRIED) == NULL &&
        kith_book_tried_at(book, &item->e.contact.endpoint) == NULL) {
        return kith_book_place(book, item, KITH_BOOK_TRIED);
    }
    return kith_book_shelve(book, item, item->e.success_s != 0, wall_us);
}

/* An entry that loses its role and finds its slots taken is dropped. -> 0, KITH_EFULL,
 * KITH_ENOMEM */
static int item_set_roles(struct kith_book *book, struct kith_book_item *item, uint8_t roles,
                          uint64_t wall_us) {
    int r = 0;

    if (roles == item->e.roles) {
        return 0;
    }
    if (roles != 0 && item->state != KITH_BOOK_PINNED) {
        r = pin(book, item);
    } else if (roles == 0) {
        r = unpin(book, item, wall_us);
    }
    if (r > 0) {
        kith_book_item_remove(book, item);
        book->counts.displaced++;
        return 0;
    }
    if (r == 0) {
        item->e.roles = roles;
        kith_book_item_dirty(book, item);
        kith_book_notify(book, KITH_BOOK_EVENT_CHANGED, item);
    }
    return r;
}

/* What a peer that is private now has told us stays with us. */
static void hide_sourced(struct kith_book *book, const struct kith_key *key) {
    uint64_t tag = kith_book_tag(book, key);

    for (uint32_t i = 0; i < book->n_chunks * KITH_BOOK_CHUNK; i++) {
        struct kith_book_item *item = kith_book_item(book, i);
        if (item->used && item->state < KITH_BOOK_N_TABLES && item->source_tag == tag &&
            !item->e.hidden) {
            item->e.hidden = true;
            kith_book_item_dirty(book, item);
        }
    }
}

static int key_roles_set(struct kith_book *book, const struct kith_key *key, uint8_t roles) {
    for (uint32_t i = 0; i < book->n_key_roles; i++) {
        if (!kith_key_equal(&book->key_roles[i].key, key)) {
            continue;
        }
        book->key_roles[i].roles = roles;
        if (roles == 0) {
            book->key_roles[i] = book->key_roles[--book->n_key_roles];
        }
        return 0;
    }
    if (roles == 0) {
        return 0;
    }
    if (book->n_key_roles == KITH_BOOK_KEY_ROLES_MAX) {
        return KITH_EFULL;
    }
    if (book->key_roles == NULL) {
        book->key_roles = calloc(KITH_BOOK_KEY_ROLES_MAX, sizeof(*book->key_roles));
        if (book->key_roles == NULL) {
            return KITH_ENOMEM;
        }
    }
    book->key_roles[book->n_key_roles++] = (struct kith_book_key_roles){*key, roles};
    return 0;
}

int kith_book_set_roles(struct kith_book *book, const struct kith_key *key, uint8_t roles,
                        uint64_t wall_us) {
    struct kith_book_item *items[KITH_BOOK_PER_KEY];
    size_t n = 0;

    int r = key_roles_set(book, key, roles);
    struct kith_book_item *item = kith_book_of(book, key, NULL);
    for (; item != NULL && n < KITH_BOOK_PER_KEY; item = kith_book_of(book, key, item)) {
        items[n++] = item;
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        r = item_set_roles(book, items[i], roles, wall_us);
    }
    if (r == 0 && (roles & KITH_BOOK_PRIVATE) != 0) {
        hide_sourced(book, key);
    }
    return r;
}

void kith_book_set_own(struct kith_book *book, const struct kith_endpoint *endpoints, size_t n) {
    book->n_own = 0;
    for (size_t i = 0; i < n && book->n_own < KITH_BOOK_OWN_MAX; i++) {
        struct kith_contact c = {.endpoint = endpoints[i]};
        c = kith_book_canonical(&c);
        book->own[book->n_own++] = c.endpoint;
        kith_book_forget(book, &c);
    }
}

/* ---- hints ---- */

static bool scope_granted(const struct kith_book *book, const struct kith_book_hint *hint) {
    enum kith_scope scope = kith_endpoint_scope(&hint->contact.endpoint);
    enum kith_book_origin origin = hint->source.origin;

    if (scope == KITH_SCOPE_GLOBAL || origin == KITH_BOOK_CONFIG || origin == KITH_BOOK_LAN ||
        book->config.strictness == KITH_BOOK_LAB) {
        return true;
    }
    if (book->config.strictness == KITH_BOOK_STRICT) {
        return false;
    }
    /* scopes are in order of nearness */
    return origin == KITH_BOOK_SELF || scope <= kith_endpoint_scope(&hint->source.contact.endpoint);
}

static uint32_t claimed_seconds(const struct kith_book_hint *hint, uint64_t wall_us) {
    uint32_t now_s = kith_book_seconds(wall_us);
    uint32_t claim_s = hint->seen_us == 0 ? now_s : kith_book_seconds(hint->seen_us);
    bool hearsay = hint->source.origin == KITH_BOOK_PEX || hint->source.origin == KITH_BOOK_WALK;

    if (claim_s > now_s) {
        claim_s = claim_s - now_s > FUTURE_S ? now_s - (now_s < FUTURE_AGE_S ? now_s : FUTURE_AGE_S)
                                             : now_s;
    }
    uint32_t penalty = hearsay ? PENALTY_S : 0;
    return claim_s > penalty ? claim_s - penalty : 0;
}

/* A hint without a key says nothing new of an endpoint where a key has answered. */
static struct kith_book_item *hint_known(const struct kith_book *book,
                                         const struct kith_contact *contact) {
    struct kith_book_item *item = kith_book_item_find(book, contact);

    if (item != NULL || contact->has_key) {
        return item;
    }
    item = kith_book_at(book, &contact->endpoint, NULL);
    while (item != NULL && item->e.success_s == 0) {
        item = kith_book_at(book, &contact->endpoint, item);
    }
    return item;
}

static int hint_again(struct kith_book *book, struct kith_book_item *item, uint8_t roles,
                      uint32_t seen_s, uint64_t wall_us) {
    if (seen_s > item->e.seen_s && seen_s - item->e.seen_s > SEEN_STEP_S) {
        item->e.seen_s = seen_s;
        kith_book_item_dirty(book, item);
    }
    int r = item_set_roles(book, item, item->e.roles | roles, wall_us);
    return r < 0 ? r : KITH_BOOK_UPDATED;
}

static int hint_new(struct kith_book *book, const struct kith_book_hint *hint,
                    const struct kith_contact *contact, uint8_t roles, uint64_t wall_us) {
    const struct kith_contact source = kith_book_canonical(&hint->source.contact);
    struct kith_book_entry entry = {
        .contact = *contact,
        .origin = hint->source.origin,
        .roles = roles,
        .hidden = (kith_book_roles_of(book, &source) & KITH_BOOK_PRIVATE) != 0,
        .health = KITH_BOOK_HEALTH_NEUTRAL,
        .health_s = kith_book_seconds(wall_us),
        .seen_s = claimed_seconds(hint, wall_us),
        .seq = -1,
    };
    struct kith_book_item *item = NULL;

    int r = kith_book_make_room(book, contact, false, wall_us);
    r = r != 0 ? r : kith_book_item_new(book, &entry, &item);
    if (r != 0) {
        return r;
    }
    item->source_group = kith_book_source_group(book, &hint->source, &contact->endpoint);
    item->source_tag = source.has_key ? kith_book_tag(book, &source.key) : 0;
    r = roles != 0 ? pin(book, item) : kith_book_shelve(book, item, false, wall_us);
    if (r != 0) {
        kith_book_item_remove(book, item);
        return r;
    }
    book->counts.added++;
    kith_book_item_dirty(book, item);
    kith_book_notify(book, KITH_BOOK_EVENT_ADDED, item);
    return KITH_BOOK_ADDED;
}

int kith_book_add(struct kith_book *book, const struct kith_book_hint *hint, uint64_t wall_us) {
    struct kith_contact contact = kith_book_canonical(&hint->contact);
    uint8_t roles = hint->roles | kith_book_roles_of(book, &contact);

    int r = kith_book_admissible(book, &contact, wall_us);
    if (r == 0 && !scope_granted(book, hint)) {
        r = KITH_BOOK_REFUSED_SCOPE;
    }
    if (r == 0) {
        struct kith_book_item *item = hint_known(book, &contact);
        r = item != NULL ? hint_again(book, item, roles, claimed_seconds(hint, wall_us), wall_us)
                         : hint_new(book, hint, &contact, roles, wall_us);
    }
    book->counts.refused += r >= KITH_BOOK_REFUSED_ADDRESS;
    return r;
}

/* ---- answers ---- */

static unsigned class_of(const struct kith_endpoint *endpoint) {
    return kith_endpoint_exempt(endpoint) ? 2 : endpoint->family == 6 ? 1 : 0;
}

static void health_set(struct kith_book_item *item, uint32_t health, uint64_t wall_us) {
    item->e.health = health;
    item->e.health_s = kith_book_seconds(wall_us);
}

static void item_answered(struct kith_book *book, struct kith_book_item *item, uint64_t wall_us) {
    uint32_t health = kith_book_health(&item->e, wall_us);
    uint32_t now_s = kith_book_seconds(wall_us);

    item->e.success_s = now_s != 0 ? now_s : 1;
    item->e.seen_s = now_s;
    item->e.try_s = now_s;
    item->e.attempts = 0;
    health_set(item, health + (KITH_BOOK_HEALTH_ONE - health) / ANSWER_PART, wall_us);
    book->good_serial[class_of(&item->e.contact.endpoint)]++;
    kith_book_test_alive(book, item);
    kith_book_item_dirty(book, item);
}

/* Who else is said to be where `item` has answered: what had no key was the same; another key has
 * lost its proof. -> 0, KITH_ENOMEM */
static int settle_endpoint(struct kith_book *book, const struct kith_book_item *item,
                           uint64_t wall_us) {
    struct kith_book_item *others[KITH_BOOK_PER_ENDPOINT];
    const struct kith_endpoint *endpoint = &item->e.contact.endpoint;
    struct kith_book_item *other = kith_book_at(book, endpoint, NULL);
    size_t n = 0;

    for (; other != NULL && n < KITH_BOOK_PER_ENDPOINT;
         other = kith_book_at(book, endpoint, other)) {
        if (other != item && (!other->e.contact.has_key || other->state == KITH_BOOK_TRIED)) {
            others[n++] = other;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!others[i]->used || others[i]->state >= KITH_BOOK_N_TABLES) {
            continue; /* had to go for the one before it */
        }
        int r = others[i]->e.contact.has_key ? kith_book_shelve(book, others[i], true, wall_us)
                                             : KITH_BOOK_REFUSED_TAKEN;
        if (r < 0) {
            return r;
        }
        if (r > 0) {
            book->counts.displaced += others[i]->e.contact.has_key;
            kith_book_item_remove(book, others[i]);
            continue;
        }
        book->counts.demoted++;
        kith_book_item_dirty(book, others[i]);
    }
    return 0;
}

/* The roles that wait for whoever answers at this endpoint. */
static uint8_t roles_at(const struct kith_book *book, const struct kith_endpoint *endpoint) {
    struct kith_contact keyless = {.endpoint = *endpoint};
    const struct kith_book_item *item = kith_book_item_find(book, &keyless);

    return item == NULL ? 0 : item->e.roles;
}

/* A loose item for one that answered without being known. */
static int good_new(struct kith_book *book, const struct kith_contact *contact, uint64_t wall_us,
                    struct kith_book_item **ret) {
    struct kith_contact keyless = {.endpoint = contact->endpoint};
    const struct kith_book_item *hint = kith_book_item_find(book, &keyless);
    struct kith_book_entry entry = {
        .contact = *contact,
        .origin = hint != NULL ? hint->e.origin : KITH_BOOK_SELF,
        .hidden = hint != NULL && hint->e.hidden,
        .health = KITH_BOOK_HEALTH_NEUTRAL,
        .health_s = kith_book_seconds(wall_us),
        .seq = -1,
    };
    uint64_t group = hint != NULL ? hint->source_group : kith_book_group(book, &contact->endpoint);
    uint64_t tag = hint != NULL ? hint->source_tag : 0;
    struct kith_book_item *item = NULL;

    int r = kith_book_make_room(book, contact, true, wall_us);
    r = r != 0 ? r : kith_book_item_new(book, &entry, &item);
    if (r != 0) {
        return r;
    }
    item->source_group = group;
    item->source_tag = tag;
    *ret = item;
    return 0;
}

/* The item has answered; gives it the best place that it can have. */
static int good_place(struct kith_book *book, struct kith_book_item *item, uint8_t roles,
                      uint64_t wall_us) {
    if (roles != 0 && item->state != KITH_BOOK_PINNED) {
        int r = pin(book, item);
        item->e.roles = r < 0 ? item->e.roles : roles;
        return r < 0 ? r : KITH_BOOK_UPDATED;
    }
    return kith_book_promote(book, item, wall_us);
}

int kith_book_good(struct kith_book *book, const struct kith_contact *contact, uint64_t wall_us) {
    struct kith_contact c = kith_book_canonical(contact);

    if (!c.has_key) {
        return KITH_EINVALID;
    }
    int r = kith_book_admissible(book, &c, wall_us);
    if (r != 0) {
        return r;
    }
    uint8_t roles = kith_book_roles_of(book, &c) | roles_at(book, &c.endpoint);
    struct kith_book_item *item = kith_book_item_find(book, &c);
    bool is_new = item == NULL;
    r = is_new ? good_new(book, &c, wall_us, &item) : 0;
    if (r != 0) {
        return r;
    }
    item_answered(book, item, wall_us);
    r = good_place(book, item, roles | item->e.roles, wall_us);
    if (item->state == KITH_BOOK_LOOSE) {
        kith_book_item_remove(book, item);
        return r < 0 ? r : KITH_BOOK_REFUSED_TAKEN;
    }
    if (r < 0) {
        return r;
    }
    book->counts.added += is_new;
    if (is_new || r == KITH_BOOK_PROMOTED) {
        kith_book_notify(book, is_new ? KITH_BOOK_EVENT_ADDED : KITH_BOOK_EVENT_CHANGED, item);
    }
    int settled = settle_endpoint(book, item, wall_us);
    return settled < 0 ? settled : r;
}

/* ---- attempts, failures, misbehaviour ---- */

void kith_book_attempt(struct kith_book *book, const struct kith_contact *contact,
                       uint64_t wall_us) {
    struct kith_contact c = kith_book_canonical(contact);
    struct kith_book_item *item = kith_book_item_find(book, &c);

    if (item != NULL) {
        item->e.try_s = kith_book_seconds(wall_us); /* not worth a write of its own */
    }
}

int kith_book_failed(struct kith_book *book, const struct kith_contact *contact, uint64_t wall_us) {
    struct kith_contact c = kith_book_canonical(contact);
    struct kith_book_item *item = kith_book_item_find(book, &c);

    if (item == NULL) {
        return KITH_BOOK_UNKNOWN;
    }
    item->e.try_s = kith_book_seconds(wall_us);
    uint64_t serial = book->good_serial[class_of(&c.endpoint)];
    if (item->counted == serial) {
        return KITH_BOOK_UPDATED; /* nobody answered since: it may be our network */
    }
    item->counted = serial;
    item->e.attempts += item->e.attempts < ATTEMPTS_MAX;
    uint32_t health = kith_book_health(&item->e, wall_us);
    health_set(item, health - health / TIMEOUT_PART, wall_us);
    kith_book_item_dirty(book, item);
    int r = kith_book_test_failed(book, item, wall_us);
    return r < 0 ? r : KITH_BOOK_UPDATED;
}

int kith_book_outcome(struct kith_book *book, const struct kith_contact *contact,
                      enum kith_book_outcome outcome, uint64_t wall_us) {
    struct kith_contact c = kith_book_canonical(contact);
    struct kith_book_item *item = kith_book_item_find(book, &c);

    if (item == NULL) {
        return KITH_BOOK_UNKNOWN;
    }
    uint32_t health = kith_book_health(&item->e, wall_us);
    switch (outcome) {
    case KITH_BOOK_BAD_SIGNATURE:
        health /= 2;
        break;
    case KITH_BOOK_CONTRADICTION:
        health /= 4;
        break;
    }
    health_set(item, health, wall_us);
    kith_book_item_dirty(book, item);
    return KITH_BOOK_UPDATED;
}

size_t kith_book_forget(struct kith_book *book, const struct kith_contact *contact) {
    struct kith_contact c = kith_book_canonical(contact);
    size_t n = 0;

    for (;;) {
        struct kith_book_item *item =
            c.has_key ? kith_book_item_find(book, &c) : kith_book_at(book, &c.endpoint, NULL);
        if (item == NULL) {
            return n;
        }
        kith_book_item_remove(book, item);
        n++;
    }
}
