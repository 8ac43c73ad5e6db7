/* SPDX-License-Identifier: MIT */
/*
 * hash: intrusive chained hash table, grown by doubling.
 *
 * The caller computes hashes (with a secret key wherever a remote party chooses what is hashed) and
 * compares. Never iterated: whoever needs an order keeps a list beside it.
 */
#ifndef KITH_UTIL_HASH_H
#define KITH_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "kith/error.h"

struct kith_hash_node {
    struct kith_hash_node *next;
    uint64_t hash;
};

struct kith_hash {
    struct kith_hash_node **chains;
    size_t n_chains; /* a power of two, 0 before the first insertion */
    size_t n;
};

void kith_hash_init(struct kith_hash *table);
/* Frees the array; nodes are the caller's. */
void kith_hash_deinit(struct kith_hash *table);
/* -> KITH_ENOMEM. Duplicate hashes are kept side by side. */
KITH_MUST_CHECK int kith_hash_insert(struct kith_hash *table, struct kith_hash_node *node,
                                     uint64_t hash);
/* The node must be in the table. */
void kith_hash_remove(struct kith_hash *table, struct kith_hash_node *node);
/* First and next node with exactly this hash, newest first; NULL at the end. */
struct kith_hash_node *kith_hash_first(const struct kith_hash *table, uint64_t hash);
struct kith_hash_node *kith_hash_next(const struct kith_hash_node *node);

#endif
