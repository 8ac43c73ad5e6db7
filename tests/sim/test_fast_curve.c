/* SPDX-License-Identifier: MIT */
/* The laws that a core relies on hold for the fast curve as they do for the real one: each case
 * runs on both, so that a law which only the imitation obeys shows as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "sim/fast_curve.h"
#include "sim/random.h"

static const struct kith_curve *const curves[] = {&kith_sim_fast_curve, &kith_curve_sodium};

enum { N_CURVES = 2, ROUNDS = 20 };

static void fresh(struct kith_sim_random *r, uint8_t bytes[32]) {
    kith_sim_random_fill(r, bytes, 32);
}

/* Both sides of a key agreement get the same secret, and a third party's key gives another. */
static void test_agreement(void **state) {
    struct kith_sim_random r;
    kith_sim_random_seed(&r, 1);
    for (size_t c = 0; c < N_CURVES; c++) {
        for (unsigned i = 0; i < ROUNDS; i++) {
            uint8_t a[32], b[32], x[32], pub_a[32], pub_b[32], pub_x[32], ab[32], ba[32], ax[32];
            fresh(&r, a);
            fresh(&r, b);
            fresh(&r, x);
            curves[c]->dh_public(pub_a, a);
            curves[c]->dh_public(pub_b, b);
            curves[c]->dh_public(pub_x, x);
            assert_int_equal(curves[c]->dh(ab, a, pub_b), 0);
            assert_int_equal(curves[c]->dh(ba, b, pub_a), 0);
            assert_int_equal(curves[c]->dh(ax, a, pub_x), 0);
            assert_memory_equal(ab, ba, 32);
            assert_memory_not_equal(ab, ax, 32);
            assert_memory_not_equal(pub_a, pub_b, 32);
        }
    }
}

/* An all-zero public key has small order: refused, and the output stays as it was. */
static void test_agreement_refuses_zero(void **state) {
    for (size_t c = 0; c < N_CURVES; c++) {
        uint8_t secret[32] = {7}, zero[32] = {0}, shared[32];
        assert_int_equal(curves[c]->dh(shared, secret, zero), KITH_EVERIFY);
    }
}

/* The image of the public key is the public key of the image of the secret. */
static void test_conversion(void **state) {
    struct kith_sim_random r;
    kith_sim_random_seed(&r, 2);
    for (size_t c = 0; c < N_CURVES; c++) {
        for (unsigned i = 0; i < ROUNDS; i++) {
            uint8_t seed[32], public_key[32], secret[64], image[32], dh_secret[32], dh_public[32];
            fresh(&r, seed);
            curves[c]->sign_keypair(public_key, secret, seed);
            assert_memory_equal(secret, seed, 32);
            assert_memory_equal(secret + 32, public_key, 32);
            assert_int_equal(curves[c]->public_to_dh(image, public_key), 0);
            curves[c]->secret_to_dh(dh_secret, secret);
            curves[c]->dh_public(dh_public, dh_secret);
            assert_memory_equal(image, dh_public, 32);
        }
    }
}

/* A signature holds for exactly one message, key and signature: any changed bit is noticed. */
static void test_signature(void **state) {
    struct kith_sim_random r;
    kith_sim_random_seed(&r, 3);
    for (size_t c = 0; c < N_CURVES; c++) {
        uint8_t seed[32], public_key[32], secret[64], signature[64], message[100];
        fresh(&r, seed);
        curves[c]->sign_keypair(public_key, secret, seed);
        kith_sim_random_fill(&r, message, sizeof(message));
        curves[c]->sign(signature, message, sizeof(message), secret);
        assert_int_equal(curves[c]->verify(signature, message, sizeof(message), public_key), 0);
        for (size_t i = 0; i < sizeof(message); i++) {
            message[i] ^= 1;
            assert_int_equal(curves[c]->verify(signature, message, sizeof(message), public_key),
                             KITH_EVERIFY);
            message[i] ^= 1;
        }
        for (size_t i = 0; i < sizeof(signature); i++) {
            signature[i] ^= 1;
            assert_int_equal(curves[c]->verify(signature, message, sizeof(message), public_key),
                             KITH_EVERIFY);
            signature[i] ^= 1;
        }
        assert_int_equal(curves[c]->verify(signature, message, sizeof(message) - 1, public_key),
                         KITH_EVERIFY);
        public_key[3] ^= 1;
        assert_int_equal(curves[c]->verify(signature, message, sizeof(message), public_key),
                         KITH_EVERIFY);
    }
}

/* An empty message is a message. */
static void test_signature_of_nothing(void **state) {
    for (size_t c = 0; c < N_CURVES; c++) {
        uint8_t seed[32] = {1}, public_key[32], secret[64], signature[64];
        curves[c]->sign_keypair(public_key, secret, seed);
        curves[c]->sign(signature, "", 0, secret);
        assert_int_equal(curves[c]->verify(signature, "", 0, public_key), 0);
        assert_int_equal(curves[c]->verify(signature, "x", 1, public_key), KITH_EVERIFY);
    }
}

/* Keys decide ids, and ids decide a trace: they must not depend on the machine. */
static void test_fixed_value(void **state) {
    static const uint8_t expected[8] = {0x4f, 0x60, 0xa1, 0xbb, 0x48, 0xcb, 0x61, 0x3e};
    uint8_t seed[32] = {1, 2, 3}, public_key[32], secret[64];
    kith_sim_fast_curve.sign_keypair(public_key, secret, seed);
    assert_memory_equal(public_key, expected, sizeof(expected));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_agreement_refuses_zero),
        cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_signature_of_nothing),
        cmocka_unit_test(test_fixed_value),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("sim fast_curve", tests, NULL, NULL);
}
