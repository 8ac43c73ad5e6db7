/* SPDX-License-Identifier: MIT */
/* kithd: a kith node as a service. This file reads the command line; see kithd(8). */
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kith/kith.h"

#include "common/stdio_check.h"
#include "common/suggest.h"
#include "config.h"
#include "daemon.h"
#include "log.h"

enum flag {
    FLAG_NO_LAN = 256,
    FLAG_MAINLINE,
    FLAG_NO_MAINLINE,
    FLAG_MAINLINE_BOOTSTRAP,
    FLAG_CONTROL,
    FLAG_HTTP,
    FLAG_LOG_LEVEL,
    FLAG_LOG_FORMAT,
    FLAG_UNLIMITED,
    FLAG_PRINT_CONFIG,
    FLAG_VERSION,
};

static const char short_flags[] = ":c:d:l:n:p:s:h";

static const struct option long_flags[] = {
    {"config", required_argument, NULL, 'c'},
    {"data-dir", required_argument, NULL, 'd'},
    {"listen", required_argument, NULL, 'l'},
    {"network", required_argument, NULL, 'n'},
    {"peer", required_argument, NULL, 'p'},
    {"seeds", required_argument, NULL, 's'},
    {"no-lan", no_argument, NULL, FLAG_NO_LAN},
    {"mainline", no_argument, NULL, FLAG_MAINLINE},
    {"no-mainline", no_argument, NULL, FLAG_NO_MAINLINE},
    {"mainline-bootstrap", required_argument, NULL, FLAG_MAINLINE_BOOTSTRAP},
    {"control", required_argument, NULL, FLAG_CONTROL},
    {"http", required_argument, NULL, FLAG_HTTP},
    {"log-level", required_argument, NULL, FLAG_LOG_LEVEL},
    {"log-format", required_argument, NULL, FLAG_LOG_FORMAT},
    {"unlimited", no_argument, NULL, FLAG_UNLIMITED},
    {"print-config", no_argument, NULL, FLAG_PRINT_CONFIG},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, FLAG_VERSION},
    {0},
};

static const char help[] =
    "kithd: finds peers by their public key\n"
    "\n"
    "usage: kithd [options]\n"
    "  -c, --config FILE       read a configuration file, see kith.conf(5)\n"
    "  -d, --data-dir DIR      keep identity, records and address book here\n"
    "  -l, --listen ADDR:PORT  listen here; repeatable; port 0 is any free port\n"
    "                          (default 0.0.0.0:7700 and [::]:7700)\n"
    "  -n, --network NAME      join this network (default kith)\n"
    "  -p, --peer PEER         KEY@HOST:PORT or HOST:PORT, tried at once; repeatable\n"
    "  -s, --seeds FILE        one PEER a line, tried when too few others answer\n"
    "      --control PATH      path of the control socket\n"
    "      --log-level LEVEL   error, warn, info or debug\n"
    "      --log-format FORMAT text or json\n"
    "      --unlimited         no answer budgets: benchmarks on loopback only\n"
    "      --no-lan            neither look for peers on the local network nor be found there\n"
    "      --mainline          take part in the public BitTorrent Mainline DHT\n"
    "      --no-mainline       do not, whatever the file says (the default)\n"
    "      --mainline-bootstrap HOST:PORT\n"
    "                          join it here instead of through public routers; repeatable\n"
    "      --print-config      print the effective configuration and exit\n"
    "  -h, --help              this text\n"
    "      --version           print the version\n"
    "\n"
    "Exit status: 0 stopped, 2 usage or configuration, 70 could not start,\n"
    "73 the data directory, the control socket or a port is in use.\n";

static int usage_error(const char *what, const char *word) {
    fprintf(stderr, "kithd: %s '%s'; see kithd --help\n", what, word);
    return EXIT_USAGE;
}

/* `letter`: of a short flag, which may stand in a word with others; `word` was read last. */
static int unknown_flag(int letter, const char *word) {
    const char short_flag[] = {'-', (char)letter, '\0'};
    struct suggest suggest;

    if (letter > 0 && letter < FLAG_NO_LAN)
        return usage_error("unknown option", short_flag);
    suggest_init(&suggest, word + strspn(word, "-"));
    for (const struct option *flag = long_flags; flag->name; flag++)
        suggest_offer(&suggest, flag->name);
    if (!suggest.best)
        return usage_error("unknown option", word);
    fprintf(stderr, "kithd: unknown option '%s'; did you mean --%s?\n", word, suggest.best);
    return EXIT_USAGE;
}

/* A flag and the key of kith.conf it sets. */
struct target {
    int flag;
    const char *section;
    const char *name;
    const char *value; /* NULL: the flag's argument */
};

