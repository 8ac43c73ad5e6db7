/* SPDX-License-Identifier: MIT */
/*
 * krpc_encode: typed messages to Mainline's bytes.
 *
 * The encoding is a function of the message: sorted keys (some implementations search for "1:y1:r"
 * and the like instead of parsing), nothing that is at its default. One pass both writes a message
 * that fits and measures one that does not; nothing is allocated.
 *
 * Fitting an answer: what it is too large by is taken away as whole peers, samples or contacts of
 * known sizes, then it is measured again, since a list that became empty takes its key along. So
 * there are at most ten passes, whatever is in it.
 */
#include "core/base/bencode.h"
#include "core/base/endpoint.h"
#include "core/wire/krpc.h"
#include "core/wire/krpc_keys.h"

#define NAME_OF(name, text) text,
const char *const kith_krpc_top_names[KITH_N_KRPC_TOPS] = {KITH_KRPC_TOP_MAP(NAME_OF)};
const char *const kith_krpc_arg_names[KITH_N_KRPC_ARGS] = {KITH_KRPC_ARG_MAP(NAME_OF)};
const char *const kith_krpc_field_names[KITH_N_KRPC_FIELDS] = {KITH_KRPC_FIELD_MAP(NAME_OF)};
#undef NAME_OF

const char *const kith_krpc_method_names[KITH_N_KRPC_METHODS] = {
    [KITH_METHOD_PING] = "ping",
    [KITH_METHOD_FIND] = "find_node",
    [KITH_METHOD_GET] = "get",
    [KITH_METHOD_PUT] = "put",
    [KITH_METHOD_PEERS] = "get_peers",
    [KITH_METHOD_ANNOUNCE_PEER] = "announce_peer",
    [KITH_METHOD_SAMPLE] = "sample_infohashes",
};

static const uint8_t own_version[] = KITH_SOFTWARE_VERSION;
static const uint8_t no_version[4];

/* ---- pieces ---- */

static void write_top(struct kith_bencode_writer *w, enum kith_krpc_top key) {
    kith_bencode_write_text(w, kith_krpc_top_names[key]);
}

static void write_arg(struct kith_bencode_writer *w, enum kith_krpc_arg key) {
    kith_bencode_write_text(w, kith_krpc_arg_names[key]);
}

static void write_field(struct kith_bencode_writer *w, enum kith_krpc_field key) {
    kith_bencode_write_text(w, kith_krpc_field_names[key]);
}

static void write_point(struct kith_bencode_writer *w, const struct kith_point *point) {
    kith_bencode_write_string(w, kith_span(point->bytes, KITH_KRPC_ID_SIZE));
}

static void write_arg_integer(struct kith_bencode_writer *w, enum kith_krpc_arg key,
                              int64_t number) {
    write_arg(w, key);
    kith_bencode_write_integer(w, number);
}

static void write_arg_flag(struct kith_bencode_writer *w, enum kith_krpc_arg key, bool set) {
    if (set) {
        write_arg_integer(w, key, 1);
    }
}

static void write_arg_string(struct kith_bencode_writer *w, enum kith_krpc_arg key,
                             struct kith_span bytes) {
    write_arg(w, key);
    kith_bencode_write_string(w, bytes);
}

static void write_field_integer(struct kith_bencode_writer *w, enum kith_krpc_field key,
                                int64_t number) {
    write_field(w, key);
    kith_bencode_write_integer(w, number);
}

/* Left out if empty. */
static void write_field_string(struct kith_bencode_writer *w, enum kith_krpc_field key,
                               struct kith_span bytes) {
    if (bytes.size > 0) {
        write_field(w, key);
        kith_bencode_write_string(w, bytes);
    }
}

/* The end of every message: "t", "v" and "y". */
static void write_tail(struct kith_bencode_writer *w, const struct kith_txn *txn,
                       const uint8_t version[4], const char *kind) {
    write_top(w, KITH_KRPC_TOP_T);
    kith_bencode_write_string(w, kith_span(txn->bytes, txn->size));
    if (memcmp(version, no_version, sizeof(no_version)) != 0) {
        write_top(w, KITH_KRPC_TOP_V);
        kith_bencode_write_string(w, kith_span(version, sizeof(no_version)));
    }
    write_top(w, KITH_KRPC_TOP_Y);
    kith_bencode_write_text(w, kind);
    kith_bencode_write_char(w, 'e');
}

