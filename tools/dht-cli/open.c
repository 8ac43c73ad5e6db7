/* SPDX-License-Identifier: MIT */
/*
 * Which node does the work. --control names a daemon's socket and nothing else will do; --ephemeral
 * asks for a node in this process; with neither, the daemon on the default socket is used if there
 * is one, and a short-lived node does the jobs that make sense without a daemon.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell/control_server.h"

#include "cli.h"
#include "client.h"
#include "show.h"

enum {
    JOIN_MS = 8000, /* for the first contact of a short-lived node: a few retries of a handshake */
    CONNECT_MS = 10000, /* for a daemon that has more to do than to take connections */
};

/* With --json as an object, too: whoever reads that finds every failure there. */
__attribute__((format(printf, 3, 4))) static void complain(const struct cli *cli, int error,
                                                           const char *format, ...) {
    char message[512];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    cli_complain("%s", message);
    if (cli->json)
        show_failure(error, message, NULL);
}

/* A file that is no identity is an error of the command line: 1 would say that nothing was found.
 */
static int exit_of_open(const struct cli *cli, int error) {
    bool bad_file = error == KITH_ENOT_FOUND || error == KITH_EPERMISSION ||
                    error == KITH_ECORRUPT || error == KITH_EVERSION;

    return cli->identity && bad_file ? CLI_USAGE : cli_exit_of(error);
}

static int open_ephemeral(struct cli *cli) {
    struct kith_error_info info = {0};
    struct client_node_options wanted = {
        .network = cli->network,
        .peers = cli->peers,
        .n_peers = cli->n_peers,
        .identity = cli->identity,
        .bootstrap = cli->bootstrap,
        .n_bootstrap = cli->n_bootstrap,
    };
    bool names_mainline = cli->swarm && strcmp(cli->swarm, "kith") != 0;
    int r;

    wanted.mainline_only = cli->command->flags & CLI_FLAG_MAINLINE ||
                           (cli->swarm && strcmp(cli->swarm, "mainline") == 0);
    wanted.mainline = wanted.mainline_only || names_mainline || cli->n_bootstrap;
    if (cli->command->flags & (CLI_FLAG_NETWORK | CLI_FLAG_DAEMON))
        wanted.join_ms = JOIN_MS;
    if (wanted.join_ms && cli->timeout_s > 0 && cli->timeout_s * 1e3 < JOIN_MS)
        wanted.join_ms = (uint64_t)(cli->timeout_s * 1e3);
    if (cli->command->run == cmd_id)
        wanted.join_ms = 0; /* known without anybody's help */
    if (cli->command->flags & CLI_FLAG_SIGNS && !cli->identity && !cli->quiet)
        fputs("signing with a throwaway key (--identity FILE to keep one, or start kithd)\n",
              stderr);
    r = client_open_node(&cli->client, &wanted, &info);
    if (r == KITH_ECANCELED && cli->json)
        show_failure(r, "interrupted", NULL);
    else if (r < 0 && r != KITH_ECANCELED)
        complain(cli, r, "%s", info.message[0] ? info.message : kith_strerror(r));
    return exit_of_open(cli, r);
}

static int unreachable(const struct cli *cli, const char *path,
                       const struct kith_error_info *info) {
    if (info->code == KITH_EPERMISSION) {
        complain(cli, info->code,
                 "%s: %s; run this as the user that the daemon runs as, or as root", path,
                 info->message);
        return CLI_NO_DAEMON;
    }
    complain(cli, info->code, "no daemon answers on %s: %s", path, info->message);
    fprintf(stderr, "Start one with `kithd`%s, or use --ephemeral --peer KEY@HOST:PORT.\n",
            " (or name its socket with --control PATH)");
    return CLI_NO_DAEMON;
}

int cli_open(struct cli *cli) {
    struct kith_error_info info = {0};
    const char *path = cli->control;
    char fallback[256];
    double connect_ms = cli->timeout_s > 0 ? cli->timeout_s * 1e3 : CONNECT_MS;
    int r;

    if (cli->client)
        return CLI_OK;
    client_catch_signals();
    if (cli->ephemeral)
        return open_ephemeral(cli);
    if (!path) {
        r = kith_control_default_path(fallback, sizeof(fallback));
        if (r < 0) {
            complain(cli, r, "the default control path is too long: give one with --control");
            return CLI_USAGE;
        }
        path = fallback;
    }
    r = client_open_socket(&cli->client, path, !cli->control, (uint64_t)connect_ms, &info);
    if (r == KITH_ECANCELED && cli->json)
        show_failure(r, "interrupted", NULL);
    if (r == 0 || r == KITH_ECANCELED)
        return cli_exit_of(r);
    if (r != KITH_EUNREACHABLE && r != KITH_EPERMISSION) {
        complain(cli, r, "%s", info.message[0] ? info.message : kith_strerror(r));
        return cli_exit_of(r);
    }
    if (cli->control || cli->command->flags & CLI_FLAG_DAEMON)
        return unreachable(cli, path, &info);
    if (!cli->quiet)
        fprintf(stderr, "no daemon on %s%s; asking with a short-lived node\n", path,
                r == KITH_EPERMISSION ? " that this user may ask" : "");
    return open_ephemeral(cli);
}
