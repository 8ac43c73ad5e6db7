/* SPDX-License-Identifier: MIT */
/*
 * node_names: peers and seeds as the user wrote them, resolved in the background.
 *
 * A name that does not resolve now may resolve later (the network was not up yet, a record was
 * added), so each is tried for ever, with backoff and jitter: many nodes that start after the same
 * power cut should not ask the same name server in step. Every address of a name becomes a contact;
 * from then on the core keeps trying them. When the node has lost all its contacts the names are
 * asked again, since they may point elsewhere by now.
 *
 * Routers of the public swarm are asked for only if the nodes known from before were not enough.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/node_internal.h"

#define BACKOFF_FIRST_NS (30 * KITH_NS_PER_S)
#define BACKOFF_MAX_NS (600 * KITH_NS_PER_S)
#define ROUTER_DELAY_NS (8 * KITH_NS_PER_S) /* for the nodes known from before */

enum { JITTER_PERCENT = 20, BACKOFF_DOUBLINGS_MAX = 5 };

static void on_due(uv_timer_t *timer);

static uint64_t backoff(struct kith_node *node, unsigned n_failures) {
    unsigned doublings = n_failures - 1;
    if (doublings > BACKOFF_DOUBLINGS_MAX) {
        doublings = BACKOFF_DOUBLINGS_MAX;
    }
    uint64_t wait = BACKOFF_FIRST_NS << doublings;
    wait = wait > BACKOFF_MAX_NS ? BACKOFF_MAX_NS : wait;
    return kith_random_jitter(&node->chance, wait, JITTER_PERCENT);
}

void kith_node_tell_expected(struct kith_node *node) {
    kith_core_expect_contacts(node->core, node->names_expected || node->lan_expected);
}

/* Ops that ask before we have joined wait as long as a first resolution is under way. */
static void look_expected(struct kith_node *node) {
    bool expected = false;
    for (size_t i = 0; i < node->n_names; i++) {
        const struct kith_node_name *name = &node->names[i];
        expected = expected ||
                   (name->n_failures == 0 && (name->running != NULL || name->due != KITH_NEVER));
    }
    node->names_expected = expected;
    kith_node_tell_expected(node);
}

static void arm(struct kith_node *node) {
    look_expected(node);
    uint64_t due = KITH_NEVER;
    for (size_t i = 0; i < node->n_names; i++) {
        due = node->names[i].due < due ? node->names[i].due : due;
    }
    if (due == KITH_NEVER) {
        uv_timer_stop(&node->names_due);
        return;
    }
    uint64_t now = uv_hrtime();
    uint64_t wait_ms = due > now ? (due - now) / KITH_NS_PER_MS + 1 : 0;
    (void)uv_timer_start(&node->names_due, on_due, wait_ms, 0);
}

static const char *kind_of(const struct kith_node_name *name) {
    if (name->mainline) {
        return "Mainline node";
    }
    return name->source == KITH_CONTACT_PEER ? "peer" : "seed";
}

/* -> what the core says */
static int add_contact(const struct kith_node_name *name, const struct kith_contact *contact,
                       uint64_t now) {
    struct kith_core *core = name->node->core;
    return name->mainline ? kith_core_mainline_add(core, &contact->endpoint, name->source, now)
                          : kith_core_add_contact(core, contact, name->source, now);
}

static void fail_name(struct kith_node_name *name, const char *why) {
    struct kith_node *node = name->node;
    name->n_failures++;
    uint64_t wait = backoff(node, name->n_failures);
    name->due = uv_hrtime() + wait;
    /* That one of the public routers is gone is nothing the user could mend. */
    bool is_router = name->source == KITH_CONTACT_ROUTER;
    kith_node_log(node, is_router ? KITH_LOG_DEBUG : KITH_LOG_WARN,
                  "%s '%s': %s; trying again in %llu s", kind_of(name), name->text, why,
                  (unsigned long long)(wait / KITH_NS_PER_S));
    arm(node);
}

/* In DNS's terms; the library's texts speak of the swarm. */
static const char *reason(int status) {
    switch (status) {
    case KITH_ENOT_FOUND:
        return "no such name, or no address of it";
    case KITH_EUNREACHABLE:
        return "no answer from DNS";
    default:
        return kith_strerror(status);
    }
}

