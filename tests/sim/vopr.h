/* SPDX-License-Identifier: MIT */
/* vopr: what the two phases of scenario_vopr share. */
#ifndef KITH_SIM_VOPR_H
#define KITH_SIM_VOPR_H

#include "sim/scenario.h"
#include "sim/sim_faults.h"

enum {
    VOPR_HEAL_S = 600,          /* until tables have to be right again */
    VOPR_REPUBLISH_S = 75 * 60, /* until records have: authors publish hourly */
    VOPR_RECORDS_MAX = 128,
    VOPR_TOPICS = 4,
};

/* A record that was put, as its author last heard of it. */
struct vopr_entry {
    uint32_t author;
    uint8_t salt;
    int64_t acked; /* -1: never */
};

struct vopr {
    struct kith_sim_run *run;
    struct kith_sim_world world;
    struct kith_sim_faults faults;
    struct vopr_entry entries[VOPR_RECORDS_MAX];
    uint32_t n_entries;
    bool tiny; /* stores have room for less than there is: no promise that anything is held */
    struct kith_sim_ask **asks; /* running */
    uint32_t n_asks;
    uint32_t asks_capacity;
    uint32_t n_asked;
    uint32_t n_acked;
    uint32_t n_checks;
    uint32_t n_read;
    uint32_t n_held;    /* records on the nodes nearest to them */
    uint32_t n_holders; /* those nodes, once for each record */
    uint32_t n_outdated;
    uint32_t n_announced;
    uint32_t n_updated;
    uint64_t entries_checked;
    uint64_t records_checked;
};

uint64_t vopr_below(struct vopr *v, uint64_t bound);
/* The newest there is of this record. */
struct kith_query vopr_get_query(struct vopr *v, const struct vopr_entry *entry);
struct kith_point vopr_topic(unsigned topic);
/* Whether the record is what was asked for, and no liar's. */
void vopr_expect_true(struct vopr *v, const struct kith_sim_ask *ask);
/* Safety, of every host. */
void vopr_check_all(struct vopr *v);
/* Runs for so long, a second at a time. */
void vopr_run_for(struct vopr *v, unsigned seconds, bool asking);

/* Phase 2, healed: soon, and when everything had time to be published again. */
void vopr_expect_network(struct vopr *v);
void vopr_expect_content(struct vopr *v);

#endif
