/* SPDX-License-Identifier: MIT */
/* Time that passes without the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shell/away.h"
#include "testing.h"
#include "util/timer.h"

static uint64_t look(struct kith_away *away, uint64_t awake_ms, uint64_t always_ms) {
    struct kith_away_clocks clocks = {.awake = awake_ms * KITH_NS_PER_MS,
                                      .always = always_ms * KITH_NS_PER_MS};
    return kith_away_look(away, &clocks) / KITH_NS_PER_MS;
}

static void begin(struct kith_away *away, uint64_t awake_ms, uint64_t always_ms) {
    struct kith_away_clocks clocks = {.awake = awake_ms * KITH_NS_PER_MS,
                                      .always = always_ms * KITH_NS_PER_MS};
    kith_away_init(away, &clocks);
}

static void test_suspended(void **state) {
    (void)state;
    struct kith_away away;
    begin(&away, 10000, 15000); /* the host has slept before */
    assert_int_equal(look(&away, 12000, 17001), 0);
    assert_int_equal(look(&away, 13000, 3618000), 3601000);
    assert_int_equal(away.slept / KITH_NS_PER_S, 3600);
    assert_int_equal(look(&away, 15000, 3620000), 0); /* told once */
    assert_int_equal(look(&away, 17000, 3632000), 12000);
    assert_int_equal(away.slept / KITH_NS_PER_S, 3610);
}

/* A stop between the readings of the two clocks is no sleep, and time does not go back. */
static void test_never_back(void **state) {
    (void)state;
    struct kith_away away;
    begin(&away, 10000, 10000);
    assert_int_equal(look(&away, 12000, 15000), 5000);
    assert_int_equal(look(&away, 14000, 14500), 0);
    assert_int_equal(away.slept / KITH_NS_PER_S, 3);
    assert_int_equal(look(&away, 16000, 10000), 0);
    assert_int_equal(away.slept / KITH_NS_PER_S, 3);
}

static void test_stopped(void **state) {
    (void)state;
    struct kith_away away;
    begin(&away, 10000, 10000);
    assert_int_equal(look(&away, 16000, 16000), 0); /* a busy machine */
    assert_int_equal(look(&away, 25000, 25000), 9000);
    assert_int_equal(away.slept, 0);
    assert_int_equal(look(&away, 27000, 27000), 0);
}

/* A system without the clock that goes on. */
static void test_no_such_clock(void **state) {
    (void)state;
    struct kith_away away;
    begin(&away, 10000, 0);
    assert_int_equal(look(&away, 12000, 0), 0);
    assert_int_equal(look(&away, 22000, 0), 10000);
    assert_int_equal(away.slept, 0);
}

/* The real ones run together. */
static void test_clocks(void **state) {
    (void)state;
    struct kith_away_clocks clocks = kith_away_read();
    struct kith_away away;
    kith_away_init(&away, &clocks);
    clocks = kith_away_read();
    assert_true(clocks.awake >= away.seen);
    assert_int_equal(kith_away_look(&away, &clocks), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suspended), cmocka_unit_test(test_never_back),
        cmocka_unit_test(test_stopped),   cmocka_unit_test(test_no_such_clock),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
