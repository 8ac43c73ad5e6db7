/* SPDX-License-Identifier: MIT */
/* lan_txt: TXT records from strangers, names, subtypes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/id.h"
#include "shell/lan.h"
#include "shell/lan_txt.h"
#include "testing.h"

enum { STRINGS_MAX = 64, KEY_STRING_SIZE = KITH_LAN_TXT_STRING_SIZE };

static struct kith_key own_key(void) {
    struct kith_identity id;

    kith_test_identity(&id, 7);
    return id.key;
}

/* "k=" and the key's text. */
static const char *key_string(char buffer[KEY_STRING_SIZE]) {
    struct kith_key key = own_key();

    memcpy(buffer, "k=", 3);
    kith_key_format(&key, buffer + 2);
    return buffer;
}

static int parse(const char *const *strings, size_t n, struct kith_lan_txt_info *ret) {
    struct kith_span spans[STRINGS_MAX];

    assert_true(n <= STRINGS_MAX);
    for (size_t i = 0; i < n; i++) {
        spans[i] = kith_span_text(strings[i]);
    }
    return kith_lan_txt_parse(spans, n, ret);
}

static size_t wire_size(const struct kith_lan_txt *txt) {
    size_t size = 0;

    for (size_t i = 0; i < txt->n; i++) {
        size += 1 + strlen(txt->strings[i]);
    }
    return size;
}

static void test_build(void **state) {
    struct kith_key key = own_key();
    struct kith_lan_txt txt;
    char expected[KEY_STRING_SIZE];

    kith_lan_txt_build(&key, 0, &txt);
    assert_int_equal(txt.n, 3);
    assert_string_equal(txt.strings[0], "txtvers=1"); /* first: RFC 6763 6.7 */
    assert_string_equal(txt.strings[1], key_string(expected));
    assert_string_equal(txt.strings[2], "f=0");
    kith_lan_txt_build(&key, UINT32_MAX, &txt);
    assert_true(wire_size(&txt) <= KITH_LAN_TXT_MAX);
    kith_lan_txt_build(NULL, 0x1f, &txt);
    assert_int_equal(txt.n, 2);
    assert_string_equal(txt.strings[1], "f=1f");
}

static void test_round_trip(void **state) {
    struct kith_key key = own_key();
    static const uint32_t FLAGS[] = {0, 1, 0xabc, UINT32_MAX};

    for (unsigned i = 0; i < 8; i++) {
        struct kith_lan_txt txt;
        struct kith_lan_txt_info info;
        const char *strings[KITH_LAN_TXT_STRINGS];
        kith_lan_txt_build(i % 2 == 0 ? &key : NULL, FLAGS[i / 2], &txt);
        for (size_t k = 0; k < txt.n; k++) {
            strings[k] = txt.strings[k];
        }
        assert_int_equal(parse(strings, txt.n, &info), 0);
        assert_int_equal(info.flags, FLAGS[i / 2]);
        assert_int_equal(info.has_key, i % 2 == 0);
        assert_true(!info.has_key || kith_key_equal(&info.key, &key));
    }
}

