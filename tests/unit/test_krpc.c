/* SPDX-License-Identifier: MIT */
/* krpc: the BEPs' own packets, and what implementations in the field need and send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "krpc_packet.h"
#include "testing.h"
#include "util/text.h"

#define VERSION_ENTRY "1:v4:KI\0\1"

/* Without the "v" that requests and errors of ours carry. */
static void strip_version(struct packet *p) {
    const uint8_t *at = find(p, VERSION_ENTRY, sizeof(VERSION_ENTRY) - 1);
    assert_non_null(at);
    size_t before = (size_t)(at - p->bytes);
    size_t after = before + sizeof(VERSION_ENTRY) - 1;
    memmove(p->bytes + before, p->bytes + after, p->size - after);
    p->size -= after - before;
}

/* Decodes, encodes, and wants the same bytes again, apart from the version. */
static void there_and_back(const char *text, struct kith_message *ret) {
    struct packet again;
    if (decode_text(text, ret) != 0 || encode(ret, 4, 1472, &again) != 0) {
        fail_msg("not taken: %s", text);
    }
    if (ret->kind != KITH_MESSAGE_RESPONSE) {
        strip_version(&again);
    }
    if (again.size != strlen(text) || memcmp(again.bytes, text, again.size) != 0) {
        fail_msg("%s\nbecame\n%.*s", text, (int)again.size, (const char *)again.bytes);
    }
    assert_int_equal(ret->txn.size, 2);
    assert_memory_equal(ret->txn.bytes, "aa", 2);
}

static void assert_v4(const struct kith_endpoint *endpoint, const char *ip_and_port) {
    uint8_t wire[6];
    struct kith_writer w = kith_writer(wire, sizeof(wire));
    assert_int_equal(endpoint->family, 4);
    kith_write_bytes(&w, endpoint->ip, 4);
    kith_write_u16(&w, endpoint->port);
    assert_memory_equal(wire, ip_and_port, sizeof(wire));
}

/* ---- BEP 5 ---- */

static void test_bep5_requests(void **state) {
    struct kith_message m;
    there_and_back("d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:y1:qe", &m);
    assert_int_equal(m.u.request.method, KITH_METHOD_PING);
    assert_true(m.has_id && point_is(&m.id, ID_A));

    there_and_back("d1:ad2:id20:" ID_A "6:target20:" ID_B "e1:q9:find_node1:t2:aa1:y1:qe", &m);
    assert_int_equal(m.u.request.method, KITH_METHOD_FIND);
    assert_true(point_is(&m.u.request.target, ID_B));
    assert_false(m.u.request.want_v4 || m.u.request.want_v6 || m.u.request.read_only);

    there_and_back("d1:ad2:id20:" ID_A "9:info_hash20:" ID_B "e1:q9:get_peers1:t2:aa1:y1:qe", &m);
    assert_int_equal(m.u.request.method, KITH_METHOD_PEERS);
    assert_true(point_is(&m.u.request.target, ID_B));
    assert_false(m.u.request.no_seeds || m.u.request.scrape);

    there_and_back("d1:ad2:id20:" ID_A "12:implied_porti1e9:info_hash20:" ID_B
                   "4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
                   &m);
    assert_int_equal(m.u.request.method, KITH_METHOD_ANNOUNCE_PEER);
    assert_true(point_is(&m.u.request.target, ID_B));
    assert_int_equal(m.u.request.port, 6881);
    assert_true(m.u.request.implied_port);
    assert_false(m.u.request.seed);
    assert_true(kith_span_equal(m.u.request.token, kith_span_text("aoeusnth")));
}

