/* SPDX-License-Identifier: MIT */
/* target: points of Mainline's 160-bit id space, in the leading bytes of a point. All are SHA-1. */
#ifndef KITH_CORE_TARGET_H
#define KITH_CORE_TARGET_H

#include "core/base/random.h"
#include "core/record/record.h"

enum { KITH_TARGET_SIZE = 20, KITH_TARGET_BITS = 160 };

/* The leading KITH_TARGET_SIZE bytes; the rest zero. */
void kith_target_from_bytes(const uint8_t bytes[KITH_TARGET_SIZE], struct kith_point *ret);
/* BEP 44: SHA-1(key || salt) of a mutable record, SHA-1(value) of an immutable one. */
void kith_target_of_record(const struct kith_record_view *view, struct kith_point *ret);
void kith_target_of_key(const struct kith_key *key, struct kith_span salt, struct kith_point *ret);
/* Where nodes of a kith network meet: SHA-1("kith-network-1" || network). */
void kith_target_of_network(const char *network, struct kith_point *ret);

/* ---- BEP 42: node ids bound to addresses ---- */

/* A random id that is valid for this address; for exempt (private, loopback) ones just random. */
void kith_target_make_id(const struct kith_endpoint *endpoint, const struct kith_random *random,
                         struct kith_point *ret);
/* Whether an id is valid for an address; always for exempt ones. */
bool kith_target_id_valid(const struct kith_point *id, const struct kith_endpoint *endpoint);

#endif
