/* SPDX-License-Identifier: MIT */
/*
 * Idle cost: one small request and answer per revisit and per exchange, 14 s apart each: some 40
 * bytes a second. While we are alone, revisits come every second and try several contacts at once,
 * with the book's own chances (less likely shortly after an attempt) as backoff.
 */
#include "core/upkeep/keeper.h"

#include "core/base/endpoint.h"

enum {
    ALONE_PAUSE_MS = 500, /* between revisits without a live contact */
    ALONE_FAST = 6,       /* so many of them before the pause grows */
    ALONE_TRIES = 8,      /* contacts tried in each */
    FEELER_EVERY = 8,     /* revisits: about every two minutes a hint is tried */
    PARTNERS = 4,         /* for an exchange, to choose from */
    JITTER_PERCENT = 20,
};

static void on_start(struct kith_timer *timer, uint64_t now);
static void on_revisit(struct kith_timer *timer, uint64_t now);
static void on_exchange(struct kith_timer *timer, uint64_t now);
static void on_clean(struct kith_timer *timer, uint64_t now);

/* `tens` times ten seconds over the constant. */
static uint64_t pace(unsigned tens, double constant) {
    return (uint64_t)((double)tens * 10.0 / constant * (double)KITH_NS_PER_S);
}

static void set_timer(struct kith_keeper *keeper, struct kith_timer *timer, kith_timer_fn fn,
                      uint64_t delay, uint64_t now) {
    uint64_t wait = kith_random_jitter(&keeper->env->random, delay, JITTER_PERCENT);
    int r = kith_timer_set(&keeper->env->timers, timer, fn, now + wait);
    (void)r; /* its place in the heap was just freed */
}

static uint64_t wall(const struct kith_keeper *keeper, uint64_t now) {
    return kith_env_wall_us(keeper->env, now);
}

int kith_keeper_start(struct kith_keeper *keeper, uint64_t now) {
    struct kith_timers *timers = &keeper->env->timers;
    int r = kith_timer_set(timers, &keeper->start, on_start, now);
    if (r == 0) {
        r = kith_timer_set(timers, &keeper->revisit, on_revisit,
                           now + ALONE_PAUSE_MS * KITH_NS_PER_MS);
    }
    if (r == 0) {
        r = kith_timer_set(timers, &keeper->exchange, on_exchange, now + pace(1, keeper->damping));
    }
    if (r == 0) {
        r = kith_timer_set(timers, &keeper->clean, on_clean, now + pace(5, keeper->coupling));
    }
    return r;
}

void kith_keeper_stop(struct kith_keeper *keeper) {
    if (keeper->env != NULL) {
        kith_timer_stop(&keeper->env->timers, &keeper->start);
        kith_timer_stop(&keeper->env->timers, &keeper->revisit);
        kith_timer_stop(&keeper->env->timers, &keeper->exchange);
        kith_timer_stop(&keeper->env->timers, &keeper->clean);
    }
    keeper->book = kith_book_free(keeper->book);
}

static struct kith_contact contact_of(const struct kith_node_ref *node) {
    return (struct kith_contact){
        .has_key = node->has_key, .key = node->key, .endpoint = node->endpoint};
}

void kith_keeper_heard(struct kith_keeper *keeper, const struct kith_node_ref *node, bool answered,
                       uint64_t now) {
    struct kith_contact contact = contact_of(node);
    int r;
    if (answered) {
        r = kith_book_good(keeper->book, &contact, wall(keeper, now));
    } else if (kith_swarm_count_live(keeper->swarm) > 0) {
        /* While nobody answers the fault is ours, not theirs. */
        r = kith_book_failed(keeper->book, &contact, wall(keeper, now));
    } else {
        return;
    }
    (void)r; /* refused or without memory: the book stays as it is */
}

void kith_keeper_blame(struct kith_keeper *keeper, const struct kith_node_ref *node,
                       enum kith_book_outcome what, uint64_t now) {
    struct kith_contact contact = contact_of(node);
    int r = kith_book_outcome(keeper->book, &contact, what, wall(keeper, now));
    (void)r; /* strangers have no health */
}

/* ---- asking ---- */

static void ask_contact(struct kith_keeper *keeper, const struct kith_contact *contact,
                        unsigned flags, uint64_t now) {
    struct kith_node_ref node = {
        .key = contact->key, .has_key = true, .endpoint = contact->endpoint};
    kith_point_of_node(&node.key, &node.id);
    struct kith_request request = kith_swarm_request(keeper->swarm, KITH_METHOD_FIND);
    request.target = keeper->swarm->own_id;
    request.n = 1;
    struct kith_rpc *rpc;
    int r = kith_swarm_ask(keeper->swarm, &node, &request, flags, NULL, NULL, now, &rpc);
    (void)r; /* it comes round again */
}

