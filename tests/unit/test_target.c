/* SPDX-License-Identifier: MIT */
/*
 * target: the vectors of BEP 44, BEP 46 and BEP 42, those that libtorrent and anacrolix/dht add,
 * and that ids we make are valid for their address and hardly ever for another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
#include "core/record/target.h"
#include "testing.h"
#include "util/text.h"

static void unhex(const char *text, uint8_t *out, size_t size) {
    assert_int_equal(kith_hex_decode(text, strlen(text), out, size), 0);
}

static struct kith_point point_of(const char *hex) {
    uint8_t bytes[KITH_TARGET_SIZE];
    struct kith_point point;

    unhex(hex, bytes, sizeof(bytes));
    memset(&point, 0xee, sizeof(point));
    kith_target_from_bytes(bytes, &point);
    return point;
}

static void assert_target(const struct kith_point *point, const char *hex) {
    struct kith_point expected = point_of(hex);

    assert_memory_equal(point, &expected, sizeof(expected));
}

static void test_from_bytes_leaves_the_rest_zero(void **state) {
    struct kith_point point = point_of("000102030405060708090a0b0c0d0e0f10111213");

    for (unsigned i = 0; i < sizeof(point.bytes); i++) {
        assert_int_equal(point.bytes[i], i < KITH_TARGET_SIZE ? i : 0);
    }
}

static const char *BEP44_KEY = "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548";

static void test_bep44(void **state) {
    struct kith_key key;
    struct kith_point target;
    struct kith_record_view view = {
        .is_mutable = true, .key = key.bytes, .seq = 1, .value = kith_span_text("12:Hello World!")};

    unhex(BEP44_KEY, key.bytes, sizeof(key.bytes));
    kith_target_of_record(&view, &target);
    assert_target(&target, "4a533d47ec9c7d95b1ad75f576cffc641853b750");
    kith_target_of_key(&key, kith_span(NULL, 0), &target);
    assert_target(&target, "4a533d47ec9c7d95b1ad75f576cffc641853b750");
    view.salt = kith_span_text("foobar");
    kith_target_of_record(&view, &target);
    assert_target(&target, "411eba73b6f087ca51a3795d9c8c938d365e32c1");
    view = (struct kith_record_view){.value = kith_span_text("12:Hello World!")};
    kith_target_of_record(&view, &target);
    assert_target(&target, "e5f96f6f38320f0f33959cb4d3d656452117aadb");
}

static void test_bep46(void **state) {
    struct kith_key key;
    struct kith_point target;

    unhex("8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e", key.bytes,
          sizeof(key.bytes));
    kith_target_of_key(&key, kith_span(NULL, 0), &target);
    assert_target(&target, "cc3f9d90b572172053626f9980ce261a850d050b");
    kith_target_of_key(&key, kith_span("n", 1), &target);
    assert_target(&target, "59ee7c2cb9b4f7eb1986ee2d18fd2fdb8a56554f");
}

/* Computed with another SHA-1 (sha1sum). */
static void test_network(void **state) {
    struct kith_point target;

    kith_target_of_network("kith", &target);
    assert_target(&target, "b469483a2fe9418025e373042cac757d7e4635fc");
    kith_target_of_network("", &target);
    assert_target(&target, "0162463e7852e0851567182289b1142021d0d385");
}

/* ---- BEP 42 ---- */

struct id_case {
    const char *endpoint;
    const char *id;
    bool valid;
};

