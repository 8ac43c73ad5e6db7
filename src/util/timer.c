/* SPDX-License-Identifier: MIT */
/*
 * timer: a heap ordered by (deadline, order of setting), as libuv's timers are.
 *
 * The second part is what makes a simulation replay: with equal deadlines a bare heap would fire in
 * an order that depends on its shape, which depends on timers long gone.
 *
 * A run fires what was set before it began and nothing else, so a timer that sets itself to "now"
 * gives others a turn instead of looping for ever. Skipping such a timer at the top of the heap
 * would also hide older ones behind it. Instead, a deadline that is set during a run is raised to
 * the run's `now`: it is due all the same, but sorts behind everything older that is due, and the
 * first timer with a new order number ends the run.
 *
 * O(log n) set, stop and fire; O(1) next.
 */
#include "util/timer.h"

#include "util/list.h"

static struct kith_timer *timer_of(struct kith_heap_node *node) {
    return kith_container_of(node, struct kith_timer, node);
}

static bool timer_less(const struct kith_heap_node *a_node, const struct kith_heap_node *b_node) {
    const struct kith_timer *a = kith_container_of(a_node, const struct kith_timer, node);
    const struct kith_timer *b = kith_container_of(b_node, const struct kith_timer, node);

    return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
}

void kith_timers_init(struct kith_timers *timers) {
    *timers = (struct kith_timers){.next_order = 0};
    kith_heap_init(&timers->heap, timer_less);
}

void kith_timers_deinit(struct kith_timers *timers) {
    kith_heap_deinit(&timers->heap);
}

int kith_timer_set(struct kith_timers *timers, struct kith_timer *timer, kith_timer_fn fn,
                   uint64_t deadline) {
    bool was_set = kith_timer_is_set(timer);
    struct kith_timer before = *timer;

    timer->fn = fn;
    timer->deadline = deadline < timers->run_now ? timers->run_now : deadline;
    timer->order = timers->next_order;
    if (was_set) {
        kith_heap_update(&timers->heap, &timer->node);
    } else {
        int r = kith_heap_insert(&timers->heap, &timer->node);
        if (r < 0) {
            *timer = before;
            return r;
        }
    }
    timers->next_order++;
    return 0;
}

void kith_timer_stop(struct kith_timers *timers, struct kith_timer *timer) {
    kith_heap_remove(&timers->heap, &timer->node);
}

bool kith_timer_is_set(const struct kith_timer *timer) {
    return timer->node.place != 0;
}

uint64_t kith_timers_next(const struct kith_timers *timers) {
    struct kith_heap_node *first = kith_heap_first(&timers->heap);

    return first == NULL ? KITH_NEVER : timer_of(first)->deadline;
}

void kith_timers_run(struct kith_timers *timers, uint64_t now) {
    uint64_t order_end = timers->next_order;
    struct kith_heap_node *first;

    timers->run_now = now;
    while ((first = kith_heap_first(&timers->heap)) != NULL) {
        struct kith_timer *timer = timer_of(first);
        if (timer->deadline > now || timer->order >= order_end) {
            break;
        }
        kith_heap_remove(&timers->heap, first);
        timer->fn(timer, now); /* may free the timer */
    }
    timers->run_now = 0;
}