static void test_parse(void **state) {
    char key[KEY_STRING_SIZE];
    char upper[KEY_STRING_SIZE];
    char longer[KEY_STRING_SIZE + 1];
    char bad_bits[KEY_STRING_SIZE];
    const struct {
        const char *strings[4];
        size_t n;
        int r;
        bool has_key;
    } CASES[] = {
        {{"txtvers=1"}, 1, 0, false},
        {{"TXTVERS=1", upper}, 2, 0, true},      /* keys ignore case */
        {{key, "txtvers=1"}, 2, 0, true},        /* any order */
        {{"txtvers=1", key, "k=x"}, 3, 0, true}, /* the first counts */
        {{"txtvers=1", "k=x", key}, 3, KITH_ESYNTAX, false},
        {{"txtvers=1", "=k", "", "k"}, 4, 0, false}, /* no key, nothing, no value: ignored */
        {{"txtvers=1", "x=1", "kk=2"}, 3, 0, false}, /* not ours */
        {{"txtvers=1", "f=deadBEEF"}, 2, 0, false},
        {{NULL}, 0, KITH_EVERSION, false}, /* nothing at all */
        {{""}, 1, KITH_EVERSION, false},   /* an empty TXT (RFC 6763 6.1) */
        {{key}, 1, KITH_EVERSION, false},
        {{"txtvers=2", key}, 2, KITH_EVERSION, false},
        {{"txtvers=11", key}, 2, KITH_EVERSION, false},
        {{"txtvers=", key}, 2, KITH_EVERSION, false},
        {{"txtvers", key}, 2, KITH_EVERSION, false},
        {{"txtvers=2", "txtvers=1"}, 2, KITH_EVERSION, false},
        {{"txtvers=1", "k="}, 2, KITH_ESYNTAX, false},
        {{"txtvers=1", longer}, 2, KITH_ESYNTAX, false},
        {{"txtvers=1", bad_bits}, 2, KITH_ESYNTAX, false}, /* bits beyond the 256th */
        {{"txtvers=1", "f="}, 2, KITH_ESYNTAX, false},
        {{"txtvers=1", "f=123456789"}, 2, KITH_ESYNTAX, false},
        {{"txtvers=1", "f=0x1"}, 2, KITH_ESYNTAX, false},
    };

    key_string(key);
    memcpy(upper, key, sizeof(upper));
    upper[0] = 'K';
    snprintf(longer, sizeof(longer), "%sy", key);
    memcpy(bad_bits, key, sizeof(bad_bits));
    bad_bits[strlen(bad_bits) - 1] = '9';
    for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct kith_lan_txt_info info;
        memset(&info, 0x55, sizeof(info));
        assert_int_equal(parse(CASES[i].strings, CASES[i].n, &info), CASES[i].r);
        if (CASES[i].r == 0) {
            assert_int_equal(info.has_key, CASES[i].has_key);
        } else {
            assert_int_equal(info.flags, 0x55555555); /* untouched */
        }
    }
}

/* Values are bytes: NUL and everything else, in every place of a key string. */
static void test_every_byte_in_key(void **state) {
    char string[KEY_STRING_SIZE];
    size_t size = strlen(key_string(string));

    for (size_t at = 2; at < size; at++) {
        char original = string[at];
        for (unsigned byte = 0; byte < 256; byte++) {
            string[at] = (char)byte;
            struct kith_span spans[] = {kith_span_text("txtvers=1"), kith_span(string, size)};
            struct kith_lan_txt_info info;
            int r = kith_lan_txt_parse(spans, 2, &info);
            bool allowed =
                byte != 0 && strchr("ybndrfg8ejkmcpqxot1uwisza345h769", (int)byte) != NULL;
            assert_true(r == 0 || r == KITH_ESYNTAX);
            assert_true(r != 0 || allowed);
            assert_true(at == size - 1 || (r == 0) == allowed);
        }
        string[at] = original;
    }
}

static void test_huge(void **state) {
    static uint8_t zeros[70000];
    struct kith_span spans[STRINGS_MAX];
    struct kith_lan_txt_info info;

    for (unsigned i = 0; i < STRINGS_MAX; i++) {
        spans[i] = kith_span(zeros, 1);
    }
    spans[0] = kith_span_text("txtvers=1");
    assert_int_equal(kith_lan_txt_parse(spans, KITH_LAN_TXT_STRINGS_READ, &info), 0);
    assert_int_equal(kith_lan_txt_parse(spans, KITH_LAN_TXT_STRINGS_READ + 1, &info),
                     KITH_ETOO_LARGE);
    spans[1] = kith_span(zeros, sizeof(zeros));
    assert_int_equal(kith_lan_txt_parse(spans, 2, &info), KITH_ETOO_LARGE);
    for (unsigned i = 1; i < 6; i++) {
        spans[i] = kith_span(zeros, 255);
    }
    assert_int_equal(kith_lan_txt_parse(spans, 6, &info), 0);
    spans[6] = spans[5];
    assert_int_equal(kith_lan_txt_parse(spans, 7, &info), KITH_ETOO_LARGE);
}

