/* SPDX-License-Identifier: MIT */
/*
 * lan_peers: the instances that mDNS tells of. Avahi speaks of (interface, protocol, name); here
 * these entries are gathered into peers, and what changed is told once. No Avahi, no I/O.
 */
#ifndef KITH_SHELL_LAN_PEERS_H
#define KITH_SHELL_LAN_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "shell/lan.h"
#include "shell/lan_txt.h"
#include "util/list.h"

struct kith_lan_tracked;

/* One name on one interface by one protocol, and what it resolved to. */
struct kith_lan_entry {
    struct kith_list node;  /* of the peer's entries */
    struct kith_list queue; /* free for the owner: waiting to be resolved */
    struct kith_lan_tracked *peer;
    uint32_t interface;
    uint8_t family; /* 4, 6 */
    bool resolved;  /* `info` and `endpoint` are valid */
    struct kith_lan_txt_info info;
    struct kith_endpoint endpoint;
    void *owner;          /* free for the owner */
    void *resolver;       /* free for the owner */
    unsigned n_failures;  /* free for the owner: in a row */
    uint64_t retry_at_ms; /* free for the owner: 0: not due */
    uint64_t yield_at_ms; /* free for the owner */
};

struct kith_lan_tracked {
    struct kith_list node;
    struct kith_list dirty; /* something may have to be told */
    struct kith_list entries;
    size_t n_entries;
    uint64_t refreshed_at_ms; /* free for the owner */
    bool told;                /* the node knows it, as `last` */
    bool silent;              /* the node asked it as that, and got no answer */
    char instance[KITH_LAN_INSTANCE_SIZE];
    struct kith_lan_peer last;
};

struct kith_lan_peers {
    struct kith_list peers;
    struct kith_list dirty;
    size_t n_peers;
    struct kith_key own;
};

void kith_lan_peers_init(struct kith_lan_peers *peers, const struct kith_key *own);
/* Frees all without telling anyone. */
void kith_lan_peers_deinit(struct kith_lan_peers *peers);

struct kith_lan_tracked *kith_lan_peers_find(struct kith_lan_peers *peers, const char *instance);
/* NULL if there is none. */
struct kith_lan_entry *kith_lan_entry_find(struct kith_lan_peers *peers, uint32_t interface,
                                           uint8_t family, const char *instance);
/* -> KITH_EEXISTS, KITH_ESYNTAX (not a valid name), KITH_EFULL, KITH_ENOMEM */
KITH_MUST_CHECK int kith_lan_entry_add(struct kith_lan_peers *peers, uint32_t interface,
                                       uint8_t family, const char *instance,
                                       struct kith_lan_entry **ret);
/* At the bound: who is to give way to a newcomer, or NULL: nobody. */
struct kith_lan_tracked *kith_lan_peers_to_yield(const struct kith_lan_peers *peers);
void kith_lan_entry_remove(struct kith_lan_peers *peers, struct kith_lan_entry *entry);
void kith_lan_entry_resolved(struct kith_lan_peers *peers, struct kith_lan_entry *entry,
                             const struct kith_lan_txt_info *info,
                             const struct kith_endpoint *endpoint);
void kith_lan_entry_unresolved(struct kith_lan_peers *peers, struct kith_lan_entry *entry);

/* The next piece of news, in the order of the changes; false: none. */
bool kith_lan_peers_next(struct kith_lan_peers *peers, struct kith_lan_peer *ret,
                         bool *ret_present);

#endif
