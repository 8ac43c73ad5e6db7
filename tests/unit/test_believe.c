/* SPDX-License-Identifier: MIT */
/*
 * What a node believes, and of whom: records that do not belong where they were asked for or do not
 * verify, answers of somebody else or from elsewhere, askers that proved nothing. Each message is
 * made by hand, or by a dialect that lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core_net.h"

/* ---- records ---- */

/* What liars answer with instead of a record; a dialect's functions have no context. */
static struct kith_record other;

static int answer_other(const struct kith_sender *from, const struct kith_txn *txn,
                        const struct kith_response *response, uint8_t *out, size_t max,
                        size_t *ret_size) {
    struct kith_response changed = *response;
    changed.has_record = true;
    kith_record_view(&other, &changed.record);
    return kith_dialect_kith.encode_response(from, txn, &changed, out, max, ret_size);
}

static const struct kith_dialect *liar(void) {
    static struct kith_dialect dialect;
    dialect = kith_dialect_kith;
    dialect.encode_response = answer_other;
    return &dialect;
}

/* A record of node `of`, as it signs it. */
static void sign_of(unsigned of, const char *salt, const char *value) {
    struct kith_identity identity;
    kith_test_identity(&identity, (uint8_t)(of + 1)); /* the seed of that node */
    assert_int_equal(kith_record_sign(&other, &identity, &kith_curve_sodium, kith_span_text(salt),
                                      1, kith_span_text(value)),
                     0);
}

static struct kith_query get_of(const struct net *net, unsigned of, const char *salt) {
    struct kith_query q = net_key_query(KITH_QUERY_GET, &net->nodes[of].key);
    q.salt_size = (uint8_t)strlen(salt);
    memcpy(q.salt, salt, strlen(salt));
    return q;
}

/* A sound record of the same key under another salt, and one of another key, are not the answer. */
static void test_record_of_another_place(void **state) {
    struct net net;
    net_swarm(&net, 3);
    net.nodes[1].core->swarm.dialect = liar();
    net.nodes[2].core->swarm.dialect = liar();
    struct kith_query q = get_of(&net, 2, "asked for");
    for (unsigned of = 1; of <= 2; of++) {
        sign_of(of, of == 2 ? "another" : "asked for", "1:x");
        uint64_t before = kith_core_stats(net.nodes[0].core)->bad_records;
        assert_int_equal(net_ask(&net, 0, &q), KITH_ENOT_FOUND);
        assert_false(net.seen.has_record);
        assert_true(kith_core_stats(net.nodes[0].core)->bad_records > before);
    }
    net_deinit(&net);
}

/* Liars that answer first do not end the walk: the record is found at the one who has it. */
static void test_bad_record_ends_no_walk(void **state) {
    enum { NODES = 12, HOLDER = 11 };
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    uint8_t seed[KITH_SEED_SIZE];
    net_swarm(&net, NODES);
    struct kith_query put = net_put_query("true", value);
    assert_int_equal(net_ask(&net, 0, &put), 0);
    net.nodes[0].dead = true;
    struct kith_core_config config = net_config(&net, NODES, seed);
    config.client = true; /* nobody stores anything there */
    unsigned asker = net_add_config(&net, &config);
    net_join(&net, asker, HOLDER, true);
    net_run(&net, 30 * KITH_NS_PER_S);
    sign_of(0, "", "4:true");
    other.signature[7] ^= 1;
    for (unsigned i = 1; i < HOLDER; i++) {
        net.nodes[i].core->swarm.dialect = liar();
    }
    struct kith_query q = net_key_query(KITH_QUERY_GET, &net.nodes[0].key);
    assert_int_equal(net_ask(&net, asker, &q), 0);
    assert_true(kith_core_stats(net.nodes[asker].core)->bad_records > 0);
    assert_int_equal(net.seen.record.value_size, 6);
    assert_memory_equal(net.seen.record.value, "4:true", 6);
    net_deinit(&net);
}

/* ---- refusals ---- */

static int refuse_writes(const struct kith_sender *from, const struct kith_txn *txn,
                         const struct kith_response *response, uint8_t *out, size_t max,
                         size_t *ret_size) {
    static const struct kith_wire_failure full = {.code = KITH_WIRE_FULL};
    return response->ttl_s > 0
               ? kith_dialect_kith.encode_error(from, txn, &full, out, max, ret_size)
               : kith_dialect_kith.encode_response(from, txn, response, out, max, ret_size);
}

