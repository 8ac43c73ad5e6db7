/* SPDX-License-Identifier: MIT */
/*
 * change: what is to be done when the network changed under us: an interface came or went, an
 * address is another one, or the host slept.
 *
 * Sessions may be lost and our endpoints others by now. So the nodes nearest to us and some of the
 * book are asked over fresh handshakes; their answers say where we are seen, and the peer record
 * follows. Routes and addresses are often complete only seconds after the first sign of a change:
 * a family that nobody answers in is asked again a few times. No entry suffers from not answering.
 */
#ifndef KITH_CORE_CHANGE_H
#define KITH_CORE_CHANGE_H

#include "core/swarm/local.h"
#include "core/upkeep/keeper.h"
#include "core/upkeep/maintain.h"
#include "core/upkeep/publish.h"
#include "core/upkeep/reach.h"

enum {
    KITH_CHANGE_BURST = 6,     /* changes dealt with at once, after a quiet time */
    KITH_CHANGE_REFILL_S = 10, /* and one more in so many seconds */
    KITH_CHANGE_ASKED = 8,     /* nodes asked in each family */
};

struct kith_change {
    struct kith_env *env;
    struct kith_swarm *swarm;
    struct kith_publish *publish;
    struct kith_reach *reach;
    struct kith_keeper *keeper;
    struct kith_maintain *maintain;
    struct kith_locals *locals;
    uint64_t paid;            /* the changes dealt with are within the rate from here on */
    unsigned round;           /* of questions */
    struct kith_timer due;    /* a change that came too soon after others */
    struct kith_timer rounds; /* the next round of questions */
    /* A change is being dealt with. */
    void (*on_change)(void *context, uint64_t now);
    void *context;
};

/* Zeroed and with its borrowed parts set by the caller. */
void kith_change_deinit(struct kith_change *change);
void kith_change_seen(struct kith_change *change, uint64_t now);

#endif
