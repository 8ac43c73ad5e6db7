/* SPDX-License-Identifier: MIT */
/*
 * disk_schema: records and blobs of the book as bytes.
 *
 * Each thing has one slot, so saving it again replaces it. The key of a slot:
 *
 *     record        1, storage point (the hash of key and salt, or of an immutable value)
 *     announcement  2, topic, key
 *     blob          its own, 1..64 bytes
 *     document      its name
 *
 * Every value begins with a format number and a checksum of table, key and body, so that damage is
 * seen even where LMDB's structure survived it, and a value is never read under another's key.
 * Bodies, big endian:
 *
 *     record   expires u64, flags u8, topic 32, seq u64, key 32, signature 64,
 *              salt size u8, salt, value size u16, value
 *     blob     its own, at most 64 bytes: the core knows what it means
 *     document its own, at most 8,192 bytes
 *
 * The flags of an own record also tell its swarms; a record of the time before there was more than
 * one has none of these, which means kith's own.
 *
 * `expires` and `flags` come first so that two values hold the same record exactly if they agree
 * after them.
 * Decoding is total: whatever does not come out of the encoder is KITH_ECORRUPT. Signatures are not
 * checked here; whoever restores a record verifies it.
 */
#include <string.h>

#include <sodium/crypto_generichash.h>
#include <sodium/utils.h>

#include "core/record/record.h"
#include "kith/op.h"
#include "shell/disk_internal.h"

enum {
    FORMAT = 1,
    CHECKSUM_SIZE = 16,
    KIND_RECORD = 1,
    KIND_ANNOUNCEMENT = 2,
    FLAG_MUTABLE = 1 << 0,
    FLAG_ANNOUNCEMENT = 1 << 1,
    FLAG_MAINLINE = 1 << 2,
    FLAG_MAINLINE_ONLY = 1 << 3,
    EXPIRES_SIZE = 8,
    FLAGS_SIZE = 1,
};

static const char *const TABLE_NAMES[KITH_DISK_N_TABLES] = {
    [KITH_DISK_OWN] = "own",
    [KITH_DISK_HELD] = "held",
    [KITH_DISK_BOOK] = "book",
    [KITH_DISK_STATE] = "state",
};

const char *kith_disk_table_name(enum kith_disk_table table) {
    return TABLE_NAMES[table];
}

/* ---- the head of each value ---- */

static void checksum(enum kith_disk_table table, struct kith_span key, struct kith_span body,
                     uint8_t out[CHECKSUM_SIZE]) {
    const uint8_t context[] = {FORMAT, (uint8_t)table, (uint8_t)key.size};
    crypto_generichash_state state;

    (void)crypto_generichash_init(&state, NULL, 0, CHECKSUM_SIZE);
    (void)crypto_generichash_update(&state, context, sizeof(context));
    (void)crypto_generichash_update(&state, key.data, key.size);
    (void)crypto_generichash_update(&state, body.data, body.size);
    (void)crypto_generichash_final(&state, out, CHECKSUM_SIZE);
}

/* A writer for the body of `entry`, whose key is complete. */
static struct kith_writer begin_body(struct kith_disk_entry *entry) {
    return kith_writer(entry->value + KITH_DISK_HEAD_SIZE,
                       sizeof(entry->value) - KITH_DISK_HEAD_SIZE);
}

static void end_body(struct kith_disk_entry *entry, const struct kith_writer *w) {
    struct kith_span body = kith_span(w->begin, kith_writer_size(w));

    entry->value[0] = FORMAT;
    checksum(entry->table, kith_span(entry->key, entry->key_size), body, entry->value + 1);
    entry->value_size = KITH_DISK_HEAD_SIZE + body.size;
}

/* A reader of the body; one that failed if the head is wrong. */
static struct kith_reader open_body(enum kith_disk_table table, struct kith_span key,
                                    struct kith_span value) {
    uint8_t expected[CHECKSUM_SIZE];
    struct kith_reader r = kith_reader(value);
    uint8_t format = kith_read_u8(&r);
    const uint8_t *sum = kith_read_bytes(&r, CHECKSUM_SIZE);

    if (sum == NULL || format != FORMAT || key.size > KITH_DISK_KEY_MAX) {
        r.failed = true;
        return r;
    }
    checksum(table, key, kith_span(r.at, kith_reader_left(&r)), expected);
    r.failed = memcmp(sum, expected, CHECKSUM_SIZE) != 0;
    return r;
}

