/* SPDX-License-Identifier: MIT */
/*
 * scenario_hostile: hostile, where a share of the nodes works together; cluster, where a few were
 * ground next to a record. Can records be read where a share of the nodes works against it?
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
    RECORDS_SHARE = 4,  /* each record is read so often */
    CLUSTER_READS = 10, /* of each record that has a cluster around it */
};

/* A record and who put it. */
struct item {
    struct kith_sim_host *author;
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

/* Records to be, of honest authors. */
static void choose_items(struct siege *siege, uint32_t n) {
    siege->items = kith_sim_allocate(n * sizeof(*siege->items));
    siege->n_items = n;
    for (uint32_t i = 0; i < n; i++) {
        struct item *item = &siege->items[i];
        item->author = kith_sim_gang_victim(&siege->gang);
        kith_sim_random_fill(&siege->gang.world->random, item->salt, sizeof(item->salt));
        kith_point_of_record(&item->author->key, kith_span(item->salt, sizeof(item->salt)),
                             &item->point);
    }
}

static struct kith_sim_ask *ask_put(struct kith_sim_world *world, uint32_t i, void *context) {
    struct siege *siege = context;
    struct item *item = &siege->items[i];
    uint8_t bytes[VALUE_RANDOM];
    uint8_t value[KITH_VALUE_MAX];
    struct kith_query query = {.kind = KITH_QUERY_PUT, .value = value};
    uint16_t size;
    kith_sim_random_fill(&world->random, bytes, sizeof(bytes));
    if (kith_value_wrap(bytes, sizeof(bytes), value, &size) < 0) {
        kith_sim_panic("a value cannot be wrapped");
    }
    query.value_size = size;
    query.salt_size = sizeof(item->salt);
    memcpy(query.salt, item->salt, sizeof(item->salt));
    struct kith_sim_ask *ask = kith_sim_world_ask(world, item->author, &query);
    ask->user = item;
    return ask;
}

static struct kith_sim_ask *ask_get(struct kith_sim_world *world, uint32_t i, void *context) {
    struct siege *siege = context;
    const struct item *item = &siege->items[i % siege->n_items];
    struct kith_query query = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = item->author->key};
    struct kith_sim_host *reader = kith_sim_gang_victim(&siege->gang);
    while (reader == item->author) {
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

static void put_all(struct siege *siege) {
    struct kith_sim_world *world = siege->gang.world;
    uint32_t n = siege->n_items;
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

/* How the figures of one siege are called. */
struct names {
    const char *hostile;
    const char *captured;
    const char *holders;
    const char *put_messages;
    const char *put_ms[2];
    const char *read;
    const char *get_messages;
    const char *get_ms[2];
};

static void report(struct kith_sim_run *run, struct siege *siege, const struct names *names) {
    struct kith_sim_report *r = &run->report;
    kith_sim_report_number(r, names->hostile, siege->gang.n, 0);
    kith_sim_report_number(r, names->captured, 100.0 * siege->n_captured / siege->n_items, 3);
    kith_sim_report_number(r, names->holders, kith_sim_samples_mean(&siege->holders), 2);
    kith_sim_report_number(r, names->put_messages, kith_sim_samples_mean(&siege->put_messages), 1);
    kith_sim_report_latency(r, names->put_ms[0], names->put_ms[1], &siege->put_ns);
    kith_sim_report_number(r, names->read, 100.0 * siege->n_read / siege->n_gets, 3);
    kith_sim_report_number(r, names->get_messages, kith_sim_samples_mean(&siege->get_messages), 1);
    kith_sim_report_latency(r, names->get_ms[0], names->get_ms[1], &siege->get_ns);
    kith_sim_expect(run, siege->gang.n_asked > 0, "nobody asked the hostile ones anything");
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

enum { SMALL_NODES = 2000 };

/* What a share of hostile nodes leaves of reading: everything in a small network, where one walk
 * alone loses up to 7 %; of larger ones what is aimed at, but for the first. */
static double bound_of(uint32_t nodes, uint32_t hostile_ppm) {
    return nodes <= SMALL_NODES || hostile_ppm <= 300000 ? 0.999
           : hostile_ppm <= 400000                       ? 0.99
                                                         : 0.96;
}

void kith_sim_scenario_hostile(struct kith_sim_run *run) {
    static const struct names names = {
        "hostile",           "captured_percent",           "holders_mean",
        "put_messages_mean", {"put_ms_p50", "put_ms_p99"}, "read_percent",
        "get_messages_mean", {"get_ms_p50", "get_ms_p99"}};
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
    choose_items(&siege, run->options.lookups / RECORDS_SHARE + 1);
    put_all(&siege);
    get_all(&siege, run->options.lookups);
    report(run, &siege, &names);
    double share = (double)siege.n_read / siege.n_gets;
    double bound = bound_of(run->options.nodes, ppm);
    kith_sim_expect(run, share >= bound, "%.3f %% of gets succeed, not %.3f %%", 100 * share,
                    100 * bound);
    kith_sim_conclude(run, &world);
    siege_deinit(&siege);
}

/* ---- clusters ---- */

/* The nth node of a cluster: on few addresses, but those all over the world. */
static struct kith_endpoint cluster_address(uint32_t cluster, uint32_t nth, uint32_t n_addresses) {
    uint32_t place = nth % n_addresses;
    return (struct kith_endpoint){
        .family = 4,
        .port = (uint16_t)(2000 + nth),
        .ip = {20, (uint8_t)place, (uint8_t)(cluster >> 8), (uint8_t)cluster}};
}

static unsigned bits_of(uint32_t nodes) {
    unsigned bits = 0;
    while (nodes >> bits != 0) {
        bits++;
    }
    return bits;
}

/* Twenty nodes whose ids were ground to be nearer to the item than anybody else. They join like
 * others, and lie from the beginning. */
static void add_cluster(struct siege *siege, uint32_t nth_item, uint32_t n_addresses) {
    enum { SYBILS = 20, NEARER_BITS = 3 };
    struct kith_sim_world *world = siege->gang.world;
    uint8_t seeds[SYBILS][KITH_SEED_SIZE];
    kith_sim_grind(world, &siege->items[nth_item].point, bits_of(world->n_hosts) + NEARER_BITS,
                   SYBILS, seeds);
    for (uint32_t i = 0; i < SYBILS; i++) {
        struct kith_endpoint endpoint = cluster_address(nth_item, i, n_addresses);
        struct kith_sim_host_options options = {.families = 4, .seed = seeds[i], .v4 = &endpoint};
        struct kith_sim_host *host = kith_sim_world_add(world, &options);
        kith_sim_gang_recruit(&siege->gang, host);
        kith_sim_swarm_join(world, host);
    }
    kith_sim_world_run_until(world, world->now + KITH_NS_PER_S);
}

static void cluster_world(struct kith_sim_run *run, uint32_t n_addresses,
                          const struct names *names) {
    struct kith_sim_world world;
    struct siege siege = {0};
    kith_sim_swarm_init(&world, run);
    kith_sim_gang_init(&siege.gang, &world);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    choose_items(&siege, run->options.lookups / CLUSTER_READS + 1);
    siege.gang.evil = KITH_SIM_COLLUDE;
    for (uint32_t i = 0; i < siege.n_items; i++) {
        add_cluster(&siege, i, n_addresses);
    }
    kith_sim_world_run_until(&world, world.now + UPKEEP_S * KITH_NS_PER_S);
    put_all(&siege);
    get_all(&siege, run->options.lookups);
    report(run, &siege, names);
    kith_sim_expect(run, siege.n_captured == 0, "%u of %u records are held by the cluster alone",
                    siege.n_captured, siege.n_items);
    kith_sim_expect(run, 1000 * (uint64_t)siege.n_read >= 999 * (uint64_t)siege.n_gets,
                    "only %u of %u gets succeed", siege.n_read, siege.n_gets);
    kith_sim_conclude(run, &world);
    siege_deinit(&siege);
}

void kith_sim_scenario_cluster(struct kith_sim_run *run) {
    static const struct names one = {"address1_hostile",
                                     "address1_captured_percent",
                                     "address1_holders_mean",
                                     "address1_put_messages_mean",
                                     {"address1_put_ms_p50", "address1_put_ms_p99"},
                                     "address1_read_percent",
                                     "address1_get_messages_mean",
                                     {"address1_get_ms_p50", "address1_get_ms_p99"}};
    static const struct names many = {"address27_hostile",
                                      "address27_captured_percent",
                                      "address27_holders_mean",
                                      "address27_put_messages_mean",
                                      {"address27_put_ms_p50", "address27_put_ms_p99"},
                                      "address27_read_percent",
                                      "address27_get_messages_mean",
                                      {"address27_get_ms_p50", "address27_get_ms_p99"}};
    cluster_world(run, 1, &one);
    cluster_world(run, 27, &many);
}
