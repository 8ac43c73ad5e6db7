/* SPDX-License-Identifier: MIT */
/*
 * dht-cli: a table of commands, one parser, one way to a node.
 *
 * Global options may stand before or after the command. An option after the command is first looked
 * for among the command's own, so that `find TOPIC -n 5` is a number and `-n home find TOPIC` a
 * network. Nothing is set up before the command line is understood: --help costs the start of a
 * process and nothing else.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "shell/control.h"

#include "common/stdio_check.h"
#include "common/suggest.h"

enum { IN_MAINLINE = CLI_FLAG_NETWORK | CLI_FLAG_MAINLINE };

#define WHERE_ASKED                                                                                \
    "SWARM is kith, mainline (the public BitTorrent DHT) or both; without it, all that the node "  \
    "takes part in are asked."

static const struct cli_command commands[] = {
    {"keygen", "[FILE]", "make an identity, print its public key",
     "Never overwrites. Without FILE: identity.key in the data directory of this user's kithd.", 0,
     1, CLI_FLAG_LOCAL, cmd_keygen},
    {"key", "FILE", "print the public key of an identity", NULL, 1, 1, CLI_FLAG_LOCAL, cmd_key},
    {"id", "", "this node: key, node id, endpoints, network", NULL, 0, 0, CLI_FLAG_DAEMON, cmd_id},
    {"lookup", "KEY [--swarm SWARM]", "find a peer: its current endpoints and capabilities",
     WHERE_ASKED, 1, 1, CLI_FLAG_NETWORK, cmd_lookup},
    {"get", "KEY [--salt S] [--swarm SWARM] [--all] [--raw] | HASH [--immutable]",
     "a record's value",
     "--all waits for the newest, --raw prints the bytes only. A value that is one msgpack map or "
     "array is shown as JSON.\n"
     "64 hex digits are tried as the hash of an immutable value first, then as a "
     "key.\n" WHERE_ASKED,
     1, 1, CLI_FLAG_NETWORK, cmd_get},
    {"put",
     "[--salt S] [--seq N] [--cas N] [--immutable] [--json-value] [--swarm SWARM] VALUE|@FILE|-",
     "sign and store a value",
     "VALUE is text, @FILE a file, - standard input; at most 996 bytes. --json-value stores JSON "
     "as msgpack.\n"
     "--seq sets the sequence number, --cas stores only if the record's seq is N now.\n"
     "SWARM is kith (the default), mainline (the public BitTorrent DHT) or both.",
     1, 1, CLI_FLAG_NETWORK | CLI_FLAG_SIGNS | CLI_FLAG_VALUE, cmd_put},
    {"announce", "TOPIC", "announce this node under a topic",
     "TOPIC is any text (hashed) or 64 hex digits.", 1, 1, CLI_FLAG_NETWORK | CLI_FLAG_SIGNS,
     cmd_announce},
    {"unannounce", "TOPIC", "stop announcing", NULL, 1, 1, CLI_FLAG_DAEMON, cmd_unannounce},
    {"find", "TOPIC [-n N]", "peers announced under a topic",
     "TOPIC is any text (hashed) or 64 hex digits.", 1, 1, CLI_FLAG_NETWORK, cmd_find},
    {"ping", "PEER [-n N]", "round-trip times", "PEER is KEY, KEY@HOST:PORT or HOST:PORT.", 1, 1,
     CLI_FLAG_NETWORK, cmd_ping},
    {"trace", "KEY | POINT --immutable", "a walk hop by hop, live", "POINT is 64 hex digits.", 1, 1,
     CLI_FLAG_NETWORK, cmd_trace},
    {"watch", "KEY [--salt S] [--swarm SWARM]", "print each newer record as it appears",
     WHERE_ASKED, 1, 1, CLI_FLAG_NETWORK, cmd_watch},
    {"talk", "PEER PROTOCOL [TEXT|@FILE|-]", "send a small message, print the answer",
     "kithd answers the protocol 'echo'.", 2, 3, CLI_FLAG_NETWORK | CLI_FLAG_SIGNS, cmd_talk},
    {"peers", "[--capability NAME] [--plain]", "live contacts",
     "--capability: only peers whose record, as far as this node holds it, names NAME", 0, 0,
     CLI_FLAG_DAEMON, cmd_peers},
    {"table", "[--plain]", "the routing table with its replacement cache", NULL, 0, 0,
     CLI_FLAG_DAEMON, cmd_table},
    {"records", "[--plain]", "records held", NULL, 0, 0, CLI_FLAG_DAEMON, cmd_records},
    {"sessions", "[--plain]", "encrypted sessions", NULL, 0, 0, CLI_FLAG_DAEMON, cmd_sessions},
    {"lan", "[--plain]", "peers on the local network", NULL, 0, 0, CLI_FLAG_DAEMON, cmd_lan},
    {"book", "[--plain]", "the address book", NULL, 0, 0, CLI_FLAG_DAEMON, cmd_book},
    {"add", "PEER [--persistent] [--private] [--unconditional]",
     "put a peer into the book, and try it",
     "PEER is KEY@HOST:PORT or HOST:PORT.\n"
     "--persistent: tried again for ever; --private: never told to others; --unconditional: not "
     "counted in maxima.",
     1, 1, CLI_FLAG_DAEMON, cmd_add},
    {"ban", "[KEY|ADDR[/BITS] [--for T]] [--plain]",
     "refuse a peer or a range of addresses; alone: list bans",
     "T is a number and s, m, h or d: 30s, 10m, 2h, 7d. Without --for: for ever.", 0, 1,
     CLI_FLAG_DAEMON, cmd_ban},
    {"unban", "KEY|ADDR[/BITS]", "lift a ban", NULL, 1, 1, CLI_FLAG_DAEMON, cmd_unban},
    {"status", "", "health at a glance", NULL, 0, 0, CLI_FLAG_DAEMON, cmd_status},
    {"stats", "", "every counter", NULL, 0, 0, CLI_FLAG_DAEMON, cmd_stats},
    {"metrics", "", "status and counters for Prometheus",
     "The text format, for a collector that reads files.", 0, 0, CLI_FLAG_DAEMON, cmd_metrics},
    {"mainline", "COMMAND ...", "the public BitTorrent DHT, in its own terms: a COMMAND below",
     "INFOHASH and TARGET are 40 hex digits.", 0, CLI_ARGS_MAX, CLI_FLAG_GROUP, NULL},
    {"mainline get", "TARGET|KEY|MAGNET [--salt S] [--all] [--raw]", "a stored value (BEP 44)",
     "MAGNET is magnet:?xs=urn:btpk:KEY[&s=SALT], key and salt in hex (BEP 46).", 1, 1, IN_MAINLINE,
     cmd_mainline_get},
    {"mainline put", "[--salt S] [--seq N] [--cas N] [--immutable] VALUE|@FILE|-",
     "sign and store a value (BEP 44)", NULL, 1, 1, IN_MAINLINE | CLI_FLAG_SIGNS | CLI_FLAG_VALUE,
     cmd_mainline_put},
    {"mainline peers", "INFOHASH [-n N]", "peers announced under an info-hash", NULL, 1, 1,
     IN_MAINLINE, cmd_mainline_peers},
    {"mainline announce", "INFOHASH [--port N]", "announce this host under an info-hash, once",
     "Without --port: the port that the node sends from.", 1, 1, IN_MAINLINE,
     cmd_mainline_announce},
    {"mainline sample", "[TARGET]", "info-hashes that nodes know (BEP 51)", NULL, 0, 1, IN_MAINLINE,
     cmd_mainline_sample},
    {"mainline ping", "HOST:PORT [-n N]", "round-trip times", NULL, 1, 1, IN_MAINLINE,
     cmd_mainline_ping},
    {"mainline trace", "TARGET|KEY", "a walk hop by hop, live", NULL, 1, 1, IN_MAINLINE,
     cmd_mainline_trace},
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

enum option_id {
    OPT_CONTROL,
    OPT_EPHEMERAL,
    OPT_PEER,
    OPT_NETWORK,
    OPT_IDENTITY,
    OPT_JSON,
    OPT_TIMEOUT,
    OPT_QUIET,
    OPT_HELP,
    OPT_VERSION,
    OPT_SALT,
    OPT_SEQ,
    OPT_CAS,
    OPT_COUNT,
    OPT_ALL,
    OPT_RAW,
    OPT_IMMUTABLE,
    OPT_JSON_VALUE,
    OPT_PLAIN,
    OPT_PERSISTENT,
    OPT_UNCONDITIONAL,
    OPT_PRIVATE,
    OPT_FOR,
    OPT_CAPABILITY,
    OPT_SWARM,
    OPT_PORT,
    OPT_BOOTSTRAP,
};

struct option {
    const char *name;
    char letter; /* 0: none */
    enum option_id id;
    const char *argument; /* what it takes; NULL: nothing */
    const char *commands; /* ",a,b c," for the commands it belongs to; NULL: global */
};

