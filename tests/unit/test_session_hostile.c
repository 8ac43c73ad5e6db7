/* SPDX-License-Identifier: MIT */
/* Peers that do not mean well: replays, forgeries, floods, and every damaged datagram. */
#include "session_pair.h"

static struct host a;
static struct host b;

static void start_pair(uint32_t handshakes_per_s) {
    host_init(&a, 1, "192.0.2.1:7001");
    host_init(&b, 2, "198.51.100.2:7002");
    b.config.handshakes_per_s = handshakes_per_s;
    host_start(&a);
    host_start(&b);
}

static void stop_pair(void) {
    host_stop(&a);
    host_stop(&b);
}

static void ask(struct host *from, struct host *to, uint64_t now) {
    struct kith_send send = send_to(to, "find");

    send.fresh = true;
    assert_int_equal(kith_sessions_send(from->sessions, &send, now), KITH_SENT_INITIATION);
}

/* A replayed initiation costs a scan, no key agreement, and gets nothing; also long after. */
static void a_replayed_initiation_is_dropped(void **state) {
    static struct held first;
    static struct held more;

    start_pair(UINT32_MAX);
    ask(&a, &b, 0);
    host_must_take(&a, &first, 1);
    assert_int_equal(host_give(&b, &a.at, first.bytes, first.size, 0), KITH_DELIVERY_INITIATION);
    for (unsigned i = 0; i < 200; i++) {
        ask(&a, &b, 0);
        host_must_take(&a, &more, 1);
        assert_int_equal(host_give(&b, &a.at, more.bytes, more.size, 0), KITH_DELIVERY_INITIATION);
    }
    assert_int_equal(host_give(&b, &b.at, first.bytes, first.size, 0), KITH_DELIVERY_NONE);
    assert_int_equal(host_give(&b, &a.at, more.bytes, more.size, 0), KITH_DELIVERY_NONE);
    assert_int_equal(b.stats.drop_replay, 2);
    host_quiet(&b);
    stop_pair();
}

/* Each counter once, in any order, up to the window. */
/* Remembers `n` initiations, one each `pause_ns`, and checks that the last `kept` of them are. */
static uint64_t remember(uint32_t n, uint64_t pause_ns, uint32_t kept, uint64_t now) {
    uint8_t ephemeral[32] = {0};
    static uint32_t serial;

    for (uint32_t i = 0; i < n; i++) {
        now += pause_ns;
        serial++;
        memcpy(ephemeral, &serial, sizeof(serial));
        session_guard_remember(b.sessions, ephemeral, now);
    }
    for (uint32_t i = 0; i < kept; i++) {
        uint32_t earlier = serial - i;
        memcpy(ephemeral, &earlier, sizeof(earlier));
        assert_true(session_guard_seen(b.sessions, ephemeral));
    }
    return now;
}

/* A node at rest need not remember for hours; under load the ring is as large as it ever was. */
static void few_initiations_take_little_memory(void **state) {
    uint64_t pause_ns = 2 * SESSION_RING_S * KITH_NS_PER_S / SESSION_RING_REST;

    start_pair(UINT32_MAX);
    uint64_t now = remember(4 * SESSION_RING_REST, pause_ns, SESSION_RING_REST, KITH_NS_PER_S);
    assert_int_equal(b.sessions->guard.ring_capacity, SESSION_RING_REST);
    now = remember(4 * SESSION_RING_MAX, KITH_NS_PER_MS, SESSION_RING_MAX, now);
    assert_int_equal(b.sessions->guard.ring_capacity, SESSION_RING_MAX);
    stop_pair();
    start_pair(UINT32_MAX);
    now = remember(SESSION_RING_MAX, KITH_NS_PER_MS, SESSION_RING_MAX, now);
    assert_int_equal(b.sessions->guard.ring_capacity, SESSION_RING_MAX);
    stop_pair();
}

