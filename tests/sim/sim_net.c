/* SPDX-License-Identifier: MIT */
/*
 * Time is cut into slots; in each, a hash decides which hosts and links are in trouble. A partition
 * lasts several slots and puts every host on one of two sides. Directed links have fixed
 * properties: slow, dead, or with a small MTU one way.
 */
#include "sim/sim_net.h"

#include <stdlib.h>
#include <string.h>

#include "sim/memory.h"
#include "util/timer.h"

enum {
    SLOT_S = 5,       /* spikes and clogs */
    PARTITION_S = 40, /* a partition, or a time without one */
    REORDER_MS = 400,
    SPIKE_MS = 3000,
    SLOW_MS = 800, /* more in the slow direction of a link */
    SPOOF_MS = 200,
    REPLAY_S = 60,
    SPOOF_OPENING = 8, /* times as many of what opens a conversation */
    MTU = 1200,        /* UDP payload */
    FLIPS_MAX = 4,     /* bits */
    JITTER_MS = 2,
    PLANE_MS = 120, /* one way across the plane, in each of two dimensions */
    ACCESS_MS = 15, /* to a host, at most */
    STREAM_NET = 0x7772,
    STREAM_SPIKE,
    STREAM_ASYMMETRY,
    STREAM_ONE_WAY,
    STREAM_CLOG,
    STREAM_PARTITION,
    STREAM_SIDE,
    STREAM_MTU,
    STREAM_PLACE,
    STREAM_STEER,
};

static uint64_t hash(const struct kith_sim_net *net, uint64_t stream, uint64_t a, uint64_t b) {
    return kith_sim_mix(net->seed ^ stream, a, b);
}

/* Whether the share `ppm` of all (a, b) includes this one. */
static bool hit(const struct kith_sim_net *net, uint64_t stream, uint64_t a, uint64_t b,
                uint32_t ppm) {
    return ppm != 0 && hash(net, stream, a, b) % KITH_SIM_PPM < ppm;
}

static uint64_t link_of(const struct kith_sim_flight *flight) {
    return (uint64_t)flight->from_host << 32 | flight->to_host;
}

/* ---- latency ---- */

static uint64_t place(const struct kith_sim_net *net, uint32_t host, uint64_t axis, uint64_t size) {
    return hash(net, STREAM_PLACE, host, axis) % (size + 1);
}

static uint64_t apart(uint64_t a, uint64_t b) {
    return a > b ? a - b : b - a;
}

/* Manhattan distance on the plane and the way to each of the two. */
static uint64_t by_coordinates(const struct kith_sim_net *net, uint32_t a, uint32_t b) {
    uint64_t plane = PLANE_MS * KITH_NS_PER_MS / 2;
    uint64_t access = ACCESS_MS * KITH_NS_PER_MS;
    return apart(place(net, a, 0, plane), place(net, b, 0, plane)) +
           apart(place(net, a, 1, plane), place(net, b, 1, plane)) + place(net, a, 2, access) +
           place(net, b, 2, access);
}

static uint64_t latency(struct kith_sim_net *net, const struct kith_sim_flight *flight) {
    uint64_t base =
        net->coordinates && flight->from_host != flight->to_host
            ? by_coordinates(net, flight->from_host, flight->to_host)
            : kith_sim_network_rtt(net->network, flight->from_host, flight->to_host) / 2;
    return base + kith_sim_random_below(&net->random, JITTER_MS * KITH_NS_PER_MS + 1);
}

static uint64_t up_to_ms(struct kith_sim_net *net, uint64_t ms) {
    return kith_sim_random_below(&net->random, ms * KITH_NS_PER_MS + 1);
}

/* When it arrives. */
static uint64_t arrival(struct kith_sim_net *net, const struct kith_sim_flight *flight,
                        uint64_t now) {
    const struct kith_sim_fault_rates *rates = net->rates;
    uint64_t at = now + latency(net, flight);
    uint64_t slot = now / (SLOT_S * KITH_NS_PER_S);
    if (!net->on) {
        return at;
    }
    if (kith_sim_random_chance(&net->random, rates->reorder)) {
        net->counts->reorder++;
        at += up_to_ms(net, REORDER_MS);
    }
    if (hit(net, STREAM_SPIKE, flight->to_host, slot, rates->spike)) {
        net->counts->spike++;
        at += up_to_ms(net, SPIKE_MS);
    }
    if (hit(net, STREAM_ASYMMETRY, link_of(flight), 0, rates->asymmetry)) {
        net->counts->asymmetry++;
        at += SLOW_MS * KITH_NS_PER_MS;
    }
    if (hit(net, STREAM_CLOG, link_of(flight), slot, rates->clog)) {
        net->counts->clog++;
        uint64_t opens = (slot + 1) * SLOT_S * KITH_NS_PER_S;
        at = at > opens ? at : opens;
    }
    return at;
}