/* Who answers that it has no room has not stored the record. */
static void test_refusal_is_no_acknowledgement(void **state) {
    struct kith_dialect dialect = kith_dialect_kith;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 4);
    dialect.encode_response = refuse_writes;
    for (unsigned i = 1; i < net.n; i++) {
        net.nodes[i].core->swarm.dialect = &dialect;
    }
    struct kith_query put = net_put_query("value", value);
    assert_int_equal(net_ask(&net, 0, &put), KITH_EQUORUM);
    assert_int_equal(net.seen.result.asked, 3);
    assert_int_equal(net.seen.result.acks, 0);
    net_deinit(&net);
}

static bool drop_large(struct net *net, struct net_packet *packet) {
    return packet->size < KITH_TALK_MAX;
}

/* Nor has who never answers: the questions arrive, the value does not. */
static void test_silence_is_no_acknowledgement(void **state) {
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    char text[KITH_TALK_MAX + 1];
    memset(text, 'v', KITH_TALK_MAX);
    text[KITH_TALK_MAX] = '\0';
    net_swarm(&net, 4);
    net.hook = drop_large;
    struct kith_query put = net_put_query(text, value);
    assert_int_equal(net_ask(&net, 0, &put), KITH_EQUORUM);
    assert_int_equal(net.seen.result.acks, 0);
    net.hook = NULL;
    net_deinit(&net);
}

/* ---- answers ---- */

struct heard {
    unsigned n; /* answers that were taken */
    unsigned n_given_up;
};

static void on_answer(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct heard *heard = context;
    heard->n += event->outcome == KITH_RPC_RESPONSE;
    heard->n_given_up += event->outcome == KITH_RPC_TIMEOUT;
}

/* Node 0 asks somebody who is not there. */
static struct kith_rpc *ask_nobody(struct net *net, struct kith_node_ref *node,
                                   struct heard *heard) {
    struct kith_identity identity;
    struct kith_request request = {.method = KITH_METHOD_FIND, .want_v4 = true, .n = 20};
    struct kith_rpc *rpc;
    kith_test_identity(&identity, 0x70);
    *node =
        (struct kith_node_ref){.key = identity.key, .has_key = true, .endpoint = net_endpoint(40)};
    kith_point_of_node(&node->key, &node->id);
    assert_int_equal(kith_swarm_ask(&net->nodes[0].core->swarm, node, &request, 0, on_answer, heard,
                                    net->now, &rpc),
                     0);
    return rpc;
}

/* An answer to this question that came over a session. */
static void answer(struct net *net, uint32_t txn, const struct kith_key *key,
                   const struct kith_endpoint *from) {
    static struct kith_response response;
    struct kith_txn echoed = {
        .size = KITH_TXN_SIZE,
        .bytes = {(uint8_t)(txn >> 24), (uint8_t)(txn >> 16), (uint8_t)(txn >> 8), (uint8_t)txn}};
    uint8_t bytes[KITH_DATAGRAM_MAX];
    size_t size;
    kith_response_init(&response);
    assert_int_equal(
        kith_dialect_kith.encode_response(NULL, &echoed, &response, bytes, sizeof(bytes), &size),
        0);
    struct kith_delivery delivery = {
        .kind = KITH_DELIVERY_DATA, .key = *key, .from = *from, .payload = kith_span(bytes, size)};
    kith_swarm_receive(&net->nodes[0].core->swarm, &delivery, net->now);
}

/* Whoever learned the number of a question cannot answer for whom it went to. */
static void test_answer_of_somebody_else(void **state) {
    struct net net;
    struct heard heard = {0};
    struct kith_node_ref node;
    net_swarm(&net, 2);
    const struct kith_stats *stats = kith_core_stats(net.nodes[0].core);
    uint64_t before = stats->drop_unmatched;
    uint32_t txn = ask_nobody(&net, &node, &heard)->txn;
    answer(&net, txn, &net.nodes[1].key, &node.endpoint);
    assert_int_equal(heard.n, 0);
    assert_int_equal(stats->drop_unmatched, before + 1);
    answer(&net, txn, &node.key, &node.endpoint);
    assert_int_equal(heard.n, 1);
    net_deinit(&net);
}

