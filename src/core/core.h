/* SPDX-License-Identifier: MIT */
/*
 * core: a whole kith node without I/O.
 *
 * A datagram goes in with `now`; datagrams and events come out of pull queues; the deadline says
 * when to call again. After every call that takes `now`, take all datagrams and all events:
 *
 *     kith_core_receive(core, &from, bytes, size, now);
 *     while (kith_core_next_datagram(core, &datagram)) ... send it
 *     while (kith_core_next_event(core, &event)) ... tell the application
 *     wait until kith_core_deadline(core), then kith_core_tick(core, now);
 *
 * `now` is monotonic nanoseconds, never decreasing, constant within a call. Wall-clock time is
 * needed only for sequence numbers: kith_core_set_clock(). No sockets, clocks, files, libc
 * randomness or globals; not thread-safe; several cores may live in one process.
 */
#ifndef KITH_CORE_CORE_H
#define KITH_CORE_CORE_H

#include "core/base/curve.h"
#include "core/base/random.h"
#include "core/book/book.h"
#include "core/wire/msgpack_codec.h"
#include "core/wire/outbox.h"
#include "kith/info.h"
#include "kith/op.h"
#include "kith/stats.h"

struct kith_core; /* opaque */

struct kith_core_config {
    const uint8_t *seed; /* KITH_SEED_SIZE, copied */
    const struct kith_curve *curve;
    struct kith_random random;
    struct kith_codec *codec; /* borrowed, may be shared by the cores of one thread; NULL: own */
    const char *network;      /* 1..KITH_NETWORK_MAX bytes */
    const uint8_t *network_secret; /* 32 bytes or NULL */
    struct kith_limits limits;
    bool client;
    bool unlimited;
    bool has_v4; /* which families the shell can send to */
    bool has_v6;
    const uint8_t *capabilities;
    size_t capabilities_size;
    const uint8_t
        *book_secret; /* KITH_BOOK_SECRET_SIZE from kith_book_decode_header(); NULL: drawn */
    bool mainline;    /* take part in the Mainline DHT */
    bool mainline_enforce_ids;
    bool no_rendezvous; /* do not meet nodes of the network there; never with a network secret */
    uint32_t mainline_questions_per_s; /* 0: 100 */
    double coupling;                   /* see struct kith_options; 0: default */
    double damping;
    bool lab; /* all peers are on this host or in a lab: near addresses are as good as others */
    bool peer_events;      /* tell changes of the address book */
    uint32_t book_buckets; /* of tried, four times as many of new; 0: default (simulations: few) */
    uint32_t book_slots;   /* of a bucket; 0: default */
    uint64_t wall_us;      /* Unix microseconds at `now` of kith_core_new() */
    size_t
        outbox_keep; /* bytes of send queue kept when idle; 0: none (simulations of many nodes) */
};

/* -> KITH_EINVALID, KITH_ENOMEM */
KITH_MUST_CHECK int kith_core_new(struct kith_core **ret, const struct kith_core_config *config,
                                  uint64_t now);
struct kith_core *kith_core_free(struct kith_core *core);

/* ---- the five of the contract ---- */

void kith_core_receive(struct kith_core *core, const struct kith_endpoint *from,
                       const uint8_t *bytes, size_t size, uint64_t now);
void kith_core_tick(struct kith_core *core, uint64_t now);
bool kith_core_next_datagram(struct kith_core *core, struct kith_datagram *ret);

enum kith_core_event_kind {
    KITH_CORE_NODE = 1, /* `node`: for the application */
    KITH_CORE_RESULT,   /* `result`: of an op */
    KITH_CORE_TALK,     /* `talk`: answer it with kith_core_talk_answer() before the next call */
    KITH_CORE_SAVE,     /* `record`: make it durable; `own` tells whose */
    KITH_CORE_FORGET,   /* `record`: as saved before, is no longer held */
    KITH_CORE_LOCAL, /* `local`: this peer of the local network stays silent; ask its source anew */
    KITH_CORE_NETWORK, /* a change of the network is being dealt with: names may resolve by now */
};

struct kith_core_talk {
    uint64_t token;
    struct kith_key from;
    const char *protocol; /* NUL-terminated, one that was set with kith_core_talk_handle() */
    const uint8_t *bytes;
    size_t size;
};

