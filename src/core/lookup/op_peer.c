/* SPDX-License-Identifier: MIT */
/*
 * Ping and talk: questions to one peer. First the peer is resolved: the key behind a bare endpoint
 * is asked for (who), the endpoint behind a bare key is looked up (op_get.c). Then the rounds.
 *
 * A talk is sent once, since the peer may act on it. A session that the peer has lost (it was
 * restarted) would swallow it, this time and every time; so over an old session a ping goes first,
 * which is repeated and makes a new session where it must.
 */
#include "core/lookup/op.h"

#include "core/base/endpoint.h"

enum {
    PING_PAUSE_MS = 100, /* between an answer and the next ping */
    WHO_RETRY_MS = 700,
    WHO_TRIES = 4,
};

static void next_round(struct kith_op *op, uint64_t now);

static void on_again(struct kith_timer *timer, uint64_t now) {
    next_round(kith_container_of(timer, struct kith_op, again), now);
}

static void round_over(struct kith_op *op, int status, uint64_t rtt_ns, uint64_t now) {
    kith_op_report_pong(op, op->rounds++, status, rtt_ns, now);
    op->lost += status != 0;
    op->extra_answered += status == 0;
    op->result.acks += status == 0;
    op->result.asked++;
    if (op->rounds >= op->query.n) {
        op->result.rtt_ns = rtt_ns;
        kith_op_finish(op, op->result.acks > 0 ? 0 : KITH_ETIMEOUT, false, now);
        return;
    }
    int r = kith_timer_set(&op->ops->env->timers, &op->again, on_again,
                           now + PING_PAUSE_MS * KITH_NS_PER_MS);
    if (r < 0) {
        kith_op_finish(op, r, false, now);
    }
}

/* Goes on to the next endpoint of the record that told where the peer is; false: there is none. */
static bool try_elsewhere(struct kith_op *op) {
    struct kith_peer peer;
    if (op->rounds > 0 || kith_peer_from_record(&op->best, &peer) < 0) {
        return false;
    }
    uint32_t at = 0;
    while (at < peer.n_endpoints && !kith_endpoint_equal(&peer.endpoints[at], &op->peer.endpoint)) {
        at++;
    }
    while (++at < peer.n_endpoints) {
        if (kith_swarm_table(op->ops->swarm, peer.endpoints[at].family) != NULL) {
            op->peer.endpoint = peer.endpoints[at];
            return true;
        }
    }
    return false;
}

static void on_ping(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_op *op = context;
    switch (event->outcome) {
    case KITH_RPC_RESPONSE:
    case KITH_RPC_ERROR: /* whatever it says, it is there */
        op->direct = NULL;
        round_over(op, 0, event->rtt_ns, event->now);
        break;
    case KITH_RPC_TIMEOUT:
        op->direct = NULL;
        if (try_elsewhere(op)) {
            kith_op_peer_resolved(op, event->now);
        } else {
            round_over(op, KITH_ETIMEOUT, 0, event->now);
        }
        break;
    case KITH_RPC_LATE:
    case KITH_RPC_SLOW:
    case KITH_RPC_STALE:
        break;
    }
}

static int talk_failure(const struct kith_wire_failure *failure) {
    return failure->code == KITH_WIRE_METHOD_UNKNOWN ? KITH_EUNSUPPORTED : KITH_EREFUSED;
}

static void on_talk(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_op *op = context;
    char text[96];
    switch (event->outcome) {
    case KITH_RPC_RESPONSE:
        op->direct = NULL;
        op->result.bytes = event->response->bytes.data;
        op->result.bytes_size = event->response->bytes.size;
        op->result.rtt_ns = event->rtt_ns;
        kith_op_finish(op, 0, false, event->now);
        break;
    case KITH_RPC_ERROR: {
        op->direct = NULL;
        size_t size = event->failure->text.size;
        size = size < sizeof(text) ? size : sizeof(text) - 1;
        if (size > 0) {
            memcpy(text, event->failure->text.data, size);
        }
        text[size] = '\0';
        op->result.text = text;
        kith_op_finish(op, talk_failure(event->failure), false, event->now);
        break;
    }
    case KITH_RPC_TIMEOUT:
        op->direct = NULL;
        kith_op_finish(op, KITH_ETIMEOUT, false, event->now);
        break;
    case KITH_RPC_LATE:
    case KITH_RPC_SLOW:
    case KITH_RPC_STALE:
        break;
    }
}

static void next_round(struct kith_op *op, uint64_t now) {
    struct kith_swarm *swarm = kith_op_swarm_of(op, &op->peer.endpoint);
    bool talk = op->kind == KITH_QUERY_TALK;
    struct kith_request request = {.method = KITH_METHOD_PING};
    if (swarm != NULL) {
        request = kith_swarm_request(swarm, talk ? KITH_METHOD_TALK : KITH_METHOD_PING);
    }
    if (talk) {
        request.protocol = kith_span_text(op->protocol);
        request.bytes = kith_span(op->value, op->query.value_size);
    }
    unsigned flags = talk ? KITH_ASK_ONCE : 0;
    int r = swarm == NULL ? KITH_ENO_NETWORK
                          : kith_swarm_ask(swarm, &op->peer, &request, flags,
                                           talk ? on_talk : on_ping, op, now, &op->direct);
    op->extra_messages += r == 0;
    if (r < 0) {
        op->direct = NULL;
        kith_op_finish(op, r, false, now);
    }
}

