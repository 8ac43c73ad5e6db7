/* SPDX-License-Identifier: MIT */
/*
 * msgpack_raw: walking msgpack bytes without a tree, and packing into a bounded buffer.
 *
 * The walk is what makes decoding total. It is iterative; the stack holds, for each open container,
 * how many values are still to come. A container is refused at its head if it promises more
 * elements than the budget has left, so a five-byte array of 2^32 elements costs five bytes of
 * reading. Strings are refused at their head if they promise more than the input has left. Work is
 * hence O(bytes) and memory is O(1).
 */
#include "core/wire/msgpack_raw.h"

#include "core/wire/msgpack_codec.h"

/* The first byte of each format (msgpack specification, "Formats"). */
enum format {
    FORMAT_FIXMAP = 0x80,
    FORMAT_FIXARRAY = 0x90,
    FORMAT_FIXSTR = 0xa0,
    FORMAT_NIL = 0xc0,
    FORMAT_NEVER_USED = 0xc1,
    FORMAT_FALSE = 0xc2,
    FORMAT_TRUE = 0xc3,
    FORMAT_BIN8 = 0xc4,
    FORMAT_EXT8 = 0xc7,
    FORMAT_FLOAT32 = 0xca,
    FORMAT_FLOAT64 = 0xcb,
    FORMAT_UINT8 = 0xcc,
    FORMAT_INT8 = 0xd0,
    FORMAT_FIXEXT1 = 0xd4,
    FORMAT_STR8 = 0xd9,
    FORMAT_ARRAY16 = 0xdc,
    FORMAT_MAP16 = 0xde,
    FORMAT_NEGATIVE_FIXINT = 0xe0,
};

/* A big-endian unsigned integer of 1 << `log2_size` bytes. */
static uint64_t read_sized(struct kith_reader *r, unsigned log2_size) {
    switch (log2_size) {
    case 0:
        return kith_read_u8(r);
    case 1:
        return kith_read_u16(r);
    case 2:
        return kith_read_u32(r);
    default:
        return kith_read_u64(r);
    }
}

static void read_payload(struct kith_reader *r, uint64_t size, struct kith_msgpack_item *item) {
    if (size > kith_reader_left(r)) {
        r->failed = true;
        return;
    }
    item->bytes = kith_span(r->at, (size_t)size);
    r->at += size;
}

static void read_integer(struct kith_reader *r, uint8_t format, struct kith_msgpack_item *item) {
    unsigned log2_size = (format - FORMAT_UINT8) & 3u;
    bool is_signed = format >= FORMAT_INT8;
    item->number = read_sized(r, log2_size);
    bool negative = is_signed && (item->number >> ((8u << log2_size) - 1)) != 0;
    item->type = negative ? KITH_MSGPACK_NEGATIVE : KITH_MSGPACK_UINT;
}

/* Formats 0xc0..0xdf: those whose length or value follows the first byte. */
static void read_long(struct kith_reader *r, uint8_t format, struct kith_msgpack_item *item) {
    if (format == FORMAT_NEVER_USED) {
        r->failed = true;
    } else if (format == FORMAT_NIL) {
        item->type = KITH_MSGPACK_NIL;
    } else if (format <= FORMAT_TRUE) {
        item->type = KITH_MSGPACK_BOOL;
        item->number = format == FORMAT_TRUE;
    } else if (format < FORMAT_EXT8) {
        item->type = KITH_MSGPACK_BIN;
        read_payload(r, read_sized(r, format - FORMAT_BIN8), item);
    } else if (format < FORMAT_FLOAT32) {
        item->type = KITH_MSGPACK_EXT; /* one more byte: the extension's type */
        read_payload(r, read_sized(r, format - FORMAT_EXT8) + 1, item);
    } else if (format < FORMAT_UINT8) {
        item->type = KITH_MSGPACK_FLOAT;
        read_payload(r, format == FORMAT_FLOAT32 ? 4 : 8, item);
    } else if (format < FORMAT_FIXEXT1) {
        read_integer(r, format, item);
    } else if (format < FORMAT_STR8) {
        item->type = KITH_MSGPACK_EXT;
        read_payload(r, (UINT64_C(1) << (format - FORMAT_FIXEXT1)) + 1, item);
    } else if (format < FORMAT_ARRAY16) {
        item->type = KITH_MSGPACK_STR;
        read_payload(r, read_sized(r, format - FORMAT_STR8), item);
    } else {
        bool is_map = format >= FORMAT_MAP16;
        item->type = is_map ? KITH_MSGPACK_MAP : KITH_MSGPACK_ARRAY;
        item->number = read_sized(r, 1u + (format & 1u));
    }
}

