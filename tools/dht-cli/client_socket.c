/* SPDX-License-Identifier: MIT */
/*
 * The Unix socket transport: blocking, with ppoll() so that a signal that arrives just before
 * waiting is not lost. No loop is set up: a command through the daemon costs two system calls more
 * than its work.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

enum {
    READ_SIZE = 64 * 1024,
    CONNECT_STEP_NS = 10000000,
};

struct socket_transport {
    int fd;
    struct client *client;
    char buffer[READ_SIZE];
};

static int socket_send(void *self, const void *bytes, size_t size) {
    struct socket_transport *transport = self;

    while (size) {
        ssize_t n = send(transport->fd, bytes, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) /* why it hung up may be there to read */
            return errno == EPIPE ? 0 : KITH_EUNREACHABLE;
        bytes = (const char *)bytes + n;
        size -= (size_t)n;
    }
    return 0;
}

static int wait_readable(struct socket_transport *transport, uint64_t deadline_ms) {
    struct pollfd poll_fd = {.fd = transport->fd, .events = POLLIN};
    uint64_t now = client_now_ms();
    struct timespec left = {0};
    sigset_t none;
    int r;

    if (client_interrupted)
        return KITH_ECANCELED;
    if (now < deadline_ms) {
        left.tv_sec = (time_t)((deadline_ms - now) / 1000);
        left.tv_nsec = (long)((deadline_ms - now) % 1000) * 1000000;
    }
    sigemptyset(&none);
    r = ppoll(&poll_fd, 1, deadline_ms == UINT64_MAX ? NULL : &left, &none);
    if (r == 0)
        return KITH_ETIMEOUT;
    if (r < 0 && errno == EINTR)
        return client_interrupted ? KITH_ECANCELED : 0;
    return r < 0 ? KITH_EIO : 0;
}

static int socket_wait(void *self, uint64_t deadline_ms) {
    struct socket_transport *transport = self;
    ssize_t n;
    int r = wait_readable(transport, deadline_ms);

    if (r < 0)
        return r;
    n = recv(transport->fd, transport->buffer, sizeof(transport->buffer), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return KITH_EUNREACHABLE;
    client_feed(transport->client, transport->buffer, (size_t)n);
    return 0;
}

static void socket_free(void *self) {
    struct socket_transport *transport = self;

    close(transport->fd);
    free(transport);
}

static const struct client_transport socket_transport = {
    .send = socket_send,
    .wait = socket_wait,
    .free = socket_free,
};

/* Who listens there. In a directory that anybody can write to, it may be anybody. */
static bool is_ours(int fd, struct kith_error_info *info) {
#ifdef SO_PEERCRED
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (geteuid() == 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        peer.uid == geteuid() || peer.uid == 0)
        return true;
    info->code = KITH_EPERMISSION;
    snprintf(info->message, sizeof(info->message), "the daemon there is that of user %u",
             (unsigned)peer.uid);
    return false;
#else
    return true;
#endif
}

/* A daemon that is stopped or hangs takes no connections, and once its queue is full connect(2)
 * would wait for ever, deaf to signals. Returns 0 or an errno; EINTR: interrupted. */
static int connect_within(int fd, const struct sockaddr_un *address, uint64_t patience_ms) {
    const struct timespec step = {.tv_nsec = CONNECT_STEP_NS};
    uint64_t deadline = client_now_ms() + patience_ms;
    sigset_t none;

    sigemptyset(&none);
    while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
        if (errno != EAGAIN)
            return errno;
        if (client_now_ms() >= deadline)
            return ETIMEDOUT;
        ppoll(NULL, 0, &step, &none);
        if (client_interrupted)
            return EINTR;
    }
    return fcntl(fd, F_SETFL, 0) < 0 ? errno : 0; /* requests are sent whole */
}

static void refuse_connection(int error, struct kith_error_info *info) {
    info->code = error == EACCES  ? KITH_EPERMISSION
                 : error == EINTR ? KITH_ECANCELED
                                  : KITH_EUNREACHABLE;
    snprintf(info->message, sizeof(info->message), "%s",
             error == ETIMEDOUT ? "it takes no connections: stopped, or hanging" : strerror(error));
}

static int connect_to(const char *path, bool is_default, uint64_t patience_ms,
                      struct kith_error_info *info) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    int fd, error;

    if (length >= sizeof(address.sun_path)) {
        info->code = KITH_ETOO_LARGE;
        snprintf(info->message, sizeof(info->message),
                 "control path has %zu bytes, a Unix socket's path may have %zu", length,
                 sizeof(address.sun_path) - 1);
        return -1;
    }
    memcpy(address.sun_path, path, length);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    error = fd < 0 ? errno : connect_within(fd, &address, patience_ms);
    if (error == 0 && (!is_default || is_ours(fd, info)))
        return fd;
    if (error != 0)
        refuse_connection(error, info);
    if (fd >= 0)
        close(fd);
    return -1;
}

int client_open_socket(struct client **ret_client, const char *path, bool is_default,
                       uint64_t patience_ms, struct kith_error_info *info) {
    struct socket_transport *transport;
    struct client *client;
    int fd = connect_to(path, is_default, patience_ms, info);

    if (fd < 0)
        return info->code;
    transport = calloc(1, sizeof(*transport));
    if (!transport) {
        close(fd);
        return KITH_ENOMEM;
    }
    transport->fd = fd;
    client = client_new(&socket_transport, transport);
    if (!client)
        return KITH_ENOMEM;
    transport->client = client;
    *ret_client = client;
    return 0;
}
