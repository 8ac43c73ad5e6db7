/* SPDX-License-Identifier: MIT */
/*
 * publish: keeps what this node has published alive: republishing of own records, the peer record
 * and announcements, and the endpoints that go into them (bound addresses, and what peers observe).
 */
#ifndef KITH_CORE_PUBLISH_H
#define KITH_CORE_PUBLISH_H

#include "core/base/votes.h"
#include "core/lookup/op.h"
#include "core/upkeep/gossip.h"

struct kith_publish {
    struct kith_env *env;
    struct kith_ops *ops;
    struct kith_own own;
    struct kith_events *events;
    struct kith_gossip *gossip; /* borrowed; tells our neighbours of changes */
    uint32_t n_bound;
    struct kith_endpoint bound[KITH_ENDPOINTS_MAX];
    struct kith_votes v4;
    struct kith_votes v6;
    uint16_t capabilities_size;
    uint8_t capabilities[KITH_CAPABILITIES_MAX];
    struct kith_timer soon; /* publishes the peer record */
    struct kith_timer verdict;
    uint64_t question_ends; /* who has not been seen by then is nowhere */
    uint64_t published;     /* when it did so last, or 0 */
    uint64_t joined;        /* when we did so last */
    bool started;
    bool failed;          /* the last publication reached nobody, or too few: it is repeated */
    bool in_mainline;     /* which has been joined */
    uint64_t told_at;     /* when the peer record was last put there, 0: never */
    uint64_t told_digest; /* of what it said */
    uint64_t said_digest; /* of what it said when it was last put in kith's own swarm */
    /* What we think our endpoints are changed. */
    void (*on_endpoints)(void *context);
    void *context;
};

void kith_publish_init(struct kith_publish *publish, struct kith_env *env, struct kith_ops *ops,
                       struct kith_events *events, uint64_t now);
void kith_publish_deinit(struct kith_publish *publish);
/* -> KITH_ETOO_LARGE, KITH_ESYNTAX */
KITH_MUST_CHECK int kith_publish_capabilities(struct kith_publish *publish,
                                              struct kith_span capabilities);
void kith_publish_bound(struct kith_publish *publish, const struct kith_endpoint *bound, size_t n,
                        uint64_t now);
/* A peer told us our endpoint. */
void kith_publish_observed(struct kith_publish *publish, const struct kith_node_ref *by,
                           const struct kith_endpoint *endpoint, uint64_t now);
/* As kith_publish_observed(), of voters that were counted already: counts only while no peer of
 * ours has said anything of that family. */
void kith_publish_hint(struct kith_publish *publish, const struct kith_endpoint *endpoint,
                       uint64_t now);
/* Mainline was joined: what belongs there goes out. */
void kith_publish_mainline(struct kith_publish *publish, uint64_t now);
/* The network changed: what peers saw before counts no more, and what none confirms within seconds
 * is not published any longer. What should have been republished meanwhile follows, spread. */
void kith_publish_question(struct kith_publish *publish, uint64_t now);
/* Something that the peer record depends on changed. */
void kith_publish_changed(struct kith_publish *publish, uint64_t now);
/* Sets the timer that could not be set for want of memory. */
void kith_publish_look(struct kith_publish *publish, uint64_t now);
/* Our peer record as it would be published now. -> KITH_ENOT_FOUND: no endpoint is known */
KITH_MUST_CHECK int kith_publish_describe(const struct kith_publish *publish,
                                          struct kith_peer *ret);
/* The node has joined, for the first time or again: publish what waited for it, and from now on
 * whenever something changes. */
void kith_publish_start(struct kith_publish *publish, uint64_t now);
/* True for an endpoint of this node. */
bool kith_publish_is_self(const struct kith_publish *publish, const struct kith_endpoint *endpoint);

#endif
