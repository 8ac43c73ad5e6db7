/* SPDX-License-Identifier: MIT */
/* The network changes under a node: its new address is known to others within seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core_net.h"

enum { SWARM = 12, MOVER = 5, ASKER = 9 };

static const struct kith_endpoint any = {.family = 4, .port = 7700};

/* Nodes that learn their address from what the others see, a minute and a half after joining. */
static void settled(struct net *net, unsigned n) {
    net_swarm(net, n);
    for (unsigned i = 0; i < n; i++) {
        kith_core_set_bound(net->nodes[i].core, &any, 1, net->now);
    }
    net_run(net, 90 * KITH_NS_PER_S); /* between two rounds of upkeep */
}

static const struct kith_stats *stats_of(const struct net *net, unsigned i) {
    return kith_core_stats(net->nodes[i].core);
}

static void change(struct net *net, unsigned i) {
    kith_core_network_changed(net->nodes[i].core, net->now);
    net_drain(net, i);
}

static void move(struct net *net, unsigned i, unsigned to) {
    net->nodes[i].endpoint = net_endpoint(to);
    change(net, i);
}

/* What others find is exactly where the node is. */
static bool is_found(struct net *net, unsigned asker, unsigned i) {
    struct kith_query q = {
        .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = net->nodes[i].key};
    return net_ask(net, asker, &q) == 0 && net->seen.has_peer && net->seen.peer.n_endpoints == 1 &&
           kith_endpoint_equal(&net->seen.peer.endpoints[0], &net->nodes[i].endpoint);
}

static void test_new_address(void **state) {
    (void)state;
    struct net net;
    settled(&net, SWARM);
    assert_true(is_found(&net, ASKER, MOVER));
    for (unsigned round = 0; round < 4; round++) {
        move(&net, MOVER, 50 + round);
        net_run(&net, 2 * KITH_NS_PER_S);
        assert_true(is_found(&net, ASKER, MOVER));
        assert_true(is_found(&net, 0, MOVER));
        assert_int_equal(net_status(&net, MOVER).n_observed, 1);
        net_run(&net, 3 * KITH_NS_PER_S);
    }
    assert_int_equal(stats_of(&net, MOVER)->network_changes, 4);
    net_deinit(&net);
}

/* Two nodes: the only vote there is has to do. */
static void test_only_peer(void **state) {
    (void)state;
    struct net net;
    settled(&net, 2);
    move(&net, 1, 50);
    net_run(&net, 2 * KITH_NS_PER_S);
    assert_true(is_found(&net, 0, 1));
    net_deinit(&net);
}

/* Nothing but a false alarm: some questions, no publication, and nobody loses a contact. */
static void test_same_address(void **state) {
    (void)state;
    struct net net;
    settled(&net, SWARM);
    uint64_t walks = stats_of(&net, MOVER)->walks_started;
    uint32_t live = net_status(&net, MOVER).nodes_v4;
    change(&net, MOVER);
    net_run(&net, 8 * KITH_NS_PER_S);
    assert_int_equal(stats_of(&net, MOVER)->walks_started, walks);
    assert_int_equal(net_status(&net, MOVER).nodes_v4, live);
    assert_int_equal(net_status(&net, MOVER).n_observed, 1);
    net_deinit(&net);
}

struct cut {
    struct kith_endpoint who; /* its datagrams are lost */
    uint64_t n_sent;
};

static bool is_cut(struct net *net, struct net_packet *packet) {
    struct cut *cut = net->hook_context;
    bool out = kith_endpoint_equal(&packet->from, &cut->who);
    cut->n_sent += out;
    return !out && !kith_endpoint_equal(&packet->to, &cut->who);
}

/* A route that comes two seconds after the address. */
static void test_late_route(void **state) {
    (void)state;
    struct net net;
    settled(&net, SWARM);
    struct cut cut = {.who = net_endpoint(50)};
    net.hook = is_cut;
    net.hook_context = &cut;
    uint32_t live = net_status(&net, MOVER).nodes_v4;
    move(&net, MOVER, 50);
    net_run(&net, 2 * KITH_NS_PER_S);
    net.hook = NULL;
    net_run(&net, 2500 * KITH_NS_PER_MS);
    assert_true(is_found(&net, ASKER, MOVER));
    /* Silence is held against nobody: whoever was asked in vain just then is asked again. */
    assert_true(net_status(&net, MOVER).nodes_v4 + 1 >= live);
    net_run(&net, 6 * KITH_NS_PER_S);
    assert_int_equal(net_status(&net, MOVER).nodes_v4, live);
    net_deinit(&net);
}

