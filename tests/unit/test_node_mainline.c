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

/* A run that is over before anybody could have answered. */
static void run_shortly(struct place *place, bool mainline) {
    static const char *const listen[] = {"127.0.0.1:0"};
    struct kith_options options;
    struct kith_error_info info = {0};
    kith_options_init(&options);
    options.data_dir = place->f->dir;
    options.listen = listen;
    options.n_listen = 1;
    options.mainline = mainline;
    options.on_log = on_node_log;
    options.user = place;
    place->known[0] = '\0';
    if (kith_node_open(&place->node, &place->f->loop, &options, &info) < 0) {
        fail_msg("%s", info.message);
    }
    struct kith_status status;
    kith_node_status(place->node, &status);
    assert_int_equal(status.mainline.on, mainline);
    assert_int_equal(status.mainline.families[0].on, mainline);
    assert_false(status.mainline.families[1].on); /* no socket */
    place->closed = false;
    kith_node_close(place->node, on_node_closed, place);
    while (!place->closed) {
        (void)uv_run(&place->f->loop, UV_RUN_ONCE);
    }
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
        TEST(test_not_believed),
        TEST(test_other_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
