/* SPDX-License-Identifier: MIT */
/*
 * queue: what happens next. All events of a world, ordered by (time, sequence): equal times fire in
 * the order they were queued. Events are embedded in what they are about and owned by it.
 */
#ifndef KITH_SIM_QUEUE_H
#define KITH_SIM_QUEUE_H

#include <stddef.h>
#include <stdint.h>

enum kith_sim_event_kind {
    KITH_SIM_EVENT_PACKET = 1, /* in a struct kith_sim_packet: arrives */
    KITH_SIM_EVENT_HOST,       /* in a struct kith_sim_host: its deadline */
};

struct kith_sim_event {
    size_t place; /* 1-based place in the heap, 0: not queued */
    enum kith_sim_event_kind kind;
};

struct kith_sim_slot {
    uint64_t time;
    uint64_t sequence;
    struct kith_sim_event *event;
};

struct kith_sim_queue {
    struct kith_sim_slot *slots; /* slots[0] is the next one */
    size_t n;
    size_t capacity;
    uint64_t next_sequence;
};

void kith_sim_queue_init(struct kith_sim_queue *queue);
/* Frees the array; events are their owners'. */
void kith_sim_queue_deinit(struct kith_sim_queue *queue);
/* Queues the event, or moves it to another time (behind what is queued for that time). */
void kith_sim_queue_set(struct kith_sim_queue *queue, struct kith_sim_event *event, uint64_t time);
/* Does nothing for an event that is not queued. */
void kith_sim_queue_remove(struct kith_sim_queue *queue, struct kith_sim_event *event);
/* The time of the next event, UINT64_MAX if there is none. */
uint64_t kith_sim_queue_time(const struct kith_sim_queue *queue);
/* The time a queued event is set for. */
uint64_t kith_sim_queue_time_of(const struct kith_sim_queue *queue,
                                const struct kith_sim_event *event);
/* Takes the next event; NULL if there is none. */
struct kith_sim_event *kith_sim_queue_pop(struct kith_sim_queue *queue);

#endif
