/* SPDX-License-Identifier: MIT */
/*
 * A handful of cores on a perfect network in virtual time, for tests of whole nodes. Datagrams take
 * 1 ms; a hook may drop, change or record them. The simulator proper is tests/sim.
 */
#ifndef KITH_TESTS_CORE_NET_H
#define KITH_TESTS_CORE_NET_H

#include <sodium.h>
#include <stdlib.h>

#include "core/core.h"
#include "testing.h"
#include "util/timer.h"

enum { NET_MAX = 48, NET_QUEUE = 8192 };

struct net_packet {
    uint64_t at;
    struct kith_endpoint from;
    struct kith_endpoint to;
    size_t size;
    uint8_t bytes[KITH_WIRE_MAX];
};

struct net_node {
    struct kith_core *core;
    struct kith_endpoint endpoint;
    struct kith_key key;
    uint64_t random[4];
    bool dead;
};

enum { NET_KEYS = 32 };

/* What the last op of interest reported. */
struct net_seen {
    uint64_t op;
    bool done;
    struct kith_result result; /* pointers are not kept */
    bool has_record;
    struct kith_record record;
    bool has_peer;
    struct kith_peer peer;
    unsigned n_records;
    struct kith_key keys[NET_KEYS]; /* of the first records */
    unsigned n_pongs;
    unsigned n_peers; /* of an info-hash */
    struct kith_endpoint a_peer;
    unsigned peers_of[256]; /* by the first byte of their address */
    unsigned n_samples;
    unsigned n_hops;
    unsigned n_progress;
    uint8_t bytes[KITH_TALK_MAX];
    size_t bytes_size;
    char text[128];
};

struct net {
    unsigned n;
    uint64_t now;
    struct net_node nodes[NET_MAX];
    struct net_packet *queue; /* ring, in order of arrival */
    size_t head;
    size_t tail;
    struct net_seen seen;
    unsigned n_ready;
    void (*on_told)(struct net *net, unsigned i, const struct kith_event *event);
    unsigned n_saved;
    unsigned n_forgotten;
    struct kith_record saved;
    /* Returns false to drop; may change the packet. */
    bool (*hook)(struct net *net, struct net_packet *packet);
    void *hook_context;
};

static inline void net_init(struct net *net) {
    memset(net, 0, sizeof(*net));
    net->now = 1000 * KITH_NS_PER_S;
    net->queue = malloc(NET_QUEUE * sizeof(*net->queue));
    assert_non_null(net->queue);
}

static inline struct kith_endpoint net_endpoint(unsigned i) {
    /* One node per /24, so that no prefix limit interferes. */
    struct kith_endpoint e = {
        .family = 4, .port = 7700, .ip = {20, (uint8_t)(1 + i / 200), (uint8_t)(i % 200), 7}};
    return e;
}

static inline struct kith_endpoint net_endpoint6(unsigned i) {
    struct kith_endpoint e = {
        .family = 6, .port = 7700, .ip = {0x20, 0x01, 0x0d, 0xb8, 0, (uint8_t)i, [15] = 7}};
    return e;
}

static inline struct kith_core_config net_config(struct net *net, unsigned i, uint8_t *seed) {
    memset(seed, (int)(i + 1), KITH_SEED_SIZE);
    return (struct kith_core_config){
        .seed = seed,
        .curve = &kith_curve_sodium,
        .random = kith_test_random(net->nodes[i].random, 77 + i),
        .network = "kith",
        .has_v4 = true,
        .wall_us = UINT64_C(1790000000000000),
        .outbox_keep = 4096,
    };
}

static inline unsigned net_add_config(struct net *net, const struct kith_core_config *config) {
    unsigned i = net->n++;
    struct net_node *node = &net->nodes[i];
    assert_int_equal(kith_core_new(&node->core, config, net->now), 0);
    node->endpoint = net_endpoint(i);
    kith_core_set_bound(node->core, &node->endpoint, 1, net->now);
    struct kith_status status;
    kith_core_status(node->core, net->now, &status);
    node->key = status.key;
    return i;
}

static inline unsigned net_add(struct net *net) {
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core_config config = net_config(net, net->n, seed);
    return net_add_config(net, &config);
}

static inline void net_deinit(struct net *net) {
    for (unsigned i = 0; i < net->n; i++) {
        assert_null(kith_core_check(net->nodes[i].core));
        kith_core_free(net->nodes[i].core);
    }
    free(net->queue);
}

static inline void net_event(struct net *net, unsigned i, const struct kith_core_event *event) {
    struct net_seen *seen = &net->seen;
    const struct kith_result *r = &event->result;
    if (event->kind == KITH_CORE_NODE) {
        net->n_ready += event->node.kind == KITH_EVENT_READY;
        if (net->on_told != NULL) {
            net->on_told(net, i, &event->node);
        }
    } else if (event->kind == KITH_CORE_TALK) {
        /* The echo protocol; anything beginning with '!' is refused. */
        int status = event->talk.size > 0 && event->talk.bytes[0] == '!' ? KITH_EREFUSED : 0;
        kith_core_talk_answer(net->nodes[i].core, event->talk.token, status, event->talk.bytes,
                              event->talk.size, net->now);
    } else if (event->kind == KITH_CORE_SAVE) {
        net->n_saved += event->saved.own;
        if (event->saved.own) {
            net->saved = *event->saved.record;
        }
    } else if (event->kind == KITH_CORE_FORGET) {
        net->n_forgotten++;
    } else if (event->kind == KITH_CORE_RESULT && r->op == seen->op) {
        assert_true(r->bytes != NULL || r->bytes_size == 0);
        seen->n_pongs += r->kind == KITH_RESULT_PONG;
        seen->n_samples += r->kind == KITH_RESULT_SAMPLE;
        if (r->kind == KITH_RESULT_PEER) {
            seen->n_peers++;
            seen->a_peer = r->contact.endpoint;
            seen->peers_of[r->contact.endpoint.ip[0]]++;
        }
        seen->n_hops += r->kind == KITH_RESULT_HOP;
        seen->n_progress += r->kind == KITH_RESULT_PROGRESS;
        if (r->kind == KITH_RESULT_RECORD && seen->n_records < NET_KEYS) {
            seen->keys[seen->n_records] = r->record->key;
        }
        seen->n_records += r->kind == KITH_RESULT_RECORD;
        if (r->record != NULL) {
            seen->record = *r->record;
            seen->has_record = true;
        }
        if (r->peer != NULL) {
            seen->peer = *r->peer;
            seen->has_peer = true;
        }
        if (r->kind == KITH_RESULT_DONE) {
            assert_false(seen->done); /* an op ends once */
            seen->done = true;
            seen->result = *r;
            if (r->bytes != NULL) {
                memcpy(seen->bytes, r->bytes, r->bytes_size);
                seen->bytes_size = r->bytes_size;
            }
            snprintf(seen->text, sizeof(seen->text), "%s", r->text == NULL ? "" : r->text);
        }
    }
}

