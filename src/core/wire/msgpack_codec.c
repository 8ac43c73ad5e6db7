/* SPDX-License-Identifier: MIT */
/*
 * msgpack_codec: bytes to typed messages.
 *
 * Two passes. The first (core/wire/msgpack_raw.c) walks the bytes and bounds depth, element count
 * and lengths. The second is msgpack-c's own parser, which builds a tree in the codec's zone.
 * Because the first pass bounded the elements, the tree fits into the zone's first chunk, which
 * clearing the zone keeps: decoding allocates nothing once the codec exists. The assertion below is
 * the proof; a test counts.
 *
 * The tree is then read with one table of known names per map. Reading a map is: look the key up,
 * ignore it if it is unknown, refuse it if it was there before, check type and size, store. Spans
 * in the result point into the datagram, because msgpack-c's strings do.
 *
 * A request is decoded as far as possible: who sends a good envelope with bad args is told so
 * (error 203), because a silent drop would cost the sender its timeouts.
 */
#include "core/wire/msgpack_codec.h"

#include <limits.h>
#include <stdlib.h>

#include "core/base/endpoint.h"
#include "core/wire/known.h"
#include "core/wire/msgpack_keys.h"
#include "core/wire/msgpack_raw.h"
#include "core/wire/outbox.h"

enum { ZONE_CHUNK_SIZE = 16 * 1024 };

/* Each element costs one object in its container's array, each array at most its alignment more. */
_Static_assert(KITH_MSGPACK_ELEMENTS_MAX *(sizeof(msgpack_object) + MSGPACK_ZONE_ALIGN) <=
                   ZONE_CHUNK_SIZE,
               "the tree of any message within the bounds fits into one chunk");

struct kith_codec {
    msgpack_zone zone;
    struct kith_message message; /* decoded here, so that a failure leaves the caller's untouched */
    uint8_t payload[KITH_DATAGRAM_MAX];
};

uint8_t *kith_codec_payload(struct kith_codec *codec) {
    return codec->payload;
}

int kith_codec_new(struct kith_codec **ret) {
    struct kith_codec *codec = calloc(1, sizeof(*codec));
    if (codec == NULL) {
        return KITH_ENOMEM;
    }
    if (!msgpack_zone_init(&codec->zone, ZONE_CHUNK_SIZE)) {
        free(codec);
        return KITH_ENOMEM;
    }
    *ret = codec;
    return 0;
}

struct kith_codec *kith_codec_free(struct kith_codec *codec) {
    if (codec != NULL) {
        msgpack_zone_destroy(&codec->zone);
        free(codec);
    }
    return NULL;
}

/* ---- scalars: each gives false for a wrong type or size ---- */

static bool get_bool(const msgpack_object *o, bool *ret) {
    if (o->type != MSGPACK_OBJECT_BOOLEAN) {
        return false;
    }
    *ret = o->via.boolean;
    return true;
}

static bool get_u32(const msgpack_object *o, uint32_t *ret) {
    if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > UINT32_MAX) {
        return false;
    }
    *ret = (uint32_t)o->via.u64;
    return true;
}

static bool get_i64(const msgpack_object *o, int64_t *ret) {
    if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *ret = o->via.i64;
        return true;
    }
    if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > INT64_MAX) {
        return false;
    }
    *ret = (int64_t)o->via.u64;
    return true;
}

static bool get_text(const msgpack_object *o, struct kith_span *ret) {
    if (o->type != MSGPACK_OBJECT_STR) {
        return false;
    }
    *ret = kith_span(o->via.str.ptr, o->via.str.size);
    return true;
}

static bool get_bytes(const msgpack_object *o, struct kith_span *ret) {
    if (o->type != MSGPACK_OBJECT_BIN) {
        return false;
    }
    *ret = kith_span(o->via.bin.ptr, o->via.bin.size);
    return true;
}

static const uint8_t *get_fixed(const msgpack_object *o, size_t size) {
    struct kith_span bytes;
    return get_bytes(o, &bytes) && bytes.size == size ? bytes.data : NULL;
}

static bool copy_fixed(const msgpack_object *o, void *out, size_t size) {
    const uint8_t *bytes = get_fixed(o, size);
    if (bytes != NULL) {
        memcpy(out, bytes, size);
    }
    return bytes != NULL;
}

/* ---- maps ---- */

