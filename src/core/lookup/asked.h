/* SPDX-License-Identifier: MIT */
/* asked: whom the walks of one lookup have asked, so that no two of them ask the same node. */
#ifndef KITH_CORE_ASKED_H
#define KITH_CORE_ASKED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/id.h"

enum { KITH_ASKED_MAX = 720 }; /* nodes that all walks of one lookup ask */

/* Zeroed at first. */
struct kith_asked {
    struct kith_point *ids; /* sorted */
    uint32_t n;
    uint32_t capacity;
};

bool kith_asked_has(const struct kith_asked *asked, const struct kith_point *id);
/* False: it cannot be remembered, for lack of memory or because KITH_ASKED_MAX are. */
bool kith_asked_add(struct kith_asked *asked, const struct kith_point *id);
void kith_asked_deinit(struct kith_asked *asked);

#endif
