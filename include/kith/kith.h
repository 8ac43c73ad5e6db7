/* SPDX-License-Identifier: MIT */
/* kith/kith.h: everything. */
#ifndef KITH_H
#define KITH_H

#include "kith/error.h"
#include "kith/info.h"
#include "kith/node.h"
#include "kith/op.h"
#include "kith/stats.h"
#include "kith/types.h"

#endif
