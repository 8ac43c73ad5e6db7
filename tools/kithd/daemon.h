/* SPDX-License-Identifier: MIT */
/* daemon: a running kithd: node, control socket and signals on one loop, from start to goodbye. */
#ifndef KITHD_DAEMON_H
#define KITHD_DAEMON_H

#include "config.h"
#include "log.h"

enum {
    EXIT_USAGE = 2,
    EXIT_INTERNAL = 70, /* EX_SOFTWARE of sysexits.h */
    EXIT_IN_USE =
        73, /* EX_CANTCREAT: another daemon has the data directory or the control socket */
};

/* Runs until SIGTERM, SIGINT or the control method `stop`. Returns the exit status. `config` is
 * complete; its seeds and log level are replaced on SIGHUP. */
int daemon_run(struct config *config, struct log *log);

#endif
