/* SPDX-License-Identifier: MIT */
/* disk: a real database in a temporary directory; full disks and killed processes included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "disk_testing.h"

/* ---- saving and loading ---- */

static void test_round_trip(void **state) {
    struct fixture *f = *state;
    struct kith_record own = make_record(1, KITH_VALUE_MAX);
    struct kith_record held = make_record(2, 1);
    struct kith_record immutable = {.value_size = 10, .value = "8:immutabl"};
    struct kith_disk_record announcement = {
        .is_announcement = true, .topic = {{0xab}}, .expires_us = 77, .record = &held};

    assert_int_equal(open_disk(f), 0);
    assert_int_equal(f->n_logs, 0); /* a first start is not worth a word */
    own.salt_size = KITH_SALT_MAX;
    assert_int_equal(kith_disk_save(f->disk,
                                    &(struct kith_disk_record){.own = true, .record = &own},
                                    on_saved, f),
                     0);
    assert_int_equal(
        kith_disk_save(f->disk, &(struct kith_disk_record){.record = &immutable}, on_saved, f), 0);
    assert_int_equal(kith_disk_save(f->disk, &announcement, on_saved, f), 0);
    assert_int_equal(f->n_done, 0); /* from the loop only */
    run_until_done(f, 3);
    assert_int_equal(f->n_failed, 0);
    reopen(f);
    load(f);
    assert_int_equal(f->n_records, 3);
    assert_int_equal(f->n_own, 1);
    assert_int_equal(f->n_announcements, 1);
    assert_int_equal(f->n_blobs, 0);
    /* Key order puts the announcement last. */
    check_record(&f->last_record, &held);
    assert_memory_equal(&f->last.topic, &announcement.topic, sizeof(announcement.topic));
    assert_int_equal(f->last.expires_us, 77);
    assert_int_equal(f->n_logs, 0);
    close_disk(f);
}

/* The address book: value by key, whatever they mean. */
static void test_blobs(void **state) {
    uint8_t longest[KITH_DISK_BLOB_KEY_MAX + 1];
    struct fixture *f = *state;

    memset(longest, 'z', sizeof(longest));
    assert_int_equal(open_disk(f), 0);
    assert_int_equal(save_blob(f, "b", "first"), 0);
    assert_int_equal(save_blob(f, "a", ""), 0);
    assert_int_equal(save_blob(f, "b", "second"), 0);
    assert_int_equal(save_blob(f, "c", "third"), 0);
    assert_int_equal(save_blob(f, "c", NULL), 0);
    assert_int_equal(save_blob(f, "never there", NULL), 0);
    assert_int_equal(kith_disk_save_blob(f->disk, kith_span(longest, 64), kith_span(longest, 64),
                                         false, NULL, NULL),
                     0);
    assert_int_equal(f->n_done, 0); /* from the loop only */
    run_until_done(f, 6);
    assert_int_equal(f->n_failed, 0);
    reopen(f);
    load(f);
    assert_int_equal(f->n_blobs, 3);
    check_blob(f, 0, "a", "");
    check_blob(f, 1, "b", "second");
    assert_memory_equal(f->blobs[2], longest, 64);
    assert_memory_equal(f->blobs[2] + 64, longest, 64);
    f->n_blobs = f->n_records = 0;
    assert_int_equal(kith_disk_load_blobs(f->disk, on_blob, f), 0);
    assert_int_equal(f->n_blobs, 3);
    assert_int_equal(f->n_records, 0);
    assert_int_equal(f->n_logs, 0);
    close_disk(f);
}

static void test_refused_blobs(void **state) {
    static const uint8_t bytes[65];
    struct fixture *f = *state;

    assert_int_equal(open_disk(f), 0);
    assert_int_equal(save_blob(f, "", "no key"), KITH_EINVALID);
    assert_int_equal(
        kith_disk_save_blob(f->disk, kith_span(bytes, 65), kith_span(bytes, 1), false, NULL, NULL),
        KITH_EINVALID);
    assert_int_equal(
        kith_disk_save_blob(f->disk, kith_span(bytes, 1), kith_span(bytes, 65), false, NULL, NULL),
        KITH_EINVALID);
    load(f);
    assert_int_equal(f->n_blobs, 0);
    close_disk(f);
}

static void on_saved_more(void *user, int status) {
    struct fixture *f = user;

    on_saved(user, status);
    if (f->n_done == 1) {
        assert_int_equal(save_blob(f, "b", "saved by a callback"), 0);
    }
}

/* A book of any size is saved batch by batch, each queued by the end of the one before: closing
 * goes on until nothing new comes. */
