/* SPDX-License-Identifier: MIT */
/* Joining and staying, seen from whole nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_net.h"

enum { HALF = 8 };

static bool parted;

static unsigned side_of(const struct kith_endpoint *endpoint) {
    return endpoint->ip[2] / HALF;
}

static bool cut(struct net *net, struct net_packet *packet) {
    (void)net;
    return !parted || side_of(&packet->from) == side_of(&packet->to);
}

/* Two halves that formed apart, each around one of the two seeds that all were told of: nobody
 * knows anybody of the other half, and everybody has all the contacts he needs. */
static void halves_that_never_met(void **state) {
    struct net net;
    struct kith_status status;
    (void)state;

    net_init(&net);
    net.hook = cut;
    parted = true;
    for (unsigned i = 0; i < 2 * HALF; i++) {
        net_add(&net);
    }
    for (unsigned i = 0; i < 2 * HALF; i++) {
        for (unsigned seed = 0; seed < 2 * HALF; seed += HALF) {
            if (i != seed) {
                net_join(&net, i, seed, true);
            }
        }
    }
    net_run(&net, 7200 * KITH_NS_PER_S);
    for (unsigned i = 0; i < net.n; i++) {
        kith_core_status(net.nodes[i].core, net.now, &status);
        assert_int_equal(status.nodes_v4, HALF - 1);
    }
    parted = false;
    net_run(&net, 600 * KITH_NS_PER_S);
    for (unsigned i = 0; i < net.n; i++) {
        kith_core_status(net.nodes[i].core, net.now, &status);
        assert_int_equal(status.nodes_v4, 2 * HALF - 1);
    }
    net_deinit(&net);
}

static uint64_t walks_of(struct net *net) {
    uint64_t n = 0;
    for (unsigned i = 0; i < net->n; i++) {
        n += kith_core_stats(net->nodes[i].core)->walks_started;
    }
    return n;
}

/* In a network that is whole, to be told so again costs no walk: what is left is the hourly look at
 * the neighbourhood, and buckets that cannot be filled, ever more rarely. */
static void whole_network_at_rest(void **state) {
    struct net net;
    (void)state;

    net_swarm(&net, HALF);
    net_run(&net, 4 * 3600 * KITH_NS_PER_S);
    uint64_t before = walks_of(&net);
    net_run(&net, 4 * 3600 * KITH_NS_PER_S);
    uint64_t walks = walks_of(&net) - before;
    assert_true(walks >= 4 * HALF);
    assert_true(walks <= 8 * HALF + 8 * HALF); /* self-lookups and own records, hourly */
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_that_never_met),
        cmocka_unit_test(whole_network_at_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
