/* SPDX-License-Identifier: MIT */
/* lan_shared: the two queues between the threads, their bounds, and who wakes whom. One thread
 * plays both sides; what is about threads proper is in tests/net/test_lan.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "shell/lan_shared.h"

struct sides {
    uv_loop_t loop;
    uv_async_t node;
    uv_async_t thread;
    unsigned node_woken;
    unsigned thread_woken;
    struct kith_lan_shared *shared;
};

static void on_wake(uv_async_t *async) {
    unsigned *woken = async->data;

    (*woken)++;
}

static void begin(struct sides *s) {
    memset(s, 0, sizeof(*s));
    assert_int_equal(uv_loop_init(&s->loop), 0);
    assert_int_equal(uv_async_init(&s->loop, &s->node, on_wake), 0);
    assert_int_equal(uv_async_init(&s->loop, &s->thread, on_wake), 0);
    s->node.data = &s->node_woken;
    s->thread.data = &s->thread_woken;
    assert_int_equal(kith_lan_shared_new(&s->shared), 0);
    kith_lan_shared_set_node(s->shared, &s->node);
    kith_lan_shared_set_thread(s->shared, &s->thread);
}

static void turn(struct sides *s) {
    (void)uv_run(&s->loop, UV_RUN_NOWAIT);
}

static void end(struct sides *s) {
    kith_lan_shared_unref(s->shared);
    kith_lan_shared_unref(s->shared);
    uv_close((uv_handle_t *)&s->node, NULL);
    uv_close((uv_handle_t *)&s->thread, NULL);
    assert_int_equal(uv_run(&s->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&s->loop), 0);
}

static void tell(struct sides *s, unsigned number, bool present) {
    struct kith_lan_peer peer = {.n_endpoints = number};

    snprintf(peer.instance, sizeof(peer.instance), "peer %u", number);
    kith_lan_shared_tell(s->shared, &peer, present);
}

static void test_news(void **state) {
    struct sides s;
    struct kith_lan_news news;

    begin(&s);
    assert_false(kith_lan_shared_take(s.shared, &news));
    tell(&s, 1, true);
    tell(&s, 2, false);
    turn(&s);
    assert_int_equal(s.node_woken, 1);
    assert_true(kith_lan_shared_take(s.shared, &news));
    assert_true(news.present);
    assert_string_equal(news.peer.instance, "peer 1");
    assert_true(kith_lan_shared_take(s.shared, &news));
    assert_false(news.present);
    assert_false(kith_lan_shared_take(s.shared, &news));
    end(&s);
}

/* Full: the LAN thread waits, is woken once when half of it is free, and nothing is out of order.
 */
static void test_full(void **state) {
    struct sides s;
    struct kith_lan_news news;
    unsigned told = 0;

    begin(&s);
    while (kith_lan_shared_has_room(s.shared)) {
        tell(&s, told++, true);
    }
    assert_int_equal(told, KITH_LAN_EVENTS_MAX);
    tell(&s, 9999, true); /* against the contract: ignored */
    for (unsigned i = 0; i < KITH_LAN_EVENTS_MAX; i++) {
        assert_true(kith_lan_shared_take(s.shared, &news));
        assert_int_equal(news.peer.n_endpoints, i);
        turn(&s);
        assert_int_equal(s.thread_woken, i + 1 >= KITH_LAN_EVENTS_MAX / 2);
    }
    assert_false(kith_lan_shared_take(s.shared, &news));
    assert_true(kith_lan_shared_has_room(s.shared));
    end(&s);
}