static void test_bep5_responses(void **state) {
    struct kith_message m;
    struct packet again;
    there_and_back("d1:rd2:id20:" ID_B "e1:t2:aa1:y1:re", &m);
    assert_int_equal(m.kind, KITH_MESSAGE_RESPONSE);
    assert_true(point_is(&m.id, ID_B));

    there_and_back("d1:rd2:id20:" ID_A "5:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
                   &m);
    assert_int_equal(m.u.response.n_peers, 2);
    assert_v4(&m.u.response.peers[0], "axje.u");
    assert_v4(&m.u.response.peers[1], "idhtnm");
    assert_true(kith_span_equal(m.u.response.token, kith_span_text("aoeusnth")));

    /* The BEP abbreviates the nodes to something that is no node. */
    assert_int_equal(
        decode_text("d1:rd2:id20:" ID_A "5:nodes9:def456...5:token8:aoeusnthe1:t2:aa1:y1:re", &m),
        0);
    assert_int_equal(m.u.response.n_contacts, 0);
    assert_int_equal(m.u.response.token.size, 8);
    assert_int_equal(encode(&m, 4, 1472, &again), 0);
    assert_false(has(&again, "5:nodes"));
    assert_int_equal(
        decode_text("d1:rd2:id20:0123456789abcdefghij5:nodes9:def456...e1:t2:aa1:y1:re", &m), 0);
    assert_true(point_is(&m.id, "0123456789abcdefghij"));
}

static void test_bep5_error(void **state) {
    struct kith_message m;
    there_and_back("d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee", &m);
    assert_int_equal(m.kind, KITH_MESSAGE_ERROR);
    assert_int_equal(m.u.failure.code, KITH_WIRE_GENERIC);
    assert_true(kith_span_equal(m.u.failure.text, kith_span_text("A Generic Error Ocurred")));
    assert_false(m.has_id || m.u.failure.has_seq);
}

/* ---- BEP 32 ---- */

static void test_bep32_want(void **state) {
    static const struct {
        const char *want;
        bool v4, v6;
        const char *sent4, *sent6; /* by a sender of that family; NULL: nothing */
    } cases[] = {
        {"4:wantl2:n4e", true, false, NULL, "4:wantl2:n4e"},
        {"4:wantl2:n6e", false, true, "4:wantl2:n6e", NULL},
        {"4:wantl2:n42:n6e", true, true, "4:wantl2:n42:n6e", "4:wantl2:n42:n6e"},
        {"4:wantl2:n62:n4e", true, true, "4:wantl2:n42:n6e", "4:wantl2:n42:n6e"},
        {"4:wantl2:xxi6e2:n6lee", false, true, "4:wantl2:n6e", NULL}, /* unknown ones */
        {"4:wantle", false, false, NULL, NULL},
        {"4:want2:n4", false, false, NULL, NULL},
        {"", false, false, NULL, NULL},
    };
    static const char *const methods[] = {"find_node", "get", "get_peers", "sample_infohashes"};
    for (size_t i = 0; i < 4 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct packet args = {0};
        struct kith_message m;
        struct packet sent;
        add(&args, "9:info_hash20:" ID_B "6:target20:" ID_B);
        add(&args, cases[i / 4].want);
        assert_int_equal(decode_args(methods[i % 4], &args, &m), 0);
        assert_int_equal(m.u.request.want_v4, cases[i / 4].v4);
        assert_int_equal(m.u.request.want_v6, cases[i / 4].v6);
        for (unsigned family = 4; family <= 6; family += 2) {
            const char *expected = family == 4 ? cases[i / 4].sent4 : cases[i / 4].sent6;
            assert_int_equal(encode(&m, (uint8_t)family, 1472, &sent), 0);
            assert_int_equal(has(&sent, expected != NULL ? expected : "4:want"), expected != NULL);
        }
    }
}

static const char node4[] = ID_A "\xc0\0\2\1\x1e\x14";
static const char node6[] = ID_B "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x1e\x14";

