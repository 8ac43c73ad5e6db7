/* SPDX-License-Identifier: MIT */
/*
 * scenario_turned: a share of the nodes turns, but not into liars about who is near: silent, who
 * say nothing any more; slowloris, who answer when they are nearly given up, and keep handshakes
 * half open; eclipse, who are all but one of those that a newcomer is told of; rollback, who serve
 * and push the oldest version of a record; misplace, who answer with records of other points.
 * Honest nodes put and read meanwhile (sim/siege.h).
 */
#include <stdlib.h>

#include "core/core_internal.h"
#include "sim/forge.h"
#include "sim/memory.h"
#include "sim/siege.h"

enum {
    READS = 4, /* of each record */
};

static const struct kith_sim_siege_names names = {
    "hostile",           "captured_percent",           "holders_mean",
    "put_messages_mean", {"put_ms_p50", "put_ms_p99"}, "read_percent",
    "get_messages_mean", {"get_ms_p50", "get_ms_p99"}};

static void begin(struct kith_sim_run *run, struct kith_sim_world *world,
                  struct kith_sim_siege *siege) {
    kith_sim_swarm_init(world, run);
    kith_sim_gang_init(&siege->gang, world);
    kith_sim_swarm_grow(run, world, run->options.nodes);
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        if (kith_sim_random_below(&world->random, KITH_SIM_PPM) < run->options.hostile_ppm) {
            kith_sim_gang_recruit(&siege->gang, world->hosts[i]);
        }
    }
    kith_sim_siege_choose(siege, run->options.lookups / READS + 1);
}

/* Everything can be written and read; and not much later than where nobody is hostile. */
static void expect_served(struct kith_sim_run *run, struct kith_sim_siege *siege, uint32_t max_ms) {
    kith_sim_siege_report(run, siege, &names);
    uint64_t p99 = kith_sim_samples_percentile(&siege->get_ns, 99);
    kith_sim_expect(run, siege->n_put_failed == 0, "%u of %u puts fail", siege->n_put_failed,
                    siege->n_items);
    kith_sim_expect(run, 1000 * (uint64_t)siege->n_read >= 999 * (uint64_t)siege->n_gets,
                    "only %u of %u gets succeed", siege->n_read, siege->n_gets);
    kith_sim_expect(run, p99 <= max_ms * KITH_NS_PER_MS, "a get takes %.0f ms (p99), not %u",
                    (double)p99 / 1e6, max_ms);
}

static void end(struct kith_sim_run *run, struct kith_sim_world *world,
                struct kith_sim_siege *siege) {
    kith_sim_conclude(run, world);
    kith_sim_siege_deinit(siege);
}

/* ---- silent ---- */

struct entries {
    const struct kith_sim_gang *gang;
    uint64_t live;
    uint64_t members;
};

static int count_entry(const struct kith_entry *entry, unsigned bucket, bool replacement,
                       void *user) {
    struct entries *entries = user;
    (void)bucket;
    if (!replacement && entry->failures == 0) {
        struct kith_endpoint endpoint = kith_entry_endpoint(entry);
        uint32_t at = kith_sim_network_find(&entries->gang->world->network, &endpoint);
        entries->live++;
        entries->members += at != KITH_SIM_NOBODY &&
                            kith_sim_gang_has(entries->gang, entries->gang->world->hosts[at]);
    }
    return 0;
}

/* How much of the honest nodes' tables belongs to the gang, percent. */
static double members_in_tables(const struct kith_sim_gang *gang) {
    struct entries entries = {.gang = gang};
    const struct kith_sim_world *world = gang->world;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        if (world->hosts[i]->core != NULL && !kith_sim_gang_has(gang, world->hosts[i])) {
            (void)kith_routing_each(world->hosts[i]->core->swarm.v4, count_entry, &entries);
        }
    }
    return entries.live == 0 ? 100 : 100.0 * (double)entries.members / (double)entries.live;
}

