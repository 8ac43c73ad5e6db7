/* SPDX-License-Identifier: MIT */
/*
 * scenario_writers: what an acknowledgement means.
 *
 * Two devices that write the same record at once, both on the condition that the version they read
 * is still the one held (compare-and-swap), are not both told that they succeeded. Of a put that
 * ends, really as many hold the record as are said to have acknowledged it, though part of the
 * network goes silent meanwhile. And what nobody publishes any more is gone everywhere when its
 * time is over: announcements after two hours, records after a day, not long before;
 * what its author keeps is held on.
 *
 * All of it is found out by looking into all stores.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/identity.h"
#include "core/record/record.h"
#include "sim/memory.h"
#include "sim/swarm.h"

enum {
    OP_LIMIT_S = 60,
    DEAF_AFTER_MS = 800, /* a put takes about a second */
    SETTLE_S = 120,      /* whoever was late is served */
    ANNOUNCED_S = 2 * 3600,
    RECORD_S = 24 * 3600,
    SLACK_S = 900, /* timers of expiry may be coarse */
    LASTING = 4,   /* records whose end is awaited */
};

static const char salt_text[] = "shared";

struct writers {
    struct kith_sim_run *run;
    struct kith_sim_world world;
    uint32_t n_raced;
    uint32_t n_won;
    uint32_t n_counted;
    uint32_t n_stored;
    bool deaf; /* a share of the hosts */
};

static void wait_all(struct writers *w) {
    if (!kith_sim_world_run_asks(&w->world, OP_LIMIT_S * KITH_NS_PER_S)) {
        kith_sim_panic("an operation did not end in %d s", OP_LIMIT_S);
    }
}

static struct kith_sim_host *pick_another(struct writers *w, const struct kith_sim_host *a,
                                          const struct kith_sim_host *b) {
    struct kith_sim_host *host = a != NULL ? (struct kith_sim_host *)a : NULL;
    while (host == NULL || host == a || host == b) {
        host = kith_sim_world_pick(&w->world);
    }
    return host;
}

/* ---- who holds what ---- */

struct search {
    struct kith_point point;
    int64_t seq;
    bool found; /* with this seq or a higher one */
};

static int look(const struct kith_record_info *info, void *user) {
    struct search *search = user;
    search->found |= !info->own && info->seq >= search->seq &&
                     memcmp(&info->point, &search->point, sizeof(info->point)) == 0;
    return 0;
}

static uint32_t count_holders(const struct writers *w, const struct kith_point *point,
                              int64_t seq) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->world.n_hosts; i++) {
        struct search search = {.point = *point, .seq = seq};
        if (w->world.hosts[i]->core != NULL) {
            kith_core_each_record(w->world.hosts[i]->core, w->world.now, look, &search);
            n += search.found;
        }
    }
    return n;
}

/* ---- a race ---- */

static void make_version(struct writers *w, const struct kith_sim_host *author, int64_t seq,
                         const char *value, struct kith_record *ret) {
    struct kith_identity identity;
    kith_identity_from_seed(&identity, w->world.config.curve, author->seed);
    if (kith_record_sign(ret, &identity, w->world.config.curve, kith_span_text(salt_text), seq,
                         kith_span_text(value)) < 0) {
        kith_sim_panic("a record cannot be signed");
    }
    kith_identity_wipe(&identity);
}

static struct kith_sim_ask *put_version(struct writers *w, struct kith_sim_host *host,
                                        const struct kith_record *record, bool has_cas,
                                        int64_t cas) {
    struct kith_query query = {.kind = KITH_QUERY_PUT,
                               .flags = KITH_FLAG_HAS_RECORD | KITH_FLAG_FORGET |
                                        (has_cas ? KITH_FLAG_HAS_CAS : 0),
                               .cas = cas,
                               .record = record};
    return kith_sim_world_ask(&w->world, host, &query);
}

