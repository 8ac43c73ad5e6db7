/* SPDX-License-Identifier: MIT */
/* votes: who has one, which count, and who wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/votes.h"
#include "testing.h"

/* `voter` 0: without a key. */
static bool vote(struct kith_votes *votes, unsigned voter, const char *from, const char *you) {
    struct kith_key key = {{(uint8_t)voter, (uint8_t)(voter >> 8)}};
    struct kith_endpoint from_endpoint = kith_test_endpoint(from);
    struct kith_endpoint endpoint = kith_test_endpoint(you);

    return kith_votes_add(votes, voter == 0 ? NULL : &key, &from_endpoint, &endpoint);
}

static void assert_winner(const struct kith_votes *votes, const char *text) {
    struct kith_endpoint expected = kith_test_endpoint(text);

    assert_true(kith_endpoint_equal(&votes->winner, &expected));
}

static void test_majority(void **state) {
    struct kith_votes votes = {0};

    assert_int_equal(votes.winner.family, 0);
    assert_true(vote(&votes, 1, "20.0.1.1:1", "21.0.0.1:7"));
    assert_winner(&votes, "21.0.0.1:7");
    assert_false(vote(&votes, 2, "20.0.2.1:1", "21.0.0.2:7"));
    assert_winner(&votes, "21.0.0.1:7");
    assert_true(vote(&votes, 3, "20.0.3.1:1", "21.0.0.2:7"));
    assert_winner(&votes, "21.0.0.2:7");
    assert_false(vote(&votes, 4, "20.0.4.1:1", "21.0.0.2:7"));
    assert_int_equal(votes.n, 4);
    kith_votes_deinit(&votes);
}

/* Behind a NAT that maps differently for everybody, nobody wins anew once there are three. */
static void test_one_alone_does_not_win(void **state) {
    struct kith_votes votes = {0};
    char from[32];
    char you[32];

    for (unsigned i = 1; i < 40; i++) {
        (void)snprintf(from, sizeof(from), "20.0.%u.1:1", i);
        (void)snprintf(you, sizeof(you), "21.0.0.1:%u", 7000 + i);
        assert_int_equal(vote(&votes, i, from, you), i == 1);
    }
    assert_winner(&votes, "21.0.0.1:7001");
    assert_int_equal(votes.n, KITH_VOTES_MAX);
    kith_votes_deinit(&votes);
}

/* The address is what more than half name, whatever the ports; a strong minority is none. */
static void test_majority_ip(void **state) {
    struct kith_votes votes = {0};
    struct kith_endpoint ip;
    char from[32];
    char you[32];

    assert_int_equal(kith_votes_majority_ip(&votes).family, 0);
    for (unsigned i = 1; i <= 4; i++) {
        (void)snprintf(from, sizeof(from), "20.0.%u.1:1", i);
        (void)vote(&votes, i, from, "21.0.0.9:7"); /* the first to answer lie */
    }
    for (unsigned i = 5; i <= 9; i++) {
        ip = kith_votes_majority_ip(&votes);
        assert_int_equal(i <= 8 ? ip.ip[3] : 0, i <= 8 ? 9 : 0);
        (void)snprintf(from, sizeof(from), "20.0.%u.1:1", i);
        (void)snprintf(you, sizeof(you), "21.0.0.1:%u", 7000 + i);
        (void)vote(&votes, i, from, you);
    }
    ip = kith_votes_majority_ip(&votes);
    assert_int_equal(ip.ip[3], 1);
    (void)vote(&votes, 10, "20.0.10.1:1", "21.0.0.9:7");
    assert_int_equal(kith_votes_majority_ip(&votes).family, 0); /* five to five */
    kith_votes_deinit(&votes);
}

static void test_one_vote_each(void **state) {
    struct kith_votes votes = {0};

    assert_true(vote(&votes, 1, "20.0.1.1:1", "21.0.0.1:7"));
    assert_false(vote(&votes, 1, "20.0.1.1:1", "21.0.0.1:7"));
    assert_true(vote(&votes, 1, "20.0.1.1:1", "21.0.0.2:7")); /* it changed its mind */
    assert_true(vote(&votes, 1, "20.9.9.9:1", "21.0.0.3:7")); /* it moved */
    assert_int_equal(votes.n, 1);
    for (unsigned i = 2; i < 40; i++) { /* keys are cheap */
        (void)vote(&votes, i, "20.9.9.1:1", "21.0.0.4:7");
    }
    assert_int_equal(votes.n, 1);
    kith_votes_deinit(&votes);
}

