/* SPDX-License-Identifier: MIT */
/*
 * record: signed records exactly as BEP 44 signs them, so that one signature serves every swarm.
 *
 * Also what kith puts inside: peer records (salt "kith:" || network) and announcements (salt
 * "kith:topic:" || topic), whose values are msgpack maps in a bencoded byte string.
 */
#ifndef KITH_CORE_RECORD_H
#define KITH_CORE_RECORD_H

#include "core/base/curve.h"
#include "core/base/id.h"
#include "core/base/identity.h"
#include "kith/types.h"
#include "util/span.h"

enum {
    /* "4:salt64:" salt "3:seqi" 19 digits "e1:v" value */
    KITH_SIGN_BUFFER_MAX = 9 + KITH_SALT_MAX + 6 + 20 + 4 + KITH_VALUE_MAX,
    KITH_PEER_TTL_S = 7200, /* what we state in our own peer records and announcements */
};

/* A record as it lies in a datagram; spans point there. */
struct kith_record_view {
    bool is_mutable;
    const uint8_t *key;       /* 32 bytes, mutable only */
    const uint8_t *signature; /* 64 bytes, mutable only */
    struct kith_span salt;
    int64_t seq;
    struct kith_span value; /* bencoded, verbatim */
};

/* BEP 44's buffer: ["4:salt" len ":" salt] "3:seqi" seq "e1:v" value. `out` holds
 * KITH_SIGN_BUFFER_MAX. */
size_t kith_record_sign_buffer(struct kith_span salt, int64_t seq, struct kith_span value,
                               uint8_t *out);

/* Limits and the shape of the value only: sizes, seq >= 0, exactly one well-formed bencoded value.
 * -> KITH_ETOO_LARGE, KITH_ESYNTAX, KITH_EINVALID */
KITH_MUST_CHECK int kith_record_check(const struct kith_record_view *view);
/* Makes a signed mutable record. -> what kith_record_check() returns */
KITH_MUST_CHECK int kith_record_sign(struct kith_record *ret, const struct kith_identity *identity,
                                     const struct kith_curve *curve, struct kith_span salt,
                                     int64_t seq, struct kith_span value);
/* Makes an immutable record. */
KITH_MUST_CHECK int kith_record_immutable(struct kith_record *ret, struct kith_span value);
/* Limits, signature, and that it belongs at `point` (NULL: not checked). -> KITH_EVERIFY and those
 * above */
KITH_MUST_CHECK int kith_record_verify(const struct kith_record_view *view,
                                       const struct kith_curve *curve,
                                       const struct kith_point *point);
/* Where it is stored. */
void kith_record_point(const struct kith_record_view *view, struct kith_point *ret);
void kith_record_view(const struct kith_record *record, struct kith_record_view *ret);
/* Copies a checked view. */
void kith_record_copy(struct kith_record *ret, const struct kith_record_view *view);

/* THE winner rule, the same everywhere so that replicas converge: >0 if a wins over b, 0 if equal.
 * Higher seq, then bytewise larger value (a longer one beats its own prefix). */
int kith_record_compare(const struct kith_record_view *a, const struct kith_record_view *b);

/* The salt of a network's peer records, and of a topic's announcements. `salt` holds KITH_SALT_MAX.
 */
size_t kith_peer_salt(const char *network, uint8_t *salt);
size_t kith_topic_salt(const struct kith_point *topic, uint8_t *salt);

/*
 * Encodes a peer's endpoints and capabilities as the bencoded value of a peer record. Keys, sorted:
 * "c" capabilities map, "e4" 6-byte endpoints, "e6" 18-byte endpoints, "p" protocol version 1,
 * "ttl" seconds. key and seq of `peer` are not part of the value. `out` holds KITH_VALUE_MAX.
 * -> KITH_ETOO_LARGE, KITH_ESYNTAX (capabilities are no msgpack map)
 */
KITH_MUST_CHECK int kith_peer_encode(const struct kith_peer *peer, uint8_t *out,
                                     uint16_t *ret_size);

#endif
