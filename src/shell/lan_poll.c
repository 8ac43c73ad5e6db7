/* SPDX-License-Identifier: MIT */
/*
 * lan_poll: Avahi's watches and timeouts as libuv handles.
 *
 * Descriptors, not watches, own the uv_poll_t: libdbus has a read and a write watch on one socket,
 * and libuv allows one handle per descriptor. A `lan_fd` holds the handle and the watches that
 * share it; the handle polls for the union of what they want.
 *
 * Lifetimes. Watches and timeouts are freed from inside their own callbacks (always when the bus
 * is lost), and the descriptor is closed and its number reused directly afterwards. So the handle
 * leaves epoll before watch_free returns (uv_close does that synchronously) while its memory goes
 * in the close callback; a watch that is freed while its descriptor's events are being handed out
 * is only marked, and goes when that is done. The adapter itself is counted: one for its owner, one
 * for every open handle.
 *
 * Time. Avahi's timeouts are absolute wall-clock times, libuv's are relative to the loop's cached
 * monotonic time. The difference is taken when a timeout is armed, rounded up, and corrected
 * by the age of the cache, which is up to 25 s after a blocking D-Bus call.
 */
#include "shell/lan_poll.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/time.h>

#include "util/list.h"

enum {
    WATCH_EVENTS = AVAHI_WATCH_IN | AVAHI_WATCH_OUT | AVAHI_WATCH_ERR | AVAHI_WATCH_HUP,
    ERRORS_MAX = 8, /* in a row, after which a broken descriptor is no longer polled */
    MS_PER_S = 1000,
    US_PER_MS = 1000,
    NS_PER_MS = 1000000,
};

struct kith_lan_poll {
    AvahiPoll api;
    uv_loop_t *loop;
    size_t n_refs;
    struct kith_list fds;
};

struct lan_fd {
    struct kith_list node; /* in kith_lan_poll.fds */
    struct kith_lan_poll *poll;
    uv_poll_t handle;
    int fd;
    unsigned n_errors; /* since the last good event */
    bool delivering;
    struct kith_list watches; /* while delivering, dead ones too */
};

struct AvahiWatch {
    struct kith_list node;
    struct lan_fd *at;
    unsigned wanted;
    unsigned happened; /* during the callback */
    bool dead;
    AvahiWatchCallback callback;
    void *userdata;
};

struct AvahiTimeout {
    uv_timer_t handle;
    struct kith_lan_poll *poll;
    AvahiTimeoutCallback callback;
    void *userdata;
};

static void poll_unref(struct kith_lan_poll *poll) {
    if (--poll->n_refs == 0) {
        free(poll);
    }
}

/* ---- descriptors ---- */

static struct AvahiWatch *watch_of(struct kith_list *node) {
    return kith_container_of(node, struct AvahiWatch, node);
}

static void fd_on_closed(uv_handle_t *handle) {
    struct lan_fd *at = handle->data;

    poll_unref(at->poll);
    free(at);
}

static unsigned fd_uv_mask(const struct lan_fd *at) {
    unsigned mask = 0;

    for (struct kith_list *n = kith_list_first(&at->watches); n != NULL;
         n = kith_list_next(&at->watches, n)) {
        const struct AvahiWatch *watch = watch_of(n);
        if (watch->dead) {
            continue;
        }
        mask |= watch->wanted & AVAHI_WATCH_IN ? UV_READABLE : 0;
        mask |= watch->wanted & AVAHI_WATCH_OUT ? UV_WRITABLE : 0;
        mask |= watch->wanted & AVAHI_WATCH_HUP ? UV_DISCONNECT : 0;
    }
    return mask;
}

static bool fd_has_watches(const struct lan_fd *at) {
    for (struct kith_list *n = kith_list_first(&at->watches); n != NULL;
         n = kith_list_next(&at->watches, n)) {
        if (!watch_of(n)->dead) {
            return true;
        }
    }
    return false;
}

static void fd_bury(struct lan_fd *at) {
    struct kith_list *next;

    for (struct kith_list *n = kith_list_first(&at->watches); n != NULL; n = next) {
        struct AvahiWatch *watch = watch_of(n);
        next = kith_list_next(&at->watches, n);
        if (watch->dead) {
            kith_list_remove(n);
            free(watch);
        }
    }
}

