/* SPDX-License-Identifier: MIT */
/*
 * control_encode: messages of named fields.
 *
 * msgpack wants to know a map's size before its first entry. Counting by hand goes wrong with the
 * first optional field, so a map or array is opened with a 32-bit header that is filled in when it
 * is closed: five bytes instead of one or three, on a local socket.
 */
#include <string.h>

#include "shell/control_internal.h"
#include "util/text.h"

enum { HEADER_SIZE = 5, HEADER_ARRAY = 0xdd, HEADER_MAP = 0xdf };

/* msgpack's write callback, made sticky. */
static int out_write(void *data, const char *bytes, size_t size) {
    struct kith_out *out = data;
    if (out->failed || msgpack_sbuffer_write(&out->buffer, bytes, size) != 0) {
        out->failed = true;
        return -1;
    }
    return 0;
}

void kith_out_init(struct kith_out *out) {
    memset(out, 0, sizeof(*out));
    msgpack_sbuffer_init(&out->buffer);
    msgpack_packer_init(&out->packer, out, out_write);
}

void kith_out_deinit(struct kith_out *out) {
    msgpack_sbuffer_destroy(&out->buffer);
}

void kith_out_header(struct kith_out *out, unsigned n, unsigned kind, uint64_t id) {
    (void)msgpack_pack_array(&out->packer, n);
    (void)msgpack_pack_uint64(&out->packer, kind);
    (void)msgpack_pack_uint64(&out->packer, id);
}

static void pack_text(struct kith_out *out, const char *text) {
    size_t size = strlen(text);
    (void)msgpack_pack_str(&out->packer, size);
    (void)msgpack_pack_str_body(&out->packer, text, size);
}

static void begin_field(struct kith_out *out, const char *name) {
    out->n++;
    if (name != NULL) {
        pack_text(out, name);
    }
}

static struct kith_out_level open_level(struct kith_out *out, const char *name, uint8_t first) {
    const char header[HEADER_SIZE] = {(char)first};
    begin_field(out, name);
    struct kith_out_level level = {.at = out->buffer.size, .n = out->n};
    (void)out_write(out, header, sizeof(header));
    out->n = 0;
    return level;
}

struct kith_out_level kith_out_map(struct kith_out *out, const char *name) {
    return open_level(out, name, HEADER_MAP);
}

struct kith_out_level kith_out_array(struct kith_out *out, const char *name) {
    return open_level(out, name, HEADER_ARRAY);
}

void kith_out_end(struct kith_out *out, struct kith_out_level level) {
    if (!out->failed) {
        struct kith_writer w = kith_writer(out->buffer.data + level.at + 1, HEADER_SIZE - 1);
        kith_write_u32(&w, out->n);
    }
    out->n = level.n;
}

void kith_out_nil(struct kith_out *out, const char *name) {
    begin_field(out, name);
    (void)msgpack_pack_nil(&out->packer);
}

void kith_out_bool(struct kith_out *out, const char *name, bool value) {
    begin_field(out, name);
    (void)(value ? msgpack_pack_true(&out->packer) : msgpack_pack_false(&out->packer));
}

void kith_out_uint(struct kith_out *out, const char *name, uint64_t value) {
    begin_field(out, name);
    (void)msgpack_pack_uint64(&out->packer, value);
}

void kith_out_int(struct kith_out *out, const char *name, int64_t value) {
    begin_field(out, name);
    (void)msgpack_pack_int64(&out->packer, value);
}

void kith_out_float(struct kith_out *out, const char *name, double value) {
    begin_field(out, name);
    (void)msgpack_pack_double(&out->packer, value);
}

void kith_out_ms(struct kith_out *out, const char *name, uint64_t ns) {
    kith_out_float(out, name, (double)ns / 1e6);
}

void kith_out_s(struct kith_out *out, const char *name, uint64_t ns) {
    kith_out_float(out, name, (double)ns / 1e9);
}

void kith_out_text(struct kith_out *out, const char *name, const char *text) {
    begin_field(out, name);
    pack_text(out, text);
}

void kith_out_bin(struct kith_out *out, const char *name, const void *bytes, size_t size) {
    begin_field(out, name);
    (void)msgpack_pack_bin(&out->packer, size);
    if (size > 0) {
        (void)msgpack_pack_bin_body(&out->packer, bytes, size);
    }
}

void kith_out_raw(struct kith_out *out, const char *name, const void *bytes, size_t size) {
    begin_field(out, name);
    (void)out_write(out, bytes, size);
}

void kith_out_key(struct kith_out *out, const char *name, const struct kith_key *key) {
    char text[KITH_KEY_TEXT_SIZE];
    kith_key_format(key, text);
    kith_out_text(out, name, text);
}

void kith_out_point(struct kith_out *out, const char *name, const struct kith_point *point) {
    char text[2 * sizeof(point->bytes) + 1];
    kith_hex_encode(point->bytes, sizeof(point->bytes), text);
    kith_out_text(out, name, text);
}

void kith_out_target(struct kith_out *out, const char *name, const struct kith_point *point) {
    char text[2 * KITH_MAINLINE_ID_SIZE + 1];
    kith_hex_encode(point->bytes, KITH_MAINLINE_ID_SIZE, text);
    kith_out_text(out, name, text);
}

void kith_out_endpoint(struct kith_out *out, const char *name,
                       const struct kith_endpoint *endpoint) {
    char text[KITH_ENDPOINT_TEXT_SIZE];
    kith_endpoint_format(endpoint, text);
    kith_out_text(out, name, text);
}

void kith_out_endpoints(struct kith_out *out, const char *name,
                        const struct kith_endpoint *endpoints, size_t n) {
    struct kith_out_level level = kith_out_array(out, name);
    for (size_t i = 0; i < n; i++) {
        kith_out_endpoint(out, NULL, &endpoints[i]);
    }
    kith_out_end(out, level);
}
