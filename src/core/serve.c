/* SPDX-License-Identifier: MIT */
/*
 * One function per method. Each fills a typed answer and sends it; what does not fit the
 * asker's allowance is left out by the encoder. A client-mode node answers pings, talk, and gets of
 * its own records; it is no place to store at or to route through.
 */
#include "core/serve.h"

#include <stdlib.h>

#include "core/wire/known.h"

enum {
    TALK_PENDING_S = 30,     /* an answer of the application is awaited so long */
    EXCHANGE_SIGNED_MAX = 1, /* others' records in an answer: 170 bytes each, a contact has 38 */
    EXCHANGE_BASE = 96,      /* of an answer without peers */
    WRITES_PER_S = 2000,     /* of which signatures are verified, 50 us each */
    WRITES_PER_PREFIX = 250, /* an eighth, as of handshakes */
    WRITES_BURST_S = 2,
    RECORD_OVERHEAD = 40 + KITH_KEY_SIZE + KITH_SIGNATURE_SIZE, /* beside salt and value */
};

struct request {
    struct kith_serve *serve;
    const struct kith_delivery *delivery;
    const struct kith_txn *txn;
    const struct kith_request *args;
    uint64_t now;
};

static void fail_seq(const struct request *q, int code, const char *text, bool has_seq,
                     int64_t seq) {
    struct kith_wire_failure failure = {
        .code = code, .text = kith_span_text(text), .has_seq = has_seq, .seq = seq};
    kith_swarm_answer(q->serve->swarm, q->delivery, q->txn, NULL, &failure, q->now);
}

static void fail(const struct request *q, int code, const char *text) {
    fail_seq(q, code, text, false, 0);
}

static void init_response(const struct request *q, struct kith_response *response) {
    kith_response_init(response);
    response->has_you = true;
    response->you = q->delivery->from;
    const struct kith_own_record *peer =
        kith_own_find(q->serve->own, &q->serve->own->peer_point, false);
    if (peer != NULL) {
        response->has_own_seq = true;
        response->own_seq = peer->record.seq;
    }
}

static void answer(const struct request *q, const struct kith_response *response) {
    kith_swarm_answer(q->serve->swarm, q->delivery, q->txn, response, NULL, q->now);
}

/* A link-local address means something only on its link, a loopback address only on this host. */
static bool is_of_use(const struct kith_endpoint *endpoint, const struct kith_endpoint *asker) {
    enum kith_scope scope = kith_endpoint_scope(endpoint);
    if (scope == KITH_SCOPE_LINK_LOCAL) {
        return kith_endpoint_scope(asker) == scope && asker->scope == endpoint->scope;
    }
    return scope != KITH_SCOPE_LOOPBACK || kith_endpoint_scope(asker) == scope;
}

static void add_family(const struct request *q, struct kith_response *response,
                       const struct kith_routing *table) {
    const struct kith_entry *entries[KITH_MESSAGE_CONTACTS_MAX];
    size_t k = q->serve->swarm->dialect->k;
    size_t want = q->args->n == 0 || q->args->n > k ? k : q->args->n;
    /* One more, since the asker itself may be among them. */
    size_t n = kith_routing_closest(table, &q->args->target, want + 1, true, entries);
    size_t added = 0;
    for (size_t i = 0; i < n && added < want; i++) {
        struct kith_node_ref node = kith_entry_contact(entries[i]);
        if (kith_key_equal(&node.key, &q->delivery->key) ||
            !is_of_use(&node.endpoint, &q->delivery->from) ||
            response->n_contacts == KITH_MESSAGE_CONTACTS_MAX) {
            continue;
        }
        added++;
        if (!node.has_key || !kith_known_has(q->args->known, &node.key, &node.endpoint)) {
            response->contacts[response->n_contacts++] = node;
        }
    }
}

/* The tables of the families that the asker wants: those it named, else that of its question. */
static void wanted_tables(const struct request *q, const struct kith_routing *tables[2]) {
    const struct kith_swarm *swarm = q->serve->swarm;
    bool unsaid = !q->args->want_v4 && !q->args->want_v6;
    bool came_over_v4 = q->delivery->from.family == 4;
    tables[0] = q->args->want_v4 || (unsaid && came_over_v4) ? swarm->v4 : NULL;
    tables[1] = q->args->want_v6 || (unsaid && !came_over_v4) ? swarm->v6 : NULL;
}

