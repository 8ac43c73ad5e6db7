/* SPDX-License-Identifier: MIT */
/*
 * churn: hosts that leave without a word and are replaced at once by new ones, so that the
 * population is constant. A newcomer has a key and an address that nobody knows and joins through
 * three random hosts that have joined, as somebody with a recent list of contacts would.
 *
 * Sessions are exponential, or Weibull of shape 1/2 (Stutzbach and Rejaie 2006 fit 0.34 to 0.59):
 * many short ones, and few so long that most hosts one meets are in one of them. The hosts there
 * are in the beginning have what is left of a session met at a random moment, so there is no
 * transient.
 */
#ifndef KITH_SIM_CHURN_H
#define KITH_SIM_CHURN_H

#include "sim/scenario.h"
#include "util/heap.h"

/* Of one host, in the order of world->hosts. */
struct kith_sim_life {
    struct kith_heap_node by_end;
    uint32_t host;
    uint64_t born; /* 0: before the churn began */
    uint64_t ends; /* when it leaves, or left */
};

struct kith_sim_churn {
    struct kith_sim_world *world;
    uint64_t mean_ms; /* of a session */
    bool weibull;
    struct kith_heap ends; /* of those alive, soonest first */
    struct kith_sim_life **lives;
    uint32_t n_lives;
    uint32_t n_deaths;
};

/* Every host alive gets an end. */
void kith_sim_churn_init(struct kith_sim_churn *churn, struct kith_sim_world *world,
                         uint32_t mean_s, bool weibull);
void kith_sim_churn_deinit(struct kith_sim_churn *churn);
/* Runs the world, with all departures and arrivals that fall due. */
void kith_sim_churn_run_until(struct kith_sim_churn *churn, uint64_t time);
/* The host leaves now, and is replaced. */
void kith_sim_churn_kill(struct kith_sim_churn *churn, struct kith_sim_host *host);
/* For how long the host has been there; UINT64_MAX: since before the churn began. */
uint64_t kith_sim_churn_age(const struct kith_sim_churn *churn, uint32_t host);
/* Whether the host was there all the time until `time`. */
bool kith_sim_churn_outlived(const struct kith_sim_churn *churn, uint32_t host, uint64_t time);
/* A random host that has joined and has been there for so long; NULL if none was met. */
struct kith_sim_host *kith_sim_churn_pick(struct kith_sim_churn *churn, uint64_t age);

#endif
