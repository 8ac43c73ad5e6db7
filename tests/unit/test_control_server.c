/* SPDX-License-Identifier: MIT */
/*
 * control_server: who gets in, who is turned away, and what clients that misbehave cost. A real
 * socket, over a real node that is alone on the loopback. Unix sockets deliver at once, so a few
 * turns of the loop after each step are enough and nothing waits for time to pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <msgpack.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shell/control.h"
#include "shell/control_server.h"

enum {
    TURNS = 8,
    PATH_SIZE = sizeof(((struct sockaddr_un *)0)->sun_path),
};

/* ---- a server in a directory of its own ---- */

struct fixture {
    uv_loop_t loop;
    struct kith_node *node;
    int silent;
    struct kith_control_server *server;
    unsigned n_stops;
    char root[32];
    char dir[64];
    char path[96];
};

/* A peer that never answers, so that questions stay open. */
static void open_silent_peer(struct fixture *f, char *text, size_t size) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    f->silent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->silent, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(f->silent, (struct sockaddr *)&address, &length), 0);
    snprintf(text, size, "127.0.0.1:%u", ntohs(address.sin_port));
}

static void open_node(struct fixture *f) {
    char peer[32];
    const char *const peers[] = {peer};
    static const char *const listen[] = {"127.0.0.1:0"};
    struct kith_options options;
    open_silent_peer(f, peer, sizeof(peer));
    kith_options_init(&options);
    options.listen = listen;
    options.n_listen = 1;
    options.peers = peers;
    options.n_peers = 1;
    assert_int_equal(kith_node_open(&f->node, &f->loop, &options, NULL), 0);
}

static unsigned count_ops(const struct fixture *f) {
    struct kith_status status;
    kith_node_status(f->node, &status);
    return status.ops;
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    open_node(f);
    strcpy(f->root, "/tmp/kith-ctl-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    snprintf(f->dir, sizeof(f->dir), "%s/run", f->root);
    snprintf(f->path, sizeof(f->path), "%s/control", f->dir);
    *state = f;
    return 0;
}

static void open_server(struct fixture *f) {
    struct kith_error_info info = {0};
    if (kith_control_server_open(&f->server, &f->loop, f->node, f->path, &info) != 0) {
        fail_msg("open: %s", info.message);
    }
}

static int open_fails(struct fixture *f, const char *path, struct kith_error_info *info) {
    struct kith_control_server *server = NULL;
    *info = (struct kith_error_info){0};
    int r = kith_control_server_open(&server, &f->loop, f->node, path, info);
    assert_null(server);
    assert_int_equal(info->code, r);
    assert_int_not_equal(info->message[0], 0);
    return r;
}

static void turn(struct fixture *f) {
    for (unsigned i = 0; i < TURNS; i++) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
}

static void close_server(struct fixture *f) {
    kith_control_server_close(f->server);
    f->server = NULL;
}

/* Whatever a case did, the loop ends, and the socket's name is gone with the server. */
static int teardown(void **state) {
    struct fixture *f = *state;
    struct stat st;
    if (f->server != NULL) {
        close_server(f);
        assert_int_equal(lstat(f->path, &st), -1);
    }
    kith_node_close(f->node, NULL, NULL);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    (void)close(f->silent);
    (void)unlink(f->path);
    (void)rmdir(f->dir);
    assert_int_equal(rmdir(f->root), 0);
    free(f);
    return 0;
}

/* ---- a client ---- */

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < PATH_SIZE);
    strcpy(address.sun_path, path);
    return address;
}

