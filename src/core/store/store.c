/* SPDX-License-Identifier: MIT */
/*
 * store: records held for others.
 *
 * One item per record, reachable in five ways: a hash by (kind, point, announcer) for get and put,
 * keyed with a secret because strangers choose the points; a heap of its share's items by distance,
 * farthest first, for eviction (store_room.c); a heap by expiry; a list by arrival for iteration;
 * and its topic's array. Get is O(1) and allocates nothing; put is O(log n). What is stored is the
 * distance itself; the point is its XOR with our id.
 *
 * `bytes` charges each item what it could at most cause to be allocated, as if it shared topic and
 * counters with nobody: an upper bound of memory, whatever the mix.
 *
 * Invariants (kith_store_check()): every item is in the hash, two heaps and the list once; numbers
 * and bytes add up and are within their limits; so are the shares (store_account.c).
 */
#include "core/store/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/store_internal.h"
#include "util/timer.h"

static const uint64_t RENEWAL_TOLD_NS = 900 * KITH_NS_PER_S;

uint64_t kith_store_hash(const struct kith_store *store, char kind, const struct kith_point *point,
                         const uint8_t *tail, size_t tail_size) {
    uint8_t message[1 + sizeof(point->bytes) + KITH_KEY_SIZE];

    assert(tail_size <= KITH_KEY_SIZE);
    message[0] = (uint8_t)kind;
    memcpy(message + 1, point->bytes, sizeof(point->bytes));
    if (tail_size > 0) {
        memcpy(message + 1 + sizeof(point->bytes), tail, tail_size);
    }
    return kith_keyed_hash(store->hash_key, message, 1 + sizeof(point->bytes) + tail_size);
}

struct kith_point kith_store_distance(const struct kith_store *store,
                                      const struct kith_point *point) {
    struct kith_point distance;

    for (size_t i = 0; i < sizeof(distance.bytes); i++) {
        distance.bytes[i] = point->bytes[i] ^ store->config.own_id.bytes[i];
    }
    return distance;
}

static bool expires_before(const struct kith_heap_node *a_node,
                           const struct kith_heap_node *b_node) {
    const struct kith_store_item *a = kith_container_of(a_node, struct kith_store_item, by_expiry);
    const struct kith_store_item *b = kith_container_of(b_node, struct kith_store_item, by_expiry);

    return kith_store_goes_before(a, b);
}

static bool repaired_before(const struct kith_heap_node *a_node,
                            const struct kith_heap_node *b_node) {
    const struct kith_store_item *a = kith_container_of(a_node, struct kith_store_item, by_repair);
    const struct kith_store_item *b = kith_container_of(b_node, struct kith_store_item, by_repair);

    return a->repair_at != b->repair_at ? a->repair_at < b->repair_at : a->serial < b->serial;
}

static void item_view(const struct kith_store_item *item, struct kith_record_view *ret) {
    const uint8_t *payload = kith_store_payload(item);
    const uint8_t *rest = payload + (item->is_mutable ? KITH_STORE_SIGNED_SIZE : 0);

    *ret = (struct kith_record_view){
        .is_mutable = item->is_mutable,
        .key = item->is_mutable ? payload : NULL,
        .signature = item->is_mutable ? payload + KITH_KEY_SIZE : NULL,
        .salt = kith_span(rest, item->salt_size),
        .seq = item->seq,
        .value = kith_span(rest + item->salt_size, item->value_size),
    };
}

void kith_store_item_held(const struct kith_store *store, const struct kith_store_item *item,
                          struct kith_held *ret) {
    ret->point = kith_store_distance(store, &item->distance);
    ret->is_announcement = item->is_announcement;
    ret->stored = item->stored;
    ret->expires = item->expires;
    item_view(item, &ret->view);
}

static size_t view_size(const struct kith_record_view *view) {
    return (view->is_mutable ? KITH_STORE_SIGNED_SIZE : 0) + view->salt.size + view->value.size;
}

static size_t cost(size_t payload_size, bool is_announcement) {
    return KITH_STORE_ITEM_COST_MIN + payload_size +
           (is_announcement ? KITH_STORE_TOPIC_OVERHEAD : 0);
}

