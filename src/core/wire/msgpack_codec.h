/* SPDX-License-Identifier: MIT */
/*
 * msgpack_codec: the kith dialect's bytes (docs/protocol.md, "Messages").
 *
 * Decoding is total: a skip over the raw bytes bounds depth, element counts and lengths before
 * msgpack-c sees them, so that no input makes it allocate more than the input is long. One codec
 * object holds the memory that decoding reuses; several cores in one thread may share it.
 */
#ifndef KITH_CORE_MSGPACK_CODEC_H
#define KITH_CORE_MSGPACK_CODEC_H

#include "core/wire/message.h"

enum {
    KITH_MSGPACK_DEPTH_MAX = 8,
    KITH_MSGPACK_ELEMENTS_MAX = 256, /* in one message, all levels together */
};

struct kith_codec; /* opaque: msgpack memory */

KITH_MUST_CHECK int kith_codec_new(struct kith_codec **ret);
struct kith_codec *kith_codec_free(struct kith_codec *codec);
/* KITH_DATAGRAM_MAX bytes for what is about to be decoded. */
uint8_t *kith_codec_payload(struct kith_codec *codec);

/* Writes at most `max` bytes to `out`. -> KITH_ETOO_LARGE, KITH_EINVALID */
KITH_MUST_CHECK int kith_msgpack_encode_request(const struct kith_txn *txn,
                                                const struct kith_request *request, uint8_t *out,
                                                size_t max, size_t *ret_size);
/* Fits `max`: leaves out the farthest contacts first (of both families in turn), then surplus
 * `records`, then the record; sets the truncated flag on the wire if a record had to go.
 * -> KITH_ETOO_LARGE if even the empty answer does not fit */
KITH_MUST_CHECK int kith_msgpack_encode_response(const struct kith_txn *txn,
                                                 const struct kith_response *response, uint8_t *out,
                                                 size_t max, size_t *ret_size);
/* A request that nobody answers. -> KITH_ETOO_LARGE, KITH_EINVALID */
KITH_MUST_CHECK int kith_msgpack_encode_push(const struct kith_request *push, uint8_t *out,
                                             size_t max, size_t *ret_size);
KITH_MUST_CHECK int kith_msgpack_encode_error(const struct kith_txn *txn,
                                              const struct kith_wire_failure *failure, uint8_t *out,
                                              size_t max, size_t *ret_size);

/* Positive outcomes of decode; kind and txn are set, so that the sender can be told. */
enum {
    KITH_DECODE_METHOD_UNKNOWN = 1, /* a well-formed request or push of a method we do not know */
    KITH_DECODE_ARGS_INVALID = 2,   /* a request whose args are malformed or incomplete */
};

/* Exactly one message, no trailing bytes. Unknown map keys are ignored; a known key of the wrong
 * type or size, or given twice, makes the message malformed. Contacts with unusable endpoints are
 * left out; surplus contacts and records beyond the array sizes are ignored. Ids are computed from
 * keys.
 * -> KITH_ESYNTAX, KITH_DECODE_METHOD_UNKNOWN, KITH_DECODE_ARGS_INVALID */
KITH_MUST_CHECK int kith_msgpack_decode(struct kith_codec *codec, struct kith_span bytes,
                                        struct kith_message *ret);

/* Exactly one msgpack value within the bounds above; `depth_max` and `elements_max` apply.
 * -> KITH_ESYNTAX */
KITH_MUST_CHECK int kith_msgpack_check(struct kith_span bytes, unsigned depth_max,
                                       unsigned elements_max);

#endif
