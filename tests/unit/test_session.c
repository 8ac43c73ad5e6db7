/* SPDX-License-Identifier: MIT */
/* How sessions begin, carry, roam, age and end between peers that mean well, and lose datagrams. */
#include "session_pair.h"

enum { S = 1000 }; /* milliseconds, so that products stay in range */

static uint64_t ms(uint64_t n) {
    return n * KITH_NS_PER_MS;
}

struct world {
    struct host a;
    struct host b;
};

static void world_init(struct world *w) {
    host_init(&w->a, 1, "192.0.2.1:7001");
    host_init(&w->b, 2, "198.51.100.2:7002");
}

static void world_start(struct world *w) {
    host_start(&w->a);
    host_start(&w->b);
}

static void world_stop(struct world *w) {
    host_stop(&w->a);
    host_stop(&w->b);
}

static void one_round_trip(struct host *a, struct host *b) {
    struct kith_send send = send_to(b, "find");

    assert_int_equal(kith_sessions_send(a->sessions, &send, 0), KITH_SENT_INITIATION);
    assert_int_equal(carry(a, b, 1, 0), KITH_DELIVERY_INITIATION);
    assert_payload(b, "find");
    assert_memory_equal(b->got.key.bytes, a->identity.key.bytes, 32);
    assert_false(b->got.allowance.proven);
    answer(b, "found", 0);
    /* Answered once. */
    assert_int_equal(kith_sessions_answer(b->sessions, &b->got, kith_span_text("x"), 0),
                     KITH_ENOT_FOUND);
    assert_int_equal(carry(b, a, 2, 0), KITH_DELIVERY_RESPONSE);
    assert_payload(a, "found");
    assert_true(kith_sessions_has(a->sessions, &b->identity.key));
    assert_false(kith_sessions_has(b->sessions, &a->identity.key));
    assert_int_equal(carry(a, b, 4, 0), KITH_DELIVERY_DATA);
    assert_payload(b, "");
    assert_true(b->got.confirmed_now);
    assert_true(b->got.allowance.proven);
    assert_true(kith_sessions_has(b->sessions, &a->identity.key));
    assert_int_equal(b->stats.sessions_confirmed, 1);
    /* Now data, both ways, from either side. */
    send = send_to(a, "back");
    assert_int_equal(kith_sessions_send(b->sessions, &send, 0), KITH_SENT_DATA);
    assert_int_equal(carry(b, a, 4, 0), KITH_DELIVERY_DATA);
    assert_payload(a, "back");
    answer(a, "and forth", 0);
    assert_int_equal(carry(a, b, 4, 0), KITH_DELIVERY_DATA);
    assert_payload(b, "and forth");
    assert_false(b->got.confirmed_now);
}

static void request_and_answer_in_one_round_trip(void **state) {
    struct world w;

    world_init(&w);
    world_start(&w);
    one_round_trip(&w.a, &w.b);
    world_stop(&w);
}

static void the_other_way_round(void **state) {
    struct world w;

    world_init(&w);
    world_start(&w);
    one_round_trip(&w.b, &w.a);
    world_stop(&w);
}

static void with_a_network_secret(void **state) {
    static const uint8_t secret[32] = {7};
    struct world w;

    world_init(&w);
    w.a.config.network_secret = secret;
    w.b.config.network_secret = secret;
    world_start(&w);
    one_round_trip(&w.a, &w.b);
    world_stop(&w);
}

/* Another network: message 1 does not authenticate. */
static void another_network(void **state) {
    struct world w;

    world_init(&w);
    w.b.config.network = "other";
    world_start(&w);
    struct kith_send send = send_to(&w.b, "find");
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
    assert_int_equal(carry(&w.a, &w.b, 1, 0), KITH_DELIVERY_NONE);
    assert_int_equal(w.b.stats.drop_handshake, 1);
    host_quiet(&w.b);
    world_stop(&w);
}

