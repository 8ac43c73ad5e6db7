/* SPDX-License-Identifier: MIT */
#include "sim/set.h"

#include <stdlib.h>

#include "sim/memory.h"

enum { CAPACITY_MIN = 1024 };

static uint64_t *slot_of(const struct kith_sim_set *set, uint64_t hash) {
    size_t at = hash & (set->capacity - 1);
    while (set->slots[at] != 0 && set->slots[at] != hash) {
        at = (at + 1) & (set->capacity - 1);
    }
    return &set->slots[at];
}

static void grow(struct kith_sim_set *set) {
    uint64_t *old = set->slots;
    size_t n_old = set->capacity;
    set->capacity = n_old == 0 ? CAPACITY_MIN : 2 * n_old;
    set->slots = kith_sim_allocate(set->capacity * sizeof(uint64_t));
    for (size_t i = 0; i < n_old; i++) {
        if (old[i] != 0) {
            *slot_of(set, old[i]) = old[i];
        }
    }
    free(old);
}

void kith_sim_set_deinit(struct kith_sim_set *set) {
    free(set->slots);
    *set = (struct kith_sim_set){0};
}

/* 0 is no hash: one in 2^64 is taken for another. */
void kith_sim_set_add(struct kith_sim_set *set, uint64_t hash) {
    hash = hash == 0 ? 1 : hash;
    if (2 * set->n >= set->capacity) {
        grow(set);
    }
    uint64_t *slot = slot_of(set, hash);
    set->n += *slot == 0;
    *slot = hash;
}

bool kith_sim_set_has(const struct kith_sim_set *set, uint64_t hash) {
    return set->capacity > 0 && *slot_of(set, hash == 0 ? 1 : hash) != 0;
}
