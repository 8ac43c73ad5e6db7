/* SPDX-License-Identifier: MIT */
/*
 * What the node became: joined, cut off. An application acts on these events and has no reason to
 * ask again, so none of them is lost: one that finds no memory is told after the next call.
 */
#include "core/core_internal.h"

static uint32_t bit_of(enum kith_event_kind kind) {
    return UINT32_C(1) << kind;
}

static uint32_t count_live(const struct kith_core *core, enum kith_event_kind kind) {
    struct kith_mainline_status mainline;
    if (kind != KITH_EVENT_MAINLINE) {
        return (uint32_t)kith_swarm_count_live(&core->swarm);
    }
    kith_mainline_status(core->mainline, &mainline);
    return mainline.families[0].nodes + mainline.families[1].nodes;
}

void kith_core_tell(struct kith_core *core, enum kith_event_kind kind, uint64_t now) {
    struct kith_event_box *box = kith_event_box_new();
    if (kind != KITH_EVENT_MAINLINE) { /* of READY and LOST the last one is true */
        core->untold &= ~(bit_of(KITH_EVENT_READY) | bit_of(KITH_EVENT_LOST));
    }
    if (box == NULL) {
        core->untold |= bit_of(kind);
        return;
    }
    core->untold &= ~bit_of(kind);
    box->event.kind = KITH_CORE_NODE;
    box->event.node.kind = kind;
    box->event.node.n_contacts = count_live(core, kind);
    box->event.node.elapsed_ns = now - core->maintain.since;
    kith_events_push(&core->events, box, true);
}

void kith_core_tell_again(struct kith_core *core, uint64_t now) {
    static const enum kith_event_kind kinds[] = {KITH_EVENT_READY, KITH_EVENT_LOST,
                                                 KITH_EVENT_MAINLINE};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if ((core->untold & bit_of(kinds[i])) != 0) {
            kith_core_tell(core, kinds[i], now);
        }
    }
}
