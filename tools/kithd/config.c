/* SPDX-License-Identifier: MIT */
/*
 * The table below is the whole configuration language. Each row says where a key's value lives in
 * `struct config` (offsetof), so that parsing, suggesting and printing are one loop each and a new
 * key is one new row. Strings own their bytes; a value that equals "not set" (NULL, 0, false, empty
 * list) means the default; a boolean that is on by default is a KEY_SWITCH, which config_init()
 * turns on.
 *
 * inih calls back for each `key = value` and goes on after an error; the first error is kept, and
 * inih returns its line number, which completes the message "FILE:LINE: ...".
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shell/control_server.h"
#include "util/text.h"

#include "common/paths.h"
#include "common/suggest.h"

enum key_kind {
    KEY_TEXT,
    KEY_SECRET,
    KEY_LIST,
    KEY_BOOL,
    KEY_SWITCH,
    KEY_COUNT,
    KEY_PACE,
    KEY_LEVEL,
    KEY_FORMAT,
};

struct key {
    const char *section;
    const char *name;
    enum key_kind kind;
    size_t offset;
    const char *fallback; /* how the default is shown */
    const char *help;
};

#define AT(field) offsetof(struct config, field)
#define LIMIT(field) offsetof(struct config, limits.field)

static const struct key keys[] = {
    {"node", "data_dir", KEY_TEXT, AT(data_dir), "",
     "identity, records and the address book are kept here"},
    {"node", "network", KEY_TEXT, AT(network), "kith", "nodes of different networks never mix"},
    {"node", "network_secret", KEY_SECRET, AT(network_secret), "",
     "64 hex digits or a file with them: only nodes that know it can join"},
    {"node", "listen", KEY_LIST, AT(listen), "0.0.0.0:7700",
     "ADDR:PORT, repeatable; port 0 is any free port; without a line, [::]:7700 as well"},
    {"node", "control", KEY_TEXT, AT(control), "", "path of the control socket"},
    {"node", "capabilities", KEY_TEXT, AT(capabilities), "{}",
     "a JSON object published in the peer record, 400 bytes at most as msgpack"},
    {"node", "coupling", KEY_PACE, AT(coupling), "0.70710678",
     "contacts are revisited every 10/coupling seconds, clean-up runs every 50/coupling"},
    {"node", "damping", KEY_PACE, AT(damping), "0.70710678",
     "live peers are asked for others every 10/damping seconds"},
    {"bootstrap", "peer", KEY_LIST, AT(peers), "",
     "KEY@HOST:PORT or HOST:PORT, repeatable; tried at once"},
    {"bootstrap", "seed", KEY_LIST, AT(seeds), "", "the same, tried when too few others answer"},
    {"bootstrap", "seeds", KEY_TEXT, AT(seeds_file), "",
     "a file with one seed a line; read again on SIGHUP"},
    {"lan", "enabled", KEY_SWITCH, AT(lan), "yes",
     "find peers on the local network, through Avahi"},
    {"lan", "hide_key", KEY_BOOL, AT(lan_hide_key), "no",
     "announce this node without its key: peers learn it by asking"},
    {"lan", "allow", KEY_LIST, AT(lan_allow), "",
     "interface, '*' matches anything, repeatable: use these only; none: all but virtual ones"},
    {"lan", "deny", KEY_LIST, AT(lan_deny), "", "interface, repeatable: not these either"},
    {"mainline", "enabled", KEY_BOOL, AT(mainline), "no",
     "take part in the BitTorrent Mainline DHT, the public swarm"},
    {"mainline", "bootstrap", KEY_LIST, AT(mainline_bootstrap), "",
     "HOST:PORT, repeatable: join through these instead of the public routers"},
    {"mainline", "rendezvous", KEY_SWITCH, AT(mainline_rendezvous), "yes",
     "meet nodes of this kith network there; a network with a secret never does"},
    {"mainline", "enforce_ids", KEY_BOOL, AT(mainline_enforce_ids), "no",
     "store only on nodes whose id fits their address (BEP 42)"},
    {"mainline", "queries_per_s", KEY_COUNT, AT(mainline_queries), "100",
     "questions of ours there"},
    {"limits", "sessions", KEY_COUNT, LIMIT(sessions), "16384", "encrypted sessions kept"},
    {"limits", "sessions_per_prefix", KEY_COUNT, LIMIT(sessions_per_prefix), "256",
     "of these, per IPv4 /24 or IPv6 /56"},
    {"limits", "records", KEY_COUNT, LIMIT(records), "65536", "records held for others"},
    {"limits", "record_bytes", KEY_COUNT, LIMIT(record_bytes), "67108864", "bytes of these"},
    {"limits", "records_per_prefix", KEY_COUNT, LIMIT(records_per_prefix), "4096",
     "of these, per IPv4 /24 or IPv6 /56"},
    {"limits", "topic_peers", KEY_COUNT, LIMIT(topic_peers), "256", "announcements held per topic"},
    {"limits", "ops", KEY_COUNT, LIMIT(ops), "256", "operations of ours running at once"},
    {"limits", "handshakes_per_s", KEY_COUNT, LIMIT(handshakes_per_s), "2000",
     "session initiations served; faster than half of it, with a cookie only"},
    {"limits", "unlimited", KEY_BOOL, AT(unlimited), "no",
     "no answer budgets: benchmarks on loopback only"},
    {"http", "listen", KEY_TEXT, AT(http_listen), "",
     "ADDR:PORT of metrics and status page (not in this version)"},
    {"log", "level", KEY_LEVEL, AT(log_level), "info",
     "error, warn, info or debug; read again on SIGHUP"},
    {"log", "format", KEY_FORMAT, AT(log_format), "text", "text, or json: one object a line"},
};

enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

static void *field_of(struct config *config, const struct key *key) {
    return (char *)config + key->offset;
}

static const void *const_field_of(const struct config *config, const struct key *key) {
    return (const char *)config + key->offset;
}

void config_init(struct config *config) {
    *config = (struct config){0};
    for (size_t i = 0; i < N_KEYS; i++) {
        if (keys[i].kind == KEY_SWITCH)
            *(bool *)field_of(config, &keys[i]) = true;
    }
}

void config_clear_list(struct config_list *list) {
    for (size_t i = 0; i < list->n_items; i++)
        free(list->items[i]);
    list->n_items = 0;
}

static bool is_text(enum key_kind kind) {
    return kind == KEY_TEXT || kind == KEY_SECRET || kind == KEY_LEVEL || kind == KEY_FORMAT;
}

void config_deinit(struct config *config) {
    for (size_t i = 0; i < N_KEYS; i++) {
        void *field = field_of(config, &keys[i]);
        if (keys[i].kind == KEY_LIST) {
            config_clear_list(field);
        } else if (is_text(keys[i].kind)) {
            char *text = *(char **)field;
            if (text && keys[i].kind == KEY_SECRET)
                sodium_memzero(text, strlen(text));
            free(text);
        }
    }
    free(config->file);
    config_init(config);
}

/* ---- one value ---- */

static int set_text(char **field, const char *value) {
    char *copy = strdup(value);

    if (!copy)
        return -1;
    free(*field);
    *field = copy;
    return 0;
}

static int set_bool(bool *field, const char *value) {
    static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false",
                                                                                "off", "0"};

    for (size_t i = 0; i < 4; i++) {
        if (strcasecmp(value, yes[i]) == 0 || strcasecmp(value, no[i]) == 0) {
            *field = strcasecmp(value, yes[i]) == 0;
            return 0;
        }
    }
    return -1;
}

static int set_count(uint32_t *field, const char *value) {
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end || errno || number == 0 || number > UINT32_MAX)
        return -1;
    *field = (uint32_t)number;
    return 0;
}

static int set_pace(double *field, const char *value) {
    char *end;
    double number = strtod(value, &end);

    if (value[0] < '0' || value[0] > '9' || *end || !(number >= 0.01 && number <= 100))
        return -1;
    *field = number;
    return 0;
}

/* What was wrong, where it was not the value. */
static const char no_memory[] = "out of memory";