/* Without the secret the answer cannot be read (psk2), and nobody gets a session. */
static void another_secret(void **state) {
    static const uint8_t secrets[2][32] = {{7}, {8}};
    struct world w;

    world_init(&w);
    w.a.config.network_secret = secrets[0];
    w.b.config.network_secret = secrets[1];
    world_start(&w);
    struct kith_send send = send_to(&w.b, "find");
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
    assert_int_equal(carry(&w.a, &w.b, 1, 0), KITH_DELIVERY_INITIATION);
    answer(&w.b, "found", 0);
    assert_int_equal(carry(&w.b, &w.a, 2, 0), KITH_DELIVERY_NONE);
    assert_int_equal(w.a.stats.drop_handshake, 1);
    assert_false(kith_sessions_has(w.a.sessions, &w.b.identity.key));
    world_stop(&w);
}

/* Addressed to another key: mac1 does not fit. */
static void another_key(void **state) {
    struct world w;
    struct kith_identity other;

    world_init(&w);
    world_start(&w);
    kith_test_identity(&other, 9);
    struct kith_send send = send_to(&w.b, "find");
    send.key = other.key;
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
    assert_int_equal(carry(&w.a, &w.b, 1, 0), KITH_DELIVERY_NONE);
    assert_int_equal(w.b.stats.drop_mac, 1);
    world_stop(&w);
}

static void refused_arguments(void **state) {
    struct world w;
    uint8_t large[KITH_DATAGRAM_MAX] = {0};

    world_init(&w);
    world_start(&w);
    struct kith_send send = send_to(&w.b, "x");
    send.to.port = 0;
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_EINVALID);
    send = send_to(&w.b, "x");
    send.key = w.a.identity.key; /* our own */
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_EINVALID);
    send = send_to(&w.b, "x");
    send.payload = kith_span(large, SESSION_MESSAGE_MAX + 1);
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_ETOO_LARGE);
    send = send_to(&w.b, "x");
    memset(send.key.bytes, 0, 32); /* a point of small order */
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_EVERIFY);
    assert_int_equal(kith_sessions_probe(w.a.sessions, 77, &w.b.at, send.payload, 0),
                     KITH_ENOT_FOUND);
    assert_int_equal(kith_sessions_count(w.a.sessions), 0);
    world_stop(&w);
}

/* The initiation is as long as the answer hoped for, and the answer may be exactly that long. */
static void padding_makes_room_for_the_answer(void **state) {
    static const size_t hopes[] = {0, 1, 77, 78, 79, 640, 1139, 1140, 5000};
    uint8_t text[KITH_DATAGRAM_MAX] = {0};

    for (size_t i = 0; i < sizeof(hopes) / sizeof(hopes[0]); i++) {
        struct world w;
        struct held d;
        size_t most = KITH_DATAGRAM_MAX - KITH_SESSION_RESP_OVERHEAD;
        world_init(&w);
        world_start(&w);
        struct kith_send send = send_to(&w.b, "find");
        send.answer_hope = hopes[i];
        assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
        host_must_take(&w.a, &d, 1);
        assert_true(d.size <= KITH_DATAGRAM_MAX);
        assert_int_equal(host_give(&w.b, &w.a.at, d.bytes, d.size, 0), KITH_DELIVERY_INITIATION);
        assert_payload(&w.b, "find");
        assert_true(w.b.got.answer_max >= (hopes[i] < most ? hopes[i] : most));
        assert_int_equal(kith_sessions_answer(w.b.sessions, &w.b.got,
                                              kith_span(text, w.b.got.answer_max + 1), 0),
                         KITH_ETOO_LARGE);
        assert_int_equal(
            kith_sessions_answer(w.b.sessions, &w.b.got, kith_span(text, w.b.got.answer_max), 0),
            0);
        struct held reply;
        host_must_take(&w.b, &reply, 2);
        assert_int_equal(reply.size, d.size);
        world_stop(&w);
    }
}

