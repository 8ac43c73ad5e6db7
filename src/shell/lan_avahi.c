/* SPDX-License-Identifier: MIT */
/*
 * lan_avahi: the LAN thread, its Avahi client, and the public face of lan.h.
 *
 * libavahi-client is asynchronous in its results only: making a client, a group, a browser or a
 * resolver is a D-Bus round trip, 0.3 ms with a healthy daemon and 25 s with a hung one. Hence the
 * thread: the node's loop never waits for Avahi.
 *
 * The client. A missing bus makes avahi_client_new() fail: tried again with growing pauses. A
 * missing daemon leaves it CONNECTING, which is left by itself when the daemon comes; but a client
 * made while the daemon hung stays there for ever, so it is replaced after half a minute. FAILURE
 * (daemon or bus died) is final for a client, and no goodbyes come: everything is forgotten, a new
 * one made.
 *
 * The end. avahi_client_free() cuts the D-Bus connection first and so cannot block; the daemon then
 * withdraws our service. The node's loop does not wait: the thread's last word wakes it, and what
 * is left to join then is a thread on its way out. One that hangs in a call and says nothing for
 * half a second is detached. It owns its loop and everything on it, and shares only the counted
 * kith_lan_shared, which goes with whoever is last.
 */
#include "shell/lan_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <avahi-common/error.h>
#include <sodium/randombytes.h>

enum {
    NS_PER_MS = 1000000,
    CONNECTING_MAX_MS = 30000,
    RETRY_FIRST_MS = 200,
    RETRY_DOUBLINGS_MAX = 7,   /* 25.6 s */
    RUNNING_STABLE_MS = 10000, /* after which a failure is the first again */
    CLOSE_PATIENCE_MS = 500,
};

struct kith_lan {
    struct kith_lan_shared *shared;
    uv_thread_t thread;
    uv_async_t news; /* on the node's loop */
    uv_timer_t patience;
    unsigned n_open; /* handles of these two */
    bool closing;
    bool gone; /* the thread was joined or left alone */
    void (*on_peer)(void *context, const struct kith_lan_peer *peer, bool present);
    void (*on_state)(void *context, enum kith_lan_state state, const char *text);
    void *context;
    void (*done)(void *context);
    void *done_context;
};

uint64_t kith_lan_thread_now(void) {
    return uv_hrtime() / NS_PER_MS;
}

/* ---- the client ---- */

static void on_client(AvahiClient *client, AvahiClientState state, void *userdata) {
    struct kith_lan_thread *thread = userdata;

    thread->client_failed = thread->client_failed || state == AVAHI_CLIENT_FAILURE;
    thread->client_state = state;
    kith_lan_thread_wake(thread);
}

static void client_retry_later(struct kith_lan_thread *thread, uint64_t now, int error) {
    char text[KITH_LAN_STATE_TEXT_SIZE];
    unsigned doublings =
        thread->n_retries < RETRY_DOUBLINGS_MAX ? thread->n_retries : RETRY_DOUBLINGS_MAX;

    thread->n_retries++;
    thread->retry_at = now + ((uint64_t)RETRY_FIRST_MS << doublings);
    snprintf(text, sizeof(text), "no Avahi: %s", avahi_strerror(error));
    kith_lan_shared_tell_state(thread->shared, KITH_LAN_WAITING, text);
}

static void client_drop(struct kith_lan_thread *thread) {
    kith_lan_browse_forget(thread);
    kith_lan_publish_forget(thread);
    if (thread->client != NULL) {
        avahi_client_free(thread->client);
    }
    thread->client = NULL;
    thread->client_failed = false;
    thread->client_state = AVAHI_CLIENT_CONNECTING;
    thread->connect_by = KITH_LAN_NEVER;
    thread->running_since = 0;
}

static void client_make(struct kith_lan_thread *thread) {
    int error = 0;

    thread->client_state = AVAHI_CLIENT_CONNECTING;
    thread->client_failed = false;
    thread->client = avahi_client_new(kith_lan_poll_api(thread->poll), AVAHI_CLIENT_NO_FAIL,
                                      on_client, thread, &error);
    if (thread->client == NULL) {
        client_retry_later(thread, kith_lan_thread_now(), error);
    } else { /* it may have taken 25 s */
        thread->connect_by = kith_lan_thread_now() + CONNECTING_MAX_MS;
    }
}

