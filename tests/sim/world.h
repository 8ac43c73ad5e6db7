/* SPDX-License-Identifier: MIT */
/*
 * world: many unmodified cores in one process and in virtual time. A host is a core with addresses
 * and a deadline; the world carries datagrams between hosts, wakes them, takes their events, and
 * keeps what was asked of them (struct kith_sim_ask) until the scenario has read the answers.
 *
 * Time is integer nanoseconds and starts at KITH_SIM_START. One seed decides everything.
 */
#ifndef KITH_SIM_WORLD_H
#define KITH_SIM_WORLD_H

#include "core/base/id.h"
#include "core/core.h"
#include "sim/amplify.h"
#include "sim/network.h"
#include "sim/trace.h"
#include "util/timer.h"

#define KITH_SIM_START KITH_NS_PER_S                /* not 0, which fields may use for "never" */
#define KITH_SIM_WALL_US UINT64_C(1750000000000000) /* Unix time at virtual time 0 */
#define KITH_SIM_NETWORK_NAME "sim"

struct kith_sim_world;
struct kith_sim_host;

/* What stands between a host and the rest: its system, its disk, its NAT. Members may be NULL. */
struct kith_sim_hooks {
    /* A core is about to be made for the host. */
    void (*configure)(void *context, struct kith_sim_host *host, struct kith_core_config *config);
    /* Around every call into its core. */
    void (*enter)(void *context, struct kith_sim_host *host);
    void (*leave)(void *context, struct kith_sim_host *host);
    /* False: the system does not send this. `from` may be changed to where others see it come from.
     */
    bool (*may_send)(void *context, struct kith_sim_host *host,
                     const struct kith_datagram *datagram, struct kith_endpoint *from);
    /* False: it does not reach the host. */
    bool (*may_receive)(void *context, struct kith_sim_host *host,
                        const struct kith_sim_packet *packet);
    /* Until when the host does nothing at all; its deadline is served then. */
    uint64_t (*paused_until)(void *context, const struct kith_sim_host *host);
    /* KITH_CORE_SAVE and KITH_CORE_FORGET. */
    void (*saved)(void *context, struct kith_sim_host *host, const struct kith_core_event *event);
    void *context;
};

struct kith_sim_world_config {
    uint64_t seed;
    const struct kith_curve *curve;
    struct kith_sim_network_config network; /* `seed` is filled in by the world */
    struct kith_limits limits;
    uint32_t book_buckets; /* of tried in each address book; 0: 4 */
    uint32_t book_slots;   /* of a bucket; 0: 64 */
    bool mainline;         /* hosts meet in the Mainline DHT and nowhere else */
    bool progress;         /* a line on stderr every few seconds of wall time */
    uint64_t shown;        /* number of the operation to show as it goes, 0: none */
};

struct kith_sim_host {
    struct kith_sim_event event; /* queued at or before the core's deadline */
    struct kith_core *core;      /* NULL: dead */
    uint32_t index;
    bool ready;
    bool client;
    uint32_t lives;   /* times started */
    uint32_t n_spins; /* wake-ups in a row without time passing */
    uint64_t woken_at;
    uint64_t joined_ns;      /* from start to KITH_EVENT_READY */
    struct kith_endpoint v4; /* family 0: has none */
    struct kith_endpoint v6;
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_key key;
    struct kith_point id;
    struct kith_sim_random random;
    struct kith_sim_ask *asks; /* running on this host */
};

/* A question to a host, and everything it answered. */
struct kith_sim_ask {
    struct kith_sim_ask *next;
    uint64_t number; /* of all in this world, from 1 */
    uint32_t host;
    uint64_t op;
    enum kith_query_kind kind;
    bool done;
    int status;
    uint64_t asked_at;
    uint64_t done_at;
    struct kith_walk_stats walk;
    struct kith_contact contact;
    bool has_peer;
    struct kith_peer peer; /* of the last result that had one */
    bool has_record;
    struct kith_record record; /* of the last result that had one */
    int64_t seq;
    uint32_t acks;
    uint32_t quorum;
    uint32_t holders;
    uint32_t found;
    struct kith_key *keys; /* trace: who answered; find: who was found */
    uint32_t n_keys;
    void *user; /* the scenario's */
};

