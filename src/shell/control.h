/* SPDX-License-Identifier: MIT */
/*
 * control: the control protocol (docs/control.md), independent of what carries it.
 *
 * A peer speaks for one client: bytes of its requests go in, bytes of answers and events come out
 * through `write`. kithd carries it over a Unix socket (control_server); `dht-cli --ephemeral`
 * calls it in the same process. Requests are msgpack arrays in a plain stream:
 *
 *     [0, id, method, {args}]   request
 *     [1, id, {result}]         its end
 *     [2, id, code, text, {result}]   its failure; code is a negative enum kith_error
 *     [3, id, event, {fields}]  before the end: "progress", "hop", "record", "pong", ...
 *
 * Field names are those of the JSON in docs (dht-cli prints them as they are).
 */
#ifndef KITH_SHELL_CONTROL_H
#define KITH_SHELL_CONTROL_H

#include "kith/node.h"
#include "util/span.h"

struct kith_control; /* opaque: one client */

enum {
    KITH_CONTROL_REQUEST_MAX = 64 * 1024, /* bytes of one request */
    KITH_CONTROL_OPS_MAX = 64,            /* running for one client */
    KITH_CONTROL_FIND_MAX = 256,          /* peers that one find reports */
    KITH_CONTROL_PINGS_MAX = 1000,        /* of one ping */
};

enum { KITH_BAN_TEXT_SIZE = 64 }; /* of a prefix, with the NUL */

/* The prefix of a ban: "ADDR", that address alone, or "ADDR/BITS". Sets all of `ret` but `left_s`;
 * the bits beyond the prefix are cleared. -> KITH_ESYNTAX, and `info` says what is wrong */
KITH_MUST_CHECK int kith_ban_parse(const char *text, struct kith_ban_info *ret,
                                   struct kith_error_info *info);
/* Its text. */
void kith_ban_format(const struct kith_ban_info *ban, char text[KITH_BAN_TEXT_SIZE]);

/* `write` copies or sends what it is given. It may be called from inside kith_control_receive() and
 * from the node's callbacks. */
KITH_MUST_CHECK int kith_control_new(struct kith_control **ret, struct kith_node *node,
                                     void (*write)(void *context, struct kith_span bytes),
                                     void *context);
/* Bytes of the client, in pieces of any size. -> KITH_ESYNTAX, KITH_ETOO_LARGE: the stream is
 * beyond repair; an error [2, 0, ...] was written, close it. */
KITH_MUST_CHECK int kith_control_receive(struct kith_control *control, struct kith_span bytes);
/* What the method `stop` does; without it the method answers KITH_EUNSUPPORTED. Called from inside
 * kith_control_receive(), after the answer was written; it must not free the control. */
void kith_control_on_stop(struct kith_control *control, void (*on_stop)(void *context),
                          void *context);
/* What the node told its owner, for the client's running `events` requests. */
void kith_control_tell(struct kith_control *control, const struct kith_event *event);
/* Cancels the client's ops; nothing is written any more. Not from inside `write`. */
struct kith_control *kith_control_free(struct kith_control *control);

#endif
