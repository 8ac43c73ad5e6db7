/* SPDX-License-Identifier: MIT */
/*
 * trace: a chain, state = SipHash(state || entry). An entry holds at most the first PREFIX bytes of
 * a datagram: that covers all headers, counters and a part of the ciphertext, and a difference
 * anywhere in the plaintext also changes what happens next.
 */
#include "sim/trace.h"

#include <sodium.h>
#include <string.h>

#include "util/span.h"
#include "util/text.h"

enum { PREFIX = 64, KIND_DATAGRAM = 1, KIND_RESULT = 2 };

static const uint8_t trace_key[crypto_shorthash_siphashx24_KEYBYTES] = "kith-sim-trace0";

static void chain(struct kith_sim_trace *trace, const struct kith_writer *entry) {
    crypto_shorthash_siphashx24(trace->state, entry->begin, kith_writer_size(entry), trace_key);
    trace->n++;
}

void kith_sim_trace_init(struct kith_sim_trace *trace) {
    *trace = (struct kith_sim_trace){0};
}

void kith_sim_trace_datagram(struct kith_sim_trace *trace, uint64_t time, uint32_t from,
                             uint32_t to, const uint8_t *bytes, size_t size) {
    uint8_t buffer[16 + 1 + 8 + 4 + 4 + 4 + PREFIX];
    struct kith_writer w = kith_writer(buffer, sizeof(buffer));
    kith_write_bytes(&w, trace->state, sizeof(trace->state));
    kith_write_u8(&w, KIND_DATAGRAM);
    kith_write_u64(&w, time);
    kith_write_u32(&w, from);
    kith_write_u32(&w, to);
    kith_write_u32(&w, (uint32_t)size);
    kith_write_bytes(&w, bytes, size < PREFIX ? size : PREFIX);
    chain(trace, &w);
}

void kith_sim_trace_result(struct kith_sim_trace *trace, uint64_t time, uint32_t host,
                           const struct kith_result *result) {
    uint8_t buffer[128];
    struct kith_writer w = kith_writer(buffer, sizeof(buffer));
    kith_write_bytes(&w, trace->state, sizeof(trace->state));
    kith_write_u8(&w, KIND_RESULT);
    kith_write_u64(&w, time);
    kith_write_u32(&w, host);
    kith_write_u64(&w, result->op);
    kith_write_u8(&w, (uint8_t)result->kind);
    kith_write_u8(&w, (uint8_t)result->query);
    kith_write_u32(&w, (uint32_t)result->status);
    kith_write_u32(&w, result->walk.messages);
    kith_write_u32(&w, result->walk.answered);
    kith_write_u32(&w, result->walk.hops);
    kith_write_u64(&w, (uint64_t)result->seq);
    kith_write_u32(&w, result->acks);
    kith_write_u32(&w, result->holders);
    kith_write_u32(&w, result->found);
    chain(trace, &w);
}

void kith_sim_trace_text(const struct kith_sim_trace *trace, char text[33]) {
    kith_hex_encode(trace->state, sizeof(trace->state), text);
}
