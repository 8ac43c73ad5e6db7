/* SPDX-License-Identifier: MIT */
/*
 * control_lists: what the node is, counts and holds, answered at once.
 *
 * Lists come in pages (args `offset` and `limit`) with the `total` beside them, since a full store
 * would be more than a client may be owed at a time. The lists are walked from the start for each
 * page: they are for people and scripts, not for a fast path.
 */
#include <unistd.h>

#include "shell/control_internal.h"

enum { PROTOCOL_VERSION = 1 };

struct list {
    struct kith_out *out;
    const struct kith_node *node;
    const struct kith_page *page;
    uint64_t n; /* entries that belong to the list, shown or not */
};

bool kith_control_on_page(const struct kith_page *page, uint64_t *n) {
    uint64_t at = (*n)++;
    return at >= page->offset && at - page->offset < page->limit;
}

static bool on_page(struct list *list) {
    return kith_control_on_page(list->page, &list->n);
}

static const char *reachable_name(enum kith_reachable reachable) {
    switch (reachable) {
    case KITH_REACHABLE_YES:
        return "yes";
    case KITH_REACHABLE_NO:
        return "no";
    case KITH_REACHABLE_UNKNOWN:
        break;
    }
    return "unknown";
}

void kith_control_fill_version(struct kith_out *out, const struct kith_node *node,
                               const struct kith_page *page) {
    kith_out_text(out, "version", kith_version());
    kith_out_uint(out, "protocol", PROTOCOL_VERSION);
}

void kith_control_fill_id(struct kith_out *out, const struct kith_node *node,
                          const struct kith_page *page) {
    struct kith_status status;
    kith_node_status(node, &status);
    kith_out_key(out, "key", &status.key);
    kith_out_text(out, "network", status.network);
    struct kith_out_level ids = kith_out_map(out, "node_ids");
    kith_out_point(out, "kith", &status.node_id);
    for (size_t i = 0; i < 2; i++) {
        if (status.mainline.families[i].on) {
            kith_out_target(out, i == 0 ? "mainline4" : "mainline6",
                            &status.mainline.families[i].id);
        }
    }
    kith_out_end(out, ids);
    struct kith_out_level endpoints = kith_out_map(out, "endpoints");
    kith_out_endpoints(out, "bound", status.bound, status.n_bound);
    kith_out_endpoints(out, "observed", status.observed, status.n_observed);
    kith_out_text(out, "reachable", reachable_name(status.reachable));
    kith_out_end(out, endpoints);
}

static void put_swarm_nodes(struct kith_out *out, const char *name, uint32_t v4, uint32_t v6) {
    struct kith_out_level level = kith_out_map(out, name);
    kith_out_uint(out, "v4", v4);
    kith_out_uint(out, "v6", v6);
    kith_out_end(out, level);
}

/* Sources that this node does not have report zeros, so that scripts need not care. */
static void put_sources(struct kith_out *out, const struct kith_node *node,
                        const struct kith_status *status) {
    struct kith_out_level nodes = kith_out_map(out, "nodes");
    put_swarm_nodes(out, "kith", status->nodes_v4, status->nodes_v6);
    put_swarm_nodes(out, "mainline", status->mainline.families[0].nodes,
                    status->mainline.families[1].nodes);
    kith_out_end(out, nodes);
    kith_out_uint(out, "lan_peers", status->lan_peers);
    kith_out_text(out, "lan", status->lan);
    struct kith_out_level book = kith_out_map(out, "book");
    kith_control_put_book_counts(out, node);
    kith_out_end(out, book);
}

