/* SPDX-License-Identifier: MIT */
/* Text forms: what is accepted, what is written, and the exact words of every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <sodium.h>

#include "core/base/ip_text.h"
#include "testing.h"
#include "util/text.h"

#define Z32_KEY "4nysjg4ysywbqnzbyqdmeadqf9t7ijt3oy3k11ke9afsprh4wy9o"
#define HEX_KEY "0123456789abcdef0123456789abcdef0123456789ABCDEF0123456789abcdef"

struct refusal {
    const char *text;
    unsigned column;
    const char *message;
};

static void check_refusal(const struct refusal *expected, int r,
                          const struct kith_error_info *info) {
    assert_int_equal(r, KITH_ESYNTAX);
    assert_int_equal(info->code, KITH_ESYNTAX);
    assert_string_equal(info->message, expected->message);
    assert_int_equal(info->column, expected->column);
}

static void keys_come_back(void **state) {
    struct kith_identity id;
    struct kith_key key;
    char text[KITH_KEY_TEXT_SIZE];
    char hex[65];

    for (unsigned i = 0; i < 8; i++) {
        kith_test_identity(&id, (uint8_t)i);
        kith_key_format(&id.key, text);
        assert_int_equal(strlen(text), 52);
        assert_int_equal(kith_key_parse(text, &key, NULL), 0);
        assert_memory_equal(&key, &id.key, sizeof(key));
        kith_hex_encode(id.key.bytes, 32, hex);
        assert_int_equal(kith_key_parse(hex, &key, NULL), 0);
        assert_memory_equal(&key, &id.key, sizeof(key));
    }
    assert_int_equal(kith_key_parse(HEX_KEY, &key, NULL), 0);
}

static const struct refusal KEY_REFUSALS[] = {
    {"", 0, "a key has 52 characters (z-base-32) or 64 (hex), this has 0"},
    {"ybndrfg8ejkmcpqxot1uwisza345h769ybndrfg8ejkmcpqxot1", 0,
     "a key has 52 characters (z-base-32) or 64 (hex), this has 51"},
    {"ybndrfg8ejkmcpqxlt1uwisza345h769ybndrfg8ejkmcpqxotuy", 17,
     "column 17: \"l\" is not in the z-base-32 alphabet"},
    {"ybndrfg8ejkmcpqxoT1uwisza345h769ybndrfg8ejkmcpqxotuy", 18,
     "column 18: \"T\" is upper case, z-base-32 is lower case"},
    {"ybndrfg8ejkmcpqxot1uwisza345h769ybndrfg8ejkmcpqxotub", 52,
     "column 52: the last character of a key is \"y\" or \"o\", not \"b\""},
    {"ybndrfg8ejkmcpqxot1uwisza345h769ybndrfg8ejkmcpqxotuv", 52,
     "column 52: \"v\" is not in the z-base-32 alphabet"},
    {"\tbndrfg8ejkmcpqxot1uwisza345h769ybndrfg8ejkmcpqxotuy", 1,
     "column 1: \\x09 is not in the z-base-32 alphabet"},
    {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg", 64,
     "column 64: \"g\" is not a hexadecimal digit"},
};

static void key_refusals(void **state) {
    for (size_t i = 0; i < sizeof(KEY_REFUSALS) / sizeof(KEY_REFUSALS[0]); i++) {
        struct kith_error_info info;
        struct kith_key key = {{0xaa}};
        int r = kith_key_parse(KEY_REFUSALS[i].text, &key, &info);
        check_refusal(&KEY_REFUSALS[i], r, &info);
        assert_int_equal(key.bytes[0], 0xaa);
    }
}

struct rewrite {
    const char *text;
    const char *canonical;
};

/* RFC 5952 output; its section 4 examples are among them. */
static const struct rewrite ENDPOINTS[] = {
    {"192.0.2.1:7700", "192.0.2.1:7700"},
    {"0.0.0.0:0", "0.0.0.0:0"},
    {"255.255.255.255:65535", "255.255.255.255:65535"},
    {"[::]:7700", "[::]:7700"},
    {"[::1]:7700", "[::1]:7700"},
    {"[1::]:1", "[1::]:1"},
    {"[2001:0DB8:0000::0001]:80", "[2001:db8::1]:80"},
    {"[2001:db8:0:1:1:1:1:1]:80", "[2001:db8:0:1:1:1:1:1]:80"}, /* one zero group stays */
    {"[2001:db8::1:1:1:1:1]:80", "[2001:db8:0:1:1:1:1:1]:80"},
    {"[2001:0:0:1:0:0:0:1]:80", "[2001:0:0:1::1]:80"},       /* the longest run */
    {"[2001:db8:0:0:1:0:0:1]:80", "[2001:db8::1:0:0:1]:80"}, /* the first of equals */
    {"[1:2:3:4:5:6:7::]:1", "[1:2:3:4:5:6:7:0]:1"},
    {"[::2:3:4:5:6:7:8]:1", "[0:2:3:4:5:6:7:8]:1"},
    {"[1:2:3:4:5:6:0:0]:1", "[1:2:3:4:5:6::]:1"},
    {"[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1"},
    {"[::FFFF:c000:0201]:1", "[::ffff:192.0.2.1]:1"},
    {"[64:ff9b::192.0.2.33]:1", "[64:ff9b::c000:221]:1"},
    {"[1:2:3:4:5:6:1.2.3.4]:1", "[1:2:3:4:5:6:102:304]:1"},
    {"[fe80::1%2]:7700", "[fe80::1%2]:7700"},
    {"[fe80::%4294967295]:7700", "[fe80::%4294967295]:7700"},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535"}, /* the longest there is */
};

