/* SPDX-License-Identifier: MIT */
/*
 * pace: the generic cell rate algorithm in its form as a virtual schedule (ITU-T I.371, A.1): a
 * unit is due one interval after the one before, and may come early by at most the burst.
 */
#include "core/base/pace.h"

#include <stdlib.h>

#include "core/base/keyed_hash.h"
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

enum { CAPACITY_MIN = 8 };

void kith_paces_init(struct kith_paces *paces, const struct kith_random *random, uint64_t keep_ns) {
    *paces = (struct kith_paces){.keep_ns = keep_ns};
    kith_random_secure(random, paces->key, sizeof(paces->key));
}

void kith_paces_deinit(struct kith_paces *paces) {
    free(paces->slots);
    *paces = (struct kith_paces){0};
}

/* The slot of this number, or the free one where it would be, or NULL: all are taken. */
static struct kith_paces_slot *slot_find(struct kith_paces *paces, uint32_t number) {
    uint32_t mask = paces->capacity - 1;

    for (uint32_t i = 0; i < paces->capacity; i++) {
        struct kith_paces_slot *slot = &paces->slots[(number + i) & mask];
        if (slot->number == number || slot->number == 0) {
            return slot;
        }
    }
    return NULL;
}

static bool is_over(const struct kith_paces *paces, const struct kith_paces_slot *slot,
                    uint64_t now) {
    return paces->keep_ns != KITH_NEVER && slot->pace.due <= now &&
           now - slot->pace.due >= paces->keep_ns;
}

/* Room for twice what is still needed. Without memory everything stays. */
static void rebuild(struct kith_paces *paces, uint64_t now) {
    struct kith_paces old = *paces;
    uint32_t needed = 1;
    uint32_t capacity = CAPACITY_MIN;

    for (uint32_t i = 0; i < old.capacity; i++) {
        needed += old.slots[i].number != 0 && !is_over(paces, &old.slots[i], now);
    }
    while (capacity < 2 * needed && capacity < KITH_PACES_SLOTS) {
        capacity *= 2;
    }
    struct kith_paces_slot *slots = calloc(capacity, sizeof(*slots));
    if (slots == NULL) {
        return;
    }
    paces->slots = slots;
    paces->rebuilt = now;
    paces->capacity = capacity;
    paces->n = 0;
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].number != 0 && !is_over(paces, &old.slots[i], now)) {
            *slot_find(paces, old.slots[i].number) = old.slots[i];
            paces->n++;
        }
    }
    free(old.slots);
}

static struct kith_pace *slot_of(struct kith_paces *paces, const void *bytes, size_t size,
                                 uint64_t now) {
    uint32_t number = (uint32_t)(kith_keyed_hash(paces->key, bytes, size) % KITH_PACES_SLOTS) + 1;
    struct kith_paces_slot *slot = slot_find(paces, number);

    if (slot != NULL && slot->number == number) {
        return &slot->pace;
    }
    /* Of full size it can only shrink: not worth a try with every newcomer. */
    if (4 * (paces->n + 1) > 3 * paces->capacity &&
        (paces->capacity < KITH_PACES_SLOTS || now - paces->rebuilt >= KITH_NS_PER_S)) {
        rebuild(paces, now);
        slot = slot_find(paces, number);
    }
    if (slot == NULL) {
        return &paces->spare;
    }
    *slot = (struct kith_paces_slot){.number = number};
    paces->n++;
    return &slot->pace;
}

static struct kith_pace *address_slot(struct kith_paces *paces,
                                      const struct kith_endpoint *endpoint, uint16_t port,
                                      uint64_t now) {
    uint8_t bytes[1 + sizeof(endpoint->ip) + sizeof(endpoint->scope) + sizeof(port)];
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    kith_write_u8(&w, endpoint->family);
    kith_write_bytes(&w, endpoint->ip, sizeof(endpoint->ip));
    kith_write_u32(&w, endpoint->scope);
    kith_write_u16(&w, port);
    return slot_of(paces, bytes, sizeof(bytes), now);
}

struct kith_pace *kith_paces_of_ip(struct kith_paces *paces, const struct kith_endpoint *endpoint,
                                   uint64_t now) {
    return address_slot(paces, endpoint, 0, now);
}

struct kith_pace *kith_paces_of_node(struct kith_paces *paces, const struct kith_endpoint *endpoint,
                                     uint64_t now) {
    return address_slot(paces, endpoint, kith_endpoint_exempt(endpoint) ? endpoint->port : 0, now);
}

struct kith_pace *kith_paces_of_prefix(struct kith_paces *paces,
                                       const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_prefix prefix;

    if (kith_endpoint_exempt(endpoint)) {
        return kith_paces_of_ip(paces, endpoint, now);
    }
    kith_endpoint_prefix(endpoint, &prefix);
    return slot_of(paces, prefix.bytes, sizeof(prefix.bytes), now);
}
