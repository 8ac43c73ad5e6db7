/* SPDX-License-Identifier: MIT */
#include "sim/sim_alloc.h"

#include <stdlib.h>

static uint32_t countdown; /* 0: nothing fails */
static bool lasts;
static bool has_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

void kith_sim_alloc_fail(uint32_t at, bool lasting) {
    countdown = at;
    lasts = lasting;
    has_failed = false;
}

bool kith_sim_alloc_done(void) {
    bool failed = has_failed;
    countdown = 0;
    has_failed = false;
    return failed;
}

static bool fails(void) {
    if (countdown == 0 || --countdown > 0) {
        return false;
    }
    countdown = lasts ? 1 : 0;
    has_failed = true;
    return true;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return fails() ? NULL : __real_realloc(old, size);
}