static void add_contacts(const struct request *q, struct kith_response *response) {
    const struct kith_routing *tables[2];
    wanted_tables(q, tables);
    for (size_t i = 0; i < 2; i++) {
        if (tables[i] != NULL) {
            add_family(q, response, tables[i]);
        }
    }
}

/* What we have at this point: our own, or what we hold for others if that is newer, since another
 * device may publish under our key. */
static bool find_record(const struct request *q, struct kith_record_view *ret) {
    const struct kith_serve *serve = q->serve;
    const struct kith_own_record *own = kith_own_find(serve->own, &q->args->target, false);
    bool is_own = own != NULL;
    if (is_own) {
        *ret = own->record;
    }
    struct kith_held held;
    bool is_held = kith_store_get(serve->store, &q->args->target, q->now, &held);
    if (is_held && (!is_own || kith_record_compare(&held.view, ret) > 0)) {
        *ret = held.view;
    }
    return is_own || is_held;
}

static void serve_ping(const struct request *q) {
    struct kith_response response;
    init_response(q, &response);
    answer(q, &response);
}

static void serve_find(const struct request *q) {
    struct kith_response response;
    init_response(q, &response);
    add_contacts(q, &response);
    answer(q, &response);
}

static void serve_get(const struct request *q) {
    struct kith_response response;
    init_response(q, &response);
    struct kith_record_view view;
    if (find_record(q, &view)) {
        bool newer = !q->args->has_seq || !view.is_mutable || view.seq > q->args->seq;
        response.has_record = newer;
        response.has_seq = !newer;
        response.record = view;
        response.seq = view.seq;
    }
    add_contacts(q, &response);
    answer(q, &response);
}

static void serve_topic(const struct request *q) {
    struct kith_response response;
    struct kith_held held[KITH_MESSAGE_RECORDS_MAX];
    init_response(q, &response);
    size_t want = q->args->n == 0 || q->args->n > KITH_MESSAGE_RECORDS_MAX
                      ? KITH_MESSAGE_RECORDS_MAX
                      : q->args->n;
    size_t n = kith_store_topic(q->serve->store, &q->args->target, q->now, want, held);
    for (size_t i = 0; i < n; i++) {
        response.records[response.n_records++] = held[i].view;
    }
    add_contacts(q, &response);
    answer(q, &response);
}

static void check_failed(const struct request *q, int error) {
    const struct kith_record_view *view = &q->args->record;
    const struct kith_node_ref from = {
        .key = q->delivery->key, .has_key = true, .endpoint = q->delivery->from};
    q->serve->env->stats.bad_records++;
    kith_swarm_blame(q->serve->swarm, &from, KITH_BOOK_BAD_SIGNATURE, q->now);
    if (view->salt.size > KITH_SALT_MAX) {
        fail(q, KITH_WIRE_SALT_TOO_LARGE, "salt too large");
    } else if (error == KITH_ETOO_LARGE) {
        fail(q, KITH_WIRE_VALUE_TOO_LARGE, "value too large");
    } else if (error == KITH_EVERIFY) {
        fail(q, KITH_WIRE_BAD_SIGNATURE, "signature does not verify");
    } else {
        fail(q, KITH_WIRE_PROTOCOL, "invalid record");
    }
}

/* Keys and prefixes are told apart by 64 bits of theirs: those of a chosen key cannot be met. */
static uint64_t prefix_tag(const struct kith_endpoint *from) {
    struct kith_prefix prefix;
    uint64_t tag;
    kith_endpoint_prefix(from, &prefix);
    memcpy(&tag, prefix.bytes, sizeof(tag));
    return tag;
}

/* Whether a write may cost us a signature now. Whoever sends it has a session, and a share of his
 * prefix's; else one host could have us do nothing but verify. */
