/* SPDX-License-Identifier: MIT */
/*
 * message: what nodes say to each other, as typed structs, whatever the wire looks like.
 *
 * A dialect (core/wire/dialect.h) turns these into bytes and back. No msgpack or bencode type
 * leaves its codec file. Spans in a decoded message point into the datagram.
 */
#ifndef KITH_CORE_MESSAGE_H
#define KITH_CORE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/record/record.h"
#include "kith/types.h"
#include "util/span.h"

enum {
    KITH_MESSAGE_CONTACTS = 20,     /* of a family, unless fewer are asked for */
    KITH_MESSAGE_CONTACTS_MAX = 40, /* in one answer: k of each family */
    KITH_MESSAGE_RECORDS_MAX = 8,   /* announcements in one answer */
    KITH_MESSAGE_PEERS_MAX = 128,   /* Mainline: peers of an info-hash in one answer */
    KITH_TOKEN_MAX = 200,           /* Mainline: bytes of another's write token that we give back */
    KITH_BLOOM_SIZE = 256,          /* BEP 33 */
    KITH_TXN_MAX = 20,              /* bytes of a transaction id that we echo */
    KITH_TXN_SIZE = 4,              /* bytes of our own */
};

/* What we call our software on every wire: 'K', 'I', major, minor. */
#define KITH_SOFTWARE_VERSION "KI\0\1"

enum kith_method {
    KITH_METHOD_PING = 1,
    KITH_METHOD_FIND,
    KITH_METHOD_GET,
    KITH_METHOD_PUT,
    KITH_METHOD_TOPIC,
    KITH_METHOD_ANNOUNCE,
    KITH_METHOD_EXCHANGE,
    KITH_METHOD_REACH,
    KITH_METHOD_TALK,
    KITH_METHOD_ARRIVE, /* pushed only: a peer record that changed */
    /* Mainline only, whose other methods are PING, FIND, GET and PUT. */
    KITH_METHOD_PEERS,         /* get_peers */
    KITH_METHOD_ANNOUNCE_PEER, /* announce_peer */
    KITH_METHOD_SAMPLE,        /* sample_infohashes, BEP 51 */
};

/* Error codes on the wire: BEP 5, BEP 44, and kith's own from 310. */
enum kith_wire_error {
    KITH_WIRE_GENERIC = 201,
    KITH_WIRE_SERVER = 202,
    KITH_WIRE_PROTOCOL = 203,
    KITH_WIRE_METHOD_UNKNOWN = 204,
    KITH_WIRE_VALUE_TOO_LARGE = 205,
    KITH_WIRE_BAD_SIGNATURE = 206,
    KITH_WIRE_SALT_TOO_LARGE = 207,
    KITH_WIRE_CAS_MISMATCH = 301, /* carries the seq held */
    KITH_WIRE_SEQ_TOO_LOW = 302,  /* carries the seq held */
    KITH_WIRE_FULL = 310,         /* the store is full, or the sender's share of it */
    KITH_WIRE_UNPROVEN = 311,     /* a write needs a session with a proven address */
    KITH_WIRE_REFUSED = 312,      /* talk: no handler, or it declined */
    KITH_WIRE_TOO_OFTEN = 313,    /* exchange */
};

struct kith_txn {
    uint8_t size;
    uint8_t bytes[KITH_TXN_MAX];
};

/* A node as it travels in answers and lies in tables. */
struct kith_node_ref {
    struct kith_point id;
    struct kith_key key;
    bool has_key;
    bool any_id; /* Mainline: only the endpoint is known yet; `id` is zero */
    struct kith_endpoint endpoint;
};

