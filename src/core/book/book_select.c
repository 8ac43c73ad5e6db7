/* SPDX-License-Identifier: MIT */
/*
 * book_select: whom to ask, and whom to tell about.
 *
 * A choice takes a bucket first and an entry in it second, as in Bitcoin: whoever is confined to a
 * few buckets, by group or by source, is chosen as rarely as those few buckets, however full they
 * are. Then the entry is kept with a chance: a hundredth within ten minutes of an attempt, times
 * 0.66 for each failure (at most eight), times twice its health below neutral; each refusal raises
 * the next one's chance by a fifth, so that a bad book ends the search too. Unlike Bitcoin's
 * search, empty buckets are never looked at: O(slots) per draw, 64 draws at most.
 *
 * A sample is drawn without replacement from those that answered lately (Fisher and Yates, as far
 * as needed, in the list of members, whose order means nothing). It says nothing about when anybody
 * was seen: such stamps tell nodes apart (bitcoin#33498).
 */
#include "core/book/book_internal.h"

#include <stdlib.h>

enum {
    DRAWS_MAX = 64,
    CHANCE_ONE = 65536,
    RECENT_TRY_S = 10 * 60,
    RECENT_TRY_PART = 100,
    CHANCE_ATTEMPTS_MAX = 8,
    LIVE_S = 3 * 3600, /* a NAT or a laptop is not worth telling about after that */
};

/* CHANCE_ONE times 0.66 to the power of the attempts. */
static const uint32_t CHANCE_OF_ATTEMPTS[CHANCE_ATTEMPTS_MAX + 1] = {
    65536, 43254, 28547, 18841, 12435, 8207, 5417, 3575, 2360};

static uint64_t chance(const struct kith_book_item *item, uint64_t wall_us) {
    const struct kith_book_entry *e = &item->e;
    unsigned attempts = e->attempts < CHANCE_ATTEMPTS_MAX ? e->attempts : CHANCE_ATTEMPTS_MAX;
    uint64_t chance = CHANCE_OF_ATTEMPTS[attempts];
    uint32_t health = kith_book_health(e, wall_us);

    if (e->try_s != 0 && kith_book_elapsed(kith_book_seconds(wall_us), e->try_s) < RECENT_TRY_S) {
        chance /= RECENT_TRY_PART;
    }
    if (health < KITH_BOOK_HEALTH_NEUTRAL) {
        chance = chance * health / KITH_BOOK_HEALTH_NEUTRAL;
    }
    return chance + 1;
}

/* A bucket, then an entry of it. */
static struct kith_book_item *draw(const struct kith_book *book, enum kith_book_table table) {
    const struct kith_book_shelf *shelf = &book->shelves[table];
    const struct kith_random *random = book->config.random;

    if (table == KITH_BOOK_PINNED) {
        return kith_book_member(book, table, (uint32_t)kith_random_below(random, shelf->n_members));
    }
    const struct kith_book_bucket *bucket =
        &shelf->buckets[shelf->used[kith_random_below(random, shelf->n_used)]];
    uint64_t nth = kith_random_below(random, bucket->n);
    uint32_t slot = 0;
    for (;; slot++) {
        if (bucket->slots[slot] != KITH_BOOK_NONE && nth-- == 0) {
            return kith_book_item(book, bucket->slots[slot]);
        }
    }
}

static const struct kith_book_entry *select_from(const struct kith_book *book,
                                                 enum kith_book_table table, uint64_t wall_us) {
    const struct kith_book_item *last = NULL;
    uint64_t factor = CHANCE_ONE;

    for (unsigned i = 0; i < DRAWS_MAX && book->shelves[table].n_members > 0; i++) {
        const struct kith_book_item *item = draw(book, table);
        if (kith_book_item_banned(book, item, wall_us)) {
            continue;
        }
        last = item;
        if (kith_random_below(book->config.random, CHANCE_ONE) <
            chance(item, wall_us) * factor / CHANCE_ONE) {
            break;
        }
        factor += factor / 5;
    }
    return last == NULL ? NULL : &last->e;
}

const struct kith_book_entry *kith_book_select(const struct kith_book *book, uint64_t wall_us) {
    const struct kith_random *random = book->config.random;
    uint32_t n_pinned = book->shelves[KITH_BOOK_PINNED].n_members;
    uint32_t n_tried = book->shelves[KITH_BOOK_TRIED].n_members;
    const struct kith_book_entry *entry = NULL;
    bool tried = kith_random_below(random, 100) < KITH_BOOK_TRIED_PERCENT;

    for (unsigned i = 0; i < 2 && entry == NULL; i++, tried = !tried) {
        if (!tried) {
            entry = select_from(book, KITH_BOOK_NEW, wall_us);
        } else if (n_pinned + n_tried > 0) {
            bool pinned = kith_random_below(random, n_pinned + n_tried) < n_pinned;
            entry = select_from(book, pinned ? KITH_BOOK_PINNED : KITH_BOOK_TRIED, wall_us);
        }
    }
    return entry;
}

const struct kith_book_entry *kith_book_feeler(const struct kith_book *book, uint64_t wall_us) {
    const struct kith_book_entry *entry = select_from(book, KITH_BOOK_NEW, wall_us);

    if (entry == NULL || kith_book_terrible(entry, wall_us) ||
        (entry->try_s != 0 &&
         kith_book_elapsed(kith_book_seconds(wall_us), entry->try_s) < RECENT_TRY_S)) {
        return NULL;
    }
    return entry;
}

