/* SPDX-License-Identifier: MIT */
/* Timers: order among equals, and what a run does with timers set or stopped during it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "util/list.h"
#include "util/timer.h"

enum { N_TIMERS = 8 };

/* A timer with a letter. When it fires it writes the letter, and may set or stop another. */
struct bell {
    struct kith_timer timer;
    struct tower *tower;
    char letter;
    struct bell *sets;
    uint64_t sets_to;
    struct bell *stops;
};

struct tower {
    struct kith_timers timers;
    struct bell bells[N_TIMERS];
    char rung[32];
    size_t n_rung;
};

static void bell_ring(struct kith_timer *timer, uint64_t now) {
    struct bell *bell = kith_container_of(timer, struct bell, timer);
    struct tower *tower = bell->tower;

    assert_false(kith_timer_is_set(timer));
    assert_true(tower->n_rung + 1 < sizeof(tower->rung));
    tower->rung[tower->n_rung++] = bell->letter;
    if (bell->sets != NULL) {
        assert_int_equal(
            kith_timer_set(&tower->timers, &bell->sets->timer, bell_ring, bell->sets_to), 0);
    }
    if (bell->stops != NULL) {
        kith_timer_stop(&tower->timers, &bell->stops->timer);
    }
}

static void tower_init(struct tower *tower) {
    memset(tower, 0, sizeof(*tower));
    kith_timers_init(&tower->timers);
    for (unsigned i = 0; i < N_TIMERS; i++) {
        tower->bells[i].tower = tower;
        tower->bells[i].letter = (char)('a' + (int)i);
    }
}

static void set(struct tower *tower, char letter, uint64_t deadline) {
    struct bell *bell = &tower->bells[letter - 'a'];

    assert_int_equal(kith_timer_set(&tower->timers, &bell->timer, bell_ring, deadline), 0);
}

/* Runs, and checks which letters were rung since the last call. */
static void run(struct tower *tower, uint64_t now, const char *expected) {
    memset(tower->rung, 0, sizeof(tower->rung));
    tower->n_rung = 0;
    kith_timers_run(&tower->timers, now);
    assert_string_equal(tower->rung, expected);
}

static void fires_by_deadline(void **state) {
    struct tower tower;

    tower_init(&tower);
    assert_true(kith_timers_next(&tower.timers) == KITH_NEVER);
    set(&tower, 'a', 30);
    set(&tower, 'b', 10);
    set(&tower, 'c', 20);
    assert_int_equal(kith_timers_next(&tower.timers), 10);
    run(&tower, 9, "");
    run(&tower, 20, "bc");
    assert_int_equal(kith_timers_next(&tower.timers), 30);
    run(&tower, 100, "a");
    kith_timers_deinit(&tower.timers);
}

static void equal_deadlines_fire_as_set(void **state) {
    struct tower tower;

    tower_init(&tower);
    for (char letter = 'a'; letter < 'a' + N_TIMERS; letter++) {
        set(&tower, letter, 5);
    }
    /* Holes in the heap change its shape; the order must not follow. */
    kith_timer_stop(&tower.timers, &tower.bells[0].timer);
    kith_timer_stop(&tower.timers, &tower.bells[3].timer);
    run(&tower, 5, "bcefgh");
    kith_timers_deinit(&tower.timers);
}

/* Setting again counts as set now, with the same deadline too. */
static void setting_again_goes_to_the_back(void **state) {
    struct tower tower;

    tower_init(&tower);
    set(&tower, 'a', 5);
    set(&tower, 'b', 5);
    set(&tower, 'a', 5);
    run(&tower, 5, "ba");
    kith_timers_deinit(&tower.timers);
}

static void timer_can_be_moved_both_ways(void **state) {
    struct tower tower;

    tower_init(&tower);
    set(&tower, 'a', 10);
    set(&tower, 'b', 20);
    set(&tower, 'a', 30);
    run(&tower, 20, "b");
    set(&tower, 'a', 21);
    run(&tower, 21, "a");
    kith_timers_deinit(&tower.timers);
}

/* A timer that sets itself to now would otherwise run for ever. */
static void set_in_a_run_waits_for_the_next(void **state) {
    struct tower tower;

    tower_init(&tower);
    tower.bells[0].sets = &tower.bells[0];
    tower.bells[0].sets_to = 10;
    set(&tower, 'a', 10);
    run(&tower, 10, "a");
    assert_int_equal(kith_timers_next(&tower.timers), 10);
    run(&tower, 10, "a");
    kith_timers_deinit(&tower.timers);
}

/* A deadline in the past, set during a run, must not keep older due timers from firing. */
static void set_into_the_past_hides_nobody(void **state) {
    struct tower tower;

    tower_init(&tower);
    tower.bells[0].sets = &tower.bells[1];
    tower.bells[0].sets_to = 1;
    set(&tower, 'a', 5);
    set(&tower, 'c', 7);
    set(&tower, 'd', 10);
    run(&tower, 10, "acd");
    run(&tower, 10, "b");
    kith_timers_deinit(&tower.timers);
}

/* Moving a due timer during a run takes it out of the run: it was set after the run began. */
static void moved_in_a_run_waits_for_the_next(void **state) {
    struct tower tower;

    tower_init(&tower);
    tower.bells[0].sets = &tower.bells[1];
    tower.bells[0].sets_to = 6;
    set(&tower, 'a', 5);
    set(&tower, 'b', 6);
    run(&tower, 10, "a");
    run(&tower, 10, "b");
    kith_timers_deinit(&tower.timers);
}

static void stopped_in_a_run_does_not_fire(void **state) {
    struct tower tower;

    tower_init(&tower);
    tower.bells[0].stops = &tower.bells[1];
    set(&tower, 'a', 5);
    set(&tower, 'b', 5);
    run(&tower, 5, "a");
    assert_false(kith_timer_is_set(&tower.bells[1].timer));
    kith_timers_deinit(&tower.timers);
}

static void stopping_an_idle_timer_does_nothing(void **state) {
    struct tower tower;

    tower_init(&tower);
    kith_timer_stop(&tower.timers, &tower.bells[0].timer);
    set(&tower, 'a', 5);
    kith_timer_stop(&tower.timers, &tower.bells[0].timer);
    kith_timer_stop(&tower.timers, &tower.bells[0].timer);
    run(&tower, 5, "");
    kith_timers_deinit(&tower.timers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_by_deadline),
        cmocka_unit_test(equal_deadlines_fire_as_set),
        cmocka_unit_test(setting_again_goes_to_the_back),
        cmocka_unit_test(timer_can_be_moved_both_ways),
        cmocka_unit_test(set_in_a_run_waits_for_the_next),
        cmocka_unit_test(set_into_the_past_hides_nobody),
        cmocka_unit_test(moved_in_a_run_waits_for_the_next),
        cmocka_unit_test(stopped_in_a_run_does_not_fire),
        cmocka_unit_test(stopping_an_idle_timer_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
