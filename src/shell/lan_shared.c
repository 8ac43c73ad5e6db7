/* SPDX-License-Identifier: MIT */
/*
 * lan_shared: the seam between the node's loop and the LAN thread.
 *
 * Waking goes through uv_async_send(), which may be called from any thread but not on a closed
 * handle. Each side therefore lends its handle here and takes it back, under the mutex, before it
 * closes it. A LAN thread that hangs in a D-Bus call when the node is closed finds, when it comes
 * back, this object and nothing else of the node.
 *
 * The queue of news is not allowed to lose any: the LAN thread asks for room first, and keeps what
 * it has to tell in lan_peers, where it coalesces, until it is woken again.
 */
#include "shell/lan_shared.h"

#include <stdlib.h>
#include <string.h>

enum { INSTANCE_SIZE = sizeof(((struct kith_lan_peer *)0)->instance) };

struct kith_lan_shared {
    uv_mutex_t mutex; /* for all below */
    unsigned n_refs;
    uv_async_t *node;
    uv_async_t *thread;
    bool closing;
    bool ended;
    bool starved; /* the LAN thread waits for room */
    uint64_t n_dropped[KITH_LAN_DROPS];
    bool state_new;
    enum kith_lan_state state;
    char text[KITH_LAN_STATE_TEXT_SIZE];
    size_t first_refresh;
    size_t n_refreshes;
    char refreshes[KITH_LAN_REFRESHES_MAX][INSTANCE_SIZE];
    size_t first_news;
    size_t n_news;
    struct kith_lan_news news[KITH_LAN_EVENTS_MAX];
};

int kith_lan_shared_new(struct kith_lan_shared **ret) {
    struct kith_lan_shared *shared = calloc(1, sizeof(*shared));

    if (shared == NULL || uv_mutex_init(&shared->mutex) != 0) {
        free(shared);
        return KITH_ENOMEM;
    }
    shared->n_refs = 2;
    shared->state = KITH_LAN_OFF;
    *ret = shared;
    return 0;
}

void kith_lan_shared_unref(struct kith_lan_shared *shared) {
    uv_mutex_lock(&shared->mutex);
    unsigned left = --shared->n_refs;
    uv_mutex_unlock(&shared->mutex);
    if (left == 0) {
        uv_mutex_destroy(&shared->mutex);
        free(shared);
    }
}

static void wake(uv_async_t *side) {
    if (side != NULL) {
        (void)uv_async_send(side); /* fails only on handles that are not asyncs */
    }
}

void kith_lan_shared_set_node(struct kith_lan_shared *shared, uv_async_t *node) {
    uv_mutex_lock(&shared->mutex);
    shared->node = node;
    uv_mutex_unlock(&shared->mutex);
}

void kith_lan_shared_set_thread(struct kith_lan_shared *shared, uv_async_t *thread) {
    uv_mutex_lock(&shared->mutex);
    shared->thread = thread;
    uv_mutex_unlock(&shared->mutex);
}

void kith_lan_shared_count_drop(struct kith_lan_shared *shared, enum kith_lan_drop why) {
    uv_mutex_lock(&shared->mutex);
    shared->n_dropped[why]++;
    uv_mutex_unlock(&shared->mutex);
}

uint64_t kith_lan_shared_n_dropped(struct kith_lan_shared *shared, enum kith_lan_drop why) {
    uv_mutex_lock(&shared->mutex);
    uint64_t n = shared->n_dropped[why];
    uv_mutex_unlock(&shared->mutex);
    return n;
}

/* ---- the LAN thread's side ---- */

bool kith_lan_shared_has_room(struct kith_lan_shared *shared) {
    uv_mutex_lock(&shared->mutex);
    bool room = shared->n_news < KITH_LAN_EVENTS_MAX;
    shared->starved = !room;
    uv_mutex_unlock(&shared->mutex);
    return room;
}

void kith_lan_shared_tell(struct kith_lan_shared *shared, const struct kith_lan_peer *peer,
                          bool present) {
    uv_mutex_lock(&shared->mutex);
    if (!shared->closing && shared->n_news < KITH_LAN_EVENTS_MAX) {
        size_t at = (shared->first_news + shared->n_news++) % KITH_LAN_EVENTS_MAX;
        shared->news[at] = (struct kith_lan_news){.present = present, .peer = *peer};
        wake(shared->node);
    }
    uv_mutex_unlock(&shared->mutex);
}

