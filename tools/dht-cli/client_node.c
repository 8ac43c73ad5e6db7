/* SPDX-License-Identifier: MIT */
/*
 * The in-process transport: a client-mode node on a loop of its own, spoken to in the same control
 * protocol as the daemon. It listens on free ports, keeps nothing on disk, and is not put into
 * others' tables. It joins through the peers it was given, the seeds file and the local network,
 * and for jobs in the public swarm through nodes of that.
 *
 * Waiting runs the loop until bytes arrived, the deadline's timer fired or a signal came. Signals
 * are blocked by client_catch_signals(); here they are unblocked and left to uv_signal, which wakes
 * the loop.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "kith/kith.h"
#include "shell/control.h"

#include "client.h"
#include "common/paths.h"
#include "common/seeds.h"

enum {
    N_SIGNALS = 2,
    LAN_MS =
        2500, /* browsing takes a quarter of a second; a lost multicast is repeated after one */
    LEFT_MS = 100, /* for the resolver, once the node is closed */
};

struct node_transport {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t signals[N_SIGNALS];
    struct kith_node *node;
    struct kith_control *control;
    struct client *client;
    struct seeds seeds;
    bool mainline_only;
    bool ready;
    bool fed;
    bool late;
};

bool client_left_behind;

static void on_write(void *context, struct kith_span bytes) {
    struct node_transport *transport = context;

    transport->fed = true;
    if (transport->client)
        client_feed(transport->client, bytes.data, bytes.size);
}

static void on_event(struct kith_node *node, const struct kith_event *event, void *user) {
    struct node_transport *transport = user;

    if ((event->kind == KITH_EVENT_MAINLINE && event->n_contacts > 0) ||
        (event->kind == KITH_EVENT_READY && !transport->mainline_only))
        transport->ready = true;
    if (transport->control)
        kith_control_tell(transport->control, event);
}

static void on_timer(uv_timer_t *timer) {
    struct node_transport *transport = timer->data;

    transport->late = true;
}

static void on_signal(uv_signal_t *signal, int number) {
    client_interrupted = number;
}

/* Runs the loop until *flag, the deadline or a signal. */
static int run_until(struct node_transport *transport, const bool *flag, uint64_t deadline_ms) {
    uint64_t now = client_now_ms();

    transport->late = false;
    if (deadline_ms != UINT64_MAX) {
        uv_update_time(&transport->loop);
        uv_timer_start(&transport->timer, on_timer, deadline_ms > now ? deadline_ms - now : 0, 0);
    }
    while (!*flag && !transport->late && !client_interrupted)
        uv_run(&transport->loop, UV_RUN_ONCE);
    uv_timer_stop(&transport->timer);
    if (client_interrupted)
        return KITH_ECANCELED;
    return *flag ? 0 : KITH_ETIMEOUT;
}

static int node_send(void *self, const void *bytes, size_t size) {
    struct node_transport *transport = self;

    transport->fed = false;
    return kith_control_receive(transport->control,
                                (struct kith_span){.data = bytes, .size = size});
}

static int node_wait(void *self, uint64_t deadline_ms) {
    struct node_transport *transport = self;

    transport->fed = false;
    return run_until(transport, &transport->fed, deadline_ms);
}

static void on_left(uv_timer_t *timer) {
    client_left_behind = true;
    uv_stop(timer->loop);
}

/* What may still keep the loop is the resolver: a call cannot be taken back and may take a minute.
 * The timer does not keep the loop, but ends it. */
static void on_closed(void *user) {
    struct node_transport *transport = user;

    uv_update_time(&transport->loop);
    uv_timer_start(&transport->timer, on_left, LEFT_MS, 0);
    uv_unref((uv_handle_t *)&transport->timer);
    for (unsigned i = 0; i < N_SIGNALS; i++)
        uv_close((uv_handle_t *)&transport->signals[i], NULL);
}

static void node_free(void *self) {
    struct node_transport *transport = self;

    transport->client = NULL;
    transport->control = kith_control_free(transport->control);
    if (transport->node)
        kith_node_close(transport->node, on_closed, transport);
    else
        on_closed(transport);
    uv_run(&transport->loop, UV_RUN_DEFAULT);
    seeds_deinit(&transport->seeds);
    if (client_left_behind)
        return; /* the resolver's thread uses the loop */
    uv_close((uv_handle_t *)&transport->timer, NULL);
    uv_run(&transport->loop, UV_RUN_DEFAULT);
    uv_loop_close(&transport->loop);
    free(transport);
}

static const struct client_transport node_transport = {
    .send = node_send,
    .wait = node_wait,
    .free = node_free,
};

