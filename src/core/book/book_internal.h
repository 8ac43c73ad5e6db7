/* SPDX-License-Identifier: MIT */
/*
 * book_internal: the shape of a book, for the parts of it: book.c (what is learned), book_table.c
 * (places), book_select.c (choice), book_ban.c, book_disk.c (persistence), book_check.c. Nobody
 * else includes it.
 */
#ifndef KITH_CORE_BOOK_INTERNAL_H
#define KITH_CORE_BOOK_INTERNAL_H

#include "core/base/endpoint.h"
#include "core/base/id.h"
#include "core/book/book.h"
#include "util/chains.h"
#include "util/hash.h"
#include "util/list.h"

enum {
    KITH_BOOK_N_TABLES = 3,
    KITH_BOOK_GONE = 3,  /* not in a table; waits to be taken as removed */
    KITH_BOOK_LOOSE = 4, /* not in a table; within one call only */
    KITH_BOOK_CHUNK = 8,
    KITH_BOOK_LENGTHS = 129, /* of a prefix, in bits */
    KITH_BOOK_CLASSES = 3,   /* public IPv4, public IPv6, near */
    KITH_BOOK_GROUP_MAX = 2, /* entries of one group among the best */
};

#define KITH_BOOK_NONE KITH_CHAINS_NONE

/* An entry and its places. Never moves in memory. */
struct kith_book_item {
    struct kith_book_entry e; /* e.table is meaningless while loose or gone */
    uint64_t source_group;
    uint64_t source_tag; /* of the key of the source, 0: none */
    uint64_t counted;    /* the book's good_serial when a failure last counted */
    /* Indices, or KITH_BOOK_NONE. */
    uint32_t next_of_endpoint;
    uint32_t next_of_key; /* entries with a key */
    uint32_t dirty_before;
    uint32_t dirty_behind;
    uint32_t index; /* in the pool */
    uint32_t bucket;
    uint32_t place; /* in the members of its table; in the free list: the next one */
    uint8_t slot;
    uint8_t state;   /* enum kith_book_table, GONE, LOOSE */
    bool used : 1;   /* false: in the free list */
    bool stored : 1; /* the shell took it: its removal must be told */
    bool dirty : 1;  /* to be saved */
};

struct kith_book_bucket {
    uint32_t *slots; /* indices of entries, KITH_BOOK_NONE: free. NULL: never used */
    uint32_t place;  /* in `used`, if n > 0 */
    uint32_t n;
};

/* Pinned has members only. */
struct kith_book_shelf {
    struct kith_book_bucket *buckets;
    uint32_t *used; /* buckets that hold something, so that choice needs no search */
    uint32_t *members;
    uint32_t n_buckets;
    uint32_t n_used;
    uint32_t n_members;
    uint32_t capacity;
    uint32_t reach; /* buckets that one group reaches */
};

struct kith_book_test {
    uint32_t newcomer;
    uint32_t holder;
    uint32_t since_s;
    uint32_t asked_s; /* 0: not yet */
    uint32_t failures;
};

struct kith_book_ban_item {
    struct kith_hash_node node;
    struct kith_list all;
    struct kith_list dirty;
    struct kith_book_ban ban;
    bool gone;
    bool stored;
};

struct kith_book_key_roles {
    struct kith_key key;
    uint8_t roles;
};

struct kith_book {
    struct kith_book_config config;
    uint8_t secret[KITH_BOOK_SECRET_SIZE];
    struct kith_book_shelf shelves[KITH_BOOK_N_TABLES];
    struct kith_book_item **chunks;
    uint32_t n_chunks;
    uint32_t chunks_capacity;
    uint32_t free_first;
    struct kith_chains by_endpoint;
    struct kith_chains by_key;
    uint32_t dirty_first; /* oldest change */
    uint32_t dirty_last;
    uint64_t good_serial[KITH_BOOK_CLASSES]; /* answers since the start */
    struct kith_book_test *tests;            /* KITH_BOOK_TESTS_MAX, made for the first */
    uint32_t n_tests;
    uint32_t clean_at;                     /* where the clean-up stands */
    struct kith_book_key_roles *key_roles; /* KITH_BOOK_KEY_ROLES_MAX, made for the first */
    uint32_t n_key_roles;
    struct kith_endpoint own[KITH_BOOK_OWN_MAX];
    uint32_t n_own;
    struct kith_hash bans;
    struct kith_list ban_list;
    struct kith_list ban_dirty;
    uint32_t n_bans;
    uint32_t n_key_bans;
    uint32_t (
        *ban_bits)[KITH_BOOK_LENGTHS]; /* prefix bans by family (4, 6) and length; NULL: none yet */
    struct kith_book_counts counts;
};

static inline uint32_t kith_book_seconds(uint64_t wall_us) {
    uint64_t s = wall_us / 1000000;

    return s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
}

/* 0 for a stamp that lies ahead: the clock was set back. */
static inline uint32_t kith_book_elapsed(uint32_t now_s, uint32_t then_s) {
    return now_s > then_s ? now_s - then_s : 0;
}

static inline struct kith_book_item *kith_book_item(const struct kith_book *book, uint32_t index) {
    return &book->chunks[index / KITH_BOOK_CHUNK][index % KITH_BOOK_CHUNK];
}

