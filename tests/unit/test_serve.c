/* SPDX-License-Identifier: MIT */
/*
 * What a node answers to requests that its own ops never send: refusals by name, limits, clients,
 * and what a peer may not do. One node asks another over a real session, message by message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core/wire/known.h"
#include "core_net.h"
#include "nomem.h"

enum { ASKER = 1, SERVER = 0 };

/* ---- one question, and what came back ---- */

struct reply {
    enum kith_rpc_outcome outcome; /* 0: none yet */
    int code;                      /* of a failure */
    bool has_seq;
    int64_t seq;
    bool has_record;
    uint32_t n_contacts;
    uint32_t n_records;
    uint32_t ttl_s;
    bool lists_asker;
    struct kith_key asker;
};

static void on_reply(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct reply *reply = context;
    if (event->outcome == KITH_RPC_RESPONSE) {
        const struct kith_response *r = event->response;
        reply->has_seq = r->has_seq;
        reply->seq = r->seq;
        reply->has_record = r->has_record;
        reply->n_contacts = r->n_contacts;
        reply->n_records = r->n_records;
        reply->ttl_s = r->ttl_s;
        for (uint32_t i = 0; i < r->n_contacts; i++) {
            reply->lists_asker |= kith_key_equal(&r->contacts[i].key, &reply->asker);
        }
    } else if (event->outcome == KITH_RPC_ERROR) {
        reply->code = event->failure->code;
        reply->has_seq = event->failure->has_seq;
        reply->seq = event->failure->seq;
    }
    if (event->outcome != KITH_RPC_SLOW && event->outcome != KITH_RPC_STALE) {
        reply->outcome = event->outcome;
    }
}

static struct reply ask_of(struct net *net, unsigned server, const struct kith_request *request) {
    struct reply reply = {.asker = net->nodes[ASKER].key};
    struct kith_node_ref node = {
        .key = net->nodes[server].key, .has_key = true, .endpoint = net->nodes[server].endpoint};
    struct kith_rpc *rpc;
    kith_point_of_node(&node.key, &node.id);
    assert_int_equal(kith_swarm_ask(&net->nodes[ASKER].core->swarm, &node, request, 0, on_reply,
                                    &reply, net->now, &rpc),
                     0);
    net_drain(net, ASKER);
    uint64_t limit = net->now + 60 * KITH_NS_PER_S;
    while (reply.outcome == 0 && net_step(net, limit)) {
    }
    assert_true(reply.outcome != 0);
    return reply;
}

static struct reply ask(struct net *net, const struct kith_request *request) {
    return ask_of(net, SERVER, request);
}

static struct kith_request request_of(enum kith_method method) {
    return (struct kith_request){.method = method, .want_v4 = true, .n = 20};
}

static void assert_refused(struct net *net, const struct kith_request *request, int code) {
    struct reply reply = ask(net, request);
    assert_int_equal(reply.outcome, KITH_RPC_ERROR);
    assert_int_equal(reply.code, code);
}

/* A put of a record signed by somebody who is not even in the network. */
static struct kith_request put_of(struct kith_record *record, const char *salt, int64_t seq,
                                  const char *value) {
    struct kith_identity identity;
    struct kith_request request = request_of(KITH_METHOD_PUT);
    kith_test_identity(&identity, 0x77);
    assert_int_equal(kith_record_sign(record, &identity, &kith_curve_sodium, kith_span_text(salt),
                                      seq, kith_span_text(value)),
                     0);
    kith_record_view(record, &request.record);
    return request;
}

/* ---- put ---- */

