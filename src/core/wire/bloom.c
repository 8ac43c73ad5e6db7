/* SPDX-License-Identifier: MIT */
/*
 * bloom: the filter of BEP 33. The two bits of an address are the first two 16-bit words, little
 * endian, of the SHA-1 of its 4 or 16 bytes: whoever filters the same swarm sets the same bits, so
 * filters of many nodes can be merged.
 */
#include "core/wire/bloom.h"

#include <math.h>

#include <sha1.h>

enum { BITS = 8 * KITH_BLOOM_SIZE, HASHES = 2 };

void kith_bloom_add(uint8_t filter[KITH_BLOOM_SIZE], const struct kith_endpoint *endpoint) {
    uint8_t digest[SHA1_DIGEST_LENGTH];
    SHA1_CTX sha1;

    SHA1Init(&sha1);
    SHA1Update(&sha1, endpoint->ip, endpoint->family == 4 ? 4 : 16);
    SHA1Final(digest, &sha1);
    for (size_t i = 0; i < HASHES; i++) {
        unsigned bit = (digest[2 * i] | (unsigned)digest[2 * i + 1] << 8) % BITS;
        filter[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

void kith_bloom_merge(uint8_t dst[KITH_BLOOM_SIZE], const uint8_t src[KITH_BLOOM_SIZE]) {
    for (size_t i = 0; i < KITH_BLOOM_SIZE; i++) {
        dst[i] |= src[i];
    }
}

/* BEP 33: ln(zeros / m) / (2 ln(1 - 1 / m)). A filter from a stranger may be full: its logarithm is
 * taken as if one bit were zero, the largest estimate there is. An empty one is 0, not the 0.5 that
 * the formula makes of it. */
double kith_bloom_estimate(const uint8_t filter[KITH_BLOOM_SIZE]) {
    unsigned n_zeros = BITS;

    for (size_t i = 0; i < KITH_BLOOM_SIZE; i++) {
        n_zeros -= (unsigned)__builtin_popcount(filter[i]);
    }
    if (n_zeros == BITS) {
        return 0;
    }
    return log((n_zeros > 0 ? n_zeros : 1) / (double)BITS) / (HASHES * log(1 - 1.0 / BITS));
}
