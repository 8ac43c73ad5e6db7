/* SPDX-License-Identifier: MIT */
/*
 * krpc_keys: the names on Mainline's wire, shared by encoder and decoder so that they cannot
 * differ. Each enum is in the byte order of the names, which is the order they are written in.
 */
#ifndef KITH_CORE_KRPC_KEYS_H
#define KITH_CORE_KRPC_KEYS_H

#include "core/wire/message.h"

/* X(name, wire text): the message itself */
#define KITH_KRPC_TOP_MAP(X)                                                                       \
    X(A, "a")                                                                                      \
    X(E, "e")                                                                                      \
    X(IP, "ip")                                                                                    \
    X(Q, "q")                                                                                      \
    X(R, "r")                                                                                      \
    X(RO, "ro")                                                                                    \
    X(T, "t")                                                                                      \
    X(V, "v")                                                                                      \
    X(Y, "y")

/* args of a request */
#define KITH_KRPC_ARG_MAP(X)                                                                       \
    X(CAS, "cas")                                                                                  \
    X(ID, "id")                                                                                    \
    X(IMPLIED_PORT, "implied_port")                                                                \
    X(INFO_HASH, "info_hash")                                                                      \
    X(K, "k")                                                                                      \
    X(NOSEED, "noseed")                                                                            \
    X(PORT, "port")                                                                                \
    X(SALT, "salt")                                                                                \
    X(SCRAPE, "scrape")                                                                            \
    X(SEED, "seed")                                                                                \
    X(SEQ, "seq")                                                                                  \
    X(SIG, "sig")                                                                                  \
    X(TARGET, "target")                                                                            \
    X(TOKEN, "token")                                                                              \
    X(V, "v")                                                                                      \
    X(WANT, "want")

/* fields of a result */
#define KITH_KRPC_FIELD_MAP(X)                                                                     \
    X(BFPE, "BFpe")                                                                                \
    X(BFSD, "BFsd")                                                                                \
    X(ID, "id")                                                                                    \
    X(INTERVAL, "interval")                                                                        \
    X(K, "k")                                                                                      \
    X(NODES, "nodes")                                                                              \
    X(NODES6, "nodes6")                                                                            \
    X(NUM, "num")                                                                                  \
    X(SAMPLES, "samples")                                                                          \
    X(SEQ, "seq")                                                                                  \
    X(SIG, "sig")                                                                                  \
    X(TOKEN, "token")                                                                              \
    X(V, "v")                                                                                      \
    X(VALUES, "values")

enum kith_krpc_top {
#define KITH_KRPC_TOP_ENUM(name, text) KITH_KRPC_TOP_##name,
    KITH_KRPC_TOP_MAP(KITH_KRPC_TOP_ENUM)
#undef KITH_KRPC_TOP_ENUM
        KITH_N_KRPC_TOPS
};

enum kith_krpc_arg {
#define KITH_KRPC_ARG_ENUM(name, text) KITH_KRPC_ARG_##name,
    KITH_KRPC_ARG_MAP(KITH_KRPC_ARG_ENUM)
#undef KITH_KRPC_ARG_ENUM
        KITH_N_KRPC_ARGS
};

enum kith_krpc_field {
#define KITH_KRPC_FIELD_ENUM(name, text) KITH_KRPC_FIELD_##name,
    KITH_KRPC_FIELD_MAP(KITH_KRPC_FIELD_ENUM)
#undef KITH_KRPC_FIELD_ENUM
        KITH_N_KRPC_FIELDS
};

enum {
    KITH_N_KRPC_METHODS = KITH_METHOD_SAMPLE + 1,
    KITH_KRPC_ENDPOINT4 = 6,
    KITH_KRPC_ENDPOINT6 = 18,
};

extern const char *const kith_krpc_top_names[KITH_N_KRPC_TOPS];
extern const char *const kith_krpc_arg_names[KITH_N_KRPC_ARGS];
extern const char *const kith_krpc_field_names[KITH_N_KRPC_FIELDS];
/* By enum kith_method; NULL for those that Mainline does not have. */
extern const char *const kith_krpc_method_names[KITH_N_KRPC_METHODS];

#endif
