/* SPDX-License-Identifier: MIT */
/*
 * scenario_vopr: everything goes wrong at once, and nothing may break; then it stops, and
 * everything has to come right. (The name is TigerBeetle's, and so is the idea of the two phases.)
 *
 * Phase 1, safety: a small network under the faults that the seed draws (sim_faults), while its
 * hosts put, get, look up and announce. Every few seconds, of every host: the invariants of its
 * core; its quotas; no table entry that it never heard from; nothing larger sent to an address than
 * what came in that address's name.
 *
 * Phase 2, liveness: healed. Every operation ends; everybody joins; walks reach the true closest;
 * and every record that its author still keeps is found by anybody, with a seq that is no older
 * than what was acknowledged, and all see the same.
 *
 * What is not promised: a record whose author lost his disk. Others may hold it; they need not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/memory.h"
#include "sim/oracle.h"
#include "sim/scenario.h"
#include "sim/sim_faults.h"
#include "sim/swarm.h"

#define RECALL_MIN 0.98

enum {
    SETTLE_S = 60,  /* before the faults are seen: hosts are still joining */
    FAULTS_S = 600, /* phase 1 */
    CHECK_S = 10,
    HEAL_S = 600,          /* until tables have to be right again */
    REPUBLISH_S = 75 * 60, /* until records have: authors publish hourly */
    ASK_LIMIT_S = 120,
    READERS = 3,
    MISSES_PRINTED = 20,
    RECORDS_MAX = 128,
    SALTS = 4, /* records of one author */
    TOPICS = 4,
    ASKS_PER_S = 2,
    K = 20,
};

/* A record that was put, as its author last heard of it. */
struct entry {
    uint32_t author;
    uint8_t salt;
    int64_t acked; /* -1: never */
};

struct vopr {
    struct kith_sim_run *run;
    struct kith_sim_world world;
    struct kith_sim_faults faults;
    struct entry entries[RECORDS_MAX];
    uint32_t n_entries;
    struct kith_sim_ask **asks; /* running */
    uint32_t n_asks;
    uint32_t asks_capacity;
    uint32_t n_asked;
    uint32_t n_acked;
    uint32_t n_checks;
    uint32_t n_read;
    uint64_t entries_checked;
};

/* ---- what is asked ---- */

static uint64_t below(struct vopr *v, uint64_t bound) {
    return kith_sim_random_below(&v->world.random, bound);
}

static void name_salt(struct kith_query *query, uint8_t salt) {
    query->salt_size = (uint8_t)snprintf((char *)query->salt, sizeof(query->salt), "r%u", salt);
}

static struct entry *entry_of(struct vopr *v, uint32_t author, uint8_t salt) {
    for (uint32_t i = 0; i < v->n_entries; i++) {
        if (v->entries[i].author == author && v->entries[i].salt == salt) {
            return &v->entries[i];
        }
    }
    if (v->n_entries == RECORDS_MAX) {
        return NULL;
    }
    v->entries[v->n_entries] = (struct entry){.author = author, .salt = salt, .acked = -1};
    return &v->entries[v->n_entries++];
}

static void keep_ask(struct vopr *v, struct kith_sim_ask *ask) {
    if (v->n_asks == v->asks_capacity) {
        v->asks_capacity = 2 * v->asks_capacity + 64;
        v->asks = kith_sim_resize(v->asks, v->asks_capacity * sizeof(struct kith_sim_ask *));
    }
    v->asks[v->n_asks++] = ask;
    v->n_asked++;
}

static void ask_put(struct vopr *v, struct kith_sim_host *author) {
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    uint8_t bytes[64];
    struct entry *entry = entry_of(v, author->index, (uint8_t)below(v, SALTS));
    if (entry == NULL) {
        return;
    }
    kith_sim_random_fill(&v->world.random, bytes, sizeof(bytes));
    if (kith_value_wrap(bytes, 1 + below(v, sizeof(bytes)), value, &size) < 0) {
        kith_sim_panic("a value cannot be wrapped");
    }
    struct kith_query query = {.kind = KITH_QUERY_PUT, .value = value, .value_size = size};
    name_salt(&query, entry->salt);
    struct kith_sim_ask *ask = kith_sim_world_ask(&v->world, author, &query);
    ask->user = entry;
    keep_ask(v, ask);
}

