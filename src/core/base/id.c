/* SPDX-License-Identifier: MIT */
/*
 * id: the XOR metric, and how keys, records and values get their place in it.
 *
 * The metric (Maymounkov and Mazieres 2002, section 2.1): distance is the XOR of two points read as
 * an unsigned number. It is compared in four 64-bit words, since sorting candidates by distance is
 * the innermost loop of every walk.
 *
 * Points are BLAKE2b-256 with a distinct text in front of each kind, so that nobody can make a node
 * sit on a record's point by choosing the record's key to be its own. An immutable value has no
 * such text: its point must follow from the value alone.
 */
#include "core/base/id.h"

#include <sodium/crypto_generichash_blake2b.h>

enum { POINT_WORDS = 4, WORD_BITS = 64 };

unsigned kith_point_common_bits(const struct kith_point *a, const struct kith_point *b) {
    for (unsigned i = 0; i < POINT_WORDS; i++) {
        uint64_t difference = kith_point_word(a, i) ^ kith_point_word(b, i);
        if (difference != 0) {
            return i * WORD_BITS + (unsigned)__builtin_clzll(difference);
        }
    }
    return KITH_ID_BITS;
}

int kith_point_compare(const struct kith_point *target, const struct kith_point *a,
                       const struct kith_point *b) {
    for (unsigned i = 0; i < POINT_WORDS; i++) {
        uint64_t middle = kith_point_word(target, i);
        uint64_t to_a = kith_point_word(a, i) ^ middle;
        uint64_t to_b = kith_point_word(b, i) ^ middle;
        if (to_a != to_b) {
            return to_a < to_b ? -1 : 1;
        }
    }
    return 0;
}

void kith_point_fraction(double fraction, struct kith_point *ret) {
    for (size_t i = 0; i < sizeof(ret->bytes); i++) {
        fraction = fraction >= 1 ? 256 : fraction * 256;
        double byte = fraction >= 255 ? 255 : (double)(uint8_t)fraction;
        ret->bytes[i] = (uint8_t)byte;
        fraction -= byte;
    }
}

double kith_point_distance(const struct kith_point *a, const struct kith_point *b) {
    double fraction = 0;

    for (size_t i = sizeof(a->bytes); i > 0; i--) {
        fraction = (fraction + (a->bytes[i - 1] ^ b->bytes[i - 1])) / 256;
    }
    return fraction;
}

/* BLAKE2b-256 of three parts, each of which may be empty. With constant sizes it cannot fail. */
static void point_hash(struct kith_span kind, struct kith_span first, struct kith_span second,
                       struct kith_point *ret) {
    crypto_generichash_blake2b_state state;

    (void)crypto_generichash_blake2b_init(&state, NULL, 0, sizeof(ret->bytes));
    (void)crypto_generichash_blake2b_update(&state, kind.data, kind.size);
    (void)crypto_generichash_blake2b_update(&state, first.data, first.size);
    (void)crypto_generichash_blake2b_update(&state, second.data, second.size);
    (void)crypto_generichash_blake2b_final(&state, ret->bytes, sizeof(ret->bytes));
}

/* In one piece: of every contact in every answer. */
void kith_point_of_node(const struct kith_key *key, struct kith_point *ret) {
    static const char kind[11] = "kith-node-1";
    uint8_t bytes[sizeof(kind) + sizeof(key->bytes)];

    memcpy(bytes, kind, sizeof(kind));
    memcpy(bytes + sizeof(kind), key->bytes, sizeof(key->bytes));
    (void)crypto_generichash_blake2b(ret->bytes, sizeof(ret->bytes), bytes, sizeof(bytes), NULL, 0);
}

void kith_point_of_record(const struct kith_key *key, struct kith_span salt,
                          struct kith_point *ret) {
    point_hash(kith_span_text("kith-record-1"), kith_span(key->bytes, sizeof(key->bytes)), salt,
               ret);
}

void kith_point_of_value(struct kith_span bencoded, struct kith_point *ret) {
    point_hash(kith_span(NULL, 0), bencoded, kith_span(NULL, 0), ret);
}
