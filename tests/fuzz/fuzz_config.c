/* SPDX-License-Identifier: MIT */
/* Any bytes as kith.conf: refused in words, or printed as a file that is read to the same again. */
#include <string.h>

#include "fuzz_file.h"
#include "kithd/config.h"

/* What --print-config prints; freed by the caller. */
static char *print(const struct config *config) {
    char *text = NULL;
    size_t size = 0;
    FILE *console = stdout;
    FILE *memory = open_memstream(&text, &size);
    FUZZ_REQUIRE(memory != NULL);
    stdout = memory;
    config_print(config);
    stdout = console;
    FUZZ_REQUIRE(fclose(memory) == 0);
    return text;
}

static int read_from(struct config *config, const void *bytes, size_t size) {
    char path[FUZZ_PATH_SIZE];
    char error[CONFIG_ERROR_SIZE] = "";
    int fd = fuzz_file(bytes, size, path);
    int r = config_read(config, path, error);
    FUZZ_REQUIRE(r == 0 || (r == -1 && error[0] != '\0'));
    FUZZ_REQUIRE(memchr(error, 0, sizeof(error)) != NULL);
    close(fd);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct config first;
    struct config second;
    config_init(&first);
    config_init(&second);
    if (read_from(&first, data, size) == 0) {
        char *once = print(&first);
        FUZZ_REQUIRE(read_from(&second, once, strlen(once)) == 0);
        free(second.network_secret); /* is not printed */
        second.network_secret = first.network_secret;
        first.network_secret = NULL;
        char *twice = print(&second);
        FUZZ_REQUIRE(strcmp(once, twice) == 0);
        free(once);
        free(twice);
    }
    config_deinit(&first);
    config_deinit(&second);
    return 0;
}
