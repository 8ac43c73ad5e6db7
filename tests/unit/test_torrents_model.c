/* SPDX-License-Identifier: MIT */
/* torrents: long random sequences against a model that looks at all peers for everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/wire/bloom.h"
#include "torrents_testing.h"

enum { MODEL_MAX = 64, WHERE_MAX = 10 };

struct model_peer {
    unsigned where;
    struct kith_endpoint endpoint;
    bool seed;
    uint64_t announced;
};

struct model {
    struct kith_torrents_config config;
    struct model_peer peers[MODEL_MAX];
    unsigned n;
};

static void model_drop(struct model *m, unsigned i) {
    m->peers[i] = m->peers[--m->n];
}

static void model_expire(struct model *m, uint64_t now) {
    for (unsigned i = m->n; i > 0; i--) {
        if (m->peers[i - 1].announced + LIFE <= now) {
            model_drop(m, i - 1);
        }
    }
}

static unsigned model_count_of(const struct model *m, unsigned where) {
    unsigned n = 0;

    for (unsigned i = 0; i < m->n; i++) {
        n += m->peers[i].where == where;
    }
    return n;
}

static unsigned model_count(const struct model *m) {
    unsigned n = 0;

    for (unsigned where = 0; where < WHERE_MAX; where++) {
        n += model_count_of(m, where) > 0;
    }
    return n;
}

static bool same_prefix(const struct kith_endpoint *a, const struct kith_endpoint *b) {
    return !kith_endpoint_exempt(a) && memcmp(a->ip, b->ip, 3) == 0;
}

/* What the rules say about a newcomer: refused, or which peers may go for it: none, one of the
 * marked, or all marked. */
struct verdict {
    bool refused;
    bool all;
    bool marked[MODEL_MAX];
    unsigned n_marked;
};

static void mark(struct verdict *v, const struct model *m, unsigned where) {
    for (unsigned i = 0; i < m->n; i++) {
        v->marked[i] = m->peers[i].where == where;
        v->n_marked += v->marked[i];
    }
}

/* How much the prefix of an endpoint has of an info-hash; an exempt one has nothing. */
static unsigned model_share(const struct model *m, unsigned where,
                            const struct kith_endpoint *endpoint) {
    unsigned n = 0;

    for (unsigned i = 0; i < m->n; i++) {
        n += m->peers[i].where == where && same_prefix(&m->peers[i].endpoint, endpoint);
    }
    return n;
}

/* The oldest of the prefixes that have most; of its own where that is not more than one less; any.
 */
static void model_mark_one_of(struct verdict *v, const struct model *m, unsigned where,
                              const struct model_peer *new) {
    unsigned own = model_share(m, where, &new->endpoint);
    unsigned most = own + 2;
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < m->n; i++) {
        unsigned n = model_share(m, where, &m->peers[i].endpoint);
        most = m->peers[i].where == where && n > most ? n : most;
    }
    for (unsigned pass = 0; pass < 2 && v->n_marked == 0; pass++) {
        for (unsigned i = 0; i < 2 * m->n; i++) { /* first the time, then who is of it */
            const struct model_peer *peer = &m->peers[i % m->n];
            bool among =
                peer->where == where && (pass == 0 ? model_share(m, where, &peer->endpoint) == most
                                                   : same_prefix(&peer->endpoint, &new->endpoint));
            if (among && i < m->n) {
                oldest = peer->announced < oldest ? peer->announced : oldest;
            } else if (among && peer->announced == oldest) {
                v->marked[i % m->n] = true;
                v->n_marked++;
            }
        }
    }
    if (v->n_marked == 0) {
        mark(v, m, where);
    }
}

static struct verdict model_judge(const struct model *m, const struct model_peer *new) {
    struct verdict v = {0};
    unsigned of_prefix = 0;
    unsigned farthest = 0;

    for (unsigned i = 0; i < m->n; i++) {
        of_prefix += same_prefix(&m->peers[i].endpoint, &new->endpoint);
        farthest = m->peers[i].where > farthest ? m->peers[i].where : farthest;
    }
    unsigned of_hash = model_count_of(m, new->where);
    if (of_prefix >= m->config.per_prefix) {
        v.refused = true;
    } else if (of_hash >= m->config.peers_per_hash) {
        model_mark_one_of(&v, m, new->where, new);
    } else if (of_hash == 0 && model_count(m) >= m->config.hashes) {
        v.refused = new->where > farthest || of_prefix >= 8;
        v.all = true;
        mark(&v, m, farthest);
    } else if (m->n >= m->config.peers) {
        v.refused = of_hash == 0 && (new->where > farthest || of_prefix >= 8);
        model_mark_one_of(&v, m, farthest, new);
    }
    return v;
}

