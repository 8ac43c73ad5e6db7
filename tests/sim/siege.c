/* SPDX-License-Identifier: MIT */
#include "sim/siege.h"

#include <stdlib.h>

#include "core/core_internal.h"
#include "sim/memory.h"

enum {
    VALUE_RANDOM = 24,
};

void kith_sim_siege_choose(struct kith_sim_siege *siege, uint32_t n) {
    siege->items = kith_sim_allocate(n * sizeof(*siege->items));
    siege->n_items = n;
    for (uint32_t i = 0; i < n; i++) {
        struct kith_sim_item *item = &siege->items[i];
        item->author = kith_sim_gang_victim(&siege->gang);
        kith_sim_random_fill(&siege->gang.world->random, item->salt, sizeof(item->salt));
        kith_point_of_record(&item->author->key, kith_span(item->salt, sizeof(item->salt)),
                             &item->point);
    }
}

static struct kith_sim_ask *ask_put(struct kith_sim_world *world, uint32_t i, void *context) {
    struct kith_sim_siege *siege = context;
    struct kith_sim_item *item = &siege->items[i];
    uint8_t bytes[VALUE_RANDOM];
    uint8_t value[KITH_VALUE_MAX];
    struct kith_query query = {.kind = KITH_QUERY_PUT, .value = value};
    uint16_t size;
    kith_sim_random_fill(&world->random, bytes, sizeof(bytes));
    if (kith_value_wrap(bytes, sizeof(bytes), value, &size) < 0) {
        kith_sim_panic("a value cannot be wrapped");
    }
    query.value_size = size;
    query.salt_size = sizeof(item->salt);
    memcpy(query.salt, item->salt, sizeof(item->salt));
    struct kith_sim_ask *ask = kith_sim_world_ask(world, item->author, &query);
    ask->user = item;
    return ask;
}

static struct kith_sim_ask *ask_get(struct kith_sim_world *world, uint32_t i, void *context) {
    struct kith_sim_siege *siege = context;
    const struct kith_sim_item *item = &siege->items[i % siege->n_items];
    struct kith_query query = {.kind = KITH_QUERY_GET,
                               .flags = KITH_FLAG_HAS_KEY | siege->get_flags,
                               .key = item->author->key};
    struct kith_sim_host *reader = kith_sim_gang_victim(&siege->gang);
    while (reader == item->author) {
        reader = kith_sim_gang_victim(&siege->gang);
    }
    query.salt_size = sizeof(item->salt);
    memcpy(query.salt, item->salt, sizeof(item->salt));
    struct kith_sim_ask *ask = kith_sim_world_ask(world, reader, &query);
    ask->user = &siege->items[i % siege->n_items];
    return ask;
}

uint32_t kith_sim_siege_holders(const struct kith_sim_siege *siege,
                                const struct kith_sim_item *item, int64_t seq) {
    const struct kith_sim_world *world = siege->gang.world;
    uint32_t n = 0;
    for (uint32_t i = 0; i < world->n_hosts; i++) {
        struct kith_held held;
        const struct kith_sim_host *host = world->hosts[i];
        n += host->core != NULL && !kith_sim_gang_has(&siege->gang, host) &&
             kith_store_get(host->core->store, &item->point, world->now, &held) &&
             held.view.seq >= seq;
    }
    return n;
}

uint32_t kith_sim_siege_held(const struct kith_sim_siege *siege, bool newest) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < siege->n_items; i++) {
        const struct kith_sim_item *item = &siege->items[i];
        n += kith_sim_siege_holders(siege, item, newest ? item->seq : 0);
    }
    return n;
}

void kith_sim_siege_put(struct kith_sim_siege *siege) {
    struct kith_sim_world *world = siege->gang.world;
    uint32_t n = siege->n_items;
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(world, n, ask_put, siege);
    kith_sim_world_run_until(world, world->now + 10 * KITH_NS_PER_S); /* beyond the quorum */
    for (uint32_t i = 0; i < n; i++) {
        struct kith_sim_item *item = asks[i]->user;
        item->seq = asks[i]->status == 0 ? asks[i]->seq : item->seq;
        uint32_t holders = kith_sim_siege_holders(siege, item, item->seq);
        siege->n_put_failed += asks[i]->status != 0;
        siege->n_captured += holders == 0;
        kith_sim_samples_add(&siege->holders, holders);
        kith_sim_samples_add(&siege->put_ns, asks[i]->done_at - asks[i]->asked_at);
        kith_sim_samples_add(&siege->put_messages, asks[i]->walk.messages);
    }
    kith_sim_swarm_free_all(asks, n);
}

/* What the reader was given, whatever the reader itself thinks of it. */
static void count_read(struct kith_sim_siege *siege, const struct kith_sim_ask *ask) {
    const struct kith_sim_item *item = ask->user;
    if (ask->status != 0 || !ask->has_record) {
        return;
    }
    bool own = memcmp(ask->record.key.bytes, item->author->key.bytes, KITH_KEY_SIZE) == 0 &&
               ask->record.salt_size == sizeof(item->salt) &&
               memcmp(ask->record.salt, item->salt, sizeof(item->salt)) == 0;
    siege->n_read++;
    siege->n_read_foreign += !own;
    siege->n_read_old += own && ask->record.seq < item->seq;
}

void kith_sim_siege_get(struct kith_sim_siege *siege, uint32_t n) {
    struct kith_sim_ask **asks = kith_sim_swarm_ask_all(siege->gang.world, n, ask_get, siege);
    siege->n_gets += n;
    for (uint32_t i = 0; i < n; i++) {
        count_read(siege, asks[i]);
        kith_sim_samples_add(&siege->get_ns, asks[i]->done_at - asks[i]->asked_at);
        kith_sim_samples_add(&siege->get_messages, asks[i]->walk.messages);
    }
    kith_sim_swarm_free_all(asks, n);
}

void kith_sim_siege_report(struct kith_sim_run *run, struct kith_sim_siege *siege,
                           const struct kith_sim_siege_names *names) {
    struct kith_sim_report *r = &run->report;
    kith_sim_report_number(r, names->hostile, siege->gang.n, 0);
    kith_sim_report_number(r, names->captured, 100.0 * siege->n_captured / siege->n_items, 3);
    kith_sim_report_number(r, names->holders, kith_sim_samples_mean(&siege->holders), 2);
    kith_sim_report_number(r, names->put_messages, kith_sim_samples_mean(&siege->put_messages), 1);
    kith_sim_report_latency(r, names->put_ms[0], names->put_ms[1], &siege->put_ns);
    kith_sim_report_number(r, names->read, 100.0 * siege->n_read / siege->n_gets, 3);
    kith_sim_report_number(r, names->get_messages, kith_sim_samples_mean(&siege->get_messages), 1);
    kith_sim_report_latency(r, names->get_ms[0], names->get_ms[1], &siege->get_ns);
    kith_sim_expect(run, siege->gang.n_asked > 0, "nobody asked the hostile ones anything");
    kith_sim_expect(run, siege->n_read_foreign == 0, "%u gets end with a record of another point",
                    siege->n_read_foreign);
}

void kith_sim_siege_deinit(struct kith_sim_siege *siege) {
    kith_sim_samples_deinit(&siege->holders);
    kith_sim_samples_deinit(&siege->put_ns);
    kith_sim_samples_deinit(&siege->put_messages);
    kith_sim_samples_deinit(&siege->get_ns);
    kith_sim_samples_deinit(&siege->get_messages);
    free(siege->items);
    kith_sim_gang_deinit(&siege->gang);
}
