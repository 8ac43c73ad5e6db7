/* SPDX-License-Identifier: MIT */
/*
 * session: the front of the session layer (docs/protocol.md, "Sessions"; session_internal.h lists
 * the files behind it). Here: making and freeing, the dispatch of datagrams by type, and the choice
 * of how a message goes out.
 *
 * Which way: over the newest established session that lives at the endpoint asked for. If there is
 * none, the caller knows a newer address, or the peer is new: a handshake with that endpoint, or
 * the one already under way. An initiator's session older than KITH_SESSION_REKEY_S is replaced on
 * its next use; while that is under way the old one carries on, and both ends accept it for as long
 * again. A responder never rekeys.
 */
#include "core/session/session.h"

#include <stdlib.h>
#include <string.h>

#include <sodium/utils.h>

#include "core/session/session_internal.h"

static const uint64_t rekey_ns = KITH_SESSION_REKEY_S * KITH_NS_PER_S;

int kith_sessions_new(struct kith_sessions **ret, const struct kith_sessions_config *config) {
    static const char version[] = "kith/1 ";
    size_t length = strlen(config->network);
    struct kith_sessions *s;

    if (length > KITH_NETWORK_MAX) {
        return KITH_EINVALID;
    }
    s = calloc(1, sizeof(*s) + (config->payload == NULL ? KITH_DATAGRAM_MAX : 0));
    if (s == NULL) {
        return KITH_ENOMEM;
    }
    s->config = *config;
    s->payload = config->payload == NULL ? s->own_payload : config->payload;
    s->config.network = NULL;
    memcpy(s->prologue, version, sizeof(version) - 1);
    memcpy(s->prologue + sizeof(version) - 1, config->network, length);
    s->prologue_size = sizeof(version) - 1 + length;
    if (config->network_secret != NULL) {
        memcpy(s->secret, config->network_secret, sizeof(s->secret));
        s->config.network_secret = s->secret;
    }
    kith_random_secure(config->random, s->hash_key, sizeof(s->hash_key));
    session_mac1_key(s->mac1_key, &config->identity->key);
    session_cookie_key(s->cookie_key, &config->identity->key);
    session_guard_init(s);
    session_table_init(s);
    *ret = s;
    return 0;
}

struct kith_sessions *kith_sessions_free(struct kith_sessions *sessions) {
    if (sessions != NULL) {
        session_table_deinit(sessions);
        session_guard_deinit(sessions);
        free(sessions->who);
        sodium_memzero(sessions->payload, KITH_DATAGRAM_MAX);
        sodium_memzero(sessions, sizeof(*sessions));
        free(sessions);
    }
    return NULL;
}

void kith_sessions_receive(struct kith_sessions *s, const struct kith_endpoint *from,
                           struct kith_span datagram, uint64_t now, struct kith_delivery *ret) {
    *ret = (struct kith_delivery){.kind = KITH_DELIVERY_NONE};
    if (s->pending.ref != 0) {
        sodium_memzero(&s->pending, sizeof(s->pending));
    }
    if (datagram.size == 0 || datagram.size > KITH_DATAGRAM_MAX) {
        s->config.stats->drop_empty++;
        return;
    }
    if (!kith_endpoint_usable(from)) {
        s->config.stats->drop_source++;
        return;
    }
    switch (datagram.data[0]) {
    case SESSION_TYPE_INITIATION:
        session_receive_initiation(s, from, datagram, now, ret);
        break;
    case SESSION_TYPE_RESPONSE:
        session_receive_response(s, from, datagram, now, ret);
        break;
    case SESSION_TYPE_COOKIE:
        session_receive_cookie(s, from, datagram, now);
        break;
    case SESSION_TYPE_DATA:
        session_receive_data(s, from, datagram, now, ret);
        break;
    case SESSION_TYPE_WHO:
        session_receive_who(s, from, datagram, now);
        break;
    case SESSION_TYPE_IAM:
        session_receive_iam(s, from, datagram, now, ret);
        break;
    default:
        s->config.stats->drop_type++;
        break;
    }
}

int kith_sessions_answer(struct kith_sessions *s, const struct kith_delivery *delivery,
                         struct kith_span payload, uint64_t now) {
    struct session *session;

    if (delivery->kind == KITH_DELIVERY_INITIATION) {
        return session_respond(s, delivery, payload, now);
    }
    session = session_by_ref(s, delivery->session);
    if (session == NULL || !session_may_send(session, now, 2 * rekey_ns)) {
        return KITH_ENOT_FOUND;
    }
    if (payload.size > delivery->answer_max || payload.size > SESSION_MESSAGE_MAX) {
        return KITH_ETOO_LARGE;
    }
    /* What came from where the session lived goes to where it lives, if the answer took long. */
    const struct kith_endpoint *to =
        delivery->allowance.proven ? &session->endpoint : &delivery->from;
    return session_data_send(s, session, to, payload, &delivery->allowance, now);
}

/* The ways a message can go to a peer at an endpoint. */
struct session_routes {
    struct session *data;      /* newest established, young enough */
    struct session *worn;      /* newest established, due for a rekey */
    struct session *handshake; /* newest under way */
};

