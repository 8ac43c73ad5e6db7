/* SPDX-License-Identifier: MIT */
/*
 * node_disk: what a node keeps across restarts. The core says what is to be kept; the disk keeps
 * it.
 *
 * The core counts lifetimes in monotonic time, which means nothing after a reboot; the disk keeps
 * Unix time. The translation happens here, in both directions, and nowhere else. A held record that
 * expired while the node was down is forgotten instead of restored.
 *
 * The address book lies beside the records as blobs; see node_book.
 */
#include <stdlib.h>
#include <time.h>

#include "shell/node_internal.h"
#include "shell/refuse.h"

/* One write of an op's own record, on its way. */
struct save {
    struct kith_node *node;
    uint64_t op;
};

struct restore {
    struct kith_node *node;
    uint64_t wall_us;
    uint64_t now;
    unsigned n_records;
    unsigned n_expired;
    unsigned n_refused;
    struct kith_node_book_restored book;
};

uint64_t kith_node_wall_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void on_disk_log(void *context, int level, const char *message) {
    kith_node_log(context, (enum kith_log_level)level, "%s", message);
}

int kith_node_disk_open(struct kith_node *node, const char *dir, struct kith_error_info *info) {
    struct kith_disk_config config = {
        .loop = node->loop,
        .dir = dir,
        .on_log = on_disk_log,
        .context = node,
    };
    int r = kith_disk_open(&node->disk, &config, info);
    if (r < 0) {
        return r;
    }
    r = kith_node_book_open(node);
    return r < 0 ? kith_refuse_at(info, r, 0, "what '%s' holds cannot be loaded: %s", dir,
                                  kith_strerror(r))
                 : 0;
}

static void on_loaded_record(void *user, const struct kith_disk_record *r) {
    struct restore *restore = user;
    struct kith_core_saved saved = {
        .own = r->own,
        .is_announcement = r->is_announcement,
        .topic = r->topic,
        .swarms = r->swarms,
        .record = r->record,
    };
    if (!r->own) {
        if (r->expires_us <= restore->wall_us) {
            restore->n_expired++;
            restore->n_refused +=
                kith_disk_forget(restore->node->disk, r) < 0; /* expired again next time */
            return;
        }
        uint64_t left_us = r->expires_us - restore->wall_us;
        saved.lifetime_ns =
            left_us > KITH_NEVER / KITH_NS_PER_US ? KITH_NEVER : left_us * KITH_NS_PER_US;
    }
    if (kith_core_restore(restore->node->core, &saved, restore->now) < 0) {
        restore->n_refused++;
    } else {
        restore->n_records++;
    }
}

static void on_loaded_blob(void *user, struct kith_span key, struct kith_span value) {
    struct restore *restore = user;
    kith_node_book_restore(restore->node, key, value, &restore->book);
}

static void tell_restored(struct kith_node *node, const struct restore *restore) {
    if (restore->n_records + restore->n_expired + restore->n_refused + restore->book.n_kept > 0) {
        kith_node_log(
            node, KITH_LOG_INFO,
            "restored %u records, %u entries and bans of the book; %u records expired, %u "
            "refused",
            restore->n_records, restore->book.n_kept, restore->n_expired, restore->n_refused);
    }
    if (restore->book.n_damaged + restore->book.n_refused > 0) {
        kith_node_log(
            node, restore->book.n_damaged > 0 ? KITH_LOG_WARN : KITH_LOG_INFO,
            "%u entries of the book are damaged, %u were not taken back; %u of them removed",
            restore->book.n_damaged, restore->book.n_refused, restore->book.n_removed);
    }
}

int kith_node_disk_restore(struct kith_node *node) {
    if (node->disk == NULL) {
        return 0;
    }
    struct restore restore = {
        .node = node,
        .wall_us = kith_node_wall_us(),
        .now = kith_node_now(node),
    };
    int r = kith_disk_load(node->disk, on_loaded_record, on_loaded_blob, &restore);
    if (r < 0) {
        return r;
    }
    tell_restored(node, &restore);
    kith_node_book_save_regularly(node);
    return 0;
}

static void to_disk_record(const struct kith_core_saved *saved, struct kith_disk_record *ret) {
    uint64_t wall_us = kith_node_wall_us();
    uint64_t lifetime_us = saved->lifetime_ns / KITH_NS_PER_US;
    *ret = (struct kith_disk_record){
        .own = saved->own,
        .is_announcement = saved->is_announcement,
        .topic = saved->topic,
        .expires_us = saved->own ? 0 : wall_us + lifetime_us,
        .swarms = saved->swarms,
        .record = saved->record,
    };
}

static void on_saved(void *user, int status) {
    struct save *save = user;
    kith_node_op_saved(save->node, save->op, status);
    free(save);
}

/* Our own record, published by an op that waits for it. */
static void save_for_op(struct kith_node *node, const struct kith_disk_record *record,
                        struct kith_node_op *op) {
    int r = KITH_ENOMEM;
    struct save *save = malloc(sizeof(*save));
    if (save != NULL) {
        *save = (struct save){.node = node, .op = op->number};
        r = kith_disk_save(node->disk, record, on_saved, save);
    }
    if (r < 0) {
        free(save);
        op->save_status = op->save_status < 0 ? op->save_status : r;
        return;
    }
    op->n_saves++;
}

void kith_node_disk_save(struct kith_node *node, const struct kith_core_saved *saved) {
    if (node->disk == NULL) {
        return;
    }
    struct kith_disk_record record;
    to_disk_record(saved, &record);
    struct kith_node_op *op = saved->own ? kith_node_op_find(node, saved->op) : NULL;
    if (op != NULL) {
        save_for_op(node, &record, op);
        return;
    }
    int r = kith_disk_save(node->disk, &record, NULL, NULL);
    if (r < 0 && saved->own) {
        kith_node_log(node, KITH_LOG_ERROR, "own record cannot be kept on disk: %s",
                      kith_strerror(r));
    }
}

void kith_node_disk_forget(struct kith_node *node, const struct kith_core_saved *saved) {
    if (node->disk == NULL) {
        return;
    }
    struct kith_disk_record record;
    to_disk_record(saved, &record);
    int r = kith_disk_forget(node->disk, &record);
    if (r < 0) { /* if it stays, it expires when loaded */
        kith_node_log(node, KITH_LOG_DEBUG, "a record stays on disk: %s", kith_strerror(r));
    }
}
