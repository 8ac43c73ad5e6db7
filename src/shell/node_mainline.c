/* SPDX-License-Identifier: MIT */
/*
 * node_mainline: the public swarm's start and memory: whom to join through when the user names
 * nobody, and the nodes that answered before the last end.
 *
 * A node that was in the swarm once should not depend on the routers again: every ten minutes, and
 * when it closes, the endpoints of each family that are worth it are kept as one document, and the
 * next start asks them first. A run too short to have found as many as it was given keeps those,
 * too. Routers are asked for their addresses only when that has not been enough, and never by a
 * node that is bound to loopback alone: a lab is not to talk to the world.
 */
#include <stdlib.h>

#include "shell/known.h"
#include "shell/node_internal.h"

enum {
    SAVE_EVERY_MS = 10 * 60 * 1000,
};

/* What clients of the swarm have built in; their availability changes, hence several. */
static const char *const ROUTERS[] = {
    "dht.libtorrent.org:25401",    "router.bittorrent.com:6881", "router.utorrent.com:6881",
    "dht.transmissionbt.com:6881", "router.bt.ouinet.work:6881", "relay.pkarr.org:6881",
    "router.silotis.us:6881",
};

static const char *document(uint8_t family) {
    return family == 6 ? "mainline6" : "mainline4";
}

/* ---- whom to join through ---- */

size_t kith_node_mainline_routers(const struct kith_node *node, const char *const **ret_names) {
    *ret_names = ROUTERS;
    return node->lab ? 0 : sizeof(ROUTERS) / sizeof(ROUTERS[0]);
}

bool kith_node_mainline_joined(const struct kith_node *node) {
    struct kith_status status;
    kith_node_status(node, &status);
    for (size_t i = 0; i < 2; i++) {
        const struct kith_mainline_family_status *family = &status.mainline.families[i];
        if (family->on && !family->ready) {
            return false;
        }
    }
    return true;
}

/* ---- what is kept ---- */

static void take_document(void *user, struct kith_span value) {
    kith_known_decode(user, value);
}

static void save_family(struct kith_node *node, struct kith_known *known) {
    uint8_t bytes[KITH_KNOWN_BYTES_MAX];
    known->n =
        kith_core_mainline_known(node->core, known->family, KITH_KNOWN_MAX, known->endpoints);
    int r = 0;
    if (!node->mainline_settled) {
        r = kith_disk_load_state(node->disk, document(known->family), take_document, known);
    }
    if (known->n == 0) {
        return;
    }
    r = r < 0 ? r
              : kith_disk_save_state(node->disk, document(known->family),
                                     kith_span(bytes, kith_known_encode(known, bytes)));
    if (r < 0) {
        kith_node_log(node, KITH_LOG_WARN, "Mainline nodes cannot be kept on disk: %s",
                      kith_strerror(r));
    }
}

void kith_node_mainline_save(struct kith_node *node) {
    if (!node->mainline || node->core == NULL || node->disk == NULL) {
        return;
    }
    struct kith_known *known = malloc(sizeof(*known));
    for (uint8_t family = 4; known != NULL && family <= 6; family += 2) {
        known->family = family;
        save_family(node, known);
    }
    free(known);
}

static void on_due(uv_timer_t *timer) {
    struct kith_node *node = timer->data;
    kith_node_names_mainline(node);
    node->mainline_settled = true;
    kith_node_mainline_save(node);
}

static size_t restore_family(struct kith_node *node, struct kith_known *known) {
    size_t n = 0;
    int r = kith_disk_load_state(node->disk, document(known->family), take_document, known);
    for (size_t i = 0; r == 0 && i < known->n; i++) {
        /* One that is not taken (of a family we have no socket for) is no loss. */
        n += kith_core_mainline_add(node->core, &known->endpoints[i], KITH_CONTACT_KNOWN,
                                    kith_node_now(node)) == 0;
    }
    return n;
}

int kith_node_mainline_open(struct kith_node *node) {
    if (!node->mainline) {
        return 0;
    }
    struct kith_known *known = malloc(sizeof(*known));
    if (known == NULL) {
        return KITH_ENOMEM;
    }
    for (uint8_t family = 4; node->disk != NULL && family <= 6; family += 2) {
        *known = (struct kith_known){.family = family};
        node->n_mainline_known += restore_family(node, known);
    }
    free(known);
    if (node->n_mainline_known > 0) {
        kith_node_log(node, KITH_LOG_INFO, "Mainline: %zu nodes known from before",
                      node->n_mainline_known);
    }
    (void)uv_timer_start(&node->mainline_due, on_due, SAVE_EVERY_MS, SAVE_EVERY_MS);
    return 0;
}