/* Options of commands come first: they win over a global one of the same letter. */
static const struct option options[] = {
    {"salt", 0, OPT_SALT, "S", ",get,put,watch,mainline get,mainline put,"},
    {"seq", 0, OPT_SEQ, "N", ",put,mainline put,"},
    {"cas", 0, OPT_CAS, "N", ",put,mainline put,"},
    {"count", 'n', OPT_COUNT, "N", ",find,ping,mainline peers,mainline ping,"},
    {"all", 0, OPT_ALL, NULL, ",get,mainline get,"},
    {"raw", 0, OPT_RAW, NULL, ",get,mainline get,"},
    {"immutable", 0, OPT_IMMUTABLE, NULL, ",get,put,trace,mainline put,"},
    {"json-value", 0, OPT_JSON_VALUE, NULL, ",put,"},
    {"plain", 0, OPT_PLAIN, NULL, ",peers,table,records,sessions,lan,book,ban,"},
    {"persistent", 0, OPT_PERSISTENT, NULL, ",add,"},
    {"unconditional", 0, OPT_UNCONDITIONAL, NULL, ",add,"},
    {"private", 0, OPT_PRIVATE, NULL, ",add,"},
    {"for", 0, OPT_FOR, "T", ",ban,"},
    {"capability", 0, OPT_CAPABILITY, "NAME", ",peers,"},
    {"swarm", 0, OPT_SWARM, "SWARM", ",lookup,get,put,watch,"},
    {"port", 0, OPT_PORT, "N", ",mainline announce,"},
    {"control", 0, OPT_CONTROL, "PATH", NULL},
    {"ephemeral", 0, OPT_EPHEMERAL, NULL, NULL},
    {"peer", 'p', OPT_PEER, "PEER", NULL},
    {"network", 'n', OPT_NETWORK, "NETWORK", NULL},
    {"mainline-bootstrap", 0, OPT_BOOTSTRAP, "HOST:PORT", NULL},
    {"identity", 0, OPT_IDENTITY, "FILE", NULL},
    {"json", 'j', OPT_JSON, NULL, NULL},
    {"timeout", 't', OPT_TIMEOUT, "S", NULL},
    {"quiet", 'q', OPT_QUIET, NULL, NULL},
    {"help", 'h', OPT_HELP, NULL, NULL},
    {"version", 0, OPT_VERSION, NULL, NULL},
};

