/* SPDX-License-Identifier: MIT */
/* Few keys, addresses and records, so that they meet; small limits, so that they are reached. */
#include "fuzz_net.h"

#include "fuzz.h"
#include "nomem.h"
#include "sim/fast_curve.h"
#include "unit/testing.h"

enum {
    STEPS_MAX = 150,
    MOVES_MAX = 100,  /* deadlines in one step, */
    MOVES_ALL = 1500, /* and in all: an input is to take milliseconds */
    SPINS_MAX = 1000,
    UNDER_TEST = 0,
};

static const struct kith_curve *const curve = &kith_sim_fast_curve;

/* ---- the network ---- */

void fuzz_net_push(struct fuzz_net *net, const struct kith_endpoint *from,
                   const struct kith_endpoint *to, struct kith_span bytes) {
    struct fuzz_packet *packet = &net->queue[net->tail++ % FUZZ_QUEUE];
    net->head = net->tail - net->head > FUZZ_QUEUE ? net->tail - FUZZ_QUEUE : net->head;
    FUZZ_REQUIRE(bytes.size <= sizeof(packet->bytes));
    packet->from = *from;
    packet->to = *to;
    packet->size = bytes.size;
    memcpy(packet->bytes, bytes.data, bytes.size);
}

static void enter(struct fuzz_net *net, unsigned core) {
    if (core == UNDER_TEST && net->fail_at > 0) {
        nomem_begin(net->fail_at, net->fail_on);
    }
}

static void leave(struct fuzz_net *net, unsigned core) {
    if (core == UNDER_TEST && net->fail_at > 0 && nomem_end()) {
        net->fail_at = 0;
    }
    (void)nomem_end();
}

/* An op ends once, and nothing is told of it afterwards. */
static void note_result(struct fuzz_net *net, const struct kith_result *result) {
    struct kith_record_view view;
    unsigned i = 0;
    while (i < FUZZ_OPS && net->ops[i] != result->op) {
        i++;
    }
    FUZZ_REQUIRE(i < FUZZ_OPS);
    FUZZ_REQUIRE(result->bytes != NULL || result->bytes_size == 0);
    if (result->record != NULL) {
        kith_record_view(result->record, &view);
        FUZZ_REQUIRE(kith_record_verify(&view, curve, NULL) == 0);
    }
    if (result->kind == KITH_RESULT_DONE) {
        net->ops[i] = 0;
        net->n_ops--;
    }
}

static void note_event(struct fuzz_net *net, unsigned core, const struct kith_core_event *event) {
    struct kith_record_view view;
    if (event->kind == KITH_CORE_TALK) {
        enter(net, core);
        kith_core_talk_answer(net->cores[core], event->talk.token,
                              event->talk.size % 3 == 2 ? KITH_EREFUSED : 0, event->talk.bytes,
                              event->talk.size, net->now);
        leave(net, core);
    } else if (event->kind == KITH_CORE_SAVE || event->kind == KITH_CORE_FORGET) {
        kith_record_view(event->saved.record, &view);
        FUZZ_REQUIRE(kith_record_verify(&view, curve, NULL) == 0);
        net->saved = event->saved;
        net->saved_record = *event->saved.record;
        net->saved.record = &net->saved_record;
    } else if (event->kind == KITH_CORE_RESULT && core == UNDER_TEST) {
        note_result(net, &event->result);
    }
}

/* As a shell does after each call. */
static void drain(struct fuzz_net *net, unsigned core) {
    struct kith_core_event event;
    struct kith_datagram d;
    struct kith_endpoint from = fuzz_net_endpoint(core);
    while (kith_core_next_event(net->cores[core], &event)) {
        note_event(net, core, &event);
    }
    while (kith_core_next_datagram(net->cores[core], &d)) {
        fuzz_net_push(net, &from, &d.to, kith_span(d.bytes, d.size));
    }
}

void fuzz_net_give(struct fuzz_net *net, unsigned core, const struct kith_endpoint *from,
                   const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size + (size == 0)); /* exact: a sanitizer sees a read beyond it */
    FUZZ_REQUIRE(copy != NULL);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    enter(net, core);
    kith_core_receive(net->cores[core], from, copy, size, net->now);
    leave(net, core);
    free(copy);
    drain(net, core);
}

