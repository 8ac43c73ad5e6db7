/* SPDX-License-Identifier: MIT */
/* peer_record: what peers publish of themselves, there and back, and what they might send instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/record/record.h"
#include "testing.h"

static struct kith_peer example(void) {
    struct kith_peer peer;
    memset(&peer, 0, sizeof(peer));
    peer.ttl_s = KITH_PEER_TTL_S;
    peer.n_endpoints = 2;
    peer.endpoints[0] = kith_test_endpoint("192.0.2.7:7700");
    peer.endpoints[1] = kith_test_endpoint("[2001:db8::7]:7700");
    static const uint8_t capabilities[] = {0x81, 0xa1, 'x', 0x01};
    memcpy(peer.capabilities, capabilities, sizeof(capabilities));
    peer.capabilities_size = sizeof(capabilities);
    return peer;
}

static struct kith_record record_of(const uint8_t *value, size_t size) {
    struct kith_record record;
    memset(&record, 0, sizeof(record));
    record.is_mutable = true;
    record.seq = 5;
    record.value_size = (uint16_t)size;
    memcpy(record.value, value, size);
    return record;
}

/* Wraps msgpack bytes and reads them as a peer record. */
static int read_map(const void *map, size_t size, struct kith_peer *peer) {
    uint8_t value[KITH_VALUE_MAX];
    uint16_t value_size = 0;
    assert_int_equal(kith_value_wrap(map, size, value, &value_size), 0);
    struct kith_record record = record_of(value, value_size);
    return kith_peer_from_record(&record, peer);
}

/* The exact bytes: sorted keys, shortest forms. */
static void test_bytes(void **state) {
    static const uint8_t expected[] = "51:\x85"
                                      "\xa1"
                                      "c\x81\xa1x\x01"
                                      "\xa2"
                                      "e4\xc4\x06\xc0\x00\x02\x07\x1e\x14"
                                      "\xa2"
                                      "e6\xc4\x12\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x1e\x14"
                                      "\xa1p\x01"
                                      "\xa3ttl\xcd\x1c\x20";
    struct kith_peer peer = example();
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size = 0;
    assert_int_equal(kith_peer_encode(&peer, value, &size), 0);
    assert_int_equal(size, sizeof(expected) - 1);
    assert_memory_equal(value, expected, size);
}

static void test_roundtrip(void **state) {
    struct kith_peer peer = example();
    struct kith_peer read;
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size = 0;
    assert_int_equal(kith_peer_encode(&peer, value, &size), 0);
    struct kith_record record = record_of(value, size);
    memset(record.key.bytes, 9, sizeof(record.key.bytes));
    assert_int_equal(kith_peer_from_record(&record, &read), 0);
    peer.key = record.key;
    peer.seq = 5;
    assert_memory_equal(&read, &peer, sizeof(read));
}

static void test_empty_and_full(void **state) {
    struct kith_peer peer;
    struct kith_peer read;
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size = 0;
    memset(&peer, 0, sizeof(peer));
    assert_int_equal(kith_peer_encode(&peer, value, &size), 0);
    struct kith_record record = record_of(value, size);
    assert_int_equal(kith_peer_from_record(&record, &read), 0);
    assert_int_equal(read.n_endpoints, 0);
    assert_int_equal(read.capabilities_size, 0);

    /* everything at its limit fits into a record */
    peer.ttl_s = UINT32_MAX;
    peer.n_endpoints = KITH_ENDPOINTS_MAX;
    for (int i = 0; i < KITH_ENDPOINTS_MAX; i++) {
        peer.endpoints[i] = kith_test_endpoint("[2001:db8::1]:1");
    }
    peer.capabilities_size = KITH_CAPABILITIES_MAX;
    memset(peer.capabilities, 'x', sizeof(peer.capabilities));
    memcpy(peer.capabilities, "\x81\xa1k\xda\x01\x8a", 6); /* {"k": text of 394 bytes} */
    assert_int_equal(kith_peer_encode(&peer, value, &size), 0);
    record = record_of(value, size);
    assert_int_equal(kith_peer_from_record(&record, &read), 0);
    assert_int_equal(read.capabilities_size, KITH_CAPABILITIES_MAX);
    assert_memory_equal(read.capabilities, peer.capabilities, KITH_CAPABILITIES_MAX);
    assert_int_equal(read.n_endpoints, KITH_ENDPOINTS_MAX);
}

