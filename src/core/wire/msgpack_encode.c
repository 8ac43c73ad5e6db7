/* SPDX-License-Identifier: MIT */
/*
 * msgpack_encode: typed messages to bytes.
 *
 * The encoding is a function of the message: map keys in byte order, shortest integers, nothing
 * that is at its default. Messages are packed straight into the caller's buffer by msgpack-c's
 * packer over a sink that counts on past the end, so one pass both writes a message that fits and
 * measures one that does not; nothing is allocated.
 *
 * Fitting an answer: everything but the contacts is measured once; contacts have a fixed size each,
 * so how many fit is arithmetic. Records have to be dropped one by one, but there are at most nine.
 */
#include "core/base/endpoint.h"
#include "core/wire/msgpack_codec.h"
#include "core/wire/msgpack_keys.h"
#include "core/wire/msgpack_raw.h"

#define NAME_OF(name, text) text,
const char *const kith_arg_names[KITH_N_ARGS] = {KITH_ARG_MAP(NAME_OF)};
const char *const kith_field_names[KITH_N_FIELDS] = {KITH_FIELD_MAP(NAME_OF)};
const char *const kith_record_key_names[KITH_N_RECORD_KEYS] = {KITH_RECORD_MAP(NAME_OF)};
#undef NAME_OF

#define ARG(name) (1u << KITH_ARG_##name)

static const struct kith_method_shape method_shapes[] = {
    [KITH_METHOD_PING] = {"ping", ARG(RO), 0},
    [KITH_METHOD_FIND] = {"find", ARG(K) | ARG(N) | ARG(RO) | ARG(T) | ARG(W), ARG(T)},
    [KITH_METHOD_GET] = {"get", ARG(K) | ARG(N) | ARG(RO) | ARG(S) | ARG(T) | ARG(W), ARG(T)},
    [KITH_METHOD_PUT] = {"put", ARG(CAS) | ARG(R) | ARG(RO) | ARG(TTL), ARG(R)},
    [KITH_METHOD_TOPIC] = {"topic", ARG(N) | ARG(RO) | ARG(T) | ARG(W), ARG(T)},
    [KITH_METHOD_ANNOUNCE] = {"announce", ARG(R) | ARG(RO) | ARG(T), ARG(R) | ARG(T)},
    [KITH_METHOD_EXCHANGE] = {"exchange", ARG(N) | ARG(RO) | ARG(S) | ARG(W), 0},
    [KITH_METHOD_REACH] = {"reach", ARG(D) | ARG(F) | ARG(RO), ARG(F)},
    [KITH_METHOD_TALK] = {"talk", ARG(D) | ARG(P) | ARG(RO), ARG(D) | ARG(P)},
    [KITH_METHOD_ARRIVE] = {"arrive", ARG(N) | ARG(R), ARG(R)},
};

const struct kith_method_shape *kith_method_shape(enum kith_method method) {
    size_t index = (size_t)method;
    if (index == 0 || index >= sizeof(method_shapes) / sizeof(method_shapes[0])) {
        return NULL;
    }
    return &method_shapes[index];
}

static uint32_t count_bits(unsigned mask) {
    uint32_t n = 0;
    for (; mask != 0; mask &= mask - 1) {
        n++;
    }
    return n;
}

static void pack_bool(msgpack_packer *pk, bool value) {
    if (value) {
        msgpack_pack_true(pk);
    } else {
        msgpack_pack_false(pk);
    }
}

static void pack_span(msgpack_packer *pk, struct kith_span span) {
    kith_msgpack_pack_bytes(pk, span.data, span.size);
}

static void pack_text_span(msgpack_packer *pk, struct kith_span span) {
    msgpack_pack_str(pk, span.size);
    msgpack_pack_str_body(pk, span.data, span.size);
}

static int pack_envelope(msgpack_packer *pk, uint32_t size, enum kith_message_kind kind,
                         const struct kith_txn *txn) {
    if (txn->size != KITH_TXN_SIZE) {
        return KITH_EINVALID;
    }
    struct kith_reader r = kith_reader(kith_span(txn->bytes, KITH_TXN_SIZE));
    msgpack_pack_array(pk, size);
    msgpack_pack_uint8(pk, (uint8_t)kind);
    msgpack_pack_uint32(pk, kith_read_u32(&r));
    return 0;
}

static int finish(const struct kith_msgpack_sink *sink, size_t *ret_size) {
    if (sink->size > sink->max) {
        return KITH_ETOO_LARGE;
    }
    *ret_size = sink->size;
    return 0;
}

/* ---- records ---- */

static void pack_record_key(msgpack_packer *pk, enum kith_record_key key) {
    kith_msgpack_pack_text(pk, kith_record_key_names[key]);
}

