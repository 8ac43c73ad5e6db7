/* SPDX-License-Identifier: MIT */
/* disk_check: what is sound is opened, what is not is set aside, and nothing makes LMDB crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "disk_testing.h"

/* Many sizes, replacements and deletions over many commits: whatever LMDB makes of that, the check
 * before opening must find it sound. */
static void test_check_accepts_churn(void **state) {
    struct fixture *f = *state;
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 1);
    const char *why = "";

    for (unsigned round = 0; round < 40; round++) {
        assert_int_equal(open_disk(f), 0);
        assert_int_equal(f->n_logs, 0);
        for (unsigned i = 0; i < 200; i++) {
            uint64_t chance = random.uniform(random.context);
            struct kith_record record =
                make_record((unsigned)(chance % 1500), (unsigned)(chance >> 32) % KITH_VALUE_MAX);
            struct kith_disk_record entry = {.own = (chance & 0x10000) != 0, .record = &record};
            assert_int_equal(kith_disk_save(f->disk, &entry, NULL, NULL), 0);
            if (i % 3 == round % 3) {
                assert_int_equal(kith_disk_forget(f->disk, &entry), 0);
            }
            if (i % 16 == 0) {
                (void)uv_run(&f->loop, UV_RUN_NOWAIT);
            }
        }
        if (round == 30) { /* a sudden emptying leaves a long list of free pages */
            assert_int_equal(kith_disk_load(f->disk, forget_in_load, on_blob, f), 0);
        }
        close_disk(f);
        assert_int_equal(kith_disk_check(f->file, &why), 0);
    }
}

/* ---- damage ---- */

/* A sound database with everything in it, its bytes in `ret`. */
static uint8_t *make_database(struct fixture *f, size_t *ret_size) {
    assert_int_equal(open_disk(f), 0);
    for (unsigned i = 0; i < 64; i++) {
        save_own(f, i, 40 + i * 15);
    }
    assert_int_equal(save_blob(f, "key", "value"), 0);
    run_until_done(f, 65);
    for (unsigned i = 0; i < 64; i += 2) {
        save_own(f, i, KITH_VALUE_MAX);
    }
    close_disk(f);
    return read_file(f->file, ret_size);
}

/* Puts `bytes` in place of the data file and uses it: whatever happens, it is not a crash, and what
 * is loaded are records that were saved. */
static void use_bytes(struct fixture *f, const void *bytes, size_t size) {
    write_file(f->file, bytes, size);
    assert_int_equal(open_disk(f), 0);
    load(f);
    assert_true(f->n_own <= 64);
    save_own(f, 3, 500);
    close_disk(f);
    assert_int_equal(f->n_failed, 0);
    assert_int_equal(open_disk(f), 0);
    load(f);
    assert_true(f->n_own >= 1);
    close_disk(f);
}

static void test_garbage(void **state) {
    struct fixture *f = *state;
    uint8_t garbage[20000];

    assert_int_equal(open_disk(f), 0);
    close_disk(f);
    for (unsigned i = 0; i < sizeof(garbage); i++) {
        garbage[i] = (uint8_t)(i * 7 + i / 251);
    }
    write_file(f->file, garbage, sizeof(garbage));
    assert_int_equal(open_disk(f), 0);
    assert_int_equal(f->n_logs, 1);
    assert_non_null(strstr(f->log, "db.set-aside-1"));
    assert_non_null(strstr(f->log, "/db "));
    load(f);
    assert_int_equal(f->n_records, 0);
    close_disk(f);
    /* What was there is still there. */
    char path[160];
    size_t size;
    snprintf(path, sizeof(path), "%s/db.set-aside-1/data.mdb", f->dir);
    uint8_t *kept = read_file(path, &size);
    assert_int_equal(size, sizeof(garbage));
    assert_memory_equal(kept, garbage, size);
    free(kept);
    /* The next one gets the next name. */
    write_file(f->file, "", 0);
    assert_int_equal(open_disk(f), 0);
    close_disk(f);
    assert_true(exists(f, "db.set-aside-2"));
    assert_int_equal(open_disk(f), 0); /* and the fresh one stays */
    assert_int_equal(f->n_logs, 0);
    close_disk(f);
}

/* A file where the database's directory should be. */
static void test_file_as_database(void **state) {
    struct fixture *f = *state;
    char path[120];

    assert_int_equal(mkdir(f->dir, 0700), 0);
    snprintf(path, sizeof(path), "%s/db", f->dir);
    write_file(path, "hello", 5);
    assert_int_equal(open_disk(f), 0);
    assert_int_equal(f->n_logs, 1);
    assert_true(exists(f, "db.set-aside-1"));
    close_disk(f);
}

