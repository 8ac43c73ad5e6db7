/* SPDX-License-Identifier: MIT */
/*
 * Who we are in Mainline. An id belongs to an address there (BEP 42), so with the address that
 * others say we have, the id changes and the table is sorted anew.
 *
 * We call ourselves read-only (BEP 43) until somebody proves us reachable: a query from an address
 * that we had not asked anything lately, a ping that we send to the endpoint others see us at and
 * that comes in with our own id, or kith's own test through a third node (core/reach).
 *
 * Rendezvous: nodes of a kith network announce themselves under one info-hash and look who else
 * did; whoever is there is asked for its key. Often at first, then with each announcement, every 25
 * minutes; again whenever kith has too few contacts.
 */
#include "core/mainline.h"

#include <stdlib.h>

#include "core/base/endpoint.h"
#include "core/record/target.h"
#include "core/wire/krpc.h"

enum {
    REFRESH_MS = 5000, /* 160 entries come round in 13 minutes; BEP 5 asks for 15 */
    REFRESH_AGE_S = 300,
    TEST_SOON_S = 5,    /* after a change of the network */
    TEST_S = 60,        /* between two tests of ourselves until reachable */
    TEST_AGAIN_S = 900, /* and after that */
    TEST_MISSES = 3,
    LATELY_S = 600,      /* who was asked within that time can reach us through most NATs */
    VOTES_MIN = 3,       /* voters before an id is bound to what most of them say */
    ID_AGAIN_S = 600,    /* between two ids: a host with two ways out would get one per answer */
    MEET_FIRST_S = 2,    /* until the second meeting; each pause is twice the one before, up to */
    MEET_POOR_S = 120,   /* with too few kith contacts */
    MEET_S = 1500,       /* else */
    MEET_ENOUGH = 4,     /* kith contacts */
    MEET_TRY = 64,       /* of those that a meeting found: anybody can announce anything, */
    MEET_PER_PREFIX = 4, /* also that we should ask somebody else's network */
    AGAIN_TRY = 8,       /* of those remembered, while nobody answers; a router may not be there */
    AGAIN_S = 60,
    ITEMS_MAX = 4096,
    ITEM_BYTES_MAX = 8 * 1024 * 1024,
    ITEMS_PER_PREFIX = 256,
};

static void on_test(struct kith_timer *timer, uint64_t now);
static void on_meet(struct kith_timer *timer, uint64_t now);

static void set_timer(struct kith_mainline *m, struct kith_timer *timer, kith_timer_fn fn,
                      uint64_t delay_s, uint64_t now) {
    struct kith_env *env = m->config.env;
    uint64_t wait = kith_random_jitter(&env->random, delay_s * KITH_NS_PER_S, 10);
    /* Fails only without memory; kith_mainline_look() tries again. */
    int r = kith_timer_set(&env->timers, timer, fn, now + wait);
    (void)r;
}

/* ---- whether strangers reach us ---- */

static void set_reachable(struct kith_mainline *m, enum kith_reachable state) {
    m->reachable = state;
    for (size_t i = 0; i < 2; i++) {
        if (m->families[i] != NULL) {
            m->families[i]->swarm.read_only = state != KITH_REACHABLE_YES;
        }
    }
}

void kith_mainline_reachable(struct kith_mainline *m, enum kith_reachable state, uint64_t now) {
    if (state == KITH_REACHABLE_UNKNOWN || m->config.lab) {
        return;
    }
    m->misses = 0;
    set_reachable(m, state);
    set_timer(m, &m->test, on_test, TEST_AGAIN_S, now);
}

/* The ping to ourselves came in; or a query of somebody we have not asked lately. */
static void notice_stranger(struct kith_mainline_family *family,
                            const struct kith_delivery *delivery,
                            const struct kith_message *message, uint64_t now) {
    struct kith_mainline *m = family->owner;
    bool own = message->has_id && kith_point_equal(&message->id, &family->swarm.own_id);
    uint8_t sending;
    bool is_test =
        own && m->testing && kith_rpcs_find(&family->swarm.rpcs, &message->txn, &sending) != NULL;
    bool stranger =
        !own && !kith_endpoint_exempt(&delivery->from) &&
        !kith_plain_asked_lately(m->plain, &delivery->from, LATELY_S * KITH_NS_PER_S, now);
    if ((is_test || stranger) && m->reachable != KITH_REACHABLE_YES) {
        kith_mainline_reachable(m, KITH_REACHABLE_YES, now);
    }
    m->misses = is_test || stranger ? 0 : m->misses;
}

