/* SPDX-License-Identifier: MIT */
/*
 * A swarm ties a dialect, two routing tables and the requests in flight together.
 *
 * What enters the tables is in swarm_admit.c. What leaves them: nodes that stopped answering.
 * Nothing else touches the tables, so a node nobody heard from can never be handed to others.
 */
#include "core/swarm/swarm_internal.h"

#include "core/base/endpoint.h"
#include "core/record/target.h"

/* The part of an answer beside contacts and record: envelope, you, version, seqs. */
enum {
    ANSWER_BASE = 96,
    RECORD_ROOM = 200, /* for a small record, where no more than a few contacts are asked for */
};

/* The largest answer that fits a response to an initiation of full size. */
static const size_t answer_limit = KITH_DATAGRAM_MAX - KITH_SESSION_RESP_OVERHEAD;

struct kith_routing *kith_swarm_table(const struct kith_swarm *swarm, uint8_t family) {
    return family == 4 ? swarm->v4 : family == 6 ? swarm->v6 : NULL;
}

/* Sessions of routing-table peers are the last to be evicted. */
static void on_table_change(void *context, const struct kith_node_ref *node, bool added) {
    struct kith_swarm *swarm = context;
    if (swarm->sessions != NULL && node->has_key) {
        struct kith_routing *other = node->endpoint.family == 4 ? swarm->v6 : swarm->v4;
        bool there = other != NULL && kith_routing_find(other, &node->id) != NULL;
        kith_sessions_pin(swarm->sessions, &node->key, added || there);
    }
    if (swarm->on_tables != NULL) {
        swarm->on_tables(swarm->context);
    }
}

static bool is_banned(const struct kith_swarm *swarm, const struct kith_node_ref *node,
                      uint64_t now) {
    return swarm->is_banned != NULL && swarm->is_banned(swarm->context, node, now);
}

static void transmit(void *context, struct kith_rpc *rpc, bool fresh, uint64_t now) {
    struct kith_swarm *swarm = context;
    if (is_banned(swarm, &rpc->node, now)) {
        return; /* since it was asked first */
    }
    if (swarm->sessions == NULL) {
        if (rpc->attempts == 1 || kith_plain_may_repeat(swarm->plain, &rpc->node.endpoint, now)) {
            kith_plain_ask(swarm->plain, &rpc->node.endpoint, kith_span(rpc->payload, rpc->size));
        }
        return;
    }
    struct kith_send send = {
        .key = rpc->node.key,
        .to = rpc->node.endpoint,
        .payload = kith_span(rpc->payload, rpc->size),
        .early = rpc->method == KITH_METHOD_PING || rpc->method == KITH_METHOD_FIND ||
                 rpc->method == KITH_METHOD_GET || rpc->method == KITH_METHOD_TOPIC,
        .fresh = fresh,
        .answer_hope = rpc->answer_hope,
    };
    /* A datagram that cannot be sent now is like one that was lost: the timeouts deal with it. */
    int r = kith_sessions_send(swarm->sessions, &send, now);
    (void)r;
}

static bool answered_as_full_node(enum kith_method method) {
    return method == KITH_METHOD_FIND || method == KITH_METHOD_GET || method == KITH_METHOD_TOPIC ||
           method == KITH_METHOD_PEERS || method == KITH_METHOD_SAMPLE;
}

static void tell_node(struct kith_swarm *swarm, const struct kith_node_ref *node, bool answered,
                      uint64_t now) {
    if (swarm->on_node != NULL) {
        swarm->on_node(swarm->context, node, answered, now);
    }
}

void kith_swarm_blame(const struct kith_swarm *swarm, const struct kith_node_ref *node,
                      enum kith_book_outcome what, uint64_t now) {
    swarm->env->stats.contradictions += what == KITH_BOOK_CONTRADICTION;
    if (swarm->on_misconduct != NULL) {
        swarm->on_misconduct(swarm->context, node, what, now);
    }
}

/* What the node says of its own peer record. It never goes back: an answer given after a higher seq
 * was told in the same session is a lie about one of the two. Answers that crossed on the way,
 * other sessions (a restart without a disk, a second device) and what others tell prove nothing. */
