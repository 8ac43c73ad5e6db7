/* SPDX-License-Identifier: MIT */
/* One allocation per card, of its size: some 140 bytes each. */
#include "core/record/cards.h"

#include <stddef.h>
#include <stdlib.h>

#include "core/base/id.h"
#include "util/timer.h"

/* Wraps after a century. */
static uint32_t seconds(uint64_t now) {
    return (uint32_t)(now / KITH_NS_PER_S);
}

/* The place of a key's card, or NULL. */
static struct kith_card *const *find(const struct kith_cards *cards, const uint8_t *key) {
    for (unsigned i = 0; i < KITH_CARDS_MAX; i++) {
        const struct kith_card *card = cards->cards[i];
        if (card != NULL && memcmp(card->key.bytes, key, KITH_KEY_SIZE) == 0) {
            return &cards->cards[i];
        }
    }
    return NULL;
}

void kith_cards_keep(struct kith_cards *cards, const struct kith_record_view *view, uint64_t now) {
    struct kith_card *const *known = find(cards, view->key);
    size_t at = known != NULL ? (size_t)(known - cards->cards) : cards->next;
    if (known != NULL && (*known)->seq >= view->seq) {
        return;
    }
    /* Not less than the struct, which may be padded behind its last member. */
    size_t size = offsetof(struct kith_card, value) + view->value.size;
    struct kith_card *card = malloc(size < sizeof(*card) ? sizeof(*card) : size);
    if (card == NULL) {
        return;
    }
    card->seq = view->seq;
    card->kept_s = seconds(now);
    card->size = (uint16_t)view->value.size;
    memcpy(card->key.bytes, view->key, KITH_KEY_SIZE);
    memcpy(card->signature, view->signature, KITH_SIGNATURE_SIZE);
    memcpy(card->value, view->value.data, view->value.size);
    if (known == NULL) {
        cards->next = (cards->next + 1) % KITH_CARDS_MAX;
    }
    free(cards->cards[at]);
    cards->cards[at] = card;
}

bool kith_cards_find(const struct kith_cards *cards, const struct kith_key *key,
                     struct kith_span salt, uint64_t now, struct kith_record_view *ret) {
    struct kith_card *const *known = find(cards, key->bytes);
    if (known == NULL || seconds(now) - (*known)->kept_s > KITH_CARD_AGE_S) {
        return false;
    }
    *ret = (struct kith_record_view){
        .is_mutable = true,
        .key = (*known)->key.bytes,
        .signature = (*known)->signature,
        .salt = salt,
        .seq = (*known)->seq,
        .value = kith_span((*known)->value, (*known)->size),
    };
    return true;
}

void kith_cards_deinit(struct kith_cards *cards) {
    for (unsigned i = 0; i < KITH_CARDS_MAX; i++) {
        free(cards->cards[i]);
        cards->cards[i] = NULL;
    }
}
