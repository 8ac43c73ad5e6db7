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
 *
 * siege: few addresses that tell very much: 100,000 lies through exchange, told by one address, by
 * 64 addresses in 8 /24s of one group, and by 64 in 8 /24s of as many groups. Every honest node
 * asks an attacker four times a second, far more often than any would by itself. What is held in
 * the end depends on the number of groups alone.
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
    REACH = 1,        /* buckets of new that one group of sources reaches: a sixteenth of 16 */
    HASTE = 10,       /* times the default damping */
    BUCKETS = 16,     /* of new, in a simulated node */
    SIEGE_FIRST = 64, /* the first attacker's index; seeds are before it */
    SIEGE_FAKES = 100000,
    SIEGE_FRESH = 4000, /* lies made up for each round */
    SIEGE_ROUNDS = 200, /* at most */
    SIEGE_PER_NET = 8,  /* addresses in one /24 */
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
    uint32_t n_besiegers;   /* hosts from SIEGE_FIRST on; 0: one in ATTACKER_SHARE */
    uint32_t n_groups;      /* /16s in which they are */
    struct kith_random random;
    uint32_t n_attackers;
    uint64_t n_fakes; /* made up */
};

static bool is_attacker(const struct attack *attack, const struct kith_sim_host *host) {
    if (attack->n_besiegers > 0) {
        return host->index >= SIEGE_FIRST && host->index < SIEGE_FIRST + attack->n_besiegers;
    }
    return host->index % ATTACKER_SHARE == ATTACKER_SHARE - 1;
}

/* Attackers' addresses: in their /16s; besiegers share /24s, the others have one of their own, so
 * that the limits of routing tables do not slow them down. */
static void move_attacker(struct kith_sim_world *world, struct kith_sim_host *host,
                          struct attack *attack) {
    uint32_t nth = attack->n_attackers++;
    uint32_t net = attack->n_besiegers > 0 ? nth / SIEGE_PER_NET : nth;
    uint32_t place = attack->n_besiegers > 0 ? nth % SIEGE_PER_NET : 7;
    struct kith_endpoint endpoint = {.family = 4,
                                     .port = 9,
                                     .ip = {20, (uint8_t)(net % attack->n_groups),
                                            (uint8_t)(net / attack->n_groups), (uint8_t)place}};
    host->v4 = endpoint;
    kith_sim_network_bind(&world->network, &host->v4, host->index);
}

