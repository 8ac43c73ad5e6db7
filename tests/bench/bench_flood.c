/* SPDX-License-Identifier: MIT */
/*
 * What an initiation flood takes from established sessions. One real core with the real curve
 * answers questions of peers that have a session; besides, 50,000 initiations a second of CPU time
 * come from spoofed sources all over the address space, each with a valid mac and valid in itself,
 * which is the dearest kind. Counted are the answers per second of CPU time, with and without the
 * flood in turn. The core's work only: whatever the peers and the flooder compute is computed
 * beforehand, and there is no kernel in it. Says also whether every established session is still
 * there afterwards.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/core.h"
#include "unit/session_host.h"

enum {
    PEERS = 64,
    BATCH = 16,
    RATE = 50000,
    REPETITIONS = 7,
    RUN_MS = 400,
    BEFORE = 3000, /* of the flood that have come before: it has been going on for long */
    FLOOD = BEFORE + RATE / 1000 * RUN_MS,
    REQUESTS = 160000, /* more than are answered in one run */
    INITIATION_SIZE = 640 + KITH_SESSION_RESP_OVERHEAD,
};

struct bench {
    struct kith_core *core;
    struct kith_endpoint at;
    struct kith_key key;
    uint64_t chance[4];
    struct kith_codec *codec;
    struct host peers[PEERS];
    uint64_t now;
    uint8_t (*flood)[INITIATION_SIZE];
    struct kith_endpoint *sources;
    struct kith_datagram *requests; /* sealed beforehand */
    uint8_t *request_bytes;
    unsigned n_requests;
};

static void *allocate(size_t size) {
    void *p = calloc(1, size);
    if (p == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(EXIT_FAILURE);
    }
    return p;
}

