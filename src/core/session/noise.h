/* SPDX-License-Identifier: MIT */
/*
 * noise: Noise_IK_25519_ChaChaPoly_SHA256 and Noise_IKpsk2_25519_ChaChaPoly_SHA256, and nothing
 * else of the framework (The Noise Protocol Framework, revision 34). Plain Noise: no indices, no
 * cookies, no padding; those are core/session.
 *
 * A handshake object belongs to the caller, holds secrets and must be wiped. Nothing allocates.
 */
#ifndef KITH_CORE_NOISE_H
#define KITH_CORE_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/curve.h"
#include "util/span.h"

enum {
    KITH_NOISE_TAG = KITH_CIPHER_TAG,
    KITH_NOISE_MSG1_OVERHEAD =
        32 + 32 + KITH_NOISE_TAG + KITH_NOISE_TAG,  /* e, s, tag, payload tag */
    KITH_NOISE_MSG2_OVERHEAD = 32 + KITH_NOISE_TAG, /* e, payload tag */
};

struct kith_noise {
    const struct kith_curve *curve;
    bool initiator;
    bool has_psk;
    bool has_cipher_key;
    uint64_t nonce;
    uint8_t chaining_key[32];
    uint8_t hash[32]; /* the transcript h */
    uint8_t cipher_key[32];
    uint8_t static_public[32];
    uint8_t static_secret[32];
    uint8_t ephemeral_public[32];
    uint8_t ephemeral_secret[32];
    uint8_t remote_static[32]; /* responder: known after message 1 */
    uint8_t remote_ephemeral[32];
    uint8_t psk[32];
};

/* The two transport keys after message 2, as seen by this side. */
struct kith_noise_keys {
    uint8_t send[32];
    uint8_t receive[32];
};

/*
 * Starts a handshake. `remote_static` is the responder's X25519 key (initiator) or NULL
 * (responder). `psk` is 32 bytes, or NULL for plain IK.
 */
void kith_noise_init(struct kith_noise *n, const struct kith_curve *curve, bool initiator,
                     struct kith_span prologue, const uint8_t static_public[32],
                     const uint8_t static_secret[32], const uint8_t *remote_static,
                     const uint8_t *psk);

/* Initiator: `out` holds payload.size + KITH_NOISE_MSG1_OVERHEAD bytes. `ephemeral_secret` is 32
 * fresh random bytes. -> KITH_EVERIFY for a remote static of small order. */
KITH_MUST_CHECK int kith_noise_write_1(struct kith_noise *n, const uint8_t ephemeral_secret[32],
                                       struct kith_span payload, uint8_t *out);
/* Responder: `payload` holds message.size - overhead bytes. -> KITH_EVERIFY, KITH_ESYNTAX (too
 * short) */
KITH_MUST_CHECK int kith_noise_read_1(struct kith_noise *n, struct kith_span message,
                                      uint8_t *payload, size_t *ret_size);
/* Responder; ends the handshake. */
KITH_MUST_CHECK int kith_noise_write_2(struct kith_noise *n, const uint8_t ephemeral_secret[32],
                                       struct kith_span payload, uint8_t *out,
                                       struct kith_noise_keys *ret_keys);
/* Initiator; ends the handshake. A failed read leaves the handshake as it was, so that a forged
 * message 2 cannot end it. -> KITH_EVERIFY, KITH_ESYNTAX */
KITH_MUST_CHECK int kith_noise_read_2(struct kith_noise *n, struct kith_span message,
                                      uint8_t *payload, size_t *ret_size,
                                      struct kith_noise_keys *ret_keys);

void kith_noise_wipe(struct kith_noise *n);

#endif
