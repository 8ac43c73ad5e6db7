/* SPDX-License-Identifier: MIT */
/* udp: real sockets on loopback, ports chosen by the system, the loop run until what is expected
 * came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/endpoint.h"
#include "shell/udp.h"
#include "testing.h"

enum { ROUNDS_MAX = 100000 };

struct peer {
    struct kith_udp *udp;
    struct kith_endpoint bound[2];
    size_t n_bound;
    unsigned n_received;
    unsigned n_batches;
    unsigned n_since_batch;
    unsigned n_empty_batches;
    uint64_t bytes;
    struct kith_endpoint from;
    uint8_t last[2048];
    size_t last_size;
    bool echo;
    bool close_on_receive;
    bool closed;
};

/* ---- a kernel that fails on demand: loopback alone never fills a send buffer ---- */

static const int *scripted_errors; /* one per call, 0: really send; ends with -1 */

int sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags) {
    if (scripted_errors != NULL && *scripted_errors >= 0) {
        int error = *scripted_errors++;
        if (error != 0) {
            errno = error;
            return -1;
        }
        n = 1; /* the kernel may send fewer than asked */
    }
    return (int)syscall(SYS_sendmmsg, fd, messages, n, flags);
}

static void on_closed(void *context) {
    ((struct peer *)context)->closed = true;
}

static void on_receive(void *context, const struct kith_endpoint *from, const uint8_t *bytes,
                       size_t size) {
    struct peer *peer = context;

    assert_true(size <= sizeof(peer->last));
    peer->n_received++;
    peer->n_since_batch++;
    peer->bytes += size;
    peer->from = *from;
    memcpy(peer->last, bytes, size);
    peer->last_size = size;
    if (peer->echo) {
        kith_udp_send(peer->udp, from, bytes, size);
    }
    if (peer->close_on_receive) {
        peer->close_on_receive = false;
        kith_udp_close(peer->udp, on_closed, peer);
    }
}

static void on_batch(void *context) {
    struct peer *peer = context;

    peer->n_batches++;
    peer->n_empty_batches += peer->n_since_batch == 0;
    peer->n_since_batch = 0;
    kith_udp_flush(peer->udp);
}

static void open_peer(struct peer *peer, uv_loop_t *loop, const char *address) {
    struct kith_endpoint endpoint = kith_test_endpoint(address);
    struct kith_error_info info = {0};

    memset(peer, 0, sizeof(*peer));
    assert_int_equal(kith_udp_new(&peer->udp, loop, on_receive, on_batch, peer), 0);
    assert_int_equal(kith_udp_bind(peer->udp, &endpoint, &info), 0);
    peer->n_bound = kith_udp_bound(peer->udp, peer->bound);
}

static void close_peer(struct peer *peer) {
    kith_udp_close(peer->udp, on_closed, peer);
}

static void run_until(uv_loop_t *loop, const unsigned *counter, unsigned n) {
    for (unsigned i = 0; i < ROUNDS_MAX && *counter < n; i++) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
    assert_int_equal(*counter, n);
}

static void end_loop(uv_loop_t *loop) {
    assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(loop), 0);
}

/* A batch larger than one sendmmsg and one recvmmsg goes there and comes back, in order and whole.
 */
static void check_echo(const char *address) {
    uv_loop_t loop;
    struct peer a;
    struct peer b;
    uint8_t bytes[KITH_WIRE_MAX];
    enum { N = 150 };

    assert_int_equal(uv_loop_init(&loop), 0);
    open_peer(&a, &loop, address);
    open_peer(&b, &loop, address);
    b.echo = true;
    assert_int_equal(a.n_bound, 1);
    assert_int_not_equal(a.bound[0].port, 0);
    for (unsigned i = 0; i < N; i++) {
        memset(bytes, (int)i, sizeof(bytes));
        kith_udp_send(a.udp, &b.bound[0], bytes, 1 + (i * 8) % sizeof(bytes));
    }
    kith_udp_flush(a.udp);
    run_until(&loop, &a.n_received, N);
    assert_int_equal(b.n_received, N);
    assert_true(a.bytes == b.bytes);
    assert_int_equal(a.last[0], N - 1);
    assert_int_equal(a.last_size, 1 + ((N - 1) * 8) % sizeof(bytes));
    assert_true(kith_endpoint_equal(&a.from, &b.bound[0]));
    /* Batches: fewer than datagrams, none empty, nothing received without one after it. */
    assert_true(b.n_batches < N / 4);
    assert_int_equal(b.n_empty_batches, 0);
    assert_int_equal(b.n_since_batch, 0);
    assert_int_equal(kith_udp_failed(a.udp) + kith_udp_failed(b.udp), 0);
    close_peer(&a);
    close_peer(&b);
    assert_false(a.closed); /* not from inside the call */
    end_loop(&loop);
    assert_true(a.closed && b.closed);
}

static void test_echo_v4(void **state) {
    check_echo("127.0.0.1:0");
}

