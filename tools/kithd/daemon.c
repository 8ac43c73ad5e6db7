/* SPDX-License-Identifier: MIT */
/*
 * Life of a daemon. Starting: the node first (it takes the data directory's lock, so a second
 * daemon fails before it can disturb the first one's socket), then the control socket, then the
 * facts on standard error and READY=1. Running: everything happens in libuv callbacks. Ending:
 * close the control server, then the node; handles close in later iterations and the loop runs dry.
 * A timer bounds that, and an alarm behind it where the last writes block the loop: a disk that
 * hangs must not keep a service manager waiting.
 *
 * A service manager may ask for signs of life. They are given by a timer of the same loop that does
 * the work: a loop that hangs gives none, and the daemon is started anew.
 */
#include "daemon.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <uv.h>

#include "kith/kith.h"
#include "shell/control_server.h"

#include "common/json_msgpack.h"
#include "common/paths.h"
#include "common/seeds.h"

enum {
    CLOSE_MAX_MS = 1900, /* SIGTERM to exit: a promise of 2 s, with room for the exit itself */
    ALARM_MS = 1950,     /* a loop that is blocked fires no timer */
    SAVED_MAX_MS = 100,  /* for the resolver */
    N_SIGNALS = 3,
};

struct daemon {
    struct config *config;
    struct log *log;
    uv_loop_t loop;
    uv_signal_t signals[N_SIGNALS];
    uv_timer_t patience; /* runs while closing */
    uv_timer_t watchdog; /* runs where the service manager asks for signs of life */
    struct kith_node *node;
    struct kith_control_server *control;
    bool in_mainline[2]; /* over IPv4, IPv6, as was said last */
    bool saved;          /* the node is closed */
    int status;          /* of the process */
    bool closing;
};

/* ---- what the node tells ---- */

static void on_log(enum kith_log_level level, const char *message, void *user) {
    struct daemon *daemon = user;

    log_say(daemon->log, level, "%s", message);
}

static void say_mainline(struct daemon *daemon) {
    struct kith_status status;
    char observed[KITH_ENDPOINT_TEXT_SIZE] = "";

    kith_node_status(daemon->node, &status);
    for (unsigned i = 0; i < 2; i++) {
        const struct kith_mainline_family_status *family = &status.mainline.families[i];
        if (family->ready == daemon->in_mainline[i])
            continue;
        daemon->in_mainline[i] = family->ready;
        if (!family->ready) {
            log_say(daemon->log, KITH_LOG_WARN,
                    "no node of Mainline answers over IPv%d any more; joining again", i ? 6 : 4);
            continue;
        }
        if (family->observed.family)
            kith_endpoint_format(&family->observed, observed);
        log_say(daemon->log, KITH_LOG_INFO, "joined Mainline over IPv%d: %u contact%s%s%s",
                i ? 6 : 4, family->nodes, family->nodes == 1 ? "" : "s",
                *observed ? "; they see this node at " : "", observed);
        *observed = '\0';
    }
}

static void on_event(struct kith_node *node, const struct kith_event *event, void *user) {
    struct daemon *daemon = user;
    char endpoint[KITH_ENDPOINT_TEXT_SIZE] = "";

    if (event->endpoint.family)
        kith_endpoint_format(&event->endpoint, endpoint);
    switch (event->kind) {
    case KITH_EVENT_READY:
        log_say(daemon->log, KITH_LOG_INFO, "joined the network: %u contact%s after %.1f s",
                event->n_contacts, event->n_contacts == 1 ? "" : "s",
                (double)event->elapsed_ns / 1e9);
        break;
    case KITH_EVENT_LOST:
        log_say(daemon->log, KITH_LOG_WARN, "no contact answers any more; joining again");
        break;
    case KITH_EVENT_MAINLINE:
        say_mainline(daemon);
        break;
    case KITH_EVENT_OBSERVED:
        log_say(daemon->log, KITH_LOG_INFO, "others see this node at %s", endpoint);
        break;
    case KITH_EVENT_PEER_ADDED:
    case KITH_EVENT_PEER_UPDATED:
    case KITH_EVENT_PEER_REMOVED:
        break; /* strangers cause them: no log lines */
    }
    if (daemon->control && !daemon->closing)
        kith_control_server_tell(daemon->control, event);
}

/* The protocol "echo" gives back what it gets: something to talk to when nothing else is installed.
 */
static int on_echo(struct kith_node *node, const struct kith_key *from, const void *bytes,
                   size_t size, void *answer, void *user) {
    memcpy(answer, bytes, size);
    return (int)size;
}

/* ---- seeds ---- */

