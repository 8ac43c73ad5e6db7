/* SPDX-License-Identifier: MIT */
/*
 * queue: a 4-ary heap whose slots carry their keys.
 *
 * A large run holds some 10^5 events and moves millions of them, so a comparison must not follow a
 * pointer: the keys lie in the heap's own array, and four children share about one and a half cache
 * lines. An event knows its place, so a deadline is moved rather than queued twice and the heap
 * holds at most one entry per host. O(log n) each.
 */
#include "sim/queue.h"

#include <stdbool.h>
#include <stdlib.h>

#include "sim/memory.h"

enum { ARITY = 4, CAPACITY_MIN = 1024 };

static bool before(const struct kith_sim_slot *a, const struct kith_sim_slot *b) {
    return a->time != b->time ? a->time < b->time : a->sequence < b->sequence;
}

static void place(struct kith_sim_queue *queue, size_t at, const struct kith_sim_slot *slot) {
    queue->slots[at] = *slot;
    slot->event->place = at + 1;
}

static void sift_up(struct kith_sim_queue *queue, size_t at, struct kith_sim_slot slot) {
    while (at > 0) {
        size_t parent = (at - 1) / ARITY;
        if (!before(&slot, &queue->slots[parent])) {
            break;
        }
        place(queue, at, &queue->slots[parent]);
        at = parent;
    }
    place(queue, at, &slot);
}

static void sift_down(struct kith_sim_queue *queue, size_t at, struct kith_sim_slot slot) {
    for (;;) {
        size_t first = at * ARITY + 1;
        size_t end = first + ARITY < queue->n ? first + ARITY : queue->n;
        size_t least = first;
        for (size_t child = first + 1; child < end; child++) {
            if (before(&queue->slots[child], &queue->slots[least])) {
                least = child;
            }
        }
        if (first >= queue->n || !before(&queue->slots[least], &slot)) {
            break;
        }
        place(queue, at, &queue->slots[least]);
        at = least;
    }
    place(queue, at, &slot);
}

static void put(struct kith_sim_queue *queue, size_t at, struct kith_sim_slot slot) {
    if (at > 0 && before(&slot, &queue->slots[(at - 1) / ARITY])) {
        sift_up(queue, at, slot);
    } else {
        sift_down(queue, at, slot);
    }
}

void kith_sim_queue_init(struct kith_sim_queue *queue) {
    *queue = (struct kith_sim_queue){0};
}

void kith_sim_queue_deinit(struct kith_sim_queue *queue) {
    free(queue->slots);
    *queue = (struct kith_sim_queue){0};
}

void kith_sim_queue_set(struct kith_sim_queue *queue, struct kith_sim_event *event, uint64_t time) {
    struct kith_sim_slot slot = {time, queue->next_sequence++, event};
    if (event->place == 0) {
        if (queue->n == queue->capacity) {
            queue->capacity = queue->capacity == 0 ? CAPACITY_MIN : queue->capacity * 2;
            queue->slots =
                kith_sim_resize(queue->slots, queue->capacity * sizeof(struct kith_sim_slot));
        }
        event->place = ++queue->n;
    }
    put(queue, event->place - 1, slot);
}

void kith_sim_queue_remove(struct kith_sim_queue *queue, struct kith_sim_event *event) {
    if (event->place == 0) {
        return;
    }
    size_t at = event->place - 1;
    event->place = 0;
    queue->n--;
    if (at != queue->n) {
        put(queue, at, queue->slots[queue->n]);
    }
}

uint64_t kith_sim_queue_time(const struct kith_sim_queue *queue) {
    return queue->n == 0 ? UINT64_MAX : queue->slots[0].time;
}

uint64_t kith_sim_queue_time_of(const struct kith_sim_queue *queue,
                                const struct kith_sim_event *event) {
    return queue->slots[event->place - 1].time;
}

struct kith_sim_event *kith_sim_queue_pop(struct kith_sim_queue *queue) {
    if (queue->n == 0) {
        return NULL;
    }
    struct kith_sim_event *event = queue->slots[0].event;
    kith_sim_queue_remove(queue, event);
    return event;
}
