/* SPDX-License-Identifier: MIT */
/*
 * book_table: places. Which bucket and slot an entry belongs to, and the memory behind it.
 *
 * The geometry is Bitcoin's (addrman, after Heilman, Kendler, Zohar and Goldberg, "Eclipse Attacks
 * on Bitcoin's Peer-to-Peer Network", 2015):
 *
 *     new    bucket = H(source group, H(address group, source group) mod reach) mod buckets
 *     tried  bucket = H(address group, H(address) mod reach) mod buckets
 *     slot   = H(table, bucket, endpoint, key) mod slots
 *
 * H is SipHash-2-4 under half of a secret that is persisted with the entries: nobody can compute
 * where something lands, and after a restart everything is where it was. A group is a /16 of IPv4
 * or a /32 of IPv6, what one provider has; reach is 1/16 of the buckets in new and 1/32 in tried,
 * as 64 of 1024 and 8 of 256 are. For public addresses H(address) leaves the port out: a host is
 * not worth more for having 65,535 of them. Unlike Bitcoin's, an entry has one place in new, that
 * of whoever named it first: a hint never displaces a sound one here, so copies buy nothing.
 *
 * A place is a function of the entry and the secret, so it is never stored, only recomputed.
 *
 * Memory comes when it is needed: entries in chunks of 16 that never move, slots of a bucket with
 * its first entry. All operations are O(1).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/keyed_hash.h"
#include "core/book/book_internal.h"

enum {
    HALF = KITH_BOOK_SECRET_SIZE / 2, /* a key of SipHash */
    HALF_PLACES = 0,
    HALF_INDEX = 1, /* hash tables, groups and tags */
    MESSAGE_MAX = 128,
    GROUP_IP4 = 2,
    GROUP_IP6 = 4,
    GROUP_NEAR_IP4 = 3,
    GROUP_NEAR_IP6 = 8,
    MEMBERS_MIN = 16,
    CHUNKS_MIN = 4,
};

uint64_t kith_book_hash(const struct kith_book *book, unsigned half, char purpose,
                        const void *bytes, size_t size) {
    uint8_t message[MESSAGE_MAX];

    assert(size < sizeof(message));
    message[0] = (uint8_t)purpose;
    memcpy(message + 1, bytes, size);
    return kith_keyed_hash(book->secret + (size_t)half * HALF, message, 1 + size);
}

static void write_endpoint(struct kith_writer *w, const struct kith_endpoint *endpoint) {
    kith_write_u8(w, endpoint->family);
    kith_write_bytes(w, endpoint->ip, sizeof(endpoint->ip));
    kith_write_u16(w, endpoint->port);
    kith_write_u32(w, endpoint->scope);
}

uint64_t kith_book_endpoint_hash(const struct kith_book *book,
                                 const struct kith_endpoint *endpoint) {
    uint8_t bytes[32];
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    write_endpoint(&w, endpoint);
    return kith_book_hash(book, HALF_INDEX, 'e', bytes, kith_writer_size(&w));
}

static uint64_t key_hash(const struct kith_book *book, const struct kith_key *key) {
    return kith_book_hash(book, HALF_INDEX, 'k', key->bytes, sizeof(key->bytes));
}

uint64_t kith_book_tag(const struct kith_book *book, const struct kith_key *key) {
    uint64_t tag = kith_book_hash(book, HALF_INDEX, 't', key->bytes, sizeof(key->bytes));

    return tag != 0 ? tag : 1;
}

uint64_t kith_book_group(const struct kith_book *book, const struct kith_endpoint *endpoint) {
    bool near = kith_endpoint_exempt(endpoint);
    uint8_t bytes[32];
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    if (near && book->config.strictness == KITH_BOOK_LAB) {
        return kith_book_endpoint_hash(book, endpoint);
    }
    size_t size = endpoint->family == 4 ? (near ? GROUP_NEAR_IP4 : GROUP_IP4)
                                        : (near ? GROUP_NEAR_IP6 : GROUP_IP6);
    kith_write_u8(&w, endpoint->family);
    kith_write_u8(&w, near);
    kith_write_u32(&w, endpoint->scope);
    kith_write_bytes(&w, endpoint->ip, size);
    return kith_book_hash(book, HALF_INDEX, 'g', bytes, kith_writer_size(&w));
}

uint64_t kith_book_source_group(const struct kith_book *book, const struct kith_book_source *source,
                                const struct kith_endpoint *endpoint) {
    uint8_t origin = (uint8_t)source->origin;

    switch (source->origin) {
    case KITH_BOOK_SELF:
        return kith_book_group(book, endpoint);
    case KITH_BOOK_CONFIG:
    case KITH_BOOK_LAN:
        break;
    case KITH_BOOK_PEX:
    case KITH_BOOK_WALK:
        if (source->contact.endpoint.family != 0) {
            return kith_book_group(book, &source->contact.endpoint);
        }
        break;
    }
    return kith_book_hash(book, HALF_INDEX, 'o', &origin, sizeof(origin));
}