enum { N_OPTIONS = sizeof(options) / sizeof(options[0]) };

void cli_complain(const char *format, ...) {
    va_list args;

    fputs("dht-cli: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int cli_exit_of(int error) {
    switch (error) {
    case 0:
        return CLI_OK;
    case KITH_ENOT_FOUND:
    case KITH_EREFUSED:
    case KITH_EUNSUPPORTED:
        return CLI_NOT_FOUND;
    case KITH_EINVALID:
    case KITH_ESYNTAX:
    case KITH_ETOO_LARGE:
        return CLI_USAGE;
    case KITH_ETIMEOUT:
    case KITH_ENO_NETWORK:
        return CLI_NO_NETWORK;
    case KITH_EVERIFY:
        return CLI_VERIFY;
    case KITH_EUNREACHABLE:
        return CLI_NO_DAEMON;
    case KITH_EOUTDATED:
    case KITH_ECAS_MISMATCH:
        return CLI_CONFLICT;
    case KITH_EQUORUM:
        return CLI_QUORUM;
    case KITH_ECANCELED:
        return CLI_INTERRUPTED;
    default:
        return CLI_INTERNAL;
    }
}

/* ---- help ---- */

static void print_help(void) {
    puts("dht-cli: find peers by their public key, store and read signed records\n"
         "\n"
         "usage: dht-cli [options] COMMAND ...\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("  %-19s%s\n", commands[i].name, commands[i].help);
    puts(
        "  help               more about a command: dht-cli help COMMAND\n"
        "\n"
        "options, before or after the command:\n"
        "  --control PATH      the daemon's socket\n"
        "  --ephemeral         no daemon: a short-lived node in this process\n"
        "  -p, --peer PEER     whom the short-lived node asks first; repeatable\n"
        "  -n, --network NAME  its network (default kith)\n"
        "  --identity FILE     its identity (default: a throwaway key)\n"
        "  --mainline-bootstrap HOST:PORT\n"
        "                      a node of Mainline it asks first; repeatable (default: public "
        "routers)\n"
        "  -j, --json          one JSON object (streams: one a line)\n"
        "  -t, --timeout S     give up after S seconds\n"
        "  -q, --quiet         data only, no progress and notes\n"
        "\n"
        "exit status: 0 ok, 1 not found, 2 usage, 3 timeout or no network, 4 verification failed,\n"
        "5 daemon unreachable, 6 conflict, 7 below the quorum, 70 internal, 130 interrupted");
}

/* "mainline get" is of "mainline". */
static bool is_of_group(const struct cli_command *command, const struct cli_command *group) {
    size_t length = strlen(group->name);

    return strncmp(command->name, group->name, length) == 0 && command->name[length] == ' ';
}

static int print_command_help(const struct cli_command *command) {
    printf("usage: dht-cli [options] %s%s%s\n\n%s\n", command->name, *command->synopsis ? " " : "",
           command->synopsis, command->help);
    if (command->details)
        printf("%s\n", command->details);
    for (size_t i = 0; i < N_COMMANDS && command->flags & CLI_FLAG_GROUP; i++) {
        if (is_of_group(&commands[i], command))
            printf("  %s %s\n", commands[i].name, commands[i].synopsis);
    }
    return CLI_OK;
}

/* ---- parsing ---- */

static const struct cli_command *find_command(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int unknown_command(const char *name) {
    struct suggest suggest;

    suggest_init(&suggest, name);
    for (size_t i = 0; i < N_COMMANDS; i++)
        suggest_offer(&suggest, commands[i].name);
    suggest_offer(&suggest, "help");
    if (suggest.best)
        cli_complain("unknown command '%s'; did you mean '%s'?", name, suggest.best);
    else
        cli_complain("unknown command '%s'; see dht-cli --help", name);
    return CLI_USAGE;
}

/* The word behind a group completes the command's name. */
static int complete_command(struct cli *cli, const char *word) {
    char name[64];

    snprintf(name, sizeof(name), "%s %s", cli->command->name, word);
    const struct cli_command *command = find_command(name);
    if (!command)
        return unknown_command(name);
    cli->command = command;
    return CLI_OK;
}

static bool belongs(const struct option *option, const struct cli_command *command) {
    char word[40];

    if (!option->commands)
        return true;
    snprintf(word, sizeof(word), ",%s,", command ? command->name : "");
    return command && strstr(option->commands, word);
}

/* "--for belongs to ban and stands behind it" */
static int misplaced_option(const struct option *option) {
    fprintf(stderr, "dht-cli: --%s belongs to ", option->name);
    for (const char *at = option->commands + 1; at[1]; at++)
        fputs(*at == ',' ? ", " : (const char[]){*at, '\0'}, stderr);
    fputs(" and stands behind it\n", stderr);
    return CLI_USAGE;
}

static int unknown_option(const struct cli *cli, const char *text, const char *name) {
    struct suggest suggest;

    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].commands && strcmp(options[i].name, name) == 0)
            return misplaced_option(&options[i]);
    }
    suggest_init(&suggest, name);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (belongs(&options[i], cli->command))
            suggest_offer(&suggest, options[i].name);
    }
    if (suggest.best)
        cli_complain("unknown option '%s'; did you mean --%s?", text, suggest.best);
    else
        cli_complain("unknown option '%s'; see dht-cli --help", text);
    return CLI_USAGE;
}

