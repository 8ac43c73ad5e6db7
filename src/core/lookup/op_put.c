/* SPDX-License-Identifier: MIT */
/*
 * Put and announce: find the k nodes nearest to the point, see what they hold, sign, store on all.
 *
 * The record is signed after the walk, so that a seq chosen here is newer than anything met on the
 * way. It is stored on all nodes of the region in which most of the k nearest should be in a
 * network of this size, not only on the k nearest: twenty nodes ground next to the point would be
 * those (SR-DHT-Store, arXiv 2505.01139). For the same reason disjoint paths look for nodes that
 * the walk has not met. The walk does not wait for slow nodes: the next nearest take their places,
 * or one dead neighbour would hold up every put. A put is told done at the quorum and goes on
 * storing on the rest. Nodes off the k nearest that were seen holding an older record are told too,
 * so that nobody later meets it first. Without a network the record is kept and published when
 * there is one.
 *
 * A record goes to our disk before it goes to the swarm; a conflict found on the way changes
 * nothing. One that is put with a cas goes there when the holders have decided: put again without
 * it, a loser would win by its seq.
 */
#include "core/lookup/op.h"

#include "core/record/target.h"

enum { COPIES_ENOUGH = 8 };

static bool is_announce(const struct kith_op *op) {
    return op->kind == KITH_QUERY_ANNOUNCE;
}

static uint32_t quorum_of(uint32_t asked) {
    return (3 * asked + 3) / 4; /* 15 of k = 20 */
}

/* ---- storing ---- */

static int failure_status(const struct kith_op *op) {
    if (op->n_cas > 0) {
        return KITH_ECAS_MISMATCH;
    }
    return op->n_conflicts > 0 ? KITH_EOUTDATED : KITH_EQUORUM;
}

static bool in_mainline(const struct kith_leg *leg) {
    return leg->swarm->sessions == NULL;
}

/* How the storing stands, over all legs. */
struct standing {
    uint32_t n_targets;
    bool open;        /* answers are awaited */
    bool enough;      /* wherever anybody was asked, as many as are needed have stored it */
    uint32_t missing; /* KITH_SWARM_*: swarms in which nobody could be asked */
};

/* Sums up the legs; Mainline beside kith is told apart, alone it is what the op is about. */
static struct standing count_acks(struct kith_op *op) {
    struct kith_result *result = &op->result;
    struct standing standing = {.enough = true};
    uint32_t sums[2][3] = {{0}};
    uint32_t reached = 0;
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        const struct kith_leg *leg = &op->legs[i];
        if (leg->swarm == NULL) {
            continue;
        }
        uint32_t swarm = in_mainline(leg) ? KITH_SWARM_MAINLINE : KITH_SWARM_KITH;
        uint32_t *sum = sums[in_mainline(leg) && op->legs[KITH_LEG_KITH].swarm != NULL];
        sum[0] += leg->acks;
        sum[1] += leg->asked;
        sum[2] += leg->quorum;
        standing.missing |= swarm;
        reached |= leg->asked > 0 || leg->well_held ? swarm : 0;
        standing.enough = standing.enough && leg->acks >= leg->quorum;
        standing.n_targets += leg->n_targets;
        for (uint32_t j = 0; j < leg->n_targets; j++) {
            standing.open = standing.open || leg->targets[j].rpc != NULL;
        }
    }
    standing.missing &= ~reached;
    result->acks = sums[0][0];
    result->asked = sums[0][1];
    result->quorum = sums[0][2];
    result->mainline_acks = sums[1][0];
    result->mainline_asked = sums[1][1];
    result->mainline_quorum = sums[1][2];
    return standing;
}

/* Stored in one swarm and not in the other, where nobody is there to store it. */
static int partial_status(struct kith_op *op, uint32_t missing) {
    if (missing == 0) {
        return 0;
    }
    op->result.text = missing == KITH_SWARM_KITH
                          ? "stored in Mainline, but kith's own swarm has no node to store it on"
                          : "stored in kith's own swarm, but Mainline has no node to store it on";
    return KITH_EQUORUM;
}

