/* SPDX-License-Identifier: MIT */
/*
 * lan_peers: from mDNS entries to peers.
 *
 * A peer is what one instance name stands for. Its entries come and go one by one and resolve in
 * any order; every change marks the peer dirty, and only when the news is fetched are the entries
 * folded into a `kith_lan_peer` and compared with what was told last. So a burst of changes costs
 * one piece of news, a full queue behind loses nothing, and a peer that came and went meanwhile is
 * never mentioned. A peer without entries lives on until its goodbye has been fetched.
 *
 * Two links may have different owners of one name. The entry that resolved first decides the key;
 * endpoints under another key are left out, as an answer that contradicts itself.
 *
 * Bounds: KITH_LAN_PEERS_MAX peers with KITH_LAN_ENDPOINTS_MAX entries. At the bound a newcomer
 * takes the place of the oldest that did not answer the node, else of the oldest that nobody
 * resolved: a lie becomes one of these within a second, so lies that were told first keep no true
 * node out. Search is linear: 512 short strings, a few times per event that mDNS itself limits to
 * one per second and record.
 */
#include "shell/lan_peers.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/endpoint.h"
#include "core/base/id.h"

void kith_lan_peers_init(struct kith_lan_peers *peers, const struct kith_key *own) {
    *peers = (struct kith_lan_peers){.own = *own};
    kith_list_init(&peers->peers);
    kith_list_init(&peers->dirty);
}

static struct kith_lan_entry *entry_of(struct kith_list *node) {
    return kith_container_of(node, struct kith_lan_entry, node);
}

static void peer_mark(struct kith_lan_peers *peers, struct kith_lan_tracked *peer) {
    if (kith_list_empty(&peer->dirty)) {
        kith_list_append(&peers->dirty, &peer->dirty);
    }
}

static void peer_free(struct kith_lan_peers *peers, struct kith_lan_tracked *peer) {
    kith_list_remove(&peer->dirty);
    kith_list_remove(&peer->node);
    peers->n_peers--;
    free(peer);
}

static void entry_free(struct kith_lan_entry *entry) {
    kith_list_remove(&entry->queue);
    kith_list_remove(&entry->node);
    entry->peer->n_entries--;
    free(entry);
}

void kith_lan_peers_deinit(struct kith_lan_peers *peers) {
    struct kith_list *n;

    while ((n = kith_list_first(&peers->peers)) != NULL) {
        struct kith_lan_tracked *peer = kith_container_of(n, struct kith_lan_tracked, node);
        struct kith_list *e;
        while ((e = kith_list_first(&peer->entries)) != NULL) {
            entry_free(entry_of(e));
        }
        peer_free(peers, peer);
    }
}

/* ---- entries ---- */

struct kith_lan_tracked *kith_lan_peers_find(struct kith_lan_peers *peers, const char *instance) {
    for (struct kith_list *n = kith_list_first(&peers->peers); n != NULL;
         n = kith_list_next(&peers->peers, n)) {
        struct kith_lan_tracked *peer = kith_container_of(n, struct kith_lan_tracked, node);
        if (strcmp(peer->instance, instance) == 0) {
            return peer;
        }
    }
    return NULL;
}

static struct kith_lan_entry *peer_entry(struct kith_lan_tracked *peer, uint32_t interface,
                                         uint8_t family) {
    for (struct kith_list *n = kith_list_first(&peer->entries); n != NULL;
         n = kith_list_next(&peer->entries, n)) {
        struct kith_lan_entry *entry = entry_of(n);
        if (entry->interface == interface && entry->family == family) {
            return entry;
        }
    }
    return NULL;
}

struct kith_lan_entry *kith_lan_entry_find(struct kith_lan_peers *peers, uint32_t interface,
                                           uint8_t family, const char *instance) {
    struct kith_lan_tracked *peer = kith_lan_peers_find(peers, instance);

    return peer == NULL ? NULL : peer_entry(peer, interface, family);
}

static struct kith_lan_tracked *peer_new(struct kith_lan_peers *peers, const char *instance) {
    struct kith_lan_tracked *peer = calloc(1, sizeof(*peer));

    if (peer == NULL) {
        return NULL;
    }
    memcpy(peer->instance, instance, strlen(instance) + 1); /* valid: 63 bytes at most */
    kith_list_init(&peer->entries);
    kith_list_append(&peers->peers, &peer->node);
    peers->n_peers++;
    return peer;
}

int kith_lan_entry_add(struct kith_lan_peers *peers, uint32_t interface, uint8_t family,
                       const char *instance, struct kith_lan_entry **ret) {
    if (!kith_lan_instance_valid(instance)) {
        return KITH_ESYNTAX;
    }
    struct kith_lan_tracked *peer = kith_lan_peers_find(peers, instance);
    if (peer != NULL && peer_entry(peer, interface, family) != NULL) {
        return KITH_EEXISTS;
    }
    if (peer == NULL ? peers->n_peers >= KITH_LAN_PEERS_MAX
                     : peer->n_entries >= KITH_LAN_ENDPOINTS_MAX) {
        return KITH_EFULL;
    }
    struct kith_lan_entry *entry = calloc(1, sizeof(*entry));
    if (entry != NULL && peer == NULL) {
        peer = peer_new(peers, instance);
    }
    if (peer == NULL || entry == NULL) {
        free(entry);
        return KITH_ENOMEM;
    }
    entry->peer = peer;
    entry->interface = interface;
    entry->family = family;
    kith_list_append(&peer->entries, &entry->node);
    peer->n_entries++;
    *ret = entry;
    return 0;
}

