/* SPDX-License-Identifier: MIT */
/*
 * node_lan: the local network as a source of peers. What mDNS reports goes to the core as hints;
 * the core asks for a peer anew when it stays silent. Off when every socket is bound to loopback:
 * nobody on the LAN could reach us, and no test or throwaway node should announce itself by
 * accident.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/endpoint.h"
#include "shell/node_internal.h"

enum {
    PATIENCE_MS = 1500, /* ops wait so long for a first answer of a running daemon */
};

static void set_text(struct kith_node *node, const char *text) {
    (void)snprintf(node->lan_text, sizeof(node->lan_text), "%s", text);
}

static void on_peer(void *context, const struct kith_lan_peer *peer, bool present) {
    struct kith_node *node = context;
    if (node->closing) {
        return;
    }
    if (!present) {
        kith_core_local_vanished(node->core, peer->instance, kith_node_now(node));
        kith_node_wake(node);
        return;
    }
    struct kith_local_report report = {
        .has_key = peer->has_key, .key = peer->key, .n_endpoints = 0};
    (void)snprintf(report.name, sizeof(report.name), "%s", peer->instance);
    for (uint32_t i = 0; i < peer->n_endpoints && i < KITH_ENDPOINTS_MAX; i++) {
        report.endpoints[report.n_endpoints++] = peer->endpoints[i];
    }
    int r = kith_core_local_appeared(node->core, &report, kith_node_now(node));
    node->n_lan_full += r == KITH_EFULL;
    node->n_lan_astray += r == KITH_EINVALID;
    if (r < 0 && r != KITH_EINVALID && r != KITH_EFULL) {
        kith_node_log(node, KITH_LOG_DEBUG, "LAN peer '%s': %s", peer->instance, kith_strerror(r));
    }
    kith_node_wake(node);
}

static void on_patience(uv_timer_t *timer) {
    struct kith_node *node = timer->data;
    node->lan_expected = false;
    kith_node_tell_expected(node);
}

static void on_state(void *context, enum kith_lan_state state, const char *text) {
    struct kith_node *node = context;
    if (node->closing) {
        return;
    }
    if (state == KITH_LAN_RUNNING) {
        set_text(node, "on");
        (void)uv_timer_start(&node->lan_patience, on_patience, PATIENCE_MS, 0);
    } else {
        set_text(node, text != NULL ? text : "waiting for avahi-daemon");
        node->lan_expected = false;
        kith_node_tell_expected(node);
    }
    kith_node_log(node, KITH_LOG_INFO, "LAN: %s", node->lan_text);
}

/* The port to announce for a family; 0: that family cannot be reached from the LAN. */
static uint16_t announced_port(const struct kith_node *node, uint8_t family) {
    struct kith_endpoint bound[KITH_LISTEN_MAX];
    size_t n = kith_udp_bound(node->udp, bound);
    for (size_t i = 0; i < n; i++) {
        if (bound[i].family == family && kith_endpoint_scope(&bound[i]) != KITH_SCOPE_LOOPBACK) {
            return bound[i].port;
        }
    }
    return 0;
}

int kith_node_lan_open(struct kith_node *node, const struct kith_node_setup *setup) {
    const struct kith_options *options = &setup->options;
    struct kith_status status;
    uint16_t v4 = announced_port(node, 4);
    uint16_t v6 = announced_port(node, 6);
    if (!options->lan || (v4 == 0 && v6 == 0)) {
        set_text(node, options->lan ? "off: bound to loopback only" : "off: switched off");
        return 0;
    }
    kith_core_status(node->core, kith_node_now(node), &status);
    struct kith_lan_config config = {
        .loop = node->loop,
        .key = status.key,
        .publish = !options->client,
        .hide_key = options->lan_hide_key,
        .port = v4 != 0 ? v4 : v6,
        .port_v6 = v6,
        .network = setup->network,
        .allow = options->lan_allow,
        .n_allow = options->n_lan_allow,
        .deny = options->lan_deny,
        .n_deny = options->n_lan_deny,
        .on_peer = on_peer,
        .on_state = on_state,
        .context = node,
    };
    set_text(node, "starting");
    node->lan_expected = true;
    int r = kith_lan_open(&node->lan, &config);
    if (r < 0) {
        node->lan_expected = false;
        return r;
    }
    node->n_open++;
    kith_node_tell_expected(node);
    return 0;
}

void kith_node_lan_refresh(struct kith_node *node, const char *name) {
    if (node->lan != NULL) {
        kith_lan_refresh(node->lan, name);
    }
}

void kith_node_lan_count(const struct kith_node *node, struct kith_stats *stats) {
    stats->lan_full += node->n_lan_full;
    stats->lan_astray += node->n_lan_astray;
    if (node->lan != NULL) {
        stats->lan_malformed += kith_lan_n_dropped(node->lan, KITH_LAN_MALFORMED);
        stats->lan_astray += kith_lan_n_dropped(node->lan, KITH_LAN_ASTRAY);
        stats->lan_self += kith_lan_n_dropped(node->lan, KITH_LAN_SELF);
        stats->lan_full += kith_lan_n_dropped(node->lan, KITH_LAN_FULL);
    }
}

void kith_node_lan_close(struct kith_node *node, void (*done)(void *node)) {
    if (node->lan != NULL) {
        kith_lan_close(node->lan, done, node);
    }
    node->lan = NULL;
}
