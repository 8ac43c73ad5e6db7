/* SPDX-License-Identifier: MIT */
/* Peers of the local network: asked, not believed; a whole swarm without any other contact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/endpoint.h"
#include "core/core_internal.h"
#include "core_net.h"

static struct kith_local_report report_of(const struct net *net, unsigned i, bool with_key) {
    struct kith_local_report report = {
        .has_key = with_key, .key = net->nodes[i].key, .n_endpoints = 1};
    report.endpoints[0] = net->nodes[i].endpoint;
    snprintf(report.name, sizeof(report.name), "peer-%u", i);
    return report;
}

static void appear(struct net *net, unsigned at, const struct kith_local_report *report) {
    assert_int_equal(kith_core_local_appeared(net->nodes[at].core, report, net->now), 0);
}

static struct kith_query lookup_of(const struct net *net, unsigned i) {
    return (struct kith_query){
        .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = net->nodes[i].key};
}

/* Nobody has a seed; each newcomer hears of those before it. All find all. */
static void test_swarm_from_reports_alone(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    for (unsigned i = 0; i < 6; i++) {
        net_add(&net);
        for (unsigned j = 0; j < i; j++) {
            struct kith_local_report report = report_of(&net, j, j % 2 == 0);
            appear(&net, i, &report);
        }
        net_run(&net, KITH_NS_PER_S);
    }
    net_run(&net, 5 * KITH_NS_PER_S);
    for (unsigned i = 0; i < 6; i++) {
        assert_true(net_status(&net, i).ready);
        assert_int_equal(net_status(&net, i).lan_peers, i);
        for (unsigned j = 0; j < 6; j++) {
            struct kith_query q = lookup_of(&net, j);
            assert_int_equal(net_ask(&net, i, &q), 0);
            if (j < i) {
                assert_true((net.seen.result.sources & KITH_SOURCE_LAN) != 0);
                assert_int_equal(net.seen.peer.endpoints[0].port, 7700);
            }
        }
    }
    net_deinit(&net);
}

/* A lookup right after the report, before the peer was confirmed. */
static void test_lookup_at_once(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    net_add(&net);
    struct kith_local_report report = report_of(&net, 1, true);
    appear(&net, 0, &report);
    struct kith_query q = lookup_of(&net, 1);
    uint64_t before = net.now;
    assert_int_equal(net_ask(&net, 0, &q), 0);
    assert_true(net.now - before < 50 * KITH_NS_PER_MS);
    net_deinit(&net);
}

/* The second of its addresses is the one that works. */
static void test_several_endpoints(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    net_add(&net);
    struct kith_local_report report = report_of(&net, 1, true);
    report.n_endpoints = 2;
    report.endpoints[1] = report.endpoints[0];
    report.endpoints[0] = net_endpoint(33);
    appear(&net, 0, &report);
    net_run(&net, 2 * KITH_NS_PER_S);
    assert_int_equal(net_status(&net, 0).lan_peers, 1);
    net_deinit(&net);
}

static bool drop_all(struct net *net, struct net_packet *packet) {
    (void)net;
    (void)packet;
    return false;
}

/* While it is asked in vain it is reported elsewhere, or the network changes: its first endpoint is
 * tried as soon as that question is over. */
static void test_news_while_asked(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct net net;
        net_init(&net);
        net_add(&net);
        net_add(&net);
        struct kith_core *core = net.nodes[0].core;
        struct kith_local_report report = report_of(&net, 1, true);
        appear(&net, 0, &report);
        net.hook = drop_all;
        kith_core_tick(core, net.now); /* asks */
        net_drain(&net, 0);
        net.hook = NULL;
        if (i == 0) {
            net.nodes[1].endpoint = net_endpoint(33);
            report.endpoints[0] = net.nodes[1].endpoint;
            appear(&net, 0, &report);
        } else {
            net.nodes[1].dead = true;
            kith_locals_question(&core->locals, net.now);
            net_run(&net, 310 * KITH_NS_PER_MS); /* the first question is slow: it is over */
            net.nodes[1].dead = false;
        }
        net_run(&net, KITH_NS_PER_S);
        assert_int_equal(net_status(&net, 0).lan_peers, 1);
        net_deinit(&net);
    }
}

