/* SPDX-License-Identifier: MIT */
/*
 * udp: one socket per address family on a libuv loop. Receives in batches (UV_UDP_RECVMMSG), sends
 * in batches (sendmmsg on the same descriptor). No protocol decisions.
 */
#ifndef KITH_SHELL_UDP_H
#define KITH_SHELL_UDP_H

#include <uv.h>

#include "core/wire/outbox.h"
#include "kith/error.h"
#include "kith/types.h"

struct kith_udp; /* opaque: up to two sockets */

/* One datagram. `bytes` are valid during the call. */
typedef void (*kith_udp_receive_fn)(void *context, const struct kith_endpoint *from,
                                    const uint8_t *bytes, size_t size);
/* After each batch of datagrams: the moment to send what was answered. */
typedef void (*kith_udp_batch_fn)(void *context);

KITH_MUST_CHECK int kith_udp_new(struct kith_udp **ret, uv_loop_t *loop,
                                 kith_udp_receive_fn on_receive, kith_udp_batch_fn on_batch,
                                 void *context);
/* Binds the family's socket; a second address of a family is refused. IPv6 sockets are v6-only.
 * -> KITH_EINVALID, KITH_EPERMISSION, KITH_ELOCKED (address in use), KITH_EIO; `info` names it. */
KITH_MUST_CHECK int kith_udp_bind(struct kith_udp *udp, const struct kith_endpoint *endpoint,
                                  struct kith_error_info *info);
/* The bound addresses with their real ports. Returns their number, at most 2. */
size_t kith_udp_bound(const struct kith_udp *udp, struct kith_endpoint *out);
/* Queues into the current batch (flushed when full). A datagram for a family without a socket, or
 * refused by the system, is lost; kith_udp_failed() counts them. */
void kith_udp_send(struct kith_udp *udp, const struct kith_endpoint *to, const uint8_t *bytes,
                   size_t size);
void kith_udp_flush(struct kith_udp *udp);
uint64_t kith_udp_failed(const struct kith_udp *udp);
/* Closes the handles and frees `udp` in a later loop iteration, then calls `done(context)`. */
void kith_udp_close(struct kith_udp *udp, void (*done)(void *context), void *context);

#endif
