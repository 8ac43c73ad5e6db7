/* SPDX-License-Identifier: MIT */
/*
 * scenario_small: networks smaller than one bucket, with the real curve, where every boundary case
 * of "k closest" and "quorum" lives; and nodes that come back with nothing but their key.
 */
#include "sim/memory.h"
#include "sim/scenario.h"
#include "sim/swarm.h"

enum {
    OP_LIMIT_S = 60,
    DOWN_S = 30,        /* how long a restarted node is away */
    RESTART_SHARE = 10, /* one in so many */
};

static struct kith_sim_ask *ask_and_wait(struct kith_sim_world *world, struct kith_sim_host *host,
                                         const struct kith_query *query) {
    struct kith_sim_ask *ask = kith_sim_world_ask(world, host, query);
    if (!kith_sim_world_run_asks(world, OP_LIMIT_S * KITH_NS_PER_S)) {
        kith_sim_panic("operation %d of host %u did not end in %d s", (int)query->kind, host->index,
                       OP_LIMIT_S);
    }
    return ask;
}

/* Alone, nothing can be found and nothing can be stored elsewhere; but every question ends with a
 * status that says so, and what was put here can be read here. */
static void lone_node(struct kith_sim_run *run) {
    static const uint8_t value[] = "5:alone";
    struct kith_sim_world world;
    kith_sim_swarm_init(&world, run);
    struct kith_sim_host *host =
        kith_sim_world_add(&world, &(struct kith_sim_host_options){4, false});
    kith_sim_world_run_until(&world, world.now + KITH_NS_PER_S);
    kith_sim_expect(run, !host->ready, "a lone node says that it has joined");

    struct kith_query query = {.kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY};
    kith_sim_random_fill(&world.random, query.key.bytes, sizeof(query.key.bytes));
    struct kith_sim_ask *ask = ask_and_wait(&world, host, &query);
    kith_sim_expect(run, ask->status == KITH_ENO_NETWORK || ask->status == KITH_ENOT_FOUND,
                    "lone lookup: %s", kith_strerror(ask->status));
    kith_sim_ask_free(ask);

    query = (struct kith_query){
        .kind = KITH_QUERY_PUT, .value = value, .value_size = sizeof(value) - 1};
    ask = ask_and_wait(&world, host, &query);
    kith_sim_expect(run, ask->status == KITH_ENO_NETWORK || ask->status == KITH_EQUORUM,
                    "lone put: %s", kith_strerror(ask->status));
    kith_sim_ask_free(ask);

    query =
        (struct kith_query){.kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = host->key};
    ask = ask_and_wait(&world, host, &query);
    kith_sim_expect(run, ask->status == 0 && ask->has_record, "lone get of what was put: %s",
                    kith_strerror(ask->status));
    kith_sim_ask_free(ask);
    kith_sim_conclude(run, &world);
}

/* Everybody looks up everybody. */
static void lookup_pairs(struct kith_sim_run *run, struct kith_sim_world *world) {
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        for (uint32_t j = 0; j < world->n_hosts; j++) {
            if (i == j) {
                continue;
            }
            struct kith_query query = {
                .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = world->hosts[j]->key};
            struct kith_sim_ask *ask = ask_and_wait(world, world->hosts[i], &query);
            kith_sim_expect(run, ask->status == 0, "%u nodes: lookup of %u by %u: %s",
                            world->n_hosts, j, i, kith_strerror(ask->status));
            kith_sim_ask_free(ask);
        }
    }
}

/* One puts; everybody reads it. */
static void put_and_read(struct kith_sim_run *run, struct kith_sim_world *world) {
    static const uint8_t value[] = "5:hello";
    struct kith_sim_host *author = kith_sim_world_pick(world);
    struct kith_query query = {
        .kind = KITH_QUERY_PUT, .value = value, .value_size = sizeof(value) - 1};
    struct kith_sim_ask *ask = ask_and_wait(world, author, &query);
    kith_sim_expect(run, ask->status == 0, "%u nodes: put: %s, %u of %u", world->n_hosts,
                    kith_strerror(ask->status), ask->acks, ask->quorum);
    kith_sim_ask_free(ask);
    query =
        (struct kith_query){.kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = author->key};
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        ask = ask_and_wait(world, world->hosts[i], &query);
        kith_sim_expect(run, ask->status == 0 && ask->has_record, "%u nodes: get by %u: %s",
                        world->n_hosts, i, kith_strerror(ask->status));
        kith_sim_ask_free(ask);
    }
}

void kith_sim_scenario_small(struct kith_sim_run *run) {
    static const uint32_t sizes[] = {2, 3, 4, 5, 8, 16};
    struct kith_sim_options options = run->options;
    lone_node(run);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t n = sizes[i];
        struct kith_sim_world world;
        struct kith_sim_lookups lookups = {0};
        run->options.seed = options.seed + n;
        kith_sim_swarm_init(&world, run);
        kith_sim_swarm_grow(run, &world, n);
        lookup_pairs(run, &world);
        put_and_read(run, &world);
        kith_sim_swarm_traces(&world, n, &lookups);
        kith_sim_expect(run, kith_sim_lookups_recall(&lookups) >= 1,
                        "%u nodes: a full walk does not reach everybody (%.1f %%)", n,
                        100 * kith_sim_lookups_recall(&lookups));
        kith_sim_lookups_deinit(&lookups);
        kith_sim_conclude(run, &world);
    }
    run->options = options;
}

/* ---- restart ---- */

static void restart_some(struct kith_sim_world *world, uint32_t n) {
    uint64_t back_at = world->now + DOWN_S * KITH_NS_PER_S;
    for (uint32_t i = 0; i < n; i++) {
        kith_sim_world_kill(world, world->hosts[i * RESTART_SHARE]);
    }
    kith_sim_world_run_until(world, back_at);
    for (uint32_t i = 0; i < n; i++) {
        struct kith_sim_host *host = world->hosts[i * RESTART_SHARE];
        kith_sim_world_start(world, host);
        kith_sim_swarm_join(world, host);
    }
}

void kith_sim_scenario_restart(struct kith_sim_run *run) {
    struct kith_sim_world world;
    struct kith_sim_lookups lookups = {0};
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    uint32_t n = (run->options.nodes + RESTART_SHARE - 1) / RESTART_SHARE;
    restart_some(&world, n); /* host 0, a seed, is one of them */
    kith_sim_swarm_wait(run, &world);

    for (uint32_t i = 0; i < n; i++) {
        struct kith_sim_host *back = world.hosts[i * RESTART_SHARE];
        struct kith_sim_host *asker = world.hosts[i * RESTART_SHARE + 1];
        struct kith_query query = {
            .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = back->key};
        kith_sim_expect(run, back->ready, "host %u did not join again", back->index);
        struct kith_sim_ask *ask = ask_and_wait(&world, asker, &query);
        kith_sim_expect(run, ask->status == 0, "lookup of restarted host %u by %u: %s", back->index,
                        asker->index, kith_strerror(ask->status));
        kith_sim_ask_free(ask);
    }
    kith_sim_swarm_lookups(&world, run->options.lookups, &lookups);
    kith_sim_lookups_report(run, &lookups);
    kith_sim_expect(run, kith_sim_lookups_success(&lookups) >= 1, "only %u of %u lookups succeed",
                    lookups.n_exact, lookups.n);
    kith_sim_lookups_deinit(&lookups);
    kith_sim_conclude(run, &world);
}
