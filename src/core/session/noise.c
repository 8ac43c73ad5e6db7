/* SPDX-License-Identifier: MIT */
/*
 * noise: the two handshakes, spelled out.
 *
 *     IK:        <- s                         IKpsk2: the same, but
 *                ...
 *                -> e, es, s, ss
 *                <- e, ee, se                         <- e, ee, se, psk
 *
 * A pattern interpreter would be longer than the two messages it interprets, and each line here
 * can be held against the specification (revision 34, sections 5 and 7.5). What the framework calls
 * SymmetricState and CipherState are the fields chaining_key, hash, cipher_key and nonce; Split()
 * happens inside message 2, so nobody can hold transport keys of an unfinished handshake.
 *
 * With a psk, "e" is also mixed into the key (section 9.2); plain IK must not do that.
 *
 * Readers work on a copy and keep it only when the whole message authenticated: a forged message
 * costs the handshake nothing.
 */
#include "core/session/noise.h"

#include <string.h>

#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>

enum {
    NOISE_KEY = 32,
    NOISE_HASH = 32,
};

/* Exactly NOISE_HASH characters: used as the first hash as it is (section 5.2). */
static const char NAME_IK[] = "Noise_IK_25519_ChaChaPoly_SHA256";
/* Longer: hashed. */
static const char NAME_IKPSK2[] = "Noise_IKpsk2_25519_ChaChaPoly_SHA256";

_Static_assert(sizeof(NAME_IK) - 1 == NOISE_HASH, "the name is its own hash");
_Static_assert(sizeof(NAME_IKPSK2) - 1 > NOISE_HASH, "the name must be hashed");

static void mix_hash(struct kith_noise *n, struct kith_span data) {
    n->curve->cipher->mix(n->hash, data);
}

static void set_cipher_key(struct kith_noise *n, const uint8_t key[NOISE_KEY]) {
    memcpy(n->cipher_key, key, sizeof(n->cipher_key));
    n->nonce = 0;
    n->has_cipher_key = true;
}

static void mix_key(struct kith_noise *n, const uint8_t input[NOISE_KEY]) {
    uint8_t out[2][NOISE_HASH];

    n->curve->cipher->derive(n->chaining_key, kith_span(input, NOISE_KEY), out, 2);
    memcpy(n->chaining_key, out[0], sizeof(n->chaining_key));
    set_cipher_key(n, out[1]);
    sodium_memzero(out, sizeof(out));
}

static void mix_psk(struct kith_noise *n) {
    uint8_t out[3][NOISE_HASH];

    if (!n->has_psk) {
        return;
    }
    n->curve->cipher->derive(n->chaining_key, kith_span(n->psk, sizeof(n->psk)), out, 3);
    memcpy(n->chaining_key, out[0], sizeof(n->chaining_key));
    mix_hash(n, kith_span(out[1], NOISE_HASH));
    set_cipher_key(n, out[2]);
    sodium_memzero(out, sizeof(out));
}

/* Token "e" of either side: the public key is in the clear, and keys the cipher only with a psk. */
static void mix_ephemeral(struct kith_noise *n, const uint8_t ephemeral[NOISE_KEY]) {
    mix_hash(n, kith_span(ephemeral, NOISE_KEY));
    if (n->has_psk) {
        mix_key(n, ephemeral);
    }
}

static int mix_dh(struct kith_noise *n, const uint8_t secret[NOISE_KEY],
                  const uint8_t public_key[NOISE_KEY]) {
    uint8_t shared[NOISE_KEY];
    int r = n->curve->dh(shared, secret, public_key);

    if (r == 0) {
        mix_key(n, shared);
    }
    sodium_memzero(shared, sizeof(shared));
    return r;
}

/* EncryptAndHash; a cipher key is set wherever the two patterns call it. */
static void encrypt_and_hash(struct kith_noise *n, struct kith_span plain, uint8_t *out) {
    n->curve->cipher->seal(n->cipher_key, n->nonce++, kith_span(n->hash, sizeof(n->hash)), plain,
                           out);
    mix_hash(n, kith_span(out, plain.size + KITH_NOISE_TAG));
}

static int decrypt_and_hash(struct kith_noise *n, struct kith_span cipher, uint8_t *out) {
    struct kith_span ad = kith_span(n->hash, sizeof(n->hash));
    int r = n->curve->cipher->open(n->cipher_key, n->nonce++, ad, cipher, out);

    if (r == 0) {
        mix_hash(n, cipher);
    }
    return r;
}

/* Split (section 5.2): the first key is the initiator's to send with. */
static void split(struct kith_noise *n, struct kith_noise_keys *ret_keys) {
    uint8_t out[2][NOISE_HASH];

    n->curve->cipher->derive(n->chaining_key, kith_span(NULL, 0), out, 2);
    memcpy(ret_keys->send, out[n->initiator ? 0 : 1], NOISE_KEY);
    memcpy(ret_keys->receive, out[n->initiator ? 1 : 0], NOISE_KEY);
    sodium_memzero(out, sizeof(out));
}

