/* SPDX-License-Identifier: MIT */
/*
 * Whole nodes against answers and moments that honest peers do not produce: wrong contacts, lies
 * about our endpoint, ops that end at every possible moment, families of their own, restarts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core_net.h"

static struct kith_node_ref ref_of(const struct net *net, unsigned i) {
    struct kith_node_ref node = {
        .key = net->nodes[i].key, .has_key = true, .endpoint = net->nodes[i].endpoint};
    kith_point_of_node(&node.key, &node.id);
    return node;
}

/* ---- contacts that lie ---- */

/* Somebody tells us a wrong endpoint of a live node: that it is silent there does not cost the node
 * its place in our table. */
static void test_wrong_endpoint_harms_nobody(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 3);
    struct kith_swarm *swarm = &net.nodes[0].core->swarm;
    struct kith_node_ref wrong = ref_of(&net, 1);
    wrong.endpoint = net_endpoint(47);
    struct kith_request request = kith_swarm_request(swarm, KITH_METHOD_FIND);
    for (unsigned i = 0; i < KITH_ROUTING_FAILURES_MAX; i++) {
        struct kith_rpc *rpc;
        assert_int_equal(
            kith_swarm_ask(swarm, &wrong, &request, KITH_ASK_ONCE, NULL, NULL, net.now, &rpc), 0);
    }
    net_drain(&net, 0);
    uint64_t end = net.now + 10 * KITH_NS_PER_S;
    while (net_step(&net, end)) {
        const struct kith_entry *entry = kith_swarm_find(swarm, &wrong.id);
        assert_non_null(entry);
        assert_int_equal(entry->failures, 0);
    }
    net_deinit(&net);
}

struct walk_test {
    struct kith_walk walk;
    bool done;
};

static bool keep_walking(struct kith_walk *walk, struct kith_candidate *from,
                         const struct kith_response *response, uint64_t now) {
    (void)walk;
    (void)from;
    (void)response;
    (void)now;
    return true;
}

static void note_done(struct kith_walk *walk, uint64_t now) {
    (void)now;
    ((struct walk_test *)walk->context)->done = true;
}

static void walk_init(struct walk_test *test, struct net *net, unsigned i,
                      const struct kith_point *target) {
    struct kith_swarm *swarm = &net->nodes[i].core->swarm;
    struct kith_request request = kith_swarm_request(swarm, KITH_METHOD_FIND);
    request.target = *target;
    memset(test, 0, sizeof(*test));
    kith_walk_init(&test->walk, swarm, &request);
    test->walk.on_answer = keep_walking;
    test->walk.on_done = note_done;
    test->walk.context = test;
}

/* The first to tell us of a node names a black hole: the node is still found where others say it
 * is, whether they say so before or after the silence. */
static void wrong_endpoint_first(bool hasty) {
    struct net net;
    net_swarm(&net, 6);
    unsigned late = net_add(&net);
    struct kith_node_ref honest = ref_of(&net, late);
    struct kith_node_ref wrong = honest;
    wrong.endpoint = net_endpoint(47);
    struct walk_test test;
    walk_init(&test, &net, 0, &honest.id);
    test.walk.hasty = hasty;
    kith_walk_add(&test.walk, &wrong, 2);
    kith_walk_add(&test.walk, &honest, 2);
    assert_int_equal(test.walk.n_candidates, 1);
    assert_true(kith_walk_start(&test.walk, net.now));
    net_drain(&net, 0);
    net_run(&net, 10 * KITH_NS_PER_S);
    assert_true(test.done);
    struct kith_candidate *nearest[1];
    assert_int_equal(kith_walk_answered(&test.walk, 1, nearest), 1);
    assert_true(kith_point_equal(&nearest[0]->node.id, &honest.id));
    assert_memory_equal(nearest[0]->node.endpoint.ip, honest.endpoint.ip, 4);
    kith_walk_deinit(&test.walk);
    net_deinit(&net);
}

static void test_wrong_endpoint_hides_nobody(void **state) {
    (void)state;
    wrong_endpoint_first(false);
    wrong_endpoint_first(true);
}

