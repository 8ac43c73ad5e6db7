/* SPDX-License-Identifier: MIT */
/*
 * plain: the wire of dialects without sessions (Mainline): datagrams in the clear, and the budgets
 * that make us a good citizen of a network whose questions can be forged.
 *
 * Questions: so many a second in all and to one address; what does not fit waits its turn. Answers
 * to addresses that have not proven themselves: so many bytes a second in all and per address
 * prefix; beyond that an answer is dropped without a word, unless it is no longer than its
 * question. A forged source can use up only its own prefix's share. Nothing here bans anybody.
 */
#ifndef KITH_CORE_PLAIN_H
#define KITH_CORE_PLAIN_H

#include "core/env.h"
#include "core/pace.h"
#include "core/session.h"

struct kith_plain_limits {
    uint32_t questions_per_s;     /* 0: 100 */
    uint32_t questions_per_ip;    /* a second, to one address; 0: 3 */
    uint32_t answer_bytes_per_s;  /* to unproven addresses in all; 0: 256 KiB */
    uint32_t answer_bytes_prefix; /* a second, to one unproven prefix; 0: 8 KiB */
    bool unlimited;
};

struct kith_plain; /* opaque */

KITH_MUST_CHECK int kith_plain_new(struct kith_plain **ret, struct kith_env *env,
                                   const struct kith_plain_limits *limits);
struct kith_plain *kith_plain_free(struct kith_plain *plain);

/* How long a question to this endpoint has to wait; the turn is taken. KITH_NEVER: more than 5 s,
 * no turn is taken. */
uint64_t kith_plain_reserve(struct kith_plain *plain, const struct kith_endpoint *to, uint64_t now);
/* A repeat of a question: sent if there is room now. */
bool kith_plain_may_repeat(struct kith_plain *plain, const struct kith_endpoint *to, uint64_t now);
/* Whether a question went to this address within that time; a stranger that shares its slot of the
 * table counts as asked. */
bool kith_plain_asked_lately(struct kith_plain *plain, const struct kith_endpoint *endpoint,
                             uint64_t within_ns, uint64_t now);
void kith_plain_ask(struct kith_plain *plain, const struct kith_endpoint *to,
                    struct kith_span payload);
/* Answers a KITH_DELIVERY_PLAIN. */
void kith_plain_answer(struct kith_plain *plain, const struct kith_delivery *delivery,
                       struct kith_span payload, uint64_t now);

#endif
