/* SPDX-License-Identifier: MIT */
/*
 * scenario_scarce: nodes join, look up and publish while one in a few of all allocations fails, and
 * then none. Nobody crashes, and when there is memory again everybody joins and is told that he
 * has, what was asked has ended, and all find each other.
 */
#include "nomem.h"
#include "sim/memory.h"
#include "sim/swarm.h"

enum {
    SCARCE_S = 60,
    HEALED_S = 600,
    ASK_S = 60,
    ONE_IN_MAX = 12, /* allocations, fail: drawn for each call into a core */
};

struct scarce {
    struct kith_sim_random random;
    uint64_t n_failed; /* calls */
    bool on;
};

static void enter(void *context, struct kith_sim_host *host) {
    struct scarce *scarce = context;
    (void)host;
    if (scarce->on) {
        nomem_begin(1 + (long)kith_sim_random_below(&scarce->random, ONE_IN_MAX), false);
    }
}

static void leave(void *context, struct kith_sim_host *host) {
    struct scarce *scarce = context;
    (void)host;
    scarce->n_failed += nomem_end();
}

/* Everybody asks for somebody, and puts something. */
static void ask_all(struct kith_sim_world *world, struct kith_sim_ask **asks) {
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct kith_sim_host *host = world->hosts[i];
        struct kith_query lookup = {.kind = KITH_QUERY_LOOKUP,
                                    .flags = KITH_FLAG_HAS_KEY,
                                    .key = world->hosts[(i + 1) % world->n_hosts]->key};
        struct kith_query put = {
            .kind = KITH_QUERY_PUT, .value = (const uint8_t *)"4:some", .value_size = 6};
        asks[2 * i] = kith_sim_world_ask(world, host, &lookup);
        asks[2 * i + 1] = kith_sim_world_ask(world, host, &put);
    }
}

static void expect_all(struct kith_sim_run *run, struct kith_sim_world *world) {
    struct kith_sim_ask **asks =
        kith_sim_allocate(2 * world->n_hosts * sizeof(struct kith_sim_ask *));
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        const struct kith_sim_host *host = world->hosts[i];
        kith_sim_expect(run, host->core != NULL && host->ready,
                        "memory is there again for %d s, and host %u has not been told that it has "
                        "joined",
                        HEALED_S, i);
    }
    ask_all(world, asks);
    kith_sim_world_run_asks(world, ASK_S * KITH_NS_PER_S);
    for (uint32_t i = 0; i < 2 * world->n_hosts; i++) {
        kith_sim_expect(run, asks[i]->done && asks[i]->status == 0, "operation %llu of host %u: %s",
                        (unsigned long long)asks[i]->number, asks[i]->host,
                        kith_strerror(asks[i]->status));
    }
    kith_sim_swarm_free_all(asks, 2 * world->n_hosts);
}

/* One small network from its beginning. */
static void run_once(struct kith_sim_run *run, struct scarce *scarce) {
    struct kith_sim_world world;
    uint32_t host;
    uint32_t n = run->options.nodes;
    struct kith_sim_ask **asks = kith_sim_allocate(2 * n * sizeof(struct kith_sim_ask *));
    kith_sim_swarm_init(&world, run);
    world.hooks = (struct kith_sim_hooks){.enter = enter, .leave = leave, .context = scarce};
    for (uint32_t i = 0; i < n; i++) {
        struct kith_sim_host *added =
            kith_sim_world_add(&world, &(struct kith_sim_host_options){.families = 4});
        scarce->on = true; /* a core that could not be made is no node */
        kith_sim_swarm_join(&world, added);
        kith_sim_world_run_until(&world, world.now + KITH_NS_PER_S);
        scarce->on = false;
    }
    scarce->on = true;
    ask_all(&world, asks);
    kith_sim_world_run_until(&world, world.now + SCARCE_S * KITH_NS_PER_S);
    scarce->on = false;
    for (uint32_t i = 0; i < n; i++) { /* seeds as a shell tells of them, where they did not fit */
        kith_sim_swarm_join(&world, world.hosts[i]);
    }
    kith_sim_world_run_until(&world, world.now + HEALED_S * KITH_NS_PER_S);
    kith_sim_swarm_free_all(asks, 2 * n);
    const char *violated = kith_sim_world_check(&world, 1, &host);
    kith_sim_expect(run, violated == NULL, "host %u: %s", host, violated == NULL ? "" : violated);
    expect_all(run, &world);
    kith_sim_conclude_faulty(run, &world);
}

void kith_sim_scenario_scarce(struct kith_sim_run *run) {
    struct scarce scarce = {0};
    uint64_t seed = run->options.seed;
    kith_sim_random_seed(&scarce.random, kith_sim_mix(seed, 0x7363, 0));
    for (uint32_t i = 0; i < run->options.lookups; i++) {
        run->options.seed = kith_sim_mix(seed, i, 0);
        run_once(run, &scarce);
    }
    run->options.seed = seed;
    kith_sim_report_number(&run->report, "calls_without_memory", (double)scarce.n_failed, 0);
}
