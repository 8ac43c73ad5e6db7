/* SPDX-License-Identifier: MIT */
/* book_check: what must always be so. For tests and fuzzers, after every step; O(entries). */
#include "core/book/book_internal.h"

static const char *check_item(const struct kith_book *book, const struct kith_book_item *item) {
    const struct kith_book_entry *e = &item->e;
    const struct kith_book_shelf *shelf = &book->shelves[item->state];

    if (e->table != (enum kith_book_table)item->state || item->place >= shelf->n_members ||
        shelf->members[item->place] != item->index) {
        return "an entry is not where it says";
    }
    if (kith_book_item_find(book, &e->contact) != item) {
        return "an entry is not found, or twice";
    }
    if ((e->roles != 0) != (item->state == KITH_BOOK_PINNED)) {
        return "an entry has a role and is not pinned, or the reverse";
    }
    if (item->state == KITH_BOOK_TRIED && (e->success_s == 0 || !e->contact.has_key)) {
        return "an entry in tried never answered";
    }
    if (item->state == KITH_BOOK_TRIED && kith_book_tried_at(book, &e->contact.endpoint) != item) {
        return "two entries in tried are at one endpoint";
    }
    if (e->health > KITH_BOOK_HEALTH_ONE || !kith_endpoint_usable(&e->contact.endpoint)) {
        return "an entry holds nonsense";
    }
    if (item->state == KITH_BOOK_PINNED) {
        return NULL;
    }
    uint32_t bucket;
    uint8_t slot;
    kith_book_locate(book, item, (enum kith_book_table)item->state, &bucket, &slot);
    if (item->bucket != bucket || item->slot != slot ||
        shelf->buckets[bucket].slots[slot] != item->index) {
        return "an entry is in a slot that is not its own";
    }
    return NULL;
}

static const char *check_shares(const struct kith_book *book, const struct kith_book_item *item) {
    const struct kith_contact *c = &item->e.contact;
    unsigned n = 0;

    const struct kith_book_item *i = kith_book_at(book, &c->endpoint, NULL);
    for (; i != NULL; i = kith_book_at(book, &c->endpoint, i)) {
        n++;
    }
    if (n > KITH_BOOK_PER_ENDPOINT) {
        return "too many keys at one endpoint";
    }
    n = 0;
    i = c->has_key ? kith_book_of(book, &c->key, NULL) : NULL;
    for (; i != NULL; i = kith_book_of(book, &c->key, i)) {
        n++;
    }
    return n > KITH_BOOK_PER_KEY ? "too many endpoints of one key" : NULL;
}

static const char *check_shelf(const struct kith_book *book, unsigned table) {
    const struct kith_book_shelf *shelf = &book->shelves[table];
    uint32_t n_used = 0;
    uint32_t n_held = 0;

    for (uint32_t i = 0; i < shelf->n_members; i++) {
        if (kith_book_member(book, table, i)->state != table) {
            return "a member of another table";
        }
    }
    for (uint32_t b = 0; b < shelf->n_buckets; b++) {
        const struct kith_book_bucket *bucket = &shelf->buckets[b];
        uint32_t n = 0;
        for (uint32_t s = 0; bucket->slots != NULL && s < book->config.slots; s++) {
            n += bucket->slots[s] != KITH_BOOK_NONE;
        }
        n_held += n;
        n_used += n > 0;
        if (n != bucket->n ||
            (n > 0 && (bucket->place >= shelf->n_used || shelf->used[bucket->place] != b))) {
            return "a bucket miscounts";
        }
    }
    if (n_used != shelf->n_used || (table != KITH_BOOK_PINNED && n_held != shelf->n_members)) {
        return "a table miscounts";
    }
    return NULL;
}

static const char *check_tests(const struct kith_book *book) {
    for (uint32_t i = 0; i < book->n_tests; i++) {
        const struct kith_book_item *newcomer = kith_book_item(book, book->tests[i].newcomer);
        const struct kith_book_item *holder = kith_book_item(book, book->tests[i].holder);
        if (newcomer->state != KITH_BOOK_NEW || holder->state != KITH_BOOK_TRIED ||
            kith_book_holder(book, newcomer, KITH_BOOK_TRIED) != holder) {
            return "a test of two that do not collide";
        }
    }
    return book->n_tests > KITH_BOOK_TESTS_MAX ? "too many tests" : NULL;
}

const char *kith_book_check(const struct kith_book *book) {
    size_t n_placed = 0;
    const char *wrong = check_tests(book);

    for (uint32_t i = 0; wrong == NULL && i < book->n_chunks * KITH_BOOK_CHUNK; i++) {
        const struct kith_book_item *item = kith_book_item(book, i);
        if (!item->used) {
            continue;
        }
        if (item->index != i || item->state == KITH_BOOK_LOOSE) {
            return "an entry without a place";
        }
        if (item->state == KITH_BOOK_GONE) {
            wrong = !item->dirty ? "a removal that nobody will hear of" : NULL;
            continue;
        }
        n_placed++;
        wrong = check_item(book, item);
        wrong = wrong != NULL ? wrong : check_shares(book, item);
    }
    for (unsigned table = 0; wrong == NULL && table < KITH_BOOK_N_TABLES; table++) {
        n_placed -= book->shelves[table].n_members;
        wrong = check_shelf(book, table);
    }
    if (wrong == NULL &&
        (n_placed != 0 || book->shelves[KITH_BOOK_PINNED].n_members > KITH_BOOK_PINNED_MAX)) {
        return "entries that belong to no table";
    }
    return wrong != NULL ? wrong : kith_book_check_bans(book);
}
