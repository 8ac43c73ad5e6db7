/* SPDX-License-Identifier: MIT */
/*
 * torrents: peers announced to us under Mainline info-hashes.
 *
 * One object per peer, reachable in three ways: a hash by (info-hash, IP), keyed with a secret
 * because strangers choose both; its info-hash's array, since a uniform sample needs an index; and
 * a list by age, which is also the order of expiry, since all live equally long. Info-hashes have a
 * hash, an array for samples of their own (BEP 51), and a heap by distance, farthest first, for
 * eviction: by distance for the reasons that core/store/store.c gives.
 *
 * A full info-hash still takes everybody who comes, in the place of the oldest peer of the prefix
 * that has most there, if that then still has as much as the newcomer's; else of the oldest of the
 * newcomer's own prefix; of any, drawn at random, where all have come alone. So the shares of
 * prefixes become equal, largest first (max-min): an IPv6 household has more addresses than a swarm
 * has places, and a hoster more /24s than there are quarters of it.
 *
 * The newcomer is linked before its victim goes, so that a refusal and a lack of memory cost
 * nothing that was held. Announcing is O(log n), and O(peers of the info-hash) once that is full.
 *
 * Readers leave out what has expired; it is dropped in steps of EXPIRE_STEP, by whoever comes.
 *
 * Full, with the limits that are the defaults, it takes 9 MB.
 */
#include "core/store/torrents.h"

#include <stdlib.h>
#include <string.h>

#include "core/store/torrents_internal.h"
#include "core/wire/bloom.h"
#include "util/span.h"
#include "util/timer.h"

enum {
    HASHES_DEFAULT = 2000,
    PEERS_PER_HASH_DEFAULT = 500,
    PEERS_DEFAULT = 50000,
    PER_PREFIX_DEFAULT = 500,
    EXPIRE_STEP = 64,  /* some 10 us; an announcement adds one */
    CAPACITY_MIN = 4,  /* of a set */
    RICH_DIVISOR = 64, /* with so many peers as a part of the info-hashes, and */
    RICH_MIN = 8,      /* at least so many, a prefix displaces no info-hash */
};

/* ---- sets ---- */

static int set_resize(struct kith_torrents_set *set, uint32_t capacity) {
    struct kith_torrents_member **members =
        realloc(set->members, capacity * sizeof(struct kith_torrents_member *));

    if (members == NULL) {
        return KITH_ENOMEM;
    }
    set->members = members;
    set->capacity = capacity;
    return 0;
}

static int set_add(struct kith_torrents_set *set, struct kith_torrents_member *member) {
    int r = 0;

    if (set->n == set->capacity) {
        r = set_resize(set, set->capacity == 0 ? CAPACITY_MIN : 2 * set->capacity);
    }
    if (r == 0) {
        member->place = set->n;
        set->members[set->n++] = member;
    }
    return r;
}

static void set_remove(struct kith_torrents_set *set, struct kith_torrents_member *member) {
    struct kith_torrents_member *last = set->members[--set->n];

    set->members[member->place] = last;
    last->place = member->place;
    if (set->n > CAPACITY_MIN && set->n < set->capacity / 4) {
        int r = set_resize(set, set->capacity / 2);
        (void)r; /* it stays as large as it is */
    }
}

/* The i-th of a random order, once those before it were drawn: one step of a shuffle (Fisher and
 * Yates). */
static struct kith_torrents_member *set_draw(struct kith_torrents_set *set, uint32_t i,
                                             const struct kith_random *random) {
    uint32_t j = i + (uint32_t)kith_random_below(random, set->n - i);
    struct kith_torrents_member *drawn = set->members[j];

    set->members[j] = set->members[i];
    set->members[j]->place = j;
    set->members[i] = drawn;
    drawn->place = i;
    return drawn;
}

static struct kith_torrents_peer *peer_at(const struct kith_torrent *torrent, uint32_t place) {
    return kith_container_of(torrent->peers.members[place], struct kith_torrents_peer, member);
}

