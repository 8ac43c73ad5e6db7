/* SPDX-License-Identifier: MIT */
/*
 * trace: a running hash over everything that happened, in order. Two runs with equal hashes did the
 * same; a hash never depends on byte order, addresses in memory or the compiler.
 */
#ifndef KITH_SIM_TRACE_H
#define KITH_SIM_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "kith/op.h"

struct kith_sim_trace {
    uint8_t state[16];
    uint64_t n; /* entries hashed */
};

void kith_sim_trace_init(struct kith_sim_trace *trace);
/* A datagram that was delivered. */
void kith_sim_trace_datagram(struct kith_sim_trace *trace, uint64_t time, uint32_t from,
                             uint32_t to, const uint8_t *bytes, size_t size);
/* A result that a host reported. */
void kith_sim_trace_result(struct kith_sim_trace *trace, uint64_t time, uint32_t host,
                           const struct kith_result *result);
/* 32 hex digits and NUL. */
void kith_sim_trace_text(const struct kith_sim_trace *trace, char text[33]);

#endif
