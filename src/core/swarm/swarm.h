/* SPDX-License-Identifier: MIT */
/*
 * swarm: one overlay network: id space, a routing table per family, requests in flight, a dialect.
 *
 * Asks typed questions of nodes and feeds the tables from what comes back. Who asks gets the typed
 * answer. Requests of others go to `on_request`, which answers through kith_swarm_answer().
 */
#ifndef KITH_CORE_SWARM_H
#define KITH_CORE_SWARM_H

#include "core/book/book.h"
#include "core/session/plain.h"
#include "core/session/session.h"
#include "core/swarm/routing.h"
#include "core/swarm/rpc.h"
#include "core/wire/dialect.h"
#include "core/wire/env.h"

enum {
    KITH_SILENT_MAX = 32,   /* nodes remembered for their silence */
    KITH_SILENT_S = 60,     /* for so long */
    KITH_SWARM_PER_IP = 1,  /* entries of a table, and contacts in an answer, of one address */
    KITH_SWARM_PER_NET = 3, /* and of a /24 (IPv6 /56) */
};

/* A node that was asked in vain. */
struct kith_silent {
    uint32_t tag;  /* of its id: a node taken for another is asked a minute later */
    uint32_t at_s; /* in seconds of `now` */
};
enum { KITH_SWARM_DENSITIES = 15 };

struct kith_swarm {
    struct kith_env *env;
    const struct kith_dialect *dialect;
    struct kith_sessions *sessions; /* borrowed; NULL for dialects without */
    struct kith_plain *plain;       /* borrowed; for dialects without sessions */
    struct kith_point own_id;
    uint8_t family;          /* of a swarm of one family, or 0: of both */
    bool read_only;          /* besides what env says: others shall not put us into their tables */
    bool enforce_ids;        /* BEP 42 for others, see kith_target_id_valid() */
    struct kith_pace verify; /* askers unknown to us that are asked back */
    struct kith_routing *v4; /* NULL: family not in use */
    struct kith_routing *v6;
    struct kith_rpcs rpcs;
    struct kith_silent silent[KITH_SILENT_MAX];
    uint32_t next_silent; /* the oldest of them */
    uint64_t forgiven;    /* silence counts of questions sent since */
    uint64_t
        densities[KITH_SWARM_DENSITIES]; /* a ring: the network's size, as single walks met it */
    uint8_t n_densities;
    uint8_t next_density;
    /* Of the layer above. */
    void (*on_request)(void *context, const struct kith_delivery *delivery,
                       const struct kith_message *message, uint64_t now);
    /* A push; nothing is answered. */
    void (*on_push)(void *context, const struct kith_delivery *delivery,
                    const struct kith_request *push, uint64_t now);
    /* A peer told us our endpoint. */
    void (*on_observed)(void *context, const struct kith_node_ref *by,
                        const struct kith_endpoint *endpoint, uint64_t now);
    /* Whether to have nothing to do with a node; may be NULL. */
    bool (*is_banned)(void *context, const struct kith_node_ref *node, uint64_t now);
    /* A node answered as a full node does, or did not answer. */
    void (*on_node)(void *context, const struct kith_node_ref *node, bool answered, uint64_t now);
    /* A node did, inside an authenticated session, what no honest node does; may be NULL. */
    void (*on_misconduct)(void *context, const struct kith_node_ref *node,
                          enum kith_book_outcome what, uint64_t now);
    /* The number of entries in the tables changed. */
    void (*on_tables)(void *context);
    void *context;
};

struct kith_swarm_config {
    struct kith_env *env;
    const struct kith_dialect *dialect;
    struct kith_sessions *sessions;
    struct kith_plain *plain;
    struct kith_point own_id;
    uint8_t family;
    bool enforce_ids;
};

/* -> KITH_ENOMEM. On failure the swarm can be deinitialized. */
KITH_MUST_CHECK int kith_swarm_init(struct kith_swarm *swarm,
                                    const struct kith_swarm_config *config);
void kith_swarm_deinit(struct kith_swarm *swarm);

/* A message that came over a session, or, with `from` and `payload` alone set, in the clear
 * (kith_swarm_receive_plain). Malformed ones are dropped and counted. */
void kith_swarm_receive(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                        uint64_t now);

void kith_swarm_receive_plain(struct kith_swarm *swarm, const struct kith_endpoint *from,
                              struct kith_span bytes, uint64_t now);

/* Leaves out contacts that cannot be meant for us, and, of those that come from a table, more of a
 * neighbourhood than one holds; and completes link-local ones: they are on the link of `from`, who
 * told us. */
void kith_swarm_keep_usable(struct kith_swarm *swarm, struct kith_response *response,
                            const struct kith_endpoint *from, bool of_table);

/* Starts over under another id, with the entries there are. -> KITH_ENOMEM: nothing changed */
KITH_MUST_CHECK int kith_swarm_set_id(struct kith_swarm *swarm, const struct kith_point *id,
                                      uint64_t now);
/* A ban came: what is banned leaves the tables. It cannot be asked, so nothing else would find it
 * gone. */
