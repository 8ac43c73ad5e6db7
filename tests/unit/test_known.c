/* SPDX-License-Identifier: MIT */
/* known: what a list of known contacts names, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/wire/known.h"

static const uint8_t salt[KITH_KNOWN_SALT] = {1, 2, 3, 4};

static struct kith_span span_of(const struct kith_known *known) {
    return kith_span(known->bytes, known->size);
}

static struct kith_key key_of(uint8_t n) {
    struct kith_key key = {{n}};
    return key;
}

static const struct kith_endpoint here = {.family = 4, .ip = {192, 0, 2, 1}, .port = 7700};

static void test_names_what_was_added(void **state) {
    struct kith_known known;
    struct kith_key key = key_of(7);
    struct kith_key other = key_of(8);
    kith_known_init(&known, salt);
    assert_false(kith_known_has(span_of(&known), &key, &here));
    assert_true(kith_known_add(&known, &key, &here));
    assert_true(kith_known_has(span_of(&known), &key, &here));
    assert_false(kith_known_has(span_of(&known), &other, &here));
    assert_true(kith_known_add(&known, &other, &here));
    assert_true(kith_known_has(span_of(&known), &key, &here));
    assert_true(kith_known_has(span_of(&known), &other, &here));
    assert_false(kith_known_has(kith_span(NULL, 0), &key, &here));
}

/* Who names a node where it is not does not keep others from saying where it is. */
static void test_another_place_is_news(void **state) {
    struct kith_known known;
    struct kith_key key = key_of(7);
    struct kith_endpoint there = here;
    struct kith_endpoint v6 = {.family = 6, .ip = {0x20, 1}, .port = 7700};
    there.port++;
    kith_known_init(&known, salt);
    assert_true(kith_known_add(&known, &key, &here));
    assert_false(kith_known_has(span_of(&known), &key, &there));
    assert_false(kith_known_has(span_of(&known), &key, &v6));
    assert_true(kith_known_add(&known, &key, &v6));
    assert_true(kith_known_has(span_of(&known), &key, &v6));
}

/* Tags of one list say nothing under the salt of another. */
static void test_tags_depend_on_the_salt(void **state) {
    struct kith_known known;
    struct kith_key key = key_of(7);
    kith_known_init(&known, salt);
    assert_true(kith_known_add(&known, &key, &here));
    known.bytes[0]++;
    assert_false(kith_known_has(span_of(&known), &key, &here));
}

static void test_size(void **state) {
    struct kith_known known;
    kith_known_init(&known, salt);
    assert_true(kith_known_is_list(span_of(&known)));
    for (unsigned i = 0; i < KITH_KNOWN_MAX; i++) {
        struct kith_key key = key_of((uint8_t)i);
        assert_true(kith_known_add(&known, &key, &here));
        assert_true(kith_known_is_list(span_of(&known)));
    }
    struct kith_key key = key_of(KITH_KNOWN_MAX);
    assert_false(kith_known_add(&known, &key, &here));
    assert_int_equal(known.size, KITH_KNOWN_SIZE_MAX);
    assert_false(kith_known_is_list(kith_span(known.bytes, 0)));
    assert_false(kith_known_is_list(kith_span(known.bytes, KITH_KNOWN_SALT - 1)));
    assert_false(kith_known_is_list(kith_span(known.bytes, KITH_KNOWN_SALT + 1)));
    assert_false(kith_known_is_list(kith_span(known.bytes, KITH_KNOWN_SIZE_MAX + 2)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_what_was_added),
        cmocka_unit_test(test_another_place_is_news),
        cmocka_unit_test(test_tags_depend_on_the_salt),
        cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
