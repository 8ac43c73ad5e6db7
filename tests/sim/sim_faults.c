/* SPDX-License-Identifier: MIT */
/*
 * One draw per host, class and second. A host that is down keeps its place and its disk; what the
 * disk is like is decided when it crashes. An allocation that is to fail does so only inside a call
 * into the core of its host.
 */
#include "sim/sim_faults.h"

#include <stdlib.h>
#include <string.h>

#include "core/core_internal.h"
#include "nomem.h"
#include "sim/memory.h"
#include "sim/oracle.h"

enum {
    STREAM_FAULTS = 0x6661,
    CLIENT_PPM = 100000,
    DOWN_S = 60,
    MASS_DOWN_S = 120,
    SNAPSHOT_PPM = 5000,
    BOOK_SAVE_S = 10,
    PAUSE_S = 40,
    FAIL_WITHIN = 64, /* the n-th allocation of one call, n up to */
    NAT_IDLE_MIN_S = 30,
    NAT_IDLE_MAX_S = 180,
    MASS_MIN_PERCENT = 10,
    MASS_MAX_PERCENT = 60,
    BAN_SETTLED_S = 10, /* requests under way when a ban comes are done by then */
    BOOK_ENOUGH = 8,    /* entries with which a host can do without its seeds */
    SESSION_MIN_S = 60, /* mean length */
    SESSION_MAX_S = 1200,
};

enum churn { CHURN_NONE, CHURN_EXPONENTIAL, CHURN_WEIBULL };

struct kith_sim_fault_host {
    struct kith_sim_sources sources;
    struct kith_sim_disk disk;
    struct kith_sim_disk old; /* the same at some time before */
    struct kith_sim_nat nat;
    bool is_set_up;
    bool gone; /* for good */
    bool crowded;
    bool lies;
    struct kith_sim_liar liar;
    enum churn churn;
    bool by_book;    /* not told of the seeds again: its own book has to do */
    uint32_t banned; /* a host that it has banned, in this life; 0: none, seeds are spared */
    uint64_t banned_at;
    uint64_t born;       /* this session */
    uint64_t down_until; /* while its core is gone */
    uint64_t paused_until;
    int64_t clock_off_us;
    uint32_t fail_at; /* which allocation of a call is to fail; 0: none */
    bool has_failed;  /* one did, in this life */
    bool fail_on;     /* and all after it in that call */
};

/* ---- who was heard from where ---- */

static uint64_t heard_hash(const struct kith_sim_host *host, uint32_t sender,
                           const struct kith_endpoint *endpoint) {
    uint64_t words[2];
    memcpy(words, endpoint->ip, sizeof(words));
    uint64_t who = kith_sim_mix(host->index, host->lives, sender);
    return kith_sim_mix(who ^ endpoint->port, words[0], words[1]);
}

bool kith_sim_faults_heard(const struct kith_sim_faults *faults, const struct kith_sim_host *host,
                           uint32_t sender, const struct kith_endpoint *endpoint) {
    return kith_sim_set_has(&faults->heard, heard_hash(host, sender, endpoint));
}

static bool draw(struct kith_sim_faults *faults, uint32_t ppm) {
    return kith_sim_random_chance(&faults->random, ppm);
}

/* ---- the world's hooks ---- */

static struct kith_sim_fault_host *state_of(struct kith_sim_faults *faults,
                                            const struct kith_sim_host *host) {
    if (host->index >= faults->hosts_max) {
        kith_sim_panic("more than %u hosts", faults->hosts_max);
    }
    return &faults->hosts[host->index];
}

