/* SPDX-License-Identifier: MIT */
/* control_book: the book, the bans and the LAN over the control protocol, with a played node. */
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "control_testing.h"

static void test_book_lists(void **state) {
    struct client *client = *state;
    send_simple(client, 1, "book");
    const msgpack_object *result = expect_result(client, 1);
    const msgpack_object *entries = field(result, "entries");
    assert_int_equal(entries->via.array.size, 2);
    const msgpack_object *hint = &entries->via.array.ptr[0];
    const msgpack_object *pinned = &entries->via.array.ptr[1];
    assert_int_equal(field(hint, "key")->type, MSGPACK_OBJECT_NIL);
    assert_text(field(hint, "endpoint"), "192.0.2.1:7700");
    assert_text(field(hint, "table"), "new");
    assert_text(field(hint, "origin"), "pex");
    assert_int_equal(field(hint, "roles")->via.array.size, 0);
    assert_int_equal(field(hint, "seen_s")->type, MSGPACK_OBJECT_NIL);
    assert_text(field(pinned, "table"), "pinned");
    assert_text(&field(pinned, "roles")->via.array.ptr[0], "persistent");
    assert_text(&field(pinned, "roles")->via.array.ptr[1], "private");
    assert_int_equal(field(result, "total")->via.u64, 2);
    assert_int_equal(field(result, "tried")->via.u64, 3);
    assert_int_equal(field(result, "banned")->via.u64, 1);
}

static void test_bans_list(void **state) {
    struct client *client = *state;
    send_simple(client, 2, "bans");
    const msgpack_object *bans = field(expect_result(client, 2), "bans");
    assert_int_equal(bans->via.array.size, 2);
    assert_non_null(field(&bans->via.array.ptr[0], "key"));
    assert_int_equal(field(&bans->via.array.ptr[0], "left_s")->type, MSGPACK_OBJECT_NIL);
    assert_text(field(&bans->via.array.ptr[1], "prefix"), "192.0.2.0/24");
    assert_int_equal(field(&bans->via.array.ptr[1], "left_s")->via.u64, 60);
}

static void test_summaries(void **state) {
    struct client *client = *state;
    send_simple(client, 3, "stats");
    const msgpack_object *stats = expect_result(client, 3);
    assert_true(field(stats, "discovery_exchange_ratio")->via.f64 == 1.5);
    assert_non_null(field(stats, "mean_reputation"));
    send_simple(client, 4, "status");
    const msgpack_object *status = expect_result(client, 4);
    assert_int_equal(field(field(status, "book"), "new")->via.u64, 5);
    assert_non_null(field(status, "lan"));
}

/* Names of services come from anybody: what is passed on is text. */
static void test_lan_list(void **state) {
    struct client *client = *state;
    send_simple(client, 1, "lan");
    const msgpack_object *result = expect_result(client, 1);
    const msgpack_object *peers = field(result, "peers");
    assert_int_equal(peers->via.array.size, 2);
    const msgpack_object *unknown = &peers->via.array.ptr[0];
    assert_text(field(unknown, "name"), "kith ??");
    assert_int_equal(field(unknown, "key")->type, MSGPACK_OBJECT_NIL);
    assert_int_equal(field(unknown, "endpoint")->type, MSGPACK_OBJECT_NIL);
    assert_text(&field(unknown, "endpoints")->via.array.ptr[0], "10.0.0.1:7700");
    const msgpack_object *confirmed = &peers->via.array.ptr[1];
    assert_true(field(confirmed, "confirmed")->via.boolean);
    assert_true(field(confirmed, "seen_s")->via.f64 == 1.5);
    assert_non_null(field(result, "state"));
}

static void send_add(struct client *client, uint64_t id, const char *peer, const char *role) {
    struct request request;
    begin(&request, id, "add");
    kith_out_text(&request.out, "peer", peer);
    if (role != NULL) {
        struct kith_out_level roles = kith_out_array(&request.out, "roles");
        kith_out_text(&request.out, NULL, "private");
        kith_out_text(&request.out, NULL, role);
        kith_out_end(&request.out, roles);
    }
    assert_int_equal(call(client, &request), 0);
}

static void test_add(void **state) {
    struct client *client = *state;
    send_add(client, 1, "192.0.2.7:7700", "persistent");
    assert_text(field(expect_result(client, 1), "endpoint"), "192.0.2.7:7700");
    assert_int_equal(client->node.roles, KITH_ROLE_PERSISTENT | KITH_ROLE_PRIVATE);
    assert_false(client->node.added.has_key);
    assert_int_equal(client->node.added.endpoint.port, 7700);
}

