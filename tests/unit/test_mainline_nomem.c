/* SPDX-License-Identifier: MIT */
/* The same as core_nomem for what is asked in Mainline, in both swarms, and for a node that joins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mainline_net.h"
#include "nomem_net.h"

static void three(struct net *net) {
    mainline(net, 3);
}

/* Of one network: kith's swarm as well. */
static void both(struct net *net) {
    net_init(net);
    for (unsigned i = 0; i < 3; i++) {
        unsigned node = add_node(net, "one");
        if (node > 0) {
            join_mainline(net, node, 0);
            net_join(net, node, 0, true);
        }
    }
    net_run(net, 120 * KITH_NS_PER_S);
}

static void test_put(void **state) {
    (void)state;
    uint8_t value[KITH_VALUE_MAX];
    struct kith_query query = put_query("value", KITH_SWARM_MAINLINE, value);
    nomem_each(three, &query);
    query.swarms = KITH_SWARM_KITH | KITH_SWARM_MAINLINE;
    nomem_each(both, &query);
}

static void test_get(void **state) {
    (void)state;
    struct kith_query query = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .swarms = KITH_SWARM_MAINLINE};
    nomem_each(three, &query);
}

static void test_torrents(void **state) {
    (void)state;
    struct kith_query query = {
        .kind = KITH_QUERY_ANNOUNCE_PEER, .flags = KITH_FLAG_HAS_POINT, .point = {{5}}};
    nomem_each(three, &query);
    query.kind = KITH_QUERY_PEERS;
    nomem_each(three, &query);
    query.kind = KITH_QUERY_SAMPLE;
    nomem_each(three, &query);
}

static void test_trace_and_ping(void **state) {
    (void)state;
    struct kith_query query = {.kind = KITH_QUERY_TRACE,
                               .flags = KITH_FLAG_HAS_POINT,
                               .swarms = KITH_SWARM_MAINLINE,
                               .point = {{7}}};
    nomem_each(three, &query);
    query = (struct kith_query){.kind = KITH_QUERY_PING,
                                .swarms = KITH_SWARM_MAINLINE,
                                .contact = {.endpoint = net_endpoint(1)},
                                .n = 1};
    nomem_each(three, &query);
}

static void test_new(void **state) {
    (void)state;
    nomem_births(true, 300);
}

/* Two nodes meet while allocations fail, find each other all the same, and stay. */
static void test_join(void **state) {
    (void)state;
    bool failed = true;
    for (long n = 1; failed; n = nomem_next(n)) {
        struct net net;
        net_init(&net);
        (void)add_node(&net, "a");
        (void)add_node(&net, "b");
        nomem_begin(n, false);
        int r = kith_core_mainline_add(net.nodes[1].core, &net.nodes[0].endpoint, KITH_CONTACT_PEER,
                                       net.now);
        assert_true(r == 0 || r == KITH_ENOMEM);
        net_drain(&net, 1);
        net_run(&net, 120 * KITH_NS_PER_S);
        failed = nomem_end();
        net_run(&net, 900 * KITH_NS_PER_S);
        assert_true(r < 0 || status_of(&net, 1).families[0].ready);
        net_deinit(&net);
    }
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),      cmocka_unit_test(test_join),
        cmocka_unit_test(test_put),      cmocka_unit_test(test_get),
        cmocka_unit_test(test_torrents), cmocka_unit_test(test_trace_and_ping),
    };
    nomem_arguments(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
