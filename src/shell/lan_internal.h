/* SPDX-License-Identifier: MIT */
/*
 * lan_internal: the LAN thread's object, shared by its three files: lan_avahi (thread, client),
 * lan_publish (our service), lan_browse (the others'). Everything in it belongs to the LAN thread.
 *
 * Avahi's callbacks only note what happened and call kith_lan_thread_wake(); all decisions are
 * made in one step function, run from the loop, that looks at the state and the time.
 */
#ifndef KITH_SHELL_LAN_INTERNAL_H
#define KITH_SHELL_LAN_INTERNAL_H

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <uv.h>

#include "shell/lan.h"
#include "shell/lan_filter.h"
#include "shell/lan_peers.h"
#include "shell/lan_poll.h"
#include "shell/lan_shared.h"
#include "shell/lan_txt.h"

#define KITH_LAN_NEVER UINT64_MAX /* as a time */

struct kith_lan_thread {
    struct kith_lan_shared *shared;
    uv_loop_t loop;
    uv_async_t wake;  /* the node has something */
    uv_timer_t timer; /* the next step */
    bool woken;       /* a step is due at once */
    bool stopping;    /* the handles are being closed */
    struct kith_lan_poll *poll;

    /* settings */
    struct kith_key key;
    bool publish;
    bool hide_key;
    uint16_t port;
    uint16_t port_v6;
    char subtype[KITH_LAN_SUBTYPE_SIZE];
    struct kith_lan_filter filter;

    /* client; times in milliseconds, monotonic */
    AvahiClient *client;
    AvahiClientState client_state;
    bool client_failed;
    uint64_t connect_by; /* CONNECTING: until then */
    uint64_t retry_at;   /* no client: then a new one */
    unsigned n_retries;  /* in a row */
    uint64_t running_since;

    /* our service */
    char instance[KITH_LAN_INSTANCE_SIZE];
    AvahiEntryGroup *group;
    AvahiEntryGroupState group_state;
    unsigned n_renames;
    unsigned n_stuck;          /* groups in a row that never got registered */
    struct kith_lan_plan plan; /* announced on */
    uint64_t plan_at;          /* look at the interfaces again */
    uint64_t publish_at;       /* not before */
    uint64_t registered_by;    /* REGISTERING: until then */

    /* the others */
    AvahiServiceBrowser *browser;
    bool browser_failed;
    uint64_t browse_at; /* not before */
    struct kith_lan_peers peers;
    struct kith_list queue; /* entries to resolve */
    size_t n_resolving;
    uint64_t resolve_at; /* the earliest retry */
    uint64_t yield_at;   /* resolvers make room for those that wait */
    bool newest_next;    /* of those that wait */
};

/* A step at the next turn of the loop. */
void kith_lan_thread_wake(struct kith_lan_thread *thread);
uint64_t kith_lan_thread_now(void);

/* While the client is running. */
void kith_lan_publish_step(struct kith_lan_thread *thread, uint64_t now);
/* The host's name is in doubt: off the network until the client runs again. */
void kith_lan_publish_suspend(struct kith_lan_thread *thread);
/* The client is going and takes the group along. */
void kith_lan_publish_forget(struct kith_lan_thread *thread);
uint64_t kith_lan_publish_deadline(const struct kith_lan_thread *thread);

void kith_lan_browse_step(struct kith_lan_thread *thread, uint64_t now);
/* Ask anew for everything: a name that was ours belongs to somebody else. */
void kith_lan_browse_restart(struct kith_lan_thread *thread);
void kith_lan_browse_refresh(struct kith_lan_thread *thread, const char *instance, uint64_t now);
/* The client is going and takes browser and resolvers along; all peers are gone. */
void kith_lan_browse_forget(struct kith_lan_thread *thread);
uint64_t kith_lan_browse_deadline(const struct kith_lan_thread *thread);

/* kith_lan_open() with an instance name chosen by the caller, NULL: a random one. For tests of
 * collisions. */
KITH_MUST_CHECK int kith_lan_open_as(struct kith_lan **ret, const struct kith_lan_config *config,
                                     const char *instance);

#endif
