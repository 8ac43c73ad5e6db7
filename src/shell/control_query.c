/* SPDX-License-Identifier: MIT */
/*
 * control_query: the args of a request as the query of an op. What a query points to lies in the
 * request's args or in the request itself, and is copied when the op starts.
 */
#include <string.h>

#include "shell/control_internal.h"

/* Where an op is to take place; kept for the answer. */
static int read_swarm(struct kith_args *args, bool may_both, struct kith_query *query) {
    char text[16];
    if (!kith_args_has(args, "swarm")) {
        return 0;
    }
    int r = kith_args_text(args, "swarm", text, sizeof(text));
    if (r < 0) {
        return r;
    }
    query->swarms = strcmp(text, "kith") == 0               ? KITH_SWARM_KITH
                    : strcmp(text, "mainline") == 0         ? KITH_SWARM_MAINLINE
                    : strcmp(text, "both") == 0 && may_both ? KITH_SWARM_KITH | KITH_SWARM_MAINLINE
                                                            : 0u;
    return query->swarms != 0
               ? 0
               : kith_args_fail(args, "arg 'swarm': 'kith'%s 'mainline'%s expected",
                                may_both ? "," : " or", may_both ? " or 'both'" : "");
}

/* A point of Mainline. */
static int read_target(struct kith_args *args, const char *name, struct kith_query *query) {
    if (query->swarms != 0 && query->swarms != KITH_SWARM_MAINLINE) {
        return kith_args_fail(args, "arg '%s': a place in Mainline; 'swarm' names another", name);
    }
    query->swarms = KITH_SWARM_MAINLINE;
    query->flags |= KITH_FLAG_HAS_POINT;
    return kith_args_target(args, name, &query->point);
}

static int read_timeout(struct kith_args *args, struct kith_query *query) {
    return kith_args_has(args, "timeout_ms") ? kith_args_ms(args, "timeout_ms", &query->timeout_ns)
                                             : 0;
}

static int read_key(struct kith_args *args, struct kith_query *query) {
    query->flags |= KITH_FLAG_HAS_KEY;
    return kith_args_key(args, "key", &query->key);
}

static int read_point(struct kith_args *args, const char *name, struct kith_query *query) {
    query->flags |= KITH_FLAG_HAS_POINT;
    return kith_args_point(args, name, &query->point);
}

static int read_salt(struct kith_args *args, struct kith_query *query) {
    struct kith_span salt;
    if (!kith_args_has(args, "salt")) {
        return 0;
    }
    int r = kith_args_bytes(args, "salt", KITH_SALT_MAX, &salt);
    if (r < 0) {
        return r;
    }
    if (salt.size > 0) {
        memcpy(query->salt, salt.data, salt.size);
    }
    query->salt_size = (uint8_t)salt.size;
    return 0;
}

static int read_flag(struct kith_args *args, const char *name, uint32_t flag,
                     struct kith_query *query) {
    bool value = false;
    int r = kith_args_has(args, name) ? kith_args_bool(args, name, &value) : 0;
    query->flags |= r == 0 && value ? flag : 0;
    return r;
}

static int read_seq(struct kith_args *args, const char *name, uint32_t flag,
                    struct kith_query *query, int64_t *ret) {
    uint64_t value;
    if (!kith_args_has(args, name)) {
        return 0;
    }
    int r = kith_args_uint(args, name, INT64_MAX, &value);
    if (r == 0) {
        *ret = (int64_t)value;
        query->flags |= flag;
    }
    return r;
}

static int read_n(struct kith_args *args, uint64_t max, struct kith_query *query) {
    uint64_t value = 0;
    int r = kith_args_has(args, "n") ? kith_args_uint(args, "n", max, &value) : 0;
    query->n = (uint32_t)value;
    return r;
}

int kith_control_prepare_lookup(struct kith_args *args, struct kith_control_request *request) {
    int r = read_key(args, &request->query);
    r = r < 0 ? r : read_swarm(args, true, &request->query);
    return r < 0 ? r : read_timeout(args, &request->query);
}

static int prepare_key_or_point(struct kith_args *args, struct kith_query *query) {
    if (kith_args_has(args, "key")) {
        return read_key(args, query);
    }
    if (kith_args_has(args, "target")) {
        return read_target(args, "target", query);
    }
    if (!kith_args_has(args, "point")) {
        return read_key(args, query);
    }
    if (query->swarms != 0 && query->swarms != KITH_SWARM_KITH) {
        return kith_args_fail(args,
                              "arg 'point': a place in kith's own swarm; 'swarm' names another");
    }
    return read_point(args, "point", query);
}

int kith_control_prepare_get(struct kith_args *args, struct kith_control_request *request) {
    struct kith_query *query = &request->query;
    int r;
    if ((r = read_swarm(args, true, query)) < 0 || (r = prepare_key_or_point(args, query)) < 0 ||
        (r = read_salt(args, query)) < 0 ||
        (r = read_flag(args, "all", KITH_FLAG_NEWEST, query)) < 0) {
        return r;
    }
    return read_timeout(args, query);
}

