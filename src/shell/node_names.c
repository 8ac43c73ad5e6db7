/* SPDX-License-Identifier: MIT */
/*
 * node_names: peers and seeds as the user wrote them, resolved in the background.
 *
 * A name that does not resolve now may resolve later (the network was not up yet, a record was
 * added), so each is tried for ever, with backoff and jitter: many nodes that start after the same
 * power cut should not ask the same name server in step. Every address of a name becomes a contact;
 * from then on the core keeps trying them.
 *
 * Names may point elsewhere by now. As long as the node has not joined, or after it has lost all
 * its contacts, they are asked again, with backoff too. What a name no longer stands for is taken
 * back from the core, unless another name stands for it as well.
 *
 * Names of the public swarm go by whether that was joined; its routers are asked for only if the
 * nodes known from before were not enough.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/endpoint.h"
#include "core/base/id.h"
#include "shell/node_internal.h"
#include "shell/refuse.h"

#define BACKOFF_FIRST_NS (30 * KITH_NS_PER_S)
#define BACKOFF_MAX_NS (600 * KITH_NS_PER_S)
#define ROUTER_DELAY_NS (8 * KITH_NS_PER_S) /* for the nodes known from before */

enum { JITTER_PERCENT = 20, BACKOFF_DOUBLINGS_MAX = 5 };

/* A peer or seed as the user wrote it. */
struct name {
    struct kith_list link;
    struct kith_node *node;
    char *text;
    enum kith_contact_source source;
    bool mainline;                 /* of the public swarm */
    bool is_literal;               /* an address: there is nothing to ask anew */
    struct kith_resolve *running;  /* NULL: none */
    unsigned n_failures;           /* in a row */
    unsigned n_rounds;             /* resolved so often since the node was joined last */
    uint64_t due;                  /* KITH_NEVER: resolved, or running */
    struct kith_contact *contacts; /* what it stands for; NULL: not known yet */
    size_t n_contacts;
};

static void on_due(uv_timer_t *timer);

static struct name *name_of(struct kith_list *link) {
    return link == NULL ? NULL : kith_container_of(link, struct name, link);
}

static struct name *first(const struct kith_node *node) {
    return name_of(kith_list_first(&node->names));
}

static struct name *after(const struct name *name) {
    return name_of(kith_list_next(&name->node->names, &name->link));
}

static uint64_t backoff(struct kith_node *node, unsigned n_times) {
    unsigned doublings = n_times - 1;
    if (doublings > BACKOFF_DOUBLINGS_MAX) {
        doublings = BACKOFF_DOUBLINGS_MAX;
    }
    uint64_t wait = BACKOFF_FIRST_NS << doublings;
    wait = wait > BACKOFF_MAX_NS ? BACKOFF_MAX_NS : wait;
    return kith_random_jitter(&node->chance, wait, JITTER_PERCENT);
}

void kith_node_tell_expected(struct kith_node *node) {
    kith_core_expect_contacts(node->core, node->names_expected[false] || node->lan_expected,
                              node->names_expected[true]);
}

/* Ops that ask before we have joined wait as long as a first resolution is under way. */
static void look_expected(struct kith_node *node) {
    node->names_expected[false] = false;
    node->names_expected[true] = false;
    for (const struct name *name = first(node); name != NULL; name = after(name)) {
        bool expected = name->n_failures == 0 && name->contacts == NULL &&
                        (name->running != NULL || name->due != KITH_NEVER);
        node->names_expected[name->mainline] |= expected;
    }
    kith_node_tell_expected(node);
}

static void arm(struct kith_node *node) {
    look_expected(node);
    uint64_t due = KITH_NEVER;
    for (const struct name *name = first(node); name != NULL; name = after(name)) {
        due = name->due < due ? name->due : due;
    }
    if (due == KITH_NEVER) {
        uv_timer_stop(&node->names_due);
        return;
    }
    uint64_t now = kith_node_now(node);
    uint64_t wait_ms = due > now ? (due - now) / KITH_NS_PER_MS + 1 : 0;
    (void)uv_timer_start(&node->names_due, on_due, wait_ms, 0);
}

static bool is_joined(const struct name *name) {
    return name->mainline ? kith_node_mainline_joined(name->node) : name->node->joined;
}

static const char *kind_of(const struct name *name) {
    if (name->mainline) {
        return "Mainline node";
    }
    return name->source == KITH_CONTACT_PEER ? "peer" : "seed";
}

