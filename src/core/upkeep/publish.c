/* SPDX-License-Identifier: MIT */
/*
 * What we publish, and what we say of ourselves.
 *
 * Values are republished as they were signed; the peer record and announcements are signed anew, so
 * that their seq tells how fresh they are. Our endpoint behind an unspecified bind address is what
 * most of the last peers saw (core/base/votes.h), IPv4 and IPv6 apart. A peer of ours can make that
 * change at will while it is the only one, so publications keep a distance.
 */
#include "core/upkeep/publish.h"

#include "core/base/endpoint.h"
#include "core/base/keyed_hash.h"

enum {
    PUBLISH_SOON_MS = 200, /* after joining or a change: several changes come together */
    PUBLISH_AGAIN_S = 10,  /* at least, between two publications */
    PENDING_MS = 100,      /* what waited for a network goes out spread, 10 records a second */
    PUBLISH_RETRY_S = 60,  /* after a publication that reached nobody, if we do not join again */
    VERDICT_MS = 500,      /* after the first of fewer votes on a new network */
    QUESTION_S = 6,        /* without any vote, what was seen before a change is forgotten */
};

static void on_republish(struct kith_timer *timer, uint64_t now);
static void on_soon(struct kith_timer *timer, uint64_t now);
static void on_verdict(struct kith_timer *timer, uint64_t now);

void kith_publish_init(struct kith_publish *publish, struct kith_env *env, struct kith_ops *ops,
                       struct kith_events *events, uint64_t now) {
    *publish = (struct kith_publish){.env = env, .ops = ops, .events = events};
    kith_own_init(&publish->own, env, ops->swarm, on_republish, publish, now);
}

void kith_publish_deinit(struct kith_publish *publish) {
    if (publish->env != NULL) {
        kith_timer_stop(&publish->env->timers, &publish->soon);
        kith_timer_stop(&publish->env->timers, &publish->verdict);
        kith_own_deinit(&publish->own);
        kith_votes_deinit(&publish->v4);
        kith_votes_deinit(&publish->v6);
    }
}

int kith_publish_capabilities(struct kith_publish *publish, struct kith_span capabilities) {
    if (capabilities.size > KITH_CAPABILITIES_MAX) {
        return KITH_ETOO_LARGE;
    }
    struct kith_peer probe = {.capabilities_size = (uint16_t)capabilities.size};
    if (capabilities.size > 0) {
        memcpy(probe.capabilities, capabilities.data, capabilities.size);
    }
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    int r = kith_peer_encode(&probe, value, &size);
    if (r < 0) {
        return r;
    }
    publish->capabilities_size = probe.capabilities_size;
    memcpy(publish->capabilities, probe.capabilities, sizeof(publish->capabilities));
    return 0;
}

/* ---- our endpoints ---- */

static bool is_unspecified(const struct kith_endpoint *endpoint) {
    static const uint8_t zero[16];
    return memcmp(endpoint->ip, zero, sizeof(zero)) == 0;
}

static void publish_soon(struct kith_publish *publish, uint64_t now) {
    if (!publish->started || publish->env->client) {
        return;
    }
    uint64_t at = now + PUBLISH_SOON_MS * KITH_NS_PER_MS;
    uint64_t earliest = publish->published + PUBLISH_AGAIN_S * KITH_NS_PER_S;
    if (publish->published != 0 && at < earliest) {
        at = earliest;
    }
    if (!kith_timer_is_set(&publish->soon) || publish->soon.deadline > at) {
        /* Without memory kith_publish_look() makes up for it. */
        publish->failed |= kith_timer_set(&publish->env->timers, &publish->soon, on_soon, at) < 0;
    }
}

/* What was published last need not keep a distance: it reached nobody. */
static void publish_anew(struct kith_publish *publish, uint64_t now) {
    publish->published = 0;
    publish_soon(publish, now);
}

