/* SPDX-License-Identifier: MIT */
/*
 * control_results: results of ops as maps of named fields. The names are those of the command
 * line's JSON, in docs/control.md; this file and that table change together.
 */
#include <string.h>
#include <time.h>

#include "shell/control_internal.h"

static void put_walk(struct kith_out *out, const struct kith_walk_stats *walk) {
    if (walk->first_ns > 0) {
        kith_out_ms(out, "first_ms", walk->first_ns);
    } else {
        kith_out_nil(out, "first_ms");
    }
    kith_out_ms(out, "total_ms", walk->total_ns);
    kith_out_uint(out, "messages", walk->messages);
    kith_out_uint(out, "answered", walk->answered);
    kith_out_uint(out, "timeouts", walk->timeouts);
    kith_out_uint(out, "hops", walk->hops);
}

static void put_sources(struct kith_out *out, uint32_t sources) {
    static const struct {
        uint32_t source;
        const char *name;
    } table[] = {
        {KITH_SOURCE_LAN, "lan"},
        {KITH_SOURCE_BOOK, "book"},
        /* What this node holds for others came from the swarm, too. */
        {KITH_SOURCE_KITH | KITH_SOURCE_STORE, "kith"},
        {KITH_SOURCE_MAINLINE, "mainline"},
    };
    struct kith_out_level level = kith_out_array(out, "sources");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if ((sources & table[i].source) != 0) {
            kith_out_text(out, NULL, table[i].name);
        }
    }
    kith_out_end(out, level);
}

static bool in_kith(const struct kith_query *query) {
    return query->swarms != KITH_SWARM_MAINLINE;
}

static bool in_mainline(const struct kith_query *query) {
    return (query->swarms & KITH_SWARM_MAINLINE) != 0;
}

/* Where an answer came from, or where a record went. */
static void put_swarm(struct kith_out *out, bool kith, bool mainline) {
    kith_out_text(out, "swarm", !mainline ? "kith" : kith ? "both" : "mainline");
}

/* Where a record is in each id space; nil where it was not asked for. */
static void put_places(struct kith_out *out, const struct kith_query *query,
                       const struct kith_result *result) {
    bool by_point = (query->flags & KITH_FLAG_HAS_POINT) != 0;
    if (by_point && !in_kith(query)) {
        kith_out_nil(out, "point"); /* a target does not tell it */
    } else {
        kith_out_point(out, "point", by_point ? &query->point : &result->point);
    }
    if (in_mainline(query) || (result->sources & KITH_SOURCE_MAINLINE) != 0) {
        kith_out_target(out, "target", by_point ? &query->point : &result->target);
    } else {
        kith_out_nil(out, "target");
    }
}

static void put_capabilities(struct kith_out *out, const struct kith_peer *peer) {
    if (peer != NULL && peer->capabilities_size > 0) {
        kith_out_raw(out, "capabilities", peer->capabilities, peer->capabilities_size);
    } else {
        kith_out_end(out, kith_out_map(out, "capabilities"));
    }
}

/* Sequence numbers of peer records are Unix microseconds: their age needs the wall clock. */
static void put_age(struct kith_out *out, int64_t seq) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    double age_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)seq / 1e6;
    kith_out_float(out, "age_s", age_s > 0 ? age_s : 0);
}

static void end_lookup(struct kith_out *out, const struct kith_control_request *request,
                       const struct kith_result *result, const char *network) {
    const struct kith_peer *peer = result->peer;
    bool found = result->status == 0;
    kith_out_key(out, "key", &request->query.key);
    kith_out_bool(out, "found", found);
    kith_out_text(out, "network", network);
    put_sources(out, result->sources);
    if (found && peer != NULL && peer->seq != 0) {
        kith_out_int(out, "seq", peer->seq);
        kith_out_endpoints(out, "endpoints", peer->endpoints, peer->n_endpoints);
        put_capabilities(out, peer);
        put_age(out, peer->seq);
    } else if (found) { /* reached directly, without a peer record */
        kith_out_nil(out, "seq");
        kith_out_endpoints(out, "endpoints", &result->contact.endpoint,
                           result->contact.endpoint.family != 0);
        put_capabilities(out, NULL);
        kith_out_nil(out, "age_s");
    }
    put_walk(out, &result->walk);
}

