/* SPDX-License-Identifier: MIT */
/* store: the outcomes of a put one by one, limits and shares, what is evicted and what is told. */
#include "store_testing.h"

static void test_get_returns_what_was_put(void **state) {
    struct fixture f;
    struct example e;
    struct kith_held held;

    start(&f, 1, NULL);
    example_init(&e, 7, 42, "5:hello");
    assert_false(kith_store_get(f.store, &e.put.point, SECOND, &held));
    assert_int_equal(put(&f, &e), 0);
    assert_true(kith_store_get(f.store, &e.put.point, SECOND, &held));
    assert_memory_equal(&held.point, &e.put.point, sizeof(held.point));
    assert_false(held.is_announcement);
    assert_int_equal(held.stored, SECOND);
    assert_int_equal(held.expires, SECOND + HOUR);
    assert_true(held.view.is_mutable);
    assert_memory_equal(held.view.key, e.key, sizeof(e.key));
    assert_memory_equal(held.view.signature, e.signature, sizeof(e.signature));
    assert_int_equal(held.view.salt.size, 5);
    assert_memory_equal(held.view.salt.data, e.salt, 5);
    assert_int_equal(held.view.seq, 42);
    assert_int_equal(held.view.value.size, 7);
    assert_memory_equal(held.view.value.data, "5:hello", 7);
    assert_int_equal(f.n_added, 1);
    end(&f);
}

static void test_immutable_record(void **state) {
    struct fixture f;
    struct example e;
    struct kith_held held;

    start(&f, 2, NULL);
    example_init(&e, 7, 0, "5:hello");
    e.view = (struct kith_record_view){.value = kith_span(e.value, 7)};
    assert_int_equal(put(&f, &e), 0);
    assert_int_equal(put(&f, &e), KITH_STORE_SAME);
    assert_true(kith_store_get(f.store, &e.put.point, SECOND, &held));
    assert_false(held.view.is_mutable);
    assert_null(held.view.key);
    assert_memory_equal(held.view.value.data, "5:hello", 7);
    end(&f);
}

/* The largest a record may be; one byte more is our mistake and is refused. */
static void test_size_limits(void **state) {
    struct fixture f;
    struct example e;

    start(&f, 3, NULL);
    example_init(&e, 1, 1, "");
    e.view.salt = kith_span(e.salt, KITH_SALT_MAX);
    e.view.value = kith_span(e.value, KITH_VALUE_MAX);
    assert_int_equal(put(&f, &e), 0);
    e.view.value.size++;
    assert_int_equal(put(&f, &e), KITH_EINVALID);
    e.view.value.size--;
    e.view.salt.size++;
    assert_int_equal(put(&f, &e), KITH_EINVALID);
    example_announce(&e, 1, 1);
    e.view.is_mutable = false;
    assert_int_equal(put(&f, &e), KITH_EINVALID);
    end(&f);
}

static void test_versions(void **state) {
    struct fixture f;
    struct example e;
    int64_t seq = -1;

    start(&f, 4, NULL);
    example_init(&e, 1, 5, "1:b");
    assert_int_equal(put(&f, &e), 0);
    assert_int_equal(put(&f, &e), KITH_STORE_SAME);
    example_init(&e, 1, 4, "1:z");
    assert_int_equal(kith_store_put(f.store, &e.put, SECOND, &seq), KITH_STORE_OUTDATED);
    assert_int_equal(seq, 5);
    example_init(&e, 1, 5, "1:a"); /* same seq: the larger value wins */
    assert_int_equal(put(&f, &e), KITH_STORE_OUTDATED);
    example_init(&e, 1, 5, "1:c");
    assert_int_equal(put(&f, &e), 0);
    example_init(&e, 1, 6, "20:aaaaaaaaaaaaaaaaaaaa");
    assert_int_equal(put(&f, &e), 0);
    assert_int_equal(kith_store_count(f.store), 1);
    assert_int_equal(f.n_added, 3);
    assert_int_equal(f.n_removed, 0); /* a newer version is no removal */
    end(&f);
}

