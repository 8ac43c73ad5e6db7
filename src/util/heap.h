/* SPDX-License-Identifier: MIT */
/*
 * heap: intrusive binary min-heap over pointers.
 *
 * `less` decides the order; for a deterministic order it must break ties itself. O(log n) insert,
 * remove and update, O(1) minimum. The heap owns only its array of pointers, and has none for a
 * single node: most heaps of a store never hold more.
 */
#ifndef KITH_UTIL_HEAP_H
#define KITH_UTIL_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kith/error.h"

struct kith_heap_node {
    uint32_t place; /* 1-based index in the heap, 0: not in a heap */
};

typedef bool (*kith_heap_less)(const struct kith_heap_node *a, const struct kith_heap_node *b);

struct kith_heap {
    union {
        struct kith_heap_node *only;   /* capacity 0 */
        struct kith_heap_node **array; /* else */
    } as;
    uint32_t n;
    uint32_t capacity; /* of the array */
    kith_heap_less less;
};

void kith_heap_init(struct kith_heap *heap, kith_heap_less less);
/* Frees the array; nodes are the caller's. */
void kith_heap_deinit(struct kith_heap *heap);
/* -> KITH_ENOMEM, but not for a first node. The node must not be in a heap. */
KITH_MUST_CHECK int kith_heap_insert(struct kith_heap *heap, struct kith_heap_node *node);
/* Does nothing for a node that is in no heap. */
void kith_heap_remove(struct kith_heap *heap, struct kith_heap_node *node);
/* Restores the order after the node's value changed. */
void kith_heap_update(struct kith_heap *heap, struct kith_heap_node *node);
/* The smallest, or NULL. */
struct kith_heap_node *kith_heap_first(const struct kith_heap *heap);
/* The one at this index, below n: no child before its parent. */
struct kith_heap_node *kith_heap_at(const struct kith_heap *heap, uint32_t index);

#endif