static void put_mainline_family(struct kith_out *out, const char *name,
                                const struct kith_mainline_family_status *family) {
    if (!family->on) {
        kith_out_nil(out, name);
        return;
    }
    struct kith_out_level level = kith_out_map(out, name);
    kith_out_target(out, "id", &family->id);
    kith_out_bool(out, "ready", family->ready);
    kith_out_bool(out, "read_only", family->read_only);
    kith_out_uint(out, "nodes", family->nodes);
    kith_out_uint(out, "depth", family->depth);
    kith_out_uint(out, "votes", family->n_votes);
    if (family->observed.family != 0) {
        kith_out_endpoint(out, "observed", &family->observed);
    } else {
        kith_out_nil(out, "observed");
    }
    if (family->size_estimate > 0) {
        kith_out_uint(out, "size_estimate", family->size_estimate);
        kith_out_float(out, "size_error", family->size_error);
    } else {
        kith_out_nil(out, "size_estimate");
        kith_out_nil(out, "size_error");
    }
    kith_out_uint(out, "torrents", family->torrents);
    kith_out_uint(out, "peers", family->peers);
    kith_out_end(out, level);
}

static void put_mainline(struct kith_out *out, const struct kith_mainline_status *mainline) {
    struct kith_out_level level = kith_out_map(out, "mainline");
    kith_out_bool(out, "on", mainline->on);
    kith_out_text(out, "reachable", reachable_name(mainline->reachable));
    kith_out_uint(out, "items", mainline->items);
    put_mainline_family(out, "v4", &mainline->families[0]);
    put_mainline_family(out, "v6", &mainline->families[1]);
    kith_out_end(out, level);
}

void kith_control_fill_status(struct kith_out *out, const struct kith_node *node,
                              const struct kith_page *page) {
    struct kith_status status;
    struct kith_stats stats;
    kith_node_status(node, &status);
    kith_node_stats(node, &stats);
    kith_out_key(out, "key", &status.key);
    kith_out_text(out, "network", status.network);
    kith_out_s(out, "uptime_s", status.uptime_ns);
    kith_out_bool(out, "ready", status.ready);
    kith_out_bool(out, "client", status.client);
    kith_out_text(out, "reachable", reachable_name(status.reachable));
    put_sources(out, node, &status);
    put_mainline(out, &status.mainline);
    kith_out_uint(out, "records", status.records);
    kith_out_uint(out, "own_records", status.own_records);
    kith_out_uint(out, "sessions", status.sessions);
    kith_out_uint(out, "ops", status.ops);
    kith_out_uint(out, "network_changes", stats.network_changes);
    if (status.size_estimate > 0) {
        kith_out_uint(out, "size_estimate", status.size_estimate);
    } else {
        kith_out_nil(out, "size_estimate");
    }
    if (status.rtt_us > 0) {
        kith_out_float(out, "rtt_ms", (double)status.rtt_us / 1e3);
    } else {
        kith_out_nil(out, "rtt_ms");
    }
    kith_out_text(out, "version", kith_version());
    kith_out_uint(out, "pid", (uint64_t)getpid());
}

void kith_control_fill_stats(struct kith_out *out, const struct kith_node *node,
                             const struct kith_page *page) {
    struct kith_stats stats;
    kith_node_stats(node, &stats);
#define OUT_COUNTER(name, help) kith_out_uint(out, #name, stats.name);
    KITH_COUNTER_MAP(OUT_COUNTER)
#undef OUT_COUNTER
    kith_control_put_keeping(out, node);
}

/* What the peer says it can do, if its record is held here. */
static void put_known_capabilities(struct kith_out *out, const struct kith_node *node,
                                   const struct kith_key *key) {
    struct kith_peer peer;
    if (kith_node_known_peer(node, key, &peer) == 0 && peer.capabilities_size > 0) {
        kith_out_raw(out, "capabilities", peer.capabilities, peer.capabilities_size);
    } else {
        kith_out_end(out, kith_out_map(out, "capabilities"));
    }
}

static void put_peer(struct kith_out *out, const struct kith_node *node,
                     const struct kith_peer_info *info, bool with_id) {
    struct kith_out_level level = kith_out_map(out, NULL);
    kith_out_key(out, "key", &info->key);
    if (with_id) {
        kith_out_point(out, "node_id", &info->node_id);
    }
    kith_out_endpoint(out, "endpoint", &info->endpoint);
    kith_out_bool(out, "live", info->live);
    if (info->rtt_us > 0) {
        kith_out_float(out, "rtt_ms", (double)info->rtt_us / 1e3);
    } else {
        kith_out_nil(out, "rtt_ms");
    }
    kith_out_s(out, "seen_s", info->seen_ns);
    kith_out_uint(out, "failures", info->failures);
    kith_out_uint(out, "bucket", info->bucket);
    put_known_capabilities(out, node, &info->key);
    kith_out_end(out, level);
}

