/* SPDX-License-Identifier: MIT */
/*
 * serve: answers the requests of others. Reads from the tables, the store and our own records;
 * never waits; allocates only where a write does. Requests that came in an initiation may only
 * read.
 */
#ifndef KITH_CORE_SERVE_H
#define KITH_CORE_SERVE_H

#include "core/base/quota.h"
#include "core/book/book.h"
#include "core/lookup/events.h"
#include "core/lookup/own.h"
#include "core/store/store.h"
#include "core/swarm/swarm.h"
#include "core/upkeep/gossip.h"
#include "core/upkeep/reach.h"
#include "core/upkeep/repair.h"

enum {
    KITH_TALK_NAMES_MAX = 32,   /* handlers */
    KITH_TALK_PENDING_MAX = 16, /* messages handed to the application and not yet answered */
};

struct kith_talk_pending {
    uint64_t token; /* 0: free */
    uint64_t until; /* then free as well: its asker has given up */
    struct kith_delivery delivery;
    struct kith_txn txn;
};

struct kith_serve {
    struct kith_env *env;
    struct kith_swarm *swarm;
    struct kith_store *store;
    struct kith_own *own;
    struct kith_events *events;
    struct kith_reach *reach;
    struct kith_repair *repair;
    struct kith_gossip *gossip;       /* for the peer records that go with it */
    struct kith_book *book;           /* what an exchange samples */
    struct kith_quota exchange_peers; /* by key */
    struct kith_quota exchange_prefixes;
    struct kith_pace writes; /* whose signatures are verified */
    struct kith_quota write_prefixes;
    bool unlimited;
    unsigned n_names;
    char (*names)[KITH_PROTOCOL_NAME_MAX + 1]; /* KITH_TALK_NAMES_MAX, made for the first */
    uint64_t next_token;
    struct kith_talk_pending *pending; /* KITH_TALK_PENDING_MAX, allocated with the first name */
};

/* The borrowed parts are set by the caller. */
void kith_serve_init(struct kith_serve *serve);
void kith_serve_deinit(struct kith_serve *serve);
void kith_serve_request(struct kith_serve *serve, const struct kith_delivery *delivery,
                        const struct kith_message *message, uint64_t now);
/* -> see kith_core_talk_handle() */
KITH_MUST_CHECK int kith_serve_talk_handle(struct kith_serve *serve, const char *protocol, bool on);
void kith_serve_talk_answer(struct kith_serve *serve, uint64_t token, int status,
                            struct kith_span bytes, uint64_t now);
/* The end of a reachability test that we help with. */
void kith_serve_reach_answer(struct kith_serve *serve, const struct kith_reach_pending *asker,
                             bool asked, uint64_t now);

#endif
