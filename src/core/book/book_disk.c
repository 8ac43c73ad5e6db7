/* SPDX-License-Identifier: MIT */
/*
 * book_disk: the book as keys and values, for a store that keeps them in any order.
 *
 * Big endian, without padding. The key says what it is about, the value what is known of it:
 *
 *     header  key 'H'
 *             value version u8, secret 32
 *     entry   key 'E', has key u8, key 32 (or zeros), family u8, port u16, scope u32, ip 16
 *             value version u8, table u8, origin u8, roles u8, hidden u8, source group u64,
 *                   source tag u64, seen u32, try u32, success u32, attempts u16, health u32,
 *                   health time u32, seq u64 (-1 as two's complement)
 *     ban     key 'B', is key u8, key 32 or (family u8, bits u8, ip 16, 14 zeros)
 *             value version u8, since u64, until u64
 *
 * Places are not stored: the secret and the source group give them again. Decoding is total and
 * takes only what the encoder could have written, so the same entry cannot be there in two
 * spellings. Integrity of the bytes is the store's business.
 */
#include "core/book/book_internal.h"

enum {
    VERSION = 1,
    KEY_FIELD_SIZE = 32,
    BAN_PAD = KEY_FIELD_SIZE - 1 - 1 - 16,
};

static void blob_begin(struct kith_book_blob *blob, struct kith_writer *k, struct kith_writer *v) {
    memset(blob, 0, sizeof(*blob));
    *k = kith_writer(blob->key, sizeof(blob->key));
    *v = kith_writer(blob->value, sizeof(blob->value));
    kith_write_u8(v, VERSION);
}

static void blob_end(struct kith_book_blob *blob, const struct kith_writer *k,
                     const struct kith_writer *v) {
    blob->key_size = (uint8_t)kith_writer_size(k);
    blob->value_size = (uint8_t)kith_writer_size(v);
}

/* 0 if readers stand after kind and version. */
static int open_blob(struct kith_span key, struct kith_span value, char kind, struct kith_reader *k,
                     struct kith_reader *v) {
    *k = kith_reader(key);
    *v = kith_reader(value);
    if (kith_read_u8(k) != (uint8_t)kind) {
        return KITH_ECORRUPT;
    }
    uint8_t version = kith_read_u8(v);
    if (version > VERSION) {
        return KITH_EVERSION;
    }
    return version == VERSION ? 0 : KITH_ECORRUPT;
}

/* What was decoded is right if it is encoded to the same bytes. */
static bool same_blob(const struct kith_book_blob *blob, struct kith_span key,
                      struct kith_span value) {
    return kith_span_equal(kith_span(blob->key, blob->key_size), key) &&
           kith_span_equal(kith_span(blob->value, blob->value_size), value);
}

/* ---- header ---- */

void kith_book_encode_header(const struct kith_book *book, struct kith_book_blob *ret) {
    struct kith_writer k;
    struct kith_writer v;

    blob_begin(ret, &k, &v);
    kith_write_u8(&k, 'H');
    kith_write_bytes(&v, book->secret, sizeof(book->secret));
    blob_end(ret, &k, &v);
}

int kith_book_decode_header(struct kith_span key, struct kith_span value,
                            uint8_t secret[KITH_BOOK_SECRET_SIZE]) {
    struct kith_reader k;
    struct kith_reader v;

    int r = open_blob(key, value, 'H', &k, &v);
    if (r < 0) {
        return r;
    }
    if (kith_reader_left(&k) != 0 || kith_reader_left(&v) != KITH_BOOK_SECRET_SIZE) {
        return KITH_ECORRUPT;
    }
    kith_read_copy(&v, secret, KITH_BOOK_SECRET_SIZE);
    return 0;
}

/* ---- entries ---- */