static const struct id_case IDS[] = {
    /* the BEP */
    {"124.31.75.21:1", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", true},
    {"21.75.31.124:1", "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256", true},
    {"65.23.51.170:1", "a5d43220bc8f112a3d426c84764f8c2a1150e616", true},
    {"84.124.73.14:1", "1b0321dd1bb1fe518101ceef99462b947a01ff41", true},
    {"43.213.53.83:1", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a", true},
    /* libtorrent, test_dht.cpp */
    {"[2001:b829:2123:be84:e16c:d6ae:5290:49f1]:1", "0a8ad123be84e16cd6ae529049f1f1bbe9ebb304",
     true},
    /* anacrolix/dht, security_test.go: one of the first 21 bits, the chosen bits, the address */
    {"21.75.31.124:1", "5a3ce1c14e7a08645677bbd1cfe7d8f956d53256", false},
    {"43.213.53.83:1", "e56f6cbf5b7c4be0237986d5243b87aa6d51303e", false},
    {"65.23.51.170:1", "a5d43620bc8f112a3d426c84764f8c2a1150e616", true},
    {"12.213.53.83:1", "e56f6cbf5b7c4be0237986d5243b87aa6d51305a", false},
    /* the first and the second byte count, the address' last byte too */
    {"124.31.75.21:1", "5ebfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", false},
    {"124.31.75.21:1", "5fbebff10c5d6a4ec8a88e4c6ab4c28b95eee401", false},
    {"124.31.75.20:1", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", false},
    /* masked bits of the address do not, nor what of IPv6 is the host's */
    {"128.31.75.21:1", "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401", true},
    {"[2001:b829:2123:be84::1]:1", "0a8ad123be84e16cd6ae529049f1f1bbe9ebb304", true},
    {"[2001:b829:2123:be85::1]:1", "0a8ad123be84e16cd6ae529049f1f1bbe9ebb304", false},
    /* exempt */
    {"10.0.0.1:1", "0000000000000000000000000000000000000000", true},
    {"172.16.0.1:1", "0000000000000000000000000000000000000000", true},
    {"192.168.0.1:1", "0000000000000000000000000000000000000000", true},
    {"169.254.0.1:1", "0000000000000000000000000000000000000000", true},
    {"127.0.0.1:1", "0000000000000000000000000000000000000000", true},
    {"[::1]:1", "0000000000000000000000000000000000000000", true},
    {"[fe80::1]:1", "0000000000000000000000000000000000000000", true},
};

static void test_bep42(void **state) {
    for (size_t i = 0; i < sizeof(IDS) / sizeof(IDS[0]); i++) {
        struct kith_endpoint endpoint = kith_test_endpoint(IDS[i].endpoint);
        struct kith_point id = point_of(IDS[i].id);
        if (kith_target_id_valid(&id, &endpoint) != IDS[i].valid) {
            fail_msg("%s at %s", IDS[i].id, IDS[i].endpoint);
        }
    }
}

/* The vectors give the last byte of the id: with its choice of three bits ours begin likewise. */
static void test_made_ids_begin_as_the_vectors(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 1);
    unsigned n_found = 0;

    for (size_t i = 0; i < 6; i++) {
        struct kith_endpoint endpoint = kith_test_endpoint(IDS[i].endpoint);
        struct kith_point expected = point_of(IDS[i].id);
        for (unsigned k = 0; k < 100; k++) {
            struct kith_point id;
            kith_target_make_id(&endpoint, &random, &id);
            if (((id.bytes[19] ^ expected.bytes[19]) & 7) == 0) {
                assert_true(kith_point_common_bits(&id, &expected) >= 21);
                n_found++;
            }
        }
    }
    assert_true(n_found > 30);
}

static struct kith_endpoint some_endpoint(const struct kith_random *random, uint8_t family) {
    struct kith_endpoint endpoint = {.family = family, .port = 1};

    do {
        kith_random_secure(random, endpoint.ip, family == 4 ? 4 : 16);
    } while (kith_endpoint_exempt(&endpoint));
    return endpoint;
}

static void test_made_ids_are_valid(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 2);
    unsigned n_elsewhere = 0;
    uint8_t seen_third = 0;

    for (unsigned i = 0; i < 20000; i++) {
        struct kith_endpoint endpoint = some_endpoint(&random, i % 2 == 0 ? 4 : 6);
        struct kith_endpoint other = some_endpoint(&random, endpoint.family);
        struct kith_point id;
        kith_target_make_id(&endpoint, &random, &id);
        assert_true(kith_target_id_valid(&id, &endpoint));
        n_elsewhere += kith_target_id_valid(&id, &other);
        seen_third |= id.bytes[2];
        for (unsigned k = KITH_TARGET_SIZE; k < sizeof(id.bytes); k++) {
            assert_int_equal(id.bytes[k], 0);
        }
    }
    assert_true(n_elsewhere <= 2); /* 2^-21 each */
    assert_int_equal(seen_third, 0xff);
}

static void test_exempt_ids_are_random(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 3);
    struct kith_endpoint endpoint = kith_test_endpoint("127.0.0.1:1");
    struct kith_point a;
    struct kith_point b;
    uint8_t first = 0;

    for (unsigned i = 0; i < 32; i++) {
        kith_target_make_id(&endpoint, &random, &a);
        kith_target_make_id(&endpoint, &random, &b);
        assert_false(kith_point_equal(&a, &b));
        first |= a.bytes[0] ^ b.bytes[0];
    }
    assert_true(__builtin_popcount(first) > 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_bytes_leaves_the_rest_zero),
        cmocka_unit_test(test_bep44),
        cmocka_unit_test(test_bep46),
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_bep42),
        cmocka_unit_test(test_made_ids_begin_as_the_vectors),
        cmocka_unit_test(test_made_ids_are_valid),
        cmocka_unit_test(test_exempt_ids_are_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