static int save(struct kith_op *op, uint64_t now);

/* Whether the record is saved when it is known how the put ends, not before. */
static bool is_saved_late(const struct kith_op *op) {
    return (op->flags & KITH_FLAG_HAS_CAS) != 0 && op->newest_seen >= 0;
}

/* What the storing says about the record that is kept. */
static void note_standing(const struct kith_op *op, const struct standing *standing, uint64_t now) {
    struct kith_own_record *own = op->kind == KITH_QUERY_ANNOUNCE_PEER
                                      ? NULL
                                      : kith_own_find(op->ops->own, &op->point, is_announce(op));
    if (own != NULL) {
        own->pending = standing->missing != 0; /* goes out once that swarm is joined */
        if (kith_op_in_mainline(op) && (standing->missing & KITH_SWARM_MAINLINE) == 0) {
            own->mainline_at = now;
        }
    }
}

static void tell_end(struct kith_op *op, const struct standing *standing, int status, bool more,
                     uint64_t now) {
    const struct kith_own_record *kept = kith_own_find(op->ops->own, &op->point, false);
    bool is_newest = kept == NULL || kept->record.seq <= op->best.seq; /* another put may be over */
    if (is_saved_late(op) && is_newest && status != KITH_ECAS_MISMATCH) {
        int r = save(op, now);
        status = r < 0 ? r : status;
        note_standing(op, standing, now);
    }
    kith_op_finish(op, status, more, now);
}

/* Tells the end as soon as it is certain; ends the op when no answer is awaited any more. */
static void check_end(struct kith_op *op, uint64_t now) {
    struct standing standing = count_acks(op);
    bool resolved = op->n_resolved == standing.n_targets;
    bool refused = op->n_conflicts + op->n_cas > 0;
    if (!op->told && !standing.enough && resolved && refused) {
        kith_op_stop_walks(op); /* whoever they find will refuse it, too */
    }
    bool walking = kith_op_walking(op);
    bool open = standing.open || walking;
    if (!op->told && standing.enough) {
        op->result.seq = op->best.seq;
        tell_end(op, &standing, partial_status(op, standing.missing), open, now);
    } else if (!op->told && !walking && (refused ? resolved : !standing.open)) {
        /* late answers may still be enough */
        tell_end(op, &standing, failure_status(op), open, now);
    } else if (!open) {
        kith_op_end(op);
    }
}

static void count_failure(struct kith_target *target, const struct kith_wire_failure *failure) {
    struct kith_op *op = target->leg->op;
    if (failure->code == KITH_WIRE_SEQ_TOO_LOW && target->has_same) {
        target->leg->acks += target < target->leg->targets + target->leg->asked;
        return; /* some nodes of Mainline refuse what they hold already */
    }
    if (failure->code == KITH_WIRE_SEQ_TOO_LOW) {
        op->n_conflicts++;
    } else if (failure->code == KITH_WIRE_CAS_MISMATCH) {
        op->n_cas++;
    } else {
        return;
    }
    if (!op->told && failure->has_seq) {
        op->result.seq = failure->seq;
    }
}

static void on_stored(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_target *target = context;
    struct kith_leg *leg = target->leg;
    struct kith_op *op = leg->op;
    switch (event->outcome) {
    case KITH_RPC_LATE:
        return;
    case KITH_RPC_SLOW:
        op->extra_messages++;
        return;
    case KITH_RPC_STALE:
        op->n_resolved++;
        break;
    case KITH_RPC_RESPONSE:
        op->n_resolved += !rpc->stale;
        leg->acks += target < leg->targets + leg->asked; /* one of the k nearest */
        target->rpc = NULL;
        break;
    case KITH_RPC_ERROR:
        op->n_resolved += !rpc->stale;
        count_failure(target, event->failure);
        target->rpc = NULL;
        break;
    case KITH_RPC_TIMEOUT:
        op->n_resolved += !rpc->stale;
        target->rpc = NULL;
        break;
    }
    check_end(op, event->now);
}

