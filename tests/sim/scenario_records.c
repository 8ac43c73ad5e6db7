/* SPDX-License-Identifier: MIT */
/*
 * scenario_records: what is put can be read anywhere, and the newest wins everywhere.
 *
 * Each round works on one record of one author: put, read elsewhere; update, read elsewhere; then
 * somebody puts the outdated one back, and the author tries a compare-and-swap on a seq that is
 * gone. Both must be told the seq that is held. An immutable value goes along. Rounds run one after
 * another: what they test is the outcome, not the load.
 */
#include <stdio.h>

#include "core/record/record.h"
#include "sim/memory.h"
#include "sim/scenario.h"
#include "sim/swarm.h"

enum {
    READERS = 3,
    OP_LIMIT_S = 60,
    VALUE_RANDOM = 24, /* bytes */
};

struct counts {
    uint32_t puts;
    uint32_t gets;
    uint32_t refusals;
    struct kith_sim_samples put_ns;
    struct kith_sim_samples get_ns;
    struct kith_sim_samples acks;
};

struct value {
    uint8_t bytes[KITH_VALUE_MAX];
    uint16_t size;
};

static struct kith_sim_ask *ask_and_wait(struct kith_sim_world *world, struct kith_sim_host *host,
                                         const struct kith_query *query) {
    struct kith_sim_ask *ask = kith_sim_world_ask(world, host, query);
    if (!kith_sim_world_run_asks(world, OP_LIMIT_S * KITH_NS_PER_S)) {
        kith_sim_panic("operation %d of host %u did not end in %d s", (int)query->kind, host->index,
                       OP_LIMIT_S);
    }
    return ask;
}

static void random_value(struct kith_sim_world *world, struct value *value) {
    uint8_t bytes[VALUE_RANDOM];
    kith_sim_random_fill(&world->random, bytes, sizeof(bytes));
    if (kith_value_wrap(bytes, sizeof(bytes), value->bytes, &value->size) < 0) {
        kith_sim_panic("a value cannot be wrapped");
    }
}

static struct kith_query put_query(const struct value *value, const char *salt) {
    struct kith_query query = {
        .kind = KITH_QUERY_PUT, .value = value->bytes, .value_size = value->size};
    query.salt_size = (uint8_t)snprintf((char *)query.salt, sizeof(query.salt), "%s", salt);
    return query;
}

static int64_t put(struct kith_sim_run *run, struct kith_sim_world *world,
                   struct kith_sim_host *author, const struct kith_query *query,
                   struct counts *counts) {
    struct kith_sim_ask *ask = ask_and_wait(world, author, query);
    int64_t seq = ask->seq;
    counts->puts++;
    kith_sim_samples_add(&counts->put_ns, ask->done_at - ask->asked_at);
    kith_sim_samples_add(&counts->acks, ask->acks);
    kith_sim_expect(run, ask->status == 0 && ask->acks >= ask->quorum,
                    "put by host %u: %s, %u of %u acknowledged", author->index,
                    kith_strerror(ask->status), ask->acks, ask->quorum);
    kith_sim_ask_free(ask);
    return seq;
}

/* Several hosts read it, and must see exactly this. The last one's record goes to `ret`, if any. */
static void expect_read(struct kith_sim_run *run, struct kith_sim_world *world,
                        const struct kith_query *query, const struct value *value, int64_t seq,
                        struct counts *counts, struct kith_record *ret) {
    for (unsigned i = 0; i < READERS; i++) {
        struct kith_sim_host *reader = kith_sim_world_pick(world);
        struct kith_sim_ask *ask = ask_and_wait(world, reader, query);
        counts->gets++;
        kith_sim_samples_add(&counts->get_ns, ask->done_at - ask->asked_at);
        bool right = ask->status == 0 && ask->has_record && ask->record.seq == seq &&
                     kith_span_equal(kith_span(ask->record.value, ask->record.value_size),
                                     kith_span(value->bytes, value->size));
        kith_sim_expect(run, right, "get by host %u: %s, seq %lld, not %lld", reader->index,
                        kith_strerror(ask->status),
                        ask->has_record ? (long long)ask->record.seq : -1LL, (long long)seq);
        if (ret != NULL && ask->has_record) {
            *ret = ask->record;
        }
        kith_sim_ask_free(ask);
    }
}

