/* SPDX-License-Identifier: MIT */
/*
 * scenario_hostile: hostile, where a share of the nodes works together; cluster, where a few were
 * ground next to a record. Can records be read where a share of the nodes works against it?
 *
 * The network grows in peace; then a share of it turns, all at once, and the tables of the others
 * are full of them. After some upkeep under attack honest nodes put records and honest nodes read
 * them. What is measured is what the reader gets, and how many honest nodes hold each record, by
 * looking into all of them.
 */
#include "sim/siege.h"

enum {
    UPKEEP_S = 120,     /* under attack, before anything is asked */
    RECORDS_SHARE = 4,  /* each record is read so often */
    CLUSTER_READS = 10, /* of each record that has a cluster around it */
};

enum { SMALL_NODES = 2000 };

/* What a share of hostile nodes leaves of reading: nearly everything in a small network, where one
 * walk alone loses up to 7 %; of larger ones what is aimed at, but for the first. */
static double bound_of(uint32_t nodes, uint32_t hostile_ppm) {
    bool small = nodes <= SMALL_NODES;
    if (hostile_ppm <= 300000) {
        return 0.999;
    }
    if (hostile_ppm <= 400000) {
        return small ? 0.999 : 0.99;
    }
    return small ? 0.99 : 0.96;
}

void kith_sim_scenario_hostile(struct kith_sim_run *run) {
    static const struct kith_sim_siege_names names = {
        "hostile",           "captured_percent",           "holders_mean",
        "put_messages_mean", {"put_ms_p50", "put_ms_p99"}, "read_percent",
        "get_messages_mean", {"get_ms_p50", "get_ms_p99"}};
    struct kith_sim_world world;
    struct kith_sim_siege siege = {0};
    uint32_t ppm = run->options.hostile_ppm;
    kith_sim_swarm_init(&world, run);
    kith_sim_gang_init(&siege.gang, &world);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    for (uint32_t i = 0; i < world.n_hosts; i++) {
        if (kith_sim_random_below(&world.random, KITH_SIM_PPM) < ppm) {
            kith_sim_gang_recruit(&siege.gang, world.hosts[i]);
        }
    }
    siege.gang.evil = KITH_SIM_COLLUDE;
    kith_sim_world_run_until(&world, world.now + UPKEEP_S * KITH_NS_PER_S);
    kith_sim_siege_choose(&siege, run->options.lookups / RECORDS_SHARE + 1);
    kith_sim_siege_put(&siege);
    kith_sim_siege_get(&siege, run->options.lookups);
    kith_sim_siege_report(run, &siege, &names);
    double share = (double)siege.n_read / siege.n_gets;
    double bound = bound_of(run->options.nodes, ppm);
    kith_sim_expect(run, share >= bound, "%.3f %% of gets succeed, not %.3f %%", 100 * share,
                    100 * bound);
    kith_sim_conclude(run, &world);
    kith_sim_siege_deinit(&siege);
}

/* ---- clusters ---- */

/* The nth node of a cluster: on few addresses, but those all over the world. */
static struct kith_endpoint cluster_address(uint32_t cluster, uint32_t nth, uint32_t n_addresses) {
    uint32_t place = nth % n_addresses;
    return (struct kith_endpoint){
        .family = 4,
        .port = (uint16_t)(2000 + nth),
        .ip = {20, (uint8_t)place, (uint8_t)(cluster >> 8), (uint8_t)cluster}};
}

static unsigned bits_of(uint32_t nodes) {
    unsigned bits = 0;
    while (nodes >> bits != 0) {
        bits++;
    }
    return bits;
}

/* Twenty nodes whose ids were ground to be nearer to the item than anybody else. They join like
 * others, and lie from the beginning. */
static void add_cluster(struct kith_sim_siege *siege, uint32_t nth_item, uint32_t n_addresses) {
    enum { SYBILS = 20, NEARER_BITS = 3 };
    struct kith_sim_world *world = siege->gang.world;
    uint8_t seeds[SYBILS][KITH_SEED_SIZE];
    kith_sim_grind(world, &siege->items[nth_item].point, bits_of(world->n_hosts) + NEARER_BITS,
                   SYBILS, seeds);
    for (uint32_t i = 0; i < SYBILS; i++) {
        struct kith_endpoint endpoint = cluster_address(nth_item, i, n_addresses);
        struct kith_sim_host_options options = {.families = 4, .seed = seeds[i], .v4 = &endpoint};
        struct kith_sim_host *host = kith_sim_world_add(world, &options);
        kith_sim_gang_recruit(&siege->gang, host);
        kith_sim_swarm_join(world, host);
    }
    kith_sim_world_run_until(world, world->now + KITH_NS_PER_S);
}

static void cluster_world(struct kith_sim_run *run, uint32_t n_addresses,
                          const struct kith_sim_siege_names *names) {
    struct kith_sim_world world;
    struct kith_sim_siege siege = {0};
    kith_sim_swarm_init(&world, run);
    kith_sim_gang_init(&siege.gang, &world);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_siege_choose(&siege, run->options.lookups / CLUSTER_READS + 1);
    siege.gang.evil = KITH_SIM_COLLUDE;
    for (uint32_t i = 0; i < siege.n_items; i++) {
        add_cluster(&siege, i, n_addresses);
    }
    kith_sim_world_run_until(&world, world.now + UPKEEP_S * KITH_NS_PER_S);
    kith_sim_siege_put(&siege);
    kith_sim_siege_get(&siege, run->options.lookups);
    kith_sim_siege_report(run, &siege, names);
    kith_sim_expect(run, siege.n_captured == 0, "%u of %u records are held by the cluster alone",
                    siege.n_captured, siege.n_items);
    kith_sim_expect(run, 1000 * (uint64_t)siege.n_read >= 999 * (uint64_t)siege.n_gets,
                    "only %u of %u gets succeed", siege.n_read, siege.n_gets);
    kith_sim_conclude(run, &world);
    kith_sim_siege_deinit(&siege);
}

void kith_sim_scenario_cluster(struct kith_sim_run *run) {
    static const struct kith_sim_siege_names one = {"address1_hostile",
                                                    "address1_captured_percent",
                                                    "address1_holders_mean",
                                                    "address1_put_messages_mean",
                                                    {"address1_put_ms_p50", "address1_put_ms_p99"},
                                                    "address1_read_percent",
                                                    "address1_get_messages_mean",
                                                    {"address1_get_ms_p50", "address1_get_ms_p99"}};
    static const struct kith_sim_siege_names many = {
        "address27_hostile",
        "address27_captured_percent",
        "address27_holders_mean",
        "address27_put_messages_mean",
        {"address27_put_ms_p50", "address27_put_ms_p99"},
        "address27_read_percent",
        "address27_get_messages_mean",
        {"address27_get_ms_p50", "address27_get_ms_p99"}};
    cluster_world(run, 1, &one);
    cluster_world(run, 27, &many);
}
