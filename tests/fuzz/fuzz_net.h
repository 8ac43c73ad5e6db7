/* SPDX-License-Identifier: MIT */
/*
 * fuzz_net: whole nodes driven by bytes. The first core is the one under test; others beside it are
 * honest, and one party is played by the target: it says whatever the bytes make it say. The
 * network is a queue; nothing moves but by a step of the input. What a step is here: datagrams
 * delivered, lost, repeated and changed, time passing, every command of the application and the
 * shell, and an allocation of the core under test that fails.
 */
#ifndef KITH_TESTS_FUZZ_NET_H
#define KITH_TESTS_FUZZ_NET_H

#include "core/core_internal.h"

enum {
    FUZZ_CORES = 3,
    FUZZ_PLAYED = 2, /* parties played by the target */
    FUZZ_NODES = FUZZ_CORES + FUZZ_PLAYED,
    FUZZ_QUEUE = 64,
    FUZZ_OPS = 16,
    FUZZ_RECORDS = 8,
    FUZZ_BYTES = 1200,
};

struct fuzz_packet {
    struct kith_endpoint from;
    struct kith_endpoint to;
    size_t size;
    uint8_t bytes[KITH_RECEIVE_MAX];
};

struct fuzz_net {
    struct kith_reader in;
    uint64_t now;
    unsigned n_moves; /* made so far */
    unsigned n_cores;
    struct kith_core *cores[FUZZ_CORES];
    uint64_t chance[FUZZ_NODES][4];
    struct kith_identity identities[FUZZ_NODES]; /* of the cores, then of the played ones */
    struct fuzz_packet queue[FUZZ_QUEUE];        /* a ring; the oldest is lost when it is full */
    size_t head;
    size_t tail;
    struct fuzz_packet last; /* delivered to the core under test */
    uint64_t ops[FUZZ_OPS];  /* running; 0: none */
    unsigned n_ops;
    struct kith_record records[FUZZ_RECORDS]; /* signed by the played ones */
    unsigned n_records;
    struct kith_core_saved saved; /* the last that was to be saved */
    struct kith_record saved_record;
    struct kith_book_blob blob;
    uint8_t fail_at; /* the allocation of the next call that fails; 0: none */
    bool fail_on;
    /* A datagram to a played party. */
    void (*on_datagram)(struct fuzz_net *net, unsigned played, const struct fuzz_packet *packet);
    /* The target's own step, for bytes that are none of fuzz_net_step()'s. */
    void (*on_step)(struct fuzz_net *net, uint8_t what);
    void *context;
};

struct fuzz_options {
    unsigned n_cores;
    bool mainline;
    bool client;
    bool has_v6;
    bool unlimited;
    uint32_t handshakes_per_s;
};

/* Identities, cores and what they know of each other; the input begins at its third byte or so. */
void fuzz_net_init(struct fuzz_net *net, struct kith_span input);
void fuzz_net_start(struct fuzz_net *net, const struct fuzz_options *options);
void fuzz_net_deinit(struct fuzz_net *net);
/* Steps until the input ends, with all invariants behind each. */
void fuzz_net_run(struct fuzz_net *net);

struct kith_endpoint fuzz_net_endpoint(unsigned node);
/* Of the input: one byte chooses, and others may follow. */
struct kith_span fuzz_net_bytes(struct fuzz_net *net);
struct kith_key fuzz_net_read_key(struct fuzz_net *net);
size_t fuzz_net_read_salt(struct fuzz_net *net, uint8_t salt[KITH_SALT_MAX]);
struct kith_endpoint fuzz_net_read_endpoint(struct fuzz_net *net);
struct kith_point fuzz_net_read_point(struct fuzz_net *net, bool is_mainline);
struct kith_node_ref fuzz_net_read_node(struct fuzz_net *net);
/* A record of those made before, or nothing. */
bool fuzz_net_read_record(struct fuzz_net *net, struct kith_record_view *ret);
void fuzz_net_read_request(struct fuzz_net *net, bool is_mainline, struct kith_request *ret);
void fuzz_net_read_response(struct fuzz_net *net, bool is_mainline, struct kith_response *ret);

void fuzz_net_give(struct fuzz_net *net, unsigned core, const struct kith_endpoint *from,
                   const uint8_t *bytes, size_t size);
void fuzz_net_push(struct fuzz_net *net, const struct kith_endpoint *from,
                   const struct kith_endpoint *to, struct kith_span bytes);

#endif
