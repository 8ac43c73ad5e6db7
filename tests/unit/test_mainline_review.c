/* SPDX-License-Identifier: MIT */
/*
 * Whole nodes in Mainline against moments and strangers that test_mainline.c does not think of:
 * what may leave a private network, records that are passed on, forged questions, liars about our
 * address, floods of contacts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_net.h"

#include "core/core_internal.h"
#include "core/target.h"

static unsigned add_node(struct net *net, const char *network, const uint8_t *secret) {
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core_config config = net_config(net, net->n, seed);
    config.mainline = true;
    config.network = network;
    config.network_secret = secret;
    return net_add_config(net, &config);
}

static void join_mainline(struct net *net, unsigned i, unsigned through) {
    assert_int_equal(kith_core_mainline_add(net->nodes[i].core, &net->nodes[through].endpoint,
                                            KITH_CONTACT_SEED, net->now),
                     0);
    net_drain(net, i);
}

/* `n` nodes of networks of their own, so that kith's swarm plays no part. */
static void mainline(struct net *net, unsigned n) {
    char network[16];
    net_init(net);
    for (unsigned i = 0; i < n; i++) {
        snprintf(network, sizeof(network), "net-%u", i);
        unsigned node = add_node(net, network, NULL);
        if (node > 0) {
            join_mainline(net, node, 0);
        }
    }
    net_run(net, 120 * KITH_NS_PER_S);
}

static bool contains(const uint8_t *bytes, size_t size, const char *text) {
    return memmem(bytes, size, text, strlen(text)) != NULL;
}

/* ---- what is sent ---- */

static struct {
    unsigned from; /* nodes from this one on are looked at */
    const char *text;
    unsigned n;
} watch;

static bool count_text(struct net *net, struct net_packet *packet) {
    for (unsigned i = watch.from; i < net->n; i++) {
        watch.n += packet->bytes[0] == 'd' &&
                   kith_endpoint_equal(&packet->from, &net->nodes[i].endpoint) &&
                   contains(packet->bytes, packet->size, watch.text);
    }
    return true;
}

/* Who is in a private network, and where, is told nobody, and nobody is asked for it. */
static void test_private_network(void **state) {
    (void)state;
    struct net net;
    uint8_t secret[32] = {7};
    mainline(&net, 12);
    watch.from = net.n;
    watch.n = 0;
    watch.text = "kith:hidden";
    net.hook = count_text;
    unsigned a = add_node(&net, "hidden", secret);
    unsigned b = add_node(&net, "hidden", secret);
    join_mainline(&net, a, 2);
    join_mainline(&net, b, 3);
    net_join(&net, b, a, true);
    net_run(&net, 300 * KITH_NS_PER_S);
    watch.text = "1:q3:get"; /* from here on */
    assert_int_equal(watch.n, 0);
    struct kith_query q = {
        .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[a].key};
    assert_int_equal(net_ask(&net, b, &q), 0);
    q.key.bytes[3] ^= 1;
    assert_int_equal(net_ask(&net, b, &q), KITH_ENOT_FOUND);
    assert_int_equal(watch.n, 0);
    /* Asked for by name, it is done. */
    q.swarms = KITH_SWARM_MAINLINE;
    assert_int_equal(net_ask(&net, b, &q), KITH_ENOT_FOUND);
    assert_true(watch.n > 0);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_private_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