/* A seed, and most others, are full nodes in the open. */
static void set_up(struct kith_sim_faults *faults, struct kith_sim_host *host) {
    struct kith_sim_fault_host *state = state_of(faults, host);
    state->is_set_up = true;
    if (host->index < KITH_SIM_FAULTS_SEEDS) {
        return;
    }
    host->client = kith_sim_random_chance(&faults->random, CLIENT_PPM);
    state->lies = draw(faults, faults->rates.lie);
    state->liar = (struct kith_sim_liar){
        .random = &faults->random, .count = &faults->counts.lie, .proxies = &faults->proxies};
    if (draw(faults, faults->rates.churn_exponential)) {
        state->churn = CHURN_EXPONENTIAL;
    } else if (draw(faults, faults->rates.churn_weibull)) {
        state->churn = CHURN_WEIBULL;
    }
    if (kith_sim_random_chance(&faults->random, faults->rates.nat_refused)) {
        uint64_t kind = 1 + kith_sim_random_below(&faults->random, KITH_SIM_NAT_SYMMETRIC);
        uint64_t idle_s =
            NAT_IDLE_MIN_S +
            kith_sim_random_below(&faults->random, NAT_IDLE_MAX_S - NAT_IDLE_MIN_S + 1);
        kith_sim_nat_init(&state->nat, (enum kith_sim_nat_kind)kind, &host->v4,
                          idle_s * KITH_NS_PER_S);
    }
}

static void configure(void *context, struct kith_sim_host *host, struct kith_core_config *config) {
    static uint8_t secret[KITH_BOOK_SECRET_SIZE]; /* read by kith_core_new() only */
    struct kith_sim_faults *faults = context;
    struct kith_sim_fault_host *state = state_of(faults, host);
    if (!state->is_set_up) {
        set_up(faults, host);
    }
    config->client = host->client;
    config->limits = faults->limits;
    config->wall_us += (uint64_t)state->clock_off_us;
    config->book_secret = kith_sim_disk_secret(&state->disk, secret) ? secret : NULL;
}

static void enter(void *context, struct kith_sim_host *host) {
    struct kith_sim_faults *faults = context;
    struct kith_sim_fault_host *state = state_of(faults, host);
    if (!faults->receiving) {
        kith_sim_watch_end(&faults->watch);
        faults->from.family = 0;
    }
    faults->receiving = false;
    kith_sim_liar_enter(state->lies && faults->on ? &state->liar : NULL);
    nomem_begin(state->fail_at, state->fail_on);
}

static void leave(void *context, struct kith_sim_host *host) {
    struct kith_sim_faults *faults = context;
    struct kith_sim_fault_host *state = state_of(faults, host);
    kith_sim_liar_enter(NULL);
    if (nomem_end()) {
        faults->counts.no_memory++;
        state->fail_at = 0;
        state->has_failed = true;
    }
    if (host->core != NULL) {
        kith_sim_watch_received(&faults->watch, host, state->has_failed);
    }
}

static void violate(struct kith_sim_faults *faults, const struct kith_sim_host *host,
                    const char *what) {
    if (faults->violation == NULL) {
        faults->violation = what;
        faults->violator = host->index;
    }
}

/* Whether this is for somebody who is banned. What begins a session, and what is answered to that,
 * is for one key, whoever else may live there; a question for a key, and the answer, name nobody.
 * For whom data is cannot be told, and liars make others write to places without knowing who lives
 * there. */
static bool is_forbidden(const struct kith_sim_faults *faults,
                         const struct kith_sim_fault_host *state,
                         const struct kith_datagram *datagram) {
    const struct kith_sim_world *world = faults->world;
    bool is_data = datagram->bytes[0] == 4 && faults->counts.lie == 0;
    return state->banned != 0 && world->now > state->banned_at + BAN_SETTLED_S * KITH_NS_PER_S &&
           kith_sim_network_find(&world->network, &datagram->to) == state->banned &&
           (is_data || kith_sim_watch_is_for(world, datagram, &world->hosts[state->banned]->key));
}

