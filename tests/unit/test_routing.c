/* SPDX-License-Identifier: MIT */
/* routing: the rules of admission one by one, and long random sequences with every invariant
 * checked at each step. */
#include "routing_testing.h"

static void test_config_is_checked(void **state) {
    struct kith_routing *table = NULL;
    struct kith_routing_config config = {.id_bits = 256, .k = 0};

    assert_int_equal(kith_routing_new(&table, &config), KITH_EINVALID);
    config = (struct kith_routing_config){.id_bits = 257, .k = K};
    assert_int_equal(kith_routing_new(&table, &config), KITH_EINVALID);
    assert_null(table);
    assert_null(kith_routing_free(NULL));
}

static void test_own_id_is_refused(void **state) {
    struct fixture f;

    start(&f, 1, K, 256);
    struct kith_node_ref node = node_at(&f, 3, 0, "192.0.2.1:1");
    node.id = f.own;
    assert_int_equal(answered(&f, node, SECOND), KITH_ROUTING_REFUSED);
    assert_int_equal(kith_routing_count(f.table), 0);
    end(&f);
}

static void test_full_bucket_keeps_live_entries(void **state) {
    struct fixture f;

    start(&f, 2, 4, 256);
    for (uint8_t i = 0; i < 4; i++) {
        assert_int_equal(answered(&f, node_private(&f, 5, i), SECOND), KITH_ROUTING_ADDED);
    }
    for (uint8_t i = 4; i < 20; i++) { /* more than the cache holds: the oldest are forgotten */
        assert_int_equal(answered(&f, node_private(&f, 5, i), SECOND + i), KITH_ROUTING_CACHED);
    }
    for (uint8_t i = 0; i < 4; i++) {
        struct kith_node_ref node = node_private(&f, 5, i);
        assert_non_null(kith_routing_find(f.table, &node.id));
    }
    end(&f);
}

/* One failure is enough where a replacement waits, and the one that answered last gets in. */
static void test_failed_entry_is_replaced(void **state) {
    struct fixture f;

    start(&f, 3, 2, 256);
    struct kith_node_ref a = node_private(&f, 5, 0);
    struct kith_node_ref newest = node_private(&f, 5, 3);
    (void)answered(&f, a, SECOND);
    (void)answered(&f, node_private(&f, 5, 1), SECOND);
    assert_int_equal(answered(&f, newest, 2 * SECOND), KITH_ROUTING_CACHED);
    assert_int_equal(answered(&f, node_private(&f, 5, 2), 3 * SECOND), KITH_ROUTING_CACHED);
    assert_int_equal(answered(&f, newest, 4 * SECOND), KITH_ROUTING_CACHED);
    kith_routing_failed(f.table, &a.id, 5 * SECOND);
    assert_null(kith_routing_find(f.table, &a.id));
    assert_non_null(kith_routing_find(f.table, &newest.id));
    end(&f);
}

static void test_lonely_entry_fails_three_times(void **state) {
    struct fixture f;

    start(&f, 4, 2, 256);
    struct kith_node_ref a = node_private(&f, 5, 0);
    (void)answered(&f, a, SECOND);
    kith_routing_failed(f.table, &a.id, 2 * SECOND);
    assert_int_equal(kith_routing_count_live(f.table), 0);
    kith_routing_failed(f.table, &a.id, 3 * SECOND);
    assert_int_equal(answered(&f, a, 4 * SECOND), KITH_ROUTING_UPDATED); /* starts anew */
    assert_int_equal(kith_routing_count_live(f.table), 1);
    for (unsigned i = 0; i < KITH_ROUTING_FAILURES_MAX; i++) {
        assert_non_null(kith_routing_find(f.table, &a.id));
        kith_routing_failed(f.table, &a.id, (5 + i) * SECOND);
    }
    assert_null(kith_routing_find(f.table, &a.id));
    end(&f);
}

