/* SPDX-License-Identifier: MIT */
/*
 * The whole node: hands datagrams, deadlines and commands to its parts. No protocol decisions of
 * its own beyond telling dialects apart by the first byte.
 */
#include "core/core_internal.h"

static void deliver(struct kith_core *core, struct kith_delivery *delivery, uint64_t now) {
    switch (delivery->kind) {
    case KITH_DELIVERY_NONE:
    case KITH_DELIVERY_PLAIN: /* the sessions make none */
        break;
    case KITH_DELIVERY_IAM:
        kith_maintain_key(&core->maintain, &delivery->key, &delivery->from, now);
        kith_locals_key(&core->locals, &delivery->key, &delivery->from, now);
        kith_keeper_key(&core->keeper, &delivery->key, &delivery->from, now);
        kith_ops_peer_key(&core->ops, &delivery->key, &delivery->from, now);
        break;
    case KITH_DELIVERY_INITIATION:
        kith_reach_heard(&core->reach, &delivery->from, now);
        kith_swarm_receive(&core->swarm, delivery, now);
        break;
    case KITH_DELIVERY_RESPONSE:
    case KITH_DELIVERY_DATA:
        if (delivery->roamed && kith_roam_receive(core, delivery, now)) {
            break;
        }
        if (!delivery->roamed) {
            kith_locals_heard(&core->locals, &delivery->key, &delivery->from, now);
        }
        kith_swarm_receive(&core->swarm, delivery, now);
        break;
    }
}

static void look(struct kith_core *core, uint64_t now) {
    kith_maintain_look(&core->maintain, now);
    kith_repair_look(&core->repair, now);
    kith_publish_look(&core->publish, now);
    if (core->mainline != NULL) {
        kith_mainline_look(core->mainline, now);
    }
    if (core->untold != 0) {
        kith_core_tell_again(core, now);
    }
}

void kith_core_receive(struct kith_core *core, const struct kith_endpoint *from,
                       const uint8_t *bytes, size_t size, uint64_t now) {
    struct kith_stats *stats = &core->env.stats;
    kith_events_settle(&core->events);
    stats->rx_datagrams++;
    stats->rx_bytes += size;
    bool for_mainline = core->mainline != NULL && size > 0 && bytes[0] == 'd';
    if (size == 0 || size > (for_mainline ? KITH_RECEIVE_MAX : KITH_DATAGRAM_MAX)) {
        stats->drop_empty++;
        return;
    }
    if (!kith_endpoint_usable(from)) {
        stats->drop_source++;
        return;
    }
    if (kith_keeper_banned(&core->keeper, NULL, from, now)) {
        stats->drop_banned++;
        return;
    }
    if (for_mainline) {
        kith_mainline_receive(core->mainline, from, kith_span(bytes, size), now);
        look(core, now);
        return;
    }
    struct kith_delivery delivery = {.kind = KITH_DELIVERY_NONE};
    kith_sessions_receive(core->sessions, from, kith_span(bytes, size), now, &delivery);
    if (delivery.kind != KITH_DELIVERY_NONE &&
        kith_keeper_banned(&core->keeper, &delivery.key, NULL, now)) {
        stats->drop_banned++;
    } else {
        deliver(core, &delivery, now);
    }
    look(core, now);
}

void kith_core_tick(struct kith_core *core, uint64_t now) {
    kith_events_settle(&core->events);
    kith_timers_run(&core->env.timers, now);
    kith_store_expire(core->store, now);
    if (core->mainline != NULL) {
        kith_mainline_expire(core->mainline, now);
    }
    look(core, now);
}

bool kith_core_next_datagram(struct kith_core *core, struct kith_datagram *ret) {
    return kith_outbox_next(&core->env.outbox, ret);
}

bool kith_core_next_event(struct kith_core *core, struct kith_core_event *ret) {
    return kith_events_next(&core->events, ret);
}

uint64_t kith_core_deadline(const struct kith_core *core) {
    uint64_t timers = kith_timers_next(&core->env.timers);
    uint64_t store = kith_store_deadline(core->store);
    return timers < store ? timers : store;
}

/* ---- what the shell tells the core ---- */

void kith_core_set_clock(struct kith_core *core, uint64_t wall_us, uint64_t now) {
    core->env.wall_us = wall_us;
    core->env.wall_at = now;
}

void kith_core_set_bound(struct kith_core *core, const struct kith_endpoint *bound, size_t n,
                         uint64_t now) {
    kith_publish_bound(&core->publish, bound, n, now);
    kith_core_tell_own(core);
}

