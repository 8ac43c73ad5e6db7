/* SPDX-License-Identifier: MIT */
/*
 * op: a running question of the application, or of the node itself (joining, republishing).
 *
 * Each kind has a begin function (op_get.c, op_put.c, op_find.c, op_peer.c) that starts a walk or a
 * request and ends with kith_op_finish(). An op may go on in the background after that (a put that
 * reached its quorum) until kith_op_end(). Everything a lookup engine needs of its node is in
 * struct kith_ops; ops know nothing of serving or joining.
 */
#ifndef KITH_CORE_OP_H
#define KITH_CORE_OP_H

#include "core/lookup/events.h"
#include "core/lookup/own.h"
#include "core/lookup/paths.h"
#include "core/lookup/walk.h"
#include "core/store/store.h"
#include "core/swarm/local.h"
#include "core/swarm/swarm.h"

enum {
    KITH_OP_TIMEOUT_S = 30,
    KITH_OP_PROGRESS_MS = 100, /* between two progress events of an op */
    KITH_OP_TARGETS_MAX = 80,  /* nodes a put stores on: the region's and stale holders */
    KITH_FIND_MAX = 256,       /* peers one find reports */
    KITH_FIND_HELD_MAX = 32,   /* announcements held back: 40 KB, where anybody exceeds his share */
    KITH_OP_SOURCES = 3,       /* that it takes to end a find or a search for peers */
    KITH_PEERS_MAX = 1000,     /* peers of an info-hash that one query reports */
    KITH_PING_MAX = 1000,
    KITH_JOIN_WAIT_S = 10,              /* an op waits so long for a first live contact */
    KITH_RECORD_LIFETIME_S = 24 * 3600, /* granted to records of others */
};

struct kith_op;

struct kith_ops {
    struct kith_env *env;
    struct kith_swarm *swarm;       /* kith's own */
    struct kith_swarm *mainline[2]; /* IPv4, IPv6; NULL: off */
    struct kith_store *store;
    struct kith_sessions *sessions;
    struct kith_events *events;
    struct kith_own *own;
    struct kith_locals *locals;
    struct kith_list running; /* oldest first */
    uint32_t n;               /* of the application */
    uint32_t n_max;
    uint32_t n_waiting; /* for a first live contact */
    uint64_t next_id;
    bool is_private; /* a network with a secret: nothing goes into Mainline unasked */
    /* Of the node: in which swarms (KITH_SWARM_*) joining may still succeed, so that waiting for a
     * contact makes sense. */
    uint32_t (*may_join)(void *context, uint64_t now);
    /* What an announcement or peer record says of us. -> KITH_ENOT_FOUND: no endpoint is known yet
     */
    int (*describe)(void *context, struct kith_peer *ret);
    void *context;
};

/* An op's part in one swarm: Mainline's address families are swarms of their own (BEP 32). */
enum kith_leg_index { KITH_LEG_KITH, KITH_LEG_MAINLINE4, KITH_LEG_MAINLINE6, KITH_LEGS };

struct kith_leg;

/* One node that a put stores on. */
struct kith_target {
    struct kith_leg *leg;
    struct kith_rpc *rpc;
    bool has_same; /* it was seen holding what is to be stored, or that seq at least */
};

struct kith_leg {
    struct kith_op *op;
    struct kith_swarm *swarm; /* NULL: the op has no part in this one */
    struct kith_point point;  /* where it looks or stores */
    bool started;             /* `walk` is to be deinitialized */
    bool running;             /* the walk, or one of the paths */
    bool gave_best;           /* the newest record came from here */
    double density;           /* that the walk to `point` met, kith_swarm_density() */
    struct kith_walk walk;
    struct kith_paths *paths;                            /* NULL: the walk was enough so far */
    void (*on_over)(struct kith_leg *leg, uint64_t now); /* nothing is left to ask here */
    /* Of a put. */
    bool well_held; /* nothing needs to be sent: enough nodes have it */
    uint32_t asked; /* the first ones; targets beyond are holders of older records and late finds */
    uint32_t acks;
    uint32_t quorum;
    uint32_t n_targets;
    struct kith_target targets[KITH_OP_TARGETS_MAX];
};

