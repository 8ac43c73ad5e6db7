/* SPDX-License-Identifier: MIT */
#include "core/wire/known.h"

#include <string.h>

#include "core/base/endpoint.h"
#include "core/base/keyed_hash.h"

enum { ENDPOINT_MAX = 18 };

/* The first bytes of SipHash-2-4 over key and endpoint, under the salt and zeros. */
static void make_tag(const uint8_t *salt, const struct kith_key *key,
                     const struct kith_endpoint *endpoint, uint8_t ret[KITH_KNOWN_TAG]) {
    uint8_t hash_key[KITH_KEYED_HASH_KEY] = {0};
    uint8_t bytes[KITH_KEY_SIZE + ENDPOINT_MAX];
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    memcpy(hash_key, salt, KITH_KNOWN_SALT);
    kith_write_bytes(&w, key->bytes, sizeof(key->bytes));
    kith_endpoint_write(&w, endpoint);
    uint64_t hash = kith_keyed_hash(hash_key, bytes, kith_writer_size(&w));
    ret[0] = (uint8_t)(hash >> 56);
    ret[1] = (uint8_t)(hash >> 48);
}

void kith_known_init(struct kith_known *known, const uint8_t salt[KITH_KNOWN_SALT]) {
    memcpy(known->bytes, salt, KITH_KNOWN_SALT);
    known->size = KITH_KNOWN_SALT;
}

bool kith_known_add(struct kith_known *known, const struct kith_key *key,
                    const struct kith_endpoint *endpoint) {
    if (known->size + KITH_KNOWN_TAG > sizeof(known->bytes)) {
        return false;
    }
    make_tag(known->bytes, key, endpoint, known->bytes + known->size);
    known->size += KITH_KNOWN_TAG;
    return true;
}

bool kith_known_is_list(struct kith_span list) {
    return list.size >= KITH_KNOWN_SALT && list.size <= KITH_KNOWN_SIZE_MAX &&
           (list.size - KITH_KNOWN_SALT) % KITH_KNOWN_TAG == 0;
}

bool kith_known_has(struct kith_span list, const struct kith_key *key,
                    const struct kith_endpoint *endpoint) {
    uint8_t tag[KITH_KNOWN_TAG];
    if (list.size < KITH_KNOWN_SALT) {
        return false;
    }
    make_tag(list.data, key, endpoint, tag);
    for (size_t at = KITH_KNOWN_SALT; at + KITH_KNOWN_TAG <= list.size; at += KITH_KNOWN_TAG) {
        if (memcmp(list.data + at, tag, sizeof(tag)) == 0) {
            return true;
        }
    }
    return false;
}
