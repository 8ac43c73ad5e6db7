/* SPDX-License-Identifier: MIT */
/* value_json: stored values as people and scripts see them: text, bencode, DNS records,
 * info-hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/dns.h"
#include "common/json_bencode.h"
#include "common/json_msgpack.h"
#include "testing.h"

static void check_value(const void *value, size_t size, const char *expected) {
    json_t *object = json_object();
    assert_int_equal(json_add_value(object, value, size), 0);
    char *text = json_dumps(object, JSON_COMPACT);
    assert_string_equal(text, expected);
    free(text);
    json_decref(object);
}

static void check_text(const char *value, const char *expected) {
    check_value(value, strlen(value), expected);
}

static void test_values(void **state) {
    check_text("5:hello", "{\"value\":\"hello\"}");
    check_text("3:\x81\x01\x02", "{\"value_hex\":\"810102\"}");
    check_text("i-42e", "{\"value\":-42}");
    check_text("i9223372036854775808e",
               "{\"value_hex\":\"693932323333373230333638353437373538303865\"}");
    check_text("le", "{\"value\":[]}");
    check_text("li1e0:d1:a1:bee", "{\"value\":[1,\"\",{\"a\":\"b\"}]}");
    check_text("d1:a2:\xff\xfe"
               "e",
               "{\"value\":{\"a_hex\":\"fffe\"}}");
    check_text("l2:\xff\xfe"
               "e",
               "{\"value\":[\"fffe\"]}");
    check_text("d2:\xff\xfei1ee",
               "{\"value_hex\":\"64323afffe69316565\"}"); /* a key that is no text */
    check_text("d2:ih20:aaaaaaaaaaaaaaaaaaa\xff"
               "e",
               "{\"infohash\":\"61616161616161616161616161616161616161ff\","
               "\"value\":{\"ih_hex\":\"61616161616161616161616161616161616161ff\"}}");
    check_text("d1:ai1e1:ai2ee", "{\"value_hex\":\"64313a61693165313a6169326565\"}");
    check_text("d2:ih3:abce", "{\"value\":{\"ih\":\"abc\"}}");
    check_text("d2:ih", "{\"value_hex\":\"64323a6968\"}"); /* no bencode at all */
    check_value("d1:a\0:e", 7, "{\"value_hex\":\"64313a61003a65\"}");
}

/* msgpack as deep as --json-value makes it; and what claims more than it holds. */
static void test_msgpack(void **state) {
    check_text("1:\x90", "{\"value\":[]}");
    check_text(
        "21:\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x07",
        "{\"value\":[[[[[[[[[[[[[[[[[[[[7]]]]]]]]]]]]]]]]]]]]}");
    check_text("5:\xdf\x7f\xff\xff\xff", "{\"value_hex\":\"df7fffffff\"}");
    check_text("5:\xdd\xff\xff\xff\xff", "{\"value_hex\":\"ddffffffff\"}");
    check_text("3:\x91\x07\x07", "{\"value_hex\":\"910707\"}");
}

/* Nesting is bounded by the reader, so the conversion cannot run out of stack. */
static void test_depth(void **state) {
    char deep[1000];
    memset(deep, 'l', sizeof(deep));
    memset(deep + 500, 'e', 500);
    assert_null(json_from_bencode((const uint8_t *)deep, sizeof(deep)));
    assert_null(json_from_bencode((const uint8_t *)"", 0));
    assert_null(json_from_bencode((const uint8_t *)"i1ei2e", 6));
}

/* ---- DNS ---- */

/* A reply with the question none and `n` answers; what follows the header is the caller's. */
#define HEADER(n) "\0\0\x84\0\0\0\0" n "\0\0\0\0"
#define NAME                                                                                       \
    "\x01"                                                                                         \
    "a\0"                  /* "a." */
#define AT_NAME "\xc0\x0c" /* the first name in the packet */
#define RR(name, type, size)                                                                       \
    name "\0" type "\0\x01"                                                                        \
         "\0\0\x01\x2c"                                                                            \
         "\0" size

static void check_dns(const void *packet, size_t size, const char *expected) {
    json_t *list = dns_to_json(packet, size);
    char *text = json_dumps(list, JSON_COMPACT);
    if (expected == NULL) {
        assert_null(list);
    } else {
        assert_non_null(text);
        assert_string_equal(text, expected);
    }
    free(text);
    json_decref(list);
}

#define CHECK_DNS(packet, expected) check_dns(packet, sizeof(packet) - 1, expected)
#define ONE(type, data) "[{\"name\":\"a\",\"type\":\"" type "\",\"ttl\":300,\"data\":\"" data "\"}]"

