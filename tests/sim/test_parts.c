/* SPDX-License-Identifier: MIT */
/* The simulator's own parts, without any core: a simulator that is wrong proves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/endpoint.h"
#include "sim/memory.h"
#include "sim/oracle.h"
#include "sim/stats.h"
#include "util/list.h"

/* ---- random ---- */

/* The numbers never change, on any machine: an old seed still replays. */
static void test_random_is_fixed(void **state) {
    struct kith_sim_random r;
    kith_sim_random_seed(&r, 1);
    assert_true(kith_sim_random_next(&r) == UINT64_C(0xb3f2af6d0fc710c5));
    assert_true(kith_sim_mix(1, 2, 3) == UINT64_C(0xd0734750fde362b3));
}

static void test_random_chance(void **state) {
    struct kith_sim_random r;
    kith_sim_random_seed(&r, 5);
    unsigned hits = 0;
    for (unsigned i = 0; i < 100000; i++) {
        hits += kith_sim_random_chance(&r, 100000);
        assert_false(kith_sim_random_chance(&r, 0));
        assert_true(kith_sim_random_chance(&r, KITH_SIM_PPM));
    }
    assert_in_range(hits, 9500, 10500);
}

/* ---- queue ---- */

struct item {
    struct kith_sim_event event;
    unsigned number;
};

/* Equal times come out as they went in. */
static void test_queue_keeps_order(void **state) {
    enum { N = 500 };
    struct kith_sim_queue queue;
    struct item items[N] = {0};
    kith_sim_queue_init(&queue);
    for (unsigned i = 0; i < N; i++) {
        items[i].number = i;
        kith_sim_queue_set(&queue, &items[i].event, 100 + i % 2);
    }
    for (unsigned i = 0; i < N; i++) {
        struct kith_sim_event *event = kith_sim_queue_pop(&queue);
        unsigned expected = i < N / 2 ? 2 * i : 2 * (i - N / 2) + 1;
        assert_int_equal(kith_container_of(event, struct item, event)->number, expected);
    }
    assert_null(kith_sim_queue_pop(&queue));
    assert_true(kith_sim_queue_time(&queue) == UINT64_MAX);
    kith_sim_queue_deinit(&queue);
}

/* Random sets, moves and removals against a linear search. */
static void test_queue_against_model(void **state) {
    enum { N = 60, STEPS = 20000, IDLE = 0 };
    struct kith_sim_queue queue;
    struct kith_sim_random r;
    struct item items[N] = {0};
    uint64_t times[N] = {0}; /* IDLE: not queued */
    kith_sim_queue_init(&queue);
    kith_sim_random_seed(&r, 9);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)kith_sim_random_below(&r, N);
        switch (kith_sim_random_below(&r, 3)) {
        case 0:
            times[i] = 1 + kith_sim_random_below(&r, 1000);
            kith_sim_queue_set(&queue, &items[i].event, times[i]);
            assert_true(kith_sim_queue_time_of(&queue, &items[i].event) == times[i]);
            break;
        case 1:
            times[i] = IDLE;
            kith_sim_queue_remove(&queue, &items[i].event);
            break;
        default: {
            uint64_t least = UINT64_MAX;
            for (unsigned j = 0; j < N; j++) {
                least = times[j] != IDLE && times[j] < least ? times[j] : least;
            }
            assert_true(kith_sim_queue_time(&queue) == least);
            struct kith_sim_event *event = kith_sim_queue_pop(&queue);
            if (event != NULL) {
                size_t at = (size_t)(kith_container_of(event, struct item, event) - items);
                assert_true(times[at] == least);
                times[at] = IDLE;
            }
        }
        }
    }
    kith_sim_queue_deinit(&queue);
}

/* ---- network ---- */

struct net {
    struct kith_sim_queue queue;
    struct kith_sim_network network;
    struct kith_endpoint a, b;
};

static void net_init(struct net *net, const struct kith_sim_network_config *config) {
    kith_sim_queue_init(&net->queue);
    kith_sim_network_init(&net->network, config, &net->queue);
    kith_sim_network_new_address(&net->network, 4, &net->a);
    kith_sim_network_new_address(&net->network, 4, &net->b);
    kith_sim_network_bind(&net->network, &net->a, 0);
    kith_sim_network_bind(&net->network, &net->b, 1);
}

static void net_deinit(struct net *net) {
    kith_sim_network_deinit(&net->network);
    kith_sim_queue_deinit(&net->queue);
}

static void net_send(struct net *net, const char *text, uint64_t now) {
    struct kith_datagram datagram = {net->b, (const uint8_t *)text, strlen(text)};
    kith_sim_network_send(&net->network, 0, &net->a, &datagram, now);
}

static size_t net_drain(struct net *net) {
    size_t n = 0;
    struct kith_sim_event *event;
    while ((event = kith_sim_queue_pop(&net->queue)) != NULL) {
        kith_sim_network_release(&net->network,
                                 kith_container_of(event, struct kith_sim_packet, event));
        n++;
    }
    return n;
}