static void test_refused_reports(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    struct kith_core *core = net.nodes[0].core;
    struct kith_local_report report = report_of(&net, 0, true); /* our own key */
    assert_int_equal(kith_core_local_appeared(core, &report, net.now), KITH_EINVALID);
    report.has_key = false;
    report.endpoints[0].port = 0;
    assert_int_equal(kith_core_local_appeared(core, &report, net.now), KITH_EINVALID);
    report.endpoints[0] = kith_test_endpoint("224.0.0.251:5353");
    assert_int_equal(kith_core_local_appeared(core, &report, net.now), KITH_EINVALID);
    for (unsigned i = 0; i < 512; i++) {
        report.endpoints[0] = net_endpoint(30);
        report.endpoints[0].port = (uint16_t)(1000 + i);
        snprintf(report.name, sizeof(report.name), "flood-%u", i);
        assert_int_equal(kith_core_local_appeared(core, &report, net.now), 0);
    }
    snprintf(report.name, sizeof(report.name), "one more");
    assert_int_equal(kith_core_local_appeared(core, &report, net.now), 0);
    assert_int_equal(core->locals.n, KITH_LOCALS_MAX); /* flood-0 gave way */
    assert_string_equal(
        kith_container_of(kith_list_first(&core->locals.all), struct kith_local, all)->report.name,
        "flood-1");
    net_deinit(&net);
}

/* While one is asked, its name is given another key: its answer says nothing of that one. */
static void test_key_changes_while_asked(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    net_add(&net);
    net_add(&net);
    struct kith_core *core = net.nodes[0].core;
    struct kith_local_report report = report_of(&net, 1, true);
    appear(&net, 0, &report);
    kith_core_tick(core, net.now); /* asks */
    net_drain(&net, 0);
    report.key = net.nodes[2].key;
    appear(&net, 0, &report);
    net_run(&net, KITH_NS_PER_S);
    const struct kith_local *local = kith_locals_find(&core->locals, &net.nodes[2].key);
    assert_non_null(local);
    assert_false(local->confirmed);
    net_deinit(&net);
}

/* Lies that were told first keep nobody out, and nobody who answered is put out. */
static void test_liars_first(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    net_add(&net);
    net_add(&net);
    struct kith_core *core = net.nodes[0].core;
    struct kith_local_report lie = report_of(&net, 1, true);
    for (unsigned i = 0; i < 3 * KITH_LOCALS_MAX; i++) {
        if (i == KITH_LOCALS_MAX / 2 || i == 2 * KITH_LOCALS_MAX) { /* among them, two true ones */
            struct kith_local_report report =
                report_of(&net, i == 2 * KITH_LOCALS_MAX ? 2 : 1, true);
            appear(&net, 0, &report);
        }
        lie.endpoints[0] = net_endpoint(30);
        lie.endpoints[0].port = (uint16_t)(1000 + i);
        lie.key.bytes[0] = (uint8_t)i;
        lie.key.bytes[1] = (uint8_t)(i >> 8);
        snprintf(lie.name, sizeof(lie.name), "lie-%u", i);
        appear(&net, 0, &lie);
        net_run(&net, KITH_NS_PER_MS);
        net_drain(&net, 0);
    }
    assert_int_equal(net_status(&net, 0).lan_peers, 2);
    assert_int_equal(core->locals.n, KITH_LOCALS_MAX);
    net_deinit(&net);
}

static void test_full_of_true_ones(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    net_add(&net);
    struct kith_local_report report = report_of(&net, 1, true);
    for (unsigned i = 0; i < KITH_LOCALS_MAX; i++) {
        snprintf(report.name, sizeof(report.name), "name-%u", i);
        appear(&net, 0, &report);
        net_drain(&net, 0);
        net_run(&net, 10 * KITH_NS_PER_MS);
    }
    assert_int_equal(kith_locals_count_confirmed(&net.nodes[0].core->locals), KITH_LOCALS_MAX);
    snprintf(report.name, sizeof(report.name), "one more");
    assert_int_equal(kith_core_local_appeared(net.nodes[0].core, &report, net.now), KITH_EFULL);
    net_deinit(&net);
}

