/* SPDX-License-Identifier: MIT */
/*
 * control_book: the address book, the bans and the local network: shown, and edited.
 *
 * Edits answer at once: the book takes what it is told, and whether a peer answers is seen in
 * `book` and `peers` afterwards. A refusal says what of the args was wrong; what comes from the
 * node alone (no room, no memory) keeps its code and gets a sentence here.
 */
#include <stdio.h>
#include <string.h>

#include "shell/control_internal.h"
#include "shell/refuse.h"

enum {
    BITS_V4 = 32,
    BITS_V6 = 128,
    BITS_V4_MIN = 8, /* shorter ones would ban a good part of the Internet by a slip */
    BITS_V6_MIN = 16,
};

struct list {
    struct kith_out *out;
    const struct kith_page *page;
    uint64_t n;
};

/* ---- bans as text ---- */

static void clear_host_bits(struct kith_ban_info *ban) {
    unsigned n_bytes = ban->prefix.family == 4 ? 4 : 16;
    for (unsigned i = 0; i < n_bytes; i++) {
        unsigned kept = ban->bits > 8 * i ? ban->bits - 8 * i : 0;
        if (kept < 8) {
            ban->prefix.ip[i] &= (uint8_t)(0xff00 >> kept);
        }
    }
}

/* The digits behind the slash. */
static int parse_bits(const char *text, uint8_t family, uint8_t *ret,
                      struct kith_error_info *info) {
    unsigned bits = 0;
    size_t n = strspn(text, "0123456789");
    for (size_t i = 0; i < n && bits < 1000; i++) {
        bits = 10 * bits + (unsigned)(text[i] - '0');
    }
    unsigned min = family == 4 ? BITS_V4_MIN : BITS_V6_MIN;
    unsigned max = family == 4 ? BITS_V4 : BITS_V6;
    if (n == 0 || text[n] != '\0' || bits < min || bits > max) {
        return kith_refuse(info, KITH_ESYNTAX,
                           "prefix length '%.20s': expected %u to %u behind an IPv%u address", text,
                           min, max, (unsigned)family);
    }
    *ret = (uint8_t)bits;
    return 0;
}

int kith_ban_parse(const char *text, struct kith_ban_info *ret, struct kith_error_info *info) {
    char address[KITH_BAN_TEXT_SIZE];
    char endpoint[KITH_BAN_TEXT_SIZE + 8];
    struct kith_ban_info ban = {0};
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    if (length < sizeof(address)) {
        memcpy(address, text, length);
        address[length] = '\0';
        (void)snprintf(endpoint, sizeof(endpoint), strchr(address, ':') != NULL ? "[%s]:0" : "%s:0",
                       address);
    }
    if (length >= sizeof(address) || strpbrk(address, "[]%") != NULL ||
        kith_endpoint_parse(endpoint, &ban.prefix, NULL) < 0) {
        return kith_refuse(info, KITH_ESYNTAX,
                           "'%.60s' is neither a key (52 characters) nor an address: expected KEY, "
                           "ADDR or ADDR/BITS",
                           text);
    }
    ban.bits = ban.prefix.family == 4 ? BITS_V4 : BITS_V6;
    int r = slash != NULL ? parse_bits(slash + 1, ban.prefix.family, &ban.bits, info) : 0;
    if (r < 0) {
        return r;
    }
    clear_host_bits(&ban);
    *ret = ban;
    return 0;
}

void kith_ban_format(const struct kith_ban_info *ban, char text[KITH_BAN_TEXT_SIZE]) {
    char endpoint[KITH_ENDPOINT_TEXT_SIZE];
    struct kith_endpoint address = ban->prefix;
    address.port = 0;
    kith_endpoint_format(&address, endpoint);
    char *end = strrchr(endpoint, ':');
    const char *begin = endpoint;
    if (end != NULL) {
        *end = '\0';
    }
    if (endpoint[0] == '[') {
        begin++;
        endpoint[strcspn(endpoint, "]")] = '\0';
    }
    (void)snprintf(text, KITH_BAN_TEXT_SIZE, "%.45s/%u", begin, (unsigned)ban->bits);
}

/* ---- lists ---- */

/* An instance name may hold any byte; what is shown are the printable ones. */
static void put_name(struct kith_out *out, const char *name) {
    char text[KITH_LAN_NAME_MAX + 1];
    (void)snprintf(text, sizeof(text), "%s", name);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c >= ' ' && *c <= '~' ? *c : '?';
    }
    kith_out_text(out, "name", text);
}

static int on_local(const struct kith_local_info *info, void *user) {
    struct list *list = user;
    struct kith_out *out = list->out;
    if (!kith_control_on_page(list->page, &list->n)) {
        return 0;
    }
    struct kith_out_level level = kith_out_map(out, NULL);
    put_name(out, info->name);
    if (info->has_key) {
        kith_out_key(out, "key", &info->key);
    } else {
        kith_out_nil(out, "key");
    }
    kith_out_bool(out, "confirmed", info->confirmed);
    if (info->confirmed) {
        kith_out_endpoint(out, "endpoint", &info->endpoint);
        kith_out_s(out, "seen_s", info->seen_ns);
    } else {
        kith_out_nil(out, "endpoint");
        kith_out_nil(out, "seen_s");
    }
    kith_out_endpoints(out, "endpoints", info->endpoints, info->n_endpoints);
    kith_out_end(out, level);
    return 0;
}

