/* SPDX-License-Identifier: MIT */
/*
 * book: hints, answers, tests before eviction, moves, roles, bans, health and choice, case by case,
 * and random sequences with every invariant checked at each step.
 */
#include "book_testing.h"

#include "core/base/id.h"

static const char SOURCE[] = "198.51.100.1:7700";

static void test_hint_refusals(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    struct kith_contact far = contact(90, SOURCE);
    struct kith_contact near = contact(91, "192.168.1.9:7700");
    struct kith_endpoint own = kith_test_endpoint("203.0.113.5:7700");
    kith_book_set_own(f.book, &own, 1);
    struct kith_contact us = contact(1, "203.0.113.6:7700");
    us.key = f.config.own_key;
    const struct {
        struct kith_contact contact;
        enum kith_book_origin origin;
        const struct kith_contact *source;
        int result;
    } cases[] = {
        {contact(1, "203.0.113.9:7700"), KITH_BOOK_PEX, &far, KITH_BOOK_ADDED},
        {contact(1, "203.0.113.9:7700"), KITH_BOOK_PEX, &far, KITH_BOOK_UPDATED},
        {contact(2, "203.0.113.5:7700"), KITH_BOOK_PEX, &far, KITH_BOOK_REFUSED_OWN},
        {us, KITH_BOOK_PEX, &far, KITH_BOOK_REFUSED_OWN},
        {contact(3, "203.0.113.9:0"), KITH_BOOK_CONFIG, NULL, KITH_BOOK_REFUSED_ADDRESS},
        {contact(3, "224.0.0.1:5"), KITH_BOOK_PEX, &far, KITH_BOOK_REFUSED_ADDRESS},
        /* private and loopback addresses from a public peer */
        {contact(4, "192.168.1.7:7700"), KITH_BOOK_PEX, &far, KITH_BOOK_REFUSED_SCOPE},
        {contact(4, "127.0.0.1:7700"), KITH_BOOK_PEX, &far, KITH_BOOK_REFUSED_SCOPE},
        {contact(4, "127.0.0.1:7700"), KITH_BOOK_PEX, &near, KITH_BOOK_REFUSED_SCOPE},
        {contact(4, "192.168.1.7:7700"), KITH_BOOK_PEX, &near, KITH_BOOK_ADDED},
        {contact(5, "192.168.1.8:7700"), KITH_BOOK_LAN, NULL, KITH_BOOK_ADDED},
        {contact(6, "127.0.0.1:7700"), KITH_BOOK_CONFIG, NULL, KITH_BOOK_ADDED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(hint(&f, cases[i].contact, cases[i].origin, cases[i].source),
                         cases[i].result);
        check(&f);
    }
    assert_int_equal(counts(&f).refused, 7);
    end(&f);
}

/* A hint never moves, promotes or freshens beyond what its source may claim. */
static void test_hint_stamps(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    struct kith_contact far = contact(90, SOURCE);
    struct kith_book_hint h = {.contact = contact(1, "203.0.113.9:7700"),
                               .source = {KITH_BOOK_PEX, far},
                               .seen_us = START + 400 * DAY};
    assert_int_equal(kith_book_add(f.book, &h, f.wall), KITH_BOOK_ADDED);
    const struct kith_book_entry *e = entry(&f, h.contact);
    assert_int_equal(e->seen_s, START / SECOND - 5 * 86400 - 7200); /* made up: five days old */
    h.seen_us = START + 5 * SECOND;                                 /* another clock */
    assert_int_equal(kith_book_add(f.book, &h, f.wall), KITH_BOOK_UPDATED);
    assert_int_equal(e->seen_s, START / SECOND - 7200);
    assert_int_equal(e->table, KITH_BOOK_NEW);
    assert_int_equal(e->success_s, 0);
    end(&f);
}

static void test_answers(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    struct kith_contact a = contact(1, "203.0.113.9:7700");
    struct kith_contact keyless = contact(0, "203.0.113.9:7700");
    assert_int_equal(hint(&f, keyless, KITH_BOOK_CONFIG, NULL), KITH_BOOK_ADDED);
    assert_int_equal(good(&f, keyless), KITH_EINVALID);
    assert_int_equal(good(&f, a), KITH_BOOK_PROMOTED);
    assert_null(entry(&f, keyless)); /* it was the same */
    assert_int_equal(entry(&f, a)->table, KITH_BOOK_TRIED);
    assert_int_equal(good(&f, a), KITH_BOOK_UPDATED);
    assert_int_equal(hint(&f, keyless, KITH_BOOK_PEX, &a), KITH_BOOK_UPDATED);
    check(&f);
    /* another key answers there: tried has one per endpoint, the former is not lost */
    struct kith_contact b = contact(2, "203.0.113.9:7700");
    assert_int_equal(good(&f, b), KITH_BOOK_PROMOTED);
    assert_int_equal(entry(&f, a)->table, KITH_BOOK_NEW);
    end(&f);
}

static void test_shares(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    /* one key at many endpoints, as in a crafted exchange: eight at most */
    unsigned n = 0;
    for (uint32_t i = 0; i < 100; i++) {
        n += hint(&f, contact_ip(1, 0x01000001 + (i << 16), 1), KITH_BOOK_CONFIG, NULL) ==
             KITH_BOOK_ADDED;
    }
    assert_int_equal(n, KITH_BOOK_PER_KEY);
    /* the one that answers gets in all the same */
    assert_int_equal(good(&f, contact_ip(1, 0x02000001, 1)), KITH_BOOK_PROMOTED);
    check(&f);
    n = 0;
    for (uint64_t i = 0; i < 100; i++) {
        n += hint(&f, contact(100 + i, "203.0.113.9:7700"), KITH_BOOK_CONFIG, NULL) ==
             KITH_BOOK_ADDED;
    }
    assert_int_equal(n, KITH_BOOK_PER_ENDPOINT);
    assert_int_equal(good(&f, contact(99, "203.0.113.9:7700")), KITH_BOOK_PROMOTED);
    end(&f);
}

/* Finds an address whose slot in tried is held by `holder`, in a book with one slot. */
static void collide(struct fixture *f, struct kith_contact *holder, struct kith_contact *newcomer) {
    start(f, 64, 1, 1);
    *holder = contact(1, "203.0.113.9:7700");
    *newcomer = contact(2, "198.51.100.7:7700");
    assert_int_equal(good(f, *holder), KITH_BOOK_PROMOTED);
}

static void test_newcomer_waits(void **state) {
    struct fixture f;
    struct kith_contact a;
    struct kith_contact b;
    collide(&f, &a, &b);
    assert_int_equal(good(&f, b), KITH_BOOK_WAITING); /* the holder has just answered */
    assert_null(kith_book_next_test(f.book, f.wall));
    f.wall += 5 * HOUR;
    assert_int_equal(good(&f, b), KITH_BOOK_TESTING);
    assert_int_equal(good(&f, b), KITH_BOOK_TESTING);
    assert_int_equal(counts(&f).n_tests, 1);
    assert_ptr_equal(kith_book_next_test(f.book, f.wall), entry(&f, a));
    assert_null(kith_book_next_test(f.book, f.wall)); /* under way */
    assert_int_equal(good(&f, a), KITH_BOOK_UPDATED); /* alive */
    assert_int_equal(counts(&f).n_tests, 0);
    assert_int_equal(counts(&f).tests_alive, 1);
    assert_int_equal(entry(&f, a)->table, KITH_BOOK_TRIED);
    assert_int_equal(entry(&f, b)->table, KITH_BOOK_NEW);
    end(&f);
}

static void test_dead_holder_is_demoted(void **state) {
    struct fixture f;
    struct kith_contact a;
    struct kith_contact b;
    collide(&f, &a, &b);
    f.wall += 5 * HOUR;
    assert_int_equal(good(&f, b), KITH_BOOK_TESTING);
    assert_non_null(kith_book_next_test(f.book, f.wall));
    assert_int_equal(failed(&f, a), KITH_BOOK_UPDATED);
    assert_int_equal(entry(&f, a)->table, KITH_BOOK_TRIED); /* once is not enough */
    assert_int_equal(failed(&f, a), KITH_BOOK_UPDATED);     /* nobody answered since: not counted */
    assert_int_equal(entry(&f, a)->attempts, 1);
    f.wall += 61 * SECOND;
    assert_int_equal(good(&f, contact(3, "192.0.2.77:1")), KITH_BOOK_TESTING);
    assert_ptr_equal(kith_book_next_test(f.book, f.wall), entry(&f, a));
    assert_int_equal(failed(&f, a), KITH_BOOK_UPDATED);
    check(&f);
    assert_int_equal(entry(&f, b)->table, KITH_BOOK_TRIED);
    assert_non_null(entry(&f, a)); /* demoted, not lost, and it remembers */
    assert_int_equal(entry(&f, a)->table, KITH_BOOK_NEW);
    assert_int_not_equal(entry(&f, a)->success_s, 0);
    assert_int_equal(counts(&f).demoted, 1);
    assert_int_equal(counts(&f).tests_dead, 1);
    end(&f);
}

static void test_untested_holder_stays(void **state) {
    struct fixture f;
    struct kith_contact a;
    struct kith_contact b;
    collide(&f, &a, &b);
    f.wall += 5 * HOUR;
    assert_int_equal(good(&f, b), KITH_BOOK_TESTING);
    f.wall += HOUR;
    assert_null(kith_book_next_test(f.book, f.wall));
    assert_int_equal(counts(&f).n_tests, 0);
    assert_int_equal(entry(&f, a)->table, KITH_BOOK_TRIED);
    end(&f);
}

static void test_moves(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    struct kith_contact a = contact(1, "203.0.113.9:7700");
    struct kith_contact b = contact(1, "198.51.100.9:7700");
    struct kith_key key = key_of(1);
    struct kith_key stranger = key_of(2);
    assert_int_equal(good(&f, a), KITH_BOOK_PROMOTED);
    assert_int_equal(kith_book_moved(f.book, &stranger, &b.endpoint, 1, 5, f.wall),
                     KITH_BOOK_UNKNOWN);
    assert_int_equal(kith_book_moved(f.book, &key, &a.endpoint, 1, 5, f.wall), KITH_BOOK_UPDATED);
    assert_int_equal(entry(&f, a)->seq, 5);
    /* replayed or reused: refused */
    assert_int_equal(kith_book_moved(f.book, &key, &b.endpoint, 1, 4, f.wall),
                     KITH_BOOK_REFUSED_STALE);
    assert_int_equal(kith_book_moved(f.book, &key, &b.endpoint, 1, 5, f.wall),
                     KITH_BOOK_REFUSED_STALE);
    assert_non_null(entry(&f, a));
    assert_int_equal(kith_book_moved(f.book, &key, &b.endpoint, 1, 6, f.wall), KITH_BOOK_UPDATED);
    check(&f);
    assert_null(entry(&f, a));
    assert_int_equal(entry(&f, b)->table, KITH_BOOK_NEW); /* until it answers there */
    assert_int_equal(entry(&f, b)->seq, 6);
    /* a public peer does not move into our LAN, nor to us */
    struct kith_endpoint lan = kith_test_endpoint("192.168.1.1:53");
    assert_int_equal(kith_book_moved(f.book, &key, &lan, 1, 7, f.wall), KITH_BOOK_REFUSED_TAKEN);
    assert_non_null(entry(&f, b));
    assert_int_equal(good(&f, b), KITH_BOOK_PROMOTED);
    end(&f);
}

static void test_same_key_elsewhere(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    struct kith_contact a = contact(1, "203.0.113.9:7700");
    struct kith_contact lie = contact(1, "198.51.100.9:7700");
    assert_int_equal(good(&f, a), KITH_BOOK_PROMOTED);
    assert_int_equal(hint(&f, lie, KITH_BOOK_PEX, &a), KITH_BOOK_ADDED);
    for (int i = 0; i < 3; i++) {
        f.wall += 2 * 60 * SECOND;
        assert_int_equal(failed(&f, lie), KITH_BOOK_UPDATED);
        assert_int_equal(good(&f, a), KITH_BOOK_UPDATED);
    }
    f.wall += 61 * SECOND;
    assert_true(kith_book_terrible(entry(&f, lie), f.wall));
    assert_false(kith_book_terrible(entry(&f, a), f.wall)); /* the lie does not stain it */
    assert_true(kith_book_health(entry(&f, a), f.wall) > KITH_BOOK_HEALTH_NEUTRAL);
    assert_int_equal(kith_book_clean(f.book, f.wall), 1);
    const struct kith_book_entry *found[KITH_BOOK_PER_KEY];
    assert_int_equal(kith_book_find_key(f.book, &a.key, found, KITH_BOOK_PER_KEY), 1);
    end(&f);
}

/* Without network everything fails, and nothing may be lost for it. */
static void test_offline(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    struct kith_contact a = contact(1, "203.0.113.9:7700");
    struct kith_contact lan = contact(2, "192.168.1.2:7700");
    assert_int_equal(good(&f, a), KITH_BOOK_PROMOTED);
    for (int i = 0; i < 400; i++) {
        f.wall += HOUR;
        assert_int_equal(good(&f, lan) > 0, 1); /* the LAN is another network */
        assert_int_equal(failed(&f, a), KITH_BOOK_UPDATED);
        assert_int_equal(kith_book_clean(f.book, f.wall), 0);
    }
    assert_true(entry(&f, a)->attempts <= 1);
    assert_int_equal(entry(&f, a)->table, KITH_BOOK_TRIED);
    end(&f);
}

static void test_roles(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    struct kith_contact sentry = contact(1, "203.0.113.9:7700");
    struct kith_contact behind = contact(2, "198.51.100.9:7700");
    struct kith_contact other = contact(3, "192.0.2.9:7700");
    struct kith_contact asker = contact(4, "192.0.2.200:7700");
    struct kith_key key = key_of(1);
    const struct kith_book_entry *out[8];
    assert_int_equal(kith_book_set_roles(f.book, &key, KITH_BOOK_PRIVATE, f.wall), 0);
    assert_int_equal(good(&f, sentry), KITH_BOOK_UPDATED);
    assert_int_equal(entry(&f, sentry)->table, KITH_BOOK_PINNED);
    assert_int_equal(hint(&f, behind, KITH_BOOK_PEX, &sentry), KITH_BOOK_ADDED);
    assert_int_equal(good(&f, behind), KITH_BOOK_PROMOTED);
    assert_int_equal(good(&f, other), KITH_BOOK_PROMOTED);
    assert_int_equal(kith_book_sample(f.book, &asker, out, 8, f.wall), 1);
    assert_ptr_equal(out[0], entry(&f, other));
    check(&f);
    /* one who becomes private later takes what it said with it */
    assert_int_equal(hint(&f, contact(5, "192.0.2.55:1"), KITH_BOOK_PEX, &other), KITH_BOOK_ADDED);
    assert_false(entry(&f, contact(5, "192.0.2.55:1"))->hidden);
    key = key_of(3);
    assert_int_equal(kith_book_set_roles(f.book, &key, KITH_BOOK_PRIVATE, f.wall), 0);
    assert_true(entry(&f, contact(5, "192.0.2.55:1"))->hidden);
    assert_int_equal(kith_book_sample(f.book, &asker, out, 8, f.wall), 0);
    assert_int_equal(kith_book_set_roles(f.book, &key, 0, f.wall), 0);
    assert_int_equal(entry(&f, other)->table, KITH_BOOK_TRIED);
    /* a persistent seed without key hands its role to whoever answers there */
    struct kith_book_hint h = {.contact = contact(0, "192.0.2.99:7700"),
                               .source = {.origin = KITH_BOOK_CONFIG},
                               .roles = KITH_BOOK_PERSISTENT};
    assert_int_equal(kith_book_add(f.book, &h, f.wall), KITH_BOOK_ADDED);
    assert_int_equal(good(&f, contact(7, "192.0.2.99:7700")), KITH_BOOK_UPDATED);
    assert_int_equal(entry(&f, contact(7, "192.0.2.99:7700"))->roles, KITH_BOOK_PERSISTENT);
    assert_null(entry(&f, h.contact));
    end(&f);
}

static void test_bans(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    struct kith_contact a = contact(1, "203.0.113.9:7700");
    struct kith_contact b = contact(2, "203.0.113.200:7700");
    struct kith_book_ban ban = {.family = 4, .bits = 24, .ip = {203, 0, 113, 77}};
    assert_int_equal(good(&f, a), KITH_BOOK_PROMOTED);
    assert_int_equal(kith_book_ban(f.book, &ban, f.wall), KITH_EINVALID); /* ended already */
    ban.until_us = f.wall + HOUR;
    assert_int_equal(kith_book_ban(f.book, &ban, f.wall), 0);
    assert_true(kith_book_banned(f.book, NULL, &b.endpoint, f.wall));
    assert_int_equal(good(&f, b), KITH_BOOK_REFUSED_BANNED);
    assert_null(kith_book_select(f.book, f.wall));
    assert_int_equal(counts(&f).n_bans, 1);
    f.wall += HOUR;
    assert_false(kith_book_banned(f.book, NULL, &b.endpoint, f.wall));
    assert_ptr_equal(kith_book_select(f.book, f.wall), entry(&f, a)); /* back */
    (void)kith_book_clean(f.book, f.wall);
    assert_int_equal(counts(&f).n_bans, 0);
    struct kith_book_ban key_ban = {.is_key = true, .key = a.key, .until_us = KITH_BOOK_FOREVER};
    assert_int_equal(kith_book_ban(f.book, &key_ban, f.wall), 0);
    assert_true(kith_book_banned(f.book, &a.key, NULL, f.wall + 10000 * DAY));
    assert_int_equal(kith_book_unban(f.book, &ban), KITH_ENOT_FOUND);
    assert_int_equal(kith_book_unban(f.book, &key_ban), 0);
    assert_false(kith_book_banned(f.book, &a.key, NULL, f.wall));
    const struct {
        uint8_t family;
        uint8_t bits;
    } wrong[] = {{4, 7}, {4, 33}, {6, 15}, {6, 129}, {5, 24}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct kith_book_ban w = {
            .family = wrong[i].family, .bits = wrong[i].bits, .until_us = KITH_BOOK_FOREVER};
        assert_int_equal(kith_book_ban(f.book, &w, f.wall), KITH_EINVALID);
    }
    end(&f);
}

static void test_bans_full(void **state) {
    struct fixture f;
    start(&f, 16, 4, 4);
    struct kith_book_ban ban = {.is_key = true};
    for (uint64_t i = 0; i < KITH_BOOK_BANS_MAX; i++) {
        ban.key = key_of(i);
        ban.until_us = i == 77 ? f.wall + HOUR : KITH_BOOK_FOREVER;
        assert_int_equal(kith_book_ban(f.book, &ban, f.wall), 0);
    }
    ban.key = key_of(999999);
    ban.until_us = f.wall + HOUR / 2;
    assert_int_equal(kith_book_ban(f.book, &ban, f.wall), KITH_EFULL);
    ban.until_us = KITH_BOOK_FOREVER; /* ends later than the one temporary ban */
    assert_int_equal(kith_book_ban(f.book, &ban, f.wall), 0);
    struct kith_key gone = key_of(77);
    assert_false(kith_book_banned(f.book, &gone, NULL, f.wall));
    ban.key = key_of(999998);
    assert_int_equal(kith_book_ban(f.book, &ban, f.wall), KITH_EFULL);
    assert_int_equal(counts(&f).n_bans, KITH_BOOK_BANS_MAX);
    end(&f);
}

static void test_health(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    struct kith_contact a = contact(1, "203.0.113.9:7700");
    assert_int_equal(good(&f, a), KITH_BOOK_PROMOTED);
    uint32_t up = kith_book_health(entry(&f, a), f.wall) - KITH_BOOK_HEALTH_NEUTRAL;
    assert_int_equal(up, KITH_BOOK_HEALTH_NEUTRAL / 8);
    uint64_t half_life = KITH_BOOK_HEALTH_HALF_LIFE_S * SECOND;
    assert_int_equal(kith_book_health(entry(&f, a), f.wall + half_life),
                     KITH_BOOK_HEALTH_NEUTRAL + up / 2);
    assert_int_equal(kith_book_health(entry(&f, a), f.wall + 100 * half_life),
                     KITH_BOOK_HEALTH_NEUTRAL);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(kith_book_outcome(f.book, &a, KITH_BOOK_BAD_SIGNATURE, f.wall),
                         KITH_BOOK_UPDATED);
    }
    uint32_t low = kith_book_health(entry(&f, a), f.wall);
    assert_true(low < KITH_BOOK_HEALTH_ONE / 16);
    f.wall += 61 * SECOND;
    assert_true(kith_book_terrible(entry(&f, a), f.wall));
    assert_int_equal(kith_book_outcome(f.book, &a, KITH_BOOK_CONTRADICTION, f.wall),
                     KITH_BOOK_UPDATED);
    assert_true(kith_book_health(entry(&f, a), f.wall) < low);
    assert_int_equal(kith_book_clean(f.book, f.wall), 1);
    assert_int_equal(failed(&f, a), KITH_BOOK_UNKNOWN);
    end(&f);
}

