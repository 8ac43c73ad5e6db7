/* SPDX-License-Identifier: MIT */
/*
 * netwatch: tells when this host's links or addresses have changed.
 *
 * Only what matters is told: an interface that came up or went down, an address that came or went;
 * not every message of a router, nor loopback. A burst is told once, when it is over. While no
 * interface is up there is nothing to be done, so nothing is told until one is.
 */
#ifndef KITH_SHELL_NETWATCH_H
#define KITH_SHELL_NETWATCH_H

#include <stdbool.h>
#include <uv.h>

#include "kith/error.h"
#include "kith/types.h"

struct kith_netwatch; /* opaque */

struct kith_netwatch_config {
    uv_loop_t *loop;
    void (*on_change)(void *context);
    /* The system does not tell any more, and why; at most once. */
    void (*on_lost)(void *context, const char *why);
    void *context;
};

/* Needs no privileges. -> KITH_EUNSUPPORTED (the system has, or permits, no such thing),
 * KITH_ENOMEM; `ret_why` is a sentence. */
KITH_MUST_CHECK int kith_netwatch_open(struct kith_netwatch **ret,
                                       const struct kith_netwatch_config *config,
                                       const char **ret_why);
/* Calls nothing but `done(done_context)` any more, in a later loop iteration. */
void kith_netwatch_close(struct kith_netwatch *watch, void (*done)(void *context),
                         void *done_context);
/* Whether an address is one of this host's; true where that cannot be found out. */
bool kith_netwatch_has_address(const struct kith_endpoint *endpoint);

#endif
