/* SPDX-License-Identifier: MIT */
/* lan_peers: entries become peers; what is told, and when, and how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/endpoint.h"
#include "core/base/id.h"
#include "shell/lan_peers.h"
#include "testing.h"

static struct kith_key key_of(uint8_t byte) {
    struct kith_key key;

    memset(key.bytes, byte, sizeof(key.bytes));
    return key;
}

static void init(struct kith_lan_peers *peers) {
    struct kith_key own = key_of(1);

    kith_lan_peers_init(peers, &own);
}

static struct kith_lan_entry *add(struct kith_lan_peers *peers, uint32_t interface, uint8_t family,
                                  const char *name) {
    struct kith_lan_entry *entry;

    assert_int_equal(kith_lan_entry_add(peers, interface, family, name, &entry), 0);
    return entry;
}

/* `key` 0: none. */
static void resolve(struct kith_lan_peers *peers, struct kith_lan_entry *entry, uint8_t key,
                    const char *endpoint) {
    struct kith_lan_txt_info info = {.has_key = key != 0, .key = key_of(key)};
    struct kith_endpoint at = kith_test_endpoint(endpoint);

    kith_lan_entry_resolved(peers, entry, &info, &at);
}

static void expect_silence(struct kith_lan_peers *peers) {
    struct kith_lan_peer peer;
    bool present;

    assert_false(kith_lan_peers_next(peers, &peer, &present));
}

static void expect(struct kith_lan_peers *peers, const char *name, bool present,
                   uint32_t n_endpoints) {
    struct kith_lan_peer peer;
    bool is_present;

    assert_true(kith_lan_peers_next(peers, &peer, &is_present));
    assert_string_equal(peer.instance, name);
    assert_int_equal(is_present, present);
    assert_int_equal(peer.n_endpoints, n_endpoints);
}

static void test_life(void **state) {
    struct kith_lan_peers peers;

    init(&peers);
    struct kith_lan_entry *v4 = add(&peers, 2, 4, "a");
    struct kith_lan_entry *v6 = add(&peers, 2, 6, "a");
    expect_silence(&peers); /* a name alone is nothing */
    resolve(&peers, v4, 2, "10.0.0.1:7700");
    expect(&peers, "a", true, 1);
    resolve(&peers, v6, 2, "[fe80::1%2]:7700");
    expect(&peers, "a", true, 2);
    resolve(&peers, v6, 2, "[fe80::1%2]:7700"); /* the same again */
    expect_silence(&peers);
    resolve(&peers, v4, 2, "10.0.0.2:7700");
    expect(&peers, "a", true, 2);
    kith_lan_entry_remove(&peers, v4);
    expect(&peers, "a", true, 1);
    kith_lan_entry_remove(&peers, v6);
    expect(&peers, "a", false, 1);
    assert_int_equal(peers.n_peers, 0);
    expect_silence(&peers);
    kith_lan_peers_deinit(&peers);
}

/* Changes that are not fetched in between are one piece of news, or none. */
static void test_coalesced(void **state) {
    struct kith_lan_peers peers;

    init(&peers);
    struct kith_lan_entry *entry = add(&peers, 1, 4, "a");
    resolve(&peers, entry, 2, "10.0.0.1:7700");
    kith_lan_entry_remove(&peers, entry);
    expect_silence(&peers); /* came and went */
    assert_int_equal(peers.n_peers, 0);

    entry = add(&peers, 1, 4, "a");
    resolve(&peers, entry, 2, "10.0.0.1:7700");
    expect(&peers, "a", true, 1);
    kith_lan_entry_remove(&peers, entry);
    assert_int_equal(peers.n_peers, 1); /* its goodbye is not told yet */
    entry = add(&peers, 1, 4, "a");
    resolve(&peers, entry, 2, "10.0.0.1:7700");
    expect_silence(&peers); /* went and came: nothing has changed */
    kith_lan_entry_remove(&peers, entry);
    entry = add(&peers, 1, 4, "a");
    expect(&peers, "a", false, 1); /* back, but not resolved */
    resolve(&peers, entry, 3, "10.0.0.1:7700");
    expect(&peers, "a", true, 1);
    kith_lan_peers_deinit(&peers);
}

static void test_unresolved(void **state) {
    struct kith_lan_peers peers;

    init(&peers);
    struct kith_lan_entry *entry = add(&peers, 1, 4, "a");
    kith_lan_entry_unresolved(&peers, entry);
    expect_silence(&peers);
    resolve(&peers, entry, 0, "10.0.0.1:7700");
    expect(&peers, "a", true, 1);
    kith_lan_entry_unresolved(&peers, entry);
    expect(&peers, "a", false, 1);
    resolve(&peers, entry, 0, "10.0.0.1:7700");
    expect(&peers, "a", true, 1);
    kith_lan_peers_deinit(&peers);
}

