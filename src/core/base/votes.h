/* SPDX-License-Identifier: MIT */
/*
 * votes: what our endpoint is, by what the last 16 voters saw, of one address family.
 *
 * One vote each, and one per address prefix, however many keys somebody makes; the endpoint that
 * most saw wins, with at least two votes once there are three. A voter without a key, a Mainline
 * node, is told from others by its prefix alone; at an exempt address by its IP and port.
 */
#ifndef KITH_CORE_VOTES_H
#define KITH_CORE_VOTES_H

#include "core/base/endpoint.h"
#include "kith/types.h"

enum {
    KITH_VOTES_MAX = 16,
    KITH_VOTES_LEAD_FROM = 3, /* from so many votes on, one alone does not win */
};

struct kith_vote {
    bool has_key;
    struct kith_key by;
    struct kith_endpoint from; /* where the voter is */
    struct kith_endpoint endpoint;
};

struct kith_votes {
    uint32_t n;
    uint32_t next;               /* ring */
    struct kith_vote *votes;     /* KITH_VOTES_MAX, made for the first; or NULL */
    struct kith_endpoint winner; /* family 0: none */
    bool questioned;             /* the winner is from before a change of the network */
};

void kith_votes_deinit(struct kith_votes *votes);
/* Writes down a vote, and leaves it to the caller what follows. Returns whether it is a new one. */
bool kith_votes_cast(struct kith_votes *votes, const struct kith_key *by,
                     const struct kith_endpoint *from, const struct kith_endpoint *endpoint);
/* Who leads by the votes there are; family 0: nobody. */
struct kith_endpoint kith_votes_lead(const struct kith_votes *votes);
/* The IP that more than half of the votes name, with the port of one of them; family 0: none.
 * Behind a NAT that gives each of our peers another port nobody leads, and yet our address is
 * known. */
struct kith_endpoint kith_votes_majority_ip(const struct kith_votes *votes);
/* Somebody at `from`, with the key `by` or NULL, saw us at `endpoint`. Ignored if nobody can be
 * seen there, or not from there. Returns whether the winner is another now. */
bool kith_votes_add(struct kith_votes *votes, const struct kith_key *by,
                    const struct kith_endpoint *from, const struct kith_endpoint *endpoint);

#endif