void kith_swarm_drop_banned(struct kith_swarm *swarm, uint64_t now);
/* The node, known by its session, is to blame for something that nobody else can have done. */
void kith_swarm_blame(const struct kith_swarm *swarm, const struct kith_node_ref *node,
                      enum kith_book_outcome what, uint64_t now);

/* How a request is to be treated. */
enum {
    KITH_ASK_ONCE =
        1u << 0, /* do not repeat it; so one lost datagram says nothing about the node */
    KITH_ASK_QUIET = 1u << 1,   /* its failure says nothing about the node */
    KITH_ASK_FRESH = 1u << 2,   /* in an initiation, whether there is a session or not */
    KITH_ASK_ROUTER = 1u << 3,  /* it does not enter the table, whatever it answers */
    KITH_ASK_THRIFTY = 1u << 4, /* no room for the answer where there is no session yet: it comes in
                                   a second one, and who is gone costs little; whom only others
                                   know, and who failed last, is asked once, unless datagrams get
                                   lost */
    KITH_ASK_HEDGED = 1u << 5,  /* LATE is told */
};

/* Whether it is known enough to be asked, in this swarm: by key, where there are sessions. */
bool kith_swarm_can_ask(const struct kith_swarm *swarm, const struct kith_node_ref *node);
/* Whether it was asked in vain at this endpoint within the last minute. Upkeep does not ask it
 * again so soon: others go on naming whoever is gone for a while. */
bool kith_swarm_was_silent(const struct kith_swarm *swarm, const struct kith_node_ref *node,
                           uint64_t now);
void kith_swarm_note_silence(struct kith_swarm *swarm, const struct kith_node_ref *node,
                             uint64_t now);
/* Our own network was at fault: what was sent before `now` says nothing of anybody. */
void kith_swarm_forget_silences(struct kith_swarm *swarm, uint64_t now);
/* Whether it is in a table, at this endpoint, and its last answer is no older than that. */
bool kith_swarm_heard(const struct kith_swarm *swarm, const struct kith_node_ref *node,
                      uint64_t within_ns, uint64_t now);
/* Its round-trip time, if it is in a table at this endpoint; 0: unknown. */
uint32_t kith_swarm_rtt_us(const struct kith_swarm *swarm, const struct kith_node_ref *node);
/* How long a node that answers stays, on average, going by those in the tables. */
uint64_t kith_swarm_stay_ns(const struct kith_swarm *swarm);
/* Asks a node that can be asked and is not banned. `fn` (may be NULL) is never called from inside
 * this call.
 * -> KITH_EFULL, KITH_ENOMEM, KITH_EINVALID, KITH_ETOO_LARGE, KITH_EREFUSED */
KITH_MUST_CHECK int kith_swarm_ask(struct kith_swarm *swarm, const struct kith_node_ref *node,
                                   const struct kith_request *request, unsigned flags,
                                   kith_rpc_fn fn, void *context, uint64_t now,
                                   struct kith_rpc **ret);

/* Answers the request of this delivery. `response` NULL: with `failure`. */
void kith_swarm_answer(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                       const struct kith_txn *txn, const struct kith_response *response,
                       const struct kith_wire_failure *failure, uint64_t now);

/* The table of a family, or NULL. */
struct kith_routing *kith_swarm_table(const struct kith_swarm *swarm, uint8_t family);
/* Up to `n` live entries of both tables nearest to `target`, nearest first. Returns their number.
 */
size_t kith_swarm_closest(const struct kith_swarm *swarm, const struct kith_point *target, size_t n,
                          const struct kith_entry **out);
struct kith_entry *kith_swarm_find(const struct kith_swarm *swarm, const struct kith_point *id);
size_t kith_swarm_count_live(const struct kith_swarm *swarm);
/* A walk to the end found the nodes around its target as dense as in a network of this size. */
void kith_swarm_note_density(struct kith_swarm *swarm, uint64_t nodes);
/* Nodes in the network; 0: too few to say. The median of what the last walks met and of what our
 * own neighbourhood says: whoever grinds ids makes one place dense, not half of all places. */
uint64_t kith_swarm_size(const struct kith_swarm *swarm);
/* The distance within which the region around a point ends: where three quarters of k nodes are to
 * be expected. Zero: not known. */
void kith_swarm_reach(const struct kith_swarm *swarm, struct kith_point *ret);
/* Whether `n` nodes in such a region are too few or too many to be all there are, and no others. In
 * an honest network one region in ten. */
bool kith_swarm_looks_wrong(const struct kith_swarm *swarm, unsigned n);
/* How dense a place is where nodes lie as if the network had `nodes`: 1, as is to be expected; 0:
 * not known. Of the 20 nearest to a point in an honest network chance makes less than 0.9 in
 * nearly every second case, less than 0.6 in one of ten, more than twice that in one of 300. */
double kith_swarm_density(const struct kith_swarm *swarm, uint64_t nodes);
/* A request with the families that we can use filled in. */
struct kith_request kith_swarm_request(const struct kith_swarm *swarm, enum kith_method method);

#endif
