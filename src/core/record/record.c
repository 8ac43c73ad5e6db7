/* SPDX-License-Identifier: MIT */
/*
 * record: checking, signing and ordering of records.
 *
 * A record is verified over the bytes as received, never over a re-encoding: the value travels
 * verbatim inside BEP 44's buffer. (The BEP's prose about a length in front of the value misleads;
 * its test vectors, which the tests repeat, show the buffer without one.)
 *
 * Verification goes from cheap to dear: sizes, shape of the value, one hash for the storage point,
 * and only then the curve operation, so that a record sent to the wrong place costs a microsecond.
 *
 * kith_record_compare() is a total order over (seq, value), hence every replica that has seen the
 * same records holds the same one, whatever the order of their arrival.
 */
#include "core/record/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bencode.h"

#define PEER_SALT_PREFIX "kith:"
#define TOPIC_SALT_PREFIX "kith:topic:"

_Static_assert(sizeof(PEER_SALT_PREFIX) - 1 + KITH_NETWORK_MAX <= KITH_SALT_MAX,
               "a network name fits into a salt");
_Static_assert(sizeof(TOPIC_SALT_PREFIX) - 1 + sizeof(struct kith_point) <= KITH_SALT_MAX,
               "a topic fits into a salt");

static uint8_t *append(uint8_t *at, const void *bytes, size_t size) {
    if (size > 0) {
        memcpy(at, bytes, size);
    }
    return at + size;
}

size_t kith_record_sign_buffer(struct kith_span salt, int64_t seq, struct kith_span value,
                               uint8_t *out) {
    char text[32];
    uint8_t *at = out;
    if (salt.size > 0) {
        int n = snprintf(text, sizeof(text), "4:salt%zu:", salt.size);
        at = append(at, text, (size_t)n);
        at = append(at, salt.data, salt.size);
    }
    int n = snprintf(text, sizeof(text), "3:seqi%" PRId64 "e1:v", seq);
    at = append(at, text, (size_t)n);
    at = append(at, value.data, value.size);
    return (size_t)(at - out);
}

static int check_value(struct kith_span value) {
    size_t size = 0;
    if (value.size > KITH_VALUE_MAX) {
        return KITH_ETOO_LARGE;
    }
    int r = kith_bencode_skip(value, &size);
    if (r < 0) {
        return r;
    }
    return size == value.size ? 0 : KITH_ESYNTAX;
}

int kith_record_check(const struct kith_record_view *view) {
    if (view->salt.size > KITH_SALT_MAX) {
        return KITH_ETOO_LARGE;
    }
    if (view->is_mutable) {
        if (view->seq < 0 || view->key == NULL || view->signature == NULL) {
            return KITH_EINVALID;
        }
    } else if (view->seq != 0 || view->salt.size > 0) {
        return KITH_EINVALID; /* an immutable value is found by its hash alone */
    }
    return check_value(view->value);
}

int kith_record_sign(struct kith_record *ret, const struct kith_identity *identity,
                     const struct kith_curve *curve, struct kith_span salt, int64_t seq,
                     struct kith_span value) {
    uint8_t buffer[KITH_SIGN_BUFFER_MAX];
    uint8_t signature[KITH_SIGNATURE_SIZE] = {0};
    struct kith_record_view view = {.is_mutable = true,
                                    .key = identity->key.bytes,
                                    .signature = signature,
                                    .salt = salt,
                                    .seq = seq,
                                    .value = value};
    int r = kith_record_check(&view);
    if (r < 0) {
        return r;
    }
    size_t size = kith_record_sign_buffer(salt, seq, value, buffer);
    curve->sign(signature, buffer, size, identity->secret);
    kith_record_copy(ret, &view);
    return 0;
}

int kith_record_immutable(struct kith_record *ret, struct kith_span value) {
    struct kith_record_view view = {.value = value};
    int r = kith_record_check(&view);
    if (r < 0) {
        return r;
    }
    kith_record_copy(ret, &view);
    return 0;
}

int kith_record_verify(const struct kith_record_view *view, const struct kith_curve *curve,
                       const struct kith_point *point) {
    int r = kith_record_check(view);
    if (r < 0) {
        return r;
    }
    if (point != NULL) {
        struct kith_point own;
        kith_record_point(view, &own);
        if (!kith_point_equal(&own, point)) {
            return KITH_EVERIFY;
        }
    }
    if (!view->is_mutable) {
        return 0;
    }
    uint8_t buffer[KITH_SIGN_BUFFER_MAX];
    size_t size = kith_record_sign_buffer(view->salt, view->seq, view->value, buffer);
    return curve->verify(view->signature, buffer, size, view->key);
}

void kith_record_point(const struct kith_record_view *view, struct kith_point *ret) {
    if (!view->is_mutable) {
        kith_point_of_value(view->value, ret);
        return;
    }
    struct kith_key key;
    memcpy(key.bytes, view->key, sizeof(key.bytes));
    kith_point_of_record(&key, view->salt, ret);
}

void kith_record_view(const struct kith_record *record, struct kith_record_view *ret) {
    *ret = (struct kith_record_view){
        .is_mutable = record->is_mutable,
        .key = record->is_mutable ? record->key.bytes : NULL,
        .signature = record->is_mutable ? record->signature : NULL,
        .salt = kith_span(record->salt, record->salt_size),
        .seq = record->seq,
        .value = kith_span(record->value, record->value_size),
    };
}

void kith_record_copy(struct kith_record *ret, const struct kith_record_view *view) {
    struct kith_record copy; /* the view may point into *ret */
    memset(&copy, 0, sizeof(copy));
    copy.is_mutable = view->is_mutable;
    copy.salt_size = (uint8_t)view->salt.size;
    copy.value_size = (uint16_t)view->value.size;
    copy.seq = view->seq;
    if (view->is_mutable) {
        memcpy(copy.key.bytes, view->key, sizeof(copy.key.bytes));
        memcpy(copy.signature, view->signature, sizeof(copy.signature));
    }
    append(copy.salt, view->salt.data, view->salt.size);
    append(copy.value, view->value.data, view->value.size);
    memcpy(ret, &copy, sizeof(copy));
}

int kith_record_compare(const struct kith_record_view *a, const struct kith_record_view *b) {
    if (a->seq != b->seq) {
        return a->seq > b->seq ? 1 : -1;
    }
    size_t common = a->value.size < b->value.size ? a->value.size : b->value.size;
    int order = common > 0 ? memcmp(a->value.data, b->value.data, common) : 0;
    if (order == 0 && a->value.size != b->value.size) {
        order = a->value.size > b->value.size ? 1 : -1;
    }
    return order;
}

size_t kith_peer_salt(const char *network, uint8_t *salt) {
    uint8_t *at = append(salt, PEER_SALT_PREFIX, sizeof(PEER_SALT_PREFIX) - 1);
    at = append(at, network, strnlen(network, KITH_NETWORK_MAX));
    return (size_t)(at - salt);
}

size_t kith_topic_salt(const struct kith_point *topic, uint8_t *salt) {
    uint8_t *at = append(salt, TOPIC_SALT_PREFIX, sizeof(TOPIC_SALT_PREFIX) - 1);
    at = append(at, topic->bytes, sizeof(topic->bytes));
    return (size_t)(at - salt);
}
