/* SPDX-License-Identifier: MIT */
/* What costs a peer its health in the book, rule by rule, and what does not. Node 1 misbehaves; its
 * dialect lies for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core_net.h"

#define HOUR (3600 * KITH_NS_PER_S)

enum { GOOD, BAD };

/* How node 1 lies; a dialect's functions have no context. */
static struct {
    struct kith_dialect dialect;
    bool record;        /* signatures of records in answers */
    bool records;       /* of announcements in answers */
    bool request;       /* of records in requests */
    bool push;          /* of records in pushes */
    unsigned elsewhere; /* names itself at another endpoint: 4, 6 */
    struct kith_key key;
    bool has_own_seq;
    int64_t own_seq;
    uint8_t signature[KITH_SIGNATURE_SIZE];
} liar;

static void spoil(struct kith_record_view *view) {
    if (view->signature != NULL) {
        memcpy(liar.signature, view->signature, sizeof(liar.signature));
        liar.signature[7] ^= 1;
        view->signature = liar.signature;
    }
}

static int lie_response(const struct kith_sender *from, const struct kith_txn *txn,
                        const struct kith_response *response, uint8_t *out, size_t max,
                        size_t *ret_size) {
    struct kith_response changed = *response;
    if (liar.record && changed.has_record) {
        spoil(&changed.record);
    }
    if (liar.records && changed.n_records > 0) {
        spoil(&changed.records[0]);
    }
    if (liar.elsewhere != 0) { /* whether there is anything else to tell or not */
        struct kith_node_ref *contact = &changed.contacts[0];
        changed.n_contacts += changed.n_contacts == 0;
        *contact = (struct kith_node_ref){.has_key = true,
                                          .key = liar.key,
                                          .endpoint = liar.elsewhere == 4 ? net_endpoint(40)
                                                                          : net_endpoint6(40)};
        kith_point_of_node(&contact->key, &contact->id);
    }
    if (liar.has_own_seq) {
        changed.has_own_seq = true;
        changed.own_seq = liar.own_seq;
    }
    return kith_dialect_kith.encode_response(from, txn, &changed, out, max, ret_size);
}

static int lie_request(const struct kith_sender *from, const struct kith_txn *txn,
                       const struct kith_request *request, uint8_t *out, size_t max,
                       size_t *ret_size) {
    struct kith_request changed = *request;
    if (liar.request) {
        spoil(&changed.record);
    }
    return kith_dialect_kith.encode_request(from, txn, &changed, out, max, ret_size);
}

static int lie_push(const struct kith_request *push, uint8_t *out, size_t max, size_t *ret_size) {
    struct kith_request changed = *push;
    if (liar.push) {
        spoil(&changed.record);
    }
    return kith_dialect_kith.encode_push(&changed, out, max, ret_size);
}

/* Three nodes that know each other. Node 0 looks on. */
static int setup(void **state) {
    struct net *net = malloc(sizeof(*net));
    assert_non_null(net);
    net_swarm(net, 3);
    net_run(net, 120 * KITH_NS_PER_S);
    memset(&liar, 0, sizeof(liar));
    liar.key = net->nodes[1].key;
    liar.dialect = kith_dialect_kith;
    liar.dialect.encode_response = lie_response;
    liar.dialect.encode_request = lie_request;
    liar.dialect.encode_push = lie_push;
    net->nodes[1].core->swarm.dialect = &liar.dialect;
    *state = net;
    return 0;
}

static int teardown(void **state) {
    net_deinit(*state);
    free(*state);
    return 0;
}

static double health(const struct net *net, unsigned i, uint64_t later) {
    const struct kith_core *core = net->nodes[0].core;
    struct kith_contact contact = {
        .has_key = true, .key = net->nodes[i].key, .endpoint = net->nodes[i].endpoint};
    const struct kith_book_entry *entry = kith_book_find(core->keeper.book, &contact);
    assert_non_null(entry);
    uint64_t wall_us = kith_env_wall_us(&core->env, net->now + later);
    return (double)kith_book_health(entry, wall_us) / KITH_BOOK_HEALTH_ONE;
}

static double mean_health(const struct net *net) {
    struct kith_book_status status;
    kith_core_book_status(net->nodes[0].core, net->now, &status);
    return status.mean_health;
}

static uint64_t contradictions(const struct net *net) {
    return kith_core_stats(net->nodes[0].core)->contradictions;
}

/* What node 1 does between two looks: nothing bad, or something. The other peer never suffers. */
struct watch {
    double liar;
    double other;
    double mean;
};

static struct watch look(const struct net *net) {
    return (struct watch){health(net, 1, 0), health(net, 2, 0), mean_health(net)};
}

