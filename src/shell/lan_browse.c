/* SPDX-License-Identifier: MIT */
/*
 * lan_browse: who else is there, and where.
 *
 * One browser for the subtype of the network hears every (interface, protocol, name). Each such
 * entry is resolved by its own protocol, which gives one address; a few resolvers run at a time,
 * and each is freed as soon as it has answered, since kept ones pile up in the daemon and repeat
 * old addresses. What changes without a browser event (a new address under the same name) is found
 * by asking again: after a failure with growing pauses, or when the node says that a peer does not
 * answer.
 *
 * A name that nobody answers for holds a resolver for 5 s. While others wait it has to make room
 * after one.
 *
 * Everything heard is a claim of somebody on the LAN. What is malformed, points away from the LAN,
 * or is beyond a bound is counted and ignored.
 */
#include "shell/lan_internal.h"

#include <net/if.h>
#include <string.h>

#include "core/base/id.h"

enum {
    RESOLVERS_MAX = 32,     /* at once; a daemon of default settings allows 1024 objects */
    YIELD_MS = 1000,        /* then to others that wait; who answers does so sooner */
    RETRY_FIRST_MS = 10000, /* after the 5 s that the daemon itself takes to give up */
    RETRY_MAX_MS = 300000,
    RETRY_DOUBLINGS_MAX = 5,
    REFRESH_INTERVAL_MS = 5000, /* per instance */
    BROWSE_RETRY_MS = 5000,
};

/* ---- resolving ---- */

static void entry_enqueue(struct kith_lan_thread *thread, struct kith_lan_entry *entry) {
    entry->retry_at_ms = 0;
    if (entry->resolver == NULL && kith_list_empty(&entry->queue)) {
        kith_list_append(&thread->queue, &entry->queue);
        kith_lan_thread_wake(thread);
    }
}

static void entry_stop(struct kith_lan_thread *thread, struct kith_lan_entry *entry) {
    if (entry->resolver != NULL) {
        (void)avahi_service_resolver_free(entry->resolver);
        entry->resolver = NULL;
        thread->n_resolving--;
        kith_lan_thread_wake(thread); /* for the next in the queue */
    }
}

static void entry_pause(struct kith_lan_thread *thread, struct kith_lan_entry *entry) {
    unsigned doublings =
        entry->n_failures < RETRY_DOUBLINGS_MAX ? entry->n_failures : RETRY_DOUBLINGS_MAX;
    uint64_t pause = (uint64_t)RETRY_FIRST_MS << doublings;

    entry->n_failures++;
    entry->retry_at_ms = kith_lan_thread_now() + (pause < RETRY_MAX_MS ? pause : RETRY_MAX_MS);
    if (entry->retry_at_ms < thread->resolve_at) {
        thread->resolve_at = entry->retry_at_ms;
    }
    kith_lan_thread_wake(thread);
}

static void entry_retry_later(struct kith_lan_thread *thread, struct kith_lan_entry *entry) {
    entry_pause(thread, entry);
    kith_lan_entry_unresolved(&thread->peers, entry);
}

/* Avahi hands the strings over in reverse. -> KITH_ESYNTAX and others */
static int parse_txt(AvahiStringList *list, struct kith_lan_txt_info *ret) {
    struct kith_span strings[KITH_LAN_TXT_STRINGS_READ];
    size_t n = avahi_string_list_length(list);

    if (n > KITH_LAN_TXT_STRINGS_READ) {
        return KITH_ETOO_LARGE;
    }
    for (size_t i = n; i > 0; i--, list = avahi_string_list_get_next(list)) {
        strings[i - 1] =
            kith_span(avahi_string_list_get_text(list), avahi_string_list_get_size(list));
    }
    return kith_lan_txt_parse(strings, n, ret);
}

static struct kith_endpoint make_endpoint(const struct kith_lan_entry *entry,
                                          const AvahiAddress *address, uint16_t port) {
    struct kith_endpoint endpoint = {.family = entry->family, .port = port};

    if (entry->family == 4) {
        memcpy(endpoint.ip, &address->data.ipv4.address, sizeof(address->data.ipv4.address));
        return endpoint;
    }
    memcpy(endpoint.ip, address->data.ipv6.address, sizeof(endpoint.ip));
    if (endpoint.ip[0] == 0xfe && (endpoint.ip[1] & 0xc0) == 0x80) { /* fe80::/10 */
        endpoint.scope = entry->interface;
    }
    return endpoint;
}