static int bad_value(const struct option *option, const char *value, const char *wanted) {
    cli_complain("--%s: expected %s, got '%s'", option->name, wanted, value);
    return CLI_USAGE;
}

static int parse_number(const struct option *option, const char *value, int64_t min, int64_t max,
                        int64_t *ret_number) {
    char *end, wanted[64];
    long long number;

    errno = 0;
    number = strtoll(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end || errno || number < min || number > max) {
        snprintf(wanted, sizeof(wanted), "a number from %lld to %lld", (long long)min,
                 (long long)max);
        return bad_value(option, value, wanted);
    }
    *ret_number = number;
    return CLI_OK;
}

static int parse_seq(const struct option *option, const char *value, int64_t *ret_number) {
    return parse_number(option, value, 0, INT64_MAX, ret_number);
}

static int parse_count(const struct option *option, const char *value,
                       const struct cli_command *command, uint32_t *ret_count) {
    bool pings = command->run == cmd_ping || command->run == cmd_mainline_ping;
    int64_t number = 0;
    int status = parse_number(
        option, value, 1, pings ? (int64_t)KITH_CONTROL_PINGS_MAX : KITH_CONTROL_FIND_MAX, &number);

    *ret_count = (uint32_t)number;
    return status;
}

static int parse_salt(const struct option *option, const char *value, const char **ret_salt) {
    if (strlen(value) > KITH_SALT_MAX) {
        cli_complain("--%s: %zu bytes, at most %d fit", option->name, strlen(value), KITH_SALT_MAX);
        return CLI_USAGE;
    }
    *ret_salt = value;
    return CLI_OK;
}

