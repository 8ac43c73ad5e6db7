/* SPDX-License-Identifier: MIT */
/*
 * scenario_forged: datagrams that no core sends. replay: what opened conversations, sent again;
 * initflood: more initiations from spoofed sources than are served; cookies: given to one address
 * and shown from others; sessions: fresh keys by the thousand.
 */
#include <stdlib.h>

#include "core/core_internal.h"
#include "core/session/session_internal.h"
#include "sim/memory.h"
#include "sim/sniff.h"
#include "sim/swarm.h"

/* ---- replay ---- */

/* What a datagram may bring about once: all but answers. */
static uint64_t effects(const struct kith_sim_host *host) {
    const struct kith_stats *stats = kith_core_stats(host->core);
    return stats->handshakes_served + stats->sessions_confirmed + stats->sessions_roamed +
           stats->records_stored + stats->table_added;
}

struct replayed {
    uint64_t n;
    uint64_t n_again; /* that brought something about */
};

/* Everything again, from where it came and in the victim's name. */
static void replay_all(struct kith_sim_sniff *sniff, bool initiations, struct replayed *ret) {
    struct kith_sim_world *world = sniff->world;
    for (uint32_t i = 0; i < sniff->n_recorded; i++) {
        const struct kith_sim_recorded *recorded = &sniff->recorded[i];
        uint32_t to = kith_sim_network_find(&world->network, &recorded->to);
        if (to == KITH_SIM_NOBODY || (initiations && recorded->bytes.bytes[0] != 1)) {
            continue;
        }
        uint64_t before = effects(world->hosts[to]);
        kith_sim_forge_send(world, &recorded->bytes, &recorded->from, &sniff->attacker,
                            world->hosts[to]);
        kith_sim_sniff_send_as_victim(sniff, &recorded->bytes, world->hosts[to]);
        ret->n += 2;
        ret->n_again += effects(world->hosts[to]) != before;
    }
}

void kith_sim_scenario_replay(struct kith_sim_run *run) {
    enum { LATER_S = 30 };
    struct kith_sim_world world;
    struct kith_sim_sniff sniff;
    struct replayed replayed = {0};
    struct replayed restarted = {0};
    struct kith_stats stats;
    uint32_t in_tables = 0;
    kith_sim_swarm_init(&world, run);
    kith_sim_sniff_init(&sniff, &world);
    sniff.recorded = kith_sim_allocate(KITH_SIM_RECORDED_MAX * sizeof(*sniff.recorded));
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    replay_all(&sniff, false, &replayed);
    kith_sim_run_s(&world, LATER_S);
    replay_all(&sniff, false, &replayed);
    kith_sim_world_stats(&world, &stats);
    /* Who starts again cannot know: he may answer, and must do nothing else. */
    for (uint32_t i = 0; i < world.n_hosts; i++) {
        kith_sim_world_kill(&world, world.hosts[i]);
        (void)kith_sim_world_start(&world, world.hosts[i]);
    }
    replay_all(&sniff, true, &restarted);
    for (uint32_t i = 0; i < world.n_hosts; i++) {
        const struct kith_core *core = world.hosts[i]->core;
        in_tables += (uint32_t)kith_routing_count(core->swarm.v4) + kith_store_count(core->store);
    }
    kith_sim_report_number(&run->report, "replayed", (double)(replayed.n + restarted.n), 0);
    kith_sim_report_number(&run->report, "replays_dropped", (double)stats.drop_replay, 0);
    kith_sim_report_number(&run->report, "answered_after_restart", (double)restarted.n_again, 0);
    kith_sim_report_number(&run->report, "reflected", (double)sniff.n_out, 0);
    kith_sim_expect(run, replayed.n > 0 && stats.drop_replay > 0, "nothing was replayed");
    kith_sim_expect(run, replayed.n_again == 0, "%llu datagrams were taken twice",
                    (unsigned long long)replayed.n_again);
    kith_sim_expect(run, in_tables == 0, "replays filled tables with %u entries", in_tables);
    kith_sim_sniff_expect_no_more(run, &sniff);
    free(sniff.recorded);
    sniff.recorded = NULL;
    kith_sim_conclude_faulty(run, &world);
}

/* ---- initflood ---- */

static uint64_t handshakes_served(const struct kith_sim_host *host) {
    return kith_core_stats(host->core)->handshakes_served;
}

struct pings {
    uint32_t n;
    uint32_t n_answered;
};

static void on_pong(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct pings *pings = context;
    (void)rpc;
    pings->n_answered += event->outcome == KITH_RPC_RESPONSE;
}

