/* SPDX-License-Identifier: MIT */
/* On stderr, where the failures are. */
#include "sim/show.h"

#include <stdio.h>

static const char *kind_name(enum kith_query_kind kind) {
    static const char *const names[] = {
        [KITH_QUERY_LOOKUP] = "lookup", [KITH_QUERY_GET] = "get",
        [KITH_QUERY_PUT] = "put",       [KITH_QUERY_ANNOUNCE] = "announcement",
        [KITH_QUERY_FIND] = "find",     [KITH_QUERY_PING] = "ping",
        [KITH_QUERY_TRACE] = "trace",
    };
    bool named = kind < sizeof(names) / sizeof(names[0]) && names[kind] != NULL;
    return named ? names[kind] : "operation";
}

static uint32_t host_of_key(const struct kith_sim_world *world, const struct kith_key *key) {
    uint32_t i = 0;
    while (i < world->n_hosts && !kith_key_equal(&world->hosts[i]->key, key)) {
        i++;
    }
    return i;
}

static double since(const struct kith_sim_world *world, const struct kith_sim_ask *ask) {
    return (double)(world->now - ask->asked_at) / 1e9;
}

void kith_sim_show_query(const struct kith_sim_world *world, const struct kith_sim_ask *ask,
                         const struct kith_query *query) {
    fprintf(stderr, "operation %llu: %s by host %u at %.3f s", (unsigned long long)ask->number,
            kind_name(query->kind), ask->host, (double)world->now / 1e9);
    if ((query->flags & KITH_FLAG_HAS_KEY) != 0) {
        fprintf(stderr, ", of host %u", host_of_key(world, &query->key));
    }
    if (query->salt_size > 0) {
        fprintf(stderr, ", salt \"%.*s\"", (int)query->salt_size, (const char *)query->salt);
    }
    if ((query->flags & KITH_FLAG_HAS_POINT) != 0) {
        fprintf(stderr, ", towards %02x%02x%02x%02x..", query->point.bytes[0],
                query->point.bytes[1], query->point.bytes[2], query->point.bytes[3]);
    }
    fputc('\n', stderr);
}

void kith_sim_show_refusal(int status) {
    fprintf(stderr, "  refused at once: %s\n", kith_strerror(status));
}

static void show_hop(const struct kith_sim_world *world, const struct kith_hop *hop) {
    const struct kith_contact *contact = &hop->contact;
    uint32_t host = contact->has_key ? host_of_key(world, &contact->key) : world->n_hosts;
    const uint8_t *ip = contact->endpoint.ip;
    fprintf(stderr, "host %u", host);
    fprintf(stderr, " (depth %u, %u bits away)", hop->depth, hop->distance_bits);
    switch (hop->outcome) {
    case KITH_HOP_ASKED:
        fprintf(stderr, " is asked");
        if (contact->endpoint.family == 4) {
            fprintf(stderr, " at %u.%u.%u.%u:%u", ip[0], ip[1], ip[2], ip[3],
                    contact->endpoint.port);
        }
        break;
    case KITH_HOP_ANSWERED:
        fprintf(stderr, " answered in %.0f ms: %u contacts%s", (double)hop->rtt_ns / 1e6,
                hop->n_contacts, hop->has_record ? " and a record" : "");
        break;
    case KITH_HOP_SLOW:
        fprintf(stderr, " is slow, asked again");
        break;
    case KITH_HOP_FAILED:
        fprintf(stderr, " is given up");
        break;
    }
    fputc('\n', stderr);
}

void kith_sim_show_result(const struct kith_sim_world *world, const struct kith_sim_ask *ask,
                          const struct kith_result *result) {
    if (result->kind == KITH_RESULT_PROGRESS) {
        return;
    }
    fprintf(stderr, "  +%7.3f s  ", since(world, ask));
    if (result->kind == KITH_RESULT_HOP && result->hop != NULL) {
        show_hop(world, result->hop);
        return;
    }
    if (result->record != NULL) {
        fprintf(stderr, "a record with seq %lld; ", (long long)result->record->seq);
    }
    if (result->peer != NULL) {
        fprintf(stderr, "peer record of host %u with seq %lld, %u endpoints; ",
                host_of_key(world, &result->peer->key), (long long)result->peer->seq,
                result->peer->n_endpoints);
    }
    if (result->kind == KITH_RESULT_DONE) {
        fprintf(stderr, "done: %s, %u messages, %u answered, %u acknowledged, seq %lld",
                kith_strerror(result->status), result->walk.messages, result->walk.answered,
                result->acks, (long long)result->seq);
    }
    fputc('\n', stderr);
}