static struct kith_torrents_peer *draw_peer(const struct kith_torrents *torrents,
                                            struct kith_torrent *torrent, uint32_t i) {
    return kith_container_of(set_draw(&torrent->peers, i, torrents->config.random),
                             struct kith_torrents_peer, member);
}

/* ---- finding ---- */

static void set_distance(const struct kith_torrents *torrents, struct kith_torrent *torrent) {
    for (size_t i = 0; i < sizeof(torrent->distance.bytes); i++) {
        torrent->distance.bytes[i] = torrent->hash.bytes[i] ^ torrents->config.own_id.bytes[i];
    }
}

static bool farther(const struct kith_heap_node *a_node, const struct kith_heap_node *b_node) {
    const struct kith_torrent *a = kith_container_of(a_node, struct kith_torrent, by_distance);
    const struct kith_torrent *b = kith_container_of(b_node, struct kith_torrent, by_distance);

    return memcmp(a->distance.bytes, b->distance.bytes, sizeof(a->distance.bytes)) > 0;
}

/* There is one. */
static struct kith_torrent *farthest(const struct kith_torrents *torrents) {
    return kith_container_of(kith_heap_first(&torrents->by_distance), struct kith_torrent,
                             by_distance);
}

static uint64_t torrent_hash(const struct kith_torrents *torrents, const struct kith_point *hash) {
    return kith_keyed_hash(torrents->hash_key, hash->bytes, KITH_TARGET_SIZE);
}

struct kith_torrent *kith_torrents_find(const struct kith_torrents *torrents,
                                        const struct kith_point *hash) {
    struct kith_hash_node *node = kith_hash_first(&torrents->hashes, torrent_hash(torrents, hash));

    for (; node != NULL; node = kith_hash_next(node)) {
        struct kith_torrent *torrent = kith_container_of(node, struct kith_torrent, node);
        if (kith_point_equal(&torrent->hash, hash)) {
            return torrent;
        }
    }
    return NULL;
}

static uint64_t peer_hash(const struct kith_torrents *torrents, const struct kith_torrent *torrent,
                          const struct kith_endpoint *endpoint) {
    uint8_t bytes[KITH_TARGET_SIZE + 1 + sizeof(endpoint->ip)];
    struct kith_writer w = kith_writer(bytes, sizeof(bytes));

    kith_write_bytes(&w, torrent->hash.bytes, KITH_TARGET_SIZE);
    kith_write_u8(&w, endpoint->family);
    kith_write_bytes(&w, endpoint->ip, sizeof(endpoint->ip));
    return kith_keyed_hash(torrents->hash_key, bytes, sizeof(bytes));
}

struct kith_torrents_peer *kith_torrents_find_peer(const struct kith_torrents *torrents,
                                                   const struct kith_torrent *torrent,
                                                   const struct kith_endpoint *endpoint) {
    struct kith_hash_node *node =
        kith_hash_first(&torrents->peers, peer_hash(torrents, torrent, endpoint));

    for (; node != NULL; node = kith_hash_next(node)) {
        struct kith_torrents_peer *peer = kith_container_of(node, struct kith_torrents_peer, node);
        if (peer->torrent == torrent && kith_endpoint_same_ip(&peer->endpoint, endpoint)) {
            return peer;
        }
    }
    return NULL;
}

static uint64_t share_hash(const struct kith_torrents *torrents, const struct kith_prefix *prefix) {
    return kith_keyed_hash(torrents->hash_key, prefix->bytes, sizeof(prefix->bytes));
}

struct kith_torrents_share *kith_torrents_find_share(const struct kith_torrents *torrents,
                                                     const struct kith_endpoint *endpoint) {
    struct kith_prefix prefix;

    kith_endpoint_wide_prefix(endpoint, &prefix);
    struct kith_hash_node *node = kith_hash_first(&torrents->shares, share_hash(torrents, &prefix));
    for (; node != NULL; node = kith_hash_next(node)) {
        struct kith_torrents_share *share =
            kith_container_of(node, struct kith_torrents_share, node);
        if (memcmp(share->prefix.bytes, prefix.bytes, sizeof(prefix.bytes)) == 0) {
            return share;
        }
    }
    return NULL;
}