static void test_keys(void **state) {
    struct kith_lan_peers peers;
    struct kith_lan_peer peer;
    bool present;

    init(&peers);
    struct kith_lan_entry *first = add(&peers, 1, 4, "a");
    struct kith_lan_entry *second = add(&peers, 2, 4, "a");
    resolve(&peers, first, 2, "10.0.0.1:7700");
    resolve(&peers, second, 3, "10.0.0.2:7700"); /* another owner on another link: left out */
    assert_true(kith_lan_peers_next(&peers, &peer, &present));
    assert_int_equal(peer.n_endpoints, 1);
    struct kith_key expected = key_of(2);
    assert_true(peer.has_key && kith_key_equal(&peer.key, &expected));
    resolve(&peers, second, 2, "10.0.0.1:7700"); /* the same twice is one */
    expect_silence(&peers);
    resolve(&peers, first, 0, "10.0.0.1:7700"); /* the key changes to none */
    resolve(&peers, second, 0, "10.0.0.1:7700");
    assert_true(kith_lan_peers_next(&peers, &peer, &present));
    assert_false(peer.has_key);
    resolve(&peers, first, 1, "10.0.0.1:7700"); /* now it claims to be us: it is gone */
    resolve(&peers, second, 1, "10.0.0.1:7700");
    expect(&peers, "a", false, 1);
    expect_silence(&peers);
    kith_lan_peers_deinit(&peers);
}

static void test_refused(void **state) {
    struct kith_lan_peers peers;
    struct kith_lan_entry *entry;

    init(&peers);
    (void)add(&peers, 1, 4, "a");
    assert_int_equal(kith_lan_entry_add(&peers, 1, 4, "a", &entry), KITH_EEXISTS);
    assert_int_equal(kith_lan_entry_add(&peers, 1, 4, "", &entry), KITH_ESYNTAX);
    assert_int_equal(kith_lan_entry_add(&peers, 1, 4, "a\nb", &entry), KITH_ESYNTAX);
    for (uint32_t i = 2; i <= KITH_LAN_ENDPOINTS_MAX; i++) {
        (void)add(&peers, i, 4, "a");
    }
    assert_int_equal(kith_lan_entry_add(&peers, 99, 4, "a", &entry), KITH_EFULL);
    kith_lan_peers_deinit(&peers);
}

/* A LAN of liars: the bound holds, and there is room again after a goodbye. */
static void test_bound(void **state) {
    struct kith_lan_peers peers;
    struct kith_lan_entry *entry;
    char name[KITH_LAN_INSTANCE_SIZE];

    init(&peers);
    for (unsigned i = 0; i < KITH_LAN_PEERS_MAX; i++) {
        snprintf(name, sizeof(name), "peer %u", i);
        entry = add(&peers, 1, 4, name);
        resolve(&peers, entry, 2, "10.0.0.1:7700");
    }
    assert_int_equal(kith_lan_entry_add(&peers, 1, 4, "more", &entry), KITH_EFULL);
    (void)add(&peers, 1, 6, "peer 0"); /* a known one may still grow */
    for (unsigned i = 0; i < KITH_LAN_PEERS_MAX; i++) {
        snprintf(name, sizeof(name), "peer %u", i);
        expect(&peers, name, true, 1); /* in order */
    }
    expect_silence(&peers);
    kith_lan_entry_remove(&peers, kith_lan_entry_find(&peers, 1, 4, "peer 7"));
    assert_int_equal(kith_lan_entry_add(&peers, 1, 4, "more", &entry), KITH_EFULL);
    expect(&peers, "peer 7", false, 1);
    (void)add(&peers, 1, 4, "more");
    kith_lan_peers_deinit(&peers);
}

/* At the bound the oldest that does not answer gives way, else the oldest that nobody resolves; who
 * was told and may be there does not. */
static void test_who_yields(void **state) {
    struct kith_lan_peers peers;
    struct kith_lan_peer news;
    bool present;

    init(&peers);
    struct kith_lan_entry *good = add(&peers, 1, 4, "good");
    struct kith_lan_entry *asked = add(&peers, 1, 4, "asked");
    struct kith_lan_entry *fresh = add(&peers, 1, 4, "fresh");
    resolve(&peers, good, 2, "10.0.0.1:7700");
    resolve(&peers, asked, 3, "10.0.0.2:7700");
    while (kith_lan_peers_next(&peers, &news, &present)) {
    }
    assert_ptr_equal(kith_lan_peers_to_yield(&peers), fresh->peer);
    resolve(&peers, fresh, 4, "10.0.0.3:7700");
    assert_null(kith_lan_peers_to_yield(&peers)); /* about to be told */
    while (kith_lan_peers_next(&peers, &news, &present)) {
    }
    assert_null(kith_lan_peers_to_yield(&peers));
    asked->peer->silent = true;
    assert_ptr_equal(kith_lan_peers_to_yield(&peers), asked->peer);
    resolve(&peers, asked, 3, "10.0.0.2:7700"); /* the same again proves nothing */
    expect_silence(&peers);
    assert_ptr_equal(kith_lan_peers_to_yield(&peers), asked->peer);
    resolve(&peers, asked, 3, "10.0.0.9:7700"); /* somewhere else it may be there */
    expect(&peers, "asked", true, 1);
    assert_null(kith_lan_peers_to_yield(&peers));
    kith_lan_peers_deinit(&peers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),       cmocka_unit_test(test_coalesced),
        cmocka_unit_test(test_unresolved), cmocka_unit_test(test_keys),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_bound),
        cmocka_unit_test(test_who_yields),
    };

    return cmocka_run_group_tests_name("lan_peers", tests, NULL, NULL);
}
