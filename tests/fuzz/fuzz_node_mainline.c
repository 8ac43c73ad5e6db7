/* SPDX-License-Identifier: MIT */
/*
 * A node that takes part in Mainline, beside an honest one and two played by the input: in that
 * swarm anyone can ask and answer.
 */
#include "core/wire/krpc.h"
#include "fuzz.h"
#include "fuzz_net.h"

struct swarm {
    struct kith_point ids[FUZZ_PLAYED];
    uint8_t token[FUZZ_PLAYED][KITH_TOKEN_MAX]; /* that the node gave last */
    size_t token_size[FUZZ_PLAYED];
};

static size_t read_answer(struct fuzz_net *net, const struct kith_sender *from,
                          const struct kith_message *question, uint8_t *out, size_t max) {
    static struct kith_response response;
    struct kith_wire_failure failure = {.code = 203};
    size_t size = 0;
    int r;
    uint8_t how = kith_read_u8(&net->in);
    if (how == 0) {
        return 0;
    }
    if (how < 16) {
        static const int codes[] = {201, 203, 204, 205, 206, 207, 301, 302};
        failure.code = codes[how % 8];
        r = kith_krpc_encode_error(from, &question->txn, &failure, out, max, &size);
    } else if (how < 48) { /* any members of the answer */
        struct kith_writer w = kith_writer(out, max);
        struct kith_span bytes = fuzz_net_bytes(net);
        kith_write_span(&w, kith_span_text("d1:rd2:id20:"));
        kith_write_bytes(&w, from->id->bytes, 20);
        kith_write_span(&w, bytes);
        kith_write_span(&w, kith_span_text("e1:t4:"));
        kith_write_bytes(&w, question->txn.bytes, question->txn.size);
        kith_write_span(&w, kith_span_text("1:y1:re"));
        return kith_writer_size(&w);
    } else {
        fuzz_net_read_response(net, true, &response);
        r = kith_krpc_encode_response(from, &question->txn, &response, out, max, &size);
    }
    return r == 0 ? size : 0;
}

static void on_datagram(struct fuzz_net *net, unsigned i, const struct fuzz_packet *packet) {
    struct swarm *swarm = net->context;
    static struct kith_message message;
    uint8_t out[KITH_WIRE_MAX];
    struct kith_sender from = {.id = &swarm->ids[i], .family = 4};
    struct kith_endpoint at = fuzz_net_endpoint(FUZZ_CORES + i);
    if (kith_krpc_decode(4, kith_span(packet->bytes, packet->size), &message) != 0) {
        return;
    }
    if (message.kind == KITH_MESSAGE_RESPONSE && message.u.response.token.size > 0) {
        struct kith_span token = message.u.response.token;
        swarm->token_size[i] = token.size;
        memcpy(swarm->token[i], token.data, token.size);
    } else if (message.kind == KITH_MESSAGE_REQUEST) {
        size_t size = read_answer(net, &from, &message, out, sizeof(out));
        if (size > 0) {
            fuzz_net_push(net, &at, &packet->from, kith_span(out, size));
        }
    }
}

static void on_step(struct fuzz_net *net, uint8_t what) {
    struct swarm *swarm = net->context;
    unsigned i = what / 16 % FUZZ_PLAYED;
    struct kith_request request;
    struct kith_txn txn = {.size = 2, .bytes = {what, 7}};
    struct kith_sender from = {.id = &swarm->ids[i], .family = 4};
    struct kith_endpoint at = fuzz_net_endpoint(FUZZ_CORES + i);
    uint8_t out[FUZZ_BYTES];
    size_t size = 0;
    if (what % 16 == 15) {
        at = fuzz_net_read_endpoint(net);
    }
    if (what % 16 == 14) {
        swarm->ids[i] = fuzz_net_read_point(net, true);
        return;
    }
    fuzz_net_read_request(net, true, &request);
    request.token = kith_span(swarm->token[i], swarm->token_size[i]);
    if (kith_krpc_encode_request(&from, &txn, &request, out, sizeof(out), &size) == 0) {
        fuzz_net_give(net, 0, &at, out, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct fuzz_net net;
    static struct swarm swarm;
    memset(&swarm, 0, sizeof(swarm));
    fuzz_net_init(&net, kith_span(data, size));
    net.context = &swarm;
    net.on_datagram = on_datagram;
    net.on_step = on_step;
    for (unsigned i = 0; i < FUZZ_PLAYED; i++) {
        memset(swarm.ids[i].bytes, (int)(0x55 + 0x70 * i), 20);
    }
    uint8_t choice = kith_read_u8(&net.in);
    struct fuzz_options options = {
        .n_cores = 1 + (choice & 1),
        .mainline = true,
        .client = (choice & 2) != 0,
        .has_v6 = (choice & 4) != 0,
        .unlimited = (choice & 16) != 0,
    };
    fuzz_net_start(&net, &options);
    for (unsigned k = 1; k < FUZZ_NODES; k++) {
        struct kith_endpoint at = fuzz_net_endpoint(k);
        if (k < net.n_cores || k >= FUZZ_CORES) {
            FUZZ_REQUIRE(kith_core_mainline_add(net.cores[0], &at, KITH_CONTACT_PEER, net.now) ==
                         0);
        }
    }
    fuzz_net_run(&net);
    fuzz_net_deinit(&net);
    return 0;
}
