/* SPDX-License-Identifier: MIT */
/*
 * scenario_churn: nodes come and go all the time; do those that are there find each other, and
 * what does that cost?
 *
 * A question is fair if it can be answered: it is asked by a node that has joined, of a peer that
 * has joined and has been there for SETTLED_S, or of a value whose publisher had it acknowledged by
 * a quorum at least that long ago; and both, the asker and the peer or publisher, are still there
 * when the answer comes. What is not fair is not counted. Publishers are one in PUBLISHER_SHARE of
 * the newcomers; they put one value when they are settled, and keep it published while they live.
 *
 * The state of routing tables is looked at meanwhile, against what an omniscient observer knows:
 * entries of full buckets whose node is gone; and nodes, there for KNOWING_S, that have in their
 * tables all of the 20 nearest of those that have been there for SETTLED_S.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/core_internal.h"
#include "sim/churn.h"
#include "sim/memory.h"
#include "sim/oracle.h"
#include "sim/swarm.h"

enum {
    K = 20,
    SETTLED_S = 15,
    KNOWING_S = 60,
    PUBLISHER_SHARE = 4,
    WARM_UP_S = 120, /* at least; else two mean sessions, at most WARM_UP_MAX_S */
    WARM_UP_MAX_S = 3600,
    LOOKS = 10, /* at tables, in a run */
    LOOK_NODES = 100,
    CLOSEST_SEEN = 40, /* of whom 20 are old enough, nearly always */
    LAST_ANSWER_S = 40,
    MEDIAN_PERMILLE = 693, /* of the mean of an exponential */
};

struct question {
    struct kith_sim_ask *ask;
    uint32_t about; /* host */
    bool of_value;
};

struct publisher {
    uint32_t host;
    struct kith_sim_ask *put; /* NULL: not put yet */
};

struct tally {
    uint32_t n;
    uint32_t n_right;
    struct kith_sim_samples ns;
};

struct churn_run {
    struct kith_sim_run *run;
    struct kith_sim_world *world;
    struct kith_sim_churn churn;
    struct question *questions;
    uint32_t n_questions;
    struct publisher *publishers; /* in order of birth */
    uint32_t n_publishers;
    uint32_t n_seen; /* hosts that were considered as publishers */
    uint64_t in_full;
    uint64_t stale;
    uint32_t n_looked;
    uint32_t n_know_all;
};

/* ---- questions ---- */

static const uint8_t value[] = "5:value";

static void note_publishers(struct churn_run *c) {
    for (; c->n_seen < c->world->n_hosts; c->n_seen++) {
        if (c->n_seen % PUBLISHER_SHARE == 0) {
            c->publishers =
                kith_sim_resize(c->publishers, (c->n_publishers + 1) * sizeof(*c->publishers));
            c->publishers[c->n_publishers++] = (struct publisher){.host = c->n_seen};
        }
    }
}

static void let_publish(struct churn_run *c) {
    note_publishers(c);
    for (uint32_t i = 0; i < c->n_publishers; i++) {
        struct publisher *p = &c->publishers[i];
        struct kith_sim_host *host = c->world->hosts[p->host];
        if (p->put == NULL && host->core != NULL && host->ready &&
            kith_sim_churn_age(&c->churn, p->host) >= SETTLED_S * KITH_NS_PER_S) {
            struct kith_query query = {
                .kind = KITH_QUERY_PUT, .value = value, .value_size = sizeof(value) - 1};
            p->put = kith_sim_world_ask(c->world, host, &query);
        }
    }
}

/* A publisher whose value can be asked for; NULL if none was met. */
static const struct publisher *pick_publisher(struct churn_run *c) {
    enum { PICKS = 1000 };
    for (unsigned i = 0; i < PICKS; i++) {
        const struct publisher *p =
            &c->publishers[kith_sim_random_below(&c->world->random, c->n_publishers)];
        if (p->put != NULL && p->put->done && p->put->status == 0 &&
            c->world->hosts[p->host]->core != NULL &&
            c->world->now - p->put->done_at >= SETTLED_S * KITH_NS_PER_S) {
            return p;
        }
    }
    return NULL;
}

/* Every second one is for a value. */
static void ask(struct churn_run *c) {
    const struct publisher *p = c->n_questions % 2 == 0 ? NULL : pick_publisher(c);
    const struct kith_sim_host *about =
        p != NULL ? c->world->hosts[p->host]
                  : kith_sim_churn_pick(&c->churn, SETTLED_S * KITH_NS_PER_S);
    struct kith_sim_host *asker = kith_sim_churn_pick(&c->churn, 0);
    if (about == NULL || asker == NULL || asker == about) {
        return;
    }
    struct kith_query query = {.kind = p != NULL ? KITH_QUERY_GET : KITH_QUERY_LOOKUP,
                               .flags = KITH_FLAG_HAS_KEY,
                               .key = about->key};
    c->questions = kith_sim_resize(c->questions, (c->n_questions + 1) * sizeof(*c->questions));
    c->questions[c->n_questions++] =
        (struct question){kith_sim_world_ask(c->world, asker, &query), about->index, p != NULL};
}

