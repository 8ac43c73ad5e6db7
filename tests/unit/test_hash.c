/* SPDX-License-Identifier: MIT */
/* The hash table: duplicates newest first, also across growth, and removal from chains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/hash.h"
#include "util/list.h"

enum { N_ITEMS = 500, N_HASHES = 50 };

struct item {
    struct kith_hash_node node;
    unsigned number;
};

static unsigned number_of(const struct kith_hash_node *node) {
    return kith_container_of(node, const struct item, node)->number;
}

/* Spread over the chains, with hashes that differ only in their high bits among them. */
static uint64_t hash_of(unsigned number) {
    return (uint64_t)(number % N_HASHES) << (number % 2 == 0 ? 0 : 32);
}

static void fill(struct kith_hash *table, struct item items[N_ITEMS]) {
    kith_hash_init(table);
    for (unsigned i = 0; i < N_ITEMS; i++) {
        items[i] = (struct item){.number = i};
        assert_int_equal(kith_hash_insert(table, &items[i].node, hash_of(i)), 0);
    }
    assert_int_equal(table->n, N_ITEMS);
}

static void empty_table_finds_nothing(void **state) {
    struct kith_hash table;

    kith_hash_init(&table);
    assert_null(kith_hash_first(&table, 0));
    kith_hash_deinit(&table);
}

/* Growth happened several times on the way; each chain was split and must have kept its order. */
static void equal_hashes_come_newest_first(void **state) {
    struct kith_hash table;
    struct item items[N_ITEMS];

    fill(&table, items);
    for (unsigned h = 0; h < N_HASHES; h++) {
        struct kith_hash_node *node = kith_hash_first(&table, hash_of(h));
        for (unsigned i = N_ITEMS - N_HASHES + h;; i -= N_HASHES) {
            if (hash_of(i) == hash_of(h)) {
                assert_non_null(node);
                assert_int_equal(number_of(node), i);
                node = kith_hash_next(node);
            }
            if (i < N_HASHES) {
                break;
            }
        }
        assert_null(node);
    }
    assert_null(kith_hash_first(&table, UINT64_MAX));
    kith_hash_deinit(&table);
}

static void removed_nodes_are_gone(void **state) {
    struct kith_hash table;
    struct item items[N_ITEMS];

    fill(&table, items);
    for (unsigned i = 0; i < N_ITEMS; i += 2) {
        kith_hash_remove(&table, &items[i].node);
    }
    assert_int_equal(table.n, N_ITEMS / 2);
    for (unsigned i = 0; i < N_ITEMS; i++) {
        unsigned found = 0;
        for (struct kith_hash_node *node = kith_hash_first(&table, hash_of(i)); node != NULL;
             node = kith_hash_next(node)) {
            assert_int_equal(number_of(node) % 2, 1);
            found += number_of(node) == i;
        }
        assert_int_equal(found, i % 2);
    }
    kith_hash_deinit(&table);
}

/* All but a few go: so does the memory, and what is left keeps its order. */
static void emptied_table_shrinks(void **state) {
    struct kith_hash table;
    struct item items[N_ITEMS];

    fill(&table, items);
    size_t most = table.n_chains;
    for (unsigned i = 0; i < N_ITEMS - 2 * N_HASHES; i++) {
        kith_hash_remove(&table, &items[i].node);
    }
    for (unsigned i = N_ITEMS - 2 * N_HASHES; i < N_ITEMS; i++) {
        if (i % N_HASHES >= 5) {
            kith_hash_remove(&table, &items[i].node);
        }
    }
    assert_int_equal(table.n, 10);
    assert_true(table.n_chains < most / 4 && table.n_chains >= 8);
    for (unsigned h = 1; h < 5; h++) {
        struct kith_hash_node *node = kith_hash_first(&table, hash_of(h));
        assert_int_equal(number_of(node), N_ITEMS - N_HASHES + h);
        node = kith_hash_next(node);
        assert_int_equal(number_of(node), N_ITEMS - 2 * N_HASHES + h);
        assert_null(kith_hash_next(node));
    }
    for (unsigned i = 0; i < N_ITEMS; i++) {
        bool left = i >= N_ITEMS - 2 * N_HASHES && i % N_HASHES < 5;
        if (left) {
            kith_hash_remove(&table, &items[i].node);
        }
    }
    assert_int_equal(table.n, 0);
    kith_hash_deinit(&table);
}

static void table_can_be_used_after_deinit(void **state) {
    struct kith_hash table;
    struct item item = {.number = 1};

    kith_hash_init(&table);
    assert_int_equal(kith_hash_insert(&table, &item.node, 7), 0);
    kith_hash_deinit(&table);
    assert_null(kith_hash_first(&table, 7));
    assert_int_equal(kith_hash_insert(&table, &item.node, 7), 0);
    assert_ptr_equal(kith_hash_first(&table, 7), &item.node);
    kith_hash_deinit(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_table_finds_nothing),
        cmocka_unit_test(equal_hashes_come_newest_first),
        cmocka_unit_test(removed_nodes_are_gone),
        cmocka_unit_test(emptied_table_shrinks),
        cmocka_unit_test(table_can_be_used_after_deinit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
