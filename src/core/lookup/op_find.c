/* SPDX-License-Identifier: MIT */
/*
 * Find: the peers announced under a topic. Each answer on the way brings a sample of signed
 * announcements; each valid one is reported once, as it comes, until enough were found or the walk
 * ends. Anybody can make keys and announce them: no source alone makes it enough (op_share.c).
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

static void report(struct kith_op *op, const struct kith_record *record, uint64_t from,
                   uint32_t source, uint64_t now) {
    struct kith_peer peer;
    if (kith_peer_from_record(record, &peer) < 0) {
        op->ops->env->stats.bad_records++; /* as its publisher signed it */
        return;
    }
    op->seen_from[op->n_seen] = from;
    op->seen[op->n_seen++] = record->key;
    op->result.found = op->n_seen;
    op->result.sources |= source;
    kith_op_note_answer(op, now);
    kith_op_report_record(op, record, &peer, source, now);
}

static void hold_back(struct kith_op *op, const struct kith_record *record) {
    if (op->held_records == NULL) {
        op->held_records = calloc(KITH_FIND_HELD_MAX, sizeof(*op->held_records));
    }
    if (op->held_records != NULL && op->n_held < KITH_FIND_HELD_MAX) {
        op->held_records[op->n_held++] = *record;
    }
}

/* `from` NULL: we hold it ourselves. True: it is valid, and may be reported already. */
static bool take(struct kith_op *op, const struct kith_record_view *view,
                 const struct kith_node_ref *from, uint64_t source, uint64_t now) {
    if (!view->is_mutable || enough(op)) {
        return false;
    }
    if (seen_before(op, view->key)) {
        return true;
    }
    struct kith_record record;
    if (!kith_span_equal(view->salt, kith_span(op->salt, op->salt_size)) ||
        kith_record_verify(view, op->ops->env->curve, NULL) < 0) {
        kith_op_bad_record(op, from, now);
        return false;
    }
    kith_record_copy(&record, view);
    if (kith_op_source_full(op, source)) {
        hold_back(op, &record);
    } else {
        report(op, &record, source, from == NULL ? KITH_SOURCE_STORE : KITH_SOURCE_KITH, now);
    }
    return true;
}

static bool on_answer(struct kith_walk *walk, struct kith_candidate *from,
                      const struct kith_response *response, uint64_t now) {
    const struct kith_leg *leg = walk->context;
    struct kith_op *op = leg->op;
    uint64_t source = kith_op_source(leg, &from->node);
    bool knew = false;
    for (uint32_t i = 0; i < response->n_records; i++) {
        knew = take(op, &response->records[i], &from->node, source, now) || knew;
    }
    if (enough(op)) {
        kith_op_finish(op, 0, false, now);
        return false;
    }
    if (knew) {
        kith_op_note_source(op, source);
    }
    kith_op_progress(op, now);
    return true;
}

static void take_held(struct kith_op *op, uint64_t now) {
    for (uint32_t i = 0; i < op->n_held && !enough(op); i++) {
        if (!seen_before(op, op->held_records[i].key.bytes)) {
            report(op, &op->held_records[i], 0, KITH_SOURCE_KITH, now);
        }
    }
}

/* Who finds nobody tries paths (core/lookup/paths.h): liars may have led the walk astray. So does
 * for a round who finds peers at fewer sources than an honest network has: announcements are at
 * the k nearest. */
static void on_over(struct kith_leg *leg, uint64_t now) {
    static const struct kith_walk_hooks hooks = {.on_answer = on_answer, .on_over = on_over};
    struct kith_op *op = leg->op;
    bool astray = op->n_sources < KITH_OP_SOURCES && leg->paths == NULL;
    if ((op->n_seen == 0 || astray) &&
        kith_op_widen(leg, KITH_METHOD_TOPIC, &leg->point, &hooks, now)) {
        return;
    }
    take_held(op, now);
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
    op->seen_from = calloc(op->query.n, sizeof(*op->seen_from));
    if (op->seen == NULL || op->seen_from == NULL) {
        kith_op_finish(op, KITH_ENOMEM, false, now);
        return;
    }
    struct kith_held held[KITH_MESSAGE_RECORDS_MAX];
    size_t n = kith_store_topic(ops->store, &op->point, now, KITH_MESSAGE_RECORDS_MAX, held);
    for (size_t i = 0; i < n; i++) {
        (void)take(op, &held[i].view, NULL, 0, now);
    }
    struct kith_leg *leg = &op->legs[KITH_LEG_KITH];
    leg->point = op->point;
    if (enough(op) || !kith_op_walk(leg, KITH_METHOD_TOPIC, &leg->point, &hooks, now)) {
        kith_op_finish(op, op->n_seen > 0 ? 0 : KITH_ENO_NETWORK, false, now);
    }
}