static void test_put(void **state) {
    struct net net;
    struct kith_record record;
    net_swarm(&net, 3);
    struct kith_request put = put_of(&record, "s", 5, "1:b");
    struct reply reply = ask(&net, &put);
    assert_int_equal(reply.outcome, KITH_RPC_RESPONSE);
    assert_int_equal(reply.seq, 5);
    assert_int_equal(reply.ttl_s, 24 * 3600);

    /* Again the same: kept longer, no failure. */
    assert_int_equal(ask(&net, &put).outcome, KITH_RPC_RESPONSE);

    /* Older, and as old but smaller: told what is held. */
    put = put_of(&record, "s", 4, "1:z");
    reply = ask(&net, &put);
    assert_int_equal(reply.code, KITH_WIRE_SEQ_TOO_LOW);
    assert_true(reply.has_seq);
    assert_int_equal(reply.seq, 5);
    put = put_of(&record, "s", 5, "1:a");
    assert_refused(&net, &put, KITH_WIRE_SEQ_TOO_LOW);

    put = put_of(&record, "s", 6, "1:c");
    put.has_cas = true;
    put.cas = 4;
    reply = ask(&net, &put);
    assert_int_equal(reply.code, KITH_WIRE_CAS_MISMATCH);
    assert_int_equal(reply.seq, 5);

    /* A get that has seen this seq is told so without the record. */
    struct kith_request get = request_of(KITH_METHOD_GET);
    kith_record_point(&put.record, &get.target);
    get.has_seq = true;
    get.seq = 5;
    reply = ask(&net, &get);
    assert_false(reply.has_record);
    assert_int_equal(reply.seq, 5);
    get.seq = 4;
    assert_true(ask(&net, &get).has_record);
    net_deinit(&net);
}

/* Each way a record can be wrong has its code, and each is counted. */
static void test_bad_records(void **state) {
    struct net net;
    struct kith_record record;
    net_swarm(&net, 3);
    const struct kith_stats *stats = kith_core_stats(net.nodes[SERVER].core);
    struct kith_request put = put_of(&record, "s", 1, "1:a");
    record.signature[0] ^= 1;
    assert_refused(&net, &put, KITH_WIRE_BAD_SIGNATURE);

    put = put_of(&record, "s", 1, "1:a");
    record.value[0] = '2'; /* says two bytes, has one */
    assert_refused(&net, &put, KITH_WIRE_PROTOCOL);

    put = put_of(&record, "s", 1, "1:a");
    record.value[2] = 'b'; /* another value under the same signature */
    assert_refused(&net, &put, KITH_WIRE_BAD_SIGNATURE);
    assert_int_equal(stats->bad_records, 3);
    net_deinit(&net);
}

/* What the decoder lets through is checked again: limits do not depend on the codec. */
static void test_oversized_records(void **state) {
    static const uint8_t big[KITH_VALUE_MAX + 1] = {0};
    static const struct {
        size_t salt;
        size_t value;
    } rows[] = {{KITH_SALT_MAX + 1, 3}, {1, KITH_VALUE_MAX + 1}};
    struct net net;
    struct kith_record record;
    net_swarm(&net, 2);
    struct kith_core *core = net.nodes[SERVER].core;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kith_request put = put_of(&record, "s", 1, "1:a");
        struct kith_message message = {.kind = KITH_MESSAGE_REQUEST, .u = {.request = put}};
        message.u.request.record.salt.size = rows[i].salt;
        message.u.request.record.salt.data = big;
        message.u.request.record.value = kith_span(big, rows[i].value);
        struct kith_delivery delivery = {.kind = KITH_DELIVERY_DATA,
                                         .key = net.nodes[ASKER].key,
                                         .from = net.nodes[ASKER].endpoint,
                                         .allowance = {.proven = true},
                                         .answer_max = 1000};
        uint64_t before = kith_core_stats(core)->bad_records;
        kith_serve_request(&core->serve, &delivery, &message, net.now);
        assert_int_equal(kith_core_stats(core)->bad_records, before + 1);
        assert_int_equal(core->env.stats.errors_sent, 0); /* no such session: nothing is sent */
    }
    net_deinit(&net);
}

/* A store without room says so; the nearest records stay (the table of bounds). */
static void test_full_store(void **state) {
    struct net net;
    struct kith_record record;
    uint8_t seed[KITH_SEED_SIZE];
    net_init(&net);
    struct kith_core_config config = net_config(&net, 0, seed);
    config.limits.records = 1;
    net_add_config(&net, &config);
    net_join(&net, net_add(&net), 0, true);
    net_run(&net, 30 * KITH_NS_PER_S);
    unsigned refused = 0;
    for (char c = 'a'; c < 'a' + 12; c++) {
        char salt[2] = {c, 0};
        struct kith_request put = put_of(&record, salt, 1, "1:a");
        struct reply reply = ask(&net, &put);
        if (reply.outcome == KITH_RPC_ERROR) {
            assert_int_equal(reply.code, KITH_WIRE_FULL);
            refused++;
        }
    }
    assert_true(refused > 0);
    net_deinit(&net);
}

