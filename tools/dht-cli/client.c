/* SPDX-License-Identifier: MIT */
/*
 * The client's half of the control protocol. One request runs at a time, so a call is a loop: send,
 * then wait for bytes and take values off the stream until the request's end arrives. Bytes are
 * appended by client_feed(), from inside the transport's wait() (or, with a node in this process,
 * its send()).
 *
 * Answers become JSON at once: printing, `--json` and the tables of the list commands all start
 * from there, so they cannot disagree.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json_msgpack.h"

/* First elements of the protocol's arrays. */
enum { REQUEST = 0, RESPONSE = 1, FAILURE = 2, EVENT = 3 };

struct client {
    const struct client_transport *transport;
    void *self;
    msgpack_unpacker unpacker;
    uint64_t last_id;
    bool broken; /* out of memory while feeding */
};

volatile sig_atomic_t client_interrupted;

static void on_interrupt(int number) {
    client_interrupted = number;
}

void client_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigset_t blocked;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

uint64_t client_now_ms(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- args ---- */

void client_args_init(struct client_args *args) {
    *args = (struct client_args){0};
    msgpack_sbuffer_init(&args->bytes);
}

void client_args_deinit(struct client_args *args) {
    msgpack_sbuffer_destroy(&args->bytes);
}

static msgpack_packer add_name(struct client_args *args, const char *name) {
    msgpack_packer packer;

    msgpack_packer_init(&packer, &args->bytes, msgpack_sbuffer_write);
    args->failed |= msgpack_pack_str_with_body(&packer, name, strlen(name)) < 0;
    args->n_pairs++;
    return packer;
}

void client_args_text(struct client_args *args, const char *name, const char *text) {
    msgpack_packer packer = add_name(args, name);

    args->failed |= msgpack_pack_str_with_body(&packer, text, strlen(text)) < 0;
}

void client_args_texts(struct client_args *args, const char *name, const char *const *texts,
                       size_t n) {
    msgpack_packer packer = add_name(args, name);

    args->failed |= msgpack_pack_array(&packer, n) < 0;
    for (size_t i = 0; i < n; i++)
        args->failed |= msgpack_pack_str_with_body(&packer, texts[i], strlen(texts[i])) < 0;
}

void client_args_bytes(struct client_args *args, const char *name, const void *bytes, size_t size) {
    msgpack_packer packer = add_name(args, name);

    args->failed |= msgpack_pack_bin_with_body(&packer, bytes, size) < 0;
}

void client_args_int(struct client_args *args, const char *name, int64_t number) {
    msgpack_packer packer = add_name(args, name);

    args->failed |= msgpack_pack_int64(&packer, number) < 0;
}

void client_args_bool(struct client_args *args, const char *name, bool value) {
    msgpack_packer packer = add_name(args, name);

    args->failed |= (value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer)) < 0;
}

/* ---- the connection ---- */

struct client *client_new(const struct client_transport *transport, void *self_take) {
    struct client *client = calloc(1, sizeof(*client));

    if (!client || !msgpack_unpacker_init(&client->unpacker, MSGPACK_UNPACKER_INIT_BUFFER_SIZE)) {
        free(client);
        transport->free(self_take);
        return NULL;
    }
    client->transport = transport;
    client->self = self_take;
    return client;
}

struct client *client_free(struct client *client) {
    if (!client)
        return NULL;
    client->transport->free(client->self);
    msgpack_unpacker_destroy(&client->unpacker);
    free(client);
    return NULL;
}

void client_feed(struct client *client, const void *bytes, size_t size) {
    if (!msgpack_unpacker_reserve_buffer(&client->unpacker, size)) {
        client->broken = true;
        return;
    }
    memcpy(msgpack_unpacker_buffer(&client->unpacker), bytes, size);
    msgpack_unpacker_buffer_consumed(&client->unpacker, size);
}

void client_reply_deinit(struct client_reply *reply) {
    json_decref(reply->result);
    reply->result = NULL;
}

static void fail(struct client_reply *reply, int code, const char *text) {
    reply->code = code;
    snprintf(reply->text, sizeof(reply->text), "%s", text);
}

static int send_request(struct client *client, const char *method, const struct client_args *args) {
    msgpack_sbuffer out;
    msgpack_packer packer;
    int r;

    if (args->failed)
        return KITH_ENOMEM;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&packer, &out, msgpack_sbuffer_write);
    r = msgpack_pack_array(&packer, 4);
    r |= msgpack_pack_int(&packer, REQUEST);
    r |= msgpack_pack_uint64(&packer, ++client->last_id);
    r |= msgpack_pack_str_with_body(&packer, method, strlen(method));
    r |= msgpack_pack_map(&packer, args->n_pairs);
    if (args->bytes.size)
        r |= msgpack_sbuffer_write(&out, args->bytes.data, args->bytes.size);
    r = r ? KITH_ENOMEM : client->transport->send(client->self, out.data, out.size);
    msgpack_sbuffer_destroy(&out);
    return r;
}

