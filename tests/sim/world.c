/* SPDX-License-Identifier: MIT */
/*
 * world: the loop.
 *
 * Every call into a core is followed by settle(): take its datagrams, take its events, look at its
 * deadline. The deadline lies in the queue lazily: an entry that is too early is left where it is
 * and moved when it comes up, because most deadlines are pushed back many times before they are
 * due; one that is too late is moved at once. So a host has at most one entry, and never wakes
 * late.
 *
 * A core that asks to be woken again and again without time passing would hang the run; after
 * SPINS_MAX wake-ups at one instant the world gives up and says which host it was.
 */
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/memory.h"
#include "sim/show.h"
#include "util/list.h"

enum {
    SPINS_MAX = 10000,
    PROGRESS_SECONDS = 5,
    PROGRESS_CHECK = 1 << 16, /* events between looks at the wall clock */
    STREAM_HOST = 0x686f,
    STREAM_SCENARIO = 0x7363,
};

/* ---- answers ---- */

static void ask_add_key(struct kith_sim_ask *ask, const struct kith_key *key) {
    for (uint32_t i = 0; i < ask->n_keys; i++) {
        if (kith_key_equal(&ask->keys[i], key)) {
            return;
        }
    }
    ask->keys = kith_sim_resize(ask->keys, (ask->n_keys + 1) * sizeof(*ask->keys));
    ask->keys[ask->n_keys++] = *key;
}

static void ask_note_hop(struct kith_sim_ask *ask, const struct kith_hop *hop) {
    if (hop != NULL && hop->outcome == KITH_HOP_ANSWERED && hop->contact.has_key) {
        ask_add_key(ask, &hop->contact.key);
    }
}

static void ask_note_content(struct kith_sim_ask *ask, const struct kith_result *result) {
    if (result->peer != NULL) {
        ask->has_peer = true;
        ask->peer = *result->peer;
        if (ask->kind == KITH_QUERY_FIND) {
            ask_add_key(ask, &result->peer->key);
        }
    }
    if (result->record != NULL) {
        ask->has_record = true;
        ask->record = *result->record;
    }
    if (result->contact.endpoint.family != 0) {
        ask->contact = result->contact;
    }
}

static void ask_finish(struct kith_sim_world *world, struct kith_sim_ask *ask, int status) {
    struct kith_sim_ask **link = &world->hosts[ask->host]->asks;
    while (*link != ask) {
        link = &(*link)->next;
    }
    *link = ask->next;
    ask->done = true;
    ask->status = status;
    ask->done_at = world->now;
    world->n_asks--;
}

static void ask_note(struct kith_sim_world *world, struct kith_sim_ask *ask,
                     const struct kith_result *result) {
    ask->walk = result->walk;
    if (result->kind == KITH_RESULT_HOP) {
        ask_note_hop(ask, result->hop);
        return;
    }
    ask_note_content(ask, result);
    if (result->kind == KITH_RESULT_DONE) {
        ask->seq = result->seq;
        ask->acks = result->acks;
        ask->quorum = result->quorum;
        ask->holders = result->holders;
        ask->found = result->found;
        ask_finish(world, ask, result->status);
    }
}

struct kith_sim_ask *kith_sim_ask_free(struct kith_sim_ask *ask) {
    if (ask != NULL) {
        free(ask->keys);
        free(ask);
    }
    return NULL;
}

/* ---- around every call into a core ---- */

static void enter(struct kith_sim_world *world, struct kith_sim_host *host) {
    if (world->hooks.enter != NULL) {
        world->hooks.enter(world->hooks.context, host);
    }
}

static void leave(struct kith_sim_world *world, struct kith_sim_host *host) {
    if (world->hooks.leave != NULL) {
        world->hooks.leave(world->hooks.context, host);
    }
}

static void set_ready(struct kith_sim_world *world, struct kith_sim_host *host, bool ready) {
    world->n_ready += (uint32_t)ready - (uint32_t)host->ready;
    host->ready = ready;
}

