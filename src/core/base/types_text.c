/* SPDX-License-Identifier: MIT */
/*
 * types_text: keys, points, endpoints and contacts as people write them.
 *
 * What a parser here says when it refuses is read by someone who typed or pasted the text, so every
 * refusal names the column and what would be right there, quoting the character found. A text of
 * the wrong length has no wrong column: then both lengths are said. Parsers look at all of the text
 * before they write anything.
 *
 * Host names are only checked for characters a name can have; resolving them is the shell's.
 */
#include "kith/types.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sodium/crypto_generichash_blake2b.h>

#include "core/base/ip_text.h"
#include "util/span.h"
#include "util/text.h"

enum {
    KEY_Z32_LENGTH = 52,
    HEX_32_LENGTH = 64,    /* 32 bytes in hex: keys, points */
    HOST_LENGTH_MAX = 253, /* RFC 1035 2.3.4, as text */
    PORT_DIGITS_MAX = 5,
    QUOTE_SIZE = 8,
};

/* A piece of a text, and where in the whole it begins: columns are those of the whole. */
struct text_part {
    const char *text;
    size_t length;
    size_t offset;
};

static struct text_part part_from(struct text_part part, size_t start) {
    return (struct text_part){part.text + start, part.length - start, part.offset + start};
}

static struct text_part part_first(struct text_part part, size_t length) {
    return (struct text_part){part.text, length, part.offset};
}

static struct text_part part_all(const char *text) {
    return (struct text_part){text, strlen(text), 0};
}

/* Position of `c`, or the length if it is not there. */
static size_t part_find(struct text_part part, char c) {
    const char *found = part.length == 0 ? NULL : memchr(part.text, c, part.length);

    return found == NULL ? part.length : (size_t)(found - part.text);
}

/* Fills `info` and returns KITH_ESYNTAX. `column` 0: the text as a whole is wrong. */
__attribute__((format(printf, 3, 4))) static int refuse(struct kith_error_info *info, size_t column,
                                                        const char *format, ...) {
    size_t size = 0;
    va_list args;

    if (info == NULL) {
        return KITH_ESYNTAX;
    }
    *info = (struct kith_error_info){.code = KITH_ESYNTAX, .column = (unsigned)column};
    if (column != 0) {
        size = (size_t)snprintf(info->message, sizeof(info->message), "column %zu: ", column);
    }
    va_start(args, format);
    vsnprintf(info->message + size, sizeof(info->message) - size, format, args);
    va_end(args);
    return KITH_ESYNTAX;
}

/* The character at `at` as it can be shown on any terminal: "l", or \xc3, or the end. */
static const char *quote(struct text_part part, size_t at, char out[QUOTE_SIZE]) {
    unsigned char c = at < part.length ? (unsigned char)part.text[at] : 0;

    if (at >= part.length) {
        snprintf(out, QUOTE_SIZE, "the end");
    } else if (c < 0x20 || c >= 0x7f) {
        snprintf(out, QUOTE_SIZE, "\\x%02x", c);
    } else {
        snprintf(out, QUOTE_SIZE, "\"%c\"", c);
    }
    return out;
}

/* "column N: EXPECTED is expected, not "x"", at position `at` of the part. */
static int refuse_at(struct kith_error_info *info, struct text_part part, size_t at,
                     const char *expected) {
    char found[QUOTE_SIZE];

    return refuse(info, part.offset + at + 1, "%s is expected, not %s", expected,
                  quote(part, at, found));
}

/* ---- keys and points ---- */

void kith_key_format(const struct kith_key *key, char *text) {
    kith_z32_encode(key->bytes, sizeof(key->bytes), text);
}

/* Exactly 64 hex digits. */
static int hex_parse(struct text_part part, uint8_t bytes[32], struct kith_error_info *info) {
    char found[QUOTE_SIZE];
    size_t column = kith_hex_decode(part.text, part.length, bytes, 32);

    if (column != 0) {
        return refuse(info, part.offset + column, "%s is not a hexadecimal digit",
                      quote(part, column - 1, found));
    }
    return 0;
}

/* Exactly 52 characters of z-base-32. */
static int z32_parse(struct text_part part, uint8_t bytes[32], struct kith_error_info *info) {
    char found[QUOTE_SIZE];
    size_t column = kith_z32_decode(part.text, part.length, bytes, 32);
    char c = column != 0 ? part.text[column - 1] : '\0';

    if (column == 0) {
        return 0;
    }
    quote(part, column - 1, found);
    if (c >= 'A' && c <= 'Z') {
        return refuse(info, part.offset + column, "%s is upper case, z-base-32 is lower case",
                      found);
    }
    /* 260 bits of text hold 256 of key: a last character from the alphabet can still be wrong. */
    if (column == KEY_Z32_LENGTH && c != '\0' &&
        strchr("ybndrfg8ejkmcpqxot1uwisza345h769", c) != NULL) {
        return refuse(info, part.offset + column,
                      "the last character of a key is \"y\" or \"o\", not %s", found);
    }
    return refuse(info, part.offset + column, "%s is not in the z-base-32 alphabet", found);
}

