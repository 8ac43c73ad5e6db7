/* SPDX-License-Identifier: MIT */
/*
 * torrents: the rules one by one, floods from one prefix and from everywhere, failing allocations,
 * and long random sequences against a model that looks at all peers for everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
#include "core/store/torrents.h"
#include "core/wire/bloom.h"
#include "nomem.h"
#include "testing.h"
#include "util/timer.h"

static const uint64_t SECOND = KITH_NS_PER_S;
static const uint64_t START = 100 * KITH_NS_PER_S;
static const uint64_t LIFE = KITH_TORRENTS_PEER_S * KITH_NS_PER_S;

/* ---- helpers ---- */

enum { PEERS_MAX = 1000 };

struct fixture {
    uint64_t storage[4];
    struct kith_random random;
    struct kith_torrents *torrents;
    struct kith_endpoint out[PEERS_MAX];
};

static void start(struct fixture *f, uint64_t seed, struct kith_torrents_config config) {
    memset(f, 0, sizeof(*f));
    f->random = kith_test_random(f->storage, seed);
    config.random = &f->random;
    assert_int_equal(kith_torrents_new(&f->torrents, &config), 0);
}

static void end(struct fixture *f) {
    assert_null(kith_torrents_check(f->torrents));
    f->torrents = kith_torrents_free(f->torrents);
    assert_null(f->torrents);
}

/* With an own id of zero, `where` is the distance. */
static struct kith_point hash_at(unsigned where) {
    return (struct kith_point){{(uint8_t)(where >> 8), (uint8_t)where, 7}};
}

static int announce(struct fixture *f, unsigned where, const char *peer, uint64_t now) {
    struct kith_point hash = hash_at(where);
    struct kith_endpoint endpoint = kith_test_endpoint(peer);
    int r = kith_torrents_announce(f->torrents, &hash, &endpoint, false, now);

    assert_null(kith_torrents_check(f->torrents));
    return r;
}

static size_t peers_of(struct fixture *f, unsigned where, bool no_seeds, uint64_t now) {
    struct kith_point hash = hash_at(where);

    return kith_torrents_peers(f->torrents, &hash, NULL, no_seeds, PEERS_MAX, now, f->out);
}

static bool has(struct fixture *f, unsigned where, const char *peer, uint64_t now) {
    struct kith_endpoint endpoint = kith_test_endpoint(peer);
    size_t n = peers_of(f, where, false, now);

    for (size_t i = 0; i < n; i++) {
        if (kith_endpoint_equal(&f->out[i], &endpoint)) {
            return true;
        }
    }
    return false;
}

/* ---- the rules ---- */

static void test_announce_and_ask(void **state) {
    struct fixture f;

    start(&f, 1, (struct kith_torrents_config){0});
    assert_int_equal(peers_of(&f, 1, false, START), 0);
    assert_int_equal(announce(&f, 1, "192.0.2.1:1000", START), 0);
    assert_int_equal(announce(&f, 1, "[2001:db8::1]:1000", START), 0);
    assert_int_equal(announce(&f, 2, "192.0.2.1:2000", START), 0);
    assert_int_equal(peers_of(&f, 1, false, START), 2);
    assert_true(has(&f, 1, "192.0.2.1:1000", START));
    assert_true(has(&f, 1, "[2001:db8::1]:1000", START));
    assert_true(has(&f, 2, "192.0.2.1:2000", START));
    assert_int_equal(kith_torrents_count(f.torrents), 2);
    assert_int_equal(kith_torrents_count_peers(f.torrents), 3);
    end(&f);
    assert_null(kith_torrents_free(NULL));
}

/* One entry per info-hash and IP: the last port counts. */
static void test_announcing_again(void **state) {
    struct fixture f;
    struct kith_point hash = hash_at(1);
    struct kith_endpoint peer = kith_test_endpoint("192.0.2.1:1000");

    start(&f, 2, (struct kith_torrents_config){0});
    assert_int_equal(announce(&f, 1, "192.0.2.1:1000", START), 0);
    assert_int_equal(announce(&f, 1, "192.0.2.1:2000", START + LIFE / 2), 0);
    assert_int_equal(kith_torrents_count_peers(f.torrents), 1);
    assert_true(has(&f, 1, "192.0.2.1:2000", START));
    assert_int_equal(peers_of(&f, 1, true, START), 1);
    assert_int_equal(kith_torrents_announce(f.torrents, &hash, &peer, true, START + LIFE / 2), 0);
    assert_int_equal(peers_of(&f, 1, true, START), 0);
    assert_int_equal(peers_of(&f, 1, false, START + LIFE), 1);
    assert_int_equal(peers_of(&f, 1, false, START + LIFE + LIFE / 2 - 1), 1);
    assert_int_equal(peers_of(&f, 1, false, START + LIFE + LIFE / 2), 0);
    end(&f);
}

