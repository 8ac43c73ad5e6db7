/* SPDX-License-Identifier: MIT */
/*
 * What implementations of Mainline stumble over in each other: one test for each of the eleven
 * rules that follow from reading them, on whole nodes, by what is on the wire.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mainline_net.h"

#include "core/base/bencode.h"
#include "krpc_packet.h"

#define PING "d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:y1:qe"
#define GET_PEERS "d1:ad2:id20:" ID_A "9:info_hash20:" ID_B "e1:q9:get_peers1:t2:aa1:y1:qe"

/* ---- looking at everything that is sent ---- */

static struct {
    void (*look)(const struct net_packet *packet);
    unsigned n; /* of interest */
} sent;

static bool look_at(struct net *net, struct net_packet *packet) {
    if (packet->bytes[0] == 'd') {
        sent.look(packet);
    }
    return true;
}

static void watch(struct net *net, void (*look)(const struct net_packet *packet)) {
    sent.look = look;
    sent.n = 0;
    net->hook = look_at;
}

static bool says(const struct net_packet *packet, const char *text) {
    return contains(packet->bytes, packet->size, text);
}

/* Joining, items of both kinds, peers, samples: every kind of message. */
static void all_kinds(struct net *net) {
    uint8_t value[KITH_VALUE_MAX];
    struct kith_query q = put_query("a value", KITH_SWARM_MAINLINE, value);
    struct kith_query peers = {
        .kind = KITH_QUERY_ANNOUNCE_PEER, .flags = KITH_FLAG_HAS_POINT, .point = {{7}}};
    struct kith_query sample = {.kind = KITH_QUERY_SAMPLE};
    memcpy(q.salt, "sa", 2);
    q.salt_size = 2;
    assert_int_equal(net_ask(net, 3, &q), 0);
    struct kith_query get = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = net->nodes[3].key};
    memcpy(get.salt, "sa", 2);
    get.salt_size = 2;
    assert_int_equal(net_ask(net, 4, &get), 0);
    q = put_query("a value", KITH_SWARM_MAINLINE, value);
    q.flags = KITH_FLAG_IMMUTABLE;
    assert_int_equal(net_ask(net, 5, &q), 0);
    assert_int_equal(net_ask(net, 6, &peers), 0);
    peers.kind = KITH_QUERY_PEERS;
    assert_int_equal(net_ask(net, 7, &peers), 0);
    assert_int_equal(net_ask(net, 8, &sample), 0);
}

/* ---- the rules ---- */

/* Some can read questions only whose "t" and "v" have four bytes; "t" must be hard to guess, and
 * that of others comes back as it was, up to 20 bytes at least. */
static uint8_t last_txn[4];

static void check_txn(const struct net_packet *packet) {
    const uint8_t *t = memmem(packet->bytes, packet->size, "1:t4:", 5);
    if (says(packet, "1:y1:q")) {
        assert_non_null(t);
        assert_true(says(packet, "1:v4:KI"));
        sent.n += memcmp(last_txn, t + 5, 3) != 0;
        memcpy(last_txn, t + 5, 4);
    }
}

static void test_trap_1_transaction_ids(void **state) {
    (void)state;
    struct net net;
    uint8_t answer[KITH_WIRE_MAX];
    net_init(&net);
    add_node(&net, "a");
    watch(&net, check_txn);
    add_node(&net, "b");
    join_mainline(&net, 1, 0);
    net_run(&net, 60 * KITH_NS_PER_S);
    assert_true(sent.n > 10); /* no two in a row alike */
    static const char *const ids[] = {
        "0:", "1:a", "2:aa", "8:abcdefgh", "16:abcdefghijklmnop", "20:abcdefghijklmnopqrst"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char query[128];
        char expected[64];
        snprintf(query, sizeof(query), "d1:ad2:id20:" ID_A "e1:q4:ping1:t%s1:y1:qe", ids[i]);
        snprintf(expected, sizeof(expected), "1:t%s1:v", ids[i]);
        size_t size = ask_text(&net, &stranger, query, answer);
        assert_true(size > 0 && contains(answer, size, expected));
        assert_true(contains(answer, size, "2:ip6:")); /* BEP 42 */
    }
    net_deinit(&net);
}