static int key_parse(struct text_part part, struct kith_key *ret_key,
                     struct kith_error_info *info) {
    if (part.length == KEY_Z32_LENGTH) {
        return z32_parse(part, ret_key->bytes, info);
    }
    if (part.length == HEX_32_LENGTH) {
        return hex_parse(part, ret_key->bytes, info);
    }
    return refuse(info, 0, "a key has 52 characters (z-base-32) or 64 (hex), this has %zu",
                  part.length);
}

int kith_key_parse(const char *text, struct kith_key *ret_key, struct kith_error_info *info) {
    return key_parse(part_all(text), ret_key, info);
}

/* ---- endpoints ---- */

void kith_endpoint_format(const struct kith_endpoint *endpoint, char *text) {
    char ip[KITH_IP6_TEXT_SIZE];
    char scope[12] = "";

    switch (endpoint->family) {
    case 4:
        kith_ip4_format(endpoint->ip, ip);
        snprintf(text, KITH_ENDPOINT_TEXT_SIZE, "%s:%u", ip, endpoint->port);
        break;
    case 6:
        kith_ip6_format(endpoint->ip, ip);
        if (endpoint->scope != 0) {
            snprintf(scope, sizeof(scope), "%%%u", endpoint->scope);
        }
        snprintf(text, KITH_ENDPOINT_TEXT_SIZE, "[%s%s]:%u", ip, scope, endpoint->port);
        break;
    default:
        snprintf(text, KITH_ENDPOINT_TEXT_SIZE, "none");
    }
}

/* "PORT", all of the part. `min` is 0 or 1. */
static int port_parse(struct text_part part, unsigned min, uint16_t *ret_port,
                      struct kith_error_info *info) {
    const char *expected = min == 0 ? "a port (0..65535)" : "a port (1..65535)";
    unsigned value = 0;

    if (part.length == 0) {
        return refuse_at(info, part, 0, expected);
    }
    for (size_t i = 0; i < part.length; i++) {
        if (part.text[i] < '0' || part.text[i] > '9') {
            return refuse_at(info, part, i, i == 0 ? expected : "a digit of the port");
        }
        /* Stops growing, so that any number of digits is "too large" and not an overflow. */
        value = value > UINT16_MAX ? value : value * 10 + (unsigned)(part.text[i] - '0');
    }
    if (value > UINT16_MAX || value < min || part.length > PORT_DIGITS_MAX) {
        return refuse(info, part.offset + 1, "%s is expected, not %.*s", expected,
                      (int)(part.length < 32 ? part.length : 32), part.text);
    }
    *ret_port = (uint16_t)value;
    return 0;
}

/* ":PORT" after the ']' of an IPv6 address. */
static int bracket_port_parse(struct text_part part, unsigned port_min, uint16_t *ret_port,
                              struct kith_error_info *info) {
    if (part.length == 0 || part.text[0] != ':') {
        return refuse_at(info, part, 0, "':' and a port after ']'");
    }
    return port_parse(part_from(part, 1), port_min, ret_port, info);
}

static int ip6_parse(struct text_part part, uint8_t ip[16], uint32_t *ret_scope,
                     struct kith_error_info *info) {
    struct kith_text_fault fault;

    if (kith_ip6_parse(part.text, part.length, ip, ret_scope, &fault) != 0) {
        return refuse_at(info, part, fault.column - 1, fault.expected);
    }
    return 0;
}

/* "[IPV6]:PORT". `ret_inside` is what is between the brackets. */
static int bracketed_parse(struct text_part part, unsigned port_min,
                           struct kith_endpoint *ret_endpoint, struct text_part *ret_inside,
                           struct kith_error_info *info) {
    size_t end = part_find(part, ']');
    struct kith_endpoint endpoint = {.family = 6};
    struct text_part inside;
    int r;

    if (end == part.length) {
        return refuse(info, part.offset + part.length + 1, "']' is missing after the IPv6 address");
    }
    inside = part_from(part_first(part, end), 1);
    r = ip6_parse(inside, endpoint.ip, &endpoint.scope, info);
    if (r == 0) {
        r = bracket_port_parse(part_from(part, end + 1), port_min, &endpoint.port, info);
    }
    if (r == 0) {
        *ret_endpoint = endpoint;
        *ret_inside = inside;
    }
    return r;
}

/* The position of the ':' before the port of "HOST:PORT"; with two of them, brackets are missing.
 */
static int colon_find(struct text_part part, size_t *ret_colon, struct kith_error_info *info) {
    size_t colon = part_find(part, ':');
    size_t after;

    if (colon == part.length) {
        return refuse(info, part.offset + part.length + 1, "':' and a port are missing");
    }
    after = part_find(part_from(part, colon + 1), ':');
    if (after < part.length - colon - 1) {
        return refuse(info, part.offset + 1, "an IPv6 address needs brackets, as in [::1]:7700");
    }
    *ret_colon = colon;
    return 0;
}

