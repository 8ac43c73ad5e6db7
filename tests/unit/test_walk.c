/* SPDX-License-Identifier: MIT */
/* walk: whom it asks first, when it asks beside a late one, whom upkeep need not ask, and who is
 * told of us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core/lookup/walk.h"
#include "core_net.h"

enum {
    NODES = 40,
    ALPHA = 3,
    K = 20,
    NEAREST = 8, /* among which speed decides who is asked first */
};

static struct net net;
static struct kith_walk walk;
static bool is_over;
static unsigned self;     /* whose walk it is: node 0, but in one test */
static bool asked[NODES]; /* by it, since the walk began */
static bool is_sparing;
static unsigned n_padded;   /* initiations of node 0 that leave room for twenty contacts */
static bool is_mute;        /* nothing that node 0 sends arrives */
static unsigned n_contacts; /* in the answers of the walk */
static unsigned n_to_dead;  /* datagrams of node 0 to nodes that are dead */
static size_t largest_to_dead;

static bool on_packet(struct net *n, struct net_packet *packet) {
    bool ours = memcmp(n->nodes[self].endpoint.ip, packet->from.ip, sizeof(packet->from.ip)) == 0;
    for (unsigned i = 0; i < NODES && ours; i++) {
        if (memcmp(n->nodes[i].endpoint.ip, packet->to.ip, sizeof(packet->to.ip)) == 0) {
            asked[i] = true;
            n_to_dead += n->nodes[i].dead;
            largest_to_dead =
                n->nodes[i].dead && packet->size > largest_to_dead ? packet->size : largest_to_dead;
        }
    }
    n_padded += ours && packet->bytes[0] == 1 && packet->size > 92 + K * 38;
    return !is_mute || !ours;
}

static bool on_answer(struct kith_walk *w, struct kith_candidate *from,
                      const struct kith_response *response, uint64_t now) {
    (void)w;
    (void)from;
    (void)now;
    n_contacts += response->n_contacts;
    return true;
}

static void on_done(struct kith_walk *w, uint64_t now) {
    (void)w;
    (void)now;
    is_over = true;
}

/* To a point that is nobody's. */
static void walk_init(void) {
    struct kith_swarm *swarm = &net.nodes[self].core->swarm;
    struct kith_request request = kith_swarm_request(swarm, KITH_METHOD_FIND);
    memset(request.target.bytes, 0x5a, sizeof(request.target.bytes));
    kith_walk_init(&walk, swarm, &request);
    walk.on_answer = on_answer;
    walk.on_done = on_done;
    memset(asked, 0, sizeof(asked));
    is_over = false;
    n_contacts = 0;
    n_padded = 0;
    n_to_dead = 0;
    largest_to_dead = 0;
}

static void walk_start(void) {
    assert_true(kith_walk_start(&walk, net.now));
    net_drain(&net, self);
}

static unsigned n_asked(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < NODES; i++) {
        n += asked[i];
    }
    return n;
}

/* The messages of a walk that ends. */
static unsigned messages_of(bool thrifty) {
    walk_init();
    walk.thrifty = thrifty;
    walk.sparing = is_sparing;
    walk_start();
    net_run(&net, 2 * KITH_NS_PER_S);
    assert_true(is_over);
    unsigned messages = walk.stats.messages;
    kith_walk_deinit(&walk);
    return messages;
}

/* Each node in a /16 of its own, so that all of them count. */
static void begin_with(uint32_t sessions) {
    is_mute = false;
    is_sparing = false;
    self = 0;
    net_init(&net);
    for (unsigned i = 0; i < NODES; i++) {
        uint8_t seed[KITH_SEED_SIZE];
        struct kith_core_config config = net_config(&net, i, seed);
        config.limits.sessions = i == 0 ? sessions : 0;
        struct net_node *node = &net.nodes[net_add_config(&net, &config)];
        node->endpoint.ip[1] = (uint8_t)(1 + i);
        kith_core_set_bound(node->core, &node->endpoint, 1, net.now);
        if (i > 0) {
            net_join(&net, i, 0, true);
        }
    }
    net_run(&net, 30 * KITH_NS_PER_S);
    net.hook = on_packet;
}

