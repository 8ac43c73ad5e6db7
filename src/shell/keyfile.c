/* SPDX-License-Identifier: MIT */
/*
 * keyfile: the one file that is the identity.
 *
 * One line of text, "kith-identity-1 " and the seed in 64 hex digits: readable in a backup, and
 * recognisable should it turn up where it does not belong. The number is the format's version.
 *
 * Making one must not lose another, even when two processes race or the machine dies half-way. So
 * the line is written to a temporary file beside it (O_EXCL, 0600), synced, and given its name by
 * link(2), which unlike rename(2) fails when the name is taken; then the directory is synced. File
 * systems without hard links get renameat2(RENAME_NOREPLACE). All names are relative to one
 * directory descriptor, so the directory cannot be exchanged in between.
 *
 * Hex goes through libsodium's constant-time conversions, and everything that held the seed is
 * wiped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "core/base/curve.h"
#include "core/base/identity.h"
#include "kith/node.h"
#include "shell/refuse.h"

#define KEYFILE_FAMILY "kith-identity-"
#define KEYFILE_PREFIX KEYFILE_FAMILY "1 "

enum {
    KEYFILE_PREFIX_LENGTH = sizeof(KEYFILE_PREFIX) - 1,
    KEYFILE_HEX_LENGTH = 2 * KITH_SEED_SIZE,
    KEYFILE_SIZE = KEYFILE_PREFIX_LENGTH + KEYFILE_HEX_LENGTH + 1, /* and '\n' */
    KEYFILE_OTHERS = S_IRWXG | S_IRWXO, /* what nobody but the owner may do */
};

/* Where a file is to be made. */
struct keyfile_place {
    const char *path; /* as given, for messages */
    const char *name; /* last part of `path` */
    char *dir;        /* the rest, "." if there is none */
    int dir_fd;
    char temporary[40]; /* name beside it */
};

/* What the system refused, in our codes and with its reason. */
static int refuse_errno(struct kith_error_info *info, int error, const char *what,
                        const char *path) {
    return kith_refuse(info, kith_error_of_errno(error), "%s: %s: %s", path, what, strerror(error));
}

/* ---- making ---- */

static int place_refuse_dir(const struct keyfile_place *place, int error,
                            struct kith_error_info *info) {
    if (error == ENOENT) {
        return kith_refuse(info, KITH_EIO,
                           "%s: the directory %s does not exist; make it first: mkdir -p -m 700 %s",
                           place->path, place->dir, place->dir);
    }
    return refuse_errno(info, error, "cannot open the directory", place->dir);
}

static void place_close(struct keyfile_place *place) {
    if (place->dir_fd >= 0) {
        close(place->dir_fd);
    }
    free(place->dir);
}

/* Splits the path and opens its directory. */
static int place_open(struct keyfile_place *place, const char *path, struct kith_error_info *info) {
    const char *slash = strrchr(path, '/');
    size_t dir_length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    uint64_t nonce;

    *place = (struct keyfile_place){
        .path = path, .name = slash == NULL ? path : slash + 1, .dir_fd = -1};
    if (place->name[0] == '\0') {
        return kith_refuse(info, KITH_EIO, "\"%s\": the name of a file is missing", path);
    }
    place->dir = dir_length == 0 ? strdup(".") : strndup(path, dir_length);
    if (place->dir == NULL) {
        return kith_refuse(info, KITH_ENOMEM, "out of memory");
    }
    place->dir_fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->dir_fd < 0) {
        int error = errno;
        int r = place_refuse_dir(place, error, info);
        place_close(place);
        return r;
    }
    randombytes_buf(&nonce, sizeof(nonce));
    snprintf(place->temporary, sizeof(place->temporary), ".kith-identity-%016llx",
             (unsigned long long)nonce);
    return 0;
}

