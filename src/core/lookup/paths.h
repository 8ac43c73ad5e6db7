/* SPDX-License-Identifier: MIT */
/*
 * paths: rounds of walks that have no node in common, for where one walk may have been led astray.
 *
 * A walk goes where the answers lead, and a single answer full of accomplices next to the target
 * leads it away from everybody else; nothing about such a walk looks wrong. So after a walk that
 * found nothing its lookup tries 3 others, then 8, then 16, which share no node with it or with
 * each other (S/Kademlia, Baumgart and Mies 2007; here widening, so that a lookup which finds what
 * it looks for pays nothing). A liar then spoils the one path he is on. Each path begins at entries
 * of our own tables that nobody has asked yet; all of one /16 (IPv6: /48) belong to one path.
 *
 * In an honest network all paths arrive among nodes that were asked before, and end there, after
 * three to four questions each. A get is content after a round if its walk met as many nodes next
 * to the target as there should be and the round nobody else there (kith_leg_convinces()): so what
 * does not exist costs one round in every second case, two in most others (kith-sim standard:
 * miss_messages).
 *
 * Bounds of a lookup in one swarm: one walk and 27 paths, 16 at a time; 240 requests of the walk,
 * 40 of each path, 720 of all; 48 candidates of each path: 300 KB at most, for the seconds it
 * takes.
 */
#ifndef KITH_CORE_PATHS_H
#define KITH_CORE_PATHS_H

#include "core/lookup/walk.h"

enum {
    KITH_PATHS_MAX = 16, /* of one round */
    KITH_PATH_REQUESTS_MAX = 40,
    KITH_PATH_CANDIDATES_MAX = 48,
    KITH_PATH_STARTERS = 4, /* the next where one is silent */
};

struct kith_paths {
    struct kith_asked asked;
    unsigned round; /* that runs, or ran last, from 1; 0: none yet */
    unsigned n;     /* walks of it */
    unsigned n_running;
    struct kith_walk *walks;
    struct kith_walk_stats before; /* what earlier rounds counted */
};

#endif
