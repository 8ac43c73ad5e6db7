/* SPDX-License-Identifier: MIT */
/*
 * nomem: allocations that fail on demand. A program that depends on nomem_dep has the calls of
 * everything linked into it statically, that is of kith itself, go through these; the allocations
 * inside shared libraries do not, since several of them end the process when there is no memory.
 */
#ifndef KITH_TESTS_NOMEM_H
#define KITH_TESTS_NOMEM_H

#include <stdbool.h>

/* The n-th allocation from now fails, n from 1, and with `lasting` every one after it, in whichever
 * thread. */
void nomem_begin(long n, bool lasting);
/* How many succeed before one fails, and that one; 0: none will. */
long nomem_left(void);
/* Nothing fails any more. Returns whether something did since nomem_begin(). */
bool nomem_end(void);

#endif
