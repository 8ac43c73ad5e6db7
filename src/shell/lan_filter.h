/* SPDX-License-Identifier: MIT */
/* lan_filter: which interfaces are a LAN, and which addresses an mDNS answer may point to. */
#ifndef KITH_SHELL_LAN_FILTER_H
#define KITH_SHELL_LAN_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kith/error.h"
#include "kith/types.h"

enum {
    KITH_LAN_INTERFACES_MAX = 12, /* announced on at most so many, when not on all */
    KITH_LAN_LINKS_MAX = 64,      /* prefixes of local interfaces looked at */
};

/* Interfaces by name. With `allow` patterns only those; else all but the usual virtual ones. */
struct kith_lan_filter {
    size_t n_allow;
    size_t n_deny;
    char **patterns; /* owned: first the allowed, then the denied */
};

/* The interfaces to announce on. */
struct kith_lan_plan {
    bool all; /* of the host: the daemon need not be told which */
    size_t n; /* else these, ascending */
    uint32_t interfaces[KITH_LAN_INTERFACES_MAX];
};

/* The prefix of a local address. */
struct kith_lan_link {
    uint8_t family;
    uint8_t bits;
    uint8_t ip[16];
};

/* The patterns are copied. -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_lan_filter_init(struct kith_lan_filter *filter, const char *const *allow,
                                         size_t n_allow, const char *const *deny, size_t n_deny);
void kith_lan_filter_deinit(struct kith_lan_filter *filter);
bool kith_lan_filter_admits(const struct kith_lan_filter *filter, const char *interface);
/* By index; false for one that is gone. */
bool kith_lan_filter_admits_index(const struct kith_lan_filter *filter, uint32_t interface);

/* Does the whole of `text` match? '*' stands for any run of characters, also none. */
bool kith_lan_pattern_matches(const char *pattern, const char *text);

/* Over the interfaces there are now. */
void kith_lan_plan_make(const struct kith_lan_filter *filter, struct kith_lan_plan *ret);
bool kith_lan_plan_equal(const struct kith_lan_plan *a, const struct kith_lan_plan *b);

/* Prefixes of the interfaces there are now; returns their number. */
size_t kith_lan_links(struct kith_lan_link links[KITH_LAN_LINKS_MAX]);

/*
 * May an answer heard on an interface (`loopback`: lo) send us to `endpoint`? Private and
 * link-local addresses yes; loopback only if heard on it; global ones only if a link holds them,
 * else anyone on the LAN could aim the handshakes of all nodes there at a victim on the internet.
 */
bool kith_lan_endpoint_admitted(const struct kith_endpoint *endpoint, bool loopback,
                                const struct kith_lan_link *links, size_t n_links);

#endif