static void test_selection(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    assert_null(kith_book_select(f.book, f.wall));
    assert_null(kith_book_feeler(f.book, f.wall));
    for (uint32_t i = 0; i < 200; i++) {
        (void)hint(&f, contact_ip(1000 + i, 0x05000001 + (i << 16), 1), KITH_BOOK_CONFIG, NULL);
        (void)good(&f, contact_ip(2000 + i, 0x06000001 + (i << 16), 1));
    }
    f.wall += HOUR;
    struct kith_contact tired = contact_ip(2000, 0x06000001, 1);
    kith_book_attempt(f.book, &tired, f.wall);
    unsigned n_tried = 0;
    unsigned n_tired = 0;
    for (unsigned i = 0; i < 20000; i++) {
        const struct kith_book_entry *e = kith_book_select(f.book, f.wall);
        n_tried += e->table == KITH_BOOK_TRIED;
        n_tired += kith_key_equal(&e->contact.key, &tired.key);
    }
    assert_in_range(n_tried, 16600, 17400); /* 85 % */
    assert_true(n_tired < 20);              /* of 85 expected otherwise */
    assert_int_equal(kith_book_feeler(f.book, f.wall)->table, KITH_BOOK_NEW);
    const struct kith_book_entry *best[32];
    assert_int_equal(kith_book_best(f.book, best, 32, f.wall), 32);
    end(&f);
}

