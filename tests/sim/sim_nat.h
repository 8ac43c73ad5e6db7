/* SPDX-License-Identifier: MIT */
/*
 * sim_nat: a NAT in front of one host (RFC 3489's four kinds). It decides where the host's
 * datagrams seem to come from, and which of those that come back get through.
 */
#ifndef KITH_SIM_NAT_H
#define KITH_SIM_NAT_H

#include <stdbool.h>

#include "kith/types.h"

enum kith_sim_nat_kind {
    KITH_SIM_NAT_NONE,
    KITH_SIM_NAT_FULL_CONE,       /* whoever knows the port gets through */
    KITH_SIM_NAT_RESTRICTED,      /* IPs that the host has sent to */
    KITH_SIM_NAT_PORT_RESTRICTED, /* endpoints that the host has sent to */
    KITH_SIM_NAT_SYMMETRIC,       /* and another port for each of them */
};

enum { KITH_SIM_NAT_MAX = 256 }; /* endpoints a NAT remembers; the one idle longest goes */

/* The host sent to `to` through `port`. */
struct kith_sim_nat_mapping {
    struct kith_endpoint to;
    uint16_t port; /* 0: free */
    uint64_t used;
};

struct kith_sim_nat {
    enum kith_sim_nat_kind kind;
    struct kith_endpoint outside; /* its address; the port is that of the next mapping */
    uint64_t idle_ns;             /* a mapping that is not used for so long is forgotten */
    struct kith_sim_nat_mapping mappings[KITH_SIM_NAT_MAX];
};

void kith_sim_nat_init(struct kith_sim_nat *nat, enum kith_sim_nat_kind kind,
                       const struct kith_endpoint *outside, uint64_t idle_ns);
/* The host sends. Where it comes from for others; *ret_new: from a port not used before. */
struct kith_endpoint kith_sim_nat_out(struct kith_sim_nat *nat, const struct kith_endpoint *to,
                                      uint64_t now, bool *ret_new);
/* Whether a datagram that arrived at `port` gets through. */
bool kith_sim_nat_in(const struct kith_sim_nat *nat, uint16_t port,
                     const struct kith_endpoint *from, uint64_t now);
/* It restarts: everything is forgotten, ports are new. */
void kith_sim_nat_rebind(struct kith_sim_nat *nat);

#endif
