/* SPDX-License-Identifier: MIT */
/*
 * maintain: joining the swarm and staying in it: contacts to join through, the self-lookup, filling
 * of buckets, stale-first refresh. One question at a time, paced, for ever. One of these for each
 * swarm, whatever its dialect.
 */
#ifndef KITH_CORE_MAINTAIN_H
#define KITH_CORE_MAINTAIN_H

#include "core/core.h"
#include "core/lookup/op.h"

enum {
    KITH_BOOT_MAX = 512, /* contacts to join through */
};

struct kith_boot {
    struct kith_list all;
    struct kith_maintain *owner;
    struct kith_contact contact;
    enum kith_contact_source source;
    bool early;        /* a seed that has not had its turn among the first */
    uint64_t apart_at; /* when it is asked even though enough others are there */
    uint32_t attempts; /* since its last answer, or the last loss */
    struct kith_rpc *rpc;
    struct kith_timer timer;
};

struct kith_maintain {
    struct kith_env *env;
    struct kith_swarm *swarm;
    struct kith_sessions *sessions; /* NULL: a dialect without */
    struct kith_ops *ops;
    uint64_t refresh_ns;       /* between two stale entries asked, at most; 0: 14.1 s */
    uint64_t refresh_least_ns; /* at least, where many are found gone; 0: 2.4 s */
    uint64_t refresh_age_ns;   /* entries heard from since are left alone; 0: 60 s */
    /* Of the owner. `on_ready`, `on_lost`: joined, or every contact lost, at `since`. */
    void (*on_ready)(void *context, uint64_t now);
    void (*on_lost)(void *context, uint64_t now);
    bool (*is_self)(void *context, const struct kith_endpoint *endpoint);
    void *context;
    struct kith_list boots;
    uint32_t n_boots;
    uint32_t early_left; /* seeds that may still be asked early */
    bool expecting;      /* the shell may add contacts soon */
    bool ready;
    bool self_lookup_runs;
    uint32_t n_self_lookups; /* since the last loss */
    uint8_t beyond_left;     /* steps from a contact to join through towards ourselves */
    bool fill_runs;
    unsigned fill_bucket;      /* where the round of filling stands */
    uint8_t fill_family;       /* 4, 6, or 0: no round under way */
    uint64_t fill_pause_s;     /* until the next round */
    size_t fill_live;          /* live contacts at the end of the last round */
    uint64_t since;            /* start, or the last loss */
    uint64_t refresh_pause_ns; /* as things are */
    struct kith_timer self_lookup;
    struct kith_timer fill;
    struct kith_timer refresh;
};

/* Zeroed and with its borrowed parts set by the caller. */
KITH_MUST_CHECK int kith_maintain_start(struct kith_maintain *m, uint64_t now);
void kith_maintain_stop(struct kith_maintain *m);
/* -> see kith_core_add_contact() */
KITH_MUST_CHECK int kith_maintain_add(struct kith_maintain *m, const struct kith_contact *contact,
                                      enum kith_contact_source source, uint64_t now);
void kith_maintain_remove(struct kith_maintain *m, const struct kith_endpoint *endpoint);
/* The network changed: contacts to join through are asked at once, if they are needed. */
void kith_maintain_hurry(struct kith_maintain *m, uint64_t now);
/* The key behind an endpoint became known. */
void kith_maintain_key(struct kith_maintain *m, const struct kith_key *key,
                       const struct kith_endpoint *endpoint, uint64_t now);
/* Our id changed: who is near is to be found out again. */
void kith_maintain_again(struct kith_maintain *m, uint64_t now);
/* The tables hold what those of a node hold that has been in the swarm for a day: upkeep goes on as
 * it would then, from a random moment of each round. For simulations of large networks. */
void kith_maintain_settle(struct kith_maintain *m, uint64_t now);
/* After each call into the core: notices the first contact and the loss of the last. */
void kith_maintain_look(struct kith_maintain *m, uint64_t now);
/* Whether some contact may still lead into the swarm. */
bool kith_maintain_may_join(const struct kith_maintain *m);

#endif
