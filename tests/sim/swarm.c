/* SPDX-License-Identifier: MIT */
/*
 * swarm: growing a network and measuring it.
 *
 * The first few hosts are the seeds that later ones are told of, as a configuration file would;
 * every fourth newcomer knows only their addresses and must ask for their keys. A network counts as
 * quiet when everybody has joined, a minute has passed since, and traffic is below a few datagrams
 * per node and second: what is left then is upkeep, which never ends.
 */
#include "sim/swarm.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/memory.h"
#include "sim/oracle.h"

enum {
    N_SEEDS = 8,
    SEEDS_TOLD = 3,
    K = 20, /* the swarm's bucket size: what recall is measured against */
    SETTLE_S = 60,
    QUIET_WINDOW_S = 10,
    QUIET_PER_NODE = 3, /* datagrams in a second */
    QUIET_LIMIT_S = 900,
    ASK_GAP_MS = 10, /* between the starts of two lookups */
    ASK_LIMIT_S = 120,
    CHECKED_MAX = 1000, /* hosts whose invariants are checked at the end */
    REORDER_MS = 150,
    JITTER_MS = 2,
    JOIN_PER_S_MIN = 5,
    MISSES_PRINTED = 10,
};

/* ---- growing ---- */

void kith_sim_swarm_init(struct kith_sim_world *world, const struct kith_sim_run *run) {
    const struct kith_sim_options *options = &run->options;
    struct kith_sim_world_config config = {
        .seed = options->seed,
        .curve = options->curve,
        .network = {.loss_ppm = options->loss_ppm,
                    .duplicate_ppm = options->duplicate_ppm,
                    .reorder_ppm = options->reorder_ppm,
                    .reorder_ns = REORDER_MS * KITH_NS_PER_MS,
                    .jitter_ns = JITTER_MS * KITH_NS_PER_MS},
        .progress = true,
        .shown = options->shown,
    };
    kith_sim_world_init(world, &config);
}

void kith_sim_swarm_join(struct kith_sim_world *world, struct kith_sim_host *host) {
    uint32_t n_seeds = world->n_hosts < N_SEEDS ? world->n_hosts : N_SEEDS;
    uint32_t first = (uint32_t)kith_sim_random_below(&world->random, n_seeds);
    uint32_t told = 0;
    for (uint32_t i = 0; i < n_seeds && told < SEEDS_TOLD; i++) {
        struct kith_sim_host *seed = world->hosts[(first + i) % n_seeds];
        if (seed != host && seed->core != NULL) {
            kith_sim_world_introduce(world, host, seed, host->index % 4 != 0, KITH_CONTACT_SEED);
            told++;
        }
    }
}

/* All of them; of one alone nobody could tell. */
static bool all_joined(const struct kith_sim_world *world) {
    if (!world->config.mainline) {
        return world->n_ready == world->n_alive || world->n_alive == 1;
    }
    for (uint32_t i = 0; i < world->n_hosts && world->n_alive > 1; i++) {
        const struct kith_sim_host *host = world->hosts[i];
        if (host->core != NULL && !kith_sim_world_joined(world, host)) {
            return false;
        }
    }
    return true;
}

void kith_sim_swarm_wait(struct kith_sim_run *run, struct kith_sim_world *world) {
    uint64_t start = world->now;
    uint64_t limit = start + QUIET_LIMIT_S * KITH_NS_PER_S;
    while (world->now < limit) {
        uint64_t sent = world->network.stats.sent;
        kith_sim_world_run_until(world, world->now + QUIET_WINDOW_S * KITH_NS_PER_S);
        sent = world->network.stats.sent - sent;
        bool calm = sent <= (uint64_t)QUIET_PER_NODE * QUIET_WINDOW_S * world->n_alive;
        if (calm && world->now >= start + SETTLE_S * KITH_NS_PER_S && all_joined(world)) {
            return;
        }
    }
    kith_sim_expect(run, false, "not quiet after %d s: %u of %u joined", QUIET_LIMIT_S,
                    world->n_ready, world->n_alive);
}

