/* SPDX-License-Identifier: MIT */
/*
 * What one source may contribute to what an op collects until it has as many as were asked for.
 *
 * Announced peers and keys under a topic are whatever a node says they are, so a single answer
 * could fill the result and end the walk before anybody honest was asked. So one neighbourhood (a
 * /24, IPv6 /56) fills a third of it, and so do all nodes of Mainline together whose id does not
 * belong to their address (BEP 42): at least two others that can be told apart have to agree that
 * it is enough. What is beyond that is held back, and taken when the walk is over and nobody else
 * had anything. Exempt addresses are not limited.
 */
#include "core/lookup/op.h"

#include "core/base/endpoint.h"
#include "core/record/target.h"

enum { UNVERIFIED = 1 }; /* a neighbourhood's number is larger: it has a family */

uint64_t kith_op_source(const struct kith_leg *leg, const struct kith_node_ref *node) {
    struct kith_nets nets;

    kith_endpoint_nets(&node->endpoint, &nets);
    if (nets.of[0] != 0 && leg->swarm->sessions == NULL &&
        !kith_target_id_valid(&node->id, &node->endpoint)) {
        return UNVERIFIED;
    }
    return nets.of[0];
}

bool kith_op_source_full(const struct kith_op *op, uint64_t source) {
    uint32_t n = 0;

    for (uint32_t i = 0; i < op->n_seen && source != 0; i++) {
        n += op->seen_from[i] == source;
    }
    return source != 0 && n >= (op->query.n + KITH_OP_SOURCES - 1) / KITH_OP_SOURCES;
}

void kith_op_note_source(struct kith_op *op, uint64_t source) {
    for (uint32_t i = 0; i < op->n_sources; i++) {
        if (op->sources[i] == source && source != 0) {
            return;
        }
    }
    if (op->n_sources < KITH_OP_SOURCES) {
        op->sources[op->n_sources++] = source;
    }
}
