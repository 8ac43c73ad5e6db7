/* SPDX-License-Identifier: MIT */
/* Hexadecimal and z-base-32: known vectors, every length, and the column of every fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "testing.h"
#include "util/text.h"

struct vector {
    const char *bytes;
    size_t size;
    const char *text;
};

/* Worked out by hand from the bit order in the specification. */
static const struct vector Z32_VECTORS[] = {
    {"", 0, ""},
    {"\x00", 1, "yy"},
    {"\xff", 1, "9h"},
    {"\xf0\xbf\xc7", 3, "6n9hq"},
    {"\xd4\x7a\x04", 3, "4t7ye"},
    {"hello", 5, "pb1sa5dx"},
    {"\xff\xff\xff\xff\xff", 5, "99999999"},
};

static void z32_vectors(void **state) {
    for (size_t i = 0; i < sizeof(Z32_VECTORS) / sizeof(Z32_VECTORS[0]); i++) {
        const struct vector *v = &Z32_VECTORS[i];
        char text[64];
        uint8_t bytes[32];
        assert_int_equal(kith_z32_length(v->size), strlen(v->text));
        kith_z32_encode((const uint8_t *)v->bytes, v->size, text);
        assert_string_equal(text, v->text);
        assert_int_equal(kith_z32_decode(v->text, strlen(v->text), bytes, v->size), 0);
        assert_memory_equal(bytes, v->bytes, v->size);
    }
}

static void every_length_comes_back(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 4);
    uint8_t bytes[64];
    uint8_t back[64];
    char text[130];

    for (size_t size = 0; size <= sizeof(bytes); size++) {
        kith_random_secure(&random, bytes, size);
        kith_z32_encode(bytes, size, text);
        assert_int_equal(strlen(text), kith_z32_length(size));
        assert_int_equal(kith_z32_decode(text, strlen(text), back, size), 0);
        assert_memory_equal(bytes, back, size);
        kith_hex_encode(bytes, size, text);
        assert_int_equal(strlen(text), 2 * size);
        assert_int_equal(kith_hex_decode(text, strlen(text), back, size), 0);
        assert_memory_equal(bytes, back, size);
    }
}

struct fault {
    const char *text;
    size_t size;
    size_t column;
};

static const struct fault Z32_FAULTS[] = {
    {"pb1sa5d", 5, 8},   /* too short: the column after the end */
    {"pb1sa5dxy", 5, 9}, /* too long: the first that has no place */
    {"lb1sa5dx", 5, 1},  /* not in the alphabet */
    {"pb1vv5dx", 5, 4},  /* the first of two */
    {"pb1v", 5, 4},      /* wrong character before wrong length */
    {"PB1SA5DX", 5, 1},  /* upper case */
    {"yb", 1, 2},        /* unused bits: two texts must not mean the same */
    {"y2", 1, 2},        {"", 1, 1},
};

/* Faults name their column and leave the output alone. */
static void z32_faults(void **state) {
    for (size_t i = 0; i < sizeof(Z32_FAULTS) / sizeof(Z32_FAULTS[0]); i++) {
        const struct fault *f = &Z32_FAULTS[i];
        uint8_t bytes[8] = {0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa};
        uint8_t before[8];
        memcpy(before, bytes, sizeof(before));
        assert_int_equal(kith_z32_decode(f->text, strlen(f->text), bytes, f->size), f->column);
        assert_memory_equal(bytes, before, sizeof(before));
    }
}

static const struct fault HEX_FAULTS[] = {
    {"0g", 1, 2}, {"0", 1, 2}, {"000", 1, 3}, {"", 1, 1}, {"0x", 1, 2}, {"\xc3\xa9", 1, 1},
};

static void hex_faults(void **state) {
    for (size_t i = 0; i < sizeof(HEX_FAULTS) / sizeof(HEX_FAULTS[0]); i++) {
        const struct fault *f = &HEX_FAULTS[i];
        uint8_t byte = 0xaa;
        assert_int_equal(kith_hex_decode(f->text, strlen(f->text), &byte, f->size), f->column);
        assert_int_equal(byte, 0xaa);
    }
}

static void hex_reads_either_case(void **state) {
    uint8_t bytes[3];
    static const uint8_t EXPECTED[3] = {0xab, 0xcd, 0x0f};
    char text[7];

    assert_int_equal(kith_hex_decode("aBCd0F", 6, bytes, 3), 0);
    assert_memory_equal(bytes, EXPECTED, 3);
    kith_hex_encode(bytes, 3, text);
    assert_string_equal(text, "abcd0f");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(z32_vectors),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(z32_faults),
        cmocka_unit_test(hex_faults),
        cmocka_unit_test(hex_reads_either_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