static void replayed_and_late_data(void **state) {
    enum { N = SESSION_WINDOW + 10 };
    static struct held d[N];

    start_pair(UINT32_MAX);
    establish(&a, &b, 0);
    struct kith_send send = send_to(&b, "data");
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(kith_sessions_send(a.sessions, &send, 0), KITH_SENT_DATA);
        host_must_take(&a, &d[i], 4);
    }
    assert_int_equal(host_give(&b, &a.at, d[N - 1].bytes, d[N - 1].size, 0), KITH_DELIVERY_DATA);
    for (unsigned i = 0; i < N - 1; i++) {
        enum kith_delivery_kind expected =
            N - 1 - i < SESSION_WINDOW ? KITH_DELIVERY_DATA : KITH_DELIVERY_NONE;
        assert_int_equal(host_give(&b, &a.at, d[i].bytes, d[i].size, 0), expected);
        assert_int_equal(host_give(&b, &a.at, d[i].bytes, d[i].size, 0), KITH_DELIVERY_NONE);
    }
    stop_pair();
}

/* Above half of the budget: no key agreement without a cookie, which the initiator gets by itself.
 */
static void cookies_under_load(void **state) {
    static struct host flood;
    static struct held d;
    static struct held replayed;

    start_pair(16);
    host_init(&flood, 3, "10.0.0.3:7003"); /* exempt from the share of a prefix */
    host_start(&flood);
    for (unsigned i = 0; i < 20; i++) {
        ask(&flood, &b, 0);
        host_must_take(&flood, &d, 1);
        host_give(&b, &flood.at, d.bytes, d.size, 0);
    }
    assert_true(b.stats.cookies_sent > 0);
    while (host_take(&b, &d)) {
        assert_int_equal(d.bytes[0], 3);
        assert_true(d.size <= KITH_SESSION_INIT_OVERHEAD);
    }
    ask(&a, &b, 0);
    assert_int_equal(carry(&a, &b, 1, 0), KITH_DELIVERY_NONE);
    host_must_take(&b, &d, 3);
    /* A cookie is bound to the initiation it answers, and to be taken once. */
    assert_int_equal(host_give(&flood, &b.at, d.bytes, d.size, 0), KITH_DELIVERY_NONE);
    assert_int_equal(host_give(&a, &b.at, d.bytes, d.size, 0), KITH_DELIVERY_NONE);
    assert_int_equal(a.stats.cookies_received, 1);
    host_must_take(&a, &replayed, 1);
    assert_int_equal(host_give(&a, &b.at, d.bytes, d.size, 0), KITH_DELIVERY_NONE);
    assert_int_equal(a.stats.cookies_received, 1);
    host_quiet(&a);
    /* mac2 is good for this address only. */
    assert_int_equal(host_give(&b, &flood.at, replayed.bytes, replayed.size, 0),
                     KITH_DELIVERY_NONE);
    assert_int_equal(host_give(&b, &a.at, replayed.bytes, replayed.size, 0),
                     KITH_DELIVERY_INITIATION);
    assert_payload(&b, "find");
    while (host_take(&b, &d)) {
    }
    answer(&b, "found", 0);
    assert_int_equal(carry(&b, &a, 2, 0), KITH_DELIVERY_RESPONSE);
    /* Established traffic never noticed; after a second all is well again. */
    assert_int_equal(carry(&a, &b, 4, 0), KITH_DELIVERY_DATA);
    ask(&a, &b, KITH_NS_PER_S);
    assert_int_equal(carry(&a, &b, 1, KITH_NS_PER_S), KITH_DELIVERY_INITIATION);
    host_stop(&flood);
    stop_pair();
}

/* A flood from everywhere that lasts gets nothing of what the budget grows by; who receives at his
 * address gets in, who only asks for our key is answered, and a second after it all is as before.
 */