void kith_sim_swarm_grow(struct kith_sim_run *run, struct kith_sim_world *world, uint32_t nodes) {
    uint32_t per_s = run->options.join_per_s;
    if (per_s == 0) {
        per_s = nodes / 100 < JOIN_PER_S_MIN ? JOIN_PER_S_MIN : nodes / 100;
    }
    size_t before = kith_sim_memory_used() - kith_sim_world_memory(world);
    struct kith_sim_host_options options = {.families = 4};
    while (world->n_hosts < nodes) {
        kith_sim_swarm_join(world, kith_sim_world_add(world, &options));
        kith_sim_world_run_until(world, world->now + KITH_NS_PER_S / per_s);
    }
    kith_sim_swarm_wait(run, world);
    size_t after = kith_sim_memory_used();
    if (after != 0) {
        run->bytes_per_node = (after - kith_sim_world_memory(world) - before) / nodes;
    }
}

void kith_sim_swarm_kill(struct kith_sim_world *world, uint32_t ppm) {
    uint32_t n = (uint32_t)((uint64_t)world->n_alive * ppm / KITH_SIM_PPM);
    while (n-- > 0) {
        kith_sim_world_kill(world, kith_sim_world_pick(world));
    }
}

/* ---- lookups ---- */

struct kith_sim_ask **kith_sim_swarm_ask_all(struct kith_sim_world *world, uint32_t n,
                                             kith_sim_ask_fn ask_one, void *context) {
    struct kith_sim_ask **asks = kith_sim_allocate(n * sizeof(struct kith_sim_ask *));
    for (uint32_t i = 0; i < n; i++) {
        asks[i] = ask_one(world, i, context);
        kith_sim_world_run_until(world, world->now + ASK_GAP_MS * KITH_NS_PER_MS);
    }
    kith_sim_world_run_asks(world, ASK_LIMIT_S * KITH_NS_PER_S);
    return asks;
}

void kith_sim_swarm_free_all(struct kith_sim_ask **asks, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (!asks[i]->done) {
            kith_sim_panic("an operation of host %u did not end in %d s", asks[i]->host,
                           ASK_LIMIT_S);
        }
        kith_sim_ask_free(asks[i]);
    }
    free(asks);
}

static struct kith_sim_ask *ask_lookup(struct kith_sim_world *world, uint32_t i, void *context) {
    (void)i;
    (void)context;
    struct kith_sim_host *asker = kith_sim_world_pick(world);
    struct kith_sim_host *wanted = kith_sim_world_pick(world);
    while (wanted == asker && world->n_alive > 1) {
        wanted = kith_sim_world_pick(world);
    }
    struct kith_query query = {
        .kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = wanted->key};
    struct kith_sim_ask *ask = kith_sim_world_ask(world, asker, &query);
    ask->user = wanted;
    return ask;
}

static bool endpoint_is_of(const struct kith_sim_host *host, const struct kith_endpoint *endpoint) {
    const struct kith_endpoint *own = endpoint->family == 6 ? &host->v6 : &host->v4;
    return own->family == endpoint->family && own->port == endpoint->port &&
           memcmp(own->ip, endpoint->ip, sizeof(own->ip)) == 0;
}

/* Found where it is: at the endpoint it answered from, or one that its own record names. */
bool kith_sim_found_exactly(const struct kith_sim_ask *ask, const struct kith_sim_host *wanted) {
    if (ask->contact.endpoint.family != 0) {
        return endpoint_is_of(wanted, &ask->contact.endpoint);
    }
    for (uint32_t i = 0; ask->has_peer && i < ask->peer.n_endpoints; i++) {
        if (endpoint_is_of(wanted, &ask->peer.endpoints[i])) {
            return true;
        }
    }
    return false;
}

/* Which one it was: what a person needs to go on. Whether it is a failure is for the scenario to
 * say. */
static void print_miss(const struct kith_sim_ask *ask) {
    const struct kith_sim_host *wanted = ask->user;
    fprintf(stderr, "miss: lookup of host %u by host %u at %.3f s: %s, %u messages, %u answered\n",
            wanted->index, ask->host, (double)ask->asked_at / 1e9,
            ask->status == 0 ? "at a wrong address" : kith_strerror(ask->status),
            ask->walk.messages, ask->walk.answered);
}

