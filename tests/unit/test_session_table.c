/* SPDX-License-Identifier: MIT */
/* Bounds: who goes when the table or a prefix is full, and how little an established session costs.
 */
#include "session_pair.h"

#include <malloc.h>

static struct kith_endpoint place(uint8_t net, uint8_t host) {
    struct kith_endpoint e = kith_test_endpoint("192.0.2.1:7000");

    e.ip[2] = net;
    e.ip[3] = host;
    return e;
}

static void number_host(struct host *h, uint8_t number, uint8_t net) {
    host_init(h, number, "192.0.2.1:7000");
    h->at = place(net, number);
    host_start(h);
}

/* A half-open session at `to`: `from` asked and got its answer, no more. */
static void half_open(struct host *from, struct host *to, uint64_t now) {
    struct kith_send send = send_to(to, "ask");
    struct held d;

    send.fresh = true;
    assert_int_equal(kith_sessions_send(from->sessions, &send, now), KITH_SENT_INITIATION);
    assert_int_equal(carry(from, to, 1, now), KITH_DELIVERY_INITIATION);
    assert_int_equal(kith_sessions_answer(to->sessions, &to->got, kith_span_text("yes"), now), 0);
    host_must_take(to, &d, 2);
}

/* A routing table of few. */
struct pinned {
    unsigned n;
    struct kith_key keys[4];
};

static bool is_pinned(void *context, const struct kith_key *key) {
    const struct pinned *pinned = context;

    for (unsigned i = 0; i < pinned->n; i++) {
        if (memcmp(pinned->keys[i].bytes, key->bytes, sizeof(key->bytes)) == 0) {
            return true;
        }
    }
    return false;
}

static void pin(struct host *us, struct pinned *pinned, const struct host *peer) {
    pinned->keys[pinned->n++] = peer->identity.key;
    kith_sessions_pin(us->sessions, &peer->identity.key, true);
}

/* Half-open first, then idle longest, then (only then) pinned ones. */
static void eviction_order(void **state) {
    static struct host peers[6];
    static struct host us;
    struct pinned pinned = {0};

    host_init(&us, 100, "198.51.100.1:7000");
    us.config.sessions_max = 3;
    us.config.is_pinned = is_pinned;
    us.config.context = &pinned;
    host_start(&us);
    for (uint8_t i = 0; i < 6; i++) {
        number_host(&peers[i], (uint8_t)(i + 1), i);
    }
    pin(&us, &pinned, &peers[0]); /* before it has a session */
    establish(&peers[0], &us, 1);
    establish(&peers[1], &us, 2);
    half_open(&peers[2], &us, 3);
    establish(&peers[3], &us, 4); /* the half-open one goes */
    assert_true(kith_sessions_has(us.sessions, &peers[0].identity.key));
    assert_true(kith_sessions_has(us.sessions, &peers[1].identity.key));
    establish(&peers[4], &us, 5); /* idle longest and not pinned: peer 1 */
    assert_true(kith_sessions_has(us.sessions, &peers[0].identity.key));
    assert_false(kith_sessions_has(us.sessions, &peers[1].identity.key));
    assert_true(kith_sessions_has(us.sessions, &peers[3].identity.key));
    /* Two half-open ones: only one real session pays for them. */
    half_open(&peers[5], &us, 6);
    half_open(&peers[2], &us, 7);
    assert_true(kith_sessions_has(us.sessions, &peers[0].identity.key));
    assert_true(kith_sessions_has(us.sessions, &peers[4].identity.key));
    assert_int_equal(kith_sessions_count(us.sessions), 3);
    /* All pinned: then the one unused for longest. */
    pin(&us, &pinned, &peers[4]);
    pin(&us, &pinned, &peers[3]);
    establish(&peers[3], &us, 8);
    establish(&peers[1], &us, 9);
    assert_true(kith_sessions_has(us.sessions, &peers[1].identity.key));
    assert_true(us.stats.sessions_evicted >= 5);
    /* Who is in no table any more is like others again, and goes before those who are. */
    pinned.n--;
    kith_sessions_pin(us.sessions, &peers[3].identity.key, false);
    establish(&peers[2], &us, 10);
    establish(&peers[5], &us, 11);
    assert_false(kith_sessions_has(us.sessions, &peers[3].identity.key));
    assert_true(kith_sessions_has(us.sessions, &peers[4].identity.key));
    for (unsigned i = 0; i < 6; i++) {
        host_stop(&peers[i]);
    }
    host_stop(&us);
}

/* Questions to several peers at once, from a table full of sessions that matter, while strangers
 * open more: each of ours gets its answer. */
