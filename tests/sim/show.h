/* SPDX-License-Identifier: MIT */
/*
 * show: one operation of a run, as it goes, for people: what was asked of which host, and what came
 * of it (kith-sim --trace-lookup). It changes nothing in the run but the events of that operation.
 */
#ifndef KITH_SIM_SHOW_H
#define KITH_SIM_SHOW_H

#include "sim/world.h"

void kith_sim_show_query(const struct kith_sim_world *world, const struct kith_sim_ask *ask,
                         const struct kith_query *query);
void kith_sim_show_refusal(int status);
void kith_sim_show_result(const struct kith_sim_world *world, const struct kith_sim_ask *ask,
                          const struct kith_result *result);

#endif