static void on_seed_warning(const char *message, void *user) {
    const struct log *log = user;

    log_say(log, KITH_LOG_WARN, "%s", message);
}

/* The seeds of the configuration and of the file, in one array of borrowed texts. Returns 0 or
 * -errno of the file. */
static int gather_seeds(struct daemon *daemon, struct seeds *file, const char **ret_items,
                        size_t *ret_n) {
    size_t n = 0;
    int r = 0;

    for (size_t i = 0; i < daemon->config->seeds.n_items; i++)
        ret_items[n++] = daemon->config->seeds.items[i];
    if (daemon->config->seeds_file)
        r = seeds_read(file, daemon->config->seeds_file, on_seed_warning, daemon->log);
    if (r < 0)
        log_say(daemon->log, KITH_LOG_WARN, "%s: %s", daemon->config->seeds_file, strerror(-r));
    for (size_t i = 0; i < file->n_items; i++)
        ret_items[n++] = file->items[i];
    *ret_n = n;
    return r;
}

/* ---- SIGHUP: seeds and log level ---- */

/* A file that cannot be read leaves the node the seeds it has. */
static void reload_seeds(struct daemon *daemon) {
    const char *items[CONFIG_LIST_MAX + SEEDS_MAX];
    struct kith_error_info info = {0};
    struct seeds file = {0};
    char error[CONFIG_ERROR_SIZE];
    size_t n;

    /* The one in the data directory may be there by now. */
    if (config_complete(daemon->config, error) < 0 || !daemon->config->seeds_file)
        return;
    if (gather_seeds(daemon, &file, items, &n) == 0) {
        if (kith_node_set_seeds(daemon->node, items, n, &info) < 0)
            log_say(daemon->log, KITH_LOG_WARN, "%s", info.message);
        else
            log_say(daemon->log, KITH_LOG_INFO, "%s: %zu seeds read again",
                    daemon->config->seeds_file, file.n_items);
    }
    seeds_deinit(&file);
}

/* The file's log level counts only where no flag set one; a broken file changes nothing. */
static void reload_level(struct daemon *daemon) {
    struct config fresh;
    char error[CONFIG_ERROR_SIZE];

    if (!daemon->config->file || daemon->config->log_level_is_flag)
        return;
    config_init(&fresh);
    if (config_read(&fresh, daemon->config->file, error) < 0) {
        log_say(daemon->log, KITH_LOG_WARN, "%s; the old configuration stays", error);
    } else {
        bool json = daemon->log->json;
        log_configure(daemon->log, fresh.log_level, NULL);
        daemon->log->json = json;
    }
    config_deinit(&fresh);
}

/* ---- the end ---- */

static void on_patience(uv_timer_t *timer) {
    struct daemon *daemon = timer->data;

    if (daemon->saved)
        _exit(daemon->status);
    log_say(daemon->log, KITH_LOG_ERROR, "closing takes too long; giving up");
    _exit(EXIT_INTERNAL);
}

static void on_alarm(int number) {
    static const char text[] = "error: the disk takes too long; giving up\n";

    ssize_t ignored = log_has_room() ? write(STDERR_FILENO, text, sizeof(text) - 1) : 0;
    (void)ignored;
    _exit(EXIT_INTERNAL);
}

static void set_alarm(long ms) {
    const struct itimerval once = {
        .it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000},
    };

    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &once, NULL);
}

static void on_closed(void *user) {
    struct daemon *daemon = user;

    /* All is saved. What may still keep the loop is the resolver: a call cannot be taken back and
     * may take a minute. The timer does not keep the loop, but ends it. */
    daemon->saved = true;
    set_alarm(0);
    uv_timer_start(&daemon->patience, on_patience, SAVED_MAX_MS, 0);
    uv_unref((uv_handle_t *)&daemon->patience);
    uv_close((uv_handle_t *)&daemon->watchdog, NULL);
    /* The handlers stay until the process is gone: closing them would bring the default actions
     * back, and a second SIGTERM would kill us at the door. */
    for (unsigned i = 0; i < N_SIGNALS; i++)
        uv_unref((uv_handle_t *)&daemon->signals[i]);
}

static void on_watchdog(uv_timer_t *timer) {
    log_notify("WATCHDOG=1");
}

/* $WATCHDOG_USEC, for this process alone if $WATCHDOG_PID names one: at half of it, as
 * sd_watchdog_enabled(3) advises. */
static void start_watchdog(struct daemon *daemon) {
    const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    char *end;
    unsigned long long us = text ? strtoull(text, &end, 10) : 0;

    if (us == 0 || *end || us == ULLONG_MAX || (pid && strtoll(pid, NULL, 10) != getpid()))
        return;
    us = us / 2 / 1000 ? us / 2 / 1000 : 1;
    uv_timer_start(&daemon->watchdog, on_watchdog, us, us);
    uv_unref((uv_handle_t *)&daemon->watchdog);
}