static void a_lasting_flood_is_not_served(void **state) {
    static struct host flood;
    static struct held d;
    unsigned served = 0;
    uint64_t now = 0;

    start_pair(16);
    host_init(&flood, 3, "10.0.0.3:7003"); /* exempt from the share of a prefix */
    host_start(&flood);
    for (unsigned i = 0; i < 400; i++, now += KITH_NS_PER_S / 40) {
        ask(&flood, &b, now);
        host_must_take(&flood, &d, 1);
        unsigned one = host_give(&b, &flood.at, d.bytes, d.size, now) == KITH_DELIVERY_INITIATION;
        served += one;
        assert_true(one == 0 || now < KITH_NS_PER_S); /* at first as many as may come at once */
        while (host_take(&b, &d)) {
        }
    }
    assert_in_range(served, 8, 10);
    assert_int_equal(kith_sessions_who(a.sessions, &b.at, now), 0);
    assert_int_equal(carry(&a, &b, 5, now), KITH_DELIVERY_NONE);
    assert_int_equal(carry(&b, &a, 6, now), KITH_DELIVERY_IAM);
    ask(&a, &b, now);
    assert_int_equal(carry(&a, &b, 1, now), KITH_DELIVERY_NONE);
    assert_int_equal(carry(&b, &a, 3, now), KITH_DELIVERY_NONE);
    assert_int_equal(carry(&a, &b, 1, now), KITH_DELIVERY_INITIATION);
    answer(&b, "found", now);
    assert_int_equal(carry(&b, &a, 2, now), KITH_DELIVERY_RESPONSE);
    now += 1200 * KITH_NS_PER_MS;
    ask(&flood, &b, now);
    assert_int_equal(carry(&flood, &b, 1, now), KITH_DELIVERY_INITIATION);
    host_stop(&flood);
    stop_pair();
}

/* The secret rotates: a cookie lives for two periods at most, and one at least. */
static void cookies_age(void **state) {
    static struct held d;
    static const struct {
        uint64_t age_s;
        bool valid;
    } cases[] = {{0, true}, {119, true}, {121, true}, {239, true}, {241, false}, {1000, false}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start_pair(1000);
        ask(&a, &b, 0);
        host_must_take(&a, &d, 1);
        session_cookie_send(b.sessions, &a.at, kith_span(d.bytes, d.size), 0);
        assert_int_equal(carry(&b, &a, 3, 0), KITH_DELIVERY_NONE);
        host_must_take(&a, &d, 1);
        assert_int_equal(session_mac2_valid(b.sessions, &a.at, kith_span(d.bytes, d.size),
                                            cases[i].age_s * KITH_NS_PER_S),
                         cases[i].valid);
        stop_pair();
    }
}

/* A cookie is worth something where it was sent to: not at a neighbour's, not at another port. */
static void cookies_are_of_an_address(void **state) {
    static struct held d;
    struct kith_endpoint elsewhere;

    start_pair(1000);
    ask(&a, &b, 0);
    host_must_take(&a, &d, 1);
    session_cookie_send(b.sessions, &a.at, kith_span(d.bytes, d.size), 0);
    assert_int_equal(carry(&b, &a, 3, 0), KITH_DELIVERY_NONE);
    host_must_take(&a, &d, 1);
    assert_true(session_mac2_valid(b.sessions, &a.at, kith_span(d.bytes, d.size), 0));
    elsewhere = a.at;
    elsewhere.ip[3] ^= 1;
    assert_false(session_mac2_valid(b.sessions, &elsewhere, kith_span(d.bytes, d.size), 0));
    elsewhere = a.at;
    elsewhere.port ^= 1;
    assert_false(session_mac2_valid(b.sessions, &elsewhere, kith_span(d.bytes, d.size), 0));
    stop_pair();
}

/* One /24 gets an eighth of the budget; others go on. */
static void budget_of_a_prefix(void **state) {
    static struct host other;
    static struct held d;
    unsigned served = 0;

    start_pair(80);
    host_init(&other, 3, "192.0.3.1:7003");
    host_start(&other);
    for (unsigned i = 0; i < 20; i++) {
        ask(&a, &b, 0);
        host_must_take(&a, &d, 1);
        served += host_give(&b, &a.at, d.bytes, d.size, 0) == KITH_DELIVERY_INITIATION;
    }
    assert_int_equal(served, 10);
    assert_int_equal(b.stats.drop_prefix, 10);
    ask(&other, &b, 0);
    assert_int_equal(carry(&other, &b, 1, 0), KITH_DELIVERY_INITIATION);
    host_stop(&other);
    stop_pair();
}

/* Somebody forges initiations of a whole /24: its hosts get a cookie, and with it a share that the
 * forger cannot use up; nor can a bad host among them. */
