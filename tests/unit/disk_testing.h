/* SPDX-License-Identifier: MIT */
/* disk_testing: a directory, a loop and a disk for the tests of the disk. Header only. */
#ifndef KITH_TESTS_DISK_TESTING_H
#define KITH_TESTS_DISK_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/endpoint.h"
#include "core/record/record.h"
#include "shell/disk_internal.h"
#include "testing.h"

/* ---- a directory, a loop, a disk ---- */

struct fixture {
    char root[64];
    char dir[80];
    char file[112]; /* the database's data file */
    uv_loop_t loop;
    struct kith_disk *disk;
    struct kith_error_info info;
    unsigned n_logs;
    char log[512];
    /* what was saved and loaded */
    unsigned n_done;
    unsigned n_failed;
    int last_status;
    unsigned n_records;
    unsigned n_own;
    unsigned n_announcements;
    unsigned n_blobs;
    uint64_t salts_seen; /* bit per first salt byte below 64 */
    struct kith_record last_record;
    struct kith_disk_record last;
    uint8_t blobs[8][2 * 64]; /* key, value of the first ones, padded with zeros */
};

static inline void on_log(void *context, int level, const char *message) {
    struct fixture *f = context;

    f->n_logs++;
    snprintf(f->log, sizeof(f->log), "%s", message);
}

static inline int open_disk(struct fixture *f) {
    const struct kith_disk_config config = {
        .loop = &f->loop, .dir = f->dir, .on_log = on_log, .context = f};

    memset(&f->info, 0, sizeof(f->info));
    f->n_logs = 0;
    return kith_disk_open(&f->disk, &config, &f->info);
}

static inline int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL) {
        return -1;
    }
    strcpy(f->root, "/tmp/kith-test-disk-XXXXXX");
    if (mkdtemp(f->root) == NULL || uv_loop_init(&f->loop) != 0) {
        return -1;
    }
    snprintf(f->dir, sizeof(f->dir), "%s/data", f->root);
    snprintf(f->file, sizeof(f->file), "%s/db/data.mdb", f->dir);
    *state = f;
    return 0;
}

static inline int remove_one(const char *path, const struct stat *status, int type,
                             struct FTW *ftw) {
    return remove(path);
}

static inline int teardown(void **state) {
    struct fixture *f = *state;

    if (f == NULL) {
        return -1;
    }
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    (void)nftw(f->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return r;
}

static inline void close_disk(struct fixture *f) {
    f->disk = kith_disk_close(f->disk);
}

/* A record told apart by `number`; nobody checks signatures here. */
static inline struct kith_record make_record(unsigned number, unsigned value_size) {
    struct kith_record record = {.is_mutable = true, .salt_size = 5, .seq = number};

    memset(record.key.bytes, 0x11, sizeof(record.key.bytes));
    memset(record.signature, 0x22, sizeof(record.signature));
    record.salt[0] = (uint8_t)number;
    record.salt[1] = (uint8_t)(number >> 8);
    record.value_size = (uint16_t)value_size;
    memset(record.value, (int)number, value_size);
    return record;
}

static inline void on_saved(void *user, int status) {
    struct fixture *f = user;

    f->n_done++;
    f->n_failed += status < 0;
    f->last_status = status;
}

static inline void save_own(struct fixture *f, unsigned number, unsigned value_size) {
    struct kith_record record = make_record(number, value_size);
    const struct kith_disk_record entry = {.own = true, .record = &record};

    assert_int_equal(kith_disk_save(f->disk, &entry, on_saved, f), 0);
}

static inline void run_until_done(struct fixture *f, unsigned n) {
    while (f->n_done < n) {
        assert_true(uv_loop_alive(&f->loop));
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
}

static inline void on_record(void *user, const struct kith_disk_record *r) {
    struct fixture *f = user;

    f->n_records++;
    f->n_own += r->own;
    f->n_announcements += r->is_announcement;
    f->last_record = *r->record;
    f->last = *r;
    if (r->record->salt[0] < 64) {
        f->salts_seen |= UINT64_C(1) << r->record->salt[0];
    }
}

static inline void on_blob(void *user, struct kith_span key, struct kith_span value) {
    struct fixture *f = user;

    assert_true(key.size >= 1 && key.size <= KITH_DISK_BLOB_KEY_MAX);
    assert_true(value.size <= KITH_DISK_BLOB_VALUE_MAX);
    if (f->n_blobs < 8) {
        memset(f->blobs[f->n_blobs], 0, sizeof(f->blobs[0]));
        memcpy(f->blobs[f->n_blobs], key.data, key.size);
        if (value.size > 0) {
            memcpy(f->blobs[f->n_blobs] + 64, value.data, value.size);
        }
    }
    f->n_blobs++;
}

static inline void load(struct fixture *f) {
    f->n_records = f->n_own = f->n_announcements = f->n_blobs = 0;
    f->salts_seen = 0;
    assert_int_equal(kith_disk_load(f->disk, on_record, on_blob, f), 0);
}

static inline int save_blob(struct fixture *f, const char *key, const char *value) {
    return kith_disk_save_blob(f->disk, kith_span_text(key),
                               kith_span_text(value != NULL ? value : ""), value == NULL, on_saved,
                               f);
}

static inline void check_blob(const struct fixture *f, unsigned i, const char *key,
                              const char *value) {
    assert_string_equal((const char *)f->blobs[i], key);
    assert_string_equal((const char *)f->blobs[i] + 64, value);
}

static inline void reopen(struct fixture *f) {
    close_disk(f);
    assert_int_equal(open_disk(f), 0);
}

/* ---- bytes of a file ---- */

static inline uint8_t *read_file(const char *path, size_t *ret_size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *ret_size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*ret_size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *ret_size, file), *ret_size);
    fclose(file);
    return bytes;
}

static inline void write_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static inline bool exists(const struct fixture *f, const char *name) {
    char path[160];

    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return access(path, F_OK) == 0;
}

static inline void check_record(const struct kith_record *a, const struct kith_record *b) {
    assert_int_equal(a->is_mutable, b->is_mutable);
    assert_true(a->seq == b->seq);
    assert_memory_equal(&a->key, &b->key, sizeof(a->key));
    assert_memory_equal(a->signature, b->signature, sizeof(a->signature));
    assert_int_equal(a->salt_size, b->salt_size);
    assert_memory_equal(a->salt, b->salt, a->salt_size);
    assert_int_equal(a->value_size, b->value_size);
    assert_memory_equal(a->value, b->value, a->value_size);
}

static inline void forget_in_load(void *user, const struct kith_disk_record *r) {
    struct fixture *f = user;

    assert_int_equal(kith_disk_forget(f->disk, r), 0);
}

#endif
