/* SPDX-License-Identifier: MIT */
/*
 * error: text and name of every code, from the one table in kith/error.h. A switch rather than an
 * array, so that a code without a row, or two rows with one code, is the compiler's business.
 */
#include "kith/error.h"

const char *kith_strerror(int error) {
    switch (error) {
#define ERROR_TEXT(name, value, text)                                                              \
    case (value):                                                                                  \
        return text;
        KITH_ERROR_MAP(ERROR_TEXT)
#undef ERROR_TEXT
    case 0:
        return "success";
    default:
        return "unknown error";
    }
}

const char *kith_error_name(int error) {
    switch (error) {
#define ERROR_NAME(name, value, text)                                                              \
    case (value):                                                                                  \
        return #name;
        KITH_ERROR_MAP(ERROR_NAME)
#undef ERROR_NAME
    case 0:
        return "OK";
    default:
        return "UNKNOWN";
    }
}
