/* SPDX-License-Identifier: MIT */
/*
 * routing_shares: what a neighbourhood may have of a table.
 *
 * Whoever wants a place is compared with all that have one: tags, of which equal ones are few, tell
 * whose endpoint has to be looked at. A whole swarm may live in one data centre, so the wide
 * shares of a bucket hold only where others ask for the place: who rents a /16 keeps a quarter of
 * it, and a swarm of one /16 fills its buckets all the same.
 */
#include <string.h>

#include "core/base/endpoint.h"
#include "core/swarm/routing_internal.h"

enum {
    SHARE_DIVISOR = 4, /* of a full bucket: a /16, a /48; twice as much a /32 of IPv6 */
};

uint32_t kith_routing_tag(const struct kith_endpoint *endpoint) {
    const uint32_t fnv_prime = 16777619; /* FNV-1a: any mixing does, a collision costs a compare */
    uint32_t tag = 2166136261;
    /* The widest neighbourhood: whoever shares a narrower one shares it as well. */
    bool exempt = kith_endpoint_exempt(endpoint);
    size_t size = exempt ? sizeof(endpoint->ip) : endpoint->family == 6 ? 4 : 2;

    for (size_t i = 0; i < size; i++) {
        tag = (tag ^ endpoint->ip[i]) * fnv_prime;
    }
    return exempt ? (tag ^ endpoint->port) * fnv_prime : tag;
}

static struct kith_claim claim_new(const struct kith_endpoint *endpoint) {
    struct kith_claim claim = {.holder = NULL};

    kith_endpoint_nets(endpoint, &claim.nets);
    return claim;
}

/* Adds what an entry means for the endpoint of the claim. */
static void claim_add(struct kith_claim *claim, struct kith_entry *entry, bool same_bucket,
                      const struct kith_endpoint *endpoint) {
    struct kith_endpoint there = kith_entry_endpoint(entry);
    struct kith_nets theirs;

    if (kith_endpoint_equal(&there, endpoint)) {
        claim->holder = entry;
        return;
    }
    if (claim->nets.of[0] == 0) {
        return; /* exempt */
    }
    claim->ip_taken |= kith_endpoint_same_ip(&there, endpoint);
    kith_endpoint_nets(&there, &theirs);
    for (unsigned i = 0; i < KITH_NETS; i++) {
        bool same = theirs.of[i] != 0 && theirs.of[i] == claim->nets.of[i];
        claim->in_table[i] += same;
        claim->in_bucket[i] += same && same_bucket;
    }
}

struct kith_claim kith_claim_find(const struct kith_routing *r, unsigned index,
                                  const struct kith_endpoint *endpoint,
                                  const struct kith_entry *ignored) {
    uint32_t tag = kith_routing_tag(endpoint);
    struct kith_claim claim = claim_new(endpoint);

    for (unsigned b = 0; b < r->n_buckets; b++) {
        const struct kith_bucket *bucket = &r->buckets[b];
        if (bucket->n == 0) {
            continue;
        }
        const uint32_t *tags = kith_bucket_tags(r, bucket);
        for (unsigned i = 0; i < bucket->n; i++) {
            struct kith_entry *entry = kith_entry_at(r, bucket->entries, i);
            if (tags[i] == tag && entry != ignored) {
                claim_add(&claim, entry, b == index, endpoint);
            }
        }
    }
    return claim;
}

bool kith_claim_granted(const struct kith_routing *r, const struct kith_claim *claim) {
    bool granted = claim->holder == NULL && !claim->ip_taken;

    for (unsigned i = 0; i < KITH_NETS; i++) {
        granted = granted && claim->in_bucket[i] < r->config.per_net_bucket[i] &&
                  claim->in_table[i] < r->config.per_net_table[i];
    }
    return granted;
}

bool kith_cache_crowded(const struct kith_routing *r, const struct kith_bucket *bucket,
                        const struct kith_endpoint *endpoint) {
    struct kith_claim claim = claim_new(endpoint);

    for (unsigned i = 0; i < bucket->n_cache; i++) {
        claim_add(&claim, kith_entry_at(r, bucket->cache, i), true, endpoint);
    }
    return !kith_claim_granted(r, &claim);
}

/* What a neighbourhood keeps of a full bucket where others ask for the place. */
static unsigned share_of_full(const struct kith_routing *r, unsigned net) {
    unsigned quarter = (r->config.k + SHARE_DIVISOR - 1) / SHARE_DIVISOR;

    return net == 1 ? quarter : 2 * quarter;
}