static int finish(const struct kith_bencode_writer *w, size_t *ret_size) {
    if (w->size > w->max) {
        return KITH_ETOO_LARGE;
    }
    *ret_size = w->size;
    return 0;
}

static bool record_complete(const struct kith_record_view *record) {
    return record->value.size > 0 &&
           (!record->is_mutable || (record->key != NULL && record->signature != NULL));
}

static bool has_family(const struct kith_endpoint *endpoint) {
    return endpoint->family == 4 || endpoint->family == 6;
}

/* ---- requests ---- */

/* Absent, it means the family that the request came over. */
static void write_want(struct kith_bencode_writer *w, const struct kith_sender *from,
                       const struct kith_request *request) {
    bool unsaid = !request->want_v4 && !request->want_v6;
    bool implied =
        request->want_v4 == (from->family == 4) && request->want_v6 == (from->family == 6);
    if (unsaid || implied) {
        return;
    }
    write_arg(w, KITH_KRPC_ARG_WANT);
    kith_bencode_write_char(w, 'l');
    if (request->want_v4) {
        kith_bencode_write_text(w, "n4");
    }
    if (request->want_v6) {
        kith_bencode_write_text(w, "n6");
    }
    kith_bencode_write_char(w, 'e');
}

static void write_target(struct kith_bencode_writer *w, const struct kith_request *request) {
    write_arg(w, KITH_KRPC_ARG_TARGET);
    write_point(w, &request->target);
}

static void write_info_hash(struct kith_bencode_writer *w, const struct kith_request *request) {
    write_arg(w, KITH_KRPC_ARG_INFO_HASH);
    write_point(w, &request->target);
}

static void write_put(struct kith_bencode_writer *w, const struct kith_request *request) {
    const struct kith_record_view *record = &request->record;
    if (record->is_mutable) {
        write_arg_string(w, KITH_KRPC_ARG_K, kith_span(record->key, KITH_KEY_SIZE));
        if (record->salt.size > 0) {
            write_arg_string(w, KITH_KRPC_ARG_SALT, record->salt);
        }
        write_arg_integer(w, KITH_KRPC_ARG_SEQ, record->seq);
        write_arg_string(w, KITH_KRPC_ARG_SIG, kith_span(record->signature, KITH_SIGNATURE_SIZE));
    } else {
        write_arg_integer(w, KITH_KRPC_ARG_SEQ, 0);
    }
    write_target(w, request);
    write_arg_string(w, KITH_KRPC_ARG_TOKEN, request->token);
    write_arg(w, KITH_KRPC_ARG_V);
    kith_bencode_write_raw(w, record->value);
}

/* Everything of "a" that comes after "id". */
static void write_args(struct kith_bencode_writer *w, const struct kith_sender *from,
                       const struct kith_request *request) {
    switch (request->method) {
    case KITH_METHOD_FIND:
    case KITH_METHOD_SAMPLE:
        write_target(w, request);
        write_want(w, from, request);
        break;
    case KITH_METHOD_GET:
        if (request->has_seq) {
            write_arg_integer(w, KITH_KRPC_ARG_SEQ, request->seq);
        }
        write_target(w, request);
        write_want(w, from, request);
        break;
    case KITH_METHOD_PUT:
        write_put(w, request);
        break;
    case KITH_METHOD_PEERS:
        write_info_hash(w, request);
        write_arg_flag(w, KITH_KRPC_ARG_NOSEED, request->no_seeds);
        write_arg_flag(w, KITH_KRPC_ARG_SCRAPE, request->scrape);
        write_want(w, from, request);
        break;
    case KITH_METHOD_ANNOUNCE_PEER:
        write_arg_flag(w, KITH_KRPC_ARG_IMPLIED_PORT, request->implied_port);
        write_info_hash(w, request);
        write_arg_integer(w, KITH_KRPC_ARG_PORT, request->port);
        write_arg_flag(w, KITH_KRPC_ARG_SEED, request->seed);
        write_arg_string(w, KITH_KRPC_ARG_TOKEN, request->token);
        break;
    case KITH_METHOD_PING:
    case KITH_METHOD_TOPIC:
    case KITH_METHOD_ANNOUNCE:
    case KITH_METHOD_EXCHANGE:
    case KITH_METHOD_REACH:
    case KITH_METHOD_TALK:
    case KITH_METHOD_ARRIVE:
        break;
    }
}