static bool count_to_victim(struct net *net, struct net_packet *packet) {
    unsigned *n = net->hook_context;
    *n += packet->to.ip[0] == 99;
    return true;
}

/* The i-th made-up node, at the victim's address or elsewhere in its /24. */
static struct kith_node_ref made_up_node(unsigned i, bool spread) {
    struct kith_identity id;
    kith_test_identity(&id, (uint8_t)(100 + i));
    return (struct kith_node_ref){.id = id.id,
                                  .key = id.key,
                                  .has_key = true,
                                  .endpoint = {.family = 4,
                                               .port = (uint16_t)(1000 + i),
                                               .ip = {99, 1, 1, spread ? (uint8_t)i : 1}}};
}

/* Ninety made-up nodes at one address, or in one /24: we are a poor reflector. At private
 * addresses, where many nodes share one, nobody is held back. */
static void test_walk_is_no_reflector(void **state) {
    (void)state;
    for (int spread = 0; spread < 2; spread++) {
        struct net net;
        net_swarm(&net, 4);
        unsigned n = 0;
        net.hook = count_to_victim;
        net.hook_context = &n;
        struct walk_test test;
        struct kith_point target = {{9}};
        walk_init(&test, &net, 0, &target);
        for (unsigned i = 0; i < 90; i++) {
            struct kith_node_ref made_up = made_up_node(i, spread != 0);
            kith_walk_add(&test.walk, &made_up, 2);
        }
        assert_true(kith_walk_start(&test.walk, net.now));
        net_drain(&net, 0);
        net_run(&net, 120 * KITH_NS_PER_S);
        assert_true(test.done);
        assert_true(n > 0);
        assert_true(n <= 3 * (unsigned)(spread ? KITH_WALK_SILENT_NET_MAX : KITH_WALK_SILENT_MAX));
        kith_walk_deinit(&test.walk);
        net_deinit(&net);
    }
}

static bool names_spread; /* what name_victims() does */

static void name_victims(void *context, const struct kith_delivery *delivery,
                         const struct kith_message *message, uint64_t now) {
    struct kith_core *core = context;
    struct kith_response response;
    kith_response_init(&response);
    for (unsigned i = 0; i < core->swarm.dialect->k; i++) {
        response.contacts[response.n_contacts++] = made_up_node(i, names_spread);
    }
    kith_swarm_answer(&core->swarm, delivery, &message->txn, &response, NULL, now);
}

/* One answer makes us ask as many at one address, and in one /24, as a table holds of them. */
static void test_answer_is_no_reflector(void **state) {
    enum { SENDINGS = 3 };
    (void)state;
    for (int spread = 0; spread < 2; spread++) {
        struct net net;
        unsigned most = spread ? 3 : 1;
        unsigned n = 0;
        net_swarm(&net, 2);
        uint64_t bad = kith_core_stats(net.nodes[0].core)->bad_contacts;
        names_spread = spread != 0;
        net.nodes[1].core->swarm.on_request = name_victims;
        net.hook = count_to_victim;
        net.hook_context = &n;
        struct walk_test test;
        struct kith_point target = {{9}};
        walk_init(&test, &net, 0, &target);
        assert_true(kith_walk_start(&test.walk, net.now));
        net_drain(&net, 0);
        net_run(&net, 20 * KITH_NS_PER_S);
        assert_true(test.done);
        bad = kith_core_stats(net.nodes[0].core)->bad_contacts - bad;
        uint64_t answers = bad / (20 - most); /* upkeep asks, too */
        assert_true(answers > 0 && answers * (20 - most) == bad);
        assert_true(n > 0 && n <= answers * most * SENDINGS);
        kith_walk_deinit(&test.walk);
        net_deinit(&net);
    }
}

/* ---- lies about our endpoint ---- */

static void observe(struct kith_publish *publish, unsigned voter, const char *from, const char *you,
                    uint64_t now) {
    struct kith_node_ref by = {.has_key = true, .endpoint = kith_test_endpoint(from)};
    by.key.bytes[0] = (uint8_t)voter;
    struct kith_endpoint endpoint = kith_test_endpoint(you);
    kith_publish_observed(publish, &by, &endpoint, now);
}