static bool may_write(const struct request *q) {
    struct kith_serve *serve = q->serve;
    struct kith_pace_limit all = kith_pace_limit(WRITES_PER_S, WRITES_BURST_S * WRITES_PER_S);
    const struct kith_endpoint *from = &q->delivery->from;
    if (serve->unlimited) {
        return true;
    }
    if (kith_pace_ready(&serve->writes, &all, 1, q->now) &&
        (kith_endpoint_exempt(from) ||
         kith_quota_take(&serve->write_prefixes, prefix_tag(from), q->now))) {
        return kith_pace_take(&serve->writes, &all, 1, q->now);
    }
    fail(q, KITH_WIRE_SERVER, "too many writes");
    return false;
}

/* Stores a verified record and tells how it went. */
static void store(const struct request *q, const struct kith_point *point, bool is_announcement) {
    uint64_t lifetime_s = is_announcement ? 7200 : KITH_RECORD_LIFETIME_S;
    bool by_holder = q->args->ttl_s != 0;
    if (by_holder && q->args->ttl_s < lifetime_s) {
        lifetime_s = q->args->ttl_s;
    }
    struct kith_store_put put = {
        .view = &q->args->record,
        .point = *point,
        .is_announcement = is_announcement,
        .has_cas = q->args->has_cas,
        .cas = q->args->cas,
        .from = &q->delivery->from,
        .lifetime_ns = lifetime_s * KITH_NS_PER_S,
    };
    int64_t seq = 0;
    switch (kith_store_put(q->serve->store, &put, q->now, &seq)) {
    case 0:
    case KITH_STORE_SAME: {
        struct kith_response response;
        if (!is_announcement) {
            kith_repair_stored(q->serve->repair, point, put.view, by_holder, q->now);
        }
        init_response(q, &response);
        response.has_seq = q->args->record.is_mutable;
        response.seq = seq;
        response.ttl_s = (uint32_t)lifetime_s;
        answer(q, &response);
        break;
    }
    case KITH_STORE_OUTDATED:
        fail_seq(q, KITH_WIRE_SEQ_TOO_LOW, "a newer record is held", true, seq);
        break;
    case KITH_STORE_CAS:
        fail_seq(q, KITH_WIRE_CAS_MISMATCH, "cas mismatch", true, seq);
        break;
    case KITH_STORE_FULL:
        fail(q, KITH_WIRE_FULL, "store is full");
        break;
    default: /* what is wrong with the record itself was told before */
        fail(q, KITH_WIRE_SERVER, "out of memory");
        break;
    }
}

/* A record of our own key that another device published is held like any other. */
static void serve_put(const struct request *q) {
    struct kith_point point;
    const struct kith_record_view *view = &q->args->record;
    int r = kith_record_check(view);
    if (r == 0 && view->is_mutable && !may_write(q)) {
        return;
    }
    if (r == 0) {
        kith_record_point(view, &point);
        r = kith_record_verify(view, q->serve->env->curve, &point);
    }
    if (r < 0) {
        check_failed(q, r);
        return;
    }
    store(q, &point, false);
}

static void serve_announce(const struct request *q) {
    const struct kith_record_view *view = &q->args->record;
    uint8_t salt[KITH_SALT_MAX];
    size_t salt_size = kith_topic_salt(&q->args->target, salt);
    int r = kith_record_check(view);
    if (r == 0 && (!view->is_mutable || !kith_span_equal(view->salt, kith_span(salt, salt_size)))) {
        r = KITH_EINVALID;
    }
    if (r == 0 && !may_write(q)) {
        return;
    }
    if (r == 0) {
        r = kith_record_verify(view, q->serve->env->curve, NULL);
    }
    if (r < 0) {
        check_failed(q, r);
        return;
    }
    store(q, &q->args->target, true);
}

/* ---- peer exchange ---- */

void kith_serve_init(struct kith_serve *serve) {
    /* Honest peers ask each 10/eta seconds or less often, with a fifth of jitter: every 11 s. */
    serve->exchange_peers.limit = (struct kith_pace_limit){.interval_ns = 5 * KITH_NS_PER_S,
                                                           .burst_ns = 3 * 5 * KITH_NS_PER_S};
    serve->exchange_prefixes.limit = kith_pace_limit(4, 32);
    serve->write_prefixes.limit =
        kith_pace_limit(WRITES_PER_PREFIX, WRITES_BURST_S * WRITES_PER_PREFIX);
}

