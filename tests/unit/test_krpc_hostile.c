/* SPDX-License-Identifier: MIT */
/* krpc, hostile: everything a node might send instead of what it should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/bencode.h"
#include "krpc_packet.h"

#define TARGET "6:target20:" ID_B
#define INFO_HASH "9:info_hash20:" ID_B

/* Refused, and the caller's message is as it was. */
static void assert_refused(const char *text) {
    struct kith_message m;
    memset(&m, 0x5a, sizeof(m));
    if (decode_text(text, &m) != KITH_ESYNTAX) {
        fail_msg("taken: %s", text);
    }
    for (size_t i = 0; i < sizeof(m); i++) {
        assert_int_equal(((const uint8_t *)&m)[i], 0x5a);
    }
}

static void assert_args_invalid(const char *method, const char *args) {
    struct kith_message m;
    if (decode_args_text(method, args, &m) != KITH_DECODE_ARGS_INVALID) {
        fail_msg("%s taken: %s", method, args);
    }
    assert_int_equal(m.txn.size, 2);
    assert_true(m.has_id && point_is(&m.id, ID_A));
}

static const char whole[] =
    "d1:ad3:casi1e2:id20:" ID_A "1:k32:" ID_A
    "0123456789AB4:salt3:abc3:seqi1e3:sig64:" ID_A ID_A ID_A
    "abcd5:token8:aoeusnth1:vd1:ali1ei2ee1:bi-3ee4:wantl2:n42:n6ee1:q3:put2:roi1e"
    "1:t4:abcd1:v4:KI011:y1:qe";

static void test_truncated_at_every_byte(void **state) {
    struct kith_message m;
    assert_int_equal(decode_text(whole, &m), 0);
    for (size_t size = 0; size < sizeof(whole) - 1; size++) {
        assert_int_equal(decode_bytes(whole, size, &m), KITH_ESYNTAX);
    }
}

static void test_trailing_bytes(void **state) {
    struct kith_message m;
    assert_int_equal(decode_bytes(whole, sizeof(whole), &m), KITH_ESYNTAX); /* the NUL */
    assert_refused("d1:rd2:id20:" ID_B "e1:t2:aa1:y1:rede");
    assert_refused("d1:rd2:id20:" ID_B "e1:t2:aa1:y1:ree");
}

static void test_no_dict(void **state) {
    static const char *const texts[] = {"",       "e",  "i1e",      "le",
                                        "4:spam", "de", "l1:yi1ee", "di1ei2ee"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_refused(texts[i]);
    }
}

/* Damage to any byte never does worse than a refusal or another message. */
static void test_every_byte_changed(void **state) {
    char copy[sizeof(whole)];
    struct kith_message m;
    for (size_t at = 0; at < sizeof(whole) - 1; at++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(copy, whole, sizeof(copy));
            copy[at] = (char)value;
            int r = decode_bytes(copy, sizeof(copy) - 1, &m);
            assert_true(r == KITH_ESYNTAX || (r >= 0 && r <= KITH_DECODE_ARGS_INVALID));
        }
    }
}

static void add_nest(struct packet *p, size_t depth) {
    for (size_t i = 0; i < depth; i++) {
        add(p, "l");
    }
    for (size_t i = 0; i < depth; i++) {
        add(p, "e");
    }
}

static int decode_nested(size_t depth) {
    static struct packet p;
    struct kith_message m;
    p.size = 0;
    add(&p, "d1:rd2:id20:" ID_B "1:x");
    add_nest(&p, depth);
    add(&p, "e1:t2:aa1:y1:re");
    return decode(&p, &m);
}

static void test_depth(void **state) {
    assert_int_equal(decode_nested(KITH_KRPC_DEPTH_MAX - 2), 0); /* two are the message's */
    assert_int_equal(decode_nested(KITH_KRPC_DEPTH_MAX - 1), KITH_ESYNTAX);
    assert_int_equal(decode_nested(1000), KITH_ESYNTAX);
    static struct packet bomb;
    struct kith_message m;
    bomb.size = sizeof(bomb.bytes);
    memset(bomb.bytes, 'd', bomb.size);
    assert_int_equal(decode(&bomb, &m), KITH_ESYNTAX);
}

static int decode_elements(size_t n) {
    static struct packet p;
    struct kith_message m;
    p.size = 0;
    add(&p, "d1:rd2:id20:" ID_B "1:xl");
    for (size_t i = 0; i < n; i++) {
        add(&p, "0:");
    }
    add(&p, "ee1:t2:aa1:y1:re");
    return decode(&p, &m);
}

