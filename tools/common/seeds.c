/* SPDX-License-Identifier: MIT */
/*
 * A bad line must not keep a node from joining through the good ones, so it is reported with its
 * place and skipped. The file is read at once and cut up in place: the items are NUL-terminated
 * parts of it.
 */
#include "seeds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kith/types.h"

#include "column.h"
#include "paths.h"

static void warn_at(const char *path, unsigned line, unsigned column, const char *what,
                    seeds_warn_fn warn, void *user) {
    char message[640];

    snprintf(message, sizeof(message), "%s:%u:%u: %s; the line is skipped", path, line, column,
             what);
    warn(message, user);
}

/* Cuts the comment and the blanks around a line. */
static char *trim(char *line) {
    char *end = line + strcspn(line, "#\r\n");

    while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = '\0';
    return line + strspn(line, " \t");
}

static void take_line(struct seeds *seeds, char *line, const char *path, unsigned number,
                      seeds_warn_fn warn, void *user) {
    struct kith_error_info info = {0};
    struct kith_key key;
    char host[256];
    uint16_t port;
    bool has_key;
    char *text = trim(line);
    unsigned indent = (unsigned)(text - line);

    if (*text == '\0')
        return;
    if (kith_contact_parse(text, &has_key, &key, host, &port, &info) < 0)
        warn_at(path, number, indent + (info.column ? info.column : 1), column_skip(info.message),
                warn, user);
    else if (seeds->n_items == SEEDS_MAX)
        warn_at(path, number, 1, "too many seeds, 256 are the most", warn, user);
    else
        seeds->items[seeds->n_items++] = text;
}

int seeds_read(struct seeds *seeds, const char *path, seeds_warn_fn warn, void *user) {
    unsigned number = 0;
    size_t size;
    int r = paths_read(path, SEEDS_FILE_MAX, &seeds->text, &size);

    if (r < 0)
        return r;
    seeds->n_items = 0;
    seeds->items = calloc(SEEDS_MAX, sizeof(*seeds->items));
    if (!seeds->items) {
        seeds_deinit(seeds);
        return -ENOMEM;
    }
    for (char *line = seeds->text; line && *line;) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        take_line(seeds, line, path, ++number, warn, user);
        line = next;
    }
    return 0;
}

void seeds_deinit(struct seeds *seeds) {
    free(seeds->items);
    free(seeds->text);
    *seeds = (struct seeds){0};
}