static void take(struct fixture *f, unsigned bits, uint8_t tail, int expected) {
    struct kith_node_ref node = node_private(f, bits, tail);
    assert_int_equal(kith_routing_wants(f->table, &node.id), expected == KITH_ROUTING_ADDED);
    assert_int_equal(answered(f, node, SECOND), expected);
    assert_int_equal(kith_routing_find(f->table, &node.id) != NULL, expected == KITH_ROUTING_ADDED);
    assert_false(expected == KITH_ROUTING_ADDED && kith_routing_wants(f->table, &node.id));
}

/* The k nearest end in the middle of bucket 5: who is one of them enters though it is full, and
 * nobody goes. */
static void test_nearest_have_a_place(void **state) {
    struct fixture f;

    start(&f, 41, 4, 256);
    take(&f, 9, 1, KITH_ROUTING_ADDED);
    for (uint8_t tail = 10; tail < 14; tail++) {
        take(&f, 5, tail, KITH_ROUTING_ADDED);
    }
    take(&f, 5, 13 + 1, KITH_ROUTING_CACHED);
    take(&f, 5, 8, KITH_ROUTING_ADDED);
    take(&f, 5, 9, KITH_ROUTING_ADDED);
    take(&f, 5, 11 + 16, KITH_ROUTING_CACHED);
    assert_int_equal(kith_routing_count(f.table), 7);
    for (uint8_t tail = 2; tail < 5; tail++) { /* now they are all in bucket 9 */
        take(&f, 9, tail, KITH_ROUTING_ADDED);
    }
    take(&f, 5, 7, KITH_ROUTING_CACHED);
    assert_int_equal(kith_routing_count(f.table), 10);
    end(&f);
}

/* Ids ground ever nearer to ours get as much again as a bucket has, and push out nobody. */
static void test_ever_nearer_ones(void **state) {
    struct fixture f;

    start(&f, 42, 4, 256);
    for (uint8_t tail = 100; tail > 92; tail--) {
        take(&f, 5, tail, KITH_ROUTING_ADDED);
    }
    for (uint8_t tail = 92; tail > 60; tail--) {
        take(&f, 5, tail, KITH_ROUTING_CACHED);
    }
    struct kith_node_ref first = node_private(&f, 5, 100);
    assert_non_null(kith_routing_find(f.table, &first.id));
    assert_int_equal(kith_routing_count(f.table), 8);
    /* Who fails gives its place to nobody, but to one of the nearest. */
    kith_routing_failed(f.table, &first.id, 2 * SECOND);
    assert_null(kith_routing_find(f.table, &first.id));
    struct kith_node_ref nearest = node_private(&f, 5, 61);
    assert_non_null(kith_routing_find(f.table, &nearest.id));
    assert_int_equal(kith_routing_count(f.table), 8);
    end(&f);
}

/* A replacement that has come to be one of the nearest does not wait for a place in its bucket. */
static void test_replacement_comes_near(void **state) {
    struct fixture f;

    start(&f, 43, 4, 256);
    take(&f, 9, 1, KITH_ROUTING_ADDED);
    take(&f, 9, 2, KITH_ROUTING_ADDED);
    take(&f, 5, 1, KITH_ROUTING_ADDED);
    take(&f, 5, 2, KITH_ROUTING_ADDED);
    take(&f, 5, 8, KITH_ROUTING_ADDED);
    take(&f, 5, 9, KITH_ROUTING_ADDED);
    take(&f, 5, 5, KITH_ROUTING_CACHED);
    take(&f, 5, 10, KITH_ROUTING_CACHED);
    struct kith_node_ref leaves = node_private(&f, 9, 2);
    struct kith_node_ref comes = node_private(&f, 5, 5);
    struct kith_node_ref waits = node_private(&f, 5, 10);
    kith_routing_remove(f.table, &leaves.id);
    assert_null(kith_routing_check(f.table));
    assert_non_null(kith_routing_find(f.table, &comes.id));
    assert_null(kith_routing_find(f.table, &waits.id));
    assert_int_equal(kith_routing_count(f.table), 6);
    end(&f);
}