static void test_elements(void **state) {
    size_t own = 11; /* the two dicts, five keys, three strings, the list */
    assert_int_equal(decode_elements(KITH_KRPC_ELEMENTS_MAX - own), 0);
    assert_int_equal(decode_elements(KITH_KRPC_ELEMENTS_MAX - own + 1), KITH_ESYNTAX);
}

static void test_integers_in_a_second_spelling(void **state) {
    static const char *const numbers[] = {"i01e", "i-0e", "i-01e", "i00e",  "ie",   "i-e",
                                          "i+1e", "i1",   "i 1e",  "i1.0e", "i0x1e"};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "d1:ad2:id20:" ID_A "e1:q4:ping2:ro%s1:t2:aa1:y1:qe",
                 numbers[i]);
        assert_refused(text);
    }
    assert_refused("d1:ad2:id20:" ID_A "e1:q4:ping1:t02:aa1:y1:qe");
}

static void test_huge_lengths(void **state) {
    static const char *const lengths[] = {"18446744073709551616",
                                          "18446744073709551615",
                                          "9223372036854775808",
                                          "4294967298",
                                          "4294967296",
                                          "99999999999999999999999999999",
                                          "-1"};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "d1:ad2:id20:" ID_A "e1:q4:ping1:t%s:aa1:y1:qe", lengths[i]);
        assert_refused(text);
        snprintf(text, sizeof(text), "%s:aa", lengths[i]);
        assert_refused(text);
    }
}

/* Numbers beyond 64 bits: fine where nobody reads them, else malformed. */
static void test_huge_numbers(void **state) {
    struct kith_message m;
    assert_int_equal(decode_args_text("ping", "1:xi99999999999999999999999e", &m), 0);
    assert_int_equal(decode_args_text("get", "3:seqi9223372036854775807e" TARGET, &m), 0);
    assert_true(m.u.request.seq == INT64_MAX);
    assert_int_equal(decode_args_text("get", "3:seqi-9223372036854775808e" TARGET, &m), 0);
    assert_true(m.u.request.seq == INT64_MIN);
    assert_args_invalid("get", "3:seqi9223372036854775808e" TARGET);
    assert_args_invalid("get", "3:seqi-9223372036854775809e" TARGET);
    assert_args_invalid("get", "3:seqi18446744073709551617e" TARGET);
    assert_refused("d1:eli2147483648e1:xe1:t2:aa1:y1:ee");
}

static void test_unsorted_keys(void **state) {
    struct kith_message m;
    assert_int_equal(decode_text("d1:y1:q1:t2:aa1:q9:find_node1:ad" TARGET "2:id20:" ID_A "ee", &m),
                     0);
    assert_int_equal(m.u.request.method, KITH_METHOD_FIND);
    assert_true(point_is(&m.id, ID_A));
    assert_true(point_is(&m.u.request.target, ID_B));
}

/* The first counts, as in libtorrent. */
static void test_keys_twice(void **state) {
    struct kith_message m;
    assert_int_equal(decode_args_text("find_node", TARGET "6:target20:" ID_A, &m), 0);
    assert_true(point_is(&m.u.request.target, ID_B));
    assert_int_equal(decode_text("d1:rd2:id20:" ID_B "e1:t2:aa1:t2:bb1:y1:r1:y1:qe", &m), 0);
    assert_int_equal(m.kind, KITH_MESSAGE_RESPONSE);
    assert_memory_equal(m.txn.bytes, "aa", 2);
}

static void test_txn_sizes(void **state) {
    static const size_t sizes[] = {0, 1, 2, 8, 20, 21, 200};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct packet p = {0};
        struct kith_message m;
        add(&p, "d1:ad2:id20:" ID_A "e1:q4:ping1:t");
        add_run(&p, 't', sizes[i]);
        add(&p, "1:y1:qe");
        assert_int_equal(decode(&p, &m), sizes[i] <= KITH_TXN_MAX ? 0 : KITH_ESYNTAX);
        if (sizes[i] <= KITH_TXN_MAX) {
            assert_int_equal(m.txn.size, sizes[i]);
        }
    }
    assert_refused("d1:ad2:id20:" ID_A "e1:q4:ping1:y1:qe"); /* missing */
    assert_refused("d1:ad2:id20:" ID_A "e1:q4:ping1:ti7e1:y1:qe");
}

