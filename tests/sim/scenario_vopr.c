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

#include <sodium/crypto_generichash_blake2b.h>

#include "sim/memory.h"
#include "sim/swarm.h"
#include "sim/vopr.h"

enum {
    SETTLE_S = 60,  /* before the faults are seen: hosts are still joining */
    FAULTS_S = 600, /* phase 1 */
    CHECK_S = 10,
    SALTS = 4, /* records of one author */
    ASKS_PER_S = 2,
    TABLE_MAX = 1024,    /* entries of one table that are looked at */
    SESSIONS_MAX = 1024, /* likewise */
    PER_BUCKET = 2,      /* of one /24 */
    PER_TABLE = 10,
    PER_PEER = 2,     /* sessions, and handshakes each way */
    FAILURES_MAX = 3, /* with so many in a row a node leaves the table */
    TOPIC_SALT = 11,  /* "kith:topic:" */
};

/* ---- what is asked ---- */

uint64_t vopr_below(struct vopr *v, uint64_t bound) {
    return kith_sim_random_below(&v->world.random, bound);
}

static void name_salt(struct kith_query *query, uint8_t salt) {
    query->salt_size = (uint8_t)snprintf((char *)query->salt, sizeof(query->salt), "r%u", salt);
}

static struct vopr_entry *entry_of(struct vopr *v, uint32_t author, uint8_t salt) {
    for (uint32_t i = 0; i < v->n_entries; i++) {
        if (v->entries[i].author == author && v->entries[i].salt == salt) {
            return &v->entries[i];
        }
    }
    if (v->n_entries == VOPR_RECORDS_MAX) {
        return NULL;
    }
    v->entries[v->n_entries] = (struct vopr_entry){.author = author, .salt = salt, .acked = -1};
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
    struct vopr_entry *entry = entry_of(v, author->index, (uint8_t)vopr_below(v, SALTS));
    if (entry == NULL) {
        return;
    }
    kith_sim_random_fill(&v->world.random, bytes, sizeof(bytes));
    if (kith_value_wrap(bytes, 1 + vopr_below(v, sizeof(bytes)), value, &size) < 0) {
        kith_sim_panic("a value cannot be wrapped");
    }
    struct kith_query query = {.kind = KITH_QUERY_PUT, .value = value, .value_size = size};
    name_salt(&query, entry->salt);
    struct kith_sim_ask *ask = kith_sim_world_ask(&v->world, author, &query);
    ask->user = entry;
    keep_ask(v, ask);
}

struct kith_query vopr_get_query(struct vopr *v, const struct vopr_entry *entry) {
    struct kith_query query = {.kind = KITH_QUERY_GET,
                               .flags = KITH_FLAG_HAS_KEY | KITH_FLAG_NEWEST,
                               .key = v->world.hosts[entry->author]->key};
    name_salt(&query, entry->salt);
    return query;
}

struct kith_point vopr_topic(unsigned topic) {
    return (struct kith_point){.bytes = {(uint8_t)topic}};
}

static void ask_other(struct vopr *v, struct kith_sim_host *host) {
    static const enum kith_query_kind kinds[] = {
        KITH_QUERY_LOOKUP, KITH_QUERY_ANNOUNCE, KITH_QUERY_FIND, KITH_QUERY_PING, KITH_QUERY_TRACE};
    struct kith_query query = {.kind = kinds[vopr_below(v, sizeof(kinds) / sizeof(kinds[0]))],
                               .flags = KITH_FLAG_HAS_KEY};
    query.key = v->world.hosts[vopr_below(v, v->world.n_hosts)]->key;
    if (query.kind == KITH_QUERY_ANNOUNCE || query.kind == KITH_QUERY_FIND) {
        query.flags = KITH_FLAG_HAS_POINT;
        query.point = vopr_topic((unsigned)vopr_below(v, VOPR_TOPICS));
    }
    keep_ask(v, kith_sim_world_ask(&v->world, host, &query));
}

static void ask_something(struct vopr *v) {
    struct kith_sim_host *host = kith_sim_world_pick(&v->world);
    uint64_t what = vopr_below(v, 10);
    if (host == NULL) {
        return;
    }
    if (what < 4) {
        ask_put(v, host);
    } else if (what < 7 && v->n_entries > 0) {
        struct vopr_entry *entry = &v->entries[vopr_below(v, v->n_entries)];
        struct kith_query query = vopr_get_query(v, entry);
        struct kith_sim_ask *ask = kith_sim_world_ask(&v->world, host, &query);
        ask->user = entry;
        keep_ask(v, ask);
    } else {
        ask_other(v, host);
    }
}

