/* SPDX-License-Identifier: MIT */
/*
 * session_handshake: the initiator's side: 0x01 out, 0x02 or 0x03 in.
 *
 *     INITIATED --0x02--> ESTABLISHED  the queue goes out as 0x04, or an empty one: that proves our
 *                                      address
 *     INITIATED --0x03--> INITIATED    the same request, a new ephemeral key, mac2
 *     INITIATED --5 s---> gone         the layer above asks again, with `fresh`
 *
 * A read rides on the initiation; anything else waits in the queue, since an initiation can be
 * replayed. Several handshakes with one peer may be under way (a lost 0x02, a rekey, a cookie); the
 * first that completes sends what any of them holds for that endpoint.
 *
 * Padding: the answer to an unproven address is never longer than the question, so the question is
 * made as long as the answer it hopes for.
 */
#include <stdlib.h>
#include <string.h>

#include <sodium/utils.h>

#include "core/session/session_internal.h"

/* We chose to send this. */
static const struct kith_allowance ours = {.answer = false};

static size_t initiation_size(const struct session_handshake *handshake) {
    size_t needed = KITH_SESSION_INIT_OVERHEAD + handshake->request_size;
    size_t hoped = handshake->answer_hope == 0
                       ? 0
                       : (size_t)KITH_SESSION_RESP_OVERHEAD + handshake->answer_hope;

    needed = hoped > needed ? hoped : needed;
    return needed < KITH_DATAGRAM_MAX ? needed : KITH_DATAGRAM_MAX;
}

static size_t initiation_payload(const struct kith_sessions *s,
                                 const struct session_handshake *handshake, uint8_t *out) {
    size_t size =
        initiation_size(handshake) - (KITH_SESSION_INIT_OVERHEAD - SESSION_INIT_PAYLOAD_BASE);
    struct kith_writer w = kith_writer(out, size);

    kith_write_bytes(&w, s->config.identity->key.bytes, KITH_KEY_SIZE);
    kith_write_u16(&w, handshake->request_size);
    kith_write_bytes(&w, handshake->request, handshake->request_size);
    kith_write_zeros(&w, kith_writer_left(&w));
    return size;
}

/* Sends an initiation with a new ephemeral key; earlier ones of this handshake are void. */
static int initiation_send(struct kith_sessions *s, struct session *session, uint64_t now) {
    struct session_handshake *handshake = session_handshake(session);
    const struct kith_identity *identity = s->config.identity;
    uint8_t payload[KITH_DATAGRAM_MAX];
    uint8_t datagram[KITH_DATAGRAM_MAX];
    uint8_t ephemeral[32];
    size_t size = initiation_payload(s, handshake, payload);
    size_t covered = SESSION_INIT_HEADER + KITH_NOISE_MSG1_OVERHEAD + size;
    bool has_cookie = handshake->cookie_until > now;
    int r;

    kith_noise_init(&handshake->noise, s->config.curve, true,
                    kith_span(s->prologue, s->prologue_size), identity->dh_public,
                    identity->dh_secret, handshake->dh_public,
                    s->config.network_secret == NULL ? NULL : s->secret);
    session_put_type(datagram, SESSION_TYPE_INITIATION);
    session_put_u32(datagram + 4, session_index(session));
    kith_random_secure(s->config.random, ephemeral, sizeof(ephemeral));
    r = kith_noise_write_1(&handshake->noise, ephemeral, kith_span(payload, size),
                           datagram + SESSION_INIT_HEADER);
    sodium_memzero(ephemeral, sizeof(ephemeral));
    sodium_memzero(payload, sizeof(payload));
    if (r < 0) {
        return r;
    }
    session_macs_write(s->config.curve->cipher, datagram, covered, &session->key,
                       has_cookie ? handshake->cookie : NULL);
    memcpy(handshake->mac1, datagram + covered, SESSION_MAC);
    s->config.stats->handshakes_started++;
    (void)kith_outbox_push(s->config.outbox, &session->endpoint,
                           kith_span(datagram, covered + SESSION_MACS), &ours);
    return 0;
}

int session_enqueue(struct session *session, struct kith_span payload) {
    struct session_handshake *handshake = session_handshake(session);
    struct session_message *message;

    if (handshake->n_queued >= KITH_SESSION_QUEUE_MAX ||
        handshake->queued_bytes + payload.size > SESSION_QUEUE_BYTES_MAX) {
        return KITH_EFULL;
    }
    message = malloc(sizeof(*message) + payload.size);
    if (message == NULL) {
        return KITH_ENOMEM;
    }
    message->next = NULL;
    message->size = (uint16_t)payload.size;
    if (payload.size > 0) {
        memcpy(message->bytes, payload.data, payload.size);
    }
    *handshake->queue_end = message;
    handshake->queue_end = &message->next;
    handshake->queued_bytes += payload.size;
    handshake->n_queued++;
    return 0;
}

