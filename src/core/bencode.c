/* SPDX-License-Identifier: MIT */
/*
 * bencode: one pass over the bytes with a stack of open containers instead of recursion.
 *
 * Bencoding (BEP 3) has exactly one encoding per value: integers without leading zeros or "-0",
 * lengths without leading zeros, dictionary keys in ascending byte order without repetition. A
 * record is signed and hashed over its bytes, and equal records must have equal bytes in every
 * swarm, so anything else is refused here. (Implementations in the field differ: some refuse
 * unsorted keys when storing, some do not; what we accept, all of them do.)
 *
 * Invariant: every step consumes at least one byte, so the walk ends after at most input.size
 * steps. A dictionary's last key is kept as a span into the input. Integers may have any number of
 * digits: nothing here interprets them.
 */
#include "core/bencode.h"

#include <stdbool.h>

/* An open list or dictionary. */
struct frame {
    bool is_dict;
    bool has_key;    /* a key was read in this dictionary: `key` is the last one */
    bool want_value; /* a key was read and its value was not */
    struct kith_span key;
};

struct walk {
    struct kith_reader reader;
    unsigned depth;
    struct frame frames[KITH_BENCODE_DEPTH_MAX];
};

/* The next byte without taking it; 0, which starts nothing, at the end. */
static uint8_t peek(const struct kith_reader *r) {
    return kith_reader_left(r) > 0 ? *r->at : 0;
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* Takes decimal digits without leading zeros; returns how many, 0 for none or a leading zero. */
static size_t take_digits(struct kith_reader *r) {
    const uint8_t *start = r->at;
    while (is_digit(peek(r))) {
        r->at++;
    }
    size_t n = (size_t)(r->at - start);
    return n > 1 && start[0] == '0' ? 0 : n;
}

/* "i" ["-"] digits "e" */
static int read_integer(struct kith_reader *r) {
    r->at++;
    bool negative = peek(r) == '-';
    if (negative) {
        r->at++;
    }
    bool zero = peek(r) == '0';
    if (take_digits(r) == 0 || (negative && zero) || peek(r) != 'e') {
        return KITH_ESYNTAX;
    }
    r->at++;
    return 0;
}

/* digits ":" bytes */
static int read_string(struct kith_reader *r, struct kith_span *ret) {
    const uint8_t *digits = r->at;
    size_t n_digits = take_digits(r);
    if (n_digits == 0 || peek(r) != ':') {
        return KITH_ESYNTAX;
    }
    size_t length = 0;
    for (size_t i = 0; i < n_digits; i++) {
        length = length * 10 + (size_t)(digits[i] - '0');
        if (length > kith_reader_left(r)) {
            return KITH_ESYNTAX; /* before it can overflow */
        }
    }
    r->at++;
    const uint8_t *bytes = r->at;
    if (length > kith_reader_left(r)) {
        return KITH_ESYNTAX;
    }
    r->at += length;
    *ret = kith_span(bytes, length);
    return 0;
}

static bool span_less(struct kith_span a, struct kith_span b) {
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    return order != 0 ? order < 0 : a.size < b.size;
}

static int read_key(struct walk *w, struct frame *frame) {
    struct kith_span key;
    int r = read_string(&w->reader, &key);
    if (r < 0) {
        return r;
    }
    if (frame->has_key && !span_less(frame->key, key)) {
        return KITH_ESYNTAX;
    }
    frame->key = key;
    frame->has_key = true;
    frame->want_value = true;
    return 0;
}

static int open_container(struct walk *w, bool is_dict) {
    if (w->depth == KITH_BENCODE_DEPTH_MAX) {
        return KITH_ESYNTAX;
    }
    w->reader.at++;
    w->frames[w->depth++] = (struct frame){.is_dict = is_dict};
    return 0;
}

static int close_container(struct walk *w) {
    if (w->depth == 0 || w->frames[w->depth - 1].want_value) {
        return KITH_ESYNTAX;
    }
    w->reader.at++;
    w->depth--;
    return 0;
}

/* Takes one token: a key, a scalar, or the start or end of a container. */
static int step(struct walk *w) {
    uint8_t c = peek(&w->reader);
    struct frame *frame = w->depth > 0 ? &w->frames[w->depth - 1] : NULL;
    if (c == 'e') {
        return close_container(w);
    }
    if (frame != NULL && frame->is_dict) {
        if (!frame->want_value) {
            return read_key(w, frame);
        }
        frame->want_value = false;
    }
    if (c == 'l' || c == 'd') {
        return open_container(w, c == 'd');
    }
    struct kith_span ignored;
    return c == 'i' ? read_integer(&w->reader) : read_string(&w->reader, &ignored);
}

int kith_bencode_skip(struct kith_span input, size_t *ret_size) {
    if (input.size == 0) {
        return KITH_ESYNTAX;
    }
    struct walk w = {.reader = kith_reader(input)};
    do {
        int r = step(&w);
        if (r < 0) {
            return r;
        }
    } while (w.depth > 0);
    *ret_size = (size_t)(w.reader.at - input.data);
    return 0;
}

int kith_bencode_string(struct kith_span input, struct kith_span *ret) {
    if (input.size == 0) {
        return KITH_ESYNTAX;
    }
    struct kith_reader reader = kith_reader(input);
    struct kith_span bytes;
    int r = read_string(&reader, &bytes);
    if (r < 0) {
        return r;
    }
    if (kith_reader_left(&reader) != 0) {
        return KITH_ESYNTAX;
    }
    *ret = bytes;
    return 0;
}