void kith_serve_deinit(struct kith_serve *serve) {
    kith_quota_deinit(&serve->exchange_peers);
    kith_quota_deinit(&serve->exchange_prefixes);
    kith_quota_deinit(&serve->write_prefixes);
    free(serve->pending);
    free(serve->names);
    serve->pending = NULL;
    serve->names = NULL;
}

static bool may_exchange(const struct request *q) {
    uint64_t tag;
    memcpy(&tag, q->delivery->key.bytes, sizeof(tag));
    if (!kith_quota_take(&q->serve->exchange_peers, tag, q->now)) {
        return false;
    }
    return kith_endpoint_exempt(&q->delivery->from) ||
           kith_quota_take(&q->serve->exchange_prefixes, prefix_tag(&q->delivery->from), q->now);
}

/* Puts a record into the answer if there is room for it. */
static bool add_record(struct kith_response *response, const struct kith_record_view *view,
                       size_t *room) {
    size_t size = RECORD_OVERHEAD + view->salt.size + view->value.size;
    if (response->n_records == KITH_MESSAGE_RECORDS_MAX || size > *room) {
        return false;
    }
    *room -= size;
    response->records[response->n_records++] = *view;
    return true;
}

static bool names(const struct kith_record_view *view, const struct kith_endpoint *endpoint) {
    struct kith_record record;
    struct kith_peer peer;
    kith_record_copy(&record, view);
    if (kith_peer_from_record(&record, &peer) < 0) {
        return false;
    }
    for (uint32_t i = 0; i < peer.n_endpoints; i++) {
        if (kith_endpoint_equal(&peer.endpoints[i], endpoint)) {
            return true;
        }
    }
    return false;
}

/* A peer as it signed itself, if we have that; and where it answered us, if it does not say so
 * itself. */
static void add_peer(const struct request *q, const struct kith_contact *contact,
                     struct kith_response *response, uint32_t records_max, size_t *room) {
    struct kith_record_view view;
    bool is_signed = response->n_records < records_max &&
                     kith_gossip_card(q->serve->gossip, &contact->key, q->now, &view) &&
                     add_record(response, &view, room);
    if (is_signed && names(&view, &contact->endpoint)) {
        return;
    }
    struct kith_node_ref *node = &response->contacts[response->n_contacts++];
    *node =
        (struct kith_node_ref){.key = contact->key, .has_key = true, .endpoint = contact->endpoint};
    kith_point_of_node(&node->key, &node->id);
}

/* Peers of the book that answered us lately; the book sees to what may be shared. Our own record
 * comes first, if the asker has an older one. */
static void serve_exchange(const struct request *q) {
    const struct kith_book_entry *entries[KITH_MESSAGE_CONTACTS_MAX];
    struct kith_response response;
    const struct kith_routing *tables[2];
    if (!may_exchange(q)) {
        q->serve->env->stats.exchanges_refused++;
        fail(q, KITH_WIRE_TOO_OFTEN, "asked too often");
        return;
    }
    init_response(q, &response);
    wanted_tables(q, tables);
    size_t max = q->delivery->answer_max;
    size_t room = max > EXCHANGE_BASE ? max - EXCHANGE_BASE : 0;
    const struct kith_own_record *own =
        kith_own_find(q->serve->own, &q->serve->own->peer_point, false);
    if (own != NULL && !(q->args->has_seq && q->args->seq >= own->record.seq)) {
        (void)add_record(&response, &own->record, &room);
    }
    /* Who knows our own record is an old acquaintance: another's in every second answer will do,
     * for the sake of the idle traffic. */
    bool is_new = response.n_records > 0;
    bool may_sign = is_new || q->now / KITH_NS_PER_S % 2 == 0;
    uint32_t records_max = response.n_records + (may_sign ? EXCHANGE_SIGNED_MAX : 0);
    size_t k = q->serve->swarm->dialect->k;
    size_t want = q->args->n == 0 || q->args->n > k ? k : q->args->n;
    struct kith_contact asker = {
        .has_key = true, .key = q->delivery->key, .endpoint = q->delivery->from};
    uint64_t wall_us = kith_env_wall_us(q->serve->env, q->now);
    size_t n = kith_book_sample(q->serve->book, &asker, entries, want, wall_us);
    for (size_t i = 0; i < n; i++) {
        const struct kith_contact *contact = &entries[i]->contact;
        if (tables[contact->endpoint.family == 6] != NULL &&
            is_of_use(&contact->endpoint, &q->delivery->from)) {
            add_peer(q, contact, &response, records_max, &room);
        }
    }
    answer(q, &response);
}