/* Somebody who has a session with the host asks it something. */
static void ping_by(struct kith_sim_world *world, struct kith_sim_host *by,
                    const struct kith_sim_host *to, struct pings *pings) {
    struct kith_request ping = kith_swarm_request(&by->core->swarm, KITH_METHOD_PING);
    struct kith_node_ref node = {.id = to->id, .key = to->key, .has_key = true, .endpoint = to->v4};
    struct kith_rpc *rpc;
    pings->n +=
        kith_swarm_ask(&by->core->swarm, &node, &ping, 0, on_pong, pings, world->now, &rpc) == 0;
    kith_sim_world_touched(world, by);
}

/* As if a cookie had been given to whoever sends it. */
static void made_up_cookie(struct kith_sim_bytes *datagram) {
    memset(datagram->bytes + datagram->size - SESSION_MAC, 0xc0, SESSION_MAC);
}

/* Five initiations a millisecond, each of a fresh key at a fresh address, one as the victim. */
static void flood(struct kith_sim_sniff *sniff, struct kith_sim_host *to) {
    enum { PER_MS = 5 };
    for (unsigned i = 0; i < PER_MS; i++) {
        struct kith_sim_forged forged;
        struct kith_endpoint from;
        kith_sim_network_new_address(&sniff->world->network, 4, &from);
        kith_sim_forge_key(&forged, sniff->world, NULL);
        kith_sim_forge_initiation(&forged, &to->key, kith_span(NULL, 0), 0);
        made_up_cookie(&forged.datagram);
        if (i == 0) {
            kith_sim_sniff_send_as_victim(sniff, &forged.datagram, to);
        } else {
            kith_sim_forge_send(sniff->world, &forged.datagram, &from, &sniff->attacker, to);
        }
    }
}

void kith_sim_scenario_initflood(struct kith_sim_run *run) {
    enum { FLOOD_MS = 4000, SERVED_PER_S = 2000, LATER_S = 20 };
    struct kith_sim_world world;
    struct kith_sim_sniff sniff;
    struct pings pings = {0};
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_sniff_init(&sniff, &world);
    struct kith_sim_host *to = world.hosts[0];
    struct kith_sim_host *newcomer = NULL;
    uint64_t served = handshakes_served(to);
    for (uint32_t ms = 0; ms < FLOOD_MS; ms++) {
        flood(&sniff, to);
        if (ms % 100 == 50) {
            ping_by(&world, world.hosts[1 + ms / 100 % (run->options.nodes - 1)], to, &pings);
        }
        if (ms == FLOOD_MS / 4) {
            newcomer = kith_sim_world_add(&world, &(struct kith_sim_host_options){.families = 4});
            kith_sim_world_introduce(&world, newcomer, to, true, KITH_CONTACT_PEER);
        }
        kith_sim_world_run_until(&world, world.now + KITH_NS_PER_MS);
    }
    served = handshakes_served(to) - served;
    kith_sim_run_s(&world, LATER_S);
    kith_sim_report_number(&run->report, "initiations", 5.0 * FLOOD_MS, 0);
    kith_sim_report_number(&run->report, "served", (double)served, 0);
    kith_sim_report_number(&run->report, "pings", pings.n, 0);
    kith_sim_report_number(&run->report, "pings_answered", pings.n_answered, 0);
    kith_sim_report_number(&run->report, "reflected", (double)sniff.n_out, 0);
    kith_sim_expect(run, kith_core_stats(to->core)->cookies_sent > 0, "no cookie was asked for");
    kith_sim_expect(run, served <= SERVED_PER_S, /* half of the burst, until the flood is noticed */
                    "%llu initiations without a cookie were served", (unsigned long long)served);
    kith_sim_expect(run, pings.n_answered == pings.n, "only %u of %u pings are answered",
                    pings.n_answered, pings.n);
    kith_sim_expect(run, newcomer->ready, "who came during the flood has not joined");
    kith_sim_sniff_expect_no_more(run, &sniff);
    kith_sim_conclude_faulty(run, &world);
}

/* ---- cookies ---- */

static void flood_for(struct kith_sim_sniff *sniff, struct kith_sim_host *const *to, uint32_t n,
                      uint32_t ms) {
    for (; ms > 0; ms--) {
        for (uint32_t i = 0; i < n; i++) {
            flood(sniff, to[i]);
        }
        kith_sim_world_run_until(sniff->world, sniff->world->now + KITH_NS_PER_MS);
    }
}

static int find_key(const struct kith_session_info *info, void *user) {
    return kith_key_equal(&info->key, user);
}

/* An initiation of a fresh key with the attacker's cookie, from `from`. Whether it brought about
 * anything. */
