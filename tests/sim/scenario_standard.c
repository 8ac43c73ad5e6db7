/* SPDX-License-Identifier: MIT */
/*
 * scenario_standard: the figures of the standard condition (docs/testing.md): round trips lognormal
 * around 80 ms, 1 % of datagrams lost, 10 % of the nodes dead without anybody knowing; then as many
 * more that 30 % are.
 *
 * Nodes join a thousandth of the network a second, so that at most a few percent of a large one are
 * joining at a time, and are then left alone for twenty minutes: what memory, traffic and time are
 * measured on is the ordinary state of a network that is up. Records are put before anybody dies,
 * as they would be; the puts that are measured come after.
 *
 * Expected is what docs/testing.md promises of any seed. It holds in small networks, too, which
 * have fewer hops.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/record/record.h"
#include "sim/memory.h"
#include "sim/scenario.h"
#include "sim/swarm.h"

enum {
    JOIN_PER_S_MIN = 5,
    JOIN_SHARE = 1000,
    REST_S = 900,      /* sessions of joining end, the rounds of upkeep become rare */
    REST_WARM_S = 150, /* longer than an idle session lasts */
    UPKEEP_S = 100,    /* measured */
    VALUE_SIZE = 24,
    BOOK_SLOTS = 16, /* address books of 16 tried and 64 new contacts */
    MANY_DEAD_PPM = 300000,
    SUCCESS_PERCENT = 99,
    GET_P99_MS = 800,
    GET_MANY_DEAD_P99_MS = 1500,
    PUT_P50_MS = 1000,
    PUT_P99_MS = 3000,
    HOPS_MAX = 6,
    GET_MESSAGES = 10,
    FULL_MESSAGES = 35,
    MISS_MESSAGES = 180, /* 135 with 10^4 nodes, 160 with 10^5 */
    RECALL_PERCENT = 97,
};

#define HOPS_MEAN_MAX 3.0

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the ordinary state ---- */

static void measure_upkeep(struct kith_sim_run *run, struct kith_sim_world *world) {
    struct kith_stats before;
    struct kith_stats after;
    kith_sim_world_stats(world, &before);
    uint64_t delivered = world->delivered;
    double cpu = cpu_seconds();
    kith_sim_world_run_until(world, world->now + UPKEEP_S * KITH_NS_PER_S);
    cpu = cpu_seconds() - cpu;
    delivered = world->delivered - delivered;
    kith_sim_world_stats(world, &after);
    double node_seconds = (double)world->n_alive * UPKEEP_S;
    kith_sim_report_number(&run->report, "upkeep_virtual_per_cpu", UPKEEP_S / cpu, 1);
    kith_sim_report_number(&run->report, "upkeep_ns_per_datagram", cpu * 1e9 / (double)delivered,
                           0);
    kith_sim_report_number(&run->report, "upkeep_datagrams_per_s", (double)delivered / node_seconds,
                           3);
    kith_sim_report_number(&run->report, "upkeep_bytes_per_s",
                           (double)(after.tx_bytes - before.tx_bytes) / node_seconds, 1);
}

/* What the memory is for. */
static void report_contents(struct kith_sim_run *run, const struct kith_sim_world *world) {
    uint64_t sessions = 0;
    uint64_t contacts = 0;
    uint64_t records = 0;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct kith_status status;
        kith_core_status(world->hosts[i]->core, world->now, &status);
        sessions += status.sessions;
        contacts += status.nodes_v4;
        records += status.records;
    }
    kith_sim_report_number(&run->report, "rest_sessions", (double)sessions / world->n_hosts, 1);
    kith_sim_report_number(&run->report, "rest_contacts", (double)contacts / world->n_hosts, 1);
    kith_sim_report_number(&run->report, "rest_records", (double)records / world->n_hosts, 1);
}

static void build(struct kith_sim_run *run, struct kith_sim_world *world) {
    uint32_t nodes = run->options.nodes;
    if (run->options.join_per_s == 0) {
        run->options.join_per_s =
            nodes / JOIN_SHARE < JOIN_PER_S_MIN ? JOIN_PER_S_MIN : nodes / JOIN_SHARE;
    }
    double cpu = cpu_seconds();
    size_t before = kith_sim_memory_used();
    kith_sim_swarm_init(world, run);
    world->config.book_buckets = 1;
    world->config.book_slots = BOOK_SLOTS;
    if (run->options.warm) {
        kith_sim_swarm_warm(world, nodes);
    } else {
        kith_sim_swarm_grow(run, world, nodes);
    }
    kith_sim_report_number(&run->report, "built_cpu_s", cpu_seconds() - cpu, 1);
    kith_sim_report_number(&run->report, "built_virtual_s",
                           (double)(world->now - KITH_SIM_START) / 1e9, 0);
    uint64_t rest_s = run->options.warm ? REST_WARM_S : REST_S;
    kith_sim_world_run_until(world, world->now + rest_s * KITH_NS_PER_S);
    size_t after = kith_sim_memory_used();
    if (after != 0) {
        kith_sim_report_number(&run->report, "bytes_per_node_at_rest",
                               (double)(after - before - kith_sim_world_memory(world)) / nodes, 0);
    }
    report_contents(run, world);
    measure_upkeep(run, world);
}