/* ---- coming and going ---- */

static void torrent_drop_if_empty(struct kith_torrents *torrents, struct kith_torrent *torrent) {
    if (torrent->peers.n > 0) {
        return;
    }
    kith_heap_remove(&torrents->by_distance, &torrent->by_distance);
    set_remove(&torrents->all, &torrent->member);
    kith_hash_remove(&torrents->hashes, &torrent->node);
    free(torrent->peers.members);
    free(torrent);
}

/* Without peers: somebody must join it, or drop it. */
static int torrent_new(struct kith_torrents *torrents, const struct kith_point *hash,
                       struct kith_torrent **ret) {
    struct kith_torrent *torrent = calloc(1, sizeof(*torrent));
    int r;

    if (torrent == NULL) {
        return KITH_ENOMEM;
    }
    torrent->hash = *hash;
    set_distance(torrents, torrent);
    r = set_add(&torrents->all, &torrent->member);
    if (r < 0) {
        free(torrent);
        return r;
    }
    r = kith_heap_insert(&torrents->by_distance, &torrent->by_distance);
    if (r < 0) {
        set_remove(&torrents->all, &torrent->member);
        free(torrent);
        return r;
    }
    r = kith_hash_insert(&torrents->hashes, &torrent->node, torrent_hash(torrents, hash));
    if (r < 0) {
        kith_heap_remove(&torrents->by_distance, &torrent->by_distance);
        set_remove(&torrents->all, &torrent->member);
        free(torrent);
        return r;
    }
    *ret = torrent;
    return 0;
}

static int share_join(struct kith_torrents *torrents, const struct kith_endpoint *endpoint,
                      struct kith_torrents_share **ret) {
    struct kith_torrents_share *share = NULL;
    int r;

    if (!kith_endpoint_exempt(endpoint)) {
        share = kith_torrents_find_share(torrents, endpoint);
        if (share == NULL) {
            share = calloc(1, sizeof(*share));
            if (share == NULL) {
                return KITH_ENOMEM;
            }
            kith_endpoint_wide_prefix(endpoint, &share->prefix);
            r = kith_hash_insert(&torrents->shares, &share->node,
                                 share_hash(torrents, &share->prefix));
            if (r < 0) {
                free(share);
                return r;
            }
        }
        share->n++;
    }
    *ret = share;
    return 0;
}

static void share_leave(struct kith_torrents *torrents, struct kith_torrents_share *share) {
    if (share != NULL && --share->n == 0) {
        kith_hash_remove(&torrents->shares, &share->node);
        free(share);
    }
}

/* Its info-hash stays, even without peers. */
static void peer_drop(struct kith_torrents *torrents, struct kith_torrents_peer *peer) {
    kith_hash_remove(&torrents->peers, &peer->node);
    kith_list_remove(&peer->by_age);
    set_remove(&peer->torrent->peers, &peer->member);
    share_leave(torrents, peer->share);
    torrents->n_peers--;
    free(peer);
}

static int peer_new(struct kith_torrents *torrents, struct kith_torrent *torrent,
                    const struct kith_endpoint *endpoint, struct kith_torrents_peer **ret) {
    struct kith_torrents_peer *peer = calloc(1, sizeof(*peer));
    int r;

    if (peer == NULL) {
        return KITH_ENOMEM;
    }
    peer->torrent = torrent;
    peer->endpoint = *endpoint;
    r = share_join(torrents, endpoint, &peer->share);
    if (r < 0) {
        free(peer);
        return r;
    }
    r = set_add(&torrent->peers, &peer->member);
    if (r < 0) {
        share_leave(torrents, peer->share);
        free(peer);
        return r;
    }
    r = kith_hash_insert(&torrents->peers, &peer->node, peer_hash(torrents, torrent, endpoint));
    if (r < 0) {
        set_remove(&torrent->peers, &peer->member);
        share_leave(torrents, peer->share);
        free(peer);
        return r;
    }
    kith_list_append(&torrents->by_age, &peer->by_age);
    torrents->n_peers++;
    *ret = peer;
    return 0;
}

