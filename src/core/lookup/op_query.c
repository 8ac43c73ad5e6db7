/* SPDX-License-Identifier: MIT */
/* op_query: what a query may say, and in which swarms it is asked. */
#include "core/lookup/op.h"

/* Where a query of this kind can be asked. */
static uint32_t possible_swarms(enum kith_query_kind kind) {
    switch (kind) {
    case KITH_QUERY_LOOKUP:
    case KITH_QUERY_GET:
    case KITH_QUERY_WATCH:
    case KITH_QUERY_PUT:
    case KITH_QUERY_TRACE:
    case KITH_QUERY_PING:
        return KITH_SWARM_KITH | KITH_SWARM_MAINLINE;
    case KITH_QUERY_PEERS:
    case KITH_QUERY_ANNOUNCE_PEER:
    case KITH_QUERY_SAMPLE:
        return KITH_SWARM_MAINLINE;
    case KITH_QUERY_ANNOUNCE:
    case KITH_QUERY_UNANNOUNCE:
    case KITH_QUERY_FIND:
    case KITH_QUERY_TALK:
        break;
    }
    return KITH_SWARM_KITH;
}

/* Where it is asked when it does not say. */
static uint32_t default_swarms(enum kith_query_kind kind, bool is_private) {
    bool everywhere =
        kind == KITH_QUERY_LOOKUP || kind == KITH_QUERY_GET || kind == KITH_QUERY_WATCH;
    uint32_t possible = possible_swarms(kind);
    return possible == KITH_SWARM_MAINLINE || (everywhere && !is_private) ? possible
                                                                          : KITH_SWARM_KITH;
}

uint32_t kith_query_swarms(const struct kith_query *query, bool is_private) {
    uint32_t swarms = query->swarms != 0 ? query->swarms : default_swarms(query->kind, is_private);
    bool by_point = (query->flags & KITH_FLAG_HAS_POINT) != 0;
    return by_point && swarms != KITH_SWARM_MAINLINE ? KITH_SWARM_KITH : swarms;
}

int kith_query_check(const struct kith_query *q) {
    bool only_mainline = q->swarms == KITH_SWARM_MAINLINE;
    bool has_peer = q->contact.endpoint.family != 0 || (q->flags & KITH_FLAG_HAS_KEY) != 0;
    if (q->salt_size > KITH_SALT_MAX ||
        (q->protocol != NULL && strlen(q->protocol) > KITH_PROTOCOL_NAME_MAX)) {
        return KITH_ETOO_LARGE;
    }
    if ((q->value == NULL && q->value_size > 0) || (q->swarms & ~possible_swarms(q->kind)) != 0) {
        return KITH_EINVALID;
    }
    switch (q->kind) {
    case KITH_QUERY_LOOKUP:
    case KITH_QUERY_WATCH:
        return (q->flags & KITH_FLAG_HAS_KEY) != 0 ? 0 : KITH_EINVALID;
    case KITH_QUERY_GET:
    case KITH_QUERY_TRACE:
        return (q->flags & (KITH_FLAG_HAS_KEY | KITH_FLAG_HAS_POINT)) != 0 ? 0 : KITH_EINVALID;
    case KITH_QUERY_ANNOUNCE:
    case KITH_QUERY_UNANNOUNCE:
    case KITH_QUERY_FIND:
        return (q->flags & KITH_FLAG_HAS_POINT) != 0 ? 0 : KITH_EINVALID;
    case KITH_QUERY_PUT:
        if ((q->flags & KITH_FLAG_HAS_RECORD) != 0) {
            return q->record != NULL ? 0 : KITH_EINVALID;
        }
        if (q->value == NULL || ((q->flags & KITH_FLAG_HAS_SEQ) != 0 && q->seq < 0)) {
            return KITH_EINVALID;
        }
        return q->value_size > KITH_VALUE_MAX ? KITH_ETOO_LARGE : 0;
    case KITH_QUERY_PING:
        if (only_mainline && q->contact.endpoint.family == 0) {
            return KITH_EINVALID;
        }
        return has_peer && q->n <= KITH_PING_MAX ? 0 : KITH_EINVALID;
    case KITH_QUERY_PEERS:
    case KITH_QUERY_ANNOUNCE_PEER:
        return (q->flags & KITH_FLAG_HAS_POINT) != 0 ? 0 : KITH_EINVALID;
    case KITH_QUERY_SAMPLE:
        return 0;
    case KITH_QUERY_TALK:
        if (!has_peer || q->protocol == NULL || q->protocol[0] == '\0') {
            return KITH_EINVALID;
        }
        return q->value_size > KITH_TALK_MAX ? KITH_ETOO_LARGE : 0;
    }
    return KITH_EINVALID;
}
