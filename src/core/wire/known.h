/* SPDX-License-Identifier: MIT */
/*
 * known: which contacts an asker has already, so that the answer leaves them out. Nodes near each
 * other know much the same others, and a contact takes 38 or 50 bytes; here it takes two.
 *
 * A list is four random bytes, then a tag for each contact. Tags depend on those bytes, so that
 * nobody can make keys whose tags are those of others, and on the endpoint, so that whoever names a
 * node at a wrong place does not keep others from naming the right one.
 */
#ifndef KITH_CORE_KNOWN_H
#define KITH_CORE_KNOWN_H

#include "core/wire/message.h"

enum {
    KITH_KNOWN_SALT = 4,
    KITH_KNOWN_TAG = 2,
    KITH_KNOWN_MAX = 30, /* contacts in a list */
    KITH_KNOWN_SIZE_MAX = KITH_KNOWN_SALT + KITH_KNOWN_MAX * KITH_KNOWN_TAG,
};

struct kith_known {
    size_t size; /* 0: not begun */
    uint8_t bytes[KITH_KNOWN_SIZE_MAX];
};

void kith_known_init(struct kith_known *known, const uint8_t salt[KITH_KNOWN_SALT]);
/* False: the list is full. */
bool kith_known_add(struct kith_known *known, const struct kith_key *key,
                    const struct kith_endpoint *endpoint);
/* Whether bytes that came are a list. */
bool kith_known_is_list(struct kith_span list);
/* Whether a list, or none, names the contact; of others it names one in 2,000 by chance. */
bool kith_known_has(struct kith_span list, const struct kith_key *key,
                    const struct kith_endpoint *endpoint);

#endif