static void send_to(struct kith_leg *leg, const struct kith_request *request,
                    struct kith_candidate *c, uint64_t now) {
    if (leg->n_targets == KITH_OP_TARGETS_MAX || (leg->swarm->dialect->tokens && !c->has_token)) {
        return;
    }
    struct kith_target *target = &leg->targets[leg->n_targets];
    struct kith_request to_this = *request;
    to_this.token = kith_span(c->token, c->token_size);
    /* Who holds an older one was away when the expected one was put: that is no reason to fail. */
    to_this.has_cas = request->has_cas && !(c->has_record && c->seq < request->cas);
    *target =
        (struct kith_target){.leg = leg, .has_same = c->has_record && c->seq == leg->op->best.seq};
    if (kith_swarm_ask(leg->swarm, &c->node, &to_this, 0, on_stored, target, now, &target->rpc) ==
        0) {
        c->written = true;
        leg->n_targets++;
        leg->op->extra_messages++;
    }
}

/* BEP 44: a record that is republished and held by more than 8 nodes, all of the nearest among
 * them, is left alone. */
static bool is_well_held(const struct kith_leg *leg, struct kith_candidate **nearest, size_t n) {
    const struct kith_op *op = leg->op;
    unsigned copies = 0;
    if (!op->internal || !leg->swarm->dialect->tokens || op->kind != KITH_QUERY_PUT) {
        return false;
    }
    for (unsigned i = 0; i < leg->walk.n_candidates; i++) {
        const struct kith_candidate *c = leg->walk.order[i];
        copies += c->has_record && c->seq == op->best.seq;
    }
    for (size_t i = 0; i < n; i++) {
        if (!nearest[i]->has_record || nearest[i]->seq != op->best.seq) {
            return false;
        }
    }
    return copies > COPIES_ENOUGH;
}

void kith_op_store(struct kith_leg *leg, const struct kith_request *request, uint64_t now) {
    struct kith_candidate *nearest[KITH_OP_TARGETS_MAX];
    size_t n = kith_walk_answered(&leg->walk, KITH_WALK_REACH_MAX, nearest);
    leg->well_held = is_well_held(leg, nearest, n);
    if (leg->well_held) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        send_to(leg, request, nearest[i], now);
    }
    leg->asked = leg->n_targets;
    leg->quorum = quorum_of(leg->n_targets);
}

/* How long the holders are asked to hold it, in seconds; 0: as long as they grant. */
static uint32_t life_s(const struct kith_op *op, uint64_t now) {
    if (op->expires != 0) { /* a repair never lengthens a life */
        uint64_t left = op->expires > now ? (op->expires - now) / KITH_NS_PER_S : 0;
        return left > 0 ? (uint32_t)left : 1;
    }
    bool is_peer = !is_announce(op) && kith_point_equal(&op->point, &op->ops->own->peer_point);
    return is_peer ? kith_own_peer_life_s(op->ops->own, now) : 0;
}

static void make_request(const struct kith_leg *leg, struct kith_request *ret, uint64_t now) {
    const struct kith_op *op = leg->op;
    *ret = kith_swarm_request(leg->swarm, is_announce(op) ? KITH_METHOD_ANNOUNCE : KITH_METHOD_PUT);
    ret->target = leg->point;
    kith_record_view(&op->best, &ret->record);
    ret->ttl_s = life_s(op, now);
}

