/* SPDX-License-Identifier: MIT */
/* routing: the order of the nearest against brute force, whom to ask next, and the size estimate
 * against known sizes. */
#include "routing_testing.h"

/* All entries, for brute force. */
struct gathered {
    const struct kith_entry *entries[2048];
    size_t n;
    bool live_only;
};

static int gather(const struct kith_entry *entry, unsigned bucket, bool replacement, void *user) {
    struct gathered *all = user;

    if (!replacement && (!all->live_only || entry->failures == 0)) {
        assert_true(all->n < 2048);
        all->entries[all->n++] = entry;
    }
    return 0;
}

static const struct kith_point *sort_target; /* qsort() takes no context */

static int sort_compare(const void *a, const void *b) {
    const struct kith_entry *const *first = a;
    const struct kith_entry *const *second = b;

    struct kith_point a_id = kith_entry_id(*first);
    struct kith_point b_id = kith_entry_id(*second);
    return kith_point_compare(sort_target, &a_id, &b_id);
}

static void assert_closest(struct fixture *f, const struct kith_point *target, size_t n,
                           bool live_only) {
    struct gathered all = {.live_only = live_only};
    const struct kith_entry *out[64] = {NULL};

    assert_int_equal(kith_routing_each(f->table, gather, &all), 0);
    sort_target = target;
    qsort(all.entries, all.n, sizeof(all.entries[0]), sort_compare);
    size_t expected = n < all.n ? n : all.n;
    assert_int_equal(kith_routing_closest(f->table, target, n, live_only, out), expected);
    for (size_t i = 0; i < expected; i++) {
        assert_ptr_equal(out[i], all.entries[i]);
    }
}

/* Targets anywhere, next to us, our own id and an entry's: each takes another path over buckets. */
static void closest_trial(uint64_t seed, unsigned id_bits, unsigned k, uint32_t n_nodes) {
    struct fixture f;

    start(&f, seed, k, id_bits);
    fill_random(&f, id_bits, n_nodes);
    for (size_t i = kith_routing_count(f.table) / 8; i > 0; i--) {
        struct kith_point id = kith_entry_id(kith_routing_sample(f.table));
        kith_routing_failed(f.table, &id, 2 * SECOND);
    }
    for (unsigned i = 0; i < 12; i++) {
        struct kith_point target = random_point(&f, id_bits);
        if (i % 3 == 1) {
            kith_routing_point_in(f.table, (unsigned)kith_random_below(&f.random, 12), &target);
        } else if (i % 3 == 2) {
            target = i == 2 || n_nodes == 0 ? f.own : kith_entry_id(kith_routing_sample(f.table));
        }
        assert_closest(&f, &target, kith_random_below(&f.random, 41), i % 2 == 0);
    }
    end(&f);
}

static void test_closest_equals_brute_force(void **state) {
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        unsigned id_bits = seed % 2 == 0 ? 256 : 160;
        unsigned k = seed % 3 == 0 ? 8 : seed % 3 == 1 ? 20 : 3;
        closest_trial(seed, id_bits, k, (uint32_t)(seed * 7 % 150));
    }
}

/* A few large tables: more than one growth of the bucket array and of every bucket. */
static void test_closest_large(void **state) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        closest_trial(seed, 256, K, 5000);
    }
}

static void test_stalest(void **state) {
    struct fixture f;

    start(&f, 11, K, 256);
    assert_null(kith_routing_stalest(f.table, SECOND, 0));
    struct kith_node_ref far = node_private(&f, 0, 1);
    struct kith_node_ref far_old = node_private(&f, 0, 2);
    struct kith_node_ref near = node_private(&f, 9, 1);
    struct kith_node_ref near_new = node_private(&f, 9, 2);
    (void)answered(&f, far_old, 100 * SECOND);
    (void)answered(&f, far, 130 * SECOND);
    (void)answered(&f, near, 140 * SECOND);
    (void)answered(&f, near_new, 199 * SECOND);
    /* At 200 s their weighted ages are 100, 70, 120 and 2. */
    assert_null(kith_routing_stalest(f.table, 200 * SECOND, 120 * SECOND));
    struct kith_entry *entry = kith_routing_stalest(f.table, 200 * SECOND, 60 * SECOND);
    assert_true(is_node(entry, &near));
    entry->asked = 200 * SECOND; /* under way: the next one */
    entry = kith_routing_stalest(f.table, 200 * SECOND, 60 * SECOND);
    assert_true(is_node(entry, &far_old));
    /* A failed one goes before all, but not at once again. */
    kith_routing_failed(f.table, &near_new.id, 200 * SECOND);
    entry = kith_routing_stalest(f.table, 201 * SECOND, 60 * SECOND);
    assert_true(is_node(entry, &far_old));
    entry = kith_routing_stalest(f.table, 206 * SECOND, 60 * SECOND);
    assert_true(is_node(entry, &near_new));
    end(&f);
}

