/* SPDX-License-Identifier: MIT */
/*
 * keeper: keeps the address book true, and uses it to stay connected.
 *
 * Tells the book what happened to every contact; tests the holders of contested places; tries
 * hints; asks live peers for more (peer exchange); cleans up. Paced by two constants, coupling
 * (lambda) and damping (eta): contacts are revisited every 10/lambda seconds, live peers are asked
 * for others every 10/eta seconds, clean-up runs every 50/lambda seconds, each with jitter.
 */
#ifndef KITH_CORE_KEEPER_H
#define KITH_CORE_KEEPER_H

#include "core/book/book.h"
#include "core/swarm/swarm.h"
#include "core/upkeep/gossip.h"

enum {
    KITH_KEEPER_START_MAX = 24, /* contacts of the book asked at the start, best first */
    KITH_KEEPER_LIVE_MIN = 20,  /* below so many live contacts the book is asked for more */
    KITH_EXCHANGE_N = 4,        /* peers asked for in one exchange */
    KITH_EXCHANGE_HINTS = 8,    /* endpoints taken from the peer records in one answer */
    KITH_KEEPER_HURRY_MAX = 4,  /* contacts of the book asked when the network changed */
};

struct kith_keeper {
    struct kith_env *env;
    struct kith_swarm *swarm;
    struct kith_sessions *sessions;
    struct kith_gossip *gossip;
    struct kith_book *book; /* owned */
    double coupling;        /* lambda */
    double damping;         /* eta */
    bool has_bans;          /* some ban may be in force */
    bool begun;             /* the start's contacts were asked */
    uint32_t round;
    uint32_t n_alone;     /* revisits in a row without a live contact */
    uint64_t n_discovery; /* contacts tried: starts, revisits, tests, feelers */
    uint64_t n_exchange;  /* peers asked for others */
    struct kith_timer start;
    struct kith_timer revisit;
    struct kith_timer exchange;
    struct kith_timer clean;
};

/* Zeroed and with its borrowed parts and constants set by the caller; `book` is taken over.
 * -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_keeper_start(struct kith_keeper *keeper, uint64_t now);
void kith_keeper_stop(struct kith_keeper *keeper);
/* Asks a node for others, now. */
void kith_keeper_exchange(struct kith_keeper *keeper, const struct kith_node_ref *node,
                          uint64_t now);
/* A request to the node was answered, or not. */
void kith_keeper_heard(struct kith_keeper *keeper, const struct kith_node_ref *node, bool answered,
                       uint64_t now);
/* The node misbehaved in an authenticated session. */
void kith_keeper_blame(struct kith_keeper *keeper, const struct kith_node_ref *node,
                       enum kith_book_outcome what, uint64_t now);
/* The key behind an endpoint became known. */
void kith_keeper_key(struct kith_keeper *keeper, const struct kith_key *key,
                     const struct kith_endpoint *endpoint, uint64_t now);
/* The network changed: the best of the book that are no live contacts are asked, and whoever is
 * alone tries again at once. */
void kith_keeper_hurry(struct kith_keeper *keeper, uint64_t now);
/* A ban came or went: what is banned leaves the tables. */
void kith_keeper_bans_changed(struct kith_keeper *keeper, uint64_t now);
/* Whether to have nothing to do with it. `key` may be NULL. */
bool kith_keeper_banned(const struct kith_keeper *keeper, const struct kith_key *key,
                        const struct kith_endpoint *endpoint, uint64_t now);
/* Whether the book may still lead into the swarm. */
bool kith_keeper_may_join(const struct kith_keeper *keeper, uint64_t now);

#endif