void kith_publish_changed(struct kith_publish *publish, uint64_t now) {
    publish_soon(publish, now);
}

void kith_publish_bound(struct kith_publish *publish, const struct kith_endpoint *bound, size_t n,
                        uint64_t now) {
    bool same = n == publish->n_bound;
    for (size_t i = 0; i < n && same; i++) {
        same = kith_endpoint_equal(&bound[i], &publish->bound[i]);
    }
    if (same) {
        return;
    }
    publish->n_bound = 0;
    for (size_t i = 0; i < n && i < KITH_ENDPOINTS_MAX; i++) {
        publish->bound[publish->n_bound++] = bound[i];
    }
    publish_soon(publish, now);
}

static struct kith_votes *votes_of(struct kith_publish *publish, uint8_t family) {
    return family == 4 ? &publish->v4 : &publish->v6;
}

static void tell_observed(struct kith_publish *publish, const struct kith_endpoint *endpoint) {
    struct kith_event_box *box = kith_event_box_new();
    if (box == NULL) {
        publish->env->stats.events_lost++;
        return;
    }
    box->event.kind = KITH_CORE_NODE;
    box->event.node.kind = KITH_EVENT_OBSERVED;
    box->event.node.endpoint = *endpoint;
    kith_events_push(publish->events, box, false);
}

/* What waits for a network goes out. */
static void send_pending(struct kith_publish *publish, uint64_t now) {
    uint64_t spread = (publish->own.n + 10) * PENDING_MS * KITH_NS_PER_MS;
    struct kith_list *l = kith_list_first(&publish->own.all);
    for (; l != NULL; l = kith_list_next(&publish->own.all, l)) {
        struct kith_own_record *own = kith_container_of(l, struct kith_own_record, all);
        if (own->pending) {
            uint64_t wait = kith_random_below(&publish->env->random, spread);
            int r =
                kith_timer_set(&publish->env->timers, &own->republish, on_republish, now + wait);
            (void)r; /* moving a set timer cannot fail */
        }
    }
}

/* Without memory for the timer a later vote decides. */
static void set_verdict(struct kith_publish *publish, uint64_t at) {
    int r = kith_timer_set(&publish->env->timers, &publish->verdict, on_verdict, at);
    (void)r;
}

static void decide(struct kith_publish *publish, struct kith_votes *votes,
                   struct kith_endpoint winner, uint64_t now) {
    if (votes->questioned) {
        votes->questioned = false;
        publish->published = 0; /* no peer's doing: it need not keep a distance */
        if (kith_timer_is_set(&publish->soon)) {
            publish_soon(publish, now); /* the peers were faster than the system in telling us */
        }
    }
    if (kith_endpoint_equal(&winner, &votes->winner)) {
        return;
    }
    votes->winner = winner;
    if (winner.family != 0) {
        tell_observed(publish, &winner);
    }
    publish_soon(publish, now);
    if (publish->on_endpoints != NULL) {
        publish->on_endpoints(publish->context);
    }
}

/* On a new network the first to answer does not decide alone, unless others take too long. */
static void on_verdict(struct kith_timer *timer, uint64_t now) {
    struct kith_publish *publish = kith_container_of(timer, struct kith_publish, verdict);
    struct kith_votes *const both[] = {&publish->v4, &publish->v6};
    bool over = now >= publish->question_ends;
    for (size_t i = 0; i < 2; i++) {
        if (both[i]->questioned && (over || both[i]->n > 0)) {
            decide(publish, both[i], kith_votes_lead(both[i]), now);
        }
    }
    if (publish->v4.questioned || publish->v6.questioned) {
        set_verdict(publish, publish->question_ends);
    }
}

