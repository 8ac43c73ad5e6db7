/* SPDX-License-Identifier: MIT */
/* Changes of links and addresses: what is told of, what is not. The system's part is played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shell/netwatch.h"
#include "testing.h"

enum { IFACES = 3 };

struct world {
    uv_loop_t loop;
    struct kith_netwatch *watch;
    int system; /* the kernel's end of the socket */
    unsigned n_changes;
    unsigned n_lost;
    unsigned n_reads;
    int read_error; /* instead of what is there; 0: none */
    bool no_sockets;
    bool no_list;
    struct ifaddrs list[IFACES];
    struct sockaddr_in addresses[IFACES];
    bool closed;
};

static struct world *world;

/* ---- the system ---- */

int __wrap_socket(int domain, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);
int __wrap_getifaddrs(struct ifaddrs **ret);
void __wrap_freeifaddrs(struct ifaddrs *list);
ssize_t __real_recv(int fd, void *buffer, size_t size, int flags);

int __wrap_socket(int domain, int type, int protocol) {
    int ends[2];
    (void)type;
    (void)protocol;
    assert_int_equal(domain, AF_NETLINK);
    if (world->no_sockets) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    world->system = ends[1];
    return ends[0];
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size) {
    (void)fd;
    (void)address;
    (void)size;
    return 0;
}

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags) {
    world->n_reads++;
    if (world->read_error != 0) {
        errno = world->read_error;
        return -1;
    }
    return __real_recv(fd, buffer, size, flags);
}

int __wrap_getifaddrs(struct ifaddrs **ret) {
    if (world->no_list) {
        errno = EMFILE;
        return -1;
    }
    *ret = world->list;
    return 0;
}

void __wrap_freeifaddrs(struct ifaddrs *list) {
    assert_ptr_equal(list, world->list);
}

static void set_address(unsigned i, uint8_t last) {
    world->addresses[i] = (struct sockaddr_in){.sin_family = AF_INET};
    world->addresses[i].sin_addr.s_addr = htonl(0x0a000000u + last);
    world->list[i].ifa_addr = (struct sockaddr *)(void *)&world->addresses[i];
}

static void set_up(unsigned i, bool up) {
    world->list[i].ifa_flags &= ~(unsigned)(IFF_UP | IFF_RUNNING);
    world->list[i].ifa_flags |= up ? (unsigned)(IFF_UP | IFF_RUNNING) : 0;
}

static void tell(unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(send(world->system, "message", 7, 0), 7);
    }
    uv_run(&world->loop, UV_RUN_NOWAIT);
}

/* ---- the watch ---- */

static void on_change(void *context) {
    ((struct world *)context)->n_changes++;
}

static void on_lost(void *context, const char *why) {
    assert_non_null(why);
    ((struct world *)context)->n_lost++;
}

static void on_closed(void *context) {
    ((struct world *)context)->closed = true;
}

