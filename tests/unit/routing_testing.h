/* SPDX-License-Identifier: MIT */
/* routing_testing: a table with fixed chance that counts what it tells, and nodes for it. */
#ifndef KITH_TESTS_ROUTING_TESTING_H
#define KITH_TESTS_ROUTING_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
#include "core/base/id.h"
#include "core/swarm/routing.h"
#include "testing.h"

enum { K = 20 };

static const uint64_t SECOND = UINT64_C(1000000000);

/* A table, its chance, and what it told us: the ids that are in by its own account. */
struct fixture {
    uint64_t seed[4];
    struct kith_random random;
    struct kith_stats stats;
    struct kith_routing *table;
    struct kith_point own;
    size_t n_added;
    size_t n_removed;
};

static inline void on_change(void *context, const struct kith_node_ref *node, bool added) {
    struct fixture *f = context;

    assert_int_not_equal(node->endpoint.family, 0);
    f->n_added += added;
    f->n_removed += !added;
}

static inline struct kith_point random_point(struct fixture *f, unsigned id_bits) {
    struct kith_point point = {{0}};

    kith_random_secure(&f->random, point.bytes, id_bits / 8);
    return point;
}

static inline void start(struct fixture *f, uint64_t seed, unsigned k, unsigned id_bits) {
    memset(f, 0, sizeof(*f));
    f->random = kith_test_random(f->seed, seed);
    f->own = random_point(f, id_bits);
    struct kith_routing_config config = {
        .own_id = f->own,
        .id_bits = id_bits,
        .k = k,
        .per_net_bucket = {2, 5, 9},
        .per_net_table = {10, 20, 30},
        .random = &f->random,
        .stats = &f->stats,
        .on_change = on_change,
        .context = f,
    };
    assert_int_equal(kith_routing_new(&f->table, &config), 0);
}

static inline void end(struct fixture *f) {
    assert_null(kith_routing_check(f->table));
    assert_int_equal(f->n_added - f->n_removed, kith_routing_count(f->table));
    assert_int_equal(f->stats.table_added, f->n_added);
    assert_int_equal(f->stats.table_removed, f->n_removed);
    f->table = kith_routing_free(f->table);
}

/* A node that shares exactly `bits` leading bits with us; `tail` tells nodes of a bucket apart. */
static inline struct kith_node_ref node_at(const struct fixture *f, unsigned bits, uint8_t tail,
                                           const char *endpoint) {
    struct kith_node_ref node = {.id = f->own, .endpoint = kith_test_endpoint(endpoint)};

    node.id.bytes[bits / 8] ^= (uint8_t)(0x80 >> bits % 8);
    node.id.bytes[15] ^= tail;
    return node;
}

/* The same with an address of its own from an exempt range. */
static inline struct kith_node_ref node_private(const struct fixture *f, unsigned bits,
                                                uint8_t tail) {
    struct kith_node_ref node = node_at(f, bits, tail, "10.0.0.1:1000");

    node.endpoint.ip[1] = (uint8_t)bits;
    node.endpoint.ip[3] = tail;
    return node;
}

static inline bool is_node(const struct kith_entry *entry, const struct kith_node_ref *node) {
    struct kith_point id = kith_entry_id(entry);

    return kith_point_equal(&id, &node->id);
}

static inline int answered(struct fixture *f, struct kith_node_ref node, uint64_t now) {
    int r = kith_routing_answered(f->table, &node, 1000, now);

    assert_null(kith_routing_check(f->table));
    return r;
}

/* A node with a random id and an exempt address that no other one has. */
static inline struct kith_node_ref random_node(struct fixture *f, unsigned id_bits,
                                               uint32_t serial) {
    struct kith_node_ref node = {.id = random_point(f, id_bits),
                                 .endpoint = kith_test_endpoint("10.0.0.1:1000")};

    node.endpoint.ip[1] = (uint8_t)(serial >> 16);
    node.endpoint.ip[2] = (uint8_t)(serial >> 8);
    node.endpoint.ip[3] = (uint8_t)serial;
    return node;
}

static inline void fill_random(struct fixture *f, unsigned id_bits, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        struct kith_node_ref node = random_node(f, id_bits, i);
        assert_true(kith_routing_answered(f->table, &node, 0, SECOND) > 0);
    }
}

#endif
