/* SPDX-License-Identifier: MIT */
/*
 * Joining: every contact we were given is asked for the nodes nearest to us (after its key, where
 * we know only an endpoint). With the first live contact the self-lookup starts; when it is over we
 * are ready, and buckets beyond our neighbourhood are filled one walk at a time. Contacts of the
 * user and seeds are tried again for ever while we have too few live contacts, with doubling pauses
 * and jitter. While we have enough, they are asked rarely: parts of a network that were cut off
 * from each other before they met know nobody of the other side, and come together through those
 * alone. A newcomer asks a few seeds that it would not need, each some time in its first minute:
 * those that answered first may be one gang, which names only its own.
 *
 * Staying: every 14 s the stalest entry is asked for two nodes next to a random point of our
 * neighbourhood, which proves it alive and tells us of new neighbours (of those nearest to us we
 * hear in any case, for they ask us themselves); entries that failed come first, and faster. Where
 * nodes go, more often, up to six times: the pace follows what is found, as in MSPastry (Castro,
 * Costa, Rowstron, DSN 2004), so that about one in 24 that are asked is gone. The self-lookup
 * repeats, and so does filling, in rounds that come less often the less they bring. An idle node
 * stays under 100 bytes per second, of which refreshes are a third; hence their short answers.
 */
#include "core/upkeep/maintain.h"

#include <stdlib.h>

enum {
    SEED_DELAY_S = 3,     /* seeds wait so long for the others */
    ENOUGH_LIVE = 4,      /* live contacts from which on nobody is asked for help */
    BOOT_FIRST_MS = 1000, /* pause after the first failed attempt, doubled up to the maximum */
    BOOT_MAX_S = 60,
    EARLY_SEEDS = 8, /* asked once although there are enough others */
    EARLY_S = 60,    /* within so long, so that a network that starts at once does not flood them */
    APART_S = 300,   /* between two questions to a silent one while there are enough others */
    HEARD_S = 3600,  /* to one that answered */
    BEYOND_MAX = 16, /* steps from it towards ourselves */
    KNOWN_STEP_MS = 20,
    KNOWN_ATTEMPTS = 3, /* contacts from our own disk are forgotten after so many */
    REFRESH_MS = 14142, /* 10 / (1/sqrt 2) s */
    REFRESH_LEAST_MS = 2357,
    REFRESH_EASE = 32, /* one found gone halves the pause, one alive adds so small a part */
    REFRESH_FAILED_MS = 2000,
    REFRESH_AGE_S = 60, /* entries heard from since are left alone */
    AGAIN_MS = 100,     /* to a self-lookup under a new id */
    SELF_LOOKUP_SECOND_S = 12,
    SELF_LOOKUP_FACTOR = 2, /* each pause is so many times the one before, up to */
    SELF_LOOKUP_S = 3600,
    SETTLED_LOOKUPS = 10, /* the pause is the longest by then */
    FILL_PAUSE_MS = 100,
    FILL_K = 8,         /* a walk ends when so many are found: their answers name enough others */
    FILL_FIRST_S = 60,  /* pause after the first round of filling */
    FILL_FACTOR = 4,    /* each pause is so many times the one before, up to */
    FILL_ROUND_S = 900, /* between two rounds; doubled by each that brought nothing */
    FILL_ROUND_MAX_S = 14400,
    FEW = 2,              /* contacts asked for where a few neighbours will do, not all */
    NEIGHBOURS_TRIED = 2, /* unknown neighbours tried per refresh */
    JITTER_PERCENT = 20,
};

static void on_boot_timer(struct kith_timer *timer, uint64_t now);
static void on_self_lookup(struct kith_timer *timer, uint64_t now);
static void on_fill(struct kith_timer *timer, uint64_t now);
static void on_refresh(struct kith_timer *timer, uint64_t now);
static void begin_fill(struct kith_maintain *m, uint64_t now);

static void set_timer(struct kith_maintain *m, struct kith_timer *timer, kith_timer_fn fn,
                      uint64_t delay, uint64_t now) {
    uint64_t wait = kith_random_jitter(&m->env->random, delay, JITTER_PERCENT);
    /* Fails only without memory; kith_maintain_look() tries again. */
    int r = kith_timer_set(&m->env->timers, timer, fn, now + wait);
    (void)r;
}

