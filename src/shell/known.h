/* SPDX-License-Identifier: MIT */
/*
 * known: the endpoints of one family that answered in the public swarm, as the bytes that are kept
 * of them: a format number, then address and port of each, big endian.
 */
#ifndef KITH_SHELL_KNOWN_H
#define KITH_SHELL_KNOWN_H

#include "kith/types.h"
#include "util/span.h"

enum {
    KITH_KNOWN_MAX = 400, /* of a family; the core takes 512 contacts to join through */
    KITH_KNOWN_BYTES_MAX = 1 + KITH_KNOWN_MAX * 18,
};

struct kith_known {
    uint8_t family; /* 4 or 6 */
    size_t n;
    struct kith_endpoint endpoints[KITH_KNOWN_MAX];
};

/* Returns how many of `bytes`, of which there are KITH_KNOWN_BYTES_MAX, it takes. */
size_t kith_known_encode(const struct kith_known *known, uint8_t *bytes);
/* Adds what is kept to what is there, as far as there is room, without what no datagram can be sent
 * to and without repetition. A document of another format is of another version, and as good as
 * none; so is the rest of one that breaks off. */
void kith_known_decode(struct kith_known *known, struct kith_span bytes);

#endif
