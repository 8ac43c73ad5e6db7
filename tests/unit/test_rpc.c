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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sendings_follow_loss),
        cmocka_unit_test(test_mainline_is_asked_twice),
        cmocka_unit_test(test_silence_says_something_where_little_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
