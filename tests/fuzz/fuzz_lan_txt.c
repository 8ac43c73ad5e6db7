/* SPDX-License-Identifier: MIT */
/* What somebody on the LAN says of himself: strings of a TXT record (a length byte before each), an
 * instance name, an address; and a pattern of interfaces. */
#include <string.h>

#include "fuzz.h"
#include "shell/lan_filter.h"
#include "shell/lan_txt.h"

enum { STRINGS_MAX = KITH_LAN_TXT_STRINGS_READ + 4 };

static void check_txt(struct kith_reader r) {
    struct kith_span strings[STRINGS_MAX];
    struct kith_lan_txt_info info;
    struct kith_lan_txt_info again;
    struct kith_lan_txt built;
    size_t n = 0;
    while (n < STRINGS_MAX && kith_reader_left(&r) > 0) {
        size_t size = kith_read_u8(&r);
        size = size < kith_reader_left(&r) ? size : kith_reader_left(&r);
        strings[n++] = kith_span(kith_read_bytes(&r, size), size);
    }
    int status = kith_lan_txt_parse(strings, n, &info);
    FUZZ_REQUIRE(status <= 0);
    if (status < 0) {
        return;
    }
    kith_lan_txt_build(info.has_key ? &info.key : NULL, info.flags, &built);
    for (size_t i = 0; i < built.n; i++) {
        strings[i] = kith_span_text(built.strings[i]);
    }
    FUZZ_REQUIRE(kith_lan_txt_parse(strings, built.n, &again) == 0);
    FUZZ_REQUIRE(again.has_key == info.has_key && again.flags == info.flags);
    FUZZ_REQUIRE(!info.has_key || memcmp(&again.key, &info.key, sizeof(info.key)) == 0);
}

/* The obvious way, exponential: only for short ones. */
static bool matches(const char *pattern, const char *text) {
    if (*pattern == '*') {
        return matches(pattern + 1, text) || (*text != '\0' && matches(pattern, text + 1));
    }
    return *pattern == *text && (*text == '\0' || matches(pattern + 1, text + 1));
}

static void check_pattern(struct kith_span bytes) {
    char pattern[7] = "";
    char text[13] = "";
    char subtype[KITH_LAN_SUBTYPE_SIZE];
    for (size_t i = 0; i < bytes.size && i < 18; i++) { /* few letters, so that they match */
        *(i < 6 ? &pattern[i] : &text[i - 6]) = "*ab*"[bytes.data[i] % (i < 6 ? 4 : 3)];
    }
    FUZZ_REQUIRE(kith_lan_pattern_matches(pattern, text) == matches(pattern, text));
    kith_lan_subtype(text, subtype);
    FUZZ_REQUIRE(memchr(subtype, 0, sizeof(subtype)) != NULL);
}

static void check_admitted(struct kith_reader r) {
    struct kith_endpoint endpoint = {.family = kith_read_u8(&r)};
    struct kith_lan_link link = {.family = kith_read_u8(&r), .bits = kith_read_u8(&r)};
    endpoint.port = kith_read_u16(&r);
    kith_read_copy(&r, endpoint.ip, endpoint.family == 4 ? 4 : 16);
    kith_read_copy(&r, link.ip, link.family == 4 ? 4 : 16);
    bool without = kith_lan_endpoint_admitted(&endpoint, false, NULL, 0);
    FUZZ_REQUIRE(!without || kith_lan_endpoint_admitted(&endpoint, false, &link, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *name = strndup((const char *)data, size);
    FUZZ_REQUIRE(name != NULL);
    if (kith_lan_instance_valid(name)) {
        FUZZ_REQUIRE(strlen(name) > 0 && strlen(name) < KITH_LAN_INSTANCE_SIZE);
    }
    free(name);
    check_txt(kith_reader(kith_span(data, size)));
    check_pattern(kith_span(data, size));
    check_admitted(kith_reader(kith_span(data, size)));
    return 0;
}
