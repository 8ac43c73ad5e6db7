/* SPDX-License-Identifier: MIT */
/*
 * quota: how often whom is served: a pace (core/pace) by tag, without a place for those that are
 * not ahead of theirs.
 *
 * Where kith_paces gives every address a slot for good, which strangers may share, here a slot
 * belongs to one tag and is free as soon as its schedule is made up for: honest askers hardly ever
 * have one, and whoever is refused was charged himself. At most KITH_QUOTA_MAX are remembered; then
 * the least charged goes, so that inventing tags gains one request each and takes nothing from
 * anybody.
 */
#ifndef KITH_CORE_QUOTA_H
#define KITH_CORE_QUOTA_H

#include "core/base/pace.h"

enum { KITH_QUOTA_MAX = 256 };

struct kith_quota_entry {
    uint64_t tag;
    struct kith_pace pace;
};

/* Zeroed at first. */
struct kith_quota {
    struct kith_quota_entry *entries; /* grows as it is used */
    uint32_t capacity;
    struct kith_pace_limit limit;
};

/* Whether `tag` may be served now; if so, it is charged. Without memory everybody may. */
bool kith_quota_take(struct kith_quota *quota, uint64_t tag, uint64_t now);
void kith_quota_deinit(struct kith_quota *quota);

#endif