static void put_record(struct kith_out *out, const struct kith_record *record) {
    if (record->is_mutable) {
        kith_out_key(out, "key", &record->key);
        kith_out_bin(out, "salt", record->salt, record->salt_size);
        kith_out_int(out, "seq", record->seq);
    } else {
        kith_out_nil(out, "key");
        kith_out_bin(out, "salt", NULL, 0);
        kith_out_nil(out, "seq");
    }
    kith_out_bin(out, "value", record->value, record->value_size);
    if (record->is_mutable) {
        kith_out_bin(out, "sig", record->signature, sizeof(record->signature));
    } else {
        kith_out_nil(out, "sig");
    }
}

static void end_get(struct kith_out *out, const struct kith_control_request *request,
                    const struct kith_result *result) {
    const struct kith_query *query = &request->query;
    bool found = result->status == 0 && result->record != NULL;
    kith_out_bool(out, "found", found);
    put_places(out, query, result);
    if (found) {
        put_record(out, result->record);
        put_swarm(out, (result->sources & ~(uint32_t)KITH_SOURCE_MAINLINE) != 0,
                  (result->sources & KITH_SOURCE_MAINLINE) != 0);
    } else if ((query->flags & KITH_FLAG_HAS_KEY) != 0) {
        kith_out_key(out, "key", &query->key);
        kith_out_bin(out, "salt", query->salt, query->salt_size);
    }
    kith_out_uint(out, "holders", result->holders);
    put_sources(out, result->sources);
    put_walk(out, &result->walk);
}

static void put_acks(struct kith_out *out, const struct kith_result *result) {
    kith_out_uint(out, "acks", result->acks);
    kith_out_uint(out, "asked", result->asked);
    kith_out_uint(out, "quorum", result->quorum);
}

static void end_put(struct kith_out *out, const struct kith_control_request *request,
                    const struct kith_result *result, const struct kith_key *own_key) {
    const struct kith_query *query = &request->query;
    put_places(out, query, result);
    if ((query->flags & KITH_FLAG_IMMUTABLE) != 0) {
        kith_out_nil(out, "key");
        kith_out_bin(out, "salt", NULL, 0);
        kith_out_nil(out, "seq");
    } else {
        kith_out_key(out, "key", own_key);
        kith_out_bin(out, "salt", query->salt, query->salt_size);
        kith_out_int(out, "seq", result->seq);
    }
    put_acks(out, result);
    if (in_kith(query) && in_mainline(query)) {
        kith_out_uint(out, "mainline_acks", result->mainline_acks);
        kith_out_uint(out, "mainline_asked", result->mainline_asked);
        kith_out_uint(out, "mainline_quorum", result->mainline_quorum);
    }
    put_swarm(out, in_kith(query), in_mainline(query));
    put_walk(out, &result->walk);
}

static void end_ping(struct kith_out *out, const struct kith_control_request *request) {
    uint32_t n = request->pings_received;
    kith_out_text(out, "peer", request->peer);
    kith_out_uint(out, "sent", request->pings_sent);
    kith_out_uint(out, "received", n);
    if (n == 0) {
        kith_out_nil(out, "min_ms");
        kith_out_nil(out, "avg_ms");
        kith_out_nil(out, "max_ms");
        return;
    }
    kith_out_ms(out, "min_ms", request->rtt_min_ns);
    kith_out_ms(out, "avg_ms", request->rtt_sum_ns / n);
    kith_out_ms(out, "max_ms", request->rtt_max_ns);
}

static void end_talk(struct kith_out *out, const struct kith_control_request *request,
                     const struct kith_result *result) {
    kith_out_text(out, "peer", request->peer);
    kith_out_bin(out, "bytes", result->bytes, result->bytes_size);
    kith_out_ms(out, "rtt_ms", result->rtt_ns > 0 ? result->rtt_ns : result->walk.total_ns);
}

static void end_topic(struct kith_out *out, const struct kith_control_request *request,
                      const struct kith_result *result) {
    kith_out_point(out, "topic", &request->query.point);
    if (request->query.kind == KITH_QUERY_ANNOUNCE) {
        put_acks(out, result);
        put_walk(out, &result->walk);
    } else if (request->query.kind == KITH_QUERY_FIND) {
        kith_out_uint(out, "found", result->found);
        put_walk(out, &result->walk);
    }
}

/* A bloom filter nobody sent estimates nothing. */
static void put_estimate(struct kith_out *out, const char *name, double n) {
    if (n > 0) {
        kith_out_float(out, name, n);
    } else {
        kith_out_nil(out, name);
    }
}

