/* SPDX-License-Identifier: MIT */
/*
 * book_disk: what is taken as changed, loaded in any order, gives the same book; what is damaged or
 * newer is refused by name; and no allocation that fails leaves a broken book behind.
 */
#include "book_testing.h"

#include "core/base/endpoint.h"
#include "nomem.h"

enum { BLOBS_MAX = 4096 };

/* ---- a disk: values by key ---- */

struct disk {
    struct kith_book_blob blobs[BLOBS_MAX];
    size_t n;
};

static void disk_apply(struct disk *disk, const struct kith_book_blob *blob) {
    size_t i = 0;

    while (i < disk->n && (disk->blobs[i].key_size != blob->key_size ||
                           memcmp(disk->blobs[i].key, blob->key, blob->key_size) != 0)) {
        i++;
    }
    if (blob->removed) {
        assert_true(i < disk->n); /* only what was taken is ever taken back */
        disk->blobs[i] = disk->blobs[--disk->n];
        return;
    }
    assert_true(i < BLOBS_MAX);
    disk->n += i == disk->n;
    disk->blobs[i] = *blob;
}

static void disk_save(struct disk *disk, struct fixture *f) {
    struct kith_book_blob blob;

    while (kith_book_next_dirty(f->book, &blob)) {
        disk_apply(disk, &blob);
    }
    check(f);
}

static int load(struct fixture *f, const struct kith_book_blob *blob) {
    return kith_book_load(f->book, kith_span(blob->key, blob->key_size),
                          kith_span(blob->value, blob->value_size), f->wall);
}

/* Another book with the secret of the first; from `disk`, backwards, since order must not matter.
 */
static void restart(struct fixture *f, const struct fixture *old, const struct disk *disk) {
    struct kith_book_blob header;
    uint8_t secret[KITH_BOOK_SECRET_SIZE];

    kith_book_encode_header(old->book, &header);
    assert_int_equal(kith_book_decode_header(kith_span(header.key, header.key_size),
                                             kith_span(header.value, header.value_size), secret),
                     0);
    memset(f, 0, sizeof(*f));
    f->random = kith_test_random(f->seed, 99);
    f->wall = old->wall;
    f->config = old->config;
    f->config.random = &f->random;
    f->config.secret = secret;
    f->config.on_event = NULL;
    assert_int_equal(kith_book_new(&f->book, &f->config), 0);
    for (size_t i = disk->n; i-- > 0;) {
        assert_int_equal(load(f, &disk->blobs[i]), 0);
    }
    check(f);
}

static int expect_same(const struct kith_book_entry *e, void *user) {
    const struct fixture *other = user;
    const struct kith_book_entry *o = entry(other, e->contact);

    assert_non_null(o);
    assert_memory_equal(o, e, sizeof(*e));
    return 0;
}

static void fill(struct fixture *f, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        struct kith_contact c = contact_ip(1 + i, 0x05000001 + (i << 14), 7700);
        struct kith_contact source = contact_ip(900 + i, 0x09000001 + (i % 9 << 16), 7700);
        (void)hint(f, c, i % 5 == 0 ? KITH_BOOK_CONFIG : KITH_BOOK_PEX, &source);
        if (i % 3 == 0) {
            (void)good(f, c);
        }
        if (i % 7 == 0) {
            (void)failed(f, c);
        }
        f->wall += SECOND;
    }
}

static void test_restart(void **state) {
    static struct disk disk;
    struct fixture f;
    struct fixture g;
    start(&f, 64, 16, 16);
    fill(&f, 600);
    struct kith_book_ban ban = {
        .family = 6, .bits = 32, .ip = {0x20, 1, 0xd, 0xb8}, .until_us = KITH_BOOK_FOREVER};
    assert_int_equal(kith_book_ban(f.book, &ban, f.wall), 0);
    disk_save(&disk, &f);
    restart(&g, &f, &disk);
    assert_int_equal(counts(&g).n_new, counts(&f).n_new);
    assert_int_equal(counts(&g).n_tried, counts(&f).n_tried);
    assert_int_equal(counts(&g).n_bans, 1);
    assert_int_equal(counts(&g).load_dropped, 0);
    /* check() recomputes every place from the secret: the same entries in the same tables are in
     * the same buckets */
    assert_int_equal(kith_book_each(f.book, expect_same, &g), 0);
    struct kith_book_blob blob;
    assert_false(kith_book_next_dirty(g.book, &blob)); /* loading changes nothing */
    g.book = kith_book_free(g.book);
    /* what goes, goes from the disk */
    struct kith_contact c = contact_ip(1, 0x05000001, 7700);
    assert_int_equal(kith_book_forget(f.book, &c), 1);
    assert_int_equal(kith_book_unban(f.book, &ban), 0);
    size_t n = disk.n;
    disk_save(&disk, &f);
    assert_int_equal(disk.n, n - 2);
    end(&f);
}

