/* SPDX-License-Identifier: MIT */
/*
 * oracle: what an omniscient observer knows. Shares no code with what it judges beyond the hash
 * that makes ids of keys.
 */
#ifndef KITH_SIM_ORACLE_H
#define KITH_SIM_ORACLE_H

#include "sim/world.h"

enum { KITH_SIM_CLOSEST_MAX = 64 };

/* Whether `a` is nearer to `target` than `b`. */
bool kith_sim_oracle_nearer(const struct kith_point *target, const struct kith_point *a,
                            const struct kith_point *b);
/* The `n` alive hosts nearest to `target` (not `except`, which may be NULL; no clients), nearest
 * first, by looking at all of them. Returns their number. */
uint32_t kith_sim_oracle_closest(const struct kith_sim_world *world,
                                 const struct kith_point *target,
                                 const struct kith_sim_host *except, uint32_t n,
                                 const struct kith_sim_host **out);
/* How many of the `n` hosts are among the keys. */
uint32_t kith_sim_oracle_hits(const struct kith_sim_host *const *hosts, uint32_t n,
                              const struct kith_key *keys, uint32_t n_keys);

#endif
