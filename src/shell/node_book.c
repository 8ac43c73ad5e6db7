/* SPDX-License-Identifier: MIT */
/*
 * node_book: the address book between the core, which knows what it means, the disk, which keeps
 * its blobs, and the application.
 *
 * The header of the book holds the secret that decides every place in it, and the core is made with
 * that secret; so the header is read before there is a core, and everything else after. A header of
 * a newer version means that a newer kith will come back for its book: nothing on disk is touched,
 * and this run's book lives in memory only.
 *
 * Saving goes by batches: the core gives what changed, one blob at a time, a batch of them is
 * queued to the disk, and the end of its last write looks at what is left. A batch that was full is
 * followed by the next at once, another one by the timer. So never more than one batch is owed to
 * the disk, a book of any size gets through its queue, and a book that always changes a little
 * costs one commit per period. While closing, the disk waits for the callbacks' writes too, which
 * makes the same chain of batches the final save. What could not be written is dirty again as a
 * whole: the core does not know which change was lost. It has forgotten what it gave as removed, so
 * the removals of a batch are kept here until they are on disk, and go before all else in the next
 * one: the same key may be in the book again by then.
 */
#include <stdlib.h>
#include <string.h>

#include "shell/node_internal.h"

enum {
    BATCH_MAX = 1024, /* writes; a quarter of what the disk lets wait */
    SAVE_EVERY_MS = 10 * 1000,
    SAVE_SOON_MS = 1000, /* after joining, or after the user's command */
};

struct kith_node_book_removal {
    uint8_t key[KITH_BOOK_BLOB_KEY_MAX];
    uint8_t key_size;
};

/* ---- loading ---- */

struct header {
    struct kith_node *node;
    unsigned n_blobs;
    bool too_new;
};

static void on_header_blob(void *user, struct kith_span key, struct kith_span value) {
    struct header *header = user;
    header->n_blobs++;
    int r = kith_book_decode_header(key, value, header->node->book_secret);
    if (r == 0) {
        header->node->has_book_secret = true;
    } else if (r == KITH_EVERSION) {
        header->too_new = true;
    }
}

int kith_node_book_open(struct kith_node *node) {
    struct header header = {.node = node};
    node->book_removals = calloc(BATCH_MAX, sizeof(*node->book_removals));
    if (node->book_removals == NULL) {
        return KITH_ENOMEM;
    }
    int r = kith_disk_load_blobs(node->disk, on_header_blob, &header);
    if (r < 0) {
        return r;
    }
    node->book_kept = !header.too_new;
    if (header.too_new) {
        node->has_book_secret = false;
        kith_node_log(node, KITH_LOG_WARN,
                      "the address book was written by a newer version; it is left alone, and this "
                      "run's is not kept");
    } else if (header.n_blobs > 0 && !node->has_book_secret) {
        kith_node_log(node, KITH_LOG_WARN,
                      "the address book's header is damaged; its entries get new places");
    }
    return 0;
}

void kith_node_book_restore(struct kith_node *node, struct kith_span key, struct kith_span value,
                            struct kith_node_book_restored *counts) {
    uint8_t secret[KITH_BOOK_SECRET_SIZE];
    if (!node->book_kept || kith_book_decode_header(key, value, secret) == 0) {
        return;
    }
    int r = kith_core_book_load(node->core, key, value, kith_node_now(node));
    if (r == 0) {
        counts->n_kept++;
        return;
    }
    counts->n_damaged += r == KITH_ECORRUPT;
    counts->n_refused += r != KITH_ECORRUPT;
    if (r != KITH_EVERSION && r != KITH_ENOMEM) {
        /* Where that fails, it is refused again next time. */
        counts->n_removed +=
            kith_disk_save_blob(node->disk, key, kith_span(NULL, 0), true, NULL, NULL) == 0;
    }
}

/* ---- saving ---- */

static void on_blob_saved(void *user, int status) {
    struct kith_node *node = user;
    node->book_failed = node->book_failed || status < 0;
    if (--node->n_book_saving > 0) {
        return;
    }
    bool again = node->book_more || node->closing;
    if (node->book_failed) {
        kith_core_book_mark_dirty(node->core);
        again = node->closing && !node->book_final; /* else the timer tries again */
    }
    if (again) {
        kith_node_book_save(node);
    }
}

static int save_blob(struct kith_node *node, struct kith_span key, struct kith_span value,
                     bool removed) {
    int r = kith_disk_save_blob(node->disk, key, value, removed, on_blob_saved, node);
    node->n_book_saving += r == 0;
    return r;
}

