/* SPDX-License-Identifier: MIT */
/*
 * text: hexadecimal and z-base-32.
 *
 * z-base-32 (Zooko O'Whielacronx 2002; RFC 6189 section 5.1.6) is base 32 with an alphabet chosen
 * for people: no 0, l, v or 2. Bits are taken from the most significant end; the last character is
 * filled up with zero bits. A text that has other bits there is refused, so every value has exactly
 * one text and texts can be compared as keys.
 *
 * Decoders look at the whole text before they write, so a failure leaves the output untouched, and
 * they report the first offending column for the message a person will read. Not constant time:
 * secrets go through sodium_bin2hex and sodium_hex2bin.
 */
#include "util/text.h"

static const char HEX_DIGITS[] = "0123456789abcdef";
static const char Z32_ALPHABET[] = "ybndrfg8ejkmcpqxot1uwisza345h769";

enum { NO_DIGIT = 0xff };

static uint8_t hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return (uint8_t)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (uint8_t)(c - 'a' + 10);
    }
    if (c >= 'A' && c <= 'F') {
        return (uint8_t)(c - 'A' + 10);
    }
    return NO_DIGIT;
}

static uint8_t z32_value(char c) {
    for (uint8_t i = 0; i < 32; i++) {
        if (Z32_ALPHABET[i] == c) {
            return i;
        }
    }
    return NO_DIGIT;
}

/* 0 if `text` is `expected` digits long and all are known to `value`, else the column at fault. */
static size_t text_check(const char *text, size_t length, size_t expected,
                         uint8_t (*value)(char c)) {
    for (size_t i = 0; i < length && i < expected; i++) {
        if (value(text[i]) == NO_DIGIT) {
            return i + 1;
        }
    }
    if (length == expected) {
        return 0;
    }
    return (length < expected ? length : expected) + 1;
}

void kith_hex_encode(const uint8_t *bytes, size_t size, char *text) {
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = HEX_DIGITS[bytes[i] >> 4];
        text[2 * i + 1] = HEX_DIGITS[bytes[i] & 15];
    }
    text[2 * size] = '\0';
}

size_t kith_hex_decode(const char *text, size_t length, uint8_t *bytes, size_t size) {
    size_t column = text_check(text, length, 2 * size, hex_value);

    if (column != 0) {
        return column;
    }
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
    }
    return 0;
}

size_t kith_z32_length(size_t size) {
    return size / 5 * 8 + (size % 5 * 8 + 4) / 5;
}

void kith_z32_encode(const uint8_t *bytes, size_t size, char *text) {
    unsigned pending = 0; /* bits read and not yet written, in the low end */
    unsigned n_pending = 0;

    for (size_t i = 0; i < size; i++) {
        pending = (pending << 8 | bytes[i]) & 0xfff;
        n_pending += 8;
        while (n_pending >= 5) {
            n_pending -= 5;
            *text++ = Z32_ALPHABET[pending >> n_pending & 31];
        }
    }
    if (n_pending > 0) {
        *text++ = Z32_ALPHABET[pending << (5 - n_pending) & 31];
    }
    *text = '\0';
}

size_t kith_z32_decode(const char *text, size_t length, uint8_t *bytes, size_t size) {
    size_t column = text_check(text, length, kith_z32_length(size), z32_value);
    unsigned n_unused = (unsigned)((5 - size % 5 * 8 % 5) % 5);
    unsigned pending = 0;
    unsigned n_pending = 0;

    if (column != 0) {
        return column;
    }
    if (length > 0 && (z32_value(text[length - 1]) & ((1U << n_unused) - 1)) != 0) {
        return length;
    }
    for (size_t i = 0; i < length; i++) {
        pending = (pending << 5 | z32_value(text[i])) & 0xfff;
        n_pending += 5;
        if (n_pending >= 8) {
            n_pending -= 8;
            *bytes++ = (uint8_t)(pending >> n_pending);
        }
    }
    return 0;
}
