/* SPDX-License-Identifier: MIT */
/*
 * Answering in Mainline. Reads from the tables, the items and the announced peers; never waits. A
 * write needs the token that we gave to that address for that target. What does not fit a datagram
 * is left out by the encoder; how much goes to whom is core/plain's business.
 */
#include "core/base/endpoint.h"
#include "core/mainline.h"
#include "core/record/target.h"
#include "core/wire/bloom.h"
#include "core/wire/krpc.h"

enum {
    ITEM_S = 7200, /* BEP 44: may expire after 2 hours */
    PEERS_MAX = 50,
    SAMPLE_INTERVAL_S = 300,
    SCRAPED_SIZE = 640, /* an answer with both filters: hundreds of hashes to make */
};

struct request {
    struct kith_mainline_family *family;
    const struct kith_delivery *delivery;
    const struct kith_message *message;
    const struct kith_request *args;
    uint64_t now;
    uint8_t token[KITH_TOKEN_SIZE];
};

static void fail(const struct request *q, int code, const char *text) {
    struct kith_wire_failure failure = {.code = code, .text = kith_span_text(text)};
    kith_swarm_answer(&q->family->swarm, q->delivery, &q->message->txn, NULL, &failure, q->now);
}

static void answer(const struct request *q, const struct kith_response *response) {
    kith_swarm_answer(&q->family->swarm, q->delivery, &q->message->txn, response, NULL, q->now);
}

static void init_response(const struct request *q, struct kith_response *response) {
    kith_response_init(response);
    response->has_you = true;
    response->you = q->delivery->from;
}

static void add_family(const struct request *q, struct kith_response *response,
                       const struct kith_mainline_family *family) {
    const struct kith_entry *entries[KITH_MESSAGE_CONTACTS_MAX];
    unsigned k = family->swarm.dialect->k;
    /* One more, since the asker itself may be among them. */
    size_t n = kith_swarm_closest(&family->swarm, &q->args->target, k + 1, entries);
    unsigned added = 0;
    for (size_t i = 0; i < n && added < k; i++) {
        struct kith_node_ref node = kith_entry_node(entries[i]);
        bool is_asker = kith_endpoint_equal(&node.endpoint, &q->delivery->from);
        if (!is_asker && kith_endpoint_reaches(&node.endpoint, &q->delivery->from)) {
            response->contacts[response->n_contacts++] = node;
            added++;
        }
    }
}

/* Of the families that the asker wants: those it named, else that of its question (BEP 32). */
static void add_contacts(const struct request *q, struct kith_response *response) {
    bool unsaid = !q->args->want_v4 && !q->args->want_v6;
    bool wanted[2] = {q->args->want_v4 || (unsaid && q->delivery->from.family == 4),
                      q->args->want_v6 || (unsaid && q->delivery->from.family == 6)};
    for (size_t i = 0; i < 2; i++) {
        const struct kith_mainline_family *family = q->family->owner->families[i];
        if (wanted[i] && family != NULL) {
            add_family(q, response, family);
        }
    }
}

static void add_token(struct request *q, struct kith_response *response) {
    struct kith_mainline *m = q->family->owner;
    kith_tokens_make(&m->tokens, &m->config.env->random, &q->delivery->from, &q->args->target,
                     q->now, q->token);
    response->token = kith_span(q->token, sizeof(q->token));
}

static bool check_token(const struct request *q, const struct kith_point *target) {
    struct kith_mainline *m = q->family->owner;
    return kith_tokens_check(&m->tokens, &m->config.env->random, &q->delivery->from, target,
                             q->args->token, q->now);
}

static void serve_find(const struct request *q) {
    struct kith_response response;
    init_response(q, &response);
    if (q->args->method == KITH_METHOD_FIND) {
        add_contacts(q, &response);
    }
    answer(q, &response);
}

static void serve_peers(struct request *q) {
    struct kith_response response;
    uint8_t seeds[KITH_BLOOM_SIZE];
    uint8_t peers[KITH_BLOOM_SIZE];
    struct kith_torrents *torrents = q->family->torrents;
    init_response(q, &response);
    add_token(q, &response);
    add_contacts(q, &response);
    response.n_peers =
        (uint32_t)kith_torrents_peers(torrents, &q->args->target, &q->delivery->from,
                                      q->args->no_seeds, PEERS_MAX, q->now, response.peers);
    if (q->args->scrape &&
        kith_plain_would_grant(q->family->owner->plain, q->delivery, SCRAPED_SIZE, q->now) &&
        kith_torrents_scrape(torrents, &q->args->target, &q->delivery->from, q->now, seeds,
                             peers)) {
        response.filter_seeds = kith_span(seeds, sizeof(seeds));
        response.filter_peers = kith_span(peers, sizeof(peers));
    }
    answer(q, &response);
}