static void count_lookup(struct kith_sim_lookups *lookups, const struct kith_sim_ask *ask) {
    bool exact = ask->status == 0 && kith_sim_found_exactly(ask, ask->user);
    lookups->n++;
    lookups->n_exact += exact;
    lookups->n_wrong += ask->status == 0 && !exact;
    if (!exact && lookups->n - lookups->n_exact <= MISSES_PRINTED) {
        print_miss(ask);
    }
    kith_sim_samples_add(&lookups->hops, ask->walk.hops);
    kith_sim_samples_add(&lookups->messages, ask->walk.messages);
    kith_sim_samples_add(&lookups->total_ns, ask->done_at - ask->asked_at);
    if (ask->walk.first_ns != 0) {
        kith_sim_samples_add(&lookups->first_ns, ask->walk.first_ns);
    }
}

void kith_sim_swarm_lookups(struct kith_sim_world *world, uint32_t n,
                            struct kith_sim_lookups *ret) {
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(world, n, ask_lookup, NULL);
    for (uint32_t i = 0; i < n; i++) {
        count_lookup(ret, asks[i]);
    }
    kith_sim_swarm_free_all(asks, n);
}

static struct kith_sim_ask *ask_trace(struct kith_sim_world *world, uint32_t i, void *context) {
    (void)i;
    (void)context;
    struct kith_query query = {.kind = KITH_QUERY_TRACE, .flags = KITH_FLAG_HAS_POINT};
    struct kith_sim_host *asker = kith_sim_world_pick(world);
    kith_sim_random_fill(&world->random, query.point.bytes, sizeof(query.point.bytes));
    struct kith_point *target = kith_sim_allocate(sizeof(*target));
    *target = query.point;
    struct kith_sim_ask *ask = kith_sim_world_ask(world, asker, &query);
    ask->user = target;
    return ask;
}

static void count_trace(const struct kith_sim_world *world, struct kith_sim_lookups *lookups,
                        const struct kith_sim_ask *ask) {
    const struct kith_sim_host *closest[K];
    uint32_t n = kith_sim_oracle_closest(world, ask->user, world->hosts[ask->host], K, closest);
    lookups->n_traces++;
    lookups->true_closest += n;
    lookups->true_closest_answered += kith_sim_oracle_hits(closest, n, ask->keys, ask->n_keys);
    kith_sim_samples_add(&lookups->trace_hops, ask->walk.hops);
    kith_sim_samples_add(&lookups->trace_messages, ask->walk.messages);
    kith_sim_samples_add(&lookups->trace_ns, ask->done_at - ask->asked_at);
}

void kith_sim_swarm_traces(struct kith_sim_world *world, uint32_t n, struct kith_sim_lookups *ret) {
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(world, n, ask_trace, NULL);
    for (uint32_t i = 0; i < n; i++) {
        count_trace(world, ret, asks[i]);
        free(asks[i]->user);
    }
    kith_sim_swarm_free_all(asks, n);
}

double kith_sim_lookups_success(const struct kith_sim_lookups *lookups) {
    return lookups->n == 0 ? 1 : (double)lookups->n_exact / (double)lookups->n;
}

double kith_sim_lookups_recall(const struct kith_sim_lookups *lookups) {
    return lookups->true_closest == 0
               ? 1
               : (double)lookups->true_closest_answered / (double)lookups->true_closest;
}

void kith_sim_lookups_report(struct kith_sim_run *run, struct kith_sim_lookups *lookups) {
    struct kith_sim_report *report = &run->report;
    kith_sim_report_number(report, "lookups", lookups->n, 0);
    kith_sim_report_number(report, "success_percent", 100 * kith_sim_lookups_success(lookups), 3);
    kith_sim_report_number(report, "found_elsewhere", lookups->n_wrong, 0);
    kith_sim_report_number(report, "recall_percent", 100 * kith_sim_lookups_recall(lookups), 3);
    kith_sim_report_number(report, "hops_mean", kith_sim_samples_mean(&lookups->hops), 2);
    kith_sim_report_number(report, "hops_max", (double)kith_sim_samples_max(&lookups->hops), 0);
    kith_sim_report_number(report, "messages_mean", kith_sim_samples_mean(&lookups->messages), 1);
    if (lookups->first_ns.n > 0) {
        kith_sim_report_latency(report, "first_ms_p50", "first_ms_p99", &lookups->first_ns);
    }
    kith_sim_report_latency(report, "total_ms_p50", "total_ms_p99", &lookups->total_ns);
    if (lookups->n_traces > 0) {
        kith_sim_report_number(report, "trace_hops_mean",
                               kith_sim_samples_mean(&lookups->trace_hops), 2);
        kith_sim_report_number(report, "trace_messages_mean",
                               kith_sim_samples_mean(&lookups->trace_messages), 1);
        kith_sim_report_latency(report, "trace_ms_p50", "trace_ms_p99", &lookups->trace_ns);
    }
}

