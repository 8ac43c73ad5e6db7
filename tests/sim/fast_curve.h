/* SPDX-License-Identifier: MIT */
/*
 * fast_curve: SIMULATION ONLY. Stands in for Curve25519 and Ed25519 where a run has so many nodes
 * that cryptography would dominate it. It has the same shape and obeys the same laws
 * between honest parties, and it has no security whatsoever: secrets follow from public keys and
 * anybody can sign for anybody. It is not part of the library, and nothing outside tests/sim may
 * use it.
 */
#ifndef KITH_SIM_FAST_CURVE_H
#define KITH_SIM_FAST_CURVE_H

#include "core/base/curve.h"

extern const struct kith_curve kith_sim_fast_curve;
extern const struct kith_cipher kith_sim_fast_cipher;

#endif
