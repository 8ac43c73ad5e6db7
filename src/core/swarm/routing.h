/* SPDX-License-Identifier: MIT */
/*
 * routing: one family's Kademlia table (Maymounkov and Mazieres 2002, flat by common prefix).
 *
 * Only nodes that answered us enter. Live ones are never evicted for newcomers, who wait in a
 * bucket's replacement cache, but where their wide neighbourhood crowds a full bucket. The k
 * nearest to us all have a place. One entry per IP, a share per /24 and /16 (IPv6: /56, /48, /32)
 * in each bucket and in the table; loopback and private ranges exempt. An endpoint that changes its
 * key loses its entry. k-closest visits buckets in order of distance and orders inside a bucket
 * only: O(k + n of the last bucket).
 */
#ifndef KITH_CORE_ROUTING_H
#define KITH_CORE_ROUTING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/endpoint.h"
#include "core/base/random.h"
#include "core/wire/message.h"
#include "kith/stats.h"

struct kith_routing; /* opaque */

struct kith_routing_config {
    struct kith_point own_id;
    uint8_t family;   /* 4 or 6: who else comes is refused; 0: both may */
    unsigned id_bits; /* 256 or 160 */
    unsigned k;       /* bucket size */
    /* Entries that one neighbourhood may have (/24, /16; IPv6 /56, /48, /32), in a bucket, and in
     * the table. */
    uint8_t per_net_bucket[KITH_NETS];
    uint8_t per_net_table[KITH_NETS];
    const struct kith_random *random; /* borrowed */
    struct kith_stats *stats;         /* borrowed */
    /* BEP 42: whether an id belongs to an address. NULL: not looked at. In a full bucket a valid
     * one takes the place of an invalid one; with `enforce_ids` invalid ones do not enter. */
    bool (*id_valid)(const struct kith_point *id, const struct kith_endpoint *endpoint);
    bool enforce_ids;
    /* An entry came or went; may be NULL. Must not call back into the table. */
    void (*on_change)(void *context, const struct kith_node_ref *node, bool added);
    void *context;
};

/* The first 128 bits of an id, as numbers. */
struct kith_id_head {
    uint64_t high;
    uint64_t low;
};

/* There are hundreds in every node: each byte here is a quarter of a kilobyte there. Of the id only
 * half is kept, which nobody has twice: finding two keys for it takes 2^64 hashes, and gains one of
 * them a refused place. The rest follows from the key. The address takes what those of the table's
 * family need, so an entry is not copied by assignment. */
struct kith_entry {
    struct kith_id_head head;
    uint8_t who[32];  /* the key; without one, the id */
    int64_t peer_seq; /* of its own peer record as last heard, or -1 */
    uint64_t seen;    /* its last answer */
    uint64_t asked;   /* our last request that it has not answered yet, or 0 */
    uint32_t rtt_us;  /* smoothed; 0: unknown */
    uint32_t told_in; /* serial of the session in which it said so itself; 0: others did */
    uint8_t failures;
    uint8_t family : 4;
    uint8_t has_key : 1;
    uint8_t address[]; /* see kith_entry_endpoint() */
};

enum {
    KITH_ROUTING_FAILURES_MAX = 3, /* in a row: out, or at once when a replacement waits */
    KITH_ROUTING_CACHE = 8,        /* replacement cache per bucket */
};

struct kith_endpoint kith_entry_endpoint(const struct kith_entry *entry);
/* Costs a hash where there is a key. */
struct kith_point kith_entry_id(const struct kith_entry *entry);
struct kith_node_ref kith_entry_node(const struct kith_entry *entry);
/* For an answer: without the id, if there is a key that it follows from. */
struct kith_node_ref kith_entry_contact(const struct kith_entry *entry);
/* <0, 0, >0: a is nearer to, the same as, or farther from `target` than b. */
int kith_entry_compare(const struct kith_point *target, const struct kith_entry *a,
                       const struct kith_entry *b);

KITH_MUST_CHECK int kith_routing_new(struct kith_routing **ret,
                                     const struct kith_routing_config *config);
struct kith_routing *kith_routing_free(struct kith_routing *r);