static struct kith_query get_query(struct vopr *v, const struct entry *entry) {
    struct kith_query query = {.kind = KITH_QUERY_GET,
                               .flags = KITH_FLAG_HAS_KEY | KITH_FLAG_NEWEST,
                               .key = v->world.hosts[entry->author]->key};
    name_salt(&query, entry->salt);
    return query;
}

static void ask_other(struct vopr *v, struct kith_sim_host *host) {
    static const enum kith_query_kind kinds[] = {
        KITH_QUERY_LOOKUP, KITH_QUERY_ANNOUNCE, KITH_QUERY_FIND, KITH_QUERY_PING, KITH_QUERY_TRACE};
    struct kith_query query = {.kind = kinds[below(v, sizeof(kinds) / sizeof(kinds[0]))],
                               .flags = KITH_FLAG_HAS_KEY};
    query.key = v->world.hosts[below(v, v->world.n_hosts)]->key;
    if (query.kind == KITH_QUERY_ANNOUNCE || query.kind == KITH_QUERY_FIND) {
        query.flags = KITH_FLAG_HAS_POINT;
        query.point.bytes[0] = (uint8_t)below(v, TOPICS);
    }
    keep_ask(v, kith_sim_world_ask(&v->world, host, &query));
}

static void ask_something(struct vopr *v) {
    struct kith_sim_host *host = kith_sim_world_pick(&v->world);
    uint64_t what = below(v, 10);
    if (host == NULL) {
        return;
    }
    if (what < 4) {
        ask_put(v, host);
    } else if (what < 7 && v->n_entries > 0) {
        struct kith_query query = get_query(v, &v->entries[below(v, v->n_entries)]);
        keep_ask(v, kith_sim_world_ask(&v->world, host, &query));
    } else {
        ask_other(v, host);
    }
}

/* Notes what was acknowledged and frees what is done. */
static void collect(struct vopr *v) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < v->n_asks; i++) {
        struct kith_sim_ask *ask = v->asks[i];
        struct entry *entry = ask->user;
        if (!ask->done) {
            v->asks[left++] = ask;
            continue;
        }
        if (ask->kind == KITH_QUERY_PUT && ask->status == 0) {
            v->n_acked++;
            entry->acked = ask->seq > entry->acked ? ask->seq : entry->acked;
        }
        kith_sim_ask_free(ask);
    }
    v->n_asks = left;
}

/* ---- phase 1 ---- */

struct table_check {
    struct vopr *v;
    const struct kith_sim_host *host;
};

static int check_entry(const struct kith_peer_info *info, void *user) {
    struct table_check *check = user;
    struct vopr *v = check->v;
    uint32_t owner = 0;
    while (owner < v->world.n_hosts && !kith_key_equal(&v->world.hosts[owner]->key, &info->key)) {
        owner++;
    }
    v->entries_checked++;
    bool heard = owner < v->world.n_hosts &&
                 kith_sim_faults_heard(&v->faults, check->host, owner, &info->endpoint);
    const uint8_t *ip = info->endpoint.ip;
    kith_sim_expect(
        v->run, heard,
        "at %.3f s host %u has host %u at %u.%u.%u.%u:%u in its table%s and never heard "
        "from it there",
        (double)v->world.now / 1e9, check->host->index, owner, ip[0], ip[1], ip[2], ip[3],
        info->endpoint.port, info->live ? "" : " (not live)");
    return heard ? 0 : 1;
}

static int add_bytes(const struct kith_record_info *info, void *user) {
    *(uint64_t *)user += info->own ? 0 : info->value_size;
    return 0;
}