static void test_truncated(void **state) {
    struct fixture *f = *state;
    size_t size;
    uint8_t *bytes = make_database(f, &size);

    for (size_t at = 0; at < size; at += at < 9000 ? 1021 : 4093) {
        use_bytes(f, bytes, at);
    }
    free(bytes);
}

/* Bits flipped anywhere: LMDB is never given what it would trip over. */
static void test_bit_rot(void **state) {
    struct fixture *f = *state;
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 2);
    size_t size;
    uint8_t *bytes = make_database(f, &size);
    uint8_t *rotten = malloc(size);

    assert_non_null(rotten);
    for (unsigned i = 0; i < 150; i++) {
        memcpy(rotten, bytes, size);
        for (unsigned k = 0; k <= i % 4; k++) {
            uint64_t chance = random.uniform(random.context);
            /* Half of the hits in headers of pages, where it hurts most. */
            size_t at = chance % size;
            at = i % 2 == 0 ? at : at / 4096 * 4096 + at % 64;
            rotten[at] ^= (uint8_t)(1u << (chance >> 60) % 8);
        }
        use_bytes(f, rotten, size);
    }
    free(rotten);
    free(bytes);
}

/* Damage inside a value, where LMDB cannot see it: that record is skipped and reported, once, and
 * the others are loaded. */
static void test_damaged_value(void **state) {
    struct fixture *f = *state;
    size_t size;
    uint8_t needle[40];
    unsigned n = 0;
    uint8_t *bytes = make_database(f, &size);

    memset(needle, 7, sizeof(needle)); /* the value of record 7 */
    for (size_t i = 0; i + sizeof(needle) < size; i++) {
        if (memcmp(bytes + i, needle, sizeof(needle)) == 0) {
            bytes[i + 3] ^= 1;
            n++;
        }
    }
    assert_true(n > 0);
    write_file(f->file, bytes, size);
    assert_int_equal(open_disk(f), 0);
    load(f);
    assert_int_equal(f->n_own, 63);
    assert_int_equal(f->salts_seen, ~(UINT64_C(1) << 7));
    assert_int_equal(f->n_logs, 1);
    assert_non_null(strstr(f->log, "1 entries"));
    close_disk(f);
    free(bytes);
}

/* Changes one table of a database behind kith's back. */
static void put_raw(struct fixture *f, const char *table, unsigned flags, const char *key,
                    const void *value, size_t size) {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k = {strlen(key), (void *)(uintptr_t)key};
    MDB_val v = {size, (void *)(uintptr_t)value};
    char path[120];

    snprintf(path, sizeof(path), "%s/db", f->dir);
    (void)mkdir(f->dir, 0700);
    (void)mkdir(path, 0700);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_NOLOCK, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, table, MDB_CREATE | flags, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* Somebody else's LMDB database, in three shapes. */
static void test_foreign(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *table;
        unsigned flags;
    } CASES[] = {{NULL, 0}, {"things", 0}, {"things", MDB_DUPSORT}, {"meta", 0}};

    for (unsigned i = 0; i < 4; i++) {
        char aside[32];
        char path[120];
        put_raw(f, CASES[i].table, CASES[i].flags, "key", "value", 5);
        assert_int_equal(open_disk(f), 0);
        assert_int_equal(f->n_logs, 1);
        snprintf(aside, sizeof(aside), "db.set-aside-%u", i + 1);
        assert_true(exists(f, aside));
        close_disk(f);
        snprintf(path, sizeof(path), "%s/db", f->dir);
        assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    }
}

/* A newer schema is refused and not touched, even where it uses LMDB in ways we do not. */
static void test_newer_version(void **state) {
    struct fixture *f = *state;
    static const uint8_t NEWER[] = {0, 0, 0, KITH_DISK_SCHEMA + 1};
    size_t size;
    size_t size_after;

    free(make_database(f, &size));
    put_raw(f, "meta", 0, "schema", NEWER, sizeof(NEWER));
    put_raw(f, "novelty", MDB_DUPSORT, "key", "value", 5);
    uint8_t *before = read_file(f->file, &size);
    assert_int_equal(open_disk(f), KITH_EVERSION);
    assert_non_null(strstr(f->info.message, "newer version"));
    assert_non_null(strstr(f->info.message, f->dir));
    uint8_t *after = read_file(f->file, &size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    assert_false(exists(f, "db.set-aside-1"));
    free(before);
    free(after);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_check_accepts_churn),
        TEST(test_garbage),
        TEST(test_file_as_database),
        TEST(test_truncated),
        TEST(test_bit_rot),
        TEST(test_damaged_value),
        TEST(test_foreign),
        TEST(test_newer_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