static void end_torrent(struct kith_out *out, const struct kith_control_request *request,
                        const struct kith_result *result) {
    const struct kith_query *query = &request->query;
    bool is_sample = query->kind == KITH_QUERY_SAMPLE;
    kith_out_target(out, is_sample ? "target" : "infohash",
                    is_sample ? &result->target : &query->point);
    if (query->kind == KITH_QUERY_ANNOUNCE_PEER) {
        put_acks(out, result);
    } else {
        kith_out_uint(out, "found", result->found);
    }
    if (query->kind == KITH_QUERY_PEERS) {
        put_estimate(out, "seeds", result->scrape_seeds);
        put_estimate(out, "downloaders", result->scrape_peers);
    }
    put_walk(out, &result->walk);
}

void kith_control_encode_end(struct kith_out *out, const struct kith_node *node,
                             const struct kith_control_request *request,
                             const struct kith_result *result) {
    struct kith_status status;
    kith_node_status(node, &status);
    switch (request->query.kind) {
    case KITH_QUERY_LOOKUP:
        end_lookup(out, request, result, status.network);
        break;
    case KITH_QUERY_GET:
        end_get(out, request, result);
        break;
    case KITH_QUERY_PUT:
        end_put(out, request, result, &status.key);
        break;
    case KITH_QUERY_ANNOUNCE:
    case KITH_QUERY_UNANNOUNCE:
    case KITH_QUERY_FIND:
        end_topic(out, request, result);
        break;
    case KITH_QUERY_PING:
        end_ping(out, request);
        break;
    case KITH_QUERY_TRACE:
        if (in_kith(&request->query)) {
            kith_out_point(out, "target", &result->point);
        } else {
            kith_out_target(out, "target", &result->target);
        }
        put_walk(out, &result->walk);
        break;
    case KITH_QUERY_WATCH:
        kith_out_key(out, "key", &request->query.key);
        break;
    case KITH_QUERY_TALK:
        end_talk(out, request, result);
        break;
    case KITH_QUERY_PEERS:
    case KITH_QUERY_ANNOUNCE_PEER:
    case KITH_QUERY_SAMPLE:
        end_torrent(out, request, result);
        break;
    }
}

const char *kith_control_event_name(const struct kith_control_request *request,
                                    const struct kith_result *result) {
    enum kith_query_kind kind = request->query.kind;
    switch (result->kind) {
    case KITH_RESULT_PROGRESS:
        return "progress";
    case KITH_RESULT_HOP:
        return result->hop != NULL ? "hop" : NULL;
    case KITH_RESULT_RECORD:
        if (kind == KITH_QUERY_FIND) {
            return result->peer != NULL ? "record" : NULL;
        }
        return (kind == KITH_QUERY_GET || kind == KITH_QUERY_WATCH) && result->record != NULL
                   ? "record"
                   : NULL;
    case KITH_RESULT_PEER:
        return "peer";
    case KITH_RESULT_SAMPLE:
        return "sample";
    case KITH_RESULT_PONG:
        return "pong";
    case KITH_RESULT_DONE:
        return NULL;
    }
    return NULL;
}

static void event_progress(struct kith_out *out, const struct kith_walk_stats *walk) {
    kith_out_uint(out, "candidates", walk->candidates);
    kith_out_uint(out, "messages", walk->messages);
    kith_out_uint(out, "answered", walk->answered);
    kith_out_uint(out, "timeouts", walk->timeouts);
    kith_out_uint(out, "in_flight", walk->in_flight);
    kith_out_uint(out, "hops", walk->hops);
    kith_out_uint(out, "distance_bits", walk->distance_bits);
    kith_out_ms(out, "total_ms", walk->total_ns);
}

static const char *outcome_name(enum kith_hop_outcome outcome) {
    switch (outcome) {
    case KITH_HOP_ASKED:
        return "asked";
    case KITH_HOP_ANSWERED:
        return "answered";
    case KITH_HOP_SLOW:
        return "slow";
    case KITH_HOP_FAILED:
        return "failed";
    }
    return "unknown";
}

static void put_contact(struct kith_out *out, const struct kith_contact *contact) {
    if (contact->has_key) {
        kith_out_key(out, "key", &contact->key);
    } else {
        kith_out_nil(out, "key");
    }
    if (contact->endpoint.family != 0) {
        kith_out_endpoint(out, "endpoint", &contact->endpoint);
    } else {
        kith_out_nil(out, "endpoint");
    }
}

static void event_hop(struct kith_out *out, const struct kith_hop *hop) {
    kith_out_text(out, "outcome", outcome_name(hop->outcome));
    put_contact(out, &hop->contact);
    kith_out_uint(out, "distance_bits", hop->distance_bits);
    kith_out_uint(out, "depth", hop->depth);
    kith_out_uint(out, "contacts", hop->n_contacts);
    kith_out_bool(out, "record", hop->has_record);
    kith_out_ms(out, "rtt_ms", hop->rtt_ns);
    kith_out_ms(out, "at_ms", hop->at_ns);
}