/* While the server deals with what it is sent, its n-th allocation fails. */
static bool without_memory(struct net *net, struct net_packet *packet) {
    if (kith_endpoint_equal(&packet->from, &net->nodes[SERVER].endpoint)) {
        (void)nomem_end();
    } else if (kith_endpoint_equal(&packet->to, &net->nodes[SERVER].endpoint)) {
        nomem_begin(*(long *)net->hook_context, false);
    }
    return true;
}

/* Who has no memory for a record has not got a full store, and says which of both it is. */
static void test_no_memory(void **state) {
    struct net net;
    struct kith_record record;
    unsigned failed = 0;
    long n = 1;
    net_swarm(&net, 2);
    struct kith_request ping = request_of(KITH_METHOD_PING);
    assert_int_equal(ask(&net, &ping).outcome, KITH_RPC_RESPONSE); /* the session is there */
    net.hook_context = &n;
    net.hook = without_memory;
    for (; n <= 8; n++) {
        char salt[2] = {(char)('a' + n), 0};
        struct kith_request put = put_of(&record, salt, 1, "1:a");
        struct reply reply = ask(&net, &put);
        if (reply.outcome == KITH_RPC_ERROR) {
            assert_int_equal(reply.code, KITH_WIRE_SERVER);
            failed++;
        }
    }
    assert_true(failed > 0);
    net.hook = NULL;
    net_deinit(&net);
}

/* ---- announce, topic ---- */

static struct kith_request announce_of(struct kith_record *record, const struct kith_point *topic,
                                       int64_t seq) {
    struct kith_identity identity;
    uint8_t salt[KITH_SALT_MAX];
    struct kith_request request = request_of(KITH_METHOD_ANNOUNCE);
    size_t size = kith_topic_salt(topic, salt);
    kith_test_identity(&identity, 0x77);
    assert_int_equal(kith_record_sign(record, &identity, &kith_curve_sodium, kith_span(salt, size),
                                      seq, kith_span_text("2:\x80\x80")),
                     0);
    kith_record_view(record, &request.record);
    request.target = *topic;
    return request;
}

static void test_announce(void **state) {
    struct net net;
    struct kith_record record;
    struct kith_point topic = {{9, 8, 7}};
    struct kith_point other = {{7, 8, 9}};
    net_swarm(&net, 2);
    struct kith_request announce = announce_of(&record, &topic, 3);
    struct reply reply = ask(&net, &announce);
    assert_int_equal(reply.outcome, KITH_RPC_RESPONSE);
    assert_int_equal(reply.ttl_s, 7200);
    struct kith_request find = request_of(KITH_METHOD_TOPIC);
    find.target = topic;
    assert_int_equal(ask(&net, &find).n_records, 1);
    find.n = 0; /* as many as fit */
    assert_int_equal(ask(&net, &find).n_records, 1);

    /* An announcement made for one topic cannot be put under another. */
    announce.target = other;
    assert_refused(&net, &announce, KITH_WIRE_PROTOCOL);
    announce = announce_of(&record, &topic, 4);
    record.signature[63] ^= 0x10;
    assert_refused(&net, &announce, KITH_WIRE_BAD_SIGNATURE);
    announce = announce_of(&record, &topic, 2);
    assert_refused(&net, &announce, KITH_WIRE_SEQ_TOO_LOW);
    net_deinit(&net);
}

/* ---- exchange, reach ---- */

static void test_exchange(void **state) {
    struct net net;
    net_swarm(&net, 10);
    struct kith_request exchange = request_of(KITH_METHOD_EXCHANGE);
    struct reply reply = ask(&net, &exchange);
    /* At most 23% of those it knows, rounded up: nobody gets the whole book at once. */
    /* Those whose peer record it holds come as that; and its own comes with them. */
    assert_in_range(reply.n_contacts + reply.n_records, 1, 3 + 1);
    assert_false(reply.lists_asker);
    exchange.n = 2;
    reply = ask(&net, &exchange);
    assert_true(reply.n_contacts + reply.n_records <= 2 + 1);
    /* Of a family that the server has not: an empty answer, not a failure. */
    exchange.want_v4 = false;
    exchange.want_v6 = true;
    reply = ask(&net, &exchange);
    assert_int_equal(reply.outcome, KITH_RPC_RESPONSE);
    assert_int_equal(reply.n_contacts, 0);
    /* None named: that of the question. */
    exchange.want_v6 = false;
    net_run(&net, 30 * KITH_NS_PER_S); /* the asker asks by itself, too: not too often, then */
    reply = ask(&net, &exchange);
    assert_true(reply.n_contacts + reply.n_records > 1);

    struct kith_request reach = request_of(KITH_METHOD_REACH);
    reach.family = 4;
    assert_int_equal(ask(&net, &reach).outcome, KITH_RPC_RESPONSE);
    net_deinit(&net);
}

