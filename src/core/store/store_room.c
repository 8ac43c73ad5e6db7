/* SPDX-License-Identifier: MIT */
/*
 * store_room: who leaves a full store.
 *
 * Within one address prefix it is by distance, because distance is what a record is found by: the
 * near ones are those that readers will ask us for. Between prefixes it cannot be: whoever
 * announces chooses the point, next to our id if he likes, and sixteen prefixes with all that one
 * may have would own the store. So they share it as they share a full topic (store_account.c),
 * largest first (max-min): the farthest record of the prefix that has most makes room for one of a
 * prefix that has less even with it. Of those that have as much, the one goes that is farther from
 * us than the newcomer; and nobody displaces his like otherwise, so that nothing changes places for
 * ever. A prefix that nobody else asks for room may have all of its cap, and who has less than the
 * largest loses nothing to anybody.
 *
 * How much a prefix has is the larger of its shares of the two limits, records and bytes: few large
 * records count as many small ones. What has no prefix (exempt addresses, what was restored, our
 * own) is one share without a cap: in a network that has nothing else it is by distance alone.
 *
 * Room is made before anything else is touched: victims are lifted out of the heaps one by one
 * until the newcomer fits, and put back if it turns out that it does not. So a refusal never costs
 * a held record. A heap of shares by weight, in each a heap of its items: O(log n) for each victim.
 */
#include <assert.h>
#include <string.h>

#include "core/store/store_internal.h"

static int distance_compare(const struct kith_store_item *a, const struct kith_store_item *b) {
    return memcmp(a->distance.bytes, b->distance.bytes, sizeof(a->distance.bytes));
}

/* Far before near, then older before younger. */
bool kith_store_farther(const struct kith_heap_node *a_node, const struct kith_heap_node *b_node) {
    const struct kith_store_item *a =
        kith_container_of(a_node, struct kith_store_item, by_distance);
    const struct kith_store_item *b =
        kith_container_of(b_node, struct kith_store_item, by_distance);
    int order = distance_compare(a, b);

    if (order != 0) {
        return order > 0;
    }
    return a->stored != b->stored ? a->stored < b->stored : a->serial < b->serial;
}

/* NULL: none of its items is there. */
static struct kith_store_item *farthest_of(const struct kith_store_share *share) {
    struct kith_heap_node *node = kith_heap_first(&share->items);

    return node == NULL ? NULL : kith_container_of(node, struct kith_store_item, by_distance);
}

/* More before less, then that of the farthest item. */
bool kith_store_share_before(const struct kith_heap_node *a_node,
                             const struct kith_heap_node *b_node) {
    const struct kith_store_share *a =
        kith_container_of(a_node, struct kith_store_share, by_weight);
    const struct kith_store_share *b =
        kith_container_of(b_node, struct kith_store_share, by_weight);

    if (a->weight != b->weight) {
        return a->weight > b->weight;
    }
    return a->items.n > 0 && b->items.n > 0 &&
           kith_store_farther(kith_heap_first(&a->items), kith_heap_first(&b->items));
}

/* The larger of both parts, with the limits' product for the whole. */
static uint64_t weigh(const struct kith_store *store, uint64_t n, uint64_t bytes) {
    uint64_t by_number = n * store->config.limits.bytes;
    uint64_t by_bytes = bytes * store->config.limits.records;

    return by_number > by_bytes ? by_number : by_bytes;
}

static void share_changed(struct kith_store *store, struct kith_store_share *share) {
    share->weight = weigh(store, share->items.n, share->bytes);
    kith_heap_update(&store->by_weight, &share->by_weight);
}

int kith_store_room_take(struct kith_store *store, struct kith_store_item *item) {
    struct kith_store_share *share = item->share;
    int r = kith_heap_insert(&share->items, &item->by_distance);

    if (r == 0) {
        share->bytes += (uint32_t)kith_store_item_cost(item);
        share_changed(store, share);
    }
    return r;
}

void kith_store_room_leave(struct kith_store *store, struct kith_store_item *item) {
    struct kith_store_share *share = item->share;

    if (item->by_distance.place != 0) {
        kith_heap_remove(&share->items, &item->by_distance);
        share->bytes -= (uint32_t)kith_store_item_cost(item);
        share_changed(store, share);
    }
}

