/* SPDX-License-Identifier: MIT */
/*
 * control_frame: where a msgpack value ends, without decoding it.
 *
 * msgpack-c allocates what an array's or map's header claims before it sees the elements, and would
 * start over for each piece of a request that arrives in pieces. This scan runs ahead of it: a
 * stack of "values still missing", one entry per open container, fed from wherever it stopped last.
 * A request of n bytes costs n steps whatever the pieces, and what is over a bound is refused while
 * it still lies in the stream. Only complete, bounded values are handed to msgpack-c.
 */
#include "shell/control_internal.h"

/* What the first byte of a value says (the msgpack specification, "Formats"). */
struct head {
    unsigned n_length; /* bytes of length that follow */
    uint64_t n_body;   /* bytes of body beside those the length says */
    unsigned per;      /* 0: the length counts bytes; 1, 2: elements, pairs */
    uint64_t n_inline; /* elements of a fixarray or fixmap */
    bool is_valid;
};

static struct head head_of_fix(uint8_t first) {
    if (first < 0x80 || first >= 0xe0) {
        return (struct head){.is_valid = true};
    }
    if (first < 0x90) {
        return (struct head){.per = 2, .n_inline = first & 0x0f, .is_valid = true};
    }
    if (first < 0xa0) {
        return (struct head){.per = 1, .n_inline = first & 0x0f, .is_valid = true};
    }
    return (struct head){.n_body = first & 0x1f, .is_valid = true};
}

static struct head head_of(uint8_t first) {
    /* 0xc0 to 0xdf: {bytes of length, bytes of body, per}; 0xc1 is never used. */
    static const uint8_t table[32][3] = {
        {0, 0, 0},  {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, /* nil, never used, false, true */
        {1, 0, 0},  {2, 0, 0}, {4, 0, 0},            /* bin */
        {1, 1, 0},  {2, 1, 0}, {4, 1, 0},            /* ext: a type byte besides */
        {0, 4, 0},  {0, 8, 0},                       /* float */
        {0, 1, 0},  {0, 2, 0}, {0, 4, 0}, {0, 8, 0}, /* uint */
        {0, 1, 0},  {0, 2, 0}, {0, 4, 0}, {0, 8, 0}, /* int */
        {0, 2, 0},  {0, 3, 0}, {0, 5, 0}, {0, 9, 0}, /* fixext 1, 2, 4, 8 */
        {0, 17, 0},                                  /* fixext 16 */
        {1, 0, 0},  {2, 0, 0}, {4, 0, 0},            /* str */
        {2, 0, 1},  {4, 0, 1},                       /* array */
        {2, 0, 2},  {4, 0, 2},                       /* map */
    };
    if (first < 0xc0 || first >= 0xe0) {
        return head_of_fix(first);
    }
    const uint8_t *row = table[first - 0xc0];
    return (struct head){
        .n_length = row[0], .n_body = row[1], .per = row[2], .is_valid = first != 0xc1};
}

/* One value read: so is every container that it was the last element of. */
static bool close_levels(struct kith_frame *frame) {
    while (frame->depth > 0 && --frame->left[frame->depth - 1] == 0) {
        frame->depth--;
    }
    return frame->depth == 0;
}

static int open_level(struct kith_frame *frame, uint64_t n) {
    if (n > KITH_FRAME_ELEMENTS_MAX || frame->depth == KITH_FRAME_DEPTH_MAX) {
        return KITH_ETOO_LARGE;
    }
    frame->left[frame->depth++] = n;
    return 0;
}

/* The header at `frame->at`: its size with the bytes of length, and the length. */
static int read_head(const struct kith_frame *frame, struct kith_span bytes, struct head *ret_head,
                     uint64_t *ret_length) {
    struct kith_reader r = kith_reader(kith_span(bytes.data + frame->at, bytes.size - frame->at));
    struct head head = head_of(kith_read_u8(&r));
    uint64_t length = head.n_inline;
    if (!head.is_valid) {
        return KITH_ESYNTAX;
    }
    if (kith_reader_left(&r) < head.n_length) {
        return KITH_FRAME_PARTIAL;
    }
    for (unsigned i = 0; i < head.n_length; i++) {
        length = length << 8 | kith_read_u8(&r);
    }
    *ret_head = head;
    *ret_length = length;
    return 0;
}

int kith_frame_scan(struct kith_frame *frame, struct kith_span bytes, size_t *ret_size) {
    while (frame->at < bytes.size) {
        struct head head;
        uint64_t length;
        int r = read_head(frame, bytes, &head, &length);
        if (r != 0) {
            return r;
        }
        uint64_t body = head.n_body + (head.per == 0 ? length : 0);
        if (body > KITH_CONTROL_REQUEST_MAX) {
            return KITH_ETOO_LARGE;
        }
        if (bytes.size - frame->at < 1 + head.n_length + body) {
            return KITH_FRAME_PARTIAL;
        }
        if (++frame->n_values > KITH_FRAME_ELEMENTS_MAX) {
            return KITH_ETOO_LARGE;
        }
        frame->at += 1 + head.n_length + (size_t)body;
        if (head.per > 0 && length > 0) {
            r = open_level(frame, length * head.per);
            if (r < 0) {
                return r;
            }
        } else if (close_levels(frame)) {
            *ret_size = frame->at;
            return 0;
        }
    }
    return KITH_FRAME_PARTIAL;
}
