/* SPDX-License-Identifier: MIT */
/*
 * torrents_internal: the shape of the store of announced peers, for torrents.c (in and out) and
 * torrents_check.c. Nobody else includes it.
 */
#ifndef KITH_CORE_TORRENTS_INTERNAL_H
#define KITH_CORE_TORRENTS_INTERNAL_H

#include "core/base/endpoint.h"
#include "core/base/keyed_hash.h"
#include "core/store/torrents.h"
#include "util/hash.h"
#include "util/heap.h"
#include "util/list.h"

/* Things in no order, so that one can be drawn at random: an array of what is embedded in them. */
struct kith_torrents_member {
    uint32_t place;
};

struct kith_torrents_set {
    struct kith_torrents_member **members;
    uint32_t n;
    uint32_t capacity;
};

/* An info-hash. Exists while it has peers. */
struct kith_torrent {
    struct kith_hash_node node;
    struct kith_heap_node by_distance;
    struct kith_torrents_member member; /* of all */
    struct kith_point hash;
    struct kith_point distance; /* info-hash XOR own id: the order of eviction */
    struct kith_torrents_set peers;
};

/* What one address prefix holds in all. Exists while that is not zero. */
struct kith_torrents_share {
    struct kith_hash_node node;
    struct kith_prefix prefix;
    uint32_t n;
    uint32_t n_here; /* scratch: of one info-hash */
};

struct kith_torrents_peer {
    struct kith_hash_node node;
    struct kith_list by_age;
    struct kith_torrents_member member; /* of its torrent's peers */
    struct kith_torrent *torrent;
    struct kith_torrents_share *share; /* NULL: an exempt address */
    struct kith_endpoint endpoint;
    uint64_t announced;
    bool seed;
};

struct kith_torrents {
    struct kith_torrents_config config;
    uint8_t hash_key[KITH_KEYED_HASH_KEY];
    struct kith_hash hashes;
    struct kith_hash peers;
    struct kith_hash shares;
    struct kith_heap by_distance; /* farthest first */
    struct kith_torrents_set all; /* info-hashes */
    struct kith_list by_age;      /* peers, the one to expire next first */
    uint32_t n_peers;
};

/* NULL if there is none. */
struct kith_torrent *kith_torrents_find(const struct kith_torrents *torrents,
                                        const struct kith_point *hash);
struct kith_torrents_peer *kith_torrents_find_peer(const struct kith_torrents *torrents,
                                                   const struct kith_torrent *torrent,
                                                   const struct kith_endpoint *endpoint);
struct kith_torrents_share *kith_torrents_find_share(const struct kith_torrents *torrents,
                                                     const struct kith_endpoint *endpoint);

#endif
