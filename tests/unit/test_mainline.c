/* SPDX-License-Identifier: MIT */
/* Whole nodes in Mainline: joining, items, peers, rendezvous, and what strangers may send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mainline_net.h"

/* Through one node they all find each other; each learns its address, takes an id that belongs to
 * it (BEP 42), proves itself reachable and stops calling itself read-only (BEP 43). */
static void test_join(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 24);
    for (unsigned i = 0; i < net.n; i++) {
        struct kith_mainline_status status = status_of(&net, i);
        const struct kith_mainline_family_status *v4 = &status.families[0];
        assert_true(v4->ready);
        assert_true(v4->nodes >= 8);
        assert_int_equal(status.reachable, KITH_REACHABLE_YES);
        assert_false(v4->read_only);
        assert_memory_equal(v4->observed.ip, net.nodes[i].endpoint.ip, 4);
        assert_true(kith_target_id_valid(&v4->id, &net.nodes[i].endpoint));
        assert_int_equal(kith_core_stats(net.nodes[i].core)->contradictions, 0);
    }
    net_deinit(&net);
}

static void test_mutable_item(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    mainline(&net, 24);
    struct kith_query q = put_query("first", KITH_SWARM_MAINLINE, value);
    memcpy(q.salt, "foobar", 6);
    q.salt_size = 6;
    assert_int_equal(net_ask(&net, 3, &q), 0);
    assert_int_equal(net.seen.result.asked, 8);
    assert_true(net.seen.result.acks >= net.seen.result.quorum);
    int64_t first = net.seen.result.seq;

    struct kith_query get = {.kind = KITH_QUERY_GET,
                             .flags = KITH_FLAG_HAS_KEY,
                             .key = net.nodes[3].key,
                             .salt_size = 6};
    memcpy(get.salt, "foobar", 6);
    assert_int_equal(net_ask(&net, 17, &get), 0);
    assert_int_equal(net.seen.record.seq, first);
    assert_memory_equal(net.seen.record.value, "5:first", 7);
    assert_int_equal(net.seen.result.sources, KITH_SOURCE_MAINLINE);

    /* By its target alone, whoever signed it; the salt has to be known, since answers leave it out.
     */
    struct kith_query by_target = {.kind = KITH_QUERY_GET,
                                   .flags = KITH_FLAG_HAS_POINT,
                                   .swarms = KITH_SWARM_MAINLINE,
                                   .salt_size = 6};
    memcpy(by_target.salt, "foobar", 6);
    kith_target_of_key(&net.nodes[3].key, kith_span(get.salt, 6), &by_target.point);
    assert_int_equal(net_ask(&net, 9, &by_target), 0);
    assert_memory_equal(net.seen.record.key.bytes, net.nodes[3].key.bytes, 32);

    /* An update with the right and with the wrong cas. */
    q = put_query("second", KITH_SWARM_MAINLINE, value);
    memcpy(q.salt, "foobar", 6);
    q.salt_size = 6;
    q.flags |= KITH_FLAG_HAS_CAS;
    q.cas = first + 1;
    assert_int_equal(net_ask(&net, 3, &q), KITH_ECAS_MISMATCH);
    q.cas = first;
    assert_int_equal(net_ask(&net, 3, &q), 0);
    get.flags |= KITH_FLAG_NEWEST; /* a ninth node may have what eight had before */
    assert_int_equal(net_ask(&net, 17, &get), 0);
    assert_memory_equal(net.seen.record.value, "6:second", 8);

    /* An older seq loses. */
    q = put_query("third", KITH_SWARM_MAINLINE, value);
    memcpy(q.salt, "foobar", 6);
    q.salt_size = 6;
    q.flags |= KITH_FLAG_HAS_SEQ;
    q.seq = 1;
    assert_int_equal(net_ask(&net, 3, &q), KITH_EOUTDATED);
    net_deinit(&net);
}

/* Whoever puts a ready-made record compares it with what is held, though answers leave the salt
 * out.
 */
