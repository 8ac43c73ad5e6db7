/* SPDX-License-Identifier: MIT */
/*
 * session_internal: what the files of core/session share, and their tests see. Nobody else includes
 * it.
 *
 *     session.c            the public functions that send, and the dispatch of what is received
 *     session_handshake.c  0x01, 0x02, 0x03 as initiator
 *     session_respond.c    0x01 as responder
 *     session_data.c       0x04
 *     session_who.c        0x05, 0x06
 *     session_table.c      who has a session: slots, keys, order of eviction, shares, expiry
 *     session_window.c     which data counters were seen
 *     session_guard.c      which initiations may cost us a key agreement
 *     session_cookie.c     macs and cookies
 *     session_check.c      the invariants of the table
 */
#ifndef KITH_CORE_SESSION_INTERNAL_H
#define KITH_CORE_SESSION_INTERNAL_H

#include "core/base/endpoint.h"
#include "core/base/pace.h"
#include "core/session/noise.h"
#include "core/session/session.h"
#include "kith/stats.h"
#include "util/chains.h"

enum {
    SESSION_TYPE_INITIATION = 1,
    SESSION_TYPE_RESPONSE = 2,
    SESSION_TYPE_COOKIE = 3,
    SESSION_TYPE_DATA = 4,
    SESSION_TYPE_WHO = 5,
    SESSION_TYPE_IAM = 6,

    SESSION_MAC = KITH_CIPHER_MAC,
    SESSION_MACS = 2 * SESSION_MAC,
    SESSION_INIT_HEADER = 8,  /* type, 3 zero, sender index */
    SESSION_RESP_HEADER = 12, /* type, 3 zero, sender index, receiver index */
    SESSION_DATA_HEADER = 16, /* type, 3 zero, receiver index, counter */
    SESSION_COOKIE_NONCE = 24,
    SESSION_COOKIE_SEALED = SESSION_MAC + 16,
    SESSION_COOKIE_SIZE = 8 + SESSION_COOKIE_NONCE + SESSION_COOKIE_SEALED,
    SESSION_WHO_NONCE = 16,
    SESSION_WHO_SIZE = 116, /* the size of the iam, so that asking costs what it brings */
    SESSION_INIT_PAYLOAD_BASE = KITH_KEY_SIZE + 2, /* our key, length of the request */
    SESSION_REQUEST_MAX = KITH_DATAGRAM_MAX - KITH_SESSION_INIT_OVERHEAD,
    SESSION_MESSAGE_MAX = KITH_DATAGRAM_MAX - KITH_SESSION_DATA_OVERHEAD,
    SESSION_QUEUE_BYTES_MAX = 8192,

    SESSION_COOKIE_S = 120,  /* as WireGuard */
    SESSION_COOKIES_MAX = 3, /* taken by one handshake: a forger cannot make us repeat for ever */
    SESSION_RESPONSES_MAX = 16, /* that do not authenticate, likewise: each is two key agreements */
    SESSION_PER_PEER_MAX =
        2,                 /* of each state: a rekey or crossing initiations need two, not three */
    SESSION_WINDOW = 2048, /* counters a datagram may be late */
    SESSION_WINDOW_WORDS = SESSION_WINDOW / 64 + 1,
    SESSION_RX_MAX = (1 << 25) - 1,
    SESSION_RING_MIN = 64,      /* remembered initiations, at first, */
    SESSION_RING_REST = 512,    /* where they are few, and */
    SESSION_RING_MAX = 2048,    /* at most */
    SESSION_RING_S = 600,       /* they are few if so long ones fit in */
    SESSION_PREFIX_SHARE = 8,   /* one prefix gets at most this fraction of the handshakes */
    SESSION_WIDE_SHARE = 4,     /* so does a /48 of IPv6, which has 256 of them, */
    SESSION_ADDRESS_SHARE = 32, /* and one proven address of it this one */
    SESSION_WHO_MAX = 64,
    SESSION_WHO_TRIES = 8, /* signatures verified for one question */
};

/* A key is not used for more messages than this, which is half a million a second until the next
 * one is due. Peers may go on up to SESSION_COUNTER_MAX (far below what the cipher bears). */
#define SESSION_SENT_MAX UINT32_MAX
#define SESSION_COUNTER_MAX (UINT64_C(1) << 60)

enum session_state {
    SESSION_INITIATED, /* we sent 0x01 */
    SESSION_HALF_OPEN, /* we sent 0x02, and heard nothing under the new keys */
    SESSION_ESTABLISHED,
};

