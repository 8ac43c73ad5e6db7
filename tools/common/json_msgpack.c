/* SPDX-License-Identifier: MIT */
/*
 * Everything the daemon says arrives as msgpack and leaves as JSON, and the values people store may
 * be either. The conversion is strict: what JSON cannot say exactly is not converted, so nothing
 * printed is ever silently different from what is stored. Recursion is bounded: msgpack-c refuses
 * nesting beyond its stack (32), JSON is counted here.
 */
#include "json_msgpack.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire/msgpack_raw.h"
#include "kith/types.h"

#include "dns.h"
#include "json_bencode.h"

static int pack(const json_t *json, msgpack_packer *packer, unsigned depth);

static int pack_text(const char *text, size_t size, msgpack_packer *packer) {
    if (msgpack_pack_str(packer, size) < 0)
        return -1;
    return msgpack_pack_str_body(packer, text, size);
}

static int pack_object(const json_t *json, msgpack_packer *packer, unsigned depth) {
    json_t *unconst = (json_t *)(uintptr_t)json; /* jansson's iterators are not const-correct */
    const char *key;
    json_t *item;

    if (msgpack_pack_map(packer, json_object_size(json)) < 0)
        return -1;
    json_object_foreach(unconst, key, item) {
        if (pack_text(key, strlen(key), packer) < 0 || pack(item, packer, depth + 1) < 0)
            return -1;
    }
    return 0;
}

static int pack_array(const json_t *json, msgpack_packer *packer, unsigned depth) {
    size_t n = json_array_size(json);

    if (msgpack_pack_array(packer, n) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (pack(json_array_get(json, i), packer, depth + 1) < 0)
            return -1;
    }
    return 0;
}

static int pack(const json_t *json, msgpack_packer *packer, unsigned depth) {
    if (depth > JSON_MSGPACK_DEPTH_MAX)
        return -1;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return pack_object(json, packer, depth);
    case JSON_ARRAY:
        return pack_array(json, packer, depth);
    case JSON_STRING:
        return pack_text(json_string_value(json), json_string_length(json), packer);
    case JSON_INTEGER:
        return msgpack_pack_int64(packer, json_integer_value(json));
    case JSON_REAL:
        return msgpack_pack_double(packer, json_real_value(json));
    case JSON_TRUE:
        return msgpack_pack_true(packer);
    case JSON_FALSE:
        return msgpack_pack_false(packer);
    case JSON_NULL:
        return msgpack_pack_nil(packer);
    }
    return -1;
}

int json_to_msgpack(const json_t *json, msgpack_sbuffer *out) {
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    return pack(json, &packer, 0);
}

/* Text of bytes, which msgpack-c leaves NULL where there are none; NULL if they are no UTF-8. */
static json_t *text_of(const void *bytes, size_t size) {
    return json_stringn(size > 0 ? bytes : "", size);
}

json_t *json_hex(const uint8_t *bytes, size_t size) {
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * size + 1);
    json_t *json;

    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    json = json_stringn(text, 2 * size);
    free(text);
    return json;
}

/* Exactly one msgpack value, whose containers have no more members than there are bytes. What is a
 * stranger's needs this first: msgpack-c allocates what a container claims to hold. */
static bool is_one_value(const uint8_t *bytes, size_t size) {
    struct kith_reader r = kith_reader(kith_span(bytes, size));
    struct kith_msgpack_item item;
    uint64_t to_come = 1;

    for (; to_come > 0 && to_come <= size; to_come--) {
        if (kith_msgpack_next(&r, &item) < 0)
            return false;
        if (item.type == KITH_MSGPACK_ARRAY || item.type == KITH_MSGPACK_MAP)
            to_come += item.type == KITH_MSGPACK_MAP ? 2 * (uint64_t)item.number : item.number;
    }
    return to_come == 0 && kith_reader_left(&r) == 0;
}

/* Fully one msgpack map or array? Then its JSON form. */
static json_t *document(const uint8_t *bytes, size_t size) {
    msgpack_unpacked unpacked;
    json_t *json = NULL;
    size_t offset = 0;

    if (!is_one_value(bytes, size))
        return NULL;
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, (const char *)bytes, size, &offset) ==
            MSGPACK_UNPACK_SUCCESS &&
        offset == size &&
        (unpacked.data.type == MSGPACK_OBJECT_MAP || unpacked.data.type == MSGPACK_OBJECT_ARRAY))
        json = json_from_msgpack(&unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    return json;
}

/* What is no byte string: others' records in the public swarm. */
static int add_bencode(json_t *object, const uint8_t *value, size_t size) {
    json_t *infohash = json_bencode_infohash(value, size), *json = json_from_bencode(value, size);

    if (infohash && json_object_set_new(object, "infohash", infohash) < 0) {
        json_decref(json);
        return -1;
    }
    return json ? json_object_set_new(object, "value", json)
                : json_object_set_new(object, "value_hex", json_hex(value, size));
}

