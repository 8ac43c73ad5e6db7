/* SPDX-License-Identifier: MIT */
/* cli: what the command line said, the commands, and the exit status they end with. */
#ifndef DHT_CLI_CLI_H
#define DHT_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kith/kith.h"

/* A contract: scripts test for these. */
enum cli_exit {
    CLI_OK = 0,
    CLI_NOT_FOUND = 1,
    CLI_USAGE = 2,
    CLI_NO_NETWORK = 3, /* or timed out */
    CLI_VERIFY = 4,
    CLI_NO_DAEMON = 5,
    CLI_CONFLICT = 6, /* newer seq, or CAS mismatch */
    CLI_QUORUM = 7,
    CLI_INTERNAL = 70,
    CLI_INTERRUPTED = 130,
};

enum {
    CLI_PEERS_MAX = 64,
    CLI_ARGS_MAX = 8,
};

struct cli_command;
struct client;

struct cli {
    /* global options */
    const char *control;
    bool ephemeral;
    const char *peers[CLI_PEERS_MAX];
    size_t n_peers;
    const char *bootstrap[CLI_PEERS_MAX]; /* of Mainline */
    size_t n_bootstrap;
    const char *network;
    const char *identity;
    bool json;
    bool quiet;
    bool help, version;
    double timeout_s; /* 0: the command's default */
    /* options of single commands */
    const char *salt; /* NULL: not given */
    bool has_seq, has_cas;
    int64_t seq, cas;
    uint32_t count; /* 0: default */
    bool all, raw, immutable, json_value, plain;
    bool persistent, unconditional, private_role;
    int64_t ban_s;          /* 0: for ever */
    const char *capability; /* NULL: any */
    const char *swarm;      /* "kith", "mainline", "both"; NULL: the command's default */
    uint16_t port;          /* 0: not given */
    /* the command and its arguments */
    const struct cli_command *command;
    const char *args[CLI_ARGS_MAX];
    size_t n_args;
    /* while it runs */
    struct client *client;
    bool live;   /* standard error shows a progress line */
    bool colour; /* standard output may be coloured */
};

enum {
    CLI_FLAG_LOCAL = 1u << 0,    /* needs neither daemon nor node */
    CLI_FLAG_DAEMON = 1u << 1,   /* about a running node: no silent short-lived one */
    CLI_FLAG_NETWORK = 1u << 2,  /* a short-lived node must have joined first */
    CLI_FLAG_SIGNS = 1u << 3,    /* uses the node's own key */
    CLI_FLAG_GROUP = 1u << 4,    /* the next word completes its name */
    CLI_FLAG_MAINLINE = 1u << 5, /* in the public swarm alone */
    CLI_FLAG_VALUE = 1u << 6,    /* its argument is data, not the name of something */
};

struct cli_command {
    const char *name;
    const char *synopsis; /* arguments and options */
    const char *help;     /* one line */
    const char *details;  /* more, for `help COMMAND`; may be NULL */
    unsigned min_args, max_args;
    unsigned flags;
    int (*run)(struct cli *cli); /* returns an enum cli_exit */
};

/* Says "dht-cli: ..." on standard error. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* open.c: connects to the node unless that has happened. Called once the arguments are known to be
 * good, so that a typo is found before anything is opened. Complains; returns an exit status. */
int cli_open(struct cli *cli);
/* The exit status of a library error. */
int cli_exit_of(int error);

/* commands.c: the main jobs */
int cmd_lookup(struct cli *cli);
int cmd_get(struct cli *cli);
int cmd_put(struct cli *cli);
int cmd_announce(struct cli *cli);
int cmd_unannounce(struct cli *cli);
int cmd_find(struct cli *cli);
int cmd_watch(struct cli *cli);
struct client_reply;
/* Prints what a successful "get" brought. Returns an exit status. */
int cli_finish_get(struct cli *cli, struct client_reply *reply);
/* commands_mainline.c: the public swarm in its own terms */
int cmd_mainline_get(struct cli *cli);
int cmd_mainline_put(struct cli *cli);
int cmd_mainline_peers(struct cli *cli);
int cmd_mainline_announce(struct cli *cli);
int cmd_mainline_sample(struct cli *cli);
int cmd_mainline_ping(struct cli *cli);
int cmd_mainline_trace(struct cli *cli);
/* commands_probe.c: single peers and single steps */
int cmd_ping(struct cli *cli);
int cmd_trace(struct cli *cli);
/* A walk to the `name` ("key", "point", "target") in `text`. */
int cli_trace(struct cli *cli, const char *name, const char *text);
int cmd_talk(struct cli *cli);
/* commands_book.c: whom the node knows */
/* Asks for a list with all its pages and shows it. What changes between two of them may be missed
 * or seen twice. */
int cli_run_list(struct cli *cli, const char *method, const char *list,
                 void (*print)(struct cli *cli, json_t *result));

int cmd_lan(struct cli *cli);
int cmd_book(struct cli *cli);
int cmd_add(struct cli *cli);
int cmd_ban(struct cli *cli);
int cmd_unban(struct cli *cli);
/* commands_node.c: the node itself, and identities */
int cmd_id(struct cli *cli);
int cmd_status(struct cli *cli);
int cmd_stats(struct cli *cli);
/* metrics.c: the same for machines */
int cmd_metrics(struct cli *cli);
int cmd_peers(struct cli *cli);
int cmd_table(struct cli *cli);
int cmd_records(struct cli *cli);
int cmd_sessions(struct cli *cli);
int cmd_keygen(struct cli *cli);
int cmd_key(struct cli *cli);

#endif
