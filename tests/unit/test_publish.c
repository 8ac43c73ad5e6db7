/* SPDX-License-Identifier: MIT */
/* Own records in the network, seen from whole nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core_net.h"

#include "core/core_internal.h"

enum { N = 6 };

static int take_own(const struct kith_record_info *info, void *user) {
    if (info->own && info->salt_size == 1) {
        *(int64_t *)user = info->seq;
    }
    return 0;
}

static int64_t own_seq(const struct net *net, unsigned i) {
    int64_t seq = -1;
    kith_core_each_record(net->nodes[i].core, net->now, take_own, &seq);
    return seq;
}

/* A node that came back with an older disk, or whose key another device uses: it finds a newer
 * record of its own, and from then on keeps that alive instead of one that everybody refuses. */
static void newer_own_record_is_adopted(void **state) {
    struct net net;
    struct kith_identity identity;
    struct kith_record newer;
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    (void)state;

    net_swarm(&net, N);
    assert_int_equal(kith_value_wrap("old", 3, value, &size), 0);
    struct kith_query put = {.kind = KITH_QUERY_PUT,
                             .flags = KITH_FLAG_HAS_SEQ,
                             .seq = 10,
                             .salt_size = 1,
                             .salt = {'s'},
                             .value = value,
                             .value_size = size};
    assert_int_equal(net_ask(&net, 1, &put), 0);
    assert_int_equal(own_seq(&net, 1), 10);

    kith_test_identity(&identity, 2); /* of node 1 */
    assert_true(kith_key_equal(&identity.key, &net.nodes[1].key));
    assert_int_equal(kith_value_wrap("new", 3, value, &size), 0);
    assert_int_equal(kith_record_sign(&newer, &identity, &kith_curve_sodium, kith_span_text("s"),
                                      20, kith_span(value, size)),
                     0);
    struct kith_query other = {
        .kind = KITH_QUERY_PUT, .flags = KITH_FLAG_HAS_RECORD | KITH_FLAG_FORGET, .record = &newer};
    assert_int_equal(net_ask(&net, 3, &other), 0);
    assert_int_equal(own_seq(&net, 1), 10);

    uint64_t limit = net.now + 4200 * KITH_NS_PER_S;
    while (own_seq(&net, 1) == 10 && net_step(&net, limit)) {
    }
    assert_int_equal(own_seq(&net, 1), 20);
    assert_int_equal(net.saved.seq, 20); /* on disk, too */
    net_deinit(&net);
}

/* How long node `i` will hold the peer record of another one. */
struct life {
    struct kith_point point;
    uint64_t expires_ns; /* from now on */
};

static int take_life(const struct kith_record_info *info, void *user) {
    struct life *life = user;
    if (!info->own && kith_point_equal(&info->point, &life->point)) {
        life->expires_ns = info->expires_ns;
    }
    return 0;
}

static uint64_t life_s(const struct net *net, unsigned i, unsigned of) {
    struct life life = {.expires_ns = 0};
    uint8_t salt[KITH_SALT_MAX];
    size_t size = kith_peer_salt("kith", salt);
    kith_point_of_record(&net->nodes[of].key, kith_span(salt, size), &life.point);
    kith_core_each_record(net->nodes[i].core, net->now, take_life, &life);
    return life.expires_ns / KITH_NS_PER_S;
}

/* A network that grows leaves records of its young nodes on holders that are soon none of the
 * nearest: they need not have them for a day. In the end they are to be had for one. */
static void young_peer_records_live_shortly(void **state) {
    struct net net;
    (void)state;

    net_swarm(&net, N);
    assert_in_range(life_s(&net, 2, 1), 500, 600);
    net_run(&net, 600 * KITH_NS_PER_S);
    assert_in_range(life_s(&net, 2, 1), 1200, 6000);
    net_run(&net, 4 * 3600 * KITH_NS_PER_S);
    assert_in_range(life_s(&net, 2, 1), 22 * 3600, 24 * 3600);
    net_deinit(&net);
}

static unsigned held_back; /* the node whose datagrams are lost */

static bool hold_back(struct net *net, struct net_packet *packet) {
    return !kith_endpoint_equal(&packet->from, &net->nodes[held_back].endpoint);
}

/* Whether the put that this node runs is past its walk. */
static bool is_storing(const struct net *net, unsigned i) {
    const struct kith_ops *ops = &net->nodes[i].core->ops;
    struct kith_list *l = kith_list_first(&ops->running);
    for (; l != NULL; l = kith_list_next(&ops->running, l)) {
        const struct kith_op *op = kith_container_of(l, struct kith_op, all);
        if (!op->internal && op->kind == KITH_QUERY_PUT && op->legs[KITH_LEG_KITH].asked > 0) {
            return true;
        }
    }
    return false;
}

static struct kith_query cas_query(const char *text, int64_t cas, uint8_t *value) {
    struct kith_query put = net_put_query(text, value);
    put.flags = KITH_FLAG_HAS_CAS;
    put.cas = cas;
    put.salt_size = 1;
    put.salt[0] = 's';
    return put;
}

/* Two devices with one key put at the same time, and both expect the same: who is told that he lost
 * does not put his record again, which would win by its seq. */
