/* SPDX-License-Identifier: MIT */
/* The Mainline nodes kept on disk: the first byte chooses the family, the rest is the document.
 * What is read can be sent to, once, and is written and read again as it was. */
#include <string.h>

#include "core/base/endpoint.h"
#include "fuzz.h"
#include "shell/known.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct kith_known known;
    static struct kith_known again;
    static uint8_t bytes[KITH_KNOWN_BYTES_MAX];
    if (size == 0) {
        return 0;
    }
    known.family = data[0] % 2 == 0 ? 4 : 6;
    known.n = 0;
    kith_known_decode(&known, kith_span(data + 1, size - 1));
    FUZZ_REQUIRE(known.n <= KITH_KNOWN_MAX);
    for (size_t i = 0; i < known.n; i++) {
        FUZZ_REQUIRE(kith_endpoint_usable(&known.endpoints[i]));
        for (size_t k = 0; k < i; k++) {
            FUZZ_REQUIRE(!kith_endpoint_equal(&known.endpoints[i], &known.endpoints[k]));
        }
    }
    again.family = known.family;
    again.n = 0;
    kith_known_decode(&again, kith_span(bytes, kith_known_encode(&known, bytes)));
    FUZZ_REQUIRE(again.n == known.n);
    for (size_t i = 0; i < known.n; i++) {
        FUZZ_REQUIRE(kith_endpoint_equal(&again.endpoints[i], &known.endpoints[i]));
    }
    return 0;
}
