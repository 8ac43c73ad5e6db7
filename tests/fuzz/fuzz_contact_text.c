/* SPDX-License-Identifier: MIT */
/* Any text as a contact, a key, an endpoint, a point: what parses is formatted and parses again. */
#include <string.h>

#include "core/base/id.h"
#include "fuzz.h"
#include "kith/types.h"

static void check_key(const char *text) {
    struct kith_key key;
    struct kith_key again;
    char formatted[KITH_KEY_TEXT_SIZE];
    if (kith_key_parse(text, &key, NULL) == 0) {
        kith_key_format(&key, formatted);
        FUZZ_REQUIRE(strlen(formatted) == KITH_KEY_TEXT_SIZE - 1);
        FUZZ_REQUIRE(kith_key_parse(formatted, &again, NULL) == 0);
        FUZZ_REQUIRE(kith_key_equal(&key, &again));
    }
}

static void check_endpoint(const char *text) {
    struct kith_endpoint endpoint;
    struct kith_endpoint again;
    char formatted[KITH_ENDPOINT_TEXT_SIZE];
    if (kith_endpoint_parse(text, &endpoint, NULL) == 0) {
        FUZZ_REQUIRE(endpoint.family == 4 || endpoint.family == 6);
        kith_endpoint_format(&endpoint, formatted);
        FUZZ_REQUIRE(kith_endpoint_parse(formatted, &again, NULL) == 0);
        FUZZ_REQUIRE(memcmp(endpoint.ip, again.ip, sizeof(again.ip)) == 0);
        FUZZ_REQUIRE(endpoint.family == again.family && endpoint.port == again.port);
    }
}

static void check_contact(const char *text) {
    struct kith_error_info info;
    struct kith_key key;
    bool has_key = false;
    char host[256];
    uint16_t port = 0;
    memset(&info, 0, sizeof(info));
    if (kith_contact_parse(text, &has_key, &key, host, &port, &info) == 0) {
        FUZZ_REQUIRE(port > 0);
        FUZZ_REQUIRE(memchr(host, 0, sizeof(host)) != NULL && host[0] != 0);
    } else {
        FUZZ_REQUIRE(memchr(info.message, 0, sizeof(info.message)) != NULL);
        FUZZ_REQUIRE(info.message[0] != 0); /* a refusal always says why */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kith_point point;
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = 0;
    check_key(text);
    check_endpoint(text);
    check_contact(text);
    kith_topic_from_text(text, &point);
    if (kith_point_parse(text, &point, NULL) < 0) {
        FUZZ_REQUIRE(strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64);
    }
    free(text);
    return 0;
}