static void test_kind(void **state) {
    assert_refused("d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aae");
    assert_refused("d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:y1:xe");
    assert_refused("d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:y0:e");
    assert_refused("d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:y2:qqe");
    assert_refused("d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:yi1ee");
    assert_refused("d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:y1:re"); /* a response without "r" */
    assert_refused("d1:ad2:id20:" ID_A "e1:q4:ping1:t2:aa1:y1:ee");
}

static void test_containers_of_the_wrong_type(void **state) {
    static const char *const wrong[] = {"i1e", "2:id", "le", "l2:id20:" ID_A "e"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[128];
        struct kith_message m;
        snprintf(text, sizeof(text), "d1:a%s1:q4:ping1:t2:aa1:y1:qe", wrong[i]);
        assert_int_equal(decode_text(text, &m), KITH_DECODE_ARGS_INVALID);
        assert_int_equal(m.txn.size, 2);
        assert_false(m.has_id);
        snprintf(text, sizeof(text), "d1:r%s1:t2:aa1:y1:re", wrong[i]);
        assert_refused(text);
        snprintf(text, sizeof(text), "d1:e%s1:t2:aa1:y1:ee", wrong[i]);
        assert_refused(text);
    }
    struct kith_message m;
    assert_int_equal(decode_text("d1:q4:ping1:t2:aa1:y1:qe", &m), KITH_DECODE_ARGS_INVALID);
    assert_refused("d1:ed1:ai1ee1:t2:aa1:y1:ee");
    assert_refused("d1:el1:xi1ee1:t2:aa1:y1:ee");
    assert_refused("d1:ad2:id20:" ID_A "e1:qi4e1:t2:aa1:y1:qe");
    assert_refused("d1:ad2:id20:" ID_A "e1:t2:aa1:y1:qe");
}

static void test_id_sizes(void **state) {
    struct kith_message m;
    int bad = KITH_DECODE_ARGS_INVALID;
    assert_int_equal(decode_text("d1:ad2:id19:" ID_A "1:q4:ping1:t2:aa1:y1:qe", &m), KITH_ESYNTAX);
    assert_int_equal(decode_text("d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe", &m),
                     bad);
    assert_false(m.has_id);
    assert_int_equal(decode_text("d1:ad2:id21:" ID_A "xe1:q4:ping1:t2:aa1:y1:qe", &m), bad);
    assert_int_equal(decode_text("d1:ad2:idi20ee1:q4:ping1:t2:aa1:y1:qe", &m), bad);
    assert_int_equal(decode_text("d1:ade1:q4:ping1:t2:aa1:y1:qe", &m), bad);
    assert_refused("d1:rd2:id19:abcdefghij012345678e1:t2:aa1:y1:re");
    assert_refused("d1:rd2:id21:" ID_A "xe1:t2:aa1:y1:re");
    assert_refused("d1:rde1:t2:aa1:y1:re");
}

static void test_targets(void **state) {
    static const char *const methods[] = {"find_node", "get", "sample_infohashes"};
    for (size_t i = 0; i < 3; i++) {
        assert_args_invalid(methods[i], "");
        assert_args_invalid(methods[i], INFO_HASH);
        assert_args_invalid(methods[i], "6:target19:abcdefghij012345678");
        assert_args_invalid(methods[i], "6:target21:" ID_A "x");
        assert_args_invalid(methods[i], "6:targetl20:" ID_A "e");
    }
    assert_args_invalid("get_peers", TARGET);
    assert_args_invalid("get_peers", "9:info_hash32:" ID_A "0123456789ab");
}

static void test_unknown_methods(void **state) {
    struct kith_message m;
    assert_int_equal(decode_args_text("vote", TARGET, &m), 0);
    assert_int_equal(decode_args_text("vote", "6:target3:abc", &m), KITH_DECODE_METHOD_UNKNOWN);
    assert_true(m.has_id && point_is(&m.id, ID_A));
    assert_int_equal(m.txn.size, 2);
    assert_int_equal(decode_args_text("", "", &m), KITH_DECODE_METHOD_UNKNOWN);
    /* kith's own methods are none here */
    assert_int_equal(decode_args_text("find", "", &m), KITH_DECODE_METHOD_UNKNOWN);
    assert_int_equal(decode_args_text("talk", "", &m), KITH_DECODE_METHOD_UNKNOWN);
    assert_int_equal(decode_text("d1:ad" TARGET "e1:q4:vote1:t2:aa1:y1:qe", &m),
                     KITH_DECODE_ARGS_INVALID); /* without an id */
}

