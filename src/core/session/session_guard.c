/* SPDX-License-Identifier: MIT */
/*
 * session_guard: which initiations may cost us a key agreement.
 *
 * Key agreements, about 150 us of them, are what a stranger can make us spend with one datagram, so
 * they have a budget of their own: a flood of initiations then costs hashing, while established
 * sessions, which never come here, go on. A pace for all, one per address prefix so that one
 * network cannot use up the budget of all, each with bursts of one second's worth, and a proof of
 * address (cookie) once half of the common burst, or the prefix's share, is used up.
 *
 * That alone would let a flood from everywhere have all that the budget grows by, for ever. So what
 * is not served counts as well: while more initiations without a cookie come than half of the rate,
 * and for a second after that, none of them is served. Whoever receives at his address is, with a
 * cookie and one round trip more.
 *
 * Everybody can claim addresses of a prefix and use up its share. So proven addresses have a share
 * of their own, per prefix too, and of that one per address: hosts of a network that is being
 * forged, or that has one bad host, still get in.
 *
 * Replays: a ring of keyed hashes of the ephemeral keys served last. Only what authenticated
 * enters, so filling it costs a flooder as much as it costs us. 32 bits each: by chance one
 * initiation in two million is taken for a replay, and its sender tries again with another key. A
 * scan of 8 kB is about 1 us. The ring grows as it is used; beyond SESSION_RING_REST only while it
 * would otherwise remember less than SESSION_RING_S, or each node would hold 8 kB for ever that are
 * of use under load alone. What comes again later costs what a new initiation does, and no more is
 * done on it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/session/session_internal.h"

static const uint64_t BURST_NS = KITH_NS_PER_S;

/* However small the rate: one at a time. */
static struct kith_pace_limit limit_of(uint64_t interval_ns) {
    return (struct kith_pace_limit){interval_ns,
                                    interval_ns < BURST_NS ? BURST_NS - interval_ns : 0};
}

void session_guard_init(struct kith_sessions *s) {
    uint32_t rate = s->config.handshakes_per_s;
    uint64_t interval_ns = KITH_NS_PER_S / (rate == 0 ? 1 : rate);

    s->guard = (struct session_guard){
        .limited = rate != UINT32_MAX,
        .limit_all = limit_of(interval_ns),
        .limit_unproven = limit_of(2 * interval_ns),
        .limit_prefix = limit_of(SESSION_PREFIX_SHARE * interval_ns),
        .limit_wide = limit_of(SESSION_WIDE_SHARE * interval_ns),
        .limit_address = limit_of(SESSION_ADDRESS_SHARE * interval_ns),
    };
}

void session_guard_deinit(struct kith_sessions *s) {
    kith_paces_deinit(&s->guard.prefixes);
    kith_paces_deinit(&s->guard.wide);
    kith_paces_deinit(&s->guard.proven_wide);
    kith_paces_deinit(&s->guard.proven_prefixes);
    kith_paces_deinit(&s->guard.proven_addresses);
    free(s->guard.ring);
    s->guard.ring = NULL;
}

static uint32_t ring_hash(const struct kith_sessions *s, const uint8_t ephemeral[32]) {
    return (uint32_t)session_hash(s, ephemeral, 32);
}

bool session_guard_seen(const struct kith_sessions *s, const uint8_t ephemeral[32]) {
    uint32_t hash = ring_hash(s, ephemeral);

    for (uint32_t i = 0; i < s->guard.ring_n; i++) {
        if (s->guard.ring[i] == hash) {
            return true;
        }
    }
    return false;
}

static bool ring_is_short(const struct session_guard *guard, uint64_t now) {
    return guard->ring_capacity < SESSION_RING_REST ||
           (guard->ring_capacity < SESSION_RING_MAX &&
            now - guard->ring_began < SESSION_RING_S * KITH_NS_PER_S);
}

/* Without memory the ring stays as it is: it then remembers fewer. */
static void ring_grow(struct session_guard *guard) {
    uint32_t capacity = guard->ring_capacity == 0 ? SESSION_RING_MIN : 2 * guard->ring_capacity;
    uint32_t *ring = realloc(guard->ring, capacity * sizeof(*ring));

    if (ring != NULL) {
        guard->ring = ring;
        guard->ring_capacity = capacity;
    }
}

void session_guard_remember(struct kith_sessions *s, const uint8_t ephemeral[32], uint64_t now) {
    struct session_guard *guard = &s->guard;

    if (guard->ring_next == guard->ring_capacity && ring_is_short(guard, now)) {
        ring_grow(guard);
    }
    if (guard->ring_capacity == 0) {
        return;
    }
    guard->ring_next %= guard->ring_capacity;
    if (guard->ring_next == 0) {
        guard->ring_began = now;
    }
    guard->ring[guard->ring_next++] = ring_hash(s, ephemeral);
    guard->ring_n += guard->ring_n < guard->ring_capacity;
}