static bool may_send(void *context, struct kith_sim_host *host,
                     const struct kith_datagram *datagram, struct kith_endpoint *from) {
    struct kith_sim_faults *faults = context;
    struct kith_sim_fault_host *state = state_of(faults, host);
    if (faults->on && kith_sim_random_chance(&faults->random, faults->rates.send_failure)) {
        faults->counts.send_failure++;
        kith_core_stats(host->core)->tx_failed++;
        return false;
    }
    if (!kith_sim_net_sent(&faults->net, host->index, &datagram->to, datagram->size)) {
        violate(faults, host, "sends more to an address than came from there in its name");
    }
    if (!kith_sim_watch_sent(&faults->watch, datagram)) {
        violate(faults, host, "answers what it has accepted before");
    }
    if (kith_endpoint_equal(&datagram->to, &faults->proxies.trap)) {
        violate(faults, host, "believes an answer that was not given by whom it had asked");
    }
    if (is_forbidden(faults, state, datagram)) {
        violate(faults, host, "writes to a peer that it has banned");
    }
    if (state->nat.kind != KITH_SIM_NAT_NONE && datagram->to.family == 4) {
        bool is_new;
        uint64_t *const counts[] = {
            [KITH_SIM_NAT_FULL_CONE] = &faults->counts.nat_full_cone,
            [KITH_SIM_NAT_RESTRICTED] = &faults->counts.nat_restricted,
            [KITH_SIM_NAT_PORT_RESTRICTED] = &faults->counts.nat_port_restricted,
            [KITH_SIM_NAT_SYMMETRIC] = &faults->counts.nat_symmetric,
        };
        ++*counts[state->nat.kind];
        *from = kith_sim_nat_out(&state->nat, &datagram->to, faults->world->now, &is_new);
        if (is_new) {
            kith_sim_network_bind(&faults->world->network, from, host->index);
        }
    }
    return true;
}

static bool may_receive(void *context, struct kith_sim_host *host,
                        const struct kith_sim_packet *packet) {
    struct kith_sim_faults *faults = context;
    struct kith_sim_fault_host *state = state_of(faults, host);
    uint64_t now = faults->world->now;
    if (packet->to.family == 4 &&
        !kith_sim_nat_in(&state->nat, packet->to.port, &packet->from, now)) {
        faults->counts.nat_refused++;
        return false;
    }
    if (state->paused_until > now) {
        return false; /* its socket's buffer is full */
    }
    kith_sim_net_heard(&faults->net, host->index, packet);
    kith_sim_watch_receive(&faults->watch, host, packet);
    faults->proxies.asker = packet->from_host;
    faults->receiving = true;
    faults->from = packet->from;
    /* What an attacker passes on is still what its sender wrote. */
    kith_sim_set_add(&faults->heard, heard_hash(host, packet->from_host, &packet->origin));
    return true;
}

static uint64_t paused_until(void *context, const struct kith_sim_host *host) {
    return state_of(context, host)->paused_until;
}

static void saved(void *context, struct kith_sim_host *host, const struct kith_core_event *event) {
    struct kith_sim_faults *faults = context;
    struct kith_sim_fault_host *state = state_of(faults, host);
    const struct kith_endpoint *from = faults->from.family == 0 ? NULL : &faults->from;
    if (event->kind == KITH_CORE_FORGET && !event->saved.own) {
        const char *wrong =
            kith_sim_sources_forgotten(&state->sources, host, &event->saved, from,
                                       faults->limits.topic_peers, faults->world->now);
        faults->counts.evicted++;
        if (wrong != NULL && !state->has_failed) { /* else not all that was saved was told */
            violate(faults, host, wrong);
        }
    } else if (event->kind == KITH_CORE_SAVE && !event->saved.own) {
        kith_sim_sources_saved(&state->sources, &event->saved, from, faults->world->now);
    }
    kith_sim_disk_event(&state->disk, event, faults->world->now);
}

/* ---- hosts that come and go ---- */

/* A shell tells its node of the configured seeds at every start. Some have none configured, and
 * were told of somebody once. */
static void introduce(struct kith_sim_faults *faults, struct kith_sim_host *host) {
    if (state_of(faults, host)->by_book) {
        faults->counts.restart_by_book++;
        return;
    }
    for (uint32_t i = 0; i < KITH_SIM_FAULTS_SEEDS; i++) {
        if (i != host->index && i < faults->world->n_hosts) {
            struct kith_sim_host seed = *faults->world->hosts[i];
            /* Without the key, a seed has to answer from where it is asked: its iam names no
             * question. */
            bool with_key = host->index % 4 != 0;
            /* What answers from another address than it was asked at does not get through a NAT:
             * one seed is named by its own, or nobody behind a NAT could ever join. */
            bool last_hope = i == host->index % KITH_SIM_FAULTS_SEEDS;
            bool alias = faults->on && with_key && draw(faults, faults->rates.alias);
            if (alias && !last_hope) {
                seed.v4 = faults->aliases[i];
                faults->counts.alias++;
            }
            kith_sim_world_introduce(faults->world, host, &seed, with_key, KITH_CONTACT_SEED);
        }
    }
}

