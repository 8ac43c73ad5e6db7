/* SPDX-License-Identifier: MIT */
/*
 * pace: how fast something may go: the generic cell rate algorithm (ITU-T I.371), two words of
 * state. A shared table of them, keyed by a secret hash, holds shares per address in bounded
 * memory: two addresses of the same slot share their budget. A slot whose schedule is made up for
 * says nothing, so memory is held for the others only.
 */
#ifndef KITH_CORE_PACE_H
#define KITH_CORE_PACE_H

#include "core/base/endpoint.h"
#include "core/base/random.h"

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
/* Takes one unit in any case and tells how long it has to wait; at most `wait_max` ahead, else it
 * takes nothing and returns KITH_NEVER (UINT64_MAX). */
uint64_t kith_pace_reserve(struct kith_pace *pace, const struct kith_pace_limit *limit,
                           uint64_t wait_max, uint64_t now);

enum { KITH_PACES_SLOTS = 1024 };

struct kith_paces_slot {
    struct kith_pace pace;
    uint32_t number; /* 1 .. KITH_PACES_SLOTS; 0: free */
};

struct kith_paces {
    uint8_t key[16];
    uint64_t keep_ns;
    struct kith_paces_slot *slots; /* open addressing by number, at most KITH_PACES_SLOTS */
    uint32_t capacity;             /* 0, or a power of two */
    uint32_t n;
    uint64_t rebuilt;
    struct kith_pace spare; /* without memory, the share of all that have no slot */
};

/* A slot is forgotten `keep_ns` after its schedule was made up for; KITH_NEVER: kept. Allocates
 * nothing yet. */
void kith_paces_init(struct kith_paces *paces, const struct kith_random *random, uint64_t keep_ns);
void kith_paces_deinit(struct kith_paces *paces);
/* The share of an IP address. Like the others it is valid until the next share of these paces is
 * asked for. */
struct kith_pace *kith_paces_of_ip(struct kith_paces *paces, const struct kith_endpoint *endpoint,
                                   uint64_t now);
/* The share of its IP address; of an exempt one, where nodes may share it, of the endpoint. */
struct kith_pace *kith_paces_of_node(struct kith_paces *paces, const struct kith_endpoint *endpoint,
                                     uint64_t now);
/* The share of its /24 or /56; of an exempt address, of the address. */
struct kith_pace *kith_paces_of_prefix(struct kith_paces *paces,
                                       const struct kith_endpoint *endpoint, uint64_t now);

#endif
