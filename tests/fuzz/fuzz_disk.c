/* SPDX-License-Identifier: MIT */
/*
 * Entries of the database: a table, a key and a body, with the checksum that they need to be looked
 * at (or not, where the first byte says so). What decodes is what the encoder writes.
 */
#include <sodium/crypto_generichash.h>
#include <string.h>

#include "fuzz.h"
#include "shell/disk_internal.h"

/* As disk_schema.c does it: format, table, size of the key; key; body. */
static void seal(enum kith_disk_table table, struct kith_span key, uint8_t *value, size_t size) {
    const uint8_t context[] = {1, (uint8_t)table, (uint8_t)key.size};
    crypto_generichash_state state;
    value[0] = 1;
    (void)crypto_generichash_init(&state, NULL, 0, 16);
    (void)crypto_generichash_update(&state, context, sizeof(context));
    (void)crypto_generichash_update(&state, key.data, key.size);
    (void)crypto_generichash_update(&state, value + KITH_DISK_HEAD_SIZE, size);
    (void)crypto_generichash_final(&state, value + 1, 16);
}

static void check_equal(const struct kith_disk_entry *entry, struct kith_span key,
                        struct kith_span value) {
    FUZZ_REQUIRE(kith_span_equal(kith_span(entry->key, entry->key_size), key));
    FUZZ_REQUIRE(kith_span_equal(kith_span(entry->value, entry->value_size), value));
}

static void check_record(enum kith_disk_table table, struct kith_span key, struct kith_span value) {
    static struct kith_disk_entry entry;
    static struct kith_disk_record disk;
    static struct kith_record record;
    if (kith_disk_decode_record(table, key, value, &disk, &record) < 0) {
        return;
    }
    FUZZ_REQUIRE(disk.own == (table == KITH_DISK_OWN));
    FUZZ_REQUIRE(kith_disk_encode_record(&disk, &entry) == 0 && entry.table == table);
    check_equal(&entry, key, value);
    FUZZ_REQUIRE(kith_disk_same_record(value, value));
}

static void check_blob(struct kith_span key, struct kith_span value) {
    static struct kith_disk_entry entry;
    struct kith_span body;
    if (kith_disk_decode_blob(key, value, &body) == 0 && key.size > 0 &&
        key.size <= KITH_DISK_BLOB_KEY_MAX) {
        FUZZ_REQUIRE(kith_disk_encode_blob(key, body, &entry) == 0);
        check_equal(&entry, key, value);
    }
}

static void check_state(struct kith_span key, struct kith_span value) {
    static struct kith_disk_entry entry;
    char name[KITH_DISK_KEY_MAX + 1] = "";
    struct kith_span body;
    if (kith_disk_decode_state(key, value, &body) < 0 || memchr(key.data, 0, key.size) != NULL) {
        return;
    }
    memcpy(name, key.data, key.size);
    if (kith_disk_encode_state(name, body, &entry) == 0) {
        check_equal(&entry, key, value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kith_reader r = kith_reader(kith_span(data, size));
    uint8_t how = kith_read_u8(&r);
    enum kith_disk_table table = (enum kith_disk_table)(how % KITH_DISK_N_TABLES);
    size_t key_size = kith_read_u8(&r) % (KITH_DISK_KEY_MAX + 2);
    size_t left = kith_reader_left(&r);
    key_size = key_size < left ? key_size : left;
    if (left == 0) {
        return 0;
    }
    struct kith_span key = kith_span(kith_read_bytes(&r, key_size), key_size);
    size_t body = kith_reader_left(&r);
    uint8_t *value = malloc(KITH_DISK_HEAD_SIZE + body);
    FUZZ_REQUIRE(value != NULL);
    memset(value, 1, KITH_DISK_HEAD_SIZE);
    kith_read_copy(&r, value + KITH_DISK_HEAD_SIZE, body);
    size_t value_size = KITH_DISK_HEAD_SIZE + body;
    if (how >= 128) {
        value_size = body % value_size;
    } else if (key.size <= UINT8_MAX) {
        seal(table, key, value, body);
    }
    struct kith_span whole = kith_span(value, value_size);
    if (table == KITH_DISK_BOOK) {
        check_blob(key, whole);
    } else if (table == KITH_DISK_STATE) {
        check_state(key, whole);
    } else {
        check_record(table, key, whole);
    }
    free(value);
    return 0;
}
