/* SPDX-License-Identifier: MIT */
/*
 * routing: who gets into the table, and who leaves it.
 *
 * The table is flat (Maymounkov and Mazieres 2002, section 2.4, without the split tree): bucket i
 * holds up to k nodes that share exactly i leading bits with our id. In a network of N nodes only
 * the first log2(N) buckets ever hold anything, so the array of buckets grows with the deepest one
 * in use, a bucket's entries grow four at a time, and a replacement cache exists only where a
 * bucket overflowed. Thousands of tables then fit into one process.
 *
 * Rules of admission, in this order:
 *   - our own id never enters;
 *   - an endpoint that answers with another id than the one we know there loses its entry. Where
 *     that one was live, the newcomer has to answer once more: whoever swaps ids at one endpoint is
 *     in the table half of the time at most, one that restarted with a new key is back with its
 *     second answer;
 *   - one entry per IP, and the shares per prefix, exempt ranges aside;
 *   - a full bucket gives up an entry that failed its last request, but never a live one: nodes
 *     that have been up for long are the ones that stay up (section 2.5 of the paper), and an
 *     attacker's newcomers cannot push them out. Two exceptions: in Mainline, one whose id does not
 *     belong to its address gives way to one whose does (BEP 42); and what a wide neighbourhood
 *     (/16; IPv6 /48, /32) has beyond its share of a full bucket gives way to one that has less
 *     than that. A whole swarm may live in one data centre, so the share holds only where others
 *     ask for the place: who rents a /16 keeps a quarter of a bucket, and a swarm of one /16 fills
 *     its buckets all the same;
 *   - the k nearest to us all have a place, for others ask us who they are. They end in the middle
 *     of a bucket, the deepest that is full, which makes room for up to k more (the paper splits
 *     buckets next to our own for that, section 2.4): there a newcomer enters who is nearer than
 *     the k-th nearest likely to be still there, and nobody has to go. A replacement enters when it
 *     has come to be one of them.
 *
 * Invariants (kith_routing_check()): each node is in the bucket of its distance, once, as entry or
 * as replacement; replacements wait only where the bucket is full of live entries; the shares hold.
 *
 * Everything is O(k) but for admission, which scans the tags of the whole table: k log2(N) words.
 */
#include "core/swarm/routing.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/endpoint.h"
#include "core/swarm/routing_internal.h"

/* A node that answers from a new endpoint moves there if the old one has not answered for this
 * long: NAT bindings of UDP live 30 to 120 s, and two endpoints of one node must not alternate. */
static const uint64_t MOVE_AFTER_NS = UINT64_C(60) * 1000 * 1000 * 1000;

enum {
    BUCKETS_STEP = 8, /* 256 times the network before the array grows again */
    ENTRIES_STEP = 4, /* 368 bytes; most buckets are full or nearly empty */
    RTT_WEIGHT = 8,   /* srtt = 7/8 srtt + 1/8 rtt (RFC 6298) */
    FAILURES_LIMIT = 255,
    DEATHS_MAX = 64,      /* remembered: with twice as many, what was before counts half */
    DEATHS_IN_A_ROW = 16, /* while nobody answers: with more of them it is our own outage */
};

static unsigned bucket_index(const struct kith_routing *r, const struct kith_point *id) {
    return kith_point_common_bits(&r->config.own_id, id);
}

/* The bucket of an id if it exists; NULL for our own id too. */
static struct kith_bucket *bucket_of(const struct kith_routing *r, const struct kith_point *id) {
    unsigned index = bucket_index(r, id);

    return index < r->n_buckets ? &r->buckets[index] : NULL;
}

static struct kith_entry *entries_find(const struct kith_routing *r, uint8_t *entries, unsigned n,
                                       const struct kith_id_head *head) {
    for (unsigned i = 0; i < n; i++) {
        struct kith_entry *entry = kith_entry_at(r, entries, i);
        if (entry->head.high == head->high && entry->head.low == head->low) {
            return entry;
        }
    }
    return NULL;
}