static bool request_complete(const struct kith_request *request) {
    int method = (int)request->method;
    if (method <= 0 || method >= KITH_N_KRPC_METHODS || kith_krpc_method_names[method] == NULL) {
        return false;
    }
    if (request->method == KITH_METHOD_ANNOUNCE_PEER) {
        return request->implied_port || request->port != 0;
    }
    return request->method != KITH_METHOD_PUT || record_complete(&request->record);
}

int kith_krpc_encode_request(const struct kith_sender *from, const struct kith_txn *txn,
                             const struct kith_request *request, uint8_t *out, size_t max,
                             size_t *ret_size) {
    struct kith_bencode_writer w = kith_bencode_writer(out, max);
    if (txn->size > KITH_TXN_MAX || !request_complete(request)) {
        return KITH_EINVALID;
    }
    kith_bencode_write_char(&w, 'd');
    write_top(&w, KITH_KRPC_TOP_A);
    kith_bencode_write_char(&w, 'd');
    if (request->method == KITH_METHOD_PUT && request->record.is_mutable && request->has_cas) {
        write_arg_integer(&w, KITH_KRPC_ARG_CAS, request->cas);
    }
    write_arg(&w, KITH_KRPC_ARG_ID);
    write_point(&w, from->id);
    write_args(&w, from, request);
    kith_bencode_write_char(&w, 'e');
    write_top(&w, KITH_KRPC_TOP_Q);
    kith_bencode_write_text(&w, kith_krpc_method_names[request->method]);
    if (request->read_only) {
        write_top(&w, KITH_KRPC_TOP_RO);
        kith_bencode_write_integer(&w, 1);
    }
    write_tail(&w, txn, own_version, "q");
    return finish(&w, ret_size);
}

/* ---- responses ---- */

/* How much of an answer is written. */
struct plan {
    uint32_t n4; /* contacts of each family, nearest first */
    uint32_t n6;
    uint32_t n_peers;
    size_t samples_size;
    bool filters;
    bool record;
    bool courtesies; /* "ip" and "v" */
};

static size_t endpoint_size(const struct kith_endpoint *endpoint) {
    return endpoint->family == 4 ? KITH_KRPC_ENDPOINT4 : KITH_KRPC_ENDPOINT6;
}

static size_t node_size(uint8_t family) {
    return KITH_KRPC_ID_SIZE + (family == 4 ? KITH_KRPC_ENDPOINT4 : KITH_KRPC_ENDPOINT6);
}

static uint32_t count_contacts(const struct kith_response *response, uint8_t family) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < response->n_contacts; i++) {
        n += response->contacts[i].endpoint.family == family;
    }
    return n;
}

static void write_endpoint_raw(struct kith_bencode_writer *w,
                               const struct kith_endpoint *endpoint) {
    uint8_t wire[KITH_KRPC_ENDPOINT6];
    struct kith_writer bytes = kith_writer(wire, sizeof(wire));
    kith_endpoint_write(&bytes, endpoint);
    kith_bencode_write_raw(w, kith_span(wire, kith_writer_size(&bytes)));
}

static void write_endpoint(struct kith_bencode_writer *w, const struct kith_endpoint *endpoint) {
    kith_bencode_write_string_head(w, endpoint_size(endpoint));
    write_endpoint_raw(w, endpoint);
}

/* BEP 42: where we see the asker. */
static void write_you(struct kith_bencode_writer *w, const struct kith_endpoint *you) {
    write_top(w, KITH_KRPC_TOP_IP);
    write_endpoint(w, you);
}

static void write_nodes(struct kith_bencode_writer *w, const struct kith_response *response,
                        enum kith_krpc_field key, uint8_t family, uint32_t n) {
    if (n == 0) {
        return;
    }
    write_field(w, key);
    kith_bencode_write_string_head(w, n * node_size(family));
    for (uint32_t i = 0; i < response->n_contacts && n > 0; i++) {
        const struct kith_node_ref *contact = &response->contacts[i];
        if (contact->endpoint.family == family) {
            kith_bencode_write_raw(w, kith_span(contact->id.bytes, KITH_KRPC_ID_SIZE));
            write_endpoint_raw(w, &contact->endpoint);
            n--;
        }
    }
}

