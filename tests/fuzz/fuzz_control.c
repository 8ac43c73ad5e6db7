/* SPDX-License-Identifier: MIT */
/*
 * One client of the control protocol over a node that is played: raw bytes, requests built of the
 * input, results and news at any time. What is written is a stream of messages; it is the same
 * whatever pieces the requests come in; and every op ends when the client goes.
 */
#include "fuzz.h"
#include "unit/control_testing.h"

enum { STEPS_MAX = 200, OUT_MAX = 1 << 20 };

struct run {
    struct kith_reader in;
    size_t piece; /* bytes handed over at once; 0: all */
    struct kith_node node;
    struct kith_control *control;
    bool broken;
    uint8_t out[OUT_MAX];
    size_t out_size;
};

static void write_out(void *context, struct kith_span bytes) {
    struct run *run = context;
    FUZZ_REQUIRE(bytes.size > 0);
    if (bytes.size <= OUT_MAX - run->out_size) {
        memcpy(run->out + run->out_size, bytes.data, bytes.size);
        run->out_size += bytes.size;
    }
}

static struct kith_span take(struct run *run) {
    size_t size = kith_read_u8(&run->in);
    size_t left = kith_reader_left(&run->in);
    size = size < left ? size : left;
    const uint8_t *bytes = kith_read_bytes(&run->in, size);
    return kith_span(bytes, bytes == NULL ? 0 : size);
}

static void receive(struct run *run, struct kith_span bytes) {
    while (bytes.size > 0 && !run->broken) {
        size_t n = run->piece == 0 || run->piece > bytes.size ? bytes.size : run->piece;
        uint8_t *copy = malloc(n);
        FUZZ_REQUIRE(copy != NULL);
        memcpy(copy, bytes.data, n);
        run->broken = kith_control_receive(run->control, kith_span(copy, n)) < 0;
        free(copy);
        bytes = kith_span(bytes.data + n, bytes.size - n);
    }
}

static const char *const methods[] = {
    "version",
    "id",
    "status",
    "stats",
    "peers",
    "table",
    "records",
    "sessions",
    "lan",
    "book",
    "bans",
    "add",
    "ban",
    "unban",
    "lookup",
    "get",
    "put",
    "announce",
    "unannounce",
    "find",
    "ping",
    "trace",
    "watch",
    "talk",
    "events",
    "mainline_peers",
    "cancel",
    "stop",
    "mainline_announce",
    "mainline_sample",
};

static const char *const names[] = {
    "key",   "point", "target", "salt",   "value",    "seq",   "cas",        "all",
    "topic", "peer",  "n",      "swarm",  "protocol", "bytes", "timeout_ms", "infohash",
    "port",  "id",    "roles",  "prefix", "offset",   "limit", "immutable",  "duration_s",
};

static const char *const texts[] = {
    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
    "0707070707070707070707070707070707070707070707070707070707070707",
    "0707070707070707070707070707070707070707",
    "192.0.2.1:7700",
    "192.0.2.0/24",
    "kith",
    "mainline",
    "both",
    "persistent",
};

static void put_value(struct run *run, msgpack_packer *packer) {
    uint8_t kind = kith_read_u8(&run->in);
    struct kith_span bytes = {0};
    if (kind < 128) {
        const char *text = texts[kind % (sizeof(texts) / sizeof(texts[0]))];
        if (kind >= 100) {
            msgpack_pack_array(packer, 1);
        }
        msgpack_pack_str_with_body(packer, text, strlen(text));
        return;
    }
    switch (kind % 6) {
    case 0:
        bytes = take(run);
        msgpack_pack_str_with_body(packer, bytes.size > 0 ? (const char *)bytes.data : "",
                                   bytes.size);
        break;
    case 1:
        bytes = take(run);
        msgpack_pack_bin_with_body(packer, bytes.size > 0 ? (const char *)bytes.data : "",
                                   bytes.size);
        break;
    case 2:
        msgpack_pack_uint64(packer, kith_read_u64(&run->in));
        break;
    case 3:
        msgpack_pack_uint8(packer, kith_read_u8(&run->in));
        break;
    case 4:
        msgpack_pack_double(packer, (double)(int8_t)kith_read_u8(&run->in) * 1e3);
        break;
    default:
        if (kind % 4 == 0) {
            msgpack_pack_nil(packer);
        } else {
            msgpack_pack_true(packer);
        }
        break;
    }
}

static void ask(struct run *run) {
    msgpack_sbuffer out;
    msgpack_packer packer;
    uint8_t method = kith_read_u8(&run->in);
    const char *name = methods[method % (sizeof(methods) / sizeof(methods[0]))];
    unsigned n = kith_read_u8(&run->in) % 5u;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&packer, &out, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 0);
    msgpack_pack_uint8(&packer, kith_read_u8(&run->in) % 100);
    msgpack_pack_str_with_body(&packer, name, strlen(name));
    msgpack_pack_map(&packer, n);
    for (; n > 0; n--) {
        const char *arg = names[kith_read_u8(&run->in) % (sizeof(names) / sizeof(names[0]))];
        msgpack_pack_str_with_body(&packer, arg, strlen(arg));
        put_value(run, &packer);
    }
    receive(run, kith_span(out.data, out.size));
    msgpack_sbuffer_destroy(&out);
}