/* Order of eviction. */
enum session_class {
    SESSION_CLASS_PENDING, /* theirs: anybody can make as many as he likes */
    SESSION_CLASS_IDLE,
    SESSION_CLASS_PINNED,
    SESSION_CLASS_OWN, /* our handshakes: few, short, and asked for */
    SESSION_CLASSES
};

struct session_message {
    struct session_message *next;
    uint16_t size;
    uint8_t bytes[];
};

/* What only an initiator in state SESSION_INITIATED needs. */
struct session_handshake {
    struct kith_noise noise;
    uint8_t dh_public[32];     /* of the key of the peer: 35 us to convert */
    uint8_t mac1[SESSION_MAC]; /* of the initiation last sent */
    uint8_t cookie[SESSION_MAC];
    uint64_t cookie_until; /* 0: no cookie */
    uint8_t cookies_taken;
    uint8_t responses_failed;
    uint8_t n_queued;
    uint16_t answer_hope;
    uint16_t request_size;
    size_t queued_bytes;
    struct session_message *queue; /* oldest first */
    struct session_message **queue_end;
    uint8_t request[]; /* rides on the initiation; empty: nothing does */
};

/* No session, where one is named by its slot. */
#define SESSION_NONE KITH_CHAINS_NONE

/* 184 bytes: with what the allocator adds, three cache lines. There are many, most of them idle. */
struct session {
    kith_session_ref ref; /* serial << 32 | index */
    struct kith_key key;
    struct kith_endpoint endpoint;
    union {
        struct session_handshake *handshake; /* SESSION_INITIATED */
        struct kith_noise_keys keys;         /* afterwards */
    } as;
    uint64_t receive_next; /* highest counter seen + 1 */
    union {
        uint64_t recent;  /* bit i: counter receive_next - 1 - i was seen */
        uint64_t *window; /* with `has_window`: something older than 64 is missing */
    } received;
    uint64_t since; /* confirmed by the peer; before that: started */
    /* Slots. */
    uint32_t next_of_key;
    uint32_t next_of_prefix; /* while `charged` */
    uint32_t older;          /* in its class */
    uint32_t newer;
    uint32_t send_counter;
    uint32_t used; /* session_ticks() */
    uint32_t remote_index;
    uint32_t rx_messages : 25; /* at most SESSION_RX_MAX are counted */
    uint32_t unheard : 1;      /* see kith_sessions_unheard() */
    uint32_t state : 2;        /* enum session_state */
    uint32_t initiator : 1;
    uint32_t pinned : 1;
    uint32_t charged : 1; /* to the prefix of its endpoint; exempt ones are not */
    uint32_t has_window : 1;
};

/* Sessions of one class, by their slots. */
struct session_class_list {
    uint32_t oldest; /* use */
    uint32_t newest;
};

struct session_guard {
    bool limited;
    bool has_prefixes; /* tables are made with their first use */
    bool has_proven;
    struct kith_pace_limit limit_all;
    struct kith_pace_limit limit_unproven;
    struct kith_pace_limit limit_prefix;
    struct kith_pace_limit limit_wide;
    struct kith_pace_limit limit_address;
    struct kith_pace all;
    struct kith_pace unproven; /* also of those that were not served */
    struct kith_pace who;
    struct kith_paces prefixes;
    struct kith_paces wide; /* /48 of IPv6 */
    /* Of addresses that showed a cookie; nobody else can use these up. */
    struct kith_paces proven_prefixes;
    struct kith_paces proven_wide;
    struct kith_paces proven_addresses;
    uint32_t *ring; /* hashes of the initiations served last */
    uint32_t ring_capacity;
    uint32_t ring_next; /* place of the next one; at the end: a new round begins */
    uint32_t ring_n;
    uint64_t ring_began; /* this round, at its first place */
};

struct session_who {
    struct kith_endpoint to; /* family 0: free */
    uint8_t nonce[SESSION_WHO_NONCE];
    uint8_t tries_left;
    uint64_t until;
};

/* The initiation just delivered. */
struct session_pending {
    kith_session_ref ref; /* 0: none */
    struct kith_noise noise;
    struct kith_key key;
    struct kith_endpoint from;
    uint32_t remote_index;
};

