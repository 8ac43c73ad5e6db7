/* SPDX-License-Identifier: MIT */
/*
 * disk_store: the LMDB environment.
 *
 * Why LMDB: a commit either happened or did not, whenever the process or machine dies, without a
 * log to replay; reading costs nothing. The defaults stay on: each commit is two fsyncs, so commits
 * are made for whole groups of writes.
 *
 * MDB_NOLOCK: the directory's own lock keeps other processes out and the queue runs one commit at a
 * time, so LMDB's lock file has nothing to add; on a full disk, touching that mapped file would
 * end the process with SIGBUS. The price: no mdb_copy of a running node's database.
 *
 * Opening is strict about what it hands to LMDB (see disk_check.c). What is not kith's or not sound
 * is set aside and a fresh database begun; what is newer is left alone.
 *
 * The map is an address range, not memory: 1 GiB to begin with, doubled when LMDB says it is full,
 * up to MAP_SIZE_MAX. Where address space is scarce a smaller one is tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kith/node.h"
#include "shell/disk_internal.h"
#include "shell/refuse.h"

enum {
    MAP_SIZE_MIN = 16 * 1024 * 1024, /* below this there is no point in trying */
    TABLES_MAX = 16,                 /* LMDB's bound on named tables; ours are five */
    OPEN_TRIES_MAX = 2,              /* the second on a fresh database */
    PROBE_SIZE = 64 * 1024,          /* a small group of writes */
};

static const size_t MAP_SIZE_MAX = sizeof(size_t) > 4 ? (size_t)16 << 30 : (size_t)1 << 30;

/* LMDB says EINVAL, EIO or one of its own codes; an errno is passed through. */
static int error_of(int rc) {
    switch (rc) {
    case 0:
        return 0;
    case MDB_MAP_FULL:
    case MDB_DBS_FULL:
    case MDB_TXN_FULL:
        return KITH_ENO_SPACE;
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_NOTFOUND:
    case MDB_BAD_DBI:
        return KITH_ECORRUPT;
    default:
        return kith_error_of_errno(rc);
    }
}

/* ---- opening ---- */

/* A new table description, or the check that the tables are there: in both cases one transaction,
 * which writes nothing when there is nothing new. */