/* lo, eth0 with an address, and an interface without one. */
static int begin(void **state) {
    static char names[IFACES][8] = {"lo", "eth0", "eth1"};
    world = calloc(1, sizeof(*world));
    assert_non_null(world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    for (unsigned i = 0; i < IFACES; i++) {
        world->list[i].ifa_name = names[i];
        world->list[i].ifa_next = i + 1 < IFACES ? &world->list[i + 1] : NULL;
        set_up(i, true);
    }
    world->list[0].ifa_flags |= IFF_LOOPBACK;
    set_address(0, 99);
    set_address(1, 1);
    *state = world;
    return 0;
}

static void open_watch(void) {
    struct kith_netwatch_config config = {
        .loop = &world->loop, .on_change = on_change, .on_lost = on_lost, .context = world};
    const char *why = NULL;
    assert_int_equal(kith_netwatch_open(&world->watch, &config, &why), 0);
}

static int end(void **state) {
    (void)state;
    if (world->watch != NULL) {
        kith_netwatch_close(world->watch, on_closed, world);
        uv_run(&world->loop, UV_RUN_DEFAULT);
        assert_true(world->closed);
        close(world->system);
    }
    assert_int_equal(uv_loop_close(&world->loop), 0);
    free(world);
    return 0;
}

static void on_time(uv_timer_t *timer) {
    *(bool *)timer->data = true;
}

static void on_timer_closed(uv_handle_t *handle) {
    (void)handle;
}

/* Runs the loop until longer has passed than any burst takes. */
static void settle(void) {
    uv_timer_t timer;
    bool over = false;
    uv_update_time(&world->loop);
    assert_int_equal(uv_timer_init(&world->loop, &timer), 0);
    timer.data = &over;
    assert_int_equal(uv_timer_start(&timer, on_time, 450, 0), 0);
    while (!over) {
        uv_run(&world->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, on_timer_closed);
    uv_run(&world->loop, UV_RUN_NOWAIT);
}

static void test_burst(void **state) {
    (void)state;
    open_watch();
    set_address(1, 2);
    tell(20);
    assert_int_equal(world->n_changes, 0); /* more may come */
    set_address(1, 3);
    tell(20);
    settle();
    assert_int_equal(world->n_changes, 1);
    tell(5); /* routers tell the same again and again */
    settle();
    assert_int_equal(world->n_changes, 1);
}

/* Messages without end do not put it off for ever. */
static void test_longest(void **state) {
    (void)state;
    open_watch();
    set_address(1, 2);
    uint64_t start = uv_hrtime();
    while (world->n_changes == 0 && uv_hrtime() - start < UINT64_C(20000000000)) {
        tell(1);
        uv_sleep(20);
    }
    assert_int_equal(world->n_changes, 1);
}

static void test_what_matters(void **state) {
    (void)state;
    open_watch();
    set_address(0, 98); /* loopback does not */
    set_up(2, false);   /* nor an interface without an address */
    tell(1);
    settle();
    assert_int_equal(world->n_changes, 0);
    set_address(2, 7);
    tell(1);
    settle();
    assert_int_equal(world->n_changes, 1);
}

static void test_down_and_up(void **state) {
    (void)state;
    open_watch();
    set_up(1, false);
    tell(1);
    settle();
    assert_int_equal(world->n_changes, 0); /* there is nobody to be asked */
    set_up(1, true);
    tell(1);
    settle();
    assert_int_equal(world->n_changes, 1); /* though all is as before */
    set_up(1, false);
    tell(1);
    set_up(1, true);
    tell(1);
    settle();
    assert_int_equal(world->n_changes, 2); /* within one burst */
}

static void test_overflow(void **state) {
    (void)state;
    open_watch();
    set_address(1, 2);
    world->read_error = ENOBUFS;
    world->n_reads = 0;
    tell(1);
    assert_true(world->n_reads > 0 && world->n_reads < 200);
    world->read_error = 0;
    settle();
    assert_int_equal(world->n_changes, 1);
    assert_int_equal(world->n_lost, 0);
}

/* A list that cannot be had is no reason to see no change. */
static void test_no_list(void **state) {
    (void)state;
    struct kith_endpoint endpoint = kith_test_endpoint("10.0.0.77:7700");
    open_watch();
    assert_false(kith_netwatch_has_address(&endpoint));
    world->no_list = true;
    assert_true(kith_netwatch_has_address(&endpoint));
    tell(1);
    settle();
    assert_int_equal(world->n_changes, 1);
    world->no_list = false;
    endpoint = kith_test_endpoint("10.0.0.1:7700");
    assert_true(kith_netwatch_has_address(&endpoint));
}

/* A socket that does nothing but fail is given up, once. */
static void test_lost(void **state) {
    (void)state;
    open_watch();
    world->read_error = EIO;
    tell(1);
    assert_int_equal(world->n_lost, 1);
    world->n_reads = 0;
    tell(1);
    settle();
    assert_int_equal(world->n_reads, 0);
    assert_int_equal(world->n_lost, 1);
}

/* RestrictAddressFamilies= without AF_NETLINK. */
static void test_not_permitted(void **state) {
    (void)state;
    struct kith_netwatch_config config = {.loop = &world->loop};
    const char *why = NULL;
    world->no_sockets = true;
    assert_int_equal(kith_netwatch_open(&world->watch, &config, &why), KITH_EUNSUPPORTED);
    assert_string_equal(why, strerror(EAFNOSUPPORT));
    assert_null(world->watch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_burst, begin, end),
        cmocka_unit_test_setup_teardown(test_longest, begin, end),
        cmocka_unit_test_setup_teardown(test_what_matters, begin, end),
        cmocka_unit_test_setup_teardown(test_down_and_up, begin, end),
        cmocka_unit_test_setup_teardown(test_overflow, begin, end),
        cmocka_unit_test_setup_teardown(test_no_list, begin, end),
        cmocka_unit_test_setup_teardown(test_lost, begin, end),
        cmocka_unit_test_setup_teardown(test_not_permitted, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
