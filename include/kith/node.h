/* SPDX-License-Identifier: MIT */
/*
 * kith/node.h: a kith node on an application's own libuv loop.
 *
 * A node is one identity, its sockets, its storage and its running ops. It lives on the loop it was
 * opened on: every function here must be called from that loop's thread, and every callback is made
 * from it, never from inside the call that started the op. Several nodes may share a loop or a
 * process. No globals, no threads of its own but one for Avahi and the loop's pool (disk writes,
 * DNS), no signal handlers.
 */
#ifndef KITH_NODE_H
#define KITH_NODE_H

#include <uv.h>

#include "kith/error.h"
#include "kith/info.h"
#include "kith/op.h"
#include "kith/stats.h"
#include "kith/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kith_node;

enum kith_log_level { KITH_LOG_ERROR, KITH_LOG_WARN, KITH_LOG_INFO, KITH_LOG_DEBUG };

typedef void (*kith_event_fn)(struct kith_node *node, const struct kith_event *event, void *user);
typedef void (*kith_result_fn)(struct kith_node *node, const struct kith_result *result,
                               void *user);
typedef void (*kith_close_fn)(void *user);
typedef void (*kith_log_fn)(enum kith_log_level level, const char *message, void *user);

/* How a node is opened. kith_options_init() fills in the defaults, those in brackets here. What the
 * pointers lead to is copied, and may be released once kith_node_open() has returned. */
struct kith_options {
    size_t size;          /* sizeof(struct kith_options), for ABI growth */
    const char *data_dir; /* records, contacts and identity; NULL: nothing touches the disk */
    const uint8_t
        *seed; /* KITH_SEED_SIZE secret bytes; NULL: data_dir/identity.key, or a throwaway */
    const char *network;           /* NULL: "kith" */
    const uint8_t *network_secret; /* 32 bytes: a private network; NULL: public */
    const char *const *listen;     /* "ADDR:PORT" texts; n_listen 0: 0.0.0.0:7700 and [::]:7700 */
    size_t n_listen;
    const char *const *peers; /* "KEY@HOST:PORT" or "HOST:PORT": tried at once */
    size_t n_peers;
    const char *const *seeds; /* the same, tried when too few others answered within seconds */
    size_t n_seeds;
    bool client;                 /* client mode: asks, but is not put into others' tables */
    bool unlimited;              /* no answer budgets: benchmarks on loopback only */
    const uint8_t *capabilities; /* msgpack map for the peer record, or NULL */
    size_t capabilities_size;
    struct kith_limits limits;
    kith_event_fn on_event; /* may be NULL */
    kith_log_fn on_log;     /* may be NULL */
    void *user;             /* handed to both */

    /* The local network, through the host's Avahi daemon. Off by itself while every socket is bound
     * to loopback. Patterns name interfaces and may contain '*'. */
    bool lan;                     /* [true] */
    bool lan_hide_key;            /* announce without our key: peers learn it by asking us */
    const char *const *lan_allow; /* only these interfaces; none: all but virtual ones */
    size_t n_lan_allow;
    const char *const *lan_deny; /* not these either */
    size_t n_lan_deny;

    /* The BitTorrent Mainline DHT, over the same sockets. */
    bool mainline;                         /* [false] take part */
    const char *const *mainline_bootstrap; /* "HOST:PORT" nodes; none: well-known public
                                              routers, unless bound to loopback only */
    size_t n_mainline_bootstrap;
    bool mainline_rendezvous;  /* [true] meet nodes of a public network there */
    bool mainline_enforce_ids; /* [false] BEP 42 for others: only ids that fit their address */
    uint32_t mainline_queries_per_s; /* [100] */

    /* Pace of keeping connected: contacts are revisited every 10/coupling seconds, live peers asked
     * for others every 10/damping seconds, clean-up runs every 50/coupling seconds. 0.01..100. */
    double coupling; /* [1/sqrt 2] lambda */
    double damping;  /* [1/sqrt 2] eta */
};

KITH_API void kith_options_init(struct kith_options *options);