static void judge(const struct net *net, const struct watch *before, int verdict) {
    struct watch after = look(net);
    assert_true(after.other >= before->other - 0.01); /* time alone brings it towards a half */
    if (verdict == BAD) {
        assert_true(after.liar < 0.75 * before->liar);
        assert_true(after.mean < before->mean);
    } else {
        assert_true(after.liar >= before->liar - 0.01);
    }
}

static void put(struct net *net, unsigned i, const char *salt, const char *text) {
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    assert_int_equal(kith_value_wrap(text, strlen(text), value, &size), 0);
    struct kith_query q = {.kind = KITH_QUERY_PUT,
                           .value = value,
                           .value_size = size,
                           .salt_size = (uint8_t)strlen(salt)};
    memcpy(q.salt, salt, strlen(salt));
    (void)net_ask(net, i, &q);
}

/* Node 0 asks everybody, whatever it holds itself. */
static int get_all(struct net *net, unsigned of, const char *salt) {
    struct kith_query q = {.kind = KITH_QUERY_GET,
                           .flags = KITH_FLAG_HAS_KEY | KITH_FLAG_NEWEST,
                           .key = net->nodes[of].key,
                           .salt_size = (uint8_t)strlen(salt)};
    memcpy(q.salt, salt, strlen(salt));
    return net_ask(net, 0, &q);
}

/* ---- signatures ---- */

static void test_bad_record_in_answer(void **state) {
    struct net *net = *state;
    put(net, 2, "a", "true");
    struct watch before = look(net);
    assert_int_equal(get_all(net, 2, "a"), 0);
    judge(net, &before, GOOD);
    liar.record = true;
    before = look(net);
    assert_int_equal(get_all(net, 2, "a"), 0); /* from the others */
    judge(net, &before, BAD);
}

static void test_bad_announcement_in_answer(void **state) {
    struct net *net = *state;
    struct kith_query q = {.kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT};
    kith_topic_from_text("t", &q.point);
    assert_int_equal(net_ask(net, 2, &q), 0);
    liar.records = true;
    struct watch before = look(net);
    q.kind = KITH_QUERY_FIND;
    /* what node 0 holds itself would be reported first, and seen keys are not looked at again */
    kith_store_free(net->nodes[0].core->store);
    net->nodes[0].core->store = NULL;
    struct kith_store_config config = {.own_id = net->nodes[0].core->env.identity.id,
                                       .limits = {100, 100000, 100, 10},
                                       .random = &net->nodes[0].core->env.random,
                                       .stats = &net->nodes[0].core->env.stats};
    struct kith_core *core = net->nodes[0].core;
    assert_int_equal(kith_store_new(&core->store, &config), 0);
    core->serve.store = core->ops.store = core->gossip.store = core->store;
    /* node 2 says nothing, so that its own announcement comes from the liar alone */
    net->nodes[2].dead = true;
    assert_int_equal(net_ask(net, 0, &q), KITH_ENOT_FOUND);
    net->nodes[2].dead = false;
    struct watch after = look(net);
    assert_true(after.liar < 0.75 * before.liar);
}

static void test_bad_record_in_put(void **state) {
    struct net *net = *state;
    struct watch before = look(net);
    put(net, 1, "b", "true");
    judge(net, &before, GOOD);
    liar.request = true;
    before = look(net);
    put(net, 1, "b", "spoilt");
    judge(net, &before, BAD);
}

static void test_bad_record_in_push(void **state) {
    struct net *net = *state;
    struct kith_core *core = net->nodes[1].core;
    const struct kith_own_record *own =
        kith_own_find(&core->publish.own, &core->publish.own.peer_point, false);
    assert_non_null(own);
    struct kith_record record;
    kith_record_copy(&record, &own->record);
    for (int i = GOOD; i <= BAD; i++) {
        liar.push = i == BAD;
        struct watch before = look(net);
        /* told as if it were new, by node 1 of node 2; a repeat would not be looked at */
        core->gossip.has_told = false;
        record.seq += i == BAD;
        kith_gossip_own(&core->gossip, &record, net->now);
        net_drain(net, 1);
        net_run(net, KITH_NS_PER_S);
        judge(net, &before, i);
    }
}

/* Others cannot spoil what somebody says: a datagram that does not authenticate says nothing. */
static bool flip(struct net *net, struct net_packet *packet) {
    bool from_liar = packet->from.ip[2] == net->nodes[1].endpoint.ip[2];
    if (from_liar && packet->bytes[0] == 4 && packet->size > 60) {
        packet->bytes[packet->size - 30] ^= 1;
    }
    return true;
}