void kith_sim_scenario_silent(struct kith_sim_run *run) {
    enum { FORGOTTEN_S = 900, GET_MS = 1500, STILL_PERCENT = 5 };
    struct kith_sim_world world;
    struct kith_sim_siege siege = {0};
    begin(run, &world, &siege);
    double before = members_in_tables(&siege.gang);
    siege.gang.evil = KITH_SIM_SILENT;
    kith_sim_siege_put(&siege); /* at once, when nobody knows yet */
    kith_sim_siege_get(&siege, run->options.lookups);
    kith_sim_world_run_until(&world, world.now + FORGOTTEN_S * KITH_NS_PER_S);
    double after = members_in_tables(&siege.gang);
    kith_sim_report_number(&run->report, "requests_unanswered", (double)siege.gang.n_asked, 0);
    kith_sim_report_number(&run->report, "silent_in_tables_percent", before, 1);
    kith_sim_report_number(&run->report, "silent_in_tables_after_percent", after, 1);
    kith_sim_expect(run, before > STILL_PERCENT, "the silent ones were in no table");
    kith_sim_expect(run, after <= STILL_PERCENT, "%.1f %% of live entries are silent", after);
    expect_served(run, &siege, GET_MS);
    end(run, &world, &siege);
}

/* ---- slowloris ---- */

/* Each member begins a handshake with each honest host, of the longest kind, and leaves it there.
 */
static void begin_handshakes(struct kith_sim_siege *siege, uint64_t *n_sent) {
    struct kith_sim_world *world = siege->gang.world;
    for (uint32_t i = 0; i < siege->gang.n; i++) {
        const struct kith_sim_host *member = siege->gang.members[i];
        struct kith_sim_forged forged;
        kith_sim_forge_key(&forged, world, member->seed);
        for (uint32_t j = 0; j < world->n_hosts; j++) {
            struct kith_sim_host *host = world->hosts[j];
            if (!kith_sim_gang_has(&siege->gang, host)) {
                kith_sim_forge_initiation(&forged, &host->key, kith_span(NULL, 0),
                                          KITH_DATAGRAM_MAX);
                kith_sim_forge_send(world, &forged.datagram, &member->v4, &member->v4, host);
                ++*n_sent;
            }
        }
    }
}

struct half_open {
    const struct kith_sim_gang *gang;
    uint32_t n;
};

static int count_half_open(const struct kith_session_info *info, void *user) {
    struct half_open *half_open = user;
    for (uint32_t i = 0; i < half_open->gang->n && !info->initiator && !info->established; i++) {
        half_open->n += kith_key_equal(&half_open->gang->members[i]->key, &info->key);
    }
    return 0;
}

/* The most sessions that members have begun at any one honest host, and not confirmed. */
static uint32_t half_open_max(const struct kith_sim_gang *gang) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < gang->world->n_hosts; i++) {
        const struct kith_sim_host *host = gang->world->hosts[i];
        struct half_open half_open = {.gang = gang};
        if (host->core != NULL && !kith_sim_gang_has(gang, host)) {
            (void)kith_core_each_session(host->core, gang->world->now, count_half_open, &half_open);
            most = half_open.n > most ? half_open.n : most;
        }
    }
    return most;
}

void kith_sim_scenario_slowloris(struct kith_sim_run *run) {
    enum { SLOW_MS = 1300, ROUNDS = 10, ROUND_S = 2, GET_MS = 800, OF_ONE_PEER = 2 };
    struct kith_sim_world world;
    struct kith_sim_siege siege = {0};
    uint64_t n_begun = 0;
    uint32_t most = 0;
    begin(run, &world, &siege);
    siege.gang.evil = KITH_SIM_LATE;
    kith_sim_gang_slow(&siege.gang, SLOW_MS * KITH_NS_PER_MS);
    for (unsigned i = 0; i < ROUNDS; i++) {
        begin_handshakes(&siege, &n_begun);
        uint32_t now = half_open_max(&siege.gang);
        most = now > most ? now : most;
        kith_sim_world_run_until(&world, world.now + ROUND_S * KITH_NS_PER_S);
    }
    kith_sim_siege_put(&siege);
    kith_sim_siege_get(&siege, run->options.lookups);
    uint32_t left = half_open_max(&siege.gang);
    kith_sim_report_number(&run->report, "answers_late", (double)siege.gang.n_slowed, 0);
    kith_sim_report_number(&run->report, "handshakes_begun", (double)n_begun, 0);
    kith_sim_report_number(&run->report, "half_open_max", most, 0);
    kith_sim_expect(run, siege.gang.n_slowed > 0, "nothing came late");
    kith_sim_expect(run, most > 0, "no handshake was kept half open");
    kith_sim_expect(run, most <= OF_ONE_PEER * siege.gang.n,
                    "a host holds %u half-open sessions of %u peers", most, siege.gang.n);
    kith_sim_expect(run, left <= siege.gang.n / 2, "%u half-open sessions are still there", left);
    expect_served(run, &siege, GET_MS);
    end(run, &world, &siege);
}