/* ---- records ---- */

static size_t record_key(const struct kith_disk_record *record, uint8_t out[KITH_DISK_KEY_MAX]) {
    struct kith_writer w = kith_writer(out, KITH_DISK_KEY_MAX);
    struct kith_record_view view;
    struct kith_point point;

    if (record->is_announcement) {
        kith_write_u8(&w, KIND_ANNOUNCEMENT);
        kith_write_bytes(&w, record->topic.bytes, sizeof(record->topic.bytes));
        kith_write_bytes(&w, record->record->key.bytes, KITH_KEY_SIZE);
    } else {
        kith_record_view(record->record, &view);
        kith_record_point(&view, &point);
        kith_write_u8(&w, KIND_RECORD);
        kith_write_bytes(&w, point.bytes, sizeof(point.bytes));
    }
    return kith_writer_size(&w);
}

static bool record_valid(const struct kith_disk_record *record) {
    const struct kith_record *r = record->record;

    return r->salt_size <= KITH_SALT_MAX && r->value_size <= KITH_VALUE_MAX && r->seq >= 0 &&
           (!record->is_announcement || r->is_mutable);
}

static unsigned swarm_flags(uint32_t swarms) {
    if ((swarms & KITH_SWARM_MAINLINE) == 0) {
        return 0;
    }
    return FLAG_MAINLINE | ((swarms & KITH_SWARM_KITH) == 0 ? FLAG_MAINLINE_ONLY : 0);
}

/* -> KITH_ECORRUPT: not what the encoder writes */
static int swarms_of(unsigned flags, bool own, uint32_t *ret) {
    unsigned told = flags & (FLAG_MAINLINE | FLAG_MAINLINE_ONLY);
    if (told == FLAG_MAINLINE_ONLY || (told != 0 && !own)) {
        return KITH_ECORRUPT;
    }
    *ret = (told != 0 ? KITH_SWARM_MAINLINE : 0u) |
           ((told & FLAG_MAINLINE_ONLY) == 0 ? KITH_SWARM_KITH : 0u);
    return 0;
}

int kith_disk_encode_record(const struct kith_disk_record *record, struct kith_disk_entry *ret) {
    const struct kith_record *r = record->record;

    if (!record_valid(record)) {
        return KITH_EINVALID;
    }
    ret->table = record->own ? KITH_DISK_OWN : KITH_DISK_HELD;
    ret->key_size = record_key(record, ret->key);
    struct kith_writer w = begin_body(ret);
    kith_write_u64(&w, record->expires_us);
    kith_write_u8(&w, (uint8_t)((r->is_mutable ? FLAG_MUTABLE : 0) |
                                (record->is_announcement ? FLAG_ANNOUNCEMENT : 0) |
                                (record->own ? swarm_flags(record->swarms) : 0)));
    if (record->is_announcement) {
        kith_write_bytes(&w, record->topic.bytes, sizeof(record->topic.bytes));
    } else {
        kith_write_zeros(&w, sizeof(record->topic.bytes));
    }
    kith_write_u64(&w, (uint64_t)r->seq);
    kith_write_bytes(&w, r->key.bytes, KITH_KEY_SIZE);
    kith_write_bytes(&w, r->signature, KITH_SIGNATURE_SIZE);
    kith_write_u8(&w, r->salt_size);
    kith_write_bytes(&w, r->salt, r->salt_size);
    kith_write_u16(&w, r->value_size);
    kith_write_bytes(&w, r->value, r->value_size);
    end_body(ret, &w);
    return 0;
}