static int parse_timeout(const struct option *option, const char *value, double *ret_seconds) {
    char *end;
    double seconds = strtod(value, &end);

    if (*value == '\0' || *end || !(seconds >= 0.001 && seconds <= 1e6))
        return bad_value(option, value, "seconds, from 0.001 to 1000000");
    *ret_seconds = seconds;
    return CLI_OK;
}

/* A span of time: a number and its unit. */
static int parse_span(const struct option *option, const char *value, int64_t *ret_seconds) {
    static const char units[] = "smhd";
    static const int64_t seconds[] = {1, 60, 3600, 86400};
    char *end;
    const char *unit;
    long long number;

    errno = 0;
    number = strtoll(value, &end, 10);
    unit = *end && !end[1] ? strchr(units, *end) : NULL;
    if (value[0] < '0' || value[0] > '9' || !unit || errno || number == 0 ||
        number > UINT32_MAX / seconds[unit - units])
        return bad_value(option, value,
                         "a number and s, m, h or d, from 1s to 49710d, as in 10m or 2h");
    *ret_seconds = number * seconds[unit - units];
    return CLI_OK;
}

/* One more PEER, or HOST:PORT where peers have no keys. */
static int add_peer(const struct option *option, const char *value, bool keys, const char **list,
                    size_t *n_list) {
    struct kith_error_info info = {0};
    struct kith_key key;
    char host[256];
    uint16_t port;
    bool has_key;

    if (kith_contact_parse(value, &has_key, &key, host, &port, &info) < 0) {
        cli_complain("--%s: %s", option->name, info.message);
        return CLI_USAGE;
    }
    if (has_key && !keys)
        return bad_value(option, value, "HOST:PORT without a key");
    if (*n_list == CLI_PEERS_MAX) {
        cli_complain("--%s: at most %d", option->name, CLI_PEERS_MAX);
        return CLI_USAGE;
    }
    list[(*n_list)++] = value;
    return CLI_OK;
}

static int parse_port(const struct option *option, const char *value, uint16_t *ret_port) {
    int64_t number = 0;
    int status = parse_number(option, value, 1, UINT16_MAX, &number);

    *ret_port = (uint16_t)number;
    return status;
}

