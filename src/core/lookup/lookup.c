/* SPDX-License-Identifier: MIT */
/*
 * The lookup engine's common part: starting, reporting, ending. What each kind of question does in
 * between is in op_get.c, op_put.c, op_find.c and op_peer.c; all of them walk with core/walk.
 *
 * An op is told DONE exactly once. Its event is allocated when it starts, so that even without
 * memory the application hears the end. An op that finds no live contact waits for one a bounded
 * time, as long as joining may still succeed: a short-lived node asks before it has joined.
 */
#include "core/lookup/op.h"

#include "core/base/endpoint.h"

#include <stdlib.h>

void kith_ops_init(struct kith_ops *ops) {
    kith_list_init(&ops->running);
    ops->next_id = 1;
}

static void on_deadline(struct kith_timer *timer, uint64_t now);
static void on_wait_over(struct kith_timer *timer, uint64_t now);

static int copy_query(struct kith_op *op, const struct kith_query *query) {
    op->query = *query;
    op->kind = query->kind;
    op->flags = query->flags;
    op->salt_size = query->salt_size;
    memcpy(op->salt, query->salt, query->salt_size);
    if (query->value_size > 0) {
        op->value = malloc(query->value_size);
        if (op->value == NULL) {
            return KITH_ENOMEM;
        }
        memcpy(op->value, query->value, query->value_size);
        op->query.value = op->value;
    }
    if (query->record != NULL) {
        op->record = malloc(sizeof(*op->record));
        if (op->record == NULL) {
            return KITH_ENOMEM;
        }
        *op->record = *query->record;
        op->query.record = op->record;
    }
    if (query->protocol != NULL) {
        size_t size = strlen(query->protocol);
        memcpy(op->protocol, query->protocol, size + 1);
        op->query.protocol = op->protocol;
    }
    return 0;
}

static void free_leg(struct kith_leg *leg) {
    kith_leg_deinit_walks(leg);
    for (uint32_t i = 0; i < leg->n_targets; i++) {
        if (leg->targets[i].rpc != NULL) {
            kith_rpc_detach(leg->targets[i].rpc);
        }
    }
}

static struct kith_op *free_op(struct kith_op *op) {
    struct kith_timers *timers = &op->ops->env->timers;
    kith_timer_stop(timers, &op->deadline);
    kith_timer_stop(timers, &op->again);
    if (op->direct != NULL) {
        kith_rpc_detach(op->direct);
    }
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        free_leg(&op->legs[i]);
    }
    kith_event_box_free(op->done);
    free(op->seen);
    free(op->seen_endpoints);
    free(op->seen_from);
    free(op->held_records);
    free(op->held_endpoints);
    free(op->filters);
    free(op->value);
    free(op->record);
    free(op);
    return NULL;
}

void kith_ops_deinit(struct kith_ops *ops) {
    struct kith_list *l;
    while (ops->env != NULL && (l = kith_list_first(&ops->running)) != NULL) {
        struct kith_op *op = kith_container_of(l, struct kith_op, all);
        kith_list_remove(&op->all);
        free_op(op);
    }
}

/* What names Mainline while it is off is refused: elsewhere is not what was asked for. */
static bool is_off(const struct kith_op *op) {
    return !op->internal && op->query.swarms != 0 &&
           (kith_query_swarms(&op->query, op->ops->is_private) & KITH_SWARM_MAINLINE) != 0 &&
           !kith_op_in_mainline(op);
}

static void begin(struct kith_op *op, uint64_t now) {
    if (is_off(op)) {
        op->result.text = "Mainline is off";
        kith_op_finish(op, KITH_EUNSUPPORTED, false, now);
        return;
    }
    switch (op->kind) {
    case KITH_QUERY_LOOKUP:
    case KITH_QUERY_GET:
    case KITH_QUERY_TRACE:
    case KITH_QUERY_WATCH:
        kith_op_begin_get(op, now);
        return;
    case KITH_QUERY_PUT:
    case KITH_QUERY_ANNOUNCE:
    case KITH_QUERY_UNANNOUNCE:
        kith_op_begin_put(op, now);
        return;
    case KITH_QUERY_FIND:
        kith_op_begin_find(op, now);
        return;
    case KITH_QUERY_PING:
    case KITH_QUERY_TALK:
        kith_op_begin_peer(op, now);
        return;
    case KITH_QUERY_PEERS:
    case KITH_QUERY_ANNOUNCE_PEER:
    case KITH_QUERY_SAMPLE:
        kith_op_begin_torrent(op, now);
        return;
    }
}

