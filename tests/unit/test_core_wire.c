/* SPDX-License-Identifier: MIT */
/* Whole nodes seen from the wire: hostile datagrams, the amplification rule, roaming. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core_net.h"

struct rewrite {
    unsigned n;
    unsigned kept;
    struct net_packet packets[64];
};

static bool capture(struct net *net, struct net_packet *packet) {
    struct rewrite *r = net->hook_context;
    if (r->kept < 64) {
        r->packets[r->kept++] = *packet;
    }
    return true;
}

/* Every kind of datagram truncated, extended, bit-flipped and replayed: counted drops, and the
 * swarm works on. */
static void test_hostile_datagrams(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 4);
    struct rewrite *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    net.hook = capture;
    net.hook_context = r;
    unsigned late = net_add(&net);
    net_join(&net, late, 0, false); /* who, iam, initiation, response, data */
    net_run(&net, KITH_NS_PER_S);
    net.hook = NULL;
    assert_true(r->kept > 8);
    uint64_t chance[4];
    struct kith_random random = kith_test_random(chance, 5);
    for (unsigned i = 0; i < r->kept; i++) {
        for (unsigned k = 0; k < 60; k++) {
            struct net_packet p = r->packets[i];
            if (k % 3 == 0) {
                p.size = kith_random_below(&random, p.size);
            } else if (k % 3 == 1) {
                p.bytes[kith_random_below(&random, p.size)] ^=
                    (uint8_t)(1u << kith_random_below(&random, 8));
            } else if (k % 6 == 5) {
                p.size = KITH_DATAGRAM_MAX;
                kith_random_secure(&random, p.bytes + 1, p.size - 1);
            }
            net_deliver(&net, &p);
        }
    }
    const struct kith_stats *s = kith_core_stats(net.nodes[0].core);
    assert_true(s->drop_malformed + s->drop_type > 0);
    assert_true(s->drop_mac > 0);
    assert_true(s->drop_replay > 0);
    struct net_packet p = {.from = net_endpoint(9), .to = net.nodes[0].endpoint, .size = 0};
    net_deliver(&net, &p);
    p.from.port = 0;
    p.size = 40;
    p.bytes[0] = 4;
    net_deliver(&net, &p);
    p.from = kith_test_endpoint("239.1.2.3:7700");
    net_deliver(&net, &p);
    assert_true(s->drop_empty >= 1);
    assert_int_equal(s->drop_source, 2);
    net_run(&net, 5 * KITH_NS_PER_S);
    struct kith_query q = net_key_query(KITH_QUERY_PING, &net.nodes[late].key);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    free(r);
    net_deinit(&net);
}

/* The rule that is enforced in the outbox, seen from outside: until a peer proved its address, no
 * answer is longer than the question, for every method and every reply path. */
struct ledger {
    struct kith_endpoint asker;
    size_t last_question;
    unsigned answers;
    bool proven;
};

