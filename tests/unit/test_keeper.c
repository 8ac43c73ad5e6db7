/* SPDX-License-Identifier: MIT */
/* keeper: the address book at work, in whole nodes in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core_internal.h"
#include "core_net.h"

#define MINUTE (60 * KITH_NS_PER_S)
#define HOUR (60 * MINUTE)

enum { LIE = 0xee }; /* first byte of the keys that liars make up */

static uint64_t wall_of(const struct net *net, unsigned i) {
    return kith_env_wall_us(&net->nodes[i].core->env, net->now);
}

static struct kith_book_counts counts_of(const struct net *net, unsigned i) {
    struct kith_book_counts counts;
    kith_book_count(net->nodes[i].core->keeper.book, wall_of(net, i), &counts);
    return counts;
}

/* ---- looking into tables and books ---- */

struct search {
    const struct kith_key *key; /* NULL: any lie */
    unsigned n;
    unsigned n_new;
    bool hints_only;
};

static bool matches(const struct search *s, const struct kith_key *key) {
    return s->key == NULL ? key->bytes[0] == LIE : kith_key_equal(s->key, key);
}

static int look_at_peer(const struct kith_peer_info *info, void *user) {
    struct search *s = user;
    s->n += matches(s, &info->key);
    return 0;
}

static unsigned in_table(const struct net *net, unsigned i, const struct kith_key *key) {
    struct search s = {.key = key};
    kith_core_each_peer(net->nodes[i].core, net->now, look_at_peer, &s);
    return s.n;
}

static int look_at_entry(const struct kith_book_info *info, void *user) {
    struct search *s = user;
    if (info->contact.has_key && matches(s, &info->contact.key)) {
        s->n++;
        s->n_new += info->place == KITH_PLACE_NEW;
        s->hints_only = s->hints_only && info->success_s < 0 && strcmp(info->origin, "pex") == 0;
    }
    return 0;
}

static struct search in_book(const struct net *net, unsigned i, const struct kith_key *key) {
    struct search s = {.key = key, .hints_only = true};
    kith_core_each_book(net->nodes[i].core, net->now, look_at_entry, &s);
    return s;
}

/* ---- a node that lies in peer exchange ---- */

enum { LIES_MAX = 30 };

/* What it says instead of the truth. The core under test is the other one. */
struct liar {
    struct kith_dialect dialect;
    struct kith_book *book;
    struct kith_node_ref lies[LIES_MAX];
    uint32_t n;
};

static struct liar the_liar; /* a dialect's functions have no context */

/* Answers to exchange are known by their first contact, which the liar's book made up. */
static int encode_lies(const struct kith_sender *from, const struct kith_txn *txn,
                       const struct kith_response *response, uint8_t *out, size_t max,
                       size_t *ret_size) {
    struct kith_response changed = *response;
    if (response->n_contacts > 0 && response->contacts[0].key.bytes[0] == LIE && the_liar.n > 0) {
        changed.n_contacts = the_liar.n;
        memcpy(changed.contacts, the_liar.lies, the_liar.n * sizeof(the_liar.lies[0]));
    }
    return kith_dialect_kith.encode_response(from, txn, &changed, out, max, ret_size);
}

static struct kith_key lie_key(uint8_t i) {
    struct kith_key key = {{LIE, i}};
    return key;
}

/* Its book is full of splendid answers. */
static void make_liar(struct net *net, unsigned i) {
    struct kith_core *core = net->nodes[i].core;
    struct kith_book_config config = {
        .random = &core->env.random, .buckets_new = 4, .buckets_tried = 4};
    the_liar.dialect = kith_dialect_kith;
    the_liar.dialect.encode_response = encode_lies;
    the_liar.n = 0;
    assert_int_equal(kith_book_new(&the_liar.book, &config), 0);
    core->swarm.dialect = &the_liar.dialect;
    core->serve.book = the_liar.book;
    for (uint8_t n = 0; n < 60; n++) {
        struct kith_contact lie = {.has_key = true,
                                   .key = lie_key(n),
                                   .endpoint = {.family = 4, .port = 1, .ip = {30, n, 1, 1}}};
        assert_true(kith_book_good(the_liar.book, &lie, wall_of(net, i)) > 0);
    }
}

