/* SPDX-License-Identifier: MIT */
/*
 * msgpack_keys: the names on the wire, shared by encoder and decoder so that they cannot differ.
 * Each enum is in the byte order of the names, which is the order they are written in.
 */
#ifndef KITH_CORE_MSGPACK_KEYS_H
#define KITH_CORE_MSGPACK_KEYS_H

#include <stdint.h>

#include "core/wire/message.h"

/* X(name, wire text): args of a request */
#define KITH_ARG_MAP(X)                                                                            \
    X(CAS, "cas")                                                                                  \
    X(D, "d")                                                                                      \
    X(F, "f")                                                                                      \
    X(K, "k")                                                                                      \
    X(N, "n")                                                                                      \
    X(P, "p")                                                                                      \
    X(R, "r")                                                                                      \
    X(RO, "ro")                                                                                    \
    X(S, "s")                                                                                      \
    X(T, "t")                                                                                      \
    X(TTL, "ttl")                                                                                  \
    X(W, "w")

/* fields of a result */
#define KITH_FIELD_MAP(X)                                                                          \
    X(D, "d")                                                                                      \
    X(N4, "n4")                                                                                    \
    X(N6, "n6")                                                                                    \
    X(OK, "ok")                                                                                    \
    X(OS, "os")                                                                                    \
    X(R, "r")                                                                                      \
    X(RS, "rs")                                                                                    \
    X(S, "s")                                                                                      \
    X(TR, "tr")                                                                                    \
    X(TTL, "ttl")                                                                                  \
    X(V, "v")                                                                                      \
    X(YOU, "you")

/* fields of a record */
#define KITH_RECORD_MAP(X)                                                                         \
    X(G, "g")                                                                                      \
    X(K, "k")                                                                                      \
    X(S, "s")                                                                                      \
    X(SL, "sl")                                                                                    \
    X(V, "v")

enum kith_arg {
#define KITH_ARG_ENUM(name, text) KITH_ARG_##name,
    KITH_ARG_MAP(KITH_ARG_ENUM)
#undef KITH_ARG_ENUM
        KITH_N_ARGS
};

enum kith_field {
#define KITH_FIELD_ENUM(name, text) KITH_FIELD_##name,
    KITH_FIELD_MAP(KITH_FIELD_ENUM)
#undef KITH_FIELD_ENUM
        KITH_N_FIELDS
};

enum kith_record_key {
#define KITH_RECORD_ENUM(name, text) KITH_RECORD_##name,
    KITH_RECORD_MAP(KITH_RECORD_ENUM)
#undef KITH_RECORD_ENUM
        KITH_N_RECORD_KEYS
};

/* A method: its name, the args it knows (others are ignored), and those it cannot do without.
 * Masks of 1 << enum kith_arg. */
struct kith_method_shape {
    const char *name;
    uint16_t known;
    uint16_t required;
};

extern const char *const kith_arg_names[KITH_N_ARGS];
extern const char *const kith_field_names[KITH_N_FIELDS];
extern const char *const kith_record_key_names[KITH_N_RECORD_KEYS];
/* NULL for a number that is no method. */
const struct kith_method_shape *kith_method_shape(enum kith_method method);

enum {
    KITH_WANT_V4 = 1,
    KITH_WANT_V6 = 2,
    KITH_WIRE_ENDPOINT4 = 6,
    KITH_WIRE_ENDPOINT6 = 18,
    KITH_WIRE_CONTACT4 = KITH_KEY_SIZE + KITH_WIRE_ENDPOINT4,
    KITH_WIRE_CONTACT6 = KITH_KEY_SIZE + KITH_WIRE_ENDPOINT6,
    KITH_WIRE_VERSION = 4,
};

#endif
