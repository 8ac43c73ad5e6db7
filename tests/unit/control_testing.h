/* SPDX-License-Identifier: MIT */
/*
 * control_testing: a node that is played by the test, and a client of the control protocol: the
 * node records what was started, canceled and edited, and gives the results that a case wants. No
 * loop, no sockets. Header only, for one source file per program: it defines functions of the
 * public API.
 */
#ifndef KITH_TESTS_CONTROL_TESTING_H
#define KITH_TESTS_CONTROL_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "shell/control_internal.h"

enum { OPS_MAX = 128 };

/* ---- the played node ---- */

struct kith_node {
    uint64_t n_started;
    int start_status;
    struct kith_query query[OPS_MAX];
    char protocol[64];
    uint8_t value[KITH_VALUE_MAX];
    kith_result_fn fn[OPS_MAX];
    void *user[OPS_MAX];
    bool canceled[OPS_MAX];
    bool ended[OPS_MAX];
    unsigned n_records;
    unsigned n_edits;
    int edit_status;
    struct kith_contact added;
    uint8_t roles;
    struct kith_ban_info banned; /* or unbanned */
    bool mainline;               /* takes part in it, over IPv4 */
};

int kith_start(struct kith_node *node, const struct kith_query *query, kith_result_fn fn,
               void *user, uint64_t *ret_op) {
    if (node->start_status < 0) {
        return node->start_status;
    }
    uint64_t op = node->n_started++;
    node->query[op] = *query;
    if (query->protocol != NULL) {
        strcpy(node->protocol, query->protocol);
    }
    if (query->value_size > 0) {
        memcpy(node->value, query->value, query->value_size);
    }
    node->fn[op] = fn;
    node->user[op] = user;
    *ret_op = op;
    return 0;
}

void kith_cancel(struct kith_node *node, uint64_t op) {
    node->canceled[op] = true;
}

void kith_node_status(const struct kith_node *node, struct kith_status *ret) {
    memset(ret, 0, sizeof(*ret));
    memset(ret->key.bytes, 7, sizeof(ret->key.bytes));
    strcpy(ret->network, "kith");
    ret->mainline.on = node->mainline;
    if (node->mainline) {
        struct kith_mainline_family_status *v4 = &ret->mainline.families[0];
        *v4 = (struct kith_mainline_family_status){
            .on = true, .ready = true, .nodes = 9, .size_estimate = 1000, .size_error = 0.35};
        memset(v4->id.bytes, 9, 20);
    }
}

void kith_node_stats(const struct kith_node *node, struct kith_stats *ret) {
    memset(ret, 0, sizeof(*ret));
    ret->rx_datagrams = 11;
}

int kith_node_each_peer(const struct kith_node *node,
                        int (*fn)(const struct kith_peer_info *info, void *user), void *user) {
    struct kith_peer_info info = {.live = true, .rtt_us = 1500};
    int r = fn(&info, user);
    info.live = false;
    return r != 0 ? r : fn(&info, user);
}

int kith_node_each_record(const struct kith_node *node,
                          int (*fn)(const struct kith_record_info *info, void *user), void *user) {
    for (unsigned i = 0; i < node->n_records; i++) {
        struct kith_record_info info = {.is_mutable = true, .seq = i};
        if (fn(&info, user) != 0) {
            return -1;
        }
    }
    return 0;
}

int kith_node_each_session(const struct kith_node *node,
                           int (*fn)(const struct kith_session_info *info, void *user),
                           void *user) {
    return 0;
}

int kith_node_known_peer(const struct kith_node *node, const struct kith_key *key,
                         struct kith_peer *ret_peer) {
    return KITH_ENOT_FOUND;
}

int kith_node_each_local(const struct kith_node *node,
                         int (*fn)(const struct kith_local_info *info, void *user), void *user) {
    struct kith_local_info info = {.name = "kith \xff\n", .n_endpoints = 1};
    assert_int_equal(kith_endpoint_parse("10.0.0.1:7700", &info.endpoints[0], NULL), 0);
    int r = fn(&info, user);
    info.has_key = info.confirmed = true;
    info.endpoint = info.endpoints[0];
    info.seen_ns = 1500000000;
    return r != 0 ? r : fn(&info, user);
}