static void test_dns(void **state) {
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x01", "\x04") "\xc0\0\x02\x07", ONE("A", "192.0.2.7"));
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x1c", "\x10") "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01",
              ONE("AAAA", "2001:db8::1"));
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x05", "\x02") AT_NAME, ONE("CNAME", "a"));
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x02", "\x01") "\0", ONE("NS", "."));
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x0f", "\x05") "\0\x0a" NAME, ONE("MX", "10 a"));
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x21", "\x08") "\0\x01\0\x02\0\x50" AT_NAME,
              ONE("SRV", "1 2 80 a"));
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x10", "\x08") "\x03k=\"\x03\n\\x",
              ONE("TXT", "\\\"k=\\\\\\\"\\\" \\\"\\\\010\\\\\\\\x\\\""));
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x10", "\x01") "\0", ONE("TXT", "\\\"\\\""));
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x41", "\x1b") "\0\x01\0"
                                                      "\0\x01\0\x06\x02h2\x02h3"
                                                      "\0\x03\0\x02\x01\xbb"
                                                      "\0\x04\0\x04\xc0\0\x02\x01",
              ONE("HTTPS", "1 . alpn=h2,h3 port=443 ipv4hint=192.0.2.1"));
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x40", "\x09") "\0\0\0\0\x07\0\x02\xab\xcd",
              ONE("SVCB", "0 . key7=abcd"));
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x63", "\x02") "\xab\xcd", ONE("TYPE99", "\\\\# 2 abcd"));
    CHECK_DNS(HEADER("\x02") RR(NAME, "\x01", "\x04") "\x01\x02\x03\x04" RR(
                  AT_NAME, "\x01", "\x04") "\x05\x06\x07\x08",
              "[{\"name\":\"a\",\"type\":\"A\",\"ttl\":300,\"data\":\"1.2.3.4\"},"
              "{\"name\":\"a\",\"type\":\"A\",\"ttl\":300,\"data\":\"5.6.7.8\"}]");
}

static void test_dns_refused(void **state) {
    CHECK_DNS("", NULL);
    CHECK_DNS("hello, world of text", NULL);
    CHECK_DNS(HEADER("\0"), NULL);                        /* no answers */
    CHECK_DNS("\0\0\x04\0\0\0\0\x01\0\0\0\0" NAME, NULL); /* a question */
    CHECK_DNS(HEADER("\x02") RR(NAME, "\x01", "\x04") "\x01\x02\x03\x04",
              NULL); /* one is missing */
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x01", "\x05") "\x01\x02\x03\x04\x05", NULL);
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x01", "\x03") "\x01\x02\x03", NULL);
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x05", "\x01") "\xc0"
                                                      "\x0c",
              NULL); /* beyond the data */
    CHECK_DNS(HEADER("\x01") RR("\xc0\x0c", "\x01", "\x04") "\x01\x02\x03\x04", NULL); /* a loop */
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x10", "\x02") "\x05x", NULL);
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x41", "\x08") "\0\x01\0\0\x03\0\x01\x01", NULL);
    CHECK_DNS(HEADER("\x01") RR(NAME, "\x41", "\x07") "\0\x01\0\0\x01\0\x02", NULL);
}

/* What pkarr publishes: a packet inside a byte string. */
static void test_pkarr(void **state) {
    check_value("29:" HEADER("\x01") RR(NAME, "\x01", "\x04") "\xc0\0\x02\x07", 32,
                "{\"dns\":[{\"name\":\"a\",\"type\":\"A\",\"ttl\":300,\"data\":\"192.0.2.7\"}],"
                "\"value_hex\":\"000084000000000100000000016100000100010000012c0004c0000207\"}");
}

/* An answer of the daemon, msgpack, as `--json` shows it. */
static void check_answer(const void *bytes, size_t size, const char *expected) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, bytes, size, NULL), MSGPACK_UNPACK_SUCCESS);
    json_t *json = json_from_result(&unpacked.data);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
    msgpack_unpacked_destroy(&unpacked);
}

#define CHECK_ANSWER(bytes, expected) check_answer(bytes, sizeof(bytes) - 1, expected)
#define CAPABILITIES                                                                               \
    "\xac"                                                                                         \
    "capabilities"

/* Strangers choose their capabilities: what JSON cannot say is hex, and harms no other entry. */
static void test_capabilities(void **state) {
    CHECK_ANSWER("\x81" CAPABILITIES "\x81\xa1"
                 "a\x07",
                 "{\"capabilities\":{\"a\":7}}");
    CHECK_ANSWER("\x81" CAPABILITIES "\x81\xa1"
                 "a\xcb\x7f\xf8\0\0\0\0\0\0",
                 "{\"capabilities_hex\":\"81a161cb7ff8000000000000\"}"); /* not a number */
    CHECK_ANSWER("\x81" CAPABILITIES "\x81\xa1"
                 "a\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
                 "{\"capabilities_hex\":\"81a161cfffffffffffffffff\"}");
    CHECK_ANSWER("\x81" CAPABILITIES "\x81\xa1\xff\x07", "{\"capabilities_hex\":\"81a1ff07\"}");
    CHECK_ANSWER("\x81" CAPABILITIES "\x81\x01\x02", "{\"capabilities_hex\":\"810102\"}");
    CHECK_ANSWER("\x81\xa5peers\x92\x81" CAPABILITIES "\x81\xa1"
                 "a\xd4\x01\x02\x81" CAPABILITIES "\x80",
                 "{\"peers\":[{\"capabilities_hex\":\"81a161d40102\"},{\"capabilities\":{}}]}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),       cmocka_unit_test(test_depth),
        cmocka_unit_test(test_msgpack),      cmocka_unit_test(test_dns),
        cmocka_unit_test(test_dns_refused),  cmocka_unit_test(test_pkarr),
        cmocka_unit_test(test_capabilities),
    };
    return cmocka_run_group_tests_name("value_json", tests, NULL, NULL);
}
