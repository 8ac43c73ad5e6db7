/* SPDX-License-Identifier: MIT */
/* The identity file: made once, never over another, refused when open to others or damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kith/node.h"
#include "testing.h"

#define SEED_1 "0101010101010101010101010101010101010101010101010101010101010101"
#define LINE_1 "kith-identity-1 " SEED_1 "\n"

struct fixture {
    char dir[64];
    char path[128];
    struct kith_error_info info;
    struct kith_key key;
    uint8_t seed[KITH_SEED_SIZE];
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL) {
        return -1;
    }
    snprintf(f->dir, sizeof(f->dir), "/tmp/kith-keyfile-XXXXXX");
    if (mkdtemp(f->dir) == NULL) {
        free(f);
        return -1;
    }
    snprintf(f->path, sizeof(f->path), "%s/identity.key", f->dir);
    *state = f;
    return 0;
}

/* Removes what the case made; fails if anything else is left, such as a temporary file. */
static int teardown(void **state) {
    struct fixture *f = *state;
    int r;

    unlink(f->path);
    r = rmdir(f->dir);
    free(f);
    return r;
}

static void write_file(const struct fixture *f, const char *text, size_t size, mode_t mode) {
    int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), (ssize_t)size);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void made_and_loaded(void **state) {
    struct fixture *f = *state;
    struct kith_identity id;
    struct kith_key loaded;
    struct stat st;
    char text[128] = "";
    int fd;

    assert_int_equal(kith_identity_create(f->path, &f->key, &f->info), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_size, strlen(LINE_1));
    fd = open(f->path, O_RDONLY);
    assert_int_equal(read(fd, text, sizeof(text)), (ssize_t)strlen(LINE_1));
    close(fd);
    assert_memory_equal(text, "kith-identity-1 ", 16);

    assert_int_equal(kith_identity_load(f->path, f->seed, &loaded, &f->info), 0);
    assert_memory_equal(&loaded, &f->key, sizeof(loaded));
    kith_identity_from_seed(&id, &kith_curve_sodium, f->seed);
    assert_memory_equal(&id.key, &f->key, sizeof(id.key));
}

static void two_are_not_the_same(void **state) {
    struct fixture *f = *state;
    struct kith_key second;

    assert_int_equal(kith_identity_create(f->path, &f->key, NULL), 0);
    unlink(f->path);
    assert_int_equal(kith_identity_create(f->path, &second, NULL), 0);
    assert_memory_not_equal(&second, &f->key, sizeof(second));
}

/* The format is a promise: a file written down years ago must still load. */
static void known_file_loads(void **state) {
    struct fixture *f = *state;
    struct kith_identity id;

    write_file(f, LINE_1, strlen(LINE_1), 0400);
    assert_int_equal(kith_identity_load(f->path, NULL, &f->key, &f->info), 0);
    kith_test_identity(&id, 1);
    assert_memory_equal(&id.key, &f->key, sizeof(id.key));
    assert_int_equal(kith_identity_load(f->path, f->seed, NULL, NULL), 0);
    assert_int_equal(f->seed[31], 1);
}

static void never_over_an_existing_file(void **state) {
    struct fixture *f = *state;

    write_file(f, "precious", 8, 0600);
    assert_int_equal(kith_identity_create(f->path, &f->key, &f->info), KITH_EEXISTS);
    assert_non_null(strstr(f->info.message, f->path));
    assert_non_null(strstr(f->info.message, "exists already"));
    assert_int_equal(kith_identity_create(f->path, &f->key, NULL), KITH_EEXISTS);
}

/* A dangling link is a name that is taken; following it would write somewhere else. */
static void never_through_a_link(void **state) {
    struct fixture *f = *state;

    assert_int_equal(symlink("/tmp/kith-no-such-target", f->path), 0);
    assert_int_equal(kith_identity_create(f->path, &f->key, &f->info), KITH_EEXISTS);
    assert_int_equal(access("/tmp/kith-no-such-target", F_OK), -1);
}

static void missing_directory_is_named(void **state) {
    struct fixture *f = *state;
    char path[160];
    char expected[256];

    snprintf(path, sizeof(path), "%s/deeper/identity.key", f->dir);
    snprintf(expected, sizeof(expected), "mkdir -p -m 700 %s/deeper", f->dir);
    assert_int_equal(kith_identity_create(path, &f->key, &f->info), KITH_EIO);
    assert_non_null(strstr(f->info.message, expected));
    snprintf(path, sizeof(path), "%s/", f->dir);
    assert_int_equal(kith_identity_create(path, &f->key, &f->info), KITH_EIO);
}

