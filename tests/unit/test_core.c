/* SPDX-License-Identifier: MIT */
/* Whole nodes against each other: every question, every refusal, and hostile datagrams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
#include "core_net.h"

static struct kith_query key_query(enum kith_query_kind kind, const struct kith_key *key) {
    return (struct kith_query){.kind = kind, .flags = KITH_FLAG_HAS_KEY, .key = *key};
}

static struct kith_query put_query(const char *text, uint8_t *value) {
    uint16_t size;
    assert_int_equal(kith_value_wrap(text, strlen(text), value, &size), 0);
    return (struct kith_query){.kind = KITH_QUERY_PUT, .value = value, .value_size = size};
}

static struct kith_status status_of(const struct net *net, unsigned i) {
    struct kith_status status;
    kith_core_status(net->nodes[i].core, net->now, &status);
    return status;
}

/* Contacts with and without a key lead into the swarm, and everybody says so once. */
static void test_join(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 8);
    assert_int_equal(net.n_ready, 8);
    for (unsigned i = 0; i < 8; i++) {
        struct kith_status status = status_of(&net, i);
        assert_true(status.ready);
        assert_int_equal(status.nodes_v4, 7);
        assert_true(status.sessions > 0);
    }
    net_deinit(&net);
}

static void test_lookup(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 8);
    struct kith_query q = key_query(KITH_QUERY_LOOKUP, &net.nodes[5].key);
    assert_int_equal(net_ask(&net, 2, &q), 0);
    assert_true(net.seen.has_peer);
    assert_int_equal(net.seen.peer.n_endpoints, 1);
    assert_memory_equal(&net.seen.peer.endpoints[0].ip, net.nodes[5].endpoint.ip, 4);
    assert_int_equal(net.seen.peer.endpoints[0].port, 7700);

    /* An own key is answered from here. */
    q = key_query(KITH_QUERY_LOOKUP, &net.nodes[2].key);
    assert_int_equal(net_ask(&net, 2, &q), 0);

    /* Nobody has this key: not found, in bounded time and messages. */
    uint64_t before = net.now;
    struct kith_key nobody = {{1, 2, 3}};
    q = key_query(KITH_QUERY_LOOKUP, &nobody);
    assert_int_equal(net_ask(&net, 2, &q), KITH_ENOT_FOUND);
    assert_true(net.now - before < 2 * KITH_NS_PER_S);
    assert_true(net.seen.result.walk.messages <= 16);
    net_deinit(&net);
}

/* A peer whose record nobody holds is still found by walking to its node id. */
static void test_lookup_without_record(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 6);
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core_config config = net_config(&net, net.n, seed);
    unsigned late = net_add_config(&net, &config);
    net_join(&net, late, 0, true);
    net_run(&net, 20 * KITH_NS_PER_MS); /* joined, but its record is not published yet */
    struct kith_query q = key_query(KITH_QUERY_LOOKUP, &net.nodes[late].key);
    assert_int_equal(net_ask(&net, 3, &q), 0);
    assert_int_equal(net.seen.peer.endpoints[0].port, 7700);
    assert_memory_equal(net.seen.peer.endpoints[0].ip, net.nodes[late].endpoint.ip, 4);
    net_deinit(&net);
}

static void test_put_get(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 8);
    struct kith_query put = put_query("one", value);
    memcpy(put.salt, "s", 1);
    put.salt_size = 1;
    net.n_saved = 0;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    assert_int_equal(net.n_saved, 1); /* on disk before it is told */
    assert_int_equal(net.seen.result.asked, 7);
    assert_true(net.seen.result.acks >= net.seen.result.quorum);
    int64_t first_seq = net.seen.result.seq;

    struct kith_query get = key_query(KITH_QUERY_GET, &net.nodes[1].key);
    get.salt[0] = 's';
    get.salt_size = 1;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(net_ask(&net, i, &get), 0);
        assert_int_equal(net.seen.record.seq, first_seq);
        assert_memory_equal(net.seen.record.value, "3:one", 5);
    }
    /* The newest wins everywhere. */
    put.value = value;
    put = put_query("two", value);
    put.salt[0] = 's';
    put.salt_size = 1;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    assert_true(net.seen.result.seq > first_seq);
    get.flags |= KITH_FLAG_NEWEST;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(net_ask(&net, i, &get), 0);
        assert_memory_equal(net.seen.record.value, "3:two", 5);
        assert_true(net.seen.result.holders >= 5);
    }
    net_deinit(&net);
}

