/* SPDX-License-Identifier: MIT */
/*
 * torrents: peers announced to us under Mainline info-hashes, of one address family.
 *
 * Bounded: info-hashes, peers of each, peers in all, and peers that one address prefix may hold.
 * One entry per (info-hash, IP): announcing again renews it and may change its port. When full, a
 * new info-hash takes the place of the one farthest from our id if it is nearer, else it is
 * refused; a new peer of a full info-hash replaces a random one, of its own prefix if that holds a
 * quarter of the info-hash; when there are too many peers in all, a random one of the farthest
 * info-hash goes. A prefix that holds its share is refused. Peers are forgotten after 45 minutes.
 */
#ifndef KITH_CORE_TORRENTS_H
#define KITH_CORE_TORRENTS_H

#include "core/base/random.h"
#include "core/record/target.h"
#include "core/wire/message.h"

enum {
    KITH_TORRENTS_PEER_S = 45 * 60,
    KITH_SAMPLES_MAX = 20, /* info-hashes in one sample: 400 bytes */
};

struct kith_torrents; /* opaque */

struct kith_torrents_config {
    struct kith_point own_id;
    uint32_t hashes;                  /* 0: 2,000 */
    uint32_t peers_per_hash;          /* 0: 500 */
    uint32_t peers;                   /* in all; 0: 50,000 */
    uint32_t per_prefix;              /* in all, of one /24 or /48, exempt ranges aside; 0: 500 */
    const struct kith_random *random; /* borrowed */
};

KITH_MUST_CHECK int kith_torrents_new(struct kith_torrents **ret,
                                      const struct kith_torrents_config *config);
struct kith_torrents *kith_torrents_free(struct kith_torrents *torrents);
/* We have another id now: from then on what is near to that one stays. Forgets nothing. */
void kith_torrents_set_id(struct kith_torrents *torrents, const struct kith_point *own_id);
/* -> KITH_EFULL, KITH_ENOMEM, KITH_EINVALID (an endpoint that nothing can be sent to) */
KITH_MUST_CHECK int kith_torrents_announce(struct kith_torrents *torrents,
                                           const struct kith_point *hash,
                                           const struct kith_endpoint *peer, bool seed,
                                           uint64_t now);
/* Up to `n` of its peers that can be reached from where `asker` is (NULL: from here), a uniform
 * sample; `no_seeds` leaves seeds out. Returns their number. */
size_t kith_torrents_peers(struct kith_torrents *torrents, const struct kith_point *hash,
                           const struct kith_endpoint *asker, bool no_seeds, size_t n, uint64_t now,
                           struct kith_endpoint *out);
/* BEP 33: the filters over all of these; zeroed first. Returns whether there are any. */
bool kith_torrents_scrape(struct kith_torrents *torrents, const struct kith_point *hash,
                          const struct kith_endpoint *asker, uint64_t now,
                          uint8_t seeds[KITH_BLOOM_SIZE], uint8_t peers[KITH_BLOOM_SIZE]);
/* BEP 51: a uniform sample of info-hashes, n times 20 bytes; *ret_all: how many there are. Returns
 * the number written. */
size_t kith_torrents_sample(struct kith_torrents *torrents, uint64_t now,
                            uint8_t out[KITH_SAMPLES_MAX * KITH_TARGET_SIZE], uint32_t *ret_all);
/* Drops what has expired; called often, works in small steps. */
void kith_torrents_expire(struct kith_torrents *torrents, uint64_t now);
uint32_t kith_torrents_count(const struct kith_torrents *torrents); /* info-hashes */
uint32_t kith_torrents_count_peers(const struct kith_torrents *torrents);
/* The invariants above; for tests and fuzzers. Returns NULL, or what is violated. */
const char *kith_torrents_check(const struct kith_torrents *torrents);

#endif