/* The hops of an operation that is shown are no part of the run: its trace stays what it is. */
static void take_result(struct kith_sim_world *world, struct kith_sim_host *host,
                        const struct kith_result *result) {
    struct kith_sim_ask *ask = host->asks;
    while (ask != NULL && ask->op != result->op) {
        ask = ask->next;
    }
    bool shown = ask != NULL && ask->number == world->config.shown;
    if (shown) {
        kith_sim_show_result(world, ask, result);
    }
    if (!shown || result->kind != KITH_RESULT_HOP || ask->kind == KITH_QUERY_TRACE) {
        kith_sim_trace_result(&world->trace, world->now, host->index, result);
    }
    if (ask != NULL) {
        ask_note(world, ask, result);
    }
}

static void handle_event(struct kith_sim_world *world, struct kith_sim_host *host,
                         const struct kith_core_event *event) {
    switch (event->kind) {
    case KITH_CORE_NODE:
        if (event->node.kind == KITH_EVENT_READY) {
            host->joined_ns = event->node.elapsed_ns;
            set_ready(world, host, true);
        } else if (event->node.kind == KITH_EVENT_LOST) {
            set_ready(world, host, false);
        }
        break;
    case KITH_CORE_RESULT:
        take_result(world, host, &event->result);
        break;
    case KITH_CORE_TALK:
        kith_core_talk_answer(host->core, event->talk.token, KITH_EREFUSED, NULL, 0, world->now);
        break;
    case KITH_CORE_SAVE:
    case KITH_CORE_FORGET:
        if (world->hooks.saved != NULL) {
            world->hooks.saved(world->hooks.context, host, event);
        }
        break;
    case KITH_CORE_LOCAL:
    case KITH_CORE_NETWORK:
        break; /* no mDNS, no interfaces */
    }
}

static void send_all(struct kith_sim_world *world, struct kith_sim_host *host) {
    struct kith_datagram datagram;
    while (kith_core_next_datagram(host->core, &datagram)) {
        struct kith_endpoint from = datagram.to.family == 6 ? host->v6 : host->v4;
        if (from.family == 0) {
            kith_sim_panic("host %u sends to an address family it does not have", host->index);
        }
        kith_sim_amplify_sent(&world->amplify, &datagram);
        if (world->hooks.may_send == NULL ||
            world->hooks.may_send(world->hooks.context, host, &datagram, &from)) {
            kith_sim_network_send(&world->network, host->index, &from, &datagram, world->now);
        }
    }
}

/* A host that does nothing keeps what is due until it wakes. */
static uint64_t paused_until(const struct kith_sim_world *world, const struct kith_sim_host *host) {
    return world->hooks.paused_until == NULL
               ? 0
               : world->hooks.paused_until(world->hooks.context, host);
}

static void schedule(struct kith_sim_world *world, struct kith_sim_host *host) {
    uint64_t deadline = kith_core_deadline(host->core);
    if (deadline == KITH_NEVER) {
        return; /* an entry that is still queued finds this out when it comes up */
    }
    uint64_t paused = paused_until(world, host);
    deadline = deadline < world->now ? world->now : deadline;
    deadline = deadline < paused ? paused : deadline;
    if (host->event.place == 0 || kith_sim_queue_time_of(&world->queue, &host->event) > deadline) {
        kith_sim_queue_set(&world->queue, &host->event, deadline);
    }
}

static void settle(struct kith_sim_world *world, struct kith_sim_host *host) {
    struct kith_core_event event;
    leave(world, host);
    send_all(world, host);
    while (kith_core_next_event(host->core, &event)) {
        handle_event(world, host, &event);
    }
    send_all(world, host); /* refusals of talk */
    schedule(world, host);
}

/* ---- hosts ---- */

static void add_stats(struct kith_stats *sum, const struct kith_stats *more) {
#define ADD(name, help) sum->name += more->name;
    KITH_COUNTER_MAP(ADD)
#undef ADD
}

/* As a real shell has it: sockets are bound to the unspecified address, so a host learns from
 * others where it is. */
