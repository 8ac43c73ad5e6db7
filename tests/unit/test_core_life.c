/* SPDX-License-Identifier: MIT */
/* Whole nodes against each other: how they join, lose each other and come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
#include "core_net.h"

/* Contacts with and without a key lead into the swarm, and everybody says so once. */
static void test_join(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 8);
    assert_int_equal(net.n_ready, 8);
    for (unsigned i = 0; i < 8; i++) {
        struct kith_status status = net_status(&net, i);
        assert_true(status.ready);
        assert_int_equal(status.nodes_v4, 7);
        assert_true(status.sessions > 0);
    }
    net_deinit(&net);
}

/* Without anybody: a put is kept, everything else says that there is no network. */
static void test_alone(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_init(&net);
    net_add(&net);
    struct kith_query q = net_key_query(KITH_QUERY_LOOKUP, &(struct kith_key){{5}});
    assert_int_equal(net_ask(&net, 0, &q), KITH_ENO_NETWORK);
    struct kith_query put = net_put_query("kept", value);
    assert_int_equal(net_ask(&net, 0, &put), KITH_ENO_NETWORK);
    assert_int_equal(net.n_saved, 1);
    assert_int_equal(net_status(&net, 0).own_records, 1);
    struct kith_query get = net_key_query(KITH_QUERY_GET, &net.nodes[0].key);
    assert_int_equal(net_ask(&net, 0, &get), 0);

    /* Contacts that do not answer: the op waits for joining, but not for ever. */
    struct kith_contact dead = {.endpoint = net_endpoint(30)};
    assert_int_equal(kith_core_add_contact(net.nodes[0].core, &dead, KITH_CONTACT_PEER, net.now),
                     0);
    uint64_t before = net.now;
    assert_int_equal(net_ask(&net, 0, &q), KITH_ENO_NETWORK);
    assert_true(net.now - before <= 11 * KITH_NS_PER_S);

    /* What was kept is published when somebody comes. */
    net_join(&net, net_add(&net), 0, false);
    net_run(&net, 130 * KITH_NS_PER_S);
    net.nodes[0].dead = true;
    assert_int_equal(net_ask(&net, 1, &get), 0);
    net_deinit(&net);
}

/* An op started before joining begins with the first live contact. */
static void test_ask_before_joined(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 6);
    unsigned late = net_add(&net);
    net_join(&net, late, 3, false);
    struct kith_query q = net_key_query(KITH_QUERY_LOOKUP, &net.nodes[5].key);
    uint64_t before = net.now;
    assert_int_equal(net_ask(&net, late, &q), 0);
    assert_true(net.now - before < KITH_NS_PER_S);
    net_deinit(&net);
}

/* A client asks like anybody but is never in a table, and is not asked to store. */
static void test_client(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 6);
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core_config config = net_config(&net, net.n, seed);
    config.client = true;
    unsigned client = net_add_config(&net, &config);
    net_join(&net, client, 0, false);
    struct kith_query q = net_key_query(KITH_QUERY_LOOKUP, &net.nodes[5].key);
    assert_int_equal(net_ask(&net, client, &q), 0);
    uint8_t value[KITH_VALUE_MAX];
    struct kith_query put = net_put_query("by a client", value);
    assert_int_equal(net_ask(&net, client, &put), 0);
    net_run(&net, 60 * KITH_NS_PER_S);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(net_status(&net, i).nodes_v4, 5);
    }
    net_deinit(&net);
}

/* Contacts that lead nowhere are refused by name. */
static void test_bad_contacts(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    struct kith_core *core = net.nodes[0].core;
    struct kith_contact c = {.endpoint = net_endpoint(3)};
    c.endpoint.port = 0;
    assert_int_equal(kith_core_add_contact(core, &c, KITH_CONTACT_PEER, net.now), KITH_EINVALID);
    c.endpoint = kith_test_endpoint("224.0.0.1:7700");
    assert_int_equal(kith_core_add_contact(core, &c, KITH_CONTACT_PEER, net.now), KITH_EINVALID);
    c.endpoint = kith_test_endpoint("0.0.0.0:7700");
    assert_int_equal(kith_core_add_contact(core, &c, KITH_CONTACT_PEER, net.now), KITH_EINVALID);
    c.endpoint = net.nodes[0].endpoint; /* ourselves */
    assert_int_equal(kith_core_add_contact(core, &c, KITH_CONTACT_PEER, net.now), KITH_EINVALID);
    c = (struct kith_contact){
        .has_key = true, .key = net.nodes[0].key, .endpoint = net_endpoint(5)};
    assert_int_equal(kith_core_add_contact(core, &c, KITH_CONTACT_PEER, net.now), KITH_EINVALID);
    for (unsigned i = 0; i < 512; i++) {
        c = (struct kith_contact){
            .endpoint = {.family = 4, .port = 1, .ip = {30, 1, (uint8_t)(i >> 8), (uint8_t)i}}};
        assert_int_equal(kith_core_add_contact(core, &c, KITH_CONTACT_SEED, net.now), 0);
    }
    c.endpoint.ip[0] = 31;
    assert_int_equal(kith_core_add_contact(core, &c, KITH_CONTACT_SEED, net.now), KITH_EFULL);
    net_deinit(&net);
}