void kith_book_encode_entry(const struct kith_book_stored *stored, struct kith_book_blob *ret) {
    const struct kith_book_entry *e = &stored->entry;
    struct kith_writer k;
    struct kith_writer v;

    blob_begin(ret, &k, &v);
    kith_write_u8(&k, 'E');
    kith_write_u8(&k, e->contact.has_key);
    kith_write_bytes(&k, e->contact.key.bytes, sizeof(e->contact.key.bytes));
    kith_write_u8(&k, e->contact.endpoint.family);
    kith_write_u16(&k, e->contact.endpoint.port);
    kith_write_u32(&k, e->contact.endpoint.scope);
    kith_write_bytes(&k, e->contact.endpoint.ip, sizeof(e->contact.endpoint.ip));
    kith_write_u8(&v, (uint8_t)e->table);
    kith_write_u8(&v, (uint8_t)e->origin);
    kith_write_u8(&v, e->roles);
    kith_write_u8(&v, e->hidden);
    kith_write_u64(&v, stored->source_group);
    kith_write_u64(&v, stored->source_tag);
    kith_write_u32(&v, e->seen_s);
    kith_write_u32(&v, e->try_s);
    kith_write_u32(&v, e->success_s);
    kith_write_u16(&v, e->attempts);
    kith_write_u32(&v, e->health);
    kith_write_u32(&v, e->health_s);
    kith_write_u64(&v, (uint64_t)e->seq);
    blob_end(ret, &k, &v);
}

static bool entry_valid(const struct kith_book_entry *e) {
    const uint8_t roles = KITH_BOOK_PERSISTENT | KITH_BOOK_UNCONDITIONAL | KITH_BOOK_PRIVATE;

    return e->table <= KITH_BOOK_PINNED && e->origin <= KITH_BOOK_WALK &&
           (e->roles & ~roles) == 0 && (e->roles != 0) == (e->table == KITH_BOOK_PINNED) &&
           e->health <= KITH_BOOK_HEALTH_ONE && e->seq >= -1 &&
           (e->contact.endpoint.family == 4 || e->contact.endpoint.family == 6) &&
           (e->table != KITH_BOOK_TRIED || (e->success_s != 0 && e->contact.has_key));
}

int kith_book_decode_entry(struct kith_span key, struct kith_span value,
                           struct kith_book_stored *ret) {
    struct kith_book_stored s;
    struct kith_book_entry *e = &s.entry;
    struct kith_book_blob again;
    struct kith_reader k;
    struct kith_reader v;

    int r = open_blob(key, value, 'E', &k, &v);
    if (r < 0) {
        return r;
    }
    memset(&s, 0, sizeof(s));
    e->contact.has_key = kith_read_u8(&k) != 0;
    kith_read_copy(&k, e->contact.key.bytes, sizeof(e->contact.key.bytes));
    e->contact.endpoint.family = kith_read_u8(&k);
    e->contact.endpoint.port = kith_read_u16(&k);
    e->contact.endpoint.scope = kith_read_u32(&k);
    kith_read_copy(&k, e->contact.endpoint.ip, sizeof(e->contact.endpoint.ip));
    uint8_t table = kith_read_u8(&v);
    uint8_t origin = kith_read_u8(&v);
    e->table = table <= KITH_BOOK_PINNED ? (enum kith_book_table)table : KITH_BOOK_NEW;
    e->origin = origin <= KITH_BOOK_WALK ? (enum kith_book_origin)origin : KITH_BOOK_SELF;
    e->roles = kith_read_u8(&v);
    e->hidden = kith_read_u8(&v) != 0;
    s.source_group = kith_read_u64(&v);
    s.source_tag = kith_read_u64(&v);
    e->seen_s = kith_read_u32(&v);
    e->try_s = kith_read_u32(&v);
    e->success_s = kith_read_u32(&v);
    e->attempts = kith_read_u16(&v);
    e->health = kith_read_u32(&v);
    e->health_s = kith_read_u32(&v);
    e->seq = (int64_t)kith_read_u64(&v);
    e->contact = kith_book_canonical(&e->contact);
    if (k.failed || v.failed || !entry_valid(e)) {
        return KITH_ECORRUPT;
    }
    kith_book_encode_entry(&s, &again);
    if (!same_blob(&again, key, value)) {
        return KITH_ECORRUPT;
    }
    *ret = s;
    return 0;
}