/* Whatever the order of arrival, replicas end with the same version. */
static void test_replicas_converge(void **state) {
    static const char *const values[] = {"1:a", "1:b", "2:aa", "2:ab", "i7e"};
    enum { VERSIONS = 15 };
    struct kith_held held;
    char winner[16] = "";

    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct fixture f;
        unsigned order[VERSIONS];
        start(&f, seed, NULL);
        for (unsigned i = 0; i < VERSIONS; i++) {
            unsigned j = (unsigned)kith_random_below(&f.random, i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        struct example e;
        for (unsigned i = 0; i < VERSIONS; i++) {
            example_init(&e, 1, order[i] / 5, values[order[i] % 5]);
            int r = put(&f, &e);
            assert_true(r == 0 || r == KITH_STORE_OUTDATED);
        }
        assert_true(kith_store_get(f.store, &e.put.point, SECOND, &held));
        assert_int_equal(held.view.seq, 2);
        if (seed == 1) {
            memcpy(winner, held.view.value.data, held.view.value.size);
        }
        assert_int_equal(held.view.value.size, strlen(winner));
        assert_memory_equal(held.view.value.data, winner, strlen(winner));
        end(&f);
    }
}

static void test_cas(void **state) {
    struct fixture f;
    struct example e;
    int64_t seq = -1;

    start(&f, 5, NULL);
    example_init(&e, 1, 5, "1:b");
    e.put.has_cas = true;
    e.put.cas = 3;
    assert_int_equal(put(&f, &e), 0);               /* nothing held: cas says nothing */
    assert_int_equal(put(&f, &e), KITH_STORE_SAME); /* its answer was lost: no failure */
    example_init(&e, 1, 6, "1:c");
    e.put.has_cas = true;
    e.put.cas = 4;
    assert_int_equal(kith_store_put(f.store, &e.put, SECOND, &seq), KITH_STORE_CAS);
    assert_int_equal(seq, 5);
    e.put.cas = 5;
    assert_int_equal(put(&f, &e), 0);
    end(&f);
}

static void test_expiry(void **state) {
    struct fixture f;
    struct example e;
    struct kith_held held;

    start(&f, 6, NULL);
    assert_true(kith_store_deadline(f.store) == UINT64_MAX);
    example_init(&e, 1, 1, "1:a");
    assert_int_equal(put(&f, &e), 0);
    assert_int_equal(kith_store_deadline(f.store), SECOND + HOUR);
    /* Held no longer than promised, whether or not it has been dropped yet. */
    assert_true(kith_store_get(f.store, &e.put.point, SECOND + HOUR - 1, &held));
    assert_false(kith_store_get(f.store, &e.put.point, SECOND + HOUR, &held));
    /* The same again renews; a shorter lifetime does not cut what was granted. */
    assert_int_equal(put_at(&f, &e, 2 * SECOND), KITH_STORE_SAME);
    e.put.lifetime_ns = SECOND;
    assert_int_equal(put_at(&f, &e, 3 * SECOND), KITH_STORE_SAME);
    assert_int_equal(kith_store_deadline(f.store), 2 * SECOND + HOUR);
    e.view.seq++; /* nor does a newer version, which anybody can pass on */
    assert_int_equal(put_at(&f, &e, 4 * SECOND), 0);
    assert_int_equal(kith_store_deadline(f.store), 2 * SECOND + HOUR);
    kith_store_expire(f.store, 2 * SECOND + HOUR - 1);
    assert_int_equal(kith_store_count(f.store), 1);
    kith_store_expire(f.store, 2 * SECOND + HOUR);
    assert_int_equal(kith_store_count(f.store), 0);
    assert_int_equal(kith_store_bytes(f.store), 0);
    assert_int_equal(f.n_removed, 1);
    assert_int_equal(f.stats.records_expired, 1);
    /* A lifetime beyond the end of time does not wrap. */
    e.put.lifetime_ns = UINT64_MAX;
    assert_int_equal(put(&f, &e), 0);
    assert_true(kith_store_deadline(f.store) == UINT64_MAX);
    end(&f);
}

/* What is put again lives on, also on the disk: or whoever starts again would drop what was renewed
 * by the hour for days. Not with every put: told now and then, a quarter of an hour short at most.
 */
static void test_renewal_is_told(void **state) {
    struct fixture f;
    struct example e;

    start(&f, 33, NULL);
    example_init(&e, 1, 1, "1:a");
    e.put.lifetime_ns = 24 * HOUR;
    for (unsigned i = 0; i <= 72; i++) { /* three days */
        assert_int_equal(put_at(&f, &e, SECOND + i * HOUR), i == 0 ? 0 : KITH_STORE_SAME);
        assert_true(f.told_until >= SECOND + i * HOUR + 24 * HOUR - HOUR / 4);
    }
    unsigned n_told = f.n_added;
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(put_at(&f, &e, SECOND + 72 * HOUR + i), KITH_STORE_SAME);
    }
    assert_in_range(f.n_added, n_told, n_told + 1);
    e.put.lifetime_ns = SECOND; /* nothing changes */
    assert_int_equal(put_at(&f, &e, 2 * SECOND + 72 * HOUR), KITH_STORE_SAME);
    assert_in_range(f.n_added, n_told, n_told + 1);
    end(&f);
}

