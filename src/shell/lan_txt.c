/* SPDX-License-Identifier: MIT */
/*
 * lan_txt: TXT strings, names and subtypes of DNS-SD (RFC 6763).
 *
 * An instance name is random and new with every start. A name made from the key would let anyone
 * on any network follow a laptop around; the key itself is in TXT, where `hide_key` removes it.
 *
 * The network's name is hashed into a subtype (RFC 6763 section 7.1): a node asks for and hears
 * its own network only, and bystanders do not read the name. That hides a guessable name from
 * nobody who guesses; it is not access control.
 *
 * Everything read here was said by somebody on the LAN. Reading is bounded in strings and bytes,
 * and one wrong value of ours rejects the record: better no hint than half of one.
 */
#include "shell/lan_txt.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <sodium/crypto_generichash_blake2b.h>

#include "util/text.h"

#define TXT_VERSION "1"
#define SUBTYPE_DOMAIN "kith-lan-1"
#define INSTANCE_PREFIX "kith-"

enum {
    SUBTYPE_BYTES = 8,    /* 64 bits: networks on one LAN are few */
    HASH_BYTES = 32,      /* BLAKE2b-256, of which the first eight are used */
    FLAGS_DIGITS_MAX = 8, /* 32 bits in hexadecimal */
    NAME_CHARACTERS = 16, /* of KITH_LAN_NAME_CHANCE_SIZE bytes in z-base-32 */
};

/* ---- TXT ---- */

void kith_lan_txt_build(const struct kith_key *key, uint32_t flags, struct kith_lan_txt *ret) {
    char text[KITH_KEY_TEXT_SIZE];

    memset(ret, 0, sizeof(*ret));
    /* "txtvers" comes first (RFC 6763 6.7). */
    snprintf(ret->strings[ret->n++], KITH_LAN_TXT_STRING_SIZE, "txtvers=%s", TXT_VERSION);
    if (key != NULL) {
        kith_key_format(key, text);
        snprintf(ret->strings[ret->n++], KITH_LAN_TXT_STRING_SIZE, "k=%s", text);
    }
    snprintf(ret->strings[ret->n++], KITH_LAN_TXT_STRING_SIZE, "f=%x", (unsigned)flags);
}

/* The value behind "key=" in the first string that has it (keys ignore case, RFC 6763 6.4). */
static bool txt_find(const struct kith_span *strings, size_t n, const char *key,
                     struct kith_span *ret) {
    size_t length = strlen(key);

    for (size_t i = 0; i < n; i++) {
        struct kith_span s = strings[i];
        if (s.size > length && s.data[length] == '=' &&
            strncasecmp((const char *)s.data, key, length) == 0) {
            *ret = kith_span(s.data + length + 1, s.size - length - 1);
            return true;
        }
    }
    return false;
}

/* One to eight hexadecimal digits. */
static int txt_read_flags(struct kith_span text, uint32_t *ret) {
    char padded[FLAGS_DIGITS_MAX + 1] = "00000000";
    uint8_t bytes[FLAGS_DIGITS_MAX / 2];

    if (text.size == 0 || text.size > FLAGS_DIGITS_MAX) {
        return KITH_ESYNTAX;
    }
    memcpy(padded + FLAGS_DIGITS_MAX - text.size, text.data, text.size);
    if (kith_hex_decode(padded, FLAGS_DIGITS_MAX, bytes, sizeof(bytes)) != 0) {
        return KITH_ESYNTAX;
    }
    *ret = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return 0;
}

static bool txt_too_large(const struct kith_span *strings, size_t n) {
    size_t size = 0;

    for (size_t i = 0; i < n && size <= KITH_LAN_TXT_BYTES_READ; i++) {
        size += strings[i].size + 1;
    }
    return n > KITH_LAN_TXT_STRINGS_READ || size > KITH_LAN_TXT_BYTES_READ;
}

int kith_lan_txt_parse(const struct kith_span *strings, size_t n, struct kith_lan_txt_info *ret) {
    struct kith_lan_txt_info info = {0};
    struct kith_span value;

    if (txt_too_large(strings, n)) {
        return KITH_ETOO_LARGE;
    }
    if (!txt_find(strings, n, "txtvers", &value) ||
        !kith_span_equal(value, kith_span_text(TXT_VERSION))) {
        return KITH_EVERSION;
    }
    if (txt_find(strings, n, "k", &value)) {
        if (kith_z32_decode((const char *)value.data, value.size, info.key.bytes,
                            sizeof(info.key.bytes)) != 0) {
            return KITH_ESYNTAX;
        }
        info.has_key = true;
    }
    if (txt_find(strings, n, "f", &value) && txt_read_flags(value, &info.flags) != 0) {
        return KITH_ESYNTAX;
    }
    *ret = info;
    return 0;
}

/* ---- names ---- */

void kith_lan_subtype(const char *network, char ret[KITH_LAN_SUBTYPE_SIZE]) {
    crypto_generichash_blake2b_state state;
    uint8_t hash[HASH_BYTES];
    char hex[2 * SUBTYPE_BYTES + 1];

    /* With constant sizes these cannot fail. */
    (void)crypto_generichash_blake2b_init(&state, NULL, 0, sizeof(hash));
    (void)crypto_generichash_blake2b_update(&state, (const uint8_t *)SUBTYPE_DOMAIN,
                                            sizeof(SUBTYPE_DOMAIN) - 1);
    (void)crypto_generichash_blake2b_update(&state, (const uint8_t *)network, strlen(network));
    (void)crypto_generichash_blake2b_final(&state, hash, sizeof(hash));
    kith_hex_encode(hash, SUBTYPE_BYTES, hex);
    snprintf(ret, KITH_LAN_SUBTYPE_SIZE, "_%s._sub." KITH_LAN_SERVICE, hex);
}

void kith_lan_instance_from(const uint8_t chance[KITH_LAN_NAME_CHANCE_SIZE],
                            char ret[KITH_LAN_INSTANCE_SIZE]) {
    char text[NAME_CHARACTERS + 1];

    kith_z32_encode(chance, KITH_LAN_NAME_CHANCE_SIZE, text);
    snprintf(ret, KITH_LAN_INSTANCE_SIZE, INSTANCE_PREFIX "%s", text);
}

/* Bytes of the UTF-8 sequence at `s` (RFC 3629: shortest form, no surrogates), 0 if it is none. */
static size_t utf8_length(const uint8_t *s) {
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t n;

    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        n = 2;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        n = 3;
        low = s[0] == 0xe0 ? 0xa0 : low;
        high = s[0] == 0xed ? 0x9f : high;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        n = 4;
        low = s[0] == 0xf0 ? 0x90 : low;
        high = s[0] == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    if (s[1] < low || s[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) { /* the NUL at the end is no continuation: never read past it */
        if (s[i] < 0x80 || s[i] > 0xbf) {
            return 0;
        }
    }
    return n;
}

bool kith_lan_instance_valid(const char *name) {
    const uint8_t *s = (const uint8_t *)name;
    size_t length = strnlen(name, KITH_LAN_INSTANCE_SIZE);

    if (length == 0 || length >= KITH_LAN_INSTANCE_SIZE) {
        return false;
    }
    while (*s != 0) {
        size_t n = utf8_length(s);
        if (n == 0 || *s < 0x20 || *s == 0x7f) {
            return false;
        }
        s += n;
    }
    return true;
}