static inline struct kith_book_item *kith_book_member(const struct kith_book *book,
                                                      enum kith_book_table table, uint32_t place) {
    return kith_book_item(book, book->shelves[table].members[place]);
}

/* ---- book_table.c ---- */

uint64_t kith_book_hash(const struct kith_book *book, unsigned half, char purpose,
                        const void *bytes, size_t size);
/* Who can be assumed to be one party: the operator of an endpoint. */
uint64_t kith_book_group(const struct kith_book *book, const struct kith_endpoint *endpoint);
uint64_t kith_book_source_group(const struct kith_book *book, const struct kith_book_source *source,
                                const struct kith_endpoint *endpoint);
uint64_t kith_book_tag(const struct kith_book *book, const struct kith_key *key);
uint64_t kith_book_endpoint_hash(const struct kith_book *book,
                                 const struct kith_endpoint *endpoint);
void kith_book_locate(const struct kith_book *book, const struct kith_book_item *item,
                      enum kith_book_table table, uint32_t *ret_bucket, uint8_t *ret_slot);
/* Who holds the slot of the item in this table: NULL, the item itself, or another. */
struct kith_book_item *kith_book_holder(const struct kith_book *book,
                                        const struct kith_book_item *item,
                                        enum kith_book_table table);
/* Puts the item into a table, out of the one it is in. Its slot is free. -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_place(struct kith_book *book, struct kith_book_item *item,
                                    enum kith_book_table table);
void kith_book_unplace(struct kith_book *book, struct kith_book_item *item);
/* A loose item, in the indices. -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_item_new(struct kith_book *book, const struct kith_book_entry *entry,
                                       struct kith_book_item **ret);
/* Out of everything, but for the note that it is gone. */
void kith_book_item_remove(struct kith_book *book, struct kith_book_item *item);
/* A gone item whose removal was taken. */
void kith_book_item_release(struct kith_book *book, struct kith_book_item *item);
struct kith_book_item *kith_book_item_find(const struct kith_book *book,
                                           const struct kith_contact *contact);
/* First and next item at an endpoint, of a key. */
struct kith_book_item *kith_book_at(const struct kith_book *book,
                                    const struct kith_endpoint *endpoint,
                                    const struct kith_book_item *after);
struct kith_book_item *kith_book_of(const struct kith_book *book, const struct kith_key *key,
                                    const struct kith_book_item *after);
/* The one entry in tried at an endpoint, or NULL. */
struct kith_book_item *kith_book_tried_at(const struct kith_book *book,
                                          const struct kith_endpoint *endpoint);
void kith_book_item_dirty(struct kith_book *book, struct kith_book_item *item);
void kith_book_item_clean(struct kith_book *book, struct kith_book_item *item);
void kith_book_notify(struct kith_book *book, enum kith_book_event event,
                      const struct kith_book_item *item);

/* ---- book_learn.c ---- */

/* As it is compared and hashed: no key bytes without a key, nothing behind an IPv4 address. */
struct kith_contact kith_book_canonical(const struct kith_contact *contact);
/* -> 0 or the refusal */
int kith_book_admissible(const struct kith_book *book, const struct kith_contact *contact,
                         uint64_t wall_us);
uint8_t kith_book_roles_of(const struct kith_book *book, const struct kith_contact *contact);
bool kith_book_item_banned(const struct kith_book *book, const struct kith_book_item *item,
                           uint64_t wall_us);
/* Room for one more of this key at this endpoint. An answered newcomer gets it from the worst, a
 * hint from a terrible one only. -> 0, KITH_BOOK_REFUSED_SHARE */
int kith_book_make_room(struct kith_book *book, const struct kith_contact *contact, bool answered,
                        uint64_t wall_us);

/* ---- book_tried.c ---- */

/* Whether `holder` of a slot in new may be dropped for a newcomer. */
bool kith_book_yields(const struct kith_book *book, const struct kith_book_item *holder,
                      bool newcomer_answered, uint64_t wall_us);
/* Into new, over a holder that yields. -> 0, KITH_BOOK_REFUSED_TAKEN, KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_shelve(struct kith_book *book, struct kith_book_item *item,
                                     bool answered, uint64_t wall_us);
/* Into tried, if its slot can be had. The item may be loose, and may stay so if the slot cannot be
 * had. -> KITH_BOOK_PROMOTED, _UPDATED (is there), _TESTING, _WAITING, KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_promote(struct kith_book *book, struct kith_book_item *item,
                                      uint64_t wall_us);
void kith_book_test_alive(struct kith_book *book, const struct kith_book_item *holder);
/* -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_test_failed(struct kith_book *book, struct kith_book_item *holder,
                                          uint64_t wall_us);
void kith_book_tests_forget(struct kith_book *book, const struct kith_book_item *item);
void kith_book_tests_clean(struct kith_book *book, uint64_t wall_us);

/* ---- book_ban.c ---- */

void kith_book_bans_clean(struct kith_book *book, uint64_t wall_us);
void kith_book_bans_deinit(struct kith_book *book);
/* -> KITH_EFULL, KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_ban_load(struct kith_book *book, const struct kith_book_ban *ban,
                                       uint64_t wall_us);
bool kith_book_ban_valid(const struct kith_book_ban *ban);
void kith_book_ban_release(struct kith_book_ban_item *item);
const char *kith_book_check_bans(const struct kith_book *book);

#endif