struct kith_op {
    struct kith_list all;
    struct kith_ops *ops;
    uint64_t id;
    bool internal; /* the node's own: no events */
    bool told;     /* DONE was reported; working in the background */
    bool waiting;  /* for a first live contact */
    bool hasty;    /* its walks do not await slow nodes */
    bool region;   /* its walks see to all nodes as near as the k nearest should be */
    enum kith_query_kind kind;
    uint32_t flags;
    struct kith_query query; /* pointers in it lead into `value`, `record`, `protocol` below */
    uint64_t started;
    struct kith_timer deadline;
    struct kith_timer again; /* ping: next round; watch: next look; who: ask again */
    uint64_t last_progress;
    struct kith_event_box *done; /* allocated at the start */
    struct kith_result result;   /* what DONE will say */
    struct kith_leg legs[KITH_LEGS];
    struct kith_rpc *direct;   /* a question outside the walk */
    uint32_t direct_source;    /* KITH_SOURCE_*: who told us of the peer asked directly */
    uint32_t extra_messages;   /* sent outside the walk */
    uint32_t extra_answered;   /* of those */
    struct kith_node_ref peer; /* ping, talk, lookup: the peer, once resolved */
    bool has_peer;
    struct kith_point point;
    uint8_t salt_size;
    uint8_t salt[KITH_SALT_MAX];
    bool has_best;
    struct kith_record best; /* newest valid record; put: the one to publish */
    uint64_t expires;    /* put: a repair, for what is left until then; 0: it is the publisher's */
    int64_t newest_seen; /* put: newest seq of a valid record met on the way, -1 none */
    uint32_t stage;      /* of the op's own machine */
    uint32_t n_resolved;
    uint32_t n_conflicts;
    uint32_t n_cas;
    uint32_t n_seen; /* find: distinct keys reported; peers: endpoints */
    struct kith_key *seen;
    struct kith_endpoint *seen_endpoints;
    uint64_t *seen_from;              /* who told of each of them, kith_op_source() */
    uint32_t n_held;                  /* beyond their source's share, for when the walk is over */
    struct kith_record *held_records; /* find: KITH_FIND_HELD_MAX */
    struct kith_endpoint *held_endpoints; /* peers: as many as `seen_endpoints` */
    uint32_t n_sources;
    uint64_t sources[KITH_OP_SOURCES]; /* that knew anything, the first */
    uint8_t *filters;                  /* peers: two of KITH_BLOOM_SIZE, seeds and downloaders */
    uint32_t rounds;                   /* ping */
    uint32_t lost;
    uint8_t *value;
    struct kith_record *record;
    char protocol[KITH_PROTOCOL_NAME_MAX + 1];
    void (*on_end)(struct kith_op *op, int status, uint64_t now, void *context); /* internal ops */
    void *on_end_context;
};

/* ---- for the kinds ---- */

/* The contact of a ping or talk is known now. */
void kith_op_peer_resolved(struct kith_op *op, uint64_t now);
void kith_op_begin_get(struct kith_op *op, uint64_t now);     /* get, lookup, watch, trace */
void kith_op_begin_put(struct kith_op *op, uint64_t now);     /* put, announce */
void kith_op_begin_find(struct kith_op *op, uint64_t now);    /* find */
void kith_op_begin_peer(struct kith_op *op, uint64_t now);    /* ping, talk */
void kith_op_begin_torrent(struct kith_op *op, uint64_t now); /* peers, announce peer, sample */
/* An answer to a who: ops that wait for the key of this endpoint go on. */
void kith_op_peer_key(struct kith_op *op, const struct kith_key *key,
                      const struct kith_endpoint *endpoint, uint64_t now);

/* The same for the peer that it looks for, which answers on the local network now. */
void kith_op_local(struct kith_op *op, const struct kith_local *local, uint64_t now);

