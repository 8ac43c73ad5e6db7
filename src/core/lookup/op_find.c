/* SPDX-License-Identifier: MIT */
/*
 * Find: the peers announced under a topic. Each answer on the way brings a sample of signed
 * announcements; each valid one is reported once, as it comes, until enough were found or the walk
 * ends.
 */
#include "core/lookup/op.h"

#include <stdlib.h>

static bool seen_before(const struct kith_op *op, const uint8_t *key) {
    for (uint32_t i = 0; i < op->n_seen; i++) {
        if (memcmp(op->seen[i].bytes, key, KITH_KEY_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

static bool enough(const struct kith_op *op) {
    return op->n_seen >= op->query.n;
}

/* `from` NULL: we hold it ourselves. */
static void take(struct kith_op *op, const struct kith_record_view *view,
                 const struct kith_node_ref *from, uint64_t now) {
    uint32_t source = from == NULL ? KITH_SOURCE_STORE : KITH_SOURCE_KITH;
    if (!view->is_mutable || enough(op) || seen_before(op, view->key)) {
        return;
    }
    struct kith_record record;
    struct kith_peer peer;
    if (!kith_span_equal(view->salt, kith_span(op->salt, op->salt_size)) ||
        kith_record_verify(view, op->ops->env->curve, NULL) < 0) {
        kith_op_bad_record(op, from, now);
        return;
    }
    kith_record_copy(&record, view);
    if (kith_peer_from_record(&record, &peer) < 0) {
        op->ops->env->stats.bad_records++; /* as its publisher signed it */
        return;
    }
    op->seen[op->n_seen++] = record.key;
    op->result.found = op->n_seen;
    op->result.sources |= source;
    if (op->result.walk.first_ns == 0) {
        op->result.walk.first_ns = now - op->started;
    }
    kith_op_report_record(op, &record, &peer, source, now);
}

static bool on_answer(struct kith_walk *walk, struct kith_candidate *from,
                      const struct kith_response *response, uint64_t now) {
    const struct kith_leg *leg = walk->context;
    struct kith_op *op = leg->op;
    for (uint32_t i = 0; i < response->n_records; i++) {
        take(op, &response->records[i], &from->node, now);
    }
    if (enough(op)) {
        kith_op_finish(op, 0, false, now);
        return false;
    }
    kith_op_progress(op, now);
    return true;
}

/* Who finds nobody tries paths (core/lookup/paths.h): liars may have led the walk astray. */
static void on_over(struct kith_leg *leg, uint64_t now) {
    static const struct kith_walk_hooks hooks = {.on_answer = on_answer, .on_over = on_over};
    struct kith_op *op = leg->op;
    if (op->n_seen == 0 && kith_op_widen(leg, KITH_METHOD_TOPIC, &leg->point, &hooks, now)) {
        return;
    }
    kith_op_finish(op, op->n_seen > 0 ? 0 : KITH_ENOT_FOUND, false, now);
}

void kith_op_begin_find(struct kith_op *op, uint64_t now) {
    static const struct kith_walk_hooks hooks = {.on_answer = on_answer, .on_over = on_over};
    struct kith_ops *ops = op->ops;
    op->point = op->query.point;
    op->salt_size = (uint8_t)kith_topic_salt(&op->point, op->salt);
    if (op->query.n == 0 || op->query.n > KITH_FIND_MAX) {
        op->query.n = KITH_FIND_MAX;
    }
    op->seen = calloc(op->query.n, sizeof(*op->seen));
    if (op->seen == NULL) {
        kith_op_finish(op, KITH_ENOMEM, false, now);
        return;
    }
    struct kith_held held[KITH_MESSAGE_RECORDS_MAX];
    size_t n = kith_store_topic(ops->store, &op->point, now, KITH_MESSAGE_RECORDS_MAX, held);
    for (size_t i = 0; i < n; i++) {
        take(op, &held[i].view, NULL, now);
    }
    struct kith_leg *leg = &op->legs[KITH_LEG_KITH];
    leg->point = op->point;
    if (enough(op) || !kith_op_walk(leg, KITH_METHOD_TOPIC, &leg->point, &hooks, now)) {
        kith_op_finish(op, op->n_seen > 0 ? 0 : KITH_ENO_NETWORK, false, now);
    }
}