static void test_voters_without_keys(void **state) {
    struct kith_votes votes = {0};

    assert_true(vote(&votes, 0, "20.0.1.1:1", "21.0.0.1:7"));
    assert_false(vote(&votes, 0, "20.0.1.2:2", "21.0.0.1:7"));
    assert_int_equal(votes.n, 1);
    assert_false(vote(&votes, 0, "20.0.2.1:1", "21.0.0.1:7"));
    assert_int_equal(votes.n, 2);
    /* One with a key in the prefix of one without is the same party, and the other way round. */
    assert_false(vote(&votes, 5, "20.0.2.9:1", "21.0.0.1:7"));
    assert_int_equal(votes.n, 2);
    assert_false(vote(&votes, 0, "20.0.2.7:1", "21.0.0.1:7"));
    assert_int_equal(votes.n, 2);
    kith_votes_deinit(&votes);
}

static void test_exempt_addresses(void **state) {
    struct kith_votes votes = {0};

    assert_true(vote(&votes, 0, "127.0.0.1:1", "127.0.0.1:7"));
    assert_false(vote(&votes, 0, "127.0.0.1:2", "127.0.0.1:7"));
    assert_int_equal(votes.n, 2);
    assert_false(vote(&votes, 0, "127.0.0.1:2", "127.0.0.1:7"));
    assert_int_equal(votes.n, 2);
    assert_false(vote(&votes, 0, "127.0.0.2:2", "127.0.0.1:7"));
    assert_int_equal(votes.n, 3);
    /* A key tells apart; one without a key at the same endpoint is the one with. */
    assert_false(vote(&votes, 1, "10.0.0.1:1", "127.0.0.1:7"));
    assert_false(vote(&votes, 2, "10.0.0.1:1", "127.0.0.1:7"));
    assert_int_equal(votes.n, 5);
    assert_false(vote(&votes, 0, "10.0.0.1:1", "127.0.0.1:7"));
    assert_false(vote(&votes, 3, "127.0.0.2:2", "127.0.0.1:7"));
    assert_int_equal(votes.n, 5);
    kith_votes_deinit(&votes);
}

static void test_what_is_ignored(void **state) {
    struct kith_votes votes = {0};

    assert_false(vote(&votes, 1, "20.0.1.1:1", "127.0.0.1:7"));
    assert_false(vote(&votes, 1, "20.0.1.1:1", "10.0.0.1:7"));
    assert_false(vote(&votes, 1, "20.0.1.1:1", "21.0.0.1:0"));
    assert_false(vote(&votes, 1, "20.0.1.1:1", "224.0.0.1:7"));
    assert_false(vote(&votes, 1, "[2001:db8::1]:1", "21.0.0.1:7"));
    assert_false(vote(&votes, 1, "20.0.1.1:1", "[2001:db8::1]:7"));
    assert_int_equal(votes.n, 0);
    assert_true(vote(&votes, 1, "10.0.0.2:1", "10.0.0.1:7"));
    kith_votes_deinit(&votes);
    assert_true(vote(&votes, 1, "[2001:db8::1]:1", "[2001:db8:1::1]:7"));
    kith_votes_deinit(&votes);
}

/* The oldest of 17 is forgotten. */
static void test_ring(void **state) {
    struct kith_votes votes = {0};
    char from[32];

    for (unsigned i = 0; i < KITH_VOTES_MAX; i++) {
        (void)snprintf(from, sizeof(from), "20.0.%u.1:1", i);
        (void)vote(&votes, 0, from, "21.0.0.1:7");
    }
    for (unsigned i = 0; i < KITH_VOTES_MAX; i++) {
        (void)snprintf(from, sizeof(from), "20.1.%u.1:1", i);
        assert_int_equal(vote(&votes, 0, from, "21.0.0.2:7"), i == KITH_VOTES_MAX / 2 - 1);
    }
    assert_winner(&votes, "21.0.0.2:7");
    kith_votes_deinit(&votes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_majority),
        cmocka_unit_test(test_one_alone_does_not_win),
        cmocka_unit_test(test_majority_ip),
        cmocka_unit_test(test_one_vote_each),
        cmocka_unit_test(test_voters_without_keys),
        cmocka_unit_test(test_exempt_addresses),
        cmocka_unit_test(test_what_is_ignored),
        cmocka_unit_test(test_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
