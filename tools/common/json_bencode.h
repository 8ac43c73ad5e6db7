/* SPDX-License-Identifier: MIT */
/* json_bencode: a bencoded value as JSON, for people and scripts. */
#ifndef KITH_TOOLS_JSON_BENCODE_H
#define KITH_TOOLS_JSON_BENCODE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_BENCODE_ELEMENTS_MAX = 1000 }; /* a value has no more bytes */

/*
 * The JSON form of one bencoded value that fills `bytes`, a new reference; NULL where there is none
 * (bytes that are no bencode, integers beyond 64 bits, keys that are no text, or one key twice).
 * Strings become text when they are UTF-8, else hex digits; in a dict hex goes under "NAME_hex" so
 * that it cannot be taken for text.
 */
json_t *json_from_bencode(const uint8_t *bytes, size_t size);

/* BEP 46: the info-hash in a dict with a 20-byte "ih", as a new JSON string of hex digits; else
 * NULL. */
json_t *json_bencode_infohash(const uint8_t *bytes, size_t size);

#endif