static void test_announce_ports(void **state) {
    static const char *const bad[] = {"i0e",          "i1e",    "i65536e", "i-1e",
                                      "i4294967297e", "4:6881", "le"};
    struct kith_message m;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char args[128];
        snprintf(args, sizeof(args), INFO_HASH "4:port%s5:token1:x", bad[i]);
        assert_args_invalid("announce_peer", args);
        /* ignored where the port it came from counts */
        snprintf(args, sizeof(args), "12:implied_porti1e" INFO_HASH "4:port%s5:token1:x", bad[i]);
        assert_int_equal(decode_args_text("announce_peer", args, &m), 0);
        assert_int_equal(m.u.request.port, 0);
    }
    assert_args_invalid("announce_peer", INFO_HASH "5:token1:x");
    assert_args_invalid("announce_peer", "12:implied_porti0e" INFO_HASH "5:token1:x");
    assert_int_equal(decode_args_text("announce_peer", INFO_HASH "4:porti65535e5:token1:x", &m), 0);
    assert_int_equal(m.u.request.port, 65535);
}

static void test_tokens(void **state) {
    static const size_t sizes[] = {0, 1, 200, 201, 1000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct packet args = {0};
        struct kith_message m;
        add(&args, INFO_HASH "4:porti2e5:token");
        add_run(&args, 't', sizes[i]);
        assert_int_equal(decode_args("announce_peer", &args, &m), 0);
        assert_int_equal(m.u.request.token.size, sizes[i]);
        struct packet fields = {0};
        add(&fields, "5:token");
        add_run(&fields, 't', sizes[i]);
        assert_int_equal(decode_fields(&fields, &m), 0);
        assert_int_equal(m.u.response.token.size, sizes[i] <= KITH_TOKEN_MAX ? sizes[i] : 0);
    }
    assert_args_invalid("announce_peer", INFO_HASH "4:porti2e");
    assert_args_invalid("announce_peer", INFO_HASH "4:porti2e5:tokeni1e");
    assert_args_invalid("put", "1:vi1e");
}

/* ---- records ---- */

/* A mutable put; NULL leaves a part out. */
static int decode_put(const char *salt, const char *seq, size_t key, size_t sig, const char *v,
                      struct kith_message *ret) {
    struct packet args = {0};
    if (key > 0) {
        add(&args, "1:k");
        add_run(&args, 'k', key);
    }
    if (salt != NULL) {
        add(&args, "4:salt");
        add(&args, salt);
    }
    if (seq != NULL) {
        add(&args, "3:seq");
        add(&args, seq);
    }
    if (sig > 0) {
        add(&args, "3:sig");
        add_run(&args, 's', sig);
    }
    add(&args, "5:token1:t");
    if (v != NULL) {
        add(&args, "1:v");
        add(&args, v);
    }
    return decode_args("put", &args, ret);
}

static void test_records_in_puts(void **state) {
    static const int bad = KITH_DECODE_ARGS_INVALID;
    struct kith_message m;
    assert_int_equal(decode_put(NULL, "i1e", 32, 64, "i1e", &m), 0);
    assert_int_equal(decode_put(NULL, NULL, 32, 64, "i1e", &m), bad);
    assert_int_equal(decode_put(NULL, "1:1", 32, 64, "i1e", &m), bad);
    assert_int_equal(decode_put(NULL, "i1e", 0, 64, "i1e", &m), bad);
    assert_int_equal(decode_put(NULL, "i1e", 32, 0, "i1e", &m), bad);
    assert_int_equal(decode_put(NULL, "i1e", 31, 64, "i1e", &m), bad);
    assert_int_equal(decode_put(NULL, "i1e", 32, 65, "i1e", &m), bad);
    assert_int_equal(decode_put(NULL, "i1e", 32, 64, NULL, &m), bad);
    assert_int_equal(decode_put("i1e", "i1e", 32, 64, "i1e", &m), bad);
    assert_int_equal(decode_put("0:", "i1e", 32, 64, "i1e", &m), 0);
}

/* Those that have error codes of their own are passed on. */
static void test_negative_seq(void **state) {
    struct kith_message m;
    assert_int_equal(decode_put(NULL, "i-1e", 32, 64, "i1e", &m), 0);
    assert_int_equal(m.u.request.record.seq, -1);
    assert_int_equal(kith_record_check(&m.u.request.record), KITH_EINVALID);
    assert_int_equal(decode_args_text("get", "3:seqi-1e" TARGET, &m), 0);
    assert_int_equal(m.u.request.seq, -1);
    assert_args_invalid("get", "3:seq1:1" TARGET);
}