/* ---- eclipse ---- */

enum { NEWCOMERS = 10, HOSTILE_CONTACTS = 5 };

/* All of one kind, the honest one last. */
static void join_eclipsed(const struct kith_sim_gang *gang, struct kith_sim_host *newcomer,
                          enum kith_contact_source source) {
    struct kith_sim_world *world = gang->world;
    uint32_t first = (uint32_t)kith_sim_random_below(&world->random, gang->n);
    for (uint32_t i = 0; i < HOSTILE_CONTACTS && i < gang->n; i++) {
        kith_sim_world_introduce(world, newcomer, gang->members[(first + i) % gang->n], true,
                                 source);
    }
    struct kith_sim_host *honest = kith_sim_gang_victim(gang);
    while (honest == newcomer) {
        honest = kith_sim_gang_victim(gang);
    }
    kith_sim_world_introduce(world, newcomer, honest, true, source);
}

struct meeting {
    struct kith_sim_siege *siege;
    uint32_t first; /* index of the first newcomer */
};

/* Newcomers look for those who were there, and the other way round. */
static struct kith_sim_ask *ask_meeting(struct kith_sim_world *world, uint32_t i, void *context) {
    const struct meeting *meeting = context;
    struct kith_sim_host *newcomer = world->hosts[meeting->first + i / 2 % NEWCOMERS];
    struct kith_sim_host *other = kith_sim_gang_victim(&meeting->siege->gang);
    while (other->index >= meeting->first) {
        other = kith_sim_gang_victim(&meeting->siege->gang);
    }
    struct kith_sim_host *wanted = i % 2 == 0 ? other : newcomer;
    struct kith_query query = {
        .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = wanted->key};
    struct kith_sim_ask *ask = kith_sim_world_ask(world, i % 2 == 0 ? newcomer : other, &query);
    ask->user = wanted;
    return ask;
}

static void count_tables(const struct kith_sim_gang *gang, uint32_t first,
                         struct entries *entries) {
    *entries = (struct entries){.gang = gang};
    for (uint32_t i = first; i < first + NEWCOMERS; i++) {
        (void)kith_routing_each(gang->world->hosts[i]->core->swarm.v4, count_entry, entries);
    }
}

/* Newcomers who are told of all of them as contacts of one kind. */
static void eclipse(struct kith_sim_run *run, enum kith_contact_source source,
                    const char *const outputs[3]) {
    enum { JOIN_S = 300, HONEST_PERCENT = 50 };
    struct kith_sim_world world;
    struct kith_sim_siege siege = {0};
    struct entries entries;
    uint32_t n = run->options.lookups;
    uint32_t found = 0;
    begin(run, &world, &siege);
    struct meeting meeting = {&siege, world.n_hosts};
    siege.gang.evil = KITH_SIM_COLLUDE;
    for (uint32_t i = 0; i < NEWCOMERS; i++) {
        struct kith_sim_host_options options = {.families = 4};
        join_eclipsed(&siege.gang, kith_sim_world_add(&world, &options), source);
        kith_sim_world_run_until(&world, world.now + KITH_NS_PER_S);
    }
    kith_sim_world_run_until(&world, world.now + JOIN_S * KITH_NS_PER_S);
    count_tables(&siege.gang, meeting.first, &entries);
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(&world, n, ask_meeting, &meeting);
    for (uint32_t i = 0; i < n; i++) {
        found += asks[i]->status == 0 && kith_sim_found_exactly(asks[i], asks[i]->user);
    }
    kith_sim_swarm_free_all(asks, n);
    double honest =
        entries.live == 0 ? 0 : 100.0 - 100.0 * (double)entries.members / (double)entries.live;
    kith_sim_report_number(&run->report, outputs[0], (double)siege.gang.n_asked, 0);
    kith_sim_report_number(&run->report, outputs[1], honest, 1);
    kith_sim_report_number(&run->report, outputs[2], 100.0 * found / n, 2);
    kith_sim_expect(run, siege.gang.n_asked > 0, "nobody asked the hostile ones anything");
    kith_sim_expect(run, honest >= HONEST_PERCENT, "%.1f %% of newcomers' entries are honest (%s)",
                    honest, outputs[1]);
    kith_sim_expect(run, found == n, "only %u of %u lookups from and of newcomers succeed (%s)",
                    found, n, outputs[2]);
    end(run, &world, &siege);
}

