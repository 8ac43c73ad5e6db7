/* SPDX-License-Identifier: MIT */
/*
 * reach: can strangers reach us?
 *
 * A helper is asked (method "reach"); it asks a third node of its own choice to ping us at the
 * endpoint the helper knows as proven. An initiation from somewhere we have not sent anything to is
 * the proof: no NAT or firewall lets it in unless it lets strangers in. A test in which a third
 * node says that it pinged and nothing arrived counts against us; three in a row say no. A node
 * that cannot be reached calls itself read-only, so that nobody puts it into a table; it goes on
 * testing, and is a full node again with the first proof.
 *
 * A third node pings at most one endpoint a second, with one datagram, and only as far as its
 * asker's own address reaches: no use as a reflector.
 */
#ifndef KITH_CORE_REACH_H
#define KITH_CORE_REACH_H

#include "core/swarm/swarm.h"
#include "kith/info.h"

enum {
    KITH_REACH_MISSES = 3,  /* tests in a row without a sign that say: unreachable */
    KITH_REACH_PENDING = 8, /* others we help at once */
};

/* One whom we help: answered when the third node has said whether it pings. */
struct kith_reach_pending {
    struct kith_reach *owner;
    unsigned place;
    struct kith_delivery asker;
    struct kith_txn txn;
};

struct kith_reach {
    struct kith_env *env;
    struct kith_swarm *swarm;
    enum kith_reachable state;
    bool testing; /* a helper said that it asked a third node */
    bool sign;    /* an initiation came since, from whomever */
    uint8_t misses;
    uint32_t n_tests;     /* since the start */
    uint64_t last_favour; /* when we last pinged for others */
    struct kith_timer timer;
    struct kith_reach_pending *pending[KITH_REACH_PENDING]; /* NULL: free */
    /* Answers an asker. */
    void (*answer)(void *context, const struct kith_reach_pending *asker, bool asked, uint64_t now);
    /* The state changed; `now`. */
    void (*on_change)(void *context, uint64_t now);
    void *context;
};

/* Zeroed and with its borrowed parts set by the caller; starts testing. -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_reach_start(struct kith_reach *reach, uint64_t now);
void kith_reach_stop(struct kith_reach *reach);
/* The network changed: what was found out before says little. Tests begin anew; who could not be
 * reached stays a client until somebody reaches it. */
void kith_reach_question(struct kith_reach *reach, uint64_t now);
/* An initiation came in from this endpoint. */
void kith_reach_heard(struct kith_reach *reach, const struct kith_endpoint *from, uint64_t now);
/* A helper's part: asks a third node; `answer` is called, now or when that one has answered. */
void kith_reach_help(struct kith_reach *reach, const struct kith_delivery *asker,
                     const struct kith_txn *txn, uint64_t now);
/* A third node's part: pings whom a helper named (key and endpoint, as in a contact). */
bool kith_reach_favour(struct kith_reach *reach, const struct kith_delivery *helper,
                       struct kith_span whom, uint64_t now);

#endif
