/* SPDX-License-Identifier: MIT */
/*
 * Jobs that only Mainline has: the peers of an info-hash, announcing a peer, sampling info-hashes.
 *
 * All walk in both address families, to the info-hash. An announcement goes to the nearest nodes
 * that gave a token; the host's address is what each sees of us. Who is announced nobody proves:
 * peers are hints, and no source alone ends the search for them (op_share.c).
 *
 * How many there are (BEP 33) is a second question, to the nearest: libtorrent answers a scrape
 * with filters instead of peers.
 */
#include "core/lookup/op.h"

#include <stdlib.h>

#include "core/base/endpoint.h"
#include "core/wire/bloom.h"

enum { MEET_PER_NODE = 32 }; /* peers that a rendezvous takes from one node */

static bool enough(const struct kith_op *op) {
    return op->n_seen >= op->query.n;
}

static bool seen_before(const struct kith_op *op, const struct kith_endpoint *endpoint) {
    for (uint32_t i = 0; i < op->n_seen; i++) {
        if (kith_endpoint_equal(&op->seen_endpoints[i], endpoint)) {
            return true;
        }
    }
    return false;
}

/* ---- peers ---- */

static void hold_back(struct kith_op *op, const struct kith_endpoint *peer) {
    for (uint32_t i = 0; i < op->n_held; i++) {
        if (kith_endpoint_equal(&op->held_endpoints[i], peer)) {
            return;
        }
    }
    if (op->n_held < op->query.n) {
        op->held_endpoints[op->n_held++] = *peer;
    }
}

/* `source` 0: whatever its share. */
static void take_peer(struct kith_op *op, const struct kith_endpoint *peer, uint64_t source,
                      uint64_t now) {
    if (enough(op) || seen_before(op, peer)) {
        return;
    }
    if (kith_op_source_full(op, source)) {
        hold_back(op, peer);
        return;
    }
    op->seen_from[op->n_seen] = source;
    op->seen_endpoints[op->n_seen++] = *peer;
    op->result.found = op->n_seen;
    op->result.sources |= KITH_SOURCE_MAINLINE;
    kith_op_note_answer(op, now);
    kith_op_report_peer(op, peer, now);
}

static void merge_filters(struct kith_op *op, const struct kith_response *response) {
    if (response->filter_seeds.size == KITH_BLOOM_SIZE) {
        kith_bloom_merge(op->filters, response->filter_seeds.data);
    }
    if (response->filter_peers.size == KITH_BLOOM_SIZE) {
        kith_bloom_merge(op->filters + KITH_BLOOM_SIZE, response->filter_peers.data);
    }
}

/* A rendezvous takes what it gets: it has a limit per node, and another of what it tries. */
static void take_peers(const struct kith_leg *leg, const struct kith_candidate *from,
                       const struct kith_response *response, uint64_t now) {
    struct kith_op *op = leg->op;
    uint64_t source = op->internal ? 0 : kith_op_source(leg, &from->node);
    uint32_t n = response->n_peers;
    n = op->internal && n > MEET_PER_NODE ? MEET_PER_NODE : n;
    for (uint32_t i = 0; i < n; i++) {
        const struct kith_endpoint *peer = &response->peers[i];
        if (kith_endpoint_usable(peer) && kith_endpoint_reaches(peer, &from->node.endpoint)) {
            take_peer(op, peer, source, now);
        }
    }
}

static bool on_peers(struct kith_walk *walk, struct kith_candidate *from,
                     const struct kith_response *response, uint64_t now) {
    const struct kith_leg *leg = walk->context;
    struct kith_op *op = leg->op;
    take_peers(leg, from, response, now);
    if (enough(op)) {
        kith_op_finish(op, 0, false, now);
        return false;
    }
    kith_op_progress(op, now);
    return true;
}

static void finish_peers(struct kith_op *op, uint64_t now) {
    op->result.scrape_seeds = kith_bloom_estimate(op->filters);
    op->result.scrape_peers = kith_bloom_estimate(op->filters + KITH_BLOOM_SIZE);
    kith_op_finish(op, op->n_seen > 0 ? 0 : KITH_ENOT_FOUND, false, now);
}

static uint32_t n_scraped(const struct kith_op *op) {
    uint32_t n = 0;
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        n += op->legs[i].n_targets;
    }
    return n;
}

/* The slow are not waited for: they are some of many who tell the same. */
static void on_scraped(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_target *target = context;
    struct kith_op *op = target->leg->op;
    bool final = event->outcome != KITH_RPC_SLOW && event->outcome != KITH_RPC_STALE;
    op->extra_messages += event->outcome == KITH_RPC_SLOW;
    op->n_resolved += event->outcome == KITH_RPC_STALE || (final && !rpc->stale);
    if (event->outcome == KITH_RPC_RESPONSE) {
        op->extra_answered++;
        merge_filters(op, event->response);
    }
    target->rpc = final ? NULL : target->rpc;
    if (op->n_resolved == n_scraped(op)) {
        finish_peers(op, event->now);
    }
}

