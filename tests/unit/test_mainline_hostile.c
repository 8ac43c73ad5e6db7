/* SPDX-License-Identifier: MIT */
/*
 * A node of Mainline among liars: forged questions and what they may cost us and others, hosts that
 * are many nodes, crowds of made-up peers, doubtful words about our address, and what our own
 * network's addresses are to strangers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mainline_net.h"

#define ID "abcdefghij0123456789"
#define HASH "mnopqrstuvwxyz123456"
#define FIND "d1:ad2:id20:" ID "6:target20:" HASH "e1:q9:find_node1:t2:aa1:y1:qe"
#define GET_PEERS "d1:ad2:id20:" ID "9:info_hash20:" HASH "e1:q9:get_peers1:t2:aa1:y1:qe"

/* ---- forged questions ---- */

struct flood {
    size_t larger; /* bytes of answers that are longer than their question */
    unsigned unanswered;
};

static void flood(struct net *net, const struct kith_endpoint *from, const void *question,
                  size_t size, struct flood *flood) {
    uint8_t answer[KITH_WIRE_MAX];
    size_t got = ask_raw(net, from, question, size, answer);
    flood->larger += got > size ? got : 0;
    flood->unanswered += got == 0;
}

/* What comes back of a flood is bounded per prefix, and nobody is silenced by it: also of the
 * flooded prefix every question gets what fits into its own size. */
static void test_forged_strangers(void **state) {
    (void)state;
    struct net net;
    struct flood sum = {0};
    uint8_t answer[KITH_WIRE_MAX];
    mainline(&net, 20);
    for (unsigned i = 0; i < 5000; i++) {
        struct kith_endpoint forged = stranger;
        forged.ip[3] = (uint8_t)(1 + i % 250);
        flood(&net, &forged, FIND, sizeof(FIND) - 1, &sum);
    }
    assert_true(sum.larger > 8 * 1024 && sum.larger < 24 * 1024);
    assert_int_equal(sum.unanswered, 0);
    size_t size = ask_text(&net, &stranger, GET_PEERS, answer);
    assert_true(size <= sizeof(GET_PEERS) - 1 && contains(answer, size, "5:token8:"));
    struct kith_endpoint honest = {.family = 4, .port = 4000, .ip = {55, 1, 2, 3}};
    size = ask_text(&net, &honest, FIND, answer);
    assert_true(contains(answer, size, "5:nodes208:"));
    net_deinit(&net);
}

/* Forged sources of all prefixes together have a budget, too. */
static void test_forged_from_everywhere(void **state) {
    (void)state;
    struct net net;
    struct flood sum = {0};
    mainline(&net, 20);
    for (unsigned i = 0; i < 5000; i++) {
        struct kith_endpoint forged = {
            .family = 4, .port = 4000, .ip = {99, (uint8_t)(i / 250), (uint8_t)(i % 250), 3}};
        flood(&net, &forged, FIND, sizeof(FIND) - 1, &sum);
    }
    assert_true(sum.larger > 256 * 1024 && sum.larger < 513 * 1024);
    assert_int_equal(sum.unanswered, 0);
    net_deinit(&net);
}

/* Who is in our table we tell everybody: such a node is as easily forged, and has a budget of its
 * own. */
static void test_forged_member(void **state) {
    (void)state;
    struct net net;
    struct flood sum = {0};
    uint8_t answer[KITH_WIRE_MAX];
    char question[] = FIND;
    mainline(&net, 20);
    memcpy(question + 12, status_of(&net, 7).families[0].id.bytes, 20);
    for (unsigned i = 0; i < 5000; i++) {
        flood(&net, &net.nodes[7].endpoint, question, sizeof(FIND) - 1, &sum);
    }
    assert_true(sum.larger > 8 * 1024 && sum.larger < 24 * 1024);
    assert_int_equal(sum.unanswered, 0);
    memcpy(question + 12, status_of(&net, 8).families[0].id.bytes, 20);
    size_t size = ask_raw(&net, &net.nodes[8].endpoint, question, sizeof(FIND) - 1, answer);
    assert_true(contains(answer, size, "5:nodes208:"));
    size = ask_text(&net, &stranger, FIND, answer);
    assert_true(contains(answer, size, "5:nodes208:"));
    net_deinit(&net);
}

