/* SPDX-License-Identifier: MIT */
/*
 * node_options: what an application asks of a node, checked as a whole before anything is touched.
 *
 * An error names the option, the offending text and, where there is one, the column in it. The
 * struct carries its own size: a library newer than the application finds the fields it knows in
 * their old places and takes the defaults for the rest; a library older than the application
 * refuses, since it would silently ignore what was asked.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/endpoint.h"
#include "shell/node_internal.h"
#include "shell/refuse.h"

/* The struct of the first release: it ends with `user`. Frozen; new fields are appended. */
#define OPTIONS_SIZE_MIN (offsetof(struct kith_options, user) + sizeof(void *))

static const double PACE_DEFAULT = 0.70710678, PACE_MIN = 0.01, PACE_MAX = 100; /* 1/sqrt 2 */

static const char default_network[] = "kith";

/* Listening on both families: RFC 4291 has no other way to say "any address of this host". */
static const char *const default_listen[KITH_LISTEN_MAX] = {"0.0.0.0:7700", "[::]:7700"};

/* Beyond these a number is a slip of the keyboard: the memory would not fit a host. */
static const struct {
    const char *name;
    size_t offset;
    uint32_t max;
} limit_table[] = {
    {"sessions", offsetof(struct kith_limits, sessions), 1u << 22},
    {"sessions_per_prefix", offsetof(struct kith_limits, sessions_per_prefix), 1u << 22},
    {"records", offsetof(struct kith_limits, records), 1u << 24},
    {"record_bytes", offsetof(struct kith_limits, record_bytes), UINT32_MAX},
    {"records_per_prefix", offsetof(struct kith_limits, records_per_prefix), 1u << 24},
    {"topic_peers", offsetof(struct kith_limits, topic_peers), 1u << 16},
    {"ops", offsetof(struct kith_limits, ops), 1u << 16},
    {"handshakes_per_s", offsetof(struct kith_limits, handshakes_per_s), 1u << 24},
};

static int check_size(struct kith_options *copy, const struct kith_options *options,
                      struct kith_error_info *info) {
    if (options->size < OPTIONS_SIZE_MIN || options->size > sizeof(*options)) {
        return kith_refuse_at(info, KITH_EINVALID, 0,
                              "options.size is %zu, this library knows %zu: call "
                              "kith_options_init() and build against this version's headers",
                              options->size, sizeof(*options));
    }
    kith_options_init(copy);
    memcpy(copy, options, options->size);
    return 0;
}

static int check_network(struct kith_node_setup *setup, struct kith_error_info *info) {
    const struct kith_options *options = &setup->options;
    setup->network = options->network != NULL ? options->network : default_network;
    size_t length = strnlen(setup->network, KITH_NETWORK_MAX + 1);
    if (length == 0) {
        return kith_refuse_at(info, KITH_EINVALID, 0,
                              "the network name is empty: give 1 to %d bytes", KITH_NETWORK_MAX);
    }
    if (length > KITH_NETWORK_MAX) {
        return kith_refuse_at(info, KITH_EINVALID, 0,
                              "the network name '%.*s...' is too long: at most %d bytes",
                              KITH_NETWORK_MAX, setup->network, KITH_NETWORK_MAX);
    }
    static const uint8_t zeros[32];
    if (options->network_secret != NULL &&
        memcmp(options->network_secret, zeros, sizeof(zeros)) == 0) {
        return kith_refuse_at(info, KITH_EINVALID, 0,
                              "the network secret is all zeros: give 32 random bytes, or none for "
                              "a public network");
    }
    return 0;
}

static int check_one_listen(struct kith_node_setup *setup, const char *text,
                            struct kith_error_info *info) {
    struct kith_error_info inner = {0};
    struct kith_endpoint endpoint;
    if (text == NULL) {
        return kith_refuse_at(info, KITH_EINVALID, 0, "a listen address is NULL");
    }
    int r = kith_endpoint_parse(text, &endpoint, &inner);
    if (r < 0) {
        return kith_refuse_at(info, r, inner.column, "listen address '%.80s': %.150s", text,
                              inner.message);
    }
    for (size_t i = 0; i < setup->n_listen; i++) {
        if (setup->listen[i].family == endpoint.family) {
            return kith_refuse_at(info, KITH_EINVALID, 0,
                                  "listen address '%.80s': a second one of its family; one IPv4 "
                                  "and one IPv6 address can be given",
                                  text);
        }
    }
    setup->listen[setup->n_listen++] = endpoint;
    return 0;
}

