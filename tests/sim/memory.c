/* SPDX-License-Identifier: MIT */
/*
 * memory: malloc that cannot fail, and mallinfo2() as the measure. mallinfo2 counts what the
 * allocator handed out, its own headers included: that is what a node costs in a large process.
 */
#include "sim/memory.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void kith_sim_panic(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("kith-sim: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(3);
}

void *kith_sim_allocate(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL) {
        kith_sim_panic("out of memory (%zu bytes)", size);
    }
    return memory;
}

void *kith_sim_resize(void *memory, size_t size) {
    void *resized = realloc(memory, size);
    if (resized == NULL) {
        kith_sim_panic("out of memory (%zu bytes)", size);
    }
    return resized;
}

size_t kith_sim_memory_used(void) {
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 33)
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#endif
#endif
    return 0;
}
