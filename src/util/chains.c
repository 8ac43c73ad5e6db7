/* SPDX-License-Identifier: MIT */
/*
 * chains: chained table of numbered things.
 *
 * As hash.c: it doubles at one thing per chain, where each chain is split in two keeping its order,
 * and is halved when all but a third is gone; when it cannot grow, longer chains are better than a
 * refusal. Hashes are computed again for a split and a removal: some 20 ns each, where keeping them
 * would cost twice what the link does.
 */
#include "util/chains.h"

#include <assert.h>
#include <stdlib.h>

enum {
    CHAINS_MIN = 8,   /* a power of two */
    SHRINK_BELOW = 3, /* things per so many chains: far enough from where it grows */
};

static uint32_t *chain_of(const struct kith_chains *chains, uint64_t hash) {
    return &chains->heads[hash & (chains->n_chains - 1)];
}

/* Distributes chain `old` over `low` and `high`, told apart by one bit of the hash. */
static void split(const struct kith_chains_access *access, const void *owner, uint32_t old,
                  uint32_t bit, uint32_t *low, uint32_t *high) {
    while (old != KITH_CHAINS_NONE) {
        uint32_t *link = access->link(owner, old);
        uint32_t next = *link;
        uint32_t **tail = (access->hash(owner, old) & bit) != 0 ? &high : &low;
        **tail = old;
        *tail = link;
        old = next;
    }
    *low = KITH_CHAINS_NONE;
    *high = KITH_CHAINS_NONE;
}

static int grow(struct kith_chains *chains, const struct kith_chains_access *access,
                const void *owner) {
    uint32_t n = chains->n_chains == 0 ? CHAINS_MIN : 2 * chains->n_chains;
    uint32_t *heads = realloc(chains->heads, n * sizeof(*heads));

    if (heads == NULL) {
        return KITH_ENOMEM;
    }
    for (uint32_t i = chains->n_chains; i < n; i++) {
        heads[i] = KITH_CHAINS_NONE;
    }
    for (uint32_t i = 0; i < chains->n_chains; i++) {
        split(access, owner, heads[i], chains->n_chains, &heads[i], &heads[i + chains->n_chains]);
    }
    chains->heads = heads;
    chains->n_chains = n;
    return 0;
}

/* Half as many chains: chain i + n goes to the end of chain i. */
static void shrink(struct kith_chains *chains, const struct kith_chains_access *access,
                   const void *owner) {
    uint32_t n = chains->n_chains / 2;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t *tail = &chains->heads[i];
        while (*tail != KITH_CHAINS_NONE) {
            tail = access->link(owner, *tail);
        }
        *tail = chains->heads[i + n];
    }
    chains->n_chains = n;
    uint32_t *heads = realloc(chains->heads, n * sizeof(*heads));
    if (heads != NULL) {
        chains->heads = heads;
    }
}

void kith_chains_deinit(struct kith_chains *chains) {
    free(chains->heads);
    *chains = (struct kith_chains){.n = 0};
}

int kith_chains_insert(struct kith_chains *chains, const struct kith_chains_access *access,
                       const void *owner, uint32_t number) {
    if (chains->n >= chains->n_chains) {
        int r = grow(chains, access, owner);
        if (r < 0 && chains->n_chains == 0) {
            return r;
        }
    }
    uint32_t *chain = chain_of(chains, access->hash(owner, number));
    *access->link(owner, number) = *chain;
    *chain = number;
    chains->n++;
    return 0;
}

void kith_chains_remove(struct kith_chains *chains, const struct kith_chains_access *access,
                        const void *owner, uint32_t number) {
    uint32_t *link = chain_of(chains, access->hash(owner, number));

    while (*link != number) {
        assert(*link != KITH_CHAINS_NONE);
        link = access->link(owner, *link);
    }
    *link = *access->link(owner, number);
    chains->n--;
    if (chains->n < chains->n_chains / SHRINK_BELOW && chains->n_chains > CHAINS_MIN) {
        shrink(chains, access, owner);
    }
}

uint32_t kith_chains_first(const struct kith_chains *chains, uint64_t hash) {
    return chains->n_chains == 0 ? KITH_CHAINS_NONE : *chain_of(chains, hash);
}
