/* SPDX-License-Identifier: MIT */
/*
 * A descriptor is opened with the lowest free number, so a closed one is filled by the open() of
 * its turn. The mode is the wrong one on purpose (as in glibc's own check for setuid programs): a
 * write to standard output that leads nowhere must be an error, not a success.
 */
#include "stdio_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int stdio_check_start(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) != -1)
            continue;
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return -1;
    }
    return 0;
}

static int first_error; /* errno of the first flush that failed */

int stdio_check_flush(void) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    if (first_error == 0)
        first_error = errno ? errno : EIO;
    return -1;
}

int stdio_check_end(const char *program) {
    if (stdio_check_flush() == 0)
        return 0;
    if (first_error != EPIPE)
        fprintf(stderr, "%s: standard output: %s\n", program, strerror(first_error));
    return -1;
}
