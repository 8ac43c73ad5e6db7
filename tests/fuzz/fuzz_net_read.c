/* SPDX-License-Identifier: MIT */
/* What the bytes choose: places, keys, records, questions and answers. */
#include "fuzz_net.h"

struct kith_span fuzz_net_bytes(struct fuzz_net *net) {
    size_t size = kith_read_u8(&net->in);
    size = size < 200 ? size : (size - 199) * 20;
    size_t left = kith_reader_left(&net->in);
    size = size < left ? size : left;
    const uint8_t *bytes = kith_read_bytes(&net->in, size);
    return kith_span(bytes, bytes == NULL ? 0 : size);
}

struct kith_endpoint fuzz_net_endpoint(unsigned node) {
    return (struct kith_endpoint){.family = 4, .port = 7700, .ip = {20, 0, (uint8_t)node, 7}};
}

/* Those of the nodes, or others: one prefix, private, loopback, IPv6, unusable. */
struct kith_endpoint fuzz_net_read_endpoint(struct fuzz_net *net) {
    uint8_t which = kith_read_u8(&net->in);
    struct kith_endpoint e = fuzz_net_endpoint(which % FUZZ_NODES);
    static const uint8_t firsts[] = {20, 10, 127, 224};
    if (which < 64) {
        return e;
    }
    e.ip[0] = firsts[which >> 4 & 3];
    e.ip[3] = which;
    if (which >= 192) {
        e = (struct kith_endpoint){.family = 6, .ip = {0x20, 0x01, [7] = which, [15] = which & 7}};
    }
    e.port = which % 5 == 4 ? 0 : (uint16_t)(7700 + which % 3);
    return e;
}

struct kith_key fuzz_net_read_key(struct fuzz_net *net) {
    uint8_t which = kith_read_u8(&net->in);
    struct kith_key key = net->identities[which % FUZZ_NODES].key;
    if (which >= 128) {
        memset(key.bytes, which, sizeof(key.bytes));
    }
    return key;
}

size_t fuzz_net_read_salt(struct fuzz_net *net, uint8_t salt[KITH_SALT_MAX]) {
    uint8_t which = kith_read_u8(&net->in);
    struct kith_point topic = {{which}};
    switch (which % 4) {
    case 0:
        return kith_peer_salt("fuzz", salt);
    case 1:
        return kith_topic_salt(&topic, salt);
    case 2:
        memset(salt, 's', which % KITH_SALT_MAX);
        return which % KITH_SALT_MAX;
    default:
        return 0;
    }
}

/* The newest that are kept: n_records counts all there were. */
static unsigned count_records(const struct fuzz_net *net) {
    return net->n_records < FUZZ_RECORDS ? net->n_records : FUZZ_RECORDS;
}

struct kith_point fuzz_net_read_point(struct fuzz_net *net, bool is_mainline) {
    struct kith_point point = {{0}};
    struct kith_record_view view;
    uint8_t which = kith_read_u8(&net->in);
    if (which < 64) {
        point = net->identities[which % FUZZ_NODES].id;
    } else if (which < 160 && net->n_records > 0) {
        kith_record_view(&net->records[which % count_records(net)], &view);
        (is_mainline ? kith_dialect_krpc : kith_dialect_kith).point(&view, &point);
    } else {
        point.bytes[0] = which;
    }
    if (is_mainline) {
        memset(point.bytes + 20, 0, 12);
    }
    return point;
}

struct kith_node_ref fuzz_net_read_node(struct fuzz_net *net) {
    struct kith_node_ref node = {.has_key = true, .key = fuzz_net_read_key(net)};
    node.endpoint = fuzz_net_read_endpoint(net);
    kith_point_of_node(&node.key, &node.id);
    return node;
}

bool fuzz_net_read_record(struct fuzz_net *net, struct kith_record_view *ret) {
    uint8_t which = kith_read_u8(&net->in);
    if (net->n_records == 0 || which == 0) {
        return false;
    }
    unsigned n = count_records(net);
    kith_record_view(&net->records[which % n], ret);
    return true;
}

