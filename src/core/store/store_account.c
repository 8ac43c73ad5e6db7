/* SPDX-License-Identifier: MIT */
/*
 * store_account: how much each source and each topic may hold, and sampling a topic.
 *
 * Two counters per address prefix: records in the whole store, and announcements in one topic. Of a
 * topic no prefix may hold more than a quarter: otherwise one /24 with enough keys would own every
 * popular one. Four of them would do, were a full topic closed to all: so a newcomer whose prefix
 * has less there takes the place of the prefix that has most, if that still has as much as his
 * afterwards. Shares of a full topic so become equal, largest first (max-min), and stay: nobody
 * changes places with his like. What was restored from disk has no source any more and counts as
 * one prefix in its topic. Exempt addresses have no share there: they come in as a prefix without
 * any, and are not displaced. The whole store is shared in the same way, with distance in the place
 * of expiry (store_room.c); there exempt addresses are one prefix together with what was restored.
 * In both a /48 of IPv6 is one: it is as easy to come by as a /56, and has as many of those as a
 * topic has places. The counters live in a hash under (topic, prefix), exist only while they are
 * not zero, and an item points at its own, so that leaving is O(1). There are at most two per item:
 * what strangers can make us allocate here is bounded by the records.
 *
 * A record that is renewed or replaced by a newer version stays on the account of who brought it
 * first: only its owner can make a newer version, and an update must not be refused because of
 * where it comes from today. What has no prefix, after a restart above all, goes over to that of
 * who brings a newer version, if it has room there: or all who were here before would be one for
 * ever.
 *
 * A topic's items are an array, since a uniform sample needs an index: a partial Fisher-Yates
 * shuffle of the array itself, O(sample), no scratch memory.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/store_internal.h"

enum {
    TOPIC_SHARE_DIVISOR = 4, /* of a topic's places, for one prefix */
    TOPIC_CAPACITY_MIN = 4,
};

/* A prefix without a family is that of what was restored, all of it. */
static uint32_t topic_share_max(const struct kith_store *store, const struct kith_prefix *prefix) {
    uint32_t quarter = store->config.limits.topic_peers / TOPIC_SHARE_DIVISOR;

    if (prefix->bytes[0] == 0) {
        return store->config.limits.topic_peers;
    }
    return quarter > 0 ? quarter : 1;
}

struct kith_store_topic *kith_store_topic_find(const struct kith_store *store,
                                               const struct kith_point *distance) {
    uint64_t hash = kith_store_hash(store, 't', distance, NULL, 0);
    struct kith_hash_node *node = kith_hash_first(&store->topics, hash);

    for (; node != NULL; node = kith_hash_next(node)) {
        struct kith_store_topic *topic = kith_container_of(node, struct kith_store_topic, node);
        if (kith_point_equal(&topic->distance, distance)) {
            return topic;
        }
    }
    return NULL;
}

static void topic_drop_if_empty(struct kith_store *store, struct kith_store_topic *topic) {
    if (topic->n == 0) {
        kith_hash_remove(&store->topics, &topic->node);
        free(topic->items);
        free(topic);
    }
}

static int topic_reserve(const struct kith_store *store, struct kith_store_topic *topic) {
    uint32_t limit = store->config.limits.topic_peers + 1; /* for a moment, until another leaves */
    uint32_t capacity = topic->capacity == 0 ? TOPIC_CAPACITY_MIN : topic->capacity * 2;
    struct kith_store_item **items;

    if (topic->n < topic->capacity) {
        return 0;
    }
    if (capacity > limit || capacity < topic->capacity) {
        capacity = limit;
    }
    items = realloc(topic->items, capacity * sizeof(struct kith_store_item *));
    if (items == NULL) {
        return KITH_ENOMEM;
    }
    topic->items = items;
    topic->capacity = capacity;
    return 0;
}

