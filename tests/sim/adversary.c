/* SPDX-License-Identifier: MIT */
/*
 * adversary: what members answer.
 *
 * A core hands requests to swarm.on_request; a member's goes to the gang instead. The answer goes
 * out over the session that the question came over, so everything below it is the real thing:
 * handshakes, proofs of address, the amplification rule.
 */
#include "sim/adversary.h"

#include <stdlib.h>

#include "core/core_internal.h"
#include "sim/memory.h"

static struct kith_sim_gang *the_gang; /* see kith_sim_gang_init() */

void kith_sim_gang_init(struct kith_sim_gang *gang, struct kith_sim_world *world) {
    *gang = (struct kith_sim_gang){.world = world};
    the_gang = gang;
}

void kith_sim_gang_deinit(struct kith_sim_gang *gang) {
    free(gang->members);
    free(gang->is_member);
    *gang = (struct kith_sim_gang){0};
    the_gang = NULL;
}

bool kith_sim_gang_has(const struct kith_sim_gang *gang, const struct kith_sim_host *host) {
    return host->index < gang->n_known && gang->is_member[host->index];
}

struct kith_sim_host *kith_sim_gang_victim(const struct kith_sim_gang *gang) {
    struct kith_sim_host *host = kith_sim_world_pick(gang->world);
    while (kith_sim_gang_has(gang, host)) {
        host = kith_sim_world_pick(gang->world);
    }
    return host;
}

/* ---- answers ---- */

static bool nearer(const struct kith_point *target, const struct kith_sim_host *a,
                   const struct kith_sim_host *b) {
    return kith_point_compare(target, &a->id, &b->id) < 0;
}

/* The members nearest to the target but for who answers, nearest first. */
static void name_members(const struct kith_sim_gang *gang, const struct kith_core *self,
                         const struct kith_point *target, struct kith_response *response) {
    const struct kith_sim_host *best[KITH_MESSAGE_CONTACTS_MAX];
    uint32_t k = self->swarm.dialect->k;
    uint32_t n = 0;
    for (uint32_t i = 0; i < gang->n; i++) {
        const struct kith_sim_host *host = gang->members[i];
        if (host->core == self || host->core == NULL ||
            (n == k && !nearer(target, host, best[n - 1]))) {
            continue;
        }
        uint32_t at = n < k ? n++ : n - 1;
        while (at > 0 && nearer(target, host, best[at - 1])) {
            best[at] = best[at - 1];
            at--;
        }
        best[at] = host;
    }
    for (uint32_t i = 0; i < n; i++) {
        response->contacts[response->n_contacts++] = (struct kith_node_ref){
            .id = best[i]->id, .key = best[i]->key, .has_key = true, .endpoint = best[i]->v4};
    }
}

static void answer(struct kith_core *core, const struct kith_delivery *delivery,
                   const struct kith_message *message, const struct kith_response *response,
                   uint64_t now) {
    kith_swarm_answer(&core->swarm, delivery, &message->txn, response, NULL, now);
}

static bool is_write(enum kith_method method) {
    return method == KITH_METHOD_PUT || method == KITH_METHOD_ANNOUNCE;
}

static void collude(const struct kith_sim_gang *gang, struct kith_core *core,
                    const struct kith_delivery *delivery, const struct kith_message *message,
                    uint64_t now) {
    struct kith_response response;
    kith_response_init(&response);
    response.has_you = true;
    response.you = delivery->from;
    if (is_write(message->u.request.method)) {
        response.ttl_s = 3600; /* it keeps nothing */
    } else {
        name_members(gang, core, &message->u.request.target, &response);
    }
    answer(core, delivery, message, &response, now);
}

static void on_request(void *context, const struct kith_delivery *delivery,
                       const struct kith_message *message, uint64_t now) {
    struct kith_core *core = context;
    struct kith_sim_gang *gang = the_gang;
    enum kith_method method = message->u.request.method;
    gang->n_asked += gang->evil != KITH_SIM_HONEST;
    switch (gang->evil) {
    case KITH_SIM_HONEST:
    case KITH_SIM_LATE:
        gang->serve(context, delivery, message, now);
        break;
    case KITH_SIM_SILENT:
        break;
    case KITH_SIM_COLLUDE:
        collude(gang, core, delivery, message, now);
        break;
    case KITH_SIM_CENSOR:
        if (is_write(method)) {
            collude(gang, core, delivery, message, now);
        } else {
            gang->serve(context, delivery, message, now);
        }
        break;
    case KITH_SIM_OTHER:
        if (!gang->answer(gang, core, delivery, message, now)) {
            gang->serve(context, delivery, message, now);
        }
        break;
    }
}

static void carry_slowly(void *context, const struct kith_sim_flight *flight, uint64_t now) {
    enum { RESPONSE = 2, DATA = 4 };
    struct kith_sim_gang *gang = context;
    struct kith_sim_network *network = &gang->world->network;
    uint64_t at = now + kith_sim_network_rtt(network, flight->from_host, flight->to_host) / 2;
    if (kith_sim_gang_has(gang, gang->world->hosts[flight->from_host]) &&
        (flight->bytes[0] == RESPONSE || flight->bytes[0] == DATA)) {
        gang->n_slowed++;
        at += gang->slow_ns;
    }
    kith_sim_network_arrive(network, flight, at);
}

void kith_sim_gang_slow(struct kith_sim_gang *gang, uint64_t slow_ns) {
    gang->slow_ns = slow_ns;
    gang->world->network.carry = carry_slowly;
    gang->world->network.carry_context = gang;
}

void kith_sim_gang_recruit(struct kith_sim_gang *gang, struct kith_sim_host *host) {
    gang->members = kith_sim_resize(gang->members, (gang->n + 1) * sizeof(gang->members[0]));
    gang->members[gang->n++] = host;
    if (host->index >= gang->n_known) {
        gang->is_member = kith_sim_resize(gang->is_member, host->index + 1);
        memset(gang->is_member + gang->n_known, 0, host->index + 1 - gang->n_known);
        gang->n_known = host->index + 1;
    }
    gang->is_member[host->index] = true;
    gang->serve = host->core->swarm.on_request; /* the same for all */
    host->core->swarm.on_request = on_request;
}

/* ---- grinding ---- */

void kith_sim_grind(struct kith_sim_world *world, const struct kith_point *point, unsigned bits,
                    uint32_t n, uint8_t (*ret_seeds)[KITH_SEED_SIZE]) {
    uint8_t seed[KITH_SEED_SIZE];
    uint8_t secret[64];
    kith_sim_random_fill(&world->random, seed, sizeof(seed));
    for (uint32_t found = 0; found < n;) {
        struct kith_key key;
        struct kith_point id;
        for (unsigned i = 0; i < sizeof(seed) && ++seed[i] == 0; i++) {
        }
        world->config.curve->sign_keypair(key.bytes, secret, seed);
        kith_point_of_node(&key, &id);
        if (kith_point_common_bits(point, &id) >= bits) {
            memcpy(ret_seeds[found++], seed, sizeof(seed));
        }
    }
}
