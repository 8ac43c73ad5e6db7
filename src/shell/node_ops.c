/* SPDX-License-Identifier: MIT */
/*
 * node_ops: running ops, and whom they report to.
 *
 * The core numbers ops and knows nothing of callbacks; here a hash table by number (O(1)) finds
 * them, and a list beside it gives the order in which ops end when the node closes. An op leaves
 * both before its last callback, so that canceling it from there is canceling an unknown number.
 *
 * A put is done when its record would survive a crash: "stored on disk first" is what kith_put()
 * promises. The network is often faster than the disk, so the end of a put is held back while the
 * write of its record is on its way, and turned into the disk's error if the write failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/node_internal.h"

/* Numbers are our own and count up; 2^64 / golden ratio spreads them over the chains. */
static uint64_t hash_number(uint64_t number) {
    return number * UINT64_C(0x9e3779b97f4a7c15);
}

static void copy_result(struct kith_node_result *copy, const struct kith_result *result) {
    copy->result = *result;
    struct kith_result *r = &copy->result;
    if (result->hop != NULL) {
        copy->hop = *result->hop;
        r->hop = &copy->hop;
    }
    if (result->record != NULL) {
        copy->record = *result->record;
        r->record = &copy->record;
    }
    if (result->peer != NULL) {
        copy->peer = *result->peer;
        r->peer = &copy->peer;
    }
    if (result->bytes != NULL) {
        r->bytes_size =
            result->bytes_size < sizeof(copy->bytes) ? result->bytes_size : sizeof(copy->bytes);
        memcpy(copy->bytes, result->bytes, r->bytes_size);
        r->bytes = copy->bytes;
    }
    if (result->text != NULL) {
        (void)snprintf(copy->text, sizeof(copy->text), "%s", result->text);
        r->text = copy->text;
    }
}

/* Takes the op out of the table and frees it: what follows is its last callback. */
static void end_op(struct kith_node *node, struct kith_node_op *op, kith_result_fn *ret_fn,
                   void **ret_user) {
    *ret_fn = op->fn;
    *ret_user = op->user;
    kith_hash_remove(&node->ops_by_number, &op->node);
    kith_list_remove(&op->link);
    free(op->held);
    free(op);
}

static void tell_end(struct kith_node *node, struct kith_node_op *op,
                     const struct kith_result *result) {
    kith_result_fn fn;
    void *user;
    end_op(node, op, &fn, &user);
    if (fn != NULL) {
        fn(node, result, user);
    }
}

static void tell_held(struct kith_node *node, struct kith_node_op *op) {
    struct kith_node_result *held = op->held;
    op->held = NULL;
    if (held->result.status == 0 && op->save_status < 0) {
        held->result.status = op->save_status;
        (void)snprintf(held->text, sizeof(held->text), "the record could not be kept on disk: %s",
                       kith_strerror(op->save_status));
        held->result.text = held->text;
    }
    tell_end(node, op, &held->result);
    free(held);
}

void kith_node_ops_init(struct kith_node *node) {
    kith_hash_init(&node->ops_by_number);
    kith_list_init(&node->ops);
    kith_list_init(&node->finished);
}

struct kith_node_op *kith_node_op_find(const struct kith_node *node, uint64_t number) {
    struct kith_hash_node *at = kith_hash_first(&node->ops_by_number, hash_number(number));
    for (; at != NULL; at = kith_hash_next(at)) {
        struct kith_node_op *op = kith_container_of(at, struct kith_node_op, node);
        if (op->number == number) {
            return op;
        }
    }
    return NULL;
}

/* Keeps the end of an op until the pump tells it: at once, or when the disk is done. */
static bool hold(struct kith_node *node, struct kith_node_op *op,
                 const struct kith_result *result) {
    op->held = malloc(sizeof(*op->held));
    if (op->held == NULL) {
        return false;
    }
    copy_result(op->held, result);
    if (op->n_saves == 0) {
        kith_list_remove(&op->link);
        kith_list_append(&node->finished, &op->link);
    }
    return true;
}