static void tell_bound(struct kith_sim_world *world, struct kith_sim_host *host) {
    struct kith_endpoint bound[2];
    size_t n = 0;
    if (host->v4.family != 0) {
        bound[n++] = (struct kith_endpoint){.family = 4, .port = host->v4.port};
    }
    if (host->v6.family != 0) {
        bound[n++] = (struct kith_endpoint){.family = 6, .port = host->v6.port};
    }
    kith_core_set_bound(host->core, bound, n, world->now);
}

bool kith_sim_world_start(struct kith_sim_world *world, struct kith_sim_host *host) {
    struct kith_core_config config = {
        .seed = host->seed,
        .curve = world->config.curve,
        .random = kith_sim_random_table(&host->random),
        .codec = world->codec,
        .network = KITH_SIM_NETWORK_NAME,
        .limits = world->config.limits,
        .client = host->client,
        .has_v4 = host->v4.family != 0,
        .has_v6 = host->v6.family != 0,
        .wall_us = KITH_SIM_WALL_US + world->now / KITH_NS_PER_US,
        .mainline = world->config.mainline,
        .no_rendezvous = true,
        .outbox_keep = 0,
        .book_slots = world->config.book_slots,
        /* a few hundred contacts: memory, again */
        .book_buckets = world->config.book_buckets == 0 ? 4 : world->config.book_buckets,
    };
    kith_sim_random_seed(&host->random,
                         kith_sim_mix(world->config.seed, STREAM_HOST + host->lives, host->index));
    host->lives++;
    if (world->hooks.configure != NULL) {
        world->hooks.configure(world->hooks.context, host, &config);
    }
    enter(world, host);
    int r = kith_core_new(&host->core, &config, world->now);
    if (r < 0) {
        leave(world, host);
        if (world->hooks.enter == NULL) {
            kith_sim_panic("host %u: a core cannot be made", host->index);
        }
        return false;
    }
    world->n_alive++;
    tell_bound(world, host);
    settle(world, host);
    return true;
}

void kith_sim_world_settle(struct kith_sim_world *world, struct kith_sim_host *host) {
    settle(world, host);
}

struct kith_sim_host *kith_sim_world_add(struct kith_sim_world *world,
                                         const struct kith_sim_host_options *options) {
    struct kith_sim_host *host = kith_sim_allocate(sizeof(*host));
    host->index = world->n_hosts;
    host->event.kind = KITH_SIM_EVENT_HOST;
    host->client = options->client;
    if (options->families != 6) {
        if (options->beside == NULL ||
            !kith_sim_network_address_beside(&world->network, &options->beside->v4, &host->v4)) {
            kith_sim_network_new_address(&world->network, 4, &host->v4);
        }
        host->v4 = options->v4 != NULL ? *options->v4 : host->v4;
        kith_sim_network_bind(&world->network, &host->v4, host->index);
    }
    if (options->families != 4) {
        kith_sim_network_new_address(&world->network, 6, &host->v6);
        kith_sim_network_bind(&world->network, &host->v6, host->index);
    }
    kith_sim_random_seed(&host->random, kith_sim_mix(world->config.seed, host->index, 0));
    kith_sim_random_fill(&host->random, host->seed, sizeof(host->seed));
    if (options->seed != NULL) {
        memcpy(host->seed, options->seed, sizeof(host->seed));
    }
    uint8_t secret[64];
    world->config.curve->sign_keypair(host->key.bytes, secret, host->seed);
    kith_point_of_node(&host->key, &host->id);

    world->hosts = kith_sim_resize(world->hosts, (world->n_hosts + 1) * sizeof(*world->hosts));
    world->hosts[world->n_hosts++] = host;
    (void)kith_sim_world_start(world, host);
    return host;
}

void kith_sim_world_kill(struct kith_sim_world *world, struct kith_sim_host *host) {
    while (host->asks != NULL) {
        ask_finish(world, host->asks, KITH_ECANCELED);
    }
    add_stats(&world->stats_dead, kith_core_stats(host->core));
    host->core = kith_core_free(host->core);
    set_ready(world, host, false);
    kith_sim_queue_remove(&world->queue, &host->event);
    world->n_alive--;
}