static void check_quotas(struct vopr *v, const struct kith_sim_host *host) {
    const struct kith_limits *limits = &v->faults.limits;
    struct kith_status status;
    uint64_t bytes = 0;
    kith_core_status(host->core, v->world.now, &status);
    kith_core_each_record(host->core, v->world.now, add_bytes, &bytes);
    kith_sim_expect(v->run, status.records <= limits->records, "host %u holds %u records of %u",
                    host->index, status.records, limits->records);
    kith_sim_expect(v->run, bytes <= limits->record_bytes, "host %u holds %llu bytes of %u",
                    host->index, (unsigned long long)bytes, limits->record_bytes);
    kith_sim_expect(v->run, status.sessions <= limits->sessions, "host %u has %u sessions of %u",
                    host->index, status.sessions, limits->sessions);
    kith_sim_expect(v->run, status.ops <= limits->ops, "host %u has %u operations of %u",
                    host->index, status.ops, limits->ops);
}

static void check_all(struct vopr *v) {
    uint32_t host = 0;
    const char *violated = kith_sim_world_check(&v->world, 1, &host);
    kith_sim_expect(v->run, violated == NULL, "at %.3f s host %u: %s", (double)v->world.now / 1e9,
                    host, violated == NULL ? "" : violated);
    kith_sim_expect(v->run, v->faults.violation == NULL, "at %.3f s host %u %s",
                    (double)v->world.now / 1e9, v->faults.violator, v->faults.violation);
    v->faults.violation = NULL;
    for (uint32_t i = 0; i < v->world.n_hosts; i++) {
        struct table_check check = {.v = v, .host = v->world.hosts[i]};
        if (check.host->core != NULL) {
            kith_core_each_peer(check.host->core, v->world.now, check_entry, &check);
            check_quotas(v, check.host);
        }
    }
    v->n_checks++;
}

/* Runs for so long, a second at a time. */
static void run_for(struct vopr *v, unsigned seconds, bool asking) {
    for (unsigned i = 0; i < seconds; i++) {
        kith_sim_faults_step(&v->faults);
        for (unsigned j = 0; asking && j < ASKS_PER_S; j++) {
            ask_something(v);
        }
        kith_sim_world_run_until(&v->world, v->world.now + KITH_NS_PER_S);
        collect(v);
        if (i % CHECK_S == CHECK_S - 1) {
            check_all(v);
        }
    }
}

/* ---- phase 2 ---- */

/* What a person wants to know of a host that is in trouble. */
static void print_host(const struct vopr *v, const struct kith_sim_host *host) {
    struct kith_status status = {0};
    if (host->core != NULL) {
        kith_core_status(host->core, v->world.now, &status);
    }
    fprintf(stderr,
            "host %u: %s, %s, life %u, up %.0f s, NAT kind %u; %u live contacts, %u sessions, %u "
            "records, %u operations%s\n",
            host->index,
            host->core == NULL ? "down"
            : host->ready      ? "joined"
                               : "not joined",
            host->client ? "client" : "node", host->lives, (double)status.uptime_ns / 1e9,
            kith_sim_faults_nat(&v->faults, host), status.nodes_v4, status.sessions, status.records,
            status.ops, status.ready && !host->ready ? ", and was not told that it joined" : "");
}

static void expect_joined(struct vopr *v) {
    for (uint32_t i = 0; i < v->world.n_hosts; i++) {
        const struct kith_sim_host *host = v->world.hosts[i];
        if (!kith_sim_expect(v->run, host->core != NULL && host->ready,
                             "healed for %d s and host %u has not joined", HEAL_S, i)) {
            print_host(v, host);
        }
    }
}

/* Whether `a` is nearer to `target` than `b`: the oracle's own reading of the metric. */
static bool nearer(const struct kith_point *target, const struct kith_point *a,
                   const struct kith_point *b) {
    for (size_t i = 0; i < sizeof(target->bytes); i++) {
        int x = a->bytes[i] ^ target->bytes[i];
        int y = b->bytes[i] ^ target->bytes[i];
        if (x != y) {
            return x < y;
        }
    }
    return false;
}

static bool has_key(const struct kith_sim_ask *ask, const struct kith_key *key) {
    for (uint32_t i = 0; i < ask->n_keys; i++) {
        if (kith_key_equal(&ask->keys[i], key)) {
            return true;
        }
    }
    return false;
}