static void test_add_refused(void **state) {
    static const struct {
        const char *peer;
        const char *role;
        int status; /* of the node */
        int code;
        unsigned n_edits; /* whether the node was asked */
    } table[] = {
        {"seed.example.org:7700", NULL, 0, KITH_EINVALID, 0}, /* names are for the client */
        {"192.0.2.7", NULL, 0, KITH_EINVALID, 0},
        {key_hex, NULL, 0, KITH_EINVALID, 0}, /* a key has no address */
        {"192.0.2.7:7700", "eternal", 0, KITH_EINVALID, 0},
        {"192.0.2.7:7700", NULL, KITH_EREFUSED, KITH_EREFUSED, 1},
        {"192.0.2.7:7700", NULL, KITH_EINVALID, KITH_EINVALID, 1},
        {"192.0.2.7:7700", NULL, KITH_EFULL, KITH_EFULL, 1},
        {"192.0.2.7:7700", NULL, KITH_ENOMEM, KITH_ENOMEM, 1},
    };
    struct client *client = *state;
    for (uint64_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        client->node.n_edits = 0;
        client->node.edit_status = table[i].status;
        send_add(client, i, table[i].peer, table[i].role);
        expect_failure(client, i, table[i].code);
        assert_null(next(client));
        assert_int_equal(client->node.n_edits, table[i].n_edits);
    }
}

static void test_ban_prefix(void **state) {
    static const struct {
        const char *prefix;
        const char *text; /* NULL: refused */
    } table[] = {
        {"192.0.2.77", "192.0.2.77/32"},
        {"192.0.2.77/24", "192.0.2.0/24"}, /* what is beyond the prefix does not count */
        {"192.0.2.77/25", "192.0.2.0/25"},
        {"255.255.255.255/9", "255.128.0.0/9"},
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"10.0.0.0/7", NULL},
        {"10.0.0.0/33", NULL},
        {"10.0.0.0/", NULL},
        {"10.0.0.0/+8", NULL},
        {"10.0.0.0/8 ", NULL},
        {"10.0.0.0/99999999999999999999", NULL},
        {"10.0.0.0:7700", NULL},
        {"2001:db8:1:2:3:4:5:6/64", "2001:db8:1:2::/64"},
        {"[2001:db8::1]", "2001:db8::1/128"},
        {"2001:db8::/15", NULL},
        {"fe80::1%eth0", NULL},
        {"example.org", NULL},
        {"", NULL},
    };
    struct client *client = *state;
    for (uint64_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct request request;
        begin(&request, i, "ban");
        kith_out_text(&request.out, "prefix", table[i].prefix);
        assert_int_equal(call(client, &request), 0);
        if (table[i].text == NULL) {
            expect_failure(client, i, KITH_EINVALID);
            continue;
        }
        const msgpack_object *result = expect_result(client, i);
        assert_text(field(result, "prefix"), table[i].text);
        assert_int_equal(field(result, "left_s")->type, MSGPACK_OBJECT_NIL);
        assert_true(client->node.banned.left_s == UINT64_MAX);
        assert_false(client->node.banned.is_key);
    }
}

static const char other_hex[] = "0807070707070707070707070707070707070707070707070707070707070707";

static void send_ban_for(struct client *client, uint64_t id, uint64_t seconds) {
    struct request request;
    begin(&request, id, "ban");
    kith_out_text(&request.out, "key", other_hex);
    kith_out_uint(&request.out, "seconds", seconds);
    assert_int_equal(call(client, &request), 0);
}

static void test_ban_key(void **state) {
    struct client *client = *state;
    send_with_key(client, 1, "ban"); /* our own */
    expect_failure(client, 1, KITH_EINVALID);
    send_ban_for(client, 2, 0);
    expect_failure(client, 2, KITH_EINVALID);
    assert_int_equal(client->node.n_edits, 0);
    send_ban_for(client, 3, 7);
    assert_int_equal(field(expect_result(client, 3), "left_s")->via.u64, 7);
    assert_true(client->node.banned.is_key);
    assert_int_equal(client->node.banned.key.bytes[0], 8);
    client->node.edit_status = KITH_EFULL;
    send_ban_for(client, 4, 7);
    expect_failure(client, 4, KITH_EFULL);
}

/* Both or none of the two: nobody should guess what was meant. */
static void test_ban_whom(void **state) {
    struct client *client = *state;
    struct request request;
    begin(&request, 1, "ban");
    kith_out_text(&request.out, "key", other_hex);
    kith_out_text(&request.out, "prefix", "10.0.0.1");
    assert_int_equal(call(client, &request), 0);
    expect_failure(client, 1, KITH_EINVALID);
    send_simple(client, 2, "unban");
    expect_failure(client, 2, KITH_EINVALID);
}

static void test_unban(void **state) {
    struct client *client = *state;
    client->node.edit_status = KITH_ENOT_FOUND;
    send_with_key(client, 1, "unban");
    expect_failure(client, 1, KITH_ENOT_FOUND);
    client->node.edit_status = 0;
    send_with_key(client, 2, "unban");
    assert_non_null(field(expect_result(client, 2), "key"));
    assert_true(client->node.banned.is_key);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_book_lists), CASE(test_bans_list),   CASE(test_summaries),  CASE(test_lan_list),
        CASE(test_add),        CASE(test_add_refused), CASE(test_ban_prefix), CASE(test_ban_key),
        CASE(test_ban_whom),   CASE(test_unban),
    };
    return cmocka_run_group_tests_name("control_book", tests, NULL, NULL);
}
