/* SPDX-License-Identifier: MIT */
/*
 * network: an internet in miniature. Who has which address, how long a datagram takes between two
 * hosts, and which datagrams are lost, repeated or overtaken. It knows nothing of what it carries.
 *
 * Latency is a property of a pair of hosts, derived by hashing (seed, a, b): nothing is stored per
 * pair. Packets wait in the world's queue in pooled buffers.
 */
#ifndef KITH_SIM_NETWORK_H
#define KITH_SIM_NETWORK_H

#include <stdbool.h>

#include "core/wire/outbox.h"
#include "sim/queue.h"
#include "sim/random.h"

#define KITH_SIM_NOBODY UINT32_MAX /* instead of a host: nobody has this address */

struct kith_sim_network_config {
    uint64_t seed;
    uint32_t loss_ppm;      /* each datagram, so each way */
    uint32_t duplicate_ppm; /* a second copy, with a delay of its own */
    uint32_t reorder_ppm;   /* held back by up to reorder_ns */
    uint64_t reorder_ns;
    uint64_t jitter_ns;   /* added to each datagram: 0 .. jitter_ns */
    uint32_t rtt_percent; /* scales every latency; 0 means 100 */
};

struct kith_sim_packet {
    struct kith_sim_event event;
    struct kith_sim_packet *next; /* in the pool */
    uint32_t from_host;
    uint32_t to_host;
    struct kith_endpoint from;
    struct kith_endpoint origin;
    struct kith_endpoint to;
    uint16_t size;
    uint8_t bytes[KITH_WIRE_MAX];
};

struct kith_sim_network_stats {
    uint64_t sent;
    uint64_t bytes;
    uint64_t lost;
    uint64_t duplicated;
    uint64_t reordered;
    uint64_t unroutable; /* to an address that nobody has */
};

/* A datagram on its way between two hosts. */
struct kith_sim_flight {
    uint32_t from_host;
    uint32_t to_host;
    struct kith_endpoint from;   /* as it claims */
    struct kith_endpoint origin; /* where the sender has it from */
    struct kith_endpoint to;
    const uint8_t *bytes;
    size_t size;
};

struct kith_sim_binding; /* an address and who has it */

struct kith_sim_network {
    struct kith_sim_network_config config;
    struct kith_sim_random random;
    struct kith_sim_queue *queue; /* borrowed */
    struct kith_sim_network_stats stats;
    struct kith_sim_packet *pool;
    void **chunks; /* of packets, for freeing */
    size_t n_chunks;
    struct kith_sim_binding *bindings; /* open addressing, at most half full */
    size_t n_bindings;
    size_t bindings_capacity;
    uint32_t next_v4;
    /* Instead of this network's own latency and faults: carries each datagram with
     * kith_sim_network_arrive(), or loses it. May be NULL. */
    void (*carry)(void *context, const struct kith_sim_flight *flight, uint64_t now);
    void *carry_context;
};

void kith_sim_network_init(struct kith_sim_network *network,
                           const struct kith_sim_network_config *config,
                           struct kith_sim_queue *queue);
/* Packets must not be used afterwards; the queue must be emptied by its owner. */
void kith_sim_network_deinit(struct kith_sim_network *network);

/* A fresh public-looking address; `family` 4 or 6. No two calls give the same one. */
void kith_sim_network_new_address(struct kith_sim_network *network, uint8_t family,
                                  struct kith_endpoint *ret);
/* A fresh IPv4 address in the /24 of `base`. False: it is full. */
bool kith_sim_network_address_beside(const struct kith_sim_network *network,
                                     const struct kith_endpoint *base, struct kith_endpoint *ret);
/* From now on the address belongs to this host. */
void kith_sim_network_bind(struct kith_sim_network *network, const struct kith_endpoint *endpoint,
                           uint32_t host);
/* Who has it, or KITH_SIM_NOBODY. */
uint32_t kith_sim_network_find(const struct kith_sim_network *network,
                               const struct kith_endpoint *endpoint);

/* Round trip between two hosts without jitter. Symmetric. */
uint64_t kith_sim_network_rtt(const struct kith_sim_network *network, uint32_t a, uint32_t b);
/* Copies the datagram and queues its arrival, or loses it. */
void kith_sim_network_send(struct kith_sim_network *network, uint32_t from_host,
                           const struct kith_endpoint *from, const struct kith_datagram *datagram,
                           uint64_t now);
/* It arrives at `time`. */
void kith_sim_network_arrive(struct kith_sim_network *network, const struct kith_sim_flight *flight,
                             uint64_t time);
/* Gives back a packet that was taken from the queue. */
void kith_sim_network_release(struct kith_sim_network *network, struct kith_sim_packet *packet);
/* Bytes held: pool and directory. */
size_t kith_sim_network_memory(const struct kith_sim_network *network);

#endif