int kith_control_prepare_put(struct kith_args *args, struct kith_control_request *request) {
    struct kith_query *query = &request->query;
    struct kith_span value;
    int r;
    if ((r = kith_args_bytes(args, "value", KITH_VALUE_MAX, &value)) < 0 ||
        (r = read_salt(args, query)) < 0 ||
        (r = read_seq(args, "seq", KITH_FLAG_HAS_SEQ, query, &query->seq)) < 0 ||
        (r = read_seq(args, "cas", KITH_FLAG_HAS_CAS, query, &query->cas)) < 0 ||
        (r = read_flag(args, "immutable", KITH_FLAG_IMMUTABLE, query)) < 0 ||
        (r = read_swarm(args, true, query)) < 0) {
        return r;
    }
    query->value = value.data;
    query->value_size = value.size;
    return read_timeout(args, query);
}

int kith_control_prepare_topic(struct kith_args *args, struct kith_control_request *request) {
    int r = read_point(args, "topic", &request->query);
    return r < 0 ? r : read_timeout(args, &request->query);
}

int kith_control_prepare_find(struct kith_args *args, struct kith_control_request *request) {
    int r = kith_control_prepare_topic(args, request);
    return r < 0 ? r : read_n(args, KITH_CONTROL_FIND_MAX, &request->query);
}

static int read_peer(struct kith_args *args, struct kith_control_request *request) {
    int r = kith_args_peer(args, "peer", &request->query);
    return r < 0 ? r : kith_args_text(args, "peer", request->peer, sizeof(request->peer));
}

int kith_control_prepare_ping(struct kith_args *args, struct kith_control_request *request) {
    int r;
    if ((r = read_peer(args, request)) < 0 ||
        (r = read_n(args, KITH_CONTROL_PINGS_MAX, &request->query)) < 0 ||
        (r = read_swarm(args, false, &request->query)) < 0) {
        return r;
    }
    if (request->query.swarms == KITH_SWARM_MAINLINE &&
        (request->query.contact.endpoint.family == 0 || request->query.contact.has_key)) {
        return kith_args_fail(args, "arg 'peer': ADDRESS:PORT expected, Mainline has no keys");
    }
    return read_timeout(args, &request->query);
}

int kith_control_prepare_trace(struct kith_args *args, struct kith_control_request *request) {
    struct kith_query *query = &request->query;
    int r = read_swarm(args, false, query);
    r = r < 0 ? r : prepare_key_or_point(args, query);
    r = r < 0 ? r : read_salt(args, query);
    query->flags |= KITH_FLAG_TRACE;
    return r < 0 ? r : read_timeout(args, query);
}

int kith_control_prepare_watch(struct kith_args *args, struct kith_control_request *request) {
    int r = read_key(args, &request->query);
    r = r < 0 ? r : read_swarm(args, true, &request->query);
    return r < 0 ? r : read_salt(args, &request->query);
}

/* The protocol's name is copied by kith_start(); until then it lies in the request's `salt`, which
 * a talk does not use. */
int kith_control_prepare_talk(struct kith_args *args, struct kith_control_request *request) {
    struct kith_query *query = &request->query;
    struct kith_span bytes = {0};
    char *protocol = (char *)query->salt;
    int r;
    if ((r = read_peer(args, request)) < 0 ||
        (r = kith_args_text(args, "protocol", protocol, KITH_PROTOCOL_NAME_MAX + 1)) < 0 ||
        (r = kith_args_bytes(args, "bytes", KITH_TALK_MAX, &bytes)) < 0) {
        return r;
    }
    query->protocol = protocol;
    query->value = bytes.data;
    query->value_size = bytes.size;
    return read_timeout(args, query);
}

/* ---- the public swarm in its own terms ---- */

int kith_control_prepare_peers(struct kith_args *args, struct kith_control_request *request) {
    int r = read_target(args, "infohash", &request->query);
    r = r < 0 ? r : read_n(args, KITH_CONTROL_FIND_MAX, &request->query);
    return r < 0 ? r : read_timeout(args, &request->query);
}

int kith_control_prepare_announce_peer(struct kith_args *args,
                                       struct kith_control_request *request) {
    uint64_t port = 0;
    int r = read_target(args, "infohash", &request->query);
    if (r == 0 && kith_args_has(args, "port")) {
        r = kith_args_uint(args, "port", UINT16_MAX, &port);
        r = r == 0 && port == 0 ? kith_args_fail(args, "arg 'port': 1 to 65535 expected") : r;
    }
    request->query.port = (uint16_t)port;
    return r < 0 ? r : read_timeout(args, &request->query);
}

int kith_control_prepare_sample(struct kith_args *args, struct kith_control_request *request) {
    request->query.swarms = KITH_SWARM_MAINLINE;
    int r = kith_args_has(args, "target") ? read_target(args, "target", &request->query) : 0;
    return r < 0 ? r : read_timeout(args, &request->query);
}
