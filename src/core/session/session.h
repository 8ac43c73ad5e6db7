/* SPDX-License-Identifier: MIT */
/*
 * session: authenticated, encrypted channels to peers, one round trip to open (docs/protocol.md,
 * "Sessions"). Types 0x01..0x06. Knows nothing of what the messages mean.
 *
 * Receiving: kith_sessions_receive() turns a datagram into at most one delivery. A request that
 * came in an initiation must be answered, if at all, by kith_sessions_answer() before the next
 * call; an initiation without a request is answered here and not delivered.
 *
 * Sending: kith_sessions_send() uses the peer's session, or starts one and lets the message ride on
 * the initiation when it may (`early`), or holds it until the peer answered.
 *
 * The table is bounded; eviction order: half-open, then idle longest, then pinned (routing-table)
 * peers; a share per address prefix. Nothing is allocated for an established session's traffic.
 * Lost handshakes are not repeated here: the request layer above repeats its request with `fresh`.
 */
#ifndef KITH_CORE_SESSION_H
#define KITH_CORE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/identity.h"
#include "core/base/random.h"
#include "core/wire/outbox.h"
#include "kith/info.h"
#include "util/span.h"
#include "util/timer.h"

enum {
    KITH_SESSION_DATA_OVERHEAD = 16 + 16, /* header and tag of a 0x04 datagram */
    KITH_SESSION_INIT_OVERHEAD =
        8 + 96 + 32 + 2 + 32, /* header, Noise message 1, key and length in its payload, macs */
    KITH_SESSION_RESP_OVERHEAD = 12 + 48 + 32, /* header, Noise message 2, macs */
    KITH_SESSION_QUEUE_MAX = 8,                /* messages held for a handshake */
    KITH_SESSION_IDLE_S = 240,                 /* an idle session is dropped after this */
    KITH_SESSION_HANDSHAKE_S = 5, /* a handshake without answer is dropped after this */
    KITH_SESSION_REKEY_S = 7200,
};

struct kith_sessions; /* opaque */

struct kith_sessions_config {
    const struct kith_identity *identity; /* borrowed, outlives the table */
    const struct kith_curve *curve;
    const struct kith_random *random; /* borrowed */
    struct kith_outbox *outbox;       /* borrowed */
    struct kith_timers *timers;       /* borrowed */
    struct kith_stats *stats;         /* borrowed */
    uint8_t *payload;              /* KITH_DATAGRAM_MAX bytes for that of a delivery, borrowed: all
                                      sessions of a thread may share them; NULL: our own */
    const char *network;           /* copied into the prologue "kith/1 " || network */
    const uint8_t *network_secret; /* 32 bytes or NULL; copied */
    uint32_t sessions_max;
    uint32_t sessions_per_prefix;
    uint32_t handshakes_per_s; /* served; while they come faster than half of it, with a cookie
                                  only; UINT32_MAX: no limit */
    bool client; /* do not send the empty 0x04 that proves our address after a handshake */
    /* Whether a peer is in a routing table; NULL: none is. */
    bool (*is_pinned)(void *context, const struct kith_key *key);
    /* Whether to have nothing to do with who opens a session; NULL: with nobody. */
    bool (*is_banned)(void *context, const struct kith_key *key, uint64_t now);
    void *context;
};

KITH_MUST_CHECK int kith_sessions_new(struct kith_sessions **ret,
                                      const struct kith_sessions_config *config);
struct kith_sessions *kith_sessions_free(struct kith_sessions *sessions);

/* Names a session; 0 is none. Never dangling: a dropped session's reference finds nothing. */
typedef uint64_t kith_session_ref;

enum kith_delivery_kind {
    KITH_DELIVERY_NONE,       /* nothing for the layer above (dropped and counted, or internal) */
    KITH_DELIVERY_INITIATION, /* a request inside 0x01: reads only, answer once, do nothing else */
    KITH_DELIVERY_RESPONSE,   /* the answer inside 0x02; the peer's address is proven by it */
    KITH_DELIVERY_DATA,  /* a message of an established session; empty ones only if they confirm or
                            roam */
    KITH_DELIVERY_IAM,   /* the key behind an endpoint that kith_sessions_who() asked */
    KITH_DELIVERY_PLAIN, /* in the clear, of a dialect without sessions: only `from`, `payload`,
                            `allowance` and `answer_max` are set */
};

