/* SPDX-License-Identifier: MIT */
/* control: the public swarm over a played node: which swarm a query names, and what is answered. */
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "control_testing.h"

static const char target_hex[] = "000102030405060708090a0b0c0d0e0f10111213";

static int setup_mainline(void **state) {
    int r = setup(state);
    ((struct client *)*state)->node.mainline = true;
    return r;
}

/* Requests that a case left running end with the connection. */
static int teardown_all(void **state) {
    struct client *client = *state;
    uint64_t n = client == NULL ? 0 : client->node.n_started;
    for (uint64_t op = 0; op < n; op++) {
        if (!client->node.ended[op]) {
            give_end(&client->node, op, KITH_ECANCELED);
        }
    }
    return teardown(state);
}

static const struct kith_query *last_query(const struct client *client) {
    assert_true(client->node.n_started > 0);
    return &client->node.query[client->node.n_started - 1];
}

/* One request with up to two text args; the result of kith_control_receive() is always 0. */
static void send_texts(struct client *client, uint64_t id, const char *method, const char *name,
                       const char *value, const char *name2, const char *value2) {
    struct request request;
    begin(&request, id, method);
    kith_out_text(&request.out, name, value);
    if (name2 != NULL) {
        kith_out_text(&request.out, name2, value2);
    }
    assert_int_equal(call(client, &request), 0);
}

static void test_swarm_of_a_query(void **state) {
    struct client *client = *state;
    send_with_key(client, 1, "get");
    assert_int_equal(last_query(client)->swarms, 0);
    send_texts(client, 2, "get", "key", key_hex, "swarm", "mainline");
    assert_int_equal(last_query(client)->swarms, KITH_SWARM_MAINLINE);
    send_texts(client, 3, "lookup", "key", key_hex, "swarm", "both");
    assert_int_equal(last_query(client)->swarms, KITH_SWARM_MAINLINE | KITH_SWARM_KITH);
    send_texts(client, 4, "watch", "key", key_hex, "swarm", "kith");
    assert_int_equal(last_query(client)->swarms, KITH_SWARM_KITH);
    send_texts(client, 5, "put", "value", "2:hi", "swarm", "both");
    assert_int_equal(last_query(client)->swarms, KITH_SWARM_MAINLINE | KITH_SWARM_KITH);
    send_texts(client, 6, "ping", "peer", "192.0.2.1:6881", "swarm", "mainline");
    assert_int_equal(last_query(client)->swarms, KITH_SWARM_MAINLINE);
    assert_null(next(client));
}

static void test_target(void **state) {
    struct client *client = *state;
    for (unsigned i = 0; i < 2; i++) {
        send_texts(client, i, i == 0 ? "get" : "trace", "target", target_hex, NULL, NULL);
        const struct kith_query *query = last_query(client);
        assert_int_equal(query->swarms, KITH_SWARM_MAINLINE);
        assert_true((query->flags & KITH_FLAG_HAS_POINT) != 0);
        assert_int_equal(query->point.bytes[19], 0x13);
        assert_int_equal(query->point.bytes[20], 0);
    }
}

static void test_refused(void **state) {
    static const char *const table[][6] = {
        {"get", "key", key_hex, "swarm", "public", "'kith', 'mainline' or 'both'"},
        {"ping", "peer", "192.0.2.1:1", "swarm", "both", "'kith' or 'mainline'"},
        {"ping", "peer", key_hex, "swarm", "mainline", "ADDRESS:PORT"},
        {"get", "target", "0001", NULL, NULL, "column 5: 40 hex digits"},
        {"get", "target", target_hex, "swarm", "kith", "a place in Mainline"},
        {"get", "point", key_hex, "swarm", "mainline", "a place in kith's own swarm"},
        {"mainline_peers", "infohash", key_hex, NULL, NULL, "40 hex digits"},
        {"mainline_peers", "swarm", "mainline", NULL, NULL, "infohash"},
        {"mainline_announce", "infohash", target_hex, "port", "x", "port"},
    };
    struct client *client = *state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[256] = "";
        send_texts(client, i, table[i][0], table[i][1], table[i][2], table[i][3], table[i][4]);
        const msgpack_object *why = expect_failure(client, i, KITH_EINVALID);
        memcpy(text, why->via.str.ptr, why->via.str.size);
        if (strstr(text, table[i][5]) == NULL) {
            fail_msg("'%s' is not in '%s'", table[i][5], text);
        }
    }
    struct request request;
    begin(&request, 100, "mainline_announce");
    kith_out_text(&request.out, "infohash", target_hex);
    kith_out_uint(&request.out, "port", 0);
    assert_int_equal(call(client, &request), 0);
    expect_failure(client, 100, KITH_EINVALID);
    assert_int_equal(client->node.n_started, 0);
}

/* A node that takes no part says so, whatever was asked. */
static void test_off(void **state) {
    static const char *const methods[] = {"mainline_peers", "mainline_announce"};
    struct client *client = *state;
    for (uint64_t i = 0; i < 2; i++) {
        send_texts(client, i, methods[i], "infohash", target_hex, NULL, NULL);
        expect_failure(client, i, KITH_ENO_NETWORK);
    }
    send_simple(client, 2, "mainline_sample");
    expect_failure(client, 2, KITH_ENO_NETWORK);
    send_texts(client, 3, "get", "key", key_hex, "swarm", "both");
    expect_failure(client, 3, KITH_ENO_NETWORK);
    send_with_key(client, 4, "get"); /* everywhere is where it is */
    assert_int_equal(client->node.n_started, 1);
    send_simple(client, 5, "status");
    const msgpack_object *mainline = field(expect_result(client, 5), "mainline");
    assert_false(field(mainline, "on")->via.boolean);
    assert_int_equal(field(mainline, "v4")->type, MSGPACK_OBJECT_NIL);
}