void kith_store_room_update(struct kith_store *store, struct kith_store_item *item) {
    kith_heap_update(&item->share->items, &item->by_distance);
    kith_heap_update(&store->by_weight, &item->share->by_weight);
}

/* ---- making room ---- */

void kith_store_room_restore(struct kith_store *store, struct kith_store_victims *victims) {
    for (unsigned i = 0; i < victims->n; i++) {
        int r = kith_store_room_take(store, victims->items[i]);
        assert(r == 0); /* its slot is still there */
        (void)r;
    }
    victims->n = 0;
}

static void lift(struct kith_store *store, struct kith_store_item *item,
                 struct kith_store_victims *victims) {
    kith_store_room_leave(store, item);
    victims->items[victims->n++] = item;
    victims->bytes += kith_store_item_cost(item);
}

/* Whether the item fits once `replaced` (may be NULL) and the victims are gone. */
static bool fits(const struct kith_store *store, const struct kith_store_item *item,
                 const struct kith_store_item *replaced, const struct kith_store_victims *victims) {
    size_t n = store->n - (replaced != NULL) - victims->n;
    size_t bytes =
        store->bytes - (replaced != NULL ? kith_store_item_cost(replaced) : 0) - victims->bytes;

    return n < store->config.limits.records &&
           bytes + kith_store_item_cost(item) <= store->config.limits.bytes;
}

/* Whoever goes next for the item, if anybody. */
static struct kith_store_item *victim_for(const struct kith_store *store,
                                          const struct kith_store_item *item,
                                          const struct kith_store_item *replaced) {
    const struct kith_store_share *own = item->share;
    const struct kith_store_share *largest =
        kith_container_of(kith_heap_first(&store->by_weight), struct kith_store_share, by_weight);
    uint64_t with_item = weigh(store, own->items.n + (replaced == NULL),
                               own->bytes + kith_store_item_cost(item) -
                                   (replaced == NULL ? 0 : kith_store_item_cost(replaced)));
    struct kith_store_item *farthest = farthest_of(largest);

    if (largest != own && largest->weight > with_item) {
        return farthest;
    }
    if (largest != own && largest->weight == with_item && farthest != NULL &&
        distance_compare(farthest, item) > 0) {
        return farthest;
    }
    farthest = farthest_of(own);
    return farthest != NULL && distance_compare(farthest, item) > 0 ? farthest : NULL;
}

bool kith_store_room_make(struct kith_store *store, const struct kith_store_item *item,
                          const struct kith_store_item *replaced, struct kith_store_item *displaced,
                          struct kith_store_victims *ret) {
    *ret = (struct kith_store_victims){.n = 0};
    if (displaced != NULL) {
        lift(store, displaced, ret);
    }
    while (!fits(store, item, replaced, ret)) {
        struct kith_store_item *victim = victim_for(store, item, replaced);
        if (victim == NULL || ret->n == KITH_STORE_VICTIMS_MAX) {
            kith_store_room_restore(store, ret);
            return false;
        }
        lift(store, victim, ret);
    }
    return true;
}

/* ---- checking ---- */

const char *kith_store_room_check(const struct kith_store *store) {
    size_t n = 0;

    for (uint32_t i = 0; i < store->by_weight.n; i++) {
        const struct kith_store_share *share = kith_container_of(
            kith_heap_at(&store->by_weight, i), struct kith_store_share, by_weight);
        size_t bytes = 0;
        for (uint32_t j = 0; j < share->items.n; j++) {
            const struct kith_store_item *item = kith_container_of(
                kith_heap_at(&share->items, j), struct kith_store_item, by_distance);
            bytes += kith_store_item_cost(item);
            if (item->share != share) {
                return "an item is in the heap of another share";
            }
            if (j > 0 && kith_store_farther(kith_heap_at(&share->items, j),
                                            kith_heap_at(&share->items, (j - 1) / 2))) {
                return "a share's heap is out of order";
            }
        }
        if (bytes != share->bytes || share->weight != weigh(store, share->items.n, bytes)) {
            return "a share's weight is wrong";
        }
        if (i > 0 && kith_store_share_before(kith_heap_at(&store->by_weight, i),
                                             kith_heap_at(&store->by_weight, (i - 1) / 2))) {
            return "the heap of shares is out of order";
        }
        n += share->items.n;
    }
    return n == store->n ? NULL : "the shares hold another number of items than the store";
}