static void write_values(struct kith_bencode_writer *w, const struct kith_sender *from,
                         const struct kith_response *response, uint32_t n) {
    bool ambiguous = n == 1 && from->family == 4 && response->peers[0].family == 6;
    if (n == 0 || ambiguous) {
        return;
    }
    write_field(w, KITH_KRPC_FIELD_VALUES);
    kith_bencode_write_char(w, 'l');
    for (uint32_t i = 0; i < n; i++) {
        write_endpoint(w, &response->peers[i]);
    }
    kith_bencode_write_char(w, 'e');
}

static void write_result(struct kith_bencode_writer *w, const struct kith_sender *from,
                         const struct kith_response *response, const struct plan *plan) {
    const struct kith_record_view *record = &response->record;
    bool is_mutable = plan->record && record->is_mutable;
    bool has_seq = !plan->record && response->has_seq;
    if (plan->filters) {
        write_field_string(w, KITH_KRPC_FIELD_BFPE, response->filter_peers);
        write_field_string(w, KITH_KRPC_FIELD_BFSD, response->filter_seeds);
    }
    write_field(w, KITH_KRPC_FIELD_ID);
    write_point(w, from->id);
    if (response->has_samples) {
        write_field_integer(w, KITH_KRPC_FIELD_INTERVAL, response->interval_s);
    }
    if (is_mutable) {
        write_field_string(w, KITH_KRPC_FIELD_K, kith_span(record->key, KITH_KEY_SIZE));
    }
    write_nodes(w, response, KITH_KRPC_FIELD_NODES, 4, plan->n4);
    write_nodes(w, response, KITH_KRPC_FIELD_NODES6, 6, plan->n6);
    if (response->has_samples) {
        write_field_integer(w, KITH_KRPC_FIELD_NUM, response->n_sampled);
        write_field(w, KITH_KRPC_FIELD_SAMPLES); /* even if empty */
        kith_bencode_write_string(w, kith_span(response->samples.data, plan->samples_size));
    }
    if (is_mutable || has_seq) {
        write_field_integer(w, KITH_KRPC_FIELD_SEQ, is_mutable ? record->seq : response->seq);
    }
    if (is_mutable) {
        write_field_string(w, KITH_KRPC_FIELD_SIG,
                           kith_span(record->signature, KITH_SIGNATURE_SIZE));
    }
    write_field_string(w, KITH_KRPC_FIELD_TOKEN, response->token);
    if (plan->record) {
        write_field(w, KITH_KRPC_FIELD_V);
        kith_bencode_write_raw(w, record->value);
    }
    write_values(w, from, response, plan->n_peers);
}

/* What a response is made of besides the plan. */
struct parts {
    const struct kith_sender *from;
    const struct kith_txn *txn;
    const struct kith_response *response;
};

/* Writes what the plan says; returns the size it has, which may exceed `max`. */
static size_t write_response(const struct parts *parts, const struct plan *plan, uint8_t *out,
                             size_t max) {
    struct kith_bencode_writer w = kith_bencode_writer(out, max);
    kith_bencode_write_char(&w, 'd');
    if (parts->response->has_you && plan->courtesies) {
        write_you(&w, &parts->response->you);
    }
    write_top(&w, KITH_KRPC_TOP_R);
    kith_bencode_write_char(&w, 'd');
    write_result(&w, parts->from, parts->response, plan);
    kith_bencode_write_char(&w, 'e');
    write_tail(&w, parts->txn, plan->courtesies ? parts->response->version : no_version, "r");
    return w.size;
}

/* ---- fitting ---- */

static size_t measure(const struct parts *parts, const struct plan *plan) {
    return write_response(parts, plan, NULL, 0);
}

static size_t less(size_t a, size_t b) {
    return a > b ? a - b : 0;
}

static void drop_peers(struct plan *plan, const struct kith_response *response, size_t surplus) {
    while (plan->n_peers > 0 && surplus > 0) {
        plan->n_peers--;
        surplus = less(surplus, 2 + endpoint_size(&response->peers[plan->n_peers]));
    }
}

