/* SPDX-License-Identifier: MIT */
/*
 * msgpack_raw: what is private to the msgpack codec files: a cursor over msgpack bytes that never
 * allocates, and a bounded sink for msgpack-c's packer.
 */
#ifndef KITH_CORE_MSGPACK_RAW_H
#define KITH_CORE_MSGPACK_RAW_H

#include <msgpack.h>

#include "kith/error.h"
#include "util/span.h"

enum kith_msgpack_type {
    KITH_MSGPACK_NIL,
    KITH_MSGPACK_BOOL,
    KITH_MSGPACK_UINT,
    KITH_MSGPACK_NEGATIVE,
    KITH_MSGPACK_FLOAT,
    KITH_MSGPACK_STR,
    KITH_MSGPACK_BIN,
    KITH_MSGPACK_EXT,
    KITH_MSGPACK_ARRAY,
    KITH_MSGPACK_MAP,
};

struct kith_msgpack_item {
    enum kith_msgpack_type type;
    uint64_t number;        /* BOOL, UINT: the value; ARRAY, MAP: elements or pairs */
    struct kith_span bytes; /* STR, BIN, EXT: the payload */
};

/* Takes one item: a whole scalar, or the head of an array or map. -> KITH_ESYNTAX */
KITH_MUST_CHECK int kith_msgpack_next(struct kith_reader *r, struct kith_msgpack_item *ret);
/* Takes one whole value. Each value within counts as an element, a map's keys too; a scalar has
 * depth 0. depth_max above KITH_MSGPACK_DEPTH_MAX counts as that. -> KITH_ESYNTAX */
KITH_MUST_CHECK int kith_msgpack_skip(struct kith_reader *r, unsigned depth_max,
                                      unsigned elements_max);

/* Counts all bytes packed and keeps those that fit: `size` > `max` afterwards means too small. */
struct kith_msgpack_sink {
    uint8_t *out;
    size_t max;
    size_t size;
};

/* Initializes a packer that writes to the sink. Packing never fails. */
void kith_msgpack_packer(msgpack_packer *packer, struct kith_msgpack_sink *sink, uint8_t *out,
                         size_t max);
void kith_msgpack_pack_text(msgpack_packer *packer, const char *text);
void kith_msgpack_pack_bytes(msgpack_packer *packer, const void *bytes, size_t size);

#endif
