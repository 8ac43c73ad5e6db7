/* SPDX-License-Identifier: MIT */
/*
 * What others put into the public swarm is any bencode. The reader checks the whole value first,
 * nesting and number of elements included; the conversion then recurses no deeper than that.
 */
#include "json_bencode.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bencode.h"

#include "json_msgpack.h"

enum { INFOHASH_SIZE = 20, KEY_TEXT_MAX = 256 };

static json_t *convert(const struct kith_bencode_value *value);

static json_t *convert_integer(const struct kith_bencode_value *value) {
    int64_t number;

    return kith_bencode_integer(value, &number) ? json_integer(number) : NULL;
}

static json_t *convert_string(struct kith_span bytes, bool *ret_is_text) {
    json_t *json =
        bytes.size ? json_stringn((const char *)bytes.data, bytes.size) : json_string("");

    *ret_is_text = json != NULL;
    return json ? json : json_hex(bytes.data, bytes.size);
}

static json_t *convert_list(struct kith_span members) {
    struct kith_bencode_value member;
    json_t *list = json_array();

    while (list && kith_bencode_next(&members, &member)) {
        if (json_array_append_new(list, convert(&member)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static int add_entry(json_t *dict, struct kith_span key, const struct kith_bencode_value *value) {
    bool is_text = true;
    char name[KEY_TEXT_MAX + sizeof("_hex")];
    json_t *json;

    if (key.size >= KEY_TEXT_MAX || (key.size && memchr(key.data, '\0', key.size)))
        return -1;
    if (value->type == KITH_BENCODE_STRING)
        json = convert_string(value->body, &is_text);
    else
        json = convert(value);
    snprintf(name, sizeof(name), "%.*s%s", (int)key.size, (const char *)key.data,
             is_text ? "" : "_hex");
    /* Of two values under one name one would be lost. */
    if (json_object_get(dict, name)) {
        json_decref(json);
        return -1;
    }
    return json_object_set_new(dict, name, json); /* refuses NULL, and names that are not UTF-8 */
}

static json_t *convert_dict(struct kith_span members) {
    struct kith_bencode_value value;
    struct kith_span key;
    json_t *dict = json_object();

    while (dict && kith_bencode_next_entry(&members, &key, &value)) {
        if (add_entry(dict, key, &value) < 0) {
            json_decref(dict);
            return NULL;
        }
    }
    return dict;
}

static json_t *convert(const struct kith_bencode_value *value) {
    bool is_text;

    switch (value->type) {
    case KITH_BENCODE_INTEGER:
        return convert_integer(value);
    case KITH_BENCODE_STRING:
        return convert_string(value->body, &is_text);
    case KITH_BENCODE_LIST:
        return convert_list(value->body);
    case KITH_BENCODE_DICT:
        return convert_dict(value->body);
    case KITH_BENCODE_NONE:
        break;
    }
    return NULL;
}

json_t *json_from_bencode(const uint8_t *bytes, size_t size) {
    struct kith_bencode_value value;

    if (kith_bencode_read(kith_span(bytes, size), JSON_BENCODE_ELEMENTS_MAX, &value) < 0)
        return NULL;
    return convert(&value);
}

json_t *json_bencode_infohash(const uint8_t *bytes, size_t size) {
    struct kith_bencode_value value, entry;
    struct kith_span key;

    if (kith_bencode_read(kith_span(bytes, size), JSON_BENCODE_ELEMENTS_MAX, &value) < 0 ||
        value.type != KITH_BENCODE_DICT)
        return NULL;
    while (kith_bencode_next_entry(&value.body, &key, &entry)) {
        if (kith_span_equal(key, kith_span_text("ih")) && entry.type == KITH_BENCODE_STRING &&
            entry.body.size == INFOHASH_SIZE)
            return json_hex(entry.body.data, entry.body.size);
    }
    return NULL;
}
