/* SPDX-License-Identifier: MIT */
/*
 * disk_check: is this file safe to give to LMDB?
 *
 * LMDB maps its file and follows the page numbers and offsets it finds there. That is what makes it
 * fast, and it means that a truncated or rotten file ends the process: SIGBUS behind the end of the
 * file, SIGSEGV or an assertion elsewhere. So before LMDB sees a file, this reader walks it: with
 * pread(2), so that nothing can fault, and believing nothing.
 *
 * It checks what LMDB relies on, and no more (statistics may be wrong without harm): both meta
 * pages; in each tree of the newest one, that pages are inside the file, used once, say their own
 * number and kind; that nodes lie inside their page and values inside node or overflow run; that
 * keys ascend, within the separators above them; that all leaves have the stated depth; that the
 * list of free pages is one. A page behind the end of the file is fine while it is free: LMDB does
 * not write those.
 *
 * On the way it reads kith's own "meta" table, which tells kith's databases from others' and newer
 * schemas from ours before anything is opened for writing. A newer one may use LMDB in ways this
 * walk does not know, so the version decides before the other tables are looked at.
 *
 * The format is LMDB's data version 1 (0.9.x), in the machine's own byte order and word size: a
 * file from another kind of machine is not readable by LMDB either. O(pages), one page buffer per
 * level.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/disk_internal.h"
#include "shell/refuse.h"

#define LMDB_MAGIC UINT32_C(0xBEEFC0DE) /* of every meta page */

enum {
    LMDB_VERSION = 1,
    PAGE_SIZE_MIN = 512,
    PAGE_SIZE_MAX = 64 * 1024,
    KEY_SIZE_MAX = 511, /* LMDB's own limit */
    DEPTH_MAX = 16,     /* two keys a page at least, and then 2^16 pages: far more than enough */
    TABLES_MAX = 16,    /* kith has five */
    /* Pages may be counted that were never written: taken and given back within one transaction. */
    UNWRITTEN_MAX = 64 * 1024 * 1024,

    PAGE_BRANCH = 0x01,
    PAGE_LEAF = 0x02,
    PAGE_OVERFLOW = 0x04,
    PAGE_META = 0x08,
    NODE_BIG = 0x01,   /* the value is in an overflow run */
    NODE_TABLE = 0x02, /* the value describes a named table */
    TABLE_INTEGER_KEYS = 0x08,
};

#define NO_PAGE (~(size_t)0)

/* ---- the format ---- */

struct page_header {
    size_t number;
    uint16_t unused;
    uint16_t flags;
    uint16_t lower; /* end of the node offsets; with `upper`, a u32: pages of an overflow run */
    uint16_t upper;
};

struct node_header {
    /* Of the value's size, or of the child's number. LMDB has them in the order of the machine. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    uint16_t high;
    uint16_t low;
#else
    uint16_t low;
    uint16_t high;
#endif
    uint16_t flags; /* a branch: the child's number, bits 32..47 */
    uint16_t key_size;
};

struct table_header {
    uint32_t pad; /* of the first table, the page size */
    uint16_t flags;
    uint16_t depth;
    size_t n_branches;
    size_t n_leaves;
    size_t n_overflow;
    size_t n_entries;
    size_t root;
};

struct meta {
    uint32_t magic;
    uint32_t version;
    size_t address;
    size_t map_size;
    struct table_header free_pages;
    struct table_header names;
    size_t last_page;
    size_t transaction;
};

/* ---- the walk ---- */

struct node {
    const uint8_t *key;
    size_t key_size;
    unsigned flags;
    size_t child;         /* branch */
    size_t value_size;    /* leaf */
    const uint8_t *value; /* leaf; with NODE_BIG, the overflow run's number */
};

struct check {
    int fd;
    size_t size; /* bytes of the file */
    size_t page_size;
    struct meta meta;
    uint8_t *used; /* one bit per page */
    const char *why;
    /* the keys seen last in the tree being walked */
    uint8_t key[KEY_SIZE_MAX];
    size_t key_size;
    bool has_key;
    bool key_is_separator; /* the next key may be equal */
    /* what was found */
    unsigned n_tables;
    struct {
        struct table_header header;
        bool is_meta;
    } tables[TABLES_MAX];
    bool is_kith;
    uint32_t schema;
};