static void try_entry(struct kith_keeper *keeper, const struct kith_book_entry *entry,
                      uint64_t now) {
    if (entry == NULL) {
        return;
    }
    struct kith_contact contact = entry->contact; /* the entry may go with the next call */
    keeper->n_discovery++;
    kith_book_attempt(keeper->book, &contact, wall(keeper, now));
    if (contact.has_key) {
        ask_contact(keeper, &contact, 0, now);
    } else {
        int r = kith_sessions_who(keeper->sessions, &contact.endpoint, now);
        (void)r;
    }
}

void kith_keeper_key(struct kith_keeper *keeper, const struct kith_key *key,
                     const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_contact bare = {.endpoint = *endpoint};
    if (kith_book_find(keeper->book, &bare) != NULL) {
        struct kith_contact contact = {.has_key = true, .key = *key, .endpoint = *endpoint};
        ask_contact(keeper, &contact, 0, now);
    }
}

bool kith_keeper_may_join(const struct kith_keeper *keeper, uint64_t now) {
    struct kith_book_counts counts;
    if (keeper->begun) {
        return false;
    }
    kith_book_count(keeper->book, wall(keeper, now), &counts);
    return counts.n_new + counts.n_tried + counts.n_pinned > 0;
}

/* ---- bans ---- */

bool kith_keeper_banned(const struct kith_keeper *keeper, const struct kith_key *key,
                        const struct kith_endpoint *endpoint, uint64_t now) {
    return keeper->has_bans && kith_book_banned(keeper->book, key, endpoint, wall(keeper, now));
}

void kith_keeper_bans_changed(struct kith_keeper *keeper, uint64_t now) {
    struct kith_book_counts counts;
    kith_book_count(keeper->book, wall(keeper, now), &counts);
    keeper->has_bans = counts.n_bans > 0;
    kith_swarm_drop_banned(keeper->swarm, now);
}

/* ---- the rounds ---- */

static void on_start(struct kith_timer *timer, uint64_t now) {
    struct kith_keeper *keeper = kith_container_of(timer, struct kith_keeper, start);
    const struct kith_book_entry *best[KITH_KEEPER_START_MAX];
    struct kith_contact contacts[KITH_KEEPER_START_MAX];
    keeper->begun = true;
    int n = kith_book_best(keeper->book, best, KITH_KEEPER_START_MAX, wall(keeper, now));
    for (int i = 0; i < n; i++) {
        contacts[i] = best[i]->contact;
    }
    for (int i = 0; i < n; i++) {
        try_entry(keeper, kith_book_find(keeper->book, &contacts[i]), now);
    }
}

/* Until the next revisit. */
static uint64_t revisit_pause(struct kith_keeper *keeper, bool alone) {
    uint64_t most = pace(1, keeper->coupling);
    uint64_t pause = ALONE_PAUSE_MS * KITH_NS_PER_MS;
    keeper->n_alone = alone ? keeper->n_alone + 1 : 0;
    for (uint32_t i = ALONE_FAST; i < keeper->n_alone && pause < most; i++) {
        pause *= 2;
    }
    return alone && pause < most ? pause : most;
}

static void on_revisit(struct kith_timer *timer, uint64_t now) {
    struct kith_keeper *keeper = kith_container_of(timer, struct kith_keeper, revisit);
    uint64_t wall_us = wall(keeper, now);
    size_t live = kith_swarm_count_live(keeper->swarm);
    keeper->round++;
    try_entry(keeper, kith_book_next_test(keeper->book, wall_us), now);
    if (live < KITH_KEEPER_LIVE_MIN) {
        unsigned tries = live == 0 ? ALONE_TRIES : 1;
        for (unsigned i = 0; i < tries; i++) {
            try_entry(keeper, kith_book_select(keeper->book, wall_us), now);
        }
    }
    if (keeper->round % FEELER_EVERY == 0) {
        try_entry(keeper, kith_book_feeler(keeper->book, wall_us), now);
    }
    set_timer(keeper, timer, on_revisit, revisit_pause(keeper, live == 0), now);
}

static bool is_live(const struct kith_keeper *keeper, const struct kith_key *key) {
    struct kith_point id;
    kith_point_of_node(key, &id);
    const struct kith_entry *entry = kith_swarm_find(keeper->swarm, &id);
    return entry != NULL && entry->failures == 0;
}

/* Silence on a new network is not held against anybody. */
void kith_keeper_hurry(struct kith_keeper *keeper, uint64_t now) {
    const struct kith_book_entry *best[KITH_KEEPER_START_MAX];
    struct kith_contact contacts[KITH_KEEPER_HURRY_MAX];
    unsigned n_asked = 0;
    int n = kith_book_best(keeper->book, best, KITH_KEEPER_START_MAX, wall(keeper, now));
    for (int i = 0; i < n && n_asked < KITH_KEEPER_HURRY_MAX; i++) {
        const struct kith_contact *contact = &best[i]->contact;
        if (contact->has_key && !is_live(keeper, &contact->key)) {
            contacts[n_asked++] = *contact;
        }
    }
    for (unsigned i = 0; i < n_asked; i++) {
        ask_contact(keeper, &contacts[i], KITH_ASK_QUIET | KITH_ASK_FRESH, now);
    }
    if (kith_swarm_count_live(keeper->swarm) == 0) {
        keeper->n_alone = 0;
        int r = kith_timer_set(&keeper->env->timers, &keeper->revisit, on_revisit, now);
        (void)r; /* moving a set timer cannot fail */
    }
}

