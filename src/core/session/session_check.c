/* SPDX-License-Identifier: MIT */
/* session_check: the invariants of the table, for tests, the simulator and fuzzers. O(sessions). */
#include <string.h>

#include "core/session/session_internal.h"

static bool is_known_by_key(const struct kith_sessions *s, const struct session *session) {
    const struct session *i = session_first_of(s, &session->key);

    while (i != NULL && i != session) {
        i = session_next_of(i);
    }
    return i == session;
}

static const char *check_handshake(const struct session *session) {
    const struct session_handshake *handshake = session->handshake;
    size_t bytes = 0;
    unsigned n = 0;

    if ((session->state == SESSION_INITIATED) != (handshake != NULL)) {
        return "only a handshake under way has its state";
    }
    if (handshake == NULL) {
        return NULL;
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
         i = session_next_at(i)) {
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
        const struct session *session = s->slots[i].session;
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
        for (struct kith_list *l = kith_list_first(&s->classes[class]); l != NULL;
             l = kith_list_next(&s->classes[class], l)) {
            const struct session *session = kith_container_of(l, struct session, by_class);
            if (expected_class(session) != (enum session_class) class) {
                return "a session is in another class";
            }
            listed++;
        }
    }
    return listed == n ? NULL : "the classes hold more or less than all sessions";
}

static const char *check_free_slots(const struct kith_sessions *s) {
    uint32_t n = 0;

    for (uint32_t i = s->first_free; i != 0 && n <= s->n_slots; i = s->slots[i - 1].next_free) {
        n++;
    }
    return n == s->n_slots - s->n ? NULL : "free slots are lost";
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
