/* SPDX-License-Identifier: MIT */
/*
 * krpc: the Mainline dialect's bytes: bencoded dictionaries, BEP 5, 32, 33, 42, 43, 44, 45, 51.
 *
 * Decoding is total, allocates nothing and copies nothing: spans point into the datagram. What
 * others send is read leniently where the field needs it (unsorted keys, one concatenated string
 * of peers, mixed families), but the one value that is signed or hashed, "v", must be strict
 * bencoding and is handed on verbatim. Writing is strict: sorted keys, no surplus.
 */
#ifndef KITH_CORE_KRPC_H
#define KITH_CORE_KRPC_H

#include "core/wire/dialect.h"

enum {
    KITH_KRPC_ID_SIZE = 20,
    KITH_KRPC_DEPTH_MAX = 32, /* of a datagram; "v" has its own bound, KITH_BENCODE_DEPTH_MAX */
    KITH_KRPC_ELEMENTS_MAX = 1024,
    KITH_KRPC_PORT_BOGUS = 1, /* ports up to this one are nobody's */
};

/*
 * One message that fills `bytes`; a dict, "t" of 0..KITH_TXN_MAX bytes (longer: KITH_ESYNTAX).
 * `family` is that of the address it came from: "values" of one string are peers of this family.
 * Contacts: "nodes" and "nodes6" of any number, those with unusable endpoints (ports 0 and 1 too)
 * are left out, surplus beyond the arrays is ignored, but neither family crowds out the other's
 * half; a string that is no multiple of 26 or 38 counts as far as it goes. A request of an unknown
 * method that has a "target" or "info_hash" of 20 bytes is a FIND of it. "want" absent: both want
 * flags false. Errors need no "id". Of "r" in a response only "id" is required; other fields that
 * are malformed are as if they were not there, and so is a token over KITH_TOKEN_MAX. Of a
 * request's args, flags and "want" are forgiven likewise; anything else malformed makes it
 * KITH_DECODE_ARGS_INVALID. Sizes and signs are not judged here where an error code of its own
 * exists (a "v" over 1000 bytes, a salt over 64, a negative seq): who serves the request does. A
 * "v" that is no strict bencoding makes a request KITH_DECODE_ARGS_INVALID; in a response it is as
 * if there were no record. A response's record carries no salt; has_seq there means that "seq" came
 * without "v".
 * -> KITH_ESYNTAX, KITH_DECODE_METHOD_UNKNOWN, KITH_DECODE_ARGS_INVALID (txn is set, and id if it
 * was there)
 */
KITH_MUST_CHECK int kith_krpc_decode(uint8_t family, struct kith_span bytes,
                                     struct kith_message *ret);

/* As in struct kith_dialect. Requests: "ro" 1 if read_only; "v" our version; "want" only if it
 * differs from what the family implies; a put also carries "target" (request->target), which some
 * implementations need, and an immutable one a "seq" of 0.
 * -> KITH_ETOO_LARGE, KITH_EINVALID (a method that Mainline does not have, a put without a whole
 * record, announce_peer with neither a port nor implied_port) */
KITH_MUST_CHECK int kith_krpc_encode_request(const struct kith_sender *from,
                                             const struct kith_txn *txn,
                                             const struct kith_request *request, uint8_t *out,
                                             size_t max, size_t *ret_size);
/* Fits `max`: leaves out filters, then peers, then
 * samples, then contacts from the farthest (of both families in turn), then the record, whose room
 * is filled with contacts again, and last "ip" and "v". "ip" from `you`; "v" unless all zero.
 * Contacts of no family are left out; so is an IPv6 peer that is the only one, over IPv4, where
 * readers take it for three.
 * -> KITH_ETOO_LARGE, KITH_EINVALID (a peer or `you` of no family, half a record, a filter or
 * samples of another size than the struct says) */
KITH_MUST_CHECK int kith_krpc_encode_response(const struct kith_sender *from,
                                              const struct kith_txn *txn,
                                              const struct kith_response *response, uint8_t *out,
                                              size_t max, size_t *ret_size);
/* "ip" from from->you. The seq held has no place in Mainline's errors. -> KITH_ETOO_LARGE,
 * KITH_EINVALID */
KITH_MUST_CHECK int kith_krpc_encode_error(const struct kith_sender *from,
                                           const struct kith_txn *txn,
                                           const struct kith_wire_failure *failure, uint8_t *out,
                                           size_t max, size_t *ret_size);

#endif