/* The entry of a bucket, which may be NULL. */
static struct kith_entry *bucket_find(const struct kith_routing *r,
                                      const struct kith_bucket *bucket,
                                      const struct kith_point *id) {
    struct kith_id_head head = kith_id_head(id);

    return bucket == NULL ? NULL : entries_find(r, bucket->entries, bucket->n, &head);
}

struct kith_endpoint kith_entry_endpoint(const struct kith_entry *entry) {
    struct kith_endpoint endpoint = {.family = entry->family};
    size_t size = entry->family == 6 ? 16 : 4;

    memcpy(endpoint.ip, entry->address, size);
    memcpy(&endpoint.port, entry->address + size, sizeof(endpoint.port));
    if (entry->family == 6) {
        memcpy(&endpoint.scope, entry->address + 18, sizeof(endpoint.scope));
    }
    return endpoint;
}

struct kith_point kith_entry_id(const struct kith_entry *entry) {
    struct kith_point id;

    if (entry->has_key) {
        struct kith_key key;
        memcpy(key.bytes, entry->who, sizeof(key.bytes));
        kith_point_of_node(&key, &id);
    } else {
        memcpy(id.bytes, entry->who, sizeof(id.bytes));
    }
    return id;
}

struct kith_node_ref kith_entry_contact(const struct kith_entry *entry) {
    struct kith_node_ref node = {.has_key = entry->has_key, .endpoint = kith_entry_endpoint(entry)};

    memcpy(entry->has_key ? node.key.bytes : node.id.bytes, entry->who, sizeof(entry->who));
    return node;
}

struct kith_node_ref kith_entry_node(const struct kith_entry *entry) {
    struct kith_node_ref node = kith_entry_contact(entry);

    if (entry->has_key) {
        kith_point_of_node(&node.key, &node.id);
    }
    return node;
}

int kith_entry_compare(const struct kith_point *target, const struct kith_entry *a,
                       const struct kith_entry *b) {
    struct kith_id_head middle = kith_id_head(target);

    return kith_head_compare(&middle, &a->head, &b->head);
}

/* Who it is and where, and nothing else of an entry that has room for this family. */
static void entry_set_node(struct kith_entry *entry, const struct kith_node_ref *node) {
    const struct kith_endpoint *endpoint = &node->endpoint;
    size_t size = endpoint->family == 6 ? 16 : 4;

    entry->head = kith_id_head(&node->id);
    memcpy(entry->who, node->has_key ? node->key.bytes : node->id.bytes, sizeof(entry->who));
    entry->has_key = node->has_key;
    entry->family = endpoint->family & 15;
    memcpy(entry->address, endpoint->ip, size);
    memcpy(entry->address + size, &endpoint->port, sizeof(endpoint->port));
    if (endpoint->family == 6) {
        memcpy(entry->address + 18, &endpoint->scope, sizeof(endpoint->scope));
    }
}

static int buckets_reserve(struct kith_routing *r, unsigned index) {
    size_t n = (index / BUCKETS_STEP + 1) * BUCKETS_STEP;
    struct kith_bucket *buckets;

    if (index < r->n_buckets) {
        return 0;
    }
    buckets = realloc(r->buckets, n * sizeof(*buckets));
    if (buckets == NULL) {
        return KITH_ENOMEM;
    }
    memset(buckets + r->n_buckets, 0, (n - r->n_buckets) * sizeof(*buckets));
    r->buckets = buckets;
    r->n_buckets = (uint16_t)n;
    return 0;
}

static int bucket_grow(const struct kith_routing *r, struct kith_bucket *bucket) {
    unsigned wanted = bucket->capacity + ENTRIES_STEP;
    unsigned most = kith_bucket_most(r);
    unsigned capacity = wanted < most ? wanted : most;
    uint8_t *entries = malloc(capacity * (r->entry_size + sizeof(uint32_t)));

    if (entries == NULL) {
        return KITH_ENOMEM;
    }
    if (bucket->n > 0) {
        memcpy(entries, bucket->entries, (size_t)bucket->n * r->entry_size);
        memcpy(entries + (size_t)capacity * r->entry_size, kith_bucket_tags(r, bucket),
               bucket->n * sizeof(uint32_t));
    }
    free(bucket->entries);
    bucket->entries = entries;
    bucket->capacity = (uint8_t)capacity;
    return 0;
}

