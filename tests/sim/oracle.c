/* SPDX-License-Identifier: MIT */
/*
 * oracle: brute force. Insertion into a sorted array of n while walking over all hosts: most hosts
 * lose against the last of the array at the first byte, so this is about one comparison per host.
 */
#include "sim/oracle.h"

#include <string.h>

/* Deliberately not kith_point_compare(): an oracle that shares the metric would share its bugs. */
bool kith_sim_oracle_nearer(const struct kith_point *target, const struct kith_point *a,
                            const struct kith_point *b) {
    for (unsigned i = 0; i < sizeof(target->bytes); i++) {
        uint8_t distance_a = a->bytes[i] ^ target->bytes[i];
        uint8_t distance_b = b->bytes[i] ^ target->bytes[i];
        if (distance_a != distance_b) {
            return distance_a < distance_b;
        }
    }
    return false;
}

uint32_t kith_sim_oracle_closest(const struct kith_sim_world *world,
                                 const struct kith_point *target,
                                 const struct kith_sim_host *except, uint32_t n,
                                 const struct kith_sim_host **out) {
    uint32_t n_out = 0;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        const struct kith_sim_host *host = world->hosts[i];
        if (host->core == NULL || host->client || host == except ||
            (n_out == n && !kith_sim_oracle_nearer(target, &host->id, &out[n - 1]->id))) {
            continue;
        }
        uint32_t at = n_out < n ? n_out++ : n - 1;
        while (at > 0 && kith_sim_oracle_nearer(target, &host->id, &out[at - 1]->id)) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = host;
    }
    return n_out;
}

uint32_t kith_sim_oracle_hits(const struct kith_sim_host *const *hosts, uint32_t n,
                              const struct kith_key *keys, uint32_t n_keys) {
    uint32_t hits = 0;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < n_keys; j++) {
            if (memcmp(hosts[i]->key.bytes, keys[j].bytes, sizeof(keys[j].bytes)) == 0) {
                hits++;
                break;
            }
        }
    }
    return hits;
}
