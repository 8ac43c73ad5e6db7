/* SPDX-License-Identifier: MIT */
/*
 * dialect: how a question and an answer look on the wire of one kind of swarm. Nothing else differs
 * between swarms: tables, requests in flight, walks and lookups are the same code.
 */
#ifndef KITH_CORE_DIALECT_H
#define KITH_CORE_DIALECT_H

#include "core/msgpack_codec.h"

struct kith_dialect {
    const char *name;
    unsigned id_bits;
    unsigned k;    /* bucket size, and the number of nodes a record is stored on */
    bool sessions; /* messages travel inside sessions and peers are known by key */
    int (*encode_request)(const struct kith_txn *txn, const struct kith_request *request,
                          uint8_t *out, size_t max, size_t *ret_size);
    int (*encode_response)(const struct kith_txn *txn, const struct kith_response *response,
                           uint8_t *out, size_t max, size_t *ret_size);
    int (*encode_error)(const struct kith_txn *txn, const struct kith_wire_failure *failure,
                        uint8_t *out, size_t max, size_t *ret_size);
    int (*encode_push)(const struct kith_request *push, uint8_t *out, size_t max,
                       size_t *ret_size);
    int (*decode)(struct kith_codec *codec, struct kith_span bytes, struct kith_message *ret);
};

/* msgpack inside Noise sessions: kith's own swarm. */
extern const struct kith_dialect kith_dialect_kith;

#endif
