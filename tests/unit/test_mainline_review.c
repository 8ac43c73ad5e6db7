/* SPDX-License-Identifier: MIT */
/*
 * Whole nodes in Mainline against moments and strangers that test_mainline.c does not think of:
 * what may leave a private network, records that are passed on, forged questions, liars about our
 * address, floods of contacts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mainline_net.h"

/* ---- what is sent ---- */

static struct {
    unsigned from; /* nodes from this one on are looked at */
    const char *text;
    unsigned n;
} watch;

static bool count_text(struct net *net, struct net_packet *packet) {
    for (unsigned i = watch.from; i < net->n; i++) {
        watch.n += packet->bytes[0] == 'd' &&
                   kith_endpoint_equal(&packet->from, &net->nodes[i].endpoint) &&
                   contains(packet->bytes, packet->size, watch.text);
    }
    return true;
}

/* Who is in a private network, and where, is told nobody, and nobody is asked for it. */
static void test_private_network(void **state) {
    (void)state;
    struct net net;
    uint8_t secret[32] = {7};
    mainline(&net, 12);
    watch.from = net.n;
    watch.n = 0;
    watch.text = "kith:hidden";
    net.hook = count_text;
    unsigned a = add_secret_node(&net, "hidden", secret);
    unsigned b = add_secret_node(&net, "hidden", secret);
    join_mainline(&net, a, 2);
    join_mainline(&net, b, 3);
    net_join(&net, b, a, true);
    net_run(&net, 300 * KITH_NS_PER_S);
    watch.text = "1:q3:get"; /* from here on */
    assert_int_equal(watch.n, 0);
    assert_int_equal(net.nodes[a].core->mainline->n_meets, 0); /* nor is anybody met there */
    struct kith_query q = {
        .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[a].key};
    assert_int_equal(net_ask(&net, b, &q), 0);
    q.key.bytes[3] ^= 1;
    assert_int_equal(net_ask(&net, b, &q), KITH_ENOT_FOUND);
    assert_int_equal(watch.n, 0);
    /* Asked for by name, it is done. */
    q.swarms = KITH_SWARM_MAINLINE;
    assert_int_equal(net_ask(&net, b, &q), KITH_ENOT_FOUND);
    assert_true(watch.n > 0);
    net_deinit(&net);
}

/* ---- a swarm that is not there ---- */

static const uint32_t both = KITH_SWARM_KITH | KITH_SWARM_MAINLINE;

/* Stored in Mainline, nowhere in kith: told as what it is, and made up for later. */
static void test_put_without_kith(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    mainline(&net, 12);
    struct kith_query q = put_query("half", both, value);
    assert_int_equal(net_ask(&net, 3, &q), KITH_EQUORUM);
    assert_int_equal(net.seen.result.asked, 0);
    assert_int_equal(net.seen.result.mainline_asked, 8);
    assert_true(net.seen.result.mainline_acks >= net.seen.result.mainline_quorum);
    assert_non_null(strstr(net.seen.text, "kith's own swarm has no node"));

    unsigned friend = add_node(&net, "net-3");
    net_join(&net, friend, 3, true);
    net_run(&net, 60 * KITH_NS_PER_S);
    struct kith_query get = {.kind = KITH_QUERY_GET,
                             .flags = KITH_FLAG_HAS_KEY,
                             .swarms = KITH_SWARM_KITH,
                             .key = net.nodes[3].key};
    assert_int_equal(net_ask(&net, friend, &get), 0);
    assert_memory_equal(net.seen.record.value, "4:half", 6);
    net_deinit(&net);
}

static void test_put_without_mainline(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_init(&net);
    for (unsigned i = 0; i < 6; i++) {
        add_node(&net, "kith");
        if (i > 0) {
            net_join(&net, i, 0, true);
        }
    }
    net_run(&net, 60 * KITH_NS_PER_S);
    struct kith_query q = put_query("half", both, value);
    assert_int_equal(net_ask(&net, 1, &q), KITH_EQUORUM);
    assert_int_equal(net.seen.result.asked, 5);
    assert_int_equal(net.seen.result.mainline_asked, 0);
    assert_non_null(strstr(net.seen.text, "Mainline has no node"));
    q = put_query("half", KITH_SWARM_MAINLINE, value);
    assert_int_equal(net_ask(&net, 1, &q), KITH_ENO_NETWORK);
    assert_int_equal(net.seen.result.asked, 0);
    net_deinit(&net);
}

