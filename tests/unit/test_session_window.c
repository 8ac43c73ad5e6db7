/* SPDX-License-Identifier: MIT */
/* The replay window against a model that remembers every counter. */
#include "session_pair.h"

enum { MODEL = 60000 };

struct model {
    bool seen[MODEL];
    uint64_t next;
};

static void check_one(struct session *session, struct model *m, uint64_t counter) {
    bool expected =
        counter >= m->next || (m->next - 1 - counter < SESSION_WINDOW && !m->seen[counter]);

    assert_int_equal(session_window_fresh(session, counter), expected);
    if (!expected) {
        return;
    }
    session_window_mark(session, counter);
    m->seen[counter] = true;
    m->next = counter >= m->next ? counter + 1 : m->next;
    assert_false(session_window_fresh(session, counter));
}

/* Most sessions: nothing but the 64 bits inside the session. */
static void in_order_needs_no_memory(void **state) {
    struct session session = {.received.recent = UINT64_MAX};
    static struct model m;

    memset(&m, 0, sizeof(m));
    for (uint64_t i = 0; i < 5000; i += 2) {
        check_one(&session, &m, i + 1); /* pairs swapped on the way */
        check_one(&session, &m, i);
        check_one(&session, &m, i);
    }
    assert_false(session.has_window);
}

static void random_order_agrees_with_the_model(void **state) {
    static const uint64_t spreads[] = {1, 5, 63, 64, 65, 200, 2047, 2048, 2049, 4000};

    for (size_t k = 0; k < sizeof(spreads) / sizeof(spreads[0]); k++) {
        struct session session = {.received.recent = UINT64_MAX};
        static struct model m;
        uint64_t storage[4];
        struct kith_random random = kith_test_random(storage, k);
        memset(&m, 0, sizeof(m));
        for (unsigned i = 0; i < 20000; i++) {
            uint64_t low = m.next > spreads[k] ? m.next - spreads[k] : 0;
            uint64_t counter = low + kith_random_below(&random, spreads[k] + 3);
            if (counter < MODEL) {
                check_one(&session, &m, counter);
            }
        }
        session_window_free(&session);
    }
}

/* Jumps over more than the whole bitmap. */
static void jumps(void **state) {
    static const uint64_t counters[] = {0,     64,   65,   63,   1,     2112,  2111, 64,
                                        10000, 7953, 7952, 7951, 10000, 12048, 9999, 10001};
    struct session session = {.received.recent = UINT64_MAX};
    static struct model m;

    memset(&m, 0, sizeof(m));
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        check_one(&session, &m, counters[i]);
    }
    session_window_free(&session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_needs_no_memory),
        cmocka_unit_test(random_order_agrees_with_the_model),
        cmocka_unit_test(jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
