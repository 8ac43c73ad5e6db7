/* SPDX-License-Identifier: MIT */
/*
 * gossip: a node tells its neighbours when its peer record has changed, so that they know its new
 * endpoints before anybody asks. Push "arrive": the signed record, and how many to pass it on to.
 *
 * The fan-out decays: the node itself tells four, they tell two each, those one each, and no
 * further. What was seen is not passed on again. Only pushes inside sessions with a proven address
 * count, at a bounded rate of signature verifications, and what they bring is a verified peer
 * record: nothing that could not be had by a get.
 */
#ifndef KITH_CORE_GOSSIP_H
#define KITH_CORE_GOSSIP_H

#include "core/base/pace.h"
#include "core/book/book.h"
#include "core/lookup/own.h"
#include "core/record/cards.h"
#include "core/store/store.h"
#include "core/swarm/swarm.h"

enum {
    KITH_GOSSIP_FANOUT = 4,     /* neighbours the node itself tells */
    KITH_GOSSIP_SEEN_MAX = 128, /* records remembered against duplicates */
    KITH_GOSSIP_PER_S = 8,      /* records verified; more are dropped and counted */
};

struct kith_gossip_seen {
    struct kith_key key;
    int64_t seq;
};

struct kith_gossip {
    struct kith_env *env;
    struct kith_swarm *swarm;
    struct kith_sessions *sessions;
    struct kith_book *book;
    struct kith_store *store;
    const struct kith_own *own;
    struct kith_cards cards; /* what others published, of peers that answered us */
    struct kith_pace pace;   /* of verifying */
    bool has_told;
    struct kith_point told;        /* hash of the value last told of ourselves */
    struct kith_gossip_seen *seen; /* ring; grows up to KITH_GOSSIP_SEEN_MAX */
    uint32_t seen_capacity;
    uint32_t n_seen;
    uint32_t next_seen;
};

void kith_gossip_deinit(struct kith_gossip *gossip);
/* Our peer record was published: told to the neighbours if its value changed. */
void kith_gossip_own(struct kith_gossip *gossip, const struct kith_record *record, uint64_t now);
/* A peer record of somebody else that `from` gave us in its session: verified (who gives an invalid
 * one is blamed) and learned. -> what kith_book_moved() returns; KITH_EVERIFY, or KITH_EINVALID: no
 * peer record, or our own */
KITH_MUST_CHECK int kith_gossip_learn(struct kith_gossip *gossip,
                                      const struct kith_record_view *view,
                                      const struct kith_node_ref *from, uint64_t now,
                                      struct kith_peer *ret_peer);
/* The newest peer record of a peer that we can show around. */
bool kith_gossip_card(const struct kith_gossip *gossip, const struct kith_key *key, uint64_t now,
                      struct kith_record_view *ret);
/* A push "arrive". */
void kith_gossip_receive(struct kith_gossip *gossip, const struct kith_delivery *delivery,
                         const struct kith_request *push, uint64_t now);

#endif