static void test_encode_refuses(void **state) {
    static const struct {
        const char *bytes;
        uint16_t size;
        int error;
    } rows[] = {
        {"\x01", 1, KITH_ESYNTAX},                                 /* no map */
        {"\x90", 1, KITH_ESYNTAX},                                 /* an array */
        {"\x81\xa1k", 3, KITH_ESYNTAX},                            /* cut */
        {"\x80\x80", 2, KITH_ESYNTAX},                             /* two values */
        {"\x81\x01\x81\x01\x81\x01\x81\x01\x80", 9, KITH_ESYNTAX}, /* five deep */
        {"\xdf\xff\xff\xff\xff", 5, KITH_ESYNTAX},                 /* 2^32 pairs */
        {"", KITH_CAPABILITIES_MAX + 1, KITH_ETOO_LARGE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kith_peer peer = example();
        uint8_t value[KITH_VALUE_MAX];
        uint16_t size = 77;
        peer.capabilities_size = rows[i].size;
        if (rows[i].size <= 16) {
            memcpy(peer.capabilities, rows[i].bytes, rows[i].size);
        }
        assert_int_equal(kith_peer_encode(&peer, value, &size), rows[i].error);
        assert_int_equal(size, 77);
    }
    struct kith_peer peer = example();
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size = 0;
    peer.n_endpoints = KITH_ENDPOINTS_MAX + 1;
    assert_int_equal(kith_peer_encode(&peer, value, &size), KITH_ETOO_LARGE);
}

/* Unusable endpoints neither leave nor enter. */
static void test_unusable_endpoints(void **state) {
    struct kith_peer peer = example();
    struct kith_peer read;
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size = 0;
    peer.endpoints[0] = kith_test_endpoint("0.0.0.0:7700");
    peer.endpoints[1].port = 0;
    assert_int_equal(kith_peer_encode(&peer, value, &size), 0);
    struct kith_record record = record_of(value, size);
    assert_int_equal(kith_peer_from_record(&record, &read), 0);
    assert_int_equal(read.n_endpoints, 0);

    static const char map[] = "\x83\xa2"
                              "e4\xc4\x12\xe0\0\0\x01\0\x09\x0a\0\0\x01\0\x09\x0a\0\0\x01\0\0"
                              "\xa1p\x01\xa3ttl\x01";
    assert_int_equal(read_map(map, sizeof(map) - 1, &read), 0);
    assert_int_equal(read.n_endpoints, 1); /* multicast and port 0 are gone */
}

static void test_decode(void **state) {
#define MAP(text, error)                                                                           \
    { text, sizeof(text) - 1, error }
    static const struct {
        const char *map;
        size_t size;
        int error;
    } rows[] = {
        MAP("\x82\xa1p\x01\xa3ttl\x00", 0),
        MAP("\x82\xa3ttl\x00\xa1p\x01", 0), /* order does not matter to readers */
        MAP("\x84\xa1p\x01\xa3ttl\x00\xa1z\x91\xc0\x07\x80", 0), /* unknown keys, of any type */
        MAP("\x83\xa1p\x01\xa3ttl\x00\x91\xa1p\x02", 0),         /* even an array as a key */
        MAP("\x82\xa1p\x02\xa3ttl\x00", 0), /* a newer protocol: still endpoints */
        MAP("\x82\xa1p\x00\xa3ttl\x00", KITH_ESYNTAX),
        MAP("\x81\xa1p\x01", KITH_ESYNTAX),                     /* no ttl */
        MAP("\x81\xa3ttl\x01", KITH_ESYNTAX),                   /* no version */
        MAP("\x83\xa1p\x01\xa1p\x01\xa3ttl\x00", KITH_ESYNTAX), /* a key twice */
        MAP("\x82\xa1p\xff\xa3ttl\x00", KITH_ESYNTAX),
        MAP("\x82\xa1p\x01\xa3ttl\xcf\0\0\0\x01\0\0\0\0", KITH_ESYNTAX), /* ttl of 2^32 */
        MAP("\x83\xa1"
            "c\x01\xa1p\x01\xa3ttl\x00",
            KITH_ESYNTAX), /* capabilities no map */
        MAP("\x83\xa1"
            "c\x81\x01\x81\x01\x81\x01\x81\x01\x80\xa1p\x01\xa3ttl\x00",
            KITH_ESYNTAX),
        MAP("\x83\xa2"
            "e4\xc4\x05\0\0\0\0\0\xa1p\x01\xa3ttl\x00",
            KITH_ESYNTAX), /* no multiple of 6 */
        MAP("\x83\xa2"
            "e4\xa6\0\0\0\0\0\0\xa1p\x01\xa3ttl\x00",
            KITH_ESYNTAX),                                 /* text, not bin */
        MAP("\x82\xa1p\x01\xa3ttl\x00\x00", KITH_ESYNTAX), /* trailing byte */
        MAP("\x82\xa1p\x01\xa3ttl", KITH_ESYNTAX),
        MAP("\xc1", KITH_ESYNTAX),
        MAP("\x92\x01\x02", KITH_ESYNTAX),
        MAP("", KITH_ESYNTAX),
    };
#undef MAP
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kith_peer peer;
        memset(&peer, 0x55, sizeof(peer));
        int r = read_map(rows[i].map, rows[i].size, &peer);
        if (r != rows[i].error) {
            fail_msg("row %zu: %d", i, r);
        }
        if (r < 0) {
            assert_int_equal(peer.ttl_s, 0x55555555); /* untouched */
        }
    }
}

