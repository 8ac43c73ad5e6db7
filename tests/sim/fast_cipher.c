/* SPDX-License-Identifier: MIT */
/*
 * fast_cipher: SIMULATION ONLY. The symmetric half of fast_curve.h: one 64-bit state that swallows
 * a word with a multiplication. A change of one word of the input always changes the state, any
 * other change with a probability of 1 - 2^-64; so whatever was damaged, replayed under another key
 * or counter, or meant for another receiver is refused as it would be by the real one.
 *
 * Plaintext is covered by XOR with a word of key and counter: whoever forgets to decrypt sees
 * nonsense. Words are little endian whatever the machine.
 */
#include "sim/fast_curve.h"

#include <stdbool.h>
#include <string.h>

enum { WORD = 8 };

static uint64_t load(const uint8_t *bytes, size_t size) {
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    return word;
}

/* A whole word, in a form that compilers turn into one instruction. */
static uint64_t load_word(const uint8_t *b) {
    return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24 |
           (uint64_t)b[4] << 32 | (uint64_t)b[5] << 40 | (uint64_t)b[6] << 48 |
           (uint64_t)b[7] << 56;
}

static void store_word(uint8_t *b, uint64_t word) {
    b[0] = (uint8_t)word;
    b[1] = (uint8_t)(word >> 8);
    b[2] = (uint8_t)(word >> 16);
    b[3] = (uint8_t)(word >> 24);
    b[4] = (uint8_t)(word >> 32);
    b[5] = (uint8_t)(word >> 40);
    b[6] = (uint8_t)(word >> 48);
    b[7] = (uint8_t)(word >> 56);
}

static void store(uint8_t *bytes, uint64_t word, size_t size) {
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(word >> (8 * i));
    }
}

/* A bijection of the state for each word, and of the word for each state. */
static uint64_t swallow(uint64_t state, uint64_t word) {
    state = (state ^ word) * UINT64_C(0x9fb21c651e98df25);
    return state ^ (state >> 32);
}

static uint64_t absorb(uint64_t state, struct kith_span bytes) {
    size_t left = bytes.size;
    const uint8_t *at = bytes.data;
    for (; left >= WORD; left -= WORD, at += WORD) {
        state = swallow(state, load_word(at));
    }
    state = left == 0 ? state : swallow(state, load(at, left));
    return swallow(state, bytes.size);
}

static void squeeze(uint64_t state, uint8_t *out, size_t size) {
    for (size_t i = 0; i < size; i += WORD) {
        state = swallow(state, i + 1);
        store_word(out + i, state ^ (state >> 29));
    }
}

static void fast_mix(uint8_t hash[KITH_CIPHER_HASH], struct kith_span data) {
    squeeze(absorb(absorb(1, kith_span(hash, KITH_CIPHER_HASH)), data), hash, KITH_CIPHER_HASH);
}

static void fast_derive(const uint8_t chaining_key[KITH_CIPHER_KEY], struct kith_span input,
                        uint8_t (*out)[KITH_CIPHER_HASH], uint8_t n) {
    uint64_t state = absorb(absorb(2, kith_span(chaining_key, KITH_CIPHER_KEY)), input);
    for (uint8_t i = 0; i < n; i++) {
        state = swallow(state, i);
        squeeze(state, out[i], KITH_CIPHER_HASH);
    }
}

static void cover(uint8_t *out, const uint8_t *in, size_t size, uint64_t word) {
    size_t at = 0;
    for (; at + WORD <= size; at += WORD) {
        store_word(out + at, load_word(in + at) ^ word);
    }
    if (at < size) { /* no arithmetic with the NULL of an empty text */
        store(out + at, load(in + at, size - at) ^ word, size - at);
    }
}

static void tag_of(uint64_t keyed, struct kith_span ad, struct kith_span plain,
                   uint8_t tag[KITH_CIPHER_TAG]) {
    squeeze(absorb(absorb(keyed, ad), plain), tag, KITH_CIPHER_TAG);
}

static uint64_t keyed_state(const uint8_t key[KITH_CIPHER_KEY], uint64_t counter) {
    return swallow(absorb(3, kith_span(key, KITH_CIPHER_KEY)), counter);
}

static void fast_seal(const uint8_t key[KITH_CIPHER_KEY], uint64_t counter, struct kith_span ad,
                      struct kith_span plain, uint8_t *out) {
    uint64_t keyed = keyed_state(key, counter);
    uint8_t tag[KITH_CIPHER_TAG];
    tag_of(keyed, ad, plain, tag);
    cover(out, plain.data, plain.size, keyed);
    memcpy(out + plain.size, tag, sizeof(tag));
}

static int fast_open(const uint8_t key[KITH_CIPHER_KEY], uint64_t counter, struct kith_span ad,
                     struct kith_span sealed, uint8_t *out) {
    if (sealed.size < KITH_CIPHER_TAG) {
        return KITH_EVERIFY;
    }
    size_t size = sealed.size - KITH_CIPHER_TAG;
    uint64_t keyed = keyed_state(key, counter);
    uint8_t expected[KITH_CIPHER_TAG];
    cover(out, sealed.data, size, keyed);
    tag_of(keyed, ad, kith_span(out, size), expected);
    if (memcmp(expected, sealed.data + size, sizeof(expected)) != 0) {
        memset(out, 0, size);
        return KITH_EVERIFY;
    }
    return 0;
}

static void fast_mac(uint8_t out[KITH_CIPHER_MAC], const uint8_t *key, size_t key_size,
                     struct kith_span bytes) {
    squeeze(absorb(absorb(4, kith_span(key, key_size)), bytes), out, KITH_CIPHER_MAC);
}

const struct kith_cipher kith_sim_fast_cipher = {
    .mix = fast_mix,
    .derive = fast_derive,
    .seal = fast_seal,
    .open = fast_open,
    .mac = fast_mac,
};