static void test_unusable_endpoints(void **state) {
    struct fixture f;

    start(&f, 3, (struct kith_torrents_config){0});
    assert_int_equal(announce(&f, 1, "192.0.2.1:0", START), KITH_EINVALID);
    assert_int_equal(announce(&f, 1, "224.0.0.1:1", START), KITH_EINVALID);
    assert_int_equal(announce(&f, 1, "0.0.0.0:1", START), KITH_EINVALID);
    assert_int_equal(kith_torrents_count(f.torrents), 0);
    end(&f);
}

/* Whatever has expired is not told, dropped or not; dropping takes small steps. */
static void test_expiry(void **state) {
    struct fixture f;
    struct kith_endpoint peer = kith_test_endpoint("20.0.0.1:1");
    struct kith_point hash = hash_at(1);
    uint8_t seeds[KITH_BLOOM_SIZE];
    uint8_t peers[KITH_BLOOM_SIZE];
    uint32_t n;

    start(&f, 4, (struct kith_torrents_config){0});
    for (unsigned i = 0; i < 400; i++) {
        peer.ip[2] = (uint8_t)(i >> 8);
        peer.ip[3] = (uint8_t)i;
        assert_int_equal(kith_torrents_announce(f.torrents, &hash, &peer, false, START + i), 0);
    }
    assert_int_equal(peers_of(&f, 1, false, START + LIFE - 1), 400);
    assert_int_equal(peers_of(&f, 1, false, START + LIFE + 99), 300);
    assert_true(kith_torrents_scrape(f.torrents, &hash, NULL, START + LIFE + 398, seeds, peers));
    assert_int_equal((int)(kith_bloom_estimate(peers) + 0.5), 1);
    assert_int_equal(peers_of(&f, 1, false, START + LIFE + 399), 0);
    assert_false(kith_torrents_scrape(f.torrents, &hash, NULL, START + LIFE + 399, seeds, peers));
    assert_true(kith_bloom_estimate(peers) == 0);
    n = kith_torrents_count_peers(f.torrents);
    assert_true(n > 0); /* not all at once */
    for (unsigned i = 0; i < 10; i++) {
        kith_torrents_expire(f.torrents, START + 2 * LIFE);
        assert_null(kith_torrents_check(f.torrents));
        assert_true(kith_torrents_count_peers(f.torrents) < n || n == 0);
        assert_true(n - kith_torrents_count_peers(f.torrents) <= 64);
        n = kith_torrents_count_peers(f.torrents);
    }
    assert_int_equal(kith_torrents_count(f.torrents), 0);
    end(&f);
}

static void test_nearer_info_hashes_displace(void **state) {
    struct fixture f;

    start(&f, 5, (struct kith_torrents_config){.hashes = 3});
    assert_int_equal(announce(&f, 10, "20.0.0.1:1", START), 0);
    assert_int_equal(announce(&f, 30, "20.0.0.1:1", START), 0);
    assert_int_equal(announce(&f, 20, "20.0.0.1:1", START), 0);
    assert_int_equal(announce(&f, 40, "20.0.0.2:1", START), KITH_EFULL);
    assert_int_equal(announce(&f, 30, "20.0.0.2:1", START), 0);
    assert_int_equal(announce(&f, 25, "20.0.0.2:1", START), 0);
    assert_int_equal(peers_of(&f, 30, false, START), 0);
    assert_int_equal(peers_of(&f, 25, false, START), 1);
    assert_int_equal(announce(&f, 30, "20.0.0.1:1", START), KITH_EFULL);
    assert_int_equal(kith_torrents_count(f.torrents), 3);
    end(&f);
}