static void endpoints_are_written_canonically(void **state) {
    for (size_t i = 0; i < sizeof(ENDPOINTS) / sizeof(ENDPOINTS[0]); i++) {
        struct kith_endpoint e = kith_test_endpoint(ENDPOINTS[i].text);
        char text[KITH_ENDPOINT_TEXT_SIZE];
        kith_endpoint_format(&e, text);
        assert_string_equal(text, ENDPOINTS[i].canonical);
    }
}

static void any_address_comes_back(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 6);

    for (unsigned i = 0; i < 2000; i++) {
        struct kith_endpoint e = {.family = i % 2 == 0 ? 6 : 4};
        struct kith_endpoint back;
        char text[KITH_ENDPOINT_TEXT_SIZE];
        kith_random_secure(&random, e.ip, e.family == 4 ? 4 : 16);
        for (unsigned k = 0; e.family == 6 && k < 16; k++) {
            e.ip[k] &= (uint8_t) - (int)kith_random_below(&random, 2); /* many zero groups */
        }
        e.port = (uint16_t)kith_random_below(&random, 65536);
        kith_endpoint_format(&e, text);
        assert_int_equal(kith_endpoint_parse(text, &back, NULL), 0);
        assert_memory_equal(&back, &e, sizeof(e));
    }
}

static void no_endpoint_has_a_text_too(void **state) {
    struct kith_endpoint none = {0};
    char text[KITH_ENDPOINT_TEXT_SIZE];

    kith_endpoint_format(&none, text);
    assert_string_equal(text, "none");
}