static int cache_grow(const struct kith_routing *r, struct kith_bucket *bucket) {
    unsigned capacity = bucket->cache_capacity + ENTRIES_STEP;
    uint8_t *cache = realloc(bucket->cache, (size_t)capacity * r->entry_size);

    if (cache == NULL) {
        return KITH_ENOMEM;
    }
    bucket->cache = cache;
    bucket->cache_capacity = (uint8_t)capacity;
    return 0;
}

static void notify(struct kith_routing *r, const struct kith_node_ref *node, bool added) {
    r->config.stats->table_added += added;
    r->config.stats->table_removed += !added;
    if (r->config.on_change != NULL) {
        r->config.on_change(r->config.context, node, added);
    }
}

/* Writes `entry` over slot `i`, which may be the first free one. */
static void bucket_set(const struct kith_routing *r, struct kith_bucket *bucket, unsigned i,
                       const struct kith_entry *entry) {
    struct kith_endpoint endpoint = kith_entry_endpoint(entry);

    memcpy(kith_entry_at(r, bucket->entries, i), entry, r->entry_size);
    kith_bucket_tags(r, bucket)[i] = kith_routing_tag(&endpoint);
}

/* The bucket has room and the entry is admissible. */
static int bucket_append(struct kith_routing *r, struct kith_bucket *bucket,
                         const struct kith_entry *entry) {
    if (bucket->n == bucket->capacity) {
        int error = bucket_grow(r, bucket);
        if (error < 0) {
            return error;
        }
    }
    struct kith_node_ref node = kith_entry_node(entry);
    bucket_set(r, bucket, bucket->n, entry);
    bucket->n++;
    r->n++;
    r->n_live += kith_entry_live(entry);
    notify(r, &node, true);
    return 0;
}

static void cache_remove(const struct kith_routing *r, struct kith_bucket *bucket, unsigned i) {
    bucket->n_cache--;
    memmove(kith_entry_at(r, bucket->cache, i), kith_entry_at(r, bucket->cache, i + 1),
            (size_t)(bucket->n_cache - i) * r->entry_size);
}

static void cache_forget(const struct kith_routing *r, struct kith_bucket *bucket,
                         const struct kith_id_head *head) {
    struct kith_entry *known = entries_find(r, bucket->cache, bucket->n_cache, head);

    if (known != NULL) {
        cache_remove(r, bucket, kith_entry_place(r, bucket->cache, known));
    }
}

/* Takes out the replacement that answered last and may take the place of `leaving`; NULL: none, or
 * the bucket is full without it. Those whose address has been taken meanwhile are forgotten. Valid
 * until one enters the cache. */
static const struct kith_entry *cache_take(const struct kith_routing *r, struct kith_bucket *bucket,
                                           const struct kith_entry *leaving) {
    unsigned index = (unsigned)(bucket - r->buckets);

    while (bucket->n_cache > 0 && bucket->n <= r->config.k) {
        bucket->n_cache--;
        const struct kith_entry *candidate = kith_entry_at(r, bucket->cache, bucket->n_cache);
        struct kith_endpoint endpoint = kith_entry_endpoint(candidate);
        struct kith_claim claim = kith_claim_find(r, index, &endpoint, leaving);
        if (kith_claim_granted(r, &claim)) {
            return candidate;
        }
    }
    return NULL;
}

static bool id_valid(const struct kith_routing *r, const struct kith_entry *entry) {
    if (r->config.id_valid == NULL) {
        return true;
    }
    struct kith_point id = kith_entry_id(entry);
    struct kith_endpoint endpoint = kith_entry_endpoint(entry);
    return r->config.id_valid(&id, &endpoint);
}