static void test_peers(void **state) {
    struct client *client = *state;
    struct kith_result peer = {.kind = KITH_RESULT_PEER};
    assert_int_equal(kith_endpoint_parse("192.0.2.1:6881", &peer.contact.endpoint, NULL), 0);
    send_texts(client, 1, "mainline_peers", "infohash", target_hex, NULL, NULL);
    assert_int_equal(last_query(client)->kind, KITH_QUERY_PEERS);
    give(&client->node, 0, peer);
    assert_text(field(expect_event(client, 1, "peer"), "endpoint"), "192.0.2.1:6881");
    give(&client->node, 0,
         (struct kith_result){.kind = KITH_RESULT_DONE, .found = 1, .scrape_seeds = 2.5});
    const msgpack_object *result = expect_result(client, 1);
    assert_text(field(result, "infohash"), target_hex);
    assert_int_equal(field(result, "found")->via.u64, 1);
    assert_true(field(result, "seeds")->via.f64 == 2.5);
    assert_int_equal(field(result, "downloaders")->type, MSGPACK_OBJECT_NIL);
    send_texts(client, 2, "mainline_peers", "infohash", target_hex, NULL, NULL);
    give_end(&client->node, 1, KITH_ENOT_FOUND); /* an answer */
    assert_int_equal(field(expect_result(client, 2), "found")->via.u64, 0);
}

static void test_sample(void **state) {
    struct client *client = *state;
    uint8_t bytes[40];
    memset(bytes, 0xab, sizeof(bytes));
    struct kith_result sample = {
        .kind = KITH_RESULT_SAMPLE, .found = 7, .bytes = bytes, .bytes_size = sizeof(bytes)};
    assert_int_equal(kith_endpoint_parse("192.0.2.1:6881", &sample.contact.endpoint, NULL), 0);
    send_simple(client, 1, "mainline_sample");
    assert_int_equal(last_query(client)->flags & KITH_FLAG_HAS_POINT, 0);
    give(&client->node, 0, sample);
    const msgpack_object *event = expect_event(client, 1, "sample");
    assert_int_equal(field(event, "num")->via.u64, 7);
    const msgpack_object *list = field(event, "infohashes");
    assert_int_equal(list->via.array.size, 2);
    assert_text(&list->via.array.ptr[1], "abababababababababababababababababababab");
    give_end(&client->node, 0, 0);
    expect_result(client, 1);
}

static void test_put_both(void **state) {
    struct client *client = *state;
    struct kith_result end = {.kind = KITH_RESULT_DONE, .acks = 3, .asked = 4, .mainline_acks = 5};
    end.target.bytes[0] = 0xcd;
    send_texts(client, 1, "put", "value", "2:hi", "swarm", "both");
    give(&client->node, 0, end);
    const msgpack_object *result = expect_result(client, 1);
    assert_text(field(result, "swarm"), "both");
    assert_text(field(result, "target"), "cd00000000000000000000000000000000000000");
    assert_int_equal(field(result, "acks")->via.u64, 3);
    assert_int_equal(field(result, "mainline_acks")->via.u64, 5);
    send_texts(client, 2, "put", "value", "2:hi", NULL, NULL);
    give(&client->node, 1, end);
    result = expect_result(client, 2);
    assert_text(field(result, "swarm"), "kith");
    assert_int_equal(field(result, "target")->type, MSGPACK_OBJECT_NIL);
    assert_null(field(result, "mainline_acks"));
}

static void test_status(void **state) {
    struct client *client = *state;
    send_simple(client, 1, "status");
    const msgpack_object *result = expect_result(client, 1);
    assert_int_equal(field(field(field(result, "nodes"), "mainline"), "v4")->via.u64, 9);
    const msgpack_object *v4 = field(field(result, "mainline"), "v4");
    assert_text(field(v4, "id"), "0909090909090909090909090909090909090909");
    assert_true(field(v4, "ready")->via.boolean);
    assert_int_equal(field(v4, "size_estimate")->via.u64, 1000);
    assert_int_equal(field(v4, "observed")->type, MSGPACK_OBJECT_NIL);
    send_simple(client, 2, "id");
    const msgpack_object *ids = field(expect_result(client, 2), "node_ids");
    assert_text(field(ids, "mainline4"), "0909090909090909090909090909090909090909");
    assert_null(field(ids, "mainline6"));
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup_mainline, teardown_all)
    const struct CMUnitTest tests[] = {
        CASE(test_swarm_of_a_query),
        CASE(test_target),
        CASE(test_refused),
        cmocka_unit_test_setup_teardown(test_off, setup, teardown_all),
        CASE(test_peers),
        CASE(test_sample),
        CASE(test_put_both),
        CASE(test_status),
    };
    return cmocka_run_group_tests_name("control_mainline", tests, NULL, NULL);
}
