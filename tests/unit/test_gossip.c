/* SPDX-License-Identifier: MIT */
/* A changed peer record reaches the neighbours by itself, is not repeated for ever, and only if
 * true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
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

/* The peer record that a node publishes. */
static void own_record(const struct net *net, unsigned i, struct kith_record *ret) {
    struct kith_list *l = kith_list_first(&net->nodes[i].core->publish.own.all);
    for (; l != NULL; l = kith_list_next(&net->nodes[i].core->publish.own.all, l)) {
        const struct kith_own_record *own = kith_container_of(l, struct kith_own_record, all);
        if (own->kind == KITH_OWN_PEER) {
            kith_record_copy(ret, &own->record);
            return;
        }
    }
    fail();
}

/* Node 1 pushes a record to node 0. */
static void push_record(struct net *net, const struct kith_record *record) {
    struct kith_request request = {.method = KITH_METHOD_ARRIVE};
    struct kith_delivery delivery = {
        .kind = KITH_DELIVERY_DATA, .key = net->nodes[1].key, .from = net->nodes[1].endpoint};
    kith_record_view(record, &request.record);
    kith_gossip_receive(&net->nodes[0].core->gossip, &delivery, &request, net->now);
}

/* Who repeats a record uses up nothing that others need: no signature, and no place among the few
 * that are looked at in a second. */
static void test_repeats_silence_nobody(void **state) {
    (void)state;
    struct net net;
    struct kith_record first;
    struct kith_record second;
    net_swarm(&net, 4);
    net_run(&net, 60 * KITH_NS_PER_S);
    own_record(&net, 2, &first);
    own_record(&net, 3, &second);
    const struct kith_stats *stats = kith_core_stats(net.nodes[0].core);
    uint64_t received = stats->gossip_received;
    uint64_t duplicates = stats->gossip_duplicates;
    for (unsigned i = 0; i < 100; i++) {
        push_record(&net, &first);
    }
    push_record(&net, &second);
    assert_int_equal(stats->gossip_received - received, 2);
    assert_int_equal(stats->gossip_duplicates - duplicates, 99);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_change_spreads_and_stops),
        cmocka_unit_test(test_repeats_silence_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