static int ip4_endpoint_parse(struct text_part part, struct kith_endpoint *ret_endpoint,
                              struct kith_error_info *info) {
    struct kith_endpoint endpoint = {.family = 4};
    struct kith_text_fault fault;
    size_t colon = 0;
    int r = colon_find(part, &colon, info);

    if (r < 0) {
        return r;
    }
    if (kith_ip4_parse(part.text, colon, endpoint.ip, &fault) != 0) {
        return fault.column == 1
                   ? refuse_at(info, part, 0, "an IPv4 address or an IPv6 address in brackets")
                   : refuse_at(info, part, fault.column - 1, fault.expected);
    }
    r = port_parse(part_from(part, colon + 1), 0, &endpoint.port, info);
    if (r == 0) {
        *ret_endpoint = endpoint;
    }
    return r;
}

int kith_endpoint_parse(const char *text, struct kith_endpoint *ret_endpoint,
                        struct kith_error_info *info) {
    struct text_part part = part_all(text);
    struct text_part inside;

    if (part.length > 0 && text[0] == '[') {
        return bracketed_parse(part, 0, ret_endpoint, &inside, info);
    }
    return ip4_endpoint_parse(part, ret_endpoint, info);
}

/* ---- contacts ---- */

static bool is_host_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

/* A name, or an IPv4 address if it is made of digits and dots only: no name is, and a mistyped
 * address should not be sent to a resolver. */
static int host_check(struct text_part part, struct kith_error_info *info) {
    struct kith_text_fault fault;
    uint8_t ip[4];
    bool numeric = true;

    if (part.length == 0) {
        return refuse(info, part.offset + 1, "a host name or address is missing before ':'");
    }
    if (part.length > HOST_LENGTH_MAX) {
        return refuse(info, part.offset + HOST_LENGTH_MAX + 1,
                      "a host name has at most 253 characters, this has %zu", part.length);
    }
    for (size_t i = 0; i < part.length; i++) {
        if (!is_host_char(part.text[i])) {
            return refuse_at(info, part, i, "a letter, digit, '-' or '.' of a host name");
        }
        numeric = numeric && (part.text[i] == '.' || (part.text[i] >= '0' && part.text[i] <= '9'));
    }
    if (numeric && kith_ip4_parse(part.text, part.length, ip, &fault) != 0) {
        return refuse_at(info, part, fault.column - 1, fault.expected);
    }
    return 0;
}

/* "HOST:PORT" or "[IPV6]:PORT". */
static int host_port_parse(struct text_part part, struct text_part *ret_host, uint16_t *ret_port,
                           struct kith_error_info *info) {
    struct kith_endpoint endpoint;
    size_t colon = 0;
    int r;

    if (part.length > 0 && part.text[0] == '[') {
        r = bracketed_parse(part, 1, &endpoint, ret_host, info);
        if (r == 0) {
            *ret_port = endpoint.port;
        }
        return r;
    }
    r = colon_find(part, &colon, info);
    if (r == 0) {
        r = host_check(part_first(part, colon), info);
    }
    if (r == 0) {
        r = port_parse(part_from(part, colon + 1), 1, ret_port, info);
    }
    if (r == 0) {
        *ret_host = part_first(part, colon);
    }
    return r;
}

int kith_contact_parse(const char *text, bool *ret_has_key, struct kith_key *ret_key, char *host,
                       uint16_t *ret_port, struct kith_error_info *info) {
    struct text_part part = part_all(text);
    size_t at = part_find(part, '@');
    bool has_key = at < part.length;
    struct text_part host_part = {0};
    struct kith_key key;
    uint16_t port = 0;
    int r = 0;

    if (has_key) {
        r = key_parse(part_first(part, at), &key, info);
        part = part_from(part, at + 1);
    }
    if (r == 0) {
        r = host_port_parse(part, &host_part, &port, info);
    }
    if (r < 0) {
        return r;
    }
    *ret_has_key = has_key;
    if (has_key) {
        *ret_key = key;
    }
    memcpy(host, host_part.text, host_part.length);
    host[host_part.length] = '\0';
    *ret_port = port;
    return 0;
}

/* ---- topics and points ---- */

void kith_topic_from_text(const char *text, struct kith_point *ret_topic) {
    static const char KIND[] = "kith-topic-1";
    crypto_generichash_blake2b_state state;
    size_t length = strlen(text);

    if (kith_hex_decode(text, length, ret_topic->bytes, sizeof(ret_topic->bytes)) == 0) {
        return;
    }
    (void)crypto_generichash_blake2b_init(&state, NULL, 0, sizeof(ret_topic->bytes));
    (void)crypto_generichash_blake2b_update(&state, (const uint8_t *)KIND, sizeof(KIND) - 1);
    (void)crypto_generichash_blake2b_update(&state, (const uint8_t *)text, length);
    (void)crypto_generichash_blake2b_final(&state, ret_topic->bytes, sizeof(ret_topic->bytes));
}

int kith_point_parse(const char *text, struct kith_point *ret_point, struct kith_error_info *info) {
    struct text_part part = part_all(text);

    if (part.length != HEX_32_LENGTH) {
        return refuse(info, 0, "64 hexadecimal digits are expected, this has %zu characters",
                      part.length);
    }
    return hex_parse(part, ret_point->bytes, info);
}
