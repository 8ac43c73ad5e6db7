/* SPDX-License-Identifier: MIT */
/*
 * Requests in flight. Found by transaction id through a hash table keyed with a secret, so a peer
 * cannot choose ids that collide; each carries its own timer. The encoded request is kept for
 * the repeats.
 *
 * The soft timeout is the biggest lever a lookup has: with 10% dead entries it takes p99 from 2.0 s
 * to 0.42 s. It follows the peer's own round-trip time where that is known, else the swarm's mean
 * plus as many deviations as the dialect says. To ask another one as well costs one question, and
 * none of those who are asked anyway: that is worth it after half of the time (LATE): with
 * 10^5 nodes, 30 % of them dead, it takes p99 from 0.95 to 0.60 s, the longer memory and the choice
 * of the first questions (core/lookup/walk.c) included.
 */
#include "core/swarm/rpc.h"

#include <stdlib.h>

enum {
    SOFT_START_MS = 300, /* before the first sample */
    SOFT_MIN_MS = 100,   /* a busy machine pauses for that long without being dead */
    SOFT_MAX_MS = 2000,
    LATE_MIN_MS = 30,
    RTT_SAMPLES = 16,
    PATIENCE = 8, /* mean round trips before anybody is given up: few pairs are that slow */
    PATIENCE_MS = 1500,
    STALE_MS = 1500, /* from STALE to TIMEOUT */
    PPM = 1000000,
    REPEATS_START_PPM = 100000, /* before the first answer: three sendings */
    REPEATS_WEIGHT = 32,        /* of a new answer, one in so many */
    UNHEARD_PPM = 10000,        /* of those who are there, at most */
    HEARD_PPM = 50000,          /* answers to a repeat are fewer: the first sending is heard */
    REPEAT_ANSWER = 300,        /* room for a peer record and two contacts */
    SENDING_MASK = KITH_RPC_SENDINGS_MAX - 1,
};

/* What a txn is looked up by: that of the first sending. Its top bit is set where it has a fixed
 * place, since msgpack writes small numbers shorter. */
static uint32_t txn_base(const struct kith_rpcs *rpcs, uint32_t txn) {
    return rpcs->dialect->txn_end == 0 ? txn : (txn | UINT32_C(1) << 31) & ~(uint32_t)SENDING_MASK;
}

void kith_rpcs_init(struct kith_rpcs *rpcs, struct kith_env *env,
                    const struct kith_dialect *dialect) {
    *rpcs = (struct kith_rpcs){.env = env, .dialect = dialect, .repeats_ppm = REPEATS_START_PPM};
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
    uint32_t txn;
    do {
        txn = txn_base(rpcs, kith_random_secure_u32(&rpcs->env->random));
    } while (find_txn(rpcs, txn) != NULL);
    return txn;
}