static bool listed(const struct fixture *f, size_t n, const struct kith_endpoint *endpoint) {
    for (size_t i = 0; i < n; i++) {
        if (kith_endpoint_equal(&f->out[i], endpoint)) {
            return true;
        }
    }
    return false;
}

/* Removes from the model what is gone, and asserts that the verdict allows it. */
static void model_follow(struct fixture *f, struct model *m, const struct verdict *v,
                         uint64_t now) {
    bool gone[MODEL_MAX] = {0};
    unsigned n_gone = 0;

    for (unsigned where = 0; where < WHERE_MAX; where++) {
        size_t n = peers_of(f, where, false, now);
        for (unsigned i = 0; i < m->n; i++) {
            gone[i] |= m->peers[i].where == where && !listed(f, n, &m->peers[i].endpoint);
        }
    }
    for (unsigned i = m->n; i > 0; i--) {
        if (gone[i - 1]) {
            assert_true(v->marked[i - 1]);
            model_drop(m, i - 1);
            n_gone++;
        }
    }
    assert_int_equal(n_gone, v->all || v->n_marked == 0 ? v->n_marked : 1);
}

static void model_announce(struct fixture *f, struct model *m, const struct model_peer *new) {
    struct kith_point hash = hash_at(new->where);
    int r = kith_torrents_announce(f->torrents, &hash, &new->endpoint, new->seed, new->announced);

    for (unsigned i = 0; i < m->n; i++) {
        if (m->peers[i].where == new->where &&
            kith_endpoint_same_ip(&m->peers[i].endpoint, &new->endpoint)) {
            assert_int_equal(r, 0);
            m->peers[i] = *new;
            return;
        }
    }
    struct verdict v = model_judge(m, new);
    assert_int_equal(r, v.refused ? KITH_EFULL : 0);
    if (!v.refused) {
        model_follow(f, m, &v, new->announced);
        m->peers[m->n++] = *new;
    }
}

static void model_compare_one(struct fixture *f, const struct model *m, unsigned where,
                              uint64_t now) {
    struct kith_point hash = hash_at(where);
    uint8_t expected[2][KITH_BLOOM_SIZE] = {{0}};
    uint8_t filters[2][KITH_BLOOM_SIZE];
    unsigned n_downloaders = 0;
    size_t n = peers_of(f, where, false, now);

    assert_int_equal(n, model_count_of(m, where));
    for (unsigned i = 0; i < m->n; i++) {
        const struct model_peer *peer = &m->peers[i];
        if (peer->where == where) {
            assert_true(listed(f, n, &peer->endpoint));
            kith_bloom_add(expected[peer->seed], &peer->endpoint);
            n_downloaders += !peer->seed;
        }
    }
    assert_int_equal(peers_of(f, where, true, now), n_downloaders);
    assert_int_equal(kith_torrents_scrape(f->torrents, &hash, NULL, now, filters[1], filters[0]),
                     n > 0);
    assert_memory_equal(filters, expected, sizeof(filters));
}

static void model_step(struct fixture *f, struct model *m, uint64_t now) {
    struct model_peer peer = {
        .where = (unsigned)kith_random_below(&f->random, WHERE_MAX),
        .endpoint = {.family = 4,
                     .port = (uint16_t)(1 + kith_random_below(&f->random, 3)),
                     .ip = {20, 0, (uint8_t)kith_random_below(&f->random, 4),
                            (uint8_t)kith_random_below(&f->random, 5)}},
        .seed = kith_random_below(&f->random, 3) == 0,
        .announced = now,
    };

    if (kith_random_below(&f->random, 4) == 0) {
        peer.endpoint.ip[0] = 10; /* exempt */
    }
    model_expire(m, now);
    model_announce(f, m, &peer);
    assert_null(kith_torrents_check(f->torrents));
    for (unsigned where = 0; where < WHERE_MAX; where++) {
        model_compare_one(f, m, where, now);
    }
    assert_int_equal(kith_torrents_count(f->torrents), model_count(m));
    assert_int_equal(kith_torrents_count_peers(f->torrents), m->n);
}

static void test_equals_the_model(void **state) {
    for (unsigned seed = 0; seed < 30; seed++) {
        struct fixture f;
        struct model m = {.config = {.hashes = 2 + seed % 8,
                                     .peers_per_hash = 1 + seed % 9,
                                     .peers = 10 + seed % 30,
                                     .per_prefix = 1 + seed % 12}};
        uint64_t now = START;
        start(&f, 1000 + seed, m.config);
        for (unsigned i = 0; i < 400; i++) {
            now += kith_random_below(&f.random, LIFE / 20);
            model_step(&f, &m, now);
        }
        end(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
