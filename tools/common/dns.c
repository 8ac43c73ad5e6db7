/* SPDX-License-Identifier: MIT */
/*
 * The packet comes from a stranger. Walking it is left to the C library's resolver
 * (ns_initparse(3), ns_parserr(3), ns_name_uncompress(3)), which has done that for decades: it
 * checks every size and bounds compressed names. Here each record's data becomes text, through a
 * buffer with a sticky end.
 */
#include "dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/span.h"

enum {
    PACKET_MAX = 1000, /* a record's value */
    TYPE_DNAME = 39,   /* younger than some <arpa/nameser.h> */
    TYPE_SVCB = 64,
    TYPE_HTTPS = 65,
    TEXT_SIZE = 8192, /* its bytes, each escaped as \DDD, and a name of 1,024 beside them */
};

struct text {
    size_t size;
    char bytes[TEXT_SIZE];
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...) {
    size_t room = sizeof(text->bytes) - text->size;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text->bytes + text->size, room, format, args);
    va_end(args);
    text->size += n < 0 ? 0 : ((size_t)n < room ? (size_t)n : room - 1);
}

/* Printable characters but quotes and backslashes as they are (RFC 1035, 5.1). */
static void add_escaped(struct text *text, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '"' || bytes[i] == '\\')
            add(text, "\\%c", bytes[i]);
        else if (bytes[i] < ' ' || bytes[i] > '~')
            add(text, "\\%03u", (unsigned)bytes[i]);
        else
            add(text, "%c", bytes[i]);
    }
}

/* A domain name at the reader's place, compressed or not; returns false if there is none. */
static bool add_name(struct text *text, const ns_msg *packet, struct kith_reader *r) {
    char name[NS_MAXDNAME];
    size_t left = kith_reader_left(r);
    int n =
        ns_name_uncompress(ns_msg_base(*packet), ns_msg_end(*packet), r->at, name, sizeof(name));

    if (n < 0 || (size_t)n > left)
        return false;
    (void)kith_read_bytes(r, (size_t)n);
    add(text, "%s", *name ? name : ".");
    return true;
}

static bool add_address(struct text *text, struct kith_reader *r, int family) {
    char address[INET6_ADDRSTRLEN];
    const uint8_t *bytes = kith_read_bytes(r, family == AF_INET ? 4 : 16);

    if (!bytes)
        return false;
    add(text, "%s", inet_ntop(family, bytes, address, sizeof(address)));
    return true;
}

static bool add_strings(struct text *text, struct kith_reader *r) {
    for (bool first = true; !r->failed && kith_reader_left(r) > 0; first = false) {
        uint8_t size = kith_read_u8(r);
        const uint8_t *bytes = kith_read_bytes(r, size);
        if (!bytes && size > 0)
            return false;
        add(text, first ? "\"" : " \"");
        add_escaped(text, bytes, size);
        add(text, "\"");
    }
    return !r->failed;
}

static void add_hex(struct text *text, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        add(text, "%02x", bytes[i]);
}

/* ---- SVCB, HTTPS (RFC 9460) ---- */

enum {
    PARAM_ALPN = 1,
    PARAM_NO_DEFAULT_ALPN,
    PARAM_PORT,
    PARAM_IPV4HINT,
    PARAM_ECH,
    PARAM_IPV6HINT
};

static bool add_list(struct text *text, struct kith_reader *r, unsigned key) {
    for (bool first = true; kith_reader_left(r) > 0; first = false) {
        if (!first)
            add(text, ",");
        if (key == PARAM_ALPN) {
            uint8_t size = kith_read_u8(r);
            const uint8_t *bytes = kith_read_bytes(r, size);
            if (!bytes)
                return false;
            add_escaped(text, bytes, size);
        } else if (!add_address(text, r, key == PARAM_IPV4HINT ? AF_INET : AF_INET6)) {
            return false;
        }
    }
    return true;
}

static bool add_param(struct text *text, unsigned key, struct kith_span value) {
    struct kith_reader r = kith_reader(value);

    switch (key) {
    case PARAM_ALPN:
    case PARAM_IPV4HINT:
    case PARAM_IPV6HINT:
        add(text, " %s=",
            key == PARAM_ALPN       ? "alpn"
            : key == PARAM_IPV4HINT ? "ipv4hint"
                                    : "ipv6hint");
        return add_list(text, &r, key);
    case PARAM_NO_DEFAULT_ALPN:
        add(text, " no-default-alpn");
        return value.size == 0;
    case PARAM_PORT:
        add(text, " port=%u", (unsigned)kith_read_u16(&r));
        return !r.failed && kith_reader_left(&r) == 0;
    default:
        add(text, " key%u=", key);
        add_hex(text, value.data, value.size);
        return true;
    }
}

