/* SPDX-License-Identifier: MIT */
/*
 * vectors: the test vectors of docs/protocol.md, made by the code that the daemon runs, from fixed
 * seeds.
 *
 *     vectors                   prints the section
 *     vectors --check FILE      fails if FILE's section differs
 *     vectors --update FILE     writes it there
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium/crypto_generichash_blake2b.h>

#include "core/base/id.h"
#include "core/record/record.h"
#include "core/session/noise.h"
#include "core/wire/known.h"
#include "core/wire/msgpack_codec.h"
#include "unit/testing.h"
#include "util/text.h"

#define BEGIN "<!-- vectors:begin -->\n"
#define END "<!-- vectors:end -->\n"
#define NETWORK "kith"

enum {
    COLUMNS = 48,
    PADDED = 64
}; /* bytes per line of hex; bytes of request and padding in the sample initiation */

static const struct kith_txn txn = {.size = 4, .bytes = {0x01, 0x02, 0x03, 0x04}};

/* Our own mistakes end the program: a vector must not be made of a failed call. */
static void must(int r) {
    if (r != 0) {
        fprintf(stderr, "vectors: %s\n", kith_strerror(r));
        abort();
    }
}

static void hex(FILE *out, const char *name, const void *bytes, size_t size) {
    char line[2 * COLUMNS + 1];
    fprintf(out, "%s (%zu):\n", name, size);
    for (size_t at = 0; at < size; at += COLUMNS) {
        size_t n = size - at < COLUMNS ? size - at : COLUMNS;
        kith_hex_encode((const uint8_t *)bytes + at, n, line);
        fprintf(out, "    %s\n", line);
    }
}

static void heading(FILE *out, const char *text) {
    fprintf(out, "\n### %s\n\n```\n", text);
}

static void blake2b(const char *label, const struct kith_key *key, uint8_t out[32]) {
    crypto_generichash_blake2b_state state;
    (void)crypto_generichash_blake2b_init(&state, NULL, 0, 32);
    (void)crypto_generichash_blake2b_update(&state, (const uint8_t *)label, strlen(label));
    (void)crypto_generichash_blake2b_update(&state, key->bytes, sizeof(key->bytes));
    (void)crypto_generichash_blake2b_final(&state, out, 32);
}

/* ---- identity ---- */

static void print_identity(FILE *out, const char *name, const struct kith_identity *id) {
    char text[KITH_KEY_TEXT_SIZE];
    uint8_t mac1[32];
    uint8_t cookie[32];
    kith_key_format(&id->key, text);
    blake2b("kith-mac1-1", &id->key, mac1);
    blake2b("kith-cookie-1", &id->key, cookie);
    heading(out, name);
    hex(out, "seed", id->secret, KITH_SEED_SIZE);
    hex(out, "key", id->key.bytes, sizeof(id->key.bytes));
    fprintf(out, "key, text:\n    %s\n", text);
    hex(out, "node id", id->id.bytes, sizeof(id->id.bytes));
    hex(out, "X25519 public key", id->dh_public, sizeof(id->dh_public));
    hex(out, "X25519 secret key", id->dh_secret, sizeof(id->dh_secret));
    hex(out, "mac1 key of datagrams to it", mac1, sizeof(mac1));
    hex(out, "key of its cookies", cookie, sizeof(cookie));
    fprintf(out, "```\n");
}

/* ---- records ---- */

static void print_record(FILE *out, const char *name, const struct kith_record *record) {
    struct kith_record_view view;
    struct kith_point point;
    uint8_t buffer[KITH_SIGN_BUFFER_MAX];
    kith_record_view(record, &view);
    must(kith_record_verify(&view, &kith_curve_sodium, NULL));
    kith_record_point(&view, &point);
    heading(out, name);
    hex(out, "value", record->value, record->value_size);
    if (record->is_mutable) {
        size_t size = kith_record_sign_buffer(view.salt, view.seq, view.value, buffer);
        hex(out, "salt", record->salt, record->salt_size);
        fprintf(out, "seq:\n    %lld\n", (long long)record->seq);
        hex(out, "signed buffer", buffer, size);
        hex(out, "signature", record->signature, sizeof(record->signature));
    }
    hex(out, "storage point", point.bytes, sizeof(point.bytes));
    fprintf(out, "```\n");
}

