/* SPDX-License-Identifier: MIT */
/*
 * mainline: this node's part in the public BitTorrent DHT: a swarm per address family with ids of
 * their own (BEP 32, 42), what it holds for others (BEP 5, 44), and the meeting of kith nodes under
 * a point that their network's name gives (rendezvous).
 *
 * The engine is that of kith's own swarm: tables, requests, walks, ops, joining. Here is only what
 * Mainline has besides: who we are there, whether we may be put into tables (BEP 43), tokens.
 */
#ifndef KITH_CORE_MAINLINE_H
#define KITH_CORE_MAINLINE_H

#include "core/base/token.h"
#include "core/base/votes.h"
#include "core/store/store.h"
#include "core/store/torrents.h"
#include "core/swarm/swarm.h"
#include "core/upkeep/maintain.h"

enum {
    KITH_MAINLINE_KNOWN_MAX =
        512, /* contacts of a family worth remembering over a restart or an outage */
};

struct kith_mainline;

struct kith_mainline_config {
    struct kith_env *env;       /* borrowed */
    struct kith_ops *ops;       /* borrowed */
    struct kith_maintain *kith; /* borrowed: takes the contacts that the rendezvous brings */
    struct kith_plain_limits limits;
    bool enforce_ids;
    bool rendezvous; /* not of a private network */
    bool lab;        /* all nodes are on this host or in a lab: reachable without proof */
    bool (*is_self)(void *context, const struct kith_endpoint *endpoint);
    bool (*is_banned)(void *context, const struct kith_node_ref *node, uint64_t now);
    /* A family has joined, for the first time or again; it has lost its last contact. */
    void (*on_ready)(void *context, uint64_t now);
    void (*on_lost)(void *context, uint64_t now);
    /* Others of this family see us at this endpoint now. */
    void (*on_observed)(void *context, const struct kith_endpoint *endpoint, uint64_t now);
    void *context;
};

/* One address family. */
struct kith_mainline_family {
    struct kith_mainline *owner;
    struct kith_swarm swarm;
    struct kith_maintain maintain;
    struct kith_torrents *torrents;
    struct kith_votes votes;
    uint64_t id_bound; /* when the id was last bound to an address; 0: not on this network */
    uint32_t n_known;  /* who answered lately, oldest first */
    uint32_t next_known;
    uint64_t again_at;           /* when they are tried again, if nobody answers */
    struct kith_endpoint *known; /* KITH_MAINLINE_KNOWN_MAX */
};

struct kith_mainline {
    struct kith_mainline_config config;
    struct kith_plain *plain;
    struct kith_store *items;
    struct kith_tokens tokens;
    struct kith_mainline_family *families[2]; /* IPv4, IPv6; NULL: not in use */
    enum kith_reachable reachable;
    unsigned misses;   /* tests of ourselves in a row that nothing came of */
    uint32_t self_txn; /* of the test under way */
    bool testing;
    struct kith_timer test;
    struct kith_timer meet; /* rendezvous */
    uint32_t n_meets;
    bool meeting;
    struct kith_point meeting_point;
};

/* -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_mainline_new(struct kith_mainline **ret,
                                      const struct kith_mainline_config *config, uint64_t now);
struct kith_mainline *kith_mainline_free(struct kith_mainline *mainline);

/* A datagram that begins like a bencoded dict. */
void kith_mainline_receive(struct kith_mainline *mainline, const struct kith_endpoint *from,
                           struct kith_span bytes, uint64_t now);
/* Answers a request (mainline_serve.c). */
void kith_mainline_serve(struct kith_mainline_family *family, const struct kith_delivery *delivery,
                         const struct kith_message *message, uint64_t now);
/* -> see kith_maintain_add() */
KITH_MUST_CHECK int kith_mainline_add(struct kith_mainline *mainline,
                                      const struct kith_endpoint *endpoint,
                                      enum kith_contact_source source, uint64_t now);
/* After each call into the core. */
void kith_mainline_look(struct kith_mainline *mainline, uint64_t now);
/* Not to be joined through any more; ignored if it was not. A node that answered stays in the
 * table. */
void kith_mainline_remove(struct kith_mainline *mainline, const struct kith_endpoint *endpoint);
bool kith_mainline_may_join(const struct kith_mainline *mainline);
/* Whether the first rendezvous is under way: kith's own swarm may be joined through it. */
bool kith_mainline_may_meet(const struct kith_mainline *mainline);
void kith_mainline_expect(struct kith_mainline *mainline, bool expected);
/* It is known otherwise that strangers can reach us, or that they cannot. */
void kith_mainline_reachable(struct kith_mainline *mainline, enum kith_reachable state,
                             uint64_t now);
/* The network changed: who we are is asked anew. */
void kith_mainline_network_changed(struct kith_mainline *mainline, uint64_t now);
/* A ban came: what is banned leaves the tables. */
void kith_mainline_bans_changed(struct kith_mainline *mainline, uint64_t now);
/* The endpoints of a family to remember, best first. Returns their number. */
size_t kith_mainline_known(const struct kith_mainline *mainline, uint8_t family, size_t n,
                           struct kith_endpoint *out);
void kith_mainline_expire(struct kith_mainline *mainline, uint64_t now);
void kith_mainline_status(const struct kith_mainline *mainline, struct kith_mainline_status *ret);
/* The invariants; for tests and fuzzers. Returns NULL, or what is violated. */
const char *kith_mainline_check(const struct kith_mainline *mainline);

#endif
