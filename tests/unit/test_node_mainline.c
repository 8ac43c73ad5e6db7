/* SPDX-License-Identifier: MIT */
/* node_mainline: the nodes of the public swarm that a node remembers: kept, handed back, and not
 * believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "disk_testing.h"
#include "kith/kith.h"
#include "shell/node_internal.h"

enum { N_KNOWN = 400, ENTRY_SIZE = 6 };

struct place {
    struct fixture *f;
    struct kith_node *node;
    bool closed;
    char known[128]; /* what it said of them, or "" */
    size_t size;     /* of the document */
    uint8_t bytes[KITH_DISK_STATE_MAX];
};

static void on_node_log(enum kith_log_level level, const char *message, void *user) {
    struct place *place = user;
    if (strstr(message, "known from before") != NULL) {
        snprintf(place->known, sizeof(place->known), "%s", message);
    }
}

static void on_node_closed(void *user) {
    ((struct place *)user)->closed = true;
}

/* With a directory, unless `dir` is NULL; joining through `bootstrap`, unless that is NULL. */
static struct kith_node *open_node(struct place *place, const char *dir, const char *bootstrap,
                                   bool mainline) {
    static const char *const listen[] = {"127.0.0.1:0"};
    struct kith_options options;
    struct kith_error_info info = {0};
    struct kith_node *node;
    kith_options_init(&options);
    options.data_dir = dir;
    options.listen = listen;
    options.n_listen = 1;
    options.mainline = mainline;
    options.mainline_bootstrap = &bootstrap;
    options.n_mainline_bootstrap = bootstrap != NULL;
    options.on_log = on_node_log;
    options.user = place;
    if (kith_node_open(&node, &place->f->loop, &options, &info) < 0) {
        fail_msg("%s", info.message);
    }
    return node;
}

static void close_node(struct place *place, struct kith_node *node) {
    place->closed = false;
    kith_node_close(node, on_node_closed, place);
    while (!place->closed) {
        (void)uv_run(&place->f->loop, UV_RUN_ONCE);
    }
}

/* A run that is over before anybody could have answered. */
static void run_shortly(struct place *place, bool mainline) {
    struct kith_status status;
    place->known[0] = '\0';
    place->node = open_node(place, place->f->dir, NULL, mainline);
    kith_node_status(place->node, &status);
    assert_int_equal(status.mainline.on, mainline);
    assert_int_equal(status.mainline.families[0].on, mainline);
    assert_false(status.mainline.families[1].on); /* no socket */
    close_node(place, place->node);
}

static void write_document(struct place *place, const char *name, struct kith_span value) {
    assert_int_equal(open_disk(place->f), 0);
    assert_int_equal(kith_disk_save_state(place->f->disk, name, value), 0);
    close_disk(place->f);
}

static void on_document(void *user, struct kith_span value) {
    struct place *place = user;
    place->size = value.size;
    memcpy(place->bytes, value.data, value.size);
}

static void read_document(struct place *place, const char *name) {
    place->size = 0;
    assert_int_equal(open_disk(place->f), 0);
    assert_int_equal(kith_disk_load_state(place->f->disk, name, on_document, place), 0);
    close_disk(place->f);
}

/* Endpoints of loopback, where nobody listens. */
static size_t make_document(uint8_t *bytes, unsigned n) {
    struct kith_writer w = kith_writer(bytes, KITH_DISK_STATE_MAX);
    kith_write_u8(&w, 1);
    for (unsigned i = 0; i < n; i++) {
        kith_write_u32(&w, 0x7f010000 + i);
        kith_write_u16(&w, 9);
    }
    return kith_writer_size(&w);
}

