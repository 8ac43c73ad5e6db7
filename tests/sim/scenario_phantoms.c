/* SPDX-License-Identifier: MIT */
/*
 * scenario_phantoms: a share of the nodes answers every question with contacts that are not there:
 * tens of thousands of made-up keys, of which the nearest to what was asked are told, at made-up
 * addresses, all at the address of one victim, or at all those of a victim's /24. What of that gets
 * into tables and books, what it costs those who look for something, beside the same network where
 * nobody lies, and what the victims get for each datagram of a liar.
 */
#include <stdlib.h>

#include "core/core_internal.h"
#include "sim/memory.h"
#include "sim/siege.h"

enum {
    KEYS = 20000,
    ROUNDS = 10,
    ROUND_S = 60,
    READS = 4, /* of each record */
    VICTIMS = 256,
    VICTIM_NET = 23, /* 23.1.2.0/24 */
    /* Datagrams to victims for each of a liar: to one address, to a /24, anywhere; and of one host
     * in a minute. */
    ONE_MAX = 1,
    NET_MAX = 2,
    ALL_MAX = 5,
    BY_MAX = 40,
};

enum kind { NOBODY_LIES, NOWHERE, ONE_VICTIM, MANY_VICTIMS };

struct phantom {
    struct kith_point id;
    struct kith_key key;
    struct kith_endpoint endpoint;
};

/* Of one minute, or of all. */
struct heard {
    uint64_t n[VICTIMS];
    uint64_t all;
};

struct phantoms {
    struct kith_sim_siege siege;
    struct kith_sim_world world;
    enum kind kind;
    struct phantom *of; /* KEYS, by id */
    uint64_t n_told;    /* datagrams of liars to honest hosts */
    uint64_t bytes_heard;
    struct heard minute;
    uint64_t one_max; /* datagrams in a minute, to one victim from all, */
    uint64_t net_max; /* to all of them, */
    uint64_t by_max;  /* and to all from one host */
    uint64_t heard;
    uint32_t *by; /* hosts, in this minute */
};

/* How the figures of one world are called. */
struct names {
    const char *read;
    const char *get_messages;
    const char *get_ms[2];
    const char *put_messages;
    const char *table;
    const char *book;
    const char *tried;
    const char *told;
    const char *one_max;
    const char *net_max;
    const char *by_max;
    const char *ratio;
    const char *bytes;
};

#define NAMES(kind)                                                                                \
    {                                                                                              \
        .read = kind "_read_percent", .get_messages = kind "_get_messages",                        \
        .get_ms = {kind "_get_ms_p50", kind "_get_ms_p99"}, .put_messages = kind "_put_messages",  \
        .table = kind "_in_tables", .book = kind "_in_books_percent", .tried = kind "_in_tried",   \
        .told = kind "_answers", .one_max = kind "_victim_per_minute_max",                         \
        .net_max = kind "_victims_per_minute_max", .by_max = kind "_victims_per_minute_by_one",    \
        .ratio = kind "_victims_per_answer", .bytes = kind "_victims_bytes_per_answer"             \
    }

/* ---- what is told ---- */

static bool is_phantom(const struct kith_endpoint *endpoint, const struct phantoms *p) {
    return endpoint->family == 4 && endpoint->port == 53 && p->kind != NOBODY_LIES;
}

static struct kith_endpoint place_of(enum kind kind, struct kith_sim_world *world, uint32_t i) {
    struct kith_endpoint endpoint;
    kith_sim_network_new_address(&world->network, 4, &endpoint);
    endpoint.port = 53; /* nobody else's */
    if (kind == ONE_VICTIM || kind == MANY_VICTIMS) {
        endpoint.ip[0] = VICTIM_NET;
        endpoint.ip[1] = 1;
        endpoint.ip[2] = 2;
        endpoint.ip[3] = kind == ONE_VICTIM ? 3 : (uint8_t)i;
    }
    return endpoint;
}

static int by_id(const void *a, const void *b) {
    return memcmp(((const struct phantom *)a)->id.bytes, ((const struct phantom *)b)->id.bytes,
                  sizeof(struct kith_point));
}

static void invent(struct phantoms *p) {
    p->of = kith_sim_allocate(KEYS * sizeof(*p->of));
    for (uint32_t i = 0; i < KEYS; i++) {
        uint8_t seed[KITH_SEED_SIZE];
        kith_sim_random_fill(&p->world.random, seed, sizeof(seed));
        p->world.config.curve->sign_keypair(p->of[i].key.bytes, (uint8_t[64]){0}, seed);
        kith_point_of_node(&p->of[i].key, &p->of[i].id);
        p->of[i].endpoint = place_of(p->kind, &p->world, i);
    }
    qsort(p->of, KEYS, sizeof(*p->of), by_id);
}