static void expect(bool so, const char *what) {
    if (!so) {
        fprintf(stderr, "bench_flood: not so: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

static uint64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * KITH_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- the flood ---- */

/* Initiations that authenticate, from a key each, with a request. */
static void make_flood(struct bench *bench, const struct kith_identity *target) {
    uint64_t chance[4];
    struct kith_random random = kith_test_random(chance, 5);
    uint8_t payload[INITIATION_SIZE] = {0};
    size_t covered = INITIATION_SIZE - SESSION_MACS;
    size_t size = covered - SESSION_INIT_HEADER - KITH_NOISE_MSG1_OVERHEAD;
    static const uint8_t ping[] = {0x94, 0, 1, 0xa4, 'p', 'i', 'n', 'g', 0x80};
    bench->flood = allocate(FLOOD * sizeof(*bench->flood));
    bench->sources = allocate(FLOOD * sizeof(*bench->sources));
    for (unsigned i = 0; i < FLOOD; i++) {
        struct kith_identity identity;
        struct kith_noise noise;
        uint8_t seed[KITH_SEED_SIZE];
        uint8_t ephemeral[32];
        kith_random_secure(&random, seed, sizeof(seed));
        kith_random_secure(&random, ephemeral, sizeof(ephemeral));
        kith_identity_from_seed(&identity, &kith_curve_sodium, seed);
        struct kith_writer w = kith_writer(payload, size);
        kith_write_bytes(&w, identity.key.bytes, KITH_KEY_SIZE);
        kith_write_u16(&w, sizeof(ping));
        kith_write_bytes(&w, ping, sizeof(ping));
        kith_noise_init(&noise, &kith_curve_sodium, true, kith_span("kith/1 bench", 12),
                        identity.dh_public, identity.dh_secret, target->dh_public, NULL);
        uint8_t *out = bench->flood[i];
        session_put_type(out, SESSION_TYPE_INITIATION);
        session_put_u32(out + 4, i);
        expect(kith_noise_write_1(&noise, ephemeral, kith_span(payload, size),
                                  out + SESSION_INIT_HEADER) == 0,
               "an initiation is written");
        session_macs_write(kith_curve_sodium.cipher, out, covered, &target->key, NULL);
        uint64_t where = kith_random_below(&random, UINT64_C(1) << 32);
        bench->sources[i] =
            (struct kith_endpoint){.family = 4,
                                   .port = (uint16_t)(1024 + i % 60000),
                                   .ip = {(uint8_t)(11 + where % 100), (uint8_t)(where >> 8),
                                          (uint8_t)(where >> 16), (uint8_t)(where >> 24)}};
    }
}

/* ---- peers ---- */

static void peer_init(struct host *p, unsigned i) {
    uint8_t seed[KITH_SEED_SIZE] = {(uint8_t)(i + 2), 9};
    struct kith_endpoint at = {.family = 4, .port = 7700, .ip = {8, (uint8_t)i, 1, 7}};
    host_prepare(p, &kith_curve_sodium, seed, 100 + i, &at, 1 << 26);
    p->config.network = "bench";
    p->config.sessions_max = 16;
    p->config.sessions_per_prefix = 16;
    expect(host_open(p) == 0, "a table is made");
}

/* Whatever the core asks is answered with nothing, so that it takes the peer into its table. */
static void peer_receive(struct bench *bench, struct host *p, const struct kith_datagram *d) {
    static struct kith_message message;
    static struct kith_response response;
    struct kith_delivery delivery;
    uint8_t out[KITH_DATAGRAM_MAX];
    size_t size;
    kith_sessions_receive(p->sessions, &bench->at, kith_span(d->bytes, d->size), bench->now,
                          &delivery);
    if (delivery.kind == KITH_DELIVERY_DATA &&
        kith_msgpack_decode(bench->codec, delivery.payload, &message) == 0 &&
        message.kind == KITH_MESSAGE_REQUEST) {
        kith_response_init(&response);
        expect(kith_msgpack_encode_response(&message.txn, &response, out, sizeof(out), &size) == 0,
               "an answer is written");
        (void)!kith_sessions_answer(p->sessions, &delivery, kith_span(out, size), bench->now);
    }
}

/* Carries everything between the core and the peers until it is quiet. */
static void settle(struct bench *bench) {
    for (bool any = true; any;) {
        struct kith_datagram d;
        struct kith_core_event event;
        any = false;
        for (unsigned i = 0; i < PEERS; i++) {
            while (kith_outbox_next(&bench->peers[i].outbox, &d)) {
                kith_core_receive(bench->core, &bench->peers[i].at, d.bytes, d.size, bench->now);
                any = true;
            }
        }
        while (kith_core_next_datagram(bench->core, &d)) {
            for (unsigned i = 0; i < PEERS; i++) {
                if (kith_endpoint_equal(&bench->peers[i].at, &d.to)) {
                    peer_receive(bench, &bench->peers[i], &d);
                }
            }
            any = true;
        }
        while (kith_core_next_event(bench->core, &event)) {
        }
    }
}

static size_t find_request(uint32_t n, uint8_t *out, size_t max) {
    struct kith_request request = {.method = KITH_METHOD_FIND, .want_v4 = true, .n = 20};
    struct kith_txn txn = {.size = KITH_TXN_SIZE};
    size_t size;
    memcpy(txn.bytes, &n, sizeof(n));
    memcpy(request.target.bytes, &n, sizeof(n));
    expect(kith_msgpack_encode_request(&txn, &request, out, max, &size) == 0,
           "a question is written");
    return size;
}

static void ask(struct bench *bench, struct host *p, uint32_t n) {
    uint8_t out[KITH_DATAGRAM_MAX];
    size_t size = find_request(n, out, sizeof(out));
    struct kith_send send = {
        .key = bench->key, .to = bench->at, .payload = kith_span(out, size), .early = true};
    expect(kith_sessions_send(p->sessions, &send, bench->now) > 0, "a question is sent");
}

/* ---- a run ---- */

static void start(struct bench *bench) {
    uint8_t seed[KITH_SEED_SIZE] = {1};
    struct kith_core_config config = {.seed = seed,
                                      .curve = &kith_curve_sodium,
                                      .random = kith_test_random(bench->chance, 1),
                                      .network = "bench",
                                      .has_v4 = true,
                                      .wall_us = UINT64_C(1790000000000000),
                                      .outbox_keep = 1 << 16};
    bench->now = 1000 * KITH_NS_PER_S;
    expect(kith_core_new(&bench->core, &config, bench->now) == 0, "a core is made");
    kith_core_set_bound(bench->core, &bench->at, 1, bench->now);
    for (unsigned i = 0; i < PEERS; i++) {
        peer_init(&bench->peers[i], i);
        ask(bench, &bench->peers[i], i);
        settle(bench);
        bench->now += 50 * KITH_NS_PER_MS;
        kith_core_tick(bench->core, bench->now);
        settle(bench);
    }
    bench->now += 3 * KITH_NS_PER_S; /* the budget of handshakes is whole again */
    kith_core_tick(bench->core, bench->now);
    settle(bench);
}

/* Seals questions of all peers in turn. */
static void seal_requests(struct bench *bench) {
    uint8_t *at = bench->request_bytes;
    bench->n_requests = 0;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        struct host *p = &bench->peers[i % PEERS];
        struct kith_datagram d;
        ask(bench, p, i);
        expect(kith_outbox_next(&p->outbox, &d) && d.bytes[0] == SESSION_TYPE_DATA && d.size <= 128,
               "there is a session");
        memcpy(at, d.bytes, d.size);
        bench->requests[i] = (struct kith_datagram){p->at, at, d.size};
        at += d.size;
    }
}

static unsigned take_answers(struct bench *bench) {
    struct kith_datagram d;
    struct kith_core_event event;
    unsigned n = 0;
    while (kith_core_next_datagram(bench->core, &d)) {
        n += d.bytes[0] == SESSION_TYPE_DATA && d.size > 200;
    }
    while (kith_core_next_event(bench->core, &event)) {
    }
    return n;
}

/* Answers a second of CPU time. */
static double run(struct bench *bench, bool flooded) {
    uint64_t base = bench->now;
    unsigned n_answers = 0;
    unsigned n_flood = 0;
    for (; flooded && n_flood < BEFORE; n_flood++) {
        kith_core_receive(bench->core, &bench->sources[n_flood], bench->flood[n_flood],
                          INITIATION_SIZE, bench->now);
        (void)take_answers(bench);
    }
    uint64_t begin = cpu_ns();
    uint64_t elapsed = 0;
    while (elapsed < RUN_MS * KITH_NS_PER_MS && bench->n_requests + BATCH <= REQUESTS) {
        for (unsigned i = 0; i < BATCH; i++) {
            const struct kith_datagram *d = &bench->requests[bench->n_requests++];
            kith_core_receive(bench->core, &d->to, d->bytes, d->size, bench->now);
        }
        unsigned due = (unsigned)(BEFORE + elapsed * RATE / KITH_NS_PER_S);
        for (; flooded && n_flood < due && n_flood < FLOOD; n_flood++) {
            kith_core_receive(bench->core, &bench->sources[n_flood], bench->flood[n_flood],
                              INITIATION_SIZE, bench->now);
        }
        if (kith_core_deadline(bench->core) <= bench->now) {
            kith_core_tick(bench->core, bench->now);
        }
        n_answers += take_answers(bench);
        elapsed = cpu_ns() - begin;
        bench->now = base + elapsed;
    }
    expect(bench->n_requests + BATCH <= REQUESTS, "there are enough questions");
    return (double)n_answers * 1e9 / (double)elapsed;
}

/* Peers whose session still answers. */
static unsigned count_alive(struct bench *bench) {
    unsigned n = 0;
    for (unsigned i = 0; i < PEERS; i++) {
        struct kith_datagram d;
        ask(bench, &bench->peers[i], i);
        while (kith_outbox_next(&bench->peers[i].outbox, &d)) {
            kith_core_receive(bench->core, &bench->peers[i].at, d.bytes, d.size, bench->now);
        }
        n += take_answers(bench) == 1;
    }
    return n;
}

static int compare(const void *a, const void *b) {
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

int main(void) {
    static struct bench bench;
    double rates[2][REPETITIONS];
    double ratios[REPETITIONS];
    unsigned lost = 0;
    struct kith_identity self;
    uint8_t seed[KITH_SEED_SIZE] = {1};
    struct kith_stats stats = {0};
    kith_identity_from_seed(&self, &kith_curve_sodium, seed);
    bench.key = self.key;
    bench.at = (struct kith_endpoint){.family = 4, .port = 7700, .ip = {9, 9, 9, 9}};
    expect(kith_codec_new(&bench.codec) == 0, "a codec is made");
    bench.requests = allocate(REQUESTS * sizeof(*bench.requests));
    bench.request_bytes = allocate(REQUESTS * 128);
    make_flood(&bench, &self);
    for (unsigned i = 0; i < REPETITIONS; i++) {
        for (int flooded = 0; flooded < 2; flooded++) {
            start(&bench);
            seal_requests(&bench);
            rates[flooded][i] = run(&bench, flooded == 1);
            lost += PEERS - count_alive(&bench);
            stats = *kith_core_stats(bench.core);
            kith_core_free(bench.core);
            for (unsigned k = 0; k < PEERS; k++) {
                host_close(&bench.peers[k]);
            }
        }
        ratios[i] = rates[1][i] / rates[0][i];
        printf("%2u: %8.0f answers/s without, %8.0f with the flood: %.3f\n", i + 1, rates[0][i],
               rates[1][i], ratios[i]);
    }
    printf("last flood: %" PRIu64 " handshakes served, %" PRIu64 " cookies sent, %" PRIu64
           " dropped for load, %" PRIu64 " for a prefix, %" PRIu64 " as replays\n",
           (uint64_t)stats.handshakes_served, (uint64_t)stats.cookies_sent,
           (uint64_t)stats.drop_load, (uint64_t)stats.drop_prefix, (uint64_t)stats.drop_replay);
    for (int k = 0; k < 2; k++) {
        qsort(rates[k], REPETITIONS, sizeof(double), compare);
    }
    qsort(ratios, REPETITIONS, sizeof(double), compare);
    printf("median: %.0f without, %.0f with; ratio %.3f; established sessions lost: %u of %u\n",
           rates[0][REPETITIONS / 2], rates[1][REPETITIONS / 2], ratios[REPETITIONS / 2], lost,
           2 * REPETITIONS * PEERS);
    kith_codec_free(bench.codec);
    free(bench.requests);
    free(bench.request_bytes);
    free(bench.flood);
    free(bench.sources);
    return lost == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
