/* SPDX-License-Identifier: MIT */
/*
 * One timer, for the record that is due first; the store keeps them in that order. While one is
 * being put again it is due again a pause later, as if it had succeeded; its end corrects that.
 */
#include "core/upkeep/repair.h"

enum {
    PAUSE_MAX_S = 3600,
    PAUSE_MIN_S = 60,
    RETRY_S = 300, /* after one that found too few nodes */
    ALONE_S = 60,  /* without a live contact */
    WORTH_S = 60,  /* a life shorter than that is left to end */
};

static void on_timer(struct kith_timer *timer, uint64_t now);

void kith_repair_init(struct kith_repair *repair, struct kith_ops *ops) {
    *repair = (struct kith_repair){.ops = ops};
}

void kith_repair_stop(struct kith_repair *repair) {
    if (repair->ops != NULL && repair->ops->env != NULL) {
        kith_timer_stop(&repair->ops->env->timers, &repair->timer);
    }
}

/* A quarter of the pause is left to chance. */
static uint64_t pause_ns(const struct kith_repair *repair, bool by_holder) {
    uint64_t pause = kith_swarm_stay_ns(repair->ops->swarm) / 2;
    uint64_t most = PAUSE_MAX_S * KITH_NS_PER_S;
    uint64_t least = PAUSE_MIN_S * KITH_NS_PER_S;
    pause = pause > most ? most : pause < least ? least : pause;
    uint64_t chance = kith_random_below(&repair->ops->env->random, pause / 4);
    return (by_holder ? pause / 4 * 3 : pause / 4 * 5) + chance;
}

/* Salts of kith's own: peer records, announcements. */
static bool is_of_a_peer(const struct kith_record_view *view) {
    static const char reserved[] = "kith:";
    size_t size = sizeof(reserved) - 1;
    return view->is_mutable && view->salt.size >= size &&
           memcmp(view->salt.data, reserved, size) == 0;
}

void kith_repair_stored(struct kith_repair *repair, const struct kith_point *point,
                        const struct kith_record_view *view, bool by_holder, uint64_t now) {
    if (!is_of_a_peer(view)) {
        kith_store_repair_at(repair->ops->store, point, now + pause_ns(repair, by_holder));
    }
}

/* Whether at least k nodes that answered are nearer to the point than we are. */
static bool is_others(const struct kith_repair *repair, const struct kith_op *op) {
    struct kith_candidate *nearest[KITH_OP_TARGETS_MAX];
    const struct kith_swarm *swarm = repair->ops->swarm;
    size_t k = swarm->dialect->k;
    size_t n = kith_walk_answered(&op->legs[KITH_LEG_KITH].walk, k, nearest);
    return n == k && kith_point_compare(&op->point, &nearest[k - 1]->node.id, &swarm->own_id) < 0;
}

static void on_end(struct kith_op *op, int status, uint64_t now, void *context) {
    struct kith_repair *repair = context;
    uint64_t next = now + pause_ns(repair, true);
    repair->n_running--;
    if (status == KITH_EOUTDATED || (status == 0 && is_others(repair, op))) {
        next = KITH_NEVER; /* newer ones, or nearer nodes, look after it */
    } else if (status < 0) {
        next = now + RETRY_S * KITH_NS_PER_S;
    }
    kith_store_repair_at(repair->ops->store, &op->point, next);
}

static void begin(struct kith_repair *repair, const struct kith_held *held, uint64_t now) {
    struct kith_ops *ops = repair->ops;
    struct kith_point point = held->point;
    struct kith_record record;
    kith_record_copy(&record, &held->view);
    bool worth = held->expires > now + WORTH_S * KITH_NS_PER_S;
    uint64_t expires = held->expires;
    kith_store_repair_at(ops->store, &point, worth ? now + pause_ns(repair, true) : KITH_NEVER);
    if (!worth) {
        return;
    }
    repair->n_running++;
    if (kith_ops_start_repair(ops, &record, expires, on_end, repair, now) == 0) {
        ops->env->stats.records_repaired++;
    } else {
        repair->n_running--; /* without memory: a pause later */
    }
}

static void on_timer(struct kith_timer *timer, uint64_t now) {
    struct kith_repair *repair = kith_container_of(timer, struct kith_repair, timer);
    struct kith_held held;
    uint64_t next = now + KITH_REPAIR_GAP_MS * KITH_NS_PER_MS;
    if (kith_swarm_count_live(repair->ops->swarm) == 0) {
        next = now + ALONE_S * KITH_NS_PER_S;
    } else if (repair->n_running < KITH_REPAIRS_MAX &&
               kith_store_repair_first(repair->ops->store, now, &held)) {
        begin(repair, &held, now);
    }
    uint64_t due = kith_store_repair_deadline(repair->ops->store);
    if (due != KITH_NEVER) {
        int r = kith_timer_set(&repair->ops->env->timers, timer, on_timer, due > next ? due : next);
        (void)r; /* its place in the heap was just freed; else kith_repair_look() makes up for it */
    }
}

void kith_repair_look(struct kith_repair *repair, uint64_t now) {
    uint64_t due = kith_store_repair_deadline(repair->ops->store);
    if (due != KITH_NEVER && !kith_timer_is_set(&repair->timer)) {
        int r = kith_timer_set(&repair->ops->env->timers, &repair->timer, on_timer,
                               due > now ? due : now);
        (void)r; /* without memory the next call tries again */
    }
}