static void on_tested(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_mainline *m = context;
    (void)rpc;
    if (event->outcome == KITH_RPC_SLOW || event->outcome == KITH_RPC_STALE) {
        return;
    }
    m->testing = false;
    /* Success was noticed when the question came in. */
    m->misses++;
    if (event->outcome != KITH_RPC_TIMEOUT) {
        m->misses = 0;
    } else if (m->misses >= TEST_MISSES) {
        set_reachable(m, KITH_REACHABLE_NO);
    }
}

static void on_test(struct kith_timer *timer, uint64_t now) {
    struct kith_mainline *m = kith_container_of(timer, struct kith_mainline, test);
    set_timer(m, timer, on_test, m->reachable == KITH_REACHABLE_YES ? TEST_AGAIN_S : TEST_S, now);
    for (size_t i = 0; i < 2 && !m->testing; i++) {
        struct kith_mainline_family *family = m->families[i];
        if (family == NULL || family->votes.winner.family == 0) {
            continue;
        }
        struct kith_node_ref us = {.any_id = true, .endpoint = family->votes.winner};
        struct kith_request request = kith_swarm_request(&family->swarm, KITH_METHOD_PING);
        struct kith_rpc *rpc;
        m->testing = kith_swarm_ask(&family->swarm, &us, &request, KITH_ASK_QUIET, on_tested, m,
                                    now, &rpc) == 0;
    }
}

/* ---- our address and id ---- */

/* Items are of no family: what is near to them is told by the id of the first one in use. */
static uint8_t item_family(const struct kith_mainline *m) {
    return m->families[0] != NULL ? 4 : 6;
}

static int new_items(const struct kith_mainline *m, const struct kith_point *own_id,
                     struct kith_store **ret) {
    struct kith_env *env = m->config.env;
    struct kith_store_config items = {
        .own_id = *own_id,
        .limits = {.records = ITEMS_MAX,
                   .bytes = ITEM_BYTES_MAX,
                   .records_per_prefix = ITEMS_PER_PREFIX,
                   .topic_peers = 1},
        .random = &env->random,
        .stats = &env->stats,
    };
    return kith_store_new(ret, &items);
}

struct item_move {
    struct kith_store *to;
    uint64_t now;
};

static int move_item(const struct kith_held *held, void *user) {
    const struct item_move *move = user;
    struct kith_store_put put = {
        .view = &held->view,
        .point = held->point,
        .lifetime_ns = held->expires > move->now ? held->expires - move->now : 0,
    };
    int r = kith_store_put(move->to, &put, move->now, NULL);
    (void)r; /* who stored it does so again within the hour */
    return 0;
}

/* The store knows its items by their distance from us: another id needs another store. */
static void items_follow(struct kith_mainline *m, const struct kith_point *own_id, uint64_t now) {
    struct item_move move = {.now = now};
    if (new_items(m, own_id, &move.to) == 0) {
        kith_store_each(m->items, move_item, &move);
        kith_store_free(m->items);
        m->items = move.to;
    }
}

/* Takes an id that belongs to our address, once enough others agree on that. */
static void bind_id(struct kith_mainline_family *family, uint64_t now) {
    struct kith_endpoint seen = kith_votes_majority_ip(&family->votes);
    struct kith_point id;
    bool lately = family->id_bound != 0 && now - family->id_bound < ID_AGAIN_S * KITH_NS_PER_S;
    if (family->votes.n < VOTES_MIN || seen.family == 0 || lately ||
        kith_target_id_valid(&family->swarm.own_id, &seen)) {
        return;
    }
    kith_target_make_id(&seen, &family->owner->config.env->random, &id);
    if (kith_swarm_set_id(&family->swarm, &id, now) == 0) {
        family->id_bound = now;
        kith_torrents_set_id(family->torrents, &id);
        if (family->swarm.family == item_family(family->owner)) {
            items_follow(family->owner, &id, now);
        }
        kith_maintain_again(&family->maintain, now);
    }
}

