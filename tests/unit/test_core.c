/* SPDX-License-Identifier: MIT */
/* Whole nodes against each other: every question and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
#include "core_net.h"

#include "core/base/endpoint.h"
#include "core/core_internal.h"

static void test_lookup(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 8);
    struct kith_query q = net_key_query(KITH_QUERY_LOOKUP, &net.nodes[5].key);
    assert_int_equal(net_ask(&net, 2, &q), 0);
    assert_true(net.seen.has_peer);
    assert_int_equal(net.seen.peer.n_endpoints, 1);
    assert_memory_equal(&net.seen.peer.endpoints[0].ip, net.nodes[5].endpoint.ip, 4);
    assert_int_equal(net.seen.peer.endpoints[0].port, 7700);

    /* An own key is answered from here. */
    q = net_key_query(KITH_QUERY_LOOKUP, &net.nodes[2].key);
    assert_int_equal(net_ask(&net, 2, &q), 0);

    /* Nobody has this key: not found, in bounded time and messages. */
    uint64_t before = net.now;
    struct kith_key nobody = {{1, 2, 3}};
    q = net_key_query(KITH_QUERY_LOOKUP, &nobody);
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
    struct kith_query q = net_key_query(KITH_QUERY_LOOKUP, &net.nodes[late].key);
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
    struct kith_query put = net_put_query("one", value);
    memcpy(put.salt, "s", 1);
    put.salt_size = 1;
    net.n_saved = 0;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    assert_int_equal(net.n_saved, 1); /* on disk before it is told */
    assert_int_equal(net.seen.result.asked, 7);
    assert_true(net.seen.result.acks >= net.seen.result.quorum);
    int64_t first_seq = net.seen.result.seq;

    struct kith_query get = net_key_query(KITH_QUERY_GET, &net.nodes[1].key);
    get.salt[0] = 's';
    get.salt_size = 1;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(net_ask(&net, i, &get), 0);
        assert_int_equal(net.seen.record.seq, first_seq);
        assert_memory_equal(net.seen.record.value, "3:one", 5);
    }
    /* The newest wins everywhere. */
    put.value = value;
    put = net_put_query("two", value);
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

/* Drops the first datagram to node 1, whose number the test waits for. */
static bool drop_first(struct net *net, struct net_packet *packet) {
    unsigned *n = net->hook_context;
    return packet->to.ip[2] != net->nodes[1].endpoint.ip[2] || (*n)++ > 0;
}

/* The only one who has the record hears the question when it is repeated: its answer counts. */
static void test_slow_answer_counts(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    uint8_t seed[KITH_SEED_SIZE];
    unsigned n = 0;
    net_swarm(&net, 2);
    struct kith_query put = net_put_query("value", value);
    assert_int_equal(net_ask(&net, 0, &put), 0);
    struct kith_core_config config = net_config(&net, 2, seed);
    config.client = true; /* nobody stores anything there */
    net_join(&net, net_add_config(&net, &config), 1, true);
    net_run(&net, 30 * KITH_NS_PER_S);
    net.nodes[0].dead = true;
    net.hook = drop_first;
    net.hook_context = &n;
    struct kith_query get = net_key_query(KITH_QUERY_GET, &net.nodes[0].key);
    assert_int_equal(net_ask(&net, 2, &get), 0);
    assert_true(n > 1);
    net.hook = NULL;
    net_deinit(&net);
}