static void test_salt_of_65_bytes(void **state) {
    struct packet salt = {0};
    struct kith_message m;
    add_run(&salt, 's', 65);
    add_bytes(&salt, "", 1);
    assert_int_equal(decode_put((const char *)salt.bytes, "i1e", 32, 64, "i1e", &m), 0);
    assert_int_equal(m.u.request.record.salt.size, 65);
    assert_int_equal(kith_record_check(&m.u.request.record), KITH_ETOO_LARGE);
}

static void test_value_of_1001_bytes(void **state) {
    struct packet v = {0};
    struct kith_message m;
    add_run(&v, 'v', 997);
    add_bytes(&v, "", 1);
    assert_int_equal(decode_put(NULL, "i1e", 32, 64, (const char *)v.bytes, &m), 0);
    assert_int_equal(m.u.request.record.value.size, 1001);
    assert_int_equal(kith_record_check(&m.u.request.record), KITH_ETOO_LARGE);
}

static void test_value_types(void **state) {
    static const char *const good[] = {"i-7e", "0:", "le", "de", "l1:ai2ee", "d1:ai1e1:blee"};
    static const char *const bad[] = {"d1:bi1e1:ai1ee", "d1:ai1e1:ai1ee", "ld1:bi1e1:ai1eee"};
    struct kith_message m;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(decode_put(NULL, "i1e", 32, 64, good[i], &m), 0);
        assert_true(kith_span_equal(m.u.request.record.value, kith_span_text(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char fields[64];
        assert_int_equal(decode_put(NULL, "i1e", 32, 64, bad[i], &m), KITH_DECODE_ARGS_INVALID);
        snprintf(fields, sizeof(fields), "3:seqi5e5:token1:t1:v%s", bad[i]);
        assert_int_equal(decode_fields_text(fields, &m), 0);
        /* nor is it "held, but not newer" */
        assert_false(m.u.response.has_record || m.u.response.has_seq);
        assert_int_equal(m.u.response.token.size, 1);
    }
}

/* Deeper than may be stored, though not too deep for a message. */
static void test_value_depth(void **state) {
    struct packet v = {0};
    struct kith_message m;
    add_nest(&v, KITH_BENCODE_DEPTH_MAX);
    add_bytes(&v, "", 1);
    assert_int_equal(decode_put(NULL, "i1e", 32, 64, (const char *)v.bytes, &m), 0);
    v.size = 0;
    add_nest(&v, KITH_BENCODE_DEPTH_MAX + 1);
    add_bytes(&v, "", 1);
    assert_int_equal(decode_put(NULL, "i1e", 32, 64, (const char *)v.bytes, &m),
                     KITH_DECODE_ARGS_INVALID);
}

static void test_half_records_in_responses(void **state) {
    static const char *const halves[] = {
        "1:k32:" ID_A "0123456789ab1:vi1e",
        "3:seqi1e3:sig64:" ID_A ID_A ID_A "abcd1:vi1e",
        "1:k3:abc3:seqi1e3:sig64:" ID_A ID_A ID_A "abcd1:vi1e",
        "1:k32:" ID_A "0123456789ab3:seq1:13:sig64:" ID_A ID_A ID_A "abcd1:vi1e",
    };
    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
        struct kith_message m;
        assert_int_equal(decode_fields_text(halves[i], &m), 0);
        assert_false(m.u.response.has_record || m.u.response.has_seq);
    }
}

/* ---- contacts and peers ---- */

static void add_nodes(struct packet *p, const char *key, size_t unit, size_t n, uint16_t port) {
    static uint8_t blob[8000];
    assert_true(n * unit <= sizeof(blob));
    for (size_t i = 0; i < n; i++) {
        memset(blob + i * unit, (int)(i + 32), unit);
        blob[i * unit + unit - 2] = (uint8_t)(port >> 8);
        blob[i * unit + unit - 1] = (uint8_t)port;
    }
    add(p, key);
    add_string(p, blob, n * unit);
}

static void test_200_nodes(void **state) {
    struct packet fields = {0};
    struct kith_message m;
    add_nodes(&fields, "5:nodes", 26, 200, 7700);
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.n_contacts, KITH_MESSAGE_CONTACTS_MAX);
    assert_int_equal(m.u.response.contacts[39].id.bytes[0], 39 + 32);
    /* do not crowd out the other family, nor the other way round */
    static const struct {
        size_t n4, n6, kept4, kept6;
    } cases[] = {{200, 8, 32, 8}, {200, 200, 20, 20}, {8, 200, 8, 32}, {0, 200, 0, 40}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t kept4 = 0;
        fields.size = 0;
        add_nodes(&fields, "5:nodes", 26, cases[i].n4, 7700);
        add_nodes(&fields, "6:nodes6", 38, cases[i].n6, 7700);
        assert_int_equal(decode_fields(&fields, &m), 0);
        for (uint32_t k = 0; k < m.u.response.n_contacts; k++) {
            kept4 += m.u.response.contacts[k].endpoint.family == 4;
        }
        assert_int_equal(kept4, cases[i].kept4);
        assert_int_equal(m.u.response.n_contacts - kept4, cases[i].kept6);
    }
}

