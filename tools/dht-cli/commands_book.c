/* SPDX-License-Identifier: MIT */
/* Whom the node knows and how to change that: the address book, bans, the local network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/control.h"

#include "request.h"
#include "show.h"

/* ---- lists ---- */

static void print_lan(struct cli *cli, json_t *result) {
    static const struct show_column columns[] = {
        {"key", "KEY", SHOW_TEXT},           {"endpoint", "ANSWERS AT", SHOW_TEXT},
        {"confirmed", "ANSWERS", SHOW_BOOL}, {"seen_s", "SEEN", SHOW_AGE},
        {"name", "NAME", SHOW_TEXT},         {"endpoints", "SAID TO BE AT", SHOW_TEXT},
    };
    const char *state = show_text(result, "state");

    show_table(cli, json_object_get(result, "peers"), columns,
               sizeof(columns) / sizeof(columns[0]));
    if (!cli->quiet && !cli->plain && strcmp(state, "on") != 0)
        fprintf(stderr, "LAN: %s\n", state);
}

int cmd_lan(struct cli *cli) {
    return cli_run_list(cli, "lan", "peers", print_lan);
}

static void print_book(struct cli *cli, json_t *result) {
    static const struct show_column columns[] = {
        {"key", "KEY", SHOW_TEXT},           {"endpoint", "ENDPOINT", SHOW_TEXT},
        {"table", "TABLE", SHOW_TEXT},       {"origin", "FROM", SHOW_TEXT},
        {"health", "HEALTH", SHOW_NUMBER},   {"attempts", "FAILS", SHOW_NUMBER},
        {"success_s", "ANSWERED", SHOW_AGE}, {"seen_s", "SEEN", SHOW_AGE},
        {"roles", "ROLES", SHOW_TEXT},
    };

    show_table(cli, json_object_get(result, "entries"), columns,
               sizeof(columns) / sizeof(columns[0]));
    if (!cli->quiet && !cli->plain)
        fprintf(stderr, "%.0f entr%s: %.0f tried, %.0f new, %.0f pinned; %s\n",
                show_number(result, "total"), show_number(result, "total") == 1 ? "y" : "ies",
                show_number(result, "tried"), show_number(result, "new"),
                show_number(result, "pinned"), show_count(result, "banned", "ban"));
}

int cmd_book(struct cli *cli) {
    return cli_run_list(cli, "book", "entries", print_book);
}

/* ---- add ---- */

static void print_added(struct cli *cli, json_t *result) {
    const char *key = show_text(result, "key");

    show_fact(cli, "added", "%s%s%s", key, *key ? "@" : "", show_text(result, "endpoint"));
    if (json_array_size(json_object_get(result, "roles")))
        show_fact(cli, "roles", "%s", show_list(json_object_get(result, "roles"), "-"));
}

int cmd_add(struct cli *cli) {
    const char *roles[3];
    size_t n_roles = 0;
    struct client_args args;
    char peer[REQUEST_PEER_SIZE];
    int status = request_peer(cli->args[0], peer);

    if (status)
        return status;
    if (!strchr(peer, ':')) {
        cli_complain("PEER: a key alone does not say where; expected KEY@HOST:PORT or HOST:PORT");
        return CLI_USAGE;
    }
    if (cli->persistent)
        roles[n_roles++] = "persistent";
    if (cli->unconditional)
        roles[n_roles++] = "unconditional";
    if (cli->private_role)
        roles[n_roles++] = "private";
    client_args_init(&args);
    client_args_text(&args, "peer", peer);
    client_args_texts(&args, "roles", roles, n_roles);
    return request_show(cli, "add", &args, print_added);
}

/* ---- bans ---- */

static void print_bans(struct cli *cli, json_t *result) {
    static const struct show_column columns[] = {
        {"banned", "BANNED", SHOW_TEXT},
        {"left_s", "LEFT", SHOW_AGE},
    };
    json_t *bans = json_object_get(result, "bans");

    for (size_t i = 0; i < json_array_size(bans); i++) {
        json_t *ban = json_array_get(bans, i);
        json_t *whom = json_object_get(ban, "key");
        json_object_set(ban, "banned", whom ? whom : json_object_get(ban, "prefix"));
        if (!cli->plain && json_is_null(json_object_get(ban, "left_s")))
            json_object_set_new(ban, "left_s", json_string("for ever"));
    }
    show_table(cli, bans, columns, sizeof(columns) / sizeof(columns[0]));
}

static const char *banned_text(json_t *result) {
    const char *key = show_text(result, "key");

    return *key ? key : show_text(result, "prefix");
}

static void print_banned(struct cli *cli, json_t *result) {
    json_t *left = json_object_get(result, "left_s");

    show_fact(cli, "banned", "%s", banned_text(result));
    show_fact(cli, "for", "%s", json_is_number(left) ? show_age(json_number_value(left)) : "ever");
}

static void print_unbanned(struct cli *cli, json_t *result) {
    show_fact(cli, "unbanned", "%s", banned_text(result));
}

/* KEY, ADDR or ADDR/BITS into the args. What has no '.', ':' or '/' can only be meant as a key. */
static int add_whom(struct cli *cli, struct client_args *args) {
    struct kith_error_info info = {0};
    struct kith_ban_info ban;
    char text[KITH_KEY_TEXT_SIZE];
    struct kith_key key;
    int status;

    if (!strpbrk(cli->args[0], ".:/")) {
        status = request_key(cli->args[0], &key, text);
        if (status == CLI_OK)
            client_args_text(args, "key", text);
        return status;
    }
    if (kith_ban_parse(cli->args[0], &ban, &info) < 0) {
        cli_complain("KEY|ADDR: %s", info.message);
        return CLI_USAGE;
    }
    client_args_text(args, "prefix", cli->args[0]);
    return CLI_OK;
}

int cmd_ban(struct cli *cli) {
    struct client_args args;
    int status;

    if (cli->n_args == 0 && cli->ban_s > 0) {
        cli_complain("ban: --for belongs to a ban: KEY, ADDR or ADDR/BITS is missing");
        return CLI_USAGE;
    }
    if (cli->n_args == 0)
        return cli_run_list(cli, "bans", "bans", print_bans);
    client_args_init(&args);
    status = add_whom(cli, &args);
    if (status) {
        client_args_deinit(&args);
        return status;
    }
    if (cli->ban_s > 0)
        client_args_int(&args, "seconds", cli->ban_s);
    return request_show(cli, "ban", &args, print_banned);
}

int cmd_unban(struct cli *cli) {
    struct client_args args;
    int status;

    client_args_init(&args);
    status = add_whom(cli, &args);
    if (status) {
        client_args_deinit(&args);
        return status;
    }
    return request_show(cli, "unban", &args, print_unbanned);
}