/* One host with many keys does not outvote three honest peers, and none makes us believe that the
 * internet sees us at a local address. */
static void test_votes(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    struct kith_publish *publish = &net.nodes[0].core->publish;
    observe(publish, 1, "20.9.1.1:7700", "21.0.0.1:7700", net.now);
    observe(publish, 2, "20.9.2.1:7700", "21.0.0.1:7700", net.now);
    observe(publish, 3, "20.9.3.1:7700", "21.0.0.1:7700", net.now);
    for (unsigned i = 0; i < 40; i++) {
        observe(publish, 100 + i, "66.6.6.6:7700", "66.6.6.9:7700", net.now);
    }
    assert_int_equal(publish->v4.winner.ip[0], 21);
    assert_int_equal(publish->v4.n, 4);
    for (unsigned i = 0; i < 9; i++) {
        char from[32];
        (void)snprintf(from, sizeof(from), "30.1.%u.1:7700", i);
        observe(publish, 50 + i, from, i % 2 == 0 ? "127.0.0.1:7700" : "10.0.0.1:7700", net.now);
    }
    assert_int_equal(publish->v4.n, 4);
    net_deinit(&net);
}

static bool count_puts(const struct kith_stats *stats, uint64_t before, uint64_t most) {
    return stats->walks_started - before <= most;
}

/* While a peer is our only one it decides what we believe our endpoint to be, and may change its
 * mind with every answer: we do not publish with every change. */
static void test_votes_do_not_publish_without_end(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 2);
    struct kith_core *core = net.nodes[1].core;
    struct kith_endpoint any = {.family = 4, .port = 7700};
    kith_core_set_bound(core, &any, 1, net.now);
    uint64_t before = kith_core_stats(core)->walks_started;
    for (unsigned i = 0; i < 200; i++) {
        char you[32];
        (void)snprintf(you, sizeof(you), "21.0.0.%u:7700", i);
        struct kith_node_ref by = ref_of(&net, 0);
        struct kith_endpoint endpoint = kith_test_endpoint(you);
        kith_publish_observed(&core->publish, &by, &endpoint, net.now);
        net_run(&net, 300 * KITH_NS_PER_MS);
    }
    assert_true(count_puts(kith_core_stats(core), before, 12));
    net_deinit(&net);
}

/* ---- quiet ---- */

static bool count_bytes(struct net *net, struct net_packet *packet) {
    *(uint64_t *)net->hook_context += packet->size;
    return true;
}

/* Nodes that have joined do not keep asking the contacts they were given. */
static void test_idle_is_quiet(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 8);
    net_run(&net, 1800 * KITH_NS_PER_S);
    uint64_t bytes = 0;
    net.hook = count_bytes;
    net.hook_context = &bytes;
    net_run(&net, 600 * KITH_NS_PER_S);
    assert_true(bytes / 8 / 600 < 400);
    net_deinit(&net);
}

/* A contact from disk that is not needed any more is forgotten, and one that was about to be
 * forgotten is tried for ever once the user names it. */
static void test_known_contacts(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 8);
    struct kith_core *core = net.nodes[1].core;
    struct kith_contact dead = {.has_key = true, .key = {{1, 2, 3}}, .endpoint = net_endpoint(40)};
    assert_int_equal(kith_core_add_contact(core, &dead, KITH_CONTACT_KNOWN, net.now), 0);
    net_run(&net, 5 * KITH_NS_PER_S);
    assert_int_equal(core->maintain.n_boots, 1);
    net_deinit(&net);
}

/* ---- ops that end at every possible moment ---- */

enum { STEPS_MAX = 60 };