/* Notes what was acknowledged and frees what is done. */
static void collect(struct vopr *v) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < v->n_asks; i++) {
        struct kith_sim_ask *ask = v->asks[i];
        struct vopr_entry *entry = ask->user;
        if (!ask->done) {
            v->asks[left++] = ask;
            continue;
        }
        vopr_expect_true(v, ask);
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
    uint32_t n_live;
    struct kith_peer_info live[TABLE_MAX];
};

static uint32_t host_of(const struct vopr *v, const struct kith_key *key) {
    uint32_t i = 0;
    while (i < v->world.n_hosts && !kith_key_equal(&v->world.hosts[i]->key, key)) {
        i++;
    }
    return i;
}

static int check_entry(const struct kith_peer_info *info, void *user) {
    struct table_check *check = user;
    struct vopr *v = check->v;
    uint32_t owner = host_of(v, &info->key);
    v->entries_checked++;
    bool heard = owner < v->world.n_hosts &&
                 (kith_sim_faults_heard(&v->faults, check->host, owner, &info->endpoint) ||
                  kith_sim_faults_has_alias(&v->faults, v->world.hosts[owner], &info->endpoint));
    const uint8_t *ip = info->endpoint.ip;
    kith_sim_expect(
        v->run, heard,
        "at %.3f s host %u has host %u at %u.%u.%u.%u:%u in its table%s and never heard "
        "from it there",
        (double)v->world.now / 1e9, check->host->index, owner, ip[0], ip[1], ip[2], ip[3],
        info->endpoint.port, info->live ? "" : " (not live)");
    kith_sim_expect(v->run, !kith_sim_faults_banned(&v->faults, check->host, owner),
                    "at %.3f s host %u has host %u in its table, which it banned",
                    (double)v->world.now / 1e9, check->host->index, owner);
    kith_sim_expect(v->run, info->failures < FAILURES_MAX,
                    "at %.3f s host %u keeps host %u, which failed %u times in a row",
                    (double)v->world.now / 1e9, check->host->index, owner, info->failures);
    if (info->live && check->n_live < TABLE_MAX) {
        check->live[check->n_live++] = *info;
    }
    return heard ? 0 : 1;
}

/* One neighbourhood of addresses: a /24 or /56. */
static bool same_prefix(const struct kith_endpoint *a, const struct kith_endpoint *b) {
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == 4 ? 3 : 7) == 0;
}

/* How many places one /24 has in a table, whatever the table believes. */
static void check_shares(struct vopr *v, const struct table_check *check) {
    for (uint32_t i = 0; i < check->n_live; i++) {
        const struct kith_peer_info *entry = &check->live[i];
        unsigned in_bucket = 0;
        unsigned in_table = 0;
        for (uint32_t j = 0; j < check->n_live; j++) {
            const struct kith_peer_info *other = &check->live[j];
            bool same = same_prefix(&entry->endpoint, &other->endpoint);
            in_table += same;
            in_bucket += same && entry->bucket == other->bucket;
        }
        if (!kith_sim_expect(v->run, in_bucket <= PER_BUCKET && in_table <= PER_TABLE,
                             "at %.3f s host %u has %u of one /24 in a bucket, %u in its table",
                             (double)v->world.now / 1e9, check->host->index, in_bucket, in_table)) {
            return;
        }
    }
}

struct session_check {
    struct vopr *v;
    uint32_t n;
    struct kith_key keys[SESSIONS_MAX];
    bool established[SESSIONS_MAX];
    struct kith_endpoint peers[SESSIONS_MAX];
};

static int add_session(const struct kith_session_info *info, void *user) {
    struct session_check *check = user;
    if (check->n < SESSIONS_MAX) {
        check->peers[check->n] = info->endpoint;
        check->keys[check->n] = info->key;
        check->established[check->n] = info->established;
    }
    check->n++;
    return 0;
}

static void check_sessions(struct vopr *v, const struct kith_sim_host *host) {
    static struct session_check check;
    const struct kith_limits *limits = &v->faults.limits;
    check = (struct session_check){.v = v};
    kith_core_each_session(host->core, v->world.now, add_session, &check);
    kith_sim_expect(v->run, check.n <= limits->sessions, "host %u has %u sessions of %u",
                    host->index, check.n, limits->sessions);
    for (uint32_t i = 0; i < check.n && i < SESSIONS_MAX; i++) {
        uint32_t same = 0;
        uint32_t with_peer[2] = {0};
        for (uint32_t j = 0; j < check.n && j < SESSIONS_MAX; j++) {
            same += same_prefix(&check.peers[i], &check.peers[j]);
            with_peer[check.established[j]] += kith_key_equal(&check.keys[i], &check.keys[j]);
        }
        if (!kith_sim_expect(v->run, same <= limits->sessions_per_prefix,
                             "host %u has %u sessions with one /24, of %u", host->index, same,
                             limits->sessions_per_prefix) ||
            !kith_sim_expect(v->run, with_peer[0] <= 2 * PER_PEER && with_peer[1] <= PER_PEER,
                             "host %u has %u sessions with one peer and %u handshakes", host->index,
                             with_peer[1], with_peer[0])) {
            return;
        }
    }
}