/* A put in both swarms waits for the second one while that may still be joined. */
static void test_put_waits_for_both(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    mainline(&net, 12);
    unsigned a = add_node(&net, "pair");
    unsigned b = add_node(&net, "pair");
    join_mainline(&net, a, 2);
    net_join(&net, a, b, true);
    net_run(&net, 10 * KITH_NS_PER_S);
    join_mainline(&net, b, 4);
    struct kith_query q = put_query("both", both, value);
    assert_int_equal(net_ask(&net, b, &q), 0);
    assert_true(net.seen.result.acks > 0 && net.seen.result.mainline_acks > 0);
    net_deinit(&net);
}

/* What names Mainline while it is off is refused, and nothing is kept. */
static void test_put_in_mainline_while_off(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    net_swarm(&net, 4);
    unsigned n_saved = net.n_saved;
    for (uint32_t swarms = KITH_SWARM_MAINLINE; swarms <= both; swarms++) {
        struct kith_query q = put_query("nowhere", swarms, value);
        assert_int_equal(net_ask(&net, 1, &q), KITH_EUNSUPPORTED);
        assert_string_equal(net.seen.text, "Mainline is off");
        assert_int_equal(net.n_saved, n_saved);
        q = (struct kith_query){.kind = KITH_QUERY_GET,
                                .flags = KITH_FLAG_HAS_KEY,
                                .swarms = swarms,
                                .key = net.nodes[2].key};
        assert_int_equal(net_ask(&net, 1, &q), KITH_EUNSUPPORTED);
    }
    net_deinit(&net);
}

/* A question of kith's own swarm does not wait for a Mainline node that never answers; one of
 * Mainline does, and a put in kith waits for whom the first rendezvous brings. */
static void test_silent_mainline_seed(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    struct kith_endpoint nobody = {.family = 4, .port = 9, .ip = {77, 7, 7, 7}};
    net_init(&net);
    add_node(&net, "kith");
    assert_int_equal(kith_core_mainline_add(net.nodes[0].core, &nobody, KITH_CONTACT_SEED, net.now),
                     0);
    net_run(&net, 3 * KITH_NS_PER_S);
    struct kith_query q = {.kind = KITH_QUERY_GET,
                           .flags = KITH_FLAG_HAS_KEY,
                           .swarms = KITH_SWARM_KITH,
                           .key.bytes = {1}};
    uint64_t asked = net.now;
    assert_int_equal(net_ask(&net, 0, &q), KITH_ENO_NETWORK);
    assert_int_equal(net.now, asked);
    q = put_query("v", 0, value);
    assert_int_equal(net_ask(&net, 0, &q), KITH_ENO_NETWORK);
    assert_int_equal(net.now, asked);
    q = put_query("v", KITH_SWARM_MAINLINE, value);
    assert_int_equal(net_ask(&net, 0, &q), KITH_ENO_NETWORK);
    assert_int_equal(net.now, asked + KITH_JOIN_WAIT_S * KITH_NS_PER_S);
    net_deinit(&net);
}

static void test_waits_for_first_rendezvous(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    mainline(&net, 12);
    unsigned a = add_node(&net, "friends");
    join_mainline(&net, a, 2);
    net_run(&net, 30 * KITH_NS_PER_S);
    unsigned b = add_node(&net, "friends");
    join_mainline(&net, b, 5);
    while (net.nodes[b].core->mainline->n_meets == 0) {
        assert_true(net_step(&net, net.now + KITH_NS_PER_S));
    }
    struct kith_query q = put_query("v", 0, value);
    assert_int_equal(net_ask(&net, b, &q), 0);
    assert_true(net.seen.result.acks > 0);

    /* Where nobody is to be met the wait is over with the meeting. */
    unsigned c = add_node(&net, "hermits");
    join_mainline(&net, c, 5);
    while (net.nodes[c].core->mainline->n_meets == 0) {
        assert_true(net_step(&net, net.now + KITH_NS_PER_S));
    }
    uint64_t asked = net.now;
    assert_int_equal(net_ask(&net, c, &q), KITH_ENO_NETWORK);
    assert_true(net.now - asked < 2 * KITH_NS_PER_S);
    net_deinit(&net);
}