static struct kith_torrents *torrents_of(const struct net *net, unsigned i) {
    return net->nodes[i].core->mainline->families[0]->torrents;
}

/* BEP 32: without an item no answer is longer than 1,024 bytes, however much there is to tell. */
static void test_largest_answer(void **state) {
    (void)state;
    struct net net;
    struct kith_point hash;
    uint8_t answer[KITH_WIRE_MAX];
    mainline(&net, 20);
    kith_target_from_bytes((const uint8_t *)HASH, &hash);
    for (unsigned i = 0; i < 100; i++) {
        struct kith_endpoint peer = {.family = 4, .port = 6881, .ip = {101, 1, (uint8_t)i, 1}};
        assert_int_equal(
            kith_torrents_announce(torrents_of(&net, 0), &hash, &peer, i % 2 == 0, net.now), 0);
    }
    static const char scrape[] = "d1:ad2:id20:" ID "9:info_hash20:" HASH
                                 "6:scrapei1e4:wantl2:n42:n6ee1:q9:get_peers1:t2:aa1:y1:qe";
    size_t size = ask_text(&net, &stranger, scrape, answer);
    assert_true(size > 600 && size <= 1024);
    size = ask_text(&net, &stranger, GET_PEERS, answer);
    assert_true(size > 600 && size <= 1024 && contains(answer, size, "6:valuesl6:"));
    net_deinit(&net);
}

/* The hundreds of hashes of a scrape are no cheaper where the question is as long as the answer. */
static void test_padded_scrapes(void **state) {
    (void)state;
    struct net net;
    struct kith_point hash;
    struct kith_endpoint peer = {.family = 4, .port = 6881, .ip = {101, 1, 1, 1}};
    uint8_t answer[KITH_WIRE_MAX];
    char pad[800];
    char question[1200];
    unsigned n_filters = 0;
    mainline(&net, 3);
    kith_target_from_bytes((const uint8_t *)HASH, &hash);
    assert_int_equal(kith_torrents_announce(torrents_of(&net, 0), &hash, &peer, false, net.now), 0);
    memset(pad, 'x', sizeof(pad));
    pad[sizeof(pad) - 1] = '\0';
    int n = snprintf(question, sizeof(question),
                     "d1:ad2:id20:" ID "9:info_hash20:" HASH
                     "6:scrapei1ee1:q9:get_peers1:t2:aa1:y1:q2:zz799:%se",
                     pad);
    for (unsigned i = 0; i < 1000; i++) {
        size_t size = ask_raw(&net, &stranger, question, (size_t)n, answer);
        assert_true(size > 0);
        n_filters += contains(answer, size, "4:BFpe256:");
    }
    assert_in_range(n_filters, 1, 40); /* 16 KiB at once, 8 KiB a second */
    net_deinit(&net);
}

/* ---- writes ---- */