void kith_control_fill_lan(struct kith_out *out, const struct kith_node *node,
                           const struct kith_page *page) {
    struct list list = {out, page, 0};
    struct kith_status status;
    struct kith_out_level level = kith_out_array(out, "peers");
    (void)kith_node_each_local(node, on_local, &list);
    kith_out_end(out, level);
    kith_out_uint(out, "total", list.n);
    kith_node_status(node, &status);
    kith_out_text(out, "state", status.lan);
}

static void put_roles(struct kith_out *out, uint8_t roles) {
    struct kith_out_level level = kith_out_array(out, "roles");
    if ((roles & KITH_ROLE_PERSISTENT) != 0) {
        kith_out_text(out, NULL, "persistent");
    }
    if ((roles & KITH_ROLE_UNCONDITIONAL) != 0) {
        kith_out_text(out, NULL, "unconditional");
    }
    if ((roles & KITH_ROLE_PRIVATE) != 0) {
        kith_out_text(out, NULL, "private");
    }
    kith_out_end(out, level);
}

/* An age in seconds; negative: never. */
static void put_age(struct kith_out *out, const char *name, double age_s) {
    if (age_s < 0) {
        kith_out_nil(out, name);
    } else {
        kith_out_float(out, name, age_s);
    }
}

static const char *place_name(enum kith_book_place place) {
    switch (place) {
    case KITH_PLACE_TRIED:
        return "tried";
    case KITH_PLACE_PINNED:
        return "pinned";
    case KITH_PLACE_NEW:
        break;
    }
    return "new";
}

static int on_entry(const struct kith_book_info *info, void *user) {
    struct list *list = user;
    struct kith_out *out = list->out;
    if (!kith_control_on_page(list->page, &list->n)) {
        return 0;
    }
    struct kith_out_level level = kith_out_map(out, NULL);
    if (info->contact.has_key) {
        kith_out_key(out, "key", &info->contact.key);
    } else {
        kith_out_nil(out, "key");
    }
    kith_out_endpoint(out, "endpoint", &info->contact.endpoint);
    kith_out_text(out, "table", place_name(info->place));
    kith_out_text(out, "origin", info->origin);
    put_roles(out, info->roles);
    kith_out_float(out, "health", info->health);
    kith_out_uint(out, "attempts", info->attempts);
    put_age(out, "seen_s", info->seen_s);
    put_age(out, "tried_s", info->tried_s);
    put_age(out, "success_s", info->success_s);
    kith_out_end(out, level);
    return 0;
}

void kith_control_put_book_counts(struct kith_out *out, const struct kith_node *node) {
    struct kith_book_status status;
    kith_node_book_status(node, &status);
    kith_out_uint(out, "new", status.n_new);
    kith_out_uint(out, "tried", status.n_tried);
    kith_out_uint(out, "pinned", status.n_pinned);
    kith_out_uint(out, "banned", status.n_banned);
}

void kith_control_put_keeping(struct kith_out *out, const struct kith_node *node) {
    struct kith_book_status status;
    kith_node_book_status(node, &status);
    kith_out_uint(out, "discovered", status.discovered);
    kith_out_uint(out, "connected", status.connected);
    kith_out_float(out, "coupling", status.coupling);
    kith_out_float(out, "damping", status.damping);
    if (status.n_exchange > 0) {
        kith_out_float(out, "discovery_exchange_ratio",
                       (double)status.n_discovery / (double)status.n_exchange);
    } else {
        kith_out_nil(out, "discovery_exchange_ratio");
    }
    kith_out_float(out, "mean_reputation", status.mean_health);
}

void kith_control_fill_book(struct kith_out *out, const struct kith_node *node,
                            const struct kith_page *page) {
    struct list list = {out, page, 0};
    struct kith_out_level level = kith_out_array(out, "entries");
    (void)kith_node_each_book(node, on_entry, &list);
    kith_out_end(out, level);
    kith_out_uint(out, "total", list.n);
    kith_control_put_book_counts(out, node);
}

static void put_banned(struct kith_out *out, const struct kith_ban_info *ban) {
    if (ban->is_key) {
        kith_out_key(out, "key", &ban->key);
    } else {
        char text[KITH_BAN_TEXT_SIZE];
        kith_ban_format(ban, text);
        kith_out_text(out, "prefix", text);
    }
}

static void put_left(struct kith_out *out, const struct kith_ban_info *ban) {
    if (ban->left_s == UINT64_MAX) {
        kith_out_nil(out, "left_s");
    } else {
        kith_out_uint(out, "left_s", ban->left_s);
    }
}