static void test_blobs_while_closing(void **state) {
    struct fixture *f = *state;

    assert_int_equal(open_disk(f), 0);
    assert_int_equal(kith_disk_save_blob(f->disk, kith_span_text("a"), kith_span_text("1"), false,
                                         on_saved_more, f),
                     0);
    close_disk(f);
    assert_int_equal(f->n_done, 2);
    assert_int_equal(open_disk(f), 0);
    load(f);
    assert_int_equal(f->n_blobs, 2);
    close_disk(f);
}

/* Of blobs only so many wait; records do not mind. */
static void test_blobs_bound(void **state) {
    struct fixture *f = *state;
    unsigned n = 0;

    assert_int_equal(open_disk(f), 0);
    while (save_blob(f, "a", "value") == 0) {
        n++;
    }
    assert_int_equal(n, 4096);
    assert_int_equal(save_blob(f, "a", NULL), KITH_EFULL);
    save_own(f, 1, 10);
    run_until_done(f, n + 1);
    assert_int_equal(save_blob(f, "a", NULL), 0); /* room again */
    close_disk(f);
}

/* One slot per (key, salt): the later save wins. Forgetting takes exactly what it names. */
static void test_slots(void **state) {
    struct fixture *f = *state;
    struct kith_record older = make_record(1, 10);
    struct kith_record newer = older;
    struct kith_disk_record entry = {.expires_us = 5, .record = &older};

    newer.seq = 100;
    assert_int_equal(open_disk(f), 0);
    assert_int_equal(kith_disk_save(f->disk, &entry, NULL, NULL), 0);
    entry.record = &newer;
    assert_int_equal(kith_disk_save(f->disk, &entry, NULL, NULL), 0);
    entry.record = &older;
    assert_int_equal(kith_disk_forget(f->disk, &entry), 0); /* replaced: nothing to forget */
    reopen(f);
    load(f);
    assert_int_equal(f->n_records, 1);
    assert_int_equal(f->last_record.seq, 100);
    entry.record = &newer;
    entry.expires_us = 6; /* its lifetime may have been renewed in memory */
    assert_int_equal(kith_disk_forget(f->disk, &entry), 0);
    assert_int_equal(kith_disk_forget(f->disk, &entry), 0);
    reopen(f);
    load(f);
    assert_int_equal(f->n_records, 0);
    close_disk(f);
}

/* A node forgets what expired while it was down, from inside the load. */
static void test_forget_while_loading(void **state) {
    struct fixture *f = *state;

    assert_int_equal(open_disk(f), 0);
    for (unsigned i = 0; i < 300; i++) {
        save_own(f, i, 100);
    }
    reopen(f);
    assert_int_equal(kith_disk_load(f->disk, forget_in_load, on_blob, f), 0);
    reopen(f);
    load(f);
    assert_int_equal(f->n_records, 0);
    close_disk(f);
}

/* Held records come from strangers: their queue ends. Own ones are always taken. */
static void test_queue_bound(void **state) {
    struct fixture *f = *state;
    struct kith_record record = make_record(1, 10);
    struct kith_disk_record entry = {.record = &record};
    unsigned n = 0;

    assert_int_equal(open_disk(f), 0);
    while (kith_disk_save(f->disk, &entry, NULL, NULL) == 0) {
        n++;
    }
    assert_int_equal(n, 4096);
    assert_int_equal(kith_disk_save(f->disk, &entry, NULL, NULL), KITH_EFULL);
    assert_int_equal(kith_disk_forget(f->disk, &entry), KITH_EFULL);
    save_own(f, 1, 10);
    run_until_done(f, 1);
    assert_int_equal(kith_disk_save(f->disk, &entry, NULL, NULL), 0); /* room again */
    close_disk(f);
}

static void test_refused_records(void **state) {
    struct fixture *f = *state;
    struct kith_record records[3] = {make_record(1, 10), make_record(1, 10), make_record(1, 10)};

    records[0].salt_size = KITH_SALT_MAX + 1;
    records[1].value_size = KITH_VALUE_MAX + 1;
    records[2].seq = -1;
    assert_int_equal(open_disk(f), 0);
    for (unsigned i = 0; i < 3; i++) {
        const struct kith_disk_record entry = {.own = true, .record = &records[i]};
        assert_int_equal(kith_disk_save(f->disk, &entry, on_saved, f), KITH_EINVALID);
    }
    close_disk(f);
    assert_int_equal(f->n_done, 0);
}