static bool same(const struct kith_endpoint *a, const struct kith_endpoint *b) {
    return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool weigh(struct net *net, struct net_packet *packet) {
    struct ledger *ledger = net->hook_context;
    if (same(&packet->from, &ledger->asker)) {
        ledger->last_question = packet->size;
        ledger->proven = ledger->proven || packet->bytes[0] == 4;
    } else if (same(&packet->to, &ledger->asker) && !ledger->proven &&
               (packet->bytes[0] == 2 || packet->bytes[0] == 3 || packet->bytes[0] == 6)) {
        assert_true(packet->size <= ledger->last_question);
        ledger->answers++;
    }
    return true;
}

static void test_answers_no_larger_than_questions(void **state) {
    (void)state;
    static const enum kith_query_kind kinds[] = {
        KITH_QUERY_LOOKUP, KITH_QUERY_GET, KITH_QUERY_TRACE, KITH_QUERY_FIND, KITH_QUERY_PING};
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    char text[900];
    memset(text, 'v', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    net_swarm(&net, 30);
    struct kith_query put = net_put_query(text, value); /* an answer that wants to be long */
    assert_int_equal(net_ask(&net, 3, &put), 0);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        uint8_t seed[KITH_SEED_SIZE];
        struct kith_core_config config = net_config(&net, net.n, seed);
        config.client = true; /* stays unproven as long as it can */
        unsigned asker = net_add_config(&net, &config);
        struct ledger ledger = {.asker = net.nodes[asker].endpoint};
        net.hook = weigh;
        net.hook_context = &ledger;
        net_join(&net, asker, 0, false);
        struct kith_query q = net_key_query(kinds[i], &net.nodes[3].key);
        q.flags |= KITH_FLAG_HAS_POINT * (kinds[i] == KITH_QUERY_FIND);
        net_ask(&net, asker, &q);
        assert_true(ledger.answers > 1);
        net.hook = NULL;
    }
    for (unsigned i = 0; i < net.n; i++) {
        assert_int_equal(kith_core_stats(net.nodes[i].core)->drop_amplification, 0);
    }
    net_deinit(&net);
}

/* A long value comes whole to somebody who is new to every node that holds it. */
static void test_large_value_to_stranger(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    char text[997];
    memset(text, 'v', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    net_swarm(&net, 24);
    struct kith_query put = net_put_query(text, value);
    assert_int_equal(net_ask(&net, 3, &put), 0);
    unsigned late = net_add(&net);
    net_join(&net, late, 0, false);
    struct kith_query get = net_key_query(KITH_QUERY_GET, &net.nodes[3].key);
    assert_int_equal(net_ask(&net, late, &get), 0);
    assert_int_equal(net.seen.record.value_size, 1000);
    net_deinit(&net);
}

/* A session follows its peer to a new address, after that address answered a ping. */
static bool move_source(struct net *net, struct net_packet *packet) {
    const struct kith_endpoint *moved = net->hook_context;
    if (same(&packet->from, &net->nodes[1].endpoint)) {
        packet->from = *moved;
    }
    if (same(&packet->to, moved)) {
        packet->to = net->nodes[1].endpoint;
    }
    return true;
}

static void test_roaming(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 3);
    struct kith_endpoint moved = net_endpoint(45);
    net.hook = move_source;
    net.hook_context = &moved;
    struct kith_query q = net_key_query(KITH_QUERY_PING, &net.nodes[0].key);
    q.n = 3;
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_int_equal(kith_core_stats(net.nodes[0].core)->sessions_roamed, 1);
    net.hook = NULL;
    net_deinit(&net);
}

/* What node 1 sends first comes from a stranger's address; counts what goes back there. */
struct redirect {
    struct kith_endpoint victim;
    size_t in;
    size_t out;
    unsigned n_in;
    unsigned n_out;
};

static bool redirect_data(struct net *net, struct net_packet *packet) {
    struct redirect *r = net->hook_context;
    if (same(&packet->to, &r->victim)) {
        r->out += packet->size;
        r->n_out++;
        return false;
    }
    if (same(&packet->from, &net->nodes[1].endpoint) && packet->bytes[0] == 4) {
        packet->from = r->victim;
        r->in += packet->size;
        r->n_in++;
    }
    return true;
}

/* The ping to a new endpoint and the answer to a question from there are not more than the question
 * together: who redirects datagrams gets one for one. */
static void test_redirected_questions(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 3);
    struct redirect r = {.victim = net_endpoint(45)};
    net.hook = redirect_data;
    net.hook_context = &r;
    struct kith_query q = net_key_query(KITH_QUERY_PING, &net.nodes[0].key);
    q.n = 3;
    (void)net_ask(&net, 1, &q);
    net_run(&net, 120 * KITH_NS_PER_S);
    assert_true(r.n_in > 3);
    assert_true(r.n_out > 0);
    assert_true(r.n_out <= r.n_in);
    assert_true(r.out <= r.in);
    /* nobody answered there, so no session went there */
    assert_int_equal(kith_core_stats(net.nodes[0].core)->sessions_roamed, 0);
    net.hook = NULL;
    net_deinit(&net);
}

/* A datagram without a message is smaller than a ping: nothing goes to where it claims to be from.
 */
static void test_no_ping_larger_than_what_came(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 2);
    struct redirect r = {.victim = net_endpoint(45)};
    net.hook_context = &r;
    for (unsigned i = 0; i < 5; i++) {
        struct kith_send send = {.key = net.nodes[0].key, .to = net.nodes[0].endpoint};
        net.hook = redirect_data;
        assert_int_equal(kith_sessions_send(net.nodes[1].core->sessions, &send, net.now),
                         KITH_SENT_DATA);
        net_drain(&net, 1);
        net_run(&net, 10 * KITH_NS_PER_MS);
        net.hook = NULL;
        net_run(&net, 3 * KITH_NS_PER_S); /* another ping is due then */
    }
    assert_int_equal(r.n_in, 5);
    assert_int_equal(r.out, 0);
    net_deinit(&net);
}

/* What node 1 says comes from one endpoint, and once it was pinged there from another. */
struct detour {
    struct kith_endpoint first;
    struct kith_endpoint then;
    unsigned n_pings;
    unsigned n_then;
};