static void test_bep32_nodes6(void **state) {
    struct packet fields = {0};
    struct kith_message m;
    struct packet again;
    add(&fields, "5:nodes");
    add_string(&fields, node4, 26);
    add(&fields, "6:nodes6");
    add_string(&fields, node6, 38);
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.n_contacts, 2);
    assert_true(point_is(&m.u.response.contacts[0].id, ID_A));
    assert_v4(&m.u.response.contacts[0].endpoint, node4 + 20);
    assert_true(point_is(&m.u.response.contacts[1].id, ID_B));
    assert_int_equal(m.u.response.contacts[1].endpoint.family, 6);
    assert_memory_equal(m.u.response.contacts[1].endpoint.ip, node6 + 20, 16);
    assert_int_equal(m.u.response.contacts[1].endpoint.port, 7700);
    assert_false(m.u.response.contacts[0].has_key);
    assert_int_equal(encode(&m, 4, 1472, &again), 0);
    assert_non_null(find(&again, (const char *)fields.bytes, fields.size));
}

static void test_bep32_mixed_values(void **state) {
    struct packet fields = {0};
    struct kith_message m;
    struct packet again;
    add(&fields, "6:valuesl");
    add_string(&fields, node4 + 20, 6);
    add_string(&fields, node6 + 20, 18);
    add_string(&fields, "axje.u", 6);
    add(&fields, "e");
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.n_peers, 3);
    assert_int_equal(m.u.response.peers[1].family, 6);
    assert_v4(&m.u.response.peers[2], "axje.u");
    assert_int_equal(encode(&m, 4, 1472, &again), 0);
    assert_non_null(find(&again, (const char *)fields.bytes, fields.size));
}

/* ---- BEP 33, 43, 51 ---- */

static void test_bep33_scrape(void **state) {
    struct packet fields = {0};
    struct kith_message m;
    struct packet again;
    there_and_back("d1:ad2:id20:" ID_A "9:info_hash20:" ID_B
                   "6:noseedi1e6:scrapei1ee1:q9:get_peers1:t2:aa1:y1:qe",
                   &m);
    assert_true(m.u.request.no_seeds && m.u.request.scrape);
    there_and_back("d1:ad2:id20:" ID_A "9:info_hash20:" ID_B "4:porti2e4:seedi1e5:token0:"
                   "e1:q13:announce_peer1:t2:aa1:y1:qe",
                   &m);
    assert_true(m.u.request.seed);

    add(&fields, "4:BFpe");
    add_run(&fields, 'p', 256);
    add(&fields, "4:BFsd");
    add_run(&fields, 's', 256);
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.filter_seeds.size, KITH_BLOOM_SIZE);
    assert_int_equal(m.u.response.filter_seeds.data[0], 's');
    assert_int_equal(m.u.response.filter_peers.size, KITH_BLOOM_SIZE);
    assert_int_equal(m.u.response.filter_peers.data[255], 'p');
    assert_int_equal(encode(&m, 4, 1472, &again), 0);
    assert_non_null(find(&again, (const char *)fields.bytes, fields.size));

    /* of another size it is none */
    fields.size = 0;
    add(&fields, "4:BFpe");
    add_run(&fields, 'p', 255);
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.filter_peers.size, 0);
}

static void test_bep43_read_only(void **state) {
    struct kith_message m;
    there_and_back("d1:ad2:id20:" ID_A "e1:q4:ping2:roi1e1:t2:aa1:y1:qe", &m);
    assert_true(m.u.request.read_only);
    assert_int_equal(decode_text("d1:ad2:id20:" ID_A "e1:q4:ping2:roi0e1:t2:aa1:y1:qe", &m), 0);
    assert_false(m.u.request.read_only);
    assert_int_equal(decode_text("d1:ad2:id20:" ID_A "e1:q4:ping2:ro1:11:t2:aa1:y1:qe", &m), 0);
    assert_false(m.u.request.read_only);
}