void kith_node_book_status(const struct kith_node *node, struct kith_book_status *ret) {
    *ret = (struct kith_book_status){
        .n_new = 5, .n_tried = 3, .n_pinned = 2, .n_banned = 1, .n_discovery = 6, .n_exchange = 4};
}

int kith_node_each_book(const struct kith_node *node,
                        int (*fn)(const struct kith_book_info *info, void *user), void *user) {
    struct kith_book_info info = {.origin = "pex", .health = 0.5, .seen_s = -1, .success_s = -1};
    assert_int_equal(kith_endpoint_parse("192.0.2.1:7700", &info.contact.endpoint, NULL), 0);
    int r = fn(&info, user);
    info.contact.has_key = true;
    info.place = KITH_PLACE_PINNED;
    info.roles = KITH_ROLE_PERSISTENT | KITH_ROLE_PRIVATE;
    info.seen_s = 2;
    return r != 0 ? r : fn(&info, user);
}

int kith_node_each_ban(const struct kith_node *node,
                       int (*fn)(const struct kith_ban_info *info, void *user), void *user) {
    struct kith_ban_info info = {.is_key = true, .left_s = UINT64_MAX};
    int r = fn(&info, user);
    info = (struct kith_ban_info){.bits = 24, .left_s = 60};
    assert_int_equal(kith_endpoint_parse("192.0.2.0:0", &info.prefix, NULL), 0);
    return r != 0 ? r : fn(&info, user);
}

int kith_node_add(struct kith_node *node, const struct kith_contact *contact, uint8_t roles) {
    node->n_edits++;
    node->added = *contact;
    node->roles = roles;
    return node->edit_status;
}

int kith_node_ban(struct kith_node *node, const struct kith_ban_info *ban) {
    node->n_edits++;
    node->banned = *ban;
    return node->edit_status;
}

int kith_node_unban(struct kith_node *node, const struct kith_ban_info *ban) {
    node->n_edits++;
    node->banned = *ban;
    return node->edit_status;
}

static inline void give(struct kith_node *node, uint64_t op, struct kith_result result) {
    assert_true(op < node->n_started);
    result.op = op;
    result.query = node->query[op].kind;
    node->ended[op] = result.kind == KITH_RESULT_DONE;
    node->fn[op](node, &result, node->user[op]);
}

static inline void give_end(struct kith_node *node, uint64_t op, int status) {
    give(node, op, (struct kith_result){.kind = KITH_RESULT_DONE, .status = status});
}

/* ---- the client ---- */

struct client {
    struct kith_node node;
    struct kith_control *control;
    msgpack_unpacker unpacker; /* what was written to us */
    msgpack_unpacked message;
    unsigned n_stops;
};

static inline void on_write(void *context, struct kith_span bytes) {
    struct client *client = context;
    assert_true(msgpack_unpacker_reserve_buffer(&client->unpacker, bytes.size));
    memcpy(msgpack_unpacker_buffer(&client->unpacker), bytes.data, bytes.size);
    msgpack_unpacker_buffer_consumed(&client->unpacker, bytes.size);
}

static inline int setup(void **state) {
    struct client *client = calloc(1, sizeof(*client));
    assert_non_null(client);
    msgpack_unpacker_init(&client->unpacker, 4096);
    msgpack_unpacked_init(&client->message);
    assert_int_equal(kith_control_new(&client->control, &client->node, on_write, client), 0);
    *state = client;
    return 0;
}

static inline int teardown(void **state) {
    struct client *client = *state;
    if (client == NULL) {
        return -1; /* no memory, see nomem_units.py */
    }
    kith_control_free(client->control);
    msgpack_unpacked_destroy(&client->message);
    msgpack_unpacker_destroy(&client->unpacker);
    free(client);
    return 0;
}