/* The index of a map key among `n` names, or `n`. */
static unsigned find_name(const msgpack_object *key, const char *const *names, unsigned n) {
    struct kith_span text;
    if (!get_text(key, &text)) {
        return n;
    }
    for (unsigned i = 0; i < n; i++) {
        if (kith_span_equal(text, kith_span_text(names[i]))) {
            return i;
        }
    }
    return n;
}

/* Reads one known entry into `out`; false if it is malformed. */
typedef bool (*read_entry)(void *out, unsigned name, const msgpack_object *value);

/*
 * Reads the entries of a map whose names are in `known`, a mask of 1 << index. Returns the mask of
 * those seen, or -1 if one is malformed or there twice, or `o` is no map.
 */
static int read_map(const msgpack_object *o, const char *const *names, unsigned n, unsigned known,
                    read_entry read, void *out) {
    unsigned seen = 0;
    if (o->type != MSGPACK_OBJECT_MAP) {
        return -1;
    }
    for (uint32_t i = 0; i < o->via.map.size; i++) {
        const msgpack_object_kv *entry = &o->via.map.ptr[i];
        unsigned name = find_name(&entry->key, names, n);
        unsigned bit = 1u << name;
        if ((known & bit) == 0) {
            continue;
        }
        if ((seen & bit) != 0 || !read(out, name, &entry->val)) {
            return -1;
        }
        seen |= bit;
    }
    return (int)seen;
}

static bool read_record_entry(void *out, unsigned name, const msgpack_object *value) {
    struct kith_record_view *record = out;
    switch ((enum kith_record_key)name) {
    case KITH_RECORD_G:
        record->signature = get_fixed(value, KITH_SIGNATURE_SIZE);
        return record->signature != NULL;
    case KITH_RECORD_K:
        record->key = get_fixed(value, KITH_KEY_SIZE);
        return record->key != NULL;
    case KITH_RECORD_S:
        return get_i64(value, &record->seq);
    case KITH_RECORD_SL:
        return get_bytes(value, &record->salt);
    case KITH_RECORD_V:
        return get_bytes(value, &record->value);
    case KITH_N_RECORD_KEYS:
        break;
    }
    return false;
}

/* Either all of k, s, v, g and perhaps sl, or v alone. Sizes and signature are checked by
 * kith_record_verify(), which all records go through. */
static bool read_record(const msgpack_object *o, struct kith_record_view *ret) {
    const int immutable = 1 << KITH_RECORD_V;
    const int mutable = immutable | 1 << KITH_RECORD_G | 1 << KITH_RECORD_K | 1 << KITH_RECORD_S;
    struct kith_record_view record = {0};
    int seen = read_map(o, kith_record_key_names, KITH_N_RECORD_KEYS,
                        (1u << KITH_N_RECORD_KEYS) - 1, read_record_entry, &record);
    if (seen < 0) {
        return false;
    }
    record.is_mutable = (seen & ~(1 << KITH_RECORD_SL)) == mutable;
    if (!record.is_mutable && seen != immutable) {
        return false;
    }
    *ret = record;
    return true;
}

/* ---- requests ---- */

static bool read_wants(const msgpack_object *value, struct kith_request *request) {
    uint32_t families;
    if (!get_u32(value, &families)) {
        return false;
    }
    request->want_v4 = (families & KITH_WANT_V4) != 0;
    request->want_v6 = (families & KITH_WANT_V6) != 0;
    return true;
}

static bool read_family(const msgpack_object *value, uint8_t *ret) {
    uint32_t family;
    if (!get_u32(value, &family) || (family != 4 && family != 6)) {
        return false;
    }
    *ret = (uint8_t)family;
    return true;
}