static bool add_service(struct text *text, const ns_msg *packet, struct kith_reader *r) {
    add(text, "%u ", (unsigned)kith_read_u16(r));
    if (r->failed || !add_name(text, packet, r))
        return false;
    while (kith_reader_left(r) > 0) {
        unsigned key = kith_read_u16(r);
        uint16_t size = kith_read_u16(r);
        const uint8_t *bytes = kith_read_bytes(r, size);
        if (r->failed || !add_param(text, key, kith_span(bytes, size)))
            return false;
    }
    return true;
}

/* ---- records ---- */

static const char *type_name(unsigned type, char *fallback, size_t size) {
    static const struct {
        unsigned type;
        const char *name;
    } names[] = {{ns_t_a, "A"},         {ns_t_ns, "NS"},     {ns_t_cname, "CNAME"},
                 {ns_t_soa, "SOA"},     {ns_t_ptr, "PTR"},   {ns_t_mx, "MX"},
                 {ns_t_txt, "TXT"},     {ns_t_aaaa, "AAAA"}, {ns_t_srv, "SRV"},
                 {TYPE_DNAME, "DNAME"}, {TYPE_SVCB, "SVCB"}, {TYPE_HTTPS, "HTTPS"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].type == type)
            return names[i].name;
    }
    snprintf(fallback, size, "TYPE%u", type);
    return fallback;
}

/* The data as text. False: not what its type has. */
static bool add_data(struct text *text, const ns_msg *packet, const ns_rr *rr) {
    struct kith_span data = kith_span(ns_rr_rdata(*rr), ns_rr_rdlen(*rr));
    struct kith_reader r = kith_reader(data);
    bool good;

    switch ((unsigned)ns_rr_type(*rr)) {
    case ns_t_a:
        good = add_address(text, &r, AF_INET);
        break;
    case ns_t_aaaa:
        good = add_address(text, &r, AF_INET6);
        break;
    case ns_t_ns:
    case ns_t_cname:
    case ns_t_ptr:
    case TYPE_DNAME:
        good = add_name(text, packet, &r);
        break;
    case ns_t_mx:
        add(text, "%u ", (unsigned)kith_read_u16(&r));
        good = !r.failed && add_name(text, packet, &r);
        break;
    case ns_t_srv:
        for (unsigned i = 0; i < 3; i++)
            add(text, "%u ", (unsigned)kith_read_u16(&r));
        good = !r.failed && add_name(text, packet, &r);
        break;
    case ns_t_txt:
        good = add_strings(text, &r);
        break;
    case TYPE_SVCB:
    case TYPE_HTTPS:
        good = add_service(text, packet, &r);
        break;
    default:
        add(text, "\\# %zu ", data.size);
        add_hex(text, data.data, data.size);
        return true;
    }
    return good && kith_reader_left(&r) == 0;
}

static json_t *to_json(const ns_msg *packet, const ns_rr *rr) {
    struct text text = {0};
    char fallback[16];

    if (!add_data(&text, packet, rr))
        return NULL;
    return json_pack("{s:s, s:s, s:I, s:s}", "name", *ns_rr_name(*rr) ? ns_rr_name(*rr) : ".",
                     "type", type_name((unsigned)ns_rr_type(*rr), fallback, sizeof(fallback)),
                     "ttl", (json_int_t)(uint32_t)ns_rr_ttl(*rr), "data", text.bytes);
}

json_t *dns_to_json(const uint8_t *bytes, size_t size) {
    ns_msg packet;
    ns_rr rr;
    json_t *list;

    if (size > PACKET_MAX || ns_initparse(bytes, (int)size, &packet) < 0 ||
        !ns_msg_getflag(packet, ns_f_qr) || ns_msg_count(packet, ns_s_an) == 0)
        return NULL;
    list = json_array();
    for (int i = 0; list && i < ns_msg_count(packet, ns_s_an); i++) {
        /* A NULL is refused, which ends it. */
        if (ns_parserr(&packet, ns_s_an, i, &rr) < 0 ||
            json_array_append_new(list, to_json(&packet, &rr)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