/* The author's devices are other hosts: what is held decides, not what one of them remembers. */
static void race(struct writers *w, uint32_t round) {
    static const char *const values[] = {"3:one", "3:two", "5:three"};
    struct kith_record versions[3];
    struct kith_sim_host *author = kith_sim_world_pick(&w->world);
    struct kith_sim_host *a = pick_another(w, author, NULL);
    struct kith_sim_host *b = pick_another(w, author, a);
    int64_t seq = 10 * (round + 1); /* above that of an earlier round */
    for (unsigned i = 0; i < 3; i++) {
        make_version(w, author, seq + i, values[i], &versions[i]);
    }
    struct kith_sim_ask *first = put_version(w, a, &versions[0], false, 0);
    wait_all(w);
    bool ready = first->status == 0;
    kith_sim_expect(w->run, ready, "put of a record by host %u: %s", a->index,
                    kith_strerror(first->status));
    kith_sim_ask_free(first);
    kith_sim_world_run_until(&w->world, w->world.now + SETTLE_S * KITH_NS_PER_S);
    struct kith_sim_ask *asks[2] = {put_version(w, a, &versions[1], true, seq),
                                    put_version(w, b, &versions[2], true, seq)};
    wait_all(w);
    bool both = asks[0]->status == 0 && asks[1]->status == 0;
    kith_sim_expect(w->run, !both,
                    "hosts %u and %u both replaced seq %lld of host %u's record (operations %llu, "
                    "%llu)",
                    a->index, b->index, (long long)seq, author->index,
                    (unsigned long long)asks[0]->number, (unsigned long long)asks[1]->number);
    w->n_raced++;
    w->n_won += asks[0]->status == 0 || asks[1]->status == 0;
    kith_sim_ask_free(asks[0]);
    kith_sim_ask_free(asks[1]);
}

/* ---- counting ---- */

/* Deaf hosts hear nothing any more. What they hold they keep, and it can be counted. */
static bool may_receive(void *context, struct kith_sim_host *host,
                        const struct kith_sim_packet *packet) {
    const struct writers *w = context;
    (void)packet;
    return !w->deaf ||
           kith_sim_mix(w->world.config.seed, w->n_counted, host->index) % KITH_SIM_PPM >=
               w->run->options.dead_ppm;
}

/* Some hosts go deaf in the midst of it: after they were found, perhaps, and before they are asked
 * to store. */
static void put_and_count(struct writers *w) {
    char value[16];
    struct kith_point point;
    struct kith_sim_host *author = kith_sim_world_pick(&w->world);
    int size = snprintf(value, sizeof(value), "8:%08x",
                        (unsigned)kith_sim_random_below(&w->world.random, UINT32_MAX));
    struct kith_query query = {.kind = KITH_QUERY_PUT,
                               .flags = KITH_FLAG_FORGET,
                               .value = (const uint8_t *)value,
                               .value_size = (uint16_t)size};
    struct kith_sim_ask *ask = kith_sim_world_ask(&w->world, author, &query);
    uint64_t wait = kith_sim_random_below(&w->world.random, DEAF_AFTER_MS * KITH_NS_PER_MS);
    kith_sim_world_run_until(&w->world, w->world.now + wait);
    w->deaf = true;
    wait_all(w);
    w->deaf = false;
    kith_point_of_record(&author->key, kith_span(NULL, 0), &point);
    uint32_t holders = count_holders(w, &point, ask->seq);
    kith_sim_expect(w->run, ask->acks <= holders,
                    "put by host %u (operation %llu): %u are said to have stored it, %u hold it",
                    author->index, (unsigned long long)ask->number, ask->acks, holders);
    w->n_counted++;
    w->n_stored += ask->status == 0;
    kith_sim_ask_free(ask);
}

void kith_sim_scenario_writers(struct kith_sim_run *run) {
    struct writers w = {.run = run};
    kith_sim_swarm_init(&w.world, run);
    kith_sim_swarm_grow(run, &w.world, run->options.nodes);
    for (uint32_t i = 0; i < run->options.lookups; i++) {
        race(&w, i);
    }
    w.world.hooks = (struct kith_sim_hooks){.may_receive = may_receive, .context = &w};
    for (uint32_t i = 0; i < run->options.lookups; i++) {
        put_and_count(&w);
    }
    kith_sim_report_number(&run->report, "races", w.n_raced, 0);
    kith_sim_report_number(&run->report, "races_won", w.n_won, 0);
    kith_sim_report_number(&run->report, "puts_counted", w.n_counted, 0);
    kith_sim_report_number(&run->report, "puts_stored", w.n_stored, 0);
    kith_sim_conclude(run, &w.world);
}

