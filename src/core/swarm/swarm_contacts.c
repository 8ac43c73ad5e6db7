/* SPDX-License-Identifier: MIT */
/*
 * swarm_contacts: which of the contacts in an answer are taken.
 *
 * An answer can name anybody, and whoever reads it asks them: so a liar makes others write to a
 * victim. What no table holds no honest answer tells: one entry of an address and three of a /24
 * (/56). More than that is left out, so that one answer, whatever is in it, brings a victim one
 * question and a /24 three, and honest nodes lose nothing.
 */
#include "core/base/endpoint.h"
#include "core/swarm/swarm.h"

/* Whether the contacts kept so far are as many of its address, or of its /24 (/56), as a table can
 * hold: who names more names a victim. */
static bool is_crowd(const struct kith_response *response, uint32_t kept,
                     const struct kith_endpoint *endpoint) {
    unsigned same_ip = 0;
    unsigned same_net = 0;
    if (kith_endpoint_exempt(endpoint)) {
        return false;
    }
    for (uint32_t i = 0; i < kept; i++) {
        same_ip += kith_endpoint_same_ip(&response->contacts[i].endpoint, endpoint);
        same_net += kith_endpoint_same_prefix(&response->contacts[i].endpoint, endpoint);
    }
    return same_ip >= KITH_SWARM_PER_IP || same_net >= KITH_SWARM_PER_NET;
}

void kith_swarm_keep_usable(struct kith_swarm *swarm, struct kith_response *response,
                            const struct kith_endpoint *from, bool of_table) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < response->n_contacts; i++) {
        struct kith_endpoint *endpoint = &response->contacts[i].endpoint;
        if (!kith_endpoint_reaches(endpoint, from) ||
            (of_table && is_crowd(response, kept, endpoint))) {
            swarm->env->stats.bad_contacts++;
            continue;
        }
        if (endpoint->family == 6 && kith_endpoint_scope(endpoint) == KITH_SCOPE_LINK_LOCAL) {
            endpoint->scope = from->scope;
        }
        response->contacts[kept++] = response->contacts[i];
    }
    response->n_contacts = kept;
}