static void tick(struct fuzz_net *net, unsigned core) {
    enter(net, core);
    kith_core_tick(net->cores[core], net->now);
    leave(net, core);
    drain(net, core);
}

static void deliver(struct fuzz_net *net, const struct fuzz_packet *packet) {
    for (unsigned i = 0; i < FUZZ_NODES; i++) {
        struct kith_endpoint at = fuzz_net_endpoint(i);
        if (!kith_endpoint_equal(&at, &packet->to)) {
            continue;
        }
        if (i == UNDER_TEST) {
            net->last = *packet;
        }
        if (i < net->n_cores) {
            fuzz_net_give(net, i, &packet->from, packet->bytes, packet->size);
        } else { /* where no core is, the first of the played ones lives as well */
            net->on_datagram(net, i < FUZZ_CORES ? 0 : i - FUZZ_CORES, packet);
        }
    }
}

static bool take(struct fuzz_net *net, struct fuzz_packet *ret) {
    if (net->head == net->tail) {
        return false;
    }
    *ret = net->queue[net->head++ % FUZZ_QUEUE];
    return true;
}

static void deliver_all(struct fuzz_net *net, unsigned n) {
    static struct fuzz_packet packet;
    while (n-- > 0 && take(net, &packet)) {
        deliver(net, &packet);
    }
}

/* Runs what is due until then; a core that wants to be woken again and again at one instant would
 * hang its shell. */
static void run_until(struct fuzz_net *net, uint64_t until) {
    unsigned spins = 0;
    for (unsigned moves = 0; moves < MOVES_MAX && net->n_moves < MOVES_ALL; moves++) {
        uint64_t next = KITH_NEVER;
        unsigned who = 0;
        deliver_all(net, 8);
        for (unsigned i = 0; i < net->n_cores; i++) {
            uint64_t deadline = kith_core_deadline(net->cores[i]);
            who = deadline < next ? i : who;
            next = deadline < next ? deadline : next;
        }
        if (next > until) {
            break;
        }
        spins = next <= net->now ? spins + 1 : 0;
        FUZZ_REQUIRE(spins < SPINS_MAX);
        net->now = next > net->now ? next : net->now;
        net->n_moves++;
        tick(net, who);
    }
    net->now = until > net->now ? until : net->now;
}

static void pass_time(struct fuzz_net *net) {
    static const uint32_t ms[] = {1,     20,    150,    500,    1000,    3000,    5000,    11000,
                                  31000, 61000, 301000, 601000, 3601000, 7201000, 90000000};
    uint8_t which = kith_read_u8(&net->in);
    uint64_t until = net->now + ms[which % (sizeof(ms) / sizeof(ms[0]))] * KITH_NS_PER_MS;
    if (which < 200) {
        run_until(net, until);
        return;
    }
    net->now = until; /* it was stopped */
    for (unsigned i = 0; i < net->n_cores; i++) {
        tick(net, i);
    }
}

/* ---- steps ---- */

static void wire(struct fuzz_net *net, uint8_t what) {
    static struct fuzz_packet packet;
    struct kith_endpoint from;
    if (what % 4 == 0) { /* once more what came last, maybe from elsewhere */
        packet = net->last;
        packet.from = fuzz_net_read_endpoint(net);
        if (packet.size > 0) {
            deliver(net, &packet);
        }
        return;
    }
    if (what % 4 == 1) { /* anything from anywhere */
        from = fuzz_net_read_endpoint(net);
        struct kith_span bytes = fuzz_net_bytes(net);
        fuzz_net_give(net, UNDER_TEST, &from, bytes.data, bytes.size);
        return;
    }
    if (!take(net, &packet) || what % 4 == 2) {
        return; /* lost */
    }
    uint8_t at = kith_read_u8(&net->in);
    uint8_t value = kith_read_u8(&net->in);
    if (value == 0) {
        packet.size = packet.size * at / 256;
    } else if (packet.size > 0) {
        packet.bytes[at * packet.size / 256] ^= value;
    }
    deliver(net, &packet);
}

