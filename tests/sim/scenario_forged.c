/* SPDX-License-Identifier: MIT */
/*
 * scenario_forged: datagrams that no core sends. reflect: questions of every kind in the name of a
 * victim, kith's and Mainline's; replay: what opened conversations, sent again; initflood: more
 * initiations from spoofed sources than are served; sessions: fresh keys by the thousand.
 *
 * What one question brings is watched by sim/amplify.h; here, what comes back in all.
 */
#include <stdlib.h>

#include "core/core_internal.h"
#include "core/session/session_internal.h"
#include "sim/forge.h"
#include "sim/memory.h"
#include "sim/scenario.h"
#include "sim/swarm.h"

enum { ATTACKED = 10 }; /* hosts */

/* What goes out, seen from the wire: to the victim, and the last to the attacker. */
struct watch {
    struct kith_sim_world *world;
    struct kith_endpoint victim;
    struct kith_endpoint attacker;
    uint64_t bytes_in; /* in the victim's name */
    uint64_t n_in;
    uint64_t bytes_out;
    uint64_t n_out;
    struct kith_sim_bytes got;
    struct recorded *recorded; /* NULL: nothing is */
    uint32_t n_recorded;
};

/* What was on the wire. */
struct recorded {
    struct kith_endpoint from;
    struct kith_endpoint to;
    struct kith_sim_bytes bytes;
};

enum { RECORDED_MAX = 1500 };

/* Initiations, whos, and data of sessions. */
static void record(struct watch *watch, const struct kith_datagram *datagram,
                   const struct kith_endpoint *from) {
    uint8_t type = datagram->bytes[0];
    if (watch->recorded != NULL && watch->n_recorded < RECORDED_MAX &&
        (type == 1 || type == 4 || type == 5)) {
        struct recorded *recorded = &watch->recorded[watch->n_recorded++];
        recorded->from = *from;
        recorded->to = datagram->to;
        recorded->bytes.size = datagram->size;
        memcpy(recorded->bytes.bytes, datagram->bytes, datagram->size);
    }
}

static bool on_send(void *context, struct kith_sim_host *host, const struct kith_datagram *datagram,
                    struct kith_endpoint *from) {
    struct watch *watch = context;
    (void)host;
    record(watch, datagram, from);
    if (kith_endpoint_equal(&datagram->to, &watch->victim)) {
        watch->bytes_out += datagram->size;
        watch->n_out++;
    } else if (kith_endpoint_equal(&datagram->to, &watch->attacker)) {
        watch->got.size = datagram->size;
        memcpy(watch->got.bytes, datagram->bytes, datagram->size);
    }
    return true;
}

static void watch_init(struct watch *watch, struct kith_sim_world *world) {
    *watch = (struct watch){.world = world};
    kith_sim_network_new_address(&world->network, 4, &watch->victim);
    kith_sim_network_new_address(&world->network, 4, &watch->attacker);
    world->hooks.may_send = on_send;
    world->hooks.context = watch;
}

static void send_as_victim(struct watch *watch, const struct kith_sim_bytes *datagram,
                           struct kith_sim_host *to) {
    watch->bytes_in += datagram->size;
    watch->n_in++;
    kith_sim_forge_send(watch->world, datagram, &watch->victim, &watch->attacker, to);
}

static void run_s(struct kith_sim_world *world, uint32_t seconds) {
    kith_sim_world_run_until(world, world->now + seconds * KITH_NS_PER_S);
}

/* ---- reflect: kith ---- */

static size_t encode(enum kith_method method, const struct kith_point *target, uint8_t *out,
                     size_t max) {
    static const char protocol[] = "x";
    struct kith_request request = {.method = method,
                                   .want_v4 = true,
                                   .want_v6 = true,
                                   .n = 20,
                                   .target = *target,
                                   .family = 4,
                                   .protocol = kith_span_text(protocol)};
    struct kith_txn txn = {.size = KITH_TXN_SIZE, .bytes = {0x80, 1, 2, 3}};
    size_t size = 0;
    return kith_msgpack_encode_request(&txn, &request, out, max, &size) == 0 ? size : 0;
}

