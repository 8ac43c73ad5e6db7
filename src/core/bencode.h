/* SPDX-License-Identifier: MIT */
/*
 * bencode: a total, zero-copy checker and reader of bencoded values (BEP 3).
 *
 * Strict: no leading zeros, no "-0", dict keys sorted and unique, depth at most 16, lengths inside
 * the input. Never recurses on input, never allocates.
 */
#ifndef KITH_CORE_BENCODE_H
#define KITH_CORE_BENCODE_H

#include "kith/error.h"
#include "util/span.h"

enum { KITH_BENCODE_DEPTH_MAX = 16 };

/* The size of the one value at the start of `input`. -> KITH_ESYNTAX */
KITH_MUST_CHECK int kith_bencode_skip(struct kith_span input, size_t *ret_size);
/* The bytes of a byte string that fills `input` exactly. -> KITH_ESYNTAX */
KITH_MUST_CHECK int kith_bencode_string(struct kith_span input, struct kith_span *ret);

#endif
