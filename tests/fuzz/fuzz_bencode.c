/* SPDX-License-Identifier: MIT */
/* Any bytes as bencode: one value, and no proper prefix of it is one. What the strict reader takes
 * the lenient one takes, and members fill their container. */
#include <limits.h>

#include "core/base/bencode.h"
#include "fuzz.h"
#include "kith/types.h"

static void check_members(const struct kith_bencode_value *value) {
    struct kith_span members = value->body;
    struct kith_bencode_value member;
    struct kith_span key;
    size_t size = 0;
    int64_t number;
    if (value->type == KITH_BENCODE_DICT) {
        while (kith_bencode_next_entry(&members, &key, &member)) {
            size = (size_t)(member.raw.data + member.raw.size - value->body.data);
        }
        FUZZ_REQUIRE(size == value->body.size);
    } else if (value->type == KITH_BENCODE_LIST) {
        while (kith_bencode_next(&members, &member)) {
            size += member.raw.size;
        }
        FUZZ_REQUIRE(size == value->body.size);
    } else if (kith_bencode_integer(value, &number)) {
        uint8_t out[32];
        struct kith_bencode_writer w = kith_bencode_writer(out, sizeof(out));
        kith_bencode_write_integer(&w, number);
        FUZZ_REQUIRE(kith_span_equal(kith_span(out, w.size), value->raw));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t first = 0;
    struct kith_span bytes;
    struct kith_bencode_value value;
    if (kith_bencode_read(kith_span(data, size), UINT_MAX, &value) == 0) {
        FUZZ_REQUIRE(value.type != KITH_BENCODE_NONE && value.raw.size == size);
        check_members(&value);
    }
    int string = kith_bencode_string(kith_span(data, size), &bytes);
    if (kith_bencode_skip(kith_span(data, size), &first) < 0) {
        FUZZ_REQUIRE(string < 0);
        return 0;
    }
    FUZZ_REQUIRE(first > 0 && first <= size);
    FUZZ_REQUIRE(kith_bencode_read(kith_span(data, first), UINT_MAX, &value) == 0);
    size_t again = 0;
    FUZZ_REQUIRE(kith_bencode_skip(kith_span(data, first), &again) == 0 && again == first);
    FUZZ_REQUIRE(kith_bencode_skip(kith_span(data, first - 1), &again) < 0);
    if (string == 0 && bytes.size <= KITH_VALUE_MAX) { /* there is one way to write a string */
        uint8_t out[KITH_VALUE_MAX];
        uint16_t out_size = 0;
        int r = kith_value_wrap(bytes.data, bytes.size, out, &out_size);
        FUZZ_REQUIRE((r == 0) == (size <= KITH_VALUE_MAX));
        FUZZ_REQUIRE(r != 0 || kith_span_equal(kith_span(out, out_size), kith_span(data, size)));
    }
    return 0;
}