/* ---- contacts to join through ---- */

static void free_boot(struct kith_boot *boot) {
    struct kith_maintain *m = boot->owner;
    kith_timer_stop(&m->env->timers, &boot->timer);
    if (boot->rpc != NULL) {
        kith_rpc_detach(boot->rpc);
    }
    kith_list_remove(&boot->all);
    m->n_boots--;
    free(boot);
}

/* Nothing has come of it yet: who has just begun, or has lost everybody, needs it most. */
static void make_new(struct kith_boot *boot, uint64_t now) {
    uint64_t wait = boot->source == KITH_CONTACT_PEER ? 0 : APART_S * KITH_NS_PER_S;
    boot->early = boot->source == KITH_CONTACT_SEED;
    if (boot->early) {
        wait = kith_random_below(&boot->owner->env->random, EARLY_S * KITH_NS_PER_S);
    }
    boot->attempts = 0;
    boot->apart_at = now + wait;
}

static uint64_t backoff(const struct kith_boot *boot) {
    uint64_t pause = BOOT_FIRST_MS * KITH_NS_PER_MS;
    for (uint32_t i = 1; i < boot->attempts && pause < BOOT_MAX_S * KITH_NS_PER_S; i++) {
        pause *= 2;
    }
    uint64_t most = BOOT_MAX_S * KITH_NS_PER_S;
    return pause < most ? pause : most;
}

/* Asks a node that another told us of, if there is room for it. */
static bool try_neighbour(struct kith_maintain *m, const struct kith_node_ref *node, uint64_t now) {
    struct kith_routing *table = kith_swarm_table(m->swarm, node->endpoint.family);
    if (table == NULL || kith_point_equal(&node->id, &m->swarm->own_id) ||
        !kith_routing_wants(table, &node->id) || kith_swarm_was_silent(m->swarm, node, now)) {
        return false;
    }
    struct kith_request request = kith_swarm_request(m->swarm, KITH_METHOD_FIND);
    request.target = m->swarm->own_id;
    request.n = 1;
    struct kith_rpc *rpc;
    return kith_swarm_ask(m->swarm, node, &request, KITH_ASK_ONCE, NULL, NULL, now, &rpc) == 0;
}

static void on_beyond(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context);

static const struct kith_node_ref *nearest_of(const struct kith_maintain *m,
                                              const struct kith_response *response) {
    const struct kith_point *own = &m->swarm->own_id;
    const struct kith_node_ref *nearest = NULL;
    for (uint32_t i = 0; i < response->n_contacts; i++) {
        const struct kith_node_ref *node = &response->contacts[i];
        if (!kith_point_equal(&node->id, own) && kith_swarm_can_ask(m->swarm, node) &&
            (nearest == NULL || kith_point_compare(own, &node->id, &nearest->id) < 0)) {
            nearest = node;
        }
    }
    return nearest;
}

/* Whether one we are told to join through lives among others than we do: steps towards ourselves
 * from there, one question each, to the first node that we know. If we know none of them, we look
 * again who is near us, and farther off, as if we were new. */
static void look_beyond(struct kith_maintain *m, const struct kith_rpc *rpc,
                        const struct kith_response *response, uint64_t now) {
    const struct kith_node_ref *nearest = nearest_of(m, response);
    if (!m->ready || nearest == NULL || kith_swarm_find(m->swarm, &nearest->id) != NULL) {
        return;
    }
    if (m->beyond_left == 0 ||
        kith_point_compare(&m->swarm->own_id, &nearest->id, &rpc->node.id) >= 0) {
        kith_maintain_again(m, now);
        begin_fill(m, now);
        return;
    }
    m->beyond_left--;
    struct kith_request request = kith_swarm_request(m->swarm, KITH_METHOD_FIND);
    request.target = m->swarm->own_id;
    struct kith_rpc *next;
    int r = kith_swarm_ask(m->swarm, nearest, &request, 0, on_beyond, m, now, &next);
    (void)r; /* the next time */
}

