/* SPDX-License-Identifier: MIT */
/* An array searched whole: it is short while nobody floods, and 4 kB at most. */
#include "core/quota.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 4 };

/* The bucket of the tag, or the one that it may take: a full one, or the fullest. */
static struct kith_quota_entry *find(struct kith_quota *quota, uint64_t tag) {
    struct kith_quota_entry *fullest = NULL;
    for (uint32_t i = 0; i < quota->capacity; i++) {
        struct kith_quota_entry *entry = &quota->entries[i];
        if (entry->tag == tag && entry->full_at != 0) {
            return entry;
        }
        if (fullest == NULL || entry->full_at < fullest->full_at) {
            fullest = entry;
        }
    }
    return fullest;
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
    bool mine = entry != NULL && entry->tag == tag && entry->full_at != 0;
    if (!mine && (entry == NULL || entry->full_at > now) && quota->capacity < KITH_QUOTA_MAX) {
        grow(quota);
        entry = find(quota, tag);
    }
    if (entry == NULL) {
        return true;
    }
    if (!mine) {
        *entry = (struct kith_quota_entry){.tag = tag};
    }
    uint64_t from = entry->full_at > now ? entry->full_at : now;
    if (from - now + quota->cost_ns > quota->burst_ns) {
        return false;
    }
    entry->full_at = from + quota->cost_ns;
    return true;
}

void kith_quota_deinit(struct kith_quota *quota) {
    free(quota->entries);
    quota->entries = NULL;
    quota->capacity = 0;
}