static int check_listen(struct kith_node_setup *setup, struct kith_error_info *info) {
    const struct kith_options *options = &setup->options;
    setup->default_listen = options->n_listen == 0;
    const char *const *texts = setup->default_listen ? default_listen : options->listen;
    size_t n = setup->default_listen ? KITH_LISTEN_MAX : options->n_listen;
    if (texts == NULL) {
        return kith_refuse_at(info, KITH_EINVALID, 0, "options.listen is NULL, n_listen is %zu", n);
    }
    for (size_t i = 0; i < n; i++) {
        int r = check_one_listen(setup, texts[i], info);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int kith_node_check_contacts(const char *what, const char *const *texts, size_t n,
                             struct kith_error_info *info) {
    if (n > 0 && texts == NULL) {
        return kith_refuse_at(info, KITH_EINVALID, 0, "options.%ss is NULL, n_%ss is %zu", what,
                              what, n);
    }
    for (size_t i = 0; i < n; i++) {
        struct kith_error_info inner = {0};
        struct kith_key key;
        bool has_key;
        char host[256];
        uint16_t port;
        if (texts[i] == NULL) {
            return kith_refuse_at(info, KITH_EINVALID, 0, "a %s is NULL", what);
        }
        int r = kith_contact_parse(texts[i], &has_key, &key, host, &port, &inner);
        if (r < 0) {
            return kith_refuse_at(info, r, inner.column, "%s '%.80s': %.150s", what, texts[i],
                                  inner.message);
        }
    }
    return 0;
}

/* Nodes of the public swarm have no key that could be checked. */
static int check_mainline(const struct kith_options *options, struct kith_error_info *info) {
    static const uint32_t QUERIES_MAX = 1u << 20;
    size_t n = options->n_mainline_bootstrap;
    if (n > 0 && options->mainline_bootstrap == NULL) {
        return kith_refuse_at(info, KITH_EINVALID, 0,
                              "options.mainline_bootstrap is NULL, n_mainline_bootstrap is %zu", n);
    }
    int r = kith_node_check_contacts("Mainline node", options->mainline_bootstrap, n, info);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (strchr(options->mainline_bootstrap[i], '@') != NULL) {
            return kith_refuse_at(info, KITH_ESYNTAX, 1,
                                  "Mainline node '%.80s': HOST:PORT expected, without a key",
                                  options->mainline_bootstrap[i]);
        }
    }
    if (r == 0 && options->mainline_queries_per_s > QUERIES_MAX) {
        return kith_refuse_at(info, KITH_EINVALID, 0,
                              "options.mainline_queries_per_s is %u, at most %u",
                              options->mainline_queries_per_s, QUERIES_MAX);
    }
    return r;
}

static int check_capabilities(const struct kith_options *options, struct kith_error_info *info) {
    size_t size = options->capabilities_size;
    if (size == 0) {
        return 0;
    }
    if (options->capabilities == NULL) {
        return kith_refuse_at(info, KITH_EINVALID, 0,
                              "options.capabilities is NULL, capabilities_size is %zu", size);
    }
    if (size > KITH_CAPABILITIES_MAX) {
        return kith_refuse_at(info, KITH_ETOO_LARGE, 0,
                              "the capabilities have %zu bytes, at most %d", size,
                              KITH_CAPABILITIES_MAX);
    }
    uint8_t first = options->capabilities[0];
    bool is_map = (first & 0xf0) == 0x80 || first == 0xde || first == 0xdf;
    if (!is_map || kith_msgpack_check(kith_span(options->capabilities, size),
                                      KITH_MSGPACK_DEPTH_MAX, KITH_MSGPACK_ELEMENTS_MAX) < 0) {
        return kith_refuse_at(info, KITH_ESYNTAX, 0, "the capabilities are not one msgpack map");
    }
    return 0;
}

/* Below the least, contacts would be revisited every 17 minutes, beyond what NAT and people
 * forgive; above the most, ten times a second. */
static int check_pace(const char *name, double value, struct kith_error_info *info) {
    if (value >= PACE_MIN && value <= PACE_MAX) { /* also false for NaN */
        return 0;
    }
    return kith_refuse_at(info, KITH_EINVALID, 0, "options.%s is %g, expected %g to %g", name,
                          value, PACE_MIN, PACE_MAX);
}

/* Interface patterns. */
static int check_patterns(const char *name, const char *const *patterns, size_t n,
                          struct kith_error_info *info) {
    if (n > 0 && patterns == NULL) {
        return kith_refuse_at(info, KITH_EINVALID, 0, "options.%s is NULL, n_%s is %zu", name, name,
                              n);
    }
    for (size_t i = 0; i < n; i++) {
        if (patterns[i] == NULL || patterns[i][0] == '\0') {
            return kith_refuse_at(info, KITH_EINVALID, 0,
                                  "options.%s: an interface pattern is empty", name);
        }
    }
    return 0;
}

static int check_limits(const struct kith_limits *limits, struct kith_error_info *info) {
    for (size_t i = 0; i < sizeof(limit_table) / sizeof(limit_table[0]); i++) {
        uint32_t value;
        memcpy(&value, (const char *)limits + limit_table[i].offset, sizeof(value));
        if (value > limit_table[i].max) {
            return kith_refuse_at(info, KITH_EINVALID, 0, "limits.%s is %u, at most %u",
                                  limit_table[i].name, value, limit_table[i].max);
        }
    }
    return 0;
}

int kith_node_setup_check(struct kith_node_setup *ret, const struct kith_options *options,
                          struct kith_error_info *info) {
    struct kith_node_setup setup = {0};
    int r = check_size(&setup.options, options, info);
    if (r < 0) {
        return r;
    }
    const struct kith_options *copy = &setup.options;
    if ((r = check_network(&setup, info)) < 0 || (r = check_listen(&setup, info)) < 0 ||
        (r = kith_node_check_contacts("peer", copy->peers, copy->n_peers, info)) < 0 ||
        (r = kith_node_check_contacts("seed", copy->seeds, copy->n_seeds, info)) < 0 ||
        (r = check_mainline(copy, info)) < 0 || (r = check_capabilities(copy, info)) < 0 ||
        (r = check_patterns("lan_allow", copy->lan_allow, copy->n_lan_allow, info)) < 0 ||
        (r = check_patterns("lan_deny", copy->lan_deny, copy->n_lan_deny, info)) < 0 ||
        (r = check_pace("coupling", copy->coupling, info)) < 0 ||
        (r = check_pace("damping", copy->damping, info)) < 0 ||
        (r = check_limits(&copy->limits, info)) < 0) {
        return r;
    }
    *ret = setup;
    return 0;
}

void kith_options_init(struct kith_options *options) {
    memset(options, 0, sizeof(*options));
    options->size = sizeof(*options);
    options->lan = true;
    options->mainline_rendezvous = true;
    options->coupling = PACE_DEFAULT;
    options->damping = PACE_DEFAULT;
}
