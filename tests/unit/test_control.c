/* SPDX-License-Identifier: MIT */
/* control: the protocol over a played node: no loop, no sockets. */
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "control_testing.h"

/* ---- the stream ---- */

static void test_one_byte_pieces(void **state) {
    struct client *client = *state;
    struct request request;
    for (uint64_t id = 0; id < 3; id++) {
        begin(&request, id, "version");
        kith_out_text(&request.out, "ignored", "unknown args are ignored");
        kith_out_end(&request.out, request.level);
        for (size_t i = 0; i < request.out.buffer.size; i++) {
            assert_null(next(client));
            assert_int_equal(send_raw(client, request.out.buffer.data + i, 1), 0);
        }
        kith_out_deinit(&request.out);
        assert_int_equal(field(expect_result(client, id), "protocol")->via.u64, 1);
    }
}

static void test_many_in_one_piece(void **state) {
    struct client *client = *state;
    const uint8_t three[] = "\x93\x00\x01\xa7version\x93\x00\x02\xa7version\x93\x00\x03\xa7ver";
    assert_int_equal(send_raw(client, three, sizeof(three) - 1), 0);
    expect_result(client, 1);
    expect_result(client, 2);
    assert_null(next(client));
    assert_int_equal(send_raw(client, "sion", 4), 0);
    expect_result(client, 3);
}

static void test_garbage(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        int code;
    } table[] = {
        {"\xc1", 1, KITH_ESYNTAX},                                    /* never used in msgpack */
        {"\x00", 1, KITH_ESYNTAX},                                    /* a value, not a request */
        {"GET / HTTP/1.1\r\n", 16, KITH_ESYNTAX},                     /* integers one by one */
        {"\x93\x01\x01\xa2id", 6, KITH_ESYNTAX},                      /* an answer, not a request */
        {"\x93\x00\xff\xa2id", 6, KITH_ESYNTAX},                      /* a negative id */
        {"\x94\x00\x01\xa2id\x90", 7, KITH_ESYNTAX},                  /* args are no map */
        {"\x90", 1, KITH_ESYNTAX},                                    /* empty */
        {"\xdd\xff\xff\xff\xff", 5, KITH_ETOO_LARGE},                 /* 2^32 elements claimed */
        {"\xdf\x7f\xff\xff\xff", 5, KITH_ETOO_LARGE},                 /* and pairs */
        {"\xc6\xff\xff\xff\xff", 5, KITH_ETOO_LARGE},                 /* 4 GiB of bytes claimed */
        {"\x91\x91\x91\x91\x91\x91\x91\x91\x91", 9, KITH_ETOO_LARGE}, /* nested too deep */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct client *client;
        void *own = NULL;
        setup(&own);
        client = own;
        assert_int_equal(send_raw(client, table[i].bytes, table[i].size), table[i].code);
        expect_failure(client, 0, table[i].code);
        /* The stream stays dead. */
        assert_true(send_raw(client, "\x93\x00\x01\xa2id", 6) < 0);
        assert_null(next(client));
        teardown(&own);
    }
}

/* A request that never ends is cut off at the limit, not collected for ever. */
static void test_oversized(void **state) {
    struct client *client = *state;
    uint8_t chunk[4096];
    memset(chunk, 'x', sizeof(chunk));
    int r = send_raw(client, "\x94\x00\x01\xa3put\x81\xa5value\xc5\xff\xff", 17);
    size_t sent = 0;
    while (r == 0 && sent < 2 * KITH_CONTROL_REQUEST_MAX) {
        r = send_raw(client, chunk, sizeof(chunk));
        sent += sizeof(chunk);
    }
    assert_int_equal(r, KITH_ETOO_LARGE);
    assert_true(sent <= KITH_CONTROL_REQUEST_MAX + sizeof(chunk));
    expect_failure(client, 0, KITH_ETOO_LARGE);
}

static void test_unknown_method(void **state) {
    struct client *client = *state;
    send_simple(client, 9, "frobnicate");
    expect_failure(client, 9, KITH_EINVALID);
    send_simple(client, 10, "a name far longer than any method's, that must not be cut to one");
    expect_failure(client, 10, KITH_EINVALID);
    send_simple(client, 11, "version"); /* the stream goes on */
    expect_result(client, 11);
}

/* ---- args ---- */