struct kith_lan_tracked *kith_lan_peers_to_yield(const struct kith_lan_peers *peers) {
    struct kith_lan_tracked *unresolved = NULL;

    for (struct kith_list *n = kith_list_first(&peers->peers); n != NULL;
         n = kith_list_next(&peers->peers, n)) {
        struct kith_lan_tracked *peer = kith_container_of(n, struct kith_lan_tracked, node);
        if (peer->silent && peer->n_entries > 0) {
            return peer;
        }
        if (unresolved == NULL && !peer->told && peer->n_entries > 0 &&
            kith_list_empty(&peer->dirty)) {
            unresolved = peer;
        }
    }
    return unresolved;
}

void kith_lan_entry_remove(struct kith_lan_peers *peers, struct kith_lan_entry *entry) {
    struct kith_lan_tracked *peer = entry->peer;

    entry_free(entry);
    if (peer->n_entries == 0 && !peer->told) {
        peer_free(peers, peer);
    } else {
        peer_mark(peers, peer);
    }
}

void kith_lan_entry_resolved(struct kith_lan_peers *peers, struct kith_lan_entry *entry,
                             const struct kith_lan_txt_info *info,
                             const struct kith_endpoint *endpoint) {
    entry->resolved = true;
    entry->info = *info;
    entry->endpoint = *endpoint;
    peer_mark(peers, entry->peer);
}

void kith_lan_entry_unresolved(struct kith_lan_peers *peers, struct kith_lan_entry *entry) {
    entry->resolved = false;
    peer_mark(peers, entry->peer);
}

/* ---- news ---- */

static bool has_endpoint(const struct kith_lan_peer *peer, const struct kith_endpoint *endpoint) {
    for (uint32_t i = 0; i < peer->n_endpoints; i++) {
        if (kith_endpoint_equal(&peer->endpoints[i], endpoint)) {
            return true;
        }
    }
    return false;
}

static bool same_key(bool has_a, const struct kith_key *a, bool has_b, const struct kith_key *b) {
    return has_a == has_b && (!has_a || kith_key_equal(a, b));
}

/* No endpoint: the peer is not there, or it is ourselves. */
static void peer_fold(const struct kith_lan_tracked *peer, const struct kith_key *own,
                      struct kith_lan_peer *ret) {
    memset(ret, 0, sizeof(*ret)); /* padding too: nothing of ours may leak through a copy */
    memcpy(ret->instance, peer->instance, sizeof(ret->instance));
    for (struct kith_list *n = kith_list_first(&peer->entries); n != NULL;
         n = kith_list_next(&peer->entries, n)) {
        const struct kith_lan_entry *entry = entry_of(n);
        const struct kith_lan_txt_info *info = &entry->info;
        if (!entry->resolved || (info->has_key && kith_key_equal(&info->key, own))) {
            continue;
        }
        if (ret->n_endpoints == 0) {
            ret->has_key = info->has_key;
            ret->key = info->key;
        }
        if (same_key(ret->has_key, &ret->key, info->has_key, &info->key) &&
            !has_endpoint(ret, &entry->endpoint)) {
            ret->endpoints[ret->n_endpoints++] = entry->endpoint;
        }
    }
}

static bool same_peer(const struct kith_lan_peer *a, const struct kith_lan_peer *b) {
    if (a->n_endpoints != b->n_endpoints || !same_key(a->has_key, &a->key, b->has_key, &b->key)) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_endpoints; i++) {
        if (!has_endpoint(b, &a->endpoints[i])) {
            return false;
        }
    }
    return true;
}

/* What there is to tell of a peer, if anything. */
static bool peer_news(struct kith_lan_tracked *peer, const struct kith_key *own,
                      struct kith_lan_peer *ret, bool *ret_present) {
    struct kith_lan_peer now;

    peer_fold(peer, own, &now);
    if (now.n_endpoints == 0) {
        if (!peer->told) {
            return false;
        }
        peer->told = false;
        *ret = peer->last;
        *ret_present = false;
        return true;
    }
    if (peer->told && same_peer(&now, &peer->last)) {
        return false;
    }
    peer->told = true;
    peer->silent = false;
    peer->last = now;
    *ret = now;
    *ret_present = true;
    return true;
}

bool kith_lan_peers_next(struct kith_lan_peers *peers, struct kith_lan_peer *ret,
                         bool *ret_present) {
    struct kith_list *n;
    bool news = false;

    while (!news && (n = kith_list_first(&peers->dirty)) != NULL) {
        struct kith_lan_tracked *peer = kith_container_of(n, struct kith_lan_tracked, dirty);
        kith_list_remove(n);
        news = peer_news(peer, &peers->own, ret, ret_present);
        if (peer->n_entries == 0) {
            peer_free(peers, peer);
        }
    }
    return news;
}