static void on_greeted(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_op *op = context;
    switch (event->outcome) {
    case KITH_RPC_RESPONSE:
    case KITH_RPC_ERROR:
        op->direct = NULL;
        op->extra_answered++;
        next_round(op, event->now);
        break;
    case KITH_RPC_TIMEOUT:
        op->direct = NULL;
        if (try_elsewhere(op)) {
            kith_op_peer_resolved(op, event->now);
        } else {
            kith_op_finish(op, KITH_ETIMEOUT, false, event->now);
        }
        break;
    case KITH_RPC_LATE:
    case KITH_RPC_SLOW:
    case KITH_RPC_STALE:
        break;
    }
}

/* Finds out whether the peer still has the session. */
static void greet(struct kith_op *op, uint64_t now) {
    struct kith_swarm *swarm = op->ops->swarm;
    struct kith_request request = kith_swarm_request(swarm, KITH_METHOD_PING);
    int r = kith_swarm_ask(swarm, &op->peer, &request, 0, on_greeted, op, now, &op->direct);
    op->extra_messages += r == 0;
    if (r < 0) {
        op->direct = NULL;
        kith_op_finish(op, r, false, now);
    }
}

void kith_op_peer_resolved(struct kith_op *op, uint64_t now) {
    op->result.contact = (struct kith_contact){
        .has_key = op->peer.has_key, .key = op->peer.key, .endpoint = op->peer.endpoint};
    if (op->peer.has_key && kith_key_equal(&op->peer.key, &op->ops->env->identity.key)) {
        op->result.text = "that is this node's own key";
        kith_op_finish(op, KITH_EINVALID, false, now);
        return;
    }
    struct kith_peer told; /* by its record: where of several places it is, a ping finds out */
    bool unsure = kith_peer_from_record(&op->best, &told) == 0 && told.n_endpoints > 1;
    if (op->kind == KITH_QUERY_TALK &&
        (unsure || kith_sessions_has(op->ops->sessions, &op->peer.key))) {
        greet(op, now);
    } else {
        next_round(op, now);
    }
}

static void ask_who(struct kith_timer *timer, uint64_t now) {
    struct kith_op *op = kith_container_of(timer, struct kith_op, again);
    if (op->stage++ >= WHO_TRIES) {
        op->result.text = "no answer from that endpoint";
        kith_op_finish(op, KITH_ETIMEOUT, false, now);
        return;
    }
    int r = kith_sessions_who(op->ops->sessions, &op->query.contact.endpoint, now);
    if (r == 0) {
        r = kith_timer_set(&op->ops->env->timers, &op->again, ask_who,
                           now + WHO_RETRY_MS * KITH_NS_PER_MS);
    }
    if (r < 0) {
        kith_op_finish(op, r, false, now);
    }
}

void kith_op_peer_key(struct kith_op *op, const struct kith_key *key,
                      const struct kith_endpoint *endpoint, uint64_t now) {
    if (op->has_peer || op->waiting || op->query.contact.has_key ||
        !kith_endpoint_equal(&op->query.contact.endpoint, endpoint)) {
        return;
    }
    kith_timer_stop(&op->ops->env->timers, &op->again);
    op->peer = (struct kith_node_ref){.key = *key, .has_key = true, .endpoint = *endpoint};
    kith_point_of_node(key, &op->peer.id);
    op->has_peer = true;
    kith_op_peer_resolved(op, now);
}

void kith_op_begin_peer(struct kith_op *op, uint64_t now) {
    const struct kith_contact *contact = &op->query.contact;
    if (op->query.n == 0) {
        op->query.n = 1;
    }
    if (contact->endpoint.family == 0) {
        if (kith_key_equal(&op->query.key, &op->ops->env->identity.key)) {
            op->peer.key = op->query.key;
            op->peer.has_key = true;
            kith_op_peer_resolved(op, now);
            return;
        }
        struct kith_point id;
        kith_point_of_node(&op->query.key, &id);
        const struct kith_entry *entry = kith_swarm_find(op->ops->swarm, &id);
        if (entry == NULL || entry->failures > 0) {
            kith_op_begin_get(op, now);
            return;
        }
        op->peer = kith_entry_node(entry);
        op->has_peer = true;
        kith_op_peer_resolved(op, now);
        return;
    }
    if (op->legs[KITH_LEG_KITH].swarm == NULL) {
        op->peer = (struct kith_node_ref){.any_id = true, .endpoint = contact->endpoint};
        op->has_peer = true;
        kith_op_peer_resolved(op, now);
        return;
    }
    if (!contact->has_key && (op->flags & KITH_FLAG_HAS_KEY) == 0) {
        op->stage = 0;
        ask_who(&op->again, now);
        return;
    }
    op->peer = (struct kith_node_ref){
        .key = contact->has_key ? contact->key : op->query.key,
        .has_key = true,
        .endpoint = contact->endpoint,
    };
    kith_point_of_node(&op->peer.key, &op->peer.id);
    op->has_peer = true;
    kith_op_peer_resolved(op, now);
}
