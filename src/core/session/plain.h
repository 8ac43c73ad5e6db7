/* SPDX-License-Identifier: MIT */
/*
 * plain: the wire of dialects without sessions (Mainline): datagrams in the clear, and the budgets
 * that make us a good citizen of a network whose questions can be forged.
 *
 * Questions: so many a second in all and to one address; what does not fit waits its turn.
 *
 * Answers: one that is no longer than its question always goes. Longer ones are paid for from
 * budgets of bytes a second, of strangers in all and per address prefix, of nodes in our table in
 * all and per node: what a table holds is no secret, so a node in it can be forged like anybody
 * else, but its share cannot be used up by strangers, nor theirs by it. Beyond its budget a
 * question gets what fits into its own size (a pong, a token, a few contacts): no flood of forged
 * questions silences us to those who are not forged, and none of it comes back larger than it was.
 * Nothing here bans anybody.
 *
 * Signatures in puts: so many a second are looked at, in all and per address prefix. Who may put
 * has shown a token, so nobody else can use up its share.
 */
#ifndef KITH_CORE_PLAIN_H
#define KITH_CORE_PLAIN_H

#include "core/base/pace.h"
#include "core/session/session.h"
#include "core/wire/env.h"

struct kith_plain_limits {
    uint32_t questions_per_s;     /* 0: 100 */
    uint32_t questions_per_ip;    /* a second, to one address; 0: 3 */
    uint32_t answer_bytes_per_s;  /* to strangers in all, and as much to nodes in all; 0: 256 KiB */
    uint32_t answer_bytes_prefix; /* a second, to one prefix of strangers, or one node; 0: 8 KiB */
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
/* How long an answer to a KITH_DELIVERY_PLAIN may be that would need `size` bytes: that much, which
 * is paid for then, or as much as its question. */
size_t kith_plain_grant(struct kith_plain *plain, const struct kith_delivery *delivery, size_t size,
                        uint64_t now);
/* Whether what makes an answer so long is worth its work: if it would be granted, and paid for;
 * that is done here if the question is as long, which says nothing of the work. */
bool kith_plain_would_grant(struct kith_plain *plain, const struct kith_delivery *delivery,
                            size_t size, uint64_t now);
/* Answers it; what is longer than `granted` and than the question is dropped. */
void kith_plain_answer(struct kith_plain *plain, const struct kith_delivery *delivery,
                       struct kith_span payload, size_t granted);
/* Whether a signature from there may be looked at now. */
bool kith_plain_may_verify(struct kith_plain *plain, const struct kith_endpoint *from,
                           uint64_t now);

#endif