struct walk {
    struct check *c;
    const struct table_header *table;
    int (*on_entry)(struct check *c, const struct node *node);
};

static int damaged(struct check *c, const char *why) {
    c->why = why;
    return KITH_DISK_DAMAGED;
}

/* -> KITH_DISK_DAMAGED behind the end of the file */
static int read_at(struct check *c, size_t offset, void *out, size_t size) {
    if (offset > c->size || size > c->size - offset) {
        return damaged(c, "the file is truncated");
    }
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(c->fd, (uint8_t *)out + done, size - done, (off_t)(offset + done));
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0) {
            return damaged(c, "the file is truncated");
        } else if (errno != EINTR) {
            return kith_error_of_errno(errno);
        }
    }
    return 0;
}

/* Marks `n` pages as used by one owner. */
static int claim(struct check *c, size_t first, size_t n) {
    if (first < 2 || first > c->meta.last_page || n == 0 || n > c->meta.last_page - first + 1) {
        return damaged(c, "a page number points outside the file");
    }
    for (size_t i = first; i < first + n; i++) {
        if ((c->used[i / 8] & (1u << (i % 8))) != 0) {
            return damaged(c, "a page is used twice");
        }
        c->used[i / 8] |= (uint8_t)(1u << (i % 8));
    }
    return 0;
}

static int compare_keys(const struct walk *w, const struct node *node) {
    const struct check *c = w->c;
    size_t shorter = node->key_size < c->key_size ? node->key_size : c->key_size;

    if ((w->table->flags & TABLE_INTEGER_KEYS) != 0) {
        size_t a;
        size_t b;
        memcpy(&a, node->key, sizeof(a));
        memcpy(&b, c->key, sizeof(b));
        return (a > b) - (a < b);
    }
    int r = shorter == 0 ? 0 : memcmp(node->key, c->key, shorter);
    return r != 0 ? r : (node->key_size > c->key_size) - (node->key_size < c->key_size);
}

/* Keys of leaves and the separators between them, as they come in order. */
static int next_key(const struct walk *w, const struct node *node, bool is_separator) {
    struct check *c = w->c;

    if ((w->table->flags & TABLE_INTEGER_KEYS) != 0 ? node->key_size != sizeof(size_t)
                                                    : node->key_size == 0) {
        return damaged(c, "a key has an impossible size");
    }
    if (c->has_key) {
        int order = compare_keys(w, node);
        if (order < 0 || (order == 0 && !c->key_is_separator)) {
            return damaged(c, "keys are out of order");
        }
    }
    memcpy(c->key, node->key, node->key_size);
    c->key_size = node->key_size;
    c->key_is_separator = is_separator;
    c->has_key = true;
    return 0;
}

/* The node at `index` of a page whose header was checked. */
static int node_at(struct check *c, const uint8_t *page, bool is_leaf, unsigned index,
                   struct node *ret) {
    struct node_header header;
    struct page_header page_header;
    uint16_t offset;

    memcpy(&page_header, page, sizeof(page_header));
    memcpy(&offset, page + sizeof(page_header) + index * sizeof(offset), sizeof(offset));
    if (offset < page_header.upper || offset % 2 != 0 || offset > c->page_size - sizeof(header)) {
        return damaged(c, "a node lies outside its page");
    }
    memcpy(&header, page + offset, sizeof(header));
    size_t left = c->page_size - offset - sizeof(header);
    size_t number = header.low | (size_t)header.high << 16;
    if (header.key_size > left || header.key_size > KEY_SIZE_MAX) {
        return damaged(c, "a key lies outside its page");
    }
    *ret = (struct node){.key = page + offset + sizeof(header), .key_size = header.key_size};
    ret->value = ret->key + ret->key_size;
    if (!is_leaf) {
        ret->child = sizeof(size_t) > 4 ? number | (size_t)((uint64_t)header.flags << 32) : number;
        return 0;
    }
    ret->flags = header.flags;
    ret->value_size = number;
    left -= ret->key_size;
    if (((ret->flags & NODE_BIG) != 0 ? sizeof(size_t) : ret->value_size) > left) {
        return damaged(c, "a value lies outside its page");
    }
    return 0;
}

