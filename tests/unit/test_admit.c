/* SPDX-License-Identifier: MIT */
/* Admission: when a newcomer that has to wait makes us ask whoever was silent for longest, and what
 * who asks us can make up for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core/swarm/swarm_internal.h"
#include "core_net.h"

enum {
    K = 20,
    BURST = 16,       /* doubted at once */
    DOUBT_S = 600,    /* of silence, where nobody is known to go */
    FAR = 200,        /* many more than fill a bucket */
    RTT = 1000 * 1000 /* ns */
};

static struct net net;
static struct kith_swarm *swarm; /* of node 0, which is alone: those it knows are made up */
static struct kith_node_ref far[FAR];
static struct kith_node_ref near[K]; /* so that the far ones are no neighbours */
static unsigned n_asked;
static struct kith_endpoint asked[FAR];

static bool on_packet(struct net *n, struct net_packet *packet) {
    if (packet->to.ip[0] == n->nodes[0].endpoint.ip[0]) {
        return true; /* a real one */
    }
    bool again = n_asked > 0 && kith_endpoint_equal(&asked[n_asked - 1], &packet->to);
    if (!again) {
        assert_true(n_asked < FAR);
        asked[n_asked++] = packet->to;
    }
    return false;
}

/* Real keys, each in a /16 of its own: of the half of the ids where we are, or of the other. */
static void make(struct kith_node_ref *nodes, unsigned n, bool are_near) {
    uint8_t seed[crypto_sign_SEEDBYTES] = {0};
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    for (unsigned i = 0; i < n;) {
        sodium_increment(seed, sizeof(seed));
        nodes[i] = (struct kith_node_ref){.has_key = true};
        assert_int_equal(crypto_sign_seed_keypair(nodes[i].key.bytes, secret, seed), 0);
        kith_point_of_node(&nodes[i].key, &nodes[i].id);
        nodes[i].endpoint = (struct kith_endpoint){
            .family = 4, .port = 7700, .ip = {are_near ? 40 : 30, (uint8_t)(1 + i), 1, 1}};
        i += (kith_point_common_bits(&nodes[i].id, &swarm->own_id) > 0) == are_near;
    }
}

static void answers(const struct kith_node_ref *node) {
    kith_swarm_refresh_entry(swarm, node, true, RTT, net.now);
    net_drain(&net, 0);
}

static bool is_in_table(unsigned i) {
    return kith_swarm_find(swarm, &far[i].id) != NULL;
}

static void begin_alone(void) {
    net_init(&net);
    net_add(&net);
    swarm = &net.nodes[0].core->swarm;
    make(far, FAR, false);
    make(near, K, true);
    net.hook = on_packet;
    n_asked = 0;
}

/* A full bucket: the first K have answered, a second apart. */
static void begin(void) {
    begin_alone();
    for (unsigned i = 0; i < K; i++) {
        answers(&near[i]);
    }
    for (unsigned i = 0; i < K; i++) {
        answers(&far[i]);
        net.now += KITH_NS_PER_S;
    }
    assert_int_equal(kith_swarm_count_live(swarm), 2 * K);
    assert_int_equal(n_asked, 0);
}

static void test_newcomer_has_the_silent_asked(void **state) {
    (void)state;
    begin();
    net.now += (DOUBT_S - K - 1) * KITH_NS_PER_S;
    answers(&far[K]); /* everybody was heard of lately */
    assert_false(is_in_table(K));
    assert_int_equal(n_asked, 0);
    net.now += 2 * KITH_NS_PER_S; /* by now the first two were silent for long */
    answers(&far[K + 1]);
    answers(&far[K + 2]);
    assert_int_equal(n_asked, 2);
    assert_true(kith_endpoint_equal(&asked[0], &far[0].endpoint));
    assert_true(kith_endpoint_equal(&asked[1], &far[1].endpoint));
    answers(&far[K + 3]);
    net.now += DOUBT_S * KITH_NS_PER_S;
    answers(&far[3]); /* no newcomer */
    assert_int_equal(n_asked, 2);
    assert_true(is_in_table(0)); /* until it was silent once more */
    net_deinit(&net);
}

static void test_silent_gives_way_to_newcomer(void **state) {
    (void)state;
    begin();
    net.now += DOUBT_S * KITH_NS_PER_S;
    answers(&far[K]);
    assert_int_equal(n_asked, 1);
    net_run(&net, 5 * KITH_NS_PER_S);
    assert_false(is_in_table(0));
    assert_true(is_in_table(K));
    net_deinit(&net);
}

/* However many come, and however long they were silent: what newcomers make us send is bounded. */
static void test_doubting_is_paced(void **state) {
    (void)state;
    begin();
    net.now += 2 * DOUBT_S * KITH_NS_PER_S;
    for (unsigned i = K; i < FAR; i++) {
        answers(&far[i]);
    }
    assert_int_equal(n_asked, BURST);
    net_deinit(&net);
}

/* An initiation, and what came with it, proves the address. */
static void asks(unsigned i) {
    struct kith_delivery delivery = {.kind = KITH_DELIVERY_DATA,
                                     .from = far[i].endpoint,
                                     .key = far[i].key,
                                     .allowance = {.proven = true}};
    kith_swarm_admit_asker(swarm, &delivery, false, net.now);
    net_drain(&net, 0);
}

/* Who asks is asked back, at once. To go on asking makes up for no answer. */
static void test_who_only_asks_is_left_out(void **state) {
    enum { OTHERS = 8, QUIET_S = 10, GONE_S = 60 };
    (void)state;
    net_swarm(&net, 1 + OTHERS); /* who are there: it is not we who hear nothing */
    swarm = &net.nodes[0].core->swarm;
    make(far, 1, false);
    net.hook = on_packet;
    n_asked = 0;
    asks(0);
    assert_true(is_in_table(0));
    assert_int_equal(n_asked, 1);
    for (unsigned second = 0; second < GONE_S; second++) {
        net_run(&net, KITH_NS_PER_S);
        asks(0);
        assert_true(second < QUIET_S || kith_swarm_count_live(swarm) == OTHERS);
    }
    assert_false(is_in_table(0));
    net_run(&net, KITH_SILENT_S * KITH_NS_PER_S);
    asks(0);
    assert_true(is_in_table(0)); /* another try */
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newcomer_has_the_silent_asked),
        cmocka_unit_test(test_silent_gives_way_to_newcomer),
        cmocka_unit_test(test_doubting_is_paced),
        cmocka_unit_test(test_who_only_asks_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
