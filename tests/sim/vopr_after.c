/* SPDX-License-Identifier: MIT */
/*
 * vopr_after: what has to be true once everything works again. All of it is found out by looking at
 * all hosts, and by asking as an application does.
 */
#include <stdio.h>
#include <string.h>

#include "sim/memory.h"
#include "sim/oracle.h"
#include "sim/vopr.h"

#define RECALL_MIN 0.98
#define KNOWN_MIN 0.97 /* of nodes, that know all of their nearest */
#define STALE_MAX 0.02 /* of live entries, that lead nowhere */

enum {
    ASK_LIMIT_S = 120,
    READERS = 3,
    MISSES_PRINTED = 20,
    K = 20,
    HOLDERS =
        10, /* of a record, of its 20 nearest; of fewer, as many as an acknowledgement means */
    FIND_MAX = 256,
    OUTDATED_ONE_IN = 200, /* of the nodes nearest to a record; readers ask many */
    UPDATES = 12,
};

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
        if (kith_sim_faults_gone(&v->faults, host)) {
            continue;
        }
        if (!kith_sim_expect(v->run, host->core != NULL && host->ready,
                             "healed for %d s and host %u has not joined", VOPR_HEAL_S, i)) {
            print_host(v, host);
        }
    }
}

/* Whether everybody has to know it whose neighbour it is: those who share a /24 with others need
 * not all be in anybody's table. */
static bool is_reachable(const struct vopr *v, const struct kith_sim_host *host) {
    return kith_sim_faults_is_public(&v->faults, host) &&
           !kith_sim_faults_crowded(&v->faults, host);
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
    if (!is_reachable(v, host) || host->index == ask->host) {
        return false;
    }
    for (uint32_t i = 0; i < v->world.n_hosts; i++) {
        const struct kith_sim_host *other = v->world.hosts[i];
        n += kith_sim_oracle_nearer(target, &other->id, &host->id) && has_key(ask, &other->key);
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
                    "healed for %d s, walks reach %.2f %% of the true closest", VOPR_HEAL_S,
                    100 * recall);
}

/* ---- tables ---- */

struct freshness {
    const struct vopr *v;
    const struct kith_sim_host *host;
    const struct kith_sim_host *nearest[K]; /* who ought to be in its table */
    uint32_t n_nearest;
    bool known[K]; /* of those */
    uint32_t n_known;
    uint32_t n_live;
    uint32_t n_stale;
};

static bool is_at(const struct vopr *v, const struct kith_sim_host *host,
                  const struct kith_endpoint *endpoint) {
    const struct kith_endpoint *own = endpoint->family == 6 ? &host->v6 : &host->v4;
    if (kith_sim_faults_has_alias(&v->faults, host, endpoint)) {
        return true;
    }
    return own->family == endpoint->family && memcmp(own->ip, endpoint->ip, sizeof(own->ip)) == 0;
}

static int judge_entry(const struct kith_peer_info *info, void *user) {
    struct freshness *f = user;
    if (!info->live) {
        return 0;
    }
    f->n_live++;
    const struct kith_sim_host *owner = NULL;
    for (uint32_t i = 0; i < f->v->world.n_hosts && owner == NULL; i++) {
        const struct kith_sim_host *host = f->v->world.hosts[i];
        owner = kith_key_equal(&host->key, &info->key) ? host : NULL;
    }
    f->n_stale += owner == NULL || owner->core == NULL || !is_at(f->v, owner, &info->endpoint);
    for (uint32_t i = 0; i < f->n_nearest; i++) {
        bool found = info->endpoint.family == 4 && f->nearest[i] == owner;
        f->known[i] |= found;
        f->n_known += found;
    }
    return 0;
}

/* Of the k nearest to a point, those that everybody has to know. Those behind NATs may be known:
 * they count among the k, and nothing is demanded of them. */
