/* SPDX-License-Identifier: MIT */
/* A program linked with this has its KITH_NOMEM-th allocation fail, and all after it with a '+'
 * behind the number; if the program ends before that, it writes into the file KITH_NOMEM_END how
 * many are left. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nomem.h"

__attribute__((constructor)) static void begin(void) {
    const char *n = getenv("KITH_NOMEM");
    if (n != NULL) {
        nomem_begin(atol(n), strchr(n, '+') != NULL);
    }
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("KITH_NOMEM_END");
    long left = nomem_left();
    if (!nomem_end() && path != NULL) {
        int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd >= 0) {
            dprintf(fd, "%ld\n", left);
            close(fd);
        }
    }
}
