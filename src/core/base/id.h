/* SPDX-License-Identifier: MIT */
/*
 * id: the 256-bit XOR metric space (Maymounkov and Mazieres 2002), and the points in it.
 *
 * Narrower swarms (Mainline: 160 bits) use the leading bytes and leave the rest zero: the metric is
 * the same.
 */
#ifndef KITH_CORE_ID_H
#define KITH_CORE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kith/types.h"
#include "util/span.h"

enum { KITH_ID_BITS = 256 };

static inline bool kith_point_equal(const struct kith_point *a, const struct kith_point *b) {
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static inline bool kith_key_equal(const struct kith_key *a, const struct kith_key *b) {
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* The 64 bits at `index`, 0..3, as a number. */
static inline uint64_t kith_point_word(const struct kith_point *p, unsigned index) {
    const uint8_t *b = p->bytes + 8 * (size_t)index;

    return (uint64_t)b[0] << 56 | (uint64_t)b[1] << 48 | (uint64_t)b[2] << 40 |
           (uint64_t)b[3] << 32 | (uint64_t)b[4] << 24 | (uint64_t)b[5] << 16 |
           (uint64_t)b[6] << 8 | (uint64_t)b[7];
}

/* Leading bits in common, 0..256. */
unsigned kith_point_common_bits(const struct kith_point *a, const struct kith_point *b);

/* <0, 0, >0: a is nearer to, as far from, or farther from `target` than b. */
int kith_point_compare(const struct kith_point *target, const struct kith_point *a,
                       const struct kith_point *b);

/* Bit `index` counted from the most significant, 0..255. */
static inline bool kith_point_bit(const struct kith_point *p, unsigned index) {
    return (p->bytes[index / 8] >> (7 - index % 8)) & 1;
}

/* The distance that is such a fraction of the space, 0..1 and more, to 53 bits. */
void kith_point_fraction(double fraction, struct kith_point *ret);
/* Distance as a fraction of the space, to the full precision of a double however small. */
double kith_point_distance(const struct kith_point *a, const struct kith_point *b);

/* Node id of a key: BLAKE2b-256 of "kith-node-1" || key. */
void kith_point_of_node(const struct kith_key *key, struct kith_point *ret);
/* Storage point of a mutable record: BLAKE2b-256 of "kith-record-1" || key || salt. */
void kith_point_of_record(const struct kith_key *key, struct kith_span salt,
                          struct kith_point *ret);
/* Storage point of an immutable value: BLAKE2b-256 of the bencoded value. */
void kith_point_of_value(struct kith_span bencoded, struct kith_point *ret);

#endif