/* The disk after many small saves is the same as after one. */
static void test_changes_are_complete(void **state) {
    static struct disk disk;
    struct fixture f;
    start(&f, 4, 2, 4);
    for (unsigned i = 0; i < 2000; i++) {
        uint32_t n = (uint32_t)kith_random_below(&f.random, 80);
        struct kith_contact c = contact_ip(1 + n / 2, 0x05000001 + (n % 40 << 16), 7700);
        struct kith_endpoint to = contact_ip(1, 0x05000001 + (n << 16), 7700).endpoint;
        switch (kith_random_below(&f.random, 5)) {
        case 0:
            (void)hint(&f, c, KITH_BOOK_CONFIG, NULL);
            break;
        case 1:
            (void)good(&f, c);
            break;
        case 2:
            assert_true(kith_book_moved(f.book, &c.key, &to, 1, i, f.wall) > 0);
            break;
        case 3:
            (void)kith_book_forget(f.book, &c);
            break;
        default:
            disk_save(&disk, &f);
            break;
        }
        f.wall += 60 * SECOND;
    }
    disk_save(&disk, &f);
    struct fixture g;
    restart(&g, &f, &disk);
    struct kith_book_counts c = counts(&f);
    assert_int_equal(disk.n, c.n_new + c.n_tried);
    assert_int_equal(kith_book_each(f.book, expect_same, &g), 0);
    g.book = kith_book_free(g.book);
    end(&f);
}

/* Another geometry: whatever finds its slot taken goes, the rest is kept. */
static void test_other_sizes(void **state) {
    static struct disk disk;
    struct fixture f;
    struct fixture g;
    start(&f, 64, 16, 16);
    fill(&f, 600);
    disk_save(&disk, &f);
    start(&g, 4, 2, 4);
    unsigned n_loaded = 0;
    for (size_t i = 0; i < disk.n; i++) {
        int r = load(&g, &disk.blobs[i]);
        assert_true(r == 0 || r == KITH_EFULL);
        n_loaded += r == 0;
    }
    assert_int_equal(counts(&g).load_dropped, disk.n - n_loaded);
    assert_true(counts(&g).n_tried > 0);
    check(&g);
    g.book = kith_book_free(g.book);
    end(&f);
}

static void test_bad_blobs(void **state) {
    struct fixture f;
    struct kith_book_blob good_blob;
    struct kith_book_blob blob;
    uint8_t secret[KITH_BOOK_SECRET_SIZE];
    start(&f, 4, 2, 4);
    assert_int_equal(good(&f, contact(1, "203.0.113.9:7700")), KITH_BOOK_PROMOTED);
    assert_true(kith_book_next_dirty(f.book, &good_blob));
    assert_int_equal(load(&f, &good_blob), KITH_EEXISTS);
    struct kith_contact c = contact(1, "203.0.113.9:7700");
    (void)kith_book_forget(f.book, &c);
    blob = good_blob;
    blob.value[0] = 2;
    assert_int_equal(load(&f, &blob), KITH_EVERSION);
    /* every cut, and every byte of the value that is not a number set to nonsense */
    for (uint8_t n = 0; n < good_blob.value_size; n++) {
        blob = good_blob;
        blob.value_size = n;
        assert_int_equal(load(&f, &blob), KITH_ECORRUPT);
    }
    for (uint8_t n = 0; n < good_blob.key_size; n++) {
        blob = good_blob;
        blob.key_size = n;
        assert_int_equal(load(&f, &blob), KITH_ECORRUPT);
    }
    for (size_t i = 0; i < 5; i++) {
        blob = good_blob;
        blob.value[i] = i == 0 ? 0 : 0x77;
        assert_int_equal(load(&f, &blob), KITH_ECORRUPT);
    }
    blob = good_blob; /* our own key */
    memcpy(blob.key + 2, f.config.own_key.bytes, KITH_KEY_SIZE);
    assert_int_equal(load(&f, &blob), KITH_EREFUSED);
    blob = good_blob; /* stamps in the future are clamped */
    memset(blob.value + 21, 0xff, 12);
    assert_int_equal(load(&f, &blob), 0);
    assert_int_equal(entry(&f, c)->success_s, START / SECOND);
    kith_book_encode_header(f.book, &blob);
    blob.value[0] = 9;
    assert_int_equal(kith_book_decode_header(kith_span(blob.key, blob.key_size),
                                             kith_span(blob.value, blob.value_size), secret),
                     KITH_EVERSION);
    blob.value[0] = 1;
    blob.value_size--;
    assert_int_equal(kith_book_decode_header(kith_span(blob.key, blob.key_size),
                                             kith_span(blob.value, blob.value_size), secret),
                     KITH_ECORRUPT);
    check(&f);
    f.book = kith_book_free(f.book);
}