/* Of the public hosts: whether fewer than k of those that answered are nearer, so that it ought to
 * have been asked. */
static bool ought_to_answer(const struct vopr *v, const struct kith_sim_ask *ask,
                            const struct kith_sim_host *host) {
    const struct kith_point *target = ask->user;
    uint32_t n = 0;
    if (!kith_sim_faults_is_public(&v->faults, host) || host->index == ask->host) {
        return false;
    }
    for (uint32_t i = 0; i < v->world.n_hosts; i++) {
        const struct kith_sim_host *other = v->world.hosts[i];
        n += nearer(target, &other->id, &host->id) && has_key(ask, &other->key);
    }
    return n < K;
}

/* A full walk to anywhere, run to its end. `target` is for as long as the ask is. */
static struct kith_sim_ask *walk_anywhere(struct vopr *v, struct kith_point *target) {
    struct kith_query query = {.kind = KITH_QUERY_TRACE, .flags = KITH_FLAG_HAS_POINT};
    kith_sim_random_fill(&v->world.random, query.point.bytes, sizeof(query.point.bytes));
    *target = query.point;
    struct kith_sim_ask *ask =
        kith_sim_world_ask(&v->world, kith_sim_world_pick(&v->world), &query);
    ask->user = target;
    kith_sim_world_run_asks(&v->world, ASK_LIMIT_S * KITH_NS_PER_S);
    return ask;
}

/* Who was not reached, by which walk: --trace-lookup shows it. */
static void print_missed(const struct kith_sim_ask *ask, const struct kith_sim_host *host) {
    const struct kith_point *target = ask->user;
    fprintf(stderr, "miss: operation %llu, walk of host %u towards %02x%02x%02x%02x.., host %u\n",
            (unsigned long long)ask->number, ask->host, target->bytes[0], target->bytes[1],
            target->bytes[2], target->bytes[3], host->index);
}

/* One walk after the other: a host may be allowed few at once. */
static void expect_recall(struct vopr *v) {
    uint64_t wanted = 0;
    uint64_t answered = 0;
    for (uint32_t i = 0; i < v->run->options.lookups; i++) {
        struct kith_point target;
        struct kith_sim_ask *ask = walk_anywhere(v, &target);
        for (uint32_t j = 0; j < v->world.n_hosts; j++) {
            const struct kith_sim_host *host = v->world.hosts[j];
            if (ought_to_answer(v, ask, host)) {
                bool did = has_key(ask, &host->key);
                wanted++;
                answered += did;
                if (!did && wanted - answered <= MISSES_PRINTED) {
                    print_missed(ask, host);
                }
            }
        }
        kith_sim_ask_free(ask);
    }
    double recall = wanted == 0 ? 1 : (double)answered / (double)wanted;
    kith_sim_report_number(&v->run->report, "recall_percent", 100 * recall, 2);
    kith_sim_expect(v->run, recall >= RECALL_MIN,
                    "healed for %d s, walks reach %.2f %% of the true closest", HEAL_S,
                    100 * recall);
}

struct own_search {
    const struct entry *entry;
    const struct kith_key *key;
    int64_t seq;
};

static int find_own(const struct kith_record_info *info, void *user) {
    struct own_search *search = user;
    char salt[8];
    int size = snprintf(salt, sizeof(salt), "r%u", search->entry->salt);
    if (info->own && info->is_mutable && info->salt_size == size &&
        memcmp(info->salt, salt, (size_t)size) == 0 && kith_key_equal(&info->key, search->key)) {
        search->seq = info->seq;
    }
    return 0;
}

/* What its author keeps, -1: nothing. */
static int64_t kept_by_author(const struct vopr *v, const struct entry *entry) {
    const struct kith_sim_host *author = v->world.hosts[entry->author];
    struct own_search search = {.entry = entry, .key = &author->key, .seq = -1};
    kith_core_each_record(author->core, v->world.now, find_own, &search);
    return search.seq;
}

