/* SPDX-License-Identifier: MIT */
/*
 * book: making one, looking at one, and what becomes of entries with time: health and terribleness.
 *
 * The rest by subject: book_learn (hints, answers, failures), book_tried (who holds a slot),
 * book_table (places and memory), book_select (choice), book_ban, book_disk, book_check.
 *
 * Health is a number from 0 to 1 that every outcome moves by a fraction of the way to its end, and
 * that time brings back to one half: a peer is judged by what it did lately. Distance from neutral
 * halves every six hours, interpolated linearly in between, so that it is the same on every
 * machine. Health follows the entry, not the key: someone who spreads a wrong endpoint of a peer
 * cannot spoil the right one.
 *
 * Terrible are those that Bitcoin's addrman calls so (IsTerrible()): never answered and failed
 * three times; not seen for 30 days; not answered for a week and failed ten times; and whoever's
 * health is nearly gone. Never within a minute of an attempt, whose answer may be under way.
 * Failures count only while others of the same kind (public IPv4, public IPv6, near) answer, at
 * most once per such answer: a machine that lost its network must not lose its book.
 */
#include "core/book/book.h"

#include <stdlib.h>
#include <string.h>

#include <sodium/utils.h>

#include "core/book/book_internal.h"

enum {
    REACH_NEW = 16,   /* one source group reaches 1/16 of the buckets: Bitcoin's 64 of 1024 */
    REACH_TRIED = 32, /* 8 of 256 */
    JUST_TRIED_S = 60,
    HORIZON_S = 30 * 24 * 3600,
    FAILING_S = 7 * 24 * 3600,
    RETRIES_NEVER = 3,
    RETRIES_FAILING = 10,
    HEALTH_LOW = KITH_BOOK_HEALTH_ONE / 16, /* three lies from neutral */
    HALVINGS_MAX = 16,                      /* nothing is left of the distance */
    CLEAN_ITEMS = 4096,                     /* per call: 20 calls see a full book */
};

static uint32_t or_default(uint32_t value, uint32_t standard) {
    return value != 0 ? value : standard;
}

static int shelf_init(struct kith_book_shelf *shelf, uint32_t n_buckets, uint32_t reach_part) {
    shelf->n_buckets = n_buckets;
    shelf->reach = n_buckets / reach_part > 0 ? n_buckets / reach_part : 1;
    shelf->buckets = calloc(n_buckets, sizeof(*shelf->buckets));
    shelf->used = calloc(n_buckets, sizeof(*shelf->used));
    return shelf->buckets == NULL || shelf->used == NULL ? KITH_ENOMEM : 0;
}

static void shelf_deinit(struct kith_book_shelf *shelf) {
    for (uint32_t i = 0; shelf->buckets != NULL && i < shelf->n_buckets; i++) {
        free(shelf->buckets[i].slots);
    }
    free(shelf->buckets);
    free(shelf->used);
    free(shelf->members);
}

/* Only the first insertion into a hash table can fail: get it over with. */
static int hash_prepare(struct kith_hash *table) {
    struct kith_hash_node node;
    int r = kith_hash_insert(table, &node, 0);

    if (r == 0) {
        kith_hash_remove(table, &node);
    }
    return r;
}

static int book_init(struct kith_book *book) {
    const struct kith_book_config *config = &book->config;
    int r = shelf_init(&book->shelves[KITH_BOOK_NEW], config->buckets_new, REACH_NEW);

    r = r < 0 ? r : shelf_init(&book->shelves[KITH_BOOK_TRIED], config->buckets_tried, REACH_TRIED);
    return r < 0 ? r : hash_prepare(&book->bans);
}

