/* SPDX-License-Identifier: MIT */
/* lan_filter: interface patterns, and where an mDNS answer may point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "shell/lan_filter.h"
#include "testing.h"

static void test_patterns(void **state) {
    static const struct {
        const char *pattern;
        const char *text;
        bool matches;
    } CASES[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "eth0", true},
        {"eth0", "eth0", true},
        {"eth0", "eth01", false},
        {"eth*", "eth", true},
        {"eth*", "eth12", true},
        {"eth*", "et", false},
        {"*0", "eth0", true},
        {"*0", "eth01", false},
        {"*0", "eth00", true},
        {"e*0", "eth0", true},
        {"e*t*0", "eth0", true},
        {"**", "x", true},
        {"a*b*c", "abc", true},
        {"a*b*c", "acb", false},
        {"*ab", "aab", true},
        {"ETH0", "eth0", false},
        {"?th0", "eth0", false}, /* only '*' is special */
        /* exponential for a naive matcher */
        {"*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };

    for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(kith_lan_pattern_matches(CASES[i].pattern, CASES[i].text),
                         CASES[i].matches);
    }
}

static bool admits(const char *allow, const char *deny, const char *interface) {
    struct kith_lan_filter filter;

    assert_int_equal(kith_lan_filter_init(&filter, &allow, allow != NULL, &deny, deny != NULL), 0);
    bool r = kith_lan_filter_admits(&filter, interface);
    kith_lan_filter_deinit(&filter);
    return r;
}

static void test_filter(void **state) {
    static const char *const VIRTUAL[] = {"docker0", "br-0123", "veth9", "virbr0",    "tun0",
                                          "tap1",    "wg0",     "ztabc", "tailscale0"};
    static const char *const REAL[] = {"eth0", "enp3s0", "wlan0", "lo", "br0", "bond0", "usb0"};

    for (unsigned i = 0; i < sizeof(VIRTUAL) / sizeof(VIRTUAL[0]); i++) {
        assert_false(admits(NULL, NULL, VIRTUAL[i]));
        assert_true(admits(VIRTUAL[i], NULL, VIRTUAL[i])); /* who names it wants it */
    }
    for (unsigned i = 0; i < sizeof(REAL) / sizeof(REAL[0]); i++) {
        assert_true(admits(NULL, NULL, REAL[i]));
        assert_false(admits("other*", NULL, REAL[i]));
        assert_false(admits(NULL, REAL[i], REAL[i]));
        assert_false(admits("*", REAL[i], REAL[i])); /* deny is stronger */
    }
    assert_false(admits(NULL, "eth0", "docker0")); /* in addition to the defaults */
}

static void test_filter_index(void **state) {
    struct kith_lan_filter filter;

    assert_int_equal(kith_lan_filter_init(&filter, NULL, 0, NULL, 0), 0);
    assert_false(kith_lan_filter_admits_index(&filter, 0)); /* no interface has these */
    assert_false(kith_lan_filter_admits_index(&filter, UINT32_MAX));
    kith_lan_filter_deinit(&filter);
    kith_lan_filter_deinit(&filter); /* twice is harmless */
}

static void test_plan(void **state) {
    const char *none = "nothing-is-called-this";
    struct kith_lan_filter filter;
    struct kith_lan_plan plan;
    struct kith_lan_plan a = {.n = 2, .interfaces = {1, 2}};
    struct kith_lan_plan b = {.n = 2, .interfaces = {1, 3}};
    struct kith_lan_plan all = {.all = true, .n = 1, .interfaces = {1}};
    struct kith_lan_plan all_too = {.all = true, .n = 2, .interfaces = {1, 2}};

    assert_int_equal(kith_lan_filter_init(&filter, &none, 1, NULL, 0), 0);
    kith_lan_plan_make(&filter, &plan);
    assert_false(plan.all);
    assert_int_equal(plan.n, 0);
    kith_lan_filter_deinit(&filter);
    assert_true(kith_lan_plan_equal(&a, &a));
    assert_false(kith_lan_plan_equal(&a, &b));
    assert_false(kith_lan_plan_equal(&a, &all));
    assert_true(kith_lan_plan_equal(&all, &all_too)); /* the daemon follows by itself */
}

static void test_endpoints(void **state) {
    const struct kith_lan_link links[] = {
        {.family = 4, .bits = 24, .ip = {192, 0, 2, 1}},
        {.family = 4, .bits = 29, .ip = {198, 51, 100, 9}},
        {.family = 4, .bits = 0, .ip = {10}}, /* would hold everything */
        {.family = 6, .bits = 64, .ip = {0x20, 0x01, 0x0d, 0xb8, 0, 1}},
        {.family = 6, .bits = 200}, /* nonsense */
    };
    static const struct {
        const char *endpoint;
        bool on_lan;
        bool on_loopback;
    } CASES[] = {
        {"10.1.2.3:1", true, true},
        {"192.168.0.1:65535", true, true},
        {"172.16.0.1:7700", true, true},
        {"169.254.1.1:7700", true, true},
        {"[fd00::1]:7700", true, true},
        {"[fe80::1%3]:7700", true, true},
        {"127.0.0.1:7700", false, true}, /* nobody else may send us to our own loopback */
        {"[::1]:7700", false, true},
        {"8.8.8.8:53", false, false},     /* nor to a victim on the internet */
        {"192.0.2.200:7700", true, true}, /* global, but on the link */
        {"192.0.3.1:7700", false, false},
        {"198.51.100.15:7700", true, true}, /* /29 ends here */
        {"198.51.100.16:7700", false, false},
        {"[2001:db8:1::ffff]:7700", true, true},
        {"[2001:db8:1:1::1]:7700", false, false},
        {"[2001:4860:4860::8888]:53", false, false},
        {"10.1.2.3:0", false, false},
        {"0.0.0.0:7700", false, false},
        {"224.0.0.251:5353", false, false},
        {"255.255.255.255:7700", false, false},
        {"[ff02::fb]:5353", false, false},
        {"[::ffff:10.0.0.1]:7700", false, false},
        {"[::]:7700", false, false},
    };

    for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct kith_endpoint endpoint = kith_test_endpoint(CASES[i].endpoint);
        assert_int_equal(kith_lan_endpoint_admitted(&endpoint, false, links, 5), CASES[i].on_lan);
        assert_int_equal(kith_lan_endpoint_admitted(&endpoint, true, links, 5),
                         CASES[i].on_loopback);
    }
    struct kith_endpoint on_link = kith_test_endpoint("192.0.2.200:7700");
    assert_false(kith_lan_endpoint_admitted(&on_link, false, NULL, 0));
}

/* This machine's: whatever they are, they make sense. */
static void test_links(void **state) {
    struct kith_lan_link links[KITH_LAN_LINKS_MAX];
    size_t n = kith_lan_links(links);

    assert_true(n <= KITH_LAN_LINKS_MAX);
    for (size_t i = 0; i < n; i++) {
        assert_true(links[i].family == 4 ? links[i].bits <= 32 : links[i].bits <= 128);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),     cmocka_unit_test(test_filter),
        cmocka_unit_test(test_filter_index), cmocka_unit_test(test_plan),
        cmocka_unit_test(test_endpoints),    cmocka_unit_test(test_links),
    };

    return cmocka_run_group_tests_name("lan_filter", tests, NULL, NULL);
}