/*
 * Opens a node: takes the data directory's lock, loads or makes the identity, binds the sockets and
 * starts joining. `info` (may be NULL) names what was wrong. KITH_ELOCKED: the directory, or an
 * address to listen on, is in use. -> KITH_EINVALID, KITH_ESYNTAX,
 * KITH_EPERMISSION, KITH_ELOCKED, KITH_EIO, KITH_ENO_SPACE, KITH_EVERSION, KITH_ENOMEM
 */
KITH_API KITH_MUST_CHECK int kith_node_open(struct kith_node **ret_node, uv_loop_t *loop,
                                            const struct kith_options *options,
                                            struct kith_error_info *info);

/*
 * Cancels all ops (their callbacks get KITH_ECANCELED), saves what is to be saved, closes the
 * sockets and frees the node; then `done` (may be NULL) is called once, from the loop. May be
 * called from the callbacks of the node. The node must not be used after this call. NULL is
 * ignored.
 */
KITH_API void kith_node_close(struct kith_node *node, kith_close_fn done, void *user);

/*
 * Other seeds from now on, in the form of kith_options.seeds. Those that are not among them are no
 * longer joined through, new ones are tried as after opening, and the names of the rest are
 * resolved again. `info` (may be NULL) names what was wrong. -> KITH_EINVALID, KITH_ESYNTAX
 * (nothing changed), KITH_ENOMEM (some may be missing)
 */
KITH_API KITH_MUST_CHECK int kith_node_set_seeds(struct kith_node *node, const char *const *seeds,
                                                 size_t n, struct kith_error_info *info);

/*
 * Starts any query of kith/op.h. `fn` is called for each result, last with KITH_RESULT_DONE.
 * `ret_op` (may be NULL) names the op for kith_cancel(). -> KITH_EINVALID, KITH_EFULL, KITH_ENOMEM,
 * KITH_ETOO_LARGE
 */
KITH_API KITH_MUST_CHECK int kith_start(struct kith_node *node, const struct kith_query *query,
                                        kith_result_fn fn, void *user, uint64_t *ret_op);

/* Ends an op: its callback gets KITH_RESULT_DONE with KITH_ECANCELED. Unknown numbers are ignored.
 */
KITH_API void kith_cancel(struct kith_node *node, uint64_t op);

/* The common queries, spelled out. Each returns what kith_start() returns. */
KITH_API KITH_MUST_CHECK int kith_lookup(struct kith_node *node, const struct kith_key *key,
                                         kith_result_fn fn, void *user, uint64_t *ret_op);
KITH_API KITH_MUST_CHECK int kith_get(struct kith_node *node, const struct kith_key *key,
                                      const void *salt, size_t salt_size, kith_result_fn fn,
                                      void *user, uint64_t *ret_op);
/* `bytes` are wrapped by kith_value_wrap(), signed, stored on disk first, published, and
 * republished hourly while the node lives. */
KITH_API KITH_MUST_CHECK int kith_put(struct kith_node *node, const void *salt, size_t salt_size,
                                      const void *bytes, size_t size, kith_result_fn fn, void *user,
                                      uint64_t *ret_op);
KITH_API KITH_MUST_CHECK int kith_announce(struct kith_node *node, const struct kith_point *topic,
                                           kith_result_fn fn, void *user, uint64_t *ret_op);
KITH_API KITH_MUST_CHECK int kith_find(struct kith_node *node, const struct kith_point *topic,
                                       uint32_t n, kith_result_fn fn, void *user, uint64_t *ret_op);
KITH_API KITH_MUST_CHECK int kith_ping(struct kith_node *node, const struct kith_key *key,
                                       uint32_t n, kith_result_fn fn, void *user, uint64_t *ret_op);
KITH_API KITH_MUST_CHECK int kith_watch(struct kith_node *node, const struct kith_key *key,
                                        const void *salt, size_t salt_size, kith_result_fn fn,
                                        void *user, uint64_t *ret_op);
KITH_API KITH_MUST_CHECK int kith_talk(struct kith_node *node, const struct kith_key *key,
                                       const char *protocol, const void *bytes, size_t size,
                                       kith_result_fn fn, void *user, uint64_t *ret_op);

/*
 * A message of another peer for `protocol`. Write at most KITH_TALK_MAX bytes of answer to `answer`
 * and return their number, or a negative code: the peer is told KITH_EREFUSED.
 */
