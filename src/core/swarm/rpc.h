/* SPDX-License-Identifier: MIT */
/*
 * rpc: requests in flight of one swarm: matching of answers, soft timeouts, repeats.
 *
 * A request lives through up to four moments: LATE (most answers would be there: where `hedged`,
 * whoever waits may ask another one as well), SLOW (its soft timeout passed: he should turn to
 * others), STALE (nobody should wait any longer) and TIMEOUT (forgotten). From SLOW on it
 * is sent again, a soft timeout apart, as fresh initiations, since the session may be lost at the
 * other end: as often as is worth it where so much is lost as lately (kith_rpcs_sendings()). An
 * answer may come at any moment before the last and still counts. The table is bounded. Where the
 * swarm's budget has no room, the first sending waits its turn.
 */
#ifndef KITH_CORE_RPC_H
#define KITH_CORE_RPC_H

#include "core/wire/dialect.h"
#include "core/wire/env.h"
#include "core/wire/message.h"
#include "util/hash.h"
#include "util/list.h"

enum {
    KITH_RPC_MAX = 4096, /* in flight per swarm */
    KITH_RPC_SENDINGS_MAX = 8,
};

enum kith_rpc_outcome {
    KITH_RPC_RESPONSE = 1, /* `response`; final */
    KITH_RPC_ERROR,        /* `failure`; final */
    KITH_RPC_LATE,         /* only where `hedged` */
    KITH_RPC_SLOW,
    KITH_RPC_STALE,
    KITH_RPC_TIMEOUT, /* final */
};

struct kith_rpc;

struct kith_rpc_event {
    enum kith_rpc_outcome outcome;
    const struct kith_response *response;
    const struct kith_wire_failure *failure;
    uint8_t sending; /* that is being answered, from 0; where all are alike it is a guess */
    bool elsewhere;  /* it came from another endpoint than was asked: says nothing about that one */
    uint64_t session; /* the answer came in */
    uint64_t rtt_ns;  /* since the sending that is being answered */
    uint64_t now;
};

/* After a final outcome the rpc is freed; it must not be touched after the call. */
typedef void (*kith_rpc_fn)(struct kith_rpc *rpc, const struct kith_rpc_event *event,
                            void *context);

struct kith_rpc {
    struct kith_hash_node by_txn;
    struct kith_list all;
    struct kith_timer timer;
    struct kith_rpcs *owner;
    struct kith_node_ref node;
    enum kith_method method;
    uint32_t txn;
    uint8_t attempts; /* sendings so far; 0: waits for its turn */
    bool once;        /* never repeated */
    bool hedged;      /* LATE is still to be told */
    bool proving;     /* sent again because our address was not proven there */
    bool stale;
    bool fresh;  /* none of its sendings relied on a session */
    bool router; /* to whom nobody is to be sent: its answer does not bring it into a table */
    bool quiet;  /* a failure says nothing about the node: leave the tables alone */
    uint64_t first_sent;
    uint32_t sent_us[KITH_RPC_SENDINGS_MAX]; /* each, after the first */
    uint64_t late_ns;
    uint64_t soft_ns;
    size_t answer_hope;
    kith_rpc_fn fn; /* NULL: nobody waits */
    void *context;
    uint16_t size;
    uint8_t payload[]; /* the encoded request, for repeats */
};

/* Smoothed round-trip time over all peers of a swarm: how far apart they are, rather than how one
 * path varies (Jacobson 1988), so it remembers more samples. */
struct kith_rtt {
    unsigned n;       /* samples, up to as many as it remembers */
    uint64_t mean_ns; /* 0: no sample yet */
    uint64_t deviation_ns;
};

struct kith_rpcs {
    struct kith_env *env;
    struct kith_hash table;
    struct kith_list all; /* oldest first */
    uint32_t n;
    struct kith_rtt rtt;
    const struct kith_dialect *dialect; /* how often to send, when to call a node slow */
    uint32_t repeats_ppm; /* of the answers, those to another sending than the first: smoothed */
    uint64_t hash_key;
    /* Puts the payload on the wire; `fresh`: the session may be lost. */
    void (*transmit)(void *context, struct kith_rpc *rpc, bool fresh, uint64_t now);
    /* The last moment of every request, whoever waited for it. */
    void (*finished)(void *context, struct kith_rpc *rpc, const struct kith_rpc_event *event);
    void *context;
};

void kith_rpcs_init(struct kith_rpcs *rpcs, struct kith_env *env,
                    const struct kith_dialect *dialect);
/* Drops all requests without calling anyone. */
void kith_rpcs_deinit(struct kith_rpcs *rpcs);

struct kith_rpc_start {
    const struct kith_node_ref *node;
    enum kith_method method;
    uint32_t txn; /* kith_rpcs_new_txn() */
    struct kith_span payload;
    size_t answer_hope;
    uint32_t peer_rtt_us; /* 0: unknown */
    uint64_t delay_ns;    /* until it may be sent */
    bool once;            /* do not repeat */
    bool hedged;          /* tell LATE */
    bool quiet;
    bool router;
    bool fresh; /* the first sending, too, opens a session of its own */
    kith_rpc_fn fn;
    void *context;
};

/* A transaction id that is not in use; its first sending's, where sendings are told apart. */
uint32_t kith_rpcs_new_txn(struct kith_rpcs *rpcs);
/* Sends and remembers. -> KITH_EFULL, KITH_ENOMEM */
KITH_MUST_CHECK int kith_rpcs_start(struct kith_rpcs *rpcs, const struct kith_rpc_start *start,
                                    uint64_t now, struct kith_rpc **ret);
/* The request of this id, or NULL, and which sending of it. The caller checks that the answer came
 * from whom it was sent to. */
struct kith_rpc *kith_rpcs_find(struct kith_rpcs *rpcs, const struct kith_txn *txn,
                                uint8_t *ret_sending);
/* Delivers a final outcome and frees the request. */
void kith_rpcs_finish(struct kith_rpcs *rpcs, struct kith_rpc *rpc, struct kith_rpc_event *event);
/* Nobody waits any more; the answer still feeds the tables. */
void kith_rpc_detach(struct kith_rpc *rpc);
/* How often a request is sent before its receiver is given up: between the dialect's bounds, as
 * often as it takes for all but a hundredth of those who are there to be heard, going by how many
 * of the last answers came to a repeat. */
unsigned kith_rpcs_sendings(const struct kith_rpcs *rpcs);
/* Whether so few answers came to a repeat that silence after one sending rather means that nobody
 * is there. */
bool kith_rpcs_hears(const struct kith_rpcs *rpcs);
/* How long to wait for a peer before turning to others; its own round-trip time, 0: unknown. */
uint64_t kith_rpcs_soft_timeout(const struct kith_rpcs *rpcs, uint32_t peer_rtt_us);
/* How long before another one is asked beside it; not less than most would take to answer. */
uint64_t kith_rpcs_late_timeout(const struct kith_rpcs *rpcs, uint32_t peer_rtt_us);

#endif