/* A core that was just made. */
static void begin(struct kith_sim_faults *faults, struct kith_sim_host *host) {
    struct kith_sim_fault_host *state = state_of(faults, host);
    state->born = faults->world->now;
    state->has_failed = false;
    if (state->lies) {
        host->core->swarm.dialect = kith_sim_liar_dialect();
    }
}

static int take_ban(const struct kith_ban_info *info, void *user) {
    *(struct kith_ban_info *)user = *info;
    return 1;
}

static void lift_bans(struct kith_sim_faults *faults, struct kith_sim_host *host) {
    struct kith_ban_info ban;
    while (kith_core_each_ban(host->core, faults->world->now, take_ban, &ban) != 0 &&
           kith_core_unban(host->core, &ban) == 0) {
    }
    state_of(faults, host)->banned = 0;
}

static void start(struct kith_sim_faults *faults, struct kith_sim_host *host) {
    struct kith_sim_fault_host *state = state_of(faults, host);
    if (!kith_sim_world_start(faults->world, host)) {
        return; /* no memory: the next second tries again */
    }
    begin(faults, host);
    enter(faults, host);
    kith_sim_disk_restore(&state->disk, host->core, faults->world->now);
    kith_sim_sources_restored(&state->sources, host, faults->world->now);
    if (!faults->on) {
        lift_bans(faults, host);
    }
    kith_sim_world_settle(faults->world, host);
    introduce(faults, host);
}

struct kith_sim_host *kith_sim_faults_add(struct kith_sim_faults *faults) {
    bool seed = faults->world->n_hosts < KITH_SIM_FAULTS_SEEDS;
    bool crowded = !seed && draw(faults, faults->rates.crowd);
    struct kith_sim_host_options options = {
        .families = faults->families == 0 && draw(faults, KITH_SIM_PPM / 2) ? 0 : 4,
        .beside = crowded ? faults->crowd : NULL,
    };
    struct kith_sim_host *host = kith_sim_world_add(faults->world, &options);
    if (seed) {
        kith_sim_network_bind(&faults->world->network, &faults->aliases[host->index], host->index);
    }
    if (crowded) {
        faults->counts.crowd++;
        state_of(faults, host)->crowded = true;
        faults->crowd = faults->crowd == NULL ? host : faults->crowd;
    }
    if (host->core == NULL) {
        return NULL;
    }
    begin(faults, host);
    introduce(faults, host);
    return host;
}

static uint64_t in_s(struct kith_sim_faults *faults, uint64_t most) {
    return faults->world->now + (1 + kith_sim_random_below(&faults->random, most)) * KITH_NS_PER_S;
}

static void crash(struct kith_sim_faults *faults, struct kith_sim_host *host, uint64_t down_s) {
    struct kith_sim_fault_host *state = state_of(faults, host);
    state->down_until = in_s(faults, down_s);
    state->paused_until = 0;
    state->fail_at = 0;
    state->banned = 0;
    state->by_book = false;
    kith_sim_world_kill(faults->world, host);
}

static void mass_leave(struct kith_sim_faults *faults) {
    uint64_t percent =
        MASS_MIN_PERCENT +
        kith_sim_random_below(&faults->random, MASS_MAX_PERCENT - MASS_MIN_PERCENT + 1);
    for (uint32_t i = KITH_SIM_FAULTS_SEEDS; i < faults->world->n_hosts; i++) {
        struct kith_sim_host *host = faults->world->hosts[i];
        if (host->core != NULL && kith_sim_random_below(&faults->random, 100) < percent) {
            crash(faults, host, MASS_DOWN_S);
            faults->counts.mass_leave++;
        }
    }
}