static struct session_handshake *handshake_new(struct kith_span request, size_t answer_hope) {
    struct session_handshake *handshake = calloc(1, sizeof(*handshake) + request.size);

    if (handshake == NULL) {
        return NULL;
    }
    handshake->queue_end = &handshake->queue;
    handshake->answer_hope =
        (uint16_t)(answer_hope < KITH_DATAGRAM_MAX ? answer_hope : KITH_DATAGRAM_MAX);
    handshake->request_size = (uint16_t)request.size;
    if (request.size > 0) {
        memcpy(handshake->request, request.data, request.size);
    }
    return handshake;
}

/* The peer's curve key, and what other handshakes with the peer learned: a cookie. */
static int inherit(struct kith_sessions *s, const struct kith_send *send, uint64_t now,
                   struct session_handshake *handshake) {
    for (const struct session *known = session_first_of(s, &send->key); known != NULL;
         known = session_next_of(s, known)) {
        const struct session_handshake *other = session_handshake(known);
        if (other != NULL && other->cookie_until > now &&
            kith_endpoint_equal(&known->endpoint, &send->to)) {
            memcpy(handshake->cookie, other->cookie, sizeof(handshake->cookie));
            handshake->cookie_until = other->cookie_until;
        }
    }
    return s->config.curve->public_to_dh(handshake->dh_public, send->key.bytes);
}

/* Takes over what earlier handshakes with the peer at this endpoint hold, as far as it fits: they
 * may be given up for this one. */
static void queue_gather(struct kith_sessions *s, struct session *session) {
    struct session_handshake *to = session_handshake(session);

    for (struct session *i = session_first_of(s, &session->key); i != NULL;
         i = session_next_of(s, i)) {
        struct session_handshake *from = session_handshake(i);
        if (i == session || from == NULL || from->queue == NULL ||
            to->n_queued + from->n_queued > KITH_SESSION_QUEUE_MAX ||
            to->queued_bytes + from->queued_bytes > SESSION_QUEUE_BYTES_MAX ||
            !kith_endpoint_equal(&i->endpoint, &session->endpoint)) {
            continue;
        }
        *to->queue_end = from->queue;
        to->queue_end = from->queue_end;
        to->n_queued = (uint8_t)(to->n_queued + from->n_queued);
        to->queued_bytes += from->queued_bytes;
        from->queue = NULL;
        from->queue_end = &from->queue;
        from->n_queued = 0;
        from->queued_bytes = 0;
    }
}

/* Puts the handshake, which it takes, into a new session and sends the first initiation. */
static int start(struct kith_sessions *s, const struct kith_send *send,
                 struct session_handshake *handshake_take, uint64_t now) {
    struct session *session;
    bool share;
    int r = inherit(s, send, now, handshake_take);

    if (r == 0) {
        r = session_add(s, &send->key, &send->to, SESSION_INITIATED, now, &session, &share);
    }
    if (r < 0) {
        sodium_memzero(handshake_take, sizeof(*handshake_take) + handshake_take->request_size);
        free(handshake_take);
        return r;
    }
    session->as.handshake = handshake_take;
    session->initiator = true;
    if (handshake_take->request_size == 0) {
        r = session_enqueue(session, send->payload);
    }
    if (r == 0) {
        r = initiation_send(s, session, now);
    }
    if (r < 0) {
        session_remove(s, session);
        return r;
    }
    queue_gather(s, session);
    session_limit(s, session);
    return 0;
}

int session_start(struct kith_sessions *s, const struct kith_send *send, uint64_t now,
                  int *ret_outcome) {
    bool rides = send->early && send->payload.size > 0 && send->payload.size <= SESSION_REQUEST_MAX;
    struct session_handshake *handshake =
        handshake_new(rides ? send->payload : kith_span(NULL, 0), send->answer_hope);
    int r;

    if (handshake == NULL) {
        return KITH_ENOMEM;
    }
    r = start(s, send, handshake, now);
    if (r < 0) {
        return r;
    }
    *ret_outcome = rides ? KITH_SENT_INITIATION : KITH_SENT_QUEUED;
    return 0;
}