static void on_beyond(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    if (event->outcome == KITH_RPC_RESPONSE) {
        look_beyond(context, rpc, event->response, event->now);
    }
}

static void on_boot_answer(struct kith_rpc *rpc, const struct kith_rpc_event *event,
                           void *context) {
    struct kith_boot *boot = context;
    switch (event->outcome) {
    case KITH_RPC_LATE:
    case KITH_RPC_SLOW:
    case KITH_RPC_STALE:
        return;
    case KITH_RPC_RESPONSE:
        /* It is in a table now, where refresh looks after it. */
        boot->attempts = 0;
        boot->apart_at = event->now + HEARD_S * KITH_NS_PER_S;
        set_timer(boot->owner, &boot->timer, on_boot_timer, BOOT_MAX_S * KITH_NS_PER_S, event->now);
        boot->rpc = NULL;
        boot->owner->beyond_left = BEYOND_MAX;
        look_beyond(boot->owner, rpc, event->response, event->now);
        break;
    case KITH_RPC_ERROR:
    case KITH_RPC_TIMEOUT:
        boot->rpc = NULL;
        break;
    }
    if (event->outcome == KITH_RPC_RESPONSE && boot->source == KITH_CONTACT_ROUTER) {
        for (uint32_t i = 0; i < event->response->n_contacts; i++) {
            (void)try_neighbour(boot->owner, &event->response->contacts[i], event->now);
        }
    }
    if (boot->source == KITH_CONTACT_KNOWN &&
        (event->outcome == KITH_RPC_RESPONSE || !kith_timer_is_set(&boot->timer))) {
        free_boot(boot);
    }
}

static bool helped(const struct kith_maintain *m) {
    return kith_swarm_count_live(m->swarm) >= ENOUGH_LIVE;
}

static void ask_boot(struct kith_boot *boot, uint64_t now) {
    struct kith_maintain *m = boot->owner;
    if (!boot->contact.has_key && m->sessions != NULL) {
        int r = kith_sessions_who(m->sessions, &boot->contact.endpoint, now);
        (void)r; /* the timer tries again */
        return;
    }
    if (boot->rpc != NULL) {
        return;
    }
    struct kith_node_ref node = {.key = boot->contact.key,
                                 .has_key = boot->contact.has_key,
                                 .any_id = !boot->contact.has_key,
                                 .endpoint = boot->contact.endpoint};
    if (node.has_key) {
        kith_point_of_node(&node.key, &node.id);
    }
    struct kith_request request = kith_swarm_request(m->swarm, KITH_METHOD_FIND);
    request.target = m->swarm->own_id;
    request.n = helped(m) ? FEW : request.n;
    unsigned flags = boot->source == KITH_CONTACT_ROUTER ? KITH_ASK_ROUTER : 0;
    if (kith_swarm_ask(m->swarm, &node, &request, flags, on_boot_answer, boot, now, &boot->rpc) <
        0) {
        boot->rpc = NULL;
    }
}

static void hurry(struct kith_maintain *m, uint64_t delay, uint64_t now) {
    struct kith_list *l = kith_list_first(&m->boots);
    for (; l != NULL; l = kith_list_next(&m->boots, l)) {
        struct kith_boot *boot = kith_container_of(l, struct kith_boot, all);
        make_new(boot, now);
        set_timer(m, &boot->timer, on_boot_timer, delay, now);
    }
    m->early_left = EARLY_SEEDS;
}

void kith_maintain_hurry(struct kith_maintain *m, uint64_t now) {
    if (!helped(m)) {
        hurry(m, 0, now);
    }
}

/* Whether to ask although there are enough others. */
static bool asks_anyway(struct kith_boot *boot, uint64_t now) {
    struct kith_maintain *m = boot->owner;
    bool lasting = boot->source == KITH_CONTACT_PEER || boot->source == KITH_CONTACT_SEED;
    if (!lasting || now < boot->apart_at) {
        return false;
    }
    if (boot->early && m->early_left == 0) {
        boot->early = false;
        boot->apart_at = now + APART_S * KITH_NS_PER_S;
        return false;
    }
    m->early_left -= boot->early;
    return true;
}

