/* SPDX-License-Identifier: MIT */
/* Paths: a get that liars led astray finds the record by others, each node asked once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core_net.h"

enum {
    NODES = 44,
    LIARS = 20, /* k: enough to fill the end of a walk */
    READER = 0,
};

struct lies {
    struct net net;
    void (*serve)(void *context, const struct kith_delivery *delivery,
                  const struct kith_message *message, uint64_t now);
    struct kith_point point;
    bool is_liar[NODES];
    unsigned asked[NODES]; /* for the point */
};

static struct lies lies;

static unsigned index_of(const struct kith_core *core) {
    unsigned i = 0;
    while (lies.net.nodes[i].core != core) {
        i++;
    }
    return i;
}

static void id_of(unsigned i, struct kith_point *ret) {
    kith_point_of_node(&lies.net.nodes[i].key, ret);
}

/* A liar names the liars, and nobody else. */
static void lie(struct kith_core *core, const struct kith_delivery *delivery,
                const struct kith_message *message, uint64_t now) {
    struct kith_response response;
    kith_response_init(&response);
    for (unsigned i = 0; i < NODES; i++) {
        if (lies.is_liar[i] && lies.net.nodes[i].core != core) {
            struct kith_node_ref *node = &response.contacts[response.n_contacts++];
            *node = (struct kith_node_ref){.key = lies.net.nodes[i].key,
                                           .has_key = true,
                                           .endpoint = lies.net.nodes[i].endpoint};
            id_of(i, &node->id);
        }
    }
    kith_swarm_answer(&core->swarm, delivery, &message->txn, &response, NULL, now);
}

static void on_request(void *context, const struct kith_delivery *delivery,
                       const struct kith_message *message, uint64_t now) {
    unsigned i = index_of(context);
    const struct kith_request *request = &message->u.request;
    bool ours =
        request->method == KITH_METHOD_GET && kith_point_equal(&request->target, &lies.point);
    lies.asked[i] += ours;
    if (lies.is_liar[i] && ours) {
        lie(context, delivery, message, now);
    } else {
        lies.serve(context, delivery, message, now);
    }
}

/* The nearest to the point that is neither a liar nor the reader. */
static unsigned nearest_honest(void) {
    struct kith_point best_id;
    unsigned best = NODES;
    for (unsigned i = 0; i < NODES; i++) {
        struct kith_point id;
        id_of(i, &id);
        if (i != READER && !lies.is_liar[i] &&
            (best == NODES || kith_point_compare(&lies.point, &id, &best_id) < 0)) {
            best = i;
            best_id = id;
        }
    }
    return best;
}

static struct kith_query make(struct kith_record *record) {
    static const uint8_t value[] = {'5', ':', 'h', 'e', 'l', 'l', 'o'};
    struct kith_span salt = kith_span_text("paths");
    struct kith_core *author = lies.net.nodes[1].core;
    assert_int_equal(kith_record_sign(record, &author->env.identity, author->env.curve, salt, 7,
                                      kith_span(value, sizeof(value))),
                     0);
    struct kith_query query = {.kind = KITH_QUERY_GET,
                               .flags = KITH_FLAG_HAS_KEY,
                               .key = lies.net.nodes[1].key,
                               .salt_size = (uint8_t)salt.size};
    memcpy(query.salt, salt.data, salt.size);
    kith_point_of_record(&query.key, salt, &lies.point);
    return query;
}

static void hold(unsigned node, const struct kith_record *record) {
    struct kith_record_view view;
    kith_record_view(record, &view);
    struct kith_store_put put = {
        .view = &view, .point = lies.point, .lifetime_ns = 3600 * KITH_NS_PER_S};
    assert_int_equal(kith_store_put(lies.net.nodes[node].core->store, &put, lies.net.now, NULL), 0);
}

/* A network whose `n_liars` nearest to the record's point lie. */
static struct kith_query begin(unsigned n_liars, struct kith_record *record) {
    memset(&lies, 0, sizeof(lies));
    net_swarm(&lies.net, NODES);
    struct kith_query query = make(record);
    for (unsigned i = 0; i < n_liars; i++) {
        lies.is_liar[nearest_honest()] = true;
    }
    for (unsigned i = 0; i < NODES; i++) {
        lies.serve = lies.net.nodes[i].core->swarm.on_request;
        lies.net.nodes[i].core->swarm.on_request = on_request;
    }
    return query;
}

static void expect_asked_once(void) {
    for (unsigned i = 0; i < NODES; i++) {
        assert_true(lies.asked[i] <= 1);
    }
}

static uint64_t walks_of_reader(void) {
    return kith_core_stats(lies.net.nodes[READER].core)->walks_started;
}

