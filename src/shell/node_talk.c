/* SPDX-License-Identifier: MIT */
/*
 * node_talk: handlers of talk protocols.
 *
 * A table of 32, searched in order: a message costs a decryption, the search is nothing beside it.
 * The core refuses names that it was not told of, so a message here has a handler unless it was
 * removed within the same run of the pump. The question is copied: a handler may call the node, and
 * the core's bytes live only until then.
 */
#include <string.h>

#include "shell/node_internal.h"

static struct kith_node_handler *find_handler(struct kith_node *node, const char *protocol) {
    for (size_t i = 0; i < KITH_TALK_HANDLERS_MAX; i++) {
        if (strcmp(node->handlers[i].protocol, protocol) == 0) {
            return &node->handlers[i];
        }
    }
    return NULL;
}

void kith_node_talk(struct kith_node *node, const struct kith_core_talk *talk) {
    struct kith_node_handler *handler = find_handler(node, talk->protocol);
    uint8_t question[KITH_TALK_MAX];
    uint8_t answer[KITH_TALK_MAX];
    size_t size = talk->size < sizeof(question) ? talk->size : sizeof(question);
    struct kith_key from = talk->from;
    uint64_t token = talk->token;
    int r = KITH_EREFUSED;
    if (size > 0) {
        memcpy(question, talk->bytes, size);
    }
    if (handler != NULL && !node->closing) {
        r = handler->fn(node, &from, question, size, answer, handler->user);
    }
    if (r < 0 || r > KITH_TALK_MAX) {
        kith_core_talk_answer(node->core, token, KITH_EREFUSED, NULL, 0, kith_node_now(node));
    } else {
        kith_core_talk_answer(node->core, token, 0, answer, (size_t)r, kith_node_now(node));
    }
}

int kith_talk_handle(struct kith_node *node, const char *protocol, kith_talk_fn fn, void *user) {
    if (node == NULL || protocol == NULL || protocol[0] == '\0' ||
        strnlen(protocol, KITH_PROTOCOL_NAME_MAX + 1) > KITH_PROTOCOL_NAME_MAX) {
        return KITH_EINVALID;
    }
    struct kith_node_handler *handler = find_handler(node, protocol);
    if (fn == NULL) {
        if (handler != NULL) {
            *handler = (struct kith_node_handler){0};
            return kith_core_talk_handle(node->core, protocol, false);
        }
        return 0;
    }
    if (handler == NULL) {
        handler = find_handler(node, "");
        int r = handler == NULL ? KITH_EFULL : kith_core_talk_handle(node->core, protocol, true);
        if (r < 0) {
            return r;
        }
        memcpy(handler->protocol, protocol, strlen(protocol) + 1);
    }
    handler->fn = fn;
    handler->user = user;
    return 0;
}