static void test_put_immutable(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 5);
    struct kith_query put = net_put_query("for ever", value);
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
    struct kith_query put = net_put_query("x", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 10;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    assert_int_equal(net.seen.result.seq, 10);

    put = net_put_query("y", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 9; /* older than what is published */
    assert_int_equal(net_ask(&net, 1, &put), KITH_EOUTDATED);
    assert_int_equal(net.seen.result.seq, 10);

    put = net_put_query("w", value); /* same seq, smaller value: loses everywhere */
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 10;
    assert_int_equal(net_ask(&net, 1, &put), KITH_EOUTDATED);

    put = net_put_query("z", value);
    put.flags = KITH_FLAG_HAS_CAS;
    put.cas = 3;
    assert_int_equal(net_ask(&net, 1, &put), KITH_ECAS_MISMATCH);
    assert_int_equal(net.seen.result.seq, 10);
    put.cas = 10;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    struct kith_query get = net_key_query(KITH_QUERY_GET, &net.nodes[1].key);
    get.flags |= KITH_FLAG_NEWEST;
    assert_int_equal(net_ask(&net, 3, &get), 0);
    assert_memory_equal(net.seen.record.value, "1:z", 3);
    net_deinit(&net);
}

static bool lose_of_some(struct net *net, struct net_packet *packet) {
    for (unsigned i = 2; i < 5; i++) {
        if (memcmp(packet->to.ip, net->nodes[i].endpoint.ip, sizeof(packet->to.ip)) == 0) {
            return false;
        }
    }
    return true;
}

/* Nodes that missed the version which is expected take the next one. */
static void test_cas_over_older(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 8);
    struct kith_query put = net_put_query("first", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 10;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    net.hook = lose_of_some;
    put = net_put_query("second", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 20;
    (void)net_ask(&net, 1, &put); /* on the others */
    net.hook = NULL;
    net_run(&net, KITH_NS_PER_S);
    put = net_put_query("third", value);
    put.flags = KITH_FLAG_HAS_CAS;
    put.cas = 20;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    put.cas = 20; /* and only once */
    assert_int_equal(net_ask(&net, 1, &put), KITH_ECAS_MISMATCH);
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
    struct kith_query put = net_put_query("ahead", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 100;
    assert_int_equal(net_ask(&net, 1, &put), 0);
    put = net_put_query("behind", value);
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
    put = net_put_query("x", value);
    memcpy(put.salt, "kith:kith", 9);
    put.salt_size = 9;
    assert_int_equal(net_ask(&net, 1, &put), KITH_EINVALID);
    assert_string_not_equal(net.seen.text, "");
    put.salt_size = KITH_SALT_MAX + 1;
    assert_int_equal(net_ask(&net, 1, &put), KITH_ETOO_LARGE);
    put = net_put_query("x", value);
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
    struct kith_query put = net_put_query("mine", value);
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
    struct kith_query q = net_key_query(KITH_QUERY_PING, &net.nodes[3].key);
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
    q = net_key_query(KITH_QUERY_PING, &net.nodes[1].key);
    assert_int_equal(net_ask(&net, 1, &q), KITH_EINVALID);
    q = net_key_query(KITH_QUERY_PING, &(struct kith_key){{9}});
    assert_int_equal(net_ask(&net, 1, &q), KITH_ENOT_FOUND);
    net_deinit(&net);
}

/* Ourselves by our own address; and questions that leave out what they are about. */
static void test_bad_questions(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 3);
    struct kith_query q = {
        .kind = KITH_QUERY_PING, .n = 1, .contact = {.endpoint = net.nodes[1].endpoint}};
    assert_int_not_equal(net_ask(&net, 1, &q), 0);
    static const struct kith_query bad[] = {
        {.kind = KITH_QUERY_PING, .n = 1},
        {.kind = KITH_QUERY_PING,
         .n = 1,
         .flags = KITH_FLAG_HAS_KEY,
         .swarms = KITH_SWARM_MAINLINE}, /* which has addresses only */
        {.kind = KITH_QUERY_WATCH},
        {.kind = KITH_QUERY_GET},
        {.kind = KITH_QUERY_TRACE},
        {.kind = KITH_QUERY_ANNOUNCE},
        {.kind = KITH_QUERY_UNANNOUNCE},
        {.kind = KITH_QUERY_FIND},
        {.kind = KITH_QUERY_PEERS},
        {.kind = KITH_QUERY_ANNOUNCE_PEER},
        {.kind = KITH_QUERY_PUT},
        {.kind = KITH_QUERY_PUT, .flags = KITH_FLAG_HAS_RECORD},
        {.kind = KITH_QUERY_PUT, .value_size = 1},
        {.kind = KITH_QUERY_TALK, .protocol = "echo"},
        {.kind = KITH_QUERY_TALK, .flags = KITH_FLAG_HAS_KEY},
        {.kind = KITH_QUERY_TALK, .flags = KITH_FLAG_HAS_KEY, .protocol = ""},
        {.kind = KITH_QUERY_FIND, .flags = KITH_FLAG_HAS_POINT, .swarms = 1u << 31},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(net_ask(&net, 1, &bad[i]), KITH_EINVALID);
    }
    static char name[KITH_PROTOCOL_NAME_MAX + 2];
    memset(name, 'x', sizeof(name) - 1);
    q = net_key_query(KITH_QUERY_TALK, &net.nodes[2].key);
    q.protocol = name;
    assert_int_equal(net_ask(&net, 1, &q), KITH_ETOO_LARGE);
    q = net_key_query(KITH_QUERY_PING, &net.nodes[2].key);
    q.n = UINT32_MAX;
    assert_int_equal(net_ask(&net, 1, &q), KITH_EINVALID);
    struct kith_query peers = {.kind = KITH_QUERY_PEERS, .flags = KITH_FLAG_HAS_POINT};
    assert_int_equal(net_ask(&net, 1, &peers), KITH_EUNSUPPORTED);
    assert_string_equal(net.seen.text, "Mainline is off");
    net_deinit(&net);
}

static void test_talk(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 5);
    struct kith_query q = net_key_query(KITH_QUERY_TALK, &net.nodes[3].key);
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
    struct kith_query q = net_key_query(KITH_QUERY_TRACE, &net.nodes[7].key);
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
    struct kith_query watch = net_key_query(KITH_QUERY_WATCH, &net.nodes[2].key);
    net.seen = (struct net_seen){0};
    uint64_t op;
    assert_int_equal(kith_core_start(net.nodes[4].core, &watch, net.now, &op), 0);
    for (unsigned i = 1; i <= 3; i++) {
        char text[2] = {(char)('0' + i), 0};
        struct kith_query put = net_put_query(text, value);
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

/* A peer that is in no table any more, and whose record this node holds itself. */
static void test_ping_by_held_record(void **state) {
    (void)state;
    struct net net;
    struct kith_point id;
    net_swarm(&net, 6);
    kith_point_of_node(&net.nodes[3].key, &id);
    struct kith_query q = net_key_query(KITH_QUERY_PING, &net.nodes[3].key);
    kith_routing_remove(net.nodes[1].core->swarm.v4, &id);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_true(net.seen.result.contact.has_key);
    q.kind = KITH_QUERY_TALK;
    q.protocol = "echo";
    kith_routing_remove(net.nodes[1].core->swarm.v4, &id);
    assert_int_equal(kith_core_talk_handle(net.nodes[3].core, "echo", true), 0);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    net_deinit(&net);
}

/* A peer whose record names an endpoint first that does not reach us, and then one that does. */
static void test_ping_second_endpoint(void **state) {
    (void)state;
    struct net net;
    struct kith_point id;
    net_swarm(&net, 6);
    struct kith_endpoint bound[] = {net_endpoint(40), net.nodes[3].endpoint};
    kith_core_set_bound(net.nodes[3].core, bound, 2, net.now);
    net_run(&net, 20 * KITH_NS_PER_S);
    struct kith_query q = net_key_query(KITH_QUERY_LOOKUP, &net.nodes[3].key);
    kith_point_of_node(&net.nodes[3].key, &id);
    kith_routing_remove(net.nodes[1].core->swarm.v4, &id);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_int_equal(net.seen.peer.n_endpoints, 2);
    kith_routing_remove(net.nodes[1].core->swarm.v4, &id);
    q.kind = KITH_QUERY_PING;
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_true(kith_endpoint_equal(&net.seen.result.contact.endpoint, &bound[1]));
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_lookup_without_record),
        cmocka_unit_test(test_put_get),
        cmocka_unit_test(test_slow_answer_counts),
        cmocka_unit_test(test_put_immutable),
        cmocka_unit_test(test_put_conflicts),
        cmocka_unit_test(test_cas_over_older),
        cmocka_unit_test(test_put_behind_another_device),
        cmocka_unit_test(test_put_refusals),
        cmocka_unit_test(test_put_foreign_record),
        cmocka_unit_test(test_topic),
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_bad_questions),
        cmocka_unit_test(test_talk),
        cmocka_unit_test(test_ping_by_held_record),
        cmocka_unit_test(test_ping_second_endpoint),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