struct record_check {
    struct vopr *v;
    const struct kith_sim_host *host;
    uint32_t n;
    uint64_t bytes;
    uint32_t per_topic[VOPR_TOPICS];
};

/* Where a record belongs, from the protocol's description. */
static bool is_in_place(const struct kith_record_info *info) {
    static const char domain[] = "kith-record-1";
    uint8_t point[sizeof(info->point.bytes)];
    crypto_generichash_blake2b_state state;
    if (!info->is_mutable) {
        return true;
    }
    if (info->salt_size > TOPIC_SALT && memcmp(info->salt, "kith:topic:", TOPIC_SALT) == 0) {
        return memcmp(info->salt + TOPIC_SALT, info->point.bytes, sizeof(point)) == 0;
    }
    crypto_generichash_blake2b_init(&state, NULL, 0, sizeof(point));
    crypto_generichash_blake2b_update(&state, (const uint8_t *)domain, strlen(domain));
    crypto_generichash_blake2b_update(&state, info->key.bytes, sizeof(info->key.bytes));
    crypto_generichash_blake2b_update(&state, info->salt, info->salt_size);
    crypto_generichash_blake2b_final(&state, point, sizeof(point));
    return memcmp(point, info->point.bytes, sizeof(point)) == 0;
}

static int check_record(const struct kith_record_info *info, void *user) {
    struct record_check *check = user;
    struct vopr *v = check->v;
    v->records_checked++;
    kith_sim_expect(v->run, info->seq < KITH_SIM_FORGED_SEQ,
                    "at %.3f s host %u holds a forged record of host %u",
                    (double)v->world.now / 1e9, check->host->index, host_of(v, &info->key));
    kith_sim_expect(v->run, is_in_place(info),
                    "at %.3f s host %u holds a record of host %u at another's point",
                    (double)v->world.now / 1e9, check->host->index, host_of(v, &info->key));
    if (!info->own) {
        check->n++;
        check->bytes += info->value_size;
        for (unsigned i = 0; i < VOPR_TOPICS; i++) {
            struct kith_point topic = vopr_topic(i);
            check->per_topic[i] += memcmp(topic.bytes, info->point.bytes, sizeof(topic.bytes)) == 0;
        }
    }
    return 0;
}

static void check_records(struct vopr *v, const struct kith_sim_host *host) {
    const struct kith_limits *limits = &v->faults.limits;
    struct record_check check = {.v = v, .host = host};
    kith_core_each_record(host->core, v->world.now, check_record, &check);
    kith_sim_expect(v->run, check.n <= limits->records, "host %u holds %u records of %u",
                    host->index, check.n, limits->records);
    kith_sim_expect(v->run, check.bytes <= limits->record_bytes, "host %u holds %llu bytes of %u",
                    host->index, (unsigned long long)check.bytes, limits->record_bytes);
    for (unsigned i = 0; i < VOPR_TOPICS; i++) {
        kith_sim_expect(v->run, check.per_topic[i] <= limits->topic_peers,
                        "host %u holds %u announcements of a topic, of %u", host->index,
                        check.per_topic[i], limits->topic_peers);
    }
}

/* Of every quota, by counting what is there. */
static void check_quotas(struct vopr *v, const struct kith_sim_host *host) {
    struct kith_status status;
    kith_core_status(host->core, v->world.now, &status);
    kith_sim_expect(v->run, status.ops <= v->faults.limits.ops, "host %u has %u operations of %u",
                    host->index, status.ops, v->faults.limits.ops);
    check_sessions(v, host);
    check_records(v, host);
}

static void check_table(struct vopr *v, const struct kith_sim_host *host) {
    static struct table_check check;
    check = (struct table_check){.v = v, .host = host};
    kith_core_each_peer(host->core, v->world.now, check_entry, &check);
    check_shares(v, &check);
}

void vopr_expect_true(struct vopr *v, const struct kith_sim_ask *ask) {
    bool forged = (ask->has_record && ask->record.seq >= KITH_SIM_FORGED_SEQ) ||
                  (ask->has_peer && ask->peer.seq >= KITH_SIM_FORGED_SEQ);
    const struct vopr_entry *entry = ask->user;
    kith_sim_expect(v->run, !forged, "operation %llu of host %u got a forged record",
                    (unsigned long long)ask->number, ask->host);
    if (ask->kind == KITH_QUERY_GET && ask->has_record && entry != NULL) {
        char salt[8];
        int size = snprintf(salt, sizeof(salt), "r%u", entry->salt);
        bool same = kith_key_equal(&ask->record.key, &v->world.hosts[entry->author]->key) &&
                    ask->record.salt_size == size &&
                    memcmp(ask->record.salt, salt, (size_t)size) == 0;
        kith_sim_expect(v->run, same, "operation %llu of host %u got a record of another",
                        (unsigned long long)ask->number, ask->host);
    }
}