static void on_observed(void *context, const struct kith_node_ref *by,
                        const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_mainline_family *family = context;
    struct kith_mainline *m = family->owner;
    if (endpoint->family != family->swarm.family) {
        return;
    }
    if (kith_votes_add(&family->votes, NULL, &by->endpoint, endpoint)) {
        m->config.on_observed(m->config.context, &family->votes.winner, now);
    }
    bind_id(family, now);
}

/* ---- worth remembering ---- */

static void on_node(void *context, const struct kith_node_ref *node, bool answered, uint64_t now) {
    struct kith_mainline_family *family = context;
    (void)now;
    if (!answered) {
        return;
    }
    bool exempt = kith_endpoint_exempt(&node->endpoint);
    for (uint32_t i = 0; i < family->n_known; i++) {
        /* One of a prefix: who has many addresses must not be all that we remember. */
        if (exempt ? kith_endpoint_equal(&family->known[i], &node->endpoint)
                   : kith_endpoint_same_prefix(&family->known[i], &node->endpoint)) {
            family->known[i] = node->endpoint;
            return;
        }
    }
    family->known[family->next_known] = node->endpoint;
    family->next_known = (family->next_known + 1) % KITH_MAINLINE_KNOWN_MAX;
    family->n_known += family->n_known < KITH_MAINLINE_KNOWN_MAX;
}

struct known_walk {
    size_t n;
    size_t max;
    struct kith_endpoint *out;
};

static bool is_among(const struct known_walk *walk, const struct kith_endpoint *endpoint) {
    for (size_t i = 0; i < walk->n; i++) {
        if (kith_endpoint_equal(&walk->out[i], endpoint)) {
            return true;
        }
    }
    return false;
}

static int take_entry(const struct kith_entry *entry, unsigned bucket, bool replacement,
                      void *user) {
    struct known_walk *walk = user;
    (void)bucket;
    if (!replacement && entry->failures == 0 && walk->n < walk->max) {
        walk->out[walk->n++] = kith_entry_endpoint(entry);
    }
    return 0;
}

/* The table first, then the latest who answered. */
size_t kith_mainline_known(const struct kith_mainline *m, uint8_t family, size_t n,
                           struct kith_endpoint *out) {
    const struct kith_mainline_family *f = m->families[family == 6];
    struct known_walk walk = {.max = n, .out = out};
    if (f == NULL) {
        return 0;
    }
    kith_routing_each(kith_swarm_table(&f->swarm, family), take_entry, &walk);
    for (uint32_t i = 1; i <= f->n_known && walk.n < n; i++) {
        uint32_t at = (f->next_known + KITH_MAINLINE_KNOWN_MAX - i) % KITH_MAINLINE_KNOWN_MAX;
        if (!is_among(&walk, &f->known[at])) {
            out[walk.n++] = f->known[at];
        }
    }
    return walk.n;
}

/* ---- rendezvous ---- */

static bool is_poor(const struct kith_mainline *m) {
    return kith_swarm_count_live(m->config.kith->swarm) < MEET_ENOUGH;
}

/* How many of `n` endpoints are of the prefix of this one. */
static unsigned count_prefix(const struct kith_endpoint *endpoints, uint32_t n,
                             const struct kith_endpoint *endpoint) {
    unsigned count = 0;
    for (uint32_t i = 0; i < n && !kith_endpoint_exempt(endpoint); i++) {
        count += kith_endpoint_same_prefix(&endpoints[i], endpoint);
    }
    return count;
}

/* Hints like any other, as kith_maintain_add() takes them: a few, drawn by lot, few of one prefix.
 * `found` is shuffled. */
static void try_some(struct kith_mainline *m, struct kith_endpoint *found, uint32_t n,
                     uint64_t now) {
    uint32_t n_tried = 0;
    for (uint32_t i = 0; i < n && n_tried < MEET_TRY; i++) {
        uint32_t drawn = i + (uint32_t)kith_random_below(&m->config.env->random, n - i);
        struct kith_contact contact = {.endpoint = found[drawn]};
        found[drawn] = found[i];
        found[i] = contact.endpoint;
        if (count_prefix(found, n_tried, &contact.endpoint) < MEET_PER_PREFIX) {
            found[i] = found[n_tried];
            found[n_tried++] = contact.endpoint;
            int r = kith_maintain_add(m->config.kith, &contact, KITH_CONTACT_KNOWN, now);
            (void)r; /* our own endpoint, and what does not fit, is left out */
        }
    }
}