static void test_bad_args(void **state) {
    static const struct {
        const char *method;
        const char *arg;
        const char *value;
        const char *text;
    } table[] = {
        {"lookup", "other", "x", "arg 'key': text expected"},
        {"get", "salt", "x", "arg 'key': text expected"},
        {"announce", "topic", "xyz", "arg 'topic'"},
        {"ping", "peer", "example.org:7700", "not an address"},
        {"cancel", "id", "one", "arg 'id'"},
        {"records", "limit", "many", "arg 'limit'"},
    };
    struct client *client = *state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct request request;
        begin(&request, i, table[i].method);
        kith_out_text(&request.out, table[i].arg, table[i].value);
        assert_int_equal(call(client, &request), 0);
        const msgpack_object *text = expect_failure(client, i, KITH_EINVALID);
        char copy[256] = "";
        memcpy(copy, text->via.str.ptr, text->via.str.size);
        assert_non_null(strstr(copy, table[i].text));
    }
    assert_int_equal(client->node.n_started, 0);
}

static void test_put_args(void **state) {
    struct client *client = *state;
    struct request request;
    begin(&request, 1, "put");
    kith_out_bin(&request.out, "value", "2:hi", 4);
    kith_out_bin(&request.out, "salt", "s", 1);
    kith_out_uint(&request.out, "seq", 5);
    kith_out_uint(&request.out, "cas", 0);
    kith_out_float(&request.out, "timeout_ms", 1500);
    assert_int_equal(call(client, &request), 0);
    const struct kith_query *query = &client->node.query[0];
    assert_int_equal(query->kind, KITH_QUERY_PUT);
    assert_int_equal(query->flags, KITH_FLAG_HAS_SEQ | KITH_FLAG_HAS_CAS);
    assert_int_equal(query->seq, 5);
    assert_int_equal(query->salt_size, 1);
    assert_int_equal(query->timeout_ns, UINT64_C(1500000000));
    assert_memory_equal(client->node.value, "2:hi", 4);
    give(&client->node, 0,
         (struct kith_result){
             .kind = KITH_RESULT_DONE, .status = KITH_EOUTDATED, .seq = 7, .asked = 3});
    expect_failure(client, 1, KITH_EOUTDATED);
    assert_int_equal(field(&client->message.data.via.array.ptr[4], "seq")->via.u64, 7);
}

static void test_talk_args(void **state) {
    struct client *client = *state;
    struct request request;
    begin(&request, 1, "talk");
    kith_out_text(&request.out, "peer", "127.0.0.1:7700");
    kith_out_text(&request.out, "protocol", "echo");
    kith_out_bin(&request.out, "bytes", "hello", 5);
    assert_int_equal(call(client, &request), 0);
    assert_string_equal(client->node.protocol, "echo");
    assert_int_equal(client->node.query[0].contact.endpoint.port, 7700);
    give(&client->node, 0,
         (struct kith_result){.kind = KITH_RESULT_DONE,
                              .bytes = (const uint8_t *)"olleh",
                              .bytes_size = 5,
                              .rtt_ns = 2000000});
    const msgpack_object *result = expect_result(client, 1);
    assert_memory_equal(field(result, "bytes")->via.bin.ptr, "olleh", 5);
    assert_true(field(result, "rtt_ms")->via.f64 == 2.0);
    assert_text(field(result, "peer"), "127.0.0.1:7700");
}

/* ---- ops ---- */

static void test_lookup(void **state) {
    struct client *client = *state;
    send_with_key(client, 1, "lookup");
    assert_null(next(client));
    give(&client->node, 0,
         (struct kith_result){.kind = KITH_RESULT_PROGRESS, .walk = {.candidates = 3}});
    assert_int_equal(field(expect_event(client, 1, "progress"), "candidates")->via.u64, 3);
    struct kith_peer peer = {
        .seq = 1000000,
        .n_endpoints = 1,
        .endpoints = {{.family = 4, .port = 7700, .ip = {192, 0, 2, 7}}},
        .capabilities_size = 4,
        .capabilities = {0x81, 0xa1, 'a', 0x01},
    };
    give(&client->node, 0,
         (struct kith_result){.kind = KITH_RESULT_DONE,
                              .peer = &peer,
                              .sources = KITH_SOURCE_KITH | KITH_SOURCE_BOOK,
                              .walk = {.first_ns = 1500000, .hops = 2}});
    const msgpack_object *result = expect_result(client, 1);
    assert_true(field(result, "found")->via.boolean);
    assert_text(&field(result, "endpoints")->via.array.ptr[0], "192.0.2.7:7700");
    assert_int_equal(field(field(result, "capabilities"), "a")->via.u64, 1);
    assert_text(&field(result, "sources")->via.array.ptr[0], "book");
    assert_true(field(result, "first_ms")->via.f64 == 1.5);
}

static void test_not_found_is_an_answer(void **state) {
    struct client *client = *state;
    static const char *const methods[] = {"lookup", "get"};
    for (uint64_t i = 0; i < 2; i++) {
        send_with_key(client, i, methods[i]);
        give_end(&client->node, i, KITH_ENOT_FOUND);
        assert_false(field(expect_result(client, i), "found")->via.boolean);
    }
    send_with_key(client, 5, "lookup");
    give_end(&client->node, 2, KITH_ENO_NETWORK);
    expect_failure(client, 5, KITH_ENO_NETWORK);
}

