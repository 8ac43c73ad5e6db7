/* SPDX-License-Identifier: MIT */
/* token: what a token is bound to, and how long it is good, however seldom anybody asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/token.h"
#include "testing.h"
#include "util/timer.h"

static const uint64_t START = 7 * KITH_NS_PER_S;
static const uint64_t PERIOD = KITH_TOKEN_ROTATE_S * KITH_NS_PER_S;

struct fixture {
    uint64_t storage[4];
    struct kith_random random;
    struct kith_tokens tokens;
    struct kith_endpoint asker;
    struct kith_point target;
    uint8_t token[KITH_TOKEN_SIZE];
};

static void start(struct fixture *f) {
    *f = (struct fixture){.asker = kith_test_endpoint("192.0.2.1:1"), .target = {{1, 2, 3}}};
    f->random = kith_test_random(f->storage, 1);
    kith_tokens_init(&f->tokens, &f->random, START);
}

static void make(struct fixture *f, uint64_t now) {
    kith_tokens_make(&f->tokens, &f->random, &f->asker, &f->target, now, f->token);
}

static bool good(struct fixture *f, uint64_t now) {
    return kith_tokens_check(&f->tokens, &f->random, &f->asker, &f->target,
                             kith_span(f->token, sizeof(f->token)), now);
}

static void test_bound_to_address_and_target(void **state) {
    struct fixture f;

    start(&f);
    make(&f, START);
    assert_true(good(&f, START));
    f.asker.port = 2;
    assert_true(good(&f, START));
    f.asker.ip[3]++;
    assert_false(good(&f, START));
    f.asker.ip[3]--;
    f.asker.family = 6;
    assert_false(good(&f, START));
    f.asker = kith_test_endpoint("[2001:db8::1]:1");
    assert_false(good(&f, START));
    make(&f, START);
    assert_true(good(&f, START));
    f.asker.ip[15]++;
    assert_false(good(&f, START));
    f.asker.ip[15]--;
    f.target.bytes[19] ^= 1;
    assert_false(good(&f, START));
}

static void test_every_bit_counts(void **state) {
    struct fixture f;

    start(&f);
    make(&f, START);
    for (unsigned i = 0; i < 8 * KITH_TOKEN_SIZE; i++) {
        f.token[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_false(good(&f, START));
        f.token[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    assert_true(good(&f, START));
}

static void test_other_sizes_are_wrong(void **state) {
    struct fixture f;
    uint8_t token[64] = {0};

    start(&f);
    make(&f, START);
    memcpy(token, f.token, sizeof(f.token));
    for (size_t size = 0; size <= sizeof(token); size++) {
        assert_int_equal(kith_tokens_check(&f.tokens, &f.random, &f.asker, &f.target,
                                           kith_span(token, size), START),
                         size == KITH_TOKEN_SIZE);
    }
    assert_false(
        kith_tokens_check(&f.tokens, &f.random, &f.asker, &f.target, kith_span(NULL, 0), START));
}

/* Good for 5 to 10 minutes, to the nanosecond. */
static void test_lifetime(void **state) {
    for (unsigned round = 0; round < 4; round++) {
        uint64_t begin = START + round * PERIOD;
        struct fixture f;
        start(&f);
        make(&f, begin);
        assert_true(good(&f, begin + PERIOD));
        assert_true(good(&f, begin + 2 * PERIOD - 1));
        assert_false(good(&f, begin + 2 * PERIOD));
        make(&f, begin + 3 * PERIOD - 1);
        assert_true(good(&f, begin + 4 * PERIOD - 1));
        assert_false(good(&f, begin + 4 * PERIOD));
    }
}

/* Nobody asks for long: the secrets go nevertheless, and by the same clock. */
static void test_silence(void **state) {
    struct fixture f;

    start(&f);
    make(&f, START);
    assert_false(good(&f, START + 2 * PERIOD + 1));
    start(&f);
    make(&f, START);
    assert_false(good(&f, START + 100 * PERIOD));
    /* The period that began at 100, not one that began with the question. */
    start(&f);
    make(&f, START + 100 * PERIOD + PERIOD / 2);
    assert_true(good(&f, START + 102 * PERIOD - 1));
    assert_false(good(&f, START + 102 * PERIOD));
}

static void test_secrets_differ(void **state) {
    struct fixture f;
    uint8_t before[KITH_TOKEN_SIZE];

    start(&f);
    make(&f, START);
    memcpy(before, f.token, sizeof(before));
    make(&f, START + PERIOD);
    assert_memory_not_equal(before, f.token, sizeof(before));
    f.random = kith_test_random(f.storage, 2);
    kith_tokens_init(&f.tokens, &f.random, START);
    make(&f, START);
    assert_memory_not_equal(before, f.token, sizeof(before));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_to_address_and_target),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_other_sizes_are_wrong),
        cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_secrets_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
