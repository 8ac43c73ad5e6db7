/* SPDX-License-Identifier: MIT */
/*
 * The walks of an op: one in each swarm that it has a part in and, where that was not enough,
 * rounds of paths (core/lookup/paths.h). What is done with the answers does not depend on which
 * walk they came in: its context is the leg.
 *
 * A round ends when all of its paths have. Its walks are freed with the next round or the op, never
 * from inside one of them before it has returned.
 */
#include "core/lookup/op.h"

#include <stdlib.h>

#include "core/base/endpoint.h"

/* How many paths a round has, and how many questions at a time each of them. */
static const struct {
    uint8_t paths;
    uint8_t alpha;
} ROUNDS[KITH_PATHS_ROUNDS] = {{3, 2}, {8, 1}, {KITH_PATHS_MAX, 1}};

enum { ENTRIES_MAX = KITH_PATHS_MAX * KITH_PATH_STARTERS };

static void leg_over(struct kith_walk *walk, uint64_t now) {
    struct kith_leg *leg = walk->context;
    leg->running = false;
    leg->on_over(leg, now);
}

static void set_hooks(struct kith_leg *leg, struct kith_walk *walk,
                      const struct kith_walk_hooks *hooks) {
    const struct kith_op *op = leg->op;
    walk->on_answer = hooks->on_answer;
    walk->on_done = leg_over;
    walk->context = leg;
    if (op->kind == KITH_QUERY_TRACE || (op->flags & KITH_FLAG_TRACE) != 0) {
        walk->on_hop = kith_op_report_hop;
    }
    leg->on_over = hooks->on_over;
}

/* Whether only something newer is of interest: holders of what is put again need not show it. */
static bool knows_seq(const struct kith_leg *leg, int64_t *ret) {
    const struct kith_op *op = leg->op;
    if (op->expires != 0 && op->record->is_mutable) {
        *ret = op->record->seq;
        return true;
    }
    if (op->kind != KITH_QUERY_PUT || !op->internal || leg->swarm->dialect->tokens) {
        return false;
    }
    const struct kith_own_record *kept = kith_own_find(op->ops->own, &op->point, false);
    bool is_peer = kept != NULL && kept->kind == KITH_OWN_PEER; /* its next seq is higher anyway */
    *ret = is_peer ? kept->record.seq : 0;
    return is_peer;
}

bool kith_op_walk(struct kith_leg *leg, enum kith_method method, const struct kith_point *target,
                  const struct kith_walk_hooks *hooks, uint64_t now) {
    struct kith_walk *walk = &leg->walk;
    struct kith_walk_stats before = {0};
    if (leg->started) {
        before = walk->stats;
        kith_walk_deinit(walk);
    }
    struct kith_request request = kith_swarm_request(leg->swarm, method);
    request.target = *target;
    request.has_seq = knows_seq(leg, &request.seq);
    kith_walk_init(walk, leg->swarm, &request);
    walk->stats.messages = before.messages;
    walk->stats.answered = before.answered;
    walk->stats.timeouts = before.timeouts;
    walk->hasty = leg->op->hasty;
    walk->thrifty = leg->op->internal;
    if (leg->op->internal && leg->op->kind == KITH_QUERY_TRACE && leg->op->query.n != 0) {
        walk->k = leg->op->query.n;
        walk->request.n = leg->op->query.n;
    }
    walk->sparing =
        !walk->thrifty && (leg->op->kind == KITH_QUERY_PUT || leg->op->kind == KITH_QUERY_ANNOUNCE);
    walk->introducing = walk->thrifty && kith_point_equal(target, &leg->swarm->own_id);
    if (leg->op->region) {
        kith_swarm_reach(leg->swarm, &walk->reach);
    }
    set_hooks(leg, walk, hooks);
    leg->started = true;
    leg->running = true; /* before it starts: its first answer may end the op */
    leg->running = kith_walk_start(walk, now);
    return leg->running;
}

bool kith_op_walk_all(struct kith_op *op, enum kith_method method,
                      const struct kith_walk_hooks *hooks, uint64_t now) {
    bool any = false;
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        struct kith_leg *leg = &op->legs[i];
        if (leg->swarm != NULL) {
            any = kith_op_walk(leg, method, &leg->point, hooks, now) || any;
        }
    }
    return any;
}

/* ---- paths ---- */

