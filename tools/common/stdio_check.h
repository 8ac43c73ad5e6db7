/* SPDX-License-Identifier: MIT */
/* stdio_check: the three standard descriptors, at the start and at the end of a program. */
#ifndef KITH_TOOLS_STDIO_CHECK_H
#define KITH_TOOLS_STDIO_CHECK_H

/* First thing in main(): descriptors 0, 1 and 2 that are closed are opened, so that no socket and
 * no database gets one of these numbers, and with it what is meant for a person. What is then
 * written there (or read, from 0) fails as it would have. Returns 0, or -1: not possible. */
int stdio_check_start(void);

/* Writes what standard output holds. Returns 0, or -1: some of it, now or before, got lost. */
int stdio_check_flush(void);

/* Last thing: the same, and a loss is said on standard error in the name of `program`, unless the
 * reader at the other end of a pipe has seen enough. */
int stdio_check_end(const char *program);

#endif