static void judge(const struct churn_run *c, struct tally *peers, struct tally *values) {
    enum { PRINTED_MAX = 10 };
    uint32_t printed = 0;
    for (uint32_t i = 0; i < c->n_questions; i++) {
        const struct question *q = &c->questions[i];
        struct tally *tally = q->of_value ? values : peers;
        if (q->ask->status == KITH_ECANCELED ||
            !kith_sim_churn_outlived(&c->churn, q->about, q->ask->done_at)) {
            continue;
        }
        bool right = q->ask->status == 0 &&
                     (q->of_value ? q->ask->has_record
                                  : kith_sim_found_exactly(q->ask, c->world->hosts[q->about]));
        tally->n++;
        tally->n_right += right;
        kith_sim_samples_add(&tally->ns, q->ask->done_at - q->ask->asked_at);
        if (!right && printed++ < PRINTED_MAX) {
            fprintf(stderr,
                    "miss: %s of host %u by host %u at %.3f s: %s, %u messages, %u answered\n",
                    q->of_value ? "value" : "lookup", q->about, q->ask->host,
                    (double)q->ask->asked_at / 1e9, kith_strerror(q->ask->status),
                    q->ask->walk.messages, q->ask->walk.answered);
        }
    }
}

/* ---- tables ---- */

struct look {
    struct churn_run *c;
    unsigned bucket_sizes[257];
    uint32_t n_stale[257];
    const struct kith_sim_host *closest[K];
    uint32_t n_closest;
    uint32_t known;
};

static int look_at(const struct kith_entry *entry, unsigned bucket, bool replacement, void *user) {
    struct look *look = user;
    if (replacement) {
        return 0;
    }
    struct kith_endpoint endpoint = kith_entry_endpoint(entry);
    uint32_t index = kith_sim_network_find(&look->c->world->network, &endpoint);
    const struct kith_sim_host *host =
        index == KITH_SIM_NOBODY ? NULL : look->c->world->hosts[index];
    look->bucket_sizes[bucket]++;
    look->n_stale[bucket] += host == NULL || host->core == NULL;
    for (uint32_t i = 0; i < look->n_closest; i++) {
        look->known += look->closest[i] == host;
    }
    return 0;
}

/* The 20 nearest of those old enough. */
static void find_closest(struct look *look, const struct kith_sim_host *host) {
    const struct kith_sim_host *all[CLOSEST_SEEN];
    uint32_t n = kith_sim_oracle_closest(look->c->world, &host->id, host, CLOSEST_SEEN, all);
    for (uint32_t i = 0; i < n && look->n_closest < K; i++) {
        if (all[i]->ready &&
            kith_sim_churn_age(&look->c->churn, all[i]->index) >= SETTLED_S * KITH_NS_PER_S) {
            look->closest[look->n_closest++] = all[i];
        }
    }
}

static void look_at_tables(struct churn_run *c) {
    for (unsigned i = 0; i < LOOK_NODES; i++) {
        const struct kith_sim_host *host =
            kith_sim_churn_pick(&c->churn, KNOWING_S * KITH_NS_PER_S);
        struct look look = {.c = c};
        if (host == NULL) {
            return;
        }
        find_closest(&look, host);
        (void)kith_routing_each(host->core->swarm.v4, look_at, &look);
        for (unsigned b = 0; b <= 256; b++) {
            if (look.bucket_sizes[b] >= K) {
                c->in_full += look.bucket_sizes[b];
                c->stale += look.n_stale[b];
            }
        }
        c->n_looked++;
        c->n_know_all += look.known == look.n_closest;
    }
}

/* ---- the run ---- */

static uint64_t bytes_sent(const struct kith_sim_world *world) {
    struct kith_stats stats;
    kith_sim_world_stats(world, &stats);
    return stats.tx_bytes;
}

/* Questions at even distances; tables in between. */
static void measure(struct churn_run *c, uint64_t duration) {
    uint32_t n = c->run->options.lookups;
    uint64_t start = c->world->now;
    for (uint32_t i = 0; i < n; i++) {
        kith_sim_churn_run_until(&c->churn, start + duration / n * (i + 1));
        let_publish(c);
        ask(c);
        if ((uint64_t)i * LOOKS / n != (uint64_t)(i + 1) * LOOKS / n) {
            look_at_tables(c);
        }
    }
}

static double share(double part, double whole) {
    return whole > 0 ? 100 * part / whole : 100;
}