/* The farthest makes room for a nearer one; what is not nearer is refused. */
static void test_eviction_by_distance(void **state) {
    const struct kith_store_limits limits = {3, 1 << 20, 100, 10};
    struct fixture f;
    struct example e;

    start(&f, 7, &limits);
    for (uint8_t where = 10; where <= 30; where += 10) {
        example_init(&e, where, 1, "1:a");
        assert_int_equal(put(&f, &e), 0);
    }
    example_init(&e, 40, 1, "1:a");
    assert_int_equal(put(&f, &e), KITH_STORE_FULL);
    example_init(&e, 5, 1, "1:a");
    assert_int_equal(put(&f, &e), 0);
    assert_int_equal(f.n_removed, 1);
    assert_int_equal(f.removed.bytes[0], 30);
    example_init(&e, 20, 2, "1:a"); /* a newer version needs no room */
    assert_int_equal(put(&f, &e), 0);
    assert_true(holds(&f, 5) && holds(&f, 10) && holds(&f, 20));
    end(&f);
}

static void test_older_of_equal_distance_goes_first(void **state) {
    const struct kith_store_limits limits = {3, 1 << 20, 100, 10};
    struct fixture f;
    struct example e;
    struct kith_held out[4];
    struct kith_point topic = {{50}};

    start(&f, 8, &limits);
    for (uint8_t who = 1; who <= 3; who++) {
        example_announce(&e, 50, who);
        assert_int_equal(put_at(&f, &e, who * SECOND), 0);
    }
    example_announce(&e, 50, 1); /* confirmed: now the youngest */
    assert_int_equal(put_at(&f, &e, 4 * SECOND), KITH_STORE_SAME);
    example_announce(&e, 50, 4); /* not nearer than the others */
    assert_int_equal(put_at(&f, &e, 4 * SECOND), KITH_STORE_FULL);
    example_init(&e, 49, 1, "1:a");
    assert_int_equal(put_at(&f, &e, 5 * SECOND), 0);
    assert_int_equal(kith_store_topic(f.store, &topic, SECOND, 4, out), 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_not_equal(out[i].view.key[0], 2);
    }
    end(&f);
}

