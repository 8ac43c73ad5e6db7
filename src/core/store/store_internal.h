/* SPDX-License-Identifier: MIT */
/*
 * store_internal: the shape of a store, for store.c (records in and out), store_account.c (who
 * holds how much: topics, shares) and store_room.c (who leaves a full store). Nobody else includes
 * it.
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
    /* Of the whole store, and nowhere else: the items that are there, farthest first, and how much
     * of the store they are (store_room.c). */
    struct kith_heap_node by_weight;
    uint64_t weight;
    struct kith_heap items;
    uint32_t bytes;
};

/* Where an announcement is in its topic. */
struct kith_store_in_topic {
    struct kith_store_topic *topic;
    struct kith_store_share *share; /* NULL: of an exempt address */
    uint32_t place;                 /* index in topic->items */
};

/* On whose account an item is. */
struct kith_store_account {
    struct kith_store_share *share; /* of the whole store */
    struct kith_store_in_topic in;  /* announcements */
};

/* One record in one allocation of exactly its size. */
struct kith_store_item {
    struct kith_hash_node node;
    struct kith_store_share *share; /* of the whole store */
    struct kith_list arrival;
    struct kith_point distance; /* point XOR own id: the order of eviction, and the point again */
    uint64_t serial;            /* of arrival; breaks ties */
    uint64_t stored;
    uint64_t expires;
    uint64_t repair_at;
    int64_t seq;
    struct kith_heap_node by_distance; /* in its share */
    struct kith_heap_node by_expiry;
    struct kith_heap_node by_repair; /* of those that are to be repaired */
    uint16_t value_size;
    uint8_t salt_size;
    bool is_announcement : 1;
    bool is_mutable : 1;
    /* Announcements: struct kith_store_in_topic. Mutable: key, signature, salt; then the value. */
    _Alignas(struct kith_store_in_topic) uint8_t bytes[];
};

/* Of an announcement. */
static inline struct kith_store_in_topic *kith_store_in_topic(const struct kith_store_item *item) {
    return (struct kith_store_in_topic *)(void *)item->bytes;
}

static inline const uint8_t *kith_store_payload(const struct kith_store_item *item) {
    return item->bytes + (item->is_announcement ? sizeof(struct kith_store_in_topic) : 0);
}

struct kith_store {
    struct kith_store_config config;
    uint8_t hash_key[KITH_KEYED_HASH_KEY];
    struct kith_hash items;
    struct kith_hash topics;
    struct kith_hash shares;
    struct kith_heap by_weight; /* shares of the whole store, largest first */
    struct kith_heap by_expiry;
    struct kith_heap by_repair; /* due first */
    struct kith_list arrival;
    uint64_t serial;
    uint32_t n;
    size_t bytes;
};

enum {
    KITH_STORE_SIGNED_SIZE = KITH_KEY_SIZE + KITH_SIGNATURE_SIZE,
    /* Slots in the hash (two after doubling), three heaps (likewise) and, rounded up, malloc's own.
     */
    KITH_STORE_ITEM_OVERHEAD = 8 * sizeof(void *) + 16,
    /* The same for a share, which is in one heap and has one of its own. */
    KITH_STORE_SHARE_OVERHEAD = sizeof(struct kith_store_share) + 4 * sizeof(void *) + 32,
    KITH_STORE_TOPIC_OVERHEAD = sizeof(struct kith_store_in_topic) +
                                sizeof(struct kith_store_topic) + 4 * sizeof(void *) + 32 +
                                KITH_STORE_SHARE_OVERHEAD,
    KITH_STORE_ITEM_COST_MIN =
        sizeof(struct kith_store_item) + KITH_STORE_ITEM_OVERHEAD + KITH_STORE_SHARE_OVERHEAD,
    KITH_STORE_ITEM_COST_MAX = KITH_STORE_ITEM_COST_MIN + KITH_STORE_TOPIC_OVERHEAD +
                               KITH_STORE_SIGNED_SIZE + KITH_SALT_MAX + KITH_VALUE_MAX,
    /* As many of the smallest make room for one of the largest, plus one for the number,
     * and one that leaves its topic. */
    KITH_STORE_VICTIMS_MAX = KITH_STORE_ITEM_COST_MAX / KITH_STORE_ITEM_COST_MIN + 3,
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
/* What an item is charged: an upper bound of the memory that it takes. */
size_t kith_store_item_cost(const struct kith_store_item *item);
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
/* The account that pays for it. */
struct kith_store_account kith_store_account_of(const struct kith_store_item *item);
/* The account now pays for this item. */
void kith_store_account_assign(struct kith_store_item *item,
                               const struct kith_store_account *account);
/* An item without a prefix goes over to the account of this address, if it has one with room. */
void kith_store_account_adopt(struct kith_store *store, struct kith_store_item *item,
                              const struct kith_endpoint *from);
/* Gives back what kith_store_account_open() took, assigned or not. */
void kith_store_account_close(struct kith_store *store, const struct kith_store_account *account);
/* The part of kith_store_check() that concerns one item's accounts. */
const char *kith_store_account_check(const struct kith_store *store,
                                     const struct kith_store_item *item);

/* Items lifted out of their shares. */
struct kith_store_victims {
    struct kith_store_item *items[KITH_STORE_VICTIMS_MAX];
    unsigned n;
    size_t bytes;
};

/* Order of shares, for the store's heap. */
bool kith_store_share_before(const struct kith_heap_node *a, const struct kith_heap_node *b);
/* Order of items, for the heap of a share. */
bool kith_store_farther(const struct kith_heap_node *a, const struct kith_heap_node *b);
/* The item enters the heap of its share. -> KITH_ENOMEM; not if it has just left */
KITH_MUST_CHECK int kith_store_room_take(struct kith_store *store, struct kith_store_item *item);
/* Does nothing for an item that is not there. */
void kith_store_room_leave(struct kith_store *store, struct kith_store_item *item);
/* Its place in the order may be another. */
void kith_store_room_update(struct kith_store *store, struct kith_store_item *item);
/* Lifts out what must go for `item`, which has an account and is in no heap yet: `displaced` (may
 * be NULL), and as many as it then takes. `replaced` (may be NULL) is what it takes the place of.
 * False, and nothing changed, if it may not displace so many. */
bool kith_store_room_make(struct kith_store *store, const struct kith_store_item *item,
                          const struct kith_store_item *replaced, struct kith_store_item *displaced,
                          struct kith_store_victims *ret);
/* Puts them back. */
void kith_store_room_restore(struct kith_store *store, struct kith_store_victims *victims);
/* The part of kith_store_check() that concerns the shares' heaps. */
const char *kith_store_room_check(const struct kith_store *store);

#endif