void kith_publish_question(struct kith_publish *publish, uint64_t now) {
    struct kith_votes *const both[] = {&publish->v4, &publish->v6};
    for (size_t i = 0; i < 2; i++) {
        both[i]->n = 0;
        both[i]->next = 0;
        both[i]->questioned = true;
    }
    publish->question_ends = now + QUESTION_S * KITH_NS_PER_S;
    set_verdict(publish, publish->question_ends);
    struct kith_list *l = kith_list_first(&publish->own.all);
    for (; l != NULL; l = kith_list_next(&publish->own.all, l)) {
        struct kith_own_record *own = kith_container_of(l, struct kith_own_record, all);
        own->pending = own->pending || own->republish.deadline <= now;
    }
    if (publish->started) {
        send_pending(publish, now);
    }
}

void kith_publish_observed(struct kith_publish *publish, const struct kith_node_ref *by,
                           const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_votes *votes = votes_of(publish, endpoint->family);
    if (!kith_votes_cast(votes, by->has_key ? &by->key : NULL, &by->endpoint, endpoint)) {
        return;
    }
    if (votes->questioned && votes->n < KITH_VOTES_LEAD_FROM) {
        uint64_t at = now + VERDICT_MS * KITH_NS_PER_MS;
        if (!kith_timer_is_set(&publish->verdict) || at < publish->verdict.deadline) {
            set_verdict(publish, at);
        }
        return;
    }
    struct kith_endpoint winner = kith_votes_lead(votes);
    if (winner.family != 0) { /* else the last to win remains */
        decide(publish, votes, winner, now);
    }
}

void kith_publish_hint(struct kith_publish *publish, const struct kith_endpoint *endpoint,
                       uint64_t now) {
    struct kith_votes *votes = votes_of(publish, endpoint->family);
    if (votes->n > 0 || kith_endpoint_equal(&votes->winner, endpoint)) {
        return;
    }
    votes->winner = *endpoint;
    tell_observed(publish, endpoint);
    publish_soon(publish, now);
    if (publish->on_endpoints != NULL) {
        publish->on_endpoints(publish->context);
    }
}

static void add_endpoint(struct kith_peer *peer, const struct kith_endpoint *endpoint) {
    for (uint32_t i = 0; i < peer->n_endpoints; i++) {
        if (kith_endpoint_equal(&peer->endpoints[i], endpoint)) {
            return;
        }
    }
    if (peer->n_endpoints < KITH_ENDPOINTS_MAX && kith_endpoint_usable(endpoint)) {
        peer->endpoints[peer->n_endpoints++] = *endpoint;
    }
}

int kith_publish_describe(const struct kith_publish *publish, struct kith_peer *ret) {
    struct kith_peer peer = {.key = publish->env->identity.key, .ttl_s = KITH_PEER_TTL_S};
    for (uint32_t i = 0; i < publish->n_bound; i++) {
        const struct kith_endpoint *bound = &publish->bound[i];
        const struct kith_votes *votes = bound->family == 4 ? &publish->v4 : &publish->v6;
        add_endpoint(&peer, is_unspecified(bound) ? &votes->winner : bound);
    }
    if (peer.n_endpoints == 0) {
        return KITH_ENOT_FOUND;
    }
    peer.capabilities_size = publish->capabilities_size;
    memcpy(peer.capabilities, publish->capabilities, publish->capabilities_size);
    *ret = peer;
    return 0;
}

bool kith_publish_is_self(const struct kith_publish *publish,
                          const struct kith_endpoint *endpoint) {
    for (uint32_t i = 0; i < publish->n_bound; i++) {
        const struct kith_endpoint *bound = &publish->bound[i];
        bool local = is_unspecified(bound) && bound->family == endpoint->family &&
                     bound->port == endpoint->port &&
                     kith_endpoint_scope(endpoint) == KITH_SCOPE_LOOPBACK;
        if (local || kith_endpoint_equal(bound, endpoint)) {
            return true;
        }
    }
    return kith_endpoint_equal(&publish->v4.winner, endpoint) ||
           kith_endpoint_equal(&publish->v6.winner, endpoint);
}

/* ---- publishing ---- */

