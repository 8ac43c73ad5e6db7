/* SPDX-License-Identifier: MIT */
/* An array searched whole: it is short while nobody floods, and 4 kB at most. */
#include "core/base/quota.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 4 };

static bool is_of(const struct kith_quota_entry *entry, uint64_t tag) {
    return entry->tag == tag && entry->pace.due != 0;
}

/* The slot of the tag, or the one that it may take: the least charged. */
static struct kith_quota_entry *find(struct kith_quota *quota, uint64_t tag) {
    struct kith_quota_entry *least = NULL;
    for (uint32_t i = 0; i < quota->capacity; i++) {
        struct kith_quota_entry *entry = &quota->entries[i];
        if (is_of(entry, tag)) {
            return entry;
        }
        if (least == NULL || entry->pace.due < least->pace.due) {
            least = entry;
        }
    }
    return least;
}

/* Twice as many. Without memory it stays as it is. */
static void grow(struct kith_quota *quota) {
    uint32_t capacity = quota->capacity == 0 ? CAPACITY_FIRST : 2 * quota->capacity;
    struct kith_quota_entry *entries = realloc(quota->entries, capacity * sizeof(*entries));
    if (entries == NULL) {
        return;
    }
    for (uint32_t i = quota->capacity; i < capacity; i++) {
        entries[i] = (struct kith_quota_entry){0};
    }
    quota->entries = entries;
    quota->capacity = capacity;
}

bool kith_quota_take(struct kith_quota *quota, uint64_t tag, uint64_t now) {
    struct kith_quota_entry *entry = find(quota, tag);
    bool mine = entry != NULL && is_of(entry, tag);
    if (!mine && (entry == NULL || entry->pace.due > now) && quota->capacity < KITH_QUOTA_MAX) {
        grow(quota);
        entry = find(quota, tag);
    }
    if (entry == NULL) {
        return true;
    }
    if (!mine) {
        *entry = (struct kith_quota_entry){.tag = tag};
    }
    return kith_pace_take(&entry->pace, &quota->limit, 1, now);
}

void kith_quota_deinit(struct kith_quota *quota) {
    free(quota->entries);
    quota->entries = NULL;
    quota->capacity = 0;
}
