/* SPDX-License-Identifier: MIT */
/*
 * A list of at most 512 peers; found by walking it, since reports come a few times a minute.
 *
 * Each peer has one question under way. The endpoints take turns: the next is tried as soon as one
 * is slow, and whichever answers first is the peer's endpoint.
 *
 * mDNS lists a host for over an hour after it was switched off, so a confirmed peer that is silent
 * is pinged. Whatever we hear from it counts, its own pings too, so of a pair only one asks. A ping
 * and its answer are about 110 bytes; with CHECK_SHARE_MS between two checks of ours on average
 * they stay under 100 bytes per second, however many peers there are. In a small LAN a switched-off
 * host is missed after 12 to 17 s, in one of 48 peers and more after a minute, unless somebody
 * looks at the list: as long as that is so, all are checked at the short interval.
 */
#include "core/swarm/local.h"

#include "core/base/endpoint.h"

#include <stdlib.h>

enum {
    CHECK_MIN_S = 12, /* silence of a confirmed peer after which it is checked, */
    CHECK_MAX_S = 60,
    CHECK_SHARE_MS = 1750, /* times the number of confirmed peers, between these two */
    WATCHED_S = 60,        /* after a look at the list */
    WATCH_SPREAD_MS = 500, /* the checks that a look causes */
    AGAIN_MS = 2000,       /* after a round without an answer, doubled up to CHECK_MAX_S */
    SPREAD_MS = 10,        /* between two peers when all are asked */
    JITTER_PERCENT = 20,
};

static void on_timer(struct kith_timer *timer, uint64_t now);

void kith_locals_init(struct kith_locals *locals) {
    kith_list_init(&locals->all);
}

static struct kith_local *local_of(struct kith_list *l) {
    return kith_container_of(l, struct kith_local, all);
}

static void drop(struct kith_local *local) {
    struct kith_locals *locals = local->owner;
    kith_timer_stop(&locals->env->timers, &local->timer);
    if (local->rpc != NULL) {
        kith_rpc_detach(local->rpc);
    }
    kith_list_remove(&local->all);
    locals->n--;
    free(local);
}

void kith_locals_deinit(struct kith_locals *locals) {
    struct kith_list *l;
    while (locals->all.next != NULL && (l = kith_list_first(&locals->all)) != NULL) {
        drop(local_of(l));
    }
}

static void set_timer(struct kith_local *local, uint64_t wait, uint64_t now) {
    struct kith_env *env = local->owner->env;
    uint64_t at = now + (wait == 0 ? 0 : kith_random_jitter(&env->random, wait, JITTER_PERCENT));
    /* Without memory the peer stays listed until it says goodbye. */
    int r = kith_timer_set(&env->timers, &local->timer, on_timer, at);
    (void)r;
}

static uint64_t pause_after(const struct kith_local *local) {
    uint64_t wait = AGAIN_MS * KITH_NS_PER_MS;
    uint64_t most = CHECK_MAX_S * KITH_NS_PER_S;
    for (uint32_t i = 1; i < local->failures && wait < most; i++) {
        wait *= 2;
    }
    return wait < most ? wait : most;
}

/* How long a confirmed peer may be silent. */
static uint64_t check_interval(const struct kith_locals *locals, uint64_t now) {
    uint64_t least = CHECK_MIN_S * KITH_NS_PER_S;
    uint64_t most = CHECK_MAX_S * KITH_NS_PER_S;
    if (now < locals->watched_until) {
        return least;
    }
    uint64_t share = kith_locals_count_confirmed(locals) * CHECK_SHARE_MS * KITH_NS_PER_MS;
    if (share < least) {
        return least;
    }
    return share < most ? share : most;
}

