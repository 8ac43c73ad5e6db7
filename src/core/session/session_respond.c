/* SPDX-License-Identifier: MIT */
/*
 * session_respond: 0x01 at the responder.
 *
 * The checks go from cheap to dear, and each is reached only by what passed the one before: form,
 * mac1 (one hash), cookie and budgets, replay (one scan), and only then two key agreements. What
 * authenticates is delivered once; nothing is stored until the layer above answers, and then only a
 * half-open session, first to go. The initiation may be a replay from before our start, or forged
 * by whoever stole our key: acting on it would be wrong, answering a question is harmless, since
 * only the holder of the ephemeral key can read the answer.
 *
 * An initiation without a request (its sender holds a message that may not ride on it) is answered
 * here, with an empty answer.
 */
#include <string.h>

#include <sodium/utils.h>

#include "core/session/session_internal.h"

static void pending_clear(struct kith_sessions *s) {
    sodium_memzero(&s->pending, sizeof(s->pending));
}

/* Everything before the key agreements. */
static bool initiation_admitted(struct kith_sessions *s, const struct kith_endpoint *from,
                                struct kith_span datagram, uint64_t now) {
    struct kith_stats *stats = s->config.stats;

    if (datagram.size < KITH_SESSION_INIT_OVERHEAD || !session_reserved_zero(datagram)) {
        stats->drop_malformed++;
        return false;
    }
    if (!session_mac1_valid(s, datagram)) {
        stats->drop_mac++;
        return false;
    }
    bool has_mac2 = s->guard.limited && session_mac2_valid(s, from, datagram, now);
    switch (session_guard_admit(s, from, has_mac2, now)) {
    case SESSION_ADMIT:
        if (session_guard_seen(s, datagram.data + SESSION_INIT_HEADER)) {
            stats->drop_replay++;
            return false;
        }
        return true;
    case SESSION_ASK_COOKIE:
        session_cookie_send(s, from, datagram, now);
        stats->drop_load++;
        return false;
    case SESSION_OVER_PREFIX:
        if (!has_mac2) {
            session_cookie_send(s, from, datagram, now);
        }
        stats->drop_prefix++;
        return false;
    case SESSION_OVER_ALL:
        stats->drop_load++;
        return false;
    }
    return false;
}

/* Does the Ed25519 key in the payload belong to the static key that Noise authenticated? */
static bool key_matches(const struct kith_sessions *s, const struct kith_key *key,
                        const uint8_t remote_static[32]) {
    uint8_t image[32];

    return s->config.curve->public_to_dh(image, key->bytes) == 0 &&
           sodium_memcmp(image, remote_static, 32) == 0;
}

/* Reads key, length, request and padding. */
static bool payload_parse(struct kith_span payload, struct kith_key *key,
                          struct kith_span *request) {
    struct kith_reader r = kith_reader(payload);
    size_t size;

    kith_read_copy(&r, key->bytes, sizeof(key->bytes));
    size = kith_read_u16(&r);
    request->data = kith_read_bytes(&r, size);
    request->size = size;
    return !r.failed && sodium_is_zero(r.at, kith_reader_left(&r)) != 0;
}

/* The key agreements. The request is left in s->payload, the handshake in s->pending. */
static bool initiation_open(struct kith_sessions *s, struct kith_span datagram, uint64_t now,
                            struct kith_span *request) {
    struct session_pending *pending = &s->pending;
    struct kith_stats *stats = s->config.stats;
    const struct kith_identity *identity = s->config.identity;
    size_t size;

    kith_noise_init(&pending->noise, s->config.curve, false,
                    kith_span(s->prologue, s->prologue_size), identity->dh_public,
                    identity->dh_secret, NULL, s->config.network_secret == NULL ? NULL : s->secret);
    if (kith_noise_read_1(&pending->noise,
                          kith_span(datagram.data + SESSION_INIT_HEADER,
                                    datagram.size - SESSION_INIT_HEADER - SESSION_MACS),
                          s->payload, &size) < 0) {
        stats->drop_handshake++;
        return false;
    }
    session_guard_remember(s, datagram.data + SESSION_INIT_HEADER, now);
    if (!payload_parse(kith_span(s->payload, size), &pending->key, request)) {
        stats->drop_malformed++;
        return false;
    }
    if (memcmp(pending->key.bytes, identity->key.bytes, sizeof(identity->key.bytes)) == 0) {
        stats->drop_self++;
        return false;
    }
    if (!key_matches(s, &pending->key, pending->noise.remote_static)) {
        stats->drop_handshake++;
        return false;
    }
    return true;
}

