/* SPDX-License-Identifier: MIT */
/* lan_poll: what libavahi and libdbus do to a main loop, without either: shared descriptors,
 * watches freed in their callbacks, numbers reused at once, broken descriptors, timeouts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "shell/lan_poll.h"

enum { ACTIONS_NONE, FREE_SELF, FREE_OTHER, RENEW, DISABLE };

struct fixture {
    uv_loop_t loop;
    struct kith_lan_poll *poll;
    const AvahiPoll *api;
    int fds[2];
};

/* A watch and what its callback does. */
struct seen {
    struct fixture *f;
    AvahiWatch *watch;
    struct seen *other;
    int action;
    unsigned n;
    unsigned events;
    unsigned got; /* watch_get_events() in the callback */
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(kith_lan_poll_new(&f->poll, &f->loop), 0);
    f->api = kith_lan_poll_api(f->poll);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->fds), 0);
    *state = f;
    return 0;
}

/* The adapter goes first: its memory waits for the handles. */
static int teardown(void **state) {
    struct fixture *f = *state;

    kith_lan_poll_free(f->poll);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    close(f->fds[0]);
    close(f->fds[1]);
    free(f);
    return 0;
}

static void turn(struct fixture *f) {
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void on_watch(AvahiWatch *watch, int fd, AvahiWatchEvent events, void *userdata) {
    struct seen *seen = userdata;
    const AvahiPoll *api = seen->f->api;

    seen->n++;
    seen->events |= (unsigned)events;
    seen->got = (unsigned)api->watch_get_events(watch);
    switch (seen->action) {
    case FREE_SELF:
        api->watch_free(watch);
        seen->watch = NULL;
        break;
    case FREE_OTHER:
        api->watch_free(seen->other->watch);
        seen->other->watch = NULL;
        break;
    case RENEW: /* libavahi does this to enable or disable */
        api->watch_free(watch);
        seen->watch = api->watch_new(api, fd, AVAHI_WATCH_IN, on_watch, seen);
        assert_non_null(seen->watch);
        break;
    case DISABLE:
        api->watch_update(watch, 0);
        break;
    default:
        break;
    }
}

static void watch(struct fixture *f, struct seen *seen, int fd, unsigned events, int action) {
    *seen = (struct seen){.f = f, .action = action};
    seen->watch = f->api->watch_new(f->api, fd, (AvahiWatchEvent)events, on_watch, seen);
    assert_non_null(seen->watch);
}

static void unwatch(struct seen *seen) {
    if (seen->watch != NULL) {
        seen->f->api->watch_free(seen->watch);
    }
}

static void feed(struct fixture *f) {
    assert_int_equal(write(f->fds[1], "x", 1), 1);
}

static void test_readable(void **state) {
    struct fixture *f = *state;
    struct seen in;

    watch(f, &in, f->fds[0], AVAHI_WATCH_IN, ACTIONS_NONE);
    turn(f);
    assert_int_equal(in.n, 0);
    feed(f);
    turn(f);
    assert_int_equal(in.n, 1);
    assert_int_equal(in.events, AVAHI_WATCH_IN);
    assert_int_equal(in.got, AVAHI_WATCH_IN);
    assert_int_equal(f->api->watch_get_events(in.watch), 0); /* outside of the callback */
    unwatch(&in);
}

/* libdbus reads and writes one socket with two watches; libuv allows one handle. */
static void test_shared_descriptor(void **state) {
    struct fixture *f = *state;
    struct seen in;
    struct seen out;

    watch(f, &in, f->fds[0], AVAHI_WATCH_IN, ACTIONS_NONE);
    watch(f, &out, f->fds[0], AVAHI_WATCH_OUT, ACTIONS_NONE);
    turn(f);
    assert_int_equal(in.n, 0);
    assert_int_equal(out.events, AVAHI_WATCH_OUT);
    unwatch(&out);
    feed(f);
    turn(f);
    assert_int_equal(in.events, AVAHI_WATCH_IN);
    assert_int_equal(out.n, 1);
    unwatch(&in);
}

/* Both orders: the freed one may be before or behind the one that runs. */
static void test_free_in_callback(void **state) {
    struct fixture *f = *state;

    for (int order = 0; order < 2; order++) {
        struct seen a;
        struct seen b;
        watch(f, &a, f->fds[0], AVAHI_WATCH_OUT, order == 0 ? FREE_OTHER : FREE_SELF);
        watch(f, &b, f->fds[0], AVAHI_WATCH_OUT, FREE_SELF);
        a.other = &b;
        turn(f);
        assert_int_equal(a.n, 1);
        assert_int_equal(b.n, order == 0 ? 0 : 1); /* no event for the dead */
        unwatch(&a);
        unwatch(&b);
        turn(f);
    }
}

static void test_free_earlier_in_callback(void **state) {
    struct fixture *f = *state;
    struct seen a;
    struct seen b;

    watch(f, &a, f->fds[0], AVAHI_WATCH_OUT, ACTIONS_NONE);
    watch(f, &b, f->fds[0], AVAHI_WATCH_OUT, FREE_OTHER);
    b.other = &a;
    turn(f);
    assert_int_equal(a.n, 1);
    assert_int_equal(b.n, 1);
    assert_null(a.watch);
    unwatch(&b);
}

/* A new watch in the place of the freed one does not get the same event again in this turn. */
static void test_renew_in_callback(void **state) {
    struct fixture *f = *state;
    struct seen a;
    struct seen b;

    watch(f, &a, f->fds[0], AVAHI_WATCH_IN, RENEW);
    feed(f);
    for (unsigned i = 1; i <= 3; i++) { /* alone: the handle is closed and made anew */
        turn(f);
        assert_int_equal(a.n, i);
    }
    watch(f, &b, f->fds[0], AVAHI_WATCH_IN, ACTIONS_NONE); /* shared: it lives on */
    turn(f);
    assert_int_equal(a.n, 4);
    assert_int_equal(b.n, 1);
    unwatch(&a);
    unwatch(&b);
}

/* The number is closed and reused before the loop turns. */
static void test_number_reused(void **state) {
    struct fixture *f = *state;
    struct seen old;
    struct seen fresh;
    int pipes[2];
    int number;

    assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
    number = pipes[0];
    watch(f, &old, number, AVAHI_WATCH_IN, ACTIONS_NONE);
    unwatch(&old);
    assert_int_equal(dup2(f->fds[0], number), number); /* closes it first */
    watch(f, &fresh, number, AVAHI_WATCH_IN, ACTIONS_NONE);
    assert_int_equal(write(pipes[1], "x", 1) == 1, 0); /* EPIPE: nobody reads it any more */
    turn(f);
    assert_int_equal(fresh.n, 0);
    feed(f);
    turn(f);
    assert_int_equal(fresh.n, 1);
    assert_int_equal(old.n, 0);
    unwatch(&fresh);
    close(number);
    close(pipes[1]);
}

/* Masks of zero and with bits that are not Avahi's (libdbus: 2 is "writable"). */
static void test_update(void **state) {
    struct fixture *f = *state;
    struct seen a;

    watch(f, &a, f->fds[0], AVAHI_WATCH_OUT, DISABLE);
    turn(f);
    turn(f);
    assert_int_equal(a.n, 1);
    f->api->watch_update(a.watch, (AvahiWatchEvent)2);
    turn(f);
    assert_int_equal(a.n, 1);
    f->api->watch_update(a.watch, AVAHI_WATCH_OUT);
    turn(f);
    assert_int_equal(a.n, 2);
    unwatch(&a);
}

static void test_bad_descriptors(void **state) {
    struct fixture *f = *state;
    struct seen seen = {.f = f};
    char name[] = "/tmp/kith-lan-poll-XXXXXX";
    int file = mkstemp(name);

    assert_true(file >= 0);
    unlink(name);
    assert_null(f->api->watch_new(f->api, -1, AVAHI_WATCH_IN, on_watch, &seen));
    assert_null(f->api->watch_new(f->api, file, AVAHI_WATCH_IN, on_watch, &seen));
    close(file);
}

/* The other end goes: that must come as readable, or libdbus never learns that the bus is gone. */
static void test_hangup(void **state) {
    struct fixture *f = *state;
    struct seen plain;

    watch(f, &plain, f->fds[0], AVAHI_WATCH_IN | AVAHI_WATCH_HUP, FREE_SELF);
    close(f->fds[1]);
    turn(f);
    assert_int_equal(plain.n, 1);
    assert_int_equal(plain.events & AVAHI_WATCH_IN, AVAHI_WATCH_IN);
    assert_int_equal(plain.events & AVAHI_WATCH_HUP, AVAHI_WATCH_HUP);
    f->fds[1] = dup(f->fds[0]); /* for the teardown */
}

/* The write end of a pipe without a reader is EPOLLERR for ever: told as ERR with OUT, a bounded
 * number of times. */
static void test_error_is_bounded(void **state) {
    struct fixture *f = *state;
    struct seen out;
    int pipes[2];

    assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
    close(pipes[0]);
    watch(f, &out, pipes[1], AVAHI_WATCH_OUT, ACTIONS_NONE);
    for (unsigned i = 0; i < 100; i++) {
        turn(f);
    }
    assert_int_equal(out.events, AVAHI_WATCH_OUT | AVAHI_WATCH_ERR);
    assert_in_range(out.n, 2, 16);
    unwatch(&out);
    close(pipes[1]);
}

/* An error that passes (a refused datagram): the watch still works afterwards. */
static void test_error_passes(void **state) {
    struct fixture *f = *state;
    struct seen in;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    int error = 0;
    socklen_t error_size = sizeof(error);
    int target = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(target, (struct sockaddr *)&address, size), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(target, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    watch(f, &in, fd, AVAHI_WATCH_IN, ACTIONS_NONE);
    close(target);
    assert_int_equal(send(fd, "x", 1, 0), 1); /* ICMP port unreachable comes back */
    turn(f);
    assert_int_equal(in.events, AVAHI_WATCH_IN | AVAHI_WATCH_ERR);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size), 0);
    in.events = 0;
    in.n = 0;
    turn(f);
    assert_int_equal(in.n, 0);
    /* The same address again, and a datagram from there. */
    target = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(target, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(sendto(target, "y", 1, 0, (struct sockaddr *)&address, size), 1);
    turn(f);
    assert_int_equal(in.events, AVAHI_WATCH_IN);
    unwatch(&in);
    close(target);
    close(fd);
}

/* ---- timeouts ---- */

struct alarm {
    struct fixture *f;
    unsigned n;
    unsigned rearm; /* times */
    bool free_self;
};

static const struct timeval PAST = {0, 0};

static void on_alarm(AvahiTimeout *timeout, void *userdata) {
    struct alarm *alarm = userdata;

    alarm->n++;
    if (alarm->rearm > 0) {
        alarm->rearm--;
        alarm->f->api->timeout_update(timeout, &PAST);
    }
    if (alarm->free_self) {
        alarm->f->api->timeout_free(timeout);
    }
}

/* {0, 0} is now; it fires once. */
static void test_timeout_now(void **state) {
    struct fixture *f = *state;
    struct alarm alarm = {.f = f};
    AvahiTimeout *timeout = f->api->timeout_new(f->api, &PAST, on_alarm, &alarm);

    assert_int_equal(alarm.n, 0); /* never from inside */
    turn(f);
    turn(f);
    assert_int_equal(alarm.n, 1);
    f->api->timeout_update(timeout, &PAST);
    turn(f);
    assert_int_equal(alarm.n, 2);
    f->api->timeout_free(timeout);
}

/* The dispatch of D-Bus: armed again from its own callback. */
static void test_timeout_rearmed(void **state) {
    struct fixture *f = *state;
    struct alarm alarm = {.f = f, .rearm = 5};
    AvahiTimeout *timeout = f->api->timeout_new(f->api, &PAST, on_alarm, &alarm);

    for (unsigned i = 0; i < 6; i++) {
        turn(f);
    }
    assert_int_equal(alarm.n, 6);
    f->api->timeout_free(timeout);
}

static void test_timeout_disabled(void **state) {
    struct fixture *f = *state;
    struct alarm alarm = {.f = f};
    AvahiTimeout *timeout = f->api->timeout_new(f->api, NULL, on_alarm, &alarm);

    turn(f);
    assert_int_equal(alarm.n, 0);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0); /* nor does it keep the loop alive */
    f->api->timeout_update(timeout, &PAST);
    f->api->timeout_update(timeout, NULL);
    turn(f);
    assert_int_equal(alarm.n, 0);
    f->api->timeout_update(timeout, &PAST);
    turn(f);
    assert_int_equal(alarm.n, 1);
    f->api->timeout_free(timeout);
}

