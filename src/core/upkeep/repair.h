/* SPDX-License-Identifier: MIT */
/*
 * repair: what we hold for others is put again on the nodes that ought to hold it by now.
 *
 * A record lives for as long as its publisher's last put granted, publisher there or not, while the
 * nodes that hold it come and go. So each holder puts it again (Maymounkov and Mazieres 2002,
 * section 2.5), for the lifetime that is left: a repair never lengthens a life. Whoever is told of
 * a record by a put, the publisher's or another holder's, waits anew; after the publisher's so long
 * that its next one comes first; and everybody waits a little differently. So one holder does it
 * for all. The pause is an hour, or half of the time that nodes stay, if that is less: the chance
 * that all of 20 holders go within it is 10^-8.
 *
 * Not repaired: peer records and announcements (who is there publishes itself; where somebody was
 * who is gone is worth nothing), and what belongs to nodes nearer than us, once they have it.
 *
 * Cost: a walk and 20 puts, together some 20 kB, per record and pause over all its holders. At most
 * KITH_REPAIRS_MAX at once and two a second. No state beside the store's.
 */
#ifndef KITH_CORE_REPAIR_H
#define KITH_CORE_REPAIR_H

#include "core/lookup/op.h"

enum {
    KITH_REPAIRS_MAX = 4,     /* at once */
    KITH_REPAIR_GAP_MS = 500, /* between the beginnings of two */
};

struct kith_repair {
    struct kith_ops *ops; /* borrowed, like its store and swarm */
    struct kith_timer timer;
    uint32_t n_running;
};

void kith_repair_init(struct kith_repair *repair, struct kith_ops *ops);
void kith_repair_stop(struct kith_repair *repair);
/* The store took or confirmed this record; `by_holder`: from a repair of another, or from disk. */
void kith_repair_stored(struct kith_repair *repair, const struct kith_point *point,
                        const struct kith_record_view *view, bool by_holder, uint64_t now);
/* After each call into the core. */
void kith_repair_look(struct kith_repair *repair, uint64_t now);

#endif
