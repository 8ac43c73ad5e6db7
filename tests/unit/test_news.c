/* SPDX-License-Identifier: MIT */
/* news: what the application hears of the address book, and how little strangers can make it hear.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core_net.h"

/* ---- one book, its news, and no network ---- */

struct fixture {
    struct kith_env env;
    struct kith_events events;
    struct kith_news news;
    struct kith_book *book;
    uint64_t random[4];
    uint64_t now;
};

#define WALL UINT64_C(1790000000000000)

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->now = 5 * KITH_NS_PER_S;
    kith_timers_init(&f->env.timers);
    f->env.random = kith_test_random(f->random, 5);
    kith_events_init(&f->events, &f->env.stats);
    f->news = (struct kith_news){.env = &f->env, .events = &f->events, .next = f->now};
    struct kith_book_config config = {.random = &f->env.random,
                                      .strictness = KITH_BOOK_LAB,
                                      .on_event = kith_news_take,
                                      .context = &f->news};
    assert_int_equal(kith_book_new(&f->book, &config), 0);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    f->book = kith_book_free(f->book);
    kith_news_deinit(&f->news);
    kith_events_deinit(&f->events);
    kith_timers_deinit(&f->env.timers);
    free(f);
    return 0;
}

static struct kith_contact contact_at(unsigned i) {
    struct kith_contact contact = {
        .has_key = true,
        .key = {{(uint8_t)i, (uint8_t)(i >> 8), 1}},
        .endpoint = {.family = 4, .port = 7700, .ip = {10, (uint8_t)(i >> 8), (uint8_t)i, 1}}};
    return contact;
}

static void hint(struct fixture *f, unsigned i) {
    struct kith_book_hint h = {.contact = contact_at(i), .source = {.origin = KITH_BOOK_LAN}};
    int r = kith_book_add(f->book, &h, WALL);
    (void)r;
}

static void answers(struct fixture *f, unsigned i) {
    struct kith_contact contact = contact_at(i);
    assert_true(kith_book_good(f->book, &contact, WALL) > 0);
}

static void forget(struct fixture *f, unsigned i) {
    struct kith_contact contact = contact_at(i);
    assert_int_equal(kith_book_forget(f->book, &contact), 1);
}

struct told {
    unsigned n;
    unsigned n_lost;
    enum kith_event_kind last;
    struct kith_contact contact;
};

/* A second later at the latest; what was told since. */
static struct told batch(struct fixture *f) {
    struct told told = {0};
    struct kith_core_event event;
    f->now += KITH_NEWS_PERIOD_MS * KITH_NS_PER_MS;
    kith_timers_run(&f->env.timers, f->now);
    while (kith_events_next(&f->events, &event)) {
        told.n++;
        told.n_lost += event.node.n_lost;
        told.last = event.node.kind;
        told.contact = event.node.contact;
    }
    return told;
}

static void test_each_kind_once(void **state) {
    struct fixture *f = *state;
    const struct kith_contact contact = contact_at(1);
    hint(f, 1);
    struct told told = batch(f);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.last, KITH_EVENT_PEER_ADDED);
    assert_memory_equal(&told.contact, &contact, sizeof(contact));
    answers(f, 1);
    told = batch(f);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.last, KITH_EVENT_PEER_UPDATED);
    answers(f, 1); /* nothing new in that */
    assert_int_equal(batch(f).n, 0);
    forget(f, 1);
    told = batch(f);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.last, KITH_EVENT_PEER_REMOVED);
}

static void test_changes_of_one_contact_are_one(void **state) {
    struct fixture *f = *state;
    hint(f, 1);
    answers(f, 1);
    struct told told = batch(f);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.last, KITH_EVENT_PEER_ADDED);
    for (unsigned i = 0; i < 1000; i++) {
        forget(f, 1);
        answers(f, 1);
    }
    told = batch(f);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.last, KITH_EVENT_PEER_UPDATED);
    for (unsigned i = 0; i < 1000; i++) { /* came and went */
        hint(f, 2);
        forget(f, 2);
    }
    assert_int_equal(batch(f).n, 0);
    forget(f, 1);
    hint(f, 1);
    forget(f, 1);
    told = batch(f);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.last, KITH_EVENT_PEER_REMOVED);
}

/* A flood of hints is cut, leaves room for those that answer, and is admitted. */
static void test_flood(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 2000; i++) {
        hint(f, i);
    }
    for (unsigned i = 3000; i < 3000 + KITH_NEWS_HINTS_MAX; i++) {
        answers(f, i);
    }
    uint64_t lost = f->env.stats.events_lost;
    assert_true(lost > 500); /* as many hints as found a place in the book, less those told */
    struct told told = batch(f);
    assert_int_equal(told.n, KITH_NEWS_MAX);
    assert_int_equal(told.n_lost, lost);
    assert_null(f->news.items);
    answers(f, 9000);
    told = batch(f);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.n_lost, 0);
}

/* Not two batches in a second, whoever calls how often. */
static void test_pace(void **state) {
    struct fixture *f = *state;
    struct kith_core_event event;
    unsigned n = 0;
    for (unsigned ms = 0; ms < 5000; ms++) {
        answers(f, ms % 5000);
        kith_timers_run(&f->env.timers, f->now + ms * KITH_NS_PER_MS);
        while (kith_events_next(&f->events, &event)) {
            n++;
        }
    }
    assert_in_range(n, 4 * KITH_NEWS_MAX, 5 * KITH_NEWS_MAX + 1);
}

/* ---- whole nodes ---- */

struct heard {
    unsigned n_added;
    unsigned n_removed;
    struct kith_contact added[16];
};

static void on_told(struct net *net, unsigned i, const struct kith_event *event) {
    struct heard *heard = net->hook_context;
    if (event->kind < KITH_EVENT_PEER_ADDED) {
        return;
    }
    assert_int_equal(i, 0); /* the other did not ask for it */
    if (event->kind == KITH_EVENT_PEER_ADDED) {
        assert_true(heard->n_added < 16);
        heard->added[heard->n_added++] = event->contact;
    }
    heard->n_removed += event->kind == KITH_EVENT_PEER_REMOVED;
}

static void test_node_tells(void **state) {
    (void)state;
    struct net net;
    struct heard heard = {0};
    uint8_t seed[KITH_SEED_SIZE];
    net_init(&net);
    net.hook_context = &heard;
    struct kith_core_config config = net_config(&net, 0, seed);
    config.peer_events = true;
    net_add_config(&net, &config);
    net_add(&net);
    net.on_told = on_told;
    net_join(&net, 1, 0, true);
    net_run(&net, 30 * KITH_NS_PER_S);
    assert_int_equal(heard.n_added, 1);
    assert_memory_equal(heard.added[0].key.bytes, net.nodes[1].key.bytes, KITH_KEY_SIZE);
    assert_int_equal(kith_book_forget(net.nodes[0].core->keeper.book, &heard.added[0]), 1);
    net_run(&net, KITH_NS_PER_S);
    assert_int_equal(heard.n_removed, 1);
    net_deinit(&net);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_each_kind_once), CASE(test_changes_of_one_contact_are_one), CASE(test_flood),
        CASE(test_pace),           cmocka_unit_test(test_node_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
