/* SPDX-License-Identifier: MIT */
/*
 * A small book driven by the input: each byte an operation, its arguments behind it. Persisted
 * things are loaded as they come; what decodes is encoded to the same bytes. Every invariant holds
 * after each operation.
 */
#include <string.h>

#include "core/book/book.h"
#include "fuzz.h"

enum { STEPS_MAX = 400, KEYS = 16 };

struct run {
    struct kith_reader in;
    struct kith_book *book;
    uint64_t wall;
    uint64_t chance;
};

static void secure(void *context, void *out, size_t size) {
    memset(out, 0x5e, size);
}

static uint64_t uniform(void *context) {
    uint64_t *state = context; /* splitmix64 */
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ (z >> 31);
}

/* Few keys and addresses, so that they meet. */
static struct kith_contact read_contact(struct run *run) {
    struct kith_contact c = {.has_key = true};
    uint8_t who = kith_read_u8(&run->in);
    uint8_t where = kith_read_u8(&run->in);
    static const uint8_t nets[4] = {5, 10, 127, 224};

    c.has_key = (who & 0x80) == 0;
    c.key.bytes[0] = who % KEYS;
    c.endpoint.family = (where & 0x80) != 0 ? 6 : 4;
    c.endpoint.port = 1 + (where & 1);
    c.endpoint.ip[0] = c.endpoint.family == 6 ? 0x20 : nets[where >> 5 & 3];
    c.endpoint.ip[1] = where >> 1 & 15;
    return c;
}

static void load(struct run *run) {
    struct kith_book_stored stored;
    struct kith_book_blob blob;
    struct kith_book_ban ban;
    size_t key_size = kith_read_u8(&run->in) % (KITH_BOOK_BLOB_KEY_MAX + 1);
    size_t value_size = kith_read_u8(&run->in) % (KITH_BOOK_BLOB_VALUE_MAX + 1);
    const uint8_t *key = kith_read_bytes(&run->in, key_size);
    const uint8_t *value = kith_read_bytes(&run->in, value_size);

    if (key == NULL || value == NULL) {
        return;
    }
    struct kith_span k = kith_span(key, key_size);
    struct kith_span v = kith_span(value, value_size);
    if (kith_book_decode_entry(k, v, &stored) == 0) {
        kith_book_encode_entry(&stored, &blob);
        FUZZ_REQUIRE(kith_span_equal(k, kith_span(blob.key, blob.key_size)));
        FUZZ_REQUIRE(kith_span_equal(v, kith_span(blob.value, blob.value_size)));
    }
    if (kith_book_decode_ban(k, v, &ban) == 0) {
        kith_book_encode_ban(&ban, &blob);
        FUZZ_REQUIRE(kith_span_equal(k, kith_span(blob.key, blob.key_size)));
    }
    FUZZ_REQUIRE(kith_book_load(run->book, k, v, run->wall) <= 0);
}

static void ban(struct run *run, const struct kith_contact *c, uint8_t how) {
    struct kith_book_ban b = {.is_key = (how & 1) != 0,
                              .key = c->key,
                              .family = c->endpoint.family,
                              .bits = how,
                              .until_us = run->wall + how * UINT64_C(1000000)};

    memcpy(b.ip, c->endpoint.ip, sizeof(b.ip));
    int r =
        (how & 2) != 0 ? kith_book_ban(run->book, &b, run->wall) : kith_book_unban(run->book, &b);
    FUZZ_REQUIRE(r <= 0);
}

static void ask(struct run *run, const struct kith_contact *asker) {
    const struct kith_book_entry *entries[8];
    struct kith_book_blob blob;

    (void)kith_book_select(run->book, run->wall);
    (void)kith_book_feeler(run->book, run->wall);
    FUZZ_REQUIRE(kith_book_best(run->book, entries, 8, run->wall) <= 8);
    size_t n = kith_book_sample(run->book, asker, entries, 8, run->wall);
    for (size_t i = 0; i < n; i++) {
        FUZZ_REQUIRE(!entries[i]->hidden && (entries[i]->roles & KITH_BOOK_PRIVATE) == 0);
    }
    if (kith_book_next_dirty(run->book, &blob) && !blob.removed && blob.key[0] == 'E') {
        struct kith_book_stored stored;
        FUZZ_REQUIRE(kith_book_decode_entry(kith_span(blob.key, blob.key_size),
                                            kith_span(blob.value, blob.value_size), &stored) == 0);
    }
}

static void step(struct run *run, uint8_t op) {
    if (op % 10 == 0) {
        load(run);
        return;
    }
    struct kith_contact c = read_contact(run);
    struct kith_contact d = read_contact(run);
    uint8_t argument = kith_read_u8(&run->in);
    struct kith_book_hint hint = {.contact = c,
                                  .source = {(enum kith_book_origin)(argument % 5), d},
                                  .roles = argument > 250 ? KITH_BOOK_PERSISTENT : 0};
    const struct kith_book_entry *test;
    int r = 0;

    switch (op % 10) {
    case 1:
    case 2:
        r = kith_book_add(run->book, &hint, run->wall);
        break;
    case 3:
    case 4:
        r = kith_book_good(run->book, &c, run->wall);
        r = r == KITH_EINVALID ? 0 : r;
        break;
    case 5:
        test = kith_book_next_test(run->book, run->wall);
        r = kith_book_failed(run->book, test != NULL ? &test->contact : &c, run->wall);
        break;
    case 6:
        r = kith_book_moved(run->book, &c.key, &d.endpoint, 1, argument, run->wall);
        break;
    case 7:
        r = kith_book_set_roles(run->book, &c.key, argument % 8, run->wall);
        break;
    case 8:
        ban(run, &c, argument);
        break;
    default:
        run->wall += argument * UINT64_C(300000000);
        (void)kith_book_outcome(run->book, &c, (enum kith_book_outcome)(argument % 2), run->wall);
        (void)kith_book_clean(run->book, run->wall);
        ask(run, &d);
        break;
    }
    FUZZ_REQUIRE(r >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct run run = {.in = kith_reader(kith_span(data, size)), .wall = UINT64_C(1790000000000000)};
    struct kith_random random = {secure, uniform, &run.chance};
    struct kith_book_config config = {
        .random = &random, .buckets_new = 4, .buckets_tried = 2, .slots = 4};

    config.strictness = (enum kith_book_strictness)(kith_read_u8(&run.in) % 3);
    config.own_key.bytes[0] = KEYS - 1;
    FUZZ_REQUIRE(kith_book_new(&run.book, &config) == 0);
    for (unsigned i = 0; i < STEPS_MAX && kith_reader_left(&run.in) > 0; i++) {
        step(&run, kith_read_u8(&run.in));
        const char *wrong = kith_book_check(run.book);
        if (wrong != NULL) {
            fprintf(stderr, "step %u: %s\n", i, wrong);
        }
        FUZZ_REQUIRE(wrong == NULL);
    }
    kith_book_free(run.book);
    return 0;
}