/* A newcomer takes the place of an entry that failed when no one waited yet. */
static void test_newcomer_takes_a_failed_place(void **state) {
    struct fixture f;

    start(&f, 5, 1, 256);
    struct kith_node_ref a = node_private(&f, 5, 0);
    (void)answered(&f, a, SECOND);
    kith_routing_failed(f.table, &a.id, 2 * SECOND);
    assert_int_equal(answered(&f, node_private(&f, 5, 1), 3 * SECOND), KITH_ROUTING_ADDED);
    assert_null(kith_routing_find(f.table, &a.id));
    end(&f);
}

static void test_one_entry_per_ip(void **state) {
    struct fixture f;

    start(&f, 6, K, 256);
    assert_int_equal(answered(&f, node_at(&f, 1, 0, "192.0.2.1:1"), SECOND), KITH_ROUTING_ADDED);
    assert_int_equal(answered(&f, node_at(&f, 2, 0, "192.0.2.1:2"), SECOND), KITH_ROUTING_REFUSED);
    assert_int_equal(answered(&f, node_at(&f, 3, 0, "127.0.0.1:1"), SECOND), KITH_ROUTING_ADDED);
    assert_int_equal(answered(&f, node_at(&f, 3, 1, "127.0.0.1:2"), SECOND), KITH_ROUTING_ADDED);
    end(&f);
}

static void test_prefix_shares(void **state) {
    struct fixture f;

    start(&f, 7, K, 256);
    for (uint8_t i = 0; i < 24; i++) { /* three per bucket: the third is one too many */
        struct kith_node_ref node = node_at(&f, i / 3, i, "192.0.2.1:1");
        node.endpoint.ip[3] = (uint8_t)(i + 1);
        bool fits = i % 3 < 2 && kith_routing_count(f.table) < 10;
        assert_int_equal(answered(&f, node, SECOND),
                         fits ? KITH_ROUTING_ADDED : KITH_ROUTING_REFUSED);
    }
    assert_int_equal(kith_routing_count(f.table), 10);
    /* The same in IPv6, where a /56 is one neighbourhood. */
    struct kith_node_ref a = node_at(&f, 9, 1, "[2001:db8:0:100::1]:1");
    struct kith_node_ref b = node_at(&f, 9, 2, "[2001:db8:0:1ff::1]:1");
    struct kith_node_ref c = node_at(&f, 9, 3, "[2001:db8:0:180::1]:1");
    struct kith_node_ref d = node_at(&f, 9, 4, "[2001:db8:0:200::1]:1");
    assert_int_equal(answered(&f, a, SECOND), KITH_ROUTING_ADDED);
    assert_int_equal(answered(&f, b, SECOND), KITH_ROUTING_ADDED);
    assert_int_equal(answered(&f, c, SECOND), KITH_ROUTING_REFUSED);
    assert_int_equal(answered(&f, d, SECOND), KITH_ROUTING_ADDED);
    end(&f);
}

/* Of a /16, and of IPv6 a /48 and a /32, however many /24s or /56s are in it. */
static void test_wide_shares(void **state) {
    struct fixture f;

    start(&f, 7, K, 256);
    unsigned n = 0;
    for (uint8_t i = 0; i < 64; i++) { /* eight of a bucket, each in a /24 of its own */
        struct kith_node_ref node = node_at(&f, i / 8, i, "192.0.2.1:1");
        node.endpoint.ip[2] = i;
        bool fits = i % 8 < 5 && n < 20;
        n += fits;
        assert_int_equal(answered(&f, node, SECOND),
                         fits ? KITH_ROUTING_ADDED : KITH_ROUTING_REFUSED);
    }
    assert_int_equal(kith_routing_count(f.table), 20);
    for (uint8_t i = 0; i < 12; i++) { /* six /48s of two /56s each, in one /32 */
        struct kith_node_ref node = node_at(&f, 20, i, "[2001:db8::1]:1");
        node.endpoint.ip[5] = i / 2;
        node.endpoint.ip[6] = i;
        assert_int_equal(answered(&f, node, SECOND),
                         i < 9 ? KITH_ROUTING_ADDED : KITH_ROUTING_REFUSED);
    }
    for (uint8_t i = 0; i < 6; i++) { /* one /48 */
        struct kith_node_ref node = node_at(&f, 21, i, "[2001:db9::1]:1");
        node.endpoint.ip[6] = i;
        assert_int_equal(answered(&f, node, SECOND),
                         i < 5 ? KITH_ROUTING_ADDED : KITH_ROUTING_REFUSED);
    }
    end(&f);
}