/* One large record takes the place of several small ones, or of none if that is not enough. */
static void test_bytes_limit(void **state) {
    struct kith_store_limits limits = {1000, 1 << 20, 1000, 10};
    struct fixture f;
    struct example e;

    start(&f, 9, &limits);
    example_init(&e, 1, 1, "1:a");
    assert_int_equal(put(&f, &e), 0);
    size_t small = kith_store_bytes(f.store);
    end(&f);

    limits.bytes = (uint32_t)(5 * small);
    start(&f, 9, &limits);
    for (uint8_t where = 10; where <= 50; where += 10) {
        example_init(&e, where, 1, "1:a");
        assert_int_equal(put(&f, &e), 0);
    }
    example_init(&e, 60, 1, "1:a");
    assert_int_equal(put(&f, &e), KITH_STORE_FULL);
    /* Three must go for it, but only two are farther. */
    example_init(&e, 35, 1, "");
    e.view.value = kith_span(e.value, small + 4);
    assert_int_equal(put(&f, &e), KITH_STORE_FULL);
    assert_int_equal(kith_store_count(f.store), 5);
    assert_int_equal(f.n_removed, 0);
    /* A version that outgrows its place makes room like a new one. */
    example_init(&e, 10, 2, "");
    e.view.value = kith_span(e.value, small + 4);
    assert_int_equal(put(&f, &e), 0);
    assert_int_equal(kith_store_count(f.store), 3);
    assert_true(holds(&f, 10) && holds(&f, 20) && holds(&f, 30));
    /* The farthest itself cannot grow: nothing may go for it, and the old version stays. */
    example_init(&e, 30, 2, "");
    e.view.value = kith_span(e.value, KITH_VALUE_MAX);
    assert_int_equal(put(&f, &e), KITH_STORE_FULL);
    assert_true(holds(&f, 30));
    end(&f);
}

static void test_share_of_a_prefix(void **state) {
    const struct kith_store_limits limits = {100, 1 << 20, 3, 10};
    struct fixture f;
    struct example e;

    start(&f, 10, &limits);
    for (uint8_t where = 1; where <= 4; where++) {
        example_init(&e, where, 1, "1:a");
        example_from(&e, "192.0.2.1:1");
        e.from.ip[3] = where; /* many hosts, one /24 */
        assert_int_equal(put(&f, &e), where <= 3 ? 0 : KITH_STORE_FULL);
    }
    assert_int_equal(f.stats.records_stored, 3);
    assert_int_equal(f.stats.records_refused, 1);
    example_init(&e, 5, 1, "1:a");
    example_from(&e, "198.51.100.1:1");
    assert_int_equal(put(&f, &e), 0);
    /* An update from a crowded place is no new record. */
    example_init(&e, 5, 2, "1:a");
    example_from(&e, "192.0.2.1:1");
    assert_int_equal(put(&f, &e), 0);
    /* Private ranges, and what is our own, are on nobody's account. */
    for (uint8_t where = 10; where < 20; where++) {
        example_init(&e, where, 1, "1:a");
        if (where % 2 == 0) {
            example_from(&e, "10.0.0.1:1");
        }
        assert_int_equal(put(&f, &e), 0);
    }
    /* What has expired is off the account. */
    kith_store_expire(f.store, SECOND + HOUR);
    example_init(&e, 4, 1, "1:a");
    example_from(&e, "192.0.2.1:1");
    assert_int_equal(put_at(&f, &e, SECOND + HOUR), 0);
    end(&f);
}

/* The source of the i-th prefix. */
static void example_from_prefix(struct example *e, uint8_t i) {
    example_from(e, "93.184.0.1:1");
    e->from.ip[2] = i;
}

/* The place of the record that a prefix puts as its nth, and its source: one /24 for each. */
static void example_of(struct example *e, uint8_t prefix, uint8_t where) {
    example_init(e, where, 1, "1:a");
    e->put.point.bytes[1] = prefix;
    example_from_prefix(e, prefix);
}

static bool holds_of(struct fixture *f, uint8_t prefix, uint8_t where) {
    struct kith_point point = {{where, prefix}};
    struct kith_held held;

    return kith_store_get(f->store, &point, SECOND, &held);
}

/* Four prefixes own a store of 64, with points next to our id. Who comes from elsewhere, and
 * however far from it his records are, has his share; and who has less than that loses nothing. */