/* The subtype is part of the protocol: it must not change. */
static void test_subtype(void **state) {
    char a[KITH_LAN_SUBTYPE_SIZE];
    char b[KITH_LAN_SUBTYPE_SIZE];
    char longest[KITH_NETWORK_MAX + 1];

    kith_lan_subtype("kith", a);
    assert_string_equal(a, "_d8cac7ebb107812e._sub._kith._udp");
    kith_lan_subtype("kith2", b);
    assert_string_not_equal(a, b);
    memset(longest, 'x', KITH_NETWORK_MAX);
    longest[KITH_NETWORK_MAX] = '\0';
    kith_lan_subtype(longest, b);
    assert_int_equal(strlen(b), strlen(a));
    kith_lan_subtype("", b);
    assert_int_equal(strlen(b), strlen(a));
}

static void test_instance_from(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 1);
    char last[KITH_LAN_INSTANCE_SIZE] = "";

    for (unsigned i = 0; i < 100; i++) {
        uint8_t chance[KITH_LAN_NAME_CHANCE_SIZE];
        char name[KITH_LAN_INSTANCE_SIZE];
        kith_test_random_fill(random.context, chance, sizeof(chance));
        kith_lan_instance_from(chance, name);
        assert_true(kith_lan_instance_valid(name));
        assert_int_equal(strlen(name), strlen("kith-") + 16);
        assert_string_not_equal(name, last);
        memcpy(last, name, sizeof(last));
    }
}

/* Every byte alone, first and last: what is no UTF-8 or a control character is refused. */
static void test_instance_bytes(void **state) {
    for (unsigned byte = 1; byte < 256; byte++) {
        char alone[] = {(char)byte, 0};
        char first[] = {(char)byte, 'a', 0};
        char last[] = {'a', (char)byte, 0};
        bool valid = byte >= 0x20 && byte < 0x7f;
        assert_int_equal(kith_lan_instance_valid(alone), valid);
        assert_int_equal(kith_lan_instance_valid(first), valid);
        assert_int_equal(kith_lan_instance_valid(last), valid);
    }
}

static void test_instance_utf8(void **state) {
    static const struct {
        const char *name;
        bool valid;
    } CASES[] = {
        {"", false},
        {"Gr\xc3\xbc\xc3\x9f"
         "e #2",
         true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x90\xbb", true},
        {"\xf4\x8f\xbf\xbf", true},  /* U+10FFFF */
        {"\xf4\x90\x80\x80", false}, /* beyond */
        {"\xc0\xaf", false},         /* '/' in two bytes */
        {"\xe0\x80\xaf", false},
        {"\xf0\x80\x80\xaf", false},
        {"\xed\xa0\x80", false}, /* a surrogate */
        {"\xc3", false},         /* cut */
        {"\xe2\x82", false},
        {"\xf0\x9f\x90", false},
        {"a\x1b[2Jb", false}, /* an escape sequence for somebody's terminal */
        {"a.b\\c d", true},   /* dots and backslashes are allowed in a name */
        {"123456789012345678901234567890123456789012345678901234567890123", true},
        {"1234567890123456789012345678901234567890123456789012345678901234", false},
    };

    for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(kith_lan_instance_valid(CASES[i].name), CASES[i].valid);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build),         cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_parse),         cmocka_unit_test(test_every_byte_in_key),
        cmocka_unit_test(test_huge),          cmocka_unit_test(test_subtype),
        cmocka_unit_test(test_instance_from), cmocka_unit_test(test_instance_bytes),
        cmocka_unit_test(test_instance_utf8),
    };

    return cmocka_run_group_tests_name("lan_txt", tests, NULL, NULL);
}
