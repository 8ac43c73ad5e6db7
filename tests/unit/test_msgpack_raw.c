/* SPDX-License-Identifier: MIT */
/* msgpack_raw: every format with every way to cut it, bounds, the bounded sink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/wire/msgpack_codec.h"
#include "core/wire/msgpack_raw.h"

static void test_check(void **state) {
    /* one of each format, with its shortest and its longest heads */
#define ONE(bytes)                                                                                 \
    { bytes, sizeof(bytes) - 1 }
    static const struct {
        const char *bytes;
        size_t size;
    } good[] = {
        ONE("\x00"),
        ONE("\x7f"),
        ONE("\x80"),
        ONE("\x90"),
        ONE("\xa0"),
        ONE("\xbf"
            "1234567890123456789012345678901"),
        ONE("\xc0"),
        ONE("\xc2"),
        ONE("\xc3"),
        ONE("\xc4\x01x"),
        ONE("\xc5\0\x01x"),
        ONE("\xc6\0\0\0\x01x"),
        ONE("\xc7\x00\x01"),
        ONE("\xc8\0\x01\x01x"),
        ONE("\xc9\0\0\0\x01\x01x"),
        ONE("\xca\0\0\0\0"),
        ONE("\xcb\0\0\0\0\0\0\0\0"),
        ONE("\xcc\0"),
        ONE("\xcd\0\0"),
        ONE("\xce\0\0\0\0"),
        ONE("\xcf\0\0\0\0\0\0\0\0"),
        ONE("\xd0\0"),
        ONE("\xd1\0\0"),
        ONE("\xd2\0\0\0\0"),
        ONE("\xd3\0\0\0\0\0\0\0\0"),
        ONE("\xd4\x01x"),
        ONE("\xd5\x01xx"),
        ONE("\xd6\x01xxxx"),
        ONE("\xd7\x01xxxxxxxx"),
        ONE("\xd8\x01xxxxxxxxxxxxxxxx"),
        ONE("\xd9\x01x"),
        ONE("\xda\0\x01x"),
        ONE("\xdb\0\0\0\x01x"),
        ONE("\xdc\0\x01\xc0"),
        ONE("\xdd\0\0\0\x01\xc0"),
        ONE("\xde\0\x01\xc0\xc0"),
        ONE("\xdf\0\0\0\x01\xc0\xc0"),
        ONE("\xe0"),
        ONE("\xff"),
    };
#undef ONE
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(kith_msgpack_check(kith_span(good[i].bytes, good[i].size), 1, 8), 0);
        for (size_t cut = 0; cut < good[i].size; cut++) { /* and none of its prefixes */
            assert_int_equal(kith_msgpack_check(kith_span(good[i].bytes, cut), 1, 8), KITH_ESYNTAX);
        }
    }
    assert_int_equal(kith_msgpack_check(kith_span("\xc1", 1), 8, 8), KITH_ESYNTAX);
    assert_int_equal(kith_msgpack_check(kith_span(NULL, 0), 8, 8), KITH_ESYNTAX);
}

static void test_check_bounds(void **state) {
    uint8_t deep[64];
    memset(deep, 0x91, sizeof(deep));
    for (unsigned depth = 0; depth <= KITH_MSGPACK_DEPTH_MAX + 2; depth++) {
        deep[depth] = 0xc0;
        struct kith_span bytes = kith_span(deep, depth + 1);
        assert_int_equal(kith_msgpack_check(bytes, 8, 64), depth <= 8 ? 0 : KITH_ESYNTAX);
        assert_int_equal(kith_msgpack_check(bytes, 3, 64), depth <= 3 ? 0 : KITH_ESYNTAX);
        assert_int_equal(kith_msgpack_check(bytes, 1000, 64), depth <= 8 ? 0 : KITH_ESYNTAX);
        assert_int_equal(kith_msgpack_check(bytes, 8, 4), depth < 4 ? 0 : KITH_ESYNTAX);
        deep[depth] = 0x91;
    }
    /* keys count like values */
    assert_int_equal(kith_msgpack_check(kith_span("\x82\x01\x02\x03\x04", 5), 8, 5), 0);
    assert_int_equal(kith_msgpack_check(kith_span("\x82\x01\x02\x03\x04", 5), 8, 4), KITH_ESYNTAX);
    assert_int_equal(kith_msgpack_check(kith_span("\x01", 1), 8, 0), KITH_ESYNTAX);
}

/* What each kind of head says of itself. */
static void test_next(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        enum kith_msgpack_type type;
        uint64_t number;
        size_t payload;
    } rows[] = {
        {"\x7f", 1, KITH_MSGPACK_UINT, 127, 0},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, KITH_MSGPACK_UINT, UINT64_MAX, 0},
        {"\xd0\x7f", 2, KITH_MSGPACK_UINT, 127, 0}, /* signed formats of positive numbers */
        {"\xd3\0\0\0\0\0\0\0\x05", 9, KITH_MSGPACK_UINT, 5, 0},
        {"\xc3", 1, KITH_MSGPACK_BOOL, 1, 0},
        {"\x8f", 1, KITH_MSGPACK_MAP, 15, 0},
        {"\xdd\xff\xff\xff\xff", 5, KITH_MSGPACK_ARRAY, UINT32_MAX, 0}, /* a head costs its bytes */
        {"\xa2hi", 3, KITH_MSGPACK_STR, 0, 2},
        {"\xc5\0\x01x", 4, KITH_MSGPACK_BIN, 0, 1},
        {"\xd4\x01x", 3, KITH_MSGPACK_EXT, 0, 2}, /* with its type */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kith_reader r = kith_reader(kith_span(rows[i].bytes, rows[i].size));
        struct kith_msgpack_item item;
        assert_int_equal(kith_msgpack_next(&r, &item), 0);
        assert_int_equal(kith_reader_left(&r), 0);
        assert_int_equal(item.type, rows[i].type);
        assert_true(item.number == rows[i].number);
        assert_int_equal(item.bytes.size, rows[i].payload);
    }
    static const char *const negative[] = {"\xff", "\xd0\x80", "\xd1\xff\xff", "\xd2\x80xxx",
                                           "\xd3\x80xxxxxxx"};
    for (size_t i = 0; i < sizeof(negative) / sizeof(negative[0]); i++) {
        struct kith_reader r = kith_reader(kith_span_text(negative[i]));
        struct kith_msgpack_item item;
        assert_int_equal(kith_msgpack_next(&r, &item), 0);
        assert_int_equal(item.type, KITH_MSGPACK_NEGATIVE);
    }
}

/* Past the end the sink counts on and writes nothing, not even what would fit again. */
static void test_sink(void **state) {
    struct kith_msgpack_sink sink;
    msgpack_packer pk;
    uint8_t out[6];
    memset(out, 0x55, sizeof(out));
    kith_msgpack_packer(&pk, &sink, out, 5);
    kith_msgpack_pack_text(&pk, "abc");
    assert_int_equal(sink.size, 4);
    kith_msgpack_pack_bytes(&pk, "xy", 2);
    assert_int_equal(sink.size, 8);
    msgpack_pack_nil(&pk);
    assert_int_equal(sink.size, 9);
    assert_memory_equal(out,
                        "\xa3"
                        "abc",
                        4);
    assert_int_equal(out[5], 0x55);
    kith_msgpack_packer(&pk, &sink, NULL, 0); /* measuring only */
    kith_msgpack_pack_bytes(&pk, NULL, 0);
    assert_int_equal(sink.size, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_bounds),
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
