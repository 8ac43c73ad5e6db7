/* SPDX-License-Identifier: MIT */
/*
 * The n-th allocation of the library fails, for n = 1, 2, 3, ... until none does, alone or with all
 * that follow: opening says so in words, every op that began ends once, whatever was opened closes,
 * nothing crashes and nothing leaks (the sanitizers watch), and with memory back all goes on as if
 * nothing had been.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <msgpack.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "nomem.h"
#include "shell/control_server.h"
#include "world.h"

/* Runs it with every n. `scenario` returns with memory back, and whether an allocation failed. */
static void each_failure(bool (*scenario)(long n, bool lasting)) {
    for (int i = 0; i < 2; i++) {
        long n = 1;
        while (scenario(n, i == 1)) {
            n++;
        }
        assert_true(n > 8);
    }
}

/* Runs the loop for as long as there is something to do at once. */
static void turn(struct world *world, unsigned n) {
    while (n-- > 0) {
        uv_run(&world->loop, UV_RUN_NOWAIT);
    }
}

/* ---- opening and closing ---- */

static void rich_options(struct kith_options *options, struct member *member) {
    static const char *const peers[] = {"127.0.0.1:9", "127.0.0.1:10"};
    static const char *const seeds[] = {"127.0.0.1:11"};
    static const char *const bootstrap[] = {"127.0.0.1:12"};
    static const uint8_t capabilities[] = {0x81, 0xa1, 'a', 0x01};
    default_options(options, member);
    options->peers = peers;
    options->n_peers = 2;
    options->seeds = seeds;
    options->n_seeds = 1;
    options->mainline = true;
    options->mainline_bootstrap = bootstrap;
    options->n_mainline_bootstrap = 1;
    options->capabilities = capabilities;
    options->capabilities_size = sizeof(capabilities);
    options->lan = false;
}

/* Opens, lives for a moment and closes. Returns what opening did. */
static int live(struct world *world, struct member *member, const struct kith_options *options) {
    static const char *const seeds[] = {"127.0.0.1:13", "127.0.0.1:11"};
    struct kith_error_info info = {0};
    int r = kith_node_open(&member->node, &world->loop, options, &info);
    if (r != 0) {
        assert_true(info.code == r && info.message[0] != '\0');
        assert_null(member->node);
        turn(world, 4);
        return r;
    }
    turn(world, 4);
    int set = kith_node_set_seeds(member->node, seeds, 2, &info);
    assert_true(set == 0 || set == KITH_ENOMEM);
    turn(world, 4);
    close_member(world, member);
    return 0;
}

static bool open_and_close(bool on_disk, long n, bool lasting) {
    struct world world;
    struct kith_options options;
    struct kith_status before;
    struct kith_status after;
    world_init(&world);
    struct member *member = add_member(&world);
    rich_options(&options, member);
    options.data_dir = on_disk ? world.dir : NULL;
    nomem_begin(n, lasting);
    int r = live(&world, member, &options);
    bool failed = nomem_end();
    assert_true(failed || r == 0);
    /* The same once more, and it is the same node if it ever was one. */
    for (int i = 0; i < 2; i++) {
        member = add_member(&world);
        options.user = member;
        assert_int_equal(kith_node_open(&member->node, &world.loop, &options, NULL), 0);
        kith_node_status(member->node, i == 0 ? &before : &after);
        close_member(&world, member);
    }
    assert_true(!on_disk || memcmp(&before.key, &after.key, sizeof(after.key)) == 0);
    world_deinit(&world);
    return failed;
}

static bool open_in_memory(long n, bool lasting) {
    return open_and_close(false, n, lasting);
}

static bool open_on_disk(long n, bool lasting) {
    return open_and_close(true, n, lasting);
}

static bool make_identity(long n, bool lasting) {
    struct world world;
    char path[128];
    struct kith_key made;
    struct kith_key loaded;
    uint8_t seed[KITH_SEED_SIZE];
    struct kith_error_info info = {0};
    world_init(&world);
    snprintf(path, sizeof(path), "%s/identity.key", world.dir);
    nomem_begin(n, lasting);
    int r = kith_identity_create(path, &made, &info);
    bool failed = nomem_end();
    assert_true(r == 0 ? !failed : r == KITH_ENOMEM && info.message[0] != '\0');
    if (r == 0) {
        assert_int_equal(kith_identity_load(path, seed, &loaded, &info), 0);
        assert_memory_equal(&made, &loaded, sizeof(made));
    }
    world_deinit(&world);
    return failed;
}

/* ---- ops ---- */

enum { STARTED_MAX = 8, TIMEOUT_MS = 100 };

static struct answer answers[STARTED_MAX];
static uint64_t ops[STARTED_MAX];
static unsigned n_started;

static void start(struct kith_node *node, struct kith_query query) {
    query.timeout_ns = TIMEOUT_MS * UINT64_C(1000000);
    memset(&answers[n_started], 0, sizeof(answers[0]));
    int r = kith_start(node, &query, on_result, &answers[n_started], &ops[n_started]);
    assert_true(r == 0 || r == KITH_ENOMEM);
    n_started += r == 0;
}

static bool all_done(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < n_started; i++) {
        n += answers[i].n_done;
    }
    return n == n_started;
}