static void init_legs(struct kith_op *op, const struct kith_swarm *only) {
    struct kith_ops *ops = op->ops;
    uint32_t swarms = only != NULL ? KITH_SWARM_KITH | KITH_SWARM_MAINLINE
                                   : kith_query_swarms(&op->query, ops->is_private);
    struct kith_swarm *of[KITH_LEGS] = {NULL};
    of[KITH_LEG_KITH] = (swarms & KITH_SWARM_KITH) != 0 ? ops->swarm : NULL;
    for (unsigned i = 0; i < 2 && (swarms & KITH_SWARM_MAINLINE) != 0; i++) {
        of[KITH_LEG_MAINLINE4 + i] = ops->mainline[i];
    }
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        op->legs[i].op = op;
        op->legs[i].swarm = only == NULL || only == of[i] ? of[i] : NULL;
    }
}

/* The swarms (KITH_SWARM_*) that the op has a part in and no live contact yet. What is stored in
 * several waits for each of them; a question can do with one. */
static uint32_t missing_swarms(const struct kith_op *op) {
    uint32_t wanted = 0;
    uint32_t live = 0;
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        const struct kith_swarm *swarm = op->legs[i].swarm;
        uint32_t which = i == KITH_LEG_KITH ? KITH_SWARM_KITH : KITH_SWARM_MAINLINE;
        wanted |= swarm != NULL ? which : 0;
        live |= swarm != NULL && kith_swarm_count_live(swarm) > 0 ? which : 0;
    }
    return live == 0 || op->kind == KITH_QUERY_PUT ? wanted & ~live : 0;
}

static bool must_wait(const struct kith_op *op, uint64_t now) {
    const struct kith_ops *ops = op->ops;
    bool needs_contact =
        op->kind != KITH_QUERY_UNANNOUNCE && op->query.contact.endpoint.family == 0;
    uint32_t missing = op->internal || !needs_contact ? 0 : missing_swarms(op);
    return missing != 0 && (missing & ops->may_join(ops->context, now)) != 0;
}

static int new_op(struct kith_ops *ops, const struct kith_swarm *only,
                  const struct kith_query *query, bool internal, uint64_t now,
                  struct kith_op **ret) {
    int r = kith_query_check(query);
    if (r < 0) {
        return r;
    }
    struct kith_op *op = calloc(1, sizeof(*op));
    if (op == NULL) {
        return KITH_ENOMEM;
    }
    op->ops = ops;
    op->internal = internal;
    op->started = now;
    op->newest_seen = -1;
    r = copy_query(op, query);
    init_legs(op, only);
    if (r == 0 && !internal) {
        op->done = kith_event_box_new();
        r = op->done == NULL ? KITH_ENOMEM : 0;
    }
    if (r == 0 && query->kind != KITH_QUERY_WATCH) {
        uint64_t timeout =
            query->timeout_ns != 0 ? query->timeout_ns : KITH_OP_TIMEOUT_S * KITH_NS_PER_S;
        uint64_t deadline = timeout < KITH_NEVER - now ? now + timeout : KITH_NEVER;
        r = kith_timer_set(&ops->env->timers, &op->deadline, on_deadline, deadline);
    }
    if (r < 0) {
        free_op(op);
        return r;
    }
    op->id = ops->next_id++;
    op->result.op = op->id;
    op->result.query = op->kind;
    kith_list_append(&ops->running, &op->all);
    ops->n += !internal;
    *ret = op;
    return 0;
}

