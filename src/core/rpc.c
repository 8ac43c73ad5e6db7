/* SPDX-License-Identifier: MIT */
/*
 * Requests in flight. Found by transaction id through a hash table keyed with a secret, so a peer
 * cannot choose ids that collide; each carries its own timer. The encoded request is kept for
 * the repeats.
 *
 * The soft timeout is the biggest lever a lookup has: with 10% dead entries it takes p99 from 2.0 s
 * to 0.42 s. It follows the peer's own round-trip time where that is known, else the swarm's mean
 * plus as many deviations as the dialect says.
 */
#include "core/rpc.h"

#include <stdlib.h>

enum {
    SOFT_START_MS = 300, /* before the first sample */
    SOFT_MIN_MS = 100,   /* a busy machine pauses for that long without being dead */
    SOFT_MAX_MS = 2000,
    PATIENCE = 8,     /* mean round trips before anybody is given up: few pairs are that slow */
    PATIENCE_MS = 1500,
    LATE_MS = 1500,   /* from STALE to TIMEOUT */
};

void kith_rpcs_init(struct kith_rpcs *rpcs, struct kith_env *env, unsigned sendings_max,
                    unsigned deviations) {
    *rpcs = (struct kith_rpcs){
        .env = env, .sendings_max = sendings_max, .deviations = deviations};
    kith_hash_init(&rpcs->table);
    kith_list_init(&rpcs->all);
    kith_random_secure(&env->random, &rpcs->hash_key, sizeof(rpcs->hash_key));
}