static void test_mark_dirty(void **state) {
    struct fixture f;
    struct kith_book_blob blob;
    start(&f, 4, 2, 4);
    assert_int_equal(good(&f, contact(1, "203.0.113.9:7700")), KITH_BOOK_PROMOTED);
    assert_true(kith_book_next_dirty(f.book, &blob));
    assert_false(kith_book_next_dirty(f.book, &blob));
    kith_book_mark_dirty(f.book); /* the write failed */
    assert_true(kith_book_next_dirty(f.book, &blob));
    end(&f);
}

/* One run of everything, in which the n-th allocation fails. Returns whether it did. */
static bool run_failing(unsigned n) {
    struct fixture f;
    struct kith_key key = key_of(3);
    const struct kith_book_entry *best[4];
    memset(&f, 0, sizeof(f));
    f.random = kith_test_random(f.seed, 7);
    f.wall = START;
    f.config = (struct kith_book_config){
        .random = &f.random, .buckets_new = 8, .buckets_tried = 4, .slots = 2};
    nomem_begin(n, false);
    if (kith_book_new(&f.book, &f.config) < 0) {
        return true;
    }
    for (uint32_t i = 0; i < 150; i++) {
        struct kith_contact c = contact_ip(1 + i % 75, 0x05000001 + (i % 75 << 16), 7700);
        struct kith_contact d = contact_ip(1 + i % 75, 0x06000001 + (i << 16), 7700);
        struct kith_book_ban ban = {.is_key = true, .key = d.key, .until_us = KITH_BOOK_FOREVER};
        int r = i % 2 == 0 ? hint(&f, c, KITH_BOOK_CONFIG, NULL) : good(&f, c);
        assert_true(r > 0 || r == KITH_ENOMEM);
        if (i % 10 == 0) {
            r = kith_book_moved(f.book, &c.key, &d.endpoint, 1, i, f.wall);
            assert_true(r > 0 || r == KITH_ENOMEM);
            r = i == 100 ? kith_book_ban(f.book, &ban, f.wall) : 0;
            assert_true(r >= 0 || r == KITH_ENOMEM);
            f.wall += 5 * HOUR;
        }
        const struct kith_book_entry *test = kith_book_next_test(f.book, f.wall);
        r = test != NULL ? failed(&f, test->contact) : 0;
        assert_true(r >= 0 || r == KITH_ENOMEM);
        check(&f);
    }
    int r = kith_book_set_roles(f.book, &key, KITH_BOOK_PRIVATE, f.wall);
    assert_true(r == 0 || r == KITH_ENOMEM);
    r = kith_book_best(f.book, best, 4, f.wall);
    assert_true(r > 0 || r == KITH_ENOMEM);
    check(&f);
    bool done = nomem_end();
    f.book = kith_book_free(f.book);
    return done;
}

static void test_allocation_failures(void **state) {
    unsigned n = 1;

    while (run_failing(n)) {
        n++;
    }
    assert_in_range(n, 20, 2000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_restart),     cmocka_unit_test(test_changes_are_complete),
        cmocka_unit_test(test_other_sizes), cmocka_unit_test(test_bad_blobs),
        cmocka_unit_test(test_mark_dirty),  cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests_name("book_disk", tests, NULL, NULL);
}