int kith_ops_start(struct kith_ops *ops, const struct kith_query *query, uint64_t now,
                   uint64_t *ret_op) {
    if (ops->n >= ops->n_max) {
        return KITH_EFULL;
    }
    struct kith_op *op;
    int r = new_op(ops, NULL, query, false, now, &op);
    if (r < 0) {
        return r;
    }
    *ret_op = op->id;
    if (must_wait(op, now) && kith_timer_set(&ops->env->timers, &op->again, on_wait_over,
                                             now + KITH_JOIN_WAIT_S * KITH_NS_PER_S) == 0) {
        op->waiting = true;
        ops->n_waiting++;
        return 0;
    }
    begin(op, now);
    return 0;
}

int kith_ops_start_internal(struct kith_ops *ops, const struct kith_swarm *only,
                            const struct kith_query *query,
                            void (*on_end)(struct kith_op *, int, uint64_t, void *), void *context,
                            uint64_t now) {
    struct kith_op *op;
    int r = new_op(ops, only, query, true, now, &op);
    if (r < 0) {
        return r;
    }
    op->on_end = on_end;
    op->on_end_context = context;
    begin(op, now);
    return 0;
}

int kith_ops_start_repair(struct kith_ops *ops, const struct kith_record *record, uint64_t expires,
                          void (*on_end)(struct kith_op *, int, uint64_t, void *), void *context,
                          uint64_t now) {
    struct kith_query query = {.kind = KITH_QUERY_PUT,
                               .flags = KITH_FLAG_HAS_RECORD | KITH_FLAG_FORGET,
                               .swarms = KITH_SWARM_KITH,
                               .record = record};
    struct kith_op *op;
    int r = new_op(ops, NULL, &query, true, now, &op);
    if (r < 0) {
        return r;
    }
    op->expires = expires;
    op->on_end = on_end;
    op->on_end_context = context;
    begin(op, now);
    return 0;
}

static void stop_waiting(struct kith_op *op) {
    if (op->waiting) {
        op->waiting = false;
        op->ops->n_waiting--;
        kith_timer_stop(&op->ops->env->timers, &op->again);
    }
}

static void on_wait_over(struct kith_timer *timer, uint64_t now) {
    struct kith_op *op = kith_container_of(timer, struct kith_op, again);
    stop_waiting(op);
    begin(op, now); /* finds nobody and says so */
}

void kith_ops_wake(struct kith_ops *ops, uint64_t now) {
    /* Beginning an op may end it, but no other one: take the waiting ones from the front. */
    struct kith_list *l = kith_list_first(&ops->running);
    while (l != NULL && ops->n_waiting > 0) {
        struct kith_list *next = kith_list_next(&ops->running, l);
        struct kith_op *op = kith_container_of(l, struct kith_op, all);
        if (op->waiting && !must_wait(op, now)) {
            stop_waiting(op);
            begin(op, now);
        }
        l = next;
    }
}

void kith_ops_cancel(struct kith_ops *ops, uint64_t id, uint64_t now) {
    struct kith_list *l = kith_list_first(&ops->running);
    for (; l != NULL; l = kith_list_next(&ops->running, l)) {
        struct kith_op *op = kith_container_of(l, struct kith_op, all);
        if (op->id == id && !op->internal && !op->told) {
            kith_op_finish(op, KITH_ECANCELED, false, now);
            return;
        }
    }
}

void kith_ops_peer_key(struct kith_ops *ops, const struct kith_key *key,
                       const struct kith_endpoint *endpoint, uint64_t now) {
    struct kith_list *l = kith_list_first(&ops->running);
    while (l != NULL) {
        struct kith_list *next = kith_list_next(&ops->running, l);
        struct kith_op *op = kith_container_of(l, struct kith_op, all);
        if (!op->told && (op->kind == KITH_QUERY_PING || op->kind == KITH_QUERY_TALK)) {
            kith_op_peer_key(op, key, endpoint, now);
        }
        l = next;
    }
}

