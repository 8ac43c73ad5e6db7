/* SPDX-License-Identifier: MIT */
/* Endpoints: classification at the edges of every range, prefixes, wire form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/endpoint.h"
#include "testing.h"

struct scope_case {
    const char *text;
    enum kith_scope scope;
};

/* First and last address of each range, and their neighbours. */
static const struct scope_case SCOPES[] = {
    {"0.0.0.0:1", KITH_SCOPE_UNUSABLE},
    {"0.255.255.255:1", KITH_SCOPE_UNUSABLE},
    {"1.0.0.0:1", KITH_SCOPE_GLOBAL},
    {"9.255.255.255:1", KITH_SCOPE_GLOBAL},
    {"10.0.0.0:1", KITH_SCOPE_PRIVATE},
    {"10.255.255.255:1", KITH_SCOPE_PRIVATE},
    {"11.0.0.0:1", KITH_SCOPE_GLOBAL},
    {"100.63.255.255:1", KITH_SCOPE_GLOBAL},
    {"100.64.0.0:1", KITH_SCOPE_PRIVATE},
    {"100.127.255.255:1", KITH_SCOPE_PRIVATE},
    {"100.128.0.0:1", KITH_SCOPE_GLOBAL},
    {"126.255.255.255:1", KITH_SCOPE_GLOBAL},
    {"127.0.0.1:1", KITH_SCOPE_LOOPBACK},
    {"127.255.255.255:1", KITH_SCOPE_LOOPBACK},
    {"128.0.0.0:1", KITH_SCOPE_GLOBAL},
    {"169.253.255.255:1", KITH_SCOPE_GLOBAL},
    {"169.254.0.0:1", KITH_SCOPE_LINK_LOCAL},
    {"169.254.255.255:1", KITH_SCOPE_LINK_LOCAL},
    {"169.255.0.0:1", KITH_SCOPE_GLOBAL},
    {"172.15.255.255:1", KITH_SCOPE_GLOBAL},
    {"172.16.0.0:1", KITH_SCOPE_PRIVATE},
    {"172.31.255.255:1", KITH_SCOPE_PRIVATE},
    {"172.32.0.0:1", KITH_SCOPE_GLOBAL},
    {"192.0.2.1:1", KITH_SCOPE_GLOBAL}, /* documentation: tests live there */
    {"192.167.255.255:1", KITH_SCOPE_GLOBAL},
    {"192.168.0.0:1", KITH_SCOPE_PRIVATE},
    {"192.169.0.0:1", KITH_SCOPE_GLOBAL},
    {"223.255.255.255:1", KITH_SCOPE_GLOBAL},
    {"224.0.0.0:1", KITH_SCOPE_UNUSABLE},
    {"239.255.255.255:1", KITH_SCOPE_UNUSABLE},
    {"240.0.0.0:1", KITH_SCOPE_UNUSABLE},
    {"255.255.255.255:1", KITH_SCOPE_UNUSABLE},
    {"[::]:1", KITH_SCOPE_UNUSABLE},
    {"[::1]:1", KITH_SCOPE_LOOPBACK},
    {"[::2]:1", KITH_SCOPE_UNUSABLE},
    {"[::127.0.0.1]:1", KITH_SCOPE_UNUSABLE},      /* IPv4-compatible */
    {"[::ffff:127.0.0.1]:1", KITH_SCOPE_UNUSABLE}, /* IPv4-mapped would slip past IPv4 limits */
    {"[::ffff:192.0.2.1]:1", KITH_SCOPE_UNUSABLE},
    {"[2001:db8::1]:1", KITH_SCOPE_GLOBAL},
    {"[fbff::1]:1", KITH_SCOPE_GLOBAL},
    {"[fc00::]:1", KITH_SCOPE_PRIVATE},
    {"[fdff::1]:1", KITH_SCOPE_PRIVATE},
    {"[fe00::1]:1", KITH_SCOPE_GLOBAL},
    {"[fe80::1%3]:1", KITH_SCOPE_LINK_LOCAL},
    {"[febf::1]:1", KITH_SCOPE_LINK_LOCAL},
    {"[fec0::1]:1", KITH_SCOPE_PRIVATE},
    {"[ff02::1]:1", KITH_SCOPE_UNUSABLE},
};

static void scopes(void **state) {
    for (size_t i = 0; i < sizeof(SCOPES) / sizeof(SCOPES[0]); i++) {
        struct kith_endpoint e = kith_test_endpoint(SCOPES[i].text);
        bool usable = SCOPES[i].scope != KITH_SCOPE_UNUSABLE;
        if (kith_endpoint_scope(&e) != SCOPES[i].scope) {
            fail_msg("%s: scope %d", SCOPES[i].text, (int)kith_endpoint_scope(&e));
        }
        assert_int_equal(kith_endpoint_usable(&e), usable);
        assert_int_equal(kith_endpoint_exempt(&e), SCOPES[i].scope != KITH_SCOPE_GLOBAL);
        e.port = 0;
        assert_false(kith_endpoint_usable(&e));
    }
}

static void no_family_is_unusable(void **state) {
    struct kith_endpoint none = {.port = 1};
    struct kith_endpoint odd = {.family = 5, .port = 1};
    uint8_t buffer[32];
    struct kith_writer w = kith_writer(buffer, sizeof(buffer));

    assert_false(kith_endpoint_usable(&none));
    assert_false(kith_endpoint_usable(&odd));
    kith_endpoint_write(&w, &none);
    assert_true(w.failed);
}

