/* SPDX-License-Identifier: MIT */
/* The linker turns each call to NAME into one to __wrap_NAME, and __real_NAME is the true one. */
#include "nomem.h"

#include <stdatomic.h>
#include <stddef.h>

static _Atomic long countdown; /* 1: the next one fails; 0: none does */
static _Atomic bool lasting;
static _Atomic bool has_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

static bool fails(void) {
    long left = atomic_load(&countdown);
    while (left > 0 && !atomic_compare_exchange_weak(&countdown, &left, left - 1)) {
    }
    if (left != 1) {
        return false;
    }
    if (atomic_load(&lasting)) {
        atomic_store(&countdown, 1);
    }
    atomic_store(&has_failed, true);
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

char *__wrap_strdup(const char *text) {
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size) {
    return fails() ? NULL : __real_strndup(text, size);
}

void nomem_begin(long n, bool goes_on) {
    atomic_store(&countdown, 0);
    atomic_store(&lasting, goes_on);
    atomic_store(&has_failed, false);
    atomic_store(&countdown, n);
}

long nomem_left(void) {
    return atomic_load(&countdown);
}

bool nomem_end(void) {
    atomic_store(&countdown, 0);
    return atomic_load(&has_failed);
}