static void torrent_drop(struct kith_torrents *torrents, struct kith_torrent *torrent) {
    while (torrent->peers.n > 0) {
        peer_drop(torrents, peer_at(torrent, torrent->peers.n - 1));
    }
    torrent_drop_if_empty(torrents, torrent);
}

/* ---- announcing ---- */

/* What goes for a newcomer, at most one of both. */
struct victims {
    struct kith_torrent *torrent;
    struct kith_torrents_peer *peer;
};

/* Counts what each prefix has of an info-hash, in its share. */
static void count_here(const struct kith_torrent *torrent) {
    for (uint32_t i = 0; i < torrent->peers.n; i++) {
        if (peer_at(torrent, i)->share != NULL) {
            peer_at(torrent, i)->share->n_here = 0;
        }
    }
    for (uint32_t i = 0; i < torrent->peers.n; i++) {
        if (peer_at(torrent, i)->share != NULL) {
            peer_at(torrent, i)->share->n_here++;
        }
    }
}

/* Who of an info-hash makes room for a peer of this share (NULL: of none). */
static struct kith_torrents_peer *victim_of(const struct kith_torrents *torrents,
                                            struct kith_torrent *torrent,
                                            struct kith_torrents_share *share) {
    struct kith_torrents_peer *richest = NULL;
    struct kith_torrents_peer *own = NULL;

    if (share != NULL) {
        share->n_here = 0;
    }
    count_here(torrent);
    uint32_t most = 2 + (share != NULL ? share->n_here : 0);
    for (uint32_t i = 0; i < torrent->peers.n; i++) {
        struct kith_torrents_peer *peer = peer_at(torrent, i);
        if (peer->share == NULL) {
            continue;
        }
        if (peer->share->n_here > most ||
            (peer->share->n_here == most &&
             (richest == NULL || peer->announced < richest->announced))) {
            most = peer->share->n_here;
            richest = peer;
        }
        if (peer->share == share && (own == NULL || peer->announced < own->announced)) {
            own = peer;
        }
    }
    if (richest != NULL || own != NULL) {
        return richest != NULL ? richest : own;
    }
    return draw_peer(torrents, torrent, 0);
}

/* Info-hashes are free to choose, near us too, and the nearer displaces the farthest: four prefixes
 * with all their peers would do to be alone here. */
static bool is_rich(const struct kith_torrents *torrents, const struct kith_torrents_share *share) {
    uint32_t part = torrents->config.hashes / RICH_DIVISOR;

    return share != NULL && share->n >= (part > RICH_MIN ? part : RICH_MIN);
}

/* `torrent` is that of the newcomer, NULL for a new one of `hash`. -> KITH_EFULL */
static int make_room(const struct kith_torrents *torrents, struct kith_torrent *torrent,
                     const struct kith_point *hash, const struct kith_endpoint *endpoint,
                     struct victims *ret) {
    const struct kith_torrents_config *config = &torrents->config;
    struct kith_torrents_share *share = NULL;
    bool hashes_full = torrent == NULL && torrents->all.n >= config->hashes;
    bool peers_full = torrents->n_peers >= config->peers;

    if (!kith_endpoint_exempt(endpoint)) {
        share = kith_torrents_find_share(torrents, endpoint);
    }
    if (share != NULL && share->n >= config->per_prefix) {
        return KITH_EFULL;
    }
    *ret = (struct victims){.peer = NULL};
    if (torrent != NULL && torrent->peers.n >= config->peers_per_hash) {
        ret->peer = victim_of(torrents, torrent, share);
    } else if (hashes_full || peers_full) {
        struct kith_torrent *far = farthest(torrents);
        if (torrent == NULL && (is_rich(torrents, share) ||
                                kith_point_compare(&config->own_id, hash, &far->hash) > 0)) {
            return KITH_EFULL;
        }
        ret->torrent = hashes_full ? far : NULL;
        ret->peer = hashes_full ? NULL : victim_of(torrents, far, share);
    }
    return 0;
}