static void expect_found(struct vopr *v, const struct entry *entry) {
    int64_t kept = kept_by_author(v, entry);
    int64_t first = -1;
    if (kept < 0) {
        return;
    }

    for (unsigned i = 0; i < READERS; i++) {
        struct kith_sim_host *reader = kith_sim_world_pick(&v->world);
        struct kith_query query = get_query(v, entry);
        struct kith_sim_ask *ask = kith_sim_world_ask(&v->world, reader, &query);
        kith_sim_world_run_asks(&v->world, ASK_LIMIT_S * KITH_NS_PER_S);
        int64_t seq = ask->status == 0 && ask->has_record ? ask->record.seq : -1;
        kith_sim_expect(
            v->run, seq >= kept,
            "record %u of host %u read by host %u (operation %llu): %s, seq %lld; the author "
            "keeps %lld",
            entry->salt, entry->author, reader->index, (unsigned long long)ask->number,
            kith_strerror(ask->status), (long long)seq, (long long)kept);
        kith_sim_expect(v->run, i == 0 || seq == first,
                        "record %u of host %u: one reads seq %lld, host %u seq %lld", entry->salt,
                        entry->author, (long long)first, reader->index, (long long)seq);
        first = i == 0 ? seq : first;
        v->n_read++;
        kith_sim_ask_free(ask);
    }
}

static void heal(struct vopr *v) {
    kith_sim_faults_heal(&v->faults);
    run_for(v, HEAL_S, false);
    kith_sim_expect(v->run, v->n_asks == 0, "healed for %d s and %u operations have not ended",
                    HEAL_S, v->n_asks);
    expect_joined(v);
    expect_recall(v);
    run_for(v, REPUBLISH_S, false);
    for (uint32_t i = 0; i < v->n_entries; i++) {
        expect_found(v, &v->entries[i]);
    }
    check_all(v);
}

/* ---- the whole ---- */

/* Some hosts have room for little. Bounds that no honest network of this size comes near are not
 * interesting. */
static void draw_limits(struct vopr *v) {
    bool small = below(v, 3) == 0;
    v->faults.limits = (struct kith_limits){
        .sessions = small ? 24 + (uint32_t)below(v, 40) : 1024,
        .records = small ? 400 : 65536,
        .record_bytes = small ? 256 * 1024 : 64 * 1024 * 1024,
        .ops = small ? 8 : 256,
    };
}

static void report(struct vopr *v) {
    struct kith_sim_report *report = &v->run->report;
    kith_sim_report_number(report, "asked", v->n_asked, 0);
    kith_sim_report_number(report, "puts_acknowledged", v->n_acked, 0);
    kith_sim_report_number(report, "records", v->n_entries, 0);
    kith_sim_report_number(report, "records_read", v->n_read, 0);
    kith_sim_report_number(report, "checks", v->n_checks, 0);
    kith_sim_report_number(report, "table_entries_checked", (double)v->entries_checked, 0);
    kith_sim_faults_report(&v->faults, report);
}

void kith_sim_scenario_vopr(struct kith_sim_run *run) {
    struct vopr *v = kith_sim_allocate(sizeof(*v));
    struct kith_sim_run quiet = *run;
    quiet.options.loss_ppm = 0; /* sim_faults loses what is to be lost */
    v->run = run;
    kith_sim_swarm_init(&v->world, &quiet);
    uint32_t n = KITH_SIM_FAULTS_SEEDS + (uint32_t)below(v, run->options.nodes);
    kith_sim_faults_init(&v->faults, &v->world, 2 * run->options.nodes + KITH_SIM_FAULTS_SEEDS);
    draw_limits(v);
    for (uint32_t i = 0; i < n; i++) {
        (void)kith_sim_faults_add(&v->faults);
        kith_sim_world_run_until(&v->world, v->world.now + KITH_NS_PER_S / 5);
    }
    run_for(v, SETTLE_S, false);
    run_for(v, FAULTS_S, true);
    heal(v);
    report(v);
    kith_sim_faults_deinit(&v->faults);
    free(v->asks);
    kith_sim_conclude_faulty(run, &v->world);
    free(v);
}
