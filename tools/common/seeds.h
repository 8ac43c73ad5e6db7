/* SPDX-License-Identifier: MIT */
/* seeds: the seeds file. One contact (KEY@HOST:PORT or HOST:PORT) a line; `#` starts a comment. */
#ifndef KITH_TOOLS_SEEDS_H
#define KITH_TOOLS_SEEDS_H

#include <stddef.h>

enum {
    SEEDS_MAX = 256,              /* contacts; a bootstrap list is short */
    SEEDS_FILE_MAX = 1024 * 1024, /* bytes */
};

struct seeds {
    char *text; /* the file; the items point into it */
    const char **items;
    size_t n_items;
};

/* Called for each bad line with "FILE:LINE:COLUMN: what is wrong"; the line is skipped. */
typedef void (*seeds_warn_fn)(const char *message, void *user);

/* Reads a file into an empty `seeds`. Returns 0 or -errno. */
int seeds_read(struct seeds *seeds, const char *path, seeds_warn_fn warn, void *user);
void seeds_deinit(struct seeds *seeds);

#endif
