/* SPDX-License-Identifier: MIT */
/*
 * scenario_book: what keeping connected costs, and what lies in peer exchange are worth.
 *
 * idle: a network that nobody asks anything. Bytes are those of the datagrams themselves, counted
 * by the cores. Judged is a day's ordinary state, so the first minutes, in which tables fill and
 * young nodes republish often, are left out.
 *
 * poison: a tenth of the nodes answer every exchange with contacts that do not exist, never the
 * same twice; otherwise they are honest, so they are in everybody's tables. Honest nodes ask for
 * others ten times as often as by default, which makes the attack that much faster. The books of
 * simulated nodes have 16 buckets of new; a source's group reaches a sixteenth of them, so g groups
 * of attackers hold at most g buckets.
 */
#include <stdlib.h>

#include "core/core_internal.h"
#include "sim/memory.h"
#include "sim/scenario.h"
#include "sim/swarm.h"

enum {
    AGE_S = 3600,        /* before the measurement */
    IDLE_S = 3600,       /* of the measurement */
    IDLE_MAX = 100,      /* bytes per second, each way, on average over the nodes */
    ATTACKER_SHARE = 10, /* one in so many */
    ATTACKER_GROUPS = 2,
    ATTACK_S = 600,
    ATTACK_STEP_S = 20,
    FAKES_PER_STEP = 200,
    FAKE_BUCKETS = 64,
    REACH = 1,  /* buckets of new that one group of sources reaches: a sixteenth of 16 */
    HASTE = 10, /* times the default damping */
};

/* ---- idle ---- */

struct meter {
    uint64_t tx;
    uint64_t rx;
};

static void read_meters(const struct kith_sim_world *world, struct meter *meters) {
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        const struct kith_stats *stats = kith_core_stats(world->hosts[i]->core);
        meters[i] = (struct meter){stats->tx_bytes, stats->rx_bytes};
    }
}

static void report_direction(struct kith_sim_run *run, const char *const names[2],
                             struct kith_sim_samples *samples) {
    double mean = kith_sim_samples_mean(samples) / IDLE_S;
    double most = (double)kith_sim_samples_percentile(samples, 99) / IDLE_S;
    kith_sim_report_number(&run->report, names[0], mean, 1);
    kith_sim_report_number(&run->report, names[1], most, 1);
    kith_sim_expect(run, mean < IDLE_MAX, "%s is %.1f when idle, not below %d", names[0], mean,
                    IDLE_MAX);
    kith_sim_samples_deinit(samples);
}

static void measure_idle(struct kith_sim_run *run, struct kith_sim_world *world) {
    static const char *const tx_names[2] = {"tx_bytes_per_s", "tx_bytes_per_s_p99"};
    static const char *const rx_names[2] = {"rx_bytes_per_s", "rx_bytes_per_s_p99"};
    struct meter *before = kith_sim_allocate(world->n_hosts * sizeof(*before));
    struct meter *after = kith_sim_allocate(world->n_hosts * sizeof(*after));
    struct kith_sim_samples tx = {0};
    struct kith_sim_samples rx = {0};
    read_meters(world, before);
    uint64_t delivered = world->delivered;
    kith_sim_world_run_until(world, world->now + IDLE_S * KITH_NS_PER_S);
    read_meters(world, after);
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        kith_sim_samples_add(&tx, after[i].tx - before[i].tx);
        kith_sim_samples_add(&rx, after[i].rx - before[i].rx);
    }
    report_direction(run, tx_names, &tx);
    report_direction(run, rx_names, &rx);
    kith_sim_report_number(&run->report, "datagrams_per_s",
                           (double)(world->delivered - delivered) / world->n_hosts / IDLE_S, 3);
    free(before);
    free(after);
}

void kith_sim_scenario_idle(struct kith_sim_run *run) {
    struct kith_sim_world world;
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_world_run_until(&world, world.now + AGE_S * KITH_NS_PER_S);
    measure_idle(run, &world);
    kith_sim_conclude(run, &world);
}