static void make_record(struct fuzz_net *net) {
    uint8_t how = kith_read_u8(&net->in);
    uint8_t salt[KITH_SALT_MAX];
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size = 0;
    struct kith_peer peer = {.ttl_s = 7200};
    size_t salt_size = fuzz_net_read_salt(net, salt);
    int64_t seq = kith_read_u8(&net->in);
    seq += (how & 8) != 0 ? INT64_C(1790000000000000) : 0;
    struct kith_span bytes = fuzz_net_bytes(net);
    int r = 0;
    if ((how & 1) != 0) {
        for (unsigned i = 0; i < bytes.size % 4; i++) {
            peer.endpoints[peer.n_endpoints++] = fuzz_net_read_endpoint(net);
        }
        r = kith_peer_encode(&peer, value, &size);
    } else {
        r = kith_value_wrap(bytes.data, bytes.size, value, &size);
    }
    struct kith_record record;
    struct kith_span wrapped = kith_span(value, size);
    /* The core's own key may sign elsewhere, too. */
    const struct kith_identity *by =
        &net->identities[(how & 4) != 0 ? UNDER_TEST : FUZZ_CORES + (how >> 4) % FUZZ_PLAYED];
    r = r < 0 ? r
        : (how & 2) != 0
            ? kith_record_immutable(&record, wrapped)
            : kith_record_sign(&record, by, curve, kith_span(salt, salt_size), seq, wrapped);
    if (r == 0) {
        net->records[net->n_records++ % FUZZ_RECORDS] = record;
    }
}

static void read_query_place(struct fuzz_net *net, struct kith_query *query) {
    uint8_t how = kith_read_u8(&net->in);
    if ((how & 1) == 0) {
        query->flags |= KITH_FLAG_HAS_KEY;
        query->key = fuzz_net_read_key(net);
        query->salt_size = (uint8_t)fuzz_net_read_salt(net, query->salt);
    }
    if ((how & 2) != 0) {
        query->flags |= KITH_FLAG_HAS_POINT;
        query->point = fuzz_net_read_point(net, query->swarms == KITH_SWARM_MAINLINE);
    }
    if ((how & 4) != 0) {
        query->contact.endpoint = fuzz_net_read_endpoint(net);
        query->contact.has_key = (how & 8) != 0;
        query->contact.key = query->key;
    }
}

static void start_op(struct fuzz_net *net) {
    uint8_t value[KITH_VALUE_MAX];
    uint16_t size = 0;
    struct kith_query query = {
        .kind = (enum kith_query_kind)(1 + kith_read_u8(&net->in) % KITH_QUERY_SAMPLE)};
    uint8_t flags = kith_read_u8(&net->in);
    unsigned i = 0;
    query.swarms = flags & 3;
    query.flags = (flags & 4 ? KITH_FLAG_NEWEST : 0u) | (flags & 8 ? KITH_FLAG_HAS_SEQ : 0u) |
                  (flags & 16 ? KITH_FLAG_HAS_CAS : 0u) | (flags & 32 ? KITH_FLAG_IMMUTABLE : 0u) |
                  (flags & 64 ? KITH_FLAG_TRACE : 0u) | (flags & 128 ? KITH_FLAG_FORGET : 0u);
    read_query_place(net, &query);
    query.seq = query.cas = query.n = kith_read_u8(&net->in);
    query.timeout_ns = query.n > 128 ? query.n * KITH_NS_PER_MS : 0;
    query.port = (uint16_t)(query.n * 40);
    if (query.kind == KITH_QUERY_PUT || query.kind == KITH_QUERY_TALK) {
        struct kith_span bytes = fuzz_net_bytes(net);
        FUZZ_REQUIRE(
            kith_value_wrap(bytes.data, bytes.size < 900 ? bytes.size : 900, value, &size) == 0);
        query.value = value;
        query.value_size = size;
        query.protocol = "echo";
        if ((flags & 128) != 0 && net->n_records > 0) {
            query.record = &net->records[query.n % (net->n_records < FUZZ_RECORDS ? net->n_records
                                                                                  : FUZZ_RECORDS)];
            query.flags |= KITH_FLAG_HAS_RECORD;
        }
    }
    while (i < FUZZ_OPS && net->ops[i] != 0) {
        i++;
    }
    if (i == FUZZ_OPS) {
        return;
    }
    uint64_t op = 0;
    enter(net, UNDER_TEST);
    int r = kith_core_start(net->cores[UNDER_TEST], &query, net->now, &op);
    leave(net, UNDER_TEST);
    FUZZ_REQUIRE(r <= 0);
    if (r == 0) {
        net->ops[i] = op;
        net->n_ops++;
    }
    drain(net, UNDER_TEST);
}

