/* SPDX-License-Identifier: MIT */
/*
 * own: the records this node has published and keeps alive: values, its peer record, announcements.
 *
 * One slot per storage point, and one per topic announced under: a topic may be any 32 bytes, those
 * of a storage point too. Each has a timer for its next publication; what happens then is the
 * owner's business (core/publish). Answers requests for them too, however
 * far from our id they lie.
 */
#ifndef KITH_CORE_OWN_H
#define KITH_CORE_OWN_H

#include "core/record/record.h"
#include "core/swarm/swarm.h"
#include "core/wire/env.h"
#include "util/hash.h"
#include "util/list.h"

enum {
    KITH_REPUBLISH_S = 3600,
    KITH_REPUBLISH_MIN_S = 60,
    KITH_REPUBLISH_FIRST_S = 60,
    KITH_PEER_LIFE_INTERVALS = 10,
    KITH_OWN_MAX = 65536, /* own records; only the application can reach it */
};

enum kith_own_kind {
    KITH_OWN_VALUE,
    KITH_OWN_PEER,  /* our peer record */
    KITH_OWN_TOPIC, /* an announcement of ours */
};

struct kith_own;

struct kith_own_record {
    struct kith_hash_node by_point;
    struct kith_list all;
    struct kith_own *owner;
    struct kith_timer republish;
    enum kith_own_kind kind;
    struct kith_point point; /* storage point, or topic */
    uint64_t stored;
    uint32_t swarms; /* KITH_SWARM_* it is published in */
    uint64_t
        mainline_at; /* when it last reached Mainline, where that is due by the hour; 0: never */
    bool pending;    /* reached nobody yet: to be published as soon as there is somebody */
    struct kith_record_view record; /* in `bytes` */
    uint8_t *bytes;
};

struct kith_own {
    struct kith_env *env;
    const struct kith_swarm *swarm; /* borrowed: how long its nodes stay */
    struct kith_hash table;
    struct kith_list all; /* in order of first publication */
    uint32_t n;
    uint64_t since; /* our start */
    kith_timer_fn on_republish;
    void *context;
    uint8_t peer_salt[KITH_SALT_MAX];
    size_t peer_salt_size;
    struct kith_point peer_point;
};

void kith_own_init(struct kith_own *own, struct kith_env *env, const struct kith_swarm *swarm,
                   kith_timer_fn on_republish, void *context, uint64_t now);
void kith_own_deinit(struct kith_own *own);
/* The record kept at this storage point, or the announcement under this topic, or NULL. */
struct kith_own_record *kith_own_find(const struct kith_own *own, const struct kith_point *point,
                                      bool is_topic);
/* Keeps a copy, or replaces what is kept. The kind follows from the salt. -> KITH_EFULL,
 * KITH_ENOMEM: what was kept stays */
KITH_MUST_CHECK int kith_own_set(struct kith_own *own, const struct kith_record *record,
                                 const struct kith_point *point, bool is_topic, uint32_t swarms,
                                 uint64_t now);
/* How long until a record published now should be published again: hourly; more often while we are
 * new (after 1, 2, 4, ... minutes), since a network that many join at once grows around its
 * records; and more often where nodes do not stay for two hours: after half of their stay the
 * chance that all of 20 holders are gone is (1 - 1/sqrt e)^20, 10^-8. */
uint64_t kith_own_interval(const struct kith_own *own, uint64_t now);
/* What our peer record asks its holders for, in seconds; 0: as long as they grant. Ten intervals
 * while those are shorter than an hour: the holders of a young node's record change with each new
 * neighbour in a network that grows, and those of before would keep it for a day. */
uint32_t kith_own_peer_life_s(const struct kith_own *own, uint64_t now);
void kith_own_remove(struct kith_own *own, struct kith_own_record *record);

#endif