/* Nodes of another network, or without the network's secret, never get in. */
static void test_networks_do_not_mix(void **state) {
    (void)state;
    struct net net;
    static const uint8_t secret[32] = {42};
    for (int round = 0; round < 2; round++) {
        net_swarm(&net, 4);
        uint8_t seed[KITH_SEED_SIZE];
        struct kith_core_config config = net_config(&net, net.n, seed);
        if (round == 0) {
            config.network = "other";
        } else {
            config.network_secret = secret;
        }
        unsigned stranger = net_add_config(&net, &config);
        net_join(&net, stranger, 0, true);
        net_run(&net, 20 * KITH_NS_PER_S);
        assert_false(net_status(&net, stranger).ready);
        assert_int_equal(net_status(&net, stranger).nodes_v4, 0);
        assert_int_equal(net_status(&net, 0).nodes_v4, 3);
        assert_true(kith_core_stats(net.nodes[0].core)->drop_handshake > 0);
        net_deinit(&net);
    }
}

/* All contacts lost: said so, and joined again when they are back. */
static void test_loss_and_return(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 3);
    net.nodes[0].dead = true;
    net.nodes[1].dead = true;
    net_run(&net, 300 * KITH_NS_PER_S);
    assert_false(net_status(&net, 2).ready);
    net.nodes[0].dead = false;
    net.nodes[1].dead = false;
    net_run(&net, 120 * KITH_NS_PER_S);
    assert_true(net_status(&net, 2).ready);
    assert_true(net.n_ready >= 4);
    net_deinit(&net);
}

/* Drops what goes to the endpoint and counts it. */
static struct kith_endpoint dropped_at;
static unsigned n_dropped;

static bool drop_at(struct net *net, struct net_packet *packet) {
    (void)net;
    bool is_there = kith_endpoint_equal(&packet->to, &dropped_at);
    n_dropped += is_there;
    return !is_there;
}

/* A dead contact is asked for ever, until it is taken back. */
static void test_remove_contact(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    dropped_at = net_endpoint(40);
    n_dropped = 0;
    net.hook = drop_at;
    struct kith_contact dead = {.endpoint = dropped_at};
    struct kith_core *core = net.nodes[0].core;
    kith_core_remove_contact(core, &dead.endpoint); /* not known yet */
    assert_int_equal(kith_core_add_contact(core, &dead, KITH_CONTACT_SEED, net.now), 0);
    net_run(&net, 600 * KITH_NS_PER_S);
    unsigned asked = n_dropped;
    net_run(&net, 600 * KITH_NS_PER_S);
    assert_true(n_dropped > asked);
    kith_core_remove_contact(core, &dead.endpoint);
    net_run(&net, 10 * KITH_NS_PER_S); /* what was under way */
    asked = n_dropped;
    net_run(&net, 600 * KITH_NS_PER_S);
    assert_int_equal(n_dropped, asked);
    net_deinit(&net);
}

/* A node that restarts with the same key and no memory is found again. */
static void test_restart(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 6);
    net.nodes[3].core = kith_core_free(net.nodes[3].core);
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core_config config = net_config(&net, 3, seed);
    config.random = kith_test_random(net.nodes[3].random, 4711);
    assert_int_equal(kith_core_new(&net.nodes[3].core, &config, net.now), 0);
    kith_core_set_bound(net.nodes[3].core, &net.nodes[3].endpoint, 1, net.now);
    net_join(&net, 3, 0, true);
    net_run(&net, 20 * KITH_NS_PER_S);
    struct kith_query q = net_key_query(KITH_QUERY_PING, &net.nodes[3].key);
    assert_int_equal(net_ask(&net, 5, &q), 0);
    net_deinit(&net);
}

struct saved_count {
    unsigned n;
    unsigned own;
};

static int count_record(const struct kith_record_info *info, void *user) {
    struct saved_count *count = user;
    count->n++;
    count->own += info->own;
    return 0;
}