static void on_resolved(void *context, int status, const struct kith_contact *contacts, size_t n) {
    struct kith_node_name *name = context;
    struct kith_node *node = name->node;
    name->running = NULL;
    if (status < 0) {
        fail_name(name, reason(status));
        return;
    }
    uint64_t now = uv_hrtime();
    size_t n_taken = 0;
    int r = 0;
    for (size_t i = 0; i < n; i++) {
        int one = add_contact(name, &contacts[i], now);
        n_taken += one == 0;
        r = one < 0 ? one : r;
    }
    look_expected(node);
    kith_node_wake(node);
    if (n_taken == 0) {
        fail_name(name, r == KITH_EINVALID ? "no address that can be used" : kith_strerror(r));
        return;
    }
    name->n_failures = 0;
}

static void start_name(struct kith_node_name *name) {
    struct kith_error_info info = {0};
    name->due = KITH_NEVER;
    if (name->source == KITH_CONTACT_ROUTER && kith_node_mainline_joined(name->node)) {
        return;
    }
    int r =
        kith_resolve_start(&name->running, name->node->loop, name->text, on_resolved, name, &info);
    if (r < 0) {
        fail_name(name, info.message[0] != '\0' ? info.message : kith_strerror(r));
    }
}

static void on_due(uv_timer_t *timer) {
    struct kith_node *node = timer->data;
    uint64_t now = uv_hrtime();
    for (size_t i = 0; i < node->n_names; i++) {
        if (node->names[i].due <= now) {
            start_name(&node->names[i]);
        }
    }
    arm(node);
}

/* Literal addresses are known at once: an op that is started right after opening finds a contact to
 * wait for. Everything else, and whatever is wrong with these, takes the way of the names. */
static bool add_literal(struct kith_node_name *name, uint64_t now) {
    struct kith_contact contact = {0};
    char host[256];
    char text[sizeof(host) + 16];
    uint16_t port;
    if (kith_contact_parse(name->text, &contact.has_key, &contact.key, host, &port, NULL) < 0) {
        return false;
    }
    (void)snprintf(text, sizeof(text), strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host,
                   (unsigned)port);
    return kith_endpoint_parse(text, &contact.endpoint, NULL) == 0 &&
           add_contact(name, &contact, now) == 0;
}

static int add_names(struct kith_node *node, const char *const *texts, size_t n,
                     enum kith_contact_source source, bool mainline, uint64_t now) {
    for (size_t i = 0; i < n; i++) {
        struct kith_node_name *name = &node->names[node->n_names];
        name->text = strdup(texts[i]);
        if (name->text == NULL) {
            return KITH_ENOMEM;
        }
        name->node = node;
        name->source = source;
        name->mainline = mainline;
        node->n_names++;
        name->due = add_literal(name, now) ? KITH_NEVER : now;
        if (source == KITH_CONTACT_ROUTER && node->n_mainline_known > 0) {
            name->due = now + ROUTER_DELAY_NS;
        }
    }
    return 0;
}

int kith_node_names_init(struct kith_node *node, const struct kith_options *options) {
    const char *const *mainline = options->mainline_bootstrap;
    size_t n_mainline = node->mainline ? options->n_mainline_bootstrap : 0;
    enum kith_contact_source source = KITH_CONTACT_SEED;
    if (node->mainline && n_mainline == 0) {
        n_mainline = kith_node_mainline_routers(node, &mainline);
        source = KITH_CONTACT_ROUTER;
    }
    size_t n = options->n_peers + options->n_seeds + n_mainline;
    uint64_t now = uv_hrtime();
    if (n == 0) {
        return 0;
    }
    node->names = calloc(n, sizeof(*node->names));
    if (node->names == NULL) {
        return KITH_ENOMEM;
    }
    int r = add_names(node, options->peers, options->n_peers, KITH_CONTACT_PEER, false, now);
    if (r == 0) {
        r = add_names(node, options->seeds, options->n_seeds, KITH_CONTACT_SEED, false, now);
    }
    if (r == 0) {
        r = add_names(node, mainline, n_mainline, source, true, now);
    }
    if (r == 0) {
        arm(node);
    }
    return r;
}

static void resolve_again(struct kith_node *node, bool mainline) {
    uint64_t now = uv_hrtime();
    for (size_t i = 0; i < node->n_names; i++) {
        struct kith_node_name *name = &node->names[i];
        if (name->mainline == mainline && name->running == NULL && name->n_failures == 0) {
            name->due = now;
        }
    }
    arm(node);
}

void kith_node_names_again(struct kith_node *node) {
    resolve_again(node, false);
}

void kith_node_names_mainline(struct kith_node *node) {
    if (!kith_node_mainline_joined(node)) {
        resolve_again(node, true);
    }
}

void kith_node_names_deinit(struct kith_node *node) {
    for (size_t i = 0; i < node->n_names; i++) {
        kith_resolve_cancel(node->names[i].running);
        free(node->names[i].text);
    }
    free(node->names);
    node->names = NULL;
    node->n_names = 0;
}