struct kith_delivery {
    enum kith_delivery_kind kind;
    kith_session_ref session;
    struct kith_key key; /* of the peer */
    struct kith_endpoint from;
    struct kith_span payload; /* may be empty; valid until the next call, of those that share it */
    /* The allowance of an answer: kind INITIATION is never proven. */
    struct kith_allowance allowance;
    size_t answer_max;  /* bytes of answer payload that fit the allowance and one datagram */
    bool confirmed_now; /* this message proved the address of a peer that had initiated: admit it */
    bool roamed; /* authenticated from a new endpoint: ping it through kith_sessions_probe() */
};

/* Types 0x01..0x06 only; others are dropped and counted. */
void kith_sessions_receive(struct kith_sessions *s, const struct kith_endpoint *from,
                           struct kith_span datagram, uint64_t now, struct kith_delivery *ret);

/* Answers the delivery just received (INITIATION: as 0x02; DATA: as 0x04 to where it came from).
 * The payload must be at most answer_max. -> KITH_ETOO_LARGE, KITH_ENOT_FOUND (session is gone),
 * KITH_EFULL (table), KITH_ENOMEM */
KITH_MUST_CHECK int kith_sessions_answer(struct kith_sessions *s,
                                         const struct kith_delivery *delivery,
                                         struct kith_span payload, uint64_t now);

struct kith_send {
    struct kith_key key;
    struct kith_endpoint to;
    struct kith_span payload;
    bool early;         /* a read: may ride on an initiation */
    bool fresh;         /* start over even if there is a session: it may be lost at the other end */
    size_t answer_hope; /* pad an initiation so that an answer payload of this size fits; 0: none */
};

/* Positive outcomes of kith_sessions_send(). */
enum { KITH_SENT_DATA = 1, KITH_SENT_INITIATION = 2, KITH_SENT_QUEUED = 3 };

/* Payload at most KITH_DATAGRAM_MAX - KITH_SESSION_DATA_OVERHEAD bytes; one that does not fit into
 * an initiation is held until the handshake is done. -> KITH_ETOO_LARGE, KITH_EFULL (table or
 * queue), KITH_EVERIFY (the key is no curve point), KITH_EINVALID (our own key, unusable endpoint),
 * KITH_ENOMEM */
KITH_MUST_CHECK int kith_sessions_send(struct kith_sessions *s, const struct kith_send *send,
                                       uint64_t now);

/* The peer did not answer at this endpoint: its sessions with us may be lost there. Messages start
 * over, as with `fresh`, until something is received in one of them. */
void kith_sessions_unheard(struct kith_sessions *s, const struct kith_key *key,
                           const struct kith_endpoint *at);

/* Sends over exactly this session to exactly this endpoint, which is unproven until it answers
 * (so: small messages). -> KITH_ENOT_FOUND */
KITH_MUST_CHECK int kith_sessions_probe(struct kith_sessions *s, kith_session_ref session,
                                        const struct kith_endpoint *to, struct kith_span payload,
                                        uint64_t now);
/* The probed endpoint answered: the session lives there now. */
void kith_sessions_move(struct kith_sessions *s, kith_session_ref session,
                        const struct kith_endpoint *to);

/* Asks an endpoint for its key (0x05). At most 64 at once, each forgotten after
 * KITH_SESSION_HANDSHAKE_S; asking again sends again. -> KITH_EFULL, KITH_EINVALID */
KITH_MUST_CHECK int kith_sessions_who(struct kith_sessions *s, const struct kith_endpoint *to,
                                      uint64_t now);

/* Whether an established session to this key exists (so that a message goes as cheap data). */
bool kith_sessions_has(const struct kith_sessions *s, const struct kith_key *key);
/* Whether to keep quiet after a handshake, see struct kith_sessions_config. */
void kith_sessions_set_client(struct kith_sessions *s, bool client);
/* A peer came into a routing table, and its sessions are evicted last from now on, or is in none
 * any more. */
void kith_sessions_pin(struct kith_sessions *s, const struct kith_key *key, bool pinned);
uint32_t kith_sessions_count(const struct kith_sessions *s);
int kith_sessions_each(const struct kith_sessions *s, uint64_t now,
                       int (*fn)(const struct kith_session_info *info, void *user), void *user);
/* The invariants; for tests and fuzzers. Returns NULL, or what is violated. */
const char *kith_sessions_check(const struct kith_sessions *s);

#endif