void kith_sim_lookups_deinit(struct kith_sim_lookups *lookups) {
    kith_sim_samples_deinit(&lookups->hops);
    kith_sim_samples_deinit(&lookups->messages);
    kith_sim_samples_deinit(&lookups->total_ns);
    kith_sim_samples_deinit(&lookups->first_ns);
    kith_sim_samples_deinit(&lookups->trace_hops);
    kith_sim_samples_deinit(&lookups->trace_messages);
    kith_sim_samples_deinit(&lookups->trace_ns);
}

/* ---- concluding ---- */

static void expect_honest(struct kith_sim_run *run, const struct kith_stats *stats) {
    const struct {
        const char *name;
        uint64_t value;
    } zero[] = {
        {"drop_amplification", stats->drop_amplification},
        {"drop_malformed", stats->drop_malformed},
        {"drop_type", stats->drop_type},
        {"drop_empty", stats->drop_empty},
        {"drop_source", stats->drop_source},
        {"drop_mac", stats->drop_mac},
        {"drop_outbox", stats->drop_outbox},
        {"bad_records", stats->bad_records},
        {"events_lost", stats->events_lost},
    };
    for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++) {
        kith_sim_expect(run, zero[i].value == 0, "%s is %llu among honest nodes", zero[i].name,
                        (unsigned long long)zero[i].value);
    }
}

/* No answer of kith is larger than its question, nor are there two. Mainline's are, by design, as
 * long as a budget lasts: there it is a figure. */
static void expect_no_amplification(struct kith_sim_run *run, const struct kith_sim_world *world) {
    const struct kith_sim_amplification *kith = &world->amplify.worst[KITH_SIM_WIRE_KITH];
    for (unsigned i = 0; i < KITH_SIM_WIRES; i++) {
        kith_sim_amplify_merge(&run->amplification[i], &world->amplify.worst[i]);
    }
    kith_sim_expect(
        run, kith->bytes_out <= kith->bytes_in && kith->n_out <= 1,
        "somebody unproven got %llu bytes for %llu (type %u), or %llu datagrams for one",
        (unsigned long long)kith->bytes_out, (unsigned long long)kith->bytes_in, kith->type,
        (unsigned long long)kith->n_out);
}

void kith_sim_conclude_faulty(struct kith_sim_run *run, struct kith_sim_world *world) {
    struct kith_stats stats;
    kith_sim_world_stats(world, &stats);
#define ADD(name, help) run->stats.name += stats.name;
    KITH_COUNTER_MAP(ADD)
#undef ADD
    expect_no_amplification(run, world);
    run->virtual_ns += world->now - KITH_SIM_START;
    run->delivered += world->delivered;
    run->lost += world->network.stats.lost;
    run->nodes_max = world->n_hosts > run->nodes_max ? world->n_hosts : run->nodes_max;
    kith_sim_trace_datagram(&run->trace, world->now, 0, 0, world->trace.state,
                            sizeof(world->trace.state));
    kith_sim_world_deinit(world);
}

void kith_sim_conclude(struct kith_sim_run *run, struct kith_sim_world *world) {
    struct kith_stats stats;
    kith_sim_world_stats(world, &stats);
    expect_honest(run, &stats);
    uint32_t host = 0;
    const char *violated = kith_sim_world_check(world, world->n_hosts / CHECKED_MAX + 1, &host);
    kith_sim_expect(run, violated == NULL, "host %u: %s", host, violated == NULL ? "" : violated);
    kith_sim_conclude_faulty(run, world);
}
