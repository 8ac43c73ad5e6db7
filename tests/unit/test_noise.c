/* SPDX-License-Identifier: MIT */
/*
 * The published vectors of both patterns (Cacophony's, which snow and others replay as well),
 * byte for byte in both directions, and what must not work.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/session/noise.h"
#include "util/text.h"

#include "testing.h"

enum { MESSAGES = 6, MESSAGE_MAX = 128 };

struct vector {
    const char *psk; /* NULL: plain IK */
    const char *payload[MESSAGES];
    const char *cipher[MESSAGES];
};

/* Shared by both vectors. */
static const char PROLOGUE[] = "4a6f686e2047616c74";
static const char INIT_STATIC[] =
    "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
static const char INIT_EPHEMERAL[] =
    "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
static const char RESP_STATIC[] =
    "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
static const char RESP_STATIC_PUBLIC[] =
    "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62";
static const char RESP_EPHEMERAL[] =
    "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";

#define PAYLOADS                                                                                   \
    {                                                                                              \
        "4c756477696720766f6e204d69736573", "4d757272617920526f746862617264",                      \
            "462e20412e20486179656b", "4361726c204d656e676572",                                    \
            "4a65616e2d426170746973746520536179", "457567656e2042f6686d20766f6e2042617765726b"     \
    }

static const struct vector VECTOR_IK = {
    NULL,
    PAYLOADS,
    {"ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"
     "718da798efbcd91528520204f904b9bd6c7413dccdc214d951e15253e39987f1"
     "8146e8cd0873654207148333479d4d16c289f0294b29960a72f48e0b7bba2e89"
     "083169825e59642148d492020664ccf7",
     "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"
     "5361e70b2ed446e6c9ec387d1d6b3b840f194e373979d241b203c4acafccf5",
     "050e9f3c8fac16b68dbce8f8c4bfbf6617c897f9ada4aa29aa19c8",
     "344233a6cabb7141d80f3da2fedc311d9646bbb0f505afe403a667",
     "62cdeeb172ad7ade7aa7d9e069da5790f12331bfa00177787a1d0810c67dc3b2b4",
     "029bead1b40992327044d409d9a1f3ad8f36c3c452775d557e18bbeb2e8dfcead32d514024"},
};

static const struct vector VECTOR_IKPSK2 = {
    "54686973206973206d7920417573747269616e20706572737065637469766521",
    PAYLOADS,
    {"ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"
     "2ec9b09893d0f510791784c10cbc959f25b1766e0def6e301d14fbca1c7790ac"
     "829b8b3674f5f649a5f0e98479662cbfbf2b2c47cd4b09fcd266cd29d7cb675f"
     "1808849707847840f6d178ec4d3733aa",
     "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"
     "9a1b3cebf680b2c74217fcb5eba4ff58a9468cd90c4aca6194f57479b379a7",
     "a8fde7a0accec190cd306c5950d4fd8e04a205ec288aa747d8b347",
     "59caddd9984a3bbe24c4fb31a2bd455b7eba3fa0980674b1a3a5f9",
     "3b9bfebd210c22ba0cff9de79b4007d7a552fffbf92616881faa8a883e25b80258",
     "f37512df1043d564d7c46ac85c53d3b6a9a05724bc297e7142808f217561651217fe85b782"},
};

static size_t unhex(const char *text, uint8_t *out) {
    size_t size = strlen(text) / 2;

    assert_int_equal(kith_hex_decode(text, 2 * size, out, size), 0);
    return size;
}

struct pair {
    struct kith_noise initiator;
    struct kith_noise responder;
    uint8_t init_ephemeral[32];
    uint8_t resp_ephemeral[32];
};

static void pair_setup(struct pair *p, const char *psk_text) {
    uint8_t prologue[32];
    uint8_t init_secret[32];
    uint8_t init_public[32];
    uint8_t resp_secret[32];
    uint8_t resp_public[32];
    uint8_t psk[32];
    size_t prologue_size = unhex(PROLOGUE, prologue);
    struct kith_span span = kith_span(prologue, prologue_size);

    unhex(INIT_STATIC, init_secret);
    unhex(RESP_STATIC, resp_secret);
    unhex(RESP_STATIC_PUBLIC, resp_public);
    unhex(INIT_EPHEMERAL, p->init_ephemeral);
    unhex(RESP_EPHEMERAL, p->resp_ephemeral);
    kith_curve_sodium.dh_public(init_public, init_secret);
    if (psk_text != NULL) {
        unhex(psk_text, psk);
    }
    kith_noise_init(&p->initiator, &kith_curve_sodium, true, span, init_public, init_secret,
                    resp_public, psk_text == NULL ? NULL : psk);
    kith_noise_init(&p->responder, &kith_curve_sodium, false, span, resp_public, resp_secret, NULL,
                    psk_text == NULL ? NULL : psk);
}