void kith_sim_world_introduce(struct kith_sim_world *world, struct kith_sim_host *host,
                              const struct kith_sim_host *other, bool with_key,
                              enum kith_contact_source source) {
    bool by_v4 = host->v4.family != 0 && other->v4.family != 0;
    struct kith_contact contact = {.has_key = with_key, .endpoint = by_v4 ? other->v4 : other->v6};
    if (with_key) {
        contact.key = other->key;
    }
    enter(world, host);
    int r = world->config.mainline
                ? kith_core_mainline_add(host->core, &contact.endpoint, source, world->now)
                : kith_core_add_contact(host->core, &contact, source, world->now);
    if (r < 0 && r != KITH_ENOMEM) {
        kith_sim_panic("host %u does not take host %u as a contact", host->index, other->index);
    }
    settle(world, host);
}

struct kith_sim_ask *kith_sim_world_ask(struct kith_sim_world *world, struct kith_sim_host *host,
                                        const struct kith_query *query) {
    struct kith_sim_ask *ask = kith_sim_allocate(sizeof(*ask));
    struct kith_query asked = *query;
    ask->number = ++world->n_asked;
    ask->host = host->index;
    ask->kind = query->kind;
    ask->asked_at = world->now;
    if (ask->number == world->config.shown) {
        asked.flags |= KITH_FLAG_TRACE;
        kith_sim_show_query(world, ask, query);
    }
    enter(world, host);
    int r = kith_core_start(host->core, &asked, world->now, &ask->op);
    ask->next = host->asks;
    host->asks = ask;
    world->n_asks++;
    if (r < 0) {
        if (ask->number == world->config.shown) {
            kith_sim_show_refusal(r);
        }
        ask_finish(world, ask, r);
    }
    settle(world, host);
    return ask;
}

void kith_sim_world_touched(struct kith_sim_world *world, struct kith_sim_host *host) {
    settle(world, host);
}

/* ---- time ---- */

void kith_sim_world_hear(struct kith_sim_world *world, struct kith_sim_host *host,
                         const struct kith_sim_packet *packet) {
    world->delivered++;
    kith_sim_trace_datagram(&world->trace, world->now, packet->from_host, packet->to_host,
                            packet->bytes, packet->size);
    kith_sim_amplify_heard(&world->amplify, packet);
    enter(world, host);
    kith_core_receive(host->core, &packet->from, packet->bytes, packet->size, world->now);
    settle(world, host);
    kith_sim_amplify_done(&world->amplify);
}

static void deliver(struct kith_sim_world *world, struct kith_sim_packet *packet) {
    struct kith_sim_host *host = world->hosts[packet->to_host];
    if (host->core == NULL) {
        world->to_dead++;
    } else if (world->hooks.may_receive == NULL ||
               world->hooks.may_receive(world->hooks.context, host, packet)) {
        kith_sim_world_hear(world, host, packet);
    }
    kith_sim_network_release(&world->network, packet);
}

static void wake(struct kith_sim_world *world, struct kith_sim_host *host) {
    if (kith_core_deadline(host->core) > world->now || paused_until(world, host) > world->now) {
        schedule(world, host);
        return;
    }
    host->n_spins = host->woken_at == world->now ? host->n_spins + 1 : 0;
    host->woken_at = world->now;
    if (host->n_spins == SPINS_MAX) {
        kith_sim_panic("host %u is woken again and again at %.3f s", host->index,
                       (double)world->now / 1e9);
    }
    enter(world, host);
    kith_core_tick(host->core, world->now);
    settle(world, host);
}

static void step(struct kith_sim_world *world) {
    world->now = kith_sim_queue_time(&world->queue);
    struct kith_sim_event *event = kith_sim_queue_pop(&world->queue);
    switch (event->kind) {
    case KITH_SIM_EVENT_PACKET:
        deliver(world, kith_container_of(event, struct kith_sim_packet, event));
        break;
    case KITH_SIM_EVENT_HOST:
        wake(world, kith_container_of(event, struct kith_sim_host, event));
        break;
    }
}

