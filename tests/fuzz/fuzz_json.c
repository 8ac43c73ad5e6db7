/* SPDX-License-Identifier: MIT */
/* Any text as JSON (capabilities, in kithd's configuration): what becomes msgpack is the same again
 * as JSON, and capabilities of it are published or refused. */
#include <string.h>

#include "common/json_msgpack.h"
#include "core/record/record.h"
#include "fuzz.h"

static void check_capabilities(const msgpack_sbuffer *bytes) {
    struct kith_peer peer = {.ttl_s = 1};
    struct kith_peer again;
    struct kith_record record = {.is_mutable = true};
    if (bytes->size > sizeof(peer.capabilities)) {
        return;
    }
    peer.capabilities_size = (uint16_t)bytes->size;
    memcpy(peer.capabilities, bytes->data, bytes->size);
    if (kith_peer_encode(&peer, record.value, &record.value_size) == 0) {
        FUZZ_REQUIRE(kith_peer_from_record(&record, &again) == 0);
        FUZZ_REQUIRE(again.capabilities_size == peer.capabilities_size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    msgpack_sbuffer out;
    msgpack_unpacked unpacked;
    msgpack_sbuffer_init(&out);
    msgpack_unpacked_init(&unpacked);
    if (json != NULL && json_to_msgpack(json, &out) == 0) {
        check_capabilities(&out);
        if (msgpack_unpack_next(&unpacked, out.data, out.size, NULL) == MSGPACK_UNPACK_SUCCESS) {
            json_t *again = json_from_msgpack(&unpacked.data);
            FUZZ_REQUIRE(again != NULL || size > 255); /* a key may be too long */
            FUZZ_REQUIRE(again == NULL || json_equal(json, again));
            json_decref(again);
        }
    }
    msgpack_unpacked_destroy(&unpacked);
    msgpack_sbuffer_destroy(&out);
    json_decref(json);
    return 0;
}