/* Some store only with "target" among the arguments of a put. */
static void check_target(const struct net_packet *packet) {
    if (says(packet, "1:q3:put")) {
        assert_true(says(packet, "6:target20:"));
        sent.n++;
    }
}

static void test_trap_2_put_carries_target(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 12);
    watch(&net, check_target);
    all_kinds(&net);
    assert_true(sent.n >= 16);
    net_deinit(&net);
}

/* Some answer find_node and get with nodes near another point than was asked for. They are asked,
 * and nobody is thought less of for it. */
static void test_trap_3_nodes_near_elsewhere(void **state) {
    (void)state;
    struct net net;
    uint8_t answer[KITH_WIRE_MAX];
    struct kith_datagram d;
    struct packet reply = {0};
    unsigned n_asked = 0;
    net_init(&net);
    add_node(&net, "kith");
    struct kith_core *core = net.nodes[0].core;
    struct kith_endpoint there = {.family = 4, .port = 5000, .ip = {88, 1, 2, 3}};
    assert_int_equal(kith_core_mainline_add(core, &there, KITH_CONTACT_ROUTER, net.now), 0);
    kith_core_tick(core, net.now);
    assert_true(kith_core_next_datagram(core, &d));
    const uint8_t *t = memmem(d.bytes, d.size, "1:t4:", 5);
    add(&reply, "d1:rd2:id20:" ID_B "5:nodes208:");
    for (uint8_t i = 0; i < 8; i++) {
        uint8_t node[26] = {[19] = i, [20] = 89, [21] = i, [22] = 1, [23] = 1, [24] = 1};
        add_bytes(&reply, node, sizeof(node));
    }
    add(&reply, "e1:t4:");
    add_bytes(&reply, t + 5, 4);
    add(&reply, "1:y1:re");
    kith_core_receive(core, &there, reply.bytes, reply.size, net.now);
    for (unsigned s = 0; s < 10; s++) {
        net.now += KITH_NS_PER_S;
        kith_core_tick(core, net.now);
        while (kith_core_next_datagram(core, &d)) {
            n_asked |= d.to.ip[0] == 89 ? 1u << d.to.ip[1] : 0;
        }
    }
    assert_int_equal(n_asked, 0xff);
    assert_int_equal(kith_core_stats(core)->bad_contacts, 0);
    assert_int_equal(kith_core_stats(core)->drop_malformed, 0);
    assert_true(ask_text(&net, &there, PING, answer) > 0);
    net_deinit(&net);
}

/* Some take no put without "seq", so an immutable one has one, and no key. */
static void check_seq(const struct net_packet *packet) {
    if (says(packet, "1:q3:put") && !says(packet, "1:k32:")) {
        assert_true(says(packet, "3:seqi0e"));
        sent.n++;
    }
}

static void test_trap_4_immutable_put_carries_seq(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 12);
    watch(&net, check_seq);
    all_kinds(&net);
    assert_true(sent.n >= 8);
    net_deinit(&net);
}

/* Some search for "1:y1:r" and the like instead of parsing: sorted keys, tokens of at most 32
 * bytes, "t" of at most 16, at most 16 nodes of a family. */
static void check_plain_shape(const struct net_packet *packet) {
    size_t size;
    struct kith_message m;
    assert_int_equal(kith_bencode_skip(kith_span(packet->bytes, packet->size), &size), 0);
    assert_int_equal(size, packet->size); /* strict: sorted */
    assert_int_equal(decode_bytes(packet->bytes, packet->size, &m), 0);
    assert_true(m.txn.size <= 16);
    if (m.kind == KITH_MESSAGE_RESPONSE) {
        assert_true(m.u.response.token.size <= 32);
        assert_true(m.u.response.n_contacts <= 16);
    }
    sent.n++;
}

static void test_trap_5_plain_shape(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 24);
    watch(&net, check_plain_shape);
    all_kinds(&net);
    assert_true(sent.n > 100);
    net_deinit(&net);
}

