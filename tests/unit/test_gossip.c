/* SPDX-License-Identifier: MIT */
/* A changed peer record reaches the neighbours by itself, is not repeated for ever, and only if
 * true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_net.h"

static uint64_t total(const struct net *net, size_t offset) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < net->n; i++) {
        const char *stats = (const char *)kith_core_stats(net->nodes[i].core);
        uint64_t value;
        memcpy(&value, stats + offset, sizeof(value));
        sum += value;
    }
    return sum;
}

#define TOTAL(net, counter) total(net, offsetof(struct kith_stats, counter))

static void test_change_spreads_and_stops(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 30);
    net_run(&net, 60 * KITH_NS_PER_S);
    uint64_t sent = TOTAL(&net, gossip_sent);
    uint64_t received = TOTAL(&net, gossip_received);

    /* Republished unchanged: nobody is told. */
    net_run(&net, 600 * KITH_NS_PER_S);
    assert_int_equal(TOTAL(&net, gossip_sent), sent);

    /* One node listens elsewhere: told to a bounded number, each once. */
    struct kith_endpoint moved = net_endpoint(44);
    net.nodes[5].endpoint = moved;
    kith_core_set_bound(net.nodes[5].core, &moved, 1, net.now);
    net_run(&net, 30 * KITH_NS_PER_S);
    sent = TOTAL(&net, gossip_sent) - sent;
    received = TOTAL(&net, gossip_received) - received;
    assert_in_range(received, 4, 20);
    assert_in_range(sent, 4, 20);
    assert_int_equal(TOTAL(&net, bad_records), 0);

    /* And who asks finds it there. */
    struct kith_query q = {
        .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[5].key};
    assert_int_equal(net_ask(&net, 20, &q), 0);
    assert_memory_equal(net.seen.peer.endpoints[0].ip, moved.ip, 4);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_change_spreads_and_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