static int connect_client(struct fixture *f) {
    struct sockaddr_un address = address_of(f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    turn(f);
    return fd;
}

static void send_request(int fd, unsigned id, const char *method) {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_uint64(&packer, 0);
    msgpack_pack_uint64(&packer, id);
    msgpack_pack_str(&packer, strlen(method));
    msgpack_pack_str_body(&packer, method, strlen(method));
    msgpack_pack_map(&packer, 0);
    assert_int_equal(send(fd, buffer.data, buffer.size, MSG_NOSIGNAL), buffer.size);
    msgpack_sbuffer_destroy(&buffer);
}

static void send_lookup(int fd) {
    static const char request[] = "\x94\x00\x01\xa6lookup\x81\xa3key\xd9\x34";
    char bytes[128];
    struct kith_key key = {{1}};
    memcpy(bytes, request, sizeof(request) - 1);
    kith_key_format(&key, bytes + sizeof(request) - 1);
    size_t size = sizeof(request) - 1 + KITH_KEY_TEXT_SIZE - 1;
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

/* Reads what is there. Returns its size; `ret_end` tells whether the server has hung up. */
static size_t read_all(int fd, uint8_t *bytes, size_t size, bool *ret_end) {
    size_t n = 0;
    *ret_end = false;
    while (n < size) {
        ssize_t r = recv(fd, bytes + n, size - n, 0);
        if (r > 0) {
            n += (size_t)r;
            continue;
        }
        *ret_end = r == 0 || errno != EAGAIN;
        break;
    }
    return n;
}

/* The first message: its kind, and the code of an error. */
static unsigned first_message(int fd, int *ret_code, bool *ret_end) {
    uint8_t bytes[4096];
    msgpack_unpacked message;
    size_t n = read_all(fd, bytes, sizeof(bytes), ret_end);
    msgpack_unpacked_init(&message);
    assert_int_equal(msgpack_unpack_next(&message, (const char *)bytes, n, NULL),
                     MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(message.data.type, MSGPACK_OBJECT_ARRAY);
    unsigned kind = (unsigned)message.data.via.array.ptr[0].via.u64;
    *ret_code = kind == 2 ? (int)message.data.via.array.ptr[2].via.i64 : 0;
    msgpack_unpacked_destroy(&message);
    return kind;
}

static void assert_served(struct fixture *f, int fd) {
    int code;
    bool end;
    send_request(fd, 7, "id");
    turn(f);
    assert_int_equal(first_message(fd, &code, &end), 1);
    assert_false(end);
}

/* What the node tells reaches the clients that asked for it; one that went away harms nobody. */
static void test_events(void **state) {
    struct fixture *f = *state;
    const struct kith_event event = {.kind = KITH_EVENT_LOST};
    int code;
    bool end;
    uint8_t bytes[64];
    open_server(f);
    int asked = connect_client(f);
    int gone = connect_client(f);
    int other = connect_client(f);
    send_request(asked, 1, "events");
    send_request(gone, 1, "events");
    turn(f);
    (void)close(gone);
    kith_control_server_tell(f->server, &event);
    turn(f);
    assert_int_equal(first_message(asked, &code, &end), 3);
    assert_int_equal(read_all(other, bytes, sizeof(bytes), &end), 0);
    assert_served(f, asked);
    (void)close(asked);
    (void)close(other);
}

/* ---- the socket ---- */

/* Modes do not depend on the umask; a directory that was there is left as it is. */
static void test_modes(void **state) {
    struct fixture *f = *state;
    struct stat st;
    mode_t before = umask(0);
    open_server(f);
    assert_int_equal(stat(f->dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
    close_server(f);
    turn(f);
    assert_int_equal(chmod(f->dir, 0750), 0);
    open_server(f);
    (void)umask(before);
    assert_int_equal(stat(f->dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
}

/* What a daemon that was killed leaves behind does not keep the next one from starting. */
static void test_stale_socket(void **state) {
    struct fixture *f = *state;
    struct sockaddr_un address = address_of(f->path);
    assert_int_equal(mkdir(f->dir, 0700), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(fd);
    open_server(f);
    fd = connect_client(f);
    assert_served(f, fd);
    (void)close(fd);
}

/* A second daemon is refused by name, and the first does not notice. */
static void test_live_socket(void **state) {
    struct fixture *f = *state;
    struct kith_error_info info;
    open_server(f);
    int first = connect_client(f);
    assert_int_equal(open_fails(f, f->path, &info), KITH_ELOCKED);
    assert_non_null(strstr(info.message, f->path));
    turn(f);
    assert_served(f, first);
    int second = connect_client(f);
    assert_served(f, second);
    (void)close(first);
    (void)close(second);
}

/* Another daemon that has bound and does not listen yet is no dead one. */
static void test_starting_socket(void **state) {
    struct fixture *f = *state;
    struct sockaddr_un address = address_of(f->path);
    struct kith_error_info info;
    char byte;
    int ready[2];
    assert_int_equal(mkdir(f->dir, 0700), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct timespec moment = {.tv_nsec = 200 * 1000 * 1000};
        int lock = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool good = flock(lock, LOCK_EX) == 0 &&
                    bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
                    write(ready[1], "", 1) == 1 && nanosleep(&moment, NULL) == 0 &&
                    listen(fd, 1) == 0 && close(lock) == 0;
        (void)sleep(10); /* or until it is killed */
        _exit(good);
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(open_fails(f, f->path, &info), KITH_ELOCKED);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(fd);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    (void)close(ready[0]);
    (void)close(ready[1]);
    turn(f);
}

/* Somebody holds the lock for ever: that keeps nobody from starting. */
static void test_lock_is_held(void **state) {
    struct fixture *f = *state;
    assert_int_equal(mkdir(f->dir, 0700), 0);
    int lock = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    open_server(f);
    (void)close(lock);
    int fd = connect_client(f);
    assert_served(f, fd);
    (void)close(fd);
}

/* The name belongs to another socket by now: it is not ours to remove. */
static void test_replaced_socket(void **state) {
    struct fixture *f = *state;
    struct sockaddr_un address = address_of(f->path);
    struct stat st;
    open_server(f);
    assert_int_equal(unlink(f->path), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    close_server(f);
    turn(f);
    assert_int_equal(lstat(f->path, &st), 0);
    (void)close(fd);
}

static void test_not_a_socket(void **state) {
    struct fixture *f = *state;
    struct kith_error_info info;
    struct stat st;
    assert_int_equal(mkdir(f->dir, 0700), 0);
    int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(open_fails(f, f->path, &info), KITH_EEXISTS);
    assert_int_equal(stat(f->path, &st), 0); /* somebody's file: left alone */

    char below[128];
    snprintf(below, sizeof(below), "%s/control", f->path);
    assert_int_equal(open_fails(f, below, &info), KITH_EEXISTS);
    turn(f);
}

static void test_bad_paths(void **state) {
    struct fixture *f = *state;
    struct kith_error_info info;
    char path[PATH_SIZE + 2];
    char limit[32];
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[PATH_SIZE] = '\0';
    assert_int_equal(open_fails(f, path, &info), KITH_ETOO_LARGE);
    snprintf(limit, sizeof(limit), "holds %d", (int)PATH_SIZE - 1);
    assert_non_null(strstr(info.message, limit));
    assert_int_equal(open_fails(f, "", &info), KITH_EINVALID);

    snprintf(path, sizeof(path), "%s/none/none/control", f->root);
    assert_int_equal(open_fails(f, path, &info), KITH_EIO);
    assert_non_null(strstr(info.message, "none/none"));
    turn(f);
}

/* A directory of another user could have its socket exchanged by that user. */
static void test_foreign_directory(void **state) {
    struct fixture *f = *state;
    struct kith_error_info info;
    assert_int_equal(mkdir(f->dir, 0777), 0);
    if (geteuid() != 0 || chown(f->dir, 54321, (gid_t)-1) != 0) {
        print_message("only root can give a directory away\n");
        skip();
    }
    assert_int_equal(open_fails(f, f->path, &info), KITH_EPERMISSION);
    assert_non_null(strstr(info.message, f->dir));
}

static void test_default_path(void **state) {
    char path[PATH_SIZE];
    assert_int_equal(kith_control_default_path(path, sizeof(path)), 0);
    assert_int_equal(path[0], '/');
    assert_int_equal(kith_control_default_path(path, 4), KITH_ETOO_LARGE);
}

/* ---- clients ---- */

/* One too many is told so and let go; when one leaves, there is a place again. */
static void test_too_many(void **state) {
    struct fixture *f = *state;
    int fds[KITH_CONTROL_CLIENTS_MAX];
    int code;
    bool end;
    open_server(f);
    for (unsigned i = 0; i < KITH_CONTROL_CLIENTS_MAX; i++) {
        fds[i] = connect_client(f);
    }
    int extra = connect_client(f);
    assert_int_equal(first_message(extra, &code, &end), 2);
    assert_int_equal(code, KITH_EFULL);
    assert_true(end);
    (void)close(extra);
    assert_served(f, fds[0]);
    assert_served(f, fds[KITH_CONTROL_CLIENTS_MAX - 1]);

    (void)close(fds[0]);
    turn(f);
    extra = connect_client(f);
    assert_served(f, extra);
    (void)close(extra);
    for (unsigned i = 1; i < KITH_CONTROL_CLIENTS_MAX; i++) {
        (void)close(fds[i]);
    }
    turn(f);
}

/* Bytes that are no request end the client, after it was told; the others go on. */
static void test_garbage(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
    } rows[] = {
        {"\xc1", 1},                    /* no msgpack */
        {"GET / HTTP/1.1\r\n\r\n", 18}, /* another protocol: small ints, no array */
        {"\xdd\xff\xff\xff\xff", 5},    /* four billion elements */
    };
    struct fixture *f = *state;
    open_server(f);
    int good = connect_client(f);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int code;
        bool end;
        int fd = connect_client(f);
        assert_int_equal(send(fd, rows[i].bytes, rows[i].size, MSG_NOSIGNAL), rows[i].size);
        turn(f);
        assert_int_equal(first_message(fd, &code, &end), 2);
        assert_true(code < 0);
        assert_true(end);
        (void)close(fd);
        assert_served(f, good);
    }
    (void)close(good);
}

/* A client that asks on and on but does not read: what it is owed is bounded, then it is gone. */
static void test_slow_reader(void **state) {
    struct fixture *f = *state;
    enum { REQUESTS_MAX = 20000 };
    uint8_t *bytes = malloc(2 * KITH_CONTROL_BACKLOG_MAX);
    bool end = false;
    unsigned n = 0;
    assert_non_null(bytes);
    open_server(f);
    int good = connect_client(f);
    int slow = connect_client(f);
    for (; n < REQUESTS_MAX; n++) {
        static const char request[] = "\x94\x00\x01\xa5stats\x80";
        if (send(slow, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0) {
            assert_int_equal(errno, EPIPE);
            break;
        }
        turn(f);
    }
    assert_true(n > 10);
    assert_true(n < REQUESTS_MAX); /* it was disconnected */
    size_t owed = read_all(slow, bytes, 2 * KITH_CONTROL_BACKLOG_MAX, &end);
    assert_true(end);
    assert_true(owed < KITH_CONTROL_BACKLOG_MAX);
    (void)close(slow);
    assert_served(f, good);
    (void)close(good);
    free(bytes);
}

/* A reader that is merely late gets everything, whole. */
static void test_late_reader(void **state) {
    struct fixture *f = *state;
    enum { REQUESTS = 400, SIZE = KITH_CONTROL_BACKLOG_MAX };
    uint8_t *bytes = malloc(SIZE);
    size_t n = 0;
    bool end = false;
    assert_non_null(bytes);
    open_server(f);
    int fd = connect_client(f);
    for (unsigned i = 0; i < REQUESTS; i++) {
        send_request(fd, i, "stats");
        turn(f);
    }
    for (unsigned i = 0; i < 200; i++) {
        n += read_all(fd, bytes + n, SIZE - n, &end);
        turn(f);
    }
    assert_false(end);
    msgpack_unpacked message;
    msgpack_unpacked_init(&message);
    size_t at = 0;
    for (unsigned i = 0; i < REQUESTS; i++) {
        assert_int_equal(msgpack_unpack_next(&message, (const char *)bytes, n, &at),
                         MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(message.data.via.array.ptr[0].via.u64, 1);
        assert_int_equal(message.data.via.array.ptr[1].via.u64, i);
    }
    assert_int_equal(at, n);
    msgpack_unpacked_destroy(&message);
    (void)close(fd);
    free(bytes);
}

/* Nobody is left to tell: the question is not asked on. */
static void test_disconnect_cancels(void **state) {
    struct fixture *f = *state;
    open_server(f);
    int fd = connect_client(f);
    send_lookup(fd);
    turn(f);
    assert_int_equal(count_ops(f), 1);
    (void)close(fd);
    turn(f);
    assert_int_equal(count_ops(f), 0);
}

/* The server may close with clients and questions, and does not touch the node afterwards. */
static void test_close_with_clients(void **state) {
    struct fixture *f = *state;
    bool end;
    open_server(f);
    int fd = connect_client(f);
    send_lookup(fd);
    turn(f);
    assert_int_equal(count_ops(f), 1);
    close_server(f);
    assert_int_equal(count_ops(f), 0);
    turn(f);
    uint8_t byte;
    assert_int_equal(read_all(fd, &byte, 1, &end), 0);
    assert_true(end);
    (void)close(fd);
}

static void on_stop(void *context) {
    struct fixture *f = context;
    f->n_stops++;
    close_server(f);
}

/* The method `stop` closes the server from inside the client's own call; its answer goes out. */
static void test_stop(void **state) {
    struct fixture *f = *state;
    int code;
    bool end;
    open_server(f);
    int early = connect_client(f);
    send_request(early, 1, "stop");
    turn(f);
    assert_int_equal(first_message(early, &code, &end), 2);
    assert_int_equal(code, KITH_EUNSUPPORTED);
    kith_control_server_on_stop(f->server, on_stop, f);
    int late = connect_client(f);
    send_request(late, 1, "stop");
    turn(f);
    assert_int_equal(f->n_stops, 1);
    assert_int_equal(first_message(late, &code, &end), 1);
    assert_true(end);
    (void)close(early);
    (void)close(late);
}

/* Answers of a few bytes each are bounded by what it takes to keep them, not by their bytes. */
static void test_slow_reader_of_little(void **state) {
    struct fixture *f = *state;
    enum { ANSWERS_MAX = KITH_CONTROL_BACKLOG_MAX / sizeof(uv_write_t), SOCKET_HOLDS = 100 * 1024 };
    static const char request[] = "\x94\x00\x01\xa6"
                                  "cancel\x81\xa2id\x02";
    enum { REQUEST_SIZE = sizeof(request) - 1 };
    char requests[100 * REQUEST_SIZE];
    size_t n_sent = 0;
    open_server(f);
    int slow = connect_client(f);
    assert_int_equal(fcntl(slow, F_SETFL, O_NONBLOCK), 0);
    for (size_t i = 0; i < sizeof(requests); i++) {
        requests[i] = request[i % REQUEST_SIZE];
    }
    while (n_sent / REQUEST_SIZE < 2 * (ANSWERS_MAX + SOCKET_HOLDS)) {
        size_t begun = n_sent % REQUEST_SIZE;
        ssize_t n = send(slow, requests + begun, sizeof(requests) - begun, MSG_NOSIGNAL);
        if (n < 0 && errno == EPIPE) {
            break;
        }
        n_sent += n < 0 ? 0 : (size_t)n;
        turn(f);
    }
    assert_true(n_sent / REQUEST_SIZE < ANSWERS_MAX + SOCKET_HOLDS); /* it was disconnected */
    (void)close(slow);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN); /* as kithd does */
    const struct CMUnitTest tests[] = {
        CASE(test_events),
        CASE(test_modes),
        CASE(test_stale_socket),
        CASE(test_live_socket),
        CASE(test_starting_socket),
        CASE(test_lock_is_held),
        CASE(test_replaced_socket),
        CASE(test_not_a_socket),
        CASE(test_bad_paths),
        CASE(test_foreign_directory),
        cmocka_unit_test(test_default_path),
        CASE(test_too_many),
        CASE(test_garbage),
        CASE(test_slow_reader),
        CASE(test_slow_reader_of_little),
        CASE(test_late_reader),
        CASE(test_disconnect_cancels),
        CASE(test_close_with_clients),
        CASE(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