static void take_own_seq(struct kith_swarm *swarm, struct kith_rpc *rpc,
                         const struct kith_rpc_event *event, uint64_t heard_before) {
    struct kith_routing *table = kith_swarm_table(swarm, rpc->node.endpoint.family);
    struct kith_entry *entry = table == NULL ? NULL : kith_routing_find(table, &rpc->node.id);
    int64_t seq = event->response->own_seq;
    if (entry == NULL) {
        return;
    }
    uint32_t session = (uint32_t)(event->session >> 32);
    if (seq < entry->peer_seq && entry->told_in == session && rpc->first_sent >= heard_before) {
        kith_swarm_blame(swarm, &rpc->node, KITH_BOOK_CONTRADICTION, event->now);
    }
    entry->peer_seq = seq;
    entry->told_in = session;
}

static void on_finished(void *context, struct kith_rpc *rpc, const struct kith_rpc_event *event) {
    struct kith_swarm *swarm = context;
    struct kith_routing *table = kith_swarm_table(swarm, rpc->node.endpoint.family);
    if (event->outcome == KITH_RPC_TIMEOUT) {
        /* It may have lost the session, and a new one that a repeat began, too: next time whoever
         * is asked once only would not hear us. */
        if (swarm->sessions != NULL && !rpc->fresh) {
            kith_sessions_unheard(swarm->sessions, &rpc->node.key, &rpc->node.endpoint);
        }
        if (rpc->quiet) {
            return;
        }
        if (rpc->first_sent >= swarm->forgiven) {
            kith_swarm_note_silence(swarm, &rpc->node, event->now);
        }
        if (kith_swarm_entry_at(swarm, &rpc->node) != NULL) {
            kith_routing_failed(table, &rpc->node.id, event->now);
        }
        tell_node(swarm, &rpc->node, false, event->now);
        return;
    }
    if (event->elsewhere) {
        return;
    }
    struct kith_entry *entry = table == NULL ? NULL : kith_routing_find(table, &rpc->node.id);
    uint64_t heard_before = entry == NULL ? 0 : entry->seen;
    bool admit =
        event->outcome == KITH_RPC_RESPONSE && answered_as_full_node(rpc->method) && !rpc->router;
    kith_swarm_refresh_entry(swarm, &rpc->node, admit, event->rtt_ns, event->now);
    const struct kith_response *response = event->response;
    if (response == NULL) {
        return;
    }
    if (admit) {
        tell_node(swarm, &rpc->node, true, event->now);
    }
    if (response->has_own_seq) {
        take_own_seq(swarm, rpc, event, heard_before);
    }
    if (response->has_you && swarm->on_observed != NULL) {
        swarm->on_observed(swarm->context, &rpc->node, &response->you, event->now);
    }
}

static int new_table(struct kith_swarm *swarm, uint8_t family, struct kith_routing **ret) {
    struct kith_routing_config config = {
        .own_id = swarm->own_id,
        .family = family,
        .id_bits = swarm->dialect->id_bits,
        .k = swarm->dialect->k,
        /* A whole swarm may live in one /16, a data centre's: that is only kept from owning tables.
         */
        .per_net_bucket = {1, 255, 255},
        .per_net_table = {KITH_SWARM_PER_NET, 64, 128},
        .id_valid = swarm->sessions == NULL ? kith_target_id_valid : NULL,
        .enforce_ids = swarm->enforce_ids,
        .random = &swarm->env->random,
        .stats = &swarm->env->stats,
        .on_change = on_table_change,
        .context = swarm,
    };
    return kith_routing_new(ret, &config);
}

int kith_swarm_init(struct kith_swarm *swarm, const struct kith_swarm_config *config) {
    *swarm = (struct kith_swarm){
        .env = config->env,
        .dialect = config->dialect,
        .sessions = config->sessions,
        .plain = config->plain,
        .own_id = config->own_id,
        .family = config->family,
        .enforce_ids = config->enforce_ids,
    };
    kith_rpcs_init(&swarm->rpcs, config->env, config->dialect);
    swarm->rpcs.transmit = transmit;
    swarm->rpcs.finished = on_finished;
    swarm->rpcs.context = swarm;
    bool v4 = config->env->has_v4 && config->family != 6;
    bool v6 = config->env->has_v6 && config->family != 4;
    int r = v4 ? new_table(swarm, 4, &swarm->v4) : 0;
    if (r == 0 && v6) {
        r = new_table(swarm, 6, &swarm->v6);
    }
    return r;
}

void kith_swarm_deinit(struct kith_swarm *swarm) {
    if (swarm->env == NULL) {
        return;
    }
    kith_rpcs_deinit(&swarm->rpcs);
    swarm->v4 = kith_routing_free(swarm->v4);
    swarm->v6 = kith_routing_free(swarm->v6);
}

