/* SPDX-License-Identifier: MIT */
/*
 * dialect: how a question and an answer look on the wire of one kind of swarm. Nothing else differs
 * between swarms: tables, requests in flight, walks and lookups are the same code.
 */
#ifndef KITH_CORE_DIALECT_H
#define KITH_CORE_DIALECT_H

#include "core/wire/msgpack_codec.h"

enum {
    KITH_PATHS_ROUNDS = 3, /* at most, see core/lookup/paths.h */
};

/* What an encoder says of the sender besides the message. Only dialects without sessions read it.
 */
struct kith_sender {
    const struct kith_point *id;
    uint8_t family;                  /* of the swarm: "nodes" or "nodes6" */
    const struct kith_endpoint *you; /* an error: whom it goes to, as seen from here; or NULL */
};

struct kith_dialect {
    const char *name;
    unsigned id_bits;
    unsigned k;            /* bucket size, and the number of nodes a record is stored on */
    unsigned alpha;        /* questions of a walk at a time */
    unsigned sendings;     /* of a request, the first included, where next to nothing is lost */
    unsigned sendings_max; /* where much is lost */
    /* Where in a request the last byte of its txn is, whose low bits tell the sendings apart: an
     * answer echoes them. 0: all sendings are alike. */
    size_t txn_end;
    unsigned
        deviations;  /* of round trips beyond their mean, until an unknown node counts as slow */
    unsigned rounds; /* of paths at most, for what the walk did not find (core/lookup/paths.h) */
    bool sessions;   /* messages travel inside sessions and peers are known by key */
    bool tokens;     /* writes need a token that the node gave with an answer */
    size_t datagram_max; /* UDP payload that it sends, and accepts */
    size_t answer_max;   /* of an answer without a record */
    uint32_t source;     /* KITH_SOURCE_* of what its walks bring */
    /* Where a record lies in this id space. */
    void (*point)(const struct kith_record_view *view, struct kith_point *ret);
    int (*encode_request)(const struct kith_sender *from, const struct kith_txn *txn,
                          const struct kith_request *request, uint8_t *out, size_t max,
                          size_t *ret_size);
    int (*encode_response)(const struct kith_sender *from, const struct kith_txn *txn,
                           const struct kith_response *response, uint8_t *out, size_t max,
                           size_t *ret_size);
    int (*encode_error)(const struct kith_sender *from, const struct kith_txn *txn,
                        const struct kith_wire_failure *failure, uint8_t *out, size_t max,
                        size_t *ret_size);
    int (*encode_push)(const struct kith_request *push, uint8_t *out, size_t max, size_t *ret_size);
    /* `family`: of the address that the bytes came from. */
    int (*decode)(struct kith_codec *codec, uint8_t family, struct kith_span bytes,
                  struct kith_message *ret);
};

/* msgpack inside Noise sessions: kith's own swarm. */
extern const struct kith_dialect kith_dialect_kith;
/* KRPC: the BitTorrent Mainline DHT. */
extern const struct kith_dialect kith_dialect_krpc;

#endif