static void mass_join(struct kith_sim_faults *faults) {
    uint64_t n = 1 + kith_sim_random_below(&faults->random, faults->world->n_hosts);
    while (n-- > 0 && faults->world->n_hosts < faults->hosts_max) {
        faults->counts.mass_join += kith_sim_faults_add(faults) != NULL;
    }
}

static void lose_seeds(struct kith_sim_faults *faults) {
    faults->counts.seeds_lost++;
    for (uint32_t i = 0; i < KITH_SIM_FAULTS_SEEDS; i++) {
        if (faults->world->hosts[i]->core != NULL) {
            crash(faults, faults->world->hosts[i], MASS_DOWN_S);
        }
    }
}

/* ---- each second ---- */

/* Returns whether it crashed. */
static bool maybe_crash(struct kith_sim_faults *faults, struct kith_sim_host *host) {
    struct kith_sim_fault_host *state = state_of(faults, host);
    const struct kith_sim_fault_rates *rates = &faults->rates;
    bool kept = draw(faults, rates->restart_kept);
    bool old = draw(faults, rates->restart_old);
    bool torn = draw(faults, rates->restart_torn);
    bool empty = draw(faults, rates->restart_empty);
    if (!kept && !old && !torn && !empty) {
        return false;
    }
    crash(faults, host, DOWN_S);
    if (empty) {
        kith_sim_disk_clear(&state->disk);
        faults->counts.restart_empty++;
    } else if (torn) {
        kith_sim_disk_damage(&state->disk, &faults->random);
        faults->counts.restart_torn++;
    } else if (old) {
        kith_sim_disk_copy(&state->disk, &state->old);
        faults->counts.restart_old++;
    } else {
        faults->counts.restart_kept++;
        state->by_book = host->index % 3 == 1 && state->disk.n_blobs > BOOK_ENOUGH;
    }
    return true;
}

/* In parts per million, that a session of this age ends within a second. Of Weibull's distribution
 * with shape 1/2, whose mean is twice its scale, the hazard up to an age is the square root of
 * their quotient: most sessions are short, a few very long. */
static uint32_t end_of_session(const struct kith_sim_faults *faults,
                               const struct kith_sim_fault_host *state) {
    uint64_t age_s = (faults->world->now - state->born) / KITH_NS_PER_S;
    uint64_t scale_s = faults->mean_session_s / 2;
    const uint64_t square = (uint64_t)KITH_SIM_PPM * KITH_SIM_PPM;
    switch (state->churn) {
    case CHURN_NONE:
        return 0;
    case CHURN_EXPONENTIAL:
        return KITH_SIM_PPM / faults->mean_session_s;
    case CHURN_WEIBULL:
        return (uint32_t)(kith_sim_square_root(square / scale_s * (age_s + 1)) -
                          kith_sim_square_root(square / scale_s * age_s));
    }
    return 0;
}

/* Returns whether it left. */
static bool maybe_leave(struct kith_sim_faults *faults, struct kith_sim_host *host) {
    struct kith_sim_fault_host *state = state_of(faults, host);
    if (!draw(faults, end_of_session(faults, state))) {
        return false;
    }
    faults->counts.churn_exponential += state->churn == CHURN_EXPONENTIAL;
    faults->counts.churn_weibull += state->churn == CHURN_WEIBULL;
    state->gone = draw(faults, faults->rates.gone);
    faults->counts.gone += state->gone;
    crash(faults, host, DOWN_S);
    state->by_book = host->index % 3 == 1 && state->disk.n_blobs > BOOK_ENOUGH;
    return true;
}

static void set_clock(struct kith_sim_faults *faults, struct kith_sim_host *host, int64_t off_us) {
    uint64_t now = faults->world->now;
    state_of(faults, host)->clock_off_us = off_us;
    kith_core_set_clock(host->core, KITH_SIM_WALL_US + now / KITH_NS_PER_US + (uint64_t)off_us,
                        now);
}