/* What a watch is told. Avahi insists on IN or OUT beside ERR; HUP comes from libuv as readable. */
static unsigned watch_events(const struct AvahiWatch *watch, int status, int events) {
    const unsigned io = AVAHI_WATCH_IN | AVAHI_WATCH_OUT;
    unsigned happened = 0;

    if (status < 0) {
        return (watch->wanted & io) | AVAHI_WATCH_ERR;
    }
    happened |= events & UV_READABLE ? AVAHI_WATCH_IN : 0;
    happened |= events & UV_WRITABLE ? AVAHI_WATCH_OUT : 0;
    happened |= events & UV_DISCONNECT ? AVAHI_WATCH_HUP : 0;
    return happened & watch->wanted;
}

/* To the watches there were when the event came: those that a callback adds are behind them. No
 * node leaves the list meanwhile, so it can be walked on from a watch that freed itself. */
static void fd_deliver(struct lan_fd *at, int status, int events) {
    struct kith_list *end = &at->watches;
    struct kith_list *last = at->watches.prev;

    at->delivering = true;
    for (struct kith_list *n = at->watches.next; n != end; n = n == last ? end : n->next) {
        struct AvahiWatch *watch = watch_of(n);
        watch->happened = watch->dead ? 0 : watch_events(watch, status, events);
        if (watch->happened != 0) {
            watch->callback(watch, at->fd, (AvahiWatchEvent)watch->happened, watch->userdata);
            watch->happened = 0;
        }
    }
    at->delivering = false;
    fd_bury(at);
}

static void fd_on_event(uv_poll_t *handle, int status, int events);

static int fd_restart(struct lan_fd *at) {
    unsigned mask = fd_uv_mask(at);

    return mask == 0 ? uv_poll_stop(&at->handle)
                     : uv_poll_start(&at->handle, (int)mask, fd_on_event);
}

static void fd_on_event(uv_poll_t *handle, int status, int events) {
    struct lan_fd *at = handle->data;

    at->n_errors = status < 0 ? at->n_errors + 1 : 0;
    fd_deliver(at, status, events);
    /* libuv stops a handle at EPOLLERR, which may be a passing error (ICMP on a socket). */
    if (status < 0 && at->n_errors <= ERRORS_MAX && !uv_is_closing((uv_handle_t *)handle)) {
        (void)fd_restart(at);
    }
}

static struct lan_fd *fd_find(struct kith_lan_poll *poll, int fd) {
    for (struct kith_list *n = kith_list_first(&poll->fds); n != NULL;
         n = kith_list_next(&poll->fds, n)) {
        struct lan_fd *at = kith_container_of(n, struct lan_fd, node);
        if (at->fd == fd) {
            return at;
        }
    }
    return NULL;
}

static struct lan_fd *fd_new(struct kith_lan_poll *poll, int fd) {
    struct lan_fd *at = calloc(1, sizeof(*at));

    if (at == NULL) {
        return NULL;
    }
    if (uv_poll_init(poll->loop, &at->handle, fd) != 0) { /* a regular file, a closed number */
        free(at);
        return NULL;
    }
    at->handle.data = at;
    at->poll = poll;
    at->fd = fd;
    kith_list_init(&at->watches);
    kith_list_append(&poll->fds, &at->node);
    poll->n_refs++;
    return at;
}

static void fd_close(struct lan_fd *at) {
    kith_list_remove(&at->node);
    uv_close((uv_handle_t *)&at->handle, fd_on_closed);
}

/* ---- watches ---- */

static void poll_watch_free(AvahiWatch *watch) {
    struct lan_fd *at = watch->at;

    watch->dead = true;
    if (!fd_has_watches(at)) {
        fd_close(at);
    } else {
        (void)fd_restart(at);
    }
    if (!at->delivering) {
        kith_list_remove(&watch->node);
        free(watch);
    }
}

static AvahiWatch *poll_watch_new(const AvahiPoll *api, int fd, AvahiWatchEvent events,
                                  AvahiWatchCallback callback, void *userdata) {
    struct kith_lan_poll *poll = api->userdata;
    struct AvahiWatch *watch = calloc(1, sizeof(*watch));
    struct lan_fd *at = watch == NULL ? NULL : fd_find(poll, fd);

    if (watch != NULL && at == NULL) {
        at = fd_new(poll, fd);
    }
    if (at == NULL) {
        free(watch);
        return NULL;
    }
    watch->at = at;
    watch->wanted = (unsigned)events & WATCH_EVENTS;
    watch->callback = callback;
    watch->userdata = userdata;
    kith_list_append(&at->watches, &watch->node);
    if (fd_restart(at) != 0) {
        poll_watch_free(watch);
        return NULL;
    }
    return watch;
}

