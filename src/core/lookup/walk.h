/* SPDX-License-Identifier: MIT */
/*
 * walk: THE iterative Kademlia walk; nothing else in the tree walks.
 *
 * Asks the nearest known nodes for nearer ones, alpha at a time, until the k nearest that are
 * alive have answered. Where an answer is late, another node is asked beside it, so that up to
 * twice alpha are; a slow node is asked again, and may still answer; one that stays silent is given
 * up and does not hold up the end. It begins with those of the nearest that are quick to answer.
 * What the answers mean beyond contacts is the owner's business: it sees each one and may end the
 * walk at any time.
 */
#ifndef KITH_CORE_WALK_H
#define KITH_CORE_WALK_H

#include "core/base/endpoint.h"
#include "core/lookup/asked.h"
#include "core/swarm/swarm.h"
#include "kith/op.h"

enum {
    KITH_WALK_CANDIDATES_MAX = 96,
    KITH_WALK_STARTERS = 24,      /* known nodes that it begins with: beyond k only a reserve */
    KITH_WALK_REQUESTS_MAX = 240, /* an adversary who always knows someone nearer ends here */
    KITH_WALK_ENDPOINTS_MAX = 3,  /* of one candidate, tried in turn */
    KITH_WALK_SILENT_MAX = 8, /* unanswered questions to one public IP: answers may name a victim */
    KITH_WALK_SILENT_NET_MAX = 16, /* and to its /24 (IPv6 /56) */
    KITH_WALK_REACH_MAX = 60,      /* nodes of the region around the target, beyond the k nearest */
};

enum kith_candidate_state {
    KITH_CANDIDATE_NEW,
    KITH_CANDIDATE_ASKED,
    KITH_CANDIDATE_SLOW,     /* its slot is free, its answer still awaited */
    KITH_CANDIDATE_GIVEN_UP, /* not awaited any more; a late answer revives it */
    KITH_CANDIDATE_ANSWERED,
    KITH_CANDIDATE_PASSED, /* another walk of the same lookup has asked it */
};

struct kith_candidate {
    struct kith_walk *walk;
    struct kith_node_ref node; /* at endpoints[at] */
    uint8_t n_endpoints;
    uint8_t at;
    struct kith_endpoint endpoints[KITH_WALK_ENDPOINTS_MAX]; /* in the order we were told of them */
    struct kith_rpc *rpc;                                    /* in flight, or NULL */
    struct kith_nets nets;                                   /* of `node.endpoint` */
    enum kith_candidate_state state;
    uint8_t depth;    /* 1: known from the start */
    bool late;        /* ASKED: it holds no slot any more */
    bool asked_twice; /* its first answer was truncated */
    bool has_record;  /* the owner's mark: it holds a valid record */
    bool written;     /* the owner's mark: what it stores was sent to it */
    int64_t seq;      /* the owner's mark: of that record */
    bool has_token;   /* Mainline: it may be written to */
    uint8_t token_size;
    uint8_t *token;
};

struct kith_walk {
    struct kith_swarm *swarm;
    struct kith_request request; /* what every node is asked; spans borrowed from the owner */
    struct kith_point target;
    /* Besides the k nearest, all up to this distance have to answer, up to KITH_WALK_REACH_MAX;
     * zero: none. Set by the owner. */
    struct kith_point reach;
    unsigned k;
    unsigned alpha;
    bool hasty;       /* do not await slow nodes: the next nearest take their places */
    bool introducing; /* towards our own id: asks all who may have us among their k nearest */
    /* For upkeep: rather later than with more bytes (KITH_ASK_THRIFTY), and whoever is nearer than
     * the k-th, but not one of the six nearest, and answered us within the last minute (less where
     * nodes stay for less than eight) counts as if it had answered this walk, too. It is not asked,
     * so on_answer is not called for it, and it has no token. */
    bool thrifty;
    /* For puts: once the nearest have told who else is near, the others are asked for few contacts,
     * in short initiations. That they are there, and that there is a session, is what counts. */
    bool sparing;
    unsigned requests_max;    /* KITH_WALK_REQUESTS_MAX, or less */
    unsigned candidates_max;  /* KITH_WALK_CANDIDATES_MAX, or less */
    struct kith_asked *asked; /* shared with other walks; NULL: this one is alone */
    bool running;
    bool pumping; /* guards against the pump calling itself through callbacks */
    uint64_t started;
    unsigned n_requests;
    unsigned n_candidates;
    struct kith_candidate *order[KITH_WALK_CANDIDATES_MAX]; /* nearest first */
    struct kith_walk_stats stats;
    /* Of the owner. on_answer: an answer came; return true to go on, false to end the walk at once
     * (on_done is not called then). on_hop may be NULL. on_done: nothing is left to ask; the walk
     * is not running any more and may be read until kith_walk_deinit(). */
    bool (*on_answer)(struct kith_walk *walk, struct kith_candidate *from,
                      const struct kith_response *response, uint64_t now);
    void (*on_hop)(struct kith_walk *walk, const struct kith_hop *hop, uint64_t now);
    void (*on_done)(struct kith_walk *walk, uint64_t now);
    void *context;
};

/* `request.target` is the target. Does not start. */
void kith_walk_init(struct kith_walk *walk, struct kith_swarm *swarm,
                    const struct kith_request *request);
/* Starts from the candidates that were added, or from the routing tables if none were. Calls nobody
 * back from inside; false: there was nobody to ask. */
KITH_MUST_CHECK bool kith_walk_start(struct kith_walk *walk, uint64_t now);
/* Another candidate, from any source. Ignored when known, ours, or too far to matter. */
void kith_walk_add(struct kith_walk *walk, const struct kith_node_ref *node, uint8_t depth);
/* Sends what may be sent; ends the walk when nothing is left. */
void kith_walk_pump(struct kith_walk *walk, uint64_t now);
/* Ends a running walk silently. */
void kith_walk_stop(struct kith_walk *walk);
/* Stops and frees the candidates. */
void kith_walk_deinit(struct kith_walk *walk);
/* The k-th nearest that answered; NULL: there are fewer. */
const struct kith_candidate *kith_walk_last(const struct kith_walk *walk);
/* The nodes of a network that is everywhere as dense as what answered next to the target; 0: fewer
 * than k answered. */
uint64_t kith_walk_size(const struct kith_walk *walk);
/* Whether this candidate is in the region, see `reach`. */
bool kith_walk_in_reach(const struct kith_walk *walk, const struct kith_candidate *c);
/* Those that answered and can be written to: the k nearest of them, of which no neighbourhood has
 * more than its share unless there are no others, and the rest of the region. Up to `n`. Returns
 * their number. */
size_t kith_walk_answered(const struct kith_walk *walk, size_t n, struct kith_candidate **out);

#endif