static bool is_loopback(uint32_t interface) {
    static const char LOOPBACK[] = "lo";
    char name[IF_NAMESIZE];

    return if_indextoname(interface, name) != NULL && strcmp(name, LOOPBACK) == 0;
}

static bool is_admitted(const struct kith_endpoint *endpoint, uint32_t interface) {
    struct kith_lan_link links[KITH_LAN_LINKS_MAX];

    return kith_lan_endpoint_admitted(endpoint, is_loopback(interface), links,
                                      kith_lan_links(links));
}

static void entry_found(struct kith_lan_thread *thread, struct kith_lan_entry *entry,
                        const AvahiAddress *address, uint16_t port, AvahiStringList *txt) {
    struct kith_lan_txt_info info;
    struct kith_endpoint endpoint = make_endpoint(entry, address, port);

    entry->n_failures = 0;
    if (parse_txt(txt, &info) < 0) {
        kith_lan_shared_count_drop(thread->shared, KITH_LAN_MALFORMED);
        kith_lan_entry_unresolved(&thread->peers, entry);
    } else if (!is_admitted(&endpoint, entry->interface)) {
        kith_lan_shared_count_drop(thread->shared, KITH_LAN_ASTRAY);
        kith_lan_entry_unresolved(&thread->peers, entry);
    } else {
        if (info.has_key && kith_key_equal(&info.key, &thread->key)) {
            kith_lan_shared_count_drop(thread->shared, KITH_LAN_SELF); /* and never told */
        }
        kith_lan_entry_resolved(&thread->peers, entry, &info, &endpoint);
    }
    kith_lan_thread_wake(thread);
}

static void on_resolved(AvahiServiceResolver *resolver, AvahiIfIndex interface,
                        AvahiProtocol protocol, AvahiResolverEvent event, const char *name,
                        const char *type, const char *domain, const char *host,
                        const AvahiAddress *address, uint16_t port, AvahiStringList *txt,
                        AvahiLookupResultFlags flags, void *userdata) {
    struct kith_lan_entry *entry = userdata; /* never outlived by its resolver */
    struct kith_lan_thread *thread = entry->owner;

    if (event == AVAHI_RESOLVER_FOUND &&
        address->proto == (entry->family == 4 ? AVAHI_PROTO_INET : AVAHI_PROTO_INET6)) {
        entry_found(thread, entry, address, port, txt);
    } else {
        entry_retry_later(thread, entry);
    }
    entry_stop(thread, entry);
}

/* The oldest and the newest in turn: names that nobody answers for, be they ever so many, hold up
 * neither those that wait nor those that come. */
static struct kith_lan_entry *queue_take(struct kith_lan_thread *thread) {
    struct kith_list *n = kith_list_first(&thread->queue);

    if (n == NULL) {
        return NULL;
    }
    thread->newest_next = !thread->newest_next;
    if (!thread->newest_next) {
        n = thread->queue.prev;
    }
    kith_list_remove(n);
    return kith_container_of(n, struct kith_lan_entry, queue);
}

/* Calls `fn` for each entry; `fn` adds and removes none. */
static void each_entry(struct kith_lan_thread *thread, uint64_t now,
                       void (*fn)(struct kith_lan_thread *thread, struct kith_lan_entry *entry,
                                  uint64_t now)) {
    for (struct kith_list *p = kith_list_first(&thread->peers.peers); p != NULL;
         p = kith_list_next(&thread->peers.peers, p)) {
        struct kith_lan_tracked *peer = kith_container_of(p, struct kith_lan_tracked, node);
        for (struct kith_list *n = kith_list_first(&peer->entries); n != NULL;
             n = kith_list_next(&peer->entries, n)) {
            fn(thread, kith_container_of(n, struct kith_lan_entry, node), now);
        }
    }
}

static void yield_if_long(struct kith_lan_thread *thread, struct kith_lan_entry *entry,
                          uint64_t now) {
    if (entry->resolver == NULL) {
        return;
    }
    if (now >= entry->yield_at_ms) {
        entry_pause(thread, entry); /* what it resolved to before still counts */
        entry_stop(thread, entry);
    } else if (entry->yield_at_ms < thread->yield_at) {
        thread->yield_at = entry->yield_at_ms;
    }
}

/* Others wait: whoever was asked for long enough makes room. */
static void resolve_yield(struct kith_lan_thread *thread, uint64_t now) {
    bool crowded = thread->n_resolving == RESOLVERS_MAX && !kith_list_empty(&thread->queue);

    if (crowded && now < thread->yield_at) {
        return;
    }
    thread->yield_at = KITH_LAN_NEVER;
    if (crowded) {
        each_entry(thread, now, yield_if_long);
    }
}