/* What arrives is a copy of what was sent, half a round trip later, from where it came. */
static void test_network_carries(void **state) {
    struct net net;
    net_init(&net, &(struct kith_sim_network_config){.seed = 4});
    char text[] = "hello";
    net_send(&net, text, 1000);
    memset(text, 'x', sizeof(text) - 1);
    assert_true(kith_sim_queue_time(&net.queue) ==
                1000 + kith_sim_network_rtt(&net.network, 0, 1) / 2);
    struct kith_sim_packet *packet =
        kith_container_of(kith_sim_queue_pop(&net.queue), struct kith_sim_packet, event);
    assert_int_equal(packet->size, 5);
    assert_memory_equal(packet->bytes, "hello", 5);
    assert_int_equal(packet->from_host, 0);
    assert_int_equal(packet->to_host, 1);
    assert_true(kith_endpoint_equal(&packet->from, &net.a));
    assert_true(kith_endpoint_equal(&packet->to, &net.b));
    kith_sim_network_release(&net.network, packet);
    net_deinit(&net);
}

/* Nobody there: counted, nothing else. */
static void test_network_unroutable(void **state) {
    struct net net;
    net_init(&net, &(struct kith_sim_network_config){.seed = 4});
    net.b.port++;
    net_send(&net, "x", 0);
    assert_int_equal(net_drain(&net), 0);
    assert_int_equal(net.network.stats.unroutable, 1);
    net_deinit(&net);
}

/* The knobs do about as often as they say. */
static void test_network_faults(void **state) {
    enum { N = 20000 };
    struct net net;
    net_init(&net, &(struct kith_sim_network_config){.seed = 4,
                                                     .loss_ppm = 100000,
                                                     .duplicate_ppm = 50000,
                                                     .reorder_ppm = 20000,
                                                     .reorder_ns = KITH_NS_PER_S});
    for (unsigned i = 0; i < N; i++) {
        net_send(&net, "x", i);
    }
    const struct kith_sim_network_stats *stats = &net.network.stats;
    assert_in_range(stats->lost, 1850, 2150);
    assert_in_range(stats->duplicated, 800, 1000);
    assert_in_range(stats->reordered, 310, 450);
    assert_int_equal(net_drain(&net), N - stats->lost + stats->duplicated);
    net_deinit(&net);
}

/* The distribution that docs/testing.md promises: lognormal, median 80 ms, sigma 0.6. */
static void test_network_latency(void **state) {
    enum { N = 20000 };
    struct net net;
    struct kith_sim_samples rtt = {0};
    net_init(&net, &(struct kith_sim_network_config){.seed = 11});
    for (uint32_t i = 0; i < N; i++) {
        uint64_t there = kith_sim_network_rtt(&net.network, i, i + 7);
        assert_true(there == kith_sim_network_rtt(&net.network, i + 7, i));
        kith_sim_samples_add(&rtt, there);
    }
    assert_in_range(kith_sim_samples_percentile(&rtt, 50), 78 * KITH_NS_PER_MS,
                    82 * KITH_NS_PER_MS);
    assert_in_range(kith_sim_samples_percentile(&rtt, 16), 42 * KITH_NS_PER_MS,
                    46 * KITH_NS_PER_MS);
    assert_in_range(kith_sim_samples_percentile(&rtt, 84), 141 * KITH_NS_PER_MS,
                    150 * KITH_NS_PER_MS);
    kith_sim_samples_deinit(&rtt);
    net_deinit(&net);
}

/* Distinct, usable, global, and hardly ever two in one /24. */
static void test_network_addresses(void **state) {
    enum { N = 5000 };
    struct net net;
    net_init(&net, &(struct kith_sim_network_config){.seed = 21});
    unsigned crowded = 0;
    uint8_t *prefixes = kith_sim_allocate((1 << 24) / 8);
    for (uint32_t i = 0; i < N; i++) {
        struct kith_endpoint endpoint;
        uint8_t family = i % 3 == 0 ? 6 : 4;
        kith_sim_network_new_address(&net.network, family, &endpoint);
        assert_true(kith_endpoint_usable(&endpoint));
        assert_int_equal(kith_endpoint_scope(&endpoint), KITH_SCOPE_GLOBAL);
        assert_true(kith_sim_network_find(&net.network, &endpoint) == KITH_SIM_NOBODY);
        kith_sim_network_bind(&net.network, &endpoint, i + 2);
        assert_int_equal(kith_sim_network_find(&net.network, &endpoint), i + 2);
        if (family == 4) {
            uint32_t prefix =
                (uint32_t)endpoint.ip[0] << 16 | (uint32_t)endpoint.ip[1] << 8 | endpoint.ip[2];
            crowded += (prefixes[prefix / 8] >> (prefix % 8)) & 1;
            prefixes[prefix / 8] |= (uint8_t)(1 << (prefix % 8));
        }
    }
    assert_in_range(crowded, 0, 5);
    assert_int_equal(kith_sim_network_find(&net.network, &net.a), 0);
    free(prefixes);
    net_deinit(&net);
}