static void cancel_after(const struct kith_query *query, unsigned steps, bool drop) {
    struct net net;
    net_swarm(&net, 4);
    for (unsigned i = 0; i < net.n; i++) {
        assert_int_equal(kith_core_talk_handle(net.nodes[i].core, "echo", true), 0);
    }
    if (drop) { /* everybody else vanishes half-way */
        for (unsigned i = 1; i < net.n; i++) {
            net.nodes[i].dead = steps % 2 == 0;
        }
    }
    uint64_t op;
    assert_int_equal(kith_core_start(net.nodes[0].core, query, net.now, &op), 0);
    net.seen = (struct net_seen){.op = op};
    net_drain(&net, 0);
    for (unsigned i = 0; i < steps && !net.seen.done; i++) {
        net_step(&net, KITH_NEVER - 1);
    }
    kith_core_cancel(net.nodes[0].core, op, net.now);
    net_drain(&net, 0);
    assert_true(net.seen.done);
    kith_core_cancel(net.nodes[0].core, op, net.now); /* an op that is over: nothing */
    net_run(&net, 12 * KITH_NS_PER_S);
    struct kith_status status;
    kith_core_status(net.nodes[0].core, net.now, &status);
    assert_int_equal(status.ops, 0);
    assert_int_equal(net.nodes[0].core->ops.n_waiting, 0);
    net_deinit(&net);
}

static void test_cancel_everywhere(void **state) {
    (void)state;
    struct kith_identity other;
    uint8_t value[KITH_VALUE_MAX];
    kith_test_identity(&other, 3); /* the seed of node 2 */
    struct kith_query queries[] = {
        net_key_query(KITH_QUERY_LOOKUP, &other.key),
        net_key_query(KITH_QUERY_LOOKUP, &(struct kith_key){{1, 2, 3}}),
        net_key_query(KITH_QUERY_GET, &(struct kith_key){{1, 2, 3}}),
        net_key_query(KITH_QUERY_WATCH, &other.key),
        net_key_query(KITH_QUERY_TRACE, &other.key),
        net_key_query(KITH_QUERY_PING, &other.key),
        net_key_query(KITH_QUERY_TALK, &other.key),
        net_put_query("value", value),
        {.kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT, .point = {{5}}},
        {.kind = KITH_QUERY_FIND, .flags = KITH_FLAG_HAS_POINT, .point = {{5}}},
        {.kind = KITH_QUERY_PING, .contact = {.endpoint = net_endpoint(2)}},
        {.kind = KITH_QUERY_PING, .contact = {.endpoint = net_endpoint(44)}},
    };
    queries[5].n = 3;
    queries[6].protocol = "echo";
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        for (unsigned steps = 0; steps < STEPS_MAX; steps += 1 + steps / 6) {
            cancel_after(&queries[i], steps, false);
            cancel_after(&queries[i], steps, true);
        }
    }
}

/* ---- records ---- */

/* Without a network nothing may replace what we published last by something that loses against it
 * everywhere: an older seq, the last seq there is, a smaller value of the same seq. */