uint64_t kith_rpcs_soft_timeout(const struct kith_rpcs *rpcs, uint32_t peer_rtt_us) {
    const struct kith_rtt *rtt = &rpcs->rtt;
    uint64_t swarm = rtt->mean_ns == 0
                         ? SOFT_START_MS * KITH_NS_PER_MS
                         : rtt->mean_ns + rpcs->dialect->deviations * rtt->deviation_ns;
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

uint64_t kith_rpcs_late_timeout(const struct kith_rpcs *rpcs, uint32_t peer_rtt_us) {
    const struct kith_rtt *rtt = &rpcs->rtt;
    uint64_t soft = kith_rpcs_soft_timeout(rpcs, peer_rtt_us);
    uint64_t peer = peer_rtt_us * KITH_NS_PER_US;
    uint64_t late = peer != 0 ? peer + peer / 4 + rtt->deviation_ns / 4
                              : rtt->mean_ns + rtt->deviation_ns + rtt->deviation_ns / 2;
    if (peer == 0 && rtt->mean_ns == 0) {
        return soft;
    }
    if (late < LATE_MIN_MS * KITH_NS_PER_MS) {
        late = LATE_MIN_MS * KITH_NS_PER_MS;
    }
    return late < soft ? late : soft;
}

unsigned kith_rpcs_sendings(const struct kith_rpcs *rpcs) {
    unsigned n = 1;
    for (uint64_t unheard = rpcs->repeats_ppm; unheard > UNHEARD_PPM;
         unheard = unheard * rpcs->repeats_ppm / PPM) {
        if (++n >= rpcs->dialect->sendings_max) {
            return rpcs->dialect->sendings_max;
        }
    }
    return n < rpcs->dialect->sendings ? rpcs->dialect->sendings : n;
}

bool kith_rpcs_hears(const struct kith_rpcs *rpcs) {
    return rpcs->repeats_ppm < HEARD_PPM;
}

static void repeats_sample(struct kith_rpcs *rpcs, bool repeated) {
    uint32_t share = rpcs->repeats_ppm;
    rpcs->repeats_ppm = share - share / REPEATS_WEIGHT + (repeated ? PPM / REPEATS_WEIGHT : 0);
}

static void rtt_sample(struct kith_rtt *rtt, uint64_t sample) {
    if (rtt->mean_ns == 0) {
        rtt->mean_ns = sample == 0 ? 1 : sample;
        rtt->deviation_ns = sample / 2;
        rtt->n = 1;
        return;
    }
    rtt->n += rtt->n < RTT_SAMPLES;
    uint64_t error = sample > rtt->mean_ns ? sample - rtt->mean_ns : rtt->mean_ns - sample;
    rtt->deviation_ns = rtt->deviation_ns - rtt->deviation_ns / rtt->n + error / rtt->n;
    rtt->mean_ns = rtt->mean_ns - rtt->mean_ns / rtt->n + sample / rtt->n;
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

static void send_first(struct kith_rpc *rpc, uint64_t now) {
    rpc->attempts = 1;
    rpc->first_sent = now;
    rpc->sent_us[0] = 0;
    rpc->owner->env->stats.requests_sent++;
    rpc->owner->transmit(rpc->owner->context, rpc, rpc->fresh, now);
}

static void send_again(struct kith_rpc *rpc, uint64_t now) {
    uint64_t since = (now - rpc->first_sent) / KITH_NS_PER_US;
    rpc->sent_us[rpc->attempts] = since < UINT32_MAX ? (uint32_t)since : UINT32_MAX;
    if (rpc->owner->dialect->txn_end != 0) {
        rpc->payload[rpc->owner->dialect->txn_end]++;
    }
    /* Whoever does not hear the first sending, where next to nothing is lost, is most likely gone:
     * not worth a datagram as long as its answer might have been. */
    if (kith_rpcs_hears(rpc->owner) && rpc->answer_hope > REPEAT_ANSWER) {
        rpc->answer_hope = REPEAT_ANSWER;
    }
    rpc->attempts++;
    rpc->owner->env->stats.requests_resent++;
    rpc->owner->transmit(rpc->owner->context, rpc, true, now);
}

/* A soft timeout; after the last sending until the slowest of pairs would have answered the first.
 */
static uint64_t wait_after_sending(const struct kith_rpc *rpc, uint64_t now) {
    uint64_t patience = PATIENCE * rpc->owner->rtt.mean_ns;
    if (patience > PATIENCE_MS * KITH_NS_PER_MS) {
        patience = PATIENCE_MS * KITH_NS_PER_MS;
    }
    uint64_t until = rpc->first_sent + patience;
    bool last = rpc->attempts >= kith_rpcs_sendings(rpc->owner);
    return last && until > now + rpc->soft_ns ? until - now : rpc->soft_ns;
}

static uint64_t wait_for_answer(const struct kith_rpc *rpc) {
    return rpc->hedged ? rpc->late_ns : rpc->soft_ns;
}

/* LATE, SLOW, then STALE a soft timeout after the last sending, then TIMEOUT. */
static void on_timer(struct kith_timer *timer, uint64_t now) {
    struct kith_rpc *rpc = kith_container_of(timer, struct kith_rpc, timer);
    if (rpc->attempts == 0) {
        send_first(rpc, now);
        arm(rpc, wait_for_answer(rpc), now);
    } else if (rpc->hedged) {
        rpc->hedged = false;
        notify(rpc, KITH_RPC_LATE, now);
        arm(rpc, rpc->soft_ns - rpc->late_ns, now);
    } else if (!rpc->once && rpc->attempts < kith_rpcs_sendings(rpc->owner)) {
        bool first = rpc->attempts == 1;
        send_again(rpc, now);
        if (first) {
            notify(rpc, KITH_RPC_SLOW, now);
        }
        arm(rpc, wait_after_sending(rpc, now), now);
    } else if (!rpc->stale) {
        rpc->stale = true;
        notify(rpc, KITH_RPC_STALE, now);
        arm(rpc, STALE_MS * KITH_NS_PER_MS, now);
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
        .fresh = start->fresh,
        .late_ns = kith_rpcs_late_timeout(rpcs, start->peer_rtt_us),
        .soft_ns = kith_rpcs_soft_timeout(rpcs, start->peer_rtt_us),
        .answer_hope = start->answer_hope,
        .fn = start->fn,
        .context = start->context,
        .size = (uint16_t)start->payload.size,
    };
    rpc->hedged = start->hedged && rpc->late_ns < rpc->soft_ns;
    memcpy(rpc->payload, start->payload.data, start->payload.size);
    int r = kith_hash_insert(&rpcs->table, &rpc->by_txn, hash_txn(rpcs, rpc->txn));
    if (r < 0) {
        free(rpc);
        return r;
    }
    bool later = start->delay_ns > 0;
    r = kith_timer_set(&rpcs->env->timers, &rpc->timer, on_timer,
                       now + (later ? start->delay_ns : wait_for_answer(rpc)));
    if (r < 0) {
        kith_hash_remove(&rpcs->table, &rpc->by_txn);
        free(rpc);
        return r;
    }
    kith_list_append(&rpcs->all, &rpc->all);
    rpcs->n++;
    if (!later) {
        send_first(rpc, now);
    }
    *ret = rpc;
    return 0;
}

/* Where sendings are alike, the answer to a repeat counts from the repeat (Karn 1987), or every
 * loss would lengthen the timeout by itself, without end. One that comes too soon after it for that
 * answers the sending before: so a swarm slower than we thought teaches us that it is. */
static uint8_t guess_sending(const struct kith_rpc *rpc) {
    return rpc->attempts > 0 ? (uint8_t)(rpc->attempts - 1) : 0;
}

struct kith_rpc *kith_rpcs_find(struct kith_rpcs *rpcs, const struct kith_txn *txn,
                                uint8_t *ret_sending) {
    if (txn->size != KITH_TXN_SIZE) {
        return NULL;
    }
    const uint8_t *b = txn->bytes;
    uint32_t id = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    uint32_t base = txn_base(rpcs, id);
    struct kith_rpc *rpc = find_txn(rpcs, base);
    *ret_sending = (uint8_t)(id - base);
    if (rpc != NULL && (rpcs->dialect->txn_end == 0 || *ret_sending >= rpc->attempts)) {
        *ret_sending = guess_sending(rpc);
    }
    return rpc;
}

static void learn(struct kith_rpcs *rpcs, const struct kith_rpc *rpc,
                  struct kith_rpc_event *event) {
    uint64_t since = event->now - rpc->first_sent;
    uint64_t rtt = since - rpc->sent_us[event->sending] * (uint64_t)KITH_NS_PER_US;
    if (rpcs->dialect->txn_end == 0 && event->sending > 0 && rtt < rpcs->rtt.mean_ns / 2) {
        event->sending--;
        rtt = since - rpc->sent_us[event->sending] * (uint64_t)KITH_NS_PER_US;
    }
    event->rtt_ns = rtt;
    rtt_sample(&rpcs->rtt, rtt);
    if (!rpc->once) { /* of those only the lucky ones are answered */
        repeats_sample(rpcs, event->sending > 0);
    }
    rpcs->env->stats.responses_late += rpc->attempts > 1;
}

/* A write in a session that had another path is refused until the new one is proven, which a new
 * handshake does: it is no answer yet, once. */
static bool proves_instead(struct kith_rpc *rpc, const struct kith_rpc_event *event) {
    if (event->outcome != KITH_RPC_ERROR || event->failure->code != KITH_WIRE_UNPROVEN ||
        !rpc->owner->dialect->sessions || rpc->proving || rpc->once ||
        rpc->attempts >= KITH_RPC_SENDINGS_MAX) {
        return false;
    }
    rpc->proving = true;
    send_again(rpc, event->now);
    return true;
}

void kith_rpcs_finish(struct kith_rpcs *rpcs, struct kith_rpc *rpc, struct kith_rpc_event *event) {
    if (proves_instead(rpc, event)) {
        return;
    }
    if (event->outcome == KITH_RPC_RESPONSE || event->outcome == KITH_RPC_ERROR) {
        learn(rpcs, rpc, event);
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