static void a_forged_prefix_is_not_locked_out(void **state) {
    static struct host bad;
    static struct held d;
    struct kith_endpoint forged = kith_test_endpoint("192.0.2.77:7077");
    unsigned served = 0;

    start_pair(320);
    host_init(&bad, 3, "192.0.2.66:7003");
    host_start(&bad);
    for (unsigned i = 0; i < 100; i++) {
        ask(&bad, &b, 0);
        host_must_take(&bad, &d, 1);
        served += host_give(&b, &forged, d.bytes, d.size, 0) == KITH_DELIVERY_INITIATION;
    }
    assert_int_equal(served, 40);
    while (host_take(&b, &d)) {
        assert_true(d.bytes[0] == 3);
    }
    served = 0;
    for (unsigned i = 0; i < 100; i++) { /* the bad host proves its address */
        ask(&bad, &b, 0);
        served += carry(&bad, &b, 1, 0) == KITH_DELIVERY_INITIATION;
        if (host_take(&b, &d)) { /* the cookie; from now on it has one */
            host_give(&bad, &b.at, d.bytes, d.size, 0);
            served += carry(&bad, &b, 1, 0) == KITH_DELIVERY_INITIATION;
        }
    }
    assert_int_equal(served, 10);
    ask(&a, &b, 0);
    assert_int_equal(carry(&a, &b, 1, 0), KITH_DELIVERY_NONE);
    assert_int_equal(carry(&b, &a, 3, 0), KITH_DELIVERY_NONE);
    assert_int_equal(carry(&a, &b, 1, 0), KITH_DELIVERY_INITIATION);
    answer(&b, "found", 0);
    assert_int_equal(carry(&b, &a, 2, 0), KITH_DELIVERY_RESPONSE);
    host_stop(&bad);
    stop_pair();
}

/* The key in the payload must belong to the static key that authenticated; and whoever holds our
 * own (a copied key file) is told nothing. */
static void keys_that_do_not_fit_or_are_ours(void **state) {
    struct kith_identity twin;
    int outcome;

    start_pair(UINT32_MAX);
    kith_test_identity(&twin, 2);
    memcpy(a.identity.dh_public, twin.dh_public, 32);
    memcpy(a.identity.dh_secret, twin.dh_secret, 32);
    ask(&a, &b, 0);
    assert_int_equal(carry(&a, &b, 1, 0), KITH_DELIVERY_NONE);
    assert_int_equal(b.stats.drop_handshake, 1);
    /* kith_sessions_send() would notice that the peer is itself, so go below it. */
    struct kith_send send = send_to(&b, "find");
    a.identity.key = twin.key;
    assert_int_equal(session_start(a.sessions, &send, 0, &outcome), 0);
    assert_int_equal(carry(&a, &b, 1, 0), KITH_DELIVERY_NONE);
    assert_int_equal(b.stats.drop_self, 1);
    host_quiet(&b);
    stop_pair();
}

/* Damaged copies of `d` at `to`: nothing authenticates, nothing crashes, nothing is answered with
 * more than was sent; and the real one still works after all of them. mac2 is not part of what
 * authenticates (without load it is not read), so its bytes are left alone. */
static void damage(struct host *to, const struct kith_endpoint *from, const struct held *d,
                   size_t ignored_tail, enum kith_delivery_kind expected) {
    static struct held copy;
    static struct held reply;

    for (size_t size = 0; size < d->size; size++) {
        assert_int_equal(host_give(to, from, d->bytes, size, 0), KITH_DELIVERY_NONE);
    }
    for (size_t bit = 0; bit < 8 * (d->size - ignored_tail); bit++) {
        copy = *d;
        copy.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(host_give(to, from, copy.bytes, copy.size, 0), KITH_DELIVERY_NONE);
        while (host_take(to, &reply)) {
            assert_true(reply.size <= copy.size);
        }
    }
    assert_int_equal(host_give(to, from, d->bytes, d->size, 0), expected);
}

/* The macs keep no forger out, since everyone knows our key: every bit of the Noise message again,
 * with a good mac1. (The indices in the header are not authenticated: who changes them on the way
 * can break a handshake, as he could by dropping it.) */