/* A write waits for the handshake; so does what follows; all goes out in order. */
static void writes_wait_in_the_queue(void **state) {
    struct world w;

    world_init(&w);
    world_start(&w);
    struct kith_send send = send_to(&w.b, "put 0");
    send.early = false;
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_QUEUED);
    for (unsigned i = 1; i < KITH_SESSION_QUEUE_MAX; i++) {
        char text[8];
        snprintf(text, sizeof(text), "put %u", i);
        send.payload = kith_span_text(text);
        assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_QUEUED);
    }
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_EFULL);
    /* Answered by the session layer itself: there is no request in it. */
    assert_int_equal(carry(&w.a, &w.b, 1, 0), KITH_DELIVERY_NONE);
    assert_int_equal(carry(&w.b, &w.a, 2, 0), KITH_DELIVERY_RESPONSE);
    assert_payload(&w.a, "");
    for (unsigned i = 0; i < KITH_SESSION_QUEUE_MAX; i++) {
        char text[8];
        snprintf(text, sizeof(text), "put %u", i);
        assert_int_equal(carry(&w.a, &w.b, 4, 0), KITH_DELIVERY_DATA);
        assert_payload(&w.b, text);
        assert_int_equal(w.b.got.confirmed_now, i == 0);
    }
    host_quiet(&w.a); /* the queue was proof enough */
    world_stop(&w);
}

/* What does not fit into an initiation is held as well. */
static void a_large_read_is_queued(void **state) {
    struct world w;
    uint8_t large[KITH_DATAGRAM_MAX] = {0};

    world_init(&w);
    world_start(&w);
    struct kith_send send = send_to(&w.b, "");
    send.payload = kith_span(large, SESSION_REQUEST_MAX);
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
    struct held d;
    host_must_take(&w.a, &d, 1);
    assert_int_equal(d.size, KITH_DATAGRAM_MAX);
    send.payload = kith_span(large, SESSION_REQUEST_MAX + 1);
    send.fresh = true;
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_QUEUED);
    world_stop(&w);
}

/* A client does not prove its address unasked. */
static void a_client_sends_no_empty_data(void **state) {
    struct world w;

    world_init(&w);
    w.a.config.client = true;
    world_start(&w);
    struct kith_send send = send_to(&w.b, "find");
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
    carry(&w.a, &w.b, 1, 0);
    answer(&w.b, "found", 0);
    assert_int_equal(carry(&w.b, &w.a, 2, 0), KITH_DELIVERY_RESPONSE);
    host_quiet(&w.a);
    world_stop(&w);
}

/* The 0x02 is lost; a fresh initiation works, and delivers what was held for the first. */
static void a_lost_response(void **state) {
    struct world w;
    struct held lost;

    world_init(&w);
    world_start(&w);
    struct kith_send send = send_to(&w.b, "find");
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
    struct kith_send put = send_to(&w.b, "put");
    put.early = false;
    assert_int_equal(kith_sessions_send(w.a.sessions, &put, 0), KITH_SENT_QUEUED);
    carry(&w.a, &w.b, 1, 0);
    answer(&w.b, "found", 0);
    host_must_take(&w.b, &lost, 2);
    for (unsigned i = 0; i < 4; i++) {
        send.fresh = true;
        assert_int_equal(kith_sessions_send(w.a.sessions, &send, ms(i)), KITH_SENT_INITIATION);
        assert_int_equal(carry(&w.a, &w.b, 1, ms(i)), KITH_DELIVERY_INITIATION);
        answer(&w.b, "again", ms(i));
        if (i < 3) {
            host_must_take(&w.b, &lost, 2);
        }
    }
    /* However often it asks, a peer holds two half-open sessions, and so do we. */
    assert_true(kith_sessions_count(w.b.sessions) <= SESSION_PER_PEER_MAX);
    assert_true(kith_sessions_count(w.a.sessions) <= SESSION_PER_PEER_MAX);
    assert_int_equal(carry(&w.b, &w.a, 2, ms(9)), KITH_DELIVERY_RESPONSE);
    assert_payload(&w.a, "again");
    assert_int_equal(carry(&w.a, &w.b, 4, ms(9)), KITH_DELIVERY_DATA);
    assert_payload(&w.b, "put");
    /* The late one is still an answer to the handshake before. */
    assert_int_equal(host_give(&w.a, &w.b.at, lost.bytes, lost.size, ms(9)),
                     KITH_DELIVERY_RESPONSE);
    world_stop(&w);
}