/* Stores on the nearest that answered, and on whoever was seen with an older record. */
static void store_on_all(struct kith_leg *leg, uint64_t now) {
    const struct kith_op *op = leg->op;
    struct kith_request request;
    make_request(leg, &request, now);
    request.has_cas = (op->flags & KITH_FLAG_HAS_CAS) != 0 && op->newest_seen >= 0;
    request.cas = op->query.cas;
    kith_op_store(leg, &request, now);
    if (leg->asked == 0) {
        return;
    }
    request.has_cas = false;
    for (unsigned i = 0; i < leg->walk.n_candidates; i++) {
        struct kith_candidate *c = leg->walk.order[i];
        if (c->has_record && !c->written) {
            send_to(leg, &request, c, now);
        }
    }
}

/* ---- looking around ---- */

static bool looks_wrong(const struct kith_leg *leg) {
    unsigned n = 0;
    for (unsigned i = 0; i < leg->walk.n_candidates; i++) {
        const struct kith_candidate *c = leg->walk.order[i];
        n += c->state == KITH_CANDIDATE_ANSWERED && kith_walk_in_reach(&leg->walk, c);
    }
    return kith_swarm_looks_wrong(leg->swarm, n);
}

/* Whoever belongs to the region, or holds an older record, and was found by this path is told. */
static bool store_on_path(struct kith_leg *leg, const struct kith_walk *path, uint64_t now) {
    struct kith_request request;
    uint32_t before = leg->n_targets;
    make_request(leg, &request, now);
    for (unsigned i = 0; i < path->n_candidates; i++) {
        struct kith_candidate *c = path->order[i];
        if (c->state == KITH_CANDIDATE_ANSWERED && !c->written &&
            (c->has_record || kith_walk_in_reach(path, c))) {
            send_to(leg, &request, c, now);
        }
    }
    return leg->n_targets > before;
}

static bool on_path_answer(struct kith_walk *walk, struct kith_candidate *from,
                           const struct kith_response *response, uint64_t now) {
    (void)walk;
    (void)now;
    from->has_record = response->has_record; /* whatever it is */
    return true;
}

static void on_round_over(struct kith_leg *leg, uint64_t now);

/* A put finds nothing, so that a walk which was led astray does not show. Rounds of paths follow
 * while the record is stored already, as long as they find somebody new or something looks wrong;
 * one at least, but of what the node publishes by itself, and again. */
static bool look_around(struct kith_leg *leg, uint64_t now) {
    static const struct kith_walk_hooks hooks = {.on_answer = on_path_answer,
                                                 .on_over = on_round_over};
    return kith_op_widen(leg, leg->walk.request.method, &leg->point, &hooks, now);
}

static void on_round_over(struct kith_leg *leg, uint64_t now) {
    const struct kith_walk *path;
    bool found = false;
    for (unsigned i = 1; (path = kith_leg_walk(leg, i)) != NULL; i++) {
        found = store_on_path(leg, path, now) || found;
    }
    bool enough = !found && kith_leg_convinces(leg, !leg->op->internal);
    if (enough || !look_around(leg, now)) {
        check_end(leg->op, now);
    }
}

/* ---- signing ---- */

/* The newest seq known for the point: seen in the swarm, or kept here. -1: none. */
static int64_t newest_known(const struct kith_op *op) {
    const struct kith_own_record *own = kith_own_find(op->ops->own, &op->point, is_announce(op));
    int64_t kept = own != NULL ? own->record.seq : -1;
    return kept > op->newest_seen ? kept : op->newest_seen;
}

static int64_t choose_seq(const struct kith_op *op, uint64_t now) {
    int64_t newest = newest_known(op);
    int64_t wall = (int64_t)kith_env_wall_us(op->ops->env, now);
    if ((op->flags & KITH_FLAG_HAS_SEQ) != 0) {
        return op->query.seq;
    }
    return newest >= wall && newest < INT64_MAX ? newest + 1 : wall;
}

static int encode_announcement(const struct kith_op *op, uint8_t *value, uint16_t *ret_size) {
    struct kith_peer peer;
    int r = op->ops->describe(op->ops->context, &peer);
    return r < 0 ? r : kith_peer_encode(&peer, value, ret_size);
}

