/* SPDX-License-Identifier: MIT */
/*
 * pace: how fast something may go: the generic cell rate algorithm (ITU-T I.371), two words of
 * state. A shared table of them, keyed by a secret hash, holds shares per address in bounded memory:
 * two addresses of the same slot share their budget.
 */
#ifndef KITH_CORE_PACE_H
#define KITH_CORE_PACE_H

#include "core/endpoint.h"
#include "core/random.h"

struct kith_pace {
    uint64_t due; /* theoretical arrival time of the next unit */
};

struct kith_pace_limit {
    uint64_t interval_ns; /* per unit; 0: no limit */
    uint64_t burst_ns;    /* how far ahead of the rate it may run: (burst units - 1) * interval */
};

/* Per second (0: no limit), and at once (0 is 1). */
struct kith_pace_limit kith_pace_limit(uint64_t per_s, uint64_t burst);
/* Whether `units` may go now; more than the burst never may. */
bool kith_pace_ready(const struct kith_pace *pace, const struct kith_pace_limit *limit,
                     uint64_t units, uint64_t now);
/* Takes `units` if they may go now. */
bool kith_pace_take(struct kith_pace *pace, const struct kith_pace_limit *limit, uint64_t units,
                    uint64_t now);
/* Takes one unit in any case and tells how long it has to wait; at most `wait_max` ahead, else it takes
 * nothing and returns KITH_NEVER (UINT64_MAX). */
uint64_t kith_pace_reserve(struct kith_pace *pace, const struct kith_pace_limit *limit,
                           uint64_t wait_max, uint64_t now);

enum { KITH_PACES_SLOTS = 1024 };

struct kith_paces {
    uint8_t key[16];
    struct kith_pace slots[KITH_PACES_SLOTS];
};

void kith_paces_init(struct kith_paces *paces, const struct kith_random *random);
/* The share of an IP address. */
struct kith_pace *kith_paces_of_ip(struct kith_paces *paces, const struct kith_endpoint *endpoint);
/* The share of its IP address; of an exempt one, where nodes may share it, of the endpoint. */
struct kith_pace *kith_paces_of_node(struct kith_paces *paces,
                                     const struct kith_endpoint *endpoint);
/* The share of its /24 or /56; of an exempt address, of the address. */
struct kith_pace *kith_paces_of_prefix(struct kith_paces *paces,
                                       const struct kith_endpoint *endpoint);

#endif