/* A node that is taken back is asked no more. */
static bool count_to(struct net *net, struct net_packet *packet) {
    const struct kith_endpoint *to = net->hook_context;
    watch.n += kith_endpoint_equal(&packet->to, to);
    return true;
}

static void test_taken_back(void **state) {
    (void)state;
    struct net net;
    struct kith_endpoint nobody = {.family = 4, .port = 9, .ip = {77, 7, 7, 7}};
    net_init(&net);
    add_node(&net, "kith");
    net.hook = count_to;
    net.hook_context = &nobody;
    watch.n = 0;
    assert_int_equal(
        kith_core_mainline_add(net.nodes[0].core, &nobody, KITH_CONTACT_ROUTER, net.now), 0);
    net_run(&net, 20 * KITH_NS_PER_S);
    assert_true(watch.n > 2);
    kith_core_mainline_remove(net.nodes[0].core, &nobody);
    net_run(&net, KITH_NS_PER_S);
    watch.n = 0;
    net_run(&net, 300 * KITH_NS_PER_S);
    assert_int_equal(watch.n, 0);
    net_deinit(&net);
}

/* ---- joined, and honest about it ---- */

static struct {
    unsigned n;
    uint32_t n_contacts; /* as the last event said */
} told;

static void on_told(struct net *net, unsigned i, const struct kith_event *event) {
    if (i == 1 && event->kind == KITH_EVENT_MAINLINE) {
        told.n++;
        told.n_contacts = event->n_contacts;
    }
}

/* Joined is told once, the loss of the last contact too, and joining again; meanwhile it is tried
 * for ever. */
static void test_lost_and_found(void **state) {
    (void)state;
    struct net net;
    net_init(&net);
    net.on_told = on_told;
    told.n = 0;
    add_node(&net, "a");
    add_node(&net, "b");
    net_run(&net, 60 * KITH_NS_PER_S);
    assert_int_equal(told.n, 0);
    assert_false(status_of(&net, 1).families[0].ready);
    join_mainline(&net, 1, 0);
    net_run(&net, 60 * KITH_NS_PER_S);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.n_contacts, 1);
    assert_true(status_of(&net, 1).families[0].ready);
    net.nodes[0].dead = true;
    net_run(&net, 1800 * KITH_NS_PER_S);
    assert_int_equal(told.n, 2);
    assert_int_equal(told.n_contacts, 0);
    assert_false(status_of(&net, 1).families[0].ready);
    net_run(&net, 6 * 3600 * KITH_NS_PER_S);
    net.nodes[0].dead = false;
    net_run(&net, 120 * KITH_NS_PER_S);
    assert_int_equal(told.n, 3);
    assert_true(told.n_contacts > 0 && status_of(&net, 1).families[0].ready);
    net_deinit(&net);
}

static bool cut_off_last(struct net *net, struct net_packet *packet) {
    const struct kith_endpoint *last = &net->nodes[net->n - 1].endpoint;
    return !kith_endpoint_equal(&packet->to, last) && !kith_endpoint_equal(&packet->from, last);
}

/* Its network was down for hours. Who joined through nodes of its own disk, where no router can be
 * reached, comes back through those that it remembers. */
static void test_back_without_routers(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 12);
    unsigned i = add_node(&net, "another");
    assert_int_equal(kith_core_mainline_add(net.nodes[i].core, &net.nodes[2].endpoint,
                                            KITH_CONTACT_KNOWN, net.now),
                     0);
    net_drain(&net, i);
    net_run(&net, 600 * KITH_NS_PER_S);
    assert_true(status_of(&net, i).families[0].ready);
    net.hook = cut_off_last;
    net_run(&net, 4 * 3600 * KITH_NS_PER_S);
    assert_false(status_of(&net, i).families[0].ready);
    net.hook = NULL;
    net_run(&net, 600 * KITH_NS_PER_S);
    assert_true(status_of(&net, i).families[0].ready);
    net_deinit(&net);
}

/* ---- bans ---- */