static int open_tables(struct kith_disk_store *store) {
    static const uint8_t SCHEMA[] = {0, 0, 0, KITH_DISK_SCHEMA};
    const struct {
        struct kith_span key;
        struct kith_span value;
    } entries[] = {
        {kith_span_text(KITH_DISK_MAGIC_KEY), kith_span_text(KITH_DISK_MAGIC)},
        {kith_span_text(KITH_DISK_SCHEMA_KEY), kith_span(SCHEMA, sizeof(SCHEMA))},
    };
    MDB_txn *txn;
    MDB_dbi meta;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0) {
        return rc;
    }
    rc = mdb_dbi_open(txn, KITH_DISK_META_NAME, MDB_CREATE, &meta);
    for (unsigned i = 0; rc == 0 && i < sizeof(entries) / sizeof(entries[0]); i++) {
        MDB_val key = {entries[i].key.size, (void *)(uintptr_t)entries[i].key.data};
        MDB_val value = {entries[i].value.size, (void *)(uintptr_t)entries[i].value.data};
        rc = mdb_put(txn, meta, &key, &value, MDB_NOOVERWRITE);
        rc = rc == MDB_KEYEXIST ? 0 : rc;
    }
    for (unsigned i = 0; rc == 0 && i < KITH_DISK_N_TABLES; i++) {
        rc = mdb_dbi_open(txn, kith_disk_table_name(i), MDB_CREATE, &store->tables[i]);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* -> 0 or LMDB's code; `store->env` is NULL on failure. */
static int open_env(struct kith_disk_store *store) {
    int rc = mdb_env_create(&store->env);

    if (rc != 0) {
        store->env = NULL;
        return rc;
    }
    rc = mdb_env_set_maxdbs(store->env, TABLES_MAX);
    if (rc == 0) {
        rc = mdb_env_set_mapsize(store->env, store->map_size);
    }
    if (rc == 0) {
        rc = mdb_env_open(store->env, store->path, MDB_NOLOCK | MDB_NOTLS, S_IRUSR | S_IWUSR);
    }
    if (rc == 0) {
        rc = open_tables(store);
    }
    if (rc != 0) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    return rc;
}

/* With the largest map up to the wanted one that the system grants. */
static int open_env_fitting(struct kith_disk_store *store) {
    int rc = open_env(store);

    while (rc == ENOMEM && store->map_size / 2 >= MAP_SIZE_MIN) {
        store->map_size /= 2;
        rc = open_env(store);
    }
    return rc;
}

static int refuse_db(const struct kith_disk_store *store, int code, const char *reason,
                     struct kith_error_info *info) {
    switch (code) {
    case KITH_EVERSION:
        return kith_refuse(
            info, code,
            "%s was made by a newer version of kith; install that version, or choose "
            "another data directory (-d)",
            store->path);
    case KITH_EPERMISSION:
        return kith_refuse(info, code,
                           "%s is not readable and writable by user %u: %s; change its owner, or "
                           "choose another data directory (-d)",
                           store->path, (unsigned)geteuid(), reason);
    case KITH_ENO_SPACE:
        return kith_refuse(info, code, "no space left for %s; free some", store->path);
    case KITH_ENOMEM:
        return kith_refuse(info, code, "out of memory while opening %s", store->path);
    default:
        return kith_refuse(info, code, "%s cannot be opened: %s", store->path, reason);
    }
}

/* Moves what is there aside, and says so. */
static int set_aside(struct kith_disk_store *store, const struct kith_disk_config *config,
                     const char *why, struct kith_error_info *info) {
    char message[512];
    char *name;
    int r = kith_disk_dir_set_aside(config->dir, &name, info);

    if (r < 0) {
        return r;
    }
    snprintf(message, sizeof(message),
             "database %s is not usable (%s); set aside as %s, beginning a fresh one", store->path,
             why, name);
    free(name);
    if (config->on_log != NULL) {
        config->on_log(config->context, KITH_LOG_WARN, message);
    }
    return 0;
}

/* What there is before LMDB looks: 0 or KITH_DISK_ABSENT, else a positive outcome or an error. */
static int check(const struct kith_disk_store *store, const char **ret_why) {
    char *file;

    if (asprintf(&file, "%s/data.mdb", store->path) < 0) {
        return KITH_ENOMEM;
    }
    int r = kith_disk_check(file, ret_why);
    free(file);
    return r;
}

/* 0: the directory is there. */
static int make_db_dir(const struct kith_disk_store *store) {
    struct stat status;

    if (mkdir(store->path, S_IRWXU) != 0 && errno != EEXIST) {
        return errno;
    }
    if (stat(store->path, &status) != 0) {
        return errno;
    }
    return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
}

/* One try. Positive: the database is to be set aside, `ret_why` says why. */
static int try_open(struct kith_disk_store *store, const char **ret_why,
                    struct kith_error_info *info) {
    int error_number = make_db_dir(store);

    if (error_number == ENOTDIR) {
        *ret_why = "it is not a directory";
        return KITH_DISK_DAMAGED;
    }
    if (error_number != 0) {
        return refuse_db(store, kith_error_of_errno(error_number), strerror(error_number), info);
    }
    int r = check(store, ret_why);
    if (r < 0) {
        return refuse_db(store, r, kith_strerror(r), info);
    }
    if (r == KITH_DISK_FOREIGN || r == KITH_DISK_DAMAGED) {
        return r;
    }
    int rc = open_env_fitting(store);
    if (error_of(rc) == KITH_ECORRUPT) {
        *ret_why = mdb_strerror(rc);
        return KITH_DISK_DAMAGED;
    }
    return rc == 0 ? 0 : refuse_db(store, error_of(rc), mdb_strerror(rc), info);
}

int kith_disk_store_open(struct kith_disk_store *store, const struct kith_disk_config *config,
                         size_t map_size, struct kith_error_info *info) {
    const char *why = "";
    int r = KITH_DISK_DAMAGED;

    *store = (struct kith_disk_store){.map_size = map_size};
    if (asprintf(&store->path, "%s/db", config->dir) < 0) {
        store->path = NULL;
        return kith_refuse(info, KITH_ENOMEM, "out of memory");
    }
    for (unsigned i = 0; i < OPEN_TRIES_MAX && r > 0; i++) {
        r = try_open(store, &why, info);
        if (r > 0 && i + 1 < OPEN_TRIES_MAX) {
            int aside = set_aside(store, config, why, info);
            r = aside < 0 ? aside : r;
        }
    }
    if (r > 0) {
        r = refuse_db(store, KITH_EIO, why, info);
    }
    /* A commit is durable only if the names that lead to the file are. */
    if (r == 0) {
        r = kith_disk_dir_sync(store->path);
        r = r == 0 ? kith_disk_dir_sync(config->dir) : r;
        if (r < 0) {
            (void)refuse_db(store, r, kith_strerror(r), info);
        }
    }
    if (r < 0) {
        kith_disk_store_close(store);
    }
    return r;
}

void kith_disk_store_close(struct kith_disk_store *store) {
    if (store->env != NULL) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    free(store->path);
    store->path = NULL;
}

/* ---- writing ---- */

static int apply(struct kith_disk_store *store, MDB_txn *txn, struct kith_disk_write *write) {
    MDB_val key = {write->key_size, write->bytes};
    MDB_val value = {write->value_size, write->bytes + write->key_size};
    MDB_dbi table = store->tables[write->table];
    MDB_val held;
    int rc = 0;

    switch (write->what) {
    case KITH_DISK_PUT:
        return mdb_put(txn, table, &key, &value, 0);
    case KITH_DISK_DELETE:
        /* The slot may have been taken by a newer record since. */
        rc = mdb_get(txn, table, &key, &held);
        if (rc == 0 && kith_disk_same_record(kith_span(held.mv_data, held.mv_size),
                                             kith_span(value.mv_data, value.mv_size))) {
            rc = mdb_del(txn, table, &key, NULL);
        }
        return rc == MDB_NOTFOUND ? 0 : rc;
    case KITH_DISK_REMOVE:
        rc = mdb_del(txn, table, &key, NULL);
        return rc == MDB_NOTFOUND ? 0 : rc;
    }
    return 0;
}

/* Doubles the map. No transaction is open here: there is one commit at a time. */
static bool grow(struct kith_disk_store *store) {
    if (store->map_size > MAP_SIZE_MAX / 2 ||
        mdb_env_set_mapsize(store->env, store->map_size * 2) != 0) {
        return false;
    }
    store->map_size *= 2;
    return true;
}

/* The writes from `first` up to and without `end`, in one transaction. -> LMDB's code */
static int commit_once(struct kith_disk_store *store, struct kith_list *first,
                       const struct kith_list *end) {
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0) {
        return rc;
    }
    for (struct kith_list *link = first; rc == 0 && link != end; link = link->next) {
        rc = apply(store, txn, kith_container_of(link, struct kith_disk_write, link));
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

/* LMDB says EIO when a write was cut short, which is how a full disk shows itself half-way through
 * a group. So ask the disk: a nameless file that is written where the data file ends meets the same
 * quota, file size limit and free space, and is gone when it is closed. */
static bool is_full(const struct kith_disk_store *store) {
    static const uint8_t PROBE[PROBE_SIZE];
    struct stat status;
    int data;
    bool full = false;
    int fd = open(store->path, O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);

    if (fd < 0) {
        return kith_error_of_errno(errno) == KITH_ENO_SPACE;
    }
    if (mdb_env_get_fd(store->env, &data) == 0 && fstat(data, &status) == 0) {
        ssize_t written = pwrite(fd, PROBE, sizeof(PROBE), status.st_size);
        full = written < 0 ? kith_error_of_errno(errno) == KITH_ENO_SPACE
                           : (size_t)written < sizeof(PROBE);
    }
    (void)close(fd);
    return full;
}

/* A write of the header that failed half-way leaves LMDB unusable until the file is opened anew. */
static int commit(struct kith_disk_store *store, struct kith_list *first,
                  const struct kith_list *end) {
    int rc = store->env == NULL ? open_env_fitting(store) : 0;

    if (rc != 0) {
        return error_of(rc);
    }
    do {
        rc = commit_once(store, first, end);
    } while (rc == MDB_MAP_FULL && grow(store));
    rc = rc == EIO && is_full(store) ? ENOSPC : rc;
    if (rc == MDB_PANIC) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    return error_of(rc);
}

/* What a caller may see: its callback knows two failures. */
static int status_of(int error) {
    return error == 0 || error == KITH_ENO_SPACE ? error : KITH_EIO;
}

void kith_disk_store_commit(struct kith_disk_store *store, struct kith_list *writes) {
    struct kith_list *first = kith_list_first(writes);
    int status = first == NULL ? 0 : status_of(commit(store, first, writes));

    for (struct kith_list *link = first; link != NULL; link = kith_list_next(writes, link)) {
        struct kith_disk_write *write = kith_container_of(link, struct kith_disk_write, link);
        write->status = status;
        if (status < 0 && write->table == KITH_DISK_OWN) {
            write->status = status_of(commit(store, link, link->next));
        }
    }
}

/* ---- reading ---- */

int kith_disk_store_each(struct kith_disk_store *store, enum kith_disk_table table,
                         void (*fn)(void *user, struct kith_span key, struct kith_span value),
                         void *user) {
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    int rc = store->env == NULL ? EIO : mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

    if (rc != 0) {
        return rc == ENOMEM ? KITH_ENOMEM : KITH_EIO;
    }
    rc = mdb_cursor_open(txn, store->tables[table], &cursor);
    if (rc == 0) {
        while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
            fn(user, kith_span(key.mv_data, key.mv_size), kith_span(value.mv_data, value.mv_size));
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    if (rc == MDB_NOTFOUND) {
        return 0;
    }
    return rc == ENOMEM ? KITH_ENOMEM : KITH_EIO;
}