static void test_put_immutable(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 5);
    struct kith_query put = put_query("for ever", value);
    put.flags = KITH_FLAG_IMMUTABLE;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    struct kith_query get = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_POINT, .point = net.seen.result.point};
    assert_int_equal(net_ask(&net, 4, &get), 0);
    assert_false(net.seen.record.is_mutable);
    assert_memory_equal(net.seen.record.value, "8:for ever", 10);
    get.point.bytes[0] ^= 1;
    assert_int_equal(net_ask(&net, 4, &get), KITH_ENOT_FOUND);
    net_deinit(&net);
}

static void test_put_conflicts(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 6);
    struct kith_query put = put_query("x", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 10;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    assert_int_equal(net.seen.result.seq, 10);

    put = put_query("y", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 9; /* older than what is published */
    assert_int_equal(net_ask(&net, 1, &put), KITH_EOUTDATED);
    assert_int_equal(net.seen.result.seq, 10);

    put = put_query("w", value); /* same seq, smaller value: loses everywhere */
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 10;
    assert_int_equal(net_ask(&net, 1, &put), KITH_EOUTDATED);

    put = put_query("z", value);
    put.flags = KITH_FLAG_HAS_CAS;
    put.cas = 3;
    assert_int_equal(net_ask(&net, 1, &put), KITH_ECAS_MISMATCH);
    assert_int_equal(net.seen.result.seq, 10);
    put.cas = 10;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    struct kith_query get = key_query(KITH_QUERY_GET, &net.nodes[1].key);
    get.flags |= KITH_FLAG_NEWEST;
    assert_int_equal(net_ask(&net, 3, &get), 0);
    assert_memory_equal(net.seen.record.value, "1:z", 3);
    net_deinit(&net);
}

/* Two nodes with one key (a restored backup): the second learns that it is behind. */
static void test_put_behind_another_device(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 6);
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core_config config = net_config(&net, 1, seed); /* the key of node 1 */
    config.random = kith_test_random(net.nodes[net.n].random, 999);
    unsigned twin = net_add_config(&net, &config);
    net_join(&net, twin, 0, true);
    net_run(&net, 5 * KITH_NS_PER_S);
    struct kith_query put = put_query("ahead", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 100;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    put = put_query("behind", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 50;
    assert_int_equal(net_ask(&net, twin, &put), KITH_EOUTDATED);
    assert_int_equal(net.seen.result.seq, 100);
    net_deinit(&net);
}

static void test_put_refusals(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX + 1] = {0};
    net_swarm(&net, 3);
    struct kith_query put = {
        .kind = KITH_QUERY_PUT, .value = value, .value_size = KITH_VALUE_MAX + 1};
    assert_int_equal(net_ask(&net, 1, &put), KITH_ETOO_LARGE);
    put.value_size = 3;
    memcpy(value, "9:x", 3); /* no bencoded value */
    assert_int_equal(net_ask(&net, 1, &put), KITH_ESYNTAX);
    put = put_query("x", value);
    memcpy(put.salt, "kith:kith", 9);
    put.salt_size = 9;
    assert_int_equal(net_ask(&net, 1, &put), KITH_EINVALID);
    assert_string_not_equal(net.seen.text, "");
    put.salt_size = KITH_SALT_MAX + 1;
    assert_int_equal(net_ask(&net, 1, &put), KITH_ETOO_LARGE);
    put = put_query("x", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = -1;
    assert_int_equal(net_ask(&net, 1, &put), KITH_EINVALID);
    struct kith_query none = {.kind = KITH_QUERY_LOOKUP};
    assert_int_equal(net_ask(&net, 1, &none), KITH_EINVALID);
    none.kind = (enum kith_query_kind)99;
    assert_int_equal(net_ask(&net, 1, &none), KITH_EINVALID);
    net_deinit(&net);
}

/* A record signed elsewhere can be put by anyone; a broken one by nobody. */
static void test_put_foreign_record(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 5);
    struct kith_query put = put_query("mine", value);
    assert_int_equal(net_ask(&net, 1, &put), 0);
    struct kith_record record = net.saved;
    struct kith_query again = {.kind = KITH_QUERY_PUT,
                               .flags = KITH_FLAG_HAS_RECORD | KITH_FLAG_FORGET,
                               .record = &record};
    net.n_saved = 0;
    assert_int_equal(net_ask(&net, 3, &again), 0);
    assert_int_equal(net.n_saved, 0);
    record.signature[5] ^= 1;
    assert_int_equal(net_ask(&net, 3, &again), KITH_EVERIFY);
    net_deinit(&net);
}

static void test_topic(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 8);
    struct kith_query q = {.kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT};
    kith_topic_from_text("chess", &q.point);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(net_ask(&net, i, &q), 0);
        assert_true(net.seen.result.acks >= net.seen.result.quorum);
    }
    struct kith_query find = q;
    find.kind = KITH_QUERY_FIND;
    assert_int_equal(net_ask(&net, 7, &find), 0);
    assert_int_equal(net.seen.n_records, 4);
    assert_int_equal(net.seen.result.found, 4);
    find.n = 2;
    assert_int_equal(net_ask(&net, 6, &find), 0);
    assert_int_equal(net.seen.n_records, 2);
    find.point.bytes[3] ^= 1;
    assert_int_equal(net_ask(&net, 6, &find), KITH_ENOT_FOUND);

    struct kith_query stop = q;
    stop.kind = KITH_QUERY_UNANNOUNCE;
    net.n_forgotten = 0;
    assert_int_equal(net_ask(&net, 0, &stop), 0);
    assert_int_equal(net.n_forgotten, 1);
    assert_int_equal(net_ask(&net, 0, &stop), KITH_ENOT_FOUND);
    net_deinit(&net);
}

