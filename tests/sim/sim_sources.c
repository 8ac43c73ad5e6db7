/* SPDX-License-Identifier: MIT */
#include "sim/sim_sources.h"

#include <stdlib.h>
#include <string.h>

#include "sim/memory.h"
#include "sim/oracle.h"

void kith_sim_sources_deinit(struct kith_sim_sources *sources) {
    free(sources->of);
    *sources = (struct kith_sim_sources){0};
}

static uint64_t net_of(const struct kith_endpoint *endpoint) {
    uint64_t net = endpoint->family;
    for (unsigned i = 0; i < (endpoint->family == 4 ? 3u : 6u); i++) {
        net = net << 8 | endpoint->ip[i];
    }
    return net;
}

static uint64_t item_of(const struct kith_point *point, bool is_mutable,
                        const struct kith_key *key) {
    uint64_t words[8] = {0};
    uint64_t hash = is_mutable;
    memcpy(words, point->bytes, sizeof(point->bytes));
    if (is_mutable) {
        memcpy(words + 4, key->bytes, sizeof(key->bytes));
    }
    for (unsigned i = 0; i < 8; i++) {
        hash = kith_sim_mix(hash, words[i], i);
    }
    return hash;
}

static struct kith_point point_of(const struct kith_core_saved *saved) {
    struct kith_point point = saved->topic;
    if (!saved->is_announcement) {
        kith_record_point(
            &(struct kith_record_view){
                .is_mutable = saved->record->is_mutable,
                .key = saved->record->key.bytes,
                .salt = kith_span(saved->record->salt, saved->record->salt_size),
                .value = kith_span(saved->record->value, saved->record->value_size)},
            &point);
    }
    return point;
}

static struct kith_sim_source *find(const struct kith_sim_sources *sources, uint64_t item) {
    for (uint32_t i = 0; i < sources->n; i++) {
        if (sources->of[i].item == item) {
            return &sources->of[i];
        }
    }
    return NULL;
}

static void add(struct kith_sim_sources *sources, uint64_t item, uint64_t net, uint64_t ends,
                int64_t seq) {
    sources->of = kith_sim_resize(sources->of, (sources->n + 1) * sizeof(struct kith_sim_source));
    sources->of[sources->n++] = (struct kith_sim_source){item, net, ends, seq};
}

struct restoring {
    struct kith_sim_sources *sources;
    uint64_t now;
};

static int add_restored(const struct kith_record_info *info, void *user) {
    const struct restoring *restoring = user;
    if (!info->own) {
        add(restoring->sources, item_of(&info->point, info->is_mutable, &info->key), 0,
            restoring->now + info->expires_ns, info->seq);
    }
    return 0;
}

void kith_sim_sources_restored(struct kith_sim_sources *sources, const struct kith_sim_host *host,
                               uint64_t now) {
    struct restoring restoring = {.sources = sources, .now = now};
    sources->n = 0;
    kith_core_each_record(host->core, now, add_restored, &restoring);
}

/* Of the item, now that it is held with this seq. */
static uint64_t net_since(const struct kith_sim_source *source, int64_t seq) {
    return source->net == 0 && source->seq != seq ? KITH_SIM_NET_UNKNOWN : source->net;
}

void kith_sim_sources_saved(struct kith_sim_sources *sources, const struct kith_core_saved *saved,
                            const struct kith_endpoint *from, uint64_t now) {
    struct kith_point point = point_of(saved);
    uint64_t item = item_of(&point, saved->record->is_mutable, &saved->record->key);
    struct kith_sim_source *source = find(sources, item);
    if (source != NULL) { /* a newer version is on the account of the first, if that was told */
        source->net = net_since(source, saved->record->seq);
        source->seq = saved->record->seq;
        source->ends = now + saved->lifetime_ns;
    } else {
        add(sources, item, from == NULL ? 0 : net_of(from), now + saved->lifetime_ns,
            saved->record->seq);
    }
}

struct kept {
    const struct kith_sim_sources *sources;
    const struct kith_sim_host *host;
    const struct kith_point *point; /* of what was given up */
    uint64_t net;
    uint64_t newcomer; /* of whom the room was made for, and whose saving is told after this */
    bool farther;      /* one of the same net is */
    uint32_t n_same;
    uint64_t *nets; /* of all that are kept */
    uint32_t n;
};

static int look_at_kept(const struct kith_record_info *info, void *user) {
    struct kept *kept = user;
    const struct kith_sim_source *source =
        find(kept->sources, item_of(&info->point, info->is_mutable, &info->key));
    uint64_t net = source == NULL ? kept->newcomer : net_since(source, info->seq);
    if (info->own) {
        return 0;
    }
    kept->farther |=
        net == kept->net && kith_sim_oracle_nearer(&kept->host->id, kept->point, &info->point);
    kept->n_same += kith_point_equal(kept->point, &info->point);
    kept->nets = kith_sim_resize(kept->nets, (kept->n + 1) * sizeof(kept->nets[0]));
    kept->nets[kept->n++] = net;
    return 0;
}

static uint32_t count_net(const struct kept *kept, uint64_t net) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < kept->n; i++) {
        n += kept->nets[i] == net;
    }
    return n;
}

/* The most that any net is left with, at least. */
static uint32_t count_largest(const struct kept *kept) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < kept->n; i++) {
        uint32_t n = kept->nets[i] == KITH_SIM_NET_UNKNOWN ? 0 : count_net(kept, kept->nets[i]);
        most = n > most ? n : most;
    }
    return most;
}

/* A record is given up at the end of its life or for want of room, an announcement in a full topic,
 * too. What counts is numbers, so no run has a limit of bytes that is reached first. */
const char *kith_sim_sources_forgotten(struct kith_sim_sources *sources,
                                       const struct kith_sim_host *host,
                                       const struct kith_core_saved *saved,
                                       const struct kith_endpoint *from, uint32_t topic_peers,
                                       uint64_t now) {
    struct kith_point point = point_of(saved);
    struct kith_sim_source *source =
        find(sources, item_of(&point, saved->record->is_mutable, &saved->record->key));
    struct kept kept = {.sources = sources, .host = host, .point = &point};
    if (source == NULL) {
        return NULL; /* its saving was not told, for want of memory */
    }
    bool is_over = now >= source->ends;
    kept.net = source->net;
    kept.newcomer = from == NULL ? 0 : net_of(from);
    *source = sources->of[--sources->n];
    kith_core_each_record(host->core, now, look_at_kept, &kept);
    uint32_t most = count_largest(&kept);
    uint32_t had = count_net(&kept, kept.net) + count_net(&kept, KITH_SIM_NET_UNKNOWN) + 1;
    free(kept.nets);
    if (is_over || kept.net == KITH_SIM_NET_UNKNOWN ||
        (saved->is_announcement && kept.n_same >= topic_peers)) {
        return NULL;
    }
    return kept.farther ? "gave up a record and kept one of the same source that is farther from it"
           : most > had ? "gave up a record of one source, of whom another has more"
                        : NULL;
}