/* What came from the disk is served again; what was tampered with there is not. */
static void test_restore(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 4);
    struct kith_query put = net_put_query("precious", value);
    assert_int_equal(net_ask(&net, 1, &put), 0);
    struct kith_record record = net.saved;
    unsigned fresh = net_add(&net);
    struct kith_core *core = net.nodes[fresh].core;
    struct kith_core_saved saved = {.record = &record, .lifetime_ns = 3600 * KITH_NS_PER_S};
    assert_int_equal(kith_core_restore(core, &saved, net.now), 0);
    saved.own = true;
    assert_int_equal(kith_core_restore(core, &saved, net.now), 0);
    struct saved_count count = {0};
    kith_core_each_record(core, net.now, count_record, &count);
    assert_int_equal(count.n, 2);
    assert_int_equal(count.own, 1);
    record.value[3] ^= 1;
    assert_int_equal(kith_core_restore(core, &saved, net.now), KITH_EVERIFY);
    net_deinit(&net);
}

/* The op limit is told, and ops end when they are canceled. */
/* Topics and talk are kith's own, info-hashes are Mainline's. */
static void test_wrong_swarm(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    struct kith_query q = {.kind = KITH_QUERY_FIND,
                           .flags = KITH_FLAG_HAS_POINT,
                           .swarms = KITH_SWARM_MAINLINE,
                           .point = {{5}}};
    assert_int_equal(net_ask(&net, 0, &q), KITH_EINVALID);
    q.kind = KITH_QUERY_ANNOUNCE;
    assert_int_equal(net_ask(&net, 0, &q), KITH_EINVALID);
    q.kind = KITH_QUERY_PEERS;
    q.swarms = KITH_SWARM_KITH;
    assert_int_equal(net_ask(&net, 0, &q), KITH_EINVALID);
    q.swarms = 1u << 7;
    assert_int_equal(net_ask(&net, 0, &q), KITH_EINVALID);
    net_deinit(&net);
}

static void test_op_limit(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core_config config = net_config(&net, 0, seed);
    config.limits.ops = 3;
    net_add_config(&net, &config);
    struct kith_contact dead = {.endpoint = net_endpoint(30)};
    assert_int_equal(kith_core_add_contact(net.nodes[0].core, &dead, KITH_CONTACT_PEER, net.now),
                     0);
    struct kith_query q = net_key_query(KITH_QUERY_LOOKUP, &(struct kith_key){{7}});
    uint64_t op[4];
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(kith_core_start(net.nodes[0].core, &q, net.now, &op[i]), 0);
    }
    assert_int_equal(kith_core_start(net.nodes[0].core, &q, net.now, &op[3]), KITH_EFULL);
    net.seen = (struct net_seen){.op = op[1]};
    kith_core_cancel(net.nodes[0].core, op[1], net.now);
    net_drain(&net, 0);
    assert_int_equal(net.seen.result.status, KITH_ECANCELED);
    assert_int_equal(kith_core_start(net.nodes[0].core, &q, net.now, &op[3]), 0);
    net_deinit(&net);
}

static void test_bad_config(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core *core = NULL;
    struct kith_core_config config = net_config(&net, 0, seed);
    config.network = "";
    assert_int_equal(kith_core_new(&core, &config, net.now), KITH_EINVALID);
    config.network = "a name of a network that is longer than forty-eight bytes";
    assert_int_equal(kith_core_new(&core, &config, net.now), KITH_EINVALID);
    config = net_config(&net, 0, seed);
    config.has_v4 = false;
    assert_int_equal(kith_core_new(&core, &config, net.now), KITH_EINVALID);
    config = net_config(&net, 0, seed);
    config.capabilities = (const uint8_t *)"\xc1";
    config.capabilities_size = 1;
    assert_int_equal(kith_core_new(&core, &config, net.now), KITH_ESYNTAX);
    assert_null(core);
    net_deinit(&net);
}

static int life_of_held(const struct kith_record_info *info, void *user) {
    uint64_t *shortest = user;
    *shortest = !info->own && info->expires_ns < *shortest ? info->expires_ns : *shortest;
    return 0;
}

/* What a node published it publishes again, hour after hour: others hold it for a day from then. */
static void test_own_records_are_put_again(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 2);
    struct kith_query put = net_put_query("mine", value);
    assert_int_equal(net_ask(&net, 0, &put), 0);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t shortest = KITH_NEVER;
        net_run(&net, 2 * 3600 * KITH_NS_PER_S);
        assert_int_equal(kith_core_each_record(net.nodes[1].core, net.now, life_of_held, &shortest),
                         0);
        assert_true(shortest >= 22 * 3600 * KITH_NS_PER_S);
        assert_true(shortest <= 24 * 3600 * KITH_NS_PER_S); /* there is one */
    }
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_ask_before_joined),
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_bad_contacts),
        cmocka_unit_test(test_networks_do_not_mix),
        cmocka_unit_test(test_loss_and_return),
        cmocka_unit_test(test_remove_contact),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_own_records_are_put_again),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_op_limit),
        cmocka_unit_test(test_wrong_swarm),
        cmocka_unit_test(test_bad_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
