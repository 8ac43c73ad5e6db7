/* SPDX-License-Identifier: MIT */
/*
 * Puts the parts of a node together: what each asks of the others, and in which order they begin
 * and end.
 */
#include "core/core_internal.h"

#include <stdlib.h>

enum {
    OUTBOX_MAX = 4 * 1024 * 1024, /* bytes queued between two calls */
    SESSIONS_DEFAULT = 16384,
    SESSIONS_PER_PREFIX_DEFAULT = 256,
    RECORDS_DEFAULT = 65536,
    RECORD_BYTES_DEFAULT = 64 * 1024 * 1024,
    RECORDS_PER_PREFIX_DEFAULT = 4096,
    TOPIC_PEERS_DEFAULT = 256,
    OPS_DEFAULT = 256,
    HANDSHAKES_DEFAULT = 2000,
};

static const double PACE_DEFAULT = 0.70710678118654752; /* 1/sqrt 2, see core/upkeep/keeper.h */

static uint32_t or_default(uint32_t value, uint32_t fallback) {
    return value == 0 ? fallback : value;
}

/* ---- what the parts ask of each other ---- */

static void on_request(void *context, const struct kith_delivery *delivery,
                       const struct kith_message *message, uint64_t now) {
    struct kith_core *core = context;
    kith_serve_request(&core->serve, delivery, message, now);
}

void kith_core_tell_own(void *context) {
    struct kith_core *core = context;
    struct kith_endpoint own[KITH_ENDPOINTS_MAX + 2];
    size_t n = 0;
    for (uint32_t i = 0; i < core->publish.n_bound; i++) {
        own[n++] = core->publish.bound[i];
    }
    own[n++] = core->publish.v4.winner;
    own[n++] = core->publish.v6.winner;
    kith_book_set_own(core->keeper.book, own, n);
}

static void on_observed(void *context, const struct kith_node_ref *by,
                        const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_core *core = context;
    kith_publish_observed(&core->publish, by, endpoint, now);
}

static bool is_banned(void *context, const struct kith_node_ref *node, uint64_t now) {
    const struct kith_core *core = context;
    return kith_keeper_banned(&core->keeper, &node->key, &node->endpoint, now);
}

static bool is_pinned(void *context, const struct kith_key *key) {
    const struct kith_core *core = context;
    struct kith_point id;
    kith_point_of_node(key, &id);
    return kith_swarm_find(&core->swarm, &id) != NULL;
}

static void on_push(void *context, const struct kith_delivery *delivery,
                    const struct kith_request *push, uint64_t now) {
    struct kith_core *core = context;
    if (push->method == KITH_METHOD_ARRIVE) {
        kith_gossip_receive(&core->gossip, delivery, push, now);
    }
}

static void answer_reach(void *context, const struct kith_reach_pending *asker, bool asked,
                         uint64_t now) {
    struct kith_core *core = context;
    kith_serve_reach_answer(&core->serve, asker, asked, now);
}

static void on_reachable(void *context, uint64_t now) {
    struct kith_core *core = context;
    if (core->mainline != NULL) {
        kith_mainline_reachable(core->mainline, core->reach.state, now);
    }
    kith_publish_changed(&core->publish, now);
}

static void on_node(void *context, const struct kith_node_ref *node, bool answered, uint64_t now) {
    struct kith_core *core = context;
    kith_keeper_heard(&core->keeper, node, answered, now);
}

static void on_ready(void *context, uint64_t now) {
    struct kith_core *core = context;
    kith_core_tell(core, KITH_EVENT_READY, now);
    kith_publish_start(&core->publish, now);
}

static void on_lost(void *context, uint64_t now) {
    kith_core_tell(context, KITH_EVENT_LOST, now);
}

static bool is_self(void *context, const struct kith_endpoint *endpoint) {
    const struct kith_core *core = context;
    return kith_publish_is_self(&core->publish, endpoint);
}

static void on_misconduct(void *context, const struct kith_node_ref *node,
                          enum kith_book_outcome what, uint64_t now) {
    struct kith_core *core = context;
    kith_keeper_blame(&core->keeper, node, what, now);
}

static uint32_t may_join(void *context, uint64_t now) {
    const struct kith_core *core = context;
    const struct kith_mainline *mainline = core->mainline;
    bool kith = kith_maintain_may_join(&core->maintain) || core->locals.n > 0 ||
                kith_keeper_may_join(&core->keeper, now) ||
                (mainline != NULL && kith_mainline_may_meet(mainline));
    bool public = mainline != NULL && kith_mainline_may_join(mainline);
    return (kith ? KITH_SWARM_KITH : 0u) | (public ? KITH_SWARM_MAINLINE : 0u);
}

