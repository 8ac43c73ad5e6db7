/* SPDX-License-Identifier: MIT */
/*
 * network: latency, loss and addresses.
 *
 * Round trips are lognormal, median 80 ms, sigma 0.6 (docs/testing.md, the standard condition). The
 * distribution is a table of quantiles with linear interpolation between them: integers only, so
 * that a trace is the same on every compiler. Its tails end at the 0.1 % and 99.9 % quantiles, 12.5
 * and 511 ms. There is no geometry: the latency between a and c says nothing about a, b and b, c.
 *
 * Addresses come from a bijection of a counter, so they are distinct without a set to check, and
 * neighbouring numbers land in unrelated prefixes. They are labels inside this process.
 */
#include "sim/network.h"

#include <stdlib.h>
#include <string.h>

#include "sim/memory.h"
#include "util/timer.h"

struct kith_sim_binding {
    struct kith_endpoint endpoint; /* family 0: free */
    uint32_t host;
};

enum {
    PACKETS_PER_CHUNK = 64,
    BINDINGS_MIN = 256,
    LOOPBACK_RTT_US = 100,
    SIM_PORT = 7700,
    STREAM_LATENCY = 0x6c61, /* which hash of the seed this is */
    STREAM_ADDRESS = 0x6164,
    STREAM_NETWORK = 0x6e65,
};

/* Quantiles i/64 of 80 ms * exp(0.6 * N(0, 1)), microseconds. */
static const uint32_t rtt_quantiles[65] = {
    12527,  21971,  26164,  29267,  31866,  34170,  36278,  38249,  40118,  41910,  43643,
    45329,  46981,  48605,  50208,  51796,  53374,  54947,  56517,  58089,  59666,  61250,
    62845,  64454,  66078,  67722,  69387,  71077,  72794,  74542,  76323,  78141,  80000,
    81903,  83854,  85857,  87919,  90043,  92236,  94504,  96855,  99296,  101837, 104489,
    107264, 110175, 113240, 116476, 119907, 123561, 127470, 131675, 136226, 141188, 146646,
    152709, 159531, 167326, 176414, 187299, 200838, 218676, 244610, 291299, 510896,
};

/* ---- addresses ---- */

/* A bijection of 32 bits: every step can be undone. */
static uint32_t scatter(uint32_t x, uint32_t key) {
    x ^= key;
    x ^= x >> 16;
    x *= UINT32_C(0x7feb352d);
    x ^= x >> 15;
    x *= UINT32_C(0x846ca68b);
    x ^= x >> 16;
    return x;
}

/* First octets that hold no special-purpose range (RFC 6890). */
static bool octet_is_public(uint32_t octet) {
    static const uint8_t special[] = {0, 10, 100, 127, 169, 172, 192, 198, 203};
    return octet < 224 && memchr(special, (int)octet, sizeof(special)) == NULL;
}

