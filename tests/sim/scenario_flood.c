/* SPDX-License-Identifier: MIT */
/*
 * scenario_flood: storeflood, where others fill the stores of honest nodes: four hosts of one /24
 * with records of fresh keys; then sixteen /24s with announcements next to the id of each node,
 * since whoever announces chooses the topic. What honest nodes stored before is still there, and
 * what they store afterwards is taken.
 */
#include <stdlib.h>

#include "core/core_internal.h"
#include "sim/forge.h"
#include "sim/memory.h"
#include "sim/siege.h"

enum {
    FLOOD_EACH = 40,
    FLOOD_SHARE = 32, /* what a /24 may hold */
    FLOOD_RECORDS = 256,
    ONE_NET_HOSTS = 4,
    MANY_NETS = 16, /* with all that they may, they would fill two stores */
    SETTLE_S = 120, /* until all know the flooders, who are nodes like others */
    GET_MS = 1500,
    READS = 4,
};

static const char flood_salt[] = "flood";

/* A record of a fresh key, or what it announces under a topic next to the host's id. */
static void forge_put(struct kith_sim_world *world, const struct kith_sim_host *host, bool near,
                      struct kith_record *record, struct kith_request *put) {
    struct kith_sim_forged author;
    uint8_t salt[KITH_SALT_MAX];
    size_t salt_size = sizeof(flood_salt) - 1;
    kith_sim_forge_key(&author, world, NULL);
    memcpy(salt, flood_salt, salt_size);
    if (near) {
        put->method = KITH_METHOD_ANNOUNCE;
        put->target = host->id;
        kith_sim_random_fill(&world->random, put->target.bytes + 24, 8);
        salt_size = kith_topic_salt(&put->target, salt);
    }
    if (kith_record_sign(record, &author.identity, world->config.curve, kith_span(salt, salt_size),
                         1, kith_span_text("1:x")) < 0) {
        kith_sim_panic("a record cannot be signed");
    }
    kith_record_view(record, &put->record);
}

/* Every flooder stores at every honest host. Returns how many records it sent. */
static uint64_t flood_stores(struct kith_sim_siege *siege, bool near) {
    struct kith_sim_world *world = siege->gang.world;
    uint64_t n = 0;
    for (uint32_t i = 0; i < siege->gang.n * FLOOD_EACH; i++) {
        struct kith_sim_host *flooder = siege->gang.members[i % siege->gang.n];
        for (uint32_t j = 0; j < world->n_hosts; j++) {
            const struct kith_sim_host *host = world->hosts[j];
            struct kith_node_ref node = {
                .id = host->id, .key = host->key, .has_key = true, .endpoint = host->v4};
            struct kith_request put = kith_swarm_request(&flooder->core->swarm, KITH_METHOD_PUT);
            struct kith_record record;
            struct kith_rpc *rpc;
            if (!kith_sim_gang_has(&siege->gang, host)) {
                forge_put(world, host, near, &record, &put);
                n += kith_swarm_ask(&flooder->core->swarm, &node, &put, 0, NULL, NULL, world->now,
                                    &rpc) == 0;
            }
        }
        kith_sim_world_touched(world, flooder);
        kith_sim_world_run_until(world, world->now + KITH_NS_PER_S / 4);
    }
    return n;
}

struct flooded {
    const struct kith_sim_host *host;
    uint32_t n;
};

/* Announcements under topics that nobody else could hit, and what has the salt. */
static int count_flood(const struct kith_held *held, void *user) {
    struct flooded *flooded = user;
    flooded->n += held->is_announcement
                      ? kith_point_common_bits(&held->point, &flooded->host->id) >= 24 * 8
                      : kith_span_equal(held->view.salt, kith_span_text(flood_salt));
    return 0;
}

/* The most of the flood that any honest host holds, and how many of them are full. */
static uint32_t count_flooded(const struct kith_sim_siege *siege, uint32_t *ret_full) {
    const struct kith_sim_world *world = siege->gang.world;
    uint32_t most = 0;
    *ret_full = 0;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct flooded flooded = {.host = world->hosts[i]};
        if (!kith_sim_gang_has(&siege->gang, world->hosts[i])) {
            (void)kith_store_each(world->hosts[i]->core->store, count_flood, &flooded);
            most = flooded.n > most ? flooded.n : most;
            *ret_full += kith_store_count(world->hosts[i]->core->store) >= FLOOD_RECORDS;
        }
    }
    return most;
}

static void expect_served(struct kith_sim_run *run, struct kith_sim_siege *siege) {
    uint64_t p99 = kith_sim_samples_percentile(&siege->get_ns, 99);
    kith_sim_expect(run, siege->n_put_failed == 0, "%u of %u puts fail", siege->n_put_failed,
                    siege->n_items);
    kith_sim_expect(run, siege->n_read == siege->n_gets, "only %u of %u gets succeed",
                    siege->n_read, siege->n_gets);
    kith_sim_expect(run, p99 <= GET_MS * KITH_NS_PER_MS, "a get takes %.0f ms (p99), not %u",
                    (double)p99 / 1e6, GET_MS);
}

