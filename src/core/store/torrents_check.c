/* SPDX-License-Identifier: MIT */
/*
 * torrents_check: the invariants of a store of announced peers, for tests and fuzzers. Shares are
 * counted by comparing every peer with every other.
 */
#include "core/store/torrents_internal.h"

static const char *check_peer(const struct kith_torrents *torrents,
                              const struct kith_torrent *torrent,
                              const struct kith_torrents_peer *peer) {
    const struct kith_torrents_share *share = NULL;

    if (peer->torrent != torrent || kith_list_empty(&peer->by_age)) {
        return "a peer does not know its info-hash, or is in no list";
    }
    if (kith_torrents_find_peer(torrents, torrent, &peer->endpoint) != peer) {
        return "a peer is not where the hash looks for it";
    }
    if (!kith_endpoint_exempt(&peer->endpoint)) {
        share = kith_torrents_find_share(torrents, &peer->endpoint);
    }
    if (peer->share != share || (share == NULL && !kith_endpoint_exempt(&peer->endpoint))) {
        return "a peer is not on the account of its prefix";
    }
    return NULL;
}

static const char *check_set(const struct kith_torrents_set *set) {
    if (set->n > set->capacity) {
        return "a set has more members than places";
    }
    for (uint32_t i = 0; i < set->n; i++) {
        if (set->members[i]->place != i) {
            return "a member of a set is not in its place";
        }
    }
    return NULL;
}

/* Whether its distance is that from the id we have now. */
static bool distance_is_right(const struct kith_torrents *torrents,
                              const struct kith_torrent *torrent) {
    for (size_t i = 0; i < sizeof(torrent->hash.bytes); i++) {
        if ((torrent->hash.bytes[i] ^ torrent->distance.bytes[i]) !=
            torrents->config.own_id.bytes[i]) {
            return false;
        }
    }
    return true;
}

static const char *check_torrent(const struct kith_torrents *torrents,
                                 const struct kith_torrent *torrent) {
    const char *wrong = check_set(&torrent->peers);

    if (kith_torrents_find(torrents, &torrent->hash) != torrent ||
        torrent->by_distance.place == 0 || !distance_is_right(torrents, torrent)) {
        return "an info-hash is not where it is looked for";
    }
    if (torrent->peers.n == 0 || torrent->peers.n > torrents->config.peers_per_hash) {
        return "an info-hash has no peers, or too many";
    }
    for (uint32_t i = 0; i < torrent->peers.n && wrong == NULL; i++) {
        wrong = check_peer(
            torrents, torrent,
            kith_container_of(torrent->peers.members[i], struct kith_torrents_peer, member));
    }
    return wrong;
}

/* The share of a peer, counted; *ret_first: whether no peer before it is of the same. */
static uint32_t count_share(const struct kith_torrents *torrents,
                            const struct kith_torrents_peer *peer, bool *ret_first) {
    const struct kith_list *node = kith_list_first(&torrents->by_age);
    uint32_t n = 0;

    for (; node != NULL; node = kith_list_next(&torrents->by_age, node)) {
        const struct kith_torrents_peer *other =
            kith_container_of(node, struct kith_torrents_peer, by_age);
        if (other == peer) {
            *ret_first = n == 0;
        }
        n += other->share == peer->share;
    }
    return n;
}

static const char *check_ages_and_shares(const struct kith_torrents *torrents) {
    const struct kith_list *node = kith_list_first(&torrents->by_age);
    uint64_t before = 0;
    uint32_t n = 0;
    size_t n_shares = 0;

    for (; node != NULL; node = kith_list_next(&torrents->by_age, node)) {
        const struct kith_torrents_peer *peer =
            kith_container_of(node, struct kith_torrents_peer, by_age);
        bool first = false;
        if (peer->announced < before) {
            return "the list is not in order of age";
        }
        if (peer->share != NULL && (count_share(torrents, peer, &first) != peer->share->n ||
                                    peer->share->n > torrents->config.per_prefix)) {
            return "the share of a prefix is miscounted, or too large";
        }
        before = peer->announced;
        n_shares += first;
        n++;
    }
    if (n != torrents->n_peers || n_shares != torrents->shares.n) {
        return "the list holds another number of peers, or there are shares of nobody";
    }
    return NULL;
}

static const char *check_numbers(const struct kith_torrents *torrents, uint32_t n_peers) {
    const struct kith_heap *heap = &torrents->by_distance;

    if (n_peers != torrents->n_peers || n_peers != torrents->peers.n ||
        torrents->all.n != torrents->hashes.n || torrents->all.n != heap->n) {
        return "numbers do not add up";
    }
    if (n_peers > torrents->config.peers || torrents->all.n > torrents->config.hashes) {
        return "the store is over its limits";
    }
    for (uint32_t i = 1; i < heap->n; i++) {
        if (heap->less(kith_heap_at(heap, i), kith_heap_at(heap, (i - 1) / 2))) {
            return "the heap is out of order";
        }
    }
    return NULL;
}

const char *kith_torrents_check(const struct kith_torrents *torrents) {
    const char *wrong = check_set(&torrents->all);
    uint32_t n_peers = 0;

    for (uint32_t i = 0; i < torrents->all.n && wrong == NULL; i++) {
        const struct kith_torrent *torrent =
            kith_container_of(torrents->all.members[i], struct kith_torrent, member);
        wrong = check_torrent(torrents, torrent);
        n_peers += torrent->peers.n;
    }
    wrong = wrong != NULL ? wrong : check_numbers(torrents, n_peers);
    return wrong != NULL ? wrong : check_ages_and_shares(torrents);
}
