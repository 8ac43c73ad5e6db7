/* SPDX-License-Identifier: MIT */
/* The table of numbered things: equal hashes newest first, also across growth; removal; shrinking.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/chains.h"

enum { N_ITEMS = 500, N_HASHES = 50 };

struct items {
    uint32_t links[N_ITEMS];
};

static uint32_t *link_of(const void *owner, uint32_t number) {
    return (uint32_t *)&((const struct items *)owner)->links[number];
}

/* Spread over the chains, with hashes that differ only in their high bits among them. */
static uint64_t hash_of(const void *owner, uint32_t number) {
    return (uint64_t)(number % N_HASHES) << (number % 2 == 0 ? 0 : 32);
}

static const struct kith_chains_access access = {link_of, hash_of};

static void fill(struct kith_chains *chains, struct items *items) {
    *chains = (struct kith_chains){.n = 0};
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        assert_int_equal(kith_chains_insert(chains, &access, items, i), 0);
    }
    assert_int_equal(chains->n, N_ITEMS);
}

/* The first from `number` on in its chain that has this hash. */
static uint32_t match(const struct items *items, uint32_t number, uint64_t hash) {
    while (number != KITH_CHAINS_NONE && hash_of(items, number) != hash) {
        number = items->links[number];
    }
    return number;
}

static void empty_table_finds_nothing(void **state) {
    struct kith_chains chains = {.n = 0};

    assert_int_equal(kith_chains_first(&chains, 0), KITH_CHAINS_NONE);
    kith_chains_deinit(&chains);
}

/* Growth happened several times on the way; each chain was split and must have kept its order. */
static void equal_hashes_come_newest_first(void **state) {
    struct kith_chains chains;
    struct items items;

    fill(&chains, &items);
    assert_true(chains.n_chains >= N_ITEMS);
    for (uint32_t h = 0; h < N_HASHES; h++) {
        uint64_t hash = hash_of(&items, h);
        uint32_t number = kith_chains_first(&chains, hash);
        for (uint32_t expected = N_ITEMS - N_HASHES + h;; expected -= N_HASHES) {
            if (hash_of(&items, expected) == hash) {
                number = match(&items, number, hash);
                assert_int_equal(number, expected);
                number = items.links[number];
            }
            if (expected < N_HASHES) {
                break;
            }
        }
        assert_int_equal(match(&items, number, hash), KITH_CHAINS_NONE);
    }
    kith_chains_deinit(&chains);
}

/* Each is gone when it was removed and not before, while the table becomes smaller. */
static void what_was_removed_is_gone(void **state) {
    struct kith_chains chains;
    struct items items;

    fill(&chains, &items);
    uint32_t most = chains.n_chains;
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        uint32_t number = (i * 7) % N_ITEMS;
        kith_chains_remove(&chains, &access, &items, number);
        for (uint32_t j = 0; j < N_ITEMS; j++) {
            uint32_t other = (j * 7) % N_ITEMS;
            uint32_t found = kith_chains_first(&chains, hash_of(&items, other));
            while (found != KITH_CHAINS_NONE && found != other) {
                found = items.links[found];
            }
            assert_int_equal(found, j <= i ? KITH_CHAINS_NONE : other);
        }
    }
    assert_int_equal(chains.n, 0);
    assert_true(chains.n_chains <= most / 16);
    kith_chains_deinit(&chains);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_table_finds_nothing),
        cmocka_unit_test(equal_hashes_come_newest_first),
        cmocka_unit_test(what_was_removed_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