/* Whether fewer than k of those likely to be there are nearer to us than one of this bucket. */
static bool is_near(const struct kith_routing *r, unsigned index,
                    const struct kith_id_head *candidate) {
    struct kith_id_head own = kith_id_head(&r->config.own_id);
    unsigned nearer = 0;

    for (unsigned b = index; b < r->n_buckets && nearer < r->config.k; b++) {
        for (unsigned i = 0; i < r->buckets[b].n; i++) {
            const struct kith_entry *entry = kith_entry_at(r, r->buckets[b].entries, i);
            nearer += kith_entry_live(entry) && entry->seen >= r->fresh_since &&
                      (b > index || kith_head_compare(&own, &entry->head, candidate) < 0);
        }
    }
    return nearer < r->config.k;
}

/* Whether one that is in no table has a place in this bucket, its address aside. */
static bool has_place(const struct kith_routing *r, unsigned index,
                      const struct kith_id_head *head) {
    unsigned n = r->buckets[index].n;

    return n < r->config.k || (n < kith_bucket_most(r) && is_near(r, index, head));
}

/* Replacements that have come to be near get a place: of the one bucket where that can be. */
static void promote_near(struct kith_routing *r) {
    if (r->n < r->config.k) {
        return;
    }
    unsigned index = kith_routing_boundary(r);
    struct kith_bucket *bucket = &r->buckets[index];
    for (unsigned i = bucket->n_cache; i > 0; i--) {
        union kith_entry_room room;
        memcpy(&room, kith_entry_at(r, bucket->cache, i - 1), r->entry_size);
        struct kith_endpoint endpoint = kith_entry_endpoint(&room.entry);
        struct kith_claim claim = kith_claim_find(r, index, &endpoint, NULL);
        if (has_place(r, index, &room.entry.head) && id_valid(r, &room.entry) &&
            kith_claim_granted(r, &claim) && kith_claim_modest(r, &claim) &&
            bucket_append(r, bucket, &room.entry) == 0) {
            cache_remove(r, bucket, i - 1);
        }
    }
}

/* Puts `entry` into the place of `leaving`: no allocation, so it cannot fail. */
static void bucket_replace(struct kith_routing *r, struct kith_bucket *bucket,
                           struct kith_entry *leaving, const struct kith_entry *entry) {
    struct kith_node_ref gone = kith_entry_node(leaving);
    struct kith_node_ref come = kith_entry_node(entry);

    r->n_live -= kith_entry_live(leaving);
    r->n_live += kith_entry_live(entry);
    bucket_set(r, bucket, kith_entry_place(r, bucket->entries, leaving), entry);
    notify(r, &gone, false);
    notify(r, &come, true);
    promote_near(r);
}

/* A replacement that waits takes the place, else the last entry fills the gap. */
static void bucket_remove(struct kith_routing *r, struct kith_bucket *bucket,
                          struct kith_entry *leaving) {
    struct kith_node_ref gone = kith_entry_node(leaving);
    const struct kith_entry *next = cache_take(r, bucket, leaving);

    if (next != NULL) {
        bucket_replace(r, bucket, leaving, next);
        return;
    }
    r->n_live -= kith_entry_live(leaving);
    r->n--;
    bucket->n--;
    if (leaving != kith_entry_at(r, bucket->entries, bucket->n)) {
        bucket_set(r, bucket, kith_entry_place(r, bucket->entries, leaving),
                   kith_entry_at(r, bucket->entries, bucket->n));
    }
    notify(r, &gone, false);
    promote_near(r);
}

/* The entry a full bucket gives up: most failures, then longest silent. NULL: all are live. */
static struct kith_entry *bucket_worst(const struct kith_routing *r,
                                       const struct kith_bucket *bucket) {
    struct kith_entry *worst = NULL;

    for (unsigned i = 0; i < bucket->n; i++) {
        struct kith_entry *entry = kith_entry_at(r, bucket->entries, i);
        if (kith_entry_live(entry)) {
            continue;
        }
        if (worst == NULL || entry->failures > worst->failures ||
            (entry->failures == worst->failures && entry->seen < worst->seen)) {
            worst = entry;
        }
    }
    return worst;
}

