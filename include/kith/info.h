/* SPDX-License-Identifier: MIT */
/*
 * kith/info.h: what a node says of itself: events, limits, status, and the lists of what it holds.
 * Plain values. Ages and times are nanoseconds.
 */
#ifndef KITH_INFO_H
#define KITH_INFO_H

#include "kith/types.h"

enum kith_event_kind {
    KITH_EVENT_READY =
        1, /* joined: `n_contacts` live contacts, `elapsed_ns` since the start or the loss */
    KITH_EVENT_LOST,     /* no live contact is left; joining starts over by itself */
    KITH_EVENT_OBSERVED, /* others see us at `endpoint` */
    /* The address book changed about `contact`. At most 256 of these in a second, half of them
     * about contacts that never answered; changes of one contact within it become one. */
    KITH_EVENT_PEER_ADDED,   /* it came in, as a hint or because it answered */
    KITH_EVENT_PEER_UPDATED, /* it proved itself, lost its proven place, or its roles changed */
    KITH_EVENT_PEER_REMOVED,
    KITH_EVENT_MAINLINE, /* an address family of the Mainline DHT was joined, or has lost its last
                            contact and is joined again: `n_contacts` there now, 0: none */
};

struct kith_event {
    enum kith_event_kind kind;
    uint32_t n_contacts;
    uint64_t elapsed_ns;
    struct kith_endpoint endpoint;
    struct kith_contact contact;
    uint32_t n_lost;  /* changes before this one that found no room: see kith_node_each_book() */
    const char *text; /* a sentence for a person, or NULL */
};

/* Bounds on what remote parties can make a node hold. 0 means the default in brackets. */
struct kith_limits {
    uint32_t sessions;            /* [16384] */
    uint32_t sessions_per_prefix; /* [256] per /24 or /56; loopback and private ranges exempt */
    uint32_t records;             /* [65536] held for others */
    uint32_t record_bytes;        /* [64 MiB] */
    uint32_t records_per_prefix;  /* [4096] */
    uint32_t topic_peers;         /* [256] announcements per topic */
    uint32_t ops;                 /* [256] running at once */
    uint32_t handshakes_per_s; /* [2000] initiations served; faster than half of it, with a cookie
                                  only */
};

enum kith_reachable { KITH_REACHABLE_UNKNOWN, KITH_REACHABLE_YES, KITH_REACHABLE_NO };

/* One address family of the Mainline DHT, a swarm of its own (BEP 32). */
struct kith_mainline_family_status {
    bool on;
    bool ready;
    bool read_only;                /* we ask others not to put us into their tables (BEP 43) */
    struct kith_point id;          /* 20 bytes, then zeros */
    uint32_t nodes;                /* live routing-table contacts */
    uint32_t depth;                /* buckets in use */
    uint32_t n_votes;              /* nodes whose word on our endpoint counts */
    struct kith_endpoint observed; /* what most of them say; family 0: unknown */
    uint64_t size_estimate;        /* nodes in the network; 0: unknown */
    double size_error;             /* its relative standard error; 0: unknown */
    uint32_t torrents;             /* info-hashes held for others */
    uint32_t peers;                /* announced under them */
};

struct kith_mainline_status {
    bool on;
    enum kith_reachable reachable;
    uint32_t items;                                 /* BEP 44, held for others */
    struct kith_mainline_family_status families[2]; /* IPv4, IPv6 */
};

struct kith_status {
    struct kith_key key;
    struct kith_point node_id;
    char network[KITH_NETWORK_MAX + 1];
    bool ready;
    bool client;
    enum kith_reachable reachable;
    uint64_t uptime_ns;
    uint32_t nodes_v4; /* live routing-table contacts */
    uint32_t nodes_v6;
    uint32_t records;     /* held for others */
    uint32_t own_records; /* published by this node */
    uint32_t sessions;
    uint32_t ops;
    uint32_t lan_peers;     /* confirmed */
    char lan[64];           /* "on", or why not */
    uint64_t size_estimate; /* nodes in the network; 0: unknown */
    uint32_t rtt_us;        /* smoothed over all peers; 0: unknown */
    uint32_t n_bound;
    struct kith_endpoint bound[KITH_ENDPOINTS_MAX];
    uint32_t n_observed;
    struct kith_endpoint observed[KITH_ENDPOINTS_MAX];
    struct kith_mainline_status mainline;
};

