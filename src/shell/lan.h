/* SPDX-License-Identifier: MIT */
/*
 * lan: peers on the local network through the host's Avahi daemon (mDNS, DNS-SD), on a thread and a
 * loop of its own, since libavahi-client makes blocking D-Bus calls (0.3 ms normally, 25 s when the
 * daemon hangs). Talks to the node's loop through bounded queues. Everything it tells is a hint:
 * whoever is on the LAN can claim anything; the node believes a handshake.
 *
 * Published: one service of type _kith._udp with a random instance name, under the network's
 * subtype (a hash of its name), TXT "txtvers=1", "k=<z-base-32 key>" (unless private) and
 * "f=<flags>", at most 120 bytes. Browsed: that subtype, on every admitted interface, both
 * families.
 */
#ifndef KITH_SHELL_LAN_H
#define KITH_SHELL_LAN_H

#include <uv.h>

#include "kith/error.h"
#include "kith/types.h"

struct kith_lan; /* opaque */

enum {
    KITH_LAN_PEERS_MAX = 512,   /* instances followed; then silent ones give way, counted */
    KITH_LAN_ENDPOINTS_MAX = 8, /* per peer */
    KITH_LAN_EVENTS_MAX = 1024, /* waiting for the node's loop */
    KITH_LAN_TXT_MAX = 120,
};

enum kith_lan_state {
    KITH_LAN_OFF,     /* `text` says why: disabled, not built in */
    KITH_LAN_WAITING, /* no bus or no daemon; tried again by itself */
    KITH_LAN_RUNNING,
};

/* Why something that the LAN said is ignored. */
enum kith_lan_drop {
    KITH_LAN_MALFORMED, /* name, TXT */
    KITH_LAN_ASTRAY,    /* the interface or the address is not admitted */
    KITH_LAN_SELF,      /* claims our key */
    KITH_LAN_FULL,      /* beyond a bound */
    KITH_LAN_DROPS
};

/* A peer as mDNS describes it; without a key if it keeps that private. */
struct kith_lan_peer {
    char instance[64]; /* service instance name, UTF-8, NUL-terminated */
    bool has_key;
    struct kith_key key;
    uint32_t n_endpoints;
    struct kith_endpoint endpoints[KITH_LAN_ENDPOINTS_MAX]; /* link-local IPv6 with scope */
};

struct kith_lan_config {
    uv_loop_t *loop;     /* the node's: callbacks are made from it */
    struct kith_key key; /* ours: instances that claim it are not reported */
    bool publish;        /* false: only browse (clients) */
    bool hide_key;       /* leave the key out of TXT */
    uint16_t port;       /* of the IPv4 socket, or of the only one */
    uint16_t port_v6;    /* 0: the same */
    const char *network; /* copied */
    /* Interfaces by name; patterns with '*'. Without `allow`, all but the usual virtual ones:
     * docker*, br-*, veth*, virbr*, tun*, tap*, wg*, zt*, tailscale* are left out. n_allow > 0:
     * only these. */
    const char *const *allow;
    size_t n_allow;
    const char *const *deny; /* in addition to the defaults */
    size_t n_deny;
    /* `present` false: it said goodbye, or the daemon that told us of it is gone. A peer whose
     * endpoints or key changed is reported again. */
    void (*on_peer)(void *context, const struct kith_lan_peer *peer, bool present);
    void (*on_state)(void *context, enum kith_lan_state state, const char *text);
    void *context;
};

/* Starts the thread. Never blocks on Avahi. Built without Avahi: on_state(KITH_LAN_OFF) comes once.
 * -> KITH_ENOMEM, KITH_EIO */
KITH_MUST_CHECK int kith_lan_open(struct kith_lan **ret, const struct kith_lan_config *config);
/* A peer did not answer: ask mDNS for it anew (at most once in 5 s per instance). */
void kith_lan_refresh(struct kith_lan *lan, const char *instance);
/* How often something was ignored for this reason. */
uint64_t kith_lan_n_dropped(const struct kith_lan *lan, enum kith_lan_drop why);
/*
 * Withdraws the service and ends the thread; never waits. No `on_peer` or `on_state` is called from
 * now on. `done` (may be NULL) is called from the loop when the source is gone: as soon as the
 * thread has ended, or after 500 ms if it hangs in a call to the daemon; then it is left to end by
 * itself, with all that it still needs.
 */
void kith_lan_close(struct kith_lan *lan, void (*done)(void *context), void *context);

#endif