static void equality(void **state) {
    struct kith_endpoint a = kith_test_endpoint("192.0.2.1:7700");
    struct kith_endpoint b = kith_test_endpoint("192.0.2.1:7701");
    struct kith_endpoint c = kith_test_endpoint("192.0.2.2:7700");
    struct kith_endpoint d = kith_test_endpoint("[c000:0201::]:7700"); /* the same first bytes */
    struct kith_endpoint e = kith_test_endpoint("[fe80::1%1]:7700");
    struct kith_endpoint f = kith_test_endpoint("[fe80::1%2]:7700"); /* another host */

    assert_true(kith_endpoint_equal(&a, &a));
    assert_false(kith_endpoint_equal(&a, &b));
    assert_true(kith_endpoint_same_ip(&a, &b));
    assert_false(kith_endpoint_same_ip(&a, &c));
    assert_false(kith_endpoint_same_ip(&a, &d));
    assert_true(kith_endpoint_same_ip(&e, &e));
    assert_false(kith_endpoint_same_ip(&e, &f));
}

static bool same_prefix(const char *a_text, const char *b_text) {
    struct kith_endpoint a = kith_test_endpoint(a_text);
    struct kith_endpoint b = kith_test_endpoint(b_text);
    struct kith_prefix pa, pb;

    kith_endpoint_prefix(&a, &pa);
    kith_endpoint_prefix(&b, &pb);
    return memcmp(&pa, &pb, sizeof(pa)) == 0;
}

static void prefixes(void **state) {
    assert_true(same_prefix("192.0.2.1:1", "192.0.2.255:2"));
    assert_false(same_prefix("192.0.2.1:1", "192.0.3.1:1"));
    assert_true(same_prefix("[2001:db8:0:ab00::1]:1", "[2001:db8:0:abff::2]:1"));
    assert_false(same_prefix("[2001:db8:0:ab00::1]:1", "[2001:db8:0:ac00::1]:1"));
    assert_false(same_prefix("32.1.13.1:1", "[2001:d00::]:1"));
}

static void wire_form(void **state) {
    static const uint8_t IP4[6] = {192, 0, 2, 7, 0x1e, 0x14};
    static const uint8_t IP6[18] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7, 0x1e, 0x14};
    struct kith_endpoint e4 = kith_test_endpoint("192.0.2.7:7700");
    struct kith_endpoint e6 = kith_test_endpoint("[2001:db8::7]:7700");
    struct kith_endpoint back;
    uint8_t buffer[24];
    struct kith_writer w = kith_writer(buffer, sizeof(buffer));

    kith_endpoint_write(&w, &e4);
    kith_endpoint_write(&w, &e6);
    assert_int_equal(kith_writer_size(&w), 24);
    assert_false(w.failed);
    assert_memory_equal(buffer, IP4, 6);
    assert_memory_equal(buffer + 6, IP6, 18);
    assert_true(kith_endpoint_read(IP4, 6, &back));
    assert_memory_equal(&back, &e4, sizeof(back));
    assert_true(kith_endpoint_read(IP6, 18, &back));
    assert_memory_equal(&back, &e6, sizeof(back));
}

static void other_sizes_are_no_endpoints(void **state) {
    uint8_t bytes[32] = {1};
    struct kith_endpoint e = kith_test_endpoint("192.0.2.7:7700");
    struct kith_endpoint before = e;

    for (size_t size = 0; size <= sizeof(bytes); size++) {
        if (size != 6 && size != 18) {
            assert_false(kith_endpoint_read(bytes, size, &e));
            assert_memory_equal(&e, &before, sizeof(e));
        }
    }
}

static struct kith_nets nets_of(const char *text) {
    struct kith_endpoint endpoint;
    struct kith_nets nets;
    assert_int_equal(kith_endpoint_parse(text, &endpoint, NULL), 0);
    kith_endpoint_nets(&endpoint, &nets);
    return nets;
}

/* How many of the three neighbourhoods two addresses share. */
static unsigned shared(const char *a, const char *b) {
    struct kith_nets of_a = nets_of(a);
    struct kith_nets of_b = nets_of(b);
    unsigned n = 0;
    for (unsigned i = 0; i < KITH_NETS; i++) {
        n += of_a.of[i] != 0 && of_a.of[i] == of_b.of[i];
    }
    return n;
}

static void test_nets(void **state) {
    (void)state;
    assert_int_equal(shared("20.1.2.3:1", "20.1.2.9:2"), 2);
    assert_int_equal(shared("20.1.2.3:1", "20.1.3.3:1"), 1);
    assert_int_equal(shared("20.1.2.3:1", "20.2.2.3:1"), 0);
    assert_int_equal(shared("[2a00:1:2:3400::1]:1", "[2a00:1:2:34ff::2]:2"), 3);
    assert_int_equal(shared("[2a00:1:2:3400::1]:1", "[2a00:1:2:3500::1]:1"), 2);
    assert_int_equal(shared("[2a00:1:2:3400::1]:1", "[2a00:1:3:3400::1]:1"), 1);
    assert_int_equal(shared("[2a00:1:2:3400::1]:1", "[2a00:2:2:3400::1]:1"), 0);
    assert_int_equal(shared("10.1.2.3:1", "10.1.2.3:1"), 0);
    assert_int_equal(shared("[fd00::1]:1", "[fd00::1]:1"), 0);
    assert_int_equal(shared("127.0.0.1:1", "127.0.0.1:1"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nets),
        cmocka_unit_test(scopes),
        cmocka_unit_test(no_family_is_unusable),
        cmocka_unit_test(equality),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(wire_form),
        cmocka_unit_test(other_sizes_are_no_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
