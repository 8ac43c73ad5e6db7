/* SPDX-License-Identifier: MIT */
/*
 * The public API as an application uses it: real nodes on real sockets of the loopback, several on
 * one loop. Every wait is for a condition; the guard only bounds how long a failure takes to show.
 */
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these before it */
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

/* ---- cases ---- */

static void test_lookup(void **state) {
    struct world world;
    struct answer answer = {0};
    world_init(&world);
    open_swarm(&world, 2);
    assert_int_equal(
        kith_lookup(world.members[1].node, &world.members[0].key, on_result, &answer, NULL), 0);
    assert_int_equal(answer.n_results, 0); /* never from inside the call */
    WAIT(&world, answer.n_done == 1);
    assert_int_equal(answer.done.status, 0);
    assert_memory_equal(&answer.peer.key, &world.members[0].key, sizeof(struct kith_key));
    assert_true(answer.peer.n_endpoints >= 1);
    world_deinit(&world);
}

/* An op started before the node has joined waits for its first contact. */
static void test_lookup_at_once(void **state) {
    struct world world;
    struct kith_options options;
    struct answer answer = {0};
    world_init(&world);
    open_swarm(&world, 2);
    struct member *member = add_member(&world);
    const char *peers[] = {strchr(world.members[0].contact, '@') + 1};
    default_options(&options, member);
    options.client = true;
    options.peers = peers;
    options.n_peers = 1;
    open_member(member, &options);
    assert_int_equal(kith_lookup(member->node, &world.members[1].key, on_result, &answer, NULL), 0);
    WAIT(&world, answer.n_done == 1);
    assert_int_equal(answer.done.status, 0);
    world_deinit(&world);
}

/* The newest of two is found, by a node that had part in neither put. */
static void test_put_get(void **state) {
    struct world world;
    struct answer answer = {0};
    struct kith_query query = {.kind = KITH_QUERY_GET,
                               .flags = KITH_FLAG_HAS_KEY | KITH_FLAG_NEWEST,
                               .salt_size = 1,
                               .salt = {'s'}};
    world_init(&world);
    open_swarm(&world, NODES_MAX);
    assert_int_equal(put(&world, 1, "s", "older"), 0);
    assert_int_equal(put(&world, 1, "s", "newer"), 0);
    query.key = world.members[1].key;
    assert_int_equal(kith_start(world.members[6].node, &query, on_result, &answer, NULL), 0);
    WAIT(&world, answer.n_done == 1);
    assert_int_equal(answer.done.status, 0);
    expect_text(&answer.record, "newer");
    world_deinit(&world);
}

static void test_announce_find(void **state) {
    struct world world;
    struct answer announced[2] = {{0}};
    struct answer answer = {0};
    struct kith_point topic;
    world_init(&world);
    open_swarm(&world, NODES_MAX);
    kith_topic_from_text("a topic", &topic);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            kith_announce(world.members[2 + i].node, &topic, on_result, &announced[i], NULL), 0);
        WAIT(&world, announced[i].n_done == 1);
        assert_int_equal(announced[i].done.status, 0);
    }
    assert_int_equal(kith_find(world.members[7].node, &topic, 10, on_result, &answer, NULL), 0);
    WAIT(&world, answer.n_done == 1);
    assert_int_equal(answer.n_records, 2);
    for (unsigned i = 0; i < 2; i++) {
        bool is_first = memcmp(&answer.found[i], &world.members[2].key, KITH_KEY_SIZE) == 0;
        bool is_second = memcmp(&answer.found[i], &world.members[3].key, KITH_KEY_SIZE) == 0;
        assert_true(is_first || is_second);
    }
    world_deinit(&world);
}

static void test_ping(void **state) {
    struct world world;
    struct answer answer = {0};
    world_init(&world);
    open_swarm(&world, 2);
    assert_int_equal(
        kith_ping(world.members[1].node, &world.members[0].key, 3, on_result, &answer, NULL), 0);
    WAIT(&world, answer.n_done == 1);
    assert_int_equal(answer.done.status, 0);
    assert_int_equal(answer.n_pongs, 3);
    world_deinit(&world);
}

