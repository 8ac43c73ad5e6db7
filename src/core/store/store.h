/* SPDX-License-Identifier: MIT */
/*
 * store: records held for others, and announcements by topic. Bounded in number and bytes.
 *
 * When full, the source prefix that has most of it makes room for one that has less even with the
 * newcomer, by the record farthest from our node id (the older of equal distance first); of those
 * that have as much, or within one prefix, a farther record for a nearer one. Else the newcomer is
 * refused, and the sender is told. Above a share per prefix (exempt ranges aside) it is refused the
 * same way; of one topic a prefix may hold a quarter, and a full one is shared like the store.
 * Records arrive verified. Expiry is by lifetime.
 * Announcements of one topic are one bounded set, one per key, stored under the topic.
 */
#ifndef KITH_CORE_STORE_H
#define KITH_CORE_STORE_H

#include "core/base/endpoint.h"
#include "core/base/random.h"
#include "core/record/record.h"
#include "kith/stats.h"

struct kith_store; /* opaque */

struct kith_store_limits {
    uint32_t records;
    uint32_t bytes; /* of values, salts and bookkeeping */
    uint32_t records_per_prefix;
    uint32_t topic_peers; /* announcements per topic */
};

enum kith_store_change {
    KITH_STORE_ADDED, /* new, newer, or to be held for longer: persist it */
    KITH_STORE_REMOVED,
};

/* What is known of a held record. */
struct kith_held {
    struct kith_point point; /* storage point; for an announcement its topic */
    bool is_announcement;
    uint64_t stored; /* when it came or was last confirmed */
    uint64_t expires;
    struct kith_record_view view; /* valid until the store changes */
};

struct kith_store_config {
    struct kith_point own_id;
    struct kith_store_limits limits;
    const struct kith_random *random; /* borrowed */
    struct kith_stats *stats;         /* borrowed */
    void (*on_change)(void *context, const struct kith_held *held, enum kith_store_change change);
    void *context;
};

KITH_MUST_CHECK int kith_store_new(struct kith_store **ret, const struct kith_store_config *config);
struct kith_store *kith_store_free(struct kith_store *store);

struct kith_store_put {
    const struct kith_record_view *view; /* verified, belongs at `point` */
    struct kith_point point;             /* storage point, or topic */
    bool is_announcement;
    bool has_cas;
    int64_t cas;
    const struct kith_endpoint *from; /* NULL: our own or restored; no share but of a topic */
    uint64_t lifetime_ns;
};

/* Outcomes of kith_store_put(): 0 stored, or positive; ret_seq (may be NULL): the seq now held. */
enum {
    KITH_STORE_SAME = 1,     /* held already: lifetime renewed; counts as stored */
    KITH_STORE_OUTDATED = 2, /* a winner by kith_record_compare() is held */
    KITH_STORE_CAS = 3,
    KITH_STORE_FULL = 4,
};

/* A record that is held already is SAME before cas is looked at, so a put can be repeated. A newer
 * version stays on the share of who brought the first one, if that had one.
 * -> KITH_STORE_*, KITH_ENOMEM, KITH_EINVALID (over record limits, or an announcement without key)
 */
KITH_MUST_CHECK int kith_store_put(struct kith_store *store, const struct kith_store_put *put,
                                   uint64_t now, int64_t *ret_seq);
/* False if none. */
bool kith_store_get(const struct kith_store *store, const struct kith_point *point, uint64_t now,
                    struct kith_held *ret);
/* A uniform sample of a topic's announcements. Returns their number. */
size_t kith_store_topic(const struct kith_store *store, const struct kith_point *topic,
                        uint64_t now, size_t n, struct kith_held *out);
/* When the holder is to put this record again (see core/upkeep/repair.h); KITH_NEVER: not at all,
 * which is how every new version starts. Ignored if there is no such record, or no memory. */
void kith_store_repair_at(struct kith_store *store, const struct kith_point *point, uint64_t at);
/* When the first of them is due, or KITH_NEVER. */
uint64_t kith_store_repair_deadline(const struct kith_store *store);
/* That one, if it is due. */
bool kith_store_repair_first(const struct kith_store *store, uint64_t now, struct kith_held *ret);
/* Drops what has expired. */
void kith_store_expire(struct kith_store *store, uint64_t now);
/* When the next record expires, or UINT64_MAX. */
uint64_t kith_store_deadline(const struct kith_store *store);
uint32_t kith_store_count(const struct kith_store *store);
size_t kith_store_bytes(const struct kith_store *store);
/* In order of arrival. A return value other than 0 ends it. */
int kith_store_each(const struct kith_store *store,
                    int (*fn)(const struct kith_held *held, void *user), void *user);
/* The invariants above; for tests and fuzzers. Returns NULL, or what is violated. */
const char *kith_store_check(const struct kith_store *store);

#endif