/* New lies: at addresses of all groups, answering splendidly. */
static void invent(struct kith_sim_world *world, struct attack *attack, unsigned n) {
    uint64_t wall_us = KITH_SIM_WALL_US + world->now / KITH_NS_PER_US;
    for (unsigned i = 0; i < n; i++) {
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

static struct kith_book_counts counts_of(const struct kith_sim_world *world,
                                         const struct kith_sim_host *host) {
    struct kith_book_counts counts;
    kith_book_count(host->core->keeper.book, KITH_SIM_WALL_US + world->now / KITH_NS_PER_US,
                    &counts);
    return counts;
}

static void grow_with_attackers(struct kith_sim_run *run, struct kith_sim_world *world,
                                struct attack *attack) {
    struct kith_sim_host_options options = {.families = 4};
    while (world->n_hosts < run->options.nodes) {
        struct kith_sim_host *host = kith_sim_world_add(world, &options);
        if (is_attacker(attack, host)) {
            move_attacker(world, host, attack);
        }
        kith_sim_swarm_join(world, host);
        kith_sim_world_run_until(world, world->now + KITH_NS_PER_S / 5);
    }
    kith_sim_swarm_wait(run, world);
}

static void run_attack(struct kith_sim_world *world, struct attack *attack) {
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct kith_core *core = world->hosts[i]->core;
        if (is_attacker(attack, world->hosts[i])) {
            core->serve.book = attack->lies;
        } else {
            core->keeper.damping *= HASTE;
        }
    }
    for (uint32_t s = 0; s < ATTACK_S; s += ATTACK_STEP_S) {
        invent(world, attack, FAKES_PER_STEP);
        kith_sim_world_run_until(world, world->now + ATTACK_STEP_S * KITH_NS_PER_S);
    }
}

/* How an attack's figures are called. */
struct attack_names {
    const char *mean;
    const char *most;
    const char *bound;
    const char *tried;
    const char *displaced;
};

static void judge(struct kith_sim_run *run, const struct kith_sim_world *world,
                  const struct attack *attack, const struct census *before,
                  const struct attack_names *names) {
    const uint32_t bound = attack->n_groups * REACH * KITH_BOOK_SLOTS;
    uint64_t n_demoted = 0;
    uint32_t n_honest = 0;
    struct census sum = {0};
    uint32_t most = 0;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        if (is_attacker(attack, world->hosts[i])) {
            continue;
        }
        struct census after = census_of(world, world->hosts[i]);
        n_honest++;
        n_demoted += counts_of(world, world->hosts[i]).demoted;
        sum.n_new += after.n_new;
        sum.fake_new += after.fake_new;
        sum.fake_tried += after.fake_tried;
        most = after.fake_new > most ? after.fake_new : most;
        kith_sim_expect(run, after.n_tried >= before[i].n_tried,
                        "host %u: tried shrank from %u to %u", i, before[i].n_tried, after.n_tried);
    }
    kith_sim_report_number(&run->report, names->mean, (double)sum.fake_new / n_honest, 1);
    kith_sim_report_number(&run->report, names->most, most, 0);
    kith_sim_report_number(&run->report, names->bound, bound, 0);
    kith_sim_report_number(&run->report, names->tried, sum.fake_tried, 0);
    kith_sim_report_number(&run->report, names->displaced, (double)n_demoted, 0);
    kith_sim_expect(run, sum.fake_tried == 0, "%u fakes are in tried", sum.fake_tried);
    kith_sim_expect(run, n_demoted == 0, "%llu entries lost their place in tried",
                    (unsigned long long)n_demoted);
    kith_sim_expect(run, most <= bound, "a node holds %u fakes, not at most %u", most, bound);
    kith_sim_expect(run, sum.fake_new > 0, "the attackers were not even heard");
}

static struct census *census_of_all(const struct kith_sim_world *world) {
    struct census *all = kith_sim_allocate(world->n_hosts * sizeof(*all));
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        all[i] = census_of(world, world->hosts[i]);
    }
    return all;
}

static struct kith_book *new_lies(const struct kith_random *random) {
    struct kith_book_config config = {
        .random = random, .buckets_new = FAKE_BUCKETS, .buckets_tried = FAKE_BUCKETS};
    struct kith_book *lies;
    if (kith_book_new(&lies, &config) < 0) {
        kith_sim_panic("out of memory");
    }
    return lies;
}

static void attack_world(struct kith_sim_run *run, struct kith_sim_world *world,
                         struct attack *attack) {
    static const struct attack_names names = {"fake_new_mean", "fake_new_max", "fake_new_bound",
                                              "fake_tried", "tried_displaced"};
    grow_with_attackers(run, world, attack);
    struct census *before = census_of_all(world);
    run_attack(world, attack);
    kith_sim_report_number(&run->report, "attackers", attack->n_attackers, 0);
    kith_sim_report_number(&run->report, "fakes_made_up", (double)attack->n_fakes, 0);
    judge(run, world, attack, before, &names);
    free(before);
}