/* The newest replacement is the likeliest to be still there: it goes to the end, the oldest out. */
static int cache_append(const struct kith_routing *r, struct kith_bucket *bucket,
                        const struct kith_entry *entry) {
    struct kith_endpoint endpoint = kith_entry_endpoint(entry);

    cache_forget(r, bucket, &entry->head);
    if (kith_cache_crowded(r, bucket, &endpoint)) {
        return KITH_ROUTING_REFUSED;
    }
    if (bucket->n_cache == KITH_ROUTING_CACHE) {
        cache_remove(r, bucket, 0);
    }
    if (bucket->n_cache == bucket->cache_capacity) {
        int error = cache_grow(r, bucket);
        if (error < 0) {
            return error;
        }
    }
    memcpy(kith_entry_at(r, bucket->cache, bucket->n_cache), entry, r->entry_size);
    bucket->n_cache++;
    return KITH_ROUTING_CACHED;
}

/* An entry that gives way to one with a valid id, or NULL. */
static struct kith_entry *bucket_invalid(const struct kith_routing *r,
                                         const struct kith_bucket *bucket) {
    for (unsigned i = 0; r->config.id_valid != NULL && i < bucket->n; i++) {
        struct kith_entry *entry = kith_entry_at(r, bucket->entries, i);
        if (!id_valid(r, entry)) {
            return entry;
        }
    }
    return NULL;
}

static int admit(struct kith_routing *r, unsigned index, const struct kith_entry *entry,
                 const struct kith_claim *claim) {
    struct kith_bucket *bucket = &r->buckets[index];
    bool full = bucket->n >= r->config.k;
    bool valid = !full || id_valid(r, entry);
    bool may_be_near = valid && (!full || kith_claim_modest(r, claim));
    struct kith_entry *worst = full ? bucket_worst(r, bucket) : NULL;

    if (worst == NULL && full && valid) {
        worst = bucket_invalid(r, bucket);
    }
    if (worst == NULL && may_be_near && has_place(r, index, &entry->head)) {
        cache_forget(r, bucket, &entry->head);
        int error = bucket_append(r, bucket, entry);
        return error < 0 ? error : KITH_ROUTING_ADDED;
    }
    if (worst == NULL) {
        worst = kith_bucket_crowding(r, bucket, claim);
    }
    if (worst == NULL) {
        return cache_append(r, bucket, entry);
    }
    cache_forget(r, bucket, &entry->head);
    bucket_replace(r, bucket, worst, entry);
    return KITH_ROUTING_ADDED;
}

static int answered_new(struct kith_routing *r, const struct kith_node_ref *node, uint32_t rtt_us,
                        uint64_t now) {
    union kith_entry_room room = {{.seen = now, .rtt_us = rtt_us, .peer_seq = -1}};
    struct kith_entry *entry = &room.entry;
    unsigned index = bucket_index(r, &node->id);
    struct kith_claim claim = kith_claim_find(r, index, &node->endpoint, NULL);
    int error;

    entry_set_node(entry, node);
    if (r->config.enforce_ids && !id_valid(r, entry)) {
        return KITH_ROUTING_REFUSED;
    }

    if (claim.holder != NULL) {
        bool was_live = kith_entry_live(claim.holder);
        struct kith_point id = kith_entry_id(claim.holder);
        bucket_remove(r, bucket_of(r, &id), claim.holder);
        if (was_live) {
            return KITH_ROUTING_REFUSED;
        }
        claim = kith_claim_find(r, index, &node->endpoint, NULL);
    }
    if (!kith_claim_granted(r, &claim)) {
        return KITH_ROUTING_REFUSED;
    }
    error = buckets_reserve(r, index);
    return error < 0 ? error : admit(r, index, entry, &claim);
}

