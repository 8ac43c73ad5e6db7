/* SPDX-License-Identifier: MIT */
/*
 * store_internal: the shape of a store, for store.c (records in and out) and store_account.c (who
 * holds how much: topics, shares). Nobody else includes it.
 */
#ifndef KITH_CORE_STORE_INTERNAL_H
#define KITH_CORE_STORE_INTERNAL_H

#include "core/base/keyed_hash.h"
#include "core/store/store.h"
#include "util/hash.h"
#include "util/heap.h"
#include "util/list.h"

struct kith_store_item;

/* The announcements of one topic. Exists while there is one. */
struct kith_store_topic {
    struct kith_hash_node node;
    struct kith_point distance; /* topic XOR own id */
    uint32_t n;
    uint32_t capacity;
    struct kith_store_item **items; /* in an order that means nothing: sampling shuffles it */
};

/* What one address prefix has brought: in the whole store (topic NULL) or into one topic. Exists
 * while it is not zero. */
struct kith_store_share {
    struct kith_hash_node node;
    const struct kith_store_topic *topic;
    struct kith_prefix prefix;
    uint32_t n;
};

/* On whose account an item is. Share NULL: on nobody's. */
struct kith_store_account {
    struct kith_store_share *share;
    struct kith_store_topic *topic; /* announcements */
    struct kith_store_share *topic_share;
    uint32_t topic_place; /* index in topic->items */
};

/* One record in one allocation of exactly its size. */
struct kith_store_item {
    struct kith_hash_node node;
    struct kith_heap_node by_distance;
    struct kith_heap_node by_expiry;
    struct kith_heap_node by_repair; /* of those that are to be repaired */
    struct kith_list arrival;
    struct kith_store_account account;
    struct kith_point distance; /* point XOR own id: the order of eviction, and the point again */
    uint64_t serial;            /* of arrival; breaks ties */
    uint64_t stored;
    uint64_t expires;
    uint64_t repair_at;
    int64_t seq;
    bool is_announcement;
    bool is_mutable;
    uint8_t salt_size;
    uint16_t value_size;
    uint8_t bytes[]; /* mutable: key, signature, salt; then the value */
};

struct kith_store {
    struct kith_store_config config;
    uint8_t hash_key[KITH_KEYED_HASH_KEY];
    struct kith_hash items;
    struct kith_hash topics;
    struct kith_hash shares;
    struct kith_heap by_distance; /* farthest first */
    struct kith_heap by_expiry;
    struct kith_heap by_repair; /* due first */
    struct kith_list arrival;
    uint64_t serial;
    uint32_t n;
    size_t bytes;
};

/* SipHash of what a remote party chose: a kind that keeps the tables apart, a point and a tail. */
uint64_t kith_store_hash(const struct kith_store *store, char kind, const struct kith_point *point,
                         const uint8_t *tail, size_t tail_size);
/* XOR with our own id, its own inverse. */
struct kith_point kith_store_distance(const struct kith_store *store,
                                      const struct kith_point *point);
/* Order of expiry. */
static inline bool kith_store_goes_before(const struct kith_store_item *a,
                                          const struct kith_store_item *b) {
    return a->expires != b->expires ? a->expires < b->expires : a->serial < b->serial;
}
void kith_store_item_held(const struct kith_store *store, const struct kith_store_item *item,
                          struct kith_held *ret);
struct kith_store_topic *kith_store_topic_find(const struct kith_store *store,
                                               const struct kith_point *distance);

/* Opens or joins the accounts a new item falls under. `distance` is that of its topic, NULL for a
 * record; `from` NULL: unknown. `ret_displaced`: the item that has to leave the topic for it, or
 * NULL; until it does the topic has one too many. Returns 0, KITH_STORE_FULL if a share or the
 * topic is full, or KITH_ENOMEM. */
KITH_MUST_CHECK int kith_store_account_open(struct kith_store *store,
                                            const struct kith_point *distance,
                                            const struct kith_endpoint *from,
                                            struct kith_store_account *ret,
                                            struct kith_store_item **ret_displaced);
/* The account now pays for this item. */
void kith_store_account_assign(struct kith_store_item *item,
                               const struct kith_store_account *account);
/* Gives back what kith_store_account_open() took, assigned or not. */
void kith_store_account_close(struct kith_store *store, struct kith_store_account *account);
/* The part of kith_store_check() that concerns one item's accounts. */
const char *kith_store_account_check(const struct kith_store *store,
                                     const struct kith_store_item *item);

#endif
