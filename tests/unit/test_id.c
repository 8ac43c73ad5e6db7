/* SPDX-License-Identifier: MIT */
/* Points, identities and the curve: the metric, the domain separation, known vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <sodium.h>

#include "core/base/id.h"
#include "testing.h"
#include "util/text.h"

static void check_hex(const uint8_t *bytes, size_t size, const char *expected) {
    char text[129];

    kith_hex_encode(bytes, size, text);
    assert_string_equal(text, expected);
}

static void common_bits_counts_from_the_top(void **state) {
    struct kith_point zero = {{0}};

    assert_int_equal(kith_point_common_bits(&zero, &zero), 256);
    for (unsigned i = 0; i < KITH_ID_BITS; i++) {
        struct kith_point p = {{0}};
        p.bytes[i / 8] = (uint8_t)(0x80 >> i % 8);
        assert_int_equal(kith_point_common_bits(&zero, &p), i);
        assert_int_equal(kith_point_common_bits(&p, &zero), i);
        assert_true(kith_point_bit(&p, i));
        memset(p.bytes + i / 8 + 1, 0xff,
               sizeof(p.bytes) - i / 8 - 1); /* what follows is no matter */
        assert_int_equal(kith_point_common_bits(&zero, &p), i);
    }
}

/* Against the definition: XOR, byte by byte from the most significant. */
static void compare_agrees_with_xor(void **state) {
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 5);

    for (unsigned i = 0; i < 1000; i++) {
        struct kith_point t, a, b, to_a, to_b;
        int expected;
        int got;
        kith_random_secure(&random, &t, sizeof(t));
        kith_random_secure(&random, &a, sizeof(a));
        b = a;
        b.bytes[kith_random_below(&random, 32)] ^= (uint8_t)kith_random_below(&random, 256);
        for (unsigned k = 0; k < 32; k++) {
            to_a.bytes[k] = a.bytes[k] ^ t.bytes[k];
            to_b.bytes[k] = b.bytes[k] ^ t.bytes[k];
        }
        expected = memcmp(to_a.bytes, to_b.bytes, 32);
        got = kith_point_compare(&t, &a, &b);
        assert_int_equal((got > 0) - (got < 0), (expected > 0) - (expected < 0));
        assert_int_equal(kith_point_compare(&t, &b, &a), -got);
    }
}

/* Independent computation: BLAKE2b-256 in one call over the concatenation. */
static void check_hash(const struct kith_point *point, const char *kind, const void *bytes,
                       size_t size) {
    uint8_t buffer[256];
    uint8_t expected[32];
    size_t kind_size = strlen(kind);

    memcpy(buffer, kind, kind_size);
    memcpy(buffer + kind_size, bytes, size);
    crypto_generichash(expected, sizeof(expected), buffer, kind_size + size, NULL, 0);
    assert_memory_equal(point->bytes, expected, sizeof(expected));
}

static void points_are_hashes_with_a_kind(void **state) {
    struct kith_point point;
    struct kith_key key;
    uint8_t key_and_salt[32 + 5];

    memset(key.bytes, 7, sizeof(key.bytes));
    memset(key_and_salt, 7, 32);
    memcpy(key_and_salt + 32, "salty", 5);
    kith_point_of_node(&key, &point);
    check_hash(&point, "kith-node-1", key.bytes, 32);
    kith_point_of_record(&key, kith_span_text("salty"), &point);
    check_hash(&point, "kith-record-1", key_and_salt, sizeof(key_and_salt));
    kith_point_of_record(&key, kith_span(NULL, 0), &point);
    check_hash(&point, "kith-record-1", key.bytes, 32);
    kith_point_of_value(kith_span_text("5:hello"), &point);
    check_hash(&point, "", "5:hello", 7);
}

/* RFC 8032 section 7.1, test 1. */
static void identity_follows_from_its_seed(void **state) {
    struct kith_identity id;
    struct kith_point point;
    uint8_t seed[32];
    uint8_t image[32];

    assert_int_equal(
        kith_hex_decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", 64,
                        seed, 32),
        0);
    kith_identity_from_seed(&id, &kith_curve_sodium, seed);
    check_hex(id.key.bytes, 32, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    kith_point_of_node(&id.key, &point);
    assert_true(kith_point_equal(&point, &id.id));
    /* What others compute from the key is what we hold. */
    assert_int_equal(kith_curve_sodium.public_to_dh(image, id.key.bytes), 0);
    assert_memory_equal(image, id.dh_public, 32);
    kith_identity_wipe(&id);
    for (size_t i = 0; i < sizeof(id); i++) {
        assert_int_equal(((const uint8_t *)&id)[i], 0);
    }
}