/* A new id: nothing is lost, and what is far from it goes first. */
static void test_another_id(void **state) {
    struct fixture f;
    struct kith_point own = hash_at(0xff00);
    unsigned wheres[] = {0xff01, 0x0001, 0x8001};

    start(&f, 14, (struct kith_torrents_config){.hashes = 3});
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(announce(&f, wheres[i], "20.0.0.1:1", START), 0);
    }
    kith_torrents_set_id(f.torrents, &own);
    assert_null(kith_torrents_check(f.torrents));
    for (unsigned i = 0; i < 3; i++) {
        assert_true(has(&f, wheres[i], "20.0.0.1:1", START));
    }
    assert_int_equal(announce(&f, 0x0002, "20.0.0.1:1", START), KITH_EFULL);
    assert_int_equal(announce(&f, 0xf001, "20.0.0.1:1", START), 0);
    assert_int_equal(peers_of(&f, 0x0001, false, START), 0);
    assert_int_equal(announce(&f, 0xf002, "20.0.0.1:1", START), 0);
    assert_int_equal(peers_of(&f, 0x8001, false, START), 0);
    assert_true(has(&f, 0xff01, "20.0.0.1:1", START));
    end(&f);
}

static void test_full_info_hash(void **state) {
    struct fixture f;
    unsigned kept[5] = {0};
    char text[32];

    for (unsigned seed = 0; seed < 200; seed++) {
        start(&f, seed, (struct kith_torrents_config){.peers_per_hash = 4});
        for (unsigned i = 0; i < 5; i++) {
            (void)snprintf(text, sizeof(text), "20.0.%u.1:1", i);
            assert_int_equal(announce(&f, 1, text, START), 0);
        }
        assert_int_equal(kith_torrents_count_peers(f.torrents), 4);
        for (unsigned i = 0; i < 5; i++) {
            (void)snprintf(text, sizeof(text), "20.0.%u.1:1", i);
            kept[i] += has(&f, 1, text, START);
        }
        end(&f);
    }
    assert_int_equal(kept[4], 200); /* the newcomer always, of the others each as often */
    for (unsigned i = 0; i < 4; i++) {
        assert_in_range(kept[i], 125, 175);
    }
}

/* The farthest info-hash pays, peer by peer; a new one that would be the farthest is refused. */
static void test_too_many_peers(void **state) {
    struct fixture f;

    start(&f, 6, (struct kith_torrents_config){.peers = 4});
    assert_int_equal(announce(&f, 10, "20.0.0.1:1", START), 0);
    assert_int_equal(announce(&f, 10, "20.0.0.2:1", START), 0);
    assert_int_equal(announce(&f, 20, "20.0.0.1:1", START), 0);
    assert_int_equal(announce(&f, 20, "20.0.0.2:1", START), 0);
    assert_int_equal(announce(&f, 21, "20.0.0.3:1", START), KITH_EFULL);
    assert_int_equal(announce(&f, 20, "20.0.0.3:1", START), 0);
    assert_int_equal(peers_of(&f, 20, false, START), 2);
    assert_true(has(&f, 20, "20.0.0.3:1", START));
    assert_int_equal(announce(&f, 10, "20.0.0.3:1", START), 0);
    assert_int_equal(peers_of(&f, 20, false, START), 1);
    assert_int_equal(announce(&f, 5, "20.0.0.3:1", START), 0);
    assert_int_equal(peers_of(&f, 20, false, START), 0);
    assert_int_equal(kith_torrents_count(f.torrents), 2);
    assert_int_equal(kith_torrents_count_peers(f.torrents), 4);
    end(&f);
}

static void test_share_of_a_prefix(void **state) {
    struct fixture f;

    start(&f, 7, (struct kith_torrents_config){.per_prefix = 2});
    assert_int_equal(announce(&f, 1, "20.0.0.1:1", START), 0);
    assert_int_equal(announce(&f, 2, "20.0.0.2:1", START), 0);
    assert_int_equal(announce(&f, 1, "20.0.0.3:1", START), KITH_EFULL);
    assert_int_equal(announce(&f, 1, "20.0.0.1:2", START), 0);
    assert_int_equal(announce(&f, 1, "20.0.1.1:1", START), 0);
    for (unsigned i = 0; i < 5; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "10.0.0.%u:1", i);
        assert_int_equal(announce(&f, 1, text, START), 0);
    }
    /* What is forgotten is given back. */
    assert_int_equal(announce(&f, 1, "20.0.0.3:1", START + LIFE), 0);
    end(&f);
}

