/* SPDX-License-Identifier: MIT */
/* json_msgpack: between JSON (jansson) and msgpack, and how the value of a record is shown. */
#ifndef KITH_TOOLS_JSON_MSGPACK_H
#define KITH_TOOLS_JSON_MSGPACK_H

#include <jansson.h>
#include <msgpack.h>

enum { JSON_MSGPACK_DEPTH_MAX = 32 };

/* Appends the msgpack form of a JSON value. Returns 0, or -1: nested too deep or out of memory. */
int json_to_msgpack(const json_t *json, msgpack_sbuffer *out);

/*
 * The JSON form of a msgpack value, a new reference; NULL where there is none (keys that are no
 * text, extension types, numbers beyond JSON's, text that is not UTF-8). Bytes become text when
 * they are UTF-8, else hex digits; as the value of a map's key NAME, hex goes under "NAME_hex" so
 * that it cannot be taken for text.
 */
json_t *json_from_msgpack(const msgpack_object *object);

/* The same for a map of the control protocol, where two names are special: "value" is a bencoded
 * value and shown by json_add_value(), "sig" is always hex. */
json_t *json_from_result(const msgpack_object *object);

/* Adds "value" (a msgpack map or array, or bencode that is no string, as JSON; or text) or
 * "value_hex" to a JSON object; "dns" if the bytes are a DNS reply, "infohash" if they name one
 * (BEP 46). `value` is bencoded. Returns 0 or -1. */
int json_add_value(json_t *object, const uint8_t *value, size_t size);

/* Hex digits as a new JSON string. */
json_t *json_hex(const uint8_t *bytes, size_t size);

#endif
