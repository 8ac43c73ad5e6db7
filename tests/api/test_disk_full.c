/* SPDX-License-Identifier: MIT */
/*
 * A disk that takes no more: every put says so, the node goes on, and nothing that was promised
 * before or after is lost. The disk is full for this process only: a limit on the size of files.
 */
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "world.h"

enum { SALTS_MAX = 200 };

static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The database may not grow by a single page more. */
static void fill_disk(const struct world *world) {
    char path[256];
    struct stat st;
    snprintf(path, sizeof(path), "%s/db/data.mdb", world->dir);
    assert_int_equal(stat(path, &st), 0);
    limit_files((rlim_t)st.st_size);
}

static struct member *open_on_disk(struct world *world) {
    struct member *member = add_member(world);
    const char *peers[] = {world->members[0].contact};
    struct kith_options options;
    default_options(&options, member);
    options.peers = peers;
    options.n_peers = 1;
    options.data_dir = world->dir;
    open_member(member, &options);
    WAIT(world, member->is_ready);
    return member;
}

static int put_number(struct world *world, unsigned i, unsigned number) {
    char salt[16];
    char text[900]; /* a few of them fill a page of the database */
    snprintf(salt, sizeof(salt), "%u", number);
    memset(text, 'v', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    return put(world, i, salt, text);
}

struct kept {
    bool salts[SALTS_MAX];
    unsigned n;
};

static int see(const struct kith_record_info *info, void *user) {
    struct kept *kept = user;
    char salt[KITH_SALT_MAX + 1] = {0};
    char *end;
    memcpy(salt, info->salt, info->salt_size);
    unsigned long number = strtoul(salt, &end, 10);
    if (info->own && info->salt_size > 0 && *end == '\0' && number < SALTS_MAX) {
        kept->salts[number] = true;
        kept->n++;
    }
    return 0;
}

static void test_disk_full(void **state) {
    struct world world;
    bool promised[SALTS_MAX] = {false};
    unsigned n_failed = 0;
    unsigned next = 0;
    world_init(&world);
    open_swarm(&world, 2);
    struct member *member = open_on_disk(&world);
    for (; next < 5; next++) {
        assert_int_equal(put_number(&world, 2, next), 0);
        promised[next] = true;
    }

    fill_disk(&world);
    for (; next < SALTS_MAX - 10 && n_failed < 3; next++) {
        int r = put_number(&world, 2, next);
        promised[next] = r == 0;
        if (r != 0) { /* what exactly the system says differs; it is named either way */
            assert_true(r == KITH_ENO_SPACE || r == KITH_EIO);
            n_failed++;
        }
    }
    assert_int_equal(n_failed, 3);

    /* The node lives: it is found, and asks. */
    struct answer answer = {0};
    assert_int_equal(kith_lookup(world.members[1].node, &member->key, on_result, &answer, NULL), 0);
    WAIT(&world, answer.n_done == 1);
    assert_int_equal(answer.done.status, 0);

    /* There is room again: so is durability, without a restart. */
    limit_files(RLIM_INFINITY);
    assert_int_equal(put_number(&world, 2, next), 0);
    promised[next++] = true;
    close_member(&world, member);

    /* What was promised is there. */
    struct kept kept = {0};
    member = open_on_disk(&world);
    (void)kith_node_each_record(member->node, see, &kept);
    for (unsigned i = 0; i < next; i++) {
        if (promised[i] && !kept.salts[i]) {
            fail_msg("record %u was promised and is lost", i);
        }
    }
    world_deinit(&world);
}

/* Closed while puts run, their writes on the way to a disk that takes none: each ends, once, and
 * nothing is told of it or touched when the node is gone. */
static void test_close(void **state) {
    enum { PUTS = 40 };
    struct world world;
    world_init(&world);
    open_swarm(&world, 2);
    for (unsigned turns = 0; turns < 6; turns++) {
        struct answer answers[PUTS] = {0};
        struct member *member = open_on_disk(&world);
        limit_files(0);
        for (unsigned i = 0; i < PUTS; i++) {
            char salt[16];
            snprintf(salt, sizeof(salt), "%u", i);
            assert_int_equal(
                kith_put(member->node, salt, strlen(salt), "v", 1, on_result, &answers[i], NULL),
                0);
        }
        for (unsigned i = 0; i < turns; i++) {
            (void)uv_run(&world.loop, UV_RUN_NOWAIT);
        }
        close_member(&world, member);
        limit_files(RLIM_INFINITY);
        for (unsigned i = 0; i < PUTS; i++) {
            assert_int_equal(answers[i].n_done, 1);
            assert_int_not_equal(answers[i].done.status, 0);
        }
    }
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_close),
    };
    (void)signal(SIGXFSZ, SIG_IGN); /* writes fail instead */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