static void test_full_store_is_shared(void **state) {
    const struct kith_store_limits limits = {64, 1 << 20, 30, 10};
    struct fixture f;
    struct example e;

    start(&f, 40, &limits);
    for (uint8_t i = 0; i < 2; i++) { /* two honest records, far away */
        example_of(&e, 9, 240 + i);
        assert_int_equal(put(&f, &e), 0);
    }
    for (uint8_t where = 0; where < 30; where++) {
        for (uint8_t prefix = 1; prefix <= 4; prefix++) {
            example_of(&e, prefix, where);
            int r = put(&f, &e);
            assert_int_equal(r, where < 15 || (where == 15 && prefix <= 2) ? 0 : KITH_STORE_FULL);
        }
    }
    assert_true(holds_of(&f, 9, 240) && holds_of(&f, 9, 241));
    for (uint8_t i = 0; i < 20; i++) { /* a fifth party, far away, too: 62 places for five */
        example_of(&e, 5, 200 + i);
        assert_int_equal(put(&f, &e), i < 12 ? 0 : KITH_STORE_FULL);
    }
    assert_true(holds_of(&f, 9, 240) && holds_of(&f, 9, 241));
    /* What went was the farthest of those that had most. */
    for (uint8_t prefix = 1; prefix <= 4; prefix++) {
        unsigned n = 0;
        for (uint8_t where = 0; where < 30; where++) {
            n += holds_of(&f, prefix, where);
        }
        assert_in_range(n, 12, 13);
        assert_true(holds_of(&f, prefix, 11) && !holds_of(&f, prefix, 13));
    }
    example_of(&e, 1, 14); /* it comes back, and stays out */
    assert_int_equal(put(&f, &e), KITH_STORE_FULL);
    example_of(&e, 5, 100); /* within a share the nearer one goes in */
    assert_int_equal(put(&f, &e), 0);
    assert_true(holds_of(&f, 5, 100) && !holds_of(&f, 5, 211));
    end(&f);
}

/* Fifty publishers with a prefix each, who renew what they have; four prefixes next to our id. That
 * the node was restarted in between makes no difference. */
static unsigned left_after_flood(bool restarted) {
    const struct kith_store_limits limits = {100, 1 << 20, 60, 10};
    struct fixture f;
    struct example e;
    unsigned n = 0;

    start(&f, 42, &limits);
    for (int64_t seq = 1; seq <= 3; seq++) { /* published three times */
        for (uint8_t i = 0; i < 50; i++) {
            example_of(&e, 100 + i, 240);
            e.view.seq = seq;
            e.put.from = restarted && seq == 1 ? NULL : e.put.from;
            assert_int_equal(put(&f, &e), 0);
        }
    }
    for (uint8_t where = 0; where < 50; where++) {
        for (uint8_t prefix = 1; prefix <= 4; prefix++) {
            example_of(&e, prefix, where);
            int r = put(&f, &e);
            assert_true(r == 0 || r == KITH_STORE_FULL);
        }
    }
    for (uint8_t i = 0; i < 50; i++) {
        n += holds_of(&f, 100 + i, 240);
    }
    end(&f);
    return n;
}

static void test_restart_keeps_shares(void **state) {
    assert_int_equal(left_after_flood(false), 50);
    assert_int_equal(left_after_flood(true), 50);
}