static void own_handshakes_stay(void **state) {
    static struct host peers[7];
    static struct host us;
    struct kith_send ask;

    host_init(&us, 100, "198.51.100.1:7000");
    us.config.sessions_max = 4;
    host_start(&us);
    for (uint8_t i = 0; i < 7; i++) {
        number_host(&peers[i], (uint8_t)(i + 1), i);
        if (i < 4) {
            kith_sessions_pin(us.sessions, &peers[i].identity.key, true);
            establish(&peers[i], &us, i);
        }
    }
    for (uint8_t i = 4; i < 6; i++) {
        ask = send_to(&peers[i], "ask");
        assert_int_equal(kith_sessions_send(us.sessions, &ask, 5), KITH_SENT_INITIATION);
        assert_int_equal(carry(&us, &peers[i], 1, 5), KITH_DELIVERY_INITIATION);
        assert_int_equal(
            kith_sessions_answer(peers[i].sessions, &peers[i].got, kith_span_text("yes"), 5), 0);
    }
    half_open(&peers[6], &us, 6);
    half_open(&peers[0], &us, 7);
    for (uint8_t i = 4; i < 6; i++) {
        assert_int_equal(carry(&peers[i], &us, 2, 8), KITH_DELIVERY_RESPONSE);
        assert_true(kith_sessions_has(us.sessions, &peers[i].identity.key));
    }
    assert_int_equal(kith_sessions_count(us.sessions), 4);
    for (unsigned i = 0; i < 7; i++) {
        host_stop(&peers[i]);
    }
    host_stop(&us);
}

/* One /24 fills its share and loses its own sessions; another is not touched; pinned ones stay. */
static void share_of_a_prefix(void **state) {
    static struct host peers[5];
    static struct host other;
    static struct host us;

    host_init(&us, 100, "198.51.100.1:7000");
    us.config.sessions_per_prefix = 2;
    host_start(&us);
    number_host(&other, 50, 9);
    establish(&other, &us, 0);
    for (uint8_t i = 0; i < 5; i++) {
        number_host(&peers[i], (uint8_t)(i + 1), 1);
    }
    establish(&peers[0], &us, 1);
    establish(&peers[1], &us, 2);
    establish(&peers[2], &us, 3);
    assert_int_equal(kith_sessions_count(us.sessions), 3);
    assert_false(kith_sessions_has(us.sessions, &peers[0].identity.key));
    kith_sessions_pin(us.sessions, &peers[1].identity.key, true);
    kith_sessions_pin(us.sessions, &peers[2].identity.key, true);
    struct kith_send send = send_to(&us, "ask");
    assert_int_equal(kith_sessions_send(peers[3].sessions, &send, 4), KITH_SENT_INITIATION);
    assert_int_equal(carry(&peers[3], &us, 1, 4), KITH_DELIVERY_INITIATION);
    assert_int_equal(kith_sessions_answer(us.sessions, &us.got, kith_span_text("yes"), 4),
                     KITH_EFULL);
    assert_int_equal(us.stats.drop_prefix, 1);
    struct kith_send ask = send_to(&peers[4], "ask");
    assert_int_equal(kith_sessions_send(us.sessions, &ask, 4), KITH_EFULL);
    /* Nor can a session move in there. */
    establish(&other, &us, 5);
    struct kith_endpoint there = place(1, 77);
    kith_sessions_move(us.sessions, us.got.session, &there);
    assert_int_equal(us.stats.sessions_roamed, 0);
    there = place(3, 77);
    kith_sessions_move(us.sessions, us.got.session, &there);
    assert_int_equal(us.stats.sessions_roamed, 1);
    assert_true(kith_sessions_has(us.sessions, &other.identity.key));
    for (unsigned i = 0; i < 5; i++) {
        host_stop(&peers[i]);
    }
    host_stop(&other);
    host_stop(&us);
}

/* Within a full prefix, too, what is half-open goes before what is established, however old. */
static void half_open_first_within_a_prefix(void **state) {
    static struct host peers[3];
    static struct host us;

    host_init(&us, 100, "198.51.100.1:7000");
    us.config.sessions_per_prefix = 2;
    host_start(&us);
    for (uint8_t i = 0; i < 3; i++) {
        number_host(&peers[i], (uint8_t)(i + 1), 1);
    }
    establish(&peers[0], &us, 1);
    half_open(&peers[1], &us, 2);
    establish(&peers[2], &us, 3);
    assert_true(kith_sessions_has(us.sessions, &peers[0].identity.key));
    assert_true(kith_sessions_has(us.sessions, &peers[2].identity.key));
    assert_int_equal(kith_sessions_count(us.sessions), 2);
    for (unsigned i = 0; i < 3; i++) {
        host_stop(&peers[i]);
    }
    host_stop(&us);
}

/* Private addresses have no share. */
static void private_addresses_are_exempt(void **state) {
    static struct host us;

    host_init(&us, 100, "198.51.100.1:7000");
    us.config.sessions_per_prefix = 1;
    host_start(&us);
    for (uint8_t i = 0; i < 4; i++) {
        static struct host peer;
        host_init(&peer, (uint8_t)(i + 1), "10.0.0.1:7000");
        peer.at.ip[3] = i;
        host_start(&peer);
        establish(&peer, &us, i);
        host_stop(&peer);
    }
    assert_int_equal(kith_sessions_count(us.sessions), 4);
    host_stop(&us);
}

