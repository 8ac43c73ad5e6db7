/* SPDX-License-Identifier: MIT */
/*
 * Four budgets, each in all and per share: questions, answer bytes to strangers and to nodes of our
 * table, signatures. The shares lie in tables of fixed size under a secret hash (core/pace), so
 * that nobody can make us allocate, or choose whom to share a slot with.
 */
#include "core/session/plain.h"

#include <stdlib.h>

enum {
    QUESTIONS_PER_S = 100,
    QUESTIONS_PER_IP = 3, /* libtorrent bans for 5 minutes who sends it 50 datagrams in 10 s */
    ANSWER_BYTES_PER_S = 256 * 1024,
    ANSWER_BYTES_PREFIX = 8 * 1024,
    VERIFY_PER_S = 1000, /* a signature takes some 50 us */
    VERIFY_PREFIX = 50,
    BURST_S = 2, /* of every budget: so many seconds' worth at once */
    WAIT_MAX_S = 5,
};

struct budget {
    struct kith_pace_limit all_limit;
    struct kith_pace_limit share_limit;
    struct kith_pace all;
    struct kith_paces shares;
};

struct kith_plain {
    struct kith_env *env;
    struct budget questions;
    struct budget strangers; /* answer bytes */
    struct budget nodes;
    struct budget verify;
};

static void init_budget(struct budget *budget, const struct kith_random *random, uint64_t keep_ns,
                        uint32_t all, uint32_t share, bool unlimited) {
    if (!unlimited) {
        budget->all_limit = kith_pace_limit(all, (uint64_t)BURST_S * all);
        budget->share_limit = kith_pace_limit(share, (uint64_t)BURST_S * share);
    }
    kith_paces_init(&budget->shares, random, keep_ns);
}

static uint32_t or_default(uint32_t wanted, uint32_t fallback) {
    return wanted != 0 ? wanted : fallback;
}

int kith_plain_new(struct kith_plain **ret, struct kith_env *env,
                   const struct kith_plain_limits *limits) {
    struct kith_plain *plain = calloc(1, sizeof(*plain));
    if (plain == NULL) {
        return KITH_ENOMEM;
    }
    bool unlimited = limits->unlimited;
    uint32_t bytes = or_default(limits->answer_bytes_per_s, ANSWER_BYTES_PER_S);
    uint32_t bytes_share = or_default(limits->answer_bytes_prefix, ANSWER_BYTES_PREFIX);
    plain->env = env;
    init_budget(&plain->questions, &env->random, KITH_NEVER,
                or_default(limits->questions_per_s, QUESTIONS_PER_S),
                or_default(limits->questions_per_ip, QUESTIONS_PER_IP), unlimited);
    init_budget(&plain->strangers, &env->random, 0, bytes, bytes_share, unlimited);
    init_budget(&plain->nodes, &env->random, 0, bytes, bytes_share, unlimited);
    init_budget(&plain->verify, &env->random, 0, VERIFY_PER_S, VERIFY_PREFIX, unlimited);
    *ret = plain;
    return 0;
}

struct kith_plain *kith_plain_free(struct kith_plain *plain) {
    if (plain != NULL) {
        kith_paces_deinit(&plain->questions.shares);
        kith_paces_deinit(&plain->strangers.shares);
        kith_paces_deinit(&plain->nodes.shares);
        kith_paces_deinit(&plain->verify.shares);
        free(plain);
    }
    return NULL;
}

/* What the common budget refuses is not charged to the share. */
static bool take(struct budget *budget, struct kith_pace *share, size_t units, uint64_t now) {
    return kith_pace_ready(&budget->all, &budget->all_limit, units, now) &&
           kith_pace_take(share, &budget->share_limit, units, now) &&
           kith_pace_take(&budget->all, &budget->all_limit, units, now);
}

uint64_t kith_plain_reserve(struct kith_plain *plain, const struct kith_endpoint *to,
                            uint64_t now) {
    uint64_t most = WAIT_MAX_S * KITH_NS_PER_S;
    struct budget *budget = &plain->questions;
    struct kith_pace *ip = kith_paces_of_node(&budget->shares, to, now);
    uint64_t own = kith_pace_reserve(ip, &budget->share_limit, most, now);
    if (own == KITH_NEVER) {
        return KITH_NEVER;
    }
    uint64_t all = kith_pace_reserve(&budget->all, &budget->all_limit, most, now);
    return all == KITH_NEVER || all > own ? all : own;
}

bool kith_plain_may_repeat(struct kith_plain *plain, const struct kith_endpoint *to, uint64_t now) {
    struct budget *budget = &plain->questions;
    return take(budget, kith_paces_of_node(&budget->shares, to, now), 1, now);
}

bool kith_plain_asked_lately(struct kith_plain *plain, const struct kith_endpoint *endpoint,
                             uint64_t within_ns, uint64_t now) {
    uint64_t due = kith_paces_of_node(&plain->questions.shares, endpoint, now)->due;
    return due != 0 && due + within_ns > now;
}

void kith_plain_ask(struct kith_plain *plain, const struct kith_endpoint *to,
                    struct kith_span payload) {
    static const struct kith_allowance question = {.answer = false};
    /* What cannot be queued is like a lost datagram: the timeouts deal with it. */
    (void)kith_outbox_push(&plain->env->outbox, to, payload, &question);
}

/* The budget that an answer is paid from, and the share in it. */
static struct budget *answer_budget(struct kith_plain *plain, const struct kith_delivery *delivery,
                                    uint64_t now, struct kith_pace **ret_share) {
    bool is_node = delivery->allowance.proven;
    struct budget *budget = is_node ? &plain->nodes : &plain->strangers;
    *ret_share = is_node ? kith_paces_of_node(&budget->shares, &delivery->from, now)
                         : kith_paces_of_prefix(&budget->shares, &delivery->from, now);
    return budget;
}

bool kith_plain_would_grant(struct kith_plain *plain, const struct kith_delivery *delivery,
                            size_t size, uint64_t now) {
    struct kith_pace *share;
    struct budget *budget = answer_budget(plain, delivery, now, &share);
    if (size <= delivery->allowance.question_size) {
        return take(budget, share, size, now); /* kith_plain_grant() takes nothing for it */
    }
    return kith_pace_ready(&budget->all, &budget->all_limit, size, now) &&
           kith_pace_ready(share, &budget->share_limit, size, now);
}

size_t kith_plain_grant(struct kith_plain *plain, const struct kith_delivery *delivery, size_t size,
                        uint64_t now) {
    struct kith_pace *share;
    struct budget *budget = answer_budget(plain, delivery, now, &share);
    if (size <= delivery->allowance.question_size || take(budget, share, size, now)) {
        return size;
    }
    plain->env->stats.drop_answer_budget++;
    return delivery->allowance.question_size;
}

void kith_plain_answer(struct kith_plain *plain, const struct kith_delivery *delivery,
                       struct kith_span payload, size_t granted) {
    struct kith_allowance allowance = delivery->allowance;
    allowance.proven = false; /* by what it knows of our table, which others know as well */
    allowance.granted = granted;
    (void)kith_outbox_push(&plain->env->outbox, &delivery->from, payload, &allowance);
}

bool kith_plain_may_verify(struct kith_plain *plain, const struct kith_endpoint *from,
                           uint64_t now) {
    struct budget *budget = &plain->verify;
    return take(budget, kith_paces_of_prefix(&budget->shares, from, now), 1, now);
}