/* ---- trace ---- */

/* The hash notices every field, and the order. */
static void test_trace(void **state) {
    struct kith_sim_trace base, other;
    uint8_t bytes[4] = {1, 2, 3, 4};
    kith_sim_trace_init(&base);
    kith_sim_trace_datagram(&base, 5, 1, 2, bytes, 4);
    const struct {
        uint64_t time;
        uint32_t from, to;
        uint8_t first;
        size_t size;
    } rows[] = {
        {6, 1, 2, 1, 4}, {5, 2, 2, 1, 4}, {5, 1, 1, 1, 4}, {5, 1, 2, 9, 4}, {5, 1, 2, 1, 3}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bytes[0] = rows[i].first;
        kith_sim_trace_init(&other);
        kith_sim_trace_datagram(&other, rows[i].time, rows[i].from, rows[i].to, bytes,
                                rows[i].size);
        assert_memory_not_equal(base.state, other.state, sizeof(base.state));
    }
    bytes[0] = 1;
    char text[33];
    kith_sim_trace_text(&base, text);
    assert_string_equal(
        text, "df5dfdd4f03fa63ad1fa12cd5b5ca837"); /* never changes: not with the machine either */
}

/* ---- stats ---- */

static void test_percentiles(void **state) {
    struct kith_sim_samples samples = {0};
    assert_int_equal(kith_sim_samples_percentile(&samples, 50), 0);
    for (uint64_t i = 100; i >= 1; i--) {
        kith_sim_samples_add(&samples, i);
    }
    assert_int_equal(kith_sim_samples_percentile(&samples, 50), 50);
    assert_int_equal(kith_sim_samples_percentile(&samples, 99), 99);
    assert_int_equal(kith_sim_samples_max(&samples), 100);
    assert_true(kith_sim_samples_mean(&samples) > 50.4 && kith_sim_samples_mean(&samples) < 50.6);
    kith_sim_samples_add(&samples, 1000);
    assert_int_equal(kith_sim_samples_max(&samples), 1000);
    kith_sim_samples_deinit(&samples);
}

/* ---- oracle ---- */

/* Against sorting everything. Cores are only looked at for being there. */
static void test_oracle(void **state) {
    enum { N = 300, K = 20 };
    struct kith_sim_world world = {.n_hosts = N};
    struct kith_sim_host *hosts[N];
    struct kith_sim_random r;
    struct kith_point target;
    world.hosts = hosts;
    kith_sim_random_seed(&r, 33);
    kith_sim_random_fill(&r, target.bytes, sizeof(target.bytes));
    for (uint32_t i = 0; i < N; i++) {
        hosts[i] = kith_sim_allocate(sizeof(*hosts[i]));
        kith_sim_random_fill(&r, hosts[i]->id.bytes, sizeof(hosts[i]->id.bytes));
        kith_sim_random_fill(&r, hosts[i]->key.bytes, sizeof(hosts[i]->key.bytes));
        hosts[i]->core = i % 10 == 3 ? NULL : (struct kith_core *)(void *)hosts;
        hosts[i]->client = i % 10 == 4;
    }
    const struct kith_sim_host *out[K];
    assert_int_equal(kith_sim_oracle_closest(&world, &target, hosts[5], K, out), K);
    for (uint32_t i = 0; i < N; i++) {
        unsigned nearer = 0; /* of those that were chosen */
        bool chosen = false;
        for (uint32_t j = 0; j < K; j++) {
            chosen = chosen || out[j] == hosts[i];
            nearer += kith_point_compare(&target, &out[j]->id, &hosts[i]->id) < 0;
        }
        bool eligible = hosts[i]->core != NULL && !hosts[i]->client && i != 5;
        assert_true(chosen ? eligible : !eligible || nearer == K);
    }
    for (uint32_t j = 1; j < K; j++) {
        assert_true(kith_point_compare(&target, &out[j - 1]->id, &out[j]->id) < 0);
    }
    struct kith_key keys[2] = {out[3]->key, {{0}}};
    assert_int_equal(kith_sim_oracle_hits(out, K, keys, 2), 1);
    world.n_hosts = 7; /* fewer than asked for: 0..6 without the dead 3, the client 4 and 5 */
    assert_int_equal(kith_sim_oracle_closest(&world, &target, hosts[5], K, out), 4);
    for (uint32_t i = 0; i < N; i++) {
        free(hosts[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_is_fixed),   cmocka_unit_test(test_random_chance),
        cmocka_unit_test(test_queue_keeps_order), cmocka_unit_test(test_queue_against_model),
        cmocka_unit_test(test_network_carries),   cmocka_unit_test(test_network_unroutable),
        cmocka_unit_test(test_network_faults),    cmocka_unit_test(test_network_latency),
        cmocka_unit_test(test_network_addresses), cmocka_unit_test(test_trace),
        cmocka_unit_test(test_percentiles),       cmocka_unit_test(test_oracle),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("sim parts", tests, NULL, NULL);
}
