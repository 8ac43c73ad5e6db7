/* SPDX-License-Identifier: MIT */
/*
 * sniff: the wire of a network, as an attacker sees and uses it who may send from any address: what
 * goes to a victim that never speaks, what came in its name, the last datagram to the attacker.
 */
#ifndef KITH_SIM_SNIFF_H
#define KITH_SIM_SNIFF_H

#include "sim/forge.h"
#include "sim/scenario.h"

/* What was on the wire. */
struct kith_sim_recorded {
    struct kith_endpoint from;
    struct kith_endpoint to;
    struct kith_sim_bytes bytes;
};

enum { KITH_SIM_RECORDED_MAX = 1500 };

struct kith_sim_sniff {
    struct kith_sim_world *world;
    struct kith_endpoint victim;
    struct kith_endpoint attacker;
    uint64_t bytes_in; /* in the victim's name */
    uint64_t n_in;
    uint64_t bytes_out; /* to the victim */
    uint64_t n_out;
    struct kith_sim_bytes got; /* by the attacker, the last */
    /* Initiations, whos and data of sessions; owned by the scenario, KITH_SIM_RECORDED_MAX of them,
     * NULL: nothing is recorded. */
    struct kith_sim_recorded *recorded;
    uint32_t n_recorded;
};

/* Takes the world's hook for what is sent, and fresh addresses for both. */
void kith_sim_sniff_init(struct kith_sim_sniff *sniff, struct kith_sim_world *world);
void kith_sim_sniff_send_as_victim(struct kith_sim_sniff *sniff,
                                   const struct kith_sim_bytes *datagram, struct kith_sim_host *to);
/* A session of a fresh key at this address, which is the attacker's from now on; false: none. */
bool kith_sim_sniff_open_session(struct kith_sim_sniff *sniff, struct kith_sim_forged *forged,
                                 const struct kith_endpoint *at, struct kith_sim_host *to);
/* No more has come to the victim than went out in its name, in datagrams and in bytes. */
void kith_sim_sniff_expect_no_more(struct kith_sim_run *run, const struct kith_sim_sniff *sniff);
void kith_sim_run_s(struct kith_sim_world *world, uint32_t seconds);

#endif