static void damage_behind_mac1(struct host *to, const struct host *from, const struct held *d,
                               size_t header) {
    static struct held copy;
    size_t covered = d->size - SESSION_MACS;
    uint64_t before = to->stats.drop_handshake;

    for (size_t bit = 8 * header; bit < 8 * covered; bit++) {
        copy = *d;
        copy.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        session_macs_write(&kith_cipher_sodium, copy.bytes, covered, &to->identity.key, NULL);
        assert_int_equal(host_give(to, &from->at, copy.bytes, copy.size, 0), KITH_DELIVERY_NONE);
    }
    assert_int_equal(to->stats.drop_handshake - before, 8 * (covered - header));
    host_quiet(to);
}

static void every_bit_and_length_of_a_handshake(void **state) {
    static struct held d;

    start_pair(UINT32_MAX);
    ask(&a, &b, 0);
    host_must_take(&a, &d, 1);
    damage_behind_mac1(&b, &a, &d, SESSION_INIT_HEADER);
    damage(&b, &a.at, &d, SESSION_MAC, KITH_DELIVERY_INITIATION);
    answer(&b, "found", 0);
    host_must_take(&b, &d, 2);
    damage_behind_mac1(&a, &b, &d, SESSION_RESP_HEADER);
    damage(&a, &b.at, &d, SESSION_MAC, KITH_DELIVERY_RESPONSE);
    host_must_take(&a, &d, 4);
    damage(&b, &a.at, &d, 0, KITH_DELIVERY_DATA);
    assert_true(b.got.confirmed_now);
    struct kith_send send = send_to(&b, "some data");
    assert_int_equal(kith_sessions_send(a.sessions, &send, 0), KITH_SENT_DATA);
    host_must_take(&a, &d, 4);
    damage(&b, &a.at, &d, 0, KITH_DELIVERY_DATA);
    stop_pair();
}

static void every_bit_and_length_of_the_rest(void **state) {
    static struct held d;
    static struct held iam;

    start_pair(UINT32_MAX);
    ask(&a, &b, 0);
    host_must_take(&a, &d, 1);
    session_cookie_send(b.sessions, &a.at, kith_span(d.bytes, d.size), 0);
    host_must_take(&b, &d, 3);
    damage(&a, &b.at, &d, 0, KITH_DELIVERY_NONE);
    assert_int_equal(a.stats.cookies_received, 1);
    host_must_take(&a, &d, 1);

    assert_int_equal(kith_sessions_who(a.sessions, &b.at, 0), 0);
    host_must_take(&a, &d, 5);
    damage(&b, &a.at, &d, 0, KITH_DELIVERY_NONE);
    host_must_take(&b, &iam, 6);
    /* A forger who guesses the endpoint has few tries, then the question must be asked again. */
    for (size_t bit = 0; bit < 8 * iam.size; bit++) {
        iam.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bit % SESSION_WHO_TRIES == 0) {
            assert_int_equal(kith_sessions_who(a.sessions, &b.at, 0), 0);
        }
        assert_int_equal(host_give(&a, &b.at, iam.bytes, iam.size, 0), KITH_DELIVERY_NONE);
        iam.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(host_give(&a, &b.at, iam.bytes, iam.size, 0), KITH_DELIVERY_NONE);
    assert_int_equal(kith_sessions_who(a.sessions, &b.at, 0), 0);
    damage(&a, &b.at, &(struct held){.size = 0}, 0, KITH_DELIVERY_NONE);
    assert_int_equal(host_give(&a, &b.at, iam.bytes, iam.size, 0), KITH_DELIVERY_IAM);
    stop_pair();
}

