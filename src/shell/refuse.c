/* SPDX-License-Identifier: MIT */
/* refuse: one way to fill in an error. Too long a message is cut, as its struct says. */
#include "shell/refuse.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static void fill(struct kith_error_info *info, int code, unsigned column, const char *format,
                 va_list args) {
    if (info != NULL) {
        *info = (struct kith_error_info){.code = code, .column = column};
        (void)vsnprintf(info->message, sizeof(info->message), format, args);
    }
}

int kith_refuse(struct kith_error_info *info, int code, const char *format, ...) {
    va_list args;

    va_start(args, format);
    fill(info, code, 0, format, args);
    va_end(args);
    return code;
}

int kith_refuse_at(struct kith_error_info *info, int code, unsigned column, const char *format,
                   ...) {
    va_list args;

    va_start(args, format);
    fill(info, code, column, format, args);
    va_end(args);
    return code;
}

int kith_error_of_errno(int error_number) {
    switch (error_number) {
    case EACCES:
    case EPERM:
    case EROFS:
        return KITH_EPERMISSION;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return KITH_ENO_SPACE;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return KITH_ENOMEM;
    default:
        return KITH_EIO;
    }
}