static const enum kith_method methods[] = {
    KITH_METHOD_PING,  KITH_METHOD_FIND,     KITH_METHOD_GET, KITH_METHOD_TOPIC,
    KITH_METHOD_REACH, KITH_METHOD_EXCHANGE, KITH_METHOD_TALK};
enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

/* Initiations with every question, of every size; and such as cannot be read. */
static void reflect_initiations(struct watch *watch, struct kith_sim_host *to) {
    static const size_t sizes[] = {0, 300, 640, KITH_DATAGRAM_MAX};
    uint8_t request[KITH_DATAGRAM_MAX];
    for (unsigned i = 0; i <= METHODS + 1; i++) {
        size_t size = i < METHODS ? encode(methods[i], &to->id, request, sizeof(request)) : 0;
        if (i > METHODS) {
            size = 1;
            request[0] = 0xc1; /* no msgpack */
        }
        for (unsigned j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            struct kith_sim_forged forged;
            kith_sim_forge_key(&forged, watch->world, NULL);
            kith_sim_forge_initiation(&forged, &to->key, kith_span(request, size), sizes[j]);
            send_as_victim(watch, &forged.datagram, to);
        }
    }
}

static void reflect_who(struct watch *watch, struct kith_sim_host *to) {
    static const size_t sizes[] = {17, 18, 60, 115, 116, 117, 600, KITH_DATAGRAM_MAX};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct kith_sim_bytes who;
        kith_sim_forge_who(&who, watch->world, sizes[i]);
        send_as_victim(watch, &who, to);
    }
}

/* A session of the attacker at his own address; false: none. */
static bool open_session(struct watch *watch, struct kith_sim_forged *forged,
                         const struct kith_endpoint *at, struct kith_sim_host *to) {
    watch->attacker = *at;
    watch->got.size = 0;
    kith_sim_forge_key(forged, watch->world, NULL);
    kith_sim_forge_initiation(forged, &to->key, kith_span(NULL, 0), 0);
    kith_sim_forge_send(watch->world, &forged->datagram, at, at, to);
    if (!kith_sim_forge_answered(forged, kith_span(watch->got.bytes, watch->got.size))) {
        return false;
    }
    kith_sim_forge_data(forged, kith_span(NULL, 0));
    kith_sim_forge_send(watch->world, &forged->datagram, at, at, to);
    return true;
}

/* Questions inside a session that is his, from where the victim is. */
static void reflect_roaming(struct watch *watch, struct kith_sim_host *to) {
    uint8_t request[KITH_DATAGRAM_MAX];
    struct kith_sim_forged forged;
    struct kith_endpoint at = watch->attacker;
    if (!open_session(watch, &forged, &at, to)) {
        return;
    }
    for (unsigned i = 0; i < METHODS; i++) {
        size_t size = encode(methods[i], &to->id, request, sizeof(request));
        kith_sim_forge_data(&forged, kith_span(request, size));
        send_as_victim(watch, &forged.datagram, to);
    }
}

static void reflect_kith(struct kith_sim_run *run) {
    struct kith_sim_world world;
    struct watch watch;
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    watch_init(&watch, &world);
    for (uint32_t i = 0; i < ATTACKED; i++) {
        struct kith_sim_host *to = world.hosts[i % world.n_hosts];
        reflect_initiations(&watch, to);
        run_s(&world, 2);
        reflect_who(&watch, to);
        reflect_roaming(&watch, to);
        run_s(&world, 2);
    }
    run_s(&world, 120); /* what comes later */
    kith_sim_report_number(&run->report, "kith_sent", (double)watch.n_in, 0);
    kith_sim_report_number(&run->report, "kith_reflected", (double)watch.n_out, 0);
    kith_sim_report_number(&run->report, "kith_bytes_ratio",
                           (double)watch.bytes_out / (double)watch.bytes_in, 3);
    struct kith_stats stats;
    kith_sim_world_stats(&world, &stats);
    kith_sim_expect(run, stats.drop_amplification == 0, "%llu answers were only just withheld",
                    (unsigned long long)stats.drop_amplification);
    kith_sim_expect(run, watch.n_out > 0, "nothing was answered at all");
    kith_sim_expect(run, watch.n_out <= watch.n_in && watch.bytes_out <= watch.bytes_in,
                    "a victim got %llu datagrams and %llu bytes for %llu and %llu",
                    (unsigned long long)watch.n_out, (unsigned long long)watch.bytes_out,
                    (unsigned long long)watch.n_in, (unsigned long long)watch.bytes_in);
    kith_sim_conclude_faulty(run, &world);
}