/* The index of a dropped session finds nothing, also when its slot is in use again. */
static void an_index_is_not_reused(void **state) {
    static struct host a;
    static struct host us;
    struct held old;

    host_init(&us, 100, "198.51.100.1:7000");
    us.config.sessions_max = 1;
    host_start(&us);
    number_host(&a, 1, 1);
    establish(&a, &us, 0);
    struct kith_send send = send_to(&us, "data");
    assert_int_equal(kith_sessions_send(a.sessions, &send, 0), KITH_SENT_DATA);
    host_must_take(&a, &old, 4);
    kith_session_ref ref = us.got.session;
    establish(&a, &us, 1);
    assert_int_equal(host_give(&us, &a.at, old.bytes, old.size, 1), KITH_DELIVERY_NONE);
    assert_int_equal(us.stats.drop_session, 1);
    assert_int_equal(kith_sessions_probe(us.sessions, ref, &a.at, kith_span("x", 1), 1),
                     KITH_ENOT_FOUND);
    host_stop(&a);
    host_stop(&us);
}

/* A rush of strangers leaves nothing behind but those who were there last, wherever they sit. */
static void slots_are_given_back(void **state) {
    static struct host peers[64];
    static struct host us;
    uint64_t later = (KITH_SESSION_HANDSHAKE_S + 1) * KITH_NS_PER_S;

    host_init(&us, 100, "198.51.100.1:7000");
    host_start(&us);
    for (uint8_t i = 0; i < 64; i++) {
        number_host(&peers[i], (uint8_t)(i + 1), i);
        if (i == 0 || i == 20) {
            establish(&peers[i], &us, 0);
        } else {
            half_open(&peers[i], &us, 0);
        }
    }
    assert_true(us.sessions->n_slots >= 64);
    kith_timers_run(&us.timers, later);
    assert_int_equal(kith_sessions_count(us.sessions), 2);
    assert_true(us.sessions->n_slots < 32);
    assert_null(kith_sessions_check(us.sessions));
    assert_true(kith_sessions_has(us.sessions, &peers[20].identity.key));
    establish(&peers[1], &us, later); /* the lowest free one */
    assert_int_equal(us.sessions->used_to, 21);
    assert_null(kith_sessions_check(us.sessions));
    for (unsigned i = 0; i < 64; i++) {
        host_stop(&peers[i]);
    }
    host_stop(&us);
}

/* A sanitizer counts allocations exactly; without one, at least nothing may be left behind. */
extern int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *,
                                                                       size_t),
                                                     void (*on_free)(const volatile void *))
    __attribute__((weak));

static size_t n_allocations;

static void on_malloc(const volatile void *pointer, size_t size) {
    n_allocations++;
}

static void on_free(const volatile void *pointer) {
}

static size_t allocations(void) {
    return __sanitizer_install_malloc_and_free_hooks != NULL ? n_allocations : mallinfo2().uordblks;
}

static void established_traffic_allocates_nothing(void **state) {
    static struct host a;
    static struct host b;
    static struct held d;

    host_init(&b, 100, "198.51.100.1:7000");
    host_start(&b);
    number_host(&a, 1, 1);
    establish(&a, &b, 0);
    if (__sanitizer_install_malloc_and_free_hooks != NULL) {
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    }
    size_t before = allocations();
    struct kith_send send = send_to(&b, "data");
    for (uint64_t i = 0; i < 1000; i++) {
        if (kith_sessions_send(a.sessions, &send, i) != KITH_SENT_DATA || !host_take(&a, &d)) {
            fail();
        }
        kith_sessions_receive(b.sessions, &a.at, kith_span(d.bytes, d.size), i, &b.got);
        if (kith_sessions_answer(b.sessions, &b.got, kith_span_text("back"), i) != 0 ||
            !host_take(&b, &d)) {
            fail();
        }
        kith_sessions_receive(a.sessions, &b.at, kith_span(d.bytes, d.size), i, &a.got);
    }
    assert_int_equal(allocations(), before);
    assert_int_equal(a.got.kind, KITH_DELIVERY_DATA);
    /* Simulations hold a million of these. */
    assert_true(sizeof(struct session) < 400);
    host_stop(&a);
    host_stop(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eviction_order),
        cmocka_unit_test(own_handshakes_stay),
        cmocka_unit_test(share_of_a_prefix),
        cmocka_unit_test(half_open_first_within_a_prefix),
        cmocka_unit_test(private_addresses_are_exempt),
        cmocka_unit_test(an_index_is_not_reused),
        cmocka_unit_test(slots_are_given_back),
        cmocka_unit_test(established_traffic_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