static void cancel(struct fuzz_net *net, unsigned i) {
    enter(net, UNDER_TEST);
    kith_core_cancel(net->cores[UNDER_TEST], net->ops[i % FUZZ_OPS], net->now);
    leave(net, UNDER_TEST);
    drain(net, UNDER_TEST);
}

static void meet(struct fuzz_net *net, struct kith_core *core, uint8_t argument) {
    struct kith_contact contact = {.has_key = (argument & 1) != 0};
    enum kith_contact_source source = (enum kith_contact_source)(1 + argument / 16 % 3);
    struct kith_node_ref node = fuzz_net_read_node(net);
    contact.endpoint = node.endpoint;
    contact.key = node.key;
    int r = (argument & 2) != 0
                ? kith_core_mainline_add(core, &contact.endpoint,
                                         argument >= 128 ? KITH_CONTACT_ROUTER : source, net->now)
                : kith_core_add_contact(core, &contact, source, net->now);
    FUZZ_REQUIRE(r <= 0);
    if ((argument & 4) != 0) {
        kith_core_remove_contact(core, &contact.endpoint);
        kith_core_mainline_remove(core, &contact.endpoint);
    }
}

static void local(struct fuzz_net *net, struct kith_core *core, uint8_t argument) {
    struct kith_local_report report = {.name = "kith-0"};
    report.name[5] = (char)('0' + argument % 4);
    report.has_key = (argument & 16) != 0;
    report.key = fuzz_net_read_key(net);
    for (unsigned n = argument >> 5; n > 0; n--) {
        report.endpoints[report.n_endpoints++] = fuzz_net_read_endpoint(net);
    }
    if ((argument & 8) != 0) {
        kith_core_local_vanished(core, report.name, net->now);
    } else {
        FUZZ_REQUIRE(kith_core_local_appeared(core, &report, net->now) <= 0);
    }
    kith_core_local_watch(core, net->now);
}

static void edit_book(struct fuzz_net *net, struct kith_core *core, uint8_t argument) {
    struct kith_node_ref node = fuzz_net_read_node(net);
    struct kith_contact contact = {true, node.key, node.endpoint};
    struct kith_ban_info ban = {.is_key = (argument & 4) != 0,
                                .key = node.key,
                                .prefix = node.endpoint,
                                .bits = (uint8_t)(8 + argument / 8),
                                .left_s = argument};
    ban.prefix.port = 0;
    int r = (argument & 3) == 0   ? kith_core_book_add(core, &contact, argument / 32, net->now)
            : (argument & 3) == 1 ? kith_core_ban(core, &ban, net->now)
            : (argument & 3) == 2 ? kith_core_unban(core, &ban)
                                  : 0;
    FUZZ_REQUIRE(r <= 0);
    if ((argument & 3) == 3) {
        struct kith_book_blob blob;
        while (kith_core_book_next_dirty(core, &blob)) {
            net->blob = blob.removed ? net->blob : blob;
        }
        kith_core_book_mark_dirty(core);
        r = kith_core_book_load(core, kith_span(net->blob.key, net->blob.key_size),
                                kith_span(net->blob.value, net->blob.value_size), net->now);
        FUZZ_REQUIRE(r <= 0);
    }
}

