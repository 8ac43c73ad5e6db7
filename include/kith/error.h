/* SPDX-License-Identifier: MIT */
/*
 * kith/error.h: every error the library can return, in one table.
 *
 * Functions that can fail return an int: 0 is success, a negative value is one of the codes below.
 * Outputs (`ret_x`) are untouched on failure. kith_strerror() gives the text; where the cause has a
 * name (a file, a column, a value) the function also fills a `struct kith_error_info`.
 */
#ifndef KITH_ERROR_H
#define KITH_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KITH_MUST_CHECK __attribute__((warn_unused_result))
#define KITH_API __attribute__((visibility("default")))
#else
#define KITH_MUST_CHECK
#define KITH_API
#endif

/* X(name, value, text) */
#define KITH_ERROR_MAP(X)                                                                          \
    X(NOMEM, -1, "out of memory")                                                                  \
    X(INVALID, -2, "invalid argument")                                                             \
    X(SYNTAX, -3, "malformed text or data")                                                        \
    X(TOO_LARGE, -4, "too large")                                                                  \
    X(FULL, -5, "a configured limit is reached")                                                   \
    X(NOT_FOUND, -6, "not found")                                                                  \
    X(TIMEOUT, -7, "timed out")                                                                    \
    X(NO_NETWORK, -8, "no node of the network could be reached")                                   \
    X(OUTDATED, -9, "a record with a newer seq exists")                                            \
    X(CAS_MISMATCH, -10, "the record's seq is not the one expected (cas)")                         \
    X(VERIFY, -11, "a signature or hash does not verify")                                          \
    X(QUORUM, -12, "stored on fewer nodes than the quorum")                                        \
    X(CANCELED, -13, "canceled")                                                                   \
    X(EXISTS, -14, "exists already")                                                               \
    X(PERMISSION, -15, "permission denied")                                                        \
    X(LOCKED, -16, "in use by another process")                                                    \
    X(CORRUPT, -17, "stored data is damaged or not ours")                                          \
    X(VERSION, -18, "made by a newer version")                                                     \
    X(IO, -19, "input or output failed")                                                           \
    X(NO_SPACE, -20, "no space left on the device")                                                \
    X(UNSUPPORTED, -21, "not supported by the peer or this build")                                 \
    X(REFUSED, -22, "refused by the peer")                                                         \
    X(UNREACHABLE, -23, "the daemon cannot be reached")                                            \
    X(INTERNAL, -24, "internal error")

enum kith_error {
#define KITH_ERROR_ENUM(name, value, text) KITH_E##name = (value),
    KITH_ERROR_MAP(KITH_ERROR_ENUM)
#undef KITH_ERROR_ENUM
};

/* What exactly was wrong, for a person: names the offending thing and the cure. */
struct kith_error_info {
    int code;          /* enum kith_error */
    unsigned column;   /* 1-based column in the offending text, 0 if it has none */
    char message[256]; /* NUL-terminated */
};

/* The constant text of an error code; never NULL, "unknown error" for foreign values. */
KITH_API const char *kith_strerror(int error);

/* The constant name of an error code, for example "OUTDATED"; never NULL. */
KITH_API const char *kith_error_name(int error);

#ifdef __cplusplus
}
#endif
#endif