/* What nobody confirms is not published any longer, and comes back with the network. */
static void test_nobody_confirms(void **state) {
    (void)state;
    struct net net;
    settled(&net, SWARM);
    struct cut cut = {.who = net_endpoint(50)};
    net.hook = is_cut;
    net.hook_context = &cut;
    move(&net, MOVER, 50);
    assert_int_equal(net_status(&net, MOVER).n_observed, 1);
    uint32_t live = net_status(&net, MOVER).nodes_v4;
    net_run(&net, 7 * KITH_NS_PER_S);
    assert_int_equal(net_status(&net, MOVER).n_observed, 0);
    /* Silence is held against nobody, apart from what is asked of one now and then anyway. */
    assert_true(net_status(&net, MOVER).nodes_v4 + 1 >= live);
    net.hook = NULL;
    change(&net, MOVER);
    net_run(&net, 2 * KITH_NS_PER_S);
    assert_int_equal(net_status(&net, MOVER).n_observed, 1);
    assert_true(is_found(&net, ASKER, MOVER));
    net_deinit(&net);
}

static bool is_not_begun_by_others(struct net *net, struct net_packet *packet) {
    enum { INITIATION = 1 };
    return packet->bytes[0] != INITIATION ||
           !kith_endpoint_equal(&packet->to, &net->nodes[MOVER].endpoint);
}

/* A swarm that was lost is joined again with the change, not with the backoff of a minute. */
static void test_lost_swarm(void **state) {
    (void)state;
    struct net net;
    settled(&net, SWARM);
    struct cut cut = {.who = net.nodes[MOVER].endpoint};
    net.hook = is_cut;
    net.hook_context = &cut;
    net_run(&net, 1200 * KITH_NS_PER_S);
    assert_false(net_status(&net, MOVER).ready);
    uint64_t sent = stats_of(&net, MOVER)->requests_sent;
    for (unsigned i = 0; i < 600 && stats_of(&net, MOVER)->requests_sent == sent; i++) {
        net_run(&net, 100 * KITH_NS_PER_MS); /* an attempt: the next is far away */
    }
    net_run(&net, 5 * KITH_NS_PER_S);
    net.hook = is_not_begun_by_others;
    net_run(&net, 2 * KITH_NS_PER_S);
    assert_false(net_status(&net, MOVER).ready);
    change(&net, MOVER);
    net_run(&net, 2 * KITH_NS_PER_S);
    assert_true(net_status(&net, MOVER).ready);
    net_deinit(&net);
}

/* Everybody was silent, and it was our own network: all are asked again at once, those too whose
 * silence comes out only after the loss; what was published into the void is published again. */
static void test_lost_for_a_moment(void **state) {
    (void)state;
    struct net net;
    settled(&net, 4);
    struct cut cut = {.who = net.nodes[3].endpoint};
    net.hook = is_cut;
    net.hook_context = &cut;
    struct kith_publish *publish = &net.nodes[3].core->publish;
    for (unsigned i = 0; i < 12000 && net_status(&net, 3).ready; i++) {
        kith_publish_changed(publish, net.now);
        net_run(&net, 100 * KITH_NS_PER_MS);
    }
    assert_false(net_status(&net, 3).ready);
    assert_true(publish->failed);
    net.hook = NULL;
    net_run(&net, 5 * KITH_NS_PER_S);
    assert_int_equal(net_status(&net, 3).nodes_v4, 3);
    assert_false(publish->failed);
    net_deinit(&net);
}

/* An interface flaps for ten minutes. The last change counts none the less. */
static void test_flapping(void **state) {
    (void)state;
    struct net net;
    settled(&net, SWARM);
    uint64_t sent = stats_of(&net, MOVER)->tx_bytes;
    for (unsigned i = 0; i < 600; i++) {
        change(&net, MOVER);
        net_run(&net, KITH_NS_PER_S);
    }
    assert_true(stats_of(&net, MOVER)->network_changes <=
                KITH_CHANGE_BURST + 600 / KITH_CHANGE_REFILL_S);
    assert_true((stats_of(&net, MOVER)->tx_bytes - sent) / 600 < 1000); /* bytes per second */
    move(&net, MOVER, 50);
    net_run(&net, (KITH_CHANGE_REFILL_S + 2) * KITH_NS_PER_S);
    assert_true(is_found(&net, ASKER, MOVER));
    net_deinit(&net);
}

