/* SPDX-License-Identifier: MIT */
/*
 * sim_watch: an oracle that looks at every datagram: what a host has accepted once does nothing
 * when it comes again, wherever it comes from. "Accepted" is an initiation or a datagram of a
 * session that the host did not count as dropped; "nothing" is that nothing is sent in answer to
 * the copy, but for a cookie, which costs whoever gives it nothing.
 */
#ifndef KITH_SIM_WATCH_H
#define KITH_SIM_WATCH_H

#include "sim/set.h"
#include "sim/world.h"

struct kith_sim_watch {
    struct kith_sim_set accepted; /* (host, life, bytes), hashed */
    uint64_t n_repeated;          /* copies of what was accepted */
    /* The call into a core that is under way. */
    uint64_t hash; /* of what it is given */
    bool watched;  /* it is of a kind that is */
    uint64_t drops;
    bool repeated;
};

void kith_sim_watch_deinit(struct kith_sim_watch *watch);
/* The packet is about to be given to the host. */
void kith_sim_watch_receive(struct kith_sim_watch *watch, const struct kith_sim_host *host,
                            const struct kith_sim_packet *packet);
/* The core has dealt with it; `failed`: for want of memory perhaps badly. */
void kith_sim_watch_received(struct kith_sim_watch *watch, const struct kith_sim_host *host,
                             bool failed);
/* The host sends. False: in answer to what it has accepted before. */
bool kith_sim_watch_sent(struct kith_sim_watch *watch, const struct kith_datagram *datagram);
/* Whether it begins a session with this key, or answers what did: its first code is made with it.
 */
bool kith_sim_watch_is_for(const struct kith_sim_world *world, const struct kith_datagram *datagram,
                           const struct kith_key *key);
/* Another call begins. */
void kith_sim_watch_end(struct kith_sim_watch *watch);

#endif
