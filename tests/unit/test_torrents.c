/* SPDX-License-Identifier: MIT */
/* torrents: the rules one by one, samples, and failing allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/wire/bloom.h"
#include "nomem.h"
#include "torrents_testing.h"

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
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
