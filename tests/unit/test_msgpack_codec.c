/* SPDX-License-Identifier: MIT */
/* msgpack_codec, msgpack_encode: exact bytes, there and back, fitting, and everything a peer might
 * send instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/wire/msgpack_codec.h"
#include "testing.h"
#include "util/text.h"

/* ---- counting allocations, in sanitized builds by their hook, else by standing in front of libc
 * ---- */

static volatile size_t n_allocations; /* compilers assume that malloc() changes nothing of ours */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

#if defined(SANITIZED)
/* <sanitizer/allocator_interface.h>, which not every compiler installs */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static void count_malloc(const volatile void *ptr, size_t size) {
    n_allocations++;
}

static void ignore_free(const volatile void *ptr) {
}

static bool count_allocations(void) {
    return __sanitizer_install_malloc_and_free_hooks(count_malloc, ignore_free) > 0;
}
#elif defined(__linux__)
#include <dlfcn.h>

/* Seen by the libraries too, wherever the build hides symbols. */
__attribute__((visibility("default"))) void *malloc(size_t size);

void *malloc(size_t size) {
    static void *(*real)(size_t);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "malloc");
    }
    n_allocations++;
    return real(size);
}

static bool count_allocations(void) {
    return true;
}
#else
static bool count_allocations(void) {
    return false;
}
#endif

/* ---- shorthands ---- */

static const struct kith_txn txn = {.size = 4, .bytes = {0x01, 0x02, 0x03, 0x04}};

static int setup(void **state) {
    struct kith_codec *codec = NULL;
    int r = kith_codec_new(&codec);
    *state = codec;
    return r;
}

static int teardown(void **state) {
    kith_codec_free(*state);
    return 0;
}

/* Decodes an exact heap copy, so that the sanitizer sees a read past the end. Spans in the result
 * are only good for comparing sizes. */
static int decode_copy(struct kith_codec *codec, const void *bytes, size_t size,
                       struct kith_message *ret) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    int r = kith_msgpack_decode(codec, kith_span(copy, size), ret);
    free(copy);
    return r;
}

static void assert_hex(const uint8_t *bytes, size_t size, const char *hex) {
    char text[2 * 1500 + 1];
    assert_true(size <= 1500);
    kith_hex_encode(bytes, size, text);
    assert_string_equal(text, hex);
}

static struct kith_record_view view_of(struct kith_record *record, size_t value_size) {
    struct kith_identity id;
    struct kith_record_view view;
    uint8_t bytes[KITH_VALUE_MAX];
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size = 0;
    memset(bytes, 'x', sizeof(bytes));
    kith_test_identity(&id, 1);
    assert_int_equal(kith_value_wrap(bytes, value_size, value, &size), 0);
    assert_int_equal(kith_record_sign(record, &id, &kith_curve_sodium, kith_span_text("s"), 7,
                                      kith_span(value, size)),
                     0);
    kith_record_view(record, &view);
    return view;
}

/* ---- requests ---- */

