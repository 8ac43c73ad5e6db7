/* SPDX-License-Identifier: MIT */
/*
 * disk_internal: what the parts of the disk share; included by disk*.c only.
 *
 *     disk.c         the queue: saves in, groups out, callbacks when durable
 *     disk_store.c   the LMDB environment: opening, one group's commit, reading everything
 *     disk_schema.c  keys and values as bytes
 *     disk_check.c   whether a file is safe to give to LMDB
 *     disk_dir.c     the directory, its lock, setting a database aside
 */
#ifndef KITH_SHELL_DISK_INTERNAL_H
#define KITH_SHELL_DISK_INTERNAL_H

#include <lmdb.h>

#include "shell/disk.h"
#include "util/list.h"
#include "util/span.h"

/* ---- disk_schema.c ---- */

#define KITH_DISK_META_NAME "meta"
#define KITH_DISK_MAGIC_KEY "magic"
#define KITH_DISK_MAGIC "kith"
#define KITH_DISK_SCHEMA_KEY "schema" /* u32, big endian */

enum {
    KITH_DISK_SCHEMA = 1,
    KITH_DISK_KEY_MAX = 1 + 32 + KITH_KEY_SIZE, /* kind, topic, key */
    KITH_DISK_HEAD_SIZE = 1 + 16,               /* of every value: format, checksum */
    KITH_DISK_VALUE_MAX = KITH_DISK_HEAD_SIZE + KITH_DISK_STATE_MAX, /* a record has 1,250 */
};

/* The named databases beside "meta". */
enum kith_disk_table {
    KITH_DISK_OWN,
    KITH_DISK_HELD,
    KITH_DISK_BOOK,
    KITH_DISK_STATE, /* made where it is missing, ignored by a version without it */
    KITH_DISK_N_TABLES
};

struct kith_disk_entry {
    enum kith_disk_table table;
    size_t key_size;
    size_t value_size;
    uint8_t key[KITH_DISK_KEY_MAX];
    uint8_t value[KITH_DISK_VALUE_MAX];
};

/* The table's name in LMDB. */
const char *kith_disk_table_name(enum kith_disk_table table);
/* -> KITH_EINVALID: sizes beyond the limits, an announcement nobody signed */
KITH_MUST_CHECK int kith_disk_encode_record(const struct kith_disk_record *record,
                                            struct kith_disk_entry *ret);
/* -> KITH_EINVALID: sizes beyond the limits */
KITH_MUST_CHECK int kith_disk_encode_blob(struct kith_span key, struct kith_span value,
                                          struct kith_disk_entry *ret);
/* -> KITH_EINVALID: sizes beyond the limits */
KITH_MUST_CHECK int kith_disk_encode_state(const char *name, struct kith_span value,
                                           struct kith_disk_entry *ret);
/* `ret->record` is `record`. -> KITH_ECORRUPT */
KITH_MUST_CHECK int kith_disk_decode_record(enum kith_disk_table table, struct kith_span key,
                                            struct kith_span value, struct kith_disk_record *ret,
                                            struct kith_record *record);
/* `ret` points into `value`. -> KITH_ECORRUPT */
KITH_MUST_CHECK int kith_disk_decode_blob(struct kith_span key, struct kith_span value,
                                          struct kith_span *ret);
/* `ret` points into `value`. -> KITH_ECORRUPT */
KITH_MUST_CHECK int kith_disk_decode_state(struct kith_span key, struct kith_span value,
                                           struct kith_span *ret);
/* Whether two values hold the same record; they may expire at different times. */
bool kith_disk_same_record(struct kith_span a, struct kith_span b);

/* ---- disk_check.c ---- */

/* Positive outcomes of kith_disk_check(). */
enum {
    KITH_DISK_ABSENT = 1, /* no file, or a database in which nothing was ever stored */
    KITH_DISK_FOREIGN,    /* sound, but not kith's */
    KITH_DISK_DAMAGED,    /* not a database, or reading it could crash */
};

/* Reads the LMDB file `path` without LMDB. 0: kith's and sound. `ret_why` (a constant sentence) is
 * set with FOREIGN and DAMAGED. -> KITH_EVERSION, KITH_EPERMISSION, KITH_EIO, KITH_ENOMEM */
KITH_MUST_CHECK int kith_disk_check(const char *path, const char **ret_why);

/* ---- disk_dir.c ---- */

/* Makes the directory if missing. -> KITH_EPERMISSION, KITH_EIO, KITH_ENO_SPACE */
KITH_MUST_CHECK int kith_disk_dir_make(const char *dir, struct kith_error_info *info);
/* Takes the lock; closing the descriptor releases it. -> KITH_ELOCKED and those above */
KITH_MUST_CHECK int kith_disk_dir_lock(const char *dir, int *ret_fd, struct kith_error_info *info);
/* Gives "DIR/db" the first free name "DIR/db.set-aside-N". `ret_name` is freed by the caller. */
KITH_MUST_CHECK int kith_disk_dir_set_aside(const char *dir, char **ret_name,
                                            struct kith_error_info *info);
/* Makes names in the directory durable. */
KITH_MUST_CHECK int kith_disk_dir_sync(const char *dir);

/* ---- disk_store.c ---- */

enum kith_disk_what {
    KITH_DISK_PUT,
    KITH_DISK_DELETE, /* only if the slot holds the same record as the value */
    KITH_DISK_REMOVE, /* whatever the slot holds */
};

/* One queued change. */
struct kith_disk_write {
    struct kith_list link;
    enum kith_disk_what what;
    enum kith_disk_table table;
    int status; /* set by the commit */
    kith_disk_fn fn;
    void *user;
    size_t key_size;
    size_t value_size; /* REMOVE: 0 */
    uint8_t bytes[];   /* key, value */
};

/* Used by one thread at a time. */
struct kith_disk_store {
    MDB_env *env; /* NULL: lost, reopened by the next commit */
    MDB_dbi tables[KITH_DISK_N_TABLES];
    size_t map_size;
    char *path; /* DIR/db */
};

/* Opens "DIR/db", making or setting aside as needed; what was set aside is told to `on_log`.
 * -> as kith_disk_open() */
KITH_MUST_CHECK int kith_disk_store_open(struct kith_disk_store *store,
                                         const struct kith_disk_config *config, size_t map_size,
                                         struct kith_error_info *info);
void kith_disk_store_close(struct kith_disk_store *store);
/* Makes the writes durable, all at once if possible; when that fails, own records one by one. Sets
 * the status of each. */
void kith_disk_store_commit(struct kith_disk_store *store, struct kith_list *writes);
/* Calls `fn` with every entry of a table, in key order. -> KITH_EIO, KITH_ENOMEM */
KITH_MUST_CHECK int kith_disk_store_each(struct kith_disk_store *store, enum kith_disk_table table,
                                         void (*fn)(void *user, struct kith_span key,
                                                    struct kith_span value),
                                         void *user);

/* ---- disk.c ---- */

/* kith_disk_open() with another initial map than the default; for tests of its growth. */
KITH_MUST_CHECK int kith_disk_open_sized(struct kith_disk **ret,
                                         const struct kith_disk_config *config, size_t map_size,
                                         struct kith_error_info *info);

#endif