/* The peer restarted and lost the session: `fresh` starts over although we have one. */
static void fresh_replaces_a_session_the_peer_lost(void **state) {
    struct world w;

    world_init(&w);
    world_start(&w);
    establish(&w.a, &w.b, 0);
    w.b.sessions = kith_sessions_free(w.b.sessions);
    host_start(&w.b);
    struct kith_send send = send_to(&w.b, "find");
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_DATA);
    assert_int_equal(carry(&w.a, &w.b, 4, 0), KITH_DELIVERY_NONE);
    assert_int_equal(w.b.stats.drop_session, 1);
    establish(&w.a, &w.b, ms(1));
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, ms(2)), KITH_SENT_DATA);
    assert_int_equal(carry(&w.a, &w.b, 4, ms(2)), KITH_DELIVERY_DATA);
    assert_payload(&w.b, "find");
    world_stop(&w);
}

/* Who does not answer may have lost the session; whoever is heard in it has not. */
static void an_unheard_session_is_not_relied_on(void **state) {
    struct world w;

    (void)state;
    world_init(&w);
    world_start(&w);
    struct kith_send send = send_to(&w.b, "again");
    struct kith_send back = send_to(&w.a, "here");

    establish(&w.a, &w.b, 0);
    assert_true(kith_sessions_has(w.a.sessions, &w.b.identity.key));
    kith_sessions_unheard(w.a.sessions, &w.b.identity.key, &w.a.at); /* elsewhere */
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_DATA);
    assert_int_equal(carry(&w.a, &w.b, 4, 0), KITH_DELIVERY_DATA);

    kith_sessions_unheard(w.a.sessions, &w.b.identity.key, &w.b.at);
    assert_false(kith_sessions_has(w.a.sessions, &w.b.identity.key));
    assert_int_equal(kith_sessions_send(w.b.sessions, &back, 0), KITH_SENT_DATA);
    assert_int_equal(carry(&w.b, &w.a, 4, 0), KITH_DELIVERY_DATA);
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_DATA);
    assert_int_equal(carry(&w.a, &w.b, 4, 0), KITH_DELIVERY_DATA);

    kith_sessions_unheard(w.a.sessions, &w.b.identity.key, &w.b.at);
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
    assert_int_equal(carry(&w.a, &w.b, 1, 0), KITH_DELIVERY_INITIATION);
    world_stop(&w);
}

/* Both initiate at once: two sessions, no message lost, and no third one stays. */
static void simultaneous_initiation(void **state) {
    struct world w;

    world_init(&w);
    world_start(&w);
    struct kith_send ab = send_to(&w.b, "from a");
    struct kith_send ba = send_to(&w.a, "from b");
    assert_int_equal(kith_sessions_send(w.a.sessions, &ab, 0), KITH_SENT_INITIATION);
    assert_int_equal(kith_sessions_send(w.b.sessions, &ba, 0), KITH_SENT_INITIATION);
    struct held a1;
    host_must_take(&w.a, &a1, 1);
    assert_int_equal(carry(&w.b, &w.a, 1, 0), KITH_DELIVERY_INITIATION);
    answer(&w.a, "to b", 0);
    assert_int_equal(host_give(&w.b, &w.a.at, a1.bytes, a1.size, 0), KITH_DELIVERY_INITIATION);
    answer(&w.b, "to a", 0);
    assert_int_equal(carry(&w.a, &w.b, 2, 0), KITH_DELIVERY_RESPONSE);
    assert_int_equal(carry(&w.b, &w.a, 2, 0), KITH_DELIVERY_RESPONSE);
    assert_int_equal(carry(&w.a, &w.b, 4, 0), KITH_DELIVERY_DATA);
    assert_int_equal(carry(&w.b, &w.a, 4, 0), KITH_DELIVERY_DATA);
    assert_int_equal(kith_sessions_count(w.a.sessions), 2);
    assert_int_equal(kith_sessions_count(w.b.sessions), 2);
    for (unsigned i = 0; i < 5; i++) {
        establish(&w.a, &w.b, 0); /* all at one instant: which is the newest must still be clear */
        establish(&w.b, &w.a, 0);
        assert_int_equal(kith_sessions_send(w.a.sessions, &ab, 0), KITH_SENT_DATA);
        assert_int_equal(carry(&w.a, &w.b, 4, 0), KITH_DELIVERY_DATA);
        assert_int_equal(kith_sessions_send(w.b.sessions, &ba, 0), KITH_SENT_DATA);
        assert_int_equal(carry(&w.b, &w.a, 4, 0), KITH_DELIVERY_DATA);
        assert_int_equal(kith_sessions_count(w.a.sessions), 2);
        assert_int_equal(kith_sessions_count(w.b.sessions), 2);
    }
    world_stop(&w);
}

