/* SPDX-License-Identifier: MIT */
/* Peer exchange: how often it is answered, and the signed records that go with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
#include "core/core_internal.h"
#include "core_net.h"

#define HOUR (3600 * KITH_NS_PER_S)

/* ---- quotas ---- */

static struct kith_quota a_quota(void) {
    return (struct kith_quota){
        .limit = {.interval_ns = 5 * KITH_NS_PER_S, .burst_ns = 15 * KITH_NS_PER_S}};
}

/* The pace of an honest peer, as early as jitter and the network can make it, for a week. */
static void test_quota_normal_pace(void **state) {
    (void)state;
    struct kith_quota quota = a_quota();
    uint64_t chance[4];
    struct kith_random random = kith_test_random(chance, 7);
    uint64_t asked = HOUR;
    for (unsigned i = 0; i < 50000; i++) {
        asked += kith_random_jitter(&random, UINT64_C(14142) * KITH_NS_PER_MS, 20);
        uint64_t late = kith_random_below(&random, 2 * KITH_NS_PER_S);
        assert_true(kith_quota_take(&quota, 77, asked + late));
    }
    assert_true(quota.capacity <= 4); /* who has not asked lately needs no memory */
    kith_quota_deinit(&quota);
}

static void test_quota_flood(void **state) {
    (void)state;
    struct kith_quota quota = a_quota();
    unsigned served = 0;
    for (unsigned ms = 0; ms < 100000; ms++) {
        uint64_t now = HOUR + ms * KITH_NS_PER_MS;
        served += kith_quota_take(&quota, 1, now);
        if (ms % 11313 == 0) {
            assert_true(kith_quota_take(&quota, 2, now)); /* others do not notice */
        }
    }
    assert_in_range(served, 100 / 5, 100 / 5 + 4);
    for (uint64_t tag = 3; tag < 10000; tag++) { /* made-up keys cost no more than this */
        assert_true(kith_quota_take(&quota, tag, HOUR + 100 * KITH_NS_PER_S));
    }
    assert_int_equal(quota.capacity, KITH_QUOTA_MAX);
    kith_quota_deinit(&quota);
}

/* ---- asking ---- */

struct reply {
    bool done;
    int code;
    bool truncated;
    uint32_t n_contacts;
    struct kith_contact contacts[KITH_MESSAGE_CONTACTS_MAX];
    uint32_t n_records;
    struct kith_record records[KITH_MESSAGE_RECORDS_MAX];
};

static void on_reply(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct reply *reply = context;
    (void)rpc;
    if (event->outcome == KITH_RPC_RESPONSE) {
        const struct kith_response *r = event->response;
        reply->truncated = r->truncated;
        reply->n_contacts = r->n_contacts;
        reply->n_records = r->n_records;
        for (uint32_t i = 0; i < r->n_contacts; i++) {
            reply->contacts[i].key = r->contacts[i].key;
            reply->contacts[i].endpoint = r->contacts[i].endpoint;
        }
        for (uint32_t i = 0; i < r->n_records; i++) {
            assert_int_equal(kith_record_verify(&r->records[i], &kith_curve_sodium, NULL), 0);
            kith_record_copy(&reply->records[i], &r->records[i]);
        }
    } else if (event->outcome == KITH_RPC_ERROR) {
        reply->code = event->failure->code;
    }
    reply->done = event->outcome != KITH_RPC_SLOW && event->outcome != KITH_RPC_STALE;
}

static struct kith_node_ref node_of(const struct net *net, unsigned i) {
    struct kith_node_ref node = {
        .key = net->nodes[i].key, .has_key = true, .endpoint = net->nodes[i].endpoint};
    kith_point_of_node(&node.key, &node.id);
    return node;
}

/* One exchange of `asker` with node 0; seq < 0: it knows nothing of it. */
static struct reply exchange(struct net *net, unsigned asker, uint32_t n, int64_t seq) {
    static struct reply reply;
    struct kith_request request = {
        .method = KITH_METHOD_EXCHANGE, .want_v4 = true, .n = n, .has_seq = seq >= 0};
    request.seq = request.has_seq ? seq : 0;
    struct kith_node_ref node = node_of(net, 0);
    struct kith_rpc *rpc;
    reply = (struct reply){0};
    assert_int_equal(kith_swarm_ask(&net->nodes[asker].core->swarm, &node, &request, 0, on_reply,
                                    &reply, net->now, &rpc),
                     0);
    net_drain(net, asker);
    uint64_t limit = net->now + 60 * KITH_NS_PER_S;
    while (!reply.done && net_step(net, limit)) {
    }
    assert_true(reply.done);
    return reply;
}