static void start_all(struct world *world) {
    static const uint8_t value[] = "5:hello";
    struct kith_node *node = world->members[0].node;
    struct kith_key other = world->members[1].key;
    n_started = 0;
    start(node, (struct kith_query){.kind = KITH_QUERY_PUT, .value = value, .value_size = 7});
    start(node, (struct kith_query){.kind = KITH_QUERY_PUT,
                                    .flags = KITH_FLAG_IMMUTABLE,
                                    .value = value,
                                    .value_size = 7});
    start(node,
          (struct kith_query){.kind = KITH_QUERY_LOOKUP, .flags = KITH_FLAG_HAS_KEY, .key = other});
    start(node,
          (struct kith_query){.kind = KITH_QUERY_GET, .flags = KITH_FLAG_HAS_KEY, .key = other});
    start(node, (struct kith_query){
                    .kind = KITH_QUERY_PING, .flags = KITH_FLAG_HAS_KEY, .key = other, .n = 1});
    start(node, (struct kith_query){.kind = KITH_QUERY_TALK,
                                    .flags = KITH_FLAG_HAS_KEY,
                                    .key = other,
                                    .protocol = "none",
                                    .value = value,
                                    .value_size = 7});
    start(node,
          (struct kith_query){.kind = KITH_QUERY_WATCH, .flags = KITH_FLAG_HAS_KEY, .key = other});
    if (n_started > 0) {
        kith_cancel(node, ops[n_started - 1]); /* no other ends by itself in any case */
    }
}

static bool run_ops(long n, bool lasting) {
    static struct world world;
    static bool is_open;
    struct kith_options options;
    if (!is_open) {
        world_init(&world);
        struct member *first = add_member(&world);
        default_options(&options, first);
        options.data_dir = world.dir;
        open_member(first, &options);
        struct member *second = add_member(&world);
        const char *peers[] = {first->contact};
        default_options(&options, second);
        options.peers = peers;
        options.n_peers = 1;
        open_member(second, &options);
        WAIT(&world, first->is_ready && second->is_ready);
        is_open = true;
    }
    nomem_begin(n, lasting);
    start_all(&world);
    WAIT(&world, all_done());
    bool failed = nomem_end();
    assert_int_equal(put(&world, 0, "after", "memory is back"), 0);
    if (!failed && lasting) { /* that was the last */
        world_deinit(&world);
        is_open = false;
    }
    return failed;
}

/* ---- the control socket ---- */

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* [0, id, method, {name: text}] */
static void request(msgpack_sbuffer *out, int id, const char *method, const char *name,
                    const char *text) {
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 0);
    msgpack_pack_int(&packer, id);
    msgpack_pack_str_with_body(&packer, method, strlen(method));
    msgpack_pack_map(&packer, name != NULL);
    if (name != NULL) {
        msgpack_pack_str_with_body(&packer, name, strlen(name));
        msgpack_pack_str_with_body(&packer, text, strlen(text));
    }
}

static void ask_control(struct world *world, const char *path) {
    static const char key[] = "0707070707070707070707070707070707070707070707070707070707070707";
    static const char *const lists[] = {"status", "stats", "peers", "records", "book", "bans"};
    msgpack_sbuffer out;
    char answer[4096];
    int fd = connect_to(path);
    msgpack_sbuffer_init(&out);
    for (int i = 0; i < 6; i++) {
        request(&out, i, lists[i], NULL, NULL);
    }
    request(&out, 6, "put", "value", "1:x");
    request(&out, 7, "lookup", "key", key);
    request(&out, 8, "events", NULL, NULL);
    request(&out, 9, "ban", "prefix", "192.0.2.0/24");
    request(&out, 10, "add", "peer", "192.0.2.1:7700");
    if (out.data != NULL) {
        (void)!write(fd, out.data, out.size);
    }
    msgpack_sbuffer_destroy(&out);
    turn(world, 8);
    while (read(fd, answer, sizeof(answer)) > 0) {
        turn(world, 2);
    }
    close(fd);
    turn(world, 8);
}

static bool run_control(long n, bool lasting) {
    struct world world;
    struct kith_options options;
    struct kith_control_server *server = NULL;
    struct kith_error_info info = {0};
    char path[128];
    world_init(&world);
    struct member *member = add_member(&world);
    default_options(&options, member);
    open_member(member, &options);
    snprintf(path, sizeof(path), "%s/control", world.dir);
    nomem_begin(n, lasting);
    int r = kith_control_server_open(&server, &world.loop, member->node, path, &info);
    assert_true(r == 0 || (r == KITH_ENOMEM && info.message[0] != '\0'));
    if (r == 0) {
        ask_control(&world, path);
    }
    bool failed = nomem_end();
    if (r == 0) { /* who comes now is served */
        int fd = connect_to(path);
        msgpack_sbuffer out;
        char answer[64];
        msgpack_sbuffer_init(&out);
        request(&out, 1, "version", NULL, NULL);
        assert_int_equal(write(fd, out.data, out.size), out.size);
        msgpack_sbuffer_destroy(&out);
        turn(&world, 8);
        assert_true(read(fd, answer, sizeof(answer)) > 0);
        close(fd);
        kith_control_server_close(server);
    }
    world_deinit(&world);
    return failed;
}

/* ---- cases ---- */

static void test_open_in_memory(void **state) {
    (void)state;
    each_failure(open_in_memory);
}

static void test_open_on_disk(void **state) {
    (void)state;
    each_failure(open_on_disk);
}

static void test_identity(void **state) {
    (void)state;
    bool failed = true;
    for (long n = 1; failed; n++) {
        failed = make_identity(n, false);
    }
}

static void test_ops(void **state) {
    (void)state;
    each_failure(run_ops);
}

static void test_control(void **state) {
    (void)state;
    each_failure(run_control);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_in_memory), cmocka_unit_test(test_open_on_disk),
        cmocka_unit_test(test_identity),       cmocka_unit_test(test_ops),
        cmocka_unit_test(test_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