/* How the figures of one flood are called. */
struct flood_names {
    struct kith_sim_siege_names siege;
    const char *sent;
    const char *held_max;
    const char *full;
    const char *before;
    const char *after;
    const char *later_mean;
};

static void recruit(struct kith_sim_siege *siege, uint32_t n, bool apart) {
    struct kith_sim_world *world = siege->gang.world;
    for (uint32_t i = 0; i < n; i++) {
        struct kith_sim_host_options options = {
            .families = 4, .beside = apart || i == 0 ? NULL : siege->gang.members[0]};
        struct kith_sim_host *host = kith_sim_world_add(world, &options);
        kith_sim_gang_recruit(&siege->gang, host);
        kith_sim_swarm_join(world, host);
    }
    kith_sim_world_run_until(world, world->now + SETTLE_S * KITH_NS_PER_S);
}

static void flood_world(struct kith_sim_run *run, uint32_t n_flooders, bool apart,
                        const struct flood_names *names) {
    struct kith_sim_world world;
    struct kith_sim_siege siege = {0};
    uint32_t n_full;
    kith_sim_swarm_init(&world, run);
    world.config.limits.records = FLOOD_RECORDS;
    world.config.limits.records_per_prefix = FLOOD_SHARE;
    kith_sim_gang_init(&siege.gang, &world);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_siege_choose(&siege, run->options.lookups / READS + 1);
    recruit(&siege, n_flooders, apart);
    kith_sim_siege_put(&siege);
    uint32_t before = kith_sim_siege_held(&siege, true);
    uint64_t sent = flood_stores(&siege, apart);
    uint32_t after = kith_sim_siege_held(&siege, true);
    uint32_t most = count_flooded(&siege, &n_full);
    siege.gang.n_asked = sent;
    kith_sim_siege_get(&siege, run->options.lookups);
    struct kith_sim_siege later = {.gang = siege.gang}; /* others, put while stores are full */
    kith_sim_siege_choose(&later, run->options.lookups / READS + 1);
    kith_sim_siege_put(&later);
    kith_sim_siege_get(&later, run->options.lookups);
    double mean_before = kith_sim_samples_mean(&siege.holders);
    double mean_later = kith_sim_samples_mean(&later.holders);
    kith_sim_report_number(&run->report, names->sent, (double)sent, 0);
    kith_sim_report_number(&run->report, names->held_max, most, 0);
    kith_sim_report_number(&run->report, names->full, n_full, 0);
    kith_sim_report_number(&run->report, names->before, before, 0);
    kith_sim_report_number(&run->report, names->after, after, 0);
    kith_sim_siege_report(run, &siege, &names->siege);
    kith_sim_report_number(&run->report, names->later_mean, mean_later, 2);
    kith_sim_expect(run, most > 0, "nothing of the flood was stored");
    kith_sim_expect(run, apart || most <= FLOOD_SHARE, "a host holds %u records of one /24", most);
    kith_sim_expect(run, !apart || n_full > run->options.nodes / 2, "only %u stores are full",
                    n_full);
    kith_sim_expect(run, after >= before, "of %u copies of honest records %u are left", before,
                    after);
    kith_sim_expect(run, mean_later >= 0.9 * mean_before,
                    "what is put later has %.1f holders, not %.1f", mean_later, mean_before);
    expect_served(run, &siege);
    expect_served(run, &later);
    kith_sim_conclude(run, &world);
    later.gang = (struct kith_sim_gang){0};
    kith_sim_siege_deinit(&later);
    kith_sim_siege_deinit(&siege);
}

void kith_sim_scenario_storeflood(struct kith_sim_run *run) {
    static const struct flood_names one = {.siege = {"hostile",
                                                     "captured_percent",
                                                     "holders_mean",
                                                     "put_messages_mean",
                                                     {"put_ms_p50", "put_ms_p99"},
                                                     "read_percent",
                                                     "get_messages_mean",
                                                     {"get_ms_p50", "get_ms_p99"}},
                                           .sent = "flood_sent",
                                           .held_max = "flood_held_max",
                                           .full = "stores_full",
                                           .before = "held_before",
                                           .after = "held_after",
                                           .later_mean = "later_holders_mean"};
    static const struct flood_names many = {.siege = {"many_hostile",
                                                      "many_captured_percent",
                                                      "many_holders_mean",
                                                      "many_put_messages_mean",
                                                      {"many_put_ms_p50", "many_put_ms_p99"},
                                                      "many_read_percent",
                                                      "many_get_messages_mean",
                                                      {"many_get_ms_p50", "many_get_ms_p99"}},
                                            .sent = "many_flood_sent",
                                            .held_max = "many_flood_held_max",
                                            .full = "many_stores_full",
                                            .before = "many_held_before",
                                            .after = "many_held_after",
                                            .later_mean = "many_later_holders_mean"};
    flood_world(run, ONE_NET_HOSTS, false, &one);
    flood_world(run, MANY_NETS, true, &many);
}