void kith_node_op_result(struct kith_node *node, const struct kith_result *result) {
    struct kith_node_op *op = kith_node_op_find(node, result->op);
    if (op == NULL || op->held != NULL) {
        return;
    }
    bool is_end = result->kind == KITH_RESULT_DONE;
    bool waits =
        is_end && result->status != KITH_ECANCELED && (op->n_saves > 0 || op->save_status < 0);
    struct kith_node_result copy;
    if (waits && hold(node, op, result)) {
        return;
    }
    copy_result(&copy, result);
    if (waits) {
        copy.result.status = KITH_ENOMEM; /* whether it is durable cannot be waited for */
    }
    if (is_end) {
        tell_end(node, op, &copy.result);
    } else if (op->fn != NULL) {
        op->fn(node, &copy.result, op->user);
    }
}

void kith_node_op_saved(struct kith_node *node, uint64_t number, int status) {
    struct kith_node_op *op = kith_node_op_find(node, number);
    if (op == NULL) {
        return;
    }
    op->n_saves--;
    if (status < 0 && op->save_status == 0) {
        op->save_status = status;
    }
    if (op->n_saves == 0 && op->held != NULL) {
        kith_list_remove(&op->link);
        kith_list_append(&node->finished, &op->link);
        kith_node_wake(node);
    }
}

void kith_node_ops_tell_finished(struct kith_node *node) {
    bool closing = node->closing;
    struct kith_list *link;
    while (node->closing == closing && (link = kith_list_first(&node->finished)) != NULL) {
        tell_held(node, kith_container_of(link, struct kith_node_op, link));
    }
}

static void tell_canceled(struct kith_node *node, struct kith_node_op *op) {
    struct kith_result result = {
        .kind = KITH_RESULT_DONE,
        .status = KITH_ECANCELED,
        .op = op->number,
    };
    if (op->held != NULL) {
        result = op->held->result; /* its pointers end with the op */
        result.status = KITH_ECANCELED;
        result.hop = NULL;
        result.record = NULL;
        result.peer = NULL;
        result.bytes = NULL;
        result.bytes_size = 0;
        result.text = NULL;
    }
    tell_end(node, op, &result);
}

void kith_node_ops_end(struct kith_node *node) {
    struct kith_list *link;
    for (link = kith_list_first(&node->ops); link != NULL;
         link = kith_list_next(&node->ops, link)) {
        struct kith_node_op *op = kith_container_of(link, struct kith_node_op, link);
        if (op->held == NULL) {
            kith_core_cancel(node->core, op->number, kith_node_now(node));
        }
    }
    kith_node_pump(node);
    /* Held puts, and whatever the core had no room to tell of. */
    while ((link = kith_list_first(&node->ops)) != NULL ||
           (link = kith_list_first(&node->finished)) != NULL) {
        tell_canceled(node, kith_container_of(link, struct kith_node_op, link));
    }
    kith_hash_deinit(&node->ops_by_number);
}

int kith_start(struct kith_node *node, const struct kith_query *query, kith_result_fn fn,
               void *user, uint64_t *ret_op) {
    if (node == NULL || query == NULL) {
        return KITH_EINVALID;
    }
    if (node->closing) {
        return KITH_ECANCELED;
    }
    struct kith_node_op *op = calloc(1, sizeof(*op));
    if (op == NULL) {
        return KITH_ENOMEM;
    }
    int r = kith_core_start(node->core, query, kith_node_now(node), &op->number);
    kith_node_wake(node);
    if (r < 0) {
        free(op);
        return r;
    }
    r = kith_hash_insert(&node->ops_by_number, &op->node, hash_number(op->number));
    if (r < 0) {
        kith_core_cancel(node->core, op->number, kith_node_now(node));
        free(op);
        return r;
    }
    op->fn = fn;
    op->user = user;
    kith_list_append(&node->ops, &op->link);
    if (ret_op != NULL) {
        *ret_op = op->number;
    }
    return 0;
}

void kith_cancel(struct kith_node *node, uint64_t number) {
    struct kith_node_op *op = node == NULL ? NULL : kith_node_op_find(node, number);
    if (op == NULL || node->closing) {
        return;
    }
    if (op->held == NULL) {
        kith_core_cancel(node->core, number, kith_node_now(node));
    } else {
        /* The record is on its way to the disk all the same; only the waiting ends. */
        op->held->result.status = KITH_ECANCELED;
        kith_list_remove(&op->link);
        kith_list_append(&node->finished, &op->link);
    }
    kith_node_wake(node);
}