static const char *set_list(struct config_list *list, const char *value) {
    if (list->n_items == CONFIG_LIST_MAX)
        return "at most 64 of these";
    list->items[list->n_items] = strdup(value);
    if (!list->items[list->n_items])
        return no_memory;
    list->n_items++;
    return NULL;
}

static bool one_of(const char *value, const char *const *words) {
    for (; *words; words++) {
        if (strcmp(value, *words) == 0)
            return true;
    }
    return false;
}

/* Sets one key; on failure returns what would have been right. */
static const char *set_key(struct config *config, const struct key *key, const char *value) {
    static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
    static const char *const formats[] = {"text", "json", NULL};
    void *field = field_of(config, key);

    switch (key->kind) {
    case KEY_LEVEL:
        if (!one_of(value, levels))
            return "error, warn, info or debug";
        break;
    case KEY_FORMAT:
        if (!one_of(value, formats))
            return "text or json";
        break;
    case KEY_PACE:
        return set_pace(field, value) < 0 ? "a number from 0.01 to 100" : NULL;
    case KEY_BOOL:
    case KEY_SWITCH:
        return set_bool(field, value) < 0 ? "yes or no" : NULL;
    case KEY_COUNT:
        return set_count(field, value) < 0 ? "a number from 1 to 4294967295" : NULL;
    case KEY_LIST:
        if (value[0] == '\0')
            return "a value";
        return set_list(field, value);
    case KEY_TEXT:
    case KEY_SECRET:
        break;
    }
    if (value[0] == '\0')
        return "a value";
    return set_text(field, value) < 0 ? no_memory : NULL;
}

static const struct key *find_key(const char *section, const char *name) {
    for (size_t i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

static bool is_section(const char *section) {
    for (size_t i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].section, section) == 0)
            return true;
    }
    return false;
}

/* "unknown key 'netwrok' in [node]; did you mean 'network'?" */
static void explain_unknown(const char *section, const char *name, char *error, size_t size) {
    struct suggest suggest;
    bool known = is_section(section);
    const char *elsewhere = NULL;
    int n;

    suggest_init(&suggest, known ? name : section);
    for (size_t i = 0; i < N_KEYS; i++) {
        if (!known)
            suggest_offer(&suggest, keys[i].section);
        else if (strcmp(keys[i].section, section) == 0)
            suggest_offer(&suggest, keys[i].name);
        if (strcmp(keys[i].name, name) == 0)
            elsewhere = keys[i].section;
    }
    if (known)
        n = snprintf(error, size, "unknown key '%s' in [%s]", name, section);
    else
        n = snprintf(error, size, "unknown section [%s]", section);
    if (n < 0 || (size_t)n >= size)
        return;
    if (suggest.best)
        snprintf(error + n, size - (size_t)n,
                 known ? "; did you mean '%s'?" : "; did you mean [%s]?", suggest.best);
    else if (elsewhere)
        snprintf(error + n, size - (size_t)n, "; '%s' belongs in [%s]", name, elsewhere);
}

int config_set(struct config *config, const char *section, const char *name, const char *value,
               char error[CONFIG_ERROR_SIZE]) {
    const struct key *key = find_key(section, name);
    const char *wanted;

    if (!key) {
        explain_unknown(section, name, error, CONFIG_ERROR_SIZE);
        return -1;
    }
    wanted = set_key(config, key, value);
    if (!wanted)
        return 0;
    if (wanted == no_memory) {
        snprintf(error, CONFIG_ERROR_SIZE, "%s", no_memory);
        return -1;
    }
    /* A secret does not go into a log, not even a mistyped one. */
    snprintf(error, CONFIG_ERROR_SIZE, "[%s] %s = '%.100s': expected %s", section, name,
             key->kind == KEY_SECRET ? "..." : value, wanted);
    return -1;
}

/* ---- the file ---- */

enum {
    LINE_MAX_SIZE = 198, /* inih's */
};

struct reading {
    struct config *config;
    FILE *file;
    int line;            /* that was read last */
    const char *refused; /* why no more lines are read; NULL: they are */
    char error[CONFIG_ERROR_SIZE / 2];
};

/* A line for inih, as fgets() would: but inih would take the rest of one that is too long for the
 * next line, what follows a NUL for nothing, and an indented key for more of the value before. */
