/* SPDX-License-Identifier: MIT */
/*
 * session_data: 0x04, the messages of an established session. Allocates nothing (but once per
 * session, if datagrams get lost or reordered, the bitmap of session_window.c).
 *
 *     type, 3 zero | receiver index u32 | counter u64 | AEAD(message), the 16 bytes before it as AD
 *
 * The first one that authenticates confirms a half-open session: whoever sent it holds keys that
 * only our 0x02 could give it, so it receives at the address we sent that to. An empty message says
 * only this.
 *
 * Addresses: a session lives at one endpoint. A message from elsewhere is delivered, but what
 * answers it is held to the size of the question, and only kith_sessions_move() moves the session,
 * after the new endpoint has answered a probe; so nobody who merely redirects a datagram can turn a
 * session's traffic.
 */
#include <string.h>

#include "core/session/session_internal.h"

/* Whether messages go out under this session, if it is no older than that. */
bool session_may_send(const struct session *session, uint64_t now, uint64_t age_max) {
    return session->state == SESSION_ESTABLISHED && session->send_counter < SESSION_SENT_MAX &&
           now - session->since < age_max;
}

int session_data_send(struct kith_sessions *s, struct session *session,
                      const struct kith_endpoint *to, struct kith_span payload,
                      const struct kith_allowance *allowance, uint64_t now) {
    uint8_t datagram[KITH_DATAGRAM_MAX];
    uint64_t counter = session->send_counter;

    if (counter >= SESSION_SENT_MAX) {
        return KITH_EFULL;
    }
    session->send_counter++;
    session_put_type(datagram, SESSION_TYPE_DATA);
    session_put_u32(datagram + 4, session->remote_index);
    session_put_u32(datagram + 8, (uint32_t)(counter >> 32));
    session_put_u32(datagram + 12, (uint32_t)counter);
    s->config.curve->cipher->seal(session->as.keys.send, counter,
                                  kith_span(datagram, SESSION_DATA_HEADER), payload,
                                  datagram + SESSION_DATA_HEADER);
    session_touch(s, session, now);
    /* If the outbox refuses it, it is counted there, and lost like any datagram. */
    (void)kith_outbox_push(s->config.outbox, to,
                           kith_span(datagram, payload.size + KITH_SESSION_DATA_OVERHEAD),
                           allowance);
    return 0;
}

static uint64_t data_counter(struct kith_span datagram) {
    return (uint64_t)session_get_u32(datagram.data + 8) << 32 | session_get_u32(datagram.data + 12);
}

/* The session and its authenticated plaintext in s->payload, or NULL and it is counted. */
static struct session *data_open(struct kith_sessions *s, struct kith_span datagram, uint64_t now) {
    struct kith_stats *stats = s->config.stats;
    struct session *session;
    uint64_t counter;

    if (datagram.size < KITH_SESSION_DATA_OVERHEAD || !session_reserved_zero(datagram)) {
        stats->drop_malformed++;
        return NULL;
    }
    session = session_by_index(s, session_get_u32(datagram.data + 4));
    if (session == NULL || session->state == SESSION_INITIATED ||
        now - session->since >= 2 * KITH_SESSION_REKEY_S * KITH_NS_PER_S) {
        stats->drop_session++;
        return NULL;
    }
    counter = data_counter(datagram);
    if (counter >= SESSION_COUNTER_MAX || !session_window_fresh(session, counter)) {
        stats->drop_replay++;
        return NULL;
    }
    struct kith_span cipher =
        kith_span(datagram.data + SESSION_DATA_HEADER, datagram.size - SESSION_DATA_HEADER);
    if (s->config.curve->cipher->open(session->as.keys.receive, counter,
                                      kith_span(datagram.data, SESSION_DATA_HEADER), cipher,
                                      s->payload) < 0) {
        stats->drop_auth++;
        return NULL;
    }
    return session;
}

void session_receive_data(struct kith_sessions *s, const struct kith_endpoint *from,
                          struct kith_span datagram, uint64_t now, struct kith_delivery *ret) {
    struct session *session = data_open(s, datagram, now);
    if (session == NULL) {
        return;
    }
    uint64_t counter = data_counter(datagram);
    bool newest = counter >= session->receive_next;
    bool at_home = kith_endpoint_equal(from, &session->endpoint);
    bool confirms = session->state == SESSION_HALF_OPEN;
    size_t size = datagram.size - KITH_SESSION_DATA_OVERHEAD;

    session->unheard = 0;
    session_window_mark(session, counter);
    session->rx_messages += session->rx_messages < SESSION_RX_MAX;
    if (confirms) {
        s->config.stats->sessions_confirmed++;
        session_establish(s, session, now);
    } else {
        session_touch(s, session, now);
    }
    if (size == 0 && !(confirms && at_home) && (at_home || !newest)) {
        return;
    }
    *ret = (struct kith_delivery){
        .kind = KITH_DELIVERY_DATA,
        .session = session->ref,
        .key = session->key,
        .from = *from,
        .payload = kith_span(s->payload, size),
        .allowance = {.answer = true, .proven = at_home, .question_size = datagram.size},
        .confirmed_now = confirms && at_home,
        .roamed = newest && !at_home,
    };
    ret->answer_max = session_answer_max(&ret->allowance) - KITH_SESSION_DATA_OVERHEAD;
}