void fuzz_net_read_request(struct fuzz_net *net, bool is_mainline, struct kith_request *ret) {
    uint8_t flags = kith_read_u8(&net->in);
    *ret = (struct kith_request){
        .method = (enum kith_method)(1 + kith_read_u8(&net->in) % KITH_METHOD_SAMPLE),
        .read_only = (flags & 1) != 0,
        .want_v4 = (flags & 2) == 0,
        .want_v6 = (flags & 4) != 0,
        .has_seq = (flags & 8) != 0,
        .has_cas = (flags & 16) != 0,
        .implied_port = (flags & 32) != 0,
        .seed = (flags & 64) != 0,
        .scrape = (flags & 128) != 0,
    };
    ret->n = kith_read_u8(&net->in);
    ret->seq = kith_read_u8(&net->in);
    ret->cas = ret->seq;
    ret->family = ret->n % 2 == 0 ? 4 : 6;
    ret->port = (uint16_t)(7000 + ret->n);
    ret->target = fuzz_net_read_point(net, is_mainline);
    if (ret->method == KITH_METHOD_PUT || ret->method == KITH_METHOD_ANNOUNCE ||
        ret->method == KITH_METHOD_ARRIVE) {
        (void)fuzz_net_read_record(net, &ret->record);
    }
    if (ret->method == KITH_METHOD_TALK || ret->method == KITH_METHOD_REACH) {
        ret->protocol = kith_span_text("echo");
        ret->bytes = fuzz_net_bytes(net);
    }
}

static void read_response_more(struct fuzz_net *net, struct kith_response *ret) {
    uint8_t flags = kith_read_u8(&net->in);
    static const uint8_t filter[KITH_BLOOM_SIZE] = {0x11};
    if ((flags & 1) != 0) {
        ret->bytes = fuzz_net_bytes(net);
    }
    if ((flags & 2) != 0) {
        ret->filter_seeds = kith_span(filter, sizeof(filter));
        ret->filter_peers = ret->filter_seeds;
    }
    if ((flags & 4) != 0) {
        ret->has_samples = true;
        ret->samples = kith_span(filter, 20 * (size_t)(kith_read_u8(&net->in) % 8));
        ret->n_sampled = flags;
        ret->interval_s = kith_read_u8(&net->in);
    }
    for (unsigned n = (flags & 8) != 0 ? kith_read_u8(&net->in) % 6u : 0; n > 0; n--) {
        ret->peers[ret->n_peers++] = fuzz_net_read_endpoint(net);
    }
    ret->reached = (flags & 16) != 0;
    ret->truncated = (flags & 32) != 0;
    ret->ttl_s = (flags & 64) != 0 ? 7200 : 0;
}

void fuzz_net_read_response(struct fuzz_net *net, bool is_mainline, struct kith_response *ret) {
    uint8_t flags = kith_read_u8(&net->in);
    memset(ret, 0, sizeof(*ret));
    kith_response_init(ret);
    for (unsigned n = (flags & 1) != 0 ? kith_read_u8(&net->in) % 8u : 0; n > 0; n--) {
        ret->contacts[ret->n_contacts++] = fuzz_net_read_node(net);
    }
    ret->has_record = (flags & 2) != 0 && fuzz_net_read_record(net, &ret->record);
    for (unsigned n = (flags & 4) != 0 ? kith_read_u8(&net->in) % 4u : 0; n > 0; n--) {
        ret->n_records += fuzz_net_read_record(net, &ret->records[ret->n_records]);
    }
    if ((flags & 8) != 0) {
        ret->has_you = true;
        ret->you = fuzz_net_read_endpoint(net);
    }
    if ((flags & 16) != 0) {
        ret->has_seq = ret->has_own_seq = true;
        ret->seq = ret->own_seq = kith_read_u8(&net->in);
    }
    ret->token = is_mainline && (flags & 32) == 0 ? kith_span_text("tokentok") : kith_span(NULL, 0);
    if ((flags & 64) != 0) {
        read_response_more(net, ret);
    }
}
