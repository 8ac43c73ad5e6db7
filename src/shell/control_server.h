/* SPDX-License-Identifier: MIT */
/* control_server: the control protocol on a Unix stream socket, mode 0600 in a directory of mode
 * 0700. */
#ifndef KITH_SHELL_CONTROL_SERVER_H
#define KITH_SHELL_CONTROL_SERVER_H

#include "kith/node.h"

struct kith_control_server; /* opaque */

enum { KITH_CONTROL_CLIENTS_MAX = 64, KITH_CONTROL_BACKLOG_MAX = 4 * 1024 * 1024 };

/* Listens. Makes the directory (0700) if missing; a stale socket of a dead daemon is replaced, a
 * live one is KITH_ELOCKED. A path longer than a socket address holds is KITH_ETOO_LARGE and says
 * the limit. A client whose unread answers exceed KITH_CONTROL_BACKLOG_MAX is disconnected. */
KITH_MUST_CHECK int kith_control_server_open(struct kith_control_server **ret, uv_loop_t *loop,
                                             struct kith_node *node, const char *path,
                                             struct kith_error_info *info);
/* What the method `stop` does, for every client. Called from the loop. */
void kith_control_server_on_stop(struct kith_control_server *server, void (*on_stop)(void *context),
                                 void *context);
/* What the node told its owner, for clients that want it (method `events`). Called from the loop.
 */
void kith_control_server_tell(struct kith_control_server *server, const struct kith_event *event);
/* Disconnects all clients, unlinks the socket, frees in a later loop iteration. */
void kith_control_server_close(struct kith_control_server *server);

/* The default path: $XDG_RUNTIME_DIR/kith/control, for root /run/kith/control; without either,
 * /tmp/kith-UID/control. -> KITH_ETOO_LARGE */
KITH_MUST_CHECK int kith_control_default_path(char *path, size_t size);

#endif