static void led_astray(void **state) {
    (void)state;
    struct kith_record record;
    struct kith_query query = begin(LIARS, &record);
    hold(nearest_honest(), &record);
    assert_int_equal(net_ask(&lies.net, READER, &query), 0);
    assert_true(lies.net.seen.has_record);
    assert_int_equal(lies.net.seen.record.seq, 7);
    for (unsigned i = 0; i < NODES; i++) {
        assert_true(!lies.is_liar[i] || lies.asked[i] == 1); /* they did have their chance */
    }
    expect_asked_once();
    net_deinit(&lies.net);
}

/* The newest is on the paths only: one round of them is tried although a record was found. */
static void old_version(void **state) {
    (void)state;
    struct kith_record record;
    struct kith_record newer;
    struct kith_query query = begin(LIARS, &record);
    for (unsigned i = 0; i < NODES; i++) {
        if (lies.is_liar[i]) { /* it gives out what it was given first */
            hold(i, &record);
            lies.is_liar[i] = false;
        }
    }
    struct kith_core *author = lies.net.nodes[1].core;
    struct kith_record_view view;
    kith_record_view(&record, &view);
    assert_int_equal(kith_record_sign(&newer, &author->env.identity, author->env.curve, view.salt,
                                      8, view.value),
                     0);
    unsigned holder = NODES;
    for (unsigned i = 1; i < NODES; i++) {
        struct kith_held held;
        if (i != READER &&
            !kith_store_get(lies.net.nodes[i].core->store, &lies.point, lies.net.now, &held)) {
            hold(i, &newer);
            holder = i;
        }
    }
    assert_true(holder < NODES);
    query.flags |= KITH_FLAG_NEWEST;
    assert_int_equal(net_ask(&lies.net, READER, &query), 0);
    assert_int_equal(lies.net.seen.record.seq, 8);
    expect_asked_once();
    net_deinit(&lies.net);
}

/* Where a walk met as many nodes as it should, and a round of paths nobody else among them, that is
 * the answer. */
static void nothing_there(void **state) {
    (void)state;
    struct kith_record record;
    struct kith_query query = begin(0, &record);
    uint64_t walks = walks_of_reader();
    assert_int_equal(net_ask(&lies.net, READER, &query), KITH_ENOT_FOUND);
    assert_int_equal(walks_of_reader() - walks, 1 + 3);
    expect_asked_once();
    net_deinit(&lies.net);
}

/* What speaks against an end after the first round, and after the second. */
static void convinces(void **state) {
    (void)state;
    struct kith_swarm swarm = {0};
    struct kith_paths paths = {.round = 1};
    struct kith_leg leg = {.swarm = &swarm, .density = 1};
    assert_false(kith_leg_convinces(&leg, false)); /* no round yet */
    leg.paths = &paths;
    assert_true(kith_leg_convinces(&leg, false));
    leg.density = 0; /* not known */
    assert_false(kith_leg_convinces(&leg, false));
    leg.density = 0.7;
    assert_false(kith_leg_convinces(&leg, false));
    paths.round = 2;
    assert_true(kith_leg_convinces(&leg, false));
    assert_false(kith_leg_convinces(&leg, true)); /* a record is at stake */
    leg.density = 0.55;
    assert_false(kith_leg_convinces(&leg, false));
    leg.density = 2.1;
    assert_false(kith_leg_convinces(&leg, false));
    /* Somebody else was there all the time. */
    struct kith_candidate other = {.state = KITH_CANDIDATE_ANSWERED, .node.id = {{0, 1}}};
    struct kith_walk path = {.reach = {{0, 2}}, .n_candidates = 1, .order = {&other}};
    paths.walks = &path;
    paths.n = 1;
    leg.density = 1;
    assert_false(kith_leg_convinces(&leg, false));
    other.node.id = (struct kith_point){{0, 3}}; /* but not so near */
    assert_true(kith_leg_convinces(&leg, false));
    other.node.id = (struct kith_point){{0, 1}};
    other.state = KITH_CANDIDATE_PASSED; /* the walk knew it */
    assert_true(kith_leg_convinces(&leg, false));
    /* The region is larger than it should be, if the network is taken for smaller than it is: the
     * walk ends with the k nearest all the same. */
    struct kith_candidate last = {.state = KITH_CANDIDATE_ANSWERED, .node.id = {{0, 0, 9}}};
    leg.walk = (struct kith_walk){.k = 1, .n_candidates = 1, .order = {&last}};
    other.state = KITH_CANDIDATE_ANSWERED;
    assert_true(kith_leg_convinces(&leg, false));
    other.node.id = (struct kith_point){{0, 0, 8}};
    assert_false(kith_leg_convinces(&leg, false));
}

