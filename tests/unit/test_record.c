/* SPDX-License-Identifier: MIT */
/* record: BEP 44's vectors, limits, the winner rule, storage points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/record/record.h"
#include "testing.h"
#include "util/text.h"

#define BEP44_KEY "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548"

/* BEP 44, "Test vectors" 1 and 2. Its secret key is an expanded one, so they can be verified but
 * not made with a seed. */
static const struct {
    const char *salt;
    const char *buffer;
    const char *signature;
} bep44[] = {
    {"", "3:seqi1e1:v12:Hello World!",
     "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
     "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01"},
    {"foobar", "4:salt6:foobar3:seqi1e1:v12:Hello World!",
     "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
     "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08"},
};

static void bep44_view(size_t i, uint8_t key[32], uint8_t signature[64],
                       struct kith_record_view *ret) {
    assert_int_equal(kith_hex_decode(BEP44_KEY, 64, key, 32), 0);
    assert_int_equal(kith_hex_decode(bep44[i].signature, 128, signature, 64), 0);
    *ret = (struct kith_record_view){.is_mutable = true,
                                     .key = key,
                                     .signature = signature,
                                     .salt = kith_span_text(bep44[i].salt),
                                     .seq = 1,
                                     .value = kith_span_text("12:Hello World!")};
}

static void test_bep44(void **state) {
    for (size_t i = 0; i < 2; i++) {
        uint8_t key[32];
        uint8_t signature[64];
        uint8_t buffer[KITH_SIGN_BUFFER_MAX];
        struct kith_record_view view;
        struct kith_point point;

        bep44_view(i, key, signature, &view);
        size_t size = kith_record_sign_buffer(view.salt, view.seq, view.value, buffer);
        assert_int_equal(size, strlen(bep44[i].buffer));
        assert_memory_equal(buffer, bep44[i].buffer, size);
        kith_record_point(&view, &point);
        assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, &point), 0);
        assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, NULL), 0);

        /* any bit elsewhere, or another place, and it is not this record */
        view.seq = 2;
        assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, NULL), KITH_EVERIFY);
        view.seq = 1;
        view.value = kith_span_text("12:Hello World?");
        assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, NULL), KITH_EVERIFY);
        view.value = kith_span_text("12:Hello World!");
        view.salt = kith_span_text("other");
        assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, NULL), KITH_EVERIFY);
        view.salt = kith_span_text(bep44[i].salt);
        signature[5] ^= 1;
        assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, &point), KITH_EVERIFY);
        signature[5] ^= 1;
        point.bytes[31] ^= 1;
        assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, &point), KITH_EVERIFY);
    }
}

static void test_sign_and_copy(void **state) {
    struct kith_identity id;
    struct kith_record record;
    struct kith_record copy;
    struct kith_record_view view;
    struct kith_point point;
    struct kith_point expected;

    kith_test_identity(&id, 1);
    struct kith_span salt = kith_span_text("salt");
    assert_int_equal(kith_record_sign(&record, &id, &kith_curve_sodium, salt, INT64_MAX,
                                      kith_span_text("3:abc")),
                     0);
    kith_record_view(&record, &view);
    kith_record_point(&view, &point);
    kith_point_of_record(&id.key, salt, &expected);
    assert_true(kith_point_equal(&point, &expected));
    assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, &point), 0);
    kith_record_copy(&copy, &view);
    assert_memory_equal(&copy, &record,
                        sizeof(copy)); /* padding too: records are compared and saved */
    kith_record_copy(&record, &view);  /* onto itself */
    assert_memory_equal(&copy, &record, sizeof(copy));
}

static void test_immutable(void **state) {
    struct kith_record record;
    struct kith_record_view view;
    struct kith_point point;
    struct kith_point expected;

    assert_int_equal(kith_record_immutable(&record, kith_span_text("12:Hello World!")), 0);
    kith_record_view(&record, &view);
    assert_false(view.is_mutable);
    assert_null(view.key);
    kith_record_point(&view, &point);
    kith_point_of_value(kith_span_text("12:Hello World!"), &expected);
    assert_true(kith_point_equal(&point, &expected));
    assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, &point), 0);
    point.bytes[0] ^= 0x80;
    assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, &point), KITH_EVERIFY);

    /* seq or salt would be unsigned and unhashed: anyone could change them */
    view.seq = 1;
    assert_int_equal(kith_record_check(&view), KITH_EINVALID);
    view.seq = 0;
    view.salt = kith_span_text("s");
    assert_int_equal(kith_record_check(&view), KITH_EINVALID);
}