static unsigned n_silent;

static bool count_silent(struct net *net) {
    struct kith_core_event event;
    while (kith_core_next_event(net->nodes[0].core, &event)) {
        n_silent += event.kind == KITH_CORE_LOCAL;
    }
    return true;
}

/* A liar's report and a peer that was switched off: not confirmed, asked for anew, nobody is
 * harmed. */
static void test_silent_peer(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net_add(&net);
    net_add(&net);
    struct kith_local_report report = report_of(&net, 1, true);
    report.key.bytes[4] ^= 1; /* somebody else's key at this endpoint */
    appear(&net, 0, &report);
    uint64_t limit = net.now + 20 * KITH_NS_PER_S;
    n_silent = 0;
    while (net.now < limit && n_silent == 0) {
        uint64_t deadline = kith_core_deadline(net.nodes[0].core);
        net.now = deadline > net.now ? deadline : net.now;
        kith_core_tick(net.nodes[0].core, net.now);
        count_silent(&net);
        net_drain(&net, 0);
    }
    assert_int_equal(n_silent, 1);
    assert_int_equal(net_status(&net, 0).lan_peers, 0);
    assert_int_equal(net_status(&net, 0).nodes_v4, 0);
    net_deinit(&net);
}

static int count_live(const struct kith_peer_info *info, void *user) {
    *(unsigned *)user += info->live;
    return 0;
}

static unsigned live_at(const struct net *net, unsigned i) {
    unsigned n = 0;
    kith_core_each_peer(net->nodes[i].core, net->now, count_live, &n);
    return n;
}

/* After a goodbye the peer is asked once more: one that is gone leaves the live contacts at once,
 * so that nobody waits for it; one whose avahi-daemon only restarted stays. */
static void test_goodbye(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    for (unsigned i = 0; i < 3; i++) {
        net_add(&net);
    }
    for (unsigned i = 1; i < 3; i++) {
        struct kith_local_report report = report_of(&net, i, true);
        appear(&net, 0, &report);
    }
    net_run(&net, KITH_NS_PER_S);
    assert_int_equal(live_at(&net, 0), 2);
    net.nodes[2].dead = true;
    kith_core_local_vanished(net.nodes[0].core, "peer-1", net.now);
    kith_core_local_vanished(net.nodes[0].core, "peer-2", net.now);
    net_drain(&net, 0);
    assert_int_equal(net_status(&net, 0).lan_peers, 0);
    net_run(&net, 4 * KITH_NS_PER_S);
    assert_int_equal(live_at(&net, 0), 1);
    net_deinit(&net);
}

/* A newcomer is found before it has a record, though others that the walk asks are dead. */
static void test_newcomer_without_record(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 6);
    for (unsigned i = 1; i < 6; i++) {
        net.nodes[i].dead = true;
    }
    unsigned newcomer = net_add(&net);
    struct kith_local_report report = report_of(&net, 0, true);
    appear(&net, newcomer, &report);
    net_drain(&net, newcomer);
    net_run(&net, 20 * KITH_NS_PER_MS);
    struct kith_query q = lookup_of(&net, newcomer);
    uint64_t before = net.now;
    assert_int_equal(net_ask(&net, 0, &q), 0);
    assert_true(net.now - before < 50 * KITH_NS_PER_MS);
    assert_int_equal(net.seen.peer.seq, 0);
    assert_true(kith_endpoint_equal(&net.seen.peer.endpoints[0], &net.nodes[newcomer].endpoint));
    net_deinit(&net);
}

/* A peer that appears while a lookup of it walks among dead nodes is asked as soon as it answers.
 */