static void honest_pays_nothing(void **state) {
    (void)state;
    struct kith_record record;
    struct kith_query query = begin(0, &record);
    hold(nearest_honest(), &record);
    uint64_t walks = walks_of_reader();
    assert_int_equal(net_ask(&lies.net, READER, &query), 0);
    assert_int_equal(walks_of_reader() - walks, 1);
    net_deinit(&lies.net);
}

static void asked_set(void **state) {
    (void)state;
    struct kith_asked asked = {0};
    struct kith_point point = {{0}};
    for (unsigned i = 0; i < KITH_ASKED_MAX; i++) {
        point.bytes[0] = (uint8_t)(i * 37);
        point.bytes[1] = (uint8_t)(i >> 8);
        point.bytes[2] = (uint8_t)i;
        assert_false(kith_asked_has(&asked, &point));
        assert_true(kith_asked_add(&asked, &point));
        assert_true(kith_asked_add(&asked, &point)); /* no second place */
        assert_true(kith_asked_has(&asked, &point));
    }
    assert_int_equal(asked.n, KITH_ASKED_MAX);
    point.bytes[3] = 1;
    assert_false(kith_asked_add(&asked, &point));
    assert_false(kith_asked_has(&asked, &point));
    kith_asked_deinit(&asked);
}

/* Announcements under a topic by keys that a node has just made, put where only it holds them. */
static void make_up_keys(struct net *net, unsigned liar, const struct kith_point *topic,
                         const struct kith_record *like) {
    struct kith_core *core = net->nodes[liar].core;
    uint8_t salt[KITH_SALT_MAX];
    struct kith_span salt_span = kith_span(salt, kith_topic_salt(topic, salt));
    for (uint8_t i = 0; i < 32; i++) {
        struct kith_identity identity;
        struct kith_record record;
        struct kith_record_view view;
        uint8_t seed[KITH_SEED_SIZE] = {0xfa, i};
        kith_identity_from_seed(&identity, core->env.curve, seed);
        assert_int_equal(kith_record_sign(&record, &identity, core->env.curve, salt_span, 1,
                                          kith_span(like->value, like->value_size)),
                         0);
        kith_record_view(&record, &view);
        struct kith_store_put put = {.view = &view,
                                     .point = *topic,
                                     .is_announcement = true,
                                     .lifetime_ns = 3600 * KITH_NS_PER_S};
        assert_int_equal(kith_store_put(core->store, &put, net->now, NULL), 0);
    }
}

/* Whoever looks for a few peers does not get those that one node made up. */
static void test_topic_of_made_up_keys(void **state) {
    (void)state;
    struct net net;
    enum { ANNOUNCED = 6 };
    net_swarm(&net, NODES);
    struct kith_query q = {.kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT};
    kith_topic_from_text("chess", &q.point);
    for (unsigned i = 0; i < ANNOUNCED; i++) {
        assert_int_equal(net_ask(&net, i, &q), 0);
    }
    unsigned liar = ANNOUNCED;
    for (unsigned i = ANNOUNCED; i < NODES; i++) {
        struct kith_point a;
        struct kith_point b;
        kith_point_of_node(&net.nodes[i].key, &a);
        kith_point_of_node(&net.nodes[liar].key, &b);
        liar = kith_point_compare(&q.point, &a, &b) < 0 ? i : liar;
    }
    q.kind = KITH_QUERY_FIND;
    assert_int_equal(net_ask(&net, ANNOUNCED, &q), 0);
    struct kith_record like = net.seen.record;
    make_up_keys(&net, liar, &q.point, &like);
    q.n = 6;
    for (unsigned i = ANNOUNCED; i < NODES; i++) {
        struct kith_held held;
        if (kith_store_topic(net.nodes[i].core->store, &q.point, net.now, 1, &held) > 0) {
            continue;
        }
        assert_int_equal(net_ask(&net, i, &q), 0);
        assert_int_equal(net.seen.n_records, 6);
        unsigned n_honest = 0;
        for (unsigned j = 0; j < 6 * ANNOUNCED; j++) {
            n_honest +=
                kith_key_equal(&net.seen.keys[j / ANNOUNCED], &net.nodes[j % ANNOUNCED].key);
        }
        assert_in_range(n_honest, 4, 6); /* the liar has a third */
    }
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic_of_made_up_keys),
        cmocka_unit_test(led_astray),
        cmocka_unit_test(old_version),
        cmocka_unit_test(nothing_there),
        cmocka_unit_test(convinces),
        cmocka_unit_test(honest_pays_nothing),
        cmocka_unit_test(asked_set),
    };
    if (sodium_init() < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