static void restore(struct fuzz_net *net, struct kith_core *core, uint8_t argument) {
    struct kith_core_saved saved = net->saved;
    if (saved.record == NULL || (argument & 1) != 0) {
        struct kith_record_view view;
        if (!fuzz_net_read_record(net, &view)) {
            return;
        }
        kith_record_copy(&net->saved_record, &view);
        saved = (struct kith_core_saved){.record = &net->saved_record,
                                         .own = (argument & 2) != 0,
                                         .is_announcement = (argument & 4) != 0,
                                         .swarms = argument / 8 % 4u,
                                         .lifetime_ns = argument * KITH_NS_PER_S};
        saved.topic = fuzz_net_read_point(net, false);
    }
    FUZZ_REQUIRE(kith_core_restore(core, &saved, net->now) <= 0);
}

static int count_info(const struct kith_record_info *info, void *user) {
    ++*(unsigned *)user;
    return 0;
}

static int count_peer(const struct kith_peer_info *info, void *user) {
    ++*(unsigned *)user;
    return 0;
}

static int count_local(const struct kith_local_info *info, void *user) {
    ++*(unsigned *)user;
    return 0;
}

static int count_book(const struct kith_book_info *info, void *user) {
    ++*(unsigned *)user;
    return 0;
}

static int count_ban(const struct kith_ban_info *info, void *user) {
    ++*(unsigned *)user;
    return 0;
}

static int count_session(const struct kith_session_info *info, void *user) {
    ++*(unsigned *)user;
    return 0;
}

static void ask_all(struct fuzz_net *net, struct kith_core *core) {
    struct kith_status status;
    struct kith_book_status book;
    struct kith_endpoint known[8];
    struct kith_key key = fuzz_net_read_key(net);
    struct kith_peer peer;
    unsigned n = 0;
    kith_core_status(core, net->now, &status);
    kith_core_book_status(core, net->now, &book);
    FUZZ_REQUIRE(kith_core_each_record(core, net->now, count_info, &n) == 0);
    FUZZ_REQUIRE(kith_core_each_peer(core, net->now, count_peer, &n) == 0);
    FUZZ_REQUIRE(kith_core_each_session(core, net->now, count_session, &n) == 0);
    FUZZ_REQUIRE(kith_core_each_local(core, net->now, count_local, &n) == 0);
    FUZZ_REQUIRE(kith_core_each_book(core, net->now, count_book, &n) == 0);
    FUZZ_REQUIRE(kith_core_each_ban(core, net->now, count_ban, &n) == 0);
    FUZZ_REQUIRE(kith_core_mainline_known(core, 4, 8, known) <= 8);
    FUZZ_REQUIRE(kith_core_known_peer(core, &key, net->now, &peer) <= 0);
}

static void manage(struct fuzz_net *net) {
    struct kith_core *core = net->cores[UNDER_TEST];
    uint8_t what = kith_read_u8(&net->in);
    uint8_t argument = kith_read_u8(&net->in);
    struct kith_endpoint bound[2];
    enter(net, UNDER_TEST);
    switch (what % 10) {
    case 0:
    case 1:
        meet(net, core, argument);
        break;
    case 2:
        local(net, core, argument);
        break;
    case 3:
        edit_book(net, core, argument);
        break;
    case 4:
        restore(net, core, argument);
        break;
    case 5:
        kith_core_network_changed(core, net->now);
        break;
    case 6:
        bound[0] = fuzz_net_endpoint(UNDER_TEST);
        bound[1] = fuzz_net_read_endpoint(net);
        kith_core_set_bound(core, bound, 1 + (argument & 1), net->now);
        break;
    case 7:
        kith_core_set_clock(core, UINT64_C(1780000000000000) + argument * UINT64_C(100000000000),
                            net->now);
        break;
    case 8:
        FUZZ_REQUIRE(kith_core_talk_handle(core, "echo", (argument & 1) != 0) <= 0);
        kith_core_expect_contacts(core, (argument & 2) != 0, net->now);
        break;
    default:
        ask_all(net, core);
        break;
    }
    leave(net, UNDER_TEST);
    drain(net, UNDER_TEST);
}