static void client_failed(struct kith_lan_thread *thread, uint64_t now) {
    int error = thread->client_failed ? avahi_client_errno(thread->client) : AVAHI_ERR_TIMEOUT;

    if (thread->running_since != 0 && now - thread->running_since >= RUNNING_STABLE_MS) {
        thread->n_retries = 0;
    }
    client_drop(thread);
    client_retry_later(thread, now, error);
}

static void client_running(struct kith_lan_thread *thread, uint64_t now) {
    if (thread->running_since == 0) {
        thread->running_since = now;
        kith_lan_shared_tell_state(thread->shared, KITH_LAN_RUNNING,
                                   thread->publish ? "announcing" : "browsing");
    }
    thread->connect_by = KITH_LAN_NEVER;
    kith_lan_publish_step(thread, now);
}

static void client_step(struct kith_lan_thread *thread, uint64_t now) {
    if (thread->client != NULL && (thread->client_failed || now >= thread->connect_by)) {
        client_failed(thread, now);
    }
    if (thread->client == NULL && now >= thread->retry_at) {
        client_make(thread);
    }
    if (thread->client == NULL || thread->client_failed) {
        return;
    }
    switch (thread->client_state) {
    case AVAHI_CLIENT_S_RUNNING:
        client_running(thread, now);
        break;
    case AVAHI_CLIENT_S_REGISTERING: /* the host's name is being probed, or changes */
    case AVAHI_CLIENT_S_COLLISION:
        thread->connect_by = KITH_LAN_NEVER;
        kith_lan_publish_suspend(thread);
        break;
    case AVAHI_CLIENT_CONNECTING:
        kith_lan_shared_tell_state(thread->shared, KITH_LAN_WAITING, "waiting for avahi-daemon");
        break;
    case AVAHI_CLIENT_FAILURE: /* handled above */
        break;
    }
}

/* ---- steps ---- */

static void on_timer(uv_timer_t *timer);

void kith_lan_thread_wake(struct kith_lan_thread *thread) {
    if (!thread->stopping) {
        thread->woken = true;
        (void)uv_timer_start(&thread->timer, on_timer, 0, 0);
    }
}

static uint64_t thread_deadline(const struct kith_lan_thread *thread) {
    uint64_t at = kith_lan_browse_deadline(thread);
    uint64_t client_at = thread->client == NULL ? thread->retry_at : thread->connect_by;

    at = client_at < at ? client_at : at;
    if (thread->client != NULL && thread->client_state == AVAHI_CLIENT_S_RUNNING) {
        uint64_t publish_at = kith_lan_publish_deadline(thread);
        at = publish_at < at ? publish_at : at;
    }
    return at;
}

static void thread_arm(struct kith_lan_thread *thread) {
    uint64_t at = thread_deadline(thread);

    if (thread->woken) {
        return;
    }
    if (at == KITH_LAN_NEVER) {
        (void)uv_timer_stop(&thread->timer);
        return;
    }
    uv_update_time(&thread->loop); /* the step may have blocked */
    uint64_t now = kith_lan_thread_now();
    (void)uv_timer_start(&thread->timer, on_timer, at > now ? at - now : 0, 0);
}

static void thread_stop(struct kith_lan_thread *thread) {
    thread->stopping = true;
    client_drop(thread);
    kith_lan_poll_free(thread->poll);
    kith_lan_shared_set_thread(thread->shared, NULL);
    uv_close((uv_handle_t *)&thread->wake, NULL);
    uv_close((uv_handle_t *)&thread->timer, NULL);
}

static void on_timer(uv_timer_t *timer) {
    struct kith_lan_thread *thread = timer->data;
    char instance[KITH_LAN_INSTANCE_SIZE];
    uint64_t now = kith_lan_thread_now();

    thread->woken = false;
    if (kith_lan_shared_closing(thread->shared)) {
        thread_stop(thread);
        return;
    }
    client_step(thread, now);
    while (kith_lan_shared_take_refresh(thread->shared, instance)) {
        kith_lan_browse_refresh(thread, instance, now);
    }
    kith_lan_browse_step(thread, now);
    thread_arm(thread);
}

