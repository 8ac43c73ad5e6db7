/* SPDX-License-Identifier: MIT */
/*
 * scenario_onpath: Mainline with somebody on the path who sees everything, in the clear, and sends
 * from an address of his own. Mainline cannot keep him from much, but:
 *
 * An answer counts only if it comes from where the question went. He answers before others with
 * what they would have said, but for one contact, his trap: nobody may write to it.
 * And a write token is good for the address it was given to. He repeats announcements of others
 * from an address that never asked for anything: nobody may hand it out as a peer.
 */
#include <string.h>

#include "core/base/endpoint.h"
#include "sim/memory.h"
#include "sim/swarm.h"

enum {
    COMPACT = 6,       /* address and port of a peer */
    COMPACT_NODE = 26, /* id and the same */
    ROUNDS_S = 5,
    OP_LIMIT_S = 60,
};

struct onpath {
    struct kith_sim_run *run;
    struct kith_sim_world world;
    struct kith_endpoint trap;   /* who is told of by forged answers */
    struct kith_endpoint source; /* where they come from */
    struct kith_endpoint victim; /* announcements are repeated from here */
    uint64_t n_forged;
    uint64_t n_repeated;
    uint64_t n_trapped;
    uint64_t n_handed_out;
    bool on;
};

static const uint8_t *find(const uint8_t *bytes, size_t size, const void *what, size_t length) {
    for (size_t at = 0; at + length <= size; at++) {
        if (memcmp(bytes + at, what, length) == 0) {
            return bytes + at;
        }
    }
    return NULL;
}

static const uint8_t *find_text(const struct kith_sim_flight *flight, const char *text) {
    return find(flight->bytes, flight->size, text, strlen(text));
}

static void compact(const struct kith_endpoint *endpoint, uint8_t ret[COMPACT]) {
    memcpy(ret, endpoint->ip, 4);
    ret[4] = (uint8_t)(endpoint->port >> 8);
    ret[5] = (uint8_t)endpoint->port;
}

/* Where the compact nodes of an answer begin, or 0. */
static size_t nodes_at(const struct kith_sim_flight *flight) {
    const uint8_t *at = find_text(flight, "5:nodes");
    size_t place = at == NULL ? flight->size : (size_t)(at - flight->bytes) + strlen("5:nodes");
    while (place < flight->size && flight->bytes[place] != ':') {
        place++;
    }
    return place + 1 + COMPACT_NODE <= flight->size ? place + 1 : 0;
}

/* The true answer is late, his is there already. */
static void forge(struct onpath *p, const struct kith_sim_flight *flight, uint64_t now) {
    uint8_t bytes[KITH_WIRE_MAX];
    struct kith_sim_flight copy = *flight;
    size_t at = nodes_at(flight);
    if (at == 0) {
        return;
    }
    memcpy(bytes, flight->bytes, flight->size);
    compact(&p->trap, bytes + at + COMPACT_NODE - COMPACT);
    copy.bytes = bytes;
    copy.from = p->source;
    p->n_forged++;
    kith_sim_network_arrive(&p->world.network, &copy, now);
}

/* After the original, so that nobody can say that it came twice. */
static void repeat(struct onpath *p, const struct kith_sim_flight *flight, uint64_t at) {
    struct kith_sim_flight copy = *flight;
    copy.from = p->victim;
    p->n_repeated++;
    kith_sim_network_arrive(&p->world.network, &copy, at + KITH_NS_PER_S);
}

static void carry(void *context, const struct kith_sim_flight *flight, uint64_t now) {
    struct onpath *p = context;
    uint64_t at =
        now + kith_sim_network_rtt(&p->world.network, flight->from_host, flight->to_host) / 2;
    if (p->on && find_text(flight, "1:y1:r") != NULL) {
        forge(p, flight, now);
    }
    if (p->on && find_text(flight, "13:announce_peer") != NULL) {
        repeat(p, flight, at);
    }
    kith_sim_network_arrive(&p->world.network, flight, at);
}

static bool may_send(void *context, struct kith_sim_host *host,
                     const struct kith_datagram *datagram, struct kith_endpoint *from) {
    struct onpath *p = context;
    (void)host;
    (void)from;
    p->n_trapped += kith_endpoint_equal(&datagram->to, &p->trap);
    p->n_handed_out += !kith_endpoint_equal(&datagram->to, &p->victim) &&
                       find(datagram->bytes, datagram->size, p->victim.ip, 4) != NULL;
    return true;
}

/* One announces a torrent, another asks who has it. */
static void announce_and_find(struct onpath *p) {
    struct kith_sim_world *world = &p->world;
    struct kith_query query = {.kind = KITH_QUERY_ANNOUNCE_PEER,
                               .swarms = KITH_SWARM_MAINLINE,
                               .flags = KITH_FLAG_HAS_POINT,
                               .port = 6881};
    kith_sim_random_fill(&world->random, query.point.bytes, 20);
    struct kith_sim_ask *ask = kith_sim_world_ask(world, kith_sim_world_pick(world), &query);
    kith_sim_world_run_asks(world, OP_LIMIT_S * KITH_NS_PER_S);
    kith_sim_expect(p->run, ask->done && ask->status == 0, "host %u announces a torrent: %s",
                    ask->host, kith_strerror(ask->status));
    kith_sim_ask_free(ask);
    kith_sim_world_run_until(world, world->now + ROUNDS_S * KITH_NS_PER_S);
    query.kind = KITH_QUERY_PEERS;
    query.port = 0;
    query.n = 8;
    ask = kith_sim_world_ask(world, kith_sim_world_pick(world), &query);
    kith_sim_world_run_asks(world, OP_LIMIT_S * KITH_NS_PER_S);
    kith_sim_expect(p->run, ask->done && ask->status == 0, "host %u asks who has a torrent: %s",
                    ask->host, kith_strerror(ask->status));
    kith_sim_ask_free(ask);
}

void kith_sim_scenario_onpath(struct kith_sim_run *run) {
    struct onpath p = {.run = run};
    kith_sim_swarm_init(&p.world, run);
    p.world.config.mainline = true;
    kith_sim_network_new_address(&p.world.network, 4, &p.trap);
    kith_sim_network_new_address(&p.world.network, 4, &p.source);
    kith_sim_network_new_address(&p.world.network, 4, &p.victim);
    p.world.network.carry = carry;
    p.world.network.carry_context = &p;
    p.world.hooks = (struct kith_sim_hooks){.may_send = may_send, .context = &p};
    kith_sim_swarm_grow(run, &p.world, run->options.nodes);
    p.on = true;
    for (uint32_t i = 0; i < run->options.lookups; i++) {
        announce_and_find(&p);
    }
    kith_sim_expect(run, p.n_trapped == 0, "%llu times whom only a forged answer told of is asked",
                    (unsigned long long)p.n_trapped);
    kith_sim_expect(run, p.n_handed_out == 0,
                    "%llu times somebody is handed out as a peer who never announced himself",
                    (unsigned long long)p.n_handed_out);
    kith_sim_report_number(&run->report, "answers_forged", (double)p.n_forged, 0);
    kith_sim_report_number(&run->report, "announcements_repeated", (double)p.n_repeated, 0);
    kith_sim_conclude_faulty(run, &p.world);
}