/* ---- the end of a life ---- */

static void expect_held(struct writers *w, const struct kith_point points[LASTING], bool held,
                        const char *what) {
    for (unsigned i = 0; i < LASTING; i++) {
        uint32_t n = count_holders(w, &points[i], 0);
        kith_sim_expect(w->run, held == (n > 0), "%s %u is held by %u hosts at %.0f s", what, i, n,
                        (double)w->world.now / 1e9);
    }
}

static void ask_fully(struct writers *w, struct kith_sim_host *host,
                      const struct kith_query *query) {
    struct kith_sim_ask *ask = kith_sim_world_ask(&w->world, host, query);
    wait_all(w);
    kith_sim_expect(w->run, ask->status == 0, "operation %d of host %u: %s", (int)query->kind,
                    host->index, kith_strerror(ask->status));
    kith_sim_ask_free(ask);
}

/* Everybody publishes; what is not kept is published once. */
static void publish(struct writers *w, bool kept, struct kith_point records[LASTING],
                    struct kith_point topics[LASTING]) {
    const char *salt = kept ? "k" : "e";
    for (unsigned i = 0; i < LASTING; i++) {
        struct kith_sim_host *host = w->world.hosts[i];
        struct kith_query put = {.kind = KITH_QUERY_PUT,
                                 .flags = kept ? 0 : KITH_FLAG_FORGET,
                                 .value = (const uint8_t *)"3:end",
                                 .value_size = 5,
                                 .salt_size = 1,
                                 .salt = {(uint8_t)salt[0]}};
        struct kith_query announce = {.kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT};
        kith_sim_random_fill(&w->world.random, announce.point.bytes, sizeof(announce.point.bytes));
        topics[i] = announce.point;
        kith_point_of_record(&host->key, kith_span(salt, 1), &records[i]);
        ask_fully(w, host, &put);
        ask_fully(w, host, &announce);
        announce.kind = KITH_QUERY_UNANNOUNCE;
        if (!kept) {
            ask_fully(w, host, &announce);
        }
    }
}

void kith_sim_scenario_expire(struct kith_sim_run *run) {
    struct writers w = {.run = run};
    struct kith_point records[LASTING];
    struct kith_point topics[LASTING];
    struct kith_point kept_records[LASTING];
    struct kith_point kept_topics[LASTING];
    kith_sim_swarm_init(&w.world, run);
    kith_sim_swarm_grow(run, &w.world, run->options.nodes);
    uint64_t start = w.world.now;
    publish(&w, false, records, topics);
    publish(&w, true, kept_records, kept_topics);
    uint64_t end = w.world.now;
    kith_sim_world_run_until(&w.world, start + (ANNOUNCED_S - SLACK_S) * KITH_NS_PER_S);
    expect_held(&w, topics, true, "announcement");
    kith_sim_world_run_until(&w.world, end + (ANNOUNCED_S + SLACK_S) * KITH_NS_PER_S);
    expect_held(&w, topics, false, "announcement");
    expect_held(&w, kept_topics, true, "kept announcement");
    expect_held(&w, records, true, "record");
    kith_sim_world_run_until(&w.world, start + (RECORD_S - SLACK_S) * KITH_NS_PER_S);
    expect_held(&w, records, true, "record");
    kith_sim_world_run_until(&w.world, end + (RECORD_S + SLACK_S) * KITH_NS_PER_S);
    expect_held(&w, records, false, "record");
    expect_held(&w, kept_records, true, "kept record");
    expect_held(&w, kept_topics, true, "kept announcement");
    kith_sim_conclude(run, &w.world);
}
