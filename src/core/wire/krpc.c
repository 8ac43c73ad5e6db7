/* SPDX-License-Identifier: MIT */
/*
 * krpc: Mainline's bytes to typed messages.
 *
 * The lenient bencode reader first walks the whole datagram once and bounds it; then each of the
 * (at most three) dictionaries that matter is read into one array of values by known names, and the
 * typed struct is filled from that. Keys come sorted, so what a message is ("y") comes after what
 * is in it ("a", "r"): hence values first, meaning second.
 *
 * How much is forgiven follows from what an error costs. What makes a question another question
 * (target, token, port, record, seq, cas) must be right, and the asker is told if it is not. Flags
 * and preferences count as absent when they are odd. In an answer each field stands alone: one that
 * is odd is as if it were not there, because dropping the answer would cost us a node that works.
 */
#include "core/wire/krpc.h"

#include <limits.h>

#include "core/base/bencode.h"
#include "core/base/endpoint.h"
#include "core/wire/krpc_keys.h"

enum {
    NODE4_SIZE = KITH_KRPC_ID_SIZE + KITH_KRPC_ENDPOINT4,
    NODE6_SIZE = KITH_KRPC_ID_SIZE + KITH_KRPC_ENDPOINT6,
};

/* ---- values ---- */

/* Sorts a dictionary's values by the names we know; the first of equal keys counts. */
static void read_dict(const struct kith_bencode_value *dict, const char *const *names, unsigned n,
                      struct kith_bencode_value *values) {
    struct kith_span members = dict->body;
    struct kith_span key;
    struct kith_bencode_value value;
    while (kith_bencode_next_entry(&members, &key, &value)) {
        unsigned name = 0;
        while (name < n && !kith_span_equal(key, kith_span_text(names[name]))) {
            name++;
        }
        if (name < n && values[name].type == KITH_BENCODE_NONE) {
            values[name] = value;
        }
    }
}

static bool is_there(const struct kith_bencode_value *value) {
    return value->type != KITH_BENCODE_NONE;
}

static bool get_string(const struct kith_bencode_value *value, struct kith_span *ret) {
    if (value->type != KITH_BENCODE_STRING) {
        return false;
    }
    *ret = value->body;
    return true;
}

/* The bytes of a string of this size, or NULL. */
static const uint8_t *get_fixed(const struct kith_bencode_value *value, size_t size) {
    return value->type == KITH_BENCODE_STRING && value->body.size == size ? value->body.data : NULL;
}

/* 20 bytes and zeros. */
static bool get_point(const struct kith_bencode_value *value, struct kith_point *ret) {
    const uint8_t *bytes = get_fixed(value, KITH_KRPC_ID_SIZE);
    if (bytes == NULL) {
        return false;
    }
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->bytes, bytes, KITH_KRPC_ID_SIZE);
    return true;
}

static bool get_flag(const struct kith_bencode_value *value) {
    int64_t number;
    return kith_bencode_integer(value, &number) && number != 0;
}

/* Absent is fine, malformed is not. */
static bool get_optional(const struct kith_bencode_value *value, bool *ret_has, int64_t *ret) {
    *ret_has = kith_bencode_integer(value, ret);
    return *ret_has || !is_there(value);
}

/* 0 for what does not fit. */
static uint32_t get_u32(const struct kith_bencode_value *value) {
    int64_t number;
    bool fits = kith_bencode_integer(value, &number) && number >= 0 && number <= UINT32_MAX;
    return fits ? (uint32_t)number : 0;
}

/* "v" alone is immutable, whatever "seq" and "salt" say; "k" or "sig" make it mutable, which takes
 * both and "seq". False if that is not so, or "v" is not canonical. */