/* ---- the best ---- */

static int better_first(const void *a, const void *b) {
    const struct kith_book_item *x = *(const struct kith_book_item *const *)a;
    const struct kith_book_item *y = *(const struct kith_book_item *const *)b;

    if (x->state != y->state) {
        return x->state == KITH_BOOK_PINNED ? -1 : 1;
    }
    if (x->e.success_s != y->e.success_s) {
        return x->e.success_s > y->e.success_s ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Whether the entries chosen so far leave room for one more of its group. */
static bool group_free(const struct kith_book *book, const uint64_t *groups, size_t n,
                       const struct kith_book_item *item, uint64_t *ret_group) {
    unsigned same = 0;

    *ret_group = kith_book_group(book, &item->e.contact.endpoint);
    for (size_t i = 0; i < n; i++) {
        same += groups[i] == *ret_group;
    }
    return same < KITH_BOOK_GROUP_MAX || item->state == KITH_BOOK_PINNED ||
           kith_endpoint_exempt(&item->e.contact.endpoint);
}

int kith_book_best(const struct kith_book *book, const struct kith_book_entry **entries, size_t n,
                   uint64_t wall_us) {
    const struct kith_book_shelf *pinned = &book->shelves[KITH_BOOK_PINNED];
    const struct kith_book_shelf *tried = &book->shelves[KITH_BOOK_TRIED];
    size_t n_all = (size_t)pinned->n_members + tried->n_members;
    size_t done = 0;

    if (n_all == 0 || n == 0) {
        return 0;
    }
    struct kith_book_item **all = malloc(n_all * sizeof(struct kith_book_item *));
    uint64_t *groups = malloc((n < n_all ? n : n_all) * sizeof(*groups));
    for (size_t i = 0; all != NULL && i < n_all; i++) {
        all[i] = i < pinned->n_members
                     ? kith_book_item(book, pinned->members[i])
                     : kith_book_item(book, tried->members[i - pinned->n_members]);
    }
    if (all != NULL && groups != NULL) {
        qsort(all, n_all, sizeof(struct kith_book_item *), better_first);
        for (size_t i = 0; i < n_all && done < n; i++) {
            if (!kith_book_item_banned(book, all[i], wall_us) &&
                group_free(book, groups, done, all[i], &groups[done])) {
                entries[done++] = &all[i]->e;
            }
        }
    }
    bool failed = all == NULL || groups == NULL;
    free(all);
    free(groups);
    return failed ? KITH_ENOMEM : (int)done;
}

/* ---- the sample ---- */

static bool shareable(const struct kith_book *book, const struct kith_book_item *item,
                      const struct kith_contact *asker, uint64_t wall_us) {
    const struct kith_book_entry *e = &item->e;

    if (!e->contact.has_key || e->hidden || (e->roles & KITH_BOOK_PRIVATE) != 0 ||
        e->success_s == 0 || e->attempts != 0 ||
        kith_book_elapsed(kith_book_seconds(wall_us), e->success_s) > LIVE_S) {
        return false;
    }
    if (kith_endpoint_equal(&e->contact.endpoint, &asker->endpoint) ||
        (asker->has_key && kith_key_equal(&e->contact.key, &asker->key))) {
        return false;
    }
    return kith_endpoint_scope(&e->contact.endpoint) <= kith_endpoint_scope(&asker->endpoint) &&
           !kith_book_item_banned(book, item, wall_us);
}

/* Brings a random one of the members from `done` on to place `done`. */
static struct kith_book_item *shuffle(struct kith_book *book, enum kith_book_table table,
                                      uint32_t done) {
    struct kith_book_shelf *shelf = &book->shelves[table];
    uint32_t other =
        done + (uint32_t)kith_random_below(book->config.random, shelf->n_members - done);
    uint32_t chosen = shelf->members[other];

    shelf->members[other] = shelf->members[done];
    shelf->members[done] = chosen;
    kith_book_item(book, shelf->members[other])->place = other;
    kith_book_item(book, chosen)->place = done;
    return kith_book_item(book, chosen);
}

size_t kith_book_sample(struct kith_book *book, const struct kith_contact *asker,
                        const struct kith_book_entry **entries, size_t n, uint64_t wall_us) {
    uint32_t n_pinned = book->shelves[KITH_BOOK_PINNED].n_members;
    uint32_t n_tried = book->shelves[KITH_BOOK_TRIED].n_members;
    size_t share = (((size_t)n_pinned + n_tried) * KITH_BOOK_SAMPLE_PERCENT + 99) / 100;
    size_t wanted = n < share ? n : share;
    uint32_t done[2] = {0, 0};
    size_t found = 0;

    while (found < wanted && done[0] + done[1] < n_pinned + n_tried) {
        uint32_t left = n_pinned - done[0];
        bool tried = kith_random_below(book->config.random, left + n_tried - done[1]) >= left;
        const struct kith_book_item *item =
            shuffle(book, tried ? KITH_BOOK_TRIED : KITH_BOOK_PINNED, done[tried]);
        done[tried]++;
        if (shareable(book, item, asker, wall_us)) {
            entries[found++] = &item->e;
        }
    }
    return found;
}
