/* SPDX-License-Identifier: MIT */
/*
 * kith_nodes: many Mainline nodes in one process, for the interop tests: kith's core over real UDP
 * sockets, driven by lines of text. Reads commands from its standard input, answers in JSON, one
 * object per line; ends with its input.
 *
 *     node ADDR:PORT NETWORK [limited] [kith]   {"node":N,"endpoint":"..."}
 *     join NODE ADDR:PORT router|seed|peer
 *     status NODE                               {"node":N,...}
 *     stop NODE                                 silent from now on
 *
 * and questions, answered with {"tag":TAG,...} when they are done (peers, records and samples found
 * on the way are in the same object):
 *
 *     put TAG NODE SALT VALUE [immutable] [seq=N] [cas=N]
 *     get TAG NODE TARGET SALT [newest]
 *     announce TAG NODE INFOHASH PORT
 *     peers TAG NODE INFOHASH
 *     sample TAG NODE TARGET
 *     ping TAG NODE ADDR:PORT
 *
 * Bytes are in hex, "-" is nothing.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "core/core.h"
#include "unit/testing.h"
#include "util/text.h"
#include "util/timer.h"

enum { NODES_MAX = 128, WORDS_MAX = 8, LINE_SIZE = 8192, TEXT_SIZE = 65536, OPS_MAX = 512 };

struct node {
    struct kith_core *core;
    int fd;
    uint64_t random[4];
    bool stopped;
};

/* A question under way and what it has found so far. */
struct question {
    unsigned node;
    uint64_t op; /* 0: free */
    char tag[32];
    unsigned n_peers;
    char peers[4096];
    unsigned n_samples;
    char record[4096];
};

static struct node nodes[NODES_MAX];
static unsigned n_nodes;
static struct question questions[OPS_MAX];

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * KITH_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "kith_nodes: %s\n", what);
    exit(1);
}

/* ---- sockets ---- */

static socklen_t to_sockaddr(const struct kith_endpoint *endpoint, struct sockaddr_storage *ret) {
    memset(ret, 0, sizeof(*ret));
    if (endpoint->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;
        in->sin_family = AF_INET;
        in->sin_port = htons(endpoint->port);
        memcpy(&in->sin_addr, endpoint->ip, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(endpoint->port);
    memcpy(&in6->sin6_addr, endpoint->ip, 16);
    return sizeof(*in6);
}

static struct kith_endpoint from_sockaddr(const struct sockaddr_storage *address) {
    struct kith_endpoint endpoint = {.family = address->ss_family == AF_INET ? 4 : 6};
    if (endpoint.family == 4) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        endpoint.port = ntohs(in->sin_port);
        memcpy(endpoint.ip, &in->sin_addr, 4);
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        endpoint.port = ntohs(in6->sin6_port);
        memcpy(endpoint.ip, &in6->sin6_addr, 16);
    }
    return endpoint;
}

static int open_socket(struct kith_endpoint *endpoint) {
    struct sockaddr_storage address;
    socklen_t size = to_sockaddr(endpoint, &address);
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int room = 1 << 20;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) < 0) {
        die("cannot bind");
    }
    *endpoint = from_sockaddr(&address);
    return fd;
}

/* ---- what comes back ---- */

static void print_hex(const uint8_t *bytes, size_t size) {
    char text[2 * KITH_KEY_SIZE + 1];
    kith_hex_encode(bytes, size, text);
    printf("%s", text);
}

static struct question *find_question(unsigned node, uint64_t op) {
    for (size_t i = 0; i < OPS_MAX; i++) {
        if (questions[i].op == op && questions[i].node == node) {
            return &questions[i];
        }
    }
    return NULL;
}

static void note_record(struct question *q, const struct kith_record *record) {
    char value[2 * KITH_VALUE_MAX + 1] = "";
    char key[2 * KITH_KEY_SIZE + 1] = "";
    kith_hex_encode(record->value, record->value_size, value);
    if (record->is_mutable) {
        kith_hex_encode(record->key.bytes, KITH_KEY_SIZE, key);
    }
    snprintf(q->record, sizeof(q->record), ",\"value\":\"%s\",\"key\":\"%s\",\"held_seq\":%" PRId64,
             value, key, record->is_mutable ? record->seq : 0);
}

static void note_peer(struct question *q, const struct kith_endpoint *endpoint) {
    char text[KITH_ENDPOINT_TEXT_SIZE];
    size_t at = strlen(q->peers);
    kith_endpoint_format(endpoint, text);
    snprintf(q->peers + at, sizeof(q->peers) - at, "%s\"%s\"", q->n_peers++ > 0 ? "," : "", text);
}