/* Closing commits and calls back without the loop, whatever the job was doing. */
static void test_close_flushes(void **state) {
    struct fixture *f = *state;

    for (unsigned round = 0; round < 20; round++) {
        assert_int_equal(open_disk(f), 0);
        f->n_done = 0;
        for (unsigned i = 0; i < 5; i++) {
            save_own(f, round * 5 + i, 900);
        }
        if (round % 2 == 0) {
            (void)uv_run(&f->loop, UV_RUN_NOWAIT);
            save_own(f, round * 5, 900);
        }
        close_disk(f);
        assert_int_equal(f->n_done, round % 2 == 0 ? 6 : 5);
        assert_int_equal(f->n_failed, 0);
    }
    assert_int_equal(open_disk(f), 0);
    load(f);
    assert_int_equal(f->n_own, 100);
    close_disk(f);
    assert_null(kith_disk_close(NULL));
}

static void close_on_saved(void *user, int status) {
    struct fixture *f = user;

    f->n_done++;
    f->disk = kith_disk_close(f->disk);
}

/* A callback may close the disk it was called from. */
static void test_close_in_callback(void **state) {
    struct fixture *f = *state;
    struct kith_record record = make_record(1, 10);
    const struct kith_disk_record entry = {.own = true, .record = &record};

    assert_int_equal(open_disk(f), 0);
    assert_int_equal(kith_disk_save(f->disk, &entry, close_on_saved, f), 0);
    run_until_done(f, 1);
    assert_null(f->disk);
}

/* The map starts too small for what is written and grows. */
static void test_map_growth(void **state) {
    struct fixture *f = *state;
    const struct kith_disk_config config = {.loop = &f->loop, .dir = f->dir};
    enum { N = 2000 };

    assert_int_equal(kith_disk_open_sized(&f->disk, &config, 128 * 1024, NULL), 0);
    for (unsigned i = 0; i < N; i++) {
        save_own(f, i, KITH_VALUE_MAX);
        if (i % 100 == 99) {
            run_until_done(f, i + 1);
        }
    }
    assert_int_equal(f->n_failed, 0);
    close_disk(f);
    /* And the file, now larger than the map asked for, opens. */
    assert_int_equal(kith_disk_open_sized(&f->disk, &config, 128 * 1024, NULL), 0);
    load(f);
    assert_int_equal(f->n_own, N);
    save_own(f, N, KITH_VALUE_MAX);
    close_disk(f);
    assert_int_equal(f->n_failed, 0);
}

/* ---- who may open what ---- */

static void test_second_open(void **state) {
    struct fixture *f = *state;
    const struct kith_disk_config config = {.loop = &f->loop, .dir = f->dir};
    struct kith_error_info info = {0};
    struct kith_disk *second = NULL;
    char pid[32];

    assert_int_equal(open_disk(f), 0);
    assert_int_equal(kith_disk_open(&second, &config, &info), KITH_ELOCKED);
    assert_null(second);
    assert_int_equal(info.code, KITH_ELOCKED);
    snprintf(pid, sizeof(pid), "process %ld;", (long)getpid());
    assert_non_null(strstr(info.message, pid));
    assert_non_null(strstr(info.message, f->dir));
    close_disk(f);
    assert_int_equal(kith_disk_open(&second, &config, &info), 0);
    (void)kith_disk_close(second);
}

static void test_directory(void **state) {
    struct fixture *f = *state;
    struct stat status;

    assert_int_equal(open_disk(f), 0);
    assert_int_equal(stat(f->dir, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    close_disk(f);

    snprintf(f->dir, sizeof(f->dir), "%s/missing/data", f->root);
    assert_int_equal(open_disk(f), KITH_EIO);
    assert_non_null(strstr(f->info.message, "mkdir -p"));

    snprintf(f->dir, sizeof(f->dir), "%s/file", f->root);
    write_file(f->dir, "x", 1);
    assert_int_equal(open_disk(f), KITH_EIO);
    assert_non_null(strstr(f->info.message, "not a directory"));
}

/* Runs `fn` in a child; its return value. */
static int in_child(struct fixture *f, int (*fn)(struct fixture *f)) {
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(fn(f));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int open_as_nobody(struct fixture *f) {
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0)) {
        return 77;
    }
    if (open_disk(f) != KITH_EPERMISSION) {
        return 1;
    }
    return strstr(f->info.message, f->dir) != NULL && strstr(f->info.message, "chown") != NULL ? 0
                                                                                               : 2;
}

static void test_unwritable_directory(void **state) {
    struct fixture *f = *state;

    assert_int_equal(chmod(f->root, 0755), 0);
    assert_int_equal(mkdir(f->dir, 0555), 0);
    int r = in_child(f, open_as_nobody);
    if (r == 77) {
        skip();
    }
    assert_int_equal(r, 0);
}

/* ---- full disks, killed processes ---- */

/* The file may not grow: own records are reported as lost, what was durable stays, and when there
 * is room again writing goes on. */
static int fill_limited_file(struct fixture *f) {
    struct rlimit limit;
    unsigned n_saved;

    (void)signal(SIGXFSZ, SIG_IGN);
    /* The parent's loop does not work in a child. */
    if (uv_loop_close(&f->loop) != 0 || uv_loop_init(&f->loop) != 0 || open_disk(f) != 0 ||
        getrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 1;
    }
    limit.rlim_cur = 256 * 1024;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 2;
    }
    for (unsigned i = 0; i < 1000 && f->n_failed == 0; i++) {
        save_own(f, i, KITH_VALUE_MAX);
        run_until_done(f, i + 1);
    }
    if (f->n_failed != 1 || f->last_status != KITH_ENO_SPACE || f->n_logs != 1) {
        return 3;
    }
    n_saved = f->n_done - 1;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 4;
    }
    save_own(f, 2000, KITH_VALUE_MAX);
    close_disk(f);
    if (f->n_failed != 1 || f->n_logs != 2 || open_disk(f) != 0) {
        return 5;
    }
    load(f);
    close_disk(f);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    return uv_loop_close(&f->loop) == 0 && f->n_own == n_saved + 1 ? 0 : 6;
}