static void observe(struct net *net, unsigned by, unsigned where) {
    struct kith_node_ref node = {
        .has_key = true, .key = net->nodes[by].key, .endpoint = net->nodes[by].endpoint};
    struct kith_endpoint endpoint = net_endpoint(where);
    kith_publish_observed(&net->nodes[MOVER].core->publish, &node, &endpoint, net->now);
}

/* The first to answer on a new network lies: it does not decide. */
static void test_first_liar(void **state) {
    (void)state;
    struct net net;
    settled(&net, SWARM);
    const struct kith_publish *publish = &net.nodes[MOVER].core->publish;
    net.nodes[MOVER].endpoint = net_endpoint(50);
    kith_core_network_changed(net.nodes[MOVER].core, net.now);
    observe(&net, 1, 60);
    observe(&net, 2, 50);
    struct kith_endpoint old = net_endpoint(MOVER);
    assert_true(kith_endpoint_equal(&publish->v4.winner, &old));
    observe(&net, 3, 50);
    assert_true(kith_endpoint_equal(&publish->v4.winner, &net.nodes[MOVER].endpoint));
    assert_false(publish->v4.questioned);
    net_deinit(&net);
}

/* Peers saw the new address before the system told us of it, shortly after a publication: that it
 * has to keep a distance is over then. */
static void test_seen_before(void **state) {
    (void)state;
    struct net net;
    settled(&net, SWARM);
    move(&net, MOVER, 50);
    net_run(&net, 2 * KITH_NS_PER_S);
    net.nodes[MOVER].endpoint = net_endpoint(51);
    for (unsigned by = 0; by < SWARM; by++) {
        if (by != MOVER) {
            observe(&net, by, 51);
        }
    }
    net_run(&net, KITH_NS_PER_S);
    assert_int_equal(net_status(&net, MOVER).observed[0].ip[2], 51);
    assert_false(is_found(&net, ASKER, MOVER));
    change(&net, MOVER);
    net_run(&net, 2 * KITH_NS_PER_S);
    assert_true(is_found(&net, ASKER, MOVER));
    net_deinit(&net);
}

/* Peers of the local network are confirmed anew. */
static void test_locals(void **state) {
    (void)state;
    struct net net;
    settled(&net, 3);
    struct kith_local_report report = {.name = "a",
                                       .has_key = true,
                                       .key = net.nodes[0].key,
                                       .n_endpoints = 1,
                                       .endpoints = {net.nodes[0].endpoint}};
    assert_int_equal(kith_core_local_appeared(net.nodes[1].core, &report, net.now), 0);
    net_run(&net, 20 * KITH_NS_PER_S);
    uint64_t before = net.now;
    change(&net, 1);
    net_run(&net, KITH_NS_PER_S);
    const struct kith_local *local =
        kith_locals_find(&net.nodes[1].core->locals, &net.nodes[0].key);
    assert_true(local->confirmed && local->seen >= before);
    net_deinit(&net);
}

/* Reachable or not, it is found out anew; who was hidden stays a client until it is. */
static void test_reachable(void **state) {
    (void)state;
    struct net net;
    settled(&net, SWARM);
    struct kith_reach *reach = &net.nodes[MOVER].core->reach;
    reach->state = KITH_REACHABLE_YES;
    change(&net, MOVER);
    assert_int_equal(net_status(&net, MOVER).reachable, KITH_REACHABLE_UNKNOWN);
    assert_true(reach->timer.deadline <= net.now + 3 * KITH_NS_PER_S);
    reach->state = KITH_REACHABLE_NO;
    change(&net, MOVER);
    assert_int_equal(net_status(&net, MOVER).reachable, KITH_REACHABLE_NO);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_address),
        cmocka_unit_test(test_only_peer),
        cmocka_unit_test(test_same_address),
        cmocka_unit_test(test_late_route),
        cmocka_unit_test(test_nobody_confirms),
        cmocka_unit_test(test_lost_swarm),
        cmocka_unit_test(test_lost_for_a_moment),
        cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_first_liar),
        cmocka_unit_test(test_seen_before),
        cmocka_unit_test(test_locals),
        cmocka_unit_test(test_reachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