static void add_lie(const struct kith_key *key, const char *endpoint) {
    struct kith_node_ref *lie = &the_liar.lies[the_liar.n++];
    *lie = (struct kith_node_ref){
        .key = *key, .has_key = true, .endpoint = kith_test_endpoint(endpoint)};
    kith_point_of_node(&lie->key, &lie->id);
}

static void liars_end(struct net *net) {
    the_liar.book = kith_book_free(the_liar.book);
    net_deinit(net);
}

/* What others tell of is a hint in the book, and never a contact in a table, however long they go
 * on. */
static void test_hints_only(void **state) {
    struct net net;
    net_swarm(&net, 12);
    make_liar(&net, 5);
    net_run(&net, 20 * MINUTE);
    unsigned fooled = 0;
    for (unsigned i = 0; i < net.n; i++) {
        struct search s = in_book(&net, i, NULL);
        fooled += s.n > 0;
        assert_true(s.hints_only);
        assert_int_equal(s.n, s.n_new);
        assert_int_equal(in_table(&net, i, NULL), 0);
    }
    assert_true(fooled > 6); /* nearly everybody asked the liar */
    liars_end(&net);
}

/* Honest nodes learn of each other by exchange, too. */
static void test_exchange_spreads(void **state) {
    struct net net;
    net_swarm(&net, 12);
    net_run(&net, 20 * MINUTE);
    for (unsigned i = 0; i < net.n; i++) {
        struct kith_book_counts counts = counts_of(&net, i);
        assert_true(counts.n_tried + counts.n_new >= 11 - 2);
        assert_true(net.nodes[i].core->keeper.n_exchange > 0);
    }
    net_deinit(&net);
}

/* One answer to one exchange, and what becomes of it. */
struct answer {
    struct net net;
    struct kith_book_counts before;
    uint64_t bad_before;
};

static void answer_begin(struct answer *a) {
    net_swarm(&a->net, 2);
    make_liar(&a->net, 1);
}

/* Runs until node 0 has the answer to one exchange. */
static void answer_end(struct answer *a, unsigned added, unsigned refused, unsigned bad) {
    struct net *net = &a->net;
    struct kith_core *core = net->nodes[0].core;
    uint64_t n = core->keeper.n_exchange;
    a->before = counts_of(net, 0);
    a->bad_before = core->env.stats.bad_contacts;
    while (core->keeper.n_exchange == n) {
        net_run(net, KITH_NS_PER_S / 10);
    }
    net_run(net, KITH_NS_PER_S / 10);
    struct kith_book_counts after = counts_of(net, 0);
    assert_int_equal(after.added - a->before.added, added);
    assert_int_equal(after.refused - a->before.refused, refused);
    assert_int_equal(core->env.stats.bad_contacts - a->bad_before, bad);
    assert_int_equal(in_table(net, 0, NULL), 0);
    liars_end(net);
}

/* An answer says as much as was asked for, not as much as its sender likes. */
static void test_capped(void **state) {
    struct answer a;
    answer_begin(&a);
    for (uint8_t i = 0; i < LIES_MAX; i++) {
        char text[32];
        struct kith_key key = lie_key(i);
        snprintf(text, sizeof(text), "%u.9.9.9:7", 31 + i);
        add_lie(&key, text);
    }
    answer_end(&a, KITH_EXCHANGE_N, 0, 0);
}

