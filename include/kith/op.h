/* SPDX-License-Identifier: MIT */
/*
 * kith/op.h: what can be asked of a node, and what comes back.
 *
 * Every question is one `struct kith_query`; every answer is a series of `struct kith_result`, the
 * last of kind KITH_RESULT_DONE. Pointers inside a result are valid until the callback returns.
 * Times are nanoseconds. An op is named by a number that is never reused within a node.
 */
#ifndef KITH_OP_H
#define KITH_OP_H

#include "kith/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum kith_query_kind {
    KITH_QUERY_LOOKUP = 1, /* `key`: the peer's endpoints and capabilities */
    KITH_QUERY_GET,        /* `key` and `salt`, or `point` (immutable value) */
    KITH_QUERY_PUT,        /* `value` and `salt`, signed here; or `record`, signed elsewhere */
    KITH_QUERY_ANNOUNCE,   /* `point`: announce this node under the topic, and keep doing so */
    KITH_QUERY_UNANNOUNCE, /* `point`: stop announcing; finishes at once */
    KITH_QUERY_FIND,       /* `point`: up to `n` peers announced under the topic */
    KITH_QUERY_PING,       /* `contact` or `key`: `n` round trips; in Mainline `contact` only */
    KITH_QUERY_TRACE,      /* `key` or `point`: full walk with a KITH_RESULT_HOP for each answer; in
                              Mainline towards the record of `key` and `salt` */
    KITH_QUERY_WATCH,      /* `key` and `salt`: a KITH_RESULT_RECORD for each newer record, until
                              canceled */
    KITH_QUERY_TALK,       /* `contact` or `key`, `protocol`, `value`: one message, one answer */
    /* The public swarm in its own terms; `point` holds 20 bytes, an info-hash, and zeros. */
    KITH_QUERY_PEERS,         /* up to `n` peers announced under the info-hash */
    KITH_QUERY_ANNOUNCE_PEER, /* announce this host under it, once; `port` 0: the node's own */
    KITH_QUERY_SAMPLE,        /* info-hashes that nodes near the point (none: anywhere) know */
};

/* Where to ask or store. 0 in a query means: LOOKUP, GET, WATCH everywhere, all else in kith's own.
 * What names Mainline while it is off (see kith_options) ends as KITH_EUNSUPPORTED. A put in both
 * that found nobody to store on in one of them ends as KITH_EQUORUM. Topics and talk
 * are of kith's own swarm only (KITH_EINVALID). */
enum {
    KITH_SWARM_KITH = 1u << 0,
    KITH_SWARM_MAINLINE = 1u << 1,
};

enum {
    KITH_FLAG_NEWEST = 1u << 0,     /* get: walk to the end, return the newest */
    KITH_FLAG_HAS_SEQ = 1u << 1,    /* put: use `seq` instead of choosing one */
    KITH_FLAG_HAS_CAS = 1u << 2,    /* put: only if the seq held is `cas` */
    KITH_FLAG_IMMUTABLE = 1u << 3,  /* put: an immutable value */
    KITH_FLAG_HAS_KEY = 1u << 4,    /* `key` is set */
    KITH_FLAG_HAS_POINT = 1u << 5,  /* `point` is set */
    KITH_FLAG_HAS_RECORD = 1u << 6, /* put: publish `record` as it is */
    KITH_FLAG_TRACE = 1u << 7,      /* report every hop as KITH_RESULT_HOP */
    KITH_FLAG_FORGET = 1u << 8,     /* put: do not keep and republish the record */
};

/* Everything is copied when the query starts. Zero means default. */
struct kith_query {
    enum kith_query_kind kind;
    uint32_t flags;
    uint32_t swarms; /* KITH_SWARM_*, or 0 */
    struct kith_key key;
    struct kith_point
        point; /* in Mainline: 20 bytes (a BEP 44 target or an info-hash), then zeros */
    struct kith_contact contact; /* family 0: none */
    uint16_t port;               /* announce a peer */
    uint8_t salt_size;
    uint8_t salt[KITH_SALT_MAX];
    int64_t seq;
    int64_t cas;
    const uint8_t *value; /* put: one bencoded value; talk: bytes */
    size_t value_size;
    const struct kith_record *record;
    const char *protocol; /* talk */
    uint32_t n;           /* ping, find, peers: at most 1000, 256, 1000; 0: one ping, all peers */
    uint64_t timeout_ns;  /* 0: 30 s; not for a watch */
};

