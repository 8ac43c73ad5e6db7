/* SPDX-License-Identifier: MIT */
/* identity: the key pair of a node, and its image for key agreement. Holds secrets: wipe it. */
#ifndef KITH_CORE_IDENTITY_H
#define KITH_CORE_IDENTITY_H

#include "core/base/curve.h"
#include "kith/types.h"

struct kith_identity {
    struct kith_key key;
    struct kith_point id; /* kith_point_of_node(key) */
    uint8_t secret[64];   /* Ed25519, libsodium layout */
    uint8_t dh_public[32];
    uint8_t dh_secret[32];
};

void kith_identity_from_seed(struct kith_identity *identity, const struct kith_curve *curve,
                             const uint8_t seed[KITH_SEED_SIZE]);
void kith_identity_wipe(struct kith_identity *identity);

#endif