static uint32_t nearest_to(const struct vopr *v, const struct kith_point *point,
                           const struct kith_sim_host *except, const struct kith_sim_host *ret[K]) {
    uint32_t n = kith_sim_oracle_closest(&v->world, point, except, K, ret);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (is_reachable(v, ret[i])) {
            ret[kept++] = ret[i];
        }
    }
    return kept;
}

static unsigned common_bits(const struct kith_point *a, const struct kith_point *b) {
    unsigned n = 0;
    while (n < 8 * sizeof(a->bytes) &&
           ((a->bytes[n / 8] ^ b->bytes[n / 8]) >> (7 - n % 8) & 1) == 0) {
        n++;
    }
    return n;
}

/* Whether there is room in the table of `host` for all that belong into one bucket with `other`: a
 * bucket that is full keeps whom it has. */
static bool has_room(const struct vopr *v, const struct kith_sim_host *host,
                     const struct kith_sim_host *other) {
    unsigned bucket = common_bits(&host->id, &other->id);
    unsigned n = 0;
    for (uint32_t i = 0; i < v->world.n_hosts; i++) {
        const struct kith_sim_host *third = v->world.hosts[i];
        n += !third->client && common_bits(&host->id, &third->id) == bucket;
    }
    return n <= K;
}

/* Who has to be in the table of `host`. */
static void want_neighbours(struct freshness *f) {
    const struct kith_sim_host *nearest[K];
    uint32_t n = nearest_to(f->v, &f->host->id, f->host, nearest);
    for (uint32_t i = 0; i < n; i++) {
        if (has_room(f->v, f->host, nearest[i])) {
            f->nearest[f->n_nearest++] = nearest[i];
        }
    }
}

static void print_unknown(const struct vopr *v, const struct freshness *f) {
    print_host(v, f->host);
    fprintf(stderr, "  knows %u of the %u nearest; not host", f->n_known, f->n_nearest);
    for (uint32_t i = 0; i < f->n_nearest; i++) {
        if (!f->known[i]) {
            fprintf(stderr, " %u", f->nearest[i]->index);
        }
    }
    fputc('\n', stderr);
}

static void expect_fresh(struct vopr *v) {
    uint32_t n = 0;
    uint32_t n_whole = 0;
    uint64_t n_live = 0;
    uint64_t n_stale = 0;
    for (uint32_t i = 0; i < v->world.n_hosts; i++) {
        struct kith_sim_host *host = v->world.hosts[i];
        if (host->core == NULL) {
            continue;
        }
        struct freshness f = {.v = v, .host = host};
        want_neighbours(&f);
        kith_core_each_peer(host->core, v->world.now, judge_entry, &f);
        n_live += f.n_live;
        n_stale += f.n_stale;
        if (!kith_sim_faults_is_public(&v->faults, host)) {
            continue; /* nobody tells it of newcomers: it learns of them when it asks */
        }
        n++;
        n_whole += f.n_known == f.n_nearest;
        if (f.n_known < f.n_nearest) {
            print_unknown(v, &f);
        }
    }
    double whole = n == 0 ? 1 : (double)n_whole / n;
    double stale = n_live == 0 ? 0 : (double)n_stale / (double)n_live;
    kith_sim_report_number(&v->run->report, "whole_tables_percent", 100 * whole, 2);
    kith_sim_report_number(&v->run->report, "stale_entries_percent", 100 * stale, 2);
    kith_sim_expect(v->run, whole >= KNOWN_MIN, "healed for %d s, %.2f %% know all their nearest",
                    VOPR_HEAL_S, 100 * whole);
    kith_sim_expect(v->run, stale <= STALE_MAX, "healed for %d s, %.2f %% of entries lead nowhere",
                    VOPR_HEAL_S, 100 * stale);
}

/* ---- lookups: what it is all for ---- */

