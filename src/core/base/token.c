/* SPDX-License-Identifier: MIT */
/*
 * token: write tokens of Mainline.
 *
 * Secrets change at multiples of KITH_TOKEN_ROTATE_S after the start, whenever it is that somebody
 * asks next: a token of a node that nobody asked for an hour is as old as any other.
 */
#include "core/base/token.h"

#include <sodium/crypto_shorthash.h>
#include <sodium/utils.h>

#include "util/timer.h"

enum { MESSAGE_SIZE = 1 + 16 + sizeof(struct kith_point) };

_Static_assert(KITH_TOKEN_SIZE == crypto_shorthash_BYTES, "a token is one hash");
_Static_assert(sizeof(((struct kith_tokens *)NULL)->secrets[0]) == crypto_shorthash_KEYBYTES,
               "a secret is one key");

void kith_tokens_init(struct kith_tokens *tokens, const struct kith_random *random, uint64_t now) {
    kith_random_secure(random, tokens->secrets, sizeof(tokens->secrets));
    tokens->rotated = now;
}

static void rotate(struct kith_tokens *tokens, const struct kith_random *random, uint64_t now) {
    const uint64_t period = KITH_TOKEN_ROTATE_S * KITH_NS_PER_S;
    uint64_t n_periods = (now - tokens->rotated) / period;

    if (n_periods == 0) {
        return;
    }
    if (n_periods == 1) {
        memcpy(tokens->secrets[1], tokens->secrets[0], sizeof(tokens->secrets[0]));
        kith_random_secure(random, tokens->secrets[0], sizeof(tokens->secrets[0]));
    } else {
        kith_random_secure(random, tokens->secrets, sizeof(tokens->secrets));
    }
    tokens->rotated += n_periods * period;
}

static void make(const uint8_t *secret, const struct kith_endpoint *asker,
                 const struct kith_point *target, uint8_t ret[KITH_TOKEN_SIZE]) {
    uint8_t message[MESSAGE_SIZE];

    message[0] = asker->family;
    memcpy(message + 1, asker->ip, sizeof(asker->ip));
    memcpy(message + 1 + sizeof(asker->ip), target->bytes, sizeof(target->bytes));
    (void)crypto_shorthash(ret, message, sizeof(message), secret);
}

void kith_tokens_make(struct kith_tokens *tokens, const struct kith_random *random,
                      const struct kith_endpoint *asker, const struct kith_point *target,
                      uint64_t now, uint8_t ret[KITH_TOKEN_SIZE]) {
    rotate(tokens, random, now);
    make(tokens->secrets[0], asker, target, ret);
}

bool kith_tokens_check(struct kith_tokens *tokens, const struct kith_random *random,
                       const struct kith_endpoint *asker, const struct kith_point *target,
                       struct kith_span token, uint64_t now) {
    uint8_t expected[KITH_TOKEN_SIZE];
    bool good = false;

    rotate(tokens, random, now);
    for (size_t i = 0; i < 2 && token.size == sizeof(expected) && !good; i++) {
        make(tokens->secrets[i], asker, target, expected);
        good = sodium_memcmp(token.data, expected, sizeof(expected)) == 0;
    }
    return good;
}
