/* SPDX-License-Identifier: MIT */
/*
 * swarm_admit: who enters the tables, and what is known of those in them.
 *
 * A node that answered a question which only a full node answers (find, get, topic), and a node
 * that asked us from an address it has proven and did not call itself a client; that one is asked
 * back, and what it asks later does not make up for what it does not answer. In Mainline, where
 * everybody can claim any id, an asker is asked back first.
 *
 * The paper: Maymounkov and Mazieres 2002.
 */
#include "core/swarm/swarm_internal.h"

enum {
    VERIFY_PER_S = 2, /* unknown askers that are asked back, and entries that are doubted */
    VERIFY_BURST = 16,
    DOUBT_PART = 12, /* of the time that nodes stay: after that much silence one in nine is gone */
    STAY_START_S = 7200, /* publications are hourly until nodes are known to stay for less */
};

static bool is_at(const struct kith_entry *entry, const struct kith_endpoint *endpoint) {
    struct kith_endpoint there = kith_entry_endpoint(entry);
    return kith_endpoint_equal(&there, endpoint);
}

/* Where ids are mere claims, one that is known and alive elsewhere stays where it is. */
static bool claims_anothers_id(const struct kith_swarm *swarm, struct kith_routing *table,
                               const struct kith_node_ref *node) {
    const struct kith_entry *entry =
        swarm->sessions != NULL ? NULL : kith_routing_find(table, &node->id);
    return entry != NULL && entry->failures == 0 && !is_at(entry, &node->endpoint);
}

uint64_t kith_swarm_stay_ns(const struct kith_swarm *swarm) {
    uint64_t first = STAY_START_S * KITH_NS_PER_S;
    uint64_t v4 = swarm->v4 == NULL ? UINT64_MAX : kith_routing_stay_ns(swarm->v4, first);
    uint64_t v6 = swarm->v6 == NULL ? UINT64_MAX : kith_routing_stay_ns(swarm->v6, first);
    return v4 < v6 ? v4 : v6;
}

static void ask_back(struct kith_swarm *swarm, const struct kith_node_ref *node,
                     enum kith_method method, unsigned flags, uint64_t now) {
    struct kith_request request = kith_swarm_request(swarm, method);
    struct kith_rpc *rpc;
    request.target = swarm->own_id;
    int r = kith_swarm_ask(swarm, node, &request, flags, NULL, NULL, now, &rpc);
    (void)r; /* it may ask again, and upkeep comes round to it */
}

/* A newcomer has to wait while a bucket is full, but is there for sure: whoever was silent for
 * longest in that bucket is asked whether it still is (section 2.2 of the paper), if it may well be
 * gone by how long nodes stay. So the more come and go, the more tables are looked after; where
 * nobody does it costs nothing. */
static void doubt_silent(struct kith_swarm *swarm, struct kith_routing *table,
                         const struct kith_point *newcomer, uint64_t now) {
    struct kith_pace_limit limit = kith_pace_limit(VERIFY_PER_S, VERIFY_BURST);
    const struct kith_entry *entry =
        kith_routing_silent(table, newcomer, now, kith_swarm_stay_ns(swarm) / DOUBT_PART);
    if (entry != NULL && kith_pace_take(&swarm->verify, &limit, 1, now)) {
        struct kith_node_ref node = kith_entry_node(entry);
        ask_back(swarm, &node, KITH_METHOD_PING, 0, now);
    }
}

void kith_swarm_refresh_entry(struct kith_swarm *swarm, const struct kith_node_ref *node,
                              bool admit, uint64_t rtt_ns, uint64_t now) {
    struct kith_routing *table = kith_swarm_table(swarm, node->endpoint.family);
    if (table == NULL || (!admit && kith_routing_find(table, &node->id) == NULL) ||
        claims_anothers_id(swarm, table, node)) {
        return;
    }
    uint32_t rtt_us =
        rtt_ns / KITH_NS_PER_US > UINT32_MAX ? UINT32_MAX : (uint32_t)(rtt_ns / KITH_NS_PER_US);
    if (rtt_ns != 0 && rtt_us == 0) {
        rtt_us = 1;
    }
    /* Without memory the node is simply not remembered. */
    if (kith_routing_answered(table, node, rtt_us, now) == KITH_ROUTING_CACHED) {
        doubt_silent(swarm, table, &node->id, now);
    }
}

struct kith_entry *kith_swarm_entry_at(const struct kith_swarm *swarm,
                                       const struct kith_node_ref *node) {
    struct kith_routing *table = kith_swarm_table(swarm, node->endpoint.family);
    struct kith_entry *entry = table == NULL ? NULL : kith_routing_find(table, &node->id);
    return entry != NULL && is_at(entry, &node->endpoint) ? entry : NULL;
}

bool kith_swarm_heard(const struct kith_swarm *swarm, const struct kith_node_ref *node,
                      uint64_t within_ns, uint64_t now) {
    const struct kith_entry *entry = kith_swarm_entry_at(swarm, node);
    return entry != NULL && entry->failures == 0 && now - entry->seen <= within_ns;
}

uint32_t kith_swarm_rtt_us(const struct kith_swarm *swarm, const struct kith_node_ref *node) {
    const struct kith_entry *entry = kith_swarm_entry_at(swarm, node);
    return entry == NULL ? 0 : entry->rtt_us;
}

void kith_swarm_verify_asker(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                             const struct kith_message *message, uint64_t now) {
    struct kith_pace_limit limit = kith_pace_limit(VERIFY_PER_S, VERIFY_BURST);
    struct kith_node_ref node = {.id = message->id, .endpoint = delivery->from};
    struct kith_routing *table = kith_swarm_table(swarm, delivery->from.family);
    if (!message->has_id || message->u.request.read_only || table == NULL ||
        kith_point_equal(&message->id, &swarm->own_id) ||
        !kith_routing_wants(table, &message->id) ||
        !kith_pace_take(&swarm->verify, &limit, 1, now)) {
        return;
    }
    ask_back(swarm, &node, KITH_METHOD_FIND, KITH_ASK_ONCE, now);
}

void kith_swarm_admit_asker(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                            bool read_only, uint64_t now) {
    if (delivery->kind != KITH_DELIVERY_DATA || !delivery->allowance.proven || read_only) {
        return;
    }
    struct kith_pace_limit limit = kith_pace_limit(VERIFY_PER_S, VERIFY_BURST);
    struct kith_node_ref node = {.key = delivery->key, .has_key = true, .endpoint = delivery->from};
    kith_point_of_node(&delivery->key, &node.id);
    const struct kith_entry *entry = kith_swarm_find(swarm, &node.id);
    bool is_new = entry == NULL;
    if (is_new ? kith_swarm_was_silent(swarm, &node, now) : entry->failures > 0) {
        return;
    }
    kith_swarm_refresh_entry(swarm, &node, true, 0, now);
    if (is_new && kith_swarm_find(swarm, &node.id) != NULL &&
        kith_pace_take(&swarm->verify, &limit, 1, now)) {
        ask_back(swarm, &node, KITH_METHOD_PING, 0, now);
    }
}