/* The first that is not before the point, in the order of numbers: those around it are near. */
static uint32_t find(const struct phantoms *p, const struct kith_point *point) {
    uint32_t low = 0;
    uint32_t high = KEYS;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (memcmp(p->of[mid].id.bytes, point->bytes, sizeof(struct kith_point)) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static bool tell(struct kith_sim_gang *gang, struct kith_core *core,
                 const struct kith_delivery *delivery, const struct kith_message *message,
                 uint64_t now) {
    struct phantoms *p = gang->plan;
    const struct kith_request *request = &message->u.request;
    struct kith_response response;
    uint32_t k = core->swarm.dialect->k;
    uint32_t asker = kith_sim_network_find(&p->world.network, &delivery->from);
    if (request->method != KITH_METHOD_FIND && request->method != KITH_METHOD_GET &&
        request->method != KITH_METHOD_TOPIC && request->method != KITH_METHOD_EXCHANGE) {
        return false;
    }
    kith_response_init(&response);
    response.has_you = true;
    response.you = delivery->from;
    uint32_t at = request->method == KITH_METHOD_EXCHANGE
                      ? (uint32_t)kith_sim_random_below(&p->world.random, KEYS)
                      : find(p, &request->target);
    for (uint32_t i = 0; i < k; i++) {
        const struct phantom *phantom = &p->of[(at + KEYS - k / 2 + i) % KEYS];
        response.contacts[response.n_contacts++] = (struct kith_node_ref){
            .id = phantom->id, .key = phantom->key, .has_key = true, .endpoint = phantom->endpoint};
    }
    p->n_told += asker != KITH_SIM_NOBODY && !kith_sim_gang_has(gang, p->world.hosts[asker]);
    kith_swarm_answer(&core->swarm, delivery, &message->txn, &response, NULL, now);
    return true;
}

/* ---- what comes of it ---- */

static bool on_send(void *context, struct kith_sim_host *host, const struct kith_datagram *datagram,
                    struct kith_endpoint *from) {
    struct phantoms *p = context;
    (void)from;
    if (is_phantom(&datagram->to, p) && !kith_sim_gang_has(&p->siege.gang, host)) {
        p->minute.n[datagram->to.ip[3]]++;
        p->minute.all++;
        p->by[host->index]++;
        p->heard++;
        p->bytes_heard += datagram->size;
    }
    return true;
}

static void end_minute(struct phantoms *p) {
    for (uint32_t i = 0; i < VICTIMS; i++) {
        p->one_max = p->minute.n[i] > p->one_max ? p->minute.n[i] : p->one_max;
    }
    for (uint32_t i = 0; i < p->world.n_hosts; i++) {
        p->by_max = p->by[i] > p->by_max ? p->by[i] : p->by_max;
        p->by[i] = 0;
    }
    p->net_max = p->minute.all > p->net_max ? p->minute.all : p->net_max;
    p->minute = (struct heard){.all = 0};
}

struct census {
    const struct phantoms *p;
    uint32_t in_tables;
    uint32_t in_books;
    uint32_t in_tried;
    uint32_t books;
};

static int count_entry(const struct kith_entry *entry, unsigned bucket, bool replacement,
                       void *user) {
    struct census *census = user;
    struct kith_endpoint endpoint = kith_entry_endpoint(entry);
    (void)bucket;
    (void)replacement;
    census->in_tables += is_phantom(&endpoint, census->p);
    return 0;
}

static int count_book(const struct kith_book_info *info, void *user) {
    struct census *census = user;
    bool phantom = is_phantom(&info->contact.endpoint, census->p);
    census->books++;
    census->in_books += phantom;
    census->in_tried += phantom && info->place != KITH_PLACE_NEW;
    return 0;
}

static struct census take_census(struct phantoms *p) {
    struct census census = {.p = p};
    for (uint32_t i = 0; i < p->world.n_hosts; i++) {
        struct kith_core *core = p->world.hosts[i]->core;
        if (!kith_sim_gang_has(&p->siege.gang, p->world.hosts[i])) {
            (void)kith_routing_each(core->swarm.v4, count_entry, &census);
            (void)kith_core_each_book(core, p->world.now, count_book, &census);
        }
    }
    return census;
}

/* One answer brings one question to an address and three to a /24, sent twice or, at the beginning,
 * thrice: the mean is less, since many are known to be silent by then. */
static void expect_bounds(struct kith_sim_run *run, const struct phantoms *p) {
    double most = p->kind == ONE_VICTIM ? ONE_MAX : p->kind == MANY_VICTIMS ? NET_MAX : ALL_MAX;
    double heard = (double)p->heard / (p->n_told == 0 ? 1 : (double)p->n_told);
    kith_sim_expect(run, heard <= most, "an answer brings victims %.2f datagrams, not %.1f", heard,
                    most);
    kith_sim_expect(run, p->kind == NOWHERE || p->by_max <= BY_MAX,
                    "a host sends %llu datagrams a minute to victims, not %u",
                    (unsigned long long)p->by_max, BY_MAX);
}

static void report(struct kith_sim_run *run, struct phantoms *p, const struct names *names) {
    struct kith_sim_report *r = &run->report;
    struct census census = take_census(p);
    double told = p->n_told == 0 ? 1 : (double)p->n_told;
    kith_sim_report_number(r, names->read, 100.0 * p->siege.n_read / p->siege.n_gets, 3);
    kith_sim_report_number(r, names->get_messages, kith_sim_samples_mean(&p->siege.get_messages),
                           1);
    kith_sim_report_latency(r, names->get_ms[0], names->get_ms[1], &p->siege.get_ns);
    kith_sim_report_number(r, names->put_messages, kith_sim_samples_mean(&p->siege.put_messages),
                           1);
    if (p->kind != NOBODY_LIES) {
        kith_sim_report_number(r, names->table, census.in_tables, 0);
        kith_sim_report_number(r, names->book, 100.0 * census.in_books / census.books, 1);
        kith_sim_report_number(r, names->tried, census.in_tried, 0);
        kith_sim_report_number(r, names->told, (double)p->n_told, 0);
        kith_sim_report_number(r, names->one_max, (double)p->one_max, 0);
        kith_sim_report_number(r, names->net_max, (double)p->net_max, 0);
        kith_sim_report_number(r, names->by_max, (double)p->by_max, 0);
        kith_sim_report_number(r, names->ratio, (double)p->heard / told, 3);
        kith_sim_report_number(r, names->bytes, (double)p->bytes_heard / told, 0);
        kith_sim_expect(run, p->n_told > 0 && p->heard > 0, "nobody believed anything");
    } else {
        struct kith_stats stats;
        kith_sim_world_stats(&p->world, &stats);
        kith_sim_expect(run, stats.bad_contacts == 0, "%llu contacts of honest nodes are left out",
                        (unsigned long long)stats.bad_contacts);
    }
    expect_bounds(run, p);
    kith_sim_expect(run, census.in_tables == 0, "%u who are not there are in tables",
                    census.in_tables);
    kith_sim_expect(run, census.in_tried == 0, "%u who are not there are in tried",
                    census.in_tried);
    kith_sim_expect(run, p->siege.n_put_failed == 0, "%u puts fail", p->siege.n_put_failed);
    kith_sim_expect(run, 1000 * (uint64_t)p->siege.n_read >= 999 * (uint64_t)p->siege.n_gets,
                    "only %u of %u gets succeed", p->siege.n_read, p->siege.n_gets);
}

static void one_world(struct kith_sim_run *run, enum kind kind, const struct names *names) {
    struct phantoms *p = kith_sim_allocate(sizeof(*p));
    struct kith_sim_gang *gang = &p->siege.gang;
    p->kind = kind;
    kith_sim_swarm_init(&p->world, run);
    kith_sim_gang_init(gang, &p->world);
    kith_sim_swarm_grow(run, &p->world, run->options.nodes);
    p->by = kith_sim_allocate(run->options.nodes * sizeof(*p->by));
    for (uint32_t i = 0; i < p->world.n_hosts; i++) {
        if (kith_sim_random_below(&p->world.random, KITH_SIM_PPM) < run->options.hostile_ppm) {
            kith_sim_gang_recruit(gang, p->world.hosts[i]);
        }
    }
    invent(p);
    gang->plan = p;
    gang->answer = tell;
    gang->evil = kind == NOBODY_LIES ? KITH_SIM_HONEST : KITH_SIM_OTHER;
    p->world.hooks.may_send = on_send;
    p->world.hooks.context = p;
    kith_sim_siege_choose(&p->siege, run->options.lookups / READS + 1);
    kith_sim_siege_put(&p->siege);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t end = p->world.now + ROUND_S * KITH_NS_PER_S;
        kith_sim_siege_get(&p->siege, run->options.lookups / ROUNDS + 1);
        kith_sim_world_run_until(&p->world, end > p->world.now ? end : p->world.now);
        end_minute(p);
    }
    report(run, p, names);
    kith_sim_conclude(run, &p->world);
    kith_sim_siege_deinit(&p->siege);
    free(p->by);
    free(p->of);
    free(p);
}

void kith_sim_scenario_phantoms(struct kith_sim_run *run) {
    static const struct names honest = NAMES("honest");
    static const struct names nowhere = NAMES("nowhere");
    static const struct names victim = NAMES("one");
    static const struct names many = NAMES("many");
    one_world(run, NOBODY_LIES, &honest);
    one_world(run, NOWHERE, &nowhere);
    one_world(run, ONE_VICTIM, &victim);
    one_world(run, MANY_VICTIMS, &many);
}