static void write_u32(uint8_t *out, uint32_t value) {
    for (unsigned i = 0; i < 4; i++) {
        out[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

void kith_sim_network_new_address(struct kith_sim_network *network, uint8_t family,
                                  struct kith_endpoint *ret) {
    uint32_t key = (uint32_t)kith_sim_mix(network->config.seed, STREAM_ADDRESS, 0);
    uint32_t ip;
    do {
        ip = scatter(network->next_v4++, key);
    } while (!octet_is_public(ip >> 24));
    *ret = (struct kith_endpoint){.family = family, .port = SIM_PORT};
    if (family == 4) {
        write_u32(ret->ip, ip);
        return;
    }
    /* 2a00::/8 followed by the distinct 32 bits: each address has a /40, so a /56, of its own. */
    ret->ip[0] = 0x2a;
    write_u32(ret->ip + 1, ip);
    ret->ip[15] = 1;
}

static uint64_t hash_endpoint(const struct kith_endpoint *endpoint) {
    uint64_t words[2];
    memcpy(words, endpoint->ip, sizeof(words));
    return kith_sim_mix(words[0], words[1], ((uint64_t)endpoint->family << 16) | endpoint->port);
}

static bool same_endpoint(const struct kith_endpoint *a, const struct kith_endpoint *b) {
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, 16) == 0;
}

/* The slot that has the endpoint, or the free one where it would go. */
static struct kith_sim_binding *slot_of(const struct kith_sim_network *network,
                                        const struct kith_endpoint *endpoint) {
    size_t mask = network->bindings_capacity - 1;
    size_t at = hash_endpoint(endpoint) & mask;
    while (network->bindings[at].endpoint.family != 0 &&
           !same_endpoint(&network->bindings[at].endpoint, endpoint)) {
        at = (at + 1) & mask;
    }
    return &network->bindings[at];
}

static void grow_bindings(struct kith_sim_network *network) {
    struct kith_sim_binding *old = network->bindings;
    size_t n_old = network->bindings_capacity;
    network->bindings_capacity = n_old == 0 ? BINDINGS_MIN : n_old * 2;
    network->bindings =
        kith_sim_allocate(network->bindings_capacity * sizeof(struct kith_sim_binding));
    for (size_t i = 0; i < n_old; i++) {
        if (old[i].endpoint.family != 0) {
            *slot_of(network, &old[i].endpoint) = old[i];
        }
    }
    free(old);
}

void kith_sim_network_bind(struct kith_sim_network *network, const struct kith_endpoint *endpoint,
                           uint32_t host) {
    if (network->n_bindings * 2 >= network->bindings_capacity) {
        grow_bindings(network);
    }
    struct kith_sim_binding *slot = slot_of(network, endpoint);
    network->n_bindings += slot->endpoint.family == 0;
    slot->endpoint = *endpoint;
    slot->host = host;
}

uint32_t kith_sim_network_find(const struct kith_sim_network *network,
                               const struct kith_endpoint *endpoint) {
    if (network->bindings_capacity == 0) {
        return KITH_SIM_NOBODY;
    }
    const struct kith_sim_binding *slot = slot_of(network, endpoint);
    return slot->endpoint.family == 0 ? KITH_SIM_NOBODY : slot->host;
}

bool kith_sim_network_address_beside(const struct kith_sim_network *network,
                                     const struct kith_endpoint *base, struct kith_endpoint *ret) {
    struct kith_endpoint beside = *base;
    for (unsigned i = 1; i < 255; i++) {
        beside.ip[3] = (uint8_t)i;
        if (kith_sim_network_find(network, &beside) == KITH_SIM_NOBODY) {
            *ret = beside;
            return true;
        }
    }
    return false;
}

/* ---- packets ---- */

static struct kith_sim_packet *take_packet(struct kith_sim_network *network) {
    if (network->pool == NULL) {
        struct kith_sim_packet *chunk =
            kith_sim_allocate(PACKETS_PER_CHUNK * sizeof(struct kith_sim_packet));
        network->chunks =
            kith_sim_resize(network->chunks, (network->n_chunks + 1) * sizeof(void *));
        network->chunks[network->n_chunks++] = chunk;
        for (size_t i = 0; i < PACKETS_PER_CHUNK; i++) {
            kith_sim_network_release(network, &chunk[i]);
        }
    }
    struct kith_sim_packet *packet = network->pool;
    network->pool = packet->next;
    return packet;
}

void kith_sim_network_release(struct kith_sim_network *network, struct kith_sim_packet *packet) {
    packet->next = network->pool;
    network->pool = packet;
}

uint64_t kith_sim_network_rtt(const struct kith_sim_network *network, uint32_t a, uint32_t b) {
    if (a == b) {
        return LOOPBACK_RTT_US * KITH_NS_PER_US;
    }
    uint64_t pair = a < b ? ((uint64_t)a << 32) | b : ((uint64_t)b << 32) | a;
    uint64_t hash = kith_sim_mix(network->config.seed, STREAM_LATENCY, pair);
    uint32_t cell = (uint32_t)(hash >> 58);
    uint64_t low = rtt_quantiles[cell];
    uint64_t high = rtt_quantiles[cell + 1];
    uint64_t part = (hash >> 26) & UINT32_MAX; /* of the way through the cell, in 2^-32 */
    uint64_t rtt_ns =
        low * KITH_NS_PER_US + ((((high - low) * KITH_NS_PER_US) * (part >> 4)) >> 28);
    uint32_t percent = network->config.rtt_percent;
    return percent == 0 ? rtt_ns : rtt_ns / 100 * percent;
}

static uint64_t delay_of(struct kith_sim_network *network, uint32_t from, uint32_t to) {
    const struct kith_sim_network_config *config = &network->config;
    uint64_t delay = kith_sim_network_rtt(network, from, to) / 2;
    if (config->jitter_ns != 0) {
        delay += kith_sim_random_below(&network->random, config->jitter_ns + 1);
    }
    if (kith_sim_random_chance(&network->random, config->reorder_ppm)) {
        network->stats.reordered++;
        delay += kith_sim_random_below(&network->random, config->reorder_ns + 1);
    }
    return delay;
}

void kith_sim_network_arrive(struct kith_sim_network *network, const struct kith_sim_flight *flight,
                             uint64_t time) {
    struct kith_sim_packet *packet = take_packet(network);
    packet->event = (struct kith_sim_event){0, KITH_SIM_EVENT_PACKET};
    packet->from_host = flight->from_host;
    packet->to_host = flight->to_host;
    packet->from = flight->from;
    packet->origin = flight->origin;
    packet->to = flight->to;
    packet->size = (uint16_t)flight->size;
    memcpy(packet->bytes, flight->bytes, flight->size);
    kith_sim_queue_set(network->queue, &packet->event, time);
}

static void carry(struct kith_sim_network *network, const struct kith_sim_flight *flight,
                  uint64_t now) {
    if (kith_sim_random_chance(&network->random, network->config.loss_ppm)) {
        network->stats.lost++;
        return;
    }
    kith_sim_network_arrive(network, flight,
                            now + delay_of(network, flight->from_host, flight->to_host));
    if (kith_sim_random_chance(&network->random, network->config.duplicate_ppm)) {
        network->stats.duplicated++;
        kith_sim_network_arrive(network, flight,
                                now + delay_of(network, flight->from_host, flight->to_host));
    }
}

void kith_sim_network_send(struct kith_sim_network *network, uint32_t from_host,
                           const struct kith_endpoint *from, const struct kith_datagram *datagram,
                           uint64_t now) {
    if (datagram->size == 0 || datagram->size > KITH_WIRE_MAX) {
        kith_sim_panic("host %u sends a datagram of %zu bytes", from_host, datagram->size);
    }
    network->stats.sent++;
    network->stats.bytes += datagram->size;
    struct kith_sim_flight flight = {
        .from_host = from_host,
        .to_host = kith_sim_network_find(network, &datagram->to),
        .from = *from,
        .origin = *from,
        .to = datagram->to,
        .bytes = datagram->bytes,
        .size = datagram->size,
    };
    if (flight.to_host == KITH_SIM_NOBODY) {
        network->stats.unroutable++;
    } else if (network->carry != NULL) {
        network->carry(network->carry_context, &flight, now);
    } else {
        carry(network, &flight, now);
    }
}

/* ---- the whole ---- */

void kith_sim_network_init(struct kith_sim_network *network,
                           const struct kith_sim_network_config *config,
                           struct kith_sim_queue *queue) {
    *network = (struct kith_sim_network){.config = *config, .queue = queue};
    kith_sim_random_seed(&network->random, kith_sim_mix(config->seed, STREAM_NETWORK, 0));
}

void kith_sim_network_deinit(struct kith_sim_network *network) {
    for (size_t i = 0; i < network->n_chunks; i++) {
        free(network->chunks[i]);
    }
    free(network->chunks);
    free(network->bindings);
    *network = (struct kith_sim_network){0};
}

size_t kith_sim_network_memory(const struct kith_sim_network *network) {
    return network->n_chunks * PACKETS_PER_CHUNK * sizeof(struct kith_sim_packet) +
           network->bindings_capacity * sizeof(struct kith_sim_binding);
}
