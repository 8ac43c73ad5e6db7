/* SPDX-License-Identifier: MIT */
/*
 * scenario_mainline: the Mainline DHT alone. Mutable items (BEP 44) are put by some hosts and read
 * by others: in a network as it is, and again after a share of the hosts died without anybody
 * knowing.
 *
 * With k = 8 a network of 10^4 nodes takes more hops than kith's, which has k = 20. Of eight
 * holders with 30 % dead all are gone in one case of 15,000: no more success can be had.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/memory.h"
#include "sim/scenario.h"
#include "sim/swarm.h"

#define HOPS_MEAN_MAX 3.5

enum {
    VALUE_RANDOM = 24, /* bytes */
    MISSES_PRINTED = 10,
    ABSENT_MESSAGES_MAX = 100,
    MISSED_OF = 1000, /* gets among the dead: one that may fail, and one in any case */
};

/* What was put. */
struct item {
    struct kith_key key;
    uint8_t salt[KITH_SALT_MAX];
    uint8_t salt_size;
    uint8_t value[KITH_VALUE_MAX];
    uint16_t value_size;
};

struct gets {
    uint32_t n;
    uint32_t n_right;
    struct kith_sim_samples hops;
    struct kith_sim_samples messages;
    struct kith_sim_samples total_ns;
};

static struct kith_sim_ask *ask_put(struct kith_sim_world *world, uint32_t i, void *context) {
    struct item *item = (struct item *)context + i;
    struct kith_sim_host *author = kith_sim_world_pick(world);
    uint8_t bytes[VALUE_RANDOM];
    kith_sim_random_fill(&world->random, bytes, sizeof(bytes));
    if (kith_value_wrap(bytes, sizeof(bytes), item->value, &item->value_size) < 0) {
        kith_sim_panic("a value cannot be wrapped");
    }
    item->key = author->key;
    item->salt_size = (uint8_t)snprintf((char *)item->salt, sizeof(item->salt), "item %u", i);
    struct kith_query query = {
        .kind = KITH_QUERY_PUT,
        .swarms = KITH_SWARM_MAINLINE,
        .flags = KITH_FLAG_FORGET, /* whether it is held is what we want to see */
        .value = item->value,
        .value_size = item->value_size,
        .salt_size = item->salt_size,
    };
    memcpy(query.salt, item->salt, item->salt_size);
    return kith_sim_world_ask(world, author, &query);
}

static void put_all(struct kith_sim_run *run, struct kith_sim_world *world, struct item *items,
                    uint32_t n) {
    struct kith_sim_samples total_ns = {0};
    struct kith_sim_samples acks = {0};
    struct kith_sim_samples messages = {0};
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(world, n, ask_put, items);
    for (uint32_t i = 0; i < n; i++) {
        kith_sim_expect(run, asks[i]->status == 0, "put by host %u: %s, %u of %u acknowledged",
                        asks[i]->host, kith_strerror(asks[i]->status), asks[i]->acks,
                        asks[i]->quorum);
        kith_sim_samples_add(&acks, asks[i]->acks);
        kith_sim_samples_add(&messages, asks[i]->walk.messages);
        kith_sim_samples_add(&total_ns, asks[i]->done_at - asks[i]->asked_at);
    }
    kith_sim_report_number(&run->report, "put_acks_mean", kith_sim_samples_mean(&acks), 1);
    kith_sim_report_number(&run->report, "put_messages_mean", kith_sim_samples_mean(&messages), 1);
    kith_sim_report_latency(&run->report, "put_ms_p50", "put_ms_p99", &total_ns);
    kith_sim_samples_deinit(&total_ns);
    kith_sim_samples_deinit(&acks);
    kith_sim_samples_deinit(&messages);
    kith_sim_swarm_free_all(asks, n);
}

static struct kith_sim_ask *ask_get(struct kith_sim_world *world, uint32_t i, void *context) {
    const struct item *item = (const struct item *)context + i;
    struct kith_query query = {
        .kind = KITH_QUERY_GET,
        .swarms = KITH_SWARM_MAINLINE,
        .flags = KITH_FLAG_HAS_KEY,
        .key = item->key,
        .salt_size = item->salt_size,
    };
    memcpy(query.salt, item->salt, item->salt_size);
    return kith_sim_world_ask(world, kith_sim_world_pick(world), &query);
}

static void get_all(struct kith_sim_world *world, struct item *items, uint32_t n,
                    struct gets *ret) {
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(world, n, ask_get, items);
    for (uint32_t i = 0; i < n; i++) {
        const struct kith_sim_ask *ask = asks[i];
        bool right = ask->status == 0 && ask->has_record &&
                     kith_span_equal(kith_span(ask->record.value, ask->record.value_size),
                                     kith_span(items[i].value, items[i].value_size));
        ret->n++;
        ret->n_right += right;
        if (!right && ret->n - ret->n_right <= MISSES_PRINTED) {
            fprintf(stderr,
                    "miss: get of item %u by host %u at %.3f s: %s, %u messages, %u answered\n", i,
                    ask->host, (double)ask->asked_at / 1e9, kith_strerror(ask->status),
                    ask->walk.messages, ask->walk.answered);
        }
        kith_sim_samples_add(&ret->hops, ask->walk.hops);
        kith_sim_samples_add(&ret->messages, ask->walk.messages);
        kith_sim_samples_add(&ret->total_ns, ask->done_at - ask->asked_at);
    }
    kith_sim_swarm_free_all(asks, n);
}