/* Whether the entry may be said to be at `endpoint` from now on. */
static bool entry_may_move(const struct kith_routing *r, const struct kith_bucket *bucket,
                           const struct kith_entry *entry, const struct kith_endpoint *endpoint) {
    unsigned index = (unsigned)(bucket - r->buckets);
    struct kith_claim claim = kith_claim_find(r, index, endpoint, entry);

    return kith_claim_granted(r, &claim);
}

/* ---- how long nodes stay ---- */

uint64_t kith_routing_stay_ns(const struct kith_routing *r, uint64_t first_ns) {
    return (r->exposure_ns + first_ns) / (r->n_deaths + 1);
}

/* An entry was alive for so long; or it was found gone, some time within it. */
static void observe(struct kith_routing *r, uint64_t ns, bool died, uint64_t now) {
    r->exposure_ns += died ? ns / 2 : ns;
    r->n_deaths += died;
    if (r->n_deaths >= 2 * DEATHS_MAX) {
        r->n_deaths /= 2;
        r->exposure_ns /= 2;
    }
    uint64_t limit = kith_routing_stay_ns(r, KITH_ROUTING_STAY_START_NS) / 2;
    r->fresh_since = now > limit ? now - limit : 0;
    r->observed = now;
}

/* Whether a death says how long nodes stay. When all fall silent and nobody is heard any more, it
 * is us, and those before are taken back; and of one neighbourhood (/24, IPv6 /48), whose hosts may
 * come and go at will, one in so many counts. */
static bool is_telling(struct kith_routing *r, const struct kith_entry *entry) {
    struct kith_endpoint endpoint = kith_entry_endpoint(entry);
    struct kith_nets nets;

    if (r->deaths_in_a_row == 0) {
        r->deaths_before = r->n_deaths;
        r->exposure_before = r->exposure_ns;
    }
    r->deaths_in_a_row++;
    if (r->deaths_in_a_row > DEATHS_IN_A_ROW || r->n_live == 0) {
        r->n_deaths = r->deaths_before;
        r->exposure_ns = r->exposure_before;
        return false;
    }
    kith_endpoint_nets(&endpoint, &nets);
    uint64_t net = nets.of[endpoint.family == 6];
    for (unsigned i = 0; net != 0 && i < KITH_ROUTING_DEATH_NETS; i++) {
        if (r->death_nets[i] == net) {
            return false;
        }
    }
    r->death_nets[r->next_death_net++ % KITH_ROUTING_DEATH_NETS] = net;
    return true;
}

static int answered_known(struct kith_routing *r, struct kith_bucket *bucket,
                          struct kith_entry *entry, const struct kith_node_ref *node,
                          uint32_t rtt_us, uint64_t now) {
    struct kith_endpoint before = kith_entry_endpoint(entry);
    if (!kith_endpoint_equal(&before, &node->endpoint)) {
        if (kith_entry_live(entry) && now - entry->seen < MOVE_AFTER_NS) {
            return KITH_ROUTING_UPDATED; /* the endpoint we have is as good: nothing to learn */
        }
        if (!entry_may_move(r, bucket, entry, &node->endpoint)) {
            return KITH_ROUTING_REFUSED;
        }
        entry->rtt_us = 0; /* of another path */
    }
    entry_set_node(entry, node);
    kith_bucket_tags(r, bucket)[kith_entry_place(r, bucket->entries, entry)] =
        kith_routing_tag(&node->endpoint);
    if (rtt_us != 0) {
        entry->rtt_us =
            entry->rtt_us == 0
                ? rtt_us
                : (uint32_t)(((uint64_t)entry->rtt_us * (RTT_WEIGHT - 1) + rtt_us) / RTT_WEIGHT);
    }
    observe(r, now - entry->seen, false, now);
    r->n_live += !kith_entry_live(entry);
    entry->seen = now;
    entry->asked = 0;
    entry->failures = 0;
    return KITH_ROUTING_UPDATED;
}

