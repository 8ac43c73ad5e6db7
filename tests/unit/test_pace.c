/* SPDX-License-Identifier: MIT */
/* pace: bursts and rates to the unit, reserving, unlimited and absurd limits, shares by address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/pace.h"
#include "testing.h"
#include "util/timer.h"

static const uint64_t START = 1000 * KITH_NS_PER_S;
static const uint64_t MS = KITH_NS_PER_MS;

static void test_burst_then_rate(void **state) {
    struct kith_pace_limit limit = kith_pace_limit(10, 3);
    struct kith_pace pace = {0};

    for (unsigned round = 0; round < 3; round++) {
        uint64_t now = START + round * 10 * KITH_NS_PER_S;
        for (unsigned i = 0; i < 3; i++) {
            assert_true(kith_pace_ready(&pace, &limit, 1, now));
            assert_true(kith_pace_take(&pace, &limit, 1, now));
        }
        assert_false(kith_pace_ready(&pace, &limit, 1, now));
        assert_false(kith_pace_take(&pace, &limit, 1, now + 99 * MS));
        assert_true(kith_pace_take(&pace, &limit, 1, now + 100 * MS));
        assert_false(kith_pace_take(&pace, &limit, 1, now + 199 * MS));
        assert_false(kith_pace_take(&pace, &limit, 2, now + 200 * MS));
        assert_true(kith_pace_take(&pace, &limit, 1, now + 200 * MS));
    }
}

/* Over any time, no more than rate times time plus burst, and no less when always wanted. */
static void test_long_run(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 1);

    for (unsigned run = 0; run < 20; run++) {
        uint64_t per_s = 1 + kith_random_below(&random, 100);
        uint64_t burst = 1 + kith_random_below(&random, 50);
        struct kith_pace_limit limit = kith_pace_limit(per_s, burst);
        struct kith_pace pace = {0};
        uint64_t taken = 0;
        for (uint64_t now = START; now < START + 20 * KITH_NS_PER_S; now += MS) {
            taken += kith_pace_take(&pace, &limit, 1, now);
        }
        assert_in_range(taken, 20 * per_s + burst - 1 - per_s / 50, 20 * per_s + burst);
    }
}

static void test_many_units_at_once(void **state) {
    struct kith_pace_limit limit = kith_pace_limit(8000, 8000);
    struct kith_pace pace = {0};

    assert_false(kith_pace_take(&pace, &limit, 8001, START));
    assert_true(kith_pace_take(&pace, &limit, 0, START));
    assert_true(kith_pace_take(&pace, &limit, 8000, START));
    assert_true(kith_pace_take(&pace, &limit, 0, START));
    assert_false(kith_pace_take(&pace, &limit, 1000, START + 124 * MS));
    assert_true(kith_pace_take(&pace, &limit, 1000, START + 125 * MS));
    assert_false(kith_pace_take(&pace, &limit, UINT64_MAX, START + 1000 * KITH_NS_PER_S));
    assert_true(kith_pace_take(&pace, &limit, 8000, START + 1000 * KITH_NS_PER_S));
}

static void test_reserve(void **state) {
    struct kith_pace_limit limit = kith_pace_limit(10, 2);
    struct kith_pace pace = {0};

    assert_int_equal(kith_pace_reserve(&pace, &limit, 250 * MS, START), 0);
    assert_int_equal(kith_pace_reserve(&pace, &limit, 250 * MS, START), 0);
    assert_int_equal(kith_pace_reserve(&pace, &limit, 250 * MS, START), 100 * MS);
    assert_int_equal(kith_pace_reserve(&pace, &limit, 250 * MS, START), 200 * MS);
    for (unsigned i = 0; i < 3; i++) { /* refused, it costs nothing */
        assert_true(kith_pace_reserve(&pace, &limit, 250 * MS, START) == KITH_NEVER);
    }
    assert_int_equal(kith_pace_reserve(&pace, &limit, 250 * MS, START + 50 * MS), 250 * MS);
    assert_false(kith_pace_take(&pace, &limit, 1, START + 399 * MS));
    assert_true(kith_pace_take(&pace, &limit, 1, START + 400 * MS));
}

