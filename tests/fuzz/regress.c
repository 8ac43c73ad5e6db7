/* SPDX-License-Identifier: MIT */
/*
 * regress: runs one fuzz target over files, without a fuzzer. Arguments are files, or directories
 * whose files are taken in the order of their names. Reading nothing is a failure: a corpus that
 * went missing must not look like one that passed.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { FILE_SIZE_MAX = 1 << 16 };

static int run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    static uint8_t buffer[FILE_SIZE_MAX];
    size_t size = fread(buffer, 1, sizeof(buffer), file);
    bool bad = ferror(file) != 0;
    fclose(file);
    /* an exact copy: a sanitizer then sees any read past the end */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (bad || copy == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(copy);
        return -1;
    }
    memcpy(copy, buffer, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 0;
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* Returns the number of files run, or -1. */
static int run_path(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) {
        perror(path);
        return -1;
    }
    if (!S_ISDIR(status.st_mode)) {
        return run_file(path) < 0 ? -1 : 1;
    }
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, is_visible, alphasort);
    int done = 0;
    for (int i = 0; i < n; i++) {
        char name[4096];
        int length = snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        bool fits = length > 0 && (size_t)length < sizeof(name);
        done = done < 0 || !fits || run_file(name) < 0 ? -1 : done + 1;
        free(entries[i]);
    }
    free(entries);
    return n < 0 ? -1 : done;
}

int main(int argc, char **argv) {
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int n = run_path(argv[i]);
        if (n < 0) {
            return EXIT_FAILURE;
        }
        total += n;
    }
    printf("%d inputs\n", total);
    return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