/* A public peer cannot know who is at a private address of ours. */
static void test_near_addresses(void **state) {
    static const char *const near[] = {"10.0.0.1:7",  "192.168.1.1:7",    "172.16.0.9:7",
                                       "127.0.0.1:7", "169.254.1.1:7700", "100.64.0.1:7"};
    struct answer a;
    answer_begin(&a);
    for (uint8_t i = 0; i < 6; i++) {
        struct kith_key key = lie_key(i);
        add_lie(&key, near[i]);
    }
    struct kith_key key = lie_key(7);
    add_lie(&key, "31.9.9.9:7"); /* the rest of the answer counts */
    answer_end(&a, 1, 0, 6);
}

static void test_own_address(void **state) {
    struct answer a;
    answer_begin(&a);
    struct kith_key key = lie_key(1);
    add_lie(&key, "20.1.0.7:7700");
    answer_end(&a, 0, 1, 0);
}

static void test_own_key(void **state) {
    struct answer a;
    answer_begin(&a);
    add_lie(&a.net.nodes[0].key, "31.9.9.9:7");
    answer_end(&a, 0, 1, 0);
}

/* One key said to be everywhere: each a hint of its own, up to its share; one that answers decides.
 */
static void test_duplicate_keys(void **state) {
    struct answer a;
    answer_begin(&a);
    struct kith_key key = lie_key(1);
    for (unsigned i = 0; i < KITH_EXCHANGE_N; i++) {
        char text[32];
        snprintf(text, sizeof(text), "%u.9.9.9:7", 31 + i);
        add_lie(&key, text);
    }
    struct net *net = &a.net;
    struct kith_core *core = net->nodes[0].core;
    uint64_t n = core->keeper.n_exchange;
    while (core->keeper.n_exchange < n + 4) {
        net_run(net, KITH_NS_PER_S);
    }
    assert_true(in_book(net, 0, &key).n <= KITH_BOOK_PER_KEY);
    assert_true(in_book(net, 0, &key).n > 1);
    assert_int_equal(in_table(net, 0, &key), 0);
    liars_end(net);
}

/* The same key at the address of a peer that we know: changes nothing for that peer. */
static void test_other_key_at_known_address(void **state) {
    struct answer a;
    answer_begin(&a);
    struct kith_key key = lie_key(1);
    add_lie(&key, "20.1.1.7:7700"); /* the liar's own */
    struct net *net = &a.net;
    net_run(net, 5 * MINUTE);
    assert_int_equal(in_table(net, 0, &net->nodes[1].key), 1);
    assert_int_equal(in_book(net, 0, &net->nodes[1].key).n_new, 0);
    liars_end(net);
}

/* ---- restarts ---- */

enum { BLOBS_MAX = 512 };

struct kept {
    struct kith_book_blob blobs[BLOBS_MAX];
    size_t n;
};

/* As the shell does it: value by key. */
static void keep(struct kept *kept, const struct kith_book_blob *blob) {
    size_t i = 0;
    while (i < kept->n && (kept->blobs[i].key_size != blob->key_size ||
                           memcmp(kept->blobs[i].key, blob->key, blob->key_size) != 0)) {
        i++;
    }
    assert_true(i < BLOBS_MAX);
    if (!blob->removed) {
        kept->blobs[i] = *blob;
        kept->n += i == kept->n;
    } else if (i < kept->n) {
        kept->blobs[i] = kept->blobs[--kept->n];
    }
}

static void stop(struct net *net, unsigned i, struct kept *kept) {
    struct kith_book_blob blob;
    memset(kept, 0, sizeof(*kept));
    while (kith_core_book_next_dirty(net->nodes[i].core, &blob)) {
        keep(kept, &blob);
    }
    net->nodes[i].core = kith_core_free(net->nodes[i].core);
}

