/* SPDX-License-Identifier: MIT */
/*
 * random: chance for simulations. One 64-bit seed decides everything; no floating point, so every
 * compiler and processor draws the same numbers. Not cryptographic: the "secure" source that a
 * simulated core is given comes from here as well.
 */
#ifndef KITH_SIM_RANDOM_H
#define KITH_SIM_RANDOM_H

#include <stdbool.h>

#include "core/base/random.h"

struct kith_sim_random {
    uint64_t state[4];
};

enum { KITH_SIM_PPM = 1000000 }; /* probabilities are parts per million */

/* A hash of three values: independent streams from one seed, and properties that need no storage.
 */
uint64_t kith_sim_mix(uint64_t a, uint64_t b, uint64_t c);

void kith_sim_random_seed(struct kith_sim_random *r, uint64_t seed);
uint64_t kith_sim_random_next(struct kith_sim_random *r);
/* 0 .. bound - 1; bound > 0. */
uint64_t kith_sim_random_below(struct kith_sim_random *r, uint64_t bound);
/* True with a probability of `ppm` parts per million. Draws nothing for 0. */
bool kith_sim_random_chance(struct kith_sim_random *r, uint32_t ppm);
/* Bytes do not depend on the byte order of the machine. */
void kith_sim_random_fill(struct kith_sim_random *r, void *out, size_t size);
/* The table a core is given; borrows `r`. */
struct kith_random kith_sim_random_table(struct kith_sim_random *r);
/* Rounded down. */
uint64_t kith_sim_square_root(uint64_t x);

#endif
