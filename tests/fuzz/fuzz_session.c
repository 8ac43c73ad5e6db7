/* SPDX-License-Identifier: MIT */
/*
 * Session tables driven by the input: ours, small and under load, and three peers who hold keys of
 * their own, so that what the input makes them say gets past the authentication: as honest peers,
 * as peers who put anything into an initiation or a datagram, and as whoever repeats, cuts and
 * changes what is on the wire. Behind each step: the table's invariants, no answer larger than its
 * question, and nothing that was accepted once is accepted again.
 */
#include <string.h>

#include "fuzz.h"
#include "sim/fast_curve.h"
#include "unit/session_host.h"

enum {
    PARTIES = 4, /* the first is ours */
    STEPS_MAX = 300,
    HELD_MAX = 24,
    PAYLOAD_MAX = 1400,
    OUTBOX_MAX = 1 << 16,
    ENDPOINTS = 8,
};

static struct kith_curve curve; /* fast, with the real cipher */

/* A datagram that was on the wire once. */
struct held {
    struct kith_endpoint from;
    unsigned to;
    bool accepted;
    size_t size;
    uint8_t bytes[KITH_WIRE_MAX];
};

struct run {
    struct kith_reader in;
    uint64_t now;
    struct host parties[PARTIES];
    struct held held[HELD_MAX];
    unsigned n_held;
};

/* Two of one prefix, two of another, an exempt one, IPv6. */
static struct kith_endpoint endpoint_of(unsigned i) {
    struct kith_endpoint e = {
        .family = 4, .port = 7700, .ip = {20, 0, (uint8_t)(i / 2), (uint8_t)(1 + i)}};
    if (i % ENDPOINTS == 6) {
        e.ip[0] = 127;
    } else if (i % ENDPOINTS == 7) {
        e = (struct kith_endpoint){.family = 6, .port = 7700, .ip = {0x20, 0x01, [15] = 1}};
    }
    return e;
}

/* One byte of length in units that reach beyond a datagram, then the bytes. */
static struct kith_span read_bytes(struct run *run) {
    size_t size = (size_t)kith_read_u8(&run->in);
    size = size < 200 ? size : (size - 199) * 25;
    size_t left = kith_reader_left(&run->in);
    size = size < left ? size : left;
    const uint8_t *bytes = kith_read_bytes(&run->in, size);
    return kith_span(bytes, bytes == NULL ? 0 : size);
}

static struct host *read_party(struct run *run) {
    return &run->parties[kith_read_u8(&run->in) % PARTIES];
}

static void party_init(struct host *p, unsigned i, uint8_t options) {
    static const uint8_t secret[32] = {7};
    struct kith_endpoint at = endpoint_of(i);
    uint8_t seed[KITH_SEED_SIZE];
    memset(seed, (int)(i + 1), sizeof(seed));
    host_prepare(p, &curve, seed, i, &at, OUTBOX_MAX);
    p->config.network = "fuzz";
    p->config.network_secret = (options & 1) != 0 ? secret : NULL;
    p->config.sessions_max = 6;
    p->config.sessions_per_prefix = 4;
    p->config.handshakes_per_s = i > 0 || (options & 2) != 0 ? UINT32_MAX : 24;
    p->config.client = i == 1 && (options & 4) != 0;
    FUZZ_REQUIRE(host_open(p) == 0);
}

/* ---- the wire ---- */

/* From a copy of exactly its size, so that a sanitizer sees a read beyond it. */
static bool give(struct run *run, struct host *to, const struct kith_endpoint *from,
                 const uint8_t *bytes, size_t size) {
    struct kith_delivery got;
    uint8_t *copy = malloc(size + (size == 0));
    FUZZ_REQUIRE(copy != NULL);
    memcpy(copy, bytes, size);
    uint64_t moved =
        to->stats.handshakes_completed + to->stats.handshakes_served + to->stats.cookies_received;
    kith_sessions_receive(to->sessions, from, kith_span(copy, size), run->now, &got);
    free(copy);
    if (got.kind != KITH_DELIVERY_NONE) {
        FUZZ_REQUIRE(got.payload.size <= KITH_DATAGRAM_MAX && got.answer_max <= KITH_WIRE_MAX);
        uint8_t sum = 0; /* a sanitizer sees a payload that is not there */
        for (size_t i = 0; i < got.payload.size; i++) {
            sum = (uint8_t)(sum + got.payload.data[i]);
        }
        got.payload = kith_span(NULL, sum);
        to->got = got;
    }
    return got.kind != KITH_DELIVERY_NONE || moved != to->stats.handshakes_completed +
                                                          to->stats.handshakes_served +
                                                          to->stats.cookies_received;
}