/* Nothing but noise, of every type and many sizes. */
static void noise_is_dropped(void **state) {
    uint8_t bytes[KITH_DATAGRAM_MAX + 1];
    uint64_t storage[4];
    struct kith_random random = kith_test_random(storage, 42);
    struct kith_endpoint bad = kith_test_endpoint("224.0.0.1:5");

    start_pair(UINT32_MAX);
    establish(&a, &b, 0);
    for (unsigned i = 0; i < 20000; i++) {
        size_t size = kith_random_below(&random, sizeof(bytes) + 1);
        kith_random_secure(&random, bytes, size);
        bytes[0] = (uint8_t)kith_random_below(&random, 8);
        if (i % 2 == 0) {
            bytes[1] = bytes[2] = bytes[3] = 0;
        }
        assert_int_equal(host_give(&b, &a.at, bytes, size, 0), KITH_DELIVERY_NONE);
    }
    assert_int_equal(host_give(&b, &bad, bytes, 100, 0), KITH_DELIVERY_NONE);
    assert_int_equal(b.stats.drop_source, 1);
    assert_true(b.stats.drop_type > 0 && b.stats.drop_empty > 0 && b.stats.drop_mac > 0);
    stop_pair();
}

static unsigned n_agreements;

static int count_dh(uint8_t shared[32], const uint8_t secret[32], const uint8_t public_key[32]) {
    n_agreements++;
    return kith_curve_sodium.dh(shared, secret, public_key);
}

/* Whoever we asked knows the index, and each forged response costs two key agreements: of those one
 * handshake takes a few, and the peer is asked again as if it had not answered. */
static void a_flood_of_responses_is_not_tried(void **state) {
    static struct held d;
    struct kith_curve counting = kith_curve_sodium;

    host_init(&a, 1, "192.0.2.1:7001");
    host_init(&b, 2, "198.51.100.2:7002");
    counting.dh = count_dh;
    a.config.curve = &counting;
    a.config.handshakes_per_s = 2000;
    host_start(&a);
    host_start(&b);
    ask(&a, &b, 0);
    assert_int_equal(carry(&a, &b, 1, 0), KITH_DELIVERY_INITIATION);
    answer(&b, "found", 0);
    host_must_take(&b, &d, 2);
    size_t covered = d.size - SESSION_MACS;
    n_agreements = 0;
    for (unsigned i = 0; i < 1000; i++) {
        d.bytes[covered - 1]++;
        if (i % 256 == 255) {
            d.bytes[covered - 2]++;
        }
        session_macs_write(&kith_cipher_sodium, d.bytes, covered, &a.identity.key, NULL);
        assert_int_equal(host_give(&a, &b.at, d.bytes, d.size, 0), KITH_DELIVERY_NONE);
    }
    assert_in_range(n_agreements, 2, 64);
    establish(&a, &b, KITH_NS_PER_S);
    stop_pair();
}

/* All 256 /56 of one /48, with cookies: they get a quarter of the budget with one, and one without.
 */
static void one_site_leaves_the_others_half(void **state) {
    (void)state;
    unsigned n = 0;
    start_pair(2000);
    for (unsigned i = 0; i < 256 * 64; i++) {
        struct kith_endpoint from = kith_test_endpoint("[2a01:1:2::1]:7000");
        from.ip[6] = (uint8_t)i;
        from.ip[15] = (uint8_t)(i >> 8);
        n += session_guard_admit(b.sessions, &from, true, KITH_NS_PER_S) == SESSION_ADMIT;
    }
    assert_in_range(n, 500, 1002);
    struct kith_endpoint other = kith_test_endpoint("[2a01:1:3::1]:7000");
    assert_int_equal(session_guard_admit(b.sessions, &other, true, KITH_NS_PER_S), SESSION_ADMIT);
    stop_pair();
}

/* A peer's last byte of padding is what it should not be: nothing may hide there. */
static void seal_padded(const uint8_t key[KITH_CIPHER_KEY], uint64_t counter, struct kith_span ad,
                        struct kith_span plain, uint8_t *out) {
    uint8_t copy[KITH_DATAGRAM_MAX];

    memcpy(copy, plain.data, plain.size);
    if (plain.size > KITH_KEY_SIZE) { /* not the static key */
        copy[plain.size - 1] = 1;
    }
    kith_cipher_sodium.seal(key, counter, ad, kith_span(copy, plain.size), out);
}

