/* SPDX-License-Identifier: MIT */
/*
 * lan_txt: what kith says of itself in DNS-SD (RFC 6763): the strings of the TXT record, the
 * instance name, the subtype of a network. No Avahi, no I/O.
 */
#ifndef KITH_SHELL_LAN_TXT_H
#define KITH_SHELL_LAN_TXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kith/types.h"
#include "util/span.h"

#define KITH_LAN_SERVICE "_kith._udp"

enum {
    KITH_LAN_TXT_STRINGS = 3,
    KITH_LAN_TXT_STRING_SIZE = 64,  /* "k=", 52 characters and NUL, rounded up */
    KITH_LAN_INSTANCE_SIZE = 64,    /* RFC 6763 4.1.1: at most 63 bytes; and NUL */
    KITH_LAN_SUBTYPE_SIZE = 40,     /* "_<16 hex>._sub._kith._udp" and NUL */
    KITH_LAN_NAME_CHANCE_SIZE = 10, /* random bytes in an instance name: 16 characters */
    /* More than this no responder of ours sends, and RFC 6763 6.2 advises against. */
    KITH_LAN_TXT_STRINGS_READ = 32,
    KITH_LAN_TXT_BYTES_READ = 1300,
};

/* The strings of a TXT record in wire order. */
struct kith_lan_txt {
    size_t n;
    char strings[KITH_LAN_TXT_STRINGS][KITH_LAN_TXT_STRING_SIZE];
};

/* What a TXT record said. */
struct kith_lan_txt_info {
    bool has_key;
    struct kith_key key;
    uint32_t flags; /* none are defined yet; unknown ones are ignored */
};

/* `key` NULL: kept private. */
void kith_lan_txt_build(const struct kith_key *key, uint32_t flags, struct kith_lan_txt *ret);
/* `strings` in wire order: of equal keys the first counts (RFC 6763 6.4). Strings that are not
 * ours are ignored. -> KITH_EVERSION (txtvers missing or not 1), KITH_ESYNTAX (a bad key or flags),
 * KITH_ETOO_LARGE */
KITH_MUST_CHECK int kith_lan_txt_parse(const struct kith_span *strings, size_t n,
                                       struct kith_lan_txt_info *ret);

/* The type to browse for: _<16 hex of BLAKE2b-256("kith-lan-1" || network)>._sub._kith._udp. */
void kith_lan_subtype(const char *network, char ret[KITH_LAN_SUBTYPE_SIZE]);

/* An instance name from chance: it says nothing about who we are. */
void kith_lan_instance_from(const uint8_t chance[KITH_LAN_NAME_CHANCE_SIZE],
                            char ret[KITH_LAN_INSTANCE_SIZE]);
/* 1 to 63 bytes of UTF-8 without control characters (RFC 6763 4.1.1). */
bool kith_lan_instance_valid(const char *name);

#endif
