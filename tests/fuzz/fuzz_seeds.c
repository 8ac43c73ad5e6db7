/* SPDX-License-Identifier: MIT */
/* Any bytes as a file of seeds, and as the prefix of a ban. */
#include <string.h>

#include "common/seeds.h"
#include "fuzz_file.h"
#include "kith/types.h"
#include "shell/control.h"

static void on_warning(const char *message, void *user) {
    FUZZ_REQUIRE(message[0] != '\0');
    ++*(unsigned *)user;
}

static void check_seeds(const uint8_t *data, size_t size) {
    char path[FUZZ_PATH_SIZE];
    struct seeds seeds = {0};
    unsigned n_warnings = 0;
    int fd = fuzz_file(data, size, path);
    int r = seeds_read(&seeds, path, on_warning, &n_warnings);
    FUZZ_REQUIRE(r <= 0);
    for (size_t i = 0; r == 0 && i < seeds.n_items; i++) { /* each is a contact */
        struct kith_key key;
        char host[256];
        uint16_t port;
        bool has_key;
        FUZZ_REQUIRE(kith_contact_parse(seeds.items[i], &has_key, &key, host, &port, NULL) == 0);
    }
    seeds_deinit(&seeds);
    close(fd);
}

static void check_ban(const char *text) {
    struct kith_ban_info ban;
    struct kith_ban_info again;
    struct kith_error_info info = {0};
    char formatted[KITH_BAN_TEXT_SIZE];
    if (kith_ban_parse(text, &ban, &info) < 0) {
        FUZZ_REQUIRE(info.message[0] != '\0');
        return;
    }
    ban.left_s = 1;
    kith_ban_format(&ban, formatted);
    FUZZ_REQUIRE(kith_ban_parse(formatted, &again, NULL) == 0);
    FUZZ_REQUIRE(again.bits == ban.bits && again.prefix.family == ban.prefix.family);
    FUZZ_REQUIRE(memcmp(again.prefix.ip, ban.prefix.ip, sizeof(ban.prefix.ip)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = strndup((const char *)data, size);
    FUZZ_REQUIRE(text != NULL);
    check_seeds(data, size);
    check_ban(text);
    free(text);
    return 0;
}