static void fail_name(struct name *name, const char *why) {
    struct kith_node *node = name->node;
    name->n_failures++;
    uint64_t wait = backoff(node, name->n_failures);
    name->due = kith_node_now(node) + wait;
    /* That one of the public routers is gone is nothing the user could mend. */
    bool is_router = name->source == KITH_CONTACT_ROUTER;
    kith_node_log(node, is_router ? KITH_LOG_DEBUG : KITH_LOG_WARN,
                  "%s '%s': %s; trying again in %llu s", kind_of(name), name->text, why,
                  (unsigned long long)(wait / KITH_NS_PER_S));
    arm(node);
}

/* ---- what names stand for ---- */

/* -> what the core says */
static int add_contact(const struct name *name, const struct kith_contact *contact, uint64_t now) {
    struct kith_core *core = name->node->core;
    return name->mainline ? kith_core_mainline_add(core, &contact->endpoint, name->source, now)
                          : kith_core_add_contact(core, contact, name->source, now);
}

static bool same_contact(const struct kith_contact *a, const struct kith_contact *b) {
    return a->has_key == b->has_key && (!a->has_key || kith_key_equal(&a->key, &b->key)) &&
           kith_endpoint_equal(&a->endpoint, &b->endpoint);
}

static bool holds(const struct name *name, const struct kith_contact *contact) {
    for (size_t i = 0; i < name->n_contacts; i++) {
        if (same_contact(&name->contacts[i], contact)) {
            return true;
        }
    }
    return false;
}

/* What other names of the same swarm say of an endpoint counts again. */
static void give_again(struct kith_node *node, bool mainline, const struct kith_endpoint *endpoint,
                       uint64_t now) {
    for (const struct name *name = first(node); name != NULL; name = after(name)) {
        for (size_t i = 0; name->mainline == mainline && i < name->n_contacts; i++) {
            if (kith_endpoint_equal(&name->contacts[i].endpoint, endpoint)) {
                int r = add_contact(name, &name->contacts[i], now);
                (void)r; /* it was taken before; without memory until the next resolution */
            }
        }
    }
}

static void remove_contact(const struct name *name, const struct kith_endpoint *endpoint) {
    if (name->mainline) {
        kith_core_mainline_remove(name->node->core, endpoint);
    } else {
        kith_core_remove_contact(name->node->core, endpoint);
    }
}

/* Takes back from the core what `name` no longer stands for. */
static void take_back(const struct name *name, const struct kith_contact *old, size_t n,
                      uint64_t now) {
    for (size_t i = 0; i < n; i++) {
        if (!holds(name, &old[i])) {
            remove_contact(name, &old[i].endpoint);
            give_again(name->node, name->mainline, &old[i].endpoint, now);
        }
    }
}

/* Replaces what a name stands for. Returns how many the core took, or why it took none. */
static int stand_for(struct name *name, const struct kith_contact *contacts, size_t n,
                     uint64_t now) {
    struct kith_contact *old = name->contacts;
    size_t n_old = name->n_contacts;
    struct kith_contact *taken = calloc(n, sizeof(*taken));
    int r = KITH_ENOMEM;
    if (taken == NULL) {
        return r;
    }
    size_t n_taken = 0;
    for (size_t i = 0; i < n; i++) {
        int one = add_contact(name, &contacts[i], now);
        r = one < 0 ? one : r;
        if (one == 0) {
            taken[n_taken++] = contacts[i];
        }
    }
    if (n_taken == 0) {
        free(taken);
        return r;
    }
    name->contacts = taken;
    name->n_contacts = n_taken;
    take_back(name, old, n_old, now);
    free(old);
    return (int)n_taken;
}

static void free_name(struct name *name, uint64_t now) {
    struct kith_contact *old = name->contacts;
    size_t n_old = name->n_contacts;
    kith_list_remove(&name->link);
    kith_resolve_cancel(name->running);
    name->contacts = NULL;
    name->n_contacts = 0;
    take_back(name, old, n_old, now);
    free(old);
    free(name->text);
    free(name);
}

/* ---- resolving ---- */

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
    struct name *name = context;
    struct kith_node *node = name->node;
    name->running = NULL;
    if (status < 0) {
        fail_name(name, reason(status));
        return;
    }
    uint64_t now = kith_node_now(node);
    int r = stand_for(name, contacts, n, now);
    kith_node_wake(node);
    if (r < 0) {
        fail_name(name, r == KITH_EINVALID ? "no address that can be used" : kith_strerror(r));
        return;
    }
    name->n_failures = 0;
    if (!is_joined(name) && !name->is_literal) {
        name->n_rounds++;
        name->due = now + backoff(node, name->n_rounds);
    }
    arm(node);
}