/* ---- poison ---- */

struct attack {
    struct kith_book *lies; /* what attackers tell of, instead of their books */
    struct kith_random random;
    uint32_t n_attackers;
    uint64_t n_fakes; /* made up */
};

static bool is_attacker(const struct kith_sim_host *host) {
    return host->index % ATTACKER_SHARE == ATTACKER_SHARE - 1;
}

/* Attackers' addresses: ATTACKER_GROUPS /16s, each address in a /24 of its own, so that the limits
 * of routing tables do not slow them down. */
static void move_attacker(struct kith_sim_world *world, struct kith_sim_host *host, uint32_t nth) {
    struct kith_endpoint endpoint = {
        .family = 4,
        .port = 9,
        .ip = {20, (uint8_t)(nth % ATTACKER_GROUPS), (uint8_t)(nth / ATTACKER_GROUPS), 7}};
    host->v4 = endpoint;
    kith_sim_network_bind(&world->network, &host->v4, host->index);
}

/* New lies: at addresses of all groups, answering splendidly. */
static void invent(struct kith_sim_world *world, struct attack *attack) {
    uint64_t wall_us = KITH_SIM_WALL_US + world->now / KITH_NS_PER_US;
    for (unsigned i = 0; i < FAKES_PER_STEP; i++) {
        struct kith_contact fake = {.has_key = true, .endpoint = {.family = 4, .port = 10}};
        kith_sim_random_fill(&world->random, fake.key.bytes, sizeof(fake.key.bytes));
        kith_sim_random_fill(&world->random, fake.endpoint.ip, 4);
        fake.endpoint.ip[0] = (uint8_t)(32 + fake.endpoint.ip[0] % 64);
        int r = kith_book_good(attack->lies, &fake, wall_us);
        attack->n_fakes += r == KITH_BOOK_ADDED || r == KITH_BOOK_PROMOTED;
    }
}

struct census {
    const struct kith_sim_world *world;
    uint32_t n_new;
    uint32_t n_tried;
    uint32_t fake_new;
    uint32_t fake_tried;
};

static int count_entry(const struct kith_book_info *info, void *user) {
    struct census *census = user;
    bool fake =
        kith_sim_network_find(&census->world->network, &info->contact.endpoint) == KITH_SIM_NOBODY;
    bool tried = info->place != KITH_PLACE_NEW;
    census->n_new += !tried;
    census->n_tried += tried;
    census->fake_new += !tried && fake;
    census->fake_tried += tried && fake;
    return 0;
}

static struct census census_of(const struct kith_sim_world *world,
                               const struct kith_sim_host *host) {
    struct census census = {.world = world};
    kith_core_each_book(host->core, world->now, count_entry, &census);
    return census;
}

static uint64_t demoted(const struct kith_sim_world *world, const struct kith_sim_host *host) {
    struct kith_book_counts counts;
    kith_book_count(host->core->keeper.book, KITH_SIM_WALL_US + world->now / KITH_NS_PER_US,
                    &counts);
    return counts.demoted;
}

static void grow_with_attackers(struct kith_sim_run *run, struct kith_sim_world *world,
                                struct attack *attack) {
    struct kith_sim_host_options options = {.families = 4};
    while (world->n_hosts < run->options.nodes) {
        struct kith_sim_host *host = kith_sim_world_add(world, &options);
        if (is_attacker(host)) {
            move_attacker(world, host, attack->n_attackers++);
        }
        kith_sim_swarm_join(world, host);
        kith_sim_world_run_until(world, world->now + KITH_NS_PER_S / 5);
    }
    kith_sim_swarm_wait(run, world);
}