/* A routing-table contact, as `peers` and `table` list it. */
struct kith_peer_info {
    struct kith_key key;
    struct kith_point node_id;
    struct kith_endpoint endpoint;
    uint16_t bucket;  /* leading bits in common with our node id */
    bool live;        /* false: in the replacement cache, or not answering */
    uint8_t failures; /* requests unanswered in a row */
    uint32_t rtt_us;  /* 0: unknown */
    uint64_t seen_ns; /* age of its last answer */
};

struct kith_record_info {
    struct kith_point point;
    bool is_mutable;
    bool own;
    struct kith_key key;
    uint8_t salt_size;
    uint8_t salt[KITH_SALT_MAX];
    int64_t seq;
    uint16_t value_size;
    uint64_t age_ns;
    uint64_t expires_ns; /* from now; own records: until the next publication */
};

enum kith_book_place { KITH_PLACE_NEW, KITH_PLACE_TRIED, KITH_PLACE_PINNED };

enum kith_roles {
    KITH_ROLE_PERSISTENT = 1 << 0,    /* tried again for ever */
    KITH_ROLE_UNCONDITIONAL = 1 << 1, /* not counted in maxima */
    KITH_ROLE_PRIVATE = 1 << 2,       /* never shared with others */
};

/* An entry of the address book. Ages are seconds, -1: never. */
struct kith_book_info {
    struct kith_contact contact;
    enum kith_book_place place;
    const char *origin; /* "self", "config", "lan", "pex", "walk" */
    uint8_t roles;      /* enum kith_roles */
    uint16_t attempts;  /* failures in a row */
    double health;      /* 0..1 */
    double seen_s;      /* somebody claims it was alive */
    double tried_s;
    double success_s; /* its last authenticated answer */
};

/* A ban of a key, or of a prefix of addresses. */
struct kith_ban_info {
    bool is_key;
    struct kith_key key;
    struct kith_endpoint prefix; /* port 0 */
    uint8_t bits;                /* 4: 8..32, 6: 16..128 */
    uint64_t left_s;             /* UINT64_MAX: permanent; when banning: how long */
};

/* What `book` and `stats` say of the address book and of keeping connected. */
struct kith_book_status {
    uint32_t n_new;
    uint32_t n_tried;
    uint32_t n_pinned;
    uint32_t n_banned;
    uint64_t discovered;  /* contacts ever entered */
    uint32_t connected;   /* live contacts now */
    double coupling;      /* lambda */
    double damping;       /* eta */
    uint64_t n_discovery; /* contacts tried */
    uint64_t n_exchange;  /* peers asked for others */
    double mean_health;   /* 0..1 */
};

/* A peer on the local network. */
struct kith_local_info {
    char name[KITH_LAN_NAME_MAX + 1]; /* of its service instance */
    bool has_key;
    struct kith_key key;
    bool confirmed;                /* it answered, authenticated, at `endpoint` */
    struct kith_endpoint endpoint; /* family 0 while unconfirmed */
    uint64_t seen_ns;              /* age of its last answer; 0 while unconfirmed */
    uint32_t n_endpoints;          /* as reported */
    struct kith_endpoint endpoints[KITH_ENDPOINTS_MAX];
};

struct kith_session_info {
    struct kith_key key;
    struct kith_endpoint endpoint;
    bool initiator;   /* we started it */
    bool established; /* false: a handshake is under way */
    bool confirmed;   /* the peer's address is proven */
    uint64_t age_ns;
    uint64_t idle_ns;
    uint64_t tx_messages;
    uint64_t rx_messages;
};

#endif