static bool read_arg(void *out, unsigned name, const msgpack_object *value) {
    struct kith_request *request = out;
    switch ((enum kith_arg)name) {
    case KITH_ARG_CAS:
        request->has_cas = get_i64(value, &request->cas);
        return request->has_cas;
    case KITH_ARG_D:
        return get_bytes(value, &request->bytes) && request->bytes.size <= KITH_TALK_MAX;
    case KITH_ARG_F:
        return read_family(value, &request->family);
    case KITH_ARG_K:
        return get_bytes(value, &request->known) && kith_known_is_list(request->known);
    case KITH_ARG_N:
        return get_u32(value, &request->n);
    case KITH_ARG_P:
        return get_text(value, &request->protocol) && request->protocol.size > 0 &&
               request->protocol.size <= KITH_PROTOCOL_NAME_MAX;
    case KITH_ARG_R:
        return read_record(value, &request->record);
    case KITH_ARG_RO:
        return get_bool(value, &request->read_only);
    case KITH_ARG_S:
        request->has_seq = get_i64(value, &request->seq);
        return request->has_seq;
    case KITH_ARG_T:
        return copy_fixed(value, request->target.bytes, sizeof(request->target.bytes));
    case KITH_ARG_TTL:
        return get_u32(value, &request->ttl_s) && request->ttl_s > 0;
    case KITH_ARG_W:
        return read_wants(value, request);
    case KITH_N_ARGS:
        break;
    }
    return false;
}

/* The method of a name, or 0. */
static enum kith_method find_method(struct kith_span name) {
    for (int method = KITH_METHOD_PING; kith_method_shape((enum kith_method)method) != NULL;
         method++) {
        if (kith_span_equal(name,
                            kith_span_text(kith_method_shape((enum kith_method)method)->name))) {
            return (enum kith_method)method;
        }
    }
    return (enum kith_method)0;
}

/* A method's name at `name_at`, its args behind it. */
static int read_call(const msgpack_object_array *array, uint32_t name_at,
                     struct kith_request *request) {
    struct kith_span name;
    if (array->size != name_at + 2 || !get_text(&array->ptr[name_at], &name)) {
        return KITH_ESYNTAX;
    }
    request->method = find_method(name);
    const struct kith_method_shape *shape = kith_method_shape(request->method);
    if (shape == NULL) {
        return KITH_DECODE_METHOD_UNKNOWN;
    }
    int seen = read_map(&array->ptr[name_at + 1], kith_arg_names, KITH_N_ARGS, shape->known,
                        read_arg, request);
    if (seen < 0 || ((unsigned)seen & shape->required) != shape->required) {
        return KITH_DECODE_ARGS_INVALID;
    }
    return 0;
}

/* ---- answers ---- */

static bool read_contacts(const msgpack_object *value, size_t unit,
                          struct kith_response *response) {
    struct kith_span blob;
    if (!get_bytes(value, &blob) || blob.size % unit != 0) {
        return false;
    }
    for (size_t at = 0; at < blob.size && response->n_contacts < KITH_MESSAGE_CONTACTS_MAX;
         at += unit) {
        struct kith_node_ref *contact = &response->contacts[response->n_contacts];
        if (!kith_endpoint_read(blob.data + at + KITH_KEY_SIZE, unit - KITH_KEY_SIZE,
                                &contact->endpoint) ||
            !kith_endpoint_usable(&contact->endpoint)) {
            continue;
        }
        memcpy(contact->key.bytes, blob.data + at, KITH_KEY_SIZE);
        contact->has_key = true;
        kith_point_of_node(&contact->key, &contact->id);
        response->n_contacts++;
    }
    return true;
}

static bool read_records(const msgpack_object *value, struct kith_response *response) {
    if (value->type != MSGPACK_OBJECT_ARRAY) {
        return false;
    }
    for (uint32_t i = 0; i < value->via.array.size && i < KITH_MESSAGE_RECORDS_MAX; i++) {
        if (!read_record(&value->via.array.ptr[i], &response->records[response->n_records++])) {
            return false;
        }
    }
    return true;
}

static bool read_you(const msgpack_object *value, struct kith_response *response) {
    struct kith_span bytes;
    response->has_you =
        get_bytes(value, &bytes) && kith_endpoint_read(bytes.data, bytes.size, &response->you);
    return response->has_you;
}

