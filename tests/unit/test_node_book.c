/* SPDX-License-Identifier: MIT */
/* node_book: the address book of a real node on a real disk, whole, damaged, and from the future.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "disk_testing.h"
#include "kith/kith.h"

struct place {
    struct fixture *f;
    struct kith_node *node;
    bool closed;
    unsigned n_warnings;
    char warning[256]; /* the last one */
    unsigned n_entries;
    unsigned n_bans;
};

static void on_node_log(enum kith_log_level level, const char *message, void *user) {
    struct place *place = user;

    if (level <= KITH_LOG_WARN) {
        place->n_warnings++;
        snprintf(place->warning, sizeof(place->warning), "%s", message);
    }
}

static void open_node(struct place *place) {
    static const char *const listen[] = {"127.0.0.1:0"};
    struct kith_options options;
    struct kith_error_info info = {0};

    kith_options_init(&options);
    options.data_dir = place->f->dir;
    options.listen = listen;
    options.n_listen = 1;
    options.on_log = on_node_log;
    options.user = place;
    place->n_warnings = 0;
    if (kith_node_open(&place->node, &place->f->loop, &options, &info) < 0) {
        fail_msg("%s", info.message);
    }
}

static void on_node_closed(void *user) {
    ((struct place *)user)->closed = true;
}

static void close_node(struct place *place) {
    place->closed = false;
    kith_node_close(place->node, on_node_closed, place);
    while (!place->closed) {
        (void)uv_run(&place->f->loop, UV_RUN_ONCE);
    }
}

static int count_entry(const struct kith_book_info *info, void *user) {
    ((struct place *)user)->n_entries++;
    return 0;
}

static int count_ban(const struct kith_ban_info *info, void *user) {
    ((struct place *)user)->n_bans++;
    return 0;
}

static void count(struct place *place) {
    place->n_entries = place->n_bans = 0;
    assert_int_equal(kith_node_each_book(place->node, count_entry, place), 0);
    assert_int_equal(kith_node_each_ban(place->node, count_ban, place), 0);
}

/* `n` contacts and one ban, on the disk when it returns. */
static void fill(struct place *place, unsigned n) {
    struct kith_ban_info ban = {
        .prefix = kith_test_endpoint("203.0.113.0:0"), .bits = 24, .left_s = UINT64_MAX};

    open_node(place);
    for (unsigned i = 0; i < n; i++) {
        struct kith_contact contact = {.endpoint = kith_test_endpoint("192.0.2.1:7700")};
        contact.endpoint.ip[2] = (uint8_t)(i >> 8);
        contact.endpoint.ip[3] = (uint8_t)(1 + i);
        int r = kith_node_add(place->node, &contact, i < 1024 ? KITH_ROLE_PERSISTENT : 0);
        assert_true(r == 0 || r == KITH_EFULL);
    }
    assert_int_equal(kith_node_ban(place->node, &ban), 0);
    count(place);
    close_node(place);
}

/* The blobs as they lie on the disk; `n_blobs` and the first ones are in the fixture. */
static void look(struct place *place) {
    assert_int_equal(open_disk(place->f), 0);
    load(place->f);
    close_disk(place->f);
}

/* Writes over the blob with this key. */
static void overwrite(struct place *place, struct kith_span key, struct kith_span value) {
    assert_int_equal(open_disk(place->f), 0);
    assert_int_equal(kith_disk_save_blob(place->f->disk, key, value, false, NULL, NULL), 0);
    close_disk(place->f);
}

static struct place begin(void **state) {
    return (struct place){.f = *state};
}

static void test_kept(void **state) {
    struct place place = begin(state);

    fill(&place, 3);
    assert_int_equal(place.n_entries, 3);
    open_node(&place);
    count(&place);
    assert_int_equal(place.n_entries, 3);
    assert_int_equal(place.n_bans, 1);
    assert_int_equal(place.n_warnings, 0);
    close_node(&place);
    look(&place);
    assert_int_equal(place.f->n_blobs, 5); /* with the header */
}

/* More than one batch: closing saves them all. */
static void test_many(void **state) {
    struct place place = begin(state);

    fill(&place, 1100);
    unsigned n = place.n_entries;
    assert_true(n >= 1024);
    look(&place);
    assert_int_equal(place.f->n_blobs, n + 2);
    open_node(&place);
    count(&place);
    assert_int_equal(place.n_entries, n);
    close_node(&place);
}

/* Whoever comes back with the newer version finds the book as it was. */
static void test_newer_header(void **state) {
    static const uint8_t newer[33] = {0xfe};
    struct place place = begin(state);
    struct kith_contact contact = {.endpoint = kith_test_endpoint("198.51.100.1:7700")};

    fill(&place, 3);
    overwrite(&place, kith_span_text("H"), kith_span(newer, sizeof(newer)));
    open_node(&place);
    assert_int_equal(place.n_warnings, 1);
    assert_non_null(strstr(place.warning, "newer version"));
    count(&place);
    assert_int_equal(place.n_entries, 0);
    assert_int_equal(kith_node_add(place.node, &contact, 0), 0); /* in memory it works */
    count(&place);
    assert_int_equal(place.n_entries, 1);
    close_node(&place);
    look(&place);
    assert_int_equal(place.f->n_blobs, 5);
}

