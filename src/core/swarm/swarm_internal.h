/* SPDX-License-Identifier: MIT */
/* swarm_internal: between swarm.c (what is asked and answered) and swarm_admit.c (who enters the
 * tables). Nobody else includes it. */
#ifndef KITH_CORE_SWARM_INTERNAL_H
#define KITH_CORE_SWARM_INTERNAL_H

#include "core/swarm/swarm.h"

/* The entry of this node at this endpoint, or NULL. What happens at another endpoint, which anyone
 * may have made up, says nothing about the node. */
struct kith_entry *kith_swarm_entry_at(const struct kith_swarm *swarm,
                                       const struct kith_node_ref *node);
/* The node was heard of, after `rtt_ns` (0: not measured). `admit`: it may enter a table. */
void kith_swarm_refresh_entry(struct kith_swarm *swarm, const struct kith_node_ref *node,
                              bool admit, uint64_t rtt_ns, uint64_t now);
/* A node of Mainline that asked us may be nobody: it is asked itself before it enters a table. */
void kith_swarm_verify_asker(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                             const struct kith_message *message, uint64_t now);
/* A peer that asked from a proven address and is no client is a node like any other. Once it is in
 * a table it is asked itself: who only asks, and answers nobody, would come back for ever. */
void kith_swarm_admit_asker(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                            bool read_only, uint64_t now);

#endif