static bool show_cookie(struct kith_sim_sniff *sniff, const struct kith_sim_forged *given,
                        const struct kith_endpoint *from, struct kith_sim_host *to) {
    struct kith_sim_forged forged;
    uint64_t served = handshakes_served(to);
    kith_sim_forge_key(&forged, sniff->world, NULL);
    forged.has_cookie = true;
    memcpy(forged.cookie, given->cookie, sizeof(forged.cookie));
    kith_sim_forge_initiation(&forged, &to->key, kith_span(NULL, 0), 0);
    if (kith_endpoint_equal(from, &sniff->victim)) {
        kith_sim_sniff_send_as_victim(sniff, &forged.datagram, to);
    } else {
        kith_sim_forge_send(sniff->world, &forged.datagram, from, &sniff->attacker, to);
    }
    return handshakes_served(to) != served ||
           kith_core_each_session(to->core, sniff->world->now, find_key, &forged.identity.key) != 0;
}

/* From the victim's address, from the attacker's own with another port, from beside him, and from
 * anywhere. Returns from how many it was taken. */
static uint32_t show_elsewhere(struct kith_sim_sniff *sniff, const struct kith_sim_forged *given,
                               struct kith_sim_host *to, uint32_t n) {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct kith_endpoint from = sniff->attacker;
        if (i % 4 == 0) {
            from = sniff->victim;
        } else if (i % 4 == 1) {
            from.port = (uint16_t)(from.port + 1 + i);
        } else if (i % 4 == 2) {
            from.ip[3] = (uint8_t)(from.ip[3] + 1 + i % 255);
        } else {
            kith_sim_network_new_address(&sniff->world->network, 4, &from);
        }
        taken += show_cookie(sniff, given, &from, to);
        flood_for(sniff, &to, 1, 1);
    }
    return taken;
}

void kith_sim_scenario_cookies(struct kith_sim_run *run) {
    enum { LOAD_MS = 300, SHOWN = 200, ROTATED_S = 250 };
    struct kith_sim_world world;
    struct kith_sim_sniff sniff;
    struct kith_sim_forged given;
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_sniff_init(&sniff, &world);
    struct kith_sim_host *to = world.hosts[0];
    flood_for(&sniff, world.hosts, 2, LOAD_MS);
    kith_sim_forge_key(&given, &world, NULL);
    kith_sim_forge_initiation(&given, &to->key, kith_span(NULL, 0), 0);
    kith_sim_forge_send(&world, &given.datagram, &sniff.attacker, &sniff.attacker, to);
    bool has =
        kith_sim_forge_cookie_given(&given, &to->key, kith_span(sniff.got.bytes, sniff.got.size));
    bool good = has && show_cookie(&sniff, &given, &sniff.attacker, to);
    bool good_there = show_cookie(&sniff, &given, &sniff.attacker, world.hosts[1]);
    uint32_t taken = show_elsewhere(&sniff, &given, to, SHOWN);
    bool good_still = show_cookie(&sniff, &given, &sniff.attacker, to);
    kith_sim_run_s(&world, ROTATED_S);
    flood_for(&sniff, world.hosts, 2, LOAD_MS);
    bool good_later = show_cookie(&sniff, &given, &sniff.attacker, to);
    kith_sim_report_number(&run->report, "cookies_shown_elsewhere", SHOWN, 0);
    kith_sim_report_number(&run->report, "cookies_taken_elsewhere", taken, 0);
    kith_sim_report_number(&run->report, "reflected", (double)sniff.n_out, 0);
    kith_sim_expect(run, has, "no cookie was given");
    kith_sim_expect(run, good && good_still, "a cookie is not good at the address it was given to");
    kith_sim_expect(run, taken == 0, "a cookie was taken from %u other addresses", taken);
    kith_sim_expect(run, !good_there, "a cookie was taken by another host");
    kith_sim_expect(run, !good_later, "a cookie is good for ever");
    kith_sim_sniff_expect_no_more(run, &sniff);
    kith_sim_conclude_faulty(run, &world);
}

/* ---- sessions ---- */

enum { SESSIONS_MAX = 256, SESSIONS_PREFIX = 32, NETS = 64, OF_A_NET = 8 };

static int count_session(const struct kith_session_info *info, void *user) {
    (void)info;
    ++*(uint32_t *)user;
    return 0;
}

struct honest {
    const struct kith_sim_world *world;
    uint32_t n;
};

static int count_honest(const struct kith_session_info *info, void *user) {
    struct honest *honest = user;
    honest->n += info->established &&
                 kith_sim_network_find(&honest->world->network, &info->endpoint) != KITH_SIM_NOBODY;
    return 0;
}

/* Established sessions of hosts that are there. */
static uint32_t honest_sessions(const struct kith_sim_world *world,
                                const struct kith_sim_host *at) {
    struct honest honest = {.world = world};
    (void)kith_core_each_session(at->core, world->now, count_honest, &honest);
    return honest.n;
}

