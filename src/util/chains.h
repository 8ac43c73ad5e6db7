/* SPDX-License-Identifier: MIT */
/*
 * chains: chained hash table of things that are known by a number, for those there are many of: a
 * link is four bytes in the thing (hash.h: sixteen), and no hash is kept.
 *
 * The caller keeps the things, finds them by number, and computes hashes (with a secret key
 * wherever a remote party chooses what is hashed); it compares whatever a chain holds. Numbers are
 * below KITH_CHAINS_NONE. Never iterated.
 */
#ifndef KITH_UTIL_CHAINS_H
#define KITH_UTIL_CHAINS_H

#include <stdint.h>

#include "kith/error.h"

#define KITH_CHAINS_NONE UINT32_MAX

/* How a table gets at what it holds; the same at every call. */
struct kith_chains_access {
    uint32_t *(*link)(const void *owner, uint32_t number); /* the table's, in the thing */
    uint64_t (*hash)(const void *owner, uint32_t number);
};

struct kith_chains {
    uint32_t *heads;
    uint32_t n_chains; /* a power of two, 0 before the first insertion */
    uint32_t n;
};

/* Frees the array; what it held is the caller's. A zeroed one is empty. */
void kith_chains_deinit(struct kith_chains *chains);
/* Puts it first in its chain. -> KITH_ENOMEM, for the first one of all only */
KITH_MUST_CHECK int kith_chains_insert(struct kith_chains *chains,
                                       const struct kith_chains_access *access, const void *owner,
                                       uint32_t number);
/* It must be in the table. */
void kith_chains_remove(struct kith_chains *chains, const struct kith_chains_access *access,
                        const void *owner, uint32_t number);
/* First of the chain that all with this hash are in, and others, newest first;
 * KITH_CHAINS_NONE: nobody. The next one stands in the link. */
uint32_t kith_chains_first(const struct kith_chains *chains, uint64_t hash);

#endif