size_t kith_store_item_cost(const struct kith_store_item *item) {
    struct kith_record_view view;

    item_view(item, &view);
    return cost(view_size(&view), item->is_announcement);
}

/* The announcer's key is part of an announcement's place; a record's point says it all. */
static uint64_t item_hash(const struct kith_store *store, const struct kith_point *distance,
                          const uint8_t *announcer) {
    return announcer == NULL ? kith_store_hash(store, 'r', distance, NULL, 0)
                             : kith_store_hash(store, 'a', distance, announcer, KITH_KEY_SIZE);
}

/* `announcer` NULL: the record at this point. */
static struct kith_store_item *item_find(const struct kith_store *store,
                                         const struct kith_point *distance,
                                         const uint8_t *announcer) {
    uint64_t hash = item_hash(store, distance, announcer);
    struct kith_hash_node *node = kith_hash_first(&store->items, hash);

    for (; node != NULL; node = kith_hash_next(node)) {
        struct kith_store_item *item = kith_container_of(node, struct kith_store_item, node);
        if (item->is_announcement == (announcer != NULL) &&
            kith_point_equal(&item->distance, distance) &&
            (announcer == NULL ||
             memcmp(kith_store_payload(item), announcer, KITH_KEY_SIZE) == 0)) {
            return item;
        }
    }
    return NULL;
}

static void bytes_append(uint8_t **cursor, const uint8_t *data, size_t size) {
    if (size > 0) {
        memcpy(*cursor, data, size);
        *cursor += size;
    }
}

static struct kith_store_item *item_new(const struct kith_store_put *put,
                                        const struct kith_point *distance, uint64_t now,
                                        uint64_t expires) {
    const struct kith_record_view *view = put->view;
    size_t in_topic = put->is_announcement ? sizeof(struct kith_store_in_topic) : 0;
    struct kith_store_item *item = calloc(1, sizeof(*item) + in_topic + view_size(view));
    uint8_t *cursor;

    if (item == NULL) {
        return NULL;
    }
    item->distance = *distance;
    item->stored = now;
    item->expires = expires;
    item->seq = view->seq;
    item->is_announcement = put->is_announcement;
    item->is_mutable = view->is_mutable;
    item->salt_size = (uint8_t)view->salt.size;
    item->value_size = (uint16_t)view->value.size;
    cursor = item->bytes + in_topic;
    if (view->is_mutable) {
        bytes_append(&cursor, view->key, KITH_KEY_SIZE);
        bytes_append(&cursor, view->signature, KITH_SIGNATURE_SIZE);
    }
    bytes_append(&cursor, view->salt.data, view->salt.size);
    bytes_append(&cursor, view->value.data, view->value.size);
    return item;
}

/* Enters both heaps, the list and the hash; it has an account. */
static int item_link(struct kith_store *store, struct kith_store_item *item) {
    int r;

    item->serial = store->serial++; /* first: the heaps break ties by it */
    r = kith_store_room_take(store, item);
    if (r == 0) {
        r = kith_heap_insert(&store->by_expiry, &item->by_expiry);
    }
    if (r == 0) {
        r = kith_hash_insert(&store->items, &item->node,
                             item_hash(store, &item->distance,
                                       item->is_announcement ? kith_store_payload(item) : NULL));
    }
    if (r < 0) {
        kith_store_room_leave(store, item);
        kith_heap_remove(&store->by_expiry, &item->by_expiry);
        return r;
    }
    kith_list_append(&store->arrival, &item->arrival);
    store->n++;
    store->bytes += kith_store_item_cost(item);
    return 0;
}

static void item_unlink(struct kith_store *store, struct kith_store_item *item) {
    kith_store_room_leave(store, item);
    kith_heap_remove(&store->by_expiry, &item->by_expiry);
    kith_heap_remove(&store->by_repair, &item->by_repair);
    kith_hash_remove(&store->items, &item->node);
    kith_list_remove(&item->arrival);
    store->n--;
    store->bytes -= kith_store_item_cost(item);
}

