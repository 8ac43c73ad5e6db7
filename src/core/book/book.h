/* SPDX-License-Identifier: MIT */
/*
 * book: the address book. Who may be asked when nobody is known, kept over restarts, and built so
 * that nobody can fill it with lies.
 *
 * An entry is a key (unknown for a seed given as HOST:PORT) at one endpoint. It lives in one of
 * three tables:
 *   new     hints: somebody said so. A bucket is chosen by who said it and where it points to, so
 *           one source reaches a sixteenth of the buckets however much it says.
 *   tried   has answered, authenticated, from this endpoint. A bucket is chosen by address. Its
 *           holder leaves for a newcomer only after it was tested and failed.
 *   pinned  has a role given by the operator. Outside of the geometry: no stranger has an influence
 *           on it.
 * A key alone never decides a place: keys are free.
 *
 * Whoever calls kith_book_good(), kith_book_moved() or kith_book_outcome() vouches for it: an
 * answer that authenticated under the key and proves the address; a peer record whose signature was
 * verified; misbehaviour inside an authenticated session. What a third party can forge (a datagram
 * that does not authenticate, a hint that turns out wrong, an entry of a peer's answer about
 * others) must not be reported. Timeouts can be provoked by whoever can drop datagrams; so they
 * count per endpoint, little, and only while others answer.
 *
 * Without clock and I/O. `wall_us` is Unix microseconds: stamps outlive the process. A wall clock
 * that jumps back makes entries look fresh, nothing worse. Returned entries are the book's and
 * valid until the next call that is not const.
 */
#ifndef KITH_CORE_BOOK_H
#define KITH_CORE_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/random.h"
#include "kith/error.h"
#include "kith/types.h"
#include "util/span.h"

enum {
    KITH_BOOK_SECRET_SIZE = 32,
    KITH_BOOK_BUCKETS_NEW = 1024, /* Bitcoin's sizes since 2015: four times those of the paper */
    KITH_BOOK_BUCKETS_TRIED = 256,
    KITH_BOOK_SLOTS = 64,
    KITH_BOOK_BUCKETS_MAX = 65536,
    KITH_BOOK_SLOTS_MAX = 256,
    KITH_BOOK_PER_KEY = 8,      /* entries of one key: as many as a peer record has endpoints */
    KITH_BOOK_PER_ENDPOINT = 4, /* keys said to be at one endpoint */
    KITH_BOOK_PINNED_MAX = 1024,
    KITH_BOOK_KEY_ROLES_MAX = 256,
    KITH_BOOK_OWN_MAX = 16,   /* own endpoints */
    KITH_BOOK_TESTS_MAX = 64, /* holders of tried slots that wait for their test */
    KITH_BOOK_BANS_MAX = 4096,
    KITH_BOOK_SAMPLE_PERCENT = 23, /* of the answering entries, at most, to one asker */
    KITH_BOOK_TRIED_PERCENT = 85,  /* of selections */
    KITH_BOOK_HEALTH_ONE = 65536,
    KITH_BOOK_HEALTH_NEUTRAL = KITH_BOOK_HEALTH_ONE / 2,
    KITH_BOOK_HEALTH_HALF_LIFE_S = 6 * 3600, /* distance from neutral */
    KITH_BOOK_BLOB_KEY_MAX = 64,
    KITH_BOOK_BLOB_VALUE_MAX = 64,
};

#define KITH_BOOK_FOREVER UINT64_MAX /* end of a permanent ban */

enum kith_book_table { KITH_BOOK_NEW, KITH_BOOK_TRIED, KITH_BOOK_PINNED };

/* Who brought an entry. */
enum kith_book_origin {
    KITH_BOOK_SELF,   /* the peer itself */
    KITH_BOOK_CONFIG, /* operator: flag, file, command, seed */
    KITH_BOOK_LAN,
    KITH_BOOK_PEX,  /* peer exchange */
    KITH_BOOK_WALK, /* answer to a question of ours */
};

enum kith_book_role {
    KITH_BOOK_PERSISTENT = 1 << 0,    /* tried again for ever */
    KITH_BOOK_UNCONDITIONAL = 1 << 1, /* does not count in the caller's maxima */
    KITH_BOOK_PRIVATE = 1 << 2,       /* never shared, nor is what it brings */
};

/* How far loopback, private and link-local endpoints are trusted. Operator and LAN may always name
 * them. */
enum kith_book_strictness {
    KITH_BOOK_NORMAL, /* only from a source that is at least as near; grouped by /24 or /64 */
    KITH_BOOK_STRICT, /* from nobody else */
    KITH_BOOK_LAB,    /* from everybody; each such endpoint is a group of its own */
};