static void test_bep51_samples(void **state) {
    struct kith_message m;
    there_and_back("d1:ad2:id20:" ID_A "6:target20:" ID_B "e1:q17:sample_infohashes1:t2:aa1:y1:qe",
                   &m);
    assert_int_equal(m.u.request.method, KITH_METHOD_SAMPLE);
    there_and_back("d1:rd2:id20:" ID_B "8:intervali21600e3:numi77e7:samples40:" ID_A ID_B
                   "e1:t2:aa1:y1:re",
                   &m);
    assert_true(m.u.response.has_samples);
    assert_int_equal(m.u.response.samples.size, 40);
    assert_int_equal(m.u.response.interval_s, 21600);
    assert_int_equal(m.u.response.n_sampled, 77);
    /* always there, even if empty */
    there_and_back("d1:rd2:id20:" ID_B "8:intervali0e3:numi0e7:samples0:e1:t2:aa1:y1:re", &m);
    assert_true(m.u.response.has_samples);
    /* cut, and numbers that are none */
    assert_int_equal(
        decode_fields_text("8:intervali-1e3:numi4294967296e7:samples25:" ID_A "xxxxx", &m), 0);
    assert_int_equal(m.u.response.samples.size, 20);
    assert_int_equal(m.u.response.interval_s, 0);
    assert_int_equal(m.u.response.n_sampled, 0);
}

/* ---- BEP 44, 46 ---- */

#define VECTOR_KEY "77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548"

static const struct {
    const char *salt;
    const char *target;
    const char *signature;
} vectors[] = {
    {"", "4a533d47ec9c7d95b1ad75f576cffc641853b750",
     "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
     "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01"},
    {"foobar", "411eba73b6f087ca51a3795d9c8c938d365e32c1",
     "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
     "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08"},
};

static void add_hex(struct packet *p, const char *hex) {
    uint8_t bytes[64];
    size_t size = strlen(hex) / 2;
    assert_int_equal(kith_hex_decode(hex, 2 * size, bytes, size), 0);
    add_string(p, bytes, size);
}

/* k, [salt], seq, sig, [target], token, v of a vector. */
static void add_vector(struct packet *p, size_t i, bool in_put) {
    add(p, "1:k");
    add_hex(p, VECTOR_KEY);
    if (in_put && vectors[i].salt[0] != '\0') {
        add(p, "4:salt6:foobar");
    }
    add(p, "3:seqi1e3:sig");
    add_hex(p, vectors[i].signature);
    if (in_put) {
        add(p, "6:target");
        add_hex(p, vectors[i].target);
    }
    add(p, "5:token8:aoeusnth1:v12:Hello World!");
}

static void test_bep44_mutable_put(void **state) {
    for (size_t i = 0; i < 2; i++) {
        struct packet args = {0};
        struct packet again;
        struct kith_message m;
        uint8_t target[20];
        add_vector(&args, i, true);
        assert_int_equal(decode_args("put", &args, &m), 0);
        const struct kith_record_view *record = &m.u.request.record;
        assert_true(record->is_mutable);
        assert_true(kith_span_equal(record->salt, kith_span_text(vectors[i].salt)));
        assert_true(kith_span_equal(record->value, kith_span_text("12:Hello World!")));
        assert_int_equal(kith_record_verify(record, &kith_curve_sodium, NULL), 0);
        assert_int_equal(kith_hex_decode(vectors[i].target, 40, target, 20), 0);
        assert_true(point_is(&m.u.request.target, (const char *)target));
        assert_false(m.u.request.has_cas);
        assert_int_equal(encode(&m, 4, 1472, &again), 0);
        assert_non_null(find(&again, (const char *)args.bytes, args.size));
    }
}