static void begin(void) {
    begin_with(0);
}

/* Round trips of 2 ms: most answers would be there after 30 ms, nobody is asked again before 100.
 */
static void test_another_is_asked_beside_a_late_one(void **state) {
    begin();
    walk_init();
    is_mute = true;
    walk_start();
    net_run(&net, 25 * KITH_NS_PER_MS);
    assert_int_equal(n_asked(), ALPHA);
    net_run(&net, 15 * KITH_NS_PER_MS);
    assert_int_equal(n_asked(), 2 * ALPHA);
    assert_int_equal(walk.stats.messages, 2 * ALPHA);
    net_run(&net, 50 * KITH_NS_PER_MS); /* those are late, too, but no more are asked */
    assert_int_equal(n_asked(), 2 * ALPHA);
    net_run(&net, 20 * KITH_NS_PER_MS); /* the first are slow */
    assert_int_equal(n_asked(), 3 * ALPHA);
    kith_walk_deinit(&walk);
    net_deinit(&net);
}

static void test_upkeep_and_paths_ask_beside_nobody(void **state) {
    static const bool kinds[][2] = {{true, false}, {false, true}};
    for (unsigned i = 0; i < 2; i++) {
        struct kith_asked set = {0};
        begin();
        walk_init();
        walk.thrifty = kinds[i][0];
        walk.asked = kinds[i][1] ? &set : NULL;
        is_mute = true;
        walk_start();
        net_run(&net, 90 * KITH_NS_PER_MS);
        assert_int_equal(n_asked(), ALPHA);
        kith_walk_deinit(&walk);
        kith_asked_deinit(&set);
        net_deinit(&net);
    }
}

static void set_rtt(const struct kith_entry *entry, uint32_t rtt_us) {
    struct kith_point id = kith_entry_id(entry);
    kith_swarm_find(walk.swarm, &id)->rtt_us = rtt_us;
}

/* Whoever is far away is not asked for being quick. */
static void test_the_first_questions_go_to_the_quick_among_the_nearest(void **state) {
    const struct kith_entry *nearest[NEAREST + 4];
    begin();
    walk_init();
    size_t n = kith_swarm_closest(walk.swarm, &walk.target, NEAREST + 4, nearest);
    assert_int_equal(n, NEAREST + 4);
    for (unsigned i = 0; i < n; i++) {
        bool quick = i >= NEAREST - ALPHA;
        set_rtt(nearest[i], quick ? 1000 : 400000);
    }
    is_mute = true;
    walk_start();
    assert_int_equal(n_asked(), ALPHA);
    for (unsigned i = NEAREST - ALPHA; i < NEAREST; i++) {
        struct kith_key key = kith_entry_node(nearest[i]).key;
        unsigned node = 0;
        while (!kith_key_equal(&net.nodes[node].key, &key)) {
            node++;
        }
        assert_true(asked[node]);
    }
    kith_walk_deinit(&walk);
    net_deinit(&net);
}

/* Who answered within the last minute is there: upkeep asks only as many as it takes to hear of
 * everybody. What the application asks is asked of all. */
static void test_upkeep_counts_on_whom_it_heard_just_now(void **state) {
    begin();
    (void)messages_of(false); /* all of them answer */
    unsigned few = messages_of(true);

    assert_in_range(few, 6, 8);
    assert_in_range(messages_of(false), K, K + ALPHA);
    net.hook = NULL;
    for (unsigned i = 1; i < NODES; i++) {
        struct kith_point id;
        kith_point_of_node(&net.nodes[i].key, &id);
        struct kith_entry *entry = kith_swarm_find(&net.nodes[0].core->swarm, &id);
        if (entry != NULL) {
            entry->seen -= 61 * KITH_NS_PER_S;
        }
    }
    assert_in_range(messages_of(true), K, K + ALPHA);
    net_deinit(&net);
}

