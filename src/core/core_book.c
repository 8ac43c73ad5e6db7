/* SPDX-License-Identifier: MIT */
/* The address book as the shell and the application see it. */
#include "core/core_internal.h"

static const char *const origin_names[] = {
    [KITH_BOOK_SELF] = "self", [KITH_BOOK_CONFIG] = "config", [KITH_BOOK_LAN] = "lan",
    [KITH_BOOK_PEX] = "pex",   [KITH_BOOK_WALK] = "walk",
};

static uint64_t wall_of(const struct kith_core *core, uint64_t now) {
    return kith_env_wall_us(&core->env, now);
}

bool kith_core_bans(void *context, const struct kith_key *key, uint64_t now) {
    const struct kith_core *core = context;
    return kith_keeper_banned(&core->keeper, key, NULL, now);
}

int kith_core_book_load(struct kith_core *core, struct kith_span key, struct kith_span value,
                        uint64_t now) {
    core->keeper.has_bans = true; /* perhaps: counting them for each blob would take long */
    return kith_book_load(core->keeper.book, key, value, wall_of(core, now));
}

bool kith_core_book_next_dirty(struct kith_core *core, struct kith_book_blob *ret) {
    if (!core->book_header_taken) {
        core->book_header_taken = true;
        kith_book_encode_header(core->keeper.book, ret);
        return true;
    }
    return kith_book_next_dirty(core->keeper.book, ret);
}

void kith_core_book_mark_dirty(struct kith_core *core) {
    core->book_header_taken = false;
    kith_book_mark_dirty(core->keeper.book);
}

/* The book's named outcomes as the errors of the public API. */
static int error_of(int outcome) {
    switch (outcome) {
    case KITH_BOOK_REFUSED_ADDRESS:
    case KITH_BOOK_REFUSED_OWN:
    case KITH_BOOK_REFUSED_SCOPE:
        return KITH_EINVALID;
    case KITH_BOOK_REFUSED_BANNED:
        return KITH_EREFUSED;
    case KITH_BOOK_REFUSED_TAKEN:
    case KITH_BOOK_REFUSED_SHARE:
        return KITH_EFULL;
    default:
        return outcome < 0 ? outcome : 0;
    }
}

int kith_core_book_add(struct kith_core *core, const struct kith_contact *contact, uint8_t roles,
                       uint64_t now) {
    struct kith_book_hint hint = {
        .contact = *contact,
        .source = {.origin = KITH_BOOK_CONFIG},
        .roles = roles,
    };
    int r = error_of(kith_book_add(core->keeper.book, &hint, wall_of(core, now)));
    if (r == 0) {
        r = kith_maintain_add(&core->maintain, contact, KITH_CONTACT_PEER, now);
    }
    return r;
}

static void to_book_ban(const struct kith_ban_info *info, uint64_t wall_us,
                        struct kith_book_ban *ret) {
    *ret = (struct kith_book_ban){
        .is_key = info->is_key,
        .key = info->key,
        .family = info->prefix.family,
        .bits = info->bits,
        .since_us = wall_us,
        .until_us = info->left_s >= (KITH_BOOK_FOREVER - wall_us) / 1000000
                        ? KITH_BOOK_FOREVER
                        : wall_us + info->left_s * 1000000,
    };
    memcpy(ret->ip, info->prefix.ip, sizeof(ret->ip));
}

int kith_core_ban(struct kith_core *core, const struct kith_ban_info *info, uint64_t now) {
    struct kith_book_ban ban;
    to_book_ban(info, wall_of(core, now), &ban);
    int r = kith_book_ban(core->keeper.book, &ban, wall_of(core, now));
    if (r >= 0) {
        kith_keeper_bans_changed(&core->keeper, now);
        if (core->mainline != NULL) {
            kith_mainline_bans_changed(core->mainline, now);
        }
        r = 0;
    }
    return r;
}

int kith_core_unban(struct kith_core *core, const struct kith_ban_info *info) {
    struct kith_book_ban ban;
    to_book_ban(info, 0, &ban);
    return kith_book_unban(core->keeper.book, &ban);
}

void kith_core_book_status(const struct kith_core *core, uint64_t now,
                           struct kith_book_status *ret) {
    struct kith_book_counts counts;
    kith_book_count(core->keeper.book, wall_of(core, now), &counts);
    *ret = (struct kith_book_status){
        .n_new = counts.n_new,
        .n_tried = counts.n_tried,
        .n_pinned = counts.n_pinned,
        .n_banned = counts.n_bans,
        .discovered = counts.added,
        .connected = (uint32_t)kith_swarm_count_live(&core->swarm),
        .coupling = core->keeper.coupling,
        .damping = core->keeper.damping,
        .n_discovery = core->keeper.n_discovery,
        .n_exchange = core->keeper.n_exchange,
        .mean_health = (double)counts.mean_health / KITH_BOOK_HEALTH_ONE,
    };
}

struct walk {
    uint64_t wall_us;
    int (*entry)(const struct kith_book_info *info, void *user);
    int (*ban)(const struct kith_ban_info *info, void *user);
    void *user;
};

static double age_s(const struct walk *walk, uint32_t stamp_s) {
    return stamp_s == 0 ? -1 : (double)walk->wall_us / 1e6 - stamp_s;
}

static int tell_entry(const struct kith_book_entry *entry, void *user) {
    const struct walk *walk = user;
    static const enum kith_book_place places[] = {
        [KITH_BOOK_NEW] = KITH_PLACE_NEW,
        [KITH_BOOK_TRIED] = KITH_PLACE_TRIED,
        [KITH_BOOK_PINNED] = KITH_PLACE_PINNED,
    };
    struct kith_book_info info = {
        .contact = entry->contact,
        .place = places[entry->table],
        .origin = origin_names[entry->origin],
        .roles = entry->roles, /* the same bits */
        .attempts = entry->attempts,
        .health = (double)kith_book_health(entry, walk->wall_us) / KITH_BOOK_HEALTH_ONE,
        .seen_s = age_s(walk, entry->seen_s),
        .tried_s = age_s(walk, entry->try_s),
        .success_s = age_s(walk, entry->success_s),
    };
    return walk->entry(&info, walk->user);
}

int kith_core_each_book(const struct kith_core *core, uint64_t now,
                        int (*fn)(const struct kith_book_info *info, void *user), void *user) {
    struct walk walk = {.wall_us = wall_of(core, now), .entry = fn, .user = user};
    return kith_book_each(core->keeper.book, tell_entry, &walk);
}

static int tell_ban(const struct kith_book_ban *ban, void *user) {
    const struct walk *walk = user;
    if (ban->until_us <= walk->wall_us) {
        return 0;
    }
    struct kith_ban_info info = {
        .is_key = ban->is_key,
        .key = ban->key,
        .prefix = {.family = ban->family},
        .bits = ban->bits,
        .left_s = ban->until_us == KITH_BOOK_FOREVER ? UINT64_MAX
                                                     : (ban->until_us - walk->wall_us) / 1000000,
    };
    memcpy(info.prefix.ip, ban->ip, sizeof(info.prefix.ip));
    return walk->ban(&info, walk->user);
}

int kith_core_each_ban(const struct kith_core *core, uint64_t now,
                       int (*fn)(const struct kith_ban_info *info, void *user), void *user) {
    struct walk walk = {.wall_us = wall_of(core, now), .ban = fn, .user = user};
    return kith_book_each_ban(core->keeper.book, tell_ban, &walk);
}
