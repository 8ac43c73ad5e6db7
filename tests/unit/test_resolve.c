/* SPDX-License-Identifier: MIT */
/* resolve: addresses, the hosts file's "localhost", and names that fail without a question to any
 * server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netdb.h>
#include <string.h>

#include "core/base/endpoint.h"
#include "shell/resolve.h"
#include "testing.h"

struct answer {
    unsigned n_calls;
    int status;
    size_t n;
    struct kith_contact contacts[KITH_RESOLVE_CONTACTS_MAX];
};

static void on_answer(void *user, int status, const struct kith_contact *contacts, size_t n) {
    struct answer *answer = user;

    answer->n_calls++;
    answer->status = status;
    answer->n = n;
    if (n > 0) {
        memcpy(answer->contacts, contacts, n * sizeof(*contacts));
    }
}

static void ask(const char *text, struct answer *ret) {
    uv_loop_t loop;
    struct kith_resolve *resolve;

    memset(ret, 0, sizeof(*ret));
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(kith_resolve_start(&resolve, &loop, text, on_answer, ret, NULL), 0);
    assert_int_equal(ret->n_calls, 0); /* never from inside the call */
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(ret->n_calls, 1);
}

static void test_literals(void **state) {
    static const char *const CASES[] = {"192.0.2.7:7700", "[2001:db8::7]:1", "[fe80::1%3]:65535"};
    struct answer answer;

    for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct kith_endpoint expected = kith_test_endpoint(CASES[i]);
        ask(CASES[i], &answer);
        assert_int_equal(answer.status, 0);
        assert_int_equal(answer.n, 1);
        assert_false(answer.contacts[0].has_key);
        assert_true(kith_endpoint_equal(&answer.contacts[0].endpoint, &expected));
    }
}

/* A minimal system has no /etc/hosts, so not even this name. */
static bool knows_localhost(void) {
    struct addrinfo *found = NULL;
    bool known = getaddrinfo("localhost", NULL, NULL, &found) == 0;
    if (known) {
        freeaddrinfo(found);
    }
    return known;
}

/* The key is part of every contact that comes out. */
static void test_key(void **state) {
    struct kith_identity id;
    char text[256];
    char key[KITH_KEY_TEXT_SIZE];
    static const char *const HOSTS[] = {"127.0.0.1", "localhost"};
    struct answer answer;

    kith_test_identity(&id, 7);
    kith_key_format(&id.key, key);
    unsigned n = knows_localhost() ? 2 : 1;
    for (unsigned i = 0; i < n; i++) {
        snprintf(text, sizeof(text), "%s@%s:4000", key, HOSTS[i]);
        ask(text, &answer);
        assert_int_equal(answer.status, 0);
        for (size_t k = 0; k < answer.n; k++) {
            assert_true(answer.contacts[k].has_key);
            assert_memory_equal(&answer.contacts[k].key, &id.key, sizeof(id.key));
            assert_int_equal(answer.contacts[k].endpoint.port, 4000);
        }
    }
}

/* Every address of the name, each once. */
static void test_name(void **state) {
    struct kith_endpoint v4 = kith_test_endpoint("127.0.0.1:7700");
    struct answer answer;
    unsigned n_v4 = 0;

    if (!knows_localhost()) {
        print_message("this machine does not know 'localhost'\n");
        skip();
    }
    ask("localhost:7700", &answer);
    assert_int_equal(answer.status, 0);
    for (size_t i = 0; i < answer.n; i++) {
        n_v4 += kith_endpoint_equal(&answer.contacts[i].endpoint, &v4);
        for (size_t k = 0; k < i; k++) {
            assert_false(
                kith_endpoint_equal(&answer.contacts[i].endpoint, &answer.contacts[k].endpoint));
        }
    }
    assert_int_equal(n_v4, 1);
}

/* A label over 63 bytes cannot be asked for: the resolver itself says no. */
static void test_impossible_name(void **state) {
    char text[128];
    uv_loop_t loop;
    struct kith_resolve *resolve = NULL;
    struct answer answer = {0};
    struct kith_error_info info = {0};

    memset(text, 'a', 80);
    strcpy(text + 80, ".invalid:1");
    assert_int_equal(uv_loop_init(&loop), 0);
    int r = kith_resolve_start(&resolve, &loop, text, on_answer, &answer, &info);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    if (r == 0) {
        assert_int_equal(answer.n_calls, 1);
        assert_true(answer.status < 0);
        assert_int_equal(answer.n, 0);
    } else {
        assert_int_equal(r, KITH_ESYNTAX);
        assert_int_not_equal(info.message[0], 0);
    }
}

static void test_syntax(void **state) {
    static const char *const CASES[] = {"",        "host",       "host:0", "host:70000",
                                        "@host:1", "key@host:1", "::1:5"};
    uv_loop_t loop;

    assert_int_equal(uv_loop_init(&loop), 0);
    for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct kith_resolve *resolve = NULL;
        struct kith_error_info info = {0};
        assert_int_equal(kith_resolve_start(&resolve, &loop, CASES[i], on_answer, NULL, &info),
                         KITH_ESYNTAX);
        assert_null(resolve);
        assert_int_not_equal(info.message[0], 0);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Canceled at once, or after the loop has turned: no call, no leak. */
static void test_cancel(void **state) {
    static const char *const CASES[] = {"127.0.0.1:1", "localhost:1"};
    struct answer answer = {0};
    uv_loop_t loop;

    assert_int_equal(uv_loop_init(&loop), 0);
    kith_resolve_cancel(NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct kith_resolve *resolve;
        for (unsigned k = 0; k < 20; k++) {
            assert_int_equal(
                kith_resolve_start(&resolve, &loop, CASES[i], on_answer, &answer, NULL), 0);
            kith_resolve_cancel(resolve);
        }
    }
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(answer.n_calls, 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals), cmocka_unit_test(test_key),
        cmocka_unit_test(test_name),     cmocka_unit_test(test_impossible_name),
        cmocka_unit_test(test_syntax),   cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