static int parse_swarm(const struct option *option, const char *value, const char **ret_swarm) {
    if (strcmp(value, "kith") != 0 && strcmp(value, "mainline") != 0 && strcmp(value, "both") != 0)
        return bad_value(option, value, "kith, mainline or both");
    *ret_swarm = value;
    return CLI_OK;
}

static int apply_valued(struct cli *cli, const struct option *option, const char *value) {
    switch ((int)option->id) {
    case OPT_CONTROL:
        cli->control = value;
        return CLI_OK;
    case OPT_PEER:
        return add_peer(option, value, true, cli->peers, &cli->n_peers);
    case OPT_BOOTSTRAP:
        return add_peer(option, value, false, cli->bootstrap, &cli->n_bootstrap);
    case OPT_SWARM:
        return parse_swarm(option, value, &cli->swarm);
    case OPT_PORT:
        return parse_port(option, value, &cli->port);
    case OPT_NETWORK:
        cli->network = value;
        return CLI_OK;
    case OPT_IDENTITY:
        cli->identity = value;
        return CLI_OK;
    case OPT_TIMEOUT:
        return parse_timeout(option, value, &cli->timeout_s);
    case OPT_SALT:
        return parse_salt(option, value, &cli->salt);
    case OPT_SEQ:
        cli->has_seq = true;
        return parse_seq(option, value, &cli->seq);
    case OPT_CAS:
        cli->has_cas = true;
        return parse_seq(option, value, &cli->cas);
    case OPT_CAPABILITY:
        cli->capability = value;
        return CLI_OK;
    case OPT_FOR:
        return parse_span(option, value, &cli->ban_s);
    case OPT_COUNT:
        return parse_count(option, value, cli->command, &cli->count);
    default:
        return CLI_INTERNAL;
    }
}

static int apply_switch(struct cli *cli, enum option_id id) {
    bool *flag = NULL;

    switch ((int)id) {
    case OPT_EPHEMERAL:
        flag = &cli->ephemeral;
        break;
    case OPT_JSON:
        flag = &cli->json;
        break;
    case OPT_QUIET:
        flag = &cli->quiet;
        break;
    case OPT_HELP:
        flag = &cli->help;
        break;
    case OPT_ALL:
        flag = &cli->all;
        break;
    case OPT_RAW:
        flag = &cli->raw;
        break;
    case OPT_IMMUTABLE:
        flag = &cli->immutable;
        break;
    case OPT_JSON_VALUE:
        flag = &cli->json_value;
        break;
    case OPT_PLAIN:
        flag = &cli->plain;
        break;
    case OPT_PERSISTENT:
        flag = &cli->persistent;
        break;
    case OPT_UNCONDITIONAL:
        flag = &cli->unconditional;
        break;
    case OPT_PRIVATE:
        flag = &cli->private_role;
        break;
    case OPT_VERSION:
        flag = &cli->version;
        break;
    default:
        return CLI_INTERNAL;
    }
    *flag = true;
    return CLI_OK;
}

/* One option word, "--name", "--name=value", "-n value" or "-nvalue"; moves *index over a separate
 * value. */
static int parse_option(struct cli *cli, int argc, char **argv, int *index) {
    const char *text = argv[*index], *value = NULL;
    bool is_long = text[1] == '-';
    char name[64];
    size_t length = is_long ? strcspn(text + 2, "=") : 1;

    snprintf(name, sizeof(name), "%.*s", (int)length, text + (is_long ? 2 : 1));
    if (is_long && text[2 + length] == '=')
        value = text + 3 + length;
    else if (!is_long && text[2])
        value = text + 2;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *option = &options[i];
        bool same = is_long ? strcmp(option->name, name) == 0 : option->letter == name[0];
        if (!same || !belongs(option, cli->command))
            continue;
        if (!option->argument && value) {
            cli_complain("--%s takes no value", option->name);
            return CLI_USAGE;
        }
        if (!option->argument)
            return apply_switch(cli, option->id);
        if (!value && *index + 1 < argc)
            value = argv[++*index];
        if (!value) {
            cli_complain("--%s: %s is missing", option->name, option->argument);
            return CLI_USAGE;
        }
        return apply_valued(cli, option, value);
    }
    return unknown_option(cli, text, name);
}

