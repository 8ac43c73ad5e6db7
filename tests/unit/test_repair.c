/* SPDX-License-Identifier: MIT */
/* repair: holders put again what they hold, one for all, until the record's life is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_net.h"

enum { HOUR = 3600, DAY = 24 * HOUR };

/* Puts a value once; its publisher does nothing for it afterwards. Returns its point. */
static struct kith_point put_once(struct net *net, unsigned i, uint32_t flags) {
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    assert_int_equal(kith_value_wrap("left", 4, value, &size), 0);
    struct kith_query put = {
        .kind = KITH_QUERY_PUT, .flags = flags, .value = value, .value_size = size};
    assert_int_equal(net_ask(net, i, &put), 0);
    struct kith_point point;
    kith_point_of_record(&net->nodes[i].key, kith_span(NULL, 0), &point);
    return point;
}

struct search {
    struct kith_point point;
    bool found;
    uint64_t expires_ns;
};

static int find_record(const struct kith_record_info *info, void *user) {
    struct search *search = user;
    if (!info->own && kith_point_equal(&info->point, &search->point)) {
        search->found = true;
        search->expires_ns = info->expires_ns;
    }
    return 0;
}

static bool holds(const struct net *net, unsigned i, const struct kith_point *point,
                  uint64_t *ret_expires) {
    struct search search = {.point = *point};
    kith_core_each_record(net->nodes[i].core, net->now, find_record, &search);
    if (ret_expires != NULL) {
        *ret_expires = search.expires_ns;
    }
    return search.found;
}

static uint64_t repairs_of(const struct net *net) {
    uint64_t n = 0;
    for (unsigned i = 0; i < net->n; i++) {
        n += net->nodes[i].dead ? 0 : kith_core_stats(net->nodes[i].core)->records_repaired;
    }
    return n;
}

/* Twelve holders do it about once an hour, not twelve times. */
static void test_one_for_all(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 12);
    (void)put_once(&net, 1, KITH_FLAG_FORGET);
    net_run(&net, 6 * HOUR * KITH_NS_PER_S);
    assert_in_range(repairs_of(&net), 4, 12);
    net_deinit(&net);
}

/* While the publisher is there it does it all itself, and nobody repairs its peer record. */
static void test_publisher_comes_first(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 5);
    struct kith_point point = put_once(&net, 1, 0);
    net_run(&net, 6 * HOUR * KITH_NS_PER_S);
    assert_int_equal(repairs_of(&net), 0);
    assert_true(holds(&net, 2, &point, NULL));
    net_deinit(&net);
}

/* Nodes that were not there get it, with what is left of its life. */
static void test_newcomers_hold_it(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 4);
    struct kith_point point = put_once(&net, 1, 0);
    net.nodes[1].dead = true;
    unsigned fresh = net_add(&net);
    net_join(&net, fresh, 0, true);
    net_run(&net, 60 * KITH_NS_PER_S);
    assert_false(holds(&net, fresh, &point, NULL));
    net_run(&net, 2 * HOUR * KITH_NS_PER_S);
    uint64_t expires = 0;
    assert_true(holds(&net, fresh, &point, &expires));
    assert_in_range(expires / KITH_NS_PER_S, 22 * HOUR - 60 - 10, 22 * HOUR - 60);
    assert_true(repairs_of(&net) > 0);
    net_deinit(&net);
}

/* It is there for 24 hours to the last minutes, and then nowhere. */
static void test_life_ends(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 3);
    struct kith_point point = put_once(&net, 1, KITH_FLAG_FORGET);
    net_run(&net, (DAY - 60) * (uint64_t)KITH_NS_PER_S);
    for (unsigned i = 0; i < net.n; i++) {
        assert_true(holds(&net, i, &point, NULL));
    }
    assert_true(repairs_of(&net) > 20);
    net_run(&net, 120 * KITH_NS_PER_S);
    for (unsigned i = 0; i < net.n; i++) {
        assert_false(holds(&net, i, &point, NULL));
    }
    net_deinit(&net);
}

int main(void) {
    if (sodium_init() < 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_for_all),
        cmocka_unit_test(test_publisher_comes_first),
        cmocka_unit_test(test_newcomers_hold_it),
        cmocka_unit_test(test_life_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
