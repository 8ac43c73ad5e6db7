/* SPDX-License-Identifier: MIT */
/*
 * scenario_reflect: everything that a stranger can send in the name of a victim that never speaks,
 * kith's and Mainline's. What one datagram brings is watched by sim/amplify.h; here, what comes in
 * all.
 */
#include <stdlib.h>

#include "core/core_internal.h"
#include "core/session/session_internal.h"
#include "sim/sniff.h"
#include "sim/swarm.h"

enum { ATTACKED = 10 }; /* hosts */

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
static void reflect_initiations(struct kith_sim_sniff *sniff, struct kith_sim_host *to) {
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
            kith_sim_forge_key(&forged, sniff->world, NULL);
            kith_sim_forge_initiation(&forged, &to->key, kith_span(request, size), sizes[j]);
            kith_sim_sniff_send_as_victim(sniff, &forged.datagram, to);
        }
    }
}

static void reflect_who(struct kith_sim_sniff *sniff, struct kith_sim_host *to) {
    static const size_t sizes[] = {17, 18, 60, 115, 116, 117, 600, KITH_DATAGRAM_MAX};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct kith_sim_bytes who;
        kith_sim_forge_who(&who, sniff->world, sizes[i]);
        kith_sim_sniff_send_as_victim(sniff, &who, to);
    }
}

/* Questions inside a session that is his, from where the victim is. */
static void reflect_roaming(struct kith_sim_sniff *sniff, struct kith_sim_host *to) {
    uint8_t request[KITH_DATAGRAM_MAX];
    struct kith_sim_forged forged;
    struct kith_endpoint at = sniff->attacker;
    if (!kith_sim_sniff_open_session(sniff, &forged, &at, to)) {
        return;
    }
    for (unsigned i = 0; i < METHODS; i++) {
        size_t size = encode(methods[i], &to->id, request, sizeof(request));
        kith_sim_forge_data(&forged, kith_span(request, size));
        kith_sim_sniff_send_as_victim(sniff, &forged.datagram, to);
    }
}

/* What a host is told of the attacker, in the hope that it writes to him. False: it did not. */
static bool lure(struct kith_sim_sniff *sniff, struct kith_sim_host *to,
                 const struct kith_key *key) {
    struct kith_contact contact = {.endpoint = sniff->attacker, .has_key = key != NULL};
    if (key != NULL) {
        contact.key = *key;
    }
    sniff->got.size = 0;
    int r = kith_core_add_contact(to->core, &contact, KITH_CONTACT_PEER, sniff->world->now);
    kith_sim_world_settle(sniff->world, to);
    kith_sim_run_s(sniff->world, 1);
    return r == 0 && sniff->got.size > 0;
}

/* One that is as it should be, one that is damaged behind its mac, one for nobody, one cut. */
static void send_answer(struct kith_sim_sniff *sniff, const struct kith_sim_bytes *answer,
                        size_t at_index, struct kith_sim_host *to) {
    struct kith_sim_bytes bent = *answer;
    bent.bytes[bent.size - 1] ^= 1;
    kith_sim_sniff_send_as_victim(sniff, &bent, to);
    bent = *answer;
    bent.bytes[at_index] ^= 1;
    kith_sim_sniff_send_as_victim(sniff, &bent, to);
    bent = *answer;
    bent.size = bent.size / 2;
    kith_sim_sniff_send_as_victim(sniff, &bent, to);
    kith_sim_sniff_send_as_victim(sniff, answer, to);
}

/* The host wrote to the attacker, and its answers come in the victim's name: cookies, more than a
 * handshake takes, the response, and who he is. Returns how many of both it believed. */