static uint64_t hash_txn(const struct kith_rpcs *rpcs, uint32_t txn) {
    uint64_t h = (txn ^ rpcs->hash_key) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static struct kith_rpc *find_txn(const struct kith_rpcs *rpcs, uint32_t txn) {
    struct kith_hash_node *n = kith_hash_first(&rpcs->table, hash_txn(rpcs, txn));
    for (; n != NULL; n = kith_hash_next(n)) {
        struct kith_rpc *rpc = kith_container_of(n, struct kith_rpc, by_txn);
        if (rpc->txn == txn) {
            return rpc;
        }
    }
    return NULL;
}

static void forget(struct kith_rpcs *rpcs, struct kith_rpc *rpc) {
    kith_timer_stop(&rpcs->env->timers, &rpc->timer);
    kith_hash_remove(&rpcs->table, &rpc->by_txn);
    kith_list_remove(&rpc->all);
    rpcs->n--;
    free(rpc);
}

void kith_rpcs_deinit(struct kith_rpcs *rpcs) {
    struct kith_list *l;
    while ((l = kith_list_first(&rpcs->all)) != NULL) {
        forget(rpcs, kith_container_of(l, struct kith_rpc, all));
    }
    kith_hash_deinit(&rpcs->table);
}

uint32_t kith_rpcs_new_txn(struct kith_rpcs *rpcs) {
    uint8_t b[KITH_TXN_SIZE];
    uint32_t txn;
    do {
        kith_random_secure(&rpcs->env->random, b, sizeof(b));
        txn = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    } while (find_txn(rpcs, txn) != NULL);
    return txn;
}

uint64_t kith_rpcs_soft_timeout(const struct kith_rpcs *rpcs, uint32_t peer_rtt_us) {
    const struct kith_rtt *rtt = &rpcs->rtt;
    uint64_t swarm =
        rtt->mean_ns == 0 ? SOFT_START_MS * KITH_NS_PER_MS
                          : rtt->mean_ns + rpcs->deviations * rtt->deviation_ns;
    uint64_t soft = swarm;
    if (peer_rtt_us != 0) {
        uint64_t peer = peer_rtt_us * KITH_NS_PER_US;
        soft = peer + peer / 2 + rtt->deviation_ns;
    }
    if (soft < SOFT_MIN_MS * KITH_NS_PER_MS) {
        return SOFT_MIN_MS * KITH_NS_PER_MS;
    }
    return soft > SOFT_MAX_MS * KITH_NS_PER_MS ? SOFT_MAX_MS * KITH_NS_PER_MS : soft;
}

static void rtt_sample(struct kith_rtt *rtt, uint64_t sample) {
    if (rtt->mean_ns == 0) {
        rtt->mean_ns = sample == 0 ? 1 : sample;
        rtt->deviation_ns = sample / 2;
        return;
    }
    uint64_t error = sample > rtt->mean_ns ? sample - rtt->mean_ns : rtt->mean_ns - sample;
    rtt->deviation_ns = rtt->deviation_ns - rtt->deviation_ns / 4 + error / 4;
    rtt->mean_ns = rtt->mean_ns - rtt->mean_ns / 8 + sample / 8;
    rtt->mean_ns += rtt->mean_ns == 0;
}

static void notify(struct kith_rpc *rpc, enum kith_rpc_outcome outcome, uint64_t now) {
    struct kith_rpc_event event = {.outcome = outcome, .now = now};
    if (rpc->fn != NULL) {
        rpc->fn(rpc, &event, rpc->context);
    }
}

static void on_timer(struct kith_timer *timer, uint64_t now);

static void arm(struct kith_rpc *rpc, uint64_t wait, uint64_t now) {
    /* Only fails if another took the place in the heap that this timer held, and memory is out. */
    if (kith_timer_set(&rpc->owner->env->timers, &rpc->timer, on_timer, now + wait) != 0) {
        struct kith_rpc_event event = {.outcome = KITH_RPC_TIMEOUT, .now = now};
        kith_rpcs_finish(rpc->owner, rpc, &event);
    }
}

static void send_first(struct kith_rpc *rpc, bool fresh, uint64_t now) {
    rpc->attempts = 1;
    rpc->first_sent = now;
    rpc->previous_sent = now;
    rpc->last_sent = now;
    rpc->owner->env->stats.requests_sent++;
    rpc->owner->transmit(rpc->owner->context, rpc, fresh, now);
}

static void send_again(struct kith_rpc *rpc, uint64_t now) {
    rpc->attempts++;
    rpc->previous_sent = rpc->last_sent;
    rpc->last_sent = now;
    rpc->owner->env->stats.requests_resent++;
    rpc->owner->transmit(rpc->owner->context, rpc, true, now);
}

/* A soft timeout; after the last sending until the slowest of pairs would have answered the first. */
static uint64_t wait_after_sending(const struct kith_rpc *rpc, uint64_t now) {
    uint64_t patience = PATIENCE * rpc->owner->rtt.mean_ns;
    if (patience > PATIENCE_MS * KITH_NS_PER_MS) {
        patience = PATIENCE_MS * KITH_NS_PER_MS;
    }
    uint64_t until = rpc->first_sent + patience;
    bool last = rpc->attempts >= rpc->owner->sendings_max;
    return last && until > now + rpc->soft_ns ? until - now : rpc->soft_ns;
}

/* SLOW, then STALE a soft timeout after the last sending, then TIMEOUT. */
static void on_timer(struct kith_timer *timer, uint64_t now) {
    struct kith_rpc *rpc = kith_container_of(timer, struct kith_rpc, timer);
    if (rpc->attempts == 0) {
        send_first(rpc, false, now);
        arm(rpc, rpc->soft_ns, now);
    } else if (!rpc->once && rpc->attempts < rpc->owner->sendings_max) {
        bool first = rpc->attempts == 1;
        send_again(rpc, now);
        if (first) {
            notify(rpc, KITH_RPC_SLOW, now);
        }
        arm(rpc, wait_after_sending(rpc, now), now);
    } else if (!rpc->stale) {
        rpc->stale = true;
        notify(rpc, KITH_RPC_STALE, now);
        arm(rpc, LATE_MS * KITH_NS_PER_MS, now);
    } else {
        rpc->owner->env->stats.requests_timeout++;
        struct kith_rpc_event event = {.outcome = KITH_RPC_TIMEOUT, .now = now};
        kith_rpcs_finish(rpc->owner, rpc, &event);
    }
}

int kith_rpcs_start(struct kith_rpcs *rpcs, const struct kith_rpc_start *start, uint64_t now,
                    struct kith_rpc **ret) {
    if (rpcs->n >= KITH_RPC_MAX) {
        return KITH_EFULL;
    }
    struct kith_rpc *rpc = malloc(sizeof(*rpc) + start->payload.size);
    if (rpc == NULL) {
        return KITH_ENOMEM;
    }
    *rpc = (struct kith_rpc){
        .owner = rpcs,
        .node = *start->node,
        .method = start->method,
        .txn = start->txn,
        .once = start->once,
        .quiet = start->quiet,
        .router = start->router,
        .soft_ns = kith_rpcs_soft_timeout(rpcs, start->peer_rtt_us),
        .answer_hope = start->answer_hope,
        .fn = start->fn,
        .context = start->context,
        .size = (uint16_t)start->payload.size,
    };
    memcpy(rpc->payload, start->payload.data, start->payload.size);
    int r = kith_hash_insert(&rpcs->table, &rpc->by_txn, hash_txn(rpcs, rpc->txn));
    if (r < 0) {
        free(rpc);
        return r;
    }
    bool later = start->delay_ns > 0;
    r = kith_timer_set(&rpcs->env->timers, &rpc->timer, on_timer,
                       now + (later ? start->delay_ns : rpc->soft_ns));
    if (r < 0) {
        kith_hash_remove(&rpcs->table, &rpc->by_txn);
        free(rpc);
        return r;
    }
    kith_list_append(&rpcs->all, &rpc->all);
    rpcs->n++;
    if (!later) {
        send_first(rpc, start->fresh, now);
    }
    *ret = rpc;
    return 0;
}

struct kith_rpc *kith_rpcs_find(struct kith_rpcs *rpcs, const struct kith_txn *txn) {
    if (txn->size != KITH_TXN_SIZE) {
        return NULL;
    }
    const uint8_t *b = txn->bytes;
    return find_txn(rpcs, (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
}

void kith_rpcs_finish(struct kith_rpcs *rpcs, struct kith_rpc *rpc, struct kith_rpc_event *event) {
    if (event->outcome == KITH_RPC_RESPONSE || event->outcome == KITH_RPC_ERROR) {
        /* The answer to a repeat counts from the repeat (Karn 1987), or every loss would lengthen
         * the timeout by itself, without end. One that comes too soon after it for that answers the
         * sending before: so a swarm slower than we thought teaches us that it is. */
        bool of_last = rpc->attempts == 1 || event->now - rpc->last_sent >= rpcs->rtt.mean_ns / 2;
        event->rtt_ns = event->now - (of_last ? rpc->last_sent : rpc->previous_sent);
        rtt_sample(&rpcs->rtt, event->rtt_ns);
        rpcs->env->stats.responses_late += rpc->attempts > 1;
    }
    /* Out of the table first: the callbacks may start requests or drop this one's owner. */
    kith_timer_stop(&rpcs->env->timers, &rpc->timer);
    kith_hash_remove(&rpcs->table, &rpc->by_txn);
    kith_list_remove(&rpc->all);
    rpcs->n--;
    rpcs->finished(rpcs->context, rpc, event);
    if (rpc->fn != NULL) {
        rpc->fn(rpc, event, rpc->context);
    }
    free(rpc);
}

void kith_rpc_detach(struct kith_rpc *rpc) {
    rpc->fn = NULL;
    rpc->context = NULL;
}