struct kith_sessions {
    struct kith_sessions_config config;
    uint8_t prologue[7 + KITH_NETWORK_MAX];
    size_t prologue_size;
    uint8_t secret[32];            /* the network's */
    uint8_t hash_key[16];          /* of every table a remote party fills */
    uint8_t mac1_key[32];          /* of initiations to us */
    uint8_t cookie_key[32];        /* of cookies from us */
    uint8_t cookie_secrets[2][32]; /* now and before */
    uint64_t cookie_rotated;
    bool has_cookie_secret;

    struct kith_timer timer;
    struct kith_chains by_key;
    struct kith_chains by_prefix;
    struct session_class_list classes[SESSION_CLASSES];
    struct session **slots; /* NULL: free */
    uint32_t n_slots;
    uint32_t free_from; /* no slot below is free */
    uint32_t used_to;   /* no slot from here on is used */
    uint32_t slot_bits;
    uint32_t n;
    uint32_t serial;

    struct session_guard guard;
    struct session_who *who; /* SESSION_WHO_MAX, or NULL before the first use */
    struct session_pending pending;
    uint8_t *payload; /* of the delivery */
    uint8_t own_payload[];
};

/* session_table.c */
void session_table_init(struct kith_sessions *s);
void session_table_deinit(struct kith_sessions *s);
uint64_t session_hash(const struct kith_sessions *s, const void *bytes, size_t size);
/* Makes room and adds. -> KITH_EFULL, and *ret_share says whether because of the prefix;
 * KITH_ENOMEM */
KITH_MUST_CHECK int session_add(struct kith_sessions *s, const struct kith_key *key,
                                const struct kith_endpoint *endpoint, enum session_state state,
                                uint64_t now, struct session **ret, bool *ret_share);
void session_remove(struct kith_sessions *s, struct session *session);
struct session *session_by_index(const struct kith_sessions *s, uint32_t index);
struct session *session_by_ref(const struct kith_sessions *s, kith_session_ref ref);
struct session *session_first_of(const struct kith_sessions *s, const struct kith_key *key);
struct session *session_next_of(const struct kith_sessions *s, const struct session *session);
/* First and next session charged to the prefix of an endpoint, in no order. */
struct session *session_first_at(const struct kith_sessions *s,
                                 const struct kith_endpoint *endpoint);
struct session *session_next_at(const struct kith_sessions *s, const struct session *session);
/* The next one in use from this slot on, or NULL. */
struct session *session_in_use(const struct kith_sessions *s, uint32_t slot);
/* It was used: last to go. Also after a change of state. */
void session_touch(struct kith_sessions *s, struct session *session, uint64_t now);
/* The handshake is done. At most SESSION_PER_PEER_MAX stay. */
void session_establish(struct kith_sessions *s, struct session *session, uint64_t now);
/* Keeps at most SESSION_PER_PEER_MAX of the peer in the state of `newest`: the oldest other goes.
 */
void session_limit(struct kith_sessions *s, const struct session *newest);
/* Charges another prefix. False: that one has its share. */
bool session_relocate(struct kith_sessions *s, struct session *session,
                      const struct kith_endpoint *to);
void session_handshake_free(struct session_handshake *handshake);

/* session_window.c */
bool session_window_fresh(const struct session *session, uint64_t counter);
void session_window_mark(struct session *session, uint64_t counter);
void session_window_free(struct session *session);

/* session_guard.c */
enum session_verdict { SESSION_ADMIT, SESSION_ASK_COOKIE, SESSION_OVER_PREFIX, SESSION_OVER_ALL };

void session_guard_init(struct kith_sessions *s);
void session_guard_deinit(struct kith_sessions *s);
bool session_guard_seen(const struct kith_sessions *s, const uint8_t ephemeral[32]);
void session_guard_remember(struct kith_sessions *s, const uint8_t ephemeral[32], uint64_t now);
/* Takes from the budgets; `has_mac2` tells whether the asker showed a valid cookie. Whoever is over
 * the share of a prefix without one may be another than who used it up: he gets one. */
enum session_verdict session_guard_admit(struct kith_sessions *s, const struct kith_endpoint *from,
                                         bool has_mac2, uint64_t now);
/* The same for a who, which costs a signature and has a budget of its own. */
enum session_verdict session_guard_admit_who(struct kith_sessions *s,
                                             const struct kith_endpoint *from, uint64_t now);

