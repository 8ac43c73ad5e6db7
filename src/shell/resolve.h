/* SPDX-License-Identifier: MIT */
/*
 * resolve: a contact as a person wrote it ("KEY@HOST:PORT", "HOST:PORT", addresses as in
 * kith_contact_parse()) becomes the list of contacts it stands for: one for every A and AAAA record
 * of the name. Addresses need no DNS. Runs on the loop's thread pool.
 */
#ifndef KITH_SHELL_RESOLVE_H
#define KITH_SHELL_RESOLVE_H

#include <uv.h>

#include "kith/error.h"
#include "kith/types.h"

enum { KITH_RESOLVE_CONTACTS_MAX = 64 }; /* addresses taken from one name; the rest is ignored */

struct kith_resolve; /* opaque: one name on its way */

/*
 * Called once, from the loop, never from inside kith_resolve_start(), unless canceled first. Status
 * 0 and at least one contact, valid during the call, or a failure that may pass: KITH_ENOT_FOUND
 * (no such name, or it has no address), KITH_EUNREACHABLE (no answer from DNS), KITH_ENOMEM. When
 * it is called, the resolve is already gone.
 */
typedef void (*kith_resolve_fn)(void *user, int status, const struct kith_contact *contacts,
                                size_t n);

/* `text` is not kept. -> KITH_ESYNTAX (`info` says where), KITH_ENOMEM */
KITH_MUST_CHECK int kith_resolve_start(struct kith_resolve **ret, uv_loop_t *loop, const char *text,
                                       kith_resolve_fn fn, void *user,
                                       struct kith_error_info *info);
/* `fn` will not be called. What a thread is still waiting for is freed by the loop later; a query
 * that DNS never answers keeps the loop alive until the system gives up. NULL is ignored. */
void kith_resolve_cancel(struct kith_resolve *resolve);

#endif