struct of_net {
    uint8_t net[3];
    uint32_t n;
};

static int count_of_net(const struct kith_session_info *info, void *user) {
    struct of_net *of_net = user;
    of_net->n += memcmp(info->endpoint.ip, of_net->net, sizeof(of_net->net)) == 0;
    return 0;
}

static struct kith_endpoint flood_address(unsigned net, unsigned host) {
    return (struct kith_endpoint){.family = 4,
                                  .port = (uint16_t)(1024 + host),
                                  .ip = {21, (uint8_t)net, 7, (uint8_t)(1 + host % 250)}};
}

/* Fresh keys, a /24 of them half open and many whole, at the rate that is served. */
static uint32_t exhaust(struct kith_sim_sniff *sniff, struct kith_sim_host *to,
                        struct of_net *of_net) {
    uint32_t n_open = 0;
    for (unsigned i = 0; i < 2 * SESSIONS_MAX; i++) {
        struct kith_sim_forged forged;
        struct kith_endpoint from = flood_address(0, i);
        kith_sim_forge_key(&forged, sniff->world, NULL);
        kith_sim_forge_initiation(&forged, &to->key, kith_span(NULL, 0), 0);
        kith_sim_forge_send(sniff->world, &forged.datagram, &from, &from, to);
        kith_sim_world_run_until(sniff->world, sniff->world->now + 5 * KITH_NS_PER_MS);
    }
    memcpy(of_net->net, flood_address(0, 0).ip, sizeof(of_net->net));
    (void)kith_core_each_session(to->core, sniff->world->now, count_of_net, of_net);
    for (unsigned i = 0; i < NETS * OF_A_NET; i++) {
        struct kith_sim_forged forged;
        struct kith_endpoint from = flood_address(1 + i % NETS, i / NETS);
        n_open += kith_sim_sniff_open_session(sniff, &forged, &from, to);
        kith_sim_world_run_until(sniff->world, sniff->world->now + 5 * KITH_NS_PER_MS);
    }
    return n_open;
}

void kith_sim_scenario_sessions(struct kith_sim_run *run) {
    struct kith_sim_world world;
    struct kith_sim_sniff sniff;
    struct pings pings = {0};
    struct of_net of_net = {.n = 0};
    uint32_t n = 0;
    kith_sim_swarm_init(&world, run);
    world.config.limits.sessions = SESSIONS_MAX;
    world.config.limits.sessions_per_prefix = SESSIONS_PREFIX;
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_sniff_init(&sniff, &world);
    struct kith_sim_host *to = world.hosts[0];
    for (uint32_t i = 1; i < run->options.nodes; i++) {
        ping_by(&world, world.hosts[i], to, &pings); /* a session with everybody */
        kith_sim_run_s(&world, 1);
    }
    uint64_t evicted = kith_core_stats(to->core)->sessions_evicted;
    uint32_t before = honest_sessions(&world, to);
    uint32_t n_open = exhaust(&sniff, to, &of_net);
    uint32_t after = honest_sessions(&world, to);
    (void)kith_core_each_session(to->core, world.now, count_session, &n);
    for (uint32_t i = 1; i < run->options.nodes; i++) {
        ping_by(&world, world.hosts[i], to, &pings);
    }
    kith_sim_run_s(&world, 10);
    evicted = kith_core_stats(to->core)->sessions_evicted - evicted;
    kith_sim_report_number(&run->report, "sessions_opened", n_open, 0);
    kith_sim_report_number(&run->report, "sessions_evicted", (double)evicted, 0);
    kith_sim_report_number(&run->report, "sessions", n, 0);
    kith_sim_report_number(&run->report, "half_open_of_a_24", of_net.n, 0);
    kith_sim_report_number(&run->report, "honest_sessions_before", before, 0);
    kith_sim_report_number(&run->report, "honest_sessions_after", after, 0);
    kith_sim_report_number(&run->report, "pings_answered", pings.n_answered, 0);
    kith_sim_expect(run, n_open > SESSIONS_MAX && evicted > 0, "only %u sessions opened", n_open);
    kith_sim_expect(run, n <= SESSIONS_MAX, "%u sessions", n);
    kith_sim_expect(run, of_net.n > 0 && of_net.n <= SESSIONS_PREFIX, "%u sessions of a /24",
                    of_net.n);
    kith_sim_expect(run, pings.n_answered == pings.n, "only %u of %u pings are answered",
                    pings.n_answered, pings.n);
    kith_sim_expect(run, before > 0 && after >= before,
                    "of %u sessions of peers in the table %u are left", before, after);
    kith_sim_conclude_faulty(run, &world);
}
