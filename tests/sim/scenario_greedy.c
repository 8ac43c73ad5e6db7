/* SPDX-License-Identifier: MIT */
/*
 * scenario_greedy: peers who ask for a sample of the table again and again, to map the network or
 * to make others work. Each is answered as often as the protocol says, one in five seconds and a
 * few at once, and told so; whoever asks as seldom as honest nodes do is not touched by it.
 */
#include "core/core_internal.h"
#include "sim/swarm.h"

enum {
    GREEDY = 8, /* pairs */
    ASKED_S = 120,
    STEPS_PER_S = 5,
    PAUSE_S = 5, /* between two answers to one peer */
    BURST = 4,
};

struct greedy {
    struct kith_sim_world world;
    uint32_t n_answered[GREEDY];
    uint32_t n_asked;
};

static void on_answer(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    (void)rpc;
    if (event->outcome == KITH_RPC_RESPONSE) {
        ++*(uint32_t *)context;
    }
}

static void ask(struct greedy *g, uint32_t pair) {
    struct kith_sim_host *asker = g->world.hosts[pair];
    const struct kith_sim_host *asked = g->world.hosts[g->world.n_hosts - 1 - pair];
    struct kith_swarm *swarm = &asker->core->swarm;
    struct kith_node_ref node = {
        .id = asked->id, .key = asked->key, .has_key = true, .endpoint = asked->v4};
    struct kith_request request = kith_swarm_request(swarm, KITH_METHOD_EXCHANGE);
    struct kith_rpc *rpc;
    request.n = 8;
    g->n_asked += kith_swarm_ask(swarm, &node, &request, KITH_ASK_ONCE, on_answer,
                                 &g->n_answered[pair], g->world.now, &rpc) == 0;
    kith_sim_world_touched(&g->world, asker);
}

void kith_sim_scenario_greedy(struct kith_sim_run *run) {
    struct greedy g = {0};
    uint32_t most = 0;
    kith_sim_swarm_init(&g.world, run);
    kith_sim_swarm_grow(run, &g.world, run->options.nodes);
    for (uint32_t i = 0; i < ASKED_S * STEPS_PER_S; i++) {
        for (uint32_t pair = 0; pair < GREEDY; pair++) {
            ask(&g, pair);
        }
        kith_sim_world_run_until(&g.world, g.world.now + KITH_NS_PER_S / STEPS_PER_S);
    }
    for (uint32_t pair = 0; pair < GREEDY; pair++) {
        uint32_t n = g.n_answered[pair];
        most = n > most ? n : most;
        kith_sim_expect(run, n > 0 && n <= ASKED_S / PAUSE_S + BURST,
                        "host %u asked for peers for %d s and was answered %u times", pair, ASKED_S,
                        n);
    }
    kith_sim_report_number(&run->report, "asked", g.n_asked, 0);
    kith_sim_report_number(&run->report, "answered_most", most, 0);
    kith_sim_conclude_faulty(run, &g.world);
}