static const struct refusal ENDPOINT_REFUSALS[] = {
    {"", 1, "column 1: ':' and a port are missing"},
    {"192.0.2.1", 10, "column 10: ':' and a port are missing"},
    {"192.0.2.1:", 11, "column 11: a port (0..65535) is expected, not the end"},
    {"192.0.2.1:x", 11, "column 11: a port (0..65535) is expected, not \"x\""},
    {"192.0.2.1:77o0", 13, "column 13: a digit of the port is expected, not \"o\""},
    {"192.0.2.1:65536", 11, "column 11: a port (0..65535) is expected, not 65536"},
    {"192.0.2.1:99999999999999999999", 11,
     "column 11: a port (0..65535) is expected, not 99999999999999999999"},
    {"192.0.2.256:1", 9, "column 9: a number 0..255 without leading zeros is expected, not \"2\""},
    {"192.0.02.1:1", 7,
     "column 7: a number 0..255 without leading zeros is expected, not \"0\""}, /* octal? */
    {"192.0.2:1", 8, "column 8: '.' (an IPv4 address has four numbers) is expected, not \":\""},
    {"192.0.2.1.5:1", 10, "column 10: the end of the IPv4 address is expected, not \".\""},
    {"localhost:1", 1,
     "column 1: an IPv4 address or an IPv6 address in brackets is expected, not \"l\""},
    {"::1:7700", 1, "column 1: an IPv6 address needs brackets, as in [::1]:7700"},
    {"[::1", 5, "column 5: ']' is missing after the IPv6 address"},
    {"[::1]", 6, "column 6: ':' and a port after ']' is expected, not the end"},
    {"[::1]7700", 6, "column 6: ':' and a port after ']' is expected, not \"7\""},
    {"[]:1", 2, "column 2: a group of 1 to 4 hexadecimal digits is expected, not the end"},
    {"[:1]:1", 3, "column 3: '::' or a group of hexadecimal digits is expected, not \"1\""},
    {"[1::2::3]:1", 7, "column 7: a group (there is a '::' already) is expected, not \":\""},
    {"[:::]:1", 4, "column 4: a group of 1 to 4 hexadecimal digits is expected, not \":\""},
    {"[1:2:3]:1", 7, "column 7: more groups (eight in all, or one '::') is expected, not the end"},
    {"[1:2:3:4:5:6:7:8:9]:1", 18,
     "column 18: the end of the IPv6 address (it has eight groups) is expected, not \"9\""},
    {"[12345::]:1", 6, "column 6: ':' or the end of the IPv6 address is expected, not \"5\""},
    {"[g::]:1", 2, "column 2: a group of 1 to 4 hexadecimal digits is expected, not \"g\""},
    {"[1:2:3:4:5:6:7:1.2.3.4]:1", 16,
     "column 16: a group (there is no room for an IPv4 address) is expected, not \"1\""},
    {"[fe80::1%eth0]:1", 10,
     "column 10: the number of an interface (names are not looked up) is expected, not \"e\""},
    {"[fe80::1%]:1", 10,
     "column 10: the number of an interface (names are not looked up) is expected, not the end"},
};

static void endpoint_refusals(void **state) {
    for (size_t i = 0; i < sizeof(ENDPOINT_REFUSALS) / sizeof(ENDPOINT_REFUSALS[0]); i++) {
        struct kith_error_info info;
        struct kith_endpoint e = {.family = 9};
        int r = kith_endpoint_parse(ENDPOINT_REFUSALS[i].text, &e, &info);
        check_refusal(&ENDPOINT_REFUSALS[i], r, &info);
        assert_int_equal(e.family, 9);
        assert_int_equal(kith_endpoint_parse(ENDPOINT_REFUSALS[i].text, &e, NULL), KITH_ESYNTAX);
    }
}

struct contact_case {
    const char *text;
    bool has_key;
    const char *host;
    uint16_t port;
};

static const struct contact_case CONTACTS[] = {
    {"seed.example.org:7700", false, "seed.example.org", 7700},
    {Z32_KEY "@seed.example.org:1", true, "seed.example.org", 1},
    {HEX_KEY "@192.0.2.1:65535", true, "192.0.2.1", 65535},
    {Z32_KEY "@[2001:db8::1]:7700", true, "2001:db8::1", 7700},
    {"[fe80::1%2]:7700", false, "fe80::1%2", 7700},
    {"a_b-c:1", false, "a_b-c", 1},
};

static void contacts(void **state) {
    for (size_t i = 0; i < sizeof(CONTACTS) / sizeof(CONTACTS[0]); i++) {
        const struct contact_case *c = &CONTACTS[i];
        struct kith_error_info info;
        struct kith_key key;
        char host[256];
        uint16_t port;
        bool has_key;
        if (kith_contact_parse(c->text, &has_key, &key, host, &port, &info) != 0) {
            fail_msg("%s: %s", c->text, info.message);
        }
        assert_int_equal(has_key, c->has_key);
        assert_string_equal(host, c->host);
        assert_int_equal(port, c->port);
    }
}