/* What nobody has put: how much it takes to say so. */
static void get_absent(struct kith_sim_run *run, struct kith_sim_world *world, struct item *items,
                       uint32_t n) {
    struct kith_sim_samples messages = {0};
    struct kith_sim_samples total_ns = {0};
    for (uint32_t i = 0; i < n; i++) {
        items[i].salt[0] ^= 1;
    }
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(world, n, ask_get, items);
    for (uint32_t i = 0; i < n; i++) {
        kith_sim_expect(run, asks[i]->status == KITH_ENOT_FOUND, "get of nothing by host %u: %s",
                        asks[i]->host, kith_strerror(asks[i]->status));
        kith_sim_samples_add(&messages, asks[i]->walk.messages);
        kith_sim_samples_add(&total_ns, asks[i]->done_at - asks[i]->asked_at);
        items[i].salt[0] ^= 1;
    }
    double mean = kith_sim_samples_mean(&messages);
    kith_sim_expect(run, mean <= ABSENT_MESSAGES_MAX, "%.1f messages to find nothing, not %d", mean,
                    ABSENT_MESSAGES_MAX);
    kith_sim_report_number(&run->report, "absent_messages_mean", mean, 1);
    kith_sim_report_latency(&run->report, "absent_ms_p50", "absent_ms_p99", &total_ns);
    kith_sim_samples_deinit(&messages);
    kith_sim_samples_deinit(&total_ns);
    kith_sim_swarm_free_all(asks, n);
}

static void expect_success(struct kith_sim_run *run, const struct gets *gets, uint32_t misses) {
    uint32_t missed = gets->n - gets->n_right;
    kith_sim_expect(run, missed <= misses, "%u of %u gets fail, not %u", missed, gets->n, misses);
}

static void gets_deinit(struct gets *gets) {
    kith_sim_samples_deinit(&gets->hops);
    kith_sim_samples_deinit(&gets->messages);
    kith_sim_samples_deinit(&gets->total_ns);
}

static void report_gets(struct kith_sim_report *report, struct gets *alive, struct gets *dead) {
    kith_sim_report_number(report, "gets", alive->n, 0);
    kith_sim_report_number(report, "get_success_percent", 100.0 * alive->n_right / alive->n, 3);
    kith_sim_report_number(report, "hops_mean", kith_sim_samples_mean(&alive->hops), 2);
    kith_sim_report_number(report, "hops_max", (double)kith_sim_samples_max(&alive->hops), 0);
    kith_sim_report_number(report, "messages_mean", kith_sim_samples_mean(&alive->messages), 1);
    kith_sim_report_latency(report, "get_ms_p50", "get_ms_p99", &alive->total_ns);
    kith_sim_report_number(report, "dead_success_percent", 100.0 * dead->n_right / dead->n, 3);
    kith_sim_report_number(report, "dead_hops_mean", kith_sim_samples_mean(&dead->hops), 2);
    kith_sim_report_number(report, "dead_messages_mean", kith_sim_samples_mean(&dead->messages), 1);
    kith_sim_report_latency(report, "dead_get_ms_p50", "dead_get_ms_p99", &dead->total_ns);
}

void kith_sim_scenario_mainline(struct kith_sim_run *run) {
    uint32_t n = run->options.lookups == 0 ? 1 : run->options.lookups;
    struct item *items = kith_sim_allocate(n * sizeof(*items));
    struct gets alive = {0};
    struct gets dead = {0};
    struct kith_sim_world world;
    kith_sim_swarm_init(&world, run);
    world.config.mainline = true;
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_report_number(&run->report, "joined_after_s",
                           (double)(world.now - KITH_SIM_START) / 1e9, 0);
    put_all(run, &world, items, n);
    get_all(&world, items, n, &alive);
    get_absent(run, &world, items, n);
    kith_sim_swarm_kill(&world, run->options.dead_ppm);
    get_all(&world, items, n, &dead);
    report_gets(&run->report, &alive, &dead);
    double hops = kith_sim_samples_mean(&alive.hops);
    expect_success(run, &alive, 0);
    expect_success(run, &dead, 1 + n / MISSED_OF);
    kith_sim_expect(run, hops <= HOPS_MEAN_MAX, "gets take %.2f hops, not %.2f", hops,
                    HOPS_MEAN_MAX);
    gets_deinit(&alive);
    gets_deinit(&dead);
    free(items);
    kith_sim_conclude(run, &world);
}
