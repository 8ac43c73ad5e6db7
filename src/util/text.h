/* SPDX-License-Identifier: MIT */
/* text: hexadecimal and z-base-32 (the alphabet "ybndrfg8ejkmcpqxot1uwisza345h769", RFC
 * 6189 5.1.6). */
#ifndef KITH_UTIL_TEXT_H
#define KITH_UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes 2 * size lower-case digits and NUL. */
void kith_hex_encode(const uint8_t *bytes, size_t size, char *text);
/* Reads exactly 2 * size digits of either case. Returns 0, or the 1-based column of the first bad
 * character. */
size_t kith_hex_decode(const char *text, size_t length, uint8_t *bytes, size_t size);
/* Characters needed for `size` bytes, without NUL: ceil(8 * size / 5). */
size_t kith_z32_length(size_t size);
/* Writes kith_z32_length(size) characters and NUL. */
void kith_z32_encode(const uint8_t *bytes, size_t size, char *text);
/* Reads exactly kith_z32_length(size) characters, lower case; unused low bits must be zero.
 * Returns 0, or the 1-based column of the first bad character (length + 1: too short). */
size_t kith_z32_decode(const char *text, size_t length, uint8_t *bytes, size_t size);

#endif