/* ---- samples ---- */

static void test_peers_are_a_uniform_sample(void **state) {
    struct fixture f;
    struct kith_point hash = hash_at(1);
    struct kith_endpoint peer = kith_test_endpoint("20.0.0.0:1");
    unsigned seen[20] = {0};

    start(&f, 8, (struct kith_torrents_config){0});
    for (unsigned i = 0; i < 20; i++) {
        peer.ip[3] = (uint8_t)i;
        assert_int_equal(kith_torrents_announce(f.torrents, &hash, &peer, i % 2 == 0, START), 0);
    }
    for (unsigned round = 0; round < 4000; round++) {
        assert_int_equal(kith_torrents_peers(f.torrents, &hash, NULL, false, 5, START, f.out), 5);
        for (unsigned i = 0; i < 5; i++) {
            seen[f.out[i].ip[3]]++;
            for (unsigned k = 0; k < i; k++) {
                assert_false(kith_endpoint_equal(&f.out[i], &f.out[k]));
            }
        }
    }
    for (unsigned i = 0; i < 20; i++) {
        assert_in_range(seen[i], 880, 1120); /* 1000, and four standard deviations */
    }
    assert_int_equal(kith_torrents_peers(f.torrents, &hash, NULL, true, 20, START, f.out), 10);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(f.out[i].ip[3] % 2, 1);
    }
    assert_int_equal(kith_torrents_peers(f.torrents, &hash, NULL, false, 0, START, f.out), 0);
    end(&f);
}

static void test_sample_of_info_hashes(void **state) {
    struct fixture f;
    uint8_t out[KITH_SAMPLES_MAX * KITH_TARGET_SIZE];
    unsigned seen[100] = {0};
    uint32_t all;

    start(&f, 9, (struct kith_torrents_config){.own_id = {{0xaa, 0xbb, 0xcc}}});
    assert_int_equal(kith_torrents_sample(f.torrents, START, out, &all), 0);
    assert_int_equal(all, 0);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(announce(&f, i, "20.0.0.1:1", START), 0);
    }
    for (unsigned round = 0; round < 2000; round++) {
        assert_int_equal(kith_torrents_sample(f.torrents, START, out, &all), KITH_SAMPLES_MAX);
        assert_int_equal(all, 100);
        for (unsigned i = 0; i < KITH_SAMPLES_MAX; i++) {
            const uint8_t *hash = out + (size_t)i * KITH_TARGET_SIZE;
            struct kith_point expected = hash_at(hash[1]);
            assert_memory_equal(hash, expected.bytes, KITH_TARGET_SIZE);
            seen[hash[1]]++;
        }
    }
    for (unsigned i = 0; i < 100; i++) {
        assert_in_range(seen[i], 320, 480); /* 400, and four standard deviations */
    }
    end(&f);
}

/* ---- floods ---- */

enum { HONEST = 1000, FLOOD = 100000 };

static struct kith_point random_hash(const struct kith_random *random) {
    struct kith_point hash = {{0}};

    kith_random_secure(random, hash.bytes, KITH_TARGET_SIZE);
    return hash;
}

/* The i-th honest peer, each in a prefix of its own. */
static struct kith_endpoint honest_peer(unsigned i) {
    return (struct kith_endpoint){
        .family = 4, .port = 1, .ip = {20, (uint8_t)(i >> 8), (uint8_t)i, 1}};
}

static unsigned count_honest(struct fixture *f, const struct kith_point *hashes, unsigned n_hashes,
                             uint64_t now) {
    unsigned n = 0;

    for (unsigned i = 0; i < n_hashes; i++) {
        size_t got =
            kith_torrents_peers(f->torrents, &hashes[i], NULL, false, PEERS_MAX, now, f->out);
        for (size_t k = 0; k < got; k++) {
            n += f->out[k].ip[0] == 20;
        }
    }
    return n;
}

