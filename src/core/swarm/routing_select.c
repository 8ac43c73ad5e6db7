/* SPDX-License-Identifier: MIT */
/*
 * routing_select: who of the table is chosen: for an answer, for a check, as a sample.
 *
 * The nearest to a target t, without sorting the table. Let o be our id and d = o XOR t. A node x
 * of bucket j agrees with o before bit j and differs at it, so x XOR t starts with d's first j bits
 * and then has NOT d[j]. Hence:
 *   - where d[j] = 1 every node of bucket j is nearer to t than we are. Of two such buckets the one
 *     with the smaller index is nearer, since it clears the higher bit. The first is the bucket t
 *     itself falls into;
 *   - where d[j] = 0 every node of bucket j is farther from t than we are, the more so the smaller
 * j. So: buckets with d[j] = 1 in ascending order, then those with d[j] = 0 in descending order,
 * and only inside a bucket is anything compared, by insertion into the slots that are left. O(k + n
 * of the last bucket), instead of O(table log n).
 *
 * The size of the network follows from how near the nearest nodes are. If N - 1 others are spread
 * uniformly, the number of them within a fraction x of the space is about Poisson with mean N x,
 * and N = (m - 1) / x_m, x_m the distance of the m-th nearest, is the unbiased estimator of least
 * variance, with a relative deviation of 1 / sqrt(m - 2): 24% for m = 20, 41% for m = 8. Averaging
 * i / x_i over all i looks richer but adds noise (x_m is a sufficient statistic; i = 1 has no
 * finite mean), and it would follow any single id ground next to ours; of s such ids (m - 1) / x_m
 * feels only the factor m / (m - s). Where nodes come and go, m is not those in the table but those
 * of them that are likely to be there still, for how long they have been silent.
 */
#include <string.h>

#include "core/base/endpoint.h"
#include "core/swarm/routing_internal.h"

/* An entry asked less than this ago is left alone: its answer may be under way, and three failures
 * within a second would say something about our own link only. */
static const uint64_t RETRY_NS = UINT64_C(5) * 1000 * 1000 * 1000;

enum {
    NEAR_WEIGHT = 2, /* the half nearest to us ages twice as fast: it is asked for the most */
};

struct selection {
    const struct kith_point *target;
    const struct kith_entry **out;
    size_t n;     /* wanted */
    size_t found; /* sorted so far */
    bool live_only;
    uint64_t since; /* of their last answer */
};

/* Inserts one bucket, which is farther than all of those before. */
static void select_bucket(const struct kith_routing *r, struct selection *s,
                          const struct kith_bucket *bucket) {
    size_t first = s->found;

    for (unsigned b = 0; b < bucket->n; b++) {
        const struct kith_entry *entry = kith_entry_at(r, bucket->entries, b);
        if ((s->live_only && !kith_entry_live(entry)) || entry->seen < s->since) {
            continue;
        }
        size_t i = s->found;
        while (i > first && kith_entry_compare(s->target, entry, s->out[i - 1]) < 0) {
            i--;
        }
        if (i == s->n) {
            continue; /* farther than all, and no slot left */
        }
        s->found += s->found < s->n;
        memmove(&s->out[i + 1], &s->out[i], (s->found - 1 - i) * sizeof(*s->out));
        s->out[i] = entry;
    }
}

static size_t select_all(const struct kith_routing *r, struct selection *s) {
    const struct kith_point *own = &r->config.own_id;
    const struct kith_point *target = s->target;

    for (unsigned j = kith_point_common_bits(own, target); j < r->n_buckets && s->found < s->n;
         j++) {
        if (kith_point_bit(own, j) != kith_point_bit(target, j)) {
            select_bucket(r, s, &r->buckets[j]);
        }
    }
    for (unsigned j = r->n_buckets; j > 0 && s->found < s->n; j--) {
        if (kith_point_bit(own, j - 1) == kith_point_bit(target, j - 1)) {
            select_bucket(r, s, &r->buckets[j - 1]);
        }
    }
    return s->found;
}

size_t kith_routing_closest(const struct kith_routing *r, const struct kith_point *target, size_t n,
                            bool live_only, const struct kith_entry **out) {
    struct selection s = {
        .target = target, .out = out, .n = n, .live_only = live_only, .since = r->fresh_since};

    if (!live_only || select_all(r, &s) < n) {
        s.found = 0;
        s.since = 0;
        (void)select_all(r, &s);
    }
    return s.found;
}

/* The first bucket of the half of the table that is nearest to us. */
static unsigned near_from(const struct kith_routing *r) {
    uint32_t deeper = 0;

    for (unsigned j = r->n_buckets; j > 0; j--) {
        deeper += r->buckets[j - 1].n;
        if (2 * deeper >= r->n) {
            return j - 1;
        }
    }
    return 0;
}