static uint32_t bucket_new(const struct kith_book *book, const struct kith_book_item *item) {
    const struct kith_book_shelf *shelf = &book->shelves[KITH_BOOK_NEW];
    uint8_t bytes[16];
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    kith_write_u64(&w, kith_book_group(book, &item->e.contact.endpoint));
    kith_write_u64(&w, item->source_group);
    uint64_t lane = kith_book_hash(book, HALF_PLACES, 'n', bytes, sizeof(bytes)) % shelf->reach;
    w = kith_writer(bytes, sizeof(bytes));
    kith_write_u64(&w, item->source_group);
    kith_write_u64(&w, lane);
    return (uint32_t)(kith_book_hash(book, HALF_PLACES, 'N', bytes, sizeof(bytes)) %
                      shelf->n_buckets);
}

static uint32_t bucket_tried(const struct kith_book *book, const struct kith_book_item *item) {
    const struct kith_book_shelf *shelf = &book->shelves[KITH_BOOK_TRIED];
    struct kith_endpoint address = item->e.contact.endpoint;
    uint8_t bytes[32];
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    if (!kith_endpoint_exempt(&address)) {
        address.port = 0;
    }
    write_endpoint(&w, &address);
    uint64_t lane = kith_book_hash(book, HALF_PLACES, 't', bytes, kith_writer_size(&w));
    w = kith_writer(bytes, sizeof(bytes));
    kith_write_u64(&w, kith_book_group(book, &item->e.contact.endpoint));
    kith_write_u64(&w, lane % shelf->reach);
    return (uint32_t)(kith_book_hash(book, HALF_PLACES, 'T', bytes, kith_writer_size(&w)) %
                      shelf->n_buckets);
}

void kith_book_locate(const struct kith_book *book, const struct kith_book_item *item,
                      enum kith_book_table table, uint32_t *ret_bucket, uint8_t *ret_slot) {
    uint32_t bucket = table == KITH_BOOK_NEW ? bucket_new(book, item) : bucket_tried(book, item);
    const struct kith_contact *contact = &item->e.contact;
    uint8_t bytes[80];
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    kith_write_u8(&w, (uint8_t)table);
    kith_write_u32(&w, bucket);
    write_endpoint(&w, &contact->endpoint);
    kith_write_u8(&w, contact->has_key);
    if (contact->has_key) {
        kith_write_bytes(&w, contact->key.bytes, sizeof(contact->key.bytes));
    }
    *ret_bucket = bucket;
    *ret_slot = (uint8_t)(kith_book_hash(book, HALF_PLACES, 's', bytes, kith_writer_size(&w)) %
                          book->config.slots);
}

struct kith_book_item *kith_book_holder(const struct kith_book *book,
                                        const struct kith_book_item *item,
                                        enum kith_book_table table) {
    uint32_t bucket;
    uint8_t slot;

    kith_book_locate(book, item, table, &bucket, &slot);
    const uint32_t *slots = book->shelves[table].buckets[bucket].slots;
    return slots == NULL || slots[slot] == KITH_BOOK_NONE ? NULL
                                                          : kith_book_item(book, slots[slot]);
}

/* ---- into a table, and out of it ---- */

static int members_reserve(struct kith_book_shelf *shelf) {
    if (shelf->n_members < shelf->capacity) {
        return 0;
    }
    uint32_t capacity = shelf->capacity == 0 ? MEMBERS_MIN : shelf->capacity * 2;
    uint32_t *members = realloc(shelf->members, capacity * sizeof(*members));
    if (members == NULL) {
        return KITH_ENOMEM;
    }
    shelf->members = members;
    shelf->capacity = capacity;
    return 0;
}

static int slots_reserve(const struct kith_book *book, struct kith_book_bucket *bucket) {
    if (bucket->slots != NULL) {
        return 0;
    }
    bucket->slots = malloc(book->config.slots * sizeof(*bucket->slots));
    if (bucket->slots == NULL) {
        return KITH_ENOMEM;
    }
    for (uint32_t i = 0; i < book->config.slots; i++) {
        bucket->slots[i] = KITH_BOOK_NONE;
    }
    return 0;
}

static void slot_take(struct kith_book_shelf *shelf, struct kith_book_item *item, uint32_t bucket,
                      uint8_t slot) {
    struct kith_book_bucket *b = &shelf->buckets[bucket];

    assert(b->slots[slot] == KITH_BOOK_NONE);
    b->slots[slot] = item->index;
    item->bucket = bucket;
    item->slot = slot;
    if (b->n++ == 0) {
        b->place = shelf->n_used;
        shelf->used[shelf->n_used++] = bucket;
    }
}

