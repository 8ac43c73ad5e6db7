/* SPDX-License-Identifier: MIT */
/* refuse: how a function of the shell says what exactly was wrong. */
#ifndef KITH_SHELL_REFUSE_H
#define KITH_SHELL_REFUSE_H

#include "kith/error.h"

/* Fills in `info` (may be NULL) and returns `code`. */
int kith_refuse(struct kith_error_info *info, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the column of the offending text. */
int kith_refuse_at(struct kith_error_info *info, int code, unsigned column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* An errno of the system in our codes; what is not known there is KITH_EIO. */
int kith_error_of_errno(int error_number);

#endif
