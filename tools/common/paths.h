/* SPDX-License-Identifier: MIT */
/* paths: where things are when nobody says, and reading small files. */
#ifndef KITH_TOOLS_PATHS_H
#define KITH_TOOLS_PATHS_H

#include <stddef.h>

enum {
    PATHS_SOCKET_MAX = 107, /* bytes a Unix socket address holds, without the NUL */
};

/* $XDG_STATE_HOME/kith, or ~/.local/state/kith; for root /var/lib/kith. Returns 0, or -1: no home
 * or too long. */
int paths_data_dir(char *path, size_t size);
/* Makes a directory and its missing parents, mode 0700. Returns 0 or -errno. */
int paths_make_dir(const char *path);
/* Reads up to `max` bytes of a file ("-": standard input) into a new buffer with a NUL behind.
 * Returns 0 or -errno: -EFBIG if there is more; what goes on for ever, like a device, is more. Free
 * `ret_bytes`. */
int paths_read(const char *path, size_t max, char **ret_bytes, size_t *ret_size);

#endif