/* ---- reflect: Mainline ---- */

#define ID "2:id20:abcdefghij0123456789"
#define HASH "20:mnopqrstuvwxyz123456"

static const char *const questions[] = {
    "d1:ad" ID "e1:q4:ping1:t2:aa1:y1:qe",
    "d1:ad" ID "6:target" HASH "e1:q9:find_node1:t2:aa1:y1:qe",
    "d1:ad" ID "6:target" HASH "4:wantl2:n42:n6ee1:q9:find_node1:t2:aa1:y1:qe",
    "d1:ad" ID "9:info_hash" HASH "e1:q9:get_peers1:t2:aa1:y1:qe",
    "d1:ad" ID "9:info_hash" HASH "6:scrapei1ee1:q9:get_peers1:t2:aa1:y1:qe",
    "d1:ad" ID "6:target" HASH "e1:q3:get1:t2:aa1:y1:qe",
    "d1:ad" ID "6:target" HASH "e1:q17:sample_infohashes1:t2:aa1:y1:qe",
    "d1:ad" ID "9:info_hash" HASH "4:porti6881e5:token4:evile1:q13:announce_peer1:t2:aa1:y1:qe",
    "d1:ad" ID "5:token4:evil1:v1:xe1:q3:put1:t2:aa1:y1:qe",
    "d1:ad" ID "6:target" HASH "e1:q7:unknown1:t2:aa1:y1:qe",
    "d1:ade1:q4:ping1:t2:aa1:y1:qe",
};

static void reflect_mainline(struct kith_sim_run *run) {
    /* The victim's prefix is granted 8 KiB a second, of which two seconds' worth at once. */
    enum { KINDS = sizeof(questions) / sizeof(questions[0]), BUDGET = 8 * 1024, ROUNDS = 200 };
    struct kith_sim_world world;
    struct watch watch;
    kith_sim_swarm_init(&world, run);
    world.config.mainline = true;
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    watch_init(&watch, &world);
    struct kith_sim_host *to = world.hosts[0];
    uint64_t start = world.now;
    for (unsigned i = 0; i < ROUNDS * KINDS; i++) {
        struct kith_sim_bytes datagram;
        datagram.size = strlen(questions[i % KINDS]);
        memcpy(datagram.bytes, questions[i % KINDS], datagram.size);
        send_as_victim(&watch, &datagram, to);
        kith_sim_world_run_until(&world, world.now + KITH_NS_PER_MS);
    }
    run_s(&world, 60);
    uint64_t most = watch.bytes_in + BUDGET * (2 + (world.now - start) / KITH_NS_PER_S);
    kith_sim_report_number(&run->report, "mainline_sent", (double)watch.n_in, 0);
    kith_sim_report_number(&run->report, "mainline_reflected", (double)watch.n_out, 0);
    kith_sim_report_number(&run->report, "mainline_bytes_ratio",
                           (double)watch.bytes_out / (double)watch.bytes_in, 3);
    kith_sim_expect(run, watch.n_out > 0, "nothing was answered at all");
    kith_sim_expect(run, watch.bytes_out <= most, "a victim got %llu bytes, not %llu",
                    (unsigned long long)watch.bytes_out, (unsigned long long)most);
    kith_sim_conclude_faulty(run, &world);
}

