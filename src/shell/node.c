/* SPDX-License-Identifier: MIT */
/*
 * node: a core, its sockets and its disk, glued to one libuv loop. This file opens and closes them.
 *
 * Opening is synchronous and ordered by what may fail in whose name: options first (nothing was
 * touched), then the disk with its lock (a second process must not so much as make an identity),
 * then the identity, then the sockets, then the core. Handles of a loop cannot be unmade at once,
 * so all of them are initialised before the first thing that can fail and one path, for a failed
 * open as for a close, takes them down.
 *
 * Closing is asynchronous: kith_node_close() only marks the node. The next iteration of the loop
 * tells every op that it was canceled, saves, closes the handles, and the last handle to go
 * frees the node.
 */
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/endpoint.h"
#include "shell/node_internal.h"
#include "shell/refuse.h"

enum {
    LOG_LINE_MAX = 512,
    OUTBOX_KEEP = 64 * 1024, /* one burst of 50 full datagrams without allocating */
};

void kith_node_log(struct kith_node *node, enum kith_log_level level, const char *format, ...) {
    if (node->on_log == NULL) {
        return;
    }
    char line[LOG_LINE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    node->on_log(level, line, node->user);
}

/* ---- chance ---- */

static void random_secure(void *context, void *out, size_t size) {
    randombytes_buf(out, size);
}

static uint64_t rotate_left(uint64_t x, unsigned n) {
    return x << n | x >> (64 - n);
}

static uint64_t random_uniform(void *context) {
    uint64_t *s = ((struct kith_node_random *)context)->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* ---- opening ---- */

static int init_handles(struct kith_node *node) {
    uv_handle_t *const handles[] = {
        (uv_handle_t *)&node->wake,      (uv_handle_t *)&node->deadline,
        (uv_handle_t *)&node->minute,    (uv_handle_t *)&node->book_due,
        (uv_handle_t *)&node->names_due, (uv_handle_t *)&node->lan_patience,
        (uv_handle_t *)&node->look_away, (uv_handle_t *)&node->mainline_due,
    };
    if (uv_idle_init(node->loop, &node->wake) != 0 ||
        uv_timer_init(node->loop, &node->deadline) != 0 ||
        uv_timer_init(node->loop, &node->minute) != 0 ||
        uv_timer_init(node->loop, &node->book_due) != 0 ||
        uv_timer_init(node->loop, &node->names_due) != 0 ||
        uv_timer_init(node->loop, &node->lan_patience) != 0 ||
        uv_timer_init(node->loop, &node->look_away) != 0 ||
        uv_timer_init(node->loop, &node->mainline_due) != 0) {
        return KITH_EINTERNAL; /* libuv documents no way for these to fail */
    }
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        handles[i]->data = node;
        node->n_open++;
    }
    return 0;
}

/* data_dir/identity.key, made if it is missing: the directory exists since the disk was opened. */
static int load_identity(const char *data_dir, uint8_t *seed, struct kith_error_info *info) {
    char path[PATH_MAX];
    struct kith_key key;
    int n = snprintf(path, sizeof(path), "%s/identity.key", data_dir);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        return kith_refuse_at(info, KITH_ETOO_LARGE, 0, "the data directory's path is too long");
    }
    int r = kith_identity_load(path, seed, &key, info);
    if (r != KITH_ENOT_FOUND) {
        return r;
    }
    r = kith_identity_create(path, &key, info);
    return r < 0 ? r : kith_identity_load(path, seed, &key, info);
}

static int choose_seed(const struct kith_options *options, uint8_t *seed,
                       struct kith_error_info *info) {
    if (options->seed != NULL) {
        memcpy(seed, options->seed, KITH_SEED_SIZE);
        return 0;
    }
    if (options->data_dir != NULL) {
        return load_identity(options->data_dir, seed, info);
    }
    randombytes_buf(seed, KITH_SEED_SIZE);
    return 0;
}

