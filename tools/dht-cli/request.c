/* SPDX-License-Identifier: MIT */
/*
 * What commands have in common. Arguments are checked here, before any connection: a mistyped key
 * is found in microseconds and the message points at the character.
 *
 * Timeouts: --timeout goes to the node, which knows what is under way and answers in time; this
 * side waits a little longer, for methods without a timeout of their own and nodes that hang.
 */
#include "request.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

#include "common/column.h"
#include "common/paths.h"
#include "show.h"

enum {
    GRACE_MS = 500,     /* the node's own answer to the timeout comes first */
    SILENCE_MS = 60000, /* a node that says nothing for so long after its own 30 s limit hangs */
    SHOWN_MAX = 100,    /* longer arguments are not quoted */
    TIMEOUT_MAX_S = 24 * 3600, /* the node takes no more; nothing runs for so long */
};

/* Points at the bad character: the argument again, and a caret below it. */
static void point_at(const char *argument, unsigned column) {
    if (column && column <= SHOWN_MAX && strlen(argument) <= SHOWN_MAX)
        fprintf(stderr, "  %s\n  %*s\n", argument, (int)column, "^");
}

static int bad_argument(const char *what, const char *argument,
                        const struct kith_error_info *info) {
    if (info->column)
        cli_complain("%s: column %u: %s", what, info->column, column_skip(info->message));
    else
        cli_complain("%s: %s", what, info->message);
    point_at(argument, info->column);
    return CLI_USAGE;
}

int request_key(const char *argument, struct kith_key *ret_key, char *text) {
    struct kith_error_info info = {0};

    if (kith_key_parse(argument, ret_key, &info) < 0)
        return bad_argument("KEY", argument, &info);
    kith_key_format(ret_key, text);
    return 0;
}

int request_target(const char *what, const char *argument) {
    struct kith_error_info info = {.message = "expected 40 hex digits"};
    uint8_t bytes[20];

    info.column = (unsigned)kith_hex_decode(argument, strlen(argument), bytes, sizeof(bytes));
    return info.column ? bad_argument(what, argument, &info) : CLI_OK;
}