static uint64_t refused(const struct net *net, unsigned i) {
    return kith_core_stats(net->nodes[i].core)->exchanges_refused;
}

static void test_flood_is_refused(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 4);
    net_run(&net, 60 * KITH_NS_PER_S);
    unsigned n = 0;
    for (unsigned i = 0; i < 40; i++) {
        int code = exchange(&net, 1, 3, 1).code;
        assert_true(code == 0 || code == KITH_WIRE_TOO_OFTEN);
        n += code == 0;
    }
    assert_in_range(n, 1, 4);
    assert_int_equal(refused(&net, 0), 40 - n);
    assert_int_equal(exchange(&net, 2, 3, 1).code, 0);
    net_run(&net, 60 * KITH_NS_PER_S);
    assert_int_equal(exchange(&net, 1, 3, 1).code, 0);
    net_deinit(&net);
}

/* Neighbours in one /24 share what their prefix may have; others do not pay for them. */
static void test_prefix_is_shared(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    for (unsigned i = 0; i < 4; i++) {
        net_add(&net);
    }
    net.nodes[2].endpoint = net.nodes[1].endpoint;
    net.nodes[2].endpoint.ip[3]++;
    for (unsigned i = 1; i < 4; i++) {
        net_join(&net, i, 0, true);
    }
    net_run(&net, 60 * KITH_NS_PER_S);
    struct kith_quota *prefixes = &net.nodes[0].core->serve.exchange_prefixes;
    prefixes->limit = (struct kith_pace_limit){.interval_ns = HOUR};
    assert_int_equal(exchange(&net, 1, 3, 1).code, 0);
    assert_int_equal(exchange(&net, 2, 3, 1).code, KITH_WIRE_TOO_OFTEN);
    assert_int_equal(exchange(&net, 3, 3, 1).code, 0);
    net_deinit(&net);
}

/* Two nodes alone ask nobody but each other: the fastest pace there is. */
static void test_honest_never_refused(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 2);
    net_run(&net, 8 * HOUR);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(net.nodes[i].core->keeper.n_exchange > 1000);
        assert_int_equal(refused(&net, i), 0);
    }
    net_deinit(&net);
}

/* ---- what is in an answer ---- */

static const struct kith_record *record_of(const struct reply *reply, const struct kith_key *key) {
    for (uint32_t i = 0; i < reply->n_records; i++) {
        if (kith_key_equal(&reply->records[i].key, key)) {
            return &reply->records[i];
        }
    }
    return NULL;
}

static bool has_contact(const struct reply *reply, const struct kith_key *key) {
    for (uint32_t i = 0; i < reply->n_contacts; i++) {
        if (kith_key_equal(&reply->contacts[i].key, key)) {
            return true;
        }
    }
    return false;
}

static void test_signed_endpoints(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 12);
    net_run(&net, 10 * 60 * KITH_NS_PER_S);
    struct reply reply = exchange(&net, 5, 3, -1);
    const struct kith_record *own = record_of(&reply, &net.nodes[0].key);
    assert_non_null(own);
    assert_true(reply.n_records > 1);
    assert_in_range(reply.n_records + reply.n_contacts, 2, 4);
    assert_null(record_of(&reply, &net.nodes[5].key)); /* not the asker's own */
    for (uint32_t i = 0; i < reply.n_records; i++) {
        struct kith_peer peer;
        assert_int_equal(kith_peer_from_record(&reply.records[i], &peer), 0);
        assert_true(peer.n_endpoints > 0);
        assert_false(has_contact(&reply, &peer.key)); /* said once */
    }
    /* Who has it is not sent it again, but a newer one. */
    int64_t seq = own->seq; /* `own` lies in the reply that is overwritten now */
    reply = exchange(&net, 5, 3, seq);
    assert_null(record_of(&reply, &net.nodes[0].key));
    reply = exchange(&net, 5, 3, seq - 1);
    assert_non_null(record_of(&reply, &net.nodes[0].key));
    net_deinit(&net);
}

