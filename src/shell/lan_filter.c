/* SPDX-License-Identifier: MIT */
/*
 * lan_filter: interfaces and addresses that have to do with the LAN.
 *
 * Container bridges, virtual machines and tunnels carry multicast to places that are not the
 * neighbourhood; they are left out by name, as there is no better mark. Browsing hears all of them
 * and drops; announcing must not reach them at all, so it goes out per interface. Only when every
 * interface is admitted is the choice left to the daemon, which then follows new ones at once.
 */
#include "shell/lan_filter.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/endpoint.h"

/* Docker, libvirt, OpenVPN and tap devices, WireGuard, ZeroTier, Tailscale. */
static const char *const VIRTUAL[] = {
    "docker*", "br-*", "veth*", "virbr*", "tun*", "tap*", "wg*", "zt*", "tailscale*",
};

/* ---- names ---- */

bool kith_lan_pattern_matches(const char *pattern, const char *text) {
    const char *star = NULL; /* the last one seen; everything before it is settled */
    const char *retry = NULL;

    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            retry = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) { /* let the star take one more */
            pattern = star + 1;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

static bool matches_any(const char *const *patterns, size_t n, const char *text) {
    for (size_t i = 0; i < n; i++) {
        if (kith_lan_pattern_matches(patterns[i], text)) {
            return true;
        }
    }
    return false;
}

int kith_lan_filter_init(struct kith_lan_filter *filter, const char *const *allow, size_t n_allow,
                         const char *const *deny, size_t n_deny) {
    struct kith_lan_filter made = {.n_allow = n_allow, .n_deny = n_deny};

    made.patterns = calloc(n_allow + n_deny + 1, sizeof(*made.patterns));
    if (made.patterns == NULL) {
        return KITH_ENOMEM;
    }
    for (size_t i = 0; i < n_allow + n_deny; i++) {
        made.patterns[i] = strdup(i < n_allow ? allow[i] : deny[i - n_allow]);
        if (made.patterns[i] == NULL) {
            kith_lan_filter_deinit(&made);
            return KITH_ENOMEM;
        }
    }
    *filter = made;
    return 0;
}

void kith_lan_filter_deinit(struct kith_lan_filter *filter) {
    for (size_t i = 0; filter->patterns != NULL && i < filter->n_allow + filter->n_deny; i++) {
        free(filter->patterns[i]);
    }
    free(filter->patterns);
    *filter = (struct kith_lan_filter){0};
}

bool kith_lan_filter_admits(const struct kith_lan_filter *filter, const char *interface) {
    const char *const *patterns = (const char *const *)filter->patterns;

    if (filter->n_deny > 0 && matches_any(patterns + filter->n_allow, filter->n_deny, interface)) {
        return false;
    }
    if (filter->n_allow > 0) {
        return matches_any(patterns, filter->n_allow, interface);
    }
    return !matches_any(VIRTUAL, sizeof(VIRTUAL) / sizeof(VIRTUAL[0]), interface);
}

bool kith_lan_filter_admits_index(const struct kith_lan_filter *filter, uint32_t interface) {
    char name[IF_NAMESIZE];

    return if_indextoname(interface, name) != NULL && kith_lan_filter_admits(filter, name);
}

/* ---- the plan ---- */

static void plan_add(struct kith_lan_plan *plan, uint32_t interface) {
    size_t at = plan->n;

    if (plan->n == KITH_LAN_INTERFACES_MAX) {
        return;
    }
    while (at > 0 && plan->interfaces[at - 1] > interface) {
        plan->interfaces[at] = plan->interfaces[at - 1];
        at--;
    }
    plan->interfaces[at] = interface;
    plan->n++;
}

void kith_lan_plan_make(const struct kith_lan_filter *filter, struct kith_lan_plan *ret) {
    struct if_nameindex *list = if_nameindex();
    struct kith_lan_plan plan = {.all = true};

    for (struct if_nameindex *i = list; i != NULL && i->if_index != 0; i++) {
        if (kith_lan_filter_admits(filter, i->if_name)) {
            plan_add(&plan, i->if_index);
        } else {
            plan.all = false;
        }
    }
    if_freenameindex(list);
    /* "Only these" must stay true for an interface that comes a moment before we look. */
    plan.all = plan.all && filter->n_allow == 0 && list != NULL;
    *ret = plan;
}

bool kith_lan_plan_equal(const struct kith_lan_plan *a, const struct kith_lan_plan *b) {
    if (a->all || b->all) {
        return a->all == b->all;
    }
    return a->n == b->n &&
           memcmp(a->interfaces, b->interfaces, a->n * sizeof(a->interfaces[0])) == 0;
}

/* ---- addresses ---- */

static uint8_t mask_bits(const uint8_t *mask, size_t size) {
    uint8_t bits = 0;

    for (size_t i = 0; i < size; i++) {
        bits = (uint8_t)(bits + __builtin_popcount(mask[i]));
    }
    return bits;
}

static bool link_of(const struct ifaddrs *from, struct kith_lan_link *ret) {
    struct kith_lan_link link = {0};

    if (from->ifa_addr == NULL || from->ifa_netmask == NULL || (from->ifa_flags & IFF_UP) == 0) {
        return false;
    }
    if (from->ifa_addr->sa_family == AF_INET) {
        struct sockaddr_in address;
        struct sockaddr_in mask;
        memcpy(&address, from->ifa_addr, sizeof(address));
        memcpy(&mask, from->ifa_netmask, sizeof(mask));
        link.family = 4;
        link.bits = mask_bits((const uint8_t *)&mask.sin_addr, sizeof(mask.sin_addr));
        memcpy(link.ip, &address.sin_addr, sizeof(address.sin_addr));
    } else if (from->ifa_addr->sa_family == AF_INET6) {
        struct sockaddr_in6 address;
        struct sockaddr_in6 mask;
        memcpy(&address, from->ifa_addr, sizeof(address));
        memcpy(&mask, from->ifa_netmask, sizeof(mask));
        link.family = 6;
        link.bits = mask_bits((const uint8_t *)&mask.sin6_addr, sizeof(mask.sin6_addr));
        memcpy(link.ip, &address.sin6_addr, sizeof(address.sin6_addr));
    }
    *ret = link;
    return link.family != 0;
}

size_t kith_lan_links(struct kith_lan_link links[KITH_LAN_LINKS_MAX]) {
    struct ifaddrs *list;
    size_t n = 0;

    if (getifaddrs(&list) != 0) {
        return 0;
    }
    for (struct ifaddrs *i = list; i != NULL && n < KITH_LAN_LINKS_MAX; i = i->ifa_next) {
        n += link_of(i, &links[n]);
    }
    freeifaddrs(list);
    return n;
}

static bool link_holds(const struct kith_lan_link *link, const struct kith_endpoint *endpoint) {
    size_t n_whole = link->bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> link->bits % 8);

    /* A link of no bits is a tunnel's default route in disguise: it would admit everything. */
    if (link->family != endpoint->family || link->bits == 0 ||
        link->bits > (link->family == 4 ? 32 : 128) ||
        memcmp(link->ip, endpoint->ip, n_whole) != 0) {
        return false;
    }
    return link->bits % 8 == 0 || ((link->ip[n_whole] ^ endpoint->ip[n_whole]) & mask) == 0;
}

bool kith_lan_endpoint_admitted(const struct kith_endpoint *endpoint, bool loopback,
                                const struct kith_lan_link *links, size_t n_links) {
    if (!kith_endpoint_usable(endpoint)) {
        return false;
    }
    switch (kith_endpoint_scope(endpoint)) {
    case KITH_SCOPE_PRIVATE:
    case KITH_SCOPE_LINK_LOCAL:
        return true;
    case KITH_SCOPE_LOOPBACK:
        return loopback;
    case KITH_SCOPE_GLOBAL:
        for (size_t i = 0; i < n_links; i++) {
            if (link_holds(&links[i], endpoint)) {
                return true;
            }
        }
        return false;
    case KITH_SCOPE_UNUSABLE:
        return false;
    }
    return false;
}
