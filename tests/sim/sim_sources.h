/* SPDX-License-Identifier: MIT */
/*
 * sim_sources: who brought what a host holds, as seen from the wire, and whether what it gives up
 * is what it may give up: in a full store the neighbourhood (/24, IPv6 /48) that has most makes
 * room, by the record farthest from the host.
 */
#ifndef KITH_SIM_SOURCES_H
#define KITH_SIM_SOURCES_H

#include "sim/world.h"

/* What was restored goes over to who brings a newer version, if he has room, which the wire does
 * not tell: not even who brought it, for others may have been asked for it. */
#define KITH_SIM_NET_UNKNOWN UINT64_MAX

struct kith_sim_source {
    uint64_t item; /* hash of what it is */
    uint64_t net;  /* 0: restored; KITH_SIM_NET_UNKNOWN */
    uint64_t ends; /* its life, as it was granted with this version; not before */
    int64_t seq;
};

/* Of one host. */
struct kith_sim_sources {
    struct kith_sim_source *of;
    uint32_t n;
};

void kith_sim_sources_deinit(struct kith_sim_sources *sources);
/* The host has started, and holds what its disk had. */
void kith_sim_sources_restored(struct kith_sim_sources *sources, const struct kith_sim_host *host,
                               uint64_t now);
/* It stored this while it dealt with a datagram from there; NULL: otherwise. */
void kith_sim_sources_saved(struct kith_sim_sources *sources, const struct kith_core_saved *saved,
                            const struct kith_endpoint *from, uint64_t now);
/* It gave this up, likewise. `topic_peers`: how many announcements it may hold under a topic. NULL,
 * or what is wrong with that. */
const char *kith_sim_sources_forgotten(struct kith_sim_sources *sources,
                                       const struct kith_sim_host *host,
                                       const struct kith_core_saved *saved,
                                       const struct kith_endpoint *from, uint32_t topic_peers,
                                       uint64_t now);

#endif