/* 100,000 announcements from one /24, all for info-hashes of its own, cost nobody anything. */
static void test_flood_of_info_hashes(void **state) {
    struct fixture f;
    struct kith_point hashes[HONEST / 5];
    unsigned n_refused = 0;

    start(&f, 10, (struct kith_torrents_config){0});
    for (unsigned i = 0; i < HONEST; i++) {
        struct kith_endpoint peer = honest_peer(i);
        if (i % 5 == 0) {
            hashes[i / 5] = random_hash(&f.random);
        }
        assert_int_equal(kith_torrents_announce(f.torrents, &hashes[i / 5], &peer, false, START),
                         0);
    }
    for (unsigned i = 0; i < FLOOD; i++) {
        struct kith_endpoint peer = {.family = 4, .port = 1, .ip = {66, 6, 6, (uint8_t)i}};
        struct kith_point hash = random_hash(&f.random);
        int r = kith_torrents_announce(f.torrents, &hash, &peer, false, START + i);
        n_refused += r == KITH_EFULL;
    }
    assert_int_equal(n_refused, FLOOD - 500);
    assert_int_equal(kith_torrents_count_peers(f.torrents), HONEST + 500);
    assert_int_equal(kith_torrents_count(f.torrents), HONEST / 5 + 500);
    assert_int_equal(count_honest(&f, hashes, HONEST / 5, START + SECOND), HONEST);
    end(&f);
}

/* An IPv6 household and a full swarm: it gets the place of one. */
static void test_flood_of_one_info_hash(void **state) {
    struct fixture f;
    struct kith_point hash = hash_at(1);

    start(&f, 11, (struct kith_torrents_config){0});
    for (unsigned i = 0; i < 500; i++) {
        struct kith_endpoint peer = honest_peer(i);
        assert_int_equal(kith_torrents_announce(f.torrents, &hash, &peer, false, START), 0);
    }
    for (unsigned i = 0; i < FLOOD; i++) {
        struct kith_endpoint peer = {.family = 6, .port = 1, .ip = {0x20, 0x01, 0x0d, 0xb8}};
        memcpy(peer.ip + 12, &i, sizeof(i));
        assert_int_equal(kith_torrents_announce(f.torrents, &hash, &peer, false, START + i), 0);
    }
    assert_int_equal(kith_torrents_count_peers(f.torrents), 500);
    assert_int_equal(count_honest(&f, &hash, 1, START + SECOND), 499);
    end(&f);
}

/* Six /24s announce themselves under info-hashes next to our id, and cannot be alone with us. */
static void test_flood_of_near_info_hashes(void **state) {
    struct fixture f;
    struct kith_point hashes[HONEST / 5];

    start(&f, 18, (struct kith_torrents_config){0});
    for (unsigned i = 0; i < HONEST; i++) {
        struct kith_endpoint peer = honest_peer(i);
        if (i % 5 == 0) {
            hashes[i / 5] = random_hash(&f.random);
        }
        assert_int_equal(kith_torrents_announce(f.torrents, &hashes[i / 5], &peer, false, START),
                         0);
    }
    for (unsigned i = 0; i < 3000; i++) {
        struct kith_endpoint peer = {
            .family = 4, .port = 1, .ip = {66, 6, (uint8_t)(i % 6), (uint8_t)(i / 6)}};
        struct kith_point hash = {{[16] = 1, [18] = (uint8_t)(i >> 8), [19] = (uint8_t)i}};
        int r = kith_torrents_announce(f.torrents, &hash, &peer, false, START + i);
        assert_true(r == 0 || r == KITH_EFULL);
    }
    assert_int_equal(kith_torrents_count(f.torrents), 2000);
    assert_int_equal(count_honest(&f, hashes, HONEST / 5, START + SECOND), HONEST);
    end(&f);
}

/* Four /24s have a swarm for themselves, and go on announcing: whoever else comes stays. */
static void test_full_info_hash_is_shared(void **state) {
    struct fixture f;
    struct kith_point hash = hash_at(1);

    start(&f, 17, (struct kith_torrents_config){.peers_per_hash = 64});
    for (unsigned i = 0; i < 1000; i++) {
        struct kith_endpoint peer = {
            .family = 4, .port = 1, .ip = {66, 6, (uint8_t)(i % 4), (uint8_t)(i / 4)}};
        assert_int_equal(kith_torrents_announce(f.torrents, &hash, &peer, false, START + i), 0);
        if (i >= 500 && i < 560) {
            struct kith_endpoint honest = honest_peer(i);
            assert_int_equal(kith_torrents_announce(f.torrents, &hash, &honest, false, START + i),
                             0);
        }
        assert_null(kith_torrents_check(f.torrents));
    }
    assert_int_equal(kith_torrents_count_peers(f.torrents), 64);
    assert_int_equal(count_honest(&f, &hash, 1, START + SECOND), 60);
    end(&f);
}