static void test_own_record_never_goes_back(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_init(&net);
    net_add(&net);
    struct kith_query put = net_put_query("mmm", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = INT64_MAX;
    assert_int_equal(net_ask(&net, 0, &put), KITH_ENO_NETWORK);
    assert_int_equal(net.n_saved, 1);
    struct kith_record last = net.saved;

    struct kith_query again = net_put_query("zzz", value);
    assert_int_equal(net_ask(&net, 0, &again), KITH_EOUTDATED);
    assert_true(net.seen.result.seq == INT64_MAX);
    put = net_put_query("aaa", value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = INT64_MAX;
    assert_int_equal(net_ask(&net, 0, &put), KITH_EOUTDATED);
    struct kith_record older;
    struct kith_core *core = net.nodes[0].core;
    assert_int_equal(kith_record_sign(&older, &core->env.identity, core->env.curve,
                                      kith_span(NULL, 0), 5, kith_span_text("1:x")),
                     0);
    put = (struct kith_query){
        .kind = KITH_QUERY_PUT, .flags = KITH_FLAG_HAS_RECORD, .record = &older};
    assert_int_equal(net_ask(&net, 0, &put), KITH_EOUTDATED);
    assert_int_equal(net.n_saved, 1);
    put.record = &last; /* the same again is fine */
    assert_int_equal(net_ask(&net, 0, &put), KITH_ENO_NETWORK);
    net_deinit(&net);
}

/* The wall clock goes back by a year: the next version is still newer. */
static void test_clock_goes_back(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 3);
    struct kith_query put = net_put_query("one", value);
    assert_int_equal(net_ask(&net, 1, &put), 0);
    int64_t seq = net.seen.result.seq;
    kith_core_set_clock(net.nodes[1].core, UINT64_C(1758000000000000), net.now);
    put = net_put_query("two", value);
    assert_int_equal(net_ask(&net, 1, &put), 0);
    assert_true(net.seen.result.seq == seq + 1);
    net_deinit(&net);
}

/* Another device publishes under our key, and we are told to hold its record: our own older one
 * does not stand in its way, neither for others nor for ourselves. */
static void test_held_beats_own(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_init(&net);
    net_add(&net);
    struct kith_core *core = net.nodes[0].core;
    struct kith_query put = net_put_query("old", value);
    assert_int_equal(net_ask(&net, 0, &put), KITH_ENO_NETWORK);
    struct kith_record newer;
    struct kith_record_view view;
    assert_int_equal(kith_record_sign(&newer, &core->env.identity, core->env.curve,
                                      kith_span(NULL, 0), INT64_MAX, kith_span_text("3:new")),
                     0);
    kith_record_view(&newer, &view);
    struct kith_store_put held = {.view = &view, .lifetime_ns = 3600 * KITH_NS_PER_S};
    kith_record_point(&view, &held.point);
    assert_int_equal(kith_store_put(core->store, &held, net.now, NULL), 0);
    struct kith_query get = net_key_query(KITH_QUERY_GET, &net.nodes[0].key);
    assert_int_equal(net_ask(&net, 0, &get), 0);
    assert_memory_equal(net.seen.record.value, "3:new", 5);
    net_deinit(&net);
}

/* ---- sessions ---- */

static void restart(struct net *net, unsigned i) {
    uint8_t seed[KITH_SEED_SIZE];
    kith_core_free(net->nodes[i].core);
    struct kith_core_config config = net_config(net, i, seed);
    config.random = kith_test_random(net->nodes[i].random, 900 + i);
    assert_int_equal(kith_core_new(&net->nodes[i].core, &config, net->now), 0);
    kith_core_set_bound(net->nodes[i].core, &net->nodes[i].endpoint, 1, net->now);
}

/* A peer that was restarted has lost the session: a message to it still arrives. */
static void test_talk_after_restart(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 3);
    struct kith_query talk = {
        .kind = KITH_QUERY_TALK,
        .contact = {.has_key = true, .key = net.nodes[2].key, .endpoint = net.nodes[2].endpoint},
        .protocol = "echo",
        .value = (const uint8_t *)"hello",
        .value_size = 5,
    };
    assert_int_equal(kith_core_talk_handle(net.nodes[2].core, "echo", true), 0);
    assert_int_equal(net_ask(&net, 1, &talk), 0);
    restart(&net, 2);
    assert_int_equal(kith_core_talk_handle(net.nodes[2].core, "echo", true), 0);
    assert_int_equal(net_ask(&net, 1, &talk), 0);
    assert_int_equal(net.seen.bytes_size, 5);
    net_deinit(&net);
}

/* An application that never answers does not lose its handler for ever. */
static void test_talk_slots_come_back(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 2);
    struct kith_serve *serve = &net.nodes[0].core->serve;
    assert_int_equal(kith_core_talk_handle(net.nodes[0].core, "echo", true), 0);
    for (unsigned i = 0; i < KITH_TALK_PENDING_MAX; i++) {
        serve->pending[i].token = 1000 + i;
        serve->pending[i].until = net.now + 30 * KITH_NS_PER_S;
    }
    struct kith_query talk = net_key_query(KITH_QUERY_TALK, &net.nodes[0].key);
    talk.protocol = "echo";
    assert_int_equal(net_ask(&net, 1, &talk), KITH_EREFUSED);
    net_run(&net, 31 * KITH_NS_PER_S);
    assert_int_equal(net_ask(&net, 1, &talk), 0);
    net_deinit(&net);
}