static void pack_record(msgpack_packer *pk, const struct kith_record_view *record) {
    if (record->is_mutable) {
        msgpack_pack_map(pk, 4u + (record->salt.size > 0));
        pack_record_key(pk, KITH_RECORD_G);
        kith_msgpack_pack_bytes(pk, record->signature, KITH_SIGNATURE_SIZE);
        pack_record_key(pk, KITH_RECORD_K);
        kith_msgpack_pack_bytes(pk, record->key, KITH_KEY_SIZE);
        pack_record_key(pk, KITH_RECORD_S);
        msgpack_pack_int64(pk, record->seq);
        if (record->salt.size > 0) {
            pack_record_key(pk, KITH_RECORD_SL);
            pack_span(pk, record->salt);
        }
    } else {
        msgpack_pack_map(pk, 1);
    }
    pack_record_key(pk, KITH_RECORD_V);
    pack_span(pk, record->value);
}

static bool record_complete(const struct kith_record_view *record) {
    return !record->is_mutable || (record->key != NULL && record->signature != NULL);
}

/* ---- requests ---- */

/* The args that this request really carries. */
static unsigned present_args(const struct kith_request *request, unsigned known) {
    unsigned absent = 0;
    absent |= request->has_cas ? 0 : ARG(CAS);
    absent |= request->known.size > 0 ? 0 : ARG(K);
    bool all = request->method == KITH_METHOD_GET && request->n >= KITH_MESSAGE_CONTACTS;
    absent |= request->n > 0 && !all ? 0 : ARG(N);
    absent |= request->read_only ? 0 : ARG(RO);
    absent |= request->has_seq ? 0 : ARG(S);
    absent |= request->method == KITH_METHOD_REACH && request->bytes.size == 0 ? ARG(D) : 0;
    absent |= request->ttl_s > 0 ? 0 : ARG(TTL);
    absent |= request->want_v4 || request->want_v6 ? 0 : ARG(W);
    return known & ~absent;
}

static void pack_arg(msgpack_packer *pk, const struct kith_request *request, enum kith_arg arg) {
    switch (arg) {
    case KITH_ARG_CAS:
        msgpack_pack_int64(pk, request->cas);
        break;
    case KITH_ARG_D:
        pack_span(pk, request->bytes);
        break;
    case KITH_ARG_F:
        msgpack_pack_uint8(pk, request->family);
        break;
    case KITH_ARG_K:
        pack_span(pk, request->known);
        break;
    case KITH_ARG_N:
        msgpack_pack_uint32(pk, request->n);
        break;
    case KITH_ARG_P:
        pack_text_span(pk, request->protocol);
        break;
    case KITH_ARG_R:
        pack_record(pk, &request->record);
        break;
    case KITH_ARG_RO:
        pack_bool(pk, request->read_only);
        break;
    case KITH_ARG_S:
        msgpack_pack_int64(pk, request->seq);
        break;
    case KITH_ARG_T:
        kith_msgpack_pack_bytes(pk, request->target.bytes, sizeof(request->target.bytes));
        break;
    case KITH_ARG_TTL:
        msgpack_pack_uint32(pk, request->ttl_s);
        break;
    case KITH_ARG_W:
        msgpack_pack_uint8(pk, (uint8_t)((request->want_v4 ? KITH_WANT_V4 : 0) |
                                         (request->want_v6 ? KITH_WANT_V6 : 0)));
        break;
    case KITH_N_ARGS:
        break;
    }
}

/* The method's name and its args, as they end both a request and a push. */
static int pack_call(msgpack_packer *pk, const struct kith_request *request) {
    const struct kith_method_shape *shape = kith_method_shape(request->method);
    if (shape == NULL) {
        return KITH_EINVALID;
    }
    unsigned present = present_args(request, shape->known);
    if ((present & ARG(R)) != 0 && !record_complete(&request->record)) {
        return KITH_EINVALID;
    }
    kith_msgpack_pack_text(pk, shape->name);
    msgpack_pack_map(pk, count_bits(present));
    for (int arg = 0; arg < KITH_N_ARGS; arg++) {
        if ((present & (1u << arg)) != 0) {
            kith_msgpack_pack_text(pk, kith_arg_names[arg]);
            pack_arg(pk, request, (enum kith_arg)arg);
        }
    }
    return 0;
}

int kith_msgpack_encode_request(const struct kith_txn *txn, const struct kith_request *request,
                                uint8_t *out, size_t max, size_t *ret_size) {
    struct kith_msgpack_sink sink;
    msgpack_packer pk;
    kith_msgpack_packer(&pk, &sink, out, max);
    int r = pack_envelope(&pk, 4, KITH_MESSAGE_REQUEST, txn);
    if (r == 0) {
        r = pack_call(&pk, request);
    }
    return r < 0 ? r : finish(&sink, ret_size);
}