/* ---- loss ---- */

static bool is_parted(const struct kith_sim_net *net, const struct kith_sim_flight *flight,
                      uint64_t now) {
    uint64_t slot = now / (PARTITION_S * KITH_NS_PER_S);
    return hit(net, STREAM_PARTITION, slot, 0, net->rates->partition) &&
           ((hash(net, STREAM_SIDE, flight->from_host, slot) ^
             hash(net, STREAM_SIDE, flight->to_host, slot)) &
            1) != 0;
}

static bool is_lost(struct kith_sim_net *net, const struct kith_sim_flight *flight, uint64_t now) {
    const struct kith_sim_fault_rates *rates = net->rates;
    struct kith_sim_fault_counts *counts = net->counts;
    bool lost = kith_sim_random_chance(&net->random, rates->loss);
    bool one_way = hit(net, STREAM_ONE_WAY, link_of(flight), 0, rates->one_way);
    bool parted = is_parted(net, flight, now);
    bool too_large = flight->size > MTU && hit(net, STREAM_MTU, link_of(flight), 0, rates->mtu);
    counts->loss += lost;
    counts->one_way += one_way;
    counts->partition += parted;
    counts->mtu += too_large;
    return lost || one_way || parted || too_large;
}

/* ---- damage ---- */

/* Turns bits or cuts off the end, in `buffer`. */
static void damage(struct kith_sim_net *net, struct kith_sim_flight *flight, uint8_t *buffer) {
    if (kith_sim_random_chance(&net->random, net->rates->flip)) {
        memcpy(buffer, flight->bytes, flight->size);
        flight->bytes = buffer;
        uint64_t n = 1 + kith_sim_random_below(&net->random, FLIPS_MAX);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t bit = kith_sim_random_below(&net->random, flight->size * 8);
            buffer[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
        net->counts->flip++;
    }
    if (kith_sim_random_chance(&net->random, net->rates->truncate)) {
        flight->size = (size_t)kith_sim_random_below(&net->random, flight->size);
        net->counts->truncate++;
    }
}

/* What somebody on the path sends on in a victim's name. Mainline, in the clear and without proofs
 * of address, has a budget for such answers instead of a limit. */
static void spoof(struct kith_sim_net *net, const struct kith_sim_flight *flight, uint64_t now) {
    bool opens = flight->bytes[0] == 1 || flight->bytes[0] == 5; /* what strangers answer */
    uint32_t ppm = opens ? SPOOF_OPENING * net->rates->spoof : net->rates->spoof;
    if (flight->bytes[0] == 'd' || !kith_sim_random_chance(&net->random, ppm)) {
        return;
    }
    struct kith_sim_flight copy = *flight;
    if (flight->bytes[0] == 5 && kith_sim_random_chance(&net->random, KITH_SIM_PPM / 2)) {
        copy.size = 1 + (size_t)kith_sim_random_below(&net->random, flight->size);
    }
    uint64_t victim = kith_sim_random_below(&net->random, KITH_SIM_VICTIMS);
    copy.from = net->victims[victim];
    net->counts->spoof++;
    kith_sim_network_arrive(net->network, &copy, now + up_to_ms(net, SPOOF_MS));
}

/* What somebody on the path keeps and sends again later, from where it came or in a victim's name.
 */
static void replay(struct kith_sim_net *net, const struct kith_sim_flight *flight, uint64_t now) {
    struct kith_sim_flight copy = *flight;
    if (flight->bytes[0] == 'd' || !kith_sim_random_chance(&net->random, net->rates->replay)) {
        return;
    }
    uint64_t which = kith_sim_random_below(&net->random, 2 * KITH_SIM_VICTIMS);
    copy.from = which < KITH_SIM_VICTIMS ? net->victims[which] : flight->from;
    net->counts->replay++;
    kith_sim_network_arrive(net->network, &copy,
                            now + kith_sim_random_below(&net->random, REPLAY_S * KITH_NS_PER_S));
}

/* For a while all that passes here comes in the name of a victim: whoever believes that the other
 * side has moved there writes to the victim from then on. */
static void steer(struct kith_sim_net *net, struct kith_sim_flight *flight, uint64_t now) {
    uint64_t slot = now / (SLOT_S * KITH_NS_PER_S);
    if (flight->bytes[0] != 'd' &&
        hit(net, STREAM_STEER, link_of(flight), slot, net->rates->steer)) {
        flight->from = net->victims[hash(net, STREAM_STEER, slot, 0) % KITH_SIM_VICTIMS];
        net->counts->steer++;
    }
}

static void carry(void *context, const struct kith_sim_flight *flight, uint64_t now) {
    struct kith_sim_net *net = context;
    uint8_t buffer[KITH_WIRE_MAX];
    struct kith_sim_flight damaged = *flight;
    if (!net->on) {
        kith_sim_network_arrive(net->network, flight, arrival(net, flight, now));
        return;
    }
    spoof(net, flight, now);
    replay(net, flight, now);
    if (is_lost(net, flight, now)) {
        net->network->stats.lost++;
        return;
    }
    if (kith_sim_random_chance(&net->random, net->rates->duplicate)) {
        net->counts->duplicate++;
        kith_sim_network_arrive(net->network, flight, arrival(net, flight, now));
    }
    steer(net, &damaged, now);
    damage(net, &damaged, buffer);
    kith_sim_network_arrive(net->network, &damaged, arrival(net, flight, now));
}

/* ---- the victims' accounts ---- */

static struct kith_sim_net_account *account_of(struct kith_sim_net *net, uint32_t host,
                                               const struct kith_endpoint *endpoint) {
    unsigned victim = 0;
    while (victim < KITH_SIM_VICTIMS &&
           memcmp(net->victims[victim].ip, endpoint->ip, sizeof(endpoint->ip)) != 0) {
        victim++;
    }
    if (victim == KITH_SIM_VICTIMS) {
        return NULL;
    }
    if (host >= net->n_accounts) {
        uint32_t n = 2 * host + 16;
        net->accounts = kith_sim_resize(net->accounts, n * sizeof(*net->accounts));
        memset(net->accounts + net->n_accounts, 0, (n - net->n_accounts) * sizeof(*net->accounts));
        net->n_accounts = n;
    }
    return &net->accounts[host][victim];
}

void kith_sim_net_heard(struct kith_sim_net *net, uint32_t host,
                        const struct kith_sim_packet *packet) {
    struct kith_sim_net_account *account = account_of(net, host, &packet->from);
    if (account != NULL) {
        account->bytes_in += packet->size;
        account->n_in++;
    }
}

bool kith_sim_net_sent(struct kith_sim_net *net, uint32_t host, const struct kith_endpoint *to,
                       size_t size) {
    struct kith_sim_net_account *account = account_of(net, host, to);
    if (account == NULL) {
        return true;
    }
    account->bytes_out += size;
    account->n_out++;
    return account->bytes_out <= account->bytes_in && account->n_out <= account->n_in;
}

/* ---- the whole ---- */

void kith_sim_net_init(struct kith_sim_net *net, uint64_t seed, struct kith_sim_network *network,
                       const struct kith_sim_fault_rates *rates,
                       struct kith_sim_fault_counts *counts) {
    *net = (struct kith_sim_net){
        .seed = seed, .network = network, .rates = rates, .counts = counts, .on = true};
    kith_sim_random_seed(&net->random, kith_sim_mix(seed, STREAM_NET, 0));
    net->coordinates = kith_sim_random_chance(&net->random, KITH_SIM_PPM / 2);
    for (unsigned i = 0; i < KITH_SIM_VICTIMS; i++) {
        kith_sim_network_new_address(network, 4, &net->victims[i]);
    }
    network->carry = carry;
    network->carry_context = net;
}

void kith_sim_net_deinit(struct kith_sim_net *net) {
    net->network->carry = NULL;
    free(net->accounts);
    *net = (struct kith_sim_net){0};
}
