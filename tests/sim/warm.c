/* SPDX-License-Identifier: MIT */
/*
 * warm: a network that has been up for a day, made at once.
 *
 * Joining costs a node some 430 requests, and as many in its first minutes: hours for a network of
 * 100,000. Here an observer who knows all ids puts into each bucket of each table 20 random nodes
 * that belong there, or all if there are fewer, as nodes that have just answered. From then on the
 * nodes are on their own; the rounds of their upkeep stand somewhere at random. What they do not
 * have is a published peer record each, and records of others.
 *
 * Hosts sorted by id: those that share exactly i bits with one lie next to those that share more,
 * so each bucket is a range, found by halving.
 */
#include <stdlib.h>
#include <string.h>

#include "core/core_internal.h"
#include "sim/memory.h"
#include "sim/swarm.h"

enum { K = 20, SIM_BITS = 256 };

static int compare_ids(const void *a, const void *b) {
    const struct kith_sim_host *const *x = a;
    const struct kith_sim_host *const *y = b;
    return memcmp((*x)->id.bytes, (*y)->id.bytes, sizeof((*x)->id.bytes));
}

static bool bit_of(const struct kith_sim_host *host, unsigned bit) {
    return (host->id.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

/* The first host of [low, high), all alike in the bits before, that has `bit` set. */
static uint32_t split(struct kith_sim_host *const *sorted, uint32_t low, uint32_t high,
                      unsigned bit) {
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (bit_of(sorted[middle], bit)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static void meet(struct kith_sim_world *world, struct kith_sim_host *host,
                 const struct kith_sim_host *other) {
    struct kith_node_ref node = {
        .id = other->id, .key = other->key, .has_key = true, .endpoint = other->v4};
    uint64_t rtt = kith_sim_network_rtt(&world->network, host->index, other->index);
    if (kith_routing_answered(host->core->swarm.v4, &node, (uint32_t)(rtt / KITH_NS_PER_US),
                              world->now) < 0) {
        kith_sim_panic("a table cannot be filled");
    }
}

/* Some of [low, high), none twice: one of each K-th of the range. */
static void meet_some(struct kith_sim_world *world, struct kith_sim_host *host,
                      struct kith_sim_host *const *sorted, uint32_t low, uint32_t high) {
    uint32_t n = high - low;
    if (n <= K) {
        for (uint32_t i = low; i < high; i++) {
            meet(world, host, sorted[i]);
        }
        return;
    }
    for (uint32_t i = 0; i < K; i++) {
        uint32_t from = low + (uint32_t)((uint64_t)n * i / K);
        uint32_t to = low + (uint32_t)((uint64_t)n * (i + 1) / K);
        meet(world, host, sorted[from + kith_sim_random_below(&world->random, to - from)]);
    }
}

static void fill(struct kith_sim_world *world, struct kith_sim_host *host,
                 struct kith_sim_host *const *sorted, uint32_t n) {
    uint32_t low = 0;
    uint32_t high = n;
    for (unsigned bit = 0; bit < SIM_BITS && high - low > 1; bit++) {
        uint32_t middle = split(sorted, low, high, bit);
        bool ours = bit_of(host, bit);
        meet_some(world, host, sorted, ours ? low : middle, ours ? middle : high);
        low = ours ? middle : low;
        high = ours ? high : middle;
    }
}

void kith_sim_swarm_warm(struct kith_sim_world *world, uint32_t nodes) {
    struct kith_sim_host_options options = {.families = 4};
    for (uint32_t i = 0; i < nodes; i++) {
        kith_sim_world_add(world, &options);
    }
    struct kith_sim_host **sorted = kith_sim_allocate(nodes * sizeof(struct kith_sim_host *));
    memcpy(sorted, world->hosts, nodes * sizeof(struct kith_sim_host *));
    qsort(sorted, nodes, sizeof(struct kith_sim_host *), compare_ids);
    for (uint32_t i = 0; i < nodes; i++) {
        struct kith_sim_host *host = world->hosts[i];
        fill(world, host, sorted, nodes);
        kith_maintain_settle(&host->core->maintain, world->now);
        kith_sim_world_touched(world, host);
    }
    free(sorted);
}