static void make_peer_record(const struct kith_identity *id, struct kith_record *ret) {
    static const uint8_t capabilities[] = {0x81, 0xa5, 'a', 'g', 'e', 'n',
                                           't',  0xa4, 'd', 'e', 'm', 'o'};
    struct kith_peer peer = {.ttl_s = KITH_PEER_TTL_S, .n_endpoints = 2};
    uint8_t value[KITH_VALUE_MAX];
    uint8_t salt[KITH_SALT_MAX];
    uint16_t size = 0;
    peer.endpoints[0] = kith_test_endpoint("192.0.2.7:7700");
    peer.endpoints[1] = kith_test_endpoint("[2001:db8::7]:7700");
    memcpy(peer.capabilities, capabilities, sizeof(capabilities));
    peer.capabilities_size = sizeof(capabilities);
    must(kith_peer_encode(&peer, value, &size));
    size_t salt_size = kith_peer_salt(NETWORK, salt);
    must(kith_record_sign(ret, id, &kith_curve_sodium, kith_span(salt, salt_size), 1790000000000000,
                          kith_span(value, size)));
}

/* ---- messages ---- */

static void print_request(FILE *out, const char *name, const struct kith_request *request) {
    uint8_t bytes[1400];
    size_t size = 0;
    must(kith_msgpack_encode_request(&txn, request, bytes, sizeof(bytes), &size));
    hex(out, name, bytes, size);
}

static void print_response(FILE *out, const char *name, const struct kith_response *response) {
    uint8_t bytes[1400];
    size_t size = 0;
    must(kith_msgpack_encode_response(&txn, response, bytes, sizeof(bytes), &size));
    hex(out, name, bytes, size);
}

static void print_requests(FILE *out, const struct kith_point *target,
                           const struct kith_record_view *record) {
    struct kith_request request = {.target = *target, .want_v4 = true, .want_v6 = true};
    request.method = KITH_METHOD_PING;
    print_request(out, "ping", &request);
    request.method = KITH_METHOD_FIND;
    request.n = 20;
    request.read_only = true;
    print_request(out, "find, n 20, both families, read-only", &request);
    request.read_only = false;
    static const uint8_t salt[KITH_KNOWN_SALT] = {1, 2, 3, 4};
    struct kith_endpoint endpoint = kith_test_endpoint("192.0.2.7:7700");
    struct kith_known known;
    struct kith_key key;
    memcpy(key.bytes, record->key, sizeof(key.bytes));
    kith_known_init(&known, salt);
    (void)kith_known_add(&known, &key, &endpoint);
    request.known = kith_span(known.bytes, known.size);
    print_request(out, "find, identity 1 at 192.0.2.7:7700 is known, salt 0x01020304", &request);
    request.known = kith_span(NULL, 0);
    request.method = KITH_METHOD_GET;
    request.has_seq = true;
    request.seq = 1;
    print_request(out, "get, only if newer than 1", &request);
    request.method = KITH_METHOD_PUT;
    request.record = *record;
    request.has_cas = true;
    request.cas = 6;
    print_request(out, "put, cas 6", &request);
}

static void print_responses(FILE *out, const struct kith_identity *id,
                            const struct kith_record_view *record) {
    static struct kith_response response;
    response = (struct kith_response){.has_you = true, .version = {'K', 'I', 0, 1}};
    response.you = kith_test_endpoint("192.0.2.1:7700");
    print_response(out, "answer to ping", &response);
    response.has_own_seq = true;
    response.own_seq = 1790000000000000;
    response.n_contacts = 2;
    for (uint32_t i = 0; i < 2; i++) {
        response.contacts[i].has_key = true;
        response.contacts[i].key = id->key;
        response.contacts[i].endpoint =
            kith_test_endpoint(i == 0 ? "192.0.2.7:7700" : "[2001:db8::7]:7700");
    }
    print_response(out, "answer to find, a contact of each family", &response);
    response.has_record = true;
    response.record = *record;
    response.n_contacts = 0;
    print_response(out, "answer to get", &response);
    response.has_record = false;
    response.has_seq = true;
    response.seq = 7;
    response.ttl_s = 86400;
    print_response(out, "answer to put", &response);
}

static void print_messages(FILE *out, const struct kith_identity *id,
                           const struct kith_record *record) {
    struct kith_record_view view;
    struct kith_point point;
    uint8_t bytes[256];
    size_t size = 0;
    kith_record_view(record, &view);
    kith_record_point(&view, &point);
    heading(out, "Messages, txn 0x01020304, about record 1");
    print_requests(out, &point, &view);
    print_responses(out, id, &view);
    struct kith_wire_failure failure = {.code = KITH_WIRE_CAS_MISMATCH,
                                        .text = kith_span_text("cas mismatch"),
                                        .has_seq = true,
                                        .seq = 7};
    must(kith_msgpack_encode_error(&txn, &failure, bytes, sizeof(bytes), &size));
    hex(out, "error 301 with the seq held", bytes, size);
    fprintf(out, "```\n");
}

/* ---- sessions ---- */

/* Appends mac1, and a mac2 of zeros. */
static size_t add_macs(uint8_t *datagram, size_t size, const struct kith_key *receiver) {
    uint8_t key[32];
    blake2b("kith-mac1-1", receiver, key);
    (void)crypto_generichash_blake2b(datagram + size, 16, datagram, size, key, sizeof(key));
    memset(datagram + size + 16, 0, 16);
    return size + 32;
}

