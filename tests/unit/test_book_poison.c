/* SPDX-License-Identifier: MIT */
/*
 * book under attack: 100,000 fake peers through exchange, from one address and from 64 addresses in
 * eight /24s, against a book that knows 2,000 honest peers and 20,000 honest hints. What the
 * geometry allows is computed here, not measured: one source group reaches 64 of the 1,024 buckets
 * of new, so g groups hold at most g * 64 * 64 of 65,536 slots, 6.25 % each. Tried is not for sale.
 */
#include "book_testing.h"

#include "core/base/id.h"

enum {
    N_HONEST_TRIED = 2000,
    N_HONEST_NEW = 20000,
    N_FAKE = 100000,
    SLOTS_PER_GROUP = 64 * KITH_BOOK_SLOTS,
    SLOTS_NEW = KITH_BOOK_BUCKETS_NEW * KITH_BOOK_SLOTS,
};

static struct kith_contact honest(uint32_t i) {
    return contact_ip(1 + i, 0x14000001 + i * 0x3511 % 0x50000000, 7700);
}

/* Attackers' addresses: /24s far apart, so that each is a group; the worst case for the book. */
static struct kith_contact attacker(uint32_t i) {
    return contact_ip(900000 + i, 0xc0000201 + (i % 8 << 20) + i / 8, 7700);
}

static void settle(struct fixture *f) {
    start(f, 0, 0, 0);
    for (uint32_t i = 0; i < N_HONEST_TRIED; i++) {
        struct kith_contact source = honest(i * 7 % N_HONEST_TRIED);
        (void)hint(f, honest(i), KITH_BOOK_PEX, &source);
        (void)good(f, honest(i));
    }
    for (uint32_t i = 0; i < N_HONEST_NEW; i++) {
        struct kith_contact source = honest(i % N_HONEST_TRIED);
        (void)hint(f, honest(N_HONEST_TRIED + i), KITH_BOOK_PEX, &source);
    }
    check(f);
}

struct census {
    uint32_t tried_honest;
    uint32_t tried_fake;
    uint32_t new_honest;
    uint32_t new_fake;
};

static int census_take(const struct kith_book_entry *e, void *user) {
    struct census *c = user;
    uint64_t n = 0;

    for (unsigned i = 8; i-- > 0;) {
        n = n << 8 | e->contact.key.bytes[1 + i];
    }
    bool fake = n >= 900000;
    c->tried_honest += e->table == KITH_BOOK_TRIED && !fake;
    c->tried_fake += e->table == KITH_BOOK_TRIED && fake;
    c->new_honest += e->table == KITH_BOOK_NEW && !fake;
    c->new_fake += e->table == KITH_BOOK_NEW && fake;
    return 0;
}

static struct census census(const struct fixture *f) {
    struct census c = {0};

    assert_int_equal(kith_book_each(f->book, census_take, &c), 0);
    return c;
}

static void poison(struct fixture *f, uint32_t n_attackers) {
    for (uint32_t i = 0; i < N_FAKE; i++) {
        struct kith_contact source = attacker(i % n_attackers);
        uint32_t ip = 0x20000001 + (uint32_t)kith_random_below(&f->random, 0x60000000);
        (void)hint(f, contact_ip(1000000 + i, ip, 7700), KITH_BOOK_PEX, &source);
    }
    check(f);
}

static void attack(uint32_t n_attackers, uint32_t n_groups) {
    struct fixture f;
    settle(&f);
    struct census before = census(&f);
    poison(&f, n_attackers);
    struct census after = census(&f);
    /* the attackers answer too: each of their addresses may be tried, nobody leaves for them */
    for (uint32_t i = 0; i < n_attackers; i++) {
        (void)good(&f, attacker(i));
    }
    struct census answered = census(&f);
    print_message(
        "%u addresses in %u groups: fake new %u of %u slots (%.2f %%), %.1f %% of entries; "
        "tried displaced %u\n",
        n_attackers, n_groups, after.new_fake, SLOTS_NEW, 100.0 * after.new_fake / SLOTS_NEW,
        100.0 * after.new_fake / (after.new_fake + after.new_honest),
        before.tried_honest - answered.tried_honest);
    assert_int_equal(after.tried_honest, before.tried_honest);
    assert_int_equal(after.tried_fake, 0);
    assert_int_equal(after.new_honest, before.new_honest); /* nor does a hint displace a hint */
    assert_true(after.new_fake > 0);
    assert_true(after.new_fake <= n_groups * SLOTS_PER_GROUP);
    assert_int_equal(answered.tried_honest, before.tried_honest);
    assert_true(answered.tried_fake <= n_attackers);
    /* who is chosen: bucket first, so a full share of buckets is a share of choices at most */
    f.wall += HOUR;
    unsigned n_fake = 0;
    for (unsigned i = 0; i < 10000; i++) {
        const struct kith_book_entry *e = kith_book_select(f.book, f.wall);
        struct census c = {0};
        census_take(e, &c);
        n_fake += c.tried_fake + c.new_fake;
    }
    assert_true(n_fake < 10000 * 20 / 100); /* of the 15 % that go to new, and what answered */
    end(&f);
}

static void test_one_address(void **state) {
    attack(1, 1); /* 4,096 of 65,536 slots of new: 6.25 % */
}

static void test_64_addresses(void **state) {
    attack(64, 8); /* 32,768 of 65,536 slots at most: 50 % */
}

/* One endpoint with endless keys is worth one bucket's share at most, and one place in tried. */
static void test_endless_keys(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct kith_contact c = contact_ip(900000 + i, 0xc0000201, 7700);
        (void)hint(&f, c, KITH_BOOK_PEX, &c);
        (void)good(&f, c);
    }
    assert_int_equal(counts(&f).n_tried, 1);
    assert_true(counts(&f).n_new < KITH_BOOK_PER_ENDPOINT);
    end(&f);
}

/* One host with endless ports: one bucket of tried. */
static void test_endless_ports(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    for (uint16_t i = 0; i < 5000; i++) {
        (void)good(&f, contact_ip(900000 + i, 0xc0000201, 1000 + i));
    }
    assert_true(counts(&f).n_tried <= KITH_BOOK_SLOTS);
    assert_true(counts(&f).n_new <= KITH_BOOK_SLOTS);
    end(&f);
}

/* One /16 reaches 8 of the 256 buckets of tried. */
static void test_one_group(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    for (uint32_t i = 0; i < 20000; i++) {
        (void)good(&f, contact_ip(900000 + i, 0xc0000000 + i, 7700));
    }
    assert_true(counts(&f).n_tried <= 8 * KITH_BOOK_SLOTS);
    assert_true(counts(&f).n_tried > 4 * KITH_BOOK_SLOTS);
    end(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_address),  cmocka_unit_test(test_64_addresses),
        cmocka_unit_test(test_endless_keys), cmocka_unit_test(test_endless_ports),
        cmocka_unit_test(test_one_group),
    };
    return cmocka_run_group_tests_name("book_poison", tests, NULL, NULL);
}
