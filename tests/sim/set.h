/* SPDX-License-Identifier: MIT */
/* set: a growing set of hashes, for oracles that have to remember what they saw. */
#ifndef KITH_SIM_SET_H
#define KITH_SIM_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kith_sim_set {
    uint64_t *slots; /* open addressing, at most half full; 0: empty */
    size_t n;
    size_t capacity;
};

void kith_sim_set_deinit(struct kith_sim_set *set);
void kith_sim_set_add(struct kith_sim_set *set, uint64_t hash);
bool kith_sim_set_has(const struct kith_sim_set *set, uint64_t hash);

#endif