static int topic_new(struct kith_store *store, const struct kith_point *distance,
                     struct kith_store_topic **ret) {
    struct kith_store_topic *topic = calloc(1, sizeof(*topic));
    int r;

    if (topic == NULL) {
        return KITH_ENOMEM;
    }
    topic->distance = *distance;
    r = kith_hash_insert(&store->topics, &topic->node,
                         kith_store_hash(store, 't', distance, NULL, 0));
    if (r < 0) {
        free(topic);
        return r;
    }
    *ret = topic;
    return 0;
}

/* Takes a place in the topic, if need be one too many, empty until the item is assigned. */
static int topic_join(struct kith_store *store, const struct kith_point *distance,
                      struct kith_store_account *account) {
    struct kith_store_topic *topic = kith_store_topic_find(store, distance);
    int r;

    if (store->config.limits.topic_peers == 0) {
        return KITH_STORE_FULL;
    }
    if (topic == NULL) {
        r = topic_new(store, distance, &topic);
        if (r < 0) {
            return r;
        }
    }
    r = topic_reserve(store, topic);
    if (r < 0) {
        topic_drop_if_empty(store, topic);
        return r;
    }
    account->in.topic = topic;
    account->in.place = topic->n;
    topic->items[topic->n] = NULL;
    topic->n++;
    return 0;
}

static void topic_leave(struct kith_store *store, const struct kith_store_in_topic *in) {
    struct kith_store_topic *topic = in->topic;
    struct kith_store_item *last;

    topic->n--;
    last = topic->items[topic->n];
    topic->items[in->place] = last;
    if (last != NULL) {
        kith_store_in_topic(last)->place = in->place;
    }
    topic_drop_if_empty(store, topic);
}

static uint64_t share_hash(const struct kith_store *store, const struct kith_store_topic *topic,
                           const struct kith_prefix *prefix) {
    static const struct kith_point everywhere = {{0}};

    return kith_store_hash(store, topic == NULL ? 'p' : 'q',
                           topic == NULL ? &everywhere : &topic->distance, prefix->bytes,
                           sizeof(prefix->bytes));
}

static struct kith_store_share *share_find(const struct kith_store *store,
                                           const struct kith_store_topic *topic,
                                           const struct kith_prefix *prefix, uint64_t hash) {
    struct kith_hash_node *node = kith_hash_first(&store->shares, hash);

    for (; node != NULL; node = kith_hash_next(node)) {
        struct kith_store_share *share = kith_container_of(node, struct kith_store_share, node);
        if (share->topic == topic &&
            memcmp(share->prefix.bytes, prefix->bytes, sizeof(prefix->bytes)) == 0) {
            return share;
        }
    }
    return NULL;
}

/* One of the whole store is in the order of who makes room, too. */
static int share_enter(struct kith_store *store, struct kith_store_share *share, uint64_t hash) {
    int r = kith_hash_insert(&store->shares, &share->node, hash);

    kith_heap_init(&share->items, kith_store_farther);
    if (r == 0 && share->topic == NULL) {
        r = kith_heap_insert(&store->by_weight, &share->by_weight);
        if (r < 0) {
            kith_hash_remove(&store->shares, &share->node);
        }
    }
    return r;
}

/* Counts one more for the prefix, up to `limit`. */
static int share_join(struct kith_store *store, const struct kith_store_topic *topic,
                      const struct kith_prefix *prefix, uint32_t limit,
                      struct kith_store_share **ret) {
    uint64_t hash = share_hash(store, topic, prefix);
    struct kith_store_share *share = share_find(store, topic, prefix, hash);
    int r;

    if (limit == 0 || (share != NULL && share->n >= limit)) {
        return KITH_STORE_FULL;
    }
    if (share == NULL) {
        share = calloc(1, sizeof(*share));
        if (share == NULL) {
            return KITH_ENOMEM;
        }
        share->topic = topic;
        share->prefix = *prefix;
        r = share_enter(store, share, hash);
        if (r < 0) {
            free(share);
            return r;
        }
    }
    share->n++;
    *ret = share;
    return 0;
}

static void share_leave(struct kith_store *store, struct kith_store_share *share) {
    share->n--;
    if (share->n == 0) {
        kith_hash_remove(&store->shares, &share->node);
        kith_heap_remove(&store->by_weight, &share->by_weight);
        kith_heap_deinit(&share->items);
        free(share);
    }
}

