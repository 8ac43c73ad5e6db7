/* SPDX-License-Identifier: MIT */
/*
 * A list of at most 512 peers; found by walking it, since reports come a few times a minute.
 *
 * Each peer has one question under way. The endpoints take turns: the next is tried as soon as one
 * is slow, and whichever answers first is the peer's endpoint. A confirmed peer is asked again
 * every minute; mDNS lists a host for over an hour after it was switched off.
 */
#include "core/local.h"

#include "core/endpoint.h"

#include <stdlib.h>

enum {
    CHECK_S = 60,    /* between two checks of a confirmed peer */
    AGAIN_MS = 2000, /* after a round without an answer, doubled up to CHECK_S */
    SPREAD_MS = 10,  /* between two peers when all are asked */
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
    uint64_t most = CHECK_S * KITH_NS_PER_S;
    for (uint32_t i = 1; i < local->failures && wait < most; i++) {
        wait *= 2;
    }
    return wait < most ? wait : most;
}

/* Tries the next endpoint; after the last one the round is over. */
static void advance(struct kith_local *local, uint64_t now) {
    local->next++;
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
        local->confirmed = true;
        local->endpoint = rpc->node.endpoint;
        local->seen = event->now;
        local->next = 0;
        local->failures = 0;
        set_timer(local, CHECK_S * KITH_NS_PER_S, event->now);
        return;
    case KITH_RPC_SLOW:
        kith_rpc_detach(rpc); /* its answer still feeds the tables */
        break;
    case KITH_RPC_ERROR:
    case KITH_RPC_STALE:
    case KITH_RPC_TIMEOUT:
        break;
    }
    local->rpc = NULL;
    advance(local, event->now);
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
    struct kith_request request = kith_swarm_request(locals->swarm, KITH_METHOD_FIND);
    request.target = locals->swarm->own_id;
    if (kith_swarm_ask(locals->swarm, &node, &request, KITH_ASK_QUIET, on_answer, local, now,
                       &local->rpc) < 0) {
        local->rpc = NULL;
        advance(local, now);
    }
}

static void on_timer(struct kith_timer *timer, uint64_t now) {
    struct kith_local *local = kith_container_of(timer, struct kith_local, timer);
    if (local->rpc != NULL) {
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
    }
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
            return KITH_EFULL;
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
    local->next = 0;
    local->failures = 0;
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
        if (entry != NULL &&
            kith_swarm_ask(swarm, &entry->node, &request, 0, NULL, NULL, now, &rpc) < 0) {
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
        local->next = 0;
        local->failures = 0;
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