static void report_progress(const struct kith_sim_world *world) {
    static time_t last; /* wall clock; has no influence on the run */
    time_t wall = time(NULL);
    if (wall - last >= PROGRESS_SECONDS) {
        last = wall;
        fprintf(stderr, "%9.1f s: %u hosts, %u joined, %u asks, %llu datagrams\n",
                (double)world->now / 1e9, world->n_alive, world->n_ready, world->n_asks,
                (unsigned long long)world->delivered);
    }
}

static void run(struct kith_sim_world *world, uint64_t time, bool until_asks_done) {
    while (kith_sim_queue_time(&world->queue) <= time) {
        if (until_asks_done && world->n_asks == 0) {
            return;
        }
        step(world);
        if (++world->n_steps % PROGRESS_CHECK == 0 && world->config.progress) {
            report_progress(world);
        }
    }
    world->now = time;
}

void kith_sim_world_run_until(struct kith_sim_world *world, uint64_t time) {
    run(world, time, false);
}

bool kith_sim_world_run_asks(struct kith_sim_world *world, uint64_t timeout_ns) {
    run(world, world->now + timeout_ns, true);
    return world->n_asks == 0;
}

/* ---- the whole ---- */

void kith_sim_world_init(struct kith_sim_world *world, const struct kith_sim_world_config *config) {
    *world = (struct kith_sim_world){.config = *config, .now = KITH_SIM_START};
    world->config.network.seed = config->seed;
    kith_sim_queue_init(&world->queue);
    kith_sim_network_init(&world->network, &world->config.network, &world->queue);
    kith_sim_random_seed(&world->random, kith_sim_mix(config->seed, STREAM_SCENARIO, 0));
    kith_sim_trace_init(&world->trace);
    if (kith_codec_new(&world->codec) < 0) {
        kith_sim_panic("out of memory");
    }
}

void kith_sim_world_deinit(struct kith_sim_world *world) {
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct kith_sim_host *host = world->hosts[i];
        while (host->asks != NULL) {
            ask_finish(world, host->asks, KITH_ECANCELED);
        }
        kith_core_free(host->core);
        free(host);
    }
    free(world->hosts);
    kith_codec_free(world->codec);
    kith_sim_queue_deinit(&world->queue);
    kith_sim_network_deinit(&world->network);
    *world = (struct kith_sim_world){0};
}

bool kith_sim_world_joined(const struct kith_sim_world *world, const struct kith_sim_host *host) {
    if (!world->config.mainline || host->core == NULL) {
        return host->ready;
    }
    struct kith_status status;
    kith_core_status(host->core, world->now, &status);
    const struct kith_mainline_family_status *families = status.mainline.families;
    return families[0].on == families[0].ready && families[1].on == families[1].ready;
}

struct kith_sim_host *kith_sim_world_pick(struct kith_sim_world *world) {
    while (world->n_alive > 0) {
        struct kith_sim_host *host =
            world->hosts[kith_sim_random_below(&world->random, world->n_hosts)];
        if (host->core != NULL) {
            return host;
        }
    }
    return NULL;
}

void kith_sim_world_stats(const struct kith_sim_world *world, struct kith_stats *ret) {
    *ret = world->stats_dead;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        if (world->hosts[i]->core != NULL) {
            add_stats(ret, kith_core_stats(world->hosts[i]->core));
        }
    }
}

const char *kith_sim_world_check(const struct kith_sim_world *world, uint32_t step_,
                                 uint32_t *ret_host) {
    for (uint32_t i = 0; i < world->n_hosts; i += step_) {
        const char *violated =
            world->hosts[i]->core == NULL ? NULL : kith_core_check(world->hosts[i]->core);
        if (violated != NULL) {
            *ret_host = i;
            return violated;
        }
    }
    return NULL;
}

size_t kith_sim_world_memory(const struct kith_sim_world *world) {
    return kith_sim_network_memory(&world->network) +
           world->queue.capacity * sizeof(struct kith_sim_slot) +
           world->n_hosts * (sizeof(struct kith_sim_host) + sizeof(void *));
}
