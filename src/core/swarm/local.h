/* SPDX-License-Identifier: MIT */
/*
 * local: peers on the local network, as a discovery source (mDNS) reports them.
 *
 * What is reported is a hint: each endpoint of a peer is asked in turn, and only an authenticated
 * answer makes the peer one that counts (it is in a routing table from then on, and a lookup of its
 * key is answered from here). A report's absence of a goodbye proves nothing either: a peer that
 * stops answering is asked for anew through the source, and listed as not answering.
 */
#ifndef KITH_CORE_LOCAL_H
#define KITH_CORE_LOCAL_H

#include "core/core.h"
#include "core/swarm/swarm.h"

enum {
    KITH_LOCALS_MAX = 512, /* peers; then those that never answered give way */
};

struct kith_locals;

struct kith_local {
    struct kith_list all;
    struct kith_locals *owner;
    struct kith_local_report report;
    struct kith_key key; /* reported, or learned from the endpoint */
    bool has_key;
    bool confirmed; /* answered at `endpoint` */
    struct kith_endpoint endpoint;
    uint64_t seen;     /* last heard from there */
    uint32_t next;     /* endpoint to be tried next */
    bool anew;         /* the round begins when the question under way is over */
    uint32_t failures; /* rounds over all endpoints without an answer */
    struct kith_rpc *rpc;
    struct kith_timer timer;
};

struct kith_locals {
    struct kith_env *env;
    struct kith_swarm *swarm;
    struct kith_sessions *sessions;
    struct kith_list all; /* in order of appearance */
    uint32_t n;
    uint64_t watched_until; /* somebody looks at the list: it is kept true to the second */
    /* Every endpoint of the peer stayed silent: the source should ask anew. */
    void (*on_silent)(void *context, const struct kith_local *local);
    /* A peer answered: it is there. May be NULL. */
    void (*on_confirmed)(void *context, const struct kith_local *local, uint64_t now);
    void *context;
};

void kith_locals_init(struct kith_locals *locals);
void kith_locals_deinit(struct kith_locals *locals);
/* The peer is there, or its endpoints or key changed. At the bound the newcomer replaces the oldest
 * that did not answer, else the oldest that has not answered yet. -> KITH_EFULL (all have),
 * KITH_ENOMEM, KITH_EINVALID (no usable endpoint, our own key) */
KITH_MUST_CHECK int kith_locals_appeared(struct kith_locals *locals,
                                         const struct kith_local_report *report, uint64_t now);
/* It said goodbye, or its source is gone. Unknown names are ignored. */
void kith_locals_vanished(struct kith_locals *locals, const char *name, uint64_t now);
/* The network changed: every peer is asked again, one after the other. */
void kith_locals_question(struct kith_locals *locals, uint64_t now);
/* The key behind an endpoint became known. */
void kith_locals_key(struct kith_locals *locals, const struct kith_key *key,
                     const struct kith_endpoint *endpoint, uint64_t now);
/* An authenticated, fresh message of a key came from an endpoint: as good as an answer. */
void kith_locals_heard(struct kith_locals *locals, const struct kith_key *key,
                       const struct kith_endpoint *endpoint, uint64_t now);
/* Somebody looks at the list. */
void kith_locals_watch(struct kith_locals *locals, uint64_t now);
/* A peer with this key, confirmed ones first, or NULL. */
const struct kith_local *kith_locals_find(const struct kith_locals *locals,
                                          const struct kith_key *key);
uint32_t kith_locals_count_confirmed(const struct kith_locals *locals);

#endif
