/* SPDX-License-Identifier: MIT */
/*
 * routing_internal: the shape of a routing table, for routing.c (who gets in, who leaves),
 * routing_shares.c (what a neighbourhood may have) and routing_select.c (who is chosen). Nobody
 * else includes it.
 */
#ifndef KITH_CORE_ROUTING_INTERNAL_H
#define KITH_CORE_ROUTING_INTERNAL_H

#include "core/base/id.h"
#include "core/swarm/routing.h"

enum {
    KITH_ROUTING_K_MAX = 127,     /* counts of a bucket are bytes */
    KITH_ADDRESS_V4 = 4 + 2,      /* bytes of an entry: IP, port */
    KITH_ADDRESS_V6 = 16 + 2 + 4, /* and scope */
    KITH_ENTRY_MAX = sizeof(struct kith_entry) + KITH_ADDRESS_V6,
};

/* Of either family. */
union kith_entry_room {
    struct kith_entry entry;
    uint8_t bytes[KITH_ENTRY_MAX];
};

/*
 * One block of memory holds `capacity` entries of the table's entry_size and behind them as many
 * tags (see kith_routing_tag()). A bucket that was never used costs its 24 bytes and nothing else.
 */
struct kith_bucket {
    uint8_t *entries;
    uint8_t *cache; /* replacements, the one that answered last at the end */
    uint8_t n;
    uint8_t capacity;
    uint8_t n_cache;
    uint8_t cache_capacity;
};

enum { KITH_ROUTING_DEATH_NETS = 16 };

struct kith_routing {
    struct kith_routing_config config;
    struct kith_bucket *buckets; /* by common prefix with our id; deeper ones do not exist yet */
    uint16_t n_buckets;
    uint16_t entry_size;
    uint32_t n;
    uint32_t n_live;
    uint64_t exposure_ns;     /* time that entries were alive, as far as they were asked */
    uint32_t n_deaths;        /* of entries, in that time */
    uint64_t fresh_since;     /* who answered after this is likely to be there still */
    uint64_t observed;        /* when the three before were last brought up to date */
    uint32_t deaths_in_a_row; /* since anybody answered; */
    uint32_t deaths_before;   /* what was known before those */
    uint64_t exposure_before;
    uint32_t next_death_net;                      /* modulo their number */
    uint64_t death_nets[KITH_ROUTING_DEATH_NETS]; /* where the last deaths were; 0: none */
};

/* Assumed of how long nodes stay, for who is likely to be gone, until deaths were seen. */
#define KITH_ROUTING_STAY_START_NS (UINT64_C(900) * 1000 * 1000 * 1000)

static inline bool kith_entry_live(const struct kith_entry *entry) {
    return entry->failures == 0;
}

/* The entry at place `i` of a bucket's entries or of its cache. */
static inline struct kith_entry *kith_entry_at(const struct kith_routing *r, uint8_t *entries,
                                               size_t i) {
    return (struct kith_entry *)(void *)(entries + i * r->entry_size);
}

static inline struct kith_id_head kith_id_head(const struct kith_point *id) {
    return (struct kith_id_head){kith_point_word(id, 0), kith_point_word(id, 1)};
}

/* As kith_point_compare(). */
static inline int kith_head_compare(const struct kith_id_head *target, const struct kith_id_head *a,
                                    const struct kith_id_head *b) {
    uint64_t to_a = a->high ^ target->high;
    uint64_t to_b = b->high ^ target->high;

    if (to_a == to_b) {
        to_a = a->low ^ target->low;
        to_b = b->low ^ target->low;
    }
    return to_a < to_b ? -1 : to_a > to_b;
}

/* The most entries of a bucket: of the one in which the k nearest end. */
static inline unsigned kith_bucket_most(const struct kith_routing *r) {
    return 2 * r->config.k;
}

/* Its place, the other way round. */
static inline unsigned kith_entry_place(const struct kith_routing *r, const uint8_t *entries,
                                        const struct kith_entry *entry) {
    return (unsigned)((size_t)((const uint8_t *)entry - entries) / r->entry_size);
}

static inline uint32_t *kith_bucket_tags(const struct kith_routing *r,
                                         const struct kith_bucket *bucket) {
    return (uint32_t *)(void *)(bucket->entries + (size_t)bucket->capacity * r->entry_size);
}

/*
 * 32 bits that are equal wherever two endpoints could be in each other's way: a hash of the prefix,
 * or, where no share applies, of the whole endpoint. Scanning tags for an address reads 1 kB of a
 * full table instead of 23 kB.
 */
uint32_t kith_routing_tag(const struct kith_endpoint *endpoint);

/* The bucket in which the k entries nearest to us end: the deepest that holds k together with those
 * below it; 0 if there are fewer. */
unsigned kith_routing_boundary(const struct kith_routing *r);

/* What stands in the way of an endpoint. */
struct kith_claim {
    struct kith_entry *holder; /* of exactly this endpoint, with another id */
    bool ip_taken;             /* by another port of the same IP */
    struct kith_nets nets;
    unsigned in_bucket[KITH_NETS]; /* entries of the same neighbourhood */
    unsigned in_table[KITH_NETS];
};

/* Looks at the whole table but for `ignored` (may be NULL), an entry that moves or is about to go.
 */
struct kith_claim kith_claim_find(const struct kith_routing *r, unsigned index,
                                  const struct kith_endpoint *endpoint,
                                  const struct kith_entry *ignored);
/* Nobody is in the way, and no share is used up. */
bool kith_claim_granted(const struct kith_routing *r, const struct kith_claim *claim);
/* The wide neighbourhood has less than its share of a full bucket. */
bool kith_claim_modest(const struct kith_routing *r, const struct kith_claim *claim);
/* The IP is in the cache under another id, or its prefix has its share of the cache. */
bool kith_cache_crowded(const struct kith_routing *r, const struct kith_bucket *bucket,
                        const struct kith_endpoint *endpoint);
/* The entry that gives way to one of another neighbourhood, the longest silent of them; NULL: there
 * is none, or the newcomer's neighbourhood has its share as well. */
struct kith_entry *kith_bucket_crowding(const struct kith_routing *r,
                                        const struct kith_bucket *bucket,
                                        const struct kith_claim *newcomer);
/* The shares hold, and no two entries have one endpoint. NULL, or what is violated. */
const char *kith_routing_check_shares(const struct kith_routing *r);

#endif
