/* SPDX-License-Identifier: MIT */
#include "sim/sniff.h"

#include "core/session/session_internal.h"

static void record(struct kith_sim_sniff *sniff, const struct kith_datagram *datagram,
                   const struct kith_endpoint *from) {
    uint8_t type = datagram->bytes[0];
    if (sniff->recorded != NULL && sniff->n_recorded < KITH_SIM_RECORDED_MAX &&
        (type == SESSION_TYPE_INITIATION || type == SESSION_TYPE_DATA ||
         type == SESSION_TYPE_WHO)) {
        struct kith_sim_recorded *recorded = &sniff->recorded[sniff->n_recorded++];
        recorded->from = *from;
        recorded->to = datagram->to;
        recorded->bytes.size = datagram->size;
        memcpy(recorded->bytes.bytes, datagram->bytes, datagram->size);
    }
}

static bool on_send(void *context, struct kith_sim_host *host, const struct kith_datagram *datagram,
                    struct kith_endpoint *from) {
    struct kith_sim_sniff *sniff = context;
    (void)host;
    record(sniff, datagram, from);
    if (kith_endpoint_equal(&datagram->to, &sniff->victim)) {
        sniff->bytes_out += datagram->size;
        sniff->n_out++;
    } else if (kith_endpoint_equal(&datagram->to, &sniff->attacker)) {
        sniff->got.size = datagram->size;
        memcpy(sniff->got.bytes, datagram->bytes, datagram->size);
    }
    return true;
}

void kith_sim_sniff_init(struct kith_sim_sniff *sniff, struct kith_sim_world *world) {
    *sniff = (struct kith_sim_sniff){.world = world};
    kith_sim_network_new_address(&world->network, 4, &sniff->victim);
    kith_sim_network_new_address(&world->network, 4, &sniff->attacker);
    world->hooks.may_send = on_send;
    world->hooks.context = sniff;
}

void kith_sim_sniff_send_as_victim(struct kith_sim_sniff *sniff,
                                   const struct kith_sim_bytes *datagram,
                                   struct kith_sim_host *to) {
    sniff->bytes_in += datagram->size;
    sniff->n_in++;
    kith_sim_forge_send(sniff->world, datagram, &sniff->victim, &sniff->attacker, to);
}

bool kith_sim_sniff_open_session(struct kith_sim_sniff *sniff, struct kith_sim_forged *forged,
                                 const struct kith_endpoint *at, struct kith_sim_host *to) {
    sniff->attacker = *at;
    sniff->got.size = 0;
    kith_sim_forge_key(forged, sniff->world, NULL);
    kith_sim_forge_initiation(forged, &to->key, kith_span(NULL, 0), 0);
    kith_sim_forge_send(sniff->world, &forged->datagram, at, at, to);
    if (!kith_sim_forge_answered(forged, kith_span(sniff->got.bytes, sniff->got.size))) {
        return false;
    }
    kith_sim_forge_data(forged, kith_span(NULL, 0));
    kith_sim_forge_send(sniff->world, &forged->datagram, at, at, to);
    return true;
}

void kith_sim_sniff_expect_no_more(struct kith_sim_run *run, const struct kith_sim_sniff *sniff) {
    kith_sim_expect(run, sniff->n_out <= sniff->n_in && sniff->bytes_out <= sniff->bytes_in,
                    "a victim got %llu datagrams and %llu bytes for %llu and %llu",
                    (unsigned long long)sniff->n_out, (unsigned long long)sniff->bytes_out,
                    (unsigned long long)sniff->n_in, (unsigned long long)sniff->bytes_in);
}

void kith_sim_run_s(struct kith_sim_world *world, uint32_t seconds) {
    kith_sim_world_run_until(world, world->now + seconds * KITH_NS_PER_S);
}
