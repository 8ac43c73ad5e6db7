/* SPDX-License-Identifier: MIT */
/* The node itself: what it is, what it knows, how it is; and identities, which need no node. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/paths.h"
#include "request.h"
#include "show.h"

/* A request without args whose result is printed. */
static int ask(struct cli *cli, const char *method,
               void (*print)(struct cli *cli, json_t *result)) {
    struct client_args args;

    client_args_init(&args);
    return request_show(cli, method, &args, print);
}

/* ---- id, status, stats ---- */

static void print_id(struct cli *cli, json_t *result) {
    json_t *endpoints = json_object_get(result, "endpoints"),
           *ids = json_object_get(result, "node_ids");

    show_fact(cli, "key", "%s", show_text(result, "key"));
    show_fact(cli, "node id", "%s", show_text(ids, "kith"));
    if (json_object_get(ids, "mainline4"))
        show_fact(cli, "in Mainline", "%s over IPv4", show_text(ids, "mainline4"));
    if (json_object_get(ids, "mainline6"))
        show_fact(cli, "in Mainline", "%s over IPv6", show_text(ids, "mainline6"));
    show_fact(cli, "network", "%s", show_text(result, "network"));
    show_fact(cli, "bound", "%s", show_list(json_object_get(endpoints, "bound"), "-"));
    show_fact(cli, "observed", "%s", show_list(json_object_get(endpoints, "observed"), "not yet"));
    show_fact(cli, "reachable", "%s", show_text(endpoints, "reachable"));
}

int cmd_id(struct cli *cli) {
    return ask(cli, "id", print_id);
}

static void print_mainline_family(struct cli *cli, json_t *family, const char *name) {
    json_t *size = json_object_get(family, "size_estimate");
    char estimate[64] = "";

    if (!json_is_object(family))
        return;
    if (json_is_number(size))
        snprintf(estimate, sizeof(estimate), "; about %.0f nodes, give or take %.0f%%",
                 json_number_value(size), 100 * show_number(family, "size_error"));
    show_fact(cli, name, "%s, %s in %s%s%s", show_bool(family, "ready") ? "joined" : "not joined",
              show_count(family, "nodes", "contact"), show_count(family, "depth", "bucket"),
              show_bool(family, "read_only") ? ", read-only" : "", estimate);
    show_fact(cli, "", "%.0f info-hash%s, %s held; seen at %s, %.0f asked",
              show_number(family, "torrents"), show_number(family, "torrents") == 1 ? "" : "es",
              show_count(family, "peers", "peer"),
              json_is_string(json_object_get(family, "observed")) ? show_text(family, "observed")
                                                                  : "(not yet known)",
              show_number(family, "votes"));
}

static void print_mainline(struct cli *cli, json_t *mainline) {
    if (!show_bool(mainline, "on")) {
        show_fact(cli, "Mainline", "off");
        return;
    }
    show_fact(cli, "Mainline", "reachable: %s; %s held", show_text(mainline, "reachable"),
              show_count(mainline, "items", "item"));
    print_mainline_family(cli, json_object_get(mainline, "v4"), "  over IPv4");
    print_mainline_family(cli, json_object_get(mainline, "v6"), "  over IPv6");
}

static void print_status(struct cli *cli, json_t *result) {
    json_t *kith = json_object_get(json_object_get(result, "nodes"), "kith");
    json_t *rtt = json_object_get(result, "rtt_ms"),
           *size = json_object_get(result, "size_estimate"),
           *book = json_object_get(result, "book");

    show_fact(cli, "key", "%s", show_text(result, "key"));
    show_fact(cli, "network", "%s, %s", show_text(result, "network"),
              show_bool(result, "ready") ? "joined" : "not joined");
    show_fact(cli, "up", "%s", show_age(show_number(result, "uptime_s")));
    show_fact(cli, "contacts", "%.0f over IPv4, %.0f over IPv6", show_number(kith, "v4"),
              show_number(kith, "v6"));
    show_fact(cli, "LAN", "%s; %s", show_count(result, "lan_peers", "peer"),
              show_text(result, "lan"));
    show_fact(cli, "book", "%.0f tried, %.0f new, %.0f pinned; %s", show_number(book, "tried"),
              show_number(book, "new"), show_number(book, "pinned"),
              show_count(book, "banned", "ban"));
    if (json_is_number(size) && json_number_value(size) > 0)
        show_fact(cli, "network size", "about %.0f nodes", json_number_value(size));
    if (json_is_number(rtt))
        show_fact(cli, "round trip", "%s", show_ms(json_number_value(rtt)));
    show_fact(cli, "reachable", "%s", show_text(result, "reachable"));
    show_fact(cli, "records", "%.0f held for others, %.0f own", show_number(result, "records"),
              show_number(result, "own_records"));
    show_fact(cli, "sessions", "%.0f", show_number(result, "sessions"));
    print_mainline(cli, json_object_get(result, "mainline"));
}