/* Signatures that anybody with an address can have us look at are counted on his prefix. */
static void test_flood_of_puts(void **state) {
    (void)state;
    struct net net;
    static const struct kith_endpoint other = {.family = 4, .port = 9, .ip = {98, 1, 2, 3}};
    const struct kith_endpoint *from[] = {&stranger, &other};
    unsigned n_looked_at[2] = {0, 0};
    uint8_t answer[KITH_WIRE_MAX];
    struct kith_key key = {.bytes = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"};
    struct kith_point target;
    net_init(&net);
    add_node(&net, "kith");
    kith_target_of_key(&key, kith_span(NULL, 0), &target);
    for (unsigned i = 0; i < 1000; i++) {
        const struct kith_endpoint *who = from[i > 900];
        char question[400];
        int n = snprintf(question, sizeof(question), "d1:ad2:id20:" ID "6:target20:");
        memcpy(question + n, target.bytes, 20);
        static const char get_tail[] = "e1:q3:get1:t2:aa1:y1:qe";
        memcpy(question + n + 20, get_tail, sizeof(get_tail));
        size_t size = ask_raw(&net, who, question, (size_t)n + 20 + sizeof(get_tail) - 1, answer);
        const uint8_t *token = memmem(answer, size, "5:token8:", 9);
        assert_non_null(token);
        n = snprintf(question, sizeof(question),
                     "d1:ad2:id20:" ID "1:k32:%.32s3:seqi%ue3:sig64:%.32s%.32s5:token8:",
                     (const char *)key.bytes, i, (const char *)key.bytes, (const char *)key.bytes);
        memcpy(question + n, token + 9, 8);
        static const char put_tail[] = "1:v1:xe1:q3:put1:t2:aa1:y1:qe";
        memcpy(question + n + 8, put_tail, sizeof(put_tail));
        size = ask_raw(&net, who, question, (size_t)n + 8 + sizeof(put_tail) - 1, answer);
        n_looked_at[i > 900] += contains(answer, size, "i206e");
        assert_true(contains(answer, size, "i206e") || contains(answer, size, "i202e"));
    }
    assert_int_equal(n_looked_at[0], 100);
    assert_int_equal(n_looked_at[1], 99);
    net_deinit(&net);
}

/* ---- one host, many nodes ---- */

enum { SYBILS = 16 };

static struct {
    struct kith_point target;
    bool hosts; /* each has an address of its own */
    bool tells; /* of made-up peers */
    unsigned n_puts;
} sybil;

static const struct kith_endpoint sybil_host = {.family = 4, .port = 1000, .ip = {66, 6, 6, 6}};

/* Nearer to the target than anybody honest. */
static void sybil_id(unsigned number, uint8_t id[20]) {
    memcpy(id, sybil.target.bytes, 20);
    id[18] ^= 1;
    id[19] ^= (uint8_t)number;
}

/* The host answers every question as the node of the port it came to, and tells of all its others.
 */
static bool play_sybils(struct net *net, struct net_packet *packet) {
    struct net_packet answer = {.from = packet->to, .to = packet->from, .at = net->now};
    const uint8_t *txn = memmem(packet->bytes, packet->size, "1:t4:", 5);
    unsigned number = sybil.hosts ? packet->to.ip[2] : packet->to.port - sybil_host.port;
    if (memcmp(packet->to.ip, sybil_host.ip, sybil.hosts ? 2 : 4) != 0) {
        return true;
    }
    sybil.n_puts += contains(packet->bytes, packet->size, "1:q3:put") &&
                    memmem(packet->bytes, packet->size, sybil.target.bytes, 20) != NULL;
    if (txn != NULL && contains(packet->bytes, packet->size, "1:y1:q")) {
        struct kith_writer w = kith_writer(answer.bytes, sizeof(answer.bytes));
        uint8_t id[20];
        sybil_id(number, id);
        kith_write_bytes(&w, "d1:rd2:id20:", 12);
        kith_write_bytes(&w, id, sizeof(id));
        kith_write_bytes(&w, "5:nodes416:", 11);
        for (unsigned i = 0; i < SYBILS; i++) {
            sybil_id(i, id);
            kith_write_bytes(&w, id, sizeof(id));
            uint8_t ip[4];
            memcpy(ip, sybil_host.ip, sizeof(ip));
            ip[2] = sybil.hosts ? (uint8_t)i : ip[2];
            kith_write_bytes(&w, ip, sizeof(ip));
            kith_write_u16(&w, (uint16_t)(sybil_host.port + (sybil.hosts ? 0 : i)));
        }
        kith_write_bytes(&w, "5:token1:x", 10);
        if (sybil.tells) {
            kith_write_bytes(&w, "6:valuesl", 9);
            for (unsigned i = 0; i < SYBILS; i++) {
                kith_write_bytes(&w, "6:", 2);
                kith_write_bytes(&w, (uint8_t[]){66, (uint8_t)number, (uint8_t)i, 1, 9, 9}, 6);
            }
            kith_write_bytes(&w, "e", 1);
        }
        kith_write_bytes(&w, "e1:t4:", 6);
        kith_write_bytes(&w, txn + 5, 4);
        kith_write_bytes(&w, "1:y1:re", 7);
        answer.size = kith_writer_size(&w);
        net->queue[net->tail++ % NET_QUEUE] = answer;
    }
    return false;
}

/* One host that is the sixteen nearest nodes gets one copy, and cannot keep the others' away. */
static void test_one_host_is_many_nodes(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    mainline(&net, 24);
    struct kith_query q = put_query("v", KITH_SWARM_MAINLINE, value);
    kith_target_of_key(&net.nodes[3].key, kith_span(NULL, 0), &sybil.target);
    sybil.n_puts = 0;
    net.hook = play_sybils;
    assert_int_equal(
        kith_core_mainline_add(net.nodes[3].core, &sybil_host, KITH_CONTACT_PEER, net.now), 0);
    net_run(&net, 60 * KITH_NS_PER_S);
    assert_int_equal(net_ask(&net, 3, &q), 0);
    assert_int_equal(net.seen.result.asked, 8);
    assert_int_equal(sybil.n_puts, 1);
    struct kith_query get = {
        .kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[3].key};
    assert_int_equal(net_ask(&net, 17, &get), 0);
    net_deinit(&net);
}

/* With BEP 42 enforced nobody is stored on who chose his id, however many hosts he has. */
static void test_enforced_ids(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    uint8_t seed[KITH_SEED_SIZE];
    mainline(&net, 24);
    sybil.hosts = true;
    net.hook = play_sybils;
    for (unsigned enforced = 0; enforced < 2; enforced++) {
        struct kith_core_config config = net_config(&net, net.n, seed);
        config.mainline = true;
        config.network = enforced ? "strict" : "lenient";
        config.mainline_enforce_ids = enforced;
        unsigned node = net_add_config(&net, &config);
        join_mainline(&net, node, 2);
        kith_target_of_key(&net.nodes[node].key, kith_span(NULL, 0), &sybil.target);
        struct kith_endpoint one = sybil_host;
        one.ip[2] = 0;
        assert_int_equal(
            kith_core_mainline_add(net.nodes[node].core, &one, KITH_CONTACT_PEER, net.now), 0);
        net_run(&net, 60 * KITH_NS_PER_S);
        sybil.n_puts = 0;
        struct kith_query q = put_query("v", KITH_SWARM_MAINLINE, value);
        assert_int_equal(net_ask(&net, node, &q), 0);
        assert_int_equal(net.seen.result.asked, 8);
        /* Neighbours are trusted with some of the copies only, with enforcement with none. */
        assert_true(enforced ? sybil.n_puts == 0 : sybil.n_puts > 2);
    }
    sybil.hosts = false;
    net_deinit(&net);
}

/* Peers of an info-hash are what a node says they are: a crowd whose ids are not their addresses'
 * fills a third of what was asked for, and the walk goes on to those who can be told apart. */
static void test_made_up_peers(void **state) {
    (void)state;
    struct net net;
    struct kith_query q = {.flags = KITH_FLAG_HAS_POINT, .point = {{0xaa, 1, 2, 3}}, .port = 6881};
    mainline(&net, 24);
    for (unsigned i = 0; i < 8; i++) {
        q.kind = KITH_QUERY_ANNOUNCE_PEER;
        assert_int_equal(net_ask(&net, i, &q), 0);
    }
    sybil.target = q.point;
    sybil.hosts = true;
    sybil.tells = true;
    net.hook = play_sybils;
    struct kith_endpoint one = sybil_host;
    one.ip[2] = 0;
    assert_int_equal(kith_core_mainline_add(net.nodes[12].core, &one, KITH_CONTACT_PEER, net.now),
                     0);
    net_run(&net, 60 * KITH_NS_PER_S);
    q.kind = KITH_QUERY_PEERS;
    q.n = 9;
    assert_int_equal(net_ask(&net, 12, &q), 0);
    assert_int_equal(net.seen.n_peers, 9);
    assert_in_range(net.seen.peers_of[66], 1, 3);
    sybil.hosts = false;
    sybil.tells = false;
    net_deinit(&net);
}

/* ---- a crowd at the rendezvous ---- */

/* Hundreds of endpoints are announced under the name of the network, which anybody can do: a few
 * are asked, by lot, and few of one prefix. */
static void test_crowded_rendezvous(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 12);
    unsigned a = add_node(&net, "crowd");
    const struct kith_core *core = net.nodes[a].core;
    for (unsigned i = 0; i < 12; i++) {
        for (unsigned j = 0; j < 100; j++) {
            bool crowd = j % 2 == 0;
            struct kith_endpoint peer = {.family = 4, .port = 7700, .ip = {103, 1, 1, (uint8_t)j}};
            memcpy(peer.ip, crowd ? (uint8_t[]){104, (uint8_t)i, (uint8_t)j, 1} : peer.ip, 4);
            assert_int_equal(kith_torrents_announce(torrents_of(&net, i),
                                                    &core->mainline->meeting_point, &peer, false,
                                                    net.now),
                             0);
        }
    }
    join_mainline(&net, a, 2);
    while (core->mainline->n_meets == 0 || core->mainline->meeting) {
        assert_true(net_step(&net, net.now + KITH_NS_PER_S));
    }
    unsigned n_of_one = 0;
    const struct kith_list *l = kith_list_first(&core->maintain.boots);
    for (; l != NULL; l = kith_list_next(&core->maintain.boots, l)) {
        const struct kith_boot *boot = kith_container_of(l, struct kith_boot, all);
        n_of_one += boot->contact.endpoint.ip[0] == 103;
    }
    assert_int_equal(core->maintain.n_boots, 64);
    assert_int_equal(n_of_one, 4);
    net_deinit(&net);
}