static void notify(const struct kith_store *store, const struct kith_store_item *item,
                   enum kith_store_change change) {
    struct kith_held held;

    if (store->config.on_change != NULL) {
        kith_store_item_held(store, item, &held);
        store->config.on_change(store->config.context, &held, change);
    }
}

static void item_remove(struct kith_store *store, struct kith_store_item *item) {
    struct kith_store_account account = kith_store_account_of(item);

    item_unlink(store, item);
    kith_store_account_close(store, &account);
    notify(store, item, KITH_STORE_REMOVED);
    free(item);
}

static void victims_evict(struct kith_store *store, struct kith_store_victims *victims) {
    for (unsigned i = 0; i < victims->n; i++) {
        item_remove(store, victims->items[i]);
    }
}

/* Stores what is not held yet. */
static int put_new(struct kith_store *store, const struct kith_store_put *put,
                   struct kith_store_item *item) {
    struct kith_store_account account;
    struct kith_store_item *displaced = NULL;
    struct kith_store_victims victims;
    int r = kith_store_account_open(store, put->is_announcement ? &item->distance : NULL, put->from,
                                    &account, &displaced);

    if (r != 0) {
        return r;
    }
    kith_store_account_assign(item, &account);
    if (!kith_store_room_make(store, item, NULL, displaced, &victims)) {
        kith_store_account_close(store, &account);
        return KITH_STORE_FULL;
    }
    r = item_link(store, item);
    if (r < 0) {
        kith_store_room_restore(store, &victims);
        kith_store_account_close(store, &account);
        return r;
    }
    victims_evict(store, &victims);
    return 0;
}

/* Puts a newer version into the place and on the account of the one held. */
static int put_newer(struct kith_store *store, const struct kith_endpoint *from,
                     struct kith_store_item *held, struct kith_store_item *item) {
    struct kith_store_account account;
    struct kith_store_victims victims;
    int r;

    kith_store_account_adopt(store, held, from);
    account = kith_store_account_of(held);
    item->share = held->share;
    if (!kith_store_room_make(store, item, held, NULL, &victims)) {
        return KITH_STORE_FULL;
    }
    item_unlink(store, held);
    kith_store_account_assign(item, &account);
    r = item_link(store, item);
    assert(r == 0); /* takes the slots that were just given up */
    (void)r;
    free(held);
    victims_evict(store, &victims);
    return 0;
}

static int put_create(struct kith_store *store, const struct kith_store_put *put,
                      const struct kith_point *distance, struct kith_store_item *held, uint64_t now,
                      uint64_t expires) {
    struct kith_store_item *item = item_new(put, distance, now, expires);
    int r;

    if (item == NULL) {
        return KITH_ENOMEM;
    }
    r = held == NULL ? put_new(store, put, item) : put_newer(store, put->from, held, item);
    if (r != 0) {
        free(item);
        return r;
    }
    notify(store, item, KITH_STORE_ADDED);
    return 0;
}

/* A shorter lifetime does not cut a longer one already granted. A longer one is told whenever it
 * reaches into another quarter of an hour: the disk is so much short at most, and nobody makes us
 * write with every put. */
static void item_renew(struct kith_store *store, struct kith_store_item *item, uint64_t now,
                       uint64_t expires) {
    item->stored = now;
    kith_store_room_update(store, item);
    if (expires > item->expires) {
        bool tell = expires / RENEWAL_TOLD_NS != item->expires / RENEWAL_TOLD_NS;
        item->expires = expires;
        kith_heap_update(&store->by_expiry, &item->by_expiry);
        if (tell) {
            notify(store, item, KITH_STORE_ADDED);
        }
    }
}

/* 0: may replace what is held; else the outcome. A put repeated because its answer was lost is
 * SAME, whatever its cas says. */
static int put_judge(const struct kith_store_put *put, const struct kith_store_item *held) {
    struct kith_record_view view;

    if (held == NULL) {
        return 0; /* BEP 44: cas speaks of the item held, if there is one */
    }
    item_view(held, &view);
    int order = kith_record_compare(put->view, &view);
    if (order == 0) {
        return KITH_STORE_SAME;
    }
    if (put->has_cas && put->cas != held->seq) {
        return KITH_STORE_CAS;
    }
    return order < 0 ? KITH_STORE_OUTDATED : 0;
}

