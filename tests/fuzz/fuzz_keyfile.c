/* SPDX-License-Identifier: MIT */
/* Any bytes as an identity file: its one line and a seed, or a refusal in words. */
#include <string.h>
#include <strings.h>

#include "fuzz_file.h"
#include "kith/node.h"
#include "util/text.h"

static const char head[] = "kith-identity-1 ";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[FUZZ_PATH_SIZE];
    char hex[2 * KITH_SEED_SIZE + 1];
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_key key;
    struct kith_error_info info = {0};
    int fd = fuzz_file(data, size, path);
    int r = kith_identity_load(path, seed, &key, &info);
    if (r == 0) {
        kith_hex_encode(seed, sizeof(seed), hex);
        FUZZ_REQUIRE(size == sizeof(head) - 1 + strlen(hex) + 1 && data[size - 1] == '\n');
        FUZZ_REQUIRE(memcmp(data, head, sizeof(head) - 1) == 0);
        FUZZ_REQUIRE(strncasecmp((const char *)data + sizeof(head) - 1, hex, strlen(hex)) == 0);
    } else {
        FUZZ_REQUIRE(r == KITH_ECORRUPT || r == KITH_EVERSION);
        FUZZ_REQUIRE(info.code == r && info.message[0] != '\0');
    }
    close(fd);
    return 0;
}