/* Among the twenty nodes nearest to node `i`, of all but itself. */
static bool has_near(unsigned i, unsigned other) {
    struct kith_point ids[NODES];
    unsigned nearer = 0;
    for (unsigned j = 0; j < NODES; j++) {
        kith_point_of_node(&net.nodes[j].key, &ids[j]);
    }
    for (unsigned j = 0; j < NODES; j++) {
        nearer += j != i && kith_point_compare(&ids[i], &ids[j], &ids[other]) < 0;
    }
    return nearer < K;
}

/* How many have it near and are not near to it, of all those. */
static unsigned n_one_sided(unsigned node) {
    unsigned n = 0;
    for (unsigned i = 0; i < NODES; i++) {
        n += i != node && has_near(i, node) && !has_near(node, i);
    }
    return n;
}

/* A walk to our own id: those we have near, and those that have us near, as far as the answers tell
 * of them. The node that has fewest of those near shows it best. */
static void test_who_has_us_near_is_told_of_us(void **state) {
    unsigned n_told[2] = {0};
    begin();
    for (unsigned i = 0; i < NODES; i++) {
        self = n_one_sided(i) > n_one_sided(self) ? i : self;
    }
    for (unsigned introducing = 0; introducing < 2; introducing++) {
        unsigned n_others = 0;
        walk_init();
        walk.target = walk.request.target = walk.swarm->own_id;
        walk.introducing = introducing == 1;
        walk_start();
        net_run(&net, 2 * KITH_NS_PER_S);
        assert_true(is_over);
        kith_walk_deinit(&walk);
        for (unsigned i = 0; i < NODES; i++) {
            bool is_near = has_near(self, i);
            bool has_us = has_near(i, self);
            assert_true(i == self || asked[i] || !is_near);
            n_told[introducing] += asked[i] && has_us && !is_near;
            n_others += asked[i] && !has_us && !is_near;
        }
        assert_in_range(n_others, 0, ALPHA);
    }
    assert_true(n_told[1] >= n_told[0] + ALPHA);
    net_deinit(&net);
}

/* Twenty answers to a node that knows nearly everybody: they tell it what it does not, once. */
static void test_answers_leave_out_what_is_known(void **state) {
    begin();
    (void)messages_of(false); /* now there is a session with each of them */
    assert_int_equal(messages_of(false), K);
    assert_true(n_contacts < K);
    net_deinit(&net);
}

/* Where nothing is lost, who does not answer is gone: the repeat is a handshake that has no room
 * for a long answer. */
static void test_the_dead_cost_little(void **state) {
    begin();
    (void)messages_of(false);
    for (unsigned i = 1; i < NODES; i++) {
        net.nodes[i].dead = i % 4 == 0;
    }
    (void)messages_of(false);
    assert_true(n_to_dead >= 2);
    assert_true(largest_to_dead <= 92 + 300);
    net_deinit(&net);
}

/* A put reaches as many, and most of those it has no session with by a shorter initiation. */
static void test_a_put_asks_for_few_contacts_in_the_end(void **state) {
    unsigned padded[2];
    for (unsigned i = 0; i < 2; i++) {
        begin_with(12);
        is_sparing = i == 1;
        assert_int_equal(messages_of(false), K);
        padded[i] = n_padded;
        net_deinit(&net);
    }
    assert_true(padded[0] > K / 2);
    assert_true(padded[1] <= padded[0] / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_is_asked_beside_a_late_one),
        cmocka_unit_test(test_upkeep_and_paths_ask_beside_nobody),
        cmocka_unit_test(test_the_first_questions_go_to_the_quick_among_the_nearest),
        cmocka_unit_test(test_upkeep_counts_on_whom_it_heard_just_now),
        cmocka_unit_test(test_who_has_us_near_is_told_of_us),
        cmocka_unit_test(test_answers_leave_out_what_is_known),
        cmocka_unit_test(test_the_dead_cost_little),
        cmocka_unit_test(test_a_put_asks_for_few_contacts_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