/* Nobody tells it of anybody: it has its book, and nothing else. */
static void start_again(struct net *net, unsigned i, const struct kept *kept) {
    uint8_t seed[KITH_SEED_SIZE];
    uint8_t secret[KITH_BOOK_SECRET_SIZE];
    struct kith_core_config config = net_config(net, i, seed);
    unsigned n_headers = 0;
    config.wall_us += net->now / KITH_NS_PER_US;
    for (size_t n = 0; n < kept->n; n++) {
        struct kith_span key = kith_span(kept->blobs[n].key, kept->blobs[n].key_size);
        struct kith_span value = kith_span(kept->blobs[n].value, kept->blobs[n].value_size);
        n_headers += kith_book_decode_header(key, value, secret) == 0;
    }
    assert_int_equal(n_headers, 1);
    config.book_secret = secret;
    assert_int_equal(kith_core_new(&net->nodes[i].core, &config, net->now), 0);
    kith_core_set_bound(net->nodes[i].core, &net->nodes[i].endpoint, 1, net->now);
    unsigned n_loaded = 0;
    for (size_t n = 0; n < kept->n; n++) {
        struct kith_span key = kith_span(kept->blobs[n].key, kept->blobs[n].key_size);
        struct kith_span value = kith_span(kept->blobs[n].value, kept->blobs[n].value_size);
        n_loaded += kith_core_book_load(net->nodes[i].core, key, value, net->now) == 0;
    }
    assert_int_equal(n_loaded, kept->n - 1);
}

/* Nanoseconds until it says that it has joined. */
static uint64_t until_ready(struct net *net, unsigned limit_s) {
    uint64_t begun = net->now;
    unsigned n = net->n_ready;
    while (net->n_ready == n && net_step(net, begun + limit_s * KITH_NS_PER_S)) {
    }
    assert_true(net->n_ready > n);
    return net->now - begun;
}

static void restart(unsigned n, unsigned n_dead) {
    struct net net;
    struct kept kept;
    net_swarm(&net, n);
    net_run(&net, 30 * MINUTE);
    stop(&net, n - 1, &kept);
    for (unsigned i = 0; i < n_dead; i++) {
        net.nodes[i].dead = true; /* the one that everybody joined through is the first of them */
    }
    net.nodes[n - 1].dead = true;
    net_run(&net, HOUR);
    net.nodes[n - 1].dead = false;
    start_again(&net, n - 1, &kept);
    uint64_t took = until_ready(&net, 60);
    print_message("%u of %u nodes dead, book of %zu: ready after %.3f s\n", n_dead, n, kept.n - 1,
                  (double)took / 1e9);
    assert_true(took < 3 * KITH_NS_PER_S);
    net_deinit(&net);
}

static void test_restart(void **state) {
    restart(12, 0);
}

static void test_restart_mostly_dead(void **state) {
    restart(40, 34);
}

/* More dead entries, answering later than all others, than are asked at once at the start. */
static void test_restart_best_dead(void **state) {
    struct net net;
    struct kept kept;
    net_swarm(&net, 12);
    net_run(&net, 30 * MINUTE);
    for (uint8_t i = 0; i < 2 * KITH_KEEPER_START_MAX; i++) {
        struct kith_contact gone = {.has_key = true,
                                    .key = lie_key(i),
                                    .endpoint = {.family = 4, .port = 1, .ip = {40 + i, i, 1, 1}}};
        assert_true(kith_book_good(net.nodes[11].core->keeper.book, &gone, wall_of(&net, 11)) > 0);
    }
    stop(&net, 11, &kept);
    start_again(&net, 11, &kept);
    uint64_t took = until_ready(&net, 60);
    print_message("the 48 best of %zu dead: ready after %.3f s\n", kept.n - 1, (double)took / 1e9);
    assert_true(took < 3 * KITH_NS_PER_S);
    net_deinit(&net);
}

