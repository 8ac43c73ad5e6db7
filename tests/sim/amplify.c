/* SPDX-License-Identifier: MIT */
#include "sim/amplify.h"

#include <string.h>

static bool same_place(const struct kith_endpoint *a, const struct kith_endpoint *b) {
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* A question of Mainline ends in "1:y1:qe", or nearly: keys are sorted. */
static bool asks_mainline(const struct kith_sim_packet *packet) {
    static const char mark[] = "1:y1:q";
    for (size_t i = 0; i + sizeof(mark) - 1 <= packet->size; i++) {
        if (memcmp(packet->bytes + i, mark, sizeof(mark) - 1) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_unproven(const struct kith_sim_packet *packet) {
    enum { INITIATION = 1, WHO = 5 };
    uint8_t type = packet->bytes[0];
    return !same_place(&packet->from, &packet->origin) || type == INITIATION || type == WHO ||
           (type == 'd' && asks_mainline(packet));
}

void kith_sim_amplify_heard(struct kith_sim_amplify *amplify,
                            const struct kith_sim_packet *packet) {
    amplify->question = packet->size > 0 && is_unproven(packet) ? packet : NULL;
    amplify->bytes_out = 0;
    amplify->n_out = 0;
}

void kith_sim_amplify_sent(struct kith_sim_amplify *amplify, const struct kith_datagram *datagram) {
    if (amplify->question != NULL && same_place(&amplify->question->from, &datagram->to)) {
        amplify->bytes_out += datagram->size;
        amplify->n_out++;
    }
}

void kith_sim_amplify_done(struct kith_sim_amplify *amplify) {
    const struct kith_sim_packet *question = amplify->question;
    if (question == NULL) {
        return;
    }
    struct kith_sim_amplification one = {.n_questions = 1,
                                         .n_answered = amplify->n_out > 0,
                                         .bytes_in = question->size,
                                         .bytes_out = amplify->bytes_out,
                                         .n_out = amplify->n_out,
                                         .type = question->bytes[0]};
    bool mainline = question->bytes[0] == 'd';
    kith_sim_amplify_merge(&amplify->worst[mainline ? KITH_SIM_WIRE_MAINLINE : KITH_SIM_WIRE_KITH],
                           &one);
    amplify->question = NULL;
}

void kith_sim_amplify_merge(struct kith_sim_amplification *sum,
                            const struct kith_sim_amplification *more) {
    sum->n_questions += more->n_questions;
    sum->n_answered += more->n_answered;
    sum->n_out = more->n_out > sum->n_out ? more->n_out : sum->n_out;
    if (sum->bytes_in == 0 || more->bytes_out * sum->bytes_in > sum->bytes_out * more->bytes_in) {
        sum->bytes_in = more->bytes_in;
        sum->bytes_out = more->bytes_out;
        sum->type = more->type;
    }
}

double kith_sim_amplify_ratio(const struct kith_sim_amplification *worst) {
    return worst->bytes_in == 0 ? 0 : (double)worst->bytes_out / (double)worst->bytes_in;
}
