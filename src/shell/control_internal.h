/* SPDX-License-Identifier: MIT */
/*
 * control_internal: what the parts of the control protocol share; included by control*.c only.
 *
 *     control.c          one client: its stream, its requests, its methods
 *     control_frame.c    where one request ends, before anything is allocated for it
 *     control_query.c    the query of an op
 *     control_args.c     typed arguments, errors that name them
 *     control_encode.c   maps with field names, whose sizes nobody counts by hand
 *     control_results.c  results and events of ops
 *     control_lists.c    what the node is and holds
 *     control_book.c     the address book, bans and the local network: shown and edited
 *
 * msgpack types do not leave these files.
 */
#ifndef KITH_SHELL_CONTROL_INTERNAL_H
#define KITH_SHELL_CONTROL_INTERNAL_H

#include <msgpack.h>

#include "shell/control.h"
#include "util/list.h"

/* ---- control_frame.c ---- */

enum {
    KITH_FRAME_DEPTH_MAX = 8,      /* a request needs 2, capabilities within it a few more */
    KITH_FRAME_ELEMENTS_MAX = 512, /* values in one request, all levels together */
    KITH_FRAME_PARTIAL = 1,        /* positive outcome: the value is not complete yet */
};

/* Finds the end of a value in a growing buffer; looks at each byte once. */
struct kith_frame {
    size_t at;         /* bytes of the buffer already looked at */
    unsigned n_values; /* seen so far */
    unsigned depth;
    uint64_t left[KITH_FRAME_DEPTH_MAX]; /* values still missing at each level */
};

/* `bytes` begin with the value and only grow between calls; a zeroed frame begins one.
 * -> 0 and the value's size, KITH_FRAME_PARTIAL, KITH_ESYNTAX, KITH_ETOO_LARGE */
KITH_MUST_CHECK int kith_frame_scan(struct kith_frame *frame, struct kith_span bytes,
                                    size_t *ret_size);

enum { KITH_MAINLINE_ID_SIZE = 20 }; /* a node id, target or info-hash */

/* ---- control_encode.c ---- */

/* A message being written. Allocation failures stick: whoever sends it looks once. */
struct kith_out {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    bool failed;
    uint32_t n; /* entries of the innermost open map or array */
};

struct kith_out_level {
    size_t at;
    uint32_t n;
};

void kith_out_init(struct kith_out *out);
void kith_out_deinit(struct kith_out *out);
/* The array and number that begin each message: [kind, id, ...] of n elements. */
void kith_out_header(struct kith_out *out, unsigned n, unsigned kind, uint64_t id);
/* Opens a map or array; `name` is its field name, NULL where it has none. */
struct kith_out_level kith_out_map(struct kith_out *out, const char *name);
struct kith_out_level kith_out_array(struct kith_out *out, const char *name);
void kith_out_end(struct kith_out *out, struct kith_out_level level);
/* Fields; `name` NULL: an element of an array. */
void kith_out_nil(struct kith_out *out, const char *name);
void kith_out_bool(struct kith_out *out, const char *name, bool value);
void kith_out_uint(struct kith_out *out, const char *name, uint64_t value);
void kith_out_int(struct kith_out *out, const char *name, int64_t value);
void kith_out_float(struct kith_out *out, const char *name, double value);
void kith_out_ms(struct kith_out *out, const char *name, uint64_t ns);
void kith_out_s(struct kith_out *out, const char *name, uint64_t ns);
void kith_out_text(struct kith_out *out, const char *name, const char *text);
void kith_out_bin(struct kith_out *out, const char *name, const void *bytes, size_t size);
/* One msgpack value, verbatim. */
void kith_out_raw(struct kith_out *out, const char *name, const void *bytes, size_t size);
void kith_out_key(struct kith_out *out, const char *name, const struct kith_key *key);
void kith_out_point(struct kith_out *out, const char *name, const struct kith_point *point);
/* A place in Mainline: the leading 20 bytes. */
void kith_out_target(struct kith_out *out, const char *name, const struct kith_point *point);
void kith_out_endpoint(struct kith_out *out, const char *name,
                       const struct kith_endpoint *endpoint);
void kith_out_endpoints(struct kith_out *out, const char *name,
                        const struct kith_endpoint *endpoints, size_t n);

/* ---- control_args.c ---- */

struct kith_args {
    const msgpack_object_map *map; /* NULL: none were given */
    char error[192];               /* what was wrong, after KITH_EINVALID */
};

bool kith_args_has(const struct kith_args *args, const char *name);
/* Each: the arg must be there. -> KITH_EINVALID, and `error` names it */
KITH_MUST_CHECK int kith_args_bool(struct kith_args *args, const char *name, bool *ret);
KITH_MUST_CHECK int kith_args_uint(struct kith_args *args, const char *name, uint64_t max,
                                   uint64_t *ret);
KITH_MUST_CHECK int kith_args_ms(struct kith_args *args, const char *name, uint64_t *ret_ns);
KITH_MUST_CHECK int kith_args_bytes(struct kith_args *args, const char *name, size_t max,
                                    struct kith_span *ret);
/* `text` holds `size` bytes. */
KITH_MUST_CHECK int kith_args_text(struct kith_args *args, const char *name, char *text,
                                   size_t size);
KITH_MUST_CHECK int kith_args_key(struct kith_args *args, const char *name, struct kith_key *ret);
KITH_MUST_CHECK int kith_args_point(struct kith_args *args, const char *name,
                                    struct kith_point *ret);
/* 40 hex digits, a place in Mainline. */
KITH_MUST_CHECK int kith_args_target(struct kith_args *args, const char *name,
                                     struct kith_point *ret);