static int describe(void *context, struct kith_peer *ret) {
    const struct kith_core *core = context;
    return kith_publish_describe(&core->publish, ret);
}

/* Held records go to the disk and leave it as they come and go. */
static void on_store_change(void *context, const struct kith_held *held,
                            enum kith_store_change change) {
    struct kith_core *core = context;
    struct kith_event_box *box = core->restoring ? NULL : kith_event_box_new();
    if (box == NULL) {
        return; /* not on disk, then: the swarm has it */
    }
    struct kith_record record;
    kith_record_copy(&record, &held->view);
    if (kith_event_box_record(box, &record) < 0) {
        kith_event_box_free(box);
        return;
    }
    box->event.kind = change == KITH_STORE_ADDED ? KITH_CORE_SAVE : KITH_CORE_FORGET;
    box->event.saved.is_announcement = held->is_announcement;
    box->event.saved.topic = held->point;
    box->event.saved.lifetime_ns = held->expires > held->stored ? held->expires - held->stored : 0;
    kith_events_push(&core->events, box, false);
}

static void on_local_silent(void *context, const struct kith_local *local) {
    struct kith_core *core = context;
    struct kith_event_box *box = kith_event_box_new();
    if (box == NULL) {
        return; /* it is asked again later anyway */
    }
    box->event.kind = KITH_CORE_LOCAL;
    memcpy(box->event.local, local->report.name, sizeof(box->event.local));
    kith_events_push(&core->events, box, false);
}

static void on_local_confirmed(void *context, const struct kith_local *local, uint64_t now) {
    struct kith_core *core = context;
    kith_ops_local(&core->ops, local, now);
}

/* ---- Mainline ---- */

static bool mainline_banned(void *context, const struct kith_node_ref *node, uint64_t now) {
    const struct kith_core *core = context;
    return kith_keeper_banned(&core->keeper, NULL, &node->endpoint, now);
}

static void mainline_ready(void *context, uint64_t now) {
    struct kith_core *core = context;
    kith_core_tell(core, KITH_EVENT_MAINLINE, now);
    kith_publish_mainline(&core->publish, now);
}

static void mainline_lost(void *context, uint64_t now) {
    kith_core_tell(context, KITH_EVENT_MAINLINE, now);
}

static void mainline_observed(void *context, const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_core *core = context;
    kith_publish_hint(&core->publish, endpoint, now);
}

static int init_mainline(struct kith_core *core, const struct kith_core_config *config,
                         uint64_t now) {
    struct kith_mainline_config mainline = {
        .env = &core->env,
        .ops = &core->ops,
        .kith = &core->maintain,
        .limits = {.questions_per_s = config->mainline_questions_per_s,
                   .unlimited = config->unlimited},
        .enforce_ids = config->mainline_enforce_ids,
        .rendezvous = config->network_secret == NULL && !config->no_rendezvous,
        .lab = config->lab,
        .is_self = is_self,
        .is_banned = mainline_banned,
        .on_ready = mainline_ready,
        .on_lost = mainline_lost,
        .on_observed = mainline_observed,
        .context = core,
    };
    return kith_mainline_new(&core->mainline, &mainline, now);
}

static void on_network(void *context, uint64_t now) {
    struct kith_core *core = context;
    if (core->mainline != NULL) {
        kith_mainline_network_changed(core->mainline, now);
    }
    struct kith_event_box *box = kith_event_box_new();
    if (box == NULL) {
        return; /* names are tried again later anyway */
    }
    box->event.kind = KITH_CORE_NETWORK;
    kith_events_push(&core->events, box, false);
}

/* ---- birth and death ---- */

static int init_env(struct kith_core *core, const struct kith_core_config *config, uint64_t now) {
    struct kith_env *env = &core->env;
    size_t network_size = strlen(config->network);
    if (network_size == 0 || network_size > KITH_NETWORK_MAX || config->seed == NULL ||
        (!config->has_v4 && !config->has_v6)) {
        return KITH_EINVALID;
    }
    memcpy(env->network, config->network, network_size + 1);
    env->curve = config->curve;
    env->random = config->random;
    env->client = config->client;
    env->has_v4 = config->has_v4;
    env->has_v6 = config->has_v6;
    env->wall_us = config->wall_us;
    env->wall_at = now;
    kith_identity_from_seed(&env->identity, env->curve, config->seed);
    env->codec = config->codec;
    if (env->codec == NULL) {
        env->owns_codec = true;
        return kith_codec_new(&env->codec);
    }
    return 0;
}

