/* SPDX-License-Identifier: MIT */
/*
 * swarm: the steps that scenarios share: grow a network, wait until it is quiet, look up, conclude.
 */
#ifndef KITH_SIM_SWARM_H
#define KITH_SIM_SWARM_H

#include "sim/scenario.h"

/* A world as the run's options say. */
void kith_sim_swarm_init(struct kith_sim_world *world, const struct kith_sim_run *run);
/* Introduces the host to up to three of the first hosts, as its seeds. */
void kith_sim_swarm_join(struct kith_sim_world *world, struct kith_sim_host *host);
/* Adds hosts one by one, options.join_per_s in a second of virtual time, until there are `nodes`,
 * waits until it is quiet, and measures memory. */
void kith_sim_swarm_grow(struct kith_sim_run *run, struct kith_sim_world *world, uint32_t nodes);
/* `nodes` hosts with full tables, as of a network that has been up for long (warm.c). */
void kith_sim_swarm_warm(struct kith_sim_world *world, uint32_t nodes);
/* Runs until everybody has joined and traffic is down to upkeep; expects that within 15 minutes. */
void kith_sim_swarm_wait(struct kith_sim_run *run, struct kith_sim_world *world);
/* Kills a share of the hosts, seeds included. */
void kith_sim_swarm_kill(struct kith_sim_world *world, uint32_t ppm);

/* Asks the `i`th question. */
typedef struct kith_sim_ask *(*kith_sim_ask_fn)(struct kith_sim_world *world, uint32_t i,
                                                void *context);
/* Starts `n` questions, a few ms apart, and waits for all answers. */
struct kith_sim_ask **kith_sim_swarm_ask_all(struct kith_sim_world *world, uint32_t n,
                                             kith_sim_ask_fn ask_one, void *context);
/* Panics if one of them has not ended. */
void kith_sim_swarm_free_all(struct kith_sim_ask **asks, uint32_t n);

/* Whether a lookup ended where the wanted host is: at the endpoint it answered from, or one that
 * its own record names. */
bool kith_sim_found_exactly(const struct kith_sim_ask *ask, const struct kith_sim_host *wanted);

struct kith_sim_lookups {
    uint32_t n;
    uint32_t n_exact; /* found at exactly the peer's endpoint */
    uint32_t n_wrong; /* found, elsewhere */
    uint32_t n_traces;
    uint64_t true_closest; /* summed over traces */
    uint64_t true_closest_answered;
    struct kith_sim_samples hops;
    struct kith_sim_samples messages;
    struct kith_sim_samples total_ns;
    struct kith_sim_samples first_ns;
    struct kith_sim_samples trace_messages;
    struct kith_sim_samples trace_ns;
    struct kith_sim_samples trace_hops;
};

/* `n` lookups of random alive hosts by random alive hosts. */
void kith_sim_swarm_lookups(struct kith_sim_world *world, uint32_t n, struct kith_sim_lookups *ret);
/* `n` full walks to random points, judged by the oracle. */
void kith_sim_swarm_traces(struct kith_sim_world *world, uint32_t n, struct kith_sim_lookups *ret);
void kith_sim_lookups_report(struct kith_sim_run *run, struct kith_sim_lookups *lookups);
void kith_sim_lookups_deinit(struct kith_sim_lookups *lookups);
double kith_sim_lookups_success(const struct kith_sim_lookups *lookups);
double kith_sim_lookups_recall(const struct kith_sim_lookups *lookups);

/* Adds the world to the run's totals, and ends it. */
void kith_sim_conclude_faulty(struct kith_sim_run *run, struct kith_sim_world *world);
/* Expects what must hold in every honest world, adds the world to the run's totals, and ends it. */
void kith_sim_conclude(struct kith_sim_run *run, struct kith_sim_world *world);

#endif