/* ---- our address ---- */

static struct {
    unsigned who;
    unsigned n; /* answers to it */
    void (*change)(uint8_t *seen, const struct net_packet *packet);
} lies;

/* Changes what the answers to one node say of its endpoint. */
static bool lie_about_address(struct net *net, struct net_packet *packet) {
    uint8_t *ip = memmem(packet->bytes, packet->size, "2:ip6:", 6);
    if (kith_endpoint_equal(&packet->to, &net->nodes[lies.who].endpoint) && ip != NULL) {
        lies.change(ip + 6, packet);
        lies.n++;
    }
    return true;
}

static void another_port(uint8_t *seen, const struct net_packet *packet) {
    memcpy(seen + 4, packet->from.ip + 1, 2);
}

/* Behind a NAT with a port for each peer no endpoint is seen twice, but the address is the same. */
static void test_nat_with_many_ports(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 16);
    net.hook = lie_about_address;
    lies.who = add_node(&net, "behind");
    lies.change = another_port;
    join_mainline(&net, lies.who, 2);
    net_run(&net, 120 * KITH_NS_PER_S);
    struct kith_mainline_family_status v4 = status_of(&net, lies.who).families[0];
    assert_true(kith_target_id_valid(&v4.id, &net.nodes[lies.who].endpoint));
    net_deinit(&net);
}