static int on_talk(struct kith_node *node, const struct kith_key *from, const void *bytes,
                   size_t size, void *reply, void *user) {
    struct kith_status status;
    kith_node_status(node, &status); /* a handler may call the node */
    assert_int_equal(kith_ping(node, from, 1, NULL, NULL, NULL), 0);
    if (size == 2 && memcmp(bytes, "no", 2) == 0) {
        return KITH_EREFUSED;
    }
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)reply)[i] = ((const uint8_t *)bytes)[size - 1 - i];
    }
    (*(unsigned *)user)++;
    return (int)size;
}

static int talk(struct world *world, const char *protocol, const char *text,
                struct answer *answer) {
    memset(answer, 0, sizeof(*answer));
    assert_int_equal(kith_talk(world->members[1].node, &world->members[0].key, protocol, text,
                               strlen(text), on_result, answer, NULL),
                     0);
    WAIT(world, answer->n_done == 1);
    return answer->done.status;
}

static void test_talk(void **state) {
    struct world world;
    struct answer answer;
    unsigned n_talks = 0;
    world_init(&world);
    open_swarm(&world, 2);
    struct kith_node *server = world.members[0].node;
    assert_int_equal(kith_talk_handle(server, "", on_talk, &n_talks), KITH_EINVALID);
    assert_int_equal(kith_talk_handle(server, "a name of more than 32 characters", on_talk, NULL),
                     KITH_EINVALID);
    assert_int_equal(kith_talk_handle(server, "echo", on_talk, &n_talks), 0);
    assert_int_equal(talk(&world, "echo", "hello", &answer), 0);
    assert_int_equal(answer.done.bytes_size, 5);
    assert_memory_equal(answer.bytes, "olleh", 5);
    assert_int_equal(talk(&world, "echo", "no", &answer), KITH_EREFUSED);
    assert_true(talk(&world, "other", "hello", &answer) < 0);
    assert_int_equal(kith_talk_handle(server, "echo", NULL, NULL), 0);
    assert_true(talk(&world, "echo", "hello", &answer) < 0);
    assert_int_equal(n_talks, 1);
    world_deinit(&world);
}

static void test_watch_and_cancel(void **state) {
    struct world world;
    struct answer answer = {0};
    uint64_t op;
    world_init(&world);
    open_swarm(&world, 4);
    assert_int_equal(put(&world, 1, "w", "first"), 0);
    assert_int_equal(
        kith_watch(world.members[2].node, &world.members[1].key, "w", 1, on_result, &answer, &op),
        0);
    WAIT(&world, answer.n_records >= 1);
    expect_text(&answer.record, "first");
    assert_int_equal(answer.n_done, 0);
    kith_cancel(world.members[2].node, op);
    assert_int_equal(answer.n_done, 0); /* told from the loop */
    WAIT(&world, answer.n_done == 1);
    assert_int_equal(answer.done.status, KITH_ECANCELED);
    kith_cancel(world.members[2].node, op); /* unknown by now */
    kith_cancel(world.members[2].node, 12345);
    world_deinit(&world);
}

/* Closing cancels what runs, each op once, before the node is gone. */
static void test_close_cancels(void **state) {
    struct world world;
    struct answer answers[20] = {{0}};
    world_init(&world);
    open_swarm(&world, 2);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(kith_watch(world.members[1].node, &world.members[0].key, "x", 1, on_result,
                                    &answers[i], NULL),
                         0);
    }
    close_member(&world, &world.members[1]);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(answers[i].n_done, 1);
        assert_int_equal(answers[i].done.status, KITH_ECANCELED);
    }
    kith_node_close(NULL, NULL, NULL);
    world_deinit(&world);
}