void kith_sim_scenario_reflect(struct kith_sim_run *run) {
    reflect_kith(run);
    reflect_mainline(run);
}

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
static void replay_all(struct watch *watch, bool initiations, struct replayed *ret) {
    struct kith_sim_world *world = watch->world;
    for (uint32_t i = 0; i < watch->n_recorded; i++) {
        const struct recorded *recorded = &watch->recorded[i];
        uint32_t to = kith_sim_network_find(&world->network, &recorded->to);
        if (to == KITH_SIM_NOBODY || (initiations && recorded->bytes.bytes[0] != 1)) {
            continue;
        }
        uint64_t before = effects(world->hosts[to]);
        kith_sim_forge_send(world, &recorded->bytes, &recorded->from, &watch->attacker,
                            world->hosts[to]);
        send_as_victim(watch, &recorded->bytes, world->hosts[to]);
        ret->n += 2;
        ret->n_again += effects(world->hosts[to]) != before;
    }
}

void kith_sim_scenario_replay(struct kith_sim_run *run) {
    enum { LATER_S = 30 };
    struct kith_sim_world world;
    struct watch watch;
    struct replayed replayed = {0};
    struct replayed restarted = {0};
    struct kith_stats stats;
    uint32_t in_tables = 0;
    kith_sim_swarm_init(&world, run);
    watch_init(&watch, &world);
    watch.recorded = kith_sim_allocate(RECORDED_MAX * sizeof(*watch.recorded));
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    replay_all(&watch, false, &replayed);
    run_s(&world, LATER_S);
    replay_all(&watch, false, &replayed);
    kith_sim_world_stats(&world, &stats);
    /* Who starts again cannot know: he may answer, and must do nothing else. */
    for (uint32_t i = 0; i < world.n_hosts; i++) {
        kith_sim_world_kill(&world, world.hosts[i]);
        (void)kith_sim_world_start(&world, world.hosts[i]);
    }
    replay_all(&watch, true, &restarted);
    for (uint32_t i = 0; i < world.n_hosts; i++) {
        const struct kith_core *core = world.hosts[i]->core;
        in_tables += (uint32_t)kith_routing_count(core->swarm.v4) + kith_store_count(core->store);
    }
    kith_sim_report_number(&run->report, "replayed", (double)(replayed.n + restarted.n), 0);
    kith_sim_report_number(&run->report, "replays_dropped", (double)stats.drop_replay, 0);
    kith_sim_report_number(&run->report, "answered_after_restart", (double)restarted.n_again, 0);
    kith_sim_report_number(&run->report, "reflected", (double)watch.n_out, 0);
    kith_sim_expect(run, replayed.n > 0 && stats.drop_replay > 0, "nothing was replayed");
    kith_sim_expect(run, replayed.n_again == 0, "%llu datagrams were taken twice",
                    (unsigned long long)replayed.n_again);
    kith_sim_expect(run, in_tables == 0, "replays filled tables with %u entries", in_tables);
    kith_sim_expect(run, watch.n_out <= watch.n_in && watch.bytes_out <= watch.bytes_in,
                    "a victim got %llu bytes for %llu", (unsigned long long)watch.bytes_out,
                    (unsigned long long)watch.bytes_in);
    free(watch.recorded);
    watch.recorded = NULL;
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

void kith_sim_scenario_initflood(struct kith_sim_run *run) {
    enum { PER_MS = 5, FLOOD_MS = 4000, SERVED_PER_S = 2000, LATER_S = 20 };
    struct kith_sim_world world;
    struct watch watch;
    struct pings pings = {0};
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    watch_init(&watch, &world);
    struct kith_sim_host *to = world.hosts[0];
    struct kith_sim_host *newcomer = NULL;
    uint64_t served = handshakes_served(to);
    for (uint32_t ms = 0; ms < FLOOD_MS; ms++) {
        for (unsigned i = 0; i < PER_MS; i++) {
            struct kith_sim_forged forged;
            struct kith_endpoint from;
            kith_sim_network_new_address(&world.network, 4, &from);
            kith_sim_forge_key(&forged, &world, NULL);
            kith_sim_forge_initiation(&forged, &to->key, kith_span(NULL, 0), 0);
            made_up_cookie(&forged.datagram);
            if (i == 0) {
                send_as_victim(&watch, &forged.datagram, to);
            } else {
                kith_sim_forge_send(&world, &forged.datagram, &from, &watch.attacker, to);
            }
        }
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
    run_s(&world, LATER_S);
    kith_sim_report_number(&run->report, "initiations", PER_MS * FLOOD_MS, 0);
    kith_sim_report_number(&run->report, "served", (double)served, 0);
    kith_sim_report_number(&run->report, "pings", pings.n, 0);
    kith_sim_report_number(&run->report, "pings_answered", pings.n_answered, 0);
    kith_sim_report_number(&run->report, "reflected", (double)watch.n_out, 0);
    kith_sim_expect(run, kith_core_stats(to->core)->cookies_sent > 0, "no cookie was asked for");
    kith_sim_expect(run, served <= SERVED_PER_S, /* half of the burst, until the flood is noticed */
                    "%llu initiations without a cookie were served", (unsigned long long)served);
    kith_sim_expect(run, pings.n_answered == pings.n, "only %u of %u pings are answered",
                    pings.n_answered, pings.n);
    kith_sim_expect(run, newcomer->ready, "who came during the flood has not joined");
    kith_sim_expect(run, watch.n_out <= watch.n_in && watch.bytes_out <= watch.bytes_in,
                    "a victim got %llu bytes for %llu", (unsigned long long)watch.bytes_out,
                    (unsigned long long)watch.bytes_in);
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
static uint32_t exhaust(struct watch *watch, struct kith_sim_host *to, struct of_net *of_net) {
    uint32_t n_open = 0;
    for (unsigned i = 0; i < 2 * SESSIONS_MAX; i++) {
        struct kith_sim_forged forged;
        struct kith_endpoint from = flood_address(0, i);
        kith_sim_forge_key(&forged, watch->world, NULL);
        kith_sim_forge_initiation(&forged, &to->key, kith_span(NULL, 0), 0);
        kith_sim_forge_send(watch->world, &forged.datagram, &from, &from, to);
        kith_sim_world_run_until(watch->world, watch->world->now + 5 * KITH_NS_PER_MS);
    }
    memcpy(of_net->net, flood_address(0, 0).ip, sizeof(of_net->net));
    (void)kith_core_each_session(to->core, watch->world->now, count_of_net, of_net);
    for (unsigned i = 0; i < NETS * OF_A_NET; i++) {
        struct kith_sim_forged forged;
        struct kith_endpoint from = flood_address(1 + i % NETS, i / NETS);
        n_open += open_session(watch, &forged, &from, to);
        kith_sim_world_run_until(watch->world, watch->world->now + 5 * KITH_NS_PER_MS);
    }
    return n_open;
}

void kith_sim_scenario_sessions(struct kith_sim_run *run) {
    struct kith_sim_world world;
    struct watch watch;
    struct pings pings = {0};
    struct of_net of_net = {.n = 0};
    uint32_t n = 0;
    kith_sim_swarm_init(&world, run);
    world.config.limits.sessions = SESSIONS_MAX;
    world.config.limits.sessions_per_prefix = SESSIONS_PREFIX;
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    watch_init(&watch, &world);
    struct kith_sim_host *to = world.hosts[0];
    for (uint32_t i = 1; i < run->options.nodes; i++) {
        ping_by(&world, world.hosts[i], to, &pings); /* a session with everybody */
        run_s(&world, 1);
    }
    uint64_t evicted = kith_core_stats(to->core)->sessions_evicted;
    uint32_t before = honest_sessions(&world, to);
    uint32_t n_open = exhaust(&watch, to, &of_net);
    uint32_t after = honest_sessions(&world, to);
    (void)kith_core_each_session(to->core, world.now, count_session, &n);
    for (uint32_t i = 1; i < run->options.nodes; i++) {
        ping_by(&world, world.hosts[i], to, &pings);
    }
    run_s(&world, 10);
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
