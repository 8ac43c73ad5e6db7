/* SPDX-License-Identifier: MIT */
/*
 * lan_publish: our one service, kept on the network.
 *
 * An entry group goes UNCOMMITED -> REGISTERING (names are probed, 0.75 s) -> ESTABLISHED. It can
 * end in COLLISION, found by a callback or at once by add_service on the same daemon, and then
 * takes another name: "name #2" and so on, eight times, then a fresh random one after a pause, so
 * that somebody who claims every name costs us one probe per pause. Groups are known to stay
 * REGISTERING when interfaces flap; after a time they are freed and made again, with
 * growing patience, as a loaded daemon of a large LAN takes its time.
 *
 * Sockets with different ports per family mean two services of one name, one per mDNS protocol: the
 * port stays in SRV, where it belongs.
 */
#include "shell/lan_internal.h"

#include <stdio.h>
#include <string.h>

#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <sodium/randombytes.h>

enum {
    RENAMES_MAX = 8, /* then a random name and a pause */
    RENAMES_PAUSE_MS = 10000,
    REGISTER_FIRST_MS = 4000, /* probing: normally under 1 s, 2 s with a collision */
    REGISTER_DOUBLINGS_MAX = 3,
    RETRY_MS = 5000,         /* after an error of the daemon */
    PLAN_INTERVAL_MS = 5000, /* interfaces are looked at so often */
};

static void on_group(AvahiEntryGroup *group, AvahiEntryGroupState state, void *userdata) {
    struct kith_lan_thread *thread = userdata;

    thread->group_state = state;
    kith_lan_thread_wake(thread);
}

static void name_renew(struct kith_lan_thread *thread) {
    uint8_t chance[KITH_LAN_NAME_CHANCE_SIZE];

    randombytes_buf(chance, sizeof(chance));
    kith_lan_instance_from(chance, thread->instance);
}

/* After a collision. Who has our old name is a peer: the browser has to tell us again. */
static void name_change(struct kith_lan_thread *thread, uint64_t now) {
    char *next = NULL;

    if (++thread->n_renames % RENAMES_MAX == 0) {
        thread->publish_at = now + RENAMES_PAUSE_MS;
    } else {
        next = avahi_alternative_service_name(thread->instance);
    }
    if (next != NULL && kith_lan_instance_valid(next)) {
        memcpy(thread->instance, next, strlen(next) + 1);
    } else {
        name_renew(thread);
    }
    avahi_free(next);
    kith_lan_browse_restart(thread);
}

static AvahiStringList *make_txt(const struct kith_lan_thread *thread) {
    struct kith_lan_txt txt;
    AvahiStringList *list = NULL;

    kith_lan_txt_build(thread->hide_key ? NULL : &thread->key, 0, &txt);
    for (size_t i = 0; i < txt.n; i++) {
        AvahiStringList *longer = avahi_string_list_add(list, txt.strings[i]);
        if (longer == NULL) {
            break;
        }
        list = longer;
    }
    return list;
}

static int add_service(struct kith_lan_thread *thread, AvahiIfIndex interface,
                       AvahiProtocol protocol, uint16_t port) {
    AvahiStringList *txt = make_txt(thread);
    int r = txt == NULL
                ? AVAHI_ERR_NO_MEMORY
                : avahi_entry_group_add_service_strlst(thread->group, interface, protocol, 0,
                                                       thread->instance, KITH_LAN_SERVICE, NULL,
                                                       NULL, port, txt);

    avahi_string_list_free(txt);
    if (r < 0) {
        return r;
    }
    return avahi_entry_group_add_service_subtype(thread->group, interface, protocol, 0,
                                                 thread->instance, KITH_LAN_SERVICE, NULL,
                                                 thread->subtype);
}

static int add_services(struct kith_lan_thread *thread, AvahiIfIndex interface) {
    if (thread->port_v6 == 0 || thread->port_v6 == thread->port) {
        return add_service(thread, interface, AVAHI_PROTO_UNSPEC, thread->port);
    }
    int r = add_service(thread, interface, AVAHI_PROTO_INET, thread->port);
    return r < 0 ? r : add_service(thread, interface, AVAHI_PROTO_INET6, thread->port_v6);
}