/* ---- bans ---- */

void kith_book_encode_ban(const struct kith_book_ban *ban, struct kith_book_blob *ret) {
    struct kith_writer k;
    struct kith_writer v;

    blob_begin(ret, &k, &v);
    kith_write_u8(&k, 'B');
    kith_write_u8(&k, ban->is_key);
    if (ban->is_key) {
        kith_write_bytes(&k, ban->key.bytes, sizeof(ban->key.bytes));
    } else {
        kith_write_u8(&k, ban->family);
        kith_write_u8(&k, ban->bits);
        kith_write_bytes(&k, ban->ip, sizeof(ban->ip));
        kith_write_zeros(&k, BAN_PAD);
    }
    kith_write_u64(&v, ban->since_us);
    kith_write_u64(&v, ban->until_us);
    blob_end(ret, &k, &v);
}

/* Nothing is set beyond the prefix. */
static bool prefix_clean(const struct kith_book_ban *ban) {
    for (unsigned bit = ban->bits; bit < 8 * sizeof(ban->ip); bit++) {
        if ((ban->ip[bit / 8] >> (7 - bit % 8) & 1) != 0) {
            return false;
        }
    }
    return true;
}

int kith_book_decode_ban(struct kith_span key, struct kith_span value, struct kith_book_ban *ret) {
    struct kith_book_ban ban;
    struct kith_book_blob again;
    struct kith_reader k;
    struct kith_reader v;

    int r = open_blob(key, value, 'B', &k, &v);
    if (r < 0) {
        return r;
    }
    memset(&ban, 0, sizeof(ban));
    ban.is_key = kith_read_u8(&k) != 0;
    if (ban.is_key) {
        kith_read_copy(&k, ban.key.bytes, sizeof(ban.key.bytes));
    } else {
        ban.family = kith_read_u8(&k);
        ban.bits = kith_read_u8(&k);
        kith_read_copy(&k, ban.ip, sizeof(ban.ip));
    }
    ban.since_us = kith_read_u64(&v);
    ban.until_us = kith_read_u64(&v);
    if (k.failed || v.failed || !kith_book_ban_valid(&ban) ||
        (!ban.is_key && !prefix_clean(&ban))) {
        return KITH_ECORRUPT;
    }
    kith_book_encode_ban(&ban, &again);
    if (!same_blob(&again, key, value)) {
        return KITH_ECORRUPT;
    }
    *ret = ban;
    return 0;
}

/* ---- loading ---- */

static uint32_t not_after(uint32_t stamp_s, uint32_t now_s) {
    return stamp_s < now_s ? stamp_s : now_s;
}

/* Tried if it was, and the slot is free or the holder answered longer ago; else new. -> 0,
 * KITH_BOOK_REFUSED_TAKEN, KITH_ENOMEM */
static int load_place(struct kith_book *book, struct kith_book_item *item,
                      enum kith_book_table table, uint64_t wall_us) {
    if (table == KITH_BOOK_TRIED && kith_book_tried_at(book, &item->e.contact.endpoint) == NULL) {
        struct kith_book_item *holder = kith_book_holder(book, item, KITH_BOOK_TRIED);
        if (holder == NULL) {
            return kith_book_place(book, item, KITH_BOOK_TRIED);
        }
        if (holder->e.success_s < item->e.success_s) {
            int r = kith_book_shelve(book, holder, true, wall_us);
            if (r < 0) {
                return r;
            }
            if (r == 0) {
                kith_book_item_dirty(book, holder);
                return kith_book_place(book, item, KITH_BOOK_TRIED);
            }
        }
    }
    return kith_book_shelve(book, item, table == KITH_BOOK_TRIED, wall_us);
}