static void test_sample(void **state) {
    struct fixture f;
    start(&f, 0, 0, 0);
    struct kith_contact asker = contact_ip(2005, 0x06050001, 1);
    const struct kith_book_entry *out[200];
    for (uint32_t i = 0; i < 200; i++) {
        (void)good(&f, contact_ip(2000 + i, 0x06000001 + (i << 16), 1));
    }
    (void)good(&f, contact(5, "192.168.1.1:7"));
    size_t most = (counts(&f).n_tried * KITH_BOOK_SAMPLE_PERCENT + 99) / 100;
    assert_int_equal(kith_book_sample(f.book, &asker, out, 200, f.wall), most);
    for (size_t i = 0; i < most; i++) {
        assert_false(kith_key_equal(&out[i]->contact.key, &asker.key));
        assert_int_equal(out[i]->contact.endpoint.ip[0], 6); /* not the private one */
        for (size_t j = 0; j < i; j++) {
            assert_ptr_not_equal(out[i], out[j]);
        }
    }
    assert_int_equal(kith_book_sample(f.book, &asker, out, 4, f.wall), 4);
    check(&f); /* drawing shuffles the members */
    f.wall += 4 * HOUR;
    assert_int_equal(kith_book_sample(f.book, &asker, out, 200, f.wall), 0);
    end(&f);
}

