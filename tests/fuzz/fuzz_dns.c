/* SPDX-License-Identifier: MIT */
/* Any bytes as a DNS packet: records with four fields each, or nothing. */
#include <string.h>

#include "common/dns.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *list = dns_to_json(data, size);
    FUZZ_REQUIRE(list == NULL || json_array_size(list) > 0);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *record = json_array_get(list, i);
        FUZZ_REQUIRE(json_is_string(json_object_get(record, "name")));
        FUZZ_REQUIRE(json_is_string(json_object_get(record, "type")));
        FUZZ_REQUIRE(json_is_integer(json_object_get(record, "ttl")));
        const char *text = json_string_value(json_object_get(record, "data"));
        FUZZ_REQUIRE(text != NULL);
        for (; *text != '\0'; text++) { /* nothing a terminal would act on */
            FUZZ_REQUIRE(*text >= ' ' && *text <= '~');
        }
    }
    json_decref(list);
    return 0;
}