/* A node closed in the first callback of an op, whatever the op: its others are canceled too. */
static void test_close_in_callback(void **state) {
    static const enum kith_query_kind kinds[] = {
        KITH_QUERY_LOOKUP,     KITH_QUERY_GET,  KITH_QUERY_PUT,  KITH_QUERY_ANNOUNCE,
        KITH_QUERY_UNANNOUNCE, KITH_QUERY_FIND, KITH_QUERY_PING, KITH_QUERY_TRACE};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct world world;
        struct answer first = {.close_node = true};
        struct answer second = {0};
        world_init(&world);
        open_swarm(&world, 2);
        bool by_point = kinds[i] == KITH_QUERY_ANNOUNCE || kinds[i] == KITH_QUERY_UNANNOUNCE ||
                        kinds[i] == KITH_QUERY_FIND;
        struct kith_query query = {
            .kind = kinds[i],
            .flags = by_point ? KITH_FLAG_HAS_POINT : KITH_FLAG_HAS_KEY,
            .key = world.members[0].key,
            .value = (const uint8_t *)"1:x",
            .value_size = 3,
            .n = 2,
        };
        if (kinds[i] == KITH_QUERY_PUT) {
            query.flags = 0;
        }
        first.member = &world.members[1];
        assert_int_equal(kith_start(world.members[1].node, &query, on_result, &first, NULL), 0);
        assert_int_equal(kith_watch(world.members[1].node, &world.members[0].key, "x", 1, on_result,
                                    &second, NULL),
                         0);
        WAIT(&world, world.members[1].is_closed);
        assert_int_equal(first.n_done, 1);
        assert_int_equal(second.n_done, 1);
        assert_int_equal(second.done.status, KITH_ECANCELED);
        world_deinit(&world);
    }
}

static void close_on_event(struct kith_node *node, const struct kith_event *event, void *user) {
    struct member *member = user;
    if (member->node != NULL) {
        member->node = NULL;
        kith_node_close(node, on_closed, member);
    }
}

static void test_close_in_event(void **state) {
    struct world world;
    struct kith_options options;
    world_init(&world);
    open_swarm(&world, 1);
    struct member *member = add_member(&world);
    const char *peers[] = {world.members[0].contact};
    default_options(&options, member);
    options.peers = peers;
    options.n_peers = 1;
    options.on_event = close_on_event;
    open_member(member, &options);
    WAIT(&world, member->is_closed);
    world_deinit(&world);
}

/* Who comes into the book is told, and who leaves it. */
static void test_peer_events(void **state) {
    struct world world;
    world_init(&world);
    open_swarm(&world, 2);
    for (unsigned i = 0; i < 2; i++) {
        struct member *member = &world.members[i];
        const struct kith_key *other = &world.members[1 - i].key;
        WAIT(&world, member->added.has_key);
        assert_memory_equal(&member->added.key, other, sizeof(*other));
        assert_int_equal(member->added.endpoint.family, 4);
        assert_false(member->removed.has_key);
    }
    /* What the application brings in itself, too. */
    struct kith_contact contact = {.endpoint = {.family = 4, .port = 1, .ip = {127, 0, 0, 1}}};
    assert_int_equal(kith_node_add(world.members[0].node, &contact, 0), 0);
    WAIT(&world, !world.members[0].added.has_key);
    assert_int_equal(world.members[0].added.endpoint.port, 1);
    world_deinit(&world);
}

/* ---- options ---- */

struct bad_option {
    const char *message; /* part of it */
    int code;
    void (*spoil)(struct kith_options *options);
};

static void spoil_size(struct kith_options *options) {
    options->size = 4;
}
static void spoil_size_new(struct kith_options *options) {
    options->size += 64;
}
static void spoil_network_empty(struct kith_options *options) {
    options->network = "";
}
static void spoil_network_long(struct kith_options *options) {
    options->network = "a network name that has more than forty-eight bytes";
}
static void spoil_secret(struct kith_options *options) {
    static const uint8_t zeros[32];
    options->network_secret = zeros;
}
static void spoil_listen(struct kith_options *options) {
    static const char *const listen[] = {"127.0.0.1:port"};
    options->listen = listen;
}
static void spoil_listen_twice(struct kith_options *options) {
    static const char *const listen[] = {"127.0.0.1:0", "127.0.0.2:0"};
    options->listen = listen;
    options->n_listen = 2;
}
static void spoil_peer(struct kith_options *options) {
    static const char *const peers[] = {"no-port-here"};
    options->peers = peers;
    options->n_peers = 1;
}
static void spoil_seed(struct kith_options *options) {
    options->n_seeds = 3;
}
static void spoil_capabilities(struct kith_options *options) {
    options->capabilities = (const uint8_t *)"\x93\x01";
    options->capabilities_size = 2;
}
static void spoil_mainline(struct kith_options *options) {
    static const char *const nodes[] = {"no-port-here"};
    options->mainline_bootstrap = nodes;
    options->n_mainline_bootstrap = 1;
}
static void spoil_mainline_key(struct kith_options *options) {
    static const char *const nodes[] = {
        "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy@192.0.2.1:6881"};
    options->mainline_bootstrap = nodes;
    options->n_mainline_bootstrap = 1;
}
static void spoil_mainline_count(struct kith_options *options) {
    options->n_mainline_bootstrap = 1;
}
static void spoil_limits(struct kith_options *options) {
    options->limits.sessions = UINT32_MAX;
}

