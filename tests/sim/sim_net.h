/* SPDX-License-Identifier: MIT */
/*
 * sim_net: what a bad network does to datagrams. Carries them in the place of network.c's own
 * latency and loss. Links and spells of trouble are derived by hashing the seed with the hosts and
 * the time: nothing is stored per pair.
 *
 * It also plays the attacker who sends copies of what he sees from addresses that are not his, and
 * keeps the account of what came back to them: a host must never send such an address more bytes,
 * or more datagrams, than it got from there.
 */
#ifndef KITH_SIM_NET_H
#define KITH_SIM_NET_H

#include "sim/network.h"
#include "sim/sim_fault.h"

enum {
    KITH_SIM_VICTIMS = 4, /* addresses that never send anything */
};

struct kith_sim_net_account {
    uint64_t bytes_in; /* in the victim's name */
    uint64_t bytes_out;
    uint64_t n_in;
    uint64_t n_out;
};

struct kith_sim_net {
    uint64_t seed;
    struct kith_sim_network *network;         /* borrowed */
    const struct kith_sim_fault_rates *rates; /* borrowed */
    struct kith_sim_fault_counts *counts;     /* borrowed */
    struct kith_sim_random random;
    bool on;          /* false: healed; only latency is left */
    bool coordinates; /* latency by places on a plane; else the network's own */
    struct kith_endpoint victims[KITH_SIM_VICTIMS];
    struct kith_sim_net_account (*accounts)[KITH_SIM_VICTIMS]; /* per host */
    uint32_t n_accounts;
};

/* Takes over the network's datagrams. */
void kith_sim_net_init(struct kith_sim_net *net, uint64_t seed, struct kith_sim_network *network,
                       const struct kith_sim_fault_rates *rates,
                       struct kith_sim_fault_counts *counts);
void kith_sim_net_deinit(struct kith_sim_net *net);
/* A host gets a packet; only those in a victim's name are counted. */
void kith_sim_net_heard(struct kith_sim_net *net, uint32_t host,
                        const struct kith_sim_packet *packet);
/* A host sends. False: it has now sent a victim more than came in its name. */
bool kith_sim_net_sent(struct kith_sim_net *net, uint32_t host, const struct kith_endpoint *to,
                       size_t size);

#endif
