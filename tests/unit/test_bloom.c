/* SPDX-License-Identifier: MIT */
/* bloom: the vector of BEP 33, merging, and what a stranger may send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/wire/bloom.h"
#include "testing.h"
#include "util/text.h"

static const char *VECTOR = "f6c3f5eaa07ffd91bde89f777f26fb2bff37bdb8fb2bbaa2fd3ddde7bacfff75"
                            "ee7ccbaefe5eedb1fbfaff67f6abff5e43ddbca3fd9b9ffdf4ffd3e9dff12d1b"
                            "df59db53dbe9fa5b7ff3b8fdfcde1afb8bedd7be2f3ee71ebbbfe93bcdeefe14"
                            "8246c2bc5dbff7e7efdcf24fd8dc7adffd8fffdfddfff7a4bbeedf5cb95ce81f"
                            "c7fcff1ff4ffffdfe5f7fdcbb7fd79b3fa1fc77bfe07fff905b7b7ffc7fefeff"
                            "e0b8370bb0cd3f5b7f2bd93feb4386cfdd6f7fd5bfaf2e9ebffffeecd67adbf7"
                            "c67f17efd5d75eba6ffeba7fff47a91eb1bfbb53e8abfb5762abe8ff237279bf"
                            "efbfeef5ffc5febfdfe5adffadfee1fb737ffffbfd9f6aeffeee76b6fd8f72ef";

/* 192.0.2.0 to 192.0.2.255 */
static void add_ip4(uint8_t *filter) {
    struct kith_endpoint endpoint = kith_test_endpoint("192.0.2.0:1");

    for (unsigned i = 0; i <= 255; i++) {
        endpoint.ip[3] = (uint8_t)i;
        kith_bloom_add(filter, &endpoint);
    }
}

/* 2001:db8:: to 2001:db8::3e7 */
static void add_ip6(uint8_t *filter) {
    struct kith_endpoint endpoint = kith_test_endpoint("[2001:db8::]:1");

    for (unsigned i = 0; i <= 0x3e7; i++) {
        endpoint.ip[14] = (uint8_t)(i >> 8);
        endpoint.ip[15] = (uint8_t)i;
        kith_bloom_add(filter, &endpoint);
    }
}

static void assert_vector(const uint8_t *filter) {
    uint8_t expected[KITH_BLOOM_SIZE];

    assert_int_equal(kith_hex_decode(VECTOR, strlen(VECTOR), expected, sizeof(expected)), 0);
    assert_memory_equal(filter, expected, sizeof(expected));
    assert_int_equal((int)(kith_bloom_estimate(filter) * 10000), 12249308); /* cut, not rounded */
}

static void test_vector(void **state) {
    uint8_t filter[KITH_BLOOM_SIZE] = {0};

    add_ip4(filter);
    add_ip6(filter);
    assert_vector(filter);
    add_ip4(filter);
    assert_vector(filter);
}

static void test_merged(void **state) {
    uint8_t filter[KITH_BLOOM_SIZE] = {0};
    uint8_t other[KITH_BLOOM_SIZE] = {0};

    add_ip4(filter);
    add_ip6(other);
    kith_bloom_merge(filter, other);
    assert_vector(filter);
}

/* The port and what lies behind an IPv4 address do not count. */
static void test_only_the_address_counts(void **state) {
    struct kith_endpoint endpoint = kith_test_endpoint("192.0.2.1:1");
    uint8_t a[KITH_BLOOM_SIZE] = {0};
    uint8_t b[KITH_BLOOM_SIZE] = {0};

    kith_bloom_add(a, &endpoint);
    endpoint.port = 2;
    endpoint.ip[4] = 1;
    kith_bloom_add(b, &endpoint);
    assert_memory_equal(a, b, sizeof(a));
}

static void test_ends_of_the_scale(void **state) {
    struct kith_endpoint endpoint = kith_test_endpoint("192.0.2.1:1");
    uint8_t filter[KITH_BLOOM_SIZE] = {0};

    assert_true(kith_bloom_estimate(filter) == 0);
    kith_bloom_add(filter, &endpoint);
    assert_true(kith_bloom_estimate(filter) > 0.99 && kith_bloom_estimate(filter) < 1.01);
    memset(filter, 0xff, sizeof(filter));
    assert_true(kith_bloom_estimate(filter) > 6000 && kith_bloom_estimate(filter) < 8000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_only_the_address_counts),
        cmocka_unit_test(test_ends_of_the_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