static void on_met(struct kith_op *op, int status, uint64_t now, void *context) {
    struct kith_mainline *m = context;
    (void)status; /* whoever was found counts */
    m->meeting = false;
    if (op != NULL) {
        try_some(m, op->seen_endpoints, op->n_seen, now);
    }
    uint64_t most = is_poor(m) ? MEET_POOR_S : MEET_S;
    uint64_t pause = MEET_FIRST_S;
    for (uint32_t i = 1; i < m->n_meets && pause < most; i++) {
        pause *= 2;
    }
    set_timer(m, &m->meet, on_meet, pause < most ? pause : most, now);
    kith_ops_wake(m->config.ops, now); /* who waited for this alone waits no longer */
}

static void on_meet(struct kith_timer *timer, uint64_t now) {
    struct kith_mainline *m = kith_container_of(timer, struct kith_mainline, meet);
    if (m->meeting) {
        return;
    }
    /* A client is nobody to be met. */
    struct kith_query query = {
        .kind = m->config.env->client ? KITH_QUERY_PEERS : KITH_QUERY_ANNOUNCE_PEER,
        .flags = KITH_FLAG_HAS_POINT,
        .point = m->meeting_point,
    };
    m->meeting = true;
    m->n_meets++;
    if (kith_ops_start_internal(m->config.ops, NULL, &query, on_met, m, now) < 0) {
        on_met(NULL, KITH_ENOMEM, now, m);
    }
}

/* ---- joining ---- */

static void on_ready(void *context, uint64_t now) {
    struct kith_mainline_family *family = context;
    struct kith_mainline *m = family->owner;
    m->config.on_ready(m->config.context, now);
    if (m->config.rendezvous && !m->meeting) {
        m->n_meets = 0;
        on_meet(&m->meet, now);
    }
    if (!kith_timer_is_set(&m->test) && !m->config.lab) {
        set_timer(m, &m->test, on_test, 1, now);
    }
}

/* While nobody answers: some of those who did are tried, by lot, until one does. */
static void try_known(struct kith_mainline_family *family, uint64_t now) {
    if (family->n_known == 0 || now < family->again_at ||
        kith_swarm_count_live(&family->swarm) > 0) {
        return;
    }
    family->again_at = now + AGAIN_S * KITH_NS_PER_S;
    for (unsigned i = 0; i < AGAIN_TRY; i++) {
        uint64_t drawn = kith_random_below(&family->owner->config.env->random, family->n_known);
        int r = kith_mainline_add(family->owner, &family->known[drawn], KITH_CONTACT_KNOWN, now);
        (void)r; /* the others, or the next time */
    }
}

/* Joining starts over by itself. */
static void on_lost(void *context, uint64_t now) {
    const struct kith_mainline_family *family = context;
    family->owner->config.on_lost(family->owner->config.context, now);
}

static bool is_self(void *context, const struct kith_endpoint *endpoint) {
    const struct kith_mainline_family *family = context;
    return family->owner->config.is_self(family->owner->config.context, endpoint);
}

static bool is_banned(void *context, const struct kith_node_ref *node, uint64_t now) {
    const struct kith_mainline_family *family = context;
    return family->owner->config.is_banned(family->owner->config.context, node, now);
}

int kith_mainline_add(struct kith_mainline *m, const struct kith_endpoint *endpoint,
                      enum kith_contact_source source, uint64_t now) {
    struct kith_mainline_family *family = m->families[endpoint->family == 6];
    struct kith_contact contact = {.endpoint = *endpoint};
    return family == NULL ? KITH_EINVALID
                          : kith_maintain_add(&family->maintain, &contact, source, now);
}

void kith_mainline_remove(struct kith_mainline *m, const struct kith_endpoint *endpoint) {
    struct kith_mainline_family *family = m->families[endpoint->family == 6];
    if (family != NULL) {
        kith_maintain_remove(&family->maintain, endpoint);
    }
}

bool kith_mainline_may_join(const struct kith_mainline *m) {
    for (size_t i = 0; i < 2; i++) {
        if (m->families[i] != NULL && kith_maintain_may_join(&m->families[i]->maintain)) {
            return true;
        }
    }
    return false;
}