static void set_boot_timer(struct kith_boot *boot, uint64_t pause, uint64_t now) {
    struct kith_maintain *m = boot->owner;
    if (boot->early && boot->apart_at - now < pause) {
        int r = kith_timer_set(&m->env->timers, &boot->timer, on_boot_timer, boot->apart_at);
        (void)r; /* as below */
        return;
    }
    set_timer(m, &boot->timer, on_boot_timer, pause, now);
}

static void on_boot_timer(struct kith_timer *timer, uint64_t now) {
    struct kith_boot *boot = kith_container_of(timer, struct kith_boot, timer);
    struct kith_maintain *m = boot->owner;
    bool needed = !helped(m);
    bool ask = needed || asks_anyway(boot, now);
    if (ask) {
        boot->early = false;
        boot->attempts++;
        boot->apart_at = now + APART_S * KITH_NS_PER_S;
    }
    bool last = boot->source == KITH_CONTACT_KNOWN && (!ask || boot->attempts >= KNOWN_ATTEMPTS);
    if (!last) { /* before anything else takes the place that this timer had in the heap */
        set_boot_timer(boot, needed ? backoff(boot) : BOOT_MAX_S * KITH_NS_PER_S, now);
    }
    if (ask) {
        ask_boot(boot, now);
    }
    if (last && boot->rpc == NULL) {
        free_boot(boot); /* else its answer, or the lack of it, ends it */
    }
}

static struct kith_boot *find_boot(const struct kith_maintain *m,
                                   const struct kith_endpoint *endpoint) {
    struct kith_list *l = kith_list_first(&m->boots);
    for (; l != NULL; l = kith_list_next(&m->boots, l)) {
        struct kith_boot *boot = kith_container_of(l, struct kith_boot, all);
        if (kith_endpoint_equal(&boot->contact.endpoint, endpoint)) {
            return boot;
        }
    }
    return NULL;
}

int kith_maintain_add(struct kith_maintain *m, const struct kith_contact *contact,
                      enum kith_contact_source source, uint64_t now) {
    if (!kith_endpoint_usable(&contact->endpoint) ||
        (contact->has_key && kith_key_equal(&contact->key, &m->env->identity.key)) ||
        m->is_self(m->context, &contact->endpoint)) {
        return KITH_EINVALID;
    }
    struct kith_boot *known = find_boot(m, &contact->endpoint);
    if (known != NULL) {
        if (source < known->source) {
            known->source = source;
            make_new(known, now);
        }
        if (!known->contact.has_key) {
            known->contact = *contact;
        }
        if (!kith_timer_is_set(&known->timer)) {
            set_timer(m, &known->timer, on_boot_timer, BOOT_FIRST_MS * KITH_NS_PER_MS, now);
        }
        return 0;
    }
    if (m->n_boots >= KITH_BOOT_MAX) {
        return KITH_EFULL;
    }
    struct kith_boot *boot = calloc(1, sizeof(*boot));
    if (boot == NULL) {
        return KITH_ENOMEM;
    }
    boot->owner = m;
    boot->contact = *contact;
    boot->source = source;
    make_new(boot, now);
    bool later = source == KITH_CONTACT_SEED && m->n_boots > 0;
    uint64_t delay = later ? SEED_DELAY_S * KITH_NS_PER_S : 0;
    if (source == KITH_CONTACT_KNOWN) {
        delay = m->n_boots * KNOWN_STEP_MS * KITH_NS_PER_MS; /* the first few will do */
    }
    int r = kith_timer_set(&m->env->timers, &boot->timer, on_boot_timer, now + delay);
    if (r < 0) {
        free(boot);
        return r;
    }
    kith_list_append(&m->boots, &boot->all);
    m->n_boots++;
    return 0;
}

void kith_maintain_remove(struct kith_maintain *m, const struct kith_endpoint *endpoint) {
    struct kith_boot *boot = find_boot(m, endpoint);
    if (boot != NULL) {
        free_boot(boot);
    }
}

