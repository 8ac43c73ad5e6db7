/* SPDX-License-Identifier: MIT */
/*
 * ip_text: addresses as text.
 *
 * The core reads endpoints from configuration and prints them, but may not call inet_pton() and
 * friends: they belong to the sockets API, and their corner cases differ between C libraries, which
 * would make a replayed run depend on one. Reading is by RFC 4291 section 2.2, writing by RFC 5952
 * (lower case, the longest run of two or more zero groups, the first of equals, becomes "::";
 * IPv4-mapped addresses end in dotted form).
 *
 * One pass over the text with a position; nothing is written to the outputs before all of it is
 * right. Addresses are at most 45 characters: longer texts fail at the first character that has no
 * place.
 */
#include "core/base/ip_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "kith/error.h"

enum {
    IP4_BYTES = 4,
    IP6_GROUPS = 8,
    IP6_BYTES = 16,
    NO_GROUP = -1,
};

/* The text and how far it is read. */
struct ip_cursor {
    const char *text;
    size_t length;
    size_t at;
};

static int fault_at(struct kith_text_fault *fault, size_t at, const char *expected) {
    *fault = (struct kith_text_fault){at + 1, expected};
    return KITH_ESYNTAX;
}

static bool cursor_done(const struct ip_cursor *c) {
    return c->at >= c->length;
}

static bool cursor_sees(const struct ip_cursor *c, char wanted) {
    return !cursor_done(c) && c->text[c->at] == wanted;
}

/* Value of the digit under the cursor in `base` (10 or 16), or -1. */
static int cursor_digit(const struct ip_cursor *c, int base) {
    char ch = cursor_done(c) ? '\0' : c->text[c->at];
    int value = -1;

    if (ch >= '0' && ch <= '9') {
        value = ch - '0';
    } else if (ch >= 'a' && ch <= 'f') {
        value = ch - 'a' + 10;
    } else if (ch >= 'A' && ch <= 'F') {
        value = ch - 'A' + 10;
    }
    return value < base ? value : -1;
}