/* Without `d`: the asker wants to know whether strangers reach it. With `d`: a helper of another
 * asks us to be the stranger. */
static void serve_reach(const struct request *q) {
    struct kith_span whom = q->args->bytes;
    if (whom.size == 0) {
        kith_reach_help(q->serve->reach, q->delivery, q->txn, q->now);
        return;
    }
    struct kith_response response;
    init_response(q, &response);
    response.reached = kith_reach_favour(q->serve->reach, q->delivery, whom, q->now);
    answer(q, &response);
}

void kith_serve_reach_answer(struct kith_serve *serve, const struct kith_reach_pending *asker,
                             bool asked, uint64_t now) {
    struct request q = {.serve = serve, .delivery = &asker->asker, .txn = &asker->txn, .now = now};
    struct kith_response response;
    init_response(&q, &response);
    response.reached = asked;
    answer(&q, &response);
}

/* ---- talk ---- */

static const char *find_name(const struct kith_serve *serve, struct kith_span protocol) {
    for (unsigned i = 0; i < serve->n_names; i++) {
        if (kith_span_equal(kith_span_text(serve->names[i]), protocol)) {
            return serve->names[i];
        }
    }
    return NULL;
}

static struct kith_talk_pending *free_pending(const struct kith_serve *serve, uint64_t now) {
    for (unsigned i = 0; serve->pending != NULL && i < KITH_TALK_PENDING_MAX; i++) {
        if (serve->pending[i].token == 0 || serve->pending[i].until <= now) {
            return &serve->pending[i];
        }
    }
    return NULL;
}

static struct kith_talk_pending *find_pending(const struct kith_serve *serve, uint64_t token) {
    for (unsigned i = 0; serve->pending != NULL && i < KITH_TALK_PENDING_MAX; i++) {
        if (serve->pending[i].token == token) {
            return &serve->pending[i];
        }
    }
    return NULL;
}

static void serve_talk(const struct request *q) {
    struct kith_serve *serve = q->serve;
    const char *name = find_name(serve, q->args->protocol);
    struct kith_talk_pending *slot = free_pending(serve, q->now);
    if (name == NULL || slot == NULL) {
        fail(q, KITH_WIRE_REFUSED, name == NULL ? "no handler for this protocol" : "busy");
        return;
    }
    struct kith_event_box *box = kith_event_box_new();
    if (box == NULL || kith_event_box_bytes(box, q->args->bytes) < 0) {
        kith_event_box_free(box);
        fail(q, KITH_WIRE_SERVER, "out of memory");
        return;
    }
    slot->token = ++serve->next_token;
    slot->until = q->now + TALK_PENDING_S * KITH_NS_PER_S;
    slot->delivery = *q->delivery;
    slot->txn = *q->txn;
    memcpy(box->protocol, name, strlen(name) + 1);
    box->event.kind = KITH_CORE_TALK;
    box->event.talk.token = slot->token;
    box->event.talk.from = q->delivery->key;
    box->event.talk.protocol = box->protocol;
    kith_events_push(serve->events, box, true);
}

