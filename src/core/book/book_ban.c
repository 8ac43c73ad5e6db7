/* SPDX-License-Identifier: MIT */
/*
 * book_ban: bans of keys and of prefixes of addresses.
 *
 * Keys are free, so a ban that is to hold names a prefix; one of a key is for a peer that is broken
 * rather than hostile. Both are found in one hash table: a prefix is looked up under its masked
 * address once per length in use, of which there are a few, so a datagram costs a few hashes
 * however many bans there are, and one comparison while there are none.
 */
#include "core/book/book_internal.h"

#include <stdlib.h>

enum {
    IP4_BITS = 32,
    IP6_BITS = 128,
    IP4_BITS_MIN = 8,
    IP6_BITS_MIN = 16,
};

static uint64_t hash_of(const struct kith_book *book, const struct kith_book_ban *ban) {
    uint8_t bytes[40];
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    kith_write_u8(&w, ban->is_key);
    if (ban->is_key) {
        kith_write_bytes(&w, ban->key.bytes, sizeof(ban->key.bytes));
    } else {
        kith_write_u8(&w, ban->family);
        kith_write_u8(&w, ban->bits);
        kith_write_bytes(&w, ban->ip, sizeof(ban->ip));
    }
    return kith_book_hash(book, 1, 'b', bytes, kith_writer_size(&w));
}