static void test_no_string(void **state) {
    static const char *const values[] = {"i1e", "le", "3:abcd", ""};
    struct kith_peer peer;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct kith_record record = record_of((const uint8_t *)values[i], strlen(values[i]));
        assert_int_equal(kith_peer_from_record(&record, &peer), KITH_ESYNTAX);
    }
    struct kith_record record = record_of((const uint8_t *)"0:", 2);
    record.is_mutable = false; /* nobody signed it, so nobody said it of himself */
    assert_int_equal(kith_peer_from_record(&record, &peer), KITH_ESYNTAX);
    record.is_mutable = true;
    record.value_size = UINT16_MAX;
    assert_int_equal(kith_peer_from_record(&record, &peer), KITH_ESYNTAX);
}

/* More endpoints than we keep: the first ones count. */
static void test_surplus_endpoints(void **state) {
    uint8_t map[200] = "\x83\xa1p\x01\xa3ttl\x01\xa2"
                       "e4\xc4\x3c";
    struct kith_peer peer;
    size_t size = 14;
    assert_int_equal(map[size - 1], 0x3c);
    for (uint8_t i = 0; i < 10; i++, size += 6) {
        memcpy(map + size, (const uint8_t[]){10, 0, 0, i, 0, 9}, 6);
    }
    assert_int_equal(read_map(map, size, &peer), 0);
    assert_int_equal(peer.n_endpoints, KITH_ENDPOINTS_MAX);
    assert_int_equal(peer.endpoints[7].ip[3], 7);
}

static void test_wrap(void **state) {
    uint8_t bytes[KITH_VALUE_MAX + 1] = {0};
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size = 0;
    const uint8_t *inner;
    size_t inner_size;
    assert_int_equal(kith_value_wrap("abc", 3, value, &size), 0);
    assert_int_equal(size, 5);
    assert_memory_equal(value, "3:abc", 5);
    kith_value_unwrap(value, size, &inner, &inner_size);
    assert_int_equal(inner_size, 3);
    assert_ptr_equal(inner, value + 2);
    assert_int_equal(kith_value_wrap(NULL, 0, value, &size), 0);
    assert_memory_equal(value, "0:", 2);
    assert_int_equal(kith_value_wrap(bytes, 996, value, &size), 0); /* "996:" and 996 bytes */
    assert_int_equal(size, KITH_VALUE_MAX);
    assert_int_equal(kith_value_wrap(bytes, 997, value, &size), KITH_ETOO_LARGE);
    assert_int_equal(kith_value_wrap(bytes, SIZE_MAX, value, &size), KITH_ETOO_LARGE);
    /* anything but one string is given as it is */
    kith_value_unwrap((const uint8_t *)"li1ee", 5, &inner, &inner_size);
    assert_int_equal(inner_size, 5);
    kith_value_unwrap((const uint8_t *)"3:abcd", 6, &inner, &inner_size);
    assert_int_equal(inner_size, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_roundtrip),
        cmocka_unit_test(test_empty_and_full),
        cmocka_unit_test(test_encode_refuses),
        cmocka_unit_test(test_unusable_endpoints),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_no_string),
        cmocka_unit_test(test_surplus_endpoints),
        cmocka_unit_test(test_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
