/* SPDX-License-Identifier: MIT */
/*
 * Get, lookup, watch and trace: questions that end at a point and bring back what is there.
 *
 * A lookup is a get of the peer record, which in addition asks the peer itself when we know it, and
 * when the swarm holds no record walks to the peer's node id: a peer that has just started is found
 * by its neighbours before its record is stored. The first valid record ends a get, unless the
 * newest is wanted. A record that this node holds ends it only if we are among the nodes that ought
 * to hold it: otherwise ours may be a left-over and counts as one more answer.
 *
 * Whoever finds nothing may have been led astray, so rounds of disjoint paths follow
 * (core/lookup/paths.h) before that is the answer, until nothing looks wrong; a get of the newest
 * has one round in any case, and others while they bring newer ones. A watch, which looks again in
 * a few seconds, has none.
 *
 * All swarms are asked at once. The first record ends the walk that found it; the other swarms then
 * have a short time to come up with a newer one.
 */
#include "core/lookup/op.h"

#include "core/record/target.h"

enum stage {
    STAGE_RECORD, /* walking to the record's storage point */
    STAGE_NODE,   /* lookup only: walking to the peer's node id */
    STAGE_DIRECT, /* lookup only: the peer answered there; asking it for its record */
    STAGE_WIDE,   /* nothing was found so far, or not for certain: rounds of paths to the record */
};

enum {
    WATCH_INTERVAL_S = 5,
    REPAIR_MAX = 8,
    GRACE_MS = 500, /* for the other swarms, once one has answered */
};

static bool is_lookup(const struct kith_op *op) {
    return op->kind == KITH_QUERY_LOOKUP || op->kind == KITH_QUERY_PING ||
           op->kind == KITH_QUERY_TALK;
}

/* A lookup of a peer that was reported on the local network names where it is there; while it has
 * not answered yet, what we hold does not settle the question. */
static bool local_agrees(struct kith_op *op) {
    const struct kith_local *local =
        is_lookup(op) ? kith_locals_find(op->ops->locals, &op->query.key) : NULL;
    if (local != NULL && local->confirmed) {
        op->result.sources |= KITH_SOURCE_LAN;
        op->result.contact =
            (struct kith_contact){.has_key = true, .key = local->key, .endpoint = local->endpoint};
    }
    return local == NULL || local->confirmed;
}

/* A lookup on behalf of a ping or talk goes on with that; everything else is told. */
static void found(struct kith_op *op, uint64_t now) {
    if (op->kind != KITH_QUERY_PING && op->kind != KITH_QUERY_TALK) {
        (void)local_agrees(op); /* whoever brought the record was only faster */
        kith_op_finish(op, 0, false, now);
        return;
    }
    kith_op_stop_walks(op);
    kith_timer_stop(&op->ops->env->timers, &op->again);
    if (op->direct != NULL) {
        kith_rpc_detach(op->direct);
        op->direct = NULL;
    }
    struct kith_peer peer;
    if (!op->has_peer && op->has_best && kith_peer_from_record(&op->best, &peer) == 0) {
        for (uint32_t i = 0; i < peer.n_endpoints && !op->has_peer; i++) {
            if (kith_swarm_table(op->ops->swarm, peer.endpoints[i].family) != NULL) {
                op->peer.endpoint = peer.endpoints[i];
                op->has_peer = true;
            }
        }
    }
    op->has_best = false;
    if (op->has_peer) {
        kith_op_peer_resolved(op, now);
    } else {
        kith_op_finish(op, KITH_ENOT_FOUND, false, now);
    }
}

/* Found without a record: the peer itself answered at this endpoint. */
static void found_directly(struct kith_op *op, uint64_t now) {
    if (op->kind == KITH_QUERY_LOOKUP) {
        (void)local_agrees(op);
        op->result.contact = (struct kith_contact){
            .has_key = true, .key = op->peer.key, .endpoint = op->peer.endpoint};
        struct kith_peer peer = {
            .key = op->peer.key, .n_endpoints = 1, .endpoints = {op->peer.endpoint}};
        op->result.peer = &peer;
        op->result.sources |= op->direct_source != 0 ? op->direct_source : KITH_SOURCE_KITH;
        kith_op_note_answer(op, now);
        kith_op_finish(op, 0, false, now);
        return;
    }
    found(op, now);
}

static bool widen(struct kith_op *op, uint64_t now);

static bool wants_newest(const struct kith_op *op) {
    return op->kind == KITH_QUERY_WATCH || (op->flags & KITH_FLAG_NEWEST) != 0;
}