void kith_core_network_changed(struct kith_core *core, uint64_t now) {
    kith_change_seen(&core->change, now);
}

int kith_core_add_contact(struct kith_core *core, const struct kith_contact *contact,
                          enum kith_contact_source source, uint64_t now) {
    return kith_maintain_add(&core->maintain, contact, source, now);
}

int kith_core_mainline_add(struct kith_core *core, const struct kith_endpoint *endpoint,
                           enum kith_contact_source source, uint64_t now) {
    return core->mainline == NULL ? KITH_EINVALID
                                  : kith_mainline_add(core->mainline, endpoint, source, now);
}

size_t kith_core_mainline_known(const struct kith_core *core, uint8_t family, size_t n,
                                struct kith_endpoint *out) {
    return core->mainline == NULL ? 0 : kith_mainline_known(core->mainline, family, n, out);
}

void kith_core_mainline_remove(struct kith_core *core, const struct kith_endpoint *endpoint) {
    if (core->mainline != NULL) {
        kith_mainline_remove(core->mainline, endpoint);
    }
}

void kith_core_remove_contact(struct kith_core *core, const struct kith_endpoint *endpoint) {
    kith_maintain_remove(&core->maintain, endpoint);
}

int kith_core_local_appeared(struct kith_core *core, const struct kith_local_report *report,
                             uint64_t now) {
    return kith_locals_appeared(&core->locals, report, now);
}

void kith_core_local_vanished(struct kith_core *core, const char *name, uint64_t now) {
    kith_locals_vanished(&core->locals, name, now);
}

void kith_core_local_watch(struct kith_core *core, uint64_t now) {
    kith_locals_watch(&core->locals, now);
}

void kith_core_expect_contacts(struct kith_core *core, bool kith, bool mainline) {
    core->maintain.expecting = kith;
    if (core->mainline != NULL) {
        kith_mainline_expect(core->mainline, mainline);
    }
}

static int restore_own(struct kith_core *core, const struct kith_core_saved *saved,
                       const struct kith_record_view *view, uint64_t now) {
    struct kith_point point = saved->topic;
    if (!saved->is_announcement) {
        kith_record_point(view, &point);
    }
    int r = kith_own_set(&core->publish.own, saved->record, &point, saved->is_announcement,
                         saved->swarms != 0 ? saved->swarms : KITH_SWARM_KITH, now);
    if (r == 0) {
        /* Goes out again after joining: the swarm may have forgotten it while we were away. */
        kith_own_find(&core->publish.own, &point, saved->is_announcement)->pending = true;
    }
    return r;
}

static int restore_held(struct kith_core *core, const struct kith_core_saved *saved,
                        const struct kith_record_view *view, uint64_t now) {
    struct kith_store_put put = {
        .view = view,
        .point = saved->topic,
        .is_announcement = saved->is_announcement,
        .lifetime_ns = saved->lifetime_ns,
    };
    if (!saved->is_announcement) {
        kith_record_point(view, &put.point);
    }
    core->restoring = true;
    int r = kith_store_put(core->store, &put, now, NULL);
    core->restoring = false;
    kith_repair_stored(&core->repair, &put.point, view, true, now);
    return r == KITH_STORE_FULL ? KITH_EFULL : r < 0 ? r : 0;
}

int kith_core_restore(struct kith_core *core, const struct kith_core_saved *saved, uint64_t now) {
    struct kith_record_view view;
    kith_record_view(saved->record, &view);
    int r = kith_record_verify(&view, core->env.curve, NULL);
    if (r < 0) {
        return r;
    }
    return saved->own ? restore_own(core, saved, &view, now)
                      : restore_held(core, saved, &view, now);
}

/* ---- what the application asks ---- */

int kith_core_start(struct kith_core *core, const struct kith_query *query, uint64_t now,
                    uint64_t *ret_op) {
    kith_events_settle(&core->events);
    return kith_ops_start(&core->ops, query, now, ret_op);
}

void kith_core_cancel(struct kith_core *core, uint64_t op, uint64_t now) {
    kith_events_settle(&core->events);
    kith_ops_cancel(&core->ops, op, now);
}

int kith_core_talk_handle(struct kith_core *core, const char *protocol, bool on) {
    return kith_serve_talk_handle(&core->serve, protocol, on);
}

void kith_core_talk_answer(struct kith_core *core, uint64_t token, int status, const void *bytes,
                           size_t size, uint64_t now) {
    kith_serve_talk_answer(&core->serve, token, status, kith_span(bytes, size), now);
}