/* ---- puts and gets ---- */

struct batch {
    uint32_t n;
    struct kith_sim_host **authors;
    const char *salt;
    uint32_t n_good;
    struct kith_sim_samples first_ns;
    struct kith_sim_samples total_ns;
    struct kith_sim_samples hops;
    struct kith_sim_samples messages;
};

static struct kith_query query_of(const struct batch *batch, uint32_t i,
                                  enum kith_query_kind kind) {
    struct kith_query query = {.kind = kind};
    query.salt_size =
        (uint8_t)snprintf((char *)query.salt, sizeof(query.salt), "%s-%u", batch->salt, i);
    return query;
}

static struct kith_sim_ask *ask_put(struct kith_sim_world *world, uint32_t i, void *context) {
    struct batch *batch = context;
    uint8_t bytes[VALUE_SIZE];
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    kith_sim_random_fill(&world->random, bytes, sizeof(bytes));
    if (kith_value_wrap(bytes, sizeof(bytes), value, &size) < 0) {
        kith_sim_panic("a value cannot be wrapped");
    }
    struct kith_query query = query_of(batch, i, KITH_QUERY_PUT);
    query.value = value;
    query.value_size = size;
    batch->authors[i] = kith_sim_world_pick(world);
    return kith_sim_world_ask(world, batch->authors[i], &query);
}

static struct kith_sim_ask *ask_get(struct kith_sim_world *world, uint32_t i, void *context) {
    struct batch *batch = context;
    struct kith_query query = query_of(batch, i, KITH_QUERY_GET);
    query.flags = KITH_FLAG_HAS_KEY;
    query.key = batch->authors[i]->key;
    struct kith_sim_host *reader = kith_sim_world_pick(world);
    while (reader == batch->authors[i]) {
        reader = kith_sim_world_pick(world);
    }
    return kith_sim_world_ask(world, reader, &query);
}

static void ask_all(struct kith_sim_world *world, struct batch *batch, kith_sim_ask_fn fn) {
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(world, batch->n, fn, batch);
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct kith_sim_ask *ask = asks[i];
        batch->n_good += ask->status == 0;
        if (ask->status == 0) {
            kith_sim_samples_add(&batch->first_ns, ask->walk.first_ns);
            kith_sim_samples_add(&batch->total_ns, ask->done_at - ask->asked_at);
            kith_sim_samples_add(&batch->hops, ask->walk.hops);
            kith_sim_samples_add(&batch->messages, ask->walk.messages);
        }
    }
    kith_sim_swarm_free_all(asks, batch->n);
}

static void batch_begin(struct batch *batch) {
    batch->n_good = 0;
    kith_sim_samples_deinit(&batch->first_ns);
    kith_sim_samples_deinit(&batch->total_ns);
    kith_sim_samples_deinit(&batch->hops);
    kith_sim_samples_deinit(&batch->messages);
}

static void expect_success(struct kith_sim_run *run, const struct batch *batch, const char *what) {
    double percent = batch->n == 0 ? 100 : 100.0 * batch->n_good / batch->n;
    kith_sim_report_number(&run->report, what, percent, 2);
    kith_sim_expect(run, percent >= SUCCESS_PERCENT, "%s is %.2f, not %d", what, percent,
                    SUCCESS_PERCENT);
}

static void expect_most(struct kith_sim_run *run, const char *name, double value, double most,
                        unsigned decimals) {
    kith_sim_report_number(&run->report, name, value, decimals);
    kith_sim_expect(run, value <= most, "%s is %.2f, not at most %.2f", name, value, most);
}

static double ms(struct kith_sim_samples *samples, unsigned percent) {
    return (double)kith_sim_samples_percentile(samples, percent) / 1e6;
}

