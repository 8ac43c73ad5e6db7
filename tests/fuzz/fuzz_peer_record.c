/* SPDX-License-Identifier: MIT */
/* Any bytes as the value of a peer record; what decodes is encoded and decodes to the same peer. */
#include <string.h>

#include "core/record/record.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kith_record record;
    struct kith_peer first;
    struct kith_peer second;
    memset(&record, 0, sizeof(record));
    record.is_mutable = true;
    if (kith_value_wrap(data, size, record.value, &record.value_size) < 0 ||
        kith_peer_from_record(&record, &first) < 0) {
        return 0;
    }
    FUZZ_REQUIRE(first.n_endpoints <= KITH_ENDPOINTS_MAX);
    FUZZ_REQUIRE(kith_peer_encode(&first, record.value, &record.value_size) == 0);
    FUZZ_REQUIRE(kith_peer_from_record(&record, &second) == 0);
    FUZZ_REQUIRE(memcmp(&first, &second, sizeof(first)) == 0);
    return 0;
}