/* What has no address is one share; large records count as many small ones; a /48 is one prefix. */
static void test_shares_of_the_store(void **state) {
    struct kith_store_limits limits = {8, 1 << 20, 6, 10};
    struct fixture f;
    struct example e;

    start(&f, 41, &limits);
    for (uint8_t where = 1; where <= 8; where++) { /* restored, and of the LAN */
        example_init(&e, where, 1, "1:a");
        if (where % 2 == 0) {
            example_from(&e, "10.0.0.1:1");
        }
        assert_int_equal(put(&f, &e), 0);
    }
    for (uint8_t i = 0; i < 6; i++) {
        example_of(&e, 1, 100 + i);
        assert_int_equal(put(&f, &e), i < 4 ? 0 : KITH_STORE_FULL);
    }
    assert_true(holds(&f, 4) && !holds(&f, 5));
    end(&f);

    start(&f, 42, &limits);
    for (uint8_t where = 1; where <= 8; where++) {
        example_init(&e, where, 1, "1:a");
        example_from(&e, "[2001:4860:1:100::1]:1");
        e.from.ip[6] = where; /* a /56 each */
        assert_int_equal(put(&f, &e), where <= 6 ? 0 : KITH_STORE_FULL);
    }
    end(&f);

    limits.bytes = 7600;
    start(&f, 43, &limits);
    for (uint8_t i = 0; i < 2; i++) { /* the fourth large one does not fit */
        example_of(&e, 1, i);
        e.view.value = kith_span(e.value, KITH_VALUE_MAX);
        assert_int_equal(put(&f, &e), 0);
        example_of(&e, 2, 200 + i);
        assert_int_equal(put(&f, &e), 0);
        example_of(&e, 3, 220 + i);
        assert_int_equal(put(&f, &e), 0);
    }
    for (uint8_t i = 2; i < 5; i++) {
        example_of(&e, 1, i);
        e.view.value = kith_span(e.value, KITH_VALUE_MAX);
        assert_int_equal(put(&f, &e), i < 3 ? 0 : KITH_STORE_FULL);
    }
    assert_true(holds_of(&f, 2, 201) && holds_of(&f, 3, 221));
    end(&f);
}

static void test_topic_limits(void **state) {
    const struct kith_store_limits limits = {100, 1 << 20, 50, 8};
    struct fixture f;
    struct example e;

    start(&f, 11, &limits);
    for (uint8_t who = 1; who <= 3; who++) { /* a quarter of eight for one prefix */
        example_announce(&e, 50, who);
        example_from(&e, "192.0.2.1:1");
        assert_int_equal(put(&f, &e), who <= 2 ? 0 : KITH_STORE_FULL);
    }
    example_announce(&e, 51, 3); /* another topic, another quarter */
    example_from(&e, "192.0.2.1:1");
    assert_int_equal(put(&f, &e), 0);
    for (uint8_t who = 10; who < 16; who++) {
        example_announce(&e, 50, who);
        example_from(&e, "10.0.0.1:1");
        assert_int_equal(put(&f, &e), 0);
    }
    example_announce(&e, 50, 20);
    assert_int_equal(put(&f, &e), 0); /* instead of one of the two */
    example_announce(&e, 50, 21);
    assert_int_equal(put(&f, &e), KITH_STORE_FULL);
    example_announce(&e, 50, 10); /* one per key: renewed */
    assert_int_equal(put(&f, &e), KITH_STORE_SAME);
    e.view.seq = 2;
    assert_int_equal(put(&f, &e), 0);
    assert_int_equal(kith_store_count(f.store), 9);
    /* An expired one makes room. */
    example_announce(&e, 50, 21);
    assert_int_equal(put_at(&f, &e, SECOND + HOUR), 0);
    end(&f);
}

static unsigned n_from(struct fixture *f, uint8_t first_who, uint8_t n) {
    struct kith_held out[256];
    struct kith_point topic = {{50}};
    size_t n_held = kith_store_topic(f->store, &topic, SECOND, 256, out);
    unsigned found = 0;

    for (size_t i = 0; i < n_held; i++) {
        found += out[i].view.key[0] >= first_who && out[i].view.key[0] < first_who + n;
    }
    return found;
}

/* Four prefixes own a topic of 64. Whoever comes has a place, until all have as much; and nobody is
 * sent away by those who have as much as he, or more. */
