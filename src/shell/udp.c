/* SPDX-License-Identifier: MIT */
/*
 * udp: datagrams in and out, in batches.
 *
 * Of the 3.3 microseconds that an echoed datagram costs, 2.7 are the kernel's sending. Going
 * through uv_udp_send() or uv_udp_try_send() adds 7 to 19 percent, one sendmmsg(2) per batch adds
 * nothing measurable. So libuv receives (UV_UDP_RECVMMSG) and owns descriptor and polling, and the
 * batch is sent on its descriptor. Each socket has the array of message headers for its batch built
 * once; queueing a datagram copies address and bytes, nothing else.
 *
 * When the kernel's send buffer is full, what is left of the batch goes to uv_udp_send(), which
 * waits until the descriptor is writable. At most PENDING_MAX datagrams wait so; what exceeds that
 * is lost and counted, which is what UDP does anyway. One bad destination (refused, unreachable,
 * filtered) costs its own datagram and not those behind it.
 *
 * The receive buffer serves both sockets: libuv hands it back before it asks again, within one
 * call. libuv cuts it into 64 KiB pieces, one per datagram; it is mapped on first use and only the
 * pages that datagrams touch become real, a few kilobytes of each piece.
 *
 * Ports are not shared: SO_REUSEADDR stays off, so that a second node on the same address is an
 * error that can be read instead of a silent theft of half the datagrams.
 *
 * Lifetime: libuv owns a handle until its close callback. Sockets are separate allocations, so one
 * that failed to bind can die alone; the timer `closer` (never started) makes closing asynchronous
 * even with no socket at all, and the last handle to close frees everything.
 */
#include "shell/udp.h"

#include "shell/refuse.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/list.h"

enum {
    N_FAMILIES = 2,
    RECEIVE_PIECE_SIZE = 64 * 1024,  /* libuv's unit: the largest UDP datagram */
    RECEIVE_PIECES = 20,             /* libuv takes no more in one recvmmsg(2) */
    BATCH_MAX = 64,                  /* datagrams of one sendmmsg(2) */
    PENDING_MAX = 256,               /* datagrams that wait for a full send buffer, per socket */
    SOCKET_BUFFER = 4 * 1024 * 1024, /* bytes; the system's limit applies (net.core.rmem_max) */
};

/* What kith_endpoint, uv and the kernel all mean by an address. */
union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct udp_socket {
    uv_udp_t handle;
    struct kith_udp *udp;
    struct kith_endpoint bound;
    unsigned n_pending;
    bool receiving; /* something came since the last on_batch */
    unsigned n;     /* datagrams in the batch */
    struct mmsghdr messages[BATCH_MAX];
    struct iovec parts[BATCH_MAX];
    union address to[BATCH_MAX];
    uint8_t bytes[BATCH_MAX][KITH_WIRE_MAX];
};

struct kith_udp {
    uv_loop_t *loop;
    kith_udp_receive_fn on_receive;
    kith_udp_batch_fn on_batch;
    void *context;
    struct udp_socket *sockets[N_FAMILIES]; /* IPv4, IPv6; NULL: none */
    uint8_t *receive_buffer;                /* NULL until the first datagram */
    uint64_t n_failed;
    uv_timer_t closer;
    unsigned n_open; /* handles whose close callback is still to come */
    void (*done)(void *context);
    void *done_context;
};

/* A datagram that waits for a full send buffer. */
struct pending {
    uv_udp_send_t request;
    size_t size;
    uint8_t bytes[];
};

/* ---- addresses ---- */

static unsigned family_index(uint8_t family) {
    return family == 4 ? 0 : 1;
}

static socklen_t address_write(union address *address, const struct kith_endpoint *endpoint) {
    if (endpoint->family == 4) {
        address->v4 =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
        memcpy(&address->v4.sin_addr, endpoint->ip, sizeof(address->v4.sin_addr));
        return sizeof(address->v4);
    }
    address->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                        .sin6_port = htons(endpoint->port),
                                        .sin6_scope_id = endpoint->scope};
    memcpy(&address->v6.sin6_addr, endpoint->ip, sizeof(address->v6.sin6_addr));
    return sizeof(address->v6);
}