struct kith_sim_world {
    struct kith_sim_world_config config;
    uint64_t now;
    struct kith_sim_queue queue;
    struct kith_sim_network network;
    struct kith_sim_random random; /* the scenario's choices */
    struct kith_sim_trace trace;
    struct kith_codec *codec;
    struct kith_sim_host **hosts;
    uint32_t n_hosts; /* ever added; a host keeps its index */
    uint32_t n_alive;
    uint32_t n_ready; /* alive and joined */
    uint32_t n_asks;  /* running */
    uint64_t n_asked; /* ever */
    uint64_t n_steps; /* events handled */
    uint64_t delivered;
    uint64_t to_dead;             /* datagrams that arrived at a dead host */
    struct kith_stats stats_dead; /* of cores that are gone */
    struct kith_sim_amplify amplify;
    struct kith_sim_hooks hooks;
};

struct kith_sim_host_options {
    uint8_t families; /* 4: IPv4 only, 6: IPv6 only, anything else: both */
    bool client;
    const struct kith_sim_host *beside; /* in its /24, or NULL: nobody's */
    const uint8_t *seed;                /* KITH_SEED_SIZE; NULL: a random one */
    const struct kith_endpoint *v4;     /* NULL: a fresh address */
};

void kith_sim_world_init(struct kith_sim_world *world, const struct kith_sim_world_config *config);
void kith_sim_world_deinit(struct kith_sim_world *world);

/* A new host with addresses and a key of its own, alive, knowing nobody. */
struct kith_sim_host *kith_sim_world_add(struct kith_sim_world *world,
                                         const struct kith_sim_host_options *options);
/* It is gone without a word; what runs on it ends with KITH_ECANCELED. */
void kith_sim_world_kill(struct kith_sim_world *world, struct kith_sim_host *host);
/* Alive again with the same key and addresses, and nothing else. False: hooks only, the core could
 * not be made. */
bool kith_sim_world_start(struct kith_sim_world *world, struct kith_sim_host *host);
/* After calls into a host's core that the world knows nothing of. */
void kith_sim_world_settle(struct kith_sim_world *world, struct kith_sim_host *host);
/* Tells `host` how to reach `other`. Without `with_key` it has to ask for the key first; Mainline
 * has none. */
void kith_sim_world_introduce(struct kith_sim_world *world, struct kith_sim_host *host,
                              const struct kith_sim_host *other, bool with_key,
                              enum kith_contact_source source);

/* Asks; the answers collect in the ask, which the caller frees (not before it is done). A query
 * that the core refuses is done at once, with the refusal as its status. */
struct kith_sim_ask *kith_sim_world_ask(struct kith_sim_world *world, struct kith_sim_host *host,
                                        const struct kith_query *query);
/* A scenario made this host's core do something: what it wants to send is sent. */
void kith_sim_world_touched(struct kith_sim_world *world, struct kith_sim_host *host);
struct kith_sim_ask *kith_sim_ask_free(struct kith_sim_ask *ask);

/* The host gets this datagram now, as if it came from there, wherever it really comes from
 * (`origin`). The scenario that plays an attacker sees at once what comes of it. */
void kith_sim_world_hear(struct kith_sim_world *world, struct kith_sim_host *host,
                         const struct kith_sim_packet *packet);

/* Runs all that happens up to and including `time`, and stops there. */
void kith_sim_world_run_until(struct kith_sim_world *world, uint64_t time);
/* Runs for that long, or until every ask is done. Returns whether every ask is done. */
bool kith_sim_world_run_asks(struct kith_sim_world *world, uint64_t timeout_ns);

/* Whether the host has joined: kith's swarm, or Mainline where that is what hosts meet in. */
bool kith_sim_world_joined(const struct kith_sim_world *world, const struct kith_sim_host *host);
/* A random host that is alive; NULL if there is none. Draws from world->random. */
struct kith_sim_host *kith_sim_world_pick(struct kith_sim_world *world);
/* The sum over all cores, those that are gone included. */
void kith_sim_world_stats(const struct kith_sim_world *world, struct kith_stats *ret);
/* The first violated invariant among the hosts 0, `step`, 2 * step .. , or NULL. */
const char *kith_sim_world_check(const struct kith_sim_world *world, uint32_t step,
                                 uint32_t *ret_host);
/* Bytes the simulator holds for itself: not what a node costs. */
size_t kith_sim_world_memory(const struct kith_sim_world *world);

#endif
