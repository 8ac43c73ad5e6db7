/* SPDX-License-Identifier: MIT */
/*
 * lan_shared: what the node's thread and the LAN thread both touch: two bounded queues and who is
 * still there. Counted, so that whichever thread leaves last frees it. All functions may be called
 * from either thread unless a comment names one.
 */
#ifndef KITH_SHELL_LAN_SHARED_H
#define KITH_SHELL_LAN_SHARED_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "shell/lan.h"

enum {
    KITH_LAN_REFRESHES_MAX = 64, /* waiting for the LAN thread; more are dropped: they are hints */
    KITH_LAN_STATE_TEXT_SIZE = 160,
};

struct kith_lan_shared; /* opaque */

struct kith_lan_news {
    bool present;
    struct kith_lan_peer peer;
};

/* With two references, one for each side. -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_lan_shared_new(struct kith_lan_shared **ret);
void kith_lan_shared_unref(struct kith_lan_shared *shared);
/* Which handle wakes a side; NULL: that side is not to be woken any more. */
void kith_lan_shared_set_node(struct kith_lan_shared *shared, uv_async_t *node);
void kith_lan_shared_set_thread(struct kith_lan_shared *shared, uv_async_t *thread);
/* Things of the LAN that were ignored. */
void kith_lan_shared_count_drop(struct kith_lan_shared *shared, enum kith_lan_drop why);
uint64_t kith_lan_shared_n_dropped(struct kith_lan_shared *shared, enum kith_lan_drop why);

/* LAN thread: is there room for one more? If not, it will be woken when there is. */
bool kith_lan_shared_has_room(struct kith_lan_shared *shared);
/* LAN thread: with room. */
void kith_lan_shared_tell(struct kith_lan_shared *shared, const struct kith_lan_peer *peer,
                          bool present);
/* LAN thread: the newest state replaces one not yet taken; the same again is nothing new. */
void kith_lan_shared_tell_state(struct kith_lan_shared *shared, enum kith_lan_state state,
                                const char *text);
/* LAN thread: the next instance to ask for anew. */
bool kith_lan_shared_take_refresh(struct kith_lan_shared *shared, char instance[64]);
bool kith_lan_shared_closing(struct kith_lan_shared *shared);
/* LAN thread: it touches nothing of the node any more, and ends. Wakes the node. */
void kith_lan_shared_end(struct kith_lan_shared *shared);

/* Node: the next news. */
bool kith_lan_shared_take(struct kith_lan_shared *shared, struct kith_lan_news *ret);
bool kith_lan_shared_take_state(struct kith_lan_shared *shared, enum kith_lan_state *ret,
                                char text[KITH_LAN_STATE_TEXT_SIZE]);
void kith_lan_shared_refresh(struct kith_lan_shared *shared, const char *instance);
/* Node: asks the LAN thread to end, which wakes the node once more. Never waits. What was told and
 * not taken is gone. */
void kith_lan_shared_close(struct kith_lan_shared *shared);
/* Node: the LAN thread has left its loop; joining it takes no time. */
bool kith_lan_shared_ended(struct kith_lan_shared *shared);

#endif
