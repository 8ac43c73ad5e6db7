/* SPDX-License-Identifier: MIT */
/*
 * scenario: what a run is made of. A scenario builds one or more worlds, does things to them,
 * states what must hold (kith_sim_expect) and what was measured (run->report). It says nothing of
 * the seed: every scenario has to hold for every seed.
 */
#ifndef KITH_SIM_SCENARIO_H
#define KITH_SIM_SCENARIO_H

#include "sim/stats.h"
#include "sim/world.h"

#define KITH_SIM_HOSTILE_PPM 300000 /* where the command line says nothing */

struct kith_sim_options {
    uint64_t seed;
    uint32_t nodes;
    uint32_t lookups;
    uint32_t loss_ppm;    /* of datagrams, each way */
    uint32_t dead_ppm;    /* of nodes, killed before the lookups */
    uint32_t hostile_ppm; /* of nodes, where a scenario has hostile ones */
    uint32_t duplicate_ppm;
    uint32_t reorder_ppm;
    uint32_t join_per_s; /* 0: a hundredth of the nodes, at least 5 */
    const char *without; /* vopr: faults that shall not happen, separated by commas; NULL: none */
    uint64_t shown;      /* number of the operation to show as it goes, 0: none */
    bool warm;           /* standard: nodes begin with the tables they would come to have */
    const struct kith_curve *curve;
    uint32_t session_s;  /* mean session of a node, where nodes come and go */
    uint32_t duration_s; /* of the measurement, where it lasts a given time */
    bool weibull;        /* sessions are, with shape 1/2, not exponential */
};

struct kith_sim_run {
    struct kith_sim_options options;
    struct kith_sim_report report;
    unsigned n_failures;
    /* Over all worlds of the run; filled in by kith_sim_conclude(). */
    uint64_t virtual_ns;
    uint64_t delivered;
    uint64_t lost;
    struct kith_stats stats;
    struct kith_sim_amplification amplification[KITH_SIM_WIRES];
    struct kith_sim_trace trace;
    uint32_t nodes_max;      /* hosts of the largest world */
    uint64_t bytes_per_node; /* measured by kith_sim_swarm_grow(), 0: unknown */
};

struct kith_sim_scenario {
    const char *name;
    void (*fn)(struct kith_sim_run *run);
    const char *help;
    /* What is used where the command line says nothing. */
    uint32_t nodes;
    uint32_t lookups;
    uint32_t loss_ppm;
    uint32_t dead_ppm;
    const struct kith_curve *curve;
    uint32_t session_s;
    uint32_t duration_s;
};

void kith_sim_scenario_standard(struct kith_sim_run *run);
void kith_sim_scenario_join(struct kith_sim_run *run);
void kith_sim_scenario_loss(struct kith_sim_run *run);
void kith_sim_scenario_determinism(struct kith_sim_run *run);
void kith_sim_scenario_records(struct kith_sim_run *run);
void kith_sim_scenario_topic(struct kith_sim_run *run);
void kith_sim_scenario_small(struct kith_sim_run *run);
void kith_sim_scenario_restart(struct kith_sim_run *run);
void kith_sim_scenario_idle(struct kith_sim_run *run);
void kith_sim_scenario_mainline(struct kith_sim_run *run);
void kith_sim_scenario_vopr(struct kith_sim_run *run);
void kith_sim_scenario_hostile(struct kith_sim_run *run);
void kith_sim_scenario_cluster(struct kith_sim_run *run);
void kith_sim_scenario_reflect(struct kith_sim_run *run);
void kith_sim_scenario_initflood(struct kith_sim_run *run);
void kith_sim_scenario_phantoms(struct kith_sim_run *run);
void kith_sim_scenario_cookies(struct kith_sim_run *run);
void kith_sim_scenario_sessions(struct kith_sim_run *run);
void kith_sim_scenario_replay(struct kith_sim_run *run);
void kith_sim_scenario_eclipse(struct kith_sim_run *run);
void kith_sim_scenario_storeflood(struct kith_sim_run *run);
void kith_sim_scenario_silent(struct kith_sim_run *run);
void kith_sim_scenario_slowloris(struct kith_sim_run *run);
void kith_sim_scenario_rollback(struct kith_sim_run *run);
void kith_sim_scenario_misplace(struct kith_sim_run *run);
void kith_sim_scenario_poison(struct kith_sim_run *run);
void kith_sim_scenario_siege(struct kith_sim_run *run);
void kith_sim_scenario_churn(struct kith_sim_run *run);
void kith_sim_scenario_survive(struct kith_sim_run *run);
void kith_sim_scenario_partition(struct kith_sim_run *run);
void kith_sim_scenario_apart(struct kith_sim_run *run);
void kith_sim_scenario_regain(struct kith_sim_run *run);
void kith_sim_scenario_forgers(struct kith_sim_run *run);
void kith_sim_scenario_scarce(struct kith_sim_run *run);
void kith_sim_scenario_greedy(struct kith_sim_run *run);
void kith_sim_scenario_onpath(struct kith_sim_run *run);
void kith_sim_scenario_writers(struct kith_sim_run *run);
void kith_sim_scenario_expire(struct kith_sim_run *run);

/* States what must hold. A violation is printed and fails the run, which goes on. Returns `holds`.
 */
bool kith_sim_expect(struct kith_sim_run *run, bool holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