static struct kith_record sign_peer(unsigned i, const struct kith_endpoint *endpoint, int64_t seq,
                                    uint16_t capabilities) {
    struct kith_identity identity;
    struct kith_peer peer = {.n_endpoints = 1, .endpoints = {*endpoint}, .ttl_s = 7200};
    struct kith_record record;
    uint8_t salt[KITH_SALT_MAX];
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    if (capabilities > 0) { /* {"a": bin 16} */
        const uint8_t head[] = {
            0x81, 0xa1, 'a', 0xc5, (uint8_t)((capabilities - 6) >> 8), (uint8_t)(capabilities - 6)};
        memcpy(peer.capabilities, head, sizeof(head));
        peer.capabilities_size = capabilities;
    }
    size_t salt_size = kith_peer_salt("kith", salt);
    kith_test_identity(&identity, (uint8_t)(i + 1)); /* as net_config() does */
    assert_int_equal(kith_peer_encode(&peer, value, &size), 0);
    assert_int_equal(kith_record_sign(&record, &identity, &kith_curve_sodium,
                                      kith_span(salt, salt_size), seq, kith_span(value, size)),
                     0);
    return record;
}

static void give_card(struct net *net, unsigned i, const struct kith_record *record) {
    struct kith_record_view view;
    kith_record_view(record, &view);
    kith_cards_keep(&net->nodes[i].core->gossip.cards, &view, net->now);
}

/* As many records as fit into the datagram; the others travel as plain contacts. */
static void test_one_datagram(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 40);
    net_run(&net, 120 * KITH_NS_PER_S);
    for (unsigned i = 1; i < net.n; i++) {
        struct kith_record record =
            sign_peer(i, &net.nodes[i].endpoint, INT64_C(2000000000000000), 400);
        assert_memory_equal(record.key.bytes, net.nodes[i].key.bytes, KITH_KEY_SIZE);
        give_card(&net, 0, &record);
    }
    struct reply reply = exchange(&net, 5, 20, 1);
    assert_false(reply.truncated);
    assert_in_range(reply.n_records, 1, 3);
    assert_true(reply.n_contacts > 3);
    net_deinit(&net);
}

/* ---- what becomes of it ---- */

static size_t entries_of(const struct net *net, unsigned of, const struct kith_endpoint *endpoint) {
    const struct kith_book_entry *entries[KITH_BOOK_PER_KEY];
    const struct kith_book *book = net->nodes[1].core->keeper.book;
    size_t n = kith_book_find_key(book, &net->nodes[of].key, entries, KITH_BOOK_PER_KEY);
    size_t there = 0;
    for (size_t i = 0; i < n; i++) {
        there += kith_endpoint_equal(&entries[i]->contact.endpoint, endpoint);
    }
    return there;
}

/* Nodes 1 and 2 do not hear each other. */
static bool apart(struct net *net, struct net_packet *packet) {
    const struct kith_endpoint *a = &net->nodes[1].endpoint;
    const struct kith_endpoint *b = &net->nodes[2].endpoint;
    return !(kith_endpoint_equal(&packet->from, a) && kith_endpoint_equal(&packet->to, b)) &&
           !(kith_endpoint_equal(&packet->from, b) && kith_endpoint_equal(&packet->to, a));
}

static void begin(struct net *net) {
    net_swarm(net, 4);
    net_run(net, 300 * KITH_NS_PER_S);
}

static void test_record_moves_peer(void **state) {
    (void)state;
    struct net net;
    begin(&net);
    const struct kith_endpoint elsewhere = net_endpoint(41);
    assert_int_equal(entries_of(&net, 2, &net.nodes[2].endpoint), 1);
    struct kith_record record = sign_peer(2, &elsewhere, INT64_C(2000000000000000), 0);
    give_card(&net, 0, &record);
    net.hook = apart; /* or its own answers would say otherwise */
    struct kith_record_view card;
    struct kith_core *core = net.nodes[1].core;
    struct kith_node_ref informant = node_of(&net, 0);
    for (unsigned i = 0; i < 50 && entries_of(&net, 2, &elsewhere) == 0; i++) {
        kith_keeper_exchange(&core->keeper, &informant, net.now); /* a sample, so not at once */
        net_drain(&net, 1);
        net_run(&net, 5 * KITH_NS_PER_S); /* in all, less than it takes node 2 to publish anew */
    }
    assert_int_equal(entries_of(&net, 2, &elsewhere), 1);
    /* and is told on by who learned it */
    assert_true(kith_gossip_card(&net.nodes[1].core->gossip, &net.nodes[2].key, net.now, &card));
    assert_int_equal(card.seq, record.seq);
    net_deinit(&net);
}

