/* SPDX-License-Identifier: MIT */
/* list: intrusive doubly linked list. The list owns nothing; a node is in at most one list. */
#ifndef KITH_UTIL_LIST_H
#define KITH_UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* The struct of type `type` whose member `member` is at `ptr`. */
#define kith_container_of(ptr, type, member)                                                       \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct kith_list {
    struct kith_list *next;
    struct kith_list *prev;
};

static inline void kith_list_init(struct kith_list *list) {
    list->next = list;
    list->prev = list;
}

/* True for an empty list head, and for a node that is in no list. A zeroed node counts as unlinked.
 */
static inline bool kith_list_empty(const struct kith_list *list) {
    return list->next == list || list->next == NULL;
}

static inline void kith_list_append(struct kith_list *list, struct kith_list *node) {
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

static inline void kith_list_remove(struct kith_list *node) {
    if (node->next == NULL) {
        return;
    }
    node->prev->next = node->next;
    node->next->prev = node->prev;
    kith_list_init(node);
}

/* First or next node, NULL at the end. */
static inline struct kith_list *kith_list_first(const struct kith_list *list) {
    return list->next == list ? NULL : list->next;
}

static inline struct kith_list *kith_list_next(const struct kith_list *list,
                                               const struct kith_list *node) {
    return node->next == list ? NULL : node->next;
}

#endif
