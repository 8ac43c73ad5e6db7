/* SPDX-License-Identifier: MIT */
/*
 * control_args: the arguments of a request, typed. Whatever is wrong is said in the client's terms:
 * which arg, what was expected, and the column where the text has one.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shell/control_internal.h"
#include "util/text.h"

/* Longer than any op; a larger number is a unit mistaken. */
#define TIMEOUT_MAX_MS (24.0 * 3600 * 1000)

int kith_args_fail(struct kith_args *args, const char *format, ...) {
    va_list list;
    va_start(list, format);
    (void)vsnprintf(args->error, sizeof(args->error), format, list);
    va_end(list);
    return KITH_EINVALID;
}

static const msgpack_object *find(const struct kith_args *args, const char *name) {
    size_t length = strlen(name);
    for (uint32_t i = 0; args->map != NULL && i < args->map->size; i++) {
        const msgpack_object *key = &args->map->ptr[i].key;
        if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == length &&
            memcmp(key->via.str.ptr, name, length) == 0) {
            const msgpack_object *value = &args->map->ptr[i].val;
            return value->type == MSGPACK_OBJECT_NIL ? NULL : value;
        }
    }
    return NULL;
}

bool kith_args_has(const struct kith_args *args, const char *name) {
    return find(args, name) != NULL;
}

int kith_args_bool(struct kith_args *args, const char *name, bool *ret) {
    const msgpack_object *value = find(args, name);
    if (value == NULL || value->type != MSGPACK_OBJECT_BOOLEAN) {
        return kith_args_fail(args, "arg '%s': true or false expected", name);
    }
    *ret = value->via.boolean;
    return 0;
}

int kith_args_uint(struct kith_args *args, const char *name, uint64_t max, uint64_t *ret) {
    const msgpack_object *value = find(args, name);
    if (value == NULL || value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 > max) {
        return kith_args_fail(args, "arg '%s': a whole number from 0 to %llu expected", name,
                              (unsigned long long)max);
    }
    *ret = value->via.u64;
    return 0;
}

int kith_args_ms(struct kith_args *args, const char *name, uint64_t *ret_ns) {
    const msgpack_object *value = find(args, name);
    double ms = -1;
    if (value != NULL && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        ms = (double)value->via.u64;
    } else if (value != NULL &&
               (value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64)) {
        ms = value->via.f64;
    }
    if (!(ms > 0 && ms <= TIMEOUT_MAX_MS)) { /* also NaN */
        return kith_args_fail(
            args, "arg '%s': milliseconds, more than 0 and at most a day, expected", name);
    }
    *ret_ns = (uint64_t)(ms * 1e6);
    return 0;
}

int kith_args_bytes(struct kith_args *args, const char *name, size_t max, struct kith_span *ret) {
    const msgpack_object *value = find(args, name);
    struct kith_span span;
    if (value != NULL && value->type == MSGPACK_OBJECT_BIN) {
        span = kith_span(value->via.bin.ptr, value->via.bin.size);
    } else if (value != NULL && value->type == MSGPACK_OBJECT_STR) {
        span = kith_span(value->via.str.ptr, value->via.str.size);
    } else {
        return kith_args_fail(args, "arg '%s': bytes expected", name);
    }
    if (span.size > max) {
        return kith_args_fail(args, "arg '%s': %zu bytes, at most %zu", name, span.size, max);
    }
    *ret = span;
    return 0;
}

int kith_args_text(struct kith_args *args, const char *name, char *text, size_t size) {
    const msgpack_object *value = find(args, name);
    if (value == NULL || value->type != MSGPACK_OBJECT_STR) {
        return kith_args_fail(args, "arg '%s': text expected", name);
    }
    size_t length = value->via.str.size;
    if (length >= size) {
        return kith_args_fail(args, "arg '%s': %zu bytes, at most %zu", name, length, size - 1);
    }
    if (memchr(value->via.str.ptr, 0, length) != NULL) {
        return kith_args_fail(args, "arg '%s': contains a zero byte", name);
    }
    memcpy(text, value->via.str.ptr, length);
    text[length] = '\0';
    return 0;
}

