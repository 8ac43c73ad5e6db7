/* SPDX-License-Identifier: MIT */
/* bencode: what is one canonical value and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/bencode.h"

/* An exact heap copy, so that the sanitizer sees a read past the end. */
static int skip_copy(const char *bytes, size_t size, size_t *ret_size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    int r = kith_bencode_skip(kith_span(copy, size), ret_size);
    free(copy);
    return r;
}

static void test_accepts(void **state) {
    static const char *const values[] = {
        "i0e",
        "i7e",
        "i-7e",
        "i1234567890123456789012345678901234567890e", /* any width */
        "0:",
        "1:a",
        "12:Hello World!",
        "le",
        "de",
        "l0:i0eledee",
        "d1:ai1e1:bi2ee",
        "d0:0:e",
        "d1:a0:2:aa0:1:b0:e", /* a key before its own extension */
        "d1:ad1:ad1:aleeee",
        "lllleeee",
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        size_t size = 0;
        assert_int_equal(skip_copy(values[i], strlen(values[i]), &size), 0);
        assert_int_equal(size, strlen(values[i]));
    }
}

static void test_refuses(void **state) {
    static const char *const values[] = {
        "",
        "e",
        "x",
        " ",
        "-", /* nothing that starts a value */
        "ie",
        "i-e",
        "i",
        "i1",
        "i-",
        "i1x",
        "i+1e",
        "i 1e", /* integers cut or misspelled */
        "i01e",
        "i00e",
        "i-0e",
        "i-01e", /* integers in a second spelling */
        "1",
        "1:",
        "2:a",
        "00:",
        "01:a",
        "-1:a",
        "1;a", /* strings cut or misspelled */
        "99999999999999999999999:a",
        "18446744073709551616:a",
        "18446744073709551615:a",
        "l",
        "li1e",
        "ll",
        "d",
        "d1:a",
        "d1:ae",
        "d1:ai1e", /* containers left open, key without value */
        "di1e0:e",
        "dle0:e",
        "dde0:e", /* keys that are no strings */
        "d1:bi1e1:ai2ee",
        "d2:aai1e1:ai2ee", /* keys out of order */
        "d1:ai1e1:ai2ee",
        "d0:i1e0:i2ee",     /* keys twice */
        "d1:ali1ee1:ai1ee", /* twice, around a container */
    };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        size_t size = 77;
        if (skip_copy(values[i], strlen(values[i]), &size) != KITH_ESYNTAX) {
            fail_msg("accepted: %s", values[i]);
        }
        assert_int_equal(size, 77);
    }
}

/* Every proper prefix of a value is refused: no reader may guess the rest. */
static void test_prefixes(void **state) {
    static const char value[] = "d1:ad1:bli-12e3:abcee2:zz12:Hello World!e";
    size_t size = 0;
    assert_int_equal(skip_copy(value, sizeof(value) - 1, &size), 0);
    for (size_t cut = 0; cut < sizeof(value) - 1; cut++) {
        assert_int_equal(skip_copy(value, cut, &size), KITH_ESYNTAX);
    }
}

/* The size is that of the first value; what follows is the caller's business. */
static void test_trailing(void **state) {
    size_t size = 0;
    assert_int_equal(skip_copy("i1ei2e", 6, &size), 0);
    assert_int_equal(size, 3);
    assert_int_equal(skip_copy("3:abc\xff", 6, &size), 0);
    assert_int_equal(size, 5);
}

static void test_depth(void **state) {
    char text[2 * (KITH_BENCODE_DEPTH_MAX + 1)];
    for (size_t depth = KITH_BENCODE_DEPTH_MAX; depth <= KITH_BENCODE_DEPTH_MAX + 1; depth++) {
        size_t size = 0;
        memset(text, 'l', depth);
        memset(text + depth, 'e', depth);
        assert_int_equal(skip_copy(text, 2 * depth, &size),
                         depth == KITH_BENCODE_DEPTH_MAX ? 0 : KITH_ESYNTAX);
    }
    /* a bomb ends at the limit, not at the end of its megabyte */
    size_t n = (size_t)1 << 20;
    char *bomb = malloc(n);
    assert_non_null(bomb);
    memset(bomb, 'l', n);
    assert_int_equal(kith_bencode_skip(kith_span(bomb, n), &n), KITH_ESYNTAX);
    free(bomb);
}

static void test_string(void **state) {
    struct kith_span bytes = kith_span("keep", 4);
    assert_int_equal(kith_bencode_string(kith_span_text("3:abc"), &bytes), 0);
    assert_true(kith_span_equal(bytes, kith_span_text("abc")));
    assert_int_equal(kith_bencode_string(kith_span_text("0:"), &bytes), 0);
    assert_int_equal(bytes.size, 0);

    /* not exactly one string: the output stays as it was */
    static const char *const wrong[] = {"", "i1e", "le", "3:abcd", "3:ab", "03:abc", ":"};
    bytes = kith_span("keep", 4);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(kith_bencode_string(kith_span_text(wrong[i]), &bytes), KITH_ESYNTAX);
        assert_int_equal(bytes.size, 4);
    }
    assert_int_equal(kith_bencode_string(kith_span(NULL, 0), &bytes), KITH_ESYNTAX);
}

/* ---- the lenient reader ---- */

