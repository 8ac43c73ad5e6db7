/* SPDX-License-Identifier: MIT */
/* The heap: order, places, and removal and update anywhere in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "testing.h"
#include "util/heap.h"
#include "util/list.h"

enum { N_ITEMS = 200 };

struct item {
    struct kith_heap_node node;
    uint64_t value;
};

static bool item_less(const struct kith_heap_node *a, const struct kith_heap_node *b) {
    return kith_container_of(a, struct item, node)->value <
           kith_container_of(b, struct item, node)->value;
}

/* Every parent at most its children, every place right: the invariants of the module. */
static void check(const struct kith_heap *heap) {
    for (uint32_t place = 1; place <= heap->n; place++) {
        assert_true(kith_heap_at(heap, place - 1)->place == place);
        if (place > 1) {
            assert_false(
                item_less(kith_heap_at(heap, place - 1), kith_heap_at(heap, place / 2 - 1)));
        }
    }
}

/* Empties the heap, checking that values come out in order. Returns how many there were. */
static size_t drain(struct kith_heap *heap) {
    struct kith_heap_node *first;
    uint64_t last = 0;
    size_t n = 0;

    while ((first = kith_heap_first(heap)) != NULL) {
        uint64_t value = kith_container_of(first, struct item, node)->value;
        assert_true(value >= last);
        last = value;
        kith_heap_remove(heap, first);
        assert_int_equal(first->place, 0);
        n++;
    }
    return n;
}

static void fill(struct kith_heap *heap, struct item items[N_ITEMS], struct kith_random *random) {
    kith_heap_init(heap, item_less);
    for (size_t i = 0; i < N_ITEMS; i++) {
        items[i] = (struct item){.value = kith_random_below(random, 50)}; /* with equal values */
        assert_int_equal(kith_heap_insert(heap, &items[i].node), 0);
        check(heap);
    }
}

static void empty_heap_has_no_first(void **state) {
    struct kith_heap heap;

    kith_heap_init(&heap, item_less);
    assert_null(kith_heap_first(&heap));
    kith_heap_deinit(&heap);
}

static void values_come_out_in_order(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 1);
    struct item items[N_ITEMS];
    struct kith_heap heap;

    fill(&heap, items, &random);
    assert_int_equal(drain(&heap), N_ITEMS);
    kith_heap_deinit(&heap);
}

/* The leaf that fills a gap may have to go up or down: remove in random order to meet both. */
static void nodes_can_be_removed_anywhere(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 2);
    struct item items[N_ITEMS];
    struct kith_heap heap;

    fill(&heap, items, &random);
    for (size_t i = 0; i < N_ITEMS; i++) {
        kith_heap_remove(&heap, &items[kith_random_below(&random, N_ITEMS)].node);
        check(&heap);
    }
    drain(&heap);
    kith_heap_deinit(&heap);
}

static void changed_values_are_moved(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 3);
    struct item items[N_ITEMS];
    struct kith_heap heap;

    fill(&heap, items, &random);
    for (size_t i = 0; i < N_ITEMS; i++) {
        struct item *item = &items[kith_random_below(&random, N_ITEMS)];
        item->value = kith_random_below(&random, 100);
        kith_heap_update(&heap, &item->node);
        check(&heap);
    }
    assert_int_equal(drain(&heap), N_ITEMS);
    kith_heap_deinit(&heap);
}

/* A store has as many heaps as there are prefixes that brought one record each. */
static void a_single_node_needs_no_array(void **state) {
    struct kith_heap heap;
    struct item items[2] = {{.value = 2}, {.value = 1}};

    kith_heap_init(&heap, item_less);
    assert_int_equal(kith_heap_insert(&heap, &items[0].node), 0);
    assert_int_equal(heap.capacity, 0);
    kith_heap_update(&heap, &items[0].node);
    kith_heap_remove(&heap, &items[0].node);
    assert_null(kith_heap_first(&heap));
    assert_int_equal(kith_heap_insert(&heap, &items[0].node), 0);
    assert_int_equal(kith_heap_insert(&heap, &items[1].node), 0);
    check(&heap);
    assert_int_equal(drain(&heap), 2);
    kith_heap_deinit(&heap);
}

static void removing_an_outsider_does_nothing(void **state) {
    struct kith_heap heap;
    struct item inside = {.value = 1};
    struct item outside = {.value = 2};

    kith_heap_init(&heap, item_less);
    assert_int_equal(kith_heap_insert(&heap, &inside.node), 0);
    kith_heap_remove(&heap, &outside.node);
    assert_ptr_equal(kith_heap_first(&heap), &inside.node);
    kith_heap_deinit(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_heap_has_no_first),
        cmocka_unit_test(values_come_out_in_order),
        cmocka_unit_test(nodes_can_be_removed_anywhere),
        cmocka_unit_test(changed_values_are_moved),
        cmocka_unit_test(a_single_node_needs_no_array),
        cmocka_unit_test(removing_an_outsider_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