/* 0x01 from a, with a ping; leaves the initiator's handshake in `n`. */
static size_t make_initiation(const struct kith_identity *a, const struct kith_identity *b,
                              struct kith_noise *n, uint8_t *out) {
    static const uint8_t prologue[] = "kith/1 " NETWORK;
    uint8_t ephemeral[32];
    uint8_t request[64];
    uint8_t payload[256] = {0};
    size_t request_size = 0;
    struct kith_request ping = {.method = KITH_METHOD_PING};
    must(kith_msgpack_encode_request(&txn, &ping, request, sizeof(request), &request_size));
    struct kith_writer w = kith_writer(payload, sizeof(payload));
    kith_write_bytes(&w, a->key.bytes, sizeof(a->key.bytes));
    kith_write_u16(&w, (uint16_t)request_size);
    kith_write_bytes(&w, request, request_size);
    kith_write_zeros(&w, PADDED - request_size);
    memset(ephemeral, 0x33, sizeof(ephemeral));
    kith_noise_init(n, &kith_curve_sodium, true, kith_span(prologue, sizeof(prologue) - 1),
                    a->dh_public, a->dh_secret, b->dh_public, NULL);
    memcpy(out, "\x01\0\0\0\xa1\xa2\xa3\xa4", 8);
    must(kith_noise_write_1(n, ephemeral, kith_span(payload, kith_writer_size(&w)), out + 8));
    return add_macs(out, 8 + KITH_NOISE_MSG1_OVERHEAD + kith_writer_size(&w), &b->key);
}

/* 0x02 from b, with the answer `payload`. */
static size_t make_response(const struct kith_identity *a, const struct kith_identity *b,
                            const uint8_t *initiation, size_t size, struct kith_span payload,
                            uint8_t *out, struct kith_noise_keys *keys) {
    static const uint8_t prologue[] = "kith/1 " NETWORK;
    struct kith_noise n;
    uint8_t ephemeral[32];
    uint8_t question[512];
    size_t question_size = 0;
    memset(ephemeral, 0x44, sizeof(ephemeral));
    kith_noise_init(&n, &kith_curve_sodium, false, kith_span(prologue, sizeof(prologue) - 1),
                    b->dh_public, b->dh_secret, NULL, NULL);
    must(kith_noise_read_1(&n, kith_span(initiation + 8, size - 8 - 32), question, &question_size));
    memcpy(out, "\x02\0\0\0\xb1\xb2\xb3\xb4\xa1\xa2\xa3\xa4", 12);
    must(kith_noise_write_2(&n, ephemeral, payload, out + 12, keys));
    kith_noise_wipe(&n);
    return add_macs(out, 12 + KITH_NOISE_MSG2_OVERHEAD + payload.size, &a->key);
}

static void print_session(FILE *out, const struct kith_identity *a, const struct kith_identity *b) {
    struct kith_noise n;
    struct kith_noise_keys keys_a;
    struct kith_noise_keys keys_b;
    uint8_t first[512];
    uint8_t second[512];
    uint8_t data[64];
    uint8_t answer[64];
    size_t answer_size = 0;
    static struct kith_response response;
    response = (struct kith_response){.version = {'K', 'I', 0, 1}};
    must(kith_msgpack_encode_response(&txn, &response, answer, sizeof(answer), &answer_size));
    size_t first_size = make_initiation(a, b, &n, first);
    size_t second_size =
        make_response(a, b, first, first_size, kith_span(answer, answer_size), second, &keys_b);
    size_t size = 0;
    must(kith_noise_read_2(&n, kith_span(second + 12, second_size - 12 - 32), answer, &size,
                           &keys_a));
    memcpy(data, "\x04\0\0\0\xb1\xb2\xb3\xb4\0\0\0\0\0\0\0\0", 16);
    kith_cipher_sodium.seal(keys_a.send, 0, kith_span(data, 16), kith_span(NULL, 0), data + 16);

    heading(out, "A session from identity 1 to identity 2");
    fprintf(out,
            "network \"" NETWORK
            "\", no network secret; ephemeral secrets 32 times 0x33 and 0x44; sender "
            "indices\na1a2a3a4 and b1b2b3b4; the ping and the answer without `you`; request and "
            "padding together %d bytes\n",
            PADDED);
    hex(out, "0x01 initiation", first, first_size);
    hex(out, "0x02 response", second, second_size);
    hex(out, "transport key, initiator to responder", keys_a.send, 32);
    hex(out, "transport key, responder to initiator", keys_a.receive, 32);
    hex(out, "0x04 data, empty, counter 0", data, 32);
    fprintf(out, "```\n");
    kith_noise_wipe(&n);
}