/* Rekey: the initiator after two hours, never the responder; the old session serves meanwhile. */
static void rekey_by_age(void **state) {
    struct world w;
    uint64_t step = KITH_SESSION_IDLE_S * KITH_NS_PER_S / 2;
    uint64_t now;

    world_init(&w);
    world_start(&w);
    establish(&w.a, &w.b, 0);
    struct kith_send ab = send_to(&w.b, "from a");
    struct kith_send ba = send_to(&w.a, "from b");
    for (now = step; now < KITH_SESSION_REKEY_S * KITH_NS_PER_S; now += step) {
        kith_timers_run(&w.a.timers, now);
        kith_timers_run(&w.b.timers, now);
        assert_int_equal(kith_sessions_send(w.a.sessions, &ab, now), KITH_SENT_DATA);
        assert_int_equal(carry(&w.a, &w.b, 4, now), KITH_DELIVERY_DATA);
    }
    assert_int_equal(kith_sessions_send(w.b.sessions, &ba, now), KITH_SENT_DATA);
    assert_int_equal(carry(&w.b, &w.a, 4, now), KITH_DELIVERY_DATA);
    assert_int_equal(kith_sessions_send(w.a.sessions, &ab, now), KITH_SENT_INITIATION);
    assert_int_equal(kith_sessions_send(w.a.sessions, &ab, now), KITH_SENT_DATA);
    assert_int_equal(carry(&w.a, &w.b, 1, now), KITH_DELIVERY_INITIATION);
    answer(&w.b, "ok", now);
    assert_int_equal(carry(&w.b, &w.a, 2, now), KITH_DELIVERY_RESPONSE);
    assert_int_equal(carry(&w.a, &w.b, 4, now), KITH_DELIVERY_DATA); /* under the old keys */
    assert_payload(&w.b, "from a");
    assert_int_equal(carry(&w.a, &w.b, 4, now), KITH_DELIVERY_DATA);
    assert_true(w.b.got.confirmed_now);
    assert_int_equal(kith_sessions_send(w.a.sessions, &ab, now), KITH_SENT_DATA);
    world_stop(&w);
}

/* A used-up counter ends a session as age does, at once and for both ends. */
static void rekey_by_count(void **state) {
    struct world w;

    world_init(&w);
    world_start(&w);
    establish(&w.a, &w.b, 0);
    struct session *session = session_first_of(w.a.sessions, &w.b.identity.key);
    session->send_counter = SESSION_SENT_MAX - 1;
    struct kith_send send = send_to(&w.b, "last");
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_DATA);
    assert_int_equal(carry(&w.a, &w.b, 4, 0), KITH_DELIVERY_DATA);
    assert_false(kith_sessions_has(w.a.sessions, &w.b.identity.key));
    assert_int_equal(kith_sessions_probe(w.a.sessions, session->ref, &w.b.at, send.payload, 0),
                     KITH_ENOT_FOUND);
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
    world_stop(&w);
}

/* Neither end accepts keys of more than twice the age at which they should have been replaced. */
static void old_keys_are_refused(void **state) {
    struct world w;
    uint64_t end = 2 * KITH_SESSION_REKEY_S * KITH_NS_PER_S;

    world_init(&w);
    world_start(&w);
    establish(&w.a, &w.b, 0);
    struct kith_send send = send_to(&w.a, "still");
    assert_int_equal(kith_sessions_send(w.b.sessions, &send, end - 1), KITH_SENT_DATA);
    assert_int_equal(kith_sessions_send(w.b.sessions, &send, end - 1), KITH_SENT_DATA);
    assert_int_equal(carry(&w.b, &w.a, 4, end - 1), KITH_DELIVERY_DATA);
    assert_int_equal(carry(&w.b, &w.a, 4, end), KITH_DELIVERY_NONE);
    assert_int_equal(kith_sessions_send(w.b.sessions, &send, end), KITH_SENT_INITIATION);
    world_stop(&w);
}

