/* SPDX-License-Identifier: MIT */
/* Any bytes as a stored value: shown as JSON, whatever they are, and always in one of two ways. */
#include <string.h>

#include "common/json_msgpack.h"
#include "fuzz.h"
#include "kith/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > KITH_VALUE_MAX) {
        return 0;
    }
    json_t *object = json_object();
    FUZZ_REQUIRE(json_add_value(object, data, size) == 0);
    FUZZ_REQUIRE((json_object_get(object, "value") != NULL) !=
                 (json_object_get(object, "value_hex") != NULL));
    char *text = json_dumps(object, JSON_COMPACT);
    FUZZ_REQUIRE(text != NULL);
    free(text);
    json_decref(object);
    return 0;
}