static void test_record_of_another(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    mainline(&net, 24);
    struct kith_query q = put_query("first", KITH_SWARM_MAINLINE, value);
    memcpy(q.salt, "foobar", 6);
    q.salt_size = 6;
    assert_int_equal(net_ask(&net, 3, &q), 0);
    struct kith_query get = {.kind = KITH_QUERY_GET,
                             .flags = KITH_FLAG_HAS_KEY,
                             .swarms = KITH_SWARM_MAINLINE,
                             .key = net.nodes[3].key,
                             .salt_size = 6};
    memcpy(get.salt, "foobar", 6);
    assert_int_equal(net_ask(&net, 17, &get), 0);
    struct kith_record first = net.seen.record;
    q = put_query("second", KITH_SWARM_MAINLINE, value);
    memcpy(q.salt, "foobar", 6);
    q.salt_size = 6;
    assert_int_equal(net_ask(&net, 3, &q), 0);
    int64_t second = net.seen.result.seq;

    struct kith_query outdated = {.kind = KITH_QUERY_PUT,
                                  .flags = KITH_FLAG_HAS_RECORD | KITH_FLAG_FORGET,
                                  .swarms = KITH_SWARM_MAINLINE,
                                  .record = &first};
    assert_int_equal(net_ask(&net, 9, &outdated), KITH_EOUTDATED);
    assert_int_equal(net.seen.result.seq, second);
    assert_int_equal(net.seen.result.asked, 0); /* known before anybody was asked to store it */
    assert_int_equal(kith_core_stats(net.nodes[9].core)->bad_records, 0);
    net_deinit(&net);
}

static void test_immutable_item(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    mainline(&net, 16);
    struct kith_query q = put_query("Hello World!", KITH_SWARM_MAINLINE, value);
    q.flags |= KITH_FLAG_IMMUTABLE;
    assert_int_equal(net_ask(&net, 2, &q), 0);
    static const uint8_t bep44[20] = {0xe5, 0xf9, 0x6f, 0x6f, 0x38, 0x32, 0x0f, 0x0f, 0x33, 0x95,
                                      0x9c, 0xb4, 0xd3, 0xd6, 0x56, 0x45, 0x21, 0x17, 0xaa, 0xdb};
    assert_memory_equal(net.seen.result.target.bytes, bep44, sizeof(bep44));
    struct kith_query get = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_POINT, .swarms = KITH_SWARM_MAINLINE};
    kith_target_from_bytes(bep44, &get.point);
    assert_int_equal(net_ask(&net, 11, &get), 0);
    assert_memory_equal(net.seen.record.value, "12:Hello World!", 15);
    net_deinit(&net);
}

/* Kills the `n` nodes whose ids are nearest to that of node `to`. */
static void kill_nearest(struct net *net, unsigned to, unsigned n) {
    struct kith_point target = status_of(net, to).families[0].id;
    while (n-- > 0) {
        unsigned best = to;
        for (unsigned i = 0; i < net->n; i++) {
            struct kith_point id = status_of(net, i).families[0].id;
            struct kith_point best_id = status_of(net, best).families[0].id;
            if (i != to && !net->nodes[i].dead &&
                (best == to || kith_point_compare(&target, &id, &best_id) < 0)) {
                best = i;
            }
        }
        net->nodes[best].dead = true;
    }
}

/* The k nearest that a node knows may all be gone; it knows others. */
static void test_nearest_are_dead(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 24);
    kill_nearest(&net, 5, 8);
    struct kith_query trace = {.kind = KITH_QUERY_TRACE,
                               .flags = KITH_FLAG_HAS_POINT,
                               .swarms = KITH_SWARM_MAINLINE,
                               .point = status_of(&net, 5).families[0].id};
    assert_int_equal(net_ask(&net, 5, &trace), 0);
    assert_true(net.seen.result.walk.answered >= 8);
    net_deinit(&net);
}

static void test_peers(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 20);
    struct kith_query announce = {.kind = KITH_QUERY_ANNOUNCE_PEER,
                                  .flags = KITH_FLAG_HAS_POINT,
                                  .point = {{0xaa, 1, 2, 3}},
                                  .port = 6881};
    assert_int_equal(net_ask(&net, 4, &announce), 0);
    assert_int_equal(net.seen.result.asked, 8);
    struct kith_query peers = {
        .kind = KITH_QUERY_PEERS, .flags = KITH_FLAG_HAS_POINT, .point = announce.point};
    assert_int_equal(net_ask(&net, 13, &peers), 0);
    assert_int_equal(net.seen.n_peers, 1);
    assert_memory_equal(net.seen.a_peer.ip, net.nodes[4].endpoint.ip, 4);
    assert_int_equal(net.seen.a_peer.port, 6881);
    assert_true(net.seen.result.scrape_peers > 0.5 && net.seen.result.scrape_peers < 1.5);

    struct kith_query sample = {.kind = KITH_QUERY_SAMPLE};
    assert_int_equal(net_ask(&net, 5, &sample), 0);
    assert_true(net.seen.n_samples > 0);
    assert_memory_equal(net.seen.bytes, "", 0);

    struct kith_query ping = {.kind = KITH_QUERY_PING,
                              .swarms = KITH_SWARM_MAINLINE,
                              .contact = {.endpoint = net.nodes[9].endpoint}};
    assert_int_equal(net_ask(&net, 5, &ping), 0);
    assert_int_equal(net.seen.n_pongs, 1);
    net_deinit(&net);
}