/* ---- contacts ---- */

/* What the asker has is left out, and nothing comes in its place; a contact it has at another
 * endpoint is told. */
static void test_known_contacts(void **state) {
    static const uint8_t salt[KITH_KNOWN_SALT] = {1, 2, 3, 4};
    struct net net;
    net_swarm(&net, 10);
    struct kith_request find = request_of(KITH_METHOD_FIND);
    find.target.bytes[0] = 0x5a;
    assert_int_equal(ask(&net, &find).n_contacts, 8);
    struct kith_known known;
    kith_known_init(&known, salt);
    for (unsigned i = 2; i < 7; i++) {
        struct kith_endpoint endpoint = net.nodes[i].endpoint;
        endpoint.port = (uint16_t)(endpoint.port + (i == 6));
        assert_true(kith_known_add(&known, &net.nodes[i].key, &endpoint));
    }
    find.known = kith_span(known.bytes, known.size);
    assert_int_equal(ask(&net, &find).n_contacts, 4);
    find.method = KITH_METHOD_GET;
    assert_int_equal(ask(&net, &find).n_contacts, 4);
    find.method = KITH_METHOD_FIND;
    find.n = 1;
    assert_true(ask(&net, &find).n_contacts <= 1);
    net_deinit(&net);
}

/* ---- who may what ---- */

/* A client answers for itself only: pings, and gets of what it published. */
static void test_client_serves_itself(void **state) {
    struct net net;
    struct kith_record record;
    uint8_t value[KITH_VALUE_MAX];
    uint8_t seed[KITH_SEED_SIZE];
    uint16_t size;
    net_swarm(&net, 3);
    struct kith_core_config config = net_config(&net, net.n, seed);
    config.client = true;
    unsigned client = net_add_config(&net, &config);
    net_join(&net, client, 0, true);
    net_run(&net, 10 * KITH_NS_PER_S);
    assert_int_equal(kith_value_wrap("own", 3, value, &size), 0);
    struct kith_query query = {.kind = KITH_QUERY_PUT, .value = value, .value_size = size};
    assert_int_equal(net_ask(&net, client, &query), 0);

    struct kith_request ping = request_of(KITH_METHOD_PING);
    assert_int_equal(ask_of(&net, client, &ping).outcome, KITH_RPC_RESPONSE);
    struct kith_request get = request_of(KITH_METHOD_GET);
    get.target = net.seen.result.point;
    assert_true(ask_of(&net, client, &get).has_record);
    get.target.bytes[0] ^= 1;
    assert_int_equal(ask_of(&net, client, &get).code, KITH_WIRE_METHOD_UNKNOWN);
    struct kith_request find = request_of(KITH_METHOD_FIND);
    assert_int_equal(ask_of(&net, client, &find).code, KITH_WIRE_METHOD_UNKNOWN);
    struct kith_request put = put_of(&record, "s", 1, "1:a");
    assert_int_equal(ask_of(&net, client, &put).code, KITH_WIRE_METHOD_UNKNOWN);
    net_deinit(&net);
}

/* A write from an address that nobody has proven is refused before its signature is looked at. */
static void test_unproven_write(void **state) {
    struct net net;
    struct kith_record record;
    net_swarm(&net, 2);
    struct kith_core *core = net.nodes[SERVER].core;
    static const enum kith_delivery_kind kinds[] = {KITH_DELIVERY_INITIATION, KITH_DELIVERY_DATA};
    for (size_t i = 0; i < 2; i++) {
        struct kith_message message = {.kind = KITH_MESSAGE_REQUEST,
                                       .u = {.request = put_of(&record, "s", 1, "1:a")}};
        struct kith_delivery delivery = {.kind = kinds[i],
                                         .key = net.nodes[ASKER].key,
                                         .from = net.nodes[ASKER].endpoint,
                                         .answer_max = 100};
        kith_serve_request(&core->serve, &delivery, &message, net.now);
        assert_int_equal(kith_core_stats(core)->drop_early, i + 1);
    }
    struct kith_request get = request_of(KITH_METHOD_GET);
    struct kith_request put = put_of(&record, "s", 1, "1:a");
    kith_record_point(&put.record, &get.target);
    assert_false(ask(&net, &get).has_record);
    net_deinit(&net);
}