/* Two ways out, changing every few answers. */
static void another_address(uint8_t *seen, const struct net_packet *packet) {
    (void)packet;
    seen[3] = lies.n / 16 % 2 == 0 ? 7 : 77;
}

static void test_two_addresses(void **state) {
    (void)state;
    struct net net;
    unsigned n_changes = 0;
    mainline(&net, 24);
    net.hook = lie_about_address;
    lies.who = 5;
    lies.n = 0;
    lies.change = another_address;
    struct kith_point before = status_of(&net, 5).families[0].id;
    for (unsigned s = 0; s < 1200; s++) {
        struct kith_query trace = {.kind = KITH_QUERY_TRACE,
                                   .flags = KITH_FLAG_HAS_POINT,
                                   .swarms = KITH_SWARM_MAINLINE,
                                   .point = {{(uint8_t)s, (uint8_t)(7 * s)}}};
        assert_int_equal(net_ask(&net, 5, &trace), 0);
        net_run(&net, KITH_NS_PER_S);
        struct kith_point id = status_of(&net, 5).families[0].id;
        n_changes += !kith_point_equal(&id, &before);
        before = id;
    }
    assert_in_range(n_changes, 1, 3);
    net_deinit(&net);
}

/* ---- our network ---- */

static size_t announce_from(struct net *net, const struct kith_endpoint *from, uint8_t *answer) {
    char question[256];
    size_t size = ask_text(net, from, GET_PEERS, answer);
    const uint8_t *token = memmem(answer, size, "5:token8:", 9);
    assert_non_null(token);
    int n = snprintf(question, sizeof(question),
                     "d1:ad2:id20:" ID "9:info_hash20:" HASH "4:porti6881e5:token8:");
    memcpy(question + n, token + 9, 8);
    static const char tail[] = "e1:q13:announce_peer1:t2:aa1:y1:qe";
    memcpy(question + n + 8, tail, sizeof(tail));
    return ask_raw(net, from, question, (size_t)n + 8 + sizeof(tail) - 1, answer);
}