/* Tells what a peer record says from what another one said; nobody else chooses either. */
static uint64_t digest_of(const struct kith_record *record) {
    static const uint8_t key[KITH_KEYED_HASH_KEY];
    return kith_keyed_hash(key, record->value, record->value_size);
}

/* One signature serves both swarms: what was signed for ours goes out in the public one as it is.
 * Who is in a private network, and where, is nobody else's business. */
static void put_in_mainline(struct kith_publish *publish, const struct kith_record *record,
                            uint64_t now) {
    struct kith_query query = {
        .kind = KITH_QUERY_PUT,
        .flags = KITH_FLAG_HAS_RECORD | KITH_FLAG_FORGET,
        .swarms = KITH_SWARM_MAINLINE,
        .record = record,
    };
    if (publish->in_mainline && !publish->ops->is_private) {
        publish->told_at = now;
        publish->told_digest = digest_of(record);
        int r = kith_ops_start_internal(publish->ops, NULL, &query, NULL, NULL, now);
        (void)r; /* without memory the hourly publication makes up for it */
    }
}

/* kith's own swarm may need it sooner, by how long its nodes stay: Mainline by the hour (BEP 44).
 */
static bool is_due_in_mainline(uint64_t last, uint64_t now) {
    return last == 0 || now - last >= KITH_REPUBLISH_S * 9 / 10 * KITH_NS_PER_S;
}

/* Announcements say where we are, too: after a change they follow, spread. */
static void renew_topics(struct kith_publish *publish, uint64_t now) {
    struct kith_list *l = kith_list_first(&publish->own.all);
    for (; l != NULL; l = kith_list_next(&publish->own.all, l)) {
        struct kith_own_record *own = kith_container_of(l, struct kith_own_record, all);
        own->pending = own->pending || own->kind == KITH_OWN_TOPIC;
    }
    send_pending(publish, now);
}

/* The peer record reached nobody: again before the hour is over. Without a first publication there
 * is none by the hour. */
static void retry(struct kith_publish *publish, uint64_t now) {
    publish->failed = true;
    if (!kith_timer_is_set(&publish->soon)) {
        int r = kith_timer_set(&publish->env->timers, &publish->soon, on_soon,
                               now + PUBLISH_RETRY_S * KITH_NS_PER_S);
        (void)r; /* kith_publish_look() */
    }
}

void kith_publish_look(struct kith_publish *publish, uint64_t now) {
    if (publish->failed) {
        retry(publish, now);
    }
}

static void on_peer_published(struct kith_op *op, int status, uint64_t now, void *context) {
    struct kith_publish *publish = context;
    /* A node that is alone in kith's own swarm, or young, publishes there every minute or so. */
    bool due = is_due_in_mainline(publish->told_at, now);
    if (op->has_best && (due || digest_of(&op->best) != publish->told_digest)) {
        put_in_mainline(publish, &op->best, now);
    }
    if (status == 0) {
        uint64_t said = digest_of(&op->best);
        if (publish->said_digest != 0 && publish->said_digest != said) {
            renew_topics(publish, now);
        }
        publish->said_digest = said;
        kith_gossip_own(publish->gossip, &op->best, now);
    }
    bool failed = status == KITH_ENO_NETWORK || status == KITH_EQUORUM || status == KITH_ETIMEOUT ||
                  status == KITH_ENOMEM;
    publish->failed = failed;
    if (failed && publish->joined > publish->published) {
        publish_anew(publish, now); /* it began before everybody was lost */
    } else if (failed) {
        retry(publish, now);
    }
}

