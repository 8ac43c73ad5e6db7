/* SPDX-License-Identifier: MIT */
/*
 * hash: chained table of intrusive nodes.
 *
 * Chains rather than open addressing, because the nodes are embedded in objects that must not move,
 * and because removal then leaves nothing behind. The whole 64-bit hash is kept in the node:
 * growing never calls back, and a chain is compared by one word before the caller compares keys.
 *
 * Newest first among equal hashes is part of the contract, so growing splits each chain in two
 * keeping its order. Since the number of chains doubles, chain i feeds only i and i + n.
 *
 * O(1) expected, given hashes the other side cannot predict. The array doubles at one node per
 * chain and is halved when all but a third is gone. When it cannot grow, longer chains are better
 * than a refusal: only the first allocation can fail an insertion.
 */
#include "util/hash.h"

#include <assert.h>
#include <stdlib.h>

enum {
    HASH_CHAINS_MIN = 8, /* a power of two; one cache line */
    SHRINK_BELOW = 3,    /* nodes per so many chains: far enough from where it grows */
};

static struct kith_hash_node **hash_chain(const struct kith_hash *table, uint64_t hash) {
    return &table->chains[hash & (table->n_chains - 1)];
}

/* Distributes chain `old` over `low` and `high`, told apart by one bit of the hash. */
static void hash_split(struct kith_hash_node *old, uint64_t bit, struct kith_hash_node **low,
                       struct kith_hash_node **high) {
    while (old != NULL) {
        struct kith_hash_node *next = old->next;
        struct kith_hash_node ***tail = (old->hash & bit) != 0 ? &high : &low;
        old->next = NULL;
        **tail = old;
        *tail = &old->next;
        old = next;
    }
}

static int hash_grow(struct kith_hash *table) {
    size_t n_chains = table->n_chains == 0 ? HASH_CHAINS_MIN : table->n_chains * 2;
    struct kith_hash_node **chains = calloc(n_chains, sizeof(*chains));

    if (chains == NULL) {
        return KITH_ENOMEM;
    }
    for (size_t i = 0; i < table->n_chains; i++) {
        hash_split(table->chains[i], table->n_chains, &chains[i], &chains[i + table->n_chains]);
    }
    free(table->chains);
    table->chains = chains;
    table->n_chains = n_chains;
    return 0;
}

/* Half as many chains: chain i + n goes to the end of chain i. What cannot be allocated stays. */
static void hash_shrink(struct kith_hash *table) {
    size_t n_chains = table->n_chains / 2;
    struct kith_hash_node **chains = malloc(n_chains * sizeof(*chains));

    if (chains == NULL) {
        return;
    }
    for (size_t i = 0; i < n_chains; i++) {
        struct kith_hash_node **tail = &chains[i];
        *tail = table->chains[i];
        while (*tail != NULL) {
            tail = &(*tail)->next;
        }
        *tail = table->chains[i + n_chains];
    }
    free(table->chains);
    table->chains = chains;
    table->n_chains = n_chains;
}

void kith_hash_init(struct kith_hash *table) {
    *table = (struct kith_hash){.n = 0};
}

void kith_hash_deinit(struct kith_hash *table) {
    free(table->chains);
    kith_hash_init(table);
}

int kith_hash_insert(struct kith_hash *table, struct kith_hash_node *node, uint64_t hash) {
    struct kith_hash_node **chain;

    if (table->n >= table->n_chains) {
        int r = hash_grow(table);
        if (r < 0 && table->n_chains == 0) {
            return r;
        }
    }
    chain = hash_chain(table, hash);
    node->hash = hash;
    node->next = *chain;
    *chain = node;
    table->n++;
    return 0;
}

void kith_hash_remove(struct kith_hash *table, struct kith_hash_node *node) {
    struct kith_hash_node **link = hash_chain(table, node->hash);

    while (*link != node) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    table->n--;
    if (table->n < table->n_chains / SHRINK_BELOW && table->n_chains > HASH_CHAINS_MIN) {
        hash_shrink(table);
    }
}

/* `node` or the first after it with this hash. */
static struct kith_hash_node *hash_match(struct kith_hash_node *node, uint64_t hash) {
    while (node != NULL && node->hash != hash) {
        node = node->next;
    }
    return node;
}

struct kith_hash_node *kith_hash_first(const struct kith_hash *table, uint64_t hash) {
    return table->n_chains == 0 ? NULL : hash_match(*hash_chain(table, hash), hash);
}

struct kith_hash_node *kith_hash_next(const struct kith_hash_node *node) {
    return hash_match(node->next, node->hash);
}
