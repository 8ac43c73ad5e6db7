/* SPDX-License-Identifier: MIT */
/*
 * fast_curve: the laws that a session and a record rely on, from a few SipHash calls; its cipher is
 * in fast_cipher.c.
 *
 *   dh(a, public(b)) == dh(b, public(a))          both hash the two public keys in one order
 *   public_to_dh(P(seed)) == dh_public(secret_to_dh(seed || P(seed)))
 *   verify(sign(m, seed || P), m, P)              the signature hashes P and m; any other m, P or
 *                                                 signature fails, with probability 1 - 2^-64
 *
 * Public keys are a bijection of secrets, so distinct nodes have distinct keys. As with the real
 * curves, the all-zero public key is refused. Words are read and written little endian whatever the
 * machine, because keys decide ids and ids decide everything else in a trace.
 */
#include "sim/fast_curve.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

enum { KEY = 32, WORDS = 4 };

static const uint8_t key_shared[crypto_shorthash_siphashx24_KEYBYTES] = "kith-sim-shared";
static const uint8_t key_shared_2[crypto_shorthash_siphashx24_KEYBYTES] = "kith-sim-second";
static const uint8_t key_sign[crypto_shorthash_siphashx24_KEYBYTES] = "kith-sim-sign01";

static uint64_t load(const uint8_t *bytes) {
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    return word;
}

static void store(uint8_t *bytes, uint64_t word) {
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(word >> (8 * i));
    }
}

/* A bijection of 64 bits that moves 0. */
static uint64_t scramble(uint64_t x, uint64_t constant) {
    x ^= constant;
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

/* A bijection of 32 bytes: words are scrambled one by one, then chained so that each output word
 * depends on all input words (a Feistel-like pass forwards and back). */
static void scramble_key(uint8_t out[KEY], const uint8_t in[KEY], uint64_t constant) {
    uint64_t words[WORDS];
    for (unsigned i = 0; i < WORDS; i++) {
        words[i] = load(in + 8 * i);
    }
    for (unsigned i = 0; i < 2 * WORDS; i++) {
        uint64_t *word = &words[i % WORDS];
        *word = scramble(*word + words[(i + WORDS - 1) % WORDS], constant + i);
    }
    for (unsigned i = 0; i < WORDS; i++) {
        store(out + 8 * i, words[i]);
    }
}

static bool key_is_zero(const uint8_t key[KEY]) {
    return sodium_is_zero(key, KEY) != 0;
}

static void fast_dh_public(uint8_t public_key[32], const uint8_t secret[32]) {
    scramble_key(public_key, secret, UINT64_C(0x6468));
}

static int fast_dh(uint8_t shared[32], const uint8_t secret[32], const uint8_t public_key[32]) {
    if (key_is_zero(public_key)) {
        return KITH_EVERIFY;
    }
    uint8_t own[KEY];
    fast_dh_public(own, secret);
    bool own_first = memcmp(own, public_key, KEY) < 0;
    uint8_t both[2 * KEY];
    memcpy(both, own_first ? own : public_key, KEY);
    memcpy(both + KEY, own_first ? public_key : own, KEY);
    crypto_shorthash_siphashx24(shared, both, sizeof(both), key_shared);
    crypto_shorthash_siphashx24(shared + 16, both, sizeof(both), key_shared_2);
    return 0;
}

static void fast_sign_keypair(uint8_t public_key[32], uint8_t secret[64], const uint8_t seed[32]) {
    memmove(secret, seed, KEY);
    scramble_key(secret + KEY, secret, UINT64_C(0x7369));
    memcpy(public_key, secret + KEY, KEY);
}

static void sign_as(uint8_t signature[64], const void *message, size_t size,
                    const uint8_t public_key[32]) {
    uint8_t digests[2 * crypto_shorthash_siphashx24_BYTES];
    crypto_shorthash_siphashx24(digests, message, size, key_sign);
    crypto_shorthash_siphashx24(digests + 16, public_key, KEY, key_sign);
    scramble_key(signature, digests, size);
    scramble_key(signature + KEY, signature, ~(uint64_t)size);
}

static void fast_sign(uint8_t signature[64], const void *message, size_t size,
                      const uint8_t secret[64]) {
    sign_as(signature, message, size, secret + KEY);
}

static int fast_verify(const uint8_t signature[64], const void *message, size_t size,
                       const uint8_t public_key[32]) {
    uint8_t expected[64];
    sign_as(expected, message, size, public_key);
    return memcmp(signature, expected, sizeof(expected)) == 0 ? 0 : KITH_EVERIFY;
}

/* The secret for key agreement is a function of the public signing key: nothing here is secret. */
static void dh_secret_of(uint8_t dh_secret[32], const uint8_t sign_public[32]) {
    scramble_key(dh_secret, sign_public, UINT64_C(0x7365));
}

static int fast_public_to_dh(uint8_t dh_public[32], const uint8_t sign_public[32]) {
    if (key_is_zero(sign_public)) {
        return KITH_EVERIFY;
    }
    uint8_t secret[KEY];
    dh_secret_of(secret, sign_public);
    fast_dh_public(dh_public, secret);
    return 0;
}

static void fast_secret_to_dh(uint8_t dh_secret[32], const uint8_t sign_secret[64]) {
    dh_secret_of(dh_secret, sign_secret + KEY);
}

const struct kith_curve kith_sim_fast_curve = {
    .dh_public = fast_dh_public,
    .dh = fast_dh,
    .sign_keypair = fast_sign_keypair,
    .sign = fast_sign,
    .verify = fast_verify,
    .public_to_dh = fast_public_to_dh,
    .secret_to_dh = fast_secret_to_dh,
    .cipher = &kith_sim_fast_cipher,
};