static int parse_word(struct cli *cli, const char *word) {
    if (!cli->command && !cli->help && strcmp(word, "help") == 0) {
        cli->help = true;
        return CLI_OK;
    }
    if (!cli->command) {
        cli->command = find_command(word);
        return cli->command ? CLI_OK : unknown_command(word);
    }
    if (cli->command->flags & CLI_FLAG_GROUP)
        return complete_command(cli, word);
    if (cli->n_args == CLI_ARGS_MAX) {
        cli_complain("%s: too many arguments", cli->command->name);
        return CLI_USAGE;
    }
    cli->args[cli->n_args++] = word;
    return CLI_OK;
}

static int parse(struct cli *cli, int argc, char **argv) {
    bool only_words = false;
    int status = CLI_OK;

    for (int i = 1; i < argc && status == CLI_OK; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (!only_words && argv[i][0] == '-' && argv[i][1])
            status = parse_option(cli, argc, argv, &i);
        else
            status = parse_word(cli, argv[i]);
    }
    return status;
}

/* ---- to the command ---- */

/* --peer, --network and --identity shape a short-lived node; a running daemon has its own. */
static int check_use(struct cli *cli) {
    const struct cli_command *command = cli->command;
    const char *shapes;

    if (command->flags & CLI_FLAG_GROUP) {
        cli_complain("%s: a command is missing; see dht-cli help %s", command->name, command->name);
        return CLI_USAGE;
    }
    if (cli->n_args < command->min_args || cli->n_args > command->max_args) {
        cli_complain("%s: %s; usage: dht-cli %s %s", command->name,
                     cli->n_args < command->min_args ? "an argument is missing"
                                                     : "too many arguments",
                     command->name, command->synopsis);
        return CLI_USAGE;
    }
    if (cli->ephemeral && cli->control) {
        cli_complain("--ephemeral and --control exclude each other");
        return CLI_USAGE;
    }
    shapes = cli->n_peers       ? "--peer"
             : cli->n_bootstrap ? "--mainline-bootstrap"
             : cli->network     ? "--network"
             : cli->identity    ? "--identity"
                                : NULL;
    if (shapes && cli->control) {
        cli_complain("%s and --control exclude each other: a daemon has its own", shapes);
        return CLI_USAGE;
    }
    cli->ephemeral = cli->ephemeral || shapes;
    return CLI_OK;
}

static bool is_pretty(int fd) {
    const char *term = getenv("TERM");

    return isatty(fd) && term && strcmp(term, "dumb") != 0;
}

static int run(struct cli *cli) {
    const char *no_colour = getenv("NO_COLOR");
    int status;

    cli->live = !cli->quiet && is_pretty(STDERR_FILENO);
    cli->colour = !cli->json && is_pretty(STDOUT_FILENO) && !(no_colour && *no_colour);
    status = cli->command->run(cli);
    cli->client = client_free(cli->client);
    return status;
}

/* What the command line asks for. */
static int obey(struct cli *cli) {
    int status;

    if (cli->version) {
        printf("dht-cli %s\n", kith_version());
        return CLI_OK;
    }
    if (cli->help && cli->command)
        return print_command_help(cli->command);
    if (cli->help) {
        print_help();
        return CLI_OK;
    }
    if (!cli->command) {
        cli_complain("a command is missing; see dht-cli --help");
        return CLI_USAGE;
    }
    status = check_use(cli);
    return status == CLI_OK ? run(cli) : status;
}

int main(int argc, char **argv) {
    struct cli cli = {0};
    int status;

    if (stdio_check_start() < 0)
        return CLI_INTERNAL;
    status = parse(&cli, argc, argv);
    if (status == CLI_OK)
        status = obey(&cli);
    if (stdio_check_end("dht-cli") < 0 && (status == CLI_OK || status == CLI_INTERRUPTED))
        status = CLI_INTERNAL;
    if (client_left_behind)
        _exit(status);
    return status;
}