static void test_unfilled(void **state) {
    struct fixture f;

    start(&f, 12, 4, 256);
    assert_int_equal(kith_routing_unfilled(f.table, 0), -1);
    for (uint8_t i = 0; i < 3; i++) {
        (void)answered(&f, node_private(&f, 0, i), SECOND);
    }
    /* Three nodes in all: fewer than k, so this may well be everybody. */
    assert_int_equal(kith_routing_unfilled(f.table, 0), -1);
    for (uint8_t i = 0; i < 4; i++) {
        (void)answered(&f, node_private(&f, 3, i), SECOND);
    }
    (void)answered(&f, node_private(&f, 5, 0), SECOND);
    /* From bucket 4 on there is one entry: our neighbourhood. Below it 0 has 3, 1 and 2 none. */
    assert_int_equal(kith_routing_unfilled(f.table, 0), 0);
    assert_int_equal(kith_routing_unfilled(f.table, 1), 1);
    assert_int_equal(kith_routing_unfilled(f.table, 2), 2);
    assert_int_equal(kith_routing_unfilled(f.table, 3), -1);
    assert_int_equal(kith_routing_unfilled(f.table, 255), -1);
    end(&f);
}

/* Of one bucket, whoever was silent for longest, unless it was asked just now. */
static void test_longest_silent(void **state) {
    struct fixture f;

    start(&f, 51, 4, 256);
    struct kith_node_ref waits = node_private(&f, 3, 9);
    assert_null(kith_routing_silent(f.table, &waits.id, 100 * SECOND, 0));
    for (uint8_t i = 1; i <= 3; i++) {
        (void)answered(&f, node_private(&f, 3, i), i * SECOND);
    }
    (void)answered(&f, node_private(&f, 4, 1), SECOND / 2); /* of another bucket */
    struct kith_node_ref first = node_private(&f, 3, 1);
    struct kith_node_ref second = node_private(&f, 3, 2);
    assert_null(kith_routing_silent(f.table, &waits.id, 100 * SECOND, 100 * SECOND));
    assert_true(
        is_node(kith_routing_silent(f.table, &waits.id, 100 * SECOND, 99 * SECOND), &first));
    kith_routing_find(f.table, &first.id)->asked = 96 * SECOND;
    assert_true(
        is_node(kith_routing_silent(f.table, &waits.id, 100 * SECOND, 98 * SECOND), &second));
    assert_true(is_node(kith_routing_silent(f.table, &waits.id, 101 * SECOND, 0), &first));
    end(&f);
}

/* Anywhere among the k nearest, and nowhere else. */
static void test_point_near(void **state) {
    struct fixture f;
    const struct kith_entry *nearest[K];
    struct kith_point point;
    unsigned n_outer = 0;

    start(&f, 52, K, 256);
    kith_routing_point_near(f.table, &point); /* nobody is there: anywhere */
    fill_random(&f, 256, 5000);
    assert_int_equal(kith_routing_closest(f.table, &f.own, K, true, nearest), K);
    struct kith_point last = kith_entry_id(nearest[K - 1]);
    unsigned bits = kith_point_common_bits(&f.own, &last);
    assert_true(bits > 4);
    for (unsigned i = 0; i < 200; i++) {
        kith_routing_point_near(f.table, &point);
        assert_true(kith_point_common_bits(&f.own, &point) >= bits);
        n_outer += kith_point_common_bits(&f.own, &point) == bits;
    }
    assert_in_range(n_outer, 60, 140);
    end(&f);
}

static void test_point_in_bucket(void **state) {
    for (unsigned id_bits = 160; id_bits <= 256; id_bits += 96) {
        struct fixture f;
        start(&f, 13, K, id_bits);
        for (unsigned bucket = 0; bucket < id_bits; bucket++) {
            struct kith_point point;
            kith_routing_point_in(f.table, bucket, &point);
            assert_int_equal(kith_point_common_bits(&f.own, &point), bucket);
            for (unsigned i = id_bits / 8; i < sizeof(point.bytes); i++) {
                assert_int_equal(point.bytes[i], 0);
            }
        }
        end(&f);
    }
}

/* Every entry is drawn, none more than twice as often as its share. */
static void test_sample_is_uniform(void **state) {
    enum { NODES = 16, DRAWS = 1600 };
    struct fixture f;
    unsigned drawn[NODES] = {0};

    start(&f, 14, K, 256);
    assert_null(kith_routing_sample(f.table));
    for (uint8_t i = 0; i < NODES; i++) {
        (void)answered(&f, node_private(&f, i / 3, i), SECOND);
    }
    for (unsigned i = 0; i < DRAWS; i++) {
        drawn[kith_entry_endpoint(kith_routing_sample(f.table)).ip[3]]++;
    }
    for (unsigned i = 0; i < NODES; i++) {
        assert_in_range(drawn[i], DRAWS / NODES / 2, DRAWS / NODES * 2);
    }
    end(&f);
}