static struct held *take(struct run *run, struct host *from) {
    struct kith_datagram d;
    if (!kith_outbox_next(&from->outbox, &d)) {
        return NULL;
    }
    struct held *held = &run->held[run->n_held++ % HELD_MAX];
    *held = (struct held){.from = from->at, .to = PARTIES, .size = d.size};
    memcpy(held->bytes, d.bytes, d.size);
    for (unsigned i = 0; i < PARTIES; i++) {
        if (kith_endpoint_equal(&run->parties[i].at, &d.to)) {
            held->to = i;
        }
    }
    return held;
}

static void carry(struct run *run, struct host *from) {
    struct held *held = take(run, from);
    if (held != NULL && held->to < PARTIES) {
        held->accepted = give(run, &run->parties[held->to], &held->from, held->bytes, held->size);
    }
}

/* A who carries no secret and may be asked again; all else is good once. */
static void repeat(struct run *run, struct held *held, const struct kith_endpoint *from) {
    if (held->to >= PARTIES) {
        return;
    }
    bool accepted = give(run, &run->parties[held->to], from, held->bytes, held->size);
    FUZZ_REQUIRE(!accepted || !held->accepted);
    held->accepted = accepted;
}

static void fix_mac(struct run *run, const struct held *held, uint8_t *bytes, size_t size) {
    if (size >= SESSION_MACS) {
        session_macs_write(curve.cipher, bytes, size - SESSION_MACS,
                           &run->parties[held->to].identity.key, NULL);
    }
}

static void carry_changed(struct run *run, struct host *from, uint8_t how) {
    uint8_t bytes[KITH_WIRE_MAX + 16];
    struct held *held = take(run, from);
    if (held == NULL || held->to >= PARTIES) {
        return;
    }
    size_t size = held->size;
    memcpy(bytes, held->bytes, size);
    size_t at = kith_read_u16(&run->in) % (size + 16);
    uint8_t value = kith_read_u8(&run->in);
    if ((how & 3) != 0 && at < size) {
        bytes[at] ^= value;
    } else {
        if (at > size) {
            memset(bytes + size, value, at - size);
        }
        size = at;
    }
    if ((how & 4) != 0) {
        fix_mac(run, held, bytes, size);
    }
    give(run, &run->parties[held->to], &held->from, bytes, size);
}

/* ---- who holds the keys ---- */

static void send(struct run *run, struct host *from) {
    uint8_t flags = kith_read_u8(&run->in);
    struct host *to = read_party(run);
    struct kith_send send = {
        .key = to->identity.key,
        .to = (flags & 8) != 0 ? endpoint_of(kith_read_u8(&run->in) % ENDPOINTS) : to->at,
        .early = (flags & 1) != 0,
        .fresh = (flags & 2) != 0,
        .answer_hope = (flags & 4) != 0 ? 4u * flags : 0,
    };
    send.payload = read_bytes(run);
    int r = kith_sessions_send(from->sessions, &send, run->now);
    FUZZ_REQUIRE(r != 0 && r <= KITH_SENT_QUEUED && r != KITH_ENOMEM);
    FUZZ_REQUIRE(to != from || r == KITH_EINVALID);
}