/* libtorrent answers a scrape with filters and without peers: nobody is asked both at once. */
static bool drop_peers_of_scrapes(struct net *net, struct net_packet *packet) {
    unsigned *n_scrapes = net->hook_context;
    bool scrapes = memmem(packet->bytes, packet->size, "6:scrapei1e", 11) != NULL;
    *n_scrapes += scrapes;
    return !scrapes;
}

static void test_peers_without_scrape(void **state) {
    (void)state;
    struct net net;
    unsigned n_scrapes = 0;
    mainline(&net, 20);
    struct kith_query q = {.kind = KITH_QUERY_ANNOUNCE_PEER,
                           .flags = KITH_FLAG_HAS_POINT,
                           .point = {{0xbb, 1, 2, 3}},
                           .port = 6881};
    assert_int_equal(net_ask(&net, 4, &q), 0);
    net.hook = drop_peers_of_scrapes;
    net.hook_context = &n_scrapes;
    q.kind = KITH_QUERY_PEERS;
    assert_int_equal(net_ask(&net, 13, &q), 0);
    assert_int_equal(net.seen.n_peers, 1);
    assert_int_equal(n_scrapes, 8 * 2); /* each is sent twice */
    assert_true(net.seen.result.scrape_peers == 0);
    net_deinit(&net);
}

/* libtorrent ignores for 5 minutes who sends it 50 datagrams within 10 seconds. */
enum { BAN_DATAGRAMS = 50 };

struct arrivals {
    uint64_t at[BAN_DATAGRAMS]; /* ring of the latest */
    unsigned n;
    bool banned;
};

static bool watch_arrivals(struct net *net, struct net_packet *packet) {
    struct arrivals *a = net->hook_context;
    if (kith_endpoint_equal(&packet->to, &net->nodes[0].endpoint)) {
        uint64_t *oldest = &a->at[a->n % BAN_DATAGRAMS];
        a->banned =
            a->banned || (a->n >= BAN_DATAGRAMS && packet->at - *oldest < 10 * KITH_NS_PER_S);
        *oldest = packet->at;
        a->n++;
    }
    return true;
}

static void test_pace_to_one_node(void **state) {
    (void)state;
    struct net net;
    struct arrivals arrivals = {.n = 0};
    mainline(&net, 2);
    net.hook = watch_arrivals;
    net.hook_context = &arrivals;
    struct kith_query get = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_POINT, .swarms = KITH_SWARM_MAINLINE};
    for (unsigned i = 0; i < 200; i++) {
        get.point.bytes[0] = (uint8_t)i;
        assert_int_equal(net_ask(&net, 1, &get), KITH_ENOT_FOUND);
    }
    assert_true(arrivals.n >= 200);
    assert_false(arrivals.banned);
    net_deinit(&net);
}

/* One signature, both swarms; a get takes the newest from wherever it is. */
static void test_both_swarms(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_init(&net);
    for (unsigned i = 0; i < 16; i++) {
        add_node(&net, "kith");
        if (i > 0) {
            join_mainline(&net, i, 0);
            net_join(&net, i, 0, true);
        }
    }
    net_run(&net, 60 * KITH_NS_PER_S);
    struct kith_query q = put_query("everywhere", KITH_SWARM_MAINLINE, value);
    q.swarms = KITH_SWARM_KITH | KITH_SWARM_MAINLINE;
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_true(net.seen.result.asked > 8);
    assert_int_equal(net.seen.result.mainline_asked, 8);
    assert_true(net.seen.result.mainline_acks >= net.seen.result.mainline_quorum);
    struct kith_record both = net.seen.record;

    struct kith_query get = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[1].key};
    for (unsigned where = KITH_SWARM_KITH; where <= KITH_SWARM_MAINLINE; where++) {
        get.swarms = where;
        assert_int_equal(net_ask(&net, 12, &get), 0);
        assert_memory_equal(net.seen.record.signature, both.signature, KITH_SIGNATURE_SIZE);
    }

    q = put_query("newer, in Mainline only", KITH_SWARM_MAINLINE, value);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    get.swarms = 0;
    assert_int_equal(net_ask(&net, 12, &get), 0);
    assert_memory_equal(net.seen.record.value + 3, "newer", 5);
    assert_true((net.seen.result.sources & KITH_SOURCE_MAINLINE) != 0);

    q = put_query("newest, in kith only", KITH_SWARM_MAINLINE, value);
    q.swarms = KITH_SWARM_KITH;
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_int_equal(net_ask(&net, 12, &get), 0);
    assert_memory_equal(net.seen.record.value + 3, "newest", 6);
    net_deinit(&net);
}