static void check_transport(const struct vector *v, const struct kith_noise_keys *init,
                            const struct kith_noise_keys *resp) {
    for (unsigned i = 2; i < MESSAGES; i++) {
        uint8_t payload[MESSAGE_MAX];
        uint8_t expected[MESSAGE_MAX];
        uint8_t message[MESSAGE_MAX];
        size_t size = unhex(v->payload[i], payload);
        size_t cipher_size = unhex(v->cipher[i], expected);
        const struct kith_noise_keys *from = i % 2 == 0 ? init : resp;
        const struct kith_noise_keys *to = i % 2 == 0 ? resp : init;
        uint64_t counter = i / 2 - 1;
        struct kith_span none = kith_span(NULL, 0);

        assert_int_equal(cipher_size, size + KITH_NOISE_TAG);
        kith_cipher_sodium.seal(from->send, counter, none, kith_span(payload, size), message);
        assert_memory_equal(message, expected, cipher_size);
        assert_int_equal(kith_cipher_sodium.open(to->receive, counter, none,
                                                 kith_span(message, cipher_size), message),
                         0);
        assert_memory_equal(message, payload, size);
    }
}

static void check_vector(const struct vector *v) {
    struct pair p;
    struct kith_noise_keys init;
    struct kith_noise_keys resp;
    uint8_t payload[MESSAGE_MAX];
    uint8_t expected[MESSAGE_MAX];
    uint8_t message[MESSAGE_MAX];
    uint8_t got[MESSAGE_MAX];
    size_t size;
    size_t got_size;
    size_t message_size;

    pair_setup(&p, v->psk);
    size = unhex(v->payload[0], payload);
    message_size = unhex(v->cipher[0], expected);
    assert_int_equal(message_size, size + KITH_NOISE_MSG1_OVERHEAD);
    assert_int_equal(
        kith_noise_write_1(&p.initiator, p.init_ephemeral, kith_span(payload, size), message), 0);
    assert_memory_equal(message, expected, message_size);
    assert_int_equal(
        kith_noise_read_1(&p.responder, kith_span(message, message_size), got, &got_size), 0);
    assert_int_equal(got_size, size);
    assert_memory_equal(got, payload, size);
    assert_memory_equal(p.responder.remote_static, p.initiator.static_public, 32);

    size = unhex(v->payload[1], payload);
    message_size = unhex(v->cipher[1], expected);
    assert_int_equal(message_size, size + KITH_NOISE_MSG2_OVERHEAD);
    assert_int_equal(kith_noise_write_2(&p.responder, p.resp_ephemeral, kith_span(payload, size),
                                        message, &resp),
                     0);
    assert_memory_equal(message, expected, message_size);
    assert_int_equal(
        kith_noise_read_2(&p.initiator, kith_span(message, message_size), got, &got_size, &init),
        0);
    assert_int_equal(got_size, size);
    assert_memory_equal(got, payload, size);
    assert_memory_equal(init.send, resp.receive, 32);
    assert_memory_equal(init.receive, resp.send, 32);
    check_transport(v, &init, &resp);
}

static void published_vector_ik(void **state) {
    check_vector(&VECTOR_IK);
}

static void published_vector_ikpsk2(void **state) {
    check_vector(&VECTOR_IKPSK2);
}

/* Every bit of message 1 counts, and a failed read leaves the responder able to read the real one.
 */
static void message_1_authenticates_every_bit(void **state) {
    struct pair p;
    uint8_t message[MESSAGE_MAX];
    uint8_t got[MESSAGE_MAX];
    size_t size = 3 + KITH_NOISE_MSG1_OVERHEAD;
    size_t got_size = 77;

    pair_setup(&p, NULL);
    assert_int_equal(
        kith_noise_write_1(&p.initiator, p.init_ephemeral, kith_span("abc", 3), message), 0);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int r = kith_noise_read_1(&p.responder, kith_span(message, size), got, &got_size);
        /* X25519 ignores the top bit of a point, but the transcript does not. */
        assert_int_equal(r, KITH_EVERIFY);
        assert_int_equal(got_size, 77);
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++) {
        int r = kith_noise_read_1(&p.responder, kith_span(message, cut), got, &got_size);
        assert_int_equal(r, cut < KITH_NOISE_MSG1_OVERHEAD ? KITH_ESYNTAX : KITH_EVERIFY);
    }
    assert_int_equal(kith_noise_read_1(&p.responder, kith_span(message, size), got, &got_size), 0);
    assert_int_equal(got_size, 3);
}

