/* SPDX-License-Identifier: MIT */
/*
 * A push reaches at most 4 + 8 + 8 nodes, each by one datagram of some 300 bytes. Duplicates are
 * found in a ring of the last 128 records by key and seq, before the signature is looked at.
 */
#include "core/upkeep/gossip.h"

#include <stdlib.h>

#include "core/base/endpoint.h"
#include "core/base/id.h"

enum { SEEN_MIN = 8 };

void kith_gossip_deinit(struct kith_gossip *gossip) {
    free(gossip->seen);
    gossip->seen = NULL;
    kith_cards_deinit(&gossip->cards);
}

/* Without memory the ring stays as it is: it then remembers fewer. */
static void seen_grow(struct kith_gossip *gossip) {
    uint32_t capacity = gossip->seen_capacity == 0 ? SEEN_MIN : 2 * gossip->seen_capacity;
    struct kith_gossip_seen *seen = realloc(gossip->seen, capacity * sizeof(*seen));
    if (seen != NULL) {
        gossip->seen = seen;
        gossip->seen_capacity = capacity;
        gossip->next_seen = gossip->n_seen;
    }
}

/* What is remembered of this key, or NULL. */
static struct kith_gossip_seen *find_seen(const struct kith_gossip *gossip, const uint8_t *key) {
    for (uint32_t i = 0; i < gossip->n_seen; i++) {
        if (memcmp(gossip->seen[i].key.bytes, key, KITH_KEY_SIZE) == 0) {
            return &gossip->seen[i];
        }
    }
    return NULL;
}

/* Whether this record, or a newer one of its key, is remembered. */
static bool is_remembered(const struct kith_gossip *gossip, const uint8_t *key, int64_t seq) {
    const struct kith_gossip_seen *seen = find_seen(gossip, key);
    return seen != NULL && seq <= seen->seq;
}

/* Remembers a record; false if it, or a newer one of its key, is remembered already, or if it
 * cannot be. */
static bool remember(struct kith_gossip *gossip, const uint8_t *key, int64_t seq) {
    struct kith_gossip_seen *seen = find_seen(gossip, key);
    if (seen != NULL) {
        bool newer = seq > seen->seq;
        seen->seq = newer ? seq : seen->seq;
        return newer;
    }
    if (gossip->n_seen == gossip->seen_capacity && gossip->seen_capacity < KITH_GOSSIP_SEEN_MAX) {
        seen_grow(gossip);
    }
    if (gossip->seen_capacity == 0) {
        return false;
    }
    gossip->next_seen %= gossip->seen_capacity;
    seen = &gossip->seen[gossip->next_seen++];
    gossip->n_seen += gossip->n_seen < gossip->seen_capacity;
    memcpy(seen->key.bytes, key, KITH_KEY_SIZE);
    seen->seq = seq;
    return true;
}

static void push(struct kith_gossip *gossip, const struct kith_node_ref *node,
                 const struct kith_record_view *record, uint32_t fanout, uint64_t now) {
    struct kith_request request = {.method = KITH_METHOD_ARRIVE, .n = fanout, .record = *record};
    uint8_t payload[KITH_DATAGRAM_MAX - KITH_SESSION_DATA_OVERHEAD];
    size_t size;
    if (gossip->swarm->dialect->encode_push(&request, payload, sizeof(payload), &size) < 0) {
        return;
    }
    struct kith_send send = {
        .key = node->key, .to = node->endpoint, .payload = kith_span(payload, size)};
    if (kith_sessions_send(gossip->sessions, &send, now) >= 0) {
        gossip->env->stats.gossip_sent++;
    }
}

/* Tells up to `n` of the nodes nearest to the record's key, which are its neighbours. */
static void tell(struct kith_gossip *gossip, const struct kith_record_view *record, uint32_t n,
                 uint32_t fanout, const struct kith_key *but, uint64_t now) {
    const struct kith_entry *entries[64];
    struct kith_key key;
    struct kith_point origin;
    memcpy(key.bytes, record->key, sizeof(key.bytes));
    kith_point_of_node(&key, &origin);
    size_t known = kith_swarm_closest(gossip->swarm, &origin, gossip->swarm->dialect->k, entries);
    if (known == 0) {
        return;
    }
    size_t start = kith_random_below(&gossip->env->random, known);
    uint32_t told = 0;
    for (size_t i = 0; i < known && told < n; i++) {
        struct kith_node_ref node = kith_entry_node(entries[(start + i) % known]);
        bool skip =
            kith_key_equal(&node.key, &key) || (but != NULL && kith_key_equal(&node.key, but));
        if (!skip) {
            push(gossip, &node, record, fanout, now);
            told++;
        }
    }
}

void kith_gossip_own(struct kith_gossip *gossip, const struct kith_record *record, uint64_t now) {
    struct kith_point value;
    kith_point_of_value(kith_span(record->value, record->value_size), &value);
    if (gossip->has_told && kith_point_equal(&gossip->told, &value)) {
        return;
    }
    gossip->has_told = true;
    gossip->told = value;
    struct kith_record_view view;
    kith_record_view(record, &view);
    tell(gossip, &view, KITH_GOSSIP_FANOUT, KITH_GOSSIP_FANOUT / 2, NULL, now);
}

static bool within_rate(struct kith_gossip *gossip, uint64_t now) {
    struct kith_pace_limit limit = kith_pace_limit(KITH_GOSSIP_PER_S, KITH_GOSSIP_PER_S);
    return kith_pace_take(&gossip->pace, &limit, 1, now);
}