/* An initiation by a peer who may do anything but compute another's keys. */
static void forge_initiation(struct run *run, struct host *from) {
    uint8_t datagram[KITH_DATAGRAM_MAX + PAYLOAD_MAX];
    uint8_t payload[PAYLOAD_MAX];
    uint8_t ephemeral[32];
    struct kith_noise noise;
    struct host *to = &run->parties[0];
    uint8_t how = kith_read_u8(&run->in);
    struct kith_writer w = kith_writer(payload, sizeof(payload));
    if ((how & 1) == 0) {
        kith_write_bytes(&w, from->identity.key.bytes, KITH_KEY_SIZE);
    }
    struct kith_span rest = read_bytes(run);
    if ((how & 2) == 0) {
        kith_write_u16(&w, (uint16_t)rest.size);
    }
    kith_write_span(&w, rest);
    kith_write_zeros(&w, how & 0xf0);
    size_t size = kith_writer_size(&w);
    const struct kith_sessions *s = from->sessions;
    kith_noise_init(&noise, &curve, true, kith_span(s->prologue, s->prologue_size),
                    from->identity.dh_public, from->identity.dh_secret, to->identity.dh_public,
                    s->config.network_secret);
    kith_random_secure(&from->random, ephemeral, sizeof(ephemeral));
    session_put_type(datagram, SESSION_TYPE_INITIATION);
    session_put_u32(datagram + 4, how);
    FUZZ_REQUIRE(kith_noise_write_1(&noise, ephemeral, kith_span(payload, size),
                                    datagram + SESSION_INIT_HEADER) == 0);
    size += SESSION_INIT_HEADER + KITH_NOISE_MSG1_OVERHEAD;
    session_macs_write(curve.cipher, datagram, size, &to->identity.key, NULL);
    size += SESSION_MACS;
    struct kith_endpoint at = (how & 4) != 0 ? endpoint_of(how >> 4) : from->at;
    give(run, to, &at, datagram, size < KITH_WIRE_MAX ? size : KITH_WIRE_MAX);
}

/* A datagram of a peer's session under any counter. */
static void forge_data(struct run *run, struct host *from) {
    uint8_t datagram[KITH_DATAGRAM_MAX + PAYLOAD_MAX];
    struct host *to = read_party(run);
    uint8_t how = kith_read_u8(&run->in);
    uint64_t far = kith_read_u16(&run->in);
    struct session *session = session_first_of(from->sessions, &to->identity.key);
    struct kith_span plain = read_bytes(run);
    if (session == NULL || session->state == SESSION_INITIATED || plain.size > PAYLOAD_MAX) {
        return;
    }
    uint64_t counter = (how & 1) != 0   ? session->send_counter++
                       : (how & 2) != 0 ? session->send_counter + far
                                        : far << (how >> 4) * 4;
    session_put_type(datagram, SESSION_TYPE_DATA);
    session_put_u32(datagram + 4, session->remote_index);
    session_put_u32(datagram + 8, (uint32_t)(counter >> 32));
    session_put_u32(datagram + 12, (uint32_t)counter);
    curve.cipher->seal(session->as.keys.send, counter, kith_span(datagram, SESSION_DATA_HEADER),
                       plain, datagram + SESSION_DATA_HEADER);
    size_t size = plain.size + KITH_SESSION_DATA_OVERHEAD;
    struct kith_endpoint at = (how & 4) != 0 ? endpoint_of(how >> 4) : from->at;
    struct held *held = &run->held[run->n_held++ % HELD_MAX];
    *held = (struct held){.from = at, .to = (unsigned)(to - run->parties), .size = size};
    held->size = size < KITH_WIRE_MAX ? size : KITH_WIRE_MAX;
    memcpy(held->bytes, datagram, held->size);
    held->accepted = give(run, to, &at, held->bytes, held->size);
}

static void answer(struct run *run, struct host *p) {
    uint8_t bytes[PAYLOAD_MAX] = {1};
    size_t size = kith_read_u16(&run->in) % PAYLOAD_MAX;
    bool fits = size <= p->got.answer_max;
    if (p->got.kind != KITH_DELIVERY_INITIATION && p->got.kind != KITH_DELIVERY_DATA) {
        return;
    }
    int r = kith_sessions_answer(p->sessions, &p->got, kith_span(bytes, size), run->now);
    FUZZ_REQUIRE(r <= 0 && (r != 0 || fits));
}

/* ---- the rest of the interface ---- */

static int count(const struct kith_session_info *info, void *user) {
    uint32_t *n = user;
    FUZZ_REQUIRE(info->endpoint.family == 4 || info->endpoint.family == 6);
    ++*n;
    return 0;
}

