/* SPDX-License-Identifier: MIT */
/*
 * disk: the queue between a node and its database.
 *
 * A durable commit waits for the disk, so it must not run on the loop, and it costs the same for
 * one write as for a thousand. Hence group commit: writes gather in a queue while a job on libuv's
 * pool commits the group before; when it is done the next job takes whatever has gathered. Latency
 * is one to two commits, throughput grows with load, and there is exactly one user of the database
 * at a time: the job, or this thread while there is no job (opening, loading, closing).
 *
 *     queue --start_job--> job->writes --(pool thread) commit--> on_job_done --> callbacks
 *
 * Order: writes are applied and reported in the order they were queued. Before any callback runs,
 * the disk is ready for the next job, so a callback may save, or close.
 *
 * Closing must not run the loop. It takes the job's writes back if the job has not begun, else
 * waits for it on a condition variable; then it commits what is left on this thread. The job itself
 * is an allocation of its own that libuv still refers to: orphaned (`disk` NULL), it is freed by
 * its own callback in a later loop iteration.
 *
 * Bounds: held records come from strangers, at most HELD_WAITING_MAX writes of them wait; own
 * records come from the application, which waits for its callbacks; of the book's blobs at most
 * BLOBS_WAITING_MAX wait, the rest stays with whoever knows that it is unsaved.
 */
#include "shell/disk.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kith/node.h"
#include "shell/disk_internal.h"
#include "shell/refuse.h"

enum {
    HELD_WAITING_MAX = 4096,
    BLOBS_WAITING_MAX = 4096,
};

#define MAP_SIZE_DEFAULT (sizeof(size_t) > 4 ? (size_t)1 << 30 : (size_t)1 << 28)

struct disk_job {
    uv_work_t work;
    struct kith_disk *disk; /* NULL: the disk was closed */
    struct kith_disk_store *store;
    struct kith_list writes;
    uv_mutex_t mutex;
    uv_cond_t committed;
    bool is_committed; /* under the mutex */
};

struct kith_disk {
    struct kith_disk_config config;
    struct kith_disk_store store;
    int lock_fd;
    struct kith_list queue;
    unsigned n_waiting[KITH_DISK_N_TABLES]; /* writes not reported yet */
    struct disk_job *job;                   /* reused */
    bool job_running;
    bool loading; /* this thread uses the database: no job may begin */
    bool failing; /* the last group failed: said once */
};

__attribute__((format(printf, 3, 4))) static void say(const struct kith_disk *disk, int level,
                                                      const char *format, ...) {
    char message[512];
    va_list args;

    if (disk->config.on_log != NULL) {
        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        disk->config.on_log(disk->config.context, level, message);
    }
}

/* Moves everything in `from` to the front of `to`. */
static void splice_front(struct kith_list *to, struct kith_list *from) {
    if (kith_list_empty(from)) {
        return;
    }
    from->prev->next = to->next;
    to->next->prev = from->prev;
    to->next = from->next;
    from->next->prev = to;
    kith_list_init(from);
}

/* ---- reporting ---- */

/* One line when writing begins to fail, one when it works again. */
static void report_health(struct kith_disk *disk, const struct kith_list *writes) {
    int status = 0;

    for (struct kith_list *link = kith_list_first(writes); link != NULL && status == 0;
         link = kith_list_next(writes, link)) {
        status = kith_container_of(link, struct kith_disk_write, link)->status;
    }
    if (status < 0 && !disk->failing) {
        say(disk, KITH_LOG_ERROR,
            "writing to %s fails: %s; until it works, changes are only in memory", disk->store.path,
            kith_strerror(status));
    } else if (status == 0 && disk->failing) {
        say(disk, KITH_LOG_INFO, "writing to %s works again", disk->store.path);
    }
    disk->failing = status < 0;
}