static void confirm(struct kith_local *local, const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_locals *locals = local->owner;
    bool news = !local->confirmed;
    local->confirmed = true;
    local->endpoint = *endpoint;
    local->seen = now;
    local->next = 0;
    local->anew = false;
    local->failures = 0;
    set_timer(local, check_interval(locals, now), now);
    if (news && locals->on_confirmed != NULL) {
        locals->on_confirmed(locals->context, local, now);
    }
}

/* It does not answer where it did: it may be elsewhere by now. */
static void doubt(struct kith_local *local, uint64_t now) {
    local->confirmed = false;
    local->next = 0;
    local->anew = false;
    set_timer(local, 0, now);
}

/* From the first endpoint on. A question under way is none of this round. */
static void begin_round(struct kith_local *local) {
    local->next = 0;
    local->anew = local->rpc != NULL;
    local->failures = 0;
}

/* Tries the next endpoint; after the last one the round is over. */
static void advance(struct kith_local *local, uint64_t now) {
    local->next += !local->anew;
    local->anew = false;
    if (local->next < local->report.n_endpoints) {
        set_timer(local, 0, now);
        return;
    }
    local->next = 0;
    local->failures++;
    local->confirmed = false;
    set_timer(local, pause_after(local), now);
    struct kith_locals *locals = local->owner;
    if (locals->on_silent != NULL) {
        locals->on_silent(locals->context, local);
    }
}

static void on_answer(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_local *local = context;
    switch (event->outcome) {
    case KITH_RPC_RESPONSE:
        local->rpc = NULL;
        confirm(local, &rpc->node.endpoint, event->now);
        return;
    case KITH_RPC_LATE:
        return;
    case KITH_RPC_SLOW:
        if (local->confirmed) {
            return; /* one lost datagram says nothing: the repeats are waited for */
        }
        kith_rpc_detach(rpc); /* its answer still feeds the tables */
        break;
    case KITH_RPC_STALE:
        kith_rpc_detach(rpc);
        break;
    case KITH_RPC_ERROR:
    case KITH_RPC_TIMEOUT:
        break;
    }
    local->rpc = NULL;
    if (local->confirmed) {
        doubt(local, event->now);
    } else {
        advance(local, event->now);
    }
}

static void ask(struct kith_local *local, const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_locals *locals = local->owner;
    if (!local->has_key) {
        int r = kith_sessions_who(locals->sessions, endpoint, now);
        (void)r; /* the timer goes on to the next endpoint */
        local->next = (local->next + 1) % local->report.n_endpoints;
        local->failures += local->next == 0;
        set_timer(local, pause_after(local), now);
        return;
    }
    struct kith_node_ref node = {.key = local->key, .has_key = true, .endpoint = *endpoint};
    kith_point_of_node(&node.key, &node.id);
    struct kith_request request =
        kith_swarm_request(locals->swarm, local->confirmed ? KITH_METHOD_PING : KITH_METHOD_FIND);
    request.target = locals->swarm->own_id;
    if (kith_swarm_ask(locals->swarm, &node, &request, KITH_ASK_QUIET, on_answer, local, now,
                       &local->rpc) < 0) {
        local->rpc = NULL;
        advance(local, now);
    }
}

/* Of a confirmed peer: is it silent for long enough? If not, later. */
static bool is_due(struct kith_local *local, uint64_t now) {
    uint64_t interval = check_interval(local->owner, now);
    uint64_t silent = now - local->seen;
    uint64_t slack = interval * JITTER_PERCENT / 100; /* the timer may have come so much early */
    if (silent + slack >= interval) {
        return true;
    }
    set_timer(local, interval - silent, now);
    return false;
}

static void on_timer(struct kith_timer *timer, uint64_t now) {
    struct kith_local *local = kith_container_of(timer, struct kith_local, timer);
    if (local->rpc != NULL || (local->confirmed && !is_due(local, now))) {
        return;
    }
    /* Where it answered last comes first. */
    ask(local, local->confirmed ? &local->endpoint : &local->report.endpoints[local->next], now);
}