struct kith_request {
    enum kith_method method;
    bool read_only; /* the sender is a client: do not put it into tables */
    bool want_v4;
    bool want_v6;
    bool has_seq;   /* get: only if newer; exchange: the answerer's own record likewise */
    bool has_cas;   /* put */
    uint8_t family; /* reach */
    uint32_t ttl_s; /* put: how long to hold it, at most; 0: as long as is granted */
    uint32_t n; /* arrive: to how many to pass it on; find, get, exchange: contacts wanted; topic:
                   announcements wanted */
    int64_t seq;
    int64_t cas;
    struct kith_point target;       /* find, get, topic, announce (the topic); Mainline: put */
    struct kith_record_view record; /* put, announce */
    struct kith_span known;         /* find, get: contacts to leave out (core/wire/known.h) */
    struct kith_span protocol;      /* talk */
    struct kith_span bytes;         /* talk; reach: a third node's key and endpoint, to be pinged */
    /* Mainline. `target` is the info-hash of peers and announce_peer, zero-padded. */
    bool no_seeds;          /* peers: downloaders only (BEP 33) */
    bool scrape;            /* peers: with filters (BEP 33) */
    bool seed;              /* announce_peer */
    bool implied_port;      /* announce_peer: the port it came from counts */
    uint16_t port;          /* announce_peer */
    struct kith_span token; /* put, announce_peer: what the node gave us before */
};

struct kith_response {
    bool has_you;
    bool has_record;
    bool has_seq;
    bool has_own_seq;
    bool truncated; /* a proven address would have been told more: ask again over the session */
    bool reached;   /* reach */
    struct kith_endpoint you; /* the asker's endpoint as seen */
    uint8_t version[4];       /* software, ours is KITH_SOFTWARE_VERSION; zeros: unknown */
    int64_t seq;              /* put: now held; get: held, but not newer than asked */
    int64_t own_seq;          /* of the answerer's own peer record */
    uint32_t ttl_s;           /* put, announce: granted */
    struct kith_record_view record;
    uint32_t n_contacts; /* nearest first within a family */
    struct kith_node_ref contacts[KITH_MESSAGE_CONTACTS_MAX];
    uint32_t n_records;
    struct kith_record_view records[KITH_MESSAGE_RECORDS_MAX]; /* topic, exchange */
    struct kith_span bytes;                                    /* talk */
    /* Mainline. */
    struct kith_span token;        /* find (where given), get, peers: to write here */
    struct kith_span filter_seeds; /* scrape: KITH_BLOOM_SIZE bytes, or empty */
    struct kith_span filter_peers; /* likewise */
    bool has_samples;
    struct kith_span samples; /* n times 20 bytes */
    uint32_t interval_s;      /* sample: until it is worth asking again */
    uint32_t n_sampled;       /* sample: info-hashes there in all */
    uint32_t n_peers;
    struct kith_endpoint peers[KITH_MESSAGE_PEERS_MAX]; /* the last member: not always zeroed */
};

/* An answer without content. Zeroing the arrays would cost more than the answer. */
static inline void kith_response_init(struct kith_response *response) {
    response->has_you = false;
    response->has_record = false;
    response->has_seq = false;
    response->has_own_seq = false;
    response->truncated = false;
    response->reached = false;
    memcpy(response->version, KITH_SOFTWARE_VERSION, sizeof(response->version));
    response->ttl_s = 0;
    response->n_contacts = 0;
    response->n_records = 0;
    response->bytes = kith_span(NULL, 0);
    response->token = kith_span(NULL, 0);
    response->filter_seeds = kith_span(NULL, 0);
    response->filter_peers = kith_span(NULL, 0);
    response->has_samples = false;
    response->n_peers = 0;
}

struct kith_wire_failure {
    int code; /* enum kith_wire_error, or anything a peer sends */
    struct kith_span text;
    bool has_seq;
    int64_t seq;
};

enum kith_message_kind {
    KITH_MESSAGE_REQUEST = 0,
    KITH_MESSAGE_RESPONSE = 1,
    KITH_MESSAGE_ERROR = 2,
    KITH_MESSAGE_PUSH = 3,
};

struct kith_message {
    enum kith_message_kind kind;
    struct kith_txn txn;
    /* Mainline, where nothing but the message names the sender; kith's sessions know the key. An
     * error may come without. */
    bool has_id;
    struct kith_point id;
    union {
        struct kith_request request;
        struct kith_response response;
        struct kith_wire_failure failure;
    } u;
};

#endif