static bool get_record(const struct kith_bencode_value *v, const struct kith_bencode_value *k,
                       const struct kith_bencode_value *sig, const struct kith_bencode_value *seq,
                       struct kith_record_view *ret) {
    struct kith_record_view view = {.value = v->raw};
    size_t size;
    if (!is_there(v) || kith_bencode_skip(v->raw, &size) < 0) {
        return false;
    }
    view.is_mutable = is_there(k) || is_there(sig);
    if (view.is_mutable) {
        view.key = get_fixed(k, KITH_KEY_SIZE);
        view.signature = get_fixed(sig, KITH_SIGNATURE_SIZE);
        if (view.key == NULL || view.signature == NULL || !kith_bencode_integer(seq, &view.seq)) {
            return false;
        }
    }
    *ret = view;
    return true;
}

/* ---- requests ---- */

#define ARG(name) (&args[KITH_KRPC_ARG_##name])

/* BEP 32: unknown strings are ignored. */
static void read_want(const struct kith_bencode_value *want, struct kith_request *request) {
    if (want->type != KITH_BENCODE_LIST) {
        return;
    }
    struct kith_span members = want->body;
    struct kith_bencode_value member;
    while (kith_bencode_next(&members, &member)) {
        request->want_v4 |= kith_span_equal(member.raw, kith_span_text("2:n4"));
        request->want_v6 |= kith_span_equal(member.raw, kith_span_text("2:n6"));
    }
}

static bool read_peers(const struct kith_bencode_value *args, struct kith_request *request) {
    request->no_seeds = get_flag(ARG(NOSEED));
    request->scrape = get_flag(ARG(SCRAPE));
    return get_point(ARG(INFO_HASH), &request->target);
}

static bool read_announce_peer(const struct kith_bencode_value *args,
                               struct kith_request *request) {
    int64_t port;
    bool has_port =
        kith_bencode_integer(ARG(PORT), &port) && port > KITH_KRPC_PORT_BOGUS && port <= UINT16_MAX;
    request->port = has_port ? (uint16_t)port : 0;
    request->implied_port = get_flag(ARG(IMPLIED_PORT));
    request->seed = get_flag(ARG(SEED));
    return (has_port || request->implied_port) && get_string(ARG(TOKEN), &request->token) &&
           get_point(ARG(INFO_HASH), &request->target);
}

static bool read_put(const struct kith_bencode_value *args, struct kith_request *request) {
    if (!get_string(ARG(TOKEN), &request->token) ||
        !get_record(ARG(V), ARG(K), ARG(SIG), ARG(SEQ), &request->record)) {
        return false;
    }
    /* BEP 44 has no target here, so one that is odd is nobody's business. */
    if (!get_point(ARG(TARGET), &request->target)) {
        request->target = (struct kith_point){{0}};
    }
    if (!request->record.is_mutable) {
        return true;
    }
    if (is_there(ARG(SALT)) && !get_string(ARG(SALT), &request->record.salt)) {
        return false;
    }
    return get_optional(ARG(CAS), &request->has_cas, &request->cas);
}

static bool read_args(const struct kith_bencode_value *args, struct kith_request *request) {
    read_want(ARG(WANT), request);
    switch (request->method) {
    case KITH_METHOD_PING:
        return true;
    case KITH_METHOD_FIND:
    case KITH_METHOD_SAMPLE:
        return get_point(ARG(TARGET), &request->target);
    case KITH_METHOD_GET:
        return get_point(ARG(TARGET), &request->target) &&
               get_optional(ARG(SEQ), &request->has_seq, &request->seq);
    case KITH_METHOD_PUT:
        return read_put(args, request);
    case KITH_METHOD_PEERS:
        return read_peers(args, request);
    case KITH_METHOD_ANNOUNCE_PEER:
        return read_announce_peer(args, request);
    case KITH_METHOD_TOPIC:
    case KITH_METHOD_ANNOUNCE:
    case KITH_METHOD_EXCHANGE:
    case KITH_METHOD_REACH:
    case KITH_METHOD_TALK:
    case KITH_METHOD_ARRIVE:
        break;
    }
    return false;
}