/* Routers answer with 16 nodes, some with 20, in no order: all are read. */
static void test_trap_6_replies_of_20_nodes(void **state) {
    (void)state;
    struct packet fields = {0};
    struct kith_message m;
    add(&fields, "5:nodes520:");
    for (uint8_t i = 0; i < 20; i++) {
        uint8_t node[26] = {(uint8_t)(200 - 7 * i), [20] = 89, [21] = i, [24] = 1};
        add_bytes(&fields, node, sizeof(node));
    }
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.n_contacts, 20);
    for (uint8_t i = 0; i < 20; i++) {
        assert_int_equal(m.u.response.contacts[i].id.bytes[0], 200 - 7 * i);
    }
}

/* libtorrent takes only dictionaries of more than 20 bytes, ten deep and 500 tokens at most, with
 * nothing behind them; and answers a negative "seq" with 203, as we do. */
static unsigned depth_of(struct kith_span bytes) {
    struct kith_bencode_value value;
    unsigned deepest = 0;
    while (kith_bencode_next(&bytes, &value)) {
        bool nested = value.type == KITH_BENCODE_DICT || value.type == KITH_BENCODE_LIST;
        unsigned depth = nested ? 1 + depth_of(value.body) : 0;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

static void check_limits(const struct net_packet *packet) {
    struct kith_bencode_value whole;
    struct kith_span bytes = kith_span(packet->bytes, packet->size);
    assert_true(packet->size > 20);
    assert_int_equal(kith_bencode_read(bytes, 500, &whole), 0);
    assert_int_equal(whole.type, KITH_BENCODE_DICT);
    assert_true(depth_of(bytes) <= 10);
    sent.n++;
}

static void test_trap_7_limits_of_a_datagram(void **state) {
    (void)state;
    struct net net;
    uint8_t answer[KITH_WIRE_MAX];
    char put[400];
    mainline(&net, 24);
    watch(&net, check_limits);
    all_kinds(&net);
    assert_true(sent.n > 100);
    snprintf(put, sizeof(put),
             "d1:ad2:id20:" ID_A "1:k32:%032u3:seqi-1e3:sig64:%064u5:token1:x1:v1:xe1:q3:put1:t2:aa"
             "1:y1:qe",
             0, 0);
    size_t size = ask_text(&net, &stranger, put, answer);
    assert_true(contains(answer, size, "i203e"));
    net_deinit(&net);
}

/* A token is good for the target it was asked for, from the address it was given to; the port may
 * change. */
static void test_trap_8_tokens_are_bound(void **state) {
    (void)state;
    struct net net;
    uint8_t answer[KITH_WIRE_MAX];
    net_init(&net);
    add_node(&net, "kith");
    size_t size = ask_text(&net, &stranger, GET_PEERS, answer);
    const uint8_t *token = memmem(answer, size, "5:token8:", 9);
    assert_non_null(token);
    struct kith_endpoint other_port = stranger;
    struct kith_endpoint other = stranger;
    other_port.port++;
    other.ip[3] = 9;
    struct {
        const struct kith_endpoint *from;
        const char *hash;
        const char *expected;
    } tries[] = {
        {&stranger, ID_B, "1:y1:r"},
        {&stranger, ID_A, "i203e"},
        {&other_port, ID_B, "1:y1:r"},
        {&other, ID_B, "i203e"},
    };
    uint8_t kept[8];
    memcpy(kept, token + 9, sizeof(kept));
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        struct packet announce = {0};
        add(&announce, "d1:ad2:id20:" ID_A "9:info_hash20:");
        add(&announce, tries[i].hash);
        add(&announce, "4:porti6881e5:token");
        add_string(&announce, kept, sizeof(kept));
        add(&announce, "e1:q13:announce_peer1:t2:aa1:y1:qe");
        size = ask_raw(&net, tries[i].from, announce.bytes, announce.size, answer);
        assert_true(contains(answer, size, tries[i].expected));
    }
    net_deinit(&net);
}

/* Some refuse the seq that they hold already with 302 (webtorrent): no failure of a republication.
 */
static bool refuse_same_seq(struct net *net, struct net_packet *packet) {
    const uint8_t *t = memmem(packet->bytes, packet->size, "1:t4:", 5);
    if (packet->bytes[0] == 'd' && says(packet, "1:q3:put") && t != NULL) {
        struct packet error = {0};
        struct net_packet answer = {.from = packet->to, .to = packet->from, .at = net->now};
        add(&error, "d1:eli302e4:oldse1:t4:");
        add_bytes(&error, t + 5, 4);
        add(&error, "1:y1:ee");
        answer.size = error.size;
        memcpy(answer.bytes, error.bytes, error.size);
        net->queue[net->tail++ % NET_QUEUE] = answer;
        sent.n++;
        return false;
    }
    return true;
}

static void test_trap_9_same_seq_again(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    mainline(&net, 12);
    struct kith_query q = put_query("again", KITH_SWARM_MAINLINE, value);
    assert_int_equal(net_ask(&net, 3, &q), 0);
    struct kith_record record = net.seen.record;
    struct kith_query again = {.kind = KITH_QUERY_PUT,
                               .flags = KITH_FLAG_HAS_RECORD | KITH_FLAG_FORGET,
                               .swarms = KITH_SWARM_MAINLINE,
                               .record = &record};
    assert_int_equal(net_ask(&net, 9, &again), 0); /* we take the same again, and renew it */
    sent.n = 0;
    net.hook = refuse_same_seq;
    assert_int_equal(net_ask(&net, 9, &again), 0);
    assert_true(sent.n >= 8);
    assert_true(net.seen.result.acks >= net.seen.result.quorum);
    net_deinit(&net);
}

/* Some drop answers with "ro"; salts are not given away; where the value is nodes may be missing.
 */
static void check_answers(const struct net_packet *packet) {
    if (says(packet, "1:y1:r")) {
        assert_false(says(packet, "2:ro"));
        assert_false(says(packet, "4:salt"));
        sent.n++;
    }
}

static bool leave_out_nodes(struct net *net, struct net_packet *packet) {
    uint8_t *nodes = memmem(packet->bytes, packet->size, "5:nodes", 7);
    if (nodes != NULL && says(packet, "1:v7:a value")) {
        memcpy(nodes, "5:nodez", 7); /* the same length under a name of nobody */
        sent.n++;
    }
    return true;
}

static void test_trap_10_answers(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 12);
    watch(&net, check_answers);
    unsigned fresh = add_node(&net, "fresh"); /* is read-only at first, and asked meanwhile */
    join_mainline(&net, fresh, 0);
    all_kinds(&net);
    assert_true(sent.n > 50);
    sent.n = 0;
    net.hook = leave_out_nodes;
    struct kith_query get = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[3].key};
    memcpy(get.salt, "sa", 2);
    get.salt_size = 2;
    assert_int_equal(net_ask(&net, 9, &get), 0);
    assert_true(sent.n > 0);
    net_deinit(&net);
}

