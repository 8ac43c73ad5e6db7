/* SPDX-License-Identifier: MIT */
/* keyed_hash: SipHash-2-4 as a number, for tables whose keys strangers choose. The same on every
 * machine. */
#ifndef KITH_CORE_KEYED_HASH_H
#define KITH_CORE_KEYED_HASH_H

#include <stddef.h>
#include <stdint.h>

#include <sodium/crypto_shorthash_siphash24.h>

enum { KITH_KEYED_HASH_KEY = crypto_shorthash_siphash24_KEYBYTES };

static inline uint64_t kith_keyed_hash(const uint8_t key[KITH_KEYED_HASH_KEY], const void *bytes,
                                       size_t size) {
    uint8_t out[crypto_shorthash_siphash24_BYTES];
    uint64_t hash = 0;

    (void)crypto_shorthash_siphash24(out, (const uint8_t *)bytes, size, key);
    for (size_t i = 0; i < sizeof(out); i++) {
        hash = hash << 8 | out[i];
    }
    return hash;
}

#endif