/* Alone: tries go on for ever, but at the pace of revisits, not of the first seconds. */
static void test_alone(void **state) {
    struct net net;
    struct kept kept;
    net_swarm(&net, 8);
    net_run(&net, 30 * MINUTE);
    stop(&net, 7, &kept);
    for (unsigned i = 0; i < 7; i++) {
        net.nodes[i].dead = true;
    }
    start_again(&net, 7, &kept);
    struct kith_stats *stats = kith_core_stats(net.nodes[7].core);
    net_run(&net, 10 * MINUTE);
    uint64_t sent = stats->tx_bytes;
    net_run(&net, HOUR);
    sent = stats->tx_bytes - sent;
    print_message("alone: %.1f bytes/s\n", (double)sent / 3600);
    assert_true(sent > 0);
    assert_true(sent < 3600 * 500);
    /* Everybody is back: within one revisit. */
    for (unsigned i = 0; i < 7; i++) {
        net.nodes[i].dead = false;
    }
    assert_true(until_ready(&net, 60) < 20 * KITH_NS_PER_S);
    net_deinit(&net);
}

/* ---- bans ---- */

static struct kith_ban_info ban_of_key(const struct kith_key *key, uint64_t left_s) {
    return (struct kith_ban_info){.is_key = true, .key = *key, .left_s = left_s};
}

/* Out of the tables at once and for as long as it lasts; what it sends is dropped, and counted. */
static void banned_for(struct net *net, const struct kith_ban_info *ban, uint64_t duration) {
    struct kith_core *core = net->nodes[0].core;
    uint64_t dropped = core->env.stats.drop_banned;
    assert_int_equal(in_table(net, 0, &net->nodes[3].key), 1);
    assert_int_equal(kith_core_ban(core, ban, net->now), 0);
    assert_int_equal(in_table(net, 0, &net->nodes[3].key), 0);
    for (uint64_t end = net->now + duration; net->now < end;) {
        net_run(net, 10 * KITH_NS_PER_S);
        assert_int_equal(in_table(net, 0, &net->nodes[3].key), 0);
    }
    assert_true(core->env.stats.drop_banned > dropped);
}

static void test_ban_key(void **state) {
    struct net net;
    net_swarm(&net, 8);
    net_run(&net, 5 * MINUTE);
    struct kith_ban_info ban = ban_of_key(&net.nodes[3].key, UINT64_MAX);
    banned_for(&net, &ban, 10 * MINUTE);
    assert_int_equal(kith_core_unban(net.nodes[0].core, &ban), 0);
    assert_int_equal(kith_core_unban(net.nodes[0].core, &ban), KITH_ENOT_FOUND);
    net_run(&net, 10 * MINUTE);
    assert_int_equal(in_table(&net, 0, &net.nodes[3].key), 1);
    net_deinit(&net);
}

static bool count_to_banned(struct net *net, struct net_packet *packet) {
    unsigned *count = net->hook_context;
    const size_t size = sizeof(packet->to.ip);
    *count += memcmp(packet->from.ip, net->nodes[0].endpoint.ip, size) == 0 &&
              memcmp(packet->to.ip, net->nodes[3].endpoint.ip, size) == 0;
    return true;
}

/* Others go on naming a banned node in their answers: it is not asked either. */
static void test_ban_is_not_asked(void **state) {
    struct net net;
    unsigned count = 0;
    net_swarm(&net, 8);
    struct kith_ban_info ban = ban_of_key(&net.nodes[3].key, UINT64_MAX);
    assert_int_equal(kith_core_ban(net.nodes[0].core, &ban, net.now), 0);
    net.hook = count_to_banned;
    net.hook_context = &count;
    struct kith_query q = {
        .kind = KITH_QUERY_TRACE, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[3].key};
    assert_int_equal(net_ask(&net, 0, &q), 0);
    net_run(&net, 20 * MINUTE);
    assert_int_equal(count, 0);
    net_deinit(&net);
}

static bool lose_to_banned(struct net *net, struct net_packet *packet) {
    unsigned before = *(unsigned *)net->hook_context;
    (void)count_to_banned(net, packet);
    return *(unsigned *)net->hook_context == before;
}