/* Before the callbacks: one of them may close the disk. */
static void settle(struct kith_disk *disk, const struct kith_list *writes) {
    for (struct kith_list *link = kith_list_first(writes); link != NULL;
         link = kith_list_next(writes, link)) {
        disk->n_waiting[kith_container_of(link, struct kith_disk_write, link)->table]--;
    }
    report_health(disk, writes);
}

static void call_back(struct kith_list *writes) {
    struct kith_list *link;

    while ((link = kith_list_first(writes)) != NULL) {
        struct kith_disk_write *write = kith_container_of(link, struct kith_disk_write, link);
        kith_list_remove(link);
        if (write->fn != NULL) {
            write->fn(write->user, write->status);
        }
        free(write);
    }
}

/* ---- jobs ---- */

static struct disk_job *job_free(struct disk_job *job) {
    uv_cond_destroy(&job->committed);
    uv_mutex_destroy(&job->mutex);
    free(job);
    return NULL;
}

static struct disk_job *job_new(struct kith_disk *disk) {
    struct disk_job *job = calloc(1, sizeof(*job));

    if (job == NULL) {
        return NULL;
    }
    if (uv_mutex_init(&job->mutex) != 0) {
        free(job);
        return NULL;
    }
    if (uv_cond_init(&job->committed) != 0) {
        uv_mutex_destroy(&job->mutex);
        free(job);
        return NULL;
    }
    job->disk = disk;
    job->store = &disk->store;
    kith_list_init(&job->writes);
    return job;
}

/* On a thread of the pool. */
static void run_job(uv_work_t *work) {
    struct disk_job *job = kith_container_of(work, struct disk_job, work);

    kith_disk_store_commit(job->store, &job->writes);
    uv_mutex_lock(&job->mutex);
    job->is_committed = true;
    uv_cond_signal(&job->committed);
    uv_mutex_unlock(&job->mutex);
}

static void on_job_done(uv_work_t *work, int status);

/* Takes the queue, if there is one and nobody else uses the database. */
static void start_job(struct kith_disk *disk) {
    struct disk_job *job = disk->job;

    if (disk->job_running || disk->loading || kith_list_empty(&disk->queue)) {
        return;
    }
    splice_front(&job->writes, &disk->queue);
    job->is_committed = false;
    disk->job_running = true;
    (void)uv_queue_work(disk->config.loop, &job->work, run_job, on_job_done); /* cannot fail */
}

static void on_job_done(uv_work_t *work, int status) {
    struct disk_job *job = kith_container_of(work, struct disk_job, work);
    struct kith_disk *disk = job->disk;
    struct kith_list done;

    if (disk == NULL) {
        (void)job_free(job);
        return;
    }
    kith_list_init(&done);
    splice_front(&done, &job->writes);
    disk->job_running = false;
    settle(disk, &done);
    start_job(disk);
    call_back(&done);
}

/* ---- opening and closing ---- */

int kith_disk_open_sized(struct kith_disk **ret, const struct kith_disk_config *config,
                         size_t map_size, struct kith_error_info *info) {
    struct kith_disk *disk = calloc(1, sizeof(*disk));
    int r;

    if (disk == NULL) {
        return kith_refuse(info, KITH_ENOMEM, "out of memory");
    }
    disk->config = *config;
    disk->config.dir = NULL; /* borrowed for this call only */
    disk->lock_fd = -1;
    kith_list_init(&disk->queue);
    disk->job = job_new(disk);
    r = disk->job == NULL ? kith_refuse(info, KITH_ENOMEM, "out of memory") : 0;
    if (r == 0) {
        r = kith_disk_dir_make(config->dir, info);
    }
    if (r == 0) {
        r = kith_disk_dir_lock(config->dir, &disk->lock_fd, info);
    }
    if (r == 0) {
        r = kith_disk_store_open(&disk->store, config, map_size, info);
    }
    if (r < 0) {
        (void)kith_disk_close(disk);
        return r;
    }
    *ret = disk;
    return 0;
}