static void lost_cas_stays_lost(void **state) {
    struct net net;
    uint8_t value[KITH_VALUE_MAX];
    uint8_t seed[KITH_SEED_SIZE];
    uint64_t op;
    (void)state;

    net_swarm(&net, N);
    struct kith_core_config config = net_config(&net, 1, seed);
    config.random = kith_test_random(net.nodes[net.n].random, 999);
    config.wall_us += 60 * 1000000; /* its clock is ahead */
    unsigned twin = net_add_config(&net, &config);
    net_join(&net, twin, 0, true);
    net_run(&net, 5 * KITH_NS_PER_S);
    struct kith_query put = cas_query("first", 0, value);
    put.flags = KITH_FLAG_HAS_SEQ;
    put.seq = 10;
    assert_int_equal(net_ask(&net, twin, &put), 0);
    net_run(&net, 5 * KITH_NS_PER_S);

    held_back = twin;
    put = cas_query("loser", 10, value);
    assert_int_equal(kith_core_start(net.nodes[twin].core, &put, net.now, &op), 0);
    net_drain(&net, twin);
    while (!is_storing(&net, twin)) {
        net.hook = NULL;
        assert_true(net_step(&net, KITH_NEVER));
    }
    net.head = net.tail; /* its writes are lost, and sent again when the other's have arrived */
    net.hook = hold_back;
    put = cas_query("winner", 10, value);
    assert_int_equal(net_ask(&net, 1, &put), 0);
    net.hook = NULL;
    net.seen = (struct net_seen){.op = op};
    uint64_t limit = net.now + 30 * KITH_NS_PER_S;
    while (!net.seen.done && net_step(&net, limit)) {
    }
    assert_int_equal(net.seen.result.status, KITH_ECAS_MISMATCH);
    struct kith_query get = net_key_query(KITH_QUERY_GET, &net.nodes[1].key);
    get.flags |= KITH_FLAG_NEWEST;
    get.salt_size = 1;
    get.salt[0] = 's';
    assert_int_equal(net_ask(&net, 3, &get), 0);
    assert_memory_equal(net.seen.record.value, "6:winner", 8);

    net_run(&net, 2 * 4200 * KITH_NS_PER_S);
    assert_int_equal(net_ask(&net, 3, &get), 0);
    assert_memory_equal(net.seen.record.value, "6:winner", 8);
    assert_int_equal(own_seq(&net, twin), own_seq(&net, 1)); /* it goes on with what won */
    net_deinit(&net);
}

static unsigned own_topics(const struct net *net, unsigned i) {
    const struct kith_own *own = &net->nodes[i].core->publish.own;
    unsigned n = 0;
    struct kith_list *l = kith_list_first(&own->all);
    for (; l != NULL; l = kith_list_next(&own->all, l)) {
        n += kith_container_of(l, struct kith_own_record, all)->kind == KITH_OWN_TOPIC;
    }
    return n;
}

/* Who announces a topic says where he is: when he moves, he says so again, and not within the hour.
 */
static void announcements_follow_who_moves(void **state) {
    struct net net;
    struct kith_peer peer;
    struct kith_endpoint moved = net_endpoint(44);
    (void)state;

    net_swarm(&net, 8);
    net_run(&net, 60 * KITH_NS_PER_S);
    struct kith_query q = {.kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT};
    kith_topic_from_text("chess", &q.point);
    assert_int_equal(net_ask(&net, 5, &q), 0);
    net.nodes[5].endpoint = moved;
    kith_core_set_bound(net.nodes[5].core, &moved, 1, net.now);
    net_run(&net, 30 * KITH_NS_PER_S);
    q.kind = KITH_QUERY_FIND;
    assert_int_equal(net_ask(&net, 2, &q), 0);
    assert_int_equal(net.seen.n_records, 1);
    assert_int_equal(kith_peer_from_record(&net.seen.record, &peer), 0);
    assert_int_equal(peer.n_endpoints, 1);
    assert_true(kith_endpoint_equal(&peer.endpoints[0], &moved));
    net_deinit(&net);
}

static bool topic_is_announced_again(const struct net *net, unsigned i) {
    const struct kith_ops *ops = &net->nodes[i].core->ops;
    struct kith_list *l = kith_list_first(&ops->running);
    for (; l != NULL; l = kith_list_next(&ops->running, l)) {
        const struct kith_op *op = kith_container_of(l, struct kith_op, all);
        if (op->internal && op->kind == KITH_QUERY_ANNOUNCE) {
            return true;
        }
    }
    return false;
}

/* What is withdrawn while it is just being announced again is not announced any more. */
static void withdrawn_while_announced_again(void **state) {
    struct net net;
    (void)state;

    net_swarm(&net, N);
    struct kith_query q = {.kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT};
    kith_topic_from_text("chess", &q.point);
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_int_equal(own_topics(&net, 1), 1);
    uint64_t limit = net.now + 4200 * KITH_NS_PER_S;
    while (!topic_is_announced_again(&net, 1) && net_step(&net, limit)) {
    }
    assert_true(topic_is_announced_again(&net, 1));
    q.kind = KITH_QUERY_UNANNOUNCE;
    assert_int_equal(net_ask(&net, 1, &q), 0);
    assert_int_equal(own_topics(&net, 1), 0);
    net.n_saved = 0;
    net_run(&net, 10 * KITH_NS_PER_S);
    assert_int_equal(own_topics(&net, 1), 0);
    assert_int_equal(net.n_saved, 0);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newer_own_record_is_adopted),
        cmocka_unit_test(young_peer_records_live_shortly),
        cmocka_unit_test(lost_cas_stays_lost),
        cmocka_unit_test(withdrawn_while_announced_again),
        cmocka_unit_test(announcements_follow_who_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