void kith_lan_shared_tell_state(struct kith_lan_shared *shared, enum kith_lan_state state,
                                const char *text) {
    uv_mutex_lock(&shared->mutex);
    if (!shared->closing &&
        (shared->state != state || strncmp(shared->text, text, sizeof(shared->text) - 1) != 0)) {
        shared->state = state;
        memset(shared->text, 0, sizeof(shared->text));
        memcpy(shared->text, text, strnlen(text, sizeof(shared->text) - 1));
        shared->state_new = true;
        wake(shared->node);
    }
    uv_mutex_unlock(&shared->mutex);
}

bool kith_lan_shared_take_refresh(struct kith_lan_shared *shared, char instance[64]) {
    uv_mutex_lock(&shared->mutex);
    bool any = shared->n_refreshes > 0;
    if (any) {
        memcpy(instance, shared->refreshes[shared->first_refresh], INSTANCE_SIZE);
        shared->first_refresh = (shared->first_refresh + 1) % KITH_LAN_REFRESHES_MAX;
        shared->n_refreshes--;
    }
    uv_mutex_unlock(&shared->mutex);
    return any;
}

bool kith_lan_shared_closing(struct kith_lan_shared *shared) {
    uv_mutex_lock(&shared->mutex);
    bool closing = shared->closing;
    uv_mutex_unlock(&shared->mutex);
    return closing;
}

void kith_lan_shared_end(struct kith_lan_shared *shared) {
    uv_mutex_lock(&shared->mutex);
    shared->ended = true;
    wake(shared->node);
    uv_mutex_unlock(&shared->mutex);
}

/* ---- the node's side ---- */

bool kith_lan_shared_take(struct kith_lan_shared *shared, struct kith_lan_news *ret) {
    uv_mutex_lock(&shared->mutex);
    bool any = shared->n_news > 0;
    if (any) {
        *ret = shared->news[shared->first_news];
        shared->first_news = (shared->first_news + 1) % KITH_LAN_EVENTS_MAX;
        shared->n_news--;
    }
    if (shared->starved && shared->n_news <= KITH_LAN_EVENTS_MAX / 2) { /* not for each one */
        shared->starved = false;
        wake(shared->thread);
    }
    uv_mutex_unlock(&shared->mutex);
    return any;
}

bool kith_lan_shared_take_state(struct kith_lan_shared *shared, enum kith_lan_state *ret,
                                char text[KITH_LAN_STATE_TEXT_SIZE]) {
    uv_mutex_lock(&shared->mutex);
    bool any = shared->state_new;
    if (any) {
        *ret = shared->state;
        memcpy(text, shared->text, KITH_LAN_STATE_TEXT_SIZE);
        shared->state_new = false;
    }
    uv_mutex_unlock(&shared->mutex);
    return any;
}

void kith_lan_shared_refresh(struct kith_lan_shared *shared, const char *instance) {
    size_t length = strnlen(instance, INSTANCE_SIZE);

    uv_mutex_lock(&shared->mutex);
    if (length == INSTANCE_SIZE || shared->n_refreshes == KITH_LAN_REFRESHES_MAX) {
        shared->n_dropped[KITH_LAN_FULL]++;
    } else {
        size_t at = (shared->first_refresh + shared->n_refreshes++) % KITH_LAN_REFRESHES_MAX;
        memcpy(shared->refreshes[at], instance, length + 1);
        wake(shared->thread);
    }
    uv_mutex_unlock(&shared->mutex);
}

void kith_lan_shared_close(struct kith_lan_shared *shared) {
    uv_mutex_lock(&shared->mutex);
    shared->closing = true;
    shared->n_news = 0;
    shared->state_new = false;
    wake(shared->thread);
    uv_mutex_unlock(&shared->mutex);
}

bool kith_lan_shared_ended(struct kith_lan_shared *shared) {
    uv_mutex_lock(&shared->mutex);
    bool ended = shared->ended;
    uv_mutex_unlock(&shared->mutex);
    return ended;
}