int kith_book_new(struct kith_book **ret, const struct kith_book_config *config) {
    if (config->random == NULL || config->buckets_new > KITH_BOOK_BUCKETS_MAX ||
        config->buckets_tried > KITH_BOOK_BUCKETS_MAX || config->slots > KITH_BOOK_SLOTS_MAX) {
        return KITH_EINVALID;
    }
    struct kith_book *book = calloc(1, sizeof(*book));
    if (book == NULL) {
        return KITH_ENOMEM;
    }
    book->config = *config;
    book->config.buckets_new = or_default(config->buckets_new, KITH_BOOK_BUCKETS_NEW);
    book->config.buckets_tried = or_default(config->buckets_tried, KITH_BOOK_BUCKETS_TRIED);
    book->config.slots = or_default(config->slots, KITH_BOOK_SLOTS);
    book->config.secret = NULL;
    if (config->secret != NULL) {
        memcpy(book->secret, config->secret, sizeof(book->secret));
    } else {
        kith_random_secure(config->random, book->secret, sizeof(book->secret));
    }
    book->free_first = KITH_BOOK_NONE;
    book->dirty_first = KITH_BOOK_NONE;
    book->dirty_last = KITH_BOOK_NONE;
    kith_list_init(&book->ban_list);
    kith_list_init(&book->ban_dirty);
    int r = book_init(book);
    if (r < 0) {
        kith_book_free(book);
        return r;
    }
    *ret = book;
    return 0;
}

struct kith_book *kith_book_free(struct kith_book *book) {
    if (book == NULL) {
        return NULL;
    }
    kith_book_bans_deinit(book);
    for (unsigned i = 0; i < KITH_BOOK_N_TABLES; i++) {
        shelf_deinit(&book->shelves[i]);
    }
    for (uint32_t i = 0; i < book->n_chunks; i++) {
        free(book->chunks[i]);
    }
    free(book->chunks);
    free(book->tests);
    free(book->key_roles);
    free(book->ban_bits);
    kith_chains_deinit(&book->by_endpoint);
    kith_chains_deinit(&book->by_key);
    sodium_memzero(book->secret, sizeof(book->secret));
    free(book);
    return NULL;
}

const struct kith_book_entry *kith_book_find(const struct kith_book *book,
                                             const struct kith_contact *contact) {
    struct kith_contact c = kith_book_canonical(contact);
    const struct kith_book_item *item = kith_book_item_find(book, &c);

    return item == NULL ? NULL : &item->e;
}

size_t kith_book_find_key(const struct kith_book *book, const struct kith_key *key,
                          const struct kith_book_entry **entries, size_t n) {
    const struct kith_book_item *item = kith_book_of(book, key, NULL);
    size_t found = 0;

    for (; item != NULL && found < n; item = kith_book_of(book, key, item)) {
        entries[found++] = &item->e;
    }
    return found;
}

int kith_book_each(const struct kith_book *book,
                   int (*fn)(const struct kith_book_entry *entry, void *user), void *user) {
    for (unsigned table = 0; table < KITH_BOOK_N_TABLES; table++) {
        const struct kith_book_shelf *shelf = &book->shelves[table];
        for (uint32_t i = 0; i < shelf->n_members; i++) {
            int r = fn(&kith_book_item(book, shelf->members[i])->e, user);
            if (r != 0) {
                return r;
            }
        }
    }
    return 0;
}

uint32_t kith_book_health(const struct kith_book_entry *entry, uint64_t wall_us) {
    uint32_t age = kith_book_elapsed(kith_book_seconds(wall_us), entry->health_s);
    uint32_t halvings = age / KITH_BOOK_HEALTH_HALF_LIFE_S;
    uint32_t rest = age % KITH_BOOK_HEALTH_HALF_LIFE_S;
    bool good = entry->health >= KITH_BOOK_HEALTH_NEUTRAL;
    uint32_t distance =
        good ? entry->health - KITH_BOOK_HEALTH_NEUTRAL : KITH_BOOK_HEALTH_NEUTRAL - entry->health;

    if (halvings >= HALVINGS_MAX) {
        return KITH_BOOK_HEALTH_NEUTRAL;
    }
    distance >>= halvings;
    distance -= (uint32_t)((uint64_t)distance * rest / (2 * KITH_BOOK_HEALTH_HALF_LIFE_S));
    return good ? KITH_BOOK_HEALTH_NEUTRAL + distance : KITH_BOOK_HEALTH_NEUTRAL - distance;
}

