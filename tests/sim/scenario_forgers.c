/* SPDX-License-Identifier: MIT */
/*
 * scenario_forgers: a share of the nodes answers with forged records and other lies (sim_liar). A
 * get for which the first valid record will do, asked of honest nodes, finds the true one, however
 * many forged ones it is shown before.
 */
#include <stdlib.h>

#include "core/core_internal.h"
#include "sim/memory.h"
#include "sim/sim_liar.h"
#include "sim/swarm.h"

enum {
    OP_LIMIT_S = 60,
    GETS = 4, /* of each record */
    SUCCESS_PERCENT = 99,
};

struct forgers {
    struct kith_sim_run *run;
    struct kith_sim_world world;
    struct kith_sim_liar *liars; /* by index of the host */
    struct kith_sim_random random;
    uint64_t n_lies;
    bool on;
};

static bool lies(const struct forgers *f, const struct kith_sim_host *host) {
    return kith_sim_mix(f->world.config.seed, 0x6c69, host->index) % KITH_SIM_PPM <
           f->run->options.hostile_ppm;
}

static void enter(void *context, struct kith_sim_host *host) {
    struct forgers *f = context;
    kith_sim_liar_enter(f->on && lies(f, host) ? &f->liars[host->index] : NULL);
}

static void leave(void *context, struct kith_sim_host *host) {
    (void)context;
    (void)host;
    kith_sim_liar_enter(NULL);
}

static struct kith_sim_host *pick_honest(struct forgers *f) {
    struct kith_sim_host *host = kith_sim_world_pick(&f->world);
    while (lies(f, host)) {
        host = kith_sim_world_pick(&f->world);
    }
    return host;
}

static struct kith_sim_ask *ask_and_wait(struct forgers *f, struct kith_sim_host *host,
                                         const struct kith_query *query) {
    struct kith_sim_ask *ask = kith_sim_world_ask(&f->world, host, query);
    if (!kith_sim_world_run_asks(&f->world, OP_LIMIT_S * KITH_NS_PER_S)) {
        kith_sim_panic("an operation of host %u did not end in %d s", host->index, OP_LIMIT_S);
    }
    return ask;
}

/* Every node puts one record, in good times. */
static void put_all(struct forgers *f) {
    struct kith_query put = {
        .kind = KITH_QUERY_PUT, .value = (const uint8_t *)"4:true", .value_size = 6};
    for (uint32_t i = 0; i < f->world.n_hosts; i++) {
        struct kith_sim_ask *ask = ask_and_wait(f, f->world.hosts[i], &put);
        kith_sim_expect(f->run, ask->status == 0, "put by host %u: %s", i,
                        kith_strerror(ask->status));
        kith_sim_ask_free(ask);
    }
}

static void begin_to_lie(struct forgers *f) {
    f->liars = kith_sim_allocate(f->world.n_hosts * sizeof(struct kith_sim_liar));
    kith_sim_random_seed(&f->random, kith_sim_mix(f->world.config.seed, 0x6c69, UINT32_MAX));
    for (uint32_t i = 0; i < f->world.n_hosts; i++) {
        f->liars[i] = (struct kith_sim_liar){.random = &f->random, .count = &f->n_lies};
        if (lies(f, f->world.hosts[i])) {
            f->world.hosts[i]->core->swarm.dialect = kith_sim_liar_dialect();
        }
    }
    f->on = true;
}

/* Whether it was found. */
static bool get(struct forgers *f, const struct kith_sim_host *author) {
    struct kith_query query = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = author->key};
    struct kith_sim_host *reader = pick_honest(f);
    struct kith_sim_ask *ask = ask_and_wait(f, reader, &query);
    kith_sim_expect(f->run, !ask->has_record || ask->record.seq < KITH_SIM_FORGED_SEQ,
                    "host %u got a forged record of host %u", reader->index, author->index);
    bool found = ask->status == 0 && ask->has_record;
    kith_sim_ask_free(ask);
    return found;
}

void kith_sim_scenario_forgers(struct kith_sim_run *run) {
    struct forgers f = {.run = run};
    uint32_t n = 0;
    uint32_t found = 0;
    kith_sim_swarm_init(&f.world, run);
    f.world.hooks = (struct kith_sim_hooks){.enter = enter, .leave = leave, .context = &f};
    kith_sim_swarm_grow(run, &f.world, run->options.nodes);
    put_all(&f);
    begin_to_lie(&f);
    for (uint32_t i = 0; i < f.world.n_hosts; i++) {
        for (unsigned j = 0; j < GETS; j++) {
            n++;
            found += get(&f, f.world.hosts[i]);
        }
    }
    double percent = 100.0 * found / n;
    kith_sim_report_number(&run->report, "gets", n, 0);
    kith_sim_report_number(&run->report, "success_percent", percent, 2);
    kith_sim_report_number(&run->report, "lies", (double)f.n_lies, 0);
    kith_sim_expect(run, percent >= SUCCESS_PERCENT, "%.2f %% of gets find what is there", percent);
    kith_sim_conclude_faulty(run, &f.world);
    free(f.liars);
}