void kith_ops_local(struct kith_ops *ops, const struct kith_local *local, uint64_t now) {
    struct kith_list *l = kith_list_first(&ops->running);
    for (; l != NULL; l = kith_list_next(&ops->running, l)) {
        struct kith_op *op = kith_container_of(l, struct kith_op, all);
        if (!op->told && !op->waiting) {
            kith_op_local(op, local, now);
        }
    }
}

/* ---- reporting ---- */

static struct kith_event_box *new_result(struct kith_op *op, enum kith_result_kind kind) {
    if (op->internal || op->told) {
        return NULL;
    }
    struct kith_event_box *box = kith_event_box_new();
    if (box == NULL) {
        op->ops->env->stats.events_lost++;
        return NULL;
    }
    box->event.kind = KITH_CORE_RESULT;
    box->event.result = (struct kith_result){.kind = kind,
                                             .op = op->id,
                                             .query = op->kind,
                                             .point = op->point,
                                             .target = op->result.target,
                                             .walk = op->result.walk};
    return box;
}

/* Counts add up over the swarms; how deep a walk went is told of the one that found something, else
 * of the first. */
static void collect_leg(struct kith_walk_stats *to, const struct kith_leg *leg, bool *has_depth) {
    struct kith_walk_stats stats;
    kith_leg_stats(leg, &stats);
    to->candidates += stats.candidates;
    to->messages += stats.messages;
    to->answered += stats.answered;
    to->timeouts += stats.timeouts;
    to->in_flight += stats.in_flight;
    if (!*has_depth || leg->gave_best) {
        *has_depth = true;
        to->hops = stats.hops;
        to->distance_bits = stats.distance_bits;
    }
}

void kith_op_note_answer(struct kith_op *op, uint64_t now) {
    if (op->result.walk.first_ns == 0) {
        op->result.walk.first_ns = now > op->started ? now - op->started : 1;
    }
}

void kith_op_collect(struct kith_op *op, uint64_t now) {
    struct kith_walk_stats *to = &op->result.walk;
    uint64_t first = to->first_ns;
    *to = (struct kith_walk_stats){0};
    bool has_depth = false;
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        if (op->legs[i].started) {
            collect_leg(to, &op->legs[i], &has_depth);
        }
    }
    to->messages += op->extra_messages;
    to->answered += op->extra_answered;
    to->first_ns = first;
    to->total_ns = now - op->started;
}

void kith_op_progress(struct kith_op *op, uint64_t now) {
    if (op->internal || op->told ||
        now - op->last_progress < KITH_OP_PROGRESS_MS * KITH_NS_PER_MS) {
        return;
    }
    op->last_progress = now;
    kith_op_collect(op, now);
    struct kith_event_box *box = new_result(op, KITH_RESULT_PROGRESS);
    if (box != NULL) {
        kith_events_push(op->ops->events, box, false);
    }
}

void kith_op_report_hop(struct kith_walk *walk, const struct kith_hop *hop, uint64_t now) {
    const struct kith_leg *leg = walk->context;
    struct kith_op *op = leg->op;
    struct kith_event_box *box = new_result(op, KITH_RESULT_HOP);
    if (box == NULL) {
        return;
    }
    box->event.result.walk = walk->stats;
    if (kith_event_box_hop(box, hop) < 0) {
        kith_event_box_free(box);
        return;
    }
    kith_events_push(op->ops->events, box, false);
}

void kith_op_report_record(struct kith_op *op, const struct kith_record *record,
                           const struct kith_peer *peer, uint32_t source, uint64_t now) {
    kith_op_collect(op, now);
    struct kith_event_box *box = new_result(op, KITH_RESULT_RECORD);
    if (box == NULL) {
        return;
    }
    box->event.result.sources = source;
    box->event.result.seq = record->seq;
    if (kith_event_box_record(box, record) < 0 ||
        (peer != NULL && kith_event_box_peer(box, peer) < 0)) {
        kith_event_box_free(box);
        return;
    }
    kith_events_push(op->ops->events, box, false);
}

