/* SPDX-License-Identifier: MIT */
/*
 * memory: allocation for the simulator itself (never for what it simulates). Out of memory ends the
 * process: a simulation has nothing better to do. Also the accounting behind "bytes per node".
 */
#ifndef KITH_SIM_MEMORY_H
#define KITH_SIM_MEMORY_H

#include <stddef.h>

/* Zeroed; never NULL. */
void *kith_sim_allocate(size_t size);
void *kith_sim_resize(void *memory, size_t size);
/* Bytes this process has allocated and not freed; 0 where the C library does not tell (sanitizers
 * replace the allocator). */
size_t kith_sim_memory_used(void);
/* Prints the message and ends the process: the simulator itself is broken. */
_Noreturn void kith_sim_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
