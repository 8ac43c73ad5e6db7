/* SPDX-License-Identifier: MIT */
/* rpc: how often a question is worth repeating. Matching and timeouts are tested with whole cores.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/swarm/rpc.h"

static unsigned sendings(const struct kith_dialect *dialect, uint32_t repeats_ppm) {
    struct kith_rpcs rpcs = {.dialect = dialect, .repeats_ppm = repeats_ppm};
    return kith_rpcs_sendings(&rpcs);
}

/* Of those who are there, at most a hundredth stays unheard: r^n <= 1 %, where r is the share of
 * round trips that fail. */
static void test_sendings_follow_loss(void **state) {
    assert_int_equal(sendings(&kith_dialect_kith, 0), 2);
    assert_int_equal(sendings(&kith_dialect_kith, 20000), 2);  /* 1 % each way */
    assert_int_equal(sendings(&kith_dialect_kith, 190000), 3); /* 10 % */
    assert_int_equal(sendings(&kith_dialect_kith, 510000), 7); /* 30 % */
    assert_int_equal(sendings(&kith_dialect_kith, 750000), 8); /* 50 %: 17 would be too many */
    assert_int_equal(sendings(&kith_dialect_kith, 1000000), 8);
}

static void test_mainline_is_asked_twice(void **state) {
    assert_int_equal(sendings(&kith_dialect_krpc, 0), 2);
    assert_int_equal(sendings(&kith_dialect_krpc, 750000), 2);
}

/* With 4 % lost each way one in twelve of those who are there would be taken for gone. */
static void test_silence_says_something_where_little_is_lost(void **state) {
    struct kith_rpcs rpcs = {.dialect = &kith_dialect_kith, .repeats_ppm = 20000};
    assert_true(kith_rpcs_hears(&rpcs));
    rpcs.repeats_ppm = 78400; /* 4 % each way */
    assert_false(kith_rpcs_hears(&rpcs));
    rpcs.repeats_ppm = 100000; /* not known yet */
    assert_false(kith_rpcs_hears(&rpcs));
}

static struct kith_rpcs with_rtt(unsigned mean_ms, unsigned deviation_ms) {
    return (struct kith_rpcs){.dialect = &kith_dialect_kith,
                              .rtt = {.n = 16,
                                      .mean_ns = mean_ms * KITH_NS_PER_MS,
                                      .deviation_ns = deviation_ms * KITH_NS_PER_MS}};
}

static unsigned soft_ms(const struct kith_rpcs *rpcs, unsigned peer_ms) {
    return (unsigned)(kith_rpcs_soft_timeout(rpcs, peer_ms * 1000) / KITH_NS_PER_MS);
}

static unsigned late_ms(const struct kith_rpcs *rpcs, unsigned peer_ms) {
    return (unsigned)(kith_rpcs_late_timeout(rpcs, peer_ms * 1000) / KITH_NS_PER_MS);
}

/* Round trips of the standard condition: 80 ms, sigma 0.6. */
static void test_timeouts_follow_round_trips(void **state) {
    struct kith_rpcs rpcs = with_rtt(96, 44);
    assert_int_equal(soft_ms(&rpcs, 0), 96 + 3 * 44);
    assert_int_equal(late_ms(&rpcs, 0), 96 + 66);
    assert_int_equal(soft_ms(&rpcs, 80), 120 + 44);
    assert_int_equal(late_ms(&rpcs, 80), 100 + 11);
}

/* Never so soon that a busy machine looks late, never later than slow, unknown before the first. */
static void test_late_has_bounds(void **state) {
    struct kith_rpcs near = with_rtt(2, 1);
    assert_int_equal(late_ms(&near, 0), 30);
    assert_int_equal(late_ms(&near, 1), 30);
    assert_int_equal(soft_ms(&near, 1), 100);
    struct kith_rpcs far = with_rtt(4000, 1000);
    assert_int_equal(late_ms(&far, 0), soft_ms(&far, 0));
    struct kith_rpcs none = with_rtt(0, 0);
    assert_int_equal(late_ms(&none, 0), soft_ms(&none, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sendings_follow_loss),
        cmocka_unit_test(test_mainline_is_asked_twice),
        cmocka_unit_test(test_silence_says_something_where_little_is_lost),
        cmocka_unit_test(test_timeouts_follow_round_trips),
        cmocka_unit_test(test_late_has_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
