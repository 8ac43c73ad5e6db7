/* SPDX-License-Identifier: MIT */
/* version: what the build was told it is. meson.build is the only place that knows the number. */
#include "kith/node.h"

#ifndef KITH_VERSION
#error "KITH_VERSION comes from meson.build"
#endif

const char *kith_version(void) {
    return KITH_VERSION;
}
