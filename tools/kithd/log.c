/* SPDX-License-Identifier: MIT */
/*
 * One write per line, so that lines of several daemons in one pipe stay whole. What standard error
 * does not take at once, a pipe that nobody reads, is lost and counted: the loop must not wait for
 * a reader. (The descriptor itself stays as it is: others may share it.) Text has no time stamp:
 * the journal adds its own, and a person at a terminal does not need one. JSON lines carry one
 * because they are stored. The notification protocol of sd_notify(3) is a single datagram, so no
 * library is needed.
 */
#include "log.h"

#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};

enum { N_LEVELS = sizeof(level_names) / sizeof(level_names[0]) };

void log_configure(struct log *log, const char *level, const char *format) {
    log->level = KITH_LOG_INFO;
    for (unsigned i = 0; level && i < N_LEVELS; i++) {
        if (strcmp(level, level_names[i]) == 0)
            log->level = (enum kith_log_level)i;
    }
    log->json = format && strcmp(format, "json") == 0;
}

static unsigned long n_lost; /* lines, since this was said last */

/* For a line: a pipe that has room at all has it for 4 KiB. Safe in a signal handler. */
bool log_has_room(void) {
    struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&err, 1, 0) != 0;
}

static void write_line(const char *line) {
    char buffer[2048];
    int n = snprintf(buffer, sizeof(buffer), "%s\n", line);
    size_t size = n < 0 ? 0 : (size_t)n;

    if (size >= sizeof(buffer)) {
        size = sizeof(buffer);
        buffer[size - 1] = '\n';
    }
    if (write(STDERR_FILENO, buffer, size) < 0)
        return; /* nowhere left to complain */
}

static void write_json(json_t *json) {
    char *line = json ? json_dumps(json, JSON_COMPACT) : NULL;

    if (line)
        write_line(line);
    free(line);
    json_decref(json);
}

static void stamp(char *text, size_t size) {
    struct timeval now;
    struct tm utc;
    char seconds[32];

    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &utc);
    strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, size, "%s.%03uZ", seconds, (unsigned)(now.tv_usec / 1000) % 1000);
}

/* Part of a message may be the text of a stranger, or a path: it stays one line, and what is no
 * UTF-8 does not cost the JSON its line. */
static void blunt(char *text) {
    json_t *json = json_string(text);

    for (char *at = text; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < ' ' || byte == 0x7f || (!json && byte >= 0x80))
            *at = '?';
    }
    json_decref(json);
}

/* False: the line is lost. After such ones, the next that is not says how many. */
static bool begin_line(const struct log *log) {
    const struct log any = {.level = KITH_LOG_WARN, .json = log->json};
    unsigned long n = n_lost;

    if (!log_has_room()) {
        n_lost++;
        return false;
    }
    n_lost = 0;
    if (n > 0)
        log_say(&any, KITH_LOG_WARN, "%lu line%s of the log %s lost: nobody read %s", n,
                n == 1 ? "" : "s", n == 1 ? "was" : "were", n == 1 ? "it" : "them");
    return n == 0 || begin_line(log);
}

void log_say(const struct log *log, enum kith_log_level level, const char *format, ...) {
    char message[1024], line[1100], time[48];
    va_list args;

    if (level > log->level || !begin_line(log))
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    blunt(message);
    if (log->json) {
        stamp(time, sizeof(time));
        write_json(json_pack("{s:s, s:s, s:s*}", "time", time, "level", level_names[level],
                             "message", message));
    } else {
        snprintf(line, sizeof(line), "%s: %s", level_names[level], message);
        write_line(line);
    }
}

void log_fact(const struct log *log, const char *name, const char *value) {
    char line[1024], time[48];

    if (!begin_line(log))
        return;
    if (log->json) {
        stamp(time, sizeof(time));
        write_json(json_pack("{s:s, s:s, s:s, s:s*}", "time", time, "level", "info", "message",
                             name, name, value));
    } else {
        snprintf(line, sizeof(line), "%-10s%s", name, value);
        write_line(line);
    }
}

void log_notify(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    int fd;

    if (length < 2 || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* the abstract namespace */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0) {
        /* A service manager that does not listen is its own problem. */
    }
    close(fd);
}