void kith_maintain_key(struct kith_maintain *m, const struct kith_key *key,
                       const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_list *l = kith_list_first(&m->boots);
    while (l != NULL) {
        struct kith_list *next = kith_list_next(&m->boots, l);
        struct kith_boot *boot = kith_container_of(l, struct kith_boot, all);
        if (!boot->contact.has_key && kith_endpoint_equal(&boot->contact.endpoint, endpoint)) {
            if (kith_key_equal(key, &m->env->identity.key)) {
                free_boot(boot); /* we were told to join through ourselves */
            } else {
                struct kith_boot asked = *boot;
                boot->contact.has_key = true;
                boot->contact.key = *key;
                ask_boot(boot, now);
                /* The node behind a configured endpoint may change: ask for its key again next
                 * time. */
                boot->contact = asked.contact;
            }
        }
        l = next;
    }
}

bool kith_maintain_may_join(const struct kith_maintain *m) {
    return m->n_boots > 0 || m->expecting;
}

/* ---- the self-lookup ---- */

static void start_walk(struct kith_maintain *m, const struct kith_point *target, uint32_t n,
                       void (*on_end)(struct kith_op *, int, uint64_t, void *), uint64_t now) {
    struct kith_query query = {
        .kind = KITH_QUERY_TRACE, .flags = KITH_FLAG_HAS_POINT, .point = *target, .n = n};
    if (kith_ops_start_internal(m->ops, m->swarm, &query, on_end, m, now) < 0) {
        on_end(NULL, KITH_ENOMEM, now, m);
    }
}

static void begin_fill(struct kith_maintain *m, uint64_t now) {
    m->fill_family = m->swarm->v4 != NULL ? 4 : 6;
    m->fill_bucket = 0;
    m->fill_pause_s = FILL_FIRST_S / FILL_FACTOR;
    set_timer(m, &m->fill, on_fill, FILL_PAUSE_MS * KITH_NS_PER_MS, now);
}

static void self_lookup_over(struct kith_op *op, int status, uint64_t now, void *context) {
    struct kith_maintain *m = context;
    (void)op;
    (void)status;
    m->self_lookup_runs = false;
    m->n_self_lookups++;
    uint64_t next = SELF_LOOKUP_SECOND_S;
    for (uint32_t i = 1; i < m->n_self_lookups && next < SELF_LOOKUP_S; i++) {
        next *= SELF_LOOKUP_FACTOR;
    }
    next = next < SELF_LOOKUP_S ? next : SELF_LOOKUP_S;
    set_timer(m, &m->self_lookup, on_self_lookup, next * KITH_NS_PER_S, now);
    if (!m->ready && kith_swarm_count_live(m->swarm) > 0) {
        m->ready = true;
        m->on_ready(m->context, now);
        begin_fill(m, now);
    }
}

static void on_self_lookup(struct kith_timer *timer, uint64_t now) {
    struct kith_maintain *m = kith_container_of(timer, struct kith_maintain, self_lookup);
    if (m->self_lookup_runs) {
        return;
    }
    m->self_lookup_runs = true;
    start_walk(m, &m->swarm->own_id, m->swarm->dialect->k, self_lookup_over, now);
}

void kith_maintain_again(struct kith_maintain *m, uint64_t now) {
    m->n_self_lookups = 0;
    if (!m->self_lookup_runs) {
        set_timer(m, &m->self_lookup, on_self_lookup, AGAIN_MS * KITH_NS_PER_MS, now);
    }
}

/* ---- filling buckets ---- */

static void fill_over(struct kith_op *op, int status, uint64_t now, void *context) {
    struct kith_maintain *m = context;
    (void)op;
    (void)status;
    m->fill_runs = false;
    set_timer(m, &m->fill, on_fill, FILL_PAUSE_MS * KITH_NS_PER_MS, now);
}

/* The next round begins as this one did: soon, while the network may be as young as we are and
 * there was not yet anybody to fill a bucket with. What cannot be filled, because nobody is there,
 * is not worth a walk every quarter of an hour. */
