/* SPDX-License-Identifier: MIT */
/*
 * endpoint: comparing and classifying addresses.
 *
 * Addresses come from strangers, so classification errs towards KITH_SCOPE_UNUSABLE: whatever has
 * no host behind it, or reaches one by a detour that hides which (an IPv4 address inside an IPv6
 * one would pass the IPv4 limits unseen, and our IPv6 sockets are v6-only). The ranges are tables
 * of (prefix, bits), first match wins; sources are the IANA special-purpose registries (RFC 6890).
 *
 * Documentation ranges (192.0.2.0/24, 2001:db8::/32, ...) count as global: tests and simulations
 * live in them.
 */
#include "core/base/endpoint.h"

#include <string.h>

enum {
    IP4_SIZE = 4,
    IP6_SIZE = 16,
    PORT_SIZE = 2,
    PREFIX_IP4_SIZE = 3, /* /24: the smallest announced on the internet, one customer */
    PREFIX_IP6_SIZE = 7, /* /56: what a household gets (RFC 6177) */
};

struct scope_range {
    uint8_t ip[IP6_SIZE];
    uint8_t bits;
    enum kith_scope scope;
};

static const struct scope_range RANGES_IP4[] = {
    {{0}, 8, KITH_SCOPE_UNUSABLE}, /* "this network" (RFC 791) */
    {{10}, 8, KITH_SCOPE_PRIVATE},
    {{172, 16}, 12, KITH_SCOPE_PRIVATE},
    {{192, 168}, 16, KITH_SCOPE_PRIVATE},
    {{100, 64}, 10, KITH_SCOPE_PRIVATE}, /* carrier-grade NAT (RFC 6598) */
    {{169, 254}, 16, KITH_SCOPE_LINK_LOCAL},
    {{127}, 8, KITH_SCOPE_LOOPBACK},
    {{224}, 4, KITH_SCOPE_UNUSABLE}, /* multicast */
    {{240}, 4, KITH_SCOPE_UNUSABLE}, /* class E and broadcast */
};

static const struct scope_range RANGES_IP6[] = {
    {{[15] = 1}, 128, KITH_SCOPE_LOOPBACK},
    {{0}, 96, KITH_SCOPE_UNUSABLE},                        /* unspecified, IPv4-compatible */
    {{[10] = 0xff, [11] = 0xff}, 96, KITH_SCOPE_UNUSABLE}, /* IPv4-mapped */
    {{0xfe, 0x80}, 10, KITH_SCOPE_LINK_LOCAL},
    {{0xfe, 0xc0}, 10, KITH_SCOPE_PRIVATE}, /* site-local, deprecated but still private */
    {{0xfc}, 7, KITH_SCOPE_PRIVATE},
    {{0xff}, 8, KITH_SCOPE_UNUSABLE}, /* multicast */
};

/* Bytes of an address of the family, 0 for no family. */
static size_t family_size(uint8_t family) {
    return family == 4 ? IP4_SIZE : family == 6 ? IP6_SIZE : 0;
}

static bool range_holds(const struct scope_range *range, const uint8_t *ip) {
    size_t n_whole = range->bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> range->bits % 8);

    if (memcmp(range->ip, ip, n_whole) != 0) {
        return false;
    }
    return mask == 0 || ((range->ip[n_whole] ^ ip[n_whole]) & mask) == 0;
}

static enum kith_scope ranges_find(const struct scope_range *ranges, size_t n, const uint8_t *ip) {
    for (size_t i = 0; i < n; i++) {
        if (range_holds(&ranges[i], ip)) {
            return ranges[i].scope;
        }
    }
    return KITH_SCOPE_GLOBAL;
}

enum kith_scope kith_endpoint_scope(const struct kith_endpoint *endpoint) {
    switch (endpoint->family) {
    case 4:
        return ranges_find(RANGES_IP4, sizeof(RANGES_IP4) / sizeof(RANGES_IP4[0]), endpoint->ip);
    case 6:
        return ranges_find(RANGES_IP6, sizeof(RANGES_IP6) / sizeof(RANGES_IP6[0]), endpoint->ip);
    default:
        return KITH_SCOPE_UNUSABLE;
    }
}