static int load_entry(struct kith_book *book, struct kith_book_stored *s, uint64_t wall_us) {
    uint32_t now_s = kith_book_seconds(wall_us);
    struct kith_book_entry *e = &s->entry;
    enum kith_book_table table = e->table;
    struct kith_book_item *item = NULL;

    if (kith_book_item_find(book, &e->contact) != NULL) {
        return KITH_EEXISTS;
    }
    int r = kith_book_admissible(book, &e->contact, wall_us);
    if (r == KITH_BOOK_REFUSED_ADDRESS || r == KITH_BOOK_REFUSED_OWN) {
        return KITH_EREFUSED;
    }
    e->seen_s = not_after(e->seen_s, now_s);
    e->try_s = not_after(e->try_s, now_s);
    e->success_s = not_after(e->success_s, now_s != 0 ? now_s : 1); /* 0 would mean never */
    e->health_s = not_after(e->health_s, now_s);
    e->roles |= kith_book_roles_of(book, &e->contact);
    if (e->roles != 0 && book->shelves[KITH_BOOK_PINNED].n_members >= KITH_BOOK_PINNED_MAX) {
        return KITH_EFULL;
    }
    r = kith_book_make_room(book, &e->contact, table == KITH_BOOK_TRIED, wall_us);
    r = r != 0 ? r : kith_book_item_new(book, e, &item);
    if (r != 0) {
        return r < 0 ? r : KITH_EFULL;
    }
    item->source_group = s->source_group;
    item->source_tag = s->source_tag;
    r = e->roles != 0 ? kith_book_place(book, item, KITH_BOOK_PINNED)
                      : load_place(book, item, table, wall_us);
    if (r != 0) {
        kith_book_item_remove(book, item);
        return r < 0 ? r : KITH_EFULL;
    }
    item->stored = true;
    if (item->state != (uint8_t)table) {
        kith_book_item_dirty(book, item);
    }
    return 0;
}

int kith_book_load(struct kith_book *book, struct kith_span key, struct kith_span value,
                   uint64_t wall_us) {
    struct kith_book_stored stored;
    struct kith_book_ban ban;
    int r;

    if (key.size > 0 && key.data[0] == 'B') {
        r = kith_book_decode_ban(key, value, &ban);
        r = r < 0 ? r : kith_book_ban_load(book, &ban, wall_us);
    } else {
        r = kith_book_decode_entry(key, value, &stored);
        r = r < 0 ? r : load_entry(book, &stored, wall_us);
    }
    book->counts.load_dropped += r < 0;
    return r;
}

/* ---- saving ---- */

static void take_entry(struct kith_book *book, struct kith_book_item *item,
                       struct kith_book_blob *ret) {
    struct kith_book_stored stored = {item->e, item->source_group, item->source_tag};

    kith_book_encode_entry(&stored, ret);
    ret->removed = item->state == KITH_BOOK_GONE;
    kith_book_item_clean(book, item);
    if (ret->removed) {
        kith_book_item_release(book, item);
    } else {
        item->stored = true;
    }
}

bool kith_book_next_dirty(struct kith_book *book, struct kith_book_blob *ret) {
    if (book->dirty_first != KITH_BOOK_NONE) {
        take_entry(book, kith_book_item(book, book->dirty_first), ret);
        return true;
    }
    struct kith_list *l = kith_list_first(&book->ban_dirty);
    if (l == NULL) {
        return false;
    }
    struct kith_book_ban_item *item = kith_container_of(l, struct kith_book_ban_item, dirty);
    kith_book_encode_ban(&item->ban, ret);
    ret->removed = item->gone;
    kith_list_remove(&item->dirty);
    item->stored = true;
    if (item->gone) {
        kith_book_ban_release(item);
    }
    return true;
}

void kith_book_mark_dirty(struct kith_book *book) {
    for (unsigned table = 0; table < KITH_BOOK_N_TABLES; table++) {
        for (uint32_t i = 0; i < book->shelves[table].n_members; i++) {
            kith_book_item_dirty(book, kith_book_member(book, table, i));
        }
    }
    struct kith_list *l = kith_list_first(&book->ban_list);
    for (; l != NULL; l = kith_list_next(&book->ban_list, l)) {
        struct kith_book_ban_item *item = kith_container_of(l, struct kith_book_ban_item, all);
        if (kith_list_empty(&item->dirty)) {
            kith_list_append(&book->ban_dirty, &item->dirty);
        }
    }
}