static void print_iam(FILE *out, const struct kith_identity *id) {
    uint8_t signed_bytes[128];
    uint8_t signature[64];
    uint8_t seen[19] = {4, 192, 0, 2, 1};
    uint8_t nonce[16];
    uint8_t datagram[116];
    struct kith_writer w = kith_writer(signed_bytes, sizeof(signed_bytes));
    memset(nonce, 0x55, sizeof(nonce));
    seen[17] = 7700 >> 8;
    seen[18] = 7700 & 0xff;
    kith_write_span(&w, kith_span_text("kith-iam-1"));
    kith_write_u8(&w, sizeof(NETWORK) - 1);
    kith_write_span(&w, kith_span_text(NETWORK));
    kith_write_bytes(&w, nonce, sizeof(nonce));
    kith_write_bytes(&w, id->key.bytes, sizeof(id->key.bytes));
    kith_write_bytes(&w, seen, sizeof(seen));
    kith_curve_sodium.sign(signature, signed_bytes, kith_writer_size(&w), id->secret);
    struct kith_writer d = kith_writer(datagram, sizeof(datagram));
    kith_write_u8(&d, 6);
    kith_write_bytes(&d, id->key.bytes, sizeof(id->key.bytes));
    kith_write_bytes(&d, seen, sizeof(seen));
    kith_write_bytes(&d, signature, sizeof(signature));
    heading(out, "Who and iam: identity 1 answers 192.0.2.1:7700, nonce 16 times 0x55");
    hex(out, "signed buffer", signed_bytes, kith_writer_size(&w));
    hex(out, "0x06 iam", datagram, sizeof(datagram));
    fprintf(out, "```\n");
}

static void print_all(FILE *out) {
    struct kith_identity one;
    struct kith_identity two;
    struct kith_record record;
    struct kith_record peer;
    struct kith_record immutable;
    struct kith_point topic;
    kith_test_identity(&one, 1);
    kith_test_identity(&two, 2);
    fprintf(
        out,
        "\nNumbers in parentheses are bytes; everything else is hexadecimal unless it is text.\n");
    print_identity(out, "Identity 1", &one);
    print_identity(out, "Identity 2", &two);
    heading(out, "Topic of the text \"weather\"");
    kith_topic_from_text("weather", &topic);
    hex(out, "topic", topic.bytes, sizeof(topic.bytes));
    fprintf(out, "```\n");
    must(kith_record_sign(&record, &one, &kith_curve_sodium, kith_span_text("foobar"), 7,
                          kith_span_text("12:Hello World!")));
    print_record(out, "Record 1, of identity 1", &record);
    make_peer_record(&one, &peer);
    print_record(out, "Peer record of identity 1 in network \"" NETWORK "\"", &peer);
    must(kith_record_immutable(&immutable, kith_span_text("12:Hello World!")));
    print_record(out, "Immutable value", &immutable);
    print_messages(out, &one, &record);
    print_session(out, &one, &two);
    print_iam(out, &one);
    fprintf(out, "\n");
}

/* ---- the file ---- */

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, (size_t)1 << 20);
    if (file == NULL || text == NULL || fread(text, 1, ((size_t)1 << 20) - 1, file) == 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    fclose(file);
    return text;
}

static int compare(const char *path, const char *made, bool update) {
    char *text = read_file(path);
    char *begin = strstr(text, BEGIN);
    char *end = begin == NULL ? NULL : strstr(begin, END);
    int status = EXIT_FAILURE;
    if (end == NULL) {
        fprintf(stderr, "%s: no section between vectors:begin and vectors:end\n", path);
    } else if (update) {
        FILE *file = fopen(path, "wb");
        if (file != NULL) {
            fprintf(file, "%.*s%s%s", (int)(begin - text + (int)strlen(BEGIN)), text, made, end);
            status = fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    } else {
        begin += strlen(BEGIN);
        size_t size = (size_t)(end - begin);
        status =
            size == strlen(made) && memcmp(begin, made, size) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        if (status != EXIT_SUCCESS) {
            fprintf(stderr, "%s: the vectors differ from what the code makes\n", path);
        }
    }
    free(text);
    return status;
}

int main(int argc, char **argv) {
    char *made = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&made, &size);
    if (out == NULL) {
        return EXIT_FAILURE;
    }
    print_all(out);
    fclose(out);
    int status = EXIT_SUCCESS;
    if (argc == 3 && (strcmp(argv[1], "--check") == 0 || strcmp(argv[1], "--update") == 0)) {
        status = compare(argv[2], made, strcmp(argv[1], "--update") == 0);
    } else if (argc == 1) {
        fputs(made, stdout);
    } else {
        fprintf(stderr, "usage: vectors [--check FILE | --update FILE]\n");
        status = 2;
    }
    free(made);
    return status;
}