bool kith_mainline_may_meet(const struct kith_mainline *m) {
    return m->meeting && m->n_meets <= 1;
}

void kith_mainline_expect(struct kith_mainline *m, bool expected) {
    for (size_t i = 0; i < 2; i++) {
        if (m->families[i] != NULL) {
            m->families[i]->maintain.expecting = expected;
        }
    }
}

void kith_mainline_look(struct kith_mainline *m, uint64_t now) {
    bool ready = false;
    for (size_t i = 0; i < 2; i++) {
        if (m->families[i] != NULL) {
            kith_maintain_look(&m->families[i]->maintain, now);
            try_known(m->families[i], now);
            ready = ready || m->families[i]->maintain.ready;
        }
    }
    if (ready && m->config.rendezvous && !m->meeting && !kith_timer_is_set(&m->meet)) {
        set_timer(m, &m->meet, on_meet, MEET_POOR_S, now);
    }
}

void kith_mainline_network_changed(struct kith_mainline *m, uint64_t now) {
    for (size_t i = 0; i < 2; i++) {
        struct kith_mainline_family *family = m->families[i];
        if (family != NULL) {
            family->votes.n = 0;
            family->votes.next = 0;
            family->id_bound = 0;
            kith_maintain_hurry(&family->maintain, now);
            kith_maintain_again(&family->maintain, now);
        }
    }
    if (kith_timer_is_set(&m->test)) {
        set_timer(m, &m->test, on_test, TEST_SOON_S, now);
    }
}

void kith_mainline_bans_changed(struct kith_mainline *m, uint64_t now) {
    for (size_t i = 0; i < 2; i++) {
        if (m->families[i] != NULL) {
            kith_swarm_drop_banned(&m->families[i]->swarm, now);
        }
    }
}

/* ---- the whole ---- */

static void on_request(void *context, const struct kith_delivery *delivery,
                       const struct kith_message *message, uint64_t now) {
    struct kith_mainline_family *family = context;
    notice_stranger(family, delivery, message, now);
    kith_mainline_serve(family, delivery, message, now);
}

void kith_mainline_receive(struct kith_mainline *m, const struct kith_endpoint *from,
                           struct kith_span bytes, uint64_t now) {
    struct kith_mainline_family *family = m->families[from->family == 6];
    if (family == NULL) {
        m->config.env->stats.drop_type++;
        return;
    }
    kith_swarm_receive_plain(&family->swarm, from, bytes, now);
}

static int new_family(struct kith_mainline *m, uint8_t number, uint64_t now) {
    struct kith_env *env = m->config.env;
    struct kith_mainline_family *family = calloc(1, sizeof(*family));
    m->families[number == 6] = family;
    if (family == NULL) {
        return KITH_ENOMEM;
    }
    struct kith_endpoint nowhere = {.family = number};
    struct kith_swarm_config swarm = {
        .env = env,
        .dialect = &kith_dialect_krpc,
        .plain = m->plain,
        .family = number,
        .enforce_ids = m->config.enforce_ids,
    };
    kith_target_make_id(&nowhere, &env->random, &swarm.own_id);
    family->owner = m;
    family->known = calloc(KITH_MAINLINE_KNOWN_MAX, sizeof(*family->known));
    int r = kith_swarm_init(&family->swarm, &swarm);
    if (r < 0 || family->known == NULL) {
        return KITH_ENOMEM;
    }
    family->swarm.read_only = !m->config.lab;
    family->swarm.on_request = on_request;
    family->swarm.on_observed = on_observed;
    family->swarm.on_node = on_node;
    family->swarm.is_banned = is_banned;
    family->swarm.context = family;
    struct kith_torrents_config torrents = {.own_id = swarm.own_id, .random = &env->random};
    r = kith_torrents_new(&family->torrents, &torrents);
    family->maintain = (struct kith_maintain){
        .env = env,
        .swarm = &family->swarm,
        .ops = m->config.ops,
        .refresh_ns = REFRESH_MS * KITH_NS_PER_MS,
        .refresh_least_ns = REFRESH_MS * KITH_NS_PER_MS, /* many are always gone there */
        .refresh_age_ns = REFRESH_AGE_S * KITH_NS_PER_S,
        .on_ready = on_ready,
        .on_lost = on_lost,
        .is_self = is_self,
        .context = family,
    };
    r = r == 0 ? kith_maintain_start(&family->maintain, now) : r;
    m->config.ops->mainline[number == 6] = r == 0 ? &family->swarm : NULL;
    return r;
}