static void scrape(struct kith_leg *leg, uint64_t now) {
    struct kith_candidate *nearest[KITH_OP_TARGETS_MAX];
    struct kith_request request = kith_swarm_request(leg->swarm, KITH_METHOD_PEERS);
    request.target = leg->point;
    request.scrape = true;
    size_t n = kith_walk_answered(&leg->walk, leg->walk.k, nearest);
    for (size_t i = 0; i < n; i++) {
        struct kith_target *target = &leg->targets[leg->n_targets];
        *target = (struct kith_target){.leg = leg};
        if (kith_swarm_ask(leg->swarm, &nearest[i]->node, &request, 0, on_scraped, target, now,
                           &target->rpc) == 0) {
            leg->n_targets++;
            leg->op->extra_messages++;
        }
    }
}

static void on_peers_over(struct kith_leg *leg, uint64_t now) {
    struct kith_op *op = leg->op;
    if (kith_op_walking(op)) {
        return;
    }
    for (uint32_t i = 0; i < op->n_held; i++) {
        take_peer(op, &op->held_endpoints[i], 0, now);
    }
    for (unsigned i = 0; i < KITH_LEGS && !op->internal; i++) {
        if (op->legs[i].started) {
            scrape(&op->legs[i], now);
        }
    }
    if (n_scraped(op) == 0) {
        finish_peers(op, now);
    }
}

static int prepare_peers(struct kith_op *op) {
    if (op->query.n == 0 || op->query.n > KITH_PEERS_MAX) {
        op->query.n = KITH_PEERS_MAX;
    }
    op->seen_endpoints = calloc(op->query.n, sizeof(*op->seen_endpoints));
    op->seen_from = calloc(op->query.n, sizeof(*op->seen_from));
    op->held_endpoints = calloc(op->query.n, sizeof(*op->held_endpoints));
    op->filters = calloc(2, KITH_BLOOM_SIZE);
    return op->seen_endpoints == NULL || op->seen_from == NULL || op->held_endpoints == NULL ||
                   op->filters == NULL
               ? KITH_ENOMEM
               : 0;
}

/* ---- announcing ---- */

/* Who else is announced comes along on the way; a rendezvous wants to know. */
static bool on_announce_answer(struct kith_walk *walk, struct kith_candidate *from,
                               const struct kith_response *response, uint64_t now) {
    const struct kith_leg *leg = walk->context;
    take_peers(leg, from, response, now);
    kith_op_progress(leg->op, now);
    return true;
}

static void on_announce_over(struct kith_leg *leg, uint64_t now) {
    struct kith_op *op = leg->op;
    if (kith_op_walking(op)) {
        return;
    }
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        if (op->legs[i].started) {
            struct kith_request request =
                kith_swarm_request(op->legs[i].swarm, KITH_METHOD_ANNOUNCE_PEER);
            request.target = op->point;
            request.implied_port = op->query.port == 0;
            request.port = op->query.port != 0 ? op->query.port : 1; /* not looked at, but not 0 */
            kith_op_store(&op->legs[i], &request, now);
        }
    }
    kith_op_stored(op, now);
}

/* ---- sampling ---- */

static bool on_sample(struct kith_walk *walk, struct kith_candidate *from,
                      const struct kith_response *response, uint64_t now) {
    const struct kith_leg *leg = walk->context;
    struct kith_op *op = leg->op;
    if (response->has_samples) {
        op->result.found += (uint32_t)(response->samples.size / 20);
        op->result.sources |= KITH_SOURCE_MAINLINE;
        kith_op_report_sample(op, &from->node.endpoint, response, now);
    }
    kith_op_progress(op, now);
    return true;
}

static void on_sample_over(struct kith_leg *leg, uint64_t now) {
    struct kith_op *op = leg->op;
    if (!kith_op_walking(op)) {
        kith_op_finish(op, op->result.found > 0 ? 0 : KITH_ENOT_FOUND, false, now);
    }
}

/* ---- beginning ---- */

void kith_op_begin_torrent(struct kith_op *op, uint64_t now) {
    static const struct kith_walk_hooks peers = {.on_answer = on_peers, .on_over = on_peers_over};
    static const struct kith_walk_hooks announce = {.on_answer = on_announce_answer,
                                                    .on_over = on_announce_over};
    static const struct kith_walk_hooks sample = {.on_answer = on_sample,
                                                  .on_over = on_sample_over};
    bool is_sample = op->kind == KITH_QUERY_SAMPLE;
    bool is_announce = op->kind == KITH_QUERY_ANNOUNCE_PEER;
    op->hasty = is_announce;
    op->point = op->query.point;
    if (is_sample && (op->flags & KITH_FLAG_HAS_POINT) == 0) {
        kith_random_secure(&op->ops->env->random, op->point.bytes, 20);
    }
    op->result.target = op->point;
    op->legs[KITH_LEG_MAINLINE4].point = op->point;
    op->legs[KITH_LEG_MAINLINE6].point = op->point;
    if (!kith_op_in_mainline(op)) {
        op->result.text = "Mainline is off";
        kith_op_finish(op, KITH_EUNSUPPORTED, false, now);
        return;
    }
    int r = is_sample ? 0 : prepare_peers(op);
    if (r < 0) {
        kith_op_finish(op, r, false, now);
        return;
    }
    const struct kith_walk_hooks *hooks = is_sample ? &sample : is_announce ? &announce : &peers;
    enum kith_method method = is_sample ? KITH_METHOD_SAMPLE : KITH_METHOD_PEERS;
    if (!kith_op_walk_all(op, method, hooks, now)) {
        kith_op_finish(op, KITH_ENO_NETWORK, false, now);
    }
}