int kith_routing_new(struct kith_routing **ret, const struct kith_routing_config *config) {
    struct kith_routing *r;

    if (config->k == 0 || config->k > KITH_ROUTING_K_MAX || config->id_bits == 0 ||
        config->id_bits > KITH_ID_BITS) {
        return KITH_EINVALID;
    }
    r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return KITH_ENOMEM;
    }
    r->config = *config;
    /* Whole words, of which a struct kith_entry without an address does not fill the last. */
    size_t address = config->family == 4 ? KITH_ADDRESS_V4 : KITH_ADDRESS_V6;
    r->entry_size = (uint16_t)((offsetof(struct kith_entry, address) + address + 7) / 8 * 8);
    *ret = r;
    return 0;
}

struct kith_routing *kith_routing_free(struct kith_routing *r) {
    if (r == NULL) {
        return NULL;
    }
    for (unsigned i = 0; i < r->n_buckets; i++) {
        free(r->buckets[i].entries);
        free(r->buckets[i].cache);
    }
    free(r->buckets);
    free(r);
    return NULL;
}

static bool is_of_family(const struct kith_routing *r, const struct kith_endpoint *endpoint) {
    return r->config.family == 0 ? endpoint->family != 0 : endpoint->family == r->config.family;
}

int kith_routing_answered(struct kith_routing *r, const struct kith_node_ref *node, uint32_t rtt_us,
                          uint64_t now) {
    struct kith_bucket *bucket;
    struct kith_entry *entry;

    if (bucket_index(r, &node->id) >= r->config.id_bits || !is_of_family(r, &node->endpoint)) {
        return KITH_ROUTING_REFUSED;
    }
    r->deaths_in_a_row = 0;
    bucket = bucket_of(r, &node->id);
    entry = bucket_find(r, bucket, &node->id);
    return entry == NULL ? answered_new(r, node, rtt_us, now)
                         : answered_known(r, bucket, entry, node, rtt_us, now);
}

void kith_routing_failed(struct kith_routing *r, const struct kith_point *id, uint64_t now) {
    struct kith_bucket *bucket = bucket_of(r, id);
    struct kith_entry *entry = bucket_find(r, bucket, id);

    if (entry == NULL) {
        kith_routing_remove(r, id); /* a replacement that fails is worth nothing */
        return;
    }
    r->n_live -= kith_entry_live(entry);
    entry->failures += entry->failures < FAILURES_LIMIT;
    entry->asked = now;
    if (entry->failures == (bucket->n_cache > 0 ? 1 : KITH_ROUTING_FAILURES_MAX) &&
        is_telling(r, entry)) {
        observe(r, now - entry->seen, true, now);
    }
    const struct kith_entry *next = cache_take(r, bucket, entry);
    if (next != NULL) {
        bucket_replace(r, bucket, entry, next);
    } else if (entry->failures >= KITH_ROUTING_FAILURES_MAX || bucket->n_cache > 0) {
        bucket_remove(r, bucket, entry);
    }
}

void kith_routing_remove(struct kith_routing *r, const struct kith_point *id) {
    struct kith_bucket *bucket = bucket_of(r, id);
    struct kith_entry *entry;

    if (bucket == NULL) {
        return;
    }
    entry = bucket_find(r, bucket, id);
    if (entry != NULL) {
        bucket_remove(r, bucket, entry);
        return;
    }
    struct kith_id_head head = kith_id_head(id);
    cache_forget(r, bucket, &head);
}

bool kith_routing_wants(const struct kith_routing *r, const struct kith_point *id) {
    unsigned index = bucket_index(r, id);
    struct kith_id_head head = kith_id_head(id);

    if (index >= r->n_buckets) {
        return index < r->config.id_bits;
    }
    return bucket_find(r, &r->buckets[index], id) == NULL && has_place(r, index, &head);
}

struct kith_entry *kith_routing_find(struct kith_routing *r, const struct kith_point *id) {
    struct kith_bucket *bucket = bucket_of(r, id);

    return bucket_find(r, bucket, id);
}
