/* SPDX-License-Identifier: MIT */
/* store: long random sequences against a model that does everything by looking at all records. */
#include "store_testing.h"

/* The model: all that matters of a record, in an array. */
enum { MODEL_MAX = 64, UNKNOWN = 99 };

struct model_item {
    uint8_t where;
    uint8_t who;
    bool is_announcement;
    int64_t seq;
    uint64_t stored;
    uint64_t expires;
    uint64_t serial;
    uint32_t prefix; /* 0: exempt, UNKNOWN: restored */
};

struct model {
    struct kith_store_limits limits;
    struct model_item items[MODEL_MAX];
    unsigned n;
    uint64_t serial;
};

static void model_drop(struct model *m, unsigned i) {
    m->items[i] = m->items[--m->n];
}

static void model_expire(struct model *m, uint64_t now) {
    for (unsigned i = m->n; i > 0; i--) {
        if (m->items[i - 1].expires <= now) {
            model_drop(m, i - 1);
        }
    }
}

static struct model_item *model_find(struct model *m, const struct model_item *like) {
    for (unsigned i = 0; i < m->n; i++) {
        struct model_item *item = &m->items[i];
        if (item->where == like->where && item->is_announcement == like->is_announcement &&
            (!like->is_announcement || item->who == like->who)) {
            return item;
        }
    }
    return NULL;
}

static bool model_goes_before(const struct model_item *a, const struct model_item *b) {
    if (a->where != b->where) {
        return a->where > b->where;
    }
    return a->stored != b->stored ? a->stored < b->stored : a->serial < b->serial;
}

/* How many announcements the prefix of `like` has in its topic. */
static unsigned model_share(const struct model *m, const struct model_item *like) {
    unsigned n = 0;

    for (unsigned i = 0; i < m->n && like->prefix != 0; i++) {
        const struct model_item *item = &m->items[i];
        n += item->is_announcement && item->where == like->where && item->prefix == like->prefix;
    }
    return n;
}

/* Who leaves a full topic, MODEL_MAX if the newcomer cannot come in. */
static unsigned model_displaced(const struct model *m, const struct model_item *new) {
    unsigned most = model_share(m, new) + 1;
    unsigned ret = MODEL_MAX;

    for (unsigned i = 0; i < m->n; i++) {
        const struct model_item *item = &m->items[i];
        unsigned n = model_share(m, item);
        if (!item->is_announcement || item->where != new->where || n < most) {
            continue;
        }
        const struct model_item *other = ret == MODEL_MAX ? NULL : &m->items[ret];
        if (n > most ||
            (other != NULL && (item->expires != other->expires ? item->expires < other->expires
                                                               : item->serial < other->serial))) {
            most = n;
            ret = i;
        }
    }
    return ret;
}

/* Exempt and unknown sources are one in the whole store. */
static uint32_t model_source(const struct model_item *item) {
    return item->prefix == UNKNOWN ? 0 : item->prefix;
}

static unsigned model_has(const struct model *m, uint32_t source) {
    unsigned n = 0;

    for (unsigned i = 0; i < m->n; i++) {
        n += model_source(&m->items[i]) == source;
    }
    return n;
}

/* Who leaves a full store, MODEL_MAX if the newcomer cannot come in: the farthest of the source
 * that has most, of those with as many the farthest of all. */
static unsigned model_victim(const struct model *m, const struct model_item *new) {
    unsigned own = model_has(m, model_source(new)) + 1;
    unsigned most = MODEL_MAX;
    unsigned of_own = MODEL_MAX;

    for (unsigned i = 0; i < m->n; i++) {
        const struct model_item *item = &m->items[i];
        if (model_source(item) == model_source(new)) {
            if (of_own == MODEL_MAX || model_goes_before(item, &m->items[of_own])) {
                of_own = i;
            }
            continue;
        }
        unsigned n = model_has(m, model_source(item));
        unsigned before = most == MODEL_MAX ? 0 : model_has(m, model_source(&m->items[most]));
        if (n > before || (n == before && model_goes_before(item, &m->items[most]))) {
            most = i;
        }
    }
    unsigned others = most == MODEL_MAX ? 0 : model_has(m, model_source(&m->items[most]));
    if (others > own) {
        return most;
    }
    if (others == own && m->items[most].where > new->where) {
        return most;
    }
    return of_own != MODEL_MAX && m->items[of_own].where > new->where ? of_own : MODEL_MAX;
}

static int model_admit(struct model *m, const struct model_item *new) {
    unsigned by_prefix = 0;
    unsigned in_topic = 0;
    unsigned in_topic_by_prefix = 0;

    for (unsigned i = 0; i < m->n; i++) {
        const struct model_item *item = &m->items[i];
        bool same_prefix =
            new->prefix != 0 && new->prefix != UNKNOWN && item->prefix == new->prefix;
        bool same_topic = item->is_announcement && item->where == new->where;
        by_prefix += same_prefix;
        in_topic += same_topic;
        in_topic_by_prefix += same_topic && same_prefix;
    }
    if (by_prefix >= m->limits.records_per_prefix ||
        (new->is_announcement &&in_topic_by_prefix >= m->limits.topic_peers / 4)) {
        return KITH_STORE_FULL;
    }
    if (new->is_announcement && in_topic >= m->limits.topic_peers) {
        unsigned displaced = model_displaced(m, new);
        if (displaced == MODEL_MAX) {
            return KITH_STORE_FULL;
        }
        model_drop(m, displaced);
    }
    if (m->n == m->limits.records) {
        unsigned victim = model_victim(m, new);
        if (victim == MODEL_MAX) {
            return KITH_STORE_FULL;
        }
        model_drop(m, victim);
    }
    m->items[m->n++] = *new;
    return 0;
}

