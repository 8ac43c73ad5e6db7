/* SPDX-License-Identifier: MIT */
/*
 * Real nodes on the loopback, several on one loop, as an application would run them. Every wait is
 * for a condition; the guard only bounds how long a failure takes to show.
 */
#ifndef KITH_TESTS_API_WORLD_H
#define KITH_TESTS_API_WORLD_H

#include <kith/kith.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NODES_MAX = 8, GUARD_MS = 20000 };

static const char *const any_port[] = {"127.0.0.1:0"};

/* ---- a loop with nodes ---- */

struct world;

struct member {
    struct world *world;
    struct kith_node *node;
    bool is_ready;
    struct kith_contact added; /* the last one that came into its book */
    struct kith_contact removed;
    bool is_closed;
    unsigned n_closed;
    char contact[KITH_KEY_TEXT_SIZE + KITH_ENDPOINT_TEXT_SIZE];
    struct kith_key key;
    char warning[512]; /* the last one logged */
};

/* What an op said, and the last of it in full. */
struct answer {
    unsigned n_results;
    unsigned n_done;
    unsigned n_records;
    unsigned n_pongs;
    bool close_node; /* in the first callback */
    struct member *member;
    struct kith_result done;
    struct kith_peer peer;
    struct kith_record record;
    uint8_t bytes[KITH_TALK_MAX];
    struct kith_key found[NODES_MAX];
};

struct world {
    uv_loop_t loop;
    uv_timer_t guard;
    bool guard_rang;
    struct member members[NODES_MAX];
    unsigned n_members;
    char dir[64];
};

static inline void on_guard(uv_timer_t *timer) {
    ((struct world *)timer->data)->guard_rang = true;
}

static inline void world_init(struct world *world) {
    memset(world, 0, sizeof(*world));
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(uv_timer_init(&world->loop, &world->guard), 0);
    world->guard.data = world;
    strcpy(world->dir, "/tmp/kith-api-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
}

/* Runs the loop until the condition holds. */
#define WAIT(world, condition)                                                                     \
    do {                                                                                           \
        (world)->guard_rang = false;                                                               \
        uv_timer_start(&(world)->guard, on_guard, GUARD_MS, 0);                                    \
        while (!(condition) && !(world)->guard_rang) {                                             \
            uv_run(&(world)->loop, UV_RUN_ONCE);                                                   \
        }                                                                                          \
        uv_timer_stop(&(world)->guard);                                                            \
        if (!(condition)) {                                                                        \
            fail_msg("still waiting for: %s", #condition);                                         \
        }                                                                                          \
    } while (0)

static inline void remove_file(const char *dir, const char *name) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)(unlink(path) != 0 && rmdir(path) != 0);
}

static inline void on_closed(void *user) {
    struct member *member = user;
    member->is_closed = true;
    member->n_closed++;
}

static inline void close_member(struct world *world, struct member *member) {
    if (member->node != NULL) {
        kith_node_close(member->node, on_closed, member);
        member->node = NULL;
        WAIT(world, member->is_closed);
        assert_int_equal(member->n_closed, 1);
    }
}

static inline void world_deinit(struct world *world) {
    static const char *const left[] = {"db/data.mdb", "db/lock.mdb", "db", "lock", "identity.key"};
    for (unsigned i = 0; i < world->n_members; i++) {
        close_member(world, &world->members[i]);
    }
    uv_close((uv_handle_t *)&world->guard, NULL);
    /* Nothing of the nodes may keep the loop alive. */
    assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        remove_file(world->dir, left[i]);
    }
    assert_int_equal(rmdir(world->dir), 0);
}

static inline void on_event(struct kith_node *node, const struct kith_event *event, void *user) {
    struct member *member = user;
    if (event->kind == KITH_EVENT_READY) {
        member->is_ready = true;
    } else if (event->kind == KITH_EVENT_PEER_ADDED) {
        member->added = event->contact;
    } else if (event->kind == KITH_EVENT_PEER_REMOVED) {
        member->removed = event->contact;
    }
}

static inline void on_log(enum kith_log_level level, const char *message, void *user) {
    struct member *member = user;
    if (level <= KITH_LOG_WARN) {
        snprintf(member->warning, sizeof(member->warning), "%s", message);
    }
}

static inline void default_options(struct kith_options *options, struct member *member) {
    kith_options_init(options);
    options->listen = any_port;
    options->n_listen = 1;
    options->on_event = on_event;
    options->on_log = on_log;
    options->user = member;
}

static inline struct member *add_member(struct world *world) {
    struct member *member = &world->members[world->n_members++];
    memset(member, 0, sizeof(*member));
    member->world = world;
    return member;
}

static inline void open_member(struct member *member, const struct kith_options *options) {
    struct kith_error_info info = {0};
    struct kith_status status;
    char key[KITH_KEY_TEXT_SIZE];
    char endpoint[KITH_ENDPOINT_TEXT_SIZE];
    int r = kith_node_open(&member->node, &member->world->loop, options, &info);
    if (r != 0) {
        fail_msg("open: %s", info.message);
    }
    kith_node_status(member->node, &status);
    assert_int_equal(status.n_bound, 1);
    member->key = status.key;
    kith_key_format(&status.key, key);
    kith_endpoint_format(&status.bound[0], endpoint);
    snprintf(member->contact, sizeof(member->contact), "%s@%s", key, endpoint);
}

/* Nodes that join through the first. */
static inline void open_swarm(struct world *world, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        struct member *member = add_member(world);
        const char *peers[] = {world->members[0].contact};
        struct kith_options options;
        default_options(&options, member);
        options.peers = peers;
        options.n_peers = i == 0 ? 0 : 1;
        open_member(member, &options);
    }
    for (unsigned i = 0; i < n && n > 1; i++) { /* a node alone is never ready */
        WAIT(world, world->members[i].is_ready);
    }
}

static inline void on_result(struct kith_node *node, const struct kith_result *result, void *user) {
    struct answer *answer = user;
    assert_int_equal(answer->n_done, 0); /* nothing comes after the end */
    answer->n_results++;
    if (result->kind == KITH_RESULT_RECORD) {
        if (result->peer != NULL && answer->n_records < NODES_MAX) {
            answer->found[answer->n_records] = result->peer->key;
        }
        answer->n_records++;
    }
    answer->n_pongs += result->kind == KITH_RESULT_PONG;
    if (result->peer != NULL) {
        answer->peer = *result->peer;
    }
    if (answer->close_node) {
        answer->close_node = false;
        answer->member->node = NULL;
        kith_node_close(node, on_closed, answer->member);
    }
    /* After a call into the node the result is still whole. */
    if (result->record != NULL) {
        answer->record = *result->record;
    }
    if (result->bytes_size > 0) {
        memcpy(answer->bytes, result->bytes, result->bytes_size);
    }
    if (result->kind == KITH_RESULT_DONE) {
        answer->n_done++;
        answer->done = *result;
    }
}

static inline int put(struct world *world, unsigned i, const char *salt, const char *text) {
    struct answer answer = {0};
    assert_int_equal(kith_put(world->members[i].node, salt, strlen(salt), text, strlen(text),
                              on_result, &answer, NULL),
                     0);
    WAIT(world, answer.n_done == 1);
    return answer.done.status;
}

static inline void expect_text(const struct kith_record *record, const char *text) {
    const uint8_t *bytes;
    size_t size;
    kith_value_unwrap(record->value, record->value_size, &bytes, &size);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(bytes, text, size);
}

#endif