static void jump_clock(struct kith_sim_faults *faults, struct kith_sim_host *host) {
    static const int64_t hours[] = {-400 * 24, -24, -1, 1, 24, 400 * 24};
    uint64_t which = kith_sim_random_below(&faults->random, sizeof(hours) / sizeof(hours[0]));
    faults->counts.clock_jump++;
    set_clock(faults, host, hours[which] * 3600 * 1000000);
}

static void ban(struct kith_sim_faults *faults, struct kith_sim_host *host) {
    struct kith_sim_fault_host *state = state_of(faults, host);
    uint32_t who = (uint32_t)kith_sim_random_below(&faults->random, faults->world->n_hosts);
    struct kith_ban_info info = {
        .is_key = true, .key = faults->world->hosts[who]->key, .left_s = UINT64_MAX};
    if (who < KITH_SIM_FAULTS_SEEDS || who == host->index || state->banned != 0) {
        return;
    }
    enter(faults, host);
    int r = kith_core_ban(host->core, &info, faults->world->now);
    kith_sim_world_settle(faults->world, host);
    if (r == 0) {
        faults->counts.ban++;
        state->banned = who;
        state->banned_at = faults->world->now;
    }
}

static void step_host(struct kith_sim_faults *faults, struct kith_sim_host *host) {
    struct kith_sim_fault_host *state = state_of(faults, host);
    const struct kith_sim_fault_rates *rates = &faults->rates;
    if (maybe_crash(faults, host) || maybe_leave(faults, host)) {
        return;
    }
    if (draw(faults, SNAPSHOT_PPM)) {
        kith_sim_disk_copy(&state->old, &state->disk);
    }
    if (draw(faults, rates->pause)) {
        faults->counts.pause++;
        state->paused_until = in_s(faults, PAUSE_S);
    }
    if (draw(faults, rates->ban)) {
        ban(faults, host);
    }
    if (draw(faults, rates->clock_jump)) {
        jump_clock(faults, host);
    }
    if (draw(faults, rates->no_memory)) {
        state->fail_at = 1 + (uint32_t)kith_sim_random_below(&faults->random, FAIL_WITHIN);
        state->fail_on = draw(faults, KITH_SIM_PPM / 2);
    }
    if (state->nat.kind != KITH_SIM_NAT_NONE && draw(faults, rates->nat_rebind)) {
        faults->counts.nat_rebind++;
        kith_sim_nat_rebind(&state->nat);
    }
}

void kith_sim_faults_step(struct kith_sim_faults *faults) {
    struct kith_sim_world *world = faults->world;
    kith_sim_watch_end(&faults->watch);
    faults->counts.repeated = faults->watch.n_repeated;
    bool save = world->now / KITH_NS_PER_S % BOOK_SAVE_S == 0;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct kith_sim_host *host = world->hosts[i];
        struct kith_sim_fault_host *state = state_of(faults, host);
        if (host->core == NULL && !state->gone && state->down_until <= world->now) {
            start(faults, host);
        }
        if (host->core != NULL && save) {
            kith_sim_disk_take_book(&state->disk, host->core);
        }
        if (host->core != NULL && faults->on) {
            step_host(faults, host);
        }
    }
    if (!faults->on) {
        return;
    }
    if (draw(faults, faults->rates.join) && world->n_hosts < faults->hosts_max) {
        faults->counts.join += kith_sim_faults_add(faults) != NULL;
    }
    if (draw(faults, faults->rates.mass_leave)) {
        mass_leave(faults);
    }
    if (draw(faults, faults->rates.mass_join)) {
        mass_join(faults);
    }
    if (draw(faults, faults->rates.seeds_lost)) {
        lose_seeds(faults);
    }
}

void kith_sim_faults_heal(struct kith_sim_faults *faults) {
    struct kith_sim_world *world = faults->world;
    faults->on = false;
    faults->net.on = false;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct kith_sim_host *host = world->hosts[i];
        struct kith_sim_fault_host *state = state_of(faults, host);
        state->fail_at = 0;
        state->paused_until = 0;
        state->clock_off_us = 0;
        if (host->core == NULL) {
            if (!state->gone) {
                start(faults, host);
            }
        } else {
            set_clock(faults, host, 0);
            lift_bans(faults, host);
            kith_sim_world_settle(world, host); /* it may wake earlier now */
        }
    }
}