/* By default both families are listened on; a host without IPv6 is none the worse for it. */
static int bind_all(struct kith_node *node, const struct kith_node_setup *setup,
                    struct kith_error_info *info) {
    int r = kith_udp_new(&node->udp, node->loop, kith_node_on_datagram, kith_node_on_batch, node);
    if (r < 0) {
        return kith_refuse_at(info, r, 0, "no sockets: %s", kith_strerror(r));
    }
    node->n_open++;
    for (size_t i = 0; i < setup->n_listen; i++) {
        struct kith_error_info why = {0};
        r = kith_udp_bind(node->udp, &setup->listen[i], &why);
        if (r == KITH_ELOCKED || (r < 0 && (i == 0 || !setup->default_listen))) {
            return kith_refuse_at(info, r, why.column, "%s", why.message);
        }
        if (r < 0) {
            kith_node_log(node, KITH_LOG_WARN, "IPv4 only: %s", why.message);
        }
    }
    return 0;
}

static int make_core(struct kith_node *node, const struct kith_node_setup *setup,
                     const uint8_t *seed, struct kith_error_info *info) {
    const struct kith_options *options = &setup->options;
    struct kith_endpoint bound[KITH_LISTEN_MAX];
    size_t n_bound = kith_udp_bound(node->udp, bound);
    struct kith_core_config config = {
        .seed = seed,
        .curve = &kith_curve_sodium,
        .random = node->chance,
        .network = setup->network,
        .network_secret = options->network_secret,
        .limits = options->limits,
        .client = options->client,
        .unlimited = options->unlimited,
        .capabilities = options->capabilities,
        .capabilities_size = options->capabilities_size,
        .book_secret = node->has_book_secret ? node->book_secret : NULL,
        .mainline = options->mainline,
        .mainline_enforce_ids = options->mainline_enforce_ids,
        .no_rendezvous = !options->mainline_rendezvous,
        .mainline_questions_per_s = options->mainline_queries_per_s,
        .peer_events = options->on_event != NULL,
        .coupling = options->coupling,
        .damping = options->damping,
        .wall_us = kith_node_wall_us(),
        .outbox_keep = OUTBOX_KEEP,
    };
    config.lab = true;
    for (size_t i = 0; i < n_bound; i++) {
        config.lab = config.lab && kith_endpoint_scope(&bound[i]) == KITH_SCOPE_LOOPBACK;
        config.has_v4 = config.has_v4 || bound[i].family == 4;
        config.has_v6 = config.has_v6 || bound[i].family == 6;
    }
    node->lab = config.lab;
    node->mainline = options->mainline;
    uint64_t now = kith_node_now(node);
    int r = kith_core_new(&node->core, &config, now);
    if (r < 0) {
        return kith_refuse_at(info, r, 0, "the node cannot be made: %s", kith_strerror(r));
    }
    kith_core_set_bound(node->core, bound, n_bound, now);
    return 0;
}

static int open_parts(struct kith_node *node, const struct kith_node_setup *setup,
                      struct kith_error_info *info) {
    const struct kith_options *options = &setup->options;
    uint8_t seed[KITH_SEED_SIZE];
    int r = 0;
    if (options->data_dir != NULL) {
        r = kith_node_disk_open(node, options->data_dir, info);
    }
    if (r == 0) {
        r = choose_seed(options, seed, info);
    }
    if (r == 0) {
        r = bind_all(node, setup, info);
    }
    if (r == 0) {
        r = make_core(node, setup, seed, info);
    }
    sodium_memzero(seed, sizeof(seed));
    if (r < 0) {
        return r;
    }
    r = kith_node_disk_restore(node);
    if (r < 0) {
        return kith_refuse_at(info, r, 0, "what '%s' holds cannot be loaded: %s", options->data_dir,
                              kith_strerror(r));
    }
    r = kith_node_mainline_open(node);
    if (r < 0) {
        return kith_refuse_at(info, r, 0, "Mainline: %s", kith_strerror(r));
    }
    r = kith_node_names_init(node, options);
    if (r < 0) {
        return kith_refuse_at(info, r, 0, "peers and seeds: %s", kith_strerror(r));
    }
    r = kith_node_lan_open(node, setup);
    if (r < 0) {
        return kith_refuse_at(info, r, 0, "LAN: %s", kith_strerror(r));
    }
    return 0;
}