static void test_bep44_get_response(void **state) {
    for (size_t i = 0; i < 2; i++) {
        struct packet fields = {0};
        struct packet again;
        struct kith_message m;
        add_vector(&fields, i, false);
        assert_int_equal(decode_fields(&fields, &m), 0);
        assert_true(m.u.response.has_record);
        assert_false(m.u.response.has_seq);
        assert_int_equal(m.u.response.record.salt.size, 0); /* the asker knows it */
        m.u.response.record.salt = kith_span_text(vectors[i].salt);
        assert_int_equal(kith_record_verify(&m.u.response.record, &kith_curve_sodium, NULL), 0);
        assert_int_equal(encode(&m, 4, 1472, &again), 0);
        assert_non_null(find(&again, (const char *)fields.bytes, fields.size));
        assert_false(has(&again, "4:salt"));
    }
}

static void test_bep44_cas(void **state) {
    struct packet p = {0};
    struct kith_message m;
    struct packet again;
    add(&p, "d1:ad3:casi-5e2:id20:" ID_A);
    add_vector(&p, 0, true);
    add(&p, "e1:q3:put1:t2:aa1:y1:qe");
    assert_int_equal(decode(&p, &m), 0);
    assert_true(m.u.request.has_cas);
    assert_int_equal(m.u.request.cas, -5);
    assert_int_equal(encode(&m, 4, 1472, &again), 0);
    strip_version(&again);
    assert_int_equal(again.size, p.size);
    assert_memory_equal(again.bytes, p.bytes, p.size);
}

static void test_bep44_immutable(void **state) {
    static const char target[] = "e5f96f6f38320f0f33959cb4d3d656452117aadb";
    struct packet args = {0};
    struct packet again;
    struct kith_message m;
    assert_int_equal(decode_args_text("put", "5:token2:ab1:v12:Hello World!", &m), 0);
    assert_false(m.u.request.record.is_mutable);
    assert_int_equal(kith_record_check(&m.u.request.record), 0);
    assert_int_equal(kith_hex_decode(target, 40, m.u.request.target.bytes, 20), 0);
    assert_int_equal(encode(&m, 4, 1472, &again), 0);
    add(&args, "3:seqi0e6:target");
    add_hex(&args, target);
    add(&args, "5:token2:ab1:v12:Hello World!");
    assert_non_null(find(&again, (const char *)args.bytes, args.size));

    assert_int_equal(decode_fields_text("5:token2:ab1:v12:Hello World!", &m), 0);
    assert_true(m.u.response.has_record);
    assert_false(m.u.response.record.is_mutable);
}

static void test_bep44_get(void **state) {
    struct kith_message m;
    there_and_back("d1:ad2:id20:" ID_A "6:target20:" ID_B "e1:q3:get1:t2:aa1:y1:qe", &m);
    assert_int_equal(m.u.request.method, KITH_METHOD_GET);
    assert_false(m.u.request.has_seq);
    there_and_back("d1:ad2:id20:" ID_A "3:seqi9e6:target20:" ID_B "e1:q3:get1:t2:aa1:y1:qe", &m);
    assert_true(m.u.request.has_seq);
    assert_int_equal(m.u.request.seq, 9);
    /* held, but not newer */
    there_and_back("d1:rd2:id20:" ID_B "3:seqi9e5:token1:xe1:t2:aa1:y1:re", &m);
    assert_true(m.u.response.has_seq);
    assert_int_equal(m.u.response.seq, 9);
    assert_false(m.u.response.has_record);
}

static void test_bep46_value_is_verbatim(void **state) {
    static const char value[] = "d2:ih20:" ID_A "e";
    struct packet fields = {0};
    struct kith_message m;
    add(&fields, "1:k");
    add_hex(&fields, "8543d3e6115f0f98c944077a4493dcd543e49c739fd998550a1f614ab36ed63e");
    add(&fields, "3:seqi4e3:sig");
    add_run(&fields, 's', 64);
    add(&fields, "1:v");
    add(&fields, value);
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_true(m.u.response.has_record);
    assert_true(kith_span_equal(m.u.response.record.value, kith_span_text(value)));
    assert_int_equal(m.u.response.record.seq, 4);
}

