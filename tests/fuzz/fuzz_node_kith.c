/* SPDX-License-Identifier: MIT */
/*
 * A node of kith's own swarm among one or two honest ones and two played by the input, which hold
 * keys: their questions, answers and pushes are authentic, whatever is in them.
 */
#include "fuzz.h"
#include "fuzz_net.h"
#include "sim/fast_curve.h"
#include "unit/testing.h"

struct played {
    struct kith_endpoint at; /* now: the first one roams */
    struct kith_random random;
    uint64_t chance[4];
    struct kith_outbox outbox;
    struct kith_timers timers;
    struct kith_stats stats;
    struct kith_sessions *sessions;
};

struct swarm {
    struct played played[FUZZ_PLAYED];
    struct kith_codec *codec;
};

static void played_init(struct fuzz_net *net, unsigned i) {
    struct played *p = &((struct swarm *)net->context)->played[i];
    p->random = kith_test_random(p->chance, 100 + i);
    p->at = fuzz_net_endpoint(FUZZ_CORES + i);
    kith_outbox_init(&p->outbox, 4096, 1 << 16, &p->stats);
    kith_timers_init(&p->timers);
    struct kith_sessions_config config = {
        .identity = &net->identities[FUZZ_CORES + i],
        .curve = &kith_sim_fast_curve,
        .random = &p->random,
        .outbox = &p->outbox,
        .timers = &p->timers,
        .stats = &p->stats,
        .network = "fuzz",
        .sessions_max = 16,
        .sessions_per_prefix = 16,
        .handshakes_per_s = UINT32_MAX,
    };
    FUZZ_REQUIRE(kith_sessions_new(&p->sessions, &config) == 0);
}

static void played_drain(struct fuzz_net *net, unsigned i) {
    struct played *p = &((struct swarm *)net->context)->played[i];
    struct kith_datagram d;
    while (kith_outbox_next(&p->outbox, &d)) {
        fuzz_net_push(net, &p->at, &d.to, kith_span(d.bytes, d.size));
    }
}

static struct kith_wire_failure read_failure(struct fuzz_net *net) {
    static const int codes[] = {201, 204, 301, 302, 310, 311, 312, 313};
    uint8_t which = kith_read_u8(&net->in);
    return (struct kith_wire_failure){
        .code = codes[which % 8], .has_seq = (which & 8) != 0, .seq = which};
}

/* The answer to a question: nothing, whatever bytes behind its number, an error, or an answer. */
static size_t read_answer(struct fuzz_net *net, const struct kith_message *question, size_t max,
                          uint8_t *out) {
    static struct kith_response response;
    size_t size = 0;
    int r = KITH_EINVALID;
    uint8_t how = kith_read_u8(&net->in);
    if (how == 0) {
        return 0;
    }
    if (how < 16) {
        struct kith_wire_failure failure = read_failure(net);
        r = kith_msgpack_encode_error(&question->txn, &failure, out, max, &size);
    } else if (how < 48) {
        struct kith_writer w = kith_writer(out, max);
        struct kith_span bytes = fuzz_net_bytes(net);
        kith_write_u8(&w, 0x93);
        kith_write_u8(&w, 1);
        kith_write_u8(&w, 0xce);
        kith_write_bytes(&w, question->txn.bytes, 4);
        kith_write_span(&w, bytes);
        size = kith_writer_size(&w);
        r = 0;
    } else {
        fuzz_net_read_response(net, false, &response);
        r = kith_msgpack_encode_response(&question->txn, &response, out, max, &size);
    }
    return r == 0 ? size : 0;
}

static void on_datagram(struct fuzz_net *net, unsigned i, const struct fuzz_packet *packet) {
    struct swarm *swarm = net->context;
    struct played *p = &swarm->played[i];
    static struct kith_message message;
    struct kith_delivery delivery;
    uint8_t out[KITH_DATAGRAM_MAX];
    kith_timers_run(&p->timers, net->now);
    kith_sessions_receive(p->sessions, &packet->from, kith_span(packet->bytes, packet->size),
                          net->now, &delivery);
    if ((delivery.kind == KITH_DELIVERY_INITIATION || delivery.kind == KITH_DELIVERY_DATA) &&
        kith_msgpack_decode(swarm->codec, delivery.payload, &message) == 0 &&
        message.kind == KITH_MESSAGE_REQUEST) {
        size_t max = delivery.answer_max < sizeof(out) ? delivery.answer_max : sizeof(out);
        size_t size = read_answer(net, &message, max, out);
        if (size > 0) {
            int r = kith_sessions_answer(p->sessions, &delivery, kith_span(out, size), net->now);
            FUZZ_REQUIRE(r <= 0);
        }
    }
    played_drain(net, i);
}