int kith_disk_open(struct kith_disk **ret, const struct kith_disk_config *config,
                   struct kith_error_info *info) {
    return kith_disk_open_sized(ret, config, MAP_SIZE_DEFAULT, info);
}

/* Until the job has committed what it took. */
static void wait_job(struct disk_job *job) {
    uv_mutex_lock(&job->mutex);
    while (!job->is_committed) {
        uv_cond_wait(&job->committed, &job->mutex);
    }
    uv_mutex_unlock(&job->mutex);
}

/* Afterwards libuv may know the job, but the pool does not use the database any more. */
static void end_job(struct kith_disk *disk) {
    struct disk_job *job = disk->job;
    struct kith_list done;

    disk->job = NULL;
    if (!disk->job_running) {
        (void)job_free(job);
        return;
    }
    disk->job_running = false;
    job->disk = NULL;
    if (uv_cancel((uv_req_t *)&job->work) == 0) {
        splice_front(&disk->queue, &job->writes);
        return;
    }
    wait_job(job);
    kith_list_init(&done);
    splice_front(&done, &job->writes);
    settle(disk, &done);
    call_back(&done);
}

struct kith_disk *kith_disk_close(struct kith_disk *disk) {
    if (disk == NULL) {
        return NULL;
    }
    disk->loading = true; /* no new job: what callbacks save is committed below */
    if (disk->job != NULL) {
        end_job(disk);
    }
    while (!kith_list_empty(&disk->queue)) {
        struct kith_list last;
        kith_list_init(&last);
        splice_front(&last, &disk->queue);
        kith_disk_store_commit(&disk->store, &last);
        settle(disk, &last);
        call_back(&last);
    }
    kith_disk_store_close(&disk->store);
    if (disk->lock_fd >= 0) {
        (void)close(disk->lock_fd);
    }
    free(disk);
    return NULL;
}

/* ---- loading ---- */

struct load {
    enum kith_disk_table table;
    void (*on_record)(void *user, const struct kith_disk_record *r);
    kith_disk_blob_fn on_blob;
    const char *name; /* of the document wanted */
    void (*on_state)(void *user, struct kith_span value);
    void *user;
    unsigned n_damaged;
};

static void on_state(struct load *load, struct kith_span key, struct kith_span value) {
    struct kith_span document;

    if (kith_span_equal(key, kith_span_text(load->name)) &&
        kith_disk_decode_state(key, value, &document) == 0) {
        load->on_state(load->user, document);
    }
}

static void on_entry(void *user, struct kith_span key, struct kith_span value) {
    struct load *load = user;
    struct kith_record record;
    struct kith_disk_record entry;
    struct kith_span blob;

    if (load->table == KITH_DISK_STATE) {
        on_state(load, key, value);
        return;
    }
    if (load->table == KITH_DISK_BOOK) {
        if (kith_disk_decode_blob(key, value, &blob) == 0) {
            load->on_blob(load->user, key, blob);
            return;
        }
    } else if (kith_disk_decode_record(load->table, key, value, &entry, &record) == 0) {
        load->on_record(load->user, &entry);
        return;
    }
    load->n_damaged++;
}

/* Runs with the tables open for reading, so no job may begin: what callbacks queue waits. */
static int load_tables(struct kith_disk *disk, struct load *load, enum kith_disk_table first,
                       enum kith_disk_table last) {
    int r = 0;

    if (disk->job_running) {
        wait_job(disk->job);
    }
    disk->loading = true;
    for (load->table = first; r == 0 && load->table <= last; load->table++) {
        r = kith_disk_store_each(&disk->store, load->table, on_entry, load);
    }
    disk->loading = false;
    start_job(disk);
    return r;
}