void kith_op_note_asked(struct kith_leg *leg) {
    if (leg->paths == NULL) {
        leg->paths = calloc(1, sizeof(*leg->paths));
    }
    for (unsigned i = 0; leg->paths != NULL && i < leg->walk.n_candidates; i++) {
        const struct kith_candidate *c = leg->walk.order[i];
        bool asked = c->state != KITH_CANDIDATE_NEW || c->at > 0 || c->asked_twice;
        if (asked && !kith_asked_add(&leg->paths->asked, &c->node.id)) {
            return; /* it may be asked once more */
        }
    }
}

/* The walks of the last round go; what they counted stays. */
static void free_walks(struct kith_paths *paths) {
    for (unsigned i = 0; i < paths->n; i++) {
        const struct kith_walk_stats *stats = &paths->walks[i].stats;
        paths->before.candidates += stats->candidates;
        paths->before.messages += stats->messages;
        paths->before.answered += stats->answered;
        paths->before.timeouts += stats->timeouts;
        kith_walk_deinit(&paths->walks[i]);
    }
    free(paths->walks);
    paths->walks = NULL;
    paths->n = 0;
}

static void path_over(struct kith_walk *walk, uint64_t now) {
    struct kith_leg *leg = walk->context;
    if (--leg->paths->n_running == 0) {
        leg_over(walk, now);
    }
}

/* The path that an entry belongs to: where its neighbourhood is already, else the next in turn. */
static unsigned path_of(const struct kith_endpoint *endpoint, unsigned n_paths, uint64_t *nets,
                        unsigned *turn) {
    struct kith_nets own;
    kith_endpoint_nets(endpoint, &own);
    for (unsigned i = 0; i < n_paths * KITH_PATH_STARTERS && own.of[1] != 0; i++) {
        if (nets[i] == own.of[1]) {
            return i / KITH_PATH_STARTERS;
        }
    }
    unsigned path = (*turn)++ % n_paths;
    for (unsigned i = 0; i < KITH_PATH_STARTERS; i++) {
        if (nets[path * KITH_PATH_STARTERS + i] == 0) {
            nets[path * KITH_PATH_STARTERS + i] = own.of[1];
            break;
        }
    }
    return path;
}

/* Deals the entries nearest to the target that nobody has asked to the paths, nearest first. What a
 * neighbourhood has too many of goes to paths that would have none. */
static void deal(const struct kith_leg *leg, const struct kith_point *target) {
    const struct kith_entry *entries[ENTRIES_MAX];
    struct kith_paths *paths = leg->paths;
    uint64_t nets[ENTRIES_MAX] = {0};
    size_t n_left = 0;
    unsigned turn = 0;
    size_t n = kith_swarm_closest(leg->swarm, target, ENTRIES_MAX, entries);
    for (size_t i = 0; i < n; i++) {
        struct kith_node_ref node = kith_entry_node(entries[i]);
        if (kith_asked_has(&paths->asked, &node.id)) {
            continue;
        }
        struct kith_walk *walk = &paths->walks[path_of(&node.endpoint, paths->n, nets, &turn)];
        if (walk->n_candidates < KITH_PATH_STARTERS) {
            kith_walk_add(walk, &node, 1);
        } else {
            entries[n_left++] = entries[i];
        }
    }
    for (unsigned i = 0, next = 0; i < paths->n && next < n_left; i++) {
        if (paths->walks[i].n_candidates == 0) {
            struct kith_node_ref node = kith_entry_node(entries[next++]);
            kith_walk_add(&paths->walks[i], &node, 1);
        }
    }
}