static bool has_v6(void) {
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void test_echo_v6(void **state) {
    if (!has_v6()) {
        skip();
    }
    check_echo("[::1]:0");
}

/* One udp, both families, the same port: the v6 socket must be v6-only. */
static void test_both_families(void **state) {
    uv_loop_t loop;
    struct peer a;
    struct peer b;
    struct kith_endpoint v6 = kith_test_endpoint("[::]:0");
    struct kith_endpoint to = kith_test_endpoint("127.0.0.1:0");

    if (!has_v6()) {
        skip();
    }
    assert_int_equal(uv_loop_init(&loop), 0);
    open_peer(&a, &loop, "0.0.0.0:0");
    v6.port = a.bound[0].port;
    assert_int_equal(kith_udp_bind(a.udp, &v6, NULL), 0);
    assert_int_equal(kith_udp_bound(a.udp, a.bound), 2);
    assert_int_equal(a.bound[1].family, 6);
    assert_int_equal(a.bound[1].port, a.bound[0].port);
    open_peer(&b, &loop, "127.0.0.1:0");
    to.port = a.bound[0].port;
    kith_udp_send(b.udp, &to, (const uint8_t *)"x", 1);
    kith_udp_flush(b.udp);
    run_until(&loop, &a.n_received, 1);
    assert_int_equal(a.from.family, 4); /* not ::ffff:127.0.0.1 */
    close_peer(&a);
    close_peer(&b);
    end_loop(&loop);
}

/* Empty datagrams are datagrams: they must not be taken for the end of a batch. */
static void test_empty_datagram(void **state) {
    uv_loop_t loop;
    struct peer a;

    assert_int_equal(uv_loop_init(&loop), 0);
    open_peer(&a, &loop, "127.0.0.1:0");
    kith_udp_send(a.udp, &a.bound[0], NULL, 0);
    kith_udp_send(a.udp, &a.bound[0], (const uint8_t *)"x", 1);
    kith_udp_flush(a.udp);
    run_until(&loop, &a.n_received, 2);
    close_peer(&a);
    end_loop(&loop);
}

/* The largest datagram a stranger can send reaches us whole or not at all; here: whole. */
static void test_large_datagram(void **state) {
    uv_loop_t loop;
    struct peer a;
    uint8_t bytes[2048] = {7};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    assert_int_equal(uv_loop_init(&loop), 0);
    open_peer(&a, &loop, "127.0.0.1:0");
    to.sin_port = htons(a.bound[0].port);
    assert_int_equal(sendto(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&to, sizeof(to)),
                     sizeof(bytes));
    close(fd);
    run_until(&loop, &a.n_received, 1);
    assert_int_equal(a.last_size, sizeof(bytes));
    close_peer(&a);
    end_loop(&loop);
}

/* Destinations that cannot be sent to cost their own datagram, not those around it. */
static void test_bad_destinations(void **state) {
    uv_loop_t loop;
    struct peer a;
    struct kith_endpoint port_zero = kith_test_endpoint("127.0.0.1:0");
    struct kith_endpoint broadcast = kith_test_endpoint("255.255.255.255:9");
    struct kith_endpoint other_family = kith_test_endpoint("[::1]:9");
    struct kith_endpoint none = {0};
    uint8_t bytes[KITH_WIRE_MAX + 1] = {0};

    assert_int_equal(uv_loop_init(&loop), 0);
    open_peer(&a, &loop, "127.0.0.1:0");
    kith_udp_send(a.udp, &port_zero, bytes, 10);             /* EINVAL */
    kith_udp_send(a.udp, &a.bound[0], bytes, 10);            /* arrives */
    kith_udp_send(a.udp, &broadcast, bytes, 10);             /* EACCES */
    kith_udp_send(a.udp, &other_family, bytes, 10);          /* no socket */
    kith_udp_send(a.udp, &none, bytes, 10);                  /* no family */
    kith_udp_send(a.udp, &a.bound[0], bytes, sizeof(bytes)); /* too large */
    kith_udp_send(a.udp, &a.bound[0], bytes, 20);            /* arrives */
    kith_udp_flush(a.udp);
    run_until(&loop, &a.n_received, 2);
    assert_int_equal(kith_udp_failed(a.udp), 5);
    assert_int_equal(a.last_size, 20);
    close_peer(&a);
    end_loop(&loop);
}

/* A used address is an error that names it and the cure, and a second address of a family is
 * refused. What failed to bind leaves nothing behind. */
static void test_bind_refused(void **state) {
    uv_loop_t loop;
    struct peer a;
    struct kith_udp *udp;
    struct kith_error_info info = {0};
    struct kith_endpoint foreign = kith_test_endpoint("192.0.2.1:0");
    char text[KITH_ENDPOINT_TEXT_SIZE];

    assert_int_equal(uv_loop_init(&loop), 0);
    open_peer(&a, &loop, "127.0.0.1:0");
    assert_int_equal(kith_udp_bind(a.udp, &a.bound[0], &info), KITH_EINVALID);
    assert_int_equal(kith_udp_new(&udp, &loop, on_receive, on_batch, &a), 0);
    assert_int_equal(kith_udp_bind(udp, &a.bound[0], &info), KITH_ELOCKED);
    assert_int_equal(info.code, KITH_ELOCKED);
    kith_endpoint_format(&a.bound[0], text);
    assert_non_null(strstr(info.message, text));
    assert_non_null(strstr(info.message, "another port"));
    assert_int_equal(kith_udp_bind(udp, &foreign, &info), KITH_EINVALID);
    assert_non_null(strstr(info.message, "192.0.2.1"));
    assert_int_equal(kith_udp_bind(udp, &a.bound[0], NULL), KITH_ELOCKED);
    assert_int_equal(kith_udp_bound(udp, a.bound), 0);
    kith_udp_close(udp, NULL, NULL);
    close_peer(&a);
    end_loop(&loop);
}

/* Without any socket, closing is asynchronous all the same. */
static void test_close_without_sockets(void **state) {
    uv_loop_t loop;
    struct peer a = {0};

    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(kith_udp_new(&a.udp, &loop, on_receive, on_batch, &a), 0);
    kith_udp_close(a.udp, on_closed, &a);
    assert_false(a.closed);
    end_loop(&loop);
    assert_true(a.closed);
}

/* Closing in the middle of a batch ends it: no datagram is delivered to what is closed. */
static void test_close_while_receiving(void **state) {
    uv_loop_t loop;
    struct peer a;
    struct peer b;

    assert_int_equal(uv_loop_init(&loop), 0);
    open_peer(&a, &loop, "127.0.0.1:0");
    open_peer(&b, &loop, "127.0.0.1:0");
    b.close_on_receive = true;
    for (unsigned i = 0; i < 10; i++) {
        kith_udp_send(a.udp, &b.bound[0], (const uint8_t *)"x", 1);
    }
    kith_udp_flush(a.udp);
    run_until(&loop, &b.n_received, 1);
    close_peer(&a);
    end_loop(&loop);
    assert_true(b.closed);
    assert_int_equal(b.n_received, 1);
}

/* More than any send buffer holds, without the loop running: nothing hangs, grows without bound, or
 * is lost uncounted by the sender. */
static void test_flood(void **state) {
    uv_loop_t loop;
    struct peer a;
    struct peer b;
    uint8_t bytes[KITH_WIRE_MAX] = {0};

    assert_int_equal(uv_loop_init(&loop), 0);
    open_peer(&a, &loop, "127.0.0.1:0");
    open_peer(&b, &loop, "127.0.0.1:0");
    for (unsigned i = 0; i < 20000; i++) {
        kith_udp_send(a.udp, &b.bound[0], bytes, sizeof(bytes));
    }
    close_peer(&a);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(b.n_received > 0);
    close_peer(&b);
    end_loop(&loop);
}

/* What a full send buffer holds up is sent later and not lost; an interrupted call is repeated; an
 * error skips one datagram; a short count goes on behind what was sent. */
static void test_send_errors(void **state) {
    static const struct {
        int errors[4];
        unsigned n_lost;
    } CASES[] = {
        {{EINTR, -1}, 0},
        {{EAGAIN, -1}, 0},
        {{ENOBUFS, -1}, 0},
        {{0, 0, -1}, 0},
        {{0, EAGAIN, -1}, 0},
        {{EPERM, -1}, 1},
        {{ECONNREFUSED, 0, ENETUNREACH, -1}, 2},
    };
    enum { N = 10 };

    for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        uv_loop_t loop;
        struct peer a;
        assert_int_equal(uv_loop_init(&loop), 0);
        open_peer(&a, &loop, "127.0.0.1:0");
        for (uint8_t k = 0; k < N; k++) {
            kith_udp_send(a.udp, &a.bound[0], &k, 1);
        }
        scripted_errors = CASES[i].errors;
        kith_udp_flush(a.udp);
        scripted_errors = NULL;
        run_until(&loop, &a.n_received, N - CASES[i].n_lost);
        assert_int_equal(kith_udp_failed(a.udp), CASES[i].n_lost);
        assert_int_equal(a.last[0], N - 1);
        close_peer(&a);
        end_loop(&loop);
    }
}

/* Closed before libuv could send them: no leak, no call into what is gone. */
static void test_close_while_sending(void **state) {
    static const int ERRORS[] = {EAGAIN, EAGAIN, -1};
    uv_loop_t loop;
    struct peer a;

    assert_int_equal(uv_loop_init(&loop), 0);
    open_peer(&a, &loop, "127.0.0.1:0");
    scripted_errors = ERRORS;
    for (uint8_t k = 0; k < 100; k++) {
        kith_udp_send(a.udp, &a.bound[0], &k, 1);
    }
    close_peer(&a);
    scripted_errors = NULL;
    end_loop(&loop);
    assert_true(a.closed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_v4),
        cmocka_unit_test(test_echo_v6),
        cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_empty_datagram),
        cmocka_unit_test(test_large_datagram),
        cmocka_unit_test(test_bad_destinations),
        cmocka_unit_test(test_bind_refused),
        cmocka_unit_test(test_close_without_sockets),
        cmocka_unit_test(test_close_while_receiving),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_send_errors),
        cmocka_unit_test(test_close_while_sending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
