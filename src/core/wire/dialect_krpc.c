/* SPDX-License-Identifier: MIT */
/* The Mainline dialect. k = 8 and ids of 160 bits are BEP 5's. */
#include "core/wire/dialect.h"

#include "core/record/target.h"
#include "core/wire/krpc.h"
#include "core/wire/outbox.h"
#include "kith/op.h"

/* Mainline's nodes tell each other nothing that they were not asked. */
static int encode_push(const struct kith_request *push, uint8_t *out, size_t max,
                       size_t *ret_size) {
    return KITH_EINVALID;
}

static int decode(struct kith_codec *codec, uint8_t family, struct kith_span bytes,
                  struct kith_message *ret) {
    (void)codec; /* nothing is allocated */
    return kith_krpc_decode(family, bytes, ret);
}

const struct kith_dialect kith_dialect_krpc = {
    .name = "mainline",
    .id_bits = KITH_TARGET_BITS,
    .k = 8,
    .alpha = 4, /* half of all contacts never answer */
    .sendings_max = 2,
    .sendings = 2, /* nor would most of them the third time */
    /* 4 wait for more of the living, but with 30% dead p99 of a get falls from 620 to 500 ms, for
     * 0.3 questions more where all live. Another alpha for that would cost 1.9. */
    .deviations = 2,
    /* Most of what is looked for is in kith's swarm or nowhere: in somebody else's network that
     * must not take a hundred questions. */
    .rounds = 1,
    .tokens = true,
    .datagram_max = KITH_WIRE_MAX,
    .answer_max = 1024, /* BEP 32 */
    .source = KITH_SOURCE_MAINLINE,
    .point = kith_target_of_record,
    .encode_request = kith_krpc_encode_request,
    .encode_response = kith_krpc_encode_response,
    .encode_error = kith_krpc_encode_error,
    .encode_push = encode_push,
    .decode = decode,
};
