/* SPDX-License-Identifier: MIT */
/* torrents_testing: announced peers under info-hashes, for the tests of core/store/torrents. */
#ifndef KITH_TESTS_TORRENTS_TESTING_H
#define KITH_TESTS_TORRENTS_TESTING_H

#include "core/base/endpoint.h"
#include "core/store/torrents.h"
#include "testing.h"
#include "util/timer.h"

static const uint64_t SECOND = KITH_NS_PER_S;
static const uint64_t START = 100 * KITH_NS_PER_S;
static const uint64_t LIFE = KITH_TORRENTS_PEER_S * KITH_NS_PER_S;

enum { PEERS_MAX = 1000 };

struct fixture {
    uint64_t storage[4];
    struct kith_random random;
    struct kith_torrents *torrents;
    struct kith_endpoint out[PEERS_MAX];
};

static inline void start(struct fixture *f, uint64_t seed, struct kith_torrents_config config) {
    memset(f, 0, sizeof(*f));
    f->random = kith_test_random(f->storage, seed);
    config.random = &f->random;
    assert_int_equal(kith_torrents_new(&f->torrents, &config), 0);
}

static inline void end(struct fixture *f) {
    assert_null(kith_torrents_check(f->torrents));
    f->torrents = kith_torrents_free(f->torrents);
    assert_null(f->torrents);
}

/* With an own id of zero, `where` is the distance. */
static inline struct kith_point hash_at(unsigned where) {
    return (struct kith_point){{(uint8_t)(where >> 8), (uint8_t)where, 7}};
}

static inline int announce(struct fixture *f, unsigned where, const char *peer, uint64_t now) {
    struct kith_point hash = hash_at(where);
    struct kith_endpoint endpoint = kith_test_endpoint(peer);
    int r = kith_torrents_announce(f->torrents, &hash, &endpoint, false, now);

    assert_null(kith_torrents_check(f->torrents));
    return r;
}

static inline size_t peers_of(struct fixture *f, unsigned where, bool no_seeds, uint64_t now) {
    struct kith_point hash = hash_at(where);

    return kith_torrents_peers(f->torrents, &hash, NULL, no_seeds, PEERS_MAX, now, f->out);
}

static inline bool has(struct fixture *f, unsigned where, const char *peer, uint64_t now) {
    struct kith_endpoint endpoint = kith_test_endpoint(peer);
    size_t n = peers_of(f, where, false, now);

    for (size_t i = 0; i < n; i++) {
        if (kith_endpoint_equal(&f->out[i], &endpoint)) {
            return true;
        }
    }
    return false;
}

/* The i-th honest peer, each in a prefix of its own. */
static inline struct kith_endpoint honest_peer(unsigned i) {
    return (struct kith_endpoint){
        .family = 4, .port = 1, .ip = {20, (uint8_t)(i >> 8), (uint8_t)i, 1}};
}

#endif