static void manage(struct run *run, struct host *p) {
    uint8_t what = kith_read_u8(&run->in);
    uint8_t which = kith_read_u8(&run->in);
    struct host *other = &run->parties[which % PARTIES];
    struct kith_endpoint to = endpoint_of(which / PARTIES % ENDPOINTS);
    uint32_t n = 0;
    int r;
    switch (what % 6) {
    case 0:
        r = kith_sessions_who(p->sessions, &to, run->now);
        FUZZ_REQUIRE(r == 0 || r == KITH_EFULL);
        break;
    case 1:
        kith_sessions_pin(p->sessions, &other->identity.key, (what & 0x80) != 0);
        break;
    case 2:
        kith_sessions_move(p->sessions, p->got.session, &to);
        break;
    case 3:
        r = kith_sessions_probe(p->sessions, p->got.session, &to, kith_span_text("ping"), run->now);
        FUZZ_REQUIRE(r == 0 || r == KITH_ENOT_FOUND);
        break;
    case 4:
        kith_sessions_set_client(p->sessions, (what & 0x80) != 0);
        break;
    default:
        FUZZ_REQUIRE(kith_sessions_each(p->sessions, run->now, count, &n) == 0);
        FUZZ_REQUIRE(n == kith_sessions_count(p->sessions));
        (void)kith_sessions_has(p->sessions, &other->identity.key);
        break;
    }
}

static void pass_time(struct run *run) {
    static const uint64_t ms[] = {1,     10,     100,    1000,   4999,   5000,
                                  60000, 120000, 599000, 600000, 7200000};
    run->now += ms[kith_read_u8(&run->in) % (sizeof(ms) / sizeof(ms[0]))] * KITH_NS_PER_MS;
    for (unsigned i = 0; i < PARTIES; i++) {
        kith_timers_run(&run->parties[i].timers, run->now);
    }
}

static void step(struct run *run) {
    uint8_t op = kith_read_u8(&run->in);
    struct host *p = &run->parties[op / 16 % PARTIES];
    struct kith_endpoint from = endpoint_of(op / 16 % ENDPOINTS);
    struct kith_span raw;
    switch (op % 16) {
    case 0:
    case 1:
        send(run, p);
        break;
    case 2:
    case 3:
    case 4:
        carry(run, p);
        break;
    case 5:
        carry_changed(run, p, kith_read_u8(&run->in));
        break;
    case 6:
        repeat(run, &run->held[kith_read_u8(&run->in) % HELD_MAX], &from);
        break;
    case 7:
        (void)take(run, p); /* lost, or to be repeated later */
        break;
    case 8:
        raw = read_bytes(run);
        give(run, &run->parties[0], &from, raw.size > 0 ? raw.data : (const uint8_t *)"", raw.size);
        break;
    case 9:
        forge_initiation(run, &run->parties[1 + op / 16 % (PARTIES - 1)]);
        break;
    case 10:
        forge_data(run, p);
        break;
    case 11:
    case 12:
        answer(run, p);
        break;
    case 13:
        manage(run, p);
        break;
    default:
        pass_time(run);
        break;
    }
}

static void check(const struct run *run, unsigned n) {
    for (unsigned i = 0; i < PARTIES; i++) {
        const struct host *p = &run->parties[i];
        const char *wrong = kith_sessions_check(p->sessions);
        if (wrong != NULL) {
            fprintf(stderr, "step %u, party %u: %s\n", n, i, wrong);
        }
        FUZZ_REQUIRE(wrong == NULL);
        FUZZ_REQUIRE(p->stats.drop_amplification == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct run run;
    memset(&run, 0, sizeof(run));
    curve = kith_sim_fast_curve;
    curve.cipher = &kith_cipher_sodium;
    run.in = kith_reader(kith_span(data, size));
    run.now = 1000 * KITH_NS_PER_S;
    uint8_t options = kith_read_u8(&run.in);
    for (unsigned i = 0; i < PARTIES; i++) {
        party_init(&run.parties[i], i, options);
    }
    for (unsigned i = 0; i < HELD_MAX; i++) {
        run.held[i].to = PARTIES;
    }
    for (unsigned i = 0; i < STEPS_MAX && kith_reader_left(&run.in) > 0; i++) {
        step(&run);
        check(&run, i);
    }
    for (unsigned i = 0; i < PARTIES; i++) {
        host_close(&run.parties[i]);
    }
    return 0;
}
