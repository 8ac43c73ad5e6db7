/* SPDX-License-Identifier: MIT */
/*
 * outbox: the queue of datagrams, and the amplification rule.
 *
 * Why a rule in the queue: a node that answers a forged source with more than it was asked is a
 * weapon (Rossow 2014). Each encoder fits its answer, but one forgotten path is enough, so the last
 * gate, which everything passes, checks again and counts.
 *
 * Entries (header, bytes) lie one after the other in buffer[head, tail), each in one piece so that
 * it can be sent from where it lies. The shell empties the queue after every call into the core, so
 * both ends return to 0 by themselves and nothing need wrap; a shell that takes only some pays a
 * move of the rest when the end of the buffer is reached. A push is O(size).
 *
 * Memory: grows by doubling up to what `size_max` queued bytes need. A push into an empty queue
 * first gives back what a burst left above `keep` (not earlier: the last datagram taken is promised
 * until the next push). With `keep` 0 everything goes as soon as the shell has found the queue
 * empty: 100,000 simulated nodes hold no queue memory while idle.
 */
#include "core/wire/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/endpoint.h"

struct outbox_entry {
    struct kith_endpoint to;
    uint16_t size;
};

enum {
    OUTBOX_CAPACITY_MIN = 1024, /* a common question with its header */
};

_Static_assert(KITH_WIRE_MAX <= UINT16_MAX, "an entry's size is 16 bits");

static void outbox_release(struct kith_outbox *outbox) {
    free(outbox->buffer);
    outbox->buffer = NULL;
    outbox->capacity = 0;
    outbox->head = 0;
    outbox->tail = 0;
}

/* The capacity that holds `size` <= size_max bytes: `keep`, doubled as often as needed. */
static size_t outbox_capacity_for(const struct kith_outbox *outbox, size_t size) {
    size_t capacity = outbox->keep < OUTBOX_CAPACITY_MIN ? OUTBOX_CAPACITY_MIN : outbox->keep;

    while (capacity < size) {
        capacity *= 2;
    }
    return capacity > outbox->size_max ? outbox->size_max : capacity;
}

/* Gives back what exceeds both `keep` and the coming entry. The queue is empty. */
static void outbox_shrink(struct kith_outbox *outbox, size_t size) {
    outbox->head = 0;
    outbox->tail = 0;
    if (outbox->capacity > outbox_capacity_for(outbox, size)) {
        outbox_release(outbox);
    }
}

static void outbox_move_down(struct kith_outbox *outbox) {
    memmove(outbox->buffer, outbox->buffer + outbox->head, outbox->tail - outbox->head);
    outbox->tail -= outbox->head;
    outbox->head = 0;
}

/* Makes buffer[tail, tail + size) exist. False: over the limit, or no memory. */
static bool outbox_make_room(struct kith_outbox *outbox, size_t size) {
    size_t queued = outbox->tail - outbox->head;

    if (queued == 0) {
        outbox_shrink(outbox, size);
    }
    if (size > outbox->size_max || queued > outbox->size_max - size) {
        return false;
    }
    if (size > outbox->capacity - outbox->tail && outbox->head > 0) {
        outbox_move_down(outbox);
    }
    if (size > outbox->capacity - outbox->tail) {
        size_t capacity = outbox_capacity_for(outbox, queued + size);
        uint8_t *buffer = realloc(outbox->buffer, capacity);
        if (buffer == NULL) {
            return false;
        }
        outbox->buffer = buffer;
        outbox->capacity = capacity;
    }
    return true;
}

void kith_outbox_init(struct kith_outbox *outbox, size_t keep, size_t size_max,
                      struct kith_stats *stats) {
    *outbox = (struct kith_outbox){.keep = keep, .size_max = size_max, .stats = stats};
}

void kith_outbox_deinit(struct kith_outbox *outbox) {
    outbox_release(outbox);
}

bool kith_outbox_push(struct kith_outbox *outbox, const struct kith_endpoint *to,
                      struct kith_span bytes, const struct kith_allowance *allowance) {
    struct outbox_entry entry = {.to = *to, .size = (uint16_t)bytes.size};
    bool unproven = allowance->answer && !allowance->proven;

    if (unproven && bytes.size > kith_allowance_max(allowance)) {
        outbox->stats->drop_amplification++;
        return false;
    }
    if (bytes.size == 0 || bytes.size > KITH_WIRE_MAX || !kith_endpoint_usable(to) ||
        !outbox_make_room(outbox, sizeof(entry) + bytes.size)) {
        outbox->stats->drop_outbox++;
        return false;
    }
    memcpy(outbox->buffer + outbox->tail, &entry, sizeof(entry));
    memcpy(outbox->buffer + outbox->tail + sizeof(entry), bytes.data, bytes.size);
    outbox->tail += sizeof(entry) + bytes.size;
    return true;
}

bool kith_outbox_next(struct kith_outbox *outbox, struct kith_datagram *ret) {
    struct outbox_entry entry;

    if (outbox->head == outbox->tail) {
        if (outbox->keep == 0) {
            outbox_release(outbox);
        }
        return false;
    }
    memcpy(&entry, outbox->buffer + outbox->head, sizeof(entry));
    ret->to = entry.to;
    ret->bytes = outbox->buffer + outbox->head + sizeof(entry);
    ret->size = entry.size;
    outbox->head += sizeof(entry) + entry.size;
    outbox->stats->tx_datagrams++;
    outbox->stats->tx_bytes += entry.size;
    return true;
}
