/* SPDX-License-Identifier: MIT */
/*
 * bencode: one pass over the bytes with a stack of open containers instead of recursion. The strict
 * and the lenient reader are the same walk, which in the lenient case does not compare keys.
 *
 * Bencoding (BEP 3) has exactly one encoding per value: integers without leading zeros or "-0",
 * lengths without leading zeros, dictionary keys in ascending byte order without repetition. A
 * record is signed and hashed over its bytes, and equal records must have equal bytes in every
 * swarm, so the strict reader refuses anything else. (Implementations in the field differ: some
 * refuse unsorted keys when storing, some do not; what we accept, all of them do.) Nobody signs the
 * envelope of a message, so there an odd order of keys does no harm. Numbers in a second spelling
 * are refused everywhere: nobody writes them.
 *
 * Invariant: every step consumes at least one byte, so the walk ends after at most input.size
 * steps. A dictionary's last key is kept as a span into the input. Integers may have any number of
 * digits: the walk does not interpret them.
 *
 * Members of a container are found by walking it again. A reader goes down a fixed number of
 * levels, so each byte is looked at so many times at most.
 */
#include "core/base/bencode.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

/* An open list or dictionary. */
struct frame {
    bool is_dict;
    bool has_key;    /* a key was read in this dictionary: `key` is the last one */
    bool want_value; /* a key was read and its value was not */
    struct kith_span key;
};

struct walk {
    struct kith_reader reader;
    bool strict;
    unsigned depth;
    size_t elements_left;
    struct frame frames[KITH_BENCODE_READ_DEPTH_MAX]; /* set as they are opened */
};

_Static_assert((int)KITH_BENCODE_DEPTH_MAX <= (int)KITH_BENCODE_READ_DEPTH_MAX,
               "what may be stored can be sent");

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
    if (w->strict && frame->has_key && !span_less(frame->key, key)) {
        return KITH_ESYNTAX;
    }
    frame->key = key;
    frame->has_key = true;
    frame->want_value = true;
    return 0;
}

static int open_container(struct walk *w, bool is_dict) {
    unsigned depth_max = w->strict ? KITH_BENCODE_DEPTH_MAX : KITH_BENCODE_READ_DEPTH_MAX;
    if (w->depth == depth_max) {
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
    if (w->elements_left == 0) {
        return KITH_ESYNTAX;
    }
    w->elements_left--;
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

/* The size of the one value at the start of `input`. */
static int walk_value(struct kith_span input, bool strict, size_t elements_max, size_t *ret_size) {
    if (input.size == 0) {
        return KITH_ESYNTAX;
    }
    struct walk w;
    w.reader = kith_reader(input);
    w.strict = strict;
    w.depth = 0;
    w.elements_left = elements_max;
    do {
        int r = step(&w);
        if (r < 0) {
            return r;
        }
    } while (w.depth > 0);
    *ret_size = (size_t)(w.reader.at - input.data);
    return 0;
}

int kith_bencode_skip(struct kith_span input, size_t *ret_size) {
    return walk_value(input, true, SIZE_MAX, ret_size);
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

/* ---- lenient ---- */

/* What a walk found well-formed, by its first byte. */
static struct kith_bencode_value classify(struct kith_span raw) {
    struct kith_bencode_value value = {.raw = raw};
    struct kith_reader string = kith_reader(raw);
    switch (raw.data[0]) {
    case 'i':
        value.type = KITH_BENCODE_INTEGER;
        break;
    case 'l':
        value.type = KITH_BENCODE_LIST;
        break;
    case 'd':
        value.type = KITH_BENCODE_DICT;
        break;
    default:
        value.type =
            read_string(&string, &value.body) == 0 ? KITH_BENCODE_STRING : KITH_BENCODE_NONE;
        return value;
    }
    value.body = kith_span(raw.data + 1, raw.size - 2); /* between the first byte and the 'e' */
    return value;
}

int kith_bencode_read(struct kith_span input, unsigned elements_max,
                      struct kith_bencode_value *ret) {
    size_t size = 0;
    int r = walk_value(input, false, elements_max, &size);
    if (r < 0) {
        return r;
    }
    if (size != input.size) {
        return KITH_ESYNTAX;
    }
    *ret = classify(input);
    return 0;
}

bool kith_bencode_next(struct kith_span *members, struct kith_bencode_value *ret) {
    size_t size = 0;
    if (walk_value(*members, false, SIZE_MAX, &size) < 0) {
        members->size = 0;
        return false;
    }
    *ret = classify(kith_span(members->data, size));
    *members = kith_span(members->data + size, members->size - size);
    return true;
}

bool kith_bencode_next_entry(struct kith_span *members, struct kith_span *ret_key,
                             struct kith_bencode_value *ret) {
    struct kith_bencode_value key;
    if (!kith_bencode_next(members, &key) || key.type != KITH_BENCODE_STRING ||
        !kith_bencode_next(members, ret)) {
        members->size = 0;
        return false;
    }
    *ret_key = key.body;
    return true;
}

bool kith_bencode_integer(const struct kith_bencode_value *value, int64_t *ret) {
    if (value->type != KITH_BENCODE_INTEGER) {
        return false;
    }
    bool negative = value->body.data[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t number = 0;
    for (size_t i = negative; i < value->body.size; i++) {
        uint64_t digit = (uint64_t)(value->body.data[i] - '0');
        if (number > (limit - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    /* not through -INT64_MIN, which does not exist */
    *ret = negative && number > 0 ? -(int64_t)(number - 1) - 1 : (int64_t)number;
    return true;
}

/* ---- writing ---- */

void kith_bencode_write_raw(struct kith_bencode_writer *w, struct kith_span bytes) {
    if (bytes.size > 0 && w->size <= w->max && bytes.size <= w->max - w->size) {
        memcpy(w->out + w->size, bytes.data, bytes.size);
    }
    w->size += bytes.size;
}

void kith_bencode_write_char(struct kith_bencode_writer *w, char c) {
    kith_bencode_write_raw(w, kith_span(&c, 1));
}

void kith_bencode_write_integer(struct kith_bencode_writer *w, int64_t number) {
    char text[32];
    snprintf(text, sizeof(text), "i%" PRId64 "e", number);
    kith_bencode_write_raw(w, kith_span_text(text));
}

void kith_bencode_write_string_head(struct kith_bencode_writer *w, size_t size) {
    char text[32];
    snprintf(text, sizeof(text), "%zu:", size);
    kith_bencode_write_raw(w, kith_span_text(text));
}

void kith_bencode_write_string(struct kith_bencode_writer *w, struct kith_span bytes) {
    kith_bencode_write_string_head(w, bytes.size);
    kith_bencode_write_raw(w, bytes);
}

void kith_bencode_write_text(struct kith_bencode_writer *w, const char *text) {
    kith_bencode_write_string(w, kith_span_text(text));
}
