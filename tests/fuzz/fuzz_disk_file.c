/* SPDX-License-Identifier: MIT */
/*
 * A database with some hundred entries, damaged by the input: patches of an offset (3 bytes), a
 * length and bytes; the first two bytes cut the file. Whatever passes the check before LMDB sees
 * it, LMDB must bear: everything is read, and something written.
 */
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "shell/disk_internal.h"

enum { ENTRIES = 120, MAP_SIZE = 1 << 20, PATCHES_MAX = 64 };

static char root[64];
static char file[96];
static uint8_t *base; /* the database as it was written */
static size_t base_size;

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    return remove(path);
}

static void remove_all(void) {
    (void)nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void queue(struct kith_list *writes, unsigned table, unsigned number, size_t value_size) {
    struct kith_disk_write *write = calloc(1, sizeof(*write) + 40 + value_size);
    FUZZ_REQUIRE(write != NULL);
    write->what = KITH_DISK_PUT;
    write->table = (enum kith_disk_table)table;
    write->key_size = 8 + number % 32;
    write->value_size = value_size;
    memset(write->bytes, (int)number, write->key_size + value_size);
    write->bytes[0] = (uint8_t)(number * 37);
    kith_list_append(writes, &write->link);
}

static void commit(struct kith_disk_store *store, struct kith_list *writes) {
    struct kith_list *link;
    kith_disk_store_commit(store, writes);
    while ((link = kith_list_first(writes)) != NULL) {
        kith_list_remove(link);
        free(kith_container_of(link, struct kith_disk_write, link));
    }
}

/* Two transactions, so that there are free pages as well; values up to several pages. */
static void make_base(void) {
    struct kith_disk_config config = {.dir = root};
    struct kith_disk_store store;
    struct kith_list writes;
    bool in_memory = access("/dev/shm", W_OK) == 0;
    snprintf(root, sizeof(root), "%s/kith-fuzz-XXXXXX", in_memory ? "/dev/shm" : "/tmp");
    FUZZ_REQUIRE(mkdtemp(root) != NULL);
    atexit(remove_all);
    snprintf(file, sizeof(file), "%s/db/data.mdb", root);
    FUZZ_REQUIRE(kith_disk_store_open(&store, &config, MAP_SIZE, NULL) == 0);
    for (unsigned round = 0; round < 2; round++) {
        kith_list_init(&writes);
        for (unsigned i = 0; i < ENTRIES; i++) {
            queue(&writes, i % KITH_DISK_N_TABLES, i, i % 40 == 3 ? 6000 : 20 + i * 7 % 900);
        }
        commit(&store, &writes);
    }
    kith_disk_store_close(&store);
    FILE *in = fopen(file, "rb");
    FUZZ_REQUIRE(in != NULL && fseek(in, 0, SEEK_END) == 0);
    base_size = (size_t)ftell(in);
    base = malloc(base_size);
    rewind(in);
    FUZZ_REQUIRE(base != NULL && fread(base, 1, base_size, in) == base_size);
    fclose(in);
}

static void write_damaged(struct kith_reader r) {
    uint8_t *bytes = malloc(base_size);
    FUZZ_REQUIRE(bytes != NULL);
    memcpy(bytes, base, base_size);
    size_t cut = kith_read_u16(&r);
    size_t size = cut == 0 ? base_size : base_size * cut / (UINT16_MAX + 1);
    for (unsigned i = 0; i < PATCHES_MAX && kith_reader_left(&r) > 4; i++) {
        size_t at = (size_t)kith_read_u8(&r) << 16;
        at = (at | kith_read_u16(&r)) % base_size;
        size_t n = 1 + kith_read_u8(&r) % 16;
        n = n < base_size - at ? n : base_size - at;
        n = n < kith_reader_left(&r) ? n : kith_reader_left(&r);
        kith_read_copy(&r, bytes + at, n);
    }
    FILE *out = fopen(file, "wb");
    FUZZ_REQUIRE(out != NULL && fwrite(bytes, 1, size, out) == size);
    FUZZ_REQUIRE(fclose(out) == 0);
    free(bytes);
}

static void look(void *user, struct kith_span key, struct kith_span value) {
    uint8_t *sum = user;
    for (size_t i = 0; i < key.size; i++) {
        *sum ^= key.data[i];
    }
    for (size_t i = 0; i < value.size; i++) {
        *sum ^= value.data[i];
    }
}

/* The check found nothing wrong. */
static void use(void) {
    struct kith_disk_config config = {.dir = root};
    struct kith_disk_store store;
    struct kith_list writes;
    uint8_t sum = 0;
    int r = kith_disk_store_open(&store, &config, MAP_SIZE, NULL);
    if (r < 0) {
        return;
    }
    for (unsigned table = 0; table < KITH_DISK_N_TABLES; table++) {
        r = kith_disk_store_each(&store, (enum kith_disk_table)table, look, &sum);
        FUZZ_REQUIRE(r <= 0);
    }
    kith_list_init(&writes);
    for (unsigned i = 0; i < 8; i++) {
        queue(&writes, i % KITH_DISK_N_TABLES, 15 * i, 100 * (size_t)i);
    }
    commit(&store, &writes);
    kith_disk_store_close(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *why = NULL;
    if (base == NULL) {
        make_base();
    }
    write_damaged(kith_reader(kith_span(data, size)));
    int r = kith_disk_check(file, &why);
    FUZZ_REQUIRE(r == 0 || r == KITH_DISK_ABSENT || r == KITH_EVERSION || why != NULL);
    FUZZ_REQUIRE(size > 0 || r == 0);
    if (r == 0 || r == KITH_DISK_ABSENT) {
        use();
    }
    return 0;
}
