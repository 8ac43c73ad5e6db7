/* SPDX-License-Identifier: MIT */
/*
 * A change costs some dozen handshakes. An interface that flaps for hours costs them every ten
 * seconds; what came in between is dealt with once, at the end of that time.
 */
#include "core/upkeep/change.h"

static const uint16_t round_ms[] = {0, 1000, 3000}; /* of questions, after the change */

static void on_due(struct kith_timer *timer, uint64_t now);
static void on_round(struct kith_timer *timer, uint64_t now);

void kith_change_deinit(struct kith_change *change) {
    if (change->env != NULL) {
        kith_timer_stop(&change->env->timers, &change->due);
        kith_timer_stop(&change->env->timers, &change->rounds);
    }
}

/* Failed ones too: they may have failed because of the network. */
static void ask_nearest(struct kith_change *change, const struct kith_routing *table,
                        uint64_t now) {
    const struct kith_entry *nearest[KITH_CHANGE_ASKED];
    struct kith_node_ref nodes[KITH_CHANGE_ASKED];
    size_t n =
        kith_routing_closest(table, &change->swarm->own_id, KITH_CHANGE_ASKED, false, nearest);
    for (size_t i = 0; i < n; i++) {
        nodes[i] = kith_entry_node(nearest[i]);
    }
    struct kith_request request = kith_swarm_request(change->swarm, KITH_METHOD_PING);
    for (size_t i = 0; i < n; i++) {
        struct kith_rpc *rpc;
        int r = kith_swarm_ask(change->swarm, &nodes[i], &request, KITH_ASK_QUIET | KITH_ASK_FRESH,
                               NULL, NULL, now, &rpc);
        (void)r; /* the others, or the next round */
    }
}

static void ask(struct kith_change *change, uint64_t now) {
    const struct kith_routing *tables[] = {change->swarm->v4, change->swarm->v6};
    const struct kith_votes *votes[] = {&change->publish->v4, &change->publish->v6};
    for (size_t i = 0; i < 2; i++) {
        if (tables[i] != NULL && votes[i]->n == 0) {
            ask_nearest(change, tables[i], now);
        }
    }
    if (votes[0]->n + votes[1]->n == 0) { /* perhaps none of them is there any more */
        kith_keeper_hurry(change->keeper, now);
        kith_maintain_hurry(change->maintain, now);
    }
}

static void next_round(struct kith_change *change, uint64_t now) {
    unsigned round = change->round++;
    if (change->round < sizeof(round_ms) / sizeof(round_ms[0])) {
        uint64_t pause = (uint64_t)(round_ms[change->round] - round_ms[round]) * KITH_NS_PER_MS;
        int r = kith_timer_set(&change->env->timers, &change->rounds, on_round, now + pause);
        (void)r; /* without memory it remains at this round */
    }
    ask(change, now);
}

static void on_round(struct kith_timer *timer, uint64_t now) {
    next_round(kith_container_of(timer, struct kith_change, rounds), now);
}

static void deal_with(struct kith_change *change, uint64_t now) {
    change->env->stats.network_changes++;
    kith_swarm_forget_silences(change->swarm, now);
    kith_timer_stop(&change->env->timers, &change->due);
    kith_publish_question(change->publish, now);
    kith_reach_question(change->reach, now);
    kith_locals_question(change->locals, now);
    change->round = 0;
    next_round(change, now);
    change->on_change(change->context, now);
}

void kith_change_seen(struct kith_change *change, uint64_t now) {
    const uint64_t refill = KITH_CHANGE_REFILL_S * KITH_NS_PER_S;
    const uint64_t burst = (KITH_CHANGE_BURST - 1) * refill;
    change->paid = change->paid > now ? change->paid : now;
    if (change->paid - now <= burst) {
        change->paid += refill;
        deal_with(change, now);
    } else if (!kith_timer_is_set(&change->due)) {
        /* Without memory this change waits for the next. */
        int r = kith_timer_set(&change->env->timers, &change->due, on_due, change->paid - burst);
        (void)r;
    }
}

static void on_due(struct kith_timer *timer, uint64_t now) {
    kith_change_seen(kith_container_of(timer, struct kith_change, due), now);
}
