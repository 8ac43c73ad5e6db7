/* SPDX-License-Identifier: MIT */
/*
 * session_cookie: the two macs of a handshake datagram, and the cookie between them (the design
 * is WireGuard's, section 5.4.4 and 5.4.7 of its paper, with BLAKE2b for BLAKE2s).
 *
 * mac1 is keyed with the receiver's public key: it shows that the sender knows whom it talks to, no
 * more (in a DHT everyone does), and spares us key agreements over noise. mac2 is keyed with a
 * cookie that we gave to exactly this address: it shows that the sender receives there. A cookie is
 * a keyed hash of the address, so giving it out costs no memory. Both macs cover the whole datagram
 * before them.
 */
#include <string.h>

#include <sodium/crypto_aead_xchacha20poly1305.h>
#include <sodium/crypto_generichash_blake2b.h>
#include <sodium/utils.h>

#include "core/session/session_internal.h"

static void hash_labelled(uint8_t out[32], const char *label, const struct kith_key *key) {
    crypto_generichash_blake2b_state state;

    (void)crypto_generichash_blake2b_init(&state, NULL, 0, 32);
    (void)crypto_generichash_blake2b_update(&state, (const uint8_t *)label, strlen(label));
    (void)crypto_generichash_blake2b_update(&state, key->bytes, sizeof(key->bytes));
    (void)crypto_generichash_blake2b_final(&state, out, 32);
}

void session_mac1_key(uint8_t out[32], const struct kith_key *receiver) {
    hash_labelled(out, "kith-mac1-1", receiver);
}

void session_cookie_key(uint8_t out[32], const struct kith_key *responder) {
    hash_labelled(out, "kith-cookie-1", responder);
}

void session_macs_write(const struct kith_cipher *cipher, uint8_t *datagram, size_t size,
                        const struct kith_key *receiver, const uint8_t *cookie) {
    uint8_t key[32];

    session_mac1_key(key, receiver);
    cipher->mac(datagram + size, key, sizeof(key), kith_span(datagram, size));
    size += SESSION_MAC;
    if (cookie != NULL) {
        cipher->mac(datagram + size, cookie, SESSION_MAC, kith_span(datagram, size));
    } else {
        memset(datagram + size, 0, SESSION_MAC);
    }
}

static bool mac_valid(const struct kith_cipher *cipher, const uint8_t *key, size_t key_size,
                      struct kith_span bytes, const uint8_t mac[SESSION_MAC]) {
    uint8_t expected[SESSION_MAC];

    cipher->mac(expected, key, key_size, bytes);
    return sodium_memcmp(expected, mac, SESSION_MAC) == 0;
}

bool session_mac1_valid(const struct kith_sessions *s, struct kith_span datagram) {
    size_t covered = datagram.size - SESSION_MACS;

    return mac_valid(s->config.curve->cipher, s->mac1_key, sizeof(s->mac1_key),
                     kith_span(datagram.data, covered), datagram.data + covered);
}

/* A new secret every two minutes; the one before stays valid for as long, then nothing does. */
static void rotate(struct kith_sessions *s, uint64_t now) {
    const uint64_t period = SESSION_COOKIE_S * KITH_NS_PER_S;
    uint64_t age = now - s->cookie_rotated;

    if (s->has_cookie_secret && age < period) {
        return;
    }
    if (s->has_cookie_secret && age < 2 * period) {
        memcpy(s->cookie_secrets[1], s->cookie_secrets[0], sizeof(s->cookie_secrets[1]));
    } else {
        kith_random_secure(s->config.random, s->cookie_secrets[1], sizeof(s->cookie_secrets[1]));
    }
    kith_random_secure(s->config.random, s->cookie_secrets[0], sizeof(s->cookie_secrets[0]));
    s->cookie_rotated = now;
    s->has_cookie_secret = true;
}

static void cookie_of(const struct kith_cipher *cipher, const uint8_t secret[32],
                      const struct kith_endpoint *from, uint8_t cookie[SESSION_MAC]) {
    uint8_t address[19] = {from->family};

    memcpy(address + 1, from->ip, sizeof(from->ip));
    address[17] = (uint8_t)(from->port >> 8);
    address[18] = (uint8_t)from->port;
    cipher->mac(cookie, secret, 32, kith_span(address, sizeof(address)));
}

bool session_mac2_valid(struct kith_sessions *s, const struct kith_endpoint *from,
                        struct kith_span datagram, uint64_t now) {
    size_t covered = datagram.size - SESSION_MAC;
    const struct kith_cipher *cipher = s->config.curve->cipher;
    bool valid = false;

    rotate(s, now);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t cookie[SESSION_MAC];

        cookie_of(cipher, s->cookie_secrets[i], from, cookie);
        valid = mac_valid(cipher, cookie, sizeof(cookie), kith_span(datagram.data, covered),
                          datagram.data + covered) ||
                valid;
    }
    return valid;
}

void session_cookie_send(struct kith_sessions *s, const struct kith_endpoint *from,
                         struct kith_span initiation, uint64_t now) {
    uint8_t datagram[SESSION_COOKIE_SIZE];
    uint8_t *nonce = datagram + 8;
    uint8_t cookie[SESSION_MAC];
    struct kith_allowance allowance = {.answer = true, .question_size = initiation.size};

    rotate(s, now);
    cookie_of(s->config.curve->cipher, s->cookie_secrets[0], from, cookie);
    session_put_type(datagram, SESSION_TYPE_COOKIE);
    memcpy(datagram + 4, initiation.data + 4, 4); /* the sender's index */
    kith_random_secure(s->config.random, nonce, SESSION_COOKIE_NONCE);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(
        nonce + SESSION_COOKIE_NONCE, NULL, cookie, sizeof(cookie),
        initiation.data + initiation.size - SESSION_MACS, SESSION_MAC, NULL, nonce, s->cookie_key);
    if (kith_outbox_push(s->config.outbox, from, kith_span(datagram, sizeof(datagram)),
                         &allowance)) {
        s->config.stats->cookies_sent++;
    }
}

int session_cookie_open(const struct kith_key *responder, struct kith_span datagram,
                        const uint8_t mac1[SESSION_MAC], uint8_t ret_cookie[SESSION_MAC]) {
    const uint8_t *nonce = datagram.data + 8;
    uint8_t key[32];
    uint8_t cookie[SESSION_MAC];

    session_cookie_key(key, responder);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, NULL, NULL, nonce + SESSION_COOKIE_NONCE,
                                                   SESSION_COOKIE_SEALED, mac1, SESSION_MAC, nonce,
                                                   key) != 0) {
        return KITH_EVERIFY;
    }
    memcpy(ret_cookie, cookie, sizeof(cookie));
    return 0;
}