static void test_ping_sums_up(void **state) {
    struct client *client = *state;
    struct request request;
    begin(&request, 1, "ping");
    kith_out_text(&request.out, "peer", key_hex);
    kith_out_uint(&request.out, "n", 3);
    assert_int_equal(call(client, &request), 0);
    assert_int_equal(client->node.query[0].n, 3);
    static const uint64_t rtt_ms[] = {3, 0, 5};
    for (uint32_t i = 0; i < 3; i++) {
        give(&client->node, 0,
             (struct kith_result){.kind = KITH_RESULT_PONG,
                                  .status = rtt_ms[i] == 0 ? KITH_ETIMEOUT : 0,
                                  .index = i,
                                  .rtt_ns = rtt_ms[i] * 1000000});
        const msgpack_object *pong = expect_event(client, 1, "pong");
        assert_int_equal(field(pong, "rtt_ms")->type == MSGPACK_OBJECT_NIL, rtt_ms[i] == 0);
    }
    give_end(&client->node, 0, 0);
    const msgpack_object *result = expect_result(client, 1);
    assert_int_equal(field(result, "sent")->via.u64, 3);
    assert_int_equal(field(result, "received")->via.u64, 2);
    assert_true(field(result, "min_ms")->via.f64 == 3.0);
    assert_true(field(result, "avg_ms")->via.f64 == 4.0);
    assert_true(field(result, "max_ms")->via.f64 == 5.0);
}

static void test_cancel(void **state) {
    struct client *client = *state;
    struct request request;
    send_with_key(client, 1, "watch");
    begin(&request, 2, "cancel");
    kith_out_uint(&request.out, "id", 1);
    assert_int_equal(call(client, &request), 0);
    expect_result(client, 2);
    assert_true(client->node.canceled[0]);
    give_end(&client->node, 0, KITH_ECANCELED);
    expect_failure(client, 1, KITH_ECANCELED);
}

/* The results of ops that outlive their client go nowhere, and the requests are not leaked. */
static void test_disconnect_cancels(void **state) {
    struct client *client = *state;
    send_with_key(client, 1, "lookup");
    send_with_key(client, 2, "watch");
    client->control = kith_control_free(client->control);
    assert_true(client->node.canceled[0] && client->node.canceled[1]);
    give(&client->node, 0, (struct kith_result){.kind = KITH_RESULT_PROGRESS});
    give_end(&client->node, 0, 0);
    give_end(&client->node, 1, KITH_ECANCELED);
    assert_null(next(client));
}

static void test_limits_of_requests(void **state) {
    struct client *client = *state;
    for (uint64_t id = 0; id < KITH_CONTROL_OPS_MAX; id++) {
        send_with_key(client, id, "lookup");
    }
    send_with_key(client, 1000, "lookup");
    expect_failure(client, 1000, KITH_EFULL);
    give_end(&client->node, 7, 0);
    expect_result(client, 7);
    send_with_key(client, 8, "lookup"); /* room again, but this id is running */
    expect_failure(client, 8, KITH_EEXISTS);
    send_with_key(client, 7, "lookup"); /* and this one no longer */
    assert_null(next(client));
    for (uint64_t op = 0; op <= KITH_CONTROL_OPS_MAX; op++) {
        if (op != 7) {
            give_end(&client->node, op, 0);
        }
    }
    client->node.start_status = KITH_EFULL;
    send_with_key(client, 2000, "lookup");
    do {
        assert_non_null(next(client));
    } while (client->message.data.via.array.ptr[1].via.u64 != 2000);
    assert_int_equal(client->message.data.via.array.ptr[2].via.i64, KITH_EFULL);
}

/* ---- lists ---- */

static void test_lists(void **state) {
    struct client *client = *state;
    struct request request;
    send_simple(client, 1, "peers");
    assert_int_equal(field(expect_result(client, 1), "peers")->via.array.size, 1);
    send_simple(client, 2, "table");
    assert_int_equal(field(expect_result(client, 2), "table")->via.array.size, 2);
    client->node.n_records = 20000;
    begin(&request, 3, "records");
    kith_out_uint(&request.out, "offset", 19990);
    kith_out_uint(&request.out, "limit", 100);
    assert_int_equal(call(client, &request), 0);
    const msgpack_object *result = expect_result(client, 3);
    assert_int_equal(field(result, "records")->via.array.size, 10);
    assert_int_equal(field(&field(result, "records")->via.array.ptr[0], "seq")->via.u64, 19990);
    assert_int_equal(field(result, "total")->via.u64, 20000);
    send_simple(client, 4, "stats");
    assert_int_equal(field(expect_result(client, 4), "rx_datagrams")->via.u64, 11);
    send_simple(client, 5, "status");
    result = expect_result(client, 5);
    assert_int_equal(field(field(field(result, "nodes"), "kith"), "v4")->via.u64, 0);
    assert_int_equal(field(result, "size_estimate")->type, MSGPACK_OBJECT_NIL);
    send_simple(client, 6, "id");
    assert_text(field(field(expect_result(client, 6), "endpoints"), "reachable"), "unknown");
}

