/* SPDX-License-Identifier: MIT */
/* A ring of the nodes that were asked in vain last: a short tag of each and its address, and when.
 * Who has moved was not silent where it is now. */
#include <string.h>

#include "core/swarm/swarm.h"

static uint32_t silent_tag(const struct kith_node_ref *node) {
    uint32_t tag;
    memcpy(&tag, node->id.bytes + sizeof(node->id.bytes) / 2, sizeof(tag));
    for (size_t i = 0; i < sizeof(node->endpoint.ip); i += sizeof(tag)) {
        uint32_t word;
        memcpy(&word, node->endpoint.ip + i, sizeof(word));
        tag = tag * 31 + word;
    }
    return tag * 31 + node->endpoint.port;
}

bool kith_swarm_was_silent(const struct kith_swarm *swarm, const struct kith_node_ref *node,
                           uint64_t now) {
    uint32_t tag = silent_tag(node);
    for (unsigned i = 0; i < KITH_SILENT_MAX; i++) {
        const struct kith_silent *silent = &swarm->silent[i];
        if (silent->tag == tag && silent->at_s != 0 &&
            now / KITH_NS_PER_S < (uint64_t)silent->at_s + KITH_SILENT_S) {
            return true;
        }
    }
    return false;
}

void kith_swarm_note_silence(struct kith_swarm *swarm, const struct kith_node_ref *node,
                             uint64_t now) {
    swarm->silent[swarm->next_silent] =
        (struct kith_silent){silent_tag(node), (uint32_t)(now / KITH_NS_PER_S)};
    swarm->next_silent = (swarm->next_silent + 1) % KITH_SILENT_MAX;
}

void kith_swarm_forget_silences(struct kith_swarm *swarm, uint64_t now) {
    memset(swarm->silent, 0, sizeof(swarm->silent));
    swarm->forgiven = now;
}