static void idle_sessions_and_handshakes_expire(void **state) {
    struct world w;
    struct held d;
    uint64_t idle = KITH_SESSION_IDLE_S * KITH_NS_PER_S;

    world_init(&w);
    world_start(&w);
    establish(&w.a, &w.b, 0);
    kith_session_ref ref = w.b.got.session;
    struct kith_send send = send_to(&w.b, "find");
    send.fresh = true;
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
    host_must_take(&w.a, &d, 1);
    assert_int_equal(kith_sessions_count(w.a.sessions), 2);
    kith_timers_run(&w.a.timers, ms(4999));
    assert_int_equal(kith_sessions_count(w.a.sessions), 2);
    kith_timers_run(&w.a.timers, ms(5000));
    assert_int_equal(kith_sessions_count(w.a.sessions), 1);
    /* Use keeps it. */
    send.fresh = false;
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, ms(100 * S)), KITH_SENT_DATA);
    kith_timers_run(&w.a.timers, idle);
    assert_int_equal(kith_sessions_count(w.a.sessions), 1);
    kith_timers_run(&w.a.timers, idle + ms(100 * S));
    assert_int_equal(kith_sessions_count(w.a.sessions), 0);
    assert_true(kith_timers_next(&w.a.timers) == KITH_NEVER);
    /* And the reference finds nothing any more. */
    kith_timers_run(&w.b.timers, ms(5000)); /* fires early, for nothing */
    kith_timers_run(&w.b.timers, idle);
    assert_int_equal(kith_sessions_count(w.b.sessions), 0);
    assert_int_equal(kith_sessions_probe(w.b.sessions, ref, &w.a.at, kith_span("x", 1), idle),
                     KITH_ENOT_FOUND);
    world_stop(&w);
}

/* From a new endpoint: delivered, flagged, answered within its size, moved only when told. */
static void roaming(void **state) {
    struct world w;
    struct held d;
    struct kith_endpoint elsewhere = kith_test_endpoint("203.0.113.9:999");

    world_init(&w);
    world_start(&w);
    establish(&w.a, &w.b, 0);
    struct kith_send ab = send_to(&w.b, "from a");
    struct held early;
    assert_int_equal(kith_sessions_send(w.a.sessions, &ab, 0), KITH_SENT_DATA);
    host_must_take(&w.a, &early, 4);
    assert_int_equal(kith_sessions_send(w.a.sessions, &ab, 0), KITH_SENT_DATA);
    host_must_take(&w.a, &d, 4);
    assert_int_equal(host_give(&w.b, &elsewhere, d.bytes, d.size, 0), KITH_DELIVERY_DATA);
    assert_true(w.b.got.roamed);
    assert_false(w.b.got.allowance.proven);
    assert_int_equal(w.b.got.answer_max, strlen("from a"));
    answer(&w.b, "123456", 0);
    assert_int_equal(kith_sessions_answer(w.b.sessions, &w.b.got, kith_span_text("1234567"), 0),
                     KITH_ETOO_LARGE);
    struct held reply;
    host_must_take(&w.b, &reply, 4);
    assert_true(reply.size <= d.size);
    assert_true(kith_endpoint_equal(&reply.to, &elsewhere));
    kith_session_ref ref = w.b.got.session;
    /* An older counter from elsewhere is no roaming: it may be a redirected copy. */
    assert_int_equal(host_give(&w.b, &elsewhere, early.bytes, early.size, 0), KITH_DELIVERY_DATA);
    assert_false(w.b.got.roamed);
    assert_false(w.b.got.allowance.proven);
    /* Until moved, we send to the old place. */
    struct kith_send ba = send_to(&w.a, "from b");
    assert_int_equal(kith_sessions_send(w.b.sessions, &ba, 0), KITH_SENT_DATA);
    host_must_take(&w.b, &reply, 4);
    assert_true(kith_endpoint_equal(&reply.to, &w.a.at));
    assert_int_equal(kith_sessions_probe(w.b.sessions, ref, &elsewhere, kith_span("p", 1), 0), 0);
    host_must_take(&w.b, &reply, 4);
    assert_true(kith_endpoint_equal(&reply.to, &elsewhere));
    kith_sessions_move(w.b.sessions, ref, &elsewhere);
    assert_int_equal(w.b.stats.sessions_roamed, 1);
    ba.to = elsewhere;
    assert_int_equal(kith_sessions_send(w.b.sessions, &ba, 0), KITH_SENT_DATA);
    host_must_take(&w.b, &reply, 4);
    assert_true(kith_endpoint_equal(&reply.to, &elsewhere));
    /* The caller knows another address: that is a new handshake. */
    ba.to = w.a.at;
    assert_int_equal(kith_sessions_send(w.b.sessions, &ba, 0), KITH_SENT_INITIATION);
    world_stop(&w);
}

