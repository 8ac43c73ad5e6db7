/* SPDX-License-Identifier: MIT */
/*
 * heap: binary min-heap of intrusive nodes in an array of pointers.
 *
 * Each node knows its 1-based place, so removing or moving any node is O(log n) without a search:
 * what timers need, most of which are stopped or moved before they fire. An array (rather than a
 * pairing heap of pointers) keeps the top levels in one or two cache lines and makes the shape, and
 * with it the order of a run, a function of the sequence of calls alone.
 *
 * Invariants: nodes[node->place - 1] == node for every node inside, node->place == 0 for every node
 * outside; no node is less than its parent. The array begins with a second node, doubles and never
 * shrinks.
 */
#include "util/heap.h"

#include <assert.h>
#include <stdlib.h>

enum { HEAP_CAPACITY_MIN = 2 };

/* The array, or what stands for one of a single node. */
static struct kith_heap_node **heap_nodes(struct kith_heap *heap) {
    return heap->capacity == 0 ? &heap->as.only : heap->as.array;
}

static void heap_put(struct kith_heap *heap, size_t place, struct kith_heap_node *node) {
    heap_nodes(heap)[place - 1] = node;
    node->place = (uint32_t)place;
}

/* Moves the node towards the root while it is less than its parent. */
static void heap_rise(struct kith_heap *heap, struct kith_heap_node *node) {
    struct kith_heap_node *const *nodes = heap_nodes(heap);
    size_t place = node->place;

    while (place > 1) {
        struct kith_heap_node *parent = nodes[place / 2 - 1];
        if (!heap->less(node, parent)) {
            break;
        }
        heap_put(heap, place, parent);
        place /= 2;
    }
    heap_put(heap, place, node);
}

/* Moves the node towards the leaves while a child is less than it. */
static void heap_sink(struct kith_heap *heap, struct kith_heap_node *node) {
    struct kith_heap_node *const *nodes = heap_nodes(heap);
    size_t place = node->place;

    while (2 * place <= heap->n) {
        size_t child = 2 * place;
        if (child < heap->n && heap->less(nodes[child], nodes[child - 1])) {
            child++;
        }
        if (!heap->less(nodes[child - 1], node)) {
            break;
        }
        heap_put(heap, place, nodes[child - 1]);
        place = child;
    }
    heap_put(heap, place, node);
}

static int heap_grow(struct kith_heap *heap) {
    size_t capacity = heap->capacity == 0 ? HEAP_CAPACITY_MIN : (size_t)heap->capacity * 2;
    struct kith_heap_node **nodes;

    if (capacity > UINT32_MAX || capacity > SIZE_MAX / sizeof(struct kith_heap_node *)) {
        return KITH_ENOMEM;
    }
    nodes = realloc(heap->capacity == 0 ? NULL : heap->as.array, capacity * sizeof(*nodes));
    if (nodes == NULL) {
        return KITH_ENOMEM;
    }
    if (heap->capacity == 0) {
        nodes[0] = heap->as.only;
    }
    heap->as.array = nodes;
    heap->capacity = (uint32_t)capacity;
    return 0;
}

void kith_heap_init(struct kith_heap *heap, kith_heap_less less) {
    *heap = (struct kith_heap){.less = less};
}

void kith_heap_deinit(struct kith_heap *heap) {
    if (heap->capacity > 0) {
        free(heap->as.array);
    }
    *heap = (struct kith_heap){.less = heap->less};
}

int kith_heap_insert(struct kith_heap *heap, struct kith_heap_node *node) {
    assert(node->place == 0);

    if (heap->n > 0 && heap->n >= heap->capacity) {
        int r = heap_grow(heap);
        if (r < 0) {
            return r;
        }
    }
    heap->n++;
    heap_put(heap, heap->n, node);
    heap_rise(heap, node);
    return 0;
}

void kith_heap_remove(struct kith_heap *heap, struct kith_heap_node *node) {
    size_t place = node->place;
    struct kith_heap_node *last;

    if (place == 0) {
        return;
    }
    assert(place <= heap->n && heap_nodes(heap)[place - 1] == node);
    last = heap_nodes(heap)[heap->n - 1];
    heap->n--;
    node->place = 0;
    if (last != node) {
        /* The last leaf fills the gap; it may belong above or below it. */
        heap_put(heap, place, last);
        kith_heap_update(heap, last);
    }
}

void kith_heap_update(struct kith_heap *heap, struct kith_heap_node *node) {
    assert(node->place > 0 && node->place <= heap->n && heap_nodes(heap)[node->place - 1] == node);

    heap_rise(heap, node);
    heap_sink(heap, node);
}

struct kith_heap_node *kith_heap_first(const struct kith_heap *heap) {
    return heap->n == 0 ? NULL : kith_heap_at(heap, 0);
}

struct kith_heap_node *kith_heap_at(const struct kith_heap *heap, uint32_t index) {
    assert(index < heap->n);
    return heap->capacity == 0 ? heap->as.only : heap->as.array[index];
}
