/* SPDX-License-Identifier: MIT */
/* Whether strangers reach us: found out, acted on, and taken back when it changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_net.h"

enum { SWARM = 40, HIDDEN = 39 };

static unsigned index_of(const struct net *net, const struct kith_endpoint *e) {
    for (unsigned i = 0; i < net->n; i++) {
        if (memcmp(net->nodes[i].endpoint.ip, e->ip, sizeof(e->ip)) == 0) {
            return i;
        }
    }
    return net->n;
}

/* A port-restricted NAT in front of the last node: only who was sent something within the last half
 * minute gets through. */
struct nat {
    bool open;
    uint64_t sent[NET_MAX];
};

static bool through_nat(struct net *net, struct net_packet *packet) {
    struct nat *nat = net->hook_context;
    unsigned from = index_of(net, &packet->from);
    unsigned to = index_of(net, &packet->to);
    if (from == HIDDEN && to < net->n) {
        nat->sent[to] = net->now;
    }
    bool mapped = nat->sent[from] != 0 && net->now - nat->sent[from] < 30 * KITH_NS_PER_S;
    return to != HIDDEN || nat->open || mapped;
}

static unsigned tables_with(const struct net *net, const struct kith_key *key);

static void test_behind_nat(void **state) {
    (void)state;
    struct net net;
    struct nat nat = {.open = false};
    net_swarm(&net, HIDDEN);
    net.hook = through_nat;
    net.hook_context = &nat;
    net_add(&net);
    net_join(&net, HIDDEN, 0, true);
    net_run(&net, 1800 * KITH_NS_PER_S);
    struct kith_status status = net_status(&net, HIDDEN);
    assert_true(status.ready);
    assert_int_equal(status.reachable, KITH_REACHABLE_NO);
    /* It still asks and is answered. */
    struct kith_query q = {
        .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[7].key};
    assert_int_equal(net_ask(&net, HIDDEN, &q), 0);

    /* The NAT opens: a full node again, in the others' tables. */
    nat.open = true;
    memset(nat.sent, 0, sizeof(nat.sent));
    net_run(&net, 3600 * KITH_NS_PER_S);
    assert_int_equal(net_status(&net, HIDDEN).reachable, KITH_REACHABLE_YES);
    assert_true(tables_with(&net, &net.nodes[HIDDEN].key) > 0);
    net_deinit(&net);
}

/* Bound to both families, as by default, where only IPv6 leads anywhere. */
static void test_behind_a_filter_of_ipv6(void **state) {
    (void)state;
    struct net net;
    struct nat nat = {.open = false};
    uint8_t seed[KITH_SEED_SIZE];
    net_init(&net);
    for (unsigned i = 0; i < SWARM; i++) {
        struct kith_core_config config = net_config(&net, i, seed);
        config.has_v6 = true;
        net_add_config(&net, &config);
        net.nodes[i].endpoint = net_endpoint6(i);
        kith_core_set_bound(net.nodes[i].core, &net.nodes[i].endpoint, 1, net.now);
        if (i == HIDDEN) {
            net.hook = through_nat;
            net.hook_context = &nat;
        }
        if (i > 0) {
            net_join(&net, i, 0, true);
        }
    }
    net_run(&net, 1800 * KITH_NS_PER_S);
    assert_true(net_status(&net, HIDDEN).ready);
    assert_int_equal(net_status(&net, HIDDEN).reachable, KITH_REACHABLE_NO);
    net_deinit(&net);
}

struct search {
    struct kith_key key;
    bool found;
};

static int find_key(const struct kith_peer_info *info, void *user) {
    struct search *s = user;
    s->found = s->found || memcmp(info->key.bytes, s->key.bytes, 32) == 0;
    return 0;
}

static unsigned tables_with(const struct net *net, const struct kith_key *key) {
    unsigned n = 0;
    for (unsigned i = 0; i < net->n; i++) {
        struct search s = {.key = *key};
        kith_core_each_peer(net->nodes[i].core, net->now, find_key, &s);
        n += s.found;
    }
    return n;
}

/* In the open nobody ever concludes that it cannot be reached. */
static void test_in_the_open(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 30);
    net_run(&net, 1200 * KITH_NS_PER_S);
    for (unsigned i = 0; i < net.n; i++) {
        assert_int_not_equal(net_status(&net, i).reachable, KITH_REACHABLE_NO);
    }
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_behind_nat),
        cmocka_unit_test(test_behind_a_filter_of_ipv6),
        cmocka_unit_test(test_in_the_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
