/* SPDX-License-Identifier: MIT */
/*
 * amplify: how much more goes to an address than came from it, while it has proven nothing: the
 * oracle of the rule that no answer is larger than its question. It sees datagrams and who really
 * sent them, and nothing of what the core thinks of an address.
 *
 * A question of somebody unproven is an initiation, a who, a question of Mainline, and whatever
 * came in another's name. All that a host sends to where such a datagram claims to come from,
 * before it hears anything else, is the answer: whatever it is called, who gets it did not ask.
 */
#ifndef KITH_SIM_AMPLIFY_H
#define KITH_SIM_AMPLIFY_H

#include "sim/network.h"

enum kith_sim_wire { KITH_SIM_WIRE_KITH, KITH_SIM_WIRE_MAINLINE, KITH_SIM_WIRES };

/* The worst of all questions so far, by bytes and, apart from that, by datagrams. */
struct kith_sim_amplification {
    uint64_t n_questions;
    uint64_t n_answered;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t n_out; /* datagrams that one brought */
    uint8_t type;   /* first byte of the question that is the worst by bytes */
};

struct kith_sim_amplify {
    struct kith_sim_amplification worst[KITH_SIM_WIRES];
    const struct kith_sim_packet *question; /* being dealt with; NULL: none of somebody unproven */
    uint64_t bytes_out;
    uint64_t n_out;
};

/* A host is given the packet, which stays valid until kith_sim_amplify_done(). */
void kith_sim_amplify_heard(struct kith_sim_amplify *amplify, const struct kith_sim_packet *packet);
/* It sends, before it is done. */
void kith_sim_amplify_sent(struct kith_sim_amplify *amplify, const struct kith_datagram *datagram);
void kith_sim_amplify_done(struct kith_sim_amplify *amplify);
/* The worse of both, in `sum`. */
void kith_sim_amplify_merge(struct kith_sim_amplification *sum,
                            const struct kith_sim_amplification *more);
/* Bytes of the answer for each byte of the question. */
double kith_sim_amplify_ratio(const struct kith_sim_amplification *worst);

#endif
