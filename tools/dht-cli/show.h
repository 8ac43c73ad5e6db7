/* SPDX-License-Identifier: MIT */
/* show: what people see: JSON lines, aligned facts, tables, the progress line, colours. */
#ifndef DHT_CLI_SHOW_H
#define DHT_CLI_SHOW_H

#include "cli.h"

/* Writes out what was printed. If that fails, nobody reads: the request that runs is interrupted.
 */
void show_flush(void);

/* Prints `object` on standard output as one line that starts with "schema":1. */
void show_json(json_t *object);
/* A failure as an object: `result`, as far as it is known (NULL: not at all), "error" and
 * "message". */
void show_failure(int error, const char *message, json_t *result);

/* "name      text": one aligned line. */
void show_fact(const struct cli *cli, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fields of an object, with a default for the missing. */
const char *show_text(json_t *object, const char *name);
double show_number(json_t *object, const char *name);
json_int_t show_integer(json_t *object, const char *name);
bool show_bool(json_t *object, const char *name);
/* An array of texts as "a, b", or `none`. The result lives until the next call. */
const char *show_list(json_t *array, const char *none);
/* A duration: "31.0 ms" from milliseconds, "5 min" from seconds; a number of things, "1 hop", "2
 * hops", from a field. The result lives for eight more calls of any of them. */
const char *show_ms(double ms);
const char *show_age(double seconds);
const char *show_count(json_t *object, const char *name, const char *thing);
/* Prints text of a stranger and a newline: all of its bytes, also behind a NUL. On a terminal,
 * control characters become '?'. */
void show_string(json_t *string);
/* The same for a record's value: JSON, text, or hex. */
void show_value(json_t *record);

enum show_kind { SHOW_TEXT, SHOW_NUMBER, SHOW_BOOL, SHOW_MS, SHOW_AGE };

struct show_column {
    const char *field;
    const char *header;
    enum show_kind kind;
};

/* An array of objects as an aligned table with a header, or, with cli->plain, as tab-separated raw
 * values without. */
void show_table(const struct cli *cli, json_t *rows, const struct show_column *columns,
                size_t n_columns);

/* The progress line on standard error; nothing unless cli->live. */
void show_progress(const struct cli *cli, json_t *fields);
void show_progress_end(const struct cli *cli);

/* How the walk went: "14 messages, 12 answered, 1 timed out, 3 hops, 31.0 ms". The result lives
 * until the next call. */
const char *show_walk(json_t *result);

#endif
