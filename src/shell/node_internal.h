/* SPDX-License-Identifier: MIT */
/*
 * node_internal: what the parts of the node share; included by node*.c only.
 *
 *     node.c          opening and closing: who is made and unmade in which order
 *     node_options.c  what an application may ask for, checked before anything is touched
 *     node_pump.c     core <-> loop: datagrams, deadline, events
 *     node_ops.c      running ops and whom they report to
 *     node_disk.c     what is kept across restarts
 *     node_book.c     the address book: kept, listed, edited
 *     node_names.c    peers and seeds: names in, contacts out
 *     node_mainline.c the public swarm: whom to join through, whom to remember
 *     node_lan.c      peers of the local network
 *     node_network.c  changes of links, addresses and time
 *     node_talk.c     handlers of talk protocols
 *     node_info.c     status, counters, lists
 *
 * Everything runs on the loop's thread. Calls of the application only change the core and wake the
 * pump; callbacks to the application are made by the pump alone, from the loop.
 */
#ifndef KITH_SHELL_NODE_INTERNAL_H
#define KITH_SHELL_NODE_INTERNAL_H

#include "core/core.h"
#include "kith/node.h"
#include "shell/away.h"
#include "shell/disk.h"
#include "shell/lan.h"
#include "shell/netwatch.h"
#include "shell/resolve.h"
#include "shell/udp.h"
#include "util/hash.h"
#include "util/list.h"
#include "util/timer.h"

enum {
    KITH_TALK_HANDLERS_MAX = 32, /* as many names as the core keeps */
    KITH_LISTEN_MAX = 2,         /* one socket per address family */
};

/* xoshiro256**: Blackman, Vigna, "Scrambled linear pseudorandom number generators" (2021). */
struct kith_node_random {
    uint64_t s[4];
};

/* A result with everything that it points to, since the core's own copy dies at the next call. */
struct kith_node_result {
    struct kith_result result;
    struct kith_hop hop;
    struct kith_record record;
    struct kith_peer peer;
    uint8_t bytes[KITH_TALK_MAX];
    char text[256];
};

/* One running op of the application. */
struct kith_node_op {
    struct kith_hash_node node;
    struct kith_list link; /* kith_node.ops, or .finished once `held` may be told */
    uint64_t number;
    kith_result_fn fn;
    void *user;
    unsigned n_saves;              /* writes of its own record that are not durable yet */
    int save_status;               /* the first failure among them */
    struct kith_node_result *held; /* the end of a put that waits for the disk */
};

struct kith_node_handler {
    char protocol[KITH_PROTOCOL_NAME_MAX + 1]; /* "": free */
    kith_talk_fn fn;
    void *user;
};

/* The checked options. Strings and secrets are read where they lie; only open() sees them. */
struct kith_node_setup {
    struct kith_options options;
    const char *network;
    struct kith_endpoint listen[KITH_LISTEN_MAX];
    size_t n_listen;
    bool default_listen; /* IPv6 may be missing on the host */
};

struct kith_node {
    uv_loop_t *loop;
    struct kith_core *core;
    struct kith_udp *udp;
    struct kith_disk *disk; /* NULL: nothing is kept */
    uint8_t book_secret[KITH_BOOK_SECRET_SIZE];
    bool has_book_secret;   /* the disk's book has a header */
    bool book_kept;         /* the book is on the disk, or shall be */
    bool book_more;         /* the batch was full: more is to be saved */
    bool book_failed;       /* a write of the batch failed */
    bool book_final;        /* the batch was begun while closing */
    unsigned n_book_saving; /* writes of the batch that are on their way */
    /* Removals of the batch. */
    struct kith_node_book_removal *book_removals;
    unsigned n_book_removals;
    struct kith_node_random random;
    struct kith_random chance; /* the core's and our own: a CSPRNG, and `random` */
    kith_event_fn on_event;
    kith_log_fn on_log;
    void *user;

    struct kith_hash ops_by_number;
    struct kith_list ops;      /* running */
    struct kith_list finished; /* their held results are to be told by the pump */
    struct kith_node_handler handlers[KITH_TALK_HANDLERS_MAX];
    struct kith_list names;         /* node_names.c's own */
    bool joined;                    /* has contacts, as the last event said */
    bool names_expected[2];         /* a first resolution is under way: kith's, Mainline's */
    struct kith_lan *lan;           /* NULL: off */
    char lan_text[64];              /* "on", or why not */
    uint64_t n_lan_full;            /* reports that the core had no room for, */
    uint64_t n_lan_astray;          /* or no use */
    bool lan_expected;              /* a first report may come any moment */
    struct kith_netwatch *netwatch; /* NULL: none */
    struct kith_away away;
    bool lab; /* bound to loopback only */
    bool mainline;
    bool mainline_settled;   /* has run for long enough to know its nodes by itself */
    size_t n_mainline_known; /* nodes of the public swarm that came from the disk */

    uv_idle_t wake;       /* active: the pump runs in the next iteration */
    uv_timer_t deadline;  /* the core's */
    uv_timer_t minute;    /* wall clock */
    uv_timer_t book_due;  /* saving the book */
    uv_timer_t names_due; /* resolving again */
    uv_timer_t lan_patience;
    uv_timer_t mainline_due; /* keeping the public swarm's nodes */
    uv_timer_t look_away;
    uint64_t armed; /* the deadline `deadline` is set for, or KITH_NEVER */
    bool pumping;   /* inside the pump: what a callback changes is seen by its loop */
    bool closing;
    unsigned n_open; /* handles not closed yet: the node is freed with the last one */
    kith_close_fn done;
    void *done_user;
};