static int count_at(const struct kith_entry *entry, unsigned bucket, bool replacement, void *user) {
    const struct kith_endpoint *banned = user;
    struct kith_endpoint endpoint = kith_entry_endpoint(entry);
    (void)bucket;
    (void)replacement;
    return kith_endpoint_equal(&endpoint, banned);
}

/* Who is banned leaves the tables of Mainline, too: it would be named to others, and, as it cannot
 * be asked any more, stand before all those whom upkeep is to find gone. */
static void test_banned_leaves(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 12);
    struct kith_endpoint banned = net.nodes[3].endpoint;
    const struct kith_routing *table = net.nodes[0].core->mainline->families[0]->swarm.v4;
    assert_int_equal(kith_routing_each(table, count_at, &banned), 1);
    struct kith_ban_info ban = {.prefix = banned, .bits = 32, .left_s = UINT64_MAX};
    assert_int_equal(kith_core_ban(net.nodes[0].core, &ban, net.now), 0);
    assert_int_equal(kith_routing_each(table, count_at, &banned), 0);
    for (unsigned i = 1; i < net.n; i++) {
        net.nodes[i].dead = true;
    }
    net_run(&net, 1800 * KITH_NS_PER_S);
    assert_int_equal(kith_routing_count(table), 0);
    assert_false(status_of(&net, 0).families[0].ready);
    net_deinit(&net);
}

/* ---- republishing ---- */

static bool count_puts(struct net *net, struct net_packet *packet) {
    const struct kith_point *target = net->hook_context;
    watch.n += packet->bytes[0] == 'd' && contains(packet->bytes, packet->size, "1:q3:put") &&
               memmem(packet->bytes, packet->size, target->bytes, 20) != NULL;
    return true;
}

/* A node that nobody of its own network answers tells Mainline where it is once an hour all the
 * same, not with every try to tell its own network. */
static bool count_peer_puts(struct net *net, struct net_packet *packet) {
    watch.n += packet->bytes[0] == 'd' &&
               kith_endpoint_equal(&packet->from, &net->nodes[3].endpoint) &&
               contains(packet->bytes, packet->size, "1:q3:put");
    return true;
}

static void test_alone_in_its_network(void **state) {
    (void)state;
    struct net net;
    mainline(&net, 20);
    net.hook = count_peer_puts;
    watch.n = 0;
    net_run(&net, 4 * 3600 * KITH_NS_PER_S);
    assert_in_range(watch.n, 3 * 8, 5 * 8);
    net_deinit(&net);
}

/* BEP 44: hourly, but not as long as more than eight hold it and all of the nearest are among them.
 */
static void test_republished_hourly(void **state) {
    (void)state;
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    struct kith_record_view view;
    struct kith_point target;
    mainline(&net, 40);
    net_run(&net, 3600 * KITH_NS_PER_S); /* old enough to republish by the hour */
    struct kith_query q = put_query("hourly", KITH_SWARM_MAINLINE, value);
    q.salt_size = 1;
    do { /* among nodes of which it knows few, so that its walk meets more than eight */
        q.salt[0]++;
        kith_target_of_key(&net.nodes[3].key, kith_span(q.salt, 1), &target);
    } while ((target.bytes[0] ^ status_of(&net, 3).families[0].id.bytes[0]) < 0x80);
    assert_int_equal(net_ask(&net, 3, &q), 0);
    struct kith_record record = net.seen.record;
    kith_record_view(&record, &view);
    kith_target_of_record(&view, &target);
    net.hook = count_puts;
    net.hook_context = &target;
    watch.n = 0;
    net_run(&net, 3000 * KITH_NS_PER_S);
    assert_int_equal(watch.n, 0);
    net_run(&net, 1200 * KITH_NS_PER_S); /* eight hold it, and get it again */
    assert_int_equal(watch.n, 8);

    for (unsigned i = 0; i < net.n; i++) {
        struct kith_store_put put = {
            .view = &view, .point = target, .lifetime_ns = 24 * 3600 * KITH_NS_PER_S};
        assert_true(kith_store_put(net.nodes[i].core->mainline->items, &put, net.now, NULL) >= 0);
    }
    watch.n = 0;
    net_run(&net, 2 * 4200 * KITH_NS_PER_S);
    assert_int_equal(watch.n, 0);

    /* One of the nearest has lost it. */
    unsigned nearest = 0;
    for (unsigned i = 0; i < net.n; i++) {
        struct kith_point id = status_of(&net, i).families[0].id;
        struct kith_point best = status_of(&net, nearest).families[0].id;
        nearest = kith_point_compare(&target, &id, &best) < 0 ? i : nearest;
    }
    struct kith_store **items = &net.nodes[nearest].core->mainline->items;
    struct kith_store_config config = {
        .own_id = status_of(&net, nearest).families[0].id,
        .limits = {.records = 10, .bytes = 10000, .records_per_prefix = 10, .topic_peers = 1},
        .random = &net.nodes[nearest].core->env.random,
        .stats = &net.nodes[nearest].core->env.stats};
    kith_store_free(*items);
    assert_int_equal(kith_store_new(items, &config), 0);
    net_run(&net, 4200 * KITH_NS_PER_S);
    assert_true(watch.n >= 8);
    net_deinit(&net);
}