/* From everywhere and for everything: the limits hold, and what remains is what is nearest. */
static void test_flood_from_everywhere(void **state) {
    struct fixture f;
    struct kith_torrents_config config = {.hashes = 100, .peers_per_hash = 10, .peers = 300};
    struct kith_point near = {{0, 0, 0, 1}};
    struct kith_endpoint peer = honest_peer(0);

    start(&f, 12, config);
    assert_int_equal(kith_torrents_announce(f.torrents, &near, &peer, false, START), 0);
    for (unsigned i = 0; i < FLOOD; i++) {
        struct kith_endpoint other = {.family = 4, .port = 1, .ip = {66}};
        struct kith_point hash = random_hash(&f.random);
        kith_random_secure(&f.random, other.ip + 1, 3);
        if (i % 2 == 0) { /* many peers of few */
            hash = hash_at(i % 64);
        }
        int r = kith_torrents_announce(f.torrents, &hash, &other, false, START + i);
        assert_true(r == 0 || r == KITH_EFULL);
        assert_true(kith_torrents_count(f.torrents) <= 100);
        assert_true(kith_torrents_count_peers(f.torrents) <= 300);
        if (i % 5000 == 0) {
            assert_null(kith_torrents_check(f.torrents));
        }
    }
    assert_int_equal(kith_torrents_peers(f.torrents, &near, NULL, false, 1, START, f.out), 1);
    end(&f);
}

/* ---- no memory ---- */

/* Wherever memory runs out, what was held stays, and the next attempt succeeds. */
static void test_no_memory(void **state) {
    struct fixture f;
    struct kith_torrents_config config = {.hashes = 6, .peers_per_hash = 8, .peers = 30};
    unsigned n_failed = 0;

    start(&f, 13, config);
    for (unsigned i = 0; i < 600; i++) {
        struct kith_point hash = hash_at((unsigned)kith_random_below(&f.random, 10));
        struct kith_endpoint peer = honest_peer((unsigned)kith_random_below(&f.random, 40));
        int r = KITH_ENOMEM;
        for (unsigned k = 1; r == KITH_ENOMEM; k++) {
            uint32_t n = kith_torrents_count_peers(f.torrents);
            nomem_begin(k, false);
            r = kith_torrents_announce(f.torrents, &hash, &peer, false, START + i * SECOND * 30);
            (void)nomem_end();
            assert_null(kith_torrents_check(f.torrents));
            if (r == KITH_ENOMEM) {
                n_failed++;
                assert_true(k == 1 || kith_torrents_count_peers(f.torrents) == n);
            }
        }
        assert_true(r == 0 || r == KITH_EFULL);
    }
    assert_true(n_failed > 100);
    end(&f);
    config.random = &f.random;
    nomem_begin(1, false);
    assert_int_equal(kith_torrents_new(&f.torrents, &config), KITH_ENOMEM);
    assert_true(nomem_end());
}

/* ---- the model ---- */

enum { MODEL_MAX = 64, WHERE_MAX = 10 };

struct model_peer {
    unsigned where;
    struct kith_endpoint endpoint;
    bool seed;
    uint64_t announced;
};

struct model {
    struct kith_torrents_config config;
    struct model_peer peers[MODEL_MAX];
    unsigned n;
};

static void model_drop(struct model *m, unsigned i) {
    m->peers[i] = m->peers[--m->n];
}

static void model_expire(struct model *m, uint64_t now) {
    for (unsigned i = m->n; i > 0; i--) {
        if (m->peers[i - 1].announced + LIFE <= now) {
            model_drop(m, i - 1);
        }
    }
}

static unsigned model_count_of(const struct model *m, unsigned where) {
    unsigned n = 0;

    for (unsigned i = 0; i < m->n; i++) {
        n += m->peers[i].where == where;
    }
    return n;
}

static unsigned model_count(const struct model *m) {
    unsigned n = 0;

    for (unsigned where = 0; where < WHERE_MAX; where++) {
        n += model_count_of(m, where) > 0;
    }
    return n;
}

static bool same_prefix(const struct kith_endpoint *a, const struct kith_endpoint *b) {
    return !kith_endpoint_exempt(a) && memcmp(a->ip, b->ip, 3) == 0;
}