/* ---- the whole ---- */

bool kith_sim_faults_is_public(const struct kith_sim_faults *faults,
                               const struct kith_sim_host *host) {
    return host->core != NULL && !host->client &&
           faults->hosts[host->index].nat.kind == KITH_SIM_NAT_NONE;
}

bool kith_sim_faults_gone(const struct kith_sim_faults *faults, const struct kith_sim_host *host) {
    return faults->hosts[host->index].gone;
}

bool kith_sim_faults_crowded(const struct kith_sim_faults *faults,
                             const struct kith_sim_host *host) {
    return faults->hosts[host->index].crowded;
}

bool kith_sim_faults_banned(const struct kith_sim_faults *faults, const struct kith_sim_host *host,
                            uint32_t other) {
    return other != 0 && faults->hosts[host->index].banned == other;
}

bool kith_sim_faults_has_alias(const struct kith_sim_faults *faults,
                               const struct kith_sim_host *host,
                               const struct kith_endpoint *endpoint) {
    return host->index < KITH_SIM_FAULTS_SEEDS &&
           kith_endpoint_equal(&faults->aliases[host->index], endpoint);
}

enum kith_sim_nat_kind kith_sim_faults_nat(const struct kith_sim_faults *faults,
                                           const struct kith_sim_host *host) {
    return faults->hosts[host->index].nat.kind;
}

void kith_sim_faults_init(struct kith_sim_faults *faults, struct kith_sim_world *world,
                          uint32_t hosts_max, const char *without) {
    *faults = (struct kith_sim_faults){.world = world, .on = true, .hosts_max = hosts_max};
    faults->hosts = kith_sim_allocate(hosts_max * sizeof(struct kith_sim_fault_host));
    kith_sim_random_seed(&faults->random, kith_sim_mix(world->config.seed, STREAM_FAULTS, 0));
    kith_sim_fault_draw(&faults->rates, &faults->random, without);
    faults->families = draw(faults, KITH_SIM_PPM / 2) ? 4 : 0;
    faults->mean_session_s =
        SESSION_MIN_S +
        (uint32_t)kith_sim_random_below(&faults->random, SESSION_MAX_S - SESSION_MIN_S + 1);
    kith_sim_net_init(&faults->net, world->config.seed, &world->network, &faults->rates,
                      &faults->counts);
    faults->proxies.count = &faults->counts.proxy;
    kith_sim_network_new_address(&world->network, 4, &faults->proxies.trap);
    for (unsigned i = 0; i < KITH_SIM_FAULTS_SEEDS; i++) {
        kith_sim_network_new_address(&world->network, 4, &faults->aliases[i]);
    }
    world->hooks = (struct kith_sim_hooks){
        .configure = configure,
        .enter = enter,
        .leave = leave,
        .may_send = may_send,
        .may_receive = may_receive,
        .paused_until = paused_until,
        .saved = saved,
        .context = faults,
    };
}

void kith_sim_faults_deinit(struct kith_sim_faults *faults) {
    for (uint32_t i = 0; i < faults->hosts_max; i++) {
        kith_sim_sources_deinit(&faults->hosts[i].sources);
        kith_sim_disk_clear(&faults->hosts[i].disk);
        kith_sim_disk_clear(&faults->hosts[i].old);
    }
    kith_sim_net_deinit(&faults->net);
    kith_sim_watch_deinit(&faults->watch);
    free(faults->hosts);
    kith_sim_set_deinit(&faults->heard);
    faults->world->hooks = (struct kith_sim_hooks){0};
    *faults = (struct kith_sim_faults){0};
}

void kith_sim_faults_report(const struct kith_sim_faults *faults, struct kith_sim_report *report) {
#define REPORT(name, help, most)                                                                   \
    kith_sim_report_number(report, "fault_" #name, (double)faults->counts.name, 0);
    KITH_SIM_FAULT_MAP(REPORT)
#undef REPORT
}
