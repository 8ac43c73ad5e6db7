/* SPDX-License-Identifier: MIT */
/* What a core consists of. For core.c, core_*.c and roam.c only. */
#ifndef KITH_CORE_CORE_INTERNAL_H
#define KITH_CORE_CORE_INTERNAL_H

#include "core/core.h"
#include "core/mainline.h"
#include "core/serve.h"
#include "core/swarm/local.h"
#include "core/upkeep/change.h"
#include "core/upkeep/gossip.h"
#include "core/upkeep/keeper.h"
#include "core/upkeep/maintain.h"
#include "core/upkeep/news.h"
#include "core/upkeep/publish.h"
#include "core/upkeep/reach.h"
#include "core/upkeep/repair.h"

enum {
    KITH_ROAM_MAX = 8, /* peers whose new endpoint is being proven */
};

/* A ping on its way to a new endpoint of a peer. */
struct kith_roam {
    kith_session_ref session; /* 0: free */
    struct kith_endpoint to;
    uint32_t txn;
    uint64_t sent;
};

struct kith_core {
    struct kith_env env;
    struct kith_sessions *sessions;
    struct kith_store *store;
    struct kith_swarm swarm;
    struct kith_events events;
    uint32_t untold; /* kinds of kith_event that are due and found no memory, a bit each */
    struct kith_ops ops;
    struct kith_publish publish;
    struct kith_locals locals;
    struct kith_keeper keeper;
    struct kith_news news;
    struct kith_reach reach;
    struct kith_gossip gossip;
    struct kith_change change;
    bool book_header_taken;
    struct kith_repair repair;
    struct kith_serve serve;
    struct kith_maintain maintain;
    struct kith_mainline *mainline; /* NULL: off */
    uint64_t started;
    struct kith_roam roams[KITH_ROAM_MAX];
    unsigned next_roam;
    bool restoring; /* what enters the store now is on disk already */
};

/* Whether a key is banned; for the sessions, whose `context` is the core. */
bool kith_core_bans(void *context, const struct kith_key *key, uint64_t now);
/* READY, LOST or MAINLINE: an application may wait for it, so without memory it comes later. */
void kith_core_tell(struct kith_core *core, enum kith_event_kind kind, uint64_t now);
/* What is still due. */
void kith_core_tell_again(struct kith_core *core, uint64_t now);

/* Tells the book our own addresses, as they now are: they are no contacts. `context` is the core.
 */
void kith_core_tell_own(void *context);

/* A peer was heard from a new endpoint: pings it there before believing it. Returns true if the
 * message was the answer to such a ping: the session has moved and nothing else is to be done. A
 * message that a ping went out for is not to be answered besides: its answer_max is 0 then. */
bool kith_roam_receive(struct kith_core *core, struct kith_delivery *delivery, uint64_t now);

#endif