/* Half of all contacts never answer: of eight holders some are left, and they are found. */
static void test_trap_11_silence_is_routine(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    mainline(&net, 32);
    struct kith_query q = put_query("still here", KITH_SWARM_MAINLINE, value);
    assert_int_equal(net_ask(&net, 3, &q), 0);
    for (unsigned i = 4; i < 32; i += 2) {
        net.nodes[i].dead = true;
    }
    struct kith_query get = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[3].key};
    for (unsigned i = 5; i < 32; i += 2) {
        assert_int_equal(net_ask(&net, i, &get), 0);
        assert_true(net.seen.result.walk.total_ns < 5 * KITH_NS_PER_S);
    }
    assert_int_equal(net_ask(&net, 5, &q), 0); /* what nobody answers is stored on the next */
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trap_1_transaction_ids),
        cmocka_unit_test(test_trap_2_put_carries_target),
        cmocka_unit_test(test_trap_3_nodes_near_elsewhere),
        cmocka_unit_test(test_trap_4_immutable_put_carries_seq),
        cmocka_unit_test(test_trap_5_plain_shape),
        cmocka_unit_test(test_trap_6_replies_of_20_nodes),
        cmocka_unit_test(test_trap_7_limits_of_a_datagram),
        cmocka_unit_test(test_trap_8_tokens_are_bound),
        cmocka_unit_test(test_trap_9_same_seq_again),
        cmocka_unit_test(test_trap_10_answers),
        cmocka_unit_test(test_trap_11_silence_is_routine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