static enum kith_method find_method(struct kith_span name) {
    for (int method = 0; method < KITH_N_KRPC_METHODS; method++) {
        const char *text = kith_krpc_method_names[method];
        if (text != NULL && kith_span_equal(name, kith_span_text(text))) {
            return (enum kith_method)method;
        }
    }
    return (enum kith_method)0;
}

static int read_request(const struct kith_bencode_value *top, struct kith_message *message) {
    struct kith_bencode_value args[KITH_N_KRPC_ARGS] = {0};
    struct kith_request *request = &message->u.request;
    struct kith_span name;
    if (!get_string(&top[KITH_KRPC_TOP_Q], &name)) {
        return KITH_ESYNTAX;
    }
    if (top[KITH_KRPC_TOP_A].type == KITH_BENCODE_DICT) {
        read_dict(&top[KITH_KRPC_TOP_A], kith_krpc_arg_names, KITH_N_KRPC_ARGS, args);
    }
    message->has_id = get_point(ARG(ID), &message->id);
    request->read_only = get_flag(&top[KITH_KRPC_TOP_RO]);
    request->method = find_method(name);
    if (request->method == 0) {
        /* Of the future: with the nodes near its target the asker gets on. */
        if (!get_point(ARG(TARGET), &request->target) &&
            !get_point(ARG(INFO_HASH), &request->target)) {
            return KITH_DECODE_METHOD_UNKNOWN;
        }
        request->method = KITH_METHOD_FIND;
        read_want(ARG(WANT), request);
        return message->has_id ? 0 : KITH_DECODE_ARGS_INVALID;
    }
    return message->has_id && read_args(args, request) ? 0 : KITH_DECODE_ARGS_INVALID;
}

/* ---- responses ---- */

#define FIELD(name) (&fields[KITH_KRPC_FIELD_##name])

/* Whether a node or peer can be there: ports 0 and 1 are what the careless and the malicious
 * announce. */
static bool is_sane(const struct kith_endpoint *endpoint) {
    return kith_endpoint_usable(endpoint) && endpoint->port > KITH_KRPC_PORT_BOGUS;
}

/* Until `n_max` are there in all. */
static void read_nodes(const struct kith_bencode_value *value, size_t unit, uint32_t n_max,
                       struct kith_response *response) {
    struct kith_span blob = kith_span(NULL, 0);
    if (!get_string(value, &blob)) {
        return;
    }
    for (size_t at = 0; blob.size - at >= unit && response->n_contacts < n_max; at += unit) {
        struct kith_node_ref *contact = &response->contacts[response->n_contacts];
        if (kith_endpoint_read(blob.data + at + KITH_KRPC_ID_SIZE, unit - KITH_KRPC_ID_SIZE,
                               &contact->endpoint) &&
            is_sane(&contact->endpoint)) {
            memcpy(contact->id.bytes, blob.data + at, KITH_KRPC_ID_SIZE);
            response->n_contacts++;
        }
    }
}

/* Both families, neither at the cost of the other's half. */
static void read_contacts(const struct kith_bencode_value *fields, struct kith_response *response) {
    struct kith_span nodes6 = kith_span(NULL, 0);
    uint32_t kept6 = KITH_MESSAGE_CONTACTS_MAX / 2;
    if (!get_string(FIELD(NODES6), &nodes6) || nodes6.size / NODE6_SIZE < kept6) {
        kept6 = (uint32_t)(nodes6.size / NODE6_SIZE);
    }
    read_nodes(FIELD(NODES), NODE4_SIZE, KITH_MESSAGE_CONTACTS_MAX - kept6, response);
    read_nodes(FIELD(NODES6), NODE6_SIZE, KITH_MESSAGE_CONTACTS_MAX, response);
}