/* The next message, or NULL: nothing was written. */
static inline const msgpack_object *next(struct client *client) {
    msgpack_unpack_return r = msgpack_unpacker_next(&client->unpacker, &client->message);
    if (r != MSGPACK_UNPACK_SUCCESS) {
        assert_int_equal(r, MSGPACK_UNPACK_CONTINUE);
        return NULL;
    }
    assert_int_equal(client->message.data.type, MSGPACK_OBJECT_ARRAY);
    return &client->message.data;
}

static inline const msgpack_object *field(const msgpack_object *map, const char *name) {
    assert_int_equal(map->type, MSGPACK_OBJECT_MAP);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *key = &map->via.map.ptr[i].key;
        if (key->via.str.size == strlen(name) &&
            memcmp(key->via.str.ptr, name, strlen(name)) == 0) {
            return &map->via.map.ptr[i].val;
        }
    }
    return NULL;
}

static inline void assert_text(const msgpack_object *object, const char *text) {
    assert_non_null(object);
    assert_int_equal(object->type, MSGPACK_OBJECT_STR);
    assert_int_equal(object->via.str.size, strlen(text));
    assert_memory_equal(object->via.str.ptr, text, strlen(text));
}

/* [1, id, {result}]: the result. */
static inline const msgpack_object *expect_result(struct client *client, uint64_t id) {
    const msgpack_object *message = next(client);
    assert_non_null(message);
    assert_int_equal(message->via.array.size, 3);
    assert_int_equal(message->via.array.ptr[0].via.u64, 1);
    assert_int_equal(message->via.array.ptr[1].via.u64, id);
    return &message->via.array.ptr[2];
}

/* [2, id, code, text, {result}]: the text. */
static inline const msgpack_object *expect_failure(struct client *client, uint64_t id, int code) {
    const msgpack_object *message = next(client);
    assert_non_null(message);
    assert_int_equal(message->via.array.size, 5);
    assert_int_equal(message->via.array.ptr[0].via.u64, 2);
    assert_int_equal(message->via.array.ptr[1].via.u64, id);
    assert_int_equal(message->via.array.ptr[2].via.i64, code);
    return &message->via.array.ptr[3];
}

static inline const msgpack_object *expect_event(struct client *client, uint64_t id,
                                                 const char *event) {
    const msgpack_object *message = next(client);
    assert_non_null(message);
    assert_int_equal(message->via.array.size, 4);
    assert_int_equal(message->via.array.ptr[0].via.u64, 3);
    assert_int_equal(message->via.array.ptr[1].via.u64, id);
    assert_text(&message->via.array.ptr[2], event);
    return &message->via.array.ptr[3];
}

/* A request with text args, as name, value pairs that end with NULL. */
struct request {
    struct kith_out out;
    struct kith_out_level level;
};

static inline void begin(struct request *request, uint64_t id, const char *method) {
    kith_out_init(&request->out);
    kith_out_header(&request->out, 4, 0, id);
    kith_out_text(&request->out, NULL, method);
    request->level = kith_out_map(&request->out, NULL);
}

static inline int call(struct client *client, struct request *request) {
    kith_out_end(&request->out, request->level);
    int r = kith_control_receive(client->control,
                                 kith_span(request->out.buffer.data, request->out.buffer.size));
    kith_out_deinit(&request->out);
    return r;
}

static inline void send_simple(struct client *client, uint64_t id, const char *method) {
    struct request request;
    begin(&request, id, method);
    assert_int_equal(call(client, &request), 0);
}

static const char key_hex[] = "0707070707070707070707070707070707070707070707070707070707070707";

static inline void send_with_key(struct client *client, uint64_t id, const char *method) {
    struct request request;
    begin(&request, id, method);
    kith_out_text(&request.out, "key", key_hex);
    assert_int_equal(call(client, &request), 0);
}

static inline int send_raw(struct client *client, const void *bytes, size_t size) {
    return kith_control_receive(client->control, kith_span(bytes, size));
}

#endif