static int on_live_peer(const struct kith_peer_info *info, void *user) {
    struct list *list = user;
    if (info->live && on_page(list)) {
        put_peer(list->out, list->node, info, false);
    }
    return 0;
}

static int on_table_entry(const struct kith_peer_info *info, void *user) {
    struct list *list = user;
    if (on_page(list)) {
        put_peer(list->out, list->node, info, true);
    }
    return 0;
}

static int on_record(const struct kith_record_info *info, void *user) {
    struct list *list = user;
    struct kith_out *out = list->out;
    if (!on_page(list)) {
        return 0;
    }
    struct kith_out_level level = kith_out_map(out, NULL);
    kith_out_point(out, "point", &info->point);
    kith_out_bool(out, "mutable", info->is_mutable);
    kith_out_bool(out, "own", info->own);
    if (info->is_mutable) {
        kith_out_key(out, "key", &info->key);
        kith_out_bin(out, "salt", info->salt, info->salt_size);
        kith_out_int(out, "seq", info->seq);
    } else {
        kith_out_nil(out, "key");
        kith_out_bin(out, "salt", NULL, 0);
        kith_out_nil(out, "seq");
    }
    kith_out_uint(out, "size", info->value_size);
    kith_out_s(out, "age_s", info->age_ns);
    kith_out_s(out, "expires_s", info->expires_ns);
    kith_out_end(out, level);
    return 0;
}

static int on_session(const struct kith_session_info *info, void *user) {
    struct list *list = user;
    struct kith_out *out = list->out;
    if (!on_page(list)) {
        return 0;
    }
    struct kith_out_level level = kith_out_map(out, NULL);
    kith_out_key(out, "key", &info->key);
    kith_out_endpoint(out, "endpoint", &info->endpoint);
    kith_out_bool(out, "initiator", info->initiator);
    kith_out_bool(out, "established", info->established);
    kith_out_bool(out, "confirmed", info->confirmed);
    kith_out_s(out, "age_s", info->age_ns);
    kith_out_s(out, "idle_s", info->idle_ns);
    kith_out_uint(out, "tx", info->tx_messages);
    kith_out_uint(out, "rx", info->rx_messages);
    kith_out_end(out, level);
    return 0;
}

void kith_control_fill_peers(struct kith_out *out, const struct kith_node *node,
                             const struct kith_page *page) {
    struct list list = {out, node, page, 0};
    struct kith_out_level level = kith_out_array(out, "peers");
    (void)kith_node_each_peer(node, on_live_peer, &list);
    kith_out_end(out, level);
    kith_out_uint(out, "total", list.n);
}

void kith_control_fill_table(struct kith_out *out, const struct kith_node *node,
                             const struct kith_page *page) {
    struct list list = {out, node, page, 0};
    struct kith_out_level level = kith_out_array(out, "table");
    (void)kith_node_each_peer(node, on_table_entry, &list);
    kith_out_end(out, level);
    kith_out_uint(out, "total", list.n);
}

void kith_control_fill_records(struct kith_out *out, const struct kith_node *node,
                               const struct kith_page *page) {
    struct list list = {out, node, page, 0};
    struct kith_out_level level = kith_out_array(out, "records");
    (void)kith_node_each_record(node, on_record, &list);
    kith_out_end(out, level);
    kith_out_uint(out, "total", list.n);
}

void kith_control_fill_sessions(struct kith_out *out, const struct kith_node *node,
                                const struct kith_page *page) {
    struct list list = {out, node, page, 0};
    struct kith_out_level level = kith_out_array(out, "sessions");
    (void)kith_node_each_session(node, on_session, &list);
    kith_out_end(out, level);
    kith_out_uint(out, "total", list.n);
}