static bool is_newer(const struct session *a, const struct session *b) {
    return b == NULL || a->since > b->since ||
           (a->since == b->since && a->ref >> 32 > b->ref >> 32);
}

static struct session_routes routes_to(const struct kith_sessions *s, const struct kith_key *key,
                                       const struct kith_endpoint *to, uint64_t now) {
    struct session_routes routes = {NULL, NULL, NULL};

    for (struct session *i = session_first_of(s, key); i != NULL; i = session_next_of(s, i)) {
        struct session **best;
        if (!kith_endpoint_equal(&i->endpoint, to) || i->unheard) {
            continue;
        }
        if (i->state == SESSION_INITIATED) {
            best = &routes.handshake;
        } else if (session_may_send(i, now, i->initiator ? rekey_ns : 2 * rekey_ns)) {
            best = &routes.data;
        } else if (session_may_send(i, now, 2 * rekey_ns)) {
            best = &routes.worn;
        } else {
            continue;
        }
        if (is_newer(i, *best)) {
            *best = i;
        }
    }
    return routes;
}

int kith_sessions_send(struct kith_sessions *s, const struct kith_send *send, uint64_t now) {
    static const struct kith_allowance ours = {.answer = false};
    int outcome;
    int r;

    if (!kith_endpoint_usable(&send->to) ||
        memcmp(send->key.bytes, s->config.identity->key.bytes, KITH_KEY_SIZE) == 0) {
        return KITH_EINVALID;
    }
    if (send->payload.size > SESSION_MESSAGE_MAX) {
        return KITH_ETOO_LARGE;
    }
    if (!send->fresh) {
        struct session_routes routes = routes_to(s, &send->key, &send->to, now);
        struct session *data = routes.data;
        if (data == NULL && routes.handshake != NULL) {
            data = routes.worn;
        }
        if (data != NULL) {
            r = session_data_send(s, data, &data->endpoint, send->payload, &ours, now);
            return r < 0 ? r : KITH_SENT_DATA;
        }
        if (routes.handshake != NULL) {
            r = session_enqueue(routes.handshake, send->payload);
            return r < 0 ? r : KITH_SENT_QUEUED;
        }
    }
    r = session_start(s, send, now, &outcome);
    return r < 0 ? r : outcome;
}

void kith_sessions_unheard(struct kith_sessions *s, const struct kith_key *key,
                           const struct kith_endpoint *at) {
    for (struct session *i = session_first_of(s, key); i != NULL; i = session_next_of(s, i)) {
        if (i->state != SESSION_INITIATED && kith_endpoint_equal(&i->endpoint, at)) {
            i->unheard = 1;
        }
    }
}

int kith_sessions_probe(struct kith_sessions *s, kith_session_ref ref,
                        const struct kith_endpoint *to, struct kith_span payload, uint64_t now) {
    static const struct kith_allowance ours = {.answer = false};
    struct session *session = session_by_ref(s, ref);

    if (session == NULL || !session_may_send(session, now, 2 * rekey_ns)) {
        return KITH_ENOT_FOUND;
    }
    if (payload.size > SESSION_MESSAGE_MAX) {
        return KITH_ETOO_LARGE;
    }
    return session_data_send(s, session, to, payload, &ours, now);
}

void kith_sessions_move(struct kith_sessions *s, kith_session_ref ref,
                        const struct kith_endpoint *to) {
    struct session *session = session_by_ref(s, ref);

    if (session == NULL || kith_endpoint_equal(&session->endpoint, to)) {
        return;
    }
    if (session_relocate(s, session, to)) {
        s->config.stats->sessions_roamed++;
    } else {
        s->config.stats->drop_prefix++;
    }
}

bool kith_sessions_has(const struct kith_sessions *s, const struct kith_key *key) {
    for (struct session *i = session_first_of(s, key); i != NULL; i = session_next_of(s, i)) {
        if (i->state == SESSION_ESTABLISHED && !i->unheard && i->send_counter < SESSION_SENT_MAX) {
            return true;
        }
    }
    return false;
}

uint32_t kith_sessions_count(const struct kith_sessions *s) {
    return s->n;
}

int kith_sessions_each(const struct kith_sessions *s, uint64_t now,
                       int (*fn)(const struct kith_session_info *info, void *user), void *user) {
    const struct session *session = session_in_use(s, 0);

    for (; session != NULL; session = session_in_use(s, session_slot(s, session) + 1)) {
        struct kith_session_info info = {
            .key = session->key,
            .endpoint = session->endpoint,
            .initiator = session->initiator,
            .established = session->state == SESSION_ESTABLISHED,
            .confirmed = session->state == SESSION_ESTABLISHED,
            .age_ns = now - session->since,
            .idle_ns = (uint64_t)(session_ticks(now) - session->used) << SESSION_TICK_BITS,
            .tx_messages = session->send_counter,
            .rx_messages = session->rx_messages,
        };
        int r = fn(&info, user);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

void kith_sessions_set_client(struct kith_sessions *s, bool client) {
    s->config.client = client;
}