/* Peers of the routing table stay as long as any other; what is pinned is no handshake. */
static void a_pinned_session_lives_as_long(void **state) {
    struct world w;
    uint64_t idle = KITH_SESSION_IDLE_S * KITH_NS_PER_S;

    world_init(&w);
    world_start(&w);
    establish(&w.a, &w.b, 0);
    kith_sessions_pin(w.a.sessions, &w.b.identity.key, true);
    kith_timers_run(&w.a.timers, ms(5000));
    kith_timers_run(&w.a.timers, idle - ms(5 * S));
    assert_int_equal(kith_sessions_count(w.a.sessions), 1);
    kith_timers_run(&w.a.timers, idle + ms(5 * S));
    assert_int_equal(kith_sessions_count(w.a.sessions), 0);
    world_stop(&w);
}

/* What waits for a handshake with one endpoint does not go to another of the same peer. */
static void what_waits_stays_at_its_endpoint(void **state) {
    struct world w;
    struct kith_endpoint elsewhere = kith_test_endpoint("203.0.113.9:999");
    struct held d;

    world_init(&w);
    world_start(&w);
    struct kith_send send = send_to(&w.b, "there");
    send.to = elsewhere;
    send.early = false;
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_QUEUED);
    host_must_take(&w.a, &d, 1); /* nobody answers */
    send = send_to(&w.b, "here");
    send.early = false;
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_QUEUED);
    assert_int_equal(carry(&w.a, &w.b, 1, 0), KITH_DELIVERY_NONE);
    assert_int_equal(carry(&w.b, &w.a, 2, 0), KITH_DELIVERY_RESPONSE);
    assert_int_equal(carry(&w.a, &w.b, 4, 0), KITH_DELIVERY_DATA);
    assert_payload(&w.b, "here");
    host_quiet(&w.a);
    world_stop(&w);
}

static void who_and_iam(void **state) {
    struct world w;
    struct held who;
    struct held iam;

    world_init(&w);
    world_start(&w);
    assert_int_equal(kith_sessions_who(w.a.sessions, &w.b.at, 0), 0);
    host_must_take(&w.a, &who, 5);
    assert_int_equal(host_give(&w.b, &w.a.at, who.bytes, who.size, 0), KITH_DELIVERY_NONE);
    host_must_take(&w.b, &iam, 6);
    assert_int_equal(iam.size, who.size);
    assert_int_equal(host_give(&w.a, &w.a.at, iam.bytes, iam.size, 0), KITH_DELIVERY_NONE);
    assert_int_equal(w.a.stats.drop_unmatched, 1); /* not where it was asked */
    assert_int_equal(host_give(&w.a, &w.b.at, iam.bytes, iam.size, 0), KITH_DELIVERY_IAM);
    assert_memory_equal(w.a.got.key.bytes, w.b.identity.key.bytes, 32);
    assert_int_equal(host_give(&w.a, &w.b.at, iam.bytes, iam.size, 0), KITH_DELIVERY_NONE);
    /* Forgotten after a while. */
    assert_int_equal(kith_sessions_who(w.a.sessions, &w.b.at, 0), 0);
    carry(&w.a, &w.b, 5, 0);
    assert_int_equal(carry(&w.b, &w.a, 6, ms(5 * S)), KITH_DELIVERY_NONE);
    /* Asking ourselves is noticed. */
    assert_int_equal(kith_sessions_who(w.a.sessions, &w.a.at, 0), 0);
    carry(&w.a, &w.a, 5, 0);
    assert_int_equal(carry(&w.a, &w.a, 6, 0), KITH_DELIVERY_NONE);
    assert_int_equal(w.a.stats.drop_self, 1);
    struct kith_endpoint nowhere = w.b.at;
    for (uint16_t i = 0; i < SESSION_WHO_MAX + 1; i++) {
        nowhere.port = (uint16_t)(1000 + i);
        assert_int_equal(kith_sessions_who(w.a.sessions, &nowhere, ms(20 * S)),
                         i < SESSION_WHO_MAX ? 0 : KITH_EFULL);
    }
    nowhere.port = 0;
    assert_int_equal(kith_sessions_who(w.a.sessions, &nowhere, 0), KITH_EINVALID);
    world_stop(&w);
}