static void daemon_close(struct daemon *daemon) {
    if (daemon->closing)
        return;
    daemon->closing = true;
    uv_timer_start(&daemon->patience, on_patience, CLOSE_MAX_MS, 0);
    set_alarm(ALARM_MS);
    if (daemon->control)
        kith_control_server_close(daemon->control);
    if (daemon->node)
        kith_node_close(daemon->node, on_closed, daemon);
    else
        on_closed(daemon);
}

static void on_signal(uv_signal_t *signal, int number) {
    struct daemon *daemon = signal->data;

    if (number == SIGHUP) {
        if (!daemon->closing) {
            reload_level(daemon);
            reload_seeds(daemon);
        }
        return;
    }
    log_notify("STOPPING=1");
    log_say(daemon->log, KITH_LOG_INFO, "stopping");
    daemon_close(daemon);
}

/* The control method `stop`: as on SIGTERM, and like it from the loop, when the answer is on its
 * way. */
static void on_stop(void *context) {
    raise(SIGTERM);
}

/* ---- the start ---- */

static int exit_status_of(int error) {
    switch (error) {
    case KITH_ELOCKED:
        return EXIT_IN_USE;
    case KITH_EINVALID:
    case KITH_ESYNTAX:
    case KITH_ETOO_LARGE:
        return EXIT_USAGE;
    default:
        return EXIT_INTERNAL;
    }
}

static void complain(struct daemon *daemon, int error, const struct kith_error_info *info) {
    log_say(daemon->log, KITH_LOG_ERROR, "%s",
            info->message[0] ? info->message : kith_strerror(error));
}

static int pack_capabilities(struct daemon *daemon, msgpack_sbuffer *packed) {
    json_error_t where;
    json_t *json = json_loads(daemon->config->capabilities, 0, &where);
    int r = -1;

    if (!json)
        log_say(daemon->log, KITH_LOG_ERROR, "[node] capabilities: column %d: %s", where.column,
                where.text);
    else if (!json_is_object(json) || json_to_msgpack(json, packed) < 0)
        log_say(daemon->log, KITH_LOG_ERROR,
                "[node] capabilities: expected a JSON object, {\"name\": value}");
    else if (packed->size > KITH_CAPABILITIES_MAX)
        log_say(daemon->log, KITH_LOG_ERROR,
                "[node] capabilities: %zu bytes as msgpack, at most %d fit", packed->size,
                KITH_CAPABILITIES_MAX);
    else
        r = 0;
    json_decref(json);
    return r;
}

static int open_node(struct daemon *daemon, const uint8_t *secret,
                     const msgpack_sbuffer *capabilities) {
    const struct config *config = daemon->config;
    const char *seed_items[CONFIG_LIST_MAX + SEEDS_MAX];
    struct kith_error_info info = {0};
    struct kith_options options;
    struct seeds file = {0};
    int r;

    kith_options_init(&options);
    options.data_dir = config->data_dir;
    options.network = config->network;
    options.network_secret = secret;
    options.listen = (const char *const *)config->listen.items;
    options.n_listen = config->listen.n_items;
    options.peers = (const char *const *)config->peers.items;
    options.n_peers = config->peers.n_items;
    (void)gather_seeds(daemon, &file, seed_items, &options.n_seeds); /* said so; the rest counts */
    options.seeds = seed_items;
    options.unlimited = config->unlimited;
    options.mainline = config->mainline;
    options.mainline_bootstrap = (const char *const *)config->mainline_bootstrap.items;
    options.n_mainline_bootstrap = config->mainline_bootstrap.n_items;
    options.mainline_rendezvous = config->mainline_rendezvous;
    options.mainline_enforce_ids = config->mainline_enforce_ids;
    options.mainline_queries_per_s = config->mainline_queries;
    options.lan = config->lan;
    options.lan_hide_key = config->lan_hide_key;
    options.lan_allow = (const char *const *)config->lan_allow.items;
    options.n_lan_allow = config->lan_allow.n_items;
    options.lan_deny = (const char *const *)config->lan_deny.items;
    options.n_lan_deny = config->lan_deny.n_items;
    if (config->coupling > 0)
        options.coupling = config->coupling;
    if (config->damping > 0)
        options.damping = config->damping;
    options.limits = config->limits;
    options.on_event = on_event;
    options.on_log = on_log;
    options.user = daemon;
    if (capabilities->size) {
        options.capabilities = (const uint8_t *)capabilities->data;
        options.capabilities_size = capabilities->size;
    }
    r = kith_node_open(&daemon->node, &daemon->loop, &options, &info);
    seeds_deinit(&file);
    if (r < 0)
        complain(daemon, r, &info);
    return r;
}