static void padding_is_zero(void **state) {
    struct kith_cipher cipher = kith_cipher_sodium;
    struct kith_curve curve = kith_curve_sodium;

    cipher.seal = seal_padded;
    curve.cipher = &cipher;
    host_init(&a, 1, "192.0.2.1:7001");
    host_init(&b, 2, "198.51.100.2:7002");
    a.config.curve = &curve;
    host_start(&a);
    host_start(&b);
    struct kith_send send = send_to(&b, "find");
    send.answer_hope = 1000;
    assert_int_equal(kith_sessions_send(a.sessions, &send, 0), KITH_SENT_INITIATION);
    assert_int_equal(carry(&a, &b, 1, 0), KITH_DELIVERY_NONE);
    assert_int_equal(b.stats.drop_malformed, 1);
    host_quiet(&b);
    stop_pair();
}

/* Keys end long before the cipher would bear no more. */
static void a_counter_too_high_is_refused(void **state) {
    static const uint64_t counters[] = {SESSION_COUNTER_MAX, UINT64_MAX, SESSION_COUNTER_MAX - 1};

    start_pair(UINT32_MAX);
    establish(&a, &b, 0);
    const struct session *session = session_first_of(a.sessions, &b.identity.key);
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        uint8_t datagram[KITH_SESSION_DATA_OVERHEAD + 1];
        session_put_type(datagram, SESSION_TYPE_DATA);
        session_put_u32(datagram + 4, session->remote_index);
        session_put_u32(datagram + 8, (uint32_t)(counters[i] >> 32));
        session_put_u32(datagram + 12, (uint32_t)counters[i]);
        kith_cipher_sodium.seal(session->as.keys.send, counters[i],
                                kith_span(datagram, SESSION_DATA_HEADER), kith_span("x", 1),
                                datagram + SESSION_DATA_HEADER);
        assert_int_equal(host_give(&b, &a.at, datagram, sizeof(datagram), 0),
                         counters[i] < SESSION_COUNTER_MAX ? KITH_DELIVERY_DATA
                                                           : KITH_DELIVERY_NONE);
    }
    assert_int_equal(b.stats.drop_replay, 2);
    stop_pair();
}

/* Questions for the key cost a signature each: an eighth of the budget, whoever asks. */
static void budget_of_whos(void **state) {
    static struct host flood;
    static struct held d;
    unsigned answered = 0;

    start_pair(80);
    host_init(&flood, 3, "10.0.0.3:7003"); /* exempt from the share of a prefix */
    host_start(&flood);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(kith_sessions_who(flood.sessions, &b.at, 0), 0);
        assert_int_equal(carry(&flood, &b, 5, 0), KITH_DELIVERY_NONE);
        answered += host_take(&b, &d);
    }
    assert_int_equal(answered, 10);
    assert_int_equal(b.stats.drop_load, 30);
    /* Handshakes have another one, and a second later all is well again. */
    ask(&a, &b, 0);
    assert_int_equal(carry(&a, &b, 1, 0), KITH_DELIVERY_INITIATION);
    assert_int_equal(kith_sessions_who(a.sessions, &b.at, KITH_NS_PER_S), 0);
    assert_int_equal(carry(&a, &b, 5, KITH_NS_PER_S), KITH_DELIVERY_NONE);
    assert_int_equal(carry(&b, &a, 6, KITH_NS_PER_S), KITH_DELIVERY_IAM);
    host_stop(&flood);
    stop_pair();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_site_leaves_the_others_half),
        cmocka_unit_test(a_replayed_initiation_is_dropped),
        cmocka_unit_test(few_initiations_take_little_memory),
        cmocka_unit_test(replayed_and_late_data),
        cmocka_unit_test(cookies_under_load),
        cmocka_unit_test(a_lasting_flood_is_not_served),
        cmocka_unit_test(cookies_age),
        cmocka_unit_test(cookies_are_of_an_address),
        cmocka_unit_test(budget_of_a_prefix),
        cmocka_unit_test(a_forged_prefix_is_not_locked_out),
        cmocka_unit_test(keys_that_do_not_fit_or_are_ours),
        cmocka_unit_test(every_bit_and_length_of_a_handshake),
        cmocka_unit_test(every_bit_and_length_of_the_rest),
        cmocka_unit_test(a_flood_of_responses_is_not_tried),
        cmocka_unit_test(noise_is_dropped),
        cmocka_unit_test(padding_is_zero),
        cmocka_unit_test(a_counter_too_high_is_refused),
        cmocka_unit_test(budget_of_whos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
