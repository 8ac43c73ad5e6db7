/* SPDX-License-Identifier: MIT */
/*
 * scenario_regain: what a node notices of its own accord, while nobody asks it anything.
 *
 * One whose cable is pulled says before long that it has lost the network, and when the cable is
 * back that it has joined, and is found. When many nodes have gone without a word, those that are
 * left have thrown them out of their tables within a bound. A node that is told of nobody but seeds
 * that are down joins once one of them is up. And one that comes back at another address with its
 * address book, and no seeds at all, joins by the book.
 */
#include "sim/sim_disk.h"
#include "sim/swarm.h"

enum {
    UNPLUGGED = 4,        /* hosts, one after the other */
    NOTICE_S = 20 * 60,   /* that nobody is there */
    JOIN_S = 180,         /* once somebody is: pauses between attempts are a minute at most */
    FORGET_S = 20 * 60,   /* the dead */
    DOWN_S = 15 * 60,     /* the seeds */
    PUBLISH_S = 60,       /* until its new address is known */
    ASK_S = 60,           /* a question */
    STALE_PERCENT_MAX = 2 /* of live entries */
};

struct regain {
    struct kith_sim_run *run;
    struct kith_sim_world world;
    const struct kith_sim_host *unplugged; /* or NULL */
};

static bool may_receive(void *context, struct kith_sim_host *host,
                        const struct kith_sim_packet *packet) {
    const struct regain *r = context;
    return r->unplugged == NULL ||
           (host != r->unplugged && r->world.hosts[packet->from_host] != r->unplugged);
}

static void run_for(struct regain *r, unsigned seconds) {
    kith_sim_world_run_until(&r->world, r->world.now + seconds * KITH_NS_PER_S);
}

/* Runs until it has joined, or has not: as said. False: that took too long. */
static bool run_until(struct regain *r, const struct kith_sim_host *host, bool ready,
                      unsigned limit_s) {
    for (unsigned i = 0; i < limit_s && host->ready != ready; i++) {
        run_for(r, 1);
    }
    return host->ready == ready;
}

static void expect_found(struct regain *r, const struct kith_sim_host *wanted) {
    struct kith_sim_host *asker = kith_sim_world_pick(&r->world);
    while (asker == wanted) {
        asker = kith_sim_world_pick(&r->world);
    }
    struct kith_query query = {
        .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = wanted->key};
    struct kith_sim_ask *ask = kith_sim_world_ask(&r->world, asker, &query);
    kith_sim_world_run_asks(&r->world, ASK_S * KITH_NS_PER_S);
    kith_sim_expect(r->run, ask->done && kith_sim_found_exactly(ask, wanted),
                    "host %u, which is back, is not found by host %u: %s", wanted->index,
                    asker->index, kith_strerror(ask->status));
    kith_sim_ask_free(ask);
}

static void pull_cable(struct regain *r, struct kith_sim_host *host) {
    r->unplugged = host;
    kith_sim_expect(r->run, run_until(r, host, false, NOTICE_S),
                    "host %u is alone for %d s and does not say so", host->index, NOTICE_S);
    r->unplugged = NULL;
    kith_sim_expect(r->run, run_until(r, host, true, JOIN_S),
                    "host %u is plugged in again for %d s and has not joined", host->index, JOIN_S);
    expect_found(r, host);
}

/* ---- the dead ---- */

struct entries {
    const struct kith_sim_world *world;
    uint32_t n_live;
    uint32_t n_stale;
};

static int count_entry(const struct kith_peer_info *info, void *user) {
    struct entries *entries = user;
    uint32_t owner = kith_sim_network_find(&entries->world->network, &info->endpoint);
    entries->n_live += info->live;
    entries->n_stale +=
        info->live && (owner == KITH_SIM_NOBODY || entries->world->hosts[owner]->core == NULL);
    return 0;
}

static struct entries count_entries(const struct kith_sim_world *world) {
    struct entries entries = {.world = world};
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        if (world->hosts[i]->core != NULL) {
            kith_core_each_peer(world->hosts[i]->core, world->now, count_entry, &entries);
        }
    }
    return entries;
}

