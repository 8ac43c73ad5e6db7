/* SPDX-License-Identifier: MIT */
/* pace: bursts and rates to the unit, reserving, unlimited and absurd limits, shares by address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/pace.h"
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

    kith_paces_init(&paces, &random, 0);
    kith_paces_of_ip(&paces, &a, START)->due = 1;
    kith_paces_of_ip(&paces, &b, START)->due = 2;
    assert_int_equal(kith_paces_of_ip(&paces, &a_port, START)->due, 1);
    kith_paces_of_prefix(&paces, &a, START)->due = 3;
    assert_int_equal(kith_paces_of_prefix(&paces, &b, START)->due, 3);
    kith_paces_of_prefix(&paces, &local_a, START)->due = 4;
    assert_int_equal(kith_paces_of_prefix(&paces, &local_b, START)->due, 0);
    kith_paces_of_prefix(&paces, &v6_a, START)->due = 5;
    assert_int_equal(kith_paces_of_prefix(&paces, &v6_b, START)->due, 5);
    assert_int_equal(kith_paces_of_prefix(&paces, &v6_c, START)->due, 0);
    kith_paces_deinit(&paces);
}

static struct kith_endpoint numbered(unsigned i) {
    struct kith_endpoint endpoint = kith_test_endpoint("192.0.2.1:1");
    endpoint.ip[2] = (uint8_t)(i >> 8);
    endpoint.ip[3] = (uint8_t)i;
    return endpoint;
}

/* Addresses are spread over all slots, and another secret spreads them otherwise. */
static void test_slots_are_keyed(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 1);
    static struct kith_paces paces[2];
    unsigned n_same = 0;

    kith_paces_init(&paces[0], &random, KITH_NEVER);
    kith_paces_init(&paces[1], &random, KITH_NEVER);
    for (unsigned i = 0; i < 8 * KITH_PACES_SLOTS; i++) {
        struct kith_endpoint endpoint = numbered(i);
        (void)kith_paces_of_ip(&paces[0], &endpoint, START);
        (void)kith_paces_of_ip(&paces[1], &endpoint, START);
    }
    assert_true(paces[0].n > KITH_PACES_SLOTS * 99 / 100);
    assert_true(paces[0].n <= KITH_PACES_SLOTS);
    assert_int_equal(paces[0].capacity, KITH_PACES_SLOTS);
    for (unsigned i = 0; i < 8 * KITH_PACES_SLOTS; i++) {
        struct kith_endpoint endpoint = numbered(i);
        struct kith_pace *slots[2] = {kith_paces_of_ip(&paces[0], &endpoint, START),
                                      kith_paces_of_ip(&paces[1], &endpoint, START)};
        long places[2] = {(struct kith_paces_slot *)slots[0] - paces[0].slots,
                          (struct kith_paces_slot *)slots[1] - paces[1].slots};
        n_same += places[0] == places[1];
    }
    assert_true(n_same < 40);
    kith_paces_deinit(&paces[0]);
    kith_paces_deinit(&paces[1]);
}

/* Memory is held for schedules that are ahead, and given back; a share is never forgotten before.
 */
static void test_slots_are_forgotten(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 1);
    struct kith_pace_limit limit = kith_pace_limit(10, 1);
    static struct kith_paces paces;
    uint64_t now = START;

    kith_paces_init(&paces, &random, 0);
    for (unsigned i = 0; i < 500; i++) {
        struct kith_endpoint endpoint = numbered(i);
        (void)kith_pace_take(kith_paces_of_ip(&paces, &endpoint, now), &limit, 1, now);
        assert_false(kith_pace_ready(kith_paces_of_ip(&paces, &endpoint, now), &limit, 1, now));
    }
    assert_true(paces.n > 300);
    for (unsigned i = 0; i < 500; i++) {
        struct kith_endpoint endpoint = numbered(i);
        assert_false(kith_pace_ready(kith_paces_of_ip(&paces, &endpoint, now), &limit, 1, now));
    }
    for (unsigned i = 500; i < 3000; i++) { /* one every 100 ms: none is ahead of the next */
        struct kith_endpoint endpoint = numbered(i);
        now += 100 * MS;
        (void)kith_pace_take(kith_paces_of_ip(&paces, &endpoint, now), &limit, 1, now);
    }
    assert_true(paces.capacity <= 16);
    kith_paces_deinit(&paces);
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
        cmocka_unit_test(test_slots_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