static void step(struct fuzz_net *net) {
    uint8_t op = kith_read_u8(&net->in);
    switch (op % 16) {
    case 0:
    case 1:
        deliver_all(net, 1 + op / 16u);
        break;
    case 2:
        wire(net, op / 16);
        break;
    case 3:
    case 4:
        pass_time(net);
        break;
    case 5:
    case 6:
        start_op(net);
        break;
    case 7:
        cancel(net, op / 16u);
        break;
    case 8:
    case 9:
        manage(net);
        break;
    case 10:
        make_record(net);
        break;
    case 11:
        net->fail_at = kith_read_u8(&net->in) % 64;
        net->fail_on = (op & 16) != 0;
        break;
    default:
        net->on_step(net, op);
        break;
    }
}

static void check(struct fuzz_net *net, unsigned core) {
    const char *wrong = kith_core_check(net->cores[core]);
    if (wrong != NULL) {
        fprintf(stderr, "core %u: %s\n", core, wrong);
    }
    FUZZ_REQUIRE(wrong == NULL);
}

void fuzz_net_run(struct fuzz_net *net) {
    for (unsigned i = 0; i < STEPS_MAX && kith_reader_left(&net->in) > 0; i++) {
        step(net);
        check(net, UNDER_TEST);
    }
    net->fail_at = 0;
    for (unsigned i = 0; i < FUZZ_OPS; i++) {
        if (net->ops[i] != 0) {
            cancel(net, i);
        }
    }
    FUZZ_REQUIRE(net->n_ops == 0);
    for (unsigned i = 0; i < net->n_cores; i++) {
        check(net, i);
    }
}

/* ---- birth and death ---- */

void fuzz_net_init(struct fuzz_net *net, struct kith_span input) {
    memset(net, 0, sizeof(*net));
    net->in = kith_reader(input);
    net->now = 1000 * KITH_NS_PER_S;
    for (unsigned i = 0; i < FUZZ_NODES; i++) {
        uint8_t seed[KITH_SEED_SIZE];
        memset(seed, (int)(i + 1), sizeof(seed));
        kith_identity_from_seed(&net->identities[i], curve, seed);
    }
}

static void add_core(struct fuzz_net *net, unsigned i, const struct fuzz_options *options) {
    uint8_t seed[KITH_SEED_SIZE];
    static struct kith_codec *codec; /* kept: one for all inputs */
    if (codec == NULL) {
        FUZZ_REQUIRE(kith_codec_new(&codec) == 0);
    }
    memset(seed, (int)(i + 1), sizeof(seed));
    struct kith_core_config config = {
        .seed = seed,
        .curve = curve,
        .random = kith_test_random(net->chance[i], i),
        .codec = codec,
        .network = "fuzz",
        .client = i == UNDER_TEST && options->client,
        .unlimited = options->unlimited,
        .has_v4 = true,
        .has_v6 = options->has_v6,
        .mainline = options->mainline,
        .peer_events = true,
        .book_buckets = 2,
        .wall_us = UINT64_C(1790000000000000),
        .outbox_keep = 4096,
    };
    if (i == UNDER_TEST) {
        config.limits = (struct kith_limits){.sessions = 8,
                                             .sessions_per_prefix = 3,
                                             .records = 8,
                                             .record_bytes = 4000,
                                             .records_per_prefix = 4,
                                             .topic_peers = 4,
                                             .ops = FUZZ_OPS,
                                             .handshakes_per_s = options->handshakes_per_s};
    }
    FUZZ_REQUIRE(kith_core_new(&net->cores[i], &config, net->now) == 0);
    struct kith_endpoint at = fuzz_net_endpoint(i);
    kith_core_set_bound(net->cores[i], &at, 1, net->now);
    drain(net, i);
}

void fuzz_net_start(struct fuzz_net *net, const struct fuzz_options *options) {
    net->n_cores = options->n_cores;
    for (unsigned i = 0; i < net->n_cores; i++) {
        add_core(net, i, options);
    }
}

void fuzz_net_deinit(struct fuzz_net *net) {
    for (unsigned i = 0; i < net->n_cores; i++) {
        kith_core_free(net->cores[i]);
    }
}
