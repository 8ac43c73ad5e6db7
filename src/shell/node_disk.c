/* SPDX-License-Identifier: MIT */
/*
 * node_disk: what a node keeps across restarts. The core says what is to be kept; the disk keeps
 * it.
 *
 * The core counts lifetimes in monotonic time, which means nothing after a reboot; the disk keeps
 * Unix time. The translation happens here, in both directions, and nowhere else. A held record that
 * expired while the node was down is forgotten instead of restored.
 *
 * Contacts are saved as a whole: soon after joining (a node that is killed shortly after its first
 * start still finds back), then every few minutes, and at close.
 */
#include <stdlib.h>
#include <time.h>

#include "shell/node_internal.h"

enum {
    CONTACTS_SAVED_MAX = 256, /* a few buckets' worth: plenty to join through, one page to write */
    CONTACTS_SOON_MS = 30 * 1000,
    CONTACTS_EVERY_MS = 5 * 60 * 1000,
};

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
    unsigned n_contacts;
    unsigned n_expired;
    unsigned n_refused;
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
    return kith_disk_open(&node->disk, &config, info);
}

static void on_loaded_record(void *user, const struct kith_disk_record *r) {
    struct restore *restore = user;
    struct kith_core_saved saved = {
        .own = r->own,
        .is_announcement = r->is_announcement,
        .topic = r->topic,
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

static void on_loaded_contact(void *user, const struct kith_contact *contact) {
    struct restore *restore = user;
    if (kith_core_add_contact(restore->node->core, contact, KITH_CONTACT_KNOWN, restore->now) ==
        0) {
        restore->n_contacts++;
    }
}

static void on_contacts_timer(uv_timer_t *timer) {
    kith_node_disk_save_contacts(timer->data);
}

int kith_node_disk_restore(struct kith_node *node) {
    if (node->disk == NULL) {
        return 0;
    }
    struct restore restore = {
        .node = node,
        .wall_us = kith_node_wall_us(),
        .now = uv_hrtime(),
    };
    int r = kith_disk_load(node->disk, on_loaded_record, on_loaded_contact, &restore);
    if (r < 0) {
        return r;
    }
    if (restore.n_records + restore.n_contacts + restore.n_expired + restore.n_refused > 0) {
        kith_node_log(node, KITH_LOG_INFO,
                      "restored %u records and %u contacts; %u records expired, %u refused",
                      restore.n_records, restore.n_contacts, restore.n_expired, restore.n_refused);
    }
    return uv_timer_start(&node->contacts, on_contacts_timer, CONTACTS_EVERY_MS,
                          CONTACTS_EVERY_MS) == 0
               ? 0
               : KITH_EINTERNAL;
}

static void to_disk_record(const struct kith_core_saved *saved, struct kith_disk_record *ret) {
    uint64_t wall_us = kith_node_wall_us();
    uint64_t lifetime_us = saved->lifetime_ns / KITH_NS_PER_US;
    *ret = (struct kith_disk_record){
        .own = saved->own,
        .is_announcement = saved->is_announcement,
        .topic = saved->topic,
        .expires_us = saved->own ? 0 : wall_us + lifetime_us,
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

void kith_node_disk_contacts_soon(struct kith_node *node) {
    if (node->disk != NULL && !node->closing) {
        (void)uv_timer_start(&node->contacts, on_contacts_timer, CONTACTS_SOON_MS,
                             CONTACTS_EVERY_MS);
    }
}

void kith_node_disk_save_contacts(struct kith_node *node) {
    if (node->disk == NULL) {
        return;
    }
    struct kith_contact *contacts = calloc(CONTACTS_SAVED_MAX, sizeof(*contacts));
    if (contacts == NULL) {
        return; /* the next save is minutes away */
    }
    size_t n = kith_core_contacts(node->core, contacts, CONTACTS_SAVED_MAX);
    /* A node that lost its network keeps the contacts it had. */
    int r = n == 0 ? 0 : kith_disk_save_contacts(node->disk, contacts, n);
    if (r < 0) {
        kith_node_log(node, KITH_LOG_WARN, "contacts cannot be kept on disk: %s", kith_strerror(r));
    }
    free(contacts);
}
