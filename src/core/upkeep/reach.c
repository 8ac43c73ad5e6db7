/* SPDX-License-Identifier: MIT */
/*
 * Whether we have sent to an address lately: everybody we talk to is in a session, so the sessions
 * are the memory; no separate list is kept. An initiation from an address without one, or with one
 * that has been silent for longer than any NAT remembers, is from a stranger.
 */
#include "core/upkeep/reach.h"

#include <stdlib.h>

#include "core/base/endpoint.h"

enum {
    FIRST_TEST_S = 15,  /* after the start: joining has filled the tables */
    NEW_NETWORK_S = 2,  /* after a change of the network: helpers know our new address */
    TEST_S = 30,        /* between tests while the answer is open, doubled each time, up to */
    RETEST_S = 600,     /* and once it is known */
    SIGN_S = 5,         /* a third node's ping must come within */
    MAPPING_S = 330,    /* a NAT may let in for so long whom we sent to (RFC 4787: 5 minutes) */
    FAVOUR_PAUSE_S = 1, /* between two pings for others */
    TRIES = 8,          /* random entries looked at for a third node */
    JITTER_PERCENT = 20,
};

static void on_timer(struct kith_timer *timer, uint64_t now);

static void set_timer(struct kith_reach *reach, uint64_t wait_s, uint64_t now) {
    struct kith_env *env = reach->env;
    uint64_t wait = kith_random_jitter(&env->random, wait_s * KITH_NS_PER_S, JITTER_PERCENT);
    int r = kith_timer_set(&env->timers, &reach->timer, on_timer, now + wait);
    (void)r; /* its place in the heap was just freed */
}

int kith_reach_start(struct kith_reach *reach, uint64_t now) {
    if (reach->env->client) {
        return 0; /* a client is in no table anyway */
    }
    return kith_timer_set(&reach->env->timers, &reach->timer, on_timer,
                          now + FIRST_TEST_S * KITH_NS_PER_S);
}

void kith_reach_stop(struct kith_reach *reach) {
    if (reach->env != NULL) {
        kith_timer_stop(&reach->env->timers, &reach->timer);
        for (unsigned i = 0; i < KITH_REACH_PENDING; i++) {
            free(reach->pending[i]);
            reach->pending[i] = NULL;
        }
    }
}

static void set_state(struct kith_reach *reach, enum kith_reachable state, uint64_t now) {
    if (reach->state != state) {
        reach->state = state;
        reach->env->read_only = state == KITH_REACHABLE_NO;
        kith_sessions_set_client(reach->swarm->sessions, reach->env->read_only);
        reach->on_change(reach->context, now);
    }
}

/* Of IPv4, unless nobody is there: being bound to it does not mean that it leads anywhere. */
static struct kith_routing *any_table(const struct kith_reach *reach) {
    struct kith_routing *v4 = reach->swarm->v4;
    struct kith_routing *v6 = reach->swarm->v6;
    return v6 == NULL || (v4 != NULL && kith_routing_count_live(v4) > 0) ? v4 : v6;
}

/* ---- the one who asks ---- */

/* The time for a sign is over. */
static void judge(struct kith_reach *reach, uint64_t now) {
    reach->testing = false;
    if (reach->sign) {
        reach->misses = 0; /* from somebody we know: neither proof nor counter-proof */
    } else if (++reach->misses >= KITH_REACH_MISSES) {
        set_state(reach, KITH_REACHABLE_NO, now);
    }
}

static void on_helped(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_reach *reach = context;
    (void)rpc;
    if (event->outcome == KITH_RPC_RESPONSE && event->response->reached) {
        reach->testing = true;
        set_timer(reach, SIGN_S, event->now);
    }
}

/* Seconds until the next test. In a small network everybody knows everybody, and no test ever says
 * anything: not worth three messages every half a minute. */
static uint64_t pause(const struct kith_reach *reach) {
    if (reach->misses > 0 && reach->misses < KITH_REACH_MISSES) {
        return TEST_S;
    }
    uint64_t wait = TEST_S;
    for (uint32_t i = 0; i < reach->n_tests && wait < RETEST_S; i++) {
        wait *= 2;
    }
    bool known = reach->state != KITH_REACHABLE_UNKNOWN;
    return known || wait > RETEST_S ? RETEST_S : wait;
}

static void on_timer(struct kith_timer *timer, uint64_t now) {
    struct kith_reach *reach = kith_container_of(timer, struct kith_reach, timer);
    if (reach->testing) {
        judge(reach, now);
        set_timer(reach, pause(reach), now);
        return;
    }
    set_timer(reach, pause(reach), now); /* if nobody helps */
    reach->n_tests++;
    const struct kith_entry *helper = kith_routing_sample(any_table(reach));
    if (helper == NULL || helper->failures > 0) {
        return;
    }
    struct kith_request request = kith_swarm_request(reach->swarm, KITH_METHOD_REACH);
    request.family = helper->family;
    struct kith_node_ref node = kith_entry_node(helper);
    struct kith_rpc *rpc;
    reach->sign = false;
    int r =
        kith_swarm_ask(reach->swarm, &node, &request, KITH_ASK_ONCE, on_helped, reach, now, &rpc);
    (void)r; /* the next round asks another */
}

struct stranger {
    const struct kith_endpoint *from;
    bool known;
};

