/* SPDX-License-Identifier: MIT */
/*
 * session_who: asking an endpoint whose key is not known yet (a bootstrap address from a person)
 * for it.
 *
 *     0x05 who: type, nonce 16, zero padding to 116 bytes
 *     0x06 iam: type, key 32, the asker's endpoint as seen 19 (family, address 16, port u16),
 * signature 64
 *
 * The signature covers "kith-iam-1", the length and name of the network, the nonce, the key and
 * that endpoint. It proves that the key's holder answered this question; whether it is the right
 * key is for whoever trusts the address to say. The question is padded to the size of the answer,
 * and since answering costs a signature there is a budget for it, an eighth of that of the
 * handshakes. Asked and answered without state at the responder.
 */
#include <stdlib.h>
#include <string.h>

#include "core/session/session_internal.h"

enum {
    IAM_ENDPOINT = 19,
    IAM_SIGNED_MAX = 10 + 1 + KITH_NETWORK_MAX + SESSION_WHO_NONCE + KITH_KEY_SIZE + IAM_ENDPOINT,
};

_Static_assert(1 + KITH_KEY_SIZE + IAM_ENDPOINT + KITH_SIGNATURE_SIZE == SESSION_WHO_SIZE,
               "an iam is as long as a who");

/* What is signed; `tail` is the key and the endpoint as in the datagram. */
static size_t iam_signed(const struct kith_sessions *s, const uint8_t nonce[SESSION_WHO_NONCE],
                         const uint8_t *tail, uint8_t out[IAM_SIGNED_MAX]) {
    struct kith_writer w = kith_writer(out, IAM_SIGNED_MAX);
    size_t length = s->prologue_size - 7; /* behind "kith/1 " */

    kith_write_bytes(&w, "kith-iam-1", 10);
    kith_write_u8(&w, (uint8_t)length);
    kith_write_bytes(&w, s->prologue + 7, length);
    kith_write_bytes(&w, nonce, SESSION_WHO_NONCE);
    kith_write_bytes(&w, tail, KITH_KEY_SIZE + IAM_ENDPOINT);
    return kith_writer_size(&w);
}

static bool all_zero(struct kith_span bytes) {
    uint8_t any = 0;

    for (size_t i = 0; i < bytes.size; i++) {
        any |= bytes.data[i];
    }
    return any == 0;
}

void session_receive_who(struct kith_sessions *s, const struct kith_endpoint *from,
                         struct kith_span datagram, uint64_t now) {
    const size_t fixed = 1 + SESSION_WHO_NONCE;
    uint8_t answer[SESSION_WHO_SIZE] = {SESSION_TYPE_IAM};
    uint8_t message[IAM_SIGNED_MAX];
    uint8_t *endpoint = answer + 1 + KITH_KEY_SIZE;
    struct kith_allowance allowance = {.answer = true, .question_size = datagram.size};
    size_t size;

    if (datagram.size != SESSION_WHO_SIZE ||
        !all_zero(kith_span(datagram.data + fixed, datagram.size - fixed))) {
        s->config.stats->drop_malformed++;
        return;
    }
    switch (session_guard_admit_who(s, from, now)) {
    case SESSION_ADMIT:
        break;
    case SESSION_OVER_PREFIX:
        s->config.stats->drop_prefix++;
        return;
    case SESSION_ASK_COOKIE:
    case SESSION_OVER_ALL:
        s->config.stats->drop_load++;
        return;
    }
    memcpy(answer + 1, s->config.identity->key.bytes, KITH_KEY_SIZE);
    endpoint[0] = from->family;
    memcpy(endpoint + 1, from->ip, sizeof(from->ip));
    endpoint[17] = (uint8_t)(from->port >> 8);
    endpoint[18] = (uint8_t)from->port;
    size = iam_signed(s, datagram.data + 1, answer + 1, message);
    s->config.curve->sign(endpoint + IAM_ENDPOINT, message, size, s->config.identity->secret);
    (void)kith_outbox_push(s->config.outbox, from, kith_span(answer, sizeof(answer)), &allowance);
}

static struct session_who *who_find(struct kith_sessions *s, const struct kith_endpoint *to,
                                    uint64_t now) {
    for (unsigned i = 0; s->who != NULL && i < SESSION_WHO_MAX; i++) {
        struct session_who *who = &s->who[i];
        if (who->to.family != 0 && who->until > now && kith_endpoint_equal(&who->to, to)) {
            return who;
        }
    }
    return NULL;
}

void session_who_forget(struct kith_sessions *s, uint64_t now) {
    for (unsigned i = 0; s->who != NULL && i < SESSION_WHO_MAX; i++) {
        if (s->who[i].to.family != 0 && s->who[i].until > now) {
            return;
        }
    }
    free(s->who);
    s->who = NULL;
}

void session_receive_iam(struct kith_sessions *s, const struct kith_endpoint *from,
                         struct kith_span datagram, uint64_t now, struct kith_delivery *ret) {
    struct kith_stats *stats = s->config.stats;
    struct session_who *who = who_find(s, from, now);
    uint8_t message[IAM_SIGNED_MAX];
    struct kith_key key;

    if (datagram.size != SESSION_WHO_SIZE) {
        stats->drop_malformed++;
        return;
    }
    if (who == NULL || who->tries_left == 0) {
        stats->drop_unmatched++;
        return;
    }
    memcpy(key.bytes, datagram.data + 1, sizeof(key.bytes));
    size_t size = iam_signed(s, who->nonce, datagram.data + 1, message);
    who->tries_left--;
    if (s->config.curve->verify(datagram.data + 1 + KITH_KEY_SIZE + IAM_ENDPOINT, message, size,
                                key.bytes) < 0) {
        stats->drop_handshake++;
        return;
    }
    who->to.family = 0;
    session_who_forget(s, now);
    if (memcmp(key.bytes, s->config.identity->key.bytes, sizeof(key.bytes)) == 0) {
        stats->drop_self++;
        return;
    }
    *ret = (struct kith_delivery){
        .kind = KITH_DELIVERY_IAM,
        .key = key,
        .from = *from,
        .allowance = {.answer = true, .question_size = datagram.size},
    };
}

static struct session_who *who_free(struct kith_sessions *s, uint64_t now) {
    for (unsigned i = 0; i < SESSION_WHO_MAX; i++) {
        if (s->who[i].to.family == 0 || s->who[i].until <= now) {
            return &s->who[i];
        }
    }
    return NULL;
}

int kith_sessions_who(struct kith_sessions *s, const struct kith_endpoint *to, uint64_t now) {
    static const struct kith_allowance ours = {.answer = false};
    uint8_t datagram[SESSION_WHO_SIZE] = {SESSION_TYPE_WHO};
    struct session_who *who;

    if (!kith_endpoint_usable(to)) {
        return KITH_EINVALID;
    }
    if (s->who == NULL) {
        s->who = calloc(SESSION_WHO_MAX, sizeof(*s->who));
        if (s->who == NULL) {
            return KITH_ENOMEM;
        }
    }
    who = who_find(s, to, now);
    if (who == NULL) {
        who = who_free(s, now);
        if (who == NULL) {
            return KITH_EFULL;
        }
        who->to = *to;
        kith_random_secure(s->config.random, who->nonce, sizeof(who->nonce));
    }
    who->tries_left = SESSION_WHO_TRIES;
    who->until = now + KITH_SESSION_HANDSHAKE_S * KITH_NS_PER_S;
    memcpy(datagram + 1, who->nonce, sizeof(who->nonce));
    (void)kith_outbox_push(s->config.outbox, to, kith_span(datagram, sizeof(datagram)), &ours);
    return 0;
}