static void test_timeout_freed_in_callback(void **state) {
    struct fixture *f = *state;
    struct alarm alarm = {.f = f, .free_self = true, .rearm = 1};

    assert_non_null(f->api->timeout_new(f->api, &PAST, on_alarm, &alarm));
    turn(f);
    turn(f);
    assert_int_equal(alarm.n, 1);
}

static void test_delay(void **state) {
    static const struct {
        struct timeval at;
        struct timeval now;
        uint64_t ms;
    } CASES[] = {
        {{10, 0}, {10, 0}, 0},
        {{0, 0}, {1700000000, 1}, 0},   /* Avahi's "now" */
        {{10, 0}, {10, 1}, 0},          /* past */
        {{9, 999999}, {10, 500000}, 0}, /* past, over the second */
        {{10, 1}, {10, 0}, 1},          /* up: firing early makes Avahi spin */
        {{10, 1000}, {10, 0}, 1},       /* exactly */
        {{10, 1001}, {10, 0}, 2},
        {{11, 0}, {10, 999999}, 1}, /* under the second, over its border */
        {{3600, 0}, {0, 0}, 3600000},
        {{INT64_MAX, 999999}, {0, 0}, INT64_MAX / 1000 / 2}, /* no overflow: at least ages */
        {{INT64_MIN + 100, 0}, {50, 0}, 0},
    };

    for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        uint64_t ms = kith_lan_poll_delay_ms(&CASES[i].at, &CASES[i].now);
        if (CASES[i].at.tv_sec == INT64_MAX) {
            assert_true(ms > CASES[i].ms / 2 && ms <= CASES[i].ms + 1000);
        } else {
            assert_int_equal(ms, CASES[i].ms);
        }
    }
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_readable),
        CASE(test_shared_descriptor),
        CASE(test_free_in_callback),
        CASE(test_free_earlier_in_callback),
        CASE(test_renew_in_callback),
        CASE(test_number_reused),
        CASE(test_update),
        CASE(test_bad_descriptors),
        CASE(test_hangup),
        CASE(test_error_is_bounded),
        CASE(test_error_passes),
        CASE(test_timeout_now),
        CASE(test_timeout_rearmed),
        CASE(test_timeout_disabled),
        CASE(test_timeout_freed_in_callback),
        cmocka_unit_test(test_delay),
    };

    /* Writing to a pipe without a reader is part of the tests. */
    struct sigaction ignore;
    memset(&ignore, 0, sizeof(ignore));
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, NULL);
    return cmocka_run_group_tests_name("lan_poll", tests, NULL, NULL);
}