static struct kith_local *find_name(const struct kith_locals *locals, const char *name) {
    struct kith_list *l = kith_list_first(&locals->all);
    for (; l != NULL; l = kith_list_next(&locals->all, l)) {
        if (strcmp(local_of(l)->report.name, name) == 0) {
            return local_of(l);
        }
    }
    return NULL;
}

/* Copies the usable endpoints of a report. */
static void take_report(struct kith_local *local, const struct kith_local_report *report) {
    local->report = *report;
    local->report.n_endpoints = 0;
    for (uint32_t i = 0; i < report->n_endpoints && i < KITH_ENDPOINTS_MAX; i++) {
        if (kith_endpoint_usable(&report->endpoints[i])) {
            local->report.endpoints[local->report.n_endpoints++] = report->endpoints[i];
        }
    }
    if (report->has_key && !(local->has_key && kith_key_equal(&local->key, &report->key))) {
        local->has_key = true;
        local->key = report->key;
        local->confirmed = false;
        if (local->rpc != NULL) { /* its answer would be another's */
            kith_rpc_detach(local->rpc);
            local->rpc = NULL;
        }
    }
}

/* Names cost whoever makes them up nothing: the one to give way is the oldest of those that were
 * asked and stayed silent, else of those that had the longest time to answer. */
static struct kith_local *find_unproven(const struct kith_locals *locals) {
    struct kith_local *oldest = NULL;
    struct kith_list *l = kith_list_first(&locals->all);
    for (; l != NULL; l = kith_list_next(&locals->all, l)) {
        struct kith_local *local = local_of(l);
        if (!local->confirmed && local->failures > 0) {
            return local;
        }
        if (!local->confirmed && oldest == NULL) {
            oldest = local;
        }
    }
    return oldest;
}

static struct kith_local *add(struct kith_locals *locals) {
    struct kith_local *local = calloc(1, sizeof(*local));
    if (local != NULL) {
        local->owner = locals;
        kith_list_append(&locals->all, &local->all);
        locals->n++;
    }
    return local;
}

int kith_locals_appeared(struct kith_locals *locals, const struct kith_local_report *report,
                         uint64_t now) {
    if (report->has_key && kith_key_equal(&report->key, &locals->env->identity.key)) {
        return KITH_EINVALID;
    }
    struct kith_local *local = find_name(locals, report->name);
    if (local == NULL) {
        if (locals->n >= KITH_LOCALS_MAX) {
            struct kith_local *unproven = find_unproven(locals);
            if (unproven == NULL) {
                return KITH_EFULL;
            }
            drop(unproven);
        }
        local = add(locals);
        if (local == NULL) {
            return KITH_ENOMEM;
        }
    }
    take_report(local, report);
    if (local->report.n_endpoints == 0) {
        drop(local);
        return KITH_EINVALID;
    }
    begin_round(local);
    if (!local->confirmed) {
        set_timer(local, 0, now);
    }
    return 0;
}

/* A goodbye is a hint like any other: whoever is still there answers, and whoever is not soon is no
 * live entry of a routing table that others would wait for. */
static void ask_once_more(const struct kith_local *local, uint64_t now) {
    struct kith_swarm *swarm = local->owner->swarm;
    struct kith_routing *tables[] = {swarm->v4, swarm->v6};
    struct kith_request request = kith_swarm_request(swarm, KITH_METHOD_PING);
    struct kith_point id;
    kith_point_of_node(&local->key, &id);
    for (size_t i = 0; i < 2; i++) {
        struct kith_entry *entry = tables[i] == NULL ? NULL : kith_routing_find(tables[i], &id);
        struct kith_rpc *rpc;
        if (entry == NULL) {
            continue;
        }
        struct kith_node_ref node = kith_entry_node(entry);
        if (kith_swarm_ask(swarm, &node, &request, 0, NULL, NULL, now, &rpc) < 0) {
            return; /* the tables' own refresh comes later */
        }
    }
}

