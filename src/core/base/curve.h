/* SPDX-License-Identifier: MIT */
/*
 * curve: the public-key operations, as a table.
 *
 * There is one real implementation, kith_curve_sodium. The table exists so that a simulation of
 * 100,000 nodes can replace a 30-microsecond scalar multiplication by a hash without touching
 * the core; nothing else may implement it.
 */
#ifndef KITH_CORE_CURVE_H
#define KITH_CORE_CURVE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/cipher.h"
#include "kith/error.h"

struct kith_curve {
    /* X25519 public key of a secret. */
    void (*dh_public)(uint8_t public_key[32], const uint8_t secret[32]);
    /* X25519. -> KITH_EVERIFY for a public key of small order. */
    int (*dh)(uint8_t shared[32], const uint8_t secret[32], const uint8_t public_key[32]);
    /* Ed25519 key pair of a seed; secret is libsodium's seed || public. */
    void (*sign_keypair)(uint8_t public_key[32], uint8_t secret[64], const uint8_t seed[32]);
    void (*sign)(uint8_t signature[64], const void *message, size_t size, const uint8_t secret[64]);
    /* -> KITH_EVERIFY */
    int (*verify)(const uint8_t signature[64], const void *message, size_t size,
                  const uint8_t public_key[32]);
    /* The X25519 image of an Ed25519 public key. -> KITH_EVERIFY for points that have none. */
    int (*public_to_dh)(uint8_t dh_public[32], const uint8_t sign_public[32]);
    void (*secret_to_dh)(uint8_t dh_secret[32], const uint8_t sign_secret[64]);
    const struct kith_cipher *cipher; /* that goes with it */
};

extern const struct kith_curve kith_curve_sodium;

#endif