/* The peer's answer to a question for its own record. */
static void on_direct(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_op *op = context;
    switch (event->outcome) {
    case KITH_RPC_LATE:
        return;
    case KITH_RPC_SLOW:
        op->extra_messages++;
        return;
    case KITH_RPC_STALE:
        kith_rpc_detach(rpc);
        break;
    case KITH_RPC_RESPONSE:
        op->extra_answered++;
        op->has_peer = true;
        op->peer = rpc->node;
        if (event->response->has_record &&
            kith_op_take_record(&op->legs[KITH_LEG_KITH], &event->response->record, &rpc->node,
                                event->now) >= 0) {
            op->direct = NULL;
            op->result.sources |= op->direct_source;
            op->result.contact = (struct kith_contact){
                .has_key = true, .key = rpc->node.key, .endpoint = rpc->node.endpoint};
            if (wants_newest(op) && op->stage != STAGE_DIRECT && kith_op_walking(op)) {
                return; /* the walks go on and end the op */
            }
            found(op, event->now);
            return;
        }
        break;
    case KITH_RPC_ERROR:
    case KITH_RPC_TIMEOUT:
        break;
    }
    op->direct = NULL;
    /* It answered but has no record yet: nobody else knows better where it is. */
    bool is_there = op->has_peer && !wants_newest(op);
    if (op->stage != STAGE_DIRECT && !is_there && kith_op_walking(op)) {
        return; /* the walks go on and end the op */
    }
    if (op->has_best) {
        found(op, event->now); /* what this node holds itself */
    } else if (op->has_peer) {
        found_directly(op, event->now);
    } else {
        bool walked = op->legs[KITH_LEG_KITH].walk.stats.messages > 0;
        if (!walked || !widen(op, event->now)) {
            kith_op_finish(op, walked ? KITH_ENOT_FOUND : KITH_ENO_NETWORK, false, event->now);
        }
    }
}

static void ask_directly(struct kith_op *op, const struct kith_node_ref *node, uint64_t now) {
    struct kith_request request = kith_swarm_request(op->ops->swarm, KITH_METHOD_GET);
    request.target = op->point;
    int r = kith_swarm_ask(op->ops->swarm, node, &request, 0, on_direct, op, now, &op->direct);
    if (r < 0) {
        op->direct = NULL;
        return;
    }
    op->extra_messages++;
}

static void ask_instead(struct kith_op *op, const struct kith_node_ref *node, uint64_t now) {
    if (op->direct != NULL) {
        kith_rpc_detach(op->direct);
        op->direct = NULL;
    }
    ask_directly(op, node, now);
}

/* Asks the peer that answers on the local network, instead of wherever it was asked before. */
static void ask_local(struct kith_op *op, const struct kith_local *local, uint64_t now) {
    struct kith_node_ref node = {.key = local->key, .has_key = true, .endpoint = local->endpoint};
    kith_point_of_node(&node.key, &node.id);
    if (op->direct == NULL || !kith_endpoint_equal(&op->direct->node.endpoint, &node.endpoint)) {
        op->direct_source = KITH_SOURCE_LAN;
        ask_instead(op, &node, now);
    }
}

void kith_op_local(struct kith_op *op, const struct kith_local *local, uint64_t now) {
    bool looking = is_lookup(op) && op->query.contact.endpoint.family == 0 && !op->has_peer &&
                   op->legs[KITH_LEG_KITH].swarm != NULL;
    if (looking && local->has_key && kith_key_equal(&op->query.key, &local->key)) {
        ask_local(op, local, now);
    }
}

/* ---- the walk to the node itself ---- */

static bool on_node_answer(struct kith_walk *walk, struct kith_candidate *from,
                           const struct kith_response *response, uint64_t now) {
    struct kith_leg *leg = walk->context;
    struct kith_op *op = leg->op;
    (void)response;
    if (!kith_point_equal(&from->node.id, &walk->target)) {
        kith_op_progress(op, now);
        return true;
    }
    op->peer = from->node;
    op->has_peer = true;
    op->stage = STAGE_DIRECT;
    kith_leg_stop(leg);
    ask_instead(op, &op->peer, now);
    if (op->direct == NULL) {
        found_directly(op, now);
    }
    return false;
}