void kith_op_report_pong(struct kith_op *op, uint32_t index, int status, uint64_t rtt_ns,
                         uint64_t now) {
    (void)now;
    struct kith_event_box *box = new_result(op, KITH_RESULT_PONG);
    if (box == NULL) {
        return;
    }
    struct kith_result *r = &box->event.result;
    r->index = index;
    r->status = status;
    r->rtt_ns = rtt_ns;
    r->contact = (struct kith_contact){
        .has_key = op->peer.has_key, .key = op->peer.key, .endpoint = op->peer.endpoint};
    kith_events_push(op->ops->events, box, false);
}

void kith_op_report_peer(struct kith_op *op, const struct kith_endpoint *peer, uint64_t now) {
    kith_op_collect(op, now);
    struct kith_event_box *box = new_result(op, KITH_RESULT_PEER);
    if (box != NULL) {
        box->event.result.contact.endpoint = *peer;
        kith_events_push(op->ops->events, box, false);
    }
}

void kith_op_report_sample(struct kith_op *op, const struct kith_endpoint *from,
                           const struct kith_response *response, uint64_t now) {
    kith_op_collect(op, now);
    struct kith_event_box *box = new_result(op, KITH_RESULT_SAMPLE);
    if (box == NULL) {
        return;
    }
    box->event.result.contact.endpoint = *from;
    box->event.result.found = response->n_sampled;
    if (kith_event_box_bytes(box, response->samples) < 0) {
        kith_event_box_free(box);
        return;
    }
    kith_events_push(op->ops->events, box, false);
}

/* A link-local address that is stated comes without the link, which only we know. */
static bool same_place(const struct kith_endpoint *stated, const struct kith_endpoint *endpoint) {
    struct kith_endpoint linked = *stated;
    if (linked.scope == 0) {
        linked.scope = endpoint->scope; /* 0 but for link-local addresses */
    }
    return kith_endpoint_equal(&linked, endpoint);
}

/* Where the peer answered us itself is the best of its endpoints, stated or not. */
static void put_endpoint_first(struct kith_peer *peer, const struct kith_endpoint *endpoint) {
    if (endpoint->family == 0) {
        return;
    }
    uint32_t at = 0;
    while (at < peer->n_endpoints && !same_place(&peer->endpoints[at], endpoint)) {
        at++;
    }
    if (at == peer->n_endpoints) {
        peer->n_endpoints += peer->n_endpoints < KITH_ENDPOINTS_MAX;
        at = peer->n_endpoints - 1;
    }
    memmove(&peer->endpoints[1], &peer->endpoints[0], at * sizeof(peer->endpoints[0]));
    peer->endpoints[0] = *endpoint;
}

static int fill_done(struct kith_op *op, struct kith_event_box *box) {
    int r = 0;
    const char *text = op->result.text;
    box->event.kind = KITH_CORE_RESULT;
    box->event.result = op->result;
    box->event.result.record = NULL;
    box->event.result.peer = NULL;
    box->event.result.bytes = NULL;
    box->event.result.bytes_size = 0;
    box->event.result.text = NULL;
    if (op->has_best) {
        r = kith_event_box_record(box, &op->best);
        if (r == 0 && op->kind == KITH_QUERY_LOOKUP && op->result.peer == NULL) {
            struct kith_peer peer;
            if (kith_peer_from_record(&op->best, &peer) == 0) {
                put_endpoint_first(&peer, &op->result.contact.endpoint);
                r = kith_event_box_peer(box, &peer);
            }
        }
    }
    if (r == 0 && op->result.peer != NULL) {
        r = kith_event_box_peer(box, op->result.peer);
    }
    if (r == 0 && op->result.bytes != NULL) {
        r = kith_event_box_bytes(box, kith_span(op->result.bytes, op->result.bytes_size));
    }
    if (text != NULL) {
        size_t size = strlen(text);
        size = size < sizeof(box->text) ? size : sizeof(box->text) - 1;
        memcpy(box->text, text, size);
        box->text[size] = '\0';
        box->event.result.text = box->text;
    }
    return r;
}

