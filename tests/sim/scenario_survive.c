/* SPDX-License-Identifier: MIT */
/*
 * scenario_survive: are records there until the end of their lives when nobody looks after them but
 * those who happen to hold them?
 *
 * Nodes come and go. Values are put once and forgotten by their publishers, who do nothing for them
 * any more: as if they had gone that moment. Everybody leaves a life of 24 hours to its holders; a
 * run that does not last that long leaves it in the middle. Each value is read LAST_S before its
 * `duration` is over, by a node that does not hold it.
 *
 * Besides: how many copies there are on average, at even distances, and how many repairs it took.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/core_internal.h"
#include "sim/churn.h"
#include "sim/memory.h"
#include "sim/swarm.h"

enum {
    WARM_UP_S = 1800,
    PUT_GAP_MS = 20,
    LAST_S = 60, /* and how long an answer is waited for */
    CENSUSES = 8,
    PUT_WAIT_S = 60,
    VALUE_RANDOM = 64,
};

struct survivor {
    struct kith_key key;
    uint64_t put_at;
    struct kith_sim_ask *ask;
    bool was_put;
};

struct survive_run {
    struct kith_sim_run *run;
    struct kith_sim_world *world;
    struct kith_sim_churn churn;
    struct survivor *records;
    uint32_t n;
    uint32_t n_put;
    struct kith_sim_samples copies; /* per record, times 1000 */
};

static struct kith_query query_of(uint32_t index, enum kith_query_kind kind) {
    struct kith_query query = {.kind = kind};
    query.salt_size = (uint8_t)snprintf((char *)query.salt, sizeof(query.salt), "r%u", index);
    return query;
}

static void put_all(struct survive_run *s) {
    uint8_t random[VALUE_RANDOM];
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    for (uint32_t i = 0; i < s->n; i++) {
        struct survivor *record = &s->records[i];
        struct kith_sim_host *host = kith_sim_churn_pick(&s->churn, 0);
        kith_sim_random_fill(&s->world->random, random, sizeof(random));
        if (host == NULL || kith_value_wrap(random, sizeof(random), value, &size) < 0) {
            kith_sim_panic("nobody can put");
        }
        struct kith_query query = query_of(i, KITH_QUERY_PUT);
        query.flags = KITH_FLAG_FORGET;
        query.value = value;
        query.value_size = size;
        record->key = host->key;
        record->put_at = s->world->now;
        record->ask = kith_sim_world_ask(s->world, host, &query);
        kith_sim_churn_run_until(&s->churn, s->world->now + PUT_GAP_MS * KITH_NS_PER_MS);
    }
    kith_sim_churn_run_until(&s->churn, s->world->now + PUT_WAIT_S * KITH_NS_PER_S);
    for (uint32_t i = 0; i < s->n; i++) {
        struct survivor *record = &s->records[i];
        record->was_put = record->ask->done && record->ask->status == 0;
        s->n_put += record->was_put;
        record->ask = kith_sim_ask_free(record->ask);
    }
}

/* ---- copies ---- */

static int count_value(const struct kith_record_info *info, void *user) {
    uint64_t *n = user;
    *n += !info->own && info->salt_size > 0 && info->salt[0] == 'r';
    return 0;
}

static void take_census(struct survive_run *s) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < s->world->n_hosts; i++) {
        if (s->world->hosts[i]->core != NULL) {
            (void)kith_core_each_record(s->world->hosts[i]->core, s->world->now, count_value, &n);
        }
    }
    kith_sim_samples_add(&s->copies, s->n == 0 ? 0 : n * 1000 / s->n);
}

/* ---- reading ---- */

static bool holds(const struct kith_sim_host *host, const struct survivor *record, uint32_t index,
                  uint64_t now) {
    struct kith_query query = query_of(index, KITH_QUERY_GET);
    struct kith_point point;
    struct kith_held held;
    kith_point_of_record(&record->key, kith_span(query.salt, query.salt_size), &point);
    return kith_store_get(host->core->store, &point, now, &held);
}

static void read_one(struct survive_run *s, uint32_t index) {
    struct survivor *record = &s->records[index];
    struct kith_sim_host *reader;
    do {
        reader = kith_sim_churn_pick(&s->churn, 0);
    } while (reader != NULL && holds(reader, record, index, s->world->now));
    if (reader == NULL) {
        kith_sim_panic("nobody can read");
    }
    struct kith_query query = query_of(index, KITH_QUERY_GET);
    query.flags = KITH_FLAG_HAS_KEY;
    query.key = record->key;
    record->ask = kith_sim_world_ask(s->world, reader, &query);
}

