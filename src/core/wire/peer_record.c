/* SPDX-License-Identifier: MIT */
/*
 * peer_record: what a peer says of itself, as the value of a record (docs/protocol.md, "Peer
 * records").
 *
 * The value is a msgpack map in a bencoded byte string, so that Mainline nodes can hold it. It is
 * read with a cursor, without a tree and without allocation: readers are application threads as
 * well as nodes, and the capabilities are wanted as bytes anyway.
 *
 * Encoding is deterministic (sorted keys, shortest forms, IPv4 before IPv6): what a peer publishes
 * again without a change has the same bytes. Decoding is total: sizes and depth are checked before
 * anything is looked at, unknown keys are ignored, unusable endpoints are left out.
 */
#include <stdio.h>

#include "core/base/bencode.h"
#include "core/base/endpoint.h"
#include "core/record/record.h"
#include "core/wire/msgpack_codec.h"
#include "core/wire/msgpack_raw.h"

enum {
    PEER_VERSION = 1,
    CAPABILITIES_DEPTH_MAX = 4,
    CAPABILITIES_ELEMENTS_MAX = 64,
    ENDPOINT4_SIZE = 6,
    ENDPOINT6_SIZE = 18,
};

/* The map's keys in the order of their bytes, which is the order on the wire. */
enum peer_key { PEER_KEY_C, PEER_KEY_E4, PEER_KEY_E6, PEER_KEY_P, PEER_KEY_TTL, N_PEER_KEYS };

static const char *const peer_key_names[N_PEER_KEYS] = {"c", "e4", "e6", "p", "ttl"};

static int check_capabilities(struct kith_span bytes) {
    struct kith_msgpack_item head;
    if (bytes.size > KITH_CAPABILITIES_MAX) {
        return KITH_ETOO_LARGE;
    }
    int r = kith_msgpack_check(bytes, CAPABILITIES_DEPTH_MAX, CAPABILITIES_ELEMENTS_MAX);
    if (r < 0) {
        return r;
    }
    struct kith_reader reader = kith_reader(bytes);
    r = kith_msgpack_next(&reader, &head);
    if (r < 0) {
        return r;
    }
    return head.type == KITH_MSGPACK_MAP ? 0 : KITH_ESYNTAX;
}

/* Gathers the usable endpoints of one family in wire form; returns the bytes written. */
static size_t gather_endpoints(const struct kith_peer *peer, uint8_t family,
                               uint8_t out[KITH_ENDPOINTS_MAX * ENDPOINT6_SIZE]) {
    struct kith_writer w = kith_writer(out, KITH_ENDPOINTS_MAX * ENDPOINT6_SIZE);
    for (uint32_t i = 0; i < peer->n_endpoints; i++) {
        const struct kith_endpoint *endpoint = &peer->endpoints[i];
        if (endpoint->family == family && kith_endpoint_usable(endpoint)) {
            kith_endpoint_write(&w, endpoint);
        }
    }
    return kith_writer_size(&w);
}

static void pack_endpoints(msgpack_packer *packer, enum peer_key key, const uint8_t *bytes,
                           size_t size) {
    if (size > 0) {
        kith_msgpack_pack_text(packer, peer_key_names[key]);
        kith_msgpack_pack_bytes(packer, bytes, size);
    }
}

static void pack_number(msgpack_packer *packer, enum peer_key key, uint32_t number) {
    kith_msgpack_pack_text(packer, peer_key_names[key]);
    msgpack_pack_uint32(packer, number);
}

