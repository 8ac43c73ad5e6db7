/* SPDX-License-Identifier: MIT */
/*
 * adversary: hosts of a simulated network that work for somebody else.
 *
 * A member of a gang is a host with an unmodified core, real keys and real sessions, whose answers
 * are given by the gang instead of by core/serve: it joins, keeps its sessions, and lies. What no
 * core would send (spoofed sources, copies of what it saw) goes straight into the network.
 *
 * A gang knows all of its members and everything that each of them was asked. It does not break
 * cryptography: it can neither sign for others nor speak from another's session, fast curve or not.
 */
#ifndef KITH_SIM_ADVERSARY_H
#define KITH_SIM_ADVERSARY_H

#include "core/swarm/swarm.h"
#include "sim/world.h"

enum kith_sim_evil {
    KITH_SIM_HONEST,  /* for the moment */
    KITH_SIM_SILENT,  /* says nothing to anybody but in handshakes */
    KITH_SIM_COLLUDE, /* holds nothing, and names only members, the nearest to the target */
    KITH_SIM_CENSOR,  /* acknowledges what is stored, hands nothing out; names are honest */
    KITH_SIM_LATE,    /* answers as an honest node, but late: kith_sim_gang_slow() */
    KITH_SIM_OTHER,   /* as `answer` says */
};

struct kith_sim_gang {
    struct kith_sim_world *world;
    enum kith_sim_evil evil;
    struct kith_sim_host **members;
    uint32_t n;
    bool *is_member; /* by index of the host */
    uint32_t n_known;
    void (*serve)(void *context, const struct kith_delivery *delivery,
                  const struct kith_message *message, uint64_t now); /* as an honest node */
    /* KITH_SIM_OTHER: false: as an honest node, after all. */
    bool (*answer)(struct kith_sim_gang *gang, struct kith_core *core,
                   const struct kith_delivery *delivery, const struct kith_message *message,
                   uint64_t now);
    void *plan;       /* for `answer` */
    uint64_t slow_ns; /* what members send in sessions, and answers that open one, leaves so late */
    uint64_t n_slowed;
    uint64_t n_asked; /* requests that members got while they were not honest */
};

/* One gang at a time: the callbacks of a core carry the core alone. */
void kith_sim_gang_init(struct kith_sim_gang *gang, struct kith_sim_world *world);
void kith_sim_gang_deinit(struct kith_sim_gang *gang);
/* From now on members send late. Takes over the network's datagrams, which are not lost then. */
void kith_sim_gang_slow(struct kith_sim_gang *gang, uint64_t slow_ns);
/* The host, which is alive, is one of them from now on. */
void kith_sim_gang_recruit(struct kith_sim_gang *gang, struct kith_sim_host *host);
bool kith_sim_gang_has(const struct kith_sim_gang *gang, const struct kith_sim_host *host);
/* A random host that is alive and not of the gang. Draws from world->random. */
struct kith_sim_host *kith_sim_gang_victim(const struct kith_sim_gang *gang);

/* Seeds whose node ids lie next to a point: `n` of them, all of whose ids share the first `bits`
 * bits with it. Really ground, with the curve of the world: 2^bits keys for each. */
void kith_sim_grind(struct kith_sim_world *world, const struct kith_point *point, unsigned bits,
                    uint32_t n, uint8_t (*ret_seeds)[KITH_SEED_SIZE]);

#endif