/* So is all else that costs more than it brings, or speaks for the asker's address. */
static void test_unproven_methods(void **state) {
    (void)state;
    static const enum kith_method methods[] = {KITH_METHOD_PUT, KITH_METHOD_ANNOUNCE,
                                               KITH_METHOD_TALK, KITH_METHOD_EXCHANGE,
                                               KITH_METHOD_REACH};
    struct net net;
    net_swarm(&net, 2);
    struct kith_core *core = net.nodes[SERVER].core;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct kith_message message = {.kind = KITH_MESSAGE_REQUEST,
                                       .u = {.request = request_of(methods[i])}};
        struct kith_delivery delivery = {.kind = KITH_DELIVERY_DATA,
                                         .key = net.nodes[ASKER].key,
                                         .from = net.nodes[ASKER].endpoint,
                                         .answer_max = 100};
        kith_serve_request(&core->serve, &delivery, &message, net.now);
        assert_int_equal(kith_core_stats(core)->drop_early, i + 1);
    }
    net_deinit(&net);
}

/* A holder may ask for a shorter life, never for a longer one. */
static void test_ttl_is_no_longer(void **state) {
    (void)state;
    static const uint32_t asked[] = {600, KITH_RECORD_LIFETIME_S + 1, UINT32_MAX, 0};
    struct net net;
    net_swarm(&net, 2);
    struct kith_store *store = net.nodes[SERVER].core->serve.store;
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        static const char *const salts[] = {"a", "b", "c", "d"};
        struct kith_record record;
        struct kith_request put = put_of(&record, salts[i], 1, "1:a");
        struct kith_point point;
        struct kith_held held;
        put.ttl_s = asked[i];
        (void)ask(&net, &put);
        kith_record_point(&put.record, &point);
        assert_true(kith_store_get(store, &point, net.now, &held));
        assert_true(held.expires - held.stored ==
                    (i == 0 ? asked[0] : (uint64_t)KITH_RECORD_LIFETIME_S) * KITH_NS_PER_S);
    }
    net_deinit(&net);
}

/* ---- signatures cost time ---- */

static unsigned n_verified;

static int count_verify(const uint8_t signature[64], const void *message, size_t size,
                        const uint8_t public_key[32]) {
    n_verified++;
    return kith_curve_sodium.verify(signature, message, size, public_key);
}

/* How many of `n` puts at once are verified. */
static unsigned verified_of(struct net *net, const struct kith_endpoint *from, unsigned n) {
    struct kith_core *core = net->nodes[SERVER].core;
    struct kith_record record;
    struct kith_message message = {.kind = KITH_MESSAGE_REQUEST,
                                   .u = {.request = put_of(&record, "s", 1, "1:a")}};
    struct kith_delivery delivery = {.kind = KITH_DELIVERY_DATA,
                                     .key = net->nodes[ASKER].key,
                                     .from = *from,
                                     .allowance = {.proven = true},
                                     .answer_max = 1000};
    n_verified = 0;
    for (unsigned i = 0; i < n; i++) {
        kith_serve_request(&core->serve, &delivery, &message, net->now);
    }
    return n_verified;
}

/* Whoever has a session could have any number of signatures verified, at 50 us each. What one
 * network may is not all there is, and comes back. */
static void test_flood_of_writes(void **state) {
    struct kith_curve counting = kith_curve_sodium;
    struct net net;
    net_swarm(&net, 2);
    counting.verify = count_verify;
    net.nodes[SERVER].core->env.curve = &counting;
    struct kith_endpoint neighbour = net.nodes[ASKER].endpoint;
    struct kith_endpoint other = net_endpoint(40);
    neighbour.ip[3]++;
    assert_int_equal(verified_of(&net, &net.nodes[ASKER].endpoint, 3000), 500);
    assert_int_equal(verified_of(&net, &neighbour, 10), 0);
    assert_int_equal(verified_of(&net, &other, 10), 10);
    net.now += KITH_NS_PER_S;
    assert_int_equal(verified_of(&net, &neighbour, 1000), 250);
    unsigned n_all = 0;
    for (unsigned i = 0; i < 20; i++) { /* all networks together */
        other = net_endpoint(50 + i);
        n_all += verified_of(&net, &other, 500);
    }
    assert_in_range(n_all, 3000, 4000 - 250);
    net.nodes[SERVER].core->env.curve = &kith_curve_sodium;
    net_deinit(&net);
}

