/* SPDX-License-Identifier: MIT */
#include "sim/forge.h"

#include <sodium/crypto_aead_xchacha20poly1305.h>

#include "core/session/session_internal.h"
#include "sim/memory.h"

static const char prologue[] = "kith/1 " KITH_SIM_NETWORK_NAME;

void kith_sim_forge_key(struct kith_sim_forged *forged, struct kith_sim_world *world,
                        const uint8_t *seed) {
    uint8_t fresh[KITH_SEED_SIZE];
    *forged = (struct kith_sim_forged){.world = world};
    if (seed == NULL) {
        kith_sim_random_fill(&world->random, fresh, sizeof(fresh));
        seed = fresh;
    }
    kith_identity_from_seed(&forged->identity, world->config.curve, seed);
    forged->index = (uint32_t)kith_sim_random_next(&world->random);
}

void kith_sim_forge_initiation(struct kith_sim_forged *forged, const struct kith_key *to,
                               struct kith_span request, size_t size) {
    struct kith_sim_world *world = (struct kith_sim_world *)forged->world;
    const struct kith_curve *curve = world->config.curve;
    uint8_t payload[KITH_RECEIVE_MAX];
    uint8_t remote[32];
    uint8_t ephemeral[32];
    uint8_t *out = forged->datagram.bytes;
    struct kith_writer w = kith_writer(payload, sizeof(payload));
    kith_write_bytes(&w, forged->identity.key.bytes, KITH_KEY_SIZE);
    kith_write_u16(&w, (uint16_t)request.size);
    kith_write_span(&w, request);
    size_t least = KITH_SESSION_INIT_OVERHEAD + request.size;
    kith_write_zeros(&w, size > least ? size - least : 0);
    kith_sim_random_fill(&world->random, ephemeral, sizeof(ephemeral));
    if (curve->public_to_dh(remote, to->bytes) < 0) {
        kith_sim_panic("a host's key is no point");
    }
    kith_noise_init(&forged->noise, curve, true, kith_span(prologue, sizeof(prologue) - 1),
                    forged->identity.dh_public, forged->identity.dh_secret, remote, NULL);
    session_put_type(out, SESSION_TYPE_INITIATION);
    session_put_u32(out + 4, forged->index);
    if (kith_noise_write_1(&forged->noise, ephemeral, kith_span(payload, kith_writer_size(&w)),
                           out + SESSION_INIT_HEADER) < 0) {
        kith_sim_panic("an initiation cannot be written");
    }
    size_t covered = SESSION_INIT_HEADER + KITH_NOISE_MSG1_OVERHEAD + kith_writer_size(&w);
    session_macs_write(curve->cipher, out, covered, to, forged->has_cookie ? forged->cookie : NULL);
    memcpy(forged->mac1, out + covered, SESSION_MAC);
    forged->datagram.size = covered + SESSION_MACS;
    forged->open = false;
}

bool kith_sim_forge_answered(struct kith_sim_forged *forged, struct kith_span datagram) {
    uint8_t payload[KITH_WIRE_MAX];
    size_t size;
    if (datagram.size < KITH_SESSION_RESP_OVERHEAD || datagram.data[0] != SESSION_TYPE_RESPONSE ||
        session_get_u32(datagram.data + 8) != forged->index ||
        kith_noise_read_2(&forged->noise,
                          kith_span(datagram.data + SESSION_RESP_HEADER,
                                    datagram.size - SESSION_RESP_HEADER - SESSION_MACS),
                          payload, &size, &forged->keys) < 0) {
        return false;
    }
    forged->remote_index = session_get_u32(datagram.data + 4);
    forged->counter = 0;
    forged->open = true;
    return true;
}

void kith_sim_forge_data(struct kith_sim_forged *forged, struct kith_span payload) {
    uint8_t *out = forged->datagram.bytes;
    uint64_t counter = forged->counter++;
    session_put_type(out, SESSION_TYPE_DATA);
    session_put_u32(out + 4, forged->remote_index);
    session_put_u32(out + 8, (uint32_t)(counter >> 32));
    session_put_u32(out + 12, (uint32_t)counter);
    forged->world->config.curve->cipher->seal(forged->keys.send, counter,
                                              kith_span(out, SESSION_DATA_HEADER), payload,
                                              out + SESSION_DATA_HEADER);
    forged->datagram.size = payload.size + KITH_SESSION_DATA_OVERHEAD;
}

bool kith_sim_forge_cookie_given(struct kith_sim_forged *forged, const struct kith_key *by,
                                 struct kith_span datagram) {
    forged->has_cookie =
        forged->has_cookie ||
        (datagram.size == SESSION_COOKIE_SIZE && datagram.data[0] == SESSION_TYPE_COOKIE &&
         session_get_u32(datagram.data + 4) == forged->index &&
         session_cookie_open(by, datagram, forged->mac1, forged->cookie) == 0);
    return forged->has_cookie;
}

