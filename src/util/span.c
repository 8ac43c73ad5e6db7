/* SPDX-License-Identifier: MIT */
/*
 * span: cursors with a sticky error.
 *
 * A codec that checks the length before every field is where overruns come from: one check is
 * forgotten, or checks another length than is read. Here the cursor checks, always, and remembers
 * that it failed; the codec asks once, at the end. Two invariants make that safe:
 *
 *   - at <= end, so `end - at` is what is left, and a request is compared with that and never added
 *     to a pointer first;
 *   - a failed reader has nothing left, so a loop over "while something is left" ends.
 *
 * Everything is O(bytes touched). Offsets are never added to a null pointer, since an empty span
 * may have one.
 */
#include "util/span.h"

const uint8_t *kith_read_bytes(struct kith_reader *r, size_t size) {
    const uint8_t *bytes = r->at;

    if (r->failed || size > kith_reader_left(r)) {
        r->failed = true;
        r->at = r->end;
        return NULL;
    }
    if (size > 0) {
        r->at += size;
    }
    return bytes;
}

void kith_read_copy(struct kith_reader *r, void *out, size_t size) {
    const uint8_t *bytes = kith_read_bytes(r, size);

    if (size == 0) {
        return;
    }
    if (bytes == NULL) {
        memset(out, 0, size);
    } else {
        memcpy(out, bytes, size);
    }
}

/* A big-endian integer of `size` bytes, 0 once the reader has failed. */
static uint64_t read_integer(struct kith_reader *r, size_t size) {
    const uint8_t *bytes = kith_read_bytes(r, size);
    uint64_t value = 0;

    if (bytes == NULL) {
        return 0;
    }
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

uint8_t kith_read_u8(struct kith_reader *r) {
    return (uint8_t)read_integer(r, 1);
}

uint16_t kith_read_u16(struct kith_reader *r) {
    return (uint16_t)read_integer(r, 2);
}

uint32_t kith_read_u32(struct kith_reader *r) {
    return (uint32_t)read_integer(r, 4);
}

uint64_t kith_read_u64(struct kith_reader *r) {
    return read_integer(r, 8);
}

uint8_t *kith_write_reserve(struct kith_writer *w, size_t size) {
    uint8_t *room = w->at;

    if (w->failed || size > kith_writer_left(w)) {
        w->failed = true;
        return NULL;
    }
    if (size > 0) {
        w->at += size;
    }
    return room;
}

void kith_write_bytes(struct kith_writer *w, const void *bytes, size_t size) {
    uint8_t *room = kith_write_reserve(w, size);

    if (room != NULL && size > 0) {
        memcpy(room, bytes, size);
    }
}

void kith_write_span(struct kith_writer *w, struct kith_span span) {
    kith_write_bytes(w, span.data, span.size);
}

void kith_write_zeros(struct kith_writer *w, size_t size) {
    uint8_t *room = kith_write_reserve(w, size);

    if (room != NULL && size > 0) {
        memset(room, 0, size);
    }
}

/* The low `size` bytes of `value`, big endian. */
static void write_integer(struct kith_writer *w, uint64_t value, size_t size) {
    uint8_t *room = kith_write_reserve(w, size);

    if (room == NULL) {
        return;
    }
    for (size_t i = size; i > 0; i--) {
        room[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

void kith_write_u8(struct kith_writer *w, uint8_t value) {
    write_integer(w, value, 1);
}

void kith_write_u16(struct kith_writer *w, uint16_t value) {
    write_integer(w, value, 2);
}

void kith_write_u32(struct kith_writer *w, uint32_t value) {
    write_integer(w, value, 4);
}

void kith_write_u64(struct kith_writer *w, uint64_t value) {
    write_integer(w, value, 8);
}