static const struct target targets[] = {
    {'d', "node", "data_dir", NULL},
    {'l', "node", "listen", NULL},
    {'n', "node", "network", NULL},
    {'p', "bootstrap", "peer", NULL},
    {'s', "bootstrap", "seeds", NULL},
    {FLAG_NO_LAN, "lan", "enabled", "no"},
    {FLAG_MAINLINE, "mainline", "enabled", "yes"},
    {FLAG_NO_MAINLINE, "mainline", "enabled", "no"},
    {FLAG_MAINLINE_BOOTSTRAP, "mainline", "bootstrap", NULL},
    {FLAG_CONTROL, "node", "control", NULL},
    {FLAG_HTTP, "http", "listen", NULL},
    {FLAG_LOG_LEVEL, "log", "level", NULL},
    {FLAG_LOG_FORMAT, "log", "format", NULL},
    {FLAG_UNLIMITED, "limits", "unlimited", "yes"},
};

/* Flags that end the program; returns -1 for the others. */
static int end_early(int flag, char **argv) {
    switch (flag) {
    case 'h':
        fputs(help, stdout);
        return 0;
    case FLAG_VERSION:
        printf("kithd %s\n", kith_version());
        return 0;
    case ':':
        return usage_error("an argument is missing behind", argv[optind - 1]);
    case '?':
        return unknown_flag(optopt, argv[optind - 1]);
    default:
        return -1;
    }
}

/* First round: -c, and what ends the program. The file must be read before any other flag counts.
 */
static int read_file(struct config *config, int argc, char **argv) {
    char error[CONFIG_ERROR_SIZE];
    int flag, status;

    opterr = 0;
    while ((flag = getopt_long(argc, argv, short_flags, long_flags, NULL)) != -1) {
        status = end_early(flag, argv);
        if (status >= 0)
            return status;
        if (flag == 'c' && config_read(config, optarg, error) < 0) {
            fprintf(stderr, "kithd: %s\n", error);
            return EXIT_USAGE;
        }
    }
    return optind < argc ? usage_error("unexpected argument", argv[optind]) : -1;
}

/* Second round: flags override the file. Addresses to listen on and Mainline nodes replace the
 * file's, peers add to them. */
static int read_flags(struct config *config, int argc, char **argv, bool *ret_print) {
    char error[CONFIG_ERROR_SIZE];
    bool listens = false, bootstraps = false;
    int flag;

    optind = 1;
    while ((flag = getopt_long(argc, argv, short_flags, long_flags, NULL)) != -1) {
        if (flag == FLAG_PRINT_CONFIG)
            *ret_print = true;
        if (flag == 'l' && !listens) {
            config_clear_list(&config->listen);
            listens = true;
        }
        if (flag == FLAG_MAINLINE_BOOTSTRAP && !bootstraps) {
            config_clear_list(&config->mainline_bootstrap);
            bootstraps = true;
        }
        config->log_level_is_flag |= flag == FLAG_LOG_LEVEL;
        for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
            const struct target *target = &targets[i];
            if (target->flag == flag &&
                config_set(config, target->section, target->name,
                           target->value ? target->value : optarg, error) < 0) {
                fprintf(stderr, "kithd: %s\n", error);
                return EXIT_USAGE;
            }
        }
    }
    return -1;
}

static void warn_of_missing(const struct config *config, const struct log *log) {
    if (config->mainline_bootstrap.n_items && !config->mainline)
        log_say(log, KITH_LOG_WARN,
                "[mainline] bootstrap: Mainline is off; --mainline or enabled = yes turns it on");
    if (config->http_listen)
        log_say(log, KITH_LOG_WARN, "[http] listen: this version has no HTTP server");
}

static int run(struct config *config, int argc, char **argv) {
    char error[CONFIG_ERROR_SIZE];
    struct log log;
    bool print = false;
    int status = read_file(config, argc, argv);

    if (status < 0)
        status = read_flags(config, argc, argv, &print);
    if (status >= 0)
        return status;
    if (config_complete(config, error) < 0) {
        fprintf(stderr, "kithd: %s\n", error[0] ? error : "out of memory");
        return EXIT_USAGE;
    }
    if (print) {
        config_print(config);
        return 0;
    }
    log_configure(&log, config->log_level, config->log_format);
    if (sodium_init() < 0) {
        log_say(&log, KITH_LOG_ERROR, "libsodium does not start");
        return EXIT_INTERNAL;
    }
    warn_of_missing(config, &log);
    return daemon_run(config, &log);
}

int main(int argc, char **argv) {
    struct config config;
    int status;

    if (stdio_check_start() < 0)
        return EXIT_INTERNAL;
    config_init(&config);
    status = run(&config, argc, argv);
    config_deinit(&config);
    return stdio_check_end("kithd") < 0 && status == 0 ? EXIT_INTERNAL : status;
}
