/* SPDX-License-Identifier: MIT */
/* Any bytes as bencode: one value, and no proper prefix of it is one. */
#include "core/bencode.h"
#include "fuzz.h"
#include "kith/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t first = 0;
    struct kith_span bytes;
    int string = kith_bencode_string(kith_span(data, size), &bytes);
    if (kith_bencode_skip(kith_span(data, size), &first) < 0) {
        FUZZ_REQUIRE(string < 0);
        return 0;
    }
    FUZZ_REQUIRE(first > 0 && first <= size);
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