static void puts_and_gets(struct kith_sim_run *run, struct kith_sim_world *world, struct batch *old,
                          struct batch *fresh) {
    batch_begin(old);
    ask_all(world, old, ask_get);
    expect_success(run, old, "get_success_percent");
    kith_sim_report_number(&run->report, "get_first_ms_p50", ms(&old->first_ns, 50), 1);
    expect_most(run, "get_first_ms_p99", ms(&old->first_ns, 99), GET_P99_MS, 1);
    expect_most(run, "get_hops_mean", kith_sim_samples_mean(&old->hops), HOPS_MEAN_MAX, 2);
    expect_most(run, "get_hops_max", (double)kith_sim_samples_max(&old->hops), HOPS_MAX, 0);
    expect_most(run, "get_messages_mean", kith_sim_samples_mean(&old->messages), GET_MESSAGES, 1);
    ask_all(world, fresh, ask_put);
    expect_success(run, fresh, "put_success_percent");
    expect_most(run, "put_quorum_ms_p50", ms(&fresh->total_ns, 50), PUT_P50_MS, 1);
    expect_most(run, "put_quorum_ms_p99", ms(&fresh->total_ns, 99), PUT_P99_MS, 1);
}

static void full_walks(struct kith_sim_run *run, struct kith_sim_world *world) {
    struct kith_sim_lookups lookups = {0};
    kith_sim_swarm_traces(world, run->options.lookups, &lookups);
    double recall = 100 * kith_sim_lookups_recall(&lookups);
    kith_sim_report_number(&run->report, "recall_percent", recall, 3);
    kith_sim_expect(run, recall >= RECALL_PERCENT, "recall_percent is %.2f, not %d", recall,
                    RECALL_PERCENT);
    kith_sim_report_number(&run->report, "full_hops_mean",
                           kith_sim_samples_mean(&lookups.trace_hops), 2);
    expect_most(run, "full_messages_mean", kith_sim_samples_mean(&lookups.trace_messages),
                FULL_MESSAGES, 1);
    kith_sim_report_latency(&run->report, "full_ms_p50", "full_ms_p99", &lookups.trace_ns);
    kith_sim_lookups_deinit(&lookups);
}

/* What nobody has put is looked for on disjoint paths as well, all of them in vain. */
static void gets_of_nothing(struct kith_sim_run *run, struct kith_sim_world *world,
                            const struct batch *old) {
    struct batch none = {.n = old->n, .authors = old->authors, .salt = "none"};
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(world, none.n, ask_get, &none);
    for (uint32_t i = 0; i < none.n; i++) {
        none.n_good += asks[i]->status == KITH_ENOT_FOUND;
        kith_sim_samples_add(&none.total_ns, asks[i]->done_at - asks[i]->asked_at);
        kith_sim_samples_add(&none.messages, asks[i]->walk.messages);
    }
    kith_sim_swarm_free_all(asks, none.n);
    expect_success(run, &none, "miss_not_found_percent");
    expect_most(run, "miss_messages_mean", kith_sim_samples_mean(&none.messages), MISS_MESSAGES, 1);
    kith_sim_report_latency(&run->report, "miss_ms_p50", "miss_ms_p99", &none.total_ns);
    batch_begin(&none);
}

static void gets_among_many_dead(struct kith_sim_run *run, struct kith_sim_world *world,
                                 struct batch *old) {
    uint64_t wanted = (uint64_t)world->n_hosts * MANY_DEAD_PPM / KITH_SIM_PPM;
    uint32_t dead = world->n_hosts - world->n_alive;
    if (dead < wanted) {
        kith_sim_swarm_kill(world, (uint32_t)((wanted - dead) * KITH_SIM_PPM / world->n_alive));
    }
    batch_begin(old);
    ask_all(world, old, ask_get);
    expect_success(run, old, "dead30_get_success_percent");
    kith_sim_report_number(&run->report, "dead30_get_first_ms_p50", ms(&old->first_ns, 50), 1);
    expect_most(run, "dead30_get_first_ms_p99", ms(&old->first_ns, 99), GET_MANY_DEAD_P99_MS, 1);
}

void kith_sim_scenario_standard(struct kith_sim_run *run) {
    struct kith_sim_world world;
    uint32_t n = run->options.lookups;
    struct batch old = {.n = n, .salt = "old"};
    struct batch fresh = {.n = n, .salt = "fresh"};
    old.authors = kith_sim_allocate((n + 1) * sizeof(struct kith_sim_host *));
    fresh.authors = kith_sim_allocate((n + 1) * sizeof(struct kith_sim_host *));
    build(run, &world);
    ask_all(&world, &old, ask_put);
    kith_sim_swarm_kill(&world, run->options.dead_ppm);
    puts_and_gets(run, &world, &old, &fresh);
    full_walks(run, &world);
    gets_of_nothing(run, &world, &old);
    gets_among_many_dead(run, &world, &old);
    batch_begin(&old);
    batch_begin(&fresh);
    free(old.authors);
    free(fresh.authors);
    kith_sim_conclude(run, &world);
}