/* Makes the record to publish in op->best. Positive status codes do not occur. */
static int make_record(struct kith_op *op, uint64_t now) {
    struct kith_env *env = op->ops->env;
    struct kith_span salt = kith_span(op->salt, op->salt_size);
    struct kith_span value = kith_span(op->value, op->query.value_size);
    uint8_t announcement[KITH_VALUE_MAX];
    if (is_announce(op)) {
        uint16_t size;
        int r = encode_announcement(op, announcement, &size);
        if (r < 0) {
            op->result.text = "no endpoint of this node is known yet";
            return r;
        }
        value = kith_span(announcement, size);
    }
    return kith_record_sign(&op->best, &env->identity, env->curve, salt, choose_seq(op, now),
                            value);
}

/* Whether publishing now would lose against, or silently replace, something newer. */
static int check_conflicts(struct kith_op *op) {
    int64_t newest = newest_known(op);
    if ((op->flags & KITH_FLAG_HAS_CAS) != 0 && newest >= 0 && newest != op->query.cas) {
        op->result.seq = newest;
        return KITH_ECAS_MISMATCH;
    }
    if ((op->flags & KITH_FLAG_HAS_SEQ) != 0 && op->query.seq < newest) {
        op->result.seq = newest;
        return KITH_EOUTDATED;
    }
    return 0;
}

/* Whether the record to publish loses against another of this point: every holder of that would
 * refuse it. With an equal seq the larger value wins. */
static int check_wins(struct kith_op *op, const struct kith_record_view *theirs) {
    struct kith_record_view mine;
    kith_record_view(&op->best, &mine);
    if (mine.is_mutable && theirs->is_mutable && kith_record_compare(&mine, theirs) < 0) {
        op->result.seq = theirs->seq;
        return KITH_EOUTDATED;
    }
    return 0;
}

static int save(struct kith_op *op, uint64_t now) {
    struct kith_ops *ops = op->ops;
    if ((op->flags & KITH_FLAG_FORGET) != 0) {
        return 0;
    }
    uint32_t swarms = (op->legs[KITH_LEG_KITH].swarm != NULL ? KITH_SWARM_KITH : 0u) |
                      (kith_op_in_mainline(op) ? KITH_SWARM_MAINLINE : 0u);
    const struct kith_own_record *kept = kith_own_find(ops->own, &op->point, is_announce(op));
    if (op->internal && kept != NULL) {
        swarms = kept->swarms; /* not all of them are due each time */
    }
    int r = kith_own_set(ops->own, &op->best, &op->point, is_announce(op), swarms, now);
    if (r < 0) {
        return r;
    }
    struct kith_event_box *box = kith_event_box_new();
    if (box == NULL) {
        return KITH_ENOMEM;
    }
    box->event.kind = KITH_CORE_SAVE;
    r = kith_event_box_record(box, &op->best);
    if (r < 0) {
        kith_event_box_free(box);
        return r;
    }
    box->event.saved.own = true;
    box->event.saved.is_announcement = is_announce(op);
    box->event.saved.topic = op->point;
    box->event.saved.swarms = swarms;
    box->event.saved.op = op->internal ? 0 : op->id;
    kith_events_push(ops->events, box, true);
    return 0;
}

/* Whether a republished record has lost against a newer one under our own key: another device
 * published that, or we did, and came back with an older disk. Ours would be refused everywhere,
 * and nobody would keep the newer one alive; so we go on with that instead. */
static bool is_overtaken(const struct kith_op *op, const struct kith_record *newer) {
    const struct kith_own_record *kept = kith_own_find(op->ops->own, &op->point, false);
    return op->internal && kept != NULL && kept->kind == KITH_OWN_VALUE && newer->is_mutable &&
           (op->flags & KITH_FLAG_HAS_RECORD) != 0 &&
           kith_key_equal(&newer->key, &op->ops->env->identity.key);
}

