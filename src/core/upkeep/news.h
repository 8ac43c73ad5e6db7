/* SPDX-License-Identifier: MIT */
/*
 * news: changes of the address book on their way to the application.
 *
 * Strangers cause most of them, so they come in batches: at once when the last batch was a second
 * ago, else when it is. Between two batches changes of one contact become one (what came and went
 * is not told at all), and there is room for KITH_NEWS_MAX contacts, half of them for such that
 * never answered us: those cost nobody anything. What finds no room is counted, and the next batch
 * says how many they were.
 */
#ifndef KITH_CORE_NEWS_H
#define KITH_CORE_NEWS_H

#include "core/book/book.h"
#include "core/lookup/events.h"
#include "core/wire/env.h"

enum {
    KITH_NEWS_MAX = 256, /* told in one batch */
    KITH_NEWS_HINTS_MAX = KITH_NEWS_MAX / 2,
    KITH_NEWS_PERIOD_MS = 1000, /* between two batches */
};

struct kith_news_item {
    enum kith_event_kind kind;
    struct kith_contact contact;
    bool hint; /* never answered */
};

struct kith_news {
    struct kith_env *env;
    struct kith_events *events;
    struct kith_news_item *items; /* KITH_NEWS_MAX, in order; only while there are some */
    uint32_t n;
    uint32_t n_hints;
    uint32_t n_lost; /* since the last batch */
    uint64_t next;   /* when the next batch may be told */
    struct kith_timer timer;
};

/* The book's hook; `context` is a struct kith_news whose borrowed parts the caller set. */
void kith_news_take(void *context, enum kith_book_event event, const struct kith_book_entry *entry);
void kith_news_deinit(struct kith_news *news);

#endif