/* Named outcomes. The refusals leave the book as it was. */
enum kith_book_result {
    KITH_BOOK_ADDED = 1,
    KITH_BOOK_UPDATED,         /* was there */
    KITH_BOOK_PROMOTED,        /* is in tried now */
    KITH_BOOK_TESTING,         /* its slot in tried is held: the holder will be tested */
    KITH_BOOK_WAITING,         /* its slot is held by one that answered lately: it stays in new */
    KITH_BOOK_REFUSED_ADDRESS, /* cannot be sent to */
    KITH_BOOK_REFUSED_OWN,     /* our key or our endpoint */
    KITH_BOOK_REFUSED_BANNED,
    KITH_BOOK_REFUSED_SCOPE, /* a near address from far away, see kith_book_strictness */
    KITH_BOOK_REFUSED_TAKEN, /* its slot is held by an entry no worse */
    KITH_BOOK_REFUSED_SHARE, /* key or endpoint has its share of entries */
    KITH_BOOK_REFUSED_STALE, /* not newer than the peer record we know */
    KITH_BOOK_UNKNOWN,       /* no such entry */
};

/* What an authenticated peer did, beside answering. */
enum kith_book_outcome {
    KITH_BOOK_BAD_SIGNATURE, /* gave a record as verified that does not verify */
    KITH_BOOK_CONTRADICTION, /* said two things of which one is a lie */
};

enum kith_book_event { KITH_BOOK_EVENT_ADDED, KITH_BOOK_EVENT_CHANGED, KITH_BOOK_EVENT_REMOVED };

/* Stamps are Unix seconds, 0: never. */
struct kith_book_entry {
    struct kith_contact contact;
    enum kith_book_table table : 8;
    enum kith_book_origin origin : 8;
    uint8_t roles;     /* enum kith_book_role */
    bool hidden;       /* came from a private peer: never shared */
    uint16_t attempts; /* failures in a row that count */
    uint32_t health;   /* of KITH_BOOK_HEALTH_ONE, as of health_s; see kith_book_health() */
    uint32_t health_s;
    uint32_t seen_s;    /* somebody claims it was alive; set back for hints */
    uint32_t try_s;     /* last attempt */
    uint32_t success_s; /* last authenticated answer from this endpoint */
    int64_t seq;        /* of the peer record this endpoint was in; -1: none */
};

/* A ban of a key, or of a prefix of addresses. */
struct kith_book_ban {
    bool is_key;
    struct kith_key key;
    uint8_t family;
    uint8_t bits;   /* 4: 8..32, 6: 16..128 */
    uint8_t ip[16]; /* bits beyond the prefix are zero */
    uint64_t since_us;
    uint64_t until_us; /* KITH_BOOK_FOREVER: permanent */
};

struct kith_book_source {
    enum kith_book_origin origin;
    struct kith_contact contact; /* PEX, WALK: who said it. Otherwise zero */
};

struct kith_book_hint {
    struct kith_contact contact;
    struct kith_book_source source;
    uint8_t roles;    /* only from the operator */
    uint64_t seen_us; /* when the source claims it was alive; 0: it does not say */
};

struct kith_book_config {
    const struct kith_random *random; /* borrowed */
    const uint8_t *secret; /* KITH_BOOK_SECRET_SIZE bytes from kith_book_decode_header(), copied;
                              NULL: drawn */
    struct kith_key own_key;
    uint32_t buckets_new; /* 0: defaults */
    uint32_t buckets_tried;
    uint32_t slots;
    enum kith_book_strictness strictness;
    /* May be NULL; must not call the book. */
    void (*on_event)(void *context, enum kith_book_event event, const struct kith_book_entry *e);
    void *context;
};

struct kith_book_counts {
    uint32_t n_new;
    uint32_t n_tried;
    uint32_t n_pinned;
    uint32_t n_bans;
    uint32_t n_tests;     /* waiting */
    uint32_t mean_health; /* of KITH_BOOK_HEALTH_ONE; neutral for an empty book */
    size_t memory;        /* bytes held */
    /* since the start */
    uint64_t added;
    uint64_t promoted;
    uint64_t demoted;   /* lost their slot in tried, kept in new */
    uint64_t displaced; /* left for a better one */
    uint64_t expired;   /* left by kith_book_clean() */
    uint64_t refused;   /* hints refused, for whatever reason */
    uint64_t tests_alive;
    uint64_t tests_dead;
    uint64_t load_dropped; /* persisted things that did not decode or fit */
};

