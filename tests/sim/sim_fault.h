/* SPDX-License-Identifier: MIT */
/*
 * sim_fault: the classes of what goes wrong, and how often each did. A class that a run was given
 * and that never fired has proven nothing: so each is counted where it bites.
 */
#ifndef KITH_SIM_FAULT_H
#define KITH_SIM_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/random.h"

/* X(name, what it is, parts per million at most: how much of it a seed may draw; 0: part of another
 * class, counted by itself) */
#define KITH_SIM_NET_FAULT_MAP(X)                                                                  \
    X(loss, "datagrams lost", 150000)                                                              \
    X(duplicate, "second copies", 50000)                                                           \
    X(reorder, "datagrams held back", 100000)                                                      \
    X(spike, "datagrams of a host in a spell of delay", 50000)                                     \
    X(asymmetry, "datagrams on a link slow in this direction only", 100000)                        \
    X(one_way, "datagrams lost on a link that is dead in this direction", 30000)                   \
    X(clog, "datagrams held until a clogged link opened", 50000)                                   \
    X(partition, "datagrams lost between the parts of a network", 150000)                          \
    X(mtu, "datagrams too large for a link", 20000)                                                \
    X(flip, "datagrams with bits turned", 20000)                                                   \
    X(truncate, "datagrams cut short", 20000)                                                      \
    X(spoof, "copies from a source that never sent them", 20000)
#define KITH_SIM_NAT_FAULT_MAP(X)                                                                  \
    X(nat_refused, "datagrams that a NAT let nobody have", 400000)                                 \
    X(nat_rebind, "NATs that forgot their mappings", 2000)                                         \
    X(nat_full_cone, "datagrams out through a full cone", 0)                                       \
    X(nat_restricted, "datagrams out through a restricted NAT", 0)                                 \
    X(nat_port_restricted, "datagrams out through a port-restricted NAT", 0)                       \
    X(nat_symmetric, "datagrams out through a symmetric NAT", 0)
#define KITH_SIM_HOST_FAULT_MAP(X)                                                                 \
    X(restart_kept, "crashed, restarted with its state", 600)                                      \
    X(restart_by_book, "restarted with nobody told of but its own book", 0)                        \
    X(restart_old, "crashed, restarted with an older state", 300)                                  \
    X(restart_torn, "crashed, restarted with a damaged state", 300)                                \
    X(restart_empty, "crashed, restarted with nothing but its key", 300)                           \
    X(churn_exponential, "sessions of exponential length that ended", 400000)                      \
    X(churn_weibull, "sessions of Weibull length (shape 1/2) that ended", 400000)                  \
    X(gone, "ends of sessions that were for good", 300000)                                         \
    X(crowd, "hosts in one /24", 400000)                                                           \
    X(lie, "messages of liars that were lies", 200000)                                             \
    X(ban, "peers that a host banned", 10000)                                                      \
    X(pause, "stood still for a while", 1000)                                                      \
    X(clock_jump, "had its wall clock set", 1000)                                                  \
    X(no_memory, "calls in which an allocation failed", 20000)                                     \
    X(evicted, "held records given up for want of room", 0)                                        \
    X(send_failure, "datagrams that the system refused to send", 2000)
#define KITH_SIM_WORLD_FAULT_MAP(X)                                                                \
    X(join, "hosts that came, one by one", 20000)                                                  \
    X(mass_join, "hosts that came all at once", 4000)                                              \
    X(mass_leave, "hosts that went all at once", 4000)                                             \
    X(seeds_lost, "times that all seeds were gone", 3000)
#define KITH_SIM_PATH_FAULT_MAP(X)                                                                 \
    X(replay, "copies that somebody on the path sent again, up to a minute later", 20000)          \
    X(steer, "datagrams that came from another address than they were sent from", 20000)           \
    X(alias, "hosts told of a seed by an address that it does not answer from", 400000)            \
    X(proxy, "answers in the name of another liar, who was asked", 0)                              \
    X(repeated, "copies of what the host had accepted before", 0)
#define KITH_SIM_FAULT_MAP(X)                                                                      \
    KITH_SIM_NET_FAULT_MAP(X)                                                                      \
    KITH_SIM_NAT_FAULT_MAP(X)                                                                      \
    KITH_SIM_HOST_FAULT_MAP(X) KITH_SIM_WORLD_FAULT_MAP(X) KITH_SIM_PATH_FAULT_MAP(X)

/* How often each fired. */
struct kith_sim_fault_counts {
#define KITH_SIM_FAULT_COUNT(name, help, most) uint64_t name;
    KITH_SIM_FAULT_MAP(KITH_SIM_FAULT_COUNT)
#undef KITH_SIM_FAULT_COUNT
};

/* How much of each there is, in parts per million: of datagrams, of links, of hosts, or per second
 * and host. */
struct kith_sim_fault_rates {
#define KITH_SIM_FAULT_RATE(name, help, most) uint32_t name;
    KITH_SIM_FAULT_MAP(KITH_SIM_FAULT_RATE)
#undef KITH_SIM_FAULT_RATE
};

/* Draws how much of each there is to be. `without`: names of classes, separated by commas, of which
 * there shall be none; may be NULL. */
void kith_sim_fault_draw(struct kith_sim_fault_rates *ret, struct kith_sim_random *random,
                         const char *without);
/* Whether there are classes of all these names. */
bool kith_sim_fault_known(const char *names);

#endif