static int fail_parse(struct kith_args *args, const char *name,
                      const struct kith_error_info *info) {
    if (info->column > 0) {
        return kith_args_fail(args, "arg '%s', column %u: %.140s", name, info->column,
                              info->message);
    }
    return kith_args_fail(args, "arg '%s': %.150s", name, info->message);
}

int kith_args_key(struct kith_args *args, const char *name, struct kith_key *ret) {
    char text[128];
    struct kith_error_info info = {0};
    int r = kith_args_text(args, name, text, sizeof(text));
    if (r < 0) {
        return r;
    }
    return kith_key_parse(text, ret, &info) < 0 ? fail_parse(args, name, &info) : 0;
}

int kith_args_point(struct kith_args *args, const char *name, struct kith_point *ret) {
    char text[128];
    struct kith_error_info info = {0};
    int r = kith_args_text(args, name, text, sizeof(text));
    if (r < 0) {
        return r;
    }
    return kith_point_parse(text, ret, &info) < 0 ? fail_parse(args, name, &info) : 0;
}

int kith_args_target(struct kith_args *args, const char *name, struct kith_point *ret) {
    char text[128];
    struct kith_point point = {0};
    int r = kith_args_text(args, name, text, sizeof(text));
    if (r < 0) {
        return r;
    }
    size_t column = kith_hex_decode(text, strlen(text), point.bytes, KITH_MAINLINE_ID_SIZE);
    if (column != 0) {
        return kith_args_fail(args, "arg '%s', column %zu: 40 hex digits expected", name, column);
    }
    *ret = point;
    return 0;
}

/* The endpoint of a contact. Names are for the client to resolve: it knows for how long it will
 * wait. */
static int parse_endpoint(struct kith_args *args, const char *name, const char *host, uint16_t port,
                          struct kith_endpoint *ret) {
    char text[300];
    bool is_v6 = strchr(host, ':') != NULL;
    (void)snprintf(text, sizeof(text), is_v6 ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
    if (kith_endpoint_parse(text, ret, NULL) < 0) {
        return kith_args_fail(
            args, "arg '%s': '%.100s' is not an address; names are not resolved here", name, host);
    }
    return 0;
}

int kith_args_roles(struct kith_args *args, const char *name, uint8_t *ret) {
    const msgpack_object *value = find(args, name);
    uint8_t roles = 0;
    if (value == NULL || value->type != MSGPACK_OBJECT_ARRAY) {
        return kith_args_fail(args, "arg '%s': an array of role names expected", name);
    }
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        const msgpack_object *role = &value->via.array.ptr[i];
        struct kith_span text = {0};
        if (role->type == MSGPACK_OBJECT_STR) {
            text = kith_span(role->via.str.ptr, role->via.str.size);
        }
        if (kith_span_equal(text, kith_span_text("persistent"))) {
            roles |= KITH_ROLE_PERSISTENT;
        } else if (kith_span_equal(text, kith_span_text("unconditional"))) {
            roles |= KITH_ROLE_UNCONDITIONAL;
        } else if (kith_span_equal(text, kith_span_text("private"))) {
            roles |= KITH_ROLE_PRIVATE;
        } else {
            return kith_args_fail(
                args, "arg '%s': 'persistent', 'unconditional' or 'private' expected", name);
        }
    }
    *ret = roles;
    return 0;
}

int kith_args_peer(struct kith_args *args, const char *name, struct kith_query *query) {
    char text[KITH_CONTROL_PEER_TEXT_MAX];
    char host[256];
    uint16_t port;
    struct kith_contact contact = {0};
    struct kith_error_info info = {0};
    int r = kith_args_text(args, name, text, sizeof(text));
    if (r < 0) {
        return r;
    }
    if (strpbrk(text, "@:") == NULL) {
        r = kith_key_parse(text, &query->key, &info);
        query->flags |= KITH_FLAG_HAS_KEY;
        return r < 0 ? fail_parse(args, name, &info) : 0;
    }
    r = kith_contact_parse(text, &contact.has_key, &contact.key, host, &port, &info);
    if (r < 0) {
        return fail_parse(args, name, &info);
    }
    r = parse_endpoint(args, name, host, port, &contact.endpoint);
    if (r < 0) {
        return r;
    }
    query->contact = contact;
    if (contact.has_key) {
        query->key = contact.key;
        query->flags |= KITH_FLAG_HAS_KEY;
    }
    return 0;
}