/* Bucket 3 is filled by one neighbourhood; 20 others, each on its own, ask for a place, then more
 * of the crowd, who are nearer to us than all of them. The crowd's addresses differ in byte
 * `within`, the others' in byte `without`. Returns how many of the others came in. */
static unsigned others_in_full_bucket(const char *crowd, unsigned within, unsigned without,
                                      unsigned k) {
    struct fixture f;
    unsigned n = 0;

    start(&f, 31, k, 256);
    f.table = kith_routing_free(f.table);
    struct kith_routing_config config = {.own_id = f.own,
                                         .id_bits = 256,
                                         .k = k,
                                         .per_net_bucket = {1, 255, 255},
                                         .per_net_table = {3, 64, 128},
                                         .random = &f.random,
                                         .stats = &f.stats,
                                         .on_change = on_change,
                                         .context = &f};
    assert_int_equal(kith_routing_new(&f.table, &config), 0);
    for (uint8_t i = 0; i < k; i++) { /* nobody else is there: they fill it, and stay */
        struct kith_node_ref node = node_at(&f, 3, (uint8_t)(20 + i), crowd);
        node.endpoint.ip[within] = (uint8_t)(i + 1);
        assert_int_equal(answered(&f, node, SECOND), KITH_ROUTING_ADDED);
    }
    for (uint8_t i = 0; i < 20; i++) {
        struct kith_node_ref node = node_at(&f, 3, (uint8_t)(100 + i), crowd);
        node.endpoint.ip[without] ^= (uint8_t)(i + 1);
        n += answered(&f, node, 2 * SECOND) == KITH_ROUTING_ADDED;
    }
    for (uint8_t i = 0; i < 20; i++) { /* the crowd does not come back */
        struct kith_node_ref node = node_at(&f, 3, i, crowd);
        node.endpoint.ip[within] = (uint8_t)(100 + i);
        assert_int_equal(answered(&f, node, 3 * SECOND), KITH_ROUTING_CACHED);
    }
    assert_int_equal(kith_routing_count(f.table), k);
    end(&f);
    return n;
}

/* A /16 or /48 keeps a quarter of a full bucket where others ask for the place, a /32 half. */
static void test_crowd_gives_way(void **state) {
    assert_int_equal(others_in_full_bucket("93.184.1.1:1", 2, 1, 20), 15);
    assert_int_equal(others_in_full_bucket("93.184.1.1:1", 2, 1, 8), 6);
    assert_int_equal(others_in_full_bucket("[2a00:1:1:100::1]:1", 6, 3, 20), 15);
    assert_int_equal(others_in_full_bucket("[2a00:1:1:100::1]:1", 4, 3, 20), 10);
}

/* Swapping ids at one endpoint costs the place; after a restart the second answer brings it back.
 */
static void test_endpoint_that_changes_its_key(void **state) {
    struct fixture f;

    start(&f, 8, K, 256);
    struct kith_node_ref old = node_at(&f, 1, 0, "192.0.2.1:1");
    struct kith_node_ref new = node_at(&f, 2, 0, "192.0.2.1:1");
    (void)answered(&f, old, SECOND);
    assert_int_equal(answered(&f, new, SECOND), KITH_ROUTING_REFUSED);
    assert_int_equal(kith_routing_count(f.table), 0);
    assert_int_equal(answered(&f, new, SECOND), KITH_ROUTING_ADDED);
    kith_routing_failed(f.table, &new.id, 2 * SECOND);
    assert_int_equal(answered(&f, old, 3 * SECOND), KITH_ROUTING_ADDED);
    assert_null(kith_routing_find(f.table, &new.id));
    end(&f);
}