static void print_done(const struct question *q, const struct kith_result *r) {
    printf("{\"tag\":\"%s\",\"status\":%d,\"acks\":%u,\"asked\":%u,\"quorum\":%u,\"seq\":%" PRId64
           ",\"messages\":%u,\"answered\":%u,\"timeouts\":%u,\"hops\":%u,\"first_ns\":%" PRIu64
           ",\"total_ns\":%" PRIu64 ",\"holders\":%u,\"samples\":%u,\"peers\":[%s],\"target\":\"",
           q->tag, r->status, r->acks, r->asked, r->quorum, r->seq, r->walk.messages,
           r->walk.answered, r->walk.timeouts, r->walk.hops, r->walk.first_ns, r->walk.total_ns,
           r->holders, q->n_samples, q->peers);
    print_hex(r->target.bytes, 20);
    printf("\"%s}\n", q->record);
    fflush(stdout);
}

static void on_result(unsigned node, const struct kith_result *r) {
    struct question *q = find_question(node, r->op);
    if (q == NULL) {
        return;
    }
    if (r->record != NULL) {
        note_record(q, r->record);
    }
    if (r->kind == KITH_RESULT_PEER) {
        note_peer(q, &r->contact.endpoint);
    } else if (r->kind == KITH_RESULT_SAMPLE) {
        q->n_samples += (unsigned)(r->bytes_size / 20);
    } else if (r->kind == KITH_RESULT_DONE) {
        print_done(q, r);
        q->op = 0;
    }
}

static void on_event(unsigned node, const struct kith_core_event *event) {
    if (event->kind == KITH_CORE_RESULT) {
        on_result(node, &event->result);
    } else if (event->kind == KITH_CORE_NODE && event->node.kind == KITH_EVENT_READY) {
        printf("{\"node\":%u,\"event\":\"ready\",\"contacts\":%u}\n", node, event->node.n_contacts);
        fflush(stdout);
    }
}

static void drain(unsigned i) {
    struct kith_datagram d;
    struct kith_core_event event;
    while (kith_core_next_event(nodes[i].core, &event)) {
        on_event(i, &event);
    }
    while (kith_core_next_datagram(nodes[i].core, &d)) {
        struct sockaddr_storage address;
        socklen_t size = to_sockaddr(&d.to, &address);
        ssize_t n = nodes[i].stopped ? 0
                                     : sendto(nodes[i].fd, d.bytes, d.size, 0,
                                              (struct sockaddr *)&address, size);
        (void)n; /* lost, as datagrams may be */
    }
}

static void receive(unsigned i) {
    uint8_t bytes[2048];
    for (unsigned n = 0; n < 64; n++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof(address);
        ssize_t got =
            recvfrom(nodes[i].fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&address, &size);
        if (got < 0) {
            return;
        }
        struct kith_endpoint from = from_sockaddr(&address);
        if (!nodes[i].stopped) {
            kith_core_receive(nodes[i].core, &from, bytes, (size_t)got, now_ns());
            drain(i);
        }
    }
}

/* ---- commands ---- */

static size_t read_hex(const char *text, uint8_t *out, size_t max) {
    size_t length = strcmp(text, "-") == 0 ? 0 : strlen(text);
    if (length / 2 > max || kith_hex_decode(text, length, out, length / 2) != 0) {
        die("bad hex");
    }
    return length / 2;
}

static struct kith_endpoint read_endpoint(const char *text) {
    struct kith_endpoint endpoint;
    if (kith_endpoint_parse(text, &endpoint, NULL) < 0) {
        die("bad endpoint");
    }
    return endpoint;
}