static bool answer_from_elsewhere(struct net *net, struct net_packet *packet) {
    struct detour *d = net->hook_context;
    if (same(&packet->to, &d->then)) {
        return false;
    }
    if (same(&packet->from, &net->nodes[1].endpoint) && packet->bytes[0] == 4) {
        packet->from = d->n_pings == 0 ? d->first : d->then;
        d->n_then += d->n_pings > 0;
    }
    if (same(&packet->to, &d->first)) {
        packet->to = net->nodes[1].endpoint;
        d->n_pings++;
    }
    return true;
}

/* A ping that is answered from elsewhere proves neither address: a peer could send us anywhere. */
static void test_ping_answered_from_elsewhere(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 3);
    struct detour d = {.first = net_endpoint(45), .then = net_endpoint(46)};
    net.hook = answer_from_elsewhere;
    net.hook_context = &d;
    struct kith_query q = net_key_query(KITH_QUERY_PING, &net.nodes[0].key);
    (void)net_ask(&net, 1, &q);
    net_run(&net, 10 * KITH_NS_PER_S);
    assert_true(d.n_pings > 0);
    assert_true(d.n_then > 0);
    assert_int_equal(kith_core_stats(net.nodes[0].core)->sessions_roamed, 0);
    net.hook = NULL;
    net_deinit(&net);
}

/* However much comes from a new endpoint: one ping a second of each session goes there. */
static void test_pings_are_few(void **state) {
    (void)state;
    static const uint8_t text[200];
    struct net net;
    net_swarm(&net, 2);
    struct redirect r = {.victim = net_endpoint(45)};
    net.hook = redirect_data;
    net.hook_context = &r;
    struct kith_send send = {.key = net.nodes[0].key,
                             .to = net.nodes[0].endpoint,
                             .payload = kith_span(text, sizeof(text))};
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(kith_sessions_send(net.nodes[1].core->sessions, &send, net.now),
                         KITH_SENT_DATA);
        net_drain(&net, 1);
        net_run(&net, 100 * KITH_NS_PER_MS);
    }
    assert_int_equal(r.n_in, 6);
    assert_int_equal(r.n_out, 1);
    net.hook = NULL;
    net_deinit(&net);
}

/* ---- sessions that the other end has lost ---- */

/* Of what the first node says in sessions nothing is understood. */
static bool lose_data(struct net *net, struct net_packet *packet) {
    enum { DATA = 4 };
    return packet->bytes[0] != DATA || !same(&packet->from, &net->nodes[0].endpoint);
}

static void note_outcome(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    (void)rpc;
    *(enum kith_rpc_outcome *)context = event->outcome;
}

/* A question that is asked only once goes to whoever was silent in the session as an initiation: a
 * peer that lost the session could not be asked by anybody who takes no second try. */
static void test_asked_once_without_the_session(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 3);
    net.hook = lose_data;
    struct kith_swarm *swarm = &net.nodes[0].core->swarm;
    struct kith_request request = kith_swarm_request(swarm, KITH_METHOD_FIND);
    struct kith_node_ref node = {
        .key = net.nodes[1].key, .has_key = true, .endpoint = net.nodes[1].endpoint};
    kith_point_of_node(&node.key, &node.id);
    request.target = node.id;
    assert_true(kith_sessions_has(swarm->sessions, &node.key));
    for (unsigned i = 0; i < 2; i++) {
        enum kith_rpc_outcome outcome = KITH_RPC_LATE;
        struct kith_rpc *rpc;
        assert_int_equal(kith_swarm_ask(swarm, &node, &request, KITH_ASK_ONCE, note_outcome,
                                        &outcome, net.now, &rpc),
                         0);
        net_drain(&net, 0);
        uint64_t end = net.now + 30 * KITH_NS_PER_S;
        while (outcome != KITH_RPC_TIMEOUT && outcome != KITH_RPC_RESPONSE && net_step(&net, end)) {
        }
        assert_int_equal(outcome, i == 0 ? KITH_RPC_TIMEOUT : KITH_RPC_RESPONSE);
    }
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asked_once_without_the_session),
        cmocka_unit_test(test_hostile_datagrams),
        cmocka_unit_test(test_answers_no_larger_than_questions),
        cmocka_unit_test(test_large_value_to_stranger),
        cmocka_unit_test(test_roaming),
        cmocka_unit_test(test_redirected_questions),
        cmocka_unit_test(test_no_ping_larger_than_what_came),
        cmocka_unit_test(test_ping_answered_from_elsewhere),
        cmocka_unit_test(test_pings_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