/* Nothing is left to ask in the swarm of the peer; Mainline may still know its record. */
static void on_node_walk_over(struct kith_leg *leg, uint64_t now) {
    struct kith_op *op = leg->op;
    if (kith_op_walking(op)) {
        return;
    }
    if (op->has_best) {
        found(op, now);
    } else if (op->direct != NULL) {
        op->stage = STAGE_DIRECT; /* it appeared on the local network meanwhile */
    } else if (!widen(op, now)) {
        kith_op_finish(op, KITH_ENOT_FOUND, false, now);
    }
}

static void walk_to_node(struct kith_leg *leg, uint64_t now) {
    static const struct kith_walk_hooks hooks = {.on_answer = on_node_answer,
                                                 .on_over = on_node_walk_over};
    struct kith_op *op = leg->op;
    struct kith_point target;
    kith_op_note_asked(leg); /* for the record, which the others are not */
    kith_point_of_node(&op->query.key, &target);
    op->stage = STAGE_NODE;
    if (op->direct != NULL) {
        kith_rpc_detach(op->direct); /* it had as long as a whole walk */
        op->direct = NULL;
    }
    const struct kith_local *local = kith_locals_find(op->ops->locals, &op->query.key);
    if (local != NULL && local->confirmed) {
        ask_local(op, local, now); /* or less, if it appeared meanwhile */
    }
    if (!kith_op_walk(leg, KITH_METHOD_FIND, &target, &hooks, now)) {
        on_node_walk_over(leg, now);
    }
}

/* ---- the walk to the record ---- */

static void on_grace_over(struct kith_timer *timer, uint64_t now) {
    found(kith_container_of(timer, struct kith_op, again), now);
}

/* A record is there that is as good as any, unless a swarm that still walks holds a newer one. */
static void found_unless_newer(struct kith_op *op, uint64_t now) {
    struct kith_timers *timers = &op->ops->env->timers;
    bool waiting = kith_timer_is_set(&op->again);
    if (!kith_op_walking(op) || (!waiting && kith_timer_set(timers, &op->again, on_grace_over,
                                                            now + GRACE_MS * KITH_NS_PER_MS) < 0)) {
        found(op, now);
    }
}

static bool on_answer(struct kith_walk *walk, struct kith_candidate *from,
                      const struct kith_response *response, uint64_t now) {
    struct kith_leg *leg = walk->context;
    struct kith_op *op = leg->op;
    if (response->has_record && op->kind != KITH_QUERY_TRACE) {
        int taken = kith_op_take_record(leg, &response->record, &from->node, now);
        if (taken >= 0) {
            from->has_record = true;
            from->seq = response->record.seq;
            op->result.sources |= leg->swarm->dialect->source;
            leg->walk.stats.hops = from->depth;
            if (!wants_newest(op)) {
                op->result.holders = 1;
                kith_op_collect(op, now);
                kith_leg_stop(leg);
                found_unless_newer(op, now);
                return false;
            }
        }
    }
    kith_op_progress(op, now);
    return true;
}

/* Nodes that hold an older record than the newest are told the newest: read repair. */
static void repair(struct kith_leg *leg, const struct kith_walk *walk, uint64_t now) {
    struct kith_op *op = leg->op;
    struct kith_request request = kith_swarm_request(leg->swarm, KITH_METHOD_PUT);
    kith_record_view(&op->best, &request.record);
    request.target = leg->point;
    unsigned n = 0;
    for (unsigned i = 0; i < walk->n_candidates && n < REPAIR_MAX; i++) {
        const struct kith_candidate *c = walk->order[i];
        if (c->has_record && c->seq < op->best.seq &&
            (c->has_token || !leg->swarm->dialect->tokens)) {
            struct kith_rpc *rpc;
            request.token = kith_span(c->token, c->token_size);
            n += kith_swarm_ask(leg->swarm, &c->node, &request, KITH_ASK_ONCE, NULL, NULL, now,
                                &rpc) == 0;
        }
    }
}

static void count_holders(struct kith_op *op, const struct kith_walk *walk) {
    for (unsigned i = 0; i < walk->n_candidates; i++) {
        const struct kith_candidate *c = walk->order[i];
        op->result.holders += c->has_record && c->seq == op->best.seq;
    }
}

/* Every walk to the record is over, and what is best is known. */
static void look_at_holders(struct kith_op *op, uint64_t now) {
    op->result.holders = 0;
    for (unsigned i = 0; i < KITH_LEGS && op->has_best; i++) {
        const struct kith_walk *walk;
        for (unsigned j = 0; (walk = kith_leg_walk(&op->legs[i], j)) != NULL; j++) {
            if (kith_point_equal(&walk->target, &op->legs[i].point)) {
                count_holders(op, walk);
                repair(&op->legs[i], walk, now);
            }
        }
    }
}