static int set_salt(struct kith_query *query, const void *salt, size_t size) {
    if (size > KITH_SALT_MAX) {
        return KITH_ETOO_LARGE;
    }
    if (size > 0 && salt == NULL) {
        return KITH_EINVALID;
    }
    if (size > 0) {
        memcpy(query->salt, salt, size);
    }
    query->salt_size = (uint8_t)size;
    return 0;
}

static int set_key(struct kith_query *query, const struct kith_key *key) {
    if (key == NULL) {
        return KITH_EINVALID;
    }
    query->key = *key;
    query->flags |= KITH_FLAG_HAS_KEY;
    return 0;
}

static int set_topic(struct kith_query *query, const struct kith_point *topic) {
    if (topic == NULL) {
        return KITH_EINVALID;
    }
    query->point = *topic;
    query->flags |= KITH_FLAG_HAS_POINT;
    return 0;
}

int kith_lookup(struct kith_node *node, const struct kith_key *key, kith_result_fn fn, void *user,
                uint64_t *ret_op) {
    struct kith_query query = {.kind = KITH_QUERY_LOOKUP};
    int r = set_key(&query, key);
    return r < 0 ? r : kith_start(node, &query, fn, user, ret_op);
}

int kith_get(struct kith_node *node, const struct kith_key *key, const void *salt, size_t salt_size,
             kith_result_fn fn, void *user, uint64_t *ret_op) {
    struct kith_query query = {.kind = KITH_QUERY_GET};
    int r = set_key(&query, key);
    if (r == 0) {
        r = set_salt(&query, salt, salt_size);
    }
    return r < 0 ? r : kith_start(node, &query, fn, user, ret_op);
}

int kith_put(struct kith_node *node, const void *salt, size_t salt_size, const void *bytes,
             size_t size, kith_result_fn fn, void *user, uint64_t *ret_op) {
    struct kith_query query = {.kind = KITH_QUERY_PUT};
    uint8_t value[KITH_VALUE_MAX];
    uint16_t value_size;
    if (bytes == NULL && size > 0) {
        return KITH_EINVALID;
    }
    int r = set_salt(&query, salt, salt_size);
    if (r == 0) {
        r = kith_value_wrap(size > 0 ? bytes : "", size, value, &value_size);
    }
    if (r < 0) {
        return r;
    }
    query.value = value;
    query.value_size = value_size;
    return kith_start(node, &query, fn, user, ret_op);
}

int kith_announce(struct kith_node *node, const struct kith_point *topic, kith_result_fn fn,
                  void *user, uint64_t *ret_op) {
    struct kith_query query = {.kind = KITH_QUERY_ANNOUNCE};
    int r = set_topic(&query, topic);
    return r < 0 ? r : kith_start(node, &query, fn, user, ret_op);
}

int kith_find(struct kith_node *node, const struct kith_point *topic, uint32_t n, kith_result_fn fn,
              void *user, uint64_t *ret_op) {
    struct kith_query query = {.kind = KITH_QUERY_FIND, .n = n};
    int r = set_topic(&query, topic);
    return r < 0 ? r : kith_start(node, &query, fn, user, ret_op);
}

int kith_ping(struct kith_node *node, const struct kith_key *key, uint32_t n, kith_result_fn fn,
              void *user, uint64_t *ret_op) {
    struct kith_query query = {.kind = KITH_QUERY_PING, .n = n};
    int r = set_key(&query, key);
    return r < 0 ? r : kith_start(node, &query, fn, user, ret_op);
}

int kith_watch(struct kith_node *node, const struct kith_key *key, const void *salt,
               size_t salt_size, kith_result_fn fn, void *user, uint64_t *ret_op) {
    struct kith_query query = {.kind = KITH_QUERY_WATCH};
    int r = set_key(&query, key);
    if (r == 0) {
        r = set_salt(&query, salt, salt_size);
    }
    return r < 0 ? r : kith_start(node, &query, fn, user, ret_op);
}

int kith_talk(struct kith_node *node, const struct kith_key *key, const char *protocol,
              const void *bytes, size_t size, kith_result_fn fn, void *user, uint64_t *ret_op) {
    struct kith_query query = {
        .kind = KITH_QUERY_TALK,
        .protocol = protocol,
        .value = bytes,
        .value_size = size,
    };
    int r = protocol == NULL ? KITH_EINVALID : set_key(&query, key);
    return r < 0 ? r : kith_start(node, &query, fn, user, ret_op);
}