int kith_msgpack_next(struct kith_reader *r, struct kith_msgpack_item *ret) {
    struct kith_msgpack_item item = {.type = KITH_MSGPACK_UINT};
    uint8_t format = kith_read_u8(r);
    if (format < FORMAT_FIXMAP) {
        item.number = format;
    } else if (format < FORMAT_FIXARRAY) {
        item.type = KITH_MSGPACK_MAP;
        item.number = format & 0x0fu;
    } else if (format < FORMAT_FIXSTR) {
        item.type = KITH_MSGPACK_ARRAY;
        item.number = format & 0x0fu;
    } else if (format < FORMAT_NIL) {
        item.type = KITH_MSGPACK_STR;
        read_payload(r, format & 0x1fu, &item);
    } else if (format < FORMAT_NEGATIVE_FIXINT) {
        read_long(r, format, &item);
    } else {
        item.type = KITH_MSGPACK_NEGATIVE;
    }
    if (r->failed) {
        return KITH_ESYNTAX;
    }
    *ret = item;
    return 0;
}

int kith_msgpack_skip(struct kith_reader *r, unsigned depth_max, unsigned elements_max) {
    uint64_t to_come[KITH_MSGPACK_DEPTH_MAX + 1] = {1}; /* [0]: the value itself */
    unsigned depth = 0;
    uint64_t budget = elements_max;
    if (depth_max > KITH_MSGPACK_DEPTH_MAX) {
        depth_max = KITH_MSGPACK_DEPTH_MAX;
    }
    if (budget-- == 0) {
        return KITH_ESYNTAX;
    }
    for (;;) {
        while (to_come[depth] == 0) {
            if (depth-- == 0) {
                return 0;
            }
        }
        struct kith_msgpack_item item;
        int error = kith_msgpack_next(r, &item);
        if (error < 0) {
            return error;
        }
        to_come[depth]--;
        if (item.type != KITH_MSGPACK_ARRAY && item.type != KITH_MSGPACK_MAP) {
            continue;
        }
        uint64_t children = item.type == KITH_MSGPACK_MAP ? 2 * item.number : item.number;
        if (depth == depth_max || children > budget) {
            return KITH_ESYNTAX;
        }
        budget -= children;
        to_come[++depth] = children;
    }
}

int kith_msgpack_check(struct kith_span bytes, unsigned depth_max, unsigned elements_max) {
    if (bytes.size == 0) {
        return KITH_ESYNTAX;
    }
    struct kith_reader r = kith_reader(bytes);
    int error = kith_msgpack_skip(&r, depth_max, elements_max);
    if (error < 0) {
        return error;
    }
    return kith_reader_left(&r) == 0 ? 0 : KITH_ESYNTAX;
}

/* msgpack_packer_write: always succeeds, so that a whole message is measured in one pass. */
static int sink_write(void *data, const char *bytes, size_t size) {
    struct kith_msgpack_sink *sink = (struct kith_msgpack_sink *)data;
    if (size > 0 && sink->size <= sink->max && size <= sink->max - sink->size) {
        memcpy(sink->out + sink->size, bytes, size);
    }
    sink->size += size;
    return 0;
}

void kith_msgpack_packer(msgpack_packer *packer, struct kith_msgpack_sink *sink, uint8_t *out,
                         size_t max) {
    *sink = (struct kith_msgpack_sink){.out = out, .max = max};
    msgpack_packer_init(packer, sink, sink_write);
}

void kith_msgpack_pack_text(msgpack_packer *packer, const char *text) {
    size_t size = strlen(text);
    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, text, size);
}

void kith_msgpack_pack_bytes(msgpack_packer *packer, const void *bytes, size_t size) {
    msgpack_pack_bin(packer, size);
    msgpack_pack_bin_body(packer, bytes, size);
}