static bool leads_to(const struct vopr *v, const struct kith_sim_ask *ask,
                     const struct kith_sim_host *wanted) {
    if (ask->contact.endpoint.family != 0 && is_at(v, wanted, &ask->contact.endpoint)) {
        return true;
    }
    for (uint32_t i = 0; ask->has_peer && i < ask->peer.n_endpoints; i++) {
        if (is_at(v, wanted, &ask->peer.endpoints[i])) {
            return true;
        }
    }
    return false;
}

static void expect_lookups(struct vopr *v) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->run->options.lookups; i++) {
        struct kith_sim_host *asker = kith_sim_world_pick(&v->world);
        struct kith_sim_host *wanted = kith_sim_world_pick(&v->world);
        /* Who shares a /24 with others need not be in anybody's table, and of those full stores
         * need not hold the peer record. */
        bool nowhere = v->tiny && kith_sim_faults_crowded(&v->faults, wanted);
        if (wanted == asker || nowhere || !kith_sim_faults_is_public(&v->faults, wanted)) {
            continue;
        }
        struct kith_query query = {
            .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = wanted->key};
        struct kith_sim_ask *ask = kith_sim_world_ask(&v->world, asker, &query);
        kith_sim_world_run_asks(&v->world, ASK_LIMIT_S * KITH_NS_PER_S);
        kith_sim_expect(v->run, ask->done && ask->status == 0 && leads_to(v, ask, wanted),
                        "lookup of host %u by host %u (operation %llu): %s", wanted->index,
                        asker->index, (unsigned long long)ask->number,
                        ask->status == 0 ? "at a wrong address" : kith_strerror(ask->status));
        vopr_expect_true(v, ask);
        kith_sim_ask_free(ask);
        n++;
    }
    kith_sim_report_number(&v->run->report, "lookups", n, 0);
}

/* ---- records ---- */