/* Claims the pages of a value that is too large for its node. */
static int check_overflow(struct check *c, const struct node *node, size_t *ret_number) {
    struct page_header header;
    uint32_t n_pages;
    size_t number;

    memcpy(&number, node->value, sizeof(number));
    size_t needed = (sizeof(header) - 1 + node->value_size) / c->page_size + 1;
    int r = claim(c, number, needed);
    if (r == 0) {
        r = read_at(c, number * c->page_size, &header, sizeof(header));
    }
    if (r != 0) {
        return r;
    }
    memcpy(&n_pages, &header.lower, sizeof(n_pages));
    if (header.number != number || header.flags != PAGE_OVERFLOW || n_pages != needed) {
        return damaged(c, "a page of a large value is not one");
    }
    *ret_number = number;
    return (number + needed) * c->page_size > c->size ? damaged(c, "the file is truncated") : 0;
}

static int check_leaf(const struct walk *w, const uint8_t *page, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        struct node node;
        int r = node_at(w->c, page, true, i, &node);
        if (r == 0) {
            r = next_key(w, &node, false);
        }
        if (r == 0) {
            r = w->on_entry(w->c, &node);
        }
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

static int check_page_header(struct check *c, const uint8_t *page, size_t number, bool is_leaf,
                             unsigned *ret_n) {
    struct page_header header;

    memcpy(&header, page, sizeof(header));
    if (header.number != number || header.flags != (is_leaf ? PAGE_LEAF : PAGE_BRANCH)) {
        return damaged(c, "a page is not what refers to it expects");
    }
    if (header.lower < sizeof(header) || header.lower % 2 != 0 || header.upper < header.lower ||
        header.upper > c->page_size) {
        return damaged(c, "a page's bounds are impossible");
    }
    *ret_n = (header.lower - (unsigned)sizeof(header)) / 2;
    return *ret_n == 0 ? damaged(c, "a page is empty") : 0;
}

static int check_page(const struct walk *w, size_t number, unsigned levels);

static int check_branch(const struct walk *w, const uint8_t *page, unsigned n, unsigned levels) {
    /* LMDB joins such a page with its neighbour, and asserts it; not so in the list of free pages.
     */
    if (n < 2 && (w->table->flags & TABLE_INTEGER_KEYS) == 0) {
        return damaged(w->c, "a page branches to one other only");
    }
    for (unsigned i = 0; i < n; i++) {
        struct node node;
        int r = node_at(w->c, page, false, i, &node);
        if (r == 0 && i > 0) { /* the first separator stands for minus infinity and is not used */
            r = next_key(w, &node, true);
        }
        if (r == 0) {
            r = check_page(w, node.child, levels - 1);
        }
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

/* A page and what is below it; `levels` 1 is a leaf. Recursion ends at DEPTH_MAX. */
static int check_page(const struct walk *w, size_t number, unsigned levels) {
    struct check *c = w->c;
    bool is_leaf = levels == 1;
    unsigned n;
    int r = claim(c, number, 1);

    if (r != 0) {
        return r;
    }
    uint8_t *page = malloc(c->page_size);
    if (page == NULL) {
        return KITH_ENOMEM;
    }
    r = read_at(c, number * c->page_size, page, c->page_size);
    if (r == 0) {
        r = check_page_header(c, page, number, is_leaf, &n);
    }
    if (r == 0) {
        r = is_leaf ? check_leaf(w, page, n) : check_branch(w, page, n, levels);
    }
    free(page);
    return r;
}

static int check_table(struct check *c, const struct table_header *table,
                       int (*on_entry)(struct check *c, const struct node *node)) {
    const struct walk walk = {.c = c, .table = table, .on_entry = on_entry};

    c->has_key = false;
    c->key_is_separator = false;
    if (table->root == NO_PAGE) {
        return 0;
    }
    if (table->depth == 0 || table->depth > DEPTH_MAX) {
        return damaged(c, "a table's depth is impossible");
    }
    return check_page(&walk, table->root, table->depth);
}

/* ---- what the tables hold ---- */

static bool key_is(const struct node *node, const char *text) {
    return kith_span_equal(kith_span(node->key, node->key_size), kith_span_text(text));
}

/* A named table. */
static int on_name(struct check *c, const struct node *node) {
    if (node->flags != NODE_TABLE || node->value_size != sizeof(struct table_header) ||
        c->n_tables == TABLES_MAX) {
        c->why = "it is the database of another program";
        return KITH_DISK_FOREIGN;
    }
    memcpy(&c->tables[c->n_tables].header, node->value, sizeof(struct table_header));
    c->tables[c->n_tables].is_meta = key_is(node, KITH_DISK_META_NAME);
    c->n_tables++;
    return 0;
}

/* An entry of kith's "meta". */
static int on_meta(struct check *c, const struct node *node) {
    struct kith_reader r = kith_reader(kith_span(node->value, node->value_size));

    if (node->flags != 0) {
        return damaged(c, "its description is not readable");
    }
    if (key_is(node, KITH_DISK_MAGIC_KEY)) {
        c->is_kith = kith_span_equal(kith_span(node->value, node->value_size),
                                     kith_span_text(KITH_DISK_MAGIC));
    } else if (key_is(node, KITH_DISK_SCHEMA_KEY)) {
        c->schema = kith_read_u32(&r);
    }
    return 0;
}

/* An entry of any other table: LMDB has to get at it, the schema's checksum does the rest. */
static int on_value(struct check *c, const struct node *node) {
    size_t number;

    if ((node->flags & ~(unsigned)NODE_BIG) != 0) {
        return damaged(c, "a node is of a kind that kith does not use");
    }
    return (node->flags & NODE_BIG) != 0 ? check_overflow(c, node, &number) : 0;
}

/* Pages freed by one transaction: their number, then the pages, descending. */
static int check_free_list(struct check *c, const size_t *list, size_t n) {
    if (n == 0 || list[0] != n - 1) {
        return damaged(c, "a list of free pages has a wrong size");
    }
    for (size_t i = 1; i < n; i++) {
        if (i > 1 && list[i] >= list[i - 1]) {
            return damaged(c, "a list of free pages is out of order");
        }
        int r = claim(c, list[i], 1);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

static int on_free(struct check *c, const struct node *node) {
    size_t transaction;
    size_t number;
    int r = 0;

    /* LMDB would take the pages of transaction 0, which there is none of, again and again. */
    memcpy(&transaction, node->key, sizeof(transaction));
    if (transaction == 0 || transaction > c->meta.transaction) {
        return damaged(c, "a list of free pages is of no transaction");
    }
    if ((node->flags & ~(unsigned)NODE_BIG) != 0 || node->value_size % sizeof(size_t) != 0 ||
        node->value_size > c->size) {
        return damaged(c, "a list of free pages is not one");
    }
    size_t *list = malloc(node->value_size == 0 ? 1 : node->value_size);
    if (list == NULL) {
        return KITH_ENOMEM;
    }
    if ((node->flags & NODE_BIG) == 0) {
        memcpy(list, node->value, node->value_size);
    } else {
        r = check_overflow(c, node, &number);
        if (r == 0) {
            r = read_at(c, number * c->page_size + sizeof(struct page_header), list,
                        node->value_size);
        }
    }
    if (r == 0) {
        /* The list may be stored with room to spare. */
        size_t n = node->value_size / sizeof(*list);
        r = check_free_list(c, list, n > 0 && list[0] < n ? list[0] + 1 : n);
    }
    free(list);
    return r;
}

/* ---- the file ---- */

static bool page_size_valid(size_t size) {
    return size >= PAGE_SIZE_MIN && size <= PAGE_SIZE_MAX && (size & (size - 1)) == 0;
}

static int read_meta(struct check *c, unsigned index, struct meta *ret) {
    struct page_header header;
    size_t offset = index * c->page_size;
    int r = read_at(c, offset, &header, sizeof(header));

    if (r == 0) {
        r = read_at(c, offset + sizeof(header), ret, sizeof(*ret));
    }
    if (r != 0) {
        return r;
    }
    if ((header.flags & PAGE_META) == 0 || ret->magic != (uint32_t)LMDB_MAGIC) {
        return damaged(c, "it is not a database");
    }
    if (ret->version != LMDB_VERSION) {
        c->why = "it is a database of another format";
        return KITH_DISK_FOREIGN;
    }
    return page_size_valid(ret->free_pages.pad) ? 0 : damaged(c, "its page size is impossible");
}

/* Both meta pages must be there; the one of the later transaction counts. */
static int read_metas(struct check *c) {
    struct meta metas[2];
    int r = read_meta(c, 0, &metas[0]);

    if (r != 0) {
        return r;
    }
    c->page_size = metas[0].free_pages.pad;
    r = read_meta(c, 1, &metas[1]);
    if (r != 0) {
        return r;
    }
    c->meta = metas[metas[0].transaction < metas[1].transaction ? 1 : 0];
    if (c->meta.free_pages.pad != c->page_size || c->size < 2 * c->page_size) {
        return damaged(c, "its two headers disagree");
    }
    if (c->meta.last_page < 1 ||
        c->meta.last_page > (c->size + (size_t)UNWRITTEN_MAX) / c->page_size) {
        return damaged(c, "the file is truncated");
    }
    if (c->meta.free_pages.flags != TABLE_INTEGER_KEYS || c->meta.names.flags != 0) {
        c->why = "it is the database of another program";
        return KITH_DISK_FOREIGN;
    }
    c->used = calloc(c->meta.last_page / 8 + 1, 1);
    return c->used == NULL ? KITH_ENOMEM : 0;
}

/* Whose database it is, and how new. */
static int check_meta_table(struct check *c) {
    for (unsigned i = 0; i < c->n_tables; i++) {
        if (c->tables[i].is_meta && c->tables[i].header.flags == 0) {
            int r = check_table(c, &c->tables[i].header, on_meta);
            if (r != 0) {
                return r;
            }
        }
    }
    if (!c->is_kith) {
        c->why = "it is the database of another program";
        return KITH_DISK_FOREIGN;
    }
    if (c->schema > KITH_DISK_SCHEMA) {
        return KITH_EVERSION;
    }
    return c->schema == KITH_DISK_SCHEMA ? 0 : damaged(c, "its version is impossible");
}

static int check_file(struct check *c) {
    int r = read_metas(c);

    if (r == 0) {
        r = check_table(c, &c->meta.names, on_name);
    }
    if (r == 0 && c->n_tables == 0) {
        r = check_table(c, &c->meta.free_pages, on_free);
        return r != 0 ? r : KITH_DISK_ABSENT;
    }
    if (r == 0) {
        r = check_meta_table(c);
    }
    for (unsigned i = 0; r == 0 && i < c->n_tables; i++) {
        if (!c->tables[i].is_meta) {
            r = c->tables[i].header.flags != 0
                    ? damaged(c, "a table is of a kind that kith does not use")
                    : check_table(c, &c->tables[i].header, on_value);
        }
    }
    return r != 0 ? r : check_table(c, &c->meta.free_pages, on_free);
}

int kith_disk_check(const char *path, const char **ret_why) {
    /* Without O_NONBLOCK a FIFO of that name would wait for its writer. */
    struct check c = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat status;
    int r = 0;

    if (c.fd < 0) {
        if (errno == ENOENT) {
            return KITH_DISK_ABSENT;
        }
        *ret_why = "it is not a directory with a data file";
        return errno == ENOTDIR || errno == ELOOP ? KITH_DISK_DAMAGED : kith_error_of_errno(errno);
    }
    if (fstat(c.fd, &status) != 0) {
        r = kith_error_of_errno(errno);
    } else if (!S_ISREG(status.st_mode)) {
        r = damaged(&c, "its data file is not a file");
    } else {
        c.size = (size_t)status.st_size;
        r = check_file(&c);
    }
    (void)close(c.fd);
    free(c.used);
    if (r > 0) {
        *ret_why = c.why;
    }
    return r;
}
