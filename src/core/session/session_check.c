/* SPDX-License-Identifier: MIT */
/* session_check: the invariants of the table, for tests, the simulator and fuzzers. O(sessions). */
#include <string.h>

#include "core/session/session_internal.h"

static bool is_known_by_key(const struct kith_sessions *s, const struct session *session) {
    const struct session *i = session_first_of(s, &session->key);

    while (i != NULL && i != session) {
        i = session_next_of(s, i);
    }
    return i == session;
}

static const char *check_handshake(const struct session *session) {
    const struct session_handshake *handshake = session_handshake(session);
    size_t bytes = 0;
    unsigned n = 0;

    if (session->state != SESSION_INITIATED) {
        return NULL;
    }
    if (handshake == NULL) {
        return "a handshake under way has no state";
    }
    for (const struct session_message *i = handshake->queue; i != NULL; i = i->next) {
        bytes += i->size;
        n++;
    }
    if (n != handshake->n_queued || bytes != handshake->queued_bytes) {
        return "the queue of a handshake is counted wrong";
    }
    if (n > KITH_SESSION_QUEUE_MAX || bytes > SESSION_QUEUE_BYTES_MAX) {
        return "the queue of a handshake is over its bound";
    }
    return *handshake->queue_end == NULL ? NULL : "the queue of a handshake does not end";
}

static const char *check_prefix(const struct kith_sessions *s, const struct session *session) {
    uint32_t n = 0;
    bool found = false;

    if (session->charged == kith_endpoint_exempt(&session->endpoint)) {
        return session->charged ? "an exempt address is counted" : "an address is not counted";
    }
    if (!session->charged) {
        return NULL;
    }
    for (const struct session *i = session_first_at(s, &session->endpoint); i != NULL;
         i = session_next_at(s, i)) {
        found |= i == session;
        n++;
    }
    if (!found) {
        return "a session is counted under another prefix";
    }
    return n <= s->config.sessions_per_prefix ? NULL : "a prefix is over its share";
}

static const char *check_slots(const struct kith_sessions *s, uint32_t *ret_n) {
    const char *wrong = NULL;

    for (uint32_t i = 0; i < s->n_slots && wrong == NULL; i++) {
        const struct session *session = s->slots[i];
        if (session == NULL) {
            continue;
        }
        ++*ret_n;
        if (session_by_ref(s, session->ref) != session) {
            wrong = "a session is not found by its index";
        } else if (!is_known_by_key(s, session)) {
            wrong = "a session is not found by its key";
        } else {
            wrong = check_handshake(session);
            wrong = wrong != NULL ? wrong : check_prefix(s, session);
        }
    }
    return wrong;
}

static enum session_class expected_class(const struct session *session) {
    switch ((enum session_state)session->state) {
    case SESSION_INITIATED:
        return SESSION_CLASS_OWN;
    case SESSION_HALF_OPEN:
        return SESSION_CLASS_PENDING;
    case SESSION_ESTABLISHED:
        break;
    }
    return session->pinned ? SESSION_CLASS_PINNED : SESSION_CLASS_IDLE;
}

static const char *check_classes(const struct kith_sessions *s, uint32_t n) {
    uint32_t listed = 0;

    for (unsigned class = 0; class < SESSION_CLASSES; class ++) {
        uint32_t older = SESSION_NONE;
        uint32_t slot = s->classes[class].oldest;
        for (; slot != SESSION_NONE; slot = s->slots[slot]->newer) {
            const struct session *session = s->slots[slot];
            if (session->older != older) {
                return "a session's place in its class is wrong";
            }
            older = slot;
            if (expected_class(session) != (enum session_class) class) {
                return "a session is in another class";
            }
            if (++listed > n) {
                return "a class goes round in a circle";
            }
        }
        if (s->classes[class].newest != older) {
            return "a class does not end with its newest";
        }
    }
    return listed == n ? NULL : "the classes hold more or less than all sessions";
}

static const char *check_free_slots(const struct kith_sessions *s) {
    for (uint32_t i = 0; i < s->n_slots; i++) {
        if (s->slots[i] == NULL ? i < s->free_from : i >= s->used_to) {
            return s->slots[i] == NULL ? "a free slot is lost" : "a used slot is not seen";
        }
    }
    return s->used_to <= s->n_slots ? NULL : "more slots are used than there are";
}

const char *kith_sessions_check(const struct kith_sessions *s) {
    uint32_t n = 0;
    const char *wrong = check_slots(s, &n);

    if (wrong == NULL && (n != s->n || n > s->config.sessions_max)) {
        wrong = "sessions are counted wrong, or too many";
    }
    if (wrong == NULL && n > 0 && !kith_timer_is_set(&s->timer)) {
        wrong = "no timer will end the sessions";
    }
    wrong = wrong != NULL ? wrong : check_classes(s, n);
    return wrong != NULL ? wrong : check_free_slots(s);
}
