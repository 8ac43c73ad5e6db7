/* SPDX-License-Identifier: MIT */
/* fuzz_file: an input as a file that parsers open by name, without a disk. */
#ifndef KITH_TESTS_FUZZ_FILE_H
#define KITH_TESTS_FUZZ_FILE_H

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

enum { FUZZ_PATH_SIZE = 40 };

/* Closing the descriptor removes it. */
static inline int fuzz_file(const void *bytes, size_t size, char path[FUZZ_PATH_SIZE]) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    FUZZ_REQUIRE(fd >= 0 && fchmod(fd, 0600) == 0);
    FUZZ_REQUIRE(size == 0 || write(fd, bytes, size) == (ssize_t)size);
    snprintf(path, FUZZ_PATH_SIZE, "/proc/self/fd/%d", fd);
    return fd;
}

#endif