/* Fills and commits the group. Returns 0 or Avahi's error. */
static int group_commit(struct kith_lan_thread *thread) {
    const struct kith_lan_plan *plan = &thread->plan;
    int r = 0;

    if (thread->group == NULL) {
        thread->group = avahi_entry_group_new(thread->client, on_group, thread);
        if (thread->group == NULL) {
            return avahi_client_errno(thread->client);
        }
    }
    if (!avahi_entry_group_is_empty(thread->group)) {
        r = avahi_entry_group_reset(thread->group);
    }
    if (r >= 0 && plan->all) {
        r = add_services(thread, AVAHI_IF_UNSPEC);
    }
    for (size_t i = 0; r >= 0 && !plan->all && i < plan->n; i++) {
        r = add_services(thread, (AvahiIfIndex)plan->interfaces[i]);
    }
    return r < 0 ? r : avahi_entry_group_commit(thread->group);
}

static void publish_start(struct kith_lan_thread *thread, uint64_t now) {
    char text[KITH_LAN_STATE_TEXT_SIZE];

    if (!thread->plan.all && thread->plan.n == 0) {
        kith_lan_shared_tell_state(thread->shared, KITH_LAN_RUNNING,
                                   "not announced: no interface is admitted");
        thread->publish_at = KITH_LAN_NEVER; /* until the interfaces change */
        return;
    }
    int r = group_commit(thread);
    if (r >= 0) {
        thread->registered_by = now + ((uint64_t)REGISTER_FIRST_MS << thread->n_stuck);
        /* The callback may have come already, or comes later; until then it is on its way. */
        if (thread->group_state == AVAHI_ENTRY_GROUP_UNCOMMITED) {
            thread->group_state = AVAHI_ENTRY_GROUP_REGISTERING;
        }
    } else if (r == AVAHI_ERR_COLLISION) { /* another service of this daemon has the name */
        name_change(thread, now);
        kith_lan_thread_wake(thread);
    } else {
        snprintf(text, sizeof(text), "not announced: %s", avahi_strerror(r));
        kith_lan_shared_tell_state(thread->shared, KITH_LAN_RUNNING, text);
        thread->publish_at = now + RETRY_MS;
    }
}

/* Off the network; publish_start() makes a new group. */
static void group_free(struct kith_lan_thread *thread) {
    if (thread->group != NULL) {
        (void)avahi_entry_group_free(thread->group);
    }
    kith_lan_publish_forget(thread);
}

static void plan_look(struct kith_lan_thread *thread, uint64_t now) {
    struct kith_lan_plan plan;

    if (now < thread->plan_at) {
        return;
    }
    thread->plan_at = now + PLAN_INTERVAL_MS;
    kith_lan_plan_make(&thread->filter, &plan);
    if (!kith_lan_plan_equal(&plan, &thread->plan)) {
        thread->plan = plan;
        thread->publish_at = now;
        group_free(thread);
    }
}

void kith_lan_publish_step(struct kith_lan_thread *thread, uint64_t now) {
    if (!thread->publish) {
        return;
    }
    plan_look(thread, now);
    switch (thread->group_state) {
    case AVAHI_ENTRY_GROUP_REGISTERING: /* probing; or stuck */
        if (now >= thread->registered_by) {
            thread->n_stuck += thread->n_stuck < REGISTER_DOUBLINGS_MAX;
            group_free(thread);
        }
        break;
    case AVAHI_ENTRY_GROUP_ESTABLISHED: /* everybody knows */
        thread->n_stuck = 0;
        break;
    case AVAHI_ENTRY_GROUP_COLLISION: /* somebody on the network has the name */
        group_free(thread);
        name_change(thread, now);
        break;
    case AVAHI_ENTRY_GROUP_FAILURE: /* the daemon gave up on it */
        group_free(thread);
        thread->publish_at = now + RETRY_MS;
        break;
    case AVAHI_ENTRY_GROUP_UNCOMMITED:
        break;
    }
    if (thread->group_state == AVAHI_ENTRY_GROUP_UNCOMMITED && now >= thread->publish_at) {
        publish_start(thread, now);
    }
}

void kith_lan_publish_suspend(struct kith_lan_thread *thread) {
    if (thread->group_state != AVAHI_ENTRY_GROUP_UNCOMMITED) {
        group_free(thread);
    }
}

void kith_lan_publish_forget(struct kith_lan_thread *thread) {
    thread->group = NULL;
    thread->group_state = AVAHI_ENTRY_GROUP_UNCOMMITED;
    thread->registered_by = 0;
}

uint64_t kith_lan_publish_deadline(const struct kith_lan_thread *thread) {
    uint64_t at = thread->plan_at;

    if (!thread->publish) {
        return KITH_LAN_NEVER;
    }
    if (thread->group_state == AVAHI_ENTRY_GROUP_REGISTERING && thread->registered_by < at) {
        at = thread->registered_by;
    }
    if (thread->group_state == AVAHI_ENTRY_GROUP_UNCOMMITED && thread->publish_at < at) {
        at = thread->publish_at;
    }
    return at;
}