static void add_peer(const uint8_t *bytes, size_t size, struct kith_response *response) {
    struct kith_endpoint peer;
    if (response->n_peers < KITH_MESSAGE_PEERS_MAX && kith_endpoint_read(bytes, size, &peer) &&
        is_sane(&peer)) {
        response->peers[response->n_peers++] = peer;
    }
}

/* `unit` bytes each. */
static void add_peers(struct kith_span bytes, size_t unit, struct kith_response *response) {
    for (size_t at = 0; bytes.size % unit == 0 && at < bytes.size; at += unit) {
        add_peer(bytes.data + at, unit, response);
    }
}

/* Among several strings each is a peer by its size, of either family (BEP 32); one of another size
 * is several of IPv4. */
static void read_member(const struct kith_bencode_value *member, struct kith_response *response) {
    struct kith_span bytes;
    if (get_string(member, &bytes)) {
        bool v6 = bytes.size == KITH_KRPC_ENDPOINT6;
        add_peers(bytes, v6 ? KITH_KRPC_ENDPOINT6 : KITH_KRPC_ENDPOINT4, response);
    }
}

/* One string alone, in a list or not, is how old clients send all peers: those of the family that
 * the answer came over, three of IPv4 rather than one of IPv6. libtorrent reads it like this, too.
 */
static void read_lone(const struct kith_bencode_value *value, uint8_t family,
                      struct kith_response *response) {
    struct kith_span bytes;
    if (get_string(value, &bytes)) {
        bool v6 = family == 6 && bytes.size % KITH_KRPC_ENDPOINT6 == 0;
        add_peers(bytes, v6 ? KITH_KRPC_ENDPOINT6 : KITH_KRPC_ENDPOINT4, response);
    }
}

static void read_values(const struct kith_bencode_value *values, uint8_t family,
                        struct kith_response *response) {
    struct kith_bencode_value first;
    struct kith_bencode_value member;
    struct kith_span members = values->body;
    if (values->type != KITH_BENCODE_LIST) {
        read_lone(values, family, response);
    } else if (kith_bencode_next(&members, &first) && members.size == 0) {
        read_lone(&first, family, response);
    } else {
        members = values->body;
        while (kith_bencode_next(&members, &member)) {
            read_member(&member, response);
        }
    }
}

static void read_filter(const struct kith_bencode_value *value, struct kith_span *ret) {
    if (get_fixed(value, KITH_BLOOM_SIZE) != NULL) {
        *ret = value->body;
    }
}

static void read_samples(const struct kith_bencode_value *fields, struct kith_response *response) {
    response->has_samples = get_string(FIELD(SAMPLES), &response->samples);
    if (response->has_samples) {
        response->samples.size -= response->samples.size % KITH_KRPC_ID_SIZE;
        response->interval_s = get_u32(FIELD(INTERVAL));
        response->n_sampled = get_u32(FIELD(NUM));
    }
}

static void read_envelope_of_answer(const struct kith_bencode_value *top,
                                    struct kith_response *response) {
    const struct kith_bencode_value *ip = &top[KITH_KRPC_TOP_IP];
    const uint8_t *version = get_fixed(&top[KITH_KRPC_TOP_V], sizeof(response->version));
    response->has_you = ip->type == KITH_BENCODE_STRING &&
                        kith_endpoint_read(ip->body.data, ip->body.size, &response->you);
    if (version != NULL) {
        memcpy(response->version, version, sizeof(response->version));
    }
}