static void test_full_topic_is_shared(void **state) {
    const struct kith_store_limits limits = {1000, 1 << 20, 500, 64};
    struct fixture f;
    struct example e;

    start(&f, 31, &limits);
    for (uint8_t who = 0; who < 80; who++) {
        example_announce(&e, 50, who);
        example_from_prefix(&e, who / 20);
        assert_int_equal(put(&f, &e), who % 20 < 16 ? 0 : KITH_STORE_FULL);
    }
    for (uint8_t i = 0; i < 12; i++) { /* one each of twelve others, then a second, a third... */
        for (uint8_t j = 0; j < 12; j++) {
            example_announce(&e, 50, (uint8_t)(100 + i * 12 + j));
            example_from_prefix(&e, 100 + j);
            /* 16 prefixes, 64 places */
            assert_int_equal(put(&f, &e), i < 4 ? 0 : KITH_STORE_FULL);
        }
    }
    for (uint8_t i = 0; i < 4; i++) {
        assert_int_equal(n_from(&f, i * 20, 16), 4);
        for (uint8_t j = 0; j < 12; j++) { /* they come back, and stay out */
            example_announce(&e, 50, (uint8_t)(i * 20 + j));
            example_from_prefix(&e, i);
            assert_int_equal(put(&f, &e), KITH_STORE_FULL);
        }
    }
    assert_int_equal(n_from(&f, 100, 48), 48);
    example_announce(&e, 50, 250); /* from the LAN: as a prefix that has none */
    example_from(&e, "10.0.0.1:1");
    assert_int_equal(put(&f, &e), 0);
    assert_int_equal(f.n_added - f.n_removed, kith_store_count(f.store));
    assert_int_equal(kith_store_count(f.store), 64);
    end(&f);
}

/* After a restart nobody knows whose they were: together they count as one prefix. Exempt ones are
 * not displaced. */
static void test_restored_topic_is_shared(void **state) {
    const struct kith_store_limits limits = {1000, 1 << 20, 500, 8};
    struct fixture f;
    struct example e;

    start(&f, 32, &limits);
    for (uint8_t who = 1; who <= 8; who++) {
        example_announce(&e, 50, who);
        if (who <= 2) {
            example_from(&e, "10.0.0.1:1");
        }
        e.put.lifetime_ns = HOUR + who * SECOND;
        assert_int_equal(put(&f, &e), 0);
    }
    for (uint8_t who = 11; who <= 18; who++) {
        example_announce(&e, 50, who);
        example_from_prefix(&e, who);
        assert_int_equal(put(&f, &e), who <= 15 ? 0 : KITH_STORE_FULL);
    }
    assert_int_equal(n_from(&f, 1, 2), 2); /* exempt */
    assert_int_equal(n_from(&f, 3, 5), 0); /* those that would have expired first */
    assert_int_equal(n_from(&f, 8, 1), 1);
    end(&f);
}

/* Who has a /48 has 256 /56s, as many as a topic has places: it is one prefix here as in the whole
 * store. */
static void test_topic_of_a_wide_prefix(void **state) {
    const struct kith_store_limits limits = {1000, 1 << 20, 500, 64};
    struct fixture f;
    struct example e;
    unsigned n_stored = 0;

    start(&f, 34, &limits);
    for (uint8_t who = 0; who < 100; who++) {
        char from[64];
        snprintf(from, sizeof(from), "[2001:db8:1:%x00::1]:1", who + 1u);
        example_announce(&e, 50, who);
        example_from(&e, from);
        n_stored += put(&f, &e) == 0;
    }
    example_announce(&e, 50, 200);
    example_from(&e, "192.0.2.1:1");
    assert_int_equal(put(&f, &e), 0);
    assert_int_equal(n_stored, 16);
    end(&f);
}

/* A record and a topic at one point do not see each other. */
static void test_topic_is_not_a_record(void **state) {
    struct fixture f;
    struct example e;
    struct kith_held out[2];

    start(&f, 12, NULL);
    example_announce(&e, 50, 1);
    assert_int_equal(put(&f, &e), 0);
    assert_false(holds(&f, 50));
    example_init(&e, 50, 1, "1:a");
    assert_int_equal(put(&f, &e), 0);
    assert_true(holds(&f, 50));
    assert_int_equal(kith_store_topic(f.store, &e.put.point, SECOND, 2, out), 1);
    assert_true(out[0].is_announcement);
    assert_int_equal(kith_store_topic(f.store, &e.put.point, SECOND, 0, out), 0);
    end(&f);
}