/* Whether what was to be announced again was withdrawn while the op walked. */
static bool is_withdrawn(const struct kith_op *op) {
    return op->internal && is_announce(op) && kith_own_find(op->ops->own, &op->point, true) == NULL;
}

/* The walk is over (or there was nobody to ask): sign, save, store. */
static void publish(struct kith_op *op, uint64_t now) {
    struct kith_leg *kith = &op->legs[KITH_LEG_KITH];
    bool ready_made = (op->flags & (KITH_FLAG_HAS_RECORD | KITH_FLAG_IMMUTABLE)) != 0;
    struct kith_record seen = op->best;
    bool has_seen = op->has_best;
    op->has_best = false;
    int r = is_withdrawn(op) ? KITH_ECANCELED : ready_made ? 0 : check_conflicts(op);
    if (r == 0 && (op->flags & KITH_FLAG_HAS_RECORD) != 0) {
        op->best = *op->record;
    } else if (r == 0 && (op->flags & KITH_FLAG_IMMUTABLE) != 0) {
        r = kith_record_immutable(&op->best, kith_span(op->value, op->query.value_size));
    } else if (r == 0) {
        r = make_record(op, now);
    }
    if (r == 0 && has_seen) {
        struct kith_record_view theirs;
        kith_record_view(&seen, &theirs);
        r = check_wins(op, &theirs);
        if (r == KITH_EOUTDATED && is_overtaken(op, &seen)) {
            op->best = seen;
            op->flags &= ~(uint32_t)KITH_FLAG_FORGET; /* it is kept from now on */
            r = 0;
        }
    }
    const struct kith_own_record *kept =
        is_announce(op) ? NULL : kith_own_find(op->ops->own, &op->point, false);
    if (r == 0 && kept != NULL) {
        r = check_wins(op, &kept->record);
    }
    if (r == 0) {
        op->has_best = true;
        op->result.seq = op->best.seq;
        r = is_saved_late(op) ? 0 : save(op, now);
    }
    if (r < 0) {
        kith_op_finish(op, r, false, now);
        return;
    }
    if (kith->started) {
        kith_swarm_reach(kith->swarm, &kith->walk.reach);
    }
    for (unsigned i = 0; i < KITH_LEGS; i++) {
        if (op->legs[i].started) {
            op->legs[i].density =
                kith_swarm_density(op->legs[i].swarm, kith_walk_size(&op->legs[i].walk));
            store_on_all(&op->legs[i], now);
        }
    }
    if (kith->n_targets > 0 && (!op->internal || looks_wrong(kith))) {
        (void)look_around(kith, now);
    }
    kith_op_stored(op, now);
}

void kith_op_stored(struct kith_op *op, uint64_t now) {
    struct standing standing = count_acks(op);
    if (!is_saved_late(op)) {
        note_standing(op, &standing, now);
    }
    bool well_held =
        op->legs[KITH_LEG_MAINLINE4].well_held || op->legs[KITH_LEG_MAINLINE6].well_held;
    if (standing.n_targets == 0 && well_held) {
        tell_end(op, &standing, partial_status(op, standing.missing), false, now);
    } else if (standing.n_targets == 0) { /* there is nobody to wait for */
        op->result.text = "kept here; it will be published when the network can be reached";
        tell_end(op, &standing, KITH_ENO_NETWORK, false, now);
    }
}

/* ---- walking ---- */

static bool on_answer(struct kith_walk *walk, struct kith_candidate *from,
                      const struct kith_response *response, uint64_t now) {
    struct kith_leg *leg = walk->context;
    struct kith_op *op = leg->op;
    walk->sparing = walk->sparing && !response->has_record; /* an older one: it needs the room */
    if (response->has_record && !is_announce(op)) {
        if (kith_op_take_record(leg, &response->record, &from->node, now) >= 0) {
            from->has_record = true;
            from->seq = response->record.seq;
            if (op->best.seq > op->newest_seen && op->best.is_mutable) {
                op->newest_seen = op->best.seq;
            }
        }
    }
    kith_op_progress(op, now);
    return true;
}