struct moving {
    struct kith_routing *to;
    uint64_t now;
};

static int move_entry(const struct kith_entry *entry, unsigned bucket, bool replacement,
                      void *user) {
    const struct moving *moving = user;
    (void)bucket;
    if (!replacement && entry->failures == 0) {
        struct kith_node_ref node = kith_entry_node(entry);
        int r = kith_routing_answered(moving->to, &node, entry->rtt_us, moving->now);
        (void)r; /* without memory the table starts smaller */
    }
    return 0;
}

int kith_swarm_set_id(struct kith_swarm *swarm, const struct kith_point *id, uint64_t now) {
    struct kith_point before = swarm->own_id;
    struct kith_routing **tables[] = {&swarm->v4, &swarm->v6};
    struct kith_routing *fresh[2] = {NULL, NULL};
    swarm->own_id = *id;
    for (size_t i = 0; i < 2; i++) {
        int r = *tables[i] == NULL ? 0 : new_table(swarm, i == 0 ? 4 : 6, &fresh[i]);
        if (r < 0) {
            swarm->own_id = before;
            kith_routing_free(fresh[0]);
            return r;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        if (*tables[i] != NULL) {
            struct moving moving = {.to = fresh[i], .now = now};
            kith_routing_each(*tables[i], move_entry, &moving);
            kith_routing_free(*tables[i]);
            *tables[i] = fresh[i];
        }
    }
    return 0;
}

struct banned_walk {
    const struct kith_swarm *swarm;
    uint64_t now;
    struct kith_point found;
};

static int find_banned(const struct kith_entry *entry, unsigned bucket, bool replacement,
                       void *user) {
    struct banned_walk *walk = user;
    (void)bucket;
    (void)replacement;
    struct kith_node_ref node = kith_entry_node(entry);
    if (!is_banned(walk->swarm, &node, walk->now)) {
        return 0;
    }
    walk->found = node.id;
    return 1;
}

void kith_swarm_drop_banned(struct kith_swarm *swarm, uint64_t now) {
    struct kith_routing *tables[] = {swarm->v4, swarm->v6};
    for (size_t i = 0; i < 2; i++) {
        struct banned_walk walk = {.swarm = swarm, .now = now};
        while (tables[i] != NULL && kith_routing_each(tables[i], find_banned, &walk) != 0) {
            kith_routing_remove(tables[i], &walk.found);
        }
    }
}

/* Whether this answer is by whom the request went to: over a session its key says so; in the clear
 * the endpoint, beside the random txn, is all there is. */
static bool from_whom_was_asked(const struct kith_swarm *swarm, const struct kith_rpc *rpc,
                                const struct kith_delivery *delivery) {
    if (swarm->sessions != NULL) {
        return kith_key_equal(&rpc->node.key, &delivery->key);
    }
    return rpc->attempts > 0 && kith_endpoint_equal(&rpc->node.endpoint, &delivery->from);
}

/* Ids are claims in Mainline. Learns that of a node known by its endpoint only. Returns whether the
 * answerer is the node that was asked: one that calls itself otherwise has replaced it, and one
 * with our own id is ourselves or a liar. */
static bool check_id(struct kith_swarm *swarm, struct kith_rpc *rpc,
                     const struct kith_message *message) {
    if (swarm->sessions != NULL || !message->has_id) {
        return true;
    }
    bool ours = kith_point_equal(&message->id, &swarm->own_id);
    if (rpc->node.any_id && !ours) {
        rpc->node.any_id = false;
        rpc->node.id = message->id;
        return true;
    }
    if (!ours && kith_point_equal(&message->id, &rpc->node.id)) {
        return true;
    }
    swarm->env->stats.bad_ids++;
    if (kith_swarm_entry_at(swarm, &rpc->node) != NULL) {
        kith_routing_remove(kith_swarm_table(swarm, rpc->node.endpoint.family), &rpc->node.id);
    }
    return false;
}

/* Nobody is among the contacts that it tells of, least of all at another place than it speaks from.
 * Without keys nobody can tell. */
static bool is_elsewhere(const struct kith_response *response,
                         const struct kith_delivery *delivery) {
    for (uint32_t i = 0; i < response->n_contacts; i++) {
        const struct kith_node_ref *contact = &response->contacts[i];
        if (kith_key_equal(&contact->key, &delivery->key) &&
            contact->endpoint.family == delivery->from.family &&
            !kith_endpoint_equal(&contact->endpoint, &delivery->from)) {
            return true;
        }
    }
    return false;
}

static void receive_answer(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                           struct kith_message *message, uint64_t now) {
    static const struct kith_wire_failure other_id = {.code = KITH_WIRE_PROTOCOL};
    struct kith_stats *stats = &swarm->env->stats;
    uint8_t sending;
    struct kith_rpc *rpc = kith_rpcs_find(&swarm->rpcs, &message->txn, &sending);
    if (rpc == NULL || !from_whom_was_asked(swarm, rpc, delivery)) {
        stats->drop_unmatched++;
        return;
    }
    bool same = check_id(swarm, rpc, message);
    /* A host with several addresses may answer from another than it was asked at: the session and
     * the txn tell whose answer it is, the endpoint whether it proves the one that was asked. */
    struct kith_rpc_event event = {
        .now = now,
        .session = delivery->session,
        .sending = sending,
        .elsewhere = !same || !kith_endpoint_equal(&delivery->from, &rpc->node.endpoint),
    };
    if (!same) {
        event.outcome = KITH_RPC_ERROR;
        event.failure = &other_id;
    } else if (message->kind == KITH_MESSAGE_RESPONSE) {
        stats->responses_received++;
        if (swarm->sessions != NULL && is_elsewhere(&message->u.response, delivery)) {
            kith_swarm_blame(swarm, &rpc->node, KITH_BOOK_CONTRADICTION, now);
        }
        kith_swarm_keep_usable(swarm, &message->u.response, &delivery->from,
                               swarm->sessions != NULL && rpc->method != KITH_METHOD_EXCHANGE);
        event.outcome = KITH_RPC_RESPONSE;
        event.response = &message->u.response;
    } else {
        stats->errors_received++;
        event.outcome = KITH_RPC_ERROR;
        event.failure = &message->u.failure;
    }
    kith_rpcs_finish(&swarm->rpcs, rpc, &event);
}

static void receive_request(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                            const struct kith_message *message, int decoded, uint64_t now) {
    if (decoded == KITH_DECODE_METHOD_UNKNOWN || decoded == KITH_DECODE_ARGS_INVALID) {
        static const char unknown[] = "unknown method";
        static const char invalid[] = "missing or invalid argument";
        bool is_unknown = decoded == KITH_DECODE_METHOD_UNKNOWN;
        struct kith_wire_failure failure = {
            .code = is_unknown ? KITH_WIRE_METHOD_UNKNOWN : KITH_WIRE_PROTOCOL,
            .text = kith_span_text(is_unknown ? unknown : invalid),
        };
        kith_swarm_answer(swarm, delivery, &message->txn, NULL, &failure, now);
        return;
    }
    if (swarm->sessions == NULL) {
        kith_swarm_verify_asker(swarm, delivery, message, now);
    } else {
        kith_swarm_admit_asker(swarm, delivery, message->u.request.read_only, now);
    }
    swarm->on_request(swarm->context, delivery, message, now);
}

static void receive_message(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                            struct kith_message *message, int decoded, uint64_t now) {
    switch (message->kind) {
    case KITH_MESSAGE_REQUEST:
        receive_request(swarm, delivery, message, decoded, now);
        break;
    case KITH_MESSAGE_RESPONSE:
    case KITH_MESSAGE_ERROR:
        if (delivery->kind == KITH_DELIVERY_INITIATION) {
            swarm->env->stats.drop_malformed++;
        } else {
            receive_answer(swarm, delivery, message, now);
        }
        break;
    case KITH_MESSAGE_PUSH:
        if (decoded == 0 && swarm->on_push != NULL) { /* unknown ones are ignored */
            swarm->on_push(swarm->context, delivery, &message->u.request, now);
        }
        break;
    }
}

void kith_swarm_receive(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                        uint64_t now) {
    if (delivery->payload.size == 0) {
        /* Only a proof of address; clients do not send it. */
        if (delivery->confirmed_now) {
            kith_swarm_admit_asker(swarm, delivery, false, now);
        }
        return;
    }
    struct kith_message message;
    int r = swarm->dialect->decode(swarm->env->codec, delivery->from.family, delivery->payload,
                                   &message);
    if (r < 0) {
        swarm->env->stats.drop_malformed++;
        return;
    }
    receive_message(swarm, delivery, &message, r, now);
}

void kith_swarm_receive_plain(struct kith_swarm *swarm, const struct kith_endpoint *from,
                              struct kith_span bytes, uint64_t now) {
    struct kith_node_ref node = {.endpoint = *from};
    struct kith_message message;
    int r = swarm->dialect->decode(NULL, from->family, bytes, &message);
    if (r < 0) {
        swarm->env->stats.drop_malformed++;
        return;
    }
    node.id = message.id;
    struct kith_delivery delivery = {
        .kind = KITH_DELIVERY_PLAIN,
        .from = *from,
        .payload = bytes,
        .allowance = {.answer = true,
                      .proven = message.has_id && kith_swarm_entry_at(swarm, &node) != NULL,
                      .question_size = bytes.size},
        .answer_max = swarm->dialect->datagram_max,
    };
    receive_message(swarm, &delivery, &message, r, now);
}

/* What an answer to this request may need, so that an initiation is padded to let it fit. */
static size_t hope(const struct kith_swarm *swarm, const struct kith_request *request) {
    size_t n = request->n < swarm->dialect->k ? request->n : swarm->dialect->k;
    size_t contacts = n * ((request->want_v4 ? 38u : 0u) + (request->want_v6 ? 50u : 0u));
    switch (request->method) {
    case KITH_METHOD_FIND:
    case KITH_METHOD_EXCHANGE:
        return ANSWER_BASE + contacts < answer_limit ? ANSWER_BASE + contacts : answer_limit;
    case KITH_METHOD_GET:
        return n < swarm->dialect->k ? ANSWER_BASE + RECORD_ROOM + contacts : answer_limit;
    case KITH_METHOD_TOPIC:
        return answer_limit;
    case KITH_METHOD_PING:
    case KITH_METHOD_PUT:
    case KITH_METHOD_ANNOUNCE:
    case KITH_METHOD_REACH:
    case KITH_METHOD_TALK:
    case KITH_METHOD_ARRIVE:
    case KITH_METHOD_PEERS:
    case KITH_METHOD_ANNOUNCE_PEER:
    case KITH_METHOD_SAMPLE:
        break;
    }
    return ANSWER_BASE;
}

bool kith_swarm_can_ask(const struct kith_swarm *swarm, const struct kith_node_ref *node) {
    return (node->has_key || swarm->sessions == NULL) &&
           kith_swarm_table(swarm, node->endpoint.family) != NULL;
}

int kith_swarm_ask(struct kith_swarm *swarm, const struct kith_node_ref *node,
                   const struct kith_request *request, unsigned flags, kith_rpc_fn fn,
                   void *context, uint64_t now, struct kith_rpc **ret) {
    if (!kith_swarm_can_ask(swarm, node)) {
        return KITH_EINVALID;
    }
    if (is_banned(swarm, node, now)) {
        return KITH_EREFUSED;
    }
    uint8_t payload[KITH_WIRE_MAX];
    size_t max = swarm->sessions != NULL ? KITH_DATAGRAM_MAX - KITH_SESSION_DATA_OVERHEAD
                                         : swarm->dialect->datagram_max;
    uint32_t id = kith_rpcs_new_txn(&swarm->rpcs);
    struct kith_txn txn = {
        .size = KITH_TXN_SIZE,
        .bytes = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id},
    };
    size_t size;
    struct kith_sender sender = {.id = &swarm->own_id, .family = node->endpoint.family};
    int r = swarm->dialect->encode_request(&sender, &txn, request, payload, max, &size);
    if (r < 0) {
        return r;
    }
    uint64_t delay =
        swarm->sessions != NULL ? 0 : kith_plain_reserve(swarm->plain, &node->endpoint, now);
    if (delay == KITH_NEVER) {
        return KITH_EFULL;
    }
    struct kith_entry *entry = kith_swarm_entry_at(swarm, node);
    bool thrifty = (flags & KITH_ASK_THRIFTY) != 0;
    bool doubtful = thrifty && swarm->sessions != NULL && (entry == NULL || entry->failures > 0);
    struct kith_rpc_start start = {
        .node = node,
        .method = request->method,
        .txn = id,
        .payload = kith_span(payload, size),
        .answer_hope = thrifty ? 0 : hope(swarm, request),
        .peer_rtt_us = entry == NULL ? 0 : entry->rtt_us,
        .delay_ns = delay,
        .once = (flags & KITH_ASK_ONCE) != 0 || (doubtful && kith_rpcs_hears(&swarm->rpcs)),
        .quiet = (flags & (KITH_ASK_QUIET | KITH_ASK_ONCE)) != 0,
        .fresh = (flags & KITH_ASK_FRESH) != 0,
        .hedged = (flags & KITH_ASK_HEDGED) != 0,
        .router = (flags & KITH_ASK_ROUTER) != 0,
        .fn = fn,
        .context = context,
    };
    if (entry != NULL) {
        entry->asked = now;
    }
    return kith_rpcs_start(&swarm->rpcs, &start, now, ret);
}