/* A record on its way to or from the disk. */
struct kith_core_saved {
    bool own;             /* ours: kept and republished until replaced */
    bool is_announcement; /* held: under `topic` */
    struct kith_point topic;
    uint64_t op;          /* own: the op that published it, or 0 */
    uint32_t swarms;      /* own: KITH_SWARM_* it is published in */
    uint64_t lifetime_ns; /* held: what is left of it */
    const struct kith_record *record;
};

/* A peer of the local network, as a source (mDNS) reports it. */
struct kith_local_report {
    char name[KITH_LAN_NAME_MAX + 1]; /* the source's name of the peer: same name, same peer */
    bool has_key;
    struct kith_key key;
    uint32_t n_endpoints;
    struct kith_endpoint endpoints[KITH_ENDPOINTS_MAX];
};

struct kith_core_event {
    enum kith_core_event_kind kind;
    char local[KITH_LAN_NAME_MAX + 1];
    struct kith_event node;
    struct kith_result result;
    struct kith_core_talk talk;
    struct kith_core_saved saved;
};

/* Pointers in the event are valid until the next call into this core. */
bool kith_core_next_event(struct kith_core *core, struct kith_core_event *ret);
/* Monotonic nanoseconds, or KITH_NEVER. */
uint64_t kith_core_deadline(const struct kith_core *core);

/* ---- what the shell tells the core ---- */

/* Corrects the wall clock. */
void kith_core_set_clock(struct kith_core *core, uint64_t wall_us, uint64_t now);
/* The addresses the sockets are bound to; unspecified addresses count for the port only. */
void kith_core_set_bound(struct kith_core *core, const struct kith_endpoint *bound, size_t n,
                         uint64_t now);

/* Addresses of this host, or its links, may have changed, or it was away for long (suspended,
 * stopped): finds out within seconds where we are now and says so. May be called at will; the work
 * is rate-limited. After kith_core_set_bound(), if that changed too. */
void kith_core_network_changed(struct kith_core *core, uint64_t now);

enum kith_contact_source {
    KITH_CONTACT_PEER = 1, /* asked for by the user: tried at once, and again for ever */
    KITH_CONTACT_SEED,     /* tried when too few others answer, a few once in any case, for ever */
    KITH_CONTACT_KNOWN,    /* from our own disk: tried at once, then forgotten */
    KITH_CONTACT_ROUTER,   /* Mainline: names others, is none of them; asked when too few answer */
};

/* A node to join through. Without a key it is asked for it first. -> KITH_EINVALID (unusable
 * endpoint, our own), KITH_EFULL, KITH_ENOMEM */
KITH_MUST_CHECK int kith_core_add_contact(struct kith_core *core,
                                          const struct kith_contact *contact,
                                          enum kith_contact_source source, uint64_t now);
/* A node of the Mainline DHT to join through: PEER, SEED, KNOWN or ROUTER. -> KITH_EINVALID (also:
 * Mainline or the family is off), KITH_EFULL, KITH_ENOMEM */
KITH_MUST_CHECK int kith_core_mainline_add(struct kith_core *core,
                                           const struct kith_endpoint *endpoint,
                                           enum kith_contact_source source, uint64_t now);
/* Not to be joined through any more. */
void kith_core_mainline_remove(struct kith_core *core, const struct kith_endpoint *endpoint);
/* Its endpoints of a family that are worth remembering over a restart, up to `n`, best first.
 * Returns their number. */
size_t kith_core_mainline_known(const struct kith_core *core, uint8_t family, size_t n,
                                struct kith_endpoint *out);
/* No longer to be joined through. Whoever answers there stays in the tables. Unknown ones are
 * ignored. */
void kith_core_remove_contact(struct kith_core *core, const struct kith_endpoint *endpoint);
/* A peer of the local network is there (or its endpoints changed), or is gone. Hints: asked, not
 * believed. -> KITH_EFULL, KITH_ENOMEM, KITH_EINVALID (no usable endpoint, our own key) */
KITH_MUST_CHECK int kith_core_local_appeared(struct kith_core *core,
                                             const struct kith_local_report *report, uint64_t now);
