/* SPDX-License-Identifier: MIT */
/*
 * scenario_partition: a network falls into two halves that hear nothing of each other, lives on as
 * two, and is whole again. How long until everybody finds everybody?
 *
 * While parted, nodes of the other half leave the routing tables; what remains of them is the
 * address book, and the contacts a node was told to join through. After the healing, full walks to
 * random points are asked every STEP_S; the network counts as whole with the first sample that
 * reaches 99 % of those of the true 20 closest that are on the other side from who asks. (Lookups
 * would not tell: peers' records outlive the hour on either side.) What it costs is stated, too:
 * the most that was sent in one step, next to what is sent while parted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/memory.h"
#include "sim/oracle.h"
#include "sim/swarm.h"

enum {
    K = 20,
    SETTLE_S = 600, /* before the parting */
    STEP_S = 10,
    HEAL_LIMIT_S = 600,
    ANSWER_S = 40,
    WHOLE_PERCENT = 99,
};

static bool parted;

static unsigned side_of(uint32_t host) {
    return host % 2;
}

static bool may_receive(void *context, struct kith_sim_host *host,
                        const struct kith_sim_packet *packet) {
    (void)context;
    return !parted || side_of(host->index) == side_of(packet->from_host);
}

/* A full walk to a random point. */
static struct kith_sim_ask *ask_across(struct kith_sim_world *world) {
    struct kith_query query = {.kind = KITH_QUERY_TRACE, .flags = KITH_FLAG_HAS_POINT};
    kith_sim_random_fill(&world->random, query.point.bytes, sizeof(query.point.bytes));
    struct kith_point *target = kith_sim_allocate(sizeof(*target));
    *target = query.point;
    struct kith_sim_ask *ask = kith_sim_world_ask(world, kith_sim_world_pick(world), &query);
    ask->user = target;
    return ask;
}

static void free_asks(struct kith_sim_ask **asks, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        free(asks[i]->user);
        kith_sim_ask_free(asks[i]);
    }
    free(asks);
}

/* Of the true closest that are across the border, those that answered. */
static double across_percent(const struct kith_sim_world *world, struct kith_sim_ask **asks,
                             uint32_t n) {
    const struct kith_sim_host *closest[K];
    uint32_t n_across = 0;
    uint32_t hits = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct kith_sim_host *asker = world->hosts[asks[i]->host];
        uint32_t found = kith_sim_oracle_closest(world, asks[i]->user, asker, K, closest);
        for (uint32_t j = 0; j < found; j++) {
            if (side_of(closest[j]->index) != side_of(asker->index)) {
                n_across++;
                hits += kith_sim_oracle_hits(&closest[j], 1, asks[i]->keys, asks[i]->n_keys);
            }
        }
    }
    return n_across == 0 ? 100 : 100.0 * hits / n_across;
}

/* While parted nobody across answers, or the border leaks. */
static void expect_parted(struct kith_sim_run *run, struct kith_sim_world *world) {
    uint32_t n = run->options.lookups;
    struct kith_sim_ask **asks = kith_sim_allocate(n * sizeof(struct kith_sim_ask *));
    for (uint32_t i = 0; i < n; i++) {
        asks[i] = ask_across(world);
    }
    kith_sim_world_run_until(world, world->now + ANSWER_S * KITH_NS_PER_S);
    double percent = across_percent(world, asks, n);
    kith_sim_expect(run, percent <= 0, "%.1f %% of the closest across the border answer", percent);
    free_asks(asks, n);
}

/* Asks in every step after the healing, and judges when all have ended. Returns the second of the
 * first sample that is whole, or HEAL_LIMIT_S. */
static unsigned seconds_to_whole(struct kith_sim_run *run, struct kith_sim_world *world,
                                 uint64_t *ret_most) {
    enum { STEPS = HEAL_LIMIT_S / STEP_S + 1 };
    uint32_t n = run->options.lookups;
    struct kith_sim_ask **asks = kith_sim_allocate(STEPS * n * sizeof(struct kith_sim_ask *));
    unsigned asked = 0;
    unsigned judged = 0;
    unsigned whole = HEAL_LIMIT_S;
    uint64_t sent = world->network.stats.bytes;
    while (judged < STEPS && whole == HEAL_LIMIT_S) {
        for (uint32_t i = 0; asked < STEPS && i < n; i++) {
            asks[asked * n + i] = ask_across(world);
        }
        asked += asked < STEPS;
        kith_sim_world_run_until(world, world->now + STEP_S * KITH_NS_PER_S);
        uint64_t step = world->network.stats.bytes - sent;
        sent += step;
        *ret_most = step > *ret_most ? step : *ret_most;
        if (asked > ANSWER_S / STEP_S || asked == STEPS) { /* all of that sample have ended */
            double percent = across_percent(world, asks + judged * n, n);
            fprintf(stderr, "%u s after the healing: %.1f %%\n", judged * STEP_S, percent);
            whole = percent >= WHOLE_PERCENT ? judged * STEP_S : whole;
            judged++;
        }
    }
    kith_sim_world_run_asks(world, 2 * ANSWER_S * KITH_NS_PER_S);
    free_asks(asks, asked * n);
    return whole;
}

/* The border opens: how long until it is forgotten? */
static void open_border(struct kith_sim_run *run, struct kith_sim_world *world) {
    uint64_t most = 0;
    expect_parted(run, world);
    parted = false;
    unsigned whole = seconds_to_whole(run, world, &most);
    kith_sim_report_number(&run->report, "whole_after_s", whole, 0);
    kith_sim_report_number(&run->report, "healing_tx_bytes_per_s_max",
                           (double)most / run->options.nodes / STEP_S, 1);
    kith_sim_expect(run, whole < HEAL_LIMIT_S, "not whole %d s after the healing", HEAL_LIMIT_S);
}

void kith_sim_scenario_partition(struct kith_sim_run *run) {
    struct kith_sim_world world;
    kith_sim_swarm_init(&world, run);
    world.hooks.may_receive = may_receive;
    parted = false;
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_world_run_until(&world, world.now + SETTLE_S * KITH_NS_PER_S);
    parted = true;
    kith_sim_world_run_until(&world, world.now + run->options.duration_s / 2 * KITH_NS_PER_S);
    uint64_t before = world.network.stats.bytes;
    kith_sim_world_run_until(&world, world.now + run->options.duration_s / 2 * KITH_NS_PER_S);
    double seconds = run->options.nodes * (double)(run->options.duration_s / 2);
    double quiet = (double)(world.network.stats.bytes - before) / seconds;
    kith_sim_report_number(&run->report, "parted_tx_bytes_per_s", quiet, 1);
    open_border(run, &world);
    kith_sim_conclude(run, &world);
}

/* The same of two networks that formed apart, and know of each other nothing but the seeds that
 * they could never reach. */
void kith_sim_scenario_apart(struct kith_sim_run *run) {
    struct kith_sim_world world;
    kith_sim_swarm_init(&world, run);
    world.hooks.may_receive = may_receive;
    parted = true;
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_world_run_until(&world, world.now + run->options.duration_s * KITH_NS_PER_S);
    open_border(run, &world);
    kith_sim_conclude(run, &world);
}
