/* SPDX-License-Identifier: MIT */
/*
 * token: write tokens of Mainline: a keyed hash (SipHash-2-4) over the asker's IP address and the
 * target, so that who presents one has received a datagram at that address, and for that target
 * only. The secret changes every 5 minutes; the one before is honoured: a token is good for 5
 * to 10.
 */
#ifndef KITH_CORE_TOKEN_H
#define KITH_CORE_TOKEN_H

#include "core/base/id.h"
#include "core/base/random.h"
#include "util/span.h"

enum { KITH_TOKEN_SIZE = 8, KITH_TOKEN_ROTATE_S = 300 };

struct kith_tokens {
    uint8_t secrets[2][16]; /* now, before */
    uint64_t rotated;
};

void kith_tokens_init(struct kith_tokens *tokens, const struct kith_random *random, uint64_t now);
void kith_tokens_make(struct kith_tokens *tokens, const struct kith_random *random,
                      const struct kith_endpoint *asker, const struct kith_point *target,
                      uint64_t now, uint8_t ret[KITH_TOKEN_SIZE]);
bool kith_tokens_check(struct kith_tokens *tokens, const struct kith_random *random,
                       const struct kith_endpoint *asker, const struct kith_point *target,
                       struct kith_span token, uint64_t now);

#endif
