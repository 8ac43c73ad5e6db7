/* SPDX-License-Identifier: MIT */
/*
 * swarm_size: how many nodes the network has, and what follows for the region of a point. The
 * median of what the last walks met and of what our own tables show, so that no single crowded
 * place decides it. O(KITH_SWARM_DENSITIES).
 */
#include "core/swarm/swarm.h"

#include "core/base/id.h"

size_t kith_swarm_count_live(const struct kith_swarm *swarm) {
    return (swarm->v4 == NULL ? 0 : kith_routing_count_live(swarm->v4)) +
           (swarm->v6 == NULL ? 0 : kith_routing_count_live(swarm->v6));
}

void kith_swarm_note_density(struct kith_swarm *swarm, uint64_t nodes) {
    swarm->densities[swarm->next_density] = nodes;
    swarm->next_density = (uint8_t)((swarm->next_density + 1) % KITH_SWARM_DENSITIES);
    swarm->n_densities += swarm->n_densities < KITH_SWARM_DENSITIES;
}

uint64_t kith_swarm_size(const struct kith_swarm *swarm) {
    const struct kith_routing *const tables[] = {swarm->v4, swarm->v6};
    uint64_t sorted[KITH_SWARM_DENSITIES + 2];
    unsigned n = 0;
    for (unsigned i = 0; i < swarm->n_densities + 2u; i++) {
        uint64_t nodes = i >= 2              ? swarm->densities[i - 2]
                         : tables[i] != NULL ? kith_routing_size_estimate(tables[i])
                                             : 0;
        unsigned at = n;
        if (nodes == 0) {
            continue;
        }
        while (at > 0 && sorted[at - 1] > nodes) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = nodes;
        n++;
    }
    return n == 0 ? 0 : sorted[n / 2];
}

static double expected_in_region(const struct kith_swarm *swarm) {
    return 0.75 * (double)swarm->dialect->k;
}

void kith_swarm_reach(const struct kith_swarm *swarm, struct kith_point *ret) {
    uint64_t nodes = kith_swarm_size(swarm);
    *ret = (struct kith_point){{0}};
    if (nodes != 0) {
        kith_point_fraction(expected_in_region(swarm) / (double)nodes, ret);
    }
}

/* Walks that liars led astray all meet fewer nodes than there are, and would agree that there are
 * no more; the neighbours in our own tables are not of their choosing. */
static uint64_t size_or_more(const struct kith_swarm *swarm) {
    const struct kith_routing *const tables[] = {swarm->v4, swarm->v6};
    uint64_t nodes = kith_swarm_size(swarm);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t here = tables[i] == NULL ? 0 : kith_routing_size_estimate(tables[i]);
        nodes = here > nodes ? here : nodes;
    }
    return nodes;
}

enum { EXPECTED_MAX = 1000000 }; /* however near to us liars have ids */

/* Of 15 expected, chance leaves fewer than half in 1 of 50 regions, fewer than two thirds in 1 of
 * 14: what the node publishes by itself would look around for that alone, at a twentieth of all
 * idle traffic. */
bool kith_swarm_looks_wrong(const struct kith_swarm *swarm, unsigned n) {
    uint64_t nodes = kith_swarm_size(swarm);
    if (nodes == 0) {
        return false;
    }
    double most = expected_in_region(swarm) * (double)size_or_more(swarm) / (double)nodes;
    unsigned expected = most < EXPECTED_MAX ? (unsigned)most : EXPECTED_MAX;
    return 2 * n < expected || 5 * n > 9 * expected;
}

double kith_swarm_density(const struct kith_swarm *swarm, uint64_t nodes) {
    uint64_t expected = size_or_more(swarm);
    return expected == 0 ? 0 : (double)nodes / (double)expected;
}
