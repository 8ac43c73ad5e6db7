/* SPDX-License-Identifier: MIT */
/*
 * session_guard: which initiations may cost us a key agreement.
 *
 * Two key agreements, about 70 us, are what a stranger can make us spend with one datagram, so they
 * have a budget of their own: a flood of initiations then costs hashing, while established
 * sessions, which never come here, go on. A token bucket for all, one per address prefix so that
 * one network cannot use up the budget of all, and a proof of address (cookie) once the common
 * bucket is half empty.
 *
 * A bucket is one number, the time at which it will be full again. It holds one second's worth.
 * Prefixes share a fixed array by keyed hash: no memory per prefix, and a stranger cannot choose
 * whom to collide with.
 *
 * Replays: a ring of keyed hashes of the ephemeral keys served last. Only what authenticated
 * enters, so filling it costs a flooder as much as it costs us. 32 bits each: by chance one
 * initiation in two million is taken for a replay, and its sender tries again with another key. A
 * scan of 8 kB is about 1 us. The ring grows as it is used, since a simulation holds many.
 */
#include <stdlib.h>
#include <string.h>

#include "core/session_internal.h"

enum { BUCKET_S = 1 };

void session_guard_init(struct kith_sessions *s, uint64_t now) {
    uint32_t rate = s->config.handshakes_per_s;

    s->guard = (struct session_guard){.limited = rate != UINT32_MAX};
    s->guard.cost_ns = KITH_NS_PER_S / (rate == 0 ? 1 : rate);
    s->guard.cost_ns += s->guard.cost_ns == 0;
    s->guard.all.full_at = now;
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

/* What is missing in the bucket, in ns. */
static uint64_t bucket_debt(const struct session_bucket *bucket, uint64_t now) {
    return bucket->full_at > now ? bucket->full_at - now : 0;
}

static bool bucket_has(const struct session_bucket *bucket, uint64_t cost_ns, uint64_t now) {
    uint64_t capacity = BUCKET_S * KITH_NS_PER_S;

    /* However small the rate: one at a time. */
    return bucket_debt(bucket, now) + cost_ns <= (capacity < cost_ns ? cost_ns : capacity);
}

static void bucket_take(struct session_bucket *bucket, uint64_t cost_ns, uint64_t now) {
    bucket->full_at = now + bucket_debt(bucket, now) + cost_ns;
}

/* The bucket of an address, or NULL where none applies. */
static struct session_bucket *prefix_bucket(struct kith_sessions *s,
                                            const struct kith_endpoint *from) {
    struct kith_prefix prefix;

    if (kith_endpoint_exempt(from)) {
        return NULL;
    }
    if (s->guard.prefixes == NULL) {
        s->guard.prefixes = calloc(SESSION_PREFIX_BUCKETS, sizeof(*s->guard.prefixes));
        if (s->guard.prefixes == NULL) {
            return NULL;
        }
    }
    kith_endpoint_prefix(from, &prefix);
    uint64_t hash = session_hash(s, prefix.bytes, sizeof(prefix.bytes));
    return &s->guard.prefixes[hash % SESSION_PREFIX_BUCKETS];
}

enum session_verdict session_guard_admit(struct kith_sessions *s, const struct kith_endpoint *from,
                                         bool has_mac2, uint64_t now) {
    struct session_guard *guard = &s->guard;
    uint64_t prefix_cost = SESSION_PREFIX_SHARE * guard->cost_ns;
    struct session_bucket *prefix;

    if (!guard->limited) {
        return SESSION_ADMIT;
    }
    prefix = prefix_bucket(s, from);
    if (prefix != NULL && !bucket_has(prefix, prefix_cost, now)) {
        return SESSION_OVER_PREFIX;
    }
    if (!has_mac2 && bucket_debt(&guard->all, now) > BUCKET_S * KITH_NS_PER_S / 2) {
        return SESSION_ASK_COOKIE;
    }
    if (!bucket_has(&guard->all, guard->cost_ns, now)) {
        return SESSION_OVER_ALL;
    }
    bucket_take(&guard->all, guard->cost_ns, now);
    if (prefix != NULL) {
        bucket_take(prefix, prefix_cost, now);
    }
    return SESSION_ADMIT;
}
