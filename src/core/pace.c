/* SPDX-License-Identifier: MIT */
/*
 * pace: the generic cell rate algorithm in its form as a virtual schedule (ITU-T I.371, A.1): a
 * unit is due one interval after the one before, and may come early by at most the burst.
 */
#include "core/pace.h"

#include "core/keyed_hash.h"
#include "util/span.h"
#include "util/timer.h"

static const uint64_t BURST_NS_MAX = UINT64_MAX / 4; /* sums stay in range */

struct kith_pace_limit kith_pace_limit(uint64_t per_s, uint64_t burst) {
    struct kith_pace_limit limit = {0};

    if (per_s == 0) {
        return limit;
    }
    limit.interval_ns = per_s < KITH_NS_PER_S ? KITH_NS_PER_S / per_s : 1;
    uint64_t ahead = burst > 1 ? burst - 1 : 0;
    limit.burst_ns =
        ahead < BURST_NS_MAX / limit.interval_ns ? ahead * limit.interval_ns : BURST_NS_MAX;
    return limit;
}

/* How far the schedule is ahead of the clock. */
static uint64_t ahead_of(const struct kith_pace *pace, uint64_t now) {
    return pace->due > now ? pace->due - now : 0;
}

bool kith_pace_ready(const struct kith_pace *pace, const struct kith_pace_limit *limit,
                     uint64_t units, uint64_t now) {
    uint64_t ahead = ahead_of(pace, now);

    if (limit->interval_ns == 0 || units == 0) {
        return true;
    }
    return ahead <= limit->burst_ns && units - 1 <= (limit->burst_ns - ahead) / limit->interval_ns;
}

bool kith_pace_take(struct kith_pace *pace, const struct kith_pace_limit *limit, uint64_t units,
                    uint64_t now) {
    if (!kith_pace_ready(pace, limit, units, now)) {
        return false;
    }
    pace->due = now + ahead_of(pace, now) + units * limit->interval_ns;
    return true;
}

uint64_t kith_pace_reserve(struct kith_pace *pace, const struct kith_pace_limit *limit,
                           uint64_t wait_max, uint64_t now) {
    uint64_t ahead = ahead_of(pace, now);
    uint64_t wait = ahead > limit->burst_ns ? ahead - limit->burst_ns : 0;

    if (limit->interval_ns == 0) {
        return 0;
    }
    if (wait > wait_max) {
        return KITH_NEVER;
    }
    pace->due = now + ahead + limit->interval_ns;
    return wait;
}

void kith_paces_init(struct kith_paces *paces, const struct kith_random *random) {
    *paces = (struct kith_paces){.slots = {{0}}};
    kith_random_secure(random, paces->key, sizeof(paces->key));
}

static struct kith_pace *slot_of(struct kith_paces *paces, const void *bytes, size_t size) {
    return &paces->slots[kith_keyed_hash(paces->key, bytes, size) % KITH_PACES_SLOTS];
}

static struct kith_pace *address_slot(struct kith_paces *paces,
                                      const struct kith_endpoint *endpoint, uint16_t port) {
    uint8_t bytes[1 + sizeof(endpoint->ip) + sizeof(endpoint->scope) + sizeof(port)];
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    kith_write_u8(&w, endpoint->family);
    kith_write_bytes(&w, endpoint->ip, sizeof(endpoint->ip));
    kith_write_u32(&w, endpoint->scope);
    kith_write_u16(&w, port);
    return slot_of(paces, bytes, sizeof(bytes));
}

struct kith_pace *kith_paces_of_ip(struct kith_paces *paces, const struct kith_endpoint *endpoint) {
    return address_slot(paces, endpoint, 0);
}

struct kith_pace *kith_paces_of_node(struct kith_paces *paces,
                                     const struct kith_endpoint *endpoint) {
    return address_slot(paces, endpoint, kith_endpoint_exempt(endpoint) ? endpoint->port : 0);
}

struct kith_pace *kith_paces_of_prefix(struct kith_paces *paces,
                                       const struct kith_endpoint *endpoint) {
    struct kith_prefix prefix;

    if (kith_endpoint_exempt(endpoint)) {
        return kith_paces_of_ip(paces, endpoint);
    }
    kith_endpoint_prefix(endpoint, &prefix);
    return slot_of(paces, prefix.bytes, sizeof(prefix.bytes));
}
