/* SPDX-License-Identifier: MIT */
/*
 * random: the two sources of chance that a core is given, so that a seed replays a run bit for bit.
 *
 * `secure` fills with a CSPRNG: keys, nonces, transaction ids. `uniform` is cheap and is used only
 * where a guess is harmless: jitter, sampling.
 */
#ifndef KITH_CORE_RANDOM_H
#define KITH_CORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct kith_random {
    void (*secure)(void *context, void *out, size_t size);
    uint64_t (*uniform)(void *context);
    void *context;
};

static inline void kith_random_secure(const struct kith_random *r, void *out, size_t size) {
    r->secure(r->context, out, size);
}

/* A number that is hard to guess, the same on every machine. */
static inline uint32_t kith_random_secure_u32(const struct kith_random *r) {
    uint8_t b[4];
    kith_random_secure(r, b, sizeof(b));
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* 0 .. bound - 1; bound > 0. The bias is below 2^-32 for the small bounds in use. */
static inline uint64_t kith_random_below(const struct kith_random *r, uint64_t bound) {
    return r->uniform(r->context) % bound;
}

/* `value` scaled by a factor drawn from [1 - percent/100, 1 + percent/100]. */
static inline uint64_t kith_random_jitter(const struct kith_random *r, uint64_t value,
                                          unsigned percent) {
    uint64_t span = value / 100 * percent;
    return span == 0 ? value : value - span + kith_random_below(r, 2 * span + 1);
}

#endif
