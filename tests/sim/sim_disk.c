/* SPDX-License-Identifier: MIT */
/* Two growing arrays. A simulated disk holds a few hundred entries: they are searched one by one.
 */
#include "sim/sim_disk.h"

#include <stdlib.h>
#include <string.h>

#include "sim/memory.h"

enum {
    LOST_PPM = 200000, /* of a damaged disk's entries */
    TORN_PPM = 200000,
};

struct kith_sim_saved {
    struct kith_core_saved saved; /* `record` is not kept */
    uint64_t expires;             /* held ones */
    struct kith_record record;
};

static bool same_record(const struct kith_record *a, const struct kith_record *b) {
    if (a->is_mutable != b->is_mutable) {
        return false;
    }
    if (a->is_mutable) {
        return memcmp(a->key.bytes, b->key.bytes, sizeof(a->key.bytes)) == 0 &&
               a->salt_size == b->salt_size && memcmp(a->salt, b->salt, a->salt_size) == 0;
    }
    return a->value_size == b->value_size && memcmp(a->value, b->value, a->value_size) == 0;
}

static struct kith_sim_saved *find_record(struct kith_sim_disk *disk,
                                          const struct kith_core_saved *saved) {
    for (size_t i = 0; i < disk->n_records; i++) {
        struct kith_sim_saved *s = &disk->records[i];
        if (s->saved.own == saved->own && s->saved.is_announcement == saved->is_announcement &&
            (!saved->is_announcement ||
             memcmp(s->saved.topic.bytes, saved->topic.bytes, sizeof(saved->topic.bytes)) == 0) &&
            same_record(&s->record, saved->record)) {
            return s;
        }
    }
    return NULL;
}

void kith_sim_disk_event(struct kith_sim_disk *disk, const struct kith_core_event *event,
                         uint64_t now) {
    struct kith_sim_saved *s = find_record(disk, &event->saved);
    if (event->kind == KITH_CORE_FORGET) {
        if (s != NULL && s->record.seq == event->saved.record->seq) {
            *s = disk->records[--disk->n_records];
        }
        return;
    }
    if (s == NULL) {
        if (disk->n_records == disk->records_capacity) {
            disk->records_capacity = 2 * disk->records_capacity + 16;
            disk->records = kith_sim_resize(disk->records,
                                            disk->records_capacity * sizeof(struct kith_sim_saved));
        }
        s = &disk->records[disk->n_records++];
    }
    *s = (struct kith_sim_saved){
        .saved = event->saved,
        .expires = now + event->saved.lifetime_ns,
        .record = *event->saved.record,
    };
    s->saved.record = NULL;
    s->saved.op = 0;
}

static void save_blob(struct kith_sim_disk *disk, const struct kith_book_blob *blob) {
    size_t i = 0;
    while (i < disk->n_blobs && (disk->blobs[i].key_size != blob->key_size ||
                                 memcmp(disk->blobs[i].key, blob->key, blob->key_size) != 0)) {
        i++;
    }
    if (blob->removed) {
        if (i < disk->n_blobs) {
            disk->blobs[i] = disk->blobs[--disk->n_blobs];
        }
        return;
    }
    if (i == disk->blobs_capacity) {
        disk->blobs_capacity = 2 * disk->blobs_capacity + 16;
        disk->blobs =
            kith_sim_resize(disk->blobs, disk->blobs_capacity * sizeof(struct kith_book_blob));
    }
    disk->blobs[i] = *blob;
    disk->n_blobs += i == disk->n_blobs;
}

void kith_sim_disk_take_book(struct kith_sim_disk *disk, struct kith_core *core) {
    struct kith_book_blob blob;
    while (kith_core_book_next_dirty(core, &blob)) {
        save_blob(disk, &blob);
    }
}

void kith_sim_disk_copy(struct kith_sim_disk *to, const struct kith_sim_disk *from) {
    kith_sim_disk_clear(to);
    if (from->n_records > 0) {
        to->records = kith_sim_allocate(from->n_records * sizeof(struct kith_sim_saved));
        memcpy(to->records, from->records, from->n_records * sizeof(struct kith_sim_saved));
    }
    if (from->n_blobs > 0) {
        to->blobs = kith_sim_allocate(from->n_blobs * sizeof(struct kith_book_blob));
        memcpy(to->blobs, from->blobs, from->n_blobs * sizeof(struct kith_book_blob));
    }
    to->n_records = to->records_capacity = from->n_records;
    to->n_blobs = to->blobs_capacity = from->n_blobs;
}

/* A bit of `size` bytes, if there are any. */
static void turn_bit(void *bytes, size_t size, struct kith_sim_random *random) {
    if (size > 0) {
        uint64_t bit = kith_sim_random_below(random, size * 8);
        ((uint8_t *)bytes)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

void kith_sim_disk_damage(struct kith_sim_disk *disk, struct kith_sim_random *random) {
    for (size_t i = 0; i < disk->n_records; i++) {
        struct kith_sim_saved *s = &disk->records[i];
        if (kith_sim_random_chance(random, LOST_PPM)) {
            *s = disk->records[--disk->n_records];
        } else if (kith_sim_random_chance(random, TORN_PPM)) {
            turn_bit(s->record.value, s->record.value_size, random);
        }
    }
    for (size_t i = 0; i < disk->n_blobs; i++) {
        struct kith_book_blob *blob = &disk->blobs[i];
        if (kith_sim_random_chance(random, LOST_PPM)) {
            *blob = disk->blobs[--disk->n_blobs];
        } else if (kith_sim_random_chance(random, TORN_PPM)) {
            turn_bit(blob->value, blob->value_size, random);
            turn_bit(blob->key, blob->key_size, random);
        } else if (kith_sim_random_chance(random, TORN_PPM)) {
            blob->value_size /= 2;
        }
    }
}

void kith_sim_disk_clear(struct kith_sim_disk *disk) {
    free(disk->records);
    free(disk->blobs);
    *disk = (struct kith_sim_disk){0};
}

bool kith_sim_disk_secret(const struct kith_sim_disk *disk, uint8_t secret[KITH_BOOK_SECRET_SIZE]) {
    for (size_t i = 0; i < disk->n_blobs; i++) {
        const struct kith_book_blob *blob = &disk->blobs[i];
        if (kith_book_decode_header(kith_span(blob->key, blob->key_size),
                                    kith_span(blob->value, blob->value_size), secret) == 0) {
            return true;
        }
    }
    return false;
}

void kith_sim_disk_restore(const struct kith_sim_disk *disk, struct kith_core *core, uint64_t now) {
    for (size_t i = 0; i < disk->n_records; i++) {
        const struct kith_sim_saved *s = &disk->records[i];
        struct kith_core_saved saved = s->saved;
        saved.record = &s->record;
        if (!saved.own && s->expires <= now) {
            continue;
        }
        saved.lifetime_ns = saved.own ? 0 : s->expires - now;
        int r = kith_core_restore(core, &saved, now);
        (void)r; /* damaged, or no memory: it stays away */
    }
    for (size_t i = 0; i < disk->n_blobs; i++) {
        const struct kith_book_blob *blob = &disk->blobs[i];
        uint8_t secret[KITH_BOOK_SECRET_SIZE];
        struct kith_span key = kith_span(blob->key, blob->key_size);
        struct kith_span value = kith_span(blob->value, blob->value_size);
        if (kith_book_decode_header(key, value, secret) != 0) {
            int r = kith_core_book_load(core, key, value, now);
            (void)r;
        }
    }
}
