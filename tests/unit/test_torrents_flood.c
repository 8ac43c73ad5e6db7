/* SPDX-License-Identifier: MIT */
/* torrents: floods from one prefix, from a few and from everywhere cost honest peers no place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "torrents_testing.h"

enum { HONEST = 1000, FLOOD = 100000 };

static struct kith_point random_hash(const struct kith_random *random) {
    struct kith_point hash = {{0}};

    kith_random_secure(random, hash.bytes, KITH_TARGET_SIZE);
    return hash;
}

/* Five honest peers under each of these info-hashes. */
static void announce_honest(struct fixture *f, struct kith_point hashes[HONEST / 5]) {
    for (unsigned i = 0; i < HONEST; i++) {
        struct kith_endpoint peer = honest_peer(i);
        if (i % 5 == 0) {
            hashes[i / 5] = random_hash(&f->random);
        }
        assert_int_equal(kith_torrents_announce(f->torrents, &hashes[i / 5], &peer, false, START),
                         0);
    }
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
    announce_honest(&f, hashes);
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
    announce_honest(&f, hashes);
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

/* The same by one /48 of IPv6, which has 256 /56s: a few info-hashes of each. */
static void test_flood_by_a_wide_prefix(void **state) {
    struct fixture f;
    struct kith_point hashes[HONEST / 5];

    start(&f, 19, (struct kith_torrents_config){0});
    announce_honest(&f, hashes);
    for (unsigned i = 0; i < 3000; i++) {
        struct kith_endpoint peer = {
            .family = 6,
            .port = 1,
            .ip = {0x20, 1, 0xd, 0xb8, 0, 1, (uint8_t)i, [15] = (uint8_t)(i >> 8)}};
        struct kith_point hash = {{[16] = 1, [18] = (uint8_t)(i >> 8), [19] = (uint8_t)i}};
        int r = kith_torrents_announce(f.torrents, &hash, &peer, false, START + i);
        assert_true(r == 0 || r == KITH_EFULL);
    }
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flood_of_info_hashes),
        cmocka_unit_test(test_flood_of_one_info_hash),
        cmocka_unit_test(test_full_info_hash_is_shared),
        cmocka_unit_test(test_flood_of_near_info_hashes),
        cmocka_unit_test(test_flood_by_a_wide_prefix),
        cmocka_unit_test(test_flood_from_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