struct answer {
    const struct kith_delivery *delivery;
    const struct kith_txn *txn;
    const struct kith_response *response;
    const struct kith_wire_failure *failure; /* if there is no response */
};

static int encode_answer(const struct kith_swarm *swarm, const struct answer *a, uint8_t *out,
                         size_t max, size_t *ret_size) {
    const struct kith_dialect *dialect = swarm->dialect;
    const struct kith_endpoint *to = &a->delivery->from;
    struct kith_sender sender = {.id = &swarm->own_id, .family = to->family, .you = to};
    return a->response != NULL
               ? dialect->encode_response(&sender, a->txn, a->response, out, max, ret_size)
               : dialect->encode_error(&sender, a->txn, a->failure, out, max, ret_size);
}

void kith_swarm_answer(struct kith_swarm *swarm, const struct kith_delivery *delivery,
                       const struct kith_txn *txn, const struct kith_response *response,
                       const struct kith_wire_failure *failure, uint64_t now) {
    uint8_t payload[KITH_WIRE_MAX];
    size_t max = delivery->answer_max < sizeof(payload) ? delivery->answer_max : sizeof(payload);
    size_t size;
    if ((response == NULL || !response->has_record) && max > swarm->dialect->answer_max) {
        max = swarm->dialect->answer_max;
    }
    struct kith_stats *stats = &swarm->env->stats;
    struct answer answer = {delivery, txn, response, failure};
    int r = encode_answer(swarm, &answer, payload, max, &size);
    if (r == 0 && swarm->sessions == NULL) {
        size_t granted = kith_plain_grant(swarm->plain, delivery, size, now);
        r = granted < size ? encode_answer(swarm, &answer, payload, granted, &size) : 0;
        if (r == 0) {
            kith_plain_answer(swarm->plain, delivery, kith_span(payload, size), granted);
        }
    } else if (r == 0) {
        r = kith_sessions_answer(swarm->sessions, delivery, kith_span(payload, size), now);
    }
    if (r < 0) {
        return; /* does not fit what the asker may be sent, or its session is gone: it asks again */
    }
    stats->requests_served += response != NULL;
    stats->errors_sent += response == NULL;
}

