/* SPDX-License-Identifier: MIT */
/*
 * target: points of Mainline's id space.
 *
 * BEP 42 makes an id follow from an address: its first 21 bits are those of a CRC-32C over the
 * address, of which only some bits count, and over three bits that the node may choose; these are
 * told in its last byte. So one IPv4 address has eight places in the id space and not the choice
 * of all. The prose of the BEP has an IPv4 address hashed as eight bytes; its vectors, and every
 * implementation, hash four.
 */
#include "core/record/target.h"

#include <sha1.h>

#include "core/base/endpoint.h"

enum {
    CHOICE_MASK = 7,   /* of the last byte: what the node chose */
    THIRD_MASK = 0xf8, /* of the third byte: what follows from the address */
    IP4_BOUND = 4,     /* bytes of an IPv4 address that count */
    IP6_BOUND = 8,     /* and of an IPv6 address */
    LAST = KITH_TARGET_SIZE - 1,
};

static const uint32_t CRC32C_REFLECTED = UINT32_C(0x82f63b78); /* Castagnoli, RFC 3720 */

/* SHA-1 of two parts, each of which may be empty. */
static void hash(struct kith_span first, struct kith_span second, struct kith_point *ret) {
    uint8_t digest[SHA1_DIGEST_LENGTH];
    SHA1_CTX sha1;

    SHA1Init(&sha1);
    if (first.size > 0) {
        SHA1Update(&sha1, first.data, first.size);
    }
    if (second.size > 0) {
        SHA1Update(&sha1, second.data, second.size);
    }
    SHA1Final(digest, &sha1);
    kith_target_from_bytes(digest, ret);
}

void kith_target_from_bytes(const uint8_t bytes[KITH_TARGET_SIZE], struct kith_point *ret) {
    *ret = (struct kith_point){{0}};
    memcpy(ret->bytes, bytes, KITH_TARGET_SIZE);
}

void kith_target_of_record(const struct kith_record_view *view, struct kith_point *ret) {
    if (view->is_mutable) {
        hash(kith_span(view->key, KITH_KEY_SIZE), view->salt, ret);
    } else {
        hash(view->value, kith_span(NULL, 0), ret);
    }
}

void kith_target_of_key(const struct kith_key *key, struct kith_span salt, struct kith_point *ret) {
    hash(kith_span(key->bytes, sizeof(key->bytes)), salt, ret);
}

void kith_target_of_network(const char *network, struct kith_point *ret) {
    hash(kith_span_text("kith-network-1"), kith_span_text(network), ret);
}

/* ---- BEP 42 ---- */

static uint32_t crc32c(const uint8_t *bytes, size_t size) {
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? CRC32C_REFLECTED : 0);
        }
    }
    return ~crc;
}

/* The bits, at the top, that an id must begin with whose node chose `choice`. */
static uint32_t bound_bits(const struct kith_endpoint *endpoint, uint8_t choice) {
    static const uint8_t mask_ip4[IP4_BOUND] = {0x03, 0x0f, 0x3f, 0xff};
    static const uint8_t mask_ip6[IP6_BOUND] = {0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff};
    bool is_ip4 = endpoint->family == 4;
    size_t size = is_ip4 ? IP4_BOUND : IP6_BOUND;
    uint8_t bound[IP6_BOUND];

    for (size_t i = 0; i < size; i++) {
        bound[i] = endpoint->ip[i] & (is_ip4 ? mask_ip4[i] : mask_ip6[i]);
    }
    bound[0] |= (uint8_t)((choice & CHOICE_MASK) << 5);
    return crc32c(bound, size);
}

void kith_target_make_id(const struct kith_endpoint *endpoint, const struct kith_random *random,
                         struct kith_point *ret) {
    struct kith_point id = {{0}};
    uint32_t bits;

    kith_random_secure(random, id.bytes, KITH_TARGET_SIZE);
    if (!kith_endpoint_exempt(endpoint)) {
        bits = bound_bits(endpoint, id.bytes[LAST]);
        id.bytes[0] = (uint8_t)(bits >> 24);
        id.bytes[1] = (uint8_t)(bits >> 16);
        id.bytes[2] = (uint8_t)((bits >> 8 & THIRD_MASK) | (id.bytes[2] & ~THIRD_MASK));
    }
    *ret = id;
}

bool kith_target_id_valid(const struct kith_point *id, const struct kith_endpoint *endpoint) {
    uint32_t bits;

    if (kith_endpoint_exempt(endpoint)) {
        return true;
    }
    bits = bound_bits(endpoint, id->bytes[LAST]);
    return id->bytes[0] == (uint8_t)(bits >> 24) && id->bytes[1] == (uint8_t)(bits >> 16) &&
           ((id->bytes[2] ^ bits >> 8) & THIRD_MASK) == 0;
}