/* Of the prefix that has most in the topic the announcement that expires first. NULL: nobody's has
 * more than `n`. Looks at the whole topic. */
static struct kith_store_item *topic_richest(const struct kith_store_topic *topic, uint32_t n) {
    struct kith_store_item *richest = NULL;

    for (uint32_t i = 0; i < topic->n; i++) {
        struct kith_store_item *item = topic->items[i];
        const struct kith_store_share *share =
            item == NULL ? NULL : kith_store_in_topic(item)->share;
        uint32_t has = share == NULL ? 0 : share->n;
        if (has > n || (has == n && richest != NULL && kith_store_goes_before(item, richest))) {
            n = has;
            richest = item;
        }
    }
    return richest;
}

/* Whoever must leave the topic that the account has joined. -> KITH_STORE_FULL: it must itself */
static int topic_fit(const struct kith_store *store, const struct kith_store_account *account,
                     struct kith_store_item **ret) {
    *ret = NULL;
    if (account->in.topic == NULL || account->in.topic->n <= store->config.limits.topic_peers) {
        return 0;
    }
    *ret = topic_richest(account->in.topic, account->in.share == NULL ? 1 : account->in.share->n);
    return *ret == NULL ? KITH_STORE_FULL : 0;
}

/* Joins the shares that an address has; NULL is an unknown one. In the whole store the exempt and
 * the unknown are one that has no cap. */
static int shares_join(struct kith_store *store, const struct kith_endpoint *from,
                       struct kith_store_account *account) {
    struct kith_prefix prefix = {{0}};
    bool exempt = from != NULL && kith_endpoint_exempt(from);
    bool has_cap = from != NULL && !exempt;
    int r;

    if (has_cap) {
        kith_endpoint_wide_prefix(from, &prefix);
    }
    r = share_join(store, NULL, &prefix,
                   has_cap ? store->config.limits.records_per_prefix : UINT32_MAX, &account->share);
    if (r == 0 && account->in.topic != NULL && !exempt) {
        r = share_join(store, account->in.topic, &prefix, topic_share_max(store, &prefix),
                       &account->in.share);
    }
    return r;
}

int kith_store_account_open(struct kith_store *store, const struct kith_point *distance,
                            const struct kith_endpoint *from, struct kith_store_account *ret,
                            struct kith_store_item **ret_displaced) {
    struct kith_store_account account = {.share = NULL};
    int r = distance == NULL ? 0 : topic_join(store, distance, &account);

    if (r == 0) {
        r = shares_join(store, from, &account);
    }
    if (r == 0) {
        r = topic_fit(store, &account, ret_displaced);
    }
    if (r != 0) {
        kith_store_account_close(store, &account);
        return r;
    }
    *ret = account;
    return 0;
}

struct kith_store_account kith_store_account_of(const struct kith_store_item *item) {
    struct kith_store_account account = {.share = item->share};

    if (item->is_announcement) {
        account.in = *kith_store_in_topic(item);
    }
    return account;
}

void kith_store_account_assign(struct kith_store_item *item,
                               const struct kith_store_account *account) {
    item->share = account->share;
    if (item->is_announcement) {
        *kith_store_in_topic(item) = account->in;
        account->in.topic->items[account->in.place] = item;
    }
}

void kith_store_account_close(struct kith_store *store, const struct kith_store_account *account) {
    /* The topic goes last: its shares know it by address. */
    if (account->in.share != NULL) {
        share_leave(store, account->in.share);
    }
    if (account->share != NULL) {
        share_leave(store, account->share);
    }
    if (account->in.topic != NULL) {
        topic_leave(store, &account->in);
    }
}

/* Joins what a newcomer of this prefix would. Both or none. */
static int adopting_join(struct kith_store *store, const struct kith_store_item *item,
                         const struct kith_prefix *prefix, struct kith_store_account *ret) {
    *ret = (struct kith_store_account){.share = NULL};
    int r = share_join(store, NULL, prefix, store->config.limits.records_per_prefix, &ret->share);
    if (r == 0 && item->is_announcement) {
        r = share_join(store, kith_store_in_topic(item)->topic, prefix,
                       topic_share_max(store, prefix), &ret->in.share);
        if (r != 0) {
            share_leave(store, ret->share);
        }
    }
    return r;
}