void kith_sim_scenario_eclipse(struct kith_sim_run *run) {
    static const char *const of_peers[] = {
        "peers_asked_of_hostile", "peers_honest_in_tables_percent", "peers_meetings_percent"};
    static const char *const of_seeds[] = {
        "seeds_asked_of_hostile", "seeds_honest_in_tables_percent", "seeds_meetings_percent"};
    eclipse(run, KITH_CONTACT_PEER, of_peers);
    eclipse(run, KITH_CONTACT_SEED, of_seeds);
}

/* ---- rollback ---- */

/* The first version of each record that anybody stored at a member, and where it is put again. */
struct history {
    struct kith_record *records;
    struct kith_point *points;
    uint32_t n;
    uint64_t n_served; /* old versions */
    uint64_t n_pushed;
    uint64_t n_kept; /* reads and writes of records that nobody brought yet */
};

static const struct kith_record *find_first(const struct history *history,
                                            const struct kith_point *point) {
    for (uint32_t i = 0; i < history->n; i++) {
        if (kith_point_equal(&history->points[i], point)) {
            return &history->records[i];
        }
    }
    return NULL;
}

static void remember_first(struct history *history, const struct kith_record_view *view) {
    struct kith_point point;
    if (!view->is_mutable || kith_record_check(view) < 0) {
        return;
    }
    kith_record_point(view, &point);
    if (find_first(history, &point) != NULL) {
        return;
    }
    uint32_t n = history->n + 1;
    history->records = kith_sim_resize(history->records, n * sizeof(*history->records));
    history->points = kith_sim_resize(history->points, n * sizeof(*history->points));
    kith_record_copy(&history->records[history->n], view);
    history->points[history->n] = point;
    history->n = n;
}

static void history_deinit(struct history *history) {
    free(history->records);
    free(history->points);
}

static void answer_with(struct kith_core *core, const struct kith_delivery *delivery,
                        const struct kith_message *message, const struct kith_record *record,
                        uint64_t now) {
    struct kith_response response;
    kith_response_init(&response);
    response.has_you = true;
    response.you = delivery->from;
    if (record != NULL) {
        response.has_record = true;
        kith_record_view(record, &response.record);
    }
    kith_swarm_answer(&core->swarm, delivery, &message->txn, &response, NULL, now);
}

/* Acknowledges a put, and remembers what it is the first of. False: it is none. */
static bool take_put(struct kith_sim_gang *gang, struct kith_core *core,
                     const struct kith_delivery *delivery, const struct kith_message *message,
                     uint64_t now) {
    if (message->u.request.method != KITH_METHOD_PUT) {
        return false;
    }
    remember_first(gang->plan, &message->u.request.record);
    answer_with(core, delivery, message, NULL, now);
    return true;
}

/* Shows the first of each record to everybody. */
static bool roll_back(struct kith_sim_gang *gang, struct kith_core *core,
                      const struct kith_delivery *delivery, const struct kith_message *message,
                      uint64_t now) {
    struct history *history = gang->plan;
    const struct kith_request *request = &message->u.request;
    if (take_put(gang, core, delivery, message, now)) {
        return true;
    }
    const struct kith_record *first =
        request->method == KITH_METHOD_GET ? find_first(history, &request->target) : NULL;
    if (first == NULL) {
        return false;
    }
    history->n_served++;
    answer_with(core, delivery, message, first, now);
    return true;
}

/* Answers gets with a valid record of another point. */
static bool misplace(struct kith_sim_gang *gang, struct kith_core *core,
                     const struct kith_delivery *delivery, const struct kith_message *message,
                     uint64_t now) {
    struct history *history = gang->plan;
    const struct kith_request *request = &message->u.request;
    if (take_put(gang, core, delivery, message, now)) {
        return true;
    }
    if (request->method != KITH_METHOD_GET || history->n < 2) {
        return false;
    }
    uint32_t i = (uint32_t)(history->n_served++ % history->n);
    i = kith_point_equal(&history->points[i], &request->target) ? (i + 1) % history->n : i;
    answer_with(core, delivery, message, &history->records[i], now);
    return true;
}