/* Positive outcomes of kith_routing_answered(). */
enum kith_routing_outcome {
    KITH_ROUTING_UPDATED = 1,
    KITH_ROUTING_ADDED,
    KITH_ROUTING_CACHED,  /* the bucket is full of live entries: waits as a replacement */
    KITH_ROUTING_REFUSED, /* own id, family, address share, or another key at this endpoint is live
                           */
};

/* The node answered us from this endpoint, or proved it otherwise. rtt_us 0: not measured. An entry
 * moves to a new endpoint only if the old one failed or has been silent for 60 s. Another key's
 * entry at this endpoint goes; where it was live, the newcomer is refused this once.
 * -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_routing_answered(struct kith_routing *r, const struct kith_node_ref *node,
                                          uint32_t rtt_us, uint64_t now);
/* A request to the node went unanswered. Drops or replaces it after KITH_ROUTING_FAILURES_MAX. */
void kith_routing_failed(struct kith_routing *r, const struct kith_point *id, uint64_t now);
void kith_routing_remove(struct kith_routing *r, const struct kith_point *id);
struct kith_entry *kith_routing_find(struct kith_routing *r, const struct kith_point *id);

/* Up to `n` entries nearest to `target`, nearest first; `live_only` leaves out those that failed to
 * answer their last request. Pointers are valid until the table changes. Returns their number. */
/* Those who are likely to be gone, going by how long nodes stay, give way to farther ones. */
size_t kith_routing_closest(const struct kith_routing *r, const struct kith_point *target, size_t n,
                            bool live_only, const struct kith_entry **out);
/* The entry to check next: failed ones first, then by age of its last answer, where the half of the
 * table nearest to us ages twice as fast and so comes round twice as often. Entries asked (or found
 * silent) less than 5 s ago are left alone. NULL if none of the live is older than `older_than`. */
struct kith_entry *kith_routing_stalest(struct kith_routing *r, uint64_t now, uint64_t older_than);
/* The entry of the bucket of `id` that has been silent for longest, if it is for at least so long
 * and was not asked less than 5 s ago; or NULL. */
const struct kith_entry *kith_routing_silent(const struct kith_routing *r,
                                             const struct kith_point *id, uint64_t now,
                                             uint64_t silent_ns);
/* A uniform random entry, or NULL. */
const struct kith_entry *kith_routing_sample(const struct kith_routing *r);
/* The lowest-index bucket at or above `from` that is not full and lies below our neighbourhood, or
 * -1. */
int kith_routing_unfilled(const struct kith_routing *r, unsigned from);
/* Whether a node of this id that is in no table would get a place if it answered, as far as its
 * address allows. */
bool kith_routing_wants(const struct kith_routing *r, const struct kith_point *id);
/* A random point that falls into this bucket. */
void kith_routing_point_in(const struct kith_routing *r, unsigned bucket, struct kith_point *ret);
/* A random point among the k nearest to us. */
void kith_routing_point_near(const struct kith_routing *r, struct kith_point *ret);
/* Entries, without replacement caches. */
size_t kith_routing_count(const struct kith_routing *r);
size_t kith_routing_count_live(const struct kith_routing *r);
/* Buckets up to the deepest that holds an entry. */
unsigned kith_routing_depth(const struct kith_routing *r);
/* Nodes in the network, from the density of the k entries nearest to us; 0: too few to say. */
uint64_t kith_routing_size_estimate(const struct kith_routing *r);
/* How long a node that has just answered is going to stay, on average: what entries live through,
 * divided by their deaths, where one death after `first_ns` is assumed to begin with. */
uint64_t kith_routing_stay_ns(const struct kith_routing *r, uint64_t first_ns);
/* In order of bucket. A return value other than 0 ends it. */
int kith_routing_each(const struct kith_routing *r,
                      int (*fn)(const struct kith_entry *entry, unsigned bucket, bool replacement,
                                void *user),
                      void *user);
/* Bytes of memory held. */
size_t kith_routing_memory(const struct kith_routing *r);
/* The invariants above; for tests and fuzzers. Returns NULL, or what is violated. */
const char *kith_routing_check(const struct kith_routing *r);

#endif
