/* SPDX-License-Identifier: MIT */
/* lan_poll: Avahi's main loop interface (AvahiPoll) on a libuv loop. */
#ifndef KITH_SHELL_LAN_POLL_H
#define KITH_SHELL_LAN_POLL_H

#include <stdint.h>

#include <avahi-common/watch.h>
#include <uv.h>

#include "kith/error.h"

struct kith_lan_poll; /* opaque */

/* `loop` is borrowed and outlives the adapter. -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_lan_poll_new(struct kith_lan_poll **ret, uv_loop_t *loop);
/* After the last watch and timeout were freed; the memory goes when libuv has closed their handles,
 * so the loop has to turn once more. NULL is ignored. */
void kith_lan_poll_free(struct kith_lan_poll *poll);
/* What avahi_client_new() takes; valid until kith_lan_poll_free(). */
const AvahiPoll *kith_lan_poll_api(const struct kith_lan_poll *poll);

/* Milliseconds from `now` until `at`, rounded up: a timer that fires early makes Avahi spin. 0 for
 * what is past. */
uint64_t kith_lan_poll_delay_ms(const struct timeval *at, const struct timeval *now);

#endif