static void on_wake(uv_async_t *async) {
    kith_lan_thread_wake(async->data);
}

/* ---- the thread ---- */

static void thread_free(struct kith_lan_thread *thread) {
    kith_lan_peers_deinit(&thread->peers);
    kith_lan_filter_deinit(&thread->filter);
    free(thread);
}

static void thread_main(void *arg) {
    struct kith_lan_thread *thread = arg;
    struct kith_lan_shared *shared = thread->shared;

    (void)pthread_setname_np(pthread_self(), "kith-lan");
    kith_lan_thread_wake(thread);
    (void)uv_run(&thread->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&thread->loop);
    thread_free(thread);
    kith_lan_shared_end(shared);
    kith_lan_shared_unref(shared);
}

static int thread_settings(struct kith_lan_thread *thread, const struct kith_lan_config *config,
                           const char *instance) {
    uint8_t chance[KITH_LAN_NAME_CHANCE_SIZE];

    thread->key = config->key;
    thread->publish = config->publish;
    thread->hide_key = config->hide_key;
    thread->port = config->port;
    thread->port_v6 = config->port_v6;
    kith_lan_subtype(config->network, thread->subtype);
    if (instance != NULL && kith_lan_instance_valid(instance)) {
        memcpy(thread->instance, instance, strlen(instance) + 1);
    } else {
        randombytes_buf(chance, sizeof(chance));
        kith_lan_instance_from(chance, thread->instance);
    }
    return kith_lan_filter_init(&thread->filter, config->allow, config->n_allow, config->deny,
                                config->n_deny);
}

/* The loop and the handles of a thread that does not run yet. -> KITH_ENOMEM, KITH_EIO */
static int thread_init_loop(struct kith_lan_thread *thread) {
    if (uv_loop_init(&thread->loop) != 0) {
        return KITH_EIO;
    }
    int r = kith_lan_poll_new(&thread->poll, &thread->loop);
    if (r == 0 && uv_async_init(&thread->loop, &thread->wake, on_wake) != 0) {
        kith_lan_poll_free(thread->poll);
        r = KITH_EIO;
    }
    if (r < 0) {
        (void)uv_loop_close(&thread->loop);
        return r;
    }
    (void)uv_timer_init(&thread->loop, &thread->timer); /* cannot fail */
    thread->wake.data = thread;
    thread->timer.data = thread;
    return 0;
}

static int thread_new(struct kith_lan_thread **ret, struct kith_lan_shared *shared,
                      const struct kith_lan_config *config, const char *instance) {
    struct kith_lan_thread *thread = calloc(1, sizeof(*thread));

    if (thread == NULL) {
        return KITH_ENOMEM;
    }
    thread->shared = shared;
    thread->client_state = AVAHI_CLIENT_CONNECTING;
    thread->connect_by = KITH_LAN_NEVER;
    thread->resolve_at = KITH_LAN_NEVER;
    thread->yield_at = KITH_LAN_NEVER;
    kith_list_init(&thread->queue);
    kith_lan_peers_init(&thread->peers, &config->key);
    int r = thread_settings(thread, config, instance);
    if (r == 0) {
        r = thread_init_loop(thread);
    }
    if (r < 0) {
        thread_free(thread);
        return r;
    }
    kith_lan_shared_set_thread(shared, &thread->wake);
    *ret = thread;
    return 0;
}

/* Of one that was never started. */
static void thread_discard(struct kith_lan_thread *thread) {
    thread_stop(thread);
    (void)uv_run(&thread->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&thread->loop);
    thread_free(thread);
}