/* More than 300 of a family come back, and outlive a run that met none of them. */
static void test_many(void **state) {
    struct place place = {.f = *state};
    static uint8_t document[KITH_DISK_STATE_MAX];
    size_t size = make_document(document, N_KNOWN);
    write_document(&place, "mainline4", kith_span(document, size));
    run_shortly(&place, false);
    assert_string_equal(place.known, "");
    for (unsigned i = 0; i < 2; i++) {
        run_shortly(&place, true);
        assert_string_equal(place.known, "Mainline: 400 nodes known from before");
    }
    read_document(&place, "mainline4");
    assert_int_equal(place.size, 1 + N_KNOWN * ENTRY_SIZE);
    assert_memory_equal(place.bytes, document, size);
}

static void on_patience(uv_timer_t *timer) {
    fail_msg("nothing happens");
}

/* Every ten minutes what is known is kept, whatever becomes of this run. */
static void test_saved_while_running(void **state) {
    struct place place = {.f = *state};
    struct kith_status status;
    char text[KITH_ENDPOINT_TEXT_SIZE];
    uv_timer_t patience;
    struct kith_node *other = open_node(&place, NULL, NULL, true);
    kith_node_status(other, &status);
    kith_endpoint_format(&status.bound[0], text);
    place.node = open_node(&place, place.f->dir, text, true);
    uv_timer_init(&place.f->loop, &patience);
    uv_timer_start(&patience, on_patience, 20000, 0);
    do {
        (void)uv_run(&place.f->loop, UV_RUN_ONCE);
        kith_node_status(place.node, &status);
    } while (status.mainline.families[0].nodes == 0);

    uv_timer_t *due = &place.node->mainline_due;
    assert_true(uv_is_active((uv_handle_t *)due));
    assert_int_equal(uv_timer_get_repeat(due), 10 * 60 * 1000);
    assert_in_range(uv_timer_get_due_in(due), 9 * 60 * 1000, 10 * 60 * 1000);
    assert_int_equal(kith_disk_load_state(place.node->disk, "mainline4", on_document, &place), 0);
    assert_int_equal(place.size, 0);
    uv_timer_start(due, due->timer_cb, 0, uv_timer_get_repeat(due)); /* ten minutes later */
    while (place.size == 0) {
        (void)uv_run(&place.f->loop, UV_RUN_ONCE);
        assert_int_equal(kith_disk_load_state(place.node->disk, "mainline4", on_document, &place),
                         0);
    }
    assert_int_equal(place.size, 1 + ENTRY_SIZE);
    assert_memory_equal(place.bytes + 1, "\x7f\0\0\1", 4);
    uv_close((uv_handle_t *)&patience, NULL);
    close_node(&place, other);
    close_node(&place, place.node);
}

static void test_not_believed(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
        unsigned n;
    } table[] = {
        {"", 0, 0},
        {"\x02\x7f\x01\0\1\0\x09", 7, 0},                            /* another format */
        {"\x01\x7f\x01\0\1\0\x09\x7f\x01", 9, 1},                    /* cut off */
        {"\x01\x7f\x01\0\1\0\x09\x7f\x01\0\1\0\x09", 13, 1},         /* twice */
        {"\x01\x7f\x01\0\1\0\0\xe0\0\0\1\0\x09\0\0\0\0\0\1", 19, 0}, /* nothing to send to */
    };
    struct place place = {.f = *state};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char expected[64] = "";
        write_document(&place, "mainline4", kith_span(table[i].bytes, table[i].size));
        run_shortly(&place, true);
        if (table[i].n > 0) {
            snprintf(expected, sizeof(expected), "Mainline: %u nodes known from before",
                     table[i].n);
        }
        assert_string_equal(place.known, expected);
    }
}

/* Of a family without a socket nothing is taken, and nothing lost. */
static void test_other_family(void **state) {
    struct place place = {.f = *state};
    uint8_t document[1 + 18] = {1, 0xfd};
    document[18] = 9;
    write_document(&place, "mainline6", kith_span(document, sizeof(document)));
    run_shortly(&place, true);
    assert_string_equal(place.known, "");
    read_document(&place, "mainline6");
    assert_int_equal(place.size, sizeof(document));
    assert_memory_equal(place.bytes, document, sizeof(document));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_many),
        TEST(test_saved_while_running),
        TEST(test_not_believed),
        TEST(test_other_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