static void expect_refused(struct kith_sim_run *run, struct kith_sim_world *world,
                           struct kith_sim_host *host, const struct kith_query *query, int status,
                           int64_t held, struct counts *counts) {
    struct kith_sim_ask *ask = ask_and_wait(world, host, query);
    counts->refusals++;
    kith_sim_expect(run, ask->status == status && ask->seq == held,
                    "put by host %u: %s, seq %lld; expected: %s, seq %lld", host->index,
                    kith_strerror(ask->status), (long long)ask->seq, kith_strerror(status),
                    (long long)held);
    kith_sim_ask_free(ask);
}

static void mutable_round(struct kith_sim_run *run, struct kith_sim_world *world,
                          struct counts *counts) {
    struct kith_sim_host *author = kith_sim_world_pick(world);
    struct value one, two;
    random_value(world, &one);
    random_value(world, &two);
    struct kith_query get = put_query(&one, "round");
    get.kind = KITH_QUERY_GET;
    get.flags = KITH_FLAG_HAS_KEY | KITH_FLAG_NEWEST;
    get.key = author->key;

    struct kith_record outdated = {0};
    struct kith_query query = put_query(&one, "round");
    int64_t seq_one = put(run, world, author, &query, counts);
    expect_read(run, world, &get, &one, seq_one, counts, &outdated);

    query = put_query(&two, "round");
    int64_t seq_two = put(run, world, author, &query, counts);
    kith_sim_expect(run, seq_two > seq_one, "an update has seq %lld after %lld", (long long)seq_two,
                    (long long)seq_one);
    expect_read(run, world, &get, &two, seq_two, counts, NULL);

    struct kith_query replay = {.kind = KITH_QUERY_PUT,
                                .flags = KITH_FLAG_HAS_RECORD | KITH_FLAG_FORGET,
                                .record = &outdated};
    expect_refused(run, world, kith_sim_world_pick(world), &replay, KITH_EOUTDATED, seq_two,
                   counts);
    query.flags = KITH_FLAG_HAS_CAS;
    query.cas = seq_one;
    expect_refused(run, world, author, &query, KITH_ECAS_MISMATCH, seq_two, counts);
    expect_read(run, world, &get, &two, seq_two, counts, NULL);
}

static void immutable_round(struct kith_sim_run *run, struct kith_sim_world *world,
                            struct counts *counts) {
    struct value value;
    random_value(world, &value);
    struct kith_query query = put_query(&value, "");
    query.flags = KITH_FLAG_IMMUTABLE;
    put(run, world, kith_sim_world_pick(world), &query, counts);
    struct kith_query get = {.kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_POINT};
    kith_point_of_value(kith_span(value.bytes, value.size), &get.point);
    expect_read(run, world, &get, &value, 0, counts, NULL);
}

void kith_sim_scenario_records(struct kith_sim_run *run) {
    struct kith_sim_world world;
    struct counts counts = {0};
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    for (uint32_t i = 0; i < run->options.lookups; i++) {
        mutable_round(run, &world, &counts);
        immutable_round(run, &world, &counts);
    }
    kith_sim_report_number(&run->report, "puts", counts.puts, 0);
    kith_sim_report_number(&run->report, "gets", counts.gets, 0);
    kith_sim_report_number(&run->report, "conflicts_refused", counts.refusals, 0);
    kith_sim_report_number(&run->report, "acks_mean", kith_sim_samples_mean(&counts.acks), 1);
    kith_sim_report_latency(&run->report, "put_ms_p50", "put_ms_p99", &counts.put_ns);
    kith_sim_report_latency(&run->report, "get_ms_p50", "get_ms_p99", &counts.get_ns);
    kith_sim_samples_deinit(&counts.put_ns);
    kith_sim_samples_deinit(&counts.get_ns);
    kith_sim_samples_deinit(&counts.acks);
    kith_sim_conclude(run, &world);
}