static bool queue_flush(struct kith_sessions *s, struct session *session,
                        struct session_handshake *handshake, uint64_t now) {
    bool any = false;

    while (handshake->queue != NULL) {
        struct session_message *message = handshake->queue;
        int r = session_data_send(s, session, &session->endpoint,
                                  kith_span(message->bytes, message->size), &ours, now);
        any = any || r == 0;
        handshake->queue = message->next;
        free(message);
    }
    handshake->queue_end = &handshake->queue;
    handshake->n_queued = 0;
    handshake->queued_bytes = 0;
    return any;
}

/* Sends what is held for this peer at this endpoint, or else shows that we receive at our address.
 */
static void flush(struct kith_sessions *s, struct session *session,
                  struct session_handshake *handshake, uint64_t now) {
    bool any = queue_flush(s, session, handshake, now);

    for (struct session *i = session_first_of(s, &session->key); i != NULL;
         i = session_next_of(s, i)) {
        if (i->state == SESSION_INITIATED &&
            kith_endpoint_equal(&i->endpoint, &session->endpoint)) {
            any = queue_flush(s, session, session_handshake(i), now) || any;
        }
    }
    if (!any && !s->config.client) {
        int r = session_data_send(s, session, &session->endpoint, kith_span(NULL, 0), &ours, now);
        (void)r; /* the first counter of a session is not used up */
    }
}

void session_receive_response(struct kith_sessions *s, const struct kith_endpoint *from,
                              struct kith_span datagram, uint64_t now, struct kith_delivery *ret) {
    struct kith_stats *stats = s->config.stats;
    struct session *session;
    size_t size;

    if (datagram.size < KITH_SESSION_RESP_OVERHEAD || !session_reserved_zero(datagram)) {
        stats->drop_malformed++;
        return;
    }
    if (!session_mac1_valid(s, datagram)) {
        stats->drop_mac++;
        return;
    }
    session = session_by_index(s, session_get_u32(datagram.data + 8));
    if (session == NULL || session->state != SESSION_INITIATED) {
        stats->drop_session++;
        return;
    }
    struct kith_span message = kith_span(datagram.data + SESSION_RESP_HEADER,
                                         datagram.size - SESSION_RESP_HEADER - SESSION_MACS);
    struct session_handshake *handshake = session_handshake(session);
    struct kith_noise_keys keys;
    if (s->guard.limited && handshake->responses_failed >= SESSION_RESPONSES_MAX) {
        stats->drop_load++;
        return;
    }
    if (kith_noise_read_2(&handshake->noise, message, s->payload, &size, &keys) < 0) {
        handshake->responses_failed += handshake->responses_failed < SESSION_RESPONSES_MAX;
        stats->drop_handshake++;
        return;
    }
    session->as.keys = keys;
    sodium_memzero(&keys, sizeof(keys));
    session->remote_index = session_get_u32(datagram.data + 4);
    stats->handshakes_completed++;
    session_establish(s, session, now);
    flush(s, session, handshake, now);
    session_handshake_free(handshake);
    /* What answered is what we asked, wherever its system sent the answer from. */
    *ret = (struct kith_delivery){
        .kind = KITH_DELIVERY_RESPONSE,
        .session = session->ref,
        .key = session->key,
        .from = session->endpoint,
        .payload = kith_span(s->payload, size),
        .allowance = {.answer = true, .proven = true, .question_size = datagram.size},
        .answer_max = SESSION_MESSAGE_MAX,
    };
}

void session_receive_cookie(struct kith_sessions *s, const struct kith_endpoint *from,
                            struct kith_span datagram, uint64_t now) {
    struct kith_stats *stats = s->config.stats;
    struct session_handshake *handshake;
    struct session *session;

    if (datagram.size != SESSION_COOKIE_SIZE || !session_reserved_zero(datagram)) {
        stats->drop_malformed++;
        return;
    }
    session = session_by_index(s, session_get_u32(datagram.data + 4));
    if (session == NULL || session->state != SESSION_INITIATED ||
        session_handshake(session)->cookies_taken >= SESSION_COOKIES_MAX) {
        stats->drop_session++;
        return;
    }
    handshake = session_handshake(session);
    if (session_cookie_open(&session->key, datagram, handshake->mac1, handshake->cookie) < 0) {
        stats->drop_auth++;
        return;
    }
    stats->cookies_received++;
    handshake->cookies_taken++;
    handshake->cookie_until = now + SESSION_COOKIE_S * KITH_NS_PER_S;
    session_touch(s, session, now);
    if (initiation_send(s, session, now) < 0) {
        session_remove(s, session);
    }
}