static int start_loop(struct node_transport *transport) {
    static const int numbers[N_SIGNALS] = {SIGINT, SIGTERM};
    sigset_t set;

    if (uv_loop_init(&transport->loop) < 0)
        return -1;
    uv_timer_init(&transport->loop, &transport->timer);
    transport->timer.data = transport;
    sigemptyset(&set);
    for (unsigned i = 0; i < N_SIGNALS; i++) {
        uv_signal_init(&transport->loop, &transport->signals[i]);
        uv_signal_start(&transport->signals[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&transport->signals[i]);
        sigaddset(&set, numbers[i]);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return 0;
}

static void on_seed_warning(const char *message, void *user) {
    fprintf(stderr, "dht-cli: %s\n", message);
}

/* The seeds file of this user's daemon helps here too, where there is one. */
static void read_seeds(struct node_transport *transport) {
    char path[4096];
    size_t length;

    if (paths_data_dir(path, sizeof(path)) < 0)
        return;
    length = strlen(path);
    if ((size_t)snprintf(path + length, sizeof(path) - length, "/seeds") < sizeof(path) - length &&
        seeds_read(&transport->seeds, path, on_seed_warning, NULL) < 0)
        transport->seeds = (struct seeds){0};
}

static int open_node(struct node_transport *transport, const struct client_node_options *wanted,
                     struct kith_error_info *info) {
    static const char *const listen[] = {"0.0.0.0:0", "[::]:0"};
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_options options;
    struct kith_key key;
    int r;

    kith_options_init(&options);
    if (wanted->identity) {
        r = kith_identity_load(wanted->identity, seed, &key, info);
        if (r < 0)
            return r;
        options.seed = seed;
    }
    read_seeds(transport);
    options.client = true;
    options.network = wanted->network;
    options.listen = listen;
    options.n_listen = 2;
    options.peers = wanted->peers;
    options.n_peers = wanted->n_peers;
    options.seeds = transport->seeds.items;
    options.n_seeds = transport->seeds.n_items;
    options.mainline = wanted->mainline;
    options.mainline_rendezvous = !wanted->mainline_only;
    options.mainline_bootstrap = wanted->bootstrap;
    options.n_mainline_bootstrap = wanted->n_bootstrap;
    options.on_event = on_event;
    options.user = transport;
    r = kith_node_open(&transport->node, &transport->loop, &options, info);
    if (r == KITH_EIO) { /* a host without IPv6 */
        options.n_listen = 1;
        r = kith_node_open(&transport->node, &transport->loop, &options, info);
    }
    sodium_memzero(seed, sizeof(seed));
    return r;
}

/* Nobody was named: the local network may know somebody, and says so soon or never. */
static int join_lan(struct node_transport *transport, uint64_t patience_ms,
                    struct kith_error_info *info) {
    struct kith_status status;
    int r = KITH_ETIMEOUT;

    kith_node_status(transport->node, &status);
    if (strncmp(status.lan, "off", 3) != 0)
        r = run_until(transport, &transport->ready, client_now_ms() + patience_ms);
    if (r != KITH_ETIMEOUT)
        return r;
    kith_node_status(transport->node, &status);
    snprintf(info->message, sizeof(info->message),
             "no network: nobody to ask (LAN: %s). Give --peer KEY@HOST:PORT, or start kithd",
             strcmp(status.lan, "on") == 0 ? "no peer answers" : status.lan);
    return KITH_ENO_NETWORK;
}

/* A first node is enough to go on; that the neighbourhood is known is better. */
static int join_mainline(struct node_transport *transport, const struct client_node_options *wanted,
                         struct kith_error_info *info) {
    struct kith_status status;
    int r = run_until(transport, &transport->ready, client_now_ms() + wanted->join_ms);

    kith_node_status(transport->node, &status);
    if (r != KITH_ETIMEOUT ||
        status.mainline.families[0].nodes + status.mainline.families[1].nodes > 0)
        return r == KITH_ETIMEOUT ? 0 : r;
    snprintf(info->message, sizeof(info->message),
             "no network: no node of Mainline answered within %.0f s. Give --mainline-bootstrap "
             "HOST:PORT, or start kithd --mainline",
             (double)wanted->join_ms / 1e3);
    return KITH_ENO_NETWORK;
}

static int join(struct node_transport *transport, const struct client_node_options *wanted,
                struct kith_error_info *info) {
    size_t n = wanted->n_peers + transport->seeds.n_items;
    int r;

    if (wanted->join_ms == 0)
        return 0;
    if (wanted->mainline)
        r = join_mainline(transport, wanted, info);
    else if (n == 0)
        r = join_lan(transport, wanted->join_ms < LAN_MS ? wanted->join_ms : LAN_MS, info);
    else
        r = run_until(transport, &transport->ready, client_now_ms() + wanted->join_ms);
    if (r == KITH_ECANCELED)
        snprintf(info->message, sizeof(info->message), "interrupted");
    if (r != KITH_ETIMEOUT)
        return r;
    snprintf(
        info->message, sizeof(info->message),
        "no network: none of %zu known peers answered within %.0f s (is the network name right?)",
        n, (double)wanted->join_ms / 1e3);
    return KITH_ENO_NETWORK;
}

int client_open_node(struct client **ret_client, const struct client_node_options *options,
                     struct kith_error_info *info) {
    struct node_transport *transport = calloc(1, sizeof(*transport));
    struct client *client;
    int r;

    if (!transport)
        return KITH_ENOMEM;
    if (sodium_init() < 0 || start_loop(transport) < 0) {
        free(transport);
        return KITH_EINTERNAL;
    }
    transport->mainline_only = options->mainline_only;
    r = open_node(transport, options, info);
    if (r == 0)
        r = kith_control_new(&transport->control, transport->node, on_write, transport);
    if (r == 0)
        r = join(transport, options, info);
    if (r < 0) {
        node_free(transport);
        return r;
    }
    client = client_new(&node_transport, transport); /* takes it in any case */
    if (!client)
        return KITH_ENOMEM;
    transport->client = client;
    *ret_client = client;
    return 0;
}
