/* SPDX-License-Identifier: MIT */
/*
 * disk_probe: looks into a data directory and makes it newer, for test_newer.py:
 *
 *     disk_probe DIR blobs           prints the book's blobs, "KEY VALUE" in hexadecimal, a line
 * each disk_probe DIR book VERSION    gives the book's header another version disk_probe DIR schema
 * VERSION  gives the database another schema
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lmdb.h>
#include <uv.h>

#include "shell/disk_internal.h"

enum { HEADER_KEY = 'H', HEADER_MAX = 64 };

struct probe {
    struct kith_disk *disk;
    bool print;
    uint8_t header[HEADER_MAX]; /* begins with the version */
    size_t header_size;
};

static void print_hex(struct kith_span span, char end) {
    for (size_t i = 0; i < span.size; i++) {
        printf("%02x", span.data[i]);
    }
    putchar(end);
}

static void on_blob(void *user, struct kith_span key, struct kith_span value) {
    struct probe *probe = user;

    if (probe->print) {
        print_hex(key, ' ');
        print_hex(value, '\n');
    }
    if (key.size == 1 && key.data[0] == HEADER_KEY && value.size <= HEADER_MAX) {
        memcpy(probe->header, value.data, value.size);
        probe->header_size = value.size;
    }
}

static int set_book_version(struct probe *probe, uint8_t version) {
    static const uint8_t KEY[] = {HEADER_KEY};

    if (probe->header_size == 0) {
        return KITH_ENOT_FOUND;
    }
    probe->header[0] = version;
    return kith_disk_save_blob(probe->disk, kith_span(KEY, 1),
                               kith_span(probe->header, probe->header_size), false, NULL, NULL);
}

static int with_disk(const char *dir, const char *what, const char *version) {
    struct probe probe = {.print = strcmp(what, "blobs") == 0};
    uv_loop_t loop;
    const struct kith_disk_config config = {.loop = &loop, .dir = dir};

    if (uv_loop_init(&loop) != 0) {
        return KITH_EINTERNAL;
    }
    int r = kith_disk_open(&probe.disk, &config, NULL);
    if (r == 0) {
        r = kith_disk_load_blobs(probe.disk, on_blob, &probe);
    }
    if (r == 0 && version != NULL) {
        r = set_book_version(&probe, (uint8_t)atoi(version));
    }
    kith_disk_close(probe.disk);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    return r;
}

/* Past the disk module, which only ever writes its own schema. */
static int set_schema(const char *dir, uint8_t version) {
    uint8_t value[4] = {0, 0, 0, version};
    MDB_val k = {strlen(KITH_DISK_SCHEMA_KEY), (void *)(uintptr_t)KITH_DISK_SCHEMA_KEY};
    MDB_val v = {sizeof(value), value};
    char path[4096];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    (void)snprintf(path, sizeof(path), "%s/db", dir);
    if (mdb_env_create(&env) != 0) {
        return KITH_ENOMEM;
    }
    bool done = mdb_env_set_maxdbs(env, 8) == 0 && mdb_env_open(env, path, MDB_NOLOCK, 0600) == 0 &&
                mdb_txn_begin(env, NULL, 0, &txn) == 0;
    done = done && mdb_dbi_open(txn, KITH_DISK_META_NAME, 0, &dbi) == 0 &&
           mdb_put(txn, dbi, &k, &v, 0) == 0 && mdb_txn_commit(txn) == 0;
    mdb_env_close(env);
    return done ? 0 : KITH_EIO;
}

int main(int argc, char **argv) {
    const char *version = argc == 4 ? argv[3] : NULL;
    int r;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "disk_probe DIR blobs|book VERSION|schema VERSION\n");
        return 2;
    }
    if (strcmp(argv[2], "schema") == 0 && version != NULL) {
        r = set_schema(argv[1], (uint8_t)atoi(version));
    } else {
        r = with_disk(argv[1], argv[2], version);
    }
    if (r < 0) {
        fprintf(stderr, "disk_probe: %s\n", kith_strerror(r));
    }
    return r < 0 ? 1 : 0;
}
