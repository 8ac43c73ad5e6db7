/* SPDX-License-Identifier: MIT */
/* What a core tells of itself: status, lists, invariants. Reads only. */
#include "core/core_internal.h"

struct kith_stats *kith_core_stats(struct kith_core *core) {
    return &core->env.stats;
}

static uint32_t count(const struct kith_routing *table) {
    return table == NULL ? 0 : (uint32_t)kith_routing_count_live(table);
}

static uint64_t size_estimate(const struct kith_swarm *swarm) {
    uint64_t v4 = swarm->v4 == NULL ? 0 : kith_routing_size_estimate(swarm->v4);
    uint64_t v6 = swarm->v6 == NULL ? 0 : kith_routing_size_estimate(swarm->v6);
    return v4 > v6 ? v4 : v6; /* most nodes of one family are also in the other */
}

void kith_core_status(const struct kith_core *core, uint64_t now, struct kith_status *ret) {
    const struct kith_publish *publish = &core->publish;
    *ret = (struct kith_status){
        .key = core->env.identity.key,
        .node_id = core->env.identity.id,
        .ready = core->maintain.ready,
        .client = core->env.client,
        .reachable = core->reach.state,
        .uptime_ns = now - core->started,
        .nodes_v4 = count(core->swarm.v4),
        .nodes_v6 = count(core->swarm.v6),
        .records = kith_store_count(core->store),
        .own_records = publish->own.n,
        .sessions = kith_sessions_count(core->sessions),
        .ops = core->ops.n,
        .lan_peers = kith_locals_count_confirmed(&core->locals),
        .size_estimate = size_estimate(&core->swarm),
        .rtt_us = (uint32_t)(core->swarm.rpcs.rtt.mean_ns / KITH_NS_PER_US),
        .n_bound = publish->n_bound,
    };
    if (core->mainline != NULL) {
        kith_mainline_status(core->mainline, &ret->mainline);
    }
    memcpy(ret->network, core->env.network, sizeof(core->env.network));
    memcpy(ret->bound, publish->bound, sizeof(ret->bound));
    const struct kith_endpoint *observed[] = {&publish->v4.winner, &publish->v6.winner};
    for (size_t i = 0; i < 2; i++) {
        if (observed[i]->family != 0) {
            ret->observed[ret->n_observed++] = *observed[i];
        }
    }
}

struct peer_walk {
    uint64_t now;
    int (*fn)(const struct kith_peer_info *info, void *user);
    void *user;
};

static int each_entry(const struct kith_entry *entry, unsigned bucket, bool replacement,
                      void *user) {
    const struct peer_walk *walk = user;
    struct kith_node_ref node = kith_entry_node(entry);
    struct kith_peer_info info = {
        .key = node.key,
        .node_id = node.id,
        .endpoint = node.endpoint,
        .bucket = (uint16_t)bucket,
        .live = !replacement && entry->failures == 0,
        .failures = entry->failures,
        .rtt_us = entry->rtt_us,
        .seen_ns = walk->now - entry->seen,
    };
    return walk->fn(&info, walk->user);
}

