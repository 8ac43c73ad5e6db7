/* SPDX-License-Identifier: MIT */
/*
 * sim_alloc: memory that runs out. All calls to the allocator go through here (the linker sees to
 * that); one fails only while the world is inside the core of a host that is to suffer it.
 */
#ifndef KITH_SIM_ALLOC_H
#define KITH_SIM_ALLOC_H

#include <stdbool.h>
#include <stdint.h>

/* The `at`th allocation from now on fails, and with `lasting` all after it; 0: none does. */
void kith_sim_alloc_fail(uint32_t at, bool lasting);
/* None fails any more. Returns whether one has. */
bool kith_sim_alloc_done(void);

#endif
