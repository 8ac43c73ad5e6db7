/* SPDX-License-Identifier: MIT */
/*
 * nomem_net: an op in a small swarm while the n-th allocation fails, for n = 1, 2, 3, ... until
 * none does, alone or with all that follow. With argument --all n is every number, else it grows by
 * a twelfth of itself.
 */
#ifndef KITH_TESTS_NOMEM_NET_H
#define KITH_TESTS_NOMEM_NET_H

#include "core_net.h"
#include "nomem.h"

enum { NOMEM_AFTER_S = 20 };

static bool nomem_all;

static inline long nomem_next(long n) {
    return nomem_all ? n + 1 : n + 1 + n / 12;
}

static inline void nomem_arguments(int argc, char **argv) {
    nomem_all = argc > 1 && strcmp(argv[1], "--all") == 0;
}

/* Starts the query in a swarm that has memory, and then fails. Returns false when the scenario
 * ended before the failure came. */
static inline bool nomem_query(void (*swarm)(struct net *net), const struct kith_query *query,
                               long n, bool lasting) {
    struct net net;
    swarm(&net);
    net.seen = (struct net_seen){0};
    nomem_begin(n, lasting);
    uint64_t op;
    if (kith_core_start(net.nodes[0].core, query, net.now, &op) == 0) {
        net.seen.op = op;
        net_drain(&net, 0);
        net_run(&net, 35 * KITH_NS_PER_S);
        if (query->kind == KITH_QUERY_WATCH && !net.seen.done) {
            kith_core_cancel(net.nodes[0].core, op, net.now);
            net_drain(&net, 0);
        }
        assert_true(net.seen.done);
    }
    bool failed = nomem_end();
    net_run(&net, NOMEM_AFTER_S * KITH_NS_PER_S);
    struct kith_status status;
    kith_core_status(net.nodes[0].core, net.now, &status);
    assert_int_equal(status.ops, 0);
    assert_true(status.ready || status.mainline.families[0].ready);
    net_deinit(&net);
    return failed;
}

/* Birth: every allocation of a new core, of which there are less than `most`. */
static inline void nomem_births(bool mainline, long most) {
    struct net net;
    net_init(&net);
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_core_config config = net_config(&net, 0, seed);
    config.mainline = mainline;
    config.has_v6 |= mainline;
    int r = KITH_ENOMEM;
    for (long n = 1; r != 0; n++) {
        struct kith_core *core = NULL;
        nomem_begin(n, false);
        r = kith_core_new(&core, &config, net.now);
        (void)nomem_end();
        assert_true(r == 0 || (r == KITH_ENOMEM && core == NULL));
        kith_core_free(core);
        assert_true(n < most);
    }
    net_deinit(&net);
}

static inline void nomem_each(void (*swarm)(struct net *net), const struct kith_query *query) {
    for (int i = 0; i < 2; i++) {
        long n = 1;
        while (nomem_query(swarm, query, n, i == 1)) {
            n = nomem_next(n);
        }
        assert_true(n > 3);
    }
}

#endif