void kith_core_local_vanished(struct kith_core *core, const char *name, uint64_t now);
/* Somebody looks at the list of these peers: for a minute it is kept true with more questions. */
void kith_core_local_watch(struct kith_core *core, uint64_t now);
/* Contacts of a swarm may be coming (names are being resolved): ops that find nobody there wait. */
void kith_core_expect_contacts(struct kith_core *core, bool kith, bool mainline);
/* Puts back what KITH_CORE_SAVE gave before. -> what kith_record_verify() returns, KITH_EFULL,
 * KITH_ENOMEM */
KITH_MUST_CHECK int kith_core_restore(struct kith_core *core, const struct kith_core_saved *saved,
                                      uint64_t now);

/* ---- the address book ---- */

/* An entry, a ban or the header as it was persisted: what kith_core_book_next_dirty() gave before.
 * Before the first tick. -> see kith_book_load() */
KITH_MUST_CHECK int kith_core_book_load(struct kith_core *core, struct kith_span key,
                                        struct kith_span value, uint64_t now);
/* What changed since it was last taken, the header first. False: nothing more. */
bool kith_core_book_next_dirty(struct kith_core *core, struct kith_book_blob *ret);
/* A write failed: everything is to be taken again. */
void kith_core_book_mark_dirty(struct kith_core *core);
/* -> KITH_EINVALID, KITH_EREFUSED (banned), KITH_EFULL, KITH_ENOMEM */
KITH_MUST_CHECK int kith_core_book_add(struct kith_core *core, const struct kith_contact *contact,
                                       uint8_t roles, uint64_t now);
/* -> KITH_EINVALID, KITH_EFULL, KITH_ENOMEM */
KITH_MUST_CHECK int kith_core_ban(struct kith_core *core, const struct kith_ban_info *ban,
                                  uint64_t now);
/* -> KITH_ENOT_FOUND */
KITH_MUST_CHECK int kith_core_unban(struct kith_core *core, const struct kith_ban_info *ban);
void kith_core_book_status(const struct kith_core *core, uint64_t now,
                           struct kith_book_status *ret);
int kith_core_each_book(const struct kith_core *core, uint64_t now,
                        int (*fn)(const struct kith_book_info *info, void *user), void *user);
int kith_core_each_ban(const struct kith_core *core, uint64_t now,
                       int (*fn)(const struct kith_ban_info *info, void *user), void *user);

/* ---- what the application asks ---- */

/* -> KITH_EINVALID, KITH_EFULL, KITH_ENOMEM, KITH_ETOO_LARGE. Results come as events. */
KITH_MUST_CHECK int kith_core_start(struct kith_core *core, const struct kith_query *query,
                                    uint64_t now, uint64_t *ret_op);
void kith_core_cancel(struct kith_core *core, uint64_t op, uint64_t now);
/* -> KITH_EFULL (32 names), KITH_EINVALID. `on` false removes the name. */
KITH_MUST_CHECK int kith_core_talk_handle(struct kith_core *core, const char *protocol, bool on);
/* status 0 and bytes, or a negative status: the peer is told that it was refused. */
void kith_core_talk_answer(struct kith_core *core, uint64_t token, int status, const void *bytes,
                           size_t size, uint64_t now);

/* ---- what it knows ---- */

void kith_core_status(const struct kith_core *core, uint64_t now, struct kith_status *ret);
/* The node's counters; the shell may add to tx_failed. */
struct kith_stats *kith_core_stats(struct kith_core *core);
int kith_core_each_peer(const struct kith_core *core, uint64_t now,
                        int (*fn)(const struct kith_peer_info *info, void *user), void *user);
/* The newest peer record of a key held here. -> KITH_ENOT_FOUND */
KITH_MUST_CHECK int kith_core_known_peer(const struct kith_core *core, const struct kith_key *key,
                                         uint64_t now, struct kith_peer *ret);
int kith_core_each_record(const struct kith_core *core, uint64_t now,
                          int (*fn)(const struct kith_record_info *info, void *user), void *user);
int kith_core_each_local(const struct kith_core *core, uint64_t now,
                         int (*fn)(const struct kith_local_info *info, void *user), void *user);
int kith_core_each_session(const struct kith_core *core, uint64_t now,
                           int (*fn)(const struct kith_session_info *info, void *user), void *user);
/* The invariants of all parts; for tests and fuzzers. Returns NULL, or what is violated. */
const char *kith_core_check(const struct kith_core *core);

#endif