void kith_op_finish(struct kith_op *op, int status, bool more, uint64_t now) {
    stop_waiting(op);
    if (!op->told) {
        kith_op_collect(op, now);
        op->result.kind = KITH_RESULT_DONE;
        op->result.status = status;
        op->result.point = op->point;
        if (op->done != NULL) {
            int r = fill_done(op, op->done);
            if (r < 0) {
                op->done->event.result.status = r;
            }
            kith_events_push(op->ops->events, op->done, true);
            op->done = NULL;
        }
        op->told = true;
        op->ops->n -= !op->internal;
        kith_timer_stop(&op->ops->env->timers, &op->deadline);
        if (op->on_end != NULL) {
            op->on_end(op, status, now, op->on_end_context);
        }
    }
    if (!more) {
        kith_op_end(op);
    }
}

void kith_op_end(struct kith_op *op) {
    kith_list_remove(&op->all);
    free_op(op);
}

static void on_deadline(struct kith_timer *timer, uint64_t now) {
    struct kith_op *op = kith_container_of(timer, struct kith_op, deadline);
    bool reads = op->kind == KITH_QUERY_GET || op->kind == KITH_QUERY_LOOKUP;
    int status = op->waiting ? KITH_ENO_NETWORK : KITH_ETIMEOUT;
    if ((reads && op->has_best) || op->n_seen > 0) {
        status = 0; /* something was found before time ran out */
    }
    kith_op_finish(op, status, false, now);
}

/* ---- for the kinds ---- */

bool kith_op_in_mainline(const struct kith_op *op) {
    return op->legs[KITH_LEG_MAINLINE4].swarm != NULL || op->legs[KITH_LEG_MAINLINE6].swarm != NULL;
}

struct kith_swarm *kith_op_swarm_of(const struct kith_op *op,
                                    const struct kith_endpoint *endpoint) {
    unsigned mainline = endpoint->family == 6 ? KITH_LEG_MAINLINE6 : KITH_LEG_MAINLINE4;
    return op->legs[KITH_LEG_KITH].swarm != NULL ? op->legs[KITH_LEG_KITH].swarm
                                                 : op->legs[mainline].swarm;
}

static int check_place(const struct kith_leg *leg, const struct kith_record_view *view) {
    struct kith_point point;
    int r = kith_record_check(view);
    if (r < 0) {
        return r;
    }
    leg->swarm->dialect->point(view, &point);
    return kith_point_equal(&point, &leg->point) ? 0 : KITH_EVERIFY;
}

/* Honest nodes verify what they keep, so who gives it did not: nobody else can have done that. */
void kith_op_bad_record(const struct kith_op *op, const struct kith_node_ref *from, uint64_t now) {
    op->ops->env->stats.bad_records++;
    if (from != NULL) {
        kith_swarm_blame(op->ops->swarm, from, KITH_BOOK_BAD_SIGNATURE, now);
    }
}

int kith_op_take_record(struct kith_leg *leg, const struct kith_record_view *view,
                        const struct kith_node_ref *from, uint64_t now) {
    struct kith_op *op = leg->op;
    struct kith_record_view salted = *view;
    if (view->is_mutable && leg->swarm->sessions == NULL) {
        salted.salt = kith_span(op->salt, op->salt_size);
    }
    int r = check_place(leg, &salted);
    r = r == 0 ? kith_record_verify(&salted, op->ops->env->curve, NULL) : r;
    if (r < 0) {
        kith_op_bad_record(op, from, now);
        return r;
    }
    if (op->has_best) {
        struct kith_record_view best;
        kith_record_view(&op->best, &best);
        if (kith_record_compare(&salted, &best) <= 0) {
            return 0;
        }
    }
    kith_record_copy(&op->best, &salted);
    op->has_best = true;
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        op->legs[i].gave_best = &op->legs[i] == leg;
    }
    kith_op_note_answer(op, now);
    return 1;
}
