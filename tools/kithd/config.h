/* SPDX-License-Identifier: MIT */
/*
 * config: what kithd was told, by file and by flags.
 *
 * One table (config.c) names every key of kith.conf, its kind, default and help; reading, the
 * errors for unknown keys and --print-config all work from it. A flag sets the same key, later and
 * stronger.
 */
#ifndef KITHD_CONFIG_H
#define KITHD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kith/node.h"

enum {
    CONFIG_LIST_MAX = 64, /* listen addresses, peers, seeds given one by one */
    CONFIG_ERROR_SIZE = 512,
};

struct config_list {
    char *items[CONFIG_LIST_MAX];
    size_t n_items;
};

struct config {
    char *file; /* -c; NULL: none */
    char *data_dir;
    char *network;
    char *network_secret; /* 64 hex digits or a path, as written */
    char *control;
    char *capabilities; /* a JSON object */
    struct config_list listen;
    struct config_list peers;
    struct config_list seeds;
    char *seeds_file;
    struct config_list mainline_bootstrap;
    char *http_listen;
    bool lan; /* on by default */
    bool lan_hide_key;
    struct config_list lan_allow;
    struct config_list lan_deny;
    double coupling; /* 0: default */
    double damping;
    bool mainline;
    bool mainline_rendezvous;
    bool mainline_enforce_ids;
    uint32_t mainline_queries; /* a second; 0: default */
    bool unlimited;
    struct kith_limits limits;
    char *log_level;
    char *log_format;
    bool log_level_is_flag;   /* SIGHUP leaves it alone */
    bool data_dir_is_default; /* filled in by config_complete(): printed as comments */
    bool control_is_default;
    bool seeds_file_is_default;
};

void config_init(struct config *config);
void config_deinit(struct config *config);

/* Reads a file. Returns 0, or -1 with a sentence in `error` that names file, line, key and the
 * cure. */
int config_read(struct config *config, const char *path, char error[CONFIG_ERROR_SIZE]);

/* Sets SECTION.NAME as a flag does: a list is appended to, anything else replaced. Returns 0, or -1
 * with `error`. */
int config_set(struct config *config, const char *section, const char *name, const char *value,
               char error[CONFIG_ERROR_SIZE]);

/* A list set by flags replaces the file's: call before the first flag of a list. */
void config_clear_list(struct config_list *list);

/* Fills in what depends on the user and the machine: data directory, control path, seeds file.
 * Returns 0, or -1 with `error`. */
int config_complete(struct config *config, char error[CONFIG_ERROR_SIZE]);

/* The network secret's 32 bytes. Returns 1: there is none, 0, or -1 with `error`. Wipe
 * `ret_secret`. */
int config_secret(const struct config *config, uint8_t ret_secret[32],
                  char error[CONFIG_ERROR_SIZE]);

/* Prints the effective configuration as a file that can be read again; what was not set is a
 * comment. The secret is not printed. */
void config_print(const struct config *config);

#endif
