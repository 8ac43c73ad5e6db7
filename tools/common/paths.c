/* SPDX-License-Identifier: MIT */
/*
 * The defaults follow the XDG base directory specification; root, who runs system services, gets
 * the places of the FHS instead, so that `kithd` started by hand as root and by the service manager
 * agree.
 */
#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int paths_data_dir(char *path, size_t size) {
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int length;

    if (state && state[0] == '/')
        length = snprintf(path, size, "%s/kith", state);
    else if (geteuid() == 0)
        length = snprintf(path, size, "/var/lib/kith");
    else if (home && home[0] == '/')
        length = snprintf(path, size, "%s/.local/state/kith", home);
    else
        return -1;
    return length > 0 && (size_t)length < size ? 0 : -1;
}

int paths_make_dir(const char *path) {
    char part[PATH_MAX];
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof(part))
        return length ? -ENAMETOOLONG : -EINVAL;
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST && errno != EISDIR) {
            int error = errno;
            struct stat info;
            if (stat(part, &info) < 0 || !S_ISDIR(info.st_mode))
                return -error;
        }
    }
    return 0;
}

/* Reads to the end, or one byte beyond `max`: what comes there may have no end. */
static int read_all(int fd, char *bytes, size_t max, size_t *ret_size) {
    size_t size = 0;

    while (size <= max) {
        ssize_t n = read(fd, bytes + size, max + 1 - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        size += (size_t)n;
    }
    *ret_size = size;
    return size > max ? -EFBIG : 0;
}

int paths_read(const char *path, size_t max, char **ret_bytes, size_t *ret_size) {
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char *bytes;
    int r;

    if (fd < 0)
        return -errno;
    bytes = malloc(max + 2);
    r = bytes ? read_all(fd, bytes, max, ret_size) : -ENOMEM;
    if (!is_stdin)
        close(fd);
    if (r < 0) {
        free(bytes);
        return r;
    }
    bytes[*ret_size] = '\0';
    *ret_bytes = bytes;
    return 0;
}