static int on_ban(const struct kith_ban_info *ban, void *user) {
    struct list *list = user;
    if (kith_control_on_page(list->page, &list->n)) {
        struct kith_out_level level = kith_out_map(list->out, NULL);
        put_banned(list->out, ban);
        put_left(list->out, ban);
        kith_out_end(list->out, level);
    }
    return 0;
}

void kith_control_fill_bans(struct kith_out *out, const struct kith_node *node,
                            const struct kith_page *page) {
    struct list list = {out, page, 0};
    struct kith_out_level level = kith_out_array(out, "bans");
    (void)kith_node_each_ban(node, on_ban, &list);
    kith_out_end(out, level);
    kith_out_uint(out, "total", list.n);
}

/* ---- edits ---- */

/* A sentence for a refusal of the node; the code stays. */
static int explain(struct kith_args *args, int code, const char *sentence) {
    (void)kith_args_fail(args, "%s", sentence);
    return code;
}

static int explain_add(struct kith_args *args, int code) {
    if (code == KITH_EINVALID) {
        return explain(args, code, "arg 'peer': this node itself, or an address nobody can be at");
    }
    if (code == KITH_EREFUSED) {
        return explain(args, code, "arg 'peer': banned; lift the ban first");
    }
    if (code == KITH_EFULL) {
        return explain(args, code,
                       "arg 'peer': no room in the book for one more of this key or endpoint");
    }
    return code;
}

int kith_control_edit_add(struct kith_out *out, struct kith_node *node, struct kith_args *args) {
    struct kith_query query = {0};
    uint8_t roles = 0;
    int r = kith_args_peer(args, "peer", &query);
    if (r == 0 && kith_args_has(args, "roles")) {
        r = kith_args_roles(args, "roles", &roles);
    }
    if (r < 0) {
        return r;
    }
    if (query.contact.endpoint.family == 0) {
        return kith_args_fail(args, "arg 'peer': a key alone; KEY@ADDR:PORT or ADDR:PORT expected");
    }
    r = kith_node_add(node, &query.contact, roles);
    if (r < 0) {
        return explain_add(args, r);
    }
    if (query.contact.has_key) {
        kith_out_key(out, "key", &query.contact.key);
    } else {
        kith_out_nil(out, "key");
    }
    kith_out_endpoint(out, "endpoint", &query.contact.endpoint);
    put_roles(out, roles);
    return 0;
}

/* Whom a ban is about: `key` or `prefix`. */
static int read_banned(struct kith_args *args, struct kith_ban_info *ban) {
    bool has_key = kith_args_has(args, "key");
    char text[KITH_BAN_TEXT_SIZE];
    struct kith_error_info info = {0};
    if (has_key == kith_args_has(args, "prefix")) {
        return kith_args_fail(args, "either arg 'key' or arg 'prefix' expected");
    }
    *ban = (struct kith_ban_info){.is_key = has_key, .left_s = UINT64_MAX};
    if (has_key) {
        return kith_args_key(args, "key", &ban->key);
    }
    int r = kith_args_text(args, "prefix", text, sizeof(text));
    if (r < 0) {
        return r;
    }
    if (kith_ban_parse(text, ban, &info) < 0) {
        return kith_args_fail(args, "arg 'prefix': %.150s", info.message);
    }
    ban->left_s = UINT64_MAX;
    return 0;
}

static bool is_own_key(const struct kith_node *node, const struct kith_ban_info *ban) {
    struct kith_status status;
    kith_node_status(node, &status);
    return ban->is_key && memcmp(&ban->key, &status.key, sizeof(ban->key)) == 0;
}

int kith_control_edit_ban(struct kith_out *out, struct kith_node *node, struct kith_args *args) {
    struct kith_ban_info ban;
    int r = read_banned(args, &ban);
    if (r == 0 && kith_args_has(args, "seconds")) {
        r = kith_args_uint(args, "seconds", UINT32_MAX, &ban.left_s);
        if (r == 0 && ban.left_s == 0) {
            r = kith_args_fail(args, "arg 'seconds': at least 1; leave it out for a permanent ban");
        }
    }
    if (r < 0) {
        return r;
    }
    if (is_own_key(node, &ban)) {
        return kith_args_fail(args, "arg 'key': this node's own");
    }
    r = kith_node_ban(node, &ban);
    if (r == KITH_EFULL) {
        return explain(args, r, "no room for one more ban that lasts this long; lift others first");
    }
    if (r < 0) {
        return r;
    }
    put_banned(out, &ban);
    put_left(out, &ban);
    return 0;
}

int kith_control_edit_unban(struct kith_out *out, struct kith_node *node, struct kith_args *args) {
    struct kith_ban_info ban;
    int r = read_banned(args, &ban);
    if (r == 0) {
        r = kith_node_unban(node, &ban);
        if (r == KITH_ENOT_FOUND) {
            return explain(args, r, "no such ban; a prefix is lifted as it was given");
        }
    }
    if (r < 0) {
        return r;
    }
    put_banned(out, &ban);
    return 0;
}