static void adopting_leave(struct kith_store *store, const struct kith_store_account *account) {
    if (account->in.share != NULL) {
        share_leave(store, account->in.share);
    }
    share_leave(store, account->share);
}

void kith_store_account_adopt(struct kith_store *store, struct kith_store_item *item,
                              const struct kith_endpoint *from) {
    struct kith_store_account before = kith_store_account_of(item);
    struct kith_store_account account;
    struct kith_prefix prefix;

    if (from == NULL || kith_endpoint_exempt(from) || before.share->prefix.bytes[0] != 0) {
        return;
    }
    kith_endpoint_wide_prefix(from, &prefix);
    if (adopting_join(store, item, &prefix, &account) != 0) {
        return;
    }
    kith_store_room_leave(store, item);
    item->share = account.share;
    if (kith_store_room_take(store, item) < 0) {
        item->share = before.share;
        int r = kith_store_room_take(store, item);
        assert(r == 0); /* its slot is still there */
        (void)r;
        adopting_leave(store, &account);
        return;
    }
    if (item->is_announcement) {
        kith_store_in_topic(item)->share = account.in.share;
    }
    adopting_leave(store, &before);
}

static void topic_swap(struct kith_store_topic *topic, uint32_t a, uint32_t b) {
    struct kith_store_item *item = topic->items[a];

    topic->items[a] = topic->items[b];
    topic->items[b] = item;
    kith_store_in_topic(topic->items[a])->place = a;
    kith_store_in_topic(topic->items[b])->place = b;
}

size_t kith_store_topic(const struct kith_store *store, const struct kith_point *topic_point,
                        uint64_t now, size_t n, struct kith_held *out) {
    struct kith_point distance = kith_store_distance(store, topic_point);
    struct kith_store_topic *topic = kith_store_topic_find(store, &distance);
    uint32_t end = topic == NULL ? 0 : topic->n;
    uint32_t found = 0;

    while (found < n && found < end) {
        uint64_t left = end - found;
        topic_swap(topic, found, found + (uint32_t)kith_random_below(store->config.random, left));
        if (topic->items[found]->expires <= now) {
            end--;
            topic_swap(topic, found, end); /* out of the draw */
            continue;
        }
        kith_store_item_held(store, topic->items[found], &out[found]);
        found++;
    }
    return found;
}

/* The number of the topic's items on this account, by looking at all. */
static uint32_t topic_recount(const struct kith_store_topic *topic,
                              const struct kith_store_share *share) {
    uint32_t n = 0;

    for (uint32_t i = 0; i < topic->n; i++) {
        n += kith_store_in_topic(topic->items[i])->share == share;
    }
    return n;
}

static const char *check_in_topic(const struct kith_store *store,
                                  const struct kith_store_item *item) {
    const struct kith_store_in_topic *in = kith_store_in_topic(item);

    if (kith_store_topic_find(store, &item->distance) != in->topic || in->place >= in->topic->n ||
        in->topic->items[in->place] != item) {
        return "an announcement is not at its place in its topic";
    }
    if (in->topic->n > store->config.limits.topic_peers) {
        return "a topic is over its limit";
    }
    if (in->share != NULL && (in->share->n > topic_share_max(store, &in->share->prefix) ||
                              in->share->n != topic_recount(in->topic, in->share))) {
        return "a prefix's share of a topic is wrong";
    }
    return NULL;
}

const char *kith_store_account_check(const struct kith_store *store,
                                     const struct kith_store_item *item) {
    const struct kith_store_share *share = item->share;
    bool has_cap = share->prefix.bytes[0] != 0;

    if ((has_cap && share->n > store->config.limits.records_per_prefix) ||
        share->n != share->items.n) { /* which kith_store_room_check() counts */
        return "a prefix's share of the store is wrong";
    }
    return item->is_announcement ? check_in_topic(store, item) : NULL;
}