int kith_msgpack_encode_push(const struct kith_request *push, uint8_t *out, size_t max,
                             size_t *ret_size) {
    struct kith_msgpack_sink sink;
    msgpack_packer pk;
    kith_msgpack_packer(&pk, &sink, out, max);
    msgpack_pack_array(&pk, 3);
    msgpack_pack_uint8(&pk, KITH_MESSAGE_PUSH);
    int r = pack_call(&pk, push);
    return r < 0 ? r : finish(&sink, ret_size);
}

/* ---- answers ---- */

#define FIELD(name) (1u << KITH_FIELD_##name)

/* How much of an answer is written. */
struct plan {
    uint32_t n4; /* contacts of each family, nearest first */
    uint32_t n6;
    uint32_t n_records;
    bool record;
    bool truncated;
};

static unsigned present_fields(const struct kith_response *response, const struct plan *plan) {
    unsigned fields = FIELD(V);
    fields |= response->bytes.size > 0 ? FIELD(D) : 0;
    fields |= plan->n4 > 0 ? FIELD(N4) : 0;
    fields |= plan->n6 > 0 ? FIELD(N6) : 0;
    fields |= response->reached ? FIELD(OK) : 0;
    fields |= response->has_own_seq ? FIELD(OS) : 0;
    fields |= plan->record ? FIELD(R) : 0;
    fields |= plan->n_records > 0 ? FIELD(RS) : 0;
    fields |= response->has_seq ? FIELD(S) : 0;
    fields |= plan->truncated ? FIELD(TR) : 0;
    fields |= response->ttl_s > 0 ? FIELD(TTL) : 0;
    fields |= response->has_you ? FIELD(YOU) : 0;
    return fields;
}

static bool contact_travels(const struct kith_node_ref *contact, uint8_t family) {
    return contact->has_key && contact->endpoint.family == family;
}

static uint32_t count_contacts(const struct kith_response *response, uint8_t family) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < response->n_contacts; i++) {
        n += contact_travels(&response->contacts[i], family);
    }
    return n;
}

static void pack_endpoint_body(msgpack_packer *pk, const struct kith_endpoint *endpoint) {
    uint8_t wire[KITH_WIRE_ENDPOINT6];
    struct kith_writer w = kith_writer(wire, sizeof(wire));
    kith_endpoint_write(&w, endpoint);
    msgpack_pack_bin_body(pk, wire, kith_writer_size(&w));
}

static void pack_contacts(msgpack_packer *pk, const struct kith_response *response, uint8_t family,
                          uint32_t n) {
    size_t unit = family == 4 ? KITH_WIRE_CONTACT4 : KITH_WIRE_CONTACT6;
    msgpack_pack_bin(pk, n * unit);
    for (uint32_t i = 0; i < response->n_contacts && n > 0; i++) {
        const struct kith_node_ref *contact = &response->contacts[i];
        if (contact_travels(contact, family)) {
            msgpack_pack_bin_body(pk, contact->key.bytes, sizeof(contact->key.bytes));
            pack_endpoint_body(pk, &contact->endpoint);
            n--;
        }
    }
}

static void pack_you(msgpack_packer *pk, const struct kith_endpoint *you) {
    msgpack_pack_bin(pk, you->family == 4 ? KITH_WIRE_ENDPOINT4 : KITH_WIRE_ENDPOINT6);
    pack_endpoint_body(pk, you);
}

static void pack_records(msgpack_packer *pk, const struct kith_response *response, uint32_t n) {
    msgpack_pack_array(pk, n);
    for (uint32_t i = 0; i < n; i++) {
        pack_record(pk, &response->records[i]);
    }
}

static void pack_field(msgpack_packer *pk, const struct kith_response *response,
                       const struct plan *plan, enum kith_field field) {
    switch (field) {
    case KITH_FIELD_D:
        pack_span(pk, response->bytes);
        break;
    case KITH_FIELD_N4:
        pack_contacts(pk, response, 4, plan->n4);
        break;
    case KITH_FIELD_N6:
        pack_contacts(pk, response, 6, plan->n6);
        break;
    case KITH_FIELD_OK:
    case KITH_FIELD_TR:
        msgpack_pack_true(pk);
        break;
    case KITH_FIELD_OS:
        msgpack_pack_int64(pk, response->own_seq);
        break;
    case KITH_FIELD_R:
        pack_record(pk, &response->record);
        break;
    case KITH_FIELD_RS:
        pack_records(pk, response, plan->n_records);
        break;
    case KITH_FIELD_S:
        msgpack_pack_int64(pk, response->seq);
        break;
    case KITH_FIELD_TTL:
        msgpack_pack_uint32(pk, response->ttl_s);
        break;
    case KITH_FIELD_V:
        kith_msgpack_pack_bytes(pk, response->version, sizeof(response->version));
        break;
    case KITH_FIELD_YOU:
        pack_you(pk, &response->you);
        break;
    case KITH_N_FIELDS:
        break;
    }
}

