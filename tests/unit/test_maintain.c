/* SPDX-License-Identifier: MIT */
/* Joining and staying, seen from whole nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
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

/* ---- seeds that a newcomer does not need ---- */

enum { ABSENT = 40, N_ABSENT = 20, EARLY = 8, MINUTE = 60 };

static uint64_t first_asked[N_ABSENT]; /* 0: never */

static bool note_absent(struct net *net, struct net_packet *packet) {
    for (unsigned i = 0; i < N_ABSENT; i++) {
        struct kith_endpoint absent = net_endpoint(ABSENT + i);
        if (kith_endpoint_equal(&packet->to, &absent) && first_asked[i] == 0) {
            first_asked[i] = net->now;
        }
    }
    return true;
}

static void add_seed(struct net *net, unsigned i, const struct kith_endpoint *endpoint) {
    struct kith_contact contact = {.endpoint = *endpoint};
    assert_int_equal(
        kith_core_add_contact(net->nodes[i].core, &contact, KITH_CONTACT_SEED, net->now), 0);
    net_drain(net, i);
}

/* Absent seeds that were asked since `begin`, of which at most three in one second. */
static unsigned n_absent_asked(uint64_t begin) {
    unsigned in_second[MINUTE + 1] = {0};
    unsigned n = 0;
    for (unsigned i = 0; i < N_ABSENT; i++) {
        if (first_asked[i] >= begin) {
            uint64_t second = (first_asked[i] - begin) / KITH_NS_PER_S;
            assert_true(second <= MINUTE);
            in_second[second]++;
            assert_true(in_second[second] <= 3);
            n++;
        }
    }
    return n;
}

/* The first of many helps. Some of the others are asked all the same, each some time in the first
 * minute, for the first may tell of its own gang alone; but not all of them. */
static void seeds_not_needed(void **state) {
    struct net net;
    struct kith_status status;
    (void)state;

    net_swarm(&net, HALF);
    net.hook = note_absent;
    memset(first_asked, 0, sizeof(first_asked));
    unsigned newcomer = net_add(&net);
    uint64_t begin = net.now;
    add_seed(&net, newcomer, &net.nodes[0].endpoint);
    for (unsigned i = 0; i < N_ABSENT; i++) {
        struct kith_endpoint absent = net_endpoint(ABSENT + i);
        add_seed(&net, newcomer, &absent);
    }
    net_run(&net, 2 * KITH_NS_PER_S);
    kith_core_status(net.nodes[newcomer].core, net.now, &status);
    assert_int_equal(status.nodes_v4, HALF);
    assert_int_equal(n_absent_asked(begin), 0);
    net_run(&net, 2 * MINUTE * KITH_NS_PER_S);
    assert_int_equal(n_absent_asked(begin), EARLY);
    net_deinit(&net);
}

/* ---- who is gone ---- */

static unsigned n_to_dead;      /* datagrams of node 0 */
static unsigned n_data_to_dead; /* of those, in a session */

static bool count_to_dead(struct net *net, struct net_packet *packet) {
    enum { DATA = 4 };
    bool to_it = kith_endpoint_equal(&packet->to, &net->nodes[1].endpoint);
    bool counts = to_it && kith_endpoint_equal(&packet->from, &net->nodes[0].endpoint);
    n_to_dead += counts;
    n_data_to_dead += counts && packet->bytes[0] == DATA;
    return true;
}

/* The first question to it goes out twice; those that confirm it, where nothing is lost, once. Only
 * the very first relies on the session that it had: it may have lost that. How often others still
 * name it, and somebody asks it while it is being confirmed, depends on the moment: the mean of a
 * few. */
static void gone_node_is_confirmed(void **state) {
    enum { MOMENTS = 8, APART_S = 137 };
    unsigned soon = 0;
    unsigned sum = 0;
    (void)state;

    for (unsigned i = 0; i < MOMENTS; i++) {
        struct net net;
        net_swarm(&net, HALF);
        net_run(&net, (600 + APART_S * i) * KITH_NS_PER_S);
        net.nodes[1].dead = true;
        net.hook = count_to_dead;
        n_to_dead = n_data_to_dead = 0;
        net_run(&net, 60 * KITH_NS_PER_S);
        soon += n_to_dead;
        net_run(&net, 240 * KITH_NS_PER_S);
        assert_true(n_data_to_dead <= 1);
        sum += n_to_dead;
        net_deinit(&net);
    }
    /* The first, and two; six, if each went out twice. Of 32 moments the mean was 3.6. */
    assert_in_range(2 * soon, 2 * 2 * MOMENTS, 9 * MOMENTS);
    assert_true(sum <= 8 * MOMENTS);
}

/* At rest an entry's turn comes every few minutes. Where nodes go it comes sooner. */
static void nodes_that_go_are_noticed_sooner(void **state) {
    enum { N = 40, GONE = 16, EACH_S = 10 };
    struct net net;
    struct kith_status status;
    (void)state;

    net_swarm(&net, N);
    net_run(&net, 3600 * KITH_NS_PER_S);
    for (unsigned i = 1; i <= GONE; i++) {
        net.nodes[i].dead = true;
        net_run(&net, EACH_S * KITH_NS_PER_S);
    }
    net_run(&net, 75 * KITH_NS_PER_S);
    kith_core_status(net.nodes[0].core, net.now, &status);
    assert_in_range(status.nodes_v4, N - 1 - GONE, N - GONE); /* at an even pace it misses ten */
    net_deinit(&net);
}

/* Who loses everybody has not joined any more; when they are back it looks for its neighbours
 * again, and has. */
static void who_lost_everybody_joins_again(void **state) {
    struct net net;
    struct kith_status status;
    (void)state;

    net_swarm(&net, HALF);
    net_run(&net, 600 * KITH_NS_PER_S);
    for (unsigned i = 1; i < HALF; i++) {
        net.nodes[i].dead = true;
    }
    net_run(&net, 1200 * KITH_NS_PER_S);
    kith_core_status(net.nodes[0].core, net.now, &status);
    assert_false(status.ready);
    for (unsigned i = 1; i < HALF; i++) {
        net.nodes[i].dead = false;
    }
    net_run(&net, 300 * KITH_NS_PER_S);
    kith_core_status(net.nodes[0].core, net.now, &status);
    assert_true(status.ready);
    assert_int_equal(status.nodes_v4, HALF - 1);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_that_never_met),
        cmocka_unit_test(whole_network_at_rest),
        cmocka_unit_test(seeds_not_needed),
        cmocka_unit_test(gone_node_is_confirmed),
        cmocka_unit_test(nodes_that_go_are_noticed_sooner),
        cmocka_unit_test(who_lost_everybody_joins_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