/* False for a family that is not ours. The kernel sets a scope for link-local addresses only. */
static bool address_read(const struct sockaddr *from, struct kith_endpoint *ret) {
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;
        *ret = (struct kith_endpoint){.family = 4, .port = ntohs(v4->sin_port)};
        memcpy(ret->ip, &v4->sin_addr, sizeof(v4->sin_addr));
        return true;
    }
    if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;
        *ret = (struct kith_endpoint){
            .family = 6, .port = ntohs(v6->sin6_port), .scope = v6->sin6_scope_id};
        memcpy(ret->ip, &v6->sin6_addr, sizeof(v6->sin6_addr));
        return true;
    }
    return false;
}

/* ---- receiving ---- */

/* An empty buffer tells libuv to come back later: the kernel keeps the datagrams. */
static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    struct udp_socket *s = handle->data;
    struct kith_udp *udp = s->udp;

    if (udp->receive_buffer == NULL) {
        udp->receive_buffer = malloc((size_t)RECEIVE_PIECES * RECEIVE_PIECE_SIZE);
    }
    buffer->base = (char *)udp->receive_buffer;
    buffer->len = udp->receive_buffer == NULL ? 0 : (size_t)RECEIVE_PIECES * RECEIVE_PIECE_SIZE;
}

static void end_batch(struct udp_socket *s) {
    if (s->receiving) {
        s->receiving = false;
        s->udp->on_batch(s->udp->context);
    }
}

/* Without `from`, no datagram: the batch is over (UV_UDP_MMSG_FREE), nothing was there, or an error
 * that a later datagram will not share. Without UV_UDP_MMSG_CHUNK the kernel has no recvmmsg(2) and
 * every datagram is its own batch. */
static void on_datagram(uv_udp_t *handle, ssize_t size, const uv_buf_t *buffer,
                        const struct sockaddr *from, unsigned flags) {
    struct udp_socket *s = handle->data;
    struct kith_udp *udp = s->udp;
    struct kith_endpoint endpoint;

    if (from == NULL) {
        end_batch(s);
        return;
    }
    if (size >= 0 && (flags & UV_UDP_PARTIAL) == 0 && address_read(from, &endpoint)) {
        s->receiving = true;
        udp->on_receive(udp->context, &endpoint, (const uint8_t *)buffer->base, (size_t)size);
    }
    if ((flags & UV_UDP_MMSG_CHUNK) == 0) {
        end_batch(s);
    }
}

/* ---- sending ---- */

static void on_pending_sent(uv_udp_send_t *request, int status) {
    struct udp_socket *s = request->handle->data;

    s->n_pending--;
    if (status < 0) {
        s->udp->n_failed++;
    }
    free(kith_container_of(request, struct pending, request));
}

/* Datagram `i` of the batch waits until the socket is writable, if there is room. */
static bool send_later(struct udp_socket *s, unsigned i) {
    size_t size = s->parts[i].iov_len;

    if (s->n_pending == PENDING_MAX) {
        return false;
    }
    struct pending *pending = malloc(sizeof(*pending) + size);
    if (pending == NULL) {
        return false;
    }
    memcpy(pending->bytes, s->bytes[i], size);
    uv_buf_t buffer = uv_buf_init((char *)pending->bytes, (unsigned)size);
    if (uv_udp_send(&pending->request, &s->handle, &buffer, 1, &s->to[i].any, on_pending_sent) !=
        0) {
        free(pending);
        return false;
    }
    s->n_pending++;
    return true;
}

/* Sends what it can at once. Each round sends a datagram, gives one up, or ends. */
static void flush(struct udp_socket *s) {
    uv_os_fd_t fd;
    unsigned at = 0;

    if (s->n > 0 && uv_fileno((const uv_handle_t *)&s->handle, &fd) != 0) {
        s->udp->n_failed += s->n;
        s->n = 0;
    }
    while (at < s->n) {
        int sent = sendmmsg(fd, s->messages + at, s->n - at, 0);
        if (sent > 0) {
            at += (unsigned)sent;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            break;
        } else if (errno != EINTR) {
            s->udp->n_failed++;
            at++;
        }
    }
    for (; at < s->n; at++) {
        if (!send_later(s, at)) {
            s->udp->n_failed++;
        }
    }
    s->n = 0;
}