/* Whether what has no prefix goes over to that of who brings a newer version. */
static bool model_adopts(const struct model *m, const struct model_item *held,
                         const struct model_item *new) {
    unsigned n = 0;
    unsigned n_in_topic = 0;

    for (unsigned i = 0; i < m->n; i++) {
        bool same = m->items[i].prefix == new->prefix;
        n += same;
        n_in_topic += same && m->items[i].is_announcement && m->items[i].where == new->where;
    }
    return (held->prefix == 0 || held->prefix == UNKNOWN) && new->prefix != 0 &&
           new->prefix != UNKNOWN &&n < m->limits.records_per_prefix &&
           (!new->is_announcement || n_in_topic < m->limits.topic_peers / 4);
}

static int model_put(struct model *m, struct model_item new, bool has_cas, int64_t cas) {
    model_expire(m, new.stored);
    struct model_item *held = model_find(m, &new);
    if (held == NULL) {
        new.serial = m->serial;
        int r = model_admit(m, &new);
        m->serial += r == 0;
        return r;
    }
    if (held->seq == new.seq) {
        held->stored = new.stored;
        held->expires = held->expires > new.expires ? held->expires : new.expires;
        return KITH_STORE_SAME;
    }
    if (has_cas && cas != held->seq) {
        return KITH_STORE_CAS;
    }
    if (new.seq < held->seq) {
        return KITH_STORE_OUTDATED;
    }
    new.prefix = model_adopts(m, held, &new) ? new.prefix : held->prefix;
    new.serial = m->serial++;
    new.expires = held->expires > new.expires ? held->expires : new.expires;
    *held = new;
    return 0;
}

static int compare_held(const struct kith_held *held, void *user) {
    struct model *m = user;
    struct model_item like = {.where = held->point.bytes[0],
                              .who = held->view.key[0],
                              .is_announcement = held->is_announcement};
    struct model_item *item = model_find(m, &like);

    assert_non_null(item);
    assert_int_equal(held->view.seq, item->seq);
    assert_int_equal(held->stored, item->stored);
    assert_int_equal(held->expires, item->expires);
    return 0;
}

static void model_step(struct fixture *f, struct model *m, uint64_t now) {
    static const char *const sources[] = {
        NULL, "10.0.0.1:1", "192.0.2.1:1", "198.51.100.1:1", "203.0.113.1:1", "93.184.1.1:1"};
    struct kith_random *random = &f->random;
    struct example e;
    uint8_t where = (uint8_t)kith_random_below(random, 24);
    unsigned source = (unsigned)kith_random_below(random, 6);

    if (kith_random_below(random, 2) == 0) {
        example_announce(&e, where / 6, (uint8_t)kith_random_below(random, 12));
    } else {
        example_init(&e, where, 1, "3:xyz");
    }
    e.view.seq = (int64_t)kith_random_below(random, 4);
    e.put.lifetime_ns = (1 + kith_random_below(random, 60)) * SECOND;
    e.put.has_cas = kith_random_below(random, 8) == 0;
    e.put.cas = (int64_t)kith_random_below(random, 4);
    if (sources[source] != NULL) {
        example_from(&e, sources[source]);
    }
    struct model_item item = {.where = e.put.point.bytes[0],
                              .who = e.key[0],
                              .is_announcement = e.put.is_announcement,
                              .seq = e.view.seq,
                              .stored = now,
                              .expires = now + e.put.lifetime_ns,
                              .prefix = source == 0   ? UNKNOWN
                                        : source == 1 ? 0
                                                      : source};
    int expected = model_put(m, item, e.put.has_cas, e.put.cas);
    assert_int_equal(put_at(f, &e, now), expected);
    assert_int_equal(kith_store_count(f->store), m->n);
    assert_int_equal(f->n_added >= f->n_removed, 1);
    (void)kith_store_each(f->store, compare_held, m);
}

static void test_equals_the_model(void **state) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct fixture f;
        struct model m = {.limits = {.records = (uint32_t)(8 + seed % 24),
                                     .bytes = 1 << 20,
                                     .records_per_prefix = (uint32_t)(2 + seed % 9),
                                     .topic_peers = (uint32_t)(4 + seed % 8)}};
        uint64_t now = SECOND;
        start(&f, seed, &m.limits);
        for (unsigned step = 0; step < 400; step++) {
            now += kith_random_below(&f.random, 3) * SECOND;
            model_step(&f, &m, now);
        }
        end(&f);
    }
}

/* Sizes at random against a tight limit of bytes: the invariants hold at every step, and a refusal
 * costs nobody his record. */
static void test_bytes_under_pressure(void **state) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        const struct kith_store_limits limits = {1000, 16384, 1000, 16};
        struct fixture f;
        struct example e;
        start(&f, seed, &limits);
        for (unsigned step = 0; step < 400; step++) {
            uint8_t where = (uint8_t)kith_random_below(&f.random, 64);
            if (step % 3 == 0) {
                example_announce(&e, where, (uint8_t)step);
            } else {
                example_init(&e, where, step, "");
            }
            e.view.value = kith_span(e.value, 1 + kith_random_below(&f.random, KITH_VALUE_MAX));
            unsigned n_removed = f.n_removed;
            int r = put(&f, &e);
            assert_true(r == 0 || r == KITH_STORE_FULL || r == KITH_STORE_OUTDATED);
            assert_true(r == 0 || f.n_removed == n_removed);
        }
        assert_true(f.n_removed > 0);
        end(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_the_model),
        cmocka_unit_test(test_bytes_under_pressure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