struct kith_entry *kith_swarm_find(const struct kith_swarm *swarm, const struct kith_point *id) {
    struct kith_entry *entry = swarm->v4 == NULL ? NULL : kith_routing_find(swarm->v4, id);
    if (entry == NULL && swarm->v6 != NULL) {
        entry = kith_routing_find(swarm->v6, id);
    }
    return entry;
}

size_t kith_swarm_closest(const struct kith_swarm *swarm, const struct kith_point *target, size_t n,
                          const struct kith_entry **out) {
    enum { EACH_MAX = 64 };
    const struct kith_entry *a[EACH_MAX];
    const struct kith_entry *b[EACH_MAX];
    n = n < EACH_MAX ? n : EACH_MAX;
    size_t n_a = swarm->v4 == NULL ? 0 : kith_routing_closest(swarm->v4, target, n, true, a);
    size_t n_b = swarm->v6 == NULL ? 0 : kith_routing_closest(swarm->v6, target, n, true, b);
    size_t i = 0;
    size_t j = 0;
    size_t count = 0;
    while (count < n && (i < n_a || j < n_b)) {
        int order = i == n_a ? 1 : j == n_b ? -1 : kith_entry_compare(target, a[i], b[j]);
        out[count++] = order <= 0 ? a[i] : b[j];
        i += order <= 0;
        j += order >= 0; /* the same node in both tables counts once */
    }
    return count;
}

struct kith_request kith_swarm_request(const struct kith_swarm *swarm, enum kith_method method) {
    return (struct kith_request){
        .method = method,
        .read_only = swarm->env->client || swarm->read_only ||
                     (swarm->sessions != NULL && swarm->env->read_only),
        .want_v4 = swarm->v4 != NULL,
        .want_v6 = swarm->v6 != NULL,
        .n = swarm->dialect->k,
    };
}