/* Signals are the application's business: none is delivered to this thread. */
static int thread_start(uv_thread_t *ret, struct kith_lan_thread *thread) {
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = uv_thread_create(ret, thread_main, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status == 0 ? 0 : KITH_EIO;
}

/* ---- the node's side ---- */

static void on_closed(uv_handle_t *handle) {
    struct kith_lan *lan = handle->data;

    if (--lan->n_open > 0) {
        return;
    }
    kith_lan_shared_unref(lan->shared);
    if (lan->done != NULL) {
        lan->done(lan->done_context);
    }
    free(lan);
}

static void close_handles(struct kith_lan *lan) {
    lan->gone = true;
    kith_lan_shared_set_node(lan->shared, NULL);
    uv_close((uv_handle_t *)&lan->news, on_closed);
    uv_close((uv_handle_t *)&lan->patience, on_closed);
}

/* It hangs in a call that may last 25 s. */
static void on_patience(uv_timer_t *timer) {
    struct kith_lan *lan = timer->data;

    if (!lan->gone) {
        (void)pthread_detach(lan->thread);
        close_handles(lan);
    }
}

/* A callback may close the source. */
static void on_news(uv_async_t *async) {
    struct kith_lan *lan = async->data;
    struct kith_lan_news news;
    char text[KITH_LAN_STATE_TEXT_SIZE];
    enum kith_lan_state state;

    if (!lan->closing && kith_lan_shared_take_state(lan->shared, &state, text)) {
        lan->on_state(lan->context, state, text);
    }
    while (!lan->closing && kith_lan_shared_take(lan->shared, &news)) {
        lan->on_peer(lan->context, &news.peer, news.present);
    }
    if (lan->closing && !lan->gone && kith_lan_shared_ended(lan->shared)) {
        (void)uv_thread_join(&lan->thread);
        close_handles(lan);
    }
}

/* Both handles or none. -> KITH_EIO */
static int lan_init_handles(struct kith_lan *lan, uv_loop_t *loop) {
    if (uv_async_init(loop, &lan->news, on_news) != 0) {
        return KITH_EIO;
    }
    (void)uv_timer_init(loop, &lan->patience); /* cannot fail */
    lan->news.data = lan;
    lan->patience.data = lan;
    lan->n_open = 2;
    return 0;
}

static int lan_start(struct kith_lan *lan, const struct kith_lan_config *config,
                     const char *instance) {
    struct kith_lan_thread *thread;
    int r = thread_new(&thread, lan->shared, config, instance);

    if (r < 0) {
        return r;
    }
    r = lan_init_handles(lan, config->loop);
    if (r < 0) {
        thread_discard(thread);
        return r;
    }
    kith_lan_shared_set_node(lan->shared, &lan->news);
    r = thread_start(&lan->thread, thread);
    if (r < 0) {
        thread_discard(thread);
        lan->closing = true;
        kith_lan_shared_unref(lan->shared); /* the thread's */
        close_handles(lan);
    }
    return r;
}

int kith_lan_open_as(struct kith_lan **ret, const struct kith_lan_config *config,
                     const char *instance) {
    struct kith_lan *lan = calloc(1, sizeof(*lan));
    int r = lan == NULL ? KITH_ENOMEM : kith_lan_shared_new(&lan->shared);

    if (r < 0) {
        free(lan);
        return r;
    }
    lan->on_peer = config->on_peer;
    lan->on_state = config->on_state;
    lan->context = config->context;
    r = lan_start(lan, config, instance);
    if (r == 0) {
        *ret = lan;
    } else if (lan->n_open == 0) { /* else the loop frees it */
        kith_lan_shared_unref(lan->shared);
        kith_lan_shared_unref(lan->shared);
        free(lan);
    }
    return r;
}

int kith_lan_open(struct kith_lan **ret, const struct kith_lan_config *config) {
    return kith_lan_open_as(ret, config, NULL);
}

void kith_lan_refresh(struct kith_lan *lan, const char *instance) {
    kith_lan_shared_refresh(lan->shared, instance);
}

uint64_t kith_lan_n_dropped(const struct kith_lan *lan, enum kith_lan_drop why) {
    return kith_lan_shared_n_dropped(lan->shared, why);
}

void kith_lan_close(struct kith_lan *lan, void (*done)(void *context), void *context) {
    lan->closing = true;
    lan->done = done;
    lan->done_context = context;
    kith_lan_shared_close(lan->shared);
    uv_update_time(lan->patience.loop); /* the call that closes may have taken its time */
    (void)uv_timer_start(&lan->patience, on_patience, CLOSE_PATIENCE_MS, 0);
}
