/* SPDX-License-Identifier: MIT */
/*
 * A small swarm in which the n-th allocation fails, for n = 1, 2, 3, ... until none does, alone or
 * with all that follow: whatever was to be allocated, every op still ends once, nothing crashes,
 * and nothing leaks (the sanitizers watch); and with memory back the node lives on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "nomem_net.h"

/* ---- scenarios ---- */

static void four(struct net *net) {
    net_swarm(net, 4);
    for (unsigned i = 0; i < net->n; i++) {
        assert_int_equal(kith_core_talk_handle(net->nodes[i].core, "echo", true), 0);
    }
}

static void each_failure(const struct kith_query *query) {
    nomem_each(four, query);
}

static struct kith_query key_query(enum kith_query_kind kind, uint8_t node) {
    struct kith_query query = {.kind = kind, .flags = KITH_FLAG_HAS_KEY};
    struct kith_identity id;
    kith_test_identity(&id, (uint8_t)(node + 1)); /* the seed of that node */
    query.key = id.key;
    return query;
}

static void test_lookup(void **state) {
    (void)state;
    struct kith_query query = key_query(KITH_QUERY_LOOKUP, 2);
    each_failure(&query);
    query = key_query(KITH_QUERY_LOOKUP, 90);
    each_failure(&query);
}

static void test_put(void **state) {
    (void)state;
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    assert_int_equal(kith_value_wrap("value", 5, value, &size), 0);
    struct kith_query query = {.kind = KITH_QUERY_PUT, .value = value, .value_size = size};
    each_failure(&query);
}

static void test_topic(void **state) {
    (void)state;
    struct kith_query query = {
        .kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT, .point = {{5}}};
    each_failure(&query);
    query.kind = KITH_QUERY_FIND;
    each_failure(&query);
}

static void test_peer(void **state) {
    (void)state;
    struct kith_query query = key_query(KITH_QUERY_TALK, 1);
    query.protocol = "echo";
    query.value = (const uint8_t *)"hello";
    query.value_size = 5;
    each_failure(&query);
    query = (struct kith_query){
        .kind = KITH_QUERY_PING, .contact = {.endpoint = net_endpoint(3)}, .n = 2};
    each_failure(&query);
}

static void test_watch_and_trace(void **state) {
    (void)state;
    struct kith_query query = key_query(KITH_QUERY_WATCH, 1);
    memcpy(query.salt, "kith:kith", 9);
    query.salt_size = 9; /* the peer record: there is one */
    each_failure(&query);
    query = key_query(KITH_QUERY_TRACE, 3);
    each_failure(&query);
}

static void test_new(void **state) {
    (void)state;
    nomem_births(false, 200);
}

static bool has_published(const struct net *net, unsigned i) {
    const struct kith_own *own = &net->nodes[i].core->publish.own;
    return kith_own_find(own, &own->peer_point, false) != NULL;
}

/* Two nodes meet while an allocation fails: they find each other all the same, and say so to the
 * application and, in their records, to everybody. */
static void test_join(void **state) {
    (void)state;
    bool failed = true;
    for (long n = 1; failed; n++) {
        struct net net;
        net_init(&net);
        net_add(&net);
        net_add(&net);
        struct kith_contact contact = {.endpoint = net.nodes[0].endpoint};
        nomem_begin(n, false);
        int r = kith_core_add_contact(net.nodes[1].core, &contact, KITH_CONTACT_PEER, net.now);
        assert_true(r == 0 || r == KITH_ENOMEM);
        net_drain(&net, 1);
        net_run(&net, 60 * KITH_NS_PER_S);
        failed = nomem_end();
        struct kith_status status;
        kith_core_status(net.nodes[1].core, net.now, &status);
        assert_true(r < 0 || status.ready);
        net_run(&net, 1000 * KITH_NS_PER_S); /* refresh and self-lookup go on */
        kith_core_status(net.nodes[1].core, net.now, &status);
        assert_true(r < 0 || (status.ready && net.n_ready == 2));
        assert_true(r < 0 || (has_published(&net, 0) && has_published(&net, 1)));
        net_deinit(&net);
    }
}

int main(int argc, char **argv) {
    nomem_arguments(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_topic),
        cmocka_unit_test(test_peer),
        cmocka_unit_test(test_watch_and_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
