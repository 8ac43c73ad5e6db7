/* SPDX-License-Identifier: MIT */
/*
 * The kith dialect. k = 20: at 10^5 nodes a walk then needs 2.4 mean hops against 3.3 for k = 8;
 * wider symbols would buy less than a larger k.
 */
#include "core/wire/dialect.h"

#include "core/base/id.h"
#include "core/wire/outbox.h"
#include "kith/op.h"

static void point(const struct kith_record_view *view, struct kith_point *ret) {
    kith_record_point(view, ret);
}

static int encode_request(const struct kith_sender *from, const struct kith_txn *txn,
                          const struct kith_request *request, uint8_t *out, size_t max,
                          size_t *ret_size) {
    (void)from; /* the session says who */
    return kith_msgpack_encode_request(txn, request, out, max, ret_size);
}

static int encode_response(const struct kith_sender *from, const struct kith_txn *txn,
                           const struct kith_response *response, uint8_t *out, size_t max,
                           size_t *ret_size) {
    (void)from;
    return kith_msgpack_encode_response(txn, response, out, max, ret_size);
}

static int encode_error(const struct kith_sender *from, const struct kith_txn *txn,
                        const struct kith_wire_failure *failure, uint8_t *out, size_t max,
                        size_t *ret_size) {
    (void)from;
    return kith_msgpack_encode_error(txn, failure, out, max, ret_size);
}

static int decode(struct kith_codec *codec, uint8_t family, struct kith_span bytes,
                  struct kith_message *ret) {
    (void)family; /* nothing in the bytes is read differently for it */
    return kith_msgpack_decode(codec, bytes, ret);
}

const struct kith_dialect kith_dialect_kith = {
    .name = "kith",
    .id_bits = KITH_ID_BITS,
    .k = 20,
    .alpha = 3,
    .sendings = 2,
    .sendings_max = 8, /* with 30% loss each way, one sending fails 51%, seven 1% */
    .txn_end = 6,      /* array, kind, uint32 and its four bytes */
    .deviations = 3,   /* too early would cost a handshake */
    .rounds = 3,
    .sessions = true,
    .datagram_max = KITH_DATAGRAM_MAX,
    .answer_max = KITH_DATAGRAM_MAX,
    .source = KITH_SOURCE_KITH,
    .point = point,
    .encode_request = encode_request,
    .encode_response = encode_response,
    .encode_error = encode_error,
    .encode_push = kith_msgpack_encode_push,
    .decode = decode,
};