static void look_again(struct kith_timer *timer, uint64_t now) {
    kith_op_begin_get(kith_container_of(timer, struct kith_op, again), now);
}

/* One look of a watch is over. */
static void watch_next(struct kith_op *op, uint64_t now) {
    if (op->has_best && op->best.seq > op->newest_seen) {
        op->newest_seen = op->best.seq;
        kith_op_report_record(op, &op->best, NULL, op->result.sources, now);
    }
    uint64_t wait = kith_random_jitter(&op->ops->env->random, WATCH_INTERVAL_S * KITH_NS_PER_S, 10);
    int r = kith_timer_set(&op->ops->env->timers, &op->again, look_again, now + wait);
    if (r < 0) {
        kith_op_finish(op, r, false, now);
    }
}

/* All walks are over and nothing ended the op before. */
static void all_over(struct kith_op *op, uint64_t now) {
    bool may_be_newer = op->kind != KITH_QUERY_WATCH && op->has_best && wants_newest(op);
    if (may_be_newer && widen(op, now)) {
        return;
    }
    look_at_holders(op, now);
    if (op->kind == KITH_QUERY_WATCH) {
        watch_next(op, now);
    } else if (op->kind == KITH_QUERY_TRACE) {
        kith_op_finish(op, 0, false, now);
    } else if (op->has_best) {
        found(op, now);
    } else if (is_lookup(op) && op->has_peer) {
        found_directly(op, now);
    } else if (op->direct != NULL) {
        op->stage = STAGE_DIRECT; /* it appeared on the local network meanwhile */
    } else if (!widen(op, now)) {
        kith_op_finish(op, KITH_ENOT_FOUND, false, now);
    }
}

/* ---- the paths to the record ---- */

static void on_round_over(struct kith_leg *leg, uint64_t now) {
    struct kith_op *op = leg->op;
    if (kith_op_walking(op)) {
        return;
    }
    bool improved = op->has_best && wants_newest(op) && op->best.seq > op->newest_seen;
    if ((!op->has_best || improved) && widen(op, now)) {
        return;
    }
    look_at_holders(op, now);
    if (op->has_best) {
        found(op, now);
    } else if (op->direct != NULL) {
        op->stage = STAGE_DIRECT; /* it appeared on the local network meanwhile */
    } else {
        kith_op_finish(op, KITH_ENOT_FOUND, false, now);
    }
}

/* Starts the next round, where one is called for; false: there is none. */
static bool widen(struct kith_op *op, uint64_t now) {
    static const struct kith_walk_hooks hooks = {.on_answer = on_answer, .on_over = on_round_over};
    bool any = false;
    op->stage = STAGE_WIDE;
    op->newest_seen = op->has_best ? op->best.seq : -1;
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        struct kith_leg *leg = &op->legs[i];
        bool enough = !op->has_best && kith_leg_convinces(leg, false);
        if (leg->started && !enough) {
            any = kith_op_widen(leg, KITH_METHOD_GET, &leg->point, &hooks, now) || any;
        }
    }
    return any;
}

static void on_record_walk_over(struct kith_leg *leg, uint64_t now) {
    struct kith_op *op = leg->op;
    bool in_kith = leg == &op->legs[KITH_LEG_KITH];
    leg->density = kith_swarm_density(leg->swarm, kith_walk_size(&leg->walk));
    if (in_kith && is_lookup(op) && !op->has_best && !op->has_peer) {
        walk_to_node(leg, now);
    } else if (!kith_op_walking(op) && op->stage != STAGE_DIRECT) {
        all_over(op, now);
    }
}

/* ---- beginning ---- */

/* Where the record lies in each swarm. A trace goes to the peer's node in kith, which has no such
 * place in Mainline: there it goes to the record. */
static void resolve_points(struct kith_op *op) {
    struct kith_ops *ops = op->ops;
    bool by_point = (op->flags & KITH_FLAG_HAS_POINT) != 0;
    if (is_lookup(op)) {
        op->salt_size = (uint8_t)ops->own->peer_salt_size;
        memcpy(op->salt, ops->own->peer_salt, op->salt_size);
        op->peer.key = op->query.key;
        op->peer.has_key = true;
        kith_point_of_node(&op->query.key, &op->peer.id);
    }
    struct kith_span salt = kith_span(op->salt, op->salt_size);
    if (by_point) {
        op->point = op->query.point;
    } else if (op->kind == KITH_QUERY_TRACE) {
        kith_point_of_node(&op->query.key, &op->point);
    } else {
        kith_point_of_record(&op->query.key, salt, &op->point);
    }
    op->result.target = op->query.point;
    if (!by_point) {
        kith_target_of_key(&op->query.key, salt, &op->result.target);
    }
    op->legs[KITH_LEG_KITH].point = op->point;
    op->legs[KITH_LEG_MAINLINE4].point = op->result.target;
    op->legs[KITH_LEG_MAINLINE6].point = op->result.target;
}