struct own_search {
    const struct vopr_entry *entry;
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
static int64_t kept_by_author(const struct vopr *v, const struct vopr_entry *entry) {
    const struct kith_sim_host *author = v->world.hosts[entry->author];
    struct own_search search = {.entry = entry, .key = &author->key, .seq = -1};
    if (author->core == NULL) {
        return -1;
    }
    kith_core_each_record(author->core, v->world.now, find_own, &search);
    return search.seq;
}

struct held_search {
    const struct own_search *own;
    int64_t seq; /* -1: none */
};

static int find_held(const struct kith_record_info *info, void *user) {
    struct held_search *search = user;
    char salt[8];
    int size = snprintf(salt, sizeof(salt), "r%u", search->own->entry->salt);
    if (info->is_mutable && info->salt_size == size &&
        memcmp(info->salt, salt, (size_t)size) == 0 &&
        kith_key_equal(&info->key, search->own->key)) {
        search->seq = info->seq > search->seq ? info->seq : search->seq;
    }
    return 0;
}

static void point_of(const struct vopr *v, const struct vopr_entry *entry, struct kith_point *ret) {
    char salt[8];
    int size = snprintf(salt, sizeof(salt), "r%u", entry->salt);
    kith_point_of_record(&v->world.hosts[entry->author]->key, kith_span(salt, (size_t)size), ret);
}

/* Of the nodes nearest to it, most hold the record; an older one hardly any. */
static void expect_held(struct vopr *v, const struct vopr_entry *entry, int64_t kept) {
    const struct kith_sim_host *nearest[K];
    struct own_search own = {.entry = entry, .key = &v->world.hosts[entry->author]->key};
    struct kith_point point;
    uint32_t n_held = 0;
    point_of(v, entry, &point);
    uint32_t n = nearest_to(v, &point, NULL, nearest);
    for (uint32_t i = 0; i < n; i++) {
        struct held_search search = {.own = &own, .seq = -1};
        kith_core_each_record(nearest[i]->core, v->world.now, find_held, &search);
        n_held += search.seq >= kept;
        v->n_outdated += search.seq >= 0 && search.seq < kept;
    }
    v->n_held += n_held;
    v->n_holders += n;
    uint32_t quorum = (3 * n + 3) / 4;
    uint32_t wanted = quorum < HOLDERS ? quorum : HOLDERS;
    kith_sim_expect(v->run, n_held >= wanted,
                    "record %u of host %u is held by %u of the %u nearest nodes", entry->salt,
                    entry->author, n_held, n);
}

static void expect_found(struct vopr *v, const struct vopr_entry *entry) {
    int64_t kept = kept_by_author(v, entry);
    int64_t first = -1;
    if (kept < 0) {
        return;
    }
    kith_sim_expect(v->run,
                    v->faults.counts.restart_torn + v->faults.counts.restart_old > 0 ||
                        kept >= entry->acked,
                    "record %u of host %u: the author keeps seq %lld, %lld was acknowledged",
                    entry->salt, entry->author, (long long)kept, (long long)entry->acked);
    expect_held(v, entry, kept);

    for (unsigned i = 0; i < READERS; i++) {
        struct kith_sim_host *reader = kith_sim_world_pick(&v->world);
        struct kith_query query = vopr_get_query(v, entry);
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
        ask->user = (void *)entry;
        vopr_expect_true(v, ask);
        v->n_read++;
        kith_sim_ask_free(ask);
    }
}

/* ---- writing ---- */

/* `number`: the seq, or the cas, as the flags say. */
static int put_again(struct vopr *v, const struct vopr_entry *entry, const char *text,
                     unsigned flags, int64_t number, int64_t *ret_seq) {
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    if (kith_value_wrap(text, strlen(text), value, &size) < 0) {
        kith_sim_panic("a value cannot be wrapped");
    }
    struct kith_query query = vopr_get_query(v, entry);
    query.kind = KITH_QUERY_PUT;
    query.flags = flags;
    query.cas = number;
    query.seq = number;
    query.value = value;
    query.value_size = size;
    struct kith_sim_ask *ask = kith_sim_world_ask(&v->world, v->world.hosts[entry->author], &query);
    kith_sim_world_run_asks(&v->world, ASK_LIMIT_S * KITH_NS_PER_S);
    int status = ask->status;
    *ret_seq = ask->seq;
    kith_sim_ask_free(ask);
    return status;
}

/* The same seq twice: of the values the larger stays, whoever comes first. */
static void expect_tie(struct vopr *v, const struct vopr_entry *entry, int64_t seq) {
    int64_t held;
    int r = put_again(v, entry, "larger one", KITH_FLAG_HAS_SEQ, seq, &held);
    kith_sim_expect(v->run, r == KITH_EOUTDATED,
                    "record %u of host %u: a smaller value with the same seq: %s", entry->salt,
                    entry->author, kith_strerror(r));
    r = put_again(v, entry, "nearly one", KITH_FLAG_HAS_SEQ, seq, &held);
    kith_sim_expect(v->run, r == 0, "record %u of host %u: a larger value with the same seq: %s",
                    entry->salt, entry->author, kith_strerror(r));
}

/* The network works again, so a new version of a record is stored, a third one on the condition
 * that the second is held, and none on the condition that the first is. */
static void expect_update(struct vopr *v, struct vopr_entry *entry) {
    int64_t held = kept_by_author(v, entry);
    int64_t first;
    int64_t second;
    int64_t third;
    if (held < 0) {
        return;
    }
    int r = put_again(v, entry, "an update", 0, 0, &first);
    kith_sim_expect(v->run, r == 0 && first > held,
                    "record %u of host %u is put anew: %s, seq %lld after %lld", entry->salt,
                    entry->author, kith_strerror(r), (long long)first, (long long)held);
    if (r == 0) {
        r = put_again(v, entry, "middle one", KITH_FLAG_HAS_CAS, first, &second);
        kith_sim_expect(v->run, r == 0 && second > first,
                        "record %u of host %u is put after seq %lld: %s, seq %lld", entry->salt,
                        entry->author, (long long)first, kith_strerror(r), (long long)second);
        entry->acked = r == 0 ? second : first;
        r = put_again(v, entry, "too late", KITH_FLAG_HAS_CAS, first, &third);
        kith_sim_expect(v->run, r == KITH_ECAS_MISMATCH,
                        "record %u of host %u is put after an outdated seq: %s", entry->salt,
                        entry->author, kith_strerror(r));
        expect_tie(v, entry, entry->acked);
    }
    v->n_updated++;
}

/* ---- topics ---- */

struct topic_search {
    struct kith_point topic;
    bool announces;
};

static int find_announcement(const struct kith_record_info *info, void *user) {
    struct topic_search *search = user;
    bool same = memcmp(info->point.bytes, search->topic.bytes, sizeof(info->point.bytes)) == 0;
    search->announces |= info->own && same;
    return 0;
}

/* Everybody who still announces himself is found, and nobody else. */
static void expect_topic(struct vopr *v, unsigned topic) {
    struct kith_query query = {.kind = KITH_QUERY_FIND,
                               .flags = KITH_FLAG_HAS_POINT,
                               .point = vopr_topic(topic),
                               .n = FIND_MAX};
    struct kith_sim_host *reader = kith_sim_world_pick(&v->world);
    struct kith_sim_ask *ask = kith_sim_world_ask(&v->world, reader, &query);
    uint32_t n = 0;
    kith_sim_world_run_asks(&v->world, ASK_LIMIT_S * KITH_NS_PER_S);
    for (uint32_t i = 0; i < v->world.n_hosts; i++) {
        const struct kith_sim_host *host = v->world.hosts[i];
        struct topic_search search = {.topic = query.point};
        if (host->core == NULL || host == reader) {
            continue;
        }
        kith_core_each_record(host->core, v->world.now, find_announcement, &search);
        n += search.announces;
        kith_sim_expect(v->run, !search.announces || has_key(ask, &host->key),
                        "topic %u: host %u announces itself, host %u does not find it (operation "
                        "%llu: %s, %u found)",
                        topic, i, reader->index, (unsigned long long)ask->number,
                        kith_strerror(ask->status), ask->n_keys);
    }
    kith_sim_ask_free(ask);
    v->n_announced += n;
}

/* ---- the whole ---- */

void vopr_expect_network(struct vopr *v) {
    expect_joined(v);
    expect_fresh(v);
    expect_recall(v);
    expect_lookups(v);
    for (uint32_t i = 0; !v->tiny && i < v->n_entries && v->n_updated < UPDATES; i++) {
        expect_update(v, &v->entries[i]);
    }
    kith_sim_report_number(&v->run->report, "updates", v->n_updated, 0);
}

void vopr_expect_content(struct vopr *v) {
    kith_sim_report_number(&v->run->report, "tiny_stores", v->tiny, 0);
    if (v->tiny) {
        return;
    }
    for (uint32_t i = 0; i < v->n_entries; i++) {
        expect_found(v, &v->entries[i]);
    }
    for (unsigned i = 0; i < VOPR_TOPICS && v->faults.limits.topic_peers > v->world.n_hosts; i++) {
        expect_topic(v, i);
    }
    kith_sim_expect(v->run, OUTDATED_ONE_IN * v->n_outdated <= v->n_holders,
                    "%u of the %u nearest nodes of all records hold an older one", v->n_outdated,
                    v->n_holders);
    double held = v->n_holders == 0 ? 1 : (double)v->n_held / (double)v->n_holders;
    kith_sim_report_number(&v->run->report, "held_by_nearest_percent", 100 * held, 2);
    kith_sim_report_number(&v->run->report, "held_outdated", v->n_outdated, 0);
    kith_sim_report_number(&v->run->report, "announcements_found", v->n_announced, 0);
}