/* Everything that can be wrong before the node exists. */
static int prepare_node(struct daemon *daemon) {
    char error[CONFIG_ERROR_SIZE];
    uint8_t secret[32];
    msgpack_sbuffer capabilities;
    int r = config_secret(daemon->config, secret, error);

    if (r < 0) {
        log_say(daemon->log, KITH_LOG_ERROR, "%s", error);
        return KITH_EINVALID;
    }
    msgpack_sbuffer_init(&capabilities);
    if (daemon->config->capabilities && pack_capabilities(daemon, &capabilities) < 0)
        r = KITH_EINVALID;
    else
        r = open_node(daemon, r == 0 ? secret : NULL, &capabilities);
    msgpack_sbuffer_destroy(&capabilities);
    sodium_memzero(secret, sizeof(secret));
    return r;
}

static int open_control(struct daemon *daemon) {
    struct kith_error_info info = {0};
    int r = kith_control_server_open(&daemon->control, &daemon->loop, daemon->node,
                                     daemon->config->control, &info);

    if (r == KITH_ELOCKED)
        log_say(
            daemon->log, KITH_LOG_ERROR,
            "control socket '%s' is in use by another kithd: stop that one, or choose another path "
            "with --control",
            daemon->config->control);
    else if (r < 0)
        complain(daemon, r, &info);
    else
        kith_control_server_on_stop(daemon->control, on_stop, NULL);
    return r;
}

static void announce_start(struct daemon *daemon) {
    struct kith_status status;
    char key[KITH_KEY_TEXT_SIZE];
    char endpoints[KITH_ENDPOINTS_MAX * (KITH_ENDPOINT_TEXT_SIZE + 1)] = "";

    kith_node_status(daemon->node, &status);
    kith_key_format(&status.key, key);
    for (uint32_t i = 0; i < status.n_bound; i++) {
        size_t used = strlen(endpoints);
        char text[KITH_ENDPOINT_TEXT_SIZE];
        kith_endpoint_format(&status.bound[i], text);
        snprintf(endpoints + used, sizeof(endpoints) - used, "%s%s", i ? " " : "", text);
    }
    log_fact(daemon->log, "key", key);
    log_fact(daemon->log, "endpoints", endpoints);
    log_fact(daemon->log, "network", status.network);
    log_fact(daemon->log, "control", daemon->config->control);
    if (daemon->config->unlimited)
        log_say(daemon->log, KITH_LOG_WARN,
                "answer budgets are off (--unlimited): for benchmarks on loopback only");
}

static int start_signals(struct daemon *daemon) {
    static const int numbers[N_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk, not an end */
    uv_timer_init(&daemon->loop, &daemon->patience);
    daemon->patience.data = daemon;
    uv_timer_init(&daemon->loop, &daemon->watchdog);
    for (unsigned i = 0; i < N_SIGNALS; i++) {
        uv_signal_init(&daemon->loop, &daemon->signals[i]);
        daemon->signals[i].data = daemon;
    }
    for (unsigned i = 0; i < N_SIGNALS; i++) {
        if (uv_signal_start(&daemon->signals[i], on_signal, numbers[i]) < 0)
            return KITH_EINTERNAL;
    }
    return 0;
}

static int start(struct daemon *daemon) {
    int r = start_signals(daemon);

    if (r == 0)
        r = prepare_node(daemon);
    if (r == 0)
        r = kith_talk_handle(daemon->node, "echo", on_echo, daemon);
    if (r == 0)
        r = open_control(daemon);
    if (r < 0)
        return r;
    announce_start(daemon);
    log_notify("READY=1");
    start_watchdog(daemon);
    return 0;
}

int daemon_run(struct config *config, struct log *log) {
    /* Static, since the signal handlers use it until the process is gone. */
    static struct daemon daemon;
    daemon = (struct daemon){.config = config, .log = log};
    int r = paths_make_dir(config->data_dir);

    if (r < 0) {
        log_say(log, KITH_LOG_ERROR,
                "data directory '%s' cannot be made: %s; choose another with -d", config->data_dir,
                strerror(-r));
        return EXIT_INTERNAL;
    }
    if (uv_loop_init(&daemon.loop) < 0)
        return EXIT_INTERNAL;
    r = start(&daemon);
    daemon.status = r < 0 ? exit_status_of(r) : 0;
    if (r < 0)
        daemon_close(&daemon);
    uv_run(&daemon.loop, UV_RUN_DEFAULT);
    return daemon.status;
}