/* A persisted thing: an entry, a ban or the header, as the shell keeps it: value by key. */
struct kith_book_blob {
    uint8_t key[KITH_BOOK_BLOB_KEY_MAX];
    uint8_t value[KITH_BOOK_BLOB_VALUE_MAX];
    uint8_t key_size;
    uint8_t value_size;
    bool removed; /* delete the key; there is no value */
};

struct kith_book; /* opaque */

/* -> KITH_ENOMEM, KITH_EINVALID: sizes over their maximum */
KITH_MUST_CHECK int kith_book_new(struct kith_book **ret, const struct kith_book_config *config);
/* NULL is ignored. */
struct kith_book *kith_book_free(struct kith_book *book);

/* ---- what the node learns ---- */

/* Endpoints of ours; entries there are dropped and refused. Beyond KITH_BOOK_OWN_MAX: ignored. */
void kith_book_set_own(struct kith_book *book, const struct kith_endpoint *endpoints, size_t n);
/* Roles of a key wherever it appears, now and later; 0 takes them back. The list of keys is not
 * persisted (configuration says them again, before loading), the roles of entries are.
 * -> KITH_EFULL, KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_set_roles(struct kith_book *book, const struct kith_key *key,
                                        uint8_t roles, uint64_t wall_us);
/* A hint: into new, or into pinned if it has a role. Never changes where a known entry is, but for
 * a role. -> enum kith_book_result, KITH_EFULL (pinned), KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_add(struct kith_book *book, const struct kith_book_hint *hint,
                                  uint64_t wall_us);
/* The peer behind contact->key answered from contact->endpoint; see above. An unknown one is
 * added. The contact has a key. -> enum kith_book_result, KITH_EINVALID, KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_good(struct kith_book *book, const struct kith_contact *contact,
                                   uint64_t wall_us);
/* An attempt begins; lowers the chance of being selected again at once. */
void kith_book_attempt(struct kith_book *book, const struct kith_contact *contact,
                       uint64_t wall_us);
/* The attempt ended without an answer. May end a test against the entry. -> KITH_BOOK_UPDATED,
 * KITH_BOOK_UNKNOWN, KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_failed(struct kith_book *book, const struct kith_contact *contact,
                                     uint64_t wall_us);
/* Misbehaviour in an authenticated session; see above. -> KITH_BOOK_UPDATED, KITH_BOOK_UNKNOWN */
int kith_book_outcome(struct kith_book *book, const struct kith_contact *contact,
                      enum kith_book_outcome outcome, uint64_t wall_us);
/* A verified peer record of a key that we know: entries of this key at endpoints it no longer names
 * move to those it names, family by family, and are hints until they answer there. A private
 * address is not taken from it where we know the key at a public one only. -> KITH_BOOK_UPDATED,
 * KITH_BOOK_REFUSED_STALE, KITH_BOOK_REFUSED_TAKEN (nothing could move), KITH_BOOK_UNKNOWN,
 * KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_moved(struct kith_book *book, const struct kith_key *key,
                                    const struct kith_endpoint *endpoints, size_t n, int64_t seq,
                                    uint64_t wall_us);
/* Drops an entry, pinned or not; without a key in the contact, everything at the endpoint. Returns
 * how many. */
size_t kith_book_forget(struct kith_book *book, const struct kith_contact *contact);

/* ---- whom to ask ---- */

/* Tried with 85 %, else new; within a table by bucket, then by chance: less likely shortly after an
 * attempt, after failures, with bad health. NULL: nobody. */
const struct kith_book_entry *kith_book_select(const struct kith_book *book, uint64_t wall_us);
/* A hint worth an attempt now, or NULL. */
const struct kith_book_entry *kith_book_feeler(const struct kith_book *book, uint64_t wall_us);
/* The holder of a tried slot that a newcomer waits for: contact it, and report the result with
 * kith_book_good() or kith_book_failed(). NULL: none. */
const struct kith_book_entry *kith_book_next_test(struct kith_book *book, uint64_t wall_us);
/* Those that answered before, pinned ones first, then the latest; at most two of one group of
 * public addresses. For the start. Returns how many of `n`. -> KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_best(const struct kith_book *book,
                                   const struct kith_book_entry **entries, size_t n,
                                   uint64_t wall_us);
/* Random entries to tell the asker: alive, known by key, not private, not banned, not the asker, no
 * address nearer than the asker's own; at most `n` and KITH_BOOK_SAMPLE_PERCENT of the answering
 * ones, rounded up. Returns how many. */