static void take_down(struct kith_node *node);

int kith_node_open(struct kith_node **ret_node, uv_loop_t *loop, const struct kith_options *options,
                   struct kith_error_info *info) {
    struct kith_node_setup setup;
    if (ret_node == NULL || loop == NULL || options == NULL) {
        return kith_refuse_at(info, KITH_EINVALID, 0, "an argument is NULL");
    }
    int r = kith_node_setup_check(&setup, options, info);
    if (r < 0) {
        return r;
    }
    if (sodium_init() < 0) {
        return kith_refuse_at(info, KITH_EINTERNAL, 0, "the system has no source of randomness");
    }
    struct kith_node *node = calloc(1, sizeof(*node));
    if (node == NULL) {
        return kith_refuse_at(info, KITH_ENOMEM, 0, "%s", kith_strerror(KITH_ENOMEM));
    }
    node->loop = loop;
    node->on_event = setup.options.on_event;
    node->on_log = setup.options.on_log;
    node->user = setup.options.user;
    kith_list_init(&node->names);
    randombytes_buf(&node->random, sizeof(node->random));
    node->chance = (struct kith_random){random_secure, random_uniform, &node->random};
    struct kith_away_clocks clocks = kith_away_read();
    kith_away_init(&node->away, &clocks);
    kith_node_ops_init(node);
    r = init_handles(node);
    if (r < 0) {
        free(node);
        return kith_refuse_at(info, r, 0, "the loop has no timers");
    }
    r = open_parts(node, &setup, info);
    if (r < 0) {
        node->closing = true;
        take_down(node);
        return r;
    }
    kith_node_network_open(node);
    kith_node_pump_init(node);
    *ret_node = node;
    return 0;
}

/* ---- closing ---- */

static void one_closed(struct kith_node *node) {
    if (--node->n_open > 0) {
        return;
    }
    kith_close_fn done = node->done;
    void *user = node->done_user;
    kith_core_free(node->core);
    kith_hash_deinit(&node->ops_by_number);
    free(node->book_removals);
    sodium_memzero(node, sizeof(*node));
    free(node);
    if (done != NULL) {
        done(user);
    }
}

static void on_handle_closed(uv_handle_t *handle) {
    one_closed(handle->data);
}

static void on_part_closed(void *context) {
    one_closed(context);
}

/* Unmakes what there is; also of a node whose opening failed half way. The node is freed later. */
static void take_down(struct kith_node *node) {
    kith_node_lan_close(node, on_part_closed);
    kith_node_names_deinit(node);
    node->disk = kith_disk_close(node->disk);
    if (node->udp != NULL) {
        kith_udp_close(node->udp, on_part_closed, node);
    }
    if (node->netwatch != NULL) {
        kith_netwatch_close(node->netwatch, on_part_closed, node);
    }
    uv_close((uv_handle_t *)&node->wake, on_handle_closed);
    uv_close((uv_handle_t *)&node->deadline, on_handle_closed);
    uv_close((uv_handle_t *)&node->minute, on_handle_closed);
    uv_close((uv_handle_t *)&node->book_due, on_handle_closed);
    uv_close((uv_handle_t *)&node->names_due, on_handle_closed);
    uv_close((uv_handle_t *)&node->lan_patience, on_handle_closed);
    uv_close((uv_handle_t *)&node->look_away, on_handle_closed);
    uv_close((uv_handle_t *)&node->mainline_due, on_handle_closed);
}

void kith_node_shut(struct kith_node *node) {
    kith_node_book_save(node);
    kith_node_mainline_save(node);
    kith_node_ops_end(node);
    kith_udp_flush(node->udp);
    take_down(node);
}

void kith_node_close(struct kith_node *node, kith_close_fn done, void *user) {
    if (node == NULL || node->closing) {
        return;
    }
    node->closing = true;
    node->done = done;
    node->done_user = user;
    kith_node_wake(node);
}
