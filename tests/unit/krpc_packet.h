/* SPDX-License-Identifier: MIT */
/* krpc_packet: datagrams put together by hand, and decoding them from exact heap copies, so that a
 * sanitizer sees any read past the end. Include after cmocka.h. */
#ifndef KITH_TESTS_KRPC_PACKET_H
#define KITH_TESTS_KRPC_PACKET_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire/krpc.h"

#define ID_A "abcdefghij0123456789"
#define ID_B "mnopqrstuvwxyz123456"

struct packet {
    size_t size;
    uint8_t bytes[16384];
};

static inline void add_bytes(struct packet *p, const void *bytes, size_t size) {
    assert_true(size <= sizeof(p->bytes) - p->size);
    if (size > 0) {
        memcpy(p->bytes + p->size, bytes, size);
    }
    p->size += size;
}

static inline void add(struct packet *p, const char *text) {
    add_bytes(p, text, strlen(text));
}

static inline void add_string(struct packet *p, const void *bytes, size_t size) {
    char head[32];
    snprintf(head, sizeof(head), "%zu:", size);
    add(p, head);
    add_bytes(p, bytes, size);
}

/* A string of `size` times `c`. */
static inline void add_run(struct packet *p, char c, size_t size) {
    static char run[8192];
    assert_true(size <= sizeof(run));
    memset(run, c, sizeof(run));
    add_string(p, run, size);
}

static inline int decode_bytes(const void *bytes, size_t size, struct kith_message *ret) {
    static uint8_t *copy; /* until the next call, since spans point there */
    free(copy);
    copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return kith_krpc_decode(4, kith_span(copy, size), ret);
}

static inline int decode(const struct packet *p, struct kith_message *ret) {
    return decode_bytes(p->bytes, p->size, ret);
}

static inline int decode_text(const char *text, struct kith_message *ret) {
    return decode_bytes(text, strlen(text), ret);
}

/* A request of `method` with the args in `args`, which come after "id". */
static inline int decode_args(const char *method, const struct packet *args,
                              struct kith_message *ret) {
    static struct packet p;
    p.size = 0;
    add(&p, "d1:ad2:id20:" ID_A);
    add_bytes(&p, args->bytes, args->size);
    add(&p, "e1:q");
    add_string(&p, method, strlen(method));
    add(&p, "1:t2:aa1:y1:qe");
    return decode(&p, ret);
}

static inline int decode_args_text(const char *method, const char *args, struct kith_message *ret) {
    static struct packet p;
    p.size = 0;
    add(&p, args);
    return decode_args(method, &p, ret);
}

/* A response with the fields in `fields`, which come after "id". */
static inline int decode_fields(const struct packet *fields, struct kith_message *ret) {
    static struct packet p;
    p.size = 0;
    add(&p, "d1:rd2:id20:" ID_B);
    add_bytes(&p, fields->bytes, fields->size);
    add(&p, "e1:t2:aa1:y1:re");
    return decode(&p, ret);
}

static inline int decode_fields_text(const char *fields, struct kith_message *ret) {
    static struct packet p;
    p.size = 0;
    add(&p, fields);
    return decode_fields(&p, ret);
}

/* Any message as its sender, of this family, would send it. */
static inline int encode(const struct kith_message *message, uint8_t family, size_t max,
                         struct packet *ret) {
    struct kith_sender from = {.id = &message->id, .family = family};
    assert_true(max <= sizeof(ret->bytes));
    switch (message->kind) {
    case KITH_MESSAGE_REQUEST:
        return kith_krpc_encode_request(&from, &message->txn, &message->u.request, ret->bytes, max,
                                        &ret->size);
    case KITH_MESSAGE_RESPONSE:
        return kith_krpc_encode_response(&from, &message->txn, &message->u.response, ret->bytes,
                                         max, &ret->size);
    case KITH_MESSAGE_ERROR:
        return kith_krpc_encode_error(&from, &message->txn, &message->u.failure, ret->bytes, max,
                                      &ret->size);
    case KITH_MESSAGE_PUSH:
        break;
    }
    return KITH_EINVALID;
}

static inline bool point_is(const struct kith_point *point, const char *text) {
    static const uint8_t zeros[sizeof(point->bytes) - KITH_KRPC_ID_SIZE];
    return memcmp(point->bytes, text, KITH_KRPC_ID_SIZE) == 0 &&
           memcmp(point->bytes + KITH_KRPC_ID_SIZE, zeros, sizeof(zeros)) == 0;
}

/* The first place of a text in a packet, or NULL. */
static inline const uint8_t *find(const struct packet *p, const char *text, size_t size) {
    for (size_t at = 0; at + size <= p->size; at++) {
        if (memcmp(p->bytes + at, text, size) == 0) {
            return p->bytes + at;
        }
    }
    return NULL;
}

static inline bool has(const struct packet *p, const char *text) {
    return find(p, text, strlen(text)) != NULL;
}

#endif