void kith_locals_vanished(struct kith_locals *locals, const char *name, uint64_t now) {
    struct kith_local *local = find_name(locals, name);
    if (local != NULL) {
        if (local->has_key) {
            ask_once_more(local, now);
        }
        drop(local);
    }
}

void kith_locals_question(struct kith_locals *locals, uint64_t now) {
    uint64_t wait = 0;
    struct kith_list *l = kith_list_first(&locals->all);
    for (; l != NULL; l = kith_list_next(&locals->all, l)) {
        struct kith_local *local = local_of(l);
        begin_round(local);
        if (local->rpc == NULL) { /* else its end decides what is next */
            set_timer(local, wait, now);
            wait += SPREAD_MS * KITH_NS_PER_MS;
        }
    }
}

static bool has_endpoint(const struct kith_local *local, const struct kith_endpoint *endpoint) {
    for (uint32_t i = 0; i < local->report.n_endpoints; i++) {
        if (kith_endpoint_equal(&local->report.endpoints[i], endpoint)) {
            return true;
        }
    }
    return false;
}

void kith_locals_key(struct kith_locals *locals, const struct kith_key *key,
                     const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_list *l = kith_list_first(&locals->all);
    while (l != NULL) {
        struct kith_list *next = kith_list_next(&locals->all, l);
        struct kith_local *local = local_of(l);
        if (!local->has_key && has_endpoint(local, endpoint)) {
            if (kith_key_equal(key, &locals->env->identity.key)) {
                drop(local);
            } else {
                local->has_key = true;
                local->key = *key;
                local->failures = 0;
                set_timer(local, 0, now);
            }
        }
        l = next;
    }
}

void kith_locals_heard(struct kith_locals *locals, const struct kith_key *key,
                       const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_list *l = kith_list_first(&locals->all);
    for (; l != NULL; l = kith_list_next(&locals->all, l)) {
        struct kith_local *local = local_of(l);
        if (!local->has_key || !kith_key_equal(&local->key, key)) {
            continue;
        }
        if (local->confirmed && kith_endpoint_equal(&local->endpoint, endpoint)) {
            local->seen = now;
        } else if (!local->confirmed && local->rpc == NULL && has_endpoint(local, endpoint)) {
            confirm(local, endpoint, now);
        }
    }
}

void kith_locals_watch(struct kith_locals *locals, uint64_t now) {
    bool watched = now < locals->watched_until;
    locals->watched_until = now + WATCHED_S * KITH_NS_PER_S;
    if (watched) {
        return; /* the timers are set for it */
    }
    struct kith_list *l = kith_list_first(&locals->all);
    for (; l != NULL; l = kith_list_next(&locals->all, l)) {
        struct kith_local *local = local_of(l);
        uint64_t due = local->seen + CHECK_MIN_S * KITH_NS_PER_S;
        uint64_t soon = WATCH_SPREAD_MS * KITH_NS_PER_MS;
        if (local->confirmed && local->rpc == NULL) {
            set_timer(local, due > now + soon ? due - now : soon, now);
        }
    }
}

const struct kith_local *kith_locals_find(const struct kith_locals *locals,
                                          const struct kith_key *key) {
    const struct kith_local *found = NULL;
    struct kith_list *l = kith_list_first(&locals->all);
    for (; l != NULL; l = kith_list_next(&locals->all, l)) {
        const struct kith_local *local = local_of(l);
        if (local->has_key && kith_key_equal(&local->key, key) &&
            (found == NULL || local->confirmed)) {
            found = local;
        }
    }
    return found;
}

uint32_t kith_locals_count_confirmed(const struct kith_locals *locals) {
    uint32_t count = 0;
    struct kith_list *l = kith_list_first(&locals->all);
    for (; l != NULL; l = kith_list_next(&locals->all, l)) {
        count += local_of(l)->confirmed;
    }
    return count;
}
