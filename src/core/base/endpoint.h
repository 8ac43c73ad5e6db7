/* SPDX-License-Identifier: MIT */
/* endpoint: comparing and classifying addresses. Text forms are in kith/types.h. */
#ifndef KITH_CORE_ENDPOINT_H
#define KITH_CORE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kith/types.h"
#include "util/span.h"

/* A network neighbourhood that one party can be assumed to own: IPv4 /24, IPv6 /56. */
struct kith_prefix {
    uint8_t bytes[8]; /* family, then 3 or 7 bytes of address */
};

/* The neighbourhoods that one party can be assumed to own, narrow to wide: IPv4 /24, /16 and none;
 * IPv6 /56, /48, /32. 0: none, of an exempt address all three. */
enum { KITH_NETS = 3 };

struct kith_nets {
    uint64_t of[KITH_NETS];
};

enum kith_scope {
    KITH_SCOPE_GLOBAL,
    KITH_SCOPE_PRIVATE,    /* RFC 1918, fc00::/7, 100.64/10 */
    KITH_SCOPE_LINK_LOCAL, /* 169.254/16, fe80::/10 */
    KITH_SCOPE_LOOPBACK,   /* 127/8, ::1 */
    KITH_SCOPE_UNUSABLE, /* unspecified, multicast, broadcast, documentation is NOT included, class
                            E */
};

/* Same family and address; the port may differ. */
static inline bool kith_endpoint_same_ip(const struct kith_endpoint *a,
                                         const struct kith_endpoint *b) {
    if (a->family != b->family) {
        return false;
    }
    if (a->family != 6) {
        return a->family != 4 || memcmp(a->ip, b->ip, 4) == 0;
    }
    /* A link-local address means another host on each interface. */
    return a->scope == b->scope && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* In the innermost loops of votes, tables and walks. */
static inline bool kith_endpoint_equal(const struct kith_endpoint *a,
                                       const struct kith_endpoint *b) {
    return a->port == b->port && kith_endpoint_same_ip(a, b);
}

enum kith_scope kith_endpoint_scope(const struct kith_endpoint *endpoint);
/* Family 4 or 6, port not 0, address that can be sent to. */
bool kith_endpoint_usable(const struct kith_endpoint *endpoint);
void kith_endpoint_prefix(const struct kith_endpoint *endpoint, struct kith_prefix *ret);
/* The same with a /48 in place of a /56: that is as easy to come by, and has 256 of them. */
void kith_endpoint_wide_prefix(const struct kith_endpoint *endpoint, struct kith_prefix *ret);
/* Whether both are of one prefix, the ports and the rest of the addresses aside. */
bool kith_endpoint_same_prefix(const struct kith_endpoint *a, const struct kith_endpoint *b);
void kith_endpoint_nets(const struct kith_endpoint *endpoint, struct kith_nets *ret);
/* True where per-prefix limits do not apply: everything but KITH_SCOPE_GLOBAL. */
bool kith_endpoint_exempt(const struct kith_endpoint *endpoint);

/* Whether an endpoint reaches at least as far as `from` does (public, private, link, host): what
 * somebody at `from` tells us of can be meant for us only then. */
bool kith_endpoint_reaches(const struct kith_endpoint *endpoint, const struct kith_endpoint *from);

/* Wire form, address then port, big endian: 6 bytes for IPv4, 18 for IPv6. */
void kith_endpoint_write(struct kith_writer *w, const struct kith_endpoint *endpoint);
/* `size` is 6 or 18; anything else gives false. */
bool kith_endpoint_read(const uint8_t *bytes, size_t size, struct kith_endpoint *ret);

#endif