static void end_fill_round(struct kith_maintain *m, uint64_t now) {
    size_t live = kith_swarm_count_live(m->swarm);
    size_t old = m->fill_live;
    size_t change = live > old ? live - old : old - live;
    m->fill_live = live;
    m->fill_family = m->swarm->v4 != NULL ? 4 : 6;
    if (m->fill_pause_s < FILL_ROUND_S) {
        m->fill_pause_s *= FILL_FACTOR;
        m->fill_pause_s = m->fill_pause_s < FILL_ROUND_S ? m->fill_pause_s : FILL_ROUND_S;
    } else if (change > old / 8) {
        m->fill_pause_s = FILL_ROUND_S;
    } else if (m->fill_pause_s < FILL_ROUND_MAX_S) {
        m->fill_pause_s *= 2;
    }
    set_timer(m, &m->fill, on_fill, m->fill_pause_s * KITH_NS_PER_S, now);
}

static void on_fill(struct kith_timer *timer, uint64_t now) {
    struct kith_maintain *m = kith_container_of(timer, struct kith_maintain, fill);
    if (m->fill_runs) {
        return;
    }
    while (m->fill_family != 0) {
        struct kith_routing *table = kith_swarm_table(m->swarm, m->fill_family);
        int bucket = table == NULL ? -1 : kith_routing_unfilled(table, m->fill_bucket);
        if (bucket >= 0) {
            struct kith_point target;
            kith_routing_point_in(table, (unsigned)bucket, &target);
            m->fill_bucket = (unsigned)bucket + 1;
            m->fill_runs = true;
            start_walk(m, &target, FILL_K, fill_over, now);
            return;
        }
        m->fill_family = m->fill_family == 4 ? 6 : 0;
        m->fill_bucket = 0;
    }
    end_fill_round(m, now);
}

/* ---- stale-first refresh ---- */

static void try_neighbours(struct kith_maintain *m, const struct kith_rpc_event *event) {
    unsigned tried = 0;
    for (uint32_t i = 0; i < event->response->n_contacts && tried < NEIGHBOURS_TRIED; i++) {
        tried += try_neighbour(m, &event->response->contacts[i], event->now);
    }
}

/* One that had failed before: its silence is no news. */
static void on_asked_again(struct kith_rpc *rpc, const struct kith_rpc_event *event,
                           void *context) {
    (void)rpc;
    if (event->outcome == KITH_RPC_RESPONSE) {
        try_neighbours(context, event);
    }
}

static void on_refreshed(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_maintain *m = context;
    (void)rpc;
    if (event->outcome == KITH_RPC_TIMEOUT) {
        uint64_t half = m->refresh_pause_ns / 2;
        m->refresh_pause_ns = half > m->refresh_least_ns ? half : m->refresh_least_ns;
    } else if (event->outcome == KITH_RPC_RESPONSE) {
        uint64_t more = m->refresh_pause_ns + m->refresh_pause_ns / REFRESH_EASE;
        m->refresh_pause_ns = more < m->refresh_ns ? more : m->refresh_ns;
        try_neighbours(m, event);
    }
}

static void on_refresh(struct kith_timer *timer, uint64_t now) {
    struct kith_maintain *m = kith_container_of(timer, struct kith_maintain, refresh);
    uint64_t pause = m->refresh_pause_ns;
    struct kith_routing *tables[] = {m->swarm->v4, m->swarm->v6};
    for (size_t i = 0; i < 2; i++) {
        struct kith_entry *entry =
            tables[i] == NULL ? NULL : kith_routing_stalest(tables[i], now, m->refresh_age_ns);
        if (entry == NULL) {
            continue;
        }
        struct kith_request request = kith_swarm_request(m->swarm, KITH_METHOD_FIND);
        kith_routing_point_near(tables[i], &request.target);
        request.n = FEW;
        struct kith_rpc *rpc;
        unsigned flags = 0;
        kith_rpc_fn fn = on_refreshed;
        if (entry->failures > 0) {
            pause = REFRESH_FAILED_MS * KITH_NS_PER_MS;
            flags = KITH_ASK_THRIFTY; /* nine of ten are gone */
            fn = on_asked_again;
        }
        struct kith_node_ref node = kith_entry_node(entry);
        int r = kith_swarm_ask(m->swarm, &node, &request, flags, fn, m, now, &rpc);
        (void)r; /* the next round tries again */
    }
    set_timer(m, &m->refresh, on_refresh, pause, now);
}