int cmd_status(struct cli *cli) {
    return ask(cli, "status", print_status);
}

static void print_stats(struct cli *cli, json_t *result) {
    const char *name;
    json_t *value;

    json_object_foreach(result, name, value) {
        if (json_is_integer(value))
            printf("%-24s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
        else if (json_is_real(value))
            printf("%-24s %.3f\n", name, json_real_value(value));
    }
}

int cmd_stats(struct cli *cli) {
    return ask(cli, "stats", print_stats);
}

/* ---- lists ---- */

enum {
    PAGES_MAX = 64, /* of a list: more than any node holds */
};

/* Leaves the peers that have the capability asked for. */
static void keep_capable(const struct cli *cli, json_t *peers) {
    for (size_t i = json_array_size(peers); i-- > 0;) {
        const json_t *can = json_object_get(json_array_get(peers, i), "capabilities");
        if (!json_object_get(can, cli->capability))
            json_array_remove(peers, i);
    }
}

/* One more page of `list` behind those in `result`. Returns an exit status; 0 and nothing new at
 * the end. */
static int next_page(struct cli *cli, const char *method, const char *list, json_t *result) {
    json_t *rows = json_object_get(result, list);
    struct client_reply reply;
    struct client_args args;
    int status;

    client_args_init(&args);
    client_args_int(&args, "offset", (int64_t)json_array_size(rows));
    status = request_run(cli, method, &args, NULL, NULL, &reply);
    if (status == CLI_OK)
        json_array_extend(rows, json_object_get(reply.result, list));
    client_reply_deinit(&reply);
    return status;
}

int cli_run_list(struct cli *cli, const char *method, const char *list,
                 void (*print)(struct cli *cli, json_t *result)) {
    struct client_reply reply;
    struct client_args args;
    int status;

    client_args_init(&args);
    status = request_run(cli, method, &args, NULL, NULL, &reply);
    for (unsigned i = 0; status == CLI_OK && i < PAGES_MAX; i++) {
        size_t n = json_array_size(json_object_get(reply.result, list));
        if ((double)n >= show_number(reply.result, "total"))
            break;
        status = next_page(cli, method, list, reply.result);
        if (json_array_size(json_object_get(reply.result, list)) == n)
            break;
    }
    if (status == CLI_OK && cli->capability)
        keep_capable(cli, json_object_get(reply.result, list));
    if (status == CLI_OK && cli->json)
        show_json(reply.result);
    else if (status == CLI_OK)
        print(cli, reply.result);
    client_reply_deinit(&reply);
    return status;
}

static void print_peers(struct cli *cli, json_t *result) {
    static const struct show_column columns[] = {
        {"key", "KEY", SHOW_TEXT},          {"endpoint", "ENDPOINT", SHOW_TEXT},
        {"rtt_ms", "RTT", SHOW_MS},         {"seen_s", "SEEN", SHOW_AGE},
        {"failures", "FAILS", SHOW_NUMBER}, {"bucket", "BUCKET", SHOW_NUMBER},
    };
    show_table(cli, json_object_get(result, "peers"), columns,
               sizeof(columns) / sizeof(columns[0]));
}

static void print_table(struct cli *cli, json_t *result) {
    static const struct show_column columns[] = {
        {"bucket", "BUCKET", SHOW_NUMBER},  {"live", "LIVE", SHOW_BOOL},
        {"key", "KEY", SHOW_TEXT},          {"endpoint", "ENDPOINT", SHOW_TEXT},
        {"rtt_ms", "RTT", SHOW_MS},         {"seen_s", "SEEN", SHOW_AGE},
        {"failures", "FAILS", SHOW_NUMBER}, {"node_id", "NODE ID", SHOW_TEXT},
    };
    show_table(cli, json_object_get(result, "table"), columns,
               sizeof(columns) / sizeof(columns[0]));
}

static void print_records(struct cli *cli, json_t *result) {
    static const struct show_column columns[] = {
        {"point", "POINT", SHOW_TEXT},      {"mutable", "MUTABLE", SHOW_BOOL},
        {"own", "OWN", SHOW_BOOL},          {"seq", "SEQ", SHOW_NUMBER},
        {"size", "SIZE", SHOW_NUMBER},      {"age_s", "AGE", SHOW_AGE},
        {"expires_s", "EXPIRES", SHOW_AGE}, {"key", "KEY", SHOW_TEXT},
        {"salt", "SALT", SHOW_TEXT},
    };
    show_table(cli, json_object_get(result, "records"), columns,
               sizeof(columns) / sizeof(columns[0]));
}

static void print_sessions(struct cli *cli, json_t *result) {
    static const struct show_column columns[] = {
        {"key", "KEY", SHOW_TEXT},
        {"endpoint", "ENDPOINT", SHOW_TEXT},
        {"initiator", "OURS", SHOW_BOOL},
        {"established", "ESTABLISHED", SHOW_BOOL},
        {"confirmed", "CONFIRMED", SHOW_BOOL},
        {"age_s", "AGE", SHOW_AGE},
        {"idle_s", "IDLE", SHOW_AGE},
        {"tx", "SENT", SHOW_NUMBER},
        {"rx", "RECEIVED", SHOW_NUMBER},
    };
    show_table(cli, json_object_get(result, "sessions"), columns,
               sizeof(columns) / sizeof(columns[0]));
}

int cmd_peers(struct cli *cli) {
    return cli_run_list(cli, "peers", "peers", print_peers);
}

int cmd_table(struct cli *cli) {
    return cli_run_list(cli, "table", "table", print_table);
}

int cmd_records(struct cli *cli) {
    return cli_run_list(cli, "records", "records", print_records);
}

int cmd_sessions(struct cli *cli) {
    return cli_run_list(cli, "sessions", "sessions", print_sessions);
}

/* ---- identities ---- */

static int identity_failed(int error, const char *path, const struct kith_error_info *info) {
    cli_complain("%s", info->message[0] ? info->message : path);
    switch (error) {
    case KITH_EEXISTS:
    case KITH_EPERMISSION:
    case KITH_ECORRUPT:
        return CLI_USAGE;
    case KITH_ENOT_FOUND:
        return CLI_NOT_FOUND;
    default:
        return CLI_INTERNAL;
    }
}

static void print_identity(struct cli *cli, const struct kith_key *key, const char *path) {
    char text[KITH_KEY_TEXT_SIZE];

    kith_key_format(key, text);
    if (cli->json) {
        json_t *object = json_pack("{s:s, s:s}", "key", text, "file", path);
        show_json(object);
        json_decref(object);
    } else {
        printf("%s\n", text);
    }
}

/* Without FILE: the identity that this user's kithd will use. */
static int default_identity(char *path, size_t size) {
    size_t length;
    int r;

    if (paths_data_dir(path, size) < 0) {
        cli_complain("no home directory: give a FILE");
        return CLI_USAGE;
    }
    r = paths_make_dir(path);
    if (r < 0) {
        cli_complain("%s: %s", path, strerror(-r));
        return CLI_INTERNAL;
    }
    length = strlen(path);
    snprintf(path + length, size - length, "/identity.key");
    return CLI_OK;
}

int cmd_keygen(struct cli *cli) {
    struct kith_error_info info = {0};
    struct kith_key key;
    char path[4096];
    const char *file = cli->n_args ? cli->args[0] : path;
    int r;

    if (cli->n_args == 0) {
        int status = default_identity(path, sizeof(path));
        if (status)
            return status;
    }
    if (sodium_init() < 0)
        return CLI_INTERNAL;
    r = kith_identity_create(file, &key, &info);
    if (r < 0)
        return identity_failed(r, file, &info);
    print_identity(cli, &key, file);
    if (cli->n_args == 0 && !cli->quiet)
        fprintf(stderr, "secret key in %s\n", file);
    return CLI_OK;
}

int cmd_key(struct cli *cli) {
    struct kith_error_info info = {0};
    struct kith_key key;
    int r;

    if (sodium_init() < 0)
        return CLI_INTERNAL;
    r = kith_identity_load(cli->args[0], NULL, &key, &info);
    if (r < 0)
        return identity_failed(r, cli->args[0], &info);
    print_identity(cli, &key, cli->args[0]);
    return CLI_OK;
}