/* The umask can only take away; the owner must be able to read the file all the same. */
static void umask_does_not_matter(void **state) {
    struct fixture *f = *state;
    mode_t before = umask(0777);
    int r = kith_identity_create(f->path, &f->key, &f->info);

    umask(before);
    assert_int_equal(r, 0);
    assert_int_equal(kith_identity_load(f->path, NULL, NULL, &f->info), 0);
}

static void missing_file(void **state) {
    struct fixture *f = *state;

    assert_int_equal(kith_identity_load(f->path, f->seed, &f->key, &f->info), KITH_ENOT_FOUND);
    assert_non_null(strstr(f->info.message, "does not exist"));
}

static void file_open_to_others_is_refused(void **state) {
    static const mode_t MODES[] = {0640, 0604, 0644, 0660, 0620, 0602, 0610, 0777};
    struct fixture *f = *state;
    char cure[160];
    char mode[16];

    snprintf(cure, sizeof(cure), "chmod 600 %s", f->path);
    for (size_t i = 0; i < sizeof(MODES) / sizeof(MODES[0]); i++) {
        write_file(f, LINE_1, strlen(LINE_1), MODES[i]);
        assert_int_equal(kith_identity_load(f->path, f->seed, &f->key, &f->info), KITH_EPERMISSION);
        assert_non_null(strstr(f->info.message, cure));
        snprintf(mode, sizeof(mode), "%04o", (unsigned)MODES[i]);
        assert_non_null(strstr(f->info.message, mode));
    }
}

struct damage {
    const char *text;
    int code;
    const char *message;
};

static const struct damage DAMAGES[] = {
    {"", KITH_ECORRUPT, "is empty"},
    {"hello\n", KITH_ECORRUPT, "not an identity file"},
    {"kith-identity-1", KITH_ECORRUPT, "not an identity file"},
    {"kith-identity-1 \n", KITH_ECORRUPT, "it has 17 bytes"},
    {"kith-identity-1 " SEED_1, KITH_ECORRUPT, "it has 80 bytes"},
    {LINE_1 "x", KITH_ECORRUPT, "at least 82 bytes"},
    {"kith-identity-1 0101010101010101010101010101010101010101010101010101010101010g01\n",
     KITH_ECORRUPT, "column 78 is not"},
    {"kith-identity-1 x101010101010101010101010101010101010101010101010101010101010101\n",
     KITH_ECORRUPT, "column 17 is not"},
    {"kith-identity-2 " SEED_1 "\n", KITH_EVERSION, "newer version"},
    {"kith-identity-10 " SEED_1 "\n", KITH_EVERSION, "newer version"},
};

static void damaged_files_are_refused(void **state) {
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(DAMAGES) / sizeof(DAMAGES[0]); i++) {
        const struct damage *d = &DAMAGES[i];
        memset(f->seed, 0xaa, sizeof(f->seed));
        write_file(f, d->text, strlen(d->text), 0600);
        assert_int_equal(kith_identity_load(f->path, f->seed, &f->key, &f->info), d->code);
        if (strstr(f->info.message, d->message) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", f->info.message, d->message);
        }
        assert_non_null(strstr(f->info.message, f->path));
        assert_int_equal(f->seed[0], 0xaa);
    }
}

/* Neither a directory nor a FIFO, which would block for ever. */
static void other_kinds_of_file_are_refused(void **state) {
    struct fixture *f = *state;

    assert_int_equal(kith_identity_load(f->dir, f->seed, &f->key, &f->info), KITH_ECORRUPT);
    assert_non_null(strstr(f->info.message, "not a regular file"));
    assert_int_equal(mkfifo(f->path, 0600), 0);
    assert_int_equal(kith_identity_load(f->path, f->seed, &f->key, &f->info), KITH_ECORRUPT);
}

int main(void) {
#define KEYFILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        KEYFILE_TEST(made_and_loaded),
        KEYFILE_TEST(two_are_not_the_same),
        KEYFILE_TEST(known_file_loads),
        KEYFILE_TEST(never_over_an_existing_file),
        KEYFILE_TEST(never_through_a_link),
        KEYFILE_TEST(missing_directory_is_named),
        KEYFILE_TEST(umask_does_not_matter),
        KEYFILE_TEST(missing_file),
        KEYFILE_TEST(file_open_to_others_is_refused),
        KEYFILE_TEST(damaged_files_are_refused),
        KEYFILE_TEST(other_kinds_of_file_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