static void serve_announce(const struct request *q) {
    struct kith_endpoint peer = q->delivery->from;
    peer.port = q->args->implied_port ? peer.port : q->args->port;
    if (peer.port <= KITH_KRPC_PORT_BOGUS) {
        fail(q, KITH_WIRE_PROTOCOL, "invalid port");
        return;
    }
    if (!check_token(q, &q->args->target)) {
        fail(q, KITH_WIRE_PROTOCOL, "bad token");
        return;
    }
    /* Full is told like success, or the announcer would try others ever farther away. */
    int r =
        kith_torrents_announce(q->family->torrents, &q->args->target, &peer, q->args->seed, q->now);
    (void)r;
    struct kith_response response;
    init_response(q, &response);
    answer(q, &response);
}

static void serve_get(struct request *q) {
    struct kith_response response;
    struct kith_held held;
    init_response(q, &response);
    add_token(q, &response);
    add_contacts(q, &response);
    if (kith_store_get(q->family->owner->items, &q->args->target, q->now, &held)) {
        bool newer = !q->args->has_seq || !held.view.is_mutable || held.view.seq > q->args->seq;
        response.has_record = newer;
        response.has_seq = !newer;
        response.record = held.view;
        response.seq = held.view.seq;
    }
    answer(q, &response);
}

static void check_failed(const struct request *q, int error) {
    const struct kith_record_view *view = &q->args->record;
    q->family->swarm.env->stats.bad_records++;
    if (view->salt.size > KITH_SALT_MAX) {
        fail(q, KITH_WIRE_SALT_TOO_LARGE, "salt too large");
    } else if (error == KITH_ETOO_LARGE) {
        fail(q, KITH_WIRE_VALUE_TOO_LARGE, "value too large");
    } else if (error == KITH_EVERIFY) {
        fail(q, KITH_WIRE_BAD_SIGNATURE, "invalid signature");
    } else {
        fail(q, KITH_WIRE_PROTOCOL, "invalid item");
    }
}

static void serve_put(const struct request *q) {
    struct kith_mainline *m = q->family->owner;
    struct kith_store_put put = {
        .view = &q->args->record,
        .has_cas = q->args->has_cas,
        .cas = q->args->cas,
        .from = &q->delivery->from,
        .lifetime_ns = ITEM_S * KITH_NS_PER_S,
    };
    int r = kith_record_check(put.view);
    if (r == 0) {
        kith_target_of_record(put.view, &put.point);
        if (!check_token(q, &put.point)) {
            fail(q, KITH_WIRE_PROTOCOL, "bad token");
            return;
        }
        if (put.view->is_mutable && !kith_plain_may_verify(m->plain, &q->delivery->from, q->now)) {
            fail(q, KITH_WIRE_SERVER, "too many puts");
            return;
        }
        r = kith_record_verify(put.view, m->config.env->curve, NULL);
    }
    if (r < 0) {
        check_failed(q, r);
        return;
    }
    switch (kith_store_put(m->items, &put, q->now, NULL)) {
    case 0:
    case KITH_STORE_SAME: {
        struct kith_response response;
        init_response(q, &response);
        answer(q, &response);
        break;
    }
    case KITH_STORE_OUTDATED:
        fail(q, KITH_WIRE_SEQ_TOO_LOW, "sequence number less than current");
        break;
    case KITH_STORE_CAS:
        fail(q, KITH_WIRE_CAS_MISMATCH, "CAS mismatch");
        break;
    case KITH_STORE_FULL:
        fail(q, KITH_WIRE_SERVER, "store is full");
        break;
    default:
        fail(q, KITH_WIRE_SERVER, "out of memory");
        break;
    }
}

static void serve_sample(const struct request *q) {
    struct kith_response response;
    uint8_t samples[KITH_SAMPLES_MAX * KITH_TARGET_SIZE];
    init_response(q, &response);
    size_t n = kith_torrents_sample(q->family->torrents, q->now, samples, &response.n_sampled);
    response.has_samples = true;
    response.samples = kith_span(samples, n * KITH_TARGET_SIZE);
    response.interval_s = SAMPLE_INTERVAL_S;
    add_contacts(q, &response);
    answer(q, &response);
}

void kith_mainline_serve(struct kith_mainline_family *family, const struct kith_delivery *delivery,
                         const struct kith_message *message, uint64_t now) {
    struct request q = {
        .family = family,
        .delivery = delivery,
        .message = message,
        .args = &message->u.request,
        .now = now,
    };
    if (family->swarm.env->client) {
        return; /* nobody to ask, and nobody was told of us */
    }
    switch (q.args->method) {
    case KITH_METHOD_PING:
    case KITH_METHOD_FIND:
        serve_find(&q);
        break;
    case KITH_METHOD_GET:
        serve_get(&q);
        break;
    case KITH_METHOD_PUT:
        serve_put(&q);
        break;
    case KITH_METHOD_PEERS:
        serve_peers(&q);
        break;
    case KITH_METHOD_ANNOUNCE_PEER:
        serve_announce(&q);
        break;
    case KITH_METHOD_SAMPLE:
        serve_sample(&q);
        break;
    case KITH_METHOD_TOPIC: /* kith only */
    case KITH_METHOD_ANNOUNCE:
    case KITH_METHOD_EXCHANGE:
    case KITH_METHOD_REACH:
    case KITH_METHOD_TALK:
    case KITH_METHOD_ARRIVE:
        break;
    }
}
