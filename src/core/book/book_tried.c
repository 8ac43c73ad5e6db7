/* SPDX-License-Identifier: MIT */
/*
 * book_tried: who holds a slot in tried, and for how long.
 *
 * Test before evict (Heilman et al. 2015, countermeasure 3; bitcoin#9037): a newcomer that answered
 * does not push the holder of its slot out. The pair is remembered, the holder is contacted, and
 * only one that fails TEST_FAILURES times while others answer is moved back to new, where it keeps
 * its record and its chance. An attacker thus gains a slot in tried only where a peer has died, at
 * whatever size.
 *
 * Differences from Bitcoin: a single lost exchange does not cost the slot; a test that nobody made
 * within its window ends in favour of the holder; and a holder that would find no place in new
 * keeps the one it has: nothing that answered is dropped to make room.
 *
 * The pairs are an array of 64, scanned whole; a pair goes when either of the two moves.
 */
#include <stdlib.h>

#include "core/book/book_internal.h"

enum {
    RECENT_S = 4 * 3600,     /* one that answered since needs no test (Bitcoin: REPLACEMENT) */
    TEST_WINDOW_S = 40 * 60, /* Bitcoin: TEST_WINDOW */
    TEST_RETRY_S = 60,
    TEST_FAILURES = 2,
};

bool kith_book_yields(const struct kith_book *book, const struct kith_book_item *holder,
                      bool newcomer_answered, uint64_t wall_us) {
    return (newcomer_answered && holder->e.success_s == 0) ||
           kith_book_terrible(&holder->e, wall_us) || kith_book_item_banned(book, holder, wall_us);
}

int kith_book_shelve(struct kith_book *book, struct kith_book_item *item, bool answered,
                     uint64_t wall_us) {
    struct kith_book_item *holder = kith_book_holder(book, item, KITH_BOOK_NEW);

    if (holder == item) {
        return 0;
    }
    if (holder != NULL) {
        if (!kith_book_yields(book, holder, answered, wall_us)) {
            return KITH_BOOK_REFUSED_TAKEN;
        }
        kith_book_item_remove(book, holder);
        book->counts.displaced++;
    }
    return kith_book_place(book, item, KITH_BOOK_NEW);
}

/* The newcomer takes the slot in tried, the holder goes to new. Either happens whole, or nothing.
 * -> KITH_BOOK_PROMOTED, KITH_BOOK_WAITING, KITH_ENOMEM */
static int swap(struct kith_book *book, struct kith_book_item *newcomer,
                struct kith_book_item *holder, uint64_t wall_us) {
    bool was_new = newcomer->state == KITH_BOOK_NEW;
    int r;

    kith_book_unplace(book, newcomer); /* the holder may belong exactly there */
    r = kith_book_shelve(book, holder, true, wall_us);
    if (r == 0) {
        /* no allocation: the holder's bucket and its place among the members are there */
        r = kith_book_place(book, newcomer, KITH_BOOK_TRIED);
    } else if (was_new) {
        int back = kith_book_place(book, newcomer, KITH_BOOK_NEW); /* nor here */
        r = back < 0 ? back : r;
    }
    if (r != 0) {
        return r < 0 ? r : KITH_BOOK_WAITING;
    }
    book->counts.demoted++;
    book->counts.promoted++;
    kith_book_item_dirty(book, holder);
    kith_book_item_dirty(book, newcomer);
    kith_book_notify(book, KITH_BOOK_EVENT_CHANGED, holder);
    return KITH_BOOK_PROMOTED;
}

static int test_begin(struct kith_book *book, const struct kith_book_item *newcomer,
                      const struct kith_book_item *holder, uint64_t wall_us) {
    for (uint32_t i = 0; i < book->n_tests; i++) {
        if (book->tests[i].newcomer == newcomer->index) {
            return KITH_BOOK_TESTING;
        }
    }
    if (book->tests == NULL) {
        book->tests = calloc(KITH_BOOK_TESTS_MAX, sizeof(*book->tests));
    }
    if (book->tests == NULL || book->n_tests == KITH_BOOK_TESTS_MAX) {
        return KITH_BOOK_WAITING; /* it will answer again */
    }
    book->tests[book->n_tests++] = (struct kith_book_test){
        .newcomer = newcomer->index,
        .holder = holder->index,
        .since_s = kith_book_seconds(wall_us),
    };
    return KITH_BOOK_TESTING;
}

