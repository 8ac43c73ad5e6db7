/* SPDX-License-Identifier: MIT */
/* mainline_net: whole nodes in Mainline on the net of core_net.h, and what strangers send them. */
#ifndef KITH_TESTS_MAINLINE_NET_H
#define KITH_TESTS_MAINLINE_NET_H

#include "core_net.h"

#include "core/core_internal.h"
#include "core/record/target.h"

static inline unsigned add_secret_node(struct net *net, const char *network,
                                       const uint8_t *secret) {
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core_config config = net_config(net, net->n, seed);
    config.mainline = true;
    config.network = network;
    config.network_secret = secret;
    return net_add_config(net, &config);
}

static inline unsigned add_node(struct net *net, const char *network) {
    return add_secret_node(net, network, NULL);
}

static inline void join_mainline(struct net *net, unsigned i, unsigned through) {
    assert_int_equal(kith_core_mainline_add(net->nodes[i].core, &net->nodes[through].endpoint,
                                            KITH_CONTACT_SEED, net->now),
                     0);
    net_drain(net, i);
}

/* `n` nodes of networks of their own, so that kith's swarm plays no part. */
static inline void mainline(struct net *net, unsigned n) {
    char network[16];
    net_init(net);
    for (unsigned i = 0; i < n; i++) {
        snprintf(network, sizeof(network), "net-%u", i);
        unsigned node = add_node(net, network);
        if (node > 0) {
            join_mainline(net, node, 0);
        }
    }
    net_run(net, 120 * KITH_NS_PER_S);
}

static inline struct kith_mainline_status status_of(const struct net *net, unsigned i) {
    struct kith_status status;
    kith_core_status(net->nodes[i].core, net->now, &status);
    return status.mainline;
}

static inline struct kith_query put_query(const char *text, uint32_t swarms, uint8_t *value) {
    uint16_t size;
    assert_int_equal(kith_value_wrap(text, strlen(text), value, &size), 0);
    return (struct kith_query){
        .kind = KITH_QUERY_PUT, .swarms = swarms, .value = value, .value_size = size};
}

/* ---- one node, seen from the wire ---- */

/* The answer of node 0 to this datagram, from a source that is no node of the net. Its size; 0:
 * none. */
static inline size_t ask_raw(struct net *net, const struct kith_endpoint *from, const void *bytes,
                             size_t size, uint8_t *answer) {
    struct kith_core *core = net->nodes[0].core;
    struct kith_datagram d;
    size_t ret = 0;
    kith_core_receive(core, from, bytes, size, net->now);
    while (kith_core_next_datagram(core, &d)) {
        if (kith_endpoint_equal(&d.to, from)) {
            memcpy(answer, d.bytes, d.size);
            ret = d.size;
        }
    }
    return ret;
}

static inline size_t ask_text(struct net *net, const struct kith_endpoint *from, const char *text,
                              uint8_t *answer) {
    return ask_raw(net, from, text, strlen(text), answer);
}

static const struct kith_endpoint stranger = {.family = 4, .port = 4000, .ip = {99, 1, 2, 3}};

static inline bool contains(const uint8_t *bytes, size_t size, const char *text) {
    return memmem(bytes, size, text, strlen(text)) != NULL;
}

#endif
