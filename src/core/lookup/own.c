/* SPDX-License-Identifier: MIT */
/* Own records: a hash table by point (points are hashes already) beside a list that keeps the
 * order. */
#include "core/lookup/own.h"

#include <stdlib.h>

void kith_own_init(struct kith_own *own, struct kith_env *env, const struct kith_swarm *swarm,
                   kith_timer_fn on_republish, void *context, uint64_t now) {
    *own = (struct kith_own){
        .env = env, .swarm = swarm, .since = now, .on_republish = on_republish, .context = context};
    kith_hash_init(&own->table);
    kith_list_init(&own->all);
    own->peer_salt_size = kith_peer_salt(env->network, own->peer_salt);
    kith_point_of_record(&env->identity.key, kith_span(own->peer_salt, own->peer_salt_size),
                         &own->peer_point);
}

void kith_own_deinit(struct kith_own *own) {
    if (own->env == NULL) {
        return;
    }
    struct kith_list *l;
    while ((l = kith_list_first(&own->all)) != NULL) {
        kith_own_remove(own, kith_container_of(l, struct kith_own_record, all));
    }
    kith_hash_deinit(&own->table);
}

static uint64_t hash_of(const struct kith_point *point) {
    uint64_t h;
    memcpy(&h, point->bytes, sizeof(h));
    return h;
}

struct kith_own_record *kith_own_find(const struct kith_own *own, const struct kith_point *point,
                                      bool is_topic) {
    struct kith_hash_node *n = kith_hash_first(&own->table, hash_of(point));
    for (; n != NULL; n = kith_hash_next(n)) {
        struct kith_own_record *r = kith_container_of(n, struct kith_own_record, by_point);
        if (kith_point_equal(&r->point, point) && (r->kind == KITH_OWN_TOPIC) == is_topic) {
            return r;
        }
    }
    return NULL;
}

static enum kith_own_kind kind_of(const struct kith_own *own, const struct kith_point *point,
                                  bool is_topic) {
    if (is_topic) {
        return KITH_OWN_TOPIC;
    }
    return kith_point_equal(point, &own->peer_point) ? KITH_OWN_PEER : KITH_OWN_VALUE;
}

/* But for the share of chance. */
static uint64_t mean_interval(const struct kith_own *own, uint64_t now) {
    uint64_t age = now - own->since;
    uint64_t least = KITH_REPUBLISH_FIRST_S * KITH_NS_PER_S;
    uint64_t most = KITH_REPUBLISH_S * KITH_NS_PER_S;
    uint64_t interval = age < least ? least : age > most ? most : age;
    uint64_t half = kith_swarm_stay_ns(own->swarm) / 2;
    uint64_t min = KITH_REPUBLISH_MIN_S * KITH_NS_PER_S;
    half = half < min ? min : half;
    return half < interval ? half : interval;
}

uint64_t kith_own_interval(const struct kith_own *own, uint64_t now) {
    return kith_random_jitter(&own->env->random, mean_interval(own, now), 10);
}

uint32_t kith_own_peer_life_s(const struct kith_own *own, uint64_t now) {
    uint64_t interval_s = mean_interval(own, now) / KITH_NS_PER_S;
    return interval_s < KITH_REPUBLISH_S ? (uint32_t)interval_s * KITH_PEER_LIFE_INTERVALS : 0;
}

/* -> KITH_EFULL, KITH_ENOMEM */
static int own_new(struct kith_own *own, const struct kith_point *point,
                   struct kith_own_record **ret) {
    if (own->n >= KITH_OWN_MAX) {
        return KITH_EFULL;
    }
    struct kith_own_record *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return KITH_ENOMEM;
    }
    r->owner = own;
    r->point = *point;
    if (kith_hash_insert(&own->table, &r->by_point, hash_of(point)) < 0) {
        free(r);
        return KITH_ENOMEM;
    }
    kith_list_append(&own->all, &r->all);
    own->n++;
    *ret = r;
    return 0;
}

static const uint8_t *append(uint8_t **cursor, const void *bytes, size_t size) {
    const uint8_t *at = *cursor;
    if (size > 0) {
        memcpy(*cursor, bytes, size);
        *cursor += size;
    }
    return at;
}

/* A copy that takes no more than it needs. Returns its bytes, or NULL. */
static uint8_t *copy_record(const struct kith_record *record, struct kith_record_view *ret) {
    uint8_t *bytes = malloc(KITH_KEY_SIZE + KITH_SIGNATURE_SIZE + (size_t)record->salt_size +
                            record->value_size);
    uint8_t *cursor = bytes;
    if (bytes == NULL) {
        return NULL;
    }
    kith_record_view(record, ret);
    if (ret->is_mutable) {
        ret->key = append(&cursor, ret->key, KITH_KEY_SIZE);
        ret->signature = append(&cursor, ret->signature, KITH_SIGNATURE_SIZE);
    }
    ret->salt.data = append(&cursor, ret->salt.data, ret->salt.size);
    ret->value.data = append(&cursor, ret->value.data, ret->value.size);
    return bytes;
}

int kith_own_set(struct kith_own *own, const struct kith_record *record,
                 const struct kith_point *point, bool is_topic, uint32_t swarms, uint64_t now) {
    struct kith_own_record *r = kith_own_find(own, point, is_topic);
    struct kith_record_view view;
    uint8_t *bytes = copy_record(record, &view);
    int error_new = bytes == NULL ? KITH_ENOMEM : r == NULL ? own_new(own, point, &r) : 0;
    if (error_new < 0) {
        free(bytes);
        return error_new;
    }
    free(r->bytes);
    r->bytes = bytes;
    r->record = view;
    r->kind = kind_of(own, point, is_topic);
    r->swarms = swarms;
    r->stored = now;
    int error = kith_timer_set(&own->env->timers, &r->republish, own->on_republish,
                               now + kith_own_interval(own, now));
    if (error < 0) {
        kith_own_remove(own, r); /* it is new, since moving a set timer cannot fail */
    }
    return error;
}

void kith_own_remove(struct kith_own *own, struct kith_own_record *record) {
    kith_timer_stop(&own->env->timers, &record->republish);
    kith_hash_remove(&own->table, &record->by_point);
    kith_list_remove(&record->all);
    own->n--;
    free(record->bytes);
    free(record);
}