/* What is kept alive in both swarms stays so when another device of ours puts a newer version,
 * though that is noticed by a publication in kith's own swarm alone: there it is due more often. */
static void test_adopted_in_both(void **state) {
    (void)state;
    struct net net;
    struct kith_identity identity;
    struct kith_record newer;
    struct kith_point point;
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    net_init(&net);
    for (unsigned i = 0; i < 12; i++) {
        add_node(&net, "kith");
        if (i > 0) {
            net_join(&net, i, 0, true);
            join_mainline(&net, i, 0);
        }
    }
    net_run(&net, 60 * KITH_NS_PER_S);
    struct kith_query q = put_query("old", both, value);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    kith_point_of_record(&net.nodes[1].key, kith_span(NULL, 0), &point);
    const struct kith_own *own = &net.nodes[1].core->publish.own;
    assert_int_equal(kith_own_find(own, &point, false)->swarms, both);

    kith_test_identity(&identity, 2); /* of node 1 */
    assert_int_equal(kith_value_wrap("new", 3, value, &size), 0);
    int64_t seq = net.seen.result.seq + 1;
    assert_int_equal(kith_record_sign(&newer, &identity, &kith_curve_sodium, kith_span(NULL, 0),
                                      seq, kith_span(value, size)),
                     0);
    struct kith_query other = {.kind = KITH_QUERY_PUT,
                               .flags = KITH_FLAG_HAS_RECORD | KITH_FLAG_FORGET,
                               .swarms = KITH_SWARM_KITH,
                               .record = &newer};
    assert_int_equal(net_ask(&net, 3, &other), 0);
    uint64_t limit = net.now + 2 * 4200 * KITH_NS_PER_S;
    while (kith_own_find(own, &point, false)->record.seq != seq && net_step(&net, limit)) {
    }
    assert_int_equal(kith_own_find(own, &point, false)->record.seq, seq);
    assert_int_equal(kith_own_find(own, &point, false)->swarms, both);
    net_run(&net, 4200 * KITH_NS_PER_S);
    struct kith_query get = {.kind = KITH_QUERY_GET,
                             .flags = KITH_FLAG_HAS_KEY | KITH_FLAG_NEWEST,
                             .swarms = KITH_SWARM_MAINLINE,
                             .key = net.nodes[1].key};
    assert_int_equal(net_ask(&net, 5, &get), 0);
    assert_memory_equal(net.seen.record.value, "3:new", 5);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_private_network),
        cmocka_unit_test(test_put_without_kith),
        cmocka_unit_test(test_put_without_mainline),
        cmocka_unit_test(test_put_waits_for_both),
        cmocka_unit_test(test_put_in_mainline_while_off),
        cmocka_unit_test(test_silent_mainline_seed),
        cmocka_unit_test(test_waits_for_first_rendezvous),
        cmocka_unit_test(test_taken_back),
        cmocka_unit_test(test_lost_and_found),
        cmocka_unit_test(test_back_without_routers),
        cmocka_unit_test(test_banned_leaves),
        cmocka_unit_test(test_alone_in_its_network),
        cmocka_unit_test(test_republished_hourly),
        cmocka_unit_test(test_adopted_in_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
