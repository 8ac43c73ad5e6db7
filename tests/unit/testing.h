/* SPDX-License-Identifier: MIT */
/*
 * testing: fixed chance, fixed keys and short spellings for the tests. Header only; needs nothing
 * but the core.
 */
#ifndef KITH_TESTS_TESTING_H
#define KITH_TESTS_TESTING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/curve.h"
#include "core/base/identity.h"
#include "core/base/random.h"
#include "kith/types.h"

/* xoshiro256** (Blackman and Vigna 2018): the same numbers on every machine. */
static inline uint64_t kith_test_random_next(void *context) {
    uint64_t *s = (uint64_t *)context;
    uint64_t scaled = s[1] * 5;
    uint64_t result = ((scaled << 7) | (scaled >> 57)) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

static inline void kith_test_random_fill(void *context, void *out, size_t size) {
    uint8_t *bytes = (uint8_t *)out;

    for (size_t i = 0; i < size;) {
        uint64_t word = kith_test_random_next(context);
        for (unsigned k = 0; k < 8 && i < size; k++, i++) {
            bytes[i] = (uint8_t)(word >> (8 * k));
        }
    }
}

/* Both sources of chance from one seed (spread by splitmix64). `storage` is the state and must
 * outlive the result. */
static inline struct kith_random kith_test_random(uint64_t storage[4], uint64_t seed) {
    for (unsigned i = 0; i < 4; i++) {
        uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        storage[i] = z ^ (z >> 31);
    }
    return (struct kith_random){kith_test_random_fill, kith_test_random_next, storage};
}

/* The identity whose seed is 32 times `byte`, on the real curve. */
static inline void kith_test_identity(struct kith_identity *id, uint8_t byte) {
    uint8_t seed[KITH_SEED_SIZE];

    memset(seed, byte, sizeof(seed));
    kith_identity_from_seed(id, &kith_curve_sodium, seed);
}

/* The endpoint of a text that is right: a wrong one is a mistake in the test and ends it. */
static inline struct kith_endpoint kith_test_endpoint(const char *text) {
    struct kith_endpoint endpoint;
    struct kith_error_info info;

    if (kith_endpoint_parse(text, &endpoint, &info) != 0) {
        fprintf(stderr, "kith_test_endpoint(\"%s\"): %s\n", text, info.message);
        abort();
    }
    return endpoint;
}

#endif