bool kith_op_widen(struct kith_leg *leg, enum kith_method method, const struct kith_point *target,
                   const struct kith_walk_hooks *hooks, uint64_t now) {
    if (leg->paths == NULL) {
        kith_op_note_asked(leg);
    }
    struct kith_paths *paths = leg->paths;
    if (paths == NULL || paths->round >= leg->swarm->dialect->rounds) {
        return false;
    }
    free_walks(paths);
    unsigned n = ROUNDS[paths->round].paths;
    unsigned alpha = ROUNDS[paths->round].alpha;
    paths->walks = calloc(n, sizeof(*paths->walks));
    if (paths->walks == NULL) {
        return false;
    }
    paths->round++;
    paths->n = n;
    struct kith_request request = kith_swarm_request(leg->swarm, method);
    request.target = *target;
    for (unsigned i = 0; i < n; i++) {
        struct kith_walk *walk = &paths->walks[i];
        kith_walk_init(walk, leg->swarm, &request);
        walk->alpha = alpha;
        walk->hasty = true;
        walk->thrifty = leg->op->internal;
        walk->requests_max = KITH_PATH_REQUESTS_MAX;
        walk->candidates_max = KITH_PATH_CANDIDATES_MAX;
        walk->asked = &paths->asked;
        kith_swarm_reach(leg->swarm, &walk->reach);
        set_hooks(leg, walk, hooks);
        walk->on_done = path_over;
    }
    deal(leg, target);
    paths->n_running = 0;
    for (unsigned i = 0; i < n; i++) {
        struct kith_walk *walk = &paths->walks[i];
        paths->n_running += walk->n_candidates > 0 && kith_walk_start(walk, now);
    }
    leg->running = paths->n_running > 0;
    return leg->running;
}

/* Whether a path met somebody in the region whom the walk should have met. */
static bool met_others(const struct kith_leg *leg) {
    const struct kith_candidate *last = kith_walk_last(&leg->walk);
    const struct kith_walk *path;
    for (unsigned i = 1; (path = kith_leg_walk(leg, i)) != NULL; i++) {
        for (unsigned j = 0; j < path->n_candidates; j++) {
            const struct kith_candidate *c = path->order[j];
            if (c->state == KITH_CANDIDATE_ANSWERED && kith_walk_in_reach(path, c) &&
                (last == NULL ||
                 kith_point_compare(&path->target, &c->node.id, &last->node.id) < 0)) {
                return true;
            }
        }
    }
    return false;
}

/* Liars who lead a walk astray are themselves all that it meets, where there should be others as
 * well: of the nodes to be expected half, if every second node is one of them, fewer if fewer are.
 * The paths of the first round may all be led astray, too; hardly all of two. */
bool kith_leg_convinces(const struct kith_leg *leg, bool strictly) {
    static const double least[2][KITH_PATHS_ROUNDS] = {{0.9, 0.6, 0}, {0.95, 0.75, 0}};
    const double most = 2; /* more were perhaps ground to be next to the target */
    return leg->paths != NULL && leg->paths->round > 0 && leg->density <= most &&
           leg->density >= least[strictly][leg->paths->round - 1] && !met_others(leg);
}

/* ---- all of them ---- */

const struct kith_walk *kith_leg_walk(const struct kith_leg *leg, unsigned i) {
    if (i == 0) {
        return leg->started ? &leg->walk : NULL;
    }
    return leg->paths != NULL && i <= leg->paths->n ? &leg->paths->walks[i - 1] : NULL;
}

void kith_leg_stop(struct kith_leg *leg) {
    leg->running = false;
    kith_walk_stop(&leg->walk);
    for (unsigned i = 0; leg->paths != NULL && i < leg->paths->n; i++) {
        kith_walk_stop(&leg->paths->walks[i]);
    }
}

void kith_leg_stats(const struct kith_leg *leg, struct kith_walk_stats *ret) {
    const struct kith_walk *walk;
    *ret = leg->walk.stats;
    if (leg->paths != NULL) {
        ret->candidates += leg->paths->before.candidates;
        ret->messages += leg->paths->before.messages;
        ret->answered += leg->paths->before.answered;
        ret->timeouts += leg->paths->before.timeouts;
    }
    for (unsigned i = 1; (walk = kith_leg_walk(leg, i)) != NULL; i++) {
        ret->candidates += walk->stats.candidates;
        ret->messages += walk->stats.messages;
        ret->answered += walk->stats.answered;
        ret->timeouts += walk->stats.timeouts;
        ret->in_flight += walk->stats.in_flight;
    }
}

void kith_leg_deinit_walks(struct kith_leg *leg) {
    if (leg->started) {
        kith_walk_deinit(&leg->walk);
    }
    if (leg->paths != NULL) {
        free_walks(leg->paths);
        kith_asked_deinit(&leg->paths->asked);
        free(leg->paths);
        leg->paths = NULL;
    }
}

bool kith_op_walking(const struct kith_op *op) {
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        if (op->legs[i].running) {
            return true;
        }
    }
    return false;
}

void kith_op_stop_walks(struct kith_op *op) {
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        if (op->legs[i].running) {
            kith_leg_stop(&op->legs[i]);
        }
    }
}
