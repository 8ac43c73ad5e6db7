/* SPDX-License-Identifier: MIT */
/*
 * client: one connection to a node, in another process or in this one.
 *
 * Commands see only this: a method, its args, events, an end. What carries the bytes of the control
 * protocol (docs/control.md) is a `struct client_transport`: a Unix socket to kithd
 * (client_socket.c), or a short-lived node in this process (client_node.c).
 */
#ifndef DHT_CLI_CLIENT_H
#define DHT_CLI_CLIENT_H

#include <jansson.h>
#include <msgpack.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kith/types.h"

struct client;

struct client_transport {
    /* Sends bytes of a request. Returns 0 or a negative enum kith_error. */
    int (*send)(void *self, const void *bytes, size_t size);
    /* Waits until client_feed() was called or `deadline_ms` (client_now_ms(), UINT64_MAX: for ever)
     * passed. Returns 0, KITH_ETIMEOUT, KITH_ECANCELED (interrupted) or KITH_EUNREACHABLE. */
    int (*wait)(void *self, uint64_t deadline_ms);
    void (*free)(void *self);
};

/* The args of a request: a msgpack map in the making. Failures show when the request is sent. */
struct client_args {
    msgpack_sbuffer bytes;
    uint32_t n_pairs;
    bool failed;
};

void client_args_init(struct client_args *args);
void client_args_deinit(struct client_args *args);
void client_args_text(struct client_args *args, const char *name, const char *text);
void client_args_texts(struct client_args *args, const char *name, const char *const *texts,
                       size_t n);
void client_args_bytes(struct client_args *args, const char *name, const void *bytes, size_t size);
void client_args_int(struct client_args *args, const char *name, int64_t number);
void client_args_bool(struct client_args *args, const char *name, bool value);

/* How a request ended. */
struct client_reply {
    int code; /* 0 or a negative enum kith_error */
    char text[512];
    json_t *result;      /* NULL: none. Dropped by client_reply_deinit() */
    uint16_t value_size; /* the result's "value" as it came, where JSON is not exact enough */
    uint8_t value[KITH_VALUE_MAX];
};

void client_reply_deinit(struct client_reply *reply);

/* An event before the end; `fields` is borrowed. */
typedef void (*client_event_fn)(const char *event, json_t *fields, void *user);

/* Takes the transport over. NULL when out of memory (the transport is freed). */
struct client *client_new(const struct client_transport *transport, void *self_take);
struct client *client_free(struct client *client);

/* Runs one request to its end and fills `reply` (deinit it). `timeout_ms` 0: no limit of our own;
 * the node has its own. */
void client_call(struct client *client, const char *method, const struct client_args *args,
                 uint64_t timeout_ms, client_event_fn on_event, void *user,
                 struct client_reply *reply);

/* For transports: bytes of answers. */
void client_feed(struct client *client, const void *bytes, size_t size);

/* Monotonic milliseconds. */
uint64_t client_now_ms(void);

/* ---- the two ways to a node; each returns 0 or a negative enum kith_error and says in `info` what
 * was wrong ---- */

/* At the default path, which the user did not name, only a daemon of this user or root is asked.
 * One that takes no connections is waited for `patience_ms`. */
int client_open_socket(struct client **ret_client, const char *path, bool is_default,
                       uint64_t patience_ms, struct kith_error_info *info);

struct client_node_options {
    const char *network;
    const char *const *peers;
    size_t n_peers;
    const char *identity;         /* a file; NULL: a throwaway key */
    uint64_t join_ms;             /* wait so long for the first contact; 0: do not wait */
    bool mainline;                /* take part in the public swarm, too */
    bool mainline_only;           /* and it is the one that matters */
    const char *const *bootstrap; /* its nodes to ask first; none: public routers */
    size_t n_bootstrap;
};

int client_open_node(struct client **ret_client, const struct client_node_options *options,
                     struct kith_error_info *info);

/* A thread of this process still asks DNS: exit(3) would wait for it, _exit(2) does not. */
extern bool client_left_behind;

/* Set by SIGINT and SIGTERM once client_catch_signals() was called; they are blocked but in ppoll()
 * then. */
extern volatile sig_atomic_t client_interrupted;
void client_catch_signals(void);

#endif
