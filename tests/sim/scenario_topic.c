/* SPDX-License-Identifier: MIT */
/*
 * scenario_topic: peers that announce themselves under a topic are found there by strangers. Small
 * topics must be found whole; from a large one a sample of the size asked for is enough.
 */
#include <stdlib.h>

#include "sim/memory.h"
#include "sim/scenario.h"
#include "sim/swarm.h"

enum {
    SMALL_TOPICS = 8,
    SMALL_PEERS = 4,
    LARGE_PEERS = 30,
    LARGE_WANTED = 12,
    FINDERS = 3,
    OP_LIMIT_S = 60,
};

static void announce_by(struct kith_sim_run *run, struct kith_sim_world *world,
                        const struct kith_point *topic, struct kith_sim_host **peers, uint32_t n) {
    struct kith_query query = {
        .kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT, .point = *topic};
    for (uint32_t i = 0; i < n; i++) {
        struct kith_sim_ask *ask = kith_sim_world_ask(world, peers[i], &query);
        if (!kith_sim_world_run_asks(world, OP_LIMIT_S * KITH_NS_PER_S)) {
            kith_sim_panic("an announcement of host %u did not end", peers[i]->index);
        }
        kith_sim_expect(run, ask->status == 0 && ask->acks >= ask->quorum,
                        "announcement by host %u: %s, %u of %u acknowledged", peers[i]->index,
                        kith_strerror(ask->status), ask->acks, ask->quorum);
        kith_sim_ask_free(ask);
    }
}

/* `n` different hosts. */
static void pick_peers(struct kith_sim_world *world, struct kith_sim_host **peers, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        bool again;
        do {
            peers[i] = kith_sim_world_pick(world);
            again = false;
            for (uint32_t j = 0; j < i; j++) {
                again = again || peers[j] == peers[i];
            }
        } while (again);
    }
}

static uint32_t found_of(const struct kith_sim_ask *ask, struct kith_sim_host *const *peers,
                         uint32_t n) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < ask->n_keys; j++) {
            found += kith_key_equal(&ask->keys[j], &peers[i]->key);
        }
    }
    return found;
}

static void expect_found(struct kith_sim_run *run, struct kith_sim_world *world,
                         const struct kith_point *topic, struct kith_sim_host *const *peers,
                         uint32_t n, uint32_t wanted, struct kith_sim_samples *find_ns) {
    struct kith_query query = {
        .kind = KITH_QUERY_FIND, .flags = KITH_FLAG_HAS_POINT, .point = *topic, .n = wanted};
    for (unsigned i = 0; i < FINDERS; i++) {
        struct kith_sim_host *finder = kith_sim_world_pick(world);
        struct kith_sim_ask *ask = kith_sim_world_ask(world, finder, &query);
        if (!kith_sim_world_run_asks(world, OP_LIMIT_S * KITH_NS_PER_S)) {
            kith_sim_panic("a find of host %u did not end", finder->index);
        }
        uint32_t expected = n < wanted ? n : wanted;
        bool is_peer = false; /* one that looks for its own topic need not find itself */
        for (uint32_t j = 0; j < n; j++) {
            is_peer = is_peer || peers[j] == finder;
        }
        uint32_t found = found_of(ask, peers, n);
        kith_sim_expect(run, found + is_peer >= expected && found == ask->n_keys,
                        "find by host %u: %s, %u peers, %u of them right, %u expected",
                        finder->index, kith_strerror(ask->status), ask->n_keys, found, expected);
        kith_sim_samples_add(find_ns, ask->done_at - ask->asked_at);
        kith_sim_ask_free(ask);
    }
}

static void topic_round(struct kith_sim_run *run, struct kith_sim_world *world, uint32_t n,
                        uint32_t wanted, struct kith_sim_samples *find_ns) {
    struct kith_sim_host *peers[LARGE_PEERS];
    struct kith_point topic;
    kith_sim_random_fill(&world->random, topic.bytes, sizeof(topic.bytes));
    pick_peers(world, peers, n);
    announce_by(run, world, &topic, peers, n);
    expect_found(run, world, &topic, peers, n, wanted, find_ns);
}

/* Nobody announced this: the answer is nobody, not an error and not somebody else. */
static void empty_round(struct kith_sim_run *run, struct kith_sim_world *world,
                        struct kith_sim_samples *find_ns) {
    struct kith_point topic;
    kith_sim_random_fill(&world->random, topic.bytes, sizeof(topic.bytes));
    expect_found(run, world, &topic, NULL, 0, LARGE_WANTED, find_ns);
}

void kith_sim_scenario_topic(struct kith_sim_run *run) {
    struct kith_sim_world world;
    struct kith_sim_samples find_ns = {0};
    uint32_t large = LARGE_PEERS < run->options.nodes ? LARGE_PEERS : run->options.nodes;
    uint32_t small = SMALL_PEERS < run->options.nodes ? SMALL_PEERS : run->options.nodes;
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    for (unsigned i = 0; i < SMALL_TOPICS; i++) {
        topic_round(run, &world, small, 2 * SMALL_PEERS, &find_ns);
    }
    topic_round(run, &world, large, LARGE_WANTED, &find_ns);
    empty_round(run, &world, &find_ns);
    kith_sim_report_number(&run->report, "finds", (double)find_ns.n, 0);
    kith_sim_report_latency(&run->report, "find_ms_p50", "find_ms_p99", &find_ns);
    kith_sim_samples_deinit(&find_ns);
    kith_sim_conclude(run, &world);
}
