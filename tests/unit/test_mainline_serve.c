/* SPDX-License-Identifier: MIT */
/* What a node of Mainline answers to who stores with it, seen from the wire: BEP 44's errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mainline_net.h"

#include "core/record/record.h"
#include "krpc_packet.h"

enum { NO_CAS = -1, ITEMS_PER_PREFIX = 256 };

static struct net net;
static struct kith_identity author;

static void begin(void) {
    uint8_t seed[KITH_SEED_SIZE] = {5};
    net_init(&net);
    (void)add_node(&net, "kith");
    kith_identity_from_seed(&author, &kith_curve_sodium, seed);
}

static void add_int(struct packet *p, const char *key, int64_t value) {
    char text[64];
    snprintf(text, sizeof(text), "%zu:%si%llde", strlen(key), key, (long long)value);
    add(p, text);
}

/* The token for a target, of node 0. */
static void get_token(const struct kith_point *target, uint8_t token[8]) {
    struct packet get = {0};
    uint8_t answer[KITH_WIRE_MAX];
    add(&get, "d1:ad2:id20:" ID_A "6:target20:");
    add_bytes(&get, target->bytes, KITH_KRPC_ID_SIZE);
    add(&get, "e1:q3:get1:t2:aa1:y1:qe");
    size_t size = ask_raw(&net, &stranger, get.bytes, get.size, answer);
    const uint8_t *at = memmem(answer, size, "5:token8:", 9);
    assert_non_null(at);
    memcpy(token, at + 9, 8);
}

/* Whether the answer to a put of this is of `expected`: an error's number, or "1:y1:r". */
static bool put(const struct kith_record_view *view, int64_t cas, const char *expected) {
    static struct packet p;
    uint8_t answer[KITH_WIRE_MAX];
    uint8_t token[8];
    struct kith_point target;
    kith_target_of_record(view, &target);
    get_token(&target, token);
    p.size = 0;
    add(&p, "d1:ad");
    if (cas != NO_CAS) {
        add_int(&p, "cas", cas);
    }
    add(&p, "2:id20:" ID_A);
    if (view->is_mutable) {
        add(&p, "1:k");
        add_string(&p, view->key, KITH_KEY_SIZE);
        if (view->salt.size > 0) {
            add(&p, "4:salt");
            add_string(&p, view->salt.data, view->salt.size);
        }
        add_int(&p, "seq", view->seq);
        add(&p, "3:sig");
        add_string(&p, view->signature, KITH_SIGNATURE_SIZE);
    }
    add(&p, "5:token");
    add_string(&p, token, sizeof(token));
    add(&p, "1:v");
    add_bytes(&p, view->value.data, view->value.size);
    add(&p, "e1:q3:put1:t2:aa1:y1:qe");
    size_t size = ask_raw(&net, &stranger, p.bytes, p.size, answer);
    return contains(answer, size, expected);
}

static bool put_signed(const char *salt, int64_t seq, const char *value, int64_t cas,
                       const char *expected) {
    struct kith_record record;
    struct kith_record_view view;
    assert_int_equal(kith_record_sign(&record, &author, &kith_curve_sodium,
                                      kith_span(salt, strlen(salt)), seq,
                                      kith_span(value, strlen(value))),
                     0);
    kith_record_view(&record, &view);
    return put(&view, cas, expected);
}

static const struct kith_stats *stats(void) {
    return kith_core_stats(net.nodes[0].core);
}

static void test_newer_wins(void **state) {
    (void)state;
    begin();
    assert_true(put_signed("s", 5, "1:a", NO_CAS, "1:y1:r"));
    assert_true(put_signed("s", 5, "1:a", NO_CAS, "1:y1:r")); /* the same again */
    assert_true(put_signed("s", 4, "1:b", NO_CAS, "i302e"));
    assert_true(put_signed("s", 6, "1:b", 4, "i301e"));
    assert_true(put_signed("s", 6, "1:b", 5, "1:y1:r"));
    assert_int_equal(stats()->bad_records, 0);
    net_deinit(&net);
}

/* What comes from one prefix is so much at most: the farthest has no place. */
static void test_share_of_a_prefix(void **state) {
    (void)state;
    struct kith_record record;
    struct kith_record_view view;
    unsigned n_full = 0;
    begin();
    for (unsigned i = 0; i < 2 * ITEMS_PER_PREFIX; i++) {
        char value[16];
        snprintf(value, sizeof(value), "i%ue", i);
        assert_int_equal(kith_record_immutable(&record, kith_span(value, strlen(value))), 0);
        kith_record_view(&record, &view);
        bool is_full = put(&view, NO_CAS, "13:store is full");
        n_full += is_full;
        assert_true(i >= ITEMS_PER_PREFIX || !is_full);
    }
    assert_true(n_full > ITEMS_PER_PREFIX / 4); /* half of them are nearer than what is there */
    net_deinit(&net);
}

static void test_bad_items(void **state) {
    (void)state;
    static char long_salt[KITH_SALT_MAX + 1];
    static char long_value[KITH_VALUE_MAX + 8];
    struct kith_record record;
    struct kith_record_view view;
    begin();
    assert_int_equal(kith_record_sign(&record, &author, &kith_curve_sodium, kith_span("s", 1), 1,
                                      kith_span("1:a", 3)),
                     0);
    kith_record_view(&record, &view);
    struct kith_record_view bad = view;
    bad.seq++;
    assert_true(put(&bad, NO_CAS, "i206e"));
    bad = view;
    memset(long_salt, 'x', sizeof(long_salt));
    bad.salt = kith_span(long_salt, sizeof(long_salt));
    assert_true(put(&bad, NO_CAS, "i207e"));
    bad = view;
    memset(long_value, 'x', sizeof(long_value));
    int head = snprintf(long_value, sizeof(long_value), "%d:", KITH_VALUE_MAX);
    long_value[head] = 'x';
    bad.value = kith_span(long_value, KITH_VALUE_MAX + (size_t)head);
    assert_true(put(&bad, NO_CAS, "i205e"));
    bad.is_mutable = false;
    assert_true(put(&bad, NO_CAS, "i205e"));
    assert_int_equal(stats()->bad_records, 4);
    net_deinit(&net);
}

/* Ports that nobody can be at, told or implied. */
static void test_bad_ports(void **state) {
    (void)state;
    struct kith_endpoint low = stranger;
    uint8_t answer[KITH_WIRE_MAX];
    begin();
    low.port = 1;
    static const char told[] = "d1:ad2:id20:" ID_A "9:info_hash20:" ID_B
                               "4:porti1e5:token8:xxxxxxxxe1:q13:announce_peer1:t2:aa1:y1:qe";
    static const char implied[] = "d1:ad2:id20:" ID_A "12:implied_porti1e9:info_hash20:" ID_B
                                  "4:porti6881e5:token8:xxxxxxxxe1:q13:announce_peer1:t2:aa1:y1:qe";
    size_t size = ask_text(&net, &stranger, told, answer);
    assert_true(contains(answer, size, "27:missing or invalid argument"));
    size = ask_text(&net, &low, implied, answer);
    assert_true(contains(answer, size, "12:invalid port"));
    size = ask_text(&net, &stranger, implied, answer);
    assert_true(contains(answer, size, "9:bad token"));
    net_deinit(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newer_wins),
        cmocka_unit_test(test_share_of_a_prefix),
        cmocka_unit_test(test_bad_items),
        cmocka_unit_test(test_bad_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