/* An array of role names, as enum kith_roles. */
KITH_MUST_CHECK int kith_args_roles(struct kith_args *args, const char *name, uint8_t *ret);
/* Says what is wrong with an arg that has the right type. Returns KITH_EINVALID. */
int kith_args_fail(struct kith_args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A key, or a contact text with a literal address: sets `key` or `contact` of the query. */
KITH_MUST_CHECK int kith_args_peer(struct kith_args *args, const char *name,
                                   struct kith_query *query);

/* ---- control.c ---- */

enum { KITH_CONTROL_PEER_TEXT_MAX = 384 };

/* One running op of a client. Outlives the client until its last result; without an op (`events`)
 * it goes with the client. */
struct kith_control_request {
    struct kith_list link;        /* of the client's running requests */
    struct kith_control *control; /* NULL: the client is gone */
    const struct kith_control_method *method;
    uint64_t id;
    uint64_t op;
    struct kith_query query;               /* what was asked; its pointers are not valid */
    char peer[KITH_CONTROL_PEER_TEXT_MAX]; /* ping, talk: as the client wrote it */
    uint32_t pings_sent;
    uint32_t pings_received;
    uint64_t rtt_min_ns;
    uint64_t rtt_max_ns;
    uint64_t rtt_sum_ns;
};

/* ---- control_query.c ---- */

/* Fills the request's query but for its kind. -> KITH_EINVALID, and `args` says what is wrong */
typedef int (*kith_control_prepare_fn)(struct kith_args *args,
                                       struct kith_control_request *request);

KITH_MUST_CHECK int kith_control_prepare_lookup(struct kith_args *args,
                                                struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_get(struct kith_args *args,
                                             struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_put(struct kith_args *args,
                                             struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_topic(struct kith_args *args,
                                               struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_find(struct kith_args *args,
                                              struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_ping(struct kith_args *args,
                                              struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_trace(struct kith_args *args,
                                               struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_watch(struct kith_args *args,
                                               struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_talk(struct kith_args *args,
                                              struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_peers(struct kith_args *args,
                                               struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_announce_peer(struct kith_args *args,
                                                       struct kith_control_request *request);
KITH_MUST_CHECK int kith_control_prepare_sample(struct kith_args *args,
                                                struct kith_control_request *request);

/* ---- control_results.c ---- */

/* The fields of an op's end, as docs/control.md lists them for its method. */
void kith_control_encode_end(struct kith_out *out, const struct kith_node *node,
                             const struct kith_control_request *request,
                             const struct kith_result *result);
/* The name of the event that an intermediate result is, or NULL: it is none for this request. */
const char *kith_control_event_name(const struct kith_control_request *request,
                                    const struct kith_result *result);
void kith_control_encode_event(struct kith_out *out, const struct kith_control_request *request,
                               const struct kith_result *result);
/* The name of what a node told, and its fields. */
const char *kith_control_news_name(enum kith_event_kind kind);
void kith_control_encode_news(struct kith_out *out, const struct kith_event *event);
/* Whether a status is an answer ("not found") rather than a failure. */
bool kith_control_is_answer(enum kith_query_kind kind, int status);

/* ---- control_lists.c ---- */

/* One page of a list: at most `limit` entries after the first `offset`. */
struct kith_page {
    uint64_t offset;
    uint64_t limit;
};

typedef void (*kith_control_fill_fn)(struct kith_out *out, const struct kith_node *node,
                                     const struct kith_page *page);

/* Whether the next entry of a list is on its page; counts in `n` all that belong to the list. */
bool kith_control_on_page(const struct kith_page *page, uint64_t *n);

void kith_control_fill_version(struct kith_out *out, const struct kith_node *node,
                               const struct kith_page *page);
void kith_control_fill_id(struct kith_out *out, const struct kith_node *node,
                          const struct kith_page *page);
void kith_control_fill_status(struct kith_out *out, const struct kith_node *node,
                              const struct kith_page *page);
void kith_control_fill_stats(struct kith_out *out, const struct kith_node *node,
                             const struct kith_page *page);
void kith_control_fill_peers(struct kith_out *out, const struct kith_node *node,
                             const struct kith_page *page);
void kith_control_fill_table(struct kith_out *out, const struct kith_node *node,
                             const struct kith_page *page);
void kith_control_fill_records(struct kith_out *out, const struct kith_node *node,
                               const struct kith_page *page);
void kith_control_fill_sessions(struct kith_out *out, const struct kith_node *node,
                                const struct kith_page *page);

/* ---- control_book.c ---- */

void kith_control_fill_lan(struct kith_out *out, const struct kith_node *node,
                           const struct kith_page *page);
void kith_control_fill_book(struct kith_out *out, const struct kith_node *node,
                            const struct kith_page *page);
void kith_control_fill_bans(struct kith_out *out, const struct kith_node *node,
                            const struct kith_page *page);
/* For `status` and `stats`. */
void kith_control_put_book_counts(struct kith_out *out, const struct kith_node *node);
void kith_control_put_keeping(struct kith_out *out, const struct kith_node *node);

/* Changes the node and writes the fields of the answer. On failure `args` says what was wrong, or
 * nothing. */
typedef int (*kith_control_edit_fn)(struct kith_out *out, struct kith_node *node,
                                    struct kith_args *args);

KITH_MUST_CHECK int kith_control_edit_add(struct kith_out *out, struct kith_node *node,
                                          struct kith_args *args);
KITH_MUST_CHECK int kith_control_edit_ban(struct kith_out *out, struct kith_node *node,
                                          struct kith_args *args);
KITH_MUST_CHECK int kith_control_edit_unban(struct kith_out *out, struct kith_node *node,
                                            struct kith_args *args);

#endif
