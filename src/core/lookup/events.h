/* SPDX-License-Identifier: MIT */
/*
 * events: what the core has to tell, in order, until the shell takes it.
 *
 * An event owns copies of what it points to. The queue is bounded: when the shell does not take
 * events, new ones are dropped and counted. Those that must not get lost (the end of an op, own
 * records for the disk, READY and LOST, talk) are bounded by what causes them and always fit; the
 * end of an op is allocated when the op starts, so it can be told even without memory.
 */
#ifndef KITH_CORE_EVENTS_H
#define KITH_CORE_EVENTS_H

#include "core/core.h"
#include "util/list.h"

enum { KITH_EVENTS_MAX = 8192 };

/* An event and what it points to, one allocation. Optional parts are NULL. */
struct kith_event_box {
    struct kith_list all;
    struct kith_core_event event;
    struct kith_record *record;
    struct kith_peer *peer;
    struct kith_hop *hop;
    uint8_t *bytes;
    char text[128];
    char protocol[KITH_PROTOCOL_NAME_MAX + 1];
};

struct kith_events {
    struct kith_list queue;
    struct kith_event_box *taken; /* the one the shell is looking at */
    uint32_t n;
    struct kith_stats *stats;
};

void kith_events_init(struct kith_events *events, struct kith_stats *stats);
void kith_events_deinit(struct kith_events *events);
/* An empty event, not yet queued. NULL without memory. */
struct kith_event_box *kith_event_box_new(void);
struct kith_event_box *kith_event_box_free(struct kith_event_box *box);
/* Copy into the box and point the event at the copy. -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_event_box_record(struct kith_event_box *box,
                                          const struct kith_record *record);
KITH_MUST_CHECK int kith_event_box_peer(struct kith_event_box *box, const struct kith_peer *peer);
KITH_MUST_CHECK int kith_event_box_hop(struct kith_event_box *box, const struct kith_hop *hop);
KITH_MUST_CHECK int kith_event_box_bytes(struct kith_event_box *box, struct kith_span bytes);
/* Queues; owns the box from here on. Over the bound it is freed and counted, unless `must`. */
void kith_events_push(struct kith_events *events, struct kith_event_box *box_take, bool must);
/* The oldest; valid until the next call. */
bool kith_events_next(struct kith_events *events, struct kith_core_event *ret);
/* Frees the event that was taken last. */
void kith_events_settle(struct kith_events *events);

#endif
