/* SPDX-License-Identifier: MIT */
/*
 * span: borrowed bytes, and cursors over them with a sticky error.
 *
 * A reader or writer that ran past its end stays failed, reads zeros and writes nothing, so a codec
 * checks once, at the end. Integers are big endian. Nothing here owns memory.
 */
#ifndef KITH_UTIL_SPAN_H
#define KITH_UTIL_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct kith_span {
    const uint8_t *data;
    size_t size;
};

static inline struct kith_span kith_span(const void *data, size_t size) {
    return (struct kith_span){(const uint8_t *)data, size};
}

static inline bool kith_span_equal(struct kith_span a, struct kith_span b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* The bytes of a string literal or NUL-terminated string, without the NUL. */
static inline struct kith_span kith_span_text(const char *text) {
    return kith_span(text, strlen(text));
}

struct kith_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct kith_writer {
    uint8_t *begin;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static inline struct kith_reader kith_reader(struct kith_span span) {
    const uint8_t *end = span.size == 0 ? span.data : span.data + span.size;
    return (struct kith_reader){span.data, end, false};
}

static inline size_t kith_reader_left(const struct kith_reader *r) {
    return (size_t)(r->end - r->at);
}

/* A pointer to the next `size` bytes, or NULL and the reader fails. */
const uint8_t *kith_read_bytes(struct kith_reader *r, size_t size);
/* Copies; zero-fills `out` on failure. */
void kith_read_copy(struct kith_reader *r, void *out, size_t size);
uint8_t kith_read_u8(struct kith_reader *r);
uint16_t kith_read_u16(struct kith_reader *r);
uint32_t kith_read_u32(struct kith_reader *r);
uint64_t kith_read_u64(struct kith_reader *r);

static inline struct kith_writer kith_writer(void *buffer, size_t capacity) {
    uint8_t *b = (uint8_t *)buffer;
    return (struct kith_writer){b, b, capacity == 0 ? b : b + capacity, false};
}

static inline size_t kith_writer_size(const struct kith_writer *w) {
    return (size_t)(w->at - w->begin);
}

static inline size_t kith_writer_left(const struct kith_writer *w) {
    return (size_t)(w->end - w->at);
}

/* Room for `size` bytes that the caller fills, or NULL and the writer fails. */
uint8_t *kith_write_reserve(struct kith_writer *w, size_t size);
void kith_write_bytes(struct kith_writer *w, const void *bytes, size_t size);
void kith_write_span(struct kith_writer *w, struct kith_span span);
void kith_write_zeros(struct kith_writer *w, size_t size);
void kith_write_u8(struct kith_writer *w, uint8_t value);
void kith_write_u16(struct kith_writer *w, uint16_t value);
void kith_write_u32(struct kith_writer *w, uint32_t value);
void kith_write_u64(struct kith_writer *w, uint64_t value);

#endif
