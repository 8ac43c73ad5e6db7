/* SPDX-License-Identifier: MIT */
/* bloom: the filter of BEP 33: how many peers a swarm has, without saying who. 2048 bits, 2 hashes.
 */
#ifndef KITH_CORE_BLOOM_H
#define KITH_CORE_BLOOM_H

#include "core/wire/message.h"

void kith_bloom_add(uint8_t filter[KITH_BLOOM_SIZE], const struct kith_endpoint *endpoint);
/* dst |= src */
void kith_bloom_merge(uint8_t dst[KITH_BLOOM_SIZE], const uint8_t src[KITH_BLOOM_SIZE]);
/* How many addresses went in, about; at most 6000 make sense. */
double kith_bloom_estimate(const uint8_t filter[KITH_BLOOM_SIZE]);

#endif