static bool read_field(void *out, unsigned name, const msgpack_object *value) {
    struct kith_response *response = out;
    switch ((enum kith_field)name) {
    case KITH_FIELD_D:
        return get_bytes(value, &response->bytes) && response->bytes.size <= KITH_TALK_MAX;
    case KITH_FIELD_N4:
        return read_contacts(value, KITH_WIRE_CONTACT4, response);
    case KITH_FIELD_N6:
        return read_contacts(value, KITH_WIRE_CONTACT6, response);
    case KITH_FIELD_OK:
        return get_bool(value, &response->reached);
    case KITH_FIELD_OS:
        response->has_own_seq = get_i64(value, &response->own_seq);
        return response->has_own_seq;
    case KITH_FIELD_R:
        response->has_record = read_record(value, &response->record);
        return response->has_record;
    case KITH_FIELD_RS:
        return read_records(value, response);
    case KITH_FIELD_S:
        response->has_seq = get_i64(value, &response->seq);
        return response->has_seq;
    case KITH_FIELD_TR:
        return get_bool(value, &response->truncated);
    case KITH_FIELD_TTL:
        return get_u32(value, &response->ttl_s);
    case KITH_FIELD_V:
        return copy_fixed(value, response->version, sizeof(response->version));
    case KITH_FIELD_YOU:
        return read_you(value, response);
    case KITH_N_FIELDS:
        break;
    }
    return false;
}

static int read_response(const msgpack_object_array *array, struct kith_response *response) {
    if (array->size != 3 || read_map(&array->ptr[2], kith_field_names, KITH_N_FIELDS,
                                     (1u << KITH_N_FIELDS) - 1, read_field, response) < 0) {
        return KITH_ESYNTAX;
    }
    return 0;
}

/* ---- errors, pushes, envelope ---- */

static int read_failure(const msgpack_object_array *array, struct kith_wire_failure *failure) {
    int64_t code;
    if (array->size < 4 || array->size > 5 || !get_i64(&array->ptr[2], &code) || code < INT_MIN ||
        code > INT_MAX || !get_text(&array->ptr[3], &failure->text)) {
        return KITH_ESYNTAX;
    }
    failure->code = (int)code;
    failure->has_seq = array->size == 5;
    if (failure->has_seq && !get_i64(&array->ptr[4], &failure->seq)) {
        return KITH_ESYNTAX;
    }
    return 0;
}

static bool read_txn(const msgpack_object *o, struct kith_txn *txn) {
    uint32_t number;
    if (!get_u32(o, &number)) {
        return false;
    }
    struct kith_writer w = kith_writer(txn->bytes, KITH_TXN_SIZE);
    kith_write_u32(&w, number);
    txn->size = KITH_TXN_SIZE;
    return true;
}

static int read_message(const msgpack_object *root, struct kith_message *message) {
    uint32_t kind;
    if (root->type != MSGPACK_OBJECT_ARRAY || root->via.array.size < 3 ||
        !get_u32(&root->via.array.ptr[0], &kind) || kind > KITH_MESSAGE_PUSH) {
        return KITH_ESYNTAX;
    }
    message->kind = (enum kith_message_kind)kind;
    if (message->kind != KITH_MESSAGE_PUSH && !read_txn(&root->via.array.ptr[1], &message->txn)) {
        return KITH_ESYNTAX;
    }
    switch (message->kind) {
    case KITH_MESSAGE_REQUEST:
        return read_call(&root->via.array, 2, &message->u.request);
    case KITH_MESSAGE_RESPONSE:
        return read_response(&root->via.array, &message->u.response);
    case KITH_MESSAGE_ERROR:
        return read_failure(&root->via.array, &message->u.failure);
    case KITH_MESSAGE_PUSH:
        /* Nobody can be told what is wrong with it. */
        return root->via.array.ptr[2].type != MSGPACK_OBJECT_MAP
                   ? KITH_ESYNTAX
                   : read_call(&root->via.array, 1, &message->u.request);
    }
    return KITH_ESYNTAX;
}

int kith_msgpack_decode(struct kith_codec *codec, struct kith_span bytes,
                        struct kith_message *ret) {
    int r = kith_msgpack_check(bytes, KITH_MSGPACK_DEPTH_MAX, KITH_MSGPACK_ELEMENTS_MAX);
    if (r < 0) {
        return r;
    }
    msgpack_object root;
    msgpack_zone_clear(&codec->zone);
    if (msgpack_unpack((const char *)bytes.data, bytes.size, NULL, &codec->zone, &root) !=
        MSGPACK_UNPACK_SUCCESS) {
        return KITH_ESYNTAX;
    }
    const size_t used = offsetof(struct kith_message, u.response.peers); /* Mainline's come last */
    memset(&codec->message, 0, used);
    r = read_message(&root, &codec->message);
    if (r >= 0) {
        memcpy(ret, &codec->message, used);
    }
    return r;
}