int kith_serve_talk_handle(struct kith_serve *serve, const char *protocol, bool on) {
    size_t size = strlen(protocol);
    if (size == 0 || size > KITH_PROTOCOL_NAME_MAX) {
        return KITH_EINVALID;
    }
    for (unsigned i = 0; i < serve->n_names; i++) {
        if (strcmp(serve->names[i], protocol) == 0) {
            if (!on) {
                serve->n_names--;
                memmove(serve->names[i], serve->names[serve->n_names], sizeof(serve->names[i]));
            }
            return 0;
        }
    }
    if (!on) {
        return 0;
    }
    if (serve->n_names == KITH_TALK_NAMES_MAX) {
        return KITH_EFULL;
    }
    if (serve->pending == NULL) {
        serve->pending = calloc(KITH_TALK_PENDING_MAX, sizeof(*serve->pending));
        if (serve->pending == NULL) {
            return KITH_ENOMEM;
        }
    }
    if (serve->names == NULL) {
        serve->names = calloc(KITH_TALK_NAMES_MAX, sizeof(*serve->names));
        if (serve->names == NULL) {
            return KITH_ENOMEM;
        }
    }
    memcpy(serve->names[serve->n_names++], protocol, size + 1);
    return 0;
}

void kith_serve_talk_answer(struct kith_serve *serve, uint64_t token, int status,
                            struct kith_span bytes, uint64_t now) {
    struct kith_talk_pending *slot = token == 0 ? NULL : find_pending(serve, token);
    if (slot == NULL) {
        return;
    }
    slot->token = 0;
    struct request q = {.serve = serve, .delivery = &slot->delivery, .txn = &slot->txn, .now = now};
    if (status < 0 || bytes.size > KITH_TALK_MAX) {
        fail(&q, KITH_WIRE_REFUSED, "refused");
        return;
    }
    struct kith_response response;
    init_response(&q, &response);
    response.bytes = bytes;
    answer(&q, &response);
}

/* ---- which method may what ---- */

static bool is_write(enum kith_method method) {
    return method == KITH_METHOD_PUT || method == KITH_METHOD_ANNOUNCE ||
           method == KITH_METHOD_TALK || method == KITH_METHOD_EXCHANGE ||
           method == KITH_METHOD_REACH;
}

static bool client_answers(const struct request *q) {
    struct kith_record_view view;
    return q->args->method == KITH_METHOD_PING || q->args->method == KITH_METHOD_TALK ||
           (q->args->method == KITH_METHOD_GET && find_record(q, &view));
}

void kith_serve_request(struct kith_serve *serve, const struct kith_delivery *delivery,
                        const struct kith_message *message, uint64_t now) {
    struct request q = {
        .serve = serve,
        .delivery = delivery,
        .txn = &message->txn,
        .args = &message->u.request,
        .now = now,
    };
    bool proven = delivery->kind == KITH_DELIVERY_DATA && delivery->allowance.proven;
    if (is_write(q.args->method) && !proven) {
        serve->env->stats.drop_early++;
        fail(&q, KITH_WIRE_UNPROVEN, "needs a session with a proven address");
        return;
    }
    if (serve->env->client && !client_answers(&q)) {
        fail(&q, KITH_WIRE_METHOD_UNKNOWN, "a client does not serve this");
        return;
    }
    switch (q.args->method) {
    case KITH_METHOD_PING:
        serve_ping(&q);
        break;
    case KITH_METHOD_FIND:
        serve_find(&q);
        break;
    case KITH_METHOD_GET:
        serve_get(&q);
        break;
    case KITH_METHOD_PUT:
        serve_put(&q);
        break;
    case KITH_METHOD_TOPIC:
        serve_topic(&q);
        break;
    case KITH_METHOD_ANNOUNCE:
        serve_announce(&q);
        break;
    case KITH_METHOD_EXCHANGE:
        serve_exchange(&q);
        break;
    case KITH_METHOD_REACH:
        serve_reach(&q);
        break;
    case KITH_METHOD_TALK:
        serve_talk(&q);
        break;
    case KITH_METHOD_ARRIVE: /* pushed only */
    case KITH_METHOD_PEERS:  /* Mainline only */
    case KITH_METHOD_ANNOUNCE_PEER:
    case KITH_METHOD_SAMPLE:
        fail(&q, KITH_WIRE_METHOD_UNKNOWN, "unknown method");
        break;
    }
}