/* What the rules say about a newcomer: refused, or which peers may go for it: none, one of the
 * marked, or all marked. */
struct verdict {
    bool refused;
    bool all;
    bool marked[MODEL_MAX];
    unsigned n_marked;
};

static void mark(struct verdict *v, const struct model *m, unsigned where) {
    for (unsigned i = 0; i < m->n; i++) {
        v->marked[i] = m->peers[i].where == where;
        v->n_marked += v->marked[i];
    }
}

/* How much the prefix of an endpoint has of an info-hash; an exempt one has nothing. */
static unsigned model_share(const struct model *m, unsigned where,
                            const struct kith_endpoint *endpoint) {
    unsigned n = 0;

    for (unsigned i = 0; i < m->n; i++) {
        n += m->peers[i].where == where && same_prefix(&m->peers[i].endpoint, endpoint);
    }
    return n;
}

/* The oldest of the prefixes that have most; of its own where that is not more than one less; any.
 */
static void model_mark_one_of(struct verdict *v, const struct model *m, unsigned where,
                              const struct model_peer *new) {
    unsigned own = model_share(m, where, &new->endpoint);
    unsigned most = own + 2;
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < m->n; i++) {
        unsigned n = model_share(m, where, &m->peers[i].endpoint);
        most = m->peers[i].where == where && n > most ? n : most;
    }
    for (unsigned pass = 0; pass < 2 && v->n_marked == 0; pass++) {
        for (unsigned i = 0; i < 2 * m->n; i++) { /* first the time, then who is of it */
            const struct model_peer *peer = &m->peers[i % m->n];
            bool among =
                peer->where == where && (pass == 0 ? model_share(m, where, &peer->endpoint) == most
                                                   : same_prefix(&peer->endpoint, &new->endpoint));
            if (among && i < m->n) {
                oldest = peer->announced < oldest ? peer->announced : oldest;
            } else if (among && peer->announced == oldest) {
                v->marked[i % m->n] = true;
                v->n_marked++;
            }
        }
    }
    if (v->n_marked == 0) {
        mark(v, m, where);
    }
}

static struct verdict model_judge(const struct model *m, const struct model_peer *new) {
    struct verdict v = {0};
    unsigned of_prefix = 0;
    unsigned farthest = 0;

    for (unsigned i = 0; i < m->n; i++) {
        of_prefix += same_prefix(&m->peers[i].endpoint, &new->endpoint);
        farthest = m->peers[i].where > farthest ? m->peers[i].where : farthest;
    }
    unsigned of_hash = model_count_of(m, new->where);
    if (of_prefix >= m->config.per_prefix) {
        v.refused = true;
    } else if (of_hash >= m->config.peers_per_hash) {
        model_mark_one_of(&v, m, new->where, new);
    } else if (of_hash == 0 && model_count(m) >= m->config.hashes) {
        v.refused = new->where > farthest || of_prefix >= 8;
        v.all = true;
        mark(&v, m, farthest);
    } else if (m->n >= m->config.peers) {
        v.refused = of_hash == 0 && (new->where > farthest || of_prefix >= 8);
        model_mark_one_of(&v, m, farthest, new);
    }
    return v;
}

static bool listed(const struct fixture *f, size_t n, const struct kith_endpoint *endpoint) {
    for (size_t i = 0; i < n; i++) {
        if (kith_endpoint_equal(&f->out[i], endpoint)) {
            return true;
        }
    }
    return false;
}

/* Removes from the model what is gone, and asserts that the verdict allows it. */
static void model_follow(struct fixture *f, struct model *m, const struct verdict *v,
                         uint64_t now) {
    bool gone[MODEL_MAX] = {0};
    unsigned n_gone = 0;

    for (unsigned where = 0; where < WHERE_MAX; where++) {
        size_t n = peers_of(f, where, false, now);
        for (unsigned i = 0; i < m->n; i++) {
            gone[i] |= m->peers[i].where == where && !listed(f, n, &m->peers[i].endpoint);
        }
    }
    for (unsigned i = m->n; i > 0; i--) {
        if (gone[i - 1]) {
            assert_true(v->marked[i - 1]);
            model_drop(m, i - 1);
            n_gone++;
        }
    }
    assert_int_equal(n_gone, v->all || v->n_marked == 0 ? v->n_marked : 1);
}