int kith_peer_encode(const struct kith_peer *peer, uint8_t *out, uint16_t *ret_size) {
    uint8_t v4[KITH_ENDPOINTS_MAX * ENDPOINT6_SIZE];
    uint8_t v6[KITH_ENDPOINTS_MAX * ENDPOINT6_SIZE];
    uint8_t map[KITH_VALUE_MAX];
    struct kith_span capabilities = kith_span(peer->capabilities, peer->capabilities_size);
    if (peer->n_endpoints > KITH_ENDPOINTS_MAX) {
        return KITH_ETOO_LARGE;
    }
    if (capabilities.size > 0) {
        int r = check_capabilities(capabilities);
        if (r < 0) {
            return r;
        }
    }
    size_t v4_size = gather_endpoints(peer, 4, v4);
    size_t v6_size = gather_endpoints(peer, 6, v6);

    struct kith_msgpack_sink sink;
    msgpack_packer packer;
    kith_msgpack_packer(&packer, &sink, map, sizeof(map));
    msgpack_pack_map(&packer, 2u + (capabilities.size > 0) + (v4_size > 0) + (v6_size > 0));
    if (capabilities.size > 0) {
        kith_msgpack_pack_text(&packer, peer_key_names[PEER_KEY_C]);
        /* already one packed value: appended as it is */
        msgpack_pack_str_body(&packer, capabilities.data, capabilities.size);
    }
    pack_endpoints(&packer, PEER_KEY_E4, v4, v4_size);
    pack_endpoints(&packer, PEER_KEY_E6, v6, v6_size);
    pack_number(&packer, PEER_KEY_P, PEER_VERSION);
    pack_number(&packer, PEER_KEY_TTL, peer->ttl_s);
    if (sink.size > sink.max) {
        return KITH_ETOO_LARGE;
    }
    return kith_value_wrap(map, sink.size, out, ret_size);
}

/* The known key of a map item, or N_PEER_KEYS. */
static enum peer_key find_key(const struct kith_msgpack_item *item) {
    if (item->type == KITH_MSGPACK_STR) {
        for (int i = 0; i < N_PEER_KEYS; i++) {
            if (kith_span_equal(item->bytes, kith_span_text(peer_key_names[i]))) {
                return (enum peer_key)i;
            }
        }
    }
    return N_PEER_KEYS;
}

/* Appends the usable endpoints of a blob as far as there is room. */
static int add_endpoints(struct kith_peer *peer, const struct kith_msgpack_item *item,
                         size_t unit) {
    if (item->type != KITH_MSGPACK_BIN || item->bytes.size % unit != 0) {
        return KITH_ESYNTAX;
    }
    for (size_t at = 0; at < item->bytes.size && peer->n_endpoints < KITH_ENDPOINTS_MAX;
         at += unit) {
        struct kith_endpoint endpoint;
        if (kith_endpoint_read(item->bytes.data + at, unit, &endpoint) &&
            kith_endpoint_usable(&endpoint)) {
            peer->endpoints[peer->n_endpoints++] = endpoint;
        }
    }
    return 0;
}

static int set_capabilities(struct kith_peer *peer, struct kith_span bytes) {
    if (check_capabilities(bytes) < 0) {
        return KITH_ESYNTAX;
    }
    memcpy(peer->capabilities, bytes.data, bytes.size);
    peer->capabilities_size = (uint16_t)bytes.size;
    return 0;
}

/* Takes the known values of a checked map: raw bytes and, for scalars, the item. */
struct peer_fields {
    unsigned seen; /* bit 1 << enum peer_key */
    struct kith_span raw[N_PEER_KEYS];
    struct kith_msgpack_item item[N_PEER_KEYS];
};

