/* SPDX-License-Identifier: MIT */
/*
 * The walk keeps its candidates in one array ordered by distance to the target. Each pump looks at
 * the k nearest that have not been given up: those not yet asked are asked while fewer than alpha
 * requests hold a slot, which a late one does not any more; when all of them have answered the walk
 * is done. Slow nodes among the k nearest are awaited until they answer or go stale (two soft
 * timeouts later), so that one lost datagram does not cost a neighbour, and a dead node costs a
 * bounded delay.
 *
 * Where a node is, others only claim. One who claims it wrongly must not hide it, so a candidate
 * keeps the endpoints that others told, and moves on to the next when one is silent. And an answer
 * full of made-up nodes at a victim's address must not make us flood it: unanswered questions to
 * one public address, and to one /24, are few; and of one answer it is one to an address and three
 * to a /24 (swarm_contacts.c).
 *
 * Keys cost nothing, so twenty nodes next to a target may be one machine. Of the k nearest a /24
 * can be two, a /16 four (IPv6: /56 two, /48 four, /32 eight); more of them are asked, but somebody
 * else has to be there in their place.
 *
 * To be nearest to each other is not mutual: some that have us among their k nearest are not among
 * ours. A walk that introduces us asks those as well, as far as it can tell who they are; each of
 * them then knows us, for who asks is a node like any other.
 *
 * Of several walks that share their set of asked nodes, only the first to get there asks a node.
 * For the others it is as good as asked: it takes one of the k places, so that a walk which arrives
 * where another has been ends there.
 *
 * Cost: at most 96 candidates, 240 requests, and per answer one insertion by binary search for each
 * contact in it.
 */
#include "core/lookup/walk.h"

#include <stdlib.h>

#include "core/record/target.h"
#include "core/wire/known.h"

void kith_walk_init(struct kith_walk *walk, struct kith_swarm *swarm,
                    const struct kith_request *request) {
    *walk = (struct kith_walk){
        .swarm = swarm,
        .request = *request,
        .target = request->target,
        .k = swarm->dialect->k,
        .alpha = swarm->dialect->alpha,
        .requests_max = KITH_WALK_REQUESTS_MAX,
        .candidates_max = KITH_WALK_CANDIDATES_MAX,
    };
    walk->stats.distance_bits = (uint16_t)swarm->dialect->id_bits;
}

static uint16_t distance_bits(const struct kith_walk *walk, const struct kith_candidate *c) {
    unsigned common = kith_point_common_bits(&walk->target, &c->node.id);
    unsigned bits = walk->swarm->dialect->id_bits;
    return (uint16_t)(common < bits ? bits - common : 0);
}

static void report_hop(struct kith_walk *walk, const struct kith_candidate *c,
                       enum kith_hop_outcome outcome, const struct kith_response *response,
                       uint64_t rtt_ns, uint64_t now) {
    if (walk->on_hop == NULL) {
        return;
    }
    struct kith_hop hop = {
        .outcome = outcome,
        .contact = {.has_key = c->node.has_key, .key = c->node.key, .endpoint = c->node.endpoint},
        .distance_bits = distance_bits(walk, c),
        .depth = c->depth,
        .n_contacts = response == NULL ? 0 : (uint8_t)response->n_contacts,
        .has_record = response != NULL && (response->has_record || response->n_records > 0),
        .rtt_ns = rtt_ns,
        .at_ns = now - walk->started,
    };
    walk->on_hop(walk, &hop, now);
}