int kith_book_promote(struct kith_book *book, struct kith_book_item *item, uint64_t wall_us) {
    if (item->state == KITH_BOOK_TRIED || item->state == KITH_BOOK_PINNED) {
        return KITH_BOOK_UPDATED;
    }
    struct kith_book_item *holder = kith_book_holder(book, item, KITH_BOOK_TRIED);
    if (holder == NULL) {
        int r = kith_book_place(book, item, KITH_BOOK_TRIED);
        book->counts.promoted += r == 0;
        return r < 0 ? r : KITH_BOOK_PROMOTED;
    }
    if (kith_book_terrible(&holder->e, wall_us) || kith_book_item_banned(book, holder, wall_us)) {
        return swap(book, item, holder, wall_us);
    }
    if (item->state == KITH_BOOK_LOOSE) { /* while the holder is tested it waits in new */
        int r = kith_book_shelve(book, item, true, wall_us);
        if (r != 0) {
            return r < 0 ? r : KITH_BOOK_WAITING;
        }
    }
    uint32_t silent = kith_book_elapsed(kith_book_seconds(wall_us), holder->e.success_s);
    if (silent < RECENT_S && holder->e.attempts == 0) {
        return KITH_BOOK_WAITING;
    }
    return test_begin(book, item, holder, wall_us);
}

static void test_remove(struct kith_book *book, uint32_t i) {
    book->n_tests--;
    for (; i < book->n_tests; i++) {
        book->tests[i] = book->tests[i + 1]; /* in order: first come, first tested */
    }
}

void kith_book_tests_forget(struct kith_book *book, const struct kith_book_item *item) {
    for (uint32_t i = book->n_tests; i-- > 0;) {
        if (book->tests[i].newcomer == item->index || book->tests[i].holder == item->index) {
            test_remove(book, i);
        }
    }
}

void kith_book_tests_clean(struct kith_book *book, uint64_t wall_us) {
    uint32_t now_s = kith_book_seconds(wall_us);

    for (uint32_t i = book->n_tests; i-- > 0;) {
        if (kith_book_elapsed(now_s, book->tests[i].since_s) > TEST_WINDOW_S) {
            test_remove(book, i);
        }
    }
}

void kith_book_test_alive(struct kith_book *book, const struct kith_book_item *holder) {
    for (uint32_t i = book->n_tests; i-- > 0;) {
        if (book->tests[i].holder == holder->index) {
            test_remove(book, i);
            book->counts.tests_alive++;
        }
    }
}

int kith_book_test_failed(struct kith_book *book, struct kith_book_item *holder, uint64_t wall_us) {
    struct kith_book_item *newcomer = NULL;

    for (uint32_t i = 0; i < book->n_tests; i++) {
        struct kith_book_test *test = &book->tests[i];
        if (test->holder == holder->index && ++test->failures >= TEST_FAILURES &&
            newcomer == NULL) {
            newcomer = kith_book_item(book, test->newcomer); /* the first that came */
        }
    }
    if (newcomer == NULL) {
        return 0;
    }
    kith_book_tests_forget(book, holder);
    book->counts.tests_dead++;
    const struct kith_book_item *there = kith_book_tried_at(
        book, &newcomer->e.contact.endpoint); /* another key has answered since */
    if (kith_book_item_banned(book, newcomer, wall_us) || (there != NULL && there != holder)) {
        return 0;
    }
    int r = swap(book, newcomer, holder, wall_us);
    if (r == KITH_BOOK_PROMOTED) {
        kith_book_notify(book, KITH_BOOK_EVENT_CHANGED, newcomer);
    }
    return r < 0 ? r : 0;
}

const struct kith_book_entry *kith_book_next_test(struct kith_book *book, uint64_t wall_us) {
    uint32_t now_s = kith_book_seconds(wall_us);

    kith_book_tests_clean(book, wall_us);
    for (uint32_t i = 0; i < book->n_tests; i++) {
        struct kith_book_test *test = &book->tests[i];
        const struct kith_book_item *holder = kith_book_item(book, test->holder);
        bool due = test->asked_s == 0 || kith_book_elapsed(now_s, test->asked_s) >= TEST_RETRY_S;
        if (due && !kith_book_item_banned(book, holder, wall_us)) {
            test->asked_s = now_s != 0 ? now_s : 1;
            return &holder->e;
        }
    }
    return NULL;
}