static void test_ping(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 5);
    struct kith_query q = key_query(KITH_QUERY_PING, &net.nodes[3].key);
    q.n = 3;
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_int_equal(net.seen.n_pongs, 3);
    assert_int_equal(net.seen.result.acks, 3);

    /* An endpoint whose key is not known is asked for it. */
    q = (struct kith_query){
        .kind = KITH_QUERY_PING, .n = 1, .contact = {.endpoint = net.nodes[2].endpoint}};
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_memory_equal(net.seen.result.contact.key.bytes, net.nodes[2].key.bytes, 32);

    /* Nobody there; a key that does not fit the endpoint; our own. */
    q.contact.endpoint = net_endpoint(40);
    assert_int_equal(net_ask(&net, 1, &q), KITH_ETIMEOUT);
    q.contact = (struct kith_contact){
        .has_key = true, .key = net.nodes[2].key, .endpoint = net.nodes[3].endpoint};
    assert_int_equal(net_ask(&net, 1, &q), KITH_ETIMEOUT);
    q = key_query(KITH_QUERY_PING, &net.nodes[1].key);
    assert_int_equal(net_ask(&net, 1, &q), KITH_EINVALID);
    q = key_query(KITH_QUERY_PING, &(struct kith_key){{9}});
    assert_int_equal(net_ask(&net, 1, &q), KITH_ENOT_FOUND);
    net_deinit(&net);
}

static void test_talk(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 5);
    struct kith_query q = key_query(KITH_QUERY_TALK, &net.nodes[3].key);
    q.protocol = "echo";
    q.value = (const uint8_t *)"hello";
    q.value_size = 5;
    assert_int_equal(net_ask(&net, 1, &q), KITH_EREFUSED); /* no handler yet */
    assert_string_not_equal(net.seen.text, "");
    assert_int_equal(kith_core_talk_handle(net.nodes[3].core, "echo", true), 0);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_int_equal(net.seen.bytes_size, 5);
    assert_memory_equal(net.seen.bytes, "hello", 5);
    q.value = (const uint8_t *)"!no";
    q.value_size = 3;
    assert_int_equal(net_ask(&net, 1, &q), KITH_EREFUSED);
    assert_int_equal(kith_core_talk_handle(net.nodes[3].core, "echo", false), 0);
    assert_int_equal(net_ask(&net, 1, &q), KITH_EREFUSED);
    uint8_t big[KITH_TALK_MAX + 1] = {0};
    q.value = big;
    q.value_size = sizeof(big);
    assert_int_equal(net_ask(&net, 1, &q), KITH_ETOO_LARGE);
    char name[8];
    for (unsigned i = 0; i < 32; i++) {
        snprintf(name, sizeof(name), "p%u", i);
        assert_int_equal(kith_core_talk_handle(net.nodes[0].core, name, true), 0);
    }
    assert_int_equal(kith_core_talk_handle(net.nodes[0].core, "more", true), KITH_EFULL);
    assert_int_equal(kith_core_talk_handle(net.nodes[0].core, "", true), KITH_EINVALID);
    net_deinit(&net);
}