static void test_appears_during_lookup(void **state) {
    (void)state;
    static const enum kith_query_kind KINDS[] = {KITH_QUERY_LOOKUP, KITH_QUERY_PING};
    for (unsigned ms = 0; ms < 2000; ms += 250) {
        struct net net;
        net_swarm(&net, 6);
        unsigned newcomer = net_add(&net);
        for (unsigned i = 1; i < 5; i++) {
            net.nodes[i].dead = true;
        }
        struct kith_query q = lookup_of(&net, newcomer);
        q.kind = KINDS[ms / 250 % 2];
        net.seen = (struct net_seen){0};
        assert_int_equal(kith_core_start(net.nodes[0].core, &q, net.now, &net.seen.op), 0);
        net_drain(&net, 0);
        net_run(&net, ms * KITH_NS_PER_MS);
        if (!net.seen.done) {
            struct kith_local_report report = report_of(&net, newcomer, true);
            appear(&net, 0, &report);
            net_run(&net, 50 * KITH_NS_PER_MS);
            assert_true(net.seen.done);
            assert_int_equal(net.seen.result.status, 0);
            assert_true(kith_endpoint_equal(&net.seen.result.contact.endpoint,
                                            &net.nodes[newcomer].endpoint));
        } else {
            assert_true(ms >= 500); /* the walk is over: nothing to be seen any more */
        }
        net_deinit(&net);
    }
}

/* Who wants the newest there is gets what the peer itself says, but others are heard, too. */
static void test_newest_is_looked_for_everywhere(void **state) {
    (void)state;
    struct net net;
    net_swarm(&net, 8);
    struct kith_local_report report = report_of(&net, 3, true);
    appear(&net, 0, &report);
    net_run(&net, KITH_NS_PER_S);
    struct kith_query q = lookup_of(&net, 3);
    assert_int_equal(net_ask(&net, 0, &q), 0);
    assert_true(net.seen.result.holders <= 1);
    q.flags |= KITH_FLAG_NEWEST;
    assert_int_equal(net_ask(&net, 0, &q), 0);
    assert_true(net.seen.has_peer);
    assert_true((net.seen.result.sources & KITH_SOURCE_LAN) != 0);
    assert_true(net.seen.result.holders >= 6); /* all but itself */
    net_deinit(&net);
}

/* Alone with the report of somebody who is not there: nobody can be asked where he is. */
static void test_nobody_but_a_false_report(void **state) {
    (void)state;
    static const enum kith_query_kind KINDS[] = {KITH_QUERY_LOOKUP, KITH_QUERY_PING};
    for (unsigned i = 0; i < 2; i++) {
        struct net net;
        net_init(&net);
        net_add(&net);
        net_add(&net);
        net.nodes[1].dead = true;
        struct kith_local_report report = report_of(&net, 1, true);
        appear(&net, 0, &report);
        struct kith_query q = lookup_of(&net, 1);
        q.kind = KINDS[i];
        assert_int_equal(net_ask(&net, 0, &q), KITH_ENO_NETWORK);
        net_deinit(&net);
    }
}

/* `n` nodes that know each other from reports alone. */
static void settle(struct net *net, unsigned n) {
    net_init(net);
    for (unsigned i = 0; i < n; i++) {
        net_add(net);
    }
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = 0; j < n; j++) {
            struct kith_local_report report = report_of(net, j, true);
            if (i != j) {
                appear(net, i, &report);
                net_drain(net, i);
            }
        }
    }
    net_run(net, 120 * KITH_NS_PER_S);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(net_status(net, i).lan_peers, n - 1);
    }
}

/* The others that still list `gone` as there. */
static unsigned n_believers(const struct net *net, unsigned gone) {
    unsigned count = 0;
    for (unsigned i = 0; i < net->n; i++) {
        count += i != gone && net_status(net, i).lan_peers == net->n - 1;
    }
    return count;
}