/* Whether its answer may still be under way. */
static bool is_asked(const struct kith_entry *entry, uint64_t now) {
    return entry->asked != 0 && now - entry->asked < RETRY_NS;
}

/* How much an entry needs a check; 0: not at all. Ages stay below 2^62 ns (146 years). */
static uint64_t entry_need(const struct kith_entry *entry, bool near, uint64_t now,
                           uint64_t older_than) {
    uint64_t age = now - entry->seen;

    if (is_asked(entry, now)) {
        return 0;
    }
    age = near ? age * NEAR_WEIGHT : age;
    return age > older_than ? age : 0;
}

struct kith_entry *kith_routing_stalest(struct kith_routing *r, uint64_t now, uint64_t older_than) {
    unsigned near = near_from(r);
    struct kith_entry *best = NULL;
    uint64_t most = 0;

    for (unsigned b = 0; b < r->n_buckets; b++) {
        for (unsigned i = 0; i < r->buckets[b].n; i++) {
            struct kith_entry *entry = kith_entry_at(r, r->buckets[b].entries, i);
            bool live = kith_entry_live(entry);
            /* A failed one is due whatever its age; adding the top bit puts it first. */
            uint64_t need = entry_need(entry, b >= near, now, live ? older_than : 0);
            need |= !live && need != 0 ? UINT64_C(1) << 63 : 0;
            if (need > most) {
                most = need;
                best = entry;
            }
        }
    }
    return best;
}

const struct kith_entry *kith_routing_silent(const struct kith_routing *r,
                                             const struct kith_point *id, uint64_t now,
                                             uint64_t silent_ns) {
    unsigned index = kith_point_common_bits(&r->config.own_id, id);
    const struct kith_entry *longest = NULL;

    for (unsigned i = 0; index < r->n_buckets && i < r->buckets[index].n; i++) {
        const struct kith_entry *entry = kith_entry_at(r, r->buckets[index].entries, i);
        if (!is_asked(entry, now) && now - entry->seen >= silent_ns &&
            (longest == NULL || entry->seen < longest->seen)) {
            longest = entry;
        }
    }
    return longest;
}

const struct kith_entry *kith_routing_sample(const struct kith_routing *r) {
    if (r->n == 0) {
        return NULL;
    }
    uint64_t i = kith_random_below(r->config.random, r->n);
    const struct kith_bucket *bucket = r->buckets;
    while (i >= bucket->n) {
        i -= bucket->n;
        bucket++;
    }
    return kith_entry_at(r, bucket->entries, i);
}

unsigned kith_routing_boundary(const struct kith_routing *r) {
    unsigned index = r->n_buckets;

    for (unsigned n = 0; index > 0 && n < r->config.k;) {
        n += r->buckets[--index].n;
    }
    return index;
}

int kith_routing_unfilled(const struct kith_routing *r, unsigned from) {
    /* Below it they are as full as the network allows. */
    unsigned boundary = kith_routing_boundary(r);

    for (unsigned i = from; r->n >= r->config.k && i <= boundary; i++) {
        if (r->buckets[i].n < r->config.k) {
            return (int)i;
        }
    }
    return -1;
}

/* Agrees with our id in its first bits, and is random beyond. */
static struct kith_point random_beyond(const struct kith_routing *r, unsigned bits) {
    struct kith_point point = r->config.own_id;

    for (unsigned byte = bits / 8; byte < r->config.id_bits / 8; byte++) {
        uint8_t random = (uint8_t)kith_random_below(r->config.random, 256);
        uint8_t mask = byte == bits / 8 ? (uint8_t)(0xff >> bits % 8) : 0xff;
        point.bytes[byte] = (uint8_t)((point.bytes[byte] & ~mask) | (random & mask));
    }
    return point;
}

void kith_routing_point_in(const struct kith_routing *r, unsigned bucket, struct kith_point *ret) {
    uint8_t bit = (uint8_t)(0x80 >> bucket % 8);
    uint8_t other = (uint8_t)(~r->config.own_id.bytes[bucket / 8] & bit);

    *ret = random_beyond(r, bucket);
    ret->bytes[bucket / 8] = (uint8_t)((ret->bytes[bucket / 8] & ~bit) | other);
}

void kith_routing_point_near(const struct kith_routing *r, struct kith_point *ret) {
    *ret = random_beyond(r, kith_routing_boundary(r));
}

size_t kith_routing_count(const struct kith_routing *r) {
    return r->n;
}

size_t kith_routing_count_live(const struct kith_routing *r) {
    return r->n_live;
}

/* How many of these are there: of those that were silent for as long as nodes stay on average,
 * half (it is 1 / e of them, but a death is noticed late). */
static double expected_there(const struct kith_routing *r, const struct kith_entry *const *entries,
                             size_t n) {
    double stay = (double)kith_routing_stay_ns(r, KITH_ROUTING_STAY_START_NS);
    double there = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t seen = entries[i]->seen;
        there += stay / (stay + (double)(r->observed > seen ? r->observed - seen : 0));
    }
    return there;
}