void kith_sim_scenario_poison(struct kith_sim_run *run) {
    struct kith_sim_world world;
    struct kith_sim_lookups lookups = {0};
    kith_sim_swarm_init(&world, run);
    struct attack attack = {.n_groups = ATTACKER_GROUPS,
                            .random = kith_sim_random_table(&world.random)};
    attack.lies = new_lies(&attack.random);
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

/* ---- siege ---- */

struct siege {
    uint32_t n_addresses;
    uint32_t n_groups;
    const char *sent; /* the report's names */
    struct attack_names names;
};

/* Hints that the books of honest nodes have taken or refused. */
static uint64_t hints_heard(const struct kith_sim_world *world, const struct attack *attack) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        if (!is_attacker(attack, world->hosts[i])) {
            struct kith_book_counts counts = counts_of(world, world->hosts[i]);
            n += counts.added + counts.refused;
        }
    }
    return n;
}

/* New lies, and every honest node asks an attacker for others. */
static void siege_round(struct kith_sim_world *world, struct attack *attack, uint32_t round) {
    attack->lies = kith_book_free(attack->lies);
    attack->lies = new_lies(&attack->random);
    invent(world, attack, SIEGE_FRESH);
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct kith_core *core = world->hosts[i]->core;
        if (is_attacker(attack, world->hosts[i])) {
            core->serve.book = attack->lies;
            continue;
        }
        const struct kith_sim_host *liar =
            world->hosts[SIEGE_FIRST + (i + round) % attack->n_attackers];
        struct kith_node_ref node = {
            .key = liar->core->env.identity.key, .has_key = true, .endpoint = liar->v4};
        kith_point_of_node(&node.key, &node.id);
        kith_keeper_exchange(&core->keeper, &node, world->now);
        kith_sim_world_touched(world, world->hosts[i]);
    }
    kith_sim_world_run_until(world, world->now + KITH_NS_PER_S / 4);
}

static void besiege(struct kith_sim_run *run, const struct siege *siege) {
    struct kith_sim_world world;
    struct kith_sim_lookups lookups = {0};
    kith_sim_swarm_init(&world, run);
    struct attack attack = {.n_besiegers = siege->n_addresses,
                            .n_groups = siege->n_groups,
                            .random = kith_sim_random_table(&world.random)};
    grow_with_attackers(run, &world, &attack);
    struct census *before = census_of_all(&world);
    uint64_t heard = hints_heard(&world, &attack);
    uint32_t round = 0;
    while (round < SIEGE_ROUNDS && hints_heard(&world, &attack) - heard < SIEGE_FAKES) {
        siege_round(&world, &attack, round++);
    }
    heard = hints_heard(&world, &attack) - heard;
    kith_sim_report_number(&run->report, siege->sent, (double)heard, 0);
    kith_sim_expect(run, heard >= SIEGE_FAKES, "only %llu lies were told",
                    (unsigned long long)heard);
    judge(run, &world, &attack, before, &siege->names);
    kith_sim_swarm_lookups(&world, run->options.lookups, &lookups);
    kith_sim_expect(run, kith_sim_lookups_success(&lookups) >= 1, "only %u of %u lookups succeed",
                    lookups.n_exact, lookups.n);
    kith_sim_lookups_deinit(&lookups);
    free(before);
    kith_sim_conclude(run, &world);
    kith_book_free(attack.lies);
}

void kith_sim_scenario_siege(struct kith_sim_run *run) {
    static const struct siege sieges[] = {
        {1,
         1,
         "address1_told",
         {"address1_new_mean", "address1_new_max", "address1_new_bound", "address1_tried",
          "address1_tried_displaced"}},
        {64,
         1,
         "group1_told",
         {"group1_new_mean", "group1_new_max", "group1_new_bound", "group1_tried",
          "group1_tried_displaced"}},
        {64,
         8,
         "group8_told",
         {"group8_new_mean", "group8_new_max", "group8_new_bound", "group8_tried",
          "group8_tried_displaced"}},
    };
    kith_sim_report_number(&run->report, "new_slots", BUCKETS * KITH_BOOK_SLOTS, 0);
    for (size_t i = 0; i < sizeof(sieges) / sizeof(sieges[0]); i++) {
        besiege(run, &sieges[i]);
    }
}
