/* SPDX-License-Identifier: MIT */
/*
 * scenario_hostile: can records be read where a share of the nodes works against it?
 *
 * The network grows in peace; then a share of it turns, all at once, and the tables of the others
 * are full of them. After some upkeep under attack honest nodes put records and honest nodes read
 * them. What is measured is what the reader gets, and how many honest nodes hold each record, by
 * looking into all of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/core_internal.h"
#include "sim/adversary.h"
#include "sim/memory.h"
#include "sim/scenario.h"
#include "sim/swarm.h"

enum {
    UPKEEP_S = 120, /* under attack, before anything is asked */
    VALUE_RANDOM = 24,
    RECORDS_SHARE = 4, /* each record is read so often */
    OP_LIMIT_S = 120,
};

/* A record and who put it. */
struct item {
    struct kith_key author;
    uint8_t salt[8];
    struct kith_point point;
};

struct siege {
    struct kith_sim_gang gang;
    struct item *items;
    uint32_t n_items;
    uint32_t n_captured; /* no honest node holds it */
    uint32_t n_put_failed;
    uint32_t n_gets;
    uint32_t n_read;
    struct kith_sim_samples holders;
    struct kith_sim_samples put_ns;
    struct kith_sim_samples put_messages;
    struct kith_sim_samples get_ns;
    struct kith_sim_samples get_messages;
};

static struct kith_sim_ask *ask_put(struct kith_sim_world *world, uint32_t i, void *context) {
    struct siege *siege = context;
    struct kith_sim_host *author = kith_sim_gang_victim(&siege->gang);
    struct item *item = &siege->items[i];
    uint8_t bytes[VALUE_RANDOM];
    uint8_t value[KITH_VALUE_MAX];
    struct kith_query query = {.kind = KITH_QUERY_PUT, .value = value};
    uint16_t size;
    kith_sim_random_fill(&world->random, bytes, sizeof(bytes));
    if (kith_value_wrap(bytes, sizeof(bytes), value, &size) < 0) {
        kith_sim_panic("a value cannot be wrapped");
    }
    item->author = author->key;
    kith_sim_random_fill(&world->random, item->salt, sizeof(item->salt));
    query.value_size = size;
    query.salt_size = sizeof(item->salt);
    memcpy(query.salt, item->salt, sizeof(item->salt));
    kith_point_of_record(&item->author, kith_span(item->salt, sizeof(item->salt)), &item->point);
    struct kith_sim_ask *ask = kith_sim_world_ask(world, author, &query);
    ask->user = item;
    return ask;
}

static struct kith_sim_ask *ask_get(struct kith_sim_world *world, uint32_t i, void *context) {
    struct siege *siege = context;
    const struct item *item = &siege->items[i % siege->n_items];
    struct kith_query query = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = item->author};
    struct kith_sim_host *reader = kith_sim_gang_victim(&siege->gang);
    while (kith_key_equal(&reader->key, &item->author)) {
        reader = kith_sim_gang_victim(&siege->gang);
    }
    query.salt_size = sizeof(item->salt);
    memcpy(query.salt, item->salt, sizeof(item->salt));
    return kith_sim_world_ask(world, reader, &query);
}

static uint32_t honest_holders(const struct siege *siege, const struct item *item) {
    const struct kith_sim_world *world = siege->gang.world;
    uint32_t n = 0;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct kith_held held;
        const struct kith_sim_host *host = world->hosts[i];
        n += host->core != NULL && !kith_sim_gang_has(&siege->gang, host) &&
             kith_store_get(host->core->store, &item->point, world->now, &held);
    }
    return n;
}

static void put_all(struct siege *siege, uint32_t n) {
    struct kith_sim_world *world = siege->gang.world;
    siege->items = kith_sim_allocate(n * sizeof(*siege->items));
    siege->n_items = n;
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(world, n, ask_put, siege);
    kith_sim_world_run_until(world, world->now + 10 * KITH_NS_PER_S); /* beyond the quorum */
    for (uint32_t i = 0; i < n; i++) {
        uint32_t holders = honest_holders(siege, asks[i]->user);
        siege->n_put_failed += asks[i]->status != 0;
        siege->n_captured += holders == 0;
        kith_sim_samples_add(&siege->holders, holders);
        kith_sim_samples_add(&siege->put_ns, asks[i]->done_at - asks[i]->asked_at);
        kith_sim_samples_add(&siege->put_messages, asks[i]->walk.messages);
    }
    kith_sim_swarm_free_all(asks, n);
}

