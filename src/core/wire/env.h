/* SPDX-License-Identifier: MIT */
/*
 * env: what every part of one core shares, borrowed from the core that owns it. Nothing here is
 * global: another core has another env.
 */
#ifndef KITH_CORE_ENV_H
#define KITH_CORE_ENV_H

#include "core/base/identity.h"
#include "core/base/random.h"
#include "core/wire/msgpack_codec.h"
#include "core/wire/outbox.h"
#include "kith/stats.h"
#include "util/timer.h"

struct kith_env {
    struct kith_identity identity;
    const struct kith_curve *curve;
    struct kith_random random;
    struct kith_codec *codec; /* borrowed or, with owns_codec, ours */
    bool owns_codec;
    bool client;
    bool read_only; /* cannot be reached: asks as a client does, but serves whom it knows */
    bool has_v4;
    bool has_v6;
    char network[KITH_NETWORK_MAX + 1];
    struct kith_stats stats;
    struct kith_timers timers;
    struct kith_outbox outbox;
    uint64_t wall_us; /* Unix microseconds at wall_at */
    uint64_t wall_at;
};

/* Unix microseconds at `now`. */
static inline uint64_t kith_env_wall_us(const struct kith_env *env, uint64_t now) {
    return env->wall_us + (now - env->wall_at) / KITH_NS_PER_US;
}

#endif