size_t kith_book_sample(struct kith_book *book, const struct kith_contact *asker,
                        const struct kith_book_entry **entries, size_t n, uint64_t wall_us);

/* ---- looking ---- */

const struct kith_book_entry *kith_book_find(const struct kith_book *book,
                                             const struct kith_contact *contact);
/* Entries of a key, at most `n`; KITH_BOOK_PER_KEY is enough for all. Returns how many. */
size_t kith_book_find_key(const struct kith_book *book, const struct kith_key *key,
                          const struct kith_book_entry **entries, size_t n);
/* All of them, table by table, in no order that means anything. A return value other than 0 ends
 * it. `fn` must not change the book. */
int kith_book_each(const struct kith_book *book,
                   int (*fn)(const struct kith_book_entry *entry, void *user), void *user);
/* The health now, of KITH_BOOK_HEALTH_ONE. */
uint32_t kith_book_health(const struct kith_book_entry *entry, uint64_t wall_us);
/* Whether it may be forgotten. */
bool kith_book_terrible(const struct kith_book_entry *entry, uint64_t wall_us);
void kith_book_count(const struct kith_book *book, uint64_t wall_us, struct kith_book_counts *ret);

/* Drops what is terrible, bans that ended, tests that nobody made. Looks at some thousand entries
 * and goes on there the next time. Returns how many entries were dropped. */
size_t kith_book_clean(struct kith_book *book, uint64_t wall_us);

/* ---- bans ---- */

/* Adds or replaces; bits beyond the prefix are cleared. Full: bans that ended go, then the
 * temporary one that ends first, if the new one ends later; else KITH_EFULL. Banned entries stay,
 * unseen, and are the first to go. -> KITH_EFULL, KITH_EINVALID (prefix length, family, in the
 * past), KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_ban(struct kith_book *book, const struct kith_book_ban *ban,
                                  uint64_t wall_us);
/* -> KITH_ENOT_FOUND */
KITH_MUST_CHECK int kith_book_unban(struct kith_book *book, const struct kith_book_ban *ban);
/* `key` and `endpoint` may be NULL. */
bool kith_book_banned(const struct kith_book *book, const struct kith_key *key,
                      const struct kith_endpoint *endpoint, uint64_t wall_us);
/* In the order they were made. A return value other than 0 ends it. */
int kith_book_each_ban(const struct kith_book *book,
                       int (*fn)(const struct kith_book_ban *ban, void *user), void *user);

/* ---- persistence ---- */

/* The header: version and secret. Must be on disk before, or with, the first entry. */
void kith_book_encode_header(const struct kith_book *book, struct kith_book_blob *ret);
/* -> KITH_ECORRUPT, KITH_EVERSION */
KITH_MUST_CHECK int kith_book_decode_header(struct kith_span key, struct kith_span value,
                                            uint8_t secret[KITH_BOOK_SECRET_SIZE]);
/* An entry or a ban as it was persisted. Where two claim one slot, the one that answered last has
 * it. What is not kept is counted; but for KITH_EVERSION and KITH_ENOMEM the shell may delete it.
 * -> 0, KITH_ECORRUPT, KITH_EVERSION, KITH_EFULL (no room), KITH_EEXISTS, KITH_EREFUSED (it is us,
 * or no usable address), KITH_ENOMEM */
KITH_MUST_CHECK int kith_book_load(struct kith_book *book, struct kith_span key,
                                   struct kith_span value, uint64_t wall_us);
/* What changed since it was last taken, in order. False: nothing more. */
bool kith_book_next_dirty(struct kith_book *book, struct kith_book_blob *ret);
/* Everything is to be taken again: a write failed. */
void kith_book_mark_dirty(struct kith_book *book);

/* The codecs themselves. Decoding accepts exactly what the encoder writes. The group of the source
 * is `group`; see book_table. -> KITH_ECORRUPT, KITH_EVERSION */
struct kith_book_stored {
    struct kith_book_entry entry;
    uint64_t source_group;
    uint64_t source_tag;
};
void kith_book_encode_entry(const struct kith_book_stored *stored, struct kith_book_blob *ret);
KITH_MUST_CHECK int kith_book_decode_entry(struct kith_span key, struct kith_span value,
                                           struct kith_book_stored *ret);
void kith_book_encode_ban(const struct kith_book_ban *ban, struct kith_book_blob *ret);
KITH_MUST_CHECK int kith_book_decode_ban(struct kith_span key, struct kith_span value,
                                         struct kith_book_ban *ret);

/* All invariants; for tests and fuzzers. Returns NULL, or what is violated. */
const char *kith_book_check(const struct kith_book *book);

#endif
