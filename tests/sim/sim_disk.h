/* SPDX-License-Identifier: MIT */
/*
 * sim_disk: what a host would have on disk: its own records, those it holds for others, its address
 * book. A crash may leave it as it was, as it was earlier, damaged, or empty.
 */
#ifndef KITH_SIM_DISK_H
#define KITH_SIM_DISK_H

#include "core/core.h"
#include "sim/random.h"

struct kith_sim_saved; /* a record */

struct kith_sim_disk {
    struct kith_sim_saved *records;
    size_t n_records;
    size_t records_capacity;
    struct kith_book_blob *blobs;
    size_t n_blobs;
    size_t blobs_capacity;
};

/* KITH_CORE_SAVE or KITH_CORE_FORGET. */
void kith_sim_disk_event(struct kith_sim_disk *disk, const struct kith_core_event *event,
                         uint64_t now);
/* Takes what changed in the core's address book. */
void kith_sim_disk_take_book(struct kith_sim_disk *disk, struct kith_core *core);
void kith_sim_disk_copy(struct kith_sim_disk *to, const struct kith_sim_disk *from);
/* Some entries are gone, some have bits turned. */
void kith_sim_disk_damage(struct kith_sim_disk *disk, struct kith_sim_random *random);
void kith_sim_disk_clear(struct kith_sim_disk *disk);
/* The address book's secret: for the core's configuration. Returns whether there is one. */
bool kith_sim_disk_secret(const struct kith_sim_disk *disk, uint8_t secret[KITH_BOOK_SECRET_SIZE]);
/* Gives a new core back what there is; what it refuses stays away. */
void kith_sim_disk_restore(const struct kith_sim_disk *disk, struct kith_core *core, uint64_t now);

#endif
