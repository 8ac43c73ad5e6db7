/* SPDX-License-Identifier: MIT */
/*
 * resolve: names in, contacts out.
 *
 * getaddrinfo(3) blocks and cannot be interrupted, so it runs on libuv's pool, which lets slow
 * requests like this one take only half of the threads: silent DNS servers do not hold up disk
 * writes. A canceled request that already runs cannot be stopped; it is orphaned (`fn` is cleared)
 * and frees itself when the system gives up.
 *
 * A literal address needs no thread, but its answer too comes from the loop, through a timer of
 * zero: whoever starts a resolve never finds itself called back half-way.
 *
 * The answer is remote input. It is cut at KITH_RESOLVE_CONTACTS_MAX, and addresses that cannot be
 * sent to (unspecified, multicast) or that repeat are left out. No AI_ADDRCONFIG: on a machine that
 * has only loopback it would hide ::1; a family without a socket is the caller's business.
 */
#include "shell/resolve.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/endpoint.h"

enum { HOST_SIZE = 256 };

struct kith_resolve {
    kith_resolve_fn fn; /* NULL: canceled */
    void *user;
    struct kith_contact contact; /* key and port; of a literal everything */
    bool literal;
    uv_timer_t timer;         /* literals */
    uv_getaddrinfo_t request; /* names */
};

/* ---- literals ---- */

static void on_timer_closed(uv_handle_t *handle) {
    struct kith_resolve *resolve = handle->data;
    struct kith_contact contact = resolve->contact;
    kith_resolve_fn fn = resolve->fn;
    void *user = resolve->user;

    free(resolve);
    if (fn != NULL) {
        fn(user, 0, &contact, 1);
    }
}

static void on_timer(uv_timer_t *timer) {
    uv_close((uv_handle_t *)timer, on_timer_closed);
}

/* The endpoint of "KEY@ADDRESS:PORT" or "ADDRESS:PORT"; false for a name. */
static bool literal_endpoint(const char *text, struct kith_endpoint *ret) {
    const char *at = strchr(text, '@');

    return kith_endpoint_parse(at == NULL ? text : at + 1, ret, NULL) == 0;
}

/* ---- names ---- */

static bool endpoint_of(const struct addrinfo *info, uint16_t port, struct kith_endpoint *ret) {
    *ret = (struct kith_endpoint){.port = port};
    if (info->ai_family == AF_INET && info->ai_addrlen >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, info->ai_addr, sizeof(v4));
        ret->family = 4;
        memcpy(ret->ip, &v4.sin_addr, sizeof(v4.sin_addr));
    } else if (info->ai_family == AF_INET6 && info->ai_addrlen >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        memcpy(&v6, info->ai_addr, sizeof(v6));
        ret->family = 6;
        ret->scope = v6.sin6_scope_id;
        memcpy(ret->ip, &v6.sin6_addr, sizeof(v6.sin6_addr));
    }
    return kith_endpoint_usable(ret);
}

static bool is_known(const struct kith_contact *contacts, size_t n,
                     const struct kith_endpoint *endpoint) {
    for (size_t i = 0; i < n; i++) {
        if (kith_endpoint_equal(&contacts[i].endpoint, endpoint)) {
            return true;
        }
    }
    return false;
}

/* In the system's order (RFC 6724). Returns their number. */
static size_t collect(const struct addrinfo *info, const struct kith_contact *like,
                      struct kith_contact out[KITH_RESOLVE_CONTACTS_MAX]) {
    size_t n = 0;

    for (; info != NULL && n < KITH_RESOLVE_CONTACTS_MAX; info = info->ai_next) {
        struct kith_endpoint endpoint;
        if (endpoint_of(info, like->endpoint.port, &endpoint) && !is_known(out, n, &endpoint)) {
            out[n] = *like;
            out[n++].endpoint = endpoint;
        }
    }
    return n;
}

static int status_of(int status) {
    switch (status) {
    case UV_EAI_AGAIN:
    case UV_EAI_FAIL:
    case UV_EAI_CANCELED:
        return KITH_EUNREACHABLE;
    case UV_EAI_MEMORY:
    case UV_ENOMEM:
        return KITH_ENOMEM;
    default:
        return KITH_ENOT_FOUND;
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *info) {
    struct kith_resolve *resolve = request->data;
    struct kith_contact contacts[KITH_RESOLVE_CONTACTS_MAX];
    kith_resolve_fn fn = resolve->fn;
    void *user = resolve->user;
    size_t n = 0;

    if (status == 0 && fn != NULL) {
        n = collect(info, &resolve->contact, contacts);
    }
    uv_freeaddrinfo(info);
    free(resolve);
    if (fn != NULL) {
        int r = status != 0 ? status_of(status) : n == 0 ? KITH_ENOT_FOUND : 0;
        fn(user, r, contacts, n);
    }
}

static int start_query(struct kith_resolve *resolve, uv_loop_t *loop, const char *host) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};

    resolve->request.data = resolve;
    int status = uv_getaddrinfo(loop, &resolve->request, on_resolved, host, NULL, &hints);
    if (status == UV_ENOMEM) {
        return KITH_ENOMEM;
    }
    return status == 0 ? 0 : KITH_ESYNTAX; /* not a name (IDNA) */
}

/* ---- public ---- */

int kith_resolve_start(struct kith_resolve **ret, uv_loop_t *loop, const char *text,
                       kith_resolve_fn fn, void *user, struct kith_error_info *info) {
    char host[HOST_SIZE];
    struct kith_contact contact = {0};
    uint16_t port;
    int r = kith_contact_parse(text, &contact.has_key, &contact.key, host, &port, info);

    if (r < 0) {
        return r;
    }
    struct kith_resolve *resolve = calloc(1, sizeof(*resolve));
    if (resolve == NULL) {
        return KITH_ENOMEM;
    }
    resolve->fn = fn;
    resolve->user = user;
    resolve->literal = literal_endpoint(text, &contact.endpoint);
    contact.endpoint.port = port;
    resolve->contact = contact;
    if (resolve->literal) {
        (void)uv_timer_init(loop,
                            &resolve->timer); /* cannot fail, nor can a start with a function */
        resolve->timer.data = resolve;
        (void)uv_timer_start(&resolve->timer, on_timer, 0, 0);
    } else {
        r = start_query(resolve, loop, host);
    }
    if (r < 0) {
        free(resolve);
        if (info != NULL) {
            *info = (struct kith_error_info){.code = r};
            strncpy(info->message, "this host name cannot be looked up", sizeof(info->message) - 1);
        }
        return r;
    }
    *ret = resolve;
    return 0;
}

void kith_resolve_cancel(struct kith_resolve *resolve) {
    if (resolve == NULL) {
        return;
    }
    resolve->fn = NULL;
    if (!resolve->literal) {
        (void)uv_cancel((uv_req_t *)&resolve->request); /* running: orphaned */
    } else if (!uv_is_closing((uv_handle_t *)&resolve->timer)) {
        uv_close((uv_handle_t *)&resolve->timer, on_timer_closed);
    }
}
