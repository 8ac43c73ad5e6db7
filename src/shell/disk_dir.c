/* SPDX-License-Identifier: MIT */
/*
 * disk_dir: the data directory, who may use it, and what becomes of a database that is not usable.
 *
 * The lock is flock(2) on "DIR/lock": the kernel releases it when its holder dies, however it dies,
 * so there are no stale locks, and the file itself never needs to be removed. It holds the pid of
 * whoever took it last, for the message to the second one.
 *
 * A database is never deleted. One that cannot be used gets another name with link semantics that
 * no existing name is overwritten (RENAME_NOREPLACE), and the directory is synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/disk_internal.h"
#include "shell/refuse.h"

enum {
    ASIDE_MAX = 9999, /* beyond that someone has to look */
    PID_TEXT_SIZE = 24,
};

/* ---- the directory ---- */

static int refuse_dir(struct kith_error_info *info, const char *dir, int error_number) {
    int code = kith_error_of_errno(error_number);

    if (error_number == EROFS) {
        return kith_refuse(info, code,
                           "data directory %s is on a read-only file system; choose another (-d)",
                           dir);
    }
    if (code == KITH_EPERMISSION) {
        return kith_refuse(info, code,
                           "data directory %s is not writable by user %u; choose another (-d), or: "
                           "chown %u %s && chmod 700 %s",
                           dir, (unsigned)geteuid(), (unsigned)geteuid(), dir, dir);
    }
    if (error_number == ENOENT) {
        return kith_refuse(info, code,
                           "data directory %s cannot be made, its parent does not exist; make it "
                           "first: mkdir -p -m 700 %s",
                           dir, dir);
    }
    if (error_number == ENOTDIR) {
        return kith_refuse(info, code, "data directory %s: not a directory; choose another (-d)",
                           dir);
    }
    return kith_refuse(info, code, "data directory %s: %s", dir, strerror(error_number));
}

int kith_disk_dir_make(const char *dir, struct kith_error_info *info) {
    struct stat status;

    if (mkdir(dir, S_IRWXU) != 0 && errno != EEXIST) {
        return refuse_dir(info, dir, errno);
    }
    if (stat(dir, &status) != 0) {
        return refuse_dir(info, dir, errno);
    }
    if (!S_ISDIR(status.st_mode)) {
        return refuse_dir(info, dir, ENOTDIR);
    }
    if (access(dir, R_OK | W_OK | X_OK) != 0) {
        return refuse_dir(info, dir, errno);
    }
    return 0;
}

int kith_disk_dir_sync(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return kith_error_of_errno(errno);
    }
    /* Some file systems have nothing to sync in a directory and say EINVAL. */
    int r = fsync(fd) == 0 || errno == EINVAL ? 0 : kith_error_of_errno(errno);
    (void)close(fd);
    return r;
}

/* ---- the lock ---- */

static int refuse_locked(struct kith_error_info *info, const char *dir, int fd) {
    char text[PID_TEXT_SIZE] = "";
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    long pid = size > 0 ? strtol(text, NULL, 10) : 0;

    if (pid > 0) {
        return kith_refuse(info, KITH_ELOCKED,
                           "data directory %s is in use by process %ld; stop it, or choose another "
                           "directory (-d)",
                           dir, pid);
    }
    return kith_refuse(info, KITH_ELOCKED,
                       "data directory %s is in use by another process (see: fuser %s/lock); stop "
                       "it, or choose another directory (-d)",
                       dir, dir);
}

/* Only for messages, so a full disk is no reason not to start. */
static void write_pid(int fd) {
    char text[PID_TEXT_SIZE];
    int size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) == 0) {
        ssize_t ignored = pwrite(fd, text, (size_t)size, 0);
        (void)ignored;
    }
}

int kith_disk_dir_lock(const char *dir, int *ret_fd, struct kith_error_info *info) {
    char *path;
    int r = 0;

    if (asprintf(&path, "%s/lock", dir) < 0) {
        return KITH_ENOMEM;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        int error_number = errno;
        r = kith_refuse(info, kith_error_of_errno(error_number),
                        "lock file %s cannot be opened: %s", path, strerror(error_number));
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error_number = errno;
        r = error_number == EWOULDBLOCK
                ? refuse_locked(info, dir, fd)
                : kith_refuse(info, kith_error_of_errno(error_number),
                              "lock file %s cannot be locked: %s", path, strerror(error_number));
        (void)close(fd);
    } else {
        write_pid(fd);
        *ret_fd = fd;
    }
    free(path);
    return r;
}

/* ---- setting aside ---- */

/* -> 0 or an errno */
static int rename_free(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return errno;
    }
    /* The file system cannot do it; we hold the lock, so nobody of ours takes the name in between.
     */
    if (access(to, F_OK) == 0) {
        return EEXIST;
    }
    return rename(from, to) == 0 ? 0 : errno;
}

int kith_disk_dir_set_aside(const char *dir, char **ret_name, struct kith_error_info *info) {
    char *from = NULL;
    char *to = NULL;
    int error_number = EEXIST;

    if (asprintf(&from, "%s/db", dir) < 0) {
        return KITH_ENOMEM;
    }
    for (unsigned n = 1; n <= ASIDE_MAX && error_number == EEXIST; n++) {
        free(to);
        if (asprintf(&to, "%s/db.set-aside-%u", dir, n) < 0) {
            free(from);
            return KITH_ENOMEM;
        }
        error_number = rename_free(from, to);
    }
    int r = error_number == 0 ? kith_disk_dir_sync(dir) : kith_error_of_errno(error_number);
    if (r < 0) {
        (void)kith_refuse(info, r, "%s is not usable and cannot be renamed to %s: %s", from, to,
                          strerror(error_number));
        free(to);
    } else {
        *ret_name = to;
    }
    free(from);
    return r;
}
