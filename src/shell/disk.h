/* SPDX-License-Identifier: MIT */
/*
 * disk: what a node remembers: own records, records held for others, the address book as small
 * blobs whose meaning is the core's, and a few named documents. LMDB, one environment "DIR/db",
 * under a lock file "DIR/lock" that keeps a second process out.
 *
 * Writes are queued in memory and committed in groups by one job at a time on the loop's thread
 * pool; a callback tells when a write is durable. Opening and loading are synchronous, at start
 * only. The schema is versioned: a newer one is refused (KITH_EVERSION); a damaged or foreign
 * database is moved aside to "db.set-aside-N", reported, and a fresh one begun. Nothing is ever
 * deleted.
 */
#ifndef KITH_SHELL_DISK_H
#define KITH_SHELL_DISK_H

#include <uv.h>

#include "kith/error.h"
#include "kith/types.h"
#include "util/span.h"

struct kith_disk; /* opaque */

enum {
    KITH_DISK_BLOB_KEY_MAX = 64, /* and at least 1 */
    KITH_DISK_BLOB_VALUE_MAX = 64,
    KITH_DISK_STATE_MAX = 8192, /* bytes of a named document */
};

/* A record as kept. Times are Unix microseconds, since the disk outlives monotonic clocks. */
struct kith_disk_record {
    bool own;
    bool is_announcement;
    struct kith_point topic; /* announcements */
    uint64_t expires_us;     /* held records */
    uint32_t swarms;         /* own: KITH_SWARM_* it is published in; 0: kith's own */
    const struct kith_record *record;
};

struct kith_disk_config {
    uv_loop_t *loop;
    const char *dir; /* made with mode 0700 if missing */
    void (*on_log)(void *context, int level, const char *message); /* enum kith_log_level */
    void *context;
};

/* -> KITH_ELOCKED (names the other process), KITH_EPERMISSION, KITH_EIO, KITH_ENO_SPACE,
 * KITH_EVERSION, KITH_ENOMEM */
KITH_MUST_CHECK int kith_disk_open(struct kith_disk **ret, const struct kith_disk_config *config,
                                   struct kith_error_info *info);

/* One blob of the book; the spans are valid during the call. */
typedef void (*kith_disk_blob_fn)(void *user, struct kith_span key, struct kith_span value);

/* Every record and blob on disk, in key order. Entries that do not decode are skipped and reported
 * in one line. What the callbacks queue is written afterwards. */
KITH_MUST_CHECK int kith_disk_load(struct kith_disk *disk,
                                   void (*on_record)(void *user, const struct kith_disk_record *r),
                                   kith_disk_blob_fn on_blob, void *user);
/* The blobs alone, and without a word about damaged ones. */
KITH_MUST_CHECK int kith_disk_load_blobs(struct kith_disk *disk, kith_disk_blob_fn on_blob,
                                         void *user);

/* Called once, from the loop, when the write is durable (status 0) or failed (KITH_ENO_SPACE,
 * KITH_EIO). */
typedef void (*kith_disk_fn)(void *user, int status);

/* Queues a write. `fn` may be NULL. The queue is bounded for held records: over 4,096 waiting they
 * are dropped (they can be had again); own records are always queued. -> KITH_ENOMEM, KITH_EFULL */
KITH_MUST_CHECK int kith_disk_save(struct kith_disk *disk, const struct kith_disk_record *record,
                                   kith_disk_fn fn, void *user);
KITH_MUST_CHECK int kith_disk_forget(struct kith_disk *disk, const struct kith_disk_record *record);
/* Queues a blob of the book, or (`removed`: `value` is ignored) the removal of its key. `fn` may be
 * NULL. Over 4,096 waiting -> KITH_EFULL. -> KITH_EINVALID (sizes), KITH_ENOMEM */
KITH_MUST_CHECK int kith_disk_save_blob(struct kith_disk *disk, struct kith_span key,
                                        struct kith_span value, bool removed, kith_disk_fn fn,
                                        void *user);

/* A named document: whatever a part of the node wants back whole after a restart. `name` has at
 * most KITH_DISK_BLOB_KEY_MAX bytes. -> KITH_EINVALID (sizes), KITH_ENOMEM */
KITH_MUST_CHECK int kith_disk_save_state(struct kith_disk *disk, const char *name,
                                         struct kith_span value);
/* Calls `fn` with the document as it is durable now; not at all if there is none, or it is damaged.
 */
KITH_MUST_CHECK int kith_disk_load_state(struct kith_disk *disk, const char *name,
                                         void (*fn)(void *user, struct kith_span value),
                                         void *user);

/* Commits what is queued, waits for it (the callbacks run inside this call), releases the lock and
 * frees. NULL is ignored. */
struct kith_disk *kith_disk_close(struct kith_disk *disk);

#endif