int kith_core_each_peer(const struct kith_core *core, uint64_t now,
                        int (*fn)(const struct kith_peer_info *info, void *user), void *user) {
    struct peer_walk walk = {.now = now, .fn = fn, .user = user};
    const struct kith_routing *tables[] = {core->swarm.v4, core->swarm.v6};
    for (size_t i = 0; i < 2; i++) {
        int r = tables[i] == NULL ? 0 : kith_routing_each(tables[i], each_entry, &walk);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

int kith_core_known_peer(const struct kith_core *core, const struct kith_key *key, uint64_t now,
                         struct kith_peer *ret) {
    const struct kith_own *own = &core->publish.own;
    struct kith_record record;
    struct kith_point point;
    struct kith_held held;
    kith_point_of_record(key, kith_span(own->peer_salt, own->peer_salt_size), &point);
    if (!kith_store_get(core->store, &point, now, &held)) {
        return KITH_ENOT_FOUND;
    }
    kith_record_copy(&record, &held.view);
    return kith_peer_from_record(&record, ret) < 0 ? KITH_ENOT_FOUND : 0;
}

struct record_walk {
    uint64_t now;
    int (*fn)(const struct kith_record_info *info, void *user);
    void *user;
};

static void describe_record(struct kith_record_info *info, const struct kith_record_view *view) {
    info->is_mutable = view->is_mutable;
    if (view->is_mutable) {
        memcpy(info->key.bytes, view->key, KITH_KEY_SIZE);
        info->salt_size = (uint8_t)view->salt.size;
        if (view->salt.size > 0) {
            memcpy(info->salt, view->salt.data, view->salt.size);
        }
        info->seq = view->seq;
    }
    info->value_size = (uint16_t)view->value.size;
}

static int each_held(const struct kith_held *held, void *user) {
    const struct record_walk *walk = user;
    struct kith_record_info info = {
        .point = held->point,
        .age_ns = walk->now - held->stored,
        .expires_ns = held->expires > walk->now ? held->expires - walk->now : 0,
    };
    describe_record(&info, &held->view);
    return walk->fn(&info, walk->user);
}

int kith_core_each_record(const struct kith_core *core, uint64_t now,
                          int (*fn)(const struct kith_record_info *info, void *user), void *user) {
    const struct kith_own *own = &core->publish.own;
    struct kith_list *l = kith_list_first(&own->all);
    for (; l != NULL; l = kith_list_next(&own->all, l)) {
        const struct kith_own_record *r = kith_container_of(l, struct kith_own_record, all);
        uint64_t due = r->republish.deadline;
        struct kith_record_info info = {
            .point = r->point,
            .own = true,
            .age_ns = now - r->stored,
            .expires_ns = due > now ? due - now : 0,
        };
        describe_record(&info, &r->record);
        int result = fn(&info, user);
        if (result != 0) {
            return result;
        }
    }
    struct record_walk walk = {.now = now, .fn = fn, .user = user};
    return kith_store_each(core->store, each_held, &walk);
}

int kith_core_each_session(const struct kith_core *core, uint64_t now,
                           int (*fn)(const struct kith_session_info *info, void *user),
                           void *user) {
    return kith_sessions_each(core->sessions, now, fn, user);
}

int kith_core_each_local(const struct kith_core *core, uint64_t now,
                         int (*fn)(const struct kith_local_info *info, void *user), void *user) {
    struct kith_list *l = kith_list_first(&core->locals.all);
    for (; l != NULL; l = kith_list_next(&core->locals.all, l)) {
        const struct kith_local *local = kith_container_of(l, struct kith_local, all);
        struct kith_local_info info = {
            .has_key = local->has_key,
            .key = local->key,
            .confirmed = local->confirmed,
            .seen_ns = local->confirmed ? now - local->seen : 0,
            .n_endpoints = local->report.n_endpoints,
        };
        if (local->confirmed) {
            info.endpoint = local->endpoint;
        }
        memcpy(info.name, local->report.name, sizeof(info.name));
        memcpy(info.endpoints, local->report.endpoints, sizeof(info.endpoints));
        int r = fn(&info, user);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

const char *kith_core_check(const struct kith_core *core) {
    const char *wrong = core->swarm.v4 == NULL ? NULL : kith_routing_check(core->swarm.v4);
    if (wrong == NULL && core->swarm.v6 != NULL) {
        wrong = kith_routing_check(core->swarm.v6);
    }
    wrong = wrong != NULL ? wrong : kith_store_check(core->store);
    wrong = wrong != NULL ? wrong : kith_sessions_check(core->sessions);
    wrong = wrong != NULL ? wrong : kith_book_check(core->keeper.book);
    if (wrong == NULL && core->mainline != NULL) {
        wrong = kith_mainline_check(core->mainline);
    }
    if (wrong == NULL && core->env.stats.drop_amplification != 0) {
        wrong = "an answer was larger than the question of an unproven address";
    }
    return wrong;
}