static bool drop_mainline(struct net *net, struct net_packet *packet) {
    (void)net;
    return packet->bytes[0] != 'd';
}

/* Once one swarm has found something, the other has half a second to come up with a newer one. */
static void test_a_silent_swarm_is_not_waited_for(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_init(&net);
    for (unsigned i = 0; i < 40; i++) {
        add_node(&net, "kith");
        if (i > 0) {
            join_mainline(&net, i, 0);
            net_join(&net, i, 0, true);
        }
    }
    net_run(&net, 60 * KITH_NS_PER_S);
    struct kith_query q = put_query("in kith", KITH_SWARM_KITH, value);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    struct kith_query get = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[1].key};
    net.hook = drop_mainline;
    uint64_t began = net.now;
    assert_int_equal(net_ask(&net, 9, &get), 0);
    assert_true(net.seen.has_record);
    assert_true((net.seen.result.sources & KITH_SOURCE_MAINLINE) == 0);
    assert_in_range((net.now - began) / KITH_NS_PER_MS, 500, 600);
    net_deinit(&net);
}

/* A swarm of IPv6 alone (BEP 32): ids of IPv6 addresses, 38-byte contacts, 18-byte peers. */
static void test_ipv6(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    uint8_t seed[KITH_SEED_SIZE];
    char network[16];
    net_init(&net);
    for (unsigned i = 0; i < 20; i++) {
        struct kith_core_config config = net_config(&net, i, seed);
        snprintf(network, sizeof(network), "net-%u", i);
        config.network = network;
        config.mainline = true;
        config.has_v4 = false;
        config.has_v6 = true;
        net_add_config(&net, &config);
        net.nodes[i].endpoint = net_endpoint6(i);
        kith_core_set_bound(net.nodes[i].core, &net.nodes[i].endpoint, 1, net.now);
        if (i > 0) {
            join_mainline(&net, i, 0);
        }
    }
    net_run(&net, 120 * KITH_NS_PER_S);
    for (unsigned i = 0; i < net.n; i++) {
        struct kith_mainline_status status = status_of(&net, i);
        assert_false(status.families[0].on);
        assert_true(status.families[1].ready && status.families[1].nodes >= 8);
        assert_true(kith_target_id_valid(&status.families[1].id, &net.nodes[i].endpoint));
        assert_int_equal(status.reachable, KITH_REACHABLE_YES);
    }
    struct kith_query q = put_query("six", KITH_SWARM_MAINLINE, value);
    assert_int_equal(net_ask(&net, 3, &q), 0);
    assert_int_equal(net.seen.result.asked, 8);
    struct kith_query get = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[3].key};
    assert_int_equal(net_ask(&net, 12, &get), 0);
    struct kith_query peers = {.kind = KITH_QUERY_ANNOUNCE_PEER,
                               .flags = KITH_FLAG_HAS_POINT,
                               .point = {{0xaa, 6}},
                               .port = 6881};
    assert_int_equal(net_ask(&net, 4, &peers), 0);
    peers.kind = KITH_QUERY_PEERS;
    assert_int_equal(net_ask(&net, 13, &peers), 0);
    assert_memory_equal(net.seen.a_peer.ip, net.nodes[4].endpoint.ip, 16);
    net_deinit(&net);
}

/* Two nodes that share nothing but the name of a network meet in Mainline, and a peer record is
 * found there too. */