/* ---- what implementations in the field need and send ---- */

/* libtorrent has 2 bytes, jech/dht and pubky 4, anacrolix a varint, nictuku decimal digits. */
static void test_any_txn_is_echoed(void **state) {
    for (size_t size = 0; size <= KITH_TXN_MAX; size++) {
        struct packet p = {0};
        struct packet again;
        struct kith_message m;
        add(&p, "d1:rd2:id20:" ID_B "e1:t");
        add_run(&p, '\xff', size);
        add(&p, "1:y1:re");
        assert_int_equal(decode(&p, &m), 0);
        assert_int_equal(m.txn.size, size);
        assert_int_equal(encode(&m, 4, 1472, &again), 0);
        assert_int_equal(again.size, p.size);
        assert_memory_equal(again.bytes, p.bytes, p.size);
    }
}

/* pubky cannot decode another size. */
static void test_version_is_four_bytes(void **state) {
    struct kith_message m;
    struct packet sent;
    assert_int_equal(decode_text("d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:v3:abc1:y1:qe", &m), 0);
    assert_int_equal(encode(&m, 4, 1472, &sent), 0);
    assert_non_null(find(&sent, VERSION_ENTRY, sizeof(VERSION_ENTRY) - 1));
    assert_int_equal(decode_text("d1:rd2:id20:" ID_A "e1:t2:aa1:v4:LT\2\x0d"
                                 "1:y1:re",
                                 &m),
                     0);
    assert_memory_equal(m.u.response.version, "LT\2\x0d", 4);
    /* others' odd ones are not ours to judge */
    assert_int_equal(decode_text("d1:rd2:id20:" ID_A "e1:t2:aa1:v5:abcde1:y1:re", &m), 0);
    assert_memory_equal(m.u.response.version, "\0\0\0\0", 4);
    assert_int_equal(decode_text("d1:rd2:id20:" ID_A "e1:t2:aa1:vi1e1:y1:re", &m), 0);
}

/* pubky takes no put without; libtorrent sends none. */
static void test_put_carries_target(void **state) {
    struct kith_message m;
    struct packet sent;
    assert_int_equal(decode_args_text("put", "6:target20:" ID_B "5:token0:1:vi1e", &m), 0);
    assert_true(point_is(&m.u.request.target, ID_B));
    assert_int_equal(encode(&m, 4, 1472, &sent), 0);
    assert_true(has(&sent, "6:target20:" ID_B));
    assert_int_equal(decode_args_text("put", "5:token0:1:vi1e", &m), 0);
    assert_int_equal(decode_args_text("put", "6:target3:abc5:token0:1:vi1e", &m), 0);
}

/* anacrolix takes no put without "seq", so immutable ones come and go with one. */
static void test_immutable_put_carries_seq(void **state) {
    struct kith_message m;
    struct packet sent;
    assert_int_equal(decode_args_text("put", "3:seqi7e5:token0:1:vi1e", &m), 0);
    assert_false(m.u.request.record.is_mutable);
    assert_int_equal(m.u.request.record.seq, 0);
    assert_int_equal(kith_record_check(&m.u.request.record), 0);
    assert_int_equal(encode(&m, 4, 1472, &sent), 0);
    assert_true(has(&sent, "3:seqi0e"));
}

static void test_old_style_concatenated_values(void **state) {
    static const char *const forms[] = {
        "6:valuesl30:axje.uidhtnmaxje.uidhtnmABCDEFe",
        "6:values30:axje.uidhtnmaxje.uidhtnmABCDEF",
    };
    for (size_t i = 0; i < 2; i++) {
        struct kith_message m;
        assert_int_equal(decode_fields_text(forms[i], &m), 0);
        assert_int_equal(m.u.response.n_peers, 5);
        assert_v4(&m.u.response.peers[4], "ABCDEF");
    }
}