void session_receive_initiation(struct kith_sessions *s, const struct kith_endpoint *from,
                                struct kith_span datagram, uint64_t now,
                                struct kith_delivery *ret) {
    struct session_pending *pending = &s->pending;
    struct kith_span request;
    struct kith_delivery delivery;

    if (!initiation_admitted(s, from, datagram, now)) {
        return;
    }
    if (!initiation_open(s, datagram, now, &request)) {
        pending_clear(s);
        return;
    }
    if (s->config.is_banned != NULL && s->config.is_banned(s->config.context, &pending->key, now)) {
        s->config.stats->drop_banned++;
        pending_clear(s);
        return;
    }
    s->serial += s->serial == UINT32_MAX ? 2 : 1;
    pending->ref = (uint64_t)s->serial << 32;
    pending->from = *from;
    pending->remote_index = session_get_u32(datagram.data + 4);
    delivery = (struct kith_delivery){
        .kind = KITH_DELIVERY_INITIATION,
        .session = pending->ref,
        .key = pending->key,
        .from = *from,
        .payload = request,
        .allowance = {.answer = true, .question_size = datagram.size},
    };
    delivery.answer_max = session_answer_max(&delivery.allowance) - KITH_SESSION_RESP_OVERHEAD;
    if (request.size > 0) {
        *ret = delivery;
        return;
    }
    /* Refused for lack of room: the initiator tries again. */
    int r = session_respond(s, &delivery, kith_span(NULL, 0), now);
    (void)r;
}

/* Writes and sends the 0x02, and puts the keys into the session. */
static int respond(struct kith_sessions *s, struct session *session,
                   const struct kith_allowance *allowance, struct kith_span payload) {
    struct session_pending *pending = &s->pending;
    uint8_t datagram[KITH_DATAGRAM_MAX];
    uint8_t ephemeral[32];
    size_t covered = SESSION_RESP_HEADER + KITH_NOISE_MSG2_OVERHEAD + payload.size;
    int r;

    session_put_type(datagram, SESSION_TYPE_RESPONSE);
    session_put_u32(datagram + 4, session_index(session));
    session_put_u32(datagram + 8, pending->remote_index);
    kith_random_secure(s->config.random, ephemeral, sizeof(ephemeral));
    r = kith_noise_write_2(&pending->noise, ephemeral, payload, datagram + SESSION_RESP_HEADER,
                           &session->as.keys);
    sodium_memzero(ephemeral, sizeof(ephemeral));
    if (r < 0) {
        return r;
    }
    session->remote_index = pending->remote_index;
    session_macs_write(s->config.curve->cipher, datagram, covered, &session->key, NULL);
    (void)kith_outbox_push(s->config.outbox, &session->endpoint,
                           kith_span(datagram, covered + SESSION_MACS), allowance);
    return 0;
}

int session_respond(struct kith_sessions *s, const struct kith_delivery *delivery,
                    struct kith_span payload, uint64_t now) {
    struct session_pending *pending = &s->pending;
    struct session *session;
    bool share;
    int r;

    if (pending->ref == 0 || pending->ref != delivery->session) {
        return KITH_ENOT_FOUND;
    }
    if (payload.size > delivery->answer_max ||
        payload.size > KITH_DATAGRAM_MAX - KITH_SESSION_RESP_OVERHEAD) {
        return KITH_ETOO_LARGE;
    }
    r = session_add(s, &pending->key, &pending->from, SESSION_HALF_OPEN, now, &session, &share);
    s->config.stats->drop_prefix += r == KITH_EFULL && share;
    if (r == 0) {
        r = respond(s, session, &delivery->allowance, payload);
        if (r < 0) {
            session_remove(s, session);
        } else {
            s->config.stats->handshakes_served++;
            session_limit(s, session);
        }
    }
    pending_clear(s);
    return r;
}