static void test_forged_counts_for_nothing(void **state) {
    struct net *net = *state;
    put(net, 2, "a", "true");
    struct watch before = look(net);
    net->hook = flip;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(get_all(net, 2, "a"), 0);
    }
    net->hook = NULL;
    assert_true(kith_core_stats(net->nodes[0].core)->drop_auth > 0);
    assert_int_equal(kith_core_stats(net->nodes[0].core)->bad_records, 0);
    /* silence may cost a little, as ever; nothing of what misconduct costs */
    assert_true(health(net, 1, 0) > 0.8 * before.liar);
}

/* ---- contradictions ---- */

static void find_something(struct net *net) {
    struct kith_query q = {.kind = KITH_QUERY_TRACE, .flags = KITH_FLAG_HAS_POINT};
    assert_int_equal(net_ask(net, 0, &q), 0);
}

static void test_names_itself_elsewhere(void **state) {
    struct net *net = *state;
    struct watch before = look(net);
    liar.elsewhere = 6; /* both may be true */
    find_something(net);
    judge(net, &before, GOOD);
    assert_int_equal(contradictions(net), 0);
    liar.elsewhere = 4;
    before = look(net);
    find_something(net);
    judge(net, &before, BAD);
    assert_true(contradictions(net) > 0);
}

static void test_own_seq_goes_back(void **state) {
    struct net *net = *state;
    liar.has_own_seq = true;
    liar.own_seq = INT64_C(2000000000000000);
    struct watch before = look(net);
    find_something(net);
    liar.own_seq++;
    find_something(net);
    judge(net, &before, GOOD);
    assert_int_equal(contradictions(net), 0);
    liar.own_seq -= 2;
    before = look(net);
    find_something(net);
    judge(net, &before, BAD);
    assert_int_equal(contradictions(net), 1);
    find_something(net); /* the same again is no new lie */
    assert_int_equal(contradictions(net), 1);
}

/* In another session it may have started anew, or be a second device of the same key. */
static void test_own_seq_of_another_session(void **state) {
    struct net *net = *state;
    liar.has_own_seq = true;
    liar.own_seq = INT64_C(2000000000000000);
    find_something(net);
    struct kith_point id;
    kith_point_of_node(&liar.key, &id);
    struct kith_entry *entry = kith_swarm_find(&net->nodes[0].core->swarm, &id);
    assert_non_null(entry);
    entry->told_in++; /* heard in the session before */
    liar.own_seq = 5;
    find_something(net);
    assert_int_equal(contradictions(net), 0);
}

/* Answers that crossed on the way are both true. */
static void test_own_seq_out_of_order(void **state) {
    struct net *net = *state;
    liar.has_own_seq = true;
    liar.own_seq = INT64_C(2000000000000000);
    find_something(net);
    struct kith_core *core = net->nodes[0].core;
    struct kith_point id;
    kith_point_of_node(&liar.key, &id);
    struct kith_entry *entry = kith_swarm_find(&core->swarm, &id);
    struct kith_request request = kith_swarm_request(&core->swarm, KITH_METHOD_PING);
    struct kith_node_ref node = kith_entry_node(entry);
    struct kith_rpc *rpc;
    assert_int_equal(kith_swarm_ask(&core->swarm, &node, &request, 0, NULL, NULL, net->now, &rpc),
                     0);
    net_drain(net, 0);
    /* while its answer is under way, a later one is taken */
    net->now += KITH_NS_PER_MS / 2;
    entry->seen = net->now;
    entry->peer_seq = liar.own_seq + 1;
    net_run(net, KITH_NS_PER_S);
    assert_int_equal(contradictions(net), 0);
}

/* ---- and then ---- */

static void test_decays(void **state) {
    struct net *net = *state;
    put(net, 2, "a", "true");
    liar.record = true;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(get_all(net, 2, "a"), 0);
    }
    double bad = health(net, 1, 0);
    assert_true(bad < 0.3);
    double later = health(net, 1, 6 * HOUR);
    assert_true(later - (bad + 0.5) / 2 < 0.01 && (bad + 0.5) / 2 - later < 0.01);
    assert_true(health(net, 1, 96 * HOUR) > 0.49);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_bad_record_in_answer),      CASE(test_bad_announcement_in_answer),
        CASE(test_bad_record_in_put),         CASE(test_bad_record_in_push),
        CASE(test_forged_counts_for_nothing), CASE(test_names_itself_elsewhere),
        CASE(test_own_seq_goes_back),         CASE(test_own_seq_of_another_session),
        CASE(test_own_seq_out_of_order),      CASE(test_decays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
