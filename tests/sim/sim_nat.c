/* SPDX-License-Identifier: MIT */
/* All but the symmetric kind use one port for all, as long as any mapping lives. */
#include "sim/sim_nat.h"

#include <string.h>

enum { FIRST_PORT = 20000 };

static bool same_ip(const struct kith_endpoint *a, const struct kith_endpoint *b) {
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool same_endpoint(const struct kith_endpoint *a, const struct kith_endpoint *b) {
    return same_ip(a, b) && a->port == b->port;
}

static bool lives(const struct kith_sim_nat *nat, const struct kith_sim_nat_mapping *mapping,
                  uint64_t now) {
    return mapping->port != 0 && mapping->used + nat->idle_ns > now;
}

void kith_sim_nat_init(struct kith_sim_nat *nat, enum kith_sim_nat_kind kind,
                       const struct kith_endpoint *outside, uint64_t idle_ns) {
    *nat = (struct kith_sim_nat){.kind = kind, .outside = *outside, .idle_ns = idle_ns};
    nat->outside.port = FIRST_PORT;
}

/* The mapping for `to`, or the place where it goes. */
static struct kith_sim_nat_mapping *place_of(struct kith_sim_nat *nat,
                                             const struct kith_endpoint *to) {
    struct kith_sim_nat_mapping *oldest = &nat->mappings[0];
    for (unsigned i = 0; i < KITH_SIM_NAT_MAX; i++) {
        struct kith_sim_nat_mapping *mapping = &nat->mappings[i];
        if (mapping->port != 0 && same_endpoint(&mapping->to, to)) {
            return mapping;
        }
        if (mapping->port == 0 ? oldest->port != 0
                               : oldest->port != 0 && mapping->used < oldest->used) {
            oldest = mapping;
        }
    }
    return oldest;
}

static uint16_t shared_port(const struct kith_sim_nat *nat, uint64_t now) {
    for (unsigned i = 0; i < KITH_SIM_NAT_MAX && nat->kind != KITH_SIM_NAT_SYMMETRIC; i++) {
        if (lives(nat, &nat->mappings[i], now)) {
            return nat->mappings[i].port;
        }
    }
    return 0;
}

struct kith_endpoint kith_sim_nat_out(struct kith_sim_nat *nat, const struct kith_endpoint *to,
                                      uint64_t now, bool *ret_new) {
    struct kith_endpoint from = nat->outside;
    struct kith_sim_nat_mapping *mapping = place_of(nat, to);
    bool known = lives(nat, mapping, now) && same_endpoint(&mapping->to, to);
    uint16_t port = known ? mapping->port : shared_port(nat, now);
    *ret_new = port == 0;
    if (*ret_new) {
        port = nat->outside.port++;
        nat->outside.port += nat->outside.port == 0 ? FIRST_PORT : 0;
    }
    *mapping = (struct kith_sim_nat_mapping){.to = *to, .port = port, .used = now};
    from.port = port;
    return from;
}

static bool lets_in(const struct kith_sim_nat *nat, const struct kith_sim_nat_mapping *mapping,
                    const struct kith_endpoint *from) {
    switch (nat->kind) {
    case KITH_SIM_NAT_NONE:
    case KITH_SIM_NAT_FULL_CONE:
        return true;
    case KITH_SIM_NAT_RESTRICTED:
        return same_ip(&mapping->to, from);
    case KITH_SIM_NAT_PORT_RESTRICTED:
    case KITH_SIM_NAT_SYMMETRIC:
        return same_endpoint(&mapping->to, from);
    }
    return false;
}

bool kith_sim_nat_in(const struct kith_sim_nat *nat, uint16_t port,
                     const struct kith_endpoint *from, uint64_t now) {
    for (unsigned i = 0; i < KITH_SIM_NAT_MAX && nat->kind != KITH_SIM_NAT_NONE; i++) {
        const struct kith_sim_nat_mapping *mapping = &nat->mappings[i];
        if (mapping->port == port && lives(nat, mapping, now) && lets_in(nat, mapping, from)) {
            return true;
        }
    }
    return nat->kind == KITH_SIM_NAT_NONE;
}

void kith_sim_nat_rebind(struct kith_sim_nat *nat) {
    memset(nat->mappings, 0, sizeof(nat->mappings));
}