static void test_read_forgives_order(void **state) {
    static const char text[] = "d1:bi1e1:ai2e1:ali3eee";
    struct kith_bencode_value dict;
    struct kith_bencode_value value;
    struct kith_span key;
    size_t size;
    int64_t number;
    assert_int_equal(skip_copy(text, sizeof(text) - 1, &size), KITH_ESYNTAX);
    assert_int_equal(kith_bencode_read(kith_span_text(text), 8, &dict), 0);
    assert_int_equal(dict.type, KITH_BENCODE_DICT);
    assert_int_equal(dict.raw.size, sizeof(text) - 1);
    assert_int_equal(dict.body.size, sizeof(text) - 3);

    struct kith_span members = dict.body;
    assert_true(kith_bencode_next_entry(&members, &key, &value));
    assert_true(kith_span_equal(key, kith_span_text("b")));
    assert_true(kith_bencode_integer(&value, &number) && number == 1);
    assert_true(kith_bencode_next_entry(&members, &key, &value));
    assert_true(kith_bencode_next_entry(&members, &key, &value));
    assert_true(kith_span_equal(key, kith_span_text("a")));
    assert_int_equal(value.type, KITH_BENCODE_LIST);
    assert_true(kith_span_equal(value.raw, kith_span_text("li3ee")));
    assert_true(kith_span_equal(value.body, kith_span_text("i3e")));
    assert_false(kith_bencode_integer(&value, &number));
    assert_false(kith_bencode_next_entry(&members, &key, &value));
    assert_int_equal(members.size, 0);
}

static void test_read_bounds(void **state) {
    static const char *const wrong[] = {"",     "i1ei2e", "d1:ae",   "di1ei2ee", "i01e",
                                        "01:a", "l",      "d1:ai1e", "i-0e",     "li1"};
    struct kith_bencode_value value = {.type = KITH_BENCODE_NONE};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(kith_bencode_read(kith_span_text(wrong[i]), 99, &value), KITH_ESYNTAX);
        assert_int_equal(value.type, KITH_BENCODE_NONE);
    }
    /* the list, three members; the dict, two keys, two values */
    assert_int_equal(kith_bencode_read(kith_span_text("li1e0:lee"), 4, &value), 0);
    assert_int_equal(kith_bencode_read(kith_span_text("li1e0:lee"), 3, &value), KITH_ESYNTAX);
    assert_int_equal(kith_bencode_read(kith_span_text("d1:a0:1:b0:e"), 5, &value), 0);
    assert_int_equal(kith_bencode_read(kith_span_text("d1:a0:1:b0:e"), 4, &value), KITH_ESYNTAX);
    for (size_t depth = 31; depth < 35; depth++) {
        char text[80];
        memset(text, 'l', depth);
        memset(text + depth, 'e', depth);
        assert_int_equal(kith_bencode_read(kith_span(text, 2 * depth), 99, &value),
                         depth <= KITH_BENCODE_READ_DEPTH_MAX ? 0 : KITH_ESYNTAX);
    }
}

/* Members of what nobody read: an end, not a crash. */
static void test_next_is_total(void **state) {
    static const char *const wrong[] = {"", "e", "9:abc", "i1", "x"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct kith_span members = kith_span_text(wrong[i]);
        struct kith_bencode_value value;
        struct kith_span key;
        assert_false(kith_bencode_next(&members, &value));
        assert_int_equal(members.size, 0);
        members = kith_span_text(wrong[i]);
        assert_false(kith_bencode_next_entry(&members, &key, &value));
    }
    struct kith_span members = kith_span_text("i1ei2e"); /* no key */
    struct kith_bencode_value value;
    struct kith_span key;
    assert_false(kith_bencode_next_entry(&members, &key, &value));
    assert_int_equal(members.size, 0);
}

static void test_integer(void **state) {
    static const struct {
        const char *text;
        bool fits;
        int64_t number;
    } cases[] = {
        {"i0e", true, 0},
        {"i-1e", true, -1},
        {"i9223372036854775807e", true, INT64_MAX},
        {"i9223372036854775808e", false, 0},
        {"i-9223372036854775808e", true, INT64_MIN},
        {"i-9223372036854775809e", false, 0},
        {"i18446744073709551616e", false, 0},
        {"i99999999999999999999999999999e", false, 0},
        {"1:1", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kith_bencode_value value;
        int64_t number = 0;
        assert_int_equal(kith_bencode_read(kith_span_text(cases[i].text), 1, &value), 0);
        assert_int_equal(kith_bencode_integer(&value, &number), cases[i].fits);
        assert_true(number == cases[i].number);
    }
}

/* ---- writing ---- */

static void test_writer(void **state) {
    static const char expected[] = "d1:ai-9223372036854775808e1:b0:1:cl3:abcee";
    char out[sizeof(expected)];
    for (size_t max = 0; max < sizeof(out); max++) {
        memset(out, '#', sizeof(out));
        struct kith_bencode_writer w = kith_bencode_writer(out, max);
        kith_bencode_write_char(&w, 'd');
        kith_bencode_write_text(&w, "a");
        kith_bencode_write_integer(&w, INT64_MIN);
        kith_bencode_write_text(&w, "b");
        kith_bencode_write_string(&w, kith_span(NULL, 0));
        kith_bencode_write_text(&w, "c");
        kith_bencode_write_char(&w, 'l');
        kith_bencode_write_string_head(&w, 3);
        kith_bencode_write_raw(&w, kith_span_text("abc"));
        kith_bencode_write_raw(&w, kith_span_text("ee"));
        /* counts on, but writes nothing past its room, and nothing behind a hole */
        assert_int_equal(w.size, sizeof(expected) - 1);
        for (size_t i = max; i < sizeof(out); i++) {
            assert_int_equal(out[i], '#');
        }
    }
    assert_memory_equal(out, expected, sizeof(expected) - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_trailing),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_string),
        cmocka_unit_test(test_read_forgives_order),
        cmocka_unit_test(test_read_bounds),
        cmocka_unit_test(test_next_is_total),
        cmocka_unit_test(test_integer),
        cmocka_unit_test(test_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