static void publish_peer(struct kith_publish *publish, uint64_t now) {
    struct kith_peer peer;
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size;
    publish->failed = false;
    if (kith_publish_describe(publish, &peer) < 0 || kith_peer_encode(&peer, value, &size) < 0) {
        return; /* no endpoint is known yet: the first observation brings us back here */
    }
    struct kith_query query = {
        .kind = KITH_QUERY_PUT,
        .value = value,
        .value_size = size,
        .salt_size = (uint8_t)publish->own.peer_salt_size,
    };
    memcpy(query.salt, publish->own.peer_salt, publish->own.peer_salt_size);
    publish->published = now;
    if (kith_ops_start_internal(publish->ops, NULL, &query, on_peer_published, publish, now) < 0) {
        retry(publish, now);
    }
}

static void on_soon(struct kith_timer *timer, uint64_t now) {
    publish_peer(kith_container_of(timer, struct kith_publish, soon), now);
}

void kith_publish_start(struct kith_publish *publish, uint64_t now) {
    publish->joined = now;
    if (!publish->started || publish->failed) {
        publish->started = true;
        publish_anew(publish, now);
    }
    send_pending(publish, now);
}

void kith_publish_mainline(struct kith_publish *publish, uint64_t now) {
    publish->in_mainline = true;
    send_pending(publish, now);
    const struct kith_own_record *peer =
        kith_own_find(&publish->own, &publish->own.peer_point, false);
    if (peer != NULL) {
        struct kith_record record;
        kith_record_copy(&record, &peer->record);
        put_in_mainline(publish, &record, now);
    } else if (!publish->started && !publish->ops->is_private) {
        publish->started = true;
        publish_soon(publish, now);
    }
}

/* Nobody could be reached: again before the hour is over. */
static void on_republished(struct kith_op *op, int status, uint64_t now, void *context) {
    struct kith_publish *publish = context;
    struct kith_own_record *own =
        kith_own_find(&publish->own, &op->point, op->kind == KITH_QUERY_ANNOUNCE);
    if (status == KITH_ENO_NETWORK && own != NULL) {
        int r = kith_timer_set(&publish->env->timers, &own->republish, on_republish,
                               now + PUBLISH_RETRY_S * KITH_NS_PER_S);
        (void)r; /* moving a set timer cannot fail */
    }
}

static void republish_topic(struct kith_publish *publish, const struct kith_own_record *own,
                            uint64_t now) {
    struct kith_query query = {
        .kind = KITH_QUERY_ANNOUNCE, .flags = KITH_FLAG_HAS_POINT, .point = own->point};
    int r = kith_ops_start_internal(publish->ops, NULL, &query, on_republished, publish, now);
    (void)r;
}

static void republish_value(struct kith_publish *publish, const struct kith_own_record *own,
                            uint64_t now) {
    uint32_t where = own->swarms;
    if (!is_due_in_mainline(own->mainline_at, now)) {
        where &= ~(uint32_t)KITH_SWARM_MAINLINE;
    }
    if (where == 0) {
        return;
    }
    struct kith_record record;
    kith_record_copy(&record, &own->record);
    struct kith_query query = {
        .kind = KITH_QUERY_PUT,
        .flags = KITH_FLAG_HAS_RECORD | KITH_FLAG_FORGET,
        .swarms = where,
        .record = &record,
    };
    int r = kith_ops_start_internal(publish->ops, NULL, &query, on_republished, publish, now);
    (void)r;
}

/* The timer is set again first: whatever becomes of this publication, there is a next. */
static void on_republish(struct kith_timer *timer, uint64_t now) {
    struct kith_own_record *own = kith_container_of(timer, struct kith_own_record, republish);
    struct kith_publish *publish = own->owner->context;
    uint64_t due = now + kith_own_interval(&publish->own, now);
    int r = kith_timer_set(&publish->env->timers, timer, on_republish, due);
    (void)r; /* its place in the heap was just freed */
    switch (own->kind) {
    case KITH_OWN_PEER:
        if (!publish->env->client) {
            publish_peer(publish, now);
        }
        break;
    case KITH_OWN_TOPIC:
        republish_topic(publish, own, now);
        break;
    case KITH_OWN_VALUE:
        republish_value(publish, own, now);
        break;
    }
}
