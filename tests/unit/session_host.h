/* SPDX-License-Identifier: MIT */
/*
 * session_host: a session table in virtual time, with all that it needs. Whoever uses it carries
 * what it puts into its outbox. Header only; needs nothing but the core.
 */
#ifndef KITH_TESTS_SESSION_HOST_H
#define KITH_TESTS_SESSION_HOST_H

#include "core/session/session_internal.h"

#include "testing.h"

struct host {
    struct kith_identity identity;
    struct kith_endpoint at;
    uint64_t chance[4];
    struct kith_random random;
    struct kith_outbox outbox;
    struct kith_timers timers;
    struct kith_stats stats;
    struct kith_sessions_config config;
    struct kith_sessions *sessions;
    struct kith_delivery got; /* the last delivery */
};

/* All but the table. `config` may be changed before host_open(). */
static inline void host_prepare(struct host *h, const struct kith_curve *curve,
                                const uint8_t seed[KITH_SEED_SIZE], uint64_t chance,
                                const struct kith_endpoint *at, size_t outbox_max) {
    memset(h, 0, sizeof(*h));
    kith_identity_from_seed(&h->identity, curve, seed);
    h->at = *at;
    h->random = kith_test_random(h->chance, chance);
    kith_outbox_init(&h->outbox, 4096, outbox_max, &h->stats);
    kith_timers_init(&h->timers);
    h->config = (struct kith_sessions_config){
        .identity = &h->identity,
        .curve = curve,
        .random = &h->random,
        .outbox = &h->outbox,
        .timers = &h->timers,
        .stats = &h->stats,
        .network = "test",
        .sessions_max = 64,
        .sessions_per_prefix = 64,
        .handshakes_per_s = UINT32_MAX,
    };
}

/* -> what kith_sessions_new() says */
static inline int host_open(struct host *h) {
    return kith_sessions_new(&h->sessions, &h->config);
}

static inline void host_close(struct host *h) {
    h->sessions = kith_sessions_free(h->sessions);
    kith_outbox_deinit(&h->outbox);
    kith_timers_deinit(&h->timers);
}

#endif