static void event_record(struct kith_out *out, const struct kith_control_request *request,
                         const struct kith_result *result) {
    if (request->query.kind == KITH_QUERY_FIND) {
        kith_out_key(out, "key", &result->peer->key);
        kith_out_int(out, "seq", result->peer->seq);
        kith_out_endpoints(out, "endpoints", result->peer->endpoints, result->peer->n_endpoints);
        put_capabilities(out, result->peer);
        return;
    }
    kith_out_bool(out, "found", true);
    put_places(out, &request->query, result);
    put_record(out, result->record);
}

static void event_sample(struct kith_out *out, const struct kith_result *result) {
    struct kith_point infohash = {0};
    kith_out_endpoint(out, "endpoint", &result->contact.endpoint);
    kith_out_uint(out, "num", result->found);
    struct kith_out_level level = kith_out_array(out, "infohashes");
    for (size_t at = 0; at + KITH_MAINLINE_ID_SIZE <= result->bytes_size;
         at += KITH_MAINLINE_ID_SIZE) {
        memcpy(infohash.bytes, result->bytes + at, KITH_MAINLINE_ID_SIZE);
        kith_out_target(out, NULL, &infohash);
    }
    kith_out_end(out, level);
}

static void event_pong(struct kith_out *out, const struct kith_result *result) {
    kith_out_uint(out, "index", result->index);
    if (result->status == 0) {
        kith_out_ms(out, "rtt_ms", result->rtt_ns);
    } else {
        kith_out_nil(out, "rtt_ms");
    }
    put_contact(out, &result->contact);
}

void kith_control_encode_event(struct kith_out *out, const struct kith_control_request *request,
                               const struct kith_result *result) {
    switch (result->kind) {
    case KITH_RESULT_PROGRESS:
        event_progress(out, &result->walk);
        break;
    case KITH_RESULT_HOP:
        event_hop(out, result->hop);
        break;
    case KITH_RESULT_RECORD:
        event_record(out, request, result);
        break;
    case KITH_RESULT_PEER:
        kith_out_endpoint(out, "endpoint", &result->contact.endpoint);
        break;
    case KITH_RESULT_SAMPLE:
        event_sample(out, result);
        break;
    case KITH_RESULT_PONG:
        event_pong(out, result);
        break;
    case KITH_RESULT_DONE:
        break;
    }
}

const char *kith_control_news_name(enum kith_event_kind kind) {
    switch (kind) {
    case KITH_EVENT_READY:
        return "ready";
    case KITH_EVENT_LOST:
        return "lost";
    case KITH_EVENT_OBSERVED:
        return "observed";
    case KITH_EVENT_PEER_ADDED:
        return "peer_added";
    case KITH_EVENT_PEER_UPDATED:
        return "peer_updated";
    case KITH_EVENT_PEER_REMOVED:
        return "peer_removed";
    case KITH_EVENT_MAINLINE:
        return "mainline";
    }
    return "unknown";
}

void kith_control_encode_news(struct kith_out *out, const struct kith_event *event) {
    switch (event->kind) {
    case KITH_EVENT_READY:
        kith_out_uint(out, "contacts", event->n_contacts);
        kith_out_ms(out, "total_ms", event->elapsed_ns);
        break;
    case KITH_EVENT_LOST:
        break;
    case KITH_EVENT_MAINLINE:
        kith_out_uint(out, "contacts", event->n_contacts);
        break;
    case KITH_EVENT_OBSERVED:
        kith_out_endpoint(out, "endpoint", &event->endpoint);
        break;
    case KITH_EVENT_PEER_ADDED:
    case KITH_EVENT_PEER_UPDATED:
    case KITH_EVENT_PEER_REMOVED:
        put_contact(out, &event->contact);
        kith_out_uint(out, "lost", event->n_lost);
        break;
    }
}

bool kith_control_is_answer(enum kith_query_kind kind, int status) {
    bool may_miss = kind == KITH_QUERY_LOOKUP || kind == KITH_QUERY_GET ||
                    kind == KITH_QUERY_FIND || kind == KITH_QUERY_TRACE ||
                    kind == KITH_QUERY_PEERS || kind == KITH_QUERY_SAMPLE;
    return status == 0 || (status == KITH_ENOT_FOUND && may_miss);
}