static void put_count(struct kith_store *store, const struct kith_store_put *put, int r) {
    if (put->from == NULL || r < 0) {
        return;
    }
    bool stored = r == 0 || r == KITH_STORE_SAME;
    store->config.stats->records_stored += stored;
    store->config.stats->records_refused += !stored;
}

int kith_store_new(struct kith_store **ret, const struct kith_store_config *config) {
    struct kith_store *store = calloc(1, sizeof(*store));

    if (store == NULL) {
        return KITH_ENOMEM;
    }
    store->config = *config;
    kith_random_secure(config->random, store->hash_key, sizeof(store->hash_key));
    kith_hash_init(&store->items);
    kith_hash_init(&store->topics);
    kith_hash_init(&store->shares);
    kith_heap_init(&store->by_weight, kith_store_share_before);
    kith_heap_init(&store->by_expiry, expires_before);
    kith_heap_init(&store->by_repair, repaired_before);
    kith_list_init(&store->arrival);
    *ret = store;
    return 0;
}

struct kith_store *kith_store_free(struct kith_store *store) {
    struct kith_list *node;

    if (store == NULL) {
        return NULL;
    }
    store->config.on_change = NULL; /* nothing is removed: we only stop looking after it */
    while ((node = kith_list_first(&store->arrival)) != NULL) {
        item_remove(store, kith_container_of(node, struct kith_store_item, arrival));
    }
    kith_hash_deinit(&store->items);
    kith_hash_deinit(&store->topics);
    kith_hash_deinit(&store->shares);
    kith_heap_deinit(&store->by_weight);
    kith_heap_deinit(&store->by_expiry);
    kith_heap_deinit(&store->by_repair);
    free(store);
    return NULL;
}

int kith_store_put(struct kith_store *store, const struct kith_store_put *put, uint64_t now,
                   int64_t *ret_seq) {
    struct kith_point distance = kith_store_distance(store, &put->point);
    uint64_t expires = put->lifetime_ns > UINT64_MAX - now ? UINT64_MAX : now + put->lifetime_ns;
    const uint8_t *announcer = put->is_announcement ? put->view->key : NULL;
    struct kith_store_item *held;
    int64_t seq;
    int r;

    if (put->view->salt.size > KITH_SALT_MAX || put->view->value.size > KITH_VALUE_MAX ||
        (put->is_announcement && !put->view->is_mutable)) {
        return KITH_EINVALID;
    }
    kith_store_expire(store, now);
    held = item_find(store, &distance, announcer);
    seq = held == NULL ? -1 : held->seq;
    r = put_judge(put, held);
    if (r == KITH_STORE_SAME) {
        item_renew(store, held, now, expires);
    } else if (r == 0) {
        if (held != NULL && held->expires > expires) {
            expires = held->expires; /* nobody ends a life by passing on a newer version */
        }
        r = put_create(store, put, &distance, held, now, expires);
        seq = r == 0 ? put->view->seq : seq;
    }
    put_count(store, put, r);
    if (r >= 0 && seq >= 0 && ret_seq != NULL) {
        *ret_seq = seq;
    }
    return r;
}

bool kith_store_get(const struct kith_store *store, const struct kith_point *point, uint64_t now,
                    struct kith_held *ret) {
    struct kith_point distance = kith_store_distance(store, point);
    const struct kith_store_item *item = item_find(store, &distance, NULL);

    if (item == NULL || item->expires <= now) {
        return false;
    }
    kith_store_item_held(store, item, ret);
    return true;
}

void kith_store_repair_at(struct kith_store *store, const struct kith_point *point, uint64_t at) {
    struct kith_point distance = kith_store_distance(store, point);
    struct kith_store_item *item = item_find(store, &distance, NULL);

    if (item == NULL) {
        return;
    }
    item->repair_at = at;
    if (at == UINT64_MAX) {
        kith_heap_remove(&store->by_repair, &item->by_repair);
    } else if (item->by_repair.place != 0) {
        kith_heap_update(&store->by_repair, &item->by_repair);
    } else {
        int r = kith_heap_insert(&store->by_repair, &item->by_repair);
        (void)r; /* without memory others repair it */
    }
}

