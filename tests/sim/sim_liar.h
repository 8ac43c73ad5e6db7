/* SPDX-License-Identifier: MIT */
/*
 * sim_liar: a node that is like all others but for what it says. Its core speaks a dialect of ours
 * that changes messages before they are encoded: forged records, records of another point,
 * contacts who live elsewhere or nowhere, silence about what it knows.
 *
 * A forged record carries a seq that no author comes near, so that an oracle which finds one
 * anywhere knows that somebody believed a liar.
 */
#ifndef KITH_SIM_LIAR_H
#define KITH_SIM_LIAR_H

#include "core/wire/dialect.h"
#include "sim/random.h"

#define KITH_SIM_FORGED_SEQ (INT64_C(1) << 60) /* forged ones are not below */

enum { KITH_SIM_PROXIES = 64 };

/* Liars tell each other what they were asked, and one may answer for another: it has a session of
 * its own with the asker, and the other's txn. Such an answer names somebody whom nobody else ever
 * tells of, so that whoever writes to `trap` has believed it. */
struct kith_sim_proxies {
    struct kith_endpoint trap;
    uint64_t *count; /* borrowed */
    uint32_t asker;  /* whose datagram is being dealt with, index of a host */
    struct {
        const struct kith_sim_liar *asked; /* NULL: free */
        uint32_t asker;
        struct kith_txn txn;
    } open[KITH_SIM_PROXIES];
};

struct kith_sim_liar {
    struct kith_sim_random *random;   /* borrowed */
    uint64_t *count;                  /* of lies; borrowed */
    struct kith_sim_proxies *proxies; /* borrowed; NULL: it works alone */
    bool has_other;
    struct kith_record other; /* somebody's true record, to be shown at other points */
};

/* What a liar's swarm speaks. */
const struct kith_dialect *kith_sim_liar_dialect(void);
/* Whose core is called next; NULL: one that does not lie now. */
void kith_sim_liar_enter(struct kith_sim_liar *liar);

#endif
