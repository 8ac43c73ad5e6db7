/* SPDX-License-Identifier: MIT */
/* krpc, sending: what we send is plain enough for every implementation, and fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/bencode.h"
#include "core/wire/outbox.h"
#include "krpc_packet.h"

/* jech/dht searches for keys where they belong; libtorrent stops at depth 10 and 500 elements. */
static void assert_plain(const struct packet *p) {
    size_t size = 0;
    struct kith_bencode_value value;
    assert_int_equal(kith_bencode_skip(kith_span(p->bytes, p->size), &size), 0); /* sorted */
    assert_int_equal(size, p->size);
    assert_int_equal(kith_bencode_read(kith_span(p->bytes, p->size), 500, &value), 0);
    assert_true(p->size > 20);
}

/* Everything that an answer can have. */
static void fill_response(struct kith_message *m, const uint8_t blob[512]) {
    struct kith_response *response = &m->u.response;
    memset(m, 0, sizeof(*m));
    m->kind = KITH_MESSAGE_RESPONSE;
    m->txn.size = KITH_TXN_MAX;
    memcpy(m->id.bytes, ID_B, 20);
    memcpy(response->version, KITH_SOFTWARE_VERSION, 4);
    response->has_you = true;
    response->you = (struct kith_endpoint){.family = 6, .port = 1, .ip = {0x20, 1}};
    response->has_record = true;
    response->record = (struct kith_record_view){.is_mutable = true,
                                                 .key = blob,
                                                 .signature = blob,
                                                 .salt = kith_span_text("secret"),
                                                 .seq = INT64_MAX,
                                                 .value = kith_span_text("12:Hello World!")};
    response->token = kith_span(blob, 20);
    response->filter_peers = kith_span(blob, 256);
    response->filter_seeds = kith_span(blob, 256);
    response->has_samples = true;
    response->samples = kith_span(blob, 400);
    for (uint32_t i = 0; i < 16; i++) {
        struct kith_node_ref *contact = &response->contacts[response->n_contacts++];
        memset(contact->id.bytes, (int)i, 20);
        contact->endpoint = (struct kith_endpoint){
            .family = i % 2 == 0 ? 4 : 6, .port = 7, .ip = {32, 1, (uint8_t)i, 3}};
    }
    for (uint32_t i = 0; i < KITH_MESSAGE_PEERS_MAX; i++) {
        response->peers[response->n_peers++] = (struct kith_endpoint){
            .family = i % 3 == 0 ? 6 : 4, .port = 7, .ip = {32, 1, (uint8_t)i, 3}};
    }
}

static void test_messages_are_plain(void **state) {
    static const uint8_t blob[512];
    static struct kith_message m;
    static struct packet sent;
    fill_response(&m, blob);
    assert_int_equal(encode(&m, 4, sizeof(sent.bytes), &sent), 0);
    assert_plain(&sent);
    assert_true(has(&sent, "1:y1:re"));
    /* pubky drops answers with "ro"; a salt there only takes room */
    assert_false(has(&sent, "2:ro") || has(&sent, "4:salt"));

    memset(&m.u, 0, sizeof(m.u));
    m.kind = KITH_MESSAGE_REQUEST;
    m.u.request.read_only = true;
    m.u.request.want_v6 = true;
    m.u.request.has_cas = true;
    m.u.request.has_seq = true;
    m.u.request.implied_port = true;
    m.u.request.no_seeds = true;
    m.u.request.scrape = true;
    m.u.request.seed = true;
    m.u.request.record = (struct kith_record_view){.is_mutable = true,
                                                   .key = blob,
                                                   .signature = blob,
                                                   .salt = kith_span(blob, 3),
                                                   .value = kith_span_text("i1e")};
    unsigned n = 0;
    for (int method = 0; method <= KITH_METHOD_SAMPLE + 1; method++) {
        m.u.request.method = (enum kith_method)method;
        if (encode(&m, 4, sizeof(sent.bytes), &sent) == 0) {
            assert_plain(&sent);
            assert_true(has(&sent, "2:roi1e1:t"));
            n++;
        }
    }
    assert_int_equal(n, 7); /* and the methods of kith alone are refused */
}

static void test_largest_put_fits(void **state) {
    static uint8_t value[1000];
    static const uint8_t blob[KITH_TOKEN_MAX];
    struct kith_message m = {.kind = KITH_MESSAGE_REQUEST, .txn.size = KITH_TXN_SIZE};
    struct packet sent;
    memset(value, 'x', sizeof(value));
    memcpy(value, "996:", 4);
    m.u.request.method = KITH_METHOD_PUT;
    m.u.request.read_only = true;
    m.u.request.has_cas = true;
    m.u.request.cas = INT64_MAX;
    m.u.request.token = kith_span(blob, sizeof(blob));
    m.u.request.record = (struct kith_record_view){.is_mutable = true,
                                                   .key = blob,
                                                   .signature = blob,
                                                   .salt = kith_span(blob, KITH_SALT_MAX),
                                                   .seq = INT64_MAX,
                                                   .value = kith_span(value, sizeof(value))};
    /* 200 bytes of token are too many for the largest value, but no known node gives over 40 */
    assert_int_equal(encode(&m, 4, KITH_WIRE_MAX, &sent), KITH_ETOO_LARGE);
    m.u.request.token.size = 40;
    assert_int_equal(encode(&m, 4, KITH_WIRE_MAX, &sent), 0);
    assert_int_equal(sent.size, 1392);
    for (size_t max = 0; max < sent.size; max += 13) {
        assert_int_equal(encode(&m, 4, max, &sent), KITH_ETOO_LARGE);
    }
}

