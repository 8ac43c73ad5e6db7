/* SPDX-License-Identifier: MIT */
/* disk: named documents, and where own records are published; data directories of the time before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "disk_testing.h"
#include "kith/op.h"

struct document {
    unsigned n;
    size_t size;
    uint8_t bytes[KITH_DISK_STATE_MAX];
};

static void on_document(void *user, struct kith_span value) {
    struct document *document = user;
    document->n++;
    document->size = value.size;
    if (value.size > 0) {
        memcpy(document->bytes, value.data, value.size);
    }
}

static struct document read_document(struct fixture *f, const char *name) {
    struct document document = {0};
    assert_int_equal(kith_disk_load_state(f->disk, name, on_document, &document), 0);
    return document;
}

static void test_documents(void **state) {
    struct fixture *f = *state;
    static uint8_t largest[KITH_DISK_STATE_MAX + 1];
    memset(largest, 0x5a, sizeof(largest));
    assert_int_equal(open_disk(f), 0);
    assert_int_equal(read_document(f, "none").n, 0);
    assert_int_equal(kith_disk_save_state(f->disk, "a", kith_span_text("first")), 0);
    assert_int_equal(kith_disk_save_state(f->disk, "a", kith_span_text("second")), 0);
    assert_int_equal(kith_disk_save_state(f->disk, "ab", kith_span(largest, KITH_DISK_STATE_MAX)),
                     0);
    assert_int_equal(kith_disk_save_state(f->disk, "empty", kith_span(NULL, 0)), 0);
    assert_int_equal(kith_disk_save_state(f->disk, "ab", kith_span(largest, sizeof(largest))),
                     KITH_EINVALID);
    assert_int_equal(kith_disk_save_state(f->disk, "", kith_span_text("x")), KITH_EINVALID);
    reopen(f);
    struct document document = read_document(f, "a");
    assert_int_equal(document.n, 1);
    assert_int_equal(document.size, 6);
    assert_memory_equal(document.bytes, "second", 6);
    document = read_document(f, "ab");
    assert_int_equal(document.size, KITH_DISK_STATE_MAX);
    assert_memory_equal(document.bytes, largest, KITH_DISK_STATE_MAX);
    assert_int_equal(read_document(f, "empty").n, 1);
    load(f); /* records and blobs know nothing of them */
    assert_int_equal(f->n_records + f->n_blobs, 0);
    assert_int_equal(f->n_logs, 0);
    close_disk(f);
}

static void save_in(struct fixture *f, unsigned number, uint32_t swarms) {
    struct kith_record record = make_record(number, 5);
    const struct kith_disk_record entry = {.own = true, .swarms = swarms, .record = &record};
    assert_int_equal(kith_disk_save(f->disk, &entry, NULL, NULL), 0);
}

struct seen {
    uint32_t swarms[4]; /* by number */
};

static void on_swarms(void *user, const struct kith_disk_record *r) {
    ((struct seen *)user)->swarms[r->record->salt[0]] = r->swarms;
}

static void on_any_blob(void *user, struct kith_span key, struct kith_span value) {
}

static void test_swarms(void **state) {
    struct fixture *f = *state;
    struct seen seen = {0};
    assert_int_equal(open_disk(f), 0);
    save_in(f, 0, 0);
    save_in(f, 1, KITH_SWARM_KITH);
    save_in(f, 2, KITH_SWARM_MAINLINE);
    save_in(f, 3, KITH_SWARM_KITH | KITH_SWARM_MAINLINE);
    reopen(f);
    assert_int_equal(kith_disk_load(f->disk, on_swarms, on_any_blob, &seen), 0);
    assert_int_equal(seen.swarms[0], KITH_SWARM_KITH);
    assert_int_equal(seen.swarms[1], KITH_SWARM_KITH);
    assert_int_equal(seen.swarms[2], KITH_SWARM_MAINLINE);
    assert_int_equal(seen.swarms[3], KITH_SWARM_KITH | KITH_SWARM_MAINLINE);
    close_disk(f);
}

/* Whoever forgets a record need not know where it was published. */
static void test_forget_whatever_swarm(void **state) {
    struct fixture *f = *state;
    struct kith_record record = make_record(2, 5);
    const struct kith_disk_record entry = {.own = true, .record = &record};
    assert_int_equal(open_disk(f), 0);
    save_in(f, 2, KITH_SWARM_MAINLINE);
    assert_int_equal(kith_disk_forget(f->disk, &entry), 0);
    reopen(f);
    load(f);
    assert_int_equal(f->n_records, 0);
    close_disk(f);
}

/* The bytes of a record that is in kith's own swarm are those of the first version. */
static void test_first_flags(void **state) {
    enum { FLAGS_AT = KITH_DISK_HEAD_SIZE + 8 };
    struct kith_record record = make_record(1, 5);
    struct kith_disk_record entry = {.own = true, .swarms = KITH_SWARM_KITH, .record = &record};
    static struct kith_disk_entry bytes;
    assert_int_equal(kith_disk_encode_record(&entry, &bytes), 0);
    assert_int_equal(bytes.value[FLAGS_AT], 1);
    entry.own = false; /* what we hold for others has no swarms */
    entry.swarms = KITH_SWARM_MAINLINE;
    assert_int_equal(kith_disk_encode_record(&entry, &bytes), 0);
    assert_int_equal(bytes.value[FLAGS_AT], 1);
}

/* A directory without the table of documents, as the first version made it. */
static void drop_documents(const struct fixture *f) {
    char path[128];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi table;
    snprintf(path, sizeof(path), "%s/db", f->dir);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_NOLOCK, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "state", 0, &table), 0);
    assert_int_equal(mdb_drop(txn, table, 1), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void test_older_directory(void **state) {
    struct fixture *f = *state;
    struct seen seen = {0};
    assert_int_equal(open_disk(f), 0);
    save_in(f, 1, 0);
    close_disk(f);
    drop_documents(f);
    assert_int_equal(open_disk(f), 0);
    assert_int_equal(f->n_logs, 0);
    assert_int_equal(kith_disk_load(f->disk, on_swarms, on_any_blob, &seen), 0);
    assert_int_equal(seen.swarms[1], KITH_SWARM_KITH);
    assert_int_equal(kith_disk_save_state(f->disk, "a", kith_span_text("1")), 0);
    reopen(f);
    assert_int_equal(read_document(f, "a").n, 1);
    close_disk(f);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_documents),   TEST(test_swarms),          TEST(test_forget_whatever_swarm),
        TEST(test_first_flags), TEST(test_older_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
