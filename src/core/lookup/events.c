/* SPDX-License-Identifier: MIT */
/* The event queue: a list of boxes, each one event with copies of what it points to. */
#include "core/lookup/events.h"

#include <stdlib.h>

void kith_events_init(struct kith_events *events, struct kith_stats *stats) {
    *events = (struct kith_events){.stats = stats};
    kith_list_init(&events->queue);
}

struct kith_event_box *kith_event_box_new(void) {
    return calloc(1, sizeof(struct kith_event_box));
}

struct kith_event_box *kith_event_box_free(struct kith_event_box *box) {
    if (box != NULL) {
        free(box->record);
        free(box->peer);
        free(box->hop);
        free(box->bytes);
        free(box);
    }
    return NULL;
}

void kith_events_settle(struct kith_events *events) {
    events->taken = kith_event_box_free(events->taken);
}

void kith_events_deinit(struct kith_events *events) {
    kith_events_settle(events);
    struct kith_list *l;
    while ((l = kith_list_first(&events->queue)) != NULL) {
        kith_list_remove(l);
        kith_event_box_free(kith_container_of(l, struct kith_event_box, all));
    }
    events->n = 0;
}

static void *copy_of(const void *bytes, size_t size) {
    void *copy = malloc(size == 0 ? 1 : size);
    if (copy != NULL && size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

int kith_event_box_record(struct kith_event_box *box, const struct kith_record *record) {
    free(box->record);
    box->record = copy_of(record, sizeof(*record));
    box->event.result.record = box->record;
    box->event.saved.record = box->record;
    return box->record == NULL ? KITH_ENOMEM : 0;
}

int kith_event_box_peer(struct kith_event_box *box, const struct kith_peer *peer) {
    free(box->peer);
    box->peer = copy_of(peer, sizeof(*peer));
    box->event.result.peer = box->peer;
    return box->peer == NULL ? KITH_ENOMEM : 0;
}

int kith_event_box_hop(struct kith_event_box *box, const struct kith_hop *hop) {
    free(box->hop);
    box->hop = copy_of(hop, sizeof(*hop));
    box->event.result.hop = box->hop;
    return box->hop == NULL ? KITH_ENOMEM : 0;
}

int kith_event_box_bytes(struct kith_event_box *box, struct kith_span bytes) {
    free(box->bytes);
    box->bytes = copy_of(bytes.data, bytes.size);
    size_t size = box->bytes == NULL ? 0 : bytes.size;
    box->event.result.bytes = box->bytes;
    box->event.result.bytes_size = size;
    box->event.talk.bytes = box->bytes;
    box->event.talk.size = size;
    return box->bytes == NULL ? KITH_ENOMEM : 0;
}

void kith_events_push(struct kith_events *events, struct kith_event_box *box_take, bool must) {
    if (events->n >= KITH_EVENTS_MAX && !must) {
        events->stats->events_lost++;
        kith_event_box_free(box_take);
        return;
    }
    kith_list_append(&events->queue, &box_take->all);
    events->n++;
}

bool kith_events_next(struct kith_events *events, struct kith_core_event *ret) {
    kith_events_settle(events);
    struct kith_list *l = kith_list_first(&events->queue);
    if (l == NULL) {
        return false;
    }
    kith_list_remove(l);
    events->n--;
    events->taken = kith_container_of(l, struct kith_event_box, all);
    *ret = events->taken->event;
    return true;
}
