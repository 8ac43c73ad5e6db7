/* SPDX-License-Identifier: MIT */
/* Any bytes as a KRPC message. What decodes is encoded, and that decodes to the same message again.
 */
#include <string.h>

#include "core/base/endpoint.h"
#include "core/wire/krpc.h"
#include "fuzz.h"

enum { OUT_SIZE = 1 << 17 }; /* larger than any input, and than what is written for it */

static size_t encode(const struct kith_message *message, size_t max, uint8_t *out) {
    struct kith_sender from = {.id = &message->id, .family = 4};
    size_t size = 0;
    int r = KITH_EINVALID;
    switch (message->kind) {
    case KITH_MESSAGE_REQUEST:
        r = kith_krpc_encode_request(&from, &message->txn, &message->u.request, out, max, &size);
        break;
    case KITH_MESSAGE_RESPONSE:
        r = kith_krpc_encode_response(&from, &message->txn, &message->u.response, out, max, &size);
        break;
    case KITH_MESSAGE_ERROR:
        r = kith_krpc_encode_error(&from, &message->txn, &message->u.failure, out, max, &size);
        break;
    case KITH_MESSAGE_PUSH:
        break;
    }
    FUZZ_REQUIRE(r == 0 || (r == KITH_ETOO_LARGE && max < OUT_SIZE));
    FUZZ_REQUIRE(size <= max);
    return size;
}

static bool bytes_equal(const uint8_t *a, const uint8_t *b, size_t size) {
    return (a == NULL) == (b == NULL) && (a == NULL || memcmp(a, b, size) == 0);
}

static bool records_equal(const struct kith_record_view *a, const struct kith_record_view *b) {
    return a->is_mutable == b->is_mutable && bytes_equal(a->key, b->key, KITH_KEY_SIZE) &&
           bytes_equal(a->signature, b->signature, KITH_SIGNATURE_SIZE) &&
           kith_span_equal(a->salt, b->salt) && a->seq == b->seq &&
           kith_span_equal(a->value, b->value);
}

/* A "want" that the family implies is not sent. */
static void check_requests(const struct kith_request *a, const struct kith_request *b) {
    bool implied = a->want_v4 && !a->want_v6;
    FUZZ_REQUIRE(a->method == b->method && a->read_only == b->read_only);
    FUZZ_REQUIRE(implied || a->method == KITH_METHOD_PING || a->method == KITH_METHOD_PUT ||
                 a->method == KITH_METHOD_ANNOUNCE_PEER ||
                 (a->want_v4 == b->want_v4 && a->want_v6 == b->want_v6));
    FUZZ_REQUIRE(a->has_seq == b->has_seq && a->seq == b->seq);
    FUZZ_REQUIRE(a->has_cas == b->has_cas && a->cas == b->cas);
    FUZZ_REQUIRE(kith_point_equal(&a->target, &b->target));
    FUZZ_REQUIRE(records_equal(&a->record, &b->record));
    FUZZ_REQUIRE(kith_span_equal(a->token, b->token));
    FUZZ_REQUIRE(a->no_seeds == b->no_seeds && a->scrape == b->scrape && a->seed == b->seed);
    FUZZ_REQUIRE(a->implied_port == b->implied_port && a->port == b->port);
}

