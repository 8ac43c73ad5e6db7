/* SPDX-License-Identifier: MIT */
/* asked: a sorted array, searched by halving: it is read for each candidate, and bounded. */
#include "core/lookup/asked.h"

#include <stdlib.h>
#include <string.h>

/* Where `id` is or belongs. */
static uint32_t asked_place(const struct kith_asked *asked, const struct kith_point *id) {
    uint32_t low = 0;
    uint32_t high = asked->n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (memcmp(asked->ids[mid].bytes, id->bytes, sizeof(id->bytes)) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

bool kith_asked_has(const struct kith_asked *asked, const struct kith_point *id) {
    uint32_t at = asked_place(asked, id);
    return at < asked->n && kith_point_equal(&asked->ids[at], id);
}

bool kith_asked_add(struct kith_asked *asked, const struct kith_point *id) {
    enum { FIRST = 64 };
    uint32_t at = asked_place(asked, id);
    if (at < asked->n && kith_point_equal(&asked->ids[at], id)) {
        return true;
    }
    if (asked->n == KITH_ASKED_MAX) {
        return false;
    }
    if (asked->n == asked->capacity) {
        uint32_t capacity = asked->capacity == 0 ? FIRST : asked->capacity * 2;
        struct kith_point *ids = realloc(asked->ids, capacity * sizeof(*ids));
        if (ids == NULL) {
            return false;
        }
        asked->ids = ids;
        asked->capacity = capacity;
    }
    memmove(&asked->ids[at + 1], &asked->ids[at], (asked->n - at) * sizeof(*asked->ids));
    asked->ids[at] = *id;
    asked->n++;
    return true;
}

void kith_asked_deinit(struct kith_asked *asked) {
    free(asked->ids);
    *asked = (struct kith_asked){0};
}
