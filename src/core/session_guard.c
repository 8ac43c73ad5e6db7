/* SPDX-License-Identifier: MIT */
/*
 * session_guard: which initiations may cost us a key agreement.
 *
 * Two key agreements, about 70 us, are what a stranger can make us spend with one datagram, so they
 * have a budget of their own: a flood of initiations then costs hashing, while established
 * sessions, which never come here, go on. A pace for all, one per address prefix so that one
 * network cannot use up the budget of all, each with bursts of one second's worth, and a proof of
 * address (cookie) once half of the common burst is used up.
 *
 * Replays: a ring of keyed hashes of the ephemeral keys served last. Only what authenticated
 * enters, so filling it costs a flooder as much as it costs us. 32 bits each: by chance one
 * initiation in two million is taken for a replay, and its sender tries again with another key. A
 * scan of 8 kB is about 1 us. The ring grows as it is used, since a simulation holds many.
 */
#include <stdlib.h>
#include <string.h>

#include "core/session_internal.h"

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
        .limit_prefix = limit_of(SESSION_PREFIX_SHARE * interval_ns),
    };
}

void session_guard_deinit(struct kith_sessions *s) {
    free(s->guard.prefixes);
    free(s->guard.ring);
    s->guard.prefixes = NULL;
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

/* Without memory the ring stays as it is: it then remembers fewer. */
static void ring_grow(struct session_guard *guard) {
    uint32_t capacity = guard->ring_capacity == 0 ? SESSION_RING_MIN : 2 * guard->ring_capacity;
    uint32_t *ring = realloc(guard->ring, capacity * sizeof(*ring));

    if (ring != NULL) {
        guard->ring = ring;
        guard->ring_capacity = capacity;
        guard->ring_next = guard->ring_n;
    }
}

void session_guard_remember(struct kith_sessions *s, const uint8_t ephemeral[32]) {
    struct session_guard *guard = &s->guard;

    if (guard->ring_n == guard->ring_capacity && guard->ring_capacity < SESSION_RING_MAX) {
        ring_grow(guard);
    }
    if (guard->ring_capacity == 0) {
        return;
    }
    guard->ring_next %= guard->ring_capacity;
    guard->ring[guard->ring_next++] = ring_hash(s, ephemeral);
    guard->ring_n += guard->ring_n < guard->ring_capacity;
}

/* The pace of an address, or NULL where none applies. */
static struct kith_pace *prefix_pace(struct kith_sessions *s, const struct kith_endpoint *from) {
    if (kith_endpoint_exempt(from)) {
        return NULL;
    }
    if (s->guard.prefixes == NULL) {
        s->guard.prefixes = malloc(sizeof(*s->guard.prefixes));
        if (s->guard.prefixes == NULL) {
            return NULL;
        }
        kith_paces_init(s->guard.prefixes, s->config.random);
    }
    return kith_paces_of_prefix(s->guard.prefixes, from);
}

enum session_verdict session_guard_admit(struct kith_sessions *s, const struct kith_endpoint *from,
                                         bool has_mac2, uint64_t now) {
    struct session_guard *guard = &s->guard;
    struct kith_pace_limit limit_easy = {guard->limit_all.interval_ns, BURST_NS / 2};
    struct kith_pace *prefix;

    if (!guard->limited) {
        return SESSION_ADMIT;
    }
    prefix = prefix_pace(s, from);
    if (prefix != NULL && !kith_pace_ready(prefix, &guard->limit_prefix, 1, now)) {
        return SESSION_OVER_PREFIX;
    }
    if (!has_mac2 && !kith_pace_ready(&guard->all, &limit_easy, 1, now)) {
        return SESSION_ASK_COOKIE;
    }
    if (!kith_pace_take(&guard->all, &guard->limit_all, 1, now)) {
        return SESSION_OVER_ALL;
    }
    if (prefix != NULL) {
        (void)kith_pace_take(prefix, &guard->limit_prefix, 1, now);
    }
    return SESSION_ADMIT;
}