static int read_response(const struct kith_bencode_value *top, uint8_t family,
                         struct kith_message *message) {
    struct kith_bencode_value fields[KITH_N_KRPC_FIELDS] = {0};
    struct kith_response *response = &message->u.response;
    if (top[KITH_KRPC_TOP_R].type != KITH_BENCODE_DICT) {
        return KITH_ESYNTAX;
    }
    read_dict(&top[KITH_KRPC_TOP_R], kith_krpc_field_names, KITH_N_KRPC_FIELDS, fields);
    message->has_id = get_point(FIELD(ID), &message->id);
    if (!message->has_id) {
        return KITH_ESYNTAX;
    }
    read_envelope_of_answer(top, response);
    read_contacts(fields, response);
    read_values(FIELD(VALUES), family, response);
    read_filter(FIELD(BFSD), &response->filter_seeds);
    read_filter(FIELD(BFPE), &response->filter_peers);
    read_samples(fields, response);
    /* A longer one we could not give back. */
    if (get_string(FIELD(TOKEN), &response->token) && response->token.size > KITH_TOKEN_MAX) {
        response->token = kith_span(NULL, 0);
    }
    response->has_record =
        get_record(FIELD(V), FIELD(K), FIELD(SIG), FIELD(SEQ), &response->record);
    response->has_seq = !is_there(FIELD(V)) && kith_bencode_integer(FIELD(SEQ), &response->seq);
    return 0;
}

/* ---- errors, the message ---- */

/* The text may be missing. The id, where there is one, is in an "r" beside "e", as libtorrent has
 * it. */
static int read_failure(const struct kith_bencode_value *top, struct kith_message *message) {
    struct kith_bencode_value fields[KITH_N_KRPC_FIELDS] = {0};
    struct kith_bencode_value member;
    struct kith_span members = top[KITH_KRPC_TOP_E].body;
    int64_t code;
    if (top[KITH_KRPC_TOP_E].type != KITH_BENCODE_LIST || !kith_bencode_next(&members, &member) ||
        !kith_bencode_integer(&member, &code) || code < INT_MIN || code > INT_MAX) {
        return KITH_ESYNTAX;
    }
    message->u.failure.code = (int)code;
    if (kith_bencode_next(&members, &member) && member.type == KITH_BENCODE_STRING) {
        message->u.failure.text = member.body;
    }
    if (top[KITH_KRPC_TOP_R].type == KITH_BENCODE_DICT) {
        read_dict(&top[KITH_KRPC_TOP_R], kith_krpc_field_names, KITH_N_KRPC_FIELDS, fields);
        message->has_id = get_point(FIELD(ID), &message->id);
    }
    return 0;
}

static int read_message(const struct kith_bencode_value *top, uint8_t family,
                        struct kith_message *message) {
    struct kith_span txn;
    const uint8_t *kind = get_fixed(&top[KITH_KRPC_TOP_Y], 1);
    if (!get_string(&top[KITH_KRPC_TOP_T], &txn) || txn.size > KITH_TXN_MAX || kind == NULL) {
        return KITH_ESYNTAX;
    }
    message->txn.size = (uint8_t)txn.size;
    memcpy(message->txn.bytes, txn.data, txn.size);
    switch (*kind) {
    case 'q':
        message->kind = KITH_MESSAGE_REQUEST;
        return read_request(top, message);
    case 'r':
        message->kind = KITH_MESSAGE_RESPONSE;
        return read_response(top, family, message);
    case 'e':
        message->kind = KITH_MESSAGE_ERROR;
        return read_failure(top, message);
    default:
        return KITH_ESYNTAX;
    }
}

int kith_krpc_decode(uint8_t family, struct kith_span bytes, struct kith_message *ret) {
    struct kith_bencode_value root;
    struct kith_bencode_value top[KITH_N_KRPC_TOPS] = {0};
    struct kith_message message; /* decoded here, so that a failure leaves the caller's untouched */
    int r = kith_bencode_read(bytes, KITH_KRPC_ELEMENTS_MAX, &root);
    if (r < 0 || root.type != KITH_BENCODE_DICT) {
        return KITH_ESYNTAX;
    }
    memset(&message, 0, sizeof(message));
    read_dict(&root, kith_krpc_top_names, KITH_N_KRPC_TOPS, top);
    r = read_message(top, family, &message);
    if (r >= 0) {
        *ret = message;
    }
    return r;
}