static void both_sides_agree_on_a_secret(void **state) {
    struct kith_identity a, b;
    uint8_t ab[32], ba[32];

    kith_test_identity(&a, 1);
    kith_test_identity(&b, 2);
    assert_int_equal(kith_curve_sodium.dh(ab, a.dh_secret, b.dh_public), 0);
    assert_int_equal(kith_curve_sodium.dh(ba, b.dh_secret, a.dh_public), 0);
    assert_memory_equal(ab, ba, 32);
}

/* A public key of small order would make the shared secret known to everyone. */
static void small_order_is_refused(void **state) {
    struct kith_identity a;
    static const uint8_t ZERO[32] = {0};
    static const uint8_t ONE[32] = {1}; /* the neutral element, as an Ed25519 key */
    uint8_t out[32];
    uint8_t before[32];

    kith_test_identity(&a, 1);
    memset(out, 0xaa, sizeof(out));
    memcpy(before, out, sizeof(out));
    assert_int_equal(kith_curve_sodium.dh(out, a.dh_secret, ZERO), KITH_EVERIFY);
    assert_int_equal(kith_curve_sodium.public_to_dh(out, ONE), KITH_EVERIFY);
    assert_memory_equal(out, before, sizeof(out));
}

static void signatures_verify_only_unchanged(void **state) {
    struct kith_identity a;
    uint8_t signature[64];

    kith_test_identity(&a, 1);
    kith_curve_sodium.sign(signature, "message", 7, a.secret);
    assert_int_equal(kith_curve_sodium.verify(signature, "message", 7, a.key.bytes), 0);
    assert_int_equal(kith_curve_sodium.verify(signature, "massage", 7, a.key.bytes), KITH_EVERIFY);
    assert_int_equal(kith_curve_sodium.verify(signature, "message", 6, a.key.bytes), KITH_EVERIFY);
    signature[0] ^= 1;
    assert_int_equal(kith_curve_sodium.verify(signature, "message", 7, a.key.bytes), KITH_EVERIFY);
}

static void every_error_has_text_and_name(void **state) {
#define CHECK_ERROR(name, value, text)                                                             \
    assert_string_equal(kith_strerror(KITH_E##name), text);                                        \
    assert_string_equal(kith_error_name(value), #name);
    KITH_ERROR_MAP(CHECK_ERROR)
#undef CHECK_ERROR
    assert_string_equal(kith_strerror(-1000), "unknown error");
    assert_string_equal(kith_strerror(1), "unknown error");
    assert_string_equal(kith_error_name(-1000), "UNKNOWN");
    assert_string_equal(kith_strerror(0), "success");
    assert_string_equal(kith_error_name(0), "OK");
}

/* The distance that is a fraction of the space, and back. */
static void test_fraction(void **state) {
    (void)state;
    static const double fractions[] = {0, 0.5, 0.75, 1.0 / 3, 1e-4, 0x1p-60, 0x1.8p-200};
    struct kith_point zero = {{0}};
    struct kith_point point;
    for (size_t i = 0; i < sizeof(fractions) / sizeof(fractions[0]); i++) {
        kith_point_fraction(fractions[i], &point);
        double error = kith_point_distance(&zero, &point) - fractions[i];
        assert_true(error <= 0 && error >= -fractions[i] * 0x1p-50);
    }
    static const double all[] = {1, 1.5, 1e300};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        kith_point_fraction(all[i], &point);
        for (size_t j = 0; j < sizeof(point.bytes); j++) {
            assert_int_equal(point.bytes[j], 0xff);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fraction),
        cmocka_unit_test(common_bits_counts_from_the_top),
        cmocka_unit_test(compare_agrees_with_xor),
        cmocka_unit_test(points_are_hashes_with_a_kind),
        cmocka_unit_test(identity_follows_from_its_seed),
        cmocka_unit_test(both_sides_agree_on_a_secret),
        cmocka_unit_test(small_order_is_refused),
        cmocka_unit_test(signatures_verify_only_unchanged),
        cmocka_unit_test(every_error_has_text_and_name),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