static bool same_target(const struct kith_book_ban *a, const struct kith_book_ban *b) {
    if (a->is_key != b->is_key) {
        return false;
    }
    if (a->is_key) {
        return kith_key_equal(&a->key, &b->key);
    }
    return a->family == b->family && a->bits == b->bits && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool kith_book_ban_valid(const struct kith_book_ban *ban) {
    if (ban->is_key) {
        return true;
    }
    return (ban->family == 4 && ban->bits >= IP4_BITS_MIN && ban->bits <= IP4_BITS) ||
           (ban->family == 6 && ban->bits >= IP6_BITS_MIN && ban->bits <= IP6_BITS);
}

/* The same ban in the one form in which it is compared. */
static struct kith_book_ban canonical(const struct kith_book_ban *ban) {
    struct kith_book_ban c;

    memset(&c, 0, sizeof(c));
    c.is_key = ban->is_key;
    c.since_us = ban->since_us;
    c.until_us = ban->until_us;
    if (ban->is_key) {
        c.key = ban->key;
        return c;
    }
    c.family = ban->family;
    c.bits = ban->bits;
    unsigned whole = ban->bits / 8;
    memcpy(c.ip, ban->ip, whole);
    if (ban->bits % 8 != 0) {
        c.ip[whole] = ban->ip[whole] & (uint8_t)(0xff00 >> ban->bits % 8);
    }
    return c;
}

static struct kith_book_ban_item *ban_find(const struct kith_book *book,
                                           const struct kith_book_ban *canon) {
    struct kith_hash_node *n = kith_hash_first(&book->bans, hash_of(book, canon));

    for (; n != NULL; n = kith_hash_next(n)) {
        struct kith_book_ban_item *item = kith_container_of(n, struct kith_book_ban_item, node);
        if (same_target(&item->ban, canon)) {
            return item;
        }
    }
    return NULL;
}

static void ban_count(struct kith_book *book, const struct kith_book_ban *ban, bool added) {
    uint32_t *n = ban->is_key ? &book->n_key_bans : &book->ban_bits[ban->family == 6][ban->bits];

    *n = added ? *n + 1 : *n - 1;
    book->n_bans = added ? book->n_bans + 1 : book->n_bans - 1;
}

void kith_book_ban_release(struct kith_book_ban_item *item) {
    kith_list_remove(&item->dirty);
    free(item);
}

static void ban_dirty(struct kith_book *book, struct kith_book_ban_item *item) {
    if (kith_list_empty(&item->dirty)) {
        kith_list_append(&book->ban_dirty, &item->dirty);
    }
}

static void ban_remove(struct kith_book *book, struct kith_book_ban_item *item) {
    ban_count(book, &item->ban, false);
    kith_hash_remove(&book->bans, &item->node);
    kith_list_remove(&item->all);
    if (!item->stored) {
        kith_book_ban_release(item);
        return;
    }
    item->gone = true;
    ban_dirty(book, item);
}

void kith_book_bans_clean(struct kith_book *book, uint64_t wall_us) {
    struct kith_list *l = kith_list_first(&book->ban_list);

    while (l != NULL) {
        struct kith_book_ban_item *item = kith_container_of(l, struct kith_book_ban_item, all);
        l = kith_list_next(&book->ban_list, l);
        if (item->ban.until_us <= wall_us) {
            ban_remove(book, item);
        }
    }
}

void kith_book_bans_deinit(struct kith_book *book) {
    struct kith_list *l;

    while ((l = kith_list_first(&book->ban_list)) != NULL) {
        struct kith_book_ban_item *item = kith_container_of(l, struct kith_book_ban_item, all);
        item->stored = false;
        ban_remove(book, item);
    }
    while ((l = kith_list_first(&book->ban_dirty)) != NULL) {
        kith_book_ban_release(kith_container_of(l, struct kith_book_ban_item, dirty));
    }
    kith_hash_deinit(&book->bans);
}

/* -> 0, KITH_EFULL */
static int ban_room(struct kith_book *book, uint64_t until_us, uint64_t wall_us) {
    struct kith_book_ban_item *first = NULL;

    if (book->n_bans < KITH_BOOK_BANS_MAX) {
        return 0;
    }
    kith_book_bans_clean(book, wall_us);
    if (book->n_bans < KITH_BOOK_BANS_MAX) {
        return 0;
    }
    struct kith_list *l = kith_list_first(&book->ban_list);
    for (; l != NULL; l = kith_list_next(&book->ban_list, l)) {
        struct kith_book_ban_item *item = kith_container_of(l, struct kith_book_ban_item, all);
        if (first == NULL || item->ban.until_us < first->ban.until_us) {
            first = item;
        }
    }
    if (first->ban.until_us >= until_us) {
        return KITH_EFULL;
    }
    ban_remove(book, first);
    return 0;
}

/* -> 0 and the item, KITH_EFULL, KITH_ENOMEM */
static int ban_put(struct kith_book *book, const struct kith_book_ban *canon, uint64_t wall_us,
                   struct kith_book_ban_item **ret) {
    struct kith_book_ban_item *item = ban_find(book, canon);

    if (item == NULL) {
        int r = ban_room(book, canon->until_us, wall_us);
        if (r < 0) {
            return r;
        }
        if (book->ban_bits == NULL) {
            book->ban_bits = calloc(2, sizeof(*book->ban_bits));
            if (book->ban_bits == NULL) {
                return KITH_ENOMEM;
            }
        }
        item = calloc(1, sizeof(*item));
        if (item == NULL || kith_hash_insert(&book->bans, &item->node, hash_of(book, canon)) < 0) {
            free(item);
            return KITH_ENOMEM;
        }
        kith_list_append(&book->ban_list, &item->all);
        ban_count(book, canon, true);
    }
    item->ban = *canon;
    *ret = item;
    return 0;
}

int kith_book_ban(struct kith_book *book, const struct kith_book_ban *ban, uint64_t wall_us) {
    struct kith_book_ban_item *item;

    if (!kith_book_ban_valid(ban) || ban->until_us <= wall_us) {
        return KITH_EINVALID;
    }
    struct kith_book_ban canon = canonical(ban);
    canon.since_us = wall_us;
    int r = ban_put(book, &canon, wall_us, &item);
    if (r == 0) {
        ban_dirty(book, item);
    }
    return r;
}

int kith_book_ban_load(struct kith_book *book, const struct kith_book_ban *ban, uint64_t wall_us) {
    struct kith_book_ban_item *item;

    int r = ban_put(book, ban, wall_us, &item);
    if (r == 0) {
        item->stored = true; /* one that has ended goes with the next clean-up, told as removed */
    }
    return r;
}

int kith_book_unban(struct kith_book *book, const struct kith_book_ban *ban) {
    if (!kith_book_ban_valid(ban)) {
        return KITH_ENOT_FOUND;
    }
    struct kith_book_ban canon = canonical(ban);
    struct kith_book_ban_item *item = ban_find(book, &canon);
    if (item == NULL) {
        return KITH_ENOT_FOUND;
    }
    ban_remove(book, item);
    return 0;
}

static bool ban_holds(const struct kith_book *book, const struct kith_book_ban *target,
                      uint64_t wall_us) {
    struct kith_book_ban canon = canonical(target);
    const struct kith_book_ban_item *item = ban_find(book, &canon);

    return item != NULL && item->ban.until_us > wall_us;
}

bool kith_book_banned(const struct kith_book *book, const struct kith_key *key,
                      const struct kith_endpoint *endpoint, uint64_t wall_us) {
    if (book->n_key_bans > 0 && key != NULL) {
        struct kith_book_ban target = {.is_key = true, .key = *key};
        if (ban_holds(book, &target, wall_us)) {
            return true;
        }
    }
    if (endpoint == NULL || book->n_bans == book->n_key_bans) {
        return false;
    }
    unsigned bits_max = endpoint->family == 6 ? IP6_BITS : endpoint->family == 4 ? IP4_BITS : 0;
    for (unsigned bits = 1; bits <= bits_max; bits++) {
        if (book->ban_bits[endpoint->family == 6][bits] == 0) {
            continue;
        }
        struct kith_book_ban target = {.family = endpoint->family, .bits = (uint8_t)bits};
        memcpy(target.ip, endpoint->ip, bits_max / 8);
        if (ban_holds(book, &target, wall_us)) {
            return true;
        }
    }
    return false;
}

int kith_book_each_ban(const struct kith_book *book,
                       int (*fn)(const struct kith_book_ban *ban, void *user), void *user) {
    struct kith_list *l = kith_list_first(&book->ban_list);

    for (; l != NULL; l = kith_list_next(&book->ban_list, l)) {
        int r = fn(&kith_container_of(l, struct kith_book_ban_item, all)->ban, user);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

const char *kith_book_check_bans(const struct kith_book *book) {
    struct kith_list *l = kith_list_first(&book->ban_list);
    uint32_t n = 0;
    uint32_t n_keys = 0;

    for (; l != NULL; l = kith_list_next(&book->ban_list, l), n++) {
        const struct kith_book_ban_item *item =
            kith_container_of(l, struct kith_book_ban_item, all);
        n_keys += item->ban.is_key;
        if (item->gone || !kith_book_ban_valid(&item->ban) || ban_find(book, &item->ban) != item) {
            return "a ban that is not found, or twice";
        }
    }
    if (n != book->n_bans || n != book->bans.n || n_keys != book->n_key_bans ||
        n > KITH_BOOK_BANS_MAX) {
        return "the number of bans";
    }
    return NULL;
}