/* The limits of each kind, so that later stages need not check. -> KITH_EINVALID, KITH_ETOO_LARGE
 */
KITH_MUST_CHECK int kith_query_check(const struct kith_query *query);
/* The swarms of a query that was checked. A point names a place in one id space only. */
uint32_t kith_query_swarms(const struct kith_query *query, bool is_private);

/* How an op takes part in its walks; `context` of a walk is its leg. `on_over`: nothing is left to
 * ask in this leg. */
struct kith_walk_hooks {
    bool (*on_answer)(struct kith_walk *, struct kith_candidate *, const struct kith_response *,
                      uint64_t);
    void (*on_over)(struct kith_leg *leg, uint64_t now);
};

/* Whether the op has a part in Mainline. */
bool kith_op_in_mainline(const struct kith_op *op);
/* Starts a walk of one leg to `target`; false: nobody to ask. */
KITH_MUST_CHECK bool kith_op_walk(struct kith_leg *leg, enum kith_method method,
                                  const struct kith_point *target,
                                  const struct kith_walk_hooks *hooks, uint64_t now);
/* Starts walks of all legs of the op, each to its point. False: nobody to ask anywhere. */
KITH_MUST_CHECK bool kith_op_walk_all(struct kith_op *op, enum kith_method method,
                                      const struct kith_walk_hooks *hooks, uint64_t now);
/* The nodes that the leg's walk has asked will not be asked again by its paths; kith_op_widen()
 * sees to that itself, unless another walk of the leg comes between. Without memory there will be
 * no paths. */
void kith_op_note_asked(struct kith_leg *leg);
/* Starts the next round of paths (core/lookup/paths.h) of a leg whose walk, or last round, is over.
 * They ask what a walk of this method and target would; `hooks` are called as for a walk, on_over
 * once for the round. Calls nobody back from inside; false: there are no more rounds, or nobody is
 * left to ask. */
KITH_MUST_CHECK bool kith_op_widen(struct kith_leg *leg, enum kith_method method,
                                   const struct kith_point *target,
                                   const struct kith_walk_hooks *hooks, uint64_t now);
/* Whether the leg's walk met as many nodes as there should be, and the last round of paths nobody
 * else there: then nothing says that the walk was led astray. `strictly`: for what is lost if it
 * was. */
bool kith_leg_convinces(const struct kith_leg *leg, bool strictly);
/* The leg's walk (0) and those of its last round of paths (from 1), to read; NULL: no more. */
const struct kith_walk *kith_leg_walk(const struct kith_leg *leg, unsigned i);
/* The neighbourhood that counts for an answer of this node in this leg; 0: exempt. */
uint64_t kith_op_source(const struct kith_leg *leg, const struct kith_node_ref *node);
/* Whether it has its share of what the op collects. */
bool kith_op_source_full(const struct kith_op *op, uint64_t source);
/* It knew something: counted once, where exempt each time, up to KITH_OP_SOURCES. */
void kith_op_note_source(struct kith_op *op, uint64_t source);
/* Ends what runs in this leg, silently. */
void kith_leg_stop(struct kith_leg *leg);
/* Adds what all walks of the leg counted; how deep they went is that of its first. */
void kith_leg_stats(const struct kith_leg *leg, struct kith_walk_stats *ret);
/* Ends and frees all walks of the leg. */
void kith_leg_deinit_walks(struct kith_leg *leg);
/* Whether a walk of the op still runs. */
bool kith_op_walking(const struct kith_op *op);
void kith_op_stop_walks(struct kith_op *op);
/* The nodes that can be asked directly are those of this swarm. */
struct kith_swarm *kith_op_swarm_of(const struct kith_op *op, const struct kith_endpoint *endpoint);
/* For walks of ops that are traced. */
void kith_op_report_hop(struct kith_walk *walk, const struct kith_hop *hop, uint64_t now);
/* Reports progress if it is due. */
void kith_op_progress(struct kith_op *op, uint64_t now);
/* Reports a record (and the peer it describes, or NULL). */
void kith_op_report_record(struct kith_op *op, const struct kith_record *record,
                           const struct kith_peer *peer, uint32_t source, uint64_t now);