static void test_damaged_header(void **state) {
    struct place place = begin(state);

    fill(&place, 3);
    overwrite(&place, kith_span_text("H"), kith_span_text("\x01too short"));
    open_node(&place);
    assert_true(place.n_warnings >= 1);
    count(&place);
    assert_int_equal(place.n_entries, 3);
    assert_int_equal(place.n_bans, 1);
    close_node(&place);
    open_node(&place); /* with a header of its own again */
    assert_int_equal(place.n_warnings, 0);
    count(&place);
    assert_int_equal(place.n_entries, 3);
    close_node(&place);
}

/* What is not an entry is told once, and gone the next time. */
static void test_damaged_entry(void **state) {
    struct place place = begin(state);

    fill(&place, 3);
    overwrite(&place, kith_span_text("Z junk"), kith_span_text("\x01no entry"));
    overwrite(&place, kith_span_text("E"), kith_span_text("\x01nor this"));
    open_node(&place);
    assert_int_equal(place.n_warnings, 1);
    assert_non_null(strstr(place.warning, "2 entries of the book are damaged"));
    count(&place);
    assert_int_equal(place.n_entries, 3);
    close_node(&place);
    open_node(&place);
    assert_int_equal(place.n_warnings, 0);
    close_node(&place);
}

static void limit_files(rlim_t bytes) {
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The disk is full when two bans are lifted: with room again the one is gone for good, and the
 * other is there, since it was made again by then. */
static void test_removals_on_a_full_disk(void **state) {
    struct place place = begin(state);
    struct kith_ban_info lifted = {.prefix = kith_test_endpoint("203.0.113.0:0"), .bits = 24};
    struct kith_ban_info again = {
        .prefix = kith_test_endpoint("198.51.100.0:0"), .bits = 24, .left_s = 60};

    fill(&place, 3);
    open_node(&place);
    assert_int_equal(kith_node_ban(place.node, &again), 0);
    close_node(&place);
    open_node(&place);
    limit_files(0);
    assert_int_equal(kith_node_unban(place.node, &lifted), 0);
    assert_int_equal(kith_node_unban(place.node, &again), 0);
    while (place.n_warnings == 0) {
        (void)uv_run(&place.f->loop, UV_RUN_ONCE);
    }
    for (unsigned i = 0; i < 30; i++) { /* the first write alone failed so far */
        (void)uv_run(&place.f->loop, UV_RUN_NOWAIT);
        uv_sleep(10);
    }
    limit_files(RLIM_INFINITY);
    assert_non_null(strstr(place.warning, "writing to"));
    assert_int_equal(kith_node_ban(place.node, &again), 0);
    close_node(&place);
    open_node(&place);
    count(&place);
    close_node(&place);
    assert_int_equal(place.n_bans, 1);
    assert_int_equal(place.n_entries, 3);
}

static void test_arguments(void **state) {
    struct place place = begin(state);
    struct kith_contact contact = {.endpoint = kith_test_endpoint("198.51.100.1:7700")};
    struct kith_ban_info ban = {.prefix = kith_test_endpoint("10.0.0.0:0"), .bits = 8};

    open_node(&place);
    assert_int_equal(kith_node_add(place.node, NULL, 0), KITH_EINVALID);
    assert_int_equal(kith_node_add(place.node, &contact, 8), KITH_EINVALID);
    assert_int_equal(kith_node_ban(place.node, &ban), KITH_EINVALID); /* for no time at all */
    ban.left_s = 60;
    ban.bits = 7;
    assert_int_equal(kith_node_ban(place.node, &ban), KITH_EINVALID);
    assert_int_equal(kith_node_unban(place.node, NULL), KITH_EINVALID);
    ban.bits = 8;
    assert_int_equal(kith_node_unban(place.node, &ban), KITH_ENOT_FOUND);
    ban = (struct kith_ban_info){
        .prefix = kith_test_endpoint("198.51.100.0:0"), .bits = 24, .left_s = 60};
    assert_int_equal(kith_node_ban(place.node, &ban), 0);
    assert_int_equal(kith_node_add(place.node, &contact, 0), KITH_EREFUSED);
    close_node(&place);
}

/* The pace is checked before anything is touched. */
static void test_pace(void **state) {
    static const double wrong[] = {0, -1, 0.009, 100.1, 0.0 / 0.0};
    struct fixture *f = *state;
    struct kith_options options;
    struct kith_error_info info;
    struct kith_node *node;

    kith_options_init(&options);
    assert_true(options.lan);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        kith_options_init(&options);
        options.damping = wrong[i];
        assert_int_equal(kith_node_open(&node, &f->loop, &options, &info), KITH_EINVALID);
        assert_non_null(strstr(info.message, "options.damping"));
        kith_options_init(&options);
        options.coupling = wrong[i];
        assert_int_equal(kith_node_open(&node, &f->loop, &options, &info), KITH_EINVALID);
        assert_non_null(strstr(info.message, "0.01 to 100"));
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_kept),          TEST(test_many),
        TEST(test_newer_header),  TEST(test_damaged_header),
        TEST(test_damaged_entry), TEST(test_arguments),
        TEST(test_pace),          TEST(test_removals_on_a_full_disk),
    };
    (void)signal(SIGXFSZ, SIG_IGN); /* writes fail instead */
    return cmocka_run_group_tests_name("node_book", tests, NULL, NULL);
}