/* A reader that leaves meanwhile has not been told: another one asks. */
static uint32_t read_all(struct survive_run *s, uint64_t duration) {
    uint32_t n_alive = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->records[i].was_put) {
            kith_sim_churn_run_until(&s->churn,
                                     s->records[i].put_at + duration - LAST_S * KITH_NS_PER_S);
            read_one(s, i);
        }
    }
    uint64_t end = s->world->now + LAST_S / 2 * KITH_NS_PER_S;
    for (uint32_t round = 0; round < 2; round++) {
        kith_sim_churn_run_until(&s->churn, end + round * LAST_S / 2 * KITH_NS_PER_S);
        for (uint32_t i = 0; round == 0 && i < s->n; i++) {
            struct survivor *record = &s->records[i];
            if (record->was_put && record->ask->status == KITH_ECANCELED) {
                record->ask = kith_sim_ask_free(record->ask);
                read_one(s, i);
            }
        }
    }
    for (uint32_t i = 0; i < s->n; i++) {
        struct survivor *record = &s->records[i];
        bool alive = record->was_put && record->ask->status == 0 && record->ask->has_record;
        n_alive += alive;
        if (record->was_put && !alive) {
            fprintf(stderr, "miss: value r%u: %s, %u messages\n", i,
                    kith_strerror(record->ask->status), record->ask->walk.messages);
        }
        kith_sim_ask_free(record->ask);
    }
    return n_alive;
}

/* ---- the run ---- */

static void conclude(struct survive_run *s, uint32_t n_alive, const struct kith_stats *before,
                     const struct kith_stats *after) {
    struct kith_sim_report *out = &s->run->report;
    double hours = s->run->options.duration_s / 3600.0;
    double alive = s->n_put == 0 ? 0 : 100.0 * n_alive / s->n_put;
    double per_record =
        (double)(after->records_repaired - before->records_repaired) / (s->n_put * hours);
    kith_sim_report_number(out, "values", s->n_put, 0);
    kith_sim_report_number(out, "alive_percent", alive, 3);
    kith_sim_report_number(out, "lost", s->n_put - n_alive, 0);
    kith_sim_report_number(out, "copies_mean", kith_sim_samples_mean(&s->copies) / 1000, 2);
    kith_sim_report_number(out, "repairs_per_value_and_hour", per_record, 2);
    kith_sim_report_number(out, "tx_bytes_per_s",
                           (double)(after->tx_bytes - before->tx_bytes) / s->run->options.nodes /
                               s->run->options.duration_s,
                           1);
    kith_sim_report_number(out, "deaths", s->churn.n_deaths, 0);
    kith_sim_expect(s->run, s->n_put >= s->n - s->n / 20, "only %u of %u puts succeeded", s->n_put,
                    s->n);
    kith_sim_expect(s->run, alive >= 99.9, "%.3f %% of %u values are alive, not 99.9 %%", alive,
                    s->n_put);
    /* One for all, not everybody for himself: 20 holders would do it 20 times as often. */
    double pause_h = s->run->options.session_s / 2.0 / 3600.0;
    double most = 3 / (pause_h < 1 ? pause_h : 1);
    kith_sim_expect(s->run, per_record > 0 && per_record <= most,
                    "%.2f repairs per value and hour, not up to %.2f", per_record, most);
}

void kith_sim_scenario_survive(struct kith_sim_run *run) {
    const struct kith_sim_options *options = &run->options;
    struct kith_sim_world world;
    struct kith_stats before;
    struct kith_stats after;
    struct survive_run s = {.run = run, .world = &world, .n = options->lookups};
    uint64_t duration = (uint64_t)options->duration_s * KITH_NS_PER_S;
    s.records = kith_sim_allocate((s.n + 1) * sizeof(*s.records));
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, options->nodes);
    kith_sim_churn_init(&s.churn, &world, options->session_s, options->weibull);
    uint32_t warm_up = options->session_s < WARM_UP_S ? options->session_s : WARM_UP_S;
    kith_sim_churn_run_until(&s.churn, world.now + warm_up * KITH_NS_PER_S);
    uint64_t start = world.now;
    kith_sim_world_stats(&world, &before);
    put_all(&s);
    for (uint32_t i = 1; i < CENSUSES; i++) {
        kith_sim_churn_run_until(&s.churn, start + duration / CENSUSES * i);
        take_census(&s);
    }
    uint32_t n_alive = read_all(&s, duration);
    kith_sim_world_stats(&world, &after);
    conclude(&s, n_alive, &before, &after);
    kith_sim_samples_deinit(&s.copies);
    kith_sim_churn_deinit(&s.churn);
    free(s.records);
    kith_sim_conclude(run, &world);
}
