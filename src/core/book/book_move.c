/* SPDX-License-Identifier: MIT */
/*
 * book_move: a peer that moved is found again. Its newest signed peer record says where it is; the
 * entries of its key at other endpoints follow, family by family.
 *
 * An address book that never lets a known peer's address change keeps dialling dead ones; one that
 * lets anybody change it hands its peers over. The sequence number inside the signature settles it:
 * only a newer record moves, so an old one that is replayed cannot bring a peer back to an address
 * that somebody else has by now.
 *
 * What moved is a hint until it answers at its new endpoint: a key may name any address, so the old
 * address's group stays its source, and it starts in new.
 */
#include "core/book/book_internal.h"

/* One call: the entries of the key, and the endpoints of its record that are admissible. */
struct move {
    struct kith_book_item *items[KITH_BOOK_PER_KEY];
    struct kith_contact targets[KITH_ENDPOINTS_MAX];
    size_t n_items;
    size_t n_targets;
    int64_t newest; /* of the entries */
    bool is_public; /* one of them is at a public address */
};

static void move_gather(const struct kith_book *book, const struct kith_key *key,
                        struct move *move) {
    struct kith_book_item *item = kith_book_of(book, key, NULL);

    for (; item != NULL && move->n_items < KITH_BOOK_PER_KEY;
         item = kith_book_of(book, key, item)) {
        move->items[move->n_items++] = item;
        move->newest = item->e.seq > move->newest ? item->e.seq : move->newest;
        move->is_public |= !kith_endpoint_exempt(&item->e.contact.endpoint);
    }
}

static void move_aim(const struct kith_book *book, const struct kith_key *key,
                     const struct kith_endpoint *endpoints, size_t n, uint64_t wall_us,
                     struct move *move) {
    for (size_t i = 0; i < n && i < KITH_ENDPOINTS_MAX; i++) {
        struct kith_contact c = {.has_key = true, .key = *key, .endpoint = endpoints[i]};
        c = kith_book_canonical(&c);
        bool far = move->is_public && kith_endpoint_exempt(&c.endpoint) &&
                   book->config.strictness != KITH_BOOK_LAB;
        if (!far && kith_book_admissible(book, &c, wall_us) == 0) {
            move->targets[move->n_targets++] = c;
        }
    }
}

static bool is_named(const struct move *move, const struct kith_endpoint *endpoint) {
    for (size_t i = 0; i < move->n_targets; i++) {
        if (kith_endpoint_equal(&move->targets[i].endpoint, endpoint)) {
            return true;
        }
    }
    return false;
}

/* Making room for one entry of the key may have cost another. */
static bool is_there(const struct kith_book_item *item, const struct kith_key *key) {
    return item != NULL && item->used && item->state < KITH_BOOK_N_TABLES &&
           item->e.contact.has_key && kith_key_equal(&item->e.contact.key, key);
}

/* The entry that follows to this endpoint: of the same family, named no more, the one that answered
 * last. Its place in `items`, or NULL. */
static struct kith_book_item **move_pick(struct move *move, const struct kith_contact *to) {
    struct kith_book_item **best = NULL;

    for (size_t i = 0; i < move->n_items; i++) {
        struct kith_book_item *item = move->items[i];
        if (!is_there(item, &to->key) || item->e.contact.endpoint.family != to->endpoint.family ||
            is_named(move, &item->e.contact.endpoint)) {
            continue;
        }
        if (best == NULL || item->e.success_s > (*best)->e.success_s) {
            best = &move->items[i];
        }
    }
    return best;
}

/* -> 0, KITH_BOOK_REFUSED_TAKEN, KITH_BOOK_REFUSED_SHARE, KITH_ENOMEM; the entry is where it was
 * then */
static int move_item(struct kith_book *book, struct kith_book_item *item,
                     const struct kith_contact *to, int64_t seq, uint64_t wall_us) {
    const struct kith_contact at = {.endpoint = to->endpoint};
    struct kith_book_entry entry = item->e;
    bool answered = entry.success_s != 0;
    struct kith_book_item *moved = NULL;

    entry.contact = *to;
    entry.origin = KITH_BOOK_SELF;
    entry.seen_s = kith_book_seconds(wall_us);
    entry.success_s = 0;
    entry.try_s = 0;
    entry.attempts = 0;
    entry.seq = seq;
    int r = kith_book_make_room(book, &at, false, wall_us); /* the key's share stays the same */
    r = r != 0 ? r : kith_book_item_new(book, &entry, &moved);
    if (r != 0) {
        return r;
    }
    moved->source_group = kith_book_group(book, &item->e.contact.endpoint);
    moved->source_tag = item->source_tag;
    r = item->state == KITH_BOOK_PINNED ? kith_book_place(book, moved, KITH_BOOK_PINNED)
                                        : kith_book_shelve(book, moved, answered, wall_us);
    if (r != 0) {
        kith_book_item_remove(book, moved);
        return r;
    }
    kith_book_item_dirty(book, moved);
    kith_book_notify(book, KITH_BOOK_EVENT_ADDED, moved);
    return 0;
}

int kith_book_moved(struct kith_book *book, const struct kith_key *key,
                    const struct kith_endpoint *endpoints, size_t n, int64_t seq,
                    uint64_t wall_us) {
    struct move move = {.newest = -1};
    size_t n_done = 0;

    move_gather(book, key, &move);
    if (move.n_items == 0) {
        return KITH_BOOK_UNKNOWN;
    }
    if (seq <= move.newest) {
        return KITH_BOOK_REFUSED_STALE;
    }
    move_aim(book, key, endpoints, n, wall_us, &move);
    for (size_t i = 0; i < move.n_targets; i++) {
        struct kith_book_item *there = kith_book_item_find(book, &move.targets[i]);
        if (there != NULL) {
            there->e.seq = seq;
            kith_book_item_dirty(book, there);
            n_done++;
            continue;
        }
        struct kith_book_item **from = move_pick(&move, &move.targets[i]);
        int r = from == NULL ? KITH_BOOK_REFUSED_TAKEN
                             : move_item(book, *from, &move.targets[i], seq, wall_us);
        if (r < 0) {
            return r;
        }
        if (r == 0) {
            if (is_there(*from, key)) {
                kith_book_item_remove(book, *from);
            }
            *from = NULL;
            n_done++;
        }
    }
    return n_done > 0 ? KITH_BOOK_UPDATED : KITH_BOOK_REFUSED_TAKEN;
}