/* The answer counts, wherever it comes from; the place that it came from is not in the table, since
 * nobody was asked there. */
static void test_answer_from_elsewhere(void **state) {
    struct net net;
    struct heard heard = {0};
    struct kith_node_ref node;
    struct kith_endpoint elsewhere = net_endpoint(41);
    net_swarm(&net, 2);
    struct kith_swarm *swarm = &net.nodes[0].core->swarm;
    uint32_t txn = ask_nobody(&net, &node, &heard)->txn;
    answer(&net, txn, &node.key, &elsewhere);
    assert_int_equal(heard.n, 1);
    const struct kith_entry *entry = kith_swarm_find(swarm, &node.id);
    struct kith_endpoint known = {0};
    known = entry != NULL ? kith_entry_endpoint(entry) : known;
    assert_false(kith_endpoint_equal(&known, &elsewhere));
    txn = ask_nobody(&net, &node, &heard)->txn;
    answer(&net, txn, &node.key, &node.endpoint);
    entry = kith_swarm_find(swarm, &node.id);
    assert_non_null(entry);
    known = kith_entry_endpoint(entry);
    assert_true(kith_endpoint_equal(&known, &node.endpoint));
    net_deinit(&net);
}

/* Who never answers is given up, once, however often a question is worth repeating. */
static void test_silence_ends_a_question(void **state) {
    static const uint32_t repeats_ppm[] = {0, 190000, 750000};
    for (size_t i = 0; i < sizeof(repeats_ppm) / sizeof(repeats_ppm[0]); i++) {
        struct net net;
        struct heard heard = {0};
        struct kith_node_ref node;
        net_swarm(&net, 2);
        net.nodes[0].core->swarm.rpcs.repeats_ppm = repeats_ppm[i];
        (void)ask_nobody(&net, &node, &heard);
        net_run(&net, 60 * KITH_NS_PER_S);
        assert_int_equal(heard.n, 0);
        assert_int_equal(heard.n_given_up, 1);
        net_deinit(&net);
    }
}

/* ---- askers ---- */

/* Who asks is in the table once its address is proven, and not before. */
static void test_asker_is_admitted_when_proven(void **state) {
    static const struct {
        enum kith_delivery_kind kind;
        bool proven;
    } cases[] = {
        {KITH_DELIVERY_INITIATION, false}, {KITH_DELIVERY_DATA, false}, {KITH_DELIVERY_DATA, true}};
    struct net net;
    struct kith_identity identity;
    struct kith_point id;
    struct kith_txn txn = {.size = KITH_TXN_SIZE};
    uint8_t bytes[KITH_DATAGRAM_MAX];
    size_t size;
    net_swarm(&net, 2);
    struct kith_swarm *swarm = &net.nodes[0].core->swarm;
    struct kith_request ping = kith_swarm_request(swarm, KITH_METHOD_PING);
    kith_test_identity(&identity, 0x71);
    kith_point_of_node(&identity.key, &id);
    assert_int_equal(
        kith_dialect_kith.encode_request(NULL, &txn, &ping, bytes, sizeof(bytes), &size), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kith_delivery delivery = {
            .kind = cases[i].kind,
            .key = identity.key,
            .from = net_endpoint(42),
            .payload = kith_span(bytes, size),
            .allowance = {.answer = true, .proven = cases[i].proven, .question_size = size}};
        kith_swarm_receive(swarm, &delivery, net.now);
        assert_int_equal(kith_swarm_find(swarm, &id) != NULL, cases[i].proven);
    }
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_of_another_place),
        cmocka_unit_test(test_bad_record_ends_no_walk),
        cmocka_unit_test(test_refusal_is_no_acknowledgement),
        cmocka_unit_test(test_silence_is_no_acknowledgement),
        cmocka_unit_test(test_answer_of_somebody_else),
        cmocka_unit_test(test_answer_from_elsewhere),
        cmocka_unit_test(test_silence_ends_a_question),
        cmocka_unit_test(test_asker_is_admitted_when_proven),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