static void assert_at(const struct kith_entry *entry, const struct kith_endpoint *endpoint) {
    struct kith_endpoint there = kith_entry_endpoint(entry);

    assert_true(kith_endpoint_equal(&there, endpoint));
}

static void test_entry_moves(void **state) {
    struct fixture f;

    start(&f, 9, K, 256);
    struct kith_node_ref node = node_at(&f, 1, 0, "192.0.2.1:1");
    struct kith_node_ref moved = node_at(&f, 1, 0, "198.51.100.1:1");
    struct kith_node_ref crowded = node_at(&f, 1, 0, "203.0.113.9:1");
    (void)answered(&f, node, SECOND);
    (void)answered(&f, node_at(&f, 2, 0, "203.0.113.9:2"), SECOND);
    struct kith_entry *entry = kith_routing_find(f.table, &node.id);
    /* The old endpoint is fresh: it stays. */
    assert_int_equal(answered(&f, moved, 2 * SECOND), KITH_ROUTING_UPDATED);
    assert_at(entry, &node.endpoint);
    assert_int_equal(entry->seen, SECOND);
    /* It is old: the entry moves, unless somebody else has that IP. */
    assert_int_equal(answered(&f, crowded, 62 * SECOND), KITH_ROUTING_REFUSED);
    assert_int_equal(answered(&f, moved, 62 * SECOND), KITH_ROUTING_UPDATED);
    assert_at(entry, &moved.endpoint);
    /* It failed: the entry moves at once. */
    kith_routing_failed(f.table, &node.id, 63 * SECOND);
    assert_int_equal(answered(&f, node, 63 * SECOND), KITH_ROUTING_UPDATED);
    assert_at(entry, &node.endpoint);
    assert_int_equal(kith_routing_count_live(f.table), 2);
    end(&f);
}

/* A node comes out of the table as it went in, from tables of one family and of both. */
static void test_entries_of_each_family(void **state) {
    static const char *const texts[] = {"10.1.2.3:7700", "[fe80::1]:65535"};

    for (uint8_t family = 0; family <= 6; family = family == 0 ? 4 : family + 2) {
        struct fixture f;
        start(&f, 11, K, 256);
        f.table = kith_routing_free(f.table);
        struct kith_routing_config config = {.own_id = f.own,
                                             .family = family,
                                             .id_bits = 256,
                                             .k = K,
                                             .per_net_bucket = {1, 1, 1},
                                             .per_net_table = {1, 1, 1},
                                             .random = &f.random,
                                             .stats = &f.stats,
                                             .on_change = on_change,
                                             .context = &f};
        assert_int_equal(kith_routing_new(&f.table, &config), 0);
        for (unsigned i = 0; i < 12; i++) {
            struct kith_node_ref node = node_at(&f, 1, (uint8_t)i, texts[i % 2]);
            node.endpoint.ip[3 + 12 * (i % 2)] = (uint8_t)(i + 1);
            node.endpoint.scope = i % 2 == 0 ? 0 : UINT32_MAX - i;
            bool fits = family == 0 || family == node.endpoint.family;
            assert_int_equal(answered(&f, node, SECOND),
                             fits ? KITH_ROUTING_ADDED : KITH_ROUTING_REFUSED);
            const struct kith_entry *entry = kith_routing_find(f.table, &node.id);
            assert_true((entry != NULL) == fits);
            if (fits) {
                assert_at(entry, &node.endpoint);
                assert_int_equal(kith_entry_endpoint(entry).scope, node.endpoint.scope);
            }
        }
        end(&f);
    }
}