static void start_name(struct name *name) {
    struct kith_error_info info = {0};
    name->due = KITH_NEVER;
    bool was_asked = name->source == KITH_CONTACT_ROUTER || name->contacts != NULL;
    if (name->mainline && was_asked && is_joined(name)) {
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
    uint64_t now = kith_node_now(node);
    for (struct name *name = first(node); name != NULL; name = after(name)) {
        if (name->due <= now) {
            start_name(name);
        }
    }
    arm(node);
}

/* Literal addresses are known at once: an op that is started right after opening finds a contact to
 * wait for. Everything else, and whatever is wrong with these, takes the way of the names. */
static bool add_literal(struct name *name, uint64_t now) {
    struct kith_contact contact = {0};
    char host[256];
    char text[sizeof(host) + 16];
    uint16_t port;
    if (kith_contact_parse(name->text, &contact.has_key, &contact.key, host, &port, NULL) < 0) {
        return false;
    }
    (void)snprintf(text, sizeof(text), strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host,
                   (unsigned)port);
    name->is_literal = kith_endpoint_parse(text, &contact.endpoint, NULL) == 0;
    return name->is_literal && stand_for(name, &contact, 1, now) > 0;
}

static int add_names(struct kith_node *node, const char *const *texts, size_t n,
                     enum kith_contact_source source, bool mainline, uint64_t now) {
    for (size_t i = 0; i < n; i++) {
        struct name *name = calloc(1, sizeof(*name));
        if (name == NULL || (name->text = strdup(texts[i])) == NULL) {
            free(name);
            return KITH_ENOMEM;
        }
        name->node = node;
        name->source = source;
        name->mainline = mainline;
        kith_list_append(&node->names, &name->link);
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
    uint64_t now = kith_node_now(node);
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
    uint64_t now = kith_node_now(node);
    for (struct name *name = first(node); name != NULL; name = after(name)) {
        if (name->mainline != mainline) {
            continue;
        }
        name->n_rounds = 0;
        if (!name->is_literal && name->running == NULL && name->n_failures == 0) {
            name->due = now;
        }
    }
    arm(node);
}

void kith_node_names_lost(struct kith_node *node) {
    node->joined = false;
    resolve_again(node, false);
}

void kith_node_names_mainline(struct kith_node *node) {
    if (!kith_node_mainline_joined(node)) {
        resolve_again(node, true);
    }
}

void kith_node_names_joined(struct kith_node *node) {
    node->joined = true;
    for (struct name *name = first(node); name != NULL; name = after(name)) {
        if (!name->mainline && name->contacts != NULL && name->n_failures == 0) {
            name->due = KITH_NEVER;
        }
    }
    arm(node);
}

void kith_node_names_retry(struct kith_node *node) {
    uint64_t now = kith_node_now(node);
    for (struct name *name = first(node); name != NULL; name = after(name)) {
        if (name->running == NULL && name->n_failures > 0) {
            name->due = now;
        }
    }
    arm(node);
}

void kith_node_names_deinit(struct kith_node *node) {
    struct kith_list *link;
    while (node->names.next != NULL && (link = kith_list_first(&node->names)) != NULL) {
        struct name *name = name_of(link);
        kith_list_remove(link);
        kith_resolve_cancel(name->running);
        free(name->contacts);
        free(name->text);
        free(name);
    }
}

/* ---- other seeds ---- */

static bool is_seed(const struct name *name) {
    return name->source == KITH_CONTACT_SEED && !name->mainline;
}

/* The seed that was written like this, or NULL. */
static struct name *find_seed(const struct kith_node *node, const char *text) {
    for (struct name *name = first(node); name != NULL; name = after(name)) {
        if (is_seed(name) && strcmp(name->text, text) == 0) {
            return name;
        }
    }
    return NULL;
}

static bool is_among(const char *text, const char *const *texts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, texts[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The seeds that stay keep what they stand for until DNS has answered. */
int kith_node_set_seeds(struct kith_node *node, const char *const *seeds, size_t n,
                        struct kith_error_info *info) {
    int r = kith_node_check_contacts("seed", seeds, n, info);
    uint64_t now = kith_node_now(node);
    struct name *next;
    if (r < 0) {
        return r;
    }
    for (struct name *name = first(node); name != NULL; name = next) {
        next = after(name);
        if (is_seed(name) && !is_among(name->text, seeds, n)) {
            free_name(name, now);
        } else if (is_seed(name) && !name->is_literal && name->running == NULL) {
            name->n_failures = 0;
            name->n_rounds = 0;
            name->due = now;
        }
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (find_seed(node, seeds[i]) == NULL) {
            r = add_names(node, &seeds[i], 1, KITH_CONTACT_SEED, false, now);
        }
    }
    arm(node);
    kith_node_wake(node);
    return r == 0 ? 0 : kith_refuse_at(info, r, 0, "%s", kith_strerror(r));
}