int json_add_value(json_t *object, const uint8_t *value, size_t size) {
    const uint8_t *bytes;
    size_t bytes_size;
    json_t *json;

    if (size > 0 && (value[0] < '0' || value[0] > '9'))
        return add_bencode(object, value, size);
    kith_value_unwrap(value, size, &bytes, &bytes_size);
    json = dns_to_json(bytes, bytes_size);
    if (json && json_object_set_new(object, "dns", json) < 0)
        return -1;
    json = document(bytes, bytes_size);
    if (!json)
        json = text_of(bytes, bytes_size);
    if (json)
        return json_object_set_new(object, "value", json);
    return json_object_set_new(object, "value_hex", json_hex(bytes, bytes_size));
}

/* A byte string under a name: text, or hex under NAME_hex. */
static int add_bytes(json_t *object, const char *name, const uint8_t *bytes, size_t size,
                     bool is_result) {
    char hex_name[80];
    json_t *json;

    if (is_result && strcmp(name, "value") == 0)
        return json_add_value(object, bytes, size);
    if (is_result && strcmp(name, "sig") == 0)
        return json_object_set_new(object, name, json_hex(bytes, size));
    json = text_of(bytes, size);
    if (json)
        return json_object_set_new(object, name, json);
    snprintf(hex_name, sizeof(hex_name), "%.70s_hex", name);
    return json_object_set_new(object, hex_name, json_hex(bytes, size));
}

/* Where a map was found. */
enum place {
    IN_VALUE,  /* that somebody stored */
    IN_ANSWER, /* of the daemon, somewhere below */
    IN_RESULT, /* the answer itself */
};

static json_t *from_object(const msgpack_object *object, enum place place);

/* Any msgpack map may be a peer's capabilities. What JSON cannot say of them is hex, or one
 * stranger's would cost the whole answer. */
static int add_capabilities(json_t *object, const msgpack_object *value) {
    json_t *json = from_object(value, IN_VALUE);
    msgpack_sbuffer packed;
    msgpack_packer packer;

    if (json)
        return json_object_set_new(object, "capabilities", json);
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    if (msgpack_pack_object(&packer, *value) == 0)
        json = json_hex((const uint8_t *)packed.data, packed.size);
    msgpack_sbuffer_destroy(&packed);
    return json ? json_object_set_new(object, "capabilities_hex", json) : -1;
}

static int add_pair(json_t *object, const msgpack_object_kv *pair, enum place place) {
    char name[256];
    json_t *item;

    if (pair->key.type != MSGPACK_OBJECT_STR || pair->key.via.str.size >= sizeof(name))
        return -1;
    if (pair->key.via.str.size > 0) /* else it has no bytes to point to */
        memcpy(name, pair->key.via.str.ptr, pair->key.via.str.size);
    name[pair->key.via.str.size] = '\0';
    if (strlen(name) != pair->key.via.str.size)
        return -1;
    if (pair->val.type == MSGPACK_OBJECT_BIN)
        return add_bytes(object, name, (const uint8_t *)pair->val.via.bin.ptr,
                         pair->val.via.bin.size, place == IN_RESULT);
    if (place != IN_VALUE && strcmp(name, "capabilities") == 0)
        return add_capabilities(object, &pair->val);
    item = from_object(&pair->val, place == IN_VALUE ? IN_VALUE : IN_ANSWER);
    return item ? json_object_set_new(object, name, item) : -1;
}

static json_t *from_map(const msgpack_object_map *map, enum place place) {
    json_t *json = json_object();

    for (uint32_t i = 0; json && i < map->size; i++) {
        if (add_pair(json, &map->ptr[i], place) < 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

static json_t *from_array(const msgpack_object_array *array, enum place place) {
    json_t *json = json_array();

    for (uint32_t i = 0; json && i < array->size; i++) {
        json_t *item = from_object(&array->ptr[i], place);
        if (!item || json_array_append_new(json, item) < 0) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

static json_t *from_bytes(const uint8_t *bytes, size_t size) {
    json_t *json = text_of(bytes, size);

    return json ? json : json_hex(bytes, size);
}

static json_t *from_object(const msgpack_object *object, enum place place) {
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 <= INT64_MAX ? json_integer((json_int_t)object->via.u64) : NULL;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return json_real(object->via.f64);
    case MSGPACK_OBJECT_STR:
        return text_of(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return from_bytes((const uint8_t *)object->via.bin.ptr, object->via.bin.size);
    case MSGPACK_OBJECT_ARRAY:
        return from_array(&object->via.array, place);
    case MSGPACK_OBJECT_MAP:
        return from_map(&object->via.map, place);
    case MSGPACK_OBJECT_EXT:
        return NULL;
    }
    return NULL;
}

json_t *json_from_msgpack(const msgpack_object *object) {
    return from_object(object, IN_VALUE);
}

json_t *json_from_result(const msgpack_object *object) {
    return object->type == MSGPACK_OBJECT_MAP ? from_map(&object->via.map, IN_RESULT) : NULL;
}
