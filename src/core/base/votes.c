/* SPDX-License-Identifier: MIT */
/*
 * votes: what our endpoint is. A ring of the latest, small enough to be counted anew each time.
 */
#include "core/base/votes.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/id.h"

/* O(n) for each endpoint that may still win: when all agree, one. */
struct kith_endpoint kith_votes_lead(const struct kith_votes *votes) {
    struct kith_endpoint winner = {0};
    uint32_t most = 0;
    for (uint32_t i = 0; i + most < votes->n; i++) {
        uint32_t count = 0;
        for (uint32_t j = i; j < votes->n; j++) { /* those before i were counted in their turn */
            count += kith_endpoint_equal(&votes->votes[i].endpoint, &votes->votes[j].endpoint);
        }
        if (count > most) {
            most = count;
            winner = votes->votes[i].endpoint;
        }
    }
    bool alone = votes->n >= KITH_VOTES_LEAD_FROM && most < 2;
    return alone ? (struct kith_endpoint){0} : winner;
}

struct kith_endpoint kith_votes_majority_ip(const struct kith_votes *votes) {
    for (uint32_t i = 0; i < votes->n; i++) {
        uint32_t count = 0;
        for (uint32_t j = 0; j < votes->n; j++) {
            count += kith_endpoint_same_ip(&votes->votes[i].endpoint, &votes->votes[j].endpoint);
        }
        if (2 * count > votes->n) {
            return votes->votes[i].endpoint;
        }
    }
    return (struct kith_endpoint){0};
}

/* One party has one vote, however many keys it makes. */
static bool same_voter(const struct kith_vote *vote, const struct kith_key *by,
                       const struct kith_endpoint *from) {
    if (by != NULL && vote->has_key && kith_key_equal(&vote->by, by)) {
        return true;
    }
    if (kith_endpoint_exempt(from)) {
        bool keys_tell = by != NULL && vote->has_key;
        return !keys_tell && kith_endpoint_equal(&vote->from, from);
    }
    return kith_endpoint_same_prefix(&vote->from, from);
}

static struct kith_vote *vote_of(struct kith_votes *votes, const struct kith_key *by,
                                 const struct kith_endpoint *from) {
    for (uint32_t i = 0; i < votes->n; i++) {
        if (same_voter(&votes->votes[i], by, from)) {
            return &votes->votes[i];
        }
    }
    return NULL;
}

void kith_votes_deinit(struct kith_votes *votes) {
    free(votes->votes);
    *votes = (struct kith_votes){0};
}

bool kith_votes_cast(struct kith_votes *votes, const struct kith_key *by,
                     const struct kith_endpoint *from, const struct kith_endpoint *endpoint) {
    bool local = kith_endpoint_scope(endpoint) != KITH_SCOPE_GLOBAL;
    /* Nobody on the internet sees us at a local address, and nobody at one of another family. */
    if (!kith_endpoint_usable(endpoint) || (local && !kith_endpoint_exempt(from)) ||
        from->family != endpoint->family) {
        return false;
    }
    struct kith_vote *mine = vote_of(votes, by, from);
    if (mine != NULL && kith_endpoint_equal(&mine->endpoint, endpoint)) {
        return false;
    }
    if (votes->votes == NULL) {
        votes->votes = calloc(KITH_VOTES_MAX, sizeof(*votes->votes));
        if (votes->votes == NULL) {
            return false;
        }
    }
    if (mine == NULL) {
        mine = &votes->votes[votes->next];
        votes->next = (votes->next + 1) % KITH_VOTES_MAX;
        votes->n += votes->n < KITH_VOTES_MAX;
    }
    *mine = (struct kith_vote){.has_key = by != NULL, .from = *from, .endpoint = *endpoint};
    if (by != NULL) {
        mine->by = *by;
    }
    return true;
}

bool kith_votes_add(struct kith_votes *votes, const struct kith_key *by,
                    const struct kith_endpoint *from, const struct kith_endpoint *endpoint) {
    if (!kith_votes_cast(votes, by, from, endpoint)) {
        return false;
    }
    struct kith_endpoint winner = kith_votes_lead(votes);
    if (winner.family == 0 || kith_endpoint_equal(&winner, &votes->winner)) {
        return false;
    }
    votes->winner = winner;
    return true;
}
