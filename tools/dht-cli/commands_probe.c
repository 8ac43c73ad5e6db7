/* SPDX-License-Identifier: MIT */
/* Looking closely: one peer's round trips, one walk step by step, one message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"
#include "show.h"

/* ---- ping ---- */

struct pinging {
    struct cli *cli;
    json_t *pongs;
};

static void on_pong(const char *event, json_t *fields, void *user) {
    struct pinging *pinging = user;
    json_t *rtt = json_object_get(fields, "rtt_ms");

    if (strcmp(event, "pong") != 0)
        return;
    if (pinging->cli->json) {
        json_array_append(pinging->pongs, fields);
        return;
    }
    if (json_is_number(rtt))
        printf("%2.0f  %s  from %s\n", show_number(fields, "index") + 1,
               show_ms(json_number_value(rtt)), show_text(fields, "endpoint"));
    else
        printf("%2.0f  no answer\n", show_number(fields, "index") + 1);
    show_flush();
}

int cmd_ping(struct cli *cli) {
    struct pinging pinging = {.cli = cli};
    struct client_reply reply;
    struct client_args args;
    char peer[REQUEST_PEER_SIZE];
    int status = request_peer(cli->args[0], peer);

    if (status)
        return status;
    pinging.pongs = json_array();
    client_args_init(&args);
    client_args_text(&args, "peer", peer);
    if (cli->count)
        client_args_int(&args, "n", cli->count);
    request_options(cli, &args);
    status = request_run(cli, "ping", &args, on_pong, &pinging, &reply);
    if (status == CLI_OK) {
        double received = show_number(reply.result, "received");
        if (cli->json) {
            json_object_set(reply.result, "pongs", pinging.pongs);
            show_json(reply.result);
        } else {
            printf("%.0f of %.0f answered", received, show_number(reply.result, "sent"));
            if (received > 0)
                printf("; min %s, avg %s, max %s", show_ms(show_number(reply.result, "min_ms")),
                       show_ms(show_number(reply.result, "avg_ms")),
                       show_ms(show_number(reply.result, "max_ms")));
            putchar('\n');
        }
        status = received > 0 ? CLI_OK : CLI_NO_NETWORK;
    }
    json_decref(pinging.pongs);
    client_reply_deinit(&reply);
    return status;
}

/* ---- trace ---- */

/* "+12.4 ms  answered  241 bits  hop 2  31.0 ms  20 contacts  127.0.0.1:7700  key..." */
static void on_hop(const char *event, json_t *fields, void *user) {
    const struct cli *cli = user;
    const char *outcome = show_text(fields, "outcome"), *colour = "";
    char extra[64] = "";

    if (strcmp(event, "hop") != 0)
        return;
    if (cli->json) {
        json_object_set_new(fields, "event", json_string("hop"));
        show_json(fields);
        return;
    }
    if (strcmp(outcome, "answered") == 0) {
        snprintf(extra, sizeof(extra), "%s, %s%s", show_ms(show_number(fields, "rtt_ms")),
                 show_count(fields, "contacts", "contact"),
                 show_bool(fields, "record") ? ", has the record" : "");
        colour = "\033[32m";
    } else if (strcmp(outcome, "failed") == 0) {
        colour = "\033[31m";
    }
    printf("%9s  %s%-8s%s  %3.0f bits  hop %.0f  %-24s %.12s%s  %s\n",
           show_ms(show_number(fields, "at_ms")), cli->colour ? colour : "", outcome,
           cli->colour && *colour ? "\033[0m" : "", show_number(fields, "distance_bits"),
           show_number(fields, "depth"), show_text(fields, "endpoint"), show_text(fields, "key"),
           *show_text(fields, "key") ? ".." : "", extra);
    show_flush();
}

int cli_trace(struct cli *cli, const char *name, const char *text) {
    struct client_reply reply;
    struct client_args args;
    int status;

    client_args_init(&args);
    client_args_text(&args, name, text);
    request_options(cli, &args);
    status = request_run(cli, "trace", &args, on_hop, cli, &reply);
    if (status == CLI_OK && cli->json) {
        json_object_set_new(reply.result, "event", json_string("done"));
        show_json(reply.result);
    } else if (status == CLI_OK) {
        printf("%s\n", show_walk(reply.result));
    }
    client_reply_deinit(&reply);
    return status;
}

int cmd_trace(struct cli *cli) {
    char text[KITH_KEY_TEXT_SIZE];
    struct kith_key key;
    int status = cli->immutable ? 0 : request_key(cli->args[0], &key, text);

    if (status)
        return status;
    return cli_trace(cli, cli->immutable ? "point" : "key", cli->immutable ? cli->args[0] : text);
}

/* ---- talk ---- */

int cmd_talk(struct cli *cli) {
    struct client_reply reply;
    struct client_args args;
    char *bytes = NULL;
    size_t size = 0;
    char peer[REQUEST_PEER_SIZE];
    int status = request_peer(cli->args[0], peer);

    if (status == CLI_OK && strlen(cli->args[1]) > KITH_PROTOCOL_NAME_MAX) {
        cli_complain("PROTOCOL: %zu bytes, at most %d fit", strlen(cli->args[1]),
                     KITH_PROTOCOL_NAME_MAX);
        status = CLI_USAGE;
    }
    if (status == CLI_OK && cli->n_args > 2)
        status = request_value(cli->args[2], KITH_TALK_MAX, &bytes, &size);
    if (status)
        return status;
    client_args_init(&args);
    client_args_text(&args, "peer", peer);
    client_args_text(&args, "protocol", cli->args[1]);
    client_args_bytes(&args, "bytes", bytes ? bytes : "", size);
    request_options(cli, &args);
    free(bytes);
    status = request_run(cli, "talk", &args, NULL, NULL, &reply);
    if (status == CLI_OK && cli->json) {
        show_json(reply.result);
    } else if (status == CLI_OK) {
        json_t *answer = json_object_get(reply.result, "bytes");
        show_string(answer ? answer : json_object_get(reply.result, "bytes_hex"));
    }
    client_reply_deinit(&reply);
    return status;
}
