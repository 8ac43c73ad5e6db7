/* SPDX-License-Identifier: MIT */
/* node_info: what a node is and knows, as the core tells it, and what only the shell can count. */
#include <string.h>

#include "shell/node_internal.h"

void kith_node_status(const struct kith_node *node, struct kith_status *ret_status) {
    kith_core_status(node->core, kith_node_now(node), ret_status);
    memcpy(ret_status->lan, node->lan_text, sizeof(ret_status->lan));
}

void kith_node_stats(const struct kith_node *node, struct kith_stats *ret_stats) {
    *ret_stats = *kith_core_stats(node->core);
    ret_stats->tx_failed += kith_udp_failed(node->udp);
    kith_node_lan_count(node, ret_stats);
}

int kith_node_each_peer(const struct kith_node *node,
                        int (*fn)(const struct kith_peer_info *info, void *user), void *user) {
    return kith_core_each_peer(node->core, kith_node_now(node), fn, user);
}

int kith_node_each_record(const struct kith_node *node,
                          int (*fn)(const struct kith_record_info *info, void *user), void *user) {
    return kith_core_each_record(node->core, kith_node_now(node), fn, user);
}

int kith_node_known_peer(const struct kith_node *node, const struct kith_key *key,
                         struct kith_peer *ret_peer) {
    return kith_core_known_peer(node->core, key, kith_node_now(node), ret_peer);
}

int kith_node_each_local(const struct kith_node *node,
                         int (*fn)(const struct kith_local_info *info, void *user), void *user) {
    uint64_t now = kith_node_now(node);
    kith_core_local_watch(node->core, now);
    kith_node_wake((struct kith_node *)node); /* changes nothing that the caller can see */
    return kith_core_each_local(node->core, now, fn, user);
}

int kith_node_each_session(const struct kith_node *node,
                           int (*fn)(const struct kith_session_info *info, void *user),
                           void *user) {
    return kith_core_each_session(node->core, kith_node_now(node), fn, user);
}