static void resolve_next(struct kith_lan_thread *thread) {
    struct kith_lan_entry *entry;

    while (thread->n_resolving < RESOLVERS_MAX && !kith_lan_shared_closing(thread->shared) &&
           (entry = queue_take(thread)) != NULL) {
        AvahiProtocol protocol = entry->family == 4 ? AVAHI_PROTO_INET : AVAHI_PROTO_INET6;
        entry->resolver = avahi_service_resolver_new(
            thread->client, (AvahiIfIndex)entry->interface, protocol, entry->peer->instance,
            KITH_LAN_SERVICE, NULL, protocol, 0, on_resolved, entry);
        if (entry->resolver == NULL) {
            entry_retry_later(thread, entry);
        } else {
            thread->n_resolving++;
            entry->yield_at_ms = kith_lan_thread_now() + YIELD_MS;
        }
    }
    if (!kith_list_empty(&thread->queue) && thread->yield_at == KITH_LAN_NEVER) {
        thread->yield_at = kith_lan_thread_now() + YIELD_MS;
    }
}

static void enqueue_if_due(struct kith_lan_thread *thread, struct kith_lan_entry *entry,
                           uint64_t now) {
    if (entry->retry_at_ms != 0 && entry->retry_at_ms <= now) {
        entry_enqueue(thread, entry);
    } else if (entry->retry_at_ms != 0 && entry->retry_at_ms < thread->resolve_at) {
        thread->resolve_at = entry->retry_at_ms;
    }
}

/* Puts what is due into the queue and finds when the next one is. */
static void resolve_due(struct kith_lan_thread *thread, uint64_t now) {
    if (now < thread->resolve_at) {
        return;
    }
    thread->resolve_at = KITH_LAN_NEVER;
    each_entry(thread, now, enqueue_if_due);
}

/* ---- browsing ---- */

static void flush(struct kith_lan_thread *thread) {
    struct kith_lan_peer peer;
    bool present;

    while (kith_lan_shared_has_room(thread->shared) &&
           kith_lan_peers_next(&thread->peers, &peer, &present)) {
        kith_lan_shared_tell(thread->shared, &peer, present);
    }
}

/* The peer may go with its last entry. */
static void forget_peer(struct kith_lan_thread *thread, struct kith_lan_tracked *peer,
                        bool client_lives) {
    for (size_t left = peer->n_entries; left > 0; left--) {
        struct kith_lan_entry *entry =
            kith_container_of(kith_list_first(&peer->entries), struct kith_lan_entry, node);
        if (client_lives) {
            entry_stop(thread, entry);
        }
        kith_lan_entry_remove(&thread->peers, entry);
    }
}

/* Whoever gives way is gone when its goodbye has been told. */
static void make_room(struct kith_lan_thread *thread) {
    struct kith_lan_tracked *peer = kith_lan_peers_to_yield(&thread->peers);

    if (peer != NULL) {
        kith_lan_shared_count_drop(thread->shared, KITH_LAN_FULL);
        forget_peer(thread, peer, true);
        flush(thread);
    }
}

static void on_new(struct kith_lan_thread *thread, uint32_t interface, uint8_t family,
                   const char *name, AvahiLookupResultFlags flags) {
    struct kith_lan_entry *entry;

    /* Ours. By name too: a former client's echo is not marked as own. */
    if ((flags & AVAHI_LOOKUP_RESULT_OUR_OWN) != 0 ||
        (thread->publish && strcmp(name, thread->instance) == 0)) {
        return;
    }
    if ((flags & AVAHI_LOOKUP_RESULT_WIDE_AREA) != 0 ||
        !kith_lan_filter_admits_index(&thread->filter, interface)) {
        kith_lan_shared_count_drop(thread->shared, KITH_LAN_ASTRAY);
        return;
    }
    int r = kith_lan_entry_add(&thread->peers, interface, family, name, &entry);
    if (r == KITH_EFULL && kith_lan_peers_find(&thread->peers, name) == NULL) {
        make_room(thread);
        r = kith_lan_entry_add(&thread->peers, interface, family, name, &entry);
    }
    if (r == KITH_EEXISTS) {
        entry = kith_lan_entry_find(&thread->peers, interface, family, name);
    } else if (r < 0) {
        kith_lan_shared_count_drop(thread->shared,
                                   r == KITH_ESYNTAX ? KITH_LAN_MALFORMED : KITH_LAN_FULL);
        return;
    }
    entry->owner = thread;
    entry_enqueue(thread, entry);
}