static int is_known(const struct kith_session_info *info, void *user) {
    struct stranger *s = user;
    s->known = s->known || (kith_endpoint_same_ip(&info->endpoint, s->from) &&
                            info->idle_ns < MAPPING_S * KITH_NS_PER_S);
    return s->known;
}

void kith_reach_heard(struct kith_reach *reach, const struct kith_endpoint *from, uint64_t now) {
    reach->sign = true;
    if (reach->env->client || (reach->state == KITH_REACHABLE_YES && reach->misses == 0)) {
        return;
    }
    struct stranger stranger = {.from = from};
    kith_sessions_each(reach->swarm->sessions, now, is_known, &stranger);
    if (!stranger.known) {
        reach->misses = 0;
        set_state(reach, KITH_REACHABLE_YES, now);
    }
}

void kith_reach_question(struct kith_reach *reach, uint64_t now) {
    if (reach->env->client) {
        return;
    }
    bool hidden = reach->state == KITH_REACHABLE_NO;
    reach->state = hidden ? KITH_REACHABLE_NO : KITH_REACHABLE_UNKNOWN;
    reach->misses = hidden; /* tests follow each other as long as there is some */
    reach->testing = false;
    reach->n_tests = 0;
    set_timer(reach, NEW_NETWORK_S, now);
}

/* ---- the helper ---- */

static void on_third(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_reach_pending *pending = context;
    struct kith_reach_pending asker = *pending;
    struct kith_reach *reach = asker.owner;
    (void)rpc;
    if (event->outcome == KITH_RPC_SLOW || event->outcome == KITH_RPC_STALE) {
        return;
    }
    bool asked = event->outcome == KITH_RPC_RESPONSE && event->response->reached;
    reach->pending[asker.place] = NULL;
    free(pending);
    reach->answer(reach->context, &asker, asked, event->now);
}

static bool ask_third(struct kith_reach_pending *pending, const struct kith_node_ref *third,
                      uint64_t now) {
    struct kith_reach *reach = pending->owner;
    uint8_t whom[KITH_KEY_SIZE + 18];
    struct kith_writer w = kith_writer(whom, sizeof(whom));
    kith_write_bytes(&w, pending->asker.key.bytes, KITH_KEY_SIZE);
    kith_endpoint_write(&w, &pending->asker.from);
    struct kith_request request = kith_swarm_request(reach->swarm, KITH_METHOD_REACH);
    request.family = pending->asker.from.family;
    request.bytes = kith_span(whom, kith_writer_size(&w));
    struct kith_rpc *rpc;
    return kith_swarm_ask(reach->swarm, third, &request, KITH_ASK_ONCE, on_third, pending, now,
                          &rpc) == 0;
}

/* One more to help; NULL: there are too many, or no memory. */
static struct kith_reach_pending *new_pending(struct kith_reach *reach,
                                              const struct kith_reach_pending *asker) {
    unsigned place = 0;
    while (place < KITH_REACH_PENDING && reach->pending[place] != NULL) {
        place++;
    }
    if (place == KITH_REACH_PENDING) {
        return NULL;
    }
    struct kith_reach_pending *pending = malloc(sizeof(*pending));
    if (pending != NULL) {
        *pending = *asker;
        pending->place = place;
        reach->pending[place] = pending;
    }
    return pending;
}

void kith_reach_help(struct kith_reach *reach, const struct kith_delivery *asker,
                     const struct kith_txn *txn, uint64_t now) {
    struct kith_reach_pending one = {.owner = reach, .asker = *asker, .txn = *txn};
    struct kith_reach_pending *pending = new_pending(reach, &one);
    struct kith_routing *table = kith_swarm_table(reach->swarm, asker->from.family);
    for (unsigned i = 0; table != NULL && pending != NULL && i < TRIES; i++) {
        const struct kith_entry *third = kith_routing_sample(table);
        if (third == NULL || third->failures > 0) {
            continue;
        }
        struct kith_node_ref node = kith_entry_node(third);
        if (kith_endpoint_same_ip(&node.endpoint, &asker->from)) {
            continue;
        }
        if (ask_third(pending, &node, now)) {
            return;
        }
    }
    if (pending != NULL) {
        reach->pending[pending->place] = NULL;
        free(pending);
    }
    reach->answer(reach->context, &one, false, now);
}

/* ---- the third node ---- */

bool kith_reach_favour(struct kith_reach *reach, const struct kith_delivery *helper,
                       struct kith_span whom, uint64_t now) {
    struct kith_node_ref node = {.has_key = true};
    if (whom.size < KITH_KEY_SIZE ||
        (reach->last_favour != 0 && now - reach->last_favour < FAVOUR_PAUSE_S * KITH_NS_PER_S) ||
        !kith_endpoint_read(whom.data + KITH_KEY_SIZE, whom.size - KITH_KEY_SIZE, &node.endpoint) ||
        !kith_endpoint_usable(&node.endpoint) ||
        !kith_endpoint_reaches(&node.endpoint, &helper->from)) {
        return false;
    }
    memcpy(node.key.bytes, whom.data, KITH_KEY_SIZE);
    kith_point_of_node(&node.key, &node.id);
    reach->last_favour = now;
    struct kith_request request = kith_swarm_request(reach->swarm, KITH_METHOD_PING);
    struct kith_rpc *rpc;
    return kith_swarm_ask(reach->swarm, &node, &request,
                          KITH_ASK_ONCE | KITH_ASK_QUIET | KITH_ASK_FRESH, NULL, NULL, now,
                          &rpc) == 0;
}
