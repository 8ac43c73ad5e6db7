/* SPDX-License-Identifier: MIT */
/* store_testing: a store that counts what it tells, and puts with everything that they point to. */
#ifndef KITH_TESTS_STORE_TESTING_H
#define KITH_TESTS_STORE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
#include "core/base/id.h"
#include "core/store/store.h"
#include "testing.h"

static const uint64_t SECOND = UINT64_C(1000000000);
static const uint64_t HOUR = UINT64_C(3600) * 1000000000;

struct fixture {
    uint64_t seed[4];
    struct kith_random random;
    struct kith_stats stats;
    struct kith_store *store;
    struct kith_point own;
    unsigned n_added;
    uint64_t told_until; /* the last that was added */
    unsigned n_removed;
    struct kith_point removed; /* the last */
};

static inline void on_change(void *context, const struct kith_held *held,
                             enum kith_store_change change) {
    struct fixture *f = context;

    if (change == KITH_STORE_ADDED) {
        f->n_added++;
        f->told_until = held->expires;
        return;
    }
    f->n_removed++;
    f->removed = held->point;
}

static inline void start(struct fixture *f, uint64_t seed, const struct kith_store_limits *limits) {
    memset(f, 0, sizeof(*f));
    f->random = kith_test_random(f->seed, seed);
    struct kith_store_config config = {
        .own_id = f->own, /* zero: a point is its own distance */
        .limits = limits != NULL ? *limits
                                 : (struct kith_store_limits){.records = 1000,
                                                              .bytes = 1 << 20,
                                                              .records_per_prefix = 100,
                                                              .topic_peers = 100},
        .random = &f->random,
        .stats = &f->stats,
        .on_change = on_change,
        .context = f,
    };
    assert_int_equal(kith_store_new(&f->store, &config), 0);
}

static inline void end(struct fixture *f) {
    unsigned n_removed = f->n_removed;

    assert_null(kith_store_check(f->store));
    f->store = kith_store_free(f->store);
    assert_int_equal(f->n_removed, n_removed); /* freeing is not forgetting */
}

/* A put with everything it points to. The store never looks at signatures: any bytes will do. */
struct example {
    struct kith_store_put put;
    struct kith_record_view view;
    uint8_t key[KITH_KEY_SIZE];
    uint8_t signature[KITH_SIGNATURE_SIZE];
    uint8_t salt[KITH_SALT_MAX];
    uint8_t value[KITH_VALUE_MAX];
    struct kith_endpoint from;
};

static inline void example_init(struct example *e, uint8_t where, int64_t seq, const char *value) {
    memset(e, 0, sizeof(*e));
    memset(e->signature, where ^ 0x55, sizeof(e->signature));
    memset(e->salt, 's', 5);
    memcpy(e->value, value, strlen(value));
    e->view = (struct kith_record_view){.is_mutable = true,
                                        .key = e->key,
                                        .signature = e->signature,
                                        .salt = kith_span(e->salt, 5),
                                        .seq = seq,
                                        .value = kith_span(e->value, strlen(value))};
    e->put = (struct kith_store_put){.view = &e->view, .lifetime_ns = HOUR};
    e->put.point.bytes[0] = where;
    e->key[0] = where;
}

static inline void example_from(struct example *e, const char *endpoint) {
    e->from = kith_test_endpoint(endpoint);
    e->put.from = &e->from;
}

/* An announcement of peer `who` in topic `where`. */
static inline void example_announce(struct example *e, uint8_t where, uint8_t who) {
    example_init(e, where, 1, "3:abc");
    e->put.is_announcement = true;
    e->key[0] = who;
}

static inline int put_at(struct fixture *f, struct example *e, uint64_t now) {
    int64_t seq = -1;
    int r = kith_store_put(f->store, &e->put, now, &seq);

    assert_null(kith_store_check(f->store));
    if (r == 0 || r == KITH_STORE_SAME) {
        assert_int_equal(seq, e->view.seq);
    }
    return r;
}

static inline int put(struct fixture *f, struct example *e) {
    return put_at(f, e, SECOND);
}

static inline bool holds(struct fixture *f, uint8_t where) {
    struct kith_point point = {{where}};
    struct kith_held held;

    return kith_store_get(f->store, &point, SECOND, &held);
}

#endif
