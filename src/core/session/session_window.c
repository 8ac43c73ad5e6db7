/* SPDX-License-Identifier: MIT */
/*
 * session_window: which counters of a session were received (RFC 6479's bitmap, in two sizes).
 *
 * A datagram is accepted once, and only if it is less than SESSION_WINDOW behind the newest. Most
 * sessions are short and in order: 64 bits inside the session do, with the rule that everything
 * older was seen. Only when a counter that is still missing would fall out of those
 * 64 bits is the full bitmap allocated. If that fails the missing datagrams count as seen: they
 * are lost, which UDP permits; accepting one twice is never possible.
 *
 * The full bitmap is a ring of 64-bit words, one more than the window needs, so that words are
 * cleared whole as the window moves on. The word of receive_next has its bits from receive_next on
 * clear. O(1), at most SESSION_WINDOW_WORDS words per datagram.
 */
#include <stdlib.h>
#include <string.h>

#include "core/session/session_internal.h"

enum { WORD_BITS = 64 };

static uint64_t *window_word(const struct session *session, uint64_t counter) {
    return &session->received.window[counter / WORD_BITS % SESSION_WINDOW_WORDS];
}

static uint64_t window_bit(uint64_t counter) {
    return UINT64_C(1) << counter % WORD_BITS;
}

bool session_window_fresh(const struct session *session, uint64_t counter) {
    if (counter >= session->receive_next) {
        return true;
    }
    uint64_t behind = session->receive_next - 1 - counter;
    if (!session->has_window) {
        return behind < WORD_BITS && (session->received.recent >> behind & 1) == 0;
    }
    return behind < SESSION_WINDOW && (*window_word(session, counter) & window_bit(counter)) == 0;
}

/* Would moving on by `shift` forget that a counter is missing? */
static bool loses_missing(const struct session *session, uint64_t shift) {
    if (shift > WORD_BITS) {
        return true;
    }
    return shift == WORD_BITS ? session->received.recent != UINT64_MAX
                              : ~session->received.recent >> (WORD_BITS - shift) != 0;
}

static void grow(struct session *session) {
    uint64_t next = session->receive_next;
    uint64_t recent = session->received.recent;
    uint64_t *window = malloc(SESSION_WINDOW_WORDS * sizeof(uint64_t));

    if (window == NULL) {
        return;
    }
    memset(window, 0xff, SESSION_WINDOW_WORDS * sizeof(uint64_t));
    session->received.window = window;
    session->has_window = true;
    for (uint64_t i = 0; i < WORD_BITS && i < next; i++) {
        if ((recent >> i & 1) == 0) {
            *window_word(session, next - 1 - i) &= ~window_bit(next - 1 - i);
        }
    }
    *window_word(session, next) &= window_bit(next) - 1;
}

void session_window_free(struct session *session) {
    if (session->has_window) {
        free(session->received.window);
        session->has_window = false;
    }
}

static void advance(struct session *session, uint64_t next) {
    uint64_t block = session->receive_next / WORD_BITS;
    uint64_t steps = next / WORD_BITS - block;

    for (uint64_t i = 1; i <= steps && i <= SESSION_WINDOW_WORDS; i++) {
        session->received.window[(block + i) % SESSION_WINDOW_WORDS] = 0;
    }
    session->receive_next = next;
}

static void mark_recent(struct session *session, uint64_t counter) {
    uint64_t next = session->receive_next;

    if (counter < next) {
        session->received.recent |= UINT64_C(1) << (next - 1 - counter);
        return;
    }
    uint64_t shift = counter + 1 - next;
    session->received.recent = shift >= WORD_BITS ? 0 : session->received.recent << shift;
    session->received.recent |= 1;
    session->receive_next = counter + 1;
}

void session_window_mark(struct session *session, uint64_t counter) {
    uint64_t next = session->receive_next;

    if (!session->has_window && counter >= next && loses_missing(session, counter + 1 - next)) {
        grow(session);
    }
    if (!session->has_window) {
        mark_recent(session, counter);
        return;
    }
    if (counter >= next) {
        advance(session, counter + 1);
    }
    *window_word(session, counter) |= window_bit(counter);
}