/* A decimal number up to `max` without leading zeros. False: the cursor is at what is wrong. */
static bool cursor_decimal(struct ip_cursor *c, uint32_t max, uint32_t *ret) {
    size_t start = c->at;
    uint64_t value = 0;
    int digit;

    while ((digit = cursor_digit(c, 10)) >= 0) {
        value = value * 10 + (uint64_t)digit;
        c->at++;
        if (value > max || (c->at - start > 1 && c->text[start] == '0')) {
            c->at = start; /* the number as a whole is wrong, not its last digit */
            return false;
        }
    }
    if (c->at == start) {
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

/* Dotted quad up to the end of the text or a '%'. */
static int cursor_ip4(struct ip_cursor *c, uint8_t ip[IP4_BYTES], struct kith_text_fault *fault) {
    for (unsigned i = 0; i < IP4_BYTES; i++) {
        uint32_t value;
        if (i > 0) {
            if (!cursor_sees(c, '.')) {
                return fault_at(fault, c->at, "'.' (an IPv4 address has four numbers)");
            }
            c->at++;
        }
        if (!cursor_decimal(c, 255, &value)) {
            return fault_at(fault, c->at, "a number 0..255 without leading zeros");
        }
        ip[i] = (uint8_t)value;
    }
    return 0;
}

int kith_ip4_parse(const char *text, size_t length, uint8_t ret_ip[4],
                   struct kith_text_fault *ret_fault) {
    struct ip_cursor c = {text, length, 0};
    uint8_t ip[IP4_BYTES];
    int r = cursor_ip4(&c, ip, ret_fault);

    if (r < 0) {
        return r;
    }
    if (!cursor_done(&c)) {
        return fault_at(ret_fault, c.at, "the end of the IPv4 address");
    }
    memcpy(ret_ip, ip, sizeof(ip));
    return 0;
}

/* What has been read of an IPv6 address. */
struct ip6_groups {
    uint8_t bytes[IP6_BYTES];
    int n;   /* groups read */
    int gap; /* groups before "::", or NO_GROUP */
};

/* One to four hexadecimal digits; false if there is none. */
static bool cursor_group(struct ip_cursor *c, unsigned *ret) {
    size_t start = c->at;
    unsigned value = 0;
    int digit;

    while (c->at - start < 4 && (digit = cursor_digit(c, 16)) >= 0) {
        value = value << 4 | (unsigned)digit;
        c->at++;
    }
    *ret = value;
    return c->at > start;
}

/* A group, or the dotted quad that stands for the last two. */
static int cursor_ip6_part(struct ip_cursor *c, struct ip6_groups *groups,
                           struct kith_text_fault *fault) {
    size_t start = c->at;
    unsigned value;

    if (groups->n == IP6_GROUPS) {
        return fault_at(fault, start, "the end of the IPv6 address (it has eight groups)");
    }
    if (!cursor_group(c, &value)) {
        return fault_at(fault, start, "a group of 1 to 4 hexadecimal digits");
    }
    if (!cursor_sees(c, '.')) {
        groups->bytes[2 * groups->n] = (uint8_t)(value >> 8);
        groups->bytes[2 * groups->n + 1] = (uint8_t)value;
        groups->n++;
        return 0;
    }
    if (groups->n > IP6_GROUPS - 2) {
        return fault_at(fault, start, "a group (there is no room for an IPv4 address)");
    }
    c->at = start;
    groups->n += 2;
    return cursor_ip4(c, groups->bytes + 2 * (groups->n - 2), fault);
}

/* ":" or "::" between groups; at most one "::". */
static int cursor_ip6_colon(struct ip_cursor *c, struct ip6_groups *groups,
                            struct kith_text_fault *fault) {
    if (!cursor_sees(c, ':')) {
        return fault_at(fault, c->at, "':' or the end of the IPv6 address");
    }
    c->at++;
    if (cursor_sees(c, ':')) {
        if (groups->gap != NO_GROUP) {
            return fault_at(fault, c->at, "a group (there is a '::' already)");
        }
        if (groups->n == IP6_GROUPS) {
            return fault_at(fault, c->at, "the end of the IPv6 address (it has eight groups)");
        }
        groups->gap = groups->n;
        c->at++;
    }
    return 0;
}

static bool cursor_ip6_ended(const struct ip_cursor *c) {
    return cursor_done(c) || cursor_sees(c, '%');
}

static int cursor_ip6(struct ip_cursor *c, struct ip6_groups *groups,
                      struct kith_text_fault *fault) {
    int r;

    if (cursor_sees(c, ':')) {
        size_t start = c->at;
        r = cursor_ip6_colon(c, groups, fault);
        if (r == 0 && groups->gap == NO_GROUP) {
            return fault_at(fault, start + 1, "'::' or a group of hexadecimal digits");
        }
    } else {
        r = cursor_ip6_part(c, groups, fault);
    }
    while (r == 0 && !cursor_ip6_ended(c)) {
        bool after_gap = groups->gap == groups->n;
        if (!after_gap) {
            r = cursor_ip6_colon(c, groups, fault);
        }
        if (r == 0 && !(groups->gap == groups->n && cursor_ip6_ended(c))) {
            r = cursor_ip6_part(c, groups, fault);
        }
    }
    return r;
}

/* Moves what follows "::" to the end. False: too few or too many groups. */
static bool groups_close_gap(struct ip6_groups *groups) {
    size_t after;

    if (groups->gap == NO_GROUP) {
        return groups->n == IP6_GROUPS;
    }
    if (groups->n == IP6_GROUPS) {
        return false;
    }
    after = 2 * (size_t)(groups->n - groups->gap);
    memmove(groups->bytes + IP6_BYTES - after, groups->bytes + 2 * groups->gap, after);
    memset(groups->bytes + 2 * groups->gap, 0, 2 * (size_t)(IP6_GROUPS - groups->n));
    return true;
}

int kith_ip6_parse(const char *text, size_t length, uint8_t ret_ip[16], uint32_t *ret_scope,
                   struct kith_text_fault *ret_fault) {
    struct ip_cursor c = {text, length, 0};
    struct ip6_groups groups = {.gap = NO_GROUP};
    uint32_t scope = 0;
    int r = cursor_ip6(&c, &groups, ret_fault);

    if (r < 0) {
        return r;
    }
    if (!groups_close_gap(&groups)) {
        return fault_at(ret_fault, c.at, "more groups (eight in all, or one '::')");
    }
    if (cursor_sees(&c, '%')) {
        c.at++;
        if (!cursor_decimal(&c, UINT32_MAX, &scope) || !cursor_done(&c)) {
            return fault_at(ret_fault, c.at,
                            "the number of an interface (names are not looked up)");
        }
    }
    memcpy(ret_ip, groups.bytes, sizeof(groups.bytes));
    *ret_scope = scope;
    return 0;
}

void kith_ip4_format(const uint8_t ip[4], char *text) {
    snprintf(text, KITH_IP4_TEXT_SIZE, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
}

static unsigned group_at(const uint8_t ip[16], int index) {
    return (unsigned)ip[2 * index] << 8 | ip[2 * index + 1];
}

/* The longest run of zero groups, the first of equals; length 0 if there is none of at least two.
 */
static int zero_run(const uint8_t ip[16], int *ret_start) {
    int best = 1; /* RFC 5952 4.2.2: a single zero group is not shortened */

    *ret_start = NO_GROUP;
    for (int i = 0; i < IP6_GROUPS; i++) {
        int n = 0;
        while (i + n < IP6_GROUPS && group_at(ip, i + n) == 0) {
            n++;
        }
        if (n > best) {
            best = n;
            *ret_start = i;
        }
    }
    return *ret_start == NO_GROUP ? 0 : best;
}

void kith_ip6_format(const uint8_t ip[16], char *text) {
    static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};
    size_t size = 0;
    int start;
    int run = zero_run(ip, &start);

    if (memcmp(ip, MAPPED, sizeof(MAPPED)) == 0) {
        snprintf(text, KITH_IP6_TEXT_SIZE, "::ffff:%u.%u.%u.%u", ip[12], ip[13], ip[14], ip[15]);
        return;
    }
    for (int i = 0; i < IP6_GROUPS; i++) {
        const char *colon = i > 0 && i != start + run ? ":" : "";
        if (i == start) {
            size += (size_t)snprintf(text + size, KITH_IP6_TEXT_SIZE - size, "::");
            i += run - 1;
        } else {
            size += (size_t)snprintf(text + size, KITH_IP6_TEXT_SIZE - size, "%s%x", colon,
                                     group_at(ip, i));
        }
    }
}
