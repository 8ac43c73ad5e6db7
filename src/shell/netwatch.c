/* SPDX-License-Identifier: MIT */
/*
 * netwatch: rtnetlink (Linux).
 *
 * The messages are a sign to look, no more: what they say is thrown away unread, and the list of
 * interfaces before and after is compared. So a message that did not fit into the socket's buffer
 * (ENOBUFS) costs nothing, and nothing has to be parsed. The list is taken at the first message of
 * a burst as well: an interface that went down and came back at once looks the same before and
 * after.
 */
#include "shell/netwatch.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    QUIET_MS = 200,    /* without a message: the burst is over */
    LONGEST_MS = 1000, /* but no longer than that */
    READS_MAX = 64,    /* in one iteration of the loop */
    ERRORS_MAX = 8,    /* in a row, after which the socket is given up */
};

struct kith_netwatch {
    struct kith_netwatch_config config;
    int fd;
    uv_poll_t poll;
    uv_timer_t quiet;
    uint64_t burst; /* when it began, or 0 */
    uint64_t known; /* the interfaces that were told of */
    bool changed;   /* since then */
    bool is_up;     /* some interface has an address */
    unsigned n_errors;
    unsigned n_open;
    void (*done)(void *context);
    void *done_context;
};

/* ---- interfaces ---- */

/* FNV-1a: nobody gains by a collision on the host's own interfaces. */
static uint64_t mix(uint64_t digest, const void *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        digest = (digest ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    }
    return digest;
}

/* The bytes of an IPv4 or IPv6 address, or NULL. */
static const void *address_of(const struct ifaddrs *one, uint8_t *ret_family, size_t *ret_size) {
    int family = one->ifa_addr == NULL ? AF_UNSPEC : one->ifa_addr->sa_family;
    if (family == AF_INET) {
        *ret_family = 4;
        *ret_size = 4;
        return &((const struct sockaddr_in *)(const void *)one->ifa_addr)->sin_addr;
    }
    if (family == AF_INET6) {
        *ret_family = 6;
        *ret_size = 16;
        return &((const struct sockaddr_in6 *)(const void *)one->ifa_addr)->sin6_addr;
    }
    return NULL;
}

/* Compares the interfaces as they are with those that were told of. */
static uint64_t look(struct kith_netwatch *watch) {
    struct ifaddrs *list;
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    if (getifaddrs(&list) != 0) { /* out of descriptors: who knows */
        watch->changed = true;
        return watch->known;
    }
    watch->is_up = false;
    for (const struct ifaddrs *one = list; one != NULL; one = one->ifa_next) {
        unsigned state = one->ifa_flags & (IFF_UP | IFF_RUNNING);
        uint8_t family;
        size_t size;
        const void *address = address_of(one, &family, &size);
        if (address != NULL && (one->ifa_flags & IFF_LOOPBACK) == 0) {
            digest = mix(digest, one->ifa_name, strlen(one->ifa_name) + 1);
            digest = mix(digest, &state, sizeof(state));
            digest = mix(digest, address, size);
            watch->is_up = watch->is_up || state == (IFF_UP | IFF_RUNNING);
        }
    }
    freeifaddrs(list);
    watch->changed = watch->changed || digest != watch->known;
    return digest;
}

bool kith_netwatch_has_address(const struct kith_endpoint *endpoint) {
    struct ifaddrs *list;
    bool found = false;
    if (getifaddrs(&list) != 0) {
        return true;
    }
    for (const struct ifaddrs *one = list; one != NULL && !found; one = one->ifa_next) {
        uint8_t family;
        size_t size;
        const void *address = address_of(one, &family, &size);
        found = address != NULL && family == endpoint->family &&
                memcmp(address, endpoint->ip, size) == 0;
    }
    freeifaddrs(list);
    return found;
}

/* ---- messages ---- */

static void on_quiet(uv_timer_t *timer) {
    struct kith_netwatch *watch = timer->data;
    watch->burst = 0;
    watch->known = look(watch);
    if (watch->changed && watch->is_up) {
        watch->changed = false;
        watch->config.on_change(watch->config.context);
    }
}

static void expect_quiet(struct kith_netwatch *watch) {
    uint64_t now = uv_now(watch->config.loop) + 1; /* never 0 */
    if (watch->burst == 0) {
        watch->burst = now;
        (void)look(watch);
    }
    uint64_t left = now < watch->burst + LONGEST_MS ? watch->burst + LONGEST_MS - now : 0;
    (void)uv_timer_start(&watch->quiet, on_quiet, left < QUIET_MS ? left : QUIET_MS, 0);
}

/* Reads what there is. Returns false when the socket is of no use any more. */
static bool drain(struct kith_netwatch *watch) {
    char unread[4096];
    for (unsigned i = 0; i < READS_MAX; i++) {
        ssize_t size = recv(watch->fd, unread, sizeof(unread), MSG_DONTWAIT);
        if (size > 0) {
            watch->n_errors = 0;
        } else if (size < 0 && errno == EAGAIN) {
            break;
        } else if (size < 0 && errno == ENOBUFS) {
            continue; /* some were lost: the list of interfaces tells */
        } else if ((size == 0 || errno != EINTR) && ++watch->n_errors > ERRORS_MAX) {
            return false;
        }
    }
    return true;
}

static void on_message(uv_poll_t *poll, int status, int events) {
    struct kith_netwatch *watch = poll->data;
    (void)events;
    if (!drain(watch) || (status < 0 && ++watch->n_errors > ERRORS_MAX)) {
        (void)uv_poll_stop(poll);
        watch->config.on_lost(watch->config.context, "the netlink socket fails");
        return;
    }
    if (status < 0) { /* libuv stopped the handle; an overflow is reported as an error, too */
        (void)uv_poll_start(poll, UV_READABLE, on_message);
    }
    expect_quiet(watch);
}

/* ---- opening and closing ---- */

static int open_socket(void) {
    struct sockaddr_nl groups = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&groups, sizeof(groups)) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        fd = -1;
    }
    return fd;
}

int kith_netwatch_open(struct kith_netwatch **ret, const struct kith_netwatch_config *config,
                       const char **ret_why) {
    struct kith_netwatch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        *ret_why = kith_strerror(KITH_ENOMEM);
        return KITH_ENOMEM;
    }
    watch->config = *config;
    watch->fd = open_socket();
    if (watch->fd < 0) {
        *ret_why = strerror(errno);
        free(watch);
        return KITH_EUNSUPPORTED;
    }
    if (uv_poll_init(config->loop, &watch->poll, watch->fd) != 0) {
        *ret_why = "the loop cannot watch a netlink socket";
        close(watch->fd);
        free(watch);
        return KITH_EUNSUPPORTED;
    }
    (void)uv_timer_init(config->loop, &watch->quiet); /* cannot fail */
    watch->poll.data = watch;
    watch->quiet.data = watch;
    watch->n_open = 2;
    (void)uv_poll_start(&watch->poll, UV_READABLE, on_message); /* nor can this, after init */
    watch->known = look(watch);
    watch->changed = false;
    *ret = watch;
    return 0;
}

static void on_closed(uv_handle_t *handle) {
    struct kith_netwatch *watch = handle->data;
    if (--watch->n_open > 0) {
        return;
    }
    void (*done)(void *) = watch->done;
    void *context = watch->done_context;
    close(watch->fd);
    free(watch);
    done(context);
}

void kith_netwatch_close(struct kith_netwatch *watch, void (*done)(void *context),
                         void *done_context) {
    watch->done = done;
    watch->done_context = done_context;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
    uv_close((uv_handle_t *)&watch->quiet, on_closed);
}