/* The deviation of one estimate is 24%: 60% either way is 2.5 of it; the mean of many is near. */
static void size_trial(uint32_t n_nodes, unsigned n_trials, double mean_error) {
    double sum = 0;

    for (unsigned i = 0; i < n_trials; i++) {
        struct fixture f;
        start(&f, 1000 + n_nodes + i, K, i % 2 == 0 ? 256 : 160);
        fill_random(&f, i % 2 == 0 ? 256 : 160, n_nodes - 1);
        double ratio = (double)kith_routing_size_estimate(f.table) / n_nodes;
        assert_true(ratio > 0.5 && ratio < 2.5);
        sum += ratio;
        f.table = kith_routing_free(f.table);
    }
    assert_true(sum / n_trials > 1 - mean_error && sum / n_trials < 1 + mean_error);
}

static void test_size_estimate(void **state) {
    size_trial(100, 200, 0.06);
    size_trial(1000, 100, 0.08);
    size_trial(10000, 20, 0.15);
    size_trial(100000, 4, 0.35);
}

static void test_size_estimate_needs_k_nodes(void **state) {
    struct fixture f;

    start(&f, 15, K, 256);
    fill_random(&f, 256, K - 1);
    assert_int_equal(kith_routing_size_estimate(f.table), 0);
    end(&f);
}

/* Ten neighbours die; the others, silent for a while, are counted for what they are likely to be.
 */
static void test_size_estimate_counts_those_there(void **state) {
    struct fixture f;

    start(&f, 21, K, 256);
    for (uint8_t i = 0; i < 2 * K; i++) {
        (void)answered(&f, node_private(&f, i < K ? 5 : 4, i), SECOND);
    }
    uint64_t before = kith_routing_size_estimate(f.table);
    for (uint8_t i = 0; i < 10; i++) {
        struct kith_node_ref gone = node_private(&f, 4, (uint8_t)(K + i));
        for (unsigned j = 0; j < KITH_ROUTING_FAILURES_MAX; j++) {
            kith_routing_failed(f.table, &gone.id, 101 * SECOND);
        }
    }
    /* Of those K nearest that have been silent for 100 s, with a stay of 127 s. */
    assert_in_range(kith_routing_stay_ns(f.table, 900 * SECOND) / SECOND, 120, 130);
    assert_in_range(kith_routing_size_estimate(f.table), before / 2, before * 6 / 10);
    end(&f);
}

/* Ids ground to share 200 bits with us must not overflow the number, only spoil it. */
static void test_size_estimate_of_ground_ids(void **state) {
    struct fixture f;

    start(&f, 16, 3, 256);
    for (uint8_t i = 0; i < 3; i++) {
        struct kith_node_ref node = node_private(&f, 200, 0);
        node.id.bytes[15] ^= i;
        node.endpoint.ip[3] = i;
        (void)answered(&f, node, SECOND);
    }
    assert_true(kith_routing_size_estimate(f.table) == UINT64_C(1) << 63);
    end(&f);
}

/* Twenty entries that answer each minute, and one death: they stay for about 20 times as long as
 * they have been there. */
static void test_stay(void **state) {
    struct fixture f;

    start(&f, 19, K, 256);
    assert_int_equal(kith_routing_stay_ns(f.table, 900 * SECOND), 900 * SECOND);
    for (uint64_t minute = 0; minute <= 60; minute++) {
        for (uint8_t i = 0; i < K; i++) {
            (void)answered(&f, node_private(&f, 5, i), (1 + 60 * minute) * SECOND);
        }
    }
    struct kith_node_ref gone = node_private(&f, 5, 0);
    assert_int_equal(kith_routing_stay_ns(f.table, 900 * SECOND), (K * 3600 + 900) * SECOND);
    for (unsigned i = 0; i < KITH_ROUTING_FAILURES_MAX; i++) {
        kith_routing_failed(f.table, &gone.id, (3661 + i) * SECOND);
    }
    assert_in_range(kith_routing_stay_ns(f.table, 900 * SECOND) / SECOND, (K * 3600 + 900) / 2,
                    (K * 3600 + 1000) / 2);
    end(&f);
}

static void die(struct fixture *f, const struct kith_node_ref *node, uint64_t now) {
    for (unsigned i = 0; i < KITH_ROUTING_FAILURES_MAX; i++) {
        kith_routing_failed(f->table, &node->id, now);
    }
}