/* A forged message 2 must not end the initiator's handshake. */
static void forged_message_2_changes_nothing(void **state) {
    struct pair p;
    struct kith_noise_keys init;
    struct kith_noise_keys resp;
    uint8_t message[MESSAGE_MAX];
    uint8_t got[MESSAGE_MAX];
    size_t got_size = 0;
    size_t size = 5 + KITH_NOISE_MSG2_OVERHEAD;

    pair_setup(&p, VECTOR_IKPSK2.psk);
    assert_int_equal(
        kith_noise_write_1(&p.initiator, p.init_ephemeral, kith_span(NULL, 0), message), 0);
    assert_int_equal(kith_noise_read_1(&p.responder, kith_span(message, KITH_NOISE_MSG1_OVERHEAD),
                                       got, &got_size),
                     0);
    assert_int_equal(got_size, 0);
    assert_int_equal(
        kith_noise_write_2(&p.responder, p.resp_ephemeral, kith_span("hello", 5), message, &resp),
        0);
    struct kith_noise before = p.initiator;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(
            kith_noise_read_2(&p.initiator, kith_span(message, size), got, &got_size, &init),
            KITH_EVERIFY);
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++) {
        int r = kith_noise_read_2(&p.initiator, kith_span(message, cut), got, &got_size, &init);
        assert_int_equal(r, cut < KITH_NOISE_MSG2_OVERHEAD ? KITH_ESYNTAX : KITH_EVERIFY);
    }
    assert_memory_equal(&before, &p.initiator, sizeof(before));
    assert_int_equal(
        kith_noise_read_2(&p.initiator, kith_span(message, size), got, &got_size, &init), 0);
    assert_memory_equal(init.send, resp.receive, 32);
}

/* Another prologue is another network: message 1 does not authenticate. */
static void prologue_matters(void **state) {
    struct pair p;
    uint8_t message[MESSAGE_MAX];
    uint8_t got[MESSAGE_MAX];
    size_t got_size;
    struct kith_noise other;

    pair_setup(&p, NULL);
    kith_noise_init(&other, &kith_curve_sodium, false, kith_span("other", 5),
                    p.responder.static_public, p.responder.static_secret, NULL, NULL);
    assert_int_equal(
        kith_noise_write_1(&p.initiator, p.init_ephemeral, kith_span(NULL, 0), message), 0);
    assert_int_equal(
        kith_noise_read_1(&other, kith_span(message, KITH_NOISE_MSG1_OVERHEAD), got, &got_size),
        KITH_EVERIFY);
}

/* A point of small order would make the shared secret public. */
static void small_order_is_refused(void **state) {
    struct pair p;
    uint8_t message[MESSAGE_MAX] = {0};
    uint8_t got[MESSAGE_MAX];
    uint8_t zero[32] = {0};
    size_t got_size;
    struct kith_noise n;

    pair_setup(&p, NULL);
    assert_int_equal(
        kith_noise_read_1(&p.responder, kith_span(message, MESSAGE_MAX), got, &got_size),
        KITH_EVERIFY);
    kith_noise_init(&n, &kith_curve_sodium, true, kith_span(NULL, 0), p.initiator.static_public,
                    p.initiator.static_secret, zero, NULL);
    assert_int_equal(kith_noise_write_1(&n, p.init_ephemeral, kith_span(NULL, 0), message),
                     KITH_EVERIFY);
}

/* The header of a datagram is the associated data; the counter is the nonce. */
static void transport_binds_counter_and_ad(void **state) {
    uint8_t key[32] = {1, 2, 3};
    uint8_t sealed[4 + KITH_NOISE_TAG] = {0};
    uint8_t out[4];
    struct kith_span cipher = kith_span(sealed, sizeof(sealed));

    kith_cipher_sodium.seal(key, 7, kith_span("head", 4), kith_span("body", 4), sealed);
    assert_int_equal(kith_cipher_sodium.open(key, 7, kith_span("head", 4), cipher, out), 0);
    assert_memory_equal(out, "body", 4);
    assert_int_equal(kith_cipher_sodium.open(key, 8, kith_span("head", 4), cipher, out),
                     KITH_EVERIFY);
    assert_int_equal(kith_cipher_sodium.open(key, 7, kith_span("hEad", 4), cipher, out),
                     KITH_EVERIFY);
    assert_int_equal(
        kith_cipher_sodium.open(key, 7, kith_span("head", 4), kith_span(sealed, 15), out),
        KITH_EVERIFY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vector_ik),
        cmocka_unit_test(published_vector_ikpsk2),
        cmocka_unit_test(message_1_authenticates_every_bit),
        cmocka_unit_test(forged_message_2_changes_nothing),
        cmocka_unit_test(prologue_matters),
        cmocka_unit_test(small_order_is_refused),
        cmocka_unit_test(transport_binds_counter_and_ad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
