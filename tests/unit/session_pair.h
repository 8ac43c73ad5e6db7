/* SPDX-License-Identifier: MIT */
/*
 * session_pair: session tables in virtual time, joined by hand: each has an address, and what one
 * puts into its outbox the test carries, drops, repeats or changes.
 */
#ifndef KITH_TESTS_SESSION_PAIR_H
#define KITH_TESTS_SESSION_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session_host.h"

enum { HELD_MAX = 64 };

/* A datagram taken out of an outbox. */
struct held {
    struct kith_endpoint to;
    size_t size;
    uint8_t bytes[KITH_DATAGRAM_MAX];
};

static inline void host_init(struct host *h, uint8_t number, const char *at) {
    struct kith_endpoint endpoint = kith_test_endpoint(at);
    uint8_t seed[KITH_SEED_SIZE];

    memset(seed, number, sizeof(seed));
    host_prepare(h, &kith_curve_sodium, seed, number, &endpoint, 1 << 20);
}

static inline void host_start(struct host *h) {
    assert_int_equal(host_open(h), 0);
}

static inline void host_stop(struct host *h) {
    assert_int_equal(h->stats.drop_amplification, 0);
    host_close(h);
}

/* Takes the oldest datagram out. */
static inline bool host_take(struct host *h, struct held *out) {
    struct kith_datagram d;

    if (!kith_outbox_next(&h->outbox, &d)) {
        return false;
    }
    out->to = d.to;
    out->size = d.size;
    memcpy(out->bytes, d.bytes, d.size);
    return true;
}

static inline void host_must_take(struct host *h, struct held *out, uint8_t type) {
    out->size = 0; /* the compiler does not know that a failing assertion ends the case */
    assert_true(host_take(h, out));
    assert_int_equal(out->bytes[0], type);
}

static inline void host_quiet(struct host *h) {
    struct kith_datagram d;

    assert_false(kith_outbox_next(&h->outbox, &d));
}

/* From a heap copy of exactly its size, so that the sanitizer sees a read beyond it. */
static inline enum kith_delivery_kind host_give(struct host *h, const struct kith_endpoint *from,
                                                const uint8_t *bytes, size_t size, uint64_t now) {
    uint8_t *copy = malloc(size + (size == 0));

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    kith_sessions_receive(h->sessions, from, kith_span(copy, size), now, &h->got);
    free(copy);
    return h->got.kind;
}

/* Carries the oldest datagram of one to the other, which must be of this type. */
static inline enum kith_delivery_kind carry(struct host *a, struct host *b, uint8_t type,
                                            uint64_t now) {
    struct held d;

    host_must_take(a, &d, type);
    assert_true(kith_endpoint_equal(&d.to, &b->at));
    return host_give(b, &a->at, d.bytes, d.size, now);
}

static inline struct kith_send send_to(const struct host *to, const char *text) {
    return (struct kith_send){
        .key = to->identity.key,
        .to = to->at,
        .payload = kith_span_text(text),
        .early = true,
    };
}

static inline void assert_payload(const struct host *h, const char *text) {
    assert_int_equal(h->got.payload.size, strlen(text));
    if (strlen(text) > 0) {
        assert_memory_equal(h->got.payload.data, text, strlen(text));
    }
}

static inline void answer(struct host *h, const char *text, uint64_t now) {
    assert_int_equal(kith_sessions_answer(h->sessions, &h->got, kith_span_text(text), now), 0);
}

/* a asks, b answers, a's address is proven. */
static inline void establish(struct host *a, struct host *b, uint64_t now) {
    struct kith_send send = send_to(b, "ask");

    send.fresh = true;
    assert_int_equal(kith_sessions_send(a->sessions, &send, now), KITH_SENT_INITIATION);
    assert_int_equal(carry(a, b, 1, now), KITH_DELIVERY_INITIATION);
    answer(b, "yes", now);
    assert_int_equal(carry(b, a, 2, now), KITH_DELIVERY_RESPONSE);
    assert_int_equal(carry(a, b, 4, now), KITH_DELIVERY_DATA);
    assert_true(b->got.confirmed_now);
    host_quiet(a);
    host_quiet(b);
}

#endif
