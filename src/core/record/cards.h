/* SPDX-License-Identifier: MIT */
/*
 * cards: peer records of others, kept to be shown around in peer exchange.
 *
 * The newest of each key, as its peer signed it; the caller verified it and knows that the peer has
 * answered us. A ring of KITH_CARDS_MAX: a new key takes the place of the card that was kept first.
 * Not on disk: a day old they are of no use.
 */
#ifndef KITH_CORE_CARDS_H
#define KITH_CORE_CARDS_H

#include "core/record/record.h"

enum {
    KITH_CARDS_MAX = 24,         /* an exchange shows one at most */
    KITH_CARD_AGE_S = 24 * 3600, /* since it was kept; then it is not shown any more */
};

struct kith_card {
    int64_t seq;
    uint32_t kept_s;
    uint16_t size;
    struct kith_key key;
    uint8_t signature[KITH_SIGNATURE_SIZE];
    uint8_t value[];
};

/* Zeroed at first. */
struct kith_cards {
    struct kith_card *cards[KITH_CARDS_MAX];
    uint32_t next;
};

/* Keeps a peer record, unless one as new is kept. Without memory what was kept stays. */
void kith_cards_keep(struct kith_cards *cards, const struct kith_record_view *view, uint64_t now);
/* The card of a key. The salt, which is the same for all, is the caller's; the rest is valid until
 * the next kith_cards_keep(). */
bool kith_cards_find(const struct kith_cards *cards, const struct kith_key *key,
                     struct kith_span salt, uint64_t now, struct kith_record_view *ret);
void kith_cards_deinit(struct kith_cards *cards);

#endif
