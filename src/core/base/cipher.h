/* SPDX-License-Identifier: MIT */
/*
 * cipher: the symmetric operations of a session, as a table, for the same reason as
 * core/base/curve.h: a simulated handshake would otherwise be mostly SHA-256. There is one real
 * implementation, kith_cipher_sodium; nothing but the simulator may have another.
 */
#ifndef KITH_CORE_CIPHER_H
#define KITH_CORE_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#include "kith/error.h"
#include "util/span.h"

enum {
    KITH_CIPHER_KEY = 32,
    KITH_CIPHER_HASH = 32,
    KITH_CIPHER_TAG = 16,
    KITH_CIPHER_MAC = 16,
};

struct kith_cipher {
    /* hash = SHA-256(hash || data) */
    void (*mix)(uint8_t hash[KITH_CIPHER_HASH], struct kith_span data);
    /* Noise's HKDF by HMAC-SHA256: `n` outputs, 1 to 3. `out` is neither input. */
    void (*derive)(const uint8_t chaining_key[KITH_CIPHER_KEY], struct kith_span input,
                   uint8_t (*out)[KITH_CIPHER_HASH], uint8_t n);
    /* ChaCha20-Poly1305 with the 64-bit counter little endian in the nonce (Noise, section 12).
     * `out` holds size + KITH_CIPHER_TAG bytes and may be the plaintext's buffer. */
    void (*seal)(const uint8_t key[KITH_CIPHER_KEY], uint64_t counter, struct kith_span ad,
                 struct kith_span plain, uint8_t *out);
    /* `out` holds size - KITH_CIPHER_TAG bytes and may be the ciphertext's buffer.
     * -> KITH_EVERIFY */
    int (*open)(const uint8_t key[KITH_CIPHER_KEY], uint64_t counter, struct kith_span ad,
                struct kith_span sealed, uint8_t *out);
    /* BLAKE2b-128 with a key of 16 or 32 bytes. */
    void (*mac)(uint8_t out[KITH_CIPHER_MAC], const uint8_t *key, size_t key_size,
                struct kith_span bytes);
};

extern const struct kith_cipher kith_cipher_sodium;

#endif