static void test_state(void **state) {
    struct sides s;
    char text[KITH_LAN_STATE_TEXT_SIZE];
    char longest[2 * KITH_LAN_STATE_TEXT_SIZE];
    enum kith_lan_state now;

    begin(&s);
    assert_false(kith_lan_shared_take_state(s.shared, &now, text));
    kith_lan_shared_tell_state(s.shared, KITH_LAN_WAITING, "a");
    kith_lan_shared_tell_state(s.shared, KITH_LAN_RUNNING, "b"); /* replaces it */
    assert_true(kith_lan_shared_take_state(s.shared, &now, text));
    assert_int_equal(now, KITH_LAN_RUNNING);
    assert_string_equal(text, "b");
    kith_lan_shared_tell_state(s.shared, KITH_LAN_RUNNING, "b");
    assert_false(kith_lan_shared_take_state(s.shared, &now, text));
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    kith_lan_shared_tell_state(s.shared, KITH_LAN_RUNNING, longest); /* cut */
    assert_true(kith_lan_shared_take_state(s.shared, &now, text));
    assert_int_equal(strlen(text), sizeof(text) - 1);
    kith_lan_shared_tell_state(s.shared, KITH_LAN_RUNNING, longest);
    assert_false(kith_lan_shared_take_state(s.shared, &now, text));
    end(&s);
}

static void test_refresh(void **state) {
    struct sides s;
    char name[64];
    char longest[65];

    begin(&s);
    memset(longest, 'x', 64);
    longest[64] = '\0';
    kith_lan_shared_refresh(s.shared, longest); /* no instance is called so */
    assert_false(kith_lan_shared_take_refresh(s.shared, name));
    for (unsigned i = 0; i < KITH_LAN_REFRESHES_MAX + 3; i++) {
        snprintf(name, sizeof(name), "peer %u", i);
        kith_lan_shared_refresh(s.shared, name);
    }
    assert_int_equal(kith_lan_shared_n_dropped(s.shared, KITH_LAN_FULL), 4);
    turn(&s);
    assert_int_equal(s.thread_woken, 1);
    for (unsigned i = 0; i < KITH_LAN_REFRESHES_MAX; i++) {
        char expected[64];
        snprintf(expected, sizeof(expected), "peer %u", i);
        assert_true(kith_lan_shared_take_refresh(s.shared, name));
        assert_string_equal(name, expected);
    }
    assert_false(kith_lan_shared_take_refresh(s.shared, name));
    end(&s);
}

/* A close never waits: what the thread still tells is dropped, and its end is the last that the
 * node is woken for. */
static void test_close(void **state) {
    struct sides s;
    struct kith_lan_news news;
    enum kith_lan_state now;
    char text[KITH_LAN_STATE_TEXT_SIZE];

    begin(&s);
    tell(&s, 1, true);
    kith_lan_shared_tell_state(s.shared, KITH_LAN_RUNNING, "not taken");
    turn(&s);
    assert_int_equal(s.node_woken, 1);
    assert_false(kith_lan_shared_closing(s.shared));
    kith_lan_shared_close(s.shared);
    assert_true(kith_lan_shared_closing(s.shared));
    turn(&s);
    assert_int_equal(s.thread_woken, 1);
    tell(&s, 2, true);
    kith_lan_shared_tell_state(s.shared, KITH_LAN_WAITING, "late");
    turn(&s);
    assert_int_equal(s.node_woken, 1);
    assert_false(kith_lan_shared_take(s.shared, &news));
    assert_false(kith_lan_shared_take_state(s.shared, &now, text));
    assert_false(kith_lan_shared_ended(s.shared));
    kith_lan_shared_set_thread(s.shared, NULL);
    kith_lan_shared_end(s.shared);
    turn(&s);
    assert_int_equal(s.node_woken, 2);
    assert_true(kith_lan_shared_ended(s.shared));
    kith_lan_shared_refresh(s.shared, "late");
    turn(&s);
    assert_int_equal(s.thread_woken, 1);
    end(&s);
}

/* A node that was gone first is not woken. */
static void test_left_behind(void **state) {
    struct sides s;

    begin(&s);
    kith_lan_shared_close(s.shared);
    kith_lan_shared_set_node(s.shared, NULL);
    kith_lan_shared_end(s.shared);
    turn(&s);
    assert_int_equal(s.node_woken, 0);
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_news),  cmocka_unit_test(test_full),
        cmocka_unit_test(test_state), cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_close), cmocka_unit_test(test_left_behind),
    };

    return cmocka_run_group_tests_name("lan_shared", tests, NULL, NULL);
}
