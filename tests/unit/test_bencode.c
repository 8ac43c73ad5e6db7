/* SPDX-License-Identifier: MIT */
/* bencode: what is one canonical value and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bencode.h"

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),  cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_prefixes), cmocka_unit_test(test_trailing),
        cmocka_unit_test(test_depth),    cmocka_unit_test(test_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
