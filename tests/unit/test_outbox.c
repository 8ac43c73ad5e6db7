/* SPDX-License-Identifier: MIT */
/* The outbox: order, limits, memory, and the amplification rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/wire/outbox.h"
#include "testing.h"

enum { KEEP = 4096, SIZE_MAX_QUEUED = 64 * 1024 };

static const struct kith_allowance QUESTION = {.answer = false};

struct fixture {
    struct kith_outbox outbox;
    struct kith_stats stats;
    struct kith_endpoint to;
    uint8_t bytes[KITH_WIRE_MAX + 1];
};

static void fixture_init(struct fixture *f, size_t keep) {
    memset(f, 0, sizeof(*f));
    kith_outbox_init(&f->outbox, keep, SIZE_MAX_QUEUED, &f->stats);
    f->to = kith_test_endpoint("192.0.2.1:7700");
}

/* Pushes `size` bytes of value `mark`. */
static bool push(struct fixture *f, uint8_t mark, size_t size,
                 const struct kith_allowance *allowance) {
    memset(f->bytes, mark, sizeof(f->bytes));
    return kith_outbox_push(&f->outbox, &f->to, kith_span(f->bytes, size), allowance);
}

static void check_next(struct fixture *f, uint8_t mark, size_t size) {
    struct kith_datagram d;

    assert_true(kith_outbox_next(&f->outbox, &d));
    assert_int_equal(d.size, size);
    memset(f->bytes, mark, sizeof(f->bytes));
    assert_memory_equal(d.bytes, f->bytes, size);
    assert_memory_equal(&d.to, &f->to, sizeof(d.to));
}

static void check_empty(struct fixture *f) {
    struct kith_datagram d;

    assert_false(kith_outbox_next(&f->outbox, &d));
}

static void first_in_first_out(void **state) {
    struct fixture f;

    fixture_init(&f, KEEP);
    check_empty(&f);
    assert_true(push(&f, 1, 1, &QUESTION));
    assert_true(push(&f, 2, KITH_WIRE_MAX, &QUESTION));
    check_next(&f, 1, 1);
    assert_true(push(&f, 3, 100, &QUESTION));
    check_next(&f, 2, KITH_WIRE_MAX);
    check_next(&f, 3, 100);
    check_empty(&f);
    assert_int_equal(f.stats.tx_datagrams, 3);
    assert_int_equal(f.stats.tx_bytes, 1 + KITH_WIRE_MAX + 100);
    kith_outbox_deinit(&f.outbox);
}

struct amplification_case {
    struct kith_allowance allowance;
    size_t size;
    bool sent;
};

static const struct amplification_case AMPLIFICATION[] = {
    {{.answer = true, .question_size = 100}, 100, true},  /* as long as the question */
    {{.answer = true, .question_size = 100}, 101, false}, /* one byte longer */
    {{.answer = true, .question_size = 0}, 1, false},     /* no question, no answer */
    {{.answer = true, .question_size = 9000}, KITH_WIRE_MAX, true},
    {{.answer = true, .question_size = 9000}, KITH_WIRE_MAX + 1, false},
    {{.answer = true, .proven = true, .question_size = 1}, KITH_WIRE_MAX, true},
    {{.answer = false, .question_size = 0}, KITH_WIRE_MAX, true},
};

static void amplification_rule(void **state) {
    uint64_t refused = 0;
    struct fixture f;

    fixture_init(&f, KEEP);
    for (size_t i = 0; i < sizeof(AMPLIFICATION) / sizeof(AMPLIFICATION[0]); i++) {
        const struct amplification_case *c = &AMPLIFICATION[i];
        refused += !c->sent;
        assert_int_equal(push(&f, 7, c->size, &c->allowance), c->sent);
        assert_int_equal(f.stats.drop_amplification, refused);
        if (c->sent) {
            check_next(&f, 7, c->size);
        }
        check_empty(&f);
    }
    assert_int_equal(f.stats.drop_outbox, 0);
    kith_outbox_deinit(&f.outbox);
}

static void what_cannot_be_sent_is_counted(void **state) {
    struct fixture f;

    fixture_init(&f, KEEP);
    assert_false(push(&f, 1, KITH_WIRE_MAX + 1, &QUESTION));
    assert_false(push(&f, 1, 0, &QUESTION));
    f.to = kith_test_endpoint("224.0.0.1:7700");
    assert_false(push(&f, 1, 10, &QUESTION));
    f.to = kith_test_endpoint("192.0.2.1:0");
    assert_false(push(&f, 1, 10, &QUESTION));
    assert_int_equal(f.stats.drop_outbox, 4);
    check_empty(&f);
    kith_outbox_deinit(&f.outbox);
}

/* Full means full, and taking one makes room for one: also when the free part is at the front. */
static void full_queue_refuses(void **state) {
    struct fixture f;
    unsigned n = 0;

    fixture_init(&f, KEEP);
    while (push(&f, (uint8_t)n, 1000, &QUESTION)) {
        n++;
    }
    assert_int_equal(f.stats.drop_outbox, 1);
    assert_true(n > SIZE_MAX_QUEUED / 1100 && n <= SIZE_MAX_QUEUED / 1000);
    assert_true(f.outbox.capacity <= SIZE_MAX_QUEUED);
    for (unsigned i = 0; i < 3 * n; i++) {
        check_next(&f, (uint8_t)i, 1000);
        assert_true(push(&f, (uint8_t)(n + i), 1000, &QUESTION));
        assert_false(push(&f, 0, 1000, &QUESTION));
    }
    assert_true(f.outbox.capacity <= SIZE_MAX_QUEUED);
    for (unsigned i = 3 * n; i < 4 * n; i++) {
        check_next(&f, (uint8_t)i, 1000);
    }
    check_empty(&f);
    kith_outbox_deinit(&f.outbox);
}

static void burst(struct fixture *f, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        assert_true(push(f, (uint8_t)i, 1000, &QUESTION));
    }
    for (unsigned i = 0; i < n; i++) {
        check_next(f, (uint8_t)i, 1000);
    }
    check_empty(f);
}

static void memory_above_keep_is_given_back(void **state) {
    struct fixture f;

    fixture_init(&f, KEEP);
    burst(&f, 30);
    assert_true(f.outbox.capacity > KEEP);
    burst(&f, 1);
    assert_int_equal(f.outbox.capacity, KEEP);
    kith_outbox_deinit(&f.outbox);
}

/* Simulations of many nodes: an idle queue costs nothing. */
static void keep_0_holds_no_memory(void **state) {
    struct fixture f;

    fixture_init(&f, 0);
    burst(&f, 5);
    assert_null(f.outbox.buffer);
    burst(&f, 1);
    assert_null(f.outbox.buffer);
    kith_outbox_deinit(&f.outbox);
}

/* Steady traffic within `keep` reuses one buffer. */
static void no_allocation_once_grown(void **state) {
    struct fixture f;
    const uint8_t *buffer;

    fixture_init(&f, KEEP);
    burst(&f, 3);
    buffer = f.outbox.buffer;
    for (unsigned i = 0; i < 100; i++) {
        burst(&f, 1 + i % 3);
        assert_ptr_equal(f.outbox.buffer, buffer);
    }
    kith_outbox_deinit(&f.outbox);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(amplification_rule),
        cmocka_unit_test(what_cannot_be_sent_is_counted),
        cmocka_unit_test(full_queue_refuses),
        cmocka_unit_test(memory_above_keep_is_given_back),
        cmocka_unit_test(keep_0_holds_no_memory),
        cmocka_unit_test(no_allocation_once_grown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