static uint32_t reflect_answers(struct kith_sim_sniff *sniff, struct kith_sim_host *to) {
    enum { COOKIES = 5, INDEX_COOKIE = 4, INDEX_RESPONSE = 8 };
    const struct kith_stats *stats = kith_core_stats(to->core);
    struct kith_sim_forged forged;
    uint64_t before = stats->cookies_received + stats->handshakes_completed;
    kith_sim_network_new_address(&sniff->world->network, 4, &sniff->attacker);
    kith_sim_forge_key(&forged, sniff->world, NULL);
    bool lured = lure(sniff, to, &forged.identity.key);
    for (unsigned i = 0; lured && i < COOKIES; i++) { /* it repeats its initiation each time */
        if (kith_sim_forge_heard(&forged, kith_span(sniff->got.bytes, sniff->got.size))) {
            kith_sim_forge_cookie(&forged);
            send_answer(sniff, &forged.datagram, INDEX_COOKIE, to);
        }
    }
    if (lured && kith_sim_forge_heard(&forged, kith_span(sniff->got.bytes, sniff->got.size))) {
        kith_sim_forge_response(&forged, &to->key);
        send_answer(sniff, &forged.datagram, INDEX_RESPONSE, to);
        kith_sim_sniff_send_as_victim(sniff, &forged.datagram, to);
    }
    uint64_t after = stats->cookies_received + stats->handshakes_completed;
    kith_sim_network_new_address(&sniff->world->network, 4, &sniff->attacker);
    kith_sim_forge_key(&forged, sniff->world, NULL);
    if (lure(sniff, to, NULL)) {
        kith_sim_forge_iam(&forged, kith_span(sniff->got.bytes, sniff->got.size), &to->v4);
        send_answer(sniff, &forged.datagram, 1, to);
    }
    return (uint32_t)(after - before);
}

static void reflect_kith(struct kith_sim_run *run) {
    struct kith_sim_world world;
    struct kith_sim_sniff sniff;
    uint32_t n_believed = 0;
    kith_sim_swarm_init(&world, run);
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_sniff_init(&sniff, &world);
    for (uint32_t i = 0; i < ATTACKED; i++) {
        struct kith_sim_host *to = world.hosts[i % world.n_hosts];
        reflect_initiations(&sniff, to);
        kith_sim_run_s(&world, 2);
        reflect_who(&sniff, to);
        reflect_roaming(&sniff, to);
        n_believed += reflect_answers(&sniff, to);
        kith_sim_run_s(&world, 2);
    }
    kith_sim_run_s(&world, 120); /* what comes later */
    kith_sim_report_number(&run->report, "kith_sent", (double)sniff.n_in, 0);
    kith_sim_report_number(&run->report, "kith_reflected", (double)sniff.n_out, 0);
    kith_sim_report_number(&run->report, "kith_bytes_ratio",
                           (double)sniff.bytes_out / (double)sniff.bytes_in, 3);
    kith_sim_report_number(&run->report, "kith_answers_believed", n_believed, 0);
    struct kith_stats stats;
    kith_sim_world_stats(&world, &stats);
    kith_sim_expect(run, stats.drop_amplification == 0, "%llu answers were only just withheld",
                    (unsigned long long)stats.drop_amplification);
    kith_sim_expect(run, sniff.n_out > 0, "nothing was answered at all");
    kith_sim_expect(run, n_believed > 0, "no host took a forged cookie or response");
    kith_sim_sniff_expect_no_more(run, &sniff);
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
    struct kith_sim_sniff sniff;
    kith_sim_swarm_init(&world, run);
    world.config.mainline = true;
    kith_sim_swarm_grow(run, &world, run->options.nodes);
    kith_sim_sniff_init(&sniff, &world);
    struct kith_sim_host *to = world.hosts[0];
    uint64_t start = world.now;
    for (unsigned i = 0; i < ROUNDS * KINDS; i++) {
        struct kith_sim_bytes datagram;
        datagram.size = strlen(questions[i % KINDS]);
        memcpy(datagram.bytes, questions[i % KINDS], datagram.size);
        kith_sim_sniff_send_as_victim(&sniff, &datagram, to);
        kith_sim_world_run_until(&world, world.now + KITH_NS_PER_MS);
    }
    kith_sim_run_s(&world, 60);
    uint64_t most = sniff.bytes_in + BUDGET * (2 + (world.now - start) / KITH_NS_PER_S);
    kith_sim_report_number(&run->report, "mainline_sent", (double)sniff.n_in, 0);
    kith_sim_report_number(&run->report, "mainline_reflected", (double)sniff.n_out, 0);
    kith_sim_report_number(&run->report, "mainline_bytes_ratio",
                           (double)sniff.bytes_out / (double)sniff.bytes_in, 3);
    kith_sim_expect(run, sniff.n_out > 0, "nothing was answered at all");
    kith_sim_expect(run, sniff.bytes_out <= most, "a victim got %llu bytes, not %llu",
                    (unsigned long long)sniff.bytes_out, (unsigned long long)most);
    kith_sim_conclude_faulty(run, &world);
}

void kith_sim_scenario_reflect(struct kith_sim_run *run) {
    reflect_kith(run);
    reflect_mainline(run);
}
