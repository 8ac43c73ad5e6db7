/* SPDX-License-Identifier: MIT */
/*
 * kith/types.h: the values that cross the API: keys, points, endpoints, contacts, records, and
 * their text forms. Plain structs without pointers to free, unless a comment says otherwise.
 */
#ifndef KITH_TYPES_H
#define KITH_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kith/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KITH_KEY_SIZE = 32,       /* Ed25519 public key */
    KITH_SEED_SIZE = 32,      /* Ed25519 secret seed (RFC 8032) */
    KITH_SIGNATURE_SIZE = 64, /* Ed25519 signature */
    KITH_KEY_TEXT_SIZE = 53,  /* 52 characters of z-base-32 and NUL */
    KITH_SALT_MAX = 64,       /* BEP 44 */
    KITH_VALUE_MAX = 1000,    /* BEP 44: bytes of the bencoded value */
    KITH_NETWORK_MAX = 48,    /* bytes of a network name; it is part of a salt */
    KITH_ENDPOINT_TEXT_SIZE = 64,
    KITH_PROTOCOL_NAME_MAX = 32, /* bytes of a talk protocol name */
    KITH_TALK_MAX = 960,         /* bytes of a talk message */
    KITH_ENDPOINTS_MAX = 8,      /* endpoints in one peer record */
    KITH_LAN_NAME_MAX = 63,      /* bytes of a service instance name (DNS-SD) */
    KITH_CAPABILITIES_MAX = 400, /* bytes of the capabilities map, msgpack */
};

/* An Ed25519 public key: who a peer is. */
struct kith_key {
    uint8_t bytes[KITH_KEY_SIZE];
};

/* A place in the 256-bit id space: node id, storage point of a record, or topic. */
struct kith_point {
    uint8_t bytes[32];
};

/* Where a peer listens. The address is in network byte order, the port in host byte order. */
struct kith_endpoint {
    uint8_t family; /* 4, 6, or 0: none */
    uint16_t port;
    uint32_t scope; /* interface index of a link-local IPv6 address, else 0 */
    uint8_t ip[16]; /* IPv4 uses the first four bytes, the rest is zero */
};

/* A peer as it can be asked: a key where it is known, and one endpoint. */
struct kith_contact {
    bool has_key;
    struct kith_key key;
    struct kith_endpoint endpoint;
};

/*
 * A record, BEP 44. Mutable: signed by `key` over salt, seq and value. Immutable: value only, found
 * under its hash. `value` is one bencoded value, verbatim, as it is signed and hashed.
 */
struct kith_record {
    bool is_mutable;
    uint8_t salt_size;
    uint16_t value_size;
    int64_t seq; /* >= 0 */
    struct kith_key key;
    uint8_t signature[KITH_SIGNATURE_SIZE];
    uint8_t salt[KITH_SALT_MAX];
    uint8_t value[KITH_VALUE_MAX];
};

/* What a peer says of itself: the decoded value of its peer record. */
struct kith_peer {
    struct kith_key key;
    int64_t seq; /* Unix microseconds of the publication */
    uint32_t ttl_s;
    uint32_t n_endpoints;
    struct kith_endpoint endpoints[KITH_ENDPOINTS_MAX];
    uint16_t capabilities_size;
    uint8_t capabilities[KITH_CAPABILITIES_MAX]; /* a msgpack map, or empty */
};

/* Text of a key: 52 characters of z-base-32 and NUL. `text` holds KITH_KEY_TEXT_SIZE bytes. */
KITH_API void kith_key_format(const struct kith_key *key, char *text);

/*
 * Reads a key: 52 characters of z-base-32 or 64 hex digits. -> KITH_ESYNTAX, and `info` (may be
 * NULL) says the column and what was expected there.
 */
KITH_API KITH_MUST_CHECK int kith_key_parse(const char *text, struct kith_key *ret_key,
                                            struct kith_error_info *info);

/* Text of an endpoint, "192.0.2.1:7700" or "[2001:db8::1]:7700". KITH_ENDPOINT_TEXT_SIZE bytes. */
KITH_API void kith_endpoint_format(const struct kith_endpoint *endpoint, char *text);

/* Reads "IPV4:PORT" or "[IPV6]:PORT"; port 0 is accepted. Names are not resolved. -> KITH_ESYNTAX
 */
KITH_API KITH_MUST_CHECK int kith_endpoint_parse(const char *text,
                                                 struct kith_endpoint *ret_endpoint,
                                                 struct kith_error_info *info);

/*
 * Splits a contact text, "KEY@HOST:PORT", "KEY@[IPV6]:PORT" or "HOST:PORT": the key where there is
 * one, the host (name or address, without brackets; `host` holds 256 bytes) and the port
 * (1..65535).
 * -> KITH_ESYNTAX
 */
KITH_API KITH_MUST_CHECK int kith_contact_parse(const char *text, bool *ret_has_key,
                                                struct kith_key *ret_key, char *host,
                                                uint16_t *ret_port, struct kith_error_info *info);

/* The topic of a text: 64 hex digits verbatim, anything else hashed (BLAKE2b-256 of "kith-topic-1"
 * || text). */
KITH_API void kith_topic_from_text(const char *text, struct kith_point *ret_topic);

/* Reads 64 hex digits. -> KITH_ESYNTAX */
KITH_API KITH_MUST_CHECK int kith_point_parse(const char *text, struct kith_point *ret_point,
                                              struct kith_error_info *info);

/* Decodes the value of a peer record. -> KITH_ESYNTAX */
KITH_API KITH_MUST_CHECK int kith_peer_from_record(const struct kith_record *record,
                                                   struct kith_peer *ret_peer);

/*
 * Wraps bytes as a bencoded byte string ("LEN:" and the bytes), the form of every value that kith
 * itself makes. `out` holds KITH_VALUE_MAX bytes. -> KITH_ETOO_LARGE
 */
KITH_API KITH_MUST_CHECK int kith_value_wrap(const void *bytes, size_t size, uint8_t *out,
                                             uint16_t *ret_size);

/*
 * The bytes inside a bencoded byte string; for any other bencoded value, the value itself.
 * The result points into `value`.
 */
KITH_API void kith_value_unwrap(const uint8_t *value, size_t size, const uint8_t **ret_bytes,
                                size_t *ret_size);

#ifdef __cplusplus
}
#endif
#endif