static void test_full_disk(void **state) {
    struct fixture *f = *state;

    assert_int_equal(in_child(f, fill_limited_file), 0);
}

/* No room even to begin. */
static int open_without_room(struct fixture *f) {
    struct rlimit limit = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};

    (void)signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 1;
    }
    limit.rlim_cur = 0;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 1;
    }
    return open_disk(f) == KITH_ENO_SPACE && strstr(f->info.message, f->dir) != NULL ? 0 : 2;
}

static void test_open_on_full_disk(void **state) {
    struct fixture *f = *state;

    assert_int_equal(in_child(f, open_without_room), 0);
}

struct writer {
    int pipe;
    uint8_t number;
};

static void tell_parent(void *user, int status) {
    struct writer *writer = user;

    if (status != 0 || write(writer->pipe, &writer->number, 1) != 1) {
        _exit(3);
    }
}

/* Saves as fast as it can and tells the parent what is durable, until it is killed. */
static void write_until_killed(struct fixture *f, int pipe) {
    static struct writer writers[200];

    if (uv_loop_init(&f->loop) != 0 || open_disk(f) != 0) {
        _exit(1);
    }
    for (unsigned i = 0; i < 200; i++) {
        struct kith_record record = make_record(i, 600);
        const struct kith_disk_record entry = {.own = true, .record = &record};
        writers[i] = (struct writer){pipe, (uint8_t)i};
        if (kith_disk_save(f->disk, &entry, tell_parent, &writers[i]) != 0) {
            _exit(2);
        }
        if (i % 8 == 7) {
            (void)uv_run(&f->loop, UV_RUN_ONCE);
        }
    }
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    (void)close(pipe);
    for (;;) {
        (void)pause();
    }
}

static void mark_loaded(void *user, const struct kith_disk_record *r) {
    ((bool *)user)[r->record->salt[0]] = true;
}

static void ignore_blob(void *user, struct kith_span key, struct kith_span value) {
}

static void test_killed_writer(void **state) {
    struct fixture *f = *state;

    for (unsigned round = 0; round < 10; round++) {
        bool acked[256] = {false};
        bool loaded[256] = {false};
        unsigned n = 0;
        int ends[2];
        uint8_t number;
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)close(ends[0]);
            write_until_killed(f, ends[1]);
        }
        (void)close(ends[1]);
        while (n < 5 + round * 20 && read(ends[0], &number, 1) == 1) {
            acked[number] = true;
            n++;
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        while (read(ends[0], &number, 1) == 1) { /* what it said before it died */
            acked[number] = true;
        }
        (void)close(ends[0]);
        assert_true(n > 0);
        assert_int_equal(open_disk(f), 0);
        assert_int_equal(f->n_logs, 0);
        assert_int_equal(kith_disk_load(f->disk, mark_loaded, ignore_blob, loaded), 0);
        for (unsigned i = 0; i < 256; i++) {
            assert_true(!acked[i] || loaded[i]);
        }
        close_disk(f);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_slots),
        TEST(test_blobs),
        TEST(test_refused_blobs),
        TEST(test_blobs_while_closing),
        TEST(test_blobs_bound),
        TEST(test_forget_while_loading),
        TEST(test_queue_bound),
        TEST(test_refused_records),
        TEST(test_close_flushes),
        TEST(test_close_in_callback),
        TEST(test_map_growth),
        TEST(test_second_open),
        TEST(test_directory),
        TEST(test_unwritable_directory),
        TEST(test_full_disk),
        TEST(test_open_on_full_disk),
        TEST(test_killed_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