static int init_sessions(struct kith_core *core, const struct kith_core_config *config) {
    struct kith_env *env = &core->env;
    const struct kith_limits *limits = &config->limits;
    struct kith_sessions_config sessions = {
        .identity = &env->identity,
        .curve = env->curve,
        .random = &env->random,
        .outbox = &env->outbox,
        .timers = &env->timers,
        .stats = &env->stats,
        .payload = kith_codec_payload(env->codec),
        .network = env->network,
        .network_secret = config->network_secret,
        .sessions_max = or_default(limits->sessions, SESSIONS_DEFAULT),
        .sessions_per_prefix = or_default(limits->sessions_per_prefix, SESSIONS_PER_PREFIX_DEFAULT),
        .handshakes_per_s = config->unlimited
                                ? UINT32_MAX
                                : or_default(limits->handshakes_per_s, HANDSHAKES_DEFAULT),
        .client = config->client,
        .is_pinned = is_pinned,
        .is_banned = kith_core_bans,
        .context = core,
    };
    return kith_sessions_new(&core->sessions, &sessions);
}

static int init_store(struct kith_core *core, const struct kith_core_config *config) {
    const struct kith_limits *limits = &config->limits;
    struct kith_store_config store = {
        .own_id = core->env.identity.id,
        .limits = {.records = or_default(limits->records, RECORDS_DEFAULT),
                   .bytes = or_default(limits->record_bytes, RECORD_BYTES_DEFAULT),
                   .records_per_prefix =
                       or_default(limits->records_per_prefix, RECORDS_PER_PREFIX_DEFAULT),
                   .topic_peers = or_default(limits->topic_peers, TOPIC_PEERS_DEFAULT)},
        .random = &core->env.random,
        .stats = &core->env.stats,
        .on_change = on_store_change,
        .context = core,
    };
    return kith_store_new(&core->store, &store);
}

static int init_swarm(struct kith_core *core) {
    struct kith_swarm_config swarm = {
        .env = &core->env,
        .dialect = &kith_dialect_kith,
        .sessions = core->sessions,
        .own_id = core->env.identity.id,
    };
    int r = kith_swarm_init(&core->swarm, &swarm);
    core->swarm.on_request = on_request;
    core->swarm.on_observed = on_observed;
    core->swarm.on_node = on_node;
    core->swarm.on_misconduct = on_misconduct;
    core->swarm.on_push = on_push;
    core->swarm.is_banned = is_banned;
    core->swarm.context = core;
    return r;
}

static int init_keeper(struct kith_core *core, const struct kith_core_config *config,
                       uint64_t now) {
    struct kith_book_config book = {
        .random = &core->env.random,
        .secret = config->book_secret,
        .own_key = core->env.identity.key,
        .buckets_new = 4 * config->book_buckets,
        .buckets_tried = config->book_buckets,
        .slots = config->book_slots,
        .strictness = config->lab ? KITH_BOOK_LAB : KITH_BOOK_NORMAL,
        .on_event = config->peer_events ? kith_news_take : NULL,
        .context = &core->news,
    };
    core->news = (struct kith_news){.env = &core->env, .events = &core->events, .next = now};
    core->keeper = (struct kith_keeper){
        .env = &core->env,
        .swarm = &core->swarm,
        .sessions = core->sessions,
        .gossip = &core->gossip,
        .coupling = config->coupling > 0 ? config->coupling : PACE_DEFAULT,
        .damping = config->damping > 0 ? config->damping : PACE_DEFAULT,
    };
    int r = kith_book_new(&core->keeper.book, &book);
    return r == 0 ? kith_keeper_start(&core->keeper, now) : r;
}

/* What runs and answers operations. */
static void init_asking(struct kith_core *core, const struct kith_core_config *config,
                        uint64_t now) {
    core->ops = (struct kith_ops){
        .env = &core->env,
        .swarm = &core->swarm,
        .store = core->store,
        .sessions = core->sessions,
        .events = &core->events,
        .own = &core->publish.own,
        .locals = &core->locals,
        .n_max = or_default(config->limits.ops, OPS_DEFAULT),
        .is_private = config->network_secret != NULL,
        .may_join = may_join,
        .describe = describe,
        .context = core,
    };
    kith_ops_init(&core->ops);
    kith_publish_init(&core->publish, &core->env, &core->ops, &core->events, now);
    kith_repair_init(&core->repair, &core->ops);
    core->serve = (struct kith_serve){
        .env = &core->env,
        .swarm = &core->swarm,
        .store = core->store,
        .own = &core->publish.own,
        .events = &core->events,
        .book = core->keeper.book,
        .reach = &core->reach,
        .gossip = &core->gossip,
        .repair = &core->repair,
        .unlimited = config->unlimited,
    };
    kith_serve_init(&core->serve);
}