/* A peer of our own network is told to nobody outside. */
static void test_private_peers(void **state) {
    (void)state;
    struct net net;
    uint8_t answer[KITH_WIRE_MAX];
    struct kith_endpoint near = {.family = 4, .port = 4000, .ip = {192, 168, 1, 5}};
    net_init(&net);
    add_node(&net, "kith");
    size_t size = announce_from(&net, &near, answer);
    assert_true(contains(answer, size, "1:y1:r"));
    static const char scrape[] =
        "d1:ad2:id20:" ID "9:info_hash20:" HASH "6:scrapei1ee1:q9:get_peers1:t2:aa1:y1:qe";
    size = ask_text(&net, &stranger, scrape, answer);
    assert_true(size > 0 && !contains(answer, size, "6:values"));
    assert_false(contains(answer, size, "BFpe"));
    near.ip[3] = 6;
    size = ask_text(&net, &near, GET_PEERS, answer);
    assert_true(contains(answer, size, "6:valuesl6:\xc0\xa8\x01\x05"));
    size = announce_from(&net, &stranger, answer);
    assert_true(contains(answer, size, "1:y1:r"));
    size = ask_text(&net, &stranger, GET_PEERS, answer);
    assert_true(contains(answer, size, "6:valuesl6:\x63\x01\x02\x03"));
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forged_strangers),
        cmocka_unit_test(test_forged_from_everywhere),
        cmocka_unit_test(test_forged_member),
        cmocka_unit_test(test_largest_answer),
        cmocka_unit_test(test_padded_scrapes),
        cmocka_unit_test(test_flood_of_puts),
        cmocka_unit_test(test_one_host_is_many_nodes),
        cmocka_unit_test(test_enforced_ids),

        cmocka_unit_test(test_made_up_peers),
        cmocka_unit_test(test_crowded_rendezvous),
        cmocka_unit_test(test_nat_with_many_ports),
        cmocka_unit_test(test_two_addresses),
        cmocka_unit_test(test_private_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
