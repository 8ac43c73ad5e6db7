/* SPDX-License-Identifier: MIT */
/*
 * Four budgets: questions in all and per address, answer bytes in all and per prefix. The shares
 * lie in tables of fixed size under a secret hash (core/pace), so that nobody can make us allocate,
 * or choose whom to share a slot with.
 */
#include "core/plain.h"

#include <stdlib.h>

enum {
    QUESTIONS_PER_S = 100,
    QUESTIONS_PER_IP = 3, /* libtorrent bans for 5 minutes who sends it 50 datagrams in 10 s */
    ANSWER_BYTES_PER_S = 256 * 1024,
    ANSWER_BYTES_PREFIX = 8 * 1024,
    BURST_S = 2, /* of every budget: so many seconds' worth at once */
    WAIT_MAX_S = 5,
};

struct kith_plain {
    struct kith_env *env;
    struct kith_pace_limit questions_limit;
    struct kith_pace_limit question_ip_limit;
    struct kith_pace_limit answers_limit;
    struct kith_pace_limit answer_prefix_limit;
    struct kith_pace questions;
    struct kith_pace answers;
    struct kith_paces question_ips;
    struct kith_paces answer_prefixes;
};

static struct kith_pace_limit limit_of(uint32_t wanted, uint32_t fallback, bool unlimited) {
    uint64_t per_s = wanted != 0 ? wanted : fallback;
    return unlimited ? (struct kith_pace_limit){0} : kith_pace_limit(per_s, BURST_S * per_s);
}

int kith_plain_new(struct kith_plain **ret, struct kith_env *env,
                   const struct kith_plain_limits *limits) {
    struct kith_plain *plain = calloc(1, sizeof(*plain));
    if (plain == NULL) {
        return KITH_ENOMEM;
    }
    bool free_for_all = limits->unlimited;
    plain->env = env;
    plain->questions_limit = limit_of(limits->questions_per_s, QUESTIONS_PER_S, free_for_all);
    plain->question_ip_limit = limit_of(limits->questions_per_ip, QUESTIONS_PER_IP, free_for_all);
    plain->answers_limit = limit_of(limits->answer_bytes_per_s, ANSWER_BYTES_PER_S, free_for_all);
    plain->answer_prefix_limit =
        limit_of(limits->answer_bytes_prefix, ANSWER_BYTES_PREFIX, free_for_all);
    kith_paces_init(&plain->question_ips, &env->random);
    kith_paces_init(&plain->answer_prefixes, &env->random);
    *ret = plain;
    return 0;
}

struct kith_plain *kith_plain_free(struct kith_plain *plain) {
    free(plain);
    return NULL;
}

uint64_t kith_plain_reserve(struct kith_plain *plain, const struct kith_endpoint *to,
                            uint64_t now) {
    uint64_t most = WAIT_MAX_S * KITH_NS_PER_S;
    struct kith_pace *ip = kith_paces_of_node(&plain->question_ips, to);
    uint64_t own = kith_pace_reserve(ip, &plain->question_ip_limit, most, now);
    if (own == KITH_NEVER) {
        return KITH_NEVER;
    }
    uint64_t all = kith_pace_reserve(&plain->questions, &plain->questions_limit, most, now);
    return all == KITH_NEVER || all > own ? all : own;
}

bool kith_plain_may_repeat(struct kith_plain *plain, const struct kith_endpoint *to, uint64_t now) {
    struct kith_pace *ip = kith_paces_of_node(&plain->question_ips, to);
    return kith_pace_take(ip, &plain->question_ip_limit, 1, now) &&
           kith_pace_take(&plain->questions, &plain->questions_limit, 1, now);
}

bool kith_plain_asked_lately(struct kith_plain *plain, const struct kith_endpoint *endpoint,
                             uint64_t within_ns, uint64_t now) {
    uint64_t due = kith_paces_of_node(&plain->question_ips, endpoint)->due;
    return due != 0 && due + within_ns > now;
}

void kith_plain_ask(struct kith_plain *plain, const struct kith_endpoint *to,
                    struct kith_span payload) {
    static const struct kith_allowance question = {.answer = false};
    /* What cannot be queued is like a lost datagram: the timeouts deal with it. */
    (void)kith_outbox_push(&plain->env->outbox, to, payload, &question);
}

static bool within_budget(struct kith_plain *plain, const struct kith_endpoint *to, size_t size,
                          uint64_t now) {
    struct kith_pace *prefix = kith_paces_of_prefix(&plain->answer_prefixes, to);
    /* Looked at first: what the common budget refuses is not charged to the prefix. */
    return kith_pace_ready(&plain->answers, &plain->answers_limit, size, now) &&
           kith_pace_take(prefix, &plain->answer_prefix_limit, size, now) &&
           kith_pace_take(&plain->answers, &plain->answers_limit, size, now);
}

void kith_plain_answer(struct kith_plain *plain, const struct kith_delivery *delivery,
                       struct kith_span payload, uint64_t now) {
    struct kith_allowance allowance = delivery->allowance;
    if (!allowance.proven && payload.size > allowance.question_size) {
        if (!within_budget(plain, &delivery->from, payload.size, now)) {
            plain->env->stats.drop_answer_budget++;
            return;
        }
        allowance.granted = payload.size;
    }
    (void)kith_outbox_push(&plain->env->outbox, &delivery->from, payload, &allowance);
}
