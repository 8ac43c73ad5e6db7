/* SPDX-License-Identifier: MIT */
/* Cursors: exact bounds, the sticky error, and spans that are empty or null. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/span.h"

static void integers_are_big_endian(void **state) {
    uint8_t buffer[15];
    static const uint8_t EXPECTED[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    struct kith_writer w = kith_writer(buffer, sizeof(buffer));
    struct kith_reader r;

    kith_write_u8(&w, 0x01);
    kith_write_u16(&w, 0x0203);
    kith_write_u32(&w, 0x04050607);
    kith_write_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
    assert_false(w.failed);
    assert_int_equal(kith_writer_left(&w), 0);
    assert_memory_equal(buffer, EXPECTED, sizeof(EXPECTED));

    r = kith_reader(kith_span(buffer, sizeof(buffer)));
    assert_int_equal(kith_read_u8(&r), 0x01);
    assert_int_equal(kith_read_u16(&r), 0x0203);
    assert_int_equal(kith_read_u32(&r), 0x04050607);
    assert_true(kith_read_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_false(r.failed);
    assert_int_equal(kith_reader_left(&r), 0);
}

/* The last byte is readable, the one after is not, and the failure stays. */
static void reader_stops_at_the_end(void **state) {
    static const uint8_t BYTES[3] = {0xff, 0xff, 0xff};
    struct kith_reader r = kith_reader(kith_span(BYTES, sizeof(BYTES)));

    assert_int_equal(kith_read_u16(&r), 0xffff);
    assert_int_equal(kith_read_u16(&r), 0);
    assert_true(r.failed);
    assert_int_equal(kith_read_u8(&r), 0);
    assert_null(kith_read_bytes(&r, 0));
}

/* "While something is left" must end even when what is left is too short. */
static void failed_reader_has_nothing_left(void **state) {
    static const uint8_t BYTES[3] = {1, 2, 3};
    struct kith_reader r = kith_reader(kith_span(BYTES, sizeof(BYTES)));
    unsigned n = 0;

    while (kith_reader_left(&r) > 0 && n < 10) {
        (void)kith_read_u16(&r);
        n++;
    }
    assert_int_equal(n, 2);
    assert_true(r.failed);
}

static void huge_sizes_do_not_wrap(void **state) {
    uint8_t bytes[4] = {0};
    struct kith_reader r = kith_reader(kith_span(bytes, sizeof(bytes)));
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    assert_null(kith_read_bytes(&r, SIZE_MAX));
    assert_true(r.failed);
    assert_null(kith_write_reserve(&w, SIZE_MAX));
    assert_true(w.failed);
}

static void failed_copy_gives_zeros(void **state) {
    uint8_t out[4] = {9, 9, 9, 9};
    static const uint8_t BYTES[2] = {1, 2};
    static const uint8_t ZEROS[4] = {0};
    struct kith_reader r = kith_reader(kith_span(BYTES, sizeof(BYTES)));

    kith_read_copy(&r, out, sizeof(out));
    assert_true(r.failed);
    assert_memory_equal(out, ZEROS, sizeof(out));
}

/* A value that does not fit leaves no half of it behind. */
static void writer_writes_all_or_nothing(void **state) {
    uint8_t buffer[4] = {0xaa, 0xaa, 0xaa, 0xaa};
    static const uint8_t EXPECTED[4] = {1, 0xaa, 0xaa, 0xaa};
    struct kith_writer w = kith_writer(buffer, sizeof(buffer));

    kith_write_u8(&w, 1);
    kith_write_u32(&w, 0xffffffff);
    assert_true(w.failed);
    kith_write_u8(&w, 2);
    kith_write_zeros(&w, 1);
    assert_int_equal(kith_writer_size(&w), 1);
    assert_memory_equal(buffer, EXPECTED, sizeof(EXPECTED));
}

/* Null spans are what an absent field is; under UBSan no offset may be added to them. */
static void null_spans_are_empty(void **state) {
    struct kith_reader r = kith_reader(kith_span(NULL, 0));
    struct kith_writer w = kith_writer(NULL, 0);
    uint8_t out = 7;

    kith_read_copy(&r, &out, 0);
    kith_write_span(&w, kith_span(NULL, 0));
    kith_write_zeros(&w, 0);
    assert_false(r.failed);
    assert_false(w.failed);
    assert_int_equal(out, 7);
    assert_true(kith_span_equal(kith_span(NULL, 0), kith_span_text("")));
    kith_write_u8(&w, 1);
    assert_true(w.failed);
}

static void spans_compare_by_content(void **state) {
    assert_true(kith_span_equal(kith_span_text("abc"), kith_span("abcd", 3)));
    assert_false(kith_span_equal(kith_span_text("abc"), kith_span_text("abd")));
    assert_false(kith_span_equal(kith_span_text("abc"), kith_span_text("ab")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(reader_stops_at_the_end),
        cmocka_unit_test(failed_reader_has_nothing_left),
        cmocka_unit_test(huge_sizes_do_not_wrap),
        cmocka_unit_test(failed_copy_gives_zeros),
        cmocka_unit_test(writer_writes_all_or_nothing),
        cmocka_unit_test(null_spans_are_empty),
        cmocka_unit_test(spans_compare_by_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
