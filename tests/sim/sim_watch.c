/* SPDX-License-Identifier: MIT */
#include "sim/sim_watch.h"

#include <string.h>

#include <sodium/crypto_generichash_blake2b.h>

enum {
    TYPE_INITIATION = 1, /* first byte of a datagram, from the protocol's description */
    TYPE_RESPONSE = 2,
    TYPE_COOKIE = 3,
    TYPE_DATA = 4,
    MAC = 16, /* of the two at the end of an initiation and a response */
};

static uint64_t hash_packet(const struct kith_sim_host *host,
                            const struct kith_sim_packet *packet) {
    uint64_t hash = kith_sim_mix(host->index, host->lives, packet->size);
    for (size_t at = 0; at < packet->size; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t left = packet->size - at;
        memcpy(&word, packet->bytes + at, left < sizeof(word) ? left : sizeof(word));
        hash = kith_sim_mix(hash, word, at);
    }
    return hash;
}

static uint64_t count_drops(const struct kith_sim_host *host) {
    const struct kith_stats *stats = kith_core_stats(host->core);
    uint64_t sum = 0;
#define ADD(name, help) sum += strncmp(#name, "drop_", 5) == 0 ? stats->name : 0;
    KITH_COUNTER_MAP(ADD)
#undef ADD
    return sum;
}

void kith_sim_watch_deinit(struct kith_sim_watch *watch) {
    kith_sim_set_deinit(&watch->accepted);
    *watch = (struct kith_sim_watch){0};
}

void kith_sim_watch_receive(struct kith_sim_watch *watch, const struct kith_sim_host *host,
                            const struct kith_sim_packet *packet) {
    watch->watched =
        packet->size > 0 && (packet->bytes[0] == TYPE_INITIATION || packet->bytes[0] == TYPE_DATA);
    watch->hash = watch->watched ? hash_packet(host, packet) : 0;
    watch->repeated = watch->watched && kith_sim_set_has(&watch->accepted, watch->hash);
    watch->n_repeated += watch->repeated;
    watch->drops = count_drops(host);
}

void kith_sim_watch_received(struct kith_sim_watch *watch, const struct kith_sim_host *host,
                             bool failed) {
    if (watch->watched && !watch->repeated && !failed && count_drops(host) == watch->drops) {
        kith_sim_set_add(&watch->accepted, watch->hash);
    }
    watch->watched = false;
}

bool kith_sim_watch_sent(struct kith_sim_watch *watch, const struct kith_datagram *datagram) {
    return !watch->repeated || datagram->bytes[0] == TYPE_COOKIE;
}

bool kith_sim_watch_is_for(const struct kith_sim_world *world, const struct kith_datagram *datagram,
                           const struct kith_key *key) {
    static const char label[] = "kith-mac1-1";
    uint8_t mac_key[32];
    uint8_t mac[MAC];
    crypto_generichash_blake2b_state state;
    bool has_macs = datagram->bytes[0] == TYPE_INITIATION || datagram->bytes[0] == TYPE_RESPONSE;
    if (!has_macs || datagram->size < 2 * MAC) {
        return false;
    }
    size_t covered = datagram->size - 2 * MAC;
    crypto_generichash_blake2b_init(&state, NULL, 0, sizeof(mac_key));
    crypto_generichash_blake2b_update(&state, (const uint8_t *)label, strlen(label));
    crypto_generichash_blake2b_update(&state, key->bytes, sizeof(key->bytes));
    crypto_generichash_blake2b_final(&state, mac_key, sizeof(mac_key));
    world->config.curve->cipher->mac(mac, mac_key, sizeof(mac_key),
                                     kith_span(datagram->bytes, covered));
    return memcmp(mac, datagram->bytes + covered, MAC) == 0;
}

void kith_sim_watch_end(struct kith_sim_watch *watch) {
    watch->watched = false;
    watch->repeated = false;
}