/* Reports one round trip; status 0 or KITH_ETIMEOUT. */
void kith_op_report_pong(struct kith_op *op, uint32_t index, int status, uint64_t rtt_ns,
                         uint64_t now);
/* Reports a peer of an info-hash. */
void kith_op_report_peer(struct kith_op *op, const struct kith_endpoint *peer, uint64_t now);
/* Reports the info-hashes that one node told. */
void kith_op_report_sample(struct kith_op *op, const struct kith_endpoint *from,
                           const struct kith_response *response, uint64_t now);
/* A leg whose walk is over sends a write to the k nearest and the rest of the region. `request`
 * without its token. */
void kith_op_store(struct kith_leg *leg, const struct kith_request *request, uint64_t now);
/* All legs have sent theirs: the op ends when enough of them are acknowledged. */
void kith_op_stored(struct kith_op *op, uint64_t now);
/* Something valid was found. The time that the first such thing took is kept; what was at hand took
 * 1 ns, since 0 says that nothing was found. */
void kith_op_note_answer(struct kith_op *op, uint64_t now);
/* Copies what the walk counted into the op's result. */
void kith_op_collect(struct kith_op *op, uint64_t now);
/* Reports DONE once. `more`: the op goes on in the background and calls kith_op_end() itself;
 * otherwise the op is freed here and must not be touched. */
void kith_op_finish(struct kith_op *op, int status, bool more, uint64_t now);
void kith_op_end(struct kith_op *op);
/* Takes a record if it is valid, belongs at the leg's point and wins over the best so far. The salt
 * of a record that came without is the op's. `from` is who gave it, NULL: ourselves. Returns 1 if
 * taken, 0 if valid but not newer, negative if invalid (counted, and its giver blamed). */
int kith_op_take_record(struct kith_leg *leg, const struct kith_record_view *view,
                        const struct kith_node_ref *from, uint64_t now);
/* A record from `from` (NULL: ourselves) that does not verify, or belongs elsewhere. */
void kith_op_bad_record(const struct kith_op *op, const struct kith_node_ref *from, uint64_t now);

/* ---- for the node ---- */

void kith_ops_init(struct kith_ops *ops);
void kith_ops_deinit(struct kith_ops *ops);
/* -> see kith_core_start() */
KITH_MUST_CHECK int kith_ops_start(struct kith_ops *ops, const struct kith_query *query,
                                   uint64_t now, uint64_t *ret_op);
/* An op of the node itself, in one swarm only if `only` is not NULL; `on_end` may be NULL. */
KITH_MUST_CHECK int kith_ops_start_internal(struct kith_ops *ops, const struct kith_swarm *only,
                                            const struct kith_query *query,
                                            void (*on_end)(struct kith_op *, int, uint64_t, void *),
                                            void *context, uint64_t now);
/* An op of the node itself that puts a record of somebody else again, in kith's own swarm, for what
 * is left of its life. */
KITH_MUST_CHECK int kith_ops_start_repair(struct kith_ops *ops, const struct kith_record *record,
                                          uint64_t expires,
                                          void (*on_end)(struct kith_op *, int, uint64_t, void *),
                                          void *context, uint64_t now);
void kith_ops_cancel(struct kith_ops *ops, uint64_t id, uint64_t now);
/* A live contact exists, or none can be hoped for any more: those of the waiting ops begin that it
 * concerns. */
void kith_ops_wake(struct kith_ops *ops, uint64_t now);
void kith_ops_peer_key(struct kith_ops *ops, const struct kith_key *key,
                       const struct kith_endpoint *endpoint, uint64_t now);
/* A peer of the local network is there now: ops that look for it ask it. */
void kith_ops_local(struct kith_ops *ops, const struct kith_local *local, uint64_t now);

#endif