static void to_endpoint(const struct sockaddr *address, uint16_t port, struct kith_endpoint *ret) {
    *ret = (struct kith_endpoint){.port = port};
    if (address->sa_family == AF_INET) {
        ret->family = 4;
        memcpy(ret->ip, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        ret->family = 6;
        ret->scope = v6->sin6_scope_id;
        memcpy(ret->ip, &v6->sin6_addr, 16);
    }
}

/* The first address of a host; a literal address is its own. The call blocks, as the user does. */
static int resolve(const char *host, uint16_t port, char *text) {
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct kith_endpoint endpoint = {0};
    struct addrinfo *list = NULL;
    int r = getaddrinfo(host, NULL, &hints, &list);

    for (struct addrinfo *item = r ? NULL : list; item && endpoint.family == 0;
         item = item->ai_next) {
        if (item->ai_family == AF_INET || item->ai_family == AF_INET6)
            to_endpoint(item->ai_addr, port, &endpoint);
    }
    if (list)
        freeaddrinfo(list);
    if (endpoint.family == 0) {
        cli_complain("PEER: '%.100s' has no address: %s", host,
                     r ? gai_strerror(r) : "neither IPv4 nor IPv6");
        return CLI_NO_NETWORK;
    }
    kith_endpoint_format(&endpoint, text);
    return CLI_OK;
}

int request_peer(const char *argument, char *text) {
    struct kith_error_info info = {0};
    struct kith_key key;
    char host[256];
    uint16_t port;
    bool has_key = true;
    bool has_host = strpbrk(argument, ":@") != NULL;
    int r = has_host ? kith_contact_parse(argument, &has_key, &key, host, &port, &info)
                     : kith_key_parse(argument, &key, &info);

    if (r < 0 && !has_host && strlen(argument) < KITH_KEY_TEXT_SIZE - 1) {
        cli_complain("PEER: expected KEY, KEY@HOST:PORT or HOST:PORT, got '%s'", argument);
        return CLI_USAGE;
    }
    if (r < 0)
        return bad_argument("PEER", argument, &info);
    *text = '\0';
    if (has_key) {
        kith_key_format(&key, text);
        text += strlen(text);
    }
    if (!has_host)
        return CLI_OK;
    if (has_key)
        *text++ = '@';
    return resolve(host, port, text);
}

int request_topic(const char *argument, char *text) {
    struct kith_point point;

    if (*argument == '\0') {
        cli_complain("TOPIC: it is empty; expected any text, or 64 hex digits");
        return CLI_USAGE;
    }
    kith_topic_from_text(argument, &point);
    kith_hex_encode(point.bytes, sizeof(point.bytes), text);
    return CLI_OK;
}

static int copy_text(const char *argument, size_t max, char **ret_bytes, size_t *ret_size) {
    *ret_size = strlen(argument);
    if (*ret_size > max)
        return -EFBIG;
    *ret_bytes = strdup(argument);
    return *ret_bytes ? 0 : -ENOMEM;
}

int request_value(const char *argument, size_t max, char **ret_bytes, size_t *ret_size) {
    bool is_stdin = strcmp(argument, "-") == 0, is_file = argument[0] == '@' || is_stdin;
    const char *path = argument[0] == '@' ? argument + 1 : argument;
    int r;

    if (is_file)
        r = paths_read(path, max, ret_bytes, ret_size);
    else
        r = copy_text(argument, max, ret_bytes, ret_size);
    if (r == -EFBIG && is_file)
        cli_complain("%s: value too large: at most %zu bytes fit",
                     is_stdin ? "standard input" : path, max);
    else if (r == -EFBIG)
        cli_complain("value too large: %zu bytes, at most %zu fit", strlen(argument), max);
    else if (r < 0)
        cli_complain("%s: %s", is_stdin ? "standard input" : path, strerror(-r));
    return r < 0 ? (r == -ENOMEM ? CLI_INTERNAL : CLI_USAGE) : 0;
}

void request_options(const struct cli *cli, struct client_args *args) {
    if (cli->salt)
        client_args_bytes(args, "salt", cli->salt, strlen(cli->salt));
    if (cli->swarm)
        client_args_text(args, "swarm", cli->swarm);
    if (cli->timeout_s > 0)
        client_args_int(
            args, "timeout_ms",
            (int64_t)(1e3 * (cli->timeout_s < TIMEOUT_MAX_S ? cli->timeout_s : TIMEOUT_MAX_S)));
}

struct listener {
    struct cli *cli;
    client_event_fn on_event;
    void *user;
};

static void on_any_event(const char *event, json_t *fields, void *user) {
    struct listener *listener = user;

    if (strcmp(event, "progress") == 0) {
        show_progress(listener->cli, fields);
        return;
    }
    show_progress_end(listener->cli);
    if (listener->on_event)
        listener->on_event(event, fields, listener->user);
}

/* The cure, where the words of the node have none. */
static void advise(const struct client_reply *reply, char *text, size_t size) {
    json_t *seq = json_object_get(reply->result, "seq");

    *text = '\0';
    if (reply->code == KITH_EOUTDATED && json_is_integer(seq))
        snprintf(text, size, ": seq %" JSON_INTEGER_FORMAT "; --seq takes a higher one",
                 json_integer_value(seq));
    else if (reply->code == KITH_ECAS_MISMATCH && json_is_integer(seq))
        snprintf(text, size, ": it is %" JSON_INTEGER_FORMAT, json_integer_value(seq));
    else if (reply->code == KITH_ETIMEOUT)
        snprintf(text, size, "; --timeout S waits longer");
}

/* Says what was asked for, too, unless that is a value. */
void request_explain(const struct cli *cli, const struct client_reply *reply) {
    const char *of = cli->n_args && !(cli->command->flags & CLI_FLAG_VALUE) ? cli->args[0] : "";
    char advice[80];

    advise(reply, advice, sizeof(advice));
    if (reply->code != KITH_ECANCELED || !client_interrupted)
        cli_complain("%s%s%s: %s%s", cli->command->name, *of ? " " : "", of, reply->text, advice);
    if (cli->json)
        show_failure(reply->code, reply->text, reply->result);
}

int request_run(struct cli *cli, const char *method, struct client_args *args,
                client_event_fn on_event, void *user, struct client_reply *reply) {
    struct listener listener = {.cli = cli, .on_event = on_event, .user = user};
    uint64_t wait_ms = SILENCE_MS;
    int status;

    if (cli->timeout_s > 0)
        wait_ms = (uint64_t)(cli->timeout_s * 1e3) + GRACE_MS;
    else if (strcmp(method, "watch") == 0 || strcmp(method, "ping") == 0)
        wait_ms = 0;
    *reply = (struct client_reply){0};
    status = cli_open(cli);
    if (status) {
        client_args_deinit(args);
        return status;
    }
    client_call(cli->client, method, args, wait_ms, on_any_event, &listener, reply);
    client_args_deinit(args);
    show_progress_end(cli);
    if (reply->code == 0)
        return CLI_OK;
    request_explain(cli, reply);
    return cli_exit_of(reply->code);
}

int request_show(struct cli *cli, const char *method, struct client_args *args,
                 void (*print)(struct cli *cli, json_t *result)) {
    struct client_reply reply;
    int status = request_run(cli, method, args, NULL, NULL, &reply);

    if (status == CLI_OK && cli->json)
        show_json(reply.result);
    else if (!cli->json && (status == CLI_OK || status == CLI_QUORUM) && reply.result)
        print(cli, reply.result);
    client_reply_deinit(&reply);
    return status;
}