static void test_request_bytes(void **state) {
    uint8_t out[256];
    size_t size = 0;
    struct kith_request ping = {.method = KITH_METHOD_PING};
    assert_int_equal(kith_msgpack_encode_request(&txn, &ping, out, sizeof(out), &size), 0);
    assert_hex(out, size, "9400ce01020304a470696e6780");

    struct kith_request find = {
        .method = KITH_METHOD_FIND, .read_only = true, .want_v4 = true, .want_v6 = true, .n = 20};
    memset(find.target.bytes, 0xaa, 32);
    assert_int_equal(kith_msgpack_encode_request(&txn, &find, out, sizeof(out), &size), 0);
    assert_hex(out, size,
               "9400ce01020304a466696e6484a16e14a2726fc3a174c420"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa17703");

    /* shortest integers, the txn too */
    const struct kith_txn small = {.size = 4, .bytes = {0, 0, 0, 5}};
    struct kith_request reach = {.method = KITH_METHOD_REACH, .family = 6};
    assert_int_equal(kith_msgpack_encode_request(&small, &reach, out, sizeof(out), &size), 0);
    assert_hex(out, size, "940005a5726561636881a16606");
}

static void test_request_roundtrip(void **state) {
    struct kith_codec *codec = *state;
    struct kith_record record;
    struct kith_record_view view = view_of(&record, 3);
    for (int method = KITH_METHOD_PING; method <= KITH_METHOD_TALK; method++) {
        struct kith_request request = {
            .method = (enum kith_method)method,
            .read_only = method % 2 == 0,
            .want_v4 = true,
            .has_seq = true,
            .has_cas = true,
            .family = 4,
            .n = UINT32_MAX,
            .seq = INT64_MAX,
            .cas = 0,
            .record = view,
            .protocol = kith_span_text("chat"),
            .bytes = kith_span_text("hello"),
            .known = kith_span_text("salttag1tag2"),
        };
        memset(request.target.bytes, method, 32);
        uint8_t out[512];
        uint8_t again[512];
        size_t size = 0;
        size_t again_size = 0;
        struct kith_message message;
        assert_int_equal(kith_msgpack_encode_request(&txn, &request, out, sizeof(out), &size), 0);
        assert_int_equal(kith_msgpack_decode(codec, kith_span(out, size), &message), 0);
        assert_int_equal(message.kind, KITH_MESSAGE_REQUEST);
        assert_memory_equal(message.txn.bytes, txn.bytes, 4);
        assert_int_equal(message.u.request.method, method);
        assert_int_equal(message.u.request.read_only, request.read_only);
        bool lists = method == KITH_METHOD_FIND || method == KITH_METHOD_GET;
        assert_int_equal(message.u.request.known.size, lists ? request.known.size : 0);
        assert_int_equal(kith_msgpack_encode_request(&txn, &message.u.request, again, sizeof(again),
                                                     &again_size),
                         0);
        assert_int_equal(again_size, size);
        assert_memory_equal(again, out, size);
    }
}

static void test_request_fields(void **state) {
    struct kith_codec *codec = *state;
    struct kith_record record;
    struct kith_message message;
    uint8_t out[512];
    size_t size = 0;
    struct kith_request put = {
        .method = KITH_METHOD_PUT, .has_cas = true, .cas = 6, .record = view_of(&record, 5)};
    assert_int_equal(kith_msgpack_encode_request(&txn, &put, out, sizeof(out), &size), 0);
    assert_int_equal(kith_msgpack_decode(codec, kith_span(out, size), &message), 0);
    assert_true(message.u.request.has_cas);
    assert_int_equal(message.u.request.cas, 6);
    assert_int_equal(kith_record_verify(&message.u.request.record, &kith_curve_sodium, NULL), 0);
    /* zero-copy: the value lies in the datagram */
    assert_true(message.u.request.record.value.data > out &&
                message.u.request.record.value.data < out + size);

    struct kith_request find = {.method = KITH_METHOD_FIND, .known = kith_span_text("salt1")};
    assert_int_equal(kith_msgpack_encode_request(&txn, &find, out, sizeof(out), &size), 0);
    assert_int_equal(kith_msgpack_decode(codec, kith_span(out, size), &message),
                     KITH_DECODE_ARGS_INVALID);

    put.record = (struct kith_record_view){.value = kith_span_text("i1e")};
    assert_int_equal(kith_msgpack_encode_request(&txn, &put, out, sizeof(out), &size), 0);
    assert_int_equal(kith_msgpack_decode(codec, kith_span(out, size), &message), 0);
    assert_false(message.u.request.record.is_mutable);
    assert_int_equal(kith_record_check(&message.u.request.record), 0);
}

static void test_encode_refuses(void **state) {
    uint8_t out[64];
    size_t size = 77;
    struct kith_request request = {.method = KITH_METHOD_FIND};
    const struct kith_txn short_txn = {.size = 2};
    for (size_t max = 0; max < 49; max++) { /* the request has 49 bytes */
        assert_int_equal(kith_msgpack_encode_request(&txn, &request, out, max, &size),
                         KITH_ETOO_LARGE);
    }
    assert_int_equal(kith_msgpack_encode_request(&short_txn, &request, out, sizeof(out), &size),
                     KITH_EINVALID);
    request.method = (enum kith_method)0;
    assert_int_equal(kith_msgpack_encode_request(&txn, &request, out, sizeof(out), &size),
                     KITH_EINVALID);
    request.method = (enum kith_method)99;
    assert_int_equal(kith_msgpack_encode_request(&txn, &request, out, sizeof(out), &size),
                     KITH_EINVALID);
    request.method = KITH_METHOD_PUT;
    request.record.is_mutable = true; /* without key */
    assert_int_equal(kith_msgpack_encode_request(&txn, &request, out, sizeof(out), &size),
                     KITH_EINVALID);
    assert_int_equal(size, 77);
    request.method = KITH_METHOD_FIND;
    assert_int_equal(kith_msgpack_encode_request(&txn, &request, out, 49, &size), 0);
    assert_int_equal(size, 49);
}

/* ---- answers ---- */

static struct kith_response *full_response(struct kith_record *record) {
    static struct kith_response response;
    memset(&response, 0, sizeof(response));
    response.has_you = response.has_seq = response.has_own_seq = response.reached = true;
    response.you = kith_test_endpoint("192.0.2.1:9");
    memcpy(response.version, "KI\0\1", 4);
    response.seq = 7;
    response.own_seq = INT64_MAX;
    response.ttl_s = 3600;
    response.has_record = true;
    response.record = view_of(record, 100);
    response.bytes = kith_span_text("d");
    response.n_records = 2;
    response.records[0] = response.record;
    response.records[1] = response.record;
    response.n_contacts = 40;
    for (uint32_t i = 0; i < 40; i++) {
        struct kith_node_ref *c = &response.contacts[i];
        c->has_key = true;
        memset(c->key.bytes, (int)i + 1, 32);
        kith_point_of_node(&c->key, &c->id);
        c->endpoint = kith_test_endpoint(i % 2 == 0 ? "10.0.0.1:7700" : "[2001:db8::1]:7700");
        c->endpoint.ip[3] = (uint8_t)i;
    }
    return &response;
}

static void test_response_roundtrip(void **state) {
    struct kith_codec *codec = *state;
    struct kith_record record;
    struct kith_message message;
    uint8_t out[4096];
    size_t size = 0;
    const struct kith_response *sent = full_response(&record);
    assert_int_equal(kith_msgpack_encode_response(&txn, sent, out, sizeof(out), &size), 0);
    assert_int_equal(kith_msgpack_decode(codec, kith_span(out, size), &message), 0);
    const struct kith_response *got = &message.u.response;
    assert_int_equal(message.kind, KITH_MESSAGE_RESPONSE);
    assert_true(got->has_you && got->has_seq && got->has_own_seq && got->reached);
    assert_false(got->truncated);
    assert_memory_equal(&got->you, &sent->you, sizeof(got->you));
    assert_memory_equal(got->version, "KI\0\1", 4);
    assert_int_equal(got->seq, 7);
    assert_true(got->own_seq == INT64_MAX);
    assert_int_equal(got->ttl_s, 3600);
    assert_int_equal(kith_record_verify(&got->record, &kith_curve_sodium, NULL), 0);
    assert_int_equal(got->n_records, 2);
    assert_int_equal(kith_record_verify(&got->records[1], &kith_curve_sodium, NULL), 0);
    assert_int_equal(got->bytes.size, 1);
    assert_int_equal(got->n_contacts, 40);
    for (uint32_t i = 0; i < 40; i++) { /* IPv4 first, the order within a family kept */
        const struct kith_node_ref *from = &sent->contacts[i < 20 ? 2 * i : 2 * (i - 20) + 1];
        assert_memory_equal(&got->contacts[i].id, &from->id, sizeof(from->id));
        assert_memory_equal(&got->contacts[i].endpoint, &from->endpoint, sizeof(from->endpoint));
    }
}

/* The empty answer, to the byte. */
static void test_response_bytes(void **state) {
    uint8_t out[64];
    size_t size = 0;
    struct kith_response response = {.version = {'K', 'I', 0, 1}};
    assert_int_equal(kith_msgpack_encode_response(&txn, &response, out, sizeof(out), &size), 0);
    assert_hex(out, size, "9301ce0102030481a176c4044b490001");
    response.has_you = true;
    response.you = kith_test_endpoint("192.0.2.1:258");
    assert_int_equal(kith_msgpack_encode_response(&txn, &response, out, sizeof(out), &size), 0);
    assert_hex(out, size, "9301ce0102030482a176c4044b490001a3796f75c406c00002010102");
}

/*
 * At every limit: the answer fits, is never more than one contact short of it, keeps a balance of
 * the families, and gives things up in the order the header says.
 */
static void test_response_fitting(void **state) {
    struct kith_codec *codec = *state;
    struct kith_record record;
    struct kith_response *response = full_response(&record);
    struct kith_message message;
    uint8_t out[4096];
    size_t full = 0;
    size_t smallest = 0;
    assert_int_equal(kith_msgpack_encode_response(&txn, response, out, sizeof(out), &full), 0);
    for (size_t max = full; max > 0; max--) {
        size_t size = 0;
        int r = kith_msgpack_encode_response(&txn, response, out, max, &size);
        if (r < 0) {
            assert_int_equal(r, KITH_ETOO_LARGE);
            continue;
        }
        smallest = max;
        assert_true(size <= max);
        assert_int_equal(kith_msgpack_decode(codec, kith_span(out, size), &message), 0);
        const struct kith_response *got = &message.u.response;
        bool dropped = got->n_records < 2 || !got->has_record;
        assert_int_equal(got->truncated, dropped);
        assert_true(got->has_record || got->n_records == 0);
        uint32_t n4 = 0;
        for (uint32_t i = 0; i < got->n_contacts; i++) {
            n4 += got->contacts[i].endpoint.family == 4;
        }
        uint32_t n6 = got->n_contacts - n4;
        assert_true(n4 == n6 || n4 == n6 + 1);
        if (!dropped) {
            assert_true(got->n_contacts == 40 || max - size < 50 + 6);
        }
    }
    assert_true(smallest < 100); /* what cannot be left out is small */
    /* contacts without a key cannot travel in this dialect */
    response->contacts[0].has_key = false;
    size_t size = 0;
    assert_int_equal(kith_msgpack_encode_response(&txn, response, out, sizeof(out), &size), 0);
    assert_int_equal(size, full - 38);
}

static void test_response_invalid(void **state) {
    uint8_t out[64];
    size_t size = 77;
    static struct kith_response response;
    response.n_contacts = KITH_MESSAGE_CONTACTS_MAX + 1;
    assert_int_equal(kith_msgpack_encode_response(&txn, &response, out, sizeof(out), &size),
                     KITH_EINVALID);
    response.n_contacts = 0;
    response.has_you = true; /* of no family */
    assert_int_equal(kith_msgpack_encode_response(&txn, &response, out, sizeof(out), &size),
                     KITH_EINVALID);
    assert_int_equal(size, 77);
}

/* Surplus contacts and records are ignored, unusable contacts left out. */
static void test_response_surplus(void **state) {
    struct kith_codec *codec = *state;
    static uint8_t bytes[4096];
    struct kith_message message;
    size_t at = 0;
    memcpy(bytes, "\x93\x01\x05\x82\xa2n4\xc5", 8);
    at = 8;
    bytes[at++] = (uint8_t)(50 * 38 >> 8);
    bytes[at++] = (uint8_t)(50 * 38);
    for (int i = 0; i < 50; i++, at += 38) {
        memset(bytes + at, i, 32);
        memcpy(bytes + at + 32, (const uint8_t[]){10, 0, 0, 1, 0, i == 0 ? 0 : 9}, 6);
    }
    memcpy(bytes + at, "\xa2rs\x9a", 4);
    at += 4;
    for (int i = 0; i < 10; i++, at += 5) {
        memcpy(bytes + at, "\x81\xa1v\xc4\x00", 5);
    }
    assert_int_equal(kith_msgpack_decode(codec, kith_span(bytes, at), &message), 0);
    assert_int_equal(message.u.response.n_contacts, KITH_MESSAGE_CONTACTS_MAX);
    assert_int_equal(message.u.response.contacts[0].key.bytes[0], 1); /* not the one with port 0 */
    assert_int_equal(message.u.response.n_records, KITH_MESSAGE_RECORDS_MAX);
}

/* ---- errors ---- */

static void test_error(void **state) {
    struct kith_codec *codec = *state;
    uint8_t out[64];
    size_t size = 0;
    struct kith_message message;
    struct kith_wire_failure failure = {.code = KITH_WIRE_METHOD_UNKNOWN,
                                        .text = kith_span_text("no")};
    assert_int_equal(kith_msgpack_encode_error(&txn, &failure, out, sizeof(out), &size), 0);
    assert_hex(out, size, "9402ce01020304cccca26e6f");
    failure = (struct kith_wire_failure){.code = KITH_WIRE_CAS_MISMATCH, .has_seq = true, .seq = 9};
    assert_int_equal(kith_msgpack_encode_error(&txn, &failure, out, sizeof(out), &size), 0);
    assert_int_equal(kith_msgpack_decode(codec, kith_span(out, size), &message), 0);
    assert_int_equal(message.kind, KITH_MESSAGE_ERROR);
    assert_int_equal(message.u.failure.code, 301);
    assert_true(message.u.failure.has_seq);
    assert_int_equal(message.u.failure.seq, 9);
    size = 77;
    assert_int_equal(kith_msgpack_encode_error(&txn, &failure, out, 5, &size), KITH_ETOO_LARGE);
    assert_int_equal(size, 77);
}

/* ---- what peers might send ---- */

#define T32                                                                                        \
    "\xc4\x20"                                                                                     \
    "tttttttttttttttttttttttttttttttt"
#define K32                                                                                        \
    "\xc4\x20"                                                                                     \
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define G64                                                                                        \
    "\xc4\x40"                                                                                     \
    "gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg"

static void test_decode_table(void **state) {
#define ROW(bytes, outcome)                                                                        \
    { bytes, sizeof(bytes) - 1, outcome }
    enum {
        SYNTAX = KITH_ESYNTAX,
        UNKNOWN = KITH_DECODE_METHOD_UNKNOWN,
        ARGS = KITH_DECODE_ARGS_INVALID
    };
    static const struct {
        const char *bytes;
        size_t size;
        int outcome;
    } rows[] = {
        /* envelopes */
        ROW("", SYNTAX),
        ROW("\xc1", SYNTAX),
        ROW("\x80", SYNTAX),
        ROW("\x90", SYNTAX),
        ROW("\x94\x00\x05\xa4ping\x80", 0),
        ROW("\x94\x00\x05\xa4ping\x80\x00", SYNTAX), /* trailing byte */
        ROW("\x93\x00\x05\xa4ping", SYNTAX),         /* no args at all */
        ROW("\x95\x00\x05\xa4ping\x80\x80", SYNTAX),
        ROW("\x94\x00\xff\xa4ping\x80", SYNTAX),                   /* txn negative */
        ROW("\x94\x00\xcf\0\0\0\x01\0\0\0\0\xa4ping\x80", SYNTAX), /* txn of 33 bits */
        ROW("\x94\x00\xa1x\xa4ping\x80", SYNTAX),
        ROW("\x94\x04\x05\xa4ping\x80", SYNTAX), /* no such kind */
        ROW("\x94\xa0\x05\xa4ping\x80", SYNTAX),
        ROW("\x94\x00\x05\xc4\x04ping\x80", SYNTAX), /* method not text */
        ROW("\x94\x00\x05\xa4pong\x80", UNKNOWN),
        ROW("\x94\x00\x05\xa4PING\x80", UNKNOWN),
        ROW("\x94\x00\x05\xa0\x80", UNKNOWN),
        ROW("\x94\x00\x05\xa4ping\x90", ARGS), /* args not a map */
        /* args */
        ROW("\x94\x00\x05\xa4ping\x81\xa1z\x93\x01\x02\x03", 0),   /* unknown key */
        ROW("\x94\x00\x05\xa4ping\x81\x07\x01", 0),                /* unknown key, not even text */
        ROW("\x94\x00\x05\xa4ping\x81\xa1t\x01", 0),               /* not an arg of ping: ignored */
        ROW("\x94\x00\x05\xa4ping\x81\xa2ro\x01", ARGS),           /* known key, wrong type */
        ROW("\x94\x00\x05\xa4ping\x82\xa2ro\xc3\xa2ro\xc3", ARGS), /* twice */
        ROW("\x94\x00\x05\xa4"
            "find\x80",
            ARGS),
        ROW("\x94\x00\x05\xa4"
            "find\x81\xa1t" T32,
            0),
        ROW("\x94\x00\x05\xa4"
            "find\x81\xa1t\xc4\x1f"
            "ttttttttttttttttttttttttttttttt",
            ARGS),
        ROW("\x94\x00\x05\xa4"
            "find\x81\xa1t\xd9\x20"
            "tttttttttttttttttttttttttttttttt",
            ARGS),
        ROW("\x94\x00\x05\xa4"
            "find\x82\xa1t" T32 "\xa1w\xff",
            ARGS),
        ROW("\x94\x00\x05\xa4"
            "find\x82\xa1t" T32 "\xa1n\xcb\0\0\0\0\0\0\0\0",
            ARGS), /* float */
        ROW("\x94\x00\x05\xa3get\x82\xa1s\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1t" T32, ARGS),
        ROW("\x94\x00\x05\xa5reach\x81\xa1"
            "f\x05",
            ARGS),
        ROW("\x94\x00\x05\xa5reach\x80", ARGS),
        ROW("\x94\x00\x05\xa4talk\x81\xa1"
            "d\xc4\x00",
            ARGS),
        ROW("\x94\x00\x05\xa4talk\x82\xa1"
            "d\xc4\x00\xa1p\xa0",
            ARGS), /* a name of no bytes */
        ROW("\x94\x00\x05\xa4talk\x82\xa1"
            "d\xc4\x00\xa1p\xd9\x21"
            "ppppppppppppppppppppppppppppppppp",
            ARGS), /* 33 bytes */
        ROW("\x94\x00\x05\xa4talk\x82\xa1"
            "d\xc4\x00\xa1p\xa1p",
            0),
        /* records */
        ROW("\x94\x00\x05\xa3put\x80", ARGS),
        ROW("\x94\x00\x05\xa3put\x81\xa1r\x80", ARGS),
        ROW("\x94\x00\x05\xa3put\x81\xa1r\x81\xa1v\xc4\x00",
            0), /* sizes are checked with the record */
        ROW("\x94\x00\x05\xa3put\x81\xa1r\x81\xa1v\xa0", ARGS),
        ROW("\x94\x00\x05\xa3put\x81\xa1r\x82\xa1s\x01\xa1v\xc4\x00", ARGS), /* seq without key */
        ROW("\x94\x00\x05\xa3put\x81\xa1r\x84\xa1g" G64 "\xa1k" K32 "\xa1s\x01\xa1v\xc4\x00", 0),
        ROW("\x94\x00\x05\xa3put\x81\xa1r\x84\xa1g" G64 "\xa1k" K32 "\xa1s\xff\xa1v\xc4\x00", 0),
        ROW("\x94\x00\x05\xa3put\x81\xa1r\x83\xa1k" K32 "\xa1s\x01\xa1v\xc4\x00", ARGS),
        ROW("\x94\x00\x05\xa3put\x81\xa1r\x84\xa1g" K32 "\xa1k" K32 "\xa1s\x01\xa1v\xc4\x00", ARGS),
        ROW("\x94\x00\x05\xa8"
            "announce\x81\xa1r\x81\xa1v\xc4\x00",
            ARGS), /* no topic */
        /* answers: nobody is told, so malformed is malformed */
        ROW("\x93\x01\x05\x80", 0),
        ROW("\x93\x01\x05\x90", SYNTAX),
        ROW("\x94\x01\x05\x80\x80", SYNTAX),
        ROW("\x93\x01\x05\x81\xa2n4\xc4\x25"
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            SYNTAX),
        ROW("\x93\x01\x05\x81\xa2n4\xa0", SYNTAX),
        ROW("\x93\x01\x05\x81\xa3you\xc4\x05"
            "abcde",
            SYNTAX),
        ROW("\x93\x01\x05\x81\xa1v\xc4\x03"
            "abc",
            SYNTAX),
        ROW("\x93\x01\x05\x81\xa2rs\x81\x01\x02", SYNTAX),
        ROW("\x93\x01\x05\x81\xa2rs\x91\x80", SYNTAX),
        ROW("\x93\x01\x05\x81\xa1s\xca\0\0\0\0", SYNTAX),
        ROW("\x93\x01\x05\x82\xa2tr\xc3\xa2tr\xc3", SYNTAX),
        /* errors */
        ROW("\x94\x02\x05\x01\xa0", 0),
        ROW("\x94\x02\x05\xff\xa0", 0),
        ROW("\x93\x02\x05\x01", SYNTAX),
        ROW("\x94\x02\x05\xce\xff\xff\xff\xff\xa0", SYNTAX), /* more than an int */
        ROW("\x94\x02\x05\x01\xc4\x00", SYNTAX),
        ROW("\x95\x02\x05\x01\xa0\x07", 0),
        ROW("\x95\x02\x05\x01\xa0\xa0", SYNTAX),
        ROW("\x96\x02\x05\x01\xa0\x07\x07", SYNTAX),
        /* pushes */
        ROW("\x93\x03\xa3new\x80", UNKNOWN),
        ROW("\x93\x03\x05\x80", SYNTAX),
        ROW("\x93\x03\xa3new\xc0", SYNTAX),
        ROW("\x94\x03\xa3new\x80\x80", SYNTAX),
        /* lengths that lie */
        ROW("\xdd\xff\xff\xff\xff", SYNTAX),
        ROW("\xdf\xff\xff\xff\xff", SYNTAX),
        ROW("\xdf\x80\x00\x00\x00", SYNTAX), /* times two is 2^32 */
        ROW("\xdb\xff\xff\xff\xff", SYNTAX),
        ROW("\xc6\xff\xff\xff\xff", SYNTAX),
        ROW("\xc9\xff\xff\xff\xff\x00", SYNTAX),
        ROW("\xdc\x01\x00", SYNTAX),
    };
#undef ROW
    struct kith_codec *codec = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kith_message message;
        memset(&message, 0x55, sizeof(message));
        int r = decode_copy(codec, rows[i].bytes, rows[i].size, &message);
        if (r != rows[i].outcome) {
            char hex[2 * 300 + 1];
            kith_hex_encode((const uint8_t *)rows[i].bytes, rows[i].size, hex);
            fail_msg("row %zu: %d instead of %d: %s", i, r, rows[i].outcome, hex);
        }
        if (r < 0) { /* untouched */
            assert_int_equal(message.txn.size, 0x55);
        } else if (message.kind != KITH_MESSAGE_PUSH) { /* enough to answer */
            assert_int_equal(message.txn.size, 4);
            assert_int_equal(message.txn.bytes[3], 5);
        }
    }
}