typedef int (*kith_talk_fn)(struct kith_node *node, const struct kith_key *from, const void *bytes,
                            size_t size, void *answer, void *user);

/* Sets (or with fn NULL removes) the handler of a protocol name. At most 32. -> KITH_EFULL,
 * KITH_EINVALID */
KITH_API KITH_MUST_CHECK int kith_talk_handle(struct kith_node *node, const char *protocol,
                                              kith_talk_fn fn, void *user);

/* ---- what the node is and knows ---- */

KITH_API void kith_node_status(const struct kith_node *node, struct kith_status *ret_status);
KITH_API void kith_node_stats(const struct kith_node *node, struct kith_stats *ret_stats);

/* These call `fn` for each, before they return; a return value other than 0 ends the walk and is
 * returned. `fn` must not call what changes the node: start, add, ban, close. */
KITH_API int kith_node_each_peer(const struct kith_node *node,
                                 int (*fn)(const struct kith_peer_info *info, void *user),
                                 void *user);
/* The newest peer record of a key that this node holds, without asking anybody.
 * -> KITH_ENOT_FOUND */
KITH_API KITH_MUST_CHECK int kith_node_known_peer(const struct kith_node *node,
                                                  const struct kith_key *key,
                                                  struct kith_peer *ret_peer);
KITH_API int kith_node_each_record(const struct kith_node *node,
                                   int (*fn)(const struct kith_record_info *info, void *user),
                                   void *user);
/* Looking keeps the list true: for a minute, silent peers are asked more often. */
KITH_API int kith_node_each_local(const struct kith_node *node,
                                  int (*fn)(const struct kith_local_info *info, void *user),
                                  void *user);
KITH_API int kith_node_each_session(const struct kith_node *node,
                                    int (*fn)(const struct kith_session_info *info, void *user),
                                    void *user);

/* ---- the address book ---- */

KITH_API void kith_node_book_status(const struct kith_node *node,
                                    struct kith_book_status *ret_status);
KITH_API int kith_node_each_book(const struct kith_node *node,
                                 int (*fn)(const struct kith_book_info *info, void *user),
                                 void *user);
KITH_API int kith_node_each_ban(const struct kith_node *node,
                                int (*fn)(const struct kith_ban_info *info, void *user),
                                void *user);
/* Puts a contact into the book, with `roles` of enum kith_roles, and tries it at once.
 * -> KITH_EINVALID (unusable, our own), KITH_EREFUSED (banned), KITH_EFULL, KITH_ENOMEM */
KITH_API KITH_MUST_CHECK int kith_node_add(struct kith_node *node,
                                           const struct kith_contact *contact, uint8_t roles);
/* Bans a key or a prefix for ban->left_s seconds, and drops what we have with it.
 * -> KITH_EINVALID (prefix length), KITH_EFULL, KITH_ENOMEM */
KITH_API KITH_MUST_CHECK int kith_node_ban(struct kith_node *node, const struct kith_ban_info *ban);
/* -> KITH_ENOT_FOUND */
KITH_API KITH_MUST_CHECK int kith_node_unban(struct kith_node *node,
                                             const struct kith_ban_info *ban);

/* ---- identities ---- */

/*
 * Makes an identity and writes its seed to `path`: atomically, mode 0600, never over an existing
 * file. -> KITH_EEXISTS, KITH_EPERMISSION, KITH_EIO, KITH_ENO_SPACE
 */
KITH_API KITH_MUST_CHECK int kith_identity_create(const char *path, struct kith_key *ret_key,
                                                  struct kith_error_info *info);

/*
 * Reads an identity file. A file that others can read is refused, with the cure. `ret_seed` (may be
 * NULL) holds KITH_SEED_SIZE bytes; wipe it. -> KITH_ENOT_FOUND, KITH_EPERMISSION, KITH_ECORRUPT,
 * KITH_EIO
 */
KITH_API KITH_MUST_CHECK int kith_identity_load(const char *path, uint8_t *ret_seed,
                                                struct kith_key *ret_key,
                                                struct kith_error_info *info);

/* "0.1.0" */
KITH_API const char *kith_version(void);

#ifdef __cplusplus
}
#endif
#endif