static void keep_removal(struct kith_node *node, const struct kith_book_blob *blob) {
    struct kith_node_book_removal *removal = &node->book_removals[node->n_book_removals++];
    memcpy(removal->key, blob->key, blob->key_size);
    removal->key_size = blob->key_size;
}

static int save_batch(struct kith_node *node) {
    struct kith_book_blob blob;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < node->n_book_removals; i++) {
        const struct kith_node_book_removal *removal = &node->book_removals[i];
        r = save_blob(node, kith_span(removal->key, removal->key_size), kith_span(NULL, 0), true);
    }
    while (r == 0 && node->n_book_saving < BATCH_MAX &&
           kith_core_book_next_dirty(node->core, &blob)) {
        if (blob.removed) {
            keep_removal(node, &blob);
        }
        r = save_blob(node, kith_span(blob.key, blob.key_size),
                      kith_span(blob.value, blob.value_size), blob.removed);
    }
    return r;
}

void kith_node_book_save(struct kith_node *node) {
    if (node->core == NULL || !node->book_kept || node->n_book_saving > 0) {
        return; /* a running batch is followed by another one if need be */
    }
    if (!node->book_failed) {
        node->n_book_removals = 0;
    }
    node->book_failed = false;
    node->book_final = node->closing;
    int r = save_batch(node);
    if (r < 0) {
        kith_node_log(node, KITH_LOG_WARN, "the address book cannot be kept on disk: %s",
                      kith_strerror(r));
        kith_core_book_mark_dirty(node->core);
        node->book_failed = true;
        return;
    }
    node->book_more = node->n_book_saving == BATCH_MAX;
}

static void on_book_due(uv_timer_t *timer) {
    kith_node_book_save(timer->data);
}

void kith_node_book_save_regularly(struct kith_node *node) {
    if (node->book_kept && !node->closing) {
        (void)uv_timer_start(&node->book_due, on_book_due, SAVE_EVERY_MS, SAVE_EVERY_MS);
    }
}

void kith_node_book_save_soon(struct kith_node *node) {
    if (node->book_kept && !node->closing) {
        (void)uv_timer_start(&node->book_due, on_book_due, SAVE_SOON_MS, SAVE_EVERY_MS);
    }
}

/* ---- for the application ---- */

static int count_ban(const struct kith_ban_info *info, void *user) {
    ++*(uint32_t *)user;
    return 0;
}

/* The book keeps bans that ended until it cleans up; they do not count here. */
void kith_node_book_status(const struct kith_node *node, struct kith_book_status *ret_status) {
    kith_core_book_status(node->core, kith_node_now(node), ret_status);
    ret_status->n_banned = 0;
    (void)kith_node_each_ban(node, count_ban, &ret_status->n_banned);
}

int kith_node_each_book(const struct kith_node *node,
                        int (*fn)(const struct kith_book_info *info, void *user), void *user) {
    return kith_core_each_book(node->core, kith_node_now(node), fn, user);
}

int kith_node_each_ban(const struct kith_node *node,
                       int (*fn)(const struct kith_ban_info *info, void *user), void *user) {
    return kith_core_each_ban(node->core, kith_node_now(node), fn, user);
}

/* What the core wants sent goes out in the next iteration; what the user said is not lost with the
 * power a second later. */
static int changed(struct kith_node *node, int r) {
    if (r >= 0) {
        kith_node_wake(node);
        kith_node_book_save_soon(node);
    }
    return r;
}

int kith_node_add(struct kith_node *node, const struct kith_contact *contact, uint8_t roles) {
    static const uint8_t ROLES = KITH_ROLE_PERSISTENT | KITH_ROLE_UNCONDITIONAL | KITH_ROLE_PRIVATE;
    if (node == NULL || contact == NULL || (roles & ~ROLES) != 0) {
        return KITH_EINVALID;
    }
    return changed(node, kith_core_book_add(node->core, contact, roles, kith_node_now(node)));
}

int kith_node_ban(struct kith_node *node, const struct kith_ban_info *ban) {
    if (node == NULL || ban == NULL || ban->left_s == 0) {
        return KITH_EINVALID;
    }
    return changed(node, kith_core_ban(node->core, ban, kith_node_now(node)));
}

int kith_node_unban(struct kith_node *node, const struct kith_ban_info *ban) {
    if (node == NULL || ban == NULL) {
        return KITH_EINVALID;
    }
    return changed(node, kith_core_unban(node->core, ban));
}
