/* SPDX-License-Identifier: MIT */
/*
 * node_network: what changes around a running node: links, addresses, and time that passed without
 * it. All of it ends in kith_core_network_changed(), which limits the rate.
 */
#include "core/base/endpoint.h"
#include "shell/node_internal.h"

/* The core's time: monotonic, and going on while the host sleeps. */
uint64_t kith_node_now(const struct kith_node *node) {
    return uv_hrtime() + node->away.slept;
}

/* The addresses to publish: those bound to, without what the host has lost since. Which address of
 * 127/8 is there no list of interfaces tells. */
static size_t present_bound(const struct kith_node *node, struct kith_endpoint *out) {
    struct kith_endpoint bound[KITH_LISTEN_MAX];
    size_t n = kith_udp_bound(node->udp, bound);
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++) {
        bool particular = kith_endpoint_usable(&bound[i]) &&
                          kith_endpoint_scope(&bound[i]) != KITH_SCOPE_LOOPBACK;
        if (!particular || kith_netwatch_has_address(&bound[i])) {
            out[n_kept++] = bound[i];
        }
    }
    return n_kept;
}

static void on_change(void *context) {
    struct kith_node *node = context;
    struct kith_endpoint bound[KITH_LISTEN_MAX];
    if (node->closing) {
        return;
    }
    uint64_t now = kith_node_now(node);
    size_t n = present_bound(node, bound);
    kith_core_set_bound(node->core, bound, n, now);
    kith_core_network_changed(node->core, now);
    kith_node_wake(node);
}

static void on_lost(void *context, const char *why) {
    kith_node_log(context, KITH_LOG_INFO, "changes of the network are no longer seen: %s", why);
}

void kith_node_look_away(struct kith_node *node) {
    struct kith_away_clocks clocks = kith_away_read();
    uint64_t away = kith_away_look(&node->away, &clocks);
    if (away == 0) {
        return;
    }
    kith_node_log(node, KITH_LOG_INFO, "this process did not run for %llu s",
                  (unsigned long long)(away / KITH_NS_PER_S));
    node->armed = KITH_NEVER; /* the deadline came nearer */
    kith_core_set_clock(node->core, kith_node_wall_us(), kith_node_now(node));
    on_change(node);
}

static void on_look(uv_timer_t *timer) {
    struct kith_node *node = timer->data;
    if (!node->closing) {
        kith_node_look_away(node);
    }
}

/* Nodes on loopback live on a network that does not change. */
static bool is_local(const struct kith_node *node) {
    struct kith_endpoint bound[KITH_LISTEN_MAX];
    size_t n = kith_udp_bound(node->udp, bound);
    bool local = true;
    for (size_t i = 0; i < n; i++) {
        local = local && kith_endpoint_scope(&bound[i]) == KITH_SCOPE_LOOPBACK;
    }
    return local;
}

void kith_node_network_open(struct kith_node *node) {
    struct kith_netwatch_config config = {
        .loop = node->loop, .on_change = on_change, .on_lost = on_lost, .context = node};
    const char *why;
    (void)uv_timer_start(&node->look_away, on_look, KITH_AWAY_LOOK_MS, KITH_AWAY_LOOK_MS);
    if (is_local(node)) {
        return;
    }
    if (kith_netwatch_open(&node->netwatch, &config, &why) == 0) {
        node->n_open++;
    } else {
        kith_node_log(node, KITH_LOG_INFO,
                      "changes of the network are not watched for (%s): noticed within minutes",
                      why);
    }
}