/* session_cookie.c */
void session_mac1_key(uint8_t out[32], const struct kith_key *receiver);
void session_cookie_key(uint8_t out[32], const struct kith_key *responder);
/* Writes mac1, and mac2 if there is a cookie (else zeros), behind the first `size` bytes. */
void session_macs_write(const struct kith_cipher *cipher, uint8_t *datagram, size_t size,
                        const struct kith_key *receiver, const uint8_t *cookie);
bool session_mac1_valid(const struct kith_sessions *s, struct kith_span datagram);
bool session_mac2_valid(struct kith_sessions *s, const struct kith_endpoint *from,
                        struct kith_span datagram, uint64_t now);
/* Answers an initiation with 0x03. */
void session_cookie_send(struct kith_sessions *s, const struct kith_endpoint *from,
                         struct kith_span initiation, uint64_t now);
/* Opens the sealed cookie of a 0x03. -> KITH_EVERIFY */
KITH_MUST_CHECK int session_cookie_open(const struct kith_key *responder, struct kith_span datagram,
                                        const uint8_t mac1[SESSION_MAC],
                                        uint8_t ret_cookie[SESSION_MAC]);

/* session_handshake.c */
KITH_MUST_CHECK int session_start(struct kith_sessions *s, const struct kith_send *send,
                                  uint64_t now, int *ret_outcome);
KITH_MUST_CHECK int session_enqueue(struct session *session, struct kith_span payload);
void session_receive_response(struct kith_sessions *s, const struct kith_endpoint *from,
                              struct kith_span datagram, uint64_t now, struct kith_delivery *ret);
void session_receive_cookie(struct kith_sessions *s, const struct kith_endpoint *from,
                            struct kith_span datagram, uint64_t now);

/* session_respond.c */
void session_receive_initiation(struct kith_sessions *s, const struct kith_endpoint *from,
                                struct kith_span datagram, uint64_t now, struct kith_delivery *ret);
KITH_MUST_CHECK int session_respond(struct kith_sessions *s, const struct kith_delivery *delivery,
                                    struct kith_span payload, uint64_t now);

/* session_data.c */
bool session_may_send(const struct session *session, uint64_t now, uint64_t age_max);
/* -> KITH_EFULL: the counter is used up */
KITH_MUST_CHECK int session_data_send(struct kith_sessions *s, struct session *session,
                                      const struct kith_endpoint *to, struct kith_span payload,
                                      const struct kith_allowance *allowance, uint64_t now);
void session_receive_data(struct kith_sessions *s, const struct kith_endpoint *from,
                          struct kith_span datagram, uint64_t now, struct kith_delivery *ret);

/* session_who.c */
/* Gives the memory back when no question is open. */
void session_who_forget(struct kith_sessions *s, uint64_t now);
void session_receive_who(struct kith_sessions *s, const struct kith_endpoint *from,
                         struct kith_span datagram, uint64_t now);
void session_receive_iam(struct kith_sessions *s, const struct kith_endpoint *from,
                         struct kith_span datagram, uint64_t now, struct kith_delivery *ret);

/* Bytes of datagram that an answer may have. */
static inline size_t session_answer_max(const struct kith_allowance *allowance) {
    size_t most = kith_allowance_max(allowance);
    return most < KITH_DATAGRAM_MAX ? most : KITH_DATAGRAM_MAX;
}

static inline uint32_t session_get_u32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void session_put_u32(uint8_t *p, uint32_t value) {
    for (unsigned i = 0; i < 4; i++) {
        p[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

/* Type and the three zero bytes behind it. */
static inline void session_put_type(uint8_t *p, uint8_t type) {
    p[0] = type;
    p[1] = p[2] = p[3] = 0;
}

static inline bool session_reserved_zero(struct kith_span datagram) {
    return datagram.size >= 4 && (datagram.data[1] | datagram.data[2] | datagram.data[3]) == 0;
}

static inline uint32_t session_index(const struct session *session) {
    return (uint32_t)session->ref;
}

static inline uint32_t session_slot(const struct kith_sessions *s, const struct session *session) {
    return session_index(session) & ((1u << s->slot_bits) - 1);
}

/* What is under way with the peer, or NULL. */
static inline struct session_handshake *session_handshake(const struct session *session) {
    return session->state == SESSION_INITIATED ? session->as.handshake : NULL;
}

/* Time in 67 ms, for what need not be exact; wraps after nine years, so only differences count. */
enum { SESSION_TICK_BITS = 26 };

static inline uint32_t session_ticks(uint64_t ns) {
    return (uint32_t)(ns >> SESSION_TICK_BITS);
}

#endif