static void get_all(struct siege *siege, uint32_t n) {
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(siege->gang.world, n, ask_get, siege);
    siege->n_gets = n;
    for (uint32_t i = 0; i < n; i++) {
        siege->n_read += asks[i]->status == 0 && asks[i]->has_record;
        kith_sim_samples_add(&siege->get_ns, asks[i]->done_at - asks[i]->asked_at);
        kith_sim_samples_add(&siege->get_messages, asks[i]->walk.messages);
    }
    kith_sim_swarm_free_all(asks, n);
}

static void report(struct kith_sim_run *run, struct siege *siege) {
    struct kith_sim_report *r = &run->report;
    kith_sim_report_number(r, "hostile", siege->gang.n, 0);
    kith_sim_report_number(r, "asked_of_hostile", (double)siege->gang.n_asked, 0);
    kith_sim_report_number(r, "puts", siege->n_items, 0);
    kith_sim_report_number(r, "puts_failed", siege->n_put_failed, 0);
    kith_sim_report_number(r, "captured_percent", 100.0 * siege->n_captured / siege->n_items, 3);
    kith_sim_report_number(r, "honest_holders_mean", kith_sim_samples_mean(&siege->holders), 2);
    kith_sim_report_number(r, "put_messages_mean", kith_sim_samples_mean(&siege->put_messages), 1);
    kith_sim_report_latency(r, "put_ms_p50", "put_ms_p99", &siege->put_ns);
    kith_sim_report_number(r, "gets", siege->n_gets, 0);
    kith_sim_report_number(r, "get_percent", 100.0 * siege->n_read / siege->n_gets, 3);
    kith_sim_report_number(r, "get_messages_mean", kith_sim_samples_mean(&siege->get_messages), 1);
    kith_sim_report_latency(r, "get_ms_p50", "get_ms_p99", &siege->get_ns);
}

static void siege_deinit(struct siege *siege) {
    kith_sim_samples_deinit(&siege->holders);
    kith_sim_samples_deinit(&siege->put_ns);
    kith_sim_samples_deinit(&siege->put_messages);
    kith_sim_samples_deinit(&siege->get_ns);
    kith_sim_samples_deinit(&siege->get_messages);
    free(siege->items);
    kith_sim_gang_deinit(&siege->gang);
}

/* What a share of hostile nodes leaves of reading: the defensible figures of N = 10^4. */
static double bound_of(uint32_t hostile_ppm) {
    return hostile_ppm <= 200000   ? 0.999
           : hostile_ppm <= 300000 ? 0.98
           : hostile_ppm <= 400000 ? 0.93
                                   : 0.80;
}

void kith_sim_scenario_hostile(struct kith_sim_run *run) {
    struct kith_sim_world world;
    struct siege siege = {0};
    uint32_t ppm = run->options.hostile_ppm;
    kith_sim_swarm_init(&world, run);
    kith_sim_gang_init(&siege.gang, &world);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    for (uint32_t i = 0; i < world.n_hosts; i++) {
        if (kith_sim_random_below(&world.random, KITH_SIM_PPM) < ppm) {
            kith_sim_gang_recruit(&siege.gang, world.hosts[i]);
        }
    }
    siege.gang.evil = KITH_SIM_COLLUDE;
    kith_sim_world_run_until(&world, world.now + UPKEEP_S * KITH_NS_PER_S);
    put_all(&siege, run->options.lookups / RECORDS_SHARE + 1);
    get_all(&siege, run->options.lookups);
    report(run, &siege);
    double share = (double)siege.n_read / siege.n_gets;
    kith_sim_expect(run, share >= bound_of(ppm), "%.3f %% of gets succeed, not %.3f %%",
                    100 * share, 100 * bound_of(ppm));
    kith_sim_conclude(run, &world);
    siege_deinit(&siege);
}
