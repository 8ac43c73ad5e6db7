/* SPDX-License-Identifier: MIT */
/* dns: records of a DNS packet as JSON: what pkarr publishes under a key. */
#ifndef KITH_TOOLS_DNS_H
#define KITH_TOOLS_DNS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The answers of a DNS reply that fills `bytes`: a new array of {"name", "type", "ttl", "data"},
 * data in the presentation form of zone files; types without one here as RFC 3597's \# SIZE HEX.
 * NULL: not a reply with answers, or a record in it is malformed.
 */
json_t *dns_to_json(const uint8_t *bytes, size_t size);

#endif