static void report(struct churn_run *c, const char *const names[4], struct tally *tally) {
    kith_sim_report_number(&c->run->report, names[0], tally->n, 0);
    kith_sim_report_number(&c->run->report, names[1], share(tally->n_right, tally->n), 3);
    kith_sim_report_latency(&c->run->report, names[2], names[3], &tally->ns);
}

/* What has to hold: full marks for the table of docs/testing.md, some slack for small networks. */
static double success_min(const struct kith_sim_options *options) {
    uint32_t median_s = options->session_s * MEDIAN_PERMILLE / 1000;
    return median_s >= 3500 ? 99.9 : median_s >= 580 ? 99.5 : 97;
}

/* How true the tables have to be, in percent. Measured with the nodes of a default run and more: 82
 * to 96 and 11 to 17 at 300 s, 98 and 3 at two hours. */
struct truth {
    uint32_t session_s; /* from this mean on */
    double known_min;   /* nodes that know all of their nearest */
    double stale_max;   /* entries of full buckets that lead nowhere */
};

static const struct truth truths[] = {{5000, 90, 4}, {800, 80, 12}, {300, 75, 18}, {0, 35, 40}};

static void expect_truth(struct churn_run *c) {
    const struct truth *truth = truths;
    while (c->run->options.session_s < truth->session_s) {
        truth++;
    }
    double known = share(c->n_know_all, c->n_looked);
    double stale = share((double)c->stale, (double)c->in_full);
    kith_sim_report_number(&c->run->report, "stale_percent_of_full_buckets", stale, 2);
    kith_sim_report_number(&c->run->report, "know_all_20_percent", known, 2);
    kith_sim_expect(c->run, known >= truth->known_min,
                    "only %.1f %% of the nodes know all of their nearest, not %.0f", known,
                    truth->known_min);
    kith_sim_expect(c->run, c->in_full == 0 || stale <= truth->stale_max,
                    "%.1f %% of entries of full buckets lead nowhere, not %.0f", stale,
                    truth->stale_max);
}

static void conclude(struct churn_run *c, double bytes_per_s) {
    struct kith_sim_report *out = &c->run->report;
    struct tally peers = {0};
    struct tally values = {0};
    judge(c, &peers, &values);
    static const char *const of_peers[] = {"lookups", "success_percent", "total_ms_p50",
                                           "total_ms_p99"};
    static const char *const of_values[] = {"gets", "gets_success_percent", "get_ms_p50",
                                            "get_ms_p99"};
    report(c, of_peers, &peers);
    report(c, of_values, &values);
    kith_sim_report_number(out, "tx_bytes_per_s", bytes_per_s, 1);
    expect_truth(c);
    kith_sim_report_number(out, "deaths", c->churn.n_deaths, 0);
    double least = success_min(&c->run->options);
    double peers_found = share(peers.n_right, peers.n);
    double values_found = share(values.n_right, values.n);
    kith_sim_expect(c->run, peers.n > 0 && peers_found >= least,
                    "%.3f %% of %u lookups succeed, not %.2f %%", peers_found, peers.n, least);
    kith_sim_expect(c->run, values.n > 0 && values_found >= least,
                    "%.3f %% of %u gets succeed, not %.2f %%", values_found, values.n, least);
    kith_sim_samples_deinit(&peers.ns);
    kith_sim_samples_deinit(&values.ns);
}

void kith_sim_scenario_churn(struct kith_sim_run *run) {
    const struct kith_sim_options *options = &run->options;
    struct kith_sim_world world;
    struct churn_run c = {.run = run, .world = &world};
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, options->nodes);
    kith_sim_churn_init(&c.churn, &world, options->session_s, options->weibull);
    uint64_t warm_up = 2 * (uint64_t)options->session_s;
    warm_up = warm_up < WARM_UP_S ? WARM_UP_S : warm_up > WARM_UP_MAX_S ? WARM_UP_MAX_S : warm_up;
    for (uint64_t s = 0; s < warm_up; s += SETTLED_S) {
        kith_sim_churn_run_until(&c.churn, world.now + SETTLED_S * KITH_NS_PER_S);
        let_publish(&c);
    }
    uint64_t before = bytes_sent(&world);
    uint64_t duration = (uint64_t)options->duration_s * KITH_NS_PER_S;
    measure(&c, duration);
    uint64_t sent = bytes_sent(&world) - before;
    kith_sim_churn_run_until(&c.churn, world.now + LAST_ANSWER_S * KITH_NS_PER_S);
    conclude(&c, (double)sent / options->nodes / options->duration_s);

    for (uint32_t i = 0; i < c.n_questions; i++) {
        kith_sim_ask_free(c.questions[i].ask);
    }
    for (uint32_t i = 0; i < c.n_publishers; i++) {
        kith_sim_ask_free(c.publishers[i].put);
    }
    free(c.questions);
    free(c.publishers);
    kith_sim_churn_deinit(&c.churn);
    kith_sim_conclude(run, &world);
}