/* ---- sockets ---- */

static int refuse_bind(struct kith_error_info *info, const struct kith_endpoint *endpoint,
                       int status) {
    char text[KITH_ENDPOINT_TEXT_SIZE];

    kith_endpoint_format(endpoint, text);
    switch (status) {
    case UV_EADDRINUSE:
        return kith_refuse(info, KITH_ELOCKED,
                           "%s is used by another program (see: ss -lunp); stop it, or listen on "
                           "another port, for example 0 for any free one",
                           text);
    case UV_EACCES:
    case UV_EPERM:
        return kith_refuse(info, KITH_EPERMISSION,
                           "no permission to listen on %s; choose a port of 1024 or above", text);
    case UV_EADDRNOTAVAIL:
        return kith_refuse(
            info, KITH_EINVALID,
            "%s is not an address of this machine; listen on one that is (see: ip addr), "
            "or on all of them with 0.0.0.0 or [::]",
            text);
    case UV_EAFNOSUPPORT:
        return kith_refuse(info, KITH_EIO, "cannot listen on %s: this machine has no IPv%u", text,
                           endpoint->family);
    case UV_ENOMEM:
    case UV_ENOBUFS:
        return kith_refuse(info, KITH_ENOMEM, "cannot listen on %s: out of memory", text);
    default:
        return kith_refuse(info, KITH_EIO, "cannot listen on %s: %s", text, uv_strerror(status));
    }
}

static struct udp_socket *socket_new(struct kith_udp *udp) {
    struct udp_socket *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->udp = udp;
    s->handle.data = s;
    for (unsigned i = 0; i < BATCH_MAX; i++) {
        s->parts[i].iov_base = s->bytes[i];
        s->messages[i].msg_hdr =
            (struct msghdr){.msg_name = &s->to[i], .msg_iov = &s->parts[i], .msg_iovlen = 1};
    }
    return s;
}

/* Larger buffers ride out bursts; a system that refuses them works with its own. */
static void enlarge_buffers(struct udp_socket *s) {
    int receive = SOCKET_BUFFER;
    int send = SOCKET_BUFFER;

    (void)uv_recv_buffer_size((uv_handle_t *)&s->handle, &receive);
    (void)uv_send_buffer_size((uv_handle_t *)&s->handle, &send);
}

/* -> a libuv status. The handle is open in any case. */
static int socket_start(struct udp_socket *s, const struct kith_endpoint *endpoint) {
    union address address;
    int size = sizeof(address);

    (void)address_write(&address, endpoint);
    int status = uv_udp_bind(&s->handle, &address.any, endpoint->family == 6 ? UV_UDP_IPV6ONLY : 0);
    if (status == 0) {
        status = uv_udp_getsockname(&s->handle, &address.any, &size);
    }
    if (status == 0) {
        (void)address_read(&address.any, &s->bound);
        enlarge_buffers(s);
        status = uv_udp_recv_start(&s->handle, on_buffer, on_datagram);
    }
    return status;
}

static void on_failed_closed(uv_handle_t *handle) {
    free(handle->data);
}

/* ---- public ---- */

int kith_udp_new(struct kith_udp **ret, uv_loop_t *loop, kith_udp_receive_fn on_receive,
                 kith_udp_batch_fn on_batch, void *context) {
    struct kith_udp *udp = calloc(1, sizeof(*udp));

    if (udp == NULL) {
        return KITH_ENOMEM;
    }
    udp->loop = loop;
    udp->on_receive = on_receive;
    udp->on_batch = on_batch;
    udp->context = context;
    (void)uv_timer_init(loop, &udp->closer); /* cannot fail */
    udp->closer.data = udp;
    udp->n_open = 1;
    *ret = udp;
    return 0;
}