static void on_remove(struct kith_lan_thread *thread, uint32_t interface, uint8_t family,
                      const char *name) {
    struct kith_lan_entry *entry = kith_lan_entry_find(&thread->peers, interface, family, name);

    if (entry != NULL) {
        entry_stop(thread, entry);
        kith_lan_entry_remove(&thread->peers, entry);
        kith_lan_thread_wake(thread);
    }
}

static void on_browsed(AvahiServiceBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol,
                       AvahiBrowserEvent event, const char *name, const char *type,
                       const char *domain, AvahiLookupResultFlags flags, void *userdata) {
    struct kith_lan_thread *thread = userdata;
    uint8_t family = protocol == AVAHI_PROTO_INET6 ? 6 : 4;

    switch (event) {
    case AVAHI_BROWSER_NEW:
        on_new(thread, (uint32_t)interface, family, name, flags);
        break;
    case AVAHI_BROWSER_REMOVE:
        on_remove(thread, (uint32_t)interface, family, name);
        break;
    case AVAHI_BROWSER_FAILURE:
        thread->browser_failed = true;
        kith_lan_thread_wake(thread);
        break;
    case AVAHI_BROWSER_CACHE_EXHAUSTED:
    case AVAHI_BROWSER_ALL_FOR_NOW:
        break;
    }
}

/* No goodbye comes for what a gone browser or client had found. */
static void forget_peers(struct kith_lan_thread *thread, bool client_lives) {
    struct kith_list *next;

    for (struct kith_list *p = kith_list_first(&thread->peers.peers); p != NULL; p = next) {
        struct kith_lan_tracked *peer = kith_container_of(p, struct kith_lan_tracked, node);
        next = kith_list_next(&thread->peers.peers, p);
        forget_peer(thread, peer, client_lives);
    }
    thread->n_resolving = 0;
    thread->resolve_at = KITH_LAN_NEVER;
    thread->yield_at = KITH_LAN_NEVER;
}

/* ---- for lan_avahi ---- */

void kith_lan_browse_step(struct kith_lan_thread *thread, uint64_t now) {
    bool running = thread->client != NULL && thread->client_state == AVAHI_CLIENT_S_RUNNING;

    if (thread->browser_failed) {
        thread->browse_at = now + BROWSE_RETRY_MS;
        kith_lan_browse_restart(thread);
    }
    if (running && thread->browser == NULL && now >= thread->browse_at) {
        thread->browser =
            avahi_service_browser_new(thread->client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
                                      thread->subtype, NULL, 0, on_browsed, thread);
        thread->browse_at = now + BROWSE_RETRY_MS;
    }
    if (running) {
        resolve_due(thread, now);
        resolve_yield(thread, now);
        resolve_next(thread);
    }
    flush(thread);
}

void kith_lan_browse_restart(struct kith_lan_thread *thread) {
    if (thread->browser != NULL) {
        (void)avahi_service_browser_free(thread->browser);
        thread->browser = NULL;
        forget_peers(thread, true);
    }
    thread->browse_at = thread->browser_failed ? thread->browse_at : 0;
    thread->browser_failed = false;
    kith_lan_thread_wake(thread);
}

void kith_lan_browse_refresh(struct kith_lan_thread *thread, const char *instance, uint64_t now) {
    struct kith_lan_tracked *peer = kith_lan_peers_find(&thread->peers, instance);

    if (peer != NULL) {
        peer->silent = true;
    }
    if (peer == NULL ||
        (peer->refreshed_at_ms != 0 && now - peer->refreshed_at_ms < REFRESH_INTERVAL_MS)) {
        return;
    }
    peer->refreshed_at_ms = now;
    for (struct kith_list *n = kith_list_first(&peer->entries); n != NULL;
         n = kith_list_next(&peer->entries, n)) {
        entry_enqueue(thread, kith_container_of(n, struct kith_lan_entry, node));
    }
}

void kith_lan_browse_forget(struct kith_lan_thread *thread) {
    thread->browser = NULL;
    thread->browser_failed = false;
    thread->browse_at = 0;
    forget_peers(thread, false);
}

uint64_t kith_lan_browse_deadline(const struct kith_lan_thread *thread) {
    uint64_t at = thread->resolve_at < thread->yield_at ? thread->resolve_at : thread->yield_at;

    if (thread->client == NULL || thread->client_state != AVAHI_CLIENT_S_RUNNING) {
        return KITH_LAN_NEVER;
    }
    return thread->browser == NULL && thread->browse_at < at ? thread->browse_at : at;
}