/* Writes all of it. 0 or an errno. */
static int write_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* The temporary file, on disk with its contents. 0 or an errno; then there is no such file. */
static int place_write_temporary(const struct keyfile_place *place, const char *line, size_t size) {
    int fd = openat(place->dir_fd, place->temporary,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    int error;

    if (fd < 0) {
        return errno;
    }
    error = write_all(fd, line, size);
    /* The umask may have taken the owner's bits too; the file would be unreadable. */
    if (error == 0 && (fchmod(fd, S_IRUSR | S_IWUSR) < 0 || fsync(fd) < 0)) {
        error = errno;
    }
    if (close(fd) < 0 && error == 0) {
        error = errno;
    }
    if (error != 0) {
        unlinkat(place->dir_fd, place->temporary, 0);
    }
    return error;
}

/* Gives the temporary file its name unless that is taken. 0 or an errno; the temporary name is gone
 * in any case. */
static int place_publish(const struct keyfile_place *place) {
    int error = 0;

    if (linkat(place->dir_fd, place->temporary, place->dir_fd, place->name, 0) < 0) {
        error = errno;
        if ((error == EPERM || error == EOPNOTSUPP || error == ENOSYS) &&
            renameat2(place->dir_fd, place->temporary, place->dir_fd, place->name,
                      RENAME_NOREPLACE) == 0) {
            error = 0;
        }
    }
    unlinkat(place->dir_fd, place->temporary, 0);
    if (error == 0 && fsync(place->dir_fd) < 0 && errno != EINVAL) { /* EINVAL: cannot be synced */
        error = errno;
    }
    return error;
}

static int place_refuse_existing(const struct keyfile_place *place, struct kith_error_info *info) {
    return kith_refuse(
        info, KITH_EEXISTS,
        "%s exists already and is not overwritten; choose another name or move it away",
        place->path);
}

static int place_create(const struct keyfile_place *place, const char *line, size_t size,
                        struct kith_error_info *info) {
    struct stat existing;
    int error;

    /* Asked beforehand only for the message: in a directory that cannot be written, "exists" is
     * still the better answer. place_publish() is what makes it certain. */
    if (fstatat(place->dir_fd, place->name, &existing, AT_SYMLINK_NOFOLLOW) == 0) {
        return place_refuse_existing(place, info);
    }
    error = place_write_temporary(place, line, size);
    if (error == 0) {
        error = place_publish(place);
    }
    if (error == EEXIST) {
        return place_refuse_existing(place, info);
    }
    return error == 0 ? 0 : refuse_errno(info, error, "cannot write", place->path);
}

/* The public key of a seed. */
static void key_of_seed(const uint8_t seed[KITH_SEED_SIZE], struct kith_key *ret_key) {
    uint8_t secret[64];

    kith_curve_sodium.sign_keypair(ret_key->bytes, secret, seed);
    sodium_memzero(secret, sizeof(secret));
}

int kith_identity_create(const char *path, struct kith_key *ret_key, struct kith_error_info *info) {
    struct keyfile_place place;
    uint8_t seed[KITH_SEED_SIZE];
    char line[KEYFILE_SIZE + 1]; /* and NUL */
    int r;

    if (sodium_init() < 0) {
        return kith_refuse(info, KITH_EINTERNAL, "libsodium cannot be used on this machine");
    }
    r = place_open(&place, path, info);
    if (r < 0) {
        return r;
    }
    randombytes_buf(seed, sizeof(seed));
    memcpy(line, KEYFILE_PREFIX, KEYFILE_PREFIX_LENGTH);
    sodium_bin2hex(line + KEYFILE_PREFIX_LENGTH, KEYFILE_HEX_LENGTH + 1, seed, sizeof(seed));
    line[KEYFILE_SIZE - 1] = '\n';
    r = place_create(&place, line, KEYFILE_SIZE, info);
    if (r == 0 && ret_key != NULL) {
        key_of_seed(seed, ret_key);
    }
    sodium_memzero(line, sizeof(line));
    sodium_memzero(seed, sizeof(seed));
    place_close(&place);
    return r;
}

/* ---- loading ---- */

/* Refuses what is not a file, and what others can read or change. */
static int check_mode(int fd, const char *path, struct kith_error_info *info) {
    struct stat st;

    if (fstat(fd, &st) < 0) {
        return refuse_errno(info, errno, "cannot be examined", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return kith_refuse(info, KITH_ECORRUPT, "%s is not a regular file", path);
    }
    if ((st.st_mode & KEYFILE_OTHERS) != 0) {
        return kith_refuse(
            info, KITH_EPERMISSION,
            "%s holds a secret key and is open to others (mode %04o); cure: chmod 600 %s", path,
            (unsigned)(st.st_mode & 07777), path);
    }
    return 0;
}

/* Up to `capacity` bytes. */
static int read_all(int fd, char *buffer, size_t capacity, size_t *ret_size, const char *path,
                    struct kith_error_info *info) {
    size_t size = 0;

    while (size < capacity) {
        ssize_t n = read(fd, buffer + size, capacity - size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return refuse_errno(info, errno, "cannot be read", path);
        }
        if (n == 0) {
            break;
        }
        size += (size_t)n;
    }
    *ret_size = size;
    return 0;
}

/* "kith-identity-N " with another N than ours. */
static bool line_is_newer(const char *line, size_t size) {
    size_t at = sizeof(KEYFILE_FAMILY) - 1;

    if (size <= at || memcmp(line, KEYFILE_FAMILY, at) != 0 || line[at] < '1' || line[at] > '9') {
        return false;
    }
    while (at < size && line[at] >= '0' && line[at] <= '9') {
        at++;
    }
    return at < size && line[at] == ' ' &&
           (at + 1 != KEYFILE_PREFIX_LENGTH || memcmp(line, KEYFILE_PREFIX, at) != 0);
}

static int line_parse(const char *line, size_t size, uint8_t seed[KITH_SEED_SIZE], const char *path,
                      struct kith_error_info *info) {
    const char *hex = line + KEYFILE_PREFIX_LENGTH;
    const char *end;

    if (size == 0) {
        return kith_refuse(info, KITH_ECORRUPT, "%s is empty", path);
    }
    if (line_is_newer(line, size)) {
        return kith_refuse(info, KITH_EVERSION, "%s was made by a newer version of kith", path);
    }
    if (size < KEYFILE_PREFIX_LENGTH || memcmp(line, KEYFILE_PREFIX, KEYFILE_PREFIX_LENGTH) != 0) {
        return kith_refuse(
            info, KITH_ECORRUPT,
            "%s is not an identity file: it does not begin with \"" KEYFILE_PREFIX "\"", path);
    }
    if (size != KEYFILE_SIZE || line[KEYFILE_SIZE - 1] != '\n') {
        return kith_refuse(info, KITH_ECORRUPT,
                           "%s is damaged: it has %s%zu bytes instead of one line of %d", path,
                           size > KEYFILE_SIZE ? "at least " : "", size, KEYFILE_SIZE);
    }
    (void)sodium_hex2bin(seed, KITH_SEED_SIZE, hex, KEYFILE_HEX_LENGTH, NULL, NULL, &end);
    if (end != hex + KEYFILE_HEX_LENGTH) { /* it stops at whole bytes, a person wants the digit */
        return kith_refuse(info, KITH_ECORRUPT,
                           "%s is damaged: column %zu is not a hexadecimal digit", path,
                           KEYFILE_PREFIX_LENGTH + strspn(hex, "0123456789abcdefABCDEF") + 1);
    }
    return 0;
}

static int fd_load(int fd, const char *path, uint8_t seed[KITH_SEED_SIZE],
                   struct kith_error_info *info) {
    char line[KEYFILE_SIZE + 1]; /* one more than may be there, to see that it is not */
    size_t size = 0;
    int r = check_mode(fd, path, info);

    if (r == 0) {
        r = read_all(fd, line, sizeof(line), &size, path, info);
    }
    if (r == 0) {
        r = line_parse(line, size, seed, path, info);
    }
    sodium_memzero(line, sizeof(line));
    return r;
}

int kith_identity_load(const char *path, uint8_t *ret_seed, struct kith_key *ret_key,
                       struct kith_error_info *info) {
    uint8_t seed[KITH_SEED_SIZE];
    int fd;
    int r;

    if (sodium_init() < 0) {
        return kith_refuse(info, KITH_EINTERNAL, "libsodium cannot be used on this machine");
    }
    /* O_NONBLOCK: a FIFO by that name must not hang us; a regular file does not care. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT || errno == ENOTDIR
                   ? kith_refuse(info, KITH_ENOT_FOUND, "%s does not exist", path)
                   : refuse_errno(info, errno, "cannot be opened", path);
    }
    r = fd_load(fd, path, seed, info);
    close(fd);
    if (r == 0) {
        if (ret_key != NULL) {
            key_of_seed(seed, ret_key);
        }
        if (ret_seed != NULL) {
            memcpy(ret_seed, seed, sizeof(seed));
        }
    }
    sodium_memzero(seed, sizeof(seed));
    return r;
}