static void evict(struct kith_torrents *torrents, const struct victims *victims) {
    if (victims->torrent != NULL) {
        torrent_drop(torrents, victims->torrent);
    }
    if (victims->peer != NULL) {
        struct kith_torrent *torrent = victims->peer->torrent;
        peer_drop(torrents, victims->peer);
        torrent_drop_if_empty(torrents, torrent);
    }
}

static int add(struct kith_torrents *torrents, struct kith_torrent *torrent,
               const struct kith_point *hash, const struct kith_endpoint *endpoint,
               struct kith_torrents_peer **ret) {
    struct victims victims;
    int r = make_room(torrents, torrent, hash, endpoint, &victims);

    if (r == 0 && torrent == NULL) {
        r = torrent_new(torrents, hash, &torrent);
    }
    if (r < 0) {
        return r;
    }
    r = peer_new(torrents, torrent, endpoint, ret);
    if (r < 0) {
        torrent_drop_if_empty(torrents, torrent);
        return r;
    }
    evict(torrents, &victims);
    return 0;
}

int kith_torrents_announce(struct kith_torrents *torrents, const struct kith_point *hash,
                           const struct kith_endpoint *endpoint, bool seed, uint64_t now) {
    struct kith_torrents_peer *peer = NULL;

    if (!kith_endpoint_usable(endpoint)) {
        return KITH_EINVALID;
    }
    kith_torrents_expire(torrents, now);
    struct kith_torrent *torrent = kith_torrents_find(torrents, hash);
    if (torrent != NULL) {
        peer = kith_torrents_find_peer(torrents, torrent, endpoint);
    }
    if (peer == NULL) {
        int r = add(torrents, torrent, hash, endpoint, &peer);
        if (r < 0) {
            return r;
        }
    }
    peer->endpoint.port = endpoint->port;
    peer->seed = seed;
    peer->announced = now;
    kith_list_remove(&peer->by_age);
    kith_list_append(&torrents->by_age, &peer->by_age);
    return 0;
}

/* ---- asking ---- */

static bool is_live(const struct kith_torrents_peer *peer, uint64_t now) {
    return now < peer->announced + KITH_TORRENTS_PEER_S * KITH_NS_PER_S;
}

/* Addresses of our own network are of no use outside, and nobody's business there. */
static bool is_for(const struct kith_torrents_peer *peer, const struct kith_endpoint *asker,
                   uint64_t now) {
    return is_live(peer, now) && (asker == NULL || kith_endpoint_reaches(&peer->endpoint, asker));
}

/* What is known of an info-hash, after the step of expiry that everybody who comes makes. */
static struct kith_torrent *look_up(struct kith_torrents *torrents, const struct kith_point *hash,
                                    uint64_t now) {
    kith_torrents_expire(torrents, now);
    return kith_torrents_find(torrents, hash);
}

size_t kith_torrents_peers(struct kith_torrents *torrents, const struct kith_point *hash,
                           const struct kith_endpoint *asker, bool no_seeds, size_t n, uint64_t now,
                           struct kith_endpoint *out) {
    struct kith_torrent *torrent = look_up(torrents, hash, now);
    size_t found = 0;

    for (uint32_t i = 0; torrent != NULL && i < torrent->peers.n && found < n; i++) {
        const struct kith_torrents_peer *peer = draw_peer(torrents, torrent, i);
        if (is_for(peer, asker, now) && !(no_seeds && peer->seed)) {
            out[found++] = peer->endpoint;
        }
    }
    return found;
}

bool kith_torrents_scrape(struct kith_torrents *torrents, const struct kith_point *hash,
                          const struct kith_endpoint *asker, uint64_t now,
                          uint8_t seeds[KITH_BLOOM_SIZE], uint8_t peers[KITH_BLOOM_SIZE]) {
    const struct kith_torrent *torrent = look_up(torrents, hash, now);
    bool known = false;

    memset(seeds, 0, KITH_BLOOM_SIZE);
    memset(peers, 0, KITH_BLOOM_SIZE);
    for (uint32_t i = 0; torrent != NULL && i < torrent->peers.n; i++) {
        const struct kith_torrents_peer *peer = peer_at(torrent, i);
        if (is_for(peer, asker, now)) {
            kith_bloom_add(peer->seed ? seeds : peers, &peer->endpoint);
            known = true;
        }
    }
    return known;
}