static int count_info(const struct kith_session_info *info, void *user) {
    unsigned *counts = user;

    counts[0]++;
    counts[1] += info->established;
    counts[2] += info->initiator;
    return 0;
}

static void sessions_are_listed(void **state) {
    struct world w;
    unsigned counts[3] = {0};

    world_init(&w);
    world_start(&w);
    establish(&w.a, &w.b, 0);
    establish(&w.b, &w.a, 0);
    struct kith_send send = send_to(&w.b, "find");
    send.fresh = true;
    assert_int_equal(kith_sessions_send(w.a.sessions, &send, 0), KITH_SENT_INITIATION);
    assert_int_equal(kith_sessions_each(w.a.sessions, 0, count_info, counts), 0);
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 2);
    assert_int_equal(counts[2], 2);
    world_stop(&w);
}

/* The application takes its time to answer, and the asker is elsewhere by then. */
static void a_late_answer_follows_the_session(void **state) {
    (void)state;
    struct host a;
    struct host b;
    struct held d;
    struct kith_endpoint moved = kith_test_endpoint("20.9.9.9:1");
    host_init(&a, 1, "20.1.1.1:1");
    host_init(&b, 2, "20.2.2.2:2");
    host_start(&a);
    host_start(&b);
    establish(&a, &b, KITH_NS_PER_S);
    struct kith_send send = send_to(&b, "question");
    assert_int_equal(kith_sessions_send(a.sessions, &send, KITH_NS_PER_S), KITH_SENT_DATA);
    assert_int_equal(carry(&a, &b, 4, KITH_NS_PER_S), KITH_DELIVERY_DATA);
    kith_sessions_move(b.sessions, b.got.session, &moved);
    answer(&b, "answer", 2 * KITH_NS_PER_S);
    host_must_take(&b, &d, 4);
    assert_true(kith_endpoint_equal(&d.to, &moved));
    host_stop(&a);
    host_stop(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_answer_follows_the_session),
        cmocka_unit_test(request_and_answer_in_one_round_trip),
        cmocka_unit_test(the_other_way_round),
        cmocka_unit_test(with_a_network_secret),
        cmocka_unit_test(another_network),
        cmocka_unit_test(another_secret),
        cmocka_unit_test(another_key),
        cmocka_unit_test(refused_arguments),
        cmocka_unit_test(padding_makes_room_for_the_answer),
        cmocka_unit_test(writes_wait_in_the_queue),
        cmocka_unit_test(a_large_read_is_queued),
        cmocka_unit_test(a_client_sends_no_empty_data),
        cmocka_unit_test(a_lost_response),
        cmocka_unit_test(fresh_replaces_a_session_the_peer_lost),
        cmocka_unit_test(an_unheard_session_is_not_relied_on),
        cmocka_unit_test(simultaneous_initiation),
        cmocka_unit_test(rekey_by_age),
        cmocka_unit_test(rekey_by_count),
        cmocka_unit_test(old_keys_are_refused),
        cmocka_unit_test(idle_sessions_and_handshakes_expire),
        cmocka_unit_test(roaming),
        cmocka_unit_test(a_pinned_session_lives_as_long),
        cmocka_unit_test(what_waits_stays_at_its_endpoint),
        cmocka_unit_test(who_and_iam),
        cmocka_unit_test(sessions_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
