/* SPDX-License-Identifier: MIT */
/*
 * random: splitmix64 (Steele, Lea and Flood 2014) spreads seeds, xoshiro256** (Blackman and Vigna
 * 2018) makes the streams. Every host and the network draw from streams of their own, so that a
 * change in one host's behaviour does not shift the numbers another one gets.
 */
#include "sim/random.h"

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, unsigned bits) {
    return (x << bits) | (x >> (64 - bits));
}

uint64_t kith_sim_mix(uint64_t a, uint64_t b, uint64_t c) {
    uint64_t state = a;
    state = splitmix(&state) ^ b;
    state = splitmix(&state) ^ c;
    return splitmix(&state);
}

void kith_sim_random_seed(struct kith_sim_random *r, uint64_t seed) {
    for (size_t i = 0; i < 4; i++) {
        r->state[i] = splitmix(&seed);
    }
}

uint64_t kith_sim_random_next(struct kith_sim_random *r) {
    uint64_t *s = r->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t kith_sim_random_below(struct kith_sim_random *r, uint64_t bound) {
    return kith_sim_random_next(r) % bound;
}

bool kith_sim_random_chance(struct kith_sim_random *r, uint32_t ppm) {
    return ppm != 0 && kith_sim_random_below(r, KITH_SIM_PPM) < ppm;
}

void kith_sim_random_fill(struct kith_sim_random *r, void *out, size_t size) {
    uint8_t *bytes = out;
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++) {
        word = i % 8 == 0 ? kith_sim_random_next(r) : word >> 8;
        bytes[i] = (uint8_t)word;
    }
}

static void table_secure(void *context, void *out, size_t size) {
    kith_sim_random_fill(context, out, size);
}

static uint64_t table_uniform(void *context) {
    return kith_sim_random_next(context);
}

struct kith_random kith_sim_random_table(struct kith_sim_random *r) {
    return (struct kith_random){table_secure, table_uniform, r};
}

uint64_t kith_sim_square_root(uint64_t x) {
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit > 0; bit >>= 1) {
        if ((root + bit) * (root + bit) <= x) {
            root += bit;
        }
    }
    return root;
}