/* An old one, replayed: the peer itself has told of a newer since. */
static void test_old_record_moves_nobody(void **state) {
    (void)state;
    struct net net;
    begin(&net);
    const struct kith_endpoint elsewhere = net_endpoint(41);
    struct kith_node_ref from = node_of(&net, 0);
    struct kith_record record = sign_peer(2, &elsewhere, 5, 0);
    struct kith_record_view view;
    struct kith_peer peer;
    kith_record_view(&record, &view);
    struct kith_core *core = net.nodes[1].core;
    assert_int_equal(kith_gossip_learn(&core->gossip, &view, &from, net.now, &peer),
                     KITH_BOOK_REFUSED_STALE);
    assert_int_equal(entries_of(&net, 2, &elsewhere), 0);
    assert_int_equal(entries_of(&net, 2, &net.nodes[2].endpoint), 1);
    net_deinit(&net);
}

/* Of a peer that node 1 does not know: its endpoints are hints from who showed the record, and few.
 */
static void test_record_of_unknown_is_hint(void **state) {
    (void)state;
    struct net net;
    begin(&net);
    struct kith_contact stranger = {.has_key = true, .endpoint = net_endpoint(42)};
    struct kith_record record = sign_peer(99, &stranger.endpoint, 7, 0);
    stranger.key = record.key;
    struct kith_core *teller = net.nodes[0].core;
    for (unsigned i = 0; i < 240; i++) { /* node 0 knows it alive */
        uint64_t wall_us = kith_env_wall_us(&teller->env, net.now);
        assert_true(kith_book_good(teller->keeper.book, &stranger, wall_us) > 0);
        give_card(&net, 0, &record);
        net_run(&net, 5 * KITH_NS_PER_S);
    }
    const struct kith_core *core = net.nodes[1].core;
    const struct kith_book_entry *entry = kith_book_find(core->keeper.book, &stranger);
    assert_non_null(entry);
    assert_int_equal(entry->table, KITH_BOOK_NEW);
    assert_int_equal(entry->origin, KITH_BOOK_PEX);
    assert_int_equal(entry->success_s, 0);
    struct kith_record_view card; /* nobody vouches for it to others before it answered */
    assert_false(kith_gossip_card(&core->gossip, &stranger.key, net.now, &card));
    net_deinit(&net);
}

static void test_forged_record_is_blamed(void **state) {
    (void)state;
    struct net net;
    begin(&net);
    const struct kith_endpoint elsewhere = net_endpoint(41);
    struct kith_record record = sign_peer(2, &elsewhere, INT64_C(2000000000000000), 0);
    record.signature[3] ^= 1;
    give_card(&net, 0, &record);
    const struct kith_core *core = net.nodes[1].core;
    struct kith_contact teller = {
        .has_key = true, .key = net.nodes[0].key, .endpoint = net.nodes[0].endpoint};
    uint32_t before = 0;
    for (unsigned i = 0; i < 1200 && core->env.stats.bad_records == 0; i++) {
        before = kith_book_find(core->keeper.book, &teller)->health;
        net_run(&net, KITH_NS_PER_S);
    }
    assert_int_equal(core->env.stats.bad_records, 1);
    assert_true(kith_book_find(core->keeper.book, &teller)->health < before);
    assert_int_equal(entries_of(&net, 2, &elsewhere), 0);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quota_normal_pace),
        cmocka_unit_test(test_quota_flood),
        cmocka_unit_test(test_flood_is_refused),
        cmocka_unit_test(test_prefix_is_shared),
        cmocka_unit_test(test_honest_never_refused),
        cmocka_unit_test(test_signed_endpoints),
        cmocka_unit_test(test_one_datagram),
        cmocka_unit_test(test_record_moves_peer),
        cmocka_unit_test(test_old_record_moves_nobody),
        cmocka_unit_test(test_record_of_unknown_is_hint),
        cmocka_unit_test(test_forged_record_is_blamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