/* A question under way, to a node that is silent, is not repeated. */
static void test_ban_ends_repeats(void **state) {
    struct net net;
    unsigned count = 0;
    uint64_t op;
    net_swarm(&net, 8);
    net.hook = lose_to_banned;
    net.hook_context = &count;
    struct kith_query q = {
        .kind = KITH_QUERY_PING, .flags = KITH_FLAG_HAS_KEY, .key = net.nodes[3].key};
    assert_int_equal(kith_core_start(net.nodes[0].core, &q, net.now, &op), 0);
    net_drain(&net, 0);
    assert_int_equal(count, 1);
    struct kith_ban_info ban = ban_of_key(&net.nodes[3].key, UINT64_MAX);
    assert_int_equal(kith_core_ban(net.nodes[0].core, &ban, net.now), 0);
    net_run(&net, MINUTE);
    assert_int_equal(count, 1);
    net_deinit(&net);
}

static void test_ban_prefix(void **state) {
    struct net net;
    net_swarm(&net, 8);
    net_run(&net, 5 * MINUTE);
    struct kith_ban_info ban = {.prefix = net_endpoint(3), .bits = 24, .left_s = UINT64_MAX};
    banned_for(&net, &ban, 10 * MINUTE);
    assert_int_equal(in_table(&net, 0, &net.nodes[4].key), 1); /* the /24 next door */
    assert_int_equal(kith_core_unban(net.nodes[0].core, &ban), 0);
    net_run(&net, 10 * MINUTE);
    assert_int_equal(in_table(&net, 0, &net.nodes[3].key), 1);
    net_deinit(&net);
}

static void test_ban_expires(void **state) {
    struct net net;
    net_swarm(&net, 8);
    net_run(&net, 5 * MINUTE);
    struct kith_ban_info ban = ban_of_key(&net.nodes[3].key, 300);
    banned_for(&net, &ban, 4 * MINUTE);
    net_run(&net, 10 * MINUTE);
    assert_int_equal(in_table(&net, 0, &net.nodes[3].key), 1);
    net_deinit(&net);
}

/* A ban outlives the process. */
static void test_ban_kept(void **state) {
    struct net net;
    struct kept kept;
    net_swarm(&net, 8);
    net_run(&net, 5 * MINUTE);
    struct kith_ban_info ban = ban_of_key(&net.nodes[3].key, UINT64_MAX);
    assert_int_equal(kith_core_ban(net.nodes[0].core, &ban, net.now), 0);
    stop(&net, 0, &kept);
    start_again(&net, 0, &kept);
    net_run(&net, 5 * MINUTE);
    assert_int_equal(in_table(&net, 0, &net.nodes[3].key), 0);
    assert_int_equal(in_table(&net, 0, &net.nodes[4].key), 1);
    net_deinit(&net);
}

/* ---- test before evict ---- */

/* 40 nodes in books with 64 places for tried entries: some want the same one. Who is there stays
 * while it answers; when holders have died, their tests fail and newcomers get their places. */
static void test_evict(void **state) {
    struct net net;
    enum { N = 40 };
    net_init(&net);
    for (unsigned i = 0; i < N; i++) {
        uint8_t seed[KITH_SEED_SIZE];
        struct kith_core_config config = net_config(&net, i, seed);
        config.book_buckets = 1;
        net_add_config(&net, &config);
        if (i > 0) {
            net_join(&net, i, 0, true);
        }
    }
    net_run(&net, HOUR);
    for (unsigned i = 0; i < N; i++) {
        struct kith_book_counts counts = counts_of(&net, i);
        assert_int_equal(counts.demoted, 0);
        assert_int_equal(counts.tests_dead, 0);
    }
    for (unsigned i = 0; i < N / 2; i++) {
        net.nodes[i].dead = true;
    }
    net_run(&net, 5 * HOUR);
    uint64_t dead = 0;
    for (unsigned i = N / 2; i < N; i++) {
        dead += counts_of(&net, i).tests_dead;
    }
    print_message("tests of holders that failed: %llu\n", (unsigned long long)dead);
    assert_true(dead > 0);
    net_deinit(&net);
}