static void drop_samples(struct plan *plan, size_t surplus) {
    while (plan->samples_size > 0 && surplus > 0) {
        plan->samples_size -= KITH_KRPC_ID_SIZE;
        surplus = less(surplus, KITH_KRPC_ID_SIZE);
    }
}

/* Of both families in turn, so that a dual-stack asker keeps some of each. */
static void drop_contacts(struct plan *plan, size_t surplus) {
    while (plan->n4 + plan->n6 > 0 && surplus > 0) {
        bool six = plan->n6 >= plan->n4;
        *(six ? &plan->n6 : &plan->n4) -= 1;
        surplus = less(surplus, node_size(six ? 6 : 4));
    }
}

/* Drops what the header says, in that order, until the answer fits. -> KITH_ETOO_LARGE */
static int shrink(const struct parts *parts, struct plan *plan, size_t max) {
    struct plan rest = *plan;
    rest.filters = false;
    drop_peers(&rest, parts->response, less(measure(parts, &rest), max));
    drop_samples(&rest, less(measure(parts, &rest), max));
    drop_contacts(&rest, less(measure(parts, &rest), max));
    if (rest.record && measure(parts, &rest) > max) {
        /* the room it leaves is better filled with contacts */
        rest.record = false;
        rest.n4 = plan->n4;
        rest.n6 = plan->n6;
        drop_contacts(&rest, less(measure(parts, &rest), max));
    }
    rest.courtesies = measure(parts, &rest) <= max;
    if (measure(parts, &rest) > max) {
        return KITH_ETOO_LARGE;
    }
    *plan = rest;
    return 0;
}

static bool filter_complete(struct kith_span filter) {
    return filter.size == 0 || filter.size == KITH_BLOOM_SIZE;
}

static bool response_complete(const struct kith_response *response) {
    bool complete = response->n_contacts <= KITH_MESSAGE_CONTACTS_MAX &&
                    response->n_peers <= KITH_MESSAGE_PEERS_MAX &&
                    (!response->has_record || record_complete(&response->record)) &&
                    (!response->has_you || has_family(&response->you)) &&
                    filter_complete(response->filter_seeds) &&
                    filter_complete(response->filter_peers) &&
                    (!response->has_samples || response->samples.size % KITH_KRPC_ID_SIZE == 0);
    for (uint32_t i = 0; complete && i < response->n_peers; i++) {
        complete = has_family(&response->peers[i]);
    }
    return complete;
}

int kith_krpc_encode_response(const struct kith_sender *from, const struct kith_txn *txn,
                              const struct kith_response *response, uint8_t *out, size_t max,
                              size_t *ret_size) {
    if (txn->size > KITH_TXN_MAX || !response_complete(response)) {
        return KITH_EINVALID;
    }
    struct parts parts = {from, txn, response};
    struct plan plan = {
        .n4 = count_contacts(response, 4),
        .n6 = count_contacts(response, 6),
        .n_peers = response->n_peers,
        .samples_size = response->has_samples ? response->samples.size : 0,
        .filters = true,
        .record = response->has_record,
        .courtesies = true,
    };
    size_t size = write_response(&parts, &plan, out, max);
    if (size > max) {
        int r = shrink(&parts, &plan, max);
        if (r < 0) {
            return r;
        }
        size = write_response(&parts, &plan, out, max);
    }
    *ret_size = size;
    return 0;
}

/* ---- errors ---- */

int kith_krpc_encode_error(const struct kith_sender *from, const struct kith_txn *txn,
                           const struct kith_wire_failure *failure, uint8_t *out, size_t max,
                           size_t *ret_size) {
    struct kith_bencode_writer w = kith_bencode_writer(out, max);
    if (txn->size > KITH_TXN_MAX) {
        return KITH_EINVALID;
    }
    kith_bencode_write_char(&w, 'd');
    write_top(&w, KITH_KRPC_TOP_E);
    kith_bencode_write_char(&w, 'l');
    kith_bencode_write_integer(&w, failure->code);
    kith_bencode_write_string(&w, failure->text);
    kith_bencode_write_char(&w, 'e');
    if (from->you != NULL && has_family(from->you)) { /* BEP 5's errors do not say who we are */
        write_you(&w, from->you);
    }
    write_tail(&w, txn, own_version, "e");
    return finish(&w, ret_size);
}