static const struct refusal CONTACT_REFUSALS[] = {
    {"@host:1", 0, "a key has 52 characters (z-base-32) or 64 (hex), this has 0"},
    {"abc@host:1", 0, "a key has 52 characters (z-base-32) or 64 (hex), this has 3"},
    {Z32_KEY "@host", 58, "column 58: ':' and a port are missing"},
    {Z32_KEY "@", 54, "column 54: ':' and a port are missing"},
    {Z32_KEY "@:1", 54, "column 54: a host name or address is missing before ':'"},
    {Z32_KEY "@[::1]", 59, "column 59: ':' and a port after ']' is expected, not the end"},
    {"host:0", 6, "column 6: a port (1..65535) is expected, not 0"},
    {"ho st:1", 3, "column 3: a letter, digit, '-' or '.' of a host name is expected, not \" \""},
    {"192.0.2:1", 8, "column 8: '.' (an IPv4 address has four numbers) is expected, not the end"},
    {"::1:1", 1, "column 1: an IPv6 address needs brackets, as in [::1]:7700"},
    {"a@b@c:1", 0, "a key has 52 characters (z-base-32) or 64 (hex), this has 1"},
};

static void contact_refusals(void **state) {
    for (size_t i = 0; i < sizeof(CONTACT_REFUSALS) / sizeof(CONTACT_REFUSALS[0]); i++) {
        struct kith_error_info info;
        struct kith_key key;
        char host[256] = "before";
        uint16_t port = 9;
        bool has_key = true;
        int r = kith_contact_parse(CONTACT_REFUSALS[i].text, &has_key, &key, host, &port, &info);
        check_refusal(&CONTACT_REFUSALS[i], r, &info);
        assert_string_equal(host, "before");
        assert_int_equal(port, 9);
    }
}

/* `host` holds 256 bytes: the longest name fits, a longer one is refused. */
static void longest_host_name(void **state) {
    char text[300];
    char host[256];
    struct kith_error_info info;
    struct kith_key key;
    uint16_t port;
    bool has_key;

    memset(text, 'a', sizeof(text));
    strcpy(text + 253, ":1");
    assert_int_equal(kith_contact_parse(text, &has_key, &key, host, &port, &info), 0);
    assert_int_equal(strlen(host), 253);
    text[253] = 'a';
    strcpy(text + 254, ":1");
    assert_int_equal(kith_contact_parse(text, &has_key, &key, host, &port, &info), KITH_ESYNTAX);
    assert_int_equal(info.column, 254);
}

static void topics(void **state) {
    struct kith_point topic;
    struct kith_point expected;
    uint8_t hashed[32];

    kith_topic_from_text("chess", &topic);
    crypto_generichash(hashed, 32, (const uint8_t *)"kith-topic-1chess", 17, NULL, 0);
    assert_memory_equal(topic.bytes, hashed, 32);
    assert_int_equal(kith_point_parse(HEX_KEY, &expected, NULL), 0);
    kith_topic_from_text(HEX_KEY, &topic);
    assert_memory_equal(&topic, &expected, sizeof(topic));
    /* 63 digits are a text like any other. */
    kith_topic_from_text(&HEX_KEY[1], &topic);
    assert_memory_not_equal(&topic, &expected, sizeof(topic));
}

static const struct refusal POINT_REFUSALS[] = {
    {"00", 0, "64 hexadecimal digits are expected, this has 2 characters"},
    {"x123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 1,
     "column 1: \"x\" is not a hexadecimal digit"},
};

static void point_refusals(void **state) {
    for (size_t i = 0; i < sizeof(POINT_REFUSALS) / sizeof(POINT_REFUSALS[0]); i++) {
        struct kith_error_info info;
        struct kith_point point;
        int r = kith_point_parse(POINT_REFUSALS[i].text, &point, &info);
        check_refusal(&POINT_REFUSALS[i], r, &info);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_back),
        cmocka_unit_test(key_refusals),
        cmocka_unit_test(endpoints_are_written_canonically),
        cmocka_unit_test(any_address_comes_back),
        cmocka_unit_test(no_endpoint_has_a_text_too),
        cmocka_unit_test(endpoint_refusals),
        cmocka_unit_test(contacts),
        cmocka_unit_test(contact_refusals),
        cmocka_unit_test(longest_host_name),
        cmocka_unit_test(topics),
        cmocka_unit_test(point_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