static void test_rtt_is_smoothed(void **state) {
    struct fixture f;

    start(&f, 10, K, 256);
    struct kith_node_ref node = node_private(&f, 1, 0);
    assert_int_equal(kith_routing_answered(f.table, &node, 0, SECOND), KITH_ROUTING_ADDED);
    struct kith_entry *entry = kith_routing_find(f.table, &node.id);
    assert_int_equal(entry->peer_seq, -1);
    assert_int_equal(entry->rtt_us, 0);
    assert_int_equal(kith_routing_answered(f.table, &node, 800, SECOND), KITH_ROUTING_UPDATED);
    assert_int_equal(kith_routing_answered(f.table, &node, 1600, SECOND), KITH_ROUTING_UPDATED);
    assert_int_equal(kith_routing_answered(f.table, &node, 0, SECOND), KITH_ROUTING_UPDATED);
    assert_int_equal(entry->rtt_us, 900);
    end(&f);
}

static void test_memory_follows_use(void **state) {
    struct fixture f;

    start(&f, 17, K, 256);
    assert_in_range(kith_routing_memory(f.table), 1, 512);
    fill_random(&f, 256, 1);
    assert_in_range(kith_routing_memory(f.table), 512, 2048);
    fill_random(&f, 256, 20000);
    /* About 11 buckets of 20 and their caches. */
    assert_in_range(kith_routing_memory(f.table), 11 * 20 * 128, 14 * 28 * 140);
    end(&f);
}

static int stop_at_third(const struct kith_entry *entry, unsigned bucket, bool replacement,
                         void *user) {
    unsigned *n = user;

    (*n)++;
    return *n == 3 ? 77 : 0;
}

static void test_each_can_be_ended(void **state) {
    struct fixture f;
    unsigned n = 0;

    start(&f, 18, K, 256);
    fill_random(&f, 256, 10);
    assert_int_equal(kith_routing_each(f.table, stop_at_third, &n), 77);
    assert_int_equal(n, 3);
    end(&f);
}

/* One of few ids (so that they meet again) at one of few addresses, exempt or not. */
static struct kith_node_ref sequence_node(struct fixture *f) {
    static const char *const places[] = {"192.0.2.0:1", "198.51.100.0:1", "127.0.0.1:1",
                                         "[2001:db8::1]:1", "[::1]:1"};
    struct kith_random *random = &f->random;
    unsigned bits = (unsigned)kith_random_below(random, 5);
    struct kith_node_ref node =
        node_at(f, bits, (uint8_t)kith_random_below(random, 12),
                places[kith_random_below(random, sizeof(places) / sizeof(places[0]))]);

    node.endpoint.port = (uint16_t)(1 + kith_random_below(random, 6));
    unsigned host = (unsigned)kith_random_below(random, 6);
    node.endpoint.ip[node.endpoint.family == 4 ? 3 : 15] |= (uint8_t)host;
    return node;
}

static void sequence_step(struct fixture *f, uint64_t now) {
    struct kith_node_ref node = sequence_node(f);
    int r;

    switch (kith_random_below(&f->random, 10)) {
    case 0:
    case 1:
        kith_routing_failed(f->table, &node.id, now);
        break;
    case 2:
        kith_routing_remove(f->table, &node.id);
        assert_null(kith_routing_find(f->table, &node.id));
        break;
    default:
        r = kith_routing_answered(f->table, &node, 100, now);
        assert_true(r > 0);
        /* A refusal of a known node leaves its entry as it was; the others are plain. */
        assert_true(r == KITH_ROUTING_REFUSED ||
                    (r == KITH_ROUTING_CACHED) == (kith_routing_find(f->table, &node.id) == NULL));
        break;
    }
}

/* Valid by the last byte alone. */
static bool is_even(const struct kith_point *id, const struct kith_endpoint *endpoint) {
    (void)endpoint;
    return id->bytes[15] % 2 == 0;
}

/* BEP 42: in a full bucket a node with a valid id takes the place of one without, live or not;
 * never the reverse. Enforced, those without do not come in at all. */