/* What keeps this node among the others. */
static int init_upkeep(struct kith_core *core, const struct kith_core_config *config,
                       uint64_t now) {
    core->maintain = (struct kith_maintain){
        .env = &core->env,
        .swarm = &core->swarm,
        .sessions = core->sessions,
        .ops = &core->ops,
        .on_ready = on_ready,
        .on_lost = on_lost,
        .is_self = is_self,
        .context = core,
    };
    core->locals = (struct kith_locals){
        .env = &core->env,
        .swarm = &core->swarm,
        .sessions = core->sessions,
        .on_silent = on_local_silent,
        .on_confirmed = on_local_confirmed,
        .context = core,
    };
    kith_locals_init(&core->locals);
    core->gossip = (struct kith_gossip){
        .env = &core->env,
        .swarm = &core->swarm,
        .sessions = core->sessions,
        .book = core->keeper.book,
        .store = core->store,
        .own = &core->publish.own,
    };
    core->publish.gossip = &core->gossip;
    core->publish.on_endpoints = kith_core_tell_own;
    core->publish.context = core;
    core->reach = (struct kith_reach){
        .env = &core->env,
        .swarm = &core->swarm,
        .answer = answer_reach,
        .on_change = on_reachable,
        .context = core,
    };
    core->change = (struct kith_change){
        .env = &core->env,
        .swarm = &core->swarm,
        .publish = &core->publish,
        .reach = &core->reach,
        .keeper = &core->keeper,
        .maintain = &core->maintain,
        .locals = &core->locals,
        .on_change = on_network,
        .context = core,
    };
    int r = kith_maintain_start(&core->maintain, now);
    r = r == 0 ? kith_reach_start(&core->reach, now) : r;
    if (r == 0 && config->capabilities_size > 0) {
        r = kith_publish_capabilities(&core->publish,
                                      kith_span(config->capabilities, config->capabilities_size));
    }
    return r;
}

int kith_core_new(struct kith_core **ret, const struct kith_core_config *config, uint64_t now) {
    struct kith_core *core = calloc(1, sizeof(*core));
    if (core == NULL) {
        return KITH_ENOMEM;
    }
    core->started = now;
    kith_timers_init(&core->env.timers);
    kith_outbox_init(&core->env.outbox, config->outbox_keep, OUTBOX_MAX, &core->env.stats);
    kith_events_init(&core->events, &core->env.stats);
    int r = init_env(core, config, now);
    r = r == 0 ? init_sessions(core, config) : r;
    r = r == 0 ? init_store(core, config) : r;
    r = r == 0 ? init_swarm(core) : r;
    r = r == 0 ? init_keeper(core, config, now) : r;
    if (r == 0) {
        init_asking(core, config, now);
        r = init_upkeep(core, config, now);
    }
    r = r == 0 && config->mainline ? init_mainline(core, config, now) : r;
    if (r < 0) {
        kith_core_free(core);
        return r;
    }
    *ret = core;
    return 0;
}

/* Upper parts first; copes with a half-built core. */
struct kith_core *kith_core_free(struct kith_core *core) {
    if (core == NULL) {
        return NULL;
    }
    kith_change_deinit(&core->change);
    kith_locals_deinit(&core->locals);
    kith_gossip_deinit(&core->gossip);
    kith_reach_stop(&core->reach);
    kith_keeper_stop(&core->keeper);
    kith_news_deinit(&core->news);
    kith_maintain_stop(&core->maintain);
    kith_repair_stop(&core->repair);
    kith_ops_deinit(&core->ops);
    core->mainline = kith_mainline_free(core->mainline);
    kith_publish_deinit(&core->publish);
    kith_serve_deinit(&core->serve);
    core->swarm.on_tables = NULL;
    kith_swarm_deinit(&core->swarm);
    core->restoring = true; /* what is left stays on disk */
    kith_store_free(core->store);
    kith_sessions_free(core->sessions);
    kith_events_deinit(&core->events);
    kith_outbox_deinit(&core->env.outbox);
    kith_timers_deinit(&core->env.timers);
    if (core->env.owns_codec) {
        kith_codec_free(core->env.codec);
    }
    kith_identity_wipe(&core->env.identity);
    free(core);
    return NULL;
}

/* ---- the five of the contract ---- */