int kith_disk_decode_record(enum kith_disk_table table, struct kith_span key,
                            struct kith_span value, struct kith_disk_record *ret,
                            struct kith_record *record) {
    struct kith_reader r = open_body(table, key, value);
    struct kith_disk_record out = {.own = table == KITH_DISK_OWN, .record = record};
    struct kith_record fields = {0};
    uint8_t expected[KITH_DISK_KEY_MAX];

    out.expires_us = kith_read_u64(&r);
    uint8_t flags = kith_read_u8(&r);
    fields.is_mutable = (flags & FLAG_MUTABLE) != 0;
    out.is_announcement = (flags & FLAG_ANNOUNCEMENT) != 0;
    kith_read_copy(&r, out.topic.bytes, sizeof(out.topic.bytes));
    uint64_t seq = kith_read_u64(&r);
    kith_read_copy(&r, fields.key.bytes, KITH_KEY_SIZE);
    kith_read_copy(&r, fields.signature, KITH_SIGNATURE_SIZE);
    fields.salt_size = kith_read_u8(&r);
    kith_read_copy(&r, fields.salt, fields.salt_size <= KITH_SALT_MAX ? fields.salt_size : 0);
    fields.value_size = kith_read_u16(&r);
    kith_read_copy(&r, fields.value, fields.value_size <= KITH_VALUE_MAX ? fields.value_size : 0);
    fields.seq = seq <= INT64_MAX ? (int64_t)seq : -1;
    if (r.failed || kith_reader_left(&r) != 0 ||
        (flags &
         ~(unsigned)(FLAG_MUTABLE | FLAG_ANNOUNCEMENT | FLAG_MAINLINE | FLAG_MAINLINE_ONLY)) != 0 ||
        swarms_of(flags, out.own, &out.swarms) < 0) {
        return KITH_ECORRUPT;
    }
    if (!out.is_announcement && !sodium_is_zero(out.topic.bytes, sizeof(out.topic.bytes))) {
        return KITH_ECORRUPT;
    }
    const struct kith_disk_record check = {
        .is_announcement = out.is_announcement, .topic = out.topic, .record = &fields};
    if (!record_valid(&check) ||
        !kith_span_equal(key, kith_span(expected, record_key(&check, expected)))) {
        return KITH_ECORRUPT;
    }
    *record = fields;
    *ret = out;
    return 0;
}

bool kith_disk_same_record(struct kith_span a, struct kith_span b) {
    /* What the flags say of the record, key and topic say too; where it is published may differ. */
    enum { SKIP = KITH_DISK_HEAD_SIZE + EXPIRES_SIZE + FLAGS_SIZE };

    return a.size > SKIP && a.size == b.size &&
           memcmp(a.data + SKIP, b.data + SKIP, a.size - SKIP) == 0;
}

/* ---- blobs of the book, documents ---- */

static int encode_plain(enum kith_disk_table table, struct kith_span key, struct kith_span value,
                        size_t value_max, struct kith_disk_entry *ret) {
    if (key.size == 0 || key.size > KITH_DISK_BLOB_KEY_MAX || value.size > value_max) {
        return KITH_EINVALID;
    }
    ret->table = table;
    ret->key_size = key.size;
    memcpy(ret->key, key.data, key.size);
    struct kith_writer w = begin_body(ret);
    kith_write_bytes(&w, value.data, value.size);
    end_body(ret, &w);
    return 0;
}

static int decode_plain(enum kith_disk_table table, struct kith_span key, struct kith_span value,
                        size_t value_max, struct kith_span *ret) {
    struct kith_reader r = open_body(table, key, value);

    if (r.failed || kith_reader_left(&r) > value_max) {
        return KITH_ECORRUPT;
    }
    *ret = kith_span(r.at, kith_reader_left(&r));
    return 0;
}

int kith_disk_encode_blob(struct kith_span key, struct kith_span value,
                          struct kith_disk_entry *ret) {
    return encode_plain(KITH_DISK_BOOK, key, value, KITH_DISK_BLOB_VALUE_MAX, ret);
}

int kith_disk_decode_blob(struct kith_span key, struct kith_span value, struct kith_span *ret) {
    return decode_plain(KITH_DISK_BOOK, key, value, KITH_DISK_BLOB_VALUE_MAX, ret);
}

int kith_disk_encode_state(const char *name, struct kith_span value, struct kith_disk_entry *ret) {
    return encode_plain(KITH_DISK_STATE, kith_span_text(name), value, KITH_DISK_STATE_MAX, ret);
}

int kith_disk_decode_state(struct kith_span key, struct kith_span value, struct kith_span *ret) {
    return decode_plain(KITH_DISK_STATE, key, value, KITH_DISK_STATE_MAX, ret);
}