static void hint_from(struct kith_keeper *keeper, const struct kith_node_ref *peer,
                      const struct kith_contact *contact, uint64_t now) {
    struct kith_book_hint hint = {
        .contact = *contact,
        .source = {.origin = KITH_BOOK_PEX, .contact = contact_of(peer)},
    };
    int r = kith_book_add(keeper->book, &hint, wall(keeper, now));
    (void)r; /* refusals are counted in the book */
}

/* A signed record moves a peer that we know. Where one is that we do not know, its own signature
 * makes no truer than the word of who showed it: keys are free. */
static void take_record(struct kith_keeper *keeper, const struct kith_node_ref *from,
                        const struct kith_record_view *view, uint32_t *hints_left, uint64_t now) {
    struct kith_peer peer;
    if (kith_gossip_learn(keeper->gossip, view, from, now, &peer) != KITH_BOOK_UNKNOWN) {
        return;
    }
    for (uint32_t i = 0; i<peer.n_endpoints && * hints_left> 0; i++) {
        if (kith_endpoint_reaches(&peer.endpoints[i], &from->endpoint)) {
            struct kith_contact contact = {
                .has_key = true, .key = peer.key, .endpoint = peer.endpoints[i]};
            hint_from(keeper, from, &contact, now);
            --*hints_left;
        }
    }
}

/* What a peer tells of others are hints from it, never more; their own records aside. */
static void on_exchanged(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_keeper *keeper = context;
    if (event->outcome != KITH_RPC_RESPONSE) {
        return;
    }
    const struct kith_response *response = event->response;
    uint32_t hints_left = KITH_EXCHANGE_HINTS;
    /* one more: the answerer's own */
    for (uint32_t i = 0; i < response->n_records && i < KITH_EXCHANGE_N + 1; i++) {
        take_record(keeper, &rpc->node, &response->records[i], &hints_left, event->now);
    }
    for (uint32_t i = 0; i < response->n_contacts && i < KITH_EXCHANGE_N; i++) {
        struct kith_contact contact = contact_of(&response->contacts[i]);
        hint_from(keeper, &rpc->node, &contact, event->now);
    }
}

/* A random live entry; of a few, the one heard from last, with whom there most likely is a session:
 * a handshake would cost as much as the exchange. Revisits bring everybody to the front in turn. */
static const struct kith_entry *partner_of(const struct kith_routing *table) {
    const struct kith_entry *best = NULL;
    for (unsigned i = 0; i < PARTNERS; i++) {
        const struct kith_entry *entry = kith_routing_sample(table);
        if (entry != NULL && entry->failures == 0 && (best == NULL || entry->seen > best->seen)) {
            best = entry;
        }
    }
    return best;
}

void kith_keeper_exchange(struct kith_keeper *keeper, const struct kith_node_ref *node,
                          uint64_t now) {
    struct kith_request request = kith_swarm_request(keeper->swarm, KITH_METHOD_EXCHANGE);
    request.n = KITH_EXCHANGE_N;
    struct kith_record_view known;
    request.has_seq = kith_gossip_card(keeper->gossip, &node->key, now, &known);
    request.seq = request.has_seq ? known.seq : 0;
    struct kith_rpc *rpc;
    keeper->n_exchange += kith_swarm_ask(keeper->swarm, node, &request, KITH_ASK_ONCE, on_exchanged,
                                         keeper, now, &rpc) == 0;
}

static void on_exchange(struct kith_timer *timer, uint64_t now) {
    struct kith_keeper *keeper = kith_container_of(timer, struct kith_keeper, exchange);
    const struct kith_routing *tables[] = {keeper->swarm->v4, keeper->swarm->v6};
    const struct kith_routing *table = tables[kith_random_below(&keeper->env->random, 2)];
    table = table != NULL               ? table
            : keeper->swarm->v4 != NULL ? keeper->swarm->v4
                                        : keeper->swarm->v6;
    const struct kith_entry *entry = partner_of(table);
    if (entry != NULL && !keeper->env->client) {
        struct kith_node_ref node = kith_entry_node(entry);
        kith_keeper_exchange(keeper, &node, now);
    }
    set_timer(keeper, timer, on_exchange, pace(1, keeper->damping), now);
}

static void on_clean(struct kith_timer *timer, uint64_t now) {
    struct kith_keeper *keeper = kith_container_of(timer, struct kith_keeper, clean);
    kith_book_clean(keeper->book, wall(keeper, now));
    set_timer(keeper, timer, on_clean, pace(5, keeper->coupling), now);
}