/* Whoever has a session can name any source: probes of new endpoints are few. */
static void test_probes_are_few(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 2);
    struct kith_core *core = net.nodes[0].core;
    for (unsigned i = 0; i < KITH_ROAM_MAX; i++) {
        core->roams[i] = (struct kith_roam){.session = 77 + i, .sent = net.now};
    }
    struct kith_delivery delivery = {
        .kind = KITH_DELIVERY_DATA, .session = 5, .from = net_endpoint(3)};
    unsigned before = core->next_roam;
    kith_roam_receive(core, &delivery, net.now);
    assert_int_equal(core->next_roam, before);
    kith_roam_receive(core, &delivery, net.now + KITH_NS_PER_S);
    assert_int_not_equal(core->next_roam, before);
    net_deinit(&net);
}

/* ---- what the application may get wrong ---- */

static void test_wrong_queries(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    char text[200];
    memset(text, 'p', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    struct kith_query q = net_key_query(KITH_QUERY_GET, &(struct kith_key){{1}});
    q.protocol = text; /* belongs to no get, and is too long for a talk */
    assert_int_equal(net_ask(&net, 0, &q), KITH_ETOO_LARGE);
    q.protocol = NULL;
    q.value_size = 10;
    assert_int_equal(net_ask(&net, 0, &q), KITH_EINVALID);
    q.value_size = 0;
    q.timeout_ns = UINT64_MAX; /* not "at once" */
    struct kith_contact dead = {.endpoint = net_endpoint(30)};
    assert_int_equal(kith_core_add_contact(net.nodes[0].core, &dead, KITH_CONTACT_PEER, net.now),
                     0);
    uint64_t before = net.now;
    assert_int_equal(net_ask(&net, 0, &q), KITH_ENO_NETWORK);
    assert_true(net.now - before >= KITH_JOIN_WAIT_S * KITH_NS_PER_S);
    q = (struct kith_query){.kind = KITH_QUERY_PUT, .value = (const uint8_t *)""};
    assert_true(net_ask(&net, 0, &q) < 0);
    q = (struct kith_query){.kind = KITH_QUERY_PING, .contact = {.endpoint = net_endpoint(3)}};
    q.contact.endpoint.family = 6; /* a family we do not have */
    q.contact.has_key = true;
    q.contact.key.bytes[0] = 1;
    assert_int_equal(net_ask(&net, 0, &q), KITH_EINVALID);
    net_deinit(&net);
}

/* ---- families ---- */

static unsigned add_v6(struct net *net) {
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core_config config = net_config(net, net->n, seed);
    config.has_v4 = false;
    config.has_v6 = true;
    unsigned i = net_add_config(net, &config);
    net->nodes[i].endpoint = net_endpoint6(i);
    kith_core_set_bound(net->nodes[i].core, &net->nodes[i].endpoint, 1, net->now);
    return i;
}

static void test_only_v6(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_init(&net);
    add_v6(&net);
    for (unsigned i = 1; i < 6; i++) {
        net_join(&net, add_v6(&net), 0, i % 2 == 0);
    }
    net_run(&net, 60 * KITH_NS_PER_S);
    struct kith_query q = net_key_query(KITH_QUERY_LOOKUP, &net.nodes[5].key);
    assert_int_equal(net_ask(&net, 2, &q), 0);
    assert_int_equal(net.seen.peer.endpoints[0].family, 6);
    q = net_put_query("six", value);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_int_equal(net.seen.result.asked, 5);
    q = net_key_query(KITH_QUERY_PING, &net.nodes[4].key);
    assert_int_equal(net_ask(&net, 3, &q), 0);
    net_deinit(&net);
}

/* Every node has an address of each family; the network knows them by the first. */
static bool by_family(struct net *net, struct net_packet *packet) {
    bool no_v4 = net->hook_context != NULL;
    if (packet->to.family == 6) {
        unsigned to = packet->to.ip[5];
        packet->to = net->nodes[to].endpoint;
        packet->from = net_endpoint6((unsigned)packet->from.ip[2]);
        return true;
    }
    return !no_v4;
}

/* Nodes in both tables count once in a walk, are found when a family breaks, and are refreshed in
 * each table by what that table says. */
static void test_both_families(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_init(&net);
    net.hook = by_family;
    for (unsigned i = 0; i < 6; i++) {
        uint8_t seed[KITH_SEED_SIZE];
        struct kith_core_config config = net_config(&net, i, seed);
        config.has_v6 = true;
        net_add_config(&net, &config);
        struct kith_endpoint bound[] = {net_endpoint(i), net_endpoint6(i)};
        kith_core_set_bound(net.nodes[i].core, bound, 2, net.now);
        if (i > 0) {
            net_join(&net, i, 0, true);
            struct kith_contact six = {
                .has_key = true, .key = net.nodes[0].key, .endpoint = net_endpoint6(0)};
            assert_int_equal(
                kith_core_add_contact(net.nodes[i].core, &six, KITH_CONTACT_PEER, net.now), 0);
            net_drain(&net, i);
        }
    }
    net_run(&net, 300 * KITH_NS_PER_S);
    struct kith_query q = net_put_query("both", value);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_int_equal(net.seen.result.asked, 5);
    struct kith_status status;
    kith_core_status(net.nodes[2].core, net.now, &status);
    assert_true(status.nodes_v4 > 0 && status.nodes_v6 > 0);
    /* IPv4 breaks. */
    net.hook_context = &net;
    net_run(&net, 120 * KITH_NS_PER_S);
    q = net_key_query(KITH_QUERY_LOOKUP, &net.nodes[5].key);
    assert_int_equal(net_ask(&net, 2, &q), 0);
    kith_core_status(net.nodes[2].core, net.now, &status);
    assert_true(status.ready);
    net_deinit(&net);
}

/* A topic may be the storage point of a record of ours: both are kept, and told apart. */
static void test_topic_at_a_storage_point(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 4);
    struct kith_query q = net_put_query("both kept", value);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    const struct kith_own *own = &net.nodes[1].core->publish.own;
    uint32_t n = own->n;
    struct kith_query announce = {
        .kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT, .point = net.seen.result.point};
    assert_int_equal(net_ask(&net, 1, &announce), 0);
    assert_int_equal(own->n, n + 1);
    assert_int_equal(kith_own_find(own, &announce.point, false)->kind, KITH_OWN_VALUE);
    assert_int_equal(kith_own_find(own, &announce.point, true)->kind, KITH_OWN_TOPIC);
    struct kith_query get = net_key_query(KITH_QUERY_GET, &net.nodes[1].key);
    assert_int_equal(net_ask(&net, 1, &get), 0);
    assert_memory_equal(net.seen.record.value, "9:both kept", 11);
    announce.kind = KITH_QUERY_UNANNOUNCE;
    assert_int_equal(net_ask(&net, 1, &announce), 0);
    assert_int_equal(own->n, n);
    assert_non_null(kith_own_find(own, &announce.point, false));
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_endpoint_harms_nobody),
        cmocka_unit_test(test_wrong_endpoint_hides_nobody),
        cmocka_unit_test(test_walk_is_no_reflector),
        cmocka_unit_test(test_answer_is_no_reflector),
        cmocka_unit_test(test_votes),
        cmocka_unit_test(test_votes_do_not_publish_without_end),
        cmocka_unit_test(test_idle_is_quiet),
        cmocka_unit_test(test_known_contacts),
        cmocka_unit_test(test_cancel_everywhere),
        cmocka_unit_test(test_own_record_never_goes_back),
        cmocka_unit_test(test_clock_goes_back),
        cmocka_unit_test(test_held_beats_own),
        cmocka_unit_test(test_talk_after_restart),
        cmocka_unit_test(test_talk_slots_come_back),
        cmocka_unit_test(test_probes_are_few),
        cmocka_unit_test(test_wrong_queries),
        cmocka_unit_test(test_only_v6),
        cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_topic_at_a_storage_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