static const struct kith_store_item *repair_first(const struct kith_store *store) {
    const struct kith_heap_node *node = kith_heap_first(&store->by_repair);

    return node == NULL ? NULL : kith_container_of(node, struct kith_store_item, by_repair);
}

uint64_t kith_store_repair_deadline(const struct kith_store *store) {
    const struct kith_store_item *item = repair_first(store);

    return item == NULL ? UINT64_MAX : item->repair_at;
}

bool kith_store_repair_first(const struct kith_store *store, uint64_t now, struct kith_held *ret) {
    const struct kith_store_item *item = repair_first(store);

    if (item == NULL || item->repair_at > now) {
        return false;
    }
    kith_store_item_held(store, item, ret);
    return true;
}

void kith_store_expire(struct kith_store *store, uint64_t now) {
    while (kith_store_deadline(store) <= now) {
        struct kith_heap_node *node = kith_heap_first(&store->by_expiry);
        if (node == NULL) {
            return; /* the end of time, and an empty store */
        }
        store->config.stats->records_expired++;
        item_remove(store, kith_container_of(node, struct kith_store_item, by_expiry));
    }
}

uint64_t kith_store_deadline(const struct kith_store *store) {
    const struct kith_heap_node *node = kith_heap_first(&store->by_expiry);

    return node == NULL ? UINT64_MAX
                        : kith_container_of(node, struct kith_store_item, by_expiry)->expires;
}

uint32_t kith_store_count(const struct kith_store *store) {
    return store->n;
}

size_t kith_store_bytes(const struct kith_store *store) {
    return store->bytes;
}

int kith_store_each(const struct kith_store *store,
                    int (*fn)(const struct kith_held *held, void *user), void *user) {
    const struct kith_list *node = kith_list_first(&store->arrival);

    for (; node != NULL; node = kith_list_next(&store->arrival, node)) {
        struct kith_held held;
        kith_store_item_held(store, kith_container_of(node, struct kith_store_item, arrival),
                             &held);
        int result = fn(&held, user);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static const char *check_heap(const struct kith_heap *heap, size_t n) {
    if (heap->n != n) {
        return "a heap holds another number of items than the store";
    }
    for (uint32_t i = 1; i < heap->n; i++) {
        if (heap->less(kith_heap_at(heap, i), kith_heap_at(heap, (i - 1) / 2))) {
            return "a heap is out of order";
        }
    }
    return NULL;
}

static const char *check_item(const struct kith_store *store, const struct kith_store_item *item) {
    const uint8_t *announcer = item->is_announcement ? kith_store_payload(item) : NULL;

    if (item_find(store, &item->distance, announcer) != item) {
        return "an item is not where the hash looks for it";
    }
    if (item->by_distance.place == 0 || item->by_expiry.place == 0) {
        return "an item is in no heap";
    }
    return kith_store_account_check(store, item);
}

const char *kith_store_check(const struct kith_store *store) {
    const struct kith_list *node = kith_list_first(&store->arrival);
    const char *wrong = NULL;
    uint64_t serial_next = 0;
    uint32_t n = 0;
    size_t bytes = 0;

    for (; node != NULL && wrong == NULL; node = kith_list_next(&store->arrival, node)) {
        const struct kith_store_item *item =
            kith_container_of(node, struct kith_store_item, arrival);
        wrong = item->serial < serial_next ? "the list is not in order of arrival"
                                           : check_item(store, item);
        serial_next = item->serial + 1;
        n++;
        bytes += kith_store_item_cost(item);
    }
    if (wrong != NULL) {
        return wrong;
    }
    if (n != store->n || n != store->items.n || bytes != store->bytes) {
        return "numbers or bytes do not add up";
    }
    if (n > store->config.limits.records || bytes > store->config.limits.bytes) {
        return "the store is over its limits";
    }
    wrong = check_heap(&store->by_repair, store->by_repair.n);
    if (wrong != NULL || store->by_repair.n > n) {
        return "more is to be repaired than there is, or out of order";
    }
    wrong = kith_store_room_check(store);
    return wrong != NULL ? wrong : check_heap(&store->by_expiry, n);
}
