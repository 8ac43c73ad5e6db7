/* SPDX-License-Identifier: MIT */
/*
 * bencode: total, zero-copy reading of bencoded values (BEP 3), and writing them.
 *
 * Two readers. The strict one guards values that are signed and hashed: dict keys sorted and
 * unique, depth at most 16. The lenient one is for the envelopes of others' messages: keys in any
 * order, the first of equal ones counts. Both refuse leading zeros, "-0", and lengths beyond the
 * input. Never recurses on input, never allocates.
 */
#ifndef KITH_CORE_BENCODE_H
#define KITH_CORE_BENCODE_H

#include "kith/error.h"
#include "util/span.h"

enum {
    KITH_BENCODE_DEPTH_MAX = 16,      /* of a strict value */
    KITH_BENCODE_READ_DEPTH_MAX = 32, /* of one read leniently */
};

/* ---- strict ---- */

/* The size of the one value at the start of `input`. -> KITH_ESYNTAX */
KITH_MUST_CHECK int kith_bencode_skip(struct kith_span input, size_t *ret_size);
/* The bytes of a byte string that fills `input` exactly. -> KITH_ESYNTAX */
KITH_MUST_CHECK int kith_bencode_string(struct kith_span input, struct kith_span *ret);

/* ---- lenient ---- */

enum kith_bencode_type {
    KITH_BENCODE_NONE = 0, /* no value */
    KITH_BENCODE_INTEGER,
    KITH_BENCODE_STRING,
    KITH_BENCODE_LIST,
    KITH_BENCODE_DICT,
};

struct kith_bencode_value {
    enum kith_bencode_type type;
    struct kith_span raw;  /* as encoded */
    struct kith_span body; /* a string's bytes, an integer's digits, a container's members */
};

/* The one value that fills `input`. Every value and every key counts as an element, all levels
 * together. -> KITH_ESYNTAX */
KITH_MUST_CHECK int kith_bencode_read(struct kith_span input, unsigned elements_max,
                                      struct kith_bencode_value *ret);
/* Takes the next member off a list's body, or the next entry off a dict's. False at the end, and
 * where the bytes are none, which cannot be inside what was read. */
bool kith_bencode_next(struct kith_span *members, struct kith_bencode_value *ret);
bool kith_bencode_next_entry(struct kith_span *members, struct kith_span *ret_key,
                             struct kith_bencode_value *ret);
/* False if it is no integer, or beyond 64 bits. */
bool kith_bencode_integer(const struct kith_bencode_value *value, int64_t *ret);

/* ---- writing ---- */

/* Counts on past the end of its room, so that one pass writes what fits and measures what does not:
 * complete if size <= max. */
struct kith_bencode_writer {
    uint8_t *out;
    size_t max;
    size_t size;
};

static inline struct kith_bencode_writer kith_bencode_writer(void *out, size_t max) {
    return (struct kith_bencode_writer){(uint8_t *)out, max, 0};
}

/* Bytes as they are: a value, or 'd', 'l', 'e', or what a string head announced. */
void kith_bencode_write_raw(struct kith_bencode_writer *w, struct kith_span bytes);
void kith_bencode_write_char(struct kith_bencode_writer *w, char c);
void kith_bencode_write_integer(struct kith_bencode_writer *w, int64_t number);
void kith_bencode_write_string_head(struct kith_bencode_writer *w, size_t size);
void kith_bencode_write_string(struct kith_bencode_writer *w, struct kith_span bytes);
void kith_bencode_write_text(struct kith_bencode_writer *w, const char *text);

#endif