/* A byte string whose bencoding has `total` bytes (3-digit and 4-digit lengths only). */
static struct kith_span string_of(uint8_t *buffer, size_t total) {
    size_t head = total >= 1005 ? 5 : 4;
    memset(buffer, 'x', total);
    char text[8];
    snprintf(text, sizeof(text), "%zu:", total - head);
    memcpy(buffer, text, head);
    return kith_span(buffer, total);
}

static void test_limits(void **state) {
    uint8_t key[32];
    uint8_t signature[64];
    uint8_t big[1100];
    static const uint8_t long_salt[KITH_SALT_MAX + 1];
    struct kith_record_view view;

    bep44_view(0, key, signature, &view);
    view.value = string_of(big, KITH_VALUE_MAX);
    view.salt = kith_span(long_salt, KITH_SALT_MAX);
    assert_int_equal(kith_record_check(&view), 0);
    view.salt = kith_span(long_salt, KITH_SALT_MAX + 1);
    assert_int_equal(kith_record_check(&view), KITH_ETOO_LARGE);
    view.salt = kith_span(NULL, 0);
    view.value = string_of(big, KITH_VALUE_MAX + 1);
    assert_int_equal(kith_record_check(&view), KITH_ETOO_LARGE);
    view.value = kith_span_text("3:abcX"); /* more than one value */
    assert_int_equal(kith_record_check(&view), KITH_ESYNTAX);
    view.value = kith_span(NULL, 0);
    assert_int_equal(kith_record_check(&view), KITH_ESYNTAX);
    view.value = kith_span_text("d1:bi1e1:ai1ee"); /* not canonical */
    assert_int_equal(kith_record_check(&view), KITH_ESYNTAX);
    view.value = kith_span_text("i1e");
    view.seq = -1;
    assert_int_equal(kith_record_check(&view), KITH_EINVALID);
    view.seq = 0;
    view.key = NULL;
    assert_int_equal(kith_record_check(&view), KITH_EINVALID);
    assert_int_equal(kith_record_verify(&view, &kith_curve_sodium, NULL), KITH_EINVALID);
}

/* The largest record uses the buffer to its last byte. */
static void test_sign_buffer_max(void **state) {
    uint8_t big[1100];
    uint8_t out[KITH_SIGN_BUFFER_MAX];
    static const uint8_t salt[KITH_SALT_MAX];
    size_t size = kith_record_sign_buffer(kith_span(salt, sizeof(salt)), INT64_MAX,
                                          string_of(big, KITH_VALUE_MAX), out);
    assert_true(size <= sizeof(out));
    assert_memory_equal(out, "4:salt64:", 9);
    assert_memory_equal(out + 9 + 64, "3:seqi9223372036854775807e1:v996:", 33);
}

/* Rows in ascending order: each row wins over all rows above it, and draws only with itself. */
static void test_winner(void **state) {
    static const struct {
        int64_t seq;
        const char *value;
    } rows[] = {
        {0, "0:"},   {0, "1:a"},  {1, "0:"}, {1, "1:a"},        {1, "1:b"},
        {1, "1:bx"}, {1, "2:aa"}, {2, "0:"}, {INT64_MAX, "0:"},
    };
    const int n = (int)(sizeof(rows) / sizeof(rows[0]));
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n; k++) {
            struct kith_record_view a = {.seq = rows[i].seq,
                                         .value = kith_span_text(rows[i].value)};
            struct kith_record_view b = {.seq = rows[k].seq,
                                         .value = kith_span_text(rows[k].value)};
            int order = kith_record_compare(&a, &b);
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    }
}

static void test_salts(void **state) {
    uint8_t salt[KITH_SALT_MAX];
    struct kith_point topic;
    memset(topic.bytes, 0xab, sizeof(topic.bytes));
    assert_int_equal(kith_peer_salt("kith", salt), 9);
    assert_memory_equal(salt, "kith:kith", 9);
    assert_int_equal(kith_topic_salt(&topic, salt), 43);
    assert_memory_equal(salt, "kith:topic:\xab\xab", 13);
    /* a name too long is cut, not written past the end; kith_core_new() refuses it */
    char name[100];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    assert_int_equal(kith_peer_salt(name, salt), 5 + KITH_NETWORK_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bep44),           cmocka_unit_test(test_sign_and_copy),
        cmocka_unit_test(test_immutable),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_sign_buffer_max), cmocka_unit_test(test_winner),
        cmocka_unit_test(test_salts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
