/* SPDX-License-Identifier: MIT */
/* column: the library's messages about texts begin with "column N: "; where the place is shown
 * otherwise, it goes. */
#ifndef KITH_TOOLS_COLUMN_H
#define KITH_TOOLS_COLUMN_H

#include <string.h>

static inline const char *column_skip(const char *message) {
    const char *rest = strncmp(message, "column ", 7) == 0 ? strstr(message, ": ") : NULL;

    return rest ? rest + 2 : message;
}

#endif
