/* SPDX-License-Identifier: MIT */
/*
 * forge: datagrams that no core would send, by somebody who holds keys of his own: handshakes that
 * he never means to finish, or finishes thousands of, questions in the name of others.
 */
#ifndef KITH_SIM_FORGE_H
#define KITH_SIM_FORGE_H

#include "core/base/identity.h"
#include "core/session/noise.h"
#include "sim/world.h"

struct kith_sim_bytes {
    size_t size;
    uint8_t bytes[KITH_RECEIVE_MAX];
};

/* A key, and one handshake or session of it. */
struct kith_sim_forged {
    const struct kith_sim_world *world;
    struct kith_identity identity;
    struct kith_noise noise;
    struct kith_noise_keys keys;
    uint64_t counter;
    uint32_t index;
    uint32_t remote_index;
    bool open; /* the other side has answered */
    bool has_cookie;
    uint8_t cookie[KITH_CIPHER_MAC]; /* shown by initiations */
    uint8_t mac1[KITH_CIPHER_MAC];   /* of the last initiation, sent or heard */
    struct kith_sim_bytes datagram;  /* the one that was made last */
};

/* `seed`: KITH_SEED_SIZE bytes, or NULL: a key that nobody has seen. Draws from world->random. */
void kith_sim_forge_key(struct kith_sim_forged *forged, struct kith_sim_world *world,
                        const uint8_t *seed);
/* An initiation to the holder of `to`, padded with zeros up to `size` bytes, where it is shorter.
 */
void kith_sim_forge_initiation(struct kith_sim_forged *forged, const struct kith_key *to,
                               struct kith_span request, size_t size);
/* Takes the 0x02 that answers it. False: it is none. */
bool kith_sim_forge_answered(struct kith_sim_forged *forged, struct kith_span datagram);
/* A 0x04 of the session that is open. */
void kith_sim_forge_data(struct kith_sim_forged *forged, struct kith_span payload);
/* Takes the 0x03 that answers it, for initiations to come. False: it is none. */
bool kith_sim_forge_cookie_given(struct kith_sim_forged *forged, const struct kith_key *by,
                                 struct kith_span datagram);

/* The other side: takes an initiation to this key. False: it is none. */
bool kith_sim_forge_heard(struct kith_sim_forged *forged, struct kith_span datagram);
/* The 0x02 that answers it, to the holder of `to`. */
void kith_sim_forge_response(struct kith_sim_forged *forged, const struct kith_key *to);
/* A 0x03 that answers it, instead. */
void kith_sim_forge_cookie(struct kith_sim_forged *forged);
/* The 0x06 that answers a who which came from `asker`. */
void kith_sim_forge_iam(struct kith_sim_forged *forged, struct kith_span who,
                        const struct kith_endpoint *asker);

/* A who of any size. */
void kith_sim_forge_who(struct kith_sim_bytes *datagram, struct kith_sim_world *world, size_t size);

/* The host hears it at once. `from` is what it says, `origin` where it comes from. */
void kith_sim_forge_send(struct kith_sim_world *world, const struct kith_sim_bytes *datagram,
                         const struct kith_endpoint *from, const struct kith_endpoint *origin,
                         struct kith_sim_host *to);

#endif