/* A host that loses power says no goodbye. In a small LAN everybody misses it soon. */
static void test_power_cut(void **state) {
    (void)state;
    struct net net;
    settle(&net, 8);
    for (unsigned gone = 0; gone < 3; gone++) {
        net.nodes[gone].dead = true;
        net_run(&net, 20 * KITH_NS_PER_S);
        assert_int_equal(n_believers(&net, gone), 0);
        net.nodes[gone].dead = false;
        net_run(&net, 90 * KITH_NS_PER_S);
        assert_int_equal(net_status(&net, gone).lan_peers, 7);
        assert_int_equal(n_believers(&net, gone), 7);
    }
    net_deinit(&net);
}

/* In a large one only while somebody looks, at once or all the time. */
static void test_power_cut_large(void **state) {
    (void)state;
    struct net net;
    settle(&net, 40);
    net.nodes[39].dead = true;
    net_run(&net, 20 * KITH_NS_PER_S);
    assert_true(n_believers(&net, 39) > 0);
    net_run(&net, 60 * KITH_NS_PER_S);
    assert_int_equal(n_believers(&net, 39), 0);
    net.nodes[38].dead = true;
    for (unsigned i = 0; i < 200; i++) {
        kith_core_local_watch(net.nodes[0].core, net.now);
        net_run(&net, 100 * KITH_NS_PER_MS);
    }
    assert_int_equal(net_status(&net, 0).lan_peers, 37);
    net_deinit(&net);
}

/* What keeping the list true costs while nothing else happens. */
static void test_idle_traffic(void **state) {
    (void)state;
    static const unsigned SIZES[] = {2, 8, 20, 40};
    for (unsigned i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        struct net net;
        settle(&net, SIZES[i]);
        net_run(&net, 3600 * KITH_NS_PER_S);
        uint64_t before = 0;
        uint64_t after = 0;
        for (unsigned j = 0; j < net.n; j++) {
            before += kith_core_stats(net.nodes[j].core)->tx_bytes;
        }
        net_run(&net, 1800 * KITH_NS_PER_S);
        for (unsigned j = 0; j < net.n; j++) {
            after += kith_core_stats(net.nodes[j].core)->tx_bytes;
            assert_int_equal(net_status(&net, j).lan_peers, net.n - 1);
        }
        unsigned rate = (unsigned)((after - before) / 1800 / net.n);
        print_message("%u idle nodes send %u bytes/s each\n", net.n, rate);
        assert_true(rate < 100);
        net_deinit(&net);
    }
}

static unsigned n_lost;

/* Every tenth datagram. */
static bool lose_some(struct net *net, struct net_packet *packet) {
    (void)net;
    (void)packet;
    return ++n_lost % 10 != 0;
}

static bool watch_loss(struct net *net, unsigned seconds) {
    bool always = true;
    for (unsigned i = 0; i < seconds * 10; i++) {
        net_run(net, 100 * KITH_NS_PER_MS);
        always = always && net_status(net, 0).lan_peers == net->n - 1;
    }
    return always;
}

/* Lost datagrams do not make a peer vanish from the list, not for a moment. */
static void test_loss(void **state) {
    (void)state;
    struct net net;
    settle(&net, 2);
    net.hook = lose_some;
    assert_true(watch_loss(&net, 1800));
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_swarm_from_reports_alone),
        cmocka_unit_test(test_lookup_at_once),
        cmocka_unit_test(test_several_endpoints),
        cmocka_unit_test(test_news_while_asked),
        cmocka_unit_test(test_refused_reports),
        cmocka_unit_test(test_key_changes_while_asked),
        cmocka_unit_test(test_liars_first),
        cmocka_unit_test(test_full_of_true_ones),
        cmocka_unit_test(test_silent_peer),
        cmocka_unit_test(test_goodbye),
        cmocka_unit_test(test_newcomer_without_record),
        cmocka_unit_test(test_appears_during_lookup),
        cmocka_unit_test(test_newest_is_looked_for_everywhere),
        cmocka_unit_test(test_nobody_but_a_false_report),
        cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_power_cut_large),
        cmocka_unit_test(test_idle_traffic),
        cmocka_unit_test(test_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