static char *read_line(char *out, int size, void *stream) {
    struct reading *reading = stream;
    int n = 0;
    int c = 0;

    while (n < size - 1 && c != '\n' && (c = getc(reading->file)) != EOF) {
        if (n == 0 && c != '\n' && isspace(c))
            continue;
        reading->refused = c == 0 ? "contains a NUL byte" : reading->refused;
        out[n++] = (char)c;
    }
    if (n == 0)
        return NULL;
    reading->line++;
    out[n] = '\0';
    if (n > LINE_MAX_SIZE && c != '\n') {
        if (strchr("#;", out[0]) == NULL)
            reading->refused = "the line is longer than 198 bytes";
        while (c != '\n' && c != EOF) /* of a comment */
            c = getc(reading->file);
    }
    return reading->refused ? NULL : out;
}

/* inih: 1 is success. */
static int on_key(void *user, const char *section, const char *name, const char *value) {
    struct reading *reading = user;
    char error[CONFIG_ERROR_SIZE];

    if (reading->error[0])
        return 0;
    if (config_set(reading->config, section, name, value ? value : "", error) == 0)
        return 1;
    snprintf(reading->error, sizeof(reading->error), "%.255s", error);
    return 0;
}

int config_read(struct config *config, const char *path, char error[CONFIG_ERROR_SIZE]) {
    struct reading reading = {.config = config};
    int line;

    if (set_text(&config->file, path) < 0) {
        snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
        return -1;
    }
    reading.file = fopen(path, "re");
    if (reading.file == NULL) {
        snprintf(error, CONFIG_ERROR_SIZE, "%.200s: %s", path, strerror(errno));
        return -1;
    }
    line = ini_parse_stream(read_line, &reading, on_key, &reading);
    bool failed = ferror(reading.file) != 0; /* a directory, say */
    int reason = errno;
    fclose(reading.file);
    if (line == 0 && !failed && reading.refused == NULL)
        return 0;
    if (line < 0 || (line == 0 && failed))
        snprintf(error, CONFIG_ERROR_SIZE, "%.200s: %s", path,
                 line < 0 ? "out of memory" : strerror(reason));
    else if (line == 0)
        snprintf(error, CONFIG_ERROR_SIZE, "%.200s:%d: %s", path, reading.line, reading.refused);
    else
        snprintf(error, CONFIG_ERROR_SIZE, "%.200s:%d: %s", path, line,
                 reading.error[0] ? reading.error : "expected [section] or key = value");
    return -1;
}

/* ---- defaults that depend on the user ---- */

static int complete_seeds(struct config *config) {
    char path[4200];
    FILE *file;

    if (config->seeds_file)
        return 0;
    snprintf(path, sizeof(path), "%s/seeds", config->data_dir);
    file = fopen(path, "re");
    if (!file)
        return 0;
    fclose(file);
    config->seeds_file_is_default = true;
    return set_text(&config->seeds_file, path);
}

int config_complete(struct config *config, char error[CONFIG_ERROR_SIZE]) {
    char path[4096];

    error[0] = '\0';
    if (!config->data_dir) {
        if (paths_data_dir(path, sizeof(path)) < 0) {
            snprintf(error, CONFIG_ERROR_SIZE,
                     "no home directory: say where to keep data with -d DIR");
            return -1;
        }
        if (set_text(&config->data_dir, path) < 0)
            return -1;
        config->data_dir_is_default = true;
    }
    if (!config->control) {
        if (kith_control_default_path(path, sizeof(path)) < 0) {
            snprintf(error, CONFIG_ERROR_SIZE,
                     "the default control path is too long: give a shorter one with --control");
            return -1;
        }
        if (set_text(&config->control, path) < 0)
            return -1;
        config->control_is_default = true;
    }
    if (strlen(config->control) > PATHS_SOCKET_MAX) {
        snprintf(error, CONFIG_ERROR_SIZE,
                 "control path '%.200s' has %zu bytes, a Unix socket's path may have %d: "
                 "give a shorter one with --control",
                 config->control, strlen(config->control), PATHS_SOCKET_MAX);
        return -1;
    }
    return complete_seeds(config);
}