void kith_noise_init(struct kith_noise *n, const struct kith_curve *curve, bool initiator,
                     struct kith_span prologue, const uint8_t static_public[32],
                     const uint8_t static_secret[32], const uint8_t *remote_static,
                     const uint8_t *psk) {
    *n = (struct kith_noise){.curve = curve, .initiator = initiator, .has_psk = psk != NULL};
    memcpy(n->static_public, static_public, sizeof(n->static_public));
    memcpy(n->static_secret, static_secret, sizeof(n->static_secret));
    if (remote_static != NULL) {
        memcpy(n->remote_static, remote_static, sizeof(n->remote_static));
    }
    if (psk != NULL) {
        memcpy(n->psk, psk, sizeof(n->psk));
        crypto_hash_sha256(n->hash, (const uint8_t *)NAME_IKPSK2, sizeof(NAME_IKPSK2) - 1);
    } else {
        memcpy(n->hash, NAME_IK, NOISE_HASH);
    }
    memcpy(n->chaining_key, n->hash, sizeof(n->chaining_key));
    mix_hash(n, prologue);
    /* The pre-message "<- s". */
    mix_hash(n, kith_span(initiator ? n->remote_static : n->static_public, NOISE_KEY));
}

int kith_noise_write_1(struct kith_noise *n, const uint8_t ephemeral_secret[32],
                       struct kith_span payload, uint8_t *out) {
    uint8_t *sealed_static = out + NOISE_KEY;
    uint8_t *sealed_payload = sealed_static + NOISE_KEY + KITH_NOISE_TAG;
    int r;

    memcpy(n->ephemeral_secret, ephemeral_secret, sizeof(n->ephemeral_secret));
    n->curve->dh_public(n->ephemeral_public, n->ephemeral_secret);
    memcpy(out, n->ephemeral_public, NOISE_KEY);
    mix_ephemeral(n, n->ephemeral_public);
    r = mix_dh(n, n->ephemeral_secret, n->remote_static); /* es */
    if (r < 0) {
        return r;
    }
    encrypt_and_hash(n, kith_span(n->static_public, NOISE_KEY), sealed_static);
    r = mix_dh(n, n->static_secret, n->remote_static); /* ss */
    if (r < 0) {
        return r;
    }
    encrypt_and_hash(n, payload, sealed_payload);
    return 0;
}

static int read_1(struct kith_noise *n, struct kith_span message, uint8_t *payload) {
    struct kith_span sealed_static =
        kith_span(message.data + NOISE_KEY, NOISE_KEY + KITH_NOISE_TAG);
    struct kith_span sealed_payload = kith_span(sealed_static.data + sealed_static.size,
                                                message.size - NOISE_KEY - sealed_static.size);
    int r;

    memcpy(n->remote_ephemeral, message.data, NOISE_KEY);
    mix_ephemeral(n, n->remote_ephemeral);
    r = mix_dh(n, n->static_secret, n->remote_ephemeral); /* es */
    if (r < 0) {
        return r;
    }
    r = decrypt_and_hash(n, sealed_static, n->remote_static);
    if (r < 0) {
        return r;
    }
    r = mix_dh(n, n->static_secret, n->remote_static); /* ss */
    return r < 0 ? r : decrypt_and_hash(n, sealed_payload, payload);
}

int kith_noise_read_1(struct kith_noise *n, struct kith_span message, uint8_t *payload,
                      size_t *ret_size) {
    struct kith_noise next = *n;
    int r;

    if (message.size < KITH_NOISE_MSG1_OVERHEAD) {
        kith_noise_wipe(&next);
        return KITH_ESYNTAX;
    }
    r = read_1(&next, message, payload);
    if (r == 0) {
        *n = next;
        *ret_size = message.size - KITH_NOISE_MSG1_OVERHEAD;
    }
    kith_noise_wipe(&next);
    return r;
}

int kith_noise_write_2(struct kith_noise *n, const uint8_t ephemeral_secret[32],
                       struct kith_span payload, uint8_t *out, struct kith_noise_keys *ret_keys) {
    int r;

    memcpy(n->ephemeral_secret, ephemeral_secret, sizeof(n->ephemeral_secret));
    n->curve->dh_public(n->ephemeral_public, n->ephemeral_secret);
    memcpy(out, n->ephemeral_public, NOISE_KEY);
    mix_ephemeral(n, n->ephemeral_public);
    r = mix_dh(n, n->ephemeral_secret, n->remote_ephemeral); /* ee */
    if (r < 0) {
        return r;
    }
    r = mix_dh(n, n->ephemeral_secret, n->remote_static); /* se */
    if (r < 0) {
        return r;
    }
    mix_psk(n);
    encrypt_and_hash(n, payload, out + NOISE_KEY);
    split(n, ret_keys);
    return 0;
}

static int read_2(struct kith_noise *n, struct kith_span message, uint8_t *payload) {
    int r;

    memcpy(n->remote_ephemeral, message.data, NOISE_KEY);
    mix_ephemeral(n, n->remote_ephemeral);
    r = mix_dh(n, n->ephemeral_secret, n->remote_ephemeral); /* ee */
    if (r < 0) {
        return r;
    }
    r = mix_dh(n, n->static_secret, n->remote_ephemeral); /* se */
    if (r < 0) {
        return r;
    }
    mix_psk(n);
    return decrypt_and_hash(n, kith_span(message.data + NOISE_KEY, message.size - NOISE_KEY),
                            payload);
}

int kith_noise_read_2(struct kith_noise *n, struct kith_span message, uint8_t *payload,
                      size_t *ret_size, struct kith_noise_keys *ret_keys) {
    struct kith_noise next = *n;
    int r;

    if (message.size < KITH_NOISE_MSG2_OVERHEAD) {
        kith_noise_wipe(&next);
        return KITH_ESYNTAX;
    }
    r = read_2(&next, message, payload);
    if (r == 0) {
        *n = next;
        *ret_size = message.size - KITH_NOISE_MSG2_OVERHEAD;
        split(n, ret_keys);
    }
    kith_noise_wipe(&next);
    return r;
}

void kith_noise_wipe(struct kith_noise *n) {
    sodium_memzero(n, sizeof(*n));
}