/* Our own network is down, and everybody falls silent: that says nothing of how long they stay. */
static void test_stay_after_an_outage(void **state) {
    for (uint8_t n = 3; n <= 30; n += 9) {
        struct fixture f;

        start(&f, 22, K, 256);
        for (uint64_t minute = 0; minute <= 10; minute++) {
            for (uint8_t i = 0; i < n; i++) {
                (void)answered(&f, node_private(&f, 5u + i / K, i), (1 + 60 * minute) * SECOND);
            }
        }
        uint64_t before = kith_routing_stay_ns(f.table, 900 * SECOND);
        for (unsigned j = 0; j < KITH_ROUTING_FAILURES_MAX; j++) {
            for (uint8_t i = 0; i < n; i++) {
                struct kith_node_ref node = node_private(&f, 5u + i / K, i);
                kith_routing_failed(f.table, &node.id, (700 + j) * SECOND);
            }
        }
        assert_int_equal(kith_routing_count(f.table), 0);
        for (uint8_t i = 0; i < n; i++) {
            (void)answered(&f, node_private(&f, 5u + i / K, i), 800 * SECOND);
        }
        assert_int_equal(kith_routing_stay_ns(f.table, 900 * SECOND), before);
        end(&f);
    }
}

/* Hosts of one neighbourhood join and fall silent over and over: it counts once, until there have
 * been as many others as are remembered. */
static void test_stay_of_one_neighbourhood(void **state) {
    static const char *const places[] = {"20.1.2.3:1", "[2001:db9:1::1]:1"};

    for (size_t p = 0; p < 2; p++) {
        struct fixture f;

        start(&f, 23, K, 256);
        for (uint64_t minute = 0; minute <= 60; minute++) {
            for (uint8_t i = 0; i < K; i++) {
                (void)answered(&f, node_private(&f, 5, i), (1 + 60 * minute) * SECOND);
            }
        }
        uint64_t before = kith_routing_stay_ns(f.table, 900 * SECOND);
        for (uint8_t i = 0; i < 100; i++) {
            struct kith_node_ref bad = node_at(&f, 4, i, places[p]);
            bad.endpoint.ip[p == 0 ? 3 : 7] = i; /* of its /24; another /56 of its /48 */
            (void)answered(&f, bad, (3700 + i) * SECOND);
            die(&f, &bad, (3700 + i) * SECOND);
        }
        assert_in_range(kith_routing_stay_ns(f.table, 900 * SECOND), before / 2, before);
        end(&f);
    }
}

/* Where nodes stay for some minutes, one that was last heard of long ago is not named before
 * others, unless there are too few of them. */
static void test_closest_are_likely_there(void **state) {
    struct fixture f;
    const struct kith_entry *out[3];

    start(&f, 20, 4, 256);
    struct kith_node_ref nearest = node_private(&f, 9, 0);
    (void)answered(&f, nearest, SECOND);
    for (uint8_t i = 0; i < 3; i++) {
        (void)answered(&f, node_private(&f, 3, i), 600 * SECOND); /* 900 s / 2 is their stay */
    }
    assert_int_equal(kith_routing_closest(f.table, &f.own, 3, true, out), 3);
    assert_true(is_node(out[0], &nearest)); /* nobody has died yet */
    for (uint8_t died = 0; died < 8; died++) {
        struct kith_node_ref node = node_private(&f, 2, died);
        (void)answered(&f, node, 600 * SECOND);
        for (unsigned i = 0; i < KITH_ROUTING_FAILURES_MAX; i++) {
            kith_routing_failed(f.table, &node.id, 601 * SECOND);
        }
    }
    assert_int_equal(kith_routing_closest(f.table, &f.own, 3, true, out), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(is_node(out[i], &nearest));
    }
    const struct kith_entry *all[8];
    assert_int_equal(kith_routing_closest(f.table, &f.own, 8, true, all), 4);
    assert_true(is_node(all[0], &nearest));
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closest_equals_brute_force),
        cmocka_unit_test(test_closest_large),
        cmocka_unit_test(test_stalest),
        cmocka_unit_test(test_unfilled),
        cmocka_unit_test(test_longest_silent),
        cmocka_unit_test(test_point_near),
        cmocka_unit_test(test_point_in_bucket),
        cmocka_unit_test(test_sample_is_uniform),
        cmocka_unit_test(test_size_estimate),
        cmocka_unit_test(test_size_estimate_needs_k_nodes),
        cmocka_unit_test(test_size_estimate_counts_those_there),
        cmocka_unit_test(test_size_estimate_of_ground_ids),
        cmocka_unit_test(test_stay),
        cmocka_unit_test(test_stay_after_an_outage),
        cmocka_unit_test(test_stay_of_one_neighbourhood),
        cmocka_unit_test(test_closest_are_likely_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