static void model_announce(struct fixture *f, struct model *m, const struct model_peer *new) {
    struct kith_point hash = hash_at(new->where);
    int r = kith_torrents_announce(f->torrents, &hash, &new->endpoint, new->seed, new->announced);

    for (unsigned i = 0; i < m->n; i++) {
        if (m->peers[i].where == new->where &&
            kith_endpoint_same_ip(&m->peers[i].endpoint, &new->endpoint)) {
            assert_int_equal(r, 0);
            m->peers[i] = *new;
            return;
        }
    }
    struct verdict v = model_judge(m, new);
    assert_int_equal(r, v.refused ? KITH_EFULL : 0);
    if (!v.refused) {
        model_follow(f, m, &v, new->announced);
        m->peers[m->n++] = *new;
    }
}

static void model_compare_one(struct fixture *f, const struct model *m, unsigned where,
                              uint64_t now) {
    struct kith_point hash = hash_at(where);
    uint8_t expected[2][KITH_BLOOM_SIZE] = {{0}};
    uint8_t filters[2][KITH_BLOOM_SIZE];
    unsigned n_downloaders = 0;
    size_t n = peers_of(f, where, false, now);

    assert_int_equal(n, model_count_of(m, where));
    for (unsigned i = 0; i < m->n; i++) {
        const struct model_peer *peer = &m->peers[i];
        if (peer->where == where) {
            assert_true(listed(f, n, &peer->endpoint));
            kith_bloom_add(expected[peer->seed], &peer->endpoint);
            n_downloaders += !peer->seed;
        }
    }
    assert_int_equal(peers_of(f, where, true, now), n_downloaders);
    assert_int_equal(kith_torrents_scrape(f->torrents, &hash, NULL, now, filters[1], filters[0]),
                     n > 0);
    assert_memory_equal(filters, expected, sizeof(filters));
}

static void model_step(struct fixture *f, struct model *m, uint64_t now) {
    struct model_peer peer = {
        .where = (unsigned)kith_random_below(&f->random, WHERE_MAX),
        .endpoint = {.family = 4,
                     .port = (uint16_t)(1 + kith_random_below(&f->random, 3)),
                     .ip = {20, 0, (uint8_t)kith_random_below(&f->random, 4),
                            (uint8_t)kith_random_below(&f->random, 5)}},
        .seed = kith_random_below(&f->random, 3) == 0,
        .announced = now,
    };

    if (kith_random_below(&f->random, 4) == 0) {
        peer.endpoint.ip[0] = 10; /* exempt */
    }
    model_expire(m, now);
    model_announce(f, m, &peer);
    assert_null(kith_torrents_check(f->torrents));
    for (unsigned where = 0; where < WHERE_MAX; where++) {
        model_compare_one(f, m, where, now);
    }
    assert_int_equal(kith_torrents_count(f->torrents), model_count(m));
    assert_int_equal(kith_torrents_count_peers(f->torrents), m->n);
}

static void test_equals_the_model(void **state) {
    for (unsigned seed = 0; seed < 30; seed++) {
        struct fixture f;
        struct model m = {.config = {.hashes = 2 + seed % 8,
                                     .peers_per_hash = 1 + seed % 9,
                                     .peers = 10 + seed % 30,
                                     .per_prefix = 1 + seed % 12}};
        uint64_t now = START;
        start(&f, 1000 + seed, m.config);
        for (unsigned i = 0; i < 400; i++) {
            now += kith_random_below(&f.random, LIFE / 20);
            model_step(&f, &m, now);
        }
        end(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_announce_and_ask),
        cmocka_unit_test(test_announcing_again),
        cmocka_unit_test(test_unusable_endpoints),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_nearer_info_hashes_displace),
        cmocka_unit_test(test_another_id),
        cmocka_unit_test(test_full_info_hash),
        cmocka_unit_test(test_too_many_peers),
        cmocka_unit_test(test_share_of_a_prefix),
        cmocka_unit_test(test_peers_are_a_uniform_sample),
        cmocka_unit_test(test_sample_of_info_hashes),
        cmocka_unit_test(test_flood_of_info_hashes),
        cmocka_unit_test(test_flood_of_one_info_hash),
        cmocka_unit_test(test_full_info_hash_is_shared),
        cmocka_unit_test(test_flood_of_near_info_hashes),
        cmocka_unit_test(test_flood_from_everywhere),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_equals_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