static void test_rendezvous(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 16);
    unsigned a = add_node(&net, "friends");
    join_mainline(&net, a, 2);
    net_run(&net, 30 * KITH_NS_PER_S);
    net.n_ready = 0;
    unsigned b = add_node(&net, "friends");
    join_mainline(&net, b, 5);
    uint64_t limit = net.now + 60 * KITH_NS_PER_S;
    while (net.n_ready < 2 && net_step(&net, limit)) {
    }
    assert_int_equal(net.n_ready, 2);
    struct kith_query q = {
        .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[a].key};
    assert_int_equal(net_ask(&net, b, &q), 0);
    assert_memory_equal(net.seen.peer.endpoints[0].ip, net.nodes[a].endpoint.ip, 4);

    /* A node of the network that has not met anybody yet finds the record in Mainline. */
    q.swarms = KITH_SWARM_MAINLINE;
    net_run(&net, 60 * KITH_NS_PER_S);
    assert_int_equal(net_ask(&net, b, &q), 0);
    assert_int_equal(net.seen.result.sources & KITH_SOURCE_MAINLINE, KITH_SOURCE_MAINLINE);
    net_deinit(&net);
}

/* ---- one node, seen from the wire ---- */

/* Unknown queries with a target are answered as find_node; without one, with error 204. */
static void test_unknown_query(void **state) {
    (void)state;
    struct net net;
    uint8_t answer[KITH_WIRE_MAX];
    mainline(&net, 4);
    static const char with[] =
        "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q4:what1:t2:aa1:y1:qe";
    size_t size = ask_raw(&net, &stranger, with, sizeof(with) - 1, answer);
    assert_true(contains(answer, size, "5:nodes78:"));
    static const char without[] = "d1:ad2:id20:abcdefghij0123456789e1:q4:what1:t2:aa1:y1:qe";
    size = ask_raw(&net, &stranger, without, sizeof(without) - 1, answer);
    assert_true(contains(answer, size, "i204e"));
    net_deinit(&net);
}

/* Replies that nobody asked for, from the wrong port, with our own id or another than expected,
 * change nothing. */
static void test_forged_replies(void **state) {
    (void)state;
    struct net net;
    uint8_t answer[KITH_WIRE_MAX];
    net_init(&net);
    add_node(&net, "kith");
    struct kith_core *core = net.nodes[0].core;
    struct kith_datagram d;
    struct kith_endpoint there = {.family = 4, .port = 5000, .ip = {88, 1, 2, 3}};
    assert_int_equal(kith_core_mainline_add(core, &there, KITH_CONTACT_SEED, net.now), 0);
    kith_core_tick(core, net.now);
    assert_true(kith_core_next_datagram(core, &d));
    const uint8_t *t = memmem(d.bytes, d.size, "1:t4:", 5);
    assert_non_null(t);
    char reply[128];
    static const char head[] = "d1:rd2:id20:mnopqrstuvwxyz123456e1:t4:";
    memcpy(reply, head, sizeof(head) - 1);
    memcpy(reply + sizeof(head) - 1, t + 5, 4);
    memcpy(reply + sizeof(head) + 3, "1:y1:re", 7);
    size_t size = sizeof(head) + 3 + 7;

    struct kith_endpoint wrong_port = there;
    wrong_port.port++;
    ask_raw(&net, &wrong_port, reply, size, answer);
    assert_int_equal(kith_core_stats(core)->drop_unmatched, 1);
    assert_int_equal(status_of(&net, 0).families[0].nodes, 0);

    char ours[128];
    memcpy(ours, reply, size);
    memcpy(ours + 12, status_of(&net, 0).families[0].id.bytes, 20);
    ask_raw(&net, &there, ours, size, answer);
    assert_int_equal(kith_core_stats(core)->bad_ids, 1);
    assert_int_equal(status_of(&net, 0).families[0].nodes, 0);

    /* The question was answered, however badly: the right answer comes too late. */
    ask_raw(&net, &there, reply, size, answer);
    assert_int_equal(kith_core_stats(core)->drop_unmatched, 2);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_mutable_item),
        cmocka_unit_test(test_record_of_another),
        cmocka_unit_test(test_immutable_item),
        cmocka_unit_test(test_nearest_are_dead),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_peers_without_scrape),
        cmocka_unit_test(test_pace_to_one_node),
        cmocka_unit_test(test_both_swarms),
        cmocka_unit_test(test_a_silent_swarm_is_not_waited_for),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_rendezvous),
        cmocka_unit_test(test_unknown_query),
        cmocka_unit_test(test_forged_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