bool kith_claim_modest(const struct kith_routing *r, const struct kith_claim *claim) {
    bool modest = true;

    for (unsigned net = 1; net < KITH_NETS; net++) {
        modest = modest && claim->in_bucket[net] < share_of_full(r, net);
    }
    return modest;
}

/* Whether the i-th entry's wide neighbourhood has more than its share. Tags tell nearly always that
 * it has not. */
static bool entry_crowds(const struct kith_routing *r, const struct kith_bucket *bucket,
                         unsigned i) {
    const uint32_t *tags = kith_bucket_tags(r, bucket);
    unsigned n = 0;

    for (unsigned j = 0; j < bucket->n; j++) {
        n += tags[j] == tags[i];
    }
    if (n <= share_of_full(r, 1)) {
        return false;
    }
    struct kith_endpoint endpoint = kith_entry_endpoint(kith_entry_at(r, bucket->entries, i));
    struct kith_claim claim = claim_new(&endpoint);
    for (unsigned j = 0; j < bucket->n; j++) {
        if (j != i && tags[j] == tags[i]) {
            claim_add(&claim, kith_entry_at(r, bucket->entries, j), true, &endpoint);
        }
    }
    return claim.in_bucket[1] >= share_of_full(r, 1) || claim.in_bucket[2] >= share_of_full(r, 2);
}

struct kith_entry *kith_bucket_crowding(const struct kith_routing *r,
                                        const struct kith_bucket *bucket,
                                        const struct kith_claim *newcomer) {
    struct kith_entry *crowding = NULL;

    if (!kith_claim_modest(r, newcomer)) {
        return NULL;
    }
    for (unsigned i = 0; i < bucket->n; i++) {
        struct kith_entry *entry = kith_entry_at(r, bucket->entries, i);
        if ((crowding == NULL || entry->seen < crowding->seen) && entry_crowds(r, bucket, i)) {
            crowding = entry;
        }
    }
    return crowding;
}

/* ---- the invariants ---- */

struct share {
    const struct kith_routing *r;
    const struct kith_entry *entry;
    struct kith_nets nets;
    unsigned bucket;
    unsigned in_bucket[KITH_NETS];
    unsigned in_table[KITH_NETS];
    const char *wrong;
};

static int share_count(const struct kith_entry *entry, unsigned bucket, bool replacement,
                       void *user) {
    struct share *share = user;
    struct kith_nets nets;

    /* Neighbours of any kind begin with the same two bytes: nearly all are told apart by them. */
    if (replacement || entry->family != share->entry->family ||
        memcmp(entry->address, share->entry->address, 2) != 0) {
        return 0;
    }
    struct kith_endpoint endpoint = kith_entry_endpoint(entry);
    kith_endpoint_nets(&endpoint, &nets);
    for (unsigned i = 0; i < KITH_NETS; i++) {
        bool same = nets.of[i] != 0 && nets.of[i] == share->nets.of[i];
        share->in_table[i] += same;
        share->in_bucket[i] += same && bucket == share->bucket;
    }
    if (entry == share->entry) {
        return 0;
    }
    struct kith_endpoint ours = kith_entry_endpoint(share->entry);
    if (kith_endpoint_equal(&endpoint, &ours)) {
        share->wrong = "two entries have one endpoint";
    } else if (!kith_endpoint_exempt(&ours) && kith_endpoint_same_ip(&endpoint, &ours)) {
        share->wrong = "two entries have one IP";
    }
    return share->wrong != NULL;
}

static int share_check(const struct kith_entry *entry, unsigned bucket, bool replacement,
                       void *user) {
    struct share *all = user;
    struct share share = {.r = all->r, .entry = entry, .bucket = bucket};

    if (replacement) {
        return 0;
    }
    struct kith_endpoint endpoint = kith_entry_endpoint(entry);
    kith_endpoint_nets(&endpoint, &share.nets);
    (void)kith_routing_each(share.r, share_count, &share);
    for (unsigned i = 0; i < KITH_NETS && share.wrong == NULL; i++) {
        if (share.in_bucket[i] > share.r->config.per_net_bucket[i] ||
            share.in_table[i] > share.r->config.per_net_table[i]) {
            share.wrong = "a neighbourhood is over its share";
        }
    }
    all->wrong = share.wrong;
    return share.wrong != NULL;
}

const char *kith_routing_check_shares(const struct kith_routing *r) {
    struct share share = {.r = r};
    (void)kith_routing_each(r, share_check, &share);
    return share.wrong;
}