/* What one initiation is charged to beside the common budget. */
struct charge {
    struct kith_pace *pace; /* NULL: nothing */
    const struct kith_pace_limit *limit;
};

enum { CHARGES_MAX = 3 };

static bool has_room(const struct charge charges[CHARGES_MAX], uint64_t now) {
    for (unsigned i = 0; i < CHARGES_MAX; i++) {
        if (charges[i].pace != NULL &&
            !kith_pace_ready(charges[i].pace, charges[i].limit, 1, now)) {
            return false;
        }
    }
    return true;
}

static void take(const struct charge charges[CHARGES_MAX], uint64_t now) {
    for (unsigned i = 0; i < CHARGES_MAX; i++) {
        if (charges[i].pace != NULL) {
            (void)kith_pace_take(charges[i].pace, charges[i].limit, 1, now);
        }
    }
}

/* Who has a /56 often has the /48 around it. */
static struct charge wide_charge(const struct session_guard *guard, struct kith_paces *paces,
                                 const struct kith_endpoint *from, uint64_t now) {
    struct kith_endpoint wide = *from;

    if (from->family != 6) {
        return (struct charge){NULL, NULL};
    }
    wide.ip[6] = 0;
    return (struct charge){kith_paces_of_prefix(paces, &wide, now), &guard->limit_wide};
}

/* Finds a share with room for one more; exempt addresses need none. */
static bool find_share(struct kith_sessions *s, const struct kith_endpoint *from, bool proven,
                       uint64_t now, struct charge ret[CHARGES_MAX]) {
    struct session_guard *guard = &s->guard;

    if (kith_endpoint_exempt(from)) {
        return true;
    }
    if (proven) {
        if (!guard->has_proven) {
            kith_paces_init(&guard->proven_prefixes, s->config.random, 0);
            kith_paces_init(&guard->proven_wide, s->config.random, 0);
            kith_paces_init(&guard->proven_addresses, s->config.random, 0);
            guard->has_proven = true;
        }
        ret[0] = (struct charge){kith_paces_of_prefix(&guard->proven_prefixes, from, now),
                                 &guard->limit_prefix};
        ret[1] = (struct charge){kith_paces_of_ip(&guard->proven_addresses, from, now),
                                 &guard->limit_address};
        ret[2] = wide_charge(guard, &guard->proven_wide, from, now);
        if (has_room(ret, now)) {
            return true;
        }
    }
    if (!guard->has_prefixes) {
        kith_paces_init(&guard->prefixes, s->config.random, 0);
        kith_paces_init(&guard->wide, s->config.random, 0);
        guard->has_prefixes = true;
    }
    ret[0] =
        (struct charge){kith_paces_of_prefix(&guard->prefixes, from, now), &guard->limit_prefix};
    ret[1] = (struct charge){NULL, NULL};
    ret[2] = wide_charge(guard, &guard->wide, from, now);
    return has_room(ret, now);
}

/* Counts an initiation without a cookie and tells whether there are few. */
static bool unproven_are_few(struct session_guard *guard, uint64_t now) {
    const struct kith_pace_limit *limit = &guard->limit_unproven;
    bool few = kith_pace_ready(&guard->unproven, limit, 1, now);

    (void)kith_pace_reserve(&guard->unproven, limit, limit->burst_ns, now);
    return few;
}

enum session_verdict session_guard_admit(struct kith_sessions *s, const struct kith_endpoint *from,
                                         bool has_mac2, uint64_t now) {
    struct session_guard *guard = &s->guard;
    struct kith_pace_limit limit_easy = {guard->limit_all.interval_ns, BURST_NS / 2};
    struct charge share[CHARGES_MAX] = {{NULL, NULL}};

    if (!guard->limited) {
        return SESSION_ADMIT;
    }
    if (!find_share(s, from, has_mac2, now, share)) {
        return SESSION_OVER_PREFIX;
    }
    if (!has_mac2 &&
        (!unproven_are_few(guard, now) || !kith_pace_ready(&guard->all, &limit_easy, 1, now))) {
        return SESSION_ASK_COOKIE;
    }
    if (!kith_pace_take(&guard->all, &guard->limit_all, 1, now)) {
        return SESSION_OVER_ALL;
    }
    take(share, now);
    return SESSION_ADMIT;
}

enum session_verdict session_guard_admit_who(struct kith_sessions *s,
                                             const struct kith_endpoint *from, uint64_t now) {
    struct session_guard *guard = &s->guard;
    struct charge share[CHARGES_MAX] = {{NULL, NULL}};

    if (!guard->limited) {
        return SESSION_ADMIT;
    }
    if (!find_share(s, from, false, now, share)) {
        return SESSION_OVER_PREFIX;
    }
    if (!kith_pace_take(&guard->who, &guard->limit_prefix, 1, now)) {
        return SESSION_OVER_ALL;
    }
    take(share, now);
    return SESSION_ADMIT;
}