/* Writes what the plan says; returns the size it has, which may exceed `max`. */
static size_t pack_response(const struct kith_txn *txn, const struct kith_response *response,
                            const struct plan *plan, uint8_t *out, size_t max) {
    unsigned present = present_fields(response, plan);
    struct kith_msgpack_sink sink;
    msgpack_packer pk;
    kith_msgpack_packer(&pk, &sink, out, max);
    if (pack_envelope(&pk, 3, KITH_MESSAGE_RESPONSE, txn) < 0) {
        return SIZE_MAX; /* excluded by the caller */
    }
    msgpack_pack_map(&pk, count_bits(present));
    for (int field = 0; field < KITH_N_FIELDS; field++) {
        if ((present & (1u << field)) != 0) {
            kith_msgpack_pack_text(&pk, kith_field_names[field]);
            pack_field(&pk, response, plan, (enum kith_field)field);
        }
    }
    return sink.size;
}

/* Bytes of n contacts of one family: name, head (bin 8 or bin 16) and blob. */
static size_t contacts_size(uint32_t n, size_t unit) {
    size_t blob = n * unit;
    return n == 0 ? 0 : 3 + (blob <= UINT8_MAX ? 2u : 3u) + blob;
}

/* Drops the farthest contacts until the rest fits into `room`; of both families in turn, so that a
 * dual-stack asker keeps some of each. */
static void shrink_contacts(struct plan *plan, size_t room) {
    while (plan->n4 + plan->n6 > 0 && contacts_size(plan->n4, KITH_WIRE_CONTACT4) +
                                              contacts_size(plan->n6, KITH_WIRE_CONTACT6) >
                                          room) {
        if (plan->n6 >= plan->n4) {
            plan->n6--;
        } else {
            plan->n4--;
        }
    }
}

/* Drops what the header says, in that order, until the answer fits. -> KITH_ETOO_LARGE */
static int shrink(const struct kith_txn *txn, const struct kith_response *response,
                  struct plan *plan, size_t max) {
    struct plan rest = *plan;
    rest.n4 = 0;
    rest.n6 = 0;
    size_t size = pack_response(txn, response, &rest, NULL, 0);
    while (size > max && (rest.n_records > 0 || rest.record)) {
        if (rest.n_records > 0) {
            rest.n_records--;
        } else {
            rest.record = false;
        }
        rest.truncated = true;
        size = pack_response(txn, response, &rest, NULL, 0);
    }
    if (size > max) {
        return KITH_ETOO_LARGE;
    }
    /* also where a record had to go: the room it leaves is better filled with contacts */
    rest.n4 = plan->n4;
    rest.n6 = plan->n6;
    shrink_contacts(&rest, max - size);
    *plan = rest;
    return 0;
}

static bool response_complete(const struct kith_response *response) {
    bool complete = response->n_contacts <= KITH_MESSAGE_CONTACTS_MAX &&
                    response->n_records <= KITH_MESSAGE_RECORDS_MAX &&
                    (!response->has_record || record_complete(&response->record)) &&
                    (!response->has_you || response->you.family == 4 || response->you.family == 6);
    for (uint32_t i = 0; complete && i < response->n_records; i++) {
        complete = record_complete(&response->records[i]);
    }
    return complete;
}

int kith_msgpack_encode_response(const struct kith_txn *txn, const struct kith_response *response,
                                 uint8_t *out, size_t max, size_t *ret_size) {
    if (txn->size != KITH_TXN_SIZE || !response_complete(response)) {
        return KITH_EINVALID;
    }
    struct plan plan = {
        .n4 = count_contacts(response, 4),
        .n6 = count_contacts(response, 6),
        .n_records = response->n_records,
        .record = response->has_record,
        .truncated = response->truncated,
    };
    size_t size = pack_response(txn, response, &plan, out, max);
    if (size > max) {
        int r = shrink(txn, response, &plan, max);
        if (r < 0) {
            return r;
        }
        size = pack_response(txn, response, &plan, out, max);
    }
    *ret_size = size;
    return 0;
}

int kith_msgpack_encode_error(const struct kith_txn *txn, const struct kith_wire_failure *failure,
                              uint8_t *out, size_t max, size_t *ret_size) {
    struct kith_msgpack_sink sink;
    msgpack_packer pk;
    kith_msgpack_packer(&pk, &sink, out, max);
    int r = pack_envelope(&pk, failure->has_seq ? 5 : 4, KITH_MESSAGE_ERROR, txn);
    if (r < 0) {
        return r;
    }
    msgpack_pack_int(&pk, failure->code);
    pack_text_span(&pk, failure->text);
    if (failure->has_seq) {
        msgpack_pack_int64(&pk, failure->seq);
    }
    return finish(&sink, ret_size);
}