/* ---- fitting ---- */

struct kept {
    uint32_t filters, peers, samples, contacts, record;
};

static struct kept count_kept(const struct kith_response *r) {
    return (struct kept){r->filter_peers.size > 0, r->n_peers, (uint32_t)r->samples.size / 20,
                         r->n_contacts, r->has_record};
}

/* What is less dear is gone before what is dearer is touched. */
static void test_fits_in_order(void **state) {
    static const uint8_t blob[512];
    static struct kith_message m;
    static struct kith_message got;
    static struct packet sent;
    fill_response(&m, blob);
    struct kept full = count_kept(&m.u.response);
    struct kept last = {0};
    size_t smallest = 0;
    for (size_t max = 0; max <= 4500; max++) {
        if (encode(&m, 4, max, &sent) != 0) {
            assert_int_equal(smallest, 0);
            continue;
        }
        smallest = smallest == 0 ? max : smallest;
        assert_true(sent.size <= max);
        assert_int_equal(decode(&sent, &got), 0);
        struct kept kept = count_kept(&got.u.response);
        assert_true(kept.filters == 0 || kept.peers == full.peers);
        assert_true(kept.peers == 0 || kept.samples == full.samples);
        assert_true(kept.samples == 0 || kept.contacts == full.contacts);
        assert_true(kept.contacts == 0 || kept.record == full.record ||
                    !last.record); /* the record's room, filled again */
        assert_int_equal(got.u.response.token.size, 20);
        assert_true(got.u.response.has_samples);
        assert_true(got.u.response.has_you || (kept.contacts == 0 && kept.record == 0));
        last = kept;
    }
    assert_memory_equal(&last, &full, sizeof(full));
    assert_true(smallest > 0 && smallest < 200);
}

/* The farthest go first, of both families in turn. */
static void test_fits_contacts_in_turn(void **state) {
    static const uint8_t blob[512];
    static struct kith_message m;
    static struct kith_message got;
    static struct packet sent;
    fill_response(&m, blob);
    for (size_t max = 300; max <= 1000; max++) {
        uint32_t n4 = 0;
        assert_int_equal(encode(&m, 4, max, &sent), 0);
        assert_int_equal(decode(&sent, &got), 0);
        uint32_t n = got.u.response.n_contacts;
        for (uint32_t i = 0; i < n; i++) {
            n4 += got.u.response.contacts[i].endpoint.family == 4;
        }
        assert_true(n4 == n - n4 || n4 == n - n4 + 1);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t expected = i < n4 ? 2 * i : 2 * (i - n4) + 1;
            assert_int_equal(got.u.response.contacts[i].id.bytes[0], expected);
        }
    }
}

static void test_refuses_half_messages(void **state) {
    static const uint8_t blob[512];
    static struct kith_message m;
    static struct packet sent;
    size_t max = sizeof(sent.bytes);
    fill_response(&m, blob);
    m.u.response.record.signature = NULL;
    assert_int_equal(encode(&m, 4, max, &sent), KITH_EINVALID);
    fill_response(&m, blob);
    m.u.response.you.family = 0;
    assert_int_equal(encode(&m, 4, max, &sent), KITH_EINVALID);
    fill_response(&m, blob);
    m.u.response.peers[5].family = 0;
    assert_int_equal(encode(&m, 4, max, &sent), KITH_EINVALID);
    fill_response(&m, blob);
    m.u.response.filter_seeds.size = 255;
    assert_int_equal(encode(&m, 4, max, &sent), KITH_EINVALID);
    fill_response(&m, blob);
    m.u.response.samples.size = 399;
    assert_int_equal(encode(&m, 4, max, &sent), KITH_EINVALID);
    fill_response(&m, blob);
    m.txn.size = KITH_TXN_MAX + 1;
    assert_int_equal(encode(&m, 4, max, &sent), KITH_EINVALID);
    fill_response(&m, blob);
    m.u.response.contacts[0].endpoint.family = 0; /* has no wire form: left out */
    assert_int_equal(encode(&m, 4, max, &sent), 0);
}

/* Answers are set up with kith_response_init(), which leaves the rest as it was. */
static void test_reads_only_what_is_set(void **state) {
    static struct kith_message m;
    static struct kith_message got;
    static struct packet sent;
    memset(&m, 0x5a, sizeof(m));
    m.kind = KITH_MESSAGE_RESPONSE;
    m.txn.size = KITH_TXN_SIZE;
    kith_response_init(&m.u.response);
    assert_int_equal(encode(&m, 4, KITH_WIRE_MAX, &sent), 0);
    assert_int_equal(decode(&sent, &got), 0);
    assert_false(got.u.response.has_you || got.u.response.has_record || got.u.response.has_seq);
    assert_memory_equal(got.u.response.version, KITH_SOFTWARE_VERSION, 4);
    struct kept kept = count_kept(&got.u.response);
    struct kept none = {0};
    assert_memory_equal(&kept, &none, sizeof(none));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_are_plain),    cmocka_unit_test(test_largest_put_fits),
        cmocka_unit_test(test_fits_in_order),         cmocka_unit_test(test_fits_contacts_in_turn),
        cmocka_unit_test(test_refuses_half_messages), cmocka_unit_test(test_reads_only_what_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
