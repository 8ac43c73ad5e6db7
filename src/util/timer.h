/* SPDX-License-Identifier: MIT */
/*
 * timer: deadlines in virtual or monotonic nanoseconds, without a clock.
 *
 * Timers are embedded in the objects they serve. Equal deadlines fire in the order they were set.
 * A timer is disarmed before its function runs, which may set it again.
 */
#ifndef KITH_UTIL_TIMER_H
#define KITH_UTIL_TIMER_H

#include "util/heap.h"

#define KITH_NEVER UINT64_MAX
#define KITH_NS_PER_US UINT64_C(1000)
#define KITH_NS_PER_MS UINT64_C(1000000)
#define KITH_NS_PER_S UINT64_C(1000000000)

struct kith_timer;
typedef void (*kith_timer_fn)(struct kith_timer *timer, uint64_t now);

struct kith_timer {
    struct kith_heap_node node;
    uint64_t deadline;
    uint64_t order;
    kith_timer_fn fn;
};

struct kith_timers {
    struct kith_heap heap;
    uint64_t next_order;
    uint64_t run_now; /* `now` of the run in progress, else 0 */
};

void kith_timers_init(struct kith_timers *timers);
void kith_timers_deinit(struct kith_timers *timers);
/* Sets or moves the timer. During a run, a deadline already past becomes the run's `now`.
 * -> KITH_ENOMEM; moving a set timer cannot fail. */
KITH_MUST_CHECK int kith_timer_set(struct kith_timers *timers, struct kith_timer *timer,
                                   kith_timer_fn fn, uint64_t deadline);
/* Disarms; does nothing for an idle or zeroed timer. */
void kith_timer_stop(struct kith_timers *timers, struct kith_timer *timer);
bool kith_timer_is_set(const struct kith_timer *timer);
/* The next deadline, or KITH_NEVER. */
uint64_t kith_timers_next(const struct kith_timers *timers);
/* Runs every timer with deadline <= now that was set before this call began. */
void kith_timers_run(struct kith_timers *timers, uint64_t now);

#endif
