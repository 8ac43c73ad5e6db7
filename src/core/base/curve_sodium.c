/* SPDX-License-Identifier: MIT */
/*
 * curve_sodium: the public-key operations by libsodium, which is constant time in the secrets.
 *
 * libsodium already refuses what must be refused: scalar multiplication gives an error for points
 * of small order (RFC 7748 section 6.1), verification refuses non-canonical signatures and
 * small-order keys, and the conversion refuses keys outside the main subgroup. Here errors only get
 * a name, and outputs stay untouched on failure.
 */
#include "core/base/curve.h"

#include <string.h>

#include <sodium/crypto_scalarmult_curve25519.h>
#include <sodium/crypto_sign_ed25519.h>
#include <sodium/utils.h>

static void sodium_dh_public(uint8_t public_key[32], const uint8_t secret[32]) {
    /* Fails for no input. */
    (void)crypto_scalarmult_curve25519_base(public_key, secret);
}

static int sodium_dh(uint8_t shared[32], const uint8_t secret[32], const uint8_t public_key[32]) {
    uint8_t result[crypto_scalarmult_curve25519_BYTES];
    int r = crypto_scalarmult_curve25519(result, secret, public_key);

    if (r == 0) {
        memcpy(shared, result, sizeof(result));
    }
    sodium_memzero(result, sizeof(result));
    return r == 0 ? 0 : KITH_EVERIFY;
}

static void sodium_sign_keypair(uint8_t public_key[32], uint8_t secret[64],
                                const uint8_t seed[32]) {
    (void)crypto_sign_ed25519_seed_keypair(public_key, secret, seed);
}

static void sodium_sign(uint8_t signature[64], const void *message, size_t size,
                        const uint8_t secret[64]) {
    (void)crypto_sign_ed25519_detached(signature, NULL, message, size, secret);
}

static int sodium_verify(const uint8_t signature[64], const void *message, size_t size,
                         const uint8_t public_key[32]) {
    int r = crypto_sign_ed25519_verify_detached(signature, message, size, public_key);

    return r == 0 ? 0 : KITH_EVERIFY;
}

static int sodium_public_to_dh(uint8_t dh_public[32], const uint8_t sign_public[32]) {
    uint8_t result[crypto_scalarmult_curve25519_BYTES];

    if (crypto_sign_ed25519_pk_to_curve25519(result, sign_public) != 0) {
        return KITH_EVERIFY;
    }
    memcpy(dh_public, result, sizeof(result));
    return 0;
}

static void sodium_secret_to_dh(uint8_t dh_secret[32], const uint8_t sign_secret[64]) {
    (void)crypto_sign_ed25519_sk_to_curve25519(dh_secret, sign_secret);
}

const struct kith_curve kith_curve_sodium = {
    .dh_public = sodium_dh_public,
    .dh = sodium_dh,
    .sign_keypair = sodium_sign_keypair,
    .sign = sodium_sign,
    .verify = sodium_verify,
    .public_to_dh = sodium_public_to_dh,
    .secret_to_dh = sodium_secret_to_dh,
    .cipher = &kith_cipher_sodium,
};