/* ---- the whole ---- */

static void set_within(struct kith_maintain *m, struct kith_timer *timer, kith_timer_fn fn,
                       uint64_t period, uint64_t now) {
    int r = kith_timer_set(&m->env->timers, timer, fn,
                           now + kith_random_below(&m->env->random, period));
    (void)r; /* revive() */
}

void kith_maintain_settle(struct kith_maintain *m, uint64_t now) {
    m->ready = true;
    m->since = now;
    m->n_self_lookups = SETTLED_LOOKUPS;
    m->fill_pause_s = FILL_ROUND_MAX_S;
    m->fill_live = kith_swarm_count_live(m->swarm);
    set_within(m, &m->refresh, on_refresh, m->refresh_ns, now);
    set_within(m, &m->self_lookup, on_self_lookup, SELF_LOOKUP_S * KITH_NS_PER_S, now);
    set_within(m, &m->fill, on_fill, FILL_ROUND_MAX_S * KITH_NS_PER_S, now);
}

/* Timers that could not be set for want of memory. A walk that is under way sets its own. */
static void revive(struct kith_maintain *m, uint64_t now) {
    if (!kith_timer_is_set(&m->refresh)) {
        set_timer(m, &m->refresh, on_refresh, m->refresh_ns, now);
    }
    if (m->ready && !m->self_lookup_runs && !kith_timer_is_set(&m->self_lookup)) {
        set_timer(m, &m->self_lookup, on_self_lookup, SELF_LOOKUP_S * KITH_NS_PER_S, now);
    }
    if (m->ready && !m->fill_runs && !kith_timer_is_set(&m->fill)) {
        set_timer(m, &m->fill, on_fill, FILL_ROUND_S * KITH_NS_PER_S, now);
    }
}

void kith_maintain_look(struct kith_maintain *m, uint64_t now) {
    revive(m, now);
    size_t live = kith_swarm_count_live(m->swarm);
    if (live > 0 && m->ops->n_waiting > 0) {
        kith_ops_wake(m->ops, now);
    }
    if (live > 0 && !m->ready && !m->self_lookup_runs) {
        on_self_lookup(&m->self_lookup, now);
    } else if (live == 0 && m->ready) {
        m->ready = false;
        m->since = now;
        m->n_self_lookups = 0;
        kith_swarm_forget_silences(m->swarm, now); /* all at once: it was us */
        m->on_lost(m->context, now);
        hurry(m, BOOT_FIRST_MS * KITH_NS_PER_MS, now);
    }
}

int kith_maintain_start(struct kith_maintain *m, uint64_t now) {
    kith_list_init(&m->boots);
    m->since = now;
    m->early_left = EARLY_SEEDS;
    m->refresh_ns = m->refresh_ns != 0 ? m->refresh_ns : REFRESH_MS * KITH_NS_PER_MS;
    m->refresh_least_ns =
        m->refresh_least_ns != 0 ? m->refresh_least_ns : REFRESH_LEAST_MS * KITH_NS_PER_MS;
    m->refresh_pause_ns = m->refresh_ns;
    m->refresh_age_ns = m->refresh_age_ns != 0 ? m->refresh_age_ns : REFRESH_AGE_S * KITH_NS_PER_S;
    return kith_timer_set(&m->env->timers, &m->refresh, on_refresh, now + m->refresh_ns);
}

void kith_maintain_stop(struct kith_maintain *m) {
    struct kith_list *l;
    while (m->boots.next != NULL && (l = kith_list_first(&m->boots)) != NULL) {
        free_boot(kith_container_of(l, struct kith_boot, all));
    }
    if (m->env != NULL) {
        kith_timer_stop(&m->env->timers, &m->self_lookup);
        kith_timer_stop(&m->env->timers, &m->fill);
        kith_timer_stop(&m->env->timers, &m->refresh);
    }
}