/* A question, a push, or any bytes under the played one's key. */
static void on_step(struct fuzz_net *net, uint8_t what) {
    unsigned i = what / 16 % FUZZ_PLAYED;
    struct played *p = &((struct swarm *)net->context)->played[i];
    struct kith_request request;
    struct kith_txn txn = {.size = KITH_TXN_SIZE, .bytes = {1, 2, 3, what}};
    uint8_t out[FUZZ_BYTES];
    size_t size = 0;
    struct kith_send send = {.key = net->identities[0].key,
                             .to = fuzz_net_endpoint(0),
                             .early = (what & 32) == 0,
                             .fresh = (what & 64) != 0,
                             .answer_hope = (what & 128) != 0 ? 600 : 0};
    kith_timers_run(&p->timers, net->now);
    if (i == 0 && what % 16 == 13) {
        p->at = fuzz_net_endpoint(p->at.ip[2] == FUZZ_CORES ? FUZZ_CORES - 1 : FUZZ_CORES);
    }
    int r;
    if (what % 16 == 15) {
        send.payload = fuzz_net_bytes(net);
        r = 0;
    } else {
        fuzz_net_read_request(net, false, &request);
        r = what % 16 == 14 ? kith_msgpack_encode_push(&request, out, sizeof(out), &size)
                            : kith_msgpack_encode_request(&txn, &request, out, sizeof(out), &size);
        send.payload = kith_span(out, size);
    }
    if (r == 0) {
        r = kith_sessions_send(p->sessions, &send, net->now);
        FUZZ_REQUIRE(r != 0);
    }
    played_drain(net, i);
}

/* All know each other, so that sessions come up whatever the input. */
static void introduce(struct fuzz_net *net) {
    for (unsigned i = 0; i < net->n_cores; i++) {
        for (unsigned k = 0; k < FUZZ_NODES; k++) {
            struct kith_contact contact = {k % 2 == 0, net->identities[k].key,
                                           fuzz_net_endpoint(k)};
            if (k != i && (k < net->n_cores || (k >= FUZZ_CORES && i == 0))) {
                FUZZ_REQUIRE(kith_core_add_contact(net->cores[i], &contact, KITH_CONTACT_PEER,
                                                   net->now) == 0);
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct fuzz_net net;
    static struct swarm swarm;
    struct kith_codec *codec = swarm.codec;
    memset(&swarm, 0, sizeof(swarm));
    if (codec == NULL && kith_codec_new(&codec) < 0) {
        return 0;
    }
    swarm.codec = codec;
    fuzz_net_init(&net, kith_span(data, size));
    net.context = &swarm;
    net.on_datagram = on_datagram;
    net.on_step = on_step;
    for (unsigned i = 0; i < FUZZ_PLAYED; i++) {
        played_init(&net, i);
    }
    uint8_t choice = kith_read_u8(&net.in);
    struct fuzz_options options = {
        .n_cores = 2 + (choice & 1),
        .client = (choice & 2) != 0,
        .has_v6 = (choice & 4) != 0,
        .handshakes_per_s = (choice & 8) != 0 ? 4 : 0,
        .unlimited = (choice & 16) != 0,
    };
    fuzz_net_start(&net, &options);
    if ((choice & 32) == 0) {
        introduce(&net);
    }
    fuzz_net_run(&net);
    fuzz_net_deinit(&net);
    for (unsigned i = 0; i < FUZZ_PLAYED; i++) {
        kith_sessions_free(swarm.played[i].sessions);
        kith_outbox_deinit(&swarm.played[i].outbox);
        kith_timers_deinit(&swarm.played[i].timers);
    }
    return 0;
}