static void test_prefixes(void **state) {
    struct kith_codec *codec = *state;
    struct kith_record record;
    struct kith_message message;
    uint8_t out[4096];
    size_t size = 0;
    assert_int_equal(
        kith_msgpack_encode_response(&txn, full_response(&record), out, sizeof(out), &size), 0);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(decode_copy(codec, out, cut, &message), KITH_ESYNTAX);
    }
}

/* One changed byte never does more than change the outcome. */
static void test_bit_flips(void **state) {
    struct kith_codec *codec = *state;
    struct kith_record record;
    struct kith_message message;
    uint8_t out[1024];
    size_t size = 0;
    struct kith_request put = {.method = KITH_METHOD_PUT, .record = view_of(&record, 5)};
    assert_int_equal(kith_msgpack_encode_request(&txn, &put, out, sizeof(out), &size), 0);
    for (size_t i = 0; i < 8 * size; i++) {
        out[i / 8] ^= (uint8_t)(1u << i % 8);
        int r = decode_copy(codec, out, size, &message);
        assert_true(r == KITH_ESYNTAX || (r >= 0 && r <= KITH_DECODE_ARGS_INVALID));
        out[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}

/* The dearest trees within the bounds are decoded without a single allocation. */
static void test_no_allocation(void **state) {
    struct kith_codec *codec = *state;
    struct kith_record record;
    struct kith_message message;
    static uint8_t out[4096];
    static uint8_t wide[300] = {0xdc, 0x00, 255};
    static uint8_t nested[300] = {0xdc, 0x00, 127};
    size_t size = 0;
    struct kith_codec *other = NULL;
    bool counting = count_allocations();
    n_allocations = 0;
    assert_int_equal(kith_codec_new(&other), 0);
    kith_codec_free(other);
    if (!counting || n_allocations == 0) {
        skip(); /* msgpack-c's allocations are out of sight, as under valgrind */
    }
    memset(wide + 3, 0xc0, 255);
    for (size_t i = 0; i < 127; i++) { /* many small arrays: the alignment of each counts */
        nested[3 + 2 * i] = 0x91;
        nested[4 + 2 * i] = 0xc0;
    }
    assert_int_equal(
        kith_msgpack_encode_response(&txn, full_response(&record), out, sizeof(out), &size), 0);
    n_allocations = 0;
    for (int i = 0; i < 100; i++) {
        int r = kith_msgpack_decode(codec, kith_span(out, size), &message);
        int wide_r = kith_msgpack_decode(codec, kith_span(wide, 3 + 255), &message);
        int nested_r = kith_msgpack_decode(codec, kith_span(nested, 3 + 254), &message);
        if (r != 0 || wide_r != KITH_ESYNTAX || nested_r != KITH_ESYNTAX || n_allocations != 0) {
            fail_msg("%d %d %d, %zu allocations", r, wide_r, nested_r, n_allocations);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_bytes),      cmocka_unit_test(test_request_roundtrip),
        cmocka_unit_test(test_request_fields),     cmocka_unit_test(test_encode_refuses),
        cmocka_unit_test(test_response_roundtrip), cmocka_unit_test(test_response_bytes),
        cmocka_unit_test(test_response_fitting),   cmocka_unit_test(test_response_invalid),
        cmocka_unit_test(test_response_surplus),   cmocka_unit_test(test_error),
        cmocka_unit_test(test_decode_table),       cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_bit_flips),          cmocka_unit_test(test_no_allocation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