static void test_no_limit(void **state) {
    struct kith_pace_limit limit = kith_pace_limit(0, 5);
    struct kith_pace pace = {0};

    for (unsigned i = 0; i < 10; i++) {
        assert_true(kith_pace_take(&pace, &limit, UINT64_MAX, START));
        assert_int_equal(kith_pace_reserve(&pace, &limit, 0, START), 0);
    }
}

static void test_absurd_limits(void **state) {
    struct kith_pace_limit limit = kith_pace_limit(UINT64_MAX, UINT64_MAX);
    struct kith_pace pace = {0};

    assert_true(kith_pace_take(&pace, &limit, UINT32_MAX, START));
    assert_true(kith_pace_take(&pace, &limit, UINT32_MAX, START));
    limit = kith_pace_limit(1, UINT64_MAX);
    pace = (struct kith_pace){0};
    assert_true(kith_pace_take(&pace, &limit, UINT32_MAX, START));
    assert_false(kith_pace_take(&pace, &limit, UINT64_MAX, START));
    limit = kith_pace_limit(1, 0);
    pace = (struct kith_pace){0};
    assert_true(kith_pace_take(&pace, &limit, 1, START));
    assert_false(kith_pace_take(&pace, &limit, 1, START));
}

static void test_shares(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 1);
    static struct kith_paces paces;
    struct kith_endpoint a = kith_test_endpoint("192.0.2.1:1");
    struct kith_endpoint a_port = kith_test_endpoint("192.0.2.1:2");
    struct kith_endpoint b = kith_test_endpoint("192.0.2.2:1");
    struct kith_endpoint local_a = kith_test_endpoint("10.0.0.1:1");
    struct kith_endpoint local_b = kith_test_endpoint("10.0.0.2:1");
    struct kith_endpoint v6_a = kith_test_endpoint("[2001:db8:0:100::1]:1");
    struct kith_endpoint v6_b = kith_test_endpoint("[2001:db8:0:1ff::2]:1");
    struct kith_endpoint v6_c = kith_test_endpoint("[2001:db8:0:200::2]:1");

    kith_paces_init(&paces, &random);
    assert_ptr_equal(kith_paces_of_ip(&paces, &a), kith_paces_of_ip(&paces, &a_port));
    assert_ptr_not_equal(kith_paces_of_ip(&paces, &a), kith_paces_of_ip(&paces, &b));
    assert_ptr_equal(kith_paces_of_prefix(&paces, &a), kith_paces_of_prefix(&paces, &b));
    assert_ptr_not_equal(kith_paces_of_prefix(&paces, &local_a),
                         kith_paces_of_prefix(&paces, &local_b));
    assert_ptr_equal(kith_paces_of_prefix(&paces, &v6_a), kith_paces_of_prefix(&paces, &v6_b));
    assert_ptr_not_equal(kith_paces_of_prefix(&paces, &v6_a), kith_paces_of_prefix(&paces, &v6_c));
}

/* Addresses are spread over all slots, and another secret spreads them otherwise. */
static void test_slots_are_keyed(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 1);
    static struct kith_paces paces[2];
    static bool used[KITH_PACES_SLOTS];
    struct kith_endpoint endpoint = kith_test_endpoint("192.0.2.1:1");
    unsigned n_used = 0;
    unsigned n_same = 0;

    kith_paces_init(&paces[0], &random);
    kith_paces_init(&paces[1], &random);
    for (unsigned i = 0; i < 8 * KITH_PACES_SLOTS; i++) {
        endpoint.ip[2] = (uint8_t)(i >> 8);
        endpoint.ip[3] = (uint8_t)i;
        long slot = kith_paces_of_ip(&paces[0], &endpoint) - paces[0].slots;
        n_same += slot == kith_paces_of_ip(&paces[1], &endpoint) - paces[1].slots;
        n_used += !used[slot];
        used[slot] = true;
    }
    assert_true(n_used > KITH_PACES_SLOTS * 99 / 100);
    assert_true(n_same < 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_rate),
        cmocka_unit_test(test_long_run),
        cmocka_unit_test(test_many_units_at_once),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_absurd_limits),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_slots_are_keyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