static struct kith_contact random_contact(struct fixture *f) {
    uint32_t n = (uint32_t)kith_random_below(&f->random, 60);
    uint64_t key = kith_random_below(&f->random, 12) == 0 ? 0 : 1 + n / 2;

    return kith_random_below(&f->random, 8) == 0
               ? contact(key, "192.168.1.1:99")
               : contact_ip(key, 0x05000001 + ((n % 30) << 16), (uint16_t)(1 + n % 2));
}

static void random_step(struct fixture *f) {
    struct kith_contact c = random_contact(f);
    struct kith_contact d = random_contact(f);
    struct kith_book_ban ban = {.is_key = c.has_key, .key = c.key, .family = 4, .bits = 16};
    struct kith_book_blob blob;
    const struct kith_book_entry *e;
    int r = 0;

    memcpy(ban.ip, c.endpoint.ip, 4);
    ban.until_us = f->wall + 60 * SECOND;
    switch (kith_random_below(&f->random, 14)) {
    case 0:
    case 1:
    case 2:
        r = hint(f, c, (enum kith_book_origin)kith_random_below(&f->random, 5), &d);
        break;
    case 3:
    case 4:
        r = c.has_key ? good(f, c) : 0;
        break;
    case 5:
    case 6:
        r = failed(f, c);
        break;
    case 7:
        r = kith_book_moved(f->book, &c.key, &d.endpoint, 1,
                            (int64_t)kith_random_below(&f->random, 1000), f->wall);
        break;
    case 8:
        r = kith_book_set_roles(f->book, &c.key, (uint8_t)kith_random_below(&f->random, 3) % 2 * 4,
                                f->wall);
        break;
    case 9:
        r = kith_random_below(&f->random, 2) == 0 ? kith_book_ban(f->book, &ban, f->wall)
                                                  : kith_book_unban(f->book, &ban);
        r = r == KITH_ENOT_FOUND ? 0 : r;
        break;
    case 10:
        e = kith_book_next_test(f->book, f->wall);
        r = e != NULL ? failed(f, e->contact) : 0;
        break;
    case 11:
        f->wall += kith_random_below(&f->random, 20) == 0 ? 6 * HOUR : 30 * SECOND;
        (void)kith_book_clean(f->book, f->wall);
        break;
    case 12:
        r = kith_random_below(&f->random, 20) == 0 ? (int)kith_book_forget(f->book, &c) : 0;
        break;
    default:
        (void)kith_book_next_dirty(f->book, &blob);
        (void)kith_book_select(f->book, f->wall);
        break;
    }
    assert_true(r >= 0);
}

static void test_random_sequences(void **state) {
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct fixture f;
        start(&f, 4, 2, 4);
        f.random = kith_test_random(f.seed, seed);
        for (unsigned i = 0; i < 3000; i++) {
            random_step(&f);
            check(&f);
        }
        end(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hint_refusals),
        cmocka_unit_test(test_hint_stamps),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_newcomer_waits),
        cmocka_unit_test(test_dead_holder_is_demoted),
        cmocka_unit_test(test_untested_holder_stays),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_same_key_elsewhere),
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_bans),
        cmocka_unit_test(test_bans_full),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_random_sequences),
    };
    return cmocka_run_group_tests_name("book", tests, NULL, NULL);
}