static void slot_leave(struct kith_book_shelf *shelf, const struct kith_book_item *item) {
    struct kith_book_bucket *b = &shelf->buckets[item->bucket];

    b->slots[item->slot] = KITH_BOOK_NONE;
    if (--b->n == 0) {
        uint32_t last = shelf->used[--shelf->n_used];
        shelf->used[b->place] = last;
        shelf->buckets[last].place = b->place;
    }
}

int kith_book_place(struct kith_book *book, struct kith_book_item *item,
                    enum kith_book_table table) {
    struct kith_book_shelf *shelf = &book->shelves[table];
    uint32_t bucket = 0;
    uint8_t slot = 0;

    int r = members_reserve(shelf);
    if (r == 0 && table != KITH_BOOK_PINNED) {
        kith_book_locate(book, item, table, &bucket, &slot);
        r = slots_reserve(book, &shelf->buckets[bucket]);
    }
    if (r < 0) {
        return r;
    }
    kith_book_unplace(book, item);
    if (table != KITH_BOOK_PINNED) {
        slot_take(shelf, item, bucket, slot);
    }
    item->place = shelf->n_members;
    shelf->members[shelf->n_members++] = item->index;
    item->state = (uint8_t)table;
    item->e.table = table;
    return 0;
}

void kith_book_unplace(struct kith_book *book, struct kith_book_item *item) {
    kith_book_tests_forget(book, item);
    if (item->state >= KITH_BOOK_N_TABLES) {
        return;
    }
    struct kith_book_shelf *shelf = &book->shelves[item->state];
    if (item->state != KITH_BOOK_PINNED) {
        slot_leave(shelf, item);
    }
    uint32_t last = shelf->members[--shelf->n_members];
    shelf->members[item->place] = last;
    kith_book_item(book, last)->place = item->place;
    item->state = KITH_BOOK_LOOSE;
}

/* ---- memory and indices ---- */

static int pool_grow(struct kith_book *book) {
    if (book->n_chunks == book->chunks_capacity) {
        uint32_t capacity = book->chunks_capacity == 0 ? CHUNKS_MIN : 2 * book->chunks_capacity;
        struct kith_book_item **chunks =
            realloc(book->chunks, capacity * sizeof(struct kith_book_item *));
        if (chunks == NULL) {
            return KITH_ENOMEM;
        }
        book->chunks = chunks;
        book->chunks_capacity = capacity;
    }
    struct kith_book_item *chunk = calloc(KITH_BOOK_CHUNK, sizeof(*chunk));
    if (chunk == NULL) {
        return KITH_ENOMEM;
    }
    book->chunks[book->n_chunks] = chunk;
    for (uint32_t i = KITH_BOOK_CHUNK; i-- > 0;) {
        chunk[i].index = book->n_chunks * KITH_BOOK_CHUNK + i;
        chunk[i].place = book->free_first;
        book->free_first = chunk[i].index;
    }
    book->n_chunks++;
    return 0;
}

static int pool_take(struct kith_book *book, struct kith_book_item **ret) {
    int r = book->free_first == KITH_BOOK_NONE ? pool_grow(book) : 0;
    if (r < 0) {
        return r;
    }
    struct kith_book_item *item = kith_book_item(book, book->free_first);
    uint32_t index = item->index;
    book->free_first = item->place;
    *item = (struct kith_book_item){.index = index, .state = KITH_BOOK_LOOSE, .used = true};
    *ret = item;
    return 0;
}

void kith_book_item_release(struct kith_book *book, struct kith_book_item *item) {
    kith_book_item_clean(book, item);
    item->used = false;
    item->place = book->free_first;
    book->free_first = item->index;
}

static uint32_t *link_of_endpoint(const void *owner, uint32_t index) {
    return &kith_book_item(owner, index)->next_of_endpoint;
}

static uint64_t hash_of_endpoint(const void *owner, uint32_t index) {
    return kith_book_endpoint_hash(owner, &kith_book_item(owner, index)->e.contact.endpoint);
}

static uint32_t *link_of_key(const void *owner, uint32_t index) {
    return &kith_book_item(owner, index)->next_of_key;
}

static uint64_t hash_of_key(const void *owner, uint32_t index) {
    return key_hash(owner, &kith_book_item(owner, index)->e.contact.key);
}

static const struct kith_chains_access by_endpoint = {link_of_endpoint, hash_of_endpoint};
static const struct kith_chains_access by_key = {link_of_key, hash_of_key};

/* -> KITH_ENOMEM */
static int index_insert(struct kith_book *book, struct kith_book_item *item) {
    int r = kith_chains_insert(&book->by_endpoint, &by_endpoint, book, item->index);

    if (r == 0 && item->e.contact.has_key) {
        r = kith_chains_insert(&book->by_key, &by_key, book, item->index);
        if (r < 0) {
            kith_chains_remove(&book->by_endpoint, &by_endpoint, book, item->index);
        }
    }
    return r;
}