/* libavahi may pass bits of libdbus here; what is not Avahi's is left out. */
static void poll_watch_update(AvahiWatch *watch, AvahiWatchEvent events) {
    watch->wanted = (unsigned)events & WATCH_EVENTS;
    (void)fd_restart(watch->at);
}

static AvahiWatchEvent poll_watch_get_events(AvahiWatch *watch) {
    return (AvahiWatchEvent)watch->happened;
}

/* ---- timeouts ---- */

uint64_t kith_lan_poll_delay_ms(const struct timeval *at, const struct timeval *now) {
    const int64_t us_per_s = (int64_t)MS_PER_S * US_PER_MS;
    const int64_t s_max = INT64_MAX / us_per_s / 2;
    int64_t s = (int64_t)at->tv_sec - (int64_t)now->tv_sec;

    if (s < -1) {
        return 0;
    }
    s = s > s_max ? s_max : s;
    int64_t us = s * us_per_s + at->tv_usec - now->tv_usec;
    return us <= 0 ? 0 : ((uint64_t)us + US_PER_MS - 1) / US_PER_MS;
}

/* The callback may free the timeout: nothing is touched after it. */
static void timeout_on_fire(uv_timer_t *handle) {
    struct AvahiTimeout *timeout = handle->data;

    timeout->callback(timeout, timeout->userdata);
}

static void timeout_on_closed(uv_handle_t *handle) {
    struct AvahiTimeout *timeout = handle->data;

    poll_unref(timeout->poll);
    free(timeout);
}

static void poll_timeout_update(AvahiTimeout *timeout, const struct timeval *tv) {
    uv_loop_t *loop = timeout->poll->loop;
    struct timeval now;

    if (tv == NULL) {
        (void)uv_timer_stop(&timeout->handle);
        return;
    }
    (void)gettimeofday(&now, NULL);
    uint64_t delay = kith_lan_poll_delay_ms(tv, &now);
    if (delay > 0) { /* libuv counts from its cached time, which may be old */
        uint64_t monotonic = uv_hrtime() / NS_PER_MS;
        uint64_t cached = uv_now(loop);
        delay += monotonic > cached ? monotonic - cached : 0;
    }
    (void)uv_timer_start(&timeout->handle, timeout_on_fire, delay, 0);
}

static AvahiTimeout *poll_timeout_new(const AvahiPoll *api, const struct timeval *tv,
                                      AvahiTimeoutCallback callback, void *userdata) {
    struct kith_lan_poll *poll = api->userdata;
    struct AvahiTimeout *timeout = calloc(1, sizeof(*timeout));

    if (timeout == NULL) {
        return NULL;
    }
    (void)uv_timer_init(poll->loop, &timeout->handle); /* cannot fail */
    timeout->handle.data = timeout;
    timeout->poll = poll;
    timeout->callback = callback;
    timeout->userdata = userdata;
    poll->n_refs++;
    poll_timeout_update(timeout, tv);
    return timeout;
}

static void poll_timeout_free(AvahiTimeout *timeout) {
    uv_close((uv_handle_t *)&timeout->handle, timeout_on_closed);
}

/* ---- the adapter ---- */

int kith_lan_poll_new(struct kith_lan_poll **ret, uv_loop_t *loop) {
    struct kith_lan_poll *poll = calloc(1, sizeof(*poll));

    if (poll == NULL) {
        return KITH_ENOMEM;
    }
    poll->api = (AvahiPoll){
        .userdata = poll,
        .watch_new = poll_watch_new,
        .watch_update = poll_watch_update,
        .watch_get_events = poll_watch_get_events,
        .watch_free = poll_watch_free,
        .timeout_new = poll_timeout_new,
        .timeout_update = poll_timeout_update,
        .timeout_free = poll_timeout_free,
    };
    poll->loop = loop;
    poll->n_refs = 1;
    kith_list_init(&poll->fds);
    *ret = poll;
    return 0;
}

void kith_lan_poll_free(struct kith_lan_poll *poll) {
    if (poll != NULL) {
        poll_unref(poll);
    }
}

const AvahiPoll *kith_lan_poll_api(const struct kith_lan_poll *poll) {
    return &poll->api;
}
