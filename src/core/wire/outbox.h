/* SPDX-License-Identifier: MIT */
/*
 * outbox: datagrams waiting for the shell, and THE place of the amplification rule.
 *
 * Everything a core sends goes through kith_outbox_push(), which is told why: asked by ourselves,
 * or as the answer to a datagram of so many bytes from an address that is proven or not. An answer
 * to an unproven address that is longer than its question is not sent and counted; encoders are
 * expected to fit it beforehand, so the counter staying zero is an invariant of the tests.
 * Mainline, whose questions are shorter than its answers by design, may be granted more
 * (core/session/plain.h).
 *
 * A byte queue that grows to a maximum and is emptied by the shell after each call into the core.
 * No allocation once it has grown, as far as `keep` reaches.
 */
#ifndef KITH_CORE_OUTBOX_H
#define KITH_CORE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kith/stats.h"
#include "kith/types.h"
#include "util/span.h"

enum {
    KITH_DATAGRAM_MAX = 1232, /* UDP payload that fits IPv6's minimum MTU: 1280 - 40 - 8 */
    KITH_WIRE_MAX = 1472,     /* the largest that any dialect sends: fits Ethernet */
    KITH_RECEIVE_MAX = 2048,  /* the largest that any dialect reads */
};

struct kith_datagram {
    struct kith_endpoint to;
    const uint8_t *bytes;
    size_t size;
};

/* Why a datagram may be sent. */
struct kith_allowance {
    bool answer;          /* false: our own question, to an address we chose */
    bool proven;          /* the address answered something only it could have seen */
    size_t question_size; /* UDP payload bytes of what is answered */
    size_t granted;       /* bytes that a budget allows beyond that, for an unproven address */
};

static inline size_t kith_allowance_max(const struct kith_allowance *a) {
    size_t most = a->question_size > a->granted ? a->question_size : a->granted;
    return !a->answer || a->proven || most > KITH_WIRE_MAX ? KITH_WIRE_MAX : most;
}

struct kith_outbox {
    uint8_t *buffer;
    size_t capacity;
    size_t head; /* first byte not yet taken */
    size_t tail;
    size_t keep;     /* capacity kept when it runs empty; 0: no memory is held while empty */
    size_t size_max; /* bytes queued at most */
    struct kith_stats *stats;
};

void kith_outbox_init(struct kith_outbox *outbox, size_t keep, size_t size_max,
                      struct kith_stats *stats);
void kith_outbox_deinit(struct kith_outbox *outbox);
/* Copies the datagram into the queue. Whatever is not queued is counted: over the allowance as
 * drop_amplification; empty, larger than KITH_WIRE_MAX, to an unusable endpoint, or over
 * `size_max` as drop_outbox. Returns whether it was queued. */
bool kith_outbox_push(struct kith_outbox *outbox, const struct kith_endpoint *to,
                      struct kith_span bytes, const struct kith_allowance *allowance);
/* The oldest datagram, counted as sent (tx_datagrams, tx_bytes). `bytes` stay valid until the next
 * push; with `keep` 0, only until the call that returns false. False when empty. */
bool kith_outbox_next(struct kith_outbox *outbox, struct kith_datagram *ret);

#endif