static void decode_over(uint8_t family, const char *text, struct kith_message *ret) {
    assert_int_equal(kith_krpc_decode(family, kith_span_text(text), ret), 0);
}

/* 18 bytes are three peers of IPv4, or one of IPv6: by whom it comes from if the string is alone,
 * by its size if it is one of several. */
static void test_three_peers_or_one(void **state) {
#define VALUES(v) "d1:rd2:id20:" ID_B "6:values" v "e1:t2:aa1:y1:re"
    static const char *const lone[] = {VALUES("l18:axje.uidhtnmABCDEFe"),
                                       VALUES("18:axje.uidhtnmABCDEF")};
    static struct kith_message m;
    for (size_t i = 0; i < 2; i++) {
        decode_over(4, lone[i], &m);
        assert_int_equal(m.u.response.n_peers, 3);
        assert_v4(&m.u.response.peers[1], "idhtnm");
        decode_over(6, lone[i], &m);
        assert_int_equal(m.u.response.n_peers, 1);
        assert_int_equal(m.u.response.peers[0].family, 6);
    }
    decode_over(6, VALUES("l36:axje.uidhtnmABCDEFaxje.uidhtnmABCDEFe"), &m);
    assert_int_equal(m.u.response.n_peers, 2);
    decode_over(6, VALUES("l6:axje.ue"), &m); /* one that strayed, and no multiple of 18 */
    assert_int_equal(m.u.response.n_peers, 1);
    assert_v4(&m.u.response.peers[0], "axje.u");
    decode_over(4, VALUES("l6:axje.u18:axje.uidhtnmABCDEFe"), &m);
    assert_int_equal(m.u.response.n_peers, 2);
    assert_int_equal(m.u.response.peers[1].family, 6);
#undef VALUES
    /* So a lone one of IPv6 is not sent over IPv4. */
    struct packet sent;
    m.u.response.n_peers = 1;
    m.u.response.peers[0] = m.u.response.peers[1];
    assert_int_equal(encode(&m, 4, 1472, &sent), 0);
    assert_false(has(&sent, "6:values"));
    assert_int_equal(encode(&m, 6, 1472, &sent), 0);
    assert_true(has(&sent, "6:valuesl18:"));
}

/* BEP 42, and as libtorrent does it: in errors, too. */
static void test_errors_say_where_the_asker_is(void **state) {
    static const struct kith_endpoint you = {.family = 4, .port = 0x4142, .ip = {97, 98, 99, 100}};
    struct kith_sender from = {.family = 4, .you = &you};
    struct kith_txn txn = {.size = 2, .bytes = "aa"};
    struct kith_wire_failure failure = {.code = 203, .text = kith_span_text("no")};
    static const char expected[] = "d1:eli203e2:noe2:ip6:abcdAB1:t2:aa" VERSION_ENTRY "1:y1:ee";
    struct packet sent;
    assert_int_equal(
        kith_krpc_encode_error(&from, &txn, &failure, sent.bytes, sizeof(sent.bytes), &sent.size),
        0);
    assert_int_equal(sent.size, sizeof(expected) - 1);
    assert_memory_equal(sent.bytes, expected, sent.size);
}

/* webtorrent leaves nodes out where it has the value. */
static void test_value_without_nodes(void **state) {
    struct kith_message m;
    assert_int_equal(decode_fields_text("5:token1:t1:vi1e", &m), 0);
    assert_true(m.u.response.has_record);
    assert_int_equal(m.u.response.n_contacts, 0);
}

static void test_ip_is_ours_as_seen(void **state) {
    struct kith_message m;
    there_and_back("d2:ip6:axje.u1:rd2:id20:" ID_B "e1:t2:aa1:y1:re", &m);
    assert_true(m.u.response.has_you);
    assert_v4(&m.u.response.you, "axje.u");
    there_and_back("d2:ip18:ABCDEFGHIJKLMNOPQR1:rd2:id20:" ID_B "e1:t2:aa1:y1:re", &m);
    assert_int_equal(m.u.response.you.family, 6);
    /* four bytes, as some send */
    assert_int_equal(decode_text("d2:ip4:axje1:rd2:id20:" ID_B "e1:t2:aa1:y1:re", &m), 0);
    assert_false(m.u.response.has_you);
}