/* ---- talk ---- */

static void test_talk_names(void **state) {
    struct net net;
    char name[KITH_PROTOCOL_NAME_MAX + 2];
    net_init(&net);
    struct kith_core *core = net.nodes[net_add(&net)].core;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(kith_core_talk_handle(core, name, true), KITH_EINVALID);
    assert_int_equal(kith_core_talk_handle(core, "", true), KITH_EINVALID);
    assert_int_equal(kith_core_talk_handle(core, "never set", false), 0);
    for (unsigned i = 0; i < KITH_TALK_NAMES_MAX; i++) {
        snprintf(name, sizeof(name), "p%u", i);
        assert_int_equal(kith_core_talk_handle(core, name, true), 0);
        assert_int_equal(kith_core_talk_handle(core, name, true), 0); /* once is enough */
    }
    assert_int_equal(kith_core_talk_handle(core, "one more", true), KITH_EFULL);
    assert_int_equal(kith_core_talk_handle(core, "p3", false), 0);
    assert_int_equal(kith_core_talk_handle(core, "one more", true), 0);
    net_deinit(&net);
}

/* Messages that the application leaves unanswered are bounded; the next ones are told "busy". */
static void test_talk_pending(void **state) {
    struct net net;
    net_swarm(&net, 2);
    struct kith_core *core = net.nodes[SERVER].core;
    assert_int_equal(kith_core_talk_handle(core, "echo", true), 0);
    struct kith_request talk = request_of(KITH_METHOD_TALK);
    talk.protocol = kith_span_text("echo");
    talk.bytes = kith_span_text("hello");
    struct kith_message message = {.kind = KITH_MESSAGE_REQUEST, .u = {.request = talk}};
    struct kith_delivery delivery = {.kind = KITH_DELIVERY_DATA,
                                     .key = net.nodes[ASKER].key,
                                     .from = net.nodes[ASKER].endpoint,
                                     .allowance = {.proven = true},
                                     .answer_max = 1000};
    uint64_t tokens[KITH_TALK_PENDING_MAX + 4];
    size_t n = 0;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        kith_serve_request(&core->serve, &delivery, &message, net.now);
    }
    struct kith_core_event event;
    while (kith_core_next_event(core, &event)) {
        if (event.kind == KITH_CORE_TALK) {
            tokens[n++] = event.talk.token;
        }
    }
    assert_int_equal(n, KITH_TALK_PENDING_MAX);
    /* Answers: too long counts as a refusal; each token answers once; unknown ones do nothing. */
    static const uint8_t long_answer[KITH_TALK_MAX + 1] = {0};
    kith_core_talk_answer(core, tokens[0], 0, long_answer, sizeof(long_answer), net.now);
    kith_core_talk_answer(core, tokens[1], KITH_EREFUSED, NULL, 0, net.now);
    kith_core_talk_answer(core, tokens[1], 0, "again", 5, net.now);
    kith_core_talk_answer(core, 0, 0, "nobody", 6, net.now);
    for (unsigned i = 0; i < 3; i++) {
        kith_serve_request(&core->serve, &delivery, &message, net.now);
    }
    n = 0;
    while (kith_core_next_event(core, &event)) {
        n += event.kind == KITH_CORE_TALK;
    }
    assert_int_equal(n, 2); /* two places had become free */
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_bad_records),
        cmocka_unit_test(test_oversized_records),
        cmocka_unit_test(test_full_store),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_announce),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_known_contacts),
        cmocka_unit_test(test_client_serves_itself),
        cmocka_unit_test(test_unproven_write),
        cmocka_unit_test(test_unproven_methods),
        cmocka_unit_test(test_ttl_is_no_longer),
        cmocka_unit_test(test_flood_of_writes),
        cmocka_unit_test(test_talk_names),
        cmocka_unit_test(test_talk_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