/* A list longer than a page, read as dht-cli does: every row once, in order. */
static void test_pages(void **state) {
    enum { ROWS = 20000, PAGE = 8192 };
    struct client *client = *state;
    struct request request;
    client->node.n_records = ROWS;
    uint64_t n_rows = 0;
    for (uint64_t id = 1; n_rows < ROWS; id++) {
        begin(&request, id, "records");
        kith_out_uint(&request.out, "offset", n_rows);
        assert_int_equal(call(client, &request), 0);
        const msgpack_object *result = expect_result(client, id);
        const msgpack_object_array *rows = &field(result, "records")->via.array;
        assert_int_equal(rows->size, ROWS - n_rows < PAGE ? ROWS - n_rows : PAGE);
        assert_int_equal(field(result, "total")->via.u64, ROWS);
        for (uint32_t i = 0; i < rows->size; i++) {
            assert_int_equal(field(&rows->ptr[i], "seq")->via.u64, n_rows++);
        }
    }
    begin(&request, 99, "records");
    kith_out_uint(&request.out, "limit", PAGE + 1);
    assert_int_equal(call(client, &request), 0);
    expect_failure(client, 99, KITH_EINVALID);
}

/* ---- what the node tells ---- */

static void tell_peer(struct client *client, enum kith_event_kind kind) {
    struct kith_event event = {.kind = kind, .n_lost = 3};
    event.contact.endpoint =
        (struct kith_endpoint){.family = 4, .port = 7700, .ip = {192, 0, 2, 1}};
    kith_control_tell(client->control, &event);
}

static void test_events(void **state) {
    struct client *client = *state;
    tell_peer(client, KITH_EVENT_PEER_ADDED);
    assert_null(next(client)); /* nobody asked */
    send_simple(client, 1, "events");
    assert_null(next(client));
    assert_int_equal(client->node.n_started, 0);
    send_simple(client, 1, "events");
    expect_failure(client, 1, KITH_EEXISTS);

    tell_peer(client, KITH_EVENT_PEER_ADDED);
    const msgpack_object *fields = expect_event(client, 1, "peer_added");
    assert_int_equal(field(fields, "key")->type, MSGPACK_OBJECT_NIL);
    assert_text(field(fields, "endpoint"), "192.0.2.1:7700");
    assert_int_equal(field(fields, "lost")->via.u64, 3);
    tell_peer(client, KITH_EVENT_PEER_UPDATED);
    expect_event(client, 1, "peer_updated");
    tell_peer(client, KITH_EVENT_PEER_REMOVED);
    expect_event(client, 1, "peer_removed");
    struct kith_event ready = {.kind = KITH_EVENT_READY, .n_contacts = 5};
    kith_control_tell(client->control, &ready);
    assert_int_equal(field(expect_event(client, 1, "ready"), "contacts")->via.u64, 5);

    struct request request;
    begin(&request, 2, "cancel");
    kith_out_uint(&request.out, "id", 1);
    assert_int_equal(call(client, &request), 0);
    expect_failure(client, 1, KITH_ECANCELED);
    expect_result(client, 2);
    tell_peer(client, KITH_EVENT_PEER_ADDED);
    assert_null(next(client));
    send_simple(client, 3, "events"); /* runs when the client goes */
}

static void on_stop(void *context) {
    ((struct client *)context)->n_stops++;
}

static void test_stop(void **state) {
    struct client *client = *state;
    send_simple(client, 1, "stop");
    expect_failure(client, 1, KITH_EUNSUPPORTED);
    kith_control_on_stop(client->control, on_stop, client);
    send_simple(client, 2, "stop");
    expect_result(client, 2);
    assert_int_equal(client->n_stops, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(test_one_byte_pieces),
        CASE(test_many_in_one_piece),
        CASE(test_garbage),
        CASE(test_oversized),
        CASE(test_unknown_method),
        CASE(test_bad_args),
        CASE(test_put_args),
        CASE(test_talk_args),
        CASE(test_lookup),
        CASE(test_not_found_is_an_answer),
        CASE(test_ping_sums_up),
        CASE(test_cancel),
        CASE(test_disconnect_cancels),
        CASE(test_limits_of_requests),
        CASE(test_lists),
        CASE(test_pages),
        CASE(test_events),
        CASE(test_stop),
    };
    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