/* Whatever a node may say of an op. */
static void give_result(struct run *run) {
    static struct kith_record record;
    static struct kith_peer peer;
    static struct kith_hop hop;
    uint8_t which = kith_read_u8(&run->in);
    uint8_t kind = kith_read_u8(&run->in);
    uint8_t flags = kith_read_u8(&run->in);
    if (which >= run->node.n_started || run->node.ended[which]) {
        return;
    }
    struct kith_span bytes = take(run);
    struct kith_result result = {.kind = (enum kith_result_kind)(1 + kind % KITH_RESULT_DONE)};
    result.status = (flags & 1) != 0 ? -(int)(kind % 24) : 0;
    memset(&record, flags, sizeof(record));
    record.is_mutable = (flags & 2) != 0;
    record.seq = flags;
    record.salt_size = (uint8_t)(flags % (KITH_SALT_MAX + 1));
    record.value_size = (uint16_t)bytes.size;
    memcpy(record.value, bytes.size > 0 ? bytes.data : (const uint8_t *)"", bytes.size);
    peer.ttl_s = flags;
    peer.n_endpoints = flags % (KITH_ENDPOINTS_MAX + 1);
    peer.capabilities_size = (flags & 4) != 0 ? 1 : 0;
    peer.capabilities[0] = 0x80;
    hop.outcome = (enum kith_hop_outcome)(1 + flags % 4);
    bool needs_record = result.kind == KITH_RESULT_RECORD;
    result.record = needs_record || (flags & 8) != 0 ? &record : NULL;
    result.peer = (flags & 16) != 0 ? &peer : NULL;
    result.hop = result.kind == KITH_RESULT_HOP ? &hop : NULL;
    result.bytes = bytes.data;
    result.bytes_size = bytes.size;
    result.text = (flags & 32) != 0 ? "a sentence" : NULL;
    result.sources = flags;
    result.rtt_ns = flags;
    result.contact.endpoint =
        (struct kith_endpoint){.family = (flags & 64) != 0 ? 4 : 0, .port = 1};
    give(&run->node, which, result);
}

static void tell(struct run *run) {
    struct kith_event event = {.kind = (enum kith_event_kind)(kith_read_u8(&run->in) % 12)};
    event.contact.has_key = (event.kind & 1) != 0;
    event.endpoint.family = 4;
    event.contact.endpoint = event.endpoint;
    kith_control_tell(run->control, &event);
}

static void on_stop(void *context) {
    ++*(unsigned *)context;
}

static void step(struct run *run) {
    uint8_t op = kith_read_u8(&run->in);
    switch (op % 8) {
    case 0:
    case 1:
        receive(run, take(run));
        break;
    case 2:
    case 3:
    case 4:
        ask(run);
        break;
    case 5:
    case 6:
        give_result(run);
        break;
    default:
        tell(run);
        run->node.edit_status = (op & 16) != 0 ? KITH_EFULL : 0;
        run->node.start_status = (op & 32) != 0 ? KITH_ENOMEM : 0;
        break;
    }
    if (run->node.n_started == OPS_MAX) {
        run->node.start_status = KITH_EFULL;
    }
}

/* [1, id, {}], [2, id, code, text, {}] or [3, id, event, {}], one after another. */
static void check_stream(const struct run *run) {
    static const uint32_t sizes[] = {0, 3, 5, 4};
    msgpack_unpacked message;
    size_t at = 0;
    msgpack_unpacked_init(&message);
    while (at < run->out_size) {
        FUZZ_REQUIRE(msgpack_unpack_next(&message, (const char *)run->out, run->out_size, &at) ==
                     MSGPACK_UNPACK_SUCCESS);
        const msgpack_object_array *array = &message.data.via.array;
        FUZZ_REQUIRE(message.data.type == MSGPACK_OBJECT_ARRAY && array->size >= 3);
        uint64_t kind = array->ptr[0].via.u64;
        FUZZ_REQUIRE(kind >= 1 && kind <= 3 && array->size == sizes[kind]);
        FUZZ_REQUIRE(array->ptr[array->size - 1].type == MSGPACK_OBJECT_MAP);
    }
    msgpack_unpacked_destroy(&message);
}

static void go(struct run *run, struct kith_span input, size_t piece) {
    unsigned n_stops = 0;
    memset(run, 0, sizeof(*run) - sizeof(run->out) - sizeof(run->out_size));
    run->out_size = 0;
    run->in = kith_reader(input);
    run->piece = piece;
    FUZZ_REQUIRE(kith_control_new(&run->control, &run->node, write_out, run) == 0);
    uint8_t options = kith_read_u8(&run->in);
    run->node.mainline = (options & 1) != 0;
    run->node.n_records = options % 8;
    if ((options & 2) != 0) {
        kith_control_on_stop(run->control, on_stop, &n_stops);
    }
    for (unsigned i = 0; i < STEPS_MAX && kith_reader_left(&run->in) > 0; i++) {
        step(run);
    }
    check_stream(run);
    run->control = kith_control_free(run->control);
    size_t size = run->out_size;
    for (uint64_t op = 0; op < run->node.n_started; op++) {
        FUZZ_REQUIRE(run->node.ended[op] || run->node.canceled[op]);
        if (!run->node.ended[op]) {
            give_end(&run->node, op, KITH_ECANCELED);
        }
    }
    FUZZ_REQUIRE(size == run->out_size); /* nothing is written to who is gone */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct run whole;
    static struct run pieces;
    go(&whole, kith_span(data, size), 0);
    go(&pieces, kith_span(data, size), 1 + size % 7);
    FUZZ_REQUIRE(whole.broken == pieces.broken && whole.out_size == pieces.out_size);
    FUZZ_REQUIRE(memcmp(whole.out, pieces.out, whole.out_size) == 0);
    return 0;
}
