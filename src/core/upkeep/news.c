/* SPDX-License-Identifier: MIT */
/* Batches of book changes: an array that is searched from its end, since changes of one contact
 * come close together. */
#include "core/upkeep/news.h"

#include <stdlib.h>

#include "core/base/endpoint.h"
#include "core/base/id.h"

static bool same_contact(const struct kith_contact *a, const struct kith_contact *b) {
    return a->has_key == b->has_key && kith_endpoint_equal(&a->endpoint, &b->endpoint) &&
           (!a->has_key || kith_key_equal(&a->key, &b->key));
}

static struct kith_news_item *find(const struct kith_news *news,
                                   const struct kith_contact *contact) {
    for (uint32_t i = news->n; i-- > 0;) {
        if (same_contact(&news->items[i].contact, contact)) {
            return &news->items[i];
        }
    }
    return NULL;
}

static void drop(struct kith_news *news, struct kith_news_item *item) {
    news->n_hints -= item->hint;
    news->n--;
    memmove(item, item + 1, (size_t)(&news->items[news->n] - item) * sizeof(*item));
}

/* What the application has not heard of yet, and what comes on top of it, as one. */
static void merge(struct kith_news *news, struct kith_news_item *item, enum kith_event_kind kind,
                  bool hint) {
    if (item->kind == KITH_EVENT_PEER_ADDED && kind == KITH_EVENT_PEER_REMOVED) {
        drop(news, item);
        return;
    }
    if (item->kind == KITH_EVENT_PEER_REMOVED) {
        kind = KITH_EVENT_PEER_UPDATED; /* it is back */
    } else if (item->kind == KITH_EVENT_PEER_ADDED) {
        kind = KITH_EVENT_PEER_ADDED;
    }
    news->n_hints -= item->hint && !hint;
    item->hint = item->hint && hint;
    item->kind = kind;
}

static void push(struct kith_news *news, const struct kith_news_item *item) {
    struct kith_event_box *box = kith_event_box_new();
    if (box == NULL) {
        news->env->stats.events_lost++;
        return;
    }
    box->event.kind = KITH_CORE_NODE;
    box->event.node.kind = item->kind;
    box->event.node.contact = item->contact;
    box->event.node.n_lost = news->n_lost;
    news->n_lost = 0;
    kith_events_push(news->events, box, false);
}

static void on_batch(struct kith_timer *timer, uint64_t now) {
    struct kith_news *news = kith_container_of(timer, struct kith_news, timer);
    for (uint32_t i = 0; i < news->n; i++) {
        push(news, &news->items[i]);
    }
    news->n = 0;
    news->n_hints = 0;
    news->next = now + KITH_NEWS_PERIOD_MS * KITH_NS_PER_MS;
    free(news->items);
    news->items = NULL;
}

static enum kith_event_kind kind_of(enum kith_book_event event) {
    switch (event) {
    case KITH_BOOK_EVENT_ADDED:
        return KITH_EVENT_PEER_ADDED;
    case KITH_BOOK_EVENT_REMOVED:
        return KITH_EVENT_PEER_REMOVED;
    case KITH_BOOK_EVENT_CHANGED:
        break;
    }
    return KITH_EVENT_PEER_UPDATED;
}

/* Room for one more, and the batch that it will be in. */
static bool make_room(struct kith_news *news, bool hint) {
    if (news->n == KITH_NEWS_MAX || (hint && news->n_hints == KITH_NEWS_HINTS_MAX)) {
        return false;
    }
    if (news->items == NULL) {
        news->items = calloc(KITH_NEWS_MAX, sizeof(*news->items));
    }
    return news->items != NULL &&
           (kith_timer_is_set(&news->timer) ||
            kith_timer_set(&news->env->timers, &news->timer, on_batch, news->next) == 0);
}

void kith_news_take(void *context, enum kith_book_event event,
                    const struct kith_book_entry *entry) {
    struct kith_news *news = context;
    enum kith_event_kind kind = kind_of(event);
    bool hint = entry->success_s == 0;
    struct kith_news_item *known = find(news, &entry->contact);
    if (known != NULL) {
        merge(news, known, kind, hint);
        return;
    }
    if (!make_room(news, hint)) {
        news->n_lost++;
        news->env->stats.events_lost++;
        return;
    }
    news->items[news->n++] =
        (struct kith_news_item){.kind = kind, .contact = entry->contact, .hint = hint};
    news->n_hints += hint;
}

void kith_news_deinit(struct kith_news *news) {
    if (news->env != NULL) {
        kith_timer_stop(&news->env->timers, &news->timer);
    }
    free(news->items);
    news->items = NULL;
}