static int read_fields(struct kith_span map, struct peer_fields *fields) {
    struct kith_reader r = kith_reader(map);
    struct kith_msgpack_item head;
    if (kith_msgpack_next(&r, &head) < 0 || head.type != KITH_MSGPACK_MAP) {
        return KITH_ESYNTAX;
    }
    for (uint64_t i = 0; i < head.number; i++) {
        struct kith_reader key_reader = r;
        struct kith_msgpack_item name;
        if (kith_msgpack_next(&key_reader, &name) < 0 ||
            kith_msgpack_skip(&r, KITH_MSGPACK_DEPTH_MAX, KITH_MSGPACK_ELEMENTS_MAX) < 0) {
            return KITH_ESYNTAX;
        }
        enum peer_key key = find_key(&name);
        struct kith_reader value = r;
        if (kith_msgpack_skip(&r, KITH_MSGPACK_DEPTH_MAX, KITH_MSGPACK_ELEMENTS_MAX) < 0) {
            return KITH_ESYNTAX;
        }
        if (key == N_PEER_KEYS) {
            continue;
        }
        if ((fields->seen & (1u << key)) != 0) {
            return KITH_ESYNTAX; /* readers must not differ on which of two counts */
        }
        fields->seen |= 1u << key;
        fields->raw[key] = kith_span(value.at, (size_t)(r.at - value.at));
        if (kith_msgpack_next(&value, &fields->item[key]) < 0) {
            return KITH_ESYNTAX;
        }
    }
    return 0;
}

static int apply_fields(const struct peer_fields *fields, struct kith_peer *peer) {
    const unsigned required = 1u << PEER_KEY_P | 1u << PEER_KEY_TTL;
    const struct kith_msgpack_item *version = &fields->item[PEER_KEY_P];
    const struct kith_msgpack_item *ttl = &fields->item[PEER_KEY_TTL];
    if ((fields->seen & required) != required || version->type != KITH_MSGPACK_UINT ||
        version->number < PEER_VERSION || ttl->type != KITH_MSGPACK_UINT ||
        ttl->number > UINT32_MAX) {
        return KITH_ESYNTAX;
    }
    peer->ttl_s = (uint32_t)ttl->number;
    int r = 0;
    if ((fields->seen & 1u << PEER_KEY_C) != 0) {
        r = set_capabilities(peer, fields->raw[PEER_KEY_C]);
    }
    if (r == 0 && (fields->seen & 1u << PEER_KEY_E4) != 0) {
        r = add_endpoints(peer, &fields->item[PEER_KEY_E4], ENDPOINT4_SIZE);
    }
    if (r == 0 && (fields->seen & 1u << PEER_KEY_E6) != 0) {
        r = add_endpoints(peer, &fields->item[PEER_KEY_E6], ENDPOINT6_SIZE);
    }
    return r;
}

int kith_peer_from_record(const struct kith_record *record, struct kith_peer *ret_peer) {
    struct kith_span map;
    if (!record->is_mutable || record->value_size > KITH_VALUE_MAX ||
        kith_bencode_string(kith_span(record->value, record->value_size), &map) < 0 ||
        kith_msgpack_check(map, KITH_MSGPACK_DEPTH_MAX, KITH_MSGPACK_ELEMENTS_MAX) < 0) {
        return KITH_ESYNTAX;
    }
    struct peer_fields fields = {0};
    int r = read_fields(map, &fields);
    if (r < 0) {
        return r;
    }
    struct kith_peer peer;
    memset(&peer, 0, sizeof(peer));
    r = apply_fields(&fields, &peer);
    if (r < 0) {
        return r;
    }
    peer.key = record->key;
    peer.seq = record->seq;
    *ret_peer = peer;
    return 0;
}

int kith_value_wrap(const void *bytes, size_t size, uint8_t *out, uint16_t *ret_size) {
    char head[24];
    if (size > KITH_VALUE_MAX) {
        return KITH_ETOO_LARGE;
    }
    size_t n = (size_t)snprintf(head, sizeof(head), "%zu:", size);
    if (n + size > KITH_VALUE_MAX) {
        return KITH_ETOO_LARGE;
    }
    if (size > 0) {
        memmove(out + n, bytes, size);
    }
    memcpy(out, head, n);
    *ret_size = (uint16_t)(n + size);
    return 0;
}

void kith_value_unwrap(const uint8_t *value, size_t size, const uint8_t **ret_bytes,
                       size_t *ret_size) {
    struct kith_span bytes = kith_span(value, size);
    if (kith_bencode_string(bytes, &bytes) < 0) {
        bytes = kith_span(value, size);
    }
    *ret_bytes = bytes.data;
    *ret_size = bytes.size;
}