static bool text_of(const msgpack_object *object, char *text, size_t size) {
    if (object->type != MSGPACK_OBJECT_STR || object->via.str.size >= size)
        return false;
    if (object->via.str.size > 0) /* else it has no bytes to point to */
        memcpy(text, object->via.str.ptr, object->via.str.size);
    text[object->via.str.size] = '\0';
    return true;
}

/* [2, id, code, text, {result}] */
static void take_failure(const msgpack_object_array *array, struct client_reply *reply) {
    const msgpack_object *code = &array->ptr[2];

    fail(reply, KITH_EINTERNAL, "the node's answer is malformed");
    if (code->type != MSGPACK_OBJECT_NEGATIVE_INTEGER || code->via.i64 < INT32_MIN)
        return;
    reply->code = (int)code->via.i64;
    if (!text_of(&array->ptr[3], reply->text, sizeof(reply->text)) || reply->text[0] == '\0')
        snprintf(reply->text, sizeof(reply->text), "%s", kith_strerror(reply->code));
    if (array->size > 4)
        reply->result = json_from_result(&array->ptr[4]);
}

static void keep_value(const msgpack_object *result, struct client_reply *reply) {
    for (uint32_t i = 0; result->type == MSGPACK_OBJECT_MAP && i < result->via.map.size; i++) {
        const msgpack_object_kv *pair = &result->via.map.ptr[i];
        char name[8];
        if (text_of(&pair->key, name, sizeof(name)) && strcmp(name, "value") == 0 &&
            pair->val.type == MSGPACK_OBJECT_BIN && pair->val.via.bin.size <= KITH_VALUE_MAX) {
            reply->value_size = (uint16_t)pair->val.via.bin.size;
            memcpy(reply->value, pair->val.via.bin.ptr, reply->value_size);
        }
    }
}

static void take_event(const msgpack_object_array *array, client_event_fn on_event, void *user) {
    char name[32];
    json_t *fields = json_from_result(&array->ptr[3]);

    if (fields && on_event && text_of(&array->ptr[2], name, sizeof(name)))
        on_event(name, fields, user);
    json_decref(fields);
}

/* One value of the stream. Returns true when it ends the request. */
static bool take_value(struct client *client, const msgpack_object *object,
                       client_event_fn on_event, void *user, struct client_reply *reply) {
    const msgpack_object_array *array = &object->via.array;
    bool sound = object->type == MSGPACK_OBJECT_ARRAY && array->size >= 3 &&
                 array->ptr[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
                 array->ptr[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    uint64_t kind = sound ? array->ptr[0].via.u64 : REQUEST;
    uint64_t id = sound ? array->ptr[1].via.u64 : 0;

    if (kind == FAILURE && array->size >= 4 && (id == client->last_id || id == 0)) {
        take_failure(array, reply);
        return true;
    }
    if (sound && id != client->last_id)
        return false; /* the rest of a request we gave up */
    if (kind == EVENT && array->size >= 4) {
        take_event(array, on_event, user);
        return false;
    }
    if (kind == RESPONSE) {
        reply->result = json_from_result(&array->ptr[2]);
        keep_value(&array->ptr[2], reply);
    }
    if (!reply->result)
        fail(reply, KITH_EINTERNAL, "the node's answer is malformed");
    return true;
}

/* Takes what has arrived off the stream. Returns true when the request has ended. */
static bool take_stream(struct client *client, client_event_fn on_event, void *user,
                        struct client_reply *reply) {
    msgpack_unpacked unpacked;
    msgpack_unpack_return r;
    bool ended = false;

    msgpack_unpacked_init(&unpacked);
    while (!ended &&
           (r = msgpack_unpacker_next(&client->unpacker, &unpacked)) != MSGPACK_UNPACK_CONTINUE) {
        if (r == MSGPACK_UNPACK_SUCCESS) {
            ended = take_value(client, &unpacked.data, on_event, user, reply);
        } else {
            fail(reply, KITH_EINTERNAL, "the node's answer is not msgpack");
            ended = true;
        }
    }
    msgpack_unpacked_destroy(&unpacked);
    return ended;
}

static const char *text_for(int code) {
    if (code == KITH_EUNREACHABLE)
        return "the daemon closed the connection";
    if (code == KITH_ETIMEOUT)
        return "no answer of the node itself in time";
    return code == KITH_ECANCELED ? "interrupted" : kith_strerror(code);
}

void client_call(struct client *client, const char *method, const struct client_args *args,
                 uint64_t timeout_ms, client_event_fn on_event, void *user,
                 struct client_reply *reply) {
    uint64_t deadline = timeout_ms ? client_now_ms() + timeout_ms : UINT64_MAX;
    int r;

    *reply = (struct client_reply){0};
    r = send_request(client, method, args);
    while (r == 0 && !take_stream(client, on_event, user, reply)) {
        r = client->broken ? KITH_ENOMEM : client->transport->wait(client->self, deadline);
    }
    if (r < 0)
        fail(reply, r, text_for(r));
}