uint64_t kith_routing_size_estimate(const struct kith_routing *r) {
    const struct kith_entry *nearest[KITH_ROUTING_K_MAX];
    size_t k = r->config.k;

    if (kith_routing_closest(r, &r->config.own_id, k, true, nearest) < k || k < 3) {
        return 0;
    }
    struct kith_point farthest = kith_entry_id(nearest[k - 1]);
    double x = kith_point_distance(&r->config.own_id, &farthest);
    double there = expected_there(r, nearest, k);
    double others = (there > 2 ? there - 1 : 1) / x;
    /* Ids ground next to ours can claim any density; what they claim must still be a number. */
    return others >= 0x1p63 ? UINT64_C(1) << 63 : (uint64_t)(others + 0.5) + 1;
}

/* The entry at place `i` of a bucket, replacements after entries. */
static const struct kith_entry *bucket_at(const struct kith_routing *r,
                                          const struct kith_bucket *bucket, unsigned i) {
    return i < bucket->n ? kith_entry_at(r, bucket->entries, i)
                         : kith_entry_at(r, bucket->cache, i - bucket->n);
}

int kith_routing_each(const struct kith_routing *r,
                      int (*fn)(const struct kith_entry *entry, unsigned bucket, bool replacement,
                                void *user),
                      void *user) {
    for (unsigned b = 0; b < r->n_buckets; b++) {
        const struct kith_bucket *bucket = &r->buckets[b];
        unsigned n = bucket->n + bucket->n_cache;
        for (unsigned i = 0; i < n; i++) {
            int result = fn(bucket_at(r, bucket, i), b, i >= bucket->n, user);
            if (result != 0) {
                return result;
            }
        }
    }
    return 0;
}

size_t kith_routing_memory(const struct kith_routing *r) {
    size_t size = sizeof(*r) + r->n_buckets * sizeof(*r->buckets);

    for (unsigned b = 0; b < r->n_buckets; b++) {
        size += r->buckets[b].capacity * (r->entry_size + sizeof(uint32_t));
        size += (size_t)r->buckets[b].cache_capacity * r->entry_size;
    }
    return size;
}

static const char *check_bucket(const struct kith_routing *r, unsigned index) {
    const struct kith_bucket *bucket = &r->buckets[index];
    unsigned n = bucket->n + bucket->n_cache;

    if (bucket->n > bucket->capacity || bucket->capacity > kith_bucket_most(r) ||
        bucket->n_cache > bucket->cache_capacity || bucket->n_cache > KITH_ROUTING_CACHE) {
        return "a bucket is over its limits";
    }
    if (bucket->n_cache > 0 && bucket->n < r->config.k) {
        return "replacements wait while the bucket has room";
    }
    for (unsigned i = 0; i < n; i++) {
        const struct kith_entry *entry = bucket_at(r, bucket, i);
        struct kith_point id = kith_entry_id(entry);
        struct kith_id_head head = kith_id_head(&id);
        if (memcmp(&head, &entry->head, sizeof(head)) != 0) {
            return "an entry is of another id than its key";
        }
        if (kith_point_common_bits(&r->config.own_id, &id) != index) {
            return "an entry is in the wrong bucket";
        }
        for (unsigned j = 0; j < i; j++) {
            if (memcmp(&head, &bucket_at(r, bucket, j)->head, sizeof(head)) == 0) {
                return "a node is in the table twice";
            }
        }
        struct kith_endpoint endpoint = kith_entry_endpoint(entry);
        if (i < bucket->n && kith_bucket_tags(r, bucket)[i] != kith_routing_tag(&endpoint)) {
            return "a tag does not belong to its endpoint";
        }
        if (bucket->n_cache > 0 && !kith_entry_live(entry)) {
            return "a failed entry stays while replacements wait";
        }
        if (i > bucket->n && entry->seen < bucket_at(r, bucket, i - 1)->seen) {
            return "replacements are out of order";
        }
    }
    return NULL;
}

const char *kith_routing_check(const struct kith_routing *r) {
    uint32_t n = 0;
    uint32_t n_live = 0;

    for (unsigned b = 0; b < r->n_buckets; b++) {
        const char *wrong = check_bucket(r, b);
        if (wrong != NULL) {
            return wrong;
        }
        n += r->buckets[b].n;
        for (unsigned i = 0; i < r->buckets[b].n; i++) {
            n_live += kith_entry_live(kith_entry_at(r, r->buckets[b].entries, i));
        }
    }
    if (n != r->n || n_live != r->n_live) {
        return "the counts are wrong";
    }
    return kith_routing_check_shares(r);
}

unsigned kith_routing_depth(const struct kith_routing *r) {
    unsigned depth = r->n_buckets;

    while (depth > 0 && r->buckets[depth - 1].n == 0) {
        depth--;
    }
    return depth;
}
