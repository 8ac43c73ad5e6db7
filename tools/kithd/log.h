/* SPDX-License-Identifier: MIT */
/* log: what kithd says on standard error, as text or as one JSON object a line, and to the service
 * manager. */
#ifndef KITHD_LOG_H
#define KITHD_LOG_H

#include <stdbool.h>

#include "kith/node.h"

struct log {
    enum kith_log_level level; /* more talkative messages are dropped */
    bool json;
};

/* From the words of the configuration; NULL means the default. Unknown words were refused before.
 */
void log_configure(struct log *log, const char *level, const char *format);

void log_say(const struct log *log, enum kith_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One of the lines that open the log whatever its level: "key       abc...". */
void log_fact(const struct log *log, const char *name, const char *value);

/* Whether standard error takes a line at once; if not, those above lose it and count. */
bool log_has_room(void);

/* Tells the service manager, if one listens on $NOTIFY_SOCKET: "READY=1", "STOPPING=1". */
void log_notify(const char *state);

#endif