/* libtorrent's errors carry "r" with its id, and "ip". */
static void test_error_with_id(void **state) {
    struct kith_message m;
    assert_int_equal(
        decode_text("d1:eli203e3:bade2:ip6:axje.u1:rd2:id20:" ID_B "e1:t2:aa1:y1:ee", &m), 0);
    assert_int_equal(m.kind, KITH_MESSAGE_ERROR);
    assert_true(m.has_id && point_is(&m.id, ID_B));
    /* a code alone will do */
    assert_int_equal(decode_text("d1:eli-3ee1:t2:aa1:y1:ee", &m), 0);
    assert_int_equal(m.u.failure.code, -3);
    assert_int_equal(m.u.failure.text.size, 0);
}

static void test_implied_port_needs_no_port(void **state) {
    struct kith_message m;
    struct packet sent;
    assert_int_equal(
        decode_args_text("announce_peer", "12:implied_porti1e9:info_hash20:" ID_B "5:token1:t", &m),
        0);
    assert_int_equal(m.u.request.port, 0);
    assert_int_equal(encode(&m, 4, 1472, &sent), 0);
    assert_true(has(&sent, "4:porti0e")); /* libtorrent wants the key */
    m.u.request.implied_port = false;
    assert_int_equal(encode(&m, 4, 1472, &sent), KITH_EINVALID);
}

/* libtorrent's docs: what has a target is answered as find_node, for methods to come. */
static void test_unknown_method_with_target(void **state) {
    struct kith_message m;
    assert_int_equal(decode_args_text("vote", "6:target20:" ID_B "4:wantl2:n6e", &m), 0);
    assert_int_equal(m.u.request.method, KITH_METHOD_FIND);
    assert_true(point_is(&m.u.request.target, ID_B));
    assert_true(m.u.request.want_v6);
    assert_int_equal(decode_args_text("vote", "9:info_hash20:" ID_B, &m), 0);
    assert_int_equal(m.u.request.method, KITH_METHOD_FIND);
    assert_true(point_is(&m.u.request.target, ID_B));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bep5_requests),
        cmocka_unit_test(test_bep5_responses),
        cmocka_unit_test(test_bep5_error),
        cmocka_unit_test(test_bep32_want),
        cmocka_unit_test(test_bep32_nodes6),
        cmocka_unit_test(test_bep32_mixed_values),
        cmocka_unit_test(test_bep33_scrape),
        cmocka_unit_test(test_bep43_read_only),
        cmocka_unit_test(test_bep51_samples),
        cmocka_unit_test(test_bep44_mutable_put),
        cmocka_unit_test(test_bep44_get_response),
        cmocka_unit_test(test_bep44_cas),
        cmocka_unit_test(test_bep44_immutable),
        cmocka_unit_test(test_bep44_get),
        cmocka_unit_test(test_bep46_value_is_verbatim),
        cmocka_unit_test(test_any_txn_is_echoed),
        cmocka_unit_test(test_version_is_four_bytes),
        cmocka_unit_test(test_put_carries_target),
        cmocka_unit_test(test_immutable_put_carries_seq),
        cmocka_unit_test(test_old_style_concatenated_values),
        cmocka_unit_test(test_three_peers_or_one),
        cmocka_unit_test(test_errors_say_where_the_asker_is),
        cmocka_unit_test(test_value_without_nodes),
        cmocka_unit_test(test_ip_is_ours_as_seen),
        cmocka_unit_test(test_error_with_id),
        cmocka_unit_test(test_implied_port_needs_no_port),
        cmocka_unit_test(test_unknown_method_with_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