/* Whether we are one of the k nodes nearest to the op's point, as far as we know. */
static bool ought_to_hold(const struct kith_op *op) {
    const struct kith_swarm *swarm = op->ops->swarm;
    const struct kith_entry *entries[64];
    size_t k = swarm->dialect->k;
    size_t n = kith_swarm_closest(swarm, &op->point, k, entries);
    if (n < k) {
        return true;
    }
    struct kith_point farthest = kith_entry_id(entries[k - 1]);
    return kith_point_compare(&op->point, &swarm->own_id, &farthest) < 0;
}

/* What this node has itself. Returns whether that settles the question. */
static bool answer_from_here(struct kith_op *op, uint64_t now) {
    struct kith_ops *ops = op->ops;
    struct kith_leg *leg = &op->legs[KITH_LEG_KITH];
    if (leg->swarm == NULL) {
        return false;
    }
    const struct kith_own_record *own = kith_own_find(ops->own, &op->point, false);
    bool is_own = own != NULL;
    bool taken = false;
    if (is_own) {
        taken = kith_op_take_record(leg, &own->record, NULL, now) >= 0;
    }
    struct kith_held held;
    if (kith_store_get(ops->store, &op->point, now, &held)) {
        taken = kith_op_take_record(leg, &held.view, NULL, now) >= 0 || taken;
    }
    if (!taken) {
        return false;
    }
    op->result.sources |= KITH_SOURCE_STORE;
    op->result.holders = 1;
    return is_own || ought_to_hold(op);
}

/* Whether there is somebody in Mainline who could know a newer record. */
static bool mainline_may_know(const struct kith_op *op) {
    for (unsigned i = KITH_LEG_MAINLINE4; i <= KITH_LEG_MAINLINE6; i++) {
        if (op->legs[i].swarm != NULL && kith_swarm_count_live(op->legs[i].swarm) > 0) {
            return true;
        }
    }
    return false;
}

/* A peer of the local network, or of a routing table, is asked for its own record at once. */
static void ask_if_known(struct kith_op *op, uint64_t now) {
    const struct kith_local *local = kith_locals_find(op->ops->locals, &op->query.key);
    const struct kith_entry *entry = kith_swarm_find(op->ops->swarm, &op->peer.id);
    struct kith_node_ref node = op->peer;
    if (local != NULL && (local->confirmed || entry == NULL)) {
        op->direct_source = KITH_SOURCE_LAN;
        node.endpoint = local->confirmed ? local->endpoint : local->report.endpoints[0];
        ask_directly(op, &node, now);
    } else if (entry != NULL) { /* where it answered counts for more than what mDNS claims */
        op->direct_source = KITH_SOURCE_BOOK;
        node = kith_entry_node(entry);
        ask_directly(op, &node, now);
    }
}

void kith_op_begin_get(struct kith_op *op, uint64_t now) {
    static const struct kith_walk_hooks hooks = {.on_answer = on_answer,
                                                 .on_over = on_record_walk_over};
    bool is_trace = op->kind == KITH_QUERY_TRACE;
    op->stage = STAGE_RECORD;
    resolve_points(op);
    bool settled = !is_trace && answer_from_here(op, now) && !wants_newest(op) && local_agrees(op);
    if (settled && !mainline_may_know(op)) {
        found(op, now);
        return;
    }
    if (is_lookup(op) && op->legs[KITH_LEG_KITH].swarm != NULL) {
        ask_if_known(op, now);
    }
    if (kith_op_walk_all(op, is_trace ? KITH_METHOD_FIND : KITH_METHOD_GET, &hooks, now)) {
        if (settled) {
            found_unless_newer(op, now);
        }
        return;
    }
    if (op->kind == KITH_QUERY_WATCH) {
        watch_next(op, now);
    } else if (op->direct != NULL) {
        op->stage = STAGE_DIRECT; /* it is the only one there is to ask */
    } else if (op->has_best) {
        found(op, now);
    } else {
        kith_op_finish(op, KITH_ENO_NETWORK, false, now);
    }
}