static inline void net_drain(struct net *net, unsigned i) {
    struct kith_datagram d;
    struct kith_core_event event;
    while (kith_core_next_event(net->nodes[i].core, &event)) {
        net_event(net, i, &event);
    }
    while (kith_core_next_datagram(net->nodes[i].core, &d)) {
        struct net_packet packet = {.at = net->now + KITH_NS_PER_MS,
                                    .from = net->nodes[i].endpoint,
                                    .to = d.to,
                                    .size = d.size};
        memcpy(packet.bytes, d.bytes, d.size);
        if (net->hook == NULL || net->hook(net, &packet)) {
            assert_true(net->tail - net->head < NET_QUEUE);
            net->queue[net->tail++ % NET_QUEUE] = packet;
        }
    }
}

static inline void net_deliver(struct net *net, const struct net_packet *packet) {
    for (unsigned i = 0; i < net->n; i++) {
        const struct kith_endpoint *e = &net->nodes[i].endpoint;
        if (!net->nodes[i].dead && e->port == packet->to.port &&
            memcmp(e->ip, packet->to.ip, sizeof(e->ip)) == 0) {
            kith_core_receive(net->nodes[i].core, &packet->from, packet->bytes, packet->size,
                              net->now);
            net_drain(net, i);
        }
    }
}

/* One step: the next datagram or deadline, at most at `limit`. False: nothing before it. */
static inline bool net_step(struct net *net, uint64_t limit) {
    uint64_t next = net->head < net->tail ? net->queue[net->head % NET_QUEUE].at : KITH_NEVER;
    unsigned who = net->n;
    for (unsigned i = 0; i < net->n; i++) {
        uint64_t deadline =
            net->nodes[i].dead ? KITH_NEVER : kith_core_deadline(net->nodes[i].core);
        if (deadline < next) {
            next = deadline;
            who = i;
        }
    }
    if (next > limit) {
        return false;
    }
    net->now = next > net->now ? next : net->now;
    if (who == net->n) {
        struct net_packet packet = net->queue[net->head++ % NET_QUEUE];
        net_deliver(net, &packet);
    } else {
        kith_core_tick(net->nodes[who].core, net->now);
        net_drain(net, who);
    }
    return true;
}

static inline void net_run(struct net *net, uint64_t duration) {
    uint64_t limit = net->now + duration;
    while (net_step(net, limit)) {
    }
    net->now = limit;
}

static inline void net_join(struct net *net, unsigned i, unsigned through, bool with_key) {
    struct kith_contact contact = {.has_key = with_key,
                                   .key = net->nodes[through].key,
                                   .endpoint = net->nodes[through].endpoint};
    assert_int_equal(
        kith_core_add_contact(net->nodes[i].core, &contact, KITH_CONTACT_PEER, net->now), 0);
    net_drain(net, i);
}

static inline struct kith_query net_key_query(enum kith_query_kind kind,
                                              const struct kith_key *key) {
    return (struct kith_query){.kind = kind, .flags = KITH_FLAG_HAS_KEY, .key = *key};
}

static inline struct kith_query net_put_query(const char *text, uint8_t *value) {
    uint16_t size;
    assert_int_equal(kith_value_wrap(text, strlen(text), value, &size), 0);
    return (struct kith_query){.kind = KITH_QUERY_PUT, .value = value, .value_size = size};
}

static inline struct kith_status net_status(const struct net *net, unsigned i) {
    struct kith_status status;
    kith_core_status(net->nodes[i].core, net->now, &status);
    return status;
}

/* Starts a query and runs until it is done, at most a virtual minute. Returns its status. */
static inline int net_ask(struct net *net, unsigned i, const struct kith_query *query) {
    net->seen = (struct net_seen){0};
    uint64_t op;
    int r = kith_core_start(net->nodes[i].core, query, net->now, &op);
    if (r < 0) {
        return r;
    }
    net->seen.op = op;
    net_drain(net, i);
    uint64_t limit = net->now + 60 * KITH_NS_PER_S;
    while (!net->seen.done && net_step(net, limit)) {
    }
    assert_true(net->seen.done);
    return net->seen.result.status;
}

/* `n` nodes joined through the first. */
static inline void net_swarm(struct net *net, unsigned n) {
    net_init(net);
    net_add(net);
    for (unsigned i = 1; i < n; i++) {
        net_join(net, net_add(net), 0, i % 2 == 0);
    }
    net_run(net, 30 * KITH_NS_PER_S);
}

#endif
