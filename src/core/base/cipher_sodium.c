/* SPDX-License-Identifier: MIT */
/*
 * cipher_sodium: SHA-256, HMAC, ChaCha20-Poly1305 and BLAKE2b by libsodium. Constant time where
 * secrets are concerned is libsodium's business.
 */
#include "core/base/cipher.h"

#include <string.h>

#include <sodium/crypto_aead_chacha20poly1305.h>
#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/crypto_generichash_blake2b.h>
#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>

static void sodium_mix(uint8_t hash[KITH_CIPHER_HASH], struct kith_span data) {
    crypto_hash_sha256_state state;

    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, hash, KITH_CIPHER_HASH);
    crypto_hash_sha256_update(&state, data.data, data.size);
    crypto_hash_sha256_final(&state, hash);
}

/* Output i is HMAC(temporary, output i-1 || i) (Noise, section 4.3). Setting up a key is a third of
 * an HMAC this short: that of `temporary` is done once. */
static void sodium_derive(const uint8_t chaining_key[KITH_CIPHER_KEY], struct kith_span input,
                          uint8_t (*out)[KITH_CIPHER_HASH], uint8_t n) {
    crypto_auth_hmacsha256_state keyed;
    crypto_auth_hmacsha256_state state;
    uint8_t temporary[KITH_CIPHER_HASH];

    crypto_auth_hmacsha256_init(&state, chaining_key, KITH_CIPHER_KEY);
    crypto_auth_hmacsha256_update(&state, input.data, input.size);
    crypto_auth_hmacsha256_final(&state, temporary);
    crypto_auth_hmacsha256_init(&keyed, temporary, sizeof(temporary));
    for (uint8_t i = 0; i < n; i++) {
        uint8_t number = (uint8_t)(i + 1);
        state = keyed;
        if (i > 0) {
            crypto_auth_hmacsha256_update(&state, out[i - 1], KITH_CIPHER_HASH);
        }
        crypto_auth_hmacsha256_update(&state, &number, 1);
        crypto_auth_hmacsha256_final(&state, out[i]);
    }
    sodium_memzero(temporary, sizeof(temporary));
    sodium_memzero(&keyed, sizeof(keyed));
    sodium_memzero(&state, sizeof(state));
}

/* Four zero bytes, then the counter little endian (section 12.3). */
static void nonce_of(uint64_t counter, uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES]) {
    memset(nonce, 0, crypto_aead_chacha20poly1305_ietf_NPUBBYTES);
    for (unsigned i = 0; i < 8; i++) {
        nonce[4 + i] = (uint8_t)(counter >> (8 * i));
    }
}

static void sodium_seal(const uint8_t key[KITH_CIPHER_KEY], uint64_t counter, struct kith_span ad,
                        struct kith_span plain, uint8_t *out) {
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

    nonce_of(counter, nonce);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain.data, plain.size, ad.data,
                                                    ad.size, NULL, nonce, key);
}

static int sodium_open(const uint8_t key[KITH_CIPHER_KEY], uint64_t counter, struct kith_span ad,
                       struct kith_span sealed, uint8_t *out) {
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    int r;

    nonce_of(counter, nonce);
    r = crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.data, sealed.size,
                                                  ad.data, ad.size, nonce, key);
    return r == 0 ? 0 : KITH_EVERIFY;
}

static void sodium_mac(uint8_t out[KITH_CIPHER_MAC], const uint8_t *key, size_t key_size,
                       struct kith_span bytes) {
    (void)crypto_generichash_blake2b(out, KITH_CIPHER_MAC, bytes.data, bytes.size, key, key_size);
}

const struct kith_cipher kith_cipher_sodium = {
    .mix = sodium_mix,
    .derive = sodium_derive,
    .seal = sodium_seal,
    .open = sodium_open,
    .mac = sodium_mac,
};
