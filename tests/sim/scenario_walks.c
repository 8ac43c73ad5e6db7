/* SPDX-License-Identifier: MIT */
/*
 * scenario_walks: does the swarm find what is there? Lookups of peers, and full walks against the
 * oracle, on a clean network and on one with loss and dead nodes.
 *
 * The bounds are those of a k = 20 network of 10^4 nodes. Smaller networks have fewer hops.
 */
#include "sim/scenario.h"
#include "sim/swarm.h"

#define HOPS_MEAN_MAX 2.6
#define RECALL_CLEAN 0.999
#define RECALL_LOSS 0.95      /* up to 30 % loss each way: seven tries reach 99 % */
#define RECALL_MUCH_LOSS 0.85 /* eight tries reach 90 % at 50 % */
#define SUCCESS_LOSS 0.999
#define SUCCESS_MUCH_LOSS 0.97
#define MUCH_LOSS_PPM 350000

enum {
    REST_S = 900,   /* the rounds of upkeep become rare */
    UPKEEP_S = 600, /* measured */
};

struct bounds {
    double success;
    double recall;
};

static void measure_upkeep(struct kith_sim_run *run, struct kith_sim_world *world) {
    kith_sim_world_run_until(world, world->now + REST_S * KITH_NS_PER_S);
    uint64_t before = world->network.stats.bytes;
    kith_sim_world_run_until(world, world->now + UPKEEP_S * KITH_NS_PER_S);
    uint64_t sent = world->network.stats.bytes - before;
    kith_sim_report_number(&run->report, "upkeep_bytes_per_s",
                           (double)sent / ((double)world->n_alive * UPKEEP_S), 1);
}

static void walk_world(struct kith_sim_run *run, const struct bounds *bounds, bool rests) {
    struct kith_sim_world world;
    struct kith_sim_lookups lookups = {0};
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_report_number(&run->report, "joined_after_s",
                           (double)(world.now - KITH_SIM_START) / 1e9, 0);
    if (rests) {
        measure_upkeep(run, &world);
    }
    kith_sim_swarm_kill(&world, run->options.dead_ppm);
    kith_sim_swarm_lookups(&world, run->options.lookups, &lookups);
    kith_sim_swarm_traces(&world, run->options.lookups, &lookups);
    kith_sim_lookups_report(run, &lookups);

    double success = kith_sim_lookups_success(&lookups);
    double recall = kith_sim_lookups_recall(&lookups);
    double hops = kith_sim_samples_mean(&lookups.hops);
    kith_sim_expect(run, success >= bounds->success, "%.3f %% of lookups succeed, not %.3f %%",
                    100 * success, 100 * bounds->success);
    kith_sim_expect(run, lookups.n_wrong == 0, "%u lookups end at a wrong address",
                    lookups.n_wrong);
    kith_sim_expect(run, recall >= bounds->recall,
                    "walks reach %.3f %% of the true closest, not %.3f %%", 100 * recall,
                    100 * bounds->recall);
    kith_sim_expect(run, hops <= HOPS_MEAN_MAX, "lookups take %.2f hops, not %.2f", hops,
                    HOPS_MEAN_MAX);
    kith_sim_lookups_deinit(&lookups);
    kith_sim_conclude(run, &world);
}

void kith_sim_scenario_join(struct kith_sim_run *run) {
    walk_world(run, &(struct bounds){1, RECALL_CLEAN}, false);
}

void kith_sim_scenario_loss(struct kith_sim_run *run) {
    bool much = run->options.loss_ppm > MUCH_LOSS_PPM;
    walk_world(run,
               &(struct bounds){much ? SUCCESS_MUCH_LOSS : SUCCESS_LOSS,
                                much ? RECALL_MUCH_LOSS : RECALL_LOSS},
               true);
}

/* One small, eventful world; returns the hash of all that happened. */
static struct kith_sim_trace eventful_world(struct kith_sim_run *run, uint64_t seed) {
    struct kith_sim_world world;
    struct kith_sim_lookups lookups = {0};
    struct kith_sim_run inner = *run;
    inner.options.seed = seed;
    inner.options.duplicate_ppm = KITH_SIM_PPM / 50;
    inner.options.reorder_ppm = KITH_SIM_PPM / 20;
    kith_sim_swarm_init(&world, &inner);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_swarm_kill(&world, KITH_SIM_PPM / 20);
    kith_sim_swarm_lookups(&world, run->options.lookups, &lookups);
    kith_sim_swarm_traces(&world, run->options.lookups, &lookups);
    kith_sim_lookups_deinit(&lookups);
    struct kith_sim_trace trace = world.trace;
    kith_sim_conclude(run, &world);
    return trace;
}

void kith_sim_scenario_determinism(struct kith_sim_run *run) {
    struct kith_sim_trace first = eventful_world(run, run->options.seed);
    struct kith_sim_trace second = eventful_world(run, run->options.seed);
    struct kith_sim_trace other = eventful_world(run, run->options.seed + 1);
    kith_sim_expect(run, first.n > 0, "nothing happened");
    kith_sim_expect(
        run, first.n == second.n && memcmp(first.state, second.state, sizeof(first.state)) == 0,
        "the same seed gave two runs: %llu and %llu entries", (unsigned long long)first.n,
        (unsigned long long)second.n);
    kith_sim_expect(run, memcmp(first.state, other.state, sizeof(first.state)) != 0,
                    "another seed gave the same run");
}