static void run_attack(struct kith_sim_world *world, struct attack *attack) {
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct kith_core *core = world->hosts[i]->core;
        if (is_attacker(world->hosts[i])) {
            core->serve.book = attack->lies;
        } else {
            core->keeper.damping *= HASTE;
        }
    }
    for (uint32_t s = 0; s < ATTACK_S; s += ATTACK_STEP_S) {
        invent(world, attack);
        kith_sim_world_run_until(world, world->now + ATTACK_STEP_S * KITH_NS_PER_S);
    }
}

static void judge(struct kith_sim_run *run, const struct kith_sim_world *world,
                  const struct census *before) {
    const uint32_t bound = ATTACKER_GROUPS * REACH * KITH_BOOK_SLOTS;
    uint64_t n_demoted = 0;
    uint32_t n_honest = 0;
    struct census sum = {0};
    uint32_t most = 0;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        if (is_attacker(world->hosts[i])) {
            continue;
        }
        struct census after = census_of(world, world->hosts[i]);
        n_honest++;
        n_demoted += demoted(world, world->hosts[i]);
        sum.n_new += after.n_new;
        sum.fake_new += after.fake_new;
        sum.fake_tried += after.fake_tried;
        most = after.fake_new > most ? after.fake_new : most;
        kith_sim_expect(run, after.n_tried >= before[i].n_tried,
                        "host %u: tried shrank from %u to %u", i, before[i].n_tried, after.n_tried);
    }
    kith_sim_report_number(&run->report, "fake_new_mean", (double)sum.fake_new / n_honest, 1);
    kith_sim_report_number(&run->report, "fake_new_max", most, 0);
    kith_sim_report_number(&run->report, "fake_new_bound", bound, 0);
    kith_sim_report_number(&run->report, "fake_tried", sum.fake_tried, 0);
    kith_sim_report_number(&run->report, "tried_displaced", (double)n_demoted, 0);
    kith_sim_expect(run, sum.fake_tried == 0, "%u fakes are in tried", sum.fake_tried);
    kith_sim_expect(run, n_demoted == 0, "%llu entries lost their place in tried",
                    (unsigned long long)n_demoted);
    kith_sim_expect(run, most <= bound, "a node holds %u fakes, not at most %u", most, bound);
    kith_sim_expect(run, sum.fake_new > 0, "the attackers were not even heard");
}

static void attack_world(struct kith_sim_run *run, struct kith_sim_world *world,
                         struct attack *attack) {
    grow_with_attackers(run, world, attack);
    struct census *before = kith_sim_allocate(world->n_hosts * sizeof(*before));
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        before[i] = census_of(world, world->hosts[i]);
    }
    run_attack(world, attack);
    kith_sim_report_number(&run->report, "attackers", attack->n_attackers, 0);
    kith_sim_report_number(&run->report, "fakes_made_up", (double)attack->n_fakes, 0);
    judge(run, world, before);
    free(before);
}

void kith_sim_scenario_poison(struct kith_sim_run *run) {
    struct kith_sim_world world;
    struct kith_sim_lookups lookups = {0};
    kith_sim_swarm_init(&world, run);
    struct attack attack = {.random = kith_sim_random_table(&world.random)};
    struct kith_book_config config = {
        .random = &attack.random, .buckets_new = FAKE_BUCKETS, .buckets_tried = FAKE_BUCKETS};
    if (kith_book_new(&attack.lies, &config) < 0) {
        kith_sim_panic("out of memory");
    }
    attack_world(run, &world, &attack);
    /* Lies in books are in nobody's way: lookups go by tables, which take only who answered. */
    kith_sim_swarm_lookups(&world, run->options.lookups, &lookups);
    kith_sim_lookups_report(run, &lookups);
    kith_sim_expect(run, kith_sim_lookups_success(&lookups) >= 1, "only %u of %u lookups succeed",
                    lookups.n_exact, lookups.n);
    kith_sim_lookups_deinit(&lookups);
    kith_sim_conclude(run, &world);
    kith_book_free(attack.lies);
}