static void index_remove(struct kith_book *book, const struct kith_book_item *item) {
    kith_chains_remove(&book->by_endpoint, &by_endpoint, book, item->index);
    if (item->e.contact.has_key) {
        kith_chains_remove(&book->by_key, &by_key, book, item->index);
    }
}

int kith_book_item_new(struct kith_book *book, const struct kith_book_entry *entry,
                       struct kith_book_item **ret) {
    struct kith_book_item *item;

    int r = pool_take(book, &item);
    if (r < 0) {
        return r;
    }
    item->e = *entry;
    r = index_insert(book, item);
    if (r < 0) {
        kith_book_item_release(book, item);
        return r;
    }
    *ret = item;
    return 0;
}

void kith_book_item_remove(struct kith_book *book, struct kith_book_item *item) {
    bool was_placed = item->state < KITH_BOOK_N_TABLES;

    kith_book_unplace(book, item);
    index_remove(book, item);
    if (was_placed) {
        kith_book_notify(book, KITH_BOOK_EVENT_REMOVED, item);
    }
    if (item->stored) {
        item->state = KITH_BOOK_GONE;
        kith_book_item_dirty(book, item);
        return;
    }
    kith_book_item_release(book, item);
}

struct kith_book_item *kith_book_at(const struct kith_book *book,
                                    const struct kith_endpoint *endpoint,
                                    const struct kith_book_item *after) {
    uint32_t i = after == NULL ? kith_chains_first(&book->by_endpoint,
                                                   kith_book_endpoint_hash(book, endpoint))
                               : after->next_of_endpoint;

    while (i != KITH_BOOK_NONE) {
        struct kith_book_item *item = kith_book_item(book, i);
        if (kith_endpoint_equal(&item->e.contact.endpoint, endpoint)) {
            return item;
        }
        i = item->next_of_endpoint;
    }
    return NULL;
}

struct kith_book_item *kith_book_of(const struct kith_book *book, const struct kith_key *key,
                                    const struct kith_book_item *after) {
    uint32_t i =
        after == NULL ? kith_chains_first(&book->by_key, key_hash(book, key)) : after->next_of_key;

    while (i != KITH_BOOK_NONE) {
        struct kith_book_item *item = kith_book_item(book, i);
        if (kith_key_equal(&item->e.contact.key, key)) {
            return item;
        }
        i = item->next_of_key;
    }
    return NULL;
}

struct kith_book_item *kith_book_item_find(const struct kith_book *book,
                                           const struct kith_contact *contact) {
    struct kith_book_item *item = kith_book_at(book, &contact->endpoint, NULL);

    for (; item != NULL; item = kith_book_at(book, &contact->endpoint, item)) {
        if (item->e.contact.has_key == contact->has_key &&
            (!contact->has_key || kith_key_equal(&item->e.contact.key, &contact->key))) {
            return item;
        }
    }
    return NULL;
}

struct kith_book_item *kith_book_tried_at(const struct kith_book *book,
                                          const struct kith_endpoint *endpoint) {
    struct kith_book_item *item = kith_book_at(book, endpoint, NULL);

    while (item != NULL && item->state != KITH_BOOK_TRIED) {
        item = kith_book_at(book, endpoint, item);
    }
    return item;
}

void kith_book_item_dirty(struct kith_book *book, struct kith_book_item *item) {
    if (item->dirty) {
        return;
    }
    item->dirty = true;
    item->dirty_before = book->dirty_last;
    item->dirty_behind = KITH_BOOK_NONE;
    if (book->dirty_last == KITH_BOOK_NONE) {
        book->dirty_first = item->index;
    } else {
        kith_book_item(book, book->dirty_last)->dirty_behind = item->index;
    }
    book->dirty_last = item->index;
}

void kith_book_item_clean(struct kith_book *book, struct kith_book_item *item) {
    if (!item->dirty) {
        return;
    }
    item->dirty = false;
    if (item->dirty_before == KITH_BOOK_NONE) {
        book->dirty_first = item->dirty_behind;
    } else {
        kith_book_item(book, item->dirty_before)->dirty_behind = item->dirty_behind;
    }
    if (item->dirty_behind == KITH_BOOK_NONE) {
        book->dirty_last = item->dirty_before;
    } else {
        kith_book_item(book, item->dirty_behind)->dirty_before = item->dirty_before;
    }
}

void kith_book_notify(struct kith_book *book, enum kith_book_event event,
                      const struct kith_book_item *item) {
    if (book->config.on_event != NULL) {
        book->config.on_event(book->config.context, event, &item->e);
    }
}