void vopr_check_all(struct vopr *v) {
    uint32_t host = 0;
    const char *violated = kith_sim_world_check(&v->world, 1, &host);
    kith_sim_expect(v->run, violated == NULL, "at %.3f s host %u: %s", (double)v->world.now / 1e9,
                    host, violated == NULL ? "" : violated);
    kith_sim_expect(v->run, v->faults.violation == NULL, "at %.3f s host %u %s",
                    (double)v->world.now / 1e9, v->faults.violator, v->faults.violation);
    v->faults.violation = NULL;
    for (uint32_t i = 0; i < v->world.n_hosts; i++) {
        if (v->world.hosts[i]->core != NULL) {
            check_table(v, v->world.hosts[i]);
            check_quotas(v, v->world.hosts[i]);
        }
    }
    v->n_checks++;
}

/* Runs for so long, a second at a time. */
void vopr_run_for(struct vopr *v, unsigned seconds, bool asking) {
    for (unsigned i = 0; i < seconds; i++) {
        kith_sim_faults_step(&v->faults);
        for (unsigned j = 0; asking && j < ASKS_PER_S; j++) {
            ask_something(v);
        }
        kith_sim_world_run_until(&v->world, v->world.now + KITH_NS_PER_S);
        collect(v);
        if (i % CHECK_S == CHECK_S - 1) {
            vopr_check_all(v);
        }
    }
}

/* ---- phase 2 ---- */

static void heal(struct vopr *v) {
    kith_sim_faults_heal(&v->faults);
    vopr_run_for(v, VOPR_HEAL_S, false);
    kith_sim_expect(v->run, v->n_asks == 0, "healed for %d s and %u operations have not ended",
                    VOPR_HEAL_S, v->n_asks);
    vopr_expect_network(v);
    vopr_run_for(v, VOPR_REPUBLISH_S, false);
    vopr_expect_content(v);
    vopr_check_all(v);
}

/* ---- the whole ---- */

/* Some hosts have room for little. Bounds that no honest network of this size comes near are not
 * interesting. */
static void draw_limits(struct vopr *v) {
    bool small = vopr_below(v, 3) == 0;
    v->tiny = vopr_below(v, 5) == 0;
    v->faults.limits = (struct kith_limits){
        .sessions = small ? 24 + (uint32_t)vopr_below(v, 40) : 1024,
        .sessions_per_prefix = small ? 16 : 256,
        .topic_peers = small ? 8 : 256,
        .records = v->tiny ? 16 + (uint32_t)vopr_below(v, 16)
                   : small ? 400
                           : 65536,
        .record_bytes = v->tiny && small ? 32 * 1024 : 64 * 1024 * 1024,
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
    kith_sim_report_number(report, "held_records_checked", (double)v->records_checked, 0);
    kith_sim_faults_report(&v->faults, report);
}

void kith_sim_scenario_vopr(struct kith_sim_run *run) {
    struct vopr *v = kith_sim_allocate(sizeof(*v));
    struct kith_sim_run quiet = *run;
    struct kith_stats stats;
    quiet.options.loss_ppm = 0; /* sim_faults loses what is to be lost */
    v->run = run;
    kith_sim_swarm_init(&v->world, &quiet);
    uint32_t n = KITH_SIM_FAULTS_SEEDS + (uint32_t)vopr_below(v, run->options.nodes);
    kith_sim_faults_init(&v->faults, &v->world, 2 * run->options.nodes + KITH_SIM_FAULTS_SEEDS,
                         run->options.without);
    draw_limits(v);
    for (uint32_t i = 0; i < n; i++) {
        (void)kith_sim_faults_add(&v->faults);
        kith_sim_world_run_until(&v->world, v->world.now + KITH_NS_PER_S / 5);
    }
    vopr_run_for(v, SETTLE_S, false);
    vopr_run_for(v, FAULTS_S, true);
    heal(v);
    kith_sim_world_stats(&v->world, &stats);
    kith_sim_expect(run, stats.drop_amplification == 0,
                    "%llu answers were larger than their questions and stopped at the last moment",
                    (unsigned long long)stats.drop_amplification);
    report(v);
    kith_sim_faults_deinit(&v->faults);
    free(v->asks);
    kith_sim_conclude_faulty(run, &v->world);
    free(v);
}