bool kith_endpoint_usable(const struct kith_endpoint *endpoint) {
    return endpoint->port != 0 && kith_endpoint_scope(endpoint) != KITH_SCOPE_UNUSABLE;
}

void kith_endpoint_prefix(const struct kith_endpoint *endpoint, struct kith_prefix *ret) {
    size_t size = endpoint->family == 4   ? PREFIX_IP4_SIZE
                  : endpoint->family == 6 ? PREFIX_IP6_SIZE
                                          : 0;

    memset(ret, 0, sizeof(*ret));
    ret->bytes[0] = endpoint->family;
    memcpy(ret->bytes + 1, endpoint->ip, size);
}

void kith_endpoint_wide_prefix(const struct kith_endpoint *endpoint, struct kith_prefix *ret) {
    kith_endpoint_prefix(endpoint, ret);
    ret->bytes[PREFIX_IP6_SIZE] = 0; /* the last byte of a /56; nothing in one of IPv4 */
}

void kith_endpoint_nets(const struct kith_endpoint *endpoint, struct kith_nets *ret) {
    static const uint8_t sizes[2][KITH_NETS] = {{PREFIX_IP4_SIZE, 2, 0}, {PREFIX_IP6_SIZE, 6, 4}};

    *ret = (struct kith_nets){{0}};
    if (kith_endpoint_exempt(endpoint)) {
        return;
    }
    for (unsigned i = 0; i < KITH_NETS; i++) {
        unsigned size = sizes[endpoint->family == 6][i];
        /* The family and the length are part of it: a /56 of zeros is not the /48 of zeros. */
        for (unsigned j = 0; j < size; j++) {
            ret->of[i] = ret->of[i] << 8 | endpoint->ip[j];
        }
        ret->of[i] = size == 0 ? 0 : ret->of[i] << 8 | (uint64_t)(endpoint->family << 4 | i);
    }
}

bool kith_endpoint_same_prefix(const struct kith_endpoint *a, const struct kith_endpoint *b) {
    size_t size = a->family == 4 ? PREFIX_IP4_SIZE : PREFIX_IP6_SIZE;
    return a->family == b->family && memcmp(a->ip, b->ip, size) == 0;
}

bool kith_endpoint_exempt(const struct kith_endpoint *endpoint) {
    return kith_endpoint_scope(endpoint) != KITH_SCOPE_GLOBAL;
}

static int reach_of(const struct kith_endpoint *endpoint) {
    switch (kith_endpoint_scope(endpoint)) {
    case KITH_SCOPE_GLOBAL:
        return 3;
    case KITH_SCOPE_PRIVATE:
        return 2;
    case KITH_SCOPE_LINK_LOCAL:
        return 1;
    case KITH_SCOPE_LOOPBACK:
    case KITH_SCOPE_UNUSABLE:
        break;
    }
    return 0;
}

bool kith_endpoint_reaches(const struct kith_endpoint *endpoint, const struct kith_endpoint *from) {
    return reach_of(endpoint) >= reach_of(from);
}

void kith_endpoint_write(struct kith_writer *w, const struct kith_endpoint *endpoint) {
    size_t size = family_size(endpoint->family);

    if (size == 0) {
        w->failed = true; /* no address has no wire form */
        return;
    }
    kith_write_bytes(w, endpoint->ip, size);
    kith_write_u16(w, endpoint->port);
}

bool kith_endpoint_read(const uint8_t *bytes, size_t size, struct kith_endpoint *ret) {
    struct kith_reader r = kith_reader(kith_span(bytes, size));
    struct kith_endpoint endpoint = {0};

    if (size == IP4_SIZE + PORT_SIZE) {
        endpoint.family = 4;
    } else if (size == IP6_SIZE + PORT_SIZE) {
        endpoint.family = 6;
    } else {
        return false;
    }
    kith_read_copy(&r, endpoint.ip, family_size(endpoint.family));
    endpoint.port = kith_read_u16(&r);
    *ret = endpoint;
    return true;
}
