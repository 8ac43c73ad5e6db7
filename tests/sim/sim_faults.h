/* SPDX-License-Identifier: MIT */
/*
 * sim_faults: a world in which everything goes wrong that does: the network (sim_net), NATs
 * (sim_nat), disks (sim_disk), and here hosts and processes: crashes and restarts, standstills,
 * clocks that jump, many that come or go at once, seeds that are gone, allocations and sendings
 * that fail.
 *
 * How much of each there is, is drawn from the seed, some of it to nothing. kith_sim_faults_heal()
 * ends all of it: what is left is a network with NATs, on which everything has to come right.
 */
#ifndef KITH_SIM_FAULTS_H
#define KITH_SIM_FAULTS_H

#include "sim/sim_disk.h"
#include "sim/sim_liar.h"
#include "sim/sim_nat.h"
#include "sim/sim_net.h"
#include "sim/sim_sources.h"
#include "sim/sim_watch.h"
#include "sim/stats.h"
#include "sim/world.h"

enum { KITH_SIM_FAULTS_SEEDS = 3 }; /* hosts 0..2: public, and what others are configured with */

struct kith_sim_fault_host; /* what is wrong with one */

struct kith_sim_faults {
    struct kith_sim_world *world; /* borrowed */
    struct kith_sim_fault_rates rates;
    struct kith_sim_fault_counts counts;
    struct kith_sim_random random;
    struct kith_sim_net net;
    struct kith_sim_watch watch;
    struct kith_sim_proxies proxies; /* what liars know of each other's business */
    struct kith_endpoint aliases[KITH_SIM_FAULTS_SEEDS]; /* seeds hear there and answer elsewhere */
    struct kith_limits limits;                           /* of every host */
    bool on;
    bool receiving;              /* the next call into a core is about a datagram */
    struct kith_endpoint from;   /* of that datagram; family 0: none */
    uint8_t families;            /* of hosts, see struct kith_sim_host_options; 0: some have both */
    uint32_t mean_session_s;     /* of hosts that come and go */
    struct kith_sim_host *crowd; /* the first in the /24 that many share, or NULL */
    uint32_t hosts_max;
    struct kith_sim_fault_host *hosts;
    /* Who was heard from where: (host and life, sender, endpoint), hashed. */
    struct kith_sim_set heard;
    const char *violation; /* the first of an oracle that looks at every datagram */
    uint32_t violator;
};

/* Draws what is to go wrong and takes the world's hooks and network. Before the first host.
 * `without`: names of classes, separated by commas, of which there shall be none; may be NULL. */
void kith_sim_faults_init(struct kith_sim_faults *faults, struct kith_sim_world *world,
                          uint32_t hosts_max, const char *without);
/* Before the world is. */
void kith_sim_faults_deinit(struct kith_sim_faults *faults);
/* Another host, perhaps behind a NAT or a client, told of the seeds. NULL: no memory for it. */
struct kith_sim_host *kith_sim_faults_add(struct kith_sim_faults *faults);
/* Once in a second of virtual time. */
void kith_sim_faults_step(struct kith_sim_faults *faults);
/* Everything works again, who was down comes back. */
void kith_sim_faults_heal(struct kith_sim_faults *faults);
/* Whether strangers can reach it and it takes part as a full node. */
bool kith_sim_faults_is_public(const struct kith_sim_faults *faults,
                               const struct kith_sim_host *host);
/* Whether it left and never comes back. */
bool kith_sim_faults_gone(const struct kith_sim_faults *faults, const struct kith_sim_host *host);
/* Whether it shares its /24 with others, so that not all of them fit into tables. */
bool kith_sim_faults_crowded(const struct kith_sim_faults *faults,
                             const struct kith_sim_host *host);
/* Whether `host` has banned host `other`. */
bool kith_sim_faults_banned(const struct kith_sim_faults *faults, const struct kith_sim_host *host,
                            uint32_t other);
/* Whether it hears at this address, too, but sends nothing from there. */
bool kith_sim_faults_has_alias(const struct kith_sim_faults *faults,
                               const struct kith_sim_host *host,
                               const struct kith_endpoint *endpoint);
/* What stands before it. */
enum kith_sim_nat_kind kith_sim_faults_nat(const struct kith_sim_faults *faults,
                                           const struct kith_sim_host *host);
/* Whether `host`, in this life, got a datagram that `sender` sent from `endpoint`, by whatever way.
 */
bool kith_sim_faults_heard(const struct kith_sim_faults *faults, const struct kith_sim_host *host,
                           uint32_t sender, const struct kith_endpoint *endpoint);
/* The counts, for people. */
void kith_sim_faults_report(const struct kith_sim_faults *faults, struct kith_sim_report *report);

#endif