bool kith_book_terrible(const struct kith_book_entry *entry, uint64_t wall_us) {
    uint32_t now_s = kith_book_seconds(wall_us);

    if (entry->roles != 0 ||
        (entry->try_s != 0 && kith_book_elapsed(now_s, entry->try_s) < JUST_TRIED_S)) {
        return false;
    }
    if (kith_book_health(entry, wall_us) < HEALTH_LOW) {
        return true;
    }
    if (entry->table == KITH_BOOK_NEW && kith_book_elapsed(now_s, entry->seen_s) > HORIZON_S) {
        return true;
    }
    if (entry->success_s == 0) {
        return entry->attempts >= RETRIES_NEVER;
    }
    return kith_book_elapsed(now_s, entry->success_s) > FAILING_S &&
           entry->attempts >= RETRIES_FAILING;
}

static size_t memory(const struct kith_book *book) {
    size_t size = sizeof(*book);

    for (unsigned table = 0; table < KITH_BOOK_N_TABLES; table++) {
        const struct kith_book_shelf *shelf = &book->shelves[table];
        size += shelf->n_buckets * (sizeof(*shelf->buckets) + sizeof(*shelf->used));
        size += shelf->capacity * sizeof(*shelf->members);
        for (uint32_t i = 0; i < shelf->n_buckets; i++) {
            size += shelf->buckets[i].slots == NULL ? 0 : book->config.slots * sizeof(uint32_t);
        }
    }
    size += book->chunks_capacity * sizeof(*book->chunks);
    size += book->n_chunks * KITH_BOOK_CHUNK * sizeof(struct kith_book_item);
    size += book->tests == NULL ? 0 : KITH_BOOK_TESTS_MAX * sizeof(*book->tests);
    size += book->key_roles == NULL ? 0 : KITH_BOOK_KEY_ROLES_MAX * sizeof(*book->key_roles);
    size += book->ban_bits == NULL ? 0 : 2 * sizeof(*book->ban_bits);
    size += (book->by_endpoint.n_chains + book->by_key.n_chains) * sizeof(uint32_t);
    size += book->bans.n_chains * sizeof(struct kith_hash_node *);
    return size + book->bans.n * sizeof(struct kith_book_ban_item);
}

void kith_book_count(const struct kith_book *book, uint64_t wall_us, struct kith_book_counts *ret) {
    struct kith_book_counts counts = book->counts;
    uint64_t sum = 0;
    uint64_t n = 0;

    counts.n_new = book->shelves[KITH_BOOK_NEW].n_members;
    counts.n_tried = book->shelves[KITH_BOOK_TRIED].n_members;
    counts.n_pinned = book->shelves[KITH_BOOK_PINNED].n_members;
    counts.n_bans = book->n_bans;
    counts.n_tests = book->n_tests;
    for (unsigned table = 0; table < KITH_BOOK_N_TABLES; table++) {
        for (uint32_t i = 0; i < book->shelves[table].n_members; i++, n++) {
            sum += kith_book_health(&kith_book_member(book, table, i)->e, wall_us);
        }
    }
    counts.mean_health = n == 0 ? KITH_BOOK_HEALTH_NEUTRAL : (uint32_t)(sum / n);
    counts.memory = memory(book);
    *ret = counts;
}

/* Age alone ends a hint only in a network in which somebody answers: after a month on the shelf
 * the old book is all there is. */
static bool expired(const struct kith_book *book, const struct kith_book_item *item,
                    uint64_t wall_us) {
    if (item->state != KITH_BOOK_NEW && item->state != KITH_BOOK_TRIED) {
        return false;
    }
    bool online = false;
    for (unsigned i = 0; i < KITH_BOOK_CLASSES; i++) {
        online |= book->good_serial[i] > 0;
    }
    return online && kith_book_terrible(&item->e, wall_us);
}

size_t kith_book_clean(struct kith_book *book, uint64_t wall_us) {
    uint32_t n_items = book->n_chunks * KITH_BOOK_CHUNK;
    size_t n_dropped = 0;

    kith_book_bans_clean(book, wall_us);
    kith_book_tests_clean(book, wall_us);
    for (uint32_t i = 0; i < CLEAN_ITEMS && i < n_items; i++) {
        book->clean_at = book->clean_at + 1 < n_items ? book->clean_at + 1 : 0;
        struct kith_book_item *item = kith_book_item(book, book->clean_at);
        if (item->used && expired(book, item, wall_us)) {
            kith_book_item_remove(book, item);
            n_dropped++;
        }
    }
    book->counts.expired += n_dropped;
    return n_dropped;
}
