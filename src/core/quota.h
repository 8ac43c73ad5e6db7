/* SPDX-License-Identifier: MIT */
/*
 * quota: how often whom is served: token buckets by tag, without a place for those that are full.
 *
 * A bucket is one number, the time at which it will be full again, so one that is full needs no
 * memory and honest askers hardly ever have any. At most KITH_QUOTA_MAX are remembered; then the
 * fullest goes, so that inventing tags gains one request each and takes nothing from anybody.
 */
#ifndef KITH_CORE_QUOTA_H
#define KITH_CORE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

enum { KITH_QUOTA_MAX = 256 };

struct kith_quota_entry {
    uint64_t tag;
    uint64_t full_at;
};

/* Zeroed at first. */
struct kith_quota {
    struct kith_quota_entry *entries; /* grows as it is used */
    uint32_t capacity;
    uint64_t cost_ns;  /* until one request is made up for */
    uint64_t burst_ns; /* what a bucket holds: a multiple of the cost */
};

/* Whether `tag` may be served now; if so, it is charged. Without memory everybody may. */
bool kith_quota_take(struct kith_quota *quota, uint64_t tag, uint64_t now);
void kith_quota_deinit(struct kith_quota *quota);

#endif