static void test_valid_ids_are_preferred(void **state) {
    struct fixture f;

    start(&f, 9, 8, 160);
    f.table = kith_routing_free(f.table);
    f.own.bytes[15] = 0;
    struct kith_routing_config config = {.own_id = f.own,
                                         .id_bits = 160,
                                         .k = 8,
                                         .per_net_bucket = {2, 5, 9},
                                         .per_net_table = {10, 20, 30},
                                         .id_valid = is_even,
                                         .random = &f.random,
                                         .stats = &f.stats,
                                         .on_change = on_change,
                                         .context = &f};
    assert_int_equal(kith_routing_new(&f.table, &config), 0);
    for (uint8_t i = 0; i < 8; i++) {
        assert_int_equal(answered(&f, node_private(&f, 3, (uint8_t)(2 * i + 1)), SECOND),
                         KITH_ROUTING_ADDED);
    }
    for (uint8_t i = 0; i < 8; i++) {
        assert_int_equal(answered(&f, node_private(&f, 3, (uint8_t)(2 * i + 2)), SECOND),
                         KITH_ROUTING_ADDED);
        assert_int_equal(kith_routing_count(f.table), 8);
    }
    assert_int_equal(answered(&f, node_private(&f, 3, 99), SECOND), KITH_ROUTING_CACHED);
    assert_int_equal(answered(&f, node_private(&f, 3, 98), SECOND), KITH_ROUTING_CACHED);
    /* Nor has one of the nearest a place of its own without a valid id. */
    assert_int_equal(answered(&f, node_private(&f, 3, 1), SECOND), KITH_ROUTING_CACHED);
    end(&f);

    start(&f, 9, 8, 160);
    f.table = kith_routing_free(f.table);
    f.own.bytes[15] = 0;
    config.own_id = f.own;
    config.enforce_ids = true;
    config.random = &f.random;
    assert_int_equal(kith_routing_new(&f.table, &config), 0);
    assert_int_equal(answered(&f, node_private(&f, 3, 1), SECOND), KITH_ROUTING_REFUSED);
    assert_int_equal(answered(&f, node_private(&f, 3, 2), SECOND), KITH_ROUTING_ADDED);
    end(&f);
}

static void test_random_sequences(void **state) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct fixture f;
        uint64_t now = SECOND;
        start(&f, seed, (unsigned)(1 + seed % 5), seed % 2 == 0 ? 256 : 160);
        for (unsigned step = 0; step < 400; step++) {
            now += kith_random_below(&f.random, 20) * SECOND;
            sequence_step(&f, now);
            const char *wrong = kith_routing_check(f.table);
            if (wrong != NULL) {
                fail_msg("seed %u step %u: %s", (unsigned)seed, step, wrong);
            }
            assert_int_equal(f.n_added - f.n_removed, kith_routing_count(f.table));
        }
        end(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_is_checked),
        cmocka_unit_test(test_own_id_is_refused),
        cmocka_unit_test(test_full_bucket_keeps_live_entries),
        cmocka_unit_test(test_failed_entry_is_replaced),
        cmocka_unit_test(test_lonely_entry_fails_three_times),
        cmocka_unit_test(test_nearest_have_a_place),
        cmocka_unit_test(test_ever_nearer_ones),
        cmocka_unit_test(test_replacement_comes_near),
        cmocka_unit_test(test_newcomer_takes_a_failed_place),
        cmocka_unit_test(test_one_entry_per_ip),
        cmocka_unit_test(test_prefix_shares),
        cmocka_unit_test(test_wide_shares),
        cmocka_unit_test(test_crowd_gives_way),
        cmocka_unit_test(test_endpoint_that_changes_its_key),
        cmocka_unit_test(test_entry_moves),
        cmocka_unit_test(test_entries_of_each_family),
        cmocka_unit_test(test_rtt_is_smoothed),
        cmocka_unit_test(test_memory_follows_use),
        cmocka_unit_test(test_each_can_be_ended),
        cmocka_unit_test(test_valid_ids_are_preferred),
        cmocka_unit_test(test_random_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
