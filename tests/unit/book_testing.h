/* SPDX-License-Identifier: MIT */
/* book_testing: a book with fixed chance, and short spellings for what it is told. */
#ifndef KITH_TESTS_BOOK_TESTING_H
#define KITH_TESTS_BOOK_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/book/book.h"
#include "testing.h"

#define SECOND UINT64_C(1000000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define START (UINT64_C(1790000000) * SECOND)

struct fixture {
    uint64_t seed[4];
    struct kith_random random;
    struct kith_book_config config;
    struct kith_book *book;
    uint64_t wall;
    int n_added; /* by events */
    int n_removed;
};

static inline void fixture_on_event(void *context, enum kith_book_event event,
                                    const struct kith_book_entry *e) {
    struct fixture *f = context;

    f->n_added += event == KITH_BOOK_EVENT_ADDED;
    f->n_removed += event == KITH_BOOK_EVENT_REMOVED;
}

/* 0: default sizes. */
static inline void start(struct fixture *f, uint32_t n_new, uint32_t n_tried, uint32_t slots) {
    memset(f, 0, sizeof(*f));
    f->random = kith_test_random(f->seed, 7);
    f->wall = START;
    f->config = (struct kith_book_config){.random = &f->random,
                                          .buckets_new = n_new,
                                          .buckets_tried = n_tried,
                                          .slots = slots,
                                          .on_event = fixture_on_event,
                                          .context = f};
    memset(f->config.own_key.bytes, 0xee, KITH_KEY_SIZE);
    assert_int_equal(kith_book_new(&f->book, &f->config), 0);
}

static inline struct kith_book_counts counts(const struct fixture *f) {
    struct kith_book_counts c;

    kith_book_count(f->book, f->wall, &c);
    return c;
}

static inline void check(const struct fixture *f) {
    const char *wrong = kith_book_check(f->book);

    if (wrong != NULL) {
        fail_msg("%s", wrong);
    }
}

static inline void end(struct fixture *f) {
    struct kith_book_counts c = counts(f);

    check(f);
    assert_int_equal(f->n_added - f->n_removed, c.n_new + c.n_tried + c.n_pinned);
    f->book = kith_book_free(f->book);
}

static inline struct kith_key key_of(uint64_t n) {
    struct kith_key key = {{0x4b}};

    for (unsigned i = 0; i < 8; i++) {
        key.bytes[1 + i] = (uint8_t)(n >> 8 * i);
    }
    return key;
}

/* n == 0: without a key */
static inline struct kith_contact contact(uint64_t n, const char *endpoint) {
    struct kith_contact c = {.has_key = n != 0, .endpoint = kith_test_endpoint(endpoint)};

    if (n != 0) {
        c.key = key_of(n);
    }
    return c;
}

/* Public IPv4 from a number. */
static inline struct kith_contact contact_ip(uint64_t n, uint32_t ip, uint16_t port) {
    struct kith_contact c = contact(n, "1.0.0.0:1");

    for (unsigned i = 0; i < 4; i++) {
        c.endpoint.ip[i] = (uint8_t)(ip >> (24 - 8 * i));
    }
    c.endpoint.port = port;
    return c;
}

static inline int hint(struct fixture *f, struct kith_contact c, enum kith_book_origin origin,
                       const struct kith_contact *source) {
    struct kith_book_hint h = {.contact = c, .source = {.origin = origin}};

    if (source != NULL) {
        h.source.contact = *source;
    }
    return kith_book_add(f->book, &h, f->wall);
}

static inline int good(struct fixture *f, struct kith_contact c) {
    return kith_book_good(f->book, &c, f->wall);
}

static inline int failed(struct fixture *f, struct kith_contact c) {
    return kith_book_failed(f->book, &c, f->wall);
}

static inline const struct kith_book_entry *entry(const struct fixture *f, struct kith_contact c) {
    return kith_book_find(f->book, &c);
}

#endif