/* ---- pace ---- */

/* Revisits every 10/coupling seconds, exchange every 10/damping, within the jitter's mean. */
static void pace(double coupling, double damping) {
    struct net net;
    uint8_t seed[KITH_SEED_SIZE];
    net_swarm(&net, 4);
    struct kith_core_config config = net_config(&net, net.n, seed);
    config.coupling = coupling;
    config.damping = damping;
    unsigned i = net_add_config(&net, &config);
    net_join(&net, i, 0, true);
    net_run(&net, 5 * MINUTE);
    const struct kith_keeper *keeper = &net.nodes[i].core->keeper;
    uint32_t round = keeper->round;
    struct kith_book_status before;
    struct kith_book_status after;
    kith_core_book_status(net.nodes[i].core, net.now, &before);
    net_run(&net, HOUR);
    kith_core_book_status(net.nodes[i].core, net.now, &after);
    double revisits = keeper->round - round;
    double exchanges = (double)(after.n_exchange - before.n_exchange);
    print_message("coupling %.3f, damping %.3f: %.0f revisits, %.0f exchanges in an hour\n",
                  after.coupling, after.damping, revisits, exchanges);
    assert_true(revisits > 0.9 * 360 * coupling && revisits < 1.1 * 360 * coupling);
    assert_true(exchanges > 0.9 * 360 * damping && exchanges < 1.1 * 360 * damping);
    assert_true(after.n_discovery > before.n_discovery);
    net_deinit(&net);
}

static void test_pace_default(void **state) {
    pace(0.70710678118654752, 0.70710678118654752);
}

static void test_pace_other(void **state) {
    pace(0.1, 2);
}

/* A node that nobody asks anything stays under 100 bytes a second each way. The simulator measures
 * the same for 1,000 nodes. */
static void test_idle(void **state) {
    struct net net;
    uint64_t tx[NET_MAX];
    uint64_t rx[NET_MAX];
    uint64_t sum_tx = 0;
    uint64_t sum_rx = 0;
    net_swarm(&net, 16);
    net_run(&net, HOUR);
    for (unsigned i = 0; i < net.n; i++) {
        tx[i] = kith_core_stats(net.nodes[i].core)->tx_bytes;
        rx[i] = kith_core_stats(net.nodes[i].core)->rx_bytes;
    }
    net_run(&net, HOUR);
    for (unsigned i = 0; i < net.n; i++) {
        sum_tx += kith_core_stats(net.nodes[i].core)->tx_bytes - tx[i];
        sum_rx += kith_core_stats(net.nodes[i].core)->rx_bytes - rx[i];
    }
    print_message("idle: %.1f bytes/s sent, %.1f received\n", (double)sum_tx / net.n / 3600,
                  (double)sum_rx / net.n / 3600);
    assert_true(sum_tx < (uint64_t)100 * 3600 * net.n);
    assert_true(sum_rx < (uint64_t)100 * 3600 * net.n);
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hints_only),
        cmocka_unit_test(test_exchange_spreads),
        cmocka_unit_test(test_capped),
        cmocka_unit_test(test_near_addresses),
        cmocka_unit_test(test_own_address),
        cmocka_unit_test(test_own_key),
        cmocka_unit_test(test_duplicate_keys),
        cmocka_unit_test(test_other_key_at_known_address),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_restart_mostly_dead),
        cmocka_unit_test(test_restart_best_dead),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_ban_key),
        cmocka_unit_test(test_ban_is_not_asked),
        cmocka_unit_test(test_ban_ends_repeats),
        cmocka_unit_test(test_ban_prefix),
        cmocka_unit_test(test_ban_expires),
        cmocka_unit_test(test_ban_kept),
        cmocka_unit_test(test_evict),
        cmocka_unit_test(test_pace_default),
        cmocka_unit_test(test_pace_other),
        cmocka_unit_test(test_idle),
    };
    return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