static void expect_forgotten(struct regain *r) {
    kith_sim_swarm_kill(&r->world, r->run->options.dead_ppm);
    struct entries before = count_entries(&r->world);
    run_for(r, FORGET_S);
    struct entries after = count_entries(&r->world);
    double percent = after.n_live == 0 ? 0 : 100.0 * after.n_stale / after.n_live;
    kith_sim_report_number(&r->run->report, "stale_percent_before",
                           100.0 * before.n_stale / before.n_live, 2);
    kith_sim_report_number(&r->run->report, "stale_percent_after", percent, 2);
    kith_sim_expect(r->run, percent <= STALE_PERCENT_MAX,
                    "%.1f %% of the live entries are dead for %d s", percent, FORGET_S);
}

/* ---- seeds that are down, and no seeds ---- */

/* Told of two hosts that are down, and in the end one of them is up. */
static void wait_for_seed(struct regain *r) {
    struct kith_sim_host *seeds[] = {r->world.hosts[0], r->world.hosts[1]};
    for (unsigned i = 0; i < 2; i++) {
        if (seeds[i]->core != NULL) {
            kith_sim_world_kill(&r->world, seeds[i]);
        }
    }
    struct kith_sim_host *host =
        kith_sim_world_add(&r->world, &(struct kith_sim_host_options){.families = 4});
    for (unsigned i = 0; i < 2; i++) {
        kith_sim_world_introduce(&r->world, host, seeds[i], i == 0, KITH_CONTACT_SEED);
    }
    run_for(r, DOWN_S);
    kith_sim_expect(r->run, !host->ready, "host %u has joined by seeds that are down", host->index);
    (void)kith_sim_world_start(&r->world, seeds[1]);
    kith_sim_world_introduce(&r->world, seeds[1], r->world.hosts[2], true, KITH_CONTACT_SEED);
    kith_sim_world_introduce(&r->world, seeds[1], r->world.hosts[3], true, KITH_CONTACT_SEED);
    kith_sim_expect(r->run, run_until(r, host, true, JOIN_S),
                    "host %u has not joined %d s after its seed is up", host->index, JOIN_S);
    expect_found(r, host);
}

/* At another address nobody looks for it. */
static void return_by_book(struct regain *r) {
    struct kith_sim_host *host = r->world.hosts[r->world.n_hosts - 1];
    struct kith_sim_disk disk = {0};
    kith_sim_disk_take_book(&disk, host->core);
    kith_sim_world_kill(&r->world, host);
    kith_sim_network_bind(&r->world.network, &host->v4, KITH_SIM_NOBODY);
    kith_sim_network_new_address(&r->world.network, 4, &host->v4);
    kith_sim_network_bind(&r->world.network, &host->v4, host->index);
    run_for(r, JOIN_S);
    (void)kith_sim_world_start(&r->world, host);
    kith_sim_disk_restore(&disk, host->core, r->world.now);
    kith_sim_world_settle(&r->world, host);
    kith_sim_expect(r->run, run_until(r, host, true, JOIN_S),
                    "host %u has not joined by its book in %d s", host->index, JOIN_S);
    run_for(r, PUBLISH_S);
    expect_found(r, host);
    kith_sim_disk_clear(&disk);
}

void kith_sim_scenario_regain(struct kith_sim_run *run) {
    struct regain r = {.run = run};
    kith_sim_swarm_init(&r.world, run);
    r.world.hooks = (struct kith_sim_hooks){.may_receive = may_receive, .context = &r};
    kith_sim_swarm_grow(run, &r.world, run->options.nodes);
    for (unsigned i = 0; i < UNPLUGGED; i++) {
        pull_cable(&r, kith_sim_world_pick(&r.world));
    }
    wait_for_seed(&r);
    return_by_book(&r);
    expect_forgotten(&r);
    kith_sim_conclude(run, &r.world);
}
