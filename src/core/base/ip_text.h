/* SPDX-License-Identifier: MIT */
/*
 * ip_text: IPv4 and IPv6 addresses as text, without the system's resolver.
 *
 * Strict: one address has few spellings, and those that programs read differently (octal, one to
 * three dots) are refused. Faults name the column within the text given, and what was expected.
 */
#ifndef KITH_CORE_IP_TEXT_H
#define KITH_CORE_IP_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum {
    KITH_IP4_TEXT_SIZE = 16, /* "255.255.255.255" and NUL */
    KITH_IP6_TEXT_SIZE = 40, /* eight groups of four digits, seven colons and NUL */
};

struct kith_text_fault {
    size_t column;        /* 1-based */
    const char *expected; /* constant text, for example "a number 0..255" */
};

/* Reads "192.0.2.1", all of `length`. -> KITH_ESYNTAX and `ret_fault` */
int kith_ip4_parse(const char *text, size_t length, uint8_t ret_ip[4],
                   struct kith_text_fault *ret_fault);
/* Reads RFC 4291 section 2.2 text, with an optional "%N" for the interface. -> KITH_ESYNTAX and
 * `ret_fault` */
int kith_ip6_parse(const char *text, size_t length, uint8_t ret_ip[16], uint32_t *ret_scope,
                   struct kith_text_fault *ret_fault);
/* `text` holds KITH_IP4_TEXT_SIZE. */
void kith_ip4_format(const uint8_t ip[4], char *text);
/* RFC 5952. `text` holds KITH_IP6_TEXT_SIZE. */
void kith_ip6_format(const uint8_t ip[16], char *text);

#endif
