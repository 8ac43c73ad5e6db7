/* SPDX-License-Identifier: MIT */
/* What a node says of itself: contacts worth remembering, peers, records, sessions, its address,
 * who is on the local network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
#include "core_net.h"

/* A visitor that stops: what it returns is what the list returns. */
enum { STOP = 42 };

struct visit {
    unsigned n;
    unsigned stop_after; /* 0: never */
    unsigned own;
    unsigned live;
};

static int go_on(struct visit *visit) {
    visit->n++;
    return visit->n == visit->stop_after ? STOP : 0;
}

static int see_peer(const struct kith_peer_info *info, void *user) {
    struct visit *visit = user;
    visit->live += info->live;
    assert_int_equal(info->failures, 0);
    assert_true(info->seen_ns < 3600 * KITH_NS_PER_S);
    return go_on(visit);
}

static int see_record(const struct kith_record_info *info, void *user) {
    struct visit *visit = user;
    visit->own += info->own;
    assert_true(info->value_size > 0);
    return go_on(visit);
}

static int see_session(const struct kith_session_info *info, void *user) {
    return go_on(user);
}

static void test_peers(void **state) {
    struct net net;
    net_swarm(&net, 6);
    struct visit visit = {0};
    assert_int_equal(kith_core_each_peer(net.nodes[2].core, net.now, see_peer, &visit), 0);
    assert_int_equal(visit.n, 5);
    assert_int_equal(visit.live, 5);
    visit = (struct visit){.stop_after = 2};
    assert_int_equal(kith_core_each_peer(net.nodes[2].core, net.now, see_peer, &visit), STOP);
    assert_int_equal(visit.n, 2);
    net_deinit(&net);
}

/* Own records, mutable with and without salt, immutable ones, and those held for others. */
static void test_records(void **state) {
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    net_swarm(&net, 4);
    assert_int_equal(kith_value_wrap("v", 1, value, &size), 0);
    struct kith_query put = {.kind = KITH_QUERY_PUT, .value = value, .value_size = size};
    assert_int_equal(net_ask(&net, 1, &put), 0);
    put.salt[0] = 's';
    put.salt_size = 1;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    put.salt_size = 0;
    put.flags = KITH_FLAG_IMMUTABLE;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    net_run(&net, KITH_NS_PER_S);

    struct visit visit = {0};
    assert_int_equal(kith_core_each_record(net.nodes[1].core, net.now, see_record, &visit), 0);
    assert_int_equal(visit.own, 4); /* the three, and its peer record */
    assert_true(visit.n > visit.own);
    unsigned all = visit.n;
    /* Stopped within the own ones, and among those of others. */
    visit = (struct visit){.stop_after = 1};
    assert_int_equal(kith_core_each_record(net.nodes[1].core, net.now, see_record, &visit), STOP);
    visit = (struct visit){.stop_after = all};
    assert_int_equal(kith_core_each_record(net.nodes[1].core, net.now, see_record, &visit), STOP);
    assert_int_equal(visit.n, all);
    net_deinit(&net);
}

static void test_sessions(void **state) {
    struct net net;
    net_swarm(&net, 4);
    struct visit visit = {0};
    assert_int_equal(kith_core_each_session(net.nodes[0].core, net.now, see_session, &visit), 0);
    assert_true(visit.n >= 3);
    net_deinit(&net);
}

/* What was reported on the local network: as it was said, and whether it was seen to be true. */
static int see_local(const struct kith_local_info *info, void *user) {
    struct visit *visit = user;
    assert_int_equal(info->n_endpoints, 1);
    assert_memory_equal(info->name, "peer-", 5);
    assert_true(info->has_key || !info->confirmed);
    if (info->confirmed) {
        assert_true(kith_endpoint_equal(&info->endpoint, &info->endpoints[0]));
        assert_true(info->seen_ns <= 2 * KITH_NS_PER_S);
    } else {
        assert_int_equal(info->seen_ns, 0);
    }
    visit->live += info->confirmed;
    return go_on(visit);
}

static void test_local_peers(void **state) {
    struct net net;
    net_init(&net);
    net_add(&net);
    net_add(&net);
    for (unsigned i = 1; i <= 2; i++) { /* the second is nobody */
        struct kith_local_report report = {.n_endpoints = 1, .endpoints = {net_endpoint(i)}};
        snprintf(report.name, sizeof(report.name), "peer-%u", i);
        assert_int_equal(kith_core_local_appeared(net.nodes[0].core, &report, net.now), 0);
        net_drain(&net, 0);
    }
    net_run(&net, KITH_NS_PER_S);
    struct visit visit = {0};
    assert_int_equal(kith_core_each_local(net.nodes[0].core, net.now, see_local, &visit), 0);
    assert_int_equal(visit.n, 2);
    assert_int_equal(visit.live, 1);
    visit = (struct visit){.stop_after = 1};
    assert_int_equal(kith_core_each_local(net.nodes[0].core, net.now, see_local, &visit), STOP);
    net_deinit(&net);
}

/* Of which peers it holds the record, and what that says. */
static void test_known_peer(void **state) {
    struct net net;
    struct kith_peer peer;
    net_swarm(&net, 6);
    net_run(&net, 60 * KITH_NS_PER_S);
    struct kith_core *core = net.nodes[0].core;
    assert_int_equal(kith_core_known_peer(core, &net.nodes[3].key, net.now, &peer), 0);
    assert_true(kith_key_equal(&peer.key, &net.nodes[3].key));
    assert_true(kith_endpoint_equal(&peer.endpoints[0], &net.nodes[3].endpoint));
    assert_int_equal(kith_core_known_peer(core, &(struct kith_key){{9}}, net.now, &peer),
                     KITH_ENOT_FOUND);
    net_deinit(&net);
}

/* What several others see is what the node takes for its address. */
static void test_observed(void **state) {
    struct net net;
    net_swarm(&net, 8);
    struct kith_status status;
    kith_core_status(net.nodes[4].core, net.now, &status);
    assert_int_equal(status.n_bound, 1);
    assert_int_equal(status.n_observed, 1);
    assert_int_equal(status.observed[0].port, net.nodes[4].endpoint.port);
    assert_memory_equal(status.observed[0].ip, net.nodes[4].endpoint.ip, 4);
    assert_int_equal(status.ops, 0);
    assert_true(status.rtt_us > 0);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peers),      cmocka_unit_test(test_records),
        cmocka_unit_test(test_sessions),   cmocka_unit_test(test_local_peers),
        cmocka_unit_test(test_known_peer), cmocka_unit_test(test_observed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