static bool has_word(char **words, unsigned n, const char *word) {
    for (unsigned i = 0; i < n; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static void add_node(char **words, unsigned n) {
    struct kith_endpoint endpoint = read_endpoint(words[1]);
    uint8_t seed[KITH_SEED_SIZE];
    char text[KITH_ENDPOINT_TEXT_SIZE];
    unsigned i = n_nodes++;
    randombytes_buf(seed, sizeof(seed));
    if (n_nodes > NODES_MAX) {
        die("too many nodes");
    }
    uint64_t chance;
    randombytes_buf(&chance, sizeof(chance));
    bool unlimited = !has_word(words, n, "limited");
    struct kith_core_config config = {
        .seed = seed,
        .curve = &kith_curve_sodium,
        .random = kith_test_random(nodes[i].random, chance),
        .network = words[2],
        .unlimited = unlimited,
        .has_v4 = endpoint.family == 4,
        .has_v6 = endpoint.family == 6,
        .mainline = true,
        .mainline_questions_per_s = unlimited ? 100000 : 0,
        .wall_us = (uint64_t)time(NULL) * 1000000,
    };
    nodes[i].fd = open_socket(&endpoint);
    if (kith_core_new(&nodes[i].core, &config, now_ns()) < 0) {
        die("no node");
    }
    kith_core_set_bound(nodes[i].core, &endpoint, 1, now_ns());
    drain(i);
    struct kith_status status;
    kith_core_status(nodes[i].core, now_ns(), &status);
    kith_endpoint_format(&endpoint, text);
    printf("{\"node\":%u,\"endpoint\":\"%s\",\"key\":\"", i, text);
    print_hex(status.key.bytes, sizeof(status.key.bytes));
    printf("\"}\n");
}

static void print_status(unsigned i) {
    struct kith_status status;
    kith_core_status(nodes[i].core, now_ns(), &status);
    const struct kith_mainline_status *m = &status.mainline;
    const struct kith_mainline_family_status *f = &m->families[m->families[1].on];
    char text[KITH_ENDPOINT_TEXT_SIZE] = "";
    if (f->observed.family != 0) {
        kith_endpoint_format(&f->observed, text);
    }
    printf("{\"node\":%u,\"ready\":%s,\"kith_ready\":%s,\"nodes\":%u,\"kith_nodes\":%u,"
           "\"reachable\":%d,\"read_only\":%s,\"observed\":\"%s\",\"items\":%u,\"torrents\":%u,"
           "\"id\":\"",
           i, f->ready ? "true" : "false", status.ready ? "true" : "false", f->nodes,
           status.nodes_v4 + status.nodes_v6, (int)m->reachable, f->read_only ? "true" : "false",
           text, m->items, f->torrents);
    print_hex(f->id.bytes, 20);
    printf("\",\"stats\":{\"\":0");
    const struct kith_stats *stats = kith_core_stats(nodes[i].core);
#define PRINT_STAT(name, ...) printf(",\"%s\":%" PRIu64, #name, (uint64_t)stats->name);
    KITH_COUNTER_MAP(PRINT_STAT)
#undef PRINT_STAT
    printf("}}\n");
}

static void ask(struct kith_query *query, const char *tag, unsigned node) {
    struct question *q = NULL;
    for (size_t i = 0; q == NULL && i < OPS_MAX; i++) {
        q = questions[i].op == 0 ? &questions[i] : NULL;
    }
    if (q == NULL) {
        die("too many questions");
    }
    *q = (struct question){.node = node};
    snprintf(q->tag, sizeof(q->tag), "%s", tag);
    query->swarms = KITH_SWARM_MAINLINE;
    int r = kith_core_start(nodes[node].core, query, now_ns(), &q->op);
    if (r < 0) {
        printf("{\"tag\":\"%s\",\"status\":%d}\n", tag, r);
        q->op = 0;
        return;
    }
    drain(node);
}

static void put(struct kith_query *query, char **words, unsigned n) {
    static uint8_t value[KITH_VALUE_MAX + 64];
    query->kind = KITH_QUERY_PUT;
    query->salt_size = (uint8_t)read_hex(words[3], query->salt, sizeof(query->salt));
    query->value_size = read_hex(words[4], value, sizeof(value));
    query->value = value;
    query->flags = KITH_FLAG_FORGET;
    for (unsigned i = 5; i < n; i++) {
        if (sscanf(words[i], "seq=%" SCNd64, &query->seq) == 1) {
            query->flags |= KITH_FLAG_HAS_SEQ;
        } else if (sscanf(words[i], "cas=%" SCNd64, &query->cas) == 1) {
            query->flags |= KITH_FLAG_HAS_CAS;
        } else if (strcmp(words[i], "immutable") == 0) {
            query->flags |= KITH_FLAG_IMMUTABLE;
        }
    }
}

static void question(char **words, unsigned n) {
    struct kith_query query = {0};
    unsigned node = (unsigned)atoi(words[2]);
    if (strcmp(words[0], "put") == 0 && n >= 5) {
        put(&query, words, n);
    } else if (strcmp(words[0], "ping") == 0 && n == 4) {
        query.kind = KITH_QUERY_PING;
        query.contact.endpoint = read_endpoint(words[3]);
    } else {
        query.flags = KITH_FLAG_HAS_POINT;
        read_hex(words[3], query.point.bytes, 20);
    }
    if (strcmp(words[0], "get") == 0) {
        query.kind = KITH_QUERY_GET;
        query.salt_size = (uint8_t)read_hex(words[4], query.salt, sizeof(query.salt));
        query.flags |= has_word(words, n, "newest") ? KITH_FLAG_NEWEST : 0;
    } else if (strcmp(words[0], "announce") == 0) {
        query.kind = KITH_QUERY_ANNOUNCE_PEER;
        query.port = (uint16_t)atoi(words[4]);
    } else if (strcmp(words[0], "peers") == 0) {
        query.kind = KITH_QUERY_PEERS;
    } else if (strcmp(words[0], "sample") == 0) {
        query.kind = KITH_QUERY_SAMPLE;
    }
    ask(&query, words[1], node);
}

static void join(char **words) {
    unsigned node = (unsigned)atoi(words[1]);
    struct kith_endpoint endpoint = read_endpoint(words[2]);
    enum kith_contact_source source = strcmp(words[3], "router") == 0 ? KITH_CONTACT_ROUTER
                                      : strcmp(words[3], "seed") == 0 ? KITH_CONTACT_SEED
                                                                      : KITH_CONTACT_PEER;
    if (kith_core_mainline_add(nodes[node].core, &endpoint, source, now_ns()) < 0) {
        die("cannot join");
    }
    drain(node);
}

static void command(char *line) {
    char *words[WORDS_MAX];
    unsigned n = 0;
    for (char *w = strtok(line, " "); w != NULL && n < WORDS_MAX; w = strtok(NULL, " ")) {
        words[n++] = w;
    }
    if (n >= 3 && strcmp(words[0], "node") == 0) {
        add_node(words, n);
    } else if (n == 4 && strcmp(words[0], "join") == 0) {
        join(words);
    } else if (n == 2 && strcmp(words[0], "status") == 0) {
        print_status((unsigned)atoi(words[1]));
    } else if (n == 2 && strcmp(words[0], "stop") == 0) {
        nodes[atoi(words[1])].stopped = true;
    } else if (n >= 4) {
        question(words, n);
    } else {
        die("bad command");
    }
    fflush(stdout);
}

/* Takes what is there of the input; false at its end. */
static bool read_commands(void) {
    static char text[TEXT_SIZE];
    static size_t size;
    ssize_t got = read(STDIN_FILENO, text + size, sizeof(text) - size);
    if (got <= 0) {
        return false;
    }
    size += (size_t)got;
    size_t at = 0;
    char *end;
    while ((end = memchr(text + at, '\n', size - at)) != NULL) {
        *end = '\0';
        command(text + at);
        at = (size_t)(end + 1 - text);
    }
    memmove(text, text + at, size - at);
    size -= at;
    return true;
}

static int until_deadline(uint64_t now) {
    uint64_t deadline = now + KITH_NS_PER_S;
    for (unsigned i = 0; i < n_nodes; i++) {
        uint64_t next = kith_core_deadline(nodes[i].core);
        deadline = next < deadline ? next : deadline;
    }
    return deadline <= now ? 0 : (int)((deadline - now + KITH_NS_PER_MS - 1) / KITH_NS_PER_MS);
}

int main(void) {
    struct pollfd fds[NODES_MAX + 1];
    if (sodium_init() < 0) {
        die("libsodium");
    }
    for (;;) {
        fds[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        for (unsigned i = 0; i < n_nodes; i++) {
            fds[i + 1] = (struct pollfd){.fd = nodes[i].fd, .events = POLLIN};
        }
        unsigned n = n_nodes;
        if (poll(fds, n + 1, until_deadline(now_ns())) < 0) {
            die("poll");
        }
        for (unsigned i = 0; i < n; i++) {
            if (fds[i + 1].revents != 0) {
                receive(i);
            }
            if (kith_core_deadline(nodes[i].core) <= now_ns()) {
                kith_core_tick(nodes[i].core, now_ns());
                drain(i);
            }
        }
        if (fds[0].revents != 0 && !read_commands()) {
            break;
        }
    }
    for (unsigned i = 0; i < n_nodes; i++) {
        kith_core_free(nodes[i].core);
        close(nodes[i].fd);
    }
    return 0;
}