static void test_bad_options(void **state) {
    static const struct bad_option table[] = {
        {"options.size is 4", KITH_EINVALID, spoil_size},
        {"kith_options_init()", KITH_EINVALID, spoil_size_new},
        {"network name is empty", KITH_EINVALID, spoil_network_empty},
        {"too long: at most 48", KITH_EINVALID, spoil_network_long},
        {"secret is all zeros", KITH_EINVALID, spoil_secret},
        {"listen address '127.0.0.1:port'", KITH_ESYNTAX, spoil_listen},
        {"'127.0.0.2:0': a second one", KITH_EINVALID, spoil_listen_twice},
        {"peer 'no-port-here'", KITH_ESYNTAX, spoil_peer},
        {"options.seeds is NULL", KITH_EINVALID, spoil_seed},
        {"not one msgpack map", KITH_ESYNTAX, spoil_capabilities},
        {"limits.sessions", KITH_EINVALID, spoil_limits},
        {"Mainline node 'no-port-here'", KITH_ESYNTAX, spoil_mainline},
        {"without a key", KITH_ESYNTAX, spoil_mainline_key},
        {"options.mainline_bootstrap is NULL", KITH_EINVALID, spoil_mainline_count},
    };
    struct world world;
    world_init(&world);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct kith_options options;
        struct kith_error_info info = {0};
        struct kith_node *node = NULL;
        default_options(&options, NULL);
        options.on_log = NULL;
        table[i].spoil(&options);
        assert_int_equal(kith_node_open(&node, &world.loop, &options, &info), table[i].code);
        assert_int_equal(info.code, table[i].code);
        assert_null(node);
        if (strstr(info.message, table[i].message) == NULL) {
            fail_msg("'%s' is not in '%s'", table[i].message, info.message);
        }
        assert_int_equal(info.column > 0,
                         table[i].code == KITH_ESYNTAX && table[i].spoil != spoil_capabilities);
    }
    world_deinit(&world);
}

/* A port in use fails after handles were made: what is half open closes by itself. */
static void test_port_in_use(void **state) {
    struct world world;
    struct kith_options options;
    struct kith_error_info info = {0};
    struct kith_node *node;
    world_init(&world);
    open_swarm(&world, 1);
    const char *listen[] = {strchr(world.members[0].contact, '@') + 1};
    default_options(&options, NULL);
    options.on_event = NULL;
    options.on_log = NULL;
    options.listen = listen;
    assert_int_equal(kith_node_open(&node, &world.loop, &options, &info), KITH_ELOCKED);
    assert_non_null(strstr(info.message, listen[0]));
    world_deinit(&world);
}