/* node_options.c */
KITH_MUST_CHECK int kith_node_setup_check(struct kith_node_setup *ret,
                                          const struct kith_options *options,
                                          struct kith_error_info *info);

/* Only the form: whether a name resolves is found out later, and tried for ever. `what`: "seed". */
KITH_MUST_CHECK int kith_node_check_contacts(const char *what, const char *const *texts, size_t n,
                                             struct kith_error_info *info);

/* node.c */
/* The second half of closing, from the loop. */
void kith_node_shut(struct kith_node *node);
void kith_node_log(struct kith_node *node, enum kith_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* node_pump.c */
void kith_node_pump_init(struct kith_node *node);
/* Makes the pump run in the next loop iteration. */
void kith_node_wake(struct kith_node *node);
/* Sends what the core wants sent and tells what it wants told. */
void kith_node_pump(struct kith_node *node);
void kith_node_on_datagram(void *context, const struct kith_endpoint *from, const uint8_t *bytes,
                           size_t size);
void kith_node_on_batch(void *context);

/* node_ops.c */
void kith_node_ops_init(struct kith_node *node);
struct kith_node_op *kith_node_op_find(const struct kith_node *node, uint64_t number);
/* A result of the core: told now, or held until the disk has the record. */
void kith_node_op_result(struct kith_node *node, const struct kith_result *result);
/* A write of the op's record ended. */
void kith_node_op_saved(struct kith_node *node, uint64_t number, int status);
void kith_node_ops_tell_finished(struct kith_node *node);
/* Every op that is left is told that it was canceled. */
void kith_node_ops_end(struct kith_node *node);

/* node_disk.c */
KITH_MUST_CHECK int kith_node_disk_open(struct kith_node *node, const char *dir,
                                        struct kith_error_info *info);
KITH_MUST_CHECK int kith_node_disk_restore(struct kith_node *node);
void kith_node_disk_save(struct kith_node *node, const struct kith_core_saved *saved);
void kith_node_disk_forget(struct kith_node *node, const struct kith_core_saved *saved);
uint64_t kith_node_wall_us(void);

/* node_book.c */
struct kith_node_book_restored {
    unsigned n_kept;
    unsigned n_damaged;
    unsigned n_refused; /* no room, twice there, of a newer version */
    unsigned n_removed; /* of both: will not come back */
};

/* Reads the header, before there is a core; only with a disk. */
KITH_MUST_CHECK int kith_node_book_open(struct kith_node *node);
/* One blob of the disk; counts what became of it. */
void kith_node_book_restore(struct kith_node *node, struct kith_span key, struct kith_span value,
                            struct kith_node_book_restored *counts);
/* Saves what changed, all of it while closing. */
void kith_node_book_save(struct kith_node *node);
void kith_node_book_save_regularly(struct kith_node *node);
/* The node has joined, or the user changed something: worth saving soon. */
void kith_node_book_save_soon(struct kith_node *node);

/* node_names.c */
KITH_MUST_CHECK int kith_node_names_init(struct kith_node *node,
                                         const struct kith_options *options);
/* All contacts were lost: resolves everything again, until it has joined. */
void kith_node_names_lost(struct kith_node *node);
void kith_node_names_joined(struct kith_node *node);
/* Tries names again that did not resolve, at once: the network changed. */
void kith_node_names_retry(struct kith_node *node);
/* Names of the public swarm are resolved again, unless all is well there. */
void kith_node_names_mainline(struct kith_node *node);
void kith_node_names_deinit(struct kith_node *node);

/* Tells the core whether contacts may be coming, from names or the LAN. */
void kith_node_tell_expected(struct kith_node *node);

/* node_mainline.c */
/* Hands the core the nodes that the disk knows, and keeps them from now on. After the restoring of
 * everything else, before the names. -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_node_mainline_open(struct kith_node *node);
void kith_node_mainline_save(struct kith_node *node);
/* The public routers, for a node whose user names nobody. Returns their number. */
size_t kith_node_mainline_routers(const struct kith_node *node, const char *const **ret_names);
/* Every family in use has joined. */
bool kith_node_mainline_joined(const struct kith_node *node);

/* node_lan.c */
KITH_MUST_CHECK int kith_node_lan_open(struct kith_node *node, const struct kith_node_setup *setup);
/* A peer stays silent: mDNS is asked anew. */
void kith_node_lan_refresh(struct kith_node *node, const char *name);
/* Adds what was ignored. */
void kith_node_lan_count(const struct kith_node *node, struct kith_stats *stats);
/* `done` is called from the loop if there was a source. */
void kith_node_lan_close(struct kith_node *node, void (*done)(void *node));

/* node_network.c */
uint64_t kith_node_now(const struct kith_node *node);
void kith_node_network_open(struct kith_node *node);
/* Whether the process was away; before the core's deadline is served. */
void kith_node_look_away(struct kith_node *node);

/* node_talk.c */
void kith_node_talk(struct kith_node *node, const struct kith_core_talk *talk);

#endif