enum {
    KITH_SOURCE_STORE = 1u << 0, /* held by this node */
    KITH_SOURCE_LAN = 1u << 1,
    KITH_SOURCE_BOOK = 1u << 2, /* known contact: routing table or address book */
    KITH_SOURCE_KITH = 1u << 3,
    KITH_SOURCE_MAINLINE = 1u << 4,
};

enum kith_hop_outcome {
    KITH_HOP_ASKED = 1,
    KITH_HOP_ANSWERED,
    KITH_HOP_SLOW,   /* soft timeout: its slot went to another */
    KITH_HOP_FAILED, /* given up */
};

/* One event of a walk. */
struct kith_hop {
    enum kith_hop_outcome outcome;
    struct kith_contact contact;
    uint16_t distance_bits; /* bit length of (node id XOR target): 256 = far side, 0 = the target */
    uint8_t depth;          /* 1 = known from the start */
    uint8_t n_contacts;     /* contacts in its answer */
    bool has_record;
    uint64_t rtt_ns;
    uint64_t at_ns; /* since the op started */
};

/* How a walk went, or is going. */
struct kith_walk_stats {
    uint32_t candidates;
    uint32_t messages; /* requests sent, repeats included */
    uint32_t answered;
    uint32_t timeouts;
    uint32_t in_flight;
    uint32_t hops;          /* depth of the node that gave the answer, or of the closest answered */
    uint16_t distance_bits; /* of the closest answered */
    uint64_t first_ns;      /* op start to first valid record; 0: none */
    uint64_t total_ns;      /* op start to now */
};

enum kith_result_kind {
    KITH_RESULT_PROGRESS = 1, /* `walk` */
    KITH_RESULT_HOP,          /* `hop`, `walk` */
    KITH_RESULT_RECORD,       /* `record` (and `peer`), `sources`: a valid record, or a newer one */
    KITH_RESULT_PEER,         /* `contact`: a peer of the info-hash */
    KITH_RESULT_SAMPLE, /* `bytes`: info-hashes, 20 bytes each; `found`: that node knows in all */
    KITH_RESULT_PONG,   /* `rtt_ns`, `contact`, `index` of n; status KITH_ETIMEOUT: lost */
    KITH_RESULT_DONE,   /* `status`, and what the op's kind promises */
};

struct kith_result {
    enum kith_result_kind kind;
    int status; /* 0 or enum kith_error */
    uint64_t op;
    enum kith_query_kind query;
    struct kith_walk_stats walk;
    const struct kith_hop *hop;
    const struct kith_record *record; /* get, find, watch, put (as published) */
    const struct kith_peer *peer;     /* lookup, find */
    struct kith_contact contact; /* ping, talk: who answered; lookup: where it was found directly */
    struct kith_point point;     /* get, put, announce, find */
    int64_t seq;                 /* put: published; OUTDATED/CAS_MISMATCH: the seq that is held */
    uint32_t sources;            /* KITH_SOURCE_* that gave an answer */
    uint32_t acks;               /* put, announce: nodes that stored it */
    uint32_t asked;              /* put, announce: nodes asked to */
    uint32_t quorum;             /* put, announce: acks needed */
    struct kith_point target;    /* put, get: in Mainline, where `sources` names it */
    uint32_t mainline_acks;      /* put in both swarms: of the public one */
    uint32_t mainline_asked;
    uint32_t mainline_quorum;
    double scrape_seeds; /* peers: seeds and downloaders, estimated (BEP 33); 0: unknown */
    double scrape_peers;
    uint32_t holders;     /* get: nodes seen holding the returned seq */
    uint32_t found;       /* find: peers reported */
    uint32_t index;       /* ping: 0-based number of the round trip */
    uint64_t rtt_ns;      /* ping */
    const uint8_t *bytes; /* talk: the answer */
    size_t bytes_size;
    const char *text; /* what was wrong, where a text helps; NULL otherwise */
};

#ifdef __cplusplus
}
#endif
#endif