/* A member stores the old version at every honest host that it has a session or a place for. */
static void push_all(struct kith_sim_siege *siege, struct history *history) {
    struct kith_sim_world *world = siege->gang.world;
    for (uint32_t i = 0; i < history->n; i++) {
        struct kith_sim_host *member = siege->gang.members[i % siege->gang.n];
        struct kith_request request = kith_swarm_request(&member->core->swarm, KITH_METHOD_PUT);
        kith_record_view(&history->records[i], &request.record);
        for (uint32_t j = 0; j < world->n_hosts; j++) {
            const struct kith_sim_host *host = world->hosts[j];
            struct kith_node_ref node = {
                .id = host->id, .key = host->key, .has_key = true, .endpoint = host->v4};
            struct kith_rpc *rpc;
            if (!kith_sim_gang_has(&siege->gang, host)) {
                history->n_pushed += kith_swarm_ask(&member->core->swarm, &node, &request, 0, NULL,
                                                    NULL, world->now, &rpc) == 0;
            }
        }
        kith_sim_world_touched(world, member);
        kith_sim_world_run_until(world, world->now + KITH_NS_PER_S);
    }
}

void kith_sim_scenario_rollback(struct kith_sim_run *run) {
    enum { GET_MS = 4000, SETTLE_S = 30 };
    struct kith_sim_world world;
    struct kith_sim_siege siege = {.get_flags = KITH_FLAG_NEWEST};
    struct history history = {0};
    begin(run, &world, &siege);
    siege.gang.plan = &history;
    siege.gang.answer = roll_back;
    siege.gang.evil = KITH_SIM_OTHER;
    kith_sim_siege_put(&siege);
    kith_sim_siege_put(&siege); /* the newest */
    uint32_t before = kith_sim_siege_held(&siege, true);
    push_all(&siege, &history);
    kith_sim_world_run_until(&world, world.now + SETTLE_S * KITH_NS_PER_S);
    uint32_t newest = kith_sim_siege_held(&siege, true);
    uint32_t old = kith_sim_siege_held(&siege, false) - newest;
    kith_sim_siege_get(&siege, run->options.lookups);
    kith_sim_report_number(&run->report, "old_served", (double)history.n_served, 0);
    kith_sim_report_number(&run->report, "old_pushed", (double)history.n_pushed, 0);
    kith_sim_report_number(&run->report, "held_newest", newest, 0);
    kith_sim_report_number(&run->report, "held_old", old, 0);
    kith_sim_report_number(&run->report, "read_old", siege.n_read_old, 0);
    kith_sim_expect(run, history.n_served > 0 && history.n_pushed > 0, "no old version was shown");
    kith_sim_expect(run, newest >= before, "%u hosts went back from the newest version",
                    before - newest);
    kith_sim_expect(run, siege.n_read_old == 0, "%u of %u gets end with an old version",
                    siege.n_read_old, siege.n_gets);
    expect_served(run, &siege, GET_MS);
    history_deinit(&history);
    end(run, &world, &siege);
}

/* ---- misplace ---- */

void kith_sim_scenario_misplace(struct kith_sim_run *run) {
    enum { GET_MS = 1500 };
    struct kith_sim_world world;
    struct kith_sim_siege siege = {0};
    struct history history = {0};
    begin(run, &world, &siege);
    siege.gang.plan = &history;
    siege.gang.answer = misplace;
    siege.gang.evil = KITH_SIM_OTHER;
    kith_sim_siege_put(&siege);
    kith_sim_siege_get(&siege, run->options.lookups);
    struct kith_stats stats;
    kith_sim_world_stats(&world, &stats);
    kith_sim_report_number(&run->report, "misplaced_served", (double)history.n_served, 0);
    kith_sim_report_number(&run->report, "read_foreign", siege.n_read_foreign, 0);
    kith_sim_expect(run, history.n_served > 0, "no misplaced record was shown");
    kith_sim_expect(run, siege.n_read_foreign == 0, "%u of %u gets end with another's record",
                    siege.n_read_foreign, siege.n_gets);
    expect_served(run, &siege, GET_MS);
    kith_sim_expect(run, stats.bad_records > 0, "no misplaced record was noticed");
    history_deinit(&history);
    kith_sim_conclude_faulty(run, &world); /* records are bad among honest nodes, too */
    kith_sim_siege_deinit(&siege);
}