int kith_mainline_new(struct kith_mainline **ret, const struct kith_mainline_config *config,
                      uint64_t now) {
    struct kith_mainline *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return KITH_ENOMEM;
    }
    struct kith_env *env = config->env;
    m->config = *config;
    m->reachable = config->lab ? KITH_REACHABLE_YES : KITH_REACHABLE_UNKNOWN;
    kith_tokens_init(&m->tokens, &env->random, now);
    kith_target_of_network(env->network, &m->meeting_point);
    int r = kith_plain_new(&m->plain, env, &config->limits);
    r = r == 0 && env->has_v4 ? new_family(m, 4, now) : r;
    r = r == 0 && env->has_v6 ? new_family(m, 6, now) : r;
    r = r == 0 ? new_items(m, &m->families[item_family(m) == 6]->swarm.own_id, &m->items) : r;
    if (r < 0) {
        kith_mainline_free(m);
        return r;
    }
    *ret = m;
    return 0;
}

static void free_family(struct kith_mainline *m, size_t i) {
    struct kith_mainline_family *family = m->families[i];
    m->config.ops->mainline[i] = NULL;
    if (family == NULL) {
        return;
    }
    kith_maintain_stop(&family->maintain);
    kith_swarm_deinit(&family->swarm);
    kith_torrents_free(family->torrents);
    kith_votes_deinit(&family->votes);
    free(family->known);
    free(family);
}

/* After the ops, which walk in these swarms. */
struct kith_mainline *kith_mainline_free(struct kith_mainline *m) {
    if (m == NULL) {
        return NULL;
    }
    kith_timer_stop(&m->config.env->timers, &m->test);
    kith_timer_stop(&m->config.env->timers, &m->meet);
    for (size_t i = 0; i < 2; i++) {
        free_family(m, i);
    }
    kith_store_free(m->items);
    kith_plain_free(m->plain);
    free(m);
    return NULL;
}

void kith_mainline_expire(struct kith_mainline *m, uint64_t now) {
    kith_store_expire(m->items, now);
    for (size_t i = 0; i < 2; i++) {
        if (m->families[i] != NULL) {
            kith_torrents_expire(m->families[i]->torrents, now);
        }
    }
}

void kith_mainline_status(const struct kith_mainline *m, struct kith_mainline_status *ret) {
    *ret = (struct kith_mainline_status){.on = true, .reachable = m->reachable};
    ret->items = kith_store_count(m->items);
    for (size_t i = 0; i < 2; i++) {
        const struct kith_mainline_family *family = m->families[i];
        if (family == NULL) {
            continue;
        }
        struct kith_mainline_family_status *status = &ret->families[i];
        const struct kith_routing *table = kith_swarm_table(&family->swarm, i == 0 ? 4 : 6);
        *status = (struct kith_mainline_family_status){
            .on = true,
            .ready = family->maintain.ready,
            .read_only = family->swarm.read_only,
            .id = family->swarm.own_id,
            .nodes = (uint32_t)kith_routing_count_live(table),
            .depth = kith_routing_depth(table),
            .n_votes = family->votes.n,
            .observed = family->votes.winner,
            .size_estimate = kith_routing_size_estimate(table),
            .torrents = kith_torrents_count(family->torrents),
            .peers = kith_torrents_count_peers(family->torrents),
        };
        /* The k nearest are the sample: its relative deviation is 1/sqrt(k). */
        status->size_error = status->size_estimate == 0 ? 0 : 1.0 / 2.8284271247461903;
    }
}

const char *kith_mainline_check(const struct kith_mainline *mainline) {
    const char *wrong = kith_store_check(mainline->items);
    for (unsigned i = 0; i < 2 && wrong == NULL; i++) {
        const struct kith_mainline_family *family = mainline->families[i];
        if (family == NULL) {
            continue;
        }
        wrong = family->swarm.v4 == NULL ? NULL : kith_routing_check(family->swarm.v4);
        if (wrong == NULL && family->swarm.v6 != NULL) {
            wrong = kith_routing_check(family->swarm.v6);
        }
        wrong = wrong != NULL ? wrong : kith_torrents_check(family->torrents);
    }
    return wrong;
}
