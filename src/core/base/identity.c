/* SPDX-License-Identifier: MIT */
/*
 * identity: everything that follows from a seed.
 *
 * One secret, two uses: Ed25519 signs records, and its image on Curve25519 is the static key of the
 * handshake, so that knowing a peer's key is enough to talk to it. The image is computed once here
 * rather than per handshake.
 */
#include "core/base/identity.h"

#include <sodium/utils.h>

#include "core/base/id.h"

void kith_identity_from_seed(struct kith_identity *identity, const struct kith_curve *curve,
                             const uint8_t seed[KITH_SEED_SIZE]) {
    curve->sign_keypair(identity->key.bytes, identity->secret, seed);
    kith_point_of_node(&identity->key, &identity->id);
    curve->secret_to_dh(identity->dh_secret, identity->secret);
    curve->dh_public(identity->dh_public, identity->dh_secret);
}

void kith_identity_wipe(struct kith_identity *identity) {
    sodium_memzero(identity, sizeof(*identity));
}