int config_secret(const struct config *config, uint8_t ret_secret[32],
                  char error[CONFIG_ERROR_SIZE]) {
    char *text = NULL;
    size_t size, column;
    int r;

    if (!config->network_secret)
        return 1;
    if (kith_hex_decode(config->network_secret, strlen(config->network_secret), ret_secret, 32) ==
        0)
        return 0;
    r = paths_read(config->network_secret, 256, &text, &size);
    if (r < 0) {
        snprintf(error, CONFIG_ERROR_SIZE,
                 "[node] network_secret is neither 64 hex digits nor a readable file (%s)",
                 strerror(-r));
        return -1;
    }
    column = kith_hex_decode(text, strcspn(text, " \t\r\n"), ret_secret, 32);
    sodium_memzero(text, size);
    free(text);
    if (column == 0)
        return 0;
    snprintf(error, CONFIG_ERROR_SIZE, "%.200s: column %zu: expected 64 hex digits",
             config->network_secret, column);
    return -1;
}

/* ---- printing ---- */

static bool is_default(const struct config *config, const char *const *field) {
    return (config->data_dir_is_default && *field == config->data_dir) ||
           (config->control_is_default && *field == config->control) ||
           (config->seeds_file_is_default && *field == config->seeds_file);
}

/* Whether a line of a file can say it: such a value came from the command line. */
static bool is_sayable(const char *name, const char *value) {
    size_t size = strlen(value);

    if (strlen(name) + strlen("=") + size > LINE_MAX_SIZE || isspace((unsigned char)value[0]) ||
        isspace((unsigned char)value[size - 1]))
        return false;
    for (const char *at = value; *at; at++) {
        if ((isspace((unsigned char)*at) && at[1] == ';') || *at == '\n')
            return false;
    }
    return true;
}

/* A blank before a semicolon would make a comment of the value. */
static void print_text(const char *prefix, const char *name, const char *value) {
    size_t spaced = strlen(name) + strlen(" = ") + strlen(value);
    if (!is_sayable(name, value))
        printf("# %s = (set, but a file cannot say it)\n", name);
    else if (spaced > LINE_MAX_SIZE) /* as it can be read again */
        printf("%s%s=%s\n", prefix, name, value);
    else
        printf("%s%s =%s%s\n", prefix, name, value[0] == ';' ? "" : " ", value);
}

static void print_key(const struct config *config, const struct key *key) {
    const void *field = const_field_of(config, key);
    bool set = false;

    printf("# %s\n", key->help);
    switch (key->kind) {
    case KEY_LIST: {
        const struct config_list *list = field;
        for (size_t i = 0; i < list->n_items; i++)
            print_text("", key->name, list->items[i]);
        set = list->n_items > 0;
        break;
    }
    case KEY_BOOL:
        set = *(const bool *)field;
        if (set)
            printf("%s = yes\n", key->name);
        break;
    case KEY_SWITCH:
        set = !*(const bool *)field;
        if (set)
            printf("%s = no\n", key->name);
        break;
    case KEY_PACE:
        set = *(const double *)field > 0;
        if (set)
            printf("%s = %.10g\n", key->name, *(const double *)field);
        break;
    case KEY_COUNT:
        set = *(const uint32_t *)field != 0;
        if (set)
            printf("%s = %u\n", key->name, *(const uint32_t *)field);
        break;
    case KEY_SECRET:
        set = *(char *const *)field != NULL;
        if (set)
            printf("# %s = (set, not shown)\n", key->name);
        break;
    case KEY_TEXT:
    case KEY_LEVEL:
    case KEY_FORMAT:
        set = *(char *const *)field != NULL;
        if (set)
            print_text(is_default(config, field) ? "# " : "", key->name,
                       *(const char *const *)field);
        break;
    }
    if (!set)
        printf("# %s = %s\n", key->name, key->fallback);
}

void config_print(const struct config *config) {
    const char *section = "";

    for (size_t i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].section, section) != 0) {
            printf("%s[%s]\n", i ? "\n" : "", keys[i].section);
            section = keys[i].section;
        }
        print_key(config, &keys[i]);
    }
}