int kith_udp_bind(struct kith_udp *udp, const struct kith_endpoint *endpoint,
                  struct kith_error_info *info) {
    if (endpoint->family != 4 && endpoint->family != 6) {
        return kith_refuse(info, KITH_EINVALID, "an address to listen on is neither IPv4 nor IPv6");
    }
    struct udp_socket **slot = &udp->sockets[family_index(endpoint->family)];
    if (*slot != NULL) {
        char text[KITH_ENDPOINT_TEXT_SIZE];
        kith_endpoint_format(&(*slot)->bound, text);
        return kith_refuse(
            info, KITH_EINVALID,
            "already listening on %s; give one address per family, 0.0.0.0 and [::] for all", text);
    }
    struct udp_socket *s = socket_new(udp);
    if (s == NULL) {
        return refuse_bind(info, endpoint, UV_ENOMEM);
    }
    int family = endpoint->family == 4 ? AF_INET : AF_INET6;
    int status = uv_udp_init_ex(udp->loop, &s->handle, (unsigned)family | UV_UDP_RECVMMSG);
    if (status != 0) {
        free(s);
        return refuse_bind(info, endpoint, status);
    }
    status = socket_start(s, endpoint);
    if (status != 0) {
        uv_close((uv_handle_t *)&s->handle, on_failed_closed);
        return refuse_bind(info, endpoint, status);
    }
    *slot = s;
    udp->n_open++;
    return 0;
}

size_t kith_udp_bound(const struct kith_udp *udp, struct kith_endpoint *out) {
    size_t n = 0;

    for (unsigned i = 0; i < N_FAMILIES; i++) {
        if (udp->sockets[i] != NULL) {
            out[n++] = udp->sockets[i]->bound;
        }
    }
    return n;
}

void kith_udp_send(struct kith_udp *udp, const struct kith_endpoint *to, const uint8_t *bytes,
                   size_t size) {
    struct udp_socket *s = NULL;

    if (to->family == 4 || to->family == 6) {
        s = udp->sockets[family_index(to->family)];
    }
    if (s == NULL || size > KITH_WIRE_MAX) {
        udp->n_failed++;
        return;
    }
    unsigned i = s->n++;
    s->messages[i].msg_hdr.msg_namelen = address_write(&s->to[i], to);
    s->parts[i].iov_len = size;
    if (size > 0) {
        memcpy(s->bytes[i], bytes, size);
    }
    if (s->n == BATCH_MAX) {
        flush(s);
    }
}

void kith_udp_flush(struct kith_udp *udp) {
    for (unsigned i = 0; i < N_FAMILIES; i++) {
        if (udp->sockets[i] != NULL) {
            flush(udp->sockets[i]);
        }
    }
}

uint64_t kith_udp_failed(const struct kith_udp *udp) {
    return udp->n_failed;
}

static void on_closed(uv_handle_t *handle) {
    struct kith_udp *udp = uv_handle_get_type(handle) == UV_UDP
                               ? ((struct udp_socket *)handle->data)->udp
                               : (struct kith_udp *)handle->data;
    if (--udp->n_open > 0) {
        return;
    }
    void (*done)(void *context) = udp->done;
    void *context = udp->done_context;

    for (unsigned i = 0; i < N_FAMILIES; i++) {
        free(udp->sockets[i]);
    }
    free(udp->receive_buffer);
    free(udp);
    if (done != NULL) {
        done(context);
    }
}

void kith_udp_close(struct kith_udp *udp, void (*done)(void *context), void *context) {
    udp->done = done;
    udp->done_context = context;
    for (unsigned i = 0; i < N_FAMILIES; i++) {
        if (udp->sockets[i] != NULL) {
            flush(udp->sockets[i]);
            /* No datagram is delivered any more, even when this runs inside one's callback. */
            (void)uv_udp_recv_stop(&udp->sockets[i]->handle);
            uv_close((uv_handle_t *)&udp->sockets[i]->handle, on_closed);
        }
    }
    uv_close((uv_handle_t *)&udp->closer, on_closed);
}