/* The place where `id` is or belongs; *ret_known tells which. */
static unsigned place_of(const struct kith_walk *walk, const struct kith_point *id,
                         bool *ret_known) {
    unsigned low = 0;
    unsigned high = walk->n_candidates;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        int order = kith_point_compare(&walk->target, &walk->order[mid]->node.id, id);
        if (order == 0) {
            *ret_known = true;
            return mid;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *ret_known = false;
    return low;
}

static void free_candidate(struct kith_candidate *c) {
    if (c->rpc != NULL) {
        kith_rpc_detach(c->rpc);
    }
    free(c->token);
    free(c);
}

/* Drops the farthest candidate beyond `at` that nothing is expected of; one that answered is kept,
 * it may be the one whose answer is being read. */
static bool make_room(struct kith_walk *walk, unsigned at) {
    for (unsigned i = walk->n_candidates; i > at; i--) {
        struct kith_candidate *c = walk->order[i - 1];
        if (c->state == KITH_CANDIDATE_NEW || c->state == KITH_CANDIDATE_GIVEN_UP ||
            c->state == KITH_CANDIDATE_PASSED) {
            free_candidate(c);
            memmove(&walk->order[i - 1], &walk->order[i],
                    (walk->n_candidates - i) * sizeof(struct kith_candidate *));
            walk->n_candidates--;
            return true;
        }
    }
    return false;
}

/* Goes on to the next endpoint of a candidate that is silent where we asked. */
static bool try_elsewhere(struct kith_candidate *c) {
    if (c->at + 1 >= c->n_endpoints) {
        return false;
    }
    if (c->rpc != NULL) {
        kith_rpc_detach(c->rpc);
        c->rpc = NULL;
    }
    c->at++;
    c->node.endpoint = c->endpoints[c->at];
    kith_endpoint_nets(&c->node.endpoint, &c->nets);
    c->state = KITH_CANDIDATE_NEW;
    return true;
}

/* Another endpoint of a known candidate. */
static void add_endpoint(struct kith_candidate *c, const struct kith_endpoint *endpoint) {
    if (c->state == KITH_CANDIDATE_ANSWERED || c->state == KITH_CANDIDATE_PASSED ||
        c->n_endpoints == KITH_WALK_ENDPOINTS_MAX) {
        return;
    }
    for (uint8_t i = 0; i < c->n_endpoints; i++) {
        if (kith_endpoint_equal(&c->endpoints[i], endpoint)) {
            return;
        }
    }
    c->endpoints[c->n_endpoints++] = *endpoint;
    if (c->state == KITH_CANDIDATE_GIVEN_UP) {
        (void)try_elsewhere(c);
    }
}

/* Whether enough questions to this candidate's address, or to its /24 (/56), went unanswered. */
static bool address_is_silent(const struct kith_walk *walk, const struct kith_candidate *c) {
    if (kith_endpoint_exempt(&c->node.endpoint)) {
        return false;
    }
    unsigned n = 0;
    unsigned n_net = 0;
    for (unsigned i = 0; i < walk->n_candidates; i++) {
        const struct kith_candidate *other = walk->order[i];
        bool open = other->state == KITH_CANDIDATE_ASKED || other->state == KITH_CANDIDATE_SLOW ||
                    other->state == KITH_CANDIDATE_GIVEN_UP;
        unsigned asked = other->at + (open ? 1u : 0u);
        for (unsigned j = 0; j < asked; j++) {
            n += kith_endpoint_same_ip(&other->endpoints[j], &c->node.endpoint);
            n_net += kith_endpoint_same_prefix(&other->endpoints[j], &c->node.endpoint);
        }
    }
    return n >= KITH_WALK_SILENT_MAX || n_net >= KITH_WALK_SILENT_NET_MAX;
}

/* Without keys one host can be as many nodes as it likes, all of them nearer than anybody else, so
 * there a walk takes one of each prefix, the first that it hears of (as libtorrent does). */
static bool is_crowded(const struct kith_walk *walk, const struct kith_endpoint *endpoint) {
    if (walk->swarm->sessions != NULL || kith_endpoint_exempt(endpoint)) {
        return false;
    }
    for (unsigned i = 0; i < walk->n_candidates; i++) {
        if (walk->order[i]->state != KITH_CANDIDATE_GIVEN_UP &&
            kith_endpoint_same_prefix(&walk->order[i]->node.endpoint, endpoint)) {
            return true;
        }
    }
    return false;
}

void kith_walk_add(struct kith_walk *walk, const struct kith_node_ref *node, uint8_t depth) {
    if (!kith_swarm_can_ask(walk->swarm, node) ||
        kith_point_equal(&node->id, &walk->swarm->own_id)) {
        return;
    }
    bool known;
    unsigned at = place_of(walk, &node->id, &known);
    if (known) {
        add_endpoint(walk->order[at], &node->endpoint);
        return;
    }
    if (walk->thrifty && kith_swarm_was_silent(walk->swarm, node, walk->started)) {
        return;
    }
    if (is_crowded(walk, &node->endpoint) ||
        (walk->n_candidates >= walk->candidates_max && !make_room(walk, at))) {
        return;
    }
    struct kith_candidate *c = malloc(sizeof(*c));
    if (c == NULL) {
        return; /* one candidate fewer; the others go on */
    }
    *c = (struct kith_candidate){
        .walk = walk,
        .node = *node,
        .n_endpoints = 1,
        .endpoints = {node->endpoint},
        .depth = depth,
        .seq = -1,
    };
    kith_endpoint_nets(&node->endpoint, &c->nets);
    memmove(&walk->order[at + 1], &walk->order[at],
            (walk->n_candidates - at) * sizeof(struct kith_candidate *));
    walk->order[at] = c;
    walk->n_candidates++;
    walk->stats.candidates++;
}

/* Whether an earlier contact of this answer names the same node in the same family: one answer may
 * not fill a candidate with wrong endpoints. */
static bool told_before(const struct kith_response *response, uint32_t i) {
    const struct kith_node_ref *contact = &response->contacts[i];
    for (uint32_t j = 0; j < i; j++) {
        if (response->contacts[j].endpoint.family == contact->endpoint.family &&
            kith_point_equal(&response->contacts[j].id, &contact->id)) {
            return true;
        }
    }
    return false;
}

/* Without memory for its token it is not written to. */
static void keep_token(struct kith_candidate *c, struct kith_span token) {
    if (token.data == NULL || token.size > KITH_TOKEN_MAX || c->has_token) {
        return;
    }
    c->token = malloc(token.size + 1);
    if (c->token != NULL) {
        memcpy(c->token, token.data, token.size);
        c->token_size = (uint8_t)token.size;
        c->has_token = true;
    }
}

static void answered(struct kith_candidate *c, const struct kith_rpc_event *event) {
    struct kith_walk *walk = c->walk;
    const struct kith_response *response = event->response;
    c->state = KITH_CANDIDATE_ANSWERED;
    walk->stats.answered++;
    keep_token(c, response->token);
    uint16_t bits = distance_bits(walk, c);
    if (bits < walk->stats.distance_bits) {
        walk->stats.distance_bits = bits;
        walk->stats.hops = c->depth;
    }
    for (uint32_t i = 0; i < response->n_contacts; i++) {
        if (!told_before(response, i)) {
            kith_walk_add(walk, &response->contacts[i], (uint8_t)(c->depth + (c->depth < 255)));
        }
    }
    report_hop(walk, c, KITH_HOP_ANSWERED, response, event->rtt_ns, event->now);
    if (response->truncated && !c->asked_twice) {
        /* Our address is proven to it now: over the session the whole answer fits. */
        c->asked_twice = true;
        c->state = KITH_CANDIDATE_NEW;
    }
    if (!walk->on_answer(walk, c, response, event->now)) {
        return;
    }
    kith_walk_pump(walk, event->now);
}

static void on_rpc(struct kith_rpc *rpc, const struct kith_rpc_event *event, void *context) {
    struct kith_candidate *c = context;
    struct kith_walk *walk = c->walk;
    switch (event->outcome) {
    case KITH_RPC_RESPONSE:
        c->rpc = NULL;
        answered(c, event);
        return;
    case KITH_RPC_ERROR:
        /* It is alive but of no use to this walk. */
        c->rpc = NULL;
        c->state = KITH_CANDIDATE_GIVEN_UP;
        report_hop(walk, c, KITH_HOP_FAILED, NULL, event->rtt_ns, event->now);
        break;
    case KITH_RPC_LATE:
        c->late = true;
        break;
    case KITH_RPC_SLOW:
        c->state = KITH_CANDIDATE_SLOW;
        walk->stats.messages++; /* it was sent again */
        report_hop(walk, c, KITH_HOP_SLOW, NULL, 0, event->now);
        if (walk->hasty) {
            (void)try_elsewhere(c);
        }
        break;
    case KITH_RPC_STALE:
        c->state = KITH_CANDIDATE_GIVEN_UP;
        walk->stats.timeouts++;
        report_hop(walk, c, KITH_HOP_FAILED, NULL, 0, event->now);
        (void)try_elsewhere(c);
        break;
    case KITH_RPC_TIMEOUT:
        c->rpc = NULL;
        if (rpc->stale) {
            return;
        }
        c->state = KITH_CANDIDATE_GIVEN_UP; /* without memory there is no STALE before it */
        break;
    }
    kith_walk_pump(walk, event->now);
}

/* Nobody waits for upkeep; of paths many run side by side. In Mainline, where half of all contacts
 * are dead, alpha is larger instead. */
static unsigned ask_flags(const struct kith_walk *walk) {
    if (walk->thrifty) {
        return KITH_ASK_THRIFTY;
    }
    return walk->swarm->dialect->sessions && walk->asked == NULL ? KITH_ASK_HEDGED : 0;
}

/* What of the answer we have already. Only where a session is: an initiation is padded for the
 * whole answer, or has no room for any. */
static void list_known(const struct kith_walk *walk, const struct kith_candidate *asked,
                       struct kith_known *known) {
    uint8_t salt[KITH_KNOWN_SALT];
    known->size = 0;
    if (walk->swarm->sessions == NULL || walk->n_candidates <= 1 ||
        !kith_sessions_has(walk->swarm->sessions, &asked->node.key)) {
        return;
    }
    kith_random_secure(&walk->swarm->env->random, salt, sizeof(salt));
    kith_known_init(known, salt);
    for (unsigned i = 0; i < walk->n_candidates; i++) {
        const struct kith_candidate *c = walk->order[i];
        if (c != asked && !kith_known_add(known, &c->node.key, &c->node.endpoint)) {
            return;
        }
    }
}

enum {
    WELL_TOLD = 4, /* so many of the nearest have named who else is near */
    FEW = 4,       /* contacts that the others are asked for then, if the walk is sparing */
};

static void ask(struct kith_walk *walk, struct kith_candidate *c, unsigned settled, uint64_t now) {
    /* Asking again where the walk itself has asked, at another endpoint or for the rest of an
     * answer, is its own business. */
    bool first = c->at == 0 && !c->asked_twice && walk->asked != NULL;
    if (first && kith_asked_has(walk->asked, &c->node.id)) {
        c->state = KITH_CANDIDATE_PASSED;
        return;
    }
    bool may = walk->n_requests < walk->requests_max && !address_is_silent(walk, c) &&
               (!first || kith_asked_add(walk->asked, &c->node.id));
    walk->n_requests += may;
    struct kith_request request = walk->request;
    struct kith_known known;
    list_known(walk, c, &known);
    request.known = kith_span(known.bytes, known.size);
    if (walk->sparing && settled >= WELL_TOLD && request.n > FEW) {
        request.n = FEW;
    }
    int r = !may ? KITH_EFULL
                 : kith_swarm_ask(walk->swarm, &c->node, &request, ask_flags(walk), on_rpc, c, now,
                                  &c->rpc);
    if (r < 0) {
        c->rpc = NULL;
        c->state = KITH_CANDIDATE_GIVEN_UP;
        return;
    }
    c->state = KITH_CANDIDATE_ASKED;
    c->late = false;
    walk->stats.messages++;
    report_hop(walk, c, KITH_HOP_ASKED, NULL, 0, now);
}

/* Whether it counts as one of the k nearest: with enforcement of BEP 42, only under an id of its
 * own address. */
static bool may_hold(const struct kith_walk *walk, const struct kith_candidate *c) {
    return !walk->swarm->enforce_ids || kith_target_id_valid(&c->node.id, &c->node.endpoint);
}

/* ---- who counts ---- */

/* The nearest seen so far that count as such. */
struct census {
    const struct kith_walk *walk;
    unsigned n;
    const struct kith_candidate *counted[KITH_WALK_CANDIDATES_MAX];
};

/* Of the k nearest, those of one neighbourhood may be so many. */
static const uint8_t SHARES[KITH_NETS] = {2, 4, 8};

enum {
    INTRODUCED = 2, /* times k nodes at most are asked by a walk that introduces us */
};

static bool crowded(const struct census *census, const struct kith_candidate *c) {
    for (unsigned i = 0; i < census->n && c->nets.of[0] != 0; i++) {
        if (kith_endpoint_same_ip(&census->counted[i]->node.endpoint, &c->node.endpoint)) {
            return true; /* one host */
        }
    }
    for (unsigned net = 0; net < KITH_NETS; net++) {
        unsigned same = 0;
        for (unsigned i = 0; i < census->n && c->nets.of[net] != 0; i++) {
            same += census->counted[i]->nets.of[net] == c->nets.of[net];
        }
        if (same >= SHARES[net]) {
            return true;
        }
    }
    return false;
}

/* The next in order of distance. Returns whether it counts. */
static bool count(struct census *census, const struct kith_candidate *c) {
    if (!may_hold(census->walk, c) || crowded(census, c)) {
        return false;
    }
    census->counted[census->n++] = c;
    return true;
}

bool kith_walk_in_reach(const struct kith_walk *walk, const struct kith_candidate *c) {
    struct kith_point farthest = walk->target;
    for (size_t i = 0; i < sizeof(farthest.bytes); i++) {
        farthest.bytes[i] ^= walk->reach.bytes[i];
    }
    return kith_point_compare(&walk->target, &c->node.id, &farthest) <= 0;
}

/* Whether we are among the k nearest of this candidate, of those that the walk knows. */
static bool has_us_near(const struct kith_walk *walk, const struct kith_candidate *c) {
    const struct kith_point *own = &walk->swarm->own_id;
    unsigned nearer = 0;
    for (unsigned i = 0; i < walk->n_candidates && nearer < walk->k; i++) {
        const struct kith_candidate *other = walk->order[i];
        nearer += other != c && other->state != KITH_CANDIDATE_GIVEN_UP &&
                  kith_point_compare(&c->node.id, &other->node.id, own) < 0;
    }
    return nearer < walk->k;
}

/* Whether the walk has to do with the candidate that comes next. */
static bool concerns(const struct census *census, const struct kith_candidate *c) {
    return census->n < census->walk->k ||
           (census->walk->introducing && census->n < INTRODUCED * census->walk->k) ||
           (census->n < KITH_WALK_REACH_MAX && kith_walk_in_reach(census->walk, c));
}

/* ---- going on ---- */

enum {
    ALWAYS_ASKED = 6, /* the nearest, by whose answers a thrifty walk knows who else is near */
    HEARD_PART = 8,   /* of the time that nodes stay: after that much silence one in nine is gone */
    HEARD_MAX_S = 60, /* but no longer than that */
    SETTLED = 3,      /* so many of the nearest have answered: the others can be told by now */
    LAST_ALPHA = 10,
    BEGINNERS = 8, /* of the nearest nodes of our own tables, those among which speed decides */
};

/* How many may be asked at a time. Who waits for a put has to wait for all k nearest: once it is
 * known who they are, going on by threes saves nothing. */
static unsigned slots(const struct kith_walk *walk, unsigned settled) {
    bool last = walk->hasty && !walk->thrifty && walk->asked == NULL && settled >= SETTLED;
    return last && walk->swarm->sessions != NULL ? LAST_ALPHA : walk->alpha;
}

/* Who of the candidates from `i` on is asked next: the nearest. Only the first questions go to
 * those of our own tables that answer soonest, since no other step can choose among so many whose
 * round trips are known; a bit of distance is worth half of a mean one. Whoever answers fast gains
 * nothing by it but to be one of the first, with others from the same table. */
static struct kith_candidate *next_of(const struct kith_walk *walk, unsigned i) {
    struct kith_candidate *best = walk->order[i];
    uint64_t mean_us = walk->swarm->rpcs.rtt.mean_ns / KITH_NS_PER_US;
    uint64_t least = UINT64_MAX;
    bool beginning = walk->stats.answered == 0 && walk->swarm->dialect->sessions && !walk->thrifty;
    for (; beginning && i < walk->n_candidates && i < BEGINNERS; i++) {
        struct kith_candidate *c = walk->order[i];
        uint64_t rtt_us = kith_swarm_rtt_us(walk->swarm, &c->node);
        uint64_t cost = (rtt_us != 0 ? rtt_us : mean_us) + distance_bits(walk, c) * mean_us / 2;
        if (c->state == KITH_CANDIDATE_NEW && cost < least) {
            best = c;
            least = cost;
        }
    }
    return best;
}

/* Whether upkeep can count on a node without asking it: we heard from it just now. */
static bool heard_of(const struct kith_walk *walk, const struct kith_candidate *c, unsigned nearer,
                     uint64_t now) {
    const struct kith_swarm *swarm = walk->swarm;
    if (!walk->thrifty || walk->asked != NULL || swarm->dialect->tokens || nearer < ALWAYS_ASKED) {
        return false;
    }
    uint64_t limit = kith_swarm_stay_ns(swarm) / HEARD_PART;
    uint64_t most = HEARD_MAX_S * KITH_NS_PER_S;
    return kith_swarm_heard(swarm, &c->node, limit < most ? limit : most, now);
}

/* Asks one more node if one may be asked. Returns whether it did; *ret_waiting tells whether the k
 * nearest are still incomplete. */
static bool ask_next(struct kith_walk *walk, bool *ret_waiting, uint64_t now) {
    unsigned in_slots = 0;
    unsigned asked = 0;
    for (unsigned i = 0; i < walk->n_candidates; i++) {
        const struct kith_candidate *c = walk->order[i];
        asked += c->state == KITH_CANDIDATE_ASKED;
        in_slots += c->state == KITH_CANDIDATE_ASKED && !c->late;
    }
    walk->stats.in_flight = asked;
    *ret_waiting = false;
    struct census census;
    census.walk = walk;
    census.n = 0;
    unsigned slow = 0;
    unsigned settled = 0; /* nearest ones that have answered, up to the first that has not */
    for (unsigned i = 0; i < walk->n_candidates && concerns(&census, walk->order[i]); i++) {
        struct kith_candidate *c = walk->order[i];
        switch (c->state) {
        case KITH_CANDIDATE_GIVEN_UP:
            continue;
        case KITH_CANDIDATE_NEW:
            if (walk->introducing && census.n >= walk->k && !has_us_near(walk, c)) {
                continue;
            }
            if (heard_of(walk, c, census.n, now)) {
                c->state = KITH_CANDIDATE_ANSWERED;
                break;
            }
            *ret_waiting = true;
            if (in_slots < slots(walk, settled) && asked < 2 * slots(walk, settled)) {
                ask(walk, next_of(walk, i), settled, now);
                return true;
            }
            break;
        case KITH_CANDIDATE_SLOW:
            if (walk->hasty) {
                slow++;
                continue;
            }
            *ret_waiting = true;
            break;
        case KITH_CANDIDATE_ASKED:
            *ret_waiting = true;
            break;
        case KITH_CANDIDATE_ANSWERED:
        case KITH_CANDIDATE_PASSED:
            break;
        }
        (void)count(&census, c);
        settled += !*ret_waiting;
    }
    /* Where nobody takes their places, the slow ones are awaited after all: in a small network
     * they are part of it. */
    *ret_waiting |= slow > 0 && census.n < walk->k;
    return false;
}

const struct kith_candidate *kith_walk_last(const struct kith_walk *walk) {
    unsigned n = 0;
    for (unsigned i = 0; i < walk->n_candidates; i++) {
        n += walk->order[i]->state == KITH_CANDIDATE_ANSWERED;
        if (n == walk->k) {
            return walk->order[i];
        }
    }
    return NULL;
}

uint64_t kith_walk_size(const struct kith_walk *walk) {
    const struct kith_candidate *last = walk->k < 3 ? NULL : kith_walk_last(walk);
    double x = last == NULL ? 0 : kith_point_distance(&walk->target, &last->node.id);
    double nodes = x > 0 ? (double)(walk->k - 1) / x + 1 : 0;
    return nodes >= 0x1p63 ? UINT64_C(1) << 63 : (uint64_t)(nodes + 0.5);
}

/* What the walk says about the size of the network. Paths do not look for the nearest, but for
 * others. */
static void note_density(const struct kith_walk *walk) {
    uint64_t nodes = kith_walk_size(walk);
    if (walk->asked == NULL && walk->k == walk->swarm->dialect->k && nodes > 0) {
        kith_swarm_note_density(walk->swarm, nodes);
    }
}

/* Sends what may be sent. Returns whether anything is still to be waited for. */
static bool pump(struct kith_walk *walk, uint64_t now) {
    walk->pumping = true;
    bool waiting;
    while (ask_next(walk, &waiting, now)) {
    }
    walk->pumping = false;
    if (!waiting) {
        kith_walk_stop(walk);
        note_density(walk);
        walk->swarm->env->stats.walks_finished++;
    }
    return waiting;
}

void kith_walk_pump(struct kith_walk *walk, uint64_t now) {
    if (walk->running && !walk->pumping && !pump(walk, now)) {
        walk->on_done(walk, now);
    }
}

bool kith_walk_start(struct kith_walk *walk, uint64_t now) {
    const struct kith_entry *entries[KITH_WALK_STARTERS];
    walk->started = now;
    size_t n = walk->n_candidates > 0
                   ? 0
                   : kith_swarm_closest(walk->swarm, &walk->target, KITH_WALK_STARTERS, entries);
    for (size_t i = 0; i < n; i++) {
        struct kith_node_ref node = kith_entry_node(entries[i]);
        kith_walk_add(walk, &node, 1);
    }
    if (walk->n_candidates == 0) {
        return false;
    }
    walk->running = true;
    walk->swarm->env->stats.walks_started++;
    return pump(walk, now);
}

void kith_walk_stop(struct kith_walk *walk) {
    walk->running = false;
    for (unsigned i = 0; i < walk->n_candidates; i++) {
        struct kith_candidate *c = walk->order[i];
        if (c->rpc != NULL) {
            kith_rpc_detach(c->rpc);
            c->rpc = NULL;
        }
    }
}

void kith_walk_deinit(struct kith_walk *walk) {
    kith_walk_stop(walk);
    for (unsigned i = 0; i < walk->n_candidates; i++) {
        free_candidate(walk->order[i]);
    }
    walk->n_candidates = 0;
}

static bool can_be_written_to(const struct kith_walk *walk, const struct kith_candidate *c) {
    return c->state == KITH_CANDIDATE_ANSWERED && may_hold(walk, c) &&
           (c->has_token || !walk->swarm->dialect->tokens);
}

size_t kith_walk_answered(const struct kith_walk *walk, size_t n, struct kith_candidate **out) {
    struct kith_candidate *left[KITH_WALK_CANDIDATES_MAX];
    struct census census;
    census.walk = walk;
    census.n = 0;
    size_t n_out = 0;
    size_t n_left = 0;
    for (unsigned i = 0; i < walk->n_candidates && n_out < n; i++) {
        struct kith_candidate *c = walk->order[i];
        if (!can_be_written_to(walk, c) || !concerns(&census, c)) {
            continue;
        }
        if (count(&census, c)) {
            out[n_out++] = c;
        } else {
            left[n_left++] = c;
        }
    }
    for (size_t i = 0; i < n_left && n_out < n && n_out < walk->k; i++) {
        out[n_out++] = left[i];
    }
    return n_out;
}