int kith_disk_load(struct kith_disk *disk,
                   void (*on_record)(void *user, const struct kith_disk_record *r),
                   kith_disk_blob_fn on_blob, void *user) {
    struct load load = {.on_record = on_record, .on_blob = on_blob, .user = user};
    int r = load_tables(disk, &load, KITH_DISK_OWN, KITH_DISK_BOOK);

    if (load.n_damaged > 0) {
        say(disk, KITH_LOG_WARN, "%u entries of %s are damaged and were skipped", load.n_damaged,
            disk->store.path);
    }
    return r;
}

int kith_disk_load_blobs(struct kith_disk *disk, kith_disk_blob_fn on_blob, void *user) {
    struct load load = {.on_blob = on_blob, .user = user};

    return load_tables(disk, &load, KITH_DISK_BOOK, KITH_DISK_BOOK);
}

int kith_disk_load_state(struct kith_disk *disk, const char *name,
                         void (*fn)(void *user, struct kith_span value), void *user) {
    struct load load = {.name = name, .on_state = fn, .user = user};

    return load_tables(disk, &load, KITH_DISK_STATE, KITH_DISK_STATE);
}

/* ---- writing ---- */

static struct kith_disk_write *write_new(size_t key_size, size_t value_size) {
    struct kith_disk_write *write = calloc(1, sizeof(*write) + key_size + value_size);

    if (write != NULL) {
        write->key_size = key_size;
        write->value_size = value_size;
    }
    return write;
}

static int queue_entry(struct kith_disk *disk, const struct kith_disk_entry *entry,
                       enum kith_disk_what what, kith_disk_fn fn, void *user) {
    size_t value_size = what == KITH_DISK_REMOVE ? 0 : entry->value_size;
    struct kith_disk_write *write = write_new(entry->key_size, value_size);

    if (write == NULL) {
        return KITH_ENOMEM;
    }
    memcpy(write->bytes, entry->key, entry->key_size);
    memcpy(write->bytes + entry->key_size, entry->value, value_size);
    write->what = what;
    write->table = entry->table;
    write->fn = fn;
    write->user = user;
    disk->n_waiting[entry->table]++;
    kith_list_append(&disk->queue, &write->link);
    start_job(disk);
    return 0;
}

static int queue_record(struct kith_disk *disk, const struct kith_disk_record *record,
                        enum kith_disk_what what, kith_disk_fn fn, void *user) {
    struct kith_disk_entry entry;

    if (!record->own && disk->n_waiting[KITH_DISK_HELD] >= HELD_WAITING_MAX) {
        return KITH_EFULL;
    }
    int r = kith_disk_encode_record(record, &entry);
    return r < 0 ? r : queue_entry(disk, &entry, what, fn, user);
}

int kith_disk_save(struct kith_disk *disk, const struct kith_disk_record *record, kith_disk_fn fn,
                   void *user) {
    return queue_record(disk, record, KITH_DISK_PUT, fn, user);
}

int kith_disk_forget(struct kith_disk *disk, const struct kith_disk_record *record) {
    return queue_record(disk, record, KITH_DISK_DELETE, NULL, NULL);
}

int kith_disk_save_blob(struct kith_disk *disk, struct kith_span key, struct kith_span value,
                        bool removed, kith_disk_fn fn, void *user) {
    struct kith_disk_entry entry;

    if (disk->n_waiting[KITH_DISK_BOOK] >= BLOBS_WAITING_MAX) {
        return KITH_EFULL;
    }
    int r = kith_disk_encode_blob(key, removed ? kith_span(NULL, 0) : value, &entry);
    return r < 0 ? r
                 : queue_entry(disk, &entry, removed ? KITH_DISK_REMOVE : KITH_DISK_PUT, fn, user);
}

int kith_disk_save_state(struct kith_disk *disk, const char *name, struct kith_span value) {
    struct kith_disk_entry entry;
    int r = kith_disk_encode_state(name, value, &entry);

    return r < 0 ? r : queue_entry(disk, &entry, KITH_DISK_PUT, NULL, NULL);
}