static void test_trace(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 10);
    struct kith_query q = key_query(KITH_QUERY_TRACE, &net.nodes[7].key);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_int_equal(net.seen.result.walk.answered, 9);
    assert_true(net.seen.n_hops >= 18); /* asked and answered, each */
    assert_int_equal(net.seen.result.walk.distance_bits, 0);
    net_deinit(&net);
}

static void test_watch(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 5);
    struct kith_query watch = key_query(KITH_QUERY_WATCH, &net.nodes[2].key);
    net.seen = (struct net_seen){0};
    uint64_t op;
    assert_int_equal(kith_core_start(net.nodes[4].core, &watch, net.now, &op), 0);
    for (unsigned i = 1; i <= 3; i++) {
        char text[2] = {(char)('0' + i), 0};
        struct kith_query put = put_query(text, value);
        assert_int_equal(net_ask(&net, 2, &put), 0);
        net.seen = (struct net_seen){.op = op};
        net_run(&net, 12 * KITH_NS_PER_S);
        assert_int_equal(net.seen.n_records, 1); /* each newer record once */
        assert_int_equal(net.seen.record.value[2], '0' + i);
    }
    kith_core_cancel(net.nodes[4].core, op, net.now);
    net_drain(&net, 4);
    assert_true(net.seen.done);
    assert_int_equal(net.seen.result.status, KITH_ECANCELED);
    net_deinit(&net);
}

/* Without anybody: a put is kept, everything else says that there is no network. */
static void test_alone(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_init(&net);
    net_add(&net);
    struct kith_query q = key_query(KITH_QUERY_LOOKUP, &(struct kith_key){{5}});
    assert_int_equal(net_ask(&net, 0, &q), KITH_ENO_NETWORK);
    struct kith_query put = put_query("kept", value);
    assert_int_equal(net_ask(&net, 0, &put), KITH_ENO_NETWORK);
    assert_int_equal(net.n_saved, 1);
    assert_int_equal(status_of(&net, 0).own_records, 1);
    struct kith_query get = key_query(KITH_QUERY_GET, &net.nodes[0].key);
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
    struct kith_query q = key_query(KITH_QUERY_LOOKUP, &net.nodes[5].key);
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
    struct kith_query q = key_query(KITH_QUERY_LOOKUP, &net.nodes[5].key);
    assert_int_equal(net_ask(&net, client, &q), 0);
    uint8_t value[KITH_VALUE_MAX];
    struct kith_query put = put_query("by a client", value);
    assert_int_equal(net_ask(&net, client, &put), 0);
    net_run(&net, 60 * KITH_NS_PER_S);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(status_of(&net, i).nodes_v4, 5);
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
        assert_false(status_of(&net, stranger).ready);
        assert_int_equal(status_of(&net, stranger).nodes_v4, 0);
        assert_int_equal(status_of(&net, 0).nodes_v4, 3);
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
    assert_false(status_of(&net, 2).ready);
    net.nodes[0].dead = false;
    net.nodes[1].dead = false;
    net_run(&net, 120 * KITH_NS_PER_S);
    assert_true(status_of(&net, 2).ready);
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
    struct kith_query q = key_query(KITH_QUERY_PING, &net.nodes[3].key);
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
    struct kith_query put = put_query("precious", value);
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
    struct kith_query q = key_query(KITH_QUERY_LOOKUP, &(struct kith_key){{7}});
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_lookup_without_record),
        cmocka_unit_test(test_put_get),
        cmocka_unit_test(test_put_immutable),
        cmocka_unit_test(test_put_conflicts),
        cmocka_unit_test(test_put_behind_another_device),
        cmocka_unit_test(test_put_refusals),
        cmocka_unit_test(test_put_foreign_record),
        cmocka_unit_test(test_topic),
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_talk),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_ask_before_joined),
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_bad_contacts),
        cmocka_unit_test(test_networks_do_not_mix),
        cmocka_unit_test(test_loss_and_return),
        cmocka_unit_test(test_remove_contact),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_op_limit),
        cmocka_unit_test(test_wrong_swarm),
        cmocka_unit_test(test_bad_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