bool kith_sim_forge_heard(struct kith_sim_forged *forged, struct kith_span datagram) {
    uint8_t payload[KITH_RECEIVE_MAX];
    size_t size;
    if (datagram.size < KITH_SESSION_INIT_OVERHEAD || datagram.data[0] != SESSION_TYPE_INITIATION) {
        return false;
    }
    kith_noise_init(&forged->noise, forged->world->config.curve, false,
                    kith_span(prologue, sizeof(prologue) - 1), forged->identity.dh_public,
                    forged->identity.dh_secret, NULL, NULL);
    forged->remote_index = session_get_u32(datagram.data + 4);
    memcpy(forged->mac1, datagram.data + datagram.size - SESSION_MACS, SESSION_MAC);
    return kith_noise_read_1(&forged->noise,
                             kith_span(datagram.data + SESSION_INIT_HEADER,
                                       datagram.size - SESSION_INIT_HEADER - SESSION_MACS),
                             payload, &size) == 0;
}

void kith_sim_forge_response(struct kith_sim_forged *forged, const struct kith_key *to) {
    struct kith_sim_world *world = (struct kith_sim_world *)forged->world;
    uint8_t *out = forged->datagram.bytes;
    uint8_t ephemeral[32];
    size_t covered = SESSION_RESP_HEADER + KITH_NOISE_MSG2_OVERHEAD;
    kith_sim_random_fill(&world->random, ephemeral, sizeof(ephemeral));
    session_put_type(out, SESSION_TYPE_RESPONSE);
    session_put_u32(out + 4, forged->index);
    session_put_u32(out + 8, forged->remote_index);
    if (kith_noise_write_2(&forged->noise, ephemeral, kith_span(NULL, 0), out + SESSION_RESP_HEADER,
                           &forged->keys) < 0) {
        kith_sim_panic("a response cannot be written");
    }
    session_macs_write(world->config.curve->cipher, out, covered, to, NULL);
    forged->datagram.size = covered + SESSION_MACS;
}

void kith_sim_forge_cookie(struct kith_sim_forged *forged) {
    uint8_t cookie[SESSION_MAC] = {0xc0};
    uint8_t key[32];
    uint8_t *out = forged->datagram.bytes;
    session_cookie_key(key, &forged->identity.key);
    session_put_type(out, SESSION_TYPE_COOKIE);
    session_put_u32(out + 4, forged->remote_index);
    kith_sim_random_fill(&((struct kith_sim_world *)forged->world)->random, out + 8,
                         SESSION_COOKIE_NONCE);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(out + 8 + SESSION_COOKIE_NONCE, NULL, cookie,
                                                     sizeof(cookie), forged->mac1,
                                                     sizeof(forged->mac1), NULL, out + 8, key);
    forged->datagram.size = SESSION_COOKIE_SIZE;
}

void kith_sim_forge_iam(struct kith_sim_forged *forged, struct kith_span who,
                        const struct kith_endpoint *asker) {
    uint8_t message[KITH_DATAGRAM_MAX];
    uint8_t *out = forged->datagram.bytes;
    struct kith_writer w = kith_writer(out, KITH_DATAGRAM_MAX);
    kith_write_u8(&w, SESSION_TYPE_IAM);
    kith_write_bytes(&w, forged->identity.key.bytes, KITH_KEY_SIZE);
    kith_write_u8(&w, asker->family);
    kith_write_bytes(&w, asker->ip, sizeof(asker->ip));
    kith_write_u16(&w, asker->port);
    size_t tail = kith_writer_size(&w) - 1;
    struct kith_writer signed_w = kith_writer(message, sizeof(message));
    kith_write_bytes(&signed_w, "kith-iam-1", 10);
    kith_write_u8(&signed_w, sizeof(KITH_SIM_NETWORK_NAME) - 1);
    kith_write_bytes(&signed_w, KITH_SIM_NETWORK_NAME, sizeof(KITH_SIM_NETWORK_NAME) - 1);
    kith_write_bytes(&signed_w, who.data + 1, SESSION_WHO_NONCE);
    kith_write_bytes(&signed_w, out + 1, tail);
    forged->world->config.curve->sign(out + 1 + tail, message, kith_writer_size(&signed_w),
                                      forged->identity.secret);
    forged->datagram.size = SESSION_WHO_SIZE;
}

void kith_sim_forge_who(struct kith_sim_bytes *datagram, struct kith_sim_world *world,
                        size_t size) {
    memset(datagram->bytes, 0, sizeof(datagram->bytes));
    datagram->bytes[0] = SESSION_TYPE_WHO;
    kith_sim_random_fill(&world->random, datagram->bytes + 1, SESSION_WHO_NONCE);
    datagram->size = size;
}

void kith_sim_forge_send(struct kith_sim_world *world, const struct kith_sim_bytes *datagram,
                         const struct kith_endpoint *from, const struct kith_endpoint *origin,
                         struct kith_sim_host *to) {
    struct kith_sim_packet packet = {
        .from_host = KITH_SIM_NOBODY,
        .to_host = to->index,
        .from = *from,
        .origin = *origin,
        .to = to->v4,
        .size = (uint16_t)(datagram->size < KITH_WIRE_MAX ? datagram->size : KITH_WIRE_MAX)};
    memcpy(packet.bytes, datagram->bytes, packet.size);
    kith_sim_world_hear(world, to, &packet);
}
