/* SPDX-License-Identifier: MIT */
/* Any bytes as a kith message. What decodes is encoded, and that decodes to the same bytes again.
 */
#include <string.h>

#include "core/wire/msgpack_codec.h"
#include "fuzz.h"

enum { OUT_SIZE = 1 << 17 }; /* larger than any input, and than contacts and records added to it */

static size_t encode(const struct kith_message *message, uint8_t *out) {
    size_t size = 0;
    int r = KITH_EINVALID;
    switch (message->kind) {
    case KITH_MESSAGE_REQUEST:
        r = kith_msgpack_encode_request(&message->txn, &message->u.request, out, OUT_SIZE, &size);
        break;
    case KITH_MESSAGE_RESPONSE:
        r = kith_msgpack_encode_response(&message->txn, &message->u.response, out, OUT_SIZE, &size);
        break;
    case KITH_MESSAGE_ERROR:
        r = kith_msgpack_encode_error(&message->txn, &message->u.failure, out, OUT_SIZE, &size);
        break;
    case KITH_MESSAGE_PUSH:
        break;
    }
    FUZZ_REQUIRE(r == 0);
    return size;
}

/* An answer cut to fit is within the size, and is still a message. */
static void check_fitting(struct kith_codec *codec, const struct kith_message *message,
                          size_t full) {
    static uint8_t out[OUT_SIZE];
    static struct kith_message cut;
    if (message->kind != KITH_MESSAGE_RESPONSE) {
        return;
    }
    for (size_t max = 0; max < full; max += 37) {
        size_t size = 0;
        if (kith_msgpack_encode_response(&message->txn, &message->u.response, out, max, &size) ==
            0) {
            FUZZ_REQUIRE(size <= max);
            FUZZ_REQUIRE(kith_msgpack_decode(codec, kith_span(out, size), &cut) == 0);
        }
    }
}

/* Follows the spans of a record: the sanitizer sees it if one is wrong. */
static void touch_record(const struct kith_record_view *record) {
    if (kith_record_check(record) == 0) {
        struct kith_record copy;
        struct kith_point point;
        kith_record_point(record, &point);
        kith_record_copy(&copy, record);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct kith_message first;
    static struct kith_message second;
    static uint8_t once[OUT_SIZE];
    static uint8_t twice[OUT_SIZE];
    struct kith_codec *codec = NULL;
    if (kith_codec_new(&codec) < 0) {
        return 0;
    }
    int r = kith_msgpack_decode(codec, kith_span(data, size), &first);
    FUZZ_REQUIRE(r == KITH_ESYNTAX || (r >= 0 && r <= KITH_DECODE_ARGS_INVALID));
    if (r == 0) {
        if (first.kind == KITH_MESSAGE_REQUEST && first.u.request.record.value.size > 0) {
            touch_record(&first.u.request.record);
        }
        if (first.kind == KITH_MESSAGE_RESPONSE && first.u.response.has_record) {
            touch_record(&first.u.response.record);
        }
        size_t once_size = encode(&first, once);
        r = kith_msgpack_decode(codec, kith_span(once, once_size), &second);
        FUZZ_REQUIRE(r == 0);
        FUZZ_REQUIRE(second.kind == first.kind);
        size_t twice_size = encode(&second, twice);
        FUZZ_REQUIRE(once_size == twice_size && memcmp(once, twice, once_size) == 0);
        check_fitting(codec, &second, twice_size);
    }
    kith_codec_free(codec);
    return 0;
}