/* Samples have no doubles and nothing expired, and everyone is drawn about equally often. */
static void test_topic_sample(void **state) {
    enum { PEERS = 20, DRAWS = 2000, WANTED = 5 };
    struct fixture f;
    struct example e;
    struct kith_held out[PEERS];
    unsigned drawn[PEERS] = {0};

    start(&f, 13, NULL);
    for (uint8_t who = 0; who < PEERS; who++) {
        example_announce(&e, 50, who);
        e.put.lifetime_ns = who % 4 == 0 ? SECOND : HOUR;
        assert_int_equal(put(&f, &e), 0);
    }
    for (unsigned i = 0; i < DRAWS; i++) {
        bool seen[PEERS] = {false};
        assert_int_equal(kith_store_topic(f.store, &e.put.point, 3 * SECOND, WANTED, out), WANTED);
        for (unsigned j = 0; j < WANTED; j++) {
            uint8_t who = out[j].view.key[0];
            assert_true(who % 4 != 0 && !seen[who]);
            seen[who] = true;
            drawn[who]++;
        }
    }
    for (unsigned who = 0; who < PEERS; who++) {
        unsigned mean = DRAWS * WANTED / 15;
        assert_in_range(drawn[who], who % 4 == 0 ? 0 : mean * 8 / 10, mean * 12 / 10);
    }
    assert_int_equal(kith_store_topic(f.store, &e.put.point, 3 * SECOND, PEERS, out), 15);
    assert_int_equal(kith_store_topic(f.store, &e.put.point, SECOND, PEERS, out), PEERS);
    end(&f);
}

static int collect(const struct kith_held *held, void *user) {
    uint8_t *order = user;

    order[++order[0]] = held->point.bytes[0];
    return order[0] == 3 ? 9 : 0;
}

static void test_each_in_order_of_arrival(void **state) {
    static const uint8_t places[] = {9, 2, 7, 4};
    struct fixture f;
    struct example e;
    uint8_t order[8] = {0};

    start(&f, 14, NULL);
    for (size_t i = 0; i < sizeof(places); i++) {
        example_init(&e, places[i], 1, "1:a");
        assert_int_equal(put(&f, &e), 0);
    }
    assert_int_equal(kith_store_each(f.store, collect, order), 9);
    assert_memory_equal(order + 1, places, 3);
    end(&f);
}

static void test_nothing_fits_into_nothing(void **state) {
    const struct kith_store_limits limits = {0};
    struct fixture f;
    struct example e;

    start(&f, 15, &limits);
    example_init(&e, 1, 1, "1:a");
    assert_int_equal(put(&f, &e), KITH_STORE_FULL);
    example_announce(&e, 1, 1);
    assert_int_equal(put(&f, &e), KITH_STORE_FULL);
    assert_null(kith_store_free(NULL));
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_returns_what_was_put),
        cmocka_unit_test(test_immutable_record),
        cmocka_unit_test(test_size_limits),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_replicas_converge),
        cmocka_unit_test(test_cas),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_renewal_is_told),
        cmocka_unit_test(test_eviction_by_distance),
        cmocka_unit_test(test_older_of_equal_distance_goes_first),
        cmocka_unit_test(test_bytes_limit),
        cmocka_unit_test(test_share_of_a_prefix),
        cmocka_unit_test(test_full_store_is_shared),
        cmocka_unit_test(test_restart_keeps_shares),
        cmocka_unit_test(test_shares_of_the_store),
        cmocka_unit_test(test_topic_limits),
        cmocka_unit_test(test_full_topic_is_shared),
        cmocka_unit_test(test_topic_of_a_wide_prefix),
        cmocka_unit_test(test_restored_topic_is_shared),
        cmocka_unit_test(test_topic_is_not_a_record),
        cmocka_unit_test(test_topic_sample),
        cmocka_unit_test(test_each_in_order_of_arrival),
        cmocka_unit_test(test_nothing_fits_into_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