static void check_responses(const struct kith_response *a, const struct kith_response *b) {
    FUZZ_REQUIRE(a->has_you == b->has_you && kith_endpoint_equal(&a->you, &b->you));
    FUZZ_REQUIRE(memcmp(a->version, b->version, sizeof(a->version)) == 0);
    FUZZ_REQUIRE(a->has_seq == b->has_seq && a->has_record == b->has_record);
    FUZZ_REQUIRE(!a->has_seq || a->seq == b->seq);
    FUZZ_REQUIRE(!a->has_record || records_equal(&a->record, &b->record));
    FUZZ_REQUIRE(kith_span_equal(a->token, b->token));
    FUZZ_REQUIRE(kith_span_equal(a->filter_seeds, b->filter_seeds));
    FUZZ_REQUIRE(kith_span_equal(a->filter_peers, b->filter_peers));
    FUZZ_REQUIRE(a->has_samples == b->has_samples && kith_span_equal(a->samples, b->samples));
    FUZZ_REQUIRE(a->interval_s == b->interval_s && a->n_sampled == b->n_sampled);
    FUZZ_REQUIRE(a->n_contacts == b->n_contacts && a->n_contacts <= KITH_MESSAGE_CONTACTS_MAX);
    for (uint32_t i = 0; i < a->n_contacts; i++) {
        FUZZ_REQUIRE(kith_point_equal(&a->contacts[i].id, &b->contacts[i].id));
        FUZZ_REQUIRE(kith_endpoint_equal(&a->contacts[i].endpoint, &b->contacts[i].endpoint));
        FUZZ_REQUIRE(kith_endpoint_usable(&a->contacts[i].endpoint));
    }
    /* A lone IPv6 peer is not sent over IPv4: it would be read as three. */
    bool lone = a->n_peers == 1 && a->peers[0].family == 6;
    FUZZ_REQUIRE(b->n_peers == (lone ? 0 : a->n_peers) && a->n_peers <= KITH_MESSAGE_PEERS_MAX);
    for (uint32_t i = 0; i < b->n_peers; i++) {
        FUZZ_REQUIRE(kith_endpoint_equal(&a->peers[i], &b->peers[i]));
    }
}

/* The id of an error is not sent. */
static void check_equal(const struct kith_message *a, const struct kith_message *b) {
    FUZZ_REQUIRE(a->kind == b->kind && a->txn.size == b->txn.size);
    FUZZ_REQUIRE(memcmp(a->txn.bytes, b->txn.bytes, a->txn.size) == 0);
    switch (a->kind) {
    case KITH_MESSAGE_REQUEST:
        FUZZ_REQUIRE(a->has_id && b->has_id && kith_point_equal(&a->id, &b->id));
        check_requests(&a->u.request, &b->u.request);
        break;
    case KITH_MESSAGE_RESPONSE:
        FUZZ_REQUIRE(a->has_id && b->has_id && kith_point_equal(&a->id, &b->id));
        check_responses(&a->u.response, &b->u.response);
        break;
    case KITH_MESSAGE_ERROR:
        FUZZ_REQUIRE(a->u.failure.code == b->u.failure.code);
        FUZZ_REQUIRE(kith_span_equal(a->u.failure.text, b->u.failure.text));
        break;
    case KITH_MESSAGE_PUSH:
        FUZZ_REQUIRE(!"Mainline has pushes");
        break;
    }
}

/* An answer cut to fit is within the size, and is still a message. */
static void check_fitting(const struct kith_message *message, size_t full) {
    static uint8_t out[OUT_SIZE];
    static struct kith_message cut;
    if (message->kind != KITH_MESSAGE_RESPONSE) {
        return;
    }
    for (size_t max = 0; max < full; max += 1 + full / 31) {
        size_t size = encode(message, max, out);
        FUZZ_REQUIRE(size == 0 || kith_krpc_decode(4, kith_span(out, size), &cut) == 0);
    }
}

/* Follows the spans of a record: the sanitizer sees it if one is wrong. */
static void touch_record(const struct kith_record_view *record) {
    if (kith_record_check(record) == 0) {
        struct kith_record copy;
        kith_record_copy(&copy, record);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct kith_message first;
    static struct kith_message second;
    static uint8_t once[OUT_SIZE];
    static uint8_t twice[OUT_SIZE];
    int r = kith_krpc_decode(4, kith_span(data, size), &first);
    FUZZ_REQUIRE(r == KITH_ESYNTAX || (r >= 0 && r <= KITH_DECODE_ARGS_INVALID));
    if (r != 0) {
        return 0;
    }
    if (first.kind == KITH_MESSAGE_REQUEST) {
        touch_record(&first.u.request.record);
    } else if (first.kind == KITH_MESSAGE_RESPONSE) {
        touch_record(&first.u.response.record);
    }
    size_t once_size = encode(&first, OUT_SIZE, once);
    FUZZ_REQUIRE(kith_krpc_decode(4, kith_span(once, once_size), &second) == 0);
    check_equal(&first, &second);
    size_t twice_size = encode(&second, OUT_SIZE, twice);
    FUZZ_REQUIRE(once_size == twice_size && memcmp(once, twice, once_size) == 0);
    check_fitting(&second, twice_size);
    return 0;
}
