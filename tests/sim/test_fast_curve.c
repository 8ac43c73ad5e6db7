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

/* What was sealed opens with its key, counter and data, also in place, and with nothing else. */
static void check_seal(const struct kith_cipher *cipher, struct kith_sim_random *r, size_t size) {
    uint8_t key[32], plain[64], sealed[64 + KITH_CIPHER_TAG], out[64 + KITH_CIPHER_TAG];
    uint8_t ad[5] = {1, 2, 3, 4, 5};
    struct kith_span all = kith_span(sealed, size + KITH_CIPHER_TAG);
    struct kith_span about = kith_span(ad, sizeof(ad));
    fresh(r, key);
    kith_sim_random_fill(r, plain, sizeof(plain));
    cipher->seal(key, 7, about, kith_span(plain, size), sealed);
    memcpy(out, plain, size);
    cipher->seal(key, 7, about, kith_span(out, size), out);
    assert_memory_equal(out, sealed, all.size);
    assert_int_equal(cipher->open(key, 7, about, kith_span(out, all.size), out), 0);
    assert_memory_equal(out, plain, size);
    if (size >= 8) {
        assert_memory_not_equal(sealed, plain, size);
    }
    for (size_t i = 0; i < all.size; i++) {
        sealed[i] ^= 0x10;
        assert_int_equal(cipher->open(key, 7, about, all, out), KITH_EVERIFY);
        sealed[i] ^= 0x10;
    }
    assert_int_equal(cipher->open(key, 8, about, all, out), KITH_EVERIFY);
    assert_int_equal(cipher->open(key, 7, kith_span(ad, 4), all, out), KITH_EVERIFY);
    assert_int_equal(cipher->open(key, 7, about, kith_span(sealed, all.size - 1), out),
                     KITH_EVERIFY);
    assert_int_equal(cipher->open(key, 7, about, kith_span(sealed, KITH_CIPHER_TAG - 1), out),
                     KITH_EVERIFY);
    key[31] ^= 1;
    assert_int_equal(cipher->open(key, 7, about, all, out), KITH_EVERIFY);
}

static void test_seal(void **state) {
    struct kith_sim_random r;
    kith_sim_random_seed(&r, 4);
    for (size_t c = 0; c < N_CURVES; c++) {
        for (size_t size = 0; size <= 64; size++) {
            check_seal(curves[c]->cipher, &r, size);
        }
    }
}

/* Hashes, keys and macs depend on every byte that goes in, and on how the bytes are divided. */
static void test_hashes(void **state) {
    for (size_t c = 0; c < N_CURVES; c++) {
        const struct kith_cipher *cipher = curves[c]->cipher;
        uint8_t key[32] = {9}, data[40] = {1}, out[3][32], again[3][32], mac[16], other[16];
        uint8_t hash[32] = {5}, mixed[32] = {5};
        cipher->derive(key, kith_span(data, 40), out, 3);
        cipher->derive(key, kith_span(data, 40), again, 2);
        assert_memory_equal(out, again, 64);
        assert_memory_not_equal(out[0], out[1], 32);
        assert_memory_not_equal(out[1], out[2], 32);
        cipher->mac(mac, key, 32, kith_span(data, 40));
        for (size_t i = 0; i < 40; i++) {
            data[i] ^= 1;
            cipher->derive(key, kith_span(data, 40), again, 3);
            assert_memory_not_equal(out[0], again[0], 32);
            cipher->mac(other, key, 32, kith_span(data, 40));
            assert_memory_not_equal(mac, other, 16);
            data[i] ^= 1;
        }
        cipher->mac(other, key, 16, kith_span(data, 40));
        assert_memory_not_equal(mac, other, 16);
        cipher->mix(hash, kith_span(data, 40));
        cipher->mix(mixed, kith_span(data, 39));
        assert_memory_not_equal(hash, mixed, 32);
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
        cmocka_unit_test(test_seal),
        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_fixed_value),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests_name("sim fast_curve", tests, NULL, NULL);
}
