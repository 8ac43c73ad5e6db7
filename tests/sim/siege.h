/* SPDX-License-Identifier: MIT */
/*
 * siege: records that honest nodes put and honest nodes read while a gang works against them; what
 * the reader gets, and how many honest nodes hold each record, by looking into all of them.
 */
#ifndef KITH_SIM_SIEGE_H
#define KITH_SIM_SIEGE_H

#include "sim/adversary.h"
#include "sim/scenario.h"
#include "sim/swarm.h"

/* A record and who put it. */
struct kith_sim_item {
    struct kith_sim_host *author;
    uint8_t salt[8];
    struct kith_point point;
    int64_t seq; /* of the newest that was acknowledged */
};

struct kith_sim_siege {
    struct kith_sim_gang gang;
    struct kith_sim_item *items;
    uint32_t n_items;
    uint32_t n_captured; /* no honest node holds it */
    uint32_t n_put_failed;
    uint32_t n_gets;
    uint32_t n_read;
    uint32_t n_read_old;     /* of those, not the newest */
    uint32_t n_read_foreign; /* of those, under another key or salt */
    uint32_t get_flags;      /* of the queries, besides KITH_FLAG_HAS_KEY */
    struct kith_sim_samples holders;
    struct kith_sim_samples put_ns;
    struct kith_sim_samples put_messages;
    struct kith_sim_samples get_ns;
    struct kith_sim_samples get_messages;
};

/* How the figures of one siege are called. */
struct kith_sim_siege_names {
    const char *hostile;
    const char *captured;
    const char *holders;
    const char *put_messages;
    const char *put_ms[2];
    const char *read;
    const char *get_messages;
    const char *get_ms[2];
};

/* Records to be, of honest authors. */
void kith_sim_siege_choose(struct kith_sim_siege *siege, uint32_t n);
/* A new value of each of them. */
void kith_sim_siege_put(struct kith_sim_siege *siege);
/* `n` gets, of each in turn, by honest hosts that are not its author. */
void kith_sim_siege_get(struct kith_sim_siege *siege, uint32_t n);
/* Honest nodes that hold it, in a version of this seq or a newer one. */
uint32_t kith_sim_siege_holders(const struct kith_sim_siege *siege,
                                const struct kith_sim_item *item, int64_t seq);
/* The same of all items, summed: of the newest version, or of any. */
uint32_t kith_sim_siege_held(const struct kith_sim_siege *siege, bool newest);
void kith_sim_siege_report(struct kith_sim_run *run, struct kith_sim_siege *siege,
                           const struct kith_sim_siege_names *names);
void kith_sim_siege_deinit(struct kith_sim_siege *siege);

#endif