/* A node that was opened without anybody joins through a seed given later. */
static void test_set_seeds(void **state) {
    struct world world;
    struct kith_error_info info = {0};
    const char *bad[] = {"127.0.0.1:1", "no-port-here"};
    world_init(&world);
    open_swarm(&world, 1);
    struct member *late = add_member(&world);
    struct kith_options options;
    default_options(&options, late);
    open_member(late, &options);
    assert_int_equal(kith_node_set_seeds(late->node, bad, 2, &info), KITH_ESYNTAX);
    assert_non_null(strstr(info.message, "seed 'no-port-here'"));
    assert_int_equal(kith_node_set_seeds(late->node, NULL, 2, &info), KITH_EINVALID);
    const char *seeds[] = {"127.0.0.1:1", world.members[0].contact, world.members[0].contact};
    assert_int_equal(kith_node_set_seeds(late->node, seeds, 3, &info), 0);
    WAIT(&world, late->is_ready);
    assert_int_equal(kith_node_set_seeds(late->node, seeds, 1, NULL), 0);
    assert_int_equal(kith_node_set_seeds(late->node, NULL, 0, NULL), 0);
    world_deinit(&world);
}

static void test_unresolved_peer_is_named(void **state) {
    struct world world;
    struct kith_options options;
    const char *peers[] = {"nobody.invalid:7700"};
    world_init(&world);
    struct member *member = add_member(&world);
    default_options(&options, member);
    options.peers = peers;
    options.n_peers = 1;
    open_member(member, &options);
    WAIT(&world, member->warning[0] != '\0');
    assert_non_null(strstr(member->warning, "peer 'nobody.invalid:7700'"));
    assert_non_null(strstr(member->warning, "trying again"));
    world_deinit(&world);
}

/* ---- disk ---- */

static int count_own(const struct kith_record_info *info, void *user) {
    *(unsigned *)user += info->own && info->salt_size == 4;
    return 0;
}

static void test_reopen(void **state) {
    struct world world;
    struct kith_options options;
    struct kith_key key;
    world_init(&world);
    open_swarm(&world, 3);
    for (unsigned round = 0; round < 2; round++) {
        struct member *member = add_member(&world);
        const char *peers[] = {world.members[0].contact};
        default_options(&options, member);
        options.peers = peers;
        options.n_peers = round == 0; /* the second time it knows its contacts */
        options.data_dir = world.dir;
        open_member(member, &options);
        WAIT(&world, member->is_ready);
        if (round == 0) {
            key = member->key;
            assert_int_equal(put(&world, world.n_members - 1, "kept", "a value"), 0);
        }
        unsigned n = 0;
        (void)kith_node_each_record(member->node, count_own, &n);
        assert_int_equal(n, 1);
        assert_memory_equal(&member->key, &key, sizeof(key));

        struct kith_node *second = NULL;
        struct kith_error_info info = {0};
        assert_int_equal(kith_node_open(&second, &world.loop, &options, &info), KITH_ELOCKED);
        close_member(&world, member);
    }
    world_deinit(&world);
}

static void test_bad_arguments(void **state) {
    struct world world;
    uint8_t large[KITH_VALUE_MAX + 1] = {0};
    world_init(&world);
    open_swarm(&world, 1);
    struct kith_node *node = world.members[0].node;
    struct kith_query query = {0};
    assert_int_equal(kith_start(node, NULL, NULL, NULL, NULL), KITH_EINVALID);
    assert_int_equal(kith_start(node, &query, NULL, NULL, NULL), KITH_EINVALID);
    assert_int_equal(kith_lookup(node, NULL, NULL, NULL, NULL), KITH_EINVALID);
    assert_int_equal(kith_put(node, NULL, 0, large, sizeof(large), NULL, NULL, NULL),
                     KITH_ETOO_LARGE);
    assert_int_equal(kith_put(node, large, KITH_SALT_MAX + 1, "x", 1, NULL, NULL, NULL),
                     KITH_ETOO_LARGE);
    assert_int_equal(kith_talk(node, &world.members[0].key, NULL, "x", 1, NULL, NULL, NULL),
                     KITH_EINVALID);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_lookup_at_once),
        cmocka_unit_test(test_put_get),
        cmocka_unit_test(test_announce_find),
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_talk),
        cmocka_unit_test(test_watch_and_cancel),
        cmocka_unit_test(test_close_cancels),
        cmocka_unit_test(test_close_in_callback),
        cmocka_unit_test(test_close_in_event),
        cmocka_unit_test(test_peer_events),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_set_seeds),
        cmocka_unit_test(test_unresolved_peer_is_named),
        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_bad_arguments),
    };
    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