static void test_nodes_with_port_0(void **state) {
    struct packet fields = {0};
    struct kith_message m;
    add_nodes(&fields, "5:nodes", 26, 8, 0);
    add_nodes(&fields, "6:nodes6", 38, 8, 0);
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.n_contacts, 0);
    assert_int_equal(decode_fields_text("6:valuesl6:axje\x01\x01"
                                        "e",
                                        &m),
                     0);
    assert_int_equal(m.u.response.n_peers, 1);
    fields.size = 0;
    add(&fields, "6:valuesl");
    add_string(&fields, "axje\0\0", 6);
    add_string(&fields, "\0\0\0\0\0\1", 6); /* no host either */
    add(&fields, "e");
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.n_peers, 0);
}

static void test_ragged_nodes(void **state) {
    struct packet fields = {0};
    struct kith_message m;
    add(&fields, "5:nodes");
    add_run(&fields, 'n', 26 + 25);
    add(&fields, "6:nodes6");
    add_run(&fields, 'n', 38 + 1);
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.n_contacts, 2);
    assert_int_equal(decode_fields_text("5:nodesi1e6:nodes6l26:aaaaaaaaaaaaaaaaaaaaaaaaaae", &m),
                     0);
    assert_int_equal(m.u.response.n_contacts, 0);
}

static void test_odd_values(void **state) {
    static const char *const odd[] = {
        "6:valuesi1e", "6:valuesde",      "6:valuesle",
        "6:values0:",  "6:values5:abcde", "6:valuesl5:abcdei1ele0:7:abcdefge"};
    struct kith_message m;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_int_equal(decode_fields_text(odd[i], &m), 0);
        assert_int_equal(m.u.response.n_peers, 0);
    }
    struct packet fields = {0};
    add(&fields, "6:valuesl");
    for (size_t i = 0; i < 2 * KITH_MESSAGE_PEERS_MAX; i++) {
        add(&fields, "6:axje.u");
    }
    add(&fields, "e");
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.n_peers, KITH_MESSAGE_PEERS_MAX);
    fields.size = 0;
    add(&fields, "6:valuesl");
    add_run(&fields, 'p', 6 * 1000);
    add(&fields, "e");
    assert_int_equal(decode_fields(&fields, &m), 0);
    assert_int_equal(m.u.response.n_peers, KITH_MESSAGE_PEERS_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated_at_every_byte),
        cmocka_unit_test(test_trailing_bytes),
        cmocka_unit_test(test_no_dict),
        cmocka_unit_test(test_every_byte_changed),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_integers_in_a_second_spelling),
        cmocka_unit_test(test_huge_lengths),
        cmocka_unit_test(test_huge_numbers),
        cmocka_unit_test(test_unsorted_keys),
        cmocka_unit_test(test_keys_twice),
        cmocka_unit_test(test_txn_sizes),
        cmocka_unit_test(test_kind),
        cmocka_unit_test(test_containers_of_the_wrong_type),
        cmocka_unit_test(test_id_sizes),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_unknown_methods),
        cmocka_unit_test(test_announce_ports),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_records_in_puts),
        cmocka_unit_test(test_negative_seq),
        cmocka_unit_test(test_salt_of_65_bytes),
        cmocka_unit_test(test_value_of_1001_bytes),
        cmocka_unit_test(test_value_types),
        cmocka_unit_test(test_value_depth),
        cmocka_unit_test(test_half_records_in_responses),
        cmocka_unit_test(test_200_nodes),
        cmocka_unit_test(test_nodes_with_port_0),
        cmocka_unit_test(test_ragged_nodes),
        cmocka_unit_test(test_odd_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