size_t kith_torrents_sample(struct kith_torrents *torrents, uint64_t now,
                            uint8_t out[KITH_SAMPLES_MAX * KITH_TARGET_SIZE], uint32_t *ret_all) {
    size_t n = 0;

    kith_torrents_expire(torrents, now);
    for (; n < KITH_SAMPLES_MAX && n < torrents->all.n; n++) {
        struct kith_torrents_member *drawn =
            set_draw(&torrents->all, (uint32_t)n, torrents->config.random);
        const struct kith_torrent *torrent = kith_container_of(drawn, struct kith_torrent, member);
        memcpy(out + n * KITH_TARGET_SIZE, torrent->hash.bytes, KITH_TARGET_SIZE);
    }
    *ret_all = torrents->all.n;
    return n;
}

void kith_torrents_expire(struct kith_torrents *torrents, uint64_t now) {
    struct kith_list *node;

    for (unsigned i = 0; i < EXPIRE_STEP; i++) {
        node = kith_list_first(&torrents->by_age);
        if (node == NULL) {
            return;
        }
        struct kith_torrents_peer *peer =
            kith_container_of(node, struct kith_torrents_peer, by_age);
        if (is_live(peer, now)) {
            return;
        }
        evict(torrents, &(struct victims){.peer = peer});
    }
}

/* ---- the store ---- */

static uint32_t or_default(uint32_t value, uint32_t other) {
    return value != 0 ? value : other;
}

int kith_torrents_new(struct kith_torrents **ret, const struct kith_torrents_config *config) {
    struct kith_torrents *torrents = calloc(1, sizeof(*torrents));

    if (torrents == NULL) {
        return KITH_ENOMEM;
    }
    torrents->config = *config;
    torrents->config.hashes = or_default(config->hashes, HASHES_DEFAULT);
    torrents->config.peers_per_hash = or_default(config->peers_per_hash, PEERS_PER_HASH_DEFAULT);
    torrents->config.peers = or_default(config->peers, PEERS_DEFAULT);
    torrents->config.per_prefix = or_default(config->per_prefix, PER_PREFIX_DEFAULT);
    kith_random_secure(config->random, torrents->hash_key, sizeof(torrents->hash_key));
    kith_hash_init(&torrents->hashes);
    kith_hash_init(&torrents->peers);
    kith_hash_init(&torrents->shares);
    kith_heap_init(&torrents->by_distance, farther);
    kith_list_init(&torrents->by_age);
    *ret = torrents;
    return 0;
}

struct kith_torrents *kith_torrents_free(struct kith_torrents *torrents) {
    if (torrents == NULL) {
        return NULL;
    }
    while (torrents->all.n > 0) {
        torrent_drop(torrents, farthest(torrents));
    }
    kith_hash_deinit(&torrents->hashes);
    kith_hash_deinit(&torrents->peers);
    kith_hash_deinit(&torrents->shares);
    kith_heap_deinit(&torrents->by_distance);
    free(torrents->all.members);
    free(torrents);
    return NULL;
}

void kith_torrents_set_id(struct kith_torrents *torrents, const struct kith_point *own_id) {
    torrents->config.own_id = *own_id;
    for (uint32_t i = 0; i < torrents->all.n; i++) {
        struct kith_torrent *torrent =
            kith_container_of(torrents->all.members[i], struct kith_torrent, member);
        set_distance(torrents, torrent);
        kith_heap_update(&torrents->by_distance, &torrent->by_distance);
    }
}

uint32_t kith_torrents_count(const struct kith_torrents *torrents) {
    return torrents->all.n;
}

uint32_t kith_torrents_count_peers(const struct kith_torrents *torrents) {
    return torrents->n_peers;
}