static void on_walk_over(struct kith_leg *leg, uint64_t now) {
    if (!kith_op_walking(leg->op)) {
        publish(leg->op, now);
    }
}

/* ---- beginning ---- */

static void set_points(struct kith_op *op, const struct kith_record_view *view) {
    kith_record_point(view, &op->point);
    kith_target_of_record(view, &op->result.target);
}

static int resolve_point(struct kith_op *op) {
    struct kith_env *env = op->ops->env;
    struct kith_record_view view;
    if (is_announce(op)) {
        op->point = op->query.point;
        op->salt_size = (uint8_t)kith_topic_salt(&op->point, op->salt);
        return 0;
    }
    if ((op->flags & KITH_FLAG_HAS_RECORD) != 0) {
        kith_record_view(op->record, &view);
        int r = kith_record_verify(&view, env->curve, NULL);
        if (r == 0) {
            set_points(op, &view);
            op->salt_size = (uint8_t)view.salt.size; /* Mainline's answers leave it out */
            memcpy(op->salt, view.salt.data, view.salt.size);
        }
        return r;
    }
    view = (struct kith_record_view){.value = kith_span(op->value, op->query.value_size)};
    int r = kith_record_check(&view);
    if (r < 0) {
        return r;
    }
    if ((op->flags & KITH_FLAG_IMMUTABLE) != 0) {
        set_points(op, &view);
        return 0;
    }
    static const char reserved[] = "kith:";
    if (!op->internal && op->salt_size >= sizeof(reserved) - 1 &&
        memcmp(op->salt, reserved, sizeof(reserved) - 1) == 0) {
        op->result.text = "salts that begin with \"kith:\" are reserved";
        return KITH_EINVALID;
    }
    view.is_mutable = true;
    view.key = env->identity.key.bytes;
    view.salt = kith_span(op->salt, op->salt_size);
    set_points(op, &view);
    return 0;
}

static void unannounce(struct kith_op *op, uint64_t now) {
    struct kith_ops *ops = op->ops;
    op->point = op->query.point;
    struct kith_own_record *own = kith_own_find(ops->own, &op->point, true);
    if (own == NULL) {
        kith_op_finish(op, KITH_ENOT_FOUND, false, now);
        return;
    }
    struct kith_event_box *box = kith_event_box_new();
    struct kith_record record;
    kith_record_copy(&record, &own->record);
    if (box == NULL || kith_event_box_record(box, &record) < 0) {
        kith_event_box_free(box);
        kith_op_finish(op, KITH_ENOMEM, false, now);
        return;
    }
    box->event.kind = KITH_CORE_FORGET;
    box->event.saved.own = true;
    box->event.saved.is_announcement = true;
    box->event.saved.topic = op->point;
    kith_events_push(ops->events, box, true);
    kith_own_remove(ops->own, own);
    kith_op_finish(op, 0, false, now);
}

void kith_op_begin_put(struct kith_op *op, uint64_t now) {
    static const struct kith_walk_hooks hooks = {.on_answer = on_answer, .on_over = on_walk_over};
    if (op->kind == KITH_QUERY_UNANNOUNCE) {
        unannounce(op, now);
        return;
    }
    int r = resolve_point(op);
    if (r < 0) {
        kith_op_finish(op, r, false, now);
        return;
    }
    op->legs[KITH_LEG_KITH].point = op->point;
    op->legs[KITH_LEG_MAINLINE4].point = op->result.target;
    op->legs[KITH_LEG_MAINLINE6].point = op->result.target;
    op->hasty = true;
    op->region = true;
    if (!kith_op_walk_all(op, is_announce(op) ? KITH_METHOD_FIND : KITH_METHOD_GET, &hooks, now)) {
        publish(op, now);
    }
}