bool kith_gossip_card(const struct kith_gossip *gossip, const struct kith_key *key, uint64_t now,
                      struct kith_record_view *ret) {
    struct kith_span salt = kith_span(gossip->own->peer_salt, gossip->own->peer_salt_size);
    struct kith_point point;
    struct kith_held held;
    bool has_card = kith_cards_find(&gossip->cards, key, salt, now, ret);
    kith_point_of_record(key, salt, &point);
    if (kith_store_get(gossip->store, &point, now, &held) &&
        (!has_card || held.view.seq > ret->seq)) {
        *ret = held.view;
        return true;
    }
    return has_card;
}

static bool has_answered(const struct kith_gossip *gossip, const struct kith_key *key) {
    const struct kith_book_entry *entries[KITH_BOOK_PER_KEY];
    size_t n = kith_book_find_key(gossip->book, key, entries, KITH_BOOK_PER_KEY);
    while (n > 0 && entries[n - 1]->success_s == 0) {
        n--;
    }
    return n > 0;
}

/* Whether it is a peer record of somebody else, as far as can be seen without the curve. */
static bool is_peer_record(const struct kith_gossip *gossip, const struct kith_record_view *view) {
    struct kith_span salt = kith_span(gossip->own->peer_salt, gossip->own->peer_salt_size);
    return view->is_mutable && view->seq >= 0 && kith_span_equal(view->salt, salt) &&
           memcmp(view->key, gossip->env->identity.key.bytes, KITH_KEY_SIZE) != 0;
}

/* -> KITH_EVERIFY, or what kith_record_verify() returns, and who gave it is blamed */
static int verify(const struct kith_gossip *gossip, const struct kith_record_view *view,
                  const struct kith_node_ref *from, uint64_t now) {
    int r = kith_record_verify(view, gossip->env->curve, NULL);
    if (r < 0) {
        gossip->env->stats.bad_records++;
        kith_swarm_blame(gossip->swarm, from, KITH_BOOK_BAD_SIGNATURE, now);
    }
    return r;
}

/* A verified peer record of somebody else: the book moves, the routing entry learns the seq, what
 * we hold of it is renewed, and it is kept to be shown. -> what kith_book_moved() returns,
 * KITH_EINVALID */
static int learn(struct kith_gossip *gossip, const struct kith_record_view *view,
                 const struct kith_endpoint *from, uint64_t now, struct kith_peer *ret_peer) {
    struct kith_record record;
    struct kith_peer peer;
    kith_record_copy(&record, view);
    if (kith_peer_from_record(&record, &peer) < 0) {
        gossip->env->stats.bad_records++;
        return KITH_EINVALID;
    }
    struct kith_point id;
    kith_point_of_node(&peer.key, &id);
    struct kith_entry *entry = kith_swarm_find(gossip->swarm, &id);
    if (entry != NULL && peer.seq < entry->peer_seq) {
        return KITH_BOOK_REFUSED_STALE; /* it told us itself of a newer one */
    }
    int moved = kith_book_moved(gossip->book, &peer.key, peer.endpoints, peer.n_endpoints, peer.seq,
                                kith_env_wall_us(gossip->env, now));
    if (entry != NULL && peer.seq > entry->peer_seq) {
        entry->peer_seq = peer.seq;
        entry->told_in = 0;
    }
    struct kith_point point;
    struct kith_held held;
    kith_record_point(view, &point);
    if (kith_store_get(gossip->store, &point, now, &held)) {
        struct kith_store_put put = {.view = view,
                                     .point = point,
                                     .from = from,
                                     .lifetime_ns = held.expires > now ? held.expires - now : 0};
        int r = kith_store_put(gossip->store, &put, now, NULL);
        (void)r; /* what does not fit stays as it is */
    }
    if (has_answered(gossip, &peer.key)) {
        kith_cards_keep(&gossip->cards, view, now);
    }
    *ret_peer = peer;
    return moved;
}

int kith_gossip_learn(struct kith_gossip *gossip, const struct kith_record_view *view,
                      const struct kith_node_ref *from, uint64_t now, struct kith_peer *ret_peer) {
    if (!is_peer_record(gossip, view)) {
        return KITH_EINVALID;
    }
    int r = verify(gossip, view, from, now);
    return r < 0 ? r : learn(gossip, view, &from->endpoint, now, ret_peer);
}

void kith_gossip_receive(struct kith_gossip *gossip, const struct kith_delivery *delivery,
                         const struct kith_request *push_in, uint64_t now) {
    struct kith_stats *stats = &gossip->env->stats;
    const struct kith_record_view *view = &push_in->record;
    const struct kith_node_ref from = {
        .key = delivery->key, .has_key = true, .endpoint = delivery->from};
    struct kith_peer peer;
    /* Inside a session, wherever it comes from now: who has just moved tells of that. */
    if (delivery->kind != KITH_DELIVERY_DATA || !is_peer_record(gossip, view)) {
        stats->gossip_dropped++;
        return;
    }
    if (is_remembered(gossip, view->key, view->seq)) {
        stats->gossip_duplicates++;
        return;
    }
    if (!within_rate(gossip, now)) {
        stats->gossip_dropped++;
        return;
    }
    if (verify(gossip, view, &from, now) < 0) {
        return;
    }
    if (!remember(gossip, view->key, view->seq)) {
        stats->gossip_duplicates++;
        return;
    }
    stats->gossip_received++;
    int r = learn(gossip, view, &delivery->from, now, &peer);
    (void)r; /* told to the others all the same: they see for themselves */
    uint32_t fanout = push_in->n < KITH_GOSSIP_FANOUT / 2 ? push_in->n : KITH_GOSSIP_FANOUT / 2;
    if (fanout > 0 && !gossip->env->client) {
        tell(gossip, view, fanout, fanout / 2, &delivery->key, now);
    }
}
