/* SPDX-License-Identifier: MIT */
/*
 * Everything printed starts from the JSON of an answer, so the forms cannot disagree. Data goes to
 * standard output; the progress line goes to standard error, is redrawn in place and wiped before
 * anything else appears.
 */
#include "show.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "common/stdio_check.h"

enum {
    NAME_WIDTH = 14,
    CELL_SIZE = 160, /* wider than any field of the lists: a salt of 64 bytes is 128 hex digits */
    COLUMNS_MAX = 12,
    SHORT_SIZE = 32,
};

void show_flush(void) {
    if (stdio_check_flush() < 0)
        client_interrupted = SIGPIPE;
}

void show_json(json_t *object) {
    json_t *line = json_object();

    json_object_set_new(line, "schema", json_integer(1));
    json_object_update(line, object);
    json_dumpf(line, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    putchar('\n');
    show_flush();
    json_decref(line);
}

void show_failure(int error, const char *message, json_t *result) {
    json_t *object = result ? json_copy(result) : json_object();

    json_object_set_new(object, "error", json_string(kith_error_name(error)));
    json_object_set_new(object, "message", json_string(message));
    show_json(object);
    json_decref(object);
}

void show_fact(const struct cli *cli, const char *name, const char *format, ...) {
    va_list args;

    printf(cli->colour ? "\033[2m%-*s\033[0m" : "%-*s", NAME_WIDTH, name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

const char *show_text(json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

double show_number(json_t *object, const char *name) {
    return json_number_value(json_object_get(object, name));
}

json_int_t show_integer(json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

bool show_bool(json_t *object, const char *name) {
    return json_is_true(json_object_get(object, name));
}

const char *show_list(json_t *array, const char *none) {
    static char text[2048];
    size_t used = 0;

    if (json_array_size(array) == 0)
        return none;
    for (size_t i = 0; i < json_array_size(array) && used < sizeof(text) - 1; i++) {
        const char *item = json_string_value(json_array_get(array, i));
        int n =
            snprintf(text + used, sizeof(text) - used, "%s%s", i ? ", " : "", item ? item : "?");
        used += n > 0 ? (size_t)n : 0;
    }
    return text;
}

/* A ring of short texts, so that several may stand in one printf. */
static char *short_text(void) {
    static char texts[8][SHORT_SIZE];
    static unsigned next;

    return texts[next++ % 8];
}

const char *show_count(json_t *object, const char *name, const char *thing) {
    double n = show_number(object, name);
    char *text = short_text();

    snprintf(text, SHORT_SIZE, "%.0f %s%s", n, thing, n == 1 ? "" : "s");
    return text;
}

const char *show_ms(double ms) {
    char *text = short_text();

    if (ms < 0.9995)
        snprintf(text, SHORT_SIZE, "%.0f us", ms * 1e3);
    else if (ms < 999.95)
        snprintf(text, SHORT_SIZE, "%.1f ms", ms);
    else
        snprintf(text, SHORT_SIZE, "%.2f s", ms / 1e3);
    return text;
}

const char *show_age(double seconds) {
    static const struct {
        double from, unit;
        const char *name;
    } units[] = {{2 * 86400.0, 86400, "d"}, {2 * 3600.0, 3600, "h"}, {120, 60, "min"}, {1, 1, "s"}};
    char *text = short_text();

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (seconds >= units[i].from) {
            snprintf(text, SHORT_SIZE, "%.0f %s", seconds / units[i].unit, units[i].name);
            return text;
        }
    }
    return show_ms(seconds * 1e3);
}

static void blunt_text(char *text, size_t size) {
    if (!isatty(STDOUT_FILENO))
        return;
    for (size_t i = 0; i < size; i++) {
        if (((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t') || text[i] == 0x7f)
            text[i] = '?';
    }
}

void show_string(json_t *string) {
    size_t size = json_string_length(string);
    char *text = malloc(size + 1);

    if (text && size > 0) {
        memcpy(text, json_string_value(string), size);
        blunt_text(text, size);
        fwrite(text, 1, size, stdout);
    }
    free(text);
    putchar('\n');
}

void show_value(json_t *record) {
    json_t *value = json_object_get(record, "value");
    char *text;

    if (json_is_string(value)) {
        show_string(value);
        return;
    }
    text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;
    printf("%s\n", text ? text : show_text(record, "value_hex"));
    free(text);
}

/* ---- tables ---- */

static void raw_cell(json_t *value, char *cell) {
    if (json_is_string(value))
        snprintf(cell, CELL_SIZE, "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(cell, CELL_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(cell, CELL_SIZE, "%.3f", json_real_value(value));
    else if (json_is_boolean(value))
        snprintf(cell, CELL_SIZE, "%s", json_is_true(value) ? "yes" : "no");
    else if (json_is_array(value))
        snprintf(cell, CELL_SIZE, "%.159s", show_list(value, "-"));
    else
        snprintf(cell, CELL_SIZE, "-");
}

static void pretty_cell(json_t *value, enum show_kind kind, char *cell) {
    if ((kind == SHOW_MS || kind == SHOW_AGE) && json_is_number(value))
        snprintf(cell, CELL_SIZE, "%s",
                 kind == SHOW_MS ? show_ms(json_number_value(value))
                                 : show_age(json_number_value(value)));
    else
        raw_cell(value, cell);
}

/* A cell must stay one cell of one line. */
static void blunt(char *cell) {
    for (; *cell; cell++) {
        if ((unsigned char)*cell < ' ' || *cell == 0x7f)
            *cell = '?';
    }
}

/* Bytes that are no text have a name of their own, and are hex digits. */
static json_t *field_of(json_t *row, const char *name) {
    json_t *value = json_object_get(row, name);
    char hex_name[40];

    snprintf(hex_name, sizeof(hex_name), "%s_hex", name);
    return value ? value : json_object_get(row, hex_name);
}

static void cell_of(const struct cli *cli, json_t *row, const struct show_column *column,
                    char *cell) {
    json_t *value = field_of(row, column->field);

    if (cli->plain)
        raw_cell(value, cell);
    else
        pretty_cell(value, column->kind, cell);
    blunt(cell);
    if (cell[0] == '\0')
        snprintf(cell, CELL_SIZE, "-");
}

static void print_plain(const struct cli *cli, json_t *rows, const struct show_column *columns,
                        size_t n_columns) {
    char cell[CELL_SIZE];

    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (size_t j = 0; j < n_columns; j++) {
            cell_of(cli, json_array_get(rows, i), &columns[j], cell);
            printf("%s%s", j ? "\t" : "", cell);
        }
        putchar('\n');
    }
}

static bool is_left(const struct show_column *column) {
    return column->kind == SHOW_TEXT || column->kind == SHOW_BOOL;
}

static void print_cell(const struct show_column *column, size_t width, const char *cell,
                       bool last) {
    int padded = last && is_left(column) ? 0 : (int)width;

    printf(is_left(column) ? "%-*s%s" : "%*s%s", padded, cell, last ? "\n" : "  ");
}

void show_table(const struct cli *cli, json_t *rows, const struct show_column *columns,
                size_t n_columns) {
    size_t widths[COLUMNS_MAX] = {0};
    char cell[CELL_SIZE];

    if (cli->plain) {
        print_plain(cli, rows, columns, n_columns);
        return;
    }
    for (size_t j = 0; j < n_columns; j++) {
        widths[j] = strlen(columns[j].header);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            cell_of(cli, json_array_get(rows, i), &columns[j], cell);
            widths[j] = strlen(cell) > widths[j] ? strlen(cell) : widths[j];
        }
    }
    if (cli->colour)
        fputs("\033[2m", stdout);
    for (size_t j = 0; j < n_columns; j++)
        print_cell(&columns[j], widths[j], columns[j].header, j + 1 == n_columns);
    if (cli->colour)
        fputs("\033[0m", stdout);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (size_t j = 0; j < n_columns; j++) {
            cell_of(cli, json_array_get(rows, i), &columns[j], cell);
            print_cell(&columns[j], widths[j], cell, j + 1 == n_columns);
        }
    }
}

/* ---- progress ---- */

void show_progress(const struct cli *cli, json_t *fields) {
    if (!cli->live)
        return;
    fprintf(stderr, "\r%.0f candidates, %.0f answered, best %.0f bits away, %s\033[K",
            show_number(fields, "candidates"), show_number(fields, "answered"),
            show_number(fields, "distance_bits"), show_ms(show_number(fields, "total_ms")));
    fflush(stderr);
}

void show_progress_end(const struct cli *cli) {
    if (!cli->live)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}

const char *show_walk(json_t *result) {
    static char text[256];
    double timeouts = show_number(result, "timeouts");
    char lost[40] = "";

    if (timeouts > 0)
        snprintf(lost, sizeof(lost), ", %.0f timed out", timeouts);
    snprintf(text, sizeof(text), "%s, %.0f answered%s, %s, %s",
             show_count(result, "messages", "message"), show_number(result, "answered"), lost,
             show_count(result, "hops", "hop"), show_ms(show_number(result, "total_ms")));
    return text;
}
