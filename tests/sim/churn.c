/* SPDX-License-Identifier: MIT */
/*
 * churn: a heap of ends. Exponential variates by von Neumann's method, which needs comparisons
 * only: every machine draws the same.
 */
#include "sim/churn.h"

#include <stdlib.h>

#include "sim/memory.h"
#include "util/list.h"

enum {
    JOIN_THROUGH = 3,
    PICKS_MAX = 10000,
    FRACTION_BITS = 32,
};

/* ---- chance ---- */

/* Exponential with mean 1, 32 bits of it behind the point. */
static uint64_t exponential(struct kith_sim_random *r) {
    for (uint64_t whole = 0;; whole++) {
        uint32_t first = (uint32_t)kith_sim_random_next(r);
        uint32_t last = first;
        bool odd = true;
        for (uint32_t next; (next = (uint32_t)kith_sim_random_next(r)) < last; odd = !odd) {
            last = next;
        }
        if (odd) {
            return whole << FRACTION_BITS | first;
        }
    }
}

/* x² half_mean, for the mean of E² is 2. */
static uint64_t weibull_ms(uint64_t x, uint64_t mean_ms) {
    uint64_t square = (x >> 16) * (x >> 16); /* 32 bits behind the point again */
    return (square >> 12) * (mean_ms / 2) >> (FRACTION_BITS - 12);
}

static uint64_t session_ns(struct kith_sim_churn *churn, bool is_new) {
    struct kith_sim_random *r = &churn->world->random;
    uint64_t ms;
    if (!churn->weibull) {
        ms = exponential(r) * churn->mean_ms >> FRACTION_BITS;
    } else if (is_new) {
        ms = weibull_ms(exponential(r), churn->mean_ms);
    } else {
        /* A session met at a random moment is of the length-biased distribution, which is the
         * square of a Gamma(3); what is left of it is a uniform share. */
        uint64_t x = exponential(r) + exponential(r) + exponential(r);
        ms = kith_sim_random_below(r, weibull_ms(x, churn->mean_ms) + 1);
    }
    return ms * KITH_NS_PER_MS;
}

/* ---- lives ---- */

static bool ends_before(const struct kith_heap_node *a_node, const struct kith_heap_node *b_node) {
    const struct kith_sim_life *a = kith_container_of(a_node, struct kith_sim_life, by_end);
    const struct kith_sim_life *b = kith_container_of(b_node, struct kith_sim_life, by_end);
    return a->ends != b->ends ? a->ends < b->ends : a->host < b->host;
}

static void add_life(struct kith_sim_churn *churn, uint64_t born) {
    struct kith_sim_life *life = kith_sim_allocate(sizeof(*life));
    life->host = churn->n_lives;
    life->born = born;
    churn->lives =
        kith_sim_resize(churn->lives, (churn->n_lives + 1) * sizeof(struct kith_sim_life *));
    churn->lives[churn->n_lives++] = life;
    if (churn->world->hosts[life->host]->core == NULL) {
        return;
    }
    life->ends = churn->world->now + session_ns(churn, born != 0);
    if (kith_heap_insert(&churn->ends, &life->by_end) < 0) {
        kith_sim_panic("out of memory");
    }
}

void kith_sim_churn_init(struct kith_sim_churn *churn, struct kith_sim_world *world,
                         uint32_t mean_s, bool weibull) {
    *churn = (struct kith_sim_churn){
        .world = world, .mean_ms = (uint64_t)mean_s * 1000, .weibull = weibull};
    kith_heap_init(&churn->ends, ends_before);
    while (churn->n_lives < world->n_hosts) {
        add_life(churn, 0);
    }
}

void kith_sim_churn_deinit(struct kith_sim_churn *churn) {
    kith_heap_deinit(&churn->ends);
    for (uint32_t i = 0; i < churn->n_lives; i++) {
        free(churn->lives[i]);
    }
    free(churn->lives);
    *churn = (struct kith_sim_churn){0};
}

static void replace(struct kith_sim_churn *churn) {
    struct kith_sim_world *world = churn->world;
    struct kith_sim_host *host =
        kith_sim_world_add(world, &(struct kith_sim_host_options){.families = 4});
    add_life(churn, world->now);
    for (unsigned i = 0; i < JOIN_THROUGH; i++) {
        struct kith_sim_host *other = kith_sim_churn_pick(churn, 0);
        if (other != NULL && other != host) {
            kith_sim_world_introduce(world, host, other, true, KITH_CONTACT_SEED);
        }
    }
}

void kith_sim_churn_kill(struct kith_sim_churn *churn, struct kith_sim_host *host) {
    struct kith_sim_life *life = churn->lives[host->index];
    kith_heap_remove(&churn->ends, &life->by_end);
    life->ends = churn->world->now;
    churn->n_deaths++;
    kith_sim_world_kill(churn->world, host);
    replace(churn);
}

void kith_sim_churn_run_until(struct kith_sim_churn *churn, uint64_t time) {
    struct kith_heap_node *first;
    while ((first = kith_heap_first(&churn->ends)) != NULL) {
        struct kith_sim_life *life = kith_container_of(first, struct kith_sim_life, by_end);
        if (life->ends > time) {
            break;
        }
        kith_sim_world_run_until(churn->world, life->ends);
        kith_sim_churn_kill(churn, churn->world->hosts[life->host]);
    }
    kith_sim_world_run_until(churn->world, time);
}

uint64_t kith_sim_churn_age(const struct kith_sim_churn *churn, uint32_t host) {
    uint64_t born = churn->lives[host]->born;
    return born == 0 ? UINT64_MAX : churn->world->now - born;
}

bool kith_sim_churn_outlived(const struct kith_sim_churn *churn, uint32_t host, uint64_t time) {
    return churn->lives[host]->ends > time;
}

struct kith_sim_host *kith_sim_churn_pick(struct kith_sim_churn *churn, uint64_t age) {
    for (unsigned i = 0; i < PICKS_MAX; i++) {
        uint64_t index = kith_sim_random_below(&churn->world->random, churn->ends.n);
        struct kith_sim_life *life = kith_container_of(kith_heap_at(&churn->ends, (uint32_t)index),
                                                       struct kith_sim_life, by_end);
        struct kith_sim_host *host = churn->world->hosts[life->host];
        if (host->ready && kith_sim_churn_age(churn, life->host) >= age) {
            return host;
        }
    }
    return NULL;
}
